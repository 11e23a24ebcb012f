"""Scripted interleavings of sessions. Nobody sleeps: a step waits until the server says who waits for whom."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

from modelpack import Event, Profile, Score, count, decayed, distinct, last, maximum, total
from tests.support import attach, publish, row, rows, value, wrong

DEADLINE = 20.0  # seconds until a step that does not come is a failure

TABLES = """
create table customer (customer_id bigint primary key, plan text);
create table purchase (customer_id bigint, at timestamptz default clock_timestamp(), amount numeric, sku text);
create table visit (customer_id bigint, at timestamptz default clock_timestamp());
"""
FEATURES = {
    "n": count(), "spend": total("amount"), "n_1d": count(window="1 day"), "dearest": maximum("amount"), "last_sku": last("sku"),
    "skus": distinct("sku"), "heat": decayed(half_life="7 days"),
}  # fmt: skip
BUY = "insert into purchase (customer_id, amount, sku) values "


class Person:
    """A session whose statements run beside the test, so that they may wait for a lock."""

    def __init__(self, dsn: str, level: IsolationLevel) -> None:
        self.session: psycopg.Connection[Any] = psycopg.connect(dsn)
        self.session.isolation_level = level
        self.session.execute("set deadlock_timeout = '100ms'")
        self.session.commit()
        self.pid = self.session.info.backend_pid
        self.thread = ThreadPoolExecutor(1)

    def start(self, statement: str) -> Future[Any]:
        """Begin a statement; its result or error is in the future."""
        return self.thread.submit(self.session.execute, statement)

    def run(self, statement: str) -> Any:
        return self.start(statement).result(DEADLINE)

    def commit(self) -> None:
        self.thread.submit(self.session.commit).result(DEADLINE)

    def rollback(self) -> None:
        self.thread.submit(self.session.rollback).result(DEADLINE)

    def close(self) -> None:
        self.session.cancel()
        self.thread.shutdown()
        self.session.close()


class Stage:
    """The sessions of a test, and one that watches them."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.people: list[Person] = []
        self.watcher = psycopg.connect(dsn, autocommit=True)

    def person(self, level: IsolationLevel = IsolationLevel.READ_COMMITTED) -> Person:
        self.people.append(Person(self.dsn, level))
        return self.people[-1]

    def until_waiting(self, waiting: Person, holder: Person, future: Future[Any]) -> None:
        """Return when one session waits for a lock of the other."""
        limit = time.monotonic() + DEADLINE
        while holder.pid not in value(self.watcher, "select pg_blocking_pids(%s)", waiting.pid):
            if future.done():
                pytest.fail(f"was to wait, and gave {future.exception() or 'its result'}")
            assert time.monotonic() < limit

    def check(self) -> None:
        assert wrong(self.watcher) == []

    def profiles(self, columns: str = "customer_id, n, spend") -> list[tuple[Any, ...]]:
        return rows(self.watcher, f"select {columns} from customer order by customer_id")


@pytest.fixture
def stage(database: str) -> Iterator[Callable[..., Stage]]:
    made: list[Stage] = []

    def make(
        missing: Any = "create",
        before: str = "",
        scores: tuple[Score, ...] = (),
        visit: Any = None,
        key: str = "bigint",
    ) -> Stage:
        stage = Stage(database)
        made.append(stage)
        stage.watcher.execute(TABLES.replace("customer_id bigint", f"customer_id {key}") + before)
        attach(
            database,
            Profile(
                "customer",
                key="customer_id",
                events=[
                    Event("purchase", at="at", features=FEATURES, missing=missing),
                    Event("visit", at="at", features={"visits": count()}, missing=visit or missing),
                ],
                scores=scores,
            ),
        )
        return stage

    yield make
    for stage in made:
        for person in stage.people:
            person.close()
        stage.watcher.close()


LEVELS = [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE]
KNOWN = "insert into customer values (1), (2), (3);"


@pytest.mark.parametrize("rows_", ["(1, 5, 'b')", "(1, 5, 'b'), (1, 6, 'c'), (2, 1, 'd')"])
@pytest.mark.parametrize("before", ["", KNOWN])
@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_no_update_is_lost_when_two_sessions_count_for_one_customer(
    stage: Callable[..., Stage], rows_: str, before: str, ends: str
) -> None:
    """Also where the customer is new to both."""
    s = stage(before=before)
    a, b = s.person(), s.person()
    a.run(BUY + "(1, 10, 'a')")
    waiting = b.start(BUY + rows_)
    s.until_waiting(b, a, waiting)
    a.commit() if ends == "commit" else a.rollback()
    waiting.result(DEADLINE)
    b.commit()
    n = rows_.count("(1") + (ends == "commit")
    assert row(s.watcher, "select n, n_1d from customer where customer_id = 1") == (n, n)
    s.check()


