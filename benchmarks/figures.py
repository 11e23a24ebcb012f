"""Figures that do not depend on the machine's mood: row versions, WAL, buffers and statements of an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from benchmarks.ground import Ground

Session = psycopg.Connection[Any]

_ROWS = """
select coalesce(sum(n_tup_ins), 0)::bigint, coalesce(sum(n_tup_upd), 0)::bigint, coalesce(sum(n_tup_hot_upd), 0)::bigint
  from pg_stat_xact_user_tables where relid = %s::regclass
"""
_BUFFERS = """
select coalesce(sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0)), 0)::bigint
  from pg_statio_user_tables where relid = any (%s::regclass[]::oid[]) or relid in (
       select inhrelid from pg_inherits where inhparent = 'modelpack.prediction'::regclass)
"""
_WAL = """
select resource_manager || ' ' || record_type, count(*), sum(record_length - fpi_length)::bigint
  from pg_get_wal_records_info(%s, %s) where xid = %s::xid group by 1
"""


@dataclass(frozen=True)
class RowVersions:
    """Versions of profile rows that a transaction wrote."""

    inserted: int
    updated: int
    hot: int
    """Of the updated ones those that no index had to learn of (heap-only tuples)."""


@dataclass(frozen=True)
class Wal:
    """What a transaction wrote ahead, without full-page images."""

    records: Mapping[str, int]
    """How many records of each kind, such as `Heap HOT_UPDATE`."""
    bytes: int


def row_versions(session: Session, statement: str, table: str) -> RowVersions:
    """Run a statement in a transaction of its own and count the versions of `table`'s rows that it wrote."""
    with session.transaction():
        before = _row(session, _ROWS, table)
        session.execute(statement)
        after = _row(session, _ROWS, table)
    return RowVersions(*(b - a for a, b in zip(before, after, strict=True)))


def wal(session: Session, statement: str) -> Wal | None:
    """Run a statement in a transaction of its own: what that transaction, and no other, wrote ahead.

    None where the server has no pg_walinspect (before PostgreSQL 15).
    """
    if not _extension(session, "pg_walinspect"):
        return None
    begin = _row(session, "select pg_current_wal_insert_lsn()::text")[0]
    with session.transaction():
        session.execute(statement)
        number = _row(session, "select pg_current_xact_id()::text::bigint % (1::bigint << 32)")[0]
    end = _row(session, "select pg_current_wal_flush_lsn()::text")[0]
    found = session.execute(_WAL, (begin, end, str(number))).fetchall()
    return Wal({kind: count for kind, count, _ in found}, sum(size for *_, size in found))


def least_wal(session: Session, statement: str, times: int = 5) -> Wal | None:
    """The least of some runs: one may prune a page, or reuse one of the log whose filter it has to write again.

    After a checkpoint, of which nobody tells, the next value of a sequence is written ahead, and the first change of a page whole.
    """
    found = [wal(session, statement) for _ in range(times)]
    return min((w for w in found if w), key=lambda w: w.bytes, default=None)


def plans(session: Session, statement: str) -> list[tuple[str, str]] | None:
    """Run a statement: every statement that the executor ran for it, and its plan, nested ones first, by auto_explain.

    None where auto_explain cannot be loaded. Expressions that PL/pgSQL evaluates by itself are no statements.
    """
    try:
        session.execute("load 'auto_explain'")
    except psycopg.Error:
        return None
    found: list[tuple[str, str]] = []

    def hear(diagnostic: psycopg.errors.Diagnostic) -> None:
        text = diagnostic.message_primary or ""
        if "Query Text:" in text:
            query, _, plan = text.split("Query Text:", 1)[1].partition("\n")
            found.append((query.strip(), plan))

    session.add_notice_handler(hear)
    try:
        with session.transaction():
            session.execute(
                "set local auto_explain.log_min_duration = 0; set local auto_explain.log_nested_statements = on; "
                "set local auto_explain.log_analyze = on; set local auto_explain.log_timing = off; "
                "set local auto_explain.log_level = 'notice'; set local client_min_messages = 'notice'"
            )
            session.execute(statement)
            session.execute("set local auto_explain.log_min_duration = -1")
    finally:
        session.remove_notice_handler(hear)
    return found


def statements(session: Session, statement: str) -> list[str] | None:
    """The first lines of the statements that the executor runs for a statement, nested ones first; None as `plans`."""
    found = plans(session, statement)
    return None if found is None else [query for query, _ in found]


def buffers(session: Session, statement: str, tables: list[str], times: int) -> float | None:
    """Pages of the tables, their indexes and the log that one run of a statement looks at, over `times` runs.

    None where statistics cannot be flushed at once (before PostgreSQL 15).
    """
    if session.info.server_version < 150000:
        return None
    counted = []
    for turns in (0, times):
        for _ in range(turns):
            session.execute(statement)
        session.execute("select pg_stat_force_next_flush()")
        session.execute("select pg_stat_clear_snapshot()")
        counted.append(_row(session, _BUFFERS, tables)[0])
    return float(counted[1] - counted[0]) / times


def _row(session: Session, query: str, *parameters: object) -> tuple[Any, ...]:
    found = session.execute(query, parameters or None).fetchone()
    if found is None:
        raise RuntimeError(f"no row from: {query}")
    return tuple(found)


def _extension(session: Session, name: str) -> bool:
    if not session.execute("select 1 from pg_available_extensions where name = %s", (name,)).fetchone():
        return False
    session.execute(f"create extension if not exists {name}")
    return True


@dataclass(frozen=True)
class Figures:
    """Of one event with counters, score and log, once its session is warm. None: this server cannot tell."""

    row_versions: int
    hot: int
    bulk_rows: int
    bulk_row_versions: int
    statements: int | None
    wal_bytes: int | None
    wal_bytes_without_trigger: int | None
    buffers: float | None

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def measure(ground: Ground, schema: str, plain: str = "b_none") -> Figures:
    """The figures of a schema that has counters, a score and a log; `plain` has none of them."""
    session = ground.connection
    one = f"insert into {schema}.event (customer_id, amount) values (1, 10)"
    rows = min(1000, ground.customers)
    many = f"insert into {schema}.event (customer_id, amount) select 1 + i % {rows}, 10 from generate_series(1, {3 * rows}) as i"
    ground.run(f"vacuum {schema}.customer")
    session.execute(one)
    versions, bulk = (row_versions(session, sql, f"{schema}.customer") for sql in (one, many))
    with_all = least_wal(session, one)
    without = least_wal(session, one.replace(f"{schema}.", f"{plain}."))
    executed = statements(session, one)
    return Figures(
        versions.inserted + versions.updated,
        versions.hot,
        rows,
        bulk.inserted + bulk.updated,
        None if executed is None else len(executed),
        with_all.bytes if with_all else None,
        without.bytes if without else None,
        buffers(session, one, [f"{schema}.customer", f"{schema}.event"], 50),
    )
