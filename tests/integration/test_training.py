"""The training set has the features as the triggers had them at that moment; CDNOW in any order gives pandas' profiles."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from declared import Condition, Model

from modelpack import (
    Event,
    ModelpackError,
    Profile,
    Score,
    age,
    count,
    decayed,
    deviation,
    distinct,
    first,
    last,
    maximum,
    mean,
    minimum,
    total,
)
from modelpack.cli import app
from modelpack.connection import make_engine
from modelpack.training import training_set
from tests.commands import runner
from tests.support import Session, attach, rows, wrong

CDNOW = Path(__file__).parents[2].parent / "shared" / "data" / "cdnow_purchases.csv"
TABLES = """
create table customer (customer_id bigint primary key);
create table purchase (customer_id bigint not null, at timestamptz not null, amount double precision, sku text);
"""
SHOP = Profile(
    "customer",
    key="customer_id",
    events=[
        Event(
            "purchase",
            at="at",
            features={
                "n": count(),
                "n_big": count(where="amount > 50"),
                "n_7d": count(window="7 days"),
                "spend": total("amount"),
                "spend_30d": total("amount", window="30 days"),
                "basket": mean("amount"),
                "spread": deviation("amount"),
                "least_amount": minimum("amount"),
                "most_amount": maximum("amount"),
                "skus": distinct("sku"),
                "first_sku": first("sku"),
                "last_sku": last("sku"),
                "last_at": last("at"),
                "heat": decayed("amount", half_life="9 days"),
            },
        )
    ],
    scores=[Score("churn", model="churn", inputs={"days_quiet": age("last_at")})],
)
FEATURES = list(SHOP.events[0].features)


def frame_of(dsn: str, **settings: Any) -> pd.DataFrame:
    engine = make_engine(dsn)
    with engine.connect() as connection:
        frame = training_set(connection, SHOP, **settings)
    engine.dispose()
    return frame


def test_a_replay_through_the_triggers_has_the_features_of_the_training_set(
    database: str, psql: Session
) -> None:
    psql.execute(TABLES)
    attach(database, SHOP)
    dice = random.Random(11)
    now = datetime.now(timezone.utc)
    events = sorted(
        (
            now - timedelta(days=dice.uniform(0.5, 60)),
            1 + dice.randrange(12),
            round(dice.gauss(40, 30), 2),
            dice.choice("abcd"),
        )
        for _ in range(400)
    )
    # as if the last event had just happened: what the triggers keep now is what the training set says of now
    for at, key, amount, sku in events:
        psql.execute("insert into purchase values (%s, %s, %s, %s)", [key, at, amount, sku])
    live = psql.execute(
        f"select customer_id, features_at, {', '.join(FEATURES)} from customer order by customer_id"
    ).fetchall()
    assert len(live) == 12
    for key, features_at, *values in live:
        found = frame_of(database, at=[features_at], everybody=True)
        then = found[found["customer_id"] == key].iloc[0]
        for name, value in zip(FEATURES, values, strict=True):
            if isinstance(value, (str, datetime)):
                assert then[name] == value, name
            else:
                assert float(then[name]) == pytest.approx(float(value), rel=1e-9), name
    # and both are what the events say
    assert wrong(psql) == []
    known = [{"key": key, "at": at, "amount": amount, "sku": sku} for at, key, amount, sku in events]
    moments = [events[n][0] for n in (3, 57, 211, 399)]  # exactly when an event happened
    frame = frame_of(database, at=moments, everybody=True)
    assert len(frame) == 12 * len(moments)
    conditions: dict[str | None, Condition] = {
        None: lambda _: True,
        "amount > 50": lambda r: r["amount"] > 50,
    }
    for found in frame.to_dict("records"):
        moment = found["at"].to_pydatetime()
        before = [r for r in known if r["key"] == found["customer_id"] and r["at"] <= moment]
        for name, feature in SHOP.events[0].features.items():
            model = Model(feature, "double precision", conditions)
            value = None if pd.isna(found[name]) else found[name]
            if feature.kind == "total":  # a float has all digits of these
                value = Decimal(repr(float(value)))
            assert model.same(value, model.over(before, moment)), (name, moment, value)


def test_no_event_after_the_moment_is_seen(database: str, psql: Session) -> None:
    psql.execute(TABLES)
    attach(database, SHOP)
    psql.execute(
        "insert into purchase values (1, '2020-01-01', 10, 'a'), (1, '2020-01-05', 20, 'b'), "
        "(1, '2020-01-05 00:00:01', 99, 'c'), (2, '2020-02-01', 1, 'a')"
    )
    label = "exists (select from purchase as e where e.customer_id = p.customer_id and e.at > t.at)"
    frame = frame_of(database, at=["2020-01-05", "2020-03-01"], label=label)
    assert list(zip(frame["customer_id"], frame["n"], frame["spend"], frame["last_sku"], strict=True)) == [
        (1, 2, 30.0, "b"),
        (1, 3, 129.0, "c"),
        (2, 1, 1.0, "a"),
    ]
    assert list(frame["n_7d"]) == [2, 0, 0]
    assert frame["days_quiet"].iloc[0] == 0
    assert frame["heat"].iloc[0] == pytest.approx(20 + 10 * 2 ** (-4 / 9))
    assert len(frame_of(database, at=["2020-01-05"], everybody=True)) == 2


def test_an_input_that_is_called_as_a_column_is_what_the_model_receives(database: str, psql: Session) -> None:
    psql.execute(TABLES.replace("primary key", "primary key, plan text default 'gold'", 1))
    psql.execute("insert into purchase values (1, '2020-01-01', 1, 'a'), (1, '2020-01-20', 2, 'b')")
    event = Event("purchase", at="at", features={"n": count(), "n_7d": count(window="7 days")})
    mapped = {"n": "n_7d", "plan": "case when plan = 'gold' then 1 else 0 end"}
    churn, fraud = Score("churn", inputs=mapped), Score("fraud", inputs={"n": "n + n_7d"})
    engine = make_engine(database)
    with engine.connect() as connection:
        profile = Profile("customer", key="customer_id", events=[event], scores=[churn])
        attach(database, profile)
        found = training_set(connection, profile, at=["2020-01-21"])
        assert found.drop(columns="at").to_dict("records") == [
            {"customer_id": 1, "plan": 1, "n": 1, "n_7d": 1}
        ]
        profile = Profile("customer", key="customer_id", events=[event], scores=[churn, fraud])
        with pytest.raises(ModelpackError, match=r"two scores .* mean different things by the input n"):
            training_set(connection, profile, at=["2020-01-21"])
    engine.dispose()


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_times_that_python_cannot_hold_are_missing(database: str, psql: Session, kind: str) -> None:
    psql.execute(
        TABLES.replace("at timestamptz", f"at {kind}").replace(
            "primary key", f"primary key, seen {kind} default 'infinity'", 1
        )
    )
    psql.execute(
        "insert into purchase values (1, '0044-03-15 BC', 1, 'a'), (2, '-infinity', 1, 'a'), (3, '2020-01-01', 1, 'a')"
    )
    attach(database, SHOP)
    found = frame_of(database, at=["2020-01-02"])
    assert found["n"].tolist() == [1, 1, 1]
    assert found["last_at"].notna().tolist() == [False, False, True]
    assert found["days_quiet"].isna().tolist() == [False, True, False]
    assert found["seen"].isna().all()


def test_floats_have_all_their_digits_whatever_the_session_shows(database: str, psql: Session) -> None:
    psql.execute(TABLES)
    psql.execute("insert into purchase values (1, '2020-01-01', 0.1::float8 + 0.2::float8, 'a')")
    attach(database, SHOP)
    engine = make_engine(database)
    with engine.connect() as connection:
        connection.exec_driver_sql("set extra_float_digits = -5")
        assert training_set(connection, SHOP, at=["2020-01-02"])["spend"].tolist() == [0.1 + 0.2]
    engine.dispose()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"at": []}, "no moment is given"),
        ({"at": ["yesterday"]}, "no moment, expected a date"),
        ({"at": ["2020-01-01"], "label": "nonsense +"}, "cannot be read"),
        ({"at": ["2020-01-01"], "label": "1 -- one"}, "ends within quotes or a comment"),
        ({"at": ["2020-01-01"], "label": "'one"}, "ends within quotes or a comment"),
    ],
)
def test_what_is_no_training_set_is_refused_in_words(
    database: str, psql: Session, settings: dict[str, Any], words: str
) -> None:
    psql.execute(TABLES)
    attach(database, SHOP)
    with pytest.raises(ModelpackError, match=words):
        frame_of(database, **settings)


# --- CDNOW: every order of arrival gives the same profiles ---------------------------------------------------


CUSTOMERS_AND_PURCHASES = {1: (23_570, 69_659), 12: (1_964, 5_917)}
"""Of the whole log, and of each twelfth customer, as awk counts them."""


def one_by_one(session: Session, log: pd.DataFrame) -> None:
    with session.transaction(), session.cursor() as cursor, session.pipeline():
        cursor.executemany(
            "insert into purchase values (%s, %s, %s)", list(log.itertuples(index=False, name=None))
        )


def in_bulk(session: Session, log: pd.DataFrame) -> None:
    for start in range(0, len(log), 20_000):
        with session.cursor() as cursor, cursor.copy("copy purchase from stdin") as copy:
            for entry in log.iloc[start : start + 20_000].itertuples(index=False, name=None):
                copy.write_row(entry)


@pytest.mark.skipif(not CDNOW.exists(), reason="the CDNOW log is not beside this checkout (../shared/data)")
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize(
    ("arrive", "every"),
    [(one_by_one, 12), (in_bulk, 1), pytest.param(one_by_one, 1, marks=pytest.mark.long)],
)
def test_the_cdnow_log_in_any_order_gives_the_profiles_of_pandas(
    database: str, psql: Session, shuffled: bool, arrive: Callable[[Session, pd.DataFrame], None], every: int
) -> None:
    log = pd.read_csv(CDNOW)[["customer_id", "purchased_on", "dollars"]]
    log = log[log["customer_id"] % every == 0]
    if shuffled:
        log = log.sample(frac=1, random_state=5)
    psql.execute("create table customer (customer_id bigint primary key)")
    psql.execute("create table purchase (customer_id bigint, purchased_on date, dollars numeric)")
    features = {
        "n": count(),
        "spend": total("dollars"),
        "basket": mean("dollars"),
        "biggest": maximum("dollars"),
        "first_on": first("purchased_on"),
        "last_on": last("purchased_on"),
    }
    attach(
        database,
        Profile(
            "customer", key="customer_id", events=[Event("purchase", at="purchased_on", features=features)]
        ),
    )
    psql.execute("set synchronous_commit = off")
    arrive(psql, log)
    expected = log.groupby("customer_id").agg(
        n=("dollars", "size"),
        spend=("dollars", "sum"),
        basket=("dollars", "mean"),
        biggest=("dollars", "max"),
        first_on=("purchased_on", "min"),
        last_on=("purchased_on", "max"),
    )
    found = pd.DataFrame(
        rows(
            psql, "select customer_id, n, spend, basket, biggest, first_on::text, last_on::text from customer"
        ),
        columns=["customer_id", *expected.columns],
    ).set_index("customer_id")
    found = found.astype({"spend": float, "basket": float, "biggest": float}).sort_index()
    assert (len(found), int(found["n"].sum())) == CUSTOMERS_AND_PURCHASES[every]
    pd.testing.assert_frame_equal(found, expected, check_exact=False, rtol=1e-9)
    assert wrong(psql) == []


# --- the command ------------------------------------------------------------------------------------------------


def test_the_command_writes_a_file_for_the_moments_given(
    database: str, psql: Session, tmp_path: Path
) -> None:
    psql.execute("create table customer (customer_id bigint primary key)")
    psql.execute("create table purchase (customer_id bigint, at timestamptz)")
    psql.execute("insert into purchase values (1, '2020-01-01'), (1, '2020-01-09'), (2, '2020-01-05')")
    declaration = tmp_path / "declaration.py"
    declaration.write_text(
        "from modelpack import *\n"
        "customer = Profile('customer', key='customer_id', events=[Event('purchase', at='at', features={'n': count()})])\n"
    )
    run = runner(env={"MODELPACK_DSN": database})
    assert run.invoke(app, ["apply", str(declaration)]).exit_code == 0
    label = "exists (select from purchase as e where e.customer_id = p.customer_id and e.at > t.at)"
    for name, read in (("train.parquet", pd.read_parquet), ("train.csv", pd.read_csv)):
        file = tmp_path / name
        moments = ["--at", "2020-01-06", "--at", "2020-02-01"]
        done = run.invoke(
            app, ["training-set", str(declaration), *moments, "--label", label, "-o", str(file), "--json"]
        )
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["rows"] == 4
        found = read(file)
        assert [tuple(r) for r in found[["customer_id", "n", "label"]].itertuples(index=False)] == [
            (1, 1, True),
            (2, 1, False),
            (1, 2, False),
            (2, 1, False),
        ]


def test_the_command_refuses_an_output_that_it_cannot_write(database: str, tmp_path: Path) -> None:
    declaration = tmp_path / "declaration.py"
    declaration.write_text("")
    run = runner(env={"MODELPACK_DSN": database})
    for name, words in (("train.txt", "with .parquet or .csv"), ("no/where.csv", "there is no folder")):
        done = run.invoke(
            app, ["training-set", str(declaration), "--at", "2020-01-06", "-o", str(tmp_path / name)]
        )
        assert done.exit_code == 2
        assert words in done.stderr
