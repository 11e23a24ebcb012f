"""How well scores order outcomes of 0 and 1: AUC, average precision, lift.

The AUC's variance is that of DeLong, DeLong and Clarke-Pearson (1988), computed by midranks as in Sun and Xu (2014);
where rows of one entity belong together, with the sums of Obuchowski (1997), which are the same where each stands alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, floor, log, sqrt

import numpy as np

from modelpack.outcomes.statistics.arrays import (
    CONFIDENCE,
    Clusters,
    Given,
    Numbers,
    Places,
    binary,
    grouped,
    pair,
    quantile,
)
from modelpack.outcomes.statistics.losses import Figure


@dataclass(frozen=True)
class Lift:
    """The share `k` of rows with the highest scores: what they hold of the ones."""

    k: float
    rows: int
    rate: float
    """Share of ones among these rows."""
    lift: float
    """Their rate divided by that of all rows."""
    gain: float
    """Their part of all ones."""


def midranks(values: Numbers) -> Numbers:
    """Ranks from 1; equal values share the mean of theirs."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sizes = np.diff(np.r_[first, len(values)])
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(first + (sizes + 1) / 2, sizes)
    return ranks


def components(scores: Numbers, positive: Numbers) -> tuple[float, Numbers]:
    """The AUC, and for each row the share of rows of the other kind that it is ordered rightly against.

    An equal score counts half. The components of the ones and of the zeros have the AUC as their mean.
    """
    ones = positive == 1.0
    m, n = int(ones.sum()), int((~ones).sum())
    if not m or not n:
        raise ValueError("the outcomes are all the same, so there is nothing to order")
    everywhere = midranks(scores)
    found = np.empty(len(scores))
    found[ones] = (everywhere[ones] - midranks(scores[ones])) / n
    found[~ones] = 1 - (everywhere[~ones] - midranks(scores[~ones])) / m
    return float(found[ones].mean()), found


def covariance(parts: Sequence[tuple[float, Numbers]], positive: Numbers, groups: Places) -> Numbers | None:
    """The covariance matrix of the AUCs of several scores of the same rows; None where there are too few to tell."""
    ones = positive == 1.0
    m, n = int(ones.sum()), int((~ones).sum())
    count = int(groups.max()) + 1
    with_ones = len(np.unique(groups[ones]))
    with_zeros = len(np.unique(groups[~ones]))
    if with_ones < 2 or with_zeros < 2:
        return None
    above = np.empty((len(parts), count))
    below = np.empty((len(parts), count))
    for place, (value, found) in enumerate(parts):
        off = found - value
        above[place] = np.bincount(groups, weights=np.where(ones, off, 0.0), minlength=count)
        below[place] = np.bincount(groups, weights=np.where(ones, 0.0, off), minlength=count)
    own = above @ above.T * (with_ones / (with_ones - 1)) / m**2
    other = below @ below.T * (with_zeros / (with_zeros - 1)) / n**2
    both = above @ below.T * (count / (count - 1)) / (m * n)
    return np.asarray(own + other + both + both.T)


def auc(
    scores: Given, outcomes: Given, clusters: Clusters = None, *, confidence: float = CONFIDENCE
) -> Figure:
    """The area under the ROC curve: how often a one has a higher score than a zero, with its interval.

    The interval is normal on the logit scale, so that it stays within 0 and 1 and covers near them, too. There is none
    where the order is perfect, or where all ones or all zeros are of one entity: the rows then show no variance.
    Raises ValueError where the outcomes are all the same.
    """
    x, y = pair(scores, outcomes)
    binary(y)
    part = components(x, y)
    value = part[0]
    matrix = covariance([part], y, grouped(clusters, len(x)))
    if matrix is None or not 0 < value < 1 or matrix[0, 0] <= 0:
        return Figure(value)
    error = sqrt(matrix[0, 0])
    reach = quantile(confidence) * error / (value * (1 - value))
    middle = log(value / (1 - value))
    return Figure(value, _logistic(middle - reach), _logistic(middle + reach), error)


def _logistic(x: float) -> float:
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))


def average_precision(scores: Given, outcomes: Given) -> float:
    """The mean over the ones of the share of ones among the rows that score at least as high (no interpolation).

    Raises ValueError where no outcome is 1.
    """
    x, y = pair(scores, outcomes)
    ones = binary(y)
    if not ones.any():
        raise ValueError("no outcome is 1")
    ends, hits = _downwards(x, y)
    precision = hits / ends
    return float((np.diff(np.r_[0.0, hits]) * precision).sum() / hits[-1])


def lift(scores: Given, outcomes: Given, k: float) -> Lift:
    """What the rows with the highest scores hold, of which there are the share `k`, at least one.

    Where rows of equal scores stand on the border, those inside hold as many ones as they would on average. Raises
    ValueError where no outcome is 1, or `k` is no share.
    """
    x, y = pair(scores, outcomes)
    ones = binary(y)
    if not 0 < k <= 1:
        raise ValueError(f"{k} is no share of the rows, expected one above 0 and at most 1")
    if not ones.any():
        raise ValueError("no outcome is 1")
    ends, hits = _downwards(x, y)
    rows = max(1, floor(k * len(x) + 1e-9))
    held = float(np.interp(rows, np.r_[0.0, ends], np.r_[0.0, hits]))
    total = float(hits[-1])
    return Lift(k, rows, held / rows, held / rows * len(x) / total, held / total)


def _downwards(scores: Numbers, outcomes: Numbers) -> tuple[Numbers, Numbers]:
    """From the highest score down, at the end of each run of equal ones: how many rows, and how many ones among them."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    return (ends + 1).astype(np.float64), np.cumsum(outcomes[order])[ends]
