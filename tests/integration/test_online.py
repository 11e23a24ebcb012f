"""A declaration that is applied, changed and taken off beside running traffic: no row is counted in the transaction that does it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine

from modelpack import (
    DeclarationError,
    Event,
    Profile,
    Score,
    apply,
    attaching,
    count,
    decayed,
    last,
    maximum,
    mean,
    minimum,
    total,
)
from modelpack.attaching import apply_online, remove_online, what_it_locks
from tests.support import Session, linear_score, publish, rows, value

TABLES = """
create table customer (customer_id bigint primary key, plan text default 'basic', note text);
create table purchase (
  id bigint generated always as identity primary key, customer_id bigint, at timestamptz default now(), amount numeric
);
create table complaint (id bigint generated always as identity primary key, customer_id bigint, at timestamptz default now());
insert into customer select g from generate_series(1, 40) as g;
insert into purchase (customer_id, at, amount) select 1 + g % 50, now() - g * interval '1 hour', g from generate_series(1, 500) as g;
insert into complaint (customer_id, at) select 1 + g % 20, now() - g * interval '1 hour' from generate_series(1, 100) as g;
"""

PURCHASE = Event(
    "purchase",
    at="at",
    features={
        "n": count(),
        "n_7d": count(window="7 days"),
        "spend": total("amount"),
        "basket": mean("amount"),
        "dearest": maximum("amount"),
        "last_at": last("at"),
        "heat": decayed(half_life="7 days"),
    },
)
COMPLAINT = Event("complaint", at="at", features={"complaints": count()})
CUSTOMER = Profile(
    "customer", key="customer_id", events=[PURCHASE, COMPLAINT], scores=[Score("churn", model="churn")]
)
COUNTED = "churn_stale is distinct from 'not counted yet'"


class Stopped(Exception):
    """Where the job is stopped."""


@contextmanager
def autocommit(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def apply_without_counting(engine: Engine, profile: Profile) -> None:
    """As if the job had been stopped just before it counts its first row."""

    def stop(message: str) -> None:
        if "counting" in message:
            raise Stopped

    with autocommit(engine) as connection, pytest.raises(Stopped):
        apply_online(connection, profile, say=stop)


@pytest.fixture
def shop(psql: Session) -> Session:
    psql.execute(TABLES)
    return psql


def truth(session: Session, *customers: int) -> list[tuple[Any, ...]]:
    """What the events say, by aggregates written here."""
    return rows(
        session,
        "select c.customer_id, (select count(*) from purchase as e where e.customer_id = c.customer_id),"
        " (select coalesce(sum(e.amount), 0) from purchase as e where e.customer_id = c.customer_id),"
        " (select max(e.amount) from purchase as e where e.customer_id = c.customer_id),"
        " (select max(e.at) from purchase as e where e.customer_id = c.customer_id),"
        " (select count(*) from complaint as e where e.customer_id = c.customer_id)"
        " from customer as c where cardinality(%s::bigint[]) = 0 or c.customer_id = any (%s) order by 1",
        list(customers),
        list(customers),
    )


def stored(session: Session, *customers: int) -> list[tuple[Any, ...]]:
    return rows(
        session,
        "select customer_id, n, spend, dearest, last_at, complaints from customer"
        " where cardinality(%s::bigint[]) = 0 or customer_id = any (%s) order by 1",
        list(customers),
        list(customers),
    )


def test_all_is_counted_at_the_end_and_customers_without_a_profile_have_one(
    engine: Engine, shop: Session
) -> None:
    with autocommit(engine) as connection:
        assert apply_online(connection, CUSTOMER) is True
        assert apply_online(connection, CUSTOMER) is False
    assert value(shop, "select count(*) from customer") == 50
    assert stored(shop) == truth(shop)
    assert rows(shop, "select * from modelpack.verify('customer')") == []
    assert value(shop, "select count(*) from customer where churn_stale = 'not counted yet'") == 0
    assert rows(shop, "select step, percent from modelpack.backfill_progress order by relation::text") == [
        ("make profiles", 100), ("count rows", 100), ("make profiles", 100),
    ]  # fmt: skip


def test_no_row_is_counted_before_something_happens_to_it(engine: Engine, shop: Session) -> None:
    apply_without_counting(engine, CUSTOMER)
    assert rows(shop, "select distinct n, churn_stale from customer") == [(0, "not counted yet")]
    shop.execute("insert into purchase (customer_id, amount) values (1, 1000)")
    shop.execute("insert into purchase (customer_id, amount) values (2, 7), (3, 8), (77, 9)")
    shop.execute(
        "update purchase set amount = amount + 1, customer_id = 5 where customer_id = 4 and amount > 100"
    )
    shop.execute("delete from purchase where customer_id = 6 and amount > 100")
    shop.execute("update customer set plan = 'gold' where customer_id = 7")
    shop.execute("update customer set note = 'seen' where customer_id = 8")
    touched = [1, 2, 3, 4, 5, 6, 77]
    assert stored(shop, *touched) == truth(shop, *touched)
    assert [
        r[0] for r in rows(shop, f"select customer_id from customer where {COUNTED} order by 1")
    ] == touched
    shop.execute("call modelpack.backfill('customer')")
    assert stored(shop) == truth(shop)
    assert rows(shop, "select * from modelpack.verify('customer')") == []


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Closes what a test opens."""
    with ExitStack() as stack:
        yield stack


