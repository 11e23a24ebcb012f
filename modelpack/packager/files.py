"""Models and samples from files."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

from modelpack.errors import PackagingError


def load_model(path: str | Path) -> Any:
    """The estimator in a joblib (or pickle) file.

    Reading such a file **executes code** that its author chose: only open files of people who may run
    programs as you. Nothing of it ever reaches the database, which stores ONNX alone.

    Raises:
        PackagingError: no such file, no joblib file, a class that is not installed, or no estimator inside.
    """
    file = Path(path)
    if not file.is_file():
        raise PackagingError(f"There is no model file {file}: write one with joblib.dump(estimator, path).")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator = joblib.load(file)
    except (ModuleNotFoundError, AttributeError) as error:
        raise PackagingError(
            f"{file} needs something that is not here: {error}. "
            "Install the libraries that the model was fitted with, in the same versions."
        ) from error
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError, TypeError, OSError) as error:
        head = file.read_bytes()[:16]
        raise PackagingError(
            f"{file} is no model: it begins with {head!r}, "
            "a joblib file of a fitted scikit-learn estimator is expected (joblib.dump(estimator, path))."
        ) from error
    if not hasattr(estimator, "predict"):
        raise PackagingError(
            f"{file} holds a {type(estimator).__name__}, a fitted scikit-learn estimator is expected "
            "(joblib.dump(estimator, path))."
        )
    return estimator


def read_sample(path: str | Path) -> pd.DataFrame:
    """The rows of a .csv or .parquet file.

    Raises:
        PackagingError: no such file, another ending, or not readable as what its ending says.
    """
    file = Path(path)
    if not file.is_file():
        raise PackagingError(
            f"There is no sample file {file}: give a .csv or .parquet file of rows to be scored."
        )
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise PackagingError(f"The sample file is {file.name}: a .csv or .parquet file is expected.")
    try:
        return reader(file)
    except Exception as error:  # pandas and pyarrow raise many kinds
        raise PackagingError(f"{file} cannot be read as {file.suffix[1:]}: {error}") from error
