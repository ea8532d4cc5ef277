"""Tests that may be looked at at any time: they keep their level, and cover at all times at once."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from novum.core.errors import ToolFailedError
from novum.tools.analysis.eprocesses import (
    bounded_interval,
    log_capital,
    log_normal_process,
    log_sign_process,
    log_t_process,
    normal_interval,
    t_interval,
)
from novum.tools.analysis.pairs import matched_pairs
from novum.tools.analysis.sequential import sequential_test

RUNS, LENGTH, LEVEL = 400, 300, 0.05
# Two standard errors above the level: what a test that keeps it exactly would exceed once in forty.
MOST = LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / RUNS)

PROCESSES = {
    "normal": (lambda x: log_t_process(x, 0.0, 1.0), lambda r: r.normal(0, 7, LENGTH)),
    "normal, far from zero": (lambda x: log_t_process(x, 1e6, 1.0), lambda r: r.normal(1e6, 7, LENGTH)),
    "sub-Gaussian": (
        lambda x: log_normal_process(x, 0.0, 1.0, 1.0, "two-sided"),
        lambda r: r.choice([-1.0, 1.0], LENGTH),
    ),
    "sub-Gaussian, one side, null inside": (
        lambda x: log_normal_process(x, 0.0, 1.0, 0.3, "greater"),
        lambda r: r.normal(-0.02, 1, LENGTH),
    ),
    "bounded, skewed": (
        lambda x: log_capital(x, 0.1, LEVEL, "two-sided"),
        lambda r: r.beta(0.2, 1.8, LENGTH),
    ),
    "bounded, one side": (
        lambda x: log_capital(x, 0.5, LEVEL, "less"),
        lambda r: (r.random(LENGTH) < 0.5).astype(float),
    ),
    "signs": (
        lambda x: log_sign_process(np.sign(x), "two-sided"),
        lambda r: r.standard_cauchy(LENGTH),
    ),
    "signs, one side": (
        lambda x: log_sign_process(np.sign(x), "greater"),
        lambda r: r.standard_cauchy(LENGTH),
    ),
}


@pytest.mark.parametrize("name", PROCESSES)
def test_looking_after_every_value_keeps_the_level(name):
    process, draw = PROCESSES[name]
    rng = np.random.default_rng(20)
    refused = sum(process(draw(rng)).max() >= -math.log(LEVEL) for _ in range(RUNS))
    assert refused / RUNS <= MOST


def test_looking_at_a_t_test_after_every_value_does_not():
    rng, refused = np.random.default_rng(20), 0
    for _ in range(100):
        x = rng.normal(0, 1, 200)
        refused += any(stats.ttest_1samp(x[:n], 0).pvalue < LEVEL for n in range(5, 200, 5))
    assert refused / 100 > 3 * LEVEL


@pytest.mark.parametrize("name", ["normal", "sub-Gaussian", "bounded", "signs"])
def test_an_effect_is_found(name):
    rng = np.random.default_rng(3)
    x = rng.normal(0.6, 1, 200)
    log_e = {
        "normal": lambda: log_t_process(x, 0, 1),
        "sub-Gaussian": lambda: log_normal_process(x, 0, 1, 1, "greater"),
        "bounded": lambda: log_capital((rng.random(200) < 0.75).astype(float), 0.5, LEVEL, "two-sided"),
        "signs": lambda: log_sign_process(np.sign(x), "two-sided"),
    }[name]()
    assert log_e[-1] > math.log(100)


def test_the_confidence_sequence_covers_at_all_times_at_once():
    rng, missed = np.random.default_rng(8), 0
    for _ in range(150):
        x = rng.normal(3, 2, 100)
        missed += any(
            not low <= 3 <= high for low, high in (t_interval(x[:n], 0.1, 1) for n in range(2, 101))
        )
    assert missed / 150 <= 0.1 + 2 * math.sqrt(0.1 * 0.9 / 150)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_the_interval_ends_where_the_e_value_reaches_one_over_the_level(alternative):
    x = np.random.default_rng(1).normal(0.4, 1, 50)
    ends = [
        (
            normal_interval(x, 0.05, 1.0, 0.7, alternative),
            lambda m: log_normal_process(x, m, 1.0, 0.7, alternative),
        )
    ]
    if alternative == "two-sided":
        ends.append((t_interval(x, 0.05, 0.7), lambda m: log_t_process(x, m, 0.7)))
    for interval, process in ends:
        for end in filter(math.isfinite, interval):
            assert process(end)[-1] == pytest.approx(math.log(20), rel=1e-6)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_the_interval_of_bounded_values_holds_every_mean_that_is_not_refused(alternative):
    x = np.random.default_rng(1).beta(2, 5, 80)
    low, high = bounded_interval(x, 0.05, alternative)
    grid = np.linspace(0.01, 0.99, 197)
    kept = grid[log_capital(x, grid, 0.05, alternative)[-1] < math.log(20)]
    assert low <= kept.min()
    assert kept.max() <= high
    assert high - low < 1 or alternative != "two-sided"


def test_the_t_process_is_the_bayes_factor_that_quadrature_gives():
    x = np.random.default_rng(4).normal(0.5, 1.3, 12)
    t, n = stats.ttest_1samp(x, 0).statistic, len(x)
    above, _ = integrate.quad(
        lambda d: stats.nct.pdf(t, n - 1, d * math.sqrt(n)) * stats.norm.pdf(d), -6, 6, epsabs=1e-12
    )
    assert log_t_process(x, 0, 1)[-1] == pytest.approx(math.log(above / stats.t.pdf(t, n - 1)), rel=1e-5)


def test_the_sign_process_is_the_mixture_that_quadrature_gives():
    ups, downs = 9, 3
    signs = np.array([1.0] * ups + [-1.0] * downs + [0.0])
    both, _ = integrate.quad(lambda p: (2 * p) ** ups * (2 * (1 - p)) ** downs, 0, 1)
    upper, _ = integrate.quad(lambda p: 2 * (2 * p) ** ups * (2 * (1 - p)) ** downs, 0.5, 1)
    assert log_sign_process(signs, "two-sided")[-1] == pytest.approx(math.log(both))
    assert log_sign_process(signs, "greater")[-1] == pytest.approx(math.log(upper))


def test_the_unit_goes_along_and_its_change_changes_no_evidence():
    x = [1.0, 2.5, 2.0, 3.5, 1.5]
    one = sequential_test("t [s]", columns={"t [s]": x})
    other = sequential_test("t [ms]", columns={"t [ms]": [1000 * v for v in x]})
    assert one.e_value == pytest.approx(other.e_value)
    assert one.details["mean"]["unit"] == "s"
    assert other.details["confidence_sequence"]["high"] == pytest.approx(
        1000 * one.details["confidence_sequence"]["high"]
    )


def test_what_cannot_be_tested_is_refused_in_words():
    for arguments, said in (
        ({"columns": {"x": [1.0]}}, "two values"),
        ({"columns": {"x": [2.0, 2.0, 2.0]}}, "equal"),
        ({"columns": {"x": [0.5, 1.5]}, "method": "bounded", "null": 0.5}, "lie between"),
        ({"columns": {"x": [0.5, 0.6]}, "method": "bounded", "null": 0.0}, "null hypothesis"),
        ({"columns": {"x": [0.5, 0.6]}, "method": "sub_gaussian"}, "sigma"),
        ({"columns": {"x": [0.5, 0.6]}, "alternative": "less"}, "two-sided"),
        ({"columns": {"x": ["a", 0.6]}}, "no number"),
        ({"columns": {"y": [0.5, 0.6]}}, "no column"),
        ({"columns": {"x": [None, None]}}, "no row"),
        ({"columns": {}}, "no table"),
    ):
        with pytest.raises(ToolFailedError, match=said):
            sequential_test("x", **arguments)


def test_a_null_that_holds_is_not_refused_and_not_proved():
    found = sequential_test("x", columns={"x": [1.0, -1.0, 0.5, -0.5, 0.1, -0.1]})
    assert found.decided_after is None
    assert "cannot decide" in found.details["decision"]


PAIRS = {
    "gap [eV]": [4.0, 4.3, 3.0, 3.2, 5.0, 5.4, 2.0, 3.6],
    "group": ["H", "F", "H", "F", "H", "F", "H", "Cl"],
    "core": ["a", "a", "b", "b", "c", "c", "d", "d"],
}


def test_pairs_are_rows_that_are_equal_in_what_was_matched():
    found = matched_pairs("gap", "group", "H", "F", ["core"], columns=PAIRS)
    assert found.pairs == 3
    assert found.details["mean_change"]["value"] == pytest.approx(0.3)
    assert found.details["mean_change"]["unit"] == "eV"
    assert found.same_sign == 1
    assert found.t_statistic == pytest.approx(stats.ttest_rel([4.3, 3.2, 5.4], [4, 3, 5]).statistic)
    assert any("one side only" in said for said in found.warnings)  # d has no F


def test_replicates_are_averaged_and_count_once():
    columns = {key: [*values, values[1]] for key, values in PAIRS.items()}
    found = matched_pairs("gap", "group", "H", "F", ["core"], columns=columns)
    assert found.pairs == 3


def test_pairs_that_say_nothing_are_refused():
    for arguments, said in (
        (("gap", "group", "H", "Br", ["core"]), "no row has 'Br'"),
        (("gap", "group", "H", "H", ["core"]), "nothing changes"),
        (("gap", "group", "H", "Cl", ["core"]), "1 pairs"),
    ):
        with pytest.raises(ToolFailedError, match=said):
            matched_pairs(*arguments, columns=PAIRS)
    equal = {"y": [1.0, 2.0, 3.0, 4.0], "x": ["0", "1", "0", "1"], "g": ["a", "a", "b", "b"]}
    with pytest.raises(ToolFailedError, match="no spread"):
        matched_pairs("y", "x", "0", "1", ["g"], columns=equal)
    assert matched_pairs("y", "x", "0", "1", ["g"], columns=equal, test="sign").e_value == pytest.approx(
        4 / 3
    )


def test_a_difference_of_temperatures_has_no_zero_point():
    columns = {"t [degC]": [20.0, 25.0, 30.0, 36.0], "x": ["0", "1", "0", "1"], "g": ["a", "a", "b", "b"]}
    assert matched_pairs("t", "x", "0", "1", ["g"], columns=columns).details["mean_change"]["unit"] == "Δ°C"


def test_a_table_is_read_from_a_file_of_the_call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/observations.csv").write_text("x [s],failed\n1,no\n,yes\n2,no\n4,no\n")
    found = sequential_test("x", files={"observations.csv": "0" * 64})
    assert found.rows == 3
    assert "1 of 4 rows" in found.warnings[0]
    (tmp_path / "in/observations.csv").write_text("x,x\n1,2\n")
    with pytest.raises(ToolFailedError, match="share a name"):
        sequential_test("x", files={"observations.csv": "0" * 64})
