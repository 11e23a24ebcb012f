"""Explanations of logged scores, held against the definition of Shapley values, written out here with NumPy."""

from __future__ import annotations

import itertools
import json
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sqlalchemy import Engine
from typer.testing import CliRunner

from modelpack import Profile, Registry, Score
from modelpack.cli import app
from modelpack.packager import Package, Publication, package
from modelpack.publication import ENGINES
from tests.support import Session, attach, publish, row, rows, value

pytestmark = pytest.mark.usefixtures("here")

Scorer = Callable[[pd.DataFrame], np.ndarray[Any, Any]]


@pytest.fixture
def registry(pooled: Callable[..., Engine]) -> Registry:
    return Registry(pooled())


@pytest.fixture
def login(database: str, new_role: Callable[..., str]) -> Iterator[Callable[..., Session]]:
    """A function that logs a role of its own in, with some of modelpack's roles."""
    opened: list[Session] = []

    def make(*groups: str) -> Session:
        opened.append(psycopg.connect(make_conninfo(database, user=new_role(*groups)), autocommit=True))
        return opened[-1]

    yield make
    for session in opened:
        session.close()


def shapley(score: Scorer, one: pd.DataFrame, background: pd.DataFrame) -> dict[str, float]:
    """The definition: the mean over all orders of the inputs of what each adds when it comes in, others being the background's.

    By subsets, each by the number of orders in which it comes first.
    """
    names = list(one.columns)

    def worth(inside: tuple[str, ...]) -> float:
        mixed = background.copy()
        for name in inside:
            mixed[name] = one[name].iloc[0]
        return float(np.mean(score(mixed)))

    known = {s: worth(s) for k in range(len(names) + 1) for s in itertools.combinations(names, k)}
    found = dict.fromkeys(names, 0.0)
    for name in names:
        for inside, at in known.items():
            if name not in inside:
                with_it = tuple(n for n in names if n in inside or n == name)
                orders = math.factorial(len(inside)) * math.factorial(len(names) - len(inside) - 1)
                found[name] += orders / math.factorial(len(names)) * (known[with_it] - at)
    return found


def shop(session: Session, registry: Registry, made: Package, frame: pd.DataFrame) -> None:
    """Profiles 1, 2, … with the inputs of the rows of a frame, scored and logged."""
    columns = ", ".join(
        f'"{name}" {"double precision" if pd.api.types.is_numeric_dtype(frame[name]) else "text"}'
        for name in frame
    )
    session.execute(f"create table customer (customer_id bigint primary key, {columns})")
    registry.publish_package(made, name="churn", promote=True)
    attach(
        session.info.dsn,
        Profile("customer", key="customer_id", scores=[Score("churn", model="churn")]),
    )
    places = ", ".join(["%s"] * (len(frame.columns) + 1))
    for n, cells in enumerate(frame.astype(object).where(frame.notna(), None).itertuples(index=False), 1):
        session.execute(f"insert into customer values ({places})", [n, *cells])


def explained(session: Session, key: int) -> dict[str, tuple[Any, ...]]:
    """For each input its contribution and standard error."""
    found = rows(
        session, "select input, contribution, standard_error from modelpack.explain('customer', %s)", str(key)
    )
    return {name: (part, error) for name, part, error in found}


def background_of(made: Package) -> pd.DataFrame:
    """The rows that are compared with, as the estimator takes them."""
    frame = pd.DataFrame(made.background or (), columns=[i.name for i in made.signature.inputs])
    for entry in made.signature.inputs:
        if entry.type == "number":
            frame[entry.name] = frame[entry.name].astype(float)
    return frame


def numbers(seed: int = 1, count: int = 150, width: int = 5) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {f"n{k}": random.normal(0, 1 + k, count).astype(np.float32).astype(float) for k in range(width)}
    )


