"""Units as people write them in the headers of tables."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from novum.core.errors import UnitError
from novum.core.quantity import DIMENSIONLESS, canonical_unit

_BRACKETED = re.compile(
    r"^(?P<name>.*?\S)\s*(?:\[(?P<a>[^\[\]]*)\]|\((?P<b>[^()]*(?:\([^()]*\)[^()]*)*)\)|\{(?P<c>[^{}]*)\})$"
)
_SLASHED = re.compile(r"^(?P<name>.*?\S)\s+/\s*(?P<unit>\S.*)$")
_SUFFIXED = re.compile(r"^(?P<name>.*?[^\W_])_(?P<unit>[A-Za-z0-9µμÅ%]+(?:_per_[A-Za-z0-9µμ]+)?)$")

_SUFFIXES = {
    "ev": "eV", "mev": "meV", "kev": "keV", "hartree": "hartree",
    "ev_per_atom": "eV/atom", "mev_per_atom": "meV/atom",
    "kcal_per_mol": "kcal/mol", "kj_per_mol": "kJ/mol", "j": "J", "kj": "kJ",
    "k": "K", "kelvin": "K", "degc": "degC", "celsius": "degC",
    "s": "s", "ms": "ms", "us": "us", "ns": "ns", "ps": "ps", "fs": "fs", "min": "min", "hours": "hour",
    "days": "day",
    "nm": "nm", "um": "um", "µm": "um", "μm": "um", "mm": "mm", "cm": "cm", "km": "km",
    "angstrom": "angstrom",
    "mg": "mg", "ug": "ug", "kg": "kg", "ml": "mL", "ul": "uL", "mmol": "mmol", "umol": "umol",
    "hz": "Hz", "khz": "kHz", "mhz": "MHz", "ghz": "GHz",
    "pa": "Pa", "kpa": "kPa", "mpa": "MPa", "gpa": "GPa", "bar": "bar", "mbar": "mbar", "atm": "atm",
    "v": "V", "mv": "mV", "ma": "mA", "ua": "uA", "kv": "kV", "ohm": "ohm", "tesla": "T", "debye": "debye",
    "deg": "degree", "rad": "radian", "pct": "%", "percent": "%", "ppm": "ppm", "kda": "kDa",
    "mg_per_ml": "mg/mL", "g_per_mol": "g/mol", "g_per_cm3": "g/cm**3", "mol_per_l": "mol/L",
}  # fmt: skip
"""Ends of names that mean a unit. Not ``_m``, ``_a``, ``_h``, ``_g``, ``_l``, ``_c``: they mean more."""

_SPELLINGS = {
    "-": DIMENSIONLESS, "–": DIMENSIONLESS, "—": DIMENSIONLESS, "none": DIMENSIONLESS,
    "unitless": DIMENSIONLESS, "dimensionless": DIMENSIONLESS,
    "wt%": "%", "wt.%": "%", "wt %": "%", "mol%": "%", "mol %": "%",
    "at%": "%", "at.%": "%", "vol%": "%", "sec": "s", "secs": "s", "hrs": "hour", "hr": "hour", "mins": "min",
    "ºC": "degC", "℃": "degC", "deg C": "degC", "deg. C": "degC", "°F": "degF", "ev": "eV", "mev": "meV",
    "kcal mol-1": "kcal/mol", "kJ mol-1": "kJ/mol", "kDa": "kilodalton",
    "Da": "dalton", "counts": "count", "cts": "count", "\u2126": "ohm", "rpm": "revolution/minute",
}  # fmt: skip
_MAX_UNIT_CHARS = 80
_AMBIGUOUS = {"a.u.", "au", "arb. units", "arb. unit", "arbitrary units", "arb.u.", "a. u."}
_PURE = re.compile(
    r"(?:ph|pka|pkb|pic50|log\s?[pds]|logk|n_\w+|\w+_ratio|ratio|r2|r²|refractive[ _]index|"
    r"mole[ _]fraction|\w+_fraction|\w+_count|count)",
    re.IGNORECASE,
)
"""Names of quantities that have no unit by their nature."""

_SPREAD = re.compile(
    r"^(?:(?:std|sd|stdev|sigma|σ|err|error|unc|uncertainty|u)[\s_(]+(?P<a>[^()]+?)\)?"
    r"|(?P<b>.+?)[\s_]*(?:[\s_](?:std|sd|stdev|std_?dev|sigma|err|error|unc|uncertainty)|±))$",
    re.IGNORECASE,
)
_SPREAD_OF = re.compile(r"std|sd|stdev|sigma|σ|u|unc|uncertainty|err|error", re.IGNORECASE)
_BOUND = re.compile(
    r"^(?P<name>.+?)[\s_]+(?:ci|pi)?[\s_]?(?P<level>\d{2})%?[\s_]*(?:ci|pi)?[\s_]+(?P<side>low|lower|high|upper)$",
    re.IGNORECASE,
)


class Role(StrEnum):
    """What a column of numbers gives."""

    VALUE = "value"
    STD = "std"
    """One standard deviation of the column that `Header.of` names."""
    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Header:
    """A column's header, taken apart."""

    column: str
    """As it is written."""
    name: str
    unit: str | None
    """In its canonical spelling; None where the header does not state one."""
    problem: str = ""
    """Why a unit that is stated cannot be understood."""
    role: Role = Role.VALUE
    of: str = ""
    """The name of the column whose uncertainty this may be."""
    level: float | None = None
    """Probability of the interval of which this may be a bound."""


