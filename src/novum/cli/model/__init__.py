"""``novum model``: language models. Each module adds its commands to the group, in the order of the help."""

from importlib import import_module

from novum.cli.model.group import app

__all__ = ["app"]

for _module in ("listing", "naming", "checking", "serving"):
    import_module(f"novum.cli.model.{_module}")
