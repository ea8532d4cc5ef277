"""Forecasts with their outcomes, and how well calibrated their sources are. Pure arithmetic."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import AwareDatetime, Field

from novum.core.frozen import Frozen
from novum.core.judgement import LEVEL, two_sided

BINS = 10
"""Bins of equal width over the probabilities, for the expected calibration error."""


class Forecast(Frozen):
    """What a source said would be, and whether it held. The outcome is judged by arithmetic.

    Example:
        >>> Forecast(source="GFN2-xTB", key="c1/E001/gap", held=True, statistic=0.4).held
        True
    """

    source: str = Field(min_length=1)
    """Who said it: a method of measurement, a planner, a model, a document."""
    key: str = Field(min_length=1)
    """Names the forecast; recording it again adds nothing."""
    held: bool
    probability: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    """The probability that the source itself gave to what it said."""
    statistic: float | None = Field(default=None, allow_inf_nan=False)
    """Standardised residual (observed − expected) / σ, where it named a spread."""
    judged_at: AwareDatetime | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """How the forecasts of one source compared with what came."""

    source: str
    n: int
    held: int
    brier: float | None
    """Mean squared difference of probability and outcome; 0 is perfect, 0.25 is a coin's."""
    ece: float | None
    """Expected calibration error: mean difference of stated and observed frequency over bins, by size."""
    coverage: float | None
    """Share of residuals inside the central interval at `level`, which it should equal."""
    level: float
    rms_z: float | None
    """Root mean square of the residuals; 1 for honest uncertainty."""


def calibrate(forecasts: Iterable[Forecast], *, level: float = LEVEL) -> list[Calibration]:
    """Return the calibration of each source, by name.

    References:
        Brier, Mon. Weather Rev. 78, 1 (1950), doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2;
        Naeini et al., AAAI 2015, doi:10.1609/aaai.v29i1.9602, for the expected calibration error.

    Example:
        >>> said = [Forecast(source="a", key=str(i), held=i > 1, probability=0.8) for i in range(10)]
        >>> [found] = calibrate(said)
        >>> round(found.brier, 3), round(found.ece, 3)
        (0.16, 0.0)
    """
    sources: dict[str, list[Forecast]] = {}
    for forecast in forecasts:
        sources.setdefault(forecast.source, []).append(forecast)
    return [_calibration(source, made, level) for source, made in sorted(sources.items())]


def _calibration(source: str, made: Sequence[Forecast], level: float) -> Calibration:
    stated = [(f.probability, f.held) for f in made if f.probability is not None]
    residuals = [f.statistic for f in made if f.statistic is not None]
    bound = two_sided(level)
    return Calibration(
        source=source,
        n=len(made),
        held=sum(f.held for f in made),
        brier=math.fsum((p - held) ** 2 for p, held in stated) / len(stated) if stated else None,
        ece=_expected_calibration_error(stated) if stated else None,
        coverage=sum(abs(z) <= bound for z in residuals) / len(residuals) if residuals else None,
        level=level,
        rms_z=math.sqrt(math.fsum(z * z for z in residuals) / len(residuals)) if residuals else None,
    )


def _expected_calibration_error(stated: Sequence[tuple[float, bool]]) -> float:
    bins: dict[int, list[tuple[float, bool]]] = {}
    for p, held in stated:
        bins.setdefault(min(BINS - 1, int(p * BINS)), []).append((p, held))
    return math.fsum(
        abs(math.fsum(p for p, _ in group) - sum(held for _, held in group)) for group in bins.values()
    ) / len(stated)
