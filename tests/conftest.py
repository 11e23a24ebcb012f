"""Databases for tests: clones of one template with modelpack installed, on the server that MODELPACK_TEST_DSN names."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, Engine, create_engine

from modelpack.connection import make_engine
from modelpack.install import install, normal_dsn
from modelpack.snapshots import MIGRATIONS, current, names

# processes that test beside one another would wait for one another's threads, and for one file of onnxruntime's
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ORT_DISABLE_TELEMETRY"), "1")

LOCK = 0x6D6F64656C  # one worker makes the template, the others wait


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Look for no garbage while tests are imported, a fifth of the time that it takes, nor ever among what is imported."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """DSN of a server that tests may make databases on, as a superuser."""
    dsn = os.environ.get("MODELPACK_TEST_DSN")
    if not dsn:
        pytest.fail("MODELPACK_TEST_DSN names no server; run `make test`, or set it to a superuser's DSN")
    with psycopg.connect(dsn, autocommit=True) as admin:
        KEPT[dsn] = admin
        yield dsn
        del KEPT[dsn]


KEPT: dict[str, psycopg.Connection[Any]] = {}
"""A session on the server, by its DSN: to connect anew for each database, and to drop it, would take twenty milliseconds."""


@contextlib.contextmanager
def administering(server: str) -> Iterator[psycopg.Connection[Any]]:
    """A session that may make databases and roles; the one that is kept, where there is one."""
    if server in KEPT:
        yield KEPT[server]
    else:
        with psycopg.connect(server, autocommit=True) as admin:
            yield admin


@pytest.fixture(scope="session")
def server_wheels() -> Path | None:
    """The folder of the server's wheels; None where its Python finds them by itself."""
    folder = os.environ.get("MODELPACK_SERVER_WHEELS")
    return Path(folder) if folder else None


INSTALLING = ("install.py", "settings.py", "snapshots.py", "wheels.py", "connection.py", "compile/sql.py")
"""What of the package decides what is installed, beside the migrations."""

NOT_INSTALLED = 9
"""Exit code of a run whose schema cannot be installed: there is nothing to test."""

STRAYS = ("mp\\_%", "modelpack\\_template\\_%", "modelpack\\_prepared\\_%")
"""Names of the databases that tests make."""


def template_name(server_wheels: Path | None) -> str:
    """Another one for whatever another installation would come of: the migrations and what runs them, wheels, day.

    Partitions of the log are made for some days ahead.
    """
    package = (
        MIGRATIONS.parent / "modelpack" if (MIGRATIONS.parent / "modelpack").is_dir() else MIGRATIONS.parent
    )
    made_by = [
        *sorted((MIGRATIONS / "versions").glob("*.py")),
        *sorted((MIGRATIONS / "frozen").rglob("*.sql")),
        MIGRATIONS / "env.py",
        *(package / n for n in INSTALLING),
    ]
    wheels = sorted(path.name for path in server_wheels.glob("*.dist-info")) if server_wheels else []
    state = [
        *(f"{name}\n{current(name)}" for name in names()),
        *(path.read_text() for path in made_by),
        str(server_wheels),
        *wheels,
        str(datetime.now(UTC).date()),
    ]
    return f"modelpack_template_{hashlib.sha256(chr(0).join(state).encode()).hexdigest()[:12]}"


