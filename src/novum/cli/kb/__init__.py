"""``novum kb``: the knowledge base. Each module adds its commands to the group, in the order of the help."""

from importlib import import_module

from novum.cli.kb.group import app

__all__ = ["app"]

_MODULES = "reading overview contamination evidence deciding amending adding exchanging keeping clock"

for _module in _MODULES.split():
    import_module(f"novum.cli.kb.{_module}")
