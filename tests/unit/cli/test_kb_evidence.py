"""``novum kb why``, ``impact``, ``history``, ``diff``, ``conflicts``, ``resolve``, ``retract``, ``link``."""

import pytest
from conftest import novum_command, on_terminal
from known_items import items

from novum.cli.kb.progress import shown_if_slow

ITEMS = items()
PROCEDURE, ETHANOL, INSIGHT = (ITEMS[name].id for name in ("procedure", "ethanol", "insight"))


def walk(node):
    yield node
    for below in node["below"]:
        yield from walk(below)


def test_why_leads_from_an_insight_to_a_procedure_and_its_source(kb):
    out = kb("why", INSIGHT).out
    for said in (
        "supported by K-2000",
        "7.10 ± 0.10 eV",
        "analysed with K-1000",
        "logbook.md",
        "page 3",
        "see above",
    ):
        assert said in out
    tree = kb("why", INSIGHT, "--json").json
    assert tree["item"]["id"] == INSIGHT
    assert {node["role"] for node in walk(tree)} == {None, "supports", "analysed_with"}


def test_why_of_a_finding_reaches_prediction_tool_call_and_verdict(finished):
    [claim] = novum_command(
        "kb", "list", "--level", "insight", "--campaign", "demo", "--json", "-w", finished
    ).json
    out = novum_command("kb", "why", claim["id"], "-w", finished).out
    for said in (
        "experiment E0",
        "predicted",
        "registered",
        "before it ran",
        "verdict",
        "supported",
        "ledger",
    ):
        assert said in out
    tree = novum_command("kb", "why", claim["id"], "--json", "-w", finished).json
    records = [node["record"] for node in walk(tree) if node["record"]]
    assert records
    assert all(r["registered_at"] <= r["finished_at"] for r in records)
    assert "demo" in {r["campaign"] for r in records}


def test_evidence_of_somewhere_else_is_marked(kb):
    assert kb("link", ETHANOL, "measured_by", "ledger:elsewhere/E001").code == 0
    assert "not here" in kb("why", ETHANOL).out
    assert ETHANOL in kb("impact", "ledger:elsewhere/E001").out


def test_impact_lists_what_rests_on_an_item_nearest_first(kb):
    found = kb("impact", PROCEDURE, "--json").json
    assert [d["depth"] for d in found] == [1, 1, 2]
    assert {d["id"] for d in found} == {ETHANOL, ITEMS["benzene"].id, INSIGHT}
    assert "analysed with" in kb("impact", PROCEDURE).out
    assert kb("impact", PROCEDURE, "-n", 1, "--offset", 2, "--json").json[0]["id"] == INSIGHT
    assert "--offset 1 goes on" in kb("impact", PROCEDURE, "-n", 1).err
    assert "nothing rests on" in kb("impact", INSIGHT).err


def test_retraction_needs_a_reason_and_somebody_who_means_it(kb):
    assert kb("retract", PROCEDURE, "--yes").code == 2
    assert "say why" in kb("retract", PROCEDURE, "--reason", " ", "--yes").err
    ended = kb("retract", PROCEDURE, "--reason", "a crack")
    assert (ended.code, "--yes" in ended.err) == (2, True)
    assert kb("show", PROCEDURE, "--json").json["status"] == "active"


def test_retraction_lists_what_became_stale_and_can_be_undone(kb):
    ended = kb("retract", PROCEDURE, "--reason", "a crack", "--yes", "--json")
    assert ended.code == 0
    assert ended.json["item"]["status"] == "retracted"
    assert {d["id"] for d in ended.json["stale"]} == {ETHANOL, ITEMS["benzene"].id, INSIGHT}
    assert {d["status"] for d in ended.json["stale"]} == {"stale"}
    assert "a crack" in kb("show", PROCEDURE).out
    assert "stale: it rests on" in kb("why", INSIGHT).out
    assert "active → stale" in kb("history", INSIGHT).out
    assert "retracted already" in kb("retract", PROCEDURE, "--reason", "again", "--yes").err
    again = kb("reinstate", PROCEDURE, "--reason", "it was another lamp", "--json").json
    assert {item["id"] for item in again} == {PROCEDURE, ETHANOL, ITEMS["benzene"].id, INSIGHT}
    assert "it is active" in kb("reinstate", PROCEDURE, "--reason", "sure").err


def test_retraction_in_words_says_how_many_are_stale(kb):
    out = kb("retract", PROCEDURE, "--reason", "a crack", "--yes").out
    assert "3 stale" in out
    assert INSIGHT in out
    assert "nothing rested on it" in kb("retract", ITEMS["other"].id, "--reason", "no", "--yes").out


def test_what_takes_longer_than_a_second_is_shown_on_a_terminal_and_nothing_before(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    for after_s, shown in ((60.0, False), (0.0, True)):
        with shown_if_slow("what rests on it", json=False, after_s=after_s) as progress:
            progress(1000, 4000)
            progress(4000, 4000)
        assert ("what rests on it" in capsys.readouterr().err) == shown
    with shown_if_slow("what rests on it", json=True, after_s=0.0) as progress:
        progress(1, 1)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("answer", "status"), [("y", "retracted"), ("n", "active")])
