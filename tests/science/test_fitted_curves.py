"""Fitted curves against certified values: NIST's StRD for regression, and published fits."""

import math

import numpy as np
import pytest

from novum.core.errors import ToolFailedError
from novum.tools.analysis.fitting import fit_curve

# NIST Statistical Reference Datasets; data, certified parameters, their standard deviations, and residual
# standard deviation. Nonlinear certified values are good to 11 digits.
ECKERLE4_X = """
    400 405 410 415 420 425 430 435 436.5 438 439.5 441 442.5 444 445.5 447 448.5 450 451.5 453 454.5
    456 457.5 459 460.5 462 463.5 465 470 475 480 485 490 495 500
"""
ECKERLE4_Y = """
    0.0001575 0.0001699 0.0002350 0.0003102 0.0004917 0.0008710 0.0017418 0.0046400 0.0065895 0.0097302
    0.0149002 0.0237310 0.0401683 0.0712559 0.1264458 0.2073413 0.2902366 0.3445623 0.3698049 0.3668534
    0.3106727 0.2078154 0.1164354 0.0616764 0.0337200 0.0194023 0.0117831 0.0074357 0.0022732 0.0008800
    0.0004579 0.0002345 0.0001586 0.0001143 0.0000710
"""
NORRIS_X = """
    0.2 337.4 118.2 884.6 10.1 226.5 666.3 996.3 448.6 777.0 558.2 0.4 0.6 775.5 666.9 338.0 447.5 11.6
    556.0 228.1 995.8 887.6 120.2 0.3 0.3 556.8 339.1 887.2 999.0 779.0 11.1 118.3 229.2 669.1 448.9 0.5
"""
NORRIS_Y = """
    0.1 338.8 118.1 888.0 9.2 228.1 668.5 998.5 449.1 778.9 559.2 0.3 0.1 778.1 668.8 339.3 448.9 10.8
    557.7 228.3 998.0 888.8 119.6 0.3 0.6 557.6 339.3 888.0 998.5 778.9 10.2 117.6 228.9 668.4 449.2 0.2
"""
CERTIFIED = {
    "Norris": (
        "linear",
        (NORRIS_X.split(), NORRIS_Y.split()),
        {},
        {
            "intercept": (-0.262323073774029, 0.232818234301152),
            "slope": (1.00211681802045, 0.429796848199937e-3),
        },
        0.884796396144373,
    ),
    "Misra1a": (
        "saturation",
        (
            [77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0],
            [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.4, 75.47, 81.78],
        ),
        {},
        {"plateau": (2.3894212918e2, 2.7070075241), "rate": (5.5015643181e-4, 7.2668688436e-6)},
        1.0187876330e-1,
    ),
    "BoxBOD": (
        "saturation",
        ([1, 2, 3, 5, 7, 10], [109, 149, 149, 191, 213, 224]),
        {},
        {"plateau": (2.1380940889e2, 1.2354515176e1), "rate": (5.4723748542e-1, 1.0455993237e-1)},
        1.7088072423e1,
    ),
    "DanWood": (
        "power",
        ([1.309, 1.471, 1.490, 1.565, 1.611, 1.680], [2.138, 3.421, 3.597, 4.340, 4.882, 5.660]),
        {},
        {"factor": (7.6886226176e-1, 1.8281973860e-2), "exponent": (3.8604055871, 5.1726610913e-2)},
        3.2853114039e-2,
    ),
    "Eckerle4": (  # its height is b1/b2, which leaves position and width as certified
        "gaussian",
        (ECKERLE4_X.split(), ECKERLE4_Y.split()),
        {"offset": 0.0},
        {"sigma": (4.0888321754, 4.6803020753e-2), "centre": (4.5154121844e2, 4.6800518816e-2)},
        6.7629245447e-3,
    ),
    "Rat42": (  # its b2 is midpoint · rate, which leaves plateau and rate as certified
        "logistic",
        ([9, 14, 21, 28, 42, 57, 63, 70, 79], [8.93, 10.8, 18.59, 22.33, 39.35, 56.11, 61.73, 64.62, 67.08]),
        {},
        {"plateau": (7.2462237576e1, 1.7340283401), "rate": (6.7359200066e-2, 3.4465663377e-3)},
        1.1587725499,
    ),
}


@pytest.mark.parametrize("name", CERTIFIED)
def test_certified_values_of_nist_are_found(name):
    curve, (x, y), fixed, expected, residual = CERTIFIED[name]
    columns = {"x": list(map(float, x)), "y": list(map(float, y))}
    found = fit_curve(curve, "x", "y", fixed=fixed, columns=columns)
    for parameter, (value, std) in expected.items():
        one = found.details["parameters"][parameter]
        assert one["value"] == pytest.approx(value, rel=1e-6)
        assert one["std"] == pytest.approx(std, rel=1e-5)
    assert found.details["residual_standard_deviation"]["value"] == pytest.approx(residual, rel=1e-7)