@pytest.fixture(scope="session")
def template(server: str, server_wheels: Path | None) -> Iterator[str]:
    """Name of a database with modelpack installed, made once. What former runs have left is taken away."""
    name = template_name(server_wheels)
    with psycopg.connect(server, autocommit=True) as admin:
        # as long as somebody tests with it, nobody else takes it for left over
        admin.execute("select pg_advisory_lock_shared(hashtext(%s))", [name])
        admin.execute("select pg_advisory_lock(%s)", [LOCK])
        clear_away(admin, name)
        if not admin.execute("select from pg_database where datname = %s", [name]).fetchall():
            draft = f"{name}_draft"
            drop_database(admin, draft)
            admin.execute(sql.SQL("create database {} template template0").format(sql.Identifier(draft)))
            engine = make_engine(make_conninfo(server, dbname=draft))
            try:
                with engine.begin() as connection:
                    install(connection, server_wheels)
            except Exception as error:  # no test would tell more
                pytest.exit(f"the schema cannot be installed: {error}", returncode=NOT_INSTALLED)
            admin.execute(
                sql.SQL("alter database {} rename to {}").format(sql.Identifier(draft), sql.Identifier(name))
            )
        admin.execute("select pg_advisory_unlock(%s)", [LOCK])
        yield name


def clear_away(admin: psycopg.Connection[Any], kept: str) -> None:
    """Drop templates that nobody uses, and databases of tests that ended without their teardown: nobody is connected."""
    strays = admin.execute(
        "select datname from pg_database where datname like any (%s) and datname <> %s and not exists"
        " (select from pg_stat_activity as a where a.datname = pg_database.datname)",
        [list(STRAYS), kept],
    ).fetchall()
    for (name,) in strays:
        template = name.removesuffix("_draft")
        # a test of another run may be about to connect to the database that it has just made: of those only old ones
        if name.startswith("mp_") and not is_old(admin, name):
            continue
        if admin.execute("select pg_try_advisory_lock(hashtext(%s))", [template]).fetchone() == (True,):
            drop_database(admin, name)
            admin.execute("select pg_advisory_unlock(hashtext(%s))", [template])


def is_old(admin: psycopg.Connection[Any], name: str) -> bool:
    """Whether the database was made more than an hour ago."""
    made = "select (pg_stat_file('base/' || oid || '/PG_VERSION', true)).modification < now() - interval '1 hour' from pg_database where datname = %s"
    return admin.execute(made, [name]).fetchone() == (True,)


def drop_database(admin: psycopg.Connection[Any], name: str) -> None:
    admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def clone(server: str, template: str) -> Iterator[str]:
    name = f"mp_{uuid.uuid4().hex[:16]}"
    with administering(server) as admin:
        # by default every page of it would be written ahead, too
        copied = sql.SQL("strategy file_copy" if admin.info.server_version >= 150000 else "")
        admin.execute(
            sql.SQL("create database {} template {} {}").format(
                sql.Identifier(name), sql.Identifier(template), copied
            )
        )
    yield make_conninfo(server, dbname=name)
    with administering(server) as admin:
        drop_database(admin, name)


@pytest.fixture(scope="session")
def roles(server: str) -> Iterator[list[str]]:
    """Names of the roles that tests have made. They go when the databases in which they have rights are gone."""
    made: list[str] = []
    yield made
    with psycopg.connect(server, autocommit=True) as admin:
        for name in made:
            # a test that was killed leaves a database in which its role has rights: the next run takes that away
            with contextlib.suppress(psycopg.errors.DependentObjectsStillExist):
                admin.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(name)))


@pytest.fixture
def new_role(server: str, roles: list[str]) -> Callable[..., str]:
    """A function that makes a role of the test's own, which may log in and is a member of what is named; gives its name."""

    def make(*groups: str) -> str:
        name = f"mp_role_{uuid.uuid4().hex[:12]}"
        with administering(server) as admin:
            admin.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
            roles.append(name)
            for group in groups:
                admin.execute(sql.SQL("grant {} to {}").format(sql.Identifier(group), sql.Identifier(name)))
        return name

    return make


