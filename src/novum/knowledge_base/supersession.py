"""Who says that an item has been replaced: links of the role `supersedes`, found by what they lead to."""

from collections.abc import Collection
from dataclasses import dataclass

from novum.core.digest import canonical_json
from novum.core.knowledge import Evidence, EvidenceRole, ItemStatus
from novum.knowledge_base.writer import Writer


@dataclass(frozen=True, slots=True)
class Superseder:
    """An item that says it replaces another."""

    id: str
    retracted: bool
    """It was taken back, so that its word counts no more."""


def superseders(writer: Writer, ids: Collection[str]) -> dict[str, list[Superseder]]:
    """Return which items say in their latest versions that they supersede any of `ids`, by what they lead to.

    What nothing supersedes is left out.
    """
    found: dict[str, list[Superseder]] = {}
    for row in writer.rows(
        "SELECT links.target, items.id, items.status FROM json_each(?) AS wanted "
        "CROSS JOIN links ON links.target = wanted.value AND links.role = 'supersedes' "
        "CROSS JOIN items ON items.seq = links.seq "
        "WHERE items.until IS NULL AND items.id <> links.target ORDER BY links.target, items.id",
        (canonical_json(list(ids)),),
    ):
        retracted = row["status"] == ItemStatus.RETRACTED
        found.setdefault(row["target"], []).append(Superseder(row["id"], retracted))
    return found


def superseded(writer: Writer, ids: Collection[str]) -> list[str]:
    """Return the ids that any of `ids` says in its latest version it supersedes, known or not."""
    rows = writer.rows(
        "SELECT DISTINCT links.target FROM json_each(?) AS wanted "
        "CROSS JOIN items ON items.id = wanted.value AND items.until IS NULL "
        "CROSS JOIN links ON links.seq = items.seq AND links.role = 'supersedes' "
        "WHERE links.target <> items.id ORDER BY links.target",
        (canonical_json(list(ids)),),
    )
    return [row["target"] for row in rows]


def circular(writer: Writer, id: str, by: str) -> bool:
    """Say whether `id` supersedes in its turn what supersedes it, `by`, at whatever distance.

    Each word of such a circle takes back another, so that none of them counts.
    """
    seen: set[str] = set()
    following = {id}
    while following:
        if by in following:
            return True
        seen |= following
        following = {
            target
            for target, said in superseders(writer, superseded(writer, following)).items()
            if any(item.id in following and not item.retracted for item in said)
        } - seen
    return False


def release(writer: Writer, id: str) -> None:
    """Let no item that was not retracted say any longer that it supersedes `id`."""
    said = superseders(writer, [id]).get(id, [])
    heads = writer.heads([item.id for item in said if not item.retracted])
    for head in heads.values():
        kept = tuple(link for link in head.evidence if not _leads(link, id))
        writer.revise(head.model_copy(update={"evidence": kept}))


def _leads(link: Evidence, id: str) -> bool:
    return link.role is EvidenceRole.SUPERSEDES and link.target == id
