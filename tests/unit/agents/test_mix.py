"""The mix relies on the source that does better, and never gives one up."""

import math
import random

import numpy as np
import pytest

from novum.agents.scientist.mix import FLOOR, Earned, divide, earnings, nearness, standings
from novum.core.deliberation import Standing
from novum.core.judgement import Merit, interval_prediction, judge
from novum.core.quantity import Quantity
from novum.core.science import Hypothesis, Observation, Verdict
from novum.core.spaces import Candidate

SOURCES = ("scientist", "optimizer")


def hypothesis(number: int, source: str, iteration: int, value: float = 0.5, std: float = 0.1) -> Hypothesis:
    return Hypothesis(
        id=f"H{number:03d}",
        iteration=iteration,
        statement="",
        source=source,
        candidate=Candidate(id=f"c{number}", label="", arguments={}),
        predictions=(interval_prediction("gap", Quantity(value=value, unit="eV", std=std)),),
    )


def verdict(h: Hypothesis, observed: float | None, unit: str = "eV") -> Verdict:
    seen = None if observed is None else Quantity(value=observed, unit=unit)
    return judge(h, h.predictions[0], seen, experiment=f"E{h.id[1:]}")


def merit(score: float) -> Merit:
    return Merit(feasible=True, violation=0.0, score=score)


def test_a_near_and_sure_prediction_earns_most_and_a_wide_one_next_to_nothing():
    def score(mean: float, std: float) -> float:
        return nearness(verdict(hypothesis(1, "scientist", 0, mean, std), 0.5), scale=0.2)

    assert score(0.5, 0.05) > score(0.5, 0.2) > score(0.5, 1.0) > score(0.5, 100.0)
    assert score(0.5, 100.0) < 1e-9, "a prediction that nothing could refute"
    assert score(0.5, 0.05) > score(0.7, 0.05) > score(2.0, 0.05)


def test_the_score_is_the_crps_of_a_normal_distribution():
    # Numerically: the integral of (cdf(y) - [y >= x])² over y.
    h = hypothesis(1, "scientist", 0, 0.3, 0.4)
    grid = np.linspace(-6, 6, 120_001)
    cdf = 0.5 * (1 + np.vectorize(math.erf)((grid - 0.3) / 0.4 / math.sqrt(2)))
    crps = float(np.trapezoid((cdf - (grid >= 0.5)) ** 2, grid))
    assert nearness(verdict(h, 0.5), scale=1.0) == pytest.approx(math.exp(-crps), rel=1e-4)


def test_the_unit_of_an_observation_does_not_matter():
    h = hypothesis(1, "scientist", 0)
    assert nearness(verdict(h, 0.6), scale=0.2) == pytest.approx(nearness(verdict(h, 600, "meV"), scale=0.2))


def test_what_does_better_earns_more_and_what_fails_earns_nothing():
    hypotheses = [hypothesis(i, SOURCES[i % 2], i // 2) for i in range(6)]
    merits = {h.candidate.id: merit(float(i)) for i, h in enumerate(hypotheses) if i != 4}
    observations = [
        Observation(candidate=h.candidate, failed="" if h.candidate.id in merits else "it broke")
        for h in hypotheses
    ]
    verdicts = [verdict(h, 0.5 if h.candidate.id in merits else None) for h in hypotheses]
    found = earnings(hypotheses, verdicts, observations, merits=merits, scales={"gap": 0.2})
    assert [e.source for e in found] == [h.source for h in hypotheses]
    rewards = [e.reward for e in found]
    assert rewards[4] == 0
    assert rewards[0] < rewards[1] == rewards[3] == rewards[5], "each of the later was the best so far"
    assert rewards[2] < rewards[3]


def test_a_hypothesis_that_was_not_judged_earns_nothing_yet():
    h = hypothesis(1, "scientist", 0)
    assert earnings([h], [], [], merits={}, scales={}) == []


def test_equal_candidates_share_what_they_earn():
    hypotheses = [hypothesis(i, SOURCES[i], 0) for i in range(2)]
    merits = {h.candidate.id: merit(1.0) for h in hypotheses}
    found = earnings(
        hypotheses, [verdict(h, 0.5) for h in hypotheses], [], merits=merits, scales={"gap": 0.2}
    )
    assert found[0].reward == found[1].reward


def test_older_results_count_less():
    early, late = Earned("scientist", 0, 1.0), Earned("scientist", 9, 0.0)
    (one,) = standings([early, late], ["scientist"], iteration=10)
    assert one.failures == 1.0
    assert one.successes == pytest.approx(0.9**9)
    assert one.reward < 0.5
    assert standings([], ["scientist"], iteration=3)[0].reward == 0.5


def stand(source: str, reward: float, n: float) -> Standing:
    return Standing(source=source, n=int(n), reward=reward, successes=reward * n, failures=(1 - reward) * n)


def test_the_better_source_gets_most_and_the_other_keeps_its_floor():
    given = dict.fromkeys(SOURCES, 0)
    for iteration in range(25):
        slots = divide(
            [stand("scientist", 0.1, 40), stand("optimizer", 0.9, 40)],
            4,
            given=given,
            rng=np.random.default_rng(iteration),
        )
        assert sum(slots.values()) == 4
        for name, n in slots.items():
            given[name] += n
        assert given["scientist"] >= math.floor(FLOOR * sum(given.values()))
    assert given["scientist"] == math.floor(FLOOR * 100)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_every_batch_is_divided_whole_and_alike_under_one_seed(n: int):
    rng = random.Random(n)
    for seed in range(30):
        found = [stand("scientist", rng.random(), 9 * rng.random()), stand("optimizer", rng.random(), 3)]
        given = {"scientist": rng.randint(0, 9), "optimizer": rng.randint(0, 9)}
        one, two = (divide(found, n, given=given, rng=np.random.default_rng(seed)) for _ in range(2))
        assert one == two
        assert sum(one.values()) == n
        assert min(one.values()) >= 0


def test_without_a_record_both_sources_have_a_chance():
    found = standings([], SOURCES, iteration=0)
    first = [divide(found, 4, given={}, rng=np.random.default_rng(seed))["scientist"] for seed in range(200)]
    assert 1.6 < sum(first) / len(first) < 2.4