def test_michaelis_menten_gives_the_published_fit_of_puromycin():
    from novum.tools.analysis.fitting import EXAMPLES

    found = fit_curve(**EXAMPLES[0].arguments)
    parameters = found.details["parameters"]
    assert (parameters["v_max"]["value"], parameters["v_max"]["std"]) == pytest.approx(
        (212.6837, 6.94715), rel=1e-5
    )
    assert (parameters["k_m"]["value"], parameters["k_m"]["std"]) == pytest.approx(
        (0.06412123, 0.00828095), rel=1e-5
    )
    assert parameters["k_m"]["unit"] == "ppm"
    order = found.details["covariance"]["order"]
    covariance = np.array(found.details["covariance"]["values"])
    assert covariance[order.index("v_max")][order.index("k_m")] / (6.94715 * 0.00828095) == pytest.approx(
        0.765,
        abs=1e-3,  # the correlation that summary(nls(...), correlation = TRUE) prints
    )


TRUTH = {
    "linear": (2.0, -0.5),
    "exponential": (3.0, -0.8, 1.0),
    "saturation": (5.0, 0.7),
    "power": (2.0, -1.5),
    "logistic": (8.0, 3.0, 1.2),
    "michaelis_menten": (10.0, 2.0),
    "hill": (10.0, 2.0, 2.5),
    "langmuir": (4.0, 0.9),
    "gaussian": (5.0, 4.0, 0.6, 1.0),
    "lorentzian": (-5.0, 4.0, 0.6, 1.0),
}


@pytest.mark.parametrize("curve", TRUTH)
def test_what_made_the_points_is_found_within_its_uncertainty(curve):
    from novum.tools.analysis.curves import CURVES

    x = np.linspace(0.2, 9, 60)
    y = CURVES[curve].function(x, *TRUTH[curve]) + np.random.default_rng(5).normal(0, 0.03, 60)
    found = fit_curve(curve, "x", "y", columns={"x": x.tolist(), "y": y.tolist()})
    for value, one in zip(TRUTH[curve], found.details["parameters"].values(), strict=True):
        assert abs(one["value"] - value) < 4 * one["std"]
        assert one["std"] < 0.2 * abs(value)


def test_the_stated_intervals_cover_as_often_as_they_say():
    rng, inside = np.random.default_rng(11), 0
    x = np.linspace(0.5, 10, 12)
    for _ in range(100):
        y = 10 * x / (2 + x) + rng.normal(0, 0.2, len(x))
        found = fit_curve("michaelis_menten", "x", "y", level=0.2, columns={"x": x.tolist(), "y": y.tolist()})
        one = found.details["parameters"]["k_m"]
        inside += one["low"] <= 2 <= one["high"]
    assert abs(inside / 100 - 0.8) < 3 * math.sqrt(0.8 * 0.2 / 100)


def test_arrhenius_takes_degrees_and_gives_kilojoules():
    kelvin = np.array([300.0, 320, 340, 360, 380])
    k = 1e13 * np.exp(-80 / (8.31446261815324e-3 * kelvin)) * (1 + 0.01 * np.array([1, -1, 1, -1, 1]))
    rates = {"k [1/s]": k.tolist(), "s": (0.01 * k).tolist()}  # rates are known to a share of themselves
    warm = fit_curve("arrhenius", "T", "k", y_std="s", columns={"T [K]": kelvin.tolist(), **rates})
    degrees = {"T [degC]": (kelvin - 273.15).tolist(), **rates}
    also = fit_curve("arrhenius", "T", "k", y_std="s", columns=degrees)
    for found in (warm, also):
        energy = found.details["parameters"]["activation_energy"]
        assert energy["unit"] == "kJ/mol"
        assert abs(energy["value"] - 80) < 3 * energy["std"] < 6
        assert found.details["parameters"]["prefactor"]["unit"] == "1/s"
    assert also.details["parameters"]["activation_energy"]["value"] == pytest.approx(
        warm.details["parameters"]["activation_energy"]["value"], rel=1e-6
    )


def test_units_are_carried_to_the_parameters():
    columns = {"t [min]": [0.0, 1.0, 2.0, 3.0, 4.0], "c [mmol/L]": [1.0, 3.1, 4.9, 7.1, 9.0]}
    slope = fit_curve("linear", "t", "c", columns=columns).details["parameters"]["slope"]
    assert slope["unit"] == "mmol/l/min"
    assert slope["value"] == pytest.approx(2.0, abs=0.1)


