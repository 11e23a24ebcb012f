"""A server that dies while an experiment runs and a shadow scores: arms stay, no row of the log is missed, none is scored twice."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from dev.cluster import Cluster
from modelpack import Event, Profile, Score, count
from tests.faults.hostile import Session, connect
from tests.support import attach, linear_score, publish, rows, value, wait_for

GONE = (psycopg.OperationalError, psycopg.InterfaceError)
CUSTOMERS = 150
ARMS = {"usual": ((0.01,), 0.1), "other": ((0.002,), 0.6)}
SHADOW = ((0.003, 0.004), 0.2)

SHOP = Profile(
    "customer",
    key="customer_id",
    events=[Event("visit", at="at", features={"visits": count()})],
    scores=[Score("churn", model="churn")],
)


def open_shop(dsn: str) -> None:
    """An experiment of versions 1 and 2, and version 3 as a shadow, which also takes a column that the log lacks."""
    with connect(dsn) as session:
        session.execute(
            "create table customer (customer_id bigint primary key, age integer);"
            "create table visit (customer_id bigint not null, at timestamptz not null default clock_timestamp());"
            f"insert into customer select g, 18 + g % 50 from generate_series(1, {CUSTOMERS}) as g"
        )
        attach(dsn, SHOP)
        for weights, bias in ARMS.values():
            publish(session, "churn", ["visits"], weights, bias, promote=False)
        publish(session, "churn", ["visits", "age"], *SHADOW, promote=False)
        session.execute("select modelpack.promote('churn', 1)")
        arms = [{"arm": arm, "version": n, "weight": 50} for n, arm in enumerate(ARMS, 1)]
        session.execute(
            "select modelpack.start_experiment('customer', 'churn', 'winter', %s)", [json.dumps(arms)]
        )
        session.execute("select modelpack.start_shadow('churn', 3)")


def arm_of(key: int) -> str:
    """The arm that the hash of the first experiment's number, its name and a key gives."""
    digest = hashlib.sha256(f"1 winter {key}".encode()).digest()
    return "usual" if (int.from_bytes(digest[:7], "big") >> 4) / 2**52 < 0.5 else "other"


def until_gone(dsn: str, work: Callable[[Session, int], None], over: threading.Event) -> None:
    """Do it again and again, until the server ends the session or the test is over."""
    turn = 0
    try:
        with psycopg.connect(dsn, autocommit=True) as session:
            while not over.is_set():
                turn += 1
                work(session, turn)
    except GONE:
        pass


def visit(session: Session, turn: int) -> None:
    """One event, or forty at once."""
    session.execute(
        f"insert into visit select 1 + (%s * 7 + g) %% {CUSTOMERS} from generate_series(1, %s) as g",
        [turn, 1 if turn % 3 else 40],
    )


def score(session: Session, _turn: int) -> None:
    session.execute("call modelpack.score_shadows()")


@pytest.mark.parametrize("victim", ["job", "postmaster"])
def test_after_a_kill_arms_are_those_of_before_and_each_row_of_the_log_is_scored_once(
    private: Cluster, killable: str, victim: str
) -> None:
    open_shop(killable)
    over = threading.Event()
    scored = "select count(*) from modelpack.shadow_score"
    with ThreadPoolExecutor(3) as pool, connect(killable) as watcher:
        try:
            done = [pool.submit(until_gone, killable, work, over) for work in (visit, visit, score)]
            wait_for(watcher, f"select ({scored}) > 300")
            if victim == "job":
                job = value(
                    watcher,
                    "select pid from pg_stat_activity where datname = current_database() and query like 'call modelpack.score%'",
                )
                os.kill(job, signal.SIGKILL)
            else:
                private.kill()
            for each in done:
                each.result(60)
        finally:
            over.set()
    if victim == "postmaster":
        private.start()
    with connect(killable) as session:
        session.execute("insert into visit select g from generate_series(1, 20) as g")
        score(session, 0)
        found = rows(
            session,
            "select c.customer_id, c.visits, c.churn, c.churn_version, c.churn_arm, s.arm, count(v.customer_id)"
            "  from customer as c left join visit as v using (customer_id)"
            "  left join modelpack.assignment as s on s.entity_key = c.customer_id::text"
            " group by c.customer_id, s.arm having count(v.customer_id) > 0",
        )
        assert len(found) > 100
        for key, visits, churn, version, arm, assigned, counted in found:
            assert visits == counted
            assert (arm, assigned) == (f"winter/{arm_of(key)}", arm_of(key))
            assert version == list(ARMS).index(arm_of(key)) + 1
            assert churn == pytest.approx(linear_score(*ARMS[arm_of(key)], [counted]), abs=1e-6)
        judged = rows(
            session,
            "select l.inputs[1], c.age, array_agg(d.shadow_prediction)"
            "  from modelpack.prediction as l join customer as c on c.customer_id::text = l.entity_key"
            "  left join modelpack.shadow_score as d on d.prediction_id = l.prediction_id and d.scored_at = l.scored_at"
            " group by l.prediction_id, l.scored_at, l.inputs, c.age",
        )
        assert len(judged) > 300
        for visits, age, scores in judged:
            assert scores == [pytest.approx(linear_score(*SHADOW, [visits, age]), abs=1e-6)]
