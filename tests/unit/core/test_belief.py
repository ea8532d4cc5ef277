"""Belief follows evidence by arithmetic."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novum.core.belief import CORRELATION, LEAST, MOST, Piece, Reliability, attenuated, confidence, derived

pieces = st.lists(
    st.builds(
        Piece,
        group=st.sampled_from("abc"),
        probability=st.floats(0, 1),
        weight=st.floats(0, 3),
        supports=st.booleans(),
    ),
    max_size=8,
)


def test_nothing_is_even_odds():
    assert confidence([]) == 0.5
    assert confidence([Piece("a", 0.9, weight=0.0)]) == 0.5
    assert confidence([Piece("a", 0.2)]) == 0.5


def test_one_piece_is_as_good_as_its_method_and_independent_ones_multiply():
    assert confidence([Piece("a", 0.8)]) == pytest.approx(0.8)
    odds = (0.8 / 0.2) * (0.9 / 0.1)
    assert confidence([Piece("a", 0.8), Piece("b", 0.9)]) == pytest.approx(odds / (1 + odds))


def test_repetition_by_one_method_is_worth_no_more_than_its_correlation_allows():
    many = confidence([Piece("a", 0.6)] * 1000)
    limit = (0.6 / 0.4) ** (1 / CORRELATION)
    assert many == pytest.approx(limit / (1 + limit), abs=1e-3)
    assert many < confidence([Piece(name, 0.6) for name in "abc"])


def test_a_reliability_is_learned():
    assert Reliability(0.8).mean == 0.8
    assert Reliability(0.8, held=96, failed=4).mean == pytest.approx((3.2 + 96) / 104)
    assert Reliability(0.8, held=0, failed=100).mean < 0.05


def test_what_is_needed_and_false_says_nothing():
    assert attenuated(0.9, 0.0) == 0.5
    assert attenuated(0.9, 1.0, 1.0) == pytest.approx(0.9)
    assert attenuated(0.9, 0.5) == pytest.approx(0.7)


@given(pieces)
def test_a_confidence_is_a_probability_and_turning_all_evidence_turns_it(found):
    p = confidence(found)
    assert LEAST <= p <= MOST
    turned = [Piece(x.group, x.probability, x.weight, not x.supports) for x in found]
    assert confidence(turned) == pytest.approx(1 - p)


@given(pieces, st.floats(0.5, 1))
def test_support_by_another_method_never_lowers_it(found, p):
    assert confidence([*found, Piece("another", p)]) >= confidence(found) - 1e-12


@given(st.permutations([Piece("a", 0.7), Piece("a", 0.9), Piece("b", 0.6, supports=False)]))
def test_the_order_of_evidence_does_not_matter(found):
    assert math.isclose(confidence(found), confidence(sorted(found, key=lambda x: x.probability)))


@given(pieces, st.sampled_from("abc"), st.floats(0.5, 1))
def test_support_by_the_same_method_never_lowers_it_either(found, group, p):
    assert confidence([*found, Piece(group, p)]) >= confidence(found) - 1e-12


def test_what_rests_on_one_thing_counts_like_what_is_of_one_method():
    def piece(group, *roots):
        return Piece(group, 0.8, roots=frozenset(roots))

    shared = confidence([piece("a", "K-1", "K-2"), piece("b", "K-2")])
    assert shared == pytest.approx(confidence([piece("a"), piece("a")]))
    assert shared < confidence([piece("a", "K-1"), piece("b", "K-2")])


@given(st.floats(0, 1), st.lists(st.floats(0, 1), max_size=5))
def test_what_is_made_of_several_is_never_above_the_least_of_them(reliability, conditions):
    assert derived(reliability, *conditions) <= min(conditions, default=1.0)
