"""Where the benchmarks run: a database of their own, its tables, and a session that runs and times statements."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from benchmarks.models import FEATURES, Workload
from dev.cluster import Cluster
from modelpack import Event, Profile, Registry, Score, apply
from modelpack.connection import make_engine
from modelpack.declaration.features import Feature
from modelpack.install import install
from modelpack.packager import Package

STRIDE = 7919
"""A prime: keys that follow each other are far apart, so nothing is near by luck."""
TURN = 10_007
"""More strides than a run of single events takes."""
SHARE_OF_MEMORY = 0.4
"""For shared_buffers: the most that PostgreSQL's manual finds sensible."""


@contextmanager
def own_server() -> Iterator[str]:
    """The DSN of a private server that is thrown away at the end, with memory as docs/operations.md says."""
    with Cluster.temporary(settings=settings()) as cluster:
        yield cluster.dsn()


def settings() -> dict[str, str]:
    """What a server for scoring is given; all else is PostgreSQL's default."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    buffers = f"{int(memory * SHARE_OF_MEMORY) >> 20}MB"
    return {"shared_buffers": buffers, "max_wal_size": "16GB", "checkpoint_timeout": "30min"}


@contextmanager
def own_database(server: str) -> Iterator[str]:
    """The DSN of a new database with modelpack installed; it is dropped at the end.

    MODELPACK_SERVER_WHEELS names the folder of the server's wheels.
    """
    engine = make_engine(server)
    wheels = os.environ.get("MODELPACK_SERVER_WHEELS")
    name = f"modelpack_bench_{uuid.uuid4().hex[:8]}"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
        admin.exec_driver_sql(f"create database {name}")
        try:
            dsn = make_url(engine.url).set(database=name).render_as_string(hide_password=False)
            own = make_engine(dsn)
            with own.begin() as connection:
                install(connection, Path(wheels) if wheels else None)
            own.dispose()
            yield dsn
        finally:
            admin.exec_driver_sql(f"drop database {name} with (force)")
            engine.dispose()


class Ground:
    """One database and the session that the loads run in. Every case has a schema of its own in it."""

    def __init__(self, dsn: str, customers: int = 10_000) -> None:
        self.engine = make_engine(dsn)
        self.dsn = dsn.replace("postgresql+psycopg://", "postgresql://")
        self.customers = customers
        self.connection = psycopg.connect(self.dsn, autocommit=True)
        self._offset = 0

    def close(self) -> None:
        """Leave the database."""
        self.connection.close()
        self.engine.dispose()

    def run(self, sql: str, parameters: Sequence[object] | None = None) -> None:
        """One statement, or several without parameters; nothing timed."""
        self.connection.execute(sql, parameters)

    def rows(self, sql: str, parameters: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self.connection.execute(sql, parameters).fetchall()

    def value(self, sql: str, parameters: Sequence[object] | None = None) -> Any:
        """The first value of a query."""
        return self.rows(sql, parameters)[0][0]

    def settle(self, schemas: Sequence[str]) -> None:
        """Bring tables to where a busy server has them between two checkpoints: vacuumed, read, and changed.

        A page that has been changed since the last checkpoint is not written ahead whole again.
        """
        self.run("vacuum")
        self.run("checkpoint")
        there = self.rows("select nspname from pg_namespace where nspname = any (%s)", (list(schemas),))
        for (schema,) in there:
            self.run(f"reindex schema {schema}")
        self.run("vacuum (freeze)")
        if not self.value("select exists (select from pg_available_extensions where name = 'pg_prewarm')"):
            return
        self.run("create extension if not exists pg_prewarm schema public")
        self.run(
            "select public.pg_prewarm(c.oid) from pg_class as c "
            "where c.relnamespace::regnamespace::text = any (%s) and c.relkind in ('r', 'i')",
            (list(schemas),),
        )

    def timed(self, sql: str) -> float:
        """Seconds of one statement."""
        start = time.perf_counter()
        self.connection.execute(sql)
        return time.perf_counter() - start

    @staticmethod
    def clock() -> float:
        """Seconds, to be subtracted."""
        return time.perf_counter()

    def offset(self) -> int:
        """Where the keys of a run begin: at customers whom the runs before have not met, where there are enough."""
        self._offset += STRIDE * TURN
        return self._offset

    def publish(self, name: str, package: Package) -> None:
        """Store a model as the next version and make it the champion."""
        Registry(self.engine).publish_package(package, name=name, promote=True)

    def tables(
        self,
        schema: str,
        *,
        workload: Workload | None = None,
        customers: int | None = None,
        events: int = 0,
    ) -> None:
        """Fresh tables: every customer with the workload's static columns, and `events` events spread over them."""
        customers = customers or self.customers
        static = workload.static if workload else {}
        columns = "".join(f", {name} {kind}" for name, kind in static.items())
        values = "".join(f", {_static(n, kind)}" for n, kind in enumerate(static.values()))
        self.run(f"drop schema if exists {schema} cascade; create schema {schema}")
        self.run(
            f"create table {schema}.customer (customer_id bigint primary key, visits integer not null default 0{columns}) "
            "with (fillfactor = 70)"
        )
        self.run(
            f"create table {schema}.event (customer_id bigint not null, at timestamptz not null default now(), "
            "amount numeric not null)"
        )
        self.run(
            f"insert into {schema}.customer select i, i % 10{values} from generate_series(1, {customers}) as i"
        )
        if events:
            self.run(
                f"insert into {schema}.event select 1 + (i::bigint * {STRIDE}) % {customers}, "
                f"now() - (i % 8640000) * interval '1 second', i % 100 from generate_series(1, {events}) as i"
            )
            self.run(f"create index event_by_customer on {schema}.event (customer_id, at)")
            self.run(f"vacuum analyze {schema}.event")

    def declare(
        self,
        schema: str,
        *,
        model: str | None = None,
        inputs: dict[str, str] | None = None,
        features: dict[str, Feature] | None = None,
    ) -> None:
        """Our own triggers on the tables of a schema: with a model's score, or counters alone."""
        profile = Profile(
            f"{schema}.customer",
            key="customer_id",
            events=[Event(f"{schema}.event", at="at", features=features or FEATURES)],
            scores=[Score("churn", model=model, inputs=inputs or {})] if model else [],
        )
        with self.engine.begin() as connection:
            apply(connection, profile)
        self.run(f"vacuum analyze {schema}.customer")

    def require_scored(self, schema: str) -> None:
        """Raise RuntimeError where a profile is stale: what is timed would be refusals. Every customer needs an event."""
        stale = self.rows(f"select churn_stale from {schema}.customer where churn_stale is not null limit 1")
        if stale:
            raise RuntimeError(f"{schema}.customer has rows without a fresh score: {stale[0][0]}")


def _static(n: int, kind: str) -> str:
    """A value of a static column for customer i: numbers below 100, one of a few words."""
    if kind == "text":
        return f"(array['basic', 'silver', 'gold', 'north', 'south'])[1 + (i + {n}) % 5]"
    return f"((i * {n + 3}) % 100)::{kind}"