@pytest.fixture(scope="session")
def prepare(server: str, template: str) -> Iterator[Callable[..., str]]:
    """A function that gives the name of a template in which `setup(dsn, *given)` was done, once for all tests that ask.

    What a setup leaves can be no session, no role and no moment that a test takes for now.
    """
    made: dict[str, str] = {}
    with psycopg.connect(server, autocommit=True) as admin:

        def prepare(setup: Callable[..., object], *given: object) -> str:
            key = f"{setup.__module__}.{setup.__qualname__}{given!r}"
            if key not in made:
                name = f"modelpack_prepared_{uuid.uuid4().hex[:16]}"
                # as long as this run lasts, nobody else takes it for left over
                admin.execute("select pg_advisory_lock_shared(hashtext(%s))", [name])
                admin.execute(
                    sql.SQL("create database {} template {}").format(
                        sql.Identifier(name), sql.Identifier(template)
                    )
                )
                try:
                    setup(make_conninfo(server, dbname=name), *given)
                except BaseException:
                    drop_database(admin, name)
                    raise
                close_database(admin, name)
                made[key] = name
            return made[key]

        yield prepare
        for name in made.values():
            drop_database(admin, name)


def close_database(admin: psycopg.Connection[Any], name: str) -> None:
    """Let nobody in any more, so that it can be cloned at any time."""
    admin.execute(sql.SQL("alter database {} allow_connections false").format(sql.Identifier(name)))


@pytest.fixture
def database(
    server: str, template: str, prepare: Callable[..., str], request: pytest.FixtureRequest
) -> Iterator[str]:
    """DSN of a database of the test's own, with modelpack installed; dropped afterwards.

    Where tests begin alike, `pytest.mark.prepared(setup=…)` has the setup done once, in what theirs are clones of. A file
    whose `BEGINS` names a setup for a fixture has it done so for the tests that take this fixture.
    """
    mark = request.node.get_closest_marker("prepared")
    begins = [
        prepare(setup, *([request.node.callspec.params[fixture]] if _is_varied(request, fixture) else []))
        for fixture, setup in getattr(request.module, "BEGINS", {}).items()
        if fixture in request.fixturenames
    ]
    if mark:
        begins.append(prepare(mark.kwargs["setup"], *mark.args))
    yield from clone(server, begins[0] if begins else template)


def _is_varied(request: pytest.FixtureRequest, fixture: str) -> bool:
    return hasattr(request.node, "callspec") and fixture in request.node.callspec.params


@pytest.fixture
def fresh(server: str, template: str, prepare: Callable[..., str]) -> Iterator[Callable[..., str]]:
    """A function that gives the DSN of a database of the test's own; `setup(dsn, *given)` was done in it, if one is given."""
    clones: list[Iterator[str]] = []

    def make(setup: Callable[..., object] | None = None, *given: object) -> str:
        clones.append(clone(server, prepare(setup, *given) if setup else template))
        return next(clones[-1])

    yield make
    for each in clones:
        next(each, None)


@pytest.fixture
def empty_database(server: str, template: str) -> Iterator[str]:
    """DSN of a database of the test's own without modelpack. (The template keeps the roles alive.)"""
    assert template
    yield from clone(server, "template0")


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """SQLAlchemy's engine for `database`; every connection is a fresh session."""
    engine = make_engine(database)
    yield engine
    engine.dispose()


@pytest.fixture
def pooled(database: str) -> Iterator[Callable[..., Engine]]:
    """A function that makes an engine for `database` that keeps its session, as an application's does.

    A backend that scores or publishes for the first time imports numpy and onnxruntime, for a quarter of a second.
    """
    engines: list[Engine] = []

    def make(**dsn: str) -> Engine:
        engine = create_engine(
            normal_dsn(make_conninfo(database, **dsn)),
            isolation_level="READ COMMITTED",
            connect_args={"client_encoding": "utf8"},
        )
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
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


@pytest.fixture
def here() -> Iterator[pytest.MonkeyPatch]:
    """Package in this process, which saves the start of an interpreter, until the patch is undone; the child has tests of its own."""
    from tests.support import package_here

    with pytest.MonkeyPatch.context() as patch:  # the test may undo its own
        package_here(patch)
        yield patch
