"""Packaging real estimators: what comes out, and that it scores like the estimator."""

from __future__ import annotations

import hashlib
import json
import warnings
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
import sklearn
from packaging.version import Version
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)
from sklearn.svm import LinearSVC

from modelpack.packager import Package, Publication, Signature, package
from modelpack.packager.conversion.converters import FUNCTIONS
from modelpack.packager.graph.runtime import Runner
from modelpack.packager.signature import MISSING_TOKEN
from modelpack.packager.sources import samples

from . import zoo
from .conftest import NUMBERS, TEXTS

pytestmark = pytest.mark.usefixtures("here")

ALONE: dict[str, Any] = {
    "logistic regression": LogisticRegression(max_iter=1000),
    "random forest": RandomForestClassifier(20, random_state=0),
    "extra trees": ExtraTreesClassifier(20, random_state=0),
    "gradient boosting": GradientBoostingClassifier(n_estimators=20, random_state=0),
    "histogram gradient boosting": HistGradientBoostingClassifier(max_iter=20, random_state=0),
    "scaler, forest": make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0)),
    "min-max, boosting": make_pipeline(MinMaxScaler(), GradientBoostingClassifier(n_estimators=20)),
    "scaler, histogram": make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=20)),
    "calibrated forest": CalibratedClassifierCV(RandomForestClassifier(10, random_state=0), cv=2),
    "neural network": make_pipeline(
        StandardScaler(), MLPClassifier((8,), max_iter=2000, tol=1e-2, random_state=0)
    ),
    "linear support vectors": LinearSVC(),
}


def score(made: Package, frame: pd.DataFrame) -> Any:
    """What a server would do with these rows."""
    names = [i.name for i in made.signature.inputs]
    rows = [
        [None if pd.isna(v) else v for v in row] for row in frame[names].astype(object).to_numpy().tolist()
    ]
    return Runner(made.onnx).scores(made.signature.pack(rows))


def preprocess(text: Any, number: Any = "passthrough") -> ColumnTransformer:
    return ColumnTransformer([("number", number, NUMBERS), ("text", text, TEXTS)])


@pytest.mark.parametrize("name", ALONE)
def test_a_model_of_numbers_scores_like_the_estimator(name: str, customers: pd.DataFrame, gone: Any) -> None:
    estimator = ALONE[name].fit(customers[NUMBERS], gone)

    made = package(estimator, customers)

    fresh = customers[NUMBERS].sample(50, random_state=1)
    if hasattr(estimator, "predict_proba"):
        expected = estimator.predict_proba(fresh)[:, 1]
    else:
        expected = estimator.decision_function(fresh)
    np.testing.assert_allclose(score(made, fresh), expected, atol=2e-5)
    assert [i.name for i in made.signature.inputs] == NUMBERS
    assert made.parity.passed
    assert made.parity.rows == len(customers)
    assert made.parity.max_difference <= 1e-5


@pytest.mark.parametrize(
    "estimator", [Ridge(), RandomForestRegressor(20), HistGradientBoostingRegressor(max_iter=20)]
)
def test_a_regressor_gives_its_value(estimator: Any, customers: pd.DataFrame) -> None:
    value = customers["spend"] * 1000 - customers["visits"]
    estimator.fit(customers[NUMBERS], value)

    made = package(estimator, customers)

    np.testing.assert_allclose(
        score(made, customers), estimator.predict(customers[NUMBERS]), rtol=1e-5, atol=1
    )
    assert made.signature.output.to_json() == {"name": "score", "kind": "value", "class": None}


@pytest.mark.parametrize("positive", [0, "basic", 2])
def test_the_score_is_the_probability_of_the_positive_class(
    positive: Any, customers: pd.DataFrame, gone: Any
) -> None:
    labels = {0: gone, "basic": customers["plan"], 2: customers["visits"] % 3}[positive]
    forest = RandomForestClassifier(10, random_state=0).fit(customers[["spend", "days_quiet"]], labels)

    made = package(forest, customers, Publication(positive_class=positive))

    index = list(forest.classes_).index(positive)
    expected = forest.predict_proba(customers[["spend", "days_quiet"]])[:, index]
    np.testing.assert_allclose(score(made, customers), expected, atol=1e-6)
    assert made.signature.output.positive_class == str(positive)


