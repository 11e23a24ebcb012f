"""Tables are known by what they are, not by what they are called: after a swap by renames nothing is counted into another's place."""

from __future__ import annotations

import psycopg
import pytest
from support import Session, attach, row, rows, value, wrong

from modelpack import Event, Profile, count, decayed, distinct, maximum, total
from modelpack.declaration.features import Feature
from modelpack.errors import DeclarationError

TABLES = """
create table customer (id bigint primary key, plan text);
create table e (id bigint, at timestamptz default now() - interval '1 hour', v numeric);
"""
FEATURES: dict[str, dict[str, Feature]] = {
    "by difference": {"n": count(), "s": total("v")},
    "decayed": {"n": count(), "heat": decayed(half_life="1 day")},
    "read again": {"n": count(), "skus": distinct("v"), "most": maximum("v", window="1 day")},
}
SWAP = "alter table e rename to e_old; alter table e_new rename to e"
NOT_IN_PLACE = psycopg.errors.ObjectNotInPrerequisiteState


def declared(features: dict[str, Feature], **event: str) -> Profile:
    return Profile("customer", key="id", events=[Event("e", at="at", features=features, **event)])  # type: ignore[arg-type]


def mend(session: Session, check: str) -> str:
    return str(value(session, 'select mend from modelpack.doctor() where "check" = %s', check))


def refused(session: Session, *statements: str, match: str) -> None:
    for statement in statements:
        with pytest.raises(NOT_IN_PLACE, match=match):
            session.execute(statement)


UPKEEP = (
    "select * from modelpack.verify('customer')",
    "select * from modelpack.verify('customer', array['1'])",
    "call modelpack.rebuild('customer')",
    "call modelpack.rebuild('customer', array['1'])",
    "call modelpack.refresh('customer')",
)
WRITES = (
    "insert into {0} (id, v) values (1, 5)",
    "insert into {0} (id, v) values (1, 5), (2, 6)",
    "insert into {0} (id, v) values (9, 5)",
    "update {0} set v = v + 1",
    "delete from {0}",
    "truncate {0}",
)


@pytest.mark.parametrize("features", FEATURES.values(), ids=list(FEATURES))
@pytest.mark.parametrize("in_one_transaction", [True, False])
def test_an_event_table_that_is_swapped(
    database: str, psql: Session, features: dict[str, Feature], in_one_transaction: bool
) -> None:
    psql.execute(TABLES)
    attach(database, declared(features))
    psql.execute("insert into e (id, v) values (1, 2), (2, 3)")
    psql.execute("create table e_new (like e including all); insert into e_new select * from e")
    for statement in [SWAP] if in_one_transaction else SWAP.split(";"):
        psql.execute(statement)
    before = rows(psql, "select * from customer order by id")
    refused(
        psql,
        *(w.format("e_old") for w in WRITES),
        match="public.e_old has the triggers of the event table public.e",
    )
    refused(
        psql,
        *UPKEEP,
        match="public.e is another table than the one that the declaration of public.customer means",
    )
    psql.execute("insert into e (id, v) values (1, 5), (7, 1)")  # nobody counts it yet
    assert rows(psql, "select * from customer order by id") == before
    assert "modelpack apply DECLARATION" in mend(psql, "event table e of public.customer")
    # what the doctor says
    attach(database, declared(features))
    assert wrong(psql) == []
    psql.execute("insert into e (id, v) values (1, 9)")
    psql.execute("insert into e_old (id, v) values (1, 9), (8, 9)")
    assert rows(psql, "select c.id, c.n, (select count(*) from e where e.id = c.id) from customer as c order by 1") == [
        (1, 3, 3), (2, 1, 1), (7, 1, 1)
    ]  # fmt: skip
    assert wrong(psql) == []
    assert (
        rows(psql, "select * from modelpack.doctor() where \"check\" like '%%customer%%' and status = 'fail'")
        == []
    )