def target(frame: pd.DataFrame) -> pd.Series[Any]:
    """Something that hangs on the columns together."""
    return frame["n0"] * frame["n1"].abs() + np.where(frame["n2"] > 1, 3.0, frame["n3"] / 4)


def held(session: Session, made: Package, score: Scorer, frame: pd.DataFrame, keys: Sequence[int]) -> None:
    """Each contribution is that of the definition, and they add up."""
    background = background_of(made)
    assert len(background) == 100
    for key in keys:
        one = frame.iloc[[key - 1]]
        wanted = shapley(score, one[list(background)], background)
        found = explained(session, key)
        assert {n: part for n, (part, _) in found.items()} == pytest.approx(wanted, abs=2e-5)
        assert {error for _, error in found.values()} == {0}
        base, prediction, logged, method, many, library = row(
            session,
            "select distinct e.base, e.prediction, c.churn, e.method, e.background_rows, e.library"
            " from modelpack.explain('customer', %s) as e, customer as c where c.customer_id = %s",
            str(key),
            key,
        )
        assert base == pytest.approx(np.mean(score(background)), abs=1e-5)
        assert base + sum(part for part, _ in found.values()) == pytest.approx(prediction, abs=1e-6)
        assert prediction == logged
        assert (method, many) == ("interventional Shapley values, exact", 100)
        assert library.split(" ")[0] == ("onnxruntime" if made.formula is None else "Python")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_linear_model_is_explained_by_its_weights(registry: Registry, psql: Session, engine: str) -> None:
    frame = numbers()
    estimator = LinearRegression().fit(frame, target(frame))
    made = package(estimator, frame, Publication(engine=engine))
    shop(psql, registry, made, frame.head(3))
    held(psql, made, estimator.predict, frame, (1, 2))
    away = frame.iloc[2] - background_of(made).mean()
    assert {n: part for n, (part, _) in explained(psql, 3).items()} == pytest.approx(
        dict(zip(frame, estimator.coef_ * away, strict=True)), abs=1e-5
    )


def test_a_server_without_wheels_explains_what_python_computes(registry: Registry, psql: Session) -> None:
    frame = numbers()
    estimator = LinearRegression().fit(frame, target(frame))
    made = package(estimator, frame, Publication(engine="python"))
    shop(psql, registry, made, frame.head(1))
    psql.execute(
        "create or replace function modelpack.server_wheels() returns text language sql immutable as $$ select '/nowhere' $$"
    )
    with psycopg.connect(psql.info.dsn) as fresh:
        explained_there = explained(fresh, 1)
    away = frame.iloc[0] - background_of(made).mean()
    assert {n: part for n, (part, _) in explained_there.items()} == pytest.approx(
        dict(zip(frame, estimator.coef_ * away, strict=True)), abs=1e-5
    )


def test_boosted_trees_are_explained(registry: Registry, psql: Session) -> None:
    frame = numbers()
    estimator = GradientBoostingRegressor(n_estimators=30, random_state=0).fit(frame, target(frame))
    made = package(estimator, frame, Publication(engine="onnx"))
    shop(psql, registry, made, frame.head(2))
    held(psql, made, estimator.predict, frame, (1, 2))


def test_a_forest_is_explained(registry: Registry, psql: Session) -> None:
    frame = numbers()
    estimator = RandomForestClassifier(n_estimators=20, max_depth=4, random_state=0).fit(
        frame, target(frame) > 1
    )
    made = package(estimator, frame)
    shop(psql, registry, made, frame.head(2))
    held(psql, made, lambda f: estimator.predict_proba(f)[:, 1], frame, (1, 2))


