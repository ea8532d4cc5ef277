import sqlite3
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novum.core.errors import NotFoundError, StoreError, UsageError
from novum.core.knowledge import Access, Evidence, EvidenceRole, ItemStatus, KnowledgeItem, Level, Provenance
from novum.core.quantity import Quantity
from novum.core.science import Origin
from novum.knowledge_base.items import Items

Make = Callable[..., KnowledgeItem]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "items.sqlite3"


@pytest.fixture
def items(path: Path):
    with Items(path) as items:
        yield items


def test_an_item_comes_back_whole_after_reopening(path: Path, item: Make) -> None:
    full = item(
        "ethanol has a gap",
        conditions={"solvent": "water", "charge": 0},
        value=Quantity(value=4.1, unit="eV", std=0.2),
        arguments={"smiles": "CCO"},
        evidence=(Evidence(target="ledger:c1/finish/e1", role=EvidenceRole.MEASURED_BY),),
        quality={"accuracy": 0.5},
        valid_from=datetime(2026, 1, 1, tzinfo=UTC),
    )
    with Items(path) as items:
        assert items.put(full) == (full, True)
    with Items(path) as items:
        assert items.get(full.id) == full


def test_recording_the_same_twice_adds_nothing(items: Items, item: Make) -> None:
    assert items.put(item())[1]
    assert items.put(item()) == (item(), False)
    assert items.put(item(version=7)) == (item(), False)
    assert (items.count(), items.n_versions) == (1, 1)


def test_changed_content_is_a_new_version_and_the_old_one_stays(path: Path, item: Make) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    ticks = (moment + timedelta(days=i) for i in range(9))
    with Items(path, clock=lambda: next(ticks)) as items:
        items.put(item(confidence=0.5))
        latest, new = items.put(item(confidence=0.9))
        assert (latest.version, new) == (2, True)
        assert items.get(latest.id).confidence == 0.9
        assert items.get(latest.id, version=1).confidence == 0.5
        times, versions = zip(*items.history(latest.id), strict=True)
        assert times == (moment, moment + timedelta(days=1))
        assert [version.version for version in versions] == [1, 2]
        assert items.count() == 1


def test_a_repeated_finding_under_a_later_version_adds_nothing(items: Items, item: Make) -> None:
    items.put(item(confidence=0.5))
    items.put(item(confidence=0.9))
    latest, new = items.put(item(confidence=0.5))
    assert (latest.confidence, latest.version, new) == (0.9, 2, False)


def test_a_withdrawn_item_stays_withdrawn_when_it_is_found_again(items: Items, item: Make) -> None:
    items.put(item())
    assert items.revise(item(status=ItemStatus.RETRACTED))[1]
    again = Provenance(source="test", campaign="c2", method="GFN2-xTB")
    latest, new = items.put(item(provenance=again))
    assert (latest.status, new) == (ItemStatus.RETRACTED, True)
    assert items.put(item(provenance=again)) == (latest, False)
    assert items.put(item()) == (latest, False)
    assert items.query() == []


def test_an_item_can_be_retracted_reinstated_and_retracted_again(items: Items, item: Make) -> None:
    items.put(item())
    for version, status in enumerate(("retracted", "active", "retracted"), start=2):
        latest, new = items.revise(item(status=status))
        assert (latest.status, latest.version, new) == (status, version, True)
        assert items.revise(item(status=status)) == (latest, False)
    items.revise(item())
    assert items.put(item(status=ItemStatus.RETRACTED))[0].status is ItemStatus.RETRACTED


def test_many_items_are_recorded_all_or_none(items: Items, item: Make) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        items.put_many([item(subject="a"), item(subject="b", conditions={"x": float("inf")})])
    assert items.count() == 0


def test_an_unknown_item_or_version_is_not_found(items: Items, item: Make) -> None:
    items.put(item())
    assert items.find("K-0") is None
    with pytest.raises(NotFoundError, match="K-0"):
        items.get("K-0")
    with pytest.raises(NotFoundError, match="version 2"):
        items.get(item().id, version=2)
    with pytest.raises(NotFoundError):
        items.history("K-0")


def test_rows_can_be_neither_updated_nor_deleted(items: Items, item: Make, path: Path) -> None:
    items.put(item())
    connection = sqlite3.connect(path)
    for statement in ("UPDATE items SET text = 'other'", "DELETE FROM items"):
        with pytest.raises(sqlite3.IntegrityError, match="never overwritten"):
            connection.execute(statement)
    connection.close()


