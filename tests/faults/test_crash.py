"""Servers and backends that die, starve or lose their wheels: no event is lost, every score fresh or marked.

`MODELPACK_LONG_FAULTS=1` repeats more often and for longer.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dev.cluster import Cluster
from tests.faults.hostile import (
    FAILS,
    Session,
    connect,
    open_shop,
    plain_model,
    scores,
    smuggle,
    unsound,
    value,
    visit,
)

LONG = bool(os.environ.get("MODELPACK_LONG_FAULTS"))
BULK = 300
GONE = (psycopg.OperationalError, psycopg.InterfaceError)


class Writer(threading.Thread):
    """Inserts bulks of events, each a transaction, and knows which were committed."""

    def __init__(self, dsn: str) -> None:
        super().__init__(daemon=True)
        self.dsn = dsn
        self.committed = 0
        self.unknown = 0
        self.error: psycopg.Error | None = None
        self.pid = 0
        self._stop_it = threading.Event()

    def run(self) -> None:
        try:
            with psycopg.connect(self.dsn, autocommit=True) as session:
                self.pid = session.info.backend_pid
                while not self._stop_it.is_set():
                    self.unknown = 1
                    visit(session, *((n % 97, n % 300) for n in range(BULK)))
                    self.committed, self.unknown = self.committed + 1, 0
        except GONE as error:
            self.error = error

    def finish(self) -> None:
        """Stop after the bulk at work."""
        self._stop_it.set()
        self.join(60)


def counted(session: Session, before: int, *writers: Writer) -> int:
    """Visits, after a check that every committed bulk is there, whole, and at most each last one besides."""
    now = int(value(session, "select count(*) from visit"))
    assert (now - before) % BULK == 0
    assert 0 <= (now - before) // BULK - sum(w.committed for w in writers) <= sum(w.unknown for w in writers)
    assert value(session, "select sum(visits) from customer") == now
    return now


@pytest.mark.parametrize("clients", [1, 8])
@pytest.mark.parametrize("victim", ["backend", "postmaster"])
def test_a_kill_in_the_middle_of_bulk_inserts_loses_no_committed_event(
    private: Cluster, killable: str, victim: str, clients: int
) -> None:
    with open_shop(killable) as session:
        visits = int(value(session, "select count(*) from visit"))
    for _ in range(20 if LONG else 2):
        writers = [Writer(killable) for _ in range(clients)]
        for writer in writers:
            writer.start()
        while min(writer.committed for writer in writers) < 2:
            assert [writer.error for writer in writers if writer.error] == []
            time.sleep(0.01)
        if victim == "backend":
            with connect(killable) as other:
                os.kill(writers[0].pid, signal.SIGKILL)
                with pytest.raises(GONE):  # the server ends every session and recovers
                    other.execute("select pg_sleep(60)")
        else:
            private.kill()
        for writer in writers:
            writer.join(60)
        if victim == "postmaster":
            private.start()
        with connect(killable) as session:
            visits = counted(session, visits, *writers)
            assert unsound(session) == []


def test_wheels_that_vanish_cost_new_sessions_their_scores_and_come_back(
    killable: str, linked_wheels: Path
) -> None:
    with open_shop(killable) as warm, psycopg.connect(killable, autocommit=True) as session:
        aside = linked_wheels.with_name("aside")
        linked_wheels.rename(aside)
        try:
            visit(warm, (1, 200))
            visit(session, (2, 200))
            assert scores(warm, 1)[1] == (pytest.approx(0.2), None)
            score, stale = scores(warm, 2)[2]
            assert score == pytest.approx(0.1)
            assert "cannot import numpy" in str(stale)
            assert "--server-wheels" in str(stale)
            found = session.execute(
                "select \"check\" from modelpack.doctor() where status = 'fail'"
            ).fetchall()
            assert ("wheels",) in found
        finally:
            aside.rename(linked_wheels)
        until = time.monotonic() + 15
        while scores(warm, 2)[2][1] is not None and time.monotonic() < until:
            time.sleep(0.3)
            visit(session, (2, 200))
        assert scores(warm, 2)[2] == (pytest.approx(0.2), None)
        assert unsound(warm) == []


def test_a_wheel_of_another_python_costs_scores_not_events(
    killable: str, linked_wheels: Path, server_wheels: Path
) -> None:
    with open_shop(killable) as session:
        wrong = linked_wheels.with_name("wrong")
        shutil.copytree(server_wheels, wrong, copy_function=os.symlink)
        for library in (wrong / "numpy").rglob("*.cpython-*.so"):
            library.rename(library.with_name(re.sub(r"cpython-3\d+", "cpython-36", library.name)))
        session.execute(
            "create or replace function modelpack.server_wheels() returns text language sql immutable"
            f" as $$ select '{wrong}'::text $$"
        )
        with psycopg.connect(killable, autocommit=True) as fresh:
            visit(fresh, (1, 200))
        assert "cannot import" in str(scores(session, 1)[1][1])
        assert unsound(session) == []


def test_a_model_that_always_fails_under_load_loses_no_event_and_a_promotion_ends_it(killable: str) -> None:
    seconds, clients = (60.0, 4) if LONG else (2.0, 2)
    with open_shop(killable) as session:
        before = int(value(session, "select count(*) from visit"))
        done = [0] * clients
        until = time.monotonic() + seconds

        def load(number: int) -> None:
            with psycopg.connect(killable, autocommit=True) as own:
                while time.monotonic() < until:
                    visit(own, (1 + done[number] % 20, FAILS))
                    done[number] += 1

        threads = [threading.Thread(target=load, args=(n,)) for n in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert value(session, "select count(*) from visit") == before + sum(done)
        assert sum(done) > 20
        rows = int(value(session, "select count(*) from modelpack.failure_log"))
        assert 1 <= rows <= 2 * clients * (1 + seconds / 60)
        assert value(session, "select count(*) from customer where churn_stale is null") == 0
        smuggle(session, plain_model())
        visit(session, (1, 200))
        assert scores(session, 1)[1] == (pytest.approx(0.2), None)
        session.execute("call modelpack.rescore('customer', only_stale => true)")
        assert value(session, "select count(*) from customer where churn_stale is not null") == 0
        assert unsound(session) == []


def test_a_storm_of_connections_scores_every_event_and_each_backend_stays_small(killable: str) -> None:
    connects, at_once = (200, 8) if LONG else (24, 4)
    with open_shop(killable) as session:
        sizes: list[tuple[int, int]] = []
        numbers = iter(range(connects))
        lock = threading.Lock()

        def storm() -> None:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                with psycopg.connect(killable, autocommit=True) as own:
                    visit(own, (1000 + number, 100))
                    sizes.append(_size(own.info.backend_pid))

        threads = [threading.Thread(target=storm) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        memory, count = max(m for m, _ in sizes), max(t for _, t in sizes)
        print(f"private memory of a backend: at most {memory / 1024:.0f} MB; threads: {count}")
        assert len(sizes) == connects
        assert count <= 3  # the backend, its watchdog, and one that onnxruntime starts
        assert memory < 200 * 1024
        assert value(
            session, "select count(*) from customer where churn = 0.1::real and customer_id >= 1000"
        ) in (
            0,
            connects,
        )
        assert (
            value(session, "select count(*) from customer where churn_stale is null and customer_id >= 1000")
            == connects
        )
        assert unsound(session) == []


def _size(pid: int) -> tuple[int, int]:
    """Private memory (kB) and threads of a process."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    private = sum(int(n) for n in re.findall(r"^Private_\w+:\s+(\d+) kB", rollup, re.MULTILINE))
    return private, len(list(Path(f"/proc/{pid}/task").iterdir()))


