"""Alembic operations with data in place: attach, replace, detach, and the way back."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

import modelpack
from modelpack import Event, Profile, Score, count, decayed, distinct, last, maximum, mean, minimum, total
from modelpack.errors import DeclarationError
from tests.support import Session, linear_score, publish, row, rows, value, wrong

TABLES = """
create table customer (customer_id bigint primary key, plan text default 'basic');
create table purchase (customer_id bigint, at timestamptz default now(), amount numeric, sku text);
create table visit (customer_id bigint, at timestamptz default now(), page text);
insert into customer values (1, 'gold'), (2, 'basic');
insert into purchase select n % 4, now() - n * interval '1 day', n, 's' || n % 3 from generate_series(1, 40) as n;
insert into visit select n % 5, now() - n * interval '1 hour', 'p' || n from generate_series(1, 20) as n;
"""


def declare(*events: Event, scores: tuple[Score, ...] = ()) -> Profile:
    return Profile("customer", key="customer_id", events=events, scores=scores)


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    with psycopg.connect(database, autocommit=True) as session:
        session.execute(TABLES)
        yield session


def columns(session: Session) -> list[str]:
    return [
        name
        for (name,) in rows(
            session,
            "select attname from pg_attribute where attrelid = 'customer'::regclass and attnum > 0 "
            "and not attisdropped order by attnum",
        )
    ]


def migrate(engine: Engine, *operations: Any) -> None:
    """Run operations as a user's migration does, in one transaction."""
    with engine.begin() as connection:
        op = Operations(MigrationContext.configure(connection))
        for operation in operations:
            op.invoke(operation)


def as_script(*operations: Any) -> str:
    """The same, as `alembic upgrade --sql` prints it."""
    output = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": output}
    )
    for operation in operations:
        Operations(context).invoke(operation)
    return output.getvalue()


BOUGHT = Event(
    "purchase",
    at="at",
    features={
        "n": count(),
        "spend": total("amount"),
        "dearest": maximum("amount"),
        "n_7d": count(window="7 days"),
    },
)


def test_attach_counts_what_is_there_and_detach_leaves_the_tables_as_they_were(
    engine: Engine, session: Session
) -> None:
    before = (columns(session), rows(session, "select * from customer order by 1"))
    create = modelpack.CreateScoring(declare(BOUGHT))
    migrate(engine, create)
    assert value(session, "select sum(n) from customer") == 40
    assert wrong(session) == []
    session.execute("delete from customer where customer_id not in (1, 2)")
    migrate(engine, create.reverse())
    assert (columns(session), rows(session, "select * from customer order by 1")) == before
    left = rows(
        session,
        "select proname::text from pg_proc where pronamespace = 'modelpack'::regnamespace and proname like 'customer%' "
        "union all select tgname::text from pg_trigger where not tgisinternal and tgrelid in ('customer'::regclass, "
        "'purchase'::regclass) union all select indexname::text from pg_indexes where tablename = 'purchase'",
    )
    assert left == []
    migrate(engine, create)
    assert wrong(session) == []


def test_detach_takes_rights_back_when_no_other_declaration_needs_them(
    engine: Engine, session: Session
) -> None:
    session.execute(
        "create schema shop; create table shop.purchase (like purchase); create table shop.customer (customer_id bigint primary key);"
        "create table shop.account (account_id bigint primary key)"
    )
    bought = Event("shop.purchase", at="at", features={"n": count()})
    first = Profile("shop.customer", key="customer_id", events=[bought])
    also = Event("shop.purchase", at="at", key="customer_id", features={"n": count()})
    second = Profile("shop.account", key="account_id", events=[also])
    rights = (
        "select has_schema_privilege('modelpack_owner', 'shop', 'usage'),"
        " has_table_privilege('modelpack_owner', 'shop.purchase', 'select'), has_table_privilege('modelpack_owner', 'shop.customer', 'update')"
    )
    assert row(session, rights) == (False, False, False)
    migrate(engine, modelpack.CreateScoring(first), modelpack.CreateScoring(second))
    assert row(session, rights) == (True, True, True)
    migrate(engine, modelpack.DropScoring(first))
    assert row(session, rights) == (True, True, False)
    session.execute("insert into shop.purchase (customer_id) values (1)")
    assert wrong(session, "shop.account") == []
    migrate(engine, modelpack.DropScoring(second))
    assert row(session, rights) == (False, False, False)


