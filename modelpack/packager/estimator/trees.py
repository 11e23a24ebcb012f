"""The trees inside an estimator: their thresholds, and how the columns of a row reach them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline

from modelpack.packager.estimator.anatomy import compares_in_float64
from modelpack.packager.estimator.boosters import SPARSE, kind_of, nodes_of
from modelpack.packager.estimator.columns import Row

Floats = npt.NDArray[np.float64]
Transform = Callable[[Sequence[Row]], Any]
"""Rows to the features that a step receives: a data frame, an array or a sparse matrix, [N, features]."""


@dataclass(frozen=True)
class Trees:
    """The nodes of one tree model, and what makes its features out of rows."""

    model: Any
    transform: Transform
    nodes: tuple[tuple[int, float], ...]
    """Feature and threshold of each deciding node."""
    casts: bool
    """Whether the trees round their features to float32 (all but histogram trees and LightGBM's do)."""


def tree_groups(estimator: Any, transform: Transform) -> Iterator[Trees]:
    """Every tree model inside the estimator."""
    nodes = _own_nodes(estimator)
    if nodes:
        yield Trees(estimator, transform, nodes, casts=not compares_in_float64(estimator))
        return
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps[:-1]:
            if step is not None and step != "passthrough":
                transform = _then(transform, step)
        yield from tree_groups(estimator.steps[-1][1], transform)
        return
    for attribute in ("best_estimator_", "estimator_", "regressor_", "classifier_"):
        if hasattr(estimator, attribute):
            yield from tree_groups(getattr(estimator, attribute), transform)
    for fitted in getattr(estimator, "calibrated_classifiers_", ()):
        yield from tree_groups(fitted.estimator, transform)
    features = getattr(estimator, "estimators_features_", None)
    for n, inner in enumerate(_members(estimator)):
        picked = transform if features is None else _picked(transform, features[n])
        yield from tree_groups(inner, picked)


def mark_sparse(estimator: Any, transform: Transform, rows: Sequence[Row]) -> None:
    """Note on XGBoost's estimators (a copy) that sparse matrices go into them: see `boosters.SPARSE`."""
    for trees in tree_groups(estimator, transform):
        if kind_of(trees.model) == "xgboost":
            setattr(trees.model, SPARSE, hasattr(trees.transform(rows), "toarray"))


def _members(estimator: Any) -> list[Any]:
    """The estimators that it is made of; gradient boosting keeps them as a matrix."""
    found = getattr(estimator, "estimators_", ())
    return found.ravel().tolist() if isinstance(found, np.ndarray) else list(found)


def _own_nodes(estimator: Any) -> tuple[tuple[int, float], ...]:
    if kind_of(estimator):
        return nodes_of(estimator)
    trees = []
    if hasattr(estimator, "tree_"):
        trees = [estimator.tree_]
    elif hasattr(estimator, "estimators_"):
        inner = _members(estimator)
        if (
            inner
            and not hasattr(estimator, "estimators_features_")
            and all(hasattr(e, "tree_") for e in inner)
        ):
            trees = [e.tree_ for e in inner]
    nodes = {
        (int(f), float(t))
        for tree in trees
        for f, t in zip(tree.feature, tree.threshold, strict=True)
        if f >= 0
    }
    for iteration in getattr(estimator, "_predictors", ()):
        for tree in iteration:
            inner_nodes = tree.nodes[tree.nodes["is_leaf"] == 0]
            nodes |= {(int(n["feature_idx"]), float(n["num_threshold"])) for n in inner_nodes}
    return tuple(sorted(nodes))


def _then(transform: Transform, step: Any) -> Transform:
    def run(rows: Sequence[Row]) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return step.transform(transform(rows))

    return run


def _picked(transform: Transform, features: Any) -> Transform:
    def run(rows: Sequence[Row]) -> Any:
        return matrix(transform(rows))[:, features]

    return run


def links(
    transform: Transform, rows: Sequence[Row], numbers: Sequence[int], rng: np.random.Generator
) -> dict[int, list[int]]:
    """Which number columns move which features of the trees."""
    found: dict[int, list[int]] = {}
    some = [list(rows[n]) for n in rng.integers(0, len(rows), 8)]
    try:
        before = matrix(transform(some))
        for c in numbers:
            low, high = value_range(rows, c)
            moved = []
            for row in some:
                value = row[c]
                up = not isinstance(value, float) or value < (low + high) / 2
                moved.append([*row[:c], high if up else low, *row[c + 1 :]])
            after = matrix(transform(moved))
            changed = ((before != after) & ~(np.isnan(before) & np.isnan(after))).any(axis=0)
            for feature in np.flatnonzero(changed):
                found.setdefault(int(feature), []).append(c)
    except Exception:  # preprocessing that refuses such a row: its features stay unknown
        return found
    return found


def value_range(rows: Sequence[Row], c: int) -> tuple[float, float]:
    """The range of a number column, widened by its own length on both sides; float32 numbers."""
    present = [v for row in rows if isinstance(v := row[c], float)]
    low, high = (min(present), max(present)) if present else (0.0, 1.0)
    span = max(high - low, 1e-6 * max(abs(low), abs(high)), 1e-30)
    return float(np.float32(low - span)), float(np.float32(high + span))


def matrix(values: Any) -> Floats:
    """Features as a dense float64 array."""
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values, dtype=np.float64)