def test_a_snapshot_that_is_older_than_the_triggers_fails_and_counts_nothing_wrong(
    engine: Engine, shop: Session, opened: ExitStack
) -> None:
    dsn = shop.info.dsn
    # building one beside running traffic would wait for these snapshots
    shop.execute("create index on purchase (customer_id, at); create index on complaint (customer_id)")
    older = {}
    statements = {
        "an event": "insert into purchase (customer_id, amount) values (1, 5)",
        "events of many": "insert into purchase (customer_id, amount) select g, 5 from generate_series(11, 40) as g",
        "a change": "update purchase set amount = 1 where customer_id = 2",
        "a deletion": "delete from purchase where customer_id = 3",
        "a static input": "update customer set customer_id = 1000 where customer_id = 4",
        "a new customer": "insert into purchase (customer_id, amount) values (45, 5)",
    }
    for what in statements:
        older[what] = opened.enter_context(psycopg.connect(dsn, autocommit=True))
        older[what].execute("begin isolation level repeatable read")
        value(older[what], "select pg_current_snapshot()")  # and no table is locked
    shop.execute("insert into purchase (customer_id, amount) select g, 100 from generate_series(1, 50) as g")
    apply_without_counting(engine, CUSTOMER)
    for what, statement in statements.items():
        with pytest.raises(psycopg.errors.SerializationFailure, match="began before the declaration"):
            older[what].execute(statement)
        older[what].execute("rollback")
        older[what].execute("begin isolation level repeatable read")
        older[what].execute(statement)  # again, with a snapshot that has seen all
        older[what].execute("commit")
    counted = [r[0] for r in rows(shop, f"select customer_id from customer where {COUNTED}")]
    assert len(counted) > 30
    assert stored(shop, *counted) == truth(shop, *counted)
    shop.execute("call modelpack.backfill('customer')")
    assert stored(shop) == truth(shop)


def test_the_job_passes_over_rows_that_somebody_holds_and_comes_back_to_them(
    engine: Engine, shop: Session
) -> None:
    apply_without_counting(engine, CUSTOMER)
    with psycopg.connect(shop.info.dsn) as holder, psycopg.connect(shop.info.dsn, autocommit=True) as job:
        holder.execute("update customer set note = 'held' where customer_id in (3, 4)")
        notices: list[str] = []

        def told(notice: Any) -> None:
            notices.append(str(notice.message_primary))
            if "other transactions hold" in notices[-1]:
                # all others are counted and free meanwhile
                assert value(shop, f"select count(*) from customer where not ({COUNTED})") == 2
                shop.execute(
                    "set lock_timeout = '1s'; update customer set note = 'free' where customer_id = 5"
                )
                holder.commit()

        job.add_notice_handler(told)
        job.execute("call modelpack.backfill('customer')")
        assert any("other transactions hold" in notice for notice in notices)
    assert stored(shop) == truth(shop)


def test_the_job_scores_the_rows_of_a_chunk_in_one_call(engine: Engine, shop: Session) -> None:
    publish(shop, "churn", ["n", "spend"], [0.01, -0.001])
    apply_without_counting(engine, CUSTOMER)
    shop.execute("insert into purchase (customer_id, amount) values (1, 1000)")
    shop.execute("delete from modelpack.prediction")
    shop.execute("call modelpack.backfill('customer')")
    assert stored(shop) == truth(shop)
    # who scores a row alone says how long the model took
    assert rows(
        shop, "select count(*), count(microseconds) from modelpack.prediction where entity_key::int <= 40"
    ) == [(39, 0)]
    for n, spend, churn in rows(shop, "select n, spend, churn from customer"):
        assert churn == pytest.approx(linear_score([0.01, -0.001], 0, [n, float(spend)]), abs=1e-6)


