"""Settings as a source of proposals: low-discrepancy starts, local changes, exact constraints."""

import itertools
import random
from collections.abc import Iterator, Sequence, Set
from math import floor, log, log10, prod

import numpy as np

from novum.agents.optimizer.features import Array, Features
from novum.agents.optimizer.generators.base import Proposal, rank
from novum.agents.optimizer.kernels import ArdKernel, Kernel
from novum.core.digest import canonical_json, digest
from novum.core.errors import GoalError
from novum.core.quantity import DIMENSIONLESS
from novum.core.spaces import Candidate, ChoiceParameter, IntegerParameter, Parameter, ParameterSpace

LISTED = 4096
"""Spaces of whole numbers and choices up to this size are listed completely."""
SOBOL = 12
"""log2 of the number of points in the start set of other spaces."""
DIGITS = 5
"""Digits that a real setting keeps, relative to its range: nobody sets a knob finer."""
STEPS = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Widths of local changes, as shares of a parameter's range."""

Setting = tuple[float | int | str, ...]


class ParameterGenerator:
    """Settings within their ranges; linear constraints hold exactly, after rounding too."""

    cap = 0.9999
    survivors = 160

    def __init__(self, space: ParameterSpace) -> None:
        self.kernel: Kernel = ArdKernel()
        self._parameters = space.parameters
        self._constraints = space.constraints
        sizes = [_levels(p) for p in space.parameters]
        self.finite = all(s is not None for s in sizes) and prod(s or 1 for s in sizes) <= LISTED
        self._inside = _inside_point(space) if space.constraints else {}

    def start(self, rng: random.Random, exclude: Set[str]) -> Iterator[Proposal]:
        """Yield the whole space where it is small, else scrambled Sobol points."""
        settings = self._listed(rng) if self.finite else self._sobol(rng)
        seen = set(exclude)
        for setting in settings:
            key = self._key(setting)
            if key not in seen and self._keeps(setting):
                seen.add(key)
                yield Proposal(key, setting)

    def parents(self) -> list[Proposal]:
        """Return nothing: every parent is a candidate too."""
        return []

    def offspring(
        self, parents: Sequence[Proposal], rng: random.Random, n: int, exclude: Set[str]
    ) -> list[Proposal]:
        """Return settings near, and between, good parents."""
        if self.finite or not parents:
            return []
        seen = set(exclude)
        made: list[Proposal] = []
        for _ in range(3 * n):
            if len(made) == n:
                break
            first = parents[rank(rng, len(parents))]
            second = parents[rank(rng, len(parents))]
            setting = self._repaired(self._changed(first.point, second.point, rng))
            key = "" if setting is None else self._key(setting)
            if setting is not None and key not in seen:
                seen.add(key)
                made.append(Proposal(key, setting, f"change of {self._label(first.point)}"))
        return made

    def admits(self, proposal: Proposal) -> bool:  # noqa: ARG002
        """Say yes: every check is cheap and was made."""
        return True

    def why_not(self, proposal: Proposal) -> str:
        """Return in words the constraints that a setting breaks; empty where it breaks none."""
        values = dict(zip((p.name for p in self._parameters), proposal.point, strict=True))
        broken = []
        for c in self._constraints:
            total = sum(a * float(values[name]) for name, a in c.coefficients.items())
            if total > c.bound:
                terms = " + ".join(f"{a:g}·{name}" for name, a in c.coefficients.items())
                broken.append(f"{terms} is {total:g}, above {c.bound:g}")
        return "; ".join(broken)

    def rounded(self, proposal: Proposal) -> Proposal:
        """Return a setting from elsewhere with as many digits as a setting of ours has."""
        setting = tuple(
            v if isinstance(p, ChoiceParameter) else _rounded(p, float(v))
            for p, v in zip(self._parameters, proposal.point, strict=True)
        )
        return Proposal(self._key(setting), setting, proposal.origin)

    def candidate(self, proposal: Proposal) -> Candidate | None:
        """Return the candidate; its id is the digest of its setting."""
        arguments = dict(zip((p.name for p in self._parameters), proposal.point, strict=True))
        return Candidate(id=digest(arguments)[:24], label=self._label(proposal.point), arguments=arguments)

    def locate(self, candidate: Candidate) -> Proposal | None:
        """Return the setting of a candidate; None where a parameter is missing or unknown."""
        setting: list[float | int | str] = []
        for p in self._parameters:
            value = candidate.arguments.get(p.name)
            if isinstance(p, ChoiceParameter):
                if value not in p.options:
                    return None
                setting.append(str(value))
            elif isinstance(value, int | float) and p.low <= value <= p.high:
                setting.append(int(value) if isinstance(p, IntegerParameter) else float(value))
            else:
                return None
        return Proposal(self._key(tuple(setting)), tuple(setting))

    def encode(self, proposals: Sequence[Proposal]) -> Features:
        """Return numbers scaled to 0…1 (logarithmically where asked) and category numbers."""
        numeric: list[Array] = []
        codes: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
        for j, p in enumerate(self._parameters):
            column = [proposal.point[j] for proposal in proposals]
            if isinstance(p, ChoiceParameter):
                codes.append(np.array([p.options.index(v) for v in column], dtype=np.int64))
            else:
                numeric.append(np.array([_share(p, v) for v in column]))
        n = len(proposals)
        return Features(
            np.stack(numeric, axis=1) if numeric else np.zeros((n, 0)),
            np.stack(codes, axis=1) if codes else np.zeros((n, 0), dtype=np.int64),
        )

    def _listed(self, rng: random.Random) -> list[Setting]:
        axes = [
            p.options if isinstance(p, ChoiceParameter) else range(int(p.low), int(p.high) + 1)
            for p in self._parameters
        ]
        settings: list[Setting] = list(itertools.product(*axes))
        rng.shuffle(settings)
        return settings

    def _sobol(self, rng: random.Random) -> Iterator[Setting]:
        from scipy.stats import qmc

        sampler = qmc.Sobol(len(self._parameters), rng=np.random.default_rng(rng.getrandbits(64)))
        for point in sampler.random_base2(SOBOL):
            setting = tuple(_at(p, float(u)) for p, u in zip(self._parameters, point, strict=True))
            if self._keeps(setting):
                yield setting
                continue
            pulled = self._repaired(setting, inward=rng.random())
            if pulled is not None:
                yield pulled

    def _changed(self, first: Setting, second: Setting, rng: random.Random) -> Setting:
        n = len(self._parameters)
        move = {j for j in range(n) if rng.random() < max(0.3, 1.5 / n)} or {rng.randrange(n)}
        mix = rng.random() < 0.25
        width = rng.choice(STEPS)
        new = list(first)
        for j, p in enumerate(self._parameters):
            if mix and rng.random() < 0.5:
                new[j] = second[j]
            elif j not in move:
                continue
            elif isinstance(p, ChoiceParameter):
                new[j] = rng.choice(p.options)
            else:
                new[j] = _at(p, _share(p, first[j]) + rng.gauss(0.0, width))
                if isinstance(p, IntegerParameter) and new[j] == first[j]:
                    new[j] = min(p.high, max(p.low, int(first[j]) + rng.choice((-1, 1))))
        return tuple(new)

    def _keeps(self, setting: Setting) -> bool:
        values = dict(zip((p.name for p in self._parameters), setting, strict=True))
        return all(
            sum(a * float(values[name]) for name, a in c.coefficients.items()) <= c.bound
            for c in self._constraints
        )

    def _repaired(self, setting: Setting, inward: float = 1.0) -> Setting | None:
        """Return the setting, pulled on a straight line towards the inside until it keeps all.

        `inward` < 1 goes further in than needed, by that share of the line. None where rounding
        breaks a constraint again.
        """
        if self._keeps(setting):
            return setting
        values = dict(zip((p.name for p in self._parameters), setting, strict=True))
        reach = 1.0
        for c in self._constraints:
            there = sum(a * float(values[name]) for name, a in c.coefficients.items())
            here = sum(a * self._inside[name] for name, a in c.coefficients.items())
            if there > c.bound:
                reach = min(reach, (c.bound - here) / (there - here))
        reach *= inward * (1 - 1e-9)
        pulled = tuple(
            v
            if isinstance(p, ChoiceParameter)
            else _rounded(p, self._inside[p.name] + reach * (float(v) - self._inside[p.name]))
            for p, v in zip(self._parameters, setting, strict=True)
        )
        return pulled if self._keeps(pulled) else None

    def _key(self, setting: Setting) -> str:
        return canonical_json(list(setting))

    def _label(self, setting: Setting) -> str:
        parts = []
        for p, value in zip(self._parameters, setting, strict=True):
            unit = "" if isinstance(p, ChoiceParameter) or p.unit == DIMENSIONLESS else f" {p.unit}"
            text = value if isinstance(value, str) else f"{value:.6g}"
            parts.append(f"{p.name}={text}{unit}")
        return ", ".join(parts)


