"""What one event costs, counted and not timed: row versions, heap-only updates, records of WAL, statements."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from shop import EVERYTHING, TABLES

from modelpack import Event, Profile, Score, age
from tests.support import attach, publish, value

pytest.importorskip("benchmarks", reason="the benchmarks are not there (an installed wheel)")

from benchmarks import figures
from benchmarks.figures import RowVersions
from benchmarks.ground import Ground
from benchmarks.models import FEATURES

ONE = "insert into shop.event (customer_id, amount) values (1, 10)"
MANY = (
    "insert into shop.event (customer_id, amount) select 1 + i % 100, 10 from generate_series(1, 1000) as i"
)


@pytest.fixture
def ground(database: str) -> Iterator[Ground]:
    """A hundred customers with eight counters, a linear score and the log, once warm."""
    ground = Ground(database, customers=100)
    publish(ground.connection, "bench", list(FEATURES), [0.1] * len(FEATURES), engine="onnx")
    ground.tables("shop")
    ground.declare("shop", model="bench")
    ground.run(ONE)
    # its pages are counted as those of a statement are
    tables = "relkind = 'r' and (relnamespace = 'shop'::regnamespace or oid in (select relid from pg_partition_tree('modelpack.prediction')))"
    for name in ground.value(f"select array_agg(oid::regclass::text) from pg_class where {tables}"):
        ground.run(f"alter table {name} set (autovacuum_enabled = off)")
    yield ground
    ground.close()


def test_one_event_writes_one_row_version_and_no_index_learns_of_it(ground: Ground) -> None:
    assert figures.row_versions(ground.connection, ONE, "shop.customer") == RowVersions(0, 1, 1)


def test_a_statement_writes_each_touched_profile_once_however_many_events_it_brings(ground: Ground) -> None:
    assert figures.row_versions(ground.connection, MANY, "shop.customer").updated == 100


def test_every_update_of_a_profile_is_heap_only_while_its_page_has_room(ground: Ground) -> None:
    ground.run("vacuum full shop.customer")  # fillfactor 70: a page has room for a third of its rows
    room = ground.value("select count(*) from shop.customer where (ctid::text::point)[0] = 0") // 4
    statement = MANY.replace("1 + i % 100", f"1 + i % {room}")
    assert figures.row_versions(ground.connection, statement, "shop.customer") == RowVersions(0, room, room)


def test_one_event_writes_ahead_three_rows_and_no_index_of_the_log(ground: Ground) -> None:
    ground.run(
        "vacuum shop.customer"
    )  # or else whoever comes first may tidy the page up, which is written ahead, too
    found = figures.least_wal(ground.connection, ONE)
    if found is None:
        pytest.skip("pg_walinspect comes with PostgreSQL 15")
    indexes = ground.value("select count(*) from pg_index where indrelid = 'shop.event'::regclass")
    assert found.records == {
        "Heap INSERT": 2,  # the event, the log
        "Heap LOCK": 1,  # a BEFORE trigger locks the profile row first
        "Heap HOT_UPDATE": 1,
        "Btree INSERT_LEAF": indexes,  # of the event; that of the log is for VACUUM to write
        "Transaction COMMIT": 1,
    }
    sizes = ground.value(
        "select (select pg_column_size(e) from shop.event as e order by at desc limit 1) "
        "+ (select pg_column_size(p) from shop.customer as p where customer_id = 1) "
        "+ (select pg_column_size(l) from modelpack.prediction as l order by prediction_id desc limit 1)"
    )
    # a record has a header of 24 bytes and some 40 for the block that it changes; an index entry has the key alone
    assert found.bytes <= sizes + 64 * sum(found.records.values())


def test_an_event_costs_as_many_statements_however_many_there_are(ground: Ground) -> None:
    one, many = (figures.statements(ground.connection, statement) for statement in (ONE, MANY))
    if one is None or many is None:
        pytest.skip("auto_explain cannot be loaded")
    assert one[-1] == ONE
    updates = [s for s in one if s.startswith("update shop.customer")]
    logs = [s for s in one if s.startswith("insert into modelpack.prediction")]
    assert (len(updates), len(logs)) == (1, 1)
    # many profiles are scored, written and logged by one statement
    together = [s for s in many if s.startswith("with chosen as materialized")]
    alone = [s for s in many if s.startswith("update shop.customer")]
    logs = [s for s in many if s.startswith("insert into modelpack.prediction")]
    assert (len(together), len(alone), len(logs)) == (1, 0, 1)


def test_one_event_looks_at_as_many_pages_with_a_hundred_times_the_events(ground: Ground) -> None:
    tables = ["shop.event", "shop.customer"]
    few = figures.buffers(ground.connection, ONE, tables, 20)
    if few is None:
        pytest.skip("statistics are flushed at once from PostgreSQL 15 on")
    for _ in range(10):
        ground.run(MANY)
    ground.run("vacuum shop.customer")
    many = figures.buffers(ground.connection, ONE, tables, 20)
    assert many is not None
    assert many < few * 1.5


def test_a_session_that_scores_has_one_thread_more_than_others_the_watchdog(ground: Ground) -> None:
    pid = ground.value("select pg_backend_pid()")
    threads = Path(f"/proc/{pid}/task")
    if not sys.platform.startswith("linux") or not threads.is_dir():
        pytest.skip("the server's processes cannot be seen from here")
    assert len(list(threads.iterdir())) == 2


FIRST = {
    "an event": "insert into purchase (customer_id, amount, sku) values (1, 10, 'a')",
    "an event of a customer without a profile": "insert into purchase (customer_id, amount) values (7, 10)",
    "a few events": "insert into purchase (customer_id, amount) select i % 4, 10 from generate_series(1, 20) as i",
    "a changed event": "update purchase set amount = 11 where customer_id = 1",
    "a deleted event": "delete from purchase where customer_id = 1",
    "a changed input": "update customer set visits = 3 where customer_id = 1",
    "a new profile": "insert into customer (customer_id) values (9)",
    "no event left": "truncate purchase",
}


AN_EVENT = FIRST["an event"]
WITHOUT_SCORE = {
    "a version that cannot be loaded": "delete from modelpack.inspection",
    "wheels that are missing": (
        "create or replace function modelpack.server_wheels() returns text language sql immutable "
        "as $$ select '/nowhere'::text $$"
    ),
}


@pytest.mark.parametrize("first", [*FIRST, *WITHOUT_SCORE])
def test_nothing_is_compiled_for_what_comes_first_in_a_session(
    database: str, psql: psycopg.Connection[tuple[object, ...]], first: str
) -> None:
    # settings that make an index the only good way make all else look costly, which calls for a compiler of 300 ms
    psql.execute(TABLES + "alter table customer add visits integer;")
    inputs = {"x": "n_30d", "since": age("last_at"), "visits": "visits"}
    attach(
        database,
        Profile(
            "customer",
            key="customer_id",
            events=[Event("purchase", at="at", features=EVERYTHING)],
            scores=[Score("churn", inputs=inputs)],
        ),
    )
    publish(psql, "churn", list(inputs), [0.1, 0.2, 0.3], engine="onnx")
    psql.execute("insert into purchase (customer_id, amount, sku) values (1, 5, 'b'), (2, 5, 'b')")
    if first in WITHOUT_SCORE:
        psql.execute(WITHOUT_SCORE[first])
    assert value(psql, "show jit") == "on"
    with psycopg.connect(database, autocommit=True) as session:
        if not value(session, "select pg_jit_available()"):
            pytest.skip("this server has no compiler")
        found = figures.plans(session, FIRST.get(first, AN_EVENT))
    if found is None:
        pytest.skip("auto_explain cannot be loaded")
    assert any("modelpack.version" in query for query, _ in found), "no version was looked up"
    recorded = any("insert into modelpack.failure_log" in query for query, _ in found)
    assert recorded == (first in WITHOUT_SCORE)
    assert [query for query, plan in found if "\nJIT:" in plan] == []
