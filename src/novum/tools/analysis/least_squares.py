"""The parameters of a curve that fit points best, from several starts, with their covariance."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from novum.core.errors import ToolFailedError
from novum.tools.analysis.curves import Curve, Parameter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DEPENDENT = 1e-9
"""Ratio of singular values below which the points do not tell parameters apart."""

FAR_OFF = 1e100
"""What a misfit is taken for that is no number."""

TOLERANCES: Mapping[str, Any] = {"ftol": 1e-14, "xtol": 1e-14, "gtol": 1e-14, "max_nfev": 2000}


@dataclass(frozen=True, slots=True)
class Fit:
    """Parameters that fit best, and what the points leave open."""

    values: "Floats"
    """Of the free parameters."""
    residuals: "Floats"
    """y minus curve, in the unit of y."""
    cost: float
    """Sum of squares, each over its variance where it is known."""
    covariance: "Floats"
    """For errors of the size that the weights say."""

    @classmethod
    def best(
        cls,
        shape: Curve,
        xs: "Floats",
        ys: "Floats",
        errors: "Floats | None",
        *,
        free: list[Parameter],
        fixed: Mapping[str, float],
        bounds: Mapping[str, tuple[float, float]],
    ) -> "Fit":
        """Return the fit that ends best, of those from each start.

        Raises:
            ToolFailedError: none ends, or the points do not tell the parameters apart.
        """
        import numpy as np
        from scipy.optimize import least_squares

        weights = 1.0 if errors is None else 1 / errors
        size = float(abs(ys).max()) or 1.0
        names = [p.name for p in free]
        limits = np.array([limits_of(p, bounds) for p in free]).T

        def curve(theta: "Floats") -> "Floats":
            given = dict(fixed) | dict(zip(names, theta, strict=True))
            return np.asarray(shape.function(xs, *(given[p.name] for p in shape.parameters)), dtype=float)

        def misfit(scaled: "Floats", scale: "Floats") -> "Floats":
            with np.errstate(all="ignore"):
                off = (curve(scaled * scale) - ys) / size * weights
            return np.nan_to_num(off, nan=FAR_OFF, posinf=FAR_OFF, neginf=-FAR_OFF).clip(-FAR_OFF, FAR_OFF)

        def descend(start: "Floats") -> Any:
            """Search from a start in units of itself, so that steps suit parameters of any size."""
            scale = np.maximum(abs(start), 1e-3 * natural)
            if abs(misfit(start / scale, scale)).max() >= FAR_OFF:
                return None
            with np.errstate(all="ignore"):
                end = least_squares(
                    misfit,
                    start / scale,
                    jac="3-point",
                    bounds=tuple(limits / scale),
                    x_scale="jac",
                    **TOLERANCES,
                    args=(scale,),
                )
            end.x, end.jac = end.x * scale, end.jac / scale
            return end if end.status > 0 else None

        natural = np.array([_natural_size(p, xs, ys) for p in free])
        ends = []
        for guess in shape.starts(xs, ys):
            named = dict(zip((p.name for p in shape.parameters), guess, strict=True))
            end = descend(_inside(np.array([named[name] for name in names]), limits))
            if end is not None:
                ends.append(end)
        if not ends:
            raise ToolFailedError("no fit came to an end; another curve, or bounds, may help")
        end = min(ends, key=lambda one: float(one.cost))
        # once more, for derivatives by steps that suit the parameters found
        again = descend(end.x)
        end = again if again is not None and again.cost <= end.cost * (1 + 1e-9) else end
        jacobian = end.jac * size
        norms = np.linalg.norm(jacobian, axis=0)
        flat = [name for name, norm in zip(names, norms, strict=True) if not norm]
        if flat:
            raise ToolFailedError(
                f"the points say nothing of {', '.join(flat)}: the fitted curve does not depend on it"
            )
        _, singular, turned = np.linalg.svd(jacobian / norms, full_matrices=False)
        if singular[-1] < DEPENDENT * singular[0]:
            bound = [name for name, part in zip(names, turned[-1], strict=True) if abs(part) > 0.1]
            raise ToolFailedError(
                f"the points do not tell {' and '.join(bound)} apart; fix one of them by 'fixed'"
            )
        inverse = (turned.T / singular**2) @ turned / np.outer(norms, norms)
        return cls(
            values=np.asarray(end.x, dtype=float),
            residuals=ys - curve(end.x),
            cost=float(2 * end.cost) * size**2,
            covariance=np.asarray(inverse, dtype=float),
        )


def _natural_size(parameter: Parameter, xs: "Floats", ys: "Floats") -> float:
    """Return a size that a parameter of its unit may have."""
    sizes = {"{x}": float(abs(xs).max()), "{y}": float(abs(ys).max())}
    return sizes.get(parameter.unit, 1e-300) or 1.0


def limits_of(parameter: Parameter, bounds: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    """Return the lowest and the highest value of a parameter, infinite where there is none."""
    low, high = bounds.get(parameter.name, (-math.inf, math.inf))
    return (max(low, 0.0) if parameter.positive else low), high


def _inside(start: "Floats", limits: "Floats") -> "Floats":
    """Return a start that lies strictly within limits."""
    import numpy as np

    low, high = limits
    width = np.where(np.isfinite(high - low), high - low, np.maximum(abs(start), 1e-12))
    least = np.where(np.isfinite(low), low + 1e-3 * width, low)
    most = np.where(np.isfinite(high), high - 1e-3 * width, high)
    return np.asarray(np.clip(start, least, most), dtype=float)
