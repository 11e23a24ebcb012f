"""What is stored is compared, not what is equal: 30 days and 1 month, 1.0 and 1.00, 0 and -0, two spellings of a citext."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
import pytest

from modelpack import Event, Profile, Score, count, first, last, maximum, minimum, total
from modelpack.declaration.features import Feature
from tests.support import Session, attach, linear_score, publish, row, rows, value, wrong

BEFORE = """
create extension if not exists citext;
create collation twins (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create domain price as numeric;
create type pair as (a numeric, b text);
"""


@dataclass
class Twins:
    """Two values of a type that are equal and not the same; an input that tells them apart, 0 for the one, more for the other."""

    type: str
    one: str
    other: str
    input: str
    extremes: bool = True
    edges: bool = True

    def features(self) -> dict[str, Feature]:
        """Kinds that copy a value of this type."""
        edges = {"f_last": last("v"), "f_first": first("v"), "w": last("v", where="v is not null")}
        extremes = {
            "f_min": minimum("v"),
            "f_max": maximum("v"),
            "w_min": minimum("v", window="1 day"),
            "w_max": maximum("v", window="1 day"),
        }
        return (edges if self.edges else {}) | (extremes if self.extremes else {})


TWINS = [
    Twins("interval", "interval '30 days'", "interval '1 month'", "extract(month from s)"),
    Twins("numeric", "1", "1.00", "scale(s)"),
    Twins("price", "1", "1.00", "scale(s)"),
    Twins("numeric[]", "'{1}'", "'{1.00}'", "scale(s[1])", edges=False),
    Twins("numrange", "'[1,3)'", "'[1.00,3)'", "scale(lower(s))", extremes=False),
    Twins("jsonb", "'[1]'", "'[1.00]'", "scale((s ->> 0)::numeric)", extremes=False),
    Twins("double precision", "0", "'-0'", "atan2(0, s)"),
    Twins("real", "0", "'-0'", "atan2(0, s)"),
    Twins("citext", "'gold'", "'GOLD'", "(s::text = 'GOLD')::int"),
    Twins("text collate twins", "'gold'", "'GOLD'", "(s collate \"C\" = 'GOLD')::int"),
]
IDS = [twins.type for twins in TWINS]


def same(session: Session, feature: str) -> bool:
    """Whether the customer has, byte for byte, what the only event has."""
    return bool(
        value(session, f"select row(p.{feature})::record *= row(e.v)::record from customer as p, event as e")
    )


def test_a_row_is_scored_again_where_a_value_becomes_an_equal_one(database: str, psql: Session) -> None:
    columns = "".join(f", s{n} {twins.type} default {twins.one}" for n, twins in enumerate(TWINS))
    psql.execute(
        f"{BEFORE} create table customer (customer_id bigint primary key, remark text{columns});"
        "create table event (customer_id bigint)"
    )
    event = Event("event", features={"n": count()})
    inputs = {f"x{n}": re.sub(r"\bs\b", f"s{n}", twins.input) for n, twins in enumerate(TWINS)}
    attach(
        database,
        Profile("customer", key="customer_id", events=[event], scores=[Score("churn", inputs=inputs)]),
    )
    publish(psql, "churn", list(inputs), [1.0] * len(inputs))
    psql.execute("insert into event values (1)")
    assert value(psql, "select churn from customer") == 0.5
    at = value(psql, "select churn_scored_at from customer")
    psql.execute("update customer set remark = 'nothing that a score depends on'")
    assert value(psql, "select churn_scored_at from customer") == at
    for n, twins in enumerate(TWINS):
        psql.execute(f"update customer set s{n} = {twins.other}")
        told = float(value(psql, f"select {inputs[f'x{n}']} from customer"))
        assert told != 0
        assert row(psql, "select churn, churn_stale from customer") == (
            pytest.approx(linear_score([1.0], 0, [told]), abs=1e-6),
            None,
        ), twins
        psql.execute(f"update customer set s{n} = {twins.one}")


@pytest.mark.parametrize("twins", TWINS, ids=IDS)
def test_a_copy_is_what_the_event_has_and_nobody_changes_it_for_an_equal_value(
    database: str, psql: Session, new_role: Callable[..., str], twins: Twins
) -> None:
    forger = new_role()
    psql.execute(
        f"{BEFORE} create table customer (customer_id bigint primary key);"
        f"create table event (customer_id bigint, at timestamptz default now() - interval '1 hour', v {twins.type});"
        f"grant select, update on customer to {forger}"
    )
    features = twins.features()
    attach(
        database, Profile("customer", key="customer_id", events=[Event("event", at="at", features=features)])
    )
    psql.execute(f"insert into event values (1, default, {twins.one})")
    for now, then in [(twins.other, twins.one), (twins.one, twins.other)]:
        psql.execute(f"update event set v = {now}")
        for feature in features:
            assert same(psql, feature), feature
            # an application is refused, and the column named
            psql.execute(f"set role {forger}")
            with pytest.raises(
                psycopg.errors.InsufficientPrivilege, match=rf"modelpack keeps: {feature}\b(?!,)"
            ):
                psql.execute(f"update customer set {feature} = {then}")
            psql.execute(f"update customer set {feature} = {feature}")
            psql.execute("reset role")
            # the DBA is not, and whoever verifies sees it
            psql.execute(f"update customer set {feature} = {then}")
            if feature.startswith("w_"):  # a window is read whenever the row is written
                assert same(psql, feature)
                continue
            assert not same(psql, feature)
            assert [found[1] for found in wrong(psql)] == [feature]
            psql.execute("call modelpack.rebuild('customer')")
            assert same(psql, feature), feature
            assert wrong(psql) == []


@pytest.mark.parametrize("twins", TWINS, ids=IDS)
def test_among_equal_values_any_that_an_event_has_is_right(
    database: str, psql: Session, twins: Twins
) -> None:
    psql.execute(
        f"{BEFORE} create table customer (customer_id bigint primary key);"
        f"create table event (id bigint, customer_id bigint default 1, at timestamptz default '2026-01-01', v {twins.type})"
    )
    features = {name: f for name, f in twins.features().items() if not name.startswith("w")}
    attach(
        database, Profile("customer", key="customer_id", events=[Event("event", at="at", features=features)])
    )
    for statement in (
        f"insert into event (id, v) values (1, {twins.one})",
        f"insert into event (id, v) values (2, {twins.other}), (3, {twins.one})",
        f"update event set v = {twins.other} where id = 1",
        "delete from event where id = 2",
        f"update event set v = {twins.other} where id = 3",
    ):
        psql.execute(statement)
        for feature in features:
            there = "select exists (select from event as e where row(p.{0})::record *= row(e.v)::record) from customer as p"
            assert value(psql, there.format(feature)), (statement, feature)
        assert wrong(psql) == []
    assert all(
        value(
            psql,
            f"select row({feature})::record *= row({twins.other}::{twins.type.replace(' collate twins', '')})::record from customer",
        )
        for feature in features
    )


def test_events_may_be_gone_so_a_copy_is_not_taken_back_for_an_equal_value(
    database: str, psql: Session
) -> None:
    psql.execute(
        "create table customer (customer_id bigint primary key);"
        "create table event (customer_id bigint, at timestamptz default now(), v interval, remark text)"
    )
    event = Event("event", at="at", features={"longest": maximum("v")}, on_delete="keep")
    attach(database, Profile("customer", key="customer_id", events=[event]))
    psql.execute("insert into event values (1, default, '30 days')")
    psql.execute("update event set remark = 'x'")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="would take back longest"):
        psql.execute("update event set v = '1 month'")


def test_sums_are_equal_as_numbers_whatever_digits_are_gone(database: str, psql: Session) -> None:
    """A sum that was kept by difference may be 1.00 where SQL's own is 1.0: equal, and nobody may turn the one into the other."""
    psql.execute(
        "create table customer (customer_id bigint primary key);"
        "create table event (customer_id bigint, v numeric);"
    )
    event = Event("event", features={"spend": total("v")})
    attach(
        database,
        Profile(
            "customer",
            key="customer_id",
            events=[event],
            scores=[Score("churn", inputs={"x": "scale(spend)"})],
        ),
    )
    publish(psql, "churn", ["x"], [1.0])
    psql.execute("insert into event values (1, 1.0), (1, 0.25)")
    psql.execute("delete from event where v = 0.25")
    assert value(psql, "select p.spend = sum(e.v) from customer as p, event as e group by p.spend")
    assert wrong(psql) == []
    psql.execute("update customer set spend = 1.000")
    digits, churn = row(psql, "select scale(spend), churn from customer")
    assert math.isclose(churn, linear_score([1.0], 0, [digits]), abs_tol=1e-6)
    assert rows(psql, "select churn_stale from customer") == [(None,)]
