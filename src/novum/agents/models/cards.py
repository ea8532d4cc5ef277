"""Capability cards, kept in the user's cache: one for each address and model, whatever it is called."""

from pathlib import Path

from novum.agents.models.base import Card
from novum.core.digest import digest
from novum.core.errors import StoreError
from novum.core.model_entry import ModelEntry
from novum.core.settings import user_cache


def card_file(entry: ModelEntry) -> Path:
    """Return the file for a model's card."""
    return user_cache() / "model-cards" / f"{digest([entry.base_url, entry.model])[:32]}.json"


def find_card(entry: ModelEntry) -> Card | None:
    """Return the stored card; None where there is none, or an older release wrote it otherwise."""
    try:
        return Card.model_validate_json(card_file(entry).read_bytes())
    except (OSError, ValueError):
        return None


def save_card(entry: ModelEntry, card: Card) -> None:
    """Store a card in the place of the last one.

    Raises:
        StoreError: it cannot be written.
    """
    file = card_file(entry)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{str(file)!r} cannot be written: {error.strerror}") from error
