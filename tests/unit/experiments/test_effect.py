"""Differences between arms: held against scipy and the definitions, and simulated worlds of known truth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from modelpack.experiments.statistics import effect, power


def world(
    seed: int, rows: int, share: float = 0.3, gain: float = 0.0, before: float = 0.0
) -> tuple[Any, Any, Any, Any]:
    """Arms, weights, values, and the time before, which explains so much of the variance."""
    random = np.random.default_rng(seed)
    treated = random.random(rows) < share
    known = random.normal(size=rows)
    values = math.sqrt(before) * known + math.sqrt(1 - before) * random.normal(size=rows) + gain * treated
    return np.where(treated, "b", "a"), np.where(treated, share, 1 - share), values, known


def test_with_steady_weights_it_is_the_difference_of_means_with_the_interval_of_welch() -> None:
    arms, weights, values, _ = world(3, 4000, gain=0.1)
    found = effect(arms, weights, values, "a", "b")
    welch = stats.ttest_ind(values[arms == "b"], values[arms == "a"], equal_var=False)
    interval = welch.confidence_interval()
    assert found.difference == pytest.approx(values[arms == "b"].mean() - values[arms == "a"].mean())
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.006)
    assert found.always_low < found.low < found.high < found.always_high  # type: ignore[operator]


def test_the_interval_for_every_look_is_that_of_the_paper() -> None:
    arms, weights, values, _ = world(5, 1000)
    found = effect(arms, weights, values, "a", "b")
    # the sequence of Waudby-Smith and others (2021), written out
    mean_a, mean_b = values[arms == "a"].mean(), values[arms == "b"].mean()
    said = np.where(arms == "b", (values - mean_b) / weights, -(values - mean_a) / weights)
    n, miss = 1000, 0.05
    rho2 = (-2 * math.log(miss) + math.log(-2 * math.log(miss)) + 1) / 2000
    # where one arm seems to vary less than both together, it counts as both
    weight = {"a": 1 - weights[arms == "b"][0], "b": weights[arms == "b"][0]}
    spread = {arm: values[arms == arm].var() for arm in "ab"}
    size = {arm: (arms == arm).sum() for arm in "ab"}
    both = sum(spread[arm] * size[arm] / weight[arm] for arm in "ab") / sum(
        size[arm] / weight[arm] for arm in "ab"
    )
    deviation = math.sqrt(sum(max(spread[arm], both) * size[arm] / weight[arm] ** 2 for arm in "ab") / n)
    assert deviation == pytest.approx(said.std(), rel=0.05)
    half = deviation * math.sqrt(
        2 * (n * rho2 + 1) / (n**2 * rho2) * math.log(math.sqrt(n * rho2 + 1) / miss)
    )
    assert found.always_high == pytest.approx(found.difference + half)
    assert found.always_low == pytest.approx(found.difference - half)


def test_weights_that_change_with_the_season_do_not_deceive() -> None:
    random = np.random.default_rng(11)
    # in winter everybody buys more, and in winter the new arm has few
    winter = np.repeat([True, False], 3000)
    share = np.where(winter, 0.1, 0.8)
    treated = random.random(6000) < share
    values = 5.0 * winter + random.normal(size=6000)
    arms, weights = np.where(treated, "b", "a"), np.where(treated, share, 1 - share)
    naive = values[treated].mean() - values[~treated].mean()
    found = effect(arms, weights, values, "a", "b")
    assert naive < -2
    assert abs(found.difference) < 4 * (found.high - found.low) / 4  # type: ignore[operator]
    assert found.low < 0 < found.high  # type: ignore[operator]


def test_the_time_before_narrows_the_interval_as_much_as_it_explains() -> None:
    arms, weights, values, known = world(7, 5000, gain=0.2, before=0.75)
    plain, sharp = (
        effect(arms, weights, values, "a", "b"),
        effect(arms, weights, values, "a", "b", before=known),
    )
    assert sharp.explained == pytest.approx(0.75, abs=0.03)
    assert sharp.deviation / plain.deviation == pytest.approx(0.5, abs=0.03)
    # ordinary least squares with the arm and the time before
    design = np.column_stack([np.ones(5000), arms == "b", known])
    assert sharp.difference == pytest.approx(np.linalg.lstsq(design, values, rcond=None)[0][1], abs=0.01)


def test_a_time_before_that_says_nothing_changes_nothing() -> None:
    arms, weights, values, _ = world(9, 500)
    assert effect(arms, weights, values, "a", "b", before=np.ones(500)) == effect(
        arms, weights, values, "a", "b"
    )


@pytest.mark.parametrize("gain", [0.0, 0.15])
def test_looking_every_day_deceives_no_more_often_than_it_says(gain: float) -> None:
    worlds, missed, often = 200, 0, 0
    for seed in range(worlds):
        arms, weights, values, _ = world(1000 + seed, 2000, share=0.5, gain=gain)
        looks = [effect(arms[:n], weights[:n], values[:n], "a", "b") for n in range(200, 2001, 100)]
        missed += any(not x.always_low <= gain <= x.always_high for x in looks)  # type: ignore[operator]
        often += any(not x.low <= gain <= x.high for x in looks)  # type: ignore[operator]
    # 5% are allowed; a binomial of 200 is above 19 but once in a thousand times
    assert missed <= 19
    assert often > 30  # what the other interval is not for


def test_few_entities_have_no_interval_and_an_arm_without_any_is_refused() -> None:
    few = effect(["a"] * 50 + ["b"] * 29, [0.5] * 79, list(range(79)), "a", "b")
    assert (few.low, few.always_low, few.verdict) == (None, None, "open")
    with pytest.raises(ValueError, match="the arm b has no entity"):
        effect(["a"], [0.5], [1.0], "a", "b")
    for weight in (0.0, 1.5):
        with pytest.raises(ValueError, match="weight"):
            effect(["a", "b"], [0.5, weight], [1.0, 2.0], "a", "b")
    with pytest.raises(ValueError, match="expected as many"):
        effect(["a", "b"], [0.5], [1.0, 2.0], "a", "b")


def test_a_difference_that_is_there_is_found_and_said_with_its_sign() -> None:
    for gain, verdict in ((0.5, "higher"), (-0.5, "lower")):
        arms, weights, values, _ = world(13, 3000, gain=gain)
        assert effect(arms, weights, values, "a", "b").verdict == verdict


def test_as_many_entities_as_are_said_to_be_needed_find_the_difference_as_often_as_is_said() -> None:
    arms, weights, values, _ = world(17, 2000, share=0.5)
    said = power(effect(arms, weights, values, "a", "b"), days=20.0, wanted=0.2)
    # the textbook: n = (z + z)^2 * 4 variances / difference^2, for two arms of one size
    textbook = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) ** 2 * 4 / 0.2**2
    assert said.entities_needed == pytest.approx(textbook, rel=0.06)
    assert said.days_needed == 0.0
    more = power(effect(arms, weights, values, "a", "b"), days=20.0, wanted=0.05)
    assert more.days_needed == pytest.approx((more.entities_needed - 2000) / 100)  # type: ignore[operator]
    found = 0
    for seed in range(300):
        arms, weights, values, _ = world(5000 + seed, int(textbook), share=0.5, gain=0.2)
        found += effect(arms, weights, values, "a", "b").low > 0  # type: ignore[operator]
    assert pytest.approx(found, abs=28) == 0.8 * 300  # four standard errors


@pytest.mark.parametrize(("rate", "share"), [(0.05, 0.1), (0.02, 0.05)])
def test_a_small_arm_that_seldom_has_what_is_counted_deceives_no_more_often_than_it_says(
    rate: float, share: float
) -> None:
    deceived = 0
    for seed in range(100):
        random = np.random.default_rng(1000 + seed)
        treated = random.random(8000) < share
        arms, weights = np.where(treated, "b", "a"), np.where(treated, share, 1 - share)
        values = (random.random(8000) < rate).astype(float)
        looks = [n for n in np.geomspace(150, 8000, 14).astype(int) if {"a", "b"} <= set(arms[:n])]
        deceived += any(effect(arms[:n], weights[:n], values[:n], "a", "b").verdict != "open" for n in looks)
    # with each arm's own spread alone a fifth and a half of these worlds did
    assert deceived <= 5


def test_an_arm_that_has_none_of_it_yet_is_no_proof() -> None:
    arms = np.array(["a"] * 360 + ["b"] * 40)
    weights = np.where(arms == "a", 0.9, 0.1)
    values = np.zeros(400)
    values[:18] = 1.0  # one of twenty; of 40 that are none, one time in eight
    found = effect(arms, weights, values, "a", "b")
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0 < found.high
    assert found.verdict == "open"