def test_missing_values_are_values_like_others(registry: Registry, psql: Session) -> None:
    frame = numbers(width=4)
    frame.loc[::3, "n1"] = np.nan
    frame.loc[1::4, "n2"] = np.nan
    aim = frame["n0"] + frame["n1"].fillna(2) * (frame["n2"].fillna(-1) > 0)
    estimator = HistGradientBoostingClassifier(max_iter=20).fit(frame, aim > 0.5)
    made = package(estimator, frame)
    shop(psql, registry, made, frame.head(2))
    held(psql, made, lambda f: estimator.predict_proba(f)[:, 1], frame, (1, 2))
    assert rows(psql, "select value from modelpack.explain('customer', '1') where input = 'n1'") == [(None,)]
    assert "n1 (missing, " in value(psql, "select modelpack.explained('customer', '1', most => 4)")


def test_texts_are_explained_beside_numbers_in_the_order_of_the_signature(
    registry: Registry, psql: Session
) -> None:
    random = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "said": random.choice(["very good indeed", "quite bad", "good", "bad, very bad"], 150).astype(
                object
            ),
            "n0": random.normal(0, 2, 150).astype(np.float32).astype(float),
            "plan": random.choice(["basic", "pro", "gold"], 150).astype(object),
        }
    )
    aim = frame["said"].str.count("bad") + (frame["plan"] == "pro") + frame["n0"] > 1
    reader = make_column_transformer(
        (CountVectorizer(), "said"), (OneHotEncoder(), ["plan"]), ("passthrough", ["n0"])
    )
    estimator = make_pipeline(reader, LogisticRegression()).fit(frame, aim)
    made = package(estimator, frame)
    shop(psql, registry, made, frame.head(2))
    held(psql, made, lambda f: estimator.predict_proba(f)[:, 1], frame, (1, 2))
    shown = dict(rows(psql, "select input, value from modelpack.explain('customer', '1')"))
    assert shown == {
        "said": frame["said"][0],
        "plan": frame["plan"][0],
        "n0": str(np.float32(frame["n0"][0])),
    }


def many_inputs(width: int = 20) -> tuple[pd.DataFrame, pd.Series[Any]]:
    """Columns of which products of two count: the Shapley value of each half of a product has a closed form."""
    frame = numbers(seed=4, width=width, count=200)
    return frame, sum(((k + 1) / 10) * frame[f"n{k}"] for k in range(width))  # type: ignore[return-value]


def test_twenty_inputs_are_sampled_within_their_standard_errors_and_add_up(
    registry: Registry, psql: Session
) -> None:
    """A sigmoid of a sum with one product: no closed form, so the truth is sampled here, far longer, in another way."""
    frame, aim = many_inputs()
    estimator = GradientBoostingRegressor(n_estimators=40, max_depth=3, random_state=0).fit(
        frame, np.tanh(aim / 5) + frame["n0"] * frame["n1"].abs()
    )
    made = package(estimator, frame)
    shop(psql, registry, made, frame.head(1))
    found = explained(psql, 1)
    method = value(psql, "select distinct method from modelpack.explain('customer', '1')")
    assert (
        method == "interventional Shapley values, sampled: 50 pairs of permutations for each background row"
    )
    again = explained(psql, 1)
    assert found == again, "seeded"
    background = background_of(made)
    names, random = list(background), np.random.default_rng(9)
    truth = dict.fromkeys(names, 0.0)
    one, repeats = frame[names].iloc[0].to_numpy(), 60
    for _ in range(repeats):
        mixed = background.to_numpy().copy()
        before = estimator.predict(pd.DataFrame(mixed, columns=names))
        for place in random.permutation(len(names)):
            mixed[:, place] = one[place]
            after = estimator.predict(pd.DataFrame(mixed, columns=names))
            truth[names[place]] += float(np.mean(after - before)) / repeats
            before = after
    errors_ = np.array([found[n][1] for n in names])
    away = np.array([found[n][0] - truth[n] for n in names])
    scale = max(abs(found[n][0]) for n in names)
    assert (errors_ < 0.02 * scale).all(), errors_
    assert errors_.max() > 0
    # the truth is sampled, too: its own error is a few times that of the function
    assert np.abs(away).max() < 0.06 * scale, (away, errors_)


