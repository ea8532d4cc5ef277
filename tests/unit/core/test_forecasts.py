"""Calibration of sources, against values worked out by hand."""

import math

import pytest

from novum.core.forecasts import Forecast, calibrate


def said(source="a", n=0, **more):
    return Forecast(source=source, key=str(n), **more)


def test_brier_and_calibration_error_follow_their_definitions():
    found = [said(n=n, held=n < 6, probability=0.9) for n in range(10)]
    found += [said(n=10 + n, held=n < 1, probability=0.2) for n in range(10)]
    [c] = calibrate(found)
    assert (c.n, c.held) == (20, 7)
    assert c.brier == pytest.approx((6 * 0.01 + 4 * 0.81 + 1 * 0.64 + 9 * 0.04) / 20)
    assert c.ece == pytest.approx((10 * abs(0.9 - 0.6) + 10 * abs(0.2 - 0.1)) / 20)
    assert (c.coverage, c.rms_z) == (None, None)


def test_a_perfect_source_has_no_error():
    found = [said(n=n, held=True, probability=1.0) for n in range(3)]
    [c] = calibrate([*found, said(n=9, held=False, probability=0.0)])
    assert (c.brier, c.ece) == (0.0, 0.0)


def test_coverage_is_the_share_inside_the_interval():
    [c] = calibrate([said(n=n, held=True, statistic=z) for n, z in enumerate((0.0, 1.9, -1.9, 3.0))])
    assert c.coverage == 0.75
    assert c.rms_z == pytest.approx(math.sqrt((2 * 1.9**2 + 9) / 4))
    [wide] = calibrate([said(held=True, statistic=3.0)], level=0.999)
    assert wide.coverage == 1.0


def test_sources_are_kept_apart():
    found = calibrate([said("b", held=True), said("a", held=False)])
    assert [(c.source, c.held, c.brier) for c in found] == [("a", 0, None), ("b", 1, None)]
    assert calibrate([]) == []
