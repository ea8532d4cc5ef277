"""What lies where in a crate of knowledge."""

from typing import Any

from pydantic import ValidationError, model_validator

from novum.core.frozen import Frozen
from novum.core.knowledge import KnowledgeItem
from novum.knowledge_base.exchange.reading import CrateError

METADATA = "ro-crate-metadata.json"
MANIFEST = "manifest-sha256.txt"
"""A line for every other file: its SHA-256, two spaces, its name; as ``sha256sum --check`` reads it."""

RECORDS = "items.jsonl"
"""A `Record` a line: every version, in the order of recording."""

GRAPH = "items.jsonld"
ITEMS_TABLE = "items.parquet"
VERSIONS_TABLE = "versions.parquet"
LINKS_TABLE = "links.parquet"

CONFORMS_TO = "https://w3id.org/ro/crate/1.2"
PROFILE = "urn:novum:crate:1"
"""The layout of this module, which a crate of knowledge states."""


class Record(Frozen):
    """One row of the chain of versions: a version, or a gap where others were left out.

    The hash of a version is the SHA-256 of ``prev_hash``, a line end, and the canonical JSON of
    ``[id, version, recorded_at, SHA-256 of the canonical JSON of item]``.
    """

    prev_hash: str
    hash: str
    recorded_at: str = ""
    item: dict[str, Any] | None = None
    left_out: int = 0
    """Of a gap: how many versions are not here; its hash is that of the last of them."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "Record":
        if (self.item is None) == (self.left_out < 1):
            raise ValueError("a record is either a version or a gap")
        return self

    def parsed(self) -> KnowledgeItem:
        """Return the version.

        Raises:
            CrateError: it is not an item of knowledge.
        """
        try:
            return KnowledgeItem.model_validate(self.item)
        except (ValidationError, ValueError) as error:
            raise CrateError(f"a record is no item of knowledge: {str(error)[:300]}") from error
