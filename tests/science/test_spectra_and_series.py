"""Spectra and series: analytic and published values, and no more found in noise than is stated."""

import math

import numpy as np
import pytest
from scipy import signal, stats

from novum.core.errors import ToolFailedError
from novum.tools.analysis.changes import change_points, events, long_run_variance, sta_lta, strongest_tone
from novum.tools.analysis.patches import patches_of, stride_for, tokens_for
from novum.tools.analysis.series import EXAMPLES, time_series
from novum.tools.analysis.spectra import arpls, spectrum

AXIS = np.linspace(400, 1800, 1401)


def bell(centre, sigma, height):
    return height * np.exp(-0.5 * ((AXIS - centre) / sigma) ** 2)


def columns(y):
    return {"shift [1/cm]": AXIS.tolist(), "I [counts]": np.asarray(y).tolist()}


@pytest.mark.parametrize("baseline", ["arpls", "none"])
def test_peaks_have_the_position_width_and_area_that_made_them(baseline):
    noise = np.random.default_rng(1).normal(0, 1, len(AXIS))
    ground = 300 * np.exp(-AXIS / 900) + 0.02 * AXIS if baseline == "arpls" else 0.0
    found = spectrum(
        "shift",
        "I",
        baseline=baseline,
        least_signal_to_noise=20,
        columns=columns(bell(700.3, 6, 100) + bell(1300.7, 10, 60) + noise + ground),
    )
    assert found.peaks == 2
    for peak, (centre, sigma, height) in zip(
        found.details["peaks"], [(700.3, 6, 100), (1300.7, 10, 60)], strict=True
    ):
        assert peak["position"]["unit"] == "1/cm"
        assert abs(peak["position"]["value"] - centre) < 4 * peak["position"]["std"] + 0.3
        assert peak["height"]["value"] == pytest.approx(height, abs=5)
        width = 2 * math.sqrt(2 * math.log(2)) * sigma
        assert peak["full_width_at_half_prominence"]["value"] == pytest.approx(width, rel=0.08)
        assert peak["area"]["value"] == pytest.approx(height * sigma * math.sqrt(2 * math.pi), rel=0.08)
    assert found.details["noise"]["value"] == pytest.approx(1, rel=0.1)


def test_the_stated_uncertainty_of_a_position_is_its_spread():
    rng, off = np.random.default_rng(3), []
    for _ in range(60):
        y = bell(1000, 4, 100) + rng.normal(0, 1, len(AXIS))
        peak = spectrum("shift", "I", baseline="none", least_signal_to_noise=30, columns=columns(y))
        (one,) = peak.details["peaks"]
        off.append((one["position"]["value"] - 1000) / one["position"]["std"])
    assert 0.6 < np.std(off) < 1.4


def test_noise_alone_has_about_as_many_peaks_as_stated():
    found = [
        spectrum(
            "shift", "I", baseline="none", columns=columns(np.random.default_rng(i).normal(0, 1, len(AXIS)))
        )
        for i in range(30)
    ]
    assert sum(one.peaks for one in found) <= 12  # of 42,000 points; four are stated
    assert any("no peak" in said for one in found for said in one.warnings)


def test_peaks_that_point_down_are_found_and_the_order_of_rows_changes_nothing():
    y = 100 - bell(900, 8, 40) + np.random.default_rng(2).normal(0, 0.3, len(AXIS))
    down = spectrum("shift", "I", peaks="down", least_signal_to_noise=30, columns=columns(y))
    turned = {name: values[::-1] for name, values in columns(y).items()}
    assert down.peaks == 1
    assert (
        down.details == spectrum("shift", "I", peaks="down", least_signal_to_noise=30, columns=turned).details
    )


def test_the_baseline_solves_its_equations():
    y = bell(1000, 10, 50) + 0.01 * AXIS + np.random.default_rng(5).normal(0, 0.2, len(AXIS))
    ground = arpls(y, len(AXIS))
    assert abs(ground - 0.01 * AXIS).max() < 0.3
    assert arpls(3 * y + 7, len(AXIS)) == pytest.approx(3 * ground + 7, abs=1e-6)


