"""Goals as people write them: a YAML file, or a sentence of the goal language → a checked `Goal`."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from novum.agents.optimizer.generators.limits import tightened
from novum.core.errors import GoalError, UsageError
from novum.core.goals import MANUAL, POOL, Budget, Confirmation, Goal, Objective
from novum.core.quantity import DIMENSIONLESS, canonical_unit, is_compatible
from novum.core.spaces import (
    ChoiceParameter,
    ContinuousParameter,
    CrystalSpace,
    IntegerParameter,
    LinearConstraint,
    MoleculeSpace,
    ParameterSpace,
    Space,
)
from novum.tools.registry import Registry
from novum.workflows.goal_language import Wish, parse_clause, parse_goal
from novum.workflows.space_files import (
    check_elements,
    check_smiles,
    load_pool,
    load_start_molecules,
    load_template,
)

Model = TypeVar("Model", bound=BaseModel)
Result = TypeVar("Result")


class WishEntry(BaseModel):
    """One objective in a goal file, in its long form."""

    model_config = ConfigDict(extra="forbid")

    wish: str
    """A clause of the goal language."""
    tool: str | None = None
    unit: str | None = None
    weight: float = Field(default=1.0, gt=0)
    options: dict[str, Any] = {}


class MoleculesEntry(BaseModel):
    """``kind: molecules``; the limits of `MoleculeSpace`, and where to start."""

    model_config = ConfigDict(extra="forbid")

    kind: str = "molecules"
    start: list[str] | str = []
    """SMILES, or the path of a file with one SMILES a line."""
    elements: tuple[str, ...] = MoleculeSpace.model_fields["elements"].default
    min_heavy_atoms: int = 4
    max_heavy_atoms: int = 40
    min_charge: int = 0
    max_charge: int = 0
    max_ring_size: int = 8
    alerts: bool = True


class CrystalsEntry(BaseModel):
    """``kind: crystals``; the limits of `CrystalSpace`, and structures to substitute in."""

    model_config = ConfigDict(extra="forbid")

    kind: str = "crystals"
    elements: tuple[str, ...] = Field(min_length=2)
    prototypes: tuple[str, ...] = ()
    """Structure types by Strukturbericht designation; all that fit by default."""
    templates: list[str] = []
    """Structure files (CIF, POSCAR), relative to the goal file, whose elements are replaced."""
    min_elements: int = 2
    max_elements: int = 2
    max_atoms: int = 12
    charge_balanced: bool = False


class PoolEntry(BaseModel):
    """``kind: pool``; a table of candidates."""

    model_config = ConfigDict(extra="forbid")

    kind: str = "pool"
    file: str
    """CSV, Parquet or SDF, relative to the goal file."""
    id: str | None = None
    """The column that names a row; rows are numbered without one."""
    smiles: str | None = None
    """The column that holds SMILES."""
    features: tuple[str, ...] = ()
    """The columns that describe a row; by default all that are not measured."""


class ParametersEntry(BaseModel):
    """``kind: parameters``; name → range or options."""

    model_config = ConfigDict(extra="forbid")

    kind: str = "parameters"
    parameters: dict[str, Any] = Field(min_length=1)
    constraints: list[dict[str, Any]] = []


class ParameterEntry(BaseModel):
    """One parameter: ``{low, high, unit, log, integer}`` or ``{options: [...]}``."""

    model_config = ConfigDict(extra="forbid")

    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    unit: str = DIMENSIONLESS
    log: bool = False
    integer: bool = False
    options: list[str] | None = None


SPACES: dict[str, type[BaseModel]] = {
    "molecules": MoleculesEntry,
    "crystals": CrystalsEntry,
    "pool": PoolEntry,
    "parameters": ParametersEntry,
}


class ConfirmationEntry(BaseModel):
    """How the winner is checked; `wishes` are clauses that the independent method must show."""

    model_config = ConfigDict(extra="forbid")

    method: str = "auto"
    replicates: int = Field(default=3, ge=1)
    candidates: int = Field(default=1, ge=1)
    options: dict[str, Any] = {}
    wishes: list[str] = []


class GoalFile(BaseModel):
    """The keys of a goal file."""

    model_config = ConfigDict(extra="forbid")

    title: str = ""
    objectives: list[str | WishEntry] | str = Field(min_length=1)
    space: dict[str, Any] = {}
    budget: Budget = Budget()
    confirmation: ConfirmationEntry = ConfirmationEntry()
    seed: int = Field(default=0, ge=0)
    stop_when_met: bool = False
    noise_replicates: int = Field(default=3, ge=0)


def load_goal(source: str, registry: Registry, *, seed: int | None = None, **budget: int | None) -> Goal:
    """Return the goal that `source` states: the path of a YAML file, or a sentence.

    Args:
        source: path or sentence.
        registry: the tools that can measure properties; names and units are checked against it.
        seed: replaces the goal's own seed.
        **budget: replaces fields of the goal's budget, where not None.

    Raises:
        GoalError: anything that keeps the goal from being pursued; with line and key where there is
            a file.
    """
    if is_goal_path(source):
        goal = _FileReader(Path(source), registry).goal()
    else:
        objectives = tuple(bind_objective(w, WishEntry(wish=""), registry) for w in parse_goal(source))
        try:
            goal = Goal(objectives=objectives)
        except ValidationError as error:
            raise GoalError(_first(error)[1]) from error
    limits = {name: value for name, value in budget.items() if value is not None}
    try:
        return Goal.model_validate(
            {
                **goal.model_dump(),
                "space": _tightened(goal),
                "seed": goal.seed if seed is None else seed,
                "budget": {**goal.budget.model_dump(), **limits},
            }
        )
    except ValidationError as error:
        location, message = _first(error)
        raise GoalError(message, key=".".join(map(str, location)) or None) from error


def _tightened(goal: Goal) -> Space:
    """Return the goal's space within what its objectives say of it, so that an empty one is seen here."""
    if isinstance(goal.space, MoleculeSpace):
        return tightened(goal.space, goal.objectives)
    return goal.space


