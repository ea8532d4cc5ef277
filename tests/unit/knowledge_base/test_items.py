import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from novum.core.errors import NotFoundError, StoreError, UsageError
from novum.core.knowledge import (
    Access,
    DataClass,
    Evidence,
    EvidenceRole,
    ItemStatus,
    KnowledgeItem,
    Level,
    Provenance,
)
from novum.core.quantity import Quantity
from novum.core.science import Origin
from novum.knowledge_base import schema
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
        items.put(item("one", id="K-1"))
        latest, new = items.put(item("two", id="K-1"))
        assert (latest.version, new) == (2, True)
        assert items.get(latest.id).text == "two"
        assert items.get(latest.id, version=1).text == "one"
        times, versions = zip(*items.history(latest.id), strict=True)
        assert times == (moment, moment + timedelta(days=1))
        assert [version.version for version in versions] == [1, 2]
        assert items.count() == 1


def test_a_repeated_finding_under_a_later_version_adds_nothing(items: Items, item: Make) -> None:
    items.put(item("one", id="K-1"))
    items.put(item("two", id="K-1"))
    latest, new = items.put(item("one", id="K-1"))
    assert (latest.text, latest.version, new) == ("two", 2, False)


def test_what_is_computed_of_an_item_makes_no_finding_of_it(items: Items, item: Make) -> None:
    items.put(item())
    assert items.put(item(confidence=0.99, quality={"accuracy": 1}))[1] is False
    assert items.revise(item(confidence=0.7))[0].version == 2
    assert items.get(item().id).confidence == 0.7


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
    link = Evidence(target="K-2", role=EvidenceRole.DERIVED_FROM)
    items.put(item(evidence=(link,)))
    items.put(item("again", id=item().id))
    connection = sqlite3.connect(path)
    for statement in (
        "UPDATE items SET domain = 'other'",
        "UPDATE items SET until = NULL",
        "UPDATE items SET until = until + 1 WHERE until IS NOT NULL",
        "UPDATE bodies SET text = 'other'",
        "UPDATE links SET weight = 0",
        "DELETE FROM items",
        "DELETE FROM bodies",
        "DELETE FROM links",
        "DELETE FROM tips",
    ):
        with pytest.raises(sqlite3.IntegrityError, match=r"never overwritten|append-only"):
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
        "object": ("aromatic", item("13", object="aromatic", subject="s13")),
        "data_class": (DataClass.TEXT, item("14", data_class="text", subject="s14")),
        "source": ("a paper", item("15", subject="s15", provenance=Provenance(source="a paper"))),
        "at_least": (
            Quantity(value=9.0, unit="eV"),
            item("16", subject="s16", value=Quantity(value=10.0, unit="eV")),
        ),
        "at_most": (
            Quantity(value=1000.0, unit="meV"),
            item("17", subject="s17", value=Quantity(value=1.0, unit="eV")),
        ),
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


def test_threads_record_without_loss(items: Items, item: Make) -> None:
    with ThreadPoolExecutor(8) as pool:
        new = [n for _, n in pool.map(lambda i: items.put(item(subject=f"s{i % 50}")), range(100))]
    assert (sum(new), items.count()) == (50, 50)


def test_an_item_that_cannot_be_read_is_a_store_error(path: Path, item: Make) -> None:
    with Items(path) as items:
        items.put(item())
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER bodies_are_not_updated")
    connection.execute("UPDATE bodies SET payload = '{}'")
    connection.commit()
    connection.close()
    with Items(path) as items, pytest.raises(StoreError, match="cannot be read"):
        items.query()


