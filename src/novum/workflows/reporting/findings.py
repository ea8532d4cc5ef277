"""Sentences of a report: what was found, how near one came, and what the planner was worth."""

from collections.abc import Sequence

from novum.core.goals import Objective
from novum.core.judgement import Merit, is_goal_met, meets
from novum.core.quantity import Quantity
from novum.core.record import CampaignRecord
from novum.core.science import Claim, ClaimStatus, ConfirmedValue, Observation
from novum.workflows.reporting import figures
from novum.workflows.reporting.figures import plain, with_unit
from novum.workflows.reporting.progress import axis_of, progress, value_of
from novum.workflows.reporting.reading import Reading, find_smiles, settings_of
from novum.workflows.reporting.report import (
    ControlArm,
    Finding,
    FindingValue,
    Piece,
    Sentence,
    Series,
)

NEAREST = 3
"""Candidates told of where none keeps every constraint."""

CONTROL = "control:"
"""In front of the id of a record that is the control arm's."""


def outcome_of(reading: Reading) -> Sentence:
    """Return the sentence that a reader in a hurry reads."""
    record = reading.record
    if record.claims:
        claim = next(iter(record.claims.values()))
        sentence = (*_headline(reading, claim), Piece(" It has "), *_won(reading, claim), Piece("."))
        more = len(record.claims) - 1
        if more:
            sentence += (Piece(f" {figures.count(more, 'further finding')} below.", kind="derived"),)
        return sentence
    if record.finished is not None:
        if not reading.rated:
            return (Piece("Nothing was measured completely, and nothing is claimed."),)
        if not reading.rated[0][0].feasible:
            return (Piece("No candidate of this campaign keeps every constraint. Nothing is claimed."),)
        return (Piece("The campaign ended without a claim."),)
    if not reading.rated:
        return (Piece("Nothing has been measured completely yet."),)
    value, seen = reading.rated[0]
    if not value.feasible:
        return (Piece("No candidate measured so far keeps every constraint."),)
    return (
        Piece("Best so far: "),
        _label(seen),
        Piece(" has "),
        *_values(reading, seen),
        Piece(". It is not checked yet."),
    )


def finding_of(reading: Reading, claim: Claim) -> Finding:
    """Return a claim in sentences, each with the records that it rests on."""
    return Finding(
        id=claim.id,
        status=claim.status,
        label=plain(claim.candidate.label),
        smiles=find_smiles(reading.goal, claim.candidate),
        settings=settings_of(reading.goal, claim.candidate),
        hypothesis=claim.hypothesis,
        headline=_headline(reading, claim),
        sentences=tuple(
            _property_sentence(reading, claim, name)
            for name in dict.fromkeys(v.property for v in claim.values)
        ),
        values=tuple(_finding_value(reading, claim, v) for v in claim.values),
        sanity=tuple((plain(name), passed) for name, passed in sorted(claim.sanity.items())),
        reason=plain(claim.reason),
        evidence=claim.evidence,
    )


def nearest_of(reading: Reading) -> tuple[Sentence, ...]:
    """Return the candidates that come closest to keeping every constraint, where none does."""
    if not reading.rated or reading.rated[0][0].feasible:
        return ()
    return tuple(_shortfall(reading, seen) for _, seen in reading.rated[:NEAREST])


def recalled_best(reading: Reading) -> tuple[Sentence, ...]:
    """Return what the best candidate of earlier campaigns was, where one was recalled."""
    if not reading.recalled:
        return ()
    value, seen = reading.recalled[0]
    cites = tuple(name for name in seen.source.split(",") if name)
    values = ", ".join(
        f"{plain(o.property)} {figures.quantity(seen.values[o.property])}" for o in reading.goal.objectives
    )
    ending = "." if value.feasible else ", and does not keep every constraint."
    return (
        (
            Piece("The best candidate known before, "),
            _label(seen),
            Piece(", has "),
            Piece(values, cites, "value"),
            Piece(ending),
        ),
    )


def control_of(reading: Reading, control: CampaignRecord) -> ControlArm | None:
    """Return what the control arm gave, compared at an equal number of experiments.

    None where the control has not started.
    """
    if control.started is None:
        return None
    campaign = plain(control.started.campaign)
    if control.goal.objectives != reading.goal.objectives or control.goal.space != reading.goal.space:
        said = Piece("The control arm pursued another goal, so the two are not compared.")
        return ControlArm(campaign, Series(plain(control.started.planner), (), ()), ((said,),), ())
    other = Reading.of(control, reading.scales)
    axis = axis_of(reading)
    series = progress(other)
    steps = tuple(
        (
            CONTROL + p.experiment,
            other.find_label(control.experiments[p.experiment].experiment.candidate.id),
            with_unit(figures.number(p.value), axis.unit) if p.value is not None else "",
        )
        for p in series.best
    )
    return ControlArm(campaign, series, _comparison(reading, other), steps)


