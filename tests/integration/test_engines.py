"""Versions that Python scores inside the database, from a formula: the same truth as the estimator's, without wheels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest
from alembic import command
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelpack import Event, Profile, Score, count, mean, total
from modelpack.connection import make_engine
from modelpack.errors import PackagingError, ParityError, RegistryError
from modelpack.formula import evaluate
from modelpack.install import alembic_config
from modelpack.packager import dummy
from modelpack.packager.formula import proven
from modelpack.packager.formula.proven import MOST_PARTS
from modelpack.registry import Registry
from tests.integration.shop import TABLES
from tests.support import Session, attach, linear_model, row, rows, value

pytestmark = pytest.mark.usefixtures("here")

FEATURES = {"n": count(), "spend": total("amount"), "basket": mean("amount")}
SHOP = Profile(
    "customer",
    key="customer_id",
    events=[Event("purchase", at="at", features=FEATURES)],
    scores=[Score("churn", on_error="stale")],
)


def sample() -> tuple[pd.DataFrame, Any]:
    chance = np.random.default_rng(11)
    frame = pd.DataFrame(
        {
            "n": chance.integers(0, 30, 600),
            "spend": chance.gamma(2, 80, 600).round(2),
            "basket": chance.gamma(2, 20, 600).round(2),
            "plan": chance.choice(["basic", "plus", 'zürich\'s "best"'], 600),
        }
    )
    frame.loc[::9, "basket"] = np.nan
    odds = 0.1 * frame.n - frame.spend / 100 + (frame.plan == "plus") + frame.basket.fillna(50) / 50
    return frame, (odds + chance.normal(0, 1, 600) > 0.5).astype(int)


def fitted(kind: str) -> tuple[Any, pd.DataFrame]:
    frame, outcome = sample()
    prepared = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["n", "spend", "basket"]),
        (OneHotEncoder(handle_unknown="ignore"), ["plan"]),
    )
    last = {
        "linear": LogisticRegression(),
        "boosted": GradientBoostingClassifier(n_estimators=30, random_state=1),
        "forest": RandomForestRegressor(n_estimators=20, max_depth=5, random_state=1),
    }[kind]
    return make_pipeline(prepared, last).fit(frame, outcome), frame


@pytest.fixture
def shop(database: str) -> Iterator[tuple[Session, Registry]]:
    with psycopg.connect(database, autocommit=True) as session:
        session.execute(TABLES)
        session.execute("alter table customer alter column plan drop default")
        yield session, Registry(database)


def plain_model() -> Any:
    """One of a single input."""
    frame, outcome = sample()
    return LogisticRegression().fit(frame[["n"]], outcome)


def truth(estimator: Any, session: Session) -> dict[int, float]:
    """What the estimator says of the profile rows as they are stored."""
    stored = rows(session, "select customer_id, n, spend, basket, plan from customer order by 1")
    frame = pd.DataFrame(stored, columns=["id", "n", "spend", "basket", "plan"])
    frame = frame.astype({"n": float, "spend": float, "basket": float})
    if hasattr(estimator, "predict_proba"):
        scores = estimator.predict_proba(frame[["n", "spend", "basket", "plan"]])[:, 1]
    else:
        scores = estimator.predict(frame[["n", "spend", "basket", "plan"]])
    return dict(zip(frame.id, scores, strict=True))


def scores(session: Session) -> dict[int, float]:
    return dict(rows(session, "select customer_id, churn from customer"))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["linear", "boosted", "forest"])
def test_events_are_scored_by_the_formula_as_the_estimator_does(
    shop: tuple[Session, Registry], database: str, kind: str
) -> None:
    session, registry = shop
    estimator, frame = fitted(kind)
    attach(database, SHOP)
    version = registry.publish(estimator, name="churn", sample=frame, engine="python", promote=True)
    assert version.engine == "python"
    assert version.onnxruntime is None
    assert version.checked_at is not None
    with psycopg.connect(database, autocommit=True) as application:
        application.execute(
            "insert into customer values (1, 'basic'), (2, 'plus'), (3, 'zürich''s \"best\"'), (4, 'another')"
        )
        for customer in (1, 2, 3, 4, 2, 3, 3):  # row by row
            application.execute(
                "insert into purchase (customer_id, amount) values (%s, %s)", [customer, 17.35 * customer]
            )
        application.execute(  # set-wise
            "insert into purchase (customer_id, amount) select 10 + g %% 200, (g * 37 %% 1009) / 7.0 from generate_series(1, 3000) as g",
            [],
        )
        loaded = "do $$ import sys; plpy.notice('onnxruntime' in sys.modules or 'numpy' in sys.modules) $$ language plpython3u"
        said: list[str] = []
        application.add_notice_handler(lambda notice: said.append(str(notice.message_primary)))
        application.execute(loaded)
        assert said == ["False"]
    assert value(session, "select count(*) from customer where churn is null or churn_stale is not null") == 0
    found, expected = scores(session), truth(estimator, session)
    assert len(found) == 204
    assert found.keys() == expected.keys()
    for customer, score in found.items():
        assert score == pytest.approx(expected[customer], abs=2e-5)
    # bit for bit what the published formula gives, whichever way the row took
    formula = value(session, "select f.formula from modelpack.formula as f")
    inputs = "select customer_id, n::float8, spend::float8, basket::float8, plan from customer"
    for customer, *numbers, plan in rows(session, inputs):
        assert found[customer] == evaluate(formula, numbers, [plan])


def test_rescore_reproduce_and_explain_use_the_same_function(
    shop: tuple[Session, Registry], database: str
) -> None:
    session, registry = shop
    estimator, frame = fitted("boosted")
    attach(database, SHOP)
    first = registry.publish(estimator, name="churn", sample=frame, engine="onnx", promote=True)
    session.execute("insert into customer select g, 'plus' from generate_series(1, 50) as g")
    session.execute("insert into purchase (customer_id, amount) select g, g from generate_series(1, 50) as g")
    before = scores(session)
    second = registry.publish(estimator, name="churn", sample=frame, engine="python", promote=True)
    assert (first.engine, second.engine) == ("onnx", "python")
    session.execute("call modelpack.rescore('customer')")
    after = scores(session)
    assert after.keys() == before.keys()
    assert all(abs(after[c] - before[c]) < 2e-6 for c in after)  # float64 sums, not float32
    assert after != before
    single = value(
        session,
        "select p.prediction_id from modelpack.prediction as p where p.version = 2 limit 1",
    )
    assert value(session, "select r.same from modelpack.reproduce(%s) as r", single) is True
    assert registry.predict("churn", {"n": 1, "spend": 1.0, "basket": 1.0, "plan": "plus"}) == after[1]
    registry.rollback("churn")
    session.execute("call modelpack.rescore('customer')")
    assert scores(session) == before


def of_wheels(session: Session) -> set[str]:
    """What the doctor says of them."""
    found = dict(rows(session, "select d.check, d.status from modelpack.doctor() as d"))
    return {found["wheels"], found["process that tries models"]}


def test_a_server_without_wheels_publishes_and_scores(shop: tuple[Session, Registry], database: str) -> None:
    session, registry = shop
    estimator, frame = fitted("linear")
    without = "create or replace function modelpack.server_wheels() returns text language sql immutable as $$ select '/nowhere' $$"
    registry.publish(plain_model(), name="former", sample=frame[["n"]], engine="onnx")
    session.execute(without)
    with psycopg.connect(database, autocommit=True) as fresh:
        assert of_wheels(fresh) == {"fail"}  # a version needs them
    with pytest.raises(RegistryError, match="No module named 'numpy'"):
        registry.publish(estimator, name="churn", sample=frame, engine="onnx")
    attach(database, SHOP)
    registry.publish(estimator, name="churn", sample=frame, promote=True)
    session.execute("insert into customer values (1, 'plus')")
    with psycopg.connect(database, autocommit=True) as application:
        application.execute("insert into purchase (customer_id, amount) values (1, 12)")
        assert of_wheels(application) == {"fail"}
        registry.curation.retire("former", 1, "over")
        assert of_wheels(application) == {"warn"}  # none needs them now
    assert scores(session) == pytest.approx(truth(estimator, session), abs=1e-5)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_linear_models_and_small_trees_are_scored_by_python_and_the_rest_by_onnxruntime(
    shop: tuple[Session, Registry],
) -> None:
    _, registry = shop
    frame, outcome = sample()
    numbers = frame[["n", "spend"]].astype(float)

    def engine(model: Any) -> str:
        return registry.publish(model, name="churn", sample=numbers).engine

    assert engine(LogisticRegression().fit(numbers, outcome)) == "python"
    trees = GradientBoostingClassifier(n_estimators=100, max_depth=3, random_state=1).fit(numbers, outcome)
    assert engine(trees) == "python"
    forest = RandomForestRegressor(n_estimators=60, random_state=1).fit(numbers, outcome)
    assert sum(tree.tree_.node_count for tree in forest.estimators_) > MOST_PARTS
    assert engine(forest) == "onnx"
    network = MLPClassifier((40, 40), max_iter=20, random_state=1).fit(numbers / 100, outcome)
    assert sum(weights.size for weights in network.coefs_) < MOST_PARTS / 2  # all of which each row takes
    assert engine(network) == "onnx"
    assert engine(GaussianProcessRegressor().fit(numbers.head(50), outcome[:50])) == "onnx"  # no formula
    assert registry.publish_dummy(0.25, ["n"], name="dummy").engine == "python"
    assert registry.predict("dummy", {"n": 1}, version=1) == 0.25


def test_a_formula_that_misses_the_tolerance_leaves_a_model_that_holds_to_onnxruntime(
    shop: tuple[Session, Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, registry = shop
    frame, _ = sample()
    off = {"format": 1, "steps": [["constant", 0.5]]}
    monkeypatch.setattr(proven, "formula_of", lambda _: off)
    version = registry.publish(plain_model(), name="churn", sample=frame[["n"]])
    assert (version.engine, version.parity["failures"]) == ("onnx", 0)
    with pytest.raises(ParityError):
        registry.publish(plain_model(), name="churn", sample=frame[["n"]], engine="python")


def test_an_empty_registry_expects_wheels(shop: tuple[Session, Registry]) -> None:
    session, _ = shop
    assert value(session, "select modelpack.needs_wheels()") is True


def test_a_model_without_a_formula_is_refused_for_python_in_words(shop: tuple[Session, Registry]) -> None:
    _, registry = shop
    frame, outcome = sample()
    numbers = frame[["n", "spend"]].astype(float)
    model = GaussianProcessRegressor().fit(numbers.head(50), outcome[:50])
    with pytest.raises(PackagingError, match="has no formula, which the engine python needs"):
        registry.publish(model, name="churn", sample=numbers, engine="python")
    with pytest.raises(RegistryError, match="'sql' is no engine; expected one of onnx, python"):
        registry.publish(model, name="churn", sample=numbers, engine="sql")


SIGNATURE = {
    "format": 1,
    "inputs": [{"name": "n", "type": "number", "missing": True}],
    "output": {"name": "score", "kind": "value"},
}
HALF = {"format": 1, "steps": [["number", 0], ["constant", 0.5], ["multiply", 0, 1]]}
PUBLISH = "select modelpack.publish('half', %s, %s, %s, engine => %s, formula => %s)"


def arguments(formula: Any = HALF, scores: Any = (1.0,), engine: str = "python") -> list[Any]:
    golden = {"rows": [[2.0]] * len(scores), "scores": list(scores)}
    text = formula if formula is None or isinstance(formula, str) else json.dumps(formula)
    return [linear_model([1.0], 0.0), json.dumps(SIGNATURE), json.dumps(golden), engine, text]


REFUSED = {
    "another score than expected": (
        arguments(scores=[1.1]),
        "golden row 1 gives 1 on this server, expected 1.1",
    ),
    "no formula": (arguments(None), "the engine python is given no formula"),
    "a formula for onnx": (arguments(engine="onnx"), "the engine onnx is given a formula"),
    "an engine that there is not": (arguments(engine="sql'"), "sql' is no engine"),
    "no steps": (arguments({"format": 1, "steps": []}), "it has no steps"),
    "a step of code": (arguments({"format": 1, "steps": [["exec", "import os"]]}), "exec is unknown"),
    "an infinite score": (
        arguments({"format": 1, "steps": [["number", 0], ["constant", 0.0], ["divide", 0, 1]]}),
        "scores none of its golden rows",
    ),
    "more parts than may be": (
        arguments({"format": 1, "steps": [["number", 0]] * 30_000}),
        "the formula has 30000 parts, expected at most 20000",
    ),
}


@pytest.mark.parametrize(("given", "words"), REFUSED.values(), ids=REFUSED)
def test_a_formula_that_is_none_or_gives_another_score_is_refused(
    shop: tuple[Session, Registry], given: list[Any], words: str
) -> None:
    session, _ = shop
    with pytest.raises(psycopg.Error) as refusal:
        session.execute(PUBLISH, given)
    assert words in str(refusal.value)
    assert refusal.value.sqlstate == "22023"
    assert refusal.value.diag.message_hint
    assert rows(session, "select from modelpack.version") == []
    assert rows(session, "select from modelpack.formula") == []


def test_a_formula_of_more_bytes_than_may_be_is_not_read(shop: tuple[Session, Registry]) -> None:
    session, _ = shop
    long = json.dumps({**HALF, "steps": [*HALF["steps"], ["literal", "x" * 8_000_000]]})  # type: ignore[misc]
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match=f"the formula has {len(long)} bytes"):
        session.execute(PUBLISH, arguments(long))


def test_texts_of_a_formula_are_never_code(shop: tuple[Session, Registry]) -> None:
    session, _ = shop
    words = ["'''\"\"\"\\\n$modelpack$", "__import__('os').abort()", "{0}", "\\u0041"]
    signature = {**SIGNATURE, "inputs": [{"name": "t", "type": "text", "missing": True, "missing_token": ""}]}
    formula = {
        "format": 1,
        "steps": [["text", 0], ["lookup", 0, [[word, float(n)] for n, word in enumerate(words)], -1.0]],
    }
    golden = {"rows": [[word] for word in words], "scores": [float(n) for n in range(len(words))]}
    given = [
        dummy(0.5, ["t:text"]).onnx,
        json.dumps(signature),
        json.dumps(golden),
        "python",
        json.dumps(formula),
    ]
    assert value(session, PUBLISH, *given) == 1
    for n, word in enumerate(words):
        found = value(session, "select modelpack.predict('half', jsonb_build_object('t', %s::text), 1)", word)
        assert found == n


def test_a_published_formula_does_not_change_and_is_purged_with_its_version(
    shop: tuple[Session, Registry], new_role: Any
) -> None:
    session, registry = shop
    assert value(session, PUBLISH, *arguments()) == 1
    for change in (
        "set formula = '{}'",
        "set engine = 'python', formula = formula, sha256 = 'x'",
        "set version_id = 99, formula = null",
        "set sha256 = 'x', formula = null",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation, match="what was published does not change"):
            session.execute(f"update modelpack.formula {change}")  # type: ignore[arg-type]
    publisher = new_role("modelpack_publisher")
    session.execute(f"set role {publisher}")  # type: ignore[arg-type]
    assert row(session, "select * from modelpack.version_engine") == ("half", 1, "python")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("select * from modelpack.formula")
    session.execute("reset role")
    assert value(session, "select modelpack.predict('half', '{\"n\": 3}', 1)") == 1.5
    session.execute("select modelpack.purge('0 days')")
    registry.curation.retire("half", 1, "over")
    session.execute("select modelpack.purge('1 day')")
    assert value(session, "select formula is null from modelpack.formula") is False
    session.execute("select modelpack.purge('0 days')")
    assert value(session, "select formula is null from modelpack.formula") is True


def test_a_version_moves_to_another_database_with_its_formula(
    shop: tuple[Session, Registry], tmp_path: Path
) -> None:
    session, registry = shop
    estimator, frame = fitted("linear")
    registry.publish(estimator, name="churn", sample=frame, engine="python")
    path = registry.export("churn", 1, tmp_path / "churn.onnx")
    given = registry.formula("churn", 1)
    for cells, score in zip(given["golden"]["rows"], given["golden"]["scores"], strict=True):
        pairs = list(zip(cells, given["signature"]["inputs"], strict=True))
        numbers = [cell for cell, entry in pairs if entry["type"] == "number"]
        texts = [
            entry["missing_token"] if cell is None else cell
            for cell, entry in pairs
            if entry["type"] == "text"
        ]
        assert score is None or evaluate(given["formula"], numbers, texts) == score
    again = registry.import_file(path, name="again")
    assert again.engine == "python"
    same = "select count(distinct f.sha256), count(*) from modelpack.formula as f"
    assert row(session, same) == (1, 2)


def test_the_schema_goes_back_only_without_versions_that_would_score_no_more(
    shop: tuple[Session, Registry], database: str
) -> None:
    session, registry = shop
    assert value(session, PUBLISH, *arguments()) == 1
    engine = make_engine(database)

    def move(to: Any, revision: str) -> None:
        with engine.begin() as connection:
            to(alembic_config(connection), revision)

    with pytest.raises(Exception, match="revision 0005 cannot score: half version 1"):
        move(command.downgrade, "0005")
    registry.curation.retire("half", 1, "over")
    move(command.downgrade, "0005")
    assert value(session, "select to_regclass('modelpack.formula') is null") is True
    move(command.upgrade, "head")
    assert row(session, "select * from modelpack.version_engine") == ("half", 1, "onnx")
    engine.dispose()
