"""Hypothesis strategies for the values of `novum.core`: one for each type, and `EVENTS` for every event."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from novum.core import events as ev
from novum.core.calls import Artifact, CallStatus, PropertySpec, ToolCall, ToolResult, ToolSpec
from novum.core.conversation import (
    Exchange,
    Finish,
    Image,
    Mechanism,
    Message,
    Reply,
    Request,
    Role,
    Sampling,
    Text,
    TimeSeries,
    ToolOutput,
    ToolSchema,
    ToolUse,
    Usage,
)
from novum.core.deliberation import (
    Contender,
    Deliberation,
    Ground,
    Objection,
    Passage,
    Rejected,
    Standing,
    Turn,
)
from novum.core.goals import Budget, Confirmation, Goal, Objective, ObjectiveKind
from novum.core.knowledge import (
    Access,
    DataClass,
    Evidence,
    EvidenceRole,
    ItemStatus,
    KnowledgeItem,
    Level,
    Provenance,
    Quality,
)
from novum.core.prose import Analysis, Mark, Sentence
from novum.core.quantity import Quantity, UncertaintyKind
from novum.core.science import (
    Claim,
    ClaimStatus,
    ConfirmedValue,
    Experiment,
    FalsificationKind,
    FalsificationRule,
    Hypothesis,
    HypothesisKind,
    Measurement,
    Observation,
    Origin,
    Outcome,
    Prediction,
    Purpose,
    Verdict,
)
from novum.core.spaces import (
    Candidate,
    ChoiceParameter,
    ContinuousParameter,
    CrystalSpace,
    IntegerParameter,
    LinearConstraint,
    MoleculeSpace,
    ParameterSpace,
    PoolSpace,
)

DIMENSIONS = (
    ("eV", "meV", "hartree", "J"),
    ("kcal/mol", "kJ/mol", "J/mol"),
    ("m", "nm", "angstrom", "µm"),
    ("s", "ms", "hour"),
    ("g/l", "mg/ml", "kg/m**3"),
    ("1", "%", "ppm"),
    ("K", "mK"),
    ("debye", "C*m"),
)
"""Units by dimension, without an offset: each converts into every other of its row."""
UNITS = tuple(unit for row in DIMENSIONS for unit in row)

words = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
numbers = st.floats(-1e6, 1e6, allow_nan=False)
positive = st.floats(1e-6, 1e6)
shares = st.floats(0, 1)
seconds = st.floats(0, 1e6)
counts = st.integers(0, 1000)
units = st.sampled_from(UNITS)
hexes = st.text("0123456789abcdef", min_size=64, max_size=64)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
json_objects = st.dictionaries(words, json_values, max_size=3)


def some(strategy: st.SearchStrategy, most: int = 3) -> st.SearchStrategy[tuple]:
    """Return tuples of up to `most` values."""
    return st.lists(strategy, max_size=most).map(tuple)


def maybe(strategy: st.SearchStrategy) -> st.SearchStrategy:
    """Return the values, or None."""
    return st.none() | strategy


def names(letter: str) -> st.SearchStrategy[str]:
    """Return ids such as ``E007``."""
    return st.integers(1, 999).map(lambda n: f"{letter}{n:03d}")


@st.composite
def quantities(draw, *, unit: st.SearchStrategy[str] = units, std: bool | None = None) -> Quantity:
    spread = st.floats(0, 1e6)
    stds = maybe(spread) if std is None else spread.filter(bool) if std else st.none()
    return Quantity(
        value=draw(numbers),
        unit=draw(unit),
        std=draw(stds),
        kind=draw(maybe(st.sampled_from(UncertaintyKind))),
    )


@st.composite
def objectives(draw, *, name: st.SearchStrategy[str] = words, kind: ObjectiveKind | None = None) -> Objective:
    kind = kind or draw(st.sampled_from(ObjectiveKind))
    low = draw(st.floats(-1e3, 1e3))
    high = low + draw(st.floats(0.1, 1e3))
    optional = draw(st.booleans())
    bounds = {
        ObjectiveKind.MAXIMISE: {"low": low} if optional else {},
        ObjectiveKind.MINIMISE: {"high": high} if optional else {},
        ObjectiveKind.TARGET: {"low": low, "high": high, "target": (low + high) / 2},
        ObjectiveKind.INTERVAL: {"low": low, "high": high},
        ObjectiveKind.AT_LEAST: {"low": low},
        ObjectiveKind.AT_MOST: {"high": high},
    }[kind]
    return Objective(
        property=draw(name),
        kind=kind,
        unit=draw(units),
        weight=draw(st.floats(0.1, 10)),
        tool=draw(maybe(words)),
        options=draw(json_objects),
        **bounds,
    )


candidates = st.builds(Candidate, id=words, label=texts, arguments=json_objects)

molecule_spaces = st.builds(
    MoleculeSpace,
    start=some(st.sampled_from(["CCO", "c1ccccc1", "CC(=O)O"])),
    min_heavy_atoms=st.integers(1, 10),
    max_heavy_atoms=st.integers(10, 60),
    min_charge=st.integers(-2, 0),
    max_charge=st.integers(0, 2),
    alerts=st.booleans(),
)

crystal_spaces = st.builds(
    CrystalSpace,
    elements=st.lists(
        st.sampled_from(["Al", "Cu", "Ni", "O", "Pt"]), min_size=2, max_size=4, unique=True
    ).map(tuple),
    prototypes=st.sampled_from([(), ("B2",), ("L1_2", "B1")]),
    max_atoms=st.integers(8, 20),
    charge_balanced=st.booleans(),
)


@st.composite
def pool_spaces(draw) -> PoolSpace:
    ids = draw(st.lists(words, min_size=1, max_size=4, unique=True))
    rows = tuple(Candidate(id=i, label=i, arguments={"x": draw(numbers)}) for i in ids)
    measured = draw(st.dictionaries(words, st.dictionaries(st.sampled_from(ids), numbers), max_size=2))
    return PoolSpace(source=draw(texts), rows=rows, features=("x",), measured=measured)


@st.composite
def parameters(draw, name: str):
    kind = draw(st.sampled_from(["continuous", "log", "integer", "choice"]))
    if kind == "choice":
        return ChoiceParameter(
            name=name, options=tuple(draw(st.lists(words, min_size=2, max_size=4, unique=True)))
        )
    if kind == "integer":
        low = draw(st.integers(-100, 100))
        return IntegerParameter(name=name, low=low, high=low + draw(st.integers(1, 100)), unit=draw(units))
    low = draw(st.floats(1e-3, 1e3)) if kind == "log" else draw(st.floats(-1e3, 1e3))
    return ContinuousParameter(
        name=name, low=low, high=low + draw(st.floats(0.1, 1e3)), unit=draw(units), log=kind == "log"
    )


@st.composite
def parameter_spaces(draw) -> ParameterSpace:
    found = tuple(draw(parameters(n)) for n in draw(st.lists(words, min_size=1, max_size=4, unique=True)))
    numeric = [p.name for p in found if p.kind != "choice"]
    constraints = ()
    if numeric:
        coefficients = st.dictionaries(st.sampled_from(numeric), numbers, min_size=1, max_size=3)
        constraints = draw(some(st.builds(LinearConstraint, coefficients=coefficients, bound=numbers), 2))
    return ParameterSpace(parameters=found, constraints=constraints)


spaces = molecule_spaces | crystal_spaces | pool_spaces() | parameter_spaces()
budgets = st.builds(
    Budget, experiments=st.integers(1, 500), batch=st.integers(1, 20), seconds=maybe(positive)
)


@st.composite
def goals(draw) -> Goal:
    wishes = draw(st.lists(words, min_size=1, max_size=4, unique=True))
    return Goal(
        title=draw(texts),
        objectives=tuple(draw(objectives(name=st.just(name))) for name in wishes),
        space=draw(spaces),
        budget=draw(budgets),
        confirmation=draw(
            st.builds(
                Confirmation,
                method=st.sampled_from(["auto", "none", "toy.level"]),
                replicates=st.integers(1, 5),
                candidates=st.integers(1, 3),
                options=json_objects,
            )
        ),
        seed=draw(counts),
        stop_when_met=draw(st.booleans()),
        noise_replicates=draw(st.integers(0, 5)),
    )


property_specs = st.builds(
    PropertySpec,
    name=words,
    unit=units,
    description=texts,
    low=maybe(st.floats(-1e6, 0)),
    high=maybe(st.floats(0, 1e6)),
    error=maybe(positive),
)
tool_specs = st.builds(
    ToolSpec,
    name=words,
    version=words,
    description=texts,
    entry=st.just("package.module:function"),
    parameters=json_objects,
    properties=some(property_specs),
    method=words,
    deterministic=st.booleans(),
    stochastic_in_seed=st.booleans(),
    nominal_cost_s=positive,
    preload=some(words),
    extra=maybe(words),
)
tool_calls = st.builds(ToolCall, tool=words, arguments=json_objects, seed=counts, replicate=st.integers(0, 3))
artifacts = st.builds(Artifact, name=words, sha256=hexes, size=counts)
tool_results = st.builds(
    ToolResult,
    call=tool_calls,
    key=hexes,
    status=st.sampled_from(CallStatus),
    properties=st.dictionaries(words, quantities(), max_size=2),
    details=json_objects,
    artifacts=some(artifacts, 1),
    message=texts,
    warnings=some(texts, 2),
    tool_version=words,
    method=words,
    sandbox=words,
    wall_s=seconds,
    cpu_s=seconds,
    peak_memory_mb=seconds,
    cached=st.booleans(),
)


@st.composite
def rules(draw, *, unit: str | None = None, kind: FalsificationKind | None = None) -> FalsificationRule:
    kind = kind or draw(st.sampled_from(FalsificationKind))
    low = draw(numbers)
    high = low + draw(st.floats(0, 1e6))
    bounds = {
        FalsificationKind.INTERVAL: {"low": low, "high": high},
        FalsificationKind.AT_LEAST: {"low": low},
        FalsificationKind.AT_MOST: {"high": high},
    }[kind]
    return FalsificationRule(
        kind=kind, unit=unit or draw(units), level=draw(st.sampled_from([0.5, 0.9, 0.95, 0.99])), **bounds
    )


@st.composite
def predictions(draw) -> Prediction:
    expected = draw(quantities(std=True))
    return Prediction(
        property=draw(words), expected=expected, rule=draw(rules(unit=expected.unit)), tool=draw(maybe(words))
    )


hypotheses = st.builds(
    Hypothesis,
    id=names("H"),
    kind=st.sampled_from(HypothesisKind),
    iteration=counts,
    statement=texts,
    rationale=texts,
    source=words,
    candidate=candidates,
    predictions=st.lists(predictions(), min_size=1, max_size=2).map(tuple),
    p_goal=maybe(shares),
    gain=numbers,
    cites=some(words),
)
experiments = st.builds(
    Experiment,
    id=names("E"),
    hypothesis=names("H"),
    candidate=candidates,
    purpose=st.sampled_from(Purpose),
    calls=some(tool_calls, 2),
    manual=some(words, 2),
    nominal_cost_s=seconds,
)
measurements = st.builds(
    Measurement,
    experiment=names("E"),
    candidate=words,
    property=words,
    quantity=quantities(),
    tool=words,
    method=words,
    call_key=hexes,
    origin=st.sampled_from(Origin),
    sealed=st.booleans(),
)
observations = st.builds(
    Observation,
    candidate=candidates,
    values=st.dictionaries(words, quantities(), max_size=2),
    failed=texts,
    recalled=st.booleans(),
    source=words,
)
verdicts = st.builds(
    Verdict,
    hypothesis=names("H"),
    experiment=names("E"),
    property=words,
    tool=maybe(words),
    outcome=st.sampled_from(Outcome),
    expected=quantities(),
    observed=maybe(quantities()),
    statistic=maybe(numbers),
    threshold=maybe(positive),
    noise=seconds,
    reason=texts,
)
confirmed_values = st.builds(
    ConfirmedValue,
    property=words,
    winning=quantities(),
    confirmed=maybe(quantities()),
    method=words,
    independent=st.booleans(),
    holds=maybe(st.booleans()),
    shrinkage=maybe(numbers),
    evidence=some(names("E"), 2),
)
claims = st.builds(
    Claim,
    id=names("C"),
    statement=texts,
    status=st.sampled_from(ClaimStatus),
    hypothesis=names("H"),
    candidate=candidates,
    values=some(confirmed_values, 2),
    evidence=st.lists(names("E"), min_size=1, max_size=2).map(tuple),
    sanity=st.dictionaries(words, st.booleans(), max_size=2),
    reason=texts,
    domain=json_objects,
)
knowledge_items = st.builds(
    KnowledgeItem,
    id=hexes.map(lambda h: f"K-{h[:16]}"),
    version=st.integers(1, 9),
    level=st.sampled_from(Level),
    data_class=st.sampled_from(DataClass),
    domain=words,
    subject=words,
    subject_label=texts,
    relation=words,
    value=maybe(quantities()),
    conditions=json_objects,
    text=texts,
    arguments=json_objects,
    evidence=some(st.builds(Evidence, target=words, role=st.sampled_from(EvidenceRole), weight=shares), 2),
    provenance=st.builds(
        Provenance, source=words, campaign=maybe(words), licence=words, locator=json_objects
    ),
    origin=st.sampled_from(Origin),
    negative=st.booleans(),
    confidence=shares,
    quality=st.builds(Quality, accuracy=maybe(shares), timeliness=maybe(shares)),
    object=texts,
    flags=some(words, 2),
    status=st.sampled_from(ItemStatus),
    access=st.sampled_from(Access),
    valid_from=maybe(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))),
)

_access = st.sampled_from(Access)
tool_uses = st.builds(
    ToolUse, id=words, name=words, arguments=json_objects, malformed=st.just("") | texts, access=_access
)
parts = st.one_of(
    st.builds(Text, text=texts, access=_access),
    st.builds(
        Image.from_bytes,
        st.binary(max_size=20),
        media_type=st.sampled_from(["image/png", "image/jpeg"]),
        access=_access,
    ),
    st.builds(TimeSeries, data=st.just("AAAA"), sampling_rate_hz=positive, access=_access),
    tool_uses,
    st.builds(ToolOutput, id=words, name=words, text=texts, access=_access),
)
messages = st.builds(Message, role=st.sampled_from(Role), parts=some(parts))
requests = st.builds(
    Request,
    messages=st.lists(messages, min_size=1, max_size=3).map(tuple),
    tools=some(st.builds(ToolSchema, name=words, description=texts, parameters=json_objects), 2),
    tool_choice=st.sampled_from(["auto", "required", "none"]) | words,
    json_schema=maybe(json_objects),
    sampling=st.builds(Sampling, temperature=maybe(st.floats(0, 2)), top_p=maybe(st.floats(0.1, 1))),
    thinking=maybe(st.booleans()),
    max_tokens=maybe(st.integers(1, 10_000)),
    seed=maybe(counts),
    deadline_s=positive,
    step=texts,
)
replies = st.builds(
    Reply,
    text=texts,
    reasoning=texts,
    tool_calls=some(tool_uses, 2),
    finish=st.sampled_from(Finish),
    usage=st.builds(Usage, prompt_tokens=counts, completion_tokens=counts, cost=maybe(seconds)),
    mechanism=st.sampled_from(Mechanism),
    model=words,
    seconds=seconds,
    first_token_s=maybe(seconds),
    tries=st.integers(1, 9),
)
exchanges = st.builds(
    Exchange,
    id=hexes,
    step=texts,
    ordinal=counts,
    request_digest=hexes,
    prompt_digest=hexes,
    request=json_objects,
    model=words,
    reply=maybe(replies),
    error=texts,
    error_kind=words,
    limit=maybe(counts),
    asked=maybe(counts),
    access=_access,
)

passages = st.builds(Passage, id=words, text=texts, flags=some(words, 2), access=_access)
contenders = st.builds(
    Contender,
    hypothesis=hypotheses,
    surrogate=maybe(hypotheses),
    gain=seconds,
    objections=some(
        st.builds(Objection, ground=st.sampled_from(Ground), text=texts, answer=texts, upheld=st.booleans()),
        2,
    ),
    became=words,
)
deliberations = st.builds(
    Deliberation,
    turn=st.sampled_from(Turn),
    note=texts,
    rule=words,
    standings=some(
        st.builds(Standing, source=words, n=counts, reward=shares, successes=seconds, failures=seconds), 2
    ),
    slots=st.dictionaries(words, counts, max_size=2),
    filled=counts,
    contenders=some(contenders, 2),
    rejected=some(st.builds(Rejected, said=texts, reason=texts), 2),
    counterfactual=some(hypotheses, 2),
    prompts=st.dictionaries(words, hexes, max_size=2),
    exchanges=counts,
)
analyses = st.builds(
    Analysis,
    turn=st.sampled_from(Turn),
    note=texts,
    sentences=some(
        st.builds(Sentence, text=texts, cites=some(words, 2), marks=some(st.sampled_from(Mark), 2)), 2
    ),
    prompts=st.dictionaries(words, hexes, max_size=2),
)

_iteration = st.integers(0, 99)
EVENTS: dict[type, st.SearchStrategy] = {
    ev.CampaignStarted: st.builds(
        ev.CampaignStarted,
        campaign=words,
        goal=goals(),
        planner=words,
        tools=st.dictionaries(words, words, max_size=2),
        recall=st.booleans(),
        approve=st.booleans(),
        parent=maybe(words),
        model=maybe(st.builds(ev.ModelUsed, name=words, remote=st.booleans(), card=json_objects)),
        versions=st.dictionaries(words, words, max_size=2),
        sandbox=json_objects,
    ),
    ev.Recalled: st.builds(
        ev.Recalled,
        iteration=_iteration,
        query=texts,
        items=some(words),
        observations=some(observations, 2),
        passages=some(passages, 2),
        withheld=some(words, 2),
    ),
    ev.Hypothesised: st.builds(
        ev.Hypothesised,
        iteration=_iteration,
        hypotheses=some(hypotheses, 2),
        registrations=st.dictionaries(names("H"), hexes, max_size=2),
        notes=json_objects,
        deliberation=st.none() | deliberations,
    ),
    ev.Probed: st.builds(ev.Probed, iteration=_iteration, number=st.integers(0, 9), result=tool_results),
    ev.Designed: st.builds(ev.Designed, iteration=_iteration, experiments=some(experiments, 2)),
    ev.Gated: st.builds(
        ev.Gated,
        iteration=_iteration,
        allowed=some(names("E")),
        refused=st.dictionaries(names("E"), texts, max_size=2),
        by=words,
    ),
    ev.ExperimentStarted: st.builds(
        ev.ExperimentStarted, iteration=_iteration, experiment=names("E"), attempt=st.integers(1, 9)
    ),
    ev.ExperimentFinished: st.builds(
        ev.ExperimentFinished,
        iteration=_iteration,
        experiment=names("E"),
        results=some(tool_results, 2),
        measurements=some(measurements, 2),
        failed=texts,
    ),
    ev.Asked: st.builds(ev.Asked, iteration=_iteration, experiments=some(names("E"))),
    ev.Told: st.builds(
        ev.Told, experiment=names("E"), measurements=some(measurements, 2), failed=texts, by=words
    ),
    ev.Judged: st.builds(
        ev.Judged,
        iteration=_iteration,
        verdicts=some(verdicts, 2),
        noise=st.dictionaries(words, quantities(), max_size=2),
    ),
    ev.Recorded: st.builds(ev.Recorded, iteration=_iteration, items=some(words)),
    ev.Decided: st.builds(
        ev.Decided,
        iteration=_iteration,
        action=st.sampled_from(["continue", "confirm"]),
        reason=texts,
        best=maybe(words),
        experiments_used=counts,
        spent_s=seconds,
    ),
    ev.ConfirmationPlanned: st.builds(
        ev.ConfirmationPlanned,
        iteration=_iteration,
        hypotheses=some(hypotheses, 2),
        registrations=st.dictionaries(names("H"), hexes, max_size=2),
        experiments=some(experiments, 2),
        reason=texts,
    ),
    ev.Claimed: st.builds(ev.Claimed, claim=claims),
    ev.CampaignFinished: st.builds(
        ev.CampaignFinished, reason=texts, claims=some(names("C")), spent_s=seconds
    ),
    ev.Analysed: st.builds(ev.Analysed, analysis=analyses),
    ev.Exchanged: st.builds(ev.Exchanged, exchange=exchanges),
    ev.Interrupted: st.builds(ev.Interrupted, ordinal=st.integers(1, 99), reason=texts),
    ev.Resumed: st.builds(ev.Resumed, ordinal=st.integers(1, 99)),
}
"""Every event type with its strategy."""

events = st.one_of(*EVENTS.values())

VALUES: dict[str, st.SearchStrategy] = {
    "quantity": quantities(),
    "objective": objectives(),
    "molecule space": molecule_spaces,
    "pool": pool_spaces(),
    "parameters": parameter_spaces(),
    "goal": goals(),
    "request": requests,
    "reply": replies,
    "exchange": exchanges,
    "candidate": candidates,
    "property": property_specs,
    "tool": tool_specs,
    "call": tool_calls,
    "result": tool_results,
    "prediction": predictions(),
    "hypothesis": hypotheses,
    "experiment": experiments,
    "measurement": measurements,
    "observation": observations,
    "verdict": verdicts,
    "claim": claims,
    "item": knowledge_items,
}
"""Every value that is stored or sent, by its name for people."""
