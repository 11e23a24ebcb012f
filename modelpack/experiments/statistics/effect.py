"""What an arm changes: the difference to another, with an interval for one look and one that holds at every look.

Entities come in the order in which they were assigned, each with the arm that it was given, the weight with which that was
drawn, and its value. The weights may have changed on the way: each entity counts by its own (inverse probability).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from modelpack.outcomes.statistics.arrays import CONFIDENCE, Given, Numbers, numbers, quantile

FEWEST = 30
"""Entities of each arm below which no interval is made: it would lean on a normal distribution that is not there yet."""
TIGHTEST = 2_000
"""Entities at which the sequence of intervals is narrowest beside the interval for one look."""


@dataclass(frozen=True)
class Effect:
    """The difference `treated - control` of the means of a value per entity.

    `low`, `high`: right with the stated confidence if looked at once, at a time chosen before. `always_low`,
    `always_high`: right with it however often, and whenever, somebody looks (a confidence sequence). None where an arm
    has too few entities.
    """

    control: float
    treated: float
    difference: float
    low: float | None
    high: float | None
    always_low: float | None
    always_high: float | None
    control_entities: int
    treated_entities: int
    entities: int
    deviation: float
    """Standard deviation of what one entity says of the difference."""
    explained: float
    """Share of the variance that the time before explains; 0 without it."""
    confidence: float = CONFIDENCE

    @property
    def verdict(self) -> str:
        """`higher` or `lower`: the treated arm, by the interval that holds at every look. Else `open`."""
        if self.always_low is None or self.always_high is None or self.always_low <= 0 <= self.always_high:
            return "open"
        return "higher" if self.always_low > 0 else "lower"


def effect(
    arms: Sequence[str] | npt.NDArray[np.str_],
    weights: Given,
    values: Given,
    control: str,
    treated: str,
    *,
    before: Given | None = None,
    confidence: float = CONFIDENCE,
) -> Effect:
    """Compare two arms. `before`: the same value over the time before the assignment, which lowers the variance (CUPED).

    The always-valid interval is the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas
    (2021), of inverse probability weighted differences. The adjustment is that of Deng, Xu, Kohavi and Walker (2013).
    Raises ValueError for weights outside (0, 1], and where an arm has no entity.
    """
    values_, weights_ = numbers(values, "the values"), numbers(weights, "the weights")
    names = np.asarray(arms)
    if not len(names) == len(values_) == len(weights_):
        raise ValueError(
            f"there are {len(names)} arms, {len(weights_)} weights and {len(values_)} values, expected as many"
        )
    if ((weights_ <= 0) | (weights_ > 1)).any():
        raise ValueError("a weight is not in (0, 1]")
    first, second = names == control, names == treated
    for arm, chosen in ((control, first), (treated, second)):
        if not chosen.any():
            raise ValueError(f"the arm {arm} has no entity")
    explained = 0.0
    if before is not None:
        adjusted = adjust(values_, numbers(before, "the values before"), names)
        total = _within(values_, names)
        explained = 1 - _within(adjusted, names) / total if total > 0 else 0.0
        values_ = adjusted
    inverse = 1 / weights_
    mean_control = float(np.average(values_[first], weights=inverse[first]))
    mean_treated = float(np.average(values_[second], weights=inverse[second]))
    # what each entity says of the difference; those of other arms say nothing, and count
    said = np.zeros(len(values_))
    said[second] = inverse[second] * (values_[second] - mean_treated)
    said[first] = -inverse[first] * (values_[first] - mean_control)
    entities = len(values_)
    # An arm that seldom has what is counted may have none of it yet, and would seem not to vary: it varies as both together at least
    pooled = float(
        np.average(np.square(said[first | second] / inverse[first | second]), weights=inverse[first | second])
    )
    deviation = sqrt(
        sum(
            max(float(np.square(said[arm]).sum()), pooled * float(np.square(inverse[arm]).sum()))
            for arm in (first, second)
        )
        / entities
    )
    difference = mean_treated - mean_control
    once = always = None
    if min(int(first.sum()), int(second.sum())) >= FEWEST and deviation > 0:
        once = quantile(confidence) * deviation / sqrt(entities)
        always = deviation * reach(entities, confidence)
    return Effect(
        mean_control,
        mean_treated,
        difference,
        *(_around(difference, once)),
        *(_around(difference, always)),
        int(first.sum()),
        int(second.sum()),
        entities,
        deviation,
        explained,
        confidence,
    )


def _around(value: float, reach: float | None) -> tuple[float | None, float | None]:
    return (None, None) if reach is None else (value - reach, value + reach)


def reach(entities: int, confidence: float, tightest: int = TIGHTEST) -> float:
    """How far the always-valid interval reaches to each side, in standard deviations of one entity."""
    miss = 1 - confidence
    spread = (-2 * log(miss) + log(-2 * log(miss)) + 1) / tightest
    grown = entities * spread + 1
    return sqrt(2 * grown / (entities**2 * spread) * log(sqrt(grown) / miss))


def adjust(values: Numbers, before: Numbers, arms: npt.NDArray[np.str_]) -> Numbers:
    """Values less what the time before explains of them; the slope is that within arms, so no effect is taken away."""
    centered, outcome = before.copy(), values.copy()
    for arm in np.unique(arms):
        mine = arms == arm
        centered[mine] -= before[mine].mean()
        outcome[mine] -= values[mine].mean()
    spread = float(centered @ centered)
    if spread == 0:
        return values
    return np.asarray(values - float(centered @ outcome) / spread * (before - before.mean()))


def _within(values: Numbers, arms: npt.NDArray[np.str_]) -> float:
    return float(sum(values[arms == arm].var() * (arms == arm).sum() for arm in np.unique(arms)))


@dataclass(frozen=True)
class Power:
    """What the experiment could see by now, and what it still needs."""

    detectable: float
    """The difference that it would find with `power`, looked at once, with the entities that there are."""
    wanted: float | None
    entities_needed: int | None
    days_needed: float | None
    """At the rate at which entities came so far; None where none came."""
    power: float


def power(
    found: Effect, days: float, *, wanted: float | None = None, power: float = 0.8, coming: int | None = None
) -> Power:
    """What is needed to find a difference of `wanted` (default: none asked for).

    `coming`: the entities that came in these days, those whose horizon has not passed included; default: those of `found`.
    """
    sum_of_quantiles = quantile(found.confidence) + NormalDist().inv_cdf(power)
    detectable = sum_of_quantiles * found.deviation / sqrt(found.entities) if found.entities else inf
    if wanted is None:
        return Power(detectable, None, None, None, power)
    if wanted == 0:
        raise ValueError("a difference of 0 cannot be looked for")
    needed = int(np.ceil((sum_of_quantiles * found.deviation / wanted) ** 2))
    missing = max(0, needed - found.entities)
    rate = (found.entities if coming is None else coming) / days if days > 0 else 0.0
    return Power(detectable, wanted, needed, missing / rate if rate else None, power)
