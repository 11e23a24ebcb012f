"""SCORE and LOG: a score is fresh when the statement returns, or the row says why it is not; each leaves a row in the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import onnxruntime
import psycopg
import pytest

from modelpack import Event, Profile, Score, age, count, expression, last, ratio, total
from tests.support import Session, attach, linear_score, publish, row, rows, value, wrong

WEIGHTS, BIAS = (0.5, 0.01), -1.0

TABLES = """
create table customer (customer_id bigint primary key, plan text not null default 'basic', tenure integer);
create table complaint (customer_id bigint not null, created_at timestamptz not null default now());
create table purchase (customer_id bigint not null, at timestamptz not null default now(), amount numeric not null);
insert into customer (customer_id, tenure) select g, g from generate_series(1, 20) as g;
"""


def shop(scores: list[Score]) -> Profile:
    return Profile(
        "customer",
        key="customer_id",
        events=[
            Event("complaint", at="created_at", features={"complaints": count(), "seen": last("created_at")}),
            Event("purchase", at="at", features={"spend": total("amount")}),
        ],
        scores=scores,
    )


def make_shop(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(TABLES)
        attach(dsn, shop([Score("churn", model="churn")]))
        publish(session, "churn", ["complaints", "spend"], WEIGHTS, BIAS, engine="onnx")
        session.execute("select modelpack.promote('churn', 1)")


@pytest.fixture
def session(fresh: Callable[..., str]) -> Iterator[Session]:
    """A shop whose champion is version 1 of a linear model over complaints and spend, scored by onnxruntime."""
    with psycopg.connect(fresh(make_shop), autocommit=True) as session:
        yield session


def assert_fresh(session: Session, key: int) -> None:
    complaints, spend, churn, version, stale = row(
        session,
        "select complaints, spend, churn, churn_version, churn_stale from customer where customer_id = %s",
        key,
    )
    assert stale is None
    assert version == value(
        session, "select version from modelpack.alias where model = 'churn' and alias = 'champion'"
    )
    assert churn == pytest.approx(linear_score(WEIGHTS, BIAS, [complaints, float(spend)]), abs=1e-6)


def test_an_insert_leaves_counters_score_version_and_time(session: Session) -> None:
    before = value(session, "select clock_timestamp()")
    session.execute("insert into complaint (customer_id) values (3)")
    assert row(session, "select complaints, churn_version from customer where customer_id = 3") == (1, 1)
    assert_fresh(session, 3)
    at = value(session, "select churn_scored_at from customer where customer_id = 3")
    assert before <= at <= value(session, "select clock_timestamp()")
    assert value(session, "select count(*) from customer where churn_scored_at is not null") == 1


def test_copy_and_bulk_inserts_score_every_customer_they_touch(session: Session) -> None:
    with session.cursor() as cursor, cursor.copy("copy purchase (customer_id, amount) from stdin") as copy:
        for n in range(100):
            copy.write_row((1 + n % 10, n))
    session.execute("insert into complaint (customer_id) select g % 10 + 1 from generate_series(1, 25) as g")
    for key in range(1, 11):
        assert_fresh(session, key)
    assert wrong(session) == []


def test_an_update_of_a_static_feature_rescores_and_another_column_does_not(
    session: Session,
) -> None:
    publish(session, "churn", ["complaints", "tenure"], WEIGHTS, BIAS)
    session.execute("select modelpack.promote('churn', 2)")
    session.execute("update customer set tenure = 70 where customer_id = 4")
    churn, version = row(session, "select churn, churn_version from customer where customer_id = 4")
    assert (churn, version) == (pytest.approx(linear_score(WEIGHTS, BIAS, [0, 70]), abs=1e-6), 2)
    at = value(session, "select churn_scored_at from customer where customer_id = 4")
    session.execute("update customer set plan = 'pro' where customer_id = 4")
    assert value(session, "select churn_scored_at from customer where customer_id = 4") == at
    assert value(session, "select count(*) from modelpack.prediction where entity_key = '4'") == 1


@pytest.mark.parametrize(
    "change",
    [
        "update customer set tenure = 70 where customer_id = 4",
        "insert into customer (customer_id, tenure) values (21, 70)",
        "insert into complaint (customer_id, created_at) values (4, '2024-03-01 00:00')",
        "insert into purchase (customer_id, amount) values (4, 0)",
    ],
)
def test_settings_of_the_writer_change_no_input_and_stay_as_they_are(
    database: str, psql: Session, change: str
) -> None:
    """A time without a zone is UTC, and a sum of floating-point numbers keeps every digit."""
    psql.execute(TABLES.replace("created_at timestamptz", "created_at timestamp"))
    psql.execute("alter table purchase alter amount type double precision")
    attach(database, shop([Score("churn", model="churn", inputs={"days": age("seen")})]))
    publish(psql, "churn", ["days", "spend", "tenure"], (0.1, 1.0, 1.0), BIAS)
    psql.execute("select modelpack.promote('churn', 1)")
    for role, key in (("origin", 4), ("replica", 21)):  # as a replica, no trigger makes a profile
        psql.execute(f"set timezone = 'UTC'; set session_replication_role = {role}")
        psql.execute(f"insert into complaint (customer_id, created_at) values ({key}, '2024-03-31 12:00')")
        psql.execute(f"insert into purchase (customer_id, amount) values ({key}, 0.123456789012345)")
    psql.execute("set session_replication_role = origin")
    psql.execute("set timezone = 'Asia/Tokyo'; set extra_float_digits = -14")
    settings = "select current_setting('timezone'), current_setting('extra_float_digits')"
    with psql.transaction():
        psql.execute("set local timezone = 'Asia/Kathmandu'")
        psql.execute(change)
        assert row(psql, settings) == ("Asia/Kathmandu", "-14")
    assert row(psql, settings) == ("Asia/Tokyo", "-14")
    psql.execute("reset timezone; reset extra_float_digits")
    days, spend, _ = value(
        psql, "select inputs from modelpack.prediction order by prediction_id desc limit 1"
    )
    since = "select date_part('epoch', max(scored_at) - timestamptz '2024-03-31 12:00+00') / 86400 from modelpack.prediction"
    assert days == pytest.approx(value(psql, since), abs=1e-6)
    assert spend == 0.123456789012345
    assert wrong(psql) == []


def test_a_new_profile_is_scored_when_it_is_inserted(session: Session) -> None:
    session.execute("insert into customer (customer_id) values (100)")
    assert_fresh(session, 100)
    session.execute("insert into purchase (customer_id, amount) values (200, 5), (200, 7)")
    assert value(session, "select spend from customer where customer_id = 200") == 12
    assert_fresh(session, 200)


def test_each_score_leaves_one_row_in_the_log_with_the_inputs_of_the_model(session: Session) -> None:
    session.execute("insert into complaint (customer_id) values (3), (3), (5)")
    session.execute("insert into purchase (customer_id, amount) values (3, 20.5)")
    logged = rows(
        session,
        "select entity_key, profile, score, model, version, prediction, inputs, microseconds > 0, scored_at "
        "from modelpack.prediction order by prediction_id",
    )
    assert [entry[0] for entry in logged] == ["3", "5", "3"]
    assert {entry[1:5] for entry in logged} == {("public.customer", "churn", "churn", 1)}
    assert [entry[6] for entry in logged] == [[2.0, 0.0], [1.0, 0.0], [2.0, 20.5]]
    assert all(entry[7] for entry in logged)
    stored = row(session, "select churn, churn_scored_at from customer where customer_id = 3")
    assert (logged[2][5], logged[2][8]) == stored


def test_the_log_reproduces_the_score_bit_for_bit(session: Session) -> None:
    session.execute(
        "insert into purchase (customer_id, amount) select g, g * 1.1 from generate_series(1, 20) as g"
    )
    onnx = value(session, "select a.onnx from modelpack.artifact as a join modelpack.version using (sha256)")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    runtime = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    logged = rows(session, "select inputs, prediction from modelpack.prediction")
    assert len(logged) == 20
    for inputs, prediction in logged:
        given = np.array([inputs], dtype=np.float32)
        assert float(runtime.run(["score"], {"number": given})[0].ravel()[0]) == prediction


def test_a_rolled_back_event_leaves_neither_counter_nor_score_nor_log(session: Session) -> None:
    before = row(session, "select * from customer where customer_id = 3")
    with session.transaction(force_rollback=True):
        session.execute("insert into complaint (customer_id) values (3)")
        assert_fresh(session, 3)
    assert row(session, "select * from customer where customer_id = 3") == before
    assert value(session, "select count(*) from modelpack.prediction") == 0


def test_before_the_first_promotion_the_row_says_so(database: str, psql: Session) -> None:
    psql.execute(TABLES)
    attach(database, shop([Score("churn", model="churn")]))
    psql.execute("insert into complaint (customer_id) values (3)")
    assert row(psql, "select complaints, churn, churn_stale from customer where customer_id = 3") == (
        1,
        None,
        "no version of the model churn has been promoted",
    )


def test_missing_wheels_leave_event_and_counters_and_a_stale_row(session: Session) -> None:
    session.execute("insert into complaint (customer_id) values (3)")
    score = row(session, "select churn, churn_version, churn_scored_at from customer where customer_id = 3")
    session.execute(
        "create or replace function modelpack.server_wheels() returns text language sql immutable "
        "as $$ select '/nowhere'::text $$"
    )
    with psycopg.connect(session.info.dsn, autocommit=True) as fresh:
        fresh.execute("insert into complaint (customer_id) values (3)")
    found = row(
        session,
        "select complaints, churn, churn_version, churn_scored_at from customer where customer_id = 3",
    )
    assert found == (2, *score)
    stale = value(session, "select churn_stale from customer where customer_id = 3")
    assert "cannot import" in stale
    assert "modelpack install --server-wheels" in stale
    assert value(session, "select count(*) from modelpack.prediction") == 1


def test_a_row_that_the_model_cannot_score_costs_only_itself(session: Session) -> None:
    session.execute(
        "insert into purchase (customer_id, amount) values (1, 5), (2, 1e39), (3, 7)"  # 1e39 is beyond float32
    )
    found = rows(
        session, "select customer_id, spend > 0, churn_stale from customer where customer_id < 4 order by 1"
    )
    assert found[0] == (1, True, None)
    assert found[2] == (3, True, None)
    assert found[1][1] is True
    assert "beyond what float32 holds" in found[1][2]
    session.execute("delete from purchase where customer_id = 2")
    assert_fresh(session, 2)


def test_promotion_reaches_open_and_prepared_sessions_at_commit_and_never_before(
    session: Session,
) -> None:
    publish(session, "churn", ["complaints", "spend"], (-0.5, -0.01), 1.0, promote=False)
    insert = "insert into complaint (customer_id) values (3)"

    def version_of(other: Session) -> int:
        other.execute(insert, prepare=True)
        found: int = value(other, "select churn_version from customer where customer_id = 3")
        return found

    with psycopg.connect(session.info.dsn, autocommit=True) as other:
        assert [version_of(other) for _ in range(3)] == [1, 1, 1]
        with session.transaction(force_rollback=True):
            session.execute("select modelpack.promote('churn', 2)")
        assert version_of(other) == 1
        found: list[int] = []
        with session.transaction():
            session.execute("select modelpack.promote('churn', 2)")
            assert version_of(session) == 2
            waiting = threading.Thread(target=lambda: found.append(version_of(other)))
            waiting.start()  # the same customer: it waits for the promotion's transaction
            until = time.monotonic() + 30
            while not value(session, "select count(*) from pg_locks where not granted"):
                assert time.monotonic() < until
                assert waiting.is_alive()
            assert found == []
        waiting.join(timeout=30)
        assert len(found) == 1
        assert version_of(other) == 2


def test_after_a_promotion_rescore_brings_rows_of_the_other_version_up_to_date(session: Session) -> None:
    session.execute("insert into complaint (customer_id) select generate_series(1, 20)")
    publish(session, "churn", ["complaints", "spend"], (-0.5, -0.01), 1.0)
    session.execute("select modelpack.promote('churn', 2)")
    session.execute("insert into complaint (customer_id) values (7)")
    counts = "select churn_version, count(*) from customer group by 1 order by 1"
    assert rows(session, counts) == [(1, 19), (2, 1)]
    session.execute("call modelpack.rescore('customer', chunk_blocks => 1)")
    assert rows(session, counts) == [(2, 20)]
    for complaints, churn in rows(session, "select complaints, churn from customer"):
        assert churn == pytest.approx(linear_score((-0.5, -0.01), 1.0, [complaints, 0]), abs=1e-6)
    logged = value(session, "select count(*) from modelpack.prediction")
    session.execute("call modelpack.rescore('customer')")
    assert value(session, "select count(*) from modelpack.prediction") == logged


def test_ages_ratios_and_expressions_are_computed_at_the_moment_of_scoring(
    database: str, psql: Session
) -> None:
    psql.execute(TABLES)
    inputs = {"days": age("seen"), "each": ratio("spend", "complaints"), "double": expression("tenure * 2")}
    attach(database, shop([Score("churn", model="churn", inputs=inputs)]))
    publish(psql, "churn", ["days", "each", "double"], (0.1, 0.1, 0.1), 0.0)
    psql.execute("select modelpack.promote('churn', 1)")
    psql.execute("insert into purchase (customer_id, amount) values (5, 30)")
    psql.execute(
        "insert into complaint (customer_id, created_at) values (5, now() - interval '3 days'), (5, now() - interval '9 days')"
    )
    days, each, double = value(
        psql, "select inputs from modelpack.prediction order by prediction_id desc limit 1"
    )
    assert days == pytest.approx(3.0, abs=0.01)
    assert (each, double) == (15.0, 10.0)
    psql.execute("update customer set tenure = 50 where customer_id = 5")
    later, _, double = value(
        psql, "select inputs from modelpack.prediction order by prediction_id desc limit 1"
    )
    assert later > days
    assert double == 100.0


def test_an_expression_that_fails_on_a_row_costs_the_score_and_not_the_event(
    database: str, psql: Session
) -> None:
    psql.execute(TABLES)
    attach(database, shop([Score("churn", model="churn", inputs={"each": expression("100 / complaints")})]))
    publish(psql, "churn", ["each"], (0.1,), 0.0)
    psql.execute("select modelpack.promote('churn', 1)")
    psql.execute("insert into purchase (customer_id, amount) values (5, 30)")
    spend, stale = row(psql, "select spend, churn_stale from customer where customer_id = 5")
    assert spend == 30
    assert "division by zero" in stale
    psql.execute("insert into complaint (customer_id) values (5)")
    assert value(psql, "select churn_stale from customer where customer_id = 5") is None


def test_two_scores_on_one_profile_are_written_at_once_and_logged_each(database: str, psql: Session) -> None:
    psql.execute(TABLES)
    attach(database, shop([Score("churn", model="churn"), Score("fraud", model="fraud")]))
    for model, weight in (("churn", 0.5), ("fraud", -0.5)):
        publish(psql, model, ["complaints"], (weight,), 0.0)
        psql.execute("select modelpack.promote(%s, 1)", [model])
    psql.execute("insert into complaint (customer_id) values (5)")
    churn, fraud = row(psql, "select churn, fraud from customer where customer_id = 5")
    assert churn == pytest.approx(linear_score((0.5,), 0.0, [1]), abs=1e-6)
    assert fraud == pytest.approx(1 - churn, abs=1e-6)
    assert rows(psql, "select score, model from modelpack.prediction order by 1") == [
        ("churn", "churn"),
        ("fraud", "fraud"),
    ]


def test_a_version_that_the_profile_cannot_feed_is_refused_with_both_sides(session: Session) -> None:
    publish(session, "churn", ["complaints", "shoe_size"], WEIGHTS, BIAS, promote=False)
    with pytest.raises(psycopg.errors.DatatypeMismatch) as refused:
        session.execute("select modelpack.promote('churn', 2)")
    detail = refused.value.diag.message_detail or ""
    assert "shoe_size (number): no such column" in detail
    assert "complaints (bigint)" in detail
    session.execute("insert into complaint (customer_id) values (3)")
    assert value(session, "select churn_version from customer where customer_id = 3") == 1


def test_columns_that_modelpack_keeps_are_refused_to_an_application_that_may_update(
    session: Session, new_role: Callable[..., str]
) -> None:
    application = new_role()
    session.execute(f"grant select, update on customer to {application}; set role {application}")
    session.execute("update customer set plan = 'pro', complaints = complaints where customer_id = 3")
    for column in ("complaints", "churn"):
        with pytest.raises(
            psycopg.errors.InsufficientPrivilege,
            match=r"columns of public\.customer that modelpack keeps",
        ):
            session.execute(f"update customer set {column} = 77 where customer_id = 3")
    session.execute("reset role")


@pytest.mark.parametrize(
    ("name", "nonsense"),
    [
        ("time_budget", "fast"),
        ("breaker_pause", "-1 s"),
        ("trial_memory", "much"),
        ("breaker_failures", "few"),
    ],
)
def test_a_setting_that_no_session_could_read_is_refused(session: Session, name: str, nonsense: str) -> None:
    before = value(session, "select value from modelpack.setting where name = %s", name)
    with pytest.raises((psycopg.errors.DataError, psycopg.errors.CheckViolation)):
        session.execute("update modelpack.setting set value = %s where name = %s", [nonsense, name])
    assert value(session, "select value from modelpack.setting where name = %s", name) == before


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
def test_no_time_however_far_costs_an_event(database: str, psql: Session, kind: str) -> None:
    psql.execute(
        f"create table customer (customer_id bigint primary key); create table visit (customer_id bigint, at {kind})"
    )
    visit = Event("visit", at="at", features={"visits": count(), "seen": last("at")})
    publish(psql, "churn", ["quiet"], [0.001])
    attach(
        database,
        Profile(
            "customer",
            key="customer_id",
            events=[visit],
            scores=[Score("churn", inputs={"quiet": age("seen")})],
        ),
    )
    latest = {"date": "5874897-12-31"}.get(kind, "294276-12-31")
    for n, (at, missing) in enumerate(
        {"4713-01-01 BC": False, "-infinity": False, latest: True, "infinity": True}.items(), start=1
    ):
        psql.execute("insert into visit values (1, %s)", [at])
        visits, churn, stale = row(psql, "select visits, churn, churn_stale from customer")
        assert (visits, stale) == (n, None)
        assert (churn == pytest.approx(0.5)) is missing
    assert wrong(psql) == []
