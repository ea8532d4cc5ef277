"""Models of tables: certified values, probabilities that hold, and nothing claimed where nothing is."""

import math

import numpy as np
import pytest
from scipy import stats

from novum.core.errors import ToolFailedError
from novum.tools.analysis.classification import classify
from novum.tools.analysis.comparison import compare_models
from novum.tools.analysis.regression import EXAMPLES, regress
from novum.tools.analysis.sensitivity import sensitivity
from novum.tools.analysis.validation import Corrected, corrected, groups_of, split_rows


def table(**columns):
    return {name: np.asarray(values).tolist() for name, values in columns.items()}


def wavy(n, seed, noise=0.1):
    rng = np.random.default_rng(seed)
    a, b, c = rng.uniform(-1, 1, (3, n))
    return table(a=a, b=b, c=c, y=np.sin(3 * a) + b**2 + rng.normal(0, noise, n))


# NIST StRD, linear regression, Longley: certified estimates and their standard deviations.
LONGLEY = {
    "intercept": (-3482258.63459582, 890420.383607373),
    "deflator": (15.0618722713733, 84.9149257747669),
    "product": (-0.358191792925910e-1, 0.334910077722432e-1),
    "unemployed": (-2.02022980381683, 0.488399681651699),
    "armed": (-1.03322686717359, 0.214274163161675),
    "population": (-0.511041056535807e-1, 0.226073200069370),
    "year": (1829.15146461355, 455.478499142212),
}


def test_a_linear_model_gives_the_certified_coefficients_of_nist():
    found = regress(**EXAMPLES[0].arguments)
    for name, (value, std) in LONGLEY.items():
        one = found.details["coefficients"][name]
        assert (one["value"], one["std"]) == pytest.approx((value, std), rel=1e-7)
    assert any("go together" in said for said in found.warnings)