def test_spectra_that_say_nothing_are_refused_in_words():
    x = [float(i) for i in range(20)]
    for given, said in (
        ({"x": x[:5], "y": x[:5]}, "too few"),
        ({"x": x, "y": [1.0] * 20}, "no spectrum"),
        ({"x": [1.0, *x[1:]], "y": x}, "come twice"),
        ({"x": x}, "no column"),
    ):
        with pytest.raises(ToolFailedError, match=said):
            spectrum("x", "y", columns=given)


def test_an_unevenly_sampled_axis_is_told_and_arbitrary_units_are_none():
    x = np.array([*range(10), *range(10, 40, 3)], dtype=float)
    found = spectrum("x", "y", columns={"x": x.tolist(), "y [a.u.]": np.exp(-((x - 5) ** 2)).tolist()})
    assert any("uneven" in said for said in found.warnings)
    assert found.details["peaks"][0]["height"]["unit"] == "1"


# --- series


def test_the_change_of_the_nile_is_where_it_was_published():
    found = time_series(**EXAMPLES[0].arguments)
    (change,) = found.details["change_points"]
    assert 1871 + change["sample"] - 1 == 1898  # the last year of the old level
    assert change["change"]["value"] == pytest.approx(849.972 - 1097.750, abs=0.01)
    assert change["p_value"] < 1e-4


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_a_level_that_does_not_change_is_seldom_cut(rho):
    rng, cut = np.random.default_rng(9), 0
    for _ in range(200):
        x = signal.lfilter([1], [1, -rho], rng.normal(size=300))
        cut += bool(change_points(x, 0.05))
    assert cut / 200 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 200) + 0.04 * (rho > 0)


def test_several_changes_are_found_in_order():
    x = np.concatenate([np.zeros(80), np.full(60, 3.0), np.full(90, -1.0)]) + np.random.default_rng(4).normal(
        0, 1, 230
    )
    found = change_points(x, 0.01)
    assert [abs(change.at - at) <= 3 for change, at in zip(found, (80, 140), strict=True)] == [True, True]
    assert found[0].size == pytest.approx(3, abs=4 * found[0].error)


def test_the_long_run_variance_is_that_of_the_process():
    rho, n = 0.6, 20000
    x = signal.lfilter([1], [1, -rho], np.random.default_rng(2).normal(size=n))
    assert long_run_variance(x - x.mean()) == pytest.approx(1 / (1 - rho) ** 2, rel=0.15)


def test_the_ratio_of_means_of_squares_is_the_plain_loop():
    x = np.random.default_rng(0).normal(size=120)
    expected = np.zeros(120)
    for i in range(39, 120):
        expected[i] = np.mean(x[i - 4 : i + 1] ** 2) / np.mean(x[i - 39 : i + 1] ** 2)
    assert sta_lta(x, 5, 40) == pytest.approx(expected)


def test_an_onset_is_picked_where_it_sets_in():
    rng = np.random.default_rng(7)
    x = rng.normal(0, 1, 2000)
    x[1200:1300] += 12 * np.sin(np.arange(100))
    found = time_series(
        "v", sampling_rate=100, short_window=0.2, long_window=4, columns={"v [mV]": x.tolist()}
    )
    (event,) = found.details["events"]
    assert event["t"]["value"] == pytest.approx(12.0, abs=0.1)
    assert event["score"] > 4
    assert events(np.array([0, 5, 5, 1, 6.0]), 4, 2)[-1].end == 5  # still on at the end


def test_a_tone_is_found_with_its_uncertainty():
    rng, off = np.random.default_rng(5), []
    t = np.arange(400)
    for _ in range(60):
        found = strongest_tone(0.8 * np.sin(2 * math.pi * 0.1237 * t + 1) + rng.normal(0, 1, 400) + 0.001 * t)
        assert found.p_value < 0.01
        off.append((found.frequency - 0.1237) / found.error)
    assert 0.6 < np.std(off) < 1.4