def test_two_sessions_bring_events_of_two_tables_for_one_new_customer(stage: Callable[..., Stage]) -> None:
    s = stage()
    a, b = s.person(), s.person()
    a.run("insert into visit values (1)")
    waiting = b.start(f"with v as (insert into visit values (1), (1)) {BUY} (1, 5, 'a')")
    s.until_waiting(b, a, waiting)
    a.commit()
    waiting.result(DEADLINE)
    b.commit()
    assert s.profiles("n, visits") == [(1, 3)]
    s.check()


def test_the_application_makes_a_profile_while_its_first_event_is_on_its_way(
    stage: Callable[..., Stage],
) -> None:
    s = stage()
    a, b = s.person(), s.person()
    a.run("insert into customer (customer_id) values (1)")
    waiting = b.start(BUY + "(1, 5, 'a'), (2, 6, 'b')")
    s.until_waiting(b, a, waiting)
    a.commit()
    waiting.result(DEADLINE)
    b.commit()
    assert s.profiles() == [(1, 1, 5), (2, 1, 6)]
    s.check()


@pytest.mark.parametrize("first", ["profile", "event"])
def test_ignored_events_and_a_profile_that_comes_at_the_same_time(
    stage: Callable[..., Stage], first: str
) -> None:
    s = stage(missing="ignore")
    a, b = s.person(), s.person()
    steps = ["insert into customer (customer_id) values (1)", BUY + "(1, 5, 'a'), (2, 6, 'b')"]
    a.run(steps[first == "event"])
    waiting = b.start(steps[first != "event"])
    s.until_waiting(b, a, waiting)
    a.commit()
    waiting.result(DEADLINE)
    b.commit()
    assert s.profiles() == [(1, 1, 5)]
    s.check()


@pytest.mark.parametrize("first", ["profile", "event"])
@pytest.mark.parametrize(("key", "texts"), [("numeric", ("1", "1.00")), ("double precision", ("0", "'-0'"))])
def test_ignored_events_and_a_profile_that_comes_at_the_same_time_by_another_text_of_its_key(
    stage: Callable[..., Stage], first: str, key: str, texts: tuple[str, str]
) -> None:
    s = stage(missing="ignore", key=key)
    a, b = s.person(), s.person()
    steps = [f"insert into customer (customer_id) values ({texts[0]})", BUY + f"({texts[1]}, 5, 'a')"]
    a.run(steps[first == "event"])
    waiting = b.start(steps[first != "event"])
    s.until_waiting(b, a, waiting)
    a.commit()
    waiting.result(DEADLINE)
    b.commit()
    assert s.profiles("n, spend") == [(1, 5)]
    s.check()


@pytest.mark.parametrize("missing", ["create", "ignore"])
def test_texts_of_one_key_that_sort_differently_make_no_deadlock(
    stage: Callable[..., Stage], missing: str
) -> None:
    """'-0' is before '-1' as a text, '0' after it, and both are 0."""
    s = stage(missing=missing, key="double precision")
    one, other, third = s.person(), s.person(), s.person()
    third.run("insert into customer (customer_id) values (-1)")
    a = one.start(BUY + "('-0', 1, 'a'), (-1, 1, 'a'), (5, 1, 'a')")
    s.until_waiting(one, third, a)
    b = other.start(BUY + "(0, 2, 'a'), (-1, 2, 'a')")
    s.until_waiting(other, third, b)  # had the one met its 0 first, this one would wait for it instead
    third.rollback()
    statements = {a: one, b: other}
    for statement in as_completed(
        statements, DEADLINE
    ):  # in either order; the second waits for the first's commit
        statement.result()
        statements[statement].commit()
    assert s.profiles("customer_id, n, spend") == (
        [] if missing == "ignore" else [(-1, 2, 3), (0, 2, 3), (5, 1, 1)]
    )
    s.check()


