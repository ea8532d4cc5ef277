"""Molecules and sequences in a text are found by the published rules."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novum.agents.models.science_spans import (
    find_spans,
    is_molecule_by_rdkit,
    is_smiles_by_rules,
    protect_formula,
    tag_spans,
    untag_spans,
)

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
CAFFEINE = "CN1C=NC2=C1C(=O)N(C(=O)N2C)C"
INSULIN_A = "GIVEQCCTSICSLYQLENYCNGIVEQCC"

CHECKS = [None, is_molecule_by_rdkit]


def found(text, **how):
    return [(span.kind, span.text) for span in find_spans(text, **how)]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    "smiles",
    [
        ASPIRIN,
        CAFFEINE,
        "C[C@H](N)C(=O)N[C@@H](CO)C(=O)O",
        "O=C(O)c1ccc(cc1)C(=O)O",
        "[Na+].[O-]C(=O)c1ccccc1",
        "C1CCCCC1CCCCC%10CCCC%10",
    ],
)
@pytest.mark.parametrize("sentence", ["{}", "Take {}.", "What of {}, then?", "({})", "is '{}' a drug?"])
def test_molecules_are_found_wherever_they_stand(smiles, sentence, check):
    assert found(sentence.format(smiles), is_molecule=check) == [("SMILES", smiles)]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    "text",
    [
        "CCO is short.",
        "The quick brown fox jumps over the lazy dog.",
        "In 2024-11-23 it was 300.15 K, or 1013.25 hPa (1.0133e5 Pa).",
        "c1ccccc2CCCCCCO does not close its rings.",
        "CC(=O)Oc1ccccc1C(=O is left open.",
        "aspirinCC(=O)Oc1ccccc1C(=O)O is glued.",
        "1234567890123456",
        "(((((((((())))))))))",
        "",
    ],
)
def test_what_is_no_molecule_is_left_alone(text, check):
    assert found(text, is_molecule=check) == []


def test_rdkit_rules_out_what_the_syntax_allows():
    pentavalent = "CC(C)(C)(C)(C)CCCCO"
    assert is_smiles_by_rules(pentavalent)
    assert found(pentavalent) == [("SMILES", pentavalent)]
    assert found(pentavalent, is_molecule=is_molecule_by_rdkit) == []


def test_a_check_that_cannot_tell_leaves_it_to_the_rules():
    assert found(ASPIRIN, is_molecule=lambda _: None) == [("SMILES", ASPIRIN)]


@pytest.mark.parametrize(
    ("smiles", "right"),
    [
        ("c1ccccc1CCCCO", True),
        ("c1ccccc2CCCCO", False),
        ("=CCCCCCCCCC", False),
        ("CCCCCCCCCC=", False),
        ("CCCC==CCCCC", False),
        ("CC(CCCCCCC", False),
        ("CC)CCCCCC(C", False),
        ("CC[Nabc]CCCC", False),
        ("CC[1234C]CCCC", False),
        ("ccccccccccn", False),
        ("C%12CCCCCC%12", True),
        ("CC[NH3+]CCCC", True),
    ],
)
def test_the_rules_of_syntax_are_those_that_were_published(smiles, right):
    assert is_smiles_by_rules(smiles) is right


def test_a_long_run_of_capitals_is_a_sequence():
    assert len(INSULIN_A) >= 27
    assert found(f"It begins {INSULIN_A}.") == [("FASTA", INSULIN_A)]
    assert found("GIVEQCCTSICSLYQLENYCNGIVEQ") == []


def test_marked_spans_come_as_they_are_marked():
    text = "<SMILES>CCO</SMILES>, <MOLFORMULA>C6H12O6</MOLFORMULA> and <IUPAC>ethanol</IUPAC>"
    spans = find_spans(text, is_molecule=is_molecule_by_rdkit)
    assert [(s.kind, s.text, s.tagged, s.valid) for s in spans] == [
        ("SMILES", "CCO", True, True),
        ("MOLFORMULA", "C6H12O6", True, None),
        ("IUPAC", "ethanol", True, None),
    ]
    assert all(text[s.start : s.end] == s.text for s in spans)


@pytest.mark.parametrize("text", ["<SMILES>" * 50_000, "<SMILES><FASTA>" * 25_000, "<SMILES>C " * 40_000])
def test_tags_left_open_are_left_alone_in_one_pass(text):
    assert untag_spans(text) == text  # looked at once for each tag, this would take minutes
    assert untag_spans(text + "<SMILES>CCO</SMILES>") == text + "CCO"


def test_a_marked_molecule_that_is_none_is_told():
    (span,) = find_spans("<SMILES>C1CC</SMILES>", is_molecule=is_molecule_by_rdkit)
    assert span.valid is False


def test_molecules_are_marked_once():
    once = tag_spans(f"Is {ASPIRIN} or {CAFFEINE} better?")
    assert once == f"Is <SMILES>{ASPIRIN}</SMILES> or <SMILES>{CAFFEINE}</SMILES> better?"
    assert tag_spans(once) == once
    assert untag_spans(once) == f"Is {ASPIRIN} or {CAFFEINE} better?"


def test_nothing_inside_a_protected_formula_is_marked():
    text = f"<MOLFORMULA>{ASPIRIN}</MOLFORMULA>"
    assert tag_spans(text) == text


def test_a_formula_is_protected_and_other_text_is_refused():
    assert protect_formula("C6H12O6") == "<MOLFORMULA>C6H12O6</MOLFORMULA>"
    with pytest.raises(ValueError, match="no chemical formula"):
        protect_formula("</MOLFORMULA>")


pieces = st.sampled_from(
    [ASPIRIN, CAFFEINE, INSULIN_A, "<SMILES>", "</SMILES>", "<IUPAC>", "[", "]", "(", ")", "C", "=", ".", " "]
) | st.text(max_size=5)


@settings(max_examples=100, deadline=None)
@given(text=st.lists(pieces, max_size=15).map("".join))
def test_marking_adds_tags_and_nothing_else(text):
    spans = find_spans(text)
    assert all(text[s.start : s.end] == s.text for s in spans)
    assert all(one.end <= two.start for one, two in pairwise(spans))
    plain = text.replace("<SMILES>", "").replace("</SMILES>", "")
    assert tag_spans(text).replace("<SMILES>", "").replace("</SMILES>", "") == plain
