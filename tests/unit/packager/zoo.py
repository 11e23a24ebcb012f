"""The estimator zoo: every classifier and regressor that skl2onnx claims to convert, in several settings.

`python -m tests.unit.packager.zoo docs/estimators.md` runs all of it and writes the table.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
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
from modelpack.packager import Package, Publication, package
from modelpack.packager.graph.runtime import Runner
from modelpack.packager.proof.parity import ROUNDED_LIMIT

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
    """What became of a case: `passed`, `refused` (no conversion), `differs` (refused by the parity check),
    `not fitted` (scikit-learn refuses the combination) or `wrong` (passed, and yet not the estimator)."""

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
    "TunedThresholdClassifierCV": lambda c: c(LogisticRegression()),
    "GridSearchCV": lambda c: c(Ridge(), {"alpha": [0.1, 1.0]}),
    "RandomizedSearchCV": lambda c: c(Ridge(), {"alpha": [0.1, 1.0]}, n_iter=2),
}
SKIP = {
    "ClassifierChain", "MultiOutputClassifier", "MultiOutputRegressor", "RegressorChain",
    "MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV", "FrozenEstimator",
}  # fmt: skip
"""Several outputs: refused by kind, tested apart."""

NON_NEGATIVE = {"CategoricalNB", "ComplementNB", "MultinomialNB"}
"""Counts alone are their inputs."""


@cache
def estimators() -> list[tuple[str, type[BaseEstimator]]]:
    """Names and classes of scikit-learn's classifiers and regressors with a converter in skl2onnx, and boosters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from skl2onnx._supported_operators import sklearn_operator_name_map as converted

        found = [*all_estimators(type_filter="classifier"), *all_estimators(type_filter="regressor")]
    mine = {(n, c) for n, c in found if c in converted and n not in SKIP}
    return sorted({*mine, *boosters()}, key=lambda p: p[0])


def boosters() -> set[tuple[str, Any]]:
    """LightGBM's and XGBoost's, where they are installed."""
    found = set()
    for library, prefix in (("lightgbm", "LGBM"), ("xgboost", "XGB")):
        with contextlib.suppress(ImportError, OSError):
            module = importlib.import_module(library)
            names = (f"{prefix}{kind}" for kind in ("Classifier", "Regressor"))
            found |= {(name, getattr(module, name)) for name in names}
    return found


def make(name: str, cls: type[BaseEstimator]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # some are deprecated, and still converted
        return _make(name, cls)


def _make(name: str, cls: type[BaseEstimator]) -> Any:
    if name in NEEDS:
        return NEEDS[name](cls)
    options: dict[str, Any] = {}
    parameters = cls().get_params() if name not in NEEDS else {}
    for key, value in {"random_state": 0, "n_estimators": 10, "max_iter": 200, "probability": False}.items():
        if key in parameters:
            options[key] = value
    if name.startswith("LGBM"):
        options["verbose"] = -1
    if name.startswith("XGB"):
        options["n_estimators"] = 10
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
        kinds = ["binary", "multiclass"] if is_classifier(make(name, cls)) else ["value"]
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
        *(n for n, _ in sorted(boosters()) if n.endswith("Classifier")),
    ):
        cls = dict(estimators())[name]
        yield Case(name, "missing values", "binary", lambda n=name, c=cls: make(n, c), tuple(NUMBERS), False)


def run(case: Case, *, rows: int = 300, timeout: float = 120.0) -> Result:
    """Fit and package one case; what passes is held against the estimator once more, on other customers."""
    frame, fresh = (_prepared(case, sample(rows, seed=seed)) for seed in (7, 8))
    values = target(frame, case.kind)
    if case.name.startswith("XGB") and case.kind == "binary":
        values = np.unique(values, return_inverse=True)[1]  # it takes no texts
    frame, fresh = frame[list(case.columns)], fresh[list(case.columns)]
    estimator = case.make()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            estimator.fit(frame, values)
        except Exception as error:
            return Result(case, "not fitted", f"{type(error).__name__}: {str(error).splitlines()[0][:160]}")
        try:
            made = package(
                estimator,
                frame,
                Publication(
                    positive_class=1 if case.kind == "multiclass" else None, timeout=timeout, engine="onnx"
                ),
            )
        except ParityError as error:
            return Result(case, "differs", str(error))
        except PackagingError as error:
            return Result(case, "refused", str(error))
        wrong = _wrong_rows(estimator, made, fresh)
    if wrong > ROUNDED_LIMIT * len(fresh):
        return Result(case, "wrong", f"{wrong} of {len(fresh)} fresh rows")
    return Result(case, "passed", f"{made.parity.route}, {made.parity.max_difference:.1e}")


def _prepared(case: Case, frame: pd.DataFrame) -> pd.DataFrame:
    if case.clean:
        frame = frame[frame["balance"].notna()].reset_index(drop=True)
    if case.name in NON_NEGATIVE:
        frame[NUMBERS] = frame[NUMBERS].abs().round()
    return frame


