"""`make soak`: mixed traffic for ten minutes on a server of its own, then nothing lost and nothing wrong.

Eight clients insert, correct and delete events while versions are promoted and rolled back, a model fails and is
disabled, features are refreshed, stale rows rescored and backends terminated. MINUTES=… says how long.
"""

from __future__ import annotations

import os
import random
import re
import sys
import threading
import time
from pathlib import Path

import psycopg

from dev.cluster import Cluster
from modelpack.install import install
from modelpack.server import make_engine
from tests.faults.hostile import FAILS, connect, open_shop, plain_model, smuggle, unsound, value

CLIENTS = 8
RETRIED = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.DeadlockDetected)


class Tally:
    """What the clients know to be committed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.events = 0
        self.unknown = 0
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
                        size = _private_memory(session.info.backend_pid)
                        with tally.lock:
                            tally.memory.setdefault(session.info.backend_pid, []).append(size)
        except RETRIED:
            with tally.lock:
                tally.unknown += sent  # the answer was lost: committed or not


def operator(dsn: str, until: float) -> None:
    """Promotions, a kill switch, refreshes, rescores and terminated backends, a few a second."""
    chance = random.Random(0)
    with connect(dsn) as session:
        while time.monotonic() < until:
            what = chance.randrange(6)
            if what == 0:
                smuggle(session, plain_model())
            elif what == 1:
                session.execute("select modelpack.disable('churn', 'soak')")
                time.sleep(0.2)
                session.execute("select modelpack.enable('churn')")
            elif what == 2:
                session.execute("call modelpack.refresh('customer', older_than => interval '5 s')")
            elif what == 3:
                session.execute("call modelpack.rescore('customer', only_stale => true)")
            elif what == 4:
                session.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
                    " and pid <> pg_backend_pid() and backend_type = 'client backend' order by random() limit 1"
                )
            else:
                session.execute("vacuum customer")
            time.sleep(0.3)


def _private_memory(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(n) for n in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.MULTILINE))


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
        tally, until = Tally(), time.monotonic() + 60 * minutes
        threads = [
            threading.Thread(target=client, args=(cluster.dsn(), n, until, tally)) for n in range(CLIENTS)
        ]
        threads.append(threading.Thread(target=operator, args=(cluster.dsn(), until)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with connect(cluster.dsn()) as session:
            events = int(value(session, "select count(*) from visit")) - before
            wrong = unsound(session)
            failures = int(value(session, "select count(*) from modelpack.failure_log"))
    lost = max(0, tally.events - events)
    strange = max(0, events - tally.events - tally.unknown)
    growth = max(
        (sizes[-1] - sizes[len(sizes) // 2] for sizes in tally.memory.values() if len(sizes) > 3), default=0
    )
    print(
        f"{events} events in {minutes:g} minutes; lost {lost}, unexplained {strange}, wrong rows {len(wrong)}; "
        f"failure log {failures} rows; a backend's memory grew by at most {growth / 1024:.1f} MB in the second half"
    )
    return 0 if not (lost or strange or wrong) and growth < 20 * 1024 else 1


if __name__ == "__main__":
    sys.exit(main())