NO_TEXT = pd.Series(["a", None]).iloc[1]
"""A missing text in a data frame: NaN since pandas 3, before that None, which an imputer takes for a text unless it is told."""


@pytest.mark.parametrize(
    ("text", "model"),
    [
        (OneHotEncoder(handle_unknown="ignore"), LogisticRegression(max_iter=1000)),
        (
            make_pipeline(
                SimpleImputer(strategy="most_frequent", missing_values=NO_TEXT),
                OneHotEncoder(handle_unknown="ignore"),
            ),
            LogisticRegression(max_iter=1000),
        ),
        (
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
            RandomForestClassifier(20, random_state=0),
        ),
        (
            OneHotEncoder(min_frequency=150, handle_unknown="infrequent_if_exist"),
            LogisticRegression(max_iter=1000),
        ),
        (OneHotEncoder(drop="first", handle_unknown="ignore"), LogisticRegression(max_iter=1000)),
    ],
    ids=["one-hot", "imputed one-hot", "ordinal", "infrequent", "dropped"],
)
def test_missing_and_unseen_texts_are_scored_like_the_estimator_does(
    text: Any, model: Any, gaps: pd.DataFrame, gone: Any
) -> None:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    estimator = make_pipeline(preprocess(text, numbers), model)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Found unknown categories", UserWarning)
        estimator.fit(gaps, gone)
        odd = gaps.head(8).copy()
        odd["plan"] = ["basic", None, "platinum", "", "pro", "BASIC", "plus ", None]
        odd["spend"] = [1.5, np.nan, 3.0, np.nan, 5.0, 1e6, -1.0, 0.0]
        expected = estimator.predict_proba(odd)[:, 1]

    made = package(estimator, gaps)

    np.testing.assert_allclose(score(made, odd), expected, atol=1e-5)
    inputs = {i.name: i for i in made.signature.inputs}
    assert inputs["plan"].missing
    assert inputs["plan"].missing_token == MISSING_TOKEN
    assert inputs["spend"].missing
    assert inputs["spend"].missing_token is None


def test_numbers_as_categories_are_compared_not_truncated(customers: pd.DataFrame, gone: Any) -> None:
    onehot = ColumnTransformer(
        [("v", OneHotEncoder(handle_unknown="ignore"), ["visits"])], remainder="passthrough"
    )
    estimator = make_pipeline(onehot, LogisticRegression(max_iter=1000)).fit(customers[NUMBERS], gone)

    made = package(estimator, customers)

    between = customers[NUMBERS].head(3).assign(visits=[2.5, 3.0, 999.0])
    np.testing.assert_allclose(score(made, between), estimator.predict_proba(between)[:, 1], atol=1e-6)


@pytest.mark.parametrize("encoder", [OneHotEncoder(), OrdinalEncoder()], ids=["one-hot", "ordinal"])
def test_a_category_that_the_estimator_refuses_has_no_score(
    encoder: Any, customers: pd.DataFrame, gone: Any
) -> None:
    estimator = make_pipeline(preprocess(encoder), GradientBoostingClassifier(n_estimators=5)).fit(
        customers, gone
    )
    odd = customers.head(3).assign(plan=["basic", "platinum", "pro"])
    with pytest.raises(ValueError, match="unknown categories"):
        estimator.predict_proba(odd)

    made = package(estimator, customers)

    found = score(made, odd)
    assert np.isnan(found).tolist() == [False, True, False]
    assert not {i.name: i.missing for i in made.signature.inputs}["plan"]


def test_a_missing_number_goes_the_way_it_went_in_training(gaps: pd.DataFrame, gone: Any) -> None:
    if Version(sklearn.__version__) < Version("1.4"):
        pytest.skip("forests take missing values since scikit-learn 1.4")
    forest = RandomForestClassifier(20, random_state=0).fit(gaps[NUMBERS], gone)

    made = package(forest, gaps)

    empty = gaps[NUMBERS].head(20).assign(spend=np.nan)
    np.testing.assert_allclose(score(made, empty), forest.predict_proba(empty)[:, 1], atol=1e-6)
    assert all(i.missing for i in made.signature.inputs)
    assert made.parity.probes["missing"] > 0


