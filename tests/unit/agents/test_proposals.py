"""Code judges what a model proposes: each fault has its reason, and nothing out of order gets through."""

import json

import pytest
from oracles import context_of, observe
from scripts import hypothesis

from novum.agents.optimizer.outlook import Outlook
from novum.agents.scientist.forms import open_form
from novum.agents.scientist.proposals import proposal_example, proposal_schema, read_proposals
from novum.core.goals import Goal, Objective, ObjectiveKind
from novum.core.spaces import (
    Candidate,
    ChoiceParameter,
    ContinuousParameter,
    IntegerParameter,
    LinearConstraint,
    MoleculeSpace,
    ParameterSpace,
    PoolSpace,
)

GAP = Objective(property="gap", kind=ObjectiveKind.MAXIMISE, unit="eV", low=4.0)
ROWS = tuple(Candidate(id=f"r{i}", label=f"row {i}", arguments={"x": float(i)}) for i in range(5))
SPACES = {
    "molecules": MoleculeSpace(max_heavy_atoms=12),
    "pool": PoolSpace(rows=ROWS, measured={"yield": {"r0": 1.0}}),
    "parameters": ParameterSpace(
        parameters=(
            ContinuousParameter(name="T", low=0, high=100, unit="degC"),
            IntegerParameter(name="n", low=1, high=9),
            ChoiceParameter(name="solvent", options=("water", "ethanol")),
        ),
        constraints=(LinearConstraint(coefficients={"T": 1.0, "n": 10.0}, bound=120),),
    ),
}
GOOD = {
    "molecules": "CCCCO",
    "pool": "r3",
    "parameters": {"T": 50, "n": 2, "solvent": "water"},
}


def judge(space: str, *entries, closed=(), citable=(), unit="eV"):
    goal = Goal(objectives=(GAP.model_copy(update={"unit": unit}),), space=SPACES[space])
    outlook = Outlook(context_of(goal, bounds={"gap": (0.0, 20.0)}))
    form = open_form(outlook.context.goal.space, outlook.generator, ROWS)
    return read_proposals(entries, form, outlook.context, closed=set(closed), citable=set(citable))


def one(candidate, value=5.0, std=0.5, unit="eV", **more):
    entry = hypothesis(candidate, gap=(value, std, unit))
    entry["predictions"]["gap"].update(more)
    return entry


@pytest.mark.parametrize("space", SPACES)
def test_a_proposal_in_order_becomes_a_draft(space):
    (draft,), rejected = judge(space, {**one(GOOD[space]), "cites": ["K-1"]}, citable=["K-1"])
    assert rejected == []
    (prediction,) = draft.predictions
    assert (prediction.expected.value, prediction.expected.std, prediction.expected.unit) == (5.0, 0.5, "eV")
    assert prediction.rule.low == pytest.approx(5.0 - 1.96 * 0.5, abs=1e-3)
    assert draft.cites == ("K-1",)


def test_a_prediction_may_be_in_any_unit_of_its_dimension():
    (draft,), _ = judge("molecules", one("CCCCO", value=0.2, std=0.02, unit="hartree"))
    expected = draft.predictions[0].expected
    assert expected.unit == "eV"
    assert expected.value == pytest.approx(5.4423, abs=1e-3)
    assert expected.std == pytest.approx(0.54423, abs=1e-3)


@pytest.mark.parametrize(
    ("said", "kind", "low", "high"),
    [
        ({"refuted_if": "below", "level": 0.9}, "at_least", 5 - 1.2816 * 0.5, None),
        ({"refuted_if": "above"}, "at_most", None, 5 + 1.6449 * 0.5),
        ({"refuted_if": "outside", "level": 0.5}, "interval", 5 - 0.6745 * 0.5, 5 + 0.6745 * 0.5),
        ({"level": 0.99}, "interval", 5 - 2.5758 * 0.5, 5 + 2.5758 * 0.5),
    ],
)
def test_a_model_may_say_itself_what_would_refute_it(said, kind, low, high):
    (draft,), _ = judge("molecules", one("CCCCO", **said))
    rule = draft.predictions[0].rule
    assert rule.kind == kind
    assert rule.low == (None if low is None else pytest.approx(low, abs=1e-4))
    assert rule.high == (None if high is None else pytest.approx(high, abs=1e-4))
    assert rule.level == said.get("level", 0.95)


