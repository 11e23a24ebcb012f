"""Tables are known by what they are, not by what they are called: after a swap by renames nothing is counted into another's place."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from modelpack import Event, Profile, Score, count, decayed, distinct, maximum, total
from modelpack.declaration.features import Feature
from modelpack.errors import DeclarationError
from tests.support import Session, attach, publish, row, rows, value, wrong

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


# --- what reads events beside COUNT ---------------------------------------------------------------------------------


READS = {
    "windows": (
        count(window="1 day"),
        ["update customer set plan = 'gold'", "insert into customer (id) values (5)", "insert into f (id) values (1)"],
    ),
    "a new customer": (count(), ["insert into customer (id) values (5)", "update customer set id = 6 where id = 1"]),
    "a new customer of decayed events": (decayed(half_life="1 day"), ["insert into customer (id) values (5)"]),
}  # fmt: skip


@pytest.mark.parametrize(("feature", "statements"), READS.values(), ids=list(READS))
@pytest.mark.parametrize("place", [SWAP, "drop table e; alter table e_new rename to e"])
def test_a_row_of_the_profile_takes_no_feature_from_a_table_that_was_not_declared(
    database: str, psql: Session, feature: Feature, statements: list[str], place: str
) -> None:
    psql.execute(TABLES + "create table f (like e including all)")
    both = [Event(t, at="at", features={f"n_{t}": feature}) for t in ("e", "f")]
    scores = [Score("churn", inputs={"length": "length(plan)"})]
    profile = Profile("customer", key="id", events=both, scores=scores)
    attach(database, profile)
    publish(psql, "churn", ["n_e", "length"], [1.0, 1.0])
    psql.execute("insert into e (id) values (1); create table e_new (like e including all)")
    psql.execute("insert into e_new (id) values (1), (1), (5), (5)")
    psql.execute(place)
    before = rows(psql, "select * from customer")
    refused(
        psql, *statements, match=r"public\.e is another table than the event table .* of public\.customer"
    )
    refused(
        psql, "call modelpack.rescore('customer', everything => true)", match="public.e is another table than"
    )
    assert rows(psql, "select * from customer") == before
    attach(database, profile)
    psql.execute("delete from customer where id = 5")  # of the events of e_new
    for statement in statements:
        psql.execute(statement)
    assert wrong(psql) == []


def test_decayed_events_to_come_are_not_read_from_another_table(database: str, psql: Session) -> None:
    psql.execute(TABLES + "create table f (like e including all)")
    events = [
        Event("e", at="at", features=FEATURES["decayed"]),
        Event("f", at="at", features={"m": count()}),
    ]
    attach(database, Profile("customer", key="id", events=events))
    psql.execute("insert into e (id, at) values (1, now() + interval '1 hour')")
    psql.execute("create table e_new (like e including all)")
    psql.execute(SWAP)
    refused(psql, "insert into f (id) values (1)", match=r"public\.e is another table than the event")
    assert row(psql, "select heat, m from customer") == (0, 0)


@pytest.mark.parametrize("on_delete", ["subtract", "keep"])
def test_an_event_of_another_table_counts_none_of_the_swapped_one(
    database: str, psql: Session, on_delete: str
) -> None:
    psql.execute(TABLES + "create table f (like e including all)")
    profile = Profile(
        "customer",
        key="id",
        events=[
            Event("e", at="at", features={"n": count()}),
            Event("f", at="at", features={"m": count(), "w": count(window="1 day")}, on_delete=on_delete),
        ],
    )
    attach(database, profile)
    psql.execute("insert into e (id) values (1); insert into f (id) values (1)")
    psql.execute("create table e_new (like e including all); insert into e_new (id) values (1), (1)")
    psql.execute(SWAP)
    # what reads only its own events goes on
    psql.execute(
        "insert into f (id) values (1); insert into f (id) values (1), (1); delete from f where ctid = '(0,1)'"
    )
    if on_delete == "keep":
        psql.execute("truncate f")
    else:
        refused(psql, "truncate f", match=r"public\.e is another table than")
    refused(psql, "insert into f (id) values (9)", match=r"public\.e is another table than")
    assert row(psql, "select n, m from customer") == (1, 3 + (on_delete == "keep"))
    attach(database, profile)
    assert value(psql, "select n from customer") == 2
    assert wrong(psql) == []


# --- what is said at once -------------------------------------------------------------------------------------------


class Warnings:
    """What a session is told, and by which statement."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.found: list[str] = []
        session.add_notice_handler(self._note)

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            words = (notice.message_primary, notice.message_detail, notice.message_hint)
            self.found.append("\n".join(filter(None, words)))

    def of(self, statement: str) -> list[str]:
        self.found = []
        self.session.execute(statement)
        return self.found


