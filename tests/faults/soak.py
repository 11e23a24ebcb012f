"""`make soak`: mixed traffic for ten minutes on a server of its own, then nothing lost and nothing wrong.

Eight clients insert, correct and delete events while versions are promoted and rolled back, a model fails and is
disabled, old events are deleted, features refreshed, stale rows rescored, and backends terminated. Every half
minute a backend is killed with -9, twice in a run the postmaster. MINUTES=… says how long.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psycopg

from dev.cluster import Cluster
from modelpack.connection import make_engine
from modelpack.install import install
from tests.faults.hostile import (
    FAILS,
    Session,
    connect,
    hostile_model,
    open_shop,
    plain_model,
    publish,
    smuggle,
    unsound,
    value,
)

CLIENTS = 8
OTHERS = (
    "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    " and backend_type = 'client backend'"
)
RETRIED = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.DeadlockDetected)


class Tally:
    """What the clients know to be committed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.events = 0
        self.unknown = 0
        self.deleted = 0
        self.perhaps_deleted = 0
        self.done: Counter[str] = Counter()
        self.broken: list[str] = []
        self.memory: dict[int, list[int]] = {}


def client(dsn: str, seed: int, until: float, tally: Tally) -> None:
    """Events in all ways; a session that was terminated is opened again."""
    chance = random.Random(seed)
    while time.monotonic() < until:
        sent = 0
        try:
            with connect(dsn) as session:
                while time.monotonic() < until:
                    sent = chance.choice((1, 1, 1, 20))
                    start = chance.randrange(500)
                    x = FAILS if chance.random() < 0.02 else chance.randrange(300)
                    session.execute(
                        "insert into visit (customer_id, x) select %s + g, %s from generate_series(1, %s) as g",
                        [start, float(x), sent],
                    )
                    with tally.lock:
                        tally.events += sent
                    sent = 0
                    if chance.random() < 0.1:
                        session.execute("update visit set x = x where customer_id = %s", [start])
                    if chance.random() < 0.02:
                        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it was just killed
                            size = _private_memory(session.info.backend_pid)
                            if size:
                                with tally.lock:
                                    tally.memory.setdefault(session.info.backend_pid, []).append(size)
        except RETRIED:
            with tally.lock:
                tally.unknown += sent  # the answer was lost: committed or not


class Operator(threading.Thread):
    """Promotions, a kill switch, retention, upkeep and faults, a few a second."""

    def __init__(self, cluster: Cluster, until: float, tally: Tally) -> None:
        super().__init__()
        self.cluster, self.until, self.tally = cluster, until, tally
        self.chance = random.Random(0)
        started = time.monotonic()
        self.postmaster_dies = [started + (until - started) * part for part in (0.4, 0.8)]
        self.backend_dies = started + 15

    def run(self) -> None:
        acts = [self.promote, self.roll_back, self.replace, self.switch, self.retain, self.terminate]
        acts += [
            self.call("refresh('customer', older_than => interval '5 s')"),
            self.call("rescore('customer')"),
        ]
        acts += [self.call("rescore('customer', only_stale => true)"), self.vacuum]
        while time.monotonic() < self.until:
            try:
                with connect(self.cluster.dsn()) as session:
                    while time.monotonic() < self.until and not self._killed():
                        act = self.chance.choice(acts)
                        act(session)
                        self.tally.done[act.__name__] += 1
                        time.sleep(0.3)
            except RETRIED:
                self.tally.done["operator reconnects"] += 1

    def _killed(self) -> bool:
        """Kill what is due: then every session ends."""
        now = time.monotonic()
        if self.postmaster_dies and now > self.postmaster_dies[0]:
            self.postmaster_dies.pop(0)
            self.cluster.kill()
            self.cluster.start()
            self.tally.done["postmaster killed"] += 1
            return True
        if now > self.backend_dies:
            self.backend_dies = now + 30
            with connect(self.cluster.dsn()) as session:
                pids = [pid for (pid,) in session.execute(f"select pid {OTHERS}")]
            if pids:
                os.kill(self.chance.choice(pids), signal.SIGKILL)
                self.tally.done["backend killed"] += 1
                return True
        return False

    def promote(self, session: Session) -> None:
        session.execute("select modelpack.promote('churn', %s)", [publish(session)])

    def roll_back(self, session: Session) -> None:
        with contextlib.suppress(
            psycopg.errors.InvalidParameterValue,  # the version before is the hostile one: the gate refuses it
            psycopg.errors.ObjectNotInPrerequisiteState,  # there is none
        ):
            session.execute("select modelpack.rollback('churn')")
            self.tally.done["rolled back"] += 1

    def replace(self, session: Session) -> None:
        smuggle(session, self.chance.choice([plain_model, hostile_model])())

    def switch(self, session: Session) -> None:
        session.execute("select modelpack.disable('churn', 'soak')")
        time.sleep(0.2)
        session.execute("select modelpack.enable('churn')")

    def retain(self, session: Session) -> None:
        self.tally.perhaps_deleted += 1000
        deleted = session.execute(
            "delete from visit where visit_id in (select visit_id from visit order by visit_id limit 1000)"
        ).rowcount
        self.tally.deleted += deleted
        self.tally.perhaps_deleted -= 1000

    def terminate(self, session: Session) -> None:
        session.execute(f"select pg_terminate_backend(pid) {OTHERS} order by random() limit 1")

    def vacuum(self, session: Session) -> None:
        session.execute("vacuum customer")

    @staticmethod
    def call(what: str) -> Callable[[Session], None]:
        def act(session: Session) -> None:
            session.execute(f"call modelpack.{what}")

        act.__name__ = what.split("(")[0]
        return act