def test_readers_of_event_tables_never_wait_for_a_changed_declaration(
    engine: Engine, shop: Session, opened: ExitStack
) -> None:
    with autocommit(engine) as connection:
        apply_online(connection, CUSTOMER)
    features = {**PURCHASE.features, "cheapest": minimum("amount")}
    reader = opened.enter_context(psycopg.connect(shop.info.dsn))
    reader.execute("select from purchase limit 1; select from complaint limit 1")
    shop.execute("set lock_timeout = '1s'")
    with autocommit(engine) as connection:
        connection.exec_driver_sql("set lock_timeout = '1s'")
        apply_online(connection, replace(CUSTOMER, events=[replace(PURCHASE, features=features), COMPLAINT]))
    reader.commit()
    assert stored(shop) == truth(shop)


def test_a_changed_declaration_keeps_the_triggers_that_are_right_and_drops_those_of_a_table_it_leaves(
    engine: Engine, shop: Session
) -> None:
    on = (
        "select tgrelid::regclass::text, tgname, oid from pg_trigger where not tgisinternal"
        " and tgrelid in ('purchase'::regclass, 'complaint'::regclass) order by 1, 2"
    )
    with autocommit(engine) as connection:
        apply_online(connection, CUSTOMER)
        before = rows(shop, on)
        shop.execute("alter table purchase disable trigger modelpack_customer_delete")
        apply_online(connection, replace(CUSTOMER, events=[PURCHASE]))
        kept = [r for r in before if r[0] == "purchase"]
        assert len(kept) == 4
        assert [r[:2] for r in rows(shop, on)] == [r[:2] for r in kept]
        assert [r for r in rows(shop, on) if "delete" not in r[1]] == [
            r for r in kept if "delete" not in r[1]
        ]
        shop.execute("delete from purchase where amount > 400")
        assert rows(shop, "select * from modelpack.verify('customer')") == []
        assert rows(shop, "select from pg_proc where proname ~ '^customer_count_complaint'") == []
        apply_online(connection, CUSTOMER)
    assert stored(shop) == truth(shop)
    assert (
        rows(shop, "select found from modelpack.doctor() where status = 'error' and found ~ 'trigger'") == []
    )


def test_a_changed_declaration_counts_every_row_again_and_until_then_says_so(
    engine: Engine, shop: Session
) -> None:
    with autocommit(engine) as connection:
        apply_online(connection, CUSTOMER)
    features = {**PURCHASE.features, "spend": total("amount", where="amount > 100"), "first": maximum("id")}
    changed = replace(CUSTOMER, events=[replace(PURCHASE, features=features), COMPLAINT])
    apply_without_counting(engine, changed)
    assert rows(shop, "select distinct churn_stale from customer") == [("not counted yet",)]
    shop.execute("insert into purchase (customer_id, amount) values (1, 1000)")
    over = (
        "select customer_id, (select coalesce(sum(amount), 0) from purchase as e where e.customer_id = c.customer_id and amount > 100),"
        " (select max(id) from purchase as e where e.customer_id = c.customer_id) from customer as c where {} order by 1"
    )
    assert rows(shop, "select customer_id, spend, first from customer where customer_id = 1") == rows(
        shop, over.format("customer_id = 1")
    )
    with autocommit(engine) as connection:
        assert apply_online(connection, changed) is False  # goes on where it was stopped
    assert rows(shop, "select customer_id, spend, first from customer order by 1") == rows(
        shop, over.format("true")
    )
    assert rows(shop, "select * from modelpack.verify('customer')") == []
    assert value(shop, "select count(*) from customer where churn_stale = 'not counted yet'") == 0


def test_scores_that_change_alone_have_no_row_counted_again(engine: Engine, shop: Session) -> None:
    with autocommit(engine) as connection:
        apply_online(connection, CUSTOMER)
        before = rows(shop, "select customer_id, features_read_at from customer order by 1")
        apply_online(connection, replace(CUSTOMER, scores=[*CUSTOMER.scores, Score("value", model="value")]))
    assert rows(shop, "select customer_id, features_read_at from customer order by 1") == before