def _comparison(own: Reading, other: Reading) -> tuple[Sentence, ...]:
    n = min(_n_done(own), _n_done(other))
    mine, theirs = _best_within(own, n), _best_within(other, n)
    assert own.record.started is not None
    assert other.record.started is not None
    planner, control = plain(own.record.started.planner), plain(other.record.started.planner)
    after = Piece(f"After {figures.count(n, 'experiment')} each, ", kind="derived")
    found = (
        after,
        Piece(planner, kind="label"),
        Piece(" has "),
        *_standing(own, mine, ""),
        Piece("; the control ("),
        Piece(control, kind="label"),
        Piece(") has "),
        *_standing(other, theirs, CONTROL),
        Piece("."),
    )
    caveat = (
        Piece(
            "This is a single pair of runs: it shows what happened once, not how often the planner would win."
        ),
    )
    return (found, _winner(own, other, mine, theirs), caveat)


def _winner(
    own: Reading,
    other: Reading,
    mine: tuple[Merit, Observation] | None,
    theirs: tuple[Merit, Observation] | None,
) -> Sentence:
    if mine is None and theirs is None:
        return (Piece("Neither measured a candidate completely."),)
    if theirs is None or (mine is not None and mine[0] > theirs[0]):
        return (
            Piece("The planner did better"),
            *_margin(own, other, mine, theirs),
            Piece("."),
        )
    if mine is None or mine[0] < theirs[0]:
        return (
            Piece("The control arm won"),
            *_margin(own, other, mine, theirs),
            Piece(": on this goal, in this run, the planner was worth less than its control."),
        )
    return (Piece("Both are equally good: in this run the planner brought no advantage."),)


def _margin(
    own: Reading,
    other: Reading,
    mine: tuple[Merit, Observation] | None,
    theirs: tuple[Merit, Observation] | None,
) -> Sentence:
    if mine is None or theirs is None or not (mine[0].feasible and theirs[0].feasible):
        return ()
    axis = axis_of(own)
    difference = abs(value_of(own, *mine) - value_of(other, *theirs))
    if axis.kind == "property" and own.goal.optimised[0].target is not None:
        return ()  # on both sides of a target, the difference of two values says nothing
    said = f" by {with_unit(figures.number(difference), axis.unit)} in {axis.label}"
    return (Piece(said, kind="derived"),)


def _standing(reading: Reading, best: tuple[Merit, Observation] | None, prefix: str) -> Sentence:
    if best is None:
        return (Piece("measured nothing completely"),)
    value, seen = best
    if not value.feasible:
        return (Piece("no candidate that keeps every constraint"),)
    return tuple(
        Piece(p.text, tuple(prefix + name for name in p.cites), p.kind) for p in _values(reading, seen)
    )


def _best_within(reading: Reading, n: int) -> tuple[Merit, Observation] | None:
    within = {e.experiment.id for e in reading.budgeted[:n]}
    return next((pair for pair in reading.rated if pair[1].source in within), None)


def _n_done(reading: Reading) -> int:
    return sum(1 for e in reading.budgeted if e.finished)


def _label(seen: Observation) -> Piece:
    return Piece(plain(seen.candidate.label), kind="label")


def _values(reading: Reading, seen: Observation) -> Sentence:
    pieces: list[Piece] = []
    for i, objective in enumerate(reading.goal.objectives):
        name = objective.property
        pieces.append(Piece(f"{', ' if i else ''}{plain(name)} "))
        pieces.append(
            Piece(
                figures.quantity(seen.values[name]),
                reading.sources(seen.candidate.id, name),
                "value",
            )
        )
    return tuple(pieces)


def _won(reading: Reading, claim: Claim) -> Sentence:
    pieces: list[Piece] = []
    for name, won in {v.property: v.winning for v in claim.values}.items():
        pieces.append(Piece(f"{', ' if pieces else ''}{plain(name)} "))
        pieces.append(Piece(figures.quantity(won), reading.sources(claim.candidate.id, name), "value"))
    return tuple(pieces)


def _headline(reading: Reading, claim: Claim) -> Sentence:
    label = Piece(plain(claim.candidate.label), kind="label")
    winning = {v.property: v.winning.value for v in claim.values}
    met = is_goal_met(reading.goal, winning)
    match claim.status:
        case ClaimStatus.CONFIRMED:
            does = " meets every objective" if met else " is the best candidate found"
            return (label, Piece(f"{does}, and the sealed check confirms it", (claim.id,)), Piece("."))
        case ClaimStatus.NOT_CONFIRMED:
            return (
                label,
                Piece(" is among the best, but the sealed check does not confirm it", (claim.id,)),
                Piece("."),
            )
        case ClaimStatus.SHORT:
            return (
                label,
                Piece(" is the best candidate found, but it falls short of the goal", (claim.id,)),
                Piece("."),
            )
        case _:
            does = " met every objective" if met else " is the best candidate found"
            return (
                label,
                Piece(f"{does}; it is unconfirmed", (claim.id,)),
                Piece(": "),
                Piece(plain(claim.reason), claim.evidence, "quoted"),
                Piece("."),
            )


