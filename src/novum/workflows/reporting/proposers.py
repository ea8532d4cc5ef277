"""Who proposed what, in sentences and tables: the section of a campaign whose planner asks a model."""

from novum.core.deliberation import Deliberation, Turn
from novum.core.prose import Analysis
from novum.core.science import Observation
from novum.workflows.contributions import Contribution, ModelUse, Rivalry, contributions, model_use, rivalry
from novum.workflows.reporting import figures
from novum.workflows.reporting.appendix import CLOSED
from novum.workflows.reporting.figures import count, plain
from novum.workflows.reporting.reading import Reading
from novum.workflows.reporting.report import (
    ModelSection,
    Piece,
    Remark,
    Sentence,
    SourceRow,
    TurnRow,
)

OPTIMIZER = "optimizer"

TURN_WORDS = {
    Turn.ANSWERED: "answered",
    Turn.UNUSABLE: "nothing usable",
    Turn.UNAVAILABLE: "did not answer",
    Turn.RESTING: "not asked",
}


def model_section(reading: Reading) -> ModelSection | None:
    """Return what the report says about the model and the optimiser; None where no model was asked."""
    record = reading.record
    use = model_use(record)
    if use is None:
        return None
    assert record.started is not None
    given = contributions(record, reading.scales)
    compared = rivalry(record, reading.scales, model=record.started.planner, optimizer=OPTIMIZER)
    analysis = record.analysis
    closed = record.was_told_closed("analyse")
    return ModelSection(
        model=plain(use.name),
        remote=use.remote,
        sentences=(
            _asked(use),
            *_winner(reading),
            *_ahead(compared),
            *_nearer(compared),
            *_displaced(compared),
        ),
        rows=tuple(_row(reading, one) for one in given),
        turns=tuple(
            TurnRow(
                iteration=iteration + 1,
                turn=TURN_WORDS[d.turn],
                slots=tuple((plain(source), n) for source, n in d.slots.items()),
                filled=d.filled,
                note=plain(_note(d, closed=record.was_told_closed(f"hypothesise/{iteration}"))),
            )
            for iteration, d in record.deliberations.items()
        ),
        analysis=()
        if closed
        else tuple(
            Remark(plain(s.text), tuple(map(plain, s.cites)), tuple(m.value for m in s.marks))
            for s in analysis.sentences
        )
        if analysis
        else (),
        silence=_silence(analysis, closed=closed),
    )


def _note(found: Deliberation, *, closed: bool) -> str:
    """Return what people should know of the model's turn, unless it may repeat what is not public."""
    return CLOSED if found.note and closed else found.note


def _silence(analysis: Analysis | None, *, closed: bool) -> str:
    """Return why nothing that the model wrote is shown; empty where something is, or none was asked for."""
    if analysis is None:
        return ""
    if closed:
        return f"its words are {CLOSED}"
    return "" if analysis.sentences else f"the model wrote nothing about it: {plain(analysis.note)}"


def _asked(use: ModelUse) -> Sentence:
    resting = use.turns.get(Turn.RESTING, 0)
    asked = sum(use.turns.values()) - resting
    answered = use.turns.get(Turn.ANSWERED, 0)
    about = "about " if use.estimated else ""
    cost = lost = refused = without = ""
    if use.cost is not None:
        cost = f", at {about}{figures.number(use.cost)} in the currency of the stated prices"
    if use.unanswered:
        lost = f" What {count(use.unanswered, 'question')} without a reply took is not counted."
    if use.refused_calls:
        refused = f" and refused {count(use.refused_calls, 'call')} of tools"
    if resting:
        without = f" ({resting} more went without it)"
    said = (
        f" gave something that can be tested in {answered} of {count(asked, 'iteration')} in which it was "
        f"asked{without}. It was asked {count(use.exchanges, 'time')}, for "
        f"{about}{count(use.tokens, 'token')}{cost}.{lost} Code rejected "
        f"{count(use.rejected, 'proposal')}{refused}; the optimiser filled "
        f"{count(use.filled, 'experiment')} of the model's. Of {count(use.objections, 'objection')} of the "
        f"critic the numbers upheld {use.upheld}."
    )
    return (Piece("The model "), Piece(plain(use.name), kind="label"), Piece(said, kind="derived"))


def _winner(reading: Reading) -> tuple[Sentence, ...]:
    if not reading.rated:
        return ()
    _, seen = reading.rated[0]
    name = reading.hypothesis_of(seen)
    source = reading.record.hypotheses[name].source
    return (
        (
            Piece("The best candidate, "),
            Piece(plain(seen.candidate.label), kind="label"),
            Piece(", came from the "),
            Piece(plain(source), (name,), "label"),
            Piece("."),
        ),
    )


def _ahead(compared: Rivalry) -> tuple[Sentence, ...]:
    if not compared.both:
        return ()
    said = (
        f"Candidates of both were measured in {count(compared.both, 'iteration')}, "
        f"{compared.model_candidates} of the model and {compared.optimizer_candidates} of the optimiser, and "
        f"the best of more is better by chance alone: the model's best was better in {compared.model_ahead} "
        f"of them, the optimiser's in {compared.optimizer_ahead}."
    )
    return ((Piece(said, kind="derived"),),)


def _nearer(compared: Rivalry) -> tuple[Sentence, ...]:
    if not compared.same_candidates:
        return ()
    other = compared.surrogate_nearer
    equal = compared.same_candidates - compared.model_nearer - other
    said = (
        f"Of {count(compared.same_candidates, 'measured prediction')} about the model's candidates, the "
        f"model's own number was nearer in {compared.model_nearer} and the surrogate's in {other}"
        f"{f'; in {equal} both were equally near' if equal else ''}."
    )
    return ((Piece(said, kind="derived"),),)


def _displaced(compared: Rivalry) -> tuple[Sentence, ...]:
    if not compared.displaced:
        return ()
    later = len(compared.displaced_measured)
    said = (
        f"Without the model the optimiser would have tested {count(compared.displaced, 'other candidate')} "
        f"at that time, registered beside the plans; {later} of them were measured later"
    )
    return (
        (
            Piece(said, compared.displaced_measured, "derived"),
            Piece(". How a campaign of the optimiser alone ends, a control arm shows."),
        ),
    )


def _row(reading: Reading, one: Contribution) -> SourceRow:
    return SourceRow(
        source=plain(one.source),
        proposed=one.proposed,
        ran=one.ran,
        failed=one.failed,
        held=one.held,
        refuted=one.refuted,
        undecided=one.undecided,
        best=_values(reading, one.best),
        best_label=plain(one.best.candidate.label) if one.best else "",
        best_cites=(one.best.source,) if one.best else (),
        reward=None if one.reward is None else figures.number(one.reward),
    )


def _values(reading: Reading, seen: Observation | None) -> str:
    if seen is None:
        return ""
    return ", ".join(
        f"{plain(o.property)} {figures.quantity(seen.values[o.property])}" for o in reading.goal.objectives
    )
