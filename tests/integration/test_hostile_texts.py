"""Texts that would be code if anything ran them, in every place where a text of a user's can come near SQL.

`PLACES` lists the places. A text ends up in one of these ways:

looked up or kept as data   key values, event values, categories, tokens, class and output names, notes, tags, reasons,
                            metrics and libraries, descriptions: parameters of a statement, rows of the registry
`ident`, `%I`               schemas, tables, columns, types, names of inputs that are columns
`literal`, `%L`             declarations and their comments, names in messages, what a script is to record
an expression               where= and inputs=: held to one expression over one row, read alike whatever
                            standard_conforming_strings says
refused by a pattern        names of features, scores, models, aliases; durations; on_error and the like

In the first test every place holds a hostile text that it can hold, and all has to work: what is counted and scored is
held against numbers of the test's own, and each text is read back as it was given. In the second one place gets any
text; whatever is refused is refused in words. A canary table, a canary role and a canary in Python tell whether a text
was run. MODELPACK_FUZZ=<examples> runs more of it, with a new seed each time.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, Phase, example, given, note, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from sqlalchemy import Connection, Engine, MetaData
from sqlalchemy.exc import DBAPIError, SAWarning
from typer.testing import CliRunner

import modelpack
from modelpack import (
    Event,
    Profile,
    Registry,
    Score,
    age,
    count,
    decayed,
    distinct,
    exchange,
    first,
    last,
    maximum,
    ratio,
    total,
)
from modelpack.cli import app
from modelpack.cli.schema import _script
from modelpack.compile.sql import lines_of_text
from modelpack.connection import make_engine
from modelpack.declaration import Input
from modelpack.errors import DeclarationError, ModelpackError
from modelpack.packager import Package, dummy
from modelpack.packager.signature import Output
from modelpack.training import training_set
from tests.example import run_script
from tests.support import Session, publish

FUZZ = int(os.environ.get("MODELPACK_FUZZ", "0"))
ROLE = "mp_hostile_canary"

# --- texts ---------------------------------------------------------------------------------------------------------

CODE = [
    "drop table canary",
    "insert into canary values (2)",
    f"create role {ROLE}",
    "update public.canary set n = 3",
    "__import__('os').environ.update(CANARY='dead')",
]
CLOSERS = [
    "'; {}; --", '"; {}; --', "\\'; {}; --", "\\\\'; {}; --", "''; {}; --", '\\"; {}; --', '""; {}; --', "$$; {}; --",
    "$modelpack$; {}; --", "$modelpack_1$;{};--", "$template$; {}; --", "end $modelpack$; {}; --", "\nend\n$modelpack$;\n{};\n",
    "'); {}; --", '"); {}; --', "); {}; --", "*/ {}; /*", "\n{};\n--", "\r{};", "]'; {}; --", "E'\\'; {}; --", "%L; {}; --", '""" + {} + """',
    "') + {} + ('", "{{{}}}", "' || ({}) || '", "\0'; {}; --", "\x00{}",
]  # fmt: skip
FRAGMENTS = [
    "$modelpack$", "$template$", "$predict$", "$$", "$", "'", "''", '"', '""', "\\", "\\\\", "\\'", "@name@", "@scores@", "$row$",
    "$moment$", '"the moment"', "{sign}", "{0}", "{", "}", "%s", "%%", "%I", "%L", "%", "%(x)s", ":x", "::", "?", "--", "*/", "/*", ";",
    "E'", "U&'", 'U&"', "\n", "\r", "\t", "\0", "\v", "\x85", "\u00a0", "\u2028", "\u202e", "\u2066", "\ufeff", "\ud800", "\udfff", "😀",
    "ä", " ", "a", "[", "]", "(", ")", ",", "#", "`", "|", "&", "\x1a", "\x7f", ".", "null", "NaN", "p.", "e.", "d.", "new.", "old.",
    "filter (where ", "$1", "\\x41", "\\.",
]  # fmt: skip

PAYLOADS = st.builds(
    lambda closer, code: closer.replace("{}", code), st.sampled_from(CLOSERS), st.sampled_from(CODE)
)
MIXED = st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=8).map("".join)


class Text(str):
    """A text that may be long; a failing example does not show all of it."""

    def __repr__(self) -> str:
        return (
            str.__repr__(self)
            if len(self) < 200
            else f"{str.__repr__(self[:20])} * … ({len(self)}) + {str.__repr__(self[-5:])}"
        )

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(repr(self))


SIZES = st.builds(
    lambda char, size, end: (char * size)[: max(0, size - len(end.encode()))] + end,
    st.sampled_from(["x", "'", "ä", '"', "\\"]), st.sampled_from([32, 63, 64, 1 << 20]), st.sampled_from(["", "'", "\\", '"', "$"]),
)  # fmt: skip
TEXTS = st.one_of(PAYLOADS, MIXED, SIZES).map(Text)

WORDS = [
    "row", "begin", "strict", "select", "end", "loop", "into", "declare", "new", "old", "if", "e", "d", "version", "numbers", "moment",
    "null", "true", "modelpack", "scores", "user", "x", "template", "perform", "text", "logged", "v_score", "tg_op", "the_moment", "case",
    "by", "execute", "foreach", "while", "p", "v_moment", "sign", "name", "value", "using", "get", "raise", "return", "constant", "found",
]  # fmt: skip


# --- what a place can hold -----------------------------------------------------------------------------------------


def cut(text: str, size: int) -> str:
    """As much of a text as fits in so many bytes."""
    return text.encode()[:size].decode(errors="ignore")


def characters(text: str) -> str:
    """Without what no text in PostgreSQL can have."""
    return re.sub("[\0\ud800-\udfff]", "", text)


def column(text: str) -> str:
    return cut(characters(text), 60) or "x"


def table(text: str) -> str:
    return column(characters(text).replace(".", ""))


def named(text: str) -> str:
    """A column that an expression can name: no comment, no semicolon in it."""
    return column(uncommented(text))


def written(text: str) -> str:
    return cut(uncommented(characters(text)), 9000)


def uncommented(text: str) -> str:
    """Without what no expression may have, in its literals neither."""
    while re.search(UNWRITTEN, text):
        text = re.sub(UNWRITTEN, "", text)
    return text


UNWRITTEN = r";|--|/\*|[uU]&"


def printable(size: int, spare: str = "") -> Callable[[str], str]:
    def fitted(text: str) -> str:
        return cut("".join(c for c in characters(text) if c.isprintable() or c in spare), size) or "x"

    return fitted


def plain(size: int) -> Callable[[str], str]:
    """Without characters that steer a terminal."""

    def fitted(text: str) -> str:
        kept = (
            c
            for c in characters(text)
            if ord(c) >= 32 and not 127 <= ord(c) < 160 and c not in "\u2028\u2029"
        )
        return cut("".join(kept), size) or "x"

    return fitted


def data(text: str) -> str:
    return cut(characters(text), 9000)


def short(text: str) -> str:
    """A value of a key, which an index holds."""
    return cut(characters(text), 900)


@dataclass(frozen=True)
class Place:
    """Where a text can be put: as much of any text as fits there, and what stands there otherwise."""

    fit: Callable[[str], str]
    tame: str


PLACES: dict[str, Place] = {
    # the user's own tables
    "schema": Place(lambda t: table(t.replace("pg_", "")), "shop"),
    "profile table": Place(table, "customer"),
    "event table": Place(table, "purchase"),
    "key column": Place(column, "customer_id"),
    "key column of the event": Place(column, "buyer"),
    "time column": Place(column, "at_time"),
    "amount column": Place(column, "amount"),
    "value column": Place(column, "sku"),
    "condition column": Place(named, "kind"),
    "input column": Place(named, "plan"),
    "category column": Place(lambda t: printable(60)(column(t)), "segment"),
    "own column": Place(column, "remark"),
    "type": Place(table, "code"),
    "collation": Place(table, "order"),
    # values in rows
    "key value": Place(short, "c-1"),
    "event value": Place(short, "shoe"),
    "category": Place(lambda t: printable(9000)(short(t)), "gold"),
    # what a declaration says
    "literal in where=": Place(written, "web"),
    "literal in an input": Place(written, "plus"),
    "input name": Place(lambda t: printable(60)(column(t)), "is_plus"),
    # what a version says
    "missing token": Place(printable(900, "\x1a"), "\x1a"),
    "class": Place(printable(200), "1"),
    "output name": Place(printable(200), "score"),
    "metric": Place(plain(60), "auc"),
    "library": Place(plain(60), "onnx"),
    "version of a library": Place(plain(60), "1.0"),
    "lineage": Place(plain(60), "code"),
    "parity": Place(data, "probes"),
    "note": Place(plain(4000), "first"),
    "description": Place(plain(4000), "leaves"),
    # what is said of a version later
    "reason of promote": Place(plain(1000), "better"),
    "reason of rollback": Place(plain(1000), "worse"),
    "reason of disable": Place(plain(1000), "wrong"),
    "reason of approve": Place(plain(1000), "seen"),
    "reason of withdraw_approval": Place(plain(1000), "unseen"),
    "reason of set_alias": Place(plain(1000), "to try"),
    "reason of drop_alias": Place(plain(1000), "tried"),
    "reason of retire": Place(plain(1000), "old"),
    "tag": Place(plain(60), "team"),
    "value of a tag": Place(plain(4000), "risk"),
    "added note": Place(plain(4000), "later"),
    "added metric": Place(plain(60), "gini"),
}
COLUMNS = {
    "profile": ["key column", "input column", "category column", "own column"],
    "event": ["key column of the event", "time column", "amount column", "value column", "condition column"],
}
World = dict[str, str]
TAME: World = {place: p.tame for place, p in PLACES.items()}


def settle(texts: World) -> World:
    """The texts as their places can hold them, with names that differ where they have to."""
    world = {place: PLACES[place].fit(text[:10_000]) for place, text in texts.items()}
    for places in (
        *COLUMNS.values(),
        ["profile table", "event table"],
        ["type", "collation", "profile table", "event table"],
    ):
        taken = {*WORDS, "base"}
        for place in places:
            while world[place] in taken or any(world[place] == f"{w}{end}" for w in WORDS for end in ENDS):
                world[place] = cut(world[place], 58) + "_"
            taken.add(world[place])
    while world["input name"] in (world["category column"], "base", "n") or world["input name"] in WORDS:
        world["input name"] = cut(world["input name"], 58) + "_"
    # a version says by it that the text is missing
    if world["missing token"] == world["category"]:
        world["missing token"] += "!"
    return world


ENDS = ["_at", "_ahead", "_version", "_scored_at", "_stale", "_sum", "_n", "_squares"]
worlds = st.fixed_dictionaries(dict.fromkeys(PLACES, TEXTS))


# --- the database, and its canaries ----------------------------------------------------------------------------------


def q(*names: str) -> str:
    """A name as SQL, also for a query with parameters."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names).replace("%", "%%")


