"""Reading: a campaign's record with what several sections of a report need, worked out once."""

from collections.abc import Mapping
from dataclasses import dataclass

from novum.core.calls import PropertySpec
from novum.core.goals import Goal
from novum.core.judgement import Merit
from novum.core.quantity import Quantity
from novum.core.record import CampaignRecord, ExperimentRecord
from novum.core.science import Observation
from novum.core.spaces import Candidate, ParameterSpace, PoolSpace
from novum.workflows.assays import Assay, scale_of
from novum.workflows.reporting.figures import plain, setting, unit_text

MAX_SETTINGS = 8
"""Columns of settings in a table of candidates; a pool may have hundreds."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A started campaign, rated.

    `rated` holds the candidates that this campaign itself measured completely, best first; `recalled`
    those that it took over from earlier ones.
    """

    record: CampaignRecord
    scales: dict[str, float]
    rated: tuple[tuple[Merit, Observation], ...]
    recalled: tuple[tuple[Merit, Observation], ...]

    @classmethod
    def of(cls, record: CampaignRecord, scales: Mapping[str, float] | None = None) -> "Reading":
        """Return the reading of a record that has started."""
        widths = dict(scales) if scales is not None else scales_from_goal(record.goal)
        merits = record.merits(widths)
        return cls(
            record=record,
            scales=widths,
            rated=tuple(pair for pair in merits if pair[1].source in record.experiments),
            recalled=tuple(pair for pair in merits if pair[1].source not in record.experiments),
        )

    @property
    def goal(self) -> Goal:
        """The goal pursued."""
        return self.record.goal

    @property
    def budgeted(self) -> list[ExperimentRecord]:
        """The experiments that count against the budget, in the order of the design."""
        return [e for e in self.record.experiments.values() if e.allowed and not e.experiment.sealed]

    def sources(self, candidate: str, property_name: str = "") -> tuple[str, ...]:
        """Return the unsealed experiments that measured a candidate, or one property of it."""
        return tuple(
            e.experiment.id
            for e in self.budgeted
            if e.experiment.candidate.id == candidate
            and any(property_name in ("", m.property) for m in e.measurements)
        )

    def hypothesis_of(self, seen: Observation) -> str:
        """Return the hypothesis that had a candidate examined."""
        return self.record.experiments[seen.source].experiment.hypothesis

    def prediction(self, hypothesis: str, property_name: str) -> Quantity | None:
        """Return what a hypothesis expected of a property."""
        found = self.record.hypotheses.get(hypothesis)
        if found is None:
            return None
        return next((p.expected for p in found.predictions if p.property == property_name), None)

    def find_label(self, candidate: str | None) -> str:
        """Return the label of a candidate by its id; empty where there is none."""
        for entry in self.record.experiments.values():
            if entry.experiment.candidate.id == candidate:
                return plain(entry.experiment.candidate.label)
        for recalled in self.record.recalls.values():
            for seen in recalled.observations:
                if seen.candidate.id == candidate:
                    return plain(seen.candidate.label)
        return ""


def scales_from_goal(goal: Goal) -> dict[str, float]:
    """Return the width of every property from the goal's own bounds, where no tool is at hand to say more."""
    return {
        o.property: scale_of(
            Assay(o, "manual", None, PropertySpec(name=o.property, unit=o.unit, description=""))
        )
        for o in goal.objectives
    }


def find_smiles(goal: Goal, candidate: Candidate) -> str | None:
    """Return the SMILES of a candidate that is a molecule."""
    if isinstance(goal.space, ParameterSpace):
        return None
    name = goal.space.smiles if isinstance(goal.space, PoolSpace) else "smiles"
    found = candidate.arguments.get(name) if name else None
    return found if isinstance(found, str) else None


def setting_names(goal: Goal) -> tuple[str, ...]:
    """Return the arguments that a table of candidates shows in place of drawings."""
    space = goal.space
    if isinstance(space, ParameterSpace):
        return tuple(p.name for p in space.parameters)[:MAX_SETTINGS]
    if isinstance(space, PoolSpace):
        names = space.features or tuple(space.rows[0].arguments)
        return tuple(name for name in names if name != space.smiles)[:MAX_SETTINGS]
    return ()


def setting_headings(goal: Goal) -> tuple[str, ...]:
    """Return the names of the settings with their units."""
    units = (
        {p.name: unit_text(p.unit) for p in goal.space.parameters if p.kind != "choice"}
        if isinstance(goal.space, ParameterSpace)
        else {}
    )
    return tuple(
        plain(name) + (f" ({units[name]})" if units.get(name) else "") for name in setting_names(goal)
    )


def settings_of(goal: Goal, candidate: Candidate) -> tuple[tuple[str, str], ...]:
    """Return a candidate's settings, by heading."""
    return tuple(
        (heading, setting(candidate.arguments[name]) if name in candidate.arguments else "")
        for name, heading in zip(setting_names(goal), setting_headings(goal), strict=True)
    )
