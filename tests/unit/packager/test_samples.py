"""Texts in .csv files: what a training set writes, and what a sample is read as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from modelpack import DeclarationError
from modelpack.cli.training import _to_csv
from modelpack.errors import PackagingError
from modelpack.packager import package, read_sample

WORDS = st.sampled_from(
    ["DE", "NA", "N/A", "null", "NULL", "None", "nan", "NaN", "", " ", "#N/A", "<NA>", "01234", "7", "1.0", "1e3", "True",
     "false", "inf", "a,b", 'say "x"', "two\nlines", "car\rriage", "\r\n", "tab\t", " DE ", "Ünï", "-", "0x1F", "1_000"]
)  # fmt: skip


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.none() | WORDS, min_size=1, max_size=6))
def test_a_training_set_that_is_written_as_csv_is_read_by_pandas_as_it_was(
    tmp_path: Path, words: list[str | None]
) -> None:
    frame = pd.DataFrame({"customer_id": range(len(words)), "word": words, "n": 0.1, "label": True})
    file = tmp_path / "train.csv"
    file.unlink(missing_ok=True)
    refused = _refusal(frame, file)
    if refused:
        assert "the column word holds" in refused
        assert "-o train.parquet" in refused
        assert not file.exists()
        return
    found = pd.read_csv(file)["word"]
    assert [None if pd.isna(v) else v for v in found] == words


def _refusal(frame: pd.DataFrame, file: Path) -> str:
    try:
        _to_csv(frame, file)
    except DeclarationError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("word", ["NA", "null", "None", "nan", "", "01234", "True", "7"])
def test_a_text_that_a_csv_file_does_not_keep_is_named(tmp_path: Path, word: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        _to_csv(pd.DataFrame({"country": [word, word], "n": [1.0, 2.0]}), tmp_path / "train.csv")
    assert f"the column country holds {word!r}" in str(refused.value)


def fitted(frame: pd.DataFrame, *steps: Any, columns: list[str]) -> Any:
    encoded = make_column_transformer(
        (make_pipeline(*steps), columns), (StandardScaler(), ["n"]), remainder="drop"
    )
    return make_pipeline(encoded, LogisticRegression()).fit(frame, np.arange(len(frame)) % 2)


@pytest.mark.parametrize(
    "steps",
    [
        [OneHotEncoder(handle_unknown="ignore")],
        [OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)],
        [SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")],
    ],
)
def test_a_csv_sample_keeps_the_texts_that_the_estimator_was_fitted_on(
    tmp_path: Path, steps: list[Any]
) -> None:
    words = ["01234", "NA", "None", "true", "1e3", "02139", None, "null"]
    frame = pd.DataFrame({"n": np.arange(8.0), "zip": words, "flag": ["True", "False"] * 4, "other": "NA"})
    model = fitted(frame, *steps, columns=["flag", "zip"])
    file = tmp_path / "sample.csv"
    frame.to_csv(file, index=False)
    found = read_sample(file, model)
    assert [None if pd.isna(v) else v for v in found["zip"]] == words
    assert found["flag"].tolist() == frame["flag"].tolist()
    assert found["n"].tolist() == frame["n"].tolist()
    assert found["other"].isna().all()  # no column of the model: as pandas reads it
    assert read_sample(file)["flag"].tolist() == [True, False] * 4


@pytest.mark.usefixtures("here")
def test_a_sample_with_numbers_where_the_estimator_knows_texts_is_refused_in_words() -> None:
    frame = pd.DataFrame({"n": np.arange(8.0), "zip": ["01234", "02139"] * 4})
    model = fitted(frame, OneHotEncoder(handle_unknown="ignore"), columns=["zip"])
    with pytest.raises(PackagingError) as refused:
        package(model, frame.assign(zip=[1234, 2139] * 4))
    assert "Column 'zip' of the sample holds numbers (1234), the model was fitted on texts ('01234'" in str(
        refused.value
    )
    model = fitted(
        frame.assign(zip=[1234, 2139] * 4), OneHotEncoder(handle_unknown="ignore"), columns=["zip"]
    )
    with pytest.raises(PackagingError) as refused:
        package(model, frame)
    assert "Column 'zip' of the sample holds texts ('01234'), the model was fitted on numbers (1234" in str(
        refused.value
    )


@pytest.mark.usefixtures("here")
def test_a_text_column_of_which_the_sample_has_no_value_is_the_text_that_the_estimator_was_fitted_on() -> (
    None
):
    frame = pd.DataFrame({"n": np.arange(40.0), "plan": pd.Series([None, "a", "b", "b"] * 10, dtype=object)})
    model = fitted(frame, OneHotEncoder(handle_unknown="ignore"), columns=["plan"])
    nothing = frame[frame["plan"].isna()].head(5)
    signature = package(model, nothing).signature
    assert [(i.name, i.type) for i in signature.inputs if i.name == "plan"] == [("plan", "text")]
