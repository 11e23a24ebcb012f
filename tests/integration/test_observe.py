"""Roll-ups of the log: every row is counted once, whoever commits when; the figures are those of the rows."""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
import psycopg
import pytest

from tests.support import Session, row, rows, value

LOG = (
    "insert into modelpack.prediction (scored_at, profile, entity_key, score, model, version, prediction, inputs, microseconds)"
    " select now() - {ago} * interval '1 hour', 'shop', (g % 7)::text, 'churn', 'churn', {version}, (g % 11) / 10.0, array[g % 5], g"
    " from generate_series(1, {rows}) as g"
)


def log(session: Session, rows: int, *, version: int = 1, ago: int = 0) -> None:
    """Rows of the log, as if a version had scored."""
    session.execute(LOG.format(rows=rows, version=version, ago=ago))


def counted(session: Session, span: str = "hour") -> list[tuple[Any, ...]]:
    """What the roll-ups say: hour, version, rows, and sum of the scores in tenths."""
    return rows(
        session,
        "select r.at, w.version, r.predictions, round(r.total * 10)::bigint from modelpack.rollup as r join modelpack.watched as w using (watched_id)"
        " where r.span = %s order by 1, 2",
        span,
    )


def plain(session: Session, span: str = "hour") -> list[tuple[Any, ...]]:
    """The same, by a plain count over the log."""
    return rows(
        session,
        "select date_trunc(%s, scored_at, 'UTC'), version, count(*), round(sum(prediction) * 10)::bigint from modelpack.prediction group by 1, 2 order by 1, 2",
        span,
    )


def observe(session: Session, batch: int = 50_000) -> None:
    session.execute(f"call modelpack.observe({batch})")


def pass_time(session: Session) -> None:
    """As if ten minutes had gone by: what could have taken a number has a transaction by then."""
    session.execute(
        "update modelpack.observed set next_at = next_at - interval '11 minutes', written_by = pg_current_xact_id()"
    )


def forget(session: Session) -> None:
    """Until all numbers are done with; transactions of other tests' databases hold that back, too."""
    last = value(session, "select max(prediction_id) from modelpack.prediction")
    until = time.monotonic() + 60
    while value(session, "select low from modelpack.observed") < last:
        assert time.monotonic() < until
        observe(session)
        assert counted(session) == plain(session)
        pass_time(session)


@pytest.mark.parametrize("seed", range(4))
def test_every_row_is_counted_once_in_whatever_order_transactions_end(
    psql: Session, database: str, seed: int
) -> None:
    """Transactions that stay open, savepoints that are rolled back, rows that are moved or written again, runs in between."""
    if seed % 2:  # a partition from before there was such an index
        psql.execute("drop index modelpack.prediction_default_by_number")
    chance = random.Random(seed)
    happened: Counter[str] = Counter()
    with ExitStack() as left:
        sessions = [left.enter_context(psycopg.connect(database)) for _ in range(3)]
        for _ in range(60):
            step = chance.choice(
                [
                    "write",
                    "write",
                    "write",
                    "commit",
                    "roll back",
                    "savepoint",
                    "observe",
                    "observe",
                    "time",
                    "move",
                    "vacuum",
                ]
            )
            session = chance.choice(sessions)
            happened[step] += 1
            match step:
                case "write":
                    log(
                        session,
                        chance.randrange(1, 40),
                        version=chance.randrange(1, 3),
                        ago=chance.randrange(0, 30),
                    )
                case "commit":
                    session.commit()
                case "roll back":
                    session.rollback()
                case "savepoint":
                    with session.transaction(force_rollback=True):
                        log(session, 5)
                case "observe":
                    observe(psql, chance.choice([7, 100, 50_000]))
                    assert counted(psql) == plain(psql)
                    assert counted(psql, "day") == plain(psql, "day")
                case "time":
                    pass_time(psql)
                case "move":  # another version of the row, by another transaction
                    psql.execute("update modelpack.prediction set inputs = '{}' where prediction_id % 3 = 0")
                case "vacuum":
                    psql.execute("vacuum modelpack.prediction")
        for session in sessions:
            session.commit()
    observe(psql)
    assert counted(psql) == plain(psql)
    assert min(happened.values()) > 0
    # what is over is forgotten
    forget(psql)
    assert value(psql, "select seen = '{}' from modelpack.observed")


def test_a_number_that_is_not_over_is_waited_for_however_long_it_takes(psql: Session, database: str) -> None:
    log(psql, 10)
    with psycopg.connect(database) as late:
        log(late, 3)
        log(psql, 10)
        for _ in range(4):
            observe(psql)
            pass_time(psql)
        assert sum(n for *_, n, _ in counted(psql)) == 20
        late.commit()
    observe(psql)
    assert counted(psql) == plain(psql)


def test_two_runs_at_a_time_count_each_row_once(psql: Session, database: str) -> None:
    def run(n: int) -> None:
        with psycopg.connect(database, autocommit=True) as session:
            if n % 2:
                for _ in range(10):
                    log(session, 20, ago=n)
            for _ in range(3):
                observe(session, 13)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    observe(psql)
    assert counted(psql) == plain(psql)