def test_ignored_events_of_many_sessions_do_not_wait_for_one_another(stage: Callable[..., Stage]) -> None:
    s = stage(missing="ignore", before=KNOWN)
    a, b = s.person(), s.person()
    a.run(BUY + "(7, 5, 'a')")
    b.run(BUY + "(8, 5, 'a'), (9, 5, 'a'), (1, 5, 'a')")
    b.run("insert into customer (customer_id) values (10)")
    b.commit()
    a.commit()
    s.check()


def test_ignored_events_and_events_that_make_profiles_never_deadlock(stage: Callable[..., Stage]) -> None:
    """Both statements go by the order of the key's type."""
    s = stage(missing="ignore", visit="create")
    application, ignoring, making = s.person(), s.person(), s.person()
    application.run("insert into customer (customer_id) values (9)")
    ignored = ignoring.start(BUY + "(10, 1, 'a'), (9, 1, 'a'), (5, 1, 'a')")
    s.until_waiting(ignoring, application, ignored)
    made = making.start("insert into visit (customer_id) values (10), (5)")
    s.until_waiting(making, ignoring, made)
    application.rollback()
    ignored.result(DEADLINE)
    ignoring.commit()
    made.result(DEADLINE)
    making.commit()
    assert s.profiles("customer_id, n, visits") == [(5, 1, 1), (10, 1, 1)]
    s.check()


@pytest.mark.parametrize("level", LEVELS)
def test_ignored_events_and_a_profile_of_an_older_snapshot(
    stage: Callable[..., Stage], level: IsolationLevel
) -> None:
    s = stage(missing="ignore")
    a, b = s.person(level), s.person(level)
    a.run("select 1 from visit")
    b.run(BUY + "(1, 5, 'a')")
    b.commit()

    def introduce() -> None:
        a.run("insert into customer (customer_id) values (1)")
        a.commit()

    with pytest.raises(psycopg.errors.SerializationFailure):
        introduce()
    a.rollback()
    introduce()
    assert s.profiles() == [(1, 1, 5)]
    s.check()


GOES = {
    "deleted": "delete from purchase where amount = 10",
    "moved": "update purchase set customer_id = 2 where amount = 10",
    "swapped": "update purchase set customer_id = case customer_id when 1 then 4 else 1 end",
}
"""What takes an event of a customer without a profile."""

COMES = {
    "event": BUY + "(1, 30, 'c')",
    "profile": "insert into customer (customer_id) values (1) on conflict do nothing",
}
LEFT = BUY + "(1, 10, 'a'), (1, 20, 'b'), (4, 1, 'd'); delete from customer where customer_id in (1, 4)"


@pytest.mark.parametrize(
    ("goes", "comes", "first"),
    [
        ("deleted", "event", "goes"), ("deleted", "event", "comes"), ("deleted", "profile", "goes"),
        ("moved", "profile", "comes"), ("moved", "event", "goes"), ("swapped", "event", "comes"),
    ],
)  # fmt: skip
def test_an_event_goes_while_the_profile_that_its_customer_lacks_is_made(
    stage: Callable[..., Stage], goes: str, comes: str, first: str
) -> None:
    s = stage(before=KNOWN)
    s.watcher.execute(LEFT)
    a, b = s.person(), s.person()
    steps = {"goes": GOES[goes], "comes": COMES[comes]}
    a.run(steps.pop(first))
    waiting = b.start(*steps.values())
    s.until_waiting(b, a, waiting)
    a.commit()
    waiting.result(DEADLINE)
    b.commit()
    assert s.profiles("n")[0] == (value(s.watcher, "select count(*) from purchase where customer_id = 1"),)
    s.check()


def test_an_event_goes_while_the_profile_is_made_that_it_may_name(stage: Callable[..., Stage]) -> None:
    s = stage(before=KNOWN, missing="refuse")
    s.watcher.execute(BUY + "(1, 10, 'a'), (1, 20, 'b'); delete from customer where customer_id = 1")
    a, b = s.person(), s.person()
    a.run("delete from purchase where amount = 10")
    waiting = b.start(COMES["profile"])
    s.until_waiting(b, a, waiting)
    a.commit()
    waiting.result(DEADLINE)
    b.commit()
    assert s.profiles()[0] == (1, 1, 20)
    s.check()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("older", ["goes", "comes"])