def test_an_input_that_the_estimator_refuses_missing_is_recorded(customers: pd.DataFrame, gone: Any) -> None:
    columns = ColumnTransformer([("s", SimpleImputer(), ["spend"])], remainder="passthrough")
    estimator = make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(customers[NUMBERS], gone)

    made = package(estimator, customers)

    assert {i.name: i.missing for i in made.signature.inputs} == {
        "spend": True,
        "visits": False,
        "days_quiet": False,
    }


def test_columns_that_do_not_matter_are_no_inputs(customers: pd.DataFrame, gone: Any) -> None:
    estimator = Pipeline(
        [("c", ColumnTransformer([("n", StandardScaler(), ["spend"])])), ("m", LogisticRegression())]
    ).fit(customers, gone)

    made = package(estimator, customers)

    assert [i.name for i in made.signature.inputs] == ["spend"]
    assert set(made.unused) == {"customer_id", "visits", "days_quiet", *TEXTS}
    model = onnx.load_from_string(made.onnx)
    assert [i.name for i in model.graph.input] == ["number"]
    assert [o.name for o in model.graph.output] == ["score"]


def test_columns_may_have_any_name(customers: pd.DataFrame, gone: Any) -> None:
    names = {
        "visits": "number",
        "spend": "Monthly charges (€)",
        "days_quiet": "score",
        "plan": "text",
        "region": "a.b c",
    }
    frame = customers.rename(columns=names)
    columns = ColumnTransformer(
        [
            ("n", StandardScaler(), ["number", "Monthly charges (€)", "score"]),
            ("t", OneHotEncoder(handle_unknown="ignore"), ["text", "a.b c"]),
        ]
    )
    estimator = make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(frame, gone)

    made = package(estimator, frame)

    assert {i.name for i in made.signature.inputs} == set(names.values())
    np.testing.assert_allclose(score(made, frame), estimator.predict_proba(frame)[:, 1], atol=1e-6)


@pytest.mark.parametrize("names", [["a", "number", "text"], ["text", "score", "number"], ["number"]])
def test_columns_may_be_called_as_what_a_converted_model_takes(names: list[str]) -> None:
    random = np.random.default_rng(5)
    sample = pd.DataFrame({name: random.normal(size=200) for name in names})
    weights = np.arange(1, len(names) + 1)
    model = LogisticRegression().fit(sample, (sample.to_numpy() @ weights > 0).astype(int))
    made = package(model, sample.head(50))
    assert [i.name for i in made.signature.inputs] == names
    np.testing.assert_allclose(score(made, sample), model.predict_proba(sample)[:, 1], atol=1e-6)


def test_a_model_fitted_on_an_array_takes_the_sample_s_names(customers: pd.DataFrame, gone: Any) -> None:
    forest = RandomForestClassifier(5, random_state=0).fit(customers[NUMBERS].to_numpy(), gone)

    made = package(forest, customers[NUMBERS])

    assert [i.name for i in made.signature.inputs] == NUMBERS
    expected = forest.predict_proba(customers[NUMBERS].to_numpy())[:, 1]
    np.testing.assert_allclose(score(made, customers), expected, atol=1e-6)


def test_column_names_may_be_numbers(customers: pd.DataFrame, gone: Any) -> None:
    frame = pd.DataFrame(customers[NUMBERS].to_numpy())
    made = package(LogisticRegression(max_iter=1000).fit(frame.to_numpy(), gone), frame)
    assert [i.name for i in made.signature.inputs] == ["0", "1", "2"]


def test_a_large_sample_is_thinned_out(
    monkeypatch: pytest.MonkeyPatch, customers: pd.DataFrame, gone: Any
) -> None:
    monkeypatch.setattr(samples, "SAMPLE_LIMIT", 100)
    made = package(LogisticRegression(max_iter=1000).fit(customers[NUMBERS], gone), customers)
    assert made.parity.rows == 100


def test_booleans_and_nullable_numbers_are_numbers(customers: pd.DataFrame, gone: Any) -> None:
    frame = pd.DataFrame(
        {
            "often": customers["visits"] > 4,
            "visits": customers["visits"].astype("Int64"),
            "plan": customers["plan"].astype("category"),
        }
    )
    columns = ColumnTransformer(
        [("t", OneHotEncoder(handle_unknown="ignore"), ["plan"])], remainder="passthrough"
    )
    estimator = make_pipeline(columns, LogisticRegression()).fit(frame, gone)

    made = package(estimator, frame)

    assert {i.name: i.type for i in made.signature.inputs} == {
        "often": "number",
        "visits": "number",
        "plan": "text",
    }