def test_what_was_applied_online_leaves_nothing_behind(engine: Engine, shop: Session) -> None:
    look = (
        "select attname::text from pg_attribute where attrelid = 'customer'::regclass and attnum > 0 and not attisdropped union all "
        "select indexrelid::regclass::text from pg_index where indrelid in ('customer'::regclass, 'purchase'::regclass, 'complaint'::regclass)"
        " order by 1"
    )
    before = rows(shop, look)
    with autocommit(engine) as connection:
        apply_online(connection, CUSTOMER)
        assert len(rows(shop, look)) > len(before) + 10
        remove_online(connection, CUSTOMER)
    assert rows(shop, look) == before
    shop.execute("insert into purchase (customer_id, amount) values (1, 1)")


def test_an_index_that_was_left_unfinished_is_built_again(engine: Engine, shop: Session) -> None:
    name = value(shop, "select modelpack.index_wanted('public.complaint', array['customer_id'], null)")
    shop.execute(f"create index {name} on complaint (customer_id)")
    shop.execute("update pg_index set indisvalid = false where indexrelid = %s::regclass", (name,))
    with autocommit(engine) as connection:
        apply_online(connection, CUSTOMER)
    assert value(shop, "select indisvalid from pg_index where indexrelid = %s::regclass", name) is True
    assert f"public.{name}" in value(shop, "select added_indexes from modelpack.profile")


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (
            replace(CUSTOMER, events=[replace(PURCHASE, features={"n": count()}, on_delete="keep")]),
            "outlive their events",
        ),
        (
            replace(CUSTOMER, events=[replace(PURCHASE, features={"dear": maximum("price")})]),
            "a domain with constraints",
        ),
    ],
)
def test_what_cannot_be_done_online_is_refused_before_anything_changes(
    engine: Engine, shop: Session, declared: Profile, said: str
) -> None:
    shop.execute(
        "create domain price as numeric check (value >= 0); alter table purchase add column price price; analyze"
    )
    with autocommit(engine) as connection, pytest.raises(DeclarationError, match=said) as refused:
        apply_online(connection, declared)
    assert "about 40 rows are counted from about 500 events, about 1 seconds" in str(refused.value)
    assert rows(shop, "select from modelpack.profile") == []
    assert (
        value(shop, "select count(*) from pg_attribute where attrelid = 'customer'::regclass and attnum > 0")
        == 3
    )


@pytest.mark.usefixtures("shop")
def test_online_needs_transactions_of_its_own(engine: Engine) -> None:
    with engine.begin() as connection, pytest.raises(DeclarationError, match="autocommit_block"):
        apply_online(connection, CUSTOMER)
    with engine.begin() as connection:
        apply(connection, CUSTOMER)


def test_a_migration_of_alembic_has_transactions_of_its_own_for_it(engine: Engine, shop: Session) -> None:
    changed = replace(CUSTOMER, events=[PURCHASE])
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        op = Operations(context)
        with context.begin_transaction(_per_migration=True), context.autocommit_block():
            op.create_scoring(CUSTOMER, online=True)  # type: ignore[attr-defined]
            assert stored(shop) == truth(shop)
            events = "select jsonb_array_length(declaration -> 'events') from modelpack.profile"
            assert value(shop, events) == len(CUSTOMER.events)
            op.replace_scoring(CUSTOMER, changed, online=True)  # type: ignore[attr-defined]
            assert value(shop, events) == 1
            assert rows(shop, "select * from modelpack.verify('customer')") == []
            op.drop_scoring(changed, online=True)  # type: ignore[attr-defined]
    assert rows(shop, "select from modelpack.profile") == []


def test_apply_says_how_long_it_locks_large_tables_and_what_does_not(
    connection: Connection, shop: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.execute("analyze")
    assert what_it_locks(connection, CUSTOMER) == ""
    monkeypatch.setattr(attaching, "LARGE", 500)
    said = what_it_locks(connection, CUSTOMER)
    assert "about 40 rows are counted from about 600 events: about 1 seconds" in said
    assert "public.purchase, public.complaint against writing" in said
    assert "modelpack apply --online" in said
    apply(connection, CUSTOMER)
    assert what_it_locks(connection, CUSTOMER) == ""  # nothing is counted
