"""Means of what each row loses, with intervals that know which rows belong together."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from modelpack.outcomes.statistics.arrays import (
    CONFIDENCE,
    Clusters,
    Given,
    Numbers,
    binary,
    grouped,
    numbers,
    pair,
    quantile,
)


@dataclass(frozen=True)
class Figure:
    """A figure with its interval; the interval is None where the rows are too few to say."""

    value: float
    low: float | None = None
    high: float | None = None
    error: float | None = None
    """The standard error of `value`."""


def brier_losses(scores: Given, outcomes: Given) -> Numbers:
    """The squared difference of each probability from its outcome (Brier 1950)."""
    p, y = _probabilities(scores, outcomes)
    return np.asarray(np.square(p - y))


def log_losses(scores: Given, outcomes: Given) -> Numbers:
    """-log of the probability that each outcome was given.

    A probability of 0 or 1 counts as the nearest one that a double can tell from it, as in scikit-learn: one row
    that was sure and wrong would make the mean infinite.
    """
    p, y = _probabilities(scores, outcomes)
    least = np.finfo(np.float64).eps
    given = np.clip(np.where(y == 1.0, p, 1 - p), least, 1 - least)
    return np.asarray(-np.log(given))


def mean(losses: Given, clusters: Clusters = None, *, confidence: float = CONFIDENCE) -> Figure:
    """The mean of a value of each row, with a normal interval from the sums of the clusters.

    The variance is that of a ratio of cluster sums: rows of one entity may depend on each other in any way.
    """
    values = numbers(losses, "the values")
    groups = grouped(clusters, len(values))
    if not len(values):
        raise ValueError("there are no rows")
    value = float(values.mean())
    count = int(groups.max()) + 1
    if count < 2:
        return Figure(value)
    sums = np.bincount(groups, weights=values - value, minlength=count)
    error = sqrt(count / (count - 1) * float(np.square(sums).sum())) / len(values)
    reach = quantile(confidence) * error
    return Figure(value, value - reach, value + reach, error)


def root_mean_square(errors: Given, clusters: Clusters = None, *, confidence: float = CONFIDENCE) -> Figure:
    """The root of the mean square, in the unit of the values; the interval is that of the mean square, rooted."""
    square = mean(np.square(numbers(errors, "the errors")), clusters, confidence=confidence)
    if square.low is None or square.high is None or square.error is None:
        return Figure(sqrt(square.value))
    value = sqrt(square.value)
    return Figure(
        value,
        sqrt(max(square.low, 0.0)),
        sqrt(square.high),
        square.error / (2 * value) if value else 0.0,
    )


def _probabilities(scores: Given, outcomes: Given) -> tuple[Numbers, Numbers]:
    p, y = pair(scores, outcomes)
    binary(y)
    if len(p) and (p.min() < 0 or p.max() > 1):
        raise ValueError("the scores are no probabilities: some lie outside of 0 to 1")
    return p, y
