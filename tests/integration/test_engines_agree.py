"""The engines against each other and against the estimator: random models, on rows of every kind.

MODELPACK_FUZZ=<examples> runs more of it, with a new seed each time.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelpack import Event, Profile, Score, count
from modelpack.publication import ENGINES
from modelpack.registry import Registry
from tests.support import Session, attach, rows

pytestmark = pytest.mark.usefixtures("here")

FUZZ = int(os.environ.get("MODELPACK_FUZZ", "0"))

NUMBERS = ["a", "b", "c"]
WORDS = ["north", "süd", "", "O'Brien", "none"]
TABLES = """
create table customer (customer_id bigint primary key, a float8, b float8, c float8, word text);
create table visit (customer_id bigint not null, at timestamptz not null default now());
"""
PROFILE = Profile(
    "customer",
    key="customer_id",
    events=[Event("visit", at="at", features={"visits": count()})],
    scores=[Score("churn", on_error="null")],
)
KINDS = {
    "logistic": lambda seed: LogisticRegression(C=1 + seed % 5),
    "ridge": lambda seed: Ridge(alpha=1 + seed % 5),
    "boosted": lambda seed: GradientBoostingClassifier(
        n_estimators=20, max_depth=1 + seed % 4, random_state=seed
    ),
    "histogram": lambda seed: HistGradientBoostingClassifier(
        max_iter=10, max_depth=2 + seed % 3, random_state=seed
    ),
    "forest": lambda seed: RandomForestClassifier(n_estimators=8, max_depth=2 + seed % 6, random_state=seed),
    "extra": lambda seed: ExtraTreesRegressor(n_estimators=8, max_depth=2 + seed % 6, random_state=seed),
}


def known(chance: np.random.Generator, n: int, *, gaps: bool) -> pd.DataFrame:
    """Customers as a model is trained on, as float32 holds them."""
    frame = pd.DataFrame(
        {name: chance.normal(0, 10.0**place, n).astype(np.float32) for place, name in enumerate(NUMBERS)}
    )
    frame["c"] = frame["c"].round(0)  # many rows have the value of a threshold's neighbour
    frame["word"] = chance.choice(WORDS, n)
    if gaps:
        frame.loc[chance.random(n) < 0.2, "a"] = np.nan
    return frame.astype(dict.fromkeys(NUMBERS, "float64"))


def model(kind: str, seed: int, *, gaps: bool, words: bool) -> Any:
    numbers: Any = StandardScaler() if kind in ("logistic", "ridge") else "passthrough"
    if gaps and kind != "histogram":  # which takes missing numbers as they are
        numbers = make_pipeline(SimpleImputer(add_indicator=seed % 2 == 0), StandardScaler())
    parts: list[Any] = [(numbers, NUMBERS)]
    if words:
        parts.append((OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["word"]))
    return make_pipeline(make_column_transformer(*parts), KINDS[kind](seed))


def asked(chance: np.random.Generator, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows to be scored: known ones, ones with a hole, a word never seen, no word, numbers that float32 does not hold."""
    found = frame.sample(40, random_state=1, ignore_index=True)
    holes = chance.integers(0, len(NUMBERS), 12)
    for place, hole in enumerate(holes):
        found.loc[place, NUMBERS[hole]] = np.nan
    found.loc[12:14, "word"] = "never seen"
    found.loc[15, "b"] = 1e39
    found.loc[16, "c"] = -np.inf
    found.loc[17, NUMBERS] = np.nan
    found.loc[18, NUMBERS] = [
        1e30,
        -1e30,
        0.0,
    ]  # beyond 1e38 float32 overflows while it adds, float64 does not
    found.loc[19, NUMBERS] = [1e-45, -0.0, 0.1]
    with np.errstate(over="ignore"):
        narrow = found[NUMBERS].astype(np.float32).astype(float)
    found[NUMBERS] = found[NUMBERS].where(np.isinf(narrow), narrow)
    return found


Scored = dict[int, tuple[float | None, str | None]]


