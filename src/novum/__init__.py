"""novum: autonomous scientific discovery that a working scientist can trust.

The public names load on first use, so that ``import novum`` costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from novum.core.goals import Budget, Confirmation, Goal, Objective, ObjectiveKind
    from novum.core.quantity import Quantity
    from novum.core.record import CampaignRecord
    from novum.core.settings import Settings, load_settings
    from novum.core.spaces import CrystalSpace, MoleculeSpace, ParameterSpace, PoolSpace
    from novum.knowledge_base import KnowledgeBase
    from novum.runtime import Workspace
    from novum.tools.base import Properties, Unit, tool

__all__ = [
    "Budget",
    "CampaignRecord",
    "Confirmation",
    "CrystalSpace",
    "Goal",
    "KnowledgeBase",
    "MoleculeSpace",
    "Objective",
    "ObjectiveKind",
    "ParameterSpace",
    "PoolSpace",
    "Properties",
    "Quantity",
    "Settings",
    "Unit",
    "Workspace",
    "load_settings",
    "tool",
]

_HOMES = {
    "novum.core.goals": ("Budget", "Confirmation", "Goal", "Objective", "ObjectiveKind"),
    "novum.core.quantity": ("Quantity",),
    "novum.core.record": ("CampaignRecord",),
    "novum.core.settings": ("Settings", "load_settings"),
    "novum.core.spaces": ("CrystalSpace", "MoleculeSpace", "ParameterSpace", "PoolSpace"),
    "novum.knowledge_base": ("KnowledgeBase",),
    "novum.runtime": ("Workspace",),
    "novum.tools.base": ("Properties", "Unit", "tool"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            import importlib

            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
