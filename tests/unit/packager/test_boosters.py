"""LightGBM's and XGBoost's estimators: converted as they score, or refused in words."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import onnx
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelpack.errors import PackagingError
from modelpack.packager import Package, Publication, load_model, package
from modelpack.packager.estimator.boosters import lightgbm_nodes, nodes_of
from modelpack.packager.graph.runtime import Runner

from .zoo import NUMBERS, TEXTS, preprocessing, sample, target

pytestmark = [
    pytest.mark.usefixtures("here"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # some of the zoo's preprocessing is deprecated
]
pytest.importorskip("onnxmltools", reason="onnxmltools is not installed: pip install 'modelpack[lightgbm]'")


def lightgbm(kind: str, **options: Any) -> Any:
    try:
        module = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
    except OSError as error:  # its library needs libgomp (dev/apt-packages-tests.txt)
        pytest.skip(f"LightGBM cannot be loaded: {error}")
    return getattr(module, f"LGBM{kind}")(n_estimators=20, verbose=-1, n_jobs=1, **options)


def xgboost(kind: str, **options: Any) -> Any:
    module = pytest.importorskip("xgboost", reason="XGBoost is not installed")
    return getattr(module, f"XGB{kind}")(n_estimators=20, n_jobs=1, **options)


LIBRARIES = [lightgbm, xgboost]
Make = Callable[..., Any]


def codes(frame: pd.DataFrame, kind: str) -> Any:
    """The zoo's targets, classes as numbers."""
    values = target(frame, kind)
    return (values == "gone").astype(int) if kind == "binary" else values


def fitted(estimator: Any, kind: str, columns: list[str] = NUMBERS) -> tuple[Any, pd.DataFrame]:
    frame = sample(200)
    return estimator.fit(frame[columns], codes(frame, kind)), frame[columns]