class Canaries:
    """They are there as long as nobody ran a text."""

    def __init__(self, session: Session) -> None:
        self.session = session
        session.execute("create table canary (n integer)")
        session.execute("insert into canary values (1)")

    def check(self) -> None:
        assert self.session.execute("select n from public.canary").fetchall() == [(1,)]
        found = self.session.execute("select from pg_roles where rolname = %s", [ROLE]).fetchall()
        if found:
            self.session.execute(f"drop role {ROLE}")
        assert not found
        assert "CANARY" not in os.environ


@dataclass
class Shop:
    """A world that was made: its tables, its declaration, a version that scores it."""

    session: Session
    engine: Engine
    dsn: str
    world: World
    words: list[str]
    writing: str

    def run(self, query: str, *values: Any) -> list[Any]:
        cursor = self.session.execute(query, values)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []

    def value(self, query: str, *values: Any) -> Any:
        (found,) = self.run(query, *values)
        return found[0]

    def __getitem__(self, place: str) -> str:
        return self.world[place]

    @property
    def profile_table(self) -> str:
        return q(self["schema"], self["profile table"])

    @property
    def event_table(self) -> str:
        return q(self["schema"], self["event table"])

    def regclass(self) -> str:
        """The table's name as the server writes it: in quotes where it has to be."""
        return str(self.value("select %s::regclass::text", self.profile_table.replace("%%", "%")))

    def literal(self, text: str) -> str:
        """A literal of an expression, as its user writes it."""
        if self.writing == "dollar" and "$" not in text:
            return f"$größe${text}$größe$"
        doubled = text.replace("'", "''")
        if self.writing == "escape":
            return "E'" + doubled.replace("\\", "\\\\") + "'"
        return f"'{doubled}'"

    def create_tables(self) -> None:
        s = self["schema"]
        self.run(f"create schema {q(s)}")
        self.run(f'create collation {q(s, self["collation"])} from "C"')
        self.run(f"create domain {q(s, self['type'])} as text")
        self.run(
            f"create table {self.profile_table} ({q(self['key column'])} text primary key, {q(self['input column'])} text, "
            f"{q(self['category column'])} text, {q(self['own column'])} text)"
        )
        self.run(
            f"create table {self.event_table} ({q(self['key column of the event'])} text, {q(self['time column'])} timestamptz, "
            f"{q(self['amount column'])} numeric, {q(self['value column'])} {q(s, self['type'])} collate {q(s, self['collation'])}, "
            f"{q(self['condition column'])} text)"
        )

    def declared(self) -> Profile:
        """A feature of each way to keep one, a score, and every name and value that the world has."""
        w = self.words
        name, kind = self["value column"], '"' + self["condition column"].replace('"', '""') + '"'
        asked = '"' + self["input column"].replace('"', '""') + '"'
        condition = f"{kind} = {self.literal(self['literal in where='])}"
        event = Event(
            f"{self['schema']}.{self['event table']}",
            at=self["time column"],
            key=self["key column of the event"],
            where=f"{kind} is not null",
            features={
                w[0]: count(),
                w[1]: count(where=condition),
                w[2]: first(name),
                w[3]: last(name, where=f"{condition} or true"),
                w[4]: maximum(name),
                w[5]: distinct(name),
                w[6]: total(self["amount column"], window="30 days", where=condition),
                w[7]: total(self["amount column"]),
                w[8]: decayed(self["amount column"], half_life="7 days", where=condition),
            },
        )
        given = f"case when {asked} = {self.literal(self['literal in an input'])} then 1 else 0 end"
        return Profile(
            f"{self['schema']}.{self['profile table']}",
            key=self["key column"],
            events=[event],
            scores=[Score(w[9], model=MODEL, inputs={self["input name"]: given, "base": "1"})],
        )

    def signature(self) -> dict[str, Any]:
        text = {"name": self["category column"], "type": "text", "missing": True}
        text |= {"missing_token": self["missing token"], "categories": [self["category"]]}
        numbers = [
            {"name": n, "type": "number", "missing": False}
            for n in (self["input name"], self.words[0], "base")
        ]
        output = {"name": self["output name"], "kind": "value", "class": self["class"]}
        return {"format": 1, "inputs": [text, *numbers], "output": output}

    def publish(self) -> int:
        found = self.value(
            "select modelpack.publish(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            MODEL,
            lookup(self["category"], self["missing token"]),
            json.dumps(self.signature()),
            json.dumps({"rows": [[self["category"], 1, 2, 1], [None, 0, 0, 1]], "scores": [2.25, 0.75]}),
            json.dumps({"rows": 0, "where": self["parity"]}),
            json.dumps({self["metric"]: 0.5}),
            json.dumps({self["library"]: self["version of a library"]}),
            self["note"],
            self["description"],
            json.dumps({self["lineage"]: self["lineage"]}),
        )
        return int(found)


