"""What is refused, and that it is said in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, SplineTransformer, StandardScaler

from modelpack.errors import PackagingError, ParityError
from modelpack.packager import Publication, fitted, load_model, package, read_sample, story
from modelpack.packager.conversion import fixes
from modelpack.packager.conversion.convert import Route

from .conftest import NUMBERS

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(scope="module")
def forest(customers: pd.DataFrame, gone: Any) -> Any:
    return RandomForestClassifier(20, random_state=0).fit(customers[NUMBERS], gone)


def only(monkeypatch: pytest.MonkeyPatch, route: Route) -> None:
    monkeypatch.setattr(fitted, "routes_for", lambda _: (route,))


def test_a_sample_without_the_model_s_columns(forest: Any, customers: pd.DataFrame) -> None:
    with pytest.raises(
        PackagingError, match=r"lacks the column\(s\) spend.*Expected: visits.*Found: customer_id"
    ):
        package(forest, customers.drop(columns="spend"))


def test_a_sample_of_another_width(customers: pd.DataFrame, gone: Any) -> None:
    fitted = LogisticRegression().fit(customers[NUMBERS].to_numpy(), gone)
    with pytest.raises(PackagingError, match=r"array of 3 column\(s\), the sample has 2: visits, spend"):
        package(fitted, customers[["visits", "spend"]])


def test_an_empty_sample(forest: Any, customers: pd.DataFrame) -> None:
    with pytest.raises(PackagingError, match="no rows"):
        package(forest, customers.head(0))


def test_a_sample_that_is_no_frame(forest: Any, customers: pd.DataFrame) -> None:
    with pytest.raises(PackagingError, match=r"ndarray, a pandas.DataFrame is expected"):
        package(forest, customers[NUMBERS].to_numpy())  # type: ignore[arg-type]  # what a user may do


def test_dates_are_no_inputs(customers: pd.DataFrame, gone: Any) -> None:
    seen = ColumnTransformer([("n", "passthrough", ["visits"])])
    frame = customers[["visits"]].assign(since=pd.Timestamp("2024-01-01"))
    estimator = make_pipeline(seen, LogisticRegression()).fit(frame, gone)
    with pytest.raises(PackagingError, match=r"'since' holds Timestamp.*number of days"):
        package(estimator, frame)


def test_the_token_of_a_missing_text_may_not_be_a_text(customers: pd.DataFrame, gone: Any) -> None:
    frame = customers[["plan"]].assign(plan=["\x1a", *customers["plan"][1:]])
    estimator = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame, gone)
    with pytest.raises(PackagingError, match="stands for a missing text"):
        package(estimator, frame)


def test_an_estimator_that_scores_no_row_of_the_sample(forest: Any, customers: pd.DataFrame) -> None:
    frame = customers[NUMBERS].assign(spend=np.inf)
    with pytest.raises(PackagingError, match=r"scores no row of the sample.*infinity"):
        package(forest, frame)


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (KMeans(2), "neither a classifier nor a regressor"),
        (MultiOutputClassifier(LogisticRegression()), "several outputs.*--output 0 or 1"),
    ],
)
def test_estimators_without_one_score(
    estimator: Any, message: str, customers: pd.DataFrame, gone: Any
) -> None:
    estimator.fit(customers[NUMBERS], np.column_stack([gone, 1 - gone]) if "several" in message else None)
    with pytest.raises(PackagingError, match=message):
        package(estimator, customers)


def test_an_unfitted_estimator(customers: pd.DataFrame) -> None:
    with pytest.raises(PackagingError, match="fit it first"):
        package(LogisticRegression(), customers)


def test_several_classes_without_a_positive_one(customers: pd.DataFrame) -> None:
    fitted = LogisticRegression(max_iter=2000).fit(customers[NUMBERS], customers["plan"])
    with pytest.raises(PackagingError, match=r"3 classes \(basic, plus, pro\).*positive_class"):
        package(fitted, customers)


def test_an_unknown_positive_class(forest: Any, customers: pd.DataFrame) -> None:
    with pytest.raises(PackagingError, match=r"positive_class is 'maybe'.*classes 0, 1"):
        package(forest, customers, Publication(positive_class="maybe"))


def test_a_positive_class_of_a_regressor(customers: pd.DataFrame) -> None:
    fitted = LinearRegression().fit(customers[NUMBERS], customers["spend"])
    with pytest.raises(PackagingError, match="no positive class"):
        package(fitted, customers, Publication(positive_class=1))


def test_an_estimator_without_a_converter(customers: pd.DataFrame, gone: Any) -> None:
    estimator = make_pipeline(
        FunctionTransformer(np.cbrt, feature_names_out="one-to-one"), LogisticRegression()
    )
    estimator.fit(customers[NUMBERS], gone)
    with pytest.raises(
        PackagingError, match=r"ONNX: FunctionTransformer of cbrt.*np.log1p.*declaration.*docs/estimators.md"
    ):
        package(estimator, customers)


class Own(StandardScaler):
    """Of somebody's own module."""


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (
            SplineTransformer(),
            r"the step 'splinetransformer' \(SplineTransformer\) has no converter: replace it",
        ),
        (
            ColumnTransformer([("curve", SplineTransformer(), ["spend"])], remainder="passthrough"),
            r"the step 'curve' of 'columntransformer' \(SplineTransformer\) has no converter",
        ),
        (Own(), r"the step 'own' \(Own\), a class of your own or of a library .* has no converter"),
    ],
    ids=["step", "inner step", "own class"],
)
def test_a_step_without_a_converter_is_named_with_the_way_out(
    step: Any, said: str, customers: pd.DataFrame, gone: Any
) -> None:
    estimator = make_pipeline(step, LogisticRegression(max_iter=3000)).fit(customers[NUMBERS], gone)
    with pytest.raises(PackagingError, match=rf"{said}.*declaration compute"):
        package(estimator, customers[NUMBERS])


