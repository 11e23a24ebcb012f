"""Walk over an estimator and everything it is made of."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from modelpack.packager.estimator.boosters import kind_of
from modelpack.packager.estimator.columns import is_missing


def parts(estimator: Any) -> Iterator[Any]:
    """The estimator and all scikit-learn estimators that it holds, each once."""
    seen: set[int] = set()
    pending: list[Any] = [estimator]
    while pending:
        thing = pending.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, BaseEstimator):
            yield thing
        if isinstance(thing, list | tuple | set):
            pending.extend(thing)
        elif isinstance(thing, dict):
            pending.extend(thing.values())
        elif isinstance(thing, np.ndarray) and thing.dtype == object:
            pending.extend(v for v in thing.ravel().tolist() if hasattr(v, "__dict__"))
        elif type(thing).__module__.partition(".")[0] == "sklearn" and hasattr(thing, "__dict__"):
            pending.extend(vars(thing).values())


def libraries(estimator: Any = None) -> dict[str, str]:
    """Name and version of the libraries that a score depends on, sorted by name.

    Those that define a part of the estimator, those that convert it, and those that run the result; without an
    estimator the last alone.
    """
    modules = {"numpy", "onnx", "onnxruntime"}
    if estimator is not None:
        modules |= {"sklearn", "skl2onnx"}
        for part in parts(estimator):
            modules |= {cls.__module__.partition(".")[0] for cls in type(part).__mro__}
            modules |= {"onnxmltools"} if kind_of(part) else set()
    owners = importlib.metadata.packages_distributions()
    names = {name for module in modules for name in owners.get(module, ())}
    return {name: importlib.metadata.version(name) for name in sorted(names, key=str.lower)}


def has_trees(estimator: Any) -> bool:
    """Whether any part decides by thresholds, where the last bit of an input matters."""
    return any(
        hasattr(p, "tree_") or hasattr(p, "_predictors") or hasattr(p, "bin_edges_") or kind_of(p)
        for p in parts(estimator)
    )


def compares_in_float64(part: Any) -> bool:
    """Whether it is a tree model that does not round its features to float32."""
    return hasattr(part, "_predictors") or kind_of(part) == "lightgbm"


def ranks_neighbours(estimator: Any) -> bool:
    """Whether any part scores by its nearest neighbours.

    Beyond 2^24 float64 itself cannot tell the neighbours of a row apart: their squared distances differ in digits
    that are rounded away, and which ones are nearest is chance.
    """
    return any(hasattr(p, "effective_metric_") for p in parts(estimator))


def missing_category(estimator: Any) -> Any:
    """How the fitted encoders and imputers know a missing text: None, or NaN (the default)."""
    for part in parts(estimator):
        if getattr(part, "missing_values", np.nan) is None:
            return None
        for categories in getattr(part, "categories_", None) or ():
            if any(c is None for c in np.asarray(categories, dtype=object)):
                return None
    return np.nan


def text_categories(estimator: Any) -> list[str]:
    """Every text that a fitted encoder knows, sorted."""
    known: set[str] = set()
    for part in parts(estimator):
        for categories in getattr(part, "categories_", None) or ():
            values = np.asarray(categories, dtype=object)
            known.update(c for c in values if isinstance(c, str) and not is_missing(c))
    return sorted(known)


def number_categories(estimator: Any) -> list[float]:
    """Every number that a fitted encoder knows, sorted."""
    known: set[float] = set()
    for part in parts(estimator):
        for categories in getattr(part, "categories_", None) or ():
            for value in np.asarray(categories, dtype=object):
                if not isinstance(value, str) and not is_missing(value):
                    known.add(float(value))
    return sorted(known)
