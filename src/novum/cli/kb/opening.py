"""The knowledge base of a workspace, and an item of it by its name."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from novum.cli.options import nearest, open_workspace
from novum.core.errors import NotFoundError
from novum.core.knowledge import KnowledgeItem

if TYPE_CHECKING:
    from novum.knowledge_base.base import KnowledgeBase
    from novum.knowledge_base.conflicts import Conflict


@contextmanager
def open_knowledge(folder: Path | None, *, create: bool = False) -> "Iterator[KnowledgeBase]":
    """Give the knowledge base of a workspace.

    Args:
        folder: what ``--workspace`` said, if anything.
        create: whether it may be made.

    Raises:
        NotFoundError: there is none, and it may not be made.
    """
    with open_workspace(folder, create=True) as opened:
        if not create and not (opened.settings.workspace / "knowledge").is_dir():
            raise NotFoundError(
                f"there is no knowledge base in {str(opened.settings.workspace)!r}; campaigns and "
                "'novum kb add' fill it, --workspace names another folder"
            )
        yield opened.knowledge


def get_item(knowledge: "KnowledgeBase", name: str) -> KnowledgeItem:
    """Return the latest version of the item with this id, or of the only one whose id begins like it.

    Raises:
        NotFoundError: none, with the nearest; or several.
    """
    exact = knowledge.find(name)
    if exact is not None:
        return exact
    ids = knowledge.items.ids(status=None)
    return knowledge.get(_only(name, ids, "item", "'novum kb search TEXT' finds items"))


def get_conflict(knowledge: "KnowledgeBase", name: str) -> "Conflict":
    """Return the conflict with this id, or the only one whose id begins like it.

    Raises:
        NotFoundError: none, with the nearest; or several.
    """
    if exact := knowledge.conflicts(id=name, every=True):
        return exact[0]
    found = {conflict.id: conflict for conflict in knowledge.conflicts(every=True)}
    return found[_only(name, found, "conflict", "'novum kb conflicts' lists them")]


def _only(name: str, ids: Iterable[str], what: str, listing: str) -> str:
    ids = list(ids)
    like = [id for id in ids if name and id.lower().startswith(name.lower())]
    if len(like) == 1:
        return like[0]
    if like:
        some = ", ".join(like[:5])
        raise NotFoundError(f"{name!r} begins {len(like)} ids: {some}{'…' if len(like) > 5 else ''}")
    raise NotFoundError(f"there is no {what} {name!r}{nearest(name, ids, listing=listing)}")
