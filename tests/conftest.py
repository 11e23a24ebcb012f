"""Databases for tests: clones of one template with modelpack installed, on the server that MODELPACK_TEST_DSN names."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, Engine

from modelpack.install import install
from modelpack.server import make_engine
from modelpack.snapshots import MIGRATIONS, sums

LOCK = 0x6D6F64656C  # one worker makes the template, the others wait


@pytest.fixture(scope="session")
def server() -> str:
    """DSN of a server that tests may make databases on, as a superuser."""
    dsn = os.environ.get("MODELPACK_TEST_DSN")
    if not dsn:
        pytest.fail("MODELPACK_TEST_DSN names no server; run `make test`, or set it to a superuser's DSN")
    return dsn


@pytest.fixture(scope="session")
def server_wheels() -> Path | None:
    """The folder of the server's wheels; None where its Python finds them by itself."""
    folder = os.environ.get("MODELPACK_SERVER_WHEELS")
    return Path(folder) if folder else None


@pytest.fixture(scope="session")
def template(server: str, server_wheels: Path | None) -> str:
    """Name of a database with modelpack installed, made once for one state of the migrations and one day.

    Partitions of the log are made for some days ahead.
    """
    revisions = [path.read_text() for path in sorted((MIGRATIONS / "versions").glob("*.py"))]
    state = "".join([sums(), *revisions, str(server_wheels), str(datetime.now(UTC).date())])
    name = f"modelpack_template_{hashlib.sha256(state.encode()).hexdigest()[:12]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("select pg_advisory_lock(%s)", [LOCK])
        if not admin.execute("select from pg_database where datname = %s", [name]).fetchall():
            draft = f"{name}_draft"
            _drop(admin, draft)
            admin.execute(sql.SQL("create database {} template template0").format(sql.Identifier(draft)))
            engine = make_engine(make_conninfo(server, dbname=draft))
            with engine.begin() as connection:
                install(connection, server_wheels)
            admin.execute(
                sql.SQL("alter database {} rename to {}").format(sql.Identifier(draft), sql.Identifier(name))
            )
    return name


def _drop(admin: psycopg.Connection[Any], name: str) -> None:
    admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _clone(server: str, template: str) -> Iterator[str]:
    name = f"mp_{uuid.uuid4().hex[:16]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    yield make_conninfo(server, dbname=name)
    with psycopg.connect(server, autocommit=True) as admin:
        _drop(admin, name)


@pytest.fixture
def database(server: str, template: str) -> Iterator[str]:
    """DSN of a database of the test's own, with modelpack installed; dropped afterwards."""
    yield from _clone(server, template)


@pytest.fixture
def empty_database(server: str, template: str) -> Iterator[str]:
    """DSN of a database of the test's own without modelpack. (The template keeps the roles alive.)"""
    assert template
    yield from _clone(server, "template0")


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """SQLAlchemy's engine for `database`; every connection is a fresh session."""
    engine = make_engine(database)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """SQLAlchemy's connection to `database`; the test commits or not."""
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def psql(database: str) -> Iterator[psycopg.Connection[Any]]:
    """psycopg's connection to `database`; every statement commits, as an application's would."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection
