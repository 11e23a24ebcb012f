"""Tables that are altered while sessions are at work: nobody has to connect anew."""

from __future__ import annotations

import psycopg
import pytest

from modelpack import Event, Profile, Score, count, decayed, distinct, last, maximum, mean, total
from tests.support import Session, attach, linear_score, publish, row, rows, value, wrong

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
RETYPING = "select modelpack.listen('customer', every => true)"
"""PostgreSQL alters no type of a column that a trigger names."""
ALTERED = [
    "alter table purchase alter customer_id type bigint",
    "alter table purchase alter amount type numeric(12, 2)",
    "alter table purchase alter at type timestamp",
    "alter table visit alter customer_id type bigint",
    f"{RETYPING}; alter table customer alter tenure type bigint",
    f"{RETYPING}; alter table customer alter customer_id type bigint",
    f"{RETYPING}; alter table customer alter spend type numeric(20, 4)",
    "alter table purchase add column note text default 'none'",
    "alter table purchase drop column note",
]


def shop(dsn: str, session: Session, tables: str = TABLES) -> None:
    # a client's prepared SELECT may not change its columns' types: that is the client's to mend
    session.prepare_threshold = None
    session.execute(tables)
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
            psql.execute(f"{RETYPING}; alter table customer alter tenure type bigint")
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


def test_open_sessions_go_on_after_the_type_of_a_typed_table_was_altered(
    database: str, psql: Session
) -> None:
    columns = "(customer_id integer, at timestamptz default clock_timestamp(), amount integer)"
    assert columns in TABLES
    typed = TABLES.replace(columns, "of bought (at with options default clock_timestamp())")
    shop(
        database, psql, "create type bought as (customer_id integer, at timestamptz, amount integer);" + typed
    )
    with psycopg.connect(psql.info.dsn, autocommit=True) as another:
        for change in (
            "add attribute note text",
            "alter attribute amount type numeric(12, 2)",
            "alter attribute customer_id type bigint",
            "drop attribute note",
        ):
            work(psql)
            another.execute(f"alter type bought {change} cascade")
            work(psql)


OWN_TYPES = """
create type address as (street text, zip integer);
create type mood as enum ('sad', 'glad');
create domain account as integer check (value > 0);
create domain price as numeric(8, 2);
create domain plan as text default 'basic';
create table customer (customer_id account primary key, home address, plan plan, feeling mood default 'sad');
create table purchase (
  customer_id account, at timestamptz default clock_timestamp(), price price, feeling mood, place address
);
insert into customer (customer_id, home) values (1, ('a', 10)), (2, ('b', 20));
"""
OWN_TYPED = Profile(
    "customer",
    key="customer_id",
    events=[
        Event(
            "purchase",
            at="at",
            features={
                "purchases": count(),
                "dear": count(where="price > 5"),
                "near": count(where="(place).zip < 50"),
                "glad": count(where="feeling = 'glad'"),
                "dearest": maximum("price"),
                "last_price": last("price"),
                "last_place": last("place"),
                "places": distinct("place"),
                "best": maximum("feeling"),
            },
        )
    ],
    scores=[Score("churn", inputs={"zip": "(home).zip", "now_glad": "case when feeling = 'glad' then 1 else 0 end"})],
)  # fmt: skip
ALTERED_TYPES = [
    "alter type address add attribute country text",
    "alter type address drop attribute street",
    "alter type address rename attribute country to land",
    "alter domain account add constraint small check (value < 1000)",
    "alter domain account drop constraint account_check",
    "alter domain account set not null",
    "alter domain price add constraint low check (value < 1000)",
    "alter domain price set not null",
    "alter domain price drop not null",
    "alter domain price set default 3",
    "alter domain plan set default 'gold'",
    "alter domain plan add constraint known check (value in ('basic', 'gold')) not valid",
    "alter type mood add value 'mad'",
    "alter type mood add value 'bored' before 'sad'",
    "alter type mood rename value 'bored' to 'tired'",
    "alter type mood rename to temper",
    "alter domain price rename to cost",
]


def test_open_sessions_go_on_after_a_domain_an_enum_or_a_composite_type_was_altered(
    database: str, psql: Session
) -> None:
    psql.prepare_threshold = None
    psql.execute(OWN_TYPES)
    attach(database, OWN_TYPED)
    publish(psql, "churn", ["purchases", "zip", "now_glad"], WEIGHTS, BIAS)
    with psycopg.connect(psql.info.dsn, autocommit=True) as another:
        for statement in ["select", *ALTERED_TYPES]:
            another.execute(statement)
            psql.execute(
                "insert into purchase (customer_id, price, feeling, place.zip) values (1, 7, 'glad', 6)"
            )
            psql.execute(
                "insert into purchase (customer_id, price, feeling) select g % 2 + 1, g, 'sad' from generate_series(1, 8) as g"
            )
            psql.execute("update purchase set price = price + 1, feeling = 'glad' where price = 3")
            psql.execute(
                "delete from purchase where ctid = (select max(ctid) from purchase where customer_id = 2)"
            )
            psql.execute(
                "update customer set home.zip = (home).zip + 1, feeling = 'glad' where customer_id = 1"
            )
            assert wrong(psql) == [], statement
            for churn, stale, *numbers in rows(
                psql,
                "select churn, churn_stale, purchases, (home).zip, (feeling = 'glad')::integer from customer",
            ):
                assert (churn, stale) == (pytest.approx(linear_score(WEIGHTS, BIAS, numbers), abs=1e-6), None)
    # what a constraint that is gone refused
    psql.execute("insert into purchase (customer_id, price) values (-1, 2)")
    assert value(psql, "select purchases from customer where customer_id = -1") == 1
