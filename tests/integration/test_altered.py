"""Tables that are altered while sessions are at work: nobody has to connect anew."""

from __future__ import annotations

import psycopg
import pytest
from support import Session, attach, linear_score, publish, row, value, wrong

from modelpack import Event, Profile, Score, count, decayed, last, maximum, mean, total

WEIGHTS, BIAS = (0.2, 0.01, -0.1), -1.0
CUSTOMER = Profile(
    "customer",
    key="customer_id",
    events=[
        Event(
            "purchase",
            at="at",
            features={
                "purchases": count(),
                "spend": total("amount"),
                "basket": mean("amount"),
                "largest": maximum("amount"),
                "large": count(where="amount > 5"),
                "last_amount": last("amount"),
            },
        ),
        Event("visit", at="at", features={"heat": decayed(half_life="30 days"), "visits": count(window="7 days")}),
    ],
    scores=[Score("churn", model="churn")],
)  # fmt: skip

TABLES = """
create table customer (customer_id integer primary key, tenure integer not null default 3);
create table purchase (customer_id integer, at timestamptz default clock_timestamp(), amount integer);
create table visit (customer_id integer, at timestamptz default clock_timestamp());
insert into customer (customer_id) values (1), (2);
"""
ALTERED = [
    "alter table purchase alter customer_id type bigint",
    "alter table purchase alter amount type numeric(12, 2)",
    "alter table purchase alter at type timestamp",
    "alter table visit alter customer_id type bigint",
    "alter table customer alter tenure type bigint",
    "alter table customer alter customer_id type bigint",
    "alter table purchase add column note text default 'none'",
    "alter table purchase drop column note",
]


def shop(dsn: str, session: Session) -> None:
    # a client's prepared SELECT may not change its columns' types: that is the client's to mend
    session.prepare_threshold = None
    session.execute(TABLES)
    attach(dsn, CUSTOMER)
    publish(session, "churn", ["purchases", "spend", "tenure"], WEIGHTS, BIAS)
    session.execute("call modelpack.rescore('customer')")


def work(session: Session) -> None:
    """An event of each kind, many at once, and an application's own UPDATE; then everything has to be right."""
    session.execute("insert into purchase (customer_id, amount) values (1, 7)")
    session.execute(
        "insert into purchase (customer_id, amount) select g % 2 + 1, g from generate_series(1, 4) as g"
    )
    session.execute("insert into visit (customer_id) values (1)")
    session.execute("update purchase set amount = amount + 1 where customer_id = 2")
    session.execute(
        "delete from purchase where ctid = (select max(ctid) from purchase where customer_id = 2)"
    )
    session.execute("update customer set tenure = tenure + 1")
    assert wrong(session) == []
    churn, stale, *numbers = row(
        session, "select churn, churn_stale, purchases, spend, tenure from customer where customer_id = 1"
    )
    assert stale is None
    assert churn == pytest.approx(linear_score(WEIGHTS, BIAS, [float(n) for n in numbers]), abs=1e-6)


def test_open_sessions_go_on_after_columns_got_other_types(database: str, psql: Session) -> None:
    shop(database, psql)
    with psycopg.connect(psql.info.dsn, autocommit=True) as another:
        for statement in ALTERED:
            work(psql)
            another.execute(statement)
            work(psql)


def test_a_transaction_goes_on_after_it_has_altered_a_table(database: str, psql: Session) -> None:
    shop(database, psql)
    work(psql)
    with psql.transaction():
        work(psql)
        psql.execute("alter table purchase alter customer_id type bigint")
        work(psql)
        with psql.transaction():
            psql.execute("alter table customer alter tenure type bigint")
        work(psql)
    work(psql)


def test_what_changes_no_column_leaves_the_functions_alone(database: str, psql: Session) -> None:
    shop(database, psql)
    made = "select array_agg(xmin::text order by oid) from pg_proc where pronamespace = 'modelpack'::regnamespace"
    before = value(psql, made)
    psql.execute("alter table purchase set (fillfactor = 90)")
    psql.execute("alter table customer add check (customer_id > 0)")
    assert value(psql, made) == before
    psql.execute("alter table customer add column nothing text")
    assert value(psql, made) != before