def _wrong_rows(estimator: Any, made: Package, fresh: pd.DataFrame) -> int:
    """Fresh rows to which the package gives another score than the estimator."""
    names = [i.name for i in made.signature.inputs]
    cells = fresh[names].astype(object).to_numpy().tolist()
    rows = [[None if pd.isna(v) else v for v in row] for row in cells]
    found = Runner(made.onnx).scores(made.signature.pack(rows))
    label = made.signature.output.positive_class
    if label is None:
        expected = np.ravel(estimator.predict(fresh))
    elif hasattr(estimator, "predict_proba"):
        index = [str(c) for c in estimator.classes_].index(label)
        expected = estimator.predict_proba(fresh)[:, index]
    else:
        expected = estimator.decision_function(fresh)
        if expected.ndim == 2:
            expected = expected[:, [str(c) for c in estimator.classes_].index(label)]
    unit = max(1.0, float(np.std(expected)))
    return int((~(np.abs(found - expected) <= 1e-4 * unit)).sum())


SETTINGS = {
    "alone": "alone",
    "standard scaler": "scaler",
    "impute, scale, one-hot": "one-hot",
    "impute, ordinal": "ordinal",
    "impute, min-max, target": "target",
}
_MARKS = {"passed": "yes", "refused": "refused", "differs": "differs", "not fitted": "–", "wrong": "WRONG"}


_TEXTS = r"""## Text vectorisers

`CountVectorizer` and `TfidfVectorizer`, alone before an estimator (fitted on a series of texts) or on a column of a
`ColumnTransformer`, and `TfidfTransformer` behind the first. The signature says how a text is read, and the server's Python
reads it so; ONNX counts and weighs the words.

| setting | outcome |
| --- | --- |
| `lowercase`, `strip_accents="ascii"` or `"unicode"`, `stop_words`, `ngram_range`, `binary`, `max_features`, `vocabulary` | yes; no locale of the server is needed |
| `token_pattern`: runs of word characters, such as `(?u)\b\w\w+\b` (the default), `\w+`, `\w{3,}` | yes |
| `analyzer="char"`, `"char_wb"` | yes |
| another `token_pattern`; a `tokenizer`, `preprocessor`, `analyzer` or `strip_accents` of one's own | refused: do it in SQL, `expression("…")`, for training set and score alike |
| two steps that read one column in two ways | refused: give the second an input of its own |
| `HashingVectorizer` | refused: it keeps no vocabulary |
| a NULL text; one of a million characters or more | no score, with the reason |
"""


AROUND = """\
## What stands around and before an estimator

Written by hand; each row is held by tests (`tests/unit/packager/test_composites.py`, `test_boosters.py`, `test_files.py`).
The version is always held against the object as it was given.

| what | outcome |
| --- | --- |
| GridSearchCV, RandomizedSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, alone or as a step | yes: the estimator that was found; with `refit=False` refused |
| imbalanced-learn's Pipeline | yes: its samplers do nothing at prediction |
| CalibratedClassifierCV (sigmoid, isotonic, temperature), StackingClassifier and -Regressor, VotingClassifier (soft) and -Regressor, OneVsRestClassifier, BaggingClassifier and -Regressor over whole pipelines | yes |
| FixedThresholdClassifier, TunedThresholdClassifierCV, FrozenEstimator | yes: the probability, which a threshold leaves alone |
| VotingClassifier with `voting="hard"`, stacks that hand on predicted classes | refused: there is no probability; the sentence names the setting |
| HistGradientBoostingRegressor with `loss="poisson"` or `"gamma"`, PoissonRegressor, GammaRegressor, TweedieRegressor, the same objectives of LightGBM and XGBoost, XGBoost's `reg:logistic`, `survival:cox` | yes: on the scale of the target |
| TransformedTargetRegressor | yes, with a known function (below), StandardScaler, RobustScaler, MinMaxScaler, MaxAbsScaler, PowerTransformer |
| several outputs (MultiOutputRegressor, MultiOutputClassifier, linear models, forests and neighbours of several values) | yes: `--output` chooses one by its number; a forest of several classifications and chains are refused |
| IsolationForest, OneClassSVM, SGDOneClassSVM, LocalOutlierFactor (`novelty=True`) | yes: the decision function, below 0 an outlier; EllipticEnvelope is refused |
| FunctionTransformer of np.log1p, log, log2, log10, exp, exp2, expm1, sqrt, square, abs, sign, negative, reciprocal, sin, cos, tanh, floor, ceil, rint, round (with `decimals`), clip (with bounds), deg2rad, rad2deg, scipy's expit | yes; a function of your own is refused: let the declaration compute it |
| RFE, RFECV, SelectFromModel, SequentialFeatureSelector, SelectKBest and the like, VarianceThreshold | yes |
| KBinsDiscretizer, Binarizer, PowerTransformer, QuantileTransformer (uniform), PolynomialFeatures, PCA, TruncatedSVD | yes |
| SimpleImputer with `add_indicator=True` (numbers), MissingIndicator | yes |
| ColumnTransformer behind another step, `set_output(transform="pandas")`, `remainder=…`, steps that are "passthrough" | yes |
| booleans beside None, pandas' boolean, Int64, Float64, category, Arrow's types, decimals | yes: the estimator is asked with the sample's own types |
| XGBoost behind a sparse matrix | yes: a zero that is not stored is missing to it, as in training; so is the number given as `missing` |
| LightGBM on columns with spaces | yes, under the sample's own names |
| categorical splits of LightGBM, XGBoost and histogram trees | refused: encode categories in a step before |
| CatBoost | its own .onnx file (`save_model(path, format="onnx")`) with `--expected` |
| SplineTransformer, KNNImputer, Nystroem, RBFSampler, NMF, FastICA, a class of your own | refused: the sentence names the step |
| a file of another scikit-learn | yes, if it loads and gives the same scores here; both versions are kept. If it does not load, the sentence says which version wrote it |
"""
"""The part of the page that is written by hand."""


