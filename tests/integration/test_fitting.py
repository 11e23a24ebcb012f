"""What could not be exact on the tables as they are is refused before anything changes, in a sentence."""

from __future__ import annotations

import psycopg
import pytest
from support import attach, linear_score, publish, row, rows

from modelpack import Event, Profile, Score, count, expression, last
from modelpack.errors import DeclarationError

PROFILE = Profile("customer", key="id", events=[Event("visit", key="customer", features={"visits": count()})])
CUSTOMER = "create table customer (id text primary key);"
VISIT = "create table visit (customer text);"

UNFIT = {
    CUSTOMER + "create table web (customer text) partition by list (customer);"
    "create table visit partition of web default":
        "public.visit is a partition of web",
    CUSTOMER + "create table web (customer text) partition by list (customer);"
    "create table page partition of web default partition by list (customer);"
    "create table visit partition of page default":
        "public.visit is a partition of web",
    CUSTOMER + VISIT + "create table page (url text) inherits (visit)":
        "public.visit has page, which inherits from it",
    CUSTOMER + "create table happening (customer text); create table visit () inherits (happening)":
        "public.visit inherits from happening",
    CUSTOMER + VISIT + "create table firm () inherits (customer)":
        "public.customer has firm, which inherits from it",
    CUSTOMER + "create unlogged table visit (customer text)":
        "public.visit is unlogged and public.customer is not",
    CUSTOMER.replace("table", "unlogged table") + VISIT:
        "public.customer is unlogged and public.visit is not",
    CUSTOMER + 'create table visit (customer text collate "C")':
        r'public.visit.customer has the collation "C" and public.customer.id has "default".*type text collate "default"',
    "create table customer (id bytea primary key); create table visit (customer date)":
        "they cannot be compared",
}  # fmt: skip


def test_tables_whose_events_could_not_all_be_counted_are_refused(
    database: str, psql: psycopg.Connection
) -> None:
    for tables, sentence in UNFIT.items():
        psql.execute("drop schema public cascade; create schema public")
        psql.execute(tables)
        with pytest.raises(DeclarationError, match=sentence):
            attach(database, PROFILE)
    assert rows(psql, "select from modelpack.profile") == []


FIT = {
    "partitions": CUSTOMER + "create table visit (customer text) partition by list (customer);"
    "create table page partition of visit default",
    "both unlogged": (CUSTOMER + VISIT).replace("table", "unlogged table"),
    "one collation": (CUSTOMER + VISIT).replace("text", 'text collate "C"'),
    "types without a collation": (CUSTOMER + VISIT).replace("text", "bigint", 1).replace("text", "integer"),
}


@pytest.mark.parametrize("tables", FIT.values(), ids=list(FIT))
def test_tables_like_them_that_fit(database: str, psql: psycopg.Connection, tables: str) -> None:
    psql.execute(tables)
    attach(database, PROFILE)
    psql.execute("insert into visit values ('1'), ('1')")
    assert rows(psql, "select id::text, visits from customer") == [("1", 2)]


def test_an_input_may_be_an_expression_over_a_feature_of_a_type_of_ones_own(
    database: str, psql: psycopg.Connection
) -> None:
    psql.execute(
        CUSTOMER
        + "create type mood as enum ('sad', 'glad'); create table visit (customer text, at date, feeling mood)"
    )
    visits = Event("visit", at="at", key="customer", features={"last_mood": last("feeling")})
    glad = {"glad": "case when last_mood = 'glad' then 1 else 0 end"}
    attach(database, Profile("customer", key="id", events=[visits], scores=[Score("churn", inputs=glad)]))
    publish(psql, "churn", ["glad"], [2.0])
    psql.execute("insert into visit values ('1', '2026-01-01', 'sad'), ('1', '2026-01-02', 'glad')")
    churn, stale = row(psql, "select churn, churn_stale from customer")
    assert (churn, stale) == (pytest.approx(linear_score([2.0], 0.0, [1.0]), abs=1e-6), None)


def test_an_input_whose_text_depends_on_the_session_is_refused_with_what_to_write(
    database: str, psql: psycopg.Connection
) -> None:
    psql.execute("create type grade as enum ('basic', 'gold')")
    psql.execute(CUSTOMER + VISIT + "alter table customer add grade grade, add since timestamptz")
    for sql in ("grade::text", "since::text"):
        score = Score("churn", model="churn", inputs={"grade": expression(sql)})
        profile = Profile("customer", key="id", events=PROFILE.events, scores=[score])
        with pytest.raises(
            DeclarationError, match=r"enum column is named as it is, without ::text; .*age\(column\)"
        ):
            attach(database, profile)
