"""Where a window begins and ends, to the microsecond: (moment - window, moment], on every path that reads one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from statistics import stdev
from typing import Any

import pytest
from sqlalchemy import Engine

from modelpack import (
    Event,
    Profile,
    Score,
    count,
    decayed,
    deviation,
    distinct,
    maximum,
    mean,
    minimum,
    total,
)
from modelpack.declaration.features import Feature
from modelpack.training import training_set
from tests.support import Session, attach, row, rows, value, wrong

WEEK = "7 days"
FEATURES: dict[str, Feature] = {
    "n": count(window=WEEK),
    "spend": total("amount", window=WEEK),
    "basket": mean("amount", window=WEEK),
    "spread": deviation("amount", window=WEEK),
    "cheapest": minimum("amount", window=WEEK),
    "dearest": maximum("amount", window=WEEK),
    "kinds": distinct("amount", window=WEEK),
    "n_1d": count(window="1 day"),
    "heat": decayed(half_life="1 day"),
}


def declared(features: dict[str, Feature]) -> Profile:
    event = Event("purchase", at="at", features=features)
    return Profile("customer", key="customer_id", events=[event], scores=[Score("churn")])


TABLES = """
create table customer (customer_id bigint primary key);
create table purchase (customer_id bigint, at timestamptz, amount numeric);
"""
# a clock of the test's own, in this database alone: functions find it by the name of the server's
CLOCK = """
alter function pg_catalog.clock_timestamp() rename to server_clock;
create table public.clock as select timestamptz '2026-02-01' as now;
grant select on public.clock to public;
create function pg_catalog.clock_timestamp() returns timestamptz language sql stable
as 'select now from public.clock';
"""
NOON = datetime(2026, 2, 1, 12, tzinfo=timezone.utc)
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
# amounts are powers of two, so that a sum tells which events it has
EVENTS = {
    NOON - 7 * DAY - MICROSECOND: 1,
    NOON - 7 * DAY: 2,
    NOON - 7 * DAY + MICROSECOND: 4,
    NOON - DAY: 8,
    NOON - DAY + MICROSECOND: 16,
    NOON: 32,
    NOON + MICROSECOND: 64,
}


def expected(moment: datetime, events: dict[datetime, int]) -> dict[str, float | None]:
    """What each feature is, by this file's own arithmetic."""
    inside = [a for at, a in events.items() if moment - 7 * DAY < at <= moment]
    weights = [0.5 ** ((moment - at) / DAY) for at in events if at <= moment]
    return {
        "n": len(inside),
        "spend": sum(inside),
        "basket": sum(inside) / len(inside) if inside else None,
        "spread": stdev(inside) if len(inside) > 1 else None,
        "cheapest": min(inside, default=None),
        "dearest": max(inside, default=None),
        "kinds": len(set(inside)),
        "n_1d": sum(moment - DAY < at <= moment for at in events),
        "heat": sum(weights),
    }


@pytest.fixture
def at(psql: Session) -> Callable[[datetime], None]:
    """The tables, and a clock that stands where it is put."""
    psql.execute(CLOCK + TABLES)

    def put(moment: datetime) -> None:
        psql.execute("update public.clock set now = %s", [moment])

    return put


def stored(session: Session, features: Iterable[str] = FEATURES) -> dict[str, Any]:
    found = row(session, f"select {', '.join(features)} from customer where customer_id = 1")
    return {name: None if x is None else float(x) for name, x in zip(features, found, strict=True)}


def close_to(moment: datetime, events: dict[datetime, int] = EVENTS) -> dict[str, Any]:
    return {
        k: None if v is None else pytest.approx(v, rel=1e-12) for k, v in expected(moment, events).items()
    }


MOMENTS = [
    NOON,
    NOON - MICROSECOND,
    NOON + MICROSECOND,
    NOON + 6 * DAY,
    NOON + 7 * DAY,
    NOON + 7 * DAY + MICROSECOND,
]


def test_every_way_to_a_feature_leaves_out_what_is_exactly_the_window_ago_and_takes_what_is_now(
    at: Callable[[datetime], None], database: str, psql: Session, engine: Engine
) -> None:
    attach(database, declared(FEATURES))
    insert = "insert into purchase values (1, %s, %s)"
    for moment in MOMENTS:
        at(moment)
        # COUNT: one event after another, then all in one statement, then a new profile
        psql.execute("delete from customer; delete from purchase")
        brought: dict[datetime, int] = {}
        for when, amount in EVENTS.items():
            psql.execute(insert, [when, amount])
            brought[when] = amount
            assert stored(psql) == close_to(moment, brought)
        psql.execute("delete from customer; delete from purchase")
        many = ", ".join(f"(1, '{when.isoformat()}', {amount})" for when, amount in EVENTS.items())
        psql.execute(f"insert into purchase values {many}")
        assert stored(psql) == close_to(moment)
        psql.execute("delete from customer")
        psql.execute("insert into customer values (1)")
        assert stored(psql) == close_to(moment)
        # what verify says is right, where what is stored is wrong throughout
        assert wrong(psql) == []
        psql.execute("alter table customer disable trigger user")
        psql.execute(f"update customer set {', '.join(f'{name} = -1' for name in FEATURES)}")
        psql.execute("alter table customer enable trigger user")
        truth = {
            name: found for _, name, _, found in rows(psql, "select * from modelpack.verify('customer')")
        }
        assert {k: None if v is None else float(v) for k, v in truth.items() if k in FEATURES} == close_to(
            moment
        )
        psql.execute("call modelpack.rebuild('customer')")
        assert stored(psql) == close_to(moment)
    with engine.connect() as connection:
        for moment in MOMENTS:
            (found,) = training_set(connection, declared(FEATURES), at=[moment]).to_dict("records")
            known = {name: None if found[name] != found[name] else found[name] for name in FEATURES}
            assert known == close_to(moment, {when: a for when, a in EVENTS.items() if when <= moment})


@pytest.mark.parametrize("names", [list(FEATURES), ["n"], ["heat"]], ids=" ".join)
def test_refresh_writes_a_row_at_the_microsecond_in_which_an_event_begins_or_ends_to_count(
    at: Callable[[datetime], None], database: str, psql: Session, names: list[str]
) -> None:
    attach(database, declared({name: FEATURES[name] for name in names}))
    at(NOON - 30 * DAY)
    for when, amount in EVENTS.items():
        psql.execute("insert into purchase values (1, %s, %s)", [when, amount])
    said: list[str] = []
    psql.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    ages = {timedelta(0), DAY, 7 * DAY}
    edges = {when + age for when in EVENTS for age in ages}
    steps = (-MICROSECOND, timedelta(0), MICROSECOND)
    last = NOON - 30 * DAY
    for moment in sorted({edge + step for edge in edges for step in steps}):
        at(moment)
        psql.execute("call modelpack.refresh('customer')")
        # a decayed feature moves with every moment; an event that was dated ahead is what makes it wrong
        came = moment in EVENTS and "heat" in names
        moved = any(expected(last, EVENTS)[n] != expected(moment, EVENTS)[n] for n in names if n != "heat")
        assert said[-1].endswith("1 rows written" if moved or came else "0 rows written"), moment
        if moved or came:
            last = moment
        assert value(psql, "select features_at from customer") == last
        assert stored(psql, names) == {n: v for n, v in close_to(last).items() if n in names}
        assert wrong(psql) == []
