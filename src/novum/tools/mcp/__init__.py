"""Tools of MCP servers. A server, or the connection to it, lives in a sandbox for the length of one call."""
