"""The shop that the tests of COUNT share: two event tables, and a declaration with a feature of every kind."""

from __future__ import annotations

from typing import Any

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
from tests.support import Session

TABLES = """
create table customer (customer_id bigint primary key, plan text default 'basic');
create table purchase (
  purchase_id bigint generated always as identity primary key,
  customer_id bigint,
  at timestamptz default now(),
  amount numeric,
  sku text
);
create table complaint (complaint_id bigint primary key, customer_id bigint, at timestamptz default now(), severity integer);
"""

EVERYTHING = {
    "n": count(),
    "big": count(where="amount > 10"),
    "n_30d": count(window="30 days"),
    "spend": total("amount"),
    "spend_7d": total("amount", window="7 days"),
    "basket": mean("amount"),
    "spread": deviation("amount"),
    "spread_30d": deviation("amount", window="30 days"),
    "cheapest": minimum("amount"),
    "dearest": maximum("amount"),
    "dearest_30d": maximum("amount", window="30 days"),
    "first_sku": first("sku"),
    "last_sku": last("sku"),
    "last_at": last("at"),
    "skus": distinct("sku"),
    "heat": decayed(half_life="7 days"),
    "warmth": decayed("amount", half_life="30 days", where="sku <> 'x'"),
}

SEVERE = {"severe": count(), "worst": maximum("severity"), "last_severity": last("severity")}

KEPT = {
    "n": count(),
    "n_30d": count(window="30 days"),
    "spend": total("amount"),
    "basket": mean("amount"),
    "dearest": maximum("amount"),
    "last_sku": last("sku"),
    "heat": decayed(half_life="7 days"),
}
KEEPING: dict[str, Any] = {
    "profile": Profile(
        "customer", key="customer_id", events=[Event("purchase", at="at", features=KEPT, on_delete="keep")]
    )
}


def buy(session: Session, *purchases: tuple[Any, ...]) -> None:
    """Insert purchases (customer_id, days ago, amount, sku) in one statement."""
    places = ", ".join("(%s, now() - %s * interval '1 day', %s, %s)" for _ in purchases)
    session.execute(
        f"insert into purchase (customer_id, at, amount, sku) values {places}",
        [v for purchase in purchases for v in purchase],
    )
