"""The outputs that are expected of a file, beside the rows that they are expected for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelpack.errors import PackagingError
from modelpack.packager.estimator.columns import is_missing
from modelpack.packager.sources.samples import manageable

_EXPECTED = "expected output"


def table(
    what: str, sample: pd.DataFrame, expected: str | Sequence[float] | pd.Series[Any] | None
) -> tuple[pd.DataFrame, npt.NDArray[np.float64]]:
    """The columns that may be inputs, and the expected outputs [rows].

    Args:
        what: the kind of the model, for messages: "An ONNX model".

    Raises:
        PackagingError: no outputs are expected, or not one of each row of the sample.
    """
    if expected is None:
        raise PackagingError(
            f"{what} comes without an estimator to compare with: give the outputs that are expected for the rows of the "
            "sample (--expected)."
        )
    if not isinstance(sample, pd.DataFrame) or len(sample) == 0:
        raise PackagingError("The sample is empty or no pandas.DataFrame: give some rows to be scored.")
    frame = sample.rename(columns=str).reset_index(drop=True)
    twice = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
    if twice:
        raise PackagingError(f"The sample has the same column name twice: {', '.join(twice)}.")
    if isinstance(expected, str):
        if expected not in frame.columns:
            raise PackagingError(
                f"The sample has no column {expected!r} with the expected outputs. "
                f"Found: {', '.join(map(str, frame.columns))}."
            )
        values, frame = frame[expected], frame.drop(columns=expected)
    else:
        values = pd.Series(np.ravel(np.asarray(expected, dtype=object)))
    if len(values) != len(frame):
        raise PackagingError(
            f"There are {len(values)} expected outputs for {len(frame)} rows: one number per row is expected."
        )
    try:
        wanted = np.array([np.nan if is_missing(v) else float(v) for v in values.tolist()], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PackagingError(f"An expected output is no number: {error}.") from error
    if not np.isfinite(wanted).any():
        raise PackagingError("No row has an expected output: nothing would be proven.")
    kept = manageable(frame.assign(**{_EXPECTED: wanted}))
    return kept.drop(columns=_EXPECTED), kept[_EXPECTED].to_numpy()