def is_goal_path(source: str) -> bool:
    """Say whether `source` is meant as a file: it ends like one, or it is there."""
    if source.lower().endswith((".yaml", ".yml")):
        return True
    try:
        return bool(source.strip()) and Path(source).exists()
    except OSError:  # a sentence longer than a file name may be
        return False


def bind_objective(wish: Wish, entry: WishEntry, registry: Registry) -> Objective:
    """Return the objective that a wish states, with its tool's unit checked.

    Raises:
        GoalError: unknown property or tool, a missing unit, an impossible interval.
    """
    tool, unit = entry.tool or wish.tool, entry.unit or wish.unit
    name = wish.property
    if tool in (MANUAL, POOL):
        if unit is None:
            raise GoalError(
                f"{name}: missing unit; a property measured by {tool!r} needs one, as in "
                f"'maximise {name} in %' (write 1 for a pure number: unit: '1')"
            )
        native = unit
    else:
        spec = registry.get(tool).spec if tool else registry.for_property(name)[0]
        found = spec.find_property(name)
        if found is None:
            near = difflib.get_close_matches(name, [p.name for p in spec.properties], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise GoalError(f"{spec.name} does not measure {name!r}{hint}")
        native = found.unit
    has_number = any(x is not None for x in (wish.low, wish.high, wish.target))
    if unit is None and native != DIMENSIONLESS and has_number:
        raise GoalError(f"{name}: missing unit; it is measured in {native}, write the number as '… {native}'")
    unit = canonical_unit(unit) if unit else native
    if not is_compatible(unit, native):
        raise GoalError(f"{name}: {unit!r} does not fit; it is measured in {native!r}")
    try:
        return Objective(
            property=name,
            kind=wish.kind,
            unit=unit,
            low=wish.low,
            high=wish.high,
            target=wish.target,
            weight=entry.weight,
            tool=tool,
            options=entry.options,
        )
    except ValidationError as error:
        raise GoalError(f"{name}: {_first(error)[1]}") from error


def read_yaml(path: Path) -> Any:
    """Return the mapping in a YAML file, with line numbers attached.

    Raises:
        GoalError: not a readable file, not UTF-8, not YAML, or not a mapping.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if path.is_dir():
        raise GoalError(f"{str(path)!r} is a directory; give a goal file, as 'novum init' writes one")
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise GoalError(f"there is no file {str(path)!r}; 'novum init' writes one") from error
    except OSError as error:
        raise GoalError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise GoalError(f"{str(path)!r} is not UTF-8 text (byte {error.start})", line=line) from error
    try:
        data = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        raise GoalError(
            f"not valid YAML: {error.problem or error}", line=mark.line + 1 if mark else None
        ) from error
    except YAMLError as error:
        raise GoalError(f"not valid YAML: {error}") from error
    except (RecursionError, ValueError) as error:  # nested without end; a date that is none
        raise GoalError(f"not valid YAML: {str(error) or type(error).__name__}") from error
    if not isinstance(data, Mapping):
        raise GoalError("a goal file is a mapping with the key 'objectives'; see 'novum init'", line=1)
    return data


class _FileReader:
    """Turns one goal file into a goal, and every complaint into one with line and key."""

    def __init__(self, path: Path, registry: Registry) -> None:
        self.path = path
        self.registry = registry
        self.data = read_yaml(path)

    def goal(self) -> Goal:
        self._check_keys(GoalFile, ())
        for section in ("budget", "confirmation"):
            self._check_keys(GoalFile.model_fields[section].annotation, (section,))
        if isinstance(self.data.get("objectives"), list):
            for index in range(len(self.data["objectives"])):
                self._check_keys(WishEntry, ("objectives", index))
        parsed = self._validate(GoalFile, _plain(self.data), ())
        entries = parsed.objectives
        pairs: list[tuple[Wish, WishEntry, tuple[str | int, ...]]] = []
        if isinstance(entries, str):
            wishes = self._at(("objectives",), parse_goal, entries)
            pairs = [(w, WishEntry(wish=""), ("objectives",)) for w in wishes]
        else:
            for index, entry in enumerate(entries):
                where = ("objectives", index)
                long = WishEntry(wish=entry) if isinstance(entry, str) else entry
                pairs.append((self._at(where, parse_clause, long.wish), long, where))
        objectives = [
            self._at(place, bind_objective, wish, entry, self.registry) for wish, entry, place in pairs
        ]
        space = self._space(parsed.space, [o for o in objectives if o.tool == POOL])
        fields = parsed.model_dump(exclude={"objectives", "space", "confirmation"})
        confirmation = self._confirmation(parsed.confirmation, objectives)
        return self._validate(
            Goal, {**fields, "objectives": objectives, "space": space, "confirmation": confirmation}, ()
        )

    def _confirmation(self, given: ConfirmationEntry, objectives: list[Objective]) -> Confirmation:
        if given.method not in ("auto", "none"):
            self._at(("confirmation", "method"), self.registry.get, given.method)
        wishes = []
        for index, clause in enumerate(given.wishes):
            where = ("confirmation", "wishes", index)
            wish = self._at(where, parse_clause, clause)
            if wish.property not in [o.property for o in objectives]:
                raise self._error(where, f"{wish.property!r} is not among the objectives")
            tool = None if given.method in ("auto", "none") else given.method
            wishes.append(self._at(where, bind_objective, wish, WishEntry(wish="", tool=tool), self.registry))
        return self._validate(
            Confirmation, {**given.model_dump(exclude={"wishes"}), "objectives": wishes}, ("confirmation",)
        )

    def _space(self, given: dict[str, Any], hidden: list[Objective]) -> Space:
        kind = given.get("kind", "molecules")
        if not isinstance(kind, str) or kind not in SPACES:
            raise self._error(
                ("space", "kind"),
                f"unknown kind {kind!r}{_nearest(str(kind), SPACES)}; kinds are {', '.join(SPACES)}",
            )
        self._check_keys(SPACES[kind], ("space",))
        entry = self._validate(SPACES[kind], given, ("space",))
        if hidden and kind != "pool":
            raise self._error(
                ("space", "kind"), f"{hidden[0].property!r} is to come from a pool, but the space is {kind!r}"
            )
        match entry:
            case MoleculesEntry():
                start = entry.start
                if isinstance(start, str):
                    where, file = ("space", "start"), self.path.parent / start
                    molecules = self._at(where, load_start_molecules, file)
                else:
                    for index, one in enumerate(start):
                        self._at(("space", "start", index), check_smiles, [one], first=index + 1)
                    molecules = tuple(start)
                self._at(("space", "elements"), check_elements, entry.elements)
                limits = entry.model_dump(exclude={"start"})
                return self._validate(MoleculeSpace, {**limits, "start": molecules}, ("space",))
            case CrystalsEntry():
                self._at(("space", "elements"), check_elements, entry.elements)
                templates = [
                    self._at(("space", "templates", index), load_template, self.path.parent / file)
                    for index, file in enumerate(entry.templates)
                ]
                limits = entry.model_dump(exclude={"templates"})
                return self._validate(CrystalSpace, {**limits, "templates": templates}, ("space",))
            case PoolEntry():
                return self._at(
                    ("space", "file"),
                    lambda: load_pool(
                        self.path.parent / entry.file,
                        id_column=entry.id,
                        smiles=entry.smiles,
                        features=entry.features,
                        measured={o.property: o.unit for o in hidden},
                    ),
                )
            case ParametersEntry():
                return self._parameters(entry)
        raise AssertionError(kind)

    def _parameters(self, entry: ParametersEntry) -> ParameterSpace:
        parameters = []
        for name, given in entry.parameters.items():
            where = ("space", "parameters", name)
            if not isinstance(given, Mapping):
                raise self._error(where, "write {low: 0, high: 1, unit: …} or {options: [a, b]}")
            self._check_keys(ParameterEntry, where)
            parameters.append(self._at(where, _parameter, name, self._validate(ParameterEntry, given, where)))
        constraints = []
        for index, given in enumerate(entry.constraints):
            place = ("space", "constraints", index)
            self._check_keys(LinearConstraint, place)
            constraints.append(self._validate(LinearConstraint, given, place))
        return self._validate(
            ParameterSpace, {"parameters": parameters, "constraints": constraints}, ("space",)
        )

    def _check_keys(self, model: type[BaseModel] | Any, where: tuple[str | int, ...]) -> None:
        section = self._node(where)
        if not isinstance(section, Mapping):
            return
        for key in section:
            if key not in model.model_fields:
                known = ", ".join(model.model_fields)
                raise self._error(
                    (*where, str(key)),
                    f"unknown key{_nearest(str(key), model.model_fields)}; keys here are {known}",
                )

    def _validate(self, model: type[Model], value: Any, where: tuple[str | int, ...]) -> Model:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            location, message = _first(error)
            raise self._error((*where, *location), message) from error

    def _at(
        self, where: tuple[str | int, ...], function: Callable[..., Result], *args: Any, **options: Any
    ) -> Result:
        try:
            return function(*args, **options)
        except ValidationError as error:
            raise self._error(where, _first(error)[1]) from error
        except UsageError as error:
            raise self._error(where, str(error)) from error

    def _error(self, where: tuple[str | int, ...], message: str) -> GoalError:
        return GoalError(
            f"{message} (in {self.path})", line=self._line(where), key=".".join(map(str, where)) or None
        )

    def _node(self, where: tuple[str | int, ...]) -> Any:
        node = self.data
        for part in where:
            try:
                node = node[part]
            except (KeyError, IndexError, TypeError):
                return None
        return node

    def _line(self, where: tuple[str | int, ...]) -> int | None:
        node: Any = self.data
        line: int | None = None
        for part in where:
            try:
                marks = node.lc
                line = (marks.key(part) if isinstance(node, Mapping) else marks.item(part))[0] + 1
                node = node[part]
            except (AttributeError, KeyError, IndexError, TypeError):
                break
        return line


def _parameter(name: str, entry: ParameterEntry) -> ContinuousParameter | IntegerParameter | ChoiceParameter:
    unit = canonical_unit(entry.unit)
    if entry.options is not None:
        if entry.low is not None or entry.high is not None or entry.log or entry.integer:
            raise GoalError("a parameter has options, or a range, not both")
        return ChoiceParameter(name=name, options=tuple(entry.options))
    if entry.low is None or entry.high is None:
        raise GoalError("a parameter needs low and high, or options")
    if entry.integer:
        if entry.low != int(entry.low) or entry.high != int(entry.high):
            raise GoalError("an integer parameter needs whole bounds")
        if entry.log:
            raise GoalError("an integer parameter has no logarithmic scale; leave out 'log' or 'integer'")
        return IntegerParameter(name=name, low=int(entry.low), high=int(entry.high), unit=unit)
    return ContinuousParameter(name=name, low=entry.low, high=entry.high, unit=unit, log=entry.log)


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def _first(error: ValidationError) -> tuple[tuple[str | int, ...], str]:
    """Return where the first complaint is and what it says, in words for people."""
    errors = error.errors()
    # Of the complaints about one key, the deepest: the union's member that was meant got furthest.
    first = max((e for e in errors if e["loc"][:1] == errors[0]["loc"][:1]), key=lambda e: len(e["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] not in ("value_error", "missing"):
        message = f"{message}, not {first['input']!r}"
    # pydantic names the members of a union as well: str, WishEntry, list[union[str,WishEntry]]
    location = tuple(
        part for part in first["loc"] if part not in ("str", "WishEntry") and "[" not in str(part)
    )
    return location, message


def _plain(node: Any) -> Any:
    """Return round-trip YAML nodes as plain Python data."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node