def _levels(p: Parameter) -> int | None:
    if isinstance(p, ChoiceParameter):
        return len(p.options)
    return p.high - p.low + 1 if isinstance(p, IntegerParameter) else None


def _at(p: Parameter, share: float) -> float | int | str:
    """Return the value at a share of the range, 0 to 1, cut at the ends."""
    share = min(1.0, max(0.0, share))
    if isinstance(p, ChoiceParameter):
        return p.options[min(len(p.options) - 1, int(share * len(p.options)))]
    if isinstance(p, IntegerParameter):
        return min(p.high, p.low + int(share * (p.high - p.low + 1)))
    if p.log:
        return _rounded(p, p.low * (p.high / p.low) ** share)
    return _rounded(p, p.low + share * (p.high - p.low))


def _share(p: Parameter, value: float | int | str) -> float:
    assert not isinstance(p, ChoiceParameter)
    x = float(value)
    if isinstance(p, IntegerParameter):
        return (x - p.low + 0.5) / (p.high - p.low + 1)
    if p.log:
        return log(x / p.low) / log(p.high / p.low)
    return (x - p.low) / (p.high - p.low)


def _rounded(p: Parameter, value: float) -> float | int:
    assert not isinstance(p, ChoiceParameter)
    if isinstance(p, IntegerParameter):
        return min(p.high, max(p.low, round(value)))
    size = abs(value) if p.log else p.high - p.low
    digits = DIGITS - 1 - floor(log10(size)) if size > 0 else DIGITS
    return min(p.high, max(p.low, round(value, digits)))