def scored(session: Session, registry: Registry, engine: str, estimator: Any, sample: pd.DataFrame) -> Scored:
    """What every row is given by a version of an engine, by the job for many rows, which is what an event of one row gives."""
    version = registry.publish(estimator, name="churn", sample=sample, engine=engine, promote=True)
    assert version.engine == engine
    session.execute("call modelpack.rescore('customer', everything => true)")
    query = "select customer_id, churn, churn_stale from customer order by 1"
    many: Scored = {key: (score, reason) for key, score, reason in rows(session, query)}
    session.execute("delete from visit")
    session.execute("insert into visit (customer_id) values (0)")
    for key in many:
        session.execute("insert into visit (customer_id) values (%s)", [key])
    alone: Scored = {key: (score, reason) for key, score, reason in rows(session, query)}
    assert alone == many
    return many


def predicted(estimator: Any, frame: pd.DataFrame) -> Any:
    return (
        estimator.predict_proba(frame)[:, 1]
        if hasattr(estimator, "predict_proba")
        else estimator.predict(frame)
    )


def takes_a_hole(estimator: Any, frame: pd.DataFrame, name: str) -> bool:
    """What the estimator says: of scikit-learn's some take missing numbers although they were fitted on none."""
    try:
        predicted(estimator, frame.head(1).assign(**{name: np.nan}))
    except ValueError:
        return False
    return True


def hold(database: str, kind: str, seed: int, *, gaps: bool, words: bool) -> None:
    chance = np.random.default_rng(seed)
    frame = known(chance, 400, gaps=gaps)
    signal = frame.a.fillna(1) + frame.b / 10 + (frame.word == "süd") * 2 + chance.normal(0, 1, len(frame))
    estimator = model(kind, seed, gaps=gaps, words=words)
    estimator.fit(frame, (signal > 0).astype(int) if kind not in ("ridge", "extra") else signal)
    wanted = asked(chance, frame)
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("truncate customer, visit")
        with session.cursor() as cursor:
            cursor.executemany(
                "insert into customer values (%s, %s, %s, %s, %s)",
                [
                    (key, *(None if v != v else v for v in row[:3]), row[3])
                    for key, row in enumerate(wanted.itertuples(index=False, name=None))
                ],
            )
        registry = Registry(database)
        found = {engine: scored(session, registry, engine, estimator, frame) for engine in ENGINES}
    onnx, python = found["onnx"], found["python"]
    assert {key: reason for key, (_, reason) in onnx.items()} == {
        key: reason for key, (_, reason) in python.items()
    }
    beyond = (np.abs(wanted[NUMBERS]) > np.finfo(np.float32).max).any(axis=1)
    needed = [name for name in NUMBERS if not takes_a_hole(estimator, frame, name)]
    hole = wanted[needed].isna().any(axis=1)
    for key in range(len(wanted)):
        for scores in (onnx, python):
            assert (scores[key][0] is None) == bool(beyond[key] or hole[key]), (
                key,
                scores[key],
                wanted.iloc[key].to_dict(),
            )
    there = [key for key in onnx if onnx[key][0] is not None]
    rows_there = wanted.iloc[there]
    truth = predicted(estimator, rows_there)
    unit = (
        np.maximum(1.0, np.abs(truth))
        if hasattr(estimator, "predict_proba")
        else np.maximum(np.abs(truth), np.std(signal))
    )
    for scores in (onnx, python):
        given_scores = np.array([scores[key][0] for key in there], dtype=float)
        worst = np.argmax(np.abs(given_scores - truth) / unit)
        assert abs(given_scores[worst] - truth[worst]) <= 2e-5 * unit[worst], rows_there.iloc[worst].to_dict()


@pytest.fixture
def customers(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as session:
        session.execute(TABLES)
    attach(database, PROFILE)
    return database


@pytest.mark.parametrize(
    ("kind", "gaps", "words"),
    [("logistic", True, True), ("boosted", False, True), ("histogram", True, False)],
)
def test_engines_give_the_scores_and_the_reasons_of_each_other(
    customers: str, kind: str, gaps: bool, words: bool
) -> None:
    hold(customers, kind, 7, gaps=gaps, words=words)


@pytest.mark.long
@settings(
    max_examples=FUZZ or 20, deadline=None, derandomize=not FUZZ, suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)  # fmt: skip
@given(
    kind=st.sampled_from(sorted(KINDS)), seed=st.integers(0, 10_000), gaps=st.booleans(), words=st.booleans()
)
def test_engines_agree_on_random_models(
    customers: str, kind: str, seed: int, gaps: bool, words: bool
) -> None:
    hold(customers, kind, seed, gaps=gaps, words=words)