MODEL = "select"


def lookup(category: str, token: str) -> bytes:
    """score = 0.25 for the category, 0.75 for a missing text, else 0.5; plus the first number and half of the second."""
    graph = helper.make_graph(
        [
            helper.make_node(
                "LabelEncoder", ["text"], ["known"], domain="ai.onnx.ml", keys_strings=[category, token],
                values_floats=[0.25, 0.75], default_float=0.5,
            ),
            helper.make_node("MatMul", ["number", "weights"], ["weighed"]),
            helper.make_node("Add", ["known", "weighed"], ["score"]),
        ],
        "lookup",
        [
            helper.make_tensor_value_info("text", TensorProto.STRING, [None, 1]),
            helper.make_tensor_value_info("number", TensorProto.FLOAT, [None, 3]),
        ],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor("weights", TensorProto.FLOAT, [3, 1], [1.0, 0.5, 0.0])],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    made: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    return made


# --- the whole path ----------------------------------------------------------------------------------------------------


def attach(shop: Shop, profile: Profile, *, script: bool) -> None:
    if script:
        run_script(shop.dsn, _script([profile], Path("shop.py"), attach=True))
    else:
        with shop.engine.begin() as connection:
            assert modelpack.apply(connection, profile)


def use(shop: Shop, *, script: bool) -> None:
    """From the declaration to its end; every number and text is what it has to be."""
    shop.create_tables()
    profile = shop.declared()
    w, key, other = shop.words, shop["key value"], "web-other"
    attach(shop, profile, script=script)
    assert profile == Profile.from_dict(shop.value("select declaration from modelpack.profile"))
    with shop.engine.begin() as connection:
        assert not modelpack.apply(connection, profile)  # it is just this one
    version = shop.publish()
    described(shop, version)
    insert = f"insert into {shop.event_table} values (%s, now() - %s * interval '1 day', %s, %s, %s)"
    shop.run(insert, key, 3, 1, shop["event value"], shop["literal in where="])  # creates the row
    several = f"{insert}, (%s, now() - %s * interval '1 day', %s, %s, %s)"
    shop.run(
        several,
        *(key, 2, 10, shop["event value"], shop["literal in where="]),
        *(key, 1, 5, "zz", other),
    )
    mine = f"where {q(shop['key column'])} = %s"
    shop.run(
        f"update {shop.profile_table} set {q(shop['input column'])} = %s, {q(shop['category column'])} = %s, "
        f"{q(shop['own column'])} = %s {mine}",
        *(shop["literal in an input"], shop["category"], shop["category"], key),
    )
    matched, value = 3 if shop["literal in where="] == other else 2, shop["event value"]
    features = (3, matched, value, "zz", max(value, "zz", key=str.encode), len({value, "zz"}), 16)
    columns = ", ".join(q(w[n]) for n in (0, 1, 2, 3, 4, 5, 7))
    asked = f"select {columns}, {q(w[9])}, {q(w[9] + '_version')} from {shop.profile_table} {mine}"
    assert shop.run(asked, key) == [(*features, 2.75, version)]
    logged = shop.run(
        "select profile, score, model, prediction, text_inputs from modelpack.history(%s, %s)",
        shop.regclass(),
        key,
    )
    assert logged[0] == (shop.regclass(), w[9], MODEL, 2.75, [shop["category"]])
    kept = f"select {columns}, {q(w[9])} from {shop.profile_table} order by {q(shop['key column'])}"
    before = shop.run(kept)
    for task in (
        "rebuild(%s)",
        "rebuild(%s, array[%s])",
        "refresh(%s, '0 s')",
        "rescore(%s, everything => true)",
    ):
        shop.run(f"call modelpack.{task}", *[shop.regclass(), key][: task.count("%s")])
        assert shop.run(kept) == before
    assert shop.run("select * from modelpack.verify(%s)", shop.regclass()) == []
    stopped(shop, version, insert, asked, features)
    framed(shop, profile)
    shop.run(
        f"update {shop.event_table} set {q(shop['amount column'])} = 2 where {q(shop['amount column'])} = 10"
    )
    shop.run(
        f"delete from {shop.event_table} where {q(shop['condition column'])} = %s", shop["literal in where="]
    )
    assert shop.run("select * from modelpack.verify(%s)", shop.regclass()) == []
    shop.run("truncate " + shop.event_table)
    assert shop.run("select * from modelpack.verify(%s, array[%s])", shop.regclass(), key) == []
    shop.run("select modelpack.rollback(%s, %s)", MODEL, shop["reason of rollback"])
    assert said(shop, "rollback") == shop["reason of rollback"]
    if script:
        run_script(shop.dsn, _script([profile], Path("shop.py"), attach=False))
    else:
        with shop.engine.begin() as connection:
            modelpack.remove(connection, profile)
    assert shop.run(
        "select count(*) from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped",
        shop.regclass(),
    ) == [(4,)]
    assert shop.run("select from pg_proc where proname like %s", "%\\_rebuild") == []
    shop.run("select modelpack.retire(%s, %s, %s)", MODEL, version, shop["reason of retire"])
    assert said(shop, "retire") == shop["reason of retire"]