def test_a_person_is_asked_before_anything_is_retracted(kb, known, answer, status):
    command = ("kb", "retract", PROCEDURE, "--reason", "a crack", "-w", known)
    ended = on_terminal(*command, until="Retract it?", answer=answer)
    assert "3 items would become stale" in ended.out
    assert ended.code == (0 if answer == "y" else 1)
    assert kb("show", PROCEDURE, "--json").json["status"] == status


def test_history_says_what_changed(kb):
    kb("link", PROCEDURE, "supports", ITEMS["other"].id)
    versions = kb("history", ITEMS["other"].id, "--json").json
    assert [v["item"]["version"] for v in versions] == list(range(1, len(versions) + 1))
    changed = [change for version in versions for change in version["changes"]]
    assert f"with supports {PROCEDURE}" in changed
    assert f"with supports {PROCEDURE}" in kb("history", ITEMS["other"].id).out


def test_a_link_is_refused_where_it_makes_no_sense(kb):
    assert kb("link", ETHANOL, "admires", INSIGHT).code == 2
    assert kb("link", ETHANOL, "supports", "K-nothing").code == 2
    assert kb("link", ETHANOL, "supports", INSIGHT, "--weight", "-1").code == 2


def test_a_person_may_close_date_and_have_an_item_reviewed_and_nothing_else(kb):
    said = kb("amend", PROCEDURE, "--access", "sensitive", "--reason", "it names a patient", "--json").json
    assert (said["access"], said["version"], said["status_reason"]) == ("sensitive", 2, "it names a patient")
    assert kb("show", INSIGHT, "--json").json["access"] == "sensitive"  # it rests on that
    dated = kb("amend", ETHANOL, "--valid-to", "2020-01-01", "--reason", "another lamp", "--json").json
    assert dated["valid_to"].startswith("20")
    assert ETHANOL not in kb("list", "--valid-at", "now", "--ids").out
    assert (
        kb("amend", ETHANOL, "--valid-to", "none", "--reason", "the same lamp", "--json").json["valid_to"]
        is None
    )
    for wrong in (
        (),
        ("--access", "secret"),
        ("--review-by", "soon"),
        ("--valid-from", "2021-01-01", "--valid-to", "2020-01-01"),
    ):
        assert kb("amend", ETHANOL, *wrong, "--reason", "why").code == 2
    assert kb("amend", ETHANOL, "--access", "public", "--reason", " ").code == 2


def test_a_conflict_is_listed_with_both_sides_and_decided_by_a_person(kb):
    [conflict] = kb("conflicts", "--json").json
    assert {item["id"] for item in conflict["items"]} == {ETHANOL, ITEMS["other"].id}
    assert conflict["open"] is True
    assert conflict["statistic"] > 3
    assert conflict["id"] in kb("conflicts").out
    undecided = kb("resolve", conflict["id"], "--rule", "person", "--winner", ETHANOL)
    assert (undecided.code, "reason" in undecided.err) == (2, True)
    ended = kb(
        *("resolve", conflict["id"][:6], "--rule", "person", "--winner", ITEMS["other"].id[:6]),
        *("--reason", "the lamp was off", "--by", "Ada", "--json"),
    )
    assert ended.code == 0, ended.err
    assert ended.json["resolution"]["winner"] == ITEMS["other"].id
    assert ended.json["resolution"]["by"] == "Ada"
    assert {d["id"] for d in ended.json["stale"]} == {INSIGHT}
    assert kb("show", ETHANOL, "--json").json["status"] == "superseded"
    assert "no open conflict" in kb("conflicts").err
    assert "the lamp was off" in kb("conflicts", "--all").out
    assert kb("resolve", conflict["id"], "--rule", "weight").code == 2


def test_a_conflict_is_decided_by_a_rule(kb):
    [conflict] = kb("conflicts", "--item", ETHANOL, "--json").json
    ended = kb("resolve", conflict["id"], "--rule", "quality")
    assert ended.code == 0, ended.err
    assert "rule quality" in ended.out
    assert kb("resolve", "X-nothing", "--rule", "weight").code == 2


def test_diff_of_two_times_tells_new_from_withdrawn(kb):
    before = kb("show", INSIGHT, "--json").json["history"][-1]["recorded_at"]
    kb("retract", PROCEDURE, "--reason", "a crack", "--yes")
    found = kb("diff", before, "now", "--json").json
    assert {row["item"]["id"] for row in found["withdrawn"]} == {
        PROCEDURE,
        ETHANOL,
        ITEMS["benzene"].id,
        INSIGHT,
    }
    assert found["added"] == []
    assert "a crack" in kb("diff", before, "now").out
    assert len(kb("diff", "2020-01-01", "now", "--json").json["added"]) == len(ITEMS)
    assert "no difference" in kb("diff", "2019-01-01", "2020-01-01").err


def test_diff_of_two_campaigns(finished):
    found = novum_command("kb", "diff", "demo", "demo-control", "--json", "-w", finished).json
    assert set(found) == {"disagreements", "only_one", "only_other", "both"}
    assert found["only_one"]
    assert found["both"]
    ended = novum_command("kb", "diff", "demo", "demo-contrl", "-w", finished)
    assert (ended.code, "'demo-control'" in ended.err) == (2, True)


def test_diff_compares_like_with_like(kb):
    assert "compare two of one kind" in kb("diff", "2026-01-01", "demo").err
    assert "write the earlier time first" in kb("diff", "now", "2020-01-01").err
