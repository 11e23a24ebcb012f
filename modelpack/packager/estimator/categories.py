"""What the fitted steps know of each column: categories of encoders, fill values of imputers, texts of vectorisers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from modelpack.errors import PackagingError
from modelpack.packager.estimator.columns import Column, is_missing
from modelpack.packager.signature import MISSING_TOKEN

MOST_CATEGORIES = 50_000
"""Categories of a column that a signature lists."""

_INDICES = "_transformer_to_input_indices"


def column_categories(estimator: Any, names: Sequence[str]) -> dict[str, frozenset[Any]]:
    """For each column that a fitted encoder reads as it is, the values that it knows, without the missing one."""
    known: dict[str, set[Any]] = {}
    for step, columns in steps_of(estimator, names):
        categories = getattr(step, "categories_", None)
        if isinstance(categories, list) and len(categories) == len(columns):
            for name, values in zip(columns, categories, strict=True):
                cells = np.asarray(values, dtype=object).tolist()
                known.setdefault(name, set()).update(v for v in cells if not is_missing(v))
    return {name: frozenset(values) for name, values in known.items()}


def text_columns(estimator: Any, names: Sequence[str]) -> frozenset[str]:
    """The columns that the estimator was fitted on as texts, as far as its steps tell."""
    texts = {
        n
        for n, values in column_categories(estimator, names).items()
        if any(isinstance(v, str) for v in values)
    }
    for step, columns in steps_of(estimator, names):
        if hasattr(step, "vocabulary_"):
            texts.update(columns)
        filled = getattr(step, "statistics_", None)
        if isinstance(filled, np.ndarray) and len(filled) == len(columns):
            texts.update(n for n, v in zip(columns, filled.tolist(), strict=True) if isinstance(v, str))
    return frozenset(texts)


def as_fitted(estimator: Any, columns: Sequence[Column], sample: pd.DataFrame) -> tuple[Column, ...]:
    """The columns, where those without any value in the sample are texts if the fitted steps say so."""
    texts = text_columns(estimator, [c.name for c in columns])
    return tuple(
        replace(c, type="text") if c.name in texts and sample[c.name].isna().all() else c for c in columns
    )


def with_categories(estimator: Any, columns: Sequence[Column], sample: pd.DataFrame) -> tuple[Column, ...]:
    """The columns of texts with those that the estimator knows: promoting a version asks which of a profile's it has seen."""
    known = column_categories(estimator, [c.name for c in columns])
    for column in columns:
        if isinstance(dtype := sample[column.name].dtype, pd.CategoricalDtype):
            known[column.name] = frozenset(dtype.categories)
    return tuple(knowing(c, known.get(c.name, frozenset())) for c in columns)


def knowing(column: Column, values: Collection[Any]) -> Column:
    """The column with the texts among the values, where it has any, and not too many for a signature."""
    texts = tuple(sorted(v for v in values if isinstance(v, str) and v != MISSING_TOKEN))
    few = len(texts) <= MOST_CATEGORIES and sum(map(len, texts)) <= 8 * MOST_CATEGORIES
    return replace(column, categories=texts) if texts and few and column.type == "text" else column


def check_types(estimator: Any, columns: Sequence[Column], sample: pd.DataFrame) -> None:
    """Raise PackagingError where the sample has numbers and the estimator's encoder knows texts, or the other way round."""
    known = column_categories(estimator, [c.name for c in columns])
    for column in columns:
        values = known.get(column.name, frozenset())
        present = [v for v in sample[column.name].tolist() if not is_missing(v)]
        if not present or {isinstance(v, str) for v in values} in (
            {True, False},
            set(),
            {column.type == "text"},
        ):
            continue
        here, there = ("texts", "numbers") if column.type == "text" else ("numbers", "texts")
        raise PackagingError(
            f"Column {column.name!r} of the sample holds {here} ({present[0]!r}), the model was fitted on {there} "
            f"({', '.join(repr(v) for v in sorted(values)[:3])}). Give a sample like the training data: a .parquet file "
            "keeps types and leading zeros, and modelpack training-set writes one."
        )


def steps_of(estimator: Any, names: Sequence[str]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Every step that is given columns of the sample, in their order, with their names."""
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps:
            yield from steps_of(step, names)
            if isinstance(step, ColumnTransformer | FeatureUnion) or hasattr(step, "vocabulary_"):
                return  # what comes behind it are other columns
    elif isinstance(estimator, ColumnTransformer):
        for name, step, _ in getattr(estimator, "transformers_", ()):
            at = getattr(estimator, _INDICES, {}).get(name, ())
            if all(n < len(names) for n in at):
                yield from steps_of(step, tuple(names[n] for n in at))
    elif isinstance(estimator, FeatureUnion):
        for _, step in estimator.transformer_list:
            yield from steps_of(step, names)
    elif isinstance(estimator, BaseEstimator):
        yield estimator, tuple(names)
        calibrated = [c.estimator for c in getattr(estimator, "calibrated_classifiers_", ())]
        # a search, a calibrator, a vote over whole pipelines
        for value in [*vars(estimator).values(), calibrated]:
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, Pipeline | ColumnTransformer | FeatureUnion):
                    yield from steps_of(part, names)
