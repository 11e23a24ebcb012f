"""Logical replication between two databases: which side counts and scores, and that no event counts twice."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from dev.cluster import Cluster
from dev.machine import wait_until
from tests.conftest import clone
from tests.faults.hostile import (
    FAILS,
    TABLES,
    Session,
    attach,
    connect,
    open_shop,
    plain_model,
    scores,
    shop,
    smuggle,
    unsound,
    value,
    visit,
)


@pytest.fixture
def publisher(killable: str) -> Iterator[Session]:
    """A shop whose events are counted and scored."""
    with open_shop(killable) as session:
        yield session


@pytest.fixture
def subscriber(private: Cluster, publisher: Session) -> Iterator[Session]:
    """A second database with the same tables, the declaration and a champion of its own."""
    for dsn in clone(private.dsn("postgres"), "template"):
        with connect(dsn) as session:
            session.execute(TABLES)
            attach(dsn, shop())
            smuggle(session, plain_model())
            yield session
            unsubscribe(publisher, session)


def subscribe(publisher: Session, subscriber: Session, *tables: str) -> None:
    """Replicate tables, what is there already first, and wait until that is done."""
    slot, at = f"s_{uuid.uuid4().hex[:12]}", publisher.info
    source = f"host={at.host} port={at.port} user={at.user} dbname={at.dbname}"
    publisher.execute(f"create publication shop for table {', '.join(tables)}")
    publisher.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])
    subscriber.execute(  # both sides are one server: it cannot make the slot by itself
        f"create subscription shop connection '{source}' publication shop"
        f" with (create_slot = false, slot_name = {slot})"
    )
    ready = "select count(*) from pg_subscription_rel where srsubstate <> 'r'"
    assert wait_until(lambda: value(subscriber, ready) == 0, 30)


def unsubscribe(publisher: Session, subscriber: Session) -> None:
    slot = value(subscriber, "select max(subslotname) from pg_subscription")
    if slot is None:
        return
    subscriber.execute("alter subscription shop disable")
    subscriber.execute("alter subscription shop set (slot_name = none)")
    subscriber.execute("drop subscription shop")
    active = "select active from pg_replication_slots where slot_name = %s"
    assert wait_until(lambda: not value(publisher, active, slot), 30)
    publisher.execute("select pg_drop_replication_slot(%s)", [slot])


def caught_up(publisher: Session, subscriber: Session) -> None:
    """Until the subscriber has applied what the publisher has committed."""
    position = value(publisher, "select pg_current_wal_lsn()::text")
    applied = "select confirmed_flush_lsn >= %s::pg_lsn from pg_replication_slots where slot_name = %s"
    slot = value(subscriber, "select subslotname from pg_subscription")
    assert wait_until(lambda: bool(value(publisher, applied, position, slot)), 30)


def rows(session: Session) -> list[tuple[object, ...]]:
    return session.execute(
        "select customer_id, x, visits, features_at, churn, churn_version, churn_scored_at, churn_stale from customer order by 1"
    ).fetchall()


def test_a_replicated_profile_has_the_publishers_counters_and_scores_and_nothing_counts_twice(
    publisher: Session, subscriber: Session
) -> None:
    subscribe(publisher, subscriber, "visit", "customer")
    visit(publisher, (1, 200), (2, FAILS), (99, 100))
    publisher.execute("delete from visit where customer_id = 3")
    publisher.execute("update visit set x = 150 where customer_id = 4")
    caught_up(publisher, subscriber)
    assert rows(subscriber) == rows(publisher)
    assert value(subscriber, "select count(*) from modelpack.prediction") == 0  # the publisher has the log
    assert unsound(subscriber) == []
    # the subscriber takes over: from here on its own triggers count
    unsubscribe(publisher, subscriber)
    subscriber.execute("select setval(pg_get_serial_sequence('visit', 'visit_id'), 1000)")
    visit(subscriber, (1, 250), (3, 100))
    assert scores(subscriber, 1, 3) == {1: (pytest.approx(0.25), None), 3: (pytest.approx(0.1), None)}
    assert unsound(subscriber) == []


@pytest.mark.parametrize("triggers", ["as they are", "enable always"])
def test_replicated_events_count_at_the_subscriber_when_it_rebuilds(
    publisher: Session, subscriber: Session, triggers: str
) -> None:
    """Replication fires no statement trigger, ALWAYS or not; only its first copy of a table does."""
    if triggers == "enable always":
        for (name,) in subscriber.execute(
            "select tgname from pg_trigger where tgrelid = 'visit'::regclass and not tgisinternal"
        ).fetchall():
            subscriber.execute(f"alter table visit enable always trigger {name}")
    subscribe(publisher, subscriber, "visit")
    visit(publisher, (1, 200), (99, 100))
    publisher.execute("delete from visit where customer_id = 3")
    caught_up(publisher, subscriber)
    assert value(subscriber, "select count(*) from visit") == value(publisher, "select count(*) from visit")
    counted = value(subscriber, "select coalesce(sum(visits), 0) from customer")
    assert counted == (0 if triggers == "as they are" else 20)
    found = subscriber.execute(
        "select \"check\", mend from modelpack.doctor() where status = 'fail'"
    ).fetchall()
    assert "customers of public.customer (a sample of visit)" in dict(found)
    for _ in range(2):
        subscriber.execute(
            "insert into customer select distinct customer_id from visit on conflict do nothing"
        )
        subscriber.execute("call modelpack.rebuild('customer')")
        subscriber.execute("call modelpack.rescore('customer')")
        assert unsound(subscriber) == []
        assert value(subscriber, "select sum(visits) from customer") == value(
            publisher, "select count(*) from visit"
        )
    assert scores(subscriber, 1)[1] == (pytest.approx(0.2), None)
