"""A number in a sentence must stand in a record that the sentence names."""

import pytest

from novum.core.prose import Mark, Number, check_sentence, cited_in, numbers_in, split_sentences

RECORDS = {"E001": 'rank 1: "c1ccccc1": gap 6.712 eV, share 0.25', "K-1f": "the gap is -3.25 ± 0.5 eV"}


@pytest.mark.parametrize(
    ("text", "cites", "marks"),
    [
        ("The gap is 6.71 eV.", ["E001"], []),
        ("The gap is 6.7 eV.", ["E001"], []),
        ("The gap is 7 eV.", ["E001"], []),
        ("The gap is 6.72 eV.", ["E001"], [Mark.NUMBER_NOT_IN_RECORD]),
        ("The share is 25 %.", ["E001"], []),
        ("The gap is 6.7 eV [E001].", [], []),
        ("It was −3.25 eV.", ["K-1f"], []),
        ("It was -3.2 eV.", ["E001"], [Mark.NUMBER_NOT_IN_RECORD]),
        ("The gap is 6.7 eV.", [], [Mark.UNCITED_NUMBER]),
        ("The gap is large.", [], []),
        ("The gap is large.", ["E009"], [Mark.UNKNOWN_RECORD]),
        ("The gap is 6.7 eV.", ["E009"], [Mark.UNKNOWN_RECORD, Mark.NUMBER_NOT_IN_RECORD]),
        ("c1ccccc1 did best in E001.", ["E001"], []),
        ("It took 1,234 steps.", ["E001"], [Mark.NUMBER_NOT_IN_RECORD]),
        ("It rose by 1e3 eV.", ["E001"], [Mark.NUMBER_NOT_IN_RECORD]),
    ],
)
def test_sentences_are_marked_for_what_is_wrong_with_them(text, cites, marks):
    found = check_sentence(text, cites, records=RECORDS, names=["c1ccccc1"])
    assert list(found.marks) == marks
    assert found.text == text


def test_a_number_of_another_record_does_not_count():
    found = check_sentence("The gap is 6.7 eV.", ["K-1f"], records=RECORDS)
    assert found.marks == (Mark.NUMBER_NOT_IN_RECORD,)


def test_names_hold_no_numbers():
    assert numbers_in("H002 and E001 and K-1f2a: CC1CC1", names=["CC1CC1", "K-1f2a"]) == []
    assert numbers_in("1.5 and 2.50 %") == [Number(1.5, 0.1), Number(2.5, 0.01, percent=True)]


@pytest.mark.parametrize(
    "text", ["1.2.3", "24.11.2026", "1e99999", "9" * 400, "١٢٣", "1,2,3.4.5", "-", "1e+"]
)
def test_what_only_looks_like_a_number_breaks_nothing(text):
    found = check_sentence(f"It is {text} here.", ["E001"], records={"E001": f"v {text}"})
    assert Mark.UNKNOWN_RECORD not in found.marks


def test_citations_and_sentences_are_found():
    assert cited_in("a [E001, E002] b [C001].") == ("E001", "E002", "C001")
    assert split_sentences(" One is 1.5 eV.  Two? Three! ") == ("One is 1.5 eV.", "Two?", "Three!")
    assert split_sentences("") == ()