@pytest.mark.parametrize(
    ("space", "entry", "reason"),
    [
        ("molecules", one("not a molecule"), "cannot be read"),
        ("molecules", one(""), "SMILES"),
        ("molecules", one(7), "SMILES"),
        ("molecules", one("C" * 300), "longer than"),
        ("molecules", one("C" * 20), "20 heavy atoms, not 4 to 12"),
        ("molecules", one("CCCC[Si](C)C"), "it has Si"),
        ("molecules", one("CCCC[NH3+]"), "charge is +1"),
        ("molecules", one("C1CCCCCCCCC1"), "ring of more than 8"),
        ("molecules", one("CCCC.CCC"), "one whole molecule"),
        ("molecules", one("CCOOCC"), "peroxide"),
        ("molecules", one("CCCC=O"), "structural alert"),
        ("pool", one("r9"), "not the id"),
        ("pool", one(3), "not the id"),
        ("parameters", one({"T": 50, "n": 2}), "'solvent' is missing"),
        ("parameters", one({"T": 50, "n": 2, "solvent": "water", "p": 1}), "no parameter 'p'"),
        ("parameters", one({"T": 500, "n": 2, "solvent": "water"}), "'T' is 500, not 0 to 100"),
        ("parameters", one({"T": "hot", "n": 2, "solvent": "water"}), "'T' is a number"),
        ("parameters", one({"T": True, "n": 2, "solvent": "water"}), "'T' is a number"),
        ("parameters", one({"T": 50, "n": 2.5, "solvent": "water"}), "whole number"),
        ("parameters", one({"T": 50, "n": 2, "solvent": "acid"}), "'solvent' is one of"),
        ("parameters", one({"T": 50, "n": 9, "solvent": "water"}), "1·T + 10·n is 140, above 120"),
        ("parameters", one([50, 2, "water"]), "an object"),
        ("molecules", one("CCCCO", std=0.0), "above 0"),
        ("molecules", one("CCCCO", std=-1), "above 0"),
        ("molecules", one("CCCCO", value="five"), "not a number"),
        ("molecules", one("CCCCO", value=float("nan")), "not finite"),
        ("molecules", one("CCCCO", value=10**400), "not finite"),
        ("molecules", one("CCCCO", value=50.0), "cannot be"),
        ("molecules", one("CCCCO", unit="kg"), "wanted in 'eV'"),
        ("molecules", one("CCCCO", unit="bananas"), "wanted in 'eV'"),
        ("molecules", one("CCCCO", unit=3), "unit is a text"),
        ("molecules", one("CCCCO", std=50.0), "no value that can occur would refute it"),
        ("molecules", one("CCCCO", std=50.0, refuted_if="below"), "no value that can occur would refute it"),
        ("molecules", one("CCCCO", refuted_if="never"), "one of outside, below, above"),
        ("molecules", one("CCCCO", level=0.9999), "not 0.5 to 0.99"),
        ("molecules", one("CCCCO", level="high"), "level is not a number"),
        ("molecules", {**one("CCCCO"), "predictions": {}}, "does not predict gap"),
        ("molecules", {**one("CCCCO"), "predictions": None}, "no predictions"),
        ("molecules", {**one("CCCCO"), "rationale": " "}, "no rationale"),
        ("molecules", {**one("CCCCO"), "cites": ["K-9"]}, "cites K-9"),
        ("molecules", {**one("CCCCO"), "cites": "K-9"}, "list of ids"),
        ("molecules", "CCCCO", "is an object"),
        ("molecules", None, "is an object"),
    ],
)
def test_what_is_not_in_order_is_rejected_with_its_reason(space, entry, reason):
    drafts, (rejected,) = judge(space, entry)
    assert drafts == []
    assert reason in rejected.reason


YIELD = Goal(
    objectives=(Objective(property="yield", kind=ObjectiveKind.MAXIMISE, unit="%"),),
    space=SPACES["parameters"],
)


