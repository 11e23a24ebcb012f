"""Random declarations × random statements on a real server, against a plain Python model of the aggregates.

After every statement each stored feature is held against the model's own arithmetic (Fraction, fsum), and
`modelpack.verify` has to find nothing. MODELPACK_FUZZ=<examples> runs more of it, with a new seed each time. What was drawn
is counted and printed (pytest -rP), and what was never drawn is a failure.
"""

from __future__ import annotations

import copy
import os
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import count as counter
from typing import Any, ClassVar

import psycopg
import pytest
from declared import KEYS, LENGTHS, NUMBERS, WHEN, Declared, Row, declarations, number
from hypothesis import HealthCheck, Phase, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    get_state_machine_test,
    initialize,
    invariant,
    precondition,
    rule,
)

import modelpack as mp
from modelpack.compile import count as compile_count
from modelpack.compile import together as compile_together
from modelpack.compile.script import attach_script, detach_script
from modelpack.declaration.inputs import Input
from tests.support import Session, linear_score, publish, value

FUZZ = int(os.environ.get("MODELPACK_FUZZ", "0"))
STEPS = 100
WEIGHTS, BIAS = (0.25, -0.125), 0.5

STATEMENTS = (
    "insert of one", "insert of several", "insert into a partition", "insert before attaching", "insert on conflict do nothing",
    "insert on conflict do update", "copy", "update", "update of a key", "delete", "truncate", "truncate of a partition",
    "truncate of several", "merge", "with", "attach partition", "partition of", "detach partition", "drop table", "insert into p",
    "delete from p", "update of p's key", "update of p's plan", "begin", "savepoint", "rollback to savepoint", "commit", "rollback",
    "call modelpack.rebuild", "call modelpack.refresh", "call modelpack.rescore", "time passes",
)  # fmt: skip
INPUTS: dict[str, dict[str, Input | str]] = {
    "inputs that may be impossible": {"n": "a_n", "c": "case when plan = 'x' then 1 end"},
    "inputs that are possible": {
        "n": Input("p.a_n", ("a_n",)),
        "c": Input("case when p.plan = 'x' then 1 end", ("plan",)),
    },
    "inputs that are impossible": {
        "n": "a_n",
        "c": "1 / case when plan = 'x' then 1 when plan = 'y' then 0 end",
    },
}
OWN = {
    "no trigger of one's own": None,
    "a trigger of one's own that changes no input": "new.touched := current_timestamp",
    "a trigger of one's own that changes an input": "new.plan := case when new.a_n % 2 = 0 then 'x' end",
}
TOGETHER = (
    "insert of several",
    "delete",
    "call modelpack.rebuild",
    "call modelpack.refresh",
    "call modelpack.rescore",
)


@pytest.fixture(scope="module", autouse=True)
def scored_together() -> Iterator[None]:
    """Fewer profiles than else are scored together, and two in a chunk: few keys are drawn."""
    before = compile_count.AT_LEAST, compile_together.CHUNK_BYTES
    compile_count.AT_LEAST, compile_together.CHUNK_BYTES = 2, 350
    yield
    compile_count.AT_LEAST, compile_together.CHUNK_BYTES = before