def _private_memory(pid: int) -> int:
    """kB that are the process's own; 0 until it has loaded onnxruntime, which takes some 24 MB once.

    Shared buffers do not count: right after a crash few processes have touched them.
    """
    if "onnxruntime_pybind11" not in Path(f"/proc/{pid}/maps").read_text():
        return 0
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(n) for n in re.findall(r"^(?:Anonymous|Swap):\s+(\d+) kB", text, re.MULTILINE))


def main() -> int:
    """Run, print what was found, and return 0 when all is right."""
    minutes = float(os.environ.get("MINUTES", "10"))
    with Cluster.temporary(settings={"max_connections": "40"}) as cluster:
        engine = make_engine(cluster.dsn())
        wheels = os.environ.get("MODELPACK_SERVER_WHEELS")
        with engine.begin() as connection:
            install(connection, Path(wheels) if wheels else None)
        engine.dispose()
        with open_shop(cluster.dsn(), customers=500) as session:
            before = int(value(session, "select count(*) from visit"))
        tally = Tally()
        threading.excepthook = lambda error: tally.broken.append(repr(error.exc_value))
        until = time.monotonic() + 60 * minutes
        threads = [
            threading.Thread(target=client, args=(cluster.dsn(), n, until, tally)) for n in range(CLIENTS)
        ]
        threads.append(Operator(cluster, until, tally))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with connect(cluster.dsn()) as session:
            events = int(value(session, "select count(*) from visit")) - before
            wrong = unsound(session)
            failures = int(value(session, "select count(*) from modelpack.failure_log"))
    expected = tally.events - tally.deleted
    lost = max(0, expected - tally.perhaps_deleted - events)
    strange = max(0, events - expected - tally.unknown)
    growth = max(
        (sizes[-1] - sizes[len(sizes) // 2] for sizes in tally.memory.values() if len(sizes) > 3), default=0
    )
    print(
        f"{tally.events} events in {minutes:g} minutes, {tally.deleted} deleted; lost {lost}, unexplained {strange}, "
        f"wrong rows {len(wrong)}; failure log {failures} rows; a backend's memory grew by at most "
        f"{growth / 1024:.1f} MB in the second half; {dict(sorted(tally.done.items()))}"
    )
    for what in [*wrong[:10], *tally.broken]:
        print(what)
    return 0 if not (lost or strange or wrong or tally.broken) and growth < 20 * 1024 else 1


if __name__ == "__main__":
    sys.exit(main())
