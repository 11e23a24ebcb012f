"""modelpack.rescore over many rows: one call of the model for all, and the odd row on its own."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql

from modelpack import Event, Profile, Score, age, count, last, maximum, mean, minimum, total
from tests.support import Session, attach, linear_score, publish, row, rows, value, wrong

DEADLINE = 20.0  # seconds until a step that does not come is a failure

OLD, NEW = ((0.5, 0.01, 0.2), -1.0), ((-0.3, 0.02, 0.1), 0.5)
INPUTS = ["complaints", "spend", "tenure"]
BATCHED = "microseconds is null"
"""Only a row that is scored on its own has its time measured."""

TABLES = """
create table customer (customer_id bigint primary key, tenure integer);
create table purchase (customer_id bigint, at timestamptz default clock_timestamp(), amount numeric, complaint boolean);
insert into customer select g, g % 7 from generate_series(1, 200) as g;
insert into purchase (customer_id, amount, complaint) select 1 + g % 200, g, g % 3 = 0 from generate_series(1, 600) as g;
"""


def shop(dsn: str, session: Session, *scores: Score, missing: bool = False) -> None:
    """200 customers, attached and scored by version 1; version 2 is published."""
    session.execute(TABLES)
    features = {"complaints": count(where="complaint"), "spend": total("amount"), "seen": last("at")}
    events = [Event("purchase", at="at", features=features)]
    attach(dsn, Profile("customer", key="customer_id", events=events, scores=list(scores)))
    for weights, bias in (OLD, NEW):
        publish(session, "churn", INPUTS, weights, bias, missing=missing)
    session.execute("select modelpack.promote('churn', 1)")
    session.execute("call modelpack.rescore('customer')")


def make_shop(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as session:
        shop(dsn, session, Score("churn", model="churn"))


def held(session: Session, score: str = "churn") -> dict[int, int]:
    """Every fresh score held against the model of its version; the versions."""
    query = sql.SQL(
        "select customer_id, {0}, {1}, complaints, spend, tenure from customer where {2} is null"
    ).format(*(sql.Identifier(score + x) for x in ("", "_version", "_stale")))
    found = session.execute(query).fetchall()
    for _, churn, version, *numbers in found:
        weights, bias = (OLD, NEW)[version - 1]
        assert churn == pytest.approx(linear_score(weights, bias, [float(n) for n in numbers]), abs=1e-6)
    return {key: version for key, _, version, *_ in found}


@pytest.mark.prepared(setup=make_shop)
def test_rescore_brings_all_rows_to_the_champion_and_logs_each(psql: Session) -> None:
    assert set(held(psql).values()) == {1}
    psql.execute("select modelpack.promote('churn', 2)")
    psql.execute("call modelpack.rescore('customer', chunk_blocks => 1)")
    assert held(psql) == dict.fromkeys(range(1, 201), 2)
    assert wrong(psql) == []
    logged = rows(
        psql,
        "select p.entity_key::bigint, p.prediction, p.inputs[1], p.inputs[2], p.inputs[3], p.model, p.score, p.profile"
        f" from modelpack.prediction as p where version = 2 and {BATCHED} order by 1",
    )
    assert logged == rows(
        psql,
        "select customer_id, churn, complaints::float8, spend::float8, tenure::float8, 'churn', 'churn', 'public.customer'"
        " from customer order by 1",
    )
    assert value(psql, "select count(*) from modelpack.prediction where version = 2") == 200


@pytest.mark.prepared(setup=make_shop)
def test_a_row_that_cannot_be_scored_says_why_and_costs_only_itself(psql: Session) -> None:
    psql.execute("update customer set tenure = null where customer_id = 17")
    psql.execute("select modelpack.promote('churn', 2)")
    psql.execute("call modelpack.rescore('customer')")
    versions = held(psql)
    assert 17 not in versions
    assert set(versions.values()) == {2}
    assert len(versions) == 199
    assert row(psql, "select churn_version, churn_stale from customer where customer_id = 17") == (
        1,
        "input tenure is NULL, which the model does not take",
    )
    assert value(psql, f"select count(*) from modelpack.prediction where version = 2 and {BATCHED}") == 199


def test_a_number_beyond_float32_is_scored_as_infinity_on_no_path(database: str, psql: Session) -> None:
    """The model would give a finite score for an infinite input: nothing but the input says that it is wrong."""
    edge = 2.0**128 - 2.0**103  # halfway between the largest float32 and what would be the next
    fit = {1: 3.0, 2: math.nextafter(edge, 0), 3: -math.nextafter(edge, 0), 4: 1e-60}
    unfit = {5: edge, 6: -edge, 7: 1e39, 8: -1e308, 9: math.inf, 10: -math.inf}
    missing = {11: math.nan, 12: None}
    beyond, absent = (
        "input tenure is beyond what float32 holds",
        "input tenure is NULL, which the model does not take",
    )
    reasons = dict.fromkeys(fit) | dict.fromkeys(unfit, beyond) | dict.fromkeys(missing, absent)
    publish(psql, "churn", INPUTS, *OLD, missing=False)
    psql.execute(TABLES.replace("tenure integer", "tenure double precision"))
    psql.execute("delete from customer where customer_id > 12; delete from purchase where customer_id > 12")
    for key, tenure in (fit | unfit | missing).items():
        psql.execute("update customer set tenure = %s where customer_id = %s", [tenure, key])
    features = {"complaints": count(where="complaint"), "spend": total("amount")}
    profile = Profile(
        "customer", key="customer_id", events=[Event("purchase", features=features)], scores=[Score("churn")]
    )

    def look(batched: set[int]) -> None:
        assert dict(rows(psql, "select customer_id, churn_stale from customer")) == reasons
        for key, churn, *numbers in rows(
            psql, "select customer_id, churn, complaints, spend, tenure from customer"
        ):
            expected = linear_score(*OLD, list(map(float, numbers))) if key in fit else None
            assert churn == (expected if expected is None else pytest.approx(expected, abs=1e-6))
        logged = rows(
            psql, f"select entity_key::integer, {BATCHED}, inputs[3] from modelpack.prediction order by 1"
        )
        tenures = dict(rows(psql, "select customer_id, tenure from customer"))
        assert logged == [(key, key in batched, tenures[key]) for key in fit]
        psql.execute("truncate modelpack.prediction")

    attach(database, profile)
    look(set(fit))  # counted for the first time
    psql.execute("call modelpack.rescore('customer', everything => true)")
    look(set(fit))
    psql.execute("update customer set spend = -1")
    psql.execute("truncate modelpack.prediction")
    psql.execute("call modelpack.rebuild('customer')")
    look(set(fit))
    psql.execute("insert into purchase (customer_id, amount) select generate_series(1, 12), 5")
    look(set(fit))
    for key in reasons:
        psql.execute("insert into purchase (customer_id, amount) values (%s, 5)", [key])
    look(set())
    psql.execute("update customer set tenure = -tenure where customer_id <> 12")
    psql.execute("update customer set tenure = null, complaints = 0 where customer_id = 12")
    psql.execute("call modelpack.rebuild('customer', array['12'])")
    look(set())
    psql.execute("call modelpack.refresh('customer', older_than => interval '0')")
    look(set(fit))


def test_missing_numbers_reach_a_model_that_takes_them(database: str, psql: Session) -> None:
    shop(database, psql, Score("churn", model="churn"), missing=True)
    psql.execute("update customer set tenure = null where customer_id = 17")
    psql.execute("select modelpack.promote('churn', 2)")
    psql.execute("call modelpack.rescore('customer')")
    complaints, spend, churn = row(
        psql, "select complaints, spend, churn from customer where customer_id = 17"
    )
    assert churn == pytest.approx(linear_score(*NEW, [complaints, float(spend), 0.0]), abs=1e-6)
    assert value(psql, f"select count(*) from modelpack.prediction where version = 2 and {BATCHED}") == 200


def test_two_scores_of_a_profile_are_rescored_together(database: str, psql: Session) -> None:
    shop(database, psql, Score("churn", model="churn"), Score("fraud", model="churn"))
    psql.execute("select modelpack.promote('churn', 2)")
    psql.execute("call modelpack.rescore('customer')")
    assert held(psql) == held(psql, "fraud") == dict.fromkeys(range(1, 201), 2)
    assert rows(
        psql,
        f"select score, count(*) from modelpack.prediction where version = 2 and {BATCHED} group by 1 order by 1",
    ) == [("churn", 200), ("fraud", 200)]


def test_ages_are_those_of_the_moment_of_rescoring(database: str, psql: Session) -> None:
    psql.execute(TABLES)
    events = [Event("purchase", at="at", features={"complaints": count(), "seen": last("at")})]
    scores = [Score("churn", model="recent", inputs={"days": age("seen")})]
    attach(database, Profile("customer", key="customer_id", events=events, scores=scores))
    publish(psql, "recent", ["days"], (1.0,), 0.0)
    psql.execute("select modelpack.promote('recent', 1)")
    psql.execute("call modelpack.rescore('customer')")
    assert rows(
        psql,
        "select count(*) from customer as c join modelpack.prediction as p on p.entity_key = c.customer_id::text"
        f" where abs(p.inputs[1] - date_part('epoch', c.churn_scored_at - c.seen) / 86400) < 1e-9 and {BATCHED}",
    ) == [(200,)]


@pytest.mark.prepared(setup=make_shop)
def test_a_disabled_model_marks_the_rows_and_logs_nothing(psql: Session) -> None:
    psql.execute("select modelpack.promote('churn', 2)")
    psql.execute("select modelpack.disable('churn', 'a fault')")
    psql.execute("call modelpack.rescore('customer')")
    assert rows(psql, "select distinct churn_stale, churn_version from customer") == [
        ("disabled: a fault", 1)
    ]
    assert value(psql, "select count(*) from modelpack.prediction where version = 2") == 0


def test_a_score_that_is_switched_off_refuses_no_event_however_it_is_declared(
    database: str, psql: Session
) -> None:
    shop(database, psql, Score("churn", model="churn", on_error="raise"))
    psql.execute("select modelpack.disable('churn', 'a fault')")
    psql.execute("update customer set tenure = null where customer_id = 8")  # what the model does not take
    psql.execute("insert into purchase (customer_id, amount, complaint) values (7, 1, true), (8, 1, true)")
    assert rows(psql, "select distinct churn_stale from customer where customer_id in (7, 8)") == [
        ("disabled: a fault",)
    ]
    assert wrong(psql) == []


@pytest.mark.prepared(setup=make_shop)
def test_events_after_a_rescore_count_and_score_as_before(psql: Session) -> None:
    psql.execute("select modelpack.promote('churn', 2)")
    psql.execute("call modelpack.rescore('customer')")
    before = value(psql, "select complaints from customer where customer_id = 5")
    psql.execute("insert into purchase (customer_id, amount, complaint) values (5, 3, true)")
    assert value(psql, "select complaints from customer where customer_id = 5") == before + 1
    assert held(psql)[5] == 2
    assert wrong(psql) == []


@pytest.mark.prepared(setup=make_shop)
def test_scores_of_many_rows_are_bit_for_bit_those_of_one(psql: Session) -> None:
    """Also where rows do not lie in the order of their keys, and some have no score in between."""
    psql.execute(
        "insert into customer select 1000 - g, case when g % 5 > 0 then g * 1000003 end from generate_series(1, 300) as g"
    )
    psql.execute("select modelpack.promote('churn', 2)")
    psql.execute("call modelpack.rescore('customer')")
    differing = (
        "select count(*), count(*) filter (where churn <> modelpack.predict('churn', jsonb_build_object("
        "'complaints', complaints, 'spend', spend, 'tenure', tenure), 2)) from customer where churn_stale is null"
    )
    assert row(psql, differing) == (440, 0)
    assert value(psql, f"select count(*) from modelpack.prediction where version = 2 and {BATCHED}") == 440
    stale = "select count(*) from customer where tenure is null and churn_stale like 'input tenure is NULL%' and churn is null"
    assert value(psql, stale) == 60


@pytest.mark.prepared(setup=make_shop)
def test_rows_are_locked_in_key_order_and_scored_as_they_are_under_the_lock(
    database: str, psql: Session
) -> None:
    psql.execute("insert into customer select 1000 - g, g % 7 from generate_series(1, 300) as g")
    psql.execute("select modelpack.promote('churn', 2)")
    with (
        ThreadPoolExecutor(1) as beside,
        psycopg.connect(database, autocommit=True) as rescoring,
        psycopg.connect(database) as holder,
    ):
        holder.execute("update customer set tenure = 77 where customer_id = 850")
        holder.execute("delete from customer where customer_id = 900")
        called = beside.submit(rescoring.execute, "call modelpack.rescore('customer', everything => true)")
        limit = time.monotonic() + DEADLINE
        waits = "select %s = any (pg_blocking_pids(%s))"
        while not value(psql, waits, holder.info.backend_pid, rescoring.info.backend_pid):
            assert not called.done()
            assert time.monotonic() < limit
        free = rows(psql, "select customer_id from customer for update skip locked")
        assert {key for (key,) in free} == set(range(851, 1000)) - {900}
        moment = value(psql, "select clock_timestamp()")
        holder.commit()
        called.result(DEADLINE)
    assert held(psql) == {key: 2 for key in (*range(1, 201), *range(700, 1000)) if key != 900}
    assert row(psql, "select tenure, churn_scored_at > %s from customer where customer_id = 850", moment) == (
        77,
        True,
    )
    last_logged = (
        "select distinct on (entity_key) entity_key::bigint, prediction, inputs[3], scored_at from modelpack.prediction"
        " where version = 2 order by entity_key, prediction_id desc"
    )
    assert rows(
        psql,
        f"select count(*) from ({last_logged}) as l (customer_id, churn, tenure, churn_scored_at)"
        " join customer using (customer_id, churn, tenure, churn_scored_at)",
    ) == [(499,)]
    assert wrong(psql) == []


@pytest.mark.prepared(setup=make_shop)
@pytest.mark.parametrize("task", ["rescore", "refresh"])
def test_a_chunk_reads_its_own_blocks_alone_also_by_a_generic_plan(psql: Session, task: str) -> None:
    psql.execute("insert into customer select g, 1 from generate_series(201, 3000) as g")
    psql.execute("set plan_cache_mode = force_generic_plan")
    block = value(psql, "select (ctid::text::point)[0]::bigint from customer where customer_id = 1500")
    within = value(psql, "select count(*) from customer where (ctid::text::point)[0] = %s", block)
    read = "select seq_tup_read from pg_stat_xact_user_tables where relid = 'customer'::regclass"
    with psql.transaction():
        before = value(psql, read)
        psql.execute(
            "select modelpack.chunk(%s, 'customer', %s, %s, older_than => clock_timestamp())",
            [task, block, block],
        )
        assert within <= value(psql, read) - before <= 4 * within < 1000


def test_a_first_fill_scores_all_rows_in_one_call_and_logs_each_once(database: str, psql: Session) -> None:
    for weights, bias in (OLD, NEW):
        publish(psql, "churn", INPUTS, weights, bias)
    psql.execute("select modelpack.promote('churn', 2)")
    psql.execute(TABLES)
    # pages of several chunks are full, so that rows move when they are written, some to blocks that are still to come
    psql.execute("alter table customer add filler text default repeat('x', 1900)")
    psql.execute("insert into customer select g, g % 7 from generate_series(201, 9000) as g")
    psql.execute("delete from customer where customer_id between 7000 and 7300")
    psql.execute("vacuum customer")
    features = {"complaints": count(where="complaint"), "spend": total("amount")}
    events = [Event("purchase", features=features)]
    attach(
        database,
        Profile("customer", key="customer_id", events=events, scores=[Score("churn", model="churn")]),
    )
    assert wrong(psql) == []
    customers = value(psql, "select count(*) from customer")
    assert held(psql) == {key: 2 for (key,) in psql.execute("select customer_id from customer").fetchall()}
    logged = f"select p.entity_key::bigint, p.prediction, p.inputs from modelpack.prediction as p where {BATCHED} order by 1"
    assert rows(psql, logged) == rows(
        psql,
        "select customer_id, churn, array[complaints, spend, tenure]::float8[] from customer order by customer_id",
    )
    assert value(psql, "select count(*) from modelpack.prediction") == customers == 8699
    assert (
        value(psql, "select count(*) from customer where churn_scored_at is distinct from features_at") == 0
    )


@pytest.mark.prepared(setup=make_shop)
def test_a_rebuild_scores_only_what_differs_and_leaves_to_one_row_what_a_model_refuses(psql: Session) -> None:
    psql.execute("update customer set tenure = null where customer_id = 17")
    psql.execute("truncate modelpack.prediction")
    psql.execute("update customer set spend = -1 where customer_id in (17, 18, 19)")
    psql.execute("truncate modelpack.prediction")
    psql.execute("call modelpack.rebuild('customer')")
    assert wrong(psql) == []
    versions = held(psql)
    assert set(range(1, 201)) - set(versions) == {17}
    assert value(psql, "select churn_stale from customer where customer_id = 17") == (
        "input tenure is NULL, which the model does not take"
    )
    assert rows(psql, f"select entity_key from modelpack.prediction where {BATCHED} order by 1") == [
        ("18",),
        ("19",),
    ]
    assert value(psql, "select count(*) from modelpack.prediction") == 2


def test_a_rebuild_keeps_what_outlives_its_events_and_scores_with_it(database: str, psql: Session) -> None:
    psql.execute(TABLES)
    psql.execute("create table visit (customer_id bigint, pages integer)")
    psql.execute("insert into visit select 1 + g % 200, g % 5 from generate_series(1, 400) as g")
    events = [
        Event(
            "purchase",
            features={"complaints": count(where="complaint"), "spend": total("amount")},
            on_delete="keep",
        ),
        Event("visit", features={"pages": total("pages")}),
    ]
    for weights, bias in (OLD, NEW):
        publish(psql, "churn", [*INPUTS, "pages"], (*weights, 0.3), bias)
    psql.execute("select modelpack.promote('churn', 1)")
    attach(
        database,
        Profile("customer", key="customer_id", events=events, scores=[Score("churn", model="churn")]),
    )
    kept = rows(psql, "select customer_id, complaints, spend from customer order by 1")
    psql.execute("delete from purchase")
    psql.execute("update customer set pages = pages + 1")
    psql.execute("call modelpack.rebuild('customer')")
    assert rows(psql, "select customer_id, complaints, spend from customer order by 1") == kept
    assert {spend for _, _, spend in kept} != {0}
    for pages, churn, *numbers in rows(psql, "select pages, churn, complaints, spend, tenure from customer"):
        expected = linear_score((*OLD[0], 0.3), OLD[1], [*map(float, numbers), float(pages)])
        assert churn == pytest.approx(expected, abs=1e-6)
    assert value(psql, "select sum(pages) from customer") == value(psql, "select sum(pages) from visit")


def test_a_first_fill_scores_features_as_the_columns_store_them(database: str, psql: Session) -> None:
    psql.execute("create table customer (customer_id bigint primary key)")
    psql.execute(
        "create table reading (customer_id bigint, at timestamptz, r real, d double precision, s smallint, n numeric(8, 1))"
    )
    psql.execute(
        "insert into reading select 1 + g % 50, now() - g * interval '1 minute', g / 7.0, g / 7.0, g, g / 7.0 "
        "from generate_series(1, 300) as g"
    )
    kinds = {"t": total, "m": mean, "lo": minimum, "hi": maximum, "x": last}
    features = {f"{kind}_{name}": make(name) for kind, make in kinds.items() for name in "rdsn"}
    names = list(features)
    publish(psql, "churn", names, [1e-3] * len(names), -1.0)
    psql.execute("select modelpack.promote('churn', 1)")
    attach(
        database,
        Profile(
            "customer",
            key="customer_id",
            events=[Event("reading", at="at", features=features)],
            scores=[Score("churn", model="churn")],
        ),
    )
    found = rows(
        psql,
        f"select p.inputs, array[{', '.join(names)}]::float8[] from customer as c "
        f"join modelpack.prediction as p on p.entity_key = c.customer_id::text where {BATCHED}",
    )
    assert len(found) == 50
    assert [logged for logged, _ in found] == [stored for _, stored in found]
