"""The estimator zoo: every classifier and regressor that skl2onnx claims to convert, in several settings.

`python -m tests.unit.packager.zoo docs/estimators.md` runs all of it and writes the table.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators

from modelpack.errors import PackagingError, ParityError
from modelpack.packager import package

NUMBERS = ["visits", "spend", "days_quiet", "balance"]
TEXTS = ["plan", "region"]


def sample(rows: int = 300, *, seed: int = 7) -> pd.DataFrame:
    """Simulated customers: counts, amounts, ages, a signed balance, two texts; some values missing."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "visits": rng.poisson(4, rows),
            "spend": rng.gamma(2.0, 40.0, rows).round(2),
            "days_quiet": rng.exponential(30.0, rows),
            "balance": rng.normal(0.0, 250.0, rows),
            "plan": rng.choice(["basic", "plus", "pro"], rows),
            "region": rng.choice(["north", "south", "east", "west", ""], rows),
        }
    )
    frame.loc[rng.random(rows) < 0.1, "balance"] = np.nan
    frame.loc[rng.random(rows) < 0.1, "plan"] = None
    return frame


def target(frame: pd.DataFrame, kind: str) -> Any:
    """A target that depends on the columns: two classes, three, or a positive value."""
    rng = np.random.default_rng(11)
    risk = (
        frame["days_quiet"] / 30.0
        - frame["visits"] / 4.0
        + (frame["plan"] == "basic")
        + frame["balance"].fillna(0.0) / 500.0
        + rng.normal(0.0, 0.5, len(frame))
    )
    if kind == "value":
        return np.exp(risk / 2.0)
    if kind == "binary":
        return np.where(risk > 0.2, "gone", "stays")
    return np.digitize(risk, [-0.4, 0.8])


@dataclass(frozen=True)
class Case:
    """One estimator in one setting."""

    name: str
    setting: str
    kind: str
    make: Callable[[], Any]
    columns: tuple[str, ...]
    clean: bool
    """Whether rows with a missing value are left out."""

    @property
    def id(self) -> str:
        return f"{self.name}-{self.setting}-{self.kind}"


@dataclass(frozen=True)
class Result:
    """What became of a case: `passed`, `refused` (no conversion) or `differs` (refused by the parity check)."""

    case: Case
    outcome: str
    detail: str