LASTING, REREAD = (
    ("count", "total", "mean", "deviation"),
    ("decayed", "minimum", "maximum", "first", "last", "distinct"),
)
CLOCK = """
alter function pg_catalog.clock_timestamp() rename to server_clock;
create table public.clock as select timestamptz '2026-02-01' as now;
create sequence public.ticks;
grant select on public.clock to public;
grant usage on public.ticks to public;
create function pg_catalog.clock_timestamp() returns timestamptz language sql volatile
as $$select now + nextval('public.ticks') * interval '1 microsecond' from public.clock$$;
"""
"""A clock of the test's own, a microsecond later at each look: functions find it by the name of the server's."""
MICROSECOND = timedelta(microseconds=1)
EDGES = {
    "an event of this moment": timedelta(0),
    "an event a microsecond ahead": -MICROSECOND,
    "an event exactly a window ago": timedelta(0),
    "an event a window and a microsecond ago": MICROSECOND,
    "an event a window less a microsecond ago": -MICROSECOND,
}
"""How long ago, but for the window: what a windowed feature takes or leaves out."""
DRAWN = {
    *STATEMENTS,
    *(
        f"{s} in a transaction"
        for s in ("insert of one", "insert of several", "update", "delete", "truncate", "merge", "with")
    ),
    *(f"key of {kind}" for kind in KEYS),
    *(f"numbers of {kind}" for kind in NUMBERS),
    *(f"{kind}, {how}" for kind in LASTING for how in ("subtract", "keep")),
    *(f"{kind}, subtract" for kind in REREAD),
    *(f"{kind}, in a window" for kind in (*LASTING, "minimum", "maximum", "distinct")),
    *(
        "partitioned",
        "in one piece",
        "missing=create",
        "missing=ignore",
        "events with where=",
        "features with where=",
    ),
    *("one event table", "two event tables", "scored", "not scored", "scored in several chunks"),
    *INPUTS,
    *OWN,
    *(f"scored together by {statement}" for statement in TOGETHER),
    *("scored together, and one alone", "scored together, with a trigger of one's own"),
    *EDGES,
}
"""What a run has to come by."""


