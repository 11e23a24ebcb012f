"""Every kind of feature over columns of every type: right by SQL of the test's own, or refused in a sentence before anything changes."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
import pytest
from sqlalchemy import Connection

from modelpack import (
    Event,
    Profile,
    count,
    decayed,
    deviation,
    distinct,
    first,
    last,
    maximum,
    mean,
    minimum,
    total,
)
from modelpack.declaration.features import Feature
from modelpack.errors import DeclarationError
from modelpack.fitness import check
from tests.support import attach, row, rows, value, wrong

BEFORE = """
create extension if not exists citext; create extension if not exists hstore;
create type mood as enum ('sad', 'glad'); create type pair as (a integer, b text);
create domain positive as integer check (value > 0); create domain price as numeric(10, 2); create domain prices as numeric[];
create domain moods as mood; create domain given as integer not null; create domain shout as citext;
"""

KINDS: dict[str, Feature] = {
    "total": total("v"),
    "mean": mean("v"),
    "deviation": deviation("v"),
    "decayed": decayed("v", half_life="3 days"),
    "minimum": minimum("v"),
    "maximum": maximum("v"),
    "distinct": distinct("v"),
    "first": first("v"),
    "last": last("v"),
    "w_minimum": minimum("v", window="30 days"),
    "w_distinct": distinct("v", window="30 days"),
    "w_total": total("v", window="30 days"),
}
SUMS = {"total", "mean", "deviation", "decayed", "w_total"}


@dataclass
class Column:
    """A type with a small and a large value; which kinds a column of it cannot have."""

    type: str
    low: str
    high: str
    refused: set[str]


def some(refused: set[str], *types: tuple[str, str, str]) -> list[Column]:
    return [Column(*each, refused) for each in types]


COLUMNS = [
    *some(set(), ("smallint", "1", "2"), ("bigint", "1", "2"), ("real", "0.1", "1"), ("double precision", "-1e-3", "7"),
          ("numeric", "1.50", "2"), ("numeric(6,1)", "1.5", "2"), ("positive", "1", "2"), ("price", "1", "2")),
    *some(SUMS, ("text", "a", "b"), ("varchar(3)", "a", "b"), ("char(3)", "a", "b"), ("name", "a", "b"), ('"char"', "a", "b"),
          ("citext", "a", "B"), ("shout", "a", "B"), ('text collate "C"', "B", "a"), ("boolean", "f", "t"), ("date", "2024-01-01", "infinity"),
          ("time", "10:00", "11:00"), ("timetz", "10:00+02", "11:00+02"), ("timestamp", "2024-01-01", "2024-01-02"),
          ("timestamptz", "2024-01-01", "2024-01-02"), ("interval", "1 day", "1 month"),
          ("uuid", "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"), ("money", "1", "2"),
          ("bytea", r"\x00", r"\x01"), ("bit(3)", "001", "100"), ("varbit", "0", "01"), ("inet", "10.0.0.1", "10.0.0.2"),
          ("cidr", "10.0.0.0/8", "11.0.0.0/8"), ("macaddr", "08:00:2b:01:02:03", "08:00:2b:01:02:04"), ("oid", "1", "2"),
          ("pg_lsn", "0/1", "0/2"), ("tsvector", "a", "b"), ("tsquery", "a", "a & b"), ("jsonb", "1", "[1]"),
          ("int4range", "[1,2)", "[2,3)"), ("nummultirange", "{[1,2)}", "{[2,3)}"), ("pair", "(1,a)", "(1,b)"),
          ("mood", "sad", "glad"), ("moods", "sad", "glad"), ("hstore", "a=>1", "a=>2")),
    *some(SUMS | {"first", "last"}, ("integer[]", "{1}", "{1,2}"), ("mood[]", "{sad}", "{glad}"), ("prices", "{1}", "{2}")),
    *some(set(KINDS), ("json", "1", "2"), ("xml", "<a/>", "<b/>"), ("point", "(1,2)", "(2,1)"), ("xid", "1", "2"), ("jsonpath", "$", "$.a"),
          ("json[]", "{1}", "{2}"), ("box", "(1,1),(0,0)", "(2,2),(0,0)"), ("pg_snapshot", "1:1:", "2:2:")),
    # a feature without events is NULL
    *some({"minimum", "maximum", "first", "last", "w_minimum"}, ("given", "1", "2")),
]  # fmt: skip


def expected(kind: str, table: str) -> str:
    """What a kind is over the events of a customer `p`, by plain SQL: the order of the type decides, by ORDER BY."""
    there = f"from {table} as e where e.id = p.id and e.v is not null"
    pick = {
        "minimum": "e.v",
        "maximum": "e.v desc",
        "first": "e.at, e.v",
        "last": "e.at desc, e.v desc",
        "w_minimum": "e.v",
    }
    if kind in pick:
        return f"(select e.v {there} order by {pick[kind]} limit 1)"
    if kind in ("distinct", "w_distinct"):
        return f"(select count(*) from (select e.v {there} group by e.v) as g)"
    if kind == "decayed":  # the events weigh what they weighed at the moment of scoring
        age = "extract(epoch from p.features_at - e.at)"
        return f"(select coalesce(sum(e.v::text::float8 * 2 ^ (- {age} / 259200)::float8), 0) {there})"
    sql = {
        "total": "coalesce(sum({}), 0)",
        "w_total": "coalesce(sum({}), 0)",
        "mean": "avg({})::float8",
        "deviation": "stddev({})::float8",
    }
    return f"(select {sql[kind].format('e.v::text::numeric')} {there})"


def is_right(kind: str, name: str, table: str) -> str:
    """SQL that says whether every customer has it; what is divided is a double, right to its last digits."""
    stored, wanted = f"p.{name}", expected(kind, table)
    if kind in ("mean", "deviation", "decayed"):
        return f"bool_and(coalesce(abs({stored} - {wanted}) < 1e-9, {stored} is null and {wanted} is null))"
    if kind in SUMS:
        return f"bool_and({stored} = {wanted})"
    return f"bool_and(row({stored})::record *= row({wanted})::record)"


GROUPS = [COLUMNS[start : start + 9] for start in range(0, len(COLUMNS), 9)]


@pytest.mark.parametrize("columns", GROUPS, ids=[f"{g[0].type} to {g[-1].type}" for g in GROUPS])
def test_every_kind_over_every_type(
    database: str, psql: psycopg.Connection, connection: Connection, columns: list[Column]
) -> None:
    tables = [
        f"create table event_{n} (no serial, id bigint, at timestamptz, v {c.type});"
        for n, c in enumerate(columns)
    ]
    psql.execute(f"{BEFORE} create table customer (id bigint primary key); {''.join(tables)}")
    events, kept = [], []
    for n, column in enumerate(columns):
        table = f"event_{n}"
        for kind in column.refused:
            unfit = Event(table, at="at", features={f"{kind}_{n}": KINDS[kind]})
            with pytest.raises(DeclarationError) as refused:
                check(connection, Profile("customer", key="id", events=[unfit]))
            shown = value(
                psql,
                "select format_type(atttypid, atttypmod) from pg_attribute where attrelid = to_regclass(%s) and attname = 'v'",
                table,
            )
            for part in (f"the feature {kind}_{n} ", f"public.{table}.v, which is {shown}", "expected a "):
                assert part in str(refused.value)
        names = {f"{kind}_{n}": KINDS[kind] for kind in KINDS if kind not in column.refused}
        kept += [(name, kind, table) for name in names for kind in KINDS if name == f"{kind}_{n}"]
        events.append(Event(table, at="at", features=names | {f"n_{n}": count()}))
    connection.rollback()
    attach(database, Profile("customer", key="id", events=events))
    wrongs = "select " + ", ".join(f"{is_right(kind, name, table)} as {name}" for name, kind, table in kept)
    for statement in (
        "insert into event_{0} (id, at, v) values (1, now() - interval '2 days', '{low}')",
        "insert into event_{0} (id, at, v) values (1, now() - interval '1 day', '{high}'), (1, now() - interval '1 day', '{low}'),"
        " (2, now() - interval '1 hour', '{high}')",
        "insert into event_{0} (id, at, v) values (1, now() - interval '3 hours', '{high}')",
        "update event_{0} set at = at - interval '1 hour' where id = 1",
        "update event_{0} set v = '{low}' where id = 2",
        "update event_{0} set id = 2 where no = 1",
        "delete from event_{0} where no = 2",
        "insert into event_{0} (id, at, v) values (3, now() - interval '1 day', '{low}')",
        "delete from event_{0} where id = 3",
        "update event_{0} set id = id",
    ):
        for n, column in enumerate(columns):
            psql.execute(statement.format(n, low=column.low, high=column.high))
        if kept:
            found = dict(
                zip([name for name, *_ in kept], row(psql, wrongs + " from customer as p"), strict=True)
            )
            assert [name for name, right in found.items() if not right] == [], statement
    assert wrong(psql) == []
    assert rows(psql, "select id, n_0 from customer order by id") == [(1, 2), (2, 2), (3, 0)]
