"""``novum kb search``, ``list``, ``show``, ``stats``, ``quality`` and ``bias``."""

from datetime import timedelta

import pytest
from conftest import novum_command
from known_items import items

from novum.cli.kb.options import parse_bound, parse_moment
from novum.core.errors import UsageError

ITEMS = items()


def ids(ended):
    return [item["id"] for item in ended.json]


def found(ended):
    return [hit["item"]["id"] for hit in ended.json]


def test_a_text_is_found_and_the_answer_says_how(kb):
    hits = kb("search", "lamp calibrated with holmium", "--json").json
    assert hits[0]["item"]["id"] == ITEMS["procedure"].id
    assert set(hits[0]) == {"similarity", "score", "how", "item", "overdue"}
    assert hits[0]["how"] in ("vector", "text", "both")


def test_text_from_an_item_does_not_act_on_the_terminal(kb):
    ended = kb("search", "DFT in red")
    assert "\x1b" not in ended.out
    assert "\\x1b[31m" in ended.out
    assert "\x1b" not in kb("show", ITEMS["other"].id).out


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (("--level", "insight"), {"insight"}),
        (("--relation", "gap"), {"ethanol", "benzene", "other"}),
        (("--property", "gap > 6 eV"), {"ethanol", "other"}),
        (("--property", "gap between 5 and 8 eV"), {"ethanol", "benzene"}),
        (("--property", "gap >= 6 eV", "--property", "gap <= 8 eV"), {"ethanol"}),
        (("--property", "gap < 0.3 hartree"), {"ethanol", "benzene"}),
        (("--access", "sensitive"), {"secret"}),
        (("--source", "uv.csv"), {"ethanol", "benzene"}),
        (("--subject", ITEMS["benzene"].subject), {"benzene"}),
        (("--domain", "physics"), set()),
        (("--class", "text"), set()),
        (("--origin", "measured"), set()),
        (("--status", "stale"), set()),
    ],
)
def test_filters_choose_what_is_listed(kb, filters, names):
    assert set(ids(kb("list", *filters, "--json"))) == {ITEMS[name].id for name in names}


def test_pages_follow_each_other_without_gap_or_repeat(kb):
    everything = ids(kb("list", "--json"))
    assert len(everything) == len(ITEMS)
    pages = [ids(kb("list", "-n", 4, "--offset", start, "--json")) for start in (0, 4, 8)]
    assert pages == [everything[:4], everything[4:], []]
    assert "4 of 6 items; --offset 4 goes on" in kb("list", "-n", 4).err
    whole = found(kb("search", "gap", "--json"))
    assert found(kb("search", "gap", "-n", 2, "--offset", 1, "--json")) == whole[1:3]
    assert kb("list", "-n", 2, "--ids").out.split() == everything[:2]
    assert kb("search", "gap", "--ids").out.split() == whole


def test_a_time_before_an_item_was_known_does_not_show_it(kb):
    recorded = kb("show", ITEMS["ethanol"].id, "--json").json["history"][0]["recorded_at"]
    before = (parse_moment(recorded) - timedelta(seconds=1)).isoformat()
    assert ids(kb("list", "--as-of", before, "--json")) == []
    assert found(kb("search", "gap", "--as-of", before, "--json")) == []
    assert len(ids(kb("list", "--as-of", "now", "--json"))) == len(ITEMS)
    assert "nothing was known" in kb("show", ITEMS["ethanol"].id, "--as-of", before).err


def test_what_was_retracted_later_is_active_as_of_then(kb):
    then = kb("show", ITEMS["ethanol"].id, "--json").json["history"][0]["recorded_at"]
    assert kb("retract", ITEMS["ethanol"].id, "--reason", "a leak", "--yes").code == 0
    assert ITEMS["ethanol"].id not in ids(kb("list", "--json"))
    assert ITEMS["ethanol"].id in ids(kb("list", "--as-of", then, "--json"))
    assert kb("show", ITEMS["ethanol"].id, "--as-of", then, "--json").json["status"] == "active"
    assert ids(kb("list", "--status", "retracted", "--json")) == [ITEMS["ethanol"].id]
    assert len(ids(kb("list", "--status", "any", "--json"))) == len(ITEMS)


