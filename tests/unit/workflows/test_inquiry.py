"""What of a campaign may be told for an answer, and in which order."""

import pytest

from novum.core.access import Destination
from novum.core.calls import ToolCall
from novum.core.events import (
    CampaignFinished,
    CampaignStarted,
    Decided,
    Designed,
    ExperimentFinished,
    Gated,
    Hypothesised,
    Judged,
    ModelUsed,
)
from novum.core.goals import Goal, Objective, ObjectiveKind
from novum.core.knowledge import Access, KnowledgeItem, Level, Provenance
from novum.core.prose import Mark, check_sentence
from novum.core.quantity import Quantity
from novum.core.record import CampaignRecord
from novum.core.science import (
    Experiment,
    FalsificationRule,
    Hypothesis,
    Measurement,
    Outcome,
    Prediction,
    Verdict,
)
from novum.core.spaces import Candidate, MoleculeSpace
from novum.workflows.facts import facts_of
from novum.workflows.inquiry import inquire, records_of

GOAL = Goal(objectives=(Objective(property="qed", kind=ObjectiveKind.MAXIMISE),), space=MoleculeSpace())
NAMES = {"CCO": "ethanol", "CCC": "propane", "CCN": "ethylamine"}


def hypothesis(number, smiles, *, rationale=""):
    return Hypothesis(
        id=f"H{number:03d}",
        iteration=0,
        statement="it is good",
        rationale=rationale,
        source="scientist",
        candidate=Candidate(id=f"id-{smiles}", label=smiles, arguments={"smiles": smiles}),
        predictions=(
            Prediction(
                property="qed",
                expected=Quantity(value=0.5, unit="1", std=0.1),
                rule=FalsificationRule(low=0.3, high=0.7, unit="1"),
            ),
        ),
    )


def campaign(*, remote=False, reason="CCO meets every objective", rationale="like CCO", verdicts=()):
    hypotheses = [hypothesis(n, s, rationale=f"{rationale}, no. {n}") for n, s in enumerate(NAMES, 1)]
    experiments = tuple(
        Experiment(
            id=f"E{n:03d}", hypothesis=h.id, candidate=h.candidate,
            calls=(ToolCall(tool="chemistry.descriptors", arguments=h.candidate.arguments),),
        )
        for n, h in enumerate(hypotheses, 1)
    )  # fmt: skip
    events = [
        CampaignStarted(
            campaign="c", goal=GOAL, planner="scientist", tools={"qed": "chemistry.descriptors@1"},
            recall=True, approve=False, versions={}, sandbox={},
            model=ModelUsed(name="m", remote=remote, card={"model": "m"}),
        ),
        Hypothesised(iteration=0, hypotheses=tuple(hypotheses), registrations={}, notes={}),
        Designed(iteration=0, experiments=experiments),
        Gated(iteration=0, allowed=tuple(e.id for e in experiments), refused={}, by="budget"),
        *(
            ExperimentFinished(
                iteration=0, experiment=e.id, results=(), failed="" if n < 3 else "it burnt",
                measurements=() if n == 3 else (Measurement(
                    experiment=e.id, candidate=e.candidate.id, property="qed",
                    quantity=Quantity(value=0.4 + n / 100, unit="1"), tool="chemistry.descriptors",
                    method="RDKit", call_key="k",
                ),),
            )
            for n, e in enumerate(experiments, 1)
        ),
        Judged(iteration=0, verdicts=verdicts, noise={}),
        Decided(iteration=0, action="confirm", reason=reason, best="id-CCO", experiments_used=3),
        CampaignFinished(reason=reason, claims=(), spent_s=1.0),
    ]  # fmt: skip
    return CampaignRecord.from_events(events)


class Known:
    """As much of a knowledge base as is looked at."""

    def __init__(self, *items, closed=()):
        self._items = items
        self._closed = frozenset(closed)

    def relevant(self, text, n):
        return self._items[:n]

    def named(self, ids):
        return tuple(i for i in self._items if i.id in set(ids))

    def withheld(self, subjects, *, to):
        return self._closed & set(subjects)


def item(name, *, subject="x", access=Access.PUBLIC, text="something is known"):
    return KnowledgeItem(
        id=name, level=Level.FACTUAL, domain="chemistry", subject=subject, relation="note", text=text,
        provenance=Provenance(source="a paper"), access=access,
    )  # fmt: skip


