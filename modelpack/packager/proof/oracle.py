"""The estimator itself, asked row by row: the truth that a converted model is held against.

The estimator sees a data frame with the sample's own dtypes wherever the cells allow it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelpack.errors import ModelpackError, PackagingError
from modelpack.packager.estimator.columns import Column, Row, is_missing, reads_one_text
from modelpack.packager.estimator.output import Target
from modelpack.packager.signature import Cell


class Scorer(Protocol):
    """Whoever can be asked for the true scores of rows."""

    def scores(self, rows: Sequence[Row]) -> tuple[npt.NDArray[np.float64], dict[int, str]]:
        """Scores as float64 [N], NaN where there is none, with a reason each."""


def ask(
    rows: Sequence[Row], call: Callable[[Sequence[Row]], npt.NDArray[np.float64]], whose: str
) -> tuple[npt.NDArray[np.float64], dict[int, str]]:
    """Scores as float64 [N], all in one call where it raises nothing; NaN for the rows that it refuses.

    Args:
        whose: who scores, for the reasons.
    """
    result = np.full(len(rows), np.nan)
    reasons: dict[int, str] = {}
    pending = [(0, len(rows))] if rows else []
    while pending:
        start, stop = pending.pop()
        try:
            result[start:stop] = call(rows[start:stop])
        except Exception as error:  # whatever an estimator raises is its way of refusing the rows
            if stop - start == 1:
                said = _first_line(error)
                reasons[start] = (
                    said if isinstance(error, ModelpackError) else f"{type(error).__name__}: {said}"
                )
            else:
                middle = (start + stop) // 2
                pending += [(start, middle), (middle, stop)]
    for n in np.flatnonzero(~np.isfinite(result)):
        reasons.setdefault(int(n), f"{whose}'s own result is {result[n]}")
        result[n] = np.nan
    return result, reasons


class Oracle:
    """Scores rows with the estimator; a row that the estimator refuses has no score (NaN) but a reason."""

    def __init__(
        self, estimator: Any, columns: Sequence[Column], sample: pd.DataFrame, target: Target
    ) -> None:
        self._estimator = estimator
        self._columns = tuple(columns)
        self._dtypes = {c.name: sample[c.name].dtype for c in columns}
        self._target = target
        self._named = hasattr(estimator, "feature_names_in_")
        self._one_text = reads_one_text(estimator)
        self._markers = {c.name: _missing_marker(sample[c.name]) for c in columns}
        self._objects = {
            c.name: {float(v): v for v in sample[c.name].tolist() if not is_missing(v)}
            for c in columns
            if c.type == "number" and sample[c.name].dtype == object
        }
        """Columns of Python objects (booleans beside None, decimals): what a number is in them. An encoder that was
        fitted on them cannot compare them with NumPy's numbers."""

    def set_marker(self, name: str, marker: Any) -> None:
        """What a missing text of this column looks like to the estimator: None, or NaN."""
        self._markers[name] = marker

    def frame(self, rows: Sequence[Row]) -> pd.DataFrame:
        """The rows as the estimator's data frame."""
        data: dict[str, Any] = {}
        for c, column in enumerate(self._columns):
            cells = [row[c] for row in rows]
            data[column.name] = self._series(column, cells)
        return pd.DataFrame(data)

    def _series(self, column: Column, cells: list[Cell]) -> pd.Series[Any]:
        dtype = self._dtypes[column.name]
        if column.type == "number":
            values = np.array([np.nan if v is None else float(v) for v in cells], dtype=np.float64)
            if isinstance(dtype, pd.CategoricalDtype):
                categories = {float(c): c for c in dtype.categories}
                return pd.Series([categories.get(v) for v in values], dtype=dtype)
            if (known := self._objects.get(column.name)) is not None:
                marker = self._markers[column.name]
                return pd.Series([marker if np.isnan(v) else known.get(v, v) for v in values], dtype=object)
            return pd.Series(values)
        marked = [self._markers[column.name] if v is None else v for v in cells]
        if isinstance(dtype, pd.CategoricalDtype):
            new = sorted({str(v) for v in cells if v is not None} - set(dtype.categories))
            return pd.Series(pd.Categorical(cells, categories=[*dtype.categories, *new]))
        if isinstance(dtype, pd.StringDtype):
            return pd.Series([None if v is None else v for v in cells], dtype=dtype)
        return pd.Series(marked, dtype=object)

    def scores(self, rows: Sequence[Row]) -> tuple[npt.NDArray[np.float64], dict[int, str]]:
        """Scores as float64 [N], NaN where the estimator refuses the row, with a reason each."""
        return ask(rows, self._call, "the estimator")

    def inputs(self, rows: Sequence[Row]) -> Any:
        """What the estimator is called with: a data frame, or an array where it was fitted on one."""
        frame = self.frame(rows)
        if self._named:
            return frame
        if self._one_text:
            return frame.iloc[:, 0]
        text = any(c.type == "text" for c in self._columns)
        return frame.to_numpy(dtype=object if text else np.float64)

    def _call(self, rows: Sequence[Row]) -> npt.NDArray[np.float64]:
        inputs = self.inputs(rows)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = getattr(self._estimator, self._target.method)(inputs)
            if isinstance(found, list):  # the probabilities of several outputs
                found = found[self._target.of or 0]
            values = np.asarray(found, dtype=np.float64)
        if values.ndim == 2 and self._target.index is not None:
            values = values[:, self._target.index]
        values = values.reshape(-1) * self._target.sign
        if len(values) != len(rows):
            raise PackagingError(
                f"The estimator gives {len(values)} values for {len(rows)} rows: one score per row is expected."
            )
        return values


def rows_of(sample: pd.DataFrame, columns: Sequence[Column]) -> list[Row]:
    """The sample's cells in the order of the columns: float, str or None."""
    cells: list[list[Cell]] = []
    for column in columns:
        values = sample[column.name].tolist()
        if column.type == "number":
            cells.append([None if is_missing(v) else float(v) for v in values])
        else:
            cells.append([None if is_missing(v) else str(v) for v in values])
    return [list(row) for row in zip(*cells, strict=True)]


def float32_row(row: Row) -> Row:
    """The row as the server sends it: every number rounded to float32."""
    with np.errstate(over="ignore"):
        return [float(np.float32(v)) if isinstance(v, float) else v for v in row]


def _missing_marker(values: pd.Series[Any]) -> Any:
    if values.dtype == object and any(v is None for v in values):
        return None
    return np.nan


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else ""
