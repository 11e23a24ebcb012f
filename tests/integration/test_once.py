"""Each statement writes each touched profile row exactly once, and logs each score that it wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from modelpack import Event, Profile, Score, age, count, decayed, distinct, last, maximum, mean, ratio, total
from tests.support import Session, attach, float32, linear_score, publish, row, rows, value, wrong

TABLES = """
create table customer (customer_id bigint primary key, plan text, visits integer);
create table purchase (
  purchase_id bigint generated always as identity primary key,
  customer_id bigint, at timestamptz default clock_timestamp(), amount double precision, sku text, note text
);
insert into customer select generate_series(1, 50);
"""
PROFILE = Profile(
    "customer",
    key="customer_id",
    events=[
        Event(
            "purchase",
            at="at",
            features={
                "n": count(), "n_1d": count(window="1 day"), "spend": total("amount"), "basket": mean("amount"),
                "dearest": maximum("amount"), "last_sku": last("sku"), "last_at": last("at"), "skus": distinct("sku"),
                "heat": decayed(half_life="7 days"),
            },
        )
    ],
    scores=[Score("churn", inputs={"quiet": age("last_at"), "each": ratio("spend", "n")})],
)  # fmt: skip
INPUTS = ["n", "n_1d", "spend", "heat", "quiet", "each", "visits"]
WEIGHTS = [0.25, -0.125, 0.001, 0.0625, -0.5, 0.01, 0.125]


def make_shop(dsn: str, published: bool) -> None:
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(TABLES)
        if published:
            publish(session, "churn", INPUTS, WEIGHTS, bias=0.5)
        attach(dsn, PROFILE)
        session.execute("truncate modelpack.prediction")


@pytest.fixture
def shop(fresh: Callable[..., str]) -> Iterator[Callable[..., Session]]:
    with ExitStack() as left:
        yield lambda published=True: left.enter_context(
            psycopg.connect(fresh(make_shop, published), autocommit=True)
        )


def written(session: Session, statement: str) -> tuple[int, int, int]:
    """Row versions of the profile that a statement inserted and updated, and the rows that it logged."""
    query = (
        "select coalesce(sum(n_tup_ins) filter (where relname = 'customer'), 0), "
        "coalesce(sum(n_tup_upd) filter (where relname = 'customer'), 0), "
        "coalesce(sum(n_tup_ins) filter (where relname like 'prediction%' and schemaname = 'modelpack'), 0) "
        "from pg_stat_xact_user_tables"
    )
    with session.transaction():  # earlier transactions may not have been reported yet
        before = row(session, query)
        session.execute(statement)
        inserted, updated, logged = (a - b for a, b in zip(row(session, query), before, strict=True))
    assert wrong(session) == []
    return int(inserted), int(updated), int(logged)


MANY = "insert into purchase (customer_id, amount, sku) select n % 60 + 1, n, 's' || n from generate_series(0, 299) as n"


@pytest.mark.parametrize(
    ("before", "statement", "expected"),
    [
        ("", "insert into purchase (customer_id, amount) values (1, 5)", (0, 1, 1)),
        ("", "insert into purchase (customer_id, amount) values (99, 5)", (1, 0, 1)),
        ("", "insert into purchase (customer_id, amount) values (1, 5), (1, 6), (2, 7)", (0, 2, 2)),
        ("", "insert into purchase (customer_id, amount) values (98, 5), (98, 6), (99, 7)", (2, 0, 2)),
        ("", MANY, (10, 50, 60)),
        (MANY, MANY, (0, 60, 60)),
        (MANY, "update purchase set amount = amount + 1", (0, 59 + 1, 60)),
        (MANY, "update purchase set amount = amount + 1 where customer_id = 7", (0, 1, 1)),
        (MANY, "update purchase set customer_id = 8 where customer_id = 7", (0, 2, 2)),
        (MANY, "update purchase set customer_id = 99 where customer_id = 7", (1, 1, 2)),
        (MANY, "update purchase set customer_id = customer_id % 60 + 1", (0, 60, 60)),
        (MANY, "delete from purchase where amount < 60", (0, 60, 60)),
        (MANY, "delete from purchase where customer_id in (1, 2, 3)", (0, 3, 3)),
        ("", "update customer set visits = 3 where customer_id <= 7", (0, 7, 7)),
        ("", "insert into customer (customer_id) values (98), (99)", (2, 0, 2)),
        # nothing that counts
        (MANY, "update purchase set note = 'seen', amount = amount", (0, 0, 0)),
        ("", "insert into purchase (customer_id, amount) values (null, 5)", (0, 0, 0)),
        ("", "insert into purchase (customer_id) select 1 where false", (0, 0, 0)),
        (MANY, "update purchase set amount = 1 where false", (0, 0, 0)),
        (MANY, "delete from purchase where false", (0, 0, 0)),
        # a static column that no input reads: the row is written, not scored
        ("", "update customer set plan = 'gold' where customer_id <= 7", (0, 7, 0)),
    ],
)
def test_a_statement_writes_each_touched_profile_once(
    shop: Callable[..., Session], before: str, statement: str, expected: tuple[int, int, int]
) -> None:
    session = shop()
    if before:
        session.execute(before)
    assert written(session, statement) == expected


def test_copy_writes_each_touched_profile_once(shop: Callable[..., Session]) -> None:
    session = shop()
    copied = "\n".join(f"{n % 10 + 45}\t{n}" for n in range(100))
    query = "select n_tup_ins, n_tup_upd from pg_stat_xact_user_tables where relname = 'customer'"
    with session.transaction():
        before = row(session, query)
        with session.cursor().copy("copy purchase (customer_id, amount) from stdin") as copy:
            copy.write(copied)
        found = tuple(a - b for a, b in zip(row(session, query), before, strict=True))
    assert found == (4, 6)
    assert value(session, "select count(*) from modelpack.prediction") == 10


@pytest.mark.parametrize(
    "statement",
    [
        "insert into purchase (customer_id) select 1 where false",
        "update purchase set amount = 1 where false",
        "delete from purchase where false",
        "update customer set visits = 1 where false",
        "insert into purchase (customer_id) values (null)",
    ],
)
def test_a_statement_that_touches_no_customer_loads_nothing(
    shop: Callable[..., Session], statement: str
) -> None:
    session = shop()
    with psycopg.connect(session.info.dsn, autocommit=True) as fresh:
        fresh.execute(statement)
        fresh.execute(
            "create or replace function loaded() returns boolean language plpython3u as "
            "$$ import sys; return bool(GD.get('modelpack')) or 'onnxruntime' in sys.modules $$"
        )
        assert value(fresh, "select loaded()") is False


def test_every_stored_score_is_the_model_on_the_stored_row_and_so_is_the_log(
    shop: Callable[..., Session],
) -> None:
    session = shop()
    for statement in (
        MANY,
        "insert into purchase (customer_id, amount, at) values (1, 5.5, now() - interval '40 days')",
        "update customer set visits = customer_id",
        "delete from purchase where amount > 200",
        "update purchase set at = at - interval '3 days' where customer_id < 20",
    ):
        session.execute(statement)
    names = "customer_id, n, n_1d, spend::float8, heat, visits, last_at, churn, churn_scored_at, churn_version, churn_stale"
    for key, n, n_1d, spend, heat, visits, last_at, churn, scored_at, version, stale in rows(
        session, f"select {names} from customer where churn is not null"
    ):
        quiet = (scored_at - last_at).total_seconds() / 86400 if last_at else None
        inputs = [n, n_1d, spend, heat, quiet, spend / n if n else None, visits]
        numbers = [None if x is None else float32(x) for x in inputs]
        assert churn == pytest.approx(linear_score(WEIGHTS, 0.5, numbers), abs=2e-6)
        assert (version, stale) == (1, None)
        logged, prediction = row(
            session,
            "select inputs, prediction from modelpack.prediction where entity_key = %s order by prediction_id desc limit 1",
            str(key),
        )
        assert prediction == churn
        assert logged == [None if x is None else pytest.approx(x, rel=1e-9) for x in inputs]
    assert value(session, "select count(*) from customer where churn is not null") == 60


def test_without_a_promoted_version_events_count_and_rows_say_why_they_have_no_score(
    shop: Callable[..., Session],
) -> None:
    session = shop(published=False)
    assert written(session, "insert into purchase (customer_id, amount) values (1, 5), (99, 6)") == (1, 1, 0)
    assert (
        rows(session, "select n, churn, churn_stale from customer where n > 0")
        == [(1, None, "no version of the model churn has been promoted")] * 2
    )


def test_a_number_that_the_model_cannot_take_leaves_the_event_and_a_reason(shop: Callable[..., Any]) -> None:
    session = shop()
    session.execute("insert into purchase (customer_id, amount) values (1, 1e99)")
    n, stale = row(session, "select n, churn_stale from customer where customer_id = 1")
    assert n == 1
    assert "spend" in stale
    assert wrong(session) == []