def judge_yield(value, std, *, seen=(), **more):
    known = [
        observe(YIELD, Candidate(id=f"c{i}", label=f"c{i}", arguments={}), {"yield": v})
        for i, v in enumerate(seen)
    ]
    outlook = Outlook(context_of(YIELD))
    form = open_form(YIELD.space, outlook.generator, ())
    entry = hypothesis(GOOD["parameters"], **{"yield": (value, std, "%")})
    entry["predictions"]["yield"].update(more)
    return read_proposals([entry], form, context_of(YIELD, known), closed=set(), citable=set())


@pytest.mark.parametrize("seen", [(), (40.0,), (35.0, 41.0, 52.0, 38.0, 44.0)])
@pytest.mark.parametrize(
    ("value", "std", "more"),
    [
        (0, 990001001320505.0, {}),
        (1e15, 1e15, {"level": 0.99}),
        (1e15, 1.0, {"refuted_if": "above"}),
        (-1e15, 1.0, {"refuted_if": "below"}),
    ],
)
def test_where_no_range_is_known_a_prediction_that_nothing_refutes_is_rejected(seen, value, std, more):
    drafts, (rejected,) = judge_yield(value, std, seen=seen, **more)
    assert drafts == []
    assert "no value that can occur would refute it" in rejected.reason
    assert "make std smaller" in rejected.reason


@pytest.mark.parametrize(
    ("seen", "value", "std"),
    [
        ((), 50, 20),
        ((), 50000, 10000),
        ((), 0, 300),
        ((40.0,), 60, 30),
        ((10.0, 10.1, 10.2, 10.1), 12, 2),
        ((35.0, 41.0, 52.0, 38.0), 90, 25),
        ((35.0, 41.0, 52.0, 38.0), 5000, 500),
    ],
)
def test_an_honest_uncertainty_is_no_reason_to_reject(seen, value, std):
    (draft,), rejected = judge_yield(value, std, seen=seen)
    assert rejected == []
    assert draft.predictions[0].expected.std == std


def test_what_was_measured_or_proposed_before_is_rejected():
    (draft,), (again,) = judge("pool", one("r3"), one("row 3"))
    assert draft.candidate.id == "r3"
    assert "proposed before" in again.reason
    assert judge("pool", one("r3"), closed=["r3"])[0] == []


def test_two_spellings_of_a_molecule_are_one():
    drafts, rejected = judge("molecules", one("OCCCC"), one("CCCCO"))
    assert (len(drafts), len(rejected)) == (1, 1)


def test_control_characters_of_a_model_never_reach_a_hypothesis():
    (draft,), _ = judge("pool", {**one("r3"), "rationale": "good\x1b[2J\nindeed"})
    assert draft.rationale == "good\\x1b[2J indeed"


@pytest.mark.parametrize("space", SPACES)
def test_the_schema_bounds_every_text_and_names_every_property(space):
    goal = Goal(objectives=(GAP,), space=SPACES[space])
    outlook = Outlook(context_of(goal, bounds={"gap": (0.0, 20.0)}))
    form = open_form(goal.space, outlook.generator, ROWS)
    schema = proposal_schema(form, goal.objectives, outlook.context, n=3, citable=())

    def walk(node):
        if isinstance(node, dict):
            if node.get("type") == "string":
                assert "maxLength" in node or "enum" in node
            if node.get("type") == "array":
                assert "maxItems" in node
            if node.get("type") == "object":
                assert node["additionalProperties"] is False
            for value in node.values():
                walk(value)

    walk(schema)
    assert json.loads(json.dumps(schema)) == schema
    one_ = schema["properties"]["hypotheses"]["items"]["properties"]
    assert one_["predictions"]["required"] == ["gap"]
    assert one_["predictions"]["properties"]["gap"]["properties"]["value"]["maximum"] == 20.0
    assert "gap" in json.loads(proposal_example(form, goal.objectives))["hypotheses"][0]["predictions"]


def test_hidden_values_of_a_pool_are_not_described():
    space = PoolSpace(
        rows=tuple(
            Candidate(id=f"r{i}", label=f"r{i}", arguments={"x": float(i), "yield": 1234.5}) for i in range(3)
        ),
        measured={"yield": {"r0": 1234.5}},
    )
    goal = Goal(objectives=(GAP,), space=space)
    form = open_form(space, Outlook(context_of(goal)).generator, space.rows)
    assert "1234" not in "\n".join(form.describe())