def said(shop: Shop, action: str) -> Any:
    return shop.value(
        "select reason from modelpack.promotion where action = %s order by promotion_id desc limit 1", action
    )


def described(shop: Shop, version: int) -> None:
    """Promote, roll back, describe: what is said stands where it is looked for."""
    stored = shop.run(
        "select signature, parity ->> 'where', metrics, libraries, note, lineage from modelpack.versions where model = %s and version = %s",
        *(MODEL, version),
    )
    signature = shop.signature()
    del signature["inputs"][0]["categories"]  # which not everybody may read
    expected = (
        signature,
        shop["parity"],
        {shop["metric"]: 0.5},
        {shop["library"]: shop["version of a library"]},
        shop["note"],
        {shop["lineage"]: shop["lineage"]},
    )
    for found, given_as in zip(stored[0], expected, strict=True):
        assert found == given_as
    shop.run("select modelpack.promote(%s, %s, %s)", MODEL, version, shop["reason of promote"])
    assert said(shop, "promote") == shop["reason of promote"]
    shop.run("select modelpack.set_alias(%s, 'best', %s, %s)", MODEL, version, shop["reason of set_alias"])
    shop.run("select modelpack.drop_alias(%s, 'best', %s)", MODEL, shop["reason of drop_alias"])
    assert (said(shop, "alias"), said(shop, "unalias")) == (
        shop["reason of set_alias"],
        shop["reason of drop_alias"],
    )
    shop.run("select modelpack.set_tag(%s, %s, %s, %s)", MODEL, version, shop["tag"], shop["value of a tag"])
    shop.run("select modelpack.add_note(%s, %s, %s)", MODEL, version, shop["added note"])
    shop.run("select modelpack.set_metric(%s, %s, %s, 0.25)", MODEL, version, shop["added metric"])
    tags, notes, metrics = shop.run(
        "select tags, notes -> 0 ->> 'note', metrics from modelpack.versions where model = %s and version = %s",
        MODEL,
        version,
    )[0]
    assert (tags, notes) == ({shop["tag"]: shop["value of a tag"]}, shop["added note"])
    assert metrics == {shop["metric"]: 0.5} | {shop["added metric"]: 0.25}
    with psycopg.connect(shop.dsn, user=APPROVER[0], autocommit=True) as approver:
        for step in ("approve", "withdraw_approval"):
            approver.execute(
                f"select modelpack.{step}(%s, %s, %s)", [MODEL, version, shop[f"reason of {step}"]]
            )
    assert said(shop, "approve") == shop["reason of approve"]
    assert said(shop, "withdraw") == shop["reason of withdraw_approval"]
    registry = Registry(shop.engine)
    shown = registry.version(MODEL, version)
    path = registry.export(MODEL, version, FOLDER[0] / "exported.onnx")
    facts = exchange.read(path).facts
    assert (facts["note"], facts["signature"], facts["libraries"]) == (
        shown.note,
        shop.signature(),
        shown.libraries,
    )
    assert facts["model"] == MODEL


