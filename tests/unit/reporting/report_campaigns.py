"""Synthetic campaigns for the report's tests: real core values, with numbers from small formulas."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from novum.core.calls import CallStatus, PropertySpec, ToolCall, ToolResult, ToolSpec
from novum.core.events import (
    Asked,
    CampaignFinished,
    CampaignStarted,
    Claimed,
    ConfirmationPlanned,
    Decided,
    Designed,
    Event,
    ExperimentFinished,
    ExperimentStarted,
    Gated,
    Hypothesised,
    Interrupted,
    Judged,
    Recalled,
    Recorded,
    Resumed,
    Told,
)
from novum.core.goals import MANUAL, Budget, Goal, Objective, ObjectiveKind
from novum.core.judgement import interval_prediction, judge
from novum.core.quantity import Quantity
from novum.core.record import CampaignRecord
from novum.core.science import (
    Experiment,
    Hypothesis,
    Measurement,
    Observation,
    Origin,
    Purpose,
)
from novum.core.spaces import (
    Candidate,
    ChoiceParameter,
    ContinuousParameter,
    IntegerParameter,
    ParameterSpace,
    PoolSpace,
)
from novum.workflows.assays import Assay, scales_of
from novum.workflows.confirmation import claims_of

HOSTILE = (
    "<script>alert(1)</script>\u202egpj.exe\x1b[31m | `code` **bold** [link](http://evil.example) "
    "<img src=x onerror=alert(1)> $x^2$ www.evil.example https://evil.example\n# heading"
)

SMILES = (
    "CC(=O)Nc1ccc(O)cc1",
    "CN1C=NC2=C1C(=O)N(C)C(=O)N2C",
    "c1ccccc1C(F)(F)F",
    "CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O",
    "OC(=O)c1ccccc1O",
    "CCN(CC)CCNC(=O)c1ccc(N)cc1",
    "c1c(Cl)ccc(c1)C(=O)N1CCOCC1",
    "NS(=O)(=O)c1ccc(Br)cc1",
    "CCOC(=O)c1ccc(N)cc1",
    "COc1ccc(CCN)cc1O",
    "CC1(C)CCC(=O)N1c1ccccc1",
    "c1cc(F)ccc1C#N",
)

MOLECULE_GOAL = Goal(
    title="Wide-gap drug-like molecules",
    objectives=(
        Objective(property="qed", kind=ObjectiveKind.MAXIMISE),
        Objective(property="logp", kind=ObjectiveKind.INTERVAL, low=1.0, high=3.0),
        Objective(property="homo_lumo_gap", kind=ObjectiveKind.AT_LEAST, low=4.0, unit="eV"),
    ),
    budget=Budget(experiments=24, batch=6),
)


def molecule_truth(candidate: Candidate) -> dict[str, float]:
    """Return numbers that depend on the candidate alone."""
    random_number = random.Random(candidate.id)
    return {
        "qed": 0.45 + 0.48 * random_number.random(),
        "logp": 4.2 * random_number.random(),
        "homo_lumo_gap": 3.2 + 2.4 * random_number.random(),
    }


def molecules(n: int, *, first: int = 0) -> list[Candidate]:
    """Return n different molecules."""
    found = []
    for i in range(first, first + n):
        smiles = SMILES[i % len(SMILES)] if i < len(SMILES) else "C" * (i // 12 + 1) + SMILES[i % len(SMILES)]
        found.append(Candidate(id=f"KEY-{i:04d}", label=smiles, arguments={"smiles": smiles}))
    return found


@dataclass
class Builder:
    """Writes the events of a campaign as the workflow does, with every number from `truth`."""

    goal: Goal
    candidates: Sequence[Candidate]
    truth: Callable[[Candidate], Mapping[str, float]]
    planner: str = "optimizer"
    campaign: str = "wide-gap-1"
    parent: str | None = None
    fails: Mapping[str, str] = field(default_factory=dict)
    """Candidate id → message of the tool."""
    confirm_shift: float | None = 0.3
    """What the independent method adds to the gap, or None for no confirmation."""
    offset: float = 0.03
    events: list[Event] = field(default_factory=list)
    record: CampaignRecord = field(default_factory=CampaignRecord)

    def add(self, *events: Event) -> None:
        for event in events:
            self.events.append(event)
            self.record.apply(event)

    @property
    def manual(self) -> tuple[str, ...]:
        return tuple(o.property for o in self.goal.objectives if o.tool == MANUAL)

    def start(self, **changes: Any) -> "Builder":
        self.add(
            CampaignStarted(
                campaign=self.campaign,
                goal=self.goal,
                planner=self.planner,
                tools={o.property: o.tool or "toy.measure@1" for o in self.goal.objectives},
                parent=self.parent,
                versions={"python": "3.11.2", "novum": "0.1.0"},
                sandbox={
                    "backend": "namespace",
                    "checks": {"no network": True, "read-only tree": True},
                    "mechanisms": {"memory": "rlimit", "wall clock": "supervisor"},
                },
                **changes,
            )
        )
        return self

    def recall(self, observations: Sequence[Observation] = (), items: Sequence[str] = ()) -> "Builder":
        self.add(
            Recalled(iteration=0, query=str(self.goal), items=tuple(items), observations=tuple(observations))
        )
        return self

    def iterate(self, *, refuse: int = 0, stop_before: str = "") -> "Builder":
        """Add iterations until the candidates are used up."""
        batch = self.goal.budget.batch
        for i in range(0, len(self.candidates), batch):
            self.iteration(self.candidates[i : i + batch], refuse=refuse if i == 0 else 0, last=i + batch)
        return self

    def iteration(self, batch: Sequence[Candidate], *, refuse: int = 0, last: int = 0) -> None:
        number = len(self.record.plans)
        hypotheses = tuple(self._hypothesis(c, number, n) for n, c in enumerate(batch))
        experiments = tuple(
            Experiment(
                id=f"E{len(self.record.experiments) + n + 1:03d}",
                hypothesis=h.id,
                candidate=h.candidate,
                calls=()
                if self.manual
                else (ToolCall(tool="toy.measure", arguments=dict(h.candidate.arguments)),),
                manual=self.manual,
                nominal_cost_s=1.0,
            )
            for n, h in enumerate(hypotheses)
        )
        allowed = experiments[: len(experiments) - refuse]
        self.add(
            Hypothesised(
                iteration=number,
                hypotheses=hypotheses,
                registrations={h.id: h.registration() for h in hypotheses},
            ),
            Designed(iteration=number, experiments=experiments),
            Gated(
                iteration=number,
                allowed=tuple(e.id for e in allowed),
                refused={e.id: "the budget is used" for e in experiments[len(allowed) :]},
            ),
        )
        for experiment in allowed:
            self.finish(experiment, number)
        verdicts = [v for e in allowed for v in self._verdicts(e)]
        best = self.record.merits(self._scales())
        self.add(
            Judged(
                iteration=number,
                verdicts=tuple(verdicts),
                noise={o.property: Quantity(value=0.011, unit=o.unit) for o in self.goal.objectives[:1]},
            ),
            Recorded(iteration=number, items=()),
            Decided(
                iteration=number,
                action="continue" if last < len(self.candidates) else "confirm",
                reason=f"{len(self.candidates) - last} experiments are left"
                if last < len(self.candidates)
                else f"the budget of {len(self.candidates)} experiments is used",
                best=best[0][1].candidate.id if best else None,
                experiments_used=self.record.experiments_used,
                spent_s=12.5 * (number + 1),
            ),
        )

    def finish(self, experiment: Experiment, iteration: int, method: str = "toy method") -> None:
        """Add what an experiment gave."""
        failed = self.fails.get(experiment.candidate.id, "")
        truth = dict(self.truth(experiment.candidate))
        if method == "PBE0/def2-SVP" and "homo_lumo_gap" in truth:
            truth = {"homo_lumo_gap": truth["homo_lumo_gap"] + (self.confirm_shift or 0.0)}
        units = {o.property: o.unit for o in self.goal.objectives}
        std = {"homo_lumo_gap": 0.1}
        quantities = {
            name: Quantity(value=value, unit=units[name], std=std.get(name)) for name, value in truth.items()
        }
        results = tuple(
            ToolResult(
                call=call,
                key=f"key-{experiment.id}-{n}",
                status=CallStatus.ERROR if failed else CallStatus.OK,
                properties={} if failed else quantities,
                details={"checks": {"connectivity": True}},
                message=failed,
                tool_version="1",
                method=method,
                sandbox="namespace",
                wall_s=0.25 + 0.01 * n,
                cached=experiment.id.endswith("5"),
            )
            for n, call in enumerate(experiment.calls)
        )
        measurements = (
            ()
            if failed
            else tuple(
                Measurement(
                    experiment=experiment.id,
                    candidate=experiment.candidate.id,
                    property=name,
                    quantity=q,
                    tool=experiment.calls[0].tool if experiment.calls else MANUAL,
                    method=method,
                    call_key=f"key-{experiment.id}",
                    origin=Origin.SIMULATED if experiment.calls else Origin.MEASURED,
                    sealed=experiment.sealed,
                )
                for name, q in quantities.items()
            )
        )
        if experiment.manual:
            self.add(
                Told(experiment=experiment.id, measurements=measurements, failed=failed, by="Ada & Bob <lab>")
            )
        self.add(
            ExperimentStarted(iteration=iteration, experiment=experiment.id, attempt=1),
            ExperimentFinished(
                iteration=iteration,
                experiment=experiment.id,
                results=results,
                measurements=measurements,
                failed=f"toy.measure: error: {failed}" if failed else "",
            ),
        )

    def confirm(self) -> "Builder":
        """Add the sealed check of the winner by another method and by a repetition."""
        number = max(self.record.decisions) + 1
        own = [s for m, s in self.record.merits(self._scales()) if m.feasible and not s.recalled]
        if not own or self.confirm_shift is None:
            self.add(
                ConfirmationPlanned(
                    iteration=number,
                    hypotheses=(),
                    registrations={},
                    experiments=(),
                    reason="confirmation is switched off"
                    if own
                    else "no candidate of this campaign keeps every constraint",
                )
            )
            return self
        winner = own[0]
        origin = self.record.experiments[winner.source].experiment.hypothesis
        hypothesis = Hypothesis(
            id=f"{origin}c",
            iteration=number,
            statement="it keeps what it won",
            source="confirmation",
            candidate=winner.candidate,
            predictions=tuple(
                interval_prediction(
                    name, Quantity(value=q.value, unit=q.unit, std=max(1e-6 * abs(q.value), 1e-12))
                )
                for name, q in winner.values.items()
            ),
            cites=(origin, winner.source),
        )
        first = len(self.record.experiments) + 1
        experiments = tuple(
            Experiment(
                id=f"E{first + i:03d}",
                hypothesis=hypothesis.id,
                candidate=winner.candidate,
                purpose=Purpose.CONFIRM,
                calls=(ToolCall(tool=tool, arguments=dict(winner.candidate.arguments), replicate=i),),
            )
            for i, tool in enumerate(("toy.other", "toy.measure"))
        )
        self.add(
            ConfirmationPlanned(
                iteration=number,
                hypotheses=(hypothesis,),
                registrations={hypothesis.id: hypothesis.registration()},
                experiments=experiments,
                reason="the best 1 of the campaign, sealed from the planner",
            )
        )
        for experiment in experiments:
            another = experiment.calls[0].tool == "toy.other"
            self.finish(experiment, number, "PBE0/def2-SVP" if another else "toy method")
        self.add(Judged(iteration=number, verdicts=tuple(v for e in experiments for v in self._verdicts(e))))
        return self

    def conclude(self) -> "Builder":
        claims = claims_of(self.record, self._assays(), self._scales())
        self.add(*(Claimed(claim=claim) for claim in claims))
        last = max(self.record.decisions)
        self.add(
            CampaignFinished(
                reason=self.record.decisions[last].reason,
                claims=tuple(c.id for c in claims),
                spent_s=61.25,
            )
        )
        return self

    def _assays(self) -> dict[str, Assay]:
        assays = {}
        for o in self.goal.objectives:
            spec = PropertySpec(name=o.property, unit=o.unit, description="toy")
            tool = ToolSpec(
                name="toy.measure",
                version="1",
                description="toy",
                entry="toys:measure",
                parameters={},
                properties=(spec,),
                method="toy method",
            )
            source = "manual" if o.tool == MANUAL else "tool"
            assays[o.property] = Assay(o, source, None if o.tool == MANUAL else tool, spec)
        return assays

    def _scales(self) -> dict[str, float]:
        return scales_of(self._assays())

    def _hypothesis(self, candidate: Candidate, iteration: int, number: int) -> Hypothesis:
        noise = random.Random(f"predicted {candidate.id}")
        units = {o.property: o.unit for o in self.goal.objectives}
        width = {"qed": 0.05, "logp": 0.4, "homo_lumo_gap": 0.35}
        predictions = []
        for name, value in self.truth(candidate).items():
            std = width.get(name, 0.1 * abs(value) + 0.01)
            expected = Quantity(value=value + noise.gauss(self.offset, 1.1) * std, unit=units[name], std=std)
            predictions.append(interval_prediction(name, expected))
        return Hypothesis(
            id=f"H{len(self.record.hypotheses) + number + 1:03d}",
            iteration=iteration,
            statement=f"{candidate.label} is better than what is known",
            rationale="highest expected gain per cost",
            source=self.planner,
            candidate=candidate,
            predictions=tuple(predictions),
            p_goal=0.35,
            gain=0.1,
        )

    def _verdicts(self, experiment: Experiment) -> list[Any]:
        hypothesis = self.record.hypotheses[experiment.hypothesis]
        entry = self.record.experiments[experiment.id]
        measured = {m.property: m.quantity for m in entry.measurements}
        return [
            judge(
                hypothesis,
                p,
                measured.get(p.property),
                experiment=experiment.id,
                noise=0.011 if p.property == "qed" else 0.0,
                reason=entry.failed,
            )
            for p in hypothesis.predictions
        ]


def confirmed(n: int = 24, **changes: Any) -> Builder:
    """Return a finished campaign over molecules, with a failure and a recalled candidate."""
    builder = Builder(
        MOLECULE_GOAL.model_copy(update={"budget": Budget(experiments=n, batch=6)}),
        molecules(n),
        molecule_truth,
        fails={"KEY-0003": "the geometry did not converge"},
        **changes,
    ).start()
    known = Observation(
        candidate=molecules(1, first=40)[0],
        values={
            "qed": Quantity(value=0.6),
            "logp": Quantity(value=2.0),
            "homo_lumo_gap": Quantity(value=4.4, unit="eV", std=0.1),
        },
        recalled=True,
        source="k-001,k-002",
    )
    return builder.recall([known], ["k-001", "k-002", "k-003"]).iterate().confirm().conclude()


def control_of(n: int = 24, *, shift: float = -0.15) -> Builder:
    """Return a control arm whose qed is shifted."""
    return (
        Builder(
            MOLECULE_GOAL.model_copy(update={"budget": Budget(experiments=n, batch=6)}),
            molecules(n),
            lambda c: {**molecule_truth(c), "qed": molecule_truth(c)["qed"] + shift},
            planner="random",
            campaign="wide-gap-1-control",
            parent="wide-gap-1",
            confirm_shift=None,
        )
        .start()
        .recall()
        .iterate()
        .confirm()
        .conclude()
    )


def nothing_feasible() -> Builder:
    """Return a finished campaign in which every candidate breaks two constraints."""
    return (
        Builder(
            MOLECULE_GOAL,
            molecules(8),
            lambda c: {**molecule_truth(c), "logp": 3.5 + int(c.id[-1]) / 10, "homo_lumo_gap": 3.1},
        )
        .start()
        .recall()
        .iterate()
        .confirm()
        .conclude()
    )


PROCESS_GOAL = Goal(
    title="A process with two wishes",
    objectives=(
        Objective(property="yield", kind=ObjectiveKind.MAXIMISE, unit="%", low=80.0),
        Objective(property="waste", kind=ObjectiveKind.MINIMISE, unit="g"),
        Objective(property="ph", kind=ObjectiveKind.TARGET, target=7.0, low=6.5, high=7.5),
    ),
    space=ParameterSpace(
        parameters=(
            ContinuousParameter(name="temperature", low=20, high=120, unit="degC"),
            IntegerParameter(name="equivalents", low=1, high=5),
            ChoiceParameter(name="solvent", options=("water", "ethanol", "DMF")),
        )
    ),
    budget=Budget(experiments=18, batch=6),
)


def process_truth(candidate: Candidate) -> dict[str, float]:
    """Return the outcome of a process."""
    t, n = candidate.arguments["temperature"], candidate.arguments["equivalents"]
    return {"yield": 92 - abs(t - 80) * 0.6 - n, "waste": 2.0 * n + t / 50, "ph": 6.0 + t / 80}


def settings(n: int) -> list[Candidate]:
    """Return n settings."""
    source = random.Random(4)
    found = []
    for i in range(n):
        arguments = {
            "temperature": round(source.uniform(40, 110), 3),
            "equivalents": source.randint(1, 5),
            "solvent": source.choice(["water", "ethanol", "DMF"]),
        }
        label = ", ".join(f"{k} = {v}" for k, v in arguments.items())
        found.append(Candidate(id=f"set-{i}", label=label, arguments=arguments))
    return found


def process(*, least_yield: float = 80.0, **changes: Any) -> Builder:
    """Return a finished campaign over parameters with three things optimised."""
    first, *others = PROCESS_GOAL.objectives
    wanted = (first.model_copy(update={"low": least_yield}), *others)
    goal = PROCESS_GOAL.model_copy(update={"objectives": wanted})
    return (
        Builder(goal, settings(18), process_truth, campaign="process-1", **changes)
        .start()
        .recall()
        .iterate()
        .confirm()
        .conclude()
    )


def manual(*, answered: bool) -> Builder:
    """Return a campaign whose property a person measures; waiting, or on."""
    goal = Goal(
        objectives=(Objective(property="taste", kind=ObjectiveKind.MAXIMISE, tool=MANUAL),),
        space=PoolSpace(
            source="recipes.csv",
            rows=tuple(
                Candidate(id=f"row-{i}", label=f"recipe {i}", arguments={"sugar": 0.5 * i, "salt": i})
                for i in range(6)
            ),
        ),
        budget=Budget(experiments=3, batch=3),
    )
    builder = Builder(
        goal,
        goal.space.rows[:3],  # type: ignore[union-attr]
        lambda c: {"taste": 0.123456789 + c.arguments["sugar"]},
        campaign="taste-1",
        confirm_shift=None,
    ).start()
    builder.recall()
    if answered:
        return builder.iterate().confirm().conclude()
    hypotheses = tuple(builder._hypothesis(c, 0, n) for n, c in enumerate(builder.candidates))
    experiments = tuple(
        Experiment(id=f"E{n:03d}", hypothesis=h.id, candidate=h.candidate, calls=(), manual=("taste",))
        for n, h in enumerate(hypotheses, 1)
    )
    builder.add(
        Hypothesised(iteration=0, hypotheses=hypotheses, registrations={}),
        Designed(iteration=0, experiments=experiments),
        Gated(iteration=0, allowed=tuple(e.id for e in experiments)),
        Asked(iteration=0, experiments=tuple(e.id for e in experiments)),
    )
    builder.finish(experiments[0], 0)
    builder.add(Interrupted(ordinal=1, reason="stopped by a person"), Resumed(ordinal=1))
    return builder


def hostile() -> Builder:
    """Return a finished campaign in which every foreign text tries to do something."""
    goal = MOLECULE_GOAL.model_copy(update={"title": HOSTILE})
    candidates = [
        Candidate(id=f"bad-{i}", label=f"{HOSTILE}{i}", arguments={"smiles": HOSTILE, HOSTILE: HOSTILE})
        for i in range(6)
    ]
    return (
        Builder(
            goal,
            candidates,
            lambda c: {**molecule_truth(c), "logp": 2.0, "homo_lumo_gap": 4.5},
            planner=HOSTILE,
            campaign=f"../../etc/{HOSTILE}",
            fails={"bad-2": HOSTILE},
        )
        .start()
        .recall()
        .iterate(refuse=1)
        .confirm()
        .conclude()
    )