@pytest.fixture
def small_disk(private: Cluster) -> Iterator[Path]:
    """A tablespace's folder on a file system of a few megabytes."""
    folder = private.folder / "small"
    folder.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip("mounting a small file system needs root")
    os.chown(folder, private.user.uid, private.user.gid)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _fill(session: Session) -> None:
    for n in range(1, 200):
        visit(session, *((c, n % 300) for c in range(n * 1000, n * 1000 + 1000)))


def test_a_full_disk_reaches_the_client_and_leaves_features_right(killable: str, small_disk: Path) -> None:
    with open_shop(killable) as session:
        session.execute(f"create tablespace small location '{small_disk}'")
        try:
            session.execute("alter table customer set tablespace small")
            with pytest.raises(psycopg.errors.DiskFull):
                _fill(session)
            assert value(session, "select count(*) from visit") == value(
                session, "select sum(visits) from customer"
            )
            assert unsound(session) == []
            session.execute("alter table customer set tablespace pg_default")
            visit(session, (1, 200))
            assert scores(session, 1)[1] == (pytest.approx(0.2), None)
            assert unsound(session) == []
        finally:
            session.execute("drop table if exists customer cascade")
            session.execute("checkpoint")
            session.execute("drop tablespace small")


@pytest.fixture
def standby(private: Cluster, killable: str) -> Iterator[tuple[Session, Cluster]]:
    """A shop, and a physical copy of its server that follows it."""
    with open_shop(killable) as session:
        folder = private.folder.with_name(f"{private.folder.name}-standby")
        folder.mkdir()
        folder.chmod(0o755)
        copy = Cluster(folder, settings=private.settings, database=private.database, user=private.user)
        try:
            made = private._run(  # as the server's own user
                [
                    str(private.bindir / "pg_basebackup"),
                    *("-h", str(private.socket_dir), "-p", str(private.port()), "-U", "postgres"),
                    *("-c", "fast", "-R", "-D", f"{private.folder}/data/../run/copy"),
                ]
            )
            assert made.returncode == 0
            (private.folder / "run" / "copy").rename(copy.data_dir)
            _start_standby(copy)
            yield session, copy
        finally:
            copy.destroy()


def _start_standby(copy: Cluster) -> None:
    with copy._locked():
        copy._make_socket_dir()
        copy._launch(60)


def test_a_standby_predicts_and_writes_nothing_and_once_promoted_scores(
    standby: tuple[Session, Cluster],
) -> None:
    session, copy = standby
    name = session.info.dbname
    visit(session, (1, 250))
    with connect(copy.dsn(name)) as follower:
        wait_for_replay(session, follower)
        assert value(follower, "select modelpack.warm()") == 1
        assert value(follower, "select modelpack.predict('churn', '{\"x\": 100}')") == pytest.approx(0.1)
        assert scores(follower, 1)[1] == (pytest.approx(0.25), None)
        assert (
            value(
                follower,
                "select count(*) from modelpack.doctor() where \"check\" = 'models' and status = 'ok'",
            )
            == 1
        )
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            visit(follower, (1, 200))
        assert value(follower, "select pg_promote()")
        visit(follower, (1, 200), (2, FAILS))
        assert scores(follower, 1)[1] == (pytest.approx(0.2), None)
        assert "the model fails" in str(scores(follower, 2)[2][1])
        assert unsound(follower) == []


def wait_for_replay(leader: Session, follower: Session) -> None:
    """Until the standby has all that the leader has written."""
    position: Any = value(leader, "select pg_current_wal_lsn()")
    until = time.monotonic() + 30
    while not value(follower, "select pg_last_wal_replay_lsn() >= %s::pg_lsn", position):
        assert time.monotonic() < until
        time.sleep(0.05)