APPROVER: list[str] = []
FOLDER: list[Path] = []


def stopped(shop: Shop, version: int, insert: str, asked: str, features: tuple[Any, ...]) -> None:
    """While the model is disabled, events are counted and the row says why it keeps its score."""
    key, w = shop["key value"], shop.words
    shop.run("select modelpack.disable(%s, %s)", MODEL, shop["reason of disable"])
    shop.run(insert, key, 0.5, 0, "zz", shop["literal in where="])
    stale = shop.value(
        f"select {q(w[9] + '_stale')} from {shop.profile_table} where {q(shop['key column'])} = %s", key
    )
    assert stale == f"disabled: {shop['reason of disable']}"
    assert shop.run(asked, key)[0][:2] == (features[0] + 1, features[1] + 1)
    findings = shop.run("select \"check\", found from modelpack.doctor() where status <> 'ok'")
    name = shop.regclass()
    assert sorted(check for check, _ in findings) == [f"model {MODEL}", f"stale rows of {name}"]
    assert all(shop["reason of disable"] in found for _, found in findings)
    shop.run("select modelpack.enable(%s)", MODEL)
    shop.run("call modelpack.rescore(%s)", shop.regclass())
    assert shop.run(asked, key)[0][7:] == (3.25, version)


def framed(shop: Shop, profile: Profile) -> None:
    """The training set has the same texts; Alembic's autogenerate takes none for code."""
    with shop.engine.connect() as connection:
        frame = training_set(connection, profile, at=["2100-01-01"])
    assert list(frame[shop["category column"]]) == [shop["category"]]
    assert list(frame[shop["input name"]]) == [1.0]
    with shop.engine.connect() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # of types that it does not know
        options = {
            "include_schemas": True,
            "include_name": lambda name, kind, _: kind != "schema" or name == shop["schema"],
        }
        context = MigrationContext.configure(connection, opts=options)
        operations = produce_migrations(context, MetaData()).upgrade_ops
        assert operations is not None
        assert not [op for op in operations.ops if getattr(op, "schema", None) == "modelpack"]
        code = ast.parse(f"if True:\n    {render_python_code(operations)}").body[0]
    assert isinstance(code, ast.If)
    for line in code.body:
        assert isinstance(line, ast.Expr)
        assert isinstance(line.value, ast.Call)
        assert ast.unparse(line.value.func).startswith("op.")


@pytest.fixture
def canaries(database: str, new_role: Callable[..., str], tmp_path: Path) -> Iterator[Canaries]:
    with psycopg.connect(database, autocommit=True, prepare_threshold=None) as session:
        session.execute("set synchronous_commit = off")
        APPROVER[:] = [new_role("modelpack_approver")]
        FOLDER[:] = [tmp_path]
        publish(session, MODEL, ["base"], [1.0])
        yield Canaries(session)


PROFILE = {
    "derandomize": not FUZZ,
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "report_multiple_bugs": False,
    # shrinking takes minutes here; MODELPACK_FUZZ has the time
    "phases": [Phase.explicit, Phase.generate, *([Phase.shrink] if FUZZ else [])],
}


