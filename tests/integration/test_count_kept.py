"""COUNT with on_delete="keep": features outlive their events, windows do not."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from shop import KEEPING, buy
from support import Session, row, rows, wrong

from modelpack import (
    Event,
    Profile,
    count,
    decayed,
    maximum,
    total,
)


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