def test_an_event_that_goes_and_its_profile_where_one_has_an_older_snapshot(
    stage: Callable[..., Stage], level: IsolationLevel, older: str
) -> None:
    s = stage(before=KNOWN)
    s.watcher.execute(LEFT)
    steps = {"goes": "delete from purchase where amount = 10", "comes": COMES["profile"]}
    a, b = s.person(level), s.person()
    a.run("select 1 from visit")
    late = steps.pop(older)
    b.run(*steps.values())
    b.commit()

    def too_late() -> None:
        a.run(late)
        a.commit()

    with pytest.raises(psycopg.errors.SerializationFailure):
        too_late()
    a.rollback()
    too_late()
    assert s.profiles()[0] == (1, 1, 20)
    s.check()


def test_events_of_new_customers_leave_nothing_where_profiles_are_met(stage: Callable[..., Stage]) -> None:
    s = stage()
    s.watcher.execute(BUY + "(1, 10, 'a'), (1, 20, 'b'), (2, 1, 'c')")
    s.watcher.execute("delete from purchase where customer_id = 1")
    assert value(s.watcher, "select count(*) from modelpack.ignored") == 0


def test_an_update_a_delete_and_an_insert_of_three_sessions(stage: Callable[..., Stage]) -> None:
    s = stage(before=KNOWN)
    s.watcher.execute(BUY + "(1, 10, 'a'), (1, 20, 'b'), (1, 30, 'c')")
    a, b, c = s.person(), s.person(), s.person()
    a.run("update purchase set amount = 5, sku = 'z' where amount = 30")
    two = b.start("delete from purchase where amount = 20")
    s.until_waiting(b, a, two)
    three = c.start("update purchase set customer_id = 2 where amount = 10")
    s.until_waiting(c, b, three)  # in the queue
    a.commit()
    two.result(DEADLINE)
    b.commit()
    three.result(DEADLINE)
    c.commit()
    assert s.profiles("n, spend, dearest, last_sku") == [
        (1, 5, 5, "z"),
        (1, 10, 10, "a"),
        (0, 0, None, None),
    ]
    s.check()


def test_a_window_is_read_after_the_lock_and_sees_what_was_committed_meanwhile(
    stage: Callable[..., Stage],
) -> None:
    s = stage(before=KNOWN)
    a, b = s.person(), s.person()
    a.run(BUY + "(1, 10, 'a'), (1, 11, 'b')")
    waiting = b.start(BUY + "(1, 1, 'c')")
    s.until_waiting(b, a, waiting)
    a.commit()
    waiting.result(DEADLINE)
    b.commit()
    assert s.profiles("n, n_1d, last_sku, skus")[0] == (3, 3, "c", 3)
    s.check()


def test_no_score_is_older_than_its_counters(stage: Callable[..., Stage]) -> None:
    s = stage(before=KNOWN, scores=(Score("risk"),))
    publish(s.watcher, "risk", ["n", "n_1d"], [0.5, 0.25])
    a, b = s.person(), s.person()
    a.run(BUY + "(1, 10, 'a')")
    waiting = b.start(BUY + "(1, 5, 'b')")
    s.until_waiting(b, a, waiting)
    a.commit()
    waiting.result(DEADLINE)
    b.commit()
    score, logged = row(
        s.watcher,
        "select risk, (select array_agg(inputs order by prediction_id) from modelpack.prediction where entity_key = '1') "
        "from customer where customer_id = 1",
    )
    assert logged == [[1, 1], [2, 2]]
    assert score == pytest.approx(
        value(s.watcher, "select modelpack.predict('risk', '{\"n\": 2, \"n_1d\": 2}')")
    )
    s.check()


@pytest.mark.parametrize("before", ["insert into customer select generate_series(1, 300);", ""])
@pytest.mark.parametrize(
    "statement",
    [
        BUY.replace(" values ", " ")
        + "select n, 1, 's' || n from generate_series(1, 300) as n order by {order}",
        "with x as (delete from purchase) "
        + BUY.replace(" values ", " ")
        + "select n, 1, 's' from generate_series(1, 300) as n order by {order}",
        "update purchase set amount = amount + 1, customer_id = 301 - customer_id",
    ],
)
def test_statements_over_many_customers_in_opposite_orders_never_deadlock(
    stage: Callable[..., Stage], statement: str, before: str
) -> None:
    s = stage(before=before)
    s.watcher.execute(BUY.replace(" values ", " ") + "select n, 1, 's' from generate_series(1, 300) as n")
    errors: list[BaseException] = []
    barrier = threading.Barrier(4)

    def work(order: str) -> None:
        try:
            with psycopg.connect(s.dsn, autocommit=True) as session:
                for _ in range(5):
                    barrier.wait(DEADLINE)
                    session.execute(statement.format(order=order))
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=work, args=[o]) for o in ("n", "n desc", "n % 7, n desc", "random()")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    # rows of the event table itself are locked in whatever order the application's statement takes
    if "purchase set" not in statement and "delete" not in statement:
        assert errors == []
    assert all(isinstance(e, (psycopg.errors.DeadlockDetected, threading.BrokenBarrierError)) for e in errors)
    s.check()