class Machine(RuleBasedStateMachine):
    """The database and the model, side by side."""

    session: ClassVar[Session]
    clock: ClassVar[Session]
    numbers = counter()
    steps: ClassVar[int] = 0
    drawn: ClassVar[Counter[str]] = Counter()
    key_type: ClassVar[str]

    # --- the declaration ------------------------------------------------------------------------------

    @initialize(scored=st.booleans(), data=st.data())
    def declare(self, scored: bool, data: st.DataObject) -> None:
        self.tables = data.draw(declarations(self.key_type))
        self.schema = f"s{next(Machine.numbers)}"
        self.ids = counter(1)
        self.parts = [t.strip() for t in self.key_type.split(",")]
        self.k = [f"k{n}" for n in range(1, len(self.parts) + 1)]
        keys = ", ".join(f"{k} {kind}" for k, kind in zip(self.k, self.parts, strict=True))
        self.run(f"create schema {self.schema}")
        self.run(
            f"create table {self.schema}.p ({keys}, plan text, touched timestamptz, primary key ({', '.join(self.k)}))"
        )
        for t in self.tables:
            columns = f"id bigint, part integer, {keys}, at timestamptz, x {t.kind}, c text, flag integer"
            by = " partition by list (part)" if t.partitioned else ""
            self.run(f"create table {self.schema}.{t.table} ({columns}, primary key (id, part)){by}")
            if t.partitioned:
                for part, values in (
                    ("0", "for values in (0)"),
                    ("1", "for values in (1)"),
                    ("d", "default"),
                ):
                    self.run(
                        f"create table {self.schema}.{t.table}_{part} partition of {self.schema}.{t.table} {values}"
                    )
        self.events: dict[str, list[Row]] = {t.table: [] for t in self.tables}
        self.known: set[tuple[Any, ...]] = set()
        self.savepoints: list[tuple[Any, ...]] = []
        self.in_transaction = False
        self.joined: set[str] = set()
        self.committed = self.state()
        self.scored = scored
        self.inputs = data.draw(st.sampled_from(list(INPUTS)))
        self.own = data.draw(st.sampled_from(list(OWN)))
        self.latest: datetime | None = None
        self.last = ""
        self.declares()
        for _ in range(data.draw(st.integers(0, 2))):  # events that are there before
            self.insert(data, before=True)
        events = [
            mp.Event(
                t.event.table.format(schema=self.schema), at="at", features=t.event.features, key=t.event.key,
                where=t.event.where, missing=t.event.missing, on_delete=t.event.on_delete,
            )
            for t in self.tables
        ]  # fmt: skip
        scores = [mp.Score("risk", inputs=INPUTS[self.inputs])] if scored else []
        self.profile = mp.Profile(f"{self.schema}.p", key=self.k, events=events, scores=scores)
        with Machine.session.transaction():
            for statement in attach_script(self.profile):
                Machine.session.execute(statement)  # type: ignore[call-overload]
        if OWN[self.own]:
            self.run(
                f"create function {self.schema}.own() returns trigger language plpgsql as $$begin {OWN[self.own]}; return new; end$$;"
                f"create trigger own before update on {self.schema}.p for each row execute function {self.schema}.own()"
            )
        self.attached = True
        for t in self.tables:
            if t.event.missing == "create":
                self.known |= {r["key"] for r in self.events[t.table] if t.counts(r)}
        self.keep_state()

    def declares(self) -> None:
        """Count what the declaration has."""
        drawn = [f"key of {self.key_type}", "scored" if self.scored else "not scored"]
        drawn += [self.inputs, self.own] if self.scored else []
        drawn.append("two event tables" if len(self.tables) == 2 else "one event table")
        for t in self.tables:
            drawn += [f"numbers of {t.kind}", "partitioned" if t.partitioned else "in one piece"]
            drawn += [f"missing={t.event.missing}", *(["events with where="] if t.event.where else [])]
            for f in t.event.features.values():
                drawn.append(f"{f.kind}, {t.event.on_delete}")
                drawn += [f"{f.kind}, in a window"] if f.window else []
                drawn += ["features with where="] if f.where else []
        Machine.drawn.update(drawn)

    @classmethod
    def sets(cls, now: datetime) -> None:
        """Put the clock; it is not part of any transaction of the walk."""
        cls.clock.execute("update public.clock set now = %s", [now])
        cls.clock.execute("select setval('public.ticks', 1)")

    @classmethod
    def now(cls) -> datetime:
        """What the next look at the clock says, but for the ticks of other looks."""
        found: datetime = value(
            cls.clock, "select now + last_value * interval '1 microsecond' from public.clock, public.ticks"
        )
        return found

    def draws(self, statement: str) -> None:
        Machine.drawn[statement] += 1
        self.last = statement
        if getattr(self, "in_transaction", False):
            Machine.drawn[f"{statement} in a transaction"] += 1

    def teardown(self) -> None:
        if not hasattr(self, "attached"):
            return
        if Machine.session.info.transaction_status:
            Machine.session.execute("rollback")
        for statement in detach_script(self.profile):
            Machine.session.execute(statement)  # type: ignore[call-overload]
        Machine.session.execute(f"drop schema {self.schema} cascade")  # type: ignore[call-overload]

    # --- running statements and keeping the model beside them ------------------------------------------

    def run(self, sql: str, *parameters: object) -> None:
        note(f"{sql};  {list(parameters) or ''}")
        Machine.steps += 1
        for statement in STATEMENTS if hasattr(self, "attached") else ():
            if sql == statement or re.match(rf"{re.escape(statement)}\b", sql) or f" {statement} " in sql:
                self.draws(statement)
        Machine.session.execute(sql, parameters or None)  # type: ignore[call-overload]

    def keep_state(self) -> None:
        """Outside of a transaction, what has happened is committed."""
        if not self.in_transaction:
            self.committed = self.state()

    def state(self) -> tuple[Any, ...]:
        return copy.deepcopy((self.events, self.known, self.joined))

    def back_to(self, state: tuple[Any, ...]) -> None:
        self.events, self.known, self.joined = copy.deepcopy(state)

    def make_known(self, key: tuple[Any, ...]) -> None:
        """A profile row is made: kept features start from the events that are there."""
        if key not in self.known:
            self.known.add(key)
            for t in self.tables:
                self.events[t.table] = [r for r in self.events[t.table] if r["live"] or r["key"] != key]

    def came(self, t: Declared, rows: list[Row]) -> None:
        if t.event.missing == "create":
            for r in rows:
                if t.counts(r):
                    self.make_known(r["key"])

    def live(self, t: Declared) -> list[Row]:
        return [r for r in self.events[t.table] if r["live"]]

    def pick(self, data: st.DataObject) -> Declared:
        t: Declared = data.draw(st.sampled_from(self.tables))
        return t

    def key(self, data: st.DataObject) -> tuple[Any, ...]:
        keys = st.sampled_from(KEYS[self.key_type])
        nothing = st.sampled_from([(None,) * len(self.k)])
        found: tuple[Any, ...] = data.draw(st.one_of(keys, keys, keys, keys, nothing))
        return found

    def row(self, data: st.DataObject, t: Declared) -> Row:
        when = data.draw(WHEN)
        now = (
            Machine.now() + data.draw(st.integers(0, 3)) * MICROSECOND
        )  # SCORE's look at the clock is one of the next
        far = datetime(2999, 1, 1, tzinfo=timezone.utc)
        return {
            "id": next(self.ids),
            "part": data.draw(st.integers(0, 2)),
            "key": self.key(data),
            "at": None if when is None else far if when > 1e9 else now + timedelta(seconds=when),
            "x": number(data.draw(st.sampled_from(NUMBERS[t.kind])), t.kind),
            "c": data.draw(st.sampled_from([None, "a", "b"])),
            "flag": data.draw(st.sampled_from([None, 1, 2])),
            "live": True,
        }

    def values(self, rows: list[Row]) -> tuple[str, list[Any]]:
        one = "(" + ", ".join(["%s"] * (6 + len(self.k))) + ")"
        flat = [v for r in rows for v in (r["id"], r["part"], *r["key"], r["at"], r["x"], r["c"], r["flag"])]
        return ", ".join([one] * len(rows)), flat

    # --- statements -------------------------------------------------------------------------------------

    @rule(data=st.data())
    def insert(self, data: st.DataObject, before: bool = False) -> None:
        t = self.pick(data)
        rows = [self.row(data, t) for _ in range(data.draw(st.sampled_from([1, 1, 2, 5])))]
        target = t.table
        if t.partitioned and data.draw(st.booleans()):  # straight into a partition
            part = rows[0]["part"]
            for r in rows:
                r["part"] = part
            target = f"{t.table}_{part if part < 2 else 'd'}"
        elif t.table in self.joined and data.draw(st.booleans()):
            for r in rows:
                r["part"] = 3
        places, flat = self.values(rows)
        self.run(f"insert into {self.schema}.{target} values {places}", *flat)
        self.draws("insert of one" if len(rows) == 1 else "insert of several")
        if target != t.table:
            self.draws("insert into a partition")
        self.events[t.table] += rows
        if before:
            self.draws("insert before attaching")
        else:
            self.came(t, rows)
            self.keep_state()

    @rule(data=st.data())
    def copy_in(self, data: st.DataObject) -> None:
        t = self.pick(data)
        rows = [self.row(data, t) for _ in range(data.draw(st.integers(0, 4)))]
        Machine.steps += 1
        with Machine.session.cursor().copy(f"copy {self.schema}.{t.table} from stdin") as stream:
            for r in rows:
                stream.write_row((r["id"], r["part"], *r["key"], r["at"], r["x"], r["c"], r["flag"]))
        note(f"copy {t.table}: {rows}")
        self.draws("copy")
        self.events[t.table] += rows
        self.came(t, rows)
        self.keep_state()

    def some(self, data: st.DataObject, t: Declared) -> list[Row]:
        live = self.live(t)
        if not live:
            return []
        chosen: list[Row] = data.draw(
            st.lists(st.sampled_from(live), unique_by=lambda r: r["id"], max_size=4)
        )
        return chosen

    @rule(data=st.data())
    def update(self, data: st.DataObject) -> None:
        t = self.pick(data)
        chosen, new = self.some(data, t), self.row(data, t)
        column = data.draw(st.sampled_from(["key", "at", "x", "c", "flag", "part", "all"]))
        changed = ["key", "at", "x", "c", "flag", "part"] if column == "all" else [column]
        sets, parameters = [], []
        for c in changed:
            sets += [f"{k} = %s" for k in self.k] if c == "key" else [f"{c} = %s"]
            parameters += list(new[c]) if c == "key" else [new[c]]
        self.run(
            f"update {self.schema}.{t.table} set {', '.join(sets)} where id = any (%s)",
            *parameters,
            [r["id"] for r in chosen],
        )
        if chosen and "key" in changed:
            self.draws("update of a key")
        self.changed(t, chosen, {c: new[c] for c in changed})
        self.keep_state()

    def changed(self, t: Declared, chosen: list[Row], new: Row) -> None:
        """Customers that get a profile by this have the events as they are after it."""
        for r in chosen:
            r.update(new)
        self.came(t, chosen)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        t = self.pick(data)
        chosen = self.some(data, t)
        self.run(f"delete from {self.schema}.{t.table} where id = any (%s)", [r["id"] for r in chosen])
        self.gone(t, chosen)
        self.keep_state()

    def gone(self, t: Declared, chosen: list[Row]) -> None:
        for r in chosen:
            r["live"] = False
        if not t.keep:
            self.events[t.table] = self.live(t)

    @rule(data=st.data())
    def truncate(self, data: st.DataObject) -> None:
        if data.draw(st.integers(0, 2)):
            return
        t = self.pick(data)
        if t.partitioned and data.draw(st.booleans()):
            self.run(f"truncate {self.schema}.{t.table}_0")
            self.draws("truncate of a partition")
            self.gone(t, [r for r in self.live(t) if r["part"] == 0])
        elif data.draw(st.booleans()):
            self.run("truncate " + ", ".join(f"{self.schema}.{t.table}" for t in self.tables))
            if len(self.tables) > 1:
                self.draws("truncate of several")
            for each in self.tables:
                self.gone(each, self.live(each))
        else:
            self.run(f"truncate {self.schema}.{t.table}")
            self.gone(t, self.live(t))
        self.keep_state()

    @rule(data=st.data(), nothing=st.booleans())
    def upsert(self, data: st.DataObject, nothing: bool) -> None:
        t = self.pick(data)
        old = self.some(data, t)
        rows = [self.row(data, t) for _ in range(len(old) + data.draw(st.integers(1, 2)))]
        for o, r in zip(old, rows, strict=False):
            r["id"], r["part"] = o["id"], o["part"]
        places, flat = self.values(rows)
        sets = ", ".join(f"{c} = excluded.{c}" for c in [*self.k, "at", "x", "c"])
        action = "nothing" if nothing else f"update set {sets}"
        self.run(
            f"insert into {self.schema}.{t.table} values {places} on conflict (id, part) do {action}", *flat
        )
        if old:
            self.draws(f"insert on conflict do {'nothing' if nothing else 'update'}")
        self.events[t.table] += rows[len(old) :]
        if not nothing:
            for o, r in zip(old, rows, strict=False):
                o.update({c: r[c] for c in ("key", "at", "x", "c")})
            self.came(t, old)
        self.came(t, rows[len(old) :])
        self.keep_state()

    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        t = self.pick(data)
        if Machine.session.info.server_version < 150000:
            return
        old = self.some(data, t)
        rows = [self.row(data, t) for _ in range(len(old) + data.draw(st.integers(0, 2)))]
        if not rows:
            return
        for o, r in zip(old, rows, strict=False):
            r["id"], r["part"] = o["id"], o["part"]
        places, flat = self.values(rows)
        columns = ["id", "part", *self.k, "at", "x", "c", "flag"]
        kinds = ["bigint", "integer", *self.parts, "timestamptz", t.kind, "text", "integer"]
        casts = ", ".join(f"v.{c}::{kind} as {c}" for c, kind in zip(columns, kinds, strict=True))
        sets = ", ".join(f"{c} = s.{c}" for c in [*self.k, "at", "x", "c", "flag"])
        deletes = "" if t.keep else "when matched and s.flag = 2 then delete "
        self.run(
            f"merge into {self.schema}.{t.table} as e using (select {casts} from (values {places}) "
            f"as v ({', '.join(columns)})) as s on e.id = s.id and e.part = s.part {deletes}"
            f"when matched then update set {sets} "
            f"when not matched then insert values ({', '.join(f's.{c}' for c in columns)})",
            *flat,
        )
        self.events[t.table] += rows[len(old) :]
        for o, r in zip(old, rows, strict=False):
            if not t.keep and r["flag"] == 2:
                self.gone(t, [o])
            else:
                o.update({c: r[c] for c in ("key", "at", "x", "c", "flag")})
                self.came(t, [o])
        self.came(t, rows[len(old) :])
        self.keep_state()

    @rule(data=st.data(), introduces=st.booleans(), removes=st.booleans(), order_of=st.permutations(range(4)))
    def several_in_one(
        self, data: st.DataObject, introduces: bool, removes: bool, order_of: list[int]
    ) -> None:
        """Writable CTEs: events of all tables, a profile, and a deletion, in any order."""
        parts: list[tuple[str, list[Any]]] = []
        inserted: list[tuple[Declared, list[Row]]] = []
        for t in self.tables:
            rows = [self.row(data, t) for _ in range(data.draw(st.integers(1, 2)))]
            places, flat = self.values(rows)
            parts.append((f"insert into {self.schema}.{t.table} values {places}", flat))
            inserted.append((t, rows))
        key = data.draw(st.sampled_from(KEYS[self.key_type]))
        if introduces:
            marks = ", ".join(["%s"] * len(self.k))
            parts.append((f"insert into {self.schema}.p values ({marks}) on conflict do nothing", list(key)))
        t = self.pick(data)
        chosen = [] if t.keep or not removes else self.some(data, t)
        if chosen:
            parts.append(
                (f"delete from {self.schema}.{t.table} where id = any (%s)", [[r["id"] for r in chosen]])
            )
        parts = [parts[n] for n in order_of if n < len(parts)]
        *first, last = parts
        with_ = ", ".join(f"w{n} as ({sql} returning 1)" for n, (sql, _) in enumerate(first))
        self.run(f"with {with_} {last[0]}" if first else last[0], *(v for _, p in parts for v in p))
        if chosen:
            self.gone(t, chosen)
        for each, rows in inserted:
            self.events[each.table] += rows
        if introduces:
            self.make_known(key)
        for each, rows in inserted:
            self.came(each, rows)
        self.keep_state()

    # --- partitions that come and go ----------------------------------------------------------------------

    @precondition(lambda self: any(t.partitioned for t in self.tables))
    @rule(data=st.data())
    def partition_joins_or_leaves(self, data: st.DataObject) -> None:
        t: Declared = data.draw(st.sampled_from([t for t in self.tables if t.partitioned]))
        parent = f"{self.schema}.{t.table}"
        if t.table not in self.joined:
            rows = [self.row(data, t) | {"part": 3} for _ in range(data.draw(st.integers(0, 3)))]
            if not rows:
                self.run(f"create table {parent}_3 partition of {parent} for values in (3)")
            else:
                self.run(f"create table {parent}_3 (like {parent} including all)")
                places, flat = self.values(rows)
                self.run(f"insert into {parent}_3 values {places}", *flat)
                self.run(f"alter table {parent} attach partition {parent}_3 for values in (3)")
            self.joined.add(t.table)
            self.events[t.table] += rows
            self.came(t, rows)
        else:
            if data.draw(st.booleans()):
                self.run(f"alter table {parent} detach partition {parent}_3")
            self.run(f"drop table {parent}_3")
            self.joined.discard(t.table)
            self.gone(t, [r for r in self.live(t) if r["part"] == 3])
        self.keep_state()

    # --- time --------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def time_passes(self, data: st.DataObject) -> None:
        """To a moment at which an event begins or ends to count, or close by it; never back."""
        ages = [timedelta(0), *(timedelta(seconds=length) for length in LENGTHS.values())]
        near = [n * MICROSECOND for n in range(-5, 1)]
        events = {r["at"] for t in self.tables for r in self.live(t) if r["at"] and r["at"].year < 2900}
        now = Machine.now()
        edges = (at + age + n for at in events for age in ages for n in near)
        soon = sorted(moment for moment in edges if moment > now)[:8] or [now + timedelta(hours=1)]
        moment = data.draw(st.sampled_from(soon))
        note(f"it is {moment}")
        self.draws("time passes")
        Machine.sets(moment)

    # --- the profile itself -----------------------------------------------------------------------------

    @rule(data=st.data())
    def introduce(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(KEYS[self.key_type]))
        marks = ", ".join(["%s"] * len(self.k))
        self.run(f"insert into {self.schema}.p values ({marks}) on conflict do nothing", *key)
        self.draws("insert into p")
        self.make_known(key)
        self.keep_state()

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if data.draw(st.integers(0, 2)):
            return
        key = data.draw(st.sampled_from(KEYS[self.key_type]))
        self.run(f"delete from {self.schema}.p where {self.is_key()}", *key)
        self.draws("delete from p")
        self.known.discard(key)
        self.keep_state()

    # where features outlive their events the key of a profile is not changed
    @precondition(lambda self: not any(t.keep for t in self.tables))
    @rule(data=st.data())
    def rename(self, data: st.DataObject) -> None:
        old, new = (data.draw(st.sampled_from(KEYS[self.key_type])) for _ in range(2))
        if new in self.known:
            return
        sets = ", ".join(f"{k} = %s" for k in self.k)
        self.run(f"update {self.schema}.p set {sets} where {self.is_key()}", *new, *old)
        if old in self.known:
            self.draws("update of p's key")
            self.known.discard(old)
            self.make_known(new)
        self.keep_state()

    @rule(data=st.data(), plan=st.sampled_from([None, "x", "y"]))
    def change_plan(self, data: st.DataObject, plan: str | None) -> None:
        key = data.draw(st.sampled_from(KEYS[self.key_type]))
        self.run(f"update {self.schema}.p set plan = %s where {self.is_key()}", plan, *key)
        if key in self.known:
            self.draws("update of p's plan")

    def is_key(self) -> str:
        return " and ".join(f"{k} = %s" for k in self.k)

    # --- transactions -----------------------------------------------------------------------------------

    @precondition(lambda self: not self.in_transaction)
    @rule()
    def begin(self) -> None:
        self.run("begin")
        self.in_transaction = True

    @precondition(lambda self: self.in_transaction)
    @rule()
    def savepoint(self) -> None:
        self.run(f"savepoint s{len(self.savepoints)}")
        self.savepoints.append(self.state())

    @precondition(lambda self: self.in_transaction and self.savepoints)
    @rule(data=st.data())
    def rollback_to(self, data: st.DataObject) -> None:
        n = data.draw(st.integers(0, len(self.savepoints) - 1))
        self.run(f"rollback to savepoint s{n}")
        self.back_to(self.savepoints[n])
        del self.savepoints[n + 1 :]

    @precondition(lambda self: self.in_transaction)
    @rule(commits=st.booleans())
    def end(self, commits: bool) -> None:
        self.run("commit" if commits else "rollback")
        self.in_transaction = False
        self.savepoints = []
        if not commits:
            self.back_to(self.committed)
        self.keep_state()

    @precondition(lambda self: not self.in_transaction)
    @rule(
        task=st.sampled_from(["rebuild", "refresh", "rescore"]), all_rows=st.sampled_from([True, True, False])
    )
    def upkeep(self, task: str, all_rows: bool) -> None:
        """`all_rows`: something is to be done to each of them."""
        if all_rows and task == "rebuild" and not any(t.keep for t in self.tables):
            self.run(f"update {self.schema}.p set a_n = a_n + 1")
        how = {"refresh": ", older_than => interval '0'", "rescore": ", everything => true"}.get(task, "")
        self.run(f"call modelpack.{task}('{self.schema}.p'{how if all_rows else ''})")

    # --- what always holds --------------------------------------------------------------------------------

    @invariant()
    def features_equal_their_aggregates(self) -> None:
        if not hasattr(self, "attached"):
            return
        cursor = Machine.session.execute(f"select * from {self.schema}.p")  # type: ignore[call-overload]
        names = [c.name for c in cursor.description or []]
        found = {}
        for record in cursor.fetchall():
            stored = dict(zip(names, record, strict=True))
            key = tuple(str(stored[k]) if kind == "uuid" else stored[k]
                        for k, kind in zip(self.k, self.parts, strict=True))  # fmt: skip
            found[key] = stored
        assert set(found) == self.known
        if self.scored:
            self.draws_together(list(found.values()))
        for key, stored in found.items():
            for t in self.tables:
                rows = [r for r in self.events[t.table] if r["key"] == key and t.counts(r)]
                live = [r for r in rows if r["live"]]
                self.draws_edges(t, rows, stored["features_at"])
                for name, model in t.models.items():
                    over = live if model.feature.window or not t.keep else rows
                    expected = model.over(over, stored["features_at"])
                    assert model.same(stored[name], expected), (key, name, stored[name], expected)
            if self.scored:
                self.score_is_fresh(stored)
        differing = Machine.session.execute(
            "select * from modelpack.verify(%s)", [f"{self.schema}.p"]
        ).fetchall()
        assert differing == []

    def draws_together(self, found: list[Row]) -> None:
        """Count what was scored together since the last look: the clock is a microsecond later at each look."""
        new = Counter(
            r["risk_scored_at"]
            for r in found
            if r["risk_scored_at"] and (self.latest is None or r["risk_scored_at"] > self.latest)
        )
        moment, many = new.most_common(1)[0] if new else (None, 0)
        if moment and many > 1:
            drawn = [f"scored together by {self.last}"]
            drawn += ["scored in several chunks"] if many > 2 else []
            drawn += (
                ["scored together, and one alone"] if any(r["features_at"] > moment for r in found) else []
            )
            drawn += ["scored together, with a trigger of one's own"] if OWN[self.own] else []
            Machine.drawn.update(drawn)
        self.latest = max([*new, *([self.latest] if self.latest else [])], default=None)

    def draws_edges(self, t: Declared, rows: list[Row], moment: datetime) -> None:
        """Count the events that a windowed feature takes or leaves out by a microsecond."""
        windows = {LENGTHS[f.window] for f in t.event.features.values() if f.window}
        for ago in (moment - r["at"] for r in rows if windows and r["at"]):
            for name, place in EDGES.items():
                if any(ago == place + timedelta(seconds=w) for w in (windows if "window" in name else {0})):
                    Machine.drawn[name] += 1

    def score_is_fresh(self, stored: Row) -> None:
        if self.inputs == "inputs that are impossible" and stored["plan"] == "y":
            assert stored["risk_stale"].startswith("an input cannot be computed")
            return
        number = 1.0 if stored["plan"] == "x" else None
        expected = linear_score(WEIGHTS, BIAS, [stored["a_n"], number])
        assert stored["risk_stale"] is None
        assert stored["risk_version"] == 1
        assert stored["risk_scored_at"] == stored["features_at"]
        assert abs(stored["risk"] - expected) < 1e-6


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("set synchronous_commit = off")
        publish(session, "risk", ["n", "c"], WEIGHTS, BIAS)
        session.execute(CLOCK)
        yield session