def test_queries_filter_by_every_field(items: Items, item: Make) -> None:
    plain = item("plain", subject="s0")
    variants = {
        "subjects": (["s1", "s9"], item("1", subject="s1")),
        "relation": ("logp", item("2", relation="logp")),
        "level": (Level.INSIGHT, item("3", level="insight", subject="s3")),
        "domain": ("materials", item("4", domain="materials", subject="s4")),
        "status": (ItemStatus.STALE, item("5", status="stale", subject="s5")),
        "negative": (True, item("6", negative=True, subject="s6")),
        "conditions": ({"b": 2, "a": 1}, item("7", conditions={"a": 1, "b": 2})),
        "methods": (["PBE", "B3LYP"], item("8", provenance=Provenance(source="t", method="PBE"))),
        "origin": (Origin.MEASURED, item("9", origin="measured", subject="s9b")),
        "access": ([Access.SENSITIVE], item("10", access="sensitive", subject="s10")),
        "campaign": ("c2", item("11", subject="s11", provenance=Provenance(source="t", campaign="c2"))),
        "has_value": (False, item("12", value=None)),
    }
    items.put_many([plain, *(variant for _, variant in variants.values())])
    for name, (wanted, variant) in variants.items():
        assert items.query(**{name: wanted}) == [variant], name
        assert items.ids(**{name: wanted}) == [variant.id], name
        assert items.count(**{name: wanted}) == 1, name
    assert items.count() == len(variants)
    assert items.count(status=None) == len(variants) + 1
    assert items.query(subjects=[]) == []


def test_a_query_gives_pages_in_the_order_of_recording(items: Items, item: Make) -> None:
    recorded = [item(f"{i}", subject=f"s{i}") for i in range(5)]
    items.put_many(recorded)
    assert items.query(limit=2) == recorded[:2]
    assert items.query(limit=2, offset=3) == recorded[3:]
    assert items.query(offset=4) == recorded[4:]


def test_a_campaign_finds_what_it_recorded_under_later_versions(items: Items, item: Make) -> None:
    items.put(item(provenance=Provenance(source="t", campaign="c1", method="m")))
    latest, _ = items.put(item(provenance=Provenance(source="t", campaign="c2", method="m")))
    assert latest.version == 2
    assert items.query(campaign="c1") == items.query(campaign="c2") == [latest]


def test_an_unknown_filter_is_a_usage_error(items: Items) -> None:
    with pytest.raises(UsageError, match="colour"):
        items.query(colour="red")


def test_words_are_found_in_text_label_and_relation_whatever_their_ending(items: Items, item: Make) -> None:
    a = item("fluorination raises the gap of aromatic rings", subject="a", subject_label="c1ccccc1F")
    b = item("the solvent changes nothing", subject="b", relation="meets_goal")
    items.put_many([a, b])
    assert items.find_text("aromatic ring") == [a.id]
    assert items.find_text("changing solvents") == [b.id]
    assert items.find_text("c1ccccc1F") == [a.id]
    assert items.find_text("meets_goal") == [b.id]
    assert items.find_text("the", n=1) in ([a.id], [b.id])
    assert items.find_text("aromatic solvent", level=Level.INSIGHT) == []


def test_only_the_latest_text_is_found(items: Items, item: Make) -> None:
    items.put(item("zirconia is stable", id="K-1"))
    items.put(item("zirconia is metastable", id="K-1"))
    assert items.find_text("stable") == []
    assert items.find_text("zirconia") == ["K-1"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        '"',
        "'",
        "a AND",
        "NOT",
        "text:gap",
        "gap*",
        "^gap",
        "NEAR(gap, 2)",
        "gap) OR (",
        "-gap",
        "_",
        "\0",
    ],
)
def test_a_search_text_is_never_a_query_language(items: Items, item: Make, text: str) -> None:
    items.put(item("the gap"))
    assert items.find_text(text) == ([item("the gap").id] if "gap" in text else [])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=60), min_size=20, max_size=20))
def test_any_text_can_be_searched_for(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, Items(Path(folder) / "items.sqlite3") as items:
        for text in texts:
            assert items.find_text(text) == []


def test_documents_are_the_latest_texts_after_a_position(items: Items, item: Make) -> None:
    items.put_many([item("one", id="K-1"), item("two", id="K-2")])
    first = list(items.documents())
    assert [(document.id, document.text) for document in first] == [("K-1", "one"), ("K-2", "two")]
    items.put(item("one, corrected", id="K-1"))
    assert [document.text for document in items.documents()] == ["two", "one, corrected"]
    assert [document.text for document in items.documents(since=first[-1].position)] == ["one, corrected"]
    assert items.n_recorded(first[-1].position) == items.n_recorded(10**9) == 2
    assert items.n_recorded(first[0].position) == 1


def test_threads_record_without_loss(items: Items, item: Make) -> None:
    with ThreadPoolExecutor(8) as pool:
        new = [n for _, n in pool.map(lambda i: items.put(item(subject=f"s{i % 50}")), range(100))]
    assert (sum(new), items.count()) == (50, 50)


def test_an_item_that_cannot_be_read_is_a_store_error(path: Path, item: Make) -> None:
    with Items(path) as items:
        items.put(item())
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER items_are_not_updated")
    connection.execute("UPDATE items SET payload = '{}'")
    connection.commit()
    connection.close()
    with Items(path) as items, pytest.raises(StoreError, match="cannot be read"):
        items.query()