def test_a_row_like_the_only_background_row_is_explained_by_nothing(
    registry: Registry, psql: Session
) -> None:
    frame = numbers(width=4)
    made = package(LinearRegression().fit(frame, target(frame)), frame)
    shop(psql, registry, replace(made, background=(tuple(frame.iloc[0]),) * 2), frame.head(2))
    assert {part for part, _ in explained(psql, 1).values()} == {0}
    assert value(psql, "select modelpack.explained('customer', '1')").endswith(
        ": as the mean of the background rows"
    )


def simple(session: Session, *, background: str | None = "[[0, 0]]", versions: int = 1) -> None:
    """Customers 1 to 3, scored by sigmoid(complaints + days_quiet / 10 - 1)."""
    session.execute(
        "create table customer (customer_id bigint primary key, complaints float8, days_quiet float8)"
    )
    for version in range(1, versions + 1):
        publish(session, "churn", ["complaints", "days_quiet"], [1.0, 0.1], -1.0)
        distribution = {
            "edges": [],
            "counts": [0],
            "minimum": None,
            "maximum": None,
            "mean": None,
            "deviation": None,
        }
        number = {"type": "number", "missing": 0, **distribution}
        reference = {
            "format": 1,
            "rows": 0,
            "inputs": {"complaints": number, "days_quiet": number},
            "score": distribution,
        }
        session.execute(
            "select modelpack.set_reference('churn', %s, %s, %s)",
            [version, psycopg.types.json.Jsonb(reference), background],
        )
    attach(
        session.info.dsn,
        Profile(
            "customer",
            key="customer_id",
            scores=[Score("churn", model="churn")],
        ),
    )
    session.execute("insert into customer values (1, 3, 4), (2, 0, 0), (3, null, 20)")


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_a_line_says_it_for_a_person(psql: Session) -> None:
    simple(psql)
    # two players, written out: the mean of coming first and of coming last
    base, both = sigmoid(-1), sigmoid(3 + 0.4 - 1)
    complaints = (sigmoid(2) - base + both - sigmoid(-0.6)) / 2
    quiet = both - base - complaints
    assert value(psql, "select modelpack.explained('customer', '1')") == (
        f"{both:.2f}: mainly complaints (3, +{complaints:.2f}), days quiet (4, +{quiet:.2f})"
    )
    assert (
        value(psql, "select modelpack.explained('customer', '1', most => 1)")
        == f"{both:.2f}: mainly complaints (3, +{complaints:.2f})"
    )


def test_what_is_explained_is_the_logged_score_and_not_the_row_of_today(psql: Session) -> None:
    simple(psql, versions=2)
    told = rows(psql, "select * from modelpack.explain('customer', '1')")
    psql.execute("alter table customer disable trigger user")
    psql.execute("update customer set complaints = 99 where customer_id = 1")
    assert rows(psql, "select * from modelpack.explain('customer', '1')") == told
    psql.execute("alter table customer enable trigger user")
    psql.execute("update customer set complaints = 5 where customer_id = 1")
    assert (
        dict(rows(psql, "select input, value from modelpack.explain('customer', '1', 'churn')"))["complaints"]
        == "5"
    )
    first = told[0][4]
    assert rows(psql, "select * from modelpack.explain(%s)", first) == told
    psql.execute("select modelpack.promote('churn', 1)")
    assert rows(psql, "select * from modelpack.explain(%s)", first) == told
    assert row(psql, "select distinct version from modelpack.explain(%s)", first) == (2,)


