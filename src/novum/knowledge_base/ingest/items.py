"""Drafts as items of the knowledge base: cleaned, with source, origin, level and access."""

from typing import Any

from novum.core.knowledge import (
    Access,
    DataClass,
    Evidence,
    EvidenceRole,
    KnowledgeItem,
    Level,
    Provenance,
    item_id,
)
from novum.core.science import Origin
from novum.core.text import clean_text
from novum.knowledge_base.ingest.draft import Draft, Task
from novum.knowledge_base.ingest.formats import Format

SOURCE = "source"
"""The relation of the item that stands for a file."""

MAX_TEXT_CHARS = 4_000
"""Longer texts of items are cut; passages are shorter."""


class ItemMaker:
    """Makes the items of one file.

    Args:
        task: the file, and what its user says of it.
        format: its format.
        data_class: the class of the file as a whole.
        tool: the library that reads it.
        version: the library's version.
        private: the file's name may identify a person, and is not written down.
    """

    def __init__(
        self,
        task: Task,
        *,
        format: Format,
        data_class: DataClass,
        tool: str,
        version: str,
        private: bool,
    ) -> None:
        self._task = task
        self._format = format
        self._data_class = data_class
        source, about = task.source, task.about
        self._name = f"{source.sha256[:16]}{source.suffix}" if private else source.name
        self._provenance = Provenance(
            source=self._name,
            agent=about.agent,
            tool=tool,
            tool_version=version,
            instrument=about.instrument,
            method=about.method,
            content_hash=source.sha256,
            language=about.language,
            licence=about.licence,
        )
        self._file_id = item_id(
            subject=source.id, relation=SOURCE, conditions={}, method="", value=None, text=source.sha256
        )

    def file_item(self, *, sensitive: bool) -> KnowledgeItem:
        """Return the item of the file itself, on which all others rest."""
        source, about = self._task.source, self._task.about
        return KnowledgeItem(
            id=self._file_id,
            level=Level.FACTUAL,
            data_class=self._data_class,
            domain=about.domain,
            subject=source.id,
            subject_label=self._name,
            relation=SOURCE,
            object=f"sha256:{source.sha256}",
            text=f"{self._name}: {self._format.value} file of {source.size} bytes.",
            provenance=self._provenance,
            origin=about.origin,
            access=self._access(sensitive),
        )

    def item(self, draft: Draft) -> KnowledgeItem:
        """Return the item of a draft.

        Raises:
            ValueError: the draft holds what no item can.
        """
        about = self._task.about
        conditions = _clean(draft.conditions)
        text = clean_text(draft.text, limit=MAX_TEXT_CHARS)
        subject, relation = _line(draft.subject), _line(draft.relation)
        measured = Level.FACTUAL if about.origin is Origin.MEASURED else Level.MODELLING
        return KnowledgeItem(
            id=item_id(
                subject=subject,
                relation=relation,
                conditions=conditions,
                method=about.method,
                value=draft.value,
                text=text,
                source=self._task.source.sha256,
            ),
            level=about.level or draft.level or measured,
            data_class=draft.data_class,
            domain=about.domain,
            subject=subject,
            subject_label=_line(draft.label),
            relation=relation,
            object=_line(draft.object),
            value=draft.value,
            interval=draft.interval,
            conditions=conditions,
            text=text,
            arguments=draft.arguments,
            flags=draft.flags,
            evidence=(Evidence(target=self._file_id, role=EvidenceRole.DERIVED_FROM),),
            provenance=self._provenance.model_copy(
                update={"locator": draft.locator, "created": draft.created}
            ),
            origin=about.origin,
            access=self._access(draft.sensitive),
        )

    def _access(self, sensitive: bool) -> Access:
        return self._task.about.access or (Access.SENSITIVE if sensitive else Access.PUBLIC)


def _line(text: str) -> str:
    return clean_text(" ".join(text.split()), limit=500)


def _clean(conditions: dict[str, Any]) -> dict[str, Any]:
    return {_line(k): clean_text(v) if isinstance(v, str) else v for k, v in conditions.items()}
