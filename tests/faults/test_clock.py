"""A server whose clock is set back and forth under it: features stay what their events say at the row's own moment."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path

import psycopg
import pytest

from dev.cluster import Cluster
from modelpack import Event, Profile, Score, age, count, decayed, last, mean, total
from modelpack.connection import make_engine
from modelpack.install import install
from tests.conftest import clone
from tests.faults.conftest import program
from tests.faults.hostile import Session, hostile_model, slow_model, smuggle, value
from tests.support import attach, linear_score, publish, wrong

WEIGHTS, BIAS = [0.5, -0.2, 0.01, 0.3], -1.0


class Clockwork(Cluster):
    """A server with libfaketime before its clock; monotonic clocks go on as they are."""

    @property
    def _pg_ctl(self) -> list[str]:
        preload = [
            "/usr/bin/env",
            f"LD_PRELOAD={self.library}",
            f"FAKETIME_TIMESTAMP_FILE={self._offset}",
            "FAKETIME_NO_CACHE=1",
            "DONT_FAKE_MONOTONIC=1",
        ]
        return [*preload, *super()._pg_ctl]

    @cached_property
    def library(self) -> Path:
        return library()

    @property
    def _offset(self) -> Path:
        return self.folder / "offset"

    def shift(self, by: timedelta) -> None:
        """Every process of the server is off by that much from here on."""
        fresh = self._offset.with_suffix(".new")
        fresh.write_text(f"{by.total_seconds():+.0f}\n")
        fresh.chmod(0o644)
        fresh.replace(self._offset)

    def offset(self) -> timedelta:
        """How far off a session finds the clock."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as session:
            found: datetime = value(session, "select clock_timestamp()")
        return found - datetime.now(timezone.utc)


def library() -> Path:
    """libfaketime for programs with threads."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return found[0] if found else Path(program("libfaketime"))


@pytest.fixture(scope="module")
def clockwork(server_wheels: Path | None) -> Iterator[Clockwork]:
    library()
    with Clockwork.temporary(settings={"fsync": "off"}, database="template") as cluster:
        assert isinstance(cluster, Clockwork)
        engine = make_engine(cluster.dsn())
        with engine.begin() as connection:
            install(connection, server_wheels)
        engine.dispose()
        yield cluster


TABLES = """
create table customer (customer_id bigint primary key);
create table visit (
  visit_id bigint generated always as identity primary key, customer_id bigint not null,
  at timestamptz not null default clock_timestamp(), x numeric not null default 1
);
"""

FEATURES = {
    "visits": count(),
    "spend": total("x"),
    "typical": mean("x", window="3 days"),
    "visits_1d": count(window="1 day"),
    "heat": decayed(half_life="1 day"),
    "last_at": last("at"),
}


@pytest.fixture
def shop(clockwork: Clockwork) -> Iterator[Session]:
    clockwork.shift(timedelta())
    for dsn in clone(clockwork.dsn("postgres"), "template"):
        with psycopg.connect(dsn, autocommit=True) as session:
            yield _opened(session)


def _opened(session: Session) -> Session:
    session.execute(TABLES)
    publish(session, "churn", ["heat", "visits_1d", "quiet", "visits"], WEIGHTS, BIAS)
    inputs = {"quiet": age("last_at")}
    event = Event("visit", at="at", features=FEATURES)
    attach(
        session.info.dsn,
        Profile("customer", key="customer_id", events=[event], scores=[Score("churn", inputs=inputs)]),
    )
    session.execute("insert into visit (customer_id) select g % 7 from generate_series(1, 30) as g")
    return session


def unsound(session: Session) -> list[object]:
    """Features that are wrong at the moment that the row names, and scores that are not the model's on the row."""
    bad: list[object] = list(wrong(session))
    rows = session.execute(
        "select customer_id, churn, heat, visits_1d, date_part('epoch', churn_scored_at - last_at) / 86400, visits"
        " from customer where churn_stale is null"
    )
    for key, score, *inputs in rows.fetchall():
        if score is None or abs(score - linear_score(WEIGHTS, BIAS, inputs)) > 1e-5:
            bad.append((key, score, inputs))
    return bad


