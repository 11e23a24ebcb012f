"""Estimators that hold whole pipelines, wrap another one, or give something else than one probability."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from packaging.version import Version
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  # scikit-learn asks for it
from sklearn.feature_selection import RFE, SelectFromModel, SequentialFeatureSelector
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    StandardScaler,
)
from sklearn.svm import LinearSVC, OneClassSVM
from sklearn.tree import DecisionTreeRegressor

from modelpack.errors import PackagingError
from modelpack.packager import Package, Publication, package
from modelpack.packager.graph.runtime import Runner

from .zoo import NUMBERS, TEXTS, sample, target

pytestmark = [
    pytest.mark.usefixtures("here"),
    # scikit-learn's own: a power outside its range, and a detector that asks itself for an array
    pytest.mark.filterwarnings("ignore:invalid value encountered in power"),
    pytest.mark.filterwarnings("ignore:X does not have valid feature names"),
]

EVERYTHING = [*NUMBERS, *TEXTS]


def customers(rows: int = 150, seed: int = 7) -> pd.DataFrame:
    return sample(rows, seed=seed).dropna().reset_index(drop=True)


def whole(last: Any) -> Any:
    """A pipeline that reads numbers and texts by name."""
    return make_pipeline(
        ColumnTransformer(
            [("n", StandardScaler(), NUMBERS), ("t", OneHotEncoder(handle_unknown="ignore"), TEXTS)]
        ),
        last,
    )


def logistic() -> Any:
    return LogisticRegression(max_iter=2000)


def forest() -> Any:
    return RandomForestClassifier(5, random_state=0)


def held(made: Package, truth: Callable[[pd.DataFrame], Any], columns: list[str] = EVERYTHING) -> None:
    """The package scores other customers as the estimator does; numbers as the server sends them."""
    fresh = customers(seed=9)[columns]
    numbers = [n for n in NUMBERS if n in columns]
    fresh[numbers] = fresh[numbers].astype(np.float32).astype(float)
    names = [i.name for i in made.signature.inputs]
    found = Runner(made.onnx).scores(made.signature.pack(fresh[names].astype(object).to_numpy().tolist()))
    wanted = np.ravel(truth(fresh))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5 * max(1.0, float(np.std(wanted))))


def newer(version: str, name: str) -> Any:
    """What came with a version of scikit-learn, which `make test` always has; on an older one the test is skipped."""
    if Version(sklearn.__version__) < Version(version):
        pytest.skip(f"{name} came with scikit-learn {version}")
    module, _, found = name.rpartition(".")
    return getattr(importlib.import_module(f"sklearn.{module}"), found)


def tempered(estimator: Any) -> Any:
    """Calibrated by temperature, which is younger than the class."""
    return newer("1.8", "calibration.CalibratedClassifierCV")(estimator, cv=2, method="temperature")


SEARCHES = {
    "grid": lambda: GridSearchCV(whole(logistic()), {"logisticregression__C": [0.5, 1.0]}, cv=2),
    "random": lambda: RandomizedSearchCV(
        whole(logistic()), {"logisticregression__C": [0.5, 1.0]}, n_iter=2, cv=2
    ),
    "halving": lambda: HalvingGridSearchCV(whole(logistic()), {"logisticregression__C": [0.5, 1.0]}, cv=2),
    "last step": lambda: whole(GridSearchCV(forest(), {"max_depth": [2, 3]}, cv=2)),
    "of a calibrator": lambda: GridSearchCV(
        CalibratedClassifierCV(whole(forest()), cv=2), {"method": ["sigmoid", "isotonic"]}, cv=2
    ),
}

PROBABILITIES = {
    **SEARCHES,
    "calibrated, sigmoid": lambda: CalibratedClassifierCV(whole(forest()), cv=2),
    "calibrated, isotonic": lambda: CalibratedClassifierCV(whole(LinearSVC()), cv=2, method="isotonic"),
    "calibrated, temperature": lambda: tempered(whole(logistic())),
    "calibrated, one for all": lambda: CalibratedClassifierCV(whole(logistic()), cv=2, ensemble=False),
    "stacked": lambda: StackingClassifier([("a", whole(logistic())), ("b", whole(forest()))], cv=2),
    "voting": lambda: VotingClassifier(
        [("a", whole(logistic())), ("b", whole(forest()))], voting="soft", weights=[1, 2]
    ),
    "tuned threshold": lambda: newer("1.5", "model_selection.TunedThresholdClassifierCV")(
        whole(logistic()), cv=2
    ),
    "fixed threshold": lambda: newer("1.5", "model_selection.FixedThresholdClassifier")(
        whole(forest()), threshold=0.3
    ),
    "stacked searches": lambda: StackingClassifier([("a", SEARCHES["grid"]()), ("b", whole(forest()))], cv=2),
}


@pytest.mark.parametrize("name", PROBABILITIES)
def test_a_classifier_over_whole_pipelines_gives_its_own_probability(name: str) -> None:
    frame = customers()
    estimator = PROBABILITIES[name]().fit(frame[EVERYTHING], target(frame, "binary"))
    made = package(estimator, frame, Publication(positive_class="gone"))
    held(made, lambda rows: estimator.predict_proba(rows)[:, list(estimator.classes_).index("gone")])


def test_a_classifier_that_was_fitted_before_its_calibration() -> None:
    frozen = newer("1.6", "frozen.FrozenEstimator")
    frame = customers()
    fitted = whole(logistic()).fit(frame[EVERYTHING], target(frame, "binary"))
    estimator = CalibratedClassifierCV(frozen(fitted)).fit(frame[EVERYTHING], target(frame, "binary"))
    held(package(estimator, frame), lambda rows: estimator.predict_proba(rows)[:, 1])


@pytest.mark.parametrize(
    "make",
    [
        lambda: CalibratedClassifierCV(whole(forest()), cv=2),
        lambda: OneVsRestClassifier(whole(logistic())),
        lambda: tempered(whole(logistic())),
    ],
    ids=["calibrated", "one against rest", "temperature"],
)
def test_several_classes_over_whole_pipelines(make: Callable[[], Any]) -> None:
    frame = customers()
    estimator = make().fit(frame[EVERYTHING], target(frame, "multiclass"))
    made = package(estimator, frame, Publication(positive_class=2))
    held(made, lambda rows: estimator.predict_proba(rows)[:, 2])


def test_bagged_pipelines_see_their_own_columns() -> None:
    frame = customers()
    bagged = BaggingClassifier(
        make_pipeline(StandardScaler(), logistic()), 4, max_features=0.5, random_state=0
    ).fit(frame[NUMBERS], target(frame, "binary"))
    held(package(bagged, frame), lambda rows: bagged.predict_proba(rows)[:, 1], NUMBERS)


VALUES = {
    "stacked": lambda: StackingRegressor(
        [("a", whole(Ridge())), ("b", whole(RandomForestRegressor(5)))], cv=2
    ),
    "voting": lambda: VotingRegressor([("a", whole(Ridge())), ("b", whole(RandomForestRegressor(5)))]),
    "searched": lambda: GridSearchCV(whole(Ridge()), {"ridge__alpha": [0.5, 1.0]}, cv=2),
    "log and back": lambda: TransformedTargetRegressor(whole(Ridge()), func=np.log1p, inverse_func=np.expm1),
    "last step log": lambda: whole(TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp)),
    "scaled target": lambda: TransformedTargetRegressor(whole(Ridge()), transformer=StandardScaler()),
    "ranged target": lambda: TransformedTargetRegressor(whole(Ridge()), transformer=MinMaxScaler()),
    "power": lambda: TransformedTargetRegressor(whole(Ridge()), transformer=PowerTransformer()),
    "box-cox": lambda: TransformedTargetRegressor(whole(Ridge()), transformer=PowerTransformer("box-cox")),
    "histogram, gamma": lambda: whole(HistGradientBoostingRegressor(loss="gamma", max_iter=5)),
    "histogram in a vote": lambda: VotingRegressor(
        [("a", HistGradientBoostingRegressor(loss="poisson", max_iter=5)), ("b", PoissonRegressor())]
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_regressor_over_whole_pipelines_or_with_a_link_gives_its_own_value(name: str) -> None:
    frame = customers()
    columns = NUMBERS if name == "histogram in a vote" else EVERYTHING
    estimator = VALUES[name]().fit(frame[columns], target(frame, "value"))
    held(package(estimator, frame), estimator.predict, columns)


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_histogram_trees_with_a_log_link(loss: str) -> None:
    frame = customers()
    estimator = HistGradientBoostingRegressor(loss=loss, max_iter=10).fit(
        frame[NUMBERS], target(frame, "value")
    )
    made = package(estimator, frame)
    held(made, estimator.predict, NUMBERS)
    assert made.meaning.startswith("what HistGradientBoostingRegressor predicts, in the unit of the target")


@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        (VotingClassifier([("a", logistic())]), "only counts votes .*voting='soft'"),
        (
            StackingClassifier([("a", whole(logistic()))], stack_method="predict", cv=2),
            "stack_method='predict_proba'",
        ),
        (GridSearchCV(whole(logistic()), {"logisticregression__C": [1]}, cv=2, refit=False), "refit=True"),
    ],
)
def test_what_has_no_probability_to_give_says_what_to_change(estimator: Any, said: str) -> None:
    frame = customers()
    columns = NUMBERS if isinstance(estimator, VotingClassifier) else EVERYTHING
    estimator.fit(frame[columns], target(frame, "binary"))
    with pytest.raises(PackagingError, match=said):
        package(estimator, frame)


@pytest.mark.parametrize(
    ("back", "said"),
    [
        ({"func": np.cbrt, "inverse_func": np.spacing, "check_inverse": False}, "spacing.*np.expm1"),
        ({"transformer": KBinsDiscretizer(encode="ordinal"), "check_inverse": False}, "KBinsDiscretizer"),
    ],
)
def test_a_way_back_that_is_not_known_is_named(back: dict[str, Any], said: str) -> None:
    frame = customers()
    estimator = TransformedTargetRegressor(Ridge(), **back).fit(frame[NUMBERS], target(frame, "value"))
    with pytest.raises(PackagingError, match=f"TransformedTargetRegressor .*{said}"):
        package(estimator, frame)


OUTPUTS = {
    "one for each": MultiOutputRegressor(Ridge()),
    "at the end of a pipeline": make_pipeline(StandardScaler(), MultiOutputRegressor(Ridge())),
    "linear": LinearRegression(),
    "forest": RandomForestRegressor(5, random_state=0),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_of_several_outputs_the_chosen_one_is_the_score(name: str) -> None:
    frame = customers()
    values = np.column_stack([target(frame, "value"), frame["spend"] / 100])
    estimator = OUTPUTS[name].fit(frame[NUMBERS], values)
    with pytest.raises(PackagingError, match=r"several outputs at once \(2\).*--output 0 or 1"):
        package(estimator, frame)
    with pytest.raises(PackagingError, match="'2' was given"):
        package(estimator, frame, Publication(output="2"))
    for n in (0, 1):
        made = package(estimator, frame, Publication(output=str(n)))
        held(made, lambda rows, n=n: estimator.predict(rows)[:, n], NUMBERS)
        assert f"output {n}" in made.meaning


def test_of_several_targets_of_classes_the_chosen_one_is_the_score() -> None:
    frame = customers()
    labels = np.column_stack([target(frame, "binary"), np.where(frame["spend"] > 60, "high", "low")])
    estimator = MultiOutputClassifier(whole(logistic())).fit(frame[EVERYTHING], labels)
    made = package(estimator, frame, Publication(output="1", positive_class="high"))
    held(made, lambda rows: estimator.predict_proba(rows)[1][:, 0])
    assert made.meaning == "probability of 'high' by output 1, between 0 and 1"


def test_outputs_that_follow_from_each_other_are_refused() -> None:
    frame = customers()
    chain = RegressorChain(Ridge()).fit(
        frame[NUMBERS], np.column_stack([frame["spend"], target(frame, "value")])
    )
    with pytest.raises(PackagingError, match="RegressorChain"):
        package(chain, frame, Publication(output="1"))


DETECTORS = {
    "isolation forest": make_pipeline(StandardScaler(), IsolationForest(n_estimators=10, random_state=0)),
    "one class": OneClassSVM(),
    "neighbours": LocalOutlierFactor(novelty=True),
}


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_of_outliers_gives_its_decision_function(name: str) -> None:
    frame = customers()
    estimator = DETECTORS[name].fit(frame[NUMBERS])
    made = package(estimator, frame)
    held(made, estimator.decision_function, NUMBERS)
    assert "below 0 is an outlier" in made.meaning
    with pytest.raises(PackagingError, match="no classifier"):
        package(estimator, frame, Publication(positive_class="1"))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["gone", "stays"], "probability of 'stays', .*no positive class was named.*for that of 'gone' say"),
        (["no", "yes"], "probability of 'yes', .*for that of 'no' say --positive-class"),
        ([1, 2], "probability of '2', .*for that of '1' say"),
        ([0, 1], "probability of '1', between 0 and 1$"),
        ([False, True], "probability of 'True', between 0 and 1$"),
        ([-1.0, 1.0], "probability of '1', between 0 and 1$"),
    ],
)
def test_the_meaning_says_which_class_it_is_and_whether_that_was_a_guess(
    labels: list[Any], said: str
) -> None:
    frame = customers()
    gone = target(frame, "binary") == "gone"
    estimator = logistic().fit(frame[NUMBERS], np.where(gone, labels[0], labels[1]))
    made = package(estimator, frame)
    assert re.search(said, made.meaning), made.meaning
    named = package(estimator, frame, Publication(positive_class=labels[0]))
    assert named.meaning == f"probability of {str(named.signature.output.positive_class)!r}, between 0 and 1"


def test_a_decision_function_is_not_called_a_probability() -> None:
    frame = customers()
    estimator = LinearSVC().fit(frame[NUMBERS], target(frame, "binary"))
    assert "decision function of LinearSVC for 'stays': no probability" in package(estimator, frame).meaning


STEPS = {
    "eliminated": RFE(LogisticRegression(max_iter=500), n_features_to_select=2),
    "from a model": SelectFromModel(RandomForestClassifier(5, random_state=0)),
    "one by one": SequentialFeatureSelector(LogisticRegression(max_iter=500), n_features_to_select=2, cv=2),
    "bins": KBinsDiscretizer(4, strategy="uniform"),
    "binary": Binarizer(threshold=4.0),
    "nothing": "passthrough",
    "clipped": FunctionTransformer(np.clip, kw_args={"a_min": -1.0, "a_max": 50.0}),
    "rounded": FunctionTransformer(np.round, kw_args={"decimals": 2}),
    "tanh": FunctionTransformer(np.tanh),
    "sign": FunctionTransformer(np.sign),
}


@pytest.mark.parametrize("name", STEPS)
def test_steps_that_choose_or_change_numbers(name: str) -> None:
    frame = customers()
    estimator = make_pipeline(STEPS[name], LogisticRegression(max_iter=5000))
    estimator.fit(frame[NUMBERS], target(frame, "binary"))
    held(package(estimator, frame), lambda rows: estimator.predict_proba(rows)[:, 1], NUMBERS)


def test_a_selection_that_predicts_by_itself() -> None:
    frame = customers()
    estimator = RFE(logistic(), n_features_to_select=2).fit(frame[NUMBERS], target(frame, "binary"))
    made = package(estimator, frame)
    held(made, lambda rows: estimator.predict_proba(rows)[:, 1], NUMBERS)


def test_a_value_right_at_a_binarizer_s_threshold_is_below_it() -> None:
    frame = customers()
    estimator = make_pipeline(Binarizer(threshold=4.0), logistic()).fit(
        frame[["visits"]], target(frame, "binary")
    )
    made = package(estimator, frame)
    found = Runner(made.onnx).scores(made.signature.pack([[4.0], [4.5]]))
    wanted = estimator.predict_proba(pd.DataFrame({"visits": [4.0, 4.5]}))[:, 1]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert found[0] != found[1]


@pytest.mark.parametrize(
    "front",
    [SimpleImputer(add_indicator=True), make_union(SimpleImputer(), MissingIndicator())],
    ids=["imputer", "union"],
)
def test_that_a_number_is_missing_can_be_a_feature(front: Any) -> None:
    frame = sample(150)
    estimator = make_pipeline(front, StandardScaler(), logistic()).fit(
        frame[NUMBERS], target(frame, "binary")
    )
    made = package(estimator, frame)
    rows = [[4.0, 50.0, 10.0, None], [4.0, 50.0, 10.0, 3.5]]
    found = Runner(made.onnx).scores(made.signature.pack(rows))
    fed = pd.DataFrame(rows, columns=NUMBERS).astype(float)
    np.testing.assert_allclose(found, estimator.predict_proba(fed)[:, 1], atol=1e-5)


def test_columns_are_found_by_name_behind_another_step() -> None:
    first = ColumnTransformer(
        [("t", OneHotEncoder(sparse_output=False, handle_unknown="ignore"), TEXTS)],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    second = ColumnTransformer([("n", StandardScaler(), ["balance", "spend"])], remainder="passthrough")
    frame = customers()
    estimator = make_pipeline(first, second, logistic()).fit(frame[EVERYTHING], target(frame, "binary"))
    held(package(estimator, frame), lambda rows: estimator.predict_proba(rows)[:, 1])


def vip(seed: int, rows: int, dtype: Any) -> pd.Series[Any]:
    rng = np.random.default_rng(seed)
    values = [None if r < 0.2 else bool(r < 0.6) for r in rng.random(rows)]
    return pd.Series(values, dtype=dtype)


@pytest.mark.parametrize("dtype", [object, "boolean"])
@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(handle_unknown="ignore"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
    ],
    ids=["one-hot", "ordinal"],
)
def test_booleans_that_may_be_missing_are_encoded_as_they_were_in_training(dtype: Any, encoder: Any) -> None:
    frame = customers().assign(vip=lambda f: vip(3, len(f), dtype))
    risk = frame["vip"].map({True: 2.0, False: -1.0}).astype(float).fillna(0.5) + frame["visits"] / 10
    estimator = make_pipeline(
        ColumnTransformer([("b", encoder, ["vip"]), ("n", "passthrough", ["visits"])]),
        DecisionTreeRegressor(max_depth=4, random_state=0),
    ).fit(frame[["vip", "visits"]], risk)
    made = package(estimator, frame)
    rows = pd.DataFrame({"vip": pd.Series([True, False, None], dtype=dtype), "visits": [3, 3, 3]})
    fed = [{"vip": v, "visits": 3.0} for v in (1.0, 0.0, None)]
    names = [i.name for i in made.signature.inputs]
    found = Runner(made.onnx).scores(made.signature.pack([[row[n] for n in names] for row in fed]))
    wanted = estimator.predict(rows)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert len(np.unique(wanted)) == 3


class TestImbalancedLearn:
    """Its pipeline resamples while it is fitted, and does nothing of it at prediction."""

    @pytest.fixture
    def sampled(self) -> Any:
        pytest.importorskip("imblearn", reason="imbalanced-learn is not installed (the extra dev has it)")
        from imblearn.over_sampling import RandomOverSampler
        from imblearn.pipeline import make_pipeline as made_of

        return lambda last: made_of(StandardScaler(), RandomOverSampler(random_state=0), last)

    @pytest.mark.parametrize("wrapped", [False, True], ids=["alone", "searched"])
    def test_its_samplers_are_left_out(self, sampled: Any, wrapped: bool) -> None:
        frame = customers()
        estimator = sampled(logistic())
        if wrapped:
            estimator = GridSearchCV(estimator, {"logisticregression__C": [0.5, 1.0]}, cv=2)
        estimator.fit(frame[NUMBERS], target(frame, "binary"))
        made = package(estimator, frame)
        held(made, lambda rows: estimator.predict_proba(rows)[:, 1], NUMBERS)
        assert "imbalanced-learn" in made.libraries
