"""Which columns of a sample the estimator reads, and whether each is a number or a text."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from modelpack.errors import PackagingError
from modelpack.packager.estimator.boosters import kind_of
from modelpack.packager.signature import MISSING_TOKEN, Cell, InputType


@dataclass(frozen=True)
class Column:
    """A column that the estimator was fitted on, in the estimator's order."""

    name: str
    type: InputType
    analyzer: dict[str, Any] | None = None
    """How a text vectoriser reads it, where one does: see `modelpack.packager.texts`."""
    categories: tuple[str, ...] | None = None
    """The texts that the model knows in it, as far as that is known."""


Row = list[Cell]
"""Cells in the order of the estimator's columns: a float, a str, or None where missing."""


def model_columns(estimator: Any, sample: pd.DataFrame) -> tuple[Column, ...]:
    """The estimator's columns, typed by the sample.

    An estimator fitted on a data frame names them itself (`feature_names_in_`); other columns of the sample
    are ignored. One fitted on an array knows only how many there are: the sample then has exactly that many,
    in order.

    Raises:
        PackagingError: columns are missing, of the wrong number, or of a type that a model cannot take.
    """
    if not isinstance(sample, pd.DataFrame):
        raise PackagingError(f"The sample is a {type(sample).__name__}, a pandas.DataFrame is expected.")
    if len(sample) == 0:
        raise PackagingError("The sample has no rows: give some rows that the model is meant to score.")
    found = [str(c) for c in sample.columns]
    if len(set(found)) != len(found):
        raise PackagingError(f"The sample has the same column name twice: {', '.join(found)}.")
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        expected = [str(n) for n in names]
        if kind_of(first_step(estimator)) == "lightgbm":
            expected = _with_spaces(expected, found)
        missing = [n for n in expected if n not in found]
        if missing:
            raise PackagingError(
                f"The sample lacks the column(s) {', '.join(missing)}. "
                f"Expected: {', '.join(expected)}. Found: {', '.join(found)}."
            )
    else:
        count = 1 if reads_one_text(estimator) else getattr(estimator, "n_features_in_", None)
        if count is None:
            raise PackagingError(
                f"The {type(estimator).__name__} does not say how many inputs it has (n_features_in_): "
                "fit it first."
            )
        expected = found
        if count != len(expected):
            raise PackagingError(
                f"The model was fitted on an array of {count} column(s), the sample has {len(expected)}: "
                f"{', '.join(found)}. Give a sample with the model's columns alone, in their order."
            )
    return tuple(Column(name, column_type(sample[name])) for name in expected)


def first_step(estimator: Any) -> Any:
    """The step of a pipeline that columns go into first; an estimator that is none as it is."""
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[0][1]
    return estimator


def _with_spaces(expected: list[str], found: list[str]) -> list[str]:
    """Names that LightGBM wrote with an underscore for a space, as the sample has them."""
    spaced: dict[str, list[str]] = {}
    for name in found:
        spaced.setdefault(name.replace(" ", "_"), []).append(name)
    return [n if n in found or len(spaced.get(n, ())) != 1 else spaced[n][0] for n in expected]


def column_type(values: pd.Series[Any]) -> InputType:
    """`text` for strings, `number` for booleans and numbers.

    Raises:
        PackagingError: dates, mixtures and other objects.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        return column_type(pd.Series(values.cat.categories, name=values.name))
    if pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_numeric_dtype(values.dtype):
        if pd.api.types.is_complex_dtype(values.dtype):
            raise PackagingError(f"Column {values.name!r} holds complex numbers, which no model takes.")
        return "number"
    present = [v for v in values.tolist() if not is_missing(v)]
    if all(isinstance(v, str) for v in present):
        if MISSING_TOKEN in present:
            raise PackagingError(
                f"Column {values.name!r} holds the text {MISSING_TOKEN!r}, which stands for a missing text: "
                "replace it in the sample and in the training data."
            )
        return "number" if not present and not isinstance(values.dtype, pd.StringDtype) else "text"
    if all(isinstance(v, numbers.Real | Decimal | np.bool_) for v in present):
        return "number"
    kinds = sorted({type(v).__name__ for v in present})
    raise PackagingError(
        f"Column {values.name!r} holds {', '.join(kinds)}: a model's inputs are numbers or texts. "
        "Turn a date into a number of days, and a mixture into one type, before the model is fitted."
    )


def is_missing(value: object) -> bool:
    """None, NaN, pandas.NA and NaT."""
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return isinstance(value, float | np.floating) and math.isnan(value)


def reads_one_text(estimator: Any) -> bool:
    """Whether it was fitted on a series of texts: a vectoriser comes first, outside any ColumnTransformer."""
    while getattr(estimator, "steps", None):
        estimator = estimator.steps[0][1]
    union = getattr(estimator, "transformer_list", None) or ()
    return hasattr(estimator, "vocabulary_") or (len(union) > 0 and all(reads_one_text(s) for _, s in union))
