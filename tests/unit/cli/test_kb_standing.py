"""What is overdue, closed, or known already is said: ``novum kb expire``, ``amend``, ``contamination``."""

from datetime import UTC, datetime, timedelta

import pytest
from conftest import novum_command

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
from novum.knowledge_base.base import KnowledgeBase

PAST = datetime.now(UTC) - timedelta(days=2)


def fact(subject, text, **changes):
    return KnowledgeItem(
        id=item_id(subject=subject, relation="states", conditions={}, method="", value=None, text=text),
        level=Level.FACTUAL,
        data_class=DataClass.TEXT,
        domain="chemistry",
        subject=subject,
        relation="states",
        text=text,
        origin=Origin.MEASURED,
        provenance=Provenance(source="paper"),
        **changes,
    )


OLD = fact("standard", "the old standard holds for seven kinds of glass", review_by=PAST)
RESTING = fact(
    "glass", "glass follows it", evidence=(Evidence(target=OLD.id, role=EvidenceRole.DERIVED_FROM),)
)
SECRET = fact("LFQSCWFLJHTTHZ-UHFFFAOYSA-N", "a patient drank it", access=Access.SENSITIVE)
ABOVE = fact("dose", "a dose follows", evidence=(Evidence(target=SECRET.id, role=EvidenceRole.DERIVED_FROM),))


@pytest.fixture
def ws(tmp_path):
    folder = tmp_path / "ws"
    with KnowledgeBase(folder / "knowledge", embedder="hashing") as knowledge:
        knowledge.record([OLD, RESTING, SECRET, ABOVE])
    return folder


def test_what_is_overdue_is_found_and_marked_until_it_is_stale(ws):
    found = novum_command("kb", "search", "old standard", "--json", "-w", ws).json
    assert {hit["item"]["id"]: hit["overdue"] for hit in found}[OLD.id] is True
    assert {hit["item"]["id"]: hit["overdue"] for hit in found}[RESTING.id] is False
    assert "overdue" in novum_command("kb", "search", "old standard", "-w", ws).out
    assert "overdue" in novum_command("kb", "list", "-w", ws).out
    assert "overdue" in novum_command("kb", "show", OLD.id, "-w", ws).out


def test_a_dry_run_of_expire_says_what_would_be_stale_and_changes_nothing(ws):
    said = novum_command("kb", "expire", "--dry-run", "--json", "-w", ws).json
    assert said["changed"] is False
    assert [item["id"] for item in said["expired"]] == [OLD.id]
    assert [d["item"]["id"] if "item" in d else d["id"] for d in said["stale"]] == [RESTING.id]
    assert novum_command("kb", "list", "--status", "stale", "--json", "-w", ws).json == []


def test_expire_makes_stale_what_is_past_its_review_and_what_rests_on_it(ws):
    ended = novum_command("kb", "expire", "-w", ws)
    assert ended.code == 0, ended.err
    assert "1 past their review date, 1 more that rest on them: stale" in ended.out
    stale = novum_command("kb", "list", "--status", "stale", "--json", "-w", ws).json
    assert {item["id"] for item in stale} == {OLD.id, RESTING.id}
    assert "nothing is past its review date" in novum_command("kb", "expire", "-w", ws).out


def test_an_item_that_cannot_be_opened_says_because_of_what(ws):
    ended = novum_command("kb", "amend", ABOVE.id, "--access", "public", "--reason", "why not", "-w", ws)
    assert ended.code == 0, ended.err
    assert f"{ABOVE.id} stays sensitive" in ended.err
    assert SECRET.id in ended.err.replace("\n", "")
    args = ("kb", "amend", ABOVE.id, "--access", "public", "--reason", "why not", "--json", "-w", ws)
    said = novum_command(*args).json
    assert (said["access"], said["closed_by"]) == ("sensitive", [SECRET.id])
    opened = novum_command(
        "kb", "amend", SECRET.id, "--access", "public", "--reason", "consent", "--json", "-w", ws
    )
    assert (opened.json["access"], opened.json["closed_by"]) == ("public", [])
    assert novum_command(*args).json["access"] == "public"


def test_adding_something_open_about_a_closed_subject_is_said(ws, tmp_path):
    (tmp_path / "a.smi").write_text("CCO ethanol\n")
    args = ("kb", "add", tmp_path / "a.smi", "--origin", "measured", "--domain", "chemistry", "-w", ws)
    said = novum_command(*args, "--json").json
    assert said["closed_subjects"] == {SECRET.subject: "sensitive"}
    assert "more open than what is known" in novum_command(*args).err
    assert novum_command(*args, "--access", "sensitive", "--json").json["closed_subjects"] == {}


@pytest.mark.parametrize(
    ("name", "content", "columns", "known"),
    [
        ("a.smi", "CCO\nCCN\n", (), ["a.smi:1"]),
        ("a.csv", "id,smiles\nx,CCO\ny,CCCC\n", (), ["x"]),
        (
            "a.jsonl",
            '{"q": "The OLD standard holds for seven kinds of glass"}\n',
            ("text=q",),
            None,
        ),
        ("a.txt", "Glass follows it.\nSomething new.\n", (), ["a.txt:1"]),
    ],
)
def test_what_of_an_evaluation_is_known_is_counted(ws, tmp_path, name, content, columns, known):
    (tmp_path / name).write_text(content)
    options = [word for column in columns for word in ("--column", column)]
    [said] = novum_command("kb", "contamination", tmp_path / name, *options, "--json", "-w", ws).json
    assert {o["example"] for o in said["overlaps"]} == set(known or ["a.jsonl:1"])
    assert said["n_known"] == 1
    table = novum_command("kb", "contamination", tmp_path / name, *options, "-w", ws)
    assert f"1 of {said['n_examples']} examples are known" in table.out.replace("\n", " ")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "a,b\n1,2\n", "holds no example"),
        ("a.jsonl", "[1]\n", "is no JSON object"),
        ("a.jsonl", "{\n", "is no JSON"),
        ("a.smi", "C(\n", "is no SMILES"),
    ],
)
def test_a_file_that_is_no_evaluation_set_is_refused(ws, tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    ended = novum_command("kb", "contamination", tmp_path / name, "-w", ws)
    assert ended.code == 2
    assert said in ended.err.replace("\n", " ")
