"""The marks in time of the two scenarios, and what the simulated process does."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pytest

from modelpack.demo.cdnow import cdnow
from modelpack.demo.simulation import simulate, simulated

NOW = datetime(2024, 5, 4, 15, 30, tzinfo=timezone.utc)

DAYS = [0, 136, 137, 272, 273, 545]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """One purchase on each side of every mark, each by a customer of its own."""
    path = tmp_path / "log.csv"
    first = pd.Timestamp("1997-01-01")
    rows = [f"{n},{first + pd.Timedelta(days=day):%Y-%m-%d},1,9.99" for n, day in enumerate(DAYS, 1)]
    path.write_text("\n".join(["customer_id,purchased_on,cds,dollars", *rows]))
    return path


def test_every_day_of_the_log_falls_on_its_side_of_the_marks(log: Path) -> None:
    scenario = cdnow(log, NOW)
    [purchases] = scenario.logs
    history = purchases.between(None, scenario.learned)["customer_id"].tolist()
    arriving = [values[0] for day in scenario.arrivals() for _, values in day]
    assert (history, arriving) == ([1, 2], [3, 4])
    assert scenario.arriving == 2
    customers = pd.Index(range(1, 7))
    learned = scenario.left(customers, scenario.learned, scenario.today)
    future = scenario.left(customers, scenario.today, scenario.end)
    assert learned.tolist() == [1, 1, 0, 0, 1, 1]
    assert future.tolist() == [1, 1, 1, 1, 0, 0]


def test_ages_mean_the_same_in_training_and_in_scoring(log: Path) -> None:
    scenario = cdnow(log, NOW)
    at = scenario.logs[0].rows["purchased_at"].tolist()
    assert scenario.learned - at[1] == scenario.today - at[3] == timedelta(hours=12)
    assert scenario.today == NOW


def test_history_arrivals_and_future_of_simulated_customers_are_disjoint_and_complete() -> None:
    scenario = simulated(NOW, customers=50, seed=3)
    for events in scenario.logs:
        parts = [
            events.between(None, scenario.learned),
            events.between(scenario.learned, scenario.today),
            events.between(scenario.today, scenario.end),
        ]
        assert sum(map(len, parts)) == len(events.rows)
    times = [values[1] for day in scenario.arrivals() for _, values in day]
    assert times == sorted(times)
    assert len(times) == scenario.arriving


def test_the_same_seed_gives_the_same_customers() -> None:
    for one, other in zip(simulate(30, seed=5), simulate(30, seed=5), strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_complaints_raise_the_hazard_of_leaving() -> None:
    _, purchases, complaints = simulate(2000, seed=7)
    early = complaints[(complaints["severity"] > 1) & complaints["day"].between(150, 180)]
    stayed = set(purchases.loc[purchases["day"] > 240, "customer_id"])
    active = set(purchases.loc[purchases["day"].between(150, 180), "customer_id"])
    complained = active & set(early["customer_id"])
    content = active - complained
    left = [sum(customer not in stayed for customer in group) / len(group) for group in (complained, content)]
    assert left[0] > 1.5 * left[1]