def test_what_cannot_be_explained_is_said_with_what_to_do(psql: Session) -> None:
    simple(psql, background=None)
    explain = "select * from modelpack.explain('customer', %s, %s)"
    with pytest.raises(
        errors.ObjectNotInPrerequisiteState, match="churn version 1 has no background rows"
    ) as refused:
        psql.execute(explain, ["1", None])
    assert "modelpack publish MODEL --name churn --sample FILE" in (refused.value.diag.message_hint or "")
    with pytest.raises(
        errors.NoDataFound, match=r"the log has no score churn of the row 77 of public\.customer"
    ):
        psql.execute(explain, ["77", None])
    with pytest.raises(errors.UndefinedObject, match=r"public\.customer has no score fraud"):
        psql.execute(explain, ["1", "fraud"])
    with pytest.raises(errors.UndefinedObject, match="the log has no row 0"):
        psql.execute("select * from modelpack.explain(0)")
    psql.execute("update modelpack.prediction set inputs = '{}' where entity_key = '3'")
    with pytest.raises(errors.NoDataFound, match="does not hold the inputs of its score any more"):
        psql.execute(explain, ["3", None])
    psql.execute("delete from modelpack.reference")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="has no background rows"):
        psql.execute(explain, ["1", None])
    psql.execute("select modelpack.disable('churn', 'odd')")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="the model churn is disabled"):
        psql.execute(explain, ["1", None])


def test_a_score_that_the_version_does_not_give_any_more_is_not_explained(psql: Session) -> None:
    simple(psql)
    psql.execute("update modelpack.prediction set prediction = 0.123 where entity_key = '1'")
    with pytest.raises(
        errors.DataException, match=r"do not add up to the score of the log, 0\.123"
    ) as refused:
        psql.execute("select * from modelpack.explain('customer', '1')")
    assert "the version now gives 0.9" in (refused.value.diag.message_detail or "")


def test_a_row_without_a_score_has_none_to_explain(registry: Registry, psql: Session) -> None:
    frame = numbers(width=4)
    made = package(LinearRegression().fit(frame, target(frame)), frame)
    shop(psql, registry, made, frame.head(1))
    psql.execute("insert into customer values (2, 1, null, 2, 3)")
    assert "n1 is NULL" in value(psql, "select churn_stale from customer where customer_id = 2")
    with pytest.raises(errors.NoDataFound, match="no score churn of the row 2") as refused:
        psql.execute("select * from modelpack.explain('customer', '2')")
    assert "churn_stale" in (refused.value.diag.message_hint or "")


def test_background_rows_that_the_model_does_not_score_are_an_error_in_words(psql: Session) -> None:
    simple(psql, background="[[1, 2]]")
    psql.execute("""update modelpack.reference set background = '[[1e39, 2]]'""")
    with pytest.raises(
        errors.DataException, match=r"cannot be explained: input complaints is beyond what float32 holds"
    ):
        psql.execute("select * from modelpack.explain('customer', '1')")


def test_time_that_means_nothing_is_refused(psql: Session) -> None:
    simple(psql)
    for seconds in ("0", "-1", "null", "'NaN'", "1e300"):
        with pytest.raises(errors.InvalidParameterValue, match="an explanation is asked for within"):
            psql.execute(f"select * from modelpack.explain('customer', '1', seconds => {seconds})")
        with pytest.raises(errors.InvalidParameterValue, match="the importance of inputs is asked for"):
            psql.execute(f"select * from modelpack.importance('churn', 1, seconds => {seconds})")


@pytest.mark.long
def test_a_model_that_is_slow_ends_in_time(registry: Registry, psql: Session) -> None:
    frame = numbers(seed=6, width=40, count=150)
    estimator = GradientBoostingRegressor(n_estimators=100, max_depth=4, random_state=0).fit(
        frame, target(frame)
    )
    made = package(estimator, frame)
    shop(psql, registry, made, frame.head(1))
    with pytest.raises(errors.DataException, match=r"it takes longer than 0\.01 s") as refused:
        psql.execute("select * from modelpack.explain('customer', '1', seconds => 0.01)")
    assert "seconds => 60" in (refused.value.diag.message_hint or "")
    psql.execute("set statement_timeout = '300 ms'")
    with pytest.raises(errors.QueryCanceled):
        psql.execute("select * from modelpack.explain('customer', '1', seconds => 600)")
    psql.execute("reset statement_timeout")
    assert value(psql, "select count(*) from modelpack.explain('customer', '1', seconds => 4)") == 40