NEEDS = {
    "StackingClassifier": lambda c: c(
        [("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=3))]
    ),
    "VotingClassifier": lambda c: c(
        [("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=3))], voting="soft"
    ),
    "StackingRegressor": lambda c: c([("a", Ridge()), ("b", RandomForestRegressor(5, random_state=0))]),
    "VotingRegressor": lambda c: c([("a", Ridge()), ("b", RandomForestRegressor(5, random_state=0))]),
    "OneVsRestClassifier": lambda c: c(LogisticRegression()),
    "OneVsOneClassifier": lambda c: c(LogisticRegression()),
    "OutputCodeClassifier": lambda c: c(LogisticRegression()),
    "FixedThresholdClassifier": lambda c: c(LogisticRegression(), threshold=0.3),
    "TunedThresholdClassifierCV": lambda c: c(LogisticRegression()),
    "GridSearchCV": lambda c: c(Ridge(), {"alpha": [0.1, 1.0]}),
    "RandomizedSearchCV": lambda c: c(Ridge(), {"alpha": [0.1, 1.0]}, n_iter=2),
    "GaussianProcessClassifier": lambda c: c(),
}
SKIP = {
    "ClassifierChain", "MultiOutputClassifier", "MultiOutputRegressor", "RegressorChain",
    "MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV", "FrozenEstimator",
}  # fmt: skip
"""Several outputs: refused by kind, tested apart."""


def estimators() -> list[tuple[str, type[BaseEstimator]]]:
    """Names and classes of scikit-learn's classifiers and regressors with a converter in skl2onnx."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from skl2onnx import supported_converters

        known = {n.removeprefix("Sklearn") for n in supported_converters(True)}
        found = [*all_estimators(type_filter="classifier"), *all_estimators(type_filter="regressor")]
    return sorted({(n, c) for n, c in found if n in known | set(NEEDS) and n not in SKIP}, key=lambda p: p[0])


def make(name: str, cls: type[BaseEstimator]) -> Any:
    if name in NEEDS:
        return NEEDS[name](cls)
    options: dict[str, Any] = {}
    parameters = cls().get_params() if name not in NEEDS else {}
    for key, value in {"random_state": 0, "n_estimators": 10, "max_iter": 200, "probability": False}.items():
        if key in parameters:
            options[key] = value
    return cls(**options)


def preprocessing() -> dict[str, Callable[[], Any]]:
    """The usual ways of getting a table of numbers and texts into an estimator."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    onehot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    filled = make_pipeline(SimpleImputer(strategy="most_frequent"), onehot)
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    return {
        "impute, scale, one-hot": lambda: ColumnTransformer([("n", numbers, NUMBERS), ("t", filled, TEXTS)]),
        "impute, ordinal": lambda: ColumnTransformer(
            [("n", SimpleImputer(add_indicator=False), NUMBERS), ("t", ordinal, TEXTS)]
        ),
        "impute, min-max, target": lambda: ColumnTransformer(
            [
                ("n", make_pipeline(SimpleImputer(), MinMaxScaler()), NUMBERS),
                ("t", TargetEncoder(random_state=0), TEXTS),
            ]
        ),
    }


def cases() -> Iterator[Case]:
    """All cases; the estimators alone see complete numbers, those behind preprocessing everything."""
    everything = (*NUMBERS, *TEXTS)
    for name, cls in estimators():
        estimator = make(name, cls)
        kinds = ["binary", "multiclass"] if is_classifier(estimator) else ["value"]
        for kind in kinds:
            yield Case(name, "alone", kind, lambda n=name, c=cls: make(n, c), tuple(NUMBERS), True)
            yield Case(
                name,
                "standard scaler",
                kind,
                lambda n=name, c=cls: make_pipeline(StandardScaler(), make(n, c)),
                tuple(NUMBERS),
                True,
            )
        for label, front in preprocessing().items():
            yield Case(
                name,
                label,
                kinds[0],
                lambda f=front, n=name, c=cls: make_pipeline(f(), make(n, c)),
                everything,
                False,
            )
    forest = RandomForestClassifier(10, random_state=0)
    for label, made in {
        "calibrated, sigmoid": lambda: CalibratedClassifierCV(forest, cv=3),
        "calibrated, isotonic": lambda: CalibratedClassifierCV(forest, cv=3, method="isotonic"),
        "robust scaler": lambda: make_pipeline(RobustScaler(), forest),
        "quantiles": lambda: make_pipeline(QuantileTransformer(n_quantiles=50), forest),
        "polynomial": lambda: make_pipeline(PolynomialFeatures(2), StandardScaler(), LogisticRegression()),
    }.items():
        yield Case(
            "RandomForestClassifier" if label != "polynomial" else "LogisticRegression",
            label,
            "binary",
            made,
            tuple(NUMBERS),
            True,
        )
    for name in (
        "RandomForestClassifier",
        "ExtraTreesClassifier",
        "DecisionTreeClassifier",
        "HistGradientBoostingClassifier",
    ):
        cls = dict(estimators())[name]
        yield Case(name, "missing values", "binary", lambda n=name, c=cls: make(n, c), tuple(NUMBERS), False)


def run(case: Case, *, rows: int = 300, timeout: float = 60.0) -> Result:
    """Fit and package one case."""
    frame = sample(rows)
    values = target(frame, case.kind)
    if case.clean:
        keep = frame["balance"].notna()
        frame, values = frame[keep], values[keep]
    frame = frame[list(case.columns)].reset_index(drop=True)
    estimator = case.make()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(frame, values)
    except Exception as error:
        return Result(case, "not fitted", f"{type(error).__name__}: {str(error).splitlines()[0][:160]}")
    try:
        made = package(
            estimator, frame, positive_class=1 if case.kind == "multiclass" else None, timeout=timeout
        )
    except ParityError as error:
        return Result(case, "differs", str(error))
    except PackagingError as error:
        return Result(case, "refused", str(error))
    return Result(case, "passed", f"{made.parity.route}, {made.parity.max_difference:.1e}")
