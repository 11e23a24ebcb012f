"""How the cost of one event grows: with profiles, events, versions, inputs and connections."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psycopg

from benchmarks import cases, loads
from benchmarks.ground import Ground
from benchmarks.models import WINDOWED, Workload, packed
from benchmarks.names import beside
from benchmarks.rivals import handwritten
from benchmarks.rounds import Group, interleave
from benchmarks.sizes import Sizes

COLD, SPENT, WARM, MEMORY, BARE = (
    "first score of a session, ms",
    "of it processor time, ms",
    "one event afterwards, µs",
    "private and shared memory of a backend (Pss), MB",
    "the same before it has scored, MB",
)


Make = Callable[[str, int], None]


def _grow(
    ground: Ground,
    sizes: Sizes,
    what: str,
    numbers: tuple[int, ...],
    make: Make,
    rival: Make | None = None,
) -> Group:
    """One schema for each number, single events in the server, interleaved; `rival` makes the hand-written one's."""
    title = f"Growth with {what}: count + score + log, one event a statement"
    named = {f"{n:,} {what}": f"g_{what.split(',')[0]}_{n}" for n in numbers}
    group = Group(f"growth {what}", title, "µs an event", next(iter(named)), watched=list(named)[1:])
    runs = {}
    for (case, schema), n in zip(named.items(), numbers, strict=True):
        make(schema, n)
        customers = int(ground.value(f"select count(*) from {schema}.customer"))
        runs[case] = loads.loop(ground, schema, sizes.singles, customers=customers)
        if rival:
            rival(f"{schema}_beside", n)
            runs[beside(case)] = loads.loop(ground, f"{schema}_beside", sizes.singles, customers=customers)
    ground.settle([name for schema in named.values() for name in (schema, f"{schema}_beside")])
    interleave(group, runs, sizes.rounds)
    for schema in named.values():
        ground.run(f"select modelpack.detach('{schema}.customer'); drop schema {schema} cascade")
        ground.run(f"drop schema if exists {schema}_beside cascade")
    return group


def profiles(ground: Ground, sizes: Sizes) -> Group:
    """From few customers to many; each event touches another one, whose page may have left the memory.

    A hand-written trigger shows what of that is the storage's.
    """
    model = cases.publish(ground, sizes.main)

    def make(schema: str, n: int) -> None:
        ground.tables(schema, customers=n)
        ground.declare(schema, model=model)

    def counters(schema: str, n: int) -> None:
        ground.tables(schema, customers=n)
        handwritten.make(ground, schema)

    return _grow(ground, sizes, "profiles", sizes.grown_profiles, make, counters)


def events(ground: Ground, sizes: Sizes) -> Group:
    """From few events to many, over as many customers as make ten events each; windows are read when scoring.

    A hand-written trigger that reads the same windows shows what of that is the storage's.
    """
    model = cases.publish(ground, sizes.main)

    def tables(schema: str, n: int) -> None:
        ground.tables(schema, customers=max(ground.customers, n // 10), events=n)

    def make(schema: str, n: int) -> None:
        tables(schema, n)
        ground.declare(schema, model=model, features=WINDOWED)

    def counters(schema: str, n: int) -> None:
        tables(schema, n)
        handwritten.make(ground, schema, windows=True)

    return _grow(ground, sizes, "events, windows on", sizes.grown_events, make, counters)


def versions(ground: Ground, sizes: Sizes) -> Group:
    """From one version of the model to many, the newest of which scores."""

    def make(schema: str, n: int) -> None:
        for _ in range(n):
            ground.publish(schema, packed(sizes.main))
        ground.tables(schema)
        ground.declare(schema, model=schema)

    return _grow(ground, sizes, "versions", sizes.grown_versions, make)


def inputs(ground: Ground, sizes: Sizes) -> Group:
    """From few inputs to many. This one may grow: each input is packed and logged."""
    kind = sizes.main.model

    def make(schema: str, n: int) -> None:
        cases.logged(ground, schema, Workload(kind, n))

    return _grow(ground, sizes, "inputs", sizes.grown_inputs, make)


def connections(ground: Ground, sizes: Sizes) -> Group:
    """Sessions that are open at once: what the first score of each takes, and the memory that each keeps."""
    free = int(
        ground.value(
            "select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int "
            "- (select count(*) from pg_stat_activity where backend_type = 'client backend') - 2"
        )
    )
    group = Group(
        "growth connections", "Sessions that are open at once: count + score + log", "as each row says", ""
    )
    for workload, told in ((sizes.main, str), (replace(sizes.main, engine="python"), by_python)):
        schema = f"g_connections_{workload.engine}"
        model = cases.publish(ground, workload)
        ground.tables(schema)
        ground.declare(schema, model=model)
        for n in dict.fromkeys(min(wanted, free) for wanted in sizes.connections):
            for what, readings in _opened(ground, sizes, schema, n).items():
                if readings is None:
                    group.skipped[MEMORY] = "the memory of the server's processes cannot be read from here"
                else:
                    group.readings[told(f"{n} open: {what}")] = readings
    return group


def by_python(what: str) -> str:
    """The same of a version that Python scores."""
    return f"{what}, engine python"


def _opened(ground: Ground, sizes: Sizes, schema: str, n: int) -> dict[str, list[float] | None]:
    """The readings of so many sessions; None where they cannot be taken here."""
    with ExitStack() as stack:
        opened = [stack.enter_context(psycopg.connect(ground.dsn, autocommit=True)) for _ in range(n)]
        cold, warm, bare, spent = [], [], [], []
        for number, session in enumerate(opened):
            bare.append(proportional_memory(session.info.backend_pid))
            session.execute("set synchronous_commit = off")  # the disk is no part of it
            before = processor_time(session.info.backend_pid)
            cold.append(_event(ground, session, schema, number) * 1e3)
            after = processor_time(session.info.backend_pid)
            if before is not None and after is not None:
                spent.append((after - before) * 1e3)
        memory = [proportional_memory(session.info.backend_pid) for session in opened]
        for number, session in enumerate(opened[: sizes.slow]):
            readings = [_event(ground, session, schema, 1000 * number + i) for i in range(20)]
            warm.append(statistics.median(readings) * 1e6)
    readable = None not in (*memory, *bare)
    return {
        COLD: cold,
        **({SPENT: spent} if len(spent) == n else {}),
        WARM: warm,
        MEMORY: [m for m in memory if m is not None] if readable else None,
        BARE: [m for m in bare if m is not None] if readable else None,
    }


def _event(
    ground: Ground, session: psycopg.Connection[tuple[object, ...]], schema: str, number: int
) -> float:
    """Seconds of one event from a client."""
    start = ground.clock()
    session.execute(
        f"insert into {schema}.event (customer_id, amount) values (%s, 10)",
        (1 + number % ground.customers,),
    )
    return ground.clock() - start


def processor_time(pid: int) -> float | None:
    """Seconds of processor time that a process has taken; None where it cannot be read."""
    try:
        text = Path(f"/proc/{pid}/schedstat").read_text()
    except OSError:
        return None
    return int(text.split()[0]) / 1e9  # of its main thread: a backend has work for no other


def proportional_memory(pid: int) -> float | None:
    """MB of a process, pages that are shared divided by those who share them; None where it cannot be read."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return None
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else None


PARTS = (profiles, events, versions, inputs, connections)