def _property_sentence(reading: Reading, claim: Claim, name: str) -> Sentence:
    """Return what a property won with, what it was predicted to be, and what the check found."""
    values = [v for v in claim.values if v.property == name]
    pieces: list[Piece] = [
        Piece(f"{plain(name)} is "),
        Piece(figures.quantity(values[0].winning), reading.sources(claim.candidate.id, name), "value"),
    ]
    predicted = reading.prediction(claim.hypothesis, name)
    if predicted is not None:
        pieces += [
            Piece(" and was predicted to be "),
            Piece(figures.quantity(predicted), (claim.hypothesis,), "value"),
        ]
    pieces.append(Piece("."))
    for value in values:
        pieces += [Piece(" "), *_check(reading, claim, value)]
    return tuple(pieces)


def _check(reading: Reading, claim: Claim, value: ConfirmedValue) -> Sentence:
    if value.confirmed is None:
        return (Piece("It was not measured again, so this is unconfirmed", (claim.id,)), Piece("."))
    objective = _wanted(reading, value)
    pieces = [
        Piece("Another method, " if value.independent else "Measured again by "),
        Piece(plain(value.method), kind="label"),
        Piece(", gives " if value.independent else ", it is "),
        Piece(figures.quantity(value.confirmed), value.evidence, "value"),
    ]
    if value.shrinkage:
        pieces += [
            Piece(", "),
            Piece(with_unit(figures.signed(value.shrinkage), value.winning.unit), (claim.id,), "value"),
            Piece(" from the value that won"),
        ]
    elif value.shrinkage == 0:
        pieces.append(Piece(", the same as the value that won"))
    if not meets(objective, value.confirmed.to(objective.unit).value):
        pieces.append(Piece(f"; this breaks the wish ({figures.wish(objective)})"))
    elif value.holds is False:
        pieces.append(Piece("; a method that always repeats itself did not repeat"))
    elif objective.low is not None or objective.high is not None:
        pieces.append(Piece(f"; the wish ({figures.wish(objective)}) holds"))
    return (*pieces, Piece("."))


def _wanted(reading: Reading, value: ConfirmedValue) -> Objective:
    """Return what a property had to show; an independent method may have a bound of its own."""
    objective = next(o for o in reading.goal.objectives if o.property == value.property)
    return reading.goal.confirmation.objective(objective) if value.independent else objective


def _finding_value(reading: Reading, claim: Claim, value: ConfirmedValue) -> FindingValue:
    objective = _wanted(reading, value)
    predicted = reading.prediction(claim.hypothesis, value.property)
    outcome = next(
        (
            v.outcome.value
            for v in reading.record.verdicts
            if v.hypothesis == claim.hypothesis and v.property == value.property
        ),
        "",
    )
    return FindingValue(
        property=plain(value.property),
        wish=figures.wish(objective),
        won=figures.quantity(value.winning),
        won_cites=reading.sources(claim.candidate.id, value.property),
        predicted=figures.quantity(predicted) if predicted else "",
        outcome=outcome.replace("_", " "),
        confirmed=figures.quantity(value.confirmed) if value.confirmed else "",
        method=plain(value.method),
        independent=value.independent,
        change="" if value.shrinkage is None else _change(value.shrinkage, value.winning),
        confirmed_cites=value.evidence,
        holds=value.holds,
    )


def _change(shrinkage: float, winning: Quantity) -> str:
    return with_unit(figures.signed(shrinkage), winning.unit) if shrinkage else "none"


def _shortfall(reading: Reading, seen: Observation) -> Sentence:
    pieces: list[Piece] = [_label(seen), Piece(" breaks ")]
    broken = [o for o in reading.goal.constraints if not meets(o, seen.values[o.property].value)]
    for i, objective in enumerate(broken):
        q = seen.values[objective.property]
        low = objective.low is not None and q.value < objective.low
        bound = objective.low if low else objective.high
        assert bound is not None
        pieces += [
            Piece(f"{_joint(i, broken)}{plain(objective.property)} ({figures.wish(objective)}): it has "),
            Piece(figures.quantity(q), reading.sources(seen.candidate.id, objective.property), "value"),
            Piece(
                f", {with_unit(figures.number(abs(q.value - bound)), q.unit)} too {'low' if low else 'high'}",
                kind="derived",
            ),
        ]
    return (*pieces, Piece("."))


def _joint(i: int, items: Sequence[object]) -> str:
    if i == 0:
        return ""
    return "; and " if i == len(items) - 1 else "; "
