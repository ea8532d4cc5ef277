"""Knowledge out, as an RO-Crate that a stranger can read and verify."""

import hashlib
import json
import re
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from novum.core.access import Destination, release, strictest
from novum.core.errors import StoreError, UsageError
from novum.core.knowledge import Access, KnowledgeItem
from novum.knowledge_base.chain import payload_digest
from novum.knowledge_base.exchange import layout
from novum.knowledge_base.exchange.graph import CONTEXT, nodes
from novum.knowledge_base.exchange.layout import Record
from novum.knowledge_base.exchange.tables import Tables
from novum.knowledge_base.items import Items
from novum.knowledge_base.rows import to_item

_PAGE = 1000
_ID = re.compile(r"\bK-[0-9a-f]{8,}\b")

_FILES = {
    layout.RECORDS: ("Every version of every item, chained by hashes", "application/jsonl"),
    layout.GRAPH: ("The same in the terms of W3C PROV", "application/ld+json"),
    layout.ITEMS_TABLE: ("The latest version of each item", "application/vnd.apache.parquet"),
    layout.VERSIONS_TABLE: ("Every version of each item", "application/vnd.apache.parquet"),
    layout.LINKS_TABLE: ("What each version rests on", "application/vnd.apache.parquet"),
}


@dataclass(frozen=True, slots=True)
class Exported:
    """What went into a crate."""

    path: Path
    n_items: int
    n_versions: int
    withheld: tuple[str, ...]
    """Ids of items of which some version stayed, because of who may see it or because others were chosen."""
    digest: str
    """SHA-256 of the crate's manifest: whoever knows it knows that the crate is this one."""


def export_crate(
    items: Items,
    path: Path,
    *,
    name: str = "Knowledge",
    licence: str = "",
    allow: Collection[Access] = (),
    ids: Collection[str] | None = None,
) -> Exported:
    """Write the items, with all their versions, as an RO-Crate 1.2; nothing is there before all is.

    Only public items go out unless `allow` names other tiers, and of these none that names one that stays
    because of its tier: as evidence for it or against it, as what took its place. What stays leaves a gap in
    the chain, which says how many versions are missing and nothing of them. An item whose latest version may
    not go out goes out in no version.

    Args:
        items: what to export.
        path: a folder that is not there yet, or a file that ends in ``.zip``.
        name: title of the crate.
        licence: URL or SPDX name under which others may use it; items may state their own.
        allow: tiers that may go out beside public ones.
        ids: only these items; None for all.

    Raises:
        StoreError: the items cannot be read or the crate cannot be written.
        UsageError: `path` is taken.

    References:
        RO-Crate 1.2, https://w3id.org/ro/crate/1.2
    """
    path = Path(path)
    if path.exists():
        raise UsageError(f"{str(path)!r} is there already; name a crate that is not")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as temporary:
            folder = Path(temporary) / "crate"
            folder.mkdir()
            content = _write_content(items, folder, allow, ids)
            digest = _write_metadata(folder, content, name=name, licence=licence, now=items.now)
            if path.suffix == ".zip":
                packed = Path(temporary) / "crate.zip"
                _pack(folder, packed)
                packed.rename(path)
            else:
                folder.rename(path)
    except (OSError, shutil.Error) as error:
        raise StoreError(f"the crate {str(path)!r} cannot be written: {error}") from error
    return Exported(path, len(content.ids), content.n_versions, tuple(sorted(content.withheld)), digest)


@dataclass
class _Content:
    ids: set[str]
    withheld: set[str]
    n_versions: int = 0
    n_records: int = 0
    tip: str = ""


