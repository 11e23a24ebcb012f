"""Simulated customers, for the demo without a real log.

The process, day by day, from one seed:

- A customer has a plan (half basic, 35 % plus, 15 % family) and joins on one of the first 120 days.
- While a customer, they buy at their own rate (gamma distributed, on average every 14 days; amounts are
  log-normal around 25), and complain at their own rate (gamma, on average every 90 days) with severity 1, 2 or 3
  (50 %, 30 %, 20 %). The rates are latent: nobody sees them but through the events.
- On each day a customer leaves with the probability h = base × plan × (1 + 8 Σ severity × 2^(-days since / 14)) over
  the complaints of severity 2 and 3. Complaints raise the hazard of leaving, recent ones most. Base is 1/1500 a
  day; plans multiply it by 1.3, 1.0 and 0.6.
- Who has left buys and complains no more, and tells nobody.

So the truth is not in any feature, and no model can rank perfectly: who leaves tomorrow is chance.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from modelpack.demo.scenario import DECLARATIONS, Act, EventLog, Release, Scenario

LEARNED, TODAY, END = 180, 270, 360
"""Days at whose beginning the marks stand."""

PLANS = np.array(["basic", "plus", "family"])
_PLAN_SHARES = (0.5, 0.35, 0.15)
_PLAN_HAZARDS = np.array([1.3, 1.0, 0.6])
_BASE_HAZARD = 1 / 1500
_COMPLAINT = 8
_HALF_LIFE = 14.0

_TABLES = """\
create table demo.customer (
  customer_id bigint primary key,
  plan text not null,
  joined_at timestamptz not null
);
create table demo.purchase (
  customer_id bigint not null references demo.customer,
  purchased_at timestamptz not null default now(),
  amount numeric(10, 2) not null
);
create table demo.complaint (
  customer_id bigint not null references demo.customer,
  created_at timestamptz not null default now(),
  severity integer not null
);"""

_EXPLANATION = """\
{customers:,} simulated customers (seed {seed}); no real person is among them. Each buys and complains at a rate of
their own that nobody sees. Every complaint raises the hazard of leaving for some weeks; who leaves buys nothing
more and tells nobody. The model learns from 180 days and what the customers did in the 90 days up to today;
scores are held against the 90 days after. A customer who buys nothing in them has left, then or before."""


def simulate(customers: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Customers (plan, joined), purchases (day, amount) and complaints (day, severity).

    `joined` and `day` are days since the beginning with fractions, sorted; keys count from 1.
    """
    rng = np.random.default_rng(seed)
    plan = rng.choice(len(PLANS), size=customers, p=_PLAN_SHARES)
    joined = np.sort(rng.uniform(0, 120, customers))
    buys = rng.gamma(2.0, 1 / 28, customers)
    complains = rng.gamma(0.8, 1 / 72, customers)
    there = np.ones(customers, dtype=bool)
    heat = np.zeros(customers)
    purchases, complaints = [], []
    for day in range(END):
        active = there & (joined < day)
        bought = np.repeat(np.arange(customers), rng.poisson(buys) * active)
        times = day + rng.random(len(bought))
        purchases.append((bought, times, rng.lognormal(np.log(25), 0.6, len(bought)).round(2)))
        came = np.repeat(np.arange(customers), rng.poisson(complains) * active)
        severity = rng.choice([1, 2, 3], size=len(came), p=[0.5, 0.3, 0.2])
        complaints.append((came, day + rng.random(len(came)), severity))
        heat *= 2 ** (-1 / _HALF_LIFE)
        np.add.at(heat, came, np.where(severity > 1, severity, 0))
        hazard = _BASE_HAZARD * _PLAN_HAZARDS[plan] * (1 + _COMPLAINT * heat)
        there &= ~(active & (rng.random(customers) < hazard))
    keys = np.arange(1, customers + 1)
    return (
        pd.DataFrame({"customer_id": keys, "plan": PLANS[plan], "joined": joined}),
        _events(purchases, "amount"),
        _events(complaints, "severity"),
    )


def _events(days: list[tuple[np.ndarray, np.ndarray, np.ndarray]], value: str) -> pd.DataFrame:
    customer, day, values = (np.concatenate(column) for column in zip(*days, strict=True))
    frame = pd.DataFrame({"customer_id": customer + 1, "day": day, value: values})
    return frame.sort_values("day", kind="stable")


def simulated(today: datetime, *, customers: int = 3000, seed: int = 1997) -> Scenario:
    """The scenario of simulated customers."""
    people, purchases, complaints = simulate(customers, seed)

    def at(days: pd.Series) -> pd.Series:
        return (pd.Timestamp(today) + pd.to_timedelta(days - TODAY, unit="D")).dt.round("us")

    few = ("plan", "purchases", "purchases_30d", "days_known", "days_quiet", "complaints", "complaint_heat")
    return Scenario(
        title="Simulated customers",
        explanation=_EXPLANATION.format(customers=customers, seed=seed),
        tables=_TABLES,
        customers=people.assign(joined_at=at(people["joined"])).drop(columns="joined"),
        logs=(
            EventLog("demo.purchase", "purchased_at", _columns(purchases, "purchased_at", at)),
            EventLog("demo.complaint", "created_at", _columns(complaints, "created_at", at)),
        ),
        declaration=DECLARATIONS / "simulated.py",
        learned=today - timedelta(days=TODAY - LEARNED),
        today=today,
        end=today + timedelta(days=END - TODAY),
        act=Act(
            title="A customer before and after a complaint",
            find="select customer_id\n  from demo.customer\n where complaints = 0 and purchases >= 5 and purchases_30d > 0\n"
            " order by customer_id limit 1",
            show="select purchases, complaints, round(churn::numeric, 3) as churn,\n"
            "       churn_version\n  from demo.customer\n where customer_id = %s",
            insert="insert into demo.complaint (customer_id, severity) values (%s, 3)",
        ),
        releases=(
            Release(_trees(), few, "boosted trees"),
            Release(
                _trees(),
                (*few, "complaints_30d", "spend", "basket"),
                "the same, and money",
            ),
        ),
    )


def _columns(events: pd.DataFrame, name: str, at: Callable[[pd.Series], pd.Series]) -> pd.DataFrame:
    """The table's own columns: the key, the time, and the value."""
    value = events.columns[-1]
    return pd.DataFrame({"customer_id": events["customer_id"], name: at(events["day"]), value: events[value]})


def _trees() -> Pipeline:
    plan = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["plan"]), remainder="passthrough"
    )
    return make_pipeline(
        plan,
        HistGradientBoostingClassifier(
            max_iter=60, learning_rate=0.08, max_leaf_nodes=8, min_samples_leaf=40, random_state=1
        ),
    )
