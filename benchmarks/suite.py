"""The suite: which cases run side by side under which load."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from benchmarks import cases, growth, loads
from benchmarks.cases import Skipped
from benchmarks.ground import Ground
from benchmarks.instructions import instructions
from benchmarks.loads import MICRO
from benchmarks.models import RICH, Workload
from benchmarks.names import (
    BARE,
    EXPERIMENT,
    FLOOR,
    FOREST,
    FRAME,
    HAND,
    HISTOGRAM,
    LOG,
    MODEL_ALONE,
    NIGHTLY,
    NONE,
    ORBITAL,
    ORBITAL_LINEAR,
    PICKLED,
    RESCORE,
    SCORE,
    SERVICE,
    SETWISE,
    SHADOW,
    SHADOW_INPUTS,
    SHARED,
    SOCKET,
    STATIC,
    TCP,
    UPDATE,
)
from benchmarks.rivals import application, handwritten, pickled, service, setwise, translated
from benchmarks.rounds import Group, Run, interleave
from benchmarks.sizes import Sizes
from benchmarks.startup import startup

EVENT = "µs an event"
Say = Callable[[str], None]


def run(ground: Ground, sizes: Sizes, say: Say, *, only: str | None = None) -> list[Group]:
    """All groups, in the order of the page, or those of the part `only`. `say` hears what comes next."""
    say("tables and models")
    skipped = _schemas(ground, sizes)
    ground.settle([*OURS.values(), *TRIGGERS.values()])
    groups: list[Group] = []
    for section in SECTIONS:
        part = section.__name__.strip("_")
        if only in (None, part):
            say(part)
            groups += [replace(group, part=part) for group in section(ground, sizes, skipped)]
    for alone in ALONE:
        part = alone.__name__
        if only == part or (only is None and (alone is not instructions or sizes.instructions)):
            say(part)
            groups.append(replace(alone(ground, sizes), part=part))
    return groups


OURS = {
    NONE: "b_none",
    HAND: "b_hand",
    SETWISE: "b_setwise",
    FLOOR: "b_floor",
    SCORE: "b_score",
    LOG: "b_log",
    STATIC: "b_static",
}
TRIGGERS = {
    PICKLED: "b_array",
    FRAME: "b_frame",
    HISTOGRAM: "b_hist",
    FOREST: "b_forest",
    ORBITAL: "b_orbital",
}


def _schemas(ground: Ground, sizes: Sizes) -> dict[str, str]:
    """Make every schema of the cases; the sentences of those that cannot run."""
    skipped = {}
    cases.none(ground, OURS[NONE])
    ground.tables(OURS[HAND])
    handwritten.make(ground, OURS[HAND])
    ground.tables(OURS[SETWISE])
    setwise.make(ground, OURS[SETWISE], sizes.main)
    cases.floor(ground, OURS[FLOOR])
    cases.logged(ground, OURS[LOG], sizes.main)
    cases.static(ground, OURS[STATIC], sizes.main)
    try:
        cases.scored(ground, OURS[SCORE], sizes.main)
    except Skipped as reason:
        skipped[SCORE] = str(reason)
    makers: dict[str, Callable[[str], None]] = {
        PICKLED: lambda s: pickled.make(ground, s, sizes.main, given="array"),
        FRAME: lambda s: pickled.make(ground, s, sizes.main, given="frame"),
    }
    if sizes.rivals:
        makers |= {
            HISTOGRAM: lambda s: pickled.make(ground, s, Workload("100 histogram trees"), given="array"),
            FOREST: lambda s: pickled.make(ground, s, Workload("100 random trees"), given="array"),
        }
    without_orbital = translated.missing()
    if without_orbital:
        skipped[ORBITAL] = without_orbital
    elif sizes.rivals:
        makers[ORBITAL] = lambda s: translated.make(ground, s, sizes.main)
        makers[ORBITAL_LINEAR] = lambda s: translated.make(ground, s, Workload("logistic regression"))
    for name, make in makers.items():
        schema = _schema(name)
        cases.floor(ground, schema)
        make(schema)
    cases.floor(ground, "b_application")
    application.make(ground, "b_application")
    return skipped


def _schema(name: str) -> str:
    return TRIGGERS.get(name, "b_orbital_linear")


def _there(ground: Ground, schema: str) -> bool:
    return bool(ground.value("select to_regclass(%s) is not null", (f"{schema}.event",)))


def _single(ground: Ground, sizes: Sizes, skipped: dict[str, str]) -> list[Group]:
    group = Group("single", "One event a statement, inside the server", EVENT, FLOOR, watched=[LOG])
    group.skipped = {k: v for k, v in skipped.items() if k in (SCORE, ORBITAL)}
    runs = {
        name: loads.loop(ground, OURS[name], sizes.singles)
        for name in (NONE, HAND, FLOOR, SCORE, LOG)
        if name not in skipped
    }
    if SCORE in runs:
        group.watched.append(SCORE)
    for name in (PICKLED, FRAME, HISTOGRAM, FOREST, ORBITAL, ORBITAL_LINEAR):
        if _there(ground, _schema(name)):
            runs[name] = loads.loop(ground, _schema(name), sizes.slow)
    return [interleave(group, runs, sizes.rounds)]


def _statements(ground: Ground, sizes: Sizes, skipped: dict[str, str]) -> list[Group]:
    groups = []
    for rows in sizes.statements:
        small = rows < 1000
        group = Group(f"statement of {rows}", f"{rows:,} events a statement", EVENT, FLOOR, watched=[LOG])
        runs: dict[str, Run] = {}
        for name in (NONE, HAND, SETWISE, FLOOR, SCORE, LOG):
            if name not in skipped:
                schema = OURS[name]
                runs[name] = (
                    loads.loop(ground, schema, max(sizes.singles, 3 * rows), rows)
                    if small
                    else loads.statement(ground, schema, rows)
                )
        if rows == 10_000 and _there(ground, TRIGGERS[ORBITAL]):
            runs[ORBITAL] = loads.statement(ground, TRIGGERS[ORBITAL], rows)
            runs[ORBITAL_LINEAR] = loads.statement(ground, _schema(ORBITAL_LINEAR), rows)
        groups.append(interleave(group, runs, sizes.rounds))
    return groups


def _rich_statements(ground: Ground, sizes: Sizes, _skipped: dict[str, str]) -> list[Group]:
    """The same where two features have windows, one decays and an input is a text."""
    workload = Workload(sizes.main.model, 9, 1)
    made = {FLOOR: ("b_rich_floor", None), LOG: ("b_rich", cases.publish(ground, workload))}
    for schema, model in made.values():
        ground.tables(schema, workload=workload, events=10 * ground.customers)
        ground.declare(schema, model=model, features=RICH)
    ground.settle([schema for schema, _ in made.values()])
    groups = []
    for rows in sizes.statements:
        title = f"{rows:,} events a statement, with windows, decay and a text input"
        group = Group(f"rich statement of {rows}", title, EVENT, FLOOR, watched=[LOG])
        runs = {
            name: loads.loop(ground, schema, max(sizes.singles, 3 * rows), rows)
            if rows < 1000
            else loads.statement(ground, schema, rows)
            for name, (schema, _) in made.items()
        }
        groups.append(interleave(group, runs, sizes.rounds))
    return groups


def _versions_beside(ground: Ground, sizes: Sizes, _skipped: dict[str, str]) -> list[Group]:
    """What an event costs while several versions of its model are at work."""
    main = sizes.main
    made = {LOG: "b_log", EXPERIMENT: "v_experiment", SHADOW: "v_shadow", SHADOW_INPUTS: "v_shadow_inputs"}
    cases.experimented(ground, made[EXPERIMENT], main)
    cases.shadowed(ground, made[SHADOW], main, main)
    cases.shadowed(ground, made[SHADOW_INPUTS], main, replace(main, inputs=main.inputs + 2))
    ground.settle(list(made.values()))
    watched = [EXPERIMENT, SHADOW, SHADOW_INPUTS]
    groups = []
    for rows in (1, *(n for n in sizes.statements if n in (100, 10_000))):
        title = f"{rows:,} event{'s' * (rows > 1)} a statement, while several versions are at work"
        group = Group(f"versions, statement of {rows}", title, EVENT, LOG, watched=watched)
        runs = {
            name: loads.loop(ground, schema, max(sizes.singles, 3 * rows), rows)
            if rows < 1000
            else loads.statement(ground, schema, rows)
            for name, schema in made.items()
        }
        groups.append(interleave(group, runs, sizes.rounds))
    return groups


def _copies(ground: Ground, sizes: Sizes, _skipped: dict[str, str]) -> list[Group]:
    group = Group("copy", f"COPY of {sizes.copied:,} events", EVENT, FLOOR, watched=[LOG])
    runs = {name: loads.copy(ground, OURS[name], sizes.copied) for name in (NONE, HAND, FLOOR, LOG)}
    return [interleave(group, runs, sizes.rounds)]


def _updates(ground: Ground, sizes: Sizes, _skipped: dict[str, str]) -> list[Group]:
    group = Group(
        "static update", "An application's UPDATE of a static column, one row a statement", "µs an UPDATE", FLOOR,
        watched=[STATIC],
    )  # fmt: skip
    runs = {name: loads.static_update(ground, OURS[name], sizes.singles) for name in (NONE, FLOOR, STATIC)}
    other = Group(
        "other update", "An application's UPDATE of a column that no model reads, one row a statement", "µs an UPDATE",
        BARE, watched=[LOG],
    )  # fmt: skip
    bare = "b_bare"
    ground.run(f"drop schema if exists {bare} cascade; create schema {bare}")
    ground.run(
        f"create table {bare}.customer (like {OURS[LOG]}.customer including all) with (fillfactor = 70)"
    )
    ground.run(f"insert into {bare}.customer overriding system value select * from {OURS[LOG]}.customer")
    ground.run(f"vacuum analyze {bare}.customer")
    ground.settle([bare])
    beside = {
        case: loads.static_update(ground, schema, sizes.singles)
        for case, schema in ((BARE, bare), (LOG, OURS[LOG]))
    }
    return [interleave(group, runs, sizes.rounds), interleave(other, beside, sizes.rounds)]


@contextmanager
def _password(ground: Ground) -> Iterator[str]:
    """The DSN of a role that may log in over TCP and use the application's schema; it is dropped at the end.

    Raises Skipped where the server listens on no TCP port.
    """
    host = ground.value("show listen_addresses")
    if not host:
        raise Skipped("the server listens on no TCP port (listen_addresses is empty)")
    role, password = f"modelpack_bench_{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    ground.run(f"create role {role} login password '{password}'")
    try:
        ground.run(f"grant usage on schema b_application to {role}")
        ground.run(f"grant insert on b_application.event to {role}")
        ground.run(f"grant select, update on b_application.customer to {role}")
        named = ground.connection.info.host
        address = "localhost" if named.startswith("/") else named
        yield make_conninfo(
            user=role,
            password=password,
            host=address,
            port=ground.connection.info.port,
            dbname=str(
                conninfo_to_dict(make_conninfo(ground.dsn)).get("dbname") or ground.connection.info.dbname
            ),
        )
    finally:
        ground.run(f"drop owned by {role}; drop role {role}")


def _clients(ground: Ground, sizes: Sizes, _skipped: dict[str, str]) -> list[Group]:
    """One client that sends single events; its rivals score outside the database."""
    groups = []
    with ExitStack() as stack:
        skipped = {}
        scorer = application.onnx_scorer(sizes.main)
        drivers = {
            name: application.plain(ground.connection, OURS[name], ground.customers) for name in (FLOOR, LOG)
        }
        drivers[SOCKET] = application.drive(ground.connection, "b_application", ground.customers, scorer)
        other = None
        try:
            other = stack.enter_context(
                psycopg.connect(stack.enter_context(_password(ground)), autocommit=True)
            )
            drivers[TCP] = application.drive(other, "b_application", ground.customers, scorer)
        except Skipped as reason:
            skipped[TCP] = str(reason)
        without = service.missing()
        if without:
            skipped[SERVICE] = without
        elif sizes.rivals:
            ask = stack.enter_context(service.running(sizes.main))
            drivers[SERVICE] = application.drive(ground.connection, "b_application", ground.customers, ask)
        for mode in sizes.commits:
            if other:
                other.execute(f"set synchronous_commit = {mode}")
            title = f"One client, one event a transaction, synchronous_commit = {mode}"
            group = Group(f"client, commit {mode}", title, EVENT, FLOOR, watched=[LOG], skipped=skipped)
            runs = {name: _by(driver, sizes.slow) for name, driver in drivers.items()}
            with loads.commits(ground, mode):
                groups.append(interleave(group, runs, sizes.rounds))
    return groups


def _by(driver: Callable[[int], float], events: int) -> Run:
    return lambda: driver(events) / events * MICRO


def _pgbench(ground: Ground, sizes: Sizes, _skipped: dict[str, str]) -> list[Group]:
    groups = []
    reason = None if loads.find_pgbench() else "found no pgbench beside the server's programs or on PATH"
    settings: list[tuple[int, str, int | None]] = [
        (c, mode, None) for mode in sizes.commits for c in sizes.clients
    ]
    settings += [(c, "off", 10) for c in sizes.clients[-1:]]
    for clients, mode, hot in settings:
        keys = f", {hot} hot keys" if hot else ""
        group = Group(
            f"pgbench {clients}, commit {mode}{keys}",
            f"pgbench, {clients} client{'s' * (clients > 1)}, synchronous_commit = {mode}{keys}",
            "µs between events", FLOOR, watched=[LOG],
        )  # fmt: skip
        if reason:
            group.watched, group.skipped = [], {LOG: reason}
        else:
            runs = {
                name: loads.pgbench(
                    ground, OURS[name], clients=clients, seconds=sizes.seconds, commit=mode, customers=hot
                )
                for name in (NONE, FLOOR, LOG)
            }
            interleave(group, runs, max(2, sizes.rounds // 2), warm=False)
        groups.append(group)
    return groups


def _models(ground: Ground, sizes: Sizes, _skipped: dict[str, str]) -> list[Group]:
    """Every model with its score and log, against counters on a profile of the same columns."""
    bulk_rows = max(rows for rows in sizes.statements if rows <= 10_000)
    found: dict[int, list[tuple[str, str]]] = {}
    for workload in sizes.models:
        schema = f"m_{workload.slug}"
        cases.logged(ground, schema, workload)
        found.setdefault(workload.inputs, []).append((workload.title, schema))
    groups = []
    for inputs, schemas in found.items():
        floor = f"m_floor_{inputs}"
        texts = next(w for w in sizes.models if w.inputs == inputs)
        cases.floor(ground, floor, texts)
        for bulk in (False, True):
            how = f"{bulk_rows:,} events a statement" if bulk else "one event a statement"
            group = Group(
                f"models {inputs} {'bulk' if bulk else 'single'}", f"Models with {inputs} inputs, {how}", EVENT, FLOOR,
                watched=[title for title, _ in schemas],
            )  # fmt: skip
            runs = {
                title: loads.statement(ground, schema, bulk_rows)
                if bulk
                else loads.loop(ground, schema, sizes.singles)
                for title, schema in [(FLOOR, floor), *schemas]
            }
            groups.append(interleave(group, runs, sizes.rounds))
    return groups


def _rescores(ground: Ground, sizes: Sizes, _skipped: dict[str, str]) -> list[Group]:
    """Every profile scored again, against one UPDATE that writes the same columns of a table without our triggers."""
    model = cases.publish(ground, sizes.main)
    ground.tables("r_scored", customers=sizes.profiles, events=sizes.profiles)
    ground.declare("r_scored", model=model)
    ground.run("drop schema if exists r_plain cascade; create schema r_plain")
    ground.run("create table r_plain.customer (like r_scored.customer including all) with (fillfactor = 70)")
    ground.run("insert into r_plain.customer select * from r_scored.customer")
    ground.run("vacuum analyze r_plain.customer")
    columns = (
        "churn = random(), churn_version = 1, churn_scored_at = clock_timestamp(), churn_stale = null, "
        "features_at = clock_timestamp()"
    )
    ground.settle(["r_scored", "r_plain"])
    title = f"{sizes.profiles:,} profiles scored again, each logged"
    group = Group("rescore", title, "µs a profile", UPDATE, watched=[RESCORE])
    with ExitStack() as stack:
        two = [stack.enter_context(psycopg.connect(ground.dsn, autocommit=True)) for _ in range(2)]
        for session in (ground.connection, *two):
            session.execute("select modelpack.warm()")
        runs = {
            UPDATE: loads.rewrite(ground, "r_plain", columns, sizes.profiles),
            RESCORE: loads.rescore(ground, "r_scored", sizes.profiles),
            SHARED: loads.rescore_shared(ground, "r_scored", sizes.profiles, two),
            NIGHTLY: _nightly(ground, sizes),
            MODEL_ALONE: loads.model_alone(ground, "r_scored", model, sizes.profiles),
        }
        interleave(group, runs, sizes.rescores, warm=False)
    ground.require_scored("r_scored")
    ground.run("drop schema r_plain cascade")
    return [group]


def _nightly(ground: Ground, sizes: Sizes) -> Run:
    job = application.nightly(ground, "r_plain", sizes.main)

    def run() -> float:
        ground.run("vacuum r_plain.customer")
        return job() / sizes.profiles * MICRO

    return run


SECTIONS = (
    _single, _statements, _rich_statements, _versions_beside, _copies, _updates, _clients, _pgbench, _models, _rescores,
)  # fmt: skip
ALONE = (*growth.PARTS, startup, instructions)
"""Parts that make all they need."""
PARTS = tuple(part.__name__.strip("_") for part in (*SECTIONS, *ALONE))