def _write_content(
    items: Items, folder: Path, allow: Collection[Access], ids: Collection[str] | None
) -> _Content:
    content = _Content(set(), set())
    until = items.last_position
    latest = {
        row["id"]: (row["seq"], Access(row["access"]))
        for row in items.database.rows(
            "SELECT id, seq, access FROM items WHERE seq <= ? AND (until IS NULL OR until > ?)",
            (until, until),
        )
    }
    open_tiers = {Access.PUBLIC, *allow}
    closed = {id for id, (_, access) in latest.items() if access not in open_tiers}
    naming = _naming(items, until, closed)
    chosen = None if ids is None else set(ids)
    gap: Record | None = None
    known: set[str] = set()
    with (
        (folder / layout.RECORDS).open("w", encoding="utf-8") as records,
        (folder / layout.GRAPH).open("w", encoding="utf-8") as graph,
        Tables(folder) as tables,
    ):
        graph.write(f'{{"@context": {json.dumps(CONTEXT)},\n"@graph": [')
        for row in _rows(items, until):
            item = to_item(row)
            position, tier = latest[item.id]
            asked = item.model_copy(update={"access": strictest(item.access, tier)})
            goes = bool(release([asked], to=Destination.EXPORT, allow=allow).items)
            # An id is a hash of what an item says: whoever guesses that could see it confirmed.
            goes = goes and item.id not in naming and not names_any(item, row["payload"], closed)
            if not goes or (chosen is not None and item.id not in chosen):
                content.withheld.add(item.id)
                gap = Record(
                    prev_hash=row["prev_hash"] if gap is None else gap.prev_hash,
                    hash=row["hash"],
                    left_out=1 if gap is None else gap.left_out + 1,
                )
                continue
            if gap is not None:
                _write_record(records, gap, content)
                gap = None
            record = Record(
                prev_hash=row["prev_hash"],
                hash=row["hash"],
                recorded_at=row["recorded_at"],
                item=json.loads(row["payload"]),
            )
            _write_record(records, record, content)
            sha256 = payload_digest(row["payload"])
            for node in nodes(item, row["recorded_at"], sha256):
                if node["@id"] not in known:
                    known.add(node["@id"])
                    graph.write(("," if len(known) > 1 else "") + "\n" + _json(node))
            tables.add(
                item,
                datetime.fromisoformat(row["recorded_at"]),
                sha256=sha256,
                hash=row["hash"],
                is_latest=row["seq"] == position,
            )
            content.ids.add(item.id)
            content.n_versions += 1
        if gap is not None:
            _write_record(records, gap, content)
        graph.write("\n]}\n")
    return content


def _naming(items: Items, until: int, closed: AbstractSet[str]) -> set[str]:
    """Return the ids of the items whose latest version names one of the closed items."""
    if not closed:
        return set()
    return {
        row["id"]
        for row in _rows(items, until, heads=True)
        if names_any(to_item(row), row["payload"], closed)
    }


def names_any(item: KnowledgeItem, payload: str, closed: AbstractSet[str]) -> bool:
    """Say whether a version names one of the closed items: as evidence, or in words, as in a reason.

    An item does not name itself. The rule holds wherever items leave this machine.

    Args:
        item: the version.
        payload: the same as JSON.
        closed: ids of the items that stay.
    """
    others = closed - {item.id}
    if any(link.target in others for link in item.evidence) or not others.isdisjoint(_ID.findall(payload)):
        return True
    pattern = _of_other_forms(frozenset(closed))
    return pattern is not None and not others.isdisjoint(pattern.findall(payload))


@lru_cache(maxsize=4)
def _of_other_forms(closed: frozenset[str]) -> re.Pattern[str] | None:
    """Return what finds those ids that are not of the usual form, which a crate of others may bring."""
    odd = sorted((id for id in closed if not _ID.fullmatch(id)), key=len, reverse=True)
    if not odd:
        return None
    return re.compile(rf"(?<![\w-])(?:{'|'.join(re.escape(json.dumps(id)[1:-1]) for id in odd)})(?![\w-])")


