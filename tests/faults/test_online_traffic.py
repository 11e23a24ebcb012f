"""A declaration is applied, changed and taken off while eight clients write and four read as fast as they can.

Nothing is counted twice or missed, by aggregates that are written here, at the end and at sampled moments; nobody waits
longer than a second, and the longest waits are printed. The job and the server are killed in the middle.
`MODELPACK_LONG_FAULTS=1` takes some hundred thousand profiles; `make bench-online` a million, and ten million events.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dev.cluster import Cluster
from modelpack import Profile
from modelpack.attaching import apply_online, remove_online
from modelpack.connection import make_engine
from tests.faults.hostile import Session, connect, plain_model, smuggle, value

LONG = bool(os.environ.get("MODELPACK_LONG_FAULTS"))
PROFILES = int(os.environ.get("MODELPACK_ONLINE_PROFILES", 300_000 if LONG else 3_000))
EVENTS = 10 * PROFILES
WRITERS, READERS = 8, 4
LONGEST = 5.0
"""Seconds that no statement of the application may wait, times `slowness`. One second is promised, which is for a benchmark to
measure: here the clients share an interpreter with the command, and the machine with other tests."""

TABLES = f"""
create table customer (customer_id bigint primary key, plan text, note text) with (fillfactor = 80);
create table visit (
  visit_id bigint generated always as identity primary key, customer_id bigint not null, at timestamptz not null default now(),
  x double precision
);
insert into customer select g from generate_series(1, {PROFILES}) as g;
insert into visit (customer_id, at, x)
select 1 + g * 7919::bigint % {PROFILES + PROFILES // 10}, now() - g * interval '1 second', g % 300 from generate_series(1, {EVENTS}) as g;
analyze;
"""

DECLARATION = """
from modelpack import Event, Profile, Score, count, last, maximum, total

customer = Profile(
    "customer",
    key="customer_id",
    events=[Event("visit", at="at", features={{"x": last("x"), "visits": count(){more}}})],
    scores=[Score("churn", model="churn")],
)
"""
FIRST = DECLARATION.format(more="")
SECOND = DECLARATION.format(
    more=', "recent": count(window="1 day"), "most": maximum("x"), "weight": total("visit_id")'
)

TRUTH = """
select count(*) from customer as c
 where c.customer_id % {every} = {part} and c.churn_stale is distinct from 'not counted yet'
   and (c.visits <> (select count(*) from visit as v where v.customer_id = c.customer_id)
        {more})
"""
MORE = """
 or c.most is distinct from (select max(v.x) from visit as v where v.customer_id = c.customer_id)
 or c.weight <> (select coalesce(sum(v.visit_id), 0) from visit as v where v.customer_id = c.customer_id)
"""


class Client(threading.Thread):
    """One session that does one thing after the other, and knows how long each took."""

    def __init__(
        self, dsn: str, number: int, act: Callable[[Session, random.Random], object], enough: threading.Event
    ) -> None:
        super().__init__()
        self.dsn, self.act, self.enough = dsn, act, enough
        self.chance = random.Random(number)
        self.longest, self.done = 0.0, 0
        self.error: BaseException | None = None

    def run(self) -> None:
        while not self.enough.is_set():
            try:
                with connect(self.dsn) as session:
                    while not self.enough.is_set():
                        began = time.monotonic()
                        self.act(session, self.chance)
                        self.longest = max(self.longest, time.monotonic() - began)
                        self.done += 1
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if isinstance(error, psycopg.errors.DeadlockDetected):
                    self.error = error
                    return
                # the server was killed
            except BaseException as error:
                self.error = error
                return


def write(session: Session, chance: random.Random) -> None:
    """An event, several, a correction, a deletion, a static input, or a column that no model reads."""
    who = chance.randrange(1, PROFILES + PROFILES // 5)
    what = chance.random()
    if what < 0.5:
        session.execute("insert into visit (customer_id, x) values (%s, %s)", (who, chance.randrange(300)))
    elif what < 0.6:
        session.execute(
            "insert into visit (customer_id, x) select %s + g, g from generate_series(1, 12) as g", (who,)
        )
    elif what < 0.7:
        session.execute("update visit set x = x + 1 where customer_id = %s", (who,))
    elif what < 0.75:
        session.execute("update visit set customer_id = %s where customer_id = %s", (who + 1, who))
    elif what < 0.85:
        session.execute("delete from visit where customer_id = %s and x > 150", (who,))
    else:
        session.execute("update customer set note = %s where customer_id = %s", (str(what), who))


def read(session: Session, chance: random.Random) -> None:
    session.execute(
        "select plan, note from customer where customer_id = %s", (chance.randrange(1, PROFILES),)
    ).fetchall()


class Traffic:
    """The clients, from the beginning to the end of a `with`."""

    def __init__(self, dsn: str) -> None:
        self.enough = threading.Event()
        self.writers = [Client(dsn, n, write, self.enough) for n in range(WRITERS)]
        self.readers = [Client(dsn, 100 + n, read, self.enough) for n in range(READERS)]

    def __enter__(self) -> Traffic:
        for client in (*self.writers, *self.readers):
            client.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.enough.set()
        for client in (*self.writers, *self.readers):
            client.join()
        assert [c.error for c in (*self.writers, *self.readers) if c.error] == []

    def waits(self, step: str) -> tuple[float, float]:
        """The longest wait of a writer and of a reader since the last time that this was asked."""
        found = max(c.longest for c in self.writers), max(c.longest for c in self.readers)
        done = sum(c.done for c in self.writers), sum(c.done for c in self.readers)
        for client in (*self.writers, *self.readers):
            client.longest = 0.0
        print(
            f"{step}: longest wait of a writer {found[0]:.3f} s, of a reader {found[1]:.3f} s; {done[0]} writes, {done[1]} reads"
        )
        return found


class Sampler(threading.Thread):
    """Holds counted rows against their events, a part of them at a time, in one snapshot each."""

    def __init__(self, dsn: str, more: str) -> None:
        super().__init__()
        self.dsn, self.more = dsn, more
        self.enough = threading.Event()
        self.samples, self.wrong = 0, 0
        self.error: BaseException | None = None

    def run(self) -> None:
        every = max(1, PROFILES // 300)
        try:
            with connect(self.dsn) as session:
                while not self.enough.is_set():
                    try:
                        self.wrong += value(
                            session, TRUTH.format(every=every, part=self.samples % every, more=self.more)
                        )
                        self.samples += 1
                    except psycopg.errors.UndefinedColumn:  # not applied yet
                        time.sleep(0.02)
        except BaseException as error:
            self.error = error

    def __enter__(self) -> Sampler:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.enough.set()
        self.join()
        assert self.error is None
        assert self.samples > 0
        assert self.wrong == 0


def declared(text: str) -> Profile:
    found: dict[str, Any] = {}
    exec(text, found)
    return found["customer"]


def run_online(dsn: str, act: Callable[..., object], text: str) -> float:
    engine = make_engine(dsn)
    began = time.monotonic()
    with engine.connect() as connection:
        act(connection.execution_options(isolation_level="AUTOCOMMIT"), declared(text))
    engine.dispose()
    return time.monotonic() - began


def all_right(session: Session, more: str) -> None:
    assert value(session, "select count(*) from customer where churn_stale = 'not counted yet'") == 0
    assert (
        value(
            session,
            "select count(*) from visit as v where not exists (select from customer as c where c.customer_id = v.customer_id)",
        )
        == 0
    )
    assert value(session, TRUTH.format(every=1, part=0, more=more)) == 0


def slowness(session: Session) -> float:
    """How many times longer a statement takes than the processor needs for it: other programs run beside the tests."""
    (pid,) = session.execute("select pg_backend_pid()").fetchall()[0]

    def spent() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before, began = spent(), time.monotonic()
    while spent() - before < 0.3:
        session.execute("select sum(sqrt(g)) from generate_series(1, 200000) as g")
    return (time.monotonic() - began) / (spent() - before)


def test_nobody_waits_and_nothing_is_miscounted_while_a_declaration_comes_changes_and_goes(
    killable: str,
) -> None:
    with connect(killable) as session:
        session.execute(TABLES)
        smuggle(session, plain_model())
        with Traffic(killable) as traffic:
            time.sleep(1)
            slow = slowness(session)
            traffic.waits("before")
            with Sampler(killable, ""):
                took = run_online(killable, apply_online, FIRST)
                applied = traffic.waits(f"applied in {took:.1f} s")
            with Sampler(killable, ""):
                took = run_online(killable, apply_online, SECOND)
                changed = traffic.waits(f"changed in {took:.1f} s")
            slow = max(slow, slowness(session))
        all_right(session, MORE)
        assert (
            session.execute(
                "select * from modelpack.verify('customer', array(select g::text from generate_series(1, 300) as g))"
            ).fetchall()
            == []
        )
        with Traffic(killable) as traffic:
            time.sleep(1)
            traffic.waits("between")
            took = run_online(killable, remove_online, SECOND)
            removed = traffic.waits(f"removed in {took:.1f} s")
        assert value(session, "select count(*) from modelpack.profile") == 0
        print(f"statements take {slow:.1f} times longer than the processor needs for them")
        assert max(*applied, *changed, *removed) < LONGEST * max(1.0, slow)


@pytest.mark.long
def test_the_job_and_the_server_are_killed_in_the_middle(
    private: Cluster, killable: str, tmp_path: Path
) -> None:
    file = tmp_path / "declaration.py"
    file.write_text(FIRST)
    with connect(killable) as session:
        session.execute(TABLES)
        smuggle(session, plain_model())
    apply = [sys.executable, "-m", "modelpack", "apply", "--online", str(file), "--dsn", killable]
    with Traffic(killable):
        for victim in ("job", "server"):
            job = subprocess.Popen(apply, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with connect(killable) as session:
                before = until_counted(session, job)
            if victim == "job":
                job.send_signal(signal.SIGKILL)
            else:
                private.kill()
                private.start()
            job.wait(60)
            with connect(killable) as session:
                assert value(session, TRUTH.format(every=1, part=0, more="")) == 0
            print(f"{victim} killed with {before} rows left")
        done = subprocess.run(apply, capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, done.stderr
    with connect(killable) as session:
        all_right(session, "")


def until_counted(session: Session, job: subprocess.Popen[bytes]) -> int:
    """Wait until the job has counted some rows more; how many are left."""
    first: int | None = None
    until = time.monotonic() + 300
    while time.monotonic() < until and job.poll() is None:
        try:
            left = int(value(session, "select count(*) from customer where churn_stale = 'not counted yet'"))
        except psycopg.errors.UndefinedColumn:
            time.sleep(0.01)
            continue
        first = left if first is None else first
        if 0 < left < first:
            return left
        time.sleep(0.005)
    pytest.fail(f"the job ended ({job.poll()}) before it could be killed")
