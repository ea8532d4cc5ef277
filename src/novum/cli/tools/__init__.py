"""``novum tools``: the tools. Each module adds its commands to the group, in the order of the help."""

from importlib import import_module

from novum.cli.tools.group import app

__all__ = ["app"]

for _module in ("reading", "trusting", "making", "serving"):
    import_module(f"novum.cli.tools.{_module}")