def _rows(items: Items, until: int, *, heads: bool = False) -> Iterator[sqlite3.Row]:
    since = 0
    while rows := items.database.rows(
        "SELECT items.seq, id, version, recorded_at, payload, prev_hash, hash "
        "FROM items JOIN bodies USING (seq) "
        "WHERE items.seq > ? AND items.seq <= ? AND (? OR items.until IS NULL OR items.until > ?) "
        "ORDER BY items.seq LIMIT ?",
        (since, until, not heads, until, _PAGE),
    ):
        yield from rows
        since = rows[-1]["seq"]


def _write_record(records: IO[str], record: Record, content: _Content) -> None:
    records.write(_json(record.model_dump(mode="json", exclude_defaults=True)) + "\n")
    content.n_records += 1
    content.tip = record.hash


def _write_metadata(folder: Path, content: _Content, *, name: str, licence: str, now: datetime) -> str:
    """Write the crate's own description and its manifest; return the manifest's SHA-256."""
    from rocrate.model.contextentity import ContextEntity
    from rocrate.model.file import File
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.2")
    crate.metadata.extra_terms.update(CONTEXT | {"sha256": "http://schema.org/sha256"})
    crate.name = name
    crate.description = (
        f"{len(content.ids)} items of scientific knowledge in {content.n_versions} versions, each with its "
        f"evidence and provenance"
    )
    crate.datePublished = now
    crate.license = crate.add(ContextEntity(crate, *_licence(licence)))
    crate.root_dataset["conformsTo"] = {"@id": layout.PROFILE}
    crate.root_dataset["additionalType"] = CONTEXT["prov"] + "Collection"
    crate.add(
        ContextEntity(
            crate,
            layout.PROFILE,
            {"@type": ["CreativeWork", "Profile"], "name": "Crate of knowledge"},
        )
    )
    software = crate.add(
        ContextEntity(
            crate,
            "#novum",
            {
                "@type": ["SoftwareApplication", "prov:SoftwareAgent"],
                "name": "novum",
                "version": version("novum"),
                "url": "urn:novum:software",
            },
        )
    )
    files = []
    for file, (description, encoding) in _FILES.items():
        properties: dict[str, Any] = {
            "name": file,
            "description": description,
            "encodingFormat": encoding,
            "contentSize": str((folder / file).stat().st_size),
            "sha256": _sha256(folder / file),
        }
        if file == layout.RECORDS:
            properties |= {"novum:records": content.n_records, "novum:lastHash": content.tip}
        files.append(crate.add(File(crate, folder / file, file, properties=properties)))
    action = crate.add(
        ContextEntity(
            crate,
            "#export",
            {
                "@type": ["CreateAction", "prov:Activity"],
                "name": "Export of the knowledge base",
                "endTime": now.isoformat(),
                "prov:endedAtTime": now.isoformat(),
            },
        )
    )
    action["instrument"] = software
    action["prov:wasAssociatedWith"] = software
    action["result"] = files
    crate.root_dataset["mentions"] = action
    crate.root_dataset["prov:wasGeneratedBy"] = action
    (folder / layout.METADATA).write_text(
        json.dumps(crate.metadata.generate(), indent=1, ensure_ascii=False), encoding="utf-8"
    )
    manifest = "".join(f"{_sha256(folder / file)}  {file}\n" for file in sorted([*_FILES, layout.METADATA]))
    (folder / layout.MANIFEST).write_text(manifest)
    return hashlib.sha256(manifest.encode()).hexdigest()


def _licence(name: str) -> tuple[str, dict[str, str]]:
    """Return the id and the properties of the entity for a licence, a URL or an SPDX name."""
    if not name:
        said = "No licence is stated for the whole; items may state their own."
        return "#licence", {"@type": "CreativeWork", "name": "None stated", "description": said}
    is_spdx = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]*", name)
    id = name if "://" in name else f"https://spdx.org/licenses/{name}" if is_spdx else "#licence"
    said = f"Others may use this crate under {name}; items may state licences of their own."
    return id, {"@type": "CreativeWork", "name": name, "description": said}


def _pack(folder: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