def test_the_golden_rows_give_their_scores_again(gaps: pd.DataFrame, gone: Any) -> None:
    text = OneHotEncoder(handle_unknown="ignore")
    estimator = make_pipeline(preprocess(text, SimpleImputer()), LogisticRegression(max_iter=1000))
    made = package(estimator.fit(gaps, gone), gaps, Publication(metrics={"auc": 0.8}, engine="onnx"))

    golden = json.loads(json.dumps(made.golden.to_json(), allow_nan=False))
    signature = Signature.from_json(json.loads(json.dumps(made.signature.to_json())))

    found = Runner(made.onnx).scores(signature.pack(golden["rows"]))
    expected = np.array([np.nan if s is None else s for s in golden["scores"]])
    np.testing.assert_array_equal(found, expected)
    assert 40 < len(golden["rows"]) <= 64
    assert any(None in row for row in golden["rows"])
    assert np.nanmax(expected) > 0.7 > 0.3 > np.nanmin(expected)
    assert made.sha256 == hashlib.sha256(made.onnx).hexdigest()
    assert made.metrics == {"auc": 0.8}
    assert set(made.libraries) == {"numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx"}
    json.dumps(made.parity.to_json(), allow_nan=False)


def test_the_same_model_gives_the_same_bytes(customers: pd.DataFrame, gone: Any) -> None:
    forest = RandomForestClassifier(5, random_state=0).fit(customers[NUMBERS], gone)
    assert package(forest, customers).sha256 == package(forest, customers).sha256


@pytest.mark.parametrize("trees", [True, False])
def test_real_customers_end_to_end(trees: bool, telco: pd.DataFrame) -> None:
    data = telco.drop(columns=["customerID", "Churn"])
    numbers = data.select_dtypes("number").columns.tolist()
    texts = [c for c in data.columns if c not in numbers]
    if trees:
        front = ColumnTransformer(
            [
                ("n", "passthrough", numbers),
                ("t", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), texts),
            ]
        )
        model: Any = HistGradientBoostingClassifier(max_iter=30, random_state=0)
    else:
        front = ColumnTransformer(
            [
                ("n", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
                ("t", OneHotEncoder(handle_unknown="ignore"), texts),
            ]
        )
        model = LogisticRegression(max_iter=2000)
    estimator = make_pipeline(front, model).fit(data, telco["Churn"])

    made = package(estimator, telco, Publication(positive_class="Yes"))

    found = score(made, telco.sample(500, random_state=1))
    expected = estimator.predict_proba(telco.sample(500, random_state=1))[:, 1]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert made.parity.rows == len(telco)
    assert made.parity.refused_rows == 0
    assert {i.name for i in made.signature.inputs} == {*numbers, *texts}
    assert made.signature.output.positive_class == "Yes"


@pytest.mark.parametrize(
    "last",
    [
        KNeighborsClassifier(),
        KNeighborsRegressor(),
        GaussianProcessRegressor(RBF() + WhiteKernel(), optimizer=None),
    ],
    ids=lambda last: type(last).__name__,
)
def test_distances_need_no_loop(last: Any) -> None:
    frame = zoo.sample().dropna()
    values = zoo.target(frame, "binary" if isinstance(last, KNeighborsClassifier) else "value")
    made = package(make_pipeline(StandardScaler(), last).fit(frame[zoo.NUMBERS], values), frame)
    assert made.parity.passed
    assert "CDist" in {node.op_type for node in onnx.load_from_string(made.onnx).graph.node}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: str(function.__name__))
def test_the_usual_functions_of_numpy_have_a_converter(
    customers: pd.DataFrame, gone: Any, function: Any
) -> None:
    frame = customers[["visits", "spend"]].clip(0.5, 20.0)
    columns = ColumnTransformer([("f", FunctionTransformer(function), ["spend"])], remainder="passthrough")
    estimator = make_pipeline(columns, StandardScaler(), LogisticRegression()).fit(frame, gone)
    made = package(estimator, frame)
    assert made.parity.passed