@pytest.fixture
def clock(session: Session, database: str) -> Iterator[Session]:
    assert session.autocommit
    with psycopg.connect(database, autocommit=True) as clock:
        yield clock


@pytest.mark.parametrize("each", [2, pytest.param(5, marks=pytest.mark.long)], ids=["short", "long"])
def test_whatever_happens_features_equal_their_aggregates(
    session: Session, clock: Session, each: int
) -> None:
    """Walks with keys of each kind, in turns: `each` says how many with one kind. The last turn has come by everything."""
    each = -(-FUZZ // len(KEYS)) or each
    Machine.session, Machine.clock = session, clock
    Machine.sets(datetime(2026, 2, 1, 12, tzinfo=timezone.utc))
    Machine.steps = 0
    Machine.drawn = Counter()
    for turn in range(1 if FUZZ else 9):
        for walked, key_type in enumerate(KEYS):
            Machine.key_type = key_type
            walk = get_state_machine_test(
                Machine,
                settings=settings(
                    max_examples=each,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                    report_multiple_bugs=False,
                    # shrinking takes minutes here; MODELPACK_FUZZ has the time
                    phases=[Phase.generate, *([Phase.shrink] if FUZZ else [])],
                ),
            )
            (walk if FUZZ else seed(turn * len(KEYS) + walked)(walk))()
        if set(Machine.drawn) >= DRAWN:
            break
    assert Machine.steps > 10 * each * len(KEYS)
    for what, times in sorted(Machine.drawn.items(), key=lambda counted: counted[1]):
        print(f"{times:6} {what}")
    assert DRAWN - set(Machine.drawn) == set()