def test_a_model_that_needs_a_loop(customers: pd.DataFrame, gone: Any) -> None:
    estimator = KNeighborsClassifier(metric="manhattan").fit(customers[NUMBERS], gone)
    with pytest.raises(PackagingError, match=r"needs control flow \(Scan\), which the server does not run"):
        package(estimator, customers)


def test_categorical_splits_are_not_dropped_in_silence(customers: pd.DataFrame, gone: Any) -> None:
    estimator = HistGradientBoostingClassifier(max_iter=5, categorical_features=[0]).fit(
        customers[NUMBERS], gone
    )
    with pytest.raises(PackagingError, match="categorical splits"):
        package(estimator, customers)


def test_a_forest_whose_missing_values_go_the_wrong_way_is_caught(
    monkeypatch: pytest.MonkeyPatch, gaps: pd.DataFrame, gone: Any
) -> None:
    """What skl2onnx itself makes of a forest that was fitted with missing values."""
    fitted = RandomForestClassifier(20, random_state=0).fit(gaps[NUMBERS], gone)
    package(fitted, gaps)
    monkeypatch.setattr(fixes, "missing_goes_left", lambda tree: [0] * tree.node_count)
    with pytest.raises(ParityError, match=r"probe \(missing in|spend=None"):
        package(fitted, gaps)


def test_trees_behind_a_scaler_in_float32_are_caught(
    monkeypatch: pytest.MonkeyPatch, customers: pd.DataFrame, gone: Any
) -> None:
    estimator = make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0))
    estimator.fit(customers[NUMBERS], gone)
    only(monkeypatch, "float32")
    with pytest.raises(ParityError, match="threshold in"):
        package(estimator, customers)


def test_thresholds_that_are_a_little_off_are_caught(
    monkeypatch: pytest.MonkeyPatch, forest: Any, customers: pd.DataFrame
) -> None:
    original = story.normalise

    def shifted(raw: bytes, *args: Any, **kwargs: Any) -> Any:
        import onnx

        model = onnx.load_from_string(raw)
        for node in model.graph.node:
            for attribute in node.attribute:
                if attribute.name == "nodes_values":
                    values = np.nextafter(np.array(attribute.floats, np.float32), np.float32(np.inf))
                    del attribute.floats[:]
                    attribute.floats.extend(values.tolist())
        return original(model.SerializeToString(), *args, **kwargs)

    monkeypatch.setattr(story, "normalise", shifted)
    with pytest.raises(ParityError, match="threshold in"):
        package(forest, customers)


