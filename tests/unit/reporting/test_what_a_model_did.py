"""What a report says of the model: counts with their denominators, and no word that is not public."""

import pytest
from report_campaigns import MOLECULE_GOAL, Builder, molecule_truth, molecules

from novum.cli.pages import closed as pages_closed
from novum.core.conversation import Exchange, Reply, Usage
from novum.core.deliberation import REFUSED_CALL, Contender, Deliberation, Passage, Rejected, Turn
from novum.core.events import Analysed, Exchanged, Hypothesised, ModelUsed, Recalled
from novum.core.knowledge import Access
from novum.core.prose import Analysis, Sentence
from novum.workflows.contributions import model_use, rivalry
from novum.workflows.reporting.html import to_html
from novum.workflows.reporting.markdown import to_markdown
from novum.workflows.reporting.summary import build_report

SECRET = "the quencher is ZEBRA"


def exchange(name, step, *, access=Access.PUBLIC, cost=None, estimated=False, error=""):
    usage = Usage(prompt_tokens=100, completion_tokens=20, cost=cost, estimated=estimated)
    return Exchanged(
        exchange=Exchange(
            id=name, step=step, request_digest="r", prompt_digest="p", request={}, model="m", error=error,
            reply=None if error else Reply(text="{}", usage=usage), access=access,
        )
    )  # fmt: skip


def campaign(*exchanges, turn=Turn.ANSWERED, rejected=()):
    """Return a campaign of three iterations: the model answers, rests, and answers as `turn` says."""
    built = Builder(MOLECULE_GOAL, molecules(18), molecule_truth, planner="scientist")
    built.start(model=ModelUsed(name="m", remote=False, card={"model": "m"}))
    built.recall()
    built.iterate()
    events = []
    for event in built.events:
        if isinstance(event, Hypothesised):
            first, *others = event.hypotheses
            own = first.model_copy(update={"source": "scientist", "rationale": SECRET})
            rest = [h.model_copy(update={"source": "optimizer"}) for h in others]
            expected = first.predictions[0].expected
            near = first.predictions[0].model_copy(
                update={"expected": expected.model_copy(update={"value": expected.value + 100})}
            )
            guess = first.model_copy(update={"predictions": (near, *first.predictions[1:])})
            event = event.model_copy(
                update={
                    "hypotheses": (own, *rest),
                    "deliberation": Deliberation(
                        turn=[Turn.ANSWERED, Turn.RESTING, turn][event.iteration],
                        note=f"it said {SECRET}" if event.iteration == 0 else "",
                        slots={"scientist": 1, "optimizer": len(rest)},
                        contenders=(Contender(hypothesis=own, surrogate=guess, became=own.id),),
                        rejected=rejected if event.iteration == 0 else (),
                    ),
                }
            )
        events.append(event)
    built.events.clear()
    built.record = type(built.record)()
    analysis = Analysis(turn=Turn.ANSWERED, sentences=(Sentence(text=f"In short, {SECRET}."),))
    built.add(*events, *exchanges, Analysed(analysis=analysis))
    return built.record


def pages(record):
    report = build_report(record)
    return [to_markdown(report), to_html(report)]


CLOSED_STEPS = [
    exchange("a", "hypothesise/0/propose", access=Access.SENSITIVE),
    exchange("b", "hypothesise/1/propose", access=Access.RESTRICTED),
    exchange("c", "hypothesise/2/propose", access=Access.SENSITIVE),
    exchange("d", "analyse", access=Access.SENSITIVE),
]


def test_the_words_of_a_model_that_was_told_what_is_not_public_are_left_out_of_the_report():
    for page in pages(campaign(*CLOSED_STEPS)):
        assert "ZEBRA" not in page
        assert "left out: the model was told what is not public" in page
    for page in pages(campaign(exchange("a", "hypothesise/0/propose"), exchange("d", "analyse"))):
        assert "ZEBRA" in page
        assert "left out: the model" not in page


def test_only_the_steps_in_which_it_was_told_so_lose_their_words():
    record = campaign(CLOSED_STEPS[0])
    assert record.was_told_closed("hypothesise/0")
    assert not record.was_told_closed("hypothesise/1")
    assert not record.was_told_closed("analyse")
    assert not campaign(exchange("a", "hypothesise/10", access=Access.SENSITIVE)).was_told_closed(
        "hypothesise/1"
    )


def test_refused_calls_are_no_rejected_proposals():
    rejected = (Rejected(said="os.rm", reason=REFUSED_CALL), Rejected(said="x", reason="not a molecule"))
    record = campaign(rejected=rejected)
    use = model_use(record)
    assert (use.rejected, use.refused_calls) == (1, 1)
    for page in pages(record):
        assert "Code rejected 1 proposal and refused 1 call of tools" in page


def test_an_iteration_in_which_the_model_was_not_asked_is_no_failure_of_it():
    for page in pages(campaign(turn=Turn.UNUSABLE)):
        assert "in 1 of 2 iterations in which it was asked (1 more went without it)" in page


@pytest.mark.parametrize(
    ("exchanges", "said"),
    [
        ([exchange("a", "s")], "for 120 tokens. Code"),
        ([exchange("a", "s", estimated=True)], "for about 120 tokens. Code"),
        (
            [exchange("a", "s", cost=0.25), exchange("b", "s", cost=0.5, estimated=True)],
            "for about 240 tokens, at about 0.75 in the currency of the stated prices.",
        ),
        (
            [exchange("a", "s"), exchange("b", "s", error="no answer")],
            "What 1 question without a reply took is not counted.",
        ),
    ],
)
def test_what_a_model_cost_is_said_as_far_as_it_is_known(exchanges, said):
    for page in pages(campaign(*exchanges)):
        assert said in page


def test_one_candidate_against_several_is_said_to_be_that():
    record = campaign()
    found = rivalry(
        record, {"qed": 0.1, "logp": 1.0, "homo_lumo_gap": 1.0}, model="scientist", optimizer="optimizer"
    )
    assert (found.both, found.model_candidates) == (3, 3)
    assert found.optimizer_candidates > found.model_candidates
    for page in pages(record):
        assert f"3 of the model and {found.optimizer_candidates} of the optimiser" in page


def test_predictions_that_are_equally_near_are_nobodys_win():
    record = campaign()
    found = rivalry(
        record, {"qed": 0.1, "logp": 1.0, "homo_lumo_gap": 1.0}, model="scientist", optimizer="optimizer"
    )
    assert found.same_candidates == 9
    assert (found.model_nearer, found.surrogate_nearer) == (3, 0), "six of nine are equal"
    for page in pages(record):
        assert "in 6 both were equally near" in page


def test_a_ledger_that_holds_words_that_are_not_public_says_so():
    passages = tuple(
        Passage(id=f"K-{access}", text=SECRET, access=access)
        for access in (Access.PUBLIC, Access.RESTRICTED, Access.SENSITIVE)
    )
    started = Builder(MOLECULE_GOAL, molecules(6), molecule_truth).start()
    assert pages_closed(started.record) is None
    started.add(Recalled(iteration=0, query="q", items=(), passages=passages))
    assert started.record.closed_passages == ("K-restricted", "K-sensitive")
    assert "2 recalled passages that are not public" in pages_closed(started.record)
