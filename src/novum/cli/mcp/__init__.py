"""``novum mcp``: novum for other programs, over the Model Context Protocol."""

from novum.cli.mcp.serve import app

__all__ = ["app"]
