"""What an estimator is made of."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from modelpack.packager.estimator.boosters import kind_of
from modelpack.packager.estimator.columns import is_missing


@dataclass(frozen=True)
class Anatomy:
    """What an estimator is made of, and what its parts know: read once, and handed on."""

    parts: tuple[Any, ...]
    """It and all scikit-learn estimators that it holds."""
    texts: tuple[str, ...]
    """What its encoders know, sorted."""
    numbers: tuple[float, ...]
    """Likewise."""
    words: tuple[str, ...]
    """Words and n-grams that its vectorisers know, sorted."""
    missing_text: Any
    """How its encoders and imputers know a missing text: None, or NaN (the default)."""
    ranks_neighbours: bool
    """Whether any part scores by its nearest neighbours. Beyond 2^24 float64 itself cannot tell the neighbours of a row
    apart: their squared distances differ in digits that are rounded away, and which ones are nearest is chance."""
    has_trees: bool
    """Whether any part decides by thresholds, where the last bit of an input matters."""


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
    names = {name for module in modules for name in _owners(module)}
    return {name: importlib.metadata.version(name) for name in sorted(names, key=str.lower)}


@cache
def _owners(module: str) -> tuple[str, ...]:
    """The installed distributions that a module belongs to.

    Most are called like their module; to look through all that are installed takes half a second.
    """
    with suppress(importlib.metadata.PackageNotFoundError):
        found = importlib.metadata.distribution({"sklearn": "scikit-learn"}.get(module, module))
        if Path(str(found.locate_file(module))).is_dir():
            return (found.metadata["Name"],)
    return tuple(_all_owners().get(module, ()))


@cache
def _all_owners() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def anatomy(estimator: Any) -> Anatomy:
    """Walk over the estimator once."""
    every = tuple(parts(estimator))
    texts, numbers = _categories(every)
    words = {w for p in every for w in getattr(p, "vocabulary_", None) or () if isinstance(w, str)}
    return Anatomy(
        parts=every,
        texts=texts,
        numbers=numbers,
        words=tuple(sorted(words)),
        missing_text=_missing_text(every),
        ranks_neighbours=any(hasattr(p, "effective_metric_") for p in every),
        has_trees=any(_is_tree(p) for p in every),
    )


def compares_in_float64(part: Any) -> bool:
    """Whether it is a tree model that does not round its features to float32."""
    return hasattr(part, "_predictors") or kind_of(part) == "lightgbm"


def _is_tree(part: Any) -> bool:
    known = any(hasattr(part, name) for name in ("tree_", "_predictors", "bin_edges_"))
    return known or kind_of(part) is not None


def _encoded(every: Iterable[Any]) -> Iterator[list[Any]]:
    """The categories of each column of each fitted encoder."""
    for part in every:
        for categories in getattr(part, "categories_", None) or ():
            yield np.asarray(categories, dtype=object).tolist()


def _missing_text(every: Iterable[Any]) -> Any:
    for part in every:
        if getattr(part, "missing_values", np.nan) is None or any(
            v is None for c in _encoded([part]) for v in c
        ):
            return None
    return np.nan


def _categories(every: Iterable[Any]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The texts and the numbers that fitted encoders know, sorted."""
    known = [value for categories in _encoded(every) for value in categories if not is_missing(value)]
    texts = {value for value in known if isinstance(value, str)}
    return tuple(sorted(texts)), tuple(sorted({float(v) for v in known if not isinstance(v, str)}))
