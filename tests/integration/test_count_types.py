"""COUNT: keys, names, times and values of every type."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

import pytest
from shop import TABLES

from modelpack import (
    Event,
    Profile,
    count,
    decayed,
    distinct,
    first,
    last,
    maximum,
    total,
)
from tests.support import Session, row, rows, value, wrong


@pytest.mark.parametrize(
    ("kind", "one", "two"),
    [
        ("uuid", "6f1d3a52-0c1e-4c62-9a53-1f8d2f5a7c01", "6f1d3a52-0c1e-4c62-9a53-1f8d2f5a7c02"),
        ("text", 'it\'s "odd", [1]', "ÄÖ\t\\ %s $1"),
        ("varchar(20)", "", "b"),
        ("smallint", "1", "-2"),
        ("numeric", "1.5", "2"),
        ("date", "2024-01-01", "infinity"),
        ("timestamptz", "2024-03-31 01:00:00.123456+00", "2024-03-31 02:00:00+00"),
        ("boolean", "t", "f"),
    ],
)
def test_keys_of_any_type(shop: Callable[..., Session], kind: str, one: str, two: str) -> None:
    session = shop(TABLES.replace("customer_id bigint", f"customer_id {kind}"))
    session.execute("set timezone = 'America/New_York'")
    insert = "insert into purchase (customer_id, amount, sku) values (%s, 1, 'a')"
    session.execute(insert, [one])
    session.execute(f"{insert}, (%s, 2, 'b'), (%s, 3, 'b')", [one, two, two])
    session.execute("update purchase set customer_id = %s where amount = 3", [one])
    assert rows(session, f"select n, spend from customer where customer_id = %s::{kind}", one) == [(3, 5)]
    assert wrong(session) == []
    _corrupt(session, "n = 77")
    (first_key,) = row(session, "select entity_key from modelpack.verify('customer') limit 1")
    session.execute("call modelpack.rebuild('customer', keys => array[%s])", [first_key])
    assert [w[:3] for w in rows(session, "select * from modelpack.verify('customer')")] == [
        (key, "n", "77") for key in _keys(session) if key != first_key
    ]
    session.execute("call modelpack.rebuild('customer')")
    assert wrong(session) == []


def _keys(session: Session) -> list[str]:
    return [
        k
        for (k,) in rows(
            session, "select entity_key from modelpack.verify('customer') union select null where false"
        )
    ]


def _corrupt(session: Session, change: str) -> None:
    """Write a wrong feature, past every trigger."""
    with session.transaction():
        session.execute("set local session_replication_role = replica")
        session.execute(f"update customer set {change}")


def test_composite_keys_in_another_order_and_with_other_names(shop: Callable[..., Session]) -> None:
    session = shop(
        """
        create table customer (shop text, number integer, primary key (number, shop));
        create table purchase (no integer, place text, at timestamptz default now(), amount numeric);
        """,
        Profile(
            "customer",
            key=["shop", "number"],
            events=[
                Event(
                    "purchase",
                    at="at",
                    key=["place", "no"],
                    features={"n": count(), "spend": total("amount"), "dearest": maximum("amount")},
                )
            ],
        ),
    )
    session.execute("insert into purchase values (1, 'a', now(), 1)")
    session.execute(
        "insert into purchase values (1, 'a', now(), 2), (1, 'b', now(), 3), (null, 'a', now(), 4), (1, null, now(), 5)"
    )
    session.execute("update purchase set place = 'c' where amount > 1")
    assert rows(session, "select shop, number, n, spend from customer order by 1, 2") == [
        ("a", 1, 1, 1),
        ("b", 1, 0, 0),
        ("c", 1, 3, 10),
    ] or rows(session, "select shop, number, n, spend from customer order by 1, 2") == [
        ("a", 1, 1, 1),
        ("b", 1, 0, 0),
        ("c", 1, 3, 10),
    ]
    assert wrong(session) == []
    _corrupt(session, "n = 77")
    session.execute("call modelpack.rebuild('customer', keys => array['[\"b\", 1]'])")
    assert {w[0] for w in wrong(session)} == {'["a", 1]', '["c", 1]'}
    session.execute("call modelpack.rebuild('customer')")
    assert wrong(session) == []


def test_quoted_reserved_and_qualified_names(shop: Callable[..., Session]) -> None:
    session = shop(
        """
        create schema "Shop";
        create schema sales;
        create table "Shop"."user" ("Order" bigint primary key, "select" text);
        create table sales."Group By" ("Order" bigint, "when" timestamptz default now(), "Amount $" numeric, "end" text);
        """,
        Profile(
            "Shop.user",
            key="Order",
            events=[
                Event(
                    "sales.Group By",
                    at="when",
                    where='"Amount $" is distinct from 13',
                    features={
                        "table": count(),
                        "offset": total("Amount $", where="\"end\" <> 'x'"),
                        "limit": last("end"),
                        "desc": distinct("end"),
                        "analyse": count(window="2 days"),
                        "asc": decayed("Amount $", half_life="1 day"),
                    },
                )
            ],
        ),
    )
    table = 'sales."Group By"'
    session.execute(
        f"insert into {table} values (1, now(), 1, 'a'), (1, now(), 2, 'x'), (2, now(), 13, 'b'), (2, now(), 3, 'c')"
    )
    session.execute(f"insert into {table} values (3, now(), 1, 'a')")
    session.execute(f'update {table} set "Order" = 1 where "Order" = 2')
    session.execute(f'delete from {table} where "Amount $" = 1')
    assert rows(session, 'select "Order", "table", "offset", "limit" from "Shop"."user" order by 1') == [
        (1, 2, 3, "x"),
        (2, 0, 0, None),
        (3, 0, 0, None),
    ]
    assert wrong(session, '"Shop"."user"') == []
    session.execute('call modelpack.refresh(\'"Shop"."user"\')')
    session.execute('call modelpack.rebuild(\'"Shop"."user"\')')


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz", "timestamp(0)"])
def test_times_of_every_type_mean_the_same_in_every_session(shop: Callable[..., Session], kind: str) -> None:
    session = shop(TABLES.replace("at timestamptz", f"at {kind}"))
    for zone in ("Pacific/Kiritimati", "America/New_York", "UTC", "Asia/Kathmandu"):
        session.execute(f"set timezone = '{zone}'")
        session.execute(
            "insert into purchase (customer_id, at, amount, sku) select n % 3, "
            "(timestamptz '2024-03-31 00:30+00' + n * interval '5 hours'), n, 's' || n from generate_series(1, 9) as n"
        )
        session.execute(
            "insert into purchase (customer_id, at, amount, sku) values (1, now(), 1, 'z'), (1, 'infinity', 2, 'y'), "
            "(1, '-infinity', 3, 'w')"
        )
        session.execute("update purchase set at = at - interval '30 days' where amount = 4")
        session.execute("delete from purchase where amount = 8")
        session.execute("set timezone = 'Asia/Tokyo'")
        assert wrong(session) == []
        session.execute("set timezone = 'America/Los_Angeles'")
        assert wrong(session) == []


@pytest.mark.parametrize("kind", ["double precision", "real", "numeric", "bigint", "numeric(12, 2)"])
def test_numbers_of_every_type_and_size(shop: Callable[..., Session], kind: str) -> None:
    session = shop(TABLES.replace("amount numeric", f"amount {kind}"))
    odd = {
        "double precision": ["NaN", "Infinity", "-Infinity", "1e308", "-1e308", "5e-324", "1e-300", "0.1", "1e100",
                             "-1e100", "1e-50", "9007199254740993", "-0", "123456789.123456789"],
        "real": ["NaN", "Infinity", "-Infinity", "3e38", "1e-45", "16777216", "0.1", "-0", "1234567.8"],
        "numeric": ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "1e100", "0.1", "1e-99",
                    "12345678901234567890123.45678901234567890123"],
        "bigint": ["9223372036854775807", "-9223372036854775808", "0", "1"],
        "numeric(12, 2)": ["NaN", "9999999999.99", "0.01", "-0.01"],
    }[kind]  # fmt: skip
    for number in odd:
        session.execute("insert into purchase (customer_id, amount, sku) values (1, %s, 'a')", [number])
        assert wrong(session) == [], number
    session.execute(
        f"insert into purchase (customer_id, amount, sku) select 1, n, 'b' from unnest(%s::{kind}[]) as n",
        [odd],
    )
    assert wrong(session) == []
    for number in odd[::-1]:
        session.execute(f"delete from purchase where amount::text = %s::{kind}::text", [number])
        assert wrong(session) == [], number
    assert row(session, "select n, spend, basket, spread from customer") == (0, 0, None, None)


def test_sums_of_floating_point_columns_keep_every_digit(shop: Callable[..., Session]) -> None:
    session = shop(TABLES.replace("amount numeric", "amount double precision, small real, whole bigint"))
    attach_more = "insert into purchase (customer_id, amount) values (1, 9007199254740991), (1, 0.1), (1, 0.2), (1, 1e15)"
    session.execute(attach_more)
    assert str(value(session, "select trim_scale(spend) from customer")) == "10007199254740991.3"
    session.execute("set extra_float_digits = -3")
    session.execute("delete from purchase where amount > 1")
    session.execute("reset extra_float_digits")
    assert str(value(session, "select trim_scale(spend) from customer")) == "0.3"
    assert wrong(session) == []


def test_sums_of_real_columns_keep_every_digit(shop: Callable[..., Session]) -> None:
    session = shop(TABLES.replace("amount numeric", "amount real"))
    session.execute("insert into purchase (customer_id, amount) values (1, 16777216), (1, 1234567.8)")
    assert value(session, "select spend::double precision from customer") == 16777216 + 1234567.75 + 0.05
    session.execute("delete from purchase where amount > 1e7")
    assert str(value(session, "select trim_scale(spend) from customer")) == "1234567.8"


def test_sums_do_not_drift_however_often_events_come_and_go(shop: Callable[..., Session]) -> None:
    session = shop(TABLES.replace("amount numeric", "amount double precision"))
    session.execute("insert into purchase (customer_id, amount) values (1, 0.1), (1, 3)")
    for _ in range(20):
        session.execute(
            "insert into purchase (customer_id, amount) select 1, 10 ^ n / 3 from generate_series(-30, 30) as n"
        )
        session.execute("delete from purchase where amount not in (0.1, 3)")
    assert (
        str(row(session, "select trim_scale(spend), basket, n from customer")) == "(Decimal('3.1'), 1.55, 2)"
    )
    assert wrong(session) == []


def test_means_do_not_depend_on_events_that_are_gone(shop: Callable[..., Session]) -> None:
    """numeric keeps the scale of what was subtracted, and division takes its precision from the scale."""
    session = shop()
    session.execute("insert into purchase (customer_id, amount) values (1, 1), (1, 1), (1, 2)")
    before = row(session, "select basket, spread from customer")
    session.execute(
        "insert into purchase (customer_id, amount) values (1, 0.00000000000000000000000000000000007), (1, 1e-99)"
    )
    session.execute("delete from purchase where amount < 1")
    assert row(session, "select basket, spread from customer") == before
    assert wrong(session) == []


def test_other_value_types(shop: Callable[..., Session]) -> None:
    session = shop(
        """
        create type mood as enum ('sad', 'glad');
        create table customer (customer_id integer primary key);
        create table visit (customer_id bigint, at date, feeling mood, seen boolean, doc jsonb, d interval, u uuid,
                            c char(5));
        """,
        Profile(
            "customer",
            key="customer_id",
            events=[
                Event(
                    "visit",
                    at="at",
                    features={
                        "last_mood": last("feeling"), "first_mood": first("feeling"), "best": maximum("feeling"),
                        "moods": distinct("feeling"), "last_seen": last("seen"),
                        "last_doc": last("doc"), "docs": distinct("doc"), "longest": maximum("d"), "last_u": last("u"),
                        "last_c": last("c"), "cs": distinct("c"), "seen_n": count(where="seen"),
                    },
                )
            ],
        ),
    )  # fmt: skip
    session.execute(
        """insert into visit values
           (1, '2024-01-01', 'glad', true, '{"a": 1}', '1 day', gen_random_uuid(), 'a'),
           (1, '2024-01-02', 'sad', false, '[]', '24 hours', gen_random_uuid(), 'a    '),
           (1, '2024-01-02', 'glad', null, null, null, null, null)"""
    )
    assert wrong(session) == []
    session.execute("update visit set feeling = 'sad', seen = not seen, doc = '{\"a\": 1.0}' where seen")
    assert wrong(session) == []
    session.execute("delete from visit where not seen")
    assert wrong(session) == []


@pytest.mark.parametrize("kind", ["numeric", "double precision"])
def test_an_amount_is_held_as_it_is_up_to_its_bounds_and_left_out_beyond(psql: Session, kind: str) -> None:
    # the next ones that a double precision can hold; a numeric comes closer
    precise = kind == "double precision"
    beyond = repr(math.nextafter(1e100, math.inf)) if precise else f"1{'0' * 99}1"
    below = repr(math.nextafter(1e-100, 0)) if precise else "9.99e-101"
    for given, expected in (
        ("1e100", Decimal("1e100")), ("-1e100", Decimal("-1e100")), (beyond, None), (f"-{beyond}", None),
        ("1e-100", Decimal("1e-100")), ("-1e-100", Decimal("-1e-100")), (below, 0), (f"-{below}", 0),
        ("0", 0), ("0.1", Decimal("0.1")), ("NaN", None),
    ):  # fmt: skip
        assert value(psql, f"select modelpack.amount(%s::text::{kind})", given) == expected, given
