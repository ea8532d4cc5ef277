"""Forms: how a model names a candidate of each kind of space, and how code reads it."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from novum.agents.optimizer.generators.base import Generator
from novum.agents.scientist.quoting import quoted
from novum.core.quantity import DIMENSIONLESS
from novum.core.spaces import (
    Candidate,
    ChoiceParameter,
    IntegerParameter,
    MoleculeSpace,
    Parameter,
    ParameterSpace,
    PoolSpace,
    Space,
)

if TYPE_CHECKING:
    from novum.agents.optimizer.generators.molecules import MoleculeGenerator
    from novum.agents.optimizer.generators.parameters import ParameterGenerator

LONGEST_SMILES = 200
LONGEST_ID = 400
"""Characters of a row's id that are shown; one that is longer can be chosen by its label."""
SETTINGS_SHOWN = 12
"""Arguments of a row that a model is shown."""


class ProposalError(Exception):
    """What a model proposed is no candidate or no prediction here; told to the model, never to a caller."""


class Form(Protocol):
    """One kind of space, as a model fills it in."""

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a candidate."""
        ...

    def example(self) -> Any:
        """Return what a candidate looks like, for a prompt."""
        ...

    def instruction(self) -> str:
        """Return in words how a candidate is named."""
        ...

    def describe(self) -> list[str]:
        """Return the lines that say what can be examined."""
        ...

    def read(self, said: Any) -> Candidate:
        """Return the candidate that was meant.

        Raises:
            ProposalError: there is none of that kind here; says why.
        """
        ...


def open_form(space: Space, generator: Generator, shown: Sequence[Candidate]) -> Form:
    """Return the form of a space.

    Args:
        space: tightened by the goal.
        generator: of that space.
        shown: the candidates to choose from, where the space cannot be written down otherwise.
    """
    if isinstance(space, MoleculeSpace):
        return MoleculeForm(space, cast("MoleculeGenerator", generator))
    if isinstance(space, ParameterSpace):
        return ParameterForm(space, cast("ParameterGenerator", generator))
    return ListForm(space, shown)


class MoleculeForm:
    """Molecules, as SMILES."""

    def __init__(self, space: MoleculeSpace, generator: "MoleculeGenerator") -> None:
        self._space = space
        self._generator = generator

    def schema(self) -> dict[str, Any]:
        """Return a string; whether it is a molecule, RDKit says."""
        return {"type": "string", "minLength": 1, "maxLength": LONGEST_SMILES}

    def example(self) -> Any:
        """Return a SMILES."""
        return "CCO"

    def instruction(self) -> str:
        """Return how a molecule is named."""
        return "the SMILES of one molecule"

    def describe(self) -> list[str]:
        """Return the limits of the space."""
        space = self._space
        lines = [
            f"Molecules of {', '.join(space.elements)} with {space.min_heavy_atoms} to "
            f"{space.max_heavy_atoms} heavy atoms, charge {space.min_charge:+d} to {space.max_charge:+d}, "
            f"rings of at most {space.max_ring_size} atoms, stable and possible to make."
        ]
        if space.alerts:
            lines.append("None with a structural alert of the BRENK or PAINS lists.")
        return lines

    def read(self, said: Any) -> Candidate:
        """Return the molecule in its canonical spelling."""
        if not isinstance(said, str) or not said.strip():
            raise ProposalError("a candidate is the SMILES of a molecule, as a string")
        smiles = said.strip().removeprefix("<SMILES>").removesuffix("</SMILES>").strip()
        if len(smiles) > LONGEST_SMILES:
            raise ProposalError(f"its SMILES is longer than {LONGEST_SMILES} characters")
        proposal = self._generator.locate(Candidate(id="", label="", arguments={"smiles": smiles}))
        if proposal is None:
            raise ProposalError("its SMILES cannot be read")
        reason = self._generator.why_not(proposal)
        if reason:
            raise ProposalError(f"it is outside the space: {reason}")
        candidate = self._generator.candidate(proposal)
        if candidate is None:
            raise ProposalError("it has no InChIKey")
        return candidate


class ListForm:
    """Candidates out of a list, by their ids: the rows of a pool, or what a space offers this time."""

    def __init__(self, space: Space, shown: Sequence[Candidate]) -> None:
        self._space = space
        self._shown = {row.id: row for row in shown}
        self._labels = {row.label: row for row in reversed(shown)}

    def schema(self) -> dict[str, Any]:
        """Return the ids to choose from."""
        return {"type": "string", "enum": list(self._shown)}

    def example(self) -> Any:
        """Return what stands for an id: a real one would be advice."""
        return "ID"

    def instruction(self) -> str:
        """Return how a candidate is named."""
        return "the id of one of the candidates listed above"

    def describe(self) -> list[str]:
        """Return the candidates, with what describes them."""
        return [
            f"{quoted(row.id, limit=LONGEST_ID)}: {quoted(self._settings(row))}"
            for row in self._shown.values()
        ]

    def read(self, said: Any) -> Candidate:
        """Return the candidate of that id, or of that label."""
        name = said.strip() if isinstance(said, str) else None
        row = None if name is None else self._shown.get(name) or self._labels.get(name)
        if row is None:
            raise ProposalError(f"{str(said)[:60]!r} is not the id of a candidate that is listed")
        return row

    def _settings(self, row: Candidate) -> str:
        space = self._space
        if not isinstance(space, PoolSpace):
            return row.label
        names = space.features or tuple(space.rows[0].arguments)
        shown = [name for name in names if name not in space.measured][:SETTINGS_SHOWN]
        return ", ".join(f"{name}={_short(row.arguments.get(name))}" for name in shown)


class ParameterForm:
    """Settings, by the names of the parameters."""

    def __init__(self, space: ParameterSpace, generator: "ParameterGenerator") -> None:
        self._space = space
        self._generator = generator

    def schema(self) -> dict[str, Any]:
        """Return an object with every parameter, within its range."""
        return {
            "type": "object",
            "properties": {p.name: _parameter_schema(p) for p in self._space.parameters},
            "required": [p.name for p in self._space.parameters],
            "additionalProperties": False,
        }

    def example(self) -> Any:
        """Return a setting in the middle of every range."""
        return {p.name: _middle(p) for p in self._space.parameters}

    def instruction(self) -> str:
        """Return how a setting is named."""
        return "a value for every parameter"

    def describe(self) -> list[str]:
        """Return the ranges and the constraints."""
        lines = [_range(p) for p in self._space.parameters]
        for c in self._space.constraints:
            terms = " + ".join(f"{a:g} * {name}" for name, a in c.coefficients.items())
            lines.append(f"{terms} <= {c.bound:g}")
        return lines

    def read(self, said: Any) -> Candidate:
        """Return the setting, rounded as settings of this space are."""
        if not isinstance(said, dict):
            raise ProposalError("a candidate is an object with a value for every parameter")
        unknown = set(said) - {p.name for p in self._space.parameters}
        if unknown:
            raise ProposalError(f"there is no parameter {sorted(map(str, unknown))[0]!r}")
        arguments = {p.name: _value_of(p, said.get(p.name)) for p in self._space.parameters}
        proposal = self._generator.locate(Candidate(id="", label="", arguments=arguments))
        if proposal is None:
            raise ProposalError("a parameter is outside its range")
        proposal = self._generator.rounded(proposal)
        broken = self._generator.why_not(proposal)
        if broken:
            raise ProposalError(f"it breaks a constraint: {broken}")
        candidate = self._generator.candidate(proposal)
        assert candidate is not None
        return candidate


def _parameter_schema(p: Parameter) -> dict[str, Any]:
    if isinstance(p, ChoiceParameter):
        return {"type": "string", "enum": list(p.options)}
    kind = "integer" if isinstance(p, IntegerParameter) else "number"
    return {"type": kind, "minimum": p.low, "maximum": p.high}


def _middle(p: Parameter) -> float | int | str:
    if isinstance(p, ChoiceParameter):
        return p.options[0]
    middle = math.sqrt(p.low * p.high) if p.kind == "continuous" and p.log else (p.low + p.high) / 2
    return round(middle) if isinstance(p, IntegerParameter) else float(f"{middle:.3g}")


def _range(p: Parameter) -> str:
    if isinstance(p, ChoiceParameter):
        return f"{quoted(p.name)}: one of {', '.join(map(quoted, p.options))}"
    unit = "" if p.unit == DIMENSIONLESS else f" {p.unit}"
    whole = "a whole number " if isinstance(p, IntegerParameter) else ""
    return f"{quoted(p.name)}: {whole}from {p.low:g} to {p.high:g}{unit}"


def _value_of(p: Parameter, said: Any) -> float | int | str:
    if said is None:
        raise ProposalError(f"parameter {p.name!r} is missing")
    if isinstance(p, ChoiceParameter):
        if said not in p.options:
            raise ProposalError(f"{p.name!r} is one of {', '.join(map(repr, p.options))}")
        return str(said)
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        raise ProposalError(f"{p.name!r} is a number")
    if not p.low <= said <= p.high:
        raise ProposalError(f"{p.name!r} is {said:g}, not {p.low:g} to {p.high:g}")
    if isinstance(p, IntegerParameter):
        if said != int(said):
            raise ProposalError(f"{p.name!r} is a whole number, not {said:g}")
        return int(said)
    return float(said)


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
