"""A shop that is simulated for 180 days with two arms of known effect, and a thousand experiments without any."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import psycopg
import pytest
from scipy.stats import binom
from typer.testing import CliRunner

from modelpack import Event, Profile, Score, count, total
from modelpack.cli.app import app
from modelpack.connection import make_engine
from modelpack.experiments import Metric
from modelpack.experiments.reading import Running, Values, read_experiment, read_values
from modelpack.experiments.report import found
from modelpack.experiments.statistics import ALARM
from modelpack.outcomes import Outcome
from tests.support import Session, attach, publish, row, rows, value

DAYS, HORIZON, CUSTOMERS = 180, 10, 1600
LIFT = 0.4
"""How much more often customers of the arm `new` buy, from their assignment on."""
SPAN = "e.customer_id = p.customer_id and e.at > t.at and e.at <= t.until"
LOOKS = range(28, DAYS + 1, 7)


def make_shop(dsn: str) -> None:
    """Customers come day by day and get their arm at once; who is in `new` buys more often. All of it is in the past."""
    metrics = {
        "revenue": Metric(
            f"(select coalesce(sum(e.amount), 0) from purchase as e where {SPAN})", horizon=f"{HORIZON} days"
        )
    }
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(
            """
            create table customer (customer_id bigint primary key);
            create table purchase (customer_id bigint not null, at timestamptz not null, amount numeric not null);
            create index on purchase (customer_id, at);
            """
        )
        attach(
            dsn,
            Profile(
                "customer",
                key="customer_id",
                events=[
                    Event("purchase", at="at", features={"purchases": count(), "spend": total("amount")})
                ],
                scores=[
                    Score(
                        "churn",
                        model="churn",
                        outcome=Outcome(
                            f"not exists (select from purchase as e where {SPAN})",
                            horizon=f"{HORIZON} days",
                            metrics=metrics,
                        ),
                    )
                ],
            ),
        )
        publish(session, "churn", ["purchases", "spend"], (-0.3, 0.01))
        publish(session, "churn", ["purchases", "spend"], (-0.2, 0.02), promote=False)
        arms = [{"arm": "old", "version": 1, "weight": 50}, {"arm": "new", "version": 2, "weight": 50}]
        session.execute(
            "select modelpack.start_experiment('customer', 'churn', 'lift', %s)", [json.dumps(arms)]
        )
        session.execute(f"insert into customer select generate_series(1, {CUSTOMERS})")
        session.execute("set session_replication_role = replica")
        # as if it had begun 180 days ago, and nine customers had come a day
        session.execute(f"update modelpack.experiment set started_at = now() - interval '{DAYS} days'")
        session.execute(
            f"update modelpack.assignment set assigned_at = now() - interval '{DAYS} days' * (1 - entity_key::double precision / {CUSTOMERS + 1})"
        )
        session.execute("set session_replication_role = origin")
        played = list(play(session))
        with session.cursor().copy("copy purchase from stdin") as into:
            for key, days_ago, amount in played:
                into.write_row((key, moment(days_ago), amount))


def moment(days_ago: float) -> str:
    """A time that many days ago, as COPY reads it."""
    return (datetime.now(timezone.utc) - timedelta(days=days_ago)).isoformat()


def play(session: Session) -> Iterator[tuple[int, float, float]]:
    """Each customer's purchases: at his own rate before he came, and more of them since where he is in `new`."""
    random = np.random.default_rng(180)
    for key, arm, age in rows(
        session,
        "select entity_key::bigint, arm, extract(epoch from now() - assigned_at)::double precision / 86400 from modelpack.assignment order by 1",
    ):
        rate = random.gamma(2, 0.05)
        before = random.uniform(age, age + HORIZON, random.poisson(rate * HORIZON))
        since = random.uniform(0, age, random.poisson(rate * age * (1 + LIFT * (arm == "new"))))
        for when in (*before, *since):
            yield key, float(when), float(round(random.gamma(2, 10), 2))


pytestmark = pytest.mark.prepared(setup=make_shop)


@pytest.fixture
def measured(database: str) -> tuple[Running, Values]:
    """The experiment, and the revenue of its entities as the database measures it."""
    engine = make_engine(database)
    with engine.begin() as connection:
        running, values = read_experiment(connection, "lift"), read_values(connection, "lift", "revenue")
    engine.dispose()
    return running, values


