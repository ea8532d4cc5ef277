"""analysis.matched_pairs: what one change does, over rows that are equal in everything else."""

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.analysis.eprocesses import Alternative, log_sign_process, log_t_process, t_interval
from novum.tools.analysis.sequential import decision, evidence, interval_told
from novum.tools.analysis.tables import ColumnName, Columns, read_table, told
from novum.tools.base import Properties, Usual, tool
from novum.tools.examples import Example
from novum.tools.files import Files

if TYPE_CHECKING:
    from novum.tools.analysis.eprocesses import Floats

LEAST_PAIRS = 2
MOST_LISTED = 200

_DRUG_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
_DRUG_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
_SLEEP = {
    "gain [h]": [*_DRUG_1, *_DRUG_2],
    "drug": ["1"] * 10 + ["2"] * 10,
    "patient": [str(n) for n in (*range(10), *range(10))],
}

EXAMPLES = (
    Example(
        arguments={
            "value": "gain",
            "change": "drug",
            "before": "1",
            "after": "2",
            "match": ["patient"],
            "columns": _SLEEP,
        },
        # t = 4.0621, n = 10: (1/11)^0.5 * ((1 + t²/9) / (1 + t²/99))^5
        expected={"pairs": 10, "t_statistic": 4.062128, "same_sign": 1.0, "e_value": 25.475138},
        atol=1e-5,
        source="Student 1908 (R's sleep, paired t = 4.0621); Bayes factor of doi:10.1198/000313005X55233",
    ),
    Example(
        arguments={
            "value": "gain",
            "change": "drug",
            "before": "1",
            "after": "2",
            "match": ["patient"],
            "test": "sign",
            "columns": _SLEEP,
        },
        expected={"e_value": 51.2, "same_sign": 1.0},  # nine of nine signs: 2^9 / 10
        atol=1e-6,
        source="by hand, on Student's sleep data (1908)",
    ),
)


class PairedEffect(Properties):
    """What one change does; the effect with its unit and intervals is among the details."""

    pairs: Annotated[int, Field(description="matched pairs", ge=LEAST_PAIRS)]
    same_sign: Annotated[
        float | None,
        Field(
            description="share of the pairs that differ whose change has the sign of the mean change",
            ge=0,
            le=1,
        ),
    ] = None
    t_statistic: Annotated[
        float | None,
        Usual(-5, 5),
        Field(description="mean change over its standard error; absent without a spread"),
    ] = None
    e_value: Annotated[
        float, Field(description="evidence against no effect after the last pair; 1 says nothing", ge=0)
    ]
    largest_e_value: Annotated[float, Field(description="the largest after any pair", ge=0)]
    p_value: Annotated[
        float, Field(description="1 / the largest e-value; valid whenever one stops", ge=0, le=1)
    ]
    decided_after: Annotated[
        int | None,
        Field(description="pairs after which 'no effect' was refused; absent where it was not", ge=1),
    ] = None