def test_white_noise_has_a_tone_no_more_often_than_stated():
    rng = np.random.default_rng(6)
    said = np.mean([strongest_tone(rng.normal(size=101)).p_value < 0.1 for _ in range(400)])
    assert said <= 0.1 + 2 * math.sqrt(0.1 * 0.9 / 400)
    assert said > 0.04  # and is no idle bound


def test_the_bound_of_fishers_test_is_its_first_term():
    x = np.random.default_rng(1).normal(size=41)
    power = signal.periodogram(x, detrend="linear")[1][1:]
    m, g = len(power), power.max() / power.sum()
    exact = sum((-1) ** (j - 1) * math.comb(m, j) * (1 - j * g) ** (m - 1) for j in range(1, int(1 / g) + 1))
    assert exact - 1e-9 <= strongest_tone(x).p_value <= m * (1 - g) ** (m - 1) + 1e-9


def test_patches_are_cut_by_the_sampling_rate():
    assert [stride_for(r) for r in (0.1, 1, 10, 50, 100, 250, 500, 1000, 4000, 1e9)] == [
        *(2, 2, 3, 9, 24, 99, 153, 159, 160, 160)
    ]
    assert patches_of(np.arange(1.0, 4.0), 2).tolist() == [[1, 2, 3, 0]]
    for n in (32, 33, 100, 1001):
        cut = patches_of(np.ones(n), 9)
        assert len(cut) == max(1, math.ceil((n - 18) / 9) + 1)
        assert cut[0].sum() == 18
        assert (len(cut) - 1) * 9 + 18 >= n  # nothing is lost
    assert tokens_for(len(patches_of(np.ones(64000), 160))) == 100  # 64,000 samples become 100 tokens


def test_times_give_the_rate_and_their_unit_counts():
    x = np.sin(2 * math.pi * 5 * np.arange(200) / 100)
    by_time = time_series("v", time="t", columns={"t [ms]": [10.0 * i for i in range(200)], "v": x.tolist()})
    by_rate = time_series("v", sampling_rate=100.0, columns={"v": x.tolist()})
    assert by_time.sampling_rate == pytest.approx(100)
    assert by_time.dominant_frequency == pytest.approx(5, abs=0.01)
    assert by_rate.patches == by_time.patches == math.ceil((200 - 48) / 24) + 1


def test_series_that_cannot_be_read_are_refused_in_words():
    v = np.random.default_rng(0).normal(size=40).tolist()
    t = [float(i) for i in range(40)]
    for given, more, said in (
        ({"v": v}, {}, "sampling rate"),
        ({"v": v[:10]}, {"sampling_rate": 1.0}, "too few"),
        ({"v": [1.0] * 40}, {"sampling_rate": 1.0}, "nothing happens"),
        ({"v": [None, *v[1:]]}, {"sampling_rate": 1.0}, "gaps"),
        ({"v": v, "t": t}, {"time": "t"}, "must say their unit"),
        ({"v": v, "t [m]": t}, {"time": "t"}, "in seconds"),
        ({"v": v, "t [s]": [*t[:-1], 50.0]}, {"time": "t"}, "not even"),
        ({"v": v}, {"sampling_rate": 1.0, "short_window": 30.0, "long_window": 20.0}, "windows"),
        ({"v": v}, {"sampling_rate": 1.0, "on": 2.0, "off": 3.0}, "must lie below"),
    ):
        with pytest.raises(ToolFailedError, match=said):
            time_series("v", columns=given, **more)


def test_the_p_value_of_a_change_is_kolmogorovs():
    x = np.random.default_rng(0).normal(size=200) + np.repeat([0, 0.45], 100)
    (change,) = change_points(x, 0.4)
    sums = np.cumsum(x - x.mean())
    off = np.concatenate([x[: change.at] - x[: change.at].mean(), x[change.at :] - x[change.at :].mean()])
    statistic = abs(sums[change.at - 1]) / math.sqrt(long_run_variance(off) * 200)
    assert change.p_value == pytest.approx(stats.kstwobign.sf(statistic))