@pytest.mark.parametrize(
    "place",
    [
        "alter table e rename to e_old; create view e as select * from e_old",
        "drop table e; create table e (id bigint, at timestamptz default now(), v numeric)",
        "create schema other; create table other.e (like e); alter table e set schema other_old; alter table other.e set schema public",
    ],
)
def test_what_takes_the_name_of_an_event_table(database: str, psql: Session, place: str) -> None:
    psql.execute(TABLES + "create schema other_old")
    attach(database, declared(FEATURES["by difference"]))
    psql.execute("insert into e (id, v) values (1, 2)")
    psql.execute(place)
    refused(psql, *UPKEEP, match="public.e is another table than")
    if "view" in place:
        refused(psql, "insert into e (id, v) values (1, 2)", match="public.e_old has the triggers")
        with pytest.raises(DeclarationError, match=r"public\.e is a view"):
            attach(database, declared(FEATURES["by difference"]))
    else:
        attach(database, declared(FEATURES["by difference"]))
        psql.execute("insert into e (id, v) values (1, 2)")
        assert wrong(psql) == []
        assert value(psql, "select n from customer") == value(psql, "select count(*) from e")


def test_two_event_tables_that_change_names(database: str, psql: Session) -> None:
    psql.execute(TABLES + "create table f (like e including all)")
    both = [Event(t, at="at", features={f"n_{t}": count()}) for t in ("e", "f")]
    attach(database, Profile("customer", key="id", events=both))
    psql.execute("insert into e (id) values (1); insert into f (id) values (1), (1)")
    psql.execute("alter table e rename to g; alter table f rename to e; alter table g rename to f")
    refused(
        psql,
        "insert into e (id) values (1)",
        "insert into f (id) values (1)",
        match="has the triggers of the event table",
    )
    refused(psql, *UPKEEP, match="is another table than")
    attach(database, Profile("customer", key="id", events=both))
    psql.execute("insert into e (id) values (1)")
    assert row(psql, "select n_e, n_f from customer") == (3, 1)
    assert wrong(psql) == []


@pytest.mark.parametrize("features", FEATURES.values(), ids=list(FEATURES))
def test_a_profile_that_is_swapped(database: str, psql: Session, features: dict[str, Feature]) -> None:
    psql.execute(TABLES)
    attach(database, declared(features))
    psql.execute("insert into e (id, v) values (1, 2), (2, 3)")
    psql.execute(
        "create table customer_new (like customer including all); insert into customer_new select * from customer"
    )
    psql.execute("grant all on customer_new to modelpack_owner")
    psql.execute("alter table customer rename to customer_old; alter table customer_new rename to customer")
    events, there = rows(psql, "select * from e"), rows(psql, "select * from customer order by id")
    refused(
        psql, *(w.format("e") for w in WRITES[:-1]), match="public.customer is another table than the profile"
    )
    refused(psql, *UPKEEP, match="public.customer is another table than")
    refused(
        psql,
        *(u.replace("customer", "customer_old") for u in UPKEEP),
        match="public.customer is another table than",
    )
    assert rows(psql, "select * from e") == events
    assert rows(psql, "select * from customer order by id") == there
    with pytest.raises(
        DeclarationError, match=r"which is called (public\.)?customer_old now.*modelpack.detach"
    ):
        attach(database, declared(features))
    # what the doctor says
    psql.execute(mend(psql, "profile table public.customer").partition(";")[0])
    attach(database, declared(features))
    psql.execute("insert into e (id, v) values (1, 9)")
    assert rows(psql, "select id, n from customer order by id") == [(1, 2), (2, 1)]
    assert wrong(psql) == []


def test_partitions_are_the_table_that_they_are_of(database: str, psql: Session) -> None:
    psql.execute(
        "create table customer (id bigint primary key, plan text);"
        "create table e (id bigint, at timestamptz default now(), v numeric) partition by hash (id);"
        "create table e0 partition of e for values with (modulus 2, remainder 0);"
        "create table e1 partition of e for values with (modulus 2, remainder 1)"
    )
    attach(database, declared(FEATURES["by difference"]))
    psql.execute(
        "insert into e (id, v) select g, g from generate_series(1, 9) as g; insert into e0 select * from e0; insert into e1 select * from e1"
    )
    psql.execute(
        "alter table e detach partition e0; alter table e0 rename to e_old; alter table e_old rename to e00"
    )
    psql.execute("alter table e attach partition e00 for values with (modulus 2, remainder 0)")
    psql.execute("insert into e00 select * from e00")
    assert wrong(psql) == []
    assert value(psql, "select sum(n) from customer") == value(psql, "select count(*) from e")
