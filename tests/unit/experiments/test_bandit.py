"""Weights that follow the results: what they gain, what they cost, and that they can be undone afterwards."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from modelpack.experiments.statistics import thompson, worth


def test_the_weight_is_the_probability_of_being_best() -> None:
    results = {"a": [1] * 30 + [0] * 70, "b": [1] * 38 + [0] * 62}
    best, _ = integrate.quad(lambda x: stats.beta(39, 63).pdf(x) * stats.beta(31, 71).cdf(x), 0, 1)
    found = thompson(results, floor=0.001)
    assert found["b"] == pytest.approx(0.001 + 0.998 * best, abs=0.015)
    assert sum(found.values()) == pytest.approx(1)


def test_no_weight_is_below_the_floor_and_floors_leave_something_to_decide() -> None:
    found = thompson({"a": [1] * 500, "b": [0] * 500}, floor=0.1)
    assert found == pytest.approx({"a": 0.9, "b": 0.1})
    with pytest.raises(ValueError, match=r"a floor of 0\.6 for each of 2 arms"):
        thompson({"a": [], "b": []}, floor=0.6)


def test_of_arms_that_nothing_is_known_of_each_has_as_much() -> None:
    for kind in ("binary", "number"):
        found = thompson({"a": [], "b": [], "c": []}, kind=kind)
        assert list(found.values()) == pytest.approx([1 / 3] * 3, abs=0.02)


def test_numbers_are_compared_by_their_means() -> None:
    random = np.random.default_rng(1)
    found = thompson(
        {"a": random.normal(10, 2, 300), "b": random.normal(11, 2, 300)}, kind="number", floor=0.05
    )
    assert found["b"] == pytest.approx(0.95, abs=0.01)


def play(
    seed: int, rates: list[tuple[float, float]], days: int, half_life: float | None, fixed: bool
) -> tuple[float, list[float]]:
    """A hundred entities a day, whose outcomes come a week later; the rates change to the second half way. The regret, and the share of b."""
    random = np.random.default_rng(seed)
    shares, regret, history = {"a": 0.5, "b": 0.5}, 0.0, []
    seen: list[tuple[int, str, int]] = []
    for day in range(days):
        now = dict(zip("ab", rates[0] if day < days / 2 else rates[1], strict=True))
        for arm in random.choice(list("ab"), size=100, p=[shares["a"], shares["b"]]):
            seen.append((day, str(arm), int(random.random() < now[str(arm)])))
            regret += max(now.values()) - now[str(arm)]
        settled = [x for x in seen if x[0] <= day - 7]
        if not fixed:
            shares = thompson(
                {arm: [x[2] for x in settled if x[1] == arm] for arm in "ab"},
                floor=0.05,
                ages={arm: [float(day - x[0]) for x in settled if x[1] == arm] for arm in "ab"},
                half_life=half_life,
                seed=day,
            )
        history.append(shares["b"])
    return regret, history


def test_it_costs_less_than_a_fixed_split_though_outcomes_come_late() -> None:
    rates = [(0.10, 0.20), (0.10, 0.20)]
    followed = [play(seed, rates, 40, None, fixed=False)[0] for seed in range(4)]
    split = [play(seed, rates, 40, None, fixed=True)[0] for seed in range(4)]
    assert np.mean(followed) < 0.6 * np.mean(split)


def test_a_world_that_changes_is_followed_where_old_outcomes_count_less() -> None:
    rates = [(0.10, 0.25), (0.25, 0.10)]
    _, history = play(7, rates, 80, 7.0, fixed=False)
    assert history[38] > 0.9
    assert history[-1] < 0.1


def test_what_the_weights_did_is_undone_by_them() -> None:
    """Inverse probability weighting: right on the average of many runs, and as uncertain as it says."""
    found, inside = [], 0
    for seed in range(300):
        random = np.random.default_rng(seed)
        share = np.repeat([0.9, 0.5, 0.1], 300)  # of b, which was tried less and less
        treated = random.random(900) < share
        # and everybody buys more and more
        values = (random.random(900) < np.repeat([0.1, 0.3, 0.5], 300)).astype(float)
        w = worth(np.where(treated, "b", "a"), np.where(treated, share, 1 - share), values, "b")
        found.append(w.value)
        inside += w.low <= 0.3 <= w.high
    assert np.mean(found) == pytest.approx(0.3, abs=4 * np.std(found) / 300**0.5)
    assert inside / 300 > 0.88


@pytest.mark.parametrize("half_life", [0.0, -3.0, float("nan"), float("inf")])
def test_a_half_life_that_is_none_is_refused(half_life: float) -> None:
    known = {"a": [1.0], "b": [0.0]}
    with pytest.raises(ValueError, match="a half-life of"):
        thompson(known, ages={"a": [1.0], "b": [1.0]}, half_life=half_life)


def test_an_arm_that_had_more_in_a_good_season_is_no_better_for_that() -> None:
    random = np.random.default_rng(21)
    # in summer everybody does more, and in summer the second arm was given to most; the arms are alike
    summer = np.repeat([False, True], 3000)
    share = np.where(summer, 0.9, 0.1)
    second = random.random(6000) < share
    did = (random.random(6000) < np.where(summer, 0.5, 0.2)).astype(float)
    results = {"a": did[~second], "b": did[second]}
    weights = {"a": 1 - share[~second], "b": share[second]}
    assert thompson(results)["b"] == pytest.approx(0.95)
    assert 0.05 < thompson(results, weights=weights)["b"] < 0.94
    # with steady weights nothing changes
    steady = {arm: np.full(len(found), 0.5) for arm, found in results.items()}
    assert thompson(results, weights=steady) == pytest.approx(thompson(results))


def test_weights_are_undone_as_often_as_is_said() -> None:
    better = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        summer = np.repeat([False, True], 500)
        share = np.where(summer, 0.8, 0.2)
        second = random.random(1000) < share
        did = (random.random(1000) < np.where(summer, 0.5, 0.2)).astype(float)
        better.append(
            thompson(
                {"a": did[~second], "b": did[second]},
                floor=0.001,
                weights={"a": 1 - share[~second], "b": share[second]},
            )["b"]
        )
    # of two arms that are alike, either is called the likely one half of the time
    assert 0.35 < np.mean(np.array(better) > 0.5) < 0.65
