"""What the figures have in common: arrays, clusters, and the normal quantile."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Numbers: TypeAlias = npt.NDArray[np.float64]
Places: TypeAlias = npt.NDArray[np.int64]
Given: TypeAlias = Sequence[float] | npt.NDArray[Any]
Clusters: TypeAlias = Sequence[Any] | npt.NDArray[Any] | None

CONFIDENCE = 0.95


def numbers(values: Given, what: str) -> Numbers:
    """Values as float64. Raises ValueError for what is not finite."""
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1:
        raise ValueError(f"{what} have {found.ndim} dimensions, expected one")
    if not np.isfinite(found).all():
        raise ValueError(f"{what} hold NaN or infinity, expected numbers")
    return found


def pair(scores: Given, outcomes: Given) -> tuple[Numbers, Numbers]:
    """Scores with their outcomes. Raises ValueError where their number differs."""
    first, second = numbers(scores, "the scores"), numbers(outcomes, "the outcomes")
    if len(first) != len(second):
        raise ValueError(f"there are {len(first)} scores and {len(second)} outcomes, expected as many")
    return first, second


def binary(outcomes: Numbers) -> npt.NDArray[np.bool_]:
    """Which outcomes are 1. Raises ValueError for any that is neither 0 nor 1."""
    if not np.isin(outcomes, (0.0, 1.0)).all():
        raise ValueError("the outcomes hold other values than 0 and 1")
    return np.asarray(outcomes == 1.0)


def grouped(clusters: Clusters, rows: int) -> Places:
    """The number of each row's cluster, from 0; without clusters each row is its own."""
    if clusters is None:
        return np.arange(rows)
    if len(clusters) != rows:
        raise ValueError(f"there are {len(clusters)} clusters and {rows} rows, expected as many")
    return np.unique(np.asarray(clusters), return_inverse=True)[1].astype(np.int64)


def quantile(confidence: float) -> float:
    """How many standard errors an interval of this confidence reaches to each side."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