def test_a_clock_that_steps_back_and_forth_leaves_no_feature_and_no_score_wrong(
    clockwork: Clockwork, shop: Session
) -> None:
    assert unsound(shop) == []
    steps = [
        timedelta(0),
        timedelta(days=2),
        timedelta(hours=-3),
        timedelta(days=-40),
        timedelta(hours=1),
        timedelta(days=9),
    ]
    before = 30
    for number, step in enumerate([*steps, timedelta(0)]):
        clockwork.shift(step)
        assert abs(clockwork.offset() - step) < timedelta(minutes=1)
        shop.execute("insert into visit (customer_id) values (%s)", [number % 7])
        assert unsound(shop) == []
        with shop.transaction():  # the clock goes back in the middle of a transaction
            shop.execute("insert into visit (customer_id, x) select g, 2 from generate_series(1, 9) as g")
            clockwork.shift(step - timedelta(hours=5))
            shop.execute("insert into visit (customer_id, x) select g, 3 from generate_series(1, 5) as g")
            shop.execute("update visit set x = x + 1 where customer_id = 3")
            shop.execute("delete from visit where visit_id = (select max(visit_id) from visit)")
        assert unsound(shop) == []
        before += 1 + 9 + 5 - 1
        assert value(shop, "select sum(visits) from customer") == before
        shop.execute("call modelpack.refresh('customer')")
        assert unsound(shop) == []
        shop.execute("call modelpack.rebuild('customer')")
        assert unsound(shop) == []


@pytest.mark.parametrize(
    "task",
    ["refresh('customer', older_than => interval '1 hour')", "rescore('customer', everything => true)"],
)
def test_rows_that_are_ahead_of_a_clock_that_was_set_back_are_brought_back_to_it(
    clockwork: Clockwork, shop: Session, task: str
) -> None:
    clockwork.shift(timedelta(days=400))
    shop.execute(
        "insert into visit (customer_id, at) select g % 7, now() - interval '400 days' from generate_series(1, 7) as g"
    )
    clockwork.shift(timedelta())
    assert value(shop, "select count(*) from customer where features_at > clock_timestamp()") == 7
    assert "rows of public.customer ahead of the clock" in str(
        shop.execute("select * from modelpack.doctor()").fetchall()
    )
    shop.execute(f"call modelpack.{task}")
    assert value(shop, "select count(*) from customer where features_at > clock_timestamp()") == 0
    assert value(shop, "select min(visits_1d) from customer") > 1
    assert unsound(shop) == []


def test_a_clock_that_is_set_back_while_a_model_runs_costs_neither_the_event_nor_the_score(
    clockwork: Clockwork, shop: Session
) -> None:
    shop.execute("update modelpack.model set time_budget = '1 minute'")
    number = smuggle(shop, slow_model(steps=60), input="visits")
    back = timedelta()

    def one() -> None:
        with psycopg.connect(shop.info.dsn, autocommit=True) as own:
            own.execute("insert into visit (customer_id) values (1)")

    with ThreadPoolExecutor() as pool:
        event = pool.submit(one)
        while not event.done():
            back -= timedelta(hours=1)
            clockwork.shift(back)
            wait([event], timeout=0.05)
        event.result()
    assert back < timedelta(hours=-2)
    assert shop.execute(
        "select churn_version, churn_stale, (select microseconds from modelpack.prediction where entity_key = '1'"
        " order by prediction_id desc limit 1) from customer where customer_id = 1"
    ).fetchone() == (number, None, 0)


def test_failures_are_recorded_again_after_the_clock_was_set_back(
    clockwork: Clockwork, shop: Session
) -> None:
    smuggle(shop, hostile_model(), input="visits")
    shop.execute("truncate modelpack.failure_log")
    for step in (timedelta(days=1), timedelta()):
        clockwork.shift(step)
        with psycopg.connect(shop.info.dsn, autocommit=True) as own:
            own.execute(
                "insert into visit (customer_id) select 100 + %s from generate_series(1, 500)", [step.days]
            )
    assert value(shop, "select count(*) from modelpack.failure_log") == 2
