"""COUNT with on_delete="keep": features outlive their events, windows do not."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from shop import KEEPING, buy

from modelpack import (
    Event,
    Profile,
    count,
    decayed,
    maximum,
    minimum,
    total,
)
from tests.support import Session, row, rows, wrong


def test_kept_features_outlive_their_events_and_windows_do_not(shop: Callable[..., Session]) -> None:
    session = shop(**KEEPING)
    buy(session, (1, 100, 5, "a"), (1, 2, 20, "b"), (1, 1, 6, "c"), (2, 200, 1, "d"))
    session.execute("delete from purchase where at < now() - interval '50 days'")
    assert rows(session, "select n, n_30d, spend, last_sku from customer order by customer_id") == [
        (3, 2, 31, "c"),
        (1, 0, 1, "d"),
    ]
    session.execute("delete from purchase where amount = 20")
    assert rows(session, "select n, n_30d, spend, dearest from customer order by customer_id") == [
        (3, 1, 31, 20),
        (1, 0, 1, 1),
    ]
    session.execute("truncate purchase")
    assert rows(session, "select n, n_30d, spend from customer order by customer_id") == [
        (3, 0, 31),
        (1, 0, 1),
    ]
    buy(session, (1, 0, 4, "e"))
    session.execute("call modelpack.rebuild('customer')")
    assert rows(session, "select n, n_30d, spend, dearest, last_sku from customer order by customer_id") == [
        (4, 1, 35, 20, "e"),
        (1, 0, 1, 1, "d"),
    ]
    assert wrong(session) == []


def test_kept_features_follow_updates_that_can_be_followed_and_refuse_the_others(
    shop: Callable[..., Session],
) -> None:
    session = shop(
        profile=Profile(
            "customer",
            key="customer_id",
            events=[
                Event(
                    "purchase", at="at", features={"n": count(), "spend": total("amount")}, on_delete="keep"
                ),
                Event("complaint", at="at", features={"worst": maximum("severity")}, on_delete="keep"),
            ],
        )
    )
    buy(session, (1, 100, 5, "a"), (1, 2, 20, "b"))
    session.execute("delete from purchase where amount = 5")
    session.execute("update purchase set amount = 21, customer_id = 2")
    assert rows(session, "select customer_id, n, spend from customer order by 1") == [(1, 1, 5), (2, 1, 21)]
    session.execute("insert into complaint values (1, 1, now(), 5)")
    session.execute("update complaint set complaint_id = 2, at = now()")
    for change in ("severity = 4", "severity = 6", "customer_id = 2", "severity = null"):
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="would take back worst"):
            session.execute(f"update complaint set {change}")
    assert wrong(session) == []


def test_kept_features_beside_decayed_ones_that_are_read_again_in_one_message(
    shop: Callable[..., Session],
) -> None:
    session = shop(
        profile=Profile(
            "customer",
            key="customer_id",
            events=[
                Event(
                    "purchase", at="at", features={"n": count(), "spend": total("amount")}, on_delete="keep"
                ),
                Event(
                    "complaint", at="at", features={"severe": count(), "heat": decayed(half_life="7 days")}
                ),
            ],
        )
    )
    buy(session, (1, 1, 5, "a"), (1, 2, 6, "b"))
    session.execute("insert into complaint values (1, 1, now(), 5), (2, 1, now(), 5)")
    session.execute("delete from purchase")
    session.execute(
        """
        do $$
        begin
          update complaint set at = now() - interval '1 day' where complaint_id = 1;
          insert into purchase (customer_id, amount) values (1, 1);
          insert into complaint values (3, 1, now(), 5);
          delete from complaint where complaint_id = 1;
          insert into purchase (customer_id, amount) values (1, 1), (1, 2);
        end $$
        """
    )
    assert row(session, "select n, spend, severe from customer") == (5, 15, 2)
    session.execute(
        "with moved as (update complaint set at = at - interval '1 day'), "
        "came as (insert into complaint values (4, 1, now(), 5)), gone as (delete from purchase) "
        "insert into purchase (customer_id, amount) values (1, 5)"
    )
    assert row(session, "select n, spend, severe from customer") == (6, 20, 3)
    assert wrong(session) == []


def test_kept_features_in_one_message_that_makes_the_profile_prunes_and_goes_on(
    shop: Callable[..., Session],
) -> None:
    session = shop(**KEEPING)
    session.execute(
        """
        do $$
        begin
          insert into purchase (customer_id, amount) values (1, 1), (1, 2);
          delete from purchase where amount = 1;
          insert into purchase (customer_id, amount) values (1, 3);
          insert into customer (customer_id) values (2);
          insert into purchase (customer_id, amount) values (2, 1);
          delete from purchase where customer_id = 2;
          insert into purchase (customer_id, amount) values (2, 3);
        end $$
        """
    )
    assert rows(session, "select customer_id, n, spend from customer order by 1") == [(1, 3, 6), (2, 2, 4)]


WHERE_CHANGES = [
    # severity before, after: what an UPDATE makes of the condition "severity > 1"
    (1, 5), (5, 1), (5, 7), (0, 1), (None, 5), (5, None), (None, 0), (9, 2), (2, 11),
]  # fmt: skip


def test_an_update_that_changes_what_a_condition_says_is_followed_where_it_can_be(
    shop: Callable[..., Session],
) -> None:
    """Also when the older events are gone; an extreme takes what comes, and refuses to lose what counted."""
    lasting = {"n": count(), "severity_sum": total("severity"), "grave": count(where="severity > 4")}
    events = [
        Event("purchase", at="at", features={"n_30d": count(window="30 days", where="amount > 1")}, on_delete="keep", where="amount > 0"),
        Event("complaint", at="at", features=lasting, where="severity > 1", on_delete="keep"),
    ]  # fmt: skip
    session = shop(profile=Profile("customer", key="customer_id", events=events))
    gone, severities = [3, 6], [before for before, _ in WHERE_CHANGES]
    for number, severity in enumerate([*severities, *gone]):
        session.execute("insert into complaint values (%s, 1, now(), %s)", [number, severity])
    session.execute("delete from complaint where complaint_id >= %s", [len(severities)])

    def expected() -> tuple[int, int, int]:
        counted = [s for s in [*severities, *gone] if s is not None and s > 1]
        return len(counted), sum(counted), sum(s > 4 for s in counted)

    look = "select n, severity_sum, grave from customer"
    assert row(session, look) == expected()
    for number, (_, after) in enumerate(WHERE_CHANGES):
        session.execute("update complaint set severity = %s where complaint_id = %s", [after, number])
        severities[number] = after
        assert row(session, look) == expected(), number
    for change in ("10 - severity", "severity + 1", "null", "3"):
        session.execute(f"update complaint set severity = {change}")
        severities = [s for (s,) in rows(session, "select severity from complaint order by complaint_id")]
        assert row(session, look) == expected(), change
    buy(session, (1, 1, 5, "a"), (1, 2, -3, "b"), (1, 3, 0.5, "c"))
    for amounts, inside in (("-amount", 1), ("-amount", 1), ("amount + 1", 2), ("null", 0), ("2", 3)):
        session.execute(f"update purchase set amount = {amounts}")
        assert row(session, "select n_30d from customer") == (inside,)
    assert wrong(session) == []


def test_an_update_that_makes_an_event_stop_counting_is_refused_where_an_extreme_would_be_lost(
    shop: Callable[..., Session],
) -> None:
    features = {"worst": maximum("severity"), "worst_even": minimum("severity", where="severity % 2 = 0")}
    event = Event("complaint", at="at", features=features, where="complaint_id < 100", on_delete="keep")
    session = shop(profile=Profile("customer", key="customer_id", events=[event]))
    session.execute(
        "insert into complaint values (1, 1, now(), 5), (200, 1, now(), 9), (300, 1, now(), null)"
    )
    look = "select worst, worst_even from customer"
    assert row(session, look) == (5, None)
    for change in (
        "complaint_id = 100 where complaint_id = 1",
        "complaint_id = complaint_id + 99 where complaint_id = 1",
        "complaint_id = null where complaint_id = 1",
        "severity = 6 where complaint_id = 1",
    ):
        error = psycopg.errors.NotNullViolation if "null" in change else psycopg.errors.FeatureNotSupported
        with pytest.raises(error, match=r"would take back worst, worst_even|null value"):
            session.execute(f"update complaint set {change}")
        assert row(session, look) == (5, None)
    session.execute("update complaint set complaint_id = 3 where complaint_id = 300")  # begins to count: NULL
    session.execute("update complaint set complaint_id = 2 where complaint_id = 200")  # begins to count: 9
    assert row(session, look) == (9, None)
    session.execute("update complaint set severity = 8 where complaint_id = 3")
    assert row(session, look) == (9, 8)
    session.execute("update complaint set complaint_id = complaint_id + 10")  # goes on counting
    assert row(session, look) == (9, 8)
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="would take back worst, worst_even"):
        session.execute("update complaint set complaint_id = complaint_id + 88 where complaint_id = 13")
    assert wrong(session) == []