LOCKING = {
    "insert": BUY.replace(" values ", " ") + "select customer_id, 1, 's' from customer",
    "insert that reads again": "insert into visit select customer_id from customer",
    "update": "update purchase set amount = 1, sku = 'z'",
    "update of the key": "update purchase set customer_id = 1 + customer_id % 40",
    "delete": "delete from purchase",
    "delete of kept events": "delete from reading",
    "truncate": "truncate purchase",
    "truncate of kept events": "truncate reading",
    "rescore": "select modelpack.chunk('rescore', 'customer', 0, null)",
    "refresh": "select modelpack.chunk('refresh', 'customer', 0, null, older_than => clock_timestamp())",
    "rebuild": "select modelpack.chunk('rebuild', 'customer', 0, null)",
    "rebuild of some": "select modelpack.customer_recount((select array_agg(customer_id::text) from customer))",
}


def test_every_statement_locks_profiles_in_the_order_of_their_keys(database: str) -> None:
    """Who waits for the one in the middle has locked those before it, and none behind it: so there is no circle."""
    s = Stage(database)
    s.watcher.execute(TABLES + "create table reading (like visit including all);")
    s.watcher.execute("insert into customer select (n * 17) % 41 from generate_series(1, 40) as n")
    for table in ("purchase", "visit", "reading"):
        s.watcher.execute(
            f"insert into {table} (customer_id) select (n * 23) % 41 from generate_series(1, 40) as n"
        )
    events = [
        Event("purchase", at="at", features=FEATURES),
        Event("visit", at="at", features={"days": distinct("at")}),
        Event("reading", at="at", features={"readings": count(window="1 day")}, on_delete="keep"),
    ]
    attach(database, Profile("customer", key="customer_id", events=events, scores=[Score("risk")]))
    holder, waiting = s.person(), s.person()
    # an order that is there by chance is none: no sort but where it is asked for, and no index to read keys by
    waiting.run("set enable_sort = off; set enable_indexscan = off; set enable_mergejoin = off")
    waiting.commit()
    try:
        for what, statement in LOCKING.items():
            holder.run("select from customer where customer_id = 20 for update")
            future = waiting.start(statement)
            s.until_waiting(waiting, holder, future)
            free = {
                key for (key,) in rows(s.watcher, "select customer_id from customer for update skip locked")
            }
            assert free == set(range(21, 41)), what
            holder.rollback()
            future.result(DEADLINE)
            waiting.rollback()
        s.check()
    finally:
        for person in s.people:
            person.close()
        s.watcher.close()


def test_statements_that_make_the_same_profiles_never_deadlock(stage: Callable[..., Stage]) -> None:
    """Of two, each finds another part of the profiles there: none may lock what is before it makes the rest."""
    s = stage()
    application, first, second = s.person(), s.person(), s.person()
    application.run("insert into customer (customer_id) values (4)")
    making = first.start(BUY + "(3, 1, 'a'), (4, 1, 'a'), (5, 1, 'a')")
    s.until_waiting(first, application, making)
    s.watcher.execute("insert into customer (customer_id) values (5)")
    waiting = second.start(BUY + "(3, 1, 'b'), (5, 1, 'b')")
    s.until_waiting(second, first, waiting)
    application.rollback()
    making.result(DEADLINE)
    first.commit()
    waiting.result(DEADLINE)
    second.commit()
    assert s.profiles("customer_id, n") == [(3, 2), (4, 1), (5, 2)]
    s.check()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("before", ["", KNOWN])
def test_a_serialization_failure_reaches_the_client_and_a_retry_counts_exactly(
    stage: Callable[..., Stage], level: IsolationLevel, before: str
) -> None:
    s = stage(before=before)
    a, b = s.person(level), s.person(level)
    a.run("select count(*) from purchase")
    b.run("select count(*) from purchase")
    a.run(BUY + "(1, 10, 'a'), (2, 1, 'b')")
    waiting = b.start(BUY + "(1, 5, 'b')")
    s.until_waiting(b, a, waiting)
    a.commit()
    with pytest.raises(psycopg.errors.SerializationFailure) as failure:
        waiting.result(DEADLINE)
    assert failure.value.sqlstate == "40001"
    b.rollback()
    b.run(BUY + "(1, 5, 'b')")
    b.commit()
    assert s.profiles()[:2] == [(1, 2, 15), (2, 1, 1)]
    s.check()


