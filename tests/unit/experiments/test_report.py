"""What an experiment says where weights were 0 for a time, where entities are lost, and how long it still takes."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest

from modelpack.experiments.reading import Running, Values
from modelpack.experiments.report import Found, found, in_words
from modelpack.outcomes.statistics.arrays import quantile

NOW = datetime(2026, 10, 5, tzinfo=timezone.utc)


def running(*weights: dict[str, float], days: float = 30.0) -> Running:
    return Running(
        "winter", "public.customer", "churn", "churn", "binary", NOW, None, None, days, {"old": 1, "new": 2},
        list(weights), list(range(1, len(weights) + 1)), ["outcome"], NOW,
    )  # fmt: skip


def drawn(
    random: np.random.Generator, weights: list[dict[str, float]], sizes: list[int], level: list[float]
) -> Values:
    """Entities of several periods, each with its weights and its level of the value; arms have no effect."""
    arms, own, numbers, values = [], [], [], []
    for number, (share, size, mean) in enumerate(zip(weights, sizes, level, strict=True), 1):
        mine = np.where(random.random(size) < share["new"], "new", "old")
        arms.append(mine)
        own.append(np.where(mine == "new", share["new"], share["old"]))
        numbers.append(np.full(size, number))
        values.append(random.normal(mean, 1.0, size))
    count = sum(sizes)
    return Values(
        np.concatenate(arms), np.concatenate(own), np.concatenate(numbers), np.zeros(count), np.ones(count, bool),
        np.concatenate(values), np.full(count, np.nan),
    )  # fmt: skip


def told(weights: list[dict[str, float]], values: Values, **more: Any) -> Found:
    return found(running(*weights), values, values, "outcome", **more)


def test_entities_that_came_while_an_arm_was_given_to_nobody_are_not_compared() -> None:
    weights = [{"old": 0.5, "new": 0.5}, {"old": 1.0, "new": 0.0}]
    # the world is another one in the second period, in which everybody has the old arm
    values = drawn(np.random.default_rng(5), weights, [2000, 4000], [0.0, 2.0])
    result = told(weights, values)
    old, new = result.arms
    first = values.weightings == 1
    assert new.effect is not None
    assert new.effect.verdict == "open"
    difference = (
        values.value[values.arms == "new"].mean() - values.value[first & (values.arms == "old")].mean()
    )
    assert new.effect.difference == pytest.approx(difference)
    assert new.apart == 4000
    assert "4,000 entities that came while one of the two arms was given to nobody are left out" in in_words(
        running(*weights), new, "outcome"
    )
    # by hand: of those who could have had it, each counted by his weight
    assert new.worth is not None
    assert old.worth is not None
    assert new.worth.value == pytest.approx(values.value[values.arms == "new"].sum() / 0.5 / 2000)
    assert old.worth.value == pytest.approx(
        (values.value[first & (values.arms == "old")].sum() / 0.5 + values.value[~first].sum()) / 6000
    )


def test_an_arm_that_loses_those_who_do_badly_is_not_believed() -> None:
    weights = [{"old": 0.5, "new": 0.5}]
    values = drawn(np.random.default_rng(6), weights, [4000], [0.0])
    assert told(weights, values).balanced
    kept = values.value.copy()
    kept[(values.arms == "new") & (values.value < -1)] = np.nan  # their rows are gone
    lost = told(weights, Values(**{**vars(values), "value": kept}))
    assert lost.arms[1].effect is not None
    assert lost.arms[1].effect.verdict == "higher"
    assert lost.balance > 0.001 > lost.measured
    assert not lost.balanced


def test_those_who_wait_for_their_horizon_count_for_the_time_that_it_still_takes() -> None:
    weights = [{"old": 0.5, "new": 0.5}]
    values = drawn(np.random.default_rng(7), weights, [3100], [0.0])
    # 31 days of 100 entities each, with a horizon of 30: those of the first day are known
    waiting = Values(**{**vars(values), "ripe": np.arange(3100) < 100})
    result = found(running(*weights, days=31.0), waiting, waiting, "outcome", 0.2)
    power = result.arms[1].power
    assert power is not None
    assert power.entities_needed is not None
    # (1.96 + 0.84)^2 * 4 / 0.2^2, about 785 entities, as far as a hundred can tell
    assert power.entities_needed == pytest.approx((quantile(0.95) + quantile(0.6)) ** 2 * 4 / 0.04, rel=0.4)
    assert power.days_needed == pytest.approx((power.entities_needed - 100) / 100)


def test_arms_whose_values_are_all_the_same_are_not_said_to_be_too_few() -> None:
    weights = [{"old": 0.5, "new": 0.5}]
    values = drawn(np.random.default_rng(8), weights, [1000], [0.0])
    flat = Values(**{**vars(values), "value": np.zeros(1000)})
    assert "do not vary" in in_words(running(*weights), told(weights, flat).arms[1], "outcome")