def test_the_corrected_t_test_is_that_of_scikit_learns_page_on_it():
    from sklearn.datasets import make_moons
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
    from sklearn.svm import SVC

    from novum.tools.analysis.validation import Split

    x, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    scores = [cross_val_score(SVC(kernel=k), x, y, cv=folds, scoring="roc_auc") for k in ("rbf", "linear")]
    differences, splits = np.full((10, 100), math.nan), []
    for number, (train, test) in enumerate(folds.split(x, y)):
        differences[number // 10, test] = (scores[0] - scores[1])[number]
        splits.append(Split(number // 10, train, test))
    found = corrected(differences, splits)
    assert found.mean / found.error == pytest.approx(0.750, abs=5e-4)  # "Corrected t-value: 0.750"
    assert found.p_value / 2 == pytest.approx(0.227, abs=5e-4)  # "Corrected p-value: 0.227", one-sided
    assert found.probability_above(0) == pytest.approx(0.773, abs=5e-4)


def test_skill_is_found_where_it_is_and_not_where_labels_are_shuffled():
    columns = wavy(60, 1)
    found = regress("y", ["a", "b", "c"], columns=columns)
    assert found.q_squared > 0.9
    assert found.skill_p_value < 0.01
    assert found.details["q_squared"]["low"] < found.q_squared < found.details["q_squared"]["high"]
    assert next(iter(found.details["importance"]["by"])) == "a"
    rng, claims = np.random.default_rng(2), 0
    for _ in range(40):
        nothing = regress(
            "y", ["a", "b"], model="linear", columns=table(**columns | {"y": rng.permutation(columns["y"])})
        )
        claims += nothing.skill_p_value < 0.1 and nothing.q_squared > 0
    assert claims <= 8  # four are expected at most; eight would be exceeded once in fifty


@pytest.mark.parametrize("model", ["linear", "random_forest"])
def test_intervals_of_new_rows_cover_as_often_as_they_say(model):
    rng = np.random.default_rng(6)
    n, new = 100, 400
    x = rng.uniform(-1, 1, (n + new, 2))
    y = np.sin(3 * x[:, 0]) + 0.3 * rng.standard_t(3, n + new)
    found = regress(
        "y [eV]",
        ["a", "b"],
        model=model,
        level=0.2,
        repeats=1,
        columns=table(a=x[:n, 0], b=x[:n, 1]) | {"y [eV]": y[:n].tolist()},
        predict=table(a=x[n:, 0], b=x[n:, 1]),
    )
    predicted = found.details["predictions"]
    inside = np.mean([p["low"] <= v <= p["high"] for p, v in zip(predicted, y[n:], strict=True)])
    assert 0.7 < inside < 0.92  # 0.6 at least is proved, 0.8 is usual
    assert found.coverage == pytest.approx(0.8, abs=0.1)
    assert predicted[0]["unit"] == "eV"


def test_rows_outside_of_the_table_and_few_rows_are_told():
    found = regress(
        "y",
        ["a", "b"],
        model="ridge",
        level=0.01,
        columns=wavy(40, 3),
        predict=table(a=[0.0, 9.0], b=[0.0, 0.0]),
    )
    assert [p["outside_of_the_table"] for p in found.details["predictions"]] == [False, True]
    assert "low" not in found.details["predictions"][0]
    assert any("too few for intervals" in said for said in found.warnings)
    assert found.coverage is None


def test_replicates_stay_on_one_side_of_a_split():
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=15), 4)
    named = [str(i // 8) for i in range(60)]
    for groups in (
        groups_of(x[:, None], None),
        groups_of(rng.normal(size=(60, 1)), [str(i // 4) for i in range(60)]),
    ):
        for split in split_rows(groups, repeats=2, seed=0):
            assert not set(groups[split.train]) & set(groups[split.test])
            assert len(split.train) + len(split.test) == 60
    with pytest.raises(ToolFailedError, match="8 different rows"):
        groups_of(x[:, None], named)  # replicates and groups together leave eight
    # values that only replicates share are no skill
    noise = table(a=x, y=np.repeat(rng.normal(size=15), 4))
    assert regress("y", ["a"], model="random_forest", repeats=1, columns=noise).q_squared < 0.3


def test_tables_that_carry_no_claim_are_refused_in_words():
    y = [float(i) for i in range(12)]
    for columns, more, said in (
        (table(a=y[:8], b=y[:8], y=y[:8]), {}, "too few"),
        (table(a=y, b=[1.0] * 12, y=y), {}, "constant"),
        (table(a=y, b=[v**2 for v in y], y=[1.0] * 12), {}, "constant"),
        (table(a=y, b=[2 * v for v in y], y=y), {"model": "linear"}, "follow from each other"),
        (table(a=y, y=y), {}, "no column"),
        (table(a=["x"] * 12, b=y, y=y), {}, "no number"),
        ({**table(a=y, b=y), "y": [math.inf] * 12}, {}, "not finite"),
    ):
        with pytest.raises(ToolFailedError, match=said):
            regress("y", ["a", "b"], columns=columns, **more)
    with pytest.raises(ToolFailedError, match="600 rows"):
        regress("y", ["a", "b", "c"], columns=wavy(601, 1))


def phases(n, seed, noise):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(-1, 1, (2, n))
    return table(a=a, b=b, phase=np.where(a + rng.normal(0, noise, n) > 0, "solid", "liquid"))


@pytest.mark.parametrize("model", ["logistic", "nearest_neighbours", "random_forest"])
def test_classes_are_told_apart(model):
    found = classify(
        "phase",
        ["a", "b"],
        model=model,
        columns=phases(80, 1, 0.2),
        predict=table(a=[0.9, 0.0], b=[0.0, 0.0]),
    )
    assert found.balanced_accuracy > 0.8
    assert found.area_under_curve > 0.85
    assert found.skill_p_value < 0.01
    assert found.details["predictions"][0]["set"] == ["solid"]
    assert sum(found.details["predictions"][0]["probability"].values()) == pytest.approx(1)
    assert next(iter(found.details["importance"]["by"])) == "a"


def test_sets_of_classes_hold_the_right_one_as_often_as_they_say():
    train, new = phases(100, 3, 0.5), phases(400, 4, 0.5)
    found = classify(
        "phase",
        ["a", "b"],
        model="logistic",
        level=0.2,
        columns=train,
        predict={k: new[k] for k in ("a", "b")},
    )
    held = [right in p["set"] for right, p in zip(new["phase"], found.details["predictions"], strict=True)]
    assert 0.7 < np.mean(held) < 0.92
    assert found.coverage == pytest.approx(0.8, abs=0.1)


def test_perfect_scores_of_few_rows_are_not_certain():
    from novum.tools.analysis.classification import EXAMPLES

    found = classify(**EXAMPLES[0].arguments)
    assert found.balanced_accuracy == 1
    assert found.details["balanced_accuracy"]["low"] < 0.95
    assert found.std["balanced_accuracy"] > 0


def test_scores_are_those_of_scikit_learn():
    from sklearn.metrics import balanced_accuracy_score

    from novum.tools.analysis.estimators import make_classifier
    from novum.tools.analysis.validation import hold_out

    columns = phases(60, 5, 0.3)
    x = np.column_stack([columns["a"], columns["b"]])
    y = np.array([c == "solid" for c in columns["phase"]], dtype=int)
    splits = split_rows(groups_of(x, None), repeats=1, seed=0, classes=y)
    held = hold_out(lambda: make_classifier("logistic", 0), x, y, splits, n_classes=2)
    found = classify("phase", ["a", "b"], model="logistic", repeats=1, columns=columns)
    assert found.balanced_accuracy == pytest.approx(
        balanced_accuracy_score(y, held.predictions[0].argmax(axis=1))
    )


def test_classes_that_cannot_be_learnt_are_refused_in_words():
    y = [float(i) for i in range(20)]
    for labels, said in (
        (["x"] * 20, "nothing to tell apart"),
        (["x"] * 17 + ["z"] * 3, "too few different rows"),
    ):
        with pytest.raises(ToolFailedError, match=said):
            classify("k", ["a"], columns=table(a=y, k=labels))
    with pytest.raises(ToolFailedError, match="too few different rows"):  # one group holds a whole class
        classify(
            "k", ["a"], group="g", columns=table(a=y, k=["x"] * 14 + ["z"] * 6, g=[*range(14), *[99] * 6])
        )


def test_models_are_ranked_where_that_can_be_told_and_only_there():
    columns = wavy(60, 7)
    clear = compare_models(
        "y", ["a", "b", "c"], ["mean", "linear", "gaussian_process"], repeats=2, columns=columns
    )
    assert clear.decided == 1
    assert clear.details["ranking"][0]["model"] == "gaussian_process"
    rng = np.random.default_rng(1)
    line = table(a=(a := rng.uniform(-1, 1, 30)), b=rng.uniform(-1, 1, 30), y=2 * a + rng.normal(0, 0.3, 30))
    open_ = compare_models("y", ["a", "b"], ["linear", "ridge"], alike=0.0, repeats=2, columns=line)
    assert open_.decided == 0
    assert "cannot decide" in open_.details["verdict"]
    same = compare_models("y", ["a", "b"], ["linear", "ridge"], alike=0.1, repeats=2, columns=line)
    assert same.details["pairs"][0]["verdict"] == "practically alike"


def test_classifiers_are_compared_too_and_a_wrong_task_is_refused():
    columns = phases(60, 2, 0.1)
    found = compare_models(
        "phase", ["a", "b"], ["majority", "logistic"], task="classification", columns=columns
    )
    assert found.decided == 1
    with pytest.raises(ToolFailedError, match="no model for regression"):
        compare_models("a", ["b"], ["mean", "logistic"], columns=columns)


def test_a_corrected_difference_is_a_posterior_too():
    found = Corrected(mean=0.3, error=0.2, freedom=9)
    assert found.probability_above(0) == pytest.approx(stats.t.cdf(1.5, 9))
    assert found.p_value == pytest.approx(2 * stats.t.sf(1.5, 9))


def test_the_indices_are_the_analytic_ones_of_ishigami():
    from scipy.stats import qmc

    x = qmc.Sobol(3, rng=np.random.default_rng(1)).random(256) * 2 * math.pi - math.pi
    y = np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])
    found = sensitivity("y", ["a", "b", "c"], columns=table(a=x[:, 0], b=x[:, 1], c=x[:, 2], y=y))
    # Ishigami and Homma 1990, with 7 and 0.1
    for name, first, total in (("a", 0.3139, 0.5576), ("b", 0.4424, 0.4424), ("c", 0.0, 0.2437)):
        one = found.details["indices"][name]
        assert one["first"]["value"] == pytest.approx(first, abs=0.04)
        assert one["total"]["value"] == pytest.approx(total, abs=0.04)
    assert found.interactions == pytest.approx(0.2437, abs=0.05)


def test_indices_of_a_surrogate_that_explains_nothing_are_refused():
    rng = np.random.default_rng(0)
    columns = table(a=rng.normal(size=40), b=rng.normal(size=40), y=rng.normal(size=40))
    with pytest.raises(ToolFailedError, match="say nothing of the data"):
        sensitivity("y", ["a", "b"], columns=columns)
    with pytest.raises(ToolFailedError, match="upwards"):
        sensitivity("y", ["a", "b"], columns=columns, ranges={"a": (1.0, 0.0)})
