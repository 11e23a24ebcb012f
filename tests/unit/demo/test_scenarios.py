"""The marks in time of the two scenarios, and what the simulated process does."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pytest

from modelpack.declaration.profile import load_profiles
from modelpack.demo.cdnow import cdnow
from modelpack.demo.simulation import simulate, simulated

NOW = datetime(2024, 5, 4, 15, 30, tzinfo=timezone.utc)

DAYS = [0, 181, 182, 272, 273, 363, 364, 545]


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
    customers = pd.Index(range(1, 9))
    learned = scenario.left(customers, scenario.learned, scenario.today)
    future = scenario.left(customers, scenario.today, scenario.end)
    assert learned.tolist() == [1, 1, 0, 0, 1, 1, 1, 1]
    assert future.tolist() == [1, 1, 1, 1, 0, 0, 1, 1]


def test_ages_mean_the_same_in_training_and_in_scoring(log: Path) -> None:
    scenario = cdnow(log, NOW)
    at = scenario.logs[0].rows["purchased_at"].tolist()
    assert scenario.learned - at[1] == scenario.today - at[3] == timedelta(hours=12)
    assert scenario.today == NOW


@pytest.mark.parametrize("kind", ["simulated", "cdnow"])
def test_the_periods_of_the_truth_are_as_long_as_the_horizon_that_is_declared(kind: str, log: Path) -> None:
    scenario = simulated(NOW, customers=20) if kind == "simulated" else cdnow(log, NOW)
    [profile] = load_profiles(scenario.declaration)
    [score] = profile.scores
    days = f"{(scenario.today - scenario.learned).days} days"
    assert score.horizon == days
    assert scenario.end - scenario.today == scenario.today - scenario.learned


def test_hindsight_looks_at_the_log_that_ended_today_and_never_beyond(log: Path) -> None:
    past = cdnow(log, NOW).hindsight
    assert past is not None
    at = past.log.rows["purchased_at"].tolist()
    assert NOW - at[-1] == timedelta(hours=12)
    # the purchases of days 272 and 273 lie around the first moment, and the last horizon ends now
    first, *_, last = past.cut_offs.values()
    assert at[3] < first < at[4]
    assert last + timedelta(days=91) == NOW


def test_in_time_lapse_every_event_of_the_future_keeps_its_place_and_arrives_when_it_has_happened() -> None:
    scenario = simulated(NOW, customers=50, seed=3)
    start, end = NOW + timedelta(seconds=50), NOW + timedelta(seconds=59)
    seen: dict[str, list[pd.Timestamp]] = {}
    for over, parts in scenario.lapse(start, end):
        for table, rows in parts:
            at = rows.iloc[:, 1]
            assert (at <= over).all()
            seen.setdefault(table, []).extend(at)
    for log_ in scenario.logs:
        days = log_.between(scenario.today, scenario.end)[log_.at] - scenario.today
        expected = start + days / timedelta(days=10) * timedelta(seconds=1)  # 90 days in 9 seconds
        assert len(seen[log_.table]) == len(expected)
        assert (
            max(abs((a - b).total_seconds()) for a, b in zip(seen[log_.table], expected, strict=True)) < 1e-5
        )


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
