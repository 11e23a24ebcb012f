"""Whether scores are the probabilities that they claim to be.

CORP (Dimitriadis, Gneiting and Jordan 2021): the isotonic regression of the outcomes on the scores is what the scores
should have said, without a choice of bins; the Brier score falls apart into miscalibration, discrimination and uncertainty.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from modelpack.outcomes.statistics.arrays import CONFIDENCE, Given, Numbers, binary, pair, quantile


@dataclass(frozen=True)
class Calibration:
    """The Brier score in parts: `brier = miscalibration - discrimination + uncertainty`."""

    brier: float
    miscalibration: float
    """What the scores lose by not being the rates that follow them; 0 where they are."""
    discrimination: float
    """What they gain over saying the same of everybody, once calibrated. Also called resolution."""
    uncertainty: float
    """The Brier score of saying the overall rate of everybody."""
    steps: tuple[tuple[float, float, float, int], ...]
    """The reliability curve: lowest and highest score of each step, the rate that it should have said, and its rows."""


@dataclass(frozen=True)
class Bin:
    """Rows of neighbouring scores: what they said on average, and what came."""

    rows: int
    low: float
    high: float
    said: float
    came: float
    came_low: float
    came_high: float
    """Wilson's interval of `came`, for rows that stand alone."""


def isotonic(scores: Given, outcomes: Given) -> Numbers:
    """The isotonic (never falling) regression of outcomes on scores, for each row; equal scores get one value."""
    x, y = pair(scores, outcomes)
    starts, values, _ = _steps(x, y)
    places = np.searchsorted(starts, x, side="right") - 1
    return values[places]


def calibration(scores: Given, outcomes: Given) -> Calibration:
    """The parts of the Brier score, and the reliability curve. Raises ValueError where the scores are no probabilities."""
    x, y = pair(scores, outcomes)
    binary(y)
    if not len(x):
        raise ValueError("there are no rows")
    if x.min() < 0 or x.max() > 1:
        raise ValueError("the scores are no probabilities: some lie outside of 0 to 1")
    starts, values, counts = _steps(x, y)
    places = np.searchsorted(starts, x, side="right") - 1
    said = float(np.square(x - y).mean())
    should = float(np.square(values[places] - y).mean())
    base = float(np.square(y.mean() - y).mean())
    highest = np.full(len(starts), -np.inf)
    np.maximum.at(highest, places, x)
    steps = tuple(
        (float(a), float(b), float(v), int(c))
        for a, b, v, c in zip(starts, highest, values, counts, strict=True)
    )
    return Calibration(said, said - should, base - should, base, steps)


def _steps(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Pool adjacent violators: for each step its lowest score, its value, and its number of rows."""
    starts, inverse = np.unique(x, return_inverse=True)
    counts = np.bincount(inverse).astype(np.float64)
    sums = np.bincount(inverse, weights=y)
    # each a step of [place of its lowest score, sum, count]; a step merges with the one before while it is not above it
    first: list[int] = []
    total: list[float] = []
    size: list[float] = []
    for place, (s, c) in enumerate(zip(sums.tolist(), counts.tolist(), strict=True)):
        begin = place
        while first and total[-1] * c >= s * size[-1]:
            begin = first.pop()
            s += total.pop()
            c += size.pop()
        first.append(begin)
        total.append(s)
        size.append(c)
    return starts[first], np.asarray(total) / np.asarray(size), np.asarray(size)


def bins(scores: Given, outcomes: Given, count: int = 10, *, confidence: float = CONFIDENCE) -> list[Bin]:
    """Rows in order of their scores in about `count` bins of equal size; rows of equal scores are never parted."""
    x, y = pair(scores, outcomes)
    binary(y)
    if count < 1:
        raise ValueError(f"{count} bins, expected at least one")
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    # each border moves down to where its score begins
    wanted = np.round(np.arange(1, count) * len(x) / count).astype(int)
    borders = sorted({int(np.searchsorted(x, x[w], side="left")) for w in wanted if 0 < w < len(x)} - {0})
    z = quantile(confidence)
    found = []
    for a, b in zip([0, *borders], [*borders, len(x)], strict=True):
        n, came = b - a, float(y[a:b].mean()) if b > a else 0.0
        if not n:
            continue
        middle = (came + z * z / (2 * n)) / (1 + z * z / n)
        reach = z * sqrt(came * (1 - came) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        found.append(
            Bin(
                n, float(x[a]), float(x[b - 1]), float(x[a:b].mean()), came,
                max(0.0, middle - reach), min(1.0, middle + reach),
            )
        )  # fmt: skip
    return found