def test_only_who_may_read_the_log_gets_an_explanation(psql: Session, login: Callable[..., Session]) -> None:
    simple(psql)
    told = rows(psql, "select * from modelpack.explain('customer', '1')")
    number = told[0][4]
    statements = (
        "select * from modelpack.explain('customer', '1')",
        f"select * from modelpack.explain({number})",
        "select modelpack.explained('customer', '1')",
        "select * from modelpack.importance('churn', 1)",
    )
    psql.execute("grant select on customer to modelpack_reader, modelpack_publisher, modelpack_approver")
    for role in ("modelpack_reader", "modelpack_publisher", "modelpack_approver"):
        for statement in statements:
            with pytest.raises(errors.InsufficientPrivilege):
                login(role).execute(statement)
    monitor = login("modelpack_monitor")
    assert rows(monitor, statements[0]) == rows(monitor, statements[1]) == told
    assert len(rows(monitor, statements[3])) == 2
    with pytest.raises(errors.InsufficientPrivilege):
        monitor.execute("select background from modelpack.reference")
    # a row that is not given as it is logged is not explained, whoever asks
    with pytest.raises(errors.UndefinedObject, match="is no row of the log"):
        monitor.execute(
            "select f.* from modelpack.prediction as p, lateral (select row(p.prediction_id, p.scored_at, p.profile, p.entity_key, p.score, p.model,"
            " p.version, p.prediction, array[7, 7]::float8[], p.text_inputs, p.microseconds)::modelpack.prediction as l) as x,"
            " lateral modelpack.parts(x.l, 1000, 1) as f where p.prediction_id = %s",
            [number],
        )
    # with the right on the log taken away, the function alone is worth nothing
    role = monitor.info.user
    psql.execute(f"revoke modelpack_monitor from {role}; grant usage on schema modelpack to {role}")
    psql.execute(f"grant execute on all functions in schema modelpack to {role}")
    with pytest.raises(errors.InsufficientPrivilege):
        monitor.execute(statements[1])


def test_hostile_names_and_texts_stay_texts(psql: Session, registry: Registry) -> None:
    odd = "a'); drop table customer; --"
    random = np.random.default_rng(2)
    frame = pd.DataFrame(
        {odd: random.choice(["x\x1b[2J", "y' || z", "$$"], 60).astype(object), "n": random.normal(0, 2, 60)}
    )
    reader = make_column_transformer((OneHotEncoder(), [odd]), remainder="passthrough")
    estimator = make_pipeline(reader, LogisticRegression()).fit(frame, frame["n"] > 0)
    made = package(estimator, frame)
    shop(psql, registry, made, frame.head(1))
    assert {r[0] for r in rows(psql, "select input from modelpack.explain('customer', '1')")} == {odd, "n"}
    line = value(psql, "select modelpack.explained('customer', '1')")
    assert "\x1b" not in line
    for hostile in ("1' or true", "", "[", "9" * 40, "\\"):
        with pytest.raises(psycopg.Error) as refused:
            psql.execute("select * from modelpack.explain('customer', %s)", [hostile])
        assert refused.value.sqlstate in ("P0002", "22P02", "22003"), refused.value


