"""Knowledge in: the items of a crate, joined with what is known here."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from novum.core.access import strictest
from novum.core.digest import canonical_json, digest
from novum.core.errors import NotFoundError
from novum.core.knowledge import ItemStatus, KnowledgeItem, item_id
from novum.knowledge_base.base import KnowledgeBase
from novum.knowledge_base.exchange.reading import CrateError, open_source
from novum.knowledge_base.exchange.verify import checked_records, verify_crate
from novum.knowledge_base.recording import recording
from novum.knowledge_base.rows import timestamp
from novum.knowledge_base.writer import Writer, merge
from novum.storage import Database

_SEVERITY = (ItemStatus.ACTIVE, ItemStatus.STALE, ItemStatus.SUPERSEDED, ItemStatus.RETRACTED)
_CHUNK = 500
_CONTENT_ID = re.compile(r"K-[0-9a-f]{16}")

_MIGRATIONS = (
    (
        """
        CREATE TABLE crates (
            digest TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            path TEXT NOT NULL,
            imported_at TEXT NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE origins (
            id TEXT NOT NULL,
            content TEXT NOT NULL,
            crate TEXT NOT NULL,
            version INTEGER NOT NULL,
            recorded_at TEXT NOT NULL,
            PRIMARY KEY (id, content, crate)
        ) STRICT, WITHOUT ROWID
        """,
    ),
)


@dataclass(frozen=True, slots=True)
class Imported:
    """What a crate brought."""

    crate: str
    """Digest of the crate."""
    n_items: int
    """Items in the crate."""
    new: tuple[str, ...]
    """Ids of the items that were not known here."""
    changed: tuple[str, ...]
    """Ids of the items that were known, and of which the crate had other versions."""
    n_versions: int
    """Versions that were not known here."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a version came from."""

    crate: str
    """Digest of the crate."""
    name: str
    """The crate's title."""
    version: int
    """Its number in the knowledge base that the crate is from."""
    recorded_at: datetime
    """When it was recorded there."""
    imported_at: datetime


class Imports:
    """Which crates were imported, and what came from which: a store of its own, beside the items.

    It is written before the items are, so that none of these is ever without its origin.

    Args:
        root: the knowledge base's folder.

    Raises:
        StoreError: the store cannot be used.
    """

    def __init__(self, root: Path) -> None:
        self._database = Database(
            root / "imports.sqlite3",
            what="record of imports",
            application_id=0x6E6F7635,
            migrations=_MIGRATIONS,
        )

    def add(
        self, crate: str, name: str, path: Path, moment: datetime, versions: "Iterable[_Version]"
    ) -> None:
        """Remember a crate and its versions; what is remembered already stays as it is.

        Raises:
            StoreError: it cannot be written.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO crates VALUES (?, ?, ?, ?)",
                (crate, name, str(path), timestamp(moment)),
            )
            connection.executemany(
                "INSERT OR IGNORE INTO origins VALUES (?, ?, ?, ?, ?)",
                ((v.item.id, v.content, crate, v.item.version, v.recorded_at) for v in versions),
            )

    def times(self, ids: Collection[str]) -> dict[tuple[str, str], str]:
        """Return when each imported version was first recorded anywhere, by id and content."""
        rows = self._database.rows(
            "SELECT id, content, min(recorded_at) AS first FROM origins "
            "WHERE id IN (SELECT value FROM json_each(?)) GROUP BY id, content",
            (canonical_json(sorted(ids)),),
        )
        return {(row["id"], row["content"]): row["first"] for row in rows}

    def find(self, item: KnowledgeItem) -> list[Origin]:
        """Return the origins of a version, the earliest import first."""
        rows = self._database.rows(
            "SELECT origins.*, name, imported_at FROM origins JOIN crates ON crates.digest = crate "
            "WHERE id = ? AND content = ? ORDER BY imported_at, crate",
            (item.id, content_digest(item.model_dump(mode="json"))),
        )
        return [
            Origin(
                row["crate"],
                row["name"],
                row["version"],
                datetime.fromisoformat(row["recorded_at"]),
                datetime.fromisoformat(row["imported_at"]),
            )
            for row in rows
        ]

    def close(self) -> None:
        """Close the store."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def import_crate(knowledge: KnowledgeBase, path: Path, *, digest: str | None = None) -> Imported:
    """Take over every version of every item of a crate that is not known here, all or none.

    A version that is known, whatever its number, is not recorded again. The others are appended in the
    order in which they were recorded there. Which version is then the latest does not depend on who
    imports from whom: if one side has the other's latest version in its history, its own; otherwise the
    one that was recorded later, with the evidence of both, and as withdrawn as either. It is as closed to
    readers as either. What contradicts what is known becomes a conflict, as when it is recorded.
    Confidence is computed anew, by the methods' records here.

    An id names one fact, here and there: a crate that has another one under an id that is known here, or
    under an id that was made of the content of a value or of what a text says, is refused as a whole. Where
    the text is a wording of what the value says, another one is another version, with its origin. What was
    reworded since both sides last met is taken over; of two wordings that know nothing of each other, the
    one that was recorded first stays.

    What a crate's items supersede is superseded here, and the other way round. Evidence for what had lost a
    conflict on one side only opens it again.

    Args:
        knowledge: where to.
        path: a folder or a ZIP archive; see `verify_crate`.
        digest: what the crate's digest has to be, if that is known.

    Raises:
        CrateError: the crate does not verify, or an item is not what its id names.
        EvidenceError: an item is called measured, and rests on what was not.
        StoreError: the knowledge base cannot be written.
    """
    verified = verify_crate(path, digest=digest)
    there: dict[str, list[_Version]] = {}
    with open_source(Path(path)) as source:
        for record, item in checked_records(source):
            if item is not None:
                content = content_digest(item.model_dump(mode="json"))
                there.setdefault(item.id, []).append(
                    _Version(item, record.recorded_at, content, record.recorded_at)
                )
    with Imports(knowledge.root) as imports:
        new, changed, n = list[str](), list[str](), 0
        with recording(knowledge.items) as recorder:
            ids, here = list(there), dict[str, list[_Version]]()
            for start in range(0, len(ids), _CHUNK):
                here |= _known(recorder.writer, imports, ids[start : start + _CHUNK])
            for id in ids:
                _check_identity(here.get(id, []), there[id])
            versions = (version for group in there.values() for version in group)
            imports.add(verified.digest, verified.name, Path(path), knowledge.items.now, versions)
            withdrawn = dict[str, KnowledgeItem]()
            for id in ids:
                added = _join(recorder.writer, here.get(id, []), there[id], withdrawn)
                n += added
                if id not in here:
                    new.append(id)
                elif added:
                    changed.append(id)
            touched = [*new, *changed]
            recorder.appraise(touched)
            heads = recorder.writer.heads(touched)
            recorder.follow_up([(heads[id], withdrawn.get(id)) for id in touched])
    return Imported(verified.digest, len(there), tuple(new), tuple(changed), n)


def find_origins(knowledge: KnowledgeBase, id: str, version: int | None = None) -> list[Origin]:
    """Return where a version of an item was imported from; nothing for what was found here.

    Raises:
        NotFoundError: no such item or version.
        StoreError: the record of imports cannot be read.
    """
    item = knowledge.find(id, version)
    if item is None:
        raise NotFoundError(f"no item {id!r} in the knowledge base {knowledge.root}")
    with Imports(knowledge.root) as imports:
        return imports.find(item)


def content_digest(fields: dict[str, Any]) -> str:
    """Return what tells one version of an item from another, whatever their numbers."""
    return digest({name: value for name, value in fields.items() if name != "version"})


@dataclass(frozen=True, slots=True)
class _Version:
    item: KnowledgeItem
    recorded_at: str
    """When it was first recorded anywhere."""
    content: str
    since: str
    """When it became the latest version where it is from."""


def _known(writer: Writer, imports: Imports, ids: Sequence[str]) -> dict[str, list[_Version]]:
    """Return the versions of items that are known here, in order, with when they were first recorded."""
    rows = writer.rows(
        "SELECT items.id, recorded_at, payload FROM items JOIN bodies USING (seq) "
        "WHERE items.id IN (SELECT value FROM json_each(?)) ORDER BY items.seq",
        (canonical_json(list(ids)),),
    )
    times = imports.times(ids)
    found: dict[str, list[_Version]] = {}
    for row in rows:
        item = KnowledgeItem.model_validate_json(row["payload"])
        content = content_digest(item.model_dump(mode="json"))
        first = min(row["recorded_at"], times.get((item.id, content), row["recorded_at"]))
        found.setdefault(item.id, []).append(_Version(item, first, content, row["recorded_at"]))
    return found


def _check_identity(here: Sequence[_Version], there: Sequence[_Version]) -> None:
    """Hold the versions of one item in a crate against its id.

    Raises:
        CrateError: one is about something else.
    """
    known = {_identity(version.item) for version in here}
    spoken = any(_is_made_of_text(version.item) for version in (*here, *there))
    for item in (version.item for version in there):
        if spoken and not _is_made_of_text(item):
            raise CrateError(f"version {item.version} of item {item.id} says what its id was not made of")
        if known and _identity(item) not in known:
            raise CrateError(f"version {item.version} of item {item.id} is not what that id means here")
        if not known and not _fits_id(item):
            raise CrateError(f"version {item.version} of item {item.id} is not what its id was made of")


def _identity(item: KnowledgeItem) -> str:
    """Return what no version of an item changes."""
    value = None if item.value is None else item.value.model_dump(mode="json")
    # A file that two people took in is one item, whatever method either names for what is in it.
    method = None if item.value is None else item.provenance.method
    return canonical_json([item.subject, item.relation, item.object, item.conditions, method, value])


def _fits_id(item: KnowledgeItem) -> bool:
    """Say whether an item with a value has the id that it gets when it is found; others may have any.

    An id that somebody chose is not of this form. Without a value it may be made of what the item does
    not keep, as a file's is of its bytes.
    """
    return item.value is None or not _CONTENT_ID.fullmatch(item.id) or item.id in _content_ids(item)


def _is_made_of_text(item: KnowledgeItem) -> bool:
    """Say whether the text of an item without a value is what it says, and its id was made of it."""
    return item.value is None and item.id in _content_ids(item)


def _content_ids(item: KnowledgeItem) -> set[str]:
    """Return the ids that an item may get when it is found."""
    return {
        item_id(
            subject=item.subject,
            relation=item.relation,
            conditions=item.conditions,
            method=item.provenance.method,
            value=item.value,
            text=item.text,
            object=object,
            source=source,
        )
        for object in ("", item.object)  # most of what makes ids leaves the object out
        for source in {"", item.provenance.content_hash}
    }


def _join(
    writer: Writer,
    here: Sequence[_Version],
    there: Sequence[_Version],
    withdrawn: dict[str, KnowledgeItem],
) -> int:
    """Append the versions of one item that are not known; return how many there were.

    Where one side had withdrawn it, and the other had not, that side's version is put into `withdrawn`.
    """
    known = {version.content for version in here}
    missing = [version for version in there if version.content not in known]
    theirs = {version.content for version in there}
    latest = there[-1]
    if not missing:
        # One side may have come back to what it said before, as in retracting again what was reinstated.
        own = here[-1]
        statuses = {own.item.status, latest.item.status}
        back = own.content in theirs and len(statuses) > 1 and ItemStatus.RETRACTED in statuses
        if not back or latest.since <= own.since:
            return 0
        writer.revise(latest.item)
        return 1
    for version in missing:
        writer.revise(version.item)
    if not here:
        return len(missing)
    own = here[-1]
    if latest.content in known:
        writer.revise(own.item)
    elif own.content not in theirs:
        writer.revise(_joined(own, latest).model_copy(update={"text": _wording(here, there)}))
        sides = sorted((own.item, latest.item), key=lambda item: _SEVERITY.index(item.status))
        if sides[0].status is not sides[1].status:
            withdrawn[own.item.id] = sides[1]
    elif (access := strictest(own.item.access, latest.item.access)) is not latest.item.access:
        # What was closed to readers here is not opened by a file.
        writer.revise(latest.item.model_copy(update={"access": access}))
    return len(missing)


def _wording(here: Sequence[_Version], there: Sequence[_Version]) -> str:
    """Return in which words an item is to be put that two sides have put in theirs.

    Words that the other side knew, and has replaced, give way. Of those that know nothing of each other, the
    ones stay that were there first: a crate does not put them otherwise.
    """
    one, other = (versions[-1].item.text for versions in (here, there))
    if one in {version.item.text for version in there} and other not in (v.item.text for v in here):
        return other
    if other in {version.item.text for version in here} and one not in (v.item.text for v in there):
        return one
    first = min((*here, *there), key=lambda v: (v.item.text not in (one, other), v.recorded_at, v.content))
    return first.item.text


def _joined(one: _Version, other: _Version) -> KnowledgeItem:
    """Return the version that follows two that know nothing of each other."""
    earlier, later = sorted((one, other), key=lambda version: (version.recorded_at, version.content))
    joined = merge(later.item, earlier.item)
    worst = max((earlier.item, later.item), key=lambda item: _SEVERITY.index(item.status))
    return joined.model_copy(
        update={
            "status": worst.status,
            "status_reason": worst.status_reason,
            # In an order that does not depend on which of both was here.
            "evidence": tuple(sorted(joined.evidence, key=lambda e: (e.target, e.role, e.weight))),
            "flags": tuple(sorted(joined.flags)),
        }
    )