def test_replace_adds_drops_and_alters_features_in_place(engine: Engine, session: Session) -> None:
    old = declare(
        BOUGHT, Event("visit", at="at", features={"visits": count(), "page": last("page"), "heat": decayed(half_life="1 day")})
    )  # fmt: skip
    new = declare(
        Event(
            "purchase",
            at="at",
            where="amount > 3",
            features={
                "n": count(where="amount > 10"),      # another condition
                "spend": mean("amount"),              # another kind, another type
                "dearest": minimum("sku"),            # another column, another type
                "n_30d": count(window="30 days"),     # added
                "skus": distinct("sku"),              # added
            },
        ),
        Event("visit", at="at", features={"visits": count(), "page": last("page"), "heat": decayed(half_life="2 days")}),
    )  # fmt: skip
    migrate(engine, modelpack.CreateScoring(old))
    replace = modelpack.ReplaceScoring(old, new)
    migrate(engine, replace)
    assert wrong(session) == []
    assert "n_7d" not in columns(session)
    assert row(session, "select n, spend, dearest, skus from customer where customer_id = 1") == (
        7,
        21,
        "s0",
        3,
    )
    session.execute("insert into purchase values (1, now(), 100, 'z'), (9, now(), 100, 'z')")
    session.execute("delete from purchase where amount = 13")
    session.execute("insert into visit values (1), (8)")
    assert wrong(session) == []
    migrate(engine, replace.reverse())
    assert wrong(session) == []
    assert value(session, "select sum(n) from customer") == 41
    assert "n_30d" not in columns(session)
    migrate(engine, modelpack.DropScoring(old))
    assert columns(session) == ["customer_id", "plan"]


def test_replace_takes_event_tables_in_and_out(engine: Engine, session: Session) -> None:
    visited = Event("visit", at="at", features={"visits": count()})
    migrate(engine, modelpack.CreateScoring(declare(BOUGHT)))
    migrate(engine, modelpack.ReplaceScoring(declare(BOUGHT), declare(visited)))
    assert rows(session, "select customer_id, visits from customer order by 1") == [(n, 4) for n in range(5)]
    session.execute("insert into purchase values (77)")
    session.execute("insert into visit values (78)")
    assert value(session, "select count(*) from customer where customer_id in (77, 78)") == 1
    assert wrong(session) == []


def test_replace_keeps_what_features_alone_remember(engine: Engine, session: Session) -> None:
    def kept(**more: Any) -> Profile:
        features = {"n": count(), "spend": total("amount"), "n_7d": count(window="7 days")} | more
        return declare(Event("purchase", at="at", features=features, on_delete="keep"))

    migrate(engine, modelpack.CreateScoring(kept()))
    session.execute("delete from purchase where at < now() - interval '20 days'")
    migrate(engine, modelpack.ReplaceScoring(kept(), kept(basket=mean("amount"), dearest=maximum("amount"))))
    assert row(session, "select sum(n), sum(spend), max(dearest) from customer") == (40, 820, 19)
    session.execute("insert into purchase values (1, now(), 1000, 'a')")
    assert row(session, "select sum(n), sum(spend), max(dearest) from customer") == (41, 1820, 1000)
    assert wrong(session) == []
    with pytest.raises(DeclarationError, match="n of purchase outlives its events"):
        migrate(
            engine,
            modelpack.ReplaceScoring(
                kept(basket=mean("amount"), dearest=maximum("amount")), kept(n=count(where="amount > 1"))
            ),
        )
    assert value(session, "select sum(n) from customer") == 41


def test_replace_counts_new_features_alike_in_every_session(engine: Engine, session: Session) -> None:
    session.execute("create table click (customer_id bigint, at timestamp, seconds double precision)")
    session.execute("insert into click values (1, now() at time zone 'UTC', 0.1::float8 + 0.2::float8)")
    old = declare(Event("click", at="at", on_delete="keep", features={"clicks": count()}))
    both = {"clicks": count(), "heat": decayed(half_life="1 hour"), "seconds": total("seconds")}
    migrate(engine, modelpack.CreateScoring(old))
    with engine.begin() as connection:
        connection.exec_driver_sql("set timezone = 'Asia/Tokyo'")
        connection.exec_driver_sql("set extra_float_digits = -5")
        op = Operations(MigrationContext.configure(connection))
        op.invoke(
            modelpack.ReplaceScoring(old, declare(Event("click", at="at", on_delete="keep", features=both)))
        )
    heat, seconds = row(session, "select heat, seconds::text from customer where customer_id = 1")
    assert heat == pytest.approx(1, abs=0.05)
    assert seconds == "0.30000000000000004"


