"""The small goal language: one clause per wish, separated by ``;`` or new lines.

maximise qed                         maximise qed to 0.8
minimise sa_score                    logp between 1 and 3
homo_lumo_gap >= 4 eV                heavy_atoms <= 20
melting_point = 350 ± 5 K            maximise yield in % using manual
"""

import re
from dataclasses import dataclass

from novum.core.errors import GoalError
from novum.core.goals import ObjectiveKind

_NUMBER = r"(?>[-+−]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+−]?\d+)?)"  # whole: 1e-3 is never 1 and a unit e-3
_NAME = r"[A-Za-z_][A-Za-z0-9_.]*"
_UNIT = r"(?:\s*(?P<unit{0}>(?:1\s*/\s*)?[A-Za-zµμΩÅ°%][^;=<>]*?))?"
_USING = re.compile(r"^(?P<rest>.*?)\s+using\s+(?P<tool>[A-Za-z_][\w.\-]*)\s*$", re.IGNORECASE)
_CLAUSES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(rf"^{body}\s*$", re.IGNORECASE))
    for kind, body in (
        (
            "push",
            rf"(?P<verb>maximi[sz]e|minimi[sz]e)\s+(?P<name>{_NAME})(?:\s+in{_UNIT.format(2)})?"
            rf"(?:\s+to\s+(?P<a>{_NUMBER}){_UNIT.format(1)})?",
        ),
        (
            "interval",
            rf"(?P<name>{_NAME})\s+between\s+(?P<a>{_NUMBER}){_UNIT.format(1)}"
            rf"\s+and\s+(?P<b>{_NUMBER}){_UNIT.format(2)}",
        ),
        ("bound", rf"(?P<name>{_NAME})\s*(?P<verb>>=|<=|≥|≤|>|<)\s*(?P<a>{_NUMBER}){_UNIT.format(1)}"),
        (
            "target",
            rf"(?P<name>{_NAME})\s*=\s*(?P<a>{_NUMBER})\s*(?:±|\+/-|\+-)\s*(?P<b>{_NUMBER}){_UNIT.format(1)}",
        ),
    )
)
_FORMS = (
    "'maximise qed', 'minimise sa_score to 3', 'logp between 1 and 3', "
    "'homo_lumo_gap >= 4 eV' or 'dipole_moment = 2 ± 0.5 debye'"
)


@dataclass(frozen=True, slots=True)
class Wish:
    """One clause as written: `unit` is None where none was given."""

    property: str
    kind: ObjectiveKind
    low: float | None = None
    high: float | None = None
    target: float | None = None
    unit: str | None = None
    tool: str | None = None


def parse_goal(text: str) -> tuple[Wish, ...]:
    """Return the wishes of a goal sentence.

    Raises:
        GoalError: a clause that is not in the language; names the clause and the forms that are.

    Example:
        >>> parse_goal("maximise qed; homo_lumo_gap >= 4 eV")[1].unit
        'eV'
    """
    clauses = [clause.strip() for clause in re.split(r"[;\n]", text) if clause.strip()]
    if not clauses:
        raise GoalError(f"the goal is empty; write clauses such as {_FORMS}")
    return tuple(parse_clause(clause) for clause in clauses)


def parse_clause(clause: str) -> Wish:
    """Return the wish that one clause states.

    Raises:
        GoalError: the clause is not in the language.
    """
    using = _USING.match(clause.strip())
    body = using["rest"] if using else clause.strip()
    for kind, pattern in _CLAUSES:
        found = pattern.match(body)
        if found:
            return _wish(kind, found, using["tool"] if using else None)
    raise GoalError(f"cannot read the clause {clause!r}; write {_FORMS}")


def _wish(kind: str, found: re.Match[str], tool: str | None) -> Wish:
    groups = found.groupdict()
    name = groups["name"]
    first, second = _number(groups.get("a")), _number(groups.get("b"))
    unit = (groups.get("unit2") or groups.get("unit1") or "").strip() or None
    verb = (groups.get("verb") or "").lower()
    if kind == "push":
        if verb.startswith("maxi"):
            return Wish(name, ObjectiveKind.MAXIMISE, low=first, unit=unit, tool=tool)
        return Wish(name, ObjectiveKind.MINIMISE, high=first, unit=unit, tool=tool)
    if kind == "interval":
        one = (groups.get("unit1") or "").strip()
        if one and unit and one != unit:
            raise GoalError(f"{name}: write both bounds in one unit, not {one!r} and {unit!r}")
        return Wish(name, ObjectiveKind.INTERVAL, low=first, high=second, unit=unit, tool=tool)
    if kind == "bound":
        if verb in (">=", "≥", ">"):
            return Wish(name, ObjectiveKind.AT_LEAST, low=first, unit=unit, tool=tool)
        return Wish(name, ObjectiveKind.AT_MOST, high=first, unit=unit, tool=tool)
    assert first is not None
    assert second is not None
    if second <= 0:
        raise GoalError(f"{name}: a tolerance must be above zero, not {second:g}")
    return Wish(
        name,
        ObjectiveKind.TARGET,
        low=first - second,
        high=first + second,
        target=first,
        unit=unit,
        tool=tool,
    )


def _number(text: str | None) -> float | None:
    return None if text is None else float(text.replace("−", "-"))
