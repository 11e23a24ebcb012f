"""Two versions on the same rows: the difference, its interval, and what that says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np

from modelpack.outcomes.statistics.arrays import (
    CONFIDENCE,
    Clusters,
    Given,
    Numbers,
    Places,
    binary,
    grouped,
    numbers,
    pair,
    quantile,
)
from modelpack.outcomes.statistics.losses import mean
from modelpack.outcomes.statistics.ranking import components, covariance

ROUNDING = 1e-6
"""Differences that differ by less than that part of the largest loss are the same: what conversions and rounding do."""


@dataclass(frozen=True)
class Comparison:
    """A figure of two versions on the same rows. `difference` is `second - first`."""

    figure: str
    higher_is_better: bool
    first: float
    second: float
    difference: float
    low: float | None
    high: float | None
    bootstrap_low: float | None
    bootstrap_high: float | None
    """The same interval from resampled entities: it assumes no normal distribution, and should agree."""
    rows: int
    entities: int
    confidence: float = CONFIDENCE

    @property
    def verdict(self) -> str:
        """`better` or `worse` where both intervals leave out 0: the second version. Else `open`."""
        bounds = (self.low, self.high, self.bootstrap_low, self.bootstrap_high)
        known = [b for b in bounds if b is not None]
        if len(known) < len(bounds) or (min(known) <= 0 <= max(known)):
            return "open"
        return "better" if (min(known) > 0) == self.higher_is_better else "worse"

    def in_words(self, first: str, second: str) -> str:
        """One or two sentences, with the figures."""
        words = {"AUC": ("orders better than", "orders worse than")}
        better, worse = words.get(self.figure, ("is better than", "is worse than"))
        said = {"better": better, "worse": worse}.get(self.verdict)
        verdict = f"{second} {said} {first}" if said else f"{first} and {second} cannot be told apart"
        between = (
            "too few rows for an interval"
            if self.low is None or self.high is None
            else f"{self.confidence:.0%} interval {self.low:+.4f} to {self.high:+.4f}"
        )
        return (
            f"{verdict}: {self.figure} {self.second:.4f} against {self.first:.4f}, difference {self.difference:+.4f}, "
            f"{between}, on the same {self.rows:,} rows of {self.entities:,} entities."
        )


def compare_ranking(
    first: Given,
    second: Given,
    outcomes: Given,
    clusters: Clusters = None,
    *,
    confidence: float = CONFIDENCE,
    samples: int = 1000,
    seed: int = 1,
) -> Comparison:
    """The AUCs of two scores of the same rows: DeLong's interval of the difference, and one by resampled entities.

    An order without a fault does not vary in these rows, so nothing is known of how it would in others: there is no interval.
    Raises ValueError where the outcomes are all the same.
    """
    x, y = pair(first, outcomes)
    z, _ = pair(second, outcomes)
    binary(y)
    groups = grouped(clusters, len(y))
    parts = [components(x, y), components(z, y)]
    matrix = covariance(parts, y, groups)
    difference = parts[1][0] - parts[0][0]
    low = high = None
    if matrix is not None and all(0 < value < 1 for value, *_ in parts):
        variance = matrix[0, 0] + matrix[1, 1] - 2 * matrix[0, 1]
        reach = quantile(confidence) * sqrt(max(float(variance), 0.0))
        if np.array_equal(
            parts[0][1], parts[1][1]
        ):  # ordered alike; of either kind an entity may be unlike these
            reach = sum(unlike(len(np.unique(groups[y == kind])), confidence) for kind in (0, 1))
        low, high = difference - reach, difference + reach
    one, other = _Ordered(x, y), _Ordered(z, y)
    drawn = []
    for weights in _resampled(groups, samples, seed):
        a, b = one.auc(weights), other.auc(weights)
        if a is not None and b is not None:
            drawn.append(b - a)
    return Comparison(
        "AUC", True, parts[0][0], parts[1][0], difference, low, high,
        *_percentiles(drawn, confidence, int(groups.max()) + 1), len(y), int(groups.max()) + 1, confidence,
    )  # fmt: skip


def compare_losses(
    figure: str,
    first: Given,
    second: Given,
    clusters: Clusters = None,
    *,
    confidence: float = CONFIDENCE,
    samples: int = 1000,
    seed: int = 1,
    largest: float | None = None,
) -> Comparison:
    """The mean losses of two versions on the same rows, where less is better.

    Where the versions differ by the same in every row, see `unvaried`; `largest` is the largest loss that a row can have.
    """
    a, b = numbers(first, "the losses"), numbers(second, "the losses")
    if len(a) != len(b):
        raise ValueError(f"there are {len(a)} and {len(b)} losses, expected as many")
    off = mean(b - a, clusters, confidence=confidence)
    groups = grouped(clusters, len(a))
    count = int(groups.max()) + 1
    low, high = off.low, off.high
    if count > 1 and np.ptp(b - a) <= ROUNDING * max(a.max(), b.max()):
        low, high = unvaried(off.value, count, largest, confidence)
    sums, sizes = np.bincount(groups, weights=b - a), np.bincount(groups)
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(samples if count > 1 else 0):
        times = np.bincount(random.integers(0, count, count), minlength=count)
        drawn.append(float(times @ sums) / float(times @ sizes))
    return Comparison(
        figure, False, float(a.mean()), float(b.mean()), off.value, low, high,
        *_percentiles(drawn, confidence, count), len(a), count, confidence,
    )  # fmt: skip


def unlike(entities: int, confidence: float) -> float:
    """At most this share of all entities is unlike these, which are all alike (Clopper and Pearson 1934)."""
    return float(1 - ((1 - confidence) / 2) ** (1 / entities))


def unvaried(
    value: float, entities: int, largest: float | None, confidence: float
) -> tuple[float | None, float | None]:
    """The interval of a mean to which every entity gave the same, so that its variance is no guide.

    Others may be unlike these, each by no more than `largest`, either way. None where a loss has no largest value.
    """
    if largest is None:
        return None, None
    share = unlike(entities, confidence)
    return value - share * (largest + value), value + share * (largest - value)


class _Ordered:
    """Rows in the order of their scores, so that the AUC of each resample is two sums."""

    def __init__(self, scores: Numbers, outcomes: Numbers) -> None:
        self._order = np.argsort(scores, kind="stable")
        ordered = scores[self._order]
        self._starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self._ones = outcomes[self._order]

    def auc(self, weights: Numbers) -> float | None:
        """The AUC of rows that count `weights` times; None where these are all of one kind."""
        drawn = weights[self._order]
        ones = np.add.reduceat(drawn * self._ones, self._starts)
        zeros = np.add.reduceat(drawn * (1 - self._ones), self._starts)
        pairs = float(ones.sum()) * float(zeros.sum())
        if not pairs:
            return None
        below = np.cumsum(zeros) - zeros / 2
        return float(ones @ below) / pairs


def _resampled(groups: Places, samples: int, seed: int) -> Iterator[Numbers]:
    """How often each row counts in each resample: entities are drawn, with all of their rows."""
    random = np.random.default_rng(seed)
    count = int(groups.max()) + 1
    for _ in range(samples if count > 1 else 0):
        yield np.bincount(random.integers(0, count, count), minlength=count).astype(np.float64)[groups]


def _percentiles(drawn: list[float], confidence: float, entities: int) -> tuple[float | None, float | None]:
    if entities < 2 or len(drawn) < 100:
        return None, None
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
