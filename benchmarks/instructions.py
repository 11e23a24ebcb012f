"""How many instructions one event takes: what a busy machine does not change.

A server of its own is filled, stopped, and run as a single process under valgrind's callgrind, twice: the difference of
two numbers of events is theirs alone, without the start, the plans and the model's loading.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks import cases
from benchmarks.cases import Skipped
from benchmarks.ground import STRIDE, Ground
from benchmarks.names import FLOOR, HAND, LOG, NONE, PYTHON, SCORE, committed
from benchmarks.rivals import handwritten
from benchmarks.rounds import Group
from benchmarks.sizes import Sizes
from dev.cluster import Cluster
from dev.machine import ClusterError, run_as
from modelpack.connection import make_engine
from modelpack.install import install

FEW, MANY = 200, 1200
"""Events of the two runs that are held against each other."""


def instructions(_ground: object, sizes: Sizes) -> Group:
    """Instructions of one event of each of our cases, on a server of its own."""
    group = Group(
        "instructions", "Instructions of one event, inside the server", "instructions an event", FLOOR,
        watched=[LOG, committed(LOG), PYTHON, committed(PYTHON)],
    )  # fmt: skip
    names = {
        NONE: "i_none",
        HAND: "i_hand",
        FLOOR: "i_floor",
        SCORE: "i_score",
        LOG: "i_log",
        PYTHON: "i_python",
    }
    try:
        with _filled(names, sizes) as cluster:
            for case, schema in names.items():
                group.readings[case] = [_an_event(cluster, schema)]
            # what applications do: PL/pgSQL prepares its simple expressions anew in each transaction
            for case in (FLOOR, LOG, PYTHON):
                group.readings[committed(case)] = [_an_event(cluster, names[case], commit=True)]
    except (Skipped, ClusterError) as reason:
        group.readings, group.watched, group.skipped = {}, [], {LOG: str(reason)}
    return group


@contextmanager
def _filled(names: dict[str, str], sizes: Sizes) -> Iterator[Cluster]:
    """A server with the tables of all cases, stopped."""
    if shutil.which("valgrind") is None:
        raise Skipped("valgrind is not installed; run: apt-get install valgrind")
    with Cluster.temporary() as cluster:
        dsn = cluster.dsn()
        wheels = os.environ.get("MODELPACK_SERVER_WHEELS")
        engine = make_engine(dsn)
        with engine.begin() as connection:
            install(connection, Path(wheels) if wheels else None)
        engine.dispose()
        ground = Ground(dsn, sizes.customers)
        try:
            cases.none(ground, names[NONE])
            ground.tables(names[HAND])
            handwritten.make(ground, names[HAND])
            cases.floor(ground, names[FLOOR])
            cases.scored(ground, names[SCORE], sizes.main)
            cases.logged(ground, names[LOG], sizes.main)
            cases.logged(ground, names[PYTHON], replace(sizes.main, engine="python"))
        finally:
            ground.close()
        cluster.stop()
        yield cluster


def _an_event(cluster: Cluster, schema: str, *, commit: bool = False) -> float:
    few, many = (_collected(cluster, schema, events, commit=commit) for events in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def _collected(cluster: Cluster, schema: str, events: int, *, commit: bool) -> int:
    """Instructions of a process that starts, brings that many events and takes them back, or commits each."""
    loop = (
        f"do $$ begin for i in 1..{events} loop insert into {schema}.event (customer_id, amount) "
        f"values (1 + (i::bigint * {STRIDE}) % 10000, i % 100);{' commit;' * commit} end loop; end $$"
    )
    statements = [loop] if commit else ["begin", loop, "rollback"]
    program = ["env", "PYTHONHASHSEED=0", "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    server = [
        str(cluster.bindir / "postgres"),
        "--single",
        "-j",
        "-D",
        str(cluster.data_dir),
        "-c",
        "fsync=off",
    ]
    done = run_as(
        cluster.user,
        [*program, *server, cluster.database],
        input="".join(f"{statement};\n\n" for statement in statements),
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    wrong = re.search(r"(?:ERROR|FATAL): .*", done.stderr)
    if found is None or wrong:
        raise Skipped(f"callgrind cannot run the server: {wrong[0] if wrong else done.stderr[-300:]}")
    return int(found[1])
