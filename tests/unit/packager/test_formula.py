"""A version as a formula: held against its estimator, on rows that the packager has not seen."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    StandardScaler,
)
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBClassifier

from modelpack.errors import PackagingError
from modelpack.formula import evaluate
from modelpack.packager import Publication, formula_for, package
from modelpack.packager.formula.proven import operations
from modelpack.packager.signature import Signature
from tests.unit.packager.conftest import NUMBERS, TEXTS

pytestmark = pytest.mark.usefixtures("here")


def encoded(estimator: Any, *, gaps: bool = False) -> Any:
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()) if gaps else StandardScaler()
    texts: Any = OneHotEncoder(handle_unknown="ignore")
    if gaps:
        texts = make_pipeline(SimpleImputer(strategy="constant", fill_value="none"), texts)
    return make_pipeline(make_column_transformer((numbers, NUMBERS), (texts, TEXTS)), estimator)


def fresh(frame: pd.DataFrame) -> pd.DataFrame:
    """Other customers, of the same kinds and gaps, with numbers beside those of the sample and beyond them."""
    rng = np.random.default_rng(77)
    made = frame.sample(len(frame), replace=True, random_state=9).reset_index(drop=True)
    for name in NUMBERS:
        made[name] = (
            (made[name].astype(float) * rng.uniform(0.5, 1.6, len(made))).astype(np.float32).astype(float)
        )
    for name in TEXTS:
        made[name] = frame[name].sample(len(made), replace=True, random_state=10).to_numpy()
    return made


CASES: dict[str, tuple[Any, list[str], bool]] = {
    "logistic": (encoded(LogisticRegression()), NUMBERS + TEXTS, False),
    "logistic with gaps": (encoded(LogisticRegression(), gaps=True), NUMBERS + TEXTS, True),
    "ridge": (Ridge(), NUMBERS, False),
    "poisson": (make_pipeline(StandardScaler(), PoissonRegressor()), NUMBERS, False),
    "tree": (DecisionTreeRegressor(max_depth=6), NUMBERS, False),
    "forest": (RandomForestClassifier(30, max_depth=6, random_state=1), NUMBERS, False),
    "forest of a scaled row": (
        make_pipeline(StandardScaler(), RandomForestRegressor(20, max_depth=5, random_state=1)),
        NUMBERS,
        False,
    ),
    "boosted": (GradientBoostingClassifier(n_estimators=60, random_state=1), NUMBERS, False),
    "histograms with gaps": (HistGradientBoostingClassifier(max_iter=40, random_state=1), NUMBERS, True),
    "histograms of a count": (
        HistGradientBoostingRegressor(loss="poisson", max_iter=30, random_state=1),
        NUMBERS,
        True,
    ),
    "ordinal and trees": (
        make_pipeline(
            make_column_transformer(
                ("passthrough", NUMBERS),
                (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), TEXTS),
            ),
            RandomForestClassifier(20, max_depth=6, random_state=2),
        ),
        NUMBERS + TEXTS,
        False,
    ),
    "lightgbm": (LGBMClassifier(n_estimators=40, verbose=-1), NUMBERS, True),
    "xgboost": (XGBClassifier(n_estimators=40, max_depth=4), NUMBERS, True),
    "polynomials": (
        make_pipeline(StandardScaler(), PolynomialFeatures(2), LogisticRegression()),
        NUMBERS,
        False,
    ),
    "components": (make_pipeline(StandardScaler(), PCA(2), LogisticRegression()), NUMBERS, False),
    "bins": (
        make_pipeline(
            KBinsDiscretizer(4, encode="ordinal", quantile_method="averaged_inverted_cdf"),
            LogisticRegression(),
        ),
        NUMBERS,
        False,
    ),
    "powers": (make_pipeline(PowerTransformer(), LogisticRegression()), NUMBERS, False),
    "normalised": (make_pipeline(Normalizer(), Ridge()), NUMBERS, False),
    "network": (
        make_pipeline(StandardScaler(), MLPClassifier((6,), max_iter=300, random_state=1)),
        NUMBERS,
        False,
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_a_formula_gives_what_the_estimator_gives(
    name: str, customers: pd.DataFrame, gaps: pd.DataFrame, gone: Any
) -> None:
    estimator, columns, missing = CASES[name]
    frame = (gaps if missing else customers)[columns]
    estimator.fit(frame, gone if hasattr(estimator, "predict_proba") else gone + frame["visits"].to_numpy())
    made = package(estimator, frame, Publication())
    document = formula_for(made.onnx, made.signature.to_json(), made.golden.to_json())
    formula = json.loads(json.dumps(document["formula"]))  # as a file gives it
    rows = fresh(gaps if missing else customers)[columns]
    truth = (
        estimator.predict_proba(rows)[:, 1]
        if hasattr(estimator, "predict_proba")
        else estimator.predict(rows)
    )
    found = np.array([_score(formula, made.signature, row) for row in rows.to_dict("records")])
    unit = np.maximum(1.0, np.abs(truth))
    assert np.ptp(truth) > 0.05
    assert float(np.max(np.abs(found - truth) / unit)) <= 1e-5


def _score(formula: dict[str, Any], signature: Signature, row: dict[str, Any]) -> float:
    """As an application would: inputs by name, in the order of the signature."""
    given = [(i, row[i.name]) for i in signature.inputs]
    numbers = [None if v is None or v != v else float(v) for i, v in given if i.type == "number"]
    texts = [i.missing_token if v is None or v != v else v for i, v in given if i.type == "text"]
    return evaluate(formula, numbers, texts)  # type: ignore[arg-type]  # a missing text has a token here


@pytest.mark.parametrize(
    ("estimator", "columns", "operator"),
    [
        (SVR(), NUMBERS, "SVMRegressor"),
        (
            make_pipeline(make_column_transformer((CountVectorizer(), "plan")), LogisticRegression()),
            ["plan"],
            "operator",
        ),
    ],
)
def test_a_graph_that_has_no_formula_says_why(
    estimator: Any, columns: list[str], operator: str, customers: pd.DataFrame, gone: Any
) -> None:
    estimator.fit(customers[columns], gone)
    made = package(estimator, customers[columns], Publication(tolerance=1e-3))
    with pytest.raises(PackagingError, match=f"has no formula: .*{operator}"):
        formula_for(made.onnx, made.signature.to_json(), made.golden.to_json())


def test_a_formula_that_gives_another_score_than_a_golden_row_is_refused(
    customers: pd.DataFrame, gone: Any
) -> None:
    made = package(LogisticRegression().fit(customers[NUMBERS], gone), customers[NUMBERS], Publication())
    golden = made.golden.to_json()
    place = next(n for n, score in enumerate(golden["scores"]) if score is not None)
    for other in (golden["scores"][place] + 3e-5, None):
        scores = [*golden["scores"][:place], other, *golden["scores"][place + 1 :]]
        with pytest.raises(PackagingError, match=f"for golden row {place + 1}"):
            formula_for(made.onnx, made.signature.to_json(), {"rows": golden["rows"], "scores": scores})


def test_operations_of_a_row_are_counted_along_the_longest_way() -> None:
    tree = [0, "<=", 1.0, False, [0, "<", 2.0, True, 1.0, 2.0], 3.0]
    steps = [
        ["number", 0],
        ["linear", [0, 0, 0], [1.0, 2.0, 3.0], 0.5],
        ["trees", [0, 1], [tree, tree, 7.0]],
        ["softmax", 0, [1, 2]],
    ]
    # four steps; three weights; two levels, twice, and three trees to add; two shares
    assert operations({"format": 1, "steps": steps}) == 4 + 3 + (2 + 2 + 3) + 2


def test_what_the_score_does_not_need_is_no_part_of_it(customers: pd.DataFrame, gone: Any) -> None:
    made = package(LogisticRegression().fit(customers[NUMBERS], gone), customers[NUMBERS], Publication())
    steps = formula_for(made.onnx, made.signature.to_json(), made.golden.to_json())["formula"]["steps"]
    names = [step[0] for step in steps]
    assert names.count("number") == len(NUMBERS)
    assert names.count("linear") <= 2
    assert len(steps) <= len(NUMBERS) + 6
