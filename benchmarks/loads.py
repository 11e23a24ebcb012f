"""The loads: ways to bring events to a schema's event table, and what each event took.

Every function gives a run that can be repeated; its readings are microseconds an event unless it says otherwise.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg

from benchmarks.ground import STRIDE, Ground
from benchmarks.models import FEATURES
from benchmarks.rounds import Run
from dev.machine import ClusterError, get_bindir

MICRO = 1e6
PARTS = 3
"""Of a reading of statements in a loop."""


def loop(ground: Ground, schema: str, events: int, rows: int = 1, *, customers: int | None = None) -> Run:
    """Statements of `rows` events each, in a loop inside the server: no client, no network, one transaction.

    A reading is the best of its `PARTS`: a machine that others use, too, is disturbed for moments.
    `customers`: how many of them the events are spread over, where that is not the ground's own number.
    """
    turns = max(1, events // rows // PARTS)

    def part() -> float:
        keys = _keys(ground, "i::bigint", customers)
        if rows == 1:
            insert = f"insert into {schema}.event (customer_id, amount) values ({keys}, i % 100)"
        else:
            insert = (
                f"insert into {schema}.event (customer_id, amount) "
                f"select {_keys(ground, f'(i::bigint * {rows} + j)', customers)}, "
                f"j % 100 from generate_series(1, {rows}) as j"
            )
        return ground.timed(f"do $$ begin for i in 1..{turns} loop {insert}; end loop; end $$")

    def run() -> float:
        return min(part() for _ in range(PARTS)) / (turns * rows) * MICRO

    return run


def statement(ground: Ground, schema: str, rows: int) -> Run:
    """One INSERT of that many events."""

    def run() -> float:
        keys = _keys(ground, "i::bigint")
        return (
            ground.timed(
                f"insert into {schema}.event (customer_id, amount) select {keys}, i % 100 from generate_series(1, {rows}) as i"
            )
            / rows
            * MICRO
        )

    return run


def copy(ground: Ground, schema: str, rows: int) -> Run:
    """COPY of that many events from the server's own file, which is written first."""
    ground.run(
        f"create unlogged table {schema}.copied as select {_keys(ground, 'i::bigint')} as customer_id, (i % 100)::numeric "
        f"as amount from generate_series(1, {rows}) as i"
    )
    with ground.connection.cursor().copy(f"copy {schema}.copied to stdout") as out:
        lines = b"".join(out)

    def run() -> float:
        start = ground.clock()
        with ground.connection.cursor().copy(
            f"copy {schema}.event (customer_id, amount) from stdin"
        ) as target:
            target.write(lines)
        return (ground.clock() - start) / rows * MICRO

    return run


def static_update(ground: Ground, schema: str, rows: int) -> Run:
    """An application's UPDATE of a static column, one customer a statement, in a loop inside the server."""

    def run() -> float:
        keys = _keys(ground, "i::bigint")
        return (
            ground.timed(
                f"do $$ begin for i in 1..{rows} loop update {schema}.customer set visits = visits + 1 "
                f"where customer_id = {keys}; end loop; end $$"
            )
            / rows
            * MICRO
        )

    return run


def _keys(ground: Ground, number: str, customers: int | None = None) -> str:
    return f"1 + ({number} * {STRIDE} + {ground.offset()}) % {customers or ground.customers}"


def find_pgbench() -> str | None:
    """The server's own pgbench; None where there is none."""
    try:
        beside = get_bindir() / "pgbench"
    except ClusterError:
        beside = Path("pgbench")
    return str(beside) if beside.is_file() else shutil.which("pgbench")


@contextmanager
def commits(ground: Ground, mode: str) -> Iterator[None]:
    """synchronous_commit for the session of the loads."""
    ground.run(f"set synchronous_commit = {mode}")
    try:
        yield
    finally:
        ground.run("reset synchronous_commit")


