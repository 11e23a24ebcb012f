"""Which tests call which functions of the schema, and how long each takes: a plugin of pytest's.

`make mutants-map` runs the tests with it, on a server with `track_functions = all`; `.modelpack/calls.jsonl` has an object for
each test. A function that the planner has written into its caller, or that only the installation calls, is called by none.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

CALLS = Path(__file__).resolve().parents[2] / ".modelpack" / "calls.jsonl"
CALLED = "select distinct funcname from pg_stat_user_functions where schemaname = 'modelpack'"
OTHERS = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


def called(dsn: str) -> list[str]:
    """The functions that the sessions of a database have called. They are ended: what they counted is shown then."""
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(f"select pg_terminate_backend(pid) {OTHERS} and backend_type = 'client backend'")
        while session.execute(f"select {OTHERS} and backend_type = 'client backend'").fetchall():
            time.sleep(0.02)
        return [name for (name,) in session.execute(CALLED).fetchall()]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Before the test's database goes, ask it."""
    dsn = getattr(item, "funcargs", {}).get("database")
    begun = item.stash.get(BEGUN, 0)
    seconds = time.monotonic() - begun
    found: list[str] = []
    if isinstance(dsn, str):
        try:
            found = called(dsn)
        except psycopg.Error:  # the test has stopped or renamed what it was given
            found = []
    line = json.dumps({"test": item.nodeid, "seconds": round(seconds, 2), "calls": found}) + "\n"
    with CALLS.open("a") as file:  # one write, so that workers do not mix their lines
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    return (yield)


BEGUN = pytest.StashKey[float]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Note when the test began."""
    item.stash[BEGUN] = time.monotonic()
    return (yield)