def everywhere(text: str) -> World:
    return dict.fromkeys(PLACES, text)


def test_hostile_texts_are_kept_and_counted_and_never_run(database: str, canaries: Canaries) -> None:
    seen: dict[str, set[str]] = {place: set() for place in PLACES}
    engine = make_engine(database)

    @settings(max_examples=FUZZ or 1, **PROFILE)  # type: ignore[arg-type]
    @given(
        texts=worlds, words=st.permutations(WORDS), writing=st.sampled_from(["plain", "escape", "dollar"]),
        conforming=st.booleans(), bodies=st.booleans(), script=st.booleans(),
    )  # fmt: skip
    @example(
        everywhere("'; $modelpack$; drop table canary; --") | {"profile table": "plain"},
        WORDS,
        "plain",
        False,
        False,
        False,
    )
    @example(everywhere("\\'\"); drop table canary; --"), WORDS, "dollar", False, True, True)
    def used(
        texts: World, words: list[str], writing: str, conforming: bool, bodies: bool, script: bool
    ) -> None:
        world = settle(texts)
        note(f"{world}")
        for setting, on in (("standard_conforming_strings", conforming), ("check_function_bodies", bodies)):
            to = "on" if on else "off"
            canaries.session.execute(f"alter database {canaries.session.info.dbname} set {setting} = {to}")  # type: ignore[call-overload]
            canaries.session.execute(f"set {setting} = {to}")  # type: ignore[call-overload]
        shop = Shop(canaries.session, engine, database, world, words, writing)
        try:
            use(shop, script=script)
            canaries.check()
        finally:
            with contextlib.suppress(psycopg.Error):
                shop.run("select modelpack.detach(%s)", shop.regclass())
            shop.run(f"drop schema if exists {q(world['schema'])} cascade")
            shop.run(
                "select modelpack.promote(%s, 1) from modelpack.alias where alias = 'champion' and version > 1",
                MODEL,
            )
        for place, text in world.items():
            if text != TAME[place]:
                seen[place].add(text)

    used()
    engine.dispose()
    assert [place for place, texts in seen.items() if len(texts) < 2] == []


# --- whatever is refused is refused in words -----------------------------------------------------------------------

GENERATED = ("42601", "42P01", "42703", "42704", "42883", "42P02", "XX000", "0A001")
"""What the server says of code: syntax errors and names that nobody has. No text may lead to one."""


class Given:
    """The tame texts, but for one place."""

    def __init__(self, place: str, text: str) -> None:
        self.place, self.text = place, text

    def __call__(self, place: str, tame: Any) -> Any:
        return self.text if place == self.place else tame


def customer(given: Given) -> Profile:
    """The declaration of a tame shop, with the text in its place."""
    literal = given("literal in where=", "web").replace("'", "''")
    return Profile(
        f"{given('schema', 'shop')}.{given('profile table', 'customer')}",
        key=given("key column", "customer_id"),
        events=[
            Event(
                f"shop.{given('event table', 'purchase')}",
                at=given("time column", "at_time"),
                key=given("key column of the event", "buyer"),
                where=given("where= of an event", f"kind <> '{literal}'"),
                missing=given("missing=", "create"),
                on_delete=given("on_delete=", "subtract"),
                features={
                    given("feature", "spend"): total(given("amount column", "amount")),
                    "n": count(where=given("where= of a feature", None)),
                    "sku": last(given("value column", "sku")),
                    "lately": count(window=given("window", "30 days")),
                    "heat": decayed(half_life=given("half_life", "7 days")),
                },
            )
        ],
        scores=[
            Score(
                given("score", "churn"),
                model=given("model", MODEL),
                on_error=given("on_error=", "stale"),
                inputs={
                    given("input name", "base"): given("an input", "1"),
                    "aged": age(given("age()", "sku_at")),
                    "shared": ratio(given("ratio()", "spend"), "n"),
                    "raw": Input(given("Input", "(1)"), ()),
                },
            )
        ],
    )


DECLARED = [
    "schema", "profile table", "key column", "event table", "time column", "key column of the event", "where= of an event", "missing=",
    "on_delete=", "feature", "amount column", "where= of a feature", "literal in where=", "value column", "window", "half_life", "score",
    "model", "on_error=", "input name", "an input", "age()", "ratio()", "Input",
]  # fmt: skip
OWN_CODE = ("where= of an event", "where= of a feature", "an input")
"""Expressions are code of their user's: the server says what is wrong with them, within a sentence."""

