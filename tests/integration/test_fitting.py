"""What could not be exact on the tables as they are is refused before anything changes, in a sentence."""

from __future__ import annotations

import psycopg
import pytest
from support import attach, rows

from modelpack import Event, Profile, count
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