def test_replace_changes_scores_and_scores_every_row_anew(engine: Engine, session: Session) -> None:
    publish(session, "churn", ["n"], [0.25])
    publish(session, "fraud", ["spend", "gold"], [0.001, 1.0])
    old = declare(BOUGHT, scores=(Score("churn"),))
    gold = {"gold": "case when plan = 'gold' then 1 else 0 end"}
    new = declare(BOUGHT, scores=(Score("churn", inputs={"n": "n_7d"}), Score("fraud", inputs=gold)))
    migrate(engine, modelpack.CreateScoring(old))
    assert value(session, "select churn from customer where customer_id = 1") == pytest.approx(
        linear_score([0.25], 0, [10]), abs=1e-6
    )
    migrate(engine, modelpack.ReplaceScoring(old, new))
    for plan, n_7d, spend, churn, fraud in rows(
        session, "select plan, n_7d, spend::float8, churn, fraud from customer"
    ):
        assert churn == pytest.approx(linear_score([0.25], 0, [n_7d]), abs=1e-6)
        assert fraud == pytest.approx(linear_score([0.001, 1.0], 0, [spend, plan == "gold"]), abs=1e-6)
    migrate(engine, modelpack.ReplaceScoring(new, old))
    assert "fraud" not in columns(session)
    assert value(session, "select churn from customer where customer_id = 1") == pytest.approx(
        linear_score([0.25], 0, [10]), abs=1e-6
    )


def test_replace_keeps_what_is_declared_for_a_score_that_cannot_be_had(
    engine: Engine, session: Session
) -> None:
    scores = (Score("churn", inputs={"visits": "1 / (visits - 5)"}, on_error="raise"),)
    old = declare(Event("visit", features={"visits": count()}), scores=scores)
    publish(session, "churn", ["visits"], [0.25])
    migrate(engine, modelpack.CreateScoring(old))
    more = Event("visit", features={"visits": count(), "pages": distinct("page")})
    migrate(engine, modelpack.ReplaceScoring(old, declare(more, scores=scores)))
    with pytest.raises(psycopg.Error, match="division by zero"):
        session.execute("insert into visit values (1)")


def test_replace_refuses_another_declaration_than_the_one_in_force(engine: Engine, session: Session) -> None:
    other = declare(Event("purchase", at="at", features={"n": count()}))
    for operations in (
        [modelpack.ReplaceScoring(other, declare(BOUGHT))],
        [modelpack.CreateScoring(declare(BOUGHT)), modelpack.ReplaceScoring(other, declare(BOUGHT))],
    ):
        with pytest.raises(Exception, match="does not have the declaration that is to be replaced"):
            migrate(engine, *operations)
        assert columns(session) == ["customer_id", "plan"]
    with pytest.raises(DeclarationError, match=r"use op\.drop_scoring"):
        migrate(
            engine,
            modelpack.ReplaceScoring(other, Profile("visit", key="customer_id", events=[BOUGHT])),
        )


def test_the_script_of_sql_mode_does_the_same(session: Session) -> None:
    old, new = (
        declare(BOUGHT),
        declare(
            Event("purchase", at="at", features={"n": count(where="sku <> 's1'"), "skus": distinct("sku")})
        ),
    )
    session.execute(as_script(modelpack.CreateScoring(old), modelpack.ReplaceScoring(old, new)))
    assert wrong(session) == []
    assert value(session, "select sum(skus) from customer") == 12
    session.execute(as_script(modelpack.ReplaceScoring(new, old), modelpack.DropScoring(old)))
    assert columns(session) == ["customer_id", "plan"]


def test_apply_replaces_a_changed_declaration_in_place(engine: Engine, session: Session) -> None:
    keeping = declare(Event("purchase", at="at", features={"n": count()}, on_delete="keep"))
    more = declare(
        Event("purchase", at="at", features={"n": count(), "spend": total("amount")}, on_delete="keep")
    )
    for profile, changed in ((keeping, True), (keeping, False), (more, True)):
        with engine.begin() as connection:
            assert modelpack.apply(connection, profile) is changed
        session.execute("delete from purchase")
    assert value(session, "select sum(n) from customer") == 40


