"""Types that live outside pg_catalog, and collations of one's own, mean to the triggers what they mean to their user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from support import Session, attach, rows, wrong

from modelpack import Event, Profile, count, distinct, first, last, maximum, minimum
from modelpack.declaration.features import Feature

# whose = ignores the case of letters, and whose smallest is the largest
WORD = """
create schema words;
create type words.word;
create function words.word_in(cstring) returns words.word language internal immutable strict as 'textin';
create function words.word_out(words.word) returns cstring language internal immutable strict as 'textout';
create type words.word (input = words.word_in, output = words.word_out, like = text);
create cast (words.word as text) without function as implicit;
create cast (text as words.word) without function as assignment;
create function words.compare(words.word, words.word) returns integer language sql immutable strict
  return pg_catalog.bttextcmp(pg_catalog.lower($2::text) collate "C", pg_catalog.lower($1::text) collate "C");
"""
for name, sign in {"lt": "<", "le": "<=", "eq": "=", "ge": ">=", "gt": ">", "ne": "<>"}.items():
    WORD += (
        f"create function words.word_{name}(words.word, words.word) returns boolean language sql immutable strict "
        f"return words.compare($1, $2) operator(pg_catalog.{sign}) 0;"
        f"create operator words.{sign} (leftarg = words.word, rightarg = words.word, function = words.word_{name});"
    )
WORD += """
create operator class words.word_ops default for type words.word using btree as operator 1 words.<, operator 2 words.<=,
  operator 3 words.=, operator 4 words.>=, operator 5 words.>, function 1 words.compare(words.word, words.word);
create function words.word_hash(words.word) returns integer language sql immutable strict
  return pg_catalog.hashtext(pg_catalog.lower($1::text) collate "C");
create operator class words.word_hash default for type words.word using hash as operator 1 words.=, function 1 words.word_hash(words.word);
"""
LOOSE = "create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
BACKWARDS = "create collation backwards (provider = icu, locale = 'en-u-kf-upper');"
TEXTS = ["a", "A", "b", "B", "Ab", "ab", "_", "Ä", "z"]


@dataclass
class Kind:
    """A type of the column, what makes it, and the path by which its user sees it."""

    type: str
    before: str = ""
    path: str = "public"
    values: tuple[str, ...] = tuple(TEXTS)
    smallest: str = "min"
    largest: str = "max"


ORDERED = {"smallest": "(array_agg({0} order by {0}))[1]", "largest": "(array_agg({0} order by {0} desc))[1]"}
KINDS = {
    "citext": Kind("citext", "create extension citext;"),
    "citext in a schema of its own": Kind(
        "elsewhere.citext", "create schema elsewhere; create extension citext schema elsewhere;", "public, elsewhere"
    ),
    "domain over citext": Kind("email", "create extension citext; create domain email as citext;"),
    "home-made": Kind("words.word", WORD, "words, public"),
    "enum": Kind("mood", "create type mood as enum ('z', 'b', 'a');", values=("a", "b", "z")),
    "loose collation": Kind("text collate loose", LOOSE),
    "other collation": Kind("text collate backwards", BACKWARDS),
    "C": Kind('varchar(9) collate "C"'),
    "uuid": Kind("uuid", values=tuple(f"00000000-0000-0000-0000-00000000000{d}" for d in "0f3a")),
    "boolean": Kind("boolean", values=("true", "false")),
    "isn": Kind("isbn", "create extension isn;", values=("978-0-393-04002-9", "0-393-04002-X", "978-1-937785-49-9")),
    "ltree": Kind("ltree", "create extension ltree;", values=("a.b", "A", "a", "b.a")),
    "hstore": Kind("hstore", "create extension hstore;", values=("a=>1", "a=>2", "b=>1, a=>1", "a=>1, b=>1")),
}  # fmt: skip

TABLES = """
create table customer (customer_id bigint primary key);
create table visit (visit_id integer primary key, customer_id bigint, at timestamptz, v {type});
"""
FEATURES: Mapping[str, Feature] = {
    "n": count(),
    "kinds": distinct("v"),
    "smallest": minimum("v"),
    "largest": maximum("v"),
    "smallest_7d": minimum("v", window="7 days"),
    "largest_7d": maximum("v", window="7 days"),
    "kinds_7d": distinct("v", window="7 days"),
    "first_v": first("v"),
    "last_v": last("v"),
}
RECENT = "filter (where at > now() - interval '7 days')"
# what each feature is to the user: equal to it, so that either of two equal values will do
TRUTH = f"""
select c.customer_id, c.n = t.n, c.kinds = t.kinds, c.smallest = t.smallest, c.largest = t.largest,
       coalesce(c.smallest_7d = t.smallest_7d, c.smallest_7d is null and t.smallest_7d is null),
       coalesce(c.largest_7d = t.largest_7d, c.largest_7d is null and t.largest_7d is null), c.kinds_7d = t.kinds_7d,
       c.first_v = t.first_v, c.last_v = t.last_v
  from customer as c
  join (select customer_id, count(*) as n, count(distinct v) as kinds,
               (array_agg(v order by v))[1] as smallest, (array_agg(v order by v desc))[1] as largest,
               (array_agg(v order by v) {RECENT})[1] as smallest_7d, (array_agg(v order by v desc) {RECENT})[1] as largest_7d,
               count(distinct v) {RECENT} as kinds_7d,
               (array_agg(v order by at, v))[1] as first_v, (array_agg(v order by at desc, v desc))[1] as last_v
          from visit group by customer_id) as t using (customer_id)
"""


def right(session: Session, path: str) -> None:
    """What is stored is what the user's own SQL says, by the user's own path, and verify agrees."""
    session.execute(f"set search_path = {path}")
    found = rows(session, TRUTH)
    session.execute("reset search_path")
    assert found
    for row in found:
        assert all(value is True for value in row[1:]), row
    assert wrong(session) == []


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_values_are_compared_as_their_type_compares_them(database: str, psql: Session, kind: Kind) -> None:
    psql.execute(kind.before + TABLES.format(type=kind.type))
    visits = Event("visit", at="at", features=FEATURES)
    attach(database, Profile("customer", key="customer_id", events=[visits]))
    number = 0
    for turn, batch in enumerate((1, 1, 2, len(kind.values), 1)):
        for start in range(0, len(kind.values), batch):
            values = []
            for text in kind.values[start : start + batch]:
                number += 1
                days = 8 * (number % 3) + number % 2
                values.append(f"({number}, {turn % 2}, now() - interval '{days} days', '{text}')")
            psql.execute(f"insert into visit values {', '.join(values)}")
            right(psql, kind.path)
    for change in (
        "update visit set at = at - interval '3 days' where visit_id % 4 = 0",
        f"update visit set v = '{kind.values[-1]}' where visit_id % 5 = 0",
        f"update visit set v = '{kind.values[0]}' where visit_id % 5 = 1",
        "update visit set customer_id = 1 - customer_id where visit_id % 3 = 0",
        "delete from visit where visit_id % 7 < 3",
        "call modelpack.refresh('customer', older_than => '0 seconds')",
        "call modelpack.rebuild('customer')",
    ):
        psql.execute(change)
        right(psql, kind.path)