@lru_cache(maxsize=4096)
def parse_unit(text: str, name: str = "") -> str:
    """Return the canonical spelling of a unit as people write it; `name` is what has that unit.

    Understands ``kJ mol⁻¹``, ``g cm^-3``, ``wt%``; and that a temperature in ``C`` is not in coulomb.

    Raises:
        UnitError: the unit is unknown, or means different things to different people.

    Example:
        >>> parse_unit("kJ mol⁻¹"), parse_unit("C", "temperature"), parse_unit("µm")
        ('kJ/mol', '°C', 'µm')
    """
    if len(text) > _MAX_UNIT_CHARS:
        raise UnitError(f"{text[:40]!r}… is too long for a unit")
    text = text.strip().strip(",;:").strip()
    if text.casefold() in _AMBIGUOUS:
        raise UnitError(
            f"{text!r} may mean arbitrary or atomic units; name the unit, or '1' for a pure number"
        )
    if text in ("C", "F") and re.match(r"t\b|t_|temp", name.strip(), re.IGNORECASE):
        return canonical_unit(f"deg{text}")
    text = _SPELLINGS.get(text, text)
    text = text.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻−–", "0123456789---")).replace("·", "*").replace("⋅", "*")
    text = re.sub(r"(?<=[A-Za-zµμΩÅ%])\s*\^?\s*(-?\d+)(?![\w.])", r"**\1", text.replace("**", "^"))
    text = re.sub(r"(?<=[\w%)])\s+(?=[A-Za-zµμΩÅ%(])", "*", text) if "/" not in text or " " in text else text
    return canonical_unit(text.replace("^", "**"))


def parse_header(column: str, *, unit: str | None = None) -> Header:
    """Take a header apart: name, unit and role. `unit`, if given, is what the user says.

    Raises:
        UnitError: `unit` is unknown.

    Example:
        >>> headers = ("T [K]", "yield (%)", "energy_ev", "t / s", "name")
        >>> [(h.name, h.unit) for h in map(parse_header, headers)]
        [('T', 'K'), ('yield', '%'), ('energy', 'eV'), ('t', 's'), ('name', None)]
    """
    text = " ".join(column.split())
    name, found, problem = _name_and_unit(text)
    if unit is not None:
        found, problem = parse_unit(unit, name), ""
    elif found is None and not problem and _PURE.fullmatch(name):
        found = DIMENSIONLESS
    bound = _BOUND.match(name)
    if bound and 50 <= int(bound["level"]) <= 99:
        side = Role.LOW if bound["side"].lower().startswith("low") else Role.HIGH
        return Header(column, name, found, problem, side, bound["name"].strip(), int(bound["level"]) / 100)
    spread = _SPREAD.match(name)
    if spread:
        of = (spread["a"] or spread["b"]).strip()
        inner, inner_unit, _ = _name_and_unit(of)  # "σ(T [K])"
        return Header(column, name, found or inner_unit, problem, Role.STD, inner)
    return Header(column, name, found, problem)


def _name_and_unit(text: str) -> tuple[str, str | None, str]:
    """Return name, unit and what is wrong with the unit."""
    problem = ""
    if (found := _BRACKETED.match(text)) is not None:
        # "σ(T)" and "u(x)" are names, not units.
        inside = next(group for group in (found["a"], found["b"], found["c"]) if group is not None)
        if found["b"] is None or not re.fullmatch(
            r"(?:std|sd|sigma|σ|u|unc|err|error)", found["name"], re.IGNORECASE
        ):
            try:
                return *_known(found["name"], inside or DIMENSIONLESS), ""
            except UnitError as error:
                problem = str(error)
                if found["b"] is None:
                    return found["name"], None, problem
                return text, None, problem
    if (found := _SLASHED.match(text)) is not None:
        try:
            return *_known(found["name"], found["unit"].strip("()")), ""
        except UnitError as error:
            problem = str(error)
    if (found := _SUFFIXED.match(text)) is not None:
        for name, end in _ends(text):
            if end in _SUFFIXES:
                return *_known(name, _SUFFIXES[end]), ""
    return text, None, problem


def _known(name: str, unit: str) -> tuple[str, str]:
    """Return name and canonical unit; "per atom" is no unit, and becomes a part of the name."""
    whole = re.fullmatch(r"(?P<unit>.+?)\s*/\s*(?P<of>atom|cell|site|f\.u\.|formula unit)", unit.strip())
    if whole:
        return f"{name} per {whole['of']}", parse_unit(whole["unit"], name)
    return name, parse_unit(unit, name)


def _ends(text: str) -> list[tuple[str, str]]:
    """Return the ways to split off the end of a name, longest end first: ``e_ev_per_atom`` → ev_per_atom."""
    parts = text.split("_")
    return [("_".join(parts[:n]), "_".join(parts[n:]).lower()) for n in range(1, len(parts)) if parts[n - 1]]