@pytest.mark.parametrize("level", [IsolationLevel.READ_COMMITTED, *LEVELS])
def test_a_deadlock_reaches_the_client_and_a_retry_counts_exactly(
    stage: Callable[..., Stage], level: IsolationLevel
) -> None:
    s = stage(before=KNOWN)
    a, b = s.person(level), s.person(level)
    a.run(BUY + "(1, 10, 'a')")
    b.run(BUY + "(2, 20, 'b')")
    one = a.start(BUY + "(2, 1, 'c')")
    s.until_waiting(a, b, one)
    two = b.start(BUY + "(1, 2, 'd')")
    failed, other, error = None, None, None
    for person, future, rest in ((a, one, b), (b, two, a)):
        caught = None
        try:
            caught = future.exception(5)
        except TimeoutError:
            continue
        if isinstance(caught, psycopg.errors.DeadlockDetected):
            failed, other, error = person, rest, caught
            person.rollback()
    assert failed is not None
    assert other is not None
    assert error is not None
    assert error.sqlstate == "40P01"
    (one if other is a else two).result(DEADLINE)
    other.commit()
    for statement in ("(1, 10, 'a')", "(2, 1, 'c')") if failed is a else ("(2, 20, 'b')", "(1, 2, 'd')"):
        failed.run(BUY + statement)
    failed.commit()
    assert s.profiles()[:2] == [(1, 2, 12), (2, 2, 21)]
    s.check()


@pytest.mark.parametrize("level", [IsolationLevel.READ_COMMITTED, *LEVELS])
def test_many_sessions_on_hot_customers_with_retries(
    stage: Callable[..., Stage], level: IsolationLevel
) -> None:
    s = stage()
    done = [0] * 6
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            with psycopg.connect(s.dsn, autocommit=True) as session:
                session.isolation_level = level
                session.execute("set deadlock_timeout = '20ms'")
                for step in range(12):
                    _retry(session, worker, step)
                    done[worker] += 1
        except BaseException as error:
            failures.append(error)

    def _retry(session: psycopg.Connection[Any], worker: int, step: int) -> None:
        for _ in range(500):
            try:
                with session.transaction():
                    session.execute(BUY + f"({(worker + step) % 3}, {step}, 's{step % 4}')")
                    session.execute(BUY + f"({step % 3}, 1, 'x'), ({worker % 3}, 2, 'y')")
                    if step % 4 == 3:
                        session.execute(
                            "delete from purchase where amount = 1 and customer_id = %s", [step % 3]
                        )
                return
            except psycopg.OperationalError as error:
                if error.sqlstate not in ("40001", "40P01"):
                    raise
        pytest.fail("never came through")

    threads = [threading.Thread(target=work, args=[n]) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    assert done == [12] * 6
    assert value(s.watcher, "select sum(n) from customer") == value(
        s.watcher, "select count(*) from purchase"
    )
    s.check()


def test_upkeep_runs_beside_writers(stage: Callable[..., Stage]) -> None:
    s = stage(before="insert into customer select generate_series(1, 200);")
    stop = threading.Event()
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            with psycopg.connect(s.dsn, autocommit=True) as session:
                for n in itertools.count():
                    if stop.is_set():
                        return
                    session.execute(BUY + f"({(worker * 31 + n * 7) % 250}, {n}, 'a'), ({n % 250}, 1, 'b')")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=[n]) for n in range(2)]
    for thread in threads:
        thread.start()
    with s.watcher.transaction():
        s.watcher.execute("set local session_replication_role = replica")
        s.watcher.execute("update customer set n = n + 1000, dearest = -1 where customer_id % 3 = 0")
    for task in ("rebuild('customer', chunk_blocks => 1)", "refresh('customer', chunk_blocks => 1)",
                 "refresh('customer', interval '0', 1)", "rescore('customer')"):  # fmt: skip
        s.watcher.execute(f"call modelpack.{task}")
    stop.set()
    for thread in threads:
        thread.join(60)
    assert failures == []
    s.check()