def test_the_past_is_read_as_it_stood(path: Path, item: Make) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    ticks = (moment + timedelta(days=i) for i in range(99))
    with Items(path, clock=lambda: next(ticks)) as items:
        items.put_many([item("one", id="K-1"), item("other", id="K-2", subject="b")])
        items.put(item("two", id="K-1"))
        items.revise(item("two", id="K-1", status=ItemStatus.RETRACTED))
        texts = [
            [found.text for found in items.query(as_of=moment + timedelta(days=days, seconds=seconds))]
            for days, seconds in ((-1, 0), (0, 0), (1, -1), (1, 0), (2, 0), (9, 0))
        ]
        both = ["one", "other"]
        assert texts == [[], both, both, ["other", "two"], ["other"], ["other"]]
        assert items.count(as_of=moment, status=None) == 2
        assert [found.version for found in items.query(as_of=moment, subjects=["b"])] == [1]
        with pytest.raises(UsageError, match="time zone"):
            items.query(as_of=datetime(2026, 1, 1))


def test_what_was_learned_and_what_was_true_are_two_times(items: Items, item: Make) -> None:
    old, new = datetime(2020, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
    before = item("until 2024", subject="a", valid_from=old, valid_to=new)
    after = item("from 2024", subject="b", valid_from=new)
    always = item("always", subject="c")
    items.put_many([before, after, always])
    assert items.query(valid_at=old) == [before, always]
    assert items.query(valid_at=new) == [after, always]
    assert items.query(valid_at=datetime(2019, 1, 1, tzinfo=UTC)) == [always]
    assert items.query(valid_at=old, as_of=old) == []


def test_evidence_adds_up_and_a_closed_item_is_not_opened_by_finding_it_again(
    items: Items, item: Make
) -> None:
    def seen_by(campaign: str, **changes: object) -> KnowledgeItem:
        link = Evidence(target=f"ledger:{campaign}/E1", role=EvidenceRole.MEASURED_BY)
        return item(evidence=(link,), provenance=Provenance(source=campaign, method="GFN2-xTB"), **changes)

    review = datetime(2027, 1, 1, tzinfo=UTC)
    items.put(seen_by("c1", access=Access.SENSITIVE, review_by=review, flags=("odd",)))
    latest, new = items.put(seen_by("c2"))
    assert new
    assert [link.target for link in latest.evidence] == ["ledger:c1/E1", "ledger:c2/E1"]
    assert (latest.access, latest.review_by, latest.flags) == (Access.SENSITIVE, review, ("odd",))
    assert items.put(seen_by("c1", access=Access.SENSITIVE, review_by=review, flags=("odd",))) == (
        latest,
        False,
    )
    assert items.put(seen_by("c2")) == (latest, False)


def test_a_knowledge_base_of_the_first_schema_is_moved_to_the_present_one(path: Path, item: Make) -> None:
    link = Evidence(target="K-9", role=EvidenceRole.DERIVED_FROM, weight=0.5)
    new = {"object", "interval", "contributions", "flags", "status_reason"}
    one, two = item("one", id="K-1", evidence=(link,)), item("two", id="K-1", version=2)
    connection = sqlite3.connect(path)
    for statement in schema.MIGRATIONS[0]:
        connection.execute(statement)
    for version in (one, two):
        fields = version.model_dump(mode="json", exclude=new) | {"quality": {}}
        fields["provenance"] = {"source": "test", "campaign": "c1", "method": "GFN2-xTB"}
        connection.execute(
            "INSERT INTO items (id, version, recorded_at, content, level, domain, subject, subject_label, "
            "relation, conditions, method, campaign, origin, negative, has_value, status, access, text, "
            "payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *("K-1", version.version, "2026-01-01T00:00:00.000000+00:00", "", "factual", "chemistry"),
                *(version.subject, "CCO", "gap", "{}", "GFN2-xTB", "c1", "simulated", 0, 1, "active"),
                *("public", version.text, json.dumps(fields)),
            ),
        )
    connection.execute("PRAGMA application_id = 1852798515")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    with Items(path) as items:
        assert [version for _, version in items.history("K-1")] == [one, two]
        assert items.query(at_least=Quantity(value=3999, unit="meV")) == [two]
        assert items.put(one) == (two, False)
        assert items.put(item("three", id="K-1"))[0].version == 3