def pgbench(
    ground: Ground,
    schema: str,
    *,
    clients: int,
    seconds: int,
    commit: str = "on",
    customers: int | None = None,
) -> Run:
    """Single INSERTs by prepared statements from that many clients: microseconds of the server an event.

    The first seconds, in which new sessions load the model, are left out.

    That is the time between two events, whoever sent them: with two clients that do not hinder each other on two
    processors it is half of what each waits. `customers`: how many of them the events are spread over.
    """
    program = find_pgbench()
    if program is None:
        raise RuntimeError("found no pgbench; expected it beside the server's programs or on PATH")
    cores = os.cpu_count() or 1
    lead = 1 + clients // (2 * cores)
    script = (
        f"\\set key random(1, {customers or ground.customers})\n"
        f"insert into {schema}.event (customer_id, amount) values (:key, 10);\n"
    )

    def run() -> float:
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write(script)
            file.flush()
            done = subprocess.run(
                [
                    program, "--no-vacuum", "--protocol=prepared", f"--client={clients}",
                    f"--jobs={min(clients, cores)}", f"--time={seconds + lead}", "--progress=1", f"--file={file.name}", ground.dsn,
                ],
                capture_output=True, text=True, check=False, timeout=seconds + 60,
                env=os.environ | {"PGOPTIONS": f"-c synchronous_commit={commit}"},
            )  # fmt: skip
        progress = re.findall(r"^progress: ([0-9.]+) s, ([0-9.]+) tps", done.stderr, re.MULTILINE)[:lead]
        total = re.search(r"actually processed: (\d+)", done.stdout)
        if done.returncode or not progress or total is None:
            raise RuntimeError(f"pgbench fails: {(done.stderr or done.stdout)[-500:]}")
        led, before = 0.0, 0.0
        for until, tps in progress:
            before += (float(until) - led) * float(tps)
            led = float(until)
        return MICRO * (seconds + lead - led) / max(int(total[1]) - before, 1.0)

    return run


def rescore(ground: Ground, schema: str, profiles: int) -> Run:
    """`CALL modelpack.rescore` of every profile: microseconds a profile. Vacuumed first, outside the time."""

    def run() -> float:
        ground.run(f"vacuum {schema}.customer")
        return (
            ground.timed(f"call modelpack.rescore('{schema}.customer', everything => true)")
            / profiles
            * MICRO
        )

    return run


def rescore_shared(ground: Ground, schema: str, profiles: int, sessions: list[psycopg.Connection]) -> Run:
    """The same by several sessions at once, each with its share."""

    def run() -> float:
        ground.run(f"vacuum {schema}.customer")
        calls = [
            f"call modelpack.rescore('{schema}.customer', everything => true, share => {n}, shares => {len(sessions)})"
            for n in range(1, len(sessions) + 1)
        ]
        with ThreadPoolExecutor(len(sessions)) as pool:
            start = ground.clock()
            for done in [pool.submit(s.execute, call) for s, call in zip(sessions, calls, strict=True)]:
                done.result()
            return (ground.clock() - start) / profiles * MICRO

    return run


def model_alone(ground: Ground, schema: str, model: str, profiles: int) -> Run:
    """The champion on the inputs of all profiles, packed beforehand: microseconds a profile."""
    packed = "array_send(array_agg(array[" + ", ".join(f"{name}::float8" for name in FEATURES) + "]))"
    ground.run(
        f"create table {schema}.packed as select {packed} as inputs from {schema}.customer group by customer_id / 7500"
    )
    version = ground.value(
        "select v.version_id from modelpack.version as v join modelpack.alias as a using (model, version) "
        "where v.model = %s and a.alias = 'champion'",
        (model,),
    )
    query = f"select sum(length(modelpack.score_many({version}, p.inputs, null))) from {schema}.packed as p"
    return lambda: ground.timed(query) / profiles * MICRO


def rewrite(ground: Ground, schema: str, columns: str, profiles: int) -> Run:
    """One UPDATE of every profile of a table without triggers: microseconds a profile. Vacuumed first, outside the time."""

    def run() -> float:
        ground.run(f"vacuum {schema}.customer")
        return ground.timed(f"update {schema}.customer set {columns}") / profiles * MICRO

    return run