REGISTERED: dict[str, Callable[[Registry, str], Any]] = {
    "model promoted": lambda r, t: r.promote(t, 1),
    "reason of promote": lambda r, t: r.promote(MODEL, 0, t),
    "reason of rollback": lambda r, t: r.rollback(MODEL, t),
    "reason of retire": lambda r, t: r.curation.retire(MODEL, 2, t),
    "reason of approve": lambda r, t: r.curation.approve(MODEL, 0, t),
    "reason of set_alias": lambda r, t: r.curation.set_alias(MODEL, "best", 1, t),
    "alias": lambda r, t: r.curation.set_alias(MODEL, t, 1),
    "dropped alias": lambda r, t: r.curation.drop_alias(MODEL, t),
    "tag": lambda r, t: r.curation.set_tag(MODEL, 1, t, "x"),
    "value of a tag": lambda r, t: r.curation.set_tag(MODEL, 1, "x", t),
    "added note": lambda r, t: r.curation.add_note(MODEL, 1, t),
    "added metric": lambda r, t: r.curation.set_metric(MODEL, 1, t, 1.0),
    "role granted": lambda r, t: r.curation.grant(MODEL, t),
    "right granted": lambda r, t: r.curation.grant(MODEL, "modelpack_reader", t),
    "age of a purge": lambda r, t: r.curation.purge(t),
    "name of an input": lambda r, t: r.predict(MODEL, {t: 1}),
    "value of an input": lambda r, t: r.predict(MODEL, {"base": t}),
    "input of a row": lambda r, t: r.curation.diff(MODEL, 1, 1, [{t: 1}]),
    "model published": lambda r, t: r.publish_package(DUMMY, name=t),
    "note": lambda r, t: r.publish_package(DUMMY, name="other", note=f"{t}\x1b"),
    "metric": lambda r, t: r.publish_package(DUMMY, name="other", metrics={f"{t}\x1b": 1.0}),
    "lineage": lambda r, t: r.publish_package(DUMMY, name="other", lineage={f"{t}\x1b": t}),
    "library": lambda r, t: r.publish_package(replace(DUMMY, libraries={f"{t}\x1b": t}), name="other"),
    "input of a version": lambda r, t: r.publish_package(with_input(f"{t}\x1b"), name="other"),
    "class": lambda r, t: r.publish_package(with_output(f"{t}\x1b", "score"), name="other"),
    "output name": lambda r, t: r.publish_package(with_output("1", f"{t}\x1b"), name="other"),
}
"""Where the published version itself is not to be accepted (each costs a trial), the text has a control character at its end."""

DUMMY = dummy(0.5, ["base"])


def with_input(name: str) -> Package:
    return replace(
        DUMMY, signature=replace(DUMMY.signature, inputs=(replace(DUMMY.signature.inputs[0], name=name),))
    )


def with_output(positive: str, name: str) -> Package:
    return replace(DUMMY, signature=replace(DUMMY.signature, output=Output("value", positive, name)))


COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "promote NAME": lambda t: ["promote", "--", t, "1"],
    "promote --reason": lambda t: ["promote", MODEL, "0", f"--reason={t}"],
    "show NAME": lambda t: ["show", "--", t],
    "tag TAG": lambda t: ["tag", "--", MODEL, "1", t],
    "tag --note": lambda t: ["tag", MODEL, "1", f"--note={t}"],
    "alias ALIAS": lambda t: ["alias", "--", MODEL, t, "1"],
    "predict INPUTS": lambda t: ["predict", "--", MODEL, f"{t}=1"],
    "predict =VALUE": lambda t: ["predict", "--", MODEL, f"base={t}"],
    "grant ROLE": lambda t: ["grant", "--", MODEL, t],
    "verify PROFILE": lambda t: ["verify", "--", t],
    "rescore PROFILE": lambda t: ["rescore", "--", t],
    "rebuild --key": lambda t: ["rebuild", "shop.customer", f"--key={t}"],
    "refresh --older-than": lambda t: ["refresh", "shop.customer", f"--older-than={t}"],
    "apply DECLARATION": lambda t: ["apply", "--", t],
    "import FILE": lambda t: ["import", "--", t],
    "export FILE": lambda t: ["export", MODEL, "0", f"--output={t}"],
    "publish --name": lambda t: ["publish", "--dummy=1", "--inputs=base", f"--name={t}\x1b"],
    "publish --inputs": lambda t: ["publish", "--dummy=1", "--name=other", f"--inputs={t}:"],
    "purge --retired-for": lambda t: ["purge", f"--retired-for={t}"],
}
FACTS = ["signature", "golden", "parity", "metrics", "libraries", "lineage", "note", "model", "created_at"]


def raised(error: DBAPIError) -> bool:
    """Whether a function of ours has raised it, and not the server."""
    return bool(getattr(getattr(error.orig, "diag", None), "source_function", None) == "exec_stmt_raise")


def in_words(error: ModelpackError, place: str) -> None:
    """A refusal says what is wrong in a few words, and what was wrong was never the code that came of a text."""
    said = str(error)
    assert 10 < len(said) < 4000, (place, len(said), said[:300])
    assert "no PostgreSQL server can be reached" not in said
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DBAPIError) and place not in OWN_CODE and not raised(cause):
            assert getattr(cause.orig, "sqlstate", None) not in GENERATED, (place, said)
        cause = cause.__cause__


@pytest.fixture
def tame(database: str, canaries: Canaries) -> Iterator[Shop]:
    """A shop with tame names whose declaration is on its tables."""
    engine = make_engine(database)
    shop = Shop(canaries.session, engine, database, TAME, WORDS, "plain")
    shop.create_tables()
    yield shop
    engine.dispose()


@contextlib.contextmanager
def untouched(connection: Connection) -> Iterator[None]:
    """Nothing of it stays, and nothing of it has run."""
    transaction = connection.begin()
    try:
        yield
        assert connection.exec_driver_sql("select n from public.canary").fetchall() == [(1,)]
    finally:
        transaction.rollback()


def with_any_text(body: Callable[[str], None], examples: int, certain: Sequence[str]) -> None:
    """Give it the texts that are certain to be tried, and drawn ones."""

    def drawn(text: str) -> None:
        body(text)

    for text in certain:
        drawn = example(Text(text))(drawn)
    settings(max_examples=FUZZ or examples, **PROFILE)(given(text=TEXTS)(drawn))()  # type: ignore[arg-type]


