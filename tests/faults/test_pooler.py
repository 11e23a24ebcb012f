"""A real PgBouncer in transaction mode before the server: warm sessions, prepared statements, promotions."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from dev.cluster import Cluster
from dev.machine import free_port, wait_until
from tests.faults.conftest import program
from tests.faults.hostile import Session, connect, open_shop, publish, scores, unsound, value, visit

POOL = 3
CLIENTS = 6


class Pooler:
    """PgBouncer for one database, in transaction mode, with every server session warmed and prepared on connect."""

    def __init__(self, cluster: Cluster, database: str, role: str) -> None:
        self.command = program("pgbouncer")
        said = subprocess.run([self.command, "--version"], capture_output=True, text=True, check=True).stdout
        self.version = tuple(map(int, re.findall(r"\d+", said)[:2]))
        self.cluster, self.database, self.port = cluster, database, free_port()
        self.folder = cluster.folder / "run"
        on_connect = (
            "select modelpack.warm();"
            " prepare visit_of(bigint, double precision) as insert into visit (customer_id, x) values ($1, $2)"
        )
        lines = [
            "[databases]",
            f"{database} = host={cluster.socket_dir} port={cluster.port()} dbname={database} user={role}"
            f" connect_query='{on_connect}'",
            "[pgbouncer]",
            "pool_mode = transaction",
            f"default_pool_size = {POOL}",
            "auth_type = any",
            f"unix_socket_dir = {self.folder}",
            f"listen_port = {self.port}",
            *(["max_prepared_statements = 50"] if self.protocol_statements else []),
        ]
        self.configuration = self.folder / f"pgbouncer-{self.port}.ini"
        self.configuration.write_text("\n".join(lines) + "\n")
        self.configuration.chmod(0o644)
        self.process = self._start()

    @property
    def protocol_statements(self) -> bool:
        """Whether it keeps track of statements that drivers prepare."""
        return self.version >= (1, 21)

    @property
    def dsn(self) -> str:
        return f"host={self.folder} port={self.port} dbname={self.database} user=anybody"

    def connect(self) -> Session:
        return psycopg.connect(
            self.dsn, autocommit=True, prepare_threshold=0 if self.protocol_statements else None
        )

    def _start(self) -> subprocess.Popen[bytes]:
        user = self.cluster.user
        other = os.geteuid() == 0 and user.uid != 0
        process = subprocess.Popen(
            [self.command, "-q", str(self.configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            user=user.uid if other else None,
            group=user.gid if other else None,
        )
        if not wait_until(self._answers, 10):
            process.kill()
            raise AssertionError(f"PgBouncer does not start: {process.communicate()[1].decode()}")
        return process

    def _answers(self) -> bool:
        """The socket is there a moment before it is listened to."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.folder / f".s.PGSQL.{self.port}")) == 0

    @property
    def at_once(self) -> int:
        """The signal that ends it at once: from 1.23 on SIGTERM waits until the last client has gone."""
        return signal.SIGQUIT if self.version >= (1, 23) else signal.SIGTERM

    def stop(self, number: int | None = None) -> None:
        self.process.send_signal(self.at_once if number is None else number)
        self.process.communicate(timeout=20)


@pytest.fixture
def pooled(private: Cluster, killable: str) -> Iterator[tuple[Session, Pooler]]:
    """A shop, and the way to it that an application takes: as a role with the documented rights, through a pool."""
    with open_shop(killable) as session:
        role = f"{session.info.dbname}_app"
        session.execute(f"create role {role} login")
        session.execute(f"grant insert on visit to {role}; grant select on customer to {role}")
        session.execute(f"grant modelpack_reader to {role}")
        pooler = Pooler(private, session.info.dbname, role)
        try:
            yield session, pooler
        finally:
            if pooler.process.poll() is None:
                pooler.stop()
            session.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = %s", [role]
            )
            session.execute(f"drop owned by {role}; drop role {role}")


def backends(session: Session) -> list[int]:
    """The pooled server sessions."""
    return [
        pid
        for (pid,) in session.execute(
            "select pid from pg_stat_activity where usename = current_database() || '_app' order by 1"
        )
    ]


def test_the_sessions_of_the_pool_are_warm_before_their_first_event(pooled: tuple[Session, Pooler]) -> None:
    session, pooler = pooled
    with ExitStack() as stack:
        for _ in range(POOL):
            stack.enter_context(pooler.connect()).execute("begin")
        assert wait_until(lambda: len(backends(session)) == POOL, 20)
        assert all(_has_loaded(pid) for pid in backends(session))


