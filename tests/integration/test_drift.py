"""Drift of inputs and scores: the figures against numpy and scipy from the raw rows, and how often they are wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import binom, chi2, wasserstein_distance

from tests.support import Session, row, rows, value

Numbers = npt.NDArray[np.float64]

EDGES = (
    np.quantile(np.random.default_rng(0).normal(0, 1, 20_000), np.arange(1, 20) / 20)
    .astype(np.float32)
    .astype(float)
)
PLANS = ["basic", "plus", "pro"]
INPUTS = [
    {"name": "spend", "type": "number", "missing": True},
    {"name": "plan", "type": "text", "missing": True, "missing_token": "\x1a", "categories": PLANS},
]


def observe(session: Session) -> None:
    session.execute("call modelpack.observe()")


def binned(values: Numbers) -> Numbers:
    """Rows in each bin: edges[i-1] < x <= edges[i]."""
    return np.bincount(np.searchsorted(EDGES, values, side="left"), minlength=20).astype(float)


def sample(seed: int, n: int) -> tuple[Numbers, list[str | None]]:
    chance = np.random.default_rng(seed)
    return chance.normal(0, 1, n), [PLANS[i] for i in chance.choice(3, n, p=[0.5, 0.3, 0.2])]


REFERENCE_ROWS = sample(1, 5000)


def make_version(dsn: str) -> None:
    spend, plans = REFERENCE_ROWS
    numbers = {
        "edges": EDGES.tolist(),
        "counts": binned(spend).astype(int).tolist(),
        "minimum": spend.min(),
        "maximum": spend.max(),
        "mean": spend.mean(),
    }
    reference = {
        "format": 1,
        "rows": len(plans),
        "inputs": {
            "spend": {"type": "number", "missing": 0, **numbers},
            "plan": {
                "type": "text",
                "missing": 0,
                "categories": {p: plans.count(p) for p in PLANS},
                "other": 0,
                "unseen": 0,
            },
        },
        "score": numbers,
    }
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute("insert into modelpack.model (model) values ('churn')")
        session.execute("insert into modelpack.artifact (sha256) values ('none')")
        session.execute(
            "insert into modelpack.version (model, version, sha256, signature, golden) values ('churn', 1, 'none', %s, '{}')",
            [json.dumps({"inputs": INPUTS})],
        )
        session.execute(
            "insert into modelpack.reference (version_id, reference, created_by) select version_id, %s, 'x' from modelpack.version",
            [json.dumps(reference)],
        )


pytestmark = pytest.mark.prepared(setup=make_version)


def log(
    session: Session,
    ago: str,
    spend: Sequence[float | None] | Numbers,
    plans: list[str | None],
    scores: Numbers | None = None,
    keys: list[str] | None = None,
) -> None:
    """Rows of the log at a moment: their scores are the number, or some other."""
    at = value(session, f"select date_trunc('hour', now(), 'UTC') - interval '{ago}' + interval '1 minute'")
    with (
        session.cursor() as cursor,
        cursor.copy(
            "copy modelpack.prediction (scored_at, profile, entity_key, score, model, version, prediction, inputs, text_inputs) from stdin"
        ) as copy,
    ):
        for n, (x, plan) in enumerate(zip(spend, plans, strict=True)):
            number = None if x is None else float(x)
            score = float(scores[n]) if scores is not None else number or 0.0
            copy.write_row(
                (at, "shop", keys[n] if keys else str(n), "churn", "churn", 1, score, [number], [plan])
            )


def figures(session: Session, against: str, input: str | None, view: str = "drift") -> dict[str, Any]:
    found = session.execute(
        f"select * from modelpack.{view} where against = %s and input is not distinct from %s and segment is null order by {'day' if view == 'drift' else 'hour'} desc limit 1",
        [against, input],
    )
    names = [c.name for c in found.description or ()]
    one = found.fetchone()
    assert one is not None
    return dict(zip(names, one, strict=True))


def index(now: Numbers, before: Numbers) -> float:
    """PSI with 20 more rows on both sides, which are as all rows are; there are enough rows in every bin."""
    pool = (now + before) / (now.sum() + before.sum())
    p, q = (now + 20 * pool) / (now.sum() + 20), (before + 20 * pool) / (before.sum() + 20)
    some = pool > 0
    return float(((p - q)[some] * np.log(p[some] / q[some])).sum())


def test_figures_against_the_reference_are_those_of_the_rows(psql: Session) -> None:
    spend, plans = sample(2, 3000)
    spend = spend * 1.3 + 0.4
    plans = ["pro" if n % 4 == 0 else "odd" if n % 10 == 3 else p for n, p in enumerate(plans)]
    logged = [None if n % 20 == 0 else x for n, x in enumerate(spend)]
    log(psql, "30 hours", logged, plans, scores=spend)
    observe(psql)
    got = figures(psql, "reference", "spend")
    there = np.array([x for x in logged if x is not None])
    now = np.append(binned(there), 3000 - there.size)
    before = np.append(binned(REFERENCE_ROWS[0]), 0)
    assert (got["rows"], got["rows_before"]) == (3000, 5000)
    assert got["psi"] == pytest.approx(index(now, before), rel=1e-9)
    assert got["jensen_shannon"] == pytest.approx(jensenshannon(now, before, base=2) ** 2, rel=1e-9)
    assert (got["missing"], got["missing_before"]) == (0.05, 0)
    assert got["wasserstein"] == pytest.approx(wasserstein_distance(there, REFERENCE_ROWS[0]), rel=0.1)
    assert got["drifted"]
    assert got["psi"] > got["critical"]
    # chi-square of all bins, for three inputs against one thing each, and four looks at a day
    exact = chi2.isf(0.001 / 4 / 3, 20) * (1 / 3000 + 1 / 5000)
    assert got["critical"] == pytest.approx(exact, rel=0.01)
    got = figures(psql, "reference", "plan")
    now, before = (np.array([float(p.count(w)) for w in [*PLANS, "odd"]]) for p in (plans, REFERENCE_ROWS[1]))
    assert got["psi"] == pytest.approx(index(now, before), rel=1e-9)
    assert got["unseen"] == pytest.approx(plans.count("odd") / 3000)
    assert got["wasserstein"] is None
    got = figures(psql, "reference", None)
    assert got["psi"] == pytest.approx(index(binned(spend), binned(REFERENCE_ROWS[0])), rel=1e-9)


def test_a_value_that_has_an_edge_of_its_own_is_a_step(psql: Session) -> None:
    """Numbers of few values: their Wasserstein distance is exact."""
    with psql.transaction():
        psql.execute(
            "update modelpack.reference set reference = jsonb_set(jsonb_set(reference, '{inputs,spend}', %s), '{rows}', '100')",
            [
                json.dumps(
                    {
                        "type": "number",
                        "missing": 0,
                        "edges": [0, 1, 5],
                        "counts": [50, 30, 20, 0],
                        "minimum": 0,
                        "maximum": 5,
                    }
                )
            ],
        )
    now = [0.0] * 200 + [1.0] * 100 + [5.0] * 300
    log(psql, "30 hours", now, ["pro"] * 600)
    observe(psql)
    expected = wasserstein_distance(now, [0] * 50 + [1] * 30 + [5] * 20)
    assert figures(psql, "reference", "spend")["wasserstein"] == pytest.approx(expected, rel=1e-9)


def test_bins_are_closed_above(psql: Session) -> None:
    log(psql, "30 hours", EDGES, ["pro"] * EDGES.size)
    observe(psql)
    found = value(psql, "select counts from modelpack.rollup_input where position = 1 and span = 'day'")
    assert found == [1] * 19 + [0]


def test_the_last_good_week_is_what_a_day_is_held_against(psql: Session) -> None:
    for day in range(9, 1, -1):
        spend, plans = sample(10 + day, 2000)
        if day == 4:
            spend = spend + 1  # a bad day
        log(psql, f"{day} days", spend, plans)
    observe(psql)
    drifted = dict(
        rows(
            psql,
            "select (now() at time zone 'UTC')::date - day, drifted from modelpack.drift where against = 'last week' and input = 'spend'",
        )
    )
    assert {day for day, bad in drifted.items() if bad} == {4}
    assert 9 not in drifted  # nothing came before
    got = figures(psql, "last week", "spend")
    good = np.concatenate([sample(10 + day, 2000)[0] for day in range(9, 2, -1) if day != 4])
    assert got["rows_before"] == good.size
    # the same customers come again and again: they are worth fewer rows
    assert got["effective_rows"] == pytest.approx(2000)


def test_a_shift_is_found_in_the_hour_it_begins_and_not_before(psql: Session) -> None:
    for hours in range(12, 0, -1):
        spend, plans = sample(100 + hours, 600)
        if hours <= 3:
            spend = spend * 1.0 + 0.8
        log(psql, f"{hours} hours", spend, plans)
    observe(psql)
    found = rows(
        psql,
        "select drifted from modelpack.drift_by_hour where against = 'reference' and input = 'spend' order by hour",
    )
    assert [bad for (bad,) in found] == [False] * 9 + [True] * 3


def test_rows_of_one_customer_are_worth_fewer(psql: Session) -> None:
    """A few customers who come a thousand times are no drift of all."""
    chance = np.random.default_rng(3)
    customers = chance.normal(0, 1, 20)
    who = chance.integers(0, 20, 4000)
    log(psql, "30 hours", customers[who], ["pro"] * 4000, keys=[str(n) for n in who])
    observe(psql)
    got = figures(psql, "reference", "spend")
    many = np.bincount(who).astype(float)
    assert got["effective_rows"] == pytest.approx(4000 / ((many**2).sum() / many.sum()), rel=1e-9)
    assert got["drifted"] is False
    assert got["psi"] is not None


def test_segments_are_watched_by_the_texts_of_an_input(psql: Session) -> None:
    psql.execute("create table shop (shop_id bigint primary key)")
    psql.execute("insert into modelpack.segment (profile, input, set_by) values ('shop', 'plan', 'x')")
    for day in (3, 2):
        spend, plans = sample(day, 3000)
        if day == 2:
            spend = np.where(np.array(plans) == "pro", spend + 2, spend)
        log(psql, f"{day} days", spend, plans)
    observe(psql)
    found = rows(
        psql,
        "select segment, drifted from modelpack.drift where against = 'last week' and input = 'spend' and segment is not null order by 1",
    )
    assert found == [("plan=basic", False), ("plan=plus", False), ("plan=pro", True)]
    # and no row twice
    assert value(psql, "select sum(predictions)::int from modelpack.response") == 6000


def test_a_reference_that_comes_later_counts_from_then_on(psql: Session) -> None:
    kept = value(psql, "select reference from modelpack.reference")
    psql.execute("delete from modelpack.reference")
    spend, plans = sample(4, 1000)
    log(psql, "30 hours", spend, plans)
    observe(psql)
    assert rows(psql, "select * from modelpack.drift where against = 'reference'") == []
    assert row(psql, "select source, cardinality(edges) from modelpack.yardstick where input = 'spend'") == (
        "log",
        19,
    )
    psql.execute(
        "insert into modelpack.reference (version_id, reference, created_by) select version_id, %s, 'x' from modelpack.version",
        [json.dumps(kept)],
    )
    log(psql, "29 hours", spend, plans)
    observe(psql)
    assert figures(psql, "reference", "spend")["rows"] == 1000


@pytest.mark.parametrize("weeks", [10, pytest.param(100, marks=pytest.mark.long)])
def test_quiet_weeks_raise_no_more_alarms_than_the_level_says(psql: Session, weeks: int) -> None:
    """Customers who come about five times a day with numbers of their own, and nothing that changes."""
    level = 0.02
    psql.execute(
        "update modelpack.setting set value = %s where name = 'drift_level'", [str(round(level * 10_000))]
    )
    psql.execute("update modelpack.setting set value = '0' where name = 'drift_effect'")
    chance = np.random.default_rng(weeks)
    for day in range(7 * weeks, 0, -1):
        own = chance.normal(0, 1, 150)
        plans = chance.choice(PLANS, 150, p=[0.5, 0.3, 0.2])
        who = np.repeat(np.arange(150), chance.poisson(5, 150))
        log(psql, f"{day} days", own[who], plans[who].tolist(), keys=[f"{day} {n}" for n in who])
    observe(psql)
    alarms = rows(psql, "select distinct day from modelpack.drift where drifted")
    judged = value(psql, "select count(distinct day) from modelpack.drift where critical is not null")
    assert judged >= 7 * weeks - 1
    assert len(alarms) <= binom.isf(0.01, judged, level)
