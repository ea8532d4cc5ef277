"""Verifying a crate with nothing but the crate."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from novum.core.digest import canonical_json
from novum.core.knowledge import KnowledgeItem
from novum.knowledge_base.chain import GENESIS, link, payload_digest
from novum.knowledge_base.exchange import layout
from novum.knowledge_base.exchange.layout import Record
from novum.knowledge_base.exchange.reading import (
    CrateError,
    Source,
    blocks,
    digest_file,
    lines,
    open_source,
    parse_json,
    read_json,
)


@dataclass(frozen=True, slots=True)
class Verified:
    """A crate in which everything fits together."""

    path: Path
    name: str
    digest: str
    """SHA-256 of the manifest, which covers every other file."""
    n_files: int
    n_items: int
    n_versions: int
    n_left_out: int
    """Versions that were not exported; their contents cannot be verified, and their number can."""


def verify_crate(path: Path, *, digest: str | None = None) -> Verified:
    """Check every hash of a crate: of its files, of each version, and the chain from one to the next.

    It shows that the crate is whole and as it was exported. That it was exported by whom you think shows
    only its digest, if you have that from them.

    Args:
        path: a folder or a ZIP archive. Nothing is unpacked.
        digest: what the crate's digest has to be, if that is known.

    Raises:
        CrateError: something does not fit, or the crate must not be read; the message says what.
    """
    with open_source(Path(path)) as source:
        found = _check_files(source)
        if digest is not None and digest != found:
            raise CrateError(f"the crate's digest is {found}, and not {digest}: it is another crate")
        name, n_records, tip = _check_metadata(source)
        ids, counts = _check_records(source, n_records, tip)
        return Verified(Path(path), name, found, len(source.sizes), len(ids), *counts)


def _check_records(source: Source, expected: int, tip: str) -> tuple[set[str], tuple[int, int]]:
    """Return the items' ids, and how many versions are there and how many were left out."""
    latest: dict[str, int] = {}
    n_versions = n_left_out = n_records = 0
    last = GENESIS
    for record, item in checked_records(source):
        n_records += 1
        last = record.hash
        if item is None:
            n_left_out += record.left_out
            continue
        n_versions += 1
        if item.version <= latest.get(item.id, 0):
            raise CrateError(f"a record is out of order: version {item.version} of item {item.id}")
        # Of times, no order is asked for: they go back where a clock was set right.
        latest[item.id] = item.version
    if (n_records, last) != (expected, tip or GENESIS):
        raise CrateError(f"{layout.RECORDS} ends after {n_records} records, where {expected} were exported")
    return set(latest), (n_versions, n_left_out)


def checked_records(source: Source) -> Iterator[tuple[Record, KnowledgeItem | None]]:
    """Yield the records of a crate, each checked against its hash and the one before it.

    Raises:
        CrateError: one does not fit, or is no item of knowledge.
    """
    before = GENESIS
    for number, line in enumerate(lines(source, layout.RECORDS), start=1):
        place = f"line {number} of {layout.RECORDS}"
        try:
            record = Record.model_validate(parse_json(line, place))
        except ValidationError as error:
            raise CrateError(f"{place} is no record: {str(error)[:300]}") from error
        if record.prev_hash != before:
            raise CrateError(f"{place} does not follow the one before it")
        before = record.hash
        if record.item is None:
            yield record, None
            continue
        item = record.parsed()
        fields = (item.id, item.version, record.recorded_at, payload_digest(canonical_json(record.item)))
        if link(record.prev_hash, fields) != record.hash:
            raise CrateError(f"{place}, version {item.version} of item {item.id}, is not what was exported")
        yield record, item


def _check_files(source: Source) -> str:
    manifest = b"".join(blocks(source, layout.MANIFEST)) if layout.MANIFEST in source.sizes else None
    if manifest is None:
        raise CrateError(f"the crate has no {layout.MANIFEST}; this is no crate of knowledge")
    listed: dict[str, str] = {}
    for line in manifest.decode(errors="replace").splitlines():
        match = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if match is None or match[2] in listed:
            raise CrateError(
                f"{layout.MANIFEST} has a line that is not a hash and a new name: {line[:100]!r}"
            )
        listed[match[2]] = match[1]
    there = set(source.sizes) - {layout.MANIFEST}
    for what, names in (("are missing", set(listed) - there), ("were added", there - set(listed))):
        if names:
            raise CrateError(f"files {what}: {', '.join(sorted(names)[:5])}")
    for name, expected in listed.items():
        if digest_file(source, name) != expected:
            raise CrateError(f"{name!r} is not the file that was exported: its SHA-256 differs")
    return hashlib.sha256(manifest).hexdigest()


def _check_metadata(source: Source) -> tuple[str, int, str]:
    """Return the crate's name, the number of its records and the hash of the last."""
    said = read_json(source, layout.METADATA)
    try:
        entities: dict[str, Any] = {entity["@id"]: entity for entity in said["@graph"]}
        about = entities[layout.METADATA]
        root = entities[about["about"]["@id"]]
        parts = {part["@id"] for part in _listed(root["hasPart"])}
        conforms = {one["@id"] for one in _listed(about["conformsTo"])}
        profiles = {one["@id"] for one in _listed(root["conformsTo"])}
        records = entities[layout.RECORDS]
        found = str(root["name"]), int(records["novum:records"]), str(records["novum:lastHash"])
    except (KeyError, TypeError, ValueError) as error:
        raise CrateError(f"{layout.METADATA} does not describe a crate of knowledge: {error!r}") from error
    if layout.CONFORMS_TO not in conforms or layout.PROFILE not in profiles:
        raise CrateError(f"the crate is of {sorted(conforms | profiles)}, not of {layout.PROFILE}")
    described = set(source.sizes) - {layout.METADATA, layout.MANIFEST}
    if parts != described:
        raise CrateError(
            f"{layout.METADATA} describes {sorted(parts)[:9]}, and the crate has {sorted(described)[:9]}"
        )
    for name in sorted(parts):
        if entities[name].get("sha256") != digest_file(source, name):
            raise CrateError(f"{layout.METADATA} describes another file {name!r}: its SHA-256 differs")
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