@pytest.mark.parametrize("change", ["attach", "replace"])
def test_no_event_slips_through_while_tables_are_written_to(
    engine: Engine, database: str, session: Session, change: str
) -> None:
    session.execute("truncate purchase")
    old = declare(Event("purchase", at="at", features={"n": count()}))
    if change == "replace":
        migrate(engine, modelpack.CreateScoring(old))
    stop, started = threading.Event(), threading.Barrier(4)
    written = [0, 0, 0]

    def write(worker: int) -> None:
        with psycopg.connect(database, autocommit=True) as writer:
            started.wait(10)
            while not stop.is_set():
                with contextlib.suppress(psycopg.errors.DeadlockDetected), writer.transaction():
                    writer.execute(
                        "insert into purchase (customer_id, amount) values (%s, 1)", [written[worker] % 7]
                    )
                    writer.execute(
                        "insert into purchase (customer_id, amount) values (%s, 2), (8, 3)", [worker]
                    )
                    written[worker] += 1

    writers = [threading.Thread(target=write, args=[n]) for n in range(3)]
    for writer in writers:
        writer.start()
    try:
        started.wait(10)
        while min(written) < 5:
            assert all(w.is_alive() for w in writers)
            stop.wait(0.01)
        migrate(
            engine,
            modelpack.CreateScoring(declare(BOUGHT))
            if change == "attach"
            else modelpack.ReplaceScoring(old, declare(BOUGHT)),
        )
        after = [n + 5 for n in written]
        while any(n < a for n, a in zip(written, after, strict=True)):
            assert all(w.is_alive() for w in writers)
            stop.wait(0.01)
    finally:
        stop.set()
        for writer in writers:
            writer.join(10)
    assert value(session, "select sum(n) from customer") == 3 * sum(written)
    assert wrong(session) == []


BUYS = {
    "purchase": "insert into purchase (customer_id, amount) values (1, 100)",
    "customer": "insert into purchase (customer_id, amount) values (1, 100)",
    "visit": "insert into purchase (customer_id, amount) select customer_id, 100 from visit limit 1",
}


@pytest.mark.parametrize("change", ["attach", "replace", "detach"])
@pytest.mark.parametrize("first", BUYS)
def test_a_change_of_a_declaration_and_a_transaction_that_holds_one_table_and_wants_another(
    engine: Engine, database: str, session: Session, change: str, first: str
) -> None:
    """Whatever the application has read before it writes an event: neither the one nor the other is a deadlock."""
    old = declare(
        Event("purchase", at="at", features={"n": count()}), Event("visit", features={"visits": count()})
    )
    new = declare(BOUGHT, Event("visit", features={"visits": count()}))
    session.execute("delete from visit where customer_id <> 1")
    if change != "attach":
        migrate(engine, modelpack.CreateScoring(old))
    changes = {
        "attach": modelpack.CreateScoring(new), "replace": modelpack.ReplaceScoring(old, new), "detach": modelpack.DropScoring(old)
    }  # fmt: skip
    with psycopg.connect(database) as application, ThreadPoolExecutor(1) as beside:
        application.execute(f"lock table {first} in access share mode")
        changing = beside.submit(migrate, engine, changes[change])
        while not value(
            session,
            "select exists (select from pg_stat_activity as a where %s = any (pg_blocking_pids(a.pid)))",
            application.info.backend_pid,
        ):
            if changing.done():  # attaching lets everybody read events
                assert (change, first) in [("attach", "purchase"), ("attach", "visit")]
                break
        application.execute(BUYS[first])
        application.commit()
        changing.result(20)
    assert value(session, "select count(*) from purchase where customer_id = 1") == 11
    if change != "detach":
        assert row(session, "select n, dearest from customer where customer_id = 1") == (11, 100)
        assert wrong(session) == []


def test_a_change_of_a_declaration_waits_no_longer_for_its_locks_than_it_may(
    engine: Engine, database: str, session: Session
) -> None:
    with psycopg.connect(database) as application, engine.connect() as connection:
        application.execute("select * from customer")
        connection.exec_driver_sql("set lock_timeout = '300ms'")
        op = Operations(MigrationContext.configure(connection))
        with pytest.raises(
            OperationalError,
            match=f"purchase, public.customer cannot be locked.*\\n.*process {application.info.backend_pid} \\(",
        ):
            op.invoke(modelpack.CreateScoring(declare(BOUGHT)))
    migrate(engine, modelpack.CreateScoring(declare(BOUGHT)))
    assert wrong(session) == []


