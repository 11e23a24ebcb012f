"""Which tests call which functions of the schema, and how long each takes: a plugin of pytest's.

`make mutants-map` runs the tests with it, on a server with `track_functions = all`; `.modelpack/calls.jsonl` has an object for
each database of a test, written when it goes. A function that the planner has written into its caller, or that only the
installation calls, is called by none.
"""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

CALLS = Path(__file__).resolve().parents[2] / ".modelpack" / "calls.jsonl"
LINES = CALLS.with_name("lines.jsonl")
"""What tests.mutants.lines writes."""

CALLED = "select distinct funcname from pg_stat_user_functions where schemaname = 'modelpack'"


def pytest_configure() -> None:
    """Ask each database of a test, which nobody is connected to any more, before it is dropped, and what it is a clone of."""
    conftest = importlib.import_module("tests.conftest")
    drop, close, clone = conftest.drop_database, conftest.close_database, conftest.clone
    prepared: dict[str, set[str]] = {}
    before: dict[str, set[str]] = {}
    cloned: dict[Any, int] = {}

    def ask(admin: psycopg.Connection[Any], name: str) -> set[str]:
        with psycopg.connect(admin.info.dsn, dbname=name, autocommit=True) as session:
            return {name for (name,) in session.execute(CALLED).fetchall()}

    def ask_and_drop(admin: psycopg.Connection[Any], name: str) -> None:
        if name.startswith("mp_") and current()[1] == "(teardown)":
            calls = ask(admin, name)
            tests = list(begun)
            for test in tests[cloned.get(name, len(tests) - 1) :]:  # several where a file has one database
                seconds = round(time.monotonic() - begun[test], 2)
                found = {"test": test, "seconds": seconds, "calls": sorted(calls | before.get(test, set()))}
                with CALLS.open("a") as file:  # one write, so that workers do not mix their lines
                    file.write(json.dumps(found) + "\n")
        drop(admin, name)

    def ask_and_close(admin: psycopg.Connection[Any], name: str) -> None:
        prepared[name] = ask(admin, name)
        close(admin, name)

    def note_and_clone(server: str, template: str) -> Iterator[str]:
        before.setdefault(current()[0], set()).update(prepared.get(template, ()))
        for dsn in clone(server, template):
            cloned[conninfo_to_dict(dsn)["dbname"]] = len(begun) - 1
            yield dsn

    conftest.drop_database = ask_and_drop
    conftest.close_database = ask_and_close
    conftest.clone = note_and_clone


def current() -> tuple[str, str]:
    """The test that runs, and its stage."""
    test, _, stage = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")
    return test, stage


begun: dict[str, float] = {}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Note when the test began."""
    begun[item.nodeid] = time.monotonic()
    return (yield)
