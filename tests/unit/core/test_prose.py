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
        ("The gap is 6.7eV.", ["E001"], []),
        ("The gap is 9.9eV.", ["E001"], [Mark.NUMBER_NOT_IN_RECORD]),
        ("The gap is 9.9eV.", [], [Mark.UNCITED_NUMBER]),
        ("It was seen at 400K.", ["E001"], [Mark.NUMBER_NOT_IN_RECORD]),
        ("It was 10x better, at .5 eV.", ["E001"], [Mark.NUMBER_NOT_IN_RECORD]),
        ("It was the 2nd, by its 3D form.", ["E001"], []),
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


@pytest.mark.parametrize("name", ["7", "9", "9.1", "1", "eV", " ", "9.1 eV", "91eV"])
def test_short_and_numeric_names_of_candidates_hide_no_digits(name):
    found = check_sentence("The gap is 9.1 eV, not 17.9.", ["E1"], records={"E1": "gap 7.3 eV"}, names=[name])
    assert found.marks == (Mark.NUMBER_NOT_IN_RECORD,)
    assert check_sentence("It is 7.9 eV.", names=[name], records={}).marks == (Mark.UNCITED_NUMBER,)


def test_names_are_taken_out_as_whole_words():
    assert numbers_in("r1 beat A 1, but A 1.5 and 3 r12s", names=["r1", "A 1"]) == [
        Number(1.5, 0.1),
        Number(3.0, 1.0),
    ]
    assert numbers_in("row 7 gave 93", names=["7"]) == [Number(7.0, 1.0), Number(93.0, 1.0)]


def test_a_number_of_a_prediction_alone_is_marked_as_predicted():
    records = {"H001": "measured 6.1 eV: refuted", "H002": "not judged"}
    predicted = {"H001": "gap 5.0 eV"}
    marks = {
        "It was 6.1 eV [H001].": (),
        "It was 5.0 eV [H001].": (Mark.PREDICTED,),
        "It was 5.0 eV and not 6.1 [H001].": (Mark.PREDICTED,),
        "It was 5.0 eV [H002].": (Mark.NUMBER_NOT_IN_RECORD,),
        "It was 5.0 or 8.8 eV [H001].": (Mark.NUMBER_NOT_IN_RECORD, Mark.PREDICTED),
    }
    for text, expected in marks.items():
        assert check_sentence(text, records=records, predicted=predicted).marks == expected, text


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
