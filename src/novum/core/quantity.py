"""Quantity: a number with its unit and its uncertainty. The only place that converts units."""

import math
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, field_validator

from novum.core.errors import UnitError
from novum.core.frozen import Frozen

if TYPE_CHECKING:
    import pint

DIMENSIONLESS = "1"
"""The unit of a pure number."""

_SPELLINGS = {"E_h": "hartree", "D": "debye"}
"""Units that chemists write out."""

_UNIT = re.compile(r"[\w\s*/^().%°Å·-]*")
_MAX_UNIT_CHARS = 200

# "10**10**10" is an ordinary unit to pint, which would compute it for longer than anybody waits.
_RUNAWAY = re.compile(
    r"(?:\*\*|\^)[\s()+-]*(?:\d{3,}|[\d.]+[\s()]*(?:\*\*|\^))"  # a large power, or a power of a power
    r"|(?<!\w)[\d.]+[\s()]*(?:\*\*|\^).*\)\s*(?:\*\*|\^)"  # a power of a number in brackets
)
_SUPERSCRIPTS = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


class UncertaintyKind(StrEnum):
    """What an uncertainty describes."""

    MEASUREMENT = "measurement"
    """Spread of repeated measurements, or an instrument's stated error."""
    MODEL = "model"
    """Error of the method itself against a better one."""
    EPISTEMIC = "epistemic"
    """What a surrogate does not know yet; shrinks with data."""


class Quantity(Frozen):
    """A finite number with a unit and, where known, one standard deviation in the same unit.

    `std` is absent where nobody has said how uncertain the number is; zero means exact.

    Example:
        >>> Quantity(value=1.0, unit="hartree").to("eV")
        Quantity(27.2114 eV)
        >>> print(Quantity(value=4.31, unit="eV", std=0.12))
        4.31 ± 0.12 eV
    """

    value: float = Field(allow_inf_nan=False)
    unit: str = DIMENSIONLESS
    std: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    kind: UncertaintyKind | None = None

    @field_validator("unit")
    @classmethod
    def _canonical_unit(cls, unit: str) -> str:
        return canonical_unit(unit)

    def to(self, unit: str) -> Self:
        """Return the same quantity in `unit`; the standard deviation is scaled with it.

        Raises:
            UnitError: `unit` is unknown or of another dimension, or the number would not be finite in it.
        """
        unit = canonical_unit(unit)
        if unit == self.unit:
            return self
        value = convert(self.value, self.unit, unit)
        std = None
        if self.std is not None:
            std = _convert_spread(self.value, self.std, self.unit, unit)
        if not math.isfinite(value) or (std is not None and not math.isfinite(std)):
            raise UnitError(f"{self} is too large to be written in {unit!r}")
        return self.model_copy(update={"value": value, "unit": unit, "std": std})

    def __str__(self) -> str:
        unit = "" if self.unit == DIMENSIONLESS else f" {self.unit}"
        if not self.std:
            return f"{self.value:.6g}{unit}"
        digits = max(0, 1 - math.floor(math.log10(self.std)))
        if digits > 9 or max(abs(self.value), self.std) >= 1e15:
            return f"{self.value:.6g} ± {self.std:.2g}{unit}"
        return f"{self.value:.{digits}f} ± {self.std:.{digits}f}{unit}"

    def __repr__(self) -> str:
        return f"Quantity({self})"


def canonical_unit(unit: str) -> str:
    """Return the short standard spelling of `unit`; ``"1"`` for a pure number.

    Raises:
        UnitError: the unit is unknown.

    Example:
        >>> canonical_unit("electron_volt"), canonical_unit("kcal / mol"), canonical_unit("dimensionless")
        ('eV', 'kcal/mol', '1')
    """
    text = unit.strip()
    plain = _SUPERSCRIPTS.sub(lambda found: f"**{found.group().translate(_DIGITS)}", text)
    too_much = len(text) > _MAX_UNIT_CHARS or _RUNAWAY.search(plain)
    if too_much or not _UNIT.fullmatch(text):  # pint skips characters that it does not know
        text = text[:80]
        raise UnitError(f"unknown unit {text!r}; write units as 'eV', 'kcal/mol' or '%'")
    if text in ("", DIMENSIONLESS, "dimensionless"):
        return DIMENSIONLESS
    return _canonical_unit(text)


def convert(value: float, unit: str, to: str) -> float:
    """Convert a bare number between two units of one dimension.

    Raises:
        UnitError: a unit is unknown, or the dimensions differ.
    """
    import pint

    registry = _registry()
    try:
        converted: Any = registry.Quantity(value, _known_unit(unit)).to(_known_unit(to))
    except pint.DimensionalityError as error:
        raise UnitError(
            f"cannot turn {unit!r} into {to!r}: they measure different things ({error.dim1} and {error.dim2})"
        ) from error
    magnitude: Any = converted.magnitude
    return float(magnitude)


def is_compatible(unit: str, other: str) -> bool:
    """Say whether two units measure the same dimension.

    Raises:
        UnitError: a unit is unknown.
    """
    registry = _registry()
    return bool(registry.Unit(_known_unit(unit)).is_compatible_with(registry.Unit(_known_unit(other))))


def has_offset(unit: str) -> bool:
    """Say whether a unit's zero is arbitrary, so that nothing is relative to it.

    Raises:
        UnitError: the unit is unknown.

    Example:
        >>> has_offset("°C"), has_offset("K")
        (True, False)
    """
    return _base(canonical_unit(unit))[2] != 0