def _inside_point(space: ParameterSpace) -> dict[str, float]:
    """Return the point of the constrained region that is farthest from its walls (Chebyshev centre).

    Raises:
        GoalError: no setting keeps the constraints.
    """
    from scipy.optimize import linprog

    numeric = [p for p in space.parameters if not isinstance(p, ChoiceParameter)]
    spans = np.array([float(p.high - p.low) for p in numeric])
    lows = np.array([float(p.low) for p in numeric])
    a = np.array([[c.coefficients.get(p.name, 0.0) for p in numeric] for c in space.constraints]) * spans
    b = np.array([c.bound for c in space.constraints]) - (a / spans) @ lows
    walls = np.vstack([a, np.eye(len(numeric)), -np.eye(len(numeric))])
    limits = np.concatenate([b, np.ones(len(numeric)), np.zeros(len(numeric))])
    lengths = np.linalg.norm(walls, axis=1, keepdims=True)
    found = linprog(
        np.append(np.zeros(len(numeric)), -1.0),
        A_ub=np.hstack([walls, lengths]),
        b_ub=limits,
        bounds=[(0, 1)] * len(numeric) + [(0, None)],
    )
    if not found.success:
        raise GoalError("no setting of the parameters keeps every constraint; widen a bound")
    centre = lows + found.x[:-1] * spans
    return {p.name: float(v) for p, v in zip(numeric, centre, strict=True)}