def table(results: Sequence[Result]) -> str:
    """The results as a page of Markdown."""
    lines = [
        "# Estimators that can be published",
        "",
        "Made by `python -m tests.unit.packager.zoo docs/estimators.md` from the estimator zoo: every scikit-learn",
        "classifier and regressor that skl2onnx claims to convert, and those of LightGBM and XGBoost, fitted on",
        "simulated customers. *yes*: the ONNX model gives the estimator's own result on the sample, on the probes",
        "and on fresh rows. *refused*: there is no conversion. *differs*: the conversion is not faithful, and the parity check",
        "refuses it. *–*: scikit-learn itself does not fit this combination. What is refused or differs is",
        "never published in silence.",
        "",
        f"Versions: scikit-learn {version('scikit-learn')}, skl2onnx {version('skl2onnx')}, "
        f"onnxruntime {version('onnxruntime')}, onnxmltools {version('onnxmltools')}, "
        f"LightGBM {version('lightgbm')}, XGBoost {sys.modules['xgboost'].__version__}.",
        "With other versions a cell may differ: what a version converts wrongly or not at all is refused there.",
        "",
        "Columns: the estimator *alone* on numbers; behind a standard *scaler*; behind a `ColumnTransformer`",
        "that imputes and scales numbers and imputes and *one-hot* encodes texts; that imputes and *ordinal*",
        "encodes; that imputes, scales to a range and *target* encodes (the last three with missing values).",
        "",
        "| estimator | target | " + " | ".join(SETTINGS.values()) + " |",
        "| --- | --- |" + " --- |" * len(SETTINGS),
    ]
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for r in results:
        if r.case.setting in SETTINGS:
            cells.setdefault((r.case.name, r.case.kind), {})[r.case.setting] = _MARKS[r.outcome]
    for (name, kind), row in cells.items():
        lines.append(f"| {name} | {kind} | " + " | ".join(row.get(s, "") for s in SETTINGS) + " |")
    lines += ["", "Other settings:", "", "| estimator | setting | outcome |", "| --- | --- | --- |"]
    lines += [
        f"| {r.case.name} | {r.case.setting} | {_MARKS[r.outcome]} |"
        for r in results
        if r.case.setting not in SETTINGS
    ]
    lines += ["", *AROUND.splitlines(), "", _TEXTS, "## Why", ""]
    reasons: dict[str, str] = {}
    for r in results:
        if r.outcome in ("refused", "differs", "wrong"):
            reasons.setdefault(f"{r.case.name} ({r.outcome})", r.detail[:300].replace("|", "/"))
    lines += [f"- **{name}**: {text}" for name, text in reasons.items()]
    return "\n".join(lines) + "\n"


def passed(page: str) -> set[str]:
    """The cases that passed when the page was written: it is the record that a later run is held against."""
    found = set()
    ids = {(c.name, c.setting, c.kind): c.id for c in cases()}
    others = {(c.name, c.setting): c.id for c in cases() if c.setting not in SETTINGS}
    for line in page.splitlines():
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        if len(cells) == 2 and cells[1] == "yes" and (name, cells[0]) in others:
            found.add(others[name, cells[0]])
        elif len(cells) == 1 + len(SETTINGS):
            found |= {
                ids[name, setting, cells[0]]
                for setting, cell in zip(SETTINGS, cells[1:], strict=True)
                if cell == "yes" and (name, setting, cells[0]) in ids
            }
    return found


def _run_number(n: int) -> Result:
    """One case by its number: cases hold functions, which do not travel between processes."""
    result = run(list(cases())[n])
    return replace(result, case=replace(result.case, make=_nothing))


def _nothing() -> None:
    """Stands for the function that made an estimator, once it is done."""


def main(arguments: Sequence[str]) -> int:
    """Run the zoo, write the page, and fail where anything is wrong in silence or passed when the page was written."""
    page = Path(arguments[0])
    before = passed(page.read_text()) if page.exists() else set()
    with ProcessPoolExecutor(2) as pool:
        results = list(pool.map(_run_number, range(len(list(cases())))))
    page.write_text(table(results))
    for result in results:
        print(f"{result.outcome:10} {result.case.id:60} {result.detail[:200]}")
    lost = [r.case.id for r in results if r.outcome != "passed" and r.case.id in before]
    if lost:
        print(f"passed when {page} was written, and does not now: {', '.join(lost)}", file=sys.stderr)
    return 1 if lost or any(r.outcome == "wrong" for r in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
