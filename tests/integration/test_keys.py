"""Keys that are equal are one key, however each is written: in one statement, between sessions, in the log."""

from __future__ import annotations

import psycopg
import pytest

from modelpack import Event, Profile, Score, count, distinct, last, total
from modelpack.errors import DeclarationError
from tests.support import Session, attach, publish, row, rows, value, wrong

# type of the profile's key, type of the event's, and texts of one key
SAME = {
    "numeric": ("numeric", "numeric", ["1", "1.0", "1.00"]),
    "numeric of a domain": ("amount_of", "numeric", ["1", "1.0"]),
    "numeric with a scale": ("numeric(9, 2)", "numeric(12, 2)", ["1", "1.0"]),
    "float": ("double precision", "double precision", ["0", "-0.0"]),
    "real": ("real", "real", ["0", "-0.0"]),
    "char": ("char(6)", "char(8)", ["ab", "ab  "]),
    "interval": ("interval", "interval", ["1 month", "30 days", "29 days 24:00"]),
    "instants": ("timestamptz", "timestamptz", ["2024-03-31 02:30+01", "2024-03-31 01:30+00"]),
    "integers": ("integer", "bigint", ["7", "07"]),
    "wider": ("bigint", "smallint", ["7", "07"]),
    "varchar": ("text", "varchar(9)", ["ab"]),
    "text": ("varchar(9)", "text", ["ab"]),
    "uuid": ("uuid", "uuid", ["00000000-0000-0000-0000-00000000000A", "00000000-0000-0000-0000-00000000000a"]),
    "inet": ("inet", "inet", ["10.0.0.1", "10.0.0.1/32"]),
    "enum": ("colour", "colour", ["red"]),
}  # fmt: skip
TYPES = "create domain amount_of as numeric check (value > 0); create type colour as enum ('red', 'blue');"
FEATURES = {"n": count(), "spend": total("amount"), "skus": distinct("sku"), "last_sku": last("sku")}
TRUTH = (
    "select c.customer_id::text, c.n, c.spend, c.skus, c.last_sku, count(e.*), coalesce(sum(e.amount), 0), "
    "count(distinct e.sku), (array_agg(e.sku order by e.at desc) filter (where e.sku is not null))[1] "
    "from customer as c left join purchase as e on e.customer_id = c.customer_id group by c.customer_id"
)


def declare(database: str, session: Session, mine: str, its: str, missing: str = "create") -> None:
    session.execute(TYPES)
    session.execute(f"create table customer (customer_id {mine} primary key)")
    session.execute(
        f"create table purchase (customer_id {its}, at timestamptz default clock_timestamp(), amount numeric, sku text)"
    )
    events = [Event("purchase", at="at", features=FEATURES, missing=missing)]  # type: ignore[arg-type]
    attach(database, Profile("customer", key="customer_id", events=events, scores=[Score("churn")]))
    publish(session, "churn", ["n"], [0.5])


def exact(session: Session) -> None:
    """Every counter is what SQL's own join of the two tables says."""
    for found in rows(session, TRUTH):
        assert found[1:5] == found[5:], found
    assert wrong(session) == []


@pytest.mark.parametrize(("mine", "its", "texts"), SAME.values(), ids=list(SAME))
def test_equal_keys_are_one_customer(
    database: str, psql: Session, mine: str, its: str, texts: list[str]
) -> None:
    declare(database, psql, mine, its)
    for text in texts:
        psql.execute(f"insert into purchase values ('{text}', default, 1, 'a')")
    many = ", ".join(f"('{text}', default, {n}, 's{n}')" for n, text in enumerate(texts * 2))
    psql.execute(f"insert into purchase values {many}")
    assert value(psql, "select count(*) from customer") == 1
    exact(psql)
    psql.execute(f"update purchase set customer_id = '{texts[-1]}', sku = 'z' where sku in ('a', 's1')")
    exact(psql)
    psql.execute("delete from purchase where sku in ('s0', 's2')")
    exact(psql)
    # the log names the customer by one text, and is found by all
    scored = rows(psql, "select prediction_id from modelpack.prediction order by 1 desc")
    assert len(rows(psql, "select distinct entity_key from modelpack.prediction")) == 1
    for text in texts:
        psql.execute("set timezone = 'Asia/Tokyo'; set datestyle = German; set intervalstyle = sql_standard")
        assert rows(psql, "select prediction_id from modelpack.history('customer', %s)", text) == scored
        psql.execute("reset all")
        psql.execute("alter table customer disable trigger user; update customer set n = 77")
    psql.execute("alter table customer enable trigger user")
    for text in texts:
        assert value(psql, "select count(*) from modelpack.verify('customer', array[%s])", text) == 1
    psql.execute("call modelpack.rebuild('customer', keys => %s)", [texts])
    exact(psql)


