"""Counting the log while processes are killed, and rows of prepared transactions."""

from __future__ import annotations

import contextlib
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import psycopg

from tests.support import Session, rows, value, wait_for

LOG = (
    "insert into modelpack.prediction (scored_at, profile, entity_key, score, model, version, prediction, inputs)"
    " select now() - g % 30 * interval '1 hour', 'shop', g::text, 'churn', 'churn', 1, 0.5, '{{}}' from generate_series(1, {}) as g"
)
COUNTED = "select r.at, r.predictions from modelpack.rollup as r where r.span = 'hour' order by 1"
PLAIN = (
    "select date_trunc('hour', scored_at, 'UTC'), count(*) from modelpack.prediction group by 1 order by 1"
)


def observe(dsn: str, batch: int) -> None:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(dsn, autocommit=True) as session:
        session.execute(f"call modelpack.observe({batch})")


def counts_right(session: Session) -> bool:
    return rows(session, COUNTED) == rows(session, PLAIN)


def test_a_run_that_is_killed_hard_counts_nothing_twice(killable: str) -> None:
    with psycopg.connect(killable, autocommit=True) as session:
        session.execute(LOG.format(4000))
    killed = 0
    while killed < 3:
        # a process that is killed takes the server down, which starts again by itself
        with contextlib.suppress(psycopg.OperationalError), ThreadPoolExecutor(1) as pool:
            with psycopg.connect(killable, autocommit=True) as session:
                before = value(session, "select coalesce(sum(predictions), 0) from modelpack.rollup")
                run = pool.submit(observe, killable, 40)
                wait_for(session, "select sum(predictions) > %s from modelpack.rollup", before)
                pid = value(session, "select pid from modelpack.observed")
                if pid is not None:
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
            run.result()
    wait_for_server(killable)
    observe(killable, 5000)
    with psycopg.connect(killable, autocommit=True) as session:
        assert counts_right(session)
        assert value(session, "select sum(predictions) from modelpack.rollup where span = 'day'") == 4000


def wait_for_server(dsn: str) -> None:
    for _ in range(1000):
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(dsn):
            return


def test_rows_of_a_prepared_transaction_are_counted_when_it_commits(killable: str) -> None:
    with psycopg.connect(killable, autocommit=True) as session:
        for name in ("late", "never"):
            session.execute("begin")
            session.execute(LOG.format(10))
            session.execute(f"prepare transaction '{name}'")
        session.execute(LOG.format(5))
        for _ in range(3):
            session.execute("call modelpack.observe()")
            session.execute(
                "update modelpack.observed set next_at = next_at - interval '11 minutes', written_by = pg_current_xact_id()"
            )
        assert counts_right(session)
        session.execute("commit prepared 'late'")
        session.execute("rollback prepared 'never'")
        session.execute("call modelpack.observe()")
        assert counts_right(session)
        assert value(session, "select sum(predictions) from modelpack.rollup where span = 'day'") == 15
