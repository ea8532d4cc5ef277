"""Conditions by likeness: those of similar reactions, none where nothing is, better with every run."""

import numpy as np
import pytest

from novum.core.errors import ToolFailedError
from novum.tools.chemistry.conditions import KnownReaction, difference, predict_conditions

SUZUKI = {"catalyst": "Pd(PPh3)4", "base": "K2CO3"}
AMIDE = {"reagent": "HATU", "base": "DIPEA"}
KNOWN = [
    KnownReaction(reaction=reaction, conditions=conditions, yield_percent=y, source=f"entry {n}")
    for n, (reaction, conditions, y) in enumerate(
        [
            ("Brc1ccccc1.OB(O)c1ccccc1>>c1ccc(-c2ccccc2)cc1", SUZUKI, 90),
            ("Brc1ccc(C)cc1.OB(O)c1ccccc1>>Cc1ccc(-c2ccccc2)cc1", SUZUKI, 80),
            ("NCc1ccccc1.O=C(O)c1ccccc1>>O=C(NCc1ccccc1)c1ccccc1", AMIDE, 85),
            ("CCN.O=C(O)c1ccccc1>>CCNC(=O)c1ccccc1", AMIDE, 75),
        ]
    )
]


def test_a_reaction_gets_the_conditions_of_its_own_kind():
    coupled = predict_conditions("Brc1ccc(OC)cc1.OB(O)c1ccccc1>>COc1ccc(-c2ccccc2)cc1", known=KNOWN)
    assert coupled.details["class"] == "Suzuki coupling of aryls"
    assert coupled.details["conditions"][0]["conditions"] == SUZUKI
    assert coupled.expected_yield == pytest.approx(85)
    amide = predict_conditions("CCCN.O=C(O)c1ccccc1>>CCCNC(=O)c1ccccc1", known=KNOWN)
    assert amide.details["conditions"][0]["conditions"] == AMIDE
    assert amide.details["conditions"][0]["sources"] == ["entry 2", "entry 3"]


def test_it_abstains_where_nothing_is_similar():
    found = predict_conditions("OCc1ccccc1>>O=Cc1ccccc1", known=KNOWN)
    assert found.predicted == 0
    assert found.similarity < 0.3
    assert found.probability is None
    assert "conditions" not in found.details
    assert "abstains" in found.warnings[0]


def test_it_abstains_where_all_that_is_similar_failed():
    failed = [row.model_copy(update={"yield_percent": 0.0}) for row in KNOWN[:2]]
    found = predict_conditions("Brc1ccc(OC)cc1.OB(O)c1ccccc1>>COc1ccc(-c2ccccc2)cc1", known=failed)
    assert (found.predicted, found.probability) == (0, None)


def test_what_was_run_changes_what_is_proposed():
    asked = "Brc1ccc(OC)cc1.OB(O)c1ccccc1>>COc1ccc(-c2ccccc2)cc1"
    better = {"catalyst": "XPhos Pd G3", "base": "K3PO4"}
    grown = [*KNOWN, *[KnownReaction(reaction=asked, conditions=better, yield_percent=99)] * 2]
    before, after = (predict_conditions(asked, known=k).details["conditions"][0] for k in (KNOWN, grown))
    assert before["conditions"] == SUZUKI
    assert after["conditions"] == better


def test_probabilities_are_shares_and_order_of_the_table_does_not_matter():
    asked = "NCc1ccccc1.O=C(O)c1ccc(C)cc1>>Cc1ccc(C(=O)NCc2ccccc2)cc1"
    first = predict_conditions(asked, known=KNOWN).details["conditions"]
    second = predict_conditions(asked, known=KNOWN[::-1]).details["conditions"]
    assert sum(one["probability"] for one in first) == pytest.approx(1)
    assert [one["conditions"] for one in first] == [one["conditions"] for one in second]


def test_spelling_and_what_does_not_change_leave_the_difference_alone():
    one = difference("OCC.CC(=O)O>>CC(=O)OCC")
    assert np.array_equal(one, difference("CC(O)=O.C(O)C>>C(C)OC(C)=O"))
    assert np.array_equal(one, difference("OCC.CC(=O)O.c1ccccc1>>CC(=O)OCC.c1ccccc1"))
    assert np.array_equal(-one, difference("CC(=O)OCC>>OCC.CC(=O)O"))


@pytest.mark.parametrize("text", ["CCO", "CCO>>", ">>CCO", "nonsense>>CCO"])
def test_what_is_no_reaction_is_refused(text):
    with pytest.raises(ToolFailedError):
        predict_conditions(text, known=KNOWN)


def test_a_reaction_that_changes_nothing_is_refused():
    with pytest.raises(ToolFailedError, match="nothing changes"):
        predict_conditions("CCO>>OCC", known=KNOWN)