UNFIT = {
    "char beside varchar": ("char(10)", "varchar(10)", "alter column customer_id type character\\(10\\)"),
    "varchar beside char": ("text", "char(10)", "alter column customer_id type text"),
    "numeric beside integers": ("bigint", "numeric", "alter column customer_id type bigint"),
    "integers beside numeric": ("numeric", "integer", "alter column customer_id type numeric"),
    "float beside numeric": ("numeric", "double precision", "cannot be compared by one equality"),
    "single beside double": ("real", "double precision", "cannot be compared by one equality"),
    "times without a zone": ("timestamptz", "timestamp", "cannot be compared by one equality"),
    "days beside times": ("date", "timestamp", "cannot be compared by one equality"),
    "names": ("name", "text", "cannot be compared by one equality"),
    "rounded": ("numeric(9, 1)", "numeric", "would be rounded"),
    "rounded times": ("timestamp(0)", "timestamp", "would be rounded"),
    "extension": ("citext", "citext", r"a type of the schema public.*alter table public\.customer alter column customer_id type text using lower\(customer_id::text\)"),
    "extension beside text": ("text", "citext", r"alter table public\.purchase alter column customer_id type text using lower\(customer_id::text\)"),
    "domain over it": ("email", "email", "a type of the schema public"),
    "collation": ("text collate loose", "text collate loose", "calls different texts equal"),
    "money": ("money", "money", "has no hash.*alter column customer_id type text"),
    "json": ("jsonb", "jsonb", "values have parts"),
    "arrays": ("bigint[]", "bigint[]", "values have parts"),
    "rows": ("point_of", "point_of", "values have parts"),
}  # fmt: skip


def test_keys_without_one_equality_are_refused_before_anything_changes(database: str, psql: Session) -> None:
    psql.execute(
        "create extension citext; create domain email as citext; create type point_of as (x integer, y integer);"
        "create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    for mine, its, sentence in UNFIT.values():
        psql.execute("drop table if exists customer, purchase")
        psql.execute(f"create table customer (customer_id {mine} primary key)")
        psql.execute(f"create table purchase (customer_id {its})")
        event = Event("purchase", features={"n": count()})
        with pytest.raises(DeclarationError, match="(?s)" + sentence):
            attach(database, Profile("customer", key="customer_id", events=[event]))
    assert rows(psql, "select from modelpack.profile") == []


def test_a_script_made_without_a_connection_asks_the_server(psql: Session) -> None:
    from modelpack.compile.script import attach_script

    psql.execute("create table customer (customer_id char(10) primary key)")
    psql.execute("create table purchase (customer_id varchar(10))")
    profile = Profile("customer", key="customer_id", events=[Event("purchase", features={"n": count()})])
    script = ";".join(attach_script(profile))
    with pytest.raises(psycopg.errors.DatatypeMismatch, match="cannot be compared"):
        psql.execute(script.encode())
    assert row(psql, "select count(*) from modelpack.profile") == (0,)


def test_the_log_names_a_key_of_several_columns_by_one_text(database: str, psql: Session) -> None:
    psql.execute(
        "create table customer (shop char(5), number numeric, day date, primary key (shop, number, day));"
        "create table purchase (shop char(8), number numeric, day date)"
    )
    event = Event("purchase", features={"n": count()})
    profile = Profile("customer", key=["shop", "number", "day"], events=[event], scores=[Score("churn")])
    attach(database, profile)
    publish(psql, "churn", ["n"], [0.5])
    psql.execute("insert into purchase values ('ab', 1.0, '2024-02-01'), ('ab  ', 1, '2024-02-01')")
    psql.execute("update customer set number = 1.000")  # the same key, and no input: nothing to score
    psql.execute("insert into purchase values ('ab', 1.00, '2024-02-01')")
    assert rows(psql, "select distinct entity_key from modelpack.prediction") == [
        ('["ab", 1, "2024-02-01"]',)
    ]
    for text in ('["ab", 1, "2024-02-01"]', '["ab   ","1.00","2024-02-01"]'):
        assert value(psql, "select count(*) from modelpack.history('customer', %s)", text) == 2
    assert rows(psql, "select n from customer") == [(3,)]
