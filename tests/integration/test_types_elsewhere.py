"""Types that live outside pg_catalog, and collations of one's own, mean to the triggers what they mean to their user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from modelpack import Event, Profile, Score, count, distinct, first, last, maximum, minimum
from modelpack.connection import make_engine
from modelpack.declaration.features import Feature
from modelpack.errors import DeclarationError
from modelpack.training import training_set
from tests.support import Session, attach, linear_score, publish, rows, value, verified, wrong

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


# what an expression says of a citext, a text and an amount, to a session that finds citext's operators
CONDITIONS = [
    "v = 'A'",
    "v <> 'a'",
    "v in ('A', 'B')",
    "v not in ('A', 'b')",
    "v = any (array['A', 'B']::citext[])",
    "v like 'A%'",
    "v not like '%B'",
    "v ~ '^A'",
    "v between 'A' and 'B'",
    "v < 'B' or v is null",
    "(v, amount) = ('A', 2)",
    "(v, v) >= ('A', 'B')",
    "case when v = 'A' then amount > 1 else amount > 3 end",
    "coalesce(v, 'X') = 'x'",
    "greatest(v, 'B') = 'b'",
    "position('A' in v::text) > 0 and v = 'a'",
    "split_part(v, 'B', 2) = ''",
    "replace(v, 'A', 'z') = 'z'",
    "v::text = 'A'",
    "s = 'A'",
    "s in ('A', 'b')",
    "amount > 1.5 and s is distinct from 'a'",
    "twice(amount) > 4",
    "amount << 3",
]
OWN = """
create function public.twice(numeric) returns numeric language sql immutable return $1 * 2;
create function public.much_less(numeric, integer) returns boolean language sql immutable return $1 + 1 < $2;
create operator public.<< (leftarg = numeric, rightarg = integer, function = public.much_less);
"""
EVENTS = """
create table customer (customer_id bigint primary key, plan citext default 'Gold');
create table visit (visit_id integer primary key, customer_id bigint, at timestamptz default now(), v citext, s text, amount numeric);
"""
VALUES = ", ".join(
    f"({number}, {number % 2}, now(), {v}, {s}, {number % 5})"
    for number, (v, s) in enumerate((v, s) for v in ("null", "'a'", "'A'", "'Ab'", "'b'", "'B'", "'z'") for s in ("null", "'a'", "'A'"))
)  # fmt: skip


@pytest.mark.parametrize("schema", ["public", "elsewhere"])
def test_conditions_mean_what_they_mean_to_who_declares_them(
    database: str, psql: Session, schema: str
) -> None:
    path = "public" if schema == "public" else "public, elsewhere"
    psql.execute("create schema elsewhere; grant usage on schema elsewhere to public")
    psql.execute(f"create extension citext schema {schema}; set search_path = {path}")
    psql.execute(OWN + EVENTS)
    psql.execute(f"alter database {psql.info.dbname} set search_path = {path}")
    features: dict[str, Feature] = {}
    for number, where in enumerate(CONDITIONS):
        features[f"n{number}"] = count(where=where)
        features[f"w{number}"] = count(where=where, window="1 day")
    visits = Event("visit", at="at", features=features)
    inputs = {"golden": "case when plan = 'gold' then 1 else 0 end", "many": "twice(n0)"}
    profile = Profile("customer", key="customer_id", events=[visits], scores=[Score("churn", inputs=inputs)])
    attach(database, profile)
    publish(psql, "churn", ["golden", "many"], [2.0, 0.5])
    psql.execute("set search_path = pg_catalog")  # whoever brings the events has another path
    for statement in (
        f"insert into public.visit values {VALUES}",
        "update public.visit set v = 'A' where visit_id % 4 = 0",
        "delete from public.visit where visit_id % 5 = 0",
        "insert into public.visit values (99, 1, now(), 'A', 'A', 7)",
    ):
        psql.execute(statement)
        assert verified(psql, "public.customer") == []
        psql.execute(f"set search_path = {path}")
        for number, where in enumerate(CONDITIONS):
            truth = f"select customer_id, count(*) filter (where {where}) from visit group by 1 order by 1"
            for name in (f"n{number}", f"w{number}"):
                stored = rows(psql, f"select customer_id, {name} from customer order by 1")
                assert stored == rows(psql, truth), where
        for churn, golden, many in rows(
            psql, "select churn, (plan = 'gold')::integer, twice(n0) from customer"
        ):
            assert churn == pytest.approx(linear_score([2.0, 0.5], 0.0, [golden, float(many)]), abs=1e-6)
        psql.execute("set search_path = pg_catalog")
    # a session that finds none of it verifies and counts the same
    before = rows(psql, "select * from public.customer order by 1")
    psql.execute("call modelpack.rebuild('public.customer')")
    assert rows(psql, "select * from public.customer order by 1") == before
    assert declared(psql) == CONDITIONS[0]
    attach(database, profile)  # nothing has changed, so this changes nothing
    assert rows(psql, "select * from public.customer order by 1") == before
    same_in_training(database, psql, profile, features)


def same_in_training(
    database: str, session: Session, profile: Profile, features: Mapping[str, Feature]
) -> None:
    engine = make_engine(database)
    with engine.connect() as connection:
        # who reads has another path than who applied
        connection.exec_driver_sql("set search_path = pg_temp")
        frame = training_set(connection, profile, at=[datetime.now(timezone.utc)])
    engine.dispose()
    stored = rows(session, f"select {', '.join(features)} from public.customer order by customer_id")
    assert [tuple(row) for row in frame[list(features)].to_numpy().tolist()] == stored


def declared(session: Session) -> str:
    """The condition of the first feature as it is stored: as the user wrote it."""
    return str(value(session, "select declaration #>> '{events,0,features,0,where}' from modelpack.profile"))


UNNAMED = [
    "{} is distinct from 'A'", "nullif({}, 'A') is null", "case {} when 'A' then true end", "({}, amount) >= ('A', 2)",
]  # fmt: skip


def test_an_expression_that_names_no_operator_of_such_a_type_is_refused(database: str, psql: Session) -> None:
    psql.execute("create extension citext;" + EVENTS)
    for where in UNNAMED:
        visits = Event("visit", features={"n": count(where=where.format("v"))})
        with pytest.raises(DeclarationError, match=r"lives outside pg_catalog.*Name the operator"):
            attach(database, Profile("customer", key="customer_id", events=[visits]))
    features: dict[str, Feature] = {
        f"n{number}": count(where=where.format("s")) for number, where in enumerate(UNNAMED)
    }
    attach(database, Profile("customer", key="customer_id", events=[Event("visit", features=features)]))


@pytest.mark.parametrize("where", ["v = 'A'", "s = 'A'", "v operator(public.=) 'A'"])
def test_a_script_is_refused_where_the_triggers_would_read_it_otherwise(psql: Session, where: str) -> None:
    from modelpack.compile.script import attach_script

    psql.execute("create extension citext;" + EVENTS)
    visits = Event("visit", features={"n": count(where=where)})
    script = ";".join(attach_script(Profile("customer", key="customer_id", events=[visits]))).encode()
    if where == "v = 'A'":
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="would mean something else"):
            psql.execute(script)
        return
    psql.execute(script)
    psql.execute(f"insert into visit values {VALUES}")
    truth = f"select customer_id, count(*) filter (where {where}) from visit group by 1 order by 1"
    assert rows(psql, "select customer_id, n from customer order by 1") == rows(psql, truth)


def test_a_date_is_the_one_of_who_declares_it(database: str, psql: Session) -> None:
    psql.execute(f"alter database {psql.info.dbname} set datestyle = 'ISO, DMY'")
    psql.execute("create table customer (customer_id bigint primary key)")
    psql.execute("create table visit (customer_id bigint, day date)")
    visits = Event("visit", features={"n": count(where="day >= '02/01/2024'")})
    attach(database, Profile("customer", key="customer_id", events=[visits]))
    for style in ("ISO, MDY", "ISO, DMY", "German"):
        with psycopg.connect(database, autocommit=True) as session:
            session.execute(f"set datestyle = '{style}'")
            session.execute(
                "insert into visit values (1, '2024-01-01'), (1, '2024-01-02'), (1, '2024-02-01')"
            )
            assert verified(session) == []
    assert rows(psql, "select n from customer") == [(6,)]


def test_a_feature_column_of_another_collation_is_refused(database: str, psql: Session) -> None:
    psql.execute("create table customer (customer_id bigint primary key, first_v text)")
    psql.execute('create table visit (customer_id bigint, at date, v text collate "C")')
    visits = Event("visit", at="at", features={"first_v": first("v")})
    with pytest.raises(DBAPIError, match="has the collation"):
        attach(database, Profile("customer", key="customer_id", events=[visits]))
