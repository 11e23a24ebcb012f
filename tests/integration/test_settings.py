"""Whatever the session has set: what is installed, declared, promoted and scored comes out the same.

The settings are the whole database's, so that they meet every session: that of the DBA who installs and applies, of
the application, of the publisher and of the jobs.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy.exc import DBAPIError

from modelpack import (
    Event,
    Profile,
    Score,
    age,
    count,
    decayed,
    distinct,
    expression,
    first,
    last,
    maximum,
    mean,
    total,
)
from modelpack.cli.session import Session as Command
from modelpack.connection import make_engine
from modelpack.install import install
from modelpack.settings import LIMITS
from tests.example import dump
from tests.support import Session, attach, linear_score, publish, value

TABLES = """
create schema shop;
create table shop.customer (who text, born date, plan text, primary key (who, born));
create table shop.visit (
  id bigint generated always as identity, who text, born date, at timestamptz, amount numeric, weight double precision, tag text,
  raw bytea, seen date
) partition by range (at);
create table shop.visit_now partition of shop.visit default;
"""

PROFILE = Profile(
    "shop.customer",
    key=["who", "born"],
    events=[
        Event(
            "shop.visit",
            at="at",
            where=r"tag <> 'n\o'",
            features={
                "n": count(),
                "week": count(window="7 days"),
                "spend": total("amount"),
                "heavy": total("weight"),
                "average": mean("weight"),
                "fading": decayed(half_life="3 days"),
                "opening": first("tag"),
                "latest": last("raw"),
                "last_at": last("at"),
                "newest": maximum("seen"),
                "kinds": distinct("tag"),
            },
        )
    ],
    scores=[
        Score(
            "churn",
            inputs={"quiet": age("last_at"), "share": expression(r"spend / 3 + 0 * length(plan || '\')")},
        )
    ],
)
INPUTS, WEIGHTS = ["n", "quiet", "share", "heavy"], [0.1, 0.001, 0.01, -0.2]

HOSTILE: dict[str, dict[str, str]] = {
    "how values are written": {
        "datestyle": "German, DMY",
        "intervalstyle": "sql_standard",
        "bytea_output": "escape",
        "extra_float_digits": "-15",
        "timezone": "Asia/Kolkata",
        "xmloption": "document",
        "array_nulls": "off",
        "lc_numeric": "C",
        "lc_monetary": "C",
        "client_encoding": "LATIN1",
    },
    "how SQL is read": {
        "standard_conforming_strings": "off",
        "backslash_quote": "off",
        "escape_string_warning": "off",
        "quote_all_identifiers": "on",
        "transform_null_equals": "on",
        "check_function_bodies": "off",
        "plpgsql.variable_conflict": "use_column",
        "plpgsql.extra_errors": "all",
        "plpgsql.print_strict_params": "on",
    },
    "where names are looked up": {"search_path": "evil, public, pg_catalog"},
    "where things are put": {
        "default_tablespace": "pg_global",
        "default_table_access_method": "other_heap",
        "temp_tablespaces": "",
        "default_toast_compression": "pglz",
    },
    "how transactions run": {
        "default_transaction_isolation": "serializable",
        "default_transaction_deferrable": "on",
        "row_security": "off",
        "statement_timeout": "30s",
        "lock_timeout": "20s",
        "idle_in_transaction_session_timeout": "30s",
        "synchronous_commit": "off",
    },
    "how queries are planned": {
        "jit": "off",  # what is forbidden costs so much that all would be compiled, for minutes
        "plan_cache_mode": "force_generic_plan",
        "enable_indexscan": "off",
        "enable_bitmapscan": "off",
        "enable_hashjoin": "off",
        "enable_sort": "off",
        "join_collapse_limit": "1",
        "from_collapse_limit": "1",
        "geqo_threshold": "2",
        "work_mem": "64kB",
        "constraint_exclusion": "on",
    },
}
EVIL = """
create access method other_heap type table handler heap_tableam_handler;
create schema evil;
create function evil.now() returns timestamp language sql immutable as $$ select timestamp '2000-01-01' $$;
create function evil.count(bigint) returns integer language sql immutable as $$ select 0 $$;
create function evil.greatest(timestamptz, timestamptz) returns timestamptz language sql immutable as $$ select null::timestamptz $$;
"""
# types that come before those of pg_catalog, for whoever installs
WORSE = """
create domain evil."numeric" as text;
create domain evil.text as varchar(1);
create domain evil.timestamptz as varchar(1);
"""


def set_for_all(session: Session, settings: dict[str, str]) -> None:
    """Every session that begins from now on has them."""
    name = value(session, "select current_database()")
    for setting, wanted in settings.items():
        to = sql.SQL(wanted if setting == "search_path" else "{}").format(wanted)
        session.execute(
            sql.SQL("alter database {} set {} = {}").format(
                sql.Identifier(name), sql.Identifier(*setting.split(".")), to
            )
        )


def schema(dsn: str) -> list[str]:
    """What is there, without what differs by day and by settings of the database itself."""
    plain = make_conninfo(
        dsn,
        options="-c timezone=UTC -c datestyle=ISO -c quote_all_identifiers=off -c standard_conforming_strings=on",
    )
    lines = [line for line in dump(plain, "--schema-only") if not line.startswith("SET ")]
    # the name of an index tells tables apart by their numbers
    return sorted(re.sub(r"_modelpack_[0-9a-f]{12}_idx", "_idx", line) for line in lines)


def settle(dsn: str) -> None:
    """Declare and promote, as a DBA and a publisher would."""
    attach(dsn, PROFILE)
    with psycopg.connect(dsn, autocommit=True) as session:
        for weights in (WEIGHTS[::-1], WEIGHTS):
            publish(session, "churn", INPUTS, weights)


@pytest.fixture(scope="module")
def plain(server: str, template: str) -> Iterator[list[str]]:
    """The schema of a database where nobody has set anything."""
    from tests.conftest import clone

    for dsn in clone(server, template):
        with psycopg.connect(dsn, autocommit=True) as session:
            session.execute(TABLES)
            session.execute(EVIL)
            settle(dsn)
            upkeep(dsn, session)
        yield schema(dsn)


@pytest.mark.parametrize("settings", HOSTILE.values(), ids=HOSTILE)
def test_declared_promoted_scored_and_kept_as_if_nothing_were_set(
    database: str, psql: Session, plain: list[str], settings: dict[str, str]
) -> None:
    psql.execute(TABLES)
    psql.execute(EVIL)
    set_for_all(psql, settings)
    settle(database)
    events = use(database)
    assert different(psql, events) == []
    attach(database, PROFILE)
    upkeep(database, psql)
    assert different(psql, events) == []
    assert schema(database) == plain


@pytest.mark.parametrize("settings", HOSTILE.values(), ids=HOSTILE)
def test_installed_as_if_nothing_were_set(
    empty_database: str, database: str, server_wheels: Path | None, settings: dict[str, str]
) -> None:
    for dsn in (database, empty_database):
        with psycopg.connect(dsn, autocommit=True) as session:
            session.execute(EVIL + WORSE)
    with psycopg.connect(empty_database, autocommit=True) as session:
        set_for_all(session, settings)
    engine = make_engine(empty_database)
    with engine.begin() as connection:
        install(connection, server_wheels)
    assert schema(empty_database) == schema(database)


@pytest.mark.parametrize("limit", LIMITS)
def test_what_bounds_an_applications_statements_bounds_no_command(
    database: str, psql: Session, limit: str
) -> None:
    if limit == "transaction_timeout" and psql.info.server_version < 170000:
        pytest.skip("transaction_timeout comes with PostgreSQL 17")
    set_for_all(psql, {limit: "300ms"})
    with Command(database, as_json=True).transaction() as connection:
        connection.exec_driver_sql("select pg_sleep(0.7)")
        time.sleep(0.7)
        assert connection.exec_driver_sql("select 1").scalar() == 1
    with psycopg.connect(database) as after:
        assert value(after, f"show {limit}") == "300ms"


Row = tuple[str, date, datetime, Decimal, float, str, bytes, date]


def use(dsn: str) -> list[Row]:
    """Events, as an application adds, changes and deletes them, one by one and many at a time."""
    random_ = random.Random(7)
    now = datetime.now(UTC)
    people = [("Ann", date(1970, 2, 3)), ("O'Neill\\", date(1999, 12, 11)), ('"x"', date(2001, 4, 5))]
    events: list[Row] = [
        (
            *random_.choice(people),
            now - timedelta(hours=random_.randrange(1, 900)),
            Decimal(random_.randrange(1, 10**9)) / 1000,
            random_.random(),
            random_.choice(["a", "b\\'", "n\\o"]),
            random_.randbytes(3),
            date(2025, 1, 1) + timedelta(random_.randrange(300)),
        )
        for _ in range(40)
    ]
    add = "insert into shop.visit (who, born, at, amount, weight, tag, raw, seen) values (%s, %s, %s, %s, %s, %s, %s, %s)"
    with psycopg.connect(dsn, autocommit=True) as session:
        for event in events[:20]:
            session.execute(add, event)
        with session.transaction(), session.cursor() as cursor:
            cursor.executemany(add, events[20:])
        session.execute(
            "insert into shop.visit (who, born, at, amount) select who, born, at, 7 from shop.visit"
        )
        session.execute("update shop.visit set amount = amount + 1, tag = 'c' where tag = 'a'")
        session.execute("delete from shop.visit where amount = 7")
        session.execute("update shop.customer set plan = 'x'")
    return [(*e[:3], e[3] + 1, e[4], "c", *e[6:]) if e[5] == "a" else e for e in events]


def different(session: Session, events: list[Row]) -> list[Any]:
    """What profile and log have otherwise than plain Python says. `session` began before anything was set."""
    found: list[Any] = []
    kept = session.execute(
        "select who, born, n, week, spend, heavy, average, fading, opening, latest, last_at, newest, kinds, features_at,"
        " churn, churn_stale, churn_scored_at from shop.customer order by who"
    ).fetchall()
    for who, born, *stored, moment, churn, stale, scored_at in kept:
        mine = sorted((e for e in events if e[:2] == (who, born) and e[5] != "n\\o"), key=lambda e: e[2])
        weights = [Decimal(repr(e[4])) for e in mine]
        wanted = [
            len(mine),
            sum(moment - timedelta(days=7) < e[2] for e in mine),
            sum(e[3] for e in mine),
            sum(weights),
            pytest.approx(float(sum(weights) / len(mine)), rel=1e-15),
            pytest.approx(sum(0.5 ** ((moment - e[2]) / timedelta(days=3)) for e in mine), rel=1e-9),
            mine[0][5],
            mine[-1][6],
            mine[-1][2],
            max(e[7] for e in mine),
            len({e[5] for e in mine}),
        ]
        quiet = (scored_at - mine[-1][2]) / timedelta(days=1)
        numbers = [len(mine), quiet, float(stored[2]) / 3, float(stored[3])]
        if stored != wanted or stale is not None or abs(churn - linear_score(WEIGHTS, 0, numbers)) > 1e-6:
            found.append((who, stored, wanted, churn, stale))
        history = session.execute(
            "select score, version, prediction from modelpack.history('shop.customer', jsonb_build_array(%s::text, %s::date)::text) limit 1",
            [who, born],
        ).fetchall()
        if history != [("churn", 2, churn)]:
            found.append((who, history))
    return found if len(kept) == len({e[:2] for e in events}) else [*found, len(kept)]


def upkeep(dsn: str, before: Session) -> None:
    """Every job and switch runs, and finds nothing. The session `before` began before anything was set."""
    before.execute("update modelpack.setting set value = '30' where name = 'log_partitions_ahead'")
    with psycopg.connect(dsn, autocommit=True) as session:
        for statement in (
            "call modelpack.rescore('shop.customer', everything => true)",
            "call modelpack.refresh('shop.customer')",
            "call modelpack.rebuild('shop.customer')",
            "select modelpack.disable('churn', 'a reason')",
            "select modelpack.enable('churn')",
            "select modelpack.rollback('churn')",
            "select modelpack.promote('churn', 2)",
            "select modelpack.add_note('churn', 1, 'a note')",
            "select modelpack.warm()",
        ):
            session.execute(statement)  # type: ignore[arg-type]
        assert session.execute("select * from modelpack.verify('shop.customer')").fetchall() == []
        assert len(session.execute("select partition from modelpack.maintain()").fetchall()) == 16
        again = "select * from modelpack.maintain() where action not like '%summarised'"
        assert session.execute(again).fetchall() == []
        assert session.execute("select * from modelpack.doctor() where status = 'fail'").fetchall() == []
        inputs = '{"n": 1, "quiet": 0.1, "share": 1e-7, "heavy": null}'
        # in binary: as text the client would see as many digits as the session shows
        answer = session.execute("select modelpack.predict('churn', %s)", [inputs], binary=True).fetchone()
        assert answer is not None
        assert answer[0] == pytest.approx(linear_score(WEIGHTS, 0, [1, 0.1, 1e-7, None]), abs=1e-6)


@pytest.mark.parametrize("task", ["rescore", "refresh", "rebuild"])
def test_nothing_is_written_where_triggers_do_not_fire(database: str, psql: Session, task: str) -> None:
    psql.execute(TABLES)
    settle(database)
    use(database)
    psql.execute("set session_replication_role = replica")
    with pytest.raises(
        psycopg.errors.ObjectNotInPrerequisiteState, match="session_replication_role is replica"
    ):
        psql.execute(f"call modelpack.{task}('shop.customer')")


def test_nothing_is_declared_where_triggers_do_not_fire(database: str, psql: Session) -> None:
    psql.execute(TABLES)
    set_for_all(psql, {"session_replication_role": "replica"})
    with pytest.raises(DBAPIError, match="session_replication_role is replica"):
        attach(database, PROFILE)


def test_a_backslash_in_an_expression_is_one_whatever_the_session_says_of_literals(psql: Session) -> None:
    psql.execute("create table customer (customer_id bigint primary key, note text)")
    psql.execute("set standard_conforming_strings = off; set escape_string_warning = off")
    read = "select modelpack.resolve('public.customer', %s, 'p', true)"
    assert value(psql, read, "p.note <> 'a\\'") is None
    with pytest.raises(psycopg.errors.SyntaxError):
        value(psql, read, "p.note <> 'a\\' or true or p.note <> '")
