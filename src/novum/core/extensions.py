"""Planners, embedders and executors of other packages, by the name that a person chose.

A package offers one under an entry point; nothing of it is loaded unless it is named. Unlike a tool it
runs in novum's own process, with the rights of whoever starts novum.
"""

import importlib.metadata
from typing import Any, Final, Literal

from novum.core.errors import UsageError

Kind = Literal["planner", "embedder", "executor"]

GROUPS: Final[dict[Kind, str]] = {
    "planner": "novum.planners",
    "embedder": "novum.embedders",
    "executor": "novum.executors",
}
"""Kind → the entry-point group in which a package offers it, as ``name = "package.module:factory"``."""

NEEDED: Final[dict[Kind, tuple[str, ...]]] = {
    "planner": ("name", "plan"),
    "embedder": ("name", "description", "dimensions", "fingerprint", "embed"),
    "executor": ("run",),
}
"""Kind → what its interface has."""


class ExtensionError(UsageError):
    """Something of another package that cannot be loaded, or is not what its kind has to be."""


def extension_names(kind: Kind) -> tuple[str, ...]:
    """Return the names under which installed packages offer a kind; nothing is loaded."""
    return tuple(sorted({point.name for point in importlib.metadata.entry_points(group=GROUPS[kind])}))


def open_extension(kind: Kind, name: str, *arguments: Any, **options: Any) -> Any | None:
    """Return what the package that offers `name` makes, or None where no package does.

    Args:
        kind: what is wanted.
        name: as the entry point is called.
        *arguments: for the factory.
        **options: for the factory.

    Raises:
        ExtensionError: two packages offer it; it cannot be imported or made; it lacks a part of its
            interface.
    """
    points = [point for point in importlib.metadata.entry_points(group=GROUPS[kind]) if point.name == name]
    if not points:
        return None
    places = sorted({point.value for point in points})
    if len(places) > 1:
        raise ExtensionError(
            f"two packages offer the {kind} {name!r}: {' and '.join(places)}; uninstall one of them"
        )
    try:
        made = points[0].load()(*arguments, **options)
    except UsageError:
        raise
    except Exception as error:
        raise ExtensionError(
            f"the {kind} {name!r} ({places[0]}) cannot be loaded: {type(error).__name__}: {error}; update or "
            "remove its package"
        ) from error
    missing = [part for part in NEEDED[kind] if not hasattr(made, part)]
    if missing:
        raise ExtensionError(
            f"the {kind} {name!r} ({places[0]}) is none: it has no {', '.join(map(repr, missing))}"
        )
    return made
