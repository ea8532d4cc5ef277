"""Cards are kept by server and model, and what cannot be read is as if it were not there."""

import pytest

from novum.agents.models.base import Card, Finding
from novum.agents.models.cards import card_file, find_card, save_card
from novum.core.errors import StoreError
from novum.core.model_entry import ModelEntry

ENTRY = ModelEntry(base_url="http://127.0.0.1:8000/v1", model="m")
CARD = Card(
    model="mine", tools="native", context_tokens=4096, findings=(Finding(name="chat", ok=True, seen="hi"),)
)


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_card_is_found_again_by_address_and_model_alone():
    assert find_card(ENTRY) is None
    save_card(ENTRY, CARD)
    assert find_card(ENTRY) == CARD
    assert find_card(ENTRY.model_copy(update={"family": "qwen3"})) == CARD
    assert find_card(ENTRY.model_copy(update={"model": "n"})) is None
    assert find_card(ENTRY.model_copy(update={"base_url": "http://127.0.0.1:8001/v1"})) is None
    save_card(ENTRY, CARD.model_copy(update={"tools": "none"}))
    assert find_card(ENTRY).tools == "none"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model": 3}', '{"model": "m", "older": 1}'])
def test_a_card_that_cannot_be_read_is_as_none(content):
    save_card(ENTRY, CARD)
    card_file(ENTRY).write_text(content)
    assert find_card(ENTRY) is None


def test_a_cache_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "cache").write_text("a file in its place")
    with pytest.raises(StoreError, match="cannot be written"):
        save_card(ENTRY, CARD)
