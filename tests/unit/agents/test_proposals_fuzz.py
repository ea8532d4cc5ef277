"""Nothing that a model can write as JSON raises anything in the code that judges it."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_proposals import GOOD, SPACES, judge, one

from novum.agents.scientist.analyst import read_sentences
from novum.agents.scientist.critic import read_objections
from novum.core.deliberation import Fact
from novum.core.prose import Mark

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(
        ["eV", "kg", "1e400", "H", "CCO", "r3", "water", "outside", "K-1", "[Na+].[Cl-]", "C1CC"]
    )
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)
few = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def paths(value, at=()):
    yield at
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from paths(value[key], (*at, key))


@pytest.mark.parametrize("space", SPACES)
@few
@given(data=st.data())
def test_a_proposal_with_anything_anywhere_is_judged(space, data):
    entry = copy.deepcopy({**one(GOOD[space], refuted_if="below", level=0.9), "cites": ["K-1"]})
    place = data.draw(st.sampled_from(list(paths(entry))))
    wild = data.draw(anything)
    if not place:
        entry = wild
    else:
        inner = entry
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = wild
    entry = json.loads(json.dumps(entry))
    drafts, rejected = judge(space, entry, citable=["K-1"])
    assert len(drafts) + len(rejected) == 1
    for draft in drafts:
        (prediction,) = draft.predictions
        assert prediction.expected.unit == "eV"
        assert 0 <= prediction.expected.value <= 20
        assert prediction.expected.std > 0
        assert set(draft.cites) <= {"K-1"}
        assert draft.rationale
    for fault in rejected:
        assert fault.reason
        assert len(fault.said) <= 200


@few
@given(entries=st.lists(anything, max_size=6))
def test_objections_and_sentences_of_any_shape_are_read(entries):
    for number, _, text in read_objections(entries, 3):
        assert 1 <= number <= 3
        assert len(text) <= 300
    for sentence in read_sentences(entries, {"E001": Fact.plain("E001", "gap 1.0 eV")}, ["CCO"]):
        assert sentence.text


@few
@given(
    text=st.text(max_size=60) | st.text("0123456789.,eE+-−% [E]", max_size=60),
    cites=st.lists(st.text(max_size=5), max_size=3),
)
def test_sentences_of_any_text_are_checked(text, cites):
    for found in read_sentences([{"text": text, "cites": cites}], {"E001": Fact.plain("E001", text)}, []):
        assert set(found.cites) >= {c.strip() for c in cites}
        assert set(found.marks) <= set(Mark)