def base_units(quantity: Quantity, std: float | None = None) -> tuple[float, float | None, str] | None:
    """Return value, standard deviation and unit of a quantity in SI base units, for comparing many.

    None where the number would not be finite in them.

    Args:
        quantity: the quantity.
        std: a standard deviation in its unit that replaces its own.

    Example:
        >>> base_units(Quantity(value=20.0, unit="°C", std=1.0))
        (293.15, 1.0, 'K')
    """
    unit, scale, offset = _base(quantity.unit)
    std = quantity.std if std is None else std
    if scale is None:  # a logarithm: no factor holds everywhere
        same = quantity.model_copy(update={"std": std}).to(unit)
        value, spread = same.value, same.std
    else:
        value, spread = quantity.value * scale + offset, None if std is None else std * abs(scale)
    if not math.isfinite(value) or (spread is not None and not math.isfinite(spread)):
        return None
    return value, spread, unit


def propagate(function: Callable[..., Any], /, *quantities: Quantity) -> Quantity:
    """Apply `function` to quantities, carrying units and first-order uncertainty.

    The arguments are taken as independent; a quantity without `std` counts as exact. `function`
    receives numbers that know their unit and standard deviation, and may use arithmetic on them.

    Raises:
        UnitError: the arithmetic mixes dimensions, or multiplies on a scale with an offset (°C).

    References:
        First-order (linear) propagation, JCGM 100:2008 (GUM), section 5.1.

    Example:
        >>> a = Quantity(value=3.0, unit="eV", std=0.3)
        >>> b = Quantity(value=4.0, unit="eV", std=0.4)
        >>> print(propagate(lambda x, y: x + y, a, b))
        7.00 ± 0.50 eV
    """
    own = [{str(i): q.std} if q.std else {} for i, q in enumerate(quantities)]
    return propagate_from(function, *zip(quantities, own, strict=True))[0]


def propagate_from(
    function: Callable[..., Any], /, *arguments: tuple[Quantity, Mapping[str, float]]
) -> tuple[Quantity, dict[str, float]]:
    """Apply `function` to quantities whose uncertainties come from named, independent sources.

    What two arguments share is counted as shared: the difference of a value and itself is exact.

    Args:
        function: as for `propagate`.
        arguments: quantities, each with what every source adds to its uncertainty: a signed standard
            deviation in its unit.

    Returns:
        The result, and what every source adds to its uncertainty.

    Raises:
        UnitError: as `propagate`.

    References:
        JCGM 100:2008 (GUM), section 5.2, for correlated quantities.

    Example:
        >>> a = Quantity(value=3.0, unit="eV")
        >>> print(propagate_from(lambda x, y: x - y, (a, {"K-1": 0.3}), (a, {"K-1": 0.3}))[0])
        0 eV
    """
    import pint
    from uncertainties import ufloat

    registry = _registry()
    sources = {name: ufloat(0.0, 1.0) for _, shares in arguments for name in shares}
    numbers = [
        registry.Quantity(sum((s * sources[name] for name, s in shares.items()), q.value), _pint_name(q.unit))
        for q, shares in arguments
    ]
    try:
        result = registry.Quantity(function(*numbers))
    except pint.PintError as error:
        raise UnitError(str(error)) from error
    magnitude: Any = result.magnitude
    derivatives = getattr(magnitude, "derivatives", {})
    quantity = Quantity(
        value=float(getattr(magnitude, "nominal_value", magnitude)),
        unit=f"{result.units:~D}" or DIMENSIONLESS,
        std=float(getattr(magnitude, "std_dev", 0.0)),
    )
    return quantity, {name: float(derivatives[x]) for name, x in sources.items() if derivatives.get(x)}


@lru_cache(maxsize=1)
def _registry() -> "pint.UnitRegistry[Any]":
    import pint

    return pint.UnitRegistry(cache_folder=None)


@lru_cache(maxsize=1024)
def _base(unit: str) -> tuple[str, float | None, float]:
    """Return the base unit of `unit`, with factor and offset; no factor where there is no constant one."""
    registry = _registry()
    base = registry.Quantity(1.0, _pint_name(unit)).to_base_units()
    name = canonical_unit(f"{base.units:~D}")
    at = [convert(x, unit, name) for x in (0.0, 1.0, 2.0)]
    scale = at[1] - at[0]
    if not all(map(math.isfinite, at)) or not math.isclose(at[2] - at[1], scale, rel_tol=1e-9):
        return name, None, 0.0
    # Without an offset the factor is exact; the difference of two numbers is not.
    return (name, at[1], 0.0) if at[0] == 0 else (name, scale, at[0])


def _convert_spread(value: float, std: float, unit: str, to: str) -> float:
    if convert(2.0, unit, to) == 2 * convert(1.0, unit, to):
        return abs(convert(std, unit, to))
    # An offset or a logarithm: what the spread is at this value.
    return abs(convert(value + std, unit, to) - convert(value, unit, to))


def _known_unit(unit: str) -> str:
    return _pint_name(canonical_unit(unit))


def _pint_name(unit: str) -> str:
    return "dimensionless" if unit == DIMENSIONLESS else unit


@lru_cache(maxsize=1024)
def _canonical_unit(unit: str) -> str:
    from tokenize import TokenError

    import pint

    registry = _registry()
    try:
        parsed = registry.Unit(unit)
    except (pint.PintError, AssertionError, ArithmeticError, ValueError, TypeError, TokenError) as error:
        raise UnitError(
            f"unknown unit {unit!r}; units are written as 'eV', 'kcal/mol', 'angstrom', '%'"
        ) from error
    short = f"{parsed:~D}".replace(" / ", "/").replace(" * ", "*").replace(" ** ", "**")
    return _SPELLINGS.get(short, short) or DIMENSIONLESS