def held(made: Package, truth: Callable[[pd.DataFrame], Any], columns: list[str]) -> None:
    """The package scores other customers, some with values missing, as the estimator does."""
    fresh = sample(200, seed=9)[columns]
    fresh[NUMBERS] = fresh[NUMBERS].astype(np.float32).astype(float)
    names = [i.name for i in made.signature.inputs]
    cells = fresh[names].astype(object).to_numpy().tolist()
    rows = [[None if pd.isna(v) else v for v in row] for row in cells]
    found = Runner(made.onnx).scores(made.signature.pack(rows))
    np.testing.assert_allclose(found, truth(fresh), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", LIBRARIES)
class TestBoth:
    def test_a_classifier_with_missing_values_and_probes_at_its_thresholds(self, make: Make) -> None:
        estimator, frame = fitted(make("Classifier"), "binary")
        assert frame.isna().any().any()
        made = package(estimator, frame)
        assert made.parity.probes["threshold"] > 50
        assert made.parity.rounded_probes == 0, "float32 on either side of a threshold is told apart"
        assert all(i.missing for i in made.signature.inputs)
        assert "onnxmltools" in made.libraries
        assert [name for name in made.libraries if name.startswith(make.__name__)]
        assert not {"pytest", "mlflow-skinny"} & set(made.libraries)
        held(made, lambda rows: estimator.predict_proba(rows)[:, 1], NUMBERS)

    def test_a_regressor(self, make: Make) -> None:
        estimator, frame = fitted(make("Regressor"), "value")
        held(package(estimator, frame), estimator.predict, NUMBERS)

    def test_several_classes(self, make: Make) -> None:
        estimator, frame = fitted(make("Classifier"), "multiclass")
        made = package(estimator, frame, Publication(positive_class=2))
        held(made, lambda rows: estimator.predict_proba(rows)[:, 2], NUMBERS)

    def test_counts(self, make: Make) -> None:
        objective = {"lightgbm": "poisson", "xgboost": "count:poisson"}[make.__name__]
        estimator, frame = fitted(make("Regressor", objective=objective), "value")
        held(package(estimator, frame), estimator.predict, NUMBERS)

    def test_fitted_on_an_array(self, make: Make) -> None:
        frame = sample(200)
        estimator = make("Regressor").fit(frame[NUMBERS].to_numpy(), codes(frame, "value"))
        assert package(estimator, frame[NUMBERS]).parity.passed

    def test_behind_a_scaler(self, make: Make) -> None:
        estimator, frame = fitted(make_pipeline(StandardScaler(), make("Classifier")), "binary")
        made = package(estimator, frame)
        assert made.parity.rounded_rows == 0

    @pytest.mark.parametrize("front", preprocessing())
    def test_behind_preprocessing_of_texts(self, make: Make, front: str) -> None:
        columns = [*NUMBERS, "plan", "region"]
        estimator, frame = fitted(
            make_pipeline(preprocessing()[front](), make("Classifier")), "binary", columns
        )
        assert package(estimator, frame).parity.passed

    def test_calibrated(self, make: Make) -> None:
        estimator, frame = fitted(CalibratedClassifierCV(make("Classifier"), cv=2), "binary")
        assert package(estimator, frame).parity.passed

    def test_texts_of_its_own_are_refused(self, make: Make) -> None:
        options = {"enable_categorical": True} if make is xgboost else {}
        frame = sample(200)
        frame["plan"] = frame["plan"].astype("category")
        estimator = make("Classifier", **options).fit(frame[["spend", "plan"]], codes(frame, "binary"))
        with pytest.raises(PackagingError, match=r"text categories has no converter; encode them"):
            package(estimator, frame[["spend", "plan"]])

    def test_a_file_without_the_library_names_the_extra(
        self, make: Make, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        estimator, _ = fitted(make("Classifier"), "binary")
        joblib.dump(estimator, tmp_path / "model.joblib")
        for name in [n for n in sys.modules if n.partition(".")[0] == make.__name__]:
            monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(PackagingError, match=rf"pip install 'modelpack\[{make.__name__}\]'"):
            load_model(tmp_path / "model.joblib")

    def test_without_a_converter_the_extra_is_named(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        estimator, frame = fitted(make("Classifier"), "binary")
        for name in [n for n in sys.modules if n.startswith(f"onnxmltools.convert.{make.__name__}")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, f"onnxmltools.convert.{make.__name__}", None)
        with pytest.raises(PackagingError, match=rf"pip install 'modelpack\[{make.__name__}\]'"):
            package(estimator, frame)


def test_stacked_together() -> None:
    frame = sample(200).dropna()[NUMBERS]
    stack = StackingClassifier([("l", lightgbm("Classifier")), ("x", xgboost("Classifier"))], cv=2)
    assert package(stack.fit(frame, codes(sample(200).dropna(), "binary")), frame).parity.passed


def test_lightgbm_columns_with_spaces_are_those_of_the_sample() -> None:
    """LightGBM writes a space as an underscore."""
    frame = sample(200).rename(columns={"spend": "money spent", "visits": "visits_ paid"})
    names = ["money spent", "visits_ paid", "days_quiet"]
    estimator = lightgbm("Classifier").fit(frame[names], codes(sample(200), "binary"))
    made = package(estimator, frame)
    assert {i.name for i in made.signature.inputs} == set(names)
    both = sample(200).assign(**{"a b": lambda f: f["spend"], "a_b": lambda f: f["visits"]})
    single = lightgbm("Classifier").fit(both[["a_b", "days_quiet"]], codes(sample(200), "binary"))
    assert {i.name for i in package(single, both).signature.inputs} == {"a_b", "days_quiet"}


def test_zeros_of_a_sparse_matrix_are_missing_to_xgboost() -> None:
    front = ColumnTransformer(
        [("t", OneHotEncoder(handle_unknown="ignore"), TEXTS), ("n", "passthrough", NUMBERS)],
        sparse_threshold=1.0,
    )
    frame = sample(200).dropna()
    frame.loc[::3, "visits"] = 0
    estimator = make_pipeline(front, xgboost("Classifier")).fit(frame, codes(frame, "binary"))
    made = package(estimator, frame)
    assert made.parity.passed
    assert "Where" in {n.op_type for n in onnx.load_from_string(made.onnx).graph.node}


def test_a_number_that_xgboost_was_told_is_missing_is() -> None:
    frame = sample(200)[NUMBERS].fillna(-999.0)
    estimator = xgboost("Classifier", missing=-999.0).fit(frame, codes(sample(200), "binary"))
    made = package(estimator, frame)
    rows = frame.head(20)
    names = [i.name for i in made.signature.inputs]
    found = Runner(made.onnx).scores(made.signature.pack(rows[names].astype(float).to_numpy().tolist()))
    np.testing.assert_allclose(found, estimator.predict_proba(rows.astype(np.float32))[:, 1], atol=1e-5)


@pytest.mark.parametrize("objective", ["reg:logistic", "survival:cox"])
def test_xgboost_s_result_is_on_the_scale_of_its_target(objective: str) -> None:
    estimator, frame = fitted(
        xgboost("Regressor", objective=objective), "binary" if objective == "reg:logistic" else "value"
    )
    held(package(estimator, frame), estimator.predict, NUMBERS)


def test_lightgbm_takes_a_value_that_was_never_missing_for_zero() -> None:
    frame = sample(200).dropna()
    frame["balance"] = frame["balance"] - 400.0  # zero lies far right of all thresholds
    estimator = lightgbm("Regressor").fit(frame[NUMBERS], codes(frame, "value"))
    made = package(estimator, frame[NUMBERS])
    row = dict.fromkeys(NUMBERS, 1.0) | {"balance": np.nan}
    found = Runner(made.onnx).scores(
        made.signature.pack([[None if np.isnan(row[i.name]) else row[i.name] for i in made.signature.inputs]])
    )
    assert found[0] == pytest.approx(estimator.predict(pd.DataFrame([row]))[0], rel=1e-5)
    assert found[0] == pytest.approx(estimator.predict(pd.DataFrame([row | {"balance": 0.0}]))[0], rel=1e-5)


def test_xgboost_features_named_like_numbers_are_not_mixed_up() -> None:
    frame = sample(200)[NUMBERS].rename(columns=dict(zip(NUMBERS, ["f3", "f2", "f1", "f0"], strict=True)))
    estimator = xgboost("Classifier").fit(frame, codes(sample(200), "binary"))
    assert package(estimator, frame).parity.passed


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (lightgbm, {"zero_as_missing": True}, "takes 0 for a missing value"),
        (
            lightgbm,
            {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.7},
            "does not give the est",
        ),
        (xgboost, {"booster": "dart"}, "booster 'dart' has no converter"),
        (xgboost, {"booster": "gblinear"}, "booster 'gblinear' has no converter"),
    ],
)
def test_what_has_no_faithful_conversion_is_refused(make: Make, options: Any, said: str) -> None:
    frame = sample(200)[NUMBERS].fillna(0.0)
    estimator = make("Classifier", **options).fit(frame, codes(sample(200), "binary"))
    with pytest.raises(PackagingError, match=said):
        package(estimator, frame)


def test_lightgbm_s_numbers_that_are_categories_are_refused() -> None:
    frame = sample(200)[["spend"]].assign(region=np.arange(200) % 7)
    estimator = lightgbm("Classifier", min_data_per_group=1, cat_smooth=0.0).fit(
        frame, (np.arange(200) % 2).astype(int), categorical_feature=["region"]
    )
    assert any(n["decision_type"] == "==" for n in lightgbm_nodes(estimator.booster_.dump_model()))
    with pytest.raises(PackagingError, match=r"splits by categories \(categorical_feature\)"):
        package(estimator, frame)


@pytest.mark.parametrize("make", LIBRARIES)
def test_nodes_are_those_that_decide(make: Make) -> None:
    frame = pd.DataFrame({"noise": np.zeros(100), "x": np.arange(100.0)})
    options = {"min_child_samples": 1} if make is lightgbm else {"base_score": 0.0, "reg_lambda": 0.0}
    stump = make("Regressor", max_depth=1, **options).fit(frame, (frame["x"] > 49.0).astype(float))
    nodes = nodes_of(stump)
    assert {feature for feature, _ in nodes} == {1}
    assert any(46.0 <= threshold < 52.0 for _, threshold in nodes)
