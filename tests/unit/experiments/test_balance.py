"""Whether entities were split as the weights say: the test's definition, its errors, and its alarms."""

from __future__ import annotations

from math import exp, lgamma, log

import numpy as np
import pytest

from modelpack.experiments.statistics import ALARM, balance

WEIGHTS = [{"a": 0.7, "b": 0.3}]


def draw(seed: int, rows: int, share: float) -> list[str]:
    return ["b" if x < share else "a" for x in np.random.default_rng(seed).random(rows)]


def test_it_is_the_largest_bayes_factor_on_the_way() -> None:
    arms = draw(1, 400, 0.5)

    def factor(n: int) -> float:
        """Dirichlet-multinomial against multinomial, written out."""
        counts = {arm: arms[:n].count(arm) for arm in "ab"}
        prior = {arm: 100 * WEIGHTS[0][arm] for arm in "ab"}
        found = lgamma(100) - lgamma(100 + n)
        for arm in "ab":
            found += (
                lgamma(prior[arm] + counts[arm]) - lgamma(prior[arm]) - counts[arm] * log(WEIGHTS[0][arm])
            )
        return found

    assert balance(arms, WEIGHTS) == pytest.approx(
        min(1.0, exp(-max(0.0, *(factor(n) for n in range(1, 401)))))
    )


def test_a_right_split_raises_an_alarm_no_more_often_than_it_may() -> None:
    found = [balance(draw(seed, 3000, 0.3), WEIGHTS) for seed in range(400)]
    assert sum(p < 0.05 for p in found) <= 35  # 20 are allowed
    assert sum(p < ALARM for p in found) <= 3


def test_a_wrong_split_is_found() -> None:
    assert balance(draw(2, 20_000, 0.32), WEIGHTS) < ALARM
    # one that was right for long is found, too
    assert balance([*draw(3, 5000, 0.3), *draw(4, 5000, 0.4)], WEIGHTS) < ALARM


def test_each_period_has_its_own_weights() -> None:
    arms = [*draw(5, 4000, 0.3), *draw(6, 4000, 0.6)]
    period = [0] * 4000 + [1] * 4000
    assert balance(arms, [*WEIGHTS, {"a": 0.4, "b": 0.6}], period) > 0.05
    assert balance(arms, [*WEIGHTS, {"a": 0.6, "b": 0.4}], period) < ALARM


def test_an_arm_that_had_no_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="the arm b had no weight"):
        balance(["a", "b"], [{"a": 1.0, "b": 0.0}])
