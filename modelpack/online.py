"""A declaration put on its tables, changed or taken off beside running traffic.

Each change of the tables is one short transaction that asks for its locks with a limit, lets go and asks again. No row is
counted in it: from its commit on the triggers are exact for every row, since a row that is not counted yet is counted from
its events by whatever happens to it. All others are counted by `modelpack.backfill`, few at a time with a commit after each.
Indexes are built CONCURRENTLY. What has been done until somebody stops it stays done; applying again goes on.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from modelpack.compile.plan import EventPlan, Plan
from modelpack.compile.script import (
    attach_online_script,
    counts_anew,
    detach_online_scripts,
    index_columns,
    replace_online_script,
    stale_index,
)
from modelpack.compile.sql import Sql, ident, literal, qualified
from modelpack.declaration.profile import Profile
from modelpack.errors import DeclarationError
from modelpack.fitness import check
from modelpack.install import unnamed_holder
from modelpack.settings import LIMITS, set_local

LIMIT = "100ms"
"""How long one lock is waited for: as long may a statement of the application have to wait behind us."""

EVENTS_A_SECOND = 33_000
"""How many events are counted in a second where all are counted in one transaction; measured on two cores."""

LARGE = 300_000
"""Events from which on that takes so long that traffic should go on meanwhile."""

Say = Callable[[str], None]
"""What is told how far it is."""

_BEGIN = "begin isolation level read committed"

_TAKEN = ("55P03", "40P01")
"""SQLSTATE of what is asked for again: a lock that somebody else has."""


def quiet(_: str) -> None:
    """Says nothing."""


def attach_online(connection: Connection, profile: Profile, *, say: Say = quiet, jobs: int = 1) -> None:
    """`op.create_scoring(profile)` beside running traffic, on a connection in autocommit mode."""
    with ready(connection):
        with transaction(connection):
            plan = check(connection, profile)
            _attachable(connection, plan)
        say(_estimated(connection, plan))
        _build_event_indexes(connection, plan, say)
        _soon(connection, attach_online_script(profile, plan.meanings or {}))
        say(f"{plan.table}: triggers are in place; rows are counted by what happens to them, the others now")
        finish(connection, plan, say=say, jobs=jobs)


def replace_online(
    connection: Connection, old: Profile, new: Profile, *, say: Say = quiet, jobs: int = 1
) -> None:
    """`op.replace_scoring(old, new)` beside running traffic, on a connection in autocommit mode."""
    with ready(connection):
        with transaction(connection):
            plan = check(connection, new)
            meanings = plan.meanings or {}
            statements = replace_online_script(old, new, meanings)
            anew = counts_anew(old, new, meanings)
            if anew:
                _countable(connection, plan)
                _not_ahead(connection, plan)
        say(_estimated(connection, plan))
        _build_event_indexes(connection, plan, say)
        _soon(connection, statements)
        finish(connection, plan, say=say, jobs=jobs)
        if not anew and old.scoring() != new.scoring() and plan.profile.scores:
            say(f"{plan.table}: scoring the rows")
            _run(connection, f"call modelpack.rescore({literal(plan.table)}, everything => true)")


def detach_online(connection: Connection, profile: Profile, *, say: Say = quiet) -> None:
    """`op.drop_scoring(profile)` beside running traffic, on a connection in autocommit mode."""
    with ready(connection):
        *disarming, the_rest = detach_online_scripts(profile)
        for statements in disarming:
            _soon(connection, statements)
        # one by one: what depends on a column is looked up while the profile is locked
        for column in _added_columns(connection, profile):
            _soon(connection, [column])
        _soon(connection, the_rest)
        say(f"{qualified(profile.table)}: removed")


def finish(connection: Connection, plan: Plan, *, say: Say = quiet, jobs: int = 1) -> None:
    """Count the rows that are not counted yet, and index those that are stale. It can be stopped and begun again."""
    with ready(connection):
        say(f"{plan.table}: counting (modelpack.backfill_progress shows how far it is)")
        if jobs == 1:
            _run(connection, _backfill(plan))
        else:
            _share(connection, plan, jobs)
        _build_stale_index(connection, plan, say)
        _soon(connection, stale_index(plan))


def estimate(connection: Connection, plan: Plan) -> tuple[int, int]:
    """About how many rows the profile has, and all its event tables, as the planner knows it."""
    rows = {
        name: int(number)
        for name, number in connection.execute(
            text(
                "select w.name, coalesce((select sum(greatest(c.reltuples, pg_relation_size(c.oid) / 200)) from pg_class as c "
                "where c.oid = to_regclass(w.name) or c.oid in (select t.relid from pg_partition_tree(to_regclass(w.name)) as t "
                "where t.isleaf)), 0) from unnest(cast(:names as text[])) as w (name)"
            ),
            {"names": [plan.table, *(event.table for event in plan.events)]},
        )
    }
    return rows[plan.table], sum({event.table: rows[event.table] for event in plan.events}.values())


def locked_for(events: int) -> str:
    """About how long all events are counted in one transaction, in words."""
    seconds = max(1, round(events / EVENTS_A_SECOND))
    return f"about {seconds} seconds" if seconds < 120 else f"about {round(seconds / 60)} minutes"


def named(connection: Connection, error: OperationalError) -> DeclarationError:
    """The error that a lock could not be had, with whoever may have it."""
    holders = connection.exec_driver_sql("select modelpack.lockers()").scalar()
    return DeclarationError(
        f"another transaction holds what has to change ({str(error.orig).splitlines()[0]}); that may be: {holders}; have it "
        "end (as a superuser: select pg_terminate_backend(PID)), and try again; how long is waited: set lock_timeout, or "
        "lock_wait of modelpack.setting"
    )


# --- what cannot be done beside running traffic ----------------------------------------------------------


def _attachable(connection: Connection, plan: Plan) -> None:
    _countable(connection, plan)
    there = connection.execute(
        text(
            "select a.attname from pg_attribute as a where a.attrelid = to_regclass(:table) and a.attname = 'features_read_at' "
            "and not a.attisdropped"
        ),
        {"table": plan.table},
    ).scalar()
    if there:
        raise _refused(
            connection,
            plan,
            f"{plan.table} has a column {there} already, which would say of its rows that they are counted",
            f"drop it (alter table {plan.table} drop column {there})",
        )


def _countable(connection: Connection, plan: Plan) -> None:
    """Features that outlive their events cannot be counted later, nor can a column be added that every row is rewritten for."""
    for event in plan.events:
        if event.lasting:
            raise _refused(
                connection,
                plan,
                f'features of {event.table} outlive their events (on_delete="keep"): an event that is deleted before its '
                "row is counted would be missing for ever",
            )
        for f in event.features:
            for column in f.columns:
                if column.like and _constrained(connection, event, column.like):
                    raise _refused(
                        connection,
                        plan,
                        f"{column.name} has the type of {event.table}.{column.like}, a domain with constraints, and to add such a "
                        "column the server writes every row",
                    )


def _constrained(connection: Connection, event: EventPlan, column: str) -> bool:
    return bool(
        connection.execute(
            text(
                "with recursive below as (select t.* from pg_attribute as a join pg_type as t on t.oid = a.atttypid "
                "where a.attrelid = to_regclass(:table) and a.attname = :column union all "
                "select t.* from below as b join pg_type as t on t.oid = b.typbasetype where b.typtype = 'd') "
                "select bool_or(b.typnotnull or exists (select from pg_constraint as c where c.contypid = b.oid)) from below as b"
            ),
            {"table": event.table, "column": column},
        ).scalar()
    )


def _not_ahead(connection: Connection, plan: Plan) -> None:
    """Marks are times, and a row whose mark lies ahead would be taken for one that is counted."""
    ahead = connection.exec_driver_sql(
        Sql("select count(*) from {} as p where p.features_read_at > clock_timestamp()").format(plan.table)
    ).scalar()
    if ahead:
        raise _refused(
            connection,
            plan,
            f"{ahead} rows of {plan.table} were read at times that the clock has not reached: it was set back",
        )


def _refused(connection: Connection, plan: Plan, why: str, mend: str = "") -> DeclarationError:
    profiles, events = estimate(connection, plan)
    tables = ", ".join([plan.table, *dict.fromkeys(event.table for event in plan.events)])
    return DeclarationError(
        f"{why}; so this cannot be done online. {f'Either {mend}, or leave' if mend else 'Leave'} --online (online=True) away: "
        f"{tables} are then locked while about {profiles} rows are counted from about {events} events, {locked_for(events)}"
    )


# --- locks -----------------------------------------------------------------------------------------------


@contextmanager
def ready(connection: Connection) -> Iterator[None]:
    """A connection in autocommit mode, for as long as it takes."""
    driver = connection.connection.driver_connection
    if not getattr(driver, "autocommit", False):
        raise DeclarationError(
            "online needs transactions of its own, and this connection is in one; expected a connection in autocommit mode: in a "
            "migration of Alembic, `with op.get_context().autocommit_block():` around the operation"
        )
    before = connection.execute(
        text(
            "select s.name, s.setting from pg_catalog.pg_settings as s where s.name = any (cast(:names as text[]))"
        ),
        {"names": list(LIMITS)},
    ).all()
    for name, _ in before:
        _run(connection, f"set {name} = 0")
    try:
        yield
    finally:
        if not connection.invalidated and not connection.closed:
            for name, value in before:
                connection.execute(
                    text("select set_config(:name, :value, false)"), {"name": name, "value": value}
                )


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """One of our own, on a connection in autocommit mode."""
    _run(connection, _BEGIN)
    try:
        yield
    except BaseException:
        if not connection.invalidated and not connection.closed:
            _run(connection, "rollback")
        raise
    _run(connection, "commit")


def _soon(connection: Connection, statements: Sequence[str]) -> None:
    """Run them in one transaction that nobody waits for long: it is given up where a lock is taken, and begun again."""
    patience = connection.exec_driver_sql(
        "select extract(epoch from case when current_setting('lock_timeout')::interval > interval '0' "
        "then current_setting('lock_timeout')::interval else (select s.value::interval from modelpack.setting as s "
        "where s.name = 'table_wait') end)"
    ).scalar_one()
    until = time.monotonic() + float(patience) if patience else None
    # all in one message: while tables are locked nobody waits for the way to the server and back
    script = ";\n".join([_BEGIN, set_local({"lock_timeout": LIMIT}), *statements, "commit"])
    while True:
        try:
            _run(connection, script)
            return
        except DBAPIError as error:
            _run(connection, "rollback")
            if getattr(error.orig, "sqlstate", None) not in _TAKEN:
                raise
            if until is not None and time.monotonic() > until:
                if isinstance(error, OperationalError) and unnamed_holder(error):
                    raise named(connection, error) from error
                raise
        time.sleep(0.05 + 0.2 * random.random())  # so that who waited behind us goes on


def _run(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def _added_columns(connection: Connection, profile: Profile) -> list[str]:
    """Statements that drop the columns which the declaration added, last ones first."""
    found = connection.execute(
        text(
            "select format('select modelpack.drop_object(%L, ''pg_class'', %s, %s)', "
            "format('alter table %I.%I drop column %I', n.nspname, t.relname, a.attname), p.relation::oid, a.attnum) "
            "from modelpack.profile as p join pg_class as t on t.oid = p.relation "
            "join pg_namespace as n on n.oid = t.relnamespace cross join unnest(p.added_columns) as c (name) "
            "join pg_attribute as a on a.attrelid = p.relation and a.attname = c.name and not a.attisdropped "
            "where p.relation = to_regclass(:table) order by a.attnum desc"
        ),
        {"table": qualified(profile.table)},
    ).scalars()
    return list(found)


# --- counting, and indexes -------------------------------------------------------------------------------


def _backfill(plan: Plan, share: int = 1, shares: int = 1) -> str:
    return f"call modelpack.backfill({literal(plan.table)}, share => {share}, shares => {shares})"


def _share(connection: Connection, plan: Plan, jobs: int) -> None:
    drivers: list[Any] = []

    def run(share: int) -> None:
        with connection.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as own, ready(own):
            drivers.append(own.connection.driver_connection)
            _run(own, _backfill(plan, share, jobs))

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for done in as_completed([pool.submit(run, share) for share in range(1, jobs + 1)]):
                done.result()
        except BaseException:  # an error of one, or the user's wish, ends them all
            for driver in drivers:
                driver.cancel()
            raise


def _estimated(connection: Connection, plan: Plan) -> str:
    profiles, events = estimate(connection, plan)
    return f"{plan.table}: about {profiles} rows, about {events} events"


def _leaves(connection: Connection, table: str) -> list[str]:
    """The table, or the partitions that hold its rows."""
    found = connection.execute(
        text(
            "select format('%I.%I', n.nspname, c.relname) from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
            "where c.relkind = 'r' and (c.oid = to_regclass(:table) "
            "or c.oid in (select t.relid from pg_partition_tree(to_regclass(:table)) as t)) order by 1"
        ),
        {"table": table},
    ).scalars()
    return list(found)


def _build_event_indexes(connection: Connection, plan: Plan, say: Say) -> None:
    for event in plan.events:
        table, key, time_column = index_columns(event)
        if not connection.exec_driver_sql(
            f"select modelpack.index_wanted({table}, {key}, {time_column})"
        ).scalar():
            continue
        columns = [
            ident(c) for c in [*event.key, *([event.event.at] if event.windowed and event.event.at else [])]
        ]
        for leaf in _leaves(connection, event.table):
            name = connection.exec_driver_sql(
                f"select modelpack.index_wanted({literal(leaf)}, {key}, {time_column})"
            ).scalar()
            if name:
                _build(connection, leaf, str(name), f"({', '.join(columns)})", say)


def _build_stale_index(connection: Connection, plan: Plan, say: Say) -> None:
    columns = [f"{score.name}_stale" for score in plan.profile.scores]
    if not columns:
        return
    where = " or ".join(f"{ident(column)} is not null" for column in columns)
    for leaf in _leaves(connection, plan.table):
        name = connection.execute(
            text("select modelpack.index_name(cast(:leaf as regclass), cast(:columns as text[]))"),
            {"leaf": leaf, "columns": ["stale", *columns]},
        ).scalar_one()
        _build(connection, leaf, str(name), f"({', '.join(plan.key)}) where {where}", say)


def _build(connection: Connection, table: str, name: str, what: str, say: Say) -> None:
    """An index, unless it is there; one that was left unfinished is made again."""
    found = connection.execute(
        text(
            "select format('%I.%I', n.nspname, x.relname), i.indisvalid from pg_index as i join pg_class as x on x.oid = i.indexrelid "
            "join pg_namespace as n on n.oid = x.relnamespace where i.indrelid = to_regclass(:table) and x.relname = :name"
        ),
        {"table": table, "name": name},
    ).first()
    if found and found[1]:
        return
    if found:
        _run(connection, f"drop index concurrently {found[0]}")
    place = connection.execute(
        text("select modelpack.tablespace(cast(:table as regclass))"), {"table": table}
    ).scalar()
    say(f"{table}: building the index {name}")
    tablespace = f" tablespace {ident(str(place))}" if place else ""
    columns, _, where = what.partition(" where ")
    _run(
        connection,
        f"create index concurrently if not exists {ident(name)} on {table} {columns}{tablespace}{f' where {where}' if where else ''}",
    )