def _has_loaded(pid: int) -> bool:
    return "onnxruntime" in Path(f"/proc/{pid}/maps").read_text()


def test_a_promotion_reaches_every_session_of_the_pool_and_its_prepared_statements_at_commit(
    pooled: tuple[Session, Pooler],
) -> None:
    session, pooler = pooled
    with ExitStack() as stack:
        clients = [stack.enter_context(pooler.connect()) for _ in range(POOL)]

        def versions() -> list[tuple[int, str | None]]:
            """One visit in every session of the pool: as many transactions are open at once."""
            for number, client in enumerate(clients, start=1):
                client.execute("begin")
                client.execute(f"execute visit_of({number}, 200)")
            assert len({value(c, "select pg_backend_pid()") for c in clients}) == POOL
            found = []
            for number, client in enumerate(clients, start=1):
                row = client.execute(
                    "select churn_version, churn_stale from customer where customer_id = %s", [number]
                ).fetchone()
                assert row is not None
                found.append(row)
                client.execute("commit")
            return found

        assert versions() == [(1, None)] * POOL
        second = publish(session, bias=0.5)
        with session.transaction():
            session.execute("select modelpack.promote('churn', %s)", [second])
            with connect(session.info.dsn) as other:
                assert value(other, "select version from modelpack.alias where alias = 'champion'") == 1
        assert versions() == [(2, None)] * POOL
        session.execute("select modelpack.disable('churn', 'for a while')")
        assert versions() == [(2, "disabled: for a while")] * POOL
        session.execute("select modelpack.enable('churn')")
        third = publish(session)
        session.execute("select modelpack.promote('churn', %s)", [third])
        assert versions() == [(3, None)] * POOL
        session.execute("select modelpack.rollback('churn')")
        assert versions() == [(2, None)] * POOL
        assert scores(session, 1)[1] == (pytest.approx(0.7), None)
        session.execute("select modelpack.promote('churn', %s)", [third])
        session.execute("call modelpack.rescore('customer')")
        assert unsound(session) == []


def test_clients_that_share_sessions_lose_nothing_while_versions_are_promoted(
    pooled: tuple[Session, Pooler],
) -> None:
    session, pooler = pooled
    before = int(value(session, "select count(*) from visit"))
    done, enough = [0] * CLIENTS, threading.Event()
    errors: list[BaseException] = []

    def traffic(number: int) -> None:
        try:
            with pooler.connect() as own:
                while not enough.is_set():
                    customer = 1 + (number * 7 + done[number]) % 20
                    kind = done[number] % 3
                    if kind == 0:
                        own.execute(f"execute visit_of({customer}, {done[number] % 300})")
                    elif kind == 1:
                        visit(own, (customer, done[number] % 300))
                    else:
                        with own.transaction():
                            visit(own, (customer, 1))
                            with own.transaction():
                                visit(own, (customer, done[number] % 300))
                        done[number] += 1
                    done[number] += 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=traffic, args=(n,)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        for version in [publish(session) for _ in range(2)]:
            session.execute("select modelpack.promote('churn', %s)", [version])
        session.execute("select modelpack.rollback('churn')")
        assert wait_until(lambda: bool(errors) or min(done) > 20, 30)
    finally:
        enough.set()
        for thread in threads:
            thread.join()
    assert errors == []
    assert value(session, "select count(*) from visit") == before + sum(done)
    assert len(backends(session)) <= POOL
    assert value(session, "select count(*) from modelpack.prediction where entity_key is not null") >= sum(
        done
    )
    assert unsound(session) == []


@pytest.mark.parametrize("how", [signal.SIGKILL, None], ids=["killed", "stopped"])
def test_what_a_pool_that_ends_had_not_committed_is_gone_whole(
    pooled: tuple[Session, Pooler], how: signal.Signals | None
) -> None:
    session, pooler = pooled
    client = pooler.connect()
    client.execute("execute visit_of(1, 200)")
    client.execute("begin")
    client.execute("execute visit_of(1, 250)")
    pooler.stop(how)
    with pytest.raises(psycopg.OperationalError):
        client.execute("commit")
    client.close()
    assert wait_until(lambda: not backends(session), 20)
    assert scores(session, 1)[1] == (pytest.approx(0.2), None)
    assert value(session, "select visits from customer where customer_id = 1") == 2
    assert unsound(session) == []
