"""Weights that follow what is known of the arms, and what such weights say afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
import numpy.typing as npt

from modelpack.outcomes.statistics.arrays import CONFIDENCE, Given, numbers, quantile

DRAWS = 20_000


def thompson(
    results: Mapping[str, Given],
    *,
    floor: float = 0.05,
    kind: str = "binary",
    weights: Mapping[str, Given] | None = None,
    ages: Mapping[str, Given] | None = None,
    half_life: float | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """The weight of each arm: how likely it is the best by what is settled, and never below `floor`.

    `results`: the settled outcomes of each arm, 0 and 1, or numbers (`kind="number"`). `ages` with `half_life`: older ones
    count less, so that a world that changes is followed. `weights`: those with which each entity was given its arm, by which it is
    weighed, since an arm that had more in a good season would seem to be good. Raises ValueError where the floors leave nothing to decide.
    """
    arms = list(results)
    if not 0 < floor * len(arms) <= 1:
        raise ValueError(
            f"a floor of {floor} for each of {len(arms)} arms, expected more than 0 and at most {1 / len(arms):.3f}"
        )
    if half_life is not None and not 0 < half_life < inf:
        raise ValueError(f"a half-life of {half_life} days, expected more than 0")
    random = np.random.default_rng(seed)
    draws = np.empty((len(arms), DRAWS))
    pooled = np.concatenate([numbers(results[arm], f"the outcomes of {arm}") for arm in arms])
    spread = float(pooled.std()) if len(pooled) > 1 else 1.0
    middle = float(pooled.mean()) if len(pooled) else 0.0
    for place, arm in enumerate(arms):
        found = numbers(results[arm], f"the outcomes of {arm}")
        counts = np.ones(len(found))
        if weights is not None and len(found):
            counts /= numbers(weights[arm], f"the weights of {arm}")
            # as many as say as much where all count alike (Kish)
            counts *= counts.sum() / np.square(counts).sum()
        if half_life is not None and ages is not None:
            counts *= 0.5 ** (numbers(ages[arm], f"the ages of {arm}") / half_life)
        if kind == "binary":
            ones = float(counts @ found)
            draws[place] = random.beta(1 + ones, 1 + float(counts.sum()) - ones, DRAWS)
        else:
            # a normal distribution that one entity from all arms together has a say in
            size = float(counts.sum()) + 1
            mean = (float(counts @ found) + middle) / size
            draws[place] = random.normal(mean, (spread or 1.0) / sqrt(size), DRAWS)
    best = np.bincount(draws.argmax(axis=0), minlength=len(arms)) / DRAWS
    return {
        arm: float(floor + (1 - floor * len(arms)) * share) for arm, share in zip(arms, best, strict=True)
    }


@dataclass(frozen=True)
class Worth:
    """What everybody would have given with one arm, by those who had it, each counted by its own weight."""

    value: float
    low: float
    high: float
    entities: int


def worth(
    arms: Sequence[str] | npt.NDArray[np.str_],
    weights: Given,
    values: Given,
    arm: str,
    *,
    confidence: float = CONFIDENCE,
) -> Worth:
    """Inverse probability weighting: without bias for any weights that were written down when they were drawn with."""
    values_, weights_ = numbers(values, "the values"), numbers(weights, "the weights")
    if ((weights_ <= 0) | (weights_ > 1)).any():
        raise ValueError("a weight is not in (0, 1]")
    said = np.where(np.asarray(arms) == arm, values_ / weights_, 0.0)
    if not len(said):
        raise ValueError("there is no entity")
    error = quantile(confidence) * float(said.std()) / sqrt(len(said))
    value = float(said.mean())
    return Worth(value, value - error, value + error, int((np.asarray(arms) == arm).sum()))