def ask(question="What is best?", record=None, *, to=Destination.LOCAL, **more):
    more = {"scales": {"qed": 0.2}, "knowledge": None, **more}
    return inquire(question, record or campaign(), to=to, **more)


def test_every_record_can_be_cited():
    found = ask()
    assert {p.id for p in found.facts} == {
        "campaign", "E001", "E002", "E003", "H001", "H002", "H003", "decide/0",
    }  # fmt: skip
    assert found.records.keys() == {p.id for p in found.facts}
    assert "rank 1" in found.records["E002"].text
    assert "qed 0.42" in found.records["E002"].text
    assert "failed: it burnt" in found.records["E003"].text
    assert "like CCO, no. 2" in found.records["H002"].text
    assert "3 of 60 experiments used" in found.records["campaign"].text


def test_a_number_that_a_model_gave_as_its_reason_or_predicted_is_carried_by_no_record():
    found = ask(record=campaign(rationale="its qed is 0.873"))
    assert "0.873" in " ".join(fact.text for fact in found.facts), "the model is told"
    held = {name: fact.held for name, fact in found.records.items()}
    predicted = {name: fact.predicted for name, fact in found.records.items()}
    marks = {
        text: check_sentence(text, records=held, predicted=predicted, names=found.names).marks
        for text in ("CCO has 0.873 [H001].", "CCO has 0.5 [H001].", "CCO has 0.41 [E001].")
    }
    assert list(marks.values()) == [(Mark.NUMBER_NOT_IN_RECORD,), (Mark.PREDICTED,), ()]


def test_what_the_knowledge_base_tells_of_a_prediction_is_no_measurement():
    text = "CCO: qed = 0.41 by RDKit. The prediction before it, 0.9 ± 0.1, was refuted."
    found = ask(knowledge=Known(item("K-1", text=text))).records["K-1"]
    assert (found.text, found.held) == (text, "CCO: qed = 0.41 by RDKit.")
    assert found.predicted == "0.9 ± 0.1"


def test_an_analysis_tells_what_was_predicted_apart_from_what_was_measured():
    verdict = Verdict(
        hypothesis="H001", experiment="E001", property="qed", outcome=Outcome.REFUTED,
        expected=Quantity(value=0.9, unit="1", std=0.1), observed=Quantity(value=0.41, unit="1"), reason="",
    )  # fmt: skip
    record = campaign(verdicts=(verdict,))
    found = {fact.id: fact for fact in facts_of(record, {"qed": 0.2})}["H001"]
    assert "0.9" in found.text
    assert "0.9" not in found.held
    assert "0.41" in found.held
    assert "0.9" in found.predicted


def test_what_a_question_names_comes_first_and_then_what_is_relevant():
    assert [p.id for p in ask("compare h003 with E002").facts][:3] == ["campaign", "E002", "H003"]
    assert ask("which one failed and burnt?").facts[1].id == "E003"


def test_an_item_that_is_named_is_looked_up():
    name = "K-0123456789abcdef"
    found = ask(
        f"what does {name} say?", knowledge=Known(*(item(f"K-{n:016x}") for n in range(3)), item(name))
    )
    assert found.passages[0].id == name
    assert name in found.records


@pytest.mark.parametrize("access", [Access.RESTRICTED, Access.SENSITIVE])
def test_nothing_of_a_closed_candidate_goes_elsewhere_not_even_in_the_records_of_others(access):
    closed = item("K-closed", subject="id-CCO", access=access, text="CCO is a secret")
    known = Known(closed, item("K-open"), closed=["id-CCO"])
    found = ask(knowledge=known, to=Destination.REMOTE_MODEL, record=campaign(remote=True))
    told = " ".join([p.text for p in (*found.facts, *found.passages)])
    assert "CCO" not in told
    assert "finished" in found.records["campaign"].text
    assert [p.id for p in found.passages] == ["K-open"]
    assert {"E001", "H001", "H002", "decide/0", "K-closed"}.isdisjoint(found.records), "nor can it be cited"
    assert "E002" in found.records
    here = ask(knowledge=known)
    assert here.passages[0].access is access
    assert "E001" in here.records


def test_what_a_model_on_this_machine_said_stays_here():
    assert "because" in " ".join(p.text for p in records_of(campaign(remote=True), scales=None))
    told = records_of(campaign(remote=False), scales=None, to=Destination.REMOTE_MODEL)
    assert "like CCO" not in " ".join(p.text for p in told)


def test_without_its_tools_a_campaign_has_no_ranks():
    assert not any("rank" in p.text for p in ask(scales=None).facts)
