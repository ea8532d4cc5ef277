"""The access policy: which items may leave, and whereto. Every gateway asks here, and nowhere else."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from novum.core.errors import NotReleasedError, UsageError
from novum.core.knowledge import Access, KnowledgeItem

TIERS = (Access.PUBLIC, Access.RESTRICTED, Access.SENSITIVE)
"""From the most open to the closest."""


class Destination(StrEnum):
    """Where items are about to go."""

    LOCAL = "local"
    """A person, or a model, on this machine."""
    EXPORT = "export"
    """A file for others."""
    REMOTE_MODEL = "remote_model"
    """A model that is served from somewhere else."""


@dataclass(frozen=True, slots=True)
class Released:
    """What may go, and what may not."""

    items: tuple[KnowledgeItem, ...]
    withheld: tuple[str, ...]
    """Ids of the items that stay."""


def release(items: Iterable[KnowledgeItem], *, to: Destination, allow: Collection[Access] = ()) -> Released:
    """Divide `items` into those that may go to a destination and those that may not.

    Everything may be seen on this machine. Only public items leave it by themselves. `allow` lets
    restricted ones go to a remote model, and restricted or sensitive ones into an export. Nothing lets a
    sensitive item go to a remote model.

    Raises:
        UsageError: sensitive items were allowed to go to a remote model.

    Example:
        >>> release([], to=Destination.EXPORT)
        Released(items=(), withheld=())
    """
    open_ = open_tiers(to, allow=allow)
    items = list(items)
    return Released(
        items=tuple(item for item in items if item.access in open_),
        withheld=tuple(item.id for item in items if item.access not in open_),
    )


def open_tiers(to: Destination, *, allow: Collection[Access] = ()) -> frozenset[Access]:
    """Return the tiers that may go to a destination; `allow` is as for `release`.

    Raises:
        UsageError: sensitive items were allowed to go to a remote model.

    Example:
        >>> sorted(tier.value for tier in open_tiers(Destination.REMOTE_MODEL))
        ['public']
    """
    if to is Destination.REMOTE_MODEL and Access.SENSITIVE in allow:
        raise UsageError("sensitive items never go to a remote model; use a model that this machine serves")
    return frozenset(TIERS) if to is Destination.LOCAL else frozenset({Access.PUBLIC, *allow})


def check_release(tiers: Iterable[Access], *, to: Destination, allow: Collection[Access] = ()) -> None:
    """Return if everything of `tiers` may go to a destination together.

    Raises:
        NotReleasedError: something may not.
        UsageError: sensitive items were allowed to go to a remote model.
    """
    closed = set(tiers) - open_tiers(to, allow=allow)
    if closed:
        raise NotReleasedError(
            f"something {strictest(*closed).value} may not go to {to.value.replace('_', ' ')!r}; nothing was "
            f"sent. Leave it out, or use a model that this machine serves"
        )


def strictest(*tiers: Access) -> Access:
    """Return the closest of `tiers`; public without any.

    Example:
        >>> strictest(Access.PUBLIC, Access.SENSITIVE).value
        'sensitive'
    """
    return max(tiers, key=TIERS.index, default=Access.PUBLIC)