def at_day(values: Values, day: int) -> Values:
    """What was known on that day: who had come, and whose horizon had passed."""
    come = values.ages >= DAYS - day
    some = Values(*(getattr(values, f)[come] for f in Values.__dataclass_fields__))
    ripe = some.ages >= DAYS - day + HORIZON
    return replace(
        some,
        ripe=ripe,
        value=np.where(ripe, some.value, np.nan),
        before=np.where(ripe, some.before, np.nan),
    )


def test_the_effect_that_is_there_is_found_whenever_one_looks(
    psql: Session, measured: tuple[Running, Values], database: str
) -> None:
    running, values = measured
    # the truth: 20 for a purchase, at a rate of 0.1 a day, and the lift
    truth = 20 * 0.1 * HORIZON * LIFT
    verdicts = []
    for day in LOOKS:
        seen = at_day(values, day)
        (_, new) = found(running, seen, seen, "revenue").arms
        assert new.effect is not None
        assert new.effect.always_low is not None
        assert new.effect.always_high is not None
        assert new.effect.always_low <= truth <= new.effect.always_high, day
        verdicts.append(new.effect.verdict)
    assert verdicts[-1] == "higher"
    assert "lower" not in verdicts
    done = CliRunner().invoke(
        app, ["experiment", "show", "lift", "--metric", "revenue", "--dsn", database], catch_exceptions=False
    )
    assert done.exit_code == 0
    assert "new has a higher revenue than old" in " ".join(done.output.split())
    # and the counters are those of the events
    assert row(psql, "select sum(purchases), sum(spend) from customer") == row(
        psql, "select count(*), sum(amount) from purchase"
    )


def without_effect(psql: Session, values: Values, runs: int) -> dict[str, int]:
    """Customers of `old` alone, divided anew by the hash of the database: none of these experiments has an effect."""
    mine = values.arms == "old"
    base = Values(*(getattr(values, f)[mine] for f in Values.__dataclass_fields__))
    keys = [
        k
        for (k,) in rows(
            psql,
            "select entity_key from modelpack.assignment where arm = 'old' order by assigned_at, entity_key",
        )
    ]
    running = Running(
        "aa", "public.customer", "churn", "churn", "binary", None, None, None, float(DAYS), {"a": 1, "b": 1},  # type: ignore[arg-type]
        [{"a": 0.5, "b": 0.5}], [1], ["revenue"], None,  # type: ignore[arg-type]
    )  # fmt: skip
    told = dict.fromkeys(("ever", "at the end", "alarms"), 0)
    for run in range(runs):
        drawn = value(
            psql,
            "select array_agg(modelpack.draw(%s, k) order by o) from unnest(%s::text[]) with ordinality as u (k, o)",
            f"{run} aa",
            keys,
        )
        arms = np.where(np.array(drawn) < 0.5, "a", "b")
        world = replace(
            base, arms=arms, weights=np.full(len(arms), 0.5), weightings=np.ones(len(arms), dtype=np.int64)
        )
        ever = alarm = False
        for day in LOOKS:
            seen = at_day(world, day)
            said = found(running, seen, seen, "revenue")
            effect = said.arms[1].effect
            assert effect is not None
            ever |= effect.verdict != "open"
            alarm |= said.balance < ALARM
        told["ever"] += ever
        told["alarms"] += alarm
        assert effect.low is not None
        assert effect.high is not None
        told["at the end"] += not effect.low <= 0 <= effect.high
    return told


def check_rates(told: dict[str, int], runs: int) -> None:
    """No more often than it may be: by what a fair coin of that rate would exceed once in ten thousand."""
    assert told["ever"] <= binom.ppf(0.9999, runs, 0.05)
    assert told["alarms"] <= binom.ppf(0.9999, runs, ALARM)
    assert binom.ppf(0.0001, runs, 0.05) <= told["at the end"] <= binom.ppf(0.9999, runs, 0.05)


def test_where_there_is_no_effect_none_is_found_more_often_than_it_may(
    psql: Session, measured: tuple[Running, Values]
) -> None:
    check_rates(without_effect(psql, measured[1], 60), 60)


@pytest.mark.long
def test_a_thousand_experiments_without_effect(psql: Session, measured: tuple[Running, Values]) -> None:
    told = without_effect(psql, measured[1], 1000)
    check_rates(told, 1000)
    # a single look must err about as often as it says
    assert told["at the end"] > 20