@tool(
    name="analysis.matched_pairs",
    version="1",
    method="matched pairs, e-process",
    nominal_cost_s=0.5,
    timeout_s=60,
    memory_mb=1024,
    profile="statistics",
    preload=("numpy", "scipy.special", "scipy.stats"),
    libraries=("numpy", "scipy"),
    examples=EXAMPLES,
)
def matched_pairs(
    value: ColumnName,
    change: ColumnName,
    before: str,
    after: str,
    match: Annotated[list[ColumnName], Field(min_length=1, max_length=32)],
    *,
    least: float = 0.0,
    test: Literal["mean", "sign"] = "mean",
    alternative: Alternative = "two-sided",
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.05,
    effect: Annotated[float, Field(ge=1e-3, le=1e3)] = 1.0,
    columns: Columns = {},  # noqa: B006 - read only
    files: Files = {},  # noqa: B006 - read only
    table: str = "",
) -> PairedEffect:
    """Find what one change does to a value, over pairs of rows that are equal in everything that was matched.

    A pair is complete with its later row, and counts in that order; replicates of one side are averaged
    first, so that a pair counts once. The e-value may be looked at after every pair without inflating
    errors, if the effect was conjectured before these pairs were seen: pairs in which it was found do not
    test it. What was not matched may cause the difference. 'mean' assumes that changes are normal, of any
    variance; 'sign' assumes nothing of their distribution, and tests their median.

    Args:
        value: the column of the measured property.
        change: the column that tells the two sides of a pair apart.
        before: what it holds before the change.
        after: what it holds after the change.
        match: columns in which the two rows of a pair are equal.
        least: the change under the null hypothesis, in the unit of the value.
        test: of the mean, or of the median by signs.
        alternative: which changes speak against the null hypothesis; one-sided for 'sign' only.
        level: largest probability of refusing a null hypothesis that is true, however often one looks.
        effect: size of effect that is looked for, in standard deviations of the changes, for 'mean'.
        columns: the table: name to values.
        files: CSV files instead.
        table: which of the files.

    References:
        doi:10.1214/23-STS894 (e-processes). doi:10.1214/24-AOS2394 (the mean, variance unknown).
    """
    import numpy as np
    from scipy import stats

    given = read_table(columns, files, table)
    if before == after:
        raise ToolFailedError(f"'before' and 'after' are both {before!r}: nothing changes")
    if test == "mean" and alternative != "two-sided":
        raise ToolFailedError("a one-sided test is one of signs: test='sign'; 'mean' tests two-sided")
    rows = given.complete([value], [change, *match])
    changes, unmatched, labels = _pair(rows.numbers[:, 0], rows.texts, before, after)
    if len(changes) < LEAST_PAIRS:
        raise ToolFailedError(
            f"{len(changes)} pairs are matched, and {LEAST_PAIRS} are needed; "
            f"{unmatched} groups of rows have one side only"
        )
    unit = _difference_unit(given.unit(value))
    n, mean, spread = len(changes), float(changes.mean()), float(changes.std(ddof=1))
    spread = 0.0 if (changes == changes[0]).all() else spread
    warnings = list(rows.warnings)
    if unmatched:
        warnings.append(f"{unmatched} groups of rows have one side only, and were left out")
    details: dict[str, Any] = {"alternative": alternative, "null": told(least, unit)}
    if test == "mean":
        if not spread:
            raise ToolFailedError(
                f"all {n} changes are equal; there is no spread to test a mean by: test='sign'"
            )
        log_e = log_t_process(changes, least, effect)
        details["confidence_sequence"] = interval_told(t_interval(changes, level, effect), unit, level)
    else:
        log_e = log_sign_process(np.sign(changes - least), alternative)
    half = float(stats.t.ppf(1 - level / 2, n - 1)) * spread / math.sqrt(n)
    error = spread / math.sqrt(n)
    details["mean_change"] = told(mean, unit, std=error or None)
    if spread:
        details["interval_for_a_planned_number_of_pairs"] = interval_told(
            (mean - half, mean + half), unit, level
        )
    details["median_change"] = told(float(np.median(changes)), unit)
    details["standard_deviation"] = told(spread, unit)
    details["ties"] = int((changes == 0).sum())
    moved = changes[changes != 0]
    found = evidence(log_e, level)
    details["decision"] = decision(found["decided_after"], level).replace("values", "pairs")
    details["pairs"] = [
        {"pair": label, "change": float(one)}
        for label, one in zip(labels[:MOST_LISTED], changes[:MOST_LISTED], strict=True)
    ]
    if n < 6:
        warnings.append(f"{n} pairs say little: an interval from them rests on the assumed distribution")
    return PairedEffect(
        pairs=n,
        same_sign=float((np.sign(moved) == np.sign(mean)).mean()) if len(moved) else None,
        t_statistic=(mean - least) / error if error else None,
        details=details,
        warnings=tuple(warnings),
        **found,
    )


def _pair(
    values: "Floats", texts: tuple[tuple[str, ...], ...], before: str, after: str
) -> tuple["Floats", int, list[str]]:
    """Return the change of each pair in the order of completion, how many groups lack a side, and names."""
    import numpy as np

    sides, *keys = texts
    missing = [side for side in (before, after) if side not in sides]
    if missing:
        known = ", ".join(sorted(set(sides))[:10])
        raise ToolFailedError(f"no row has {missing[0]!r} in the column of the change; there are {known}")
    groups: dict[tuple[str, ...], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    complete: dict[tuple[str, ...], None] = {}
    for one, side, *key in zip(values, sides, *keys, strict=True):
        if side in (before, after):
            group = groups[tuple(key)]
            group[side].append(float(one))
            if len(group) == 2:
                complete.setdefault(tuple(key))
    changes = [
        math.fsum(groups[k][after]) / len(groups[k][after])
        - math.fsum(groups[k][before]) / len(groups[k][before])
        for k in complete
    ]
    return np.array(changes), len(groups) - len(complete), [", ".join(key) for key in complete]


def _difference_unit(unit: str) -> str:
    """Return the unit of a difference; that of a temperature has no zero point."""
    return f"Δ{unit}" if unit in ("°C", "°F") else unit