CERTAIN = [
    Text("\0"), Text("\ud800"), Text("x" * (1 << 20)), Text("(" * 5000), Text("'; drop table canary; --"), Text(""),
    Text("9" * 5000 + " days"), Text("٣ days"), Text("$a$ ' $a$) or (true"), Text("—e'\\' or true) or ('"),
    Text("$modelpack$"),
]  # fmt: skip
"""For every place."""
ARGUMENTS = ["\udcff", "'; drop table canary; --"]
"""A byte that is no character of the terminal's reaches Python as half of a surrogate pair."""


@pytest.mark.parametrize("conforming", ["on", "off"])
def test_a_text_that_stands_in_several_lines_is_read_as_it_was(
    psql: psycopg.Connection, conforming: str
) -> None:
    psql.execute(f"set standard_conforming_strings = {conforming}")  # type: ignore[call-overload]
    for signs in (["'", " "], ["\\", " "], ["\\' ", "\n", "--"], ["''", "' '", " "], ["E' ", "$$", "/* "]):
        for number in range(30):
            text = "".join(f"{sign}word {sign * (number % 4)}" for sign in signs * 12)[number:]
            written = lines_of_text(text)
            assert "'\n'" in written
            assert psql.execute(f"select {written}").fetchone() == (text,)  # type: ignore[call-overload]


def test_a_declaration_that_cannot_be_is_refused_in_words(tame: Shop, canaries: Canaries) -> None:
    insert = "insert into shop.purchase values ('c', now(), 1, 'a', 'b')"
    verify = "select * from modelpack.verify('shop.customer')"

    def declared(place: str, text: str) -> None:
        try:
            profile = customer(Given(place, text))
            with tame.engine.connect() as connection, untouched(connection):
                modelpack.apply(connection, profile)
                connection.exec_driver_sql(insert)
                assert connection.exec_driver_sql(verify).fetchall() == []
        except DeclarationError as error:
            in_words(error, place)
        except DBAPIError as error:  # a function of ours refuses it
            if not raised(error):
                raise
        canaries.check()

    for place in DECLARED:
        with_any_text(partial(declared, place), 1, CERTAIN)


def test_what_is_said_of_a_version_is_kept_or_refused_in_words(tame: Shop, canaries: Canaries) -> None:
    with tame.engine.begin() as connection:
        assert modelpack.apply(connection, customer(Given("", "")))

    def told(place: str, put: Callable[[Registry, str], Any], text: str) -> None:
        with tame.engine.connect() as connection, untouched(connection):
            try:
                put(Registry(connection), text)
            except ModelpackError as error:
                in_words(error, place)
        canaries.check()

    for place, put in REGISTERED.items():
        with_any_text(partial(told, place, put), 1, CERTAIN[:5])


def test_what_the_command_line_is_given_is_taken_or_refused_in_words(
    tame: Shop, canaries: Canaries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with tame.engine.begin() as connection:
        assert modelpack.apply(connection, customer(Given("", "")))

    def ordered(place: str, arguments: Callable[[str], list[str]], text: str) -> None:
        done = CliRunner().invoke(app, arguments(text), env={"MODELPACK_DSN": tame.dsn})
        assert done.exit_code in (0, 2), (place, done.output)
        assert "Traceback" not in done.stderr
        assert "unexpected" not in done.stderr, (place, done.stderr[:500])
        assert "syntax error at" not in done.stderr
        canaries.check()

    for place, arguments in COMMANDS.items():
        with_any_text(partial(ordered, place, arguments), 1, ARGUMENTS)


def test_a_file_with_any_metadata_is_taken_or_refused_in_words(
    tame: Shop, canaries: Canaries, tmp_path: Path
) -> None:
    onnx, registry = DUMMY.onnx, Registry(tame.engine)
    good = {
        "signature": DUMMY.signature.to_json(),
        "golden": DUMMY.golden.to_json(),
        "model": "other",
        "sha256": DUMMY.sha256,
    }
    shapes = [
        "{}",
        "[]",
        "1",
        "null",
        "[[1]]",
        '{"rows": 1}',
        '{"rows": [1], "scores": null}',
        "[" * 5000,
        "1e999",
        "NaN",
        '"x"',
    ]

    def imported(fact: str, text: str) -> None:
        path = tmp_path / "file.onnx"
        try:
            path.write_bytes(
                exchange.embed(onnx, {**good, fact: text, "broken": 1, "metrics": {"\x1b": 1}} | {fact: text})
            )
        except UnicodeEncodeError:
            return  # no such file can be
        try:
            registry.import_file(path)
        except ModelpackError as error:
            in_words(error, fact)
        canaries.check()

    for fact in FACTS:
        with_any_text(partial(imported, fact), 1, [*CERTAIN, *shapes])


def test_the_texts_of_an_exported_file_are_those_that_were_stored() -> None:
    for text in ("null", "1", "1e5", '{"a": 1}', "true", '"x"', "[1, 2]", "'; --", "\u2028"):
        found = exchange.extract(
            exchange.embed(
                DUMMY.onnx,
                {"signature": {}, "golden": {}, "sha256": DUMMY.sha256, "note": text, "model": text},
            )
        )
        assert (found.facts["note"], found.facts["model"]) == (text, text)