def test_attach_refuses_a_transaction_whose_snapshot_is_older_than_its_locks(
    engine: Engine, session: Session
) -> None:
    with (
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
        connection.begin(),
    ):
        op = Operations(MigrationContext.configure(connection))
        with pytest.raises(Exception, match="repeatable read"):
            op.invoke(modelpack.CreateScoring(declare(BOUGHT)))
    assert columns(session) == ["customer_id", "plan"]


@contextlib.contextmanager
def in_the_background(work: Callable[[], Any]) -> Iterator[Future[Any]]:
    """Begin it in another thread."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


def wait_for_a_lock(watcher: Session, future: Future[Any]) -> None:
    """Until another session of the database waits for a lock."""
    waits = "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')"
    while not value(watcher, waits):
        assert not future.done(), future.exception()


@pytest.mark.parametrize("same", [True, False], ids=["the same", "another on the same event table"])
def test_of_two_that_apply_at_once_the_second_waits_and_says_what_is_true(
    engine: Engine, session: Session, same: bool
) -> None:
    first = declare(BOUGHT)
    session.execute("create table household (customer_id bigint primary key)")
    other = Profile(
        "household", key="customer_id", events=[Event("purchase", at="at", features={"m": count()})]
    )
    second = first if same else other

    def apply() -> bool:
        with engine.begin() as connection:
            return modelpack.apply(connection, second)

    with engine.connect() as holder, holder.begin() as transaction:
        assert modelpack.apply(holder, first)
        with in_the_background(apply) as done:
            wait_for_a_lock(session, done)
            transaction.commit()
            assert done.result(60) is not same
    session.execute("insert into purchase (customer_id, amount) values (1, 100)")
    assert wrong(session) == []
    assert same or wrong(session, "household") == []


def test_one_that_applies_and_one_that_removes_at_once(engine: Engine, session: Session) -> None:
    profile = declare(BOUGHT)
    with engine.begin() as connection:
        modelpack.apply(connection, profile)

    def apply() -> bool:
        with engine.begin() as connection:
            return modelpack.apply(connection, profile)

    with engine.connect() as holder, holder.begin() as transaction:
        modelpack.remove(holder, profile)
        with in_the_background(apply) as done:
            wait_for_a_lock(session, done)
            transaction.commit()
            assert done.result(60) is True
    session.execute("insert into purchase (customer_id, amount) values (1, 100)")
    assert wrong(session) == []


PREPARED = {
    "read all": "select * from customer where customer_id = 1",
    "change and read all": "update customer set plan = 'x' where customer_id = 1 returning *",
    "read": "select plan from customer where customer_id = 1",
    "change": "update customer set plan = 'y' where customer_id = 1",
    "insert": "insert into purchase (customer_id, amount) values (1, 1)",
}


def prepare(pooled: Session) -> None:
    """As a driver does for what is run several times."""
    for name, statement in PREPARED.items():
        pooled.execute(f'prepare "{name}" as {statement}')


def refused(pooled: Session) -> set[str]:
    """Which of the statements that the session has prepared do not run any more."""
    found = set()
    for name in PREPARED:
        try:
            pooled.execute(f'execute "{name}"')
        except psycopg.errors.FeatureNotSupported:
            found.add(name)
    return found


def test_what_an_open_pool_has_prepared_goes_on_but_for_the_star_after_new_columns(
    engine: Engine, session: Session, database: str
) -> None:
    star = {"read all", "change and read all"}
    old = declare(BOUGHT, scores=(Score("churn"),))
    new = declare(BOUGHT, Event("visit", features={"looks": count()}), scores=(Score("churn"),))
    with psycopg.connect(database, autocommit=True) as pooled:
        prepare(pooled)
        assert refused(pooled) == set()
        migrate(engine, modelpack.CreateScoring(old))
        assert refused(pooled) == star
        pooled.execute("deallocate all")
        prepare(pooled)
        assert refused(pooled) == set()
        publish(session, "churn", ["spend"], [0.1])
        publish(session, "churn", ["spend"], [0.2])
        session.execute("select modelpack.rollback('churn')")
        session.execute("select modelpack.disable('churn', 'a test'), modelpack.enable('churn')")
        session.execute("select count(*) from modelpack.maintain()")
        with engine.begin() as connection:
            modelpack.apply(connection, old)
        assert refused(pooled) == set()
        migrate(engine, modelpack.ReplaceScoring(old, new))
        assert refused(pooled) == star
    assert wrong(session) == []
