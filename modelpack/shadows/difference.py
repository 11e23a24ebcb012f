"""How far two versions are from each other on the same rows: plain numpy, without a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Numbers: TypeAlias = npt.NDArray[np.float64]

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Rows whose difference lies from `low` up to `high`."""

    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class Difference:
    """`second - first`, over the rows for which both gave a score."""

    rows: int
    failed: int
    """Rows for which the second gave none."""
    mean: float
    absolute: float
    largest: float
    same: float
    """Share of rows with the very same score."""
    rank_correlation: float | None
    """Spearman's, ties by their middle rank; None where one version says the same of all."""
    threshold: float | None
    up: float
    """Share of rows that only the second puts at or above the threshold."""
    down: float
    """Share of rows that only the first does."""
    histogram: list[Bin]


def difference(
    first: Sequence[float] | npt.NDArray[Any],
    second: Sequence[float | None] | npt.NDArray[Any],
    threshold: float | None = None,
) -> Difference:
    """Hold two versions against each other. Raises ValueError where no row has both scores."""
    x = np.asarray(first, dtype=np.float64)
    y = np.array([np.nan if v is None else v for v in second], dtype=np.float64)
    if len(x) != len(y):
        raise ValueError(f"there are {len(x)} and {len(y)} scores, expected as many")
    known = np.isfinite(y)
    failed = int((~known).sum())
    x, y = x[known], y[known]
    if not len(x):
        raise ValueError("no row has a score of both versions")
    off = y - x
    bound = float(abs(off).max()) or 1.0
    counts, edges = np.histogram(off, bins=BINS, range=(-bound, bound))
    up = down = 0.0
    if threshold is not None:
        up = float(((y >= threshold) & (x < threshold)).mean())
        down = float(((y < threshold) & (x >= threshold)).mean())
    return Difference(
        len(x),
        failed,
        float(off.mean()),
        float(abs(off).mean()),
        float(abs(off).max()),
        float((off == 0).mean()),
        _correlation(ranks(x), ranks(y)),
        threshold,
        up,
        down,
        [Bin(float(a), float(b), int(n)) for a, b, n in zip(edges, edges[1:], counts, strict=False)],
    )


def ranks(values: Numbers) -> Numbers:
    """Ranks from 1; equal values share their middle one."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def _correlation(x: Numbers, y: Numbers) -> float | None:
    a, b = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale else None
