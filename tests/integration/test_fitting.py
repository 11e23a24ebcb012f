"""What could not be exact on the tables as they are is refused before anything changes, in a sentence."""

from __future__ import annotations

import psycopg
import pytest

from modelpack import Event, Profile, Score, count, expression, last
from modelpack.attaching import apply
from modelpack.connection import make_engine
from modelpack.errors import DeclarationError
from tests.support import attach, linear_score, publish, row, rows

PROFILE = Profile("customer", key="id", events=[Event("visit", key="customer", features={"visits": count()})])
CUSTOMER = "create table customer (id text primary key);"
VISIT = "create table visit (customer text);"

UNFIT = {
    CUSTOMER + "create table web (customer text) partition by list (customer);"
    "create table visit partition of web default":
        "public.visit is a partition of public.web",
    CUSTOMER + "create table web (customer text) partition by list (customer);"
    "create table page partition of web default partition by list (customer);"
    "create table visit partition of page default":
        "public.visit is a partition of public.web",
    CUSTOMER + VISIT + "create table page (url text) inherits (visit)":
        "public.visit has public.page, which inherits from it",
    CUSTOMER + "create table happening (customer text); create table visit () inherits (happening)":
        "public.visit inherits from public.happening",
    CUSTOMER + VISIT + "create table firm () inherits (customer)":
        "public.customer has public.firm, which inherits from it",
    CUSTOMER + "create unlogged table visit (customer text)":
        "public.visit is unlogged and public.customer is not",
    CUSTOMER.replace("table", "unlogged table") + VISIT:
        "public.customer is unlogged and public.visit is not",
    CUSTOMER + 'create table visit (customer text collate "C")':
        r'public.visit.customer has the collation "C" and public.customer.id has "default".*type text collate "default"',
    "create table customer (id text unique);" + VISIT:
        "public.customer.id may be NULL.*alter column id set not null",
    "create domain code as text check (value <> ''); create table customer (id code unique);" + VISIT:
        "public.customer.id may be NULL",
    "create table customer (id text primary key deferrable initially deferred);" + VISIT:
        "no primary key or unique constraint on \\(id\\).*not deferrable",
    "create table customer (name text, id text generated always as (name) stored primary key);" + VISIT:
        "public.customer.id is a generated column.*drop expression",
    "create table customer (id bigint generated always as identity primary key); create table visit (customer bigint)":
        'public.customer.id is generated always as identity.*missing="refuse"',
    "create table customer (id bigint generated always as identity primary key); create table visit (customer bigint,"
    " friend bigint references customer)":
        "public.customer.id is generated always as identity",
    CUSTOMER + "create domain named as text not null; alter table customer add name named;" + VISIT:
        "public.customer needs name in every row",
    CUSTOMER + "alter table customer add name text not null;"
    "create table visit (customer text references customer deferrable initially deferred)":
        "public.customer needs name in every row",
    "create type client as (id text); create table customer of client (primary key (id));" + VISIT:
        "public.customer is a table of the type client.*not of",
    CUSTOMER + VISIT + "alter table visit rename to page; create view visit as select * from page":
        "public.visit is a view",
    CUSTOMER + VISIT + "alter table visit rename to page; create materialized view visit as select * from page":
        "public.visit is a materialized view",
    CUSTOMER + "create extension if not exists file_fdw; create server if not exists f foreign data wrapper file_fdw;"
    "create foreign table visit (customer text) server f options (filename '/dev/null')":
        "public.visit is a foreign table",
    CUSTOMER + "create extension if not exists file_fdw; create server if not exists f foreign data wrapper file_fdw;"
    "create table visit (customer text) partition by list (customer);"
    "create foreign table page partition of visit default server f options (filename '/dev/null')":
        "public.visit has the partition public.page, a foreign table",
    CUSTOMER + "create sequence visit":
        "public.visit is a sequence",
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


def test_tables_that_live_with_a_session_or_with_the_server_are_refused(
    database: str, psql: psycopg.Connection
) -> None:
    psql.execute(CUSTOMER + VISIT)
    for table, sentence in {
        "pg_catalog.pg_class": "the server's or of modelpack's own",
        "modelpack.alias": "the server's or of modelpack's own",
    }.items():
        visit = Event(table, key="relname", features={"n": count()})
        with pytest.raises(DeclarationError, match=sentence):
            attach(database, Profile("customer", key="id", events=[visit]))
    engine = make_engine(database)
    with engine.connect() as connection:
        connection.exec_driver_sql("create temporary table visit (customer text)")
        visit = Event("pg_temp.visit", key="customer", features={"n": count()})
        with pytest.raises(DeclarationError, match="is a temporary table"):
            apply(connection, Profile("customer", key="id", events=[visit]))
    engine.dispose()


@pytest.mark.parametrize("name", ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"])
def test_names_that_the_server_keeps_for_itself_are_refused(name: str) -> None:
    with pytest.raises(DeclarationError, match=f"'{name}' cannot name a feature"):
        Event("visit", features={name: count()})
    with pytest.raises(DeclarationError, match=f"'{name}' cannot name a score"):
        Score(name)


def test_a_foreign_key_may_stand_for_what_an_event_could_not_create(
    database: str, psql: psycopg.Connection
) -> None:
    psql.execute(
        "create table customer (id bigint generated always as identity primary key, name text not null);"
        "create table visit (customer bigint references customer); insert into customer (name) values ('a'), ('b')"
    )
    attach(database, PROFILE)
    psql.execute("insert into visit values (1), (1)")
    psql.execute("update visit set customer = 2 where ctid = '(0,1)'")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        psql.execute("insert into visit values (7)")
    assert rows(psql, "select id, visits from customer order by id") == [(1, 1), (2, 1)]


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


GENERATED = "alter table customer add column twice integer generated always as (plan * 2) stored"


def test_an_input_that_reads_a_generated_column_is_refused_with_what_to_read(
    database: str, psql: psycopg.Connection
) -> None:
    """It has no value yet when the row is scored: declared or not, when it is applied or, made later, when it is promoted."""
    psql.execute(
        "create table customer (id bigint primary key, plan integer default 1);"
        + VISIT.replace("text", "bigint")
    )
    psql.execute(GENERATED)
    events = [Event("visit", key="customer", features={"visits": count()})]
    declared = Profile(
        "customer", key="id", events=events, scores=[Score("churn", inputs={"load": "twice + 1"})]
    )
    with pytest.raises(
        DeclarationError,
        match=r"the input load of the score churn reads public\.customer\.twice, a generated column",
    ):
        attach(database, declared)
    psql.execute("alter table customer drop column twice, add column twice integer")
    attach(database, declared)
    publish(psql, "churn", ["visits", "load"], [0.5, 0.25], promote=False)
    publish(psql, "churn", ["visits", "twice"], [0.5, 0.25], promote=False)
    psql.execute(
        "select modelpack.listen('customer', every => true); alter table customer drop column twice;"
        + GENERATED
    )
    for version, name in ((1, "load"), (2, "twice")):
        with pytest.raises(psycopg.errors.DatatypeMismatch, match="cannot feed") as found:
            psql.execute("select modelpack.promote('churn', %s)", [version])
        assert f"{name} (number): it reads the generated column twice" in (
            found.value.diag.message_detail or ""
        )
        assert "twice is generated as (plan * 2)" in (found.value.diag.message_hint or "")