def test_importance_is_the_mean_of_what_rows_are_explained_by(registry: Registry, psql: Session) -> None:
    frame = numbers(width=4)
    estimator = LinearRegression().fit(frame, target(frame))
    made = package(estimator, frame)
    shop(psql, registry, made, frame.head(30))
    away = (frame.head(30) - background_of(made).mean()) * estimator.coef_
    found = {
        n: (a, m)
        for n, a, m, count in rows(psql, "select * from modelpack.importance('churn', 1)")
        if count == 30
    }
    assert {n: a for n, (a, _) in found.items()} == pytest.approx(away.abs().mean().to_dict(), abs=1e-5)
    assert {n: m for n, (_, m) in found.items()} == pytest.approx(away.mean().to_dict(), abs=1e-5)
    assert [r[0] for r in rows(psql, "select * from modelpack.importance('churn', 1)")] == list(
        away.abs().mean().sort_values(ascending=False).index
    )
    assert row(psql, "select distinct explained from modelpack.importance('churn', 1, 7)") == (7,)
    assert rows(psql, "select * from modelpack.importance('churn', 9)") == []
    # rows whose inputs were erased are passed over
    before = rows(psql, "select input, explained from modelpack.importance('churn', 1)")
    psql.execute("update modelpack.prediction set inputs = '{}', text_inputs = null where entity_key = '1'")
    after = rows(psql, "select input, explained from modelpack.importance('churn', 1)")
    assert {n for _, n in after} == {n - 1 for _, n in before}


def test_the_command_line_shows_a_table_and_the_line(psql: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    simple(psql)
    monkeypatch.setenv("MODELPACK_DSN", psql.info.dsn)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["explain", *arguments])

    line = value(psql, "select modelpack.explained('customer', '1')")
    shown = run("customer", "1")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith(line)
    assert "days_quiet" in shown.stdout
    assert "1 background rows" in shown.stdout
    told = json.loads(run("customer", "1", "--json").stdout)
    assert told["line"] == line
    assert told["base"] + sum(i["contribution"] for i in told["inputs"]) == pytest.approx(told["prediction"])
    assert json.loads(run("--prediction", str(told["prediction_id"]), "--json").stdout) == told
    for arguments in (
        (),
        ("customer",),
        ("customer", "1", "--prediction", "1"),
        ("--prediction", "1", "--score", "churn"),
    ):
        refused = run(*arguments)
        assert refused.exit_code == 2
        assert "expected PROFILE and KEY" in refused.stderr or "expected PROFILE and KEY" in refused.output
    assert "has no score fraud" in run("customer", "1", "--score", "fraud").stderr


@pytest.mark.parametrize("kind", ["linear", "forest", "boosted", "missing", "sampled"])
def test_the_package_shap_says_the_same(registry: Registry, psql: Session, kind: str) -> None:
    """Skipped where it is not installed: pip install shap."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shap = pytest.importorskip("shap")
    frame = numbers(width=16 if kind == "sampled" else 6)
    if kind == "missing":
        frame.loc[::3, "n1"] = np.nan
    aim = target(frame.fillna(0)) + frame[frame.columns[-1]] / 3
    estimator: Any = {
        "linear": LinearRegression(),
        "forest": RandomForestClassifier(n_estimators=20, max_depth=4, random_state=0),
        "missing": HistGradientBoostingRegressor(max_iter=20),
    }.get(kind, GradientBoostingRegressor(n_estimators=30, random_state=0))
    estimator.fit(frame, aim > 1 if kind == "forest" else aim)
    made = package(estimator, frame)
    shop(psql, registry, made, frame.head(4))
    background, some = background_of(made)[list(frame)], frame.head(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        judge = (
            shap.LinearExplainer(estimator, shap.maskers.Independent(background, max_samples=100))
            if kind == "linear"
            else shap.TreeExplainer(estimator, data=background, feature_perturbation="interventional")
        )
        theirs = np.asarray(judge.shap_values(some))
    if kind == "forest":
        theirs = theirs[:, :, 1]
    assert theirs.shape == some.shape
    assert np.abs(theirs).max() > 0.05
    for key, wanted in enumerate(theirs, 1):
        found = explained(psql, key)
        for name, contribution in zip(frame, wanted, strict=True):
            part, error = found[name]
            assert (error == 0) or kind == "sampled"
            assert part == pytest.approx(contribution, abs=2e-5 + 4 * error)