def test_inputs_that_need_more_than_24_bits_are_refused(gone: Any) -> None:
    seconds = pd.DataFrame({"last_seen": 1_700_000_000.0 + np.arange(400) * 7})
    fitted = HistGradientBoostingClassifier(max_iter=20).fit(seconds, gone)
    with pytest.raises(
        ParityError, match=r"Rounding the inputs to float32.*last_seen has such.*epoch seconds"
    ):
        package(fitted, seconds)


def test_a_difference_may_be_accepted_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, customers: pd.DataFrame, gone: Any
) -> None:
    estimator = make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0))
    estimator.fit(customers[NUMBERS], gone)
    only(monkeypatch, "float32")
    made = package(estimator, customers, Publication(accept="pilot for one week"))
    assert made.parity.accepted == "pilot for one week"
    assert made.parity.failures > 0
    assert not made.parity.passed


def test_a_wider_tolerance_is_recorded(
    monkeypatch: pytest.MonkeyPatch, customers: pd.DataFrame, gone: Any
) -> None:
    estimator = make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0))
    estimator.fit(customers[NUMBERS], gone)
    only(monkeypatch, "float32")
    made = package(estimator, customers, Publication(tolerance=1.0))
    assert made.parity.tolerance == 1.0
    assert made.parity.max_difference > 1e-5


class TestFiles:
    def test_a_model_comes_back(self, tmp_path: Path, forest: Any, customers: pd.DataFrame) -> None:
        joblib.dump(forest, tmp_path / "model.joblib")
        again = load_model(tmp_path / "model.joblib")
        np.testing.assert_array_equal(again.predict(customers[NUMBERS]), forest.predict(customers[NUMBERS]))

    @pytest.mark.parametrize("content", [b"", b"name,age\nann,3\n", b"PK\x03\x04 a zip", b"\x80\x04"])
    def test_a_file_that_is_no_model(self, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / "model.joblib"
        file.write_bytes(content)
        with pytest.raises(PackagingError, match=r"is no model: it .* is expected"):
            load_model(file)

    def test_a_joblib_file_of_something_else(self, tmp_path: Path) -> None:
        joblib.dump({"a": 1}, tmp_path / "model.joblib")
        with pytest.raises(PackagingError, match="holds a dict, a fitted scikit-learn estimator is expected"):
            load_model(tmp_path / "model.joblib")

    def test_a_model_of_a_library_that_is_not_installed(self, tmp_path: Path) -> None:
        (tmp_path / "model.joblib").write_bytes(b"\x80\x04cno_such_library\nModel\n.")
        with pytest.raises(PackagingError, match=r"no_such_library.*Install the libraries"):
            load_model(tmp_path / "model.joblib")

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(PackagingError, match="no model file"):
            load_model(tmp_path / "model.joblib")
        with pytest.raises(PackagingError, match="no sample file"):
            read_sample(tmp_path / "rows.csv")

    @pytest.mark.parametrize("ending", ["csv", "parquet"])
    def test_samples_are_read(self, tmp_path: Path, ending: str, customers: pd.DataFrame) -> None:
        file = tmp_path / f"rows.{ending}"
        getattr(customers, f"to_{ending}")(file, index=False)
        assert list(read_sample(file).columns) == list(customers.columns)
        assert len(read_sample(file)) == len(customers)

    def test_a_sample_of_another_kind(self, tmp_path: Path) -> None:
        (tmp_path / "rows.txt").write_text("a\n1\n")
        with pytest.raises(PackagingError, match=r"rows.txt: a .csv or .parquet file is expected"):
            read_sample(tmp_path / "rows.txt")

    def test_a_sample_that_cannot_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "rows.parquet").write_text("a\n1\n")
        with pytest.raises(PackagingError, match="cannot be read as parquet"):
            read_sample(tmp_path / "rows.parquet")
