"""Cohorts and outcomes: what is written down, when it is settled, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from modelpack import Event, Profile, Score, count
from modelpack.connection import make_engine
from modelpack.outcomes import Outcome
from modelpack.training import training_set
from tests.support import Session, attach, linear_score, publish, row, rows, value, wait_for

GONE = (
    "not exists (select from purchase as e where e.customer_id = p.customer_id "
    "and e.purchased_at > t.at and e.purchased_at <= t.until)"
)
TABLES = """
create table customer (customer_id bigint primary key, plan text not null default 'basic');
create table purchase (customer_id bigint not null, purchased_at timestamptz not null, amount numeric not null default 1);
create index on purchase (customer_id, purchased_at);
insert into customer select g, case when g % 2 = 0 then 'plus' else 'basic' end from generate_series(1, 20) as g;
insert into purchase select g, now() - interval '100 days' from generate_series(1, 20) as g;
"""
OUTCOME = Outcome(GONE, horizon="30 days", grace="1 day", segments=["plan"])


def profile(outcome: Outcome | None = OUTCOME) -> Profile:
    return Profile(
        "customer",
        key="customer_id",
        events=[Event("purchase", at="purchased_at", features={"purchases": count()})],
        scores=[Score("churn", model="churn", outcome=outcome)],
    )


def make_shop(dsn: str) -> None:
    """Twenty customers with a score of sixty days ago; ten bought twenty days later."""
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(TABLES)
        publish(session, "churn", ["purchases"], [0.1])
        attach(dsn, profile())
        age_scores(session, "60 days")
        session.execute(
            "insert into purchase select g, now() - interval '40 days' from generate_series(1, 10) as g"
        )


BEGINS = {"shop": make_shop}


@pytest.fixture
def shop(psql: Session) -> Session:
    return psql


def age_scores(session: Session, by: str) -> None:
    """As if the scores, and what the log says of them, were of some time ago."""
    session.execute("set session_replication_role = replica")
    session.execute(f"update customer set churn_scored_at = now() - interval '{by}'")
    session.execute(
        "update modelpack.prediction as l set scored_at = c.churn_scored_at from customer as c"
        " where l.entity_key = c.customer_id::text"
    )
    session.execute("set session_replication_role = origin")


def take(session: Session, ago: str = "50 days") -> Any:
    at = value(session, f"select date_trunc('second', now()) - interval '{ago}'")
    session.execute("call modelpack.take_cohort('customer', 'churn', %s)", [at])
    return at


def outcomes(session: Session) -> list[tuple[Any, ...]]:
    return rows(
        session,
        "select how, value, count(*) from modelpack.outcome group by 1, 2 order by 1, 2",
    )


def test_a_cohort_has_the_scores_that_stood_at_the_cut_off_and_none_that_came_later(shop: Session) -> None:
    at = take(shop)
    # half of the customers were scored again by their purchase: what stood before is in the log
    assert rows(
        shop,
        "select from_log, count(*), count(*) filter (where scored_at <= cut_off) from modelpack.cohort group by 1 order by 1",
    ) == [(False, 10, 10), (True, 10, 10)]
    stood = {
        (key, score)
        for key, score in rows(
            shop, "select entity_key, prediction from modelpack.prediction where scored_at <= %s", at
        )
    }
    assert set(rows(shop, "select entity_key, prediction from modelpack.cohort")) == stood
    assert row(shop, "select complete, rows, missed, share from modelpack.cut_off") == (True, 20, 0, 10_000)
    assert rows(shop, "select distinct segments ->> 'plan' from modelpack.cohort order by 1") == [
        ("basic",),
        ("plus",),
    ]
    # without the log nobody knows what stood
    shop.execute("delete from modelpack.prediction")
    take(shop, "45 days")
    assert rows(shop, "select rows, missed from modelpack.cut_off order by cut_off") == [(20, 0), (10, 10)]


def test_a_cut_off_before_every_score_takes_nobody(shop: Session) -> None:
    take(shop, "70 days")
    assert row(shop, "select rows, missed from modelpack.cut_off") == (0, 20)


def test_the_last_cut_off_that_was_due_is_taken_once(shop: Session) -> None:
    shop.execute("call modelpack.take_cohort('customer')")
    cut_off = value(shop, "select cut_off from modelpack.cut_off")
    assert value(shop, "select to_char(%s at time zone 'UTC', 'Dy HH24:MI:SS')", cut_off) == "Mon 00:00:00"
    assert value(shop, "select %s > now() - interval '7 days'", cut_off) is True
    jobs = value(shop, "select count(*) from modelpack.job")
    shop.execute("call modelpack.take_cohort('customer')")
    assert value(shop, "select count(*) from modelpack.job") == jobs
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="lies in the future"):
        shop.execute("call modelpack.take_cohort('customer', 'churn', now() + interval '1 day')")


def test_a_sample_is_the_same_in_every_cohort(database: str, shop: Session) -> None:
    attach(database, profile(replace(OUTCOME, share=0.5)))
    take(shop, "50 days")
    take(shop, "45 days")
    found = rows(
        shop, "select array_agg(entity_key order by entity_key) from modelpack.cohort group by cut_off"
    )
    assert len(found) == 2
    assert found[0] == found[1]
    assert 0 < len(found[0][0]) < 20


def test_a_cohort_reads_each_block_of_the_profile_twice_and_no_event(shop: Session) -> None:
    """In chunks, and once more in one snapshot at the end, since a row may have moved to where the job was already."""
    with shop.transaction():
        shop.execute("set local session_replication_role = replica")
        shop.execute(
            "insert into customer (customer_id, plan, purchases, churn, churn_version, churn_scored_at)"
            " select 100 + g, 'basic', 1, 0.5, 1, now() - interval '60 days' from generate_series(1, 5000) as g"
        )
    shop.execute("vacuum analyze customer")
    blocks = value(shop, "select pg_relation_size('customer') / current_setting('block_size')::integer")
    assert blocks > 50
    read = "select pg_stat_get_xact_blocks_fetched(%s::regclass)"
    with shop.transaction():
        cut_off = value(
            shop,
            "select cut_off from modelpack.open_cohort('customer', 'churn', date_trunc('second', now()) - interval '50 days')",
        )
        job = value(shop, "select modelpack.begin_job('cohort', 'customer', 'churn')")
        before = [value(shop, read, table) for table in ("customer", "purchase")]
        for first, last in [
            *rows(shop, "select first_block, last_block from modelpack.chunks('customer', 10)"),
            (None, None),
        ]:
            shop.execute(
                "select modelpack.add_to_cohort(%s, 'customer', 'churn', %s, %s, %s)",
                [job, cut_off, first, last],
            )
        after = [value(shop, read, table) for table in ("customer", "purchase")]
    assert value(shop, "select count(*) from modelpack.cohort") == 5020
    assert 2 * blocks <= after[0] - before[0] <= 2.2 * blocks
    assert after[1] == before[1]


def test_outcomes_are_settled_once_horizon_and_grace_have_passed(shop: Session) -> None:
    take(shop)
    shop.execute("call modelpack.settle('customer')")
    assert outcomes(shop) == [("horizon", 0.0, 10), ("horizon", 1.0, 10)]
    assert value(
        shop,
        "select bool_and(value = case when entity_key::integer <= 10 then 0 else 1 end) from modelpack.outcome",
    )
    # what is settled does not change, whatever becomes of the events
    shop.execute("delete from purchase")
    shop.execute("call modelpack.settle('customer')")
    assert outcomes(shop) == [("horizon", 0.0, 10), ("horizon", 1.0, 10)]


def test_before_the_horizon_only_what_an_event_has_settled_is_known(shop: Session) -> None:
    take(shop, "20 days")
    shop.execute(
        "insert into purchase values (3, now() - interval '2 days'), (4, now() - interval '21 days')"
    )
    shop.execute("call modelpack.settle('customer')")
    assert outcomes(shop) == [("event", 0.0, 1)]
    assert row(shop, "select rows, settled, pending, pending_share, final from modelpack.fit") == (
        20,
        1,
        19,
        0.95,
        False,
    )


def test_a_row_that_is_gone_is_lost_and_neither_one_nor_zero(shop: Session) -> None:
    take(shop)
    shop.execute("delete from customer where customer_id = 20")
    shop.execute("call modelpack.settle('customer')")
    assert outcomes(shop) == [("horizon", 0.0, 10), ("horizon", 1.0, 9), ("lost", None, 1)]
    assert row(shop, "select rows, settled, pending, lost, final from modelpack.fit") == (20, 19, 0, 1, True)


def test_settling_goes_on_where_it_was_interrupted_and_says_how_far_it_is(shop: Session) -> None:
    at = take(shop)
    job = value(shop, "select modelpack.begin_job('settle', 'customer', 'churn')")
    first = row(shop, "select * from modelpack.settle_some(%s, 'customer', 'churn', %s, null, 7)", job, at)
    assert first[1] == 7
    assert row(shop, "select rows, looked_at, ended_at from modelpack.job where job_id = %s", job) == (
        7,
        7,
        None,
    )
    shop.execute("call modelpack.settle('customer', batch => 4)")
    assert row(
        shop, "select rows, looked_at, ended_at is not null from modelpack.job order by job_id desc limit 1"
    ) == (13, 13, True)
    assert outcomes(shop) == [("horizon", 0.0, 10), ("horizon", 1.0, 10)]


def test_truth_from_outside_settles_the_scores_in_whose_horizon_it_happened(shop: Session) -> None:
    early, late = take(shop, "50 days"), take(shop, "45 days")
    tell = "select modelpack.record_outcome('customer', 'churn', '1', %s, now() - %s::interval)"
    assert value(shop, tell, 1, "42 days") == 2
    assert value(shop, tell, 1, "42 days") == 0
    assert rows(shop, "select cut_off, value, how from modelpack.outcome order by cut_off") == [
        (early, 1.0, "recorded"),
        (late, 1.0, "recorded"),
    ]
    for outcome, ago, message in [
        (0, "42 days", "is settled already, as 1"),
        (1, "55 days", "before the first score that it could judge"),
        (1, "0 days", "beyond the horizon"),
        (0.5, "42 days", "expected 0 or 1"),
    ]:
        with pytest.raises(psycopg.Error, match=message):
            shop.execute(tell, [outcome, ago])
    with pytest.raises(
        psycopg.errors.ForeignKeyViolation, match="no score of churn was written down for this entity"
    ):
        shop.execute(
            "select modelpack.record_outcome('customer', 'churn', '999', 1, now() - interval '42 days')"
        )
    # what is known is not asked again
    shop.execute("call modelpack.settle('customer')")
    assert value(shop, "select count(*) from modelpack.outcome where how = 'recorded'") == 2


def test_truth_that_two_senders_bring_at_once_is_recorded_once(shop: Session) -> None:
    take(shop)
    tell = "select modelpack.record_outcome('customer', 'churn', '1', %s, now() - interval '42 days')"
    for second, error in [(1, None), (0, "is settled already, as 1")]:
        shop.execute("delete from modelpack.outcome")
        with (
            psycopg.connect(shop.info.dsn) as a,
            psycopg.connect(shop.info.dsn) as b,
            ThreadPoolExecutor(1) as thread,
        ):
            a.execute(tell, [1])
            waiting = thread.submit(lambda b=b, second=second: value(b, tell, second))
            wait_for(shop, "select %s = any (pg_blocking_pids(%s))", a.info.backend_pid, b.info.backend_pid)
            a.commit()
            if error is None:
                assert waiting.result(20) == 0
            else:
                with pytest.raises(psycopg.errors.UniqueViolation, match=error):
                    waiting.result(20)
    assert outcomes(shop) == [("recorded", 1.0, 1)]


def test_what_settles_early_follows_from_the_expression_that_settles(database: str, shop: Session) -> None:
    attach(database, profile(replace(OUTCOME, sql=GONE.removeprefix("not "))))
    take(shop, "20 days")
    attach(database, profile())
    shop.execute("insert into purchase values (3, now() - interval '2 days')")
    shop.execute("call modelpack.settle('customer')")
    # that nobody has bought yet says nothing
    assert outcomes(shop) == [("event", 0.0, 1)]


def test_cut_offs_of_another_kind_stay_pending_and_keep_none_from_being_settled(
    database: str, shop: Session
) -> None:
    before = take(shop)
    spend = f"(select 7 * count(*) {GONE[GONE.index('from') : -1]})"
    attach(database, profile(Outcome(spend, horizon="30 days", kind="number")))
    after = take(shop, "45 days")
    shop.execute("call modelpack.settle('customer')")
    assert rows(
        shop, "select cut_off, status, count(*) from modelpack.judgement group by 1, 2 order by 1"
    ) == [(before, "pending", 20), (after, "settled", 20)]


def test_a_row_that_moves_while_a_cohort_is_taken_is_in_it(shop: Session) -> None:
    """As if all rows had moved to blocks that were looked at before they came."""
    at = value(shop, "select date_trunc('second', now()) - interval '50 days'")
    shop.execute("select modelpack.open_cohort('customer', 'churn', %s)", [at])
    job = value(shop, "select modelpack.begin_job('cohort', 'customer', 'churn')")
    add = "select modelpack.add_to_cohort(%s, 'customer', 'churn', %s, %s, %s)"
    assert value(shop, add, job, at, 100, None) == 0
    assert value(shop, "select complete from modelpack.cut_off") is False
    assert value(shop, add, job, at, None, None) == 20
    assert row(shop, "select complete, rows, missed from modelpack.cut_off") == (True, 20, 0)


def test_jobs_say_how_much_there_is(shop: Session) -> None:
    shop.execute("analyze customer")
    take(shop)
    shop.execute("call modelpack.settle('customer', batch => 7)")
    assert rows(shop, "select task, total, looked_at from modelpack.job order by job_id") == [
        ("cohort", 20, 20),
        ("settle", 20, 20),
    ]


def test_truth_from_outside_is_a_plain_insert_too(shop: Session) -> None:
    at = take(shop)
    insert = "insert into modelpack.outcome (profile, score, cut_off, entity_key, value, at) values ('public.customer', 'churn', %s, %s, %s, %s)"
    when = value(shop, "select now() - interval '42 days'")
    for _ in range(2):
        shop.execute(insert, [at, "1", 1, when])
    assert outcomes(shop) == [("recorded", 1.0, 1)]
    for key, outcome, time, message in [
        ("1", 0, when, "is settled already"),
        ("2", 2, when, "expected 0 or 1"),
        ("2", 1, at, "before the score that it judges"),
        ("77", 1, when, "no score of churn stood for this entity"),
    ]:
        with pytest.raises(psycopg.Error, match=message):
            shop.execute(insert, [at, key, outcome, time])


def test_the_view_and_the_training_set_have_the_same_truth(database: str, shop: Session) -> None:
    at = take(shop)
    shop.execute("call modelpack.settle('customer')")
    engine = make_engine(database)
    with engine.begin() as connection:
        frame = training_set(connection, profile(), at=[at, value(shop, "select now() - interval '3 days'")])
    engine.dispose()
    settled = dict(rows(shop, "select entity_key::bigint, value from modelpack.outcome"))
    ripe = frame[frame["at"] == at]
    assert dict(zip(ripe["customer_id"], ripe["label"], strict=True)) == settled
    # a moment whose horizon has not passed has no truth yet
    assert frame[frame["at"] != at]["label"].isna().all()


def test_figures_of_the_view_are_those_of_the_rows(shop: Session) -> None:
    take(shop)
    shop.execute("set session_replication_role = replica")
    shop.execute("update modelpack.cohort set prediction = (entity_key::integer % 7) / 7.0")
    shop.execute("set session_replication_role = origin")
    shop.execute("call modelpack.settle('customer')")
    from sklearn.metrics import brier_score_loss, roc_auc_score

    found = rows(shop, "select outcome, prediction from modelpack.fit_rows('customer', 'churn')")
    y, x = zip(*found, strict=True)
    assert row(shop, "select auc, brier, mean_outcome, final from modelpack.fit") == (
        pytest.approx(roc_auc_score(y, x)),
        pytest.approx(brier_score_loss(y, x)),
        0.5,
        True,
    )
    for plan in ("basic", "plus"):
        y, x = zip(
            *rows(
                shop,
                "select outcome, prediction from modelpack.judgement where segments ->> 'plan' = %s",
                plan,
            ),
            strict=True,
        )
        assert row(
            shop,
            "select rows, auc, brier, mean_outcome, final from modelpack.fit_by_segment where segment = 'plan' and value = %s",
            plan,
        ) == (10, pytest.approx(roc_auc_score(y, x)), pytest.approx(brier_score_loss(y, x)), 0.5, True)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("exists (select from nowhere where at > t.at and at < t.until)", "cannot be read"),
        ("p.purchases > 3 and t.until > t.at", "its columns that no event maintains"),
        ("(t.at + interval '1 day')::text", "expected a boolean or a number"),
    ],
)
def test_an_outcome_that_cannot_be_read_is_refused_when_it_is_declared(
    database: str, psql: Session, sql: str, message: str
) -> None:
    psql.execute(TABLES)
    with pytest.raises(DBAPIError, match=message):
        attach(database, profile(Outcome(sql, horizon="30 days")))


def test_the_outcome_runs_as_the_owner_of_the_profile_and_goes_with_the_declaration(
    database: str, shop: Session
) -> None:
    made = (
        "select proname, proowner::regrole::text, prosecdef from pg_proc where pronamespace = 'modelpack'::regnamespace "
        "and proname ~ '_(standing|truth)$' order by 1"
    )
    assert [name for name, owner, definer in rows(shop, made) if owner == "modelpack_owner" and definer] == [
        "customer_score_churn_standing",
        "customer_score_churn_truth",
    ]
    attach(database, profile(None))
    assert rows(shop, made) == []
    with pytest.raises(psycopg.errors.UndefinedObject, match="has no outcome"):
        shop.execute("call modelpack.take_cohort('customer', 'churn')")


def test_changing_an_outcome_scores_no_row_again(database: str, shop: Session) -> None:
    before = rows(shop, "select customer_id, churn, churn_scored_at from customer order by 1")
    attach(database, profile(replace(OUTCOME, horizon="20 days")))
    assert rows(shop, "select customer_id, churn, churn_scored_at from customer order by 1") == before


def test_a_key_of_several_columns_is_judged_too(database: str, psql: Session) -> None:
    psql.execute(
        "create table account (shop text, number integer, primary key (shop, number));"
        "create table visit (shop text, number integer, at timestamptz);"
        "create index on visit (shop, number, at);"
        "insert into account values ('a \"b\"', 1), ('c', 2);"
    )
    publish(psql, "returns", ["visits"], [0.1])
    attach(
        database,
        Profile(
            "account",
            key=["shop", "number"],
            events=[Event("visit", at="at", features={"visits": count()})],
            scores=[
                Score(
                    "returns",
                    outcome=Outcome(
                        "exists (select from visit as e where (e.shop, e.number) = (p.shop, p.number) "
                        "and e.at > t.at and e.at <= t.until)",
                        horizon="1 day",
                    ),
                )
            ],
        ),
    )
    psql.execute("set session_replication_role = replica")
    psql.execute("update account set returns_scored_at = now() - interval '9 days'")
    psql.execute("set session_replication_role = origin")
    psql.execute("call modelpack.take_cohort('account', 'returns', now() - interval '2 days')")
    psql.execute(
        "set session_replication_role = replica; insert into visit values ('a \"b\"', 1, now() - interval '36 hours')"
    )
    psql.execute("call modelpack.settle('account')")
    assert rows(psql, "select entity_key, value from modelpack.outcome order by 1") == [
        ('["a \\"b\\"", 1]', 1.0),
        ('["c", 2]', 0.0),
    ]


def test_numbers_have_a_range(database: str, psql: Session) -> None:
    psql.execute(TABLES)
    publish(psql, "churn", ["purchases"], [0.1])
    spend = (
        "(select coalesce(sum(e.amount), 0) from purchase as e where e.customer_id = p.customer_id "
        "and e.purchased_at > t.at and e.purchased_at <= t.until)"
    )
    attach(database, profile(Outcome(spend, horizon="30 days", kind="number", low=0, high=5)))
    age_scores(psql, "60 days")
    take(psql)
    psql.execute(
        "insert into purchase select g, now() - interval '40 days', 3 from generate_series(1, 5) as g"
    )
    psql.execute("call modelpack.settle('customer')")
    assert rows(psql, "select value, count(*) from modelpack.outcome group by 1 order by 1") == [
        (0.0, 15),
        (3.0, 5),
    ]
    assert value(psql, "select mae is not null and rmse is not null and auc is null from modelpack.fit")
    take(psql, "45 days")
    psql.execute("insert into purchase values (7, now() - interval '39 days', 9)")
    with pytest.raises(psycopg.errors.CheckViolation, match="a number from 0 to 5"):
        psql.execute("call modelpack.settle('customer')")


def test_who_may_see_and_say_what(shop: Session, people: Any) -> None:
    take(shop)
    monitor, publisher = people("modelpack_monitor"), people("modelpack_publisher")
    assert value(monitor, "select count(*) from modelpack.judgement") == 20
    publisher.execute("call modelpack.settle('customer')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        monitor.execute("call modelpack.take_cohort('customer')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        monitor.execute("select modelpack.record_outcome('customer', 'churn', '1', 1)")
    # figures and rows without keys
    assert value(publisher, "select settled from modelpack.fit") == 20
    assert value(publisher, "select count(*) from modelpack.fit_rows('customer', 'churn')") == 20
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        publisher.execute("select from modelpack.judgement")
    with pytest.raises(
        psycopg.errors.InsufficientPrivilege, match="may not record outcomes of the model churn"
    ):
        publisher.execute(
            "select modelpack.record_outcome('customer', 'churn', '1', 1, now() - interval '42 days')"
        )
    insert = (
        "insert into modelpack.outcome (profile, score, cut_off, entity_key, value, at)"
        " select profile, score, cut_off, '1', 1, cut_off + interval '1 day' from modelpack.cut_off"
    )
    shop.execute("delete from modelpack.outcome where entity_key = '1'")
    with pytest.raises(
        psycopg.errors.InsufficientPrivilege, match="may not record outcomes of the model churn"
    ):
        publisher.execute(insert)
    shop.execute("select modelpack.grant_model('churn', %s)", [publisher.info.user])
    publisher.execute(insert)
    assert (
        value(shop, "select settled_by from modelpack.outcome where entity_key = '1'") == publisher.info.user
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        publisher.execute(
            "insert into modelpack.outcome (profile, score, cut_off, entity_key, value, at, how) select 'a', 'b', now(), 'c', 1, now(), 'horizon'"
        )


def test_a_version_that_never_scored_is_given_the_same_inputs(shop: Session) -> None:
    """The rival orders the other way round: what it is given is what the log holds."""
    publish(shop, "churn", ["purchases"], [-0.5], promote=False)
    take(shop)
    shop.execute("call modelpack.settle('customer')")
    found = rows(
        shop,
        "select version, prediction, rival_prediction, outcome from modelpack.rival_rows('customer', 'churn', 2)",
    )
    assert len(found) == 20
    # each customer had bought once when the score was given
    assert {(v, round(a, 5), round(b, 5)) for v, a, b, _ in found} == {
        (1, round(linear_score([0.1], 0, [1]), 5), round(linear_score([-0.5], 0, [1]), 5))
    }
    assert sorted(o for *_, o in found) == [0.0] * 10 + [1.0] * 10
    shop.execute("delete from modelpack.prediction")
    assert rows(shop, "select * from modelpack.rival_rows('customer', 'churn', 2)") == []


def fitted(database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "modelpack", "fit", *arguments, "--dsn", database],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_says_how_scores_fitted_and_how_much_is_pending(database: str, shop: Session) -> None:
    empty = fitted(database, "churn")
    assert empty.returncode == 2
    assert "call modelpack.take_cohort(" in empty.stderr
    publish(shop, "churn", ["purchases"], [-0.5], promote=False)
    take(shop)
    take(shop, "20 days")
    shop.execute("call modelpack.settle('customer')")
    done = fitted(database, "churn", "--against", "2", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    everything, *_ = answer["fits"]
    assert (everything["settled"], everything["figures"]["AUC"]["value"]) == (20, 0.5)
    assert [f["pending_share"] for f in answer["fits"]] == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert answer["fits"][-1]["expected"]["calibrated"] is True
    words = answer["comparisons"][0]["words"]
    assert "version 1 and version 2 cannot be told apart: AUC" in words
    assert "published after" in answer["comparisons"][0]["remark"]
    plain = fitted(database, "churn").stdout
    assert "Estimate, not settled" in plain
    assert "plan=basic" in plain
    unknown = fitted(database, "nothing")
    assert "scores with one: churn of public.customer" in " ".join(unknown.stderr.split())


def test_columns_may_be_called_like_what_settles(database: str, psql: Session) -> None:
    psql.execute(
        """
        create table account (keys text primary key, share numeric default 0.5, first_block integer default 7, last_block text[] default '{x}',
                              "at" date default '1999-01-01', until date default '1999-02-01', entity_key text default 'none', value integer default 3);
        create table visit (keys text, happened timestamptz);
        insert into account (keys) select 'k''' || g from generate_series(1, 40) as g;
        """
    )
    publish(psql, "returns", ["visits"], [0.1])
    outcome = Outcome(
        "exists (select from visit as e where e.keys = p.keys and e.happened > t.at and e.happened <= t.until)",
        horizon="1 day",
        segments=["share"],
    )
    attach(
        database,
        Profile(
            "account",
            key="keys",
            events=[Event("visit", at="happened", features={"visits": count()})],
            scores=[Score("returns", outcome=outcome)],
        ),
    )
    psql.execute("set session_replication_role = replica")
    psql.execute("update account set returns_scored_at = now() - interval '9 days'")
    psql.execute("insert into visit values ('k''1', now() - interval '36 hours')")
    psql.execute("set session_replication_role = origin")
    psql.execute("call modelpack.take_cohort('account', 'returns', now() - interval '2 days')")
    psql.execute("call modelpack.settle('account')")
    assert rows(
        psql, "select value, count(*), min(entity_key) from modelpack.outcome group by 1 order by 1"
    ) == [
        (0.0, 39, "k'10"),
        (1.0, 1, "k'1"),
    ]


def test_a_moment_that_is_none_is_refused_in_a_sentence(shop: Session) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="the cut-off -infinity is no moment"):
        shop.execute("call modelpack.take_cohort('customer', 'churn', '-infinity')")
    take(shop)
    with pytest.raises(psycopg.errors.NotNullViolation, match="and the time at which it happened"):
        shop.execute("select modelpack.record_outcome('customer', 'churn', '1', 1, null)")


def test_a_cohort_that_was_interrupted_is_finished_also_when_the_next_one_is_due(shop: Session) -> None:
    at = value(shop, "select date_trunc('second', now()) - interval '50 days'")
    shop.execute("select modelpack.open_cohort('customer', 'churn', %s)", [at])  # and then the server stopped
    assert value(shop, "select complete from modelpack.cut_off") is False
    shop.execute("call modelpack.take_cohort('customer')")
    assert rows(shop, "select cut_off = %s, complete, rows from modelpack.cut_off order by cut_off", at) == [
        (True, True, 20),
        (False, True, 20),
    ]