def test_known_errors_weigh_and_judge_the_fit():
    x, y = [0.0, 1.0, 2.0, 3.0], [0.0, 1.1, 1.9, 3.0]
    small = fit_curve("linear", "x", "y", y_std="s", columns={"x": x, "y": y, "s": [0.01] * 4})
    large = fit_curve("linear", "x", "y", y_std="s", columns={"x": x, "y": y, "s": [0.1] * 4})
    assert small.chi_square_p_value < 1e-6 < 0.1 < large.chi_square_p_value
    slope = large.details["parameters"]["slope"]
    assert slope["std"] == pytest.approx(0.1 / math.sqrt(5))  # σ / sqrt(Σ (x - mean)²)


def test_a_wrong_curve_is_noticed():
    x = np.linspace(0, 5, 30)
    found = fit_curve("linear", "x", "y", columns={"x": x.tolist(), "y": (x**2).tolist()})
    assert found.runs_p_value < 1e-3
    assert any("not the right one" in said for said in found.warnings)


def test_a_parameter_at_its_bound_is_told():
    columns = {"x": [1.0, 2.0, 3.0, 4.0, 5.0], "y": [2.1, 3.9, 6.1, 8.0, 9.9]}
    found = fit_curve("linear", "x", "y", bounds={"slope": (0, 1.5)}, columns=columns)
    assert any("slope lies at its bound" in said for said in found.warnings)


def test_what_cannot_be_fitted_is_refused_in_words():
    x, y = [1.0, 2.0, 3.0, 4.0], [1.0, 2.1, 2.9, 4.2]
    for curve, columns, more, said in (
        ("linear", {"x": x[:2], "y": y[:2]}, {}, "cannot determine"),
        ("linear", {"x": [1.0] * 4, "y": y}, {}, "cannot determine"),
        ("linear", {"x": x, "y": [2.0] * 4}, {}, "constant"),
        ("arrhenius", {"x": x, "y": y}, {}, "must say its unit"),
        ("arrhenius", {"x [s]": x, "y": y}, {}, "cannot be read in K"),
        ("power", {"x": [-1.0, 2.0, 3.0, 4.0], "y": y}, {}, "above zero"),
        ("linear", {"x": x, "y": y}, {"fixed": {"bend": 1.0}}, "no parameter"),
        ("linear", {"x": x, "y": y}, {"fixed": {"slope": 1.0, "intercept": 0.0}}, "nothing to fit"),
        ("linear", {"x": x, "y": y}, {"bounds": {"slope": (2.0, 1.0)}}, "no value"),
        ("linear", {"x": x, "y": y, "s": [0.0] * 4}, {"y_std": "s"}, "above zero"),
    ):
        with pytest.raises(ToolFailedError, match=said):
            fit_curve(curve, "x", "y", columns=columns, **more)


def test_points_that_do_not_determine_a_parameter_say_so():
    x = np.linspace(0.001, 0.002, 8)  # far below k_m: only v_max / k_m is determined
    y = 3 * x + np.random.default_rng(1).normal(0, 1e-5, 8)
    found = fit_curve("michaelis_menten", "x", "y", columns={"x": x.tolist(), "y": y.tolist()})
    assert any("k_m is not determined" in said for said in found.warnings)


def test_points_that_do_not_tell_parameters_apart_are_refused():
    x = [1.0, 2.0, 3.0, 4.0, 5.0]  # steps far left of the points: height and width are one thing
    y = [1.0, 1.01, 0.99, 1.0, 1.001]
    with pytest.raises(ToolFailedError, match=r"apart|nothing of"):
        fit_curve(
            "hill", "x", "y", bounds={"half": (1e-9, 1e-8), "coefficient": (5, 9)}, columns={"x": x, "y": y}
        )


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_size_of_the_units_changes_nothing(scale):
    x = np.linspace(0.5, 10, 12)
    y = 10 * x / (2 + x) + np.random.default_rng(2).normal(0, 0.2, 12)
    one = fit_curve("michaelis_menten", "x", "y", columns={"x": x.tolist(), "y": y.tolist()})
    other = fit_curve("michaelis_menten", "x", "y", columns={"x": (x * scale).tolist(), "y": y.tolist()})
    a, b = one.details["parameters"]["k_m"], other.details["parameters"]["k_m"]
    assert b["value"] == pytest.approx(a["value"] * scale, rel=1e-6)
    assert b["std"] == pytest.approx(a["std"] * scale, rel=1e-5)