ELSEWHERE = "create schema other; create table other.e (like e); create table e_new (like e); "
SWAPS = {
    "renames": ("alter table e rename to e_old", "alter table e_new rename to e", "another table", "public.e_old"),
    "schemas": ("alter table e set schema other_old", "alter table other.e set schema public", "another table", "other_old.e"),
    "a name and a schema": ("alter table e rename to e_old", "alter table other.e set schema public", "another table", "public.e_old"),
    "whole schemas": ("alter schema public rename to gone", "alter schema other rename to public", "another table", "gone.e"),
    "dropped and made": ("drop table e", "create table e (id bigint, at timestamptz, v numeric)", "another table", None),
    "dropped and made as": ("drop table e", "create table e as select * from e_new", "another table", None),
    "selected into": ("alter table e rename to e_old", "select * into e from e_new", "another table", "public.e_old"),
    "made in a schema": ("alter schema public rename to gone", "create schema public create table e (id bigint)", "another table", "gone.e"),
    "partitioned": ("drop table e", "create table e (id bigint) partition by hash (id)", "another table", None),
    "a view": ("alter table e rename to e_old", "create view e as select * from e_old", "another relation (a view)", "public.e_old"),
    "a view that is renamed": ("alter table e rename to e_old", "alter view v rename to e", "another relation (a view)", "public.e_old"),
    "a materialized view": ("drop table e", "create materialized view e as select 1 as id", "another relation (a materialized view)", None),
    "a materialized view that is renamed": ("drop table e", "alter materialized view mv rename to e", "another relation (a materialized view)", None),
    "a foreign table": ("drop table e", "create foreign table e (id bigint) server far", "another relation (a foreign table)", None),
    "a foreign table that is renamed": ("drop table e", "alter foreign table ft rename to e", "another relation (a foreign table)", None),
}  # fmt: skip


@pytest.mark.parametrize(("away", "there", "what", "now"), SWAPS.values(), ids=list(SWAPS))
def test_whoever_gives_another_table_the_name_of_an_event_table_is_warned_once(
    database: str, psql: Session, away: str, there: str, what: str, now: str | None
) -> None:
    psql.execute(
        TABLES
        + ELSEWHERE
        + "create schema other_old; create view v as select 1 as id; create table unlike (a integer)"
    )
    psql.execute(
        "create materialized view mv as select 1 as id; create foreign data wrapper nothing; create server far foreign data wrapper nothing"
    )
    psql.execute("create foreign table ft (id bigint) server far")
    attach(database, declared(FEATURES["by difference"]))
    told = Warnings(psql)
    assert told.of(away) == []
    (words,) = told.of(there)
    assert words.startswith(
        f"public.e is now {what} than the event table that the declaration of public.customer means"
    )
    assert ("That was dropped." if now is None else f"That is called {now} now.") in words
    assert "modelpack apply" in words
    assert ("Or rename both back." in words) == (now is not None)
    for unrelated in (
        "create table more (a integer)",
        "create schema more",
        "alter schema more rename to less",
        *(
            ["alter table e add column note text", "alter table e alter column id set statistics 5"]
            if what == "another table"
            else []
        ),
    ):
        assert told.of(unrelated) == []


def test_a_swap_in_one_transaction_is_told_once_whatever_comes_after(database: str, psql: Session) -> None:
    psql.execute(TABLES + "create table e_new (like e)")
    attach(database, declared(FEATURES["by difference"]))
    told = Warnings(psql)
    with psql.transaction():
        psql.execute("alter table e rename to e_old")
        assert len(told.of("alter table e_new rename to e")) == 1
        assert told.of("alter table e add column note text") == []
        assert told.of("alter table e rename column note to notes") == []
    assert told.of("alter table e_old rename to e_older") == []
    assert told.of("alter table e rename to e_new") == []
    assert told.of("alter table e_older rename to e") == []  # the right one
    psql.execute("insert into e (id) values (1)")
    assert wrong(psql) == []


def test_a_profile_table_whose_name_is_taken_is_told_with_what_to_run(database: str, psql: Session) -> None:
    psql.execute(TABLES + "create table customer_new (like customer including all)")
    attach(database, declared(FEATURES["by difference"]))
    told = Warnings(psql)
    psql.execute("alter table customer rename to customer_old")
    (words,) = told.of("alter table customer_new rename to customer")
    assert words.startswith(
        "public.customer is now another table than the profile table that the declaration of public.customer means"
    )
    assert "select modelpack.detach('public.customer_old'); then modelpack apply DECLARATION" in words
    psql.execute("drop table customer_old")
    psql.execute("drop table customer")
    (words,) = told.of("create table customer (id bigint primary key)")
    assert "That was dropped." in words
    assert "select modelpack.detach_dropped('public.customer'); then modelpack apply DECLARATION" in words
    psql.execute("select modelpack.detach_dropped('public.customer')")
    attach(database, declared(FEATURES["by difference"]))
    psql.execute("insert into e (id) values (1)")
    assert wrong(psql) == []


def test_whoever_owns_the_tables_is_warned_without_any_right_in_the_schema(
    database: str, psql: Session, new_role: Callable[[], str]
) -> None:
    role = new_role()
    psql.execute(
        TABLES
        + f"create schema his authorization {role}; alter table e set schema his; alter table his.e owner to {role}"
    )
    attach(database, Profile("customer", key="id", events=[Event("his.e", at="at", features={"n": count()})]))
    with psycopg.connect(make_conninfo(database, user=role), autocommit=True) as his:
        told = Warnings(his)
        his.execute("alter table his.e rename to e_old")
        (words,) = told.of("create table his.e (id bigint)")
        assert "That is called his.e_old now." in words


def test_no_ddl_fails_of_what_stands_in_the_rows_of_declarations(database: str, psql: Session) -> None:
    psql.execute(TABLES)
    attach(database, declared(FEATURES["by difference"]))
    psql.execute("update modelpack.made set object = 'no \"name' where kind = 'event'")
    told = Warnings(psql)
    assert told.of("create table more (a integer)") == []
    assert told.of("alter table more rename to less") == []
