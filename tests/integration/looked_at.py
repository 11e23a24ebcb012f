"""A shop of three weeks to look at: two versions, a shift in the last days, outcomes, an experiment, an alert."""

from __future__ import annotations

import numpy as np
import psycopg
from psycopg.types.json import Jsonb

from modelpack import Event, Profile, Score, count, total
from modelpack.outcomes import Outcome
from tests.support import attach, linear_score, publish, value

DAYS, CUSTOMERS, SHIFTED = 21, 240, 3
WEIGHTS = {1: (-0.3, 0.02, 0.8), 2: (-0.35, 0.025, 0.9)}
BIAS = -0.5
INPUTS = ["purchases", "spend", "complaints"]
GONE = "not exists (select from purchase as e where e.customer_id = p.customer_id and e.at > t.at and e.at <= t.until)"


def make_shop(dsn: str, name: str = "churn") -> None:
    """Log rows of three weeks as if events had written them, rolled up."""
    drawn = np.random.default_rng(5)
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(
            "create table customer (customer_id bigint primary key);"
            "create table purchase (customer_id bigint, at timestamptz not null default clock_timestamp(), amount numeric, complaint boolean default false);"
        )
        session.execute(f"insert into customer select generate_series(1, {CUSTOMERS})")
        session.execute(
            f"insert into purchase select 1 + g %% {CUSTOMERS}, now() - interval '60 days', g %% 40, g %% 7 = 0 from generate_series(1, %s) as g",
            [CUSTOMERS * 3],
        )
        for weights in WEIGHTS.values():
            publish(session, name, INPUTS, weights, BIAS)
        session.execute(
            "update modelpack.promotion set at = now() - case version when 1 then interval '40 days' else interval '10 days' end"
        )
        features = {
            "purchases": count(),
            "spend": total("amount"),
            "complaints": count(where="complaint"),
        }
        score = Score("churn", model=name, outcome=Outcome(GONE, horizon="7 days", every="1 day"))
        attach(
            dsn,
            Profile(
                "customer",
                key="customer_id",
                events=[Event("purchase", at="at", features=features)],
                scores=[score],
            ),
        )
        rows = []
        for ago in range(DAYS - 1, -1, -1):
            version = 1 if ago > 10 else 2
            for key in range(1, CUSTOMERS + 1):
                spend = float(np.float32(drawn.gamma(3, 25 if ago < SHIFTED else 10)))
                inputs = [float(drawn.poisson(4)), spend, float(drawn.poisson(0.4))]
                said = linear_score(WEIGHTS[version], BIAS, inputs)
                rows.append((ago, str(key), name, version, said, inputs, int(drawn.gamma(4, 30))))
        session.execute("delete from modelpack.prediction")
        with session.cursor() as cursor:
            cursor.executemany(
                "insert into modelpack.prediction (scored_at, profile, entity_key, score, model, version, prediction, inputs, microseconds)"
                # an hour before midnight, and today since midnight
                " values (case when %s = 0 then now() else date_trunc('day', now(), 'UTC') - (%s - 1) * interval '1 day' - interval '1 hour' end,"
                " 'public.customer', %s, 'churn', %s, %s, %s, %s, %s)",
                [(ago, *row) for ago, *row in [(r[0], *r) for r in rows]],
            )
        session.execute("set session_replication_role = replica")
        session.execute("update customer set churn_scored_at = now() - interval '60 days'")
        session.execute("set session_replication_role = origin")
        session.execute("call modelpack.take_cohort('customer', 'churn', now() - interval '18 days')")
        session.execute("call modelpack.take_cohort('customer', 'churn', now() - interval '3 days')")
        session.execute(
            f"insert into purchase (customer_id, at, amount) select g, now() - interval '14 days', 1 from generate_series(1, {CUSTOMERS}, 3) as g"
        )
        session.execute("call modelpack.settle('customer')")
        arms = [{"arm": "old", "version": 1, "weight": 0.5}, {"arm": "new", "version": 2, "weight": 0.5}]
        session.execute("select modelpack.start_experiment('customer', 'churn', 'autumn', %s)", [Jsonb(arms)])
        session.execute("call modelpack.rescore('customer', everything => true)")
        number = value(session, "select version_id from modelpack.version where version = 2")
        session.execute(
            "insert into modelpack.failure_log (version_id, profile, kind, reason, failures) values (%s, 'public.customer', 'input', 'spend is NULL', 5000)",
            [number],
        )
        for _ in range(3):  # what is no more than a little beyond its bound has to stay there
            session.execute("call modelpack.observe()")
