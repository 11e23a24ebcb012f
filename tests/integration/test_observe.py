"""Roll-ups of the log, held against a plain count over its rows."""

from __future__ import annotations

from tests.support import Session, rows, value


def test_it_runs(psql: Session) -> None:
    psql.execute(
        "create table if not exists modelpack.reference (version_id integer primary key, reference jsonb not null, background jsonb, created_at timestamptz not null default now(), created_by name not null default current_user); grant all on modelpack.reference to modelpack_owner"
    )
    psql.execute(
        "insert into modelpack.prediction (scored_at, profile, entity_key, score, model, version, prediction, inputs, text_inputs, microseconds)"
        " select now() - g * interval '1 minute', 'shop', (g % 100)::text, 'churn', 'churn', 1, random(), array[random(), null], null, 10 + g % 10 from generate_series(1, 1000) as g"
    )
    psql.execute("call modelpack.observe(300)")
    assert value(psql, "select sum(predictions) from modelpack.rollup where span = 'day'") == 1000
    print(rows(psql, "select * from modelpack.response"))
    print(rows(psql, "select * from modelpack.latency")[:2])
    print(rows(psql, "select * from modelpack.drift")[:2])
    print(rows(psql, "select * from modelpack.observed"))
    psql.execute("call modelpack.observe(300)")
    assert value(psql, "select sum(predictions) from modelpack.rollup where span = 'day'") == 1000
    for view in ("timeline", "features", "staleness", "failures_by_hour", "drift_by_hour"):
        rows(psql, f"select * from modelpack.{view}")