def test_a_run_that_is_killed_loses_nothing_and_counts_nothing_twice(psql: Session, database: str) -> None:
    for ago in range(20):
        log(psql, 200, ago=ago)
    for _ in range(5):
        with psycopg.connect(database, autocommit=True) as session, ThreadPoolExecutor(1) as pool:
            run = pool.submit(observe, session, 50)
            before = value(psql, "select coalesce(sum(predictions), 0) from modelpack.rollup")
            while (
                not run.done()
                and value(psql, "select coalesce(sum(predictions), 0) from modelpack.rollup") == before
            ):
                pass
            psql.execute("select pg_terminate_backend(%s)", [session.info.backend_pid])
            run.exception()
    observe(psql)
    assert counted(psql) == plain(psql)


def test_a_run_leaves_while_another_is_at_it(psql: Session, database: str) -> None:
    log(psql, 10)
    with psycopg.connect(database, autocommit=True) as other:
        pid = other.info.backend_pid
        assert row(other, "select job_id is not null from modelpack.begin_observation()") == (True,)
        said: list[str | None] = []
        psql.add_notice_handler(lambda notice: said.append(notice.message_primary))
        observe(psql)
        assert said == ["observe: another session is at it"]
        assert counted(psql) == []
    while value(psql, "select count(*) from pg_stat_activity where pid = %s", pid):
        pass
    observe(psql)
    assert counted(psql) == plain(psql)


def test_rows_that_maintain_moves_to_another_partition_are_not_counted_again(psql: Session) -> None:
    for ago in range(0, 100, 9):
        log(psql, 30, ago=ago)
    observe(psql)
    psql.execute("select modelpack.maintain()")
    for ago in range(0, 100, 11):
        log(psql, 30, ago=ago)
    for _ in range(3):
        observe(psql)
        assert counted(psql) == plain(psql)
        pass_time(psql)


def test_after_a_restore_transactions_have_other_numbers(psql: Session) -> None:
    """A dump has the log and what is counted as of one moment; the server that it comes to began to count transactions anew."""
    log(psql, 10)
    observe(psql)
    psql.execute("update modelpack.observed set next_snapshot = '9000000:9000000:', written_by = '8999999'")
    log(psql, 10)
    forget(psql)
    assert value(psql, "select low from modelpack.observed") == 20


def test_figures_are_those_of_the_rows(psql: Session) -> None:
    random_numbers = np.random.default_rng(5)
    scores = np.concatenate(
        [random_numbers.beta(0.6, 3, 4000), random_numbers.normal(0, 30, 500), [0.0] * 20]
    )
    times = random_numbers.gamma(3, 20, scores.size).astype(int)
    at = value(psql, "select now() - interval '1 day'")
    with (
        psql.cursor() as cursor,
        cursor.copy(
            "copy modelpack.prediction (scored_at, profile, entity_key, score, model, version, prediction, inputs, microseconds) from stdin"
        ) as copy,
    ):
        for n, (score, time) in enumerate(zip(scores.tolist(), times.tolist(), strict=True)):
            copy.write_row((at, "shop", str(n % 1500), "churn", "churn", 1, score, [1.0], time))
    observe(psql, 700)
    found = psql.execute("select * from modelpack.response")
    names = [c.name for c in found.description or ()]
    got = dict(zip(names, found.fetchone() or (), strict=True))
    assert got["predictions"] == scores.size
    assert got["mean"] == pytest.approx(scores.mean(), rel=1e-12)
    assert got["deviation"] == pytest.approx(scores.std(ddof=1), rel=1e-12)
    assert (got["minimum"], got["maximum"]) == (scores.min(), scores.max())
    for name, share in (("p05", 0.05), ("p25", 0.25), ("p50", 0.5), ("p75", 0.75), ("p95", 0.95)):
        assert got[name] == pytest.approx(np.quantile(scores, share, method="inverted_cdf"), rel=0.0051)
    assert got["entities"] == pytest.approx(1500, rel=0.15)
    assert got["uncertain_share"] is None  # no probabilities
    hour = row(psql, "select measured, p50, p95, p99 from modelpack.latency")
    assert hour[0] == scores.size
    for quantile, share in zip(hour[1:], (0.5, 0.95, 0.99), strict=True):
        assert quantile == pytest.approx(np.quantile(times, share, method="inverted_cdf"), rel=0.026)


def test_a_response_tells_a_model_that_works_from_one_that_is_confused(psql: Session) -> None:
    insert = (
        "insert into modelpack.prediction (scored_at, profile, entity_key, score, model, version, prediction, inputs)"
        " select '2026-03-04', 'shop', g::text, 'churn', 'churn', %s, {}, '{{}}' from generate_series(1, 1000) as g"
    )
    psql.execute(insert.format("case when g %% 2 = 0 then 0.02 else 0.97 end"), [1])
    psql.execute(insert.format("0.45 + g / 10000.0"), [2])
    psql.execute(insert.format("0.3"), [3])
    observe(psql)
    found = {
        v: r
        for v, *r in rows(
            psql,
            "select version, uncertain_share, entropy, largest_share, distinct_scores from modelpack.response",
        )
    }

    def bits(p: float) -> float:
        return float(-p * np.log2(p) - (1 - p) * np.log2(1 - p))

    assert found[1] == [0, pytest.approx((bits(0.02) + bits(0.97)) / 2, abs=0.02), 0.5, 2]
    assert found[2][0] == 1
    assert found[2][1] > 0.98
    assert found[2][2] < 0.11
    assert found[2][3] > 10
    assert found[3] == [0, pytest.approx(bits(0.3), abs=0.01), 1, 1]
