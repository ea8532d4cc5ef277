"""What the agent can do: typed functions that run inside a sandbox, and what runs them."""
