"""Thresholds of histogram trees behind preprocessing, moved so that rounding the inputs does no harm.

The thresholds of scikit-learn's histogram trees and of XGBoost's often are values of the training data: `x <= t`
holds with equality for many rows. Behind a scaler s, the server's `s(float32(x))` is then on the wrong side half of
the time. Just as the nearest float32 of a threshold is right for raw inputs, the threshold that is right for
scaled ones lies between `s(v)` and `s(w)`, where v is the nearest float32 of the largest x with `s(x) <= t`,
and w the float32 above v. (Of XGBoost, which asks `x < t`: w is the nearest float32 of the smallest x that
goes right, and v the one below.) Their middle also forgives the last bits in which ONNX may compute s differently.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from modelpack.packager.conversion.boosters import SETTLED
from modelpack.packager.estimator.boosters import kind_of
from modelpack.packager.estimator.columns import Column, Row
from modelpack.packager.estimator.trees import (
    Floats,
    Transform,
    Trees,
    links,
    matrix,
    tree_groups,
    value_range,
)

_SEED = 3


def settle(estimator: Any, transform: Transform, columns: Sequence[Column], rows: Sequence[Row]) -> Any:
    """A copy of the estimator with settled thresholds; the estimator itself where there is nothing to do.

    Args:
        transform: rows to what the estimator is called with.
        rows: rows that the estimator scores.
    """
    if not any(_behind_preprocessing(t, transform) for t in tree_groups(estimator, transform)):
        return estimator
    settled = copy.deepcopy(estimator)
    numbers = [c for c, column in enumerate(columns) if column.type == "number"]
    for trees in tree_groups(settled, transform):
        if _behind_preprocessing(trees, transform):
            moved_by = links(trees.transform, rows, numbers, np.random.default_rng(_SEED))
            _settle(trees, {feature: c for feature, (c, *others) in moved_by.items() if not others}, rows)
    return settled


def _behind_preprocessing(trees: Trees, transform: Transform) -> bool:
    at_values = hasattr(trees.model, "_predictors") or kind_of(trees.model) == "xgboost"
    return at_values and trees.transform is not transform


def _settle(trees: Trees, column_of: Mapping[int, int], rows: Sequence[Row]) -> None:
    """Bisect the thresholds of all features at once: a call costs much the same for one row and for hundreds.

    Args:
        column_of: the number column that moves a feature, for those that one alone moves.
    """
    nodes = sorted((f, t) for f, t in trees.nodes if f in column_of and np.isfinite(t))
    if not nodes:
        return
    features, thresholds = np.array([f for f, _ in nodes]), np.array([t for _, t in nodes])
    columns = [column_of[f] for f, _ in nodes]
    bases = {c: next((row for row in rows if row[c] is not None), rows[0]) for c in columns}
    ranges = {c: value_range(rows, c) for c in bases}

    def value(at: Floats) -> Floats:
        moved = [
            [*bases[c][:c], float(x), *bases[c][c + 1 :]] for c, x in zip(columns, at.tolist(), strict=True)
        ]
        return np.asarray(matrix(trees.transform(moved))[np.arange(len(moved)), features], dtype=np.float64)

    def goes_left(at: Floats) -> npt.NDArray[np.bool_]:
        values = value(at)
        return np.asarray((values.astype(np.float32) if trees.casts else values) <= thresholds)

    low, high = (np.array([ranges[c][side] for c in columns]) for side in (0, 1))
    span = high - low
    below, above = low - 10 * span, high + 10 * span
    within = goes_left(below) & ~goes_left(above)
    lower, upper = _ordered(below), _ordered(above)
    # until the nearest float32 is the same of both; not by their difference, which may overflow
    while ((lower + 1 < upper) & (_float32(lower) != _float32(upper))).any():
        middle = (lower >> 1) + (upper >> 1) + (lower & upper & 1)
        left = goes_left(_number(middle))
        lower, upper = np.where(left, middle, lower), np.where(left, upper, middle)
    if trees.casts:  # XGBoost asks x < t, so that the value of the training data goes right
        following = _float32(upper)
        nearest = np.nextafter(following, np.float32(-np.inf))
    else:
        nearest = _float32(lower)
        following = np.nextafter(nearest, np.float32(np.inf))
    at, after = value(nearest.astype(np.float64)), value(following.astype(np.float64))
    settled = {
        node: float((a + b) / 2)
        for node, a, b, fine in zip(nodes, at, after, within & (at < after), strict=True)
        if fine
    }
    if trees.casts:
        setattr(trees.model, SETTLED, getattr(trees.model, SETTLED, {}) | settled)
        return
    for iteration in trees.model._predictors:
        for tree in iteration:
            for node in tree.nodes:
                if not node["is_leaf"]:
                    known = (int(node["feature_idx"]), float(node["num_threshold"]))
                    node["num_threshold"] = settled.get(known, node["num_threshold"])


def _ordered(values: Floats) -> npt.NDArray[np.int64]:
    """Float64 numbers as integers in the same order, neighbours one apart."""
    bits = values.view(np.int64)
    return np.where(bits >= 0, bits, np.int64(-(2**63)) - bits)


def _number(keys: npt.NDArray[np.int64]) -> Floats:
    bits = np.where(keys >= 0, keys, np.int64(-(2**63)) - keys)
    return bits.astype(np.int64).view(np.float64)


def _float32(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return _number(keys).astype(np.float32)