def test_molecules_are_found_by_likeness_and_by_group(kb):
    alike = kb("search", "--similar", "CCCO", "--similarity", 0.3, "--json").json
    assert {hit["item"]["id"] for hit in alike} == {ITEMS["ethanol"].id, ITEMS["other"].id}
    assert all(hit["how"] == "structure" and 0.3 <= hit["similarity"] <= 1 for hit in alike)
    assert found(kb("search", "--containing", "c1ccccc1", "--json")) == [ITEMS["benzene"].id]
    assert found(kb("search", "by UV", "--containing", "[OX2H]", "-n", 1, "--json")) == [ITEMS["ethanol"].id]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("search",), "say what to look for"),
        (("search", "x", "--property", "gap"), "cannot read the bound"),
        (("search", "x", "--property", "maximise gap"), "a wish, not a bound"),
        (("search", "x", "--property", "gap > 4 blorps"), "blorps"),
        (("search", "x", "--property", "gap > 4 eV", "--property", "qed > 1"), "one item has one property"),
        (("search", "x", "--relation", "qed", "--property", "gap > 4 eV"), "one item has one property"),
        (("search", "x", "--as-of", "yesterday"), "is no time"),
        (("search", "--similar", "not a molecule"), "not a molecule"),
        (("search", "--similar", "C", "--composition", "Fe"), "ask about one structure"),
        (("search", "x", "--similarity", "0.5"), "--similarity is of a structure"),
        (("search", "--crystal", "nowhere.cif"), "no file 'nowhere.cif'"),
        (("show", "K-200000000000003"), "did you mean"),
        (("show", "K-"), "begins 6 ids"),
        (("show", ""), "no item ''"),
        (("list", "--level", "deep"), "deep"),
        (("list", "-n", "0"), "greater than or equal to 1"),
        (("why", "nothing"), "no item 'nothing'"),
    ],
)
def test_a_request_that_cannot_be_met_says_why(kb, arguments, said):
    ended = kb(*arguments)
    assert ended.code == 2
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_a_bound_in_another_kind_of_unit_is_pointed_out(kb):
    ended = kb("list", "--property", "gap > 4 kg")
    assert (ended.code, ended.out) == (0, "")
    assert "the bound is in kg" in ended.err
    assert "no item has a value of 'height'" in kb("list", "--property", "height > 4 m").err


def test_a_missing_knowledge_base_is_named_and_none_is_made(tmp_path):
    ended = novum_command("kb", "list", "-w", tmp_path / "none")
    assert (ended.code, (tmp_path / "none").exists()) == (2, False)
    assert "novum kb add" in ended.err


def test_an_item_is_shown_with_quality_evidence_and_versions(kb):
    out = kb("show", "K-2000").out
    for said in (
        "7.10 ± 0.10 eV",
        "computed from its evidence",
        "quality",
        "analysed_with",
        "Versions",
        "public",
    ):
        assert said in out
    data = kb("show", "K-2000", "--json").json
    assert data["history"][0]["version"] == 1
    assert data["conflicts"]


def test_sensitive_items_are_shown_here(kb):
    assert "sensitive" in kb("show", ITEMS["secret"].id).out


def test_stats_quality_and_bias(kb):
    stats = kb("stats", "--json").json
    assert (stats["n_items"], stats["n_conflicts"]) == (6, 1)
    assert "1 open" in kb("stats").out
    quality = kb("quality", "--json").json
    assert set(quality["quality"]) == {"accuracy", "completeness", "timeliness", "traceability", "score"}
    assert "completeness" in kb("quality").out
    bias = kb("bias", "--json").json
    assert bias["n_items"] == 6
    assert sum(share["n"] for share in bias["shares"]["domain"]) == 6
    assert "no item was measured" in kb("bias").out


def test_quality_says_how_a_source_kept_its_word(finished):
    sources = novum_command("kb", "quality", "--json", "-w", finished).json["sources"]
    assert {"optimizer", "random"} <= {source["source"] for source in sources}
    assert "What sources said" in novum_command("kb", "quality", "-w", finished).out


def test_a_date_means_its_end_and_a_time_may_have_an_offset():
    day = parse_moment("2026-11-24")
    assert (day.hour, day.minute, day.day) == (23, 59, 24)
    assert parse_moment("2026-11-24T10:00+02:00").isoformat() == "2026-11-24T10:00:00+02:00"
    assert parse_moment("2026-11-24T10:00").tzinfo is not None
    for wrong in ("2026-13-01", "24.11.2026", "", "9999-12-31"):
        with pytest.raises(UsageError):
            parse_moment(wrong)


def test_a_bound_has_its_unit():
    name, low, high = parse_bound("gap = 4 ± 0.5 eV")
    assert (name, str(low), str(high)) == ("gap", "3.5 eV", "4.5 eV")
    assert parse_bound("qed >= 0.8")[1].unit == "1"
