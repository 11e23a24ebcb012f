"""What a model may cost an event: its score, never the event, and never more than the time budget."""

from __future__ import annotations

import time

import psycopg
import pytest

from modelpack.declaration.profile import OnError
from tests.faults.hostile import (
    ENDLESS,
    FAILS,
    INFINITE,
    NOT_A_NUMBER,
    TABLES,
    Session,
    attach,
    connect,
    hostile_model,
    make_shop,
    open_shop,
    plain_model,
    publish,
    scores,
    shop,
    slow_model,
    smuggle,
    unsound,
    value,
    visit,
    warm,
)
from tests.support import wait_for


def set_setting(session: Session, name: str, setting: str) -> None:
    session.execute("update modelpack.setting set value = %s where name = %s", [setting, name])


@pytest.mark.prepared(setup=make_shop)
@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (FAILS, "the model fails"),
        (INFINITE, "the model gives inf"),
        (NOT_A_NUMBER, "the model gives nan"),
        (1e300, "beyond what float32 holds"),
    ],
)
def test_a_row_that_the_model_cannot_score_keeps_its_last_score_and_says_why(
    database: str, x: float, reason: str
) -> None:
    with warm(database) as session:
        visit(session, (1, x), (2, 200))
        found = scores(session, 1, 2)
        assert found[1][0] == pytest.approx(0.1)
        assert reason in str(found[1][1])
        assert found[2] == (pytest.approx(0.2), None)
        assert value(session, "select visits from customer where customer_id = 1") == 2
        assert unsound(session) == []


def test_with_on_error_null_a_row_without_a_score_has_none(database: str) -> None:
    with open_shop(database, on_error="null") as session:
        visit(session, (1, FAILS))
        assert session.execute(
            "select churn, churn_version, churn_scored_at, churn_stale is not null"
            " from customer where customer_id = 1"
        ).fetchone() == (None, None, None, True)
        assert unsound(session) == []


def test_with_on_error_raise_the_statement_is_refused_with_the_reason(database: str) -> None:
    with open_shop(database, on_error="raise") as session:
        with pytest.raises(
            psycopg.errors.DataException, match=r"churn version 1 gives no score .*the model fails"
        ):
            visit(session, (1, FAILS), (2, 200))
        assert value(session, "select count(*) from visit") == 20
        visit(session, (2, 200))
        assert unsound(session) == []


@pytest.mark.prepared(setup=make_shop)
def test_on_error_can_be_changed_in_place(database: str) -> None:
    with warm(database) as session:
        attach(database, shop("raise"))
        with pytest.raises(psycopg.errors.DataException, match="the model fails"):
            visit(session, (1, FAILS))
        attach(database, shop("null"))
        visit(session, (1, FAILS))
        assert scores(session, 1)[1][0] is None
        assert unsound(session) == []


@pytest.mark.prepared(setup=make_shop)
def test_an_endless_model_is_ended_at_its_time_budget_and_the_event_stays(database: str) -> None:
    with warm(database) as session:
        started = time.monotonic()
        visit(session, (1, ENDLESS))
        assert time.monotonic() - started < 20  # 0.25 s of processor time, on a machine however busy
        assert scores(session, 1)[1] == (
            pytest.approx(0.1),
            "the model ran beyond its time budget of 250 ms and was ended",
        )
        visit(session, (1, 300))  # and the model works again
        assert scores(session, 1)[1] == (pytest.approx(0.3), None)
        assert unsound(session) == []


@pytest.mark.prepared(setup=make_shop)
def test_a_model_has_its_own_time_budget_and_needs_no_loop_to_exceed_it(database: str) -> None:
    with warm(database) as session:
        smuggle(session, slow_model())
        session.execute("update modelpack.model set time_budget = '60 ms'")
        visit(session, (1, 5))
        assert "budget of 60 ms" in str(scores(session, 1)[1][1])
        assert unsound(session) == []


@pytest.mark.prepared(setup=make_shop)
def test_a_model_that_needs_longer_than_its_budget_is_neither_published_nor_promoted(database: str) -> None:
    with warm(database) as session:
        set_setting(session, "time_budget", "5 ms")
        with pytest.raises(
            psycopg.errors.InvalidParameterValue, match="expected less than its time budget of 5 ms"
        ):
            publish(session, onnx=slow_model(steps=15))
        session.execute("update modelpack.model set time_budget = '1 minute'")
        number = publish(session, onnx=slow_model(steps=15))
        session.execute("update modelpack.model set time_budget = '5 ms'")
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="time budget of 5 ms"):
            session.execute("select modelpack.promote('churn', %s)", [number])
        assert value(session, "select version from modelpack.alias where alias = 'champion'") == 1


@pytest.mark.prepared(setup=make_shop)
def test_after_four_ended_calls_the_model_is_left_alone_for_a_while_then_tried_again(database: str) -> None:
    with warm(database) as session:
        set_setting(session, "time_budget", "40 ms")
        set_setting(session, "breaker_pause", "1 s")
    with psycopg.connect(database, autocommit=True) as session:
        started = time.monotonic()
        visit(session, *((c, ENDLESS) for c in range(1, 21)))
        reasons = [str(stale).split(":")[0] for _, stale in scores(session).values()]
        assert reasons.count("the model ran beyond its time budget of 40 ms and was ended") == 4
        assert reasons.count("the model keeps failing and is not called for 1 s") == 16
        visit(session, (1, 100))
        if time.monotonic() - started < 1:
            assert "keeps failing" in str(scores(session, 1)[1][1])
        time.sleep(1.1)
        visit(session, (1, 100))  # half-open: this success closes the breaker
        visit(session, (2, 100))
        assert scores(session, 1, 2) == {1: (pytest.approx(0.1), None), 2: (pytest.approx(0.1), None)}
        assert unsound(session) == []


BREAKER_OPEN = "the model keeps failing and is not called for 3600 s"


def outcome(session: Session, x: float) -> str:
    """What one event with this x does: "scored", or why the row is stale."""
    visit(session, (1, x))
    return str(scores(session, 1)[1][1] or "scored").split(":")[0]


def an_hour_later(session: Session) -> None:
    """To the Python of this session alone."""
    session.execute(
        "do language plpython3u $$\nimport time\nearlier = time.monotonic\n"
        "time.monotonic = lambda: earlier() + 3601\n$$"
    )


@pytest.mark.prepared(setup=make_shop)
def test_only_failures_in_a_row_open_the_breaker_and_one_success_closes_it(database: str) -> None:
    with warm(database) as session:
        set_setting(session, "breaker_failures", "3")
        set_setting(session, "breaker_pause", "1 h")
    with psycopg.connect(database, autocommit=True) as session:
        for _ in range(3):  # a success in between: it begins again
            assert [outcome(session, x) for x in (FAILS, INFINITE, 100)] == [
                "the model fails",
                "the model gives inf",
                "scored",
            ]
        # what the model is never given does not count, either way
        refused = "input x is beyond what float32 holds"
        assert [outcome(session, x) for x in (FAILS, 1e300, 1e300, FAILS, 1e300, NOT_A_NUMBER, 100, 100)] == [
            "the model fails",
            *[refused, refused],
            "the model fails",
            refused,
            "the model gives nan",
            *[BREAKER_OPEN, BREAKER_OPEN],
        ]
        session.execute("call modelpack.rescore('customer', everything => true)")
        assert {str(stale).split(":")[0] for _, stale in scores(session).values()} == {BREAKER_OPEN}
        an_hour_later(session)  # half-open: one look is let through, and its failure opens the breaker again
        assert [outcome(session, x) for x in (FAILS, 100, 100)] == [
            "the model fails",
            BREAKER_OPEN,
            BREAKER_OPEN,
        ]
        an_hour_later(session)  # its success closes it, and failures are counted from none
        assert [outcome(session, x) for x in (100, FAILS, FAILS, 100, FAILS, FAILS, FAILS, 100)] == [
            "scored",
            *["the model fails"] * 2,
            "scored",
            *["the model fails"] * 3,
            BREAKER_OPEN,
        ]
        assert unsound(session) == []


def test_one_bad_row_of_ten_thousand_costs_only_itself(database: str) -> None:
    with open_shop(database, customers=1) as session:
        with session.cursor().copy("copy visit (customer_id, x) from stdin") as copy:
            for n in range(1, 10_001):
                copy.write_row((n, FAILS if n == 5_000 else n % 300))
        assert session.execute(
            "select customer_id from customer where churn_stale is not null"
        ).fetchall() == [(5_000,)]
        assert value(session, "select count(*) from customer where churn is not null") == 9_999
        assert unsound(session) == []


@pytest.mark.prepared(setup=make_shop)
def test_rescore_of_stale_rows_finds_them_by_their_index_and_leaves_the_others(database: str) -> None:
    with warm(database) as session:
        visit(session, (3, FAILS), (4, FAILS))
        smuggle(session, plain_model())
        notices: list[str] = []
        session.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
        session.execute("call modelpack.rescore('customer', only_stale => true)")
        assert notices == ["rescore of customer: 2 rows written"]
        assert value(session, "select count(*) from customer where churn_version = 2") == 2
        session.execute("set enable_seqscan = off")
        plan = session.execute("explain select from customer where churn_stale is not null").fetchall()
        assert "customer_modelpack_" in str(plan)
        assert unsound(session) == []


@pytest.mark.prepared(setup=make_shop)
def test_a_disabled_model_scores_nothing_from_the_commit_on_and_takes_no_lock_on_tables(
    database: str,
) -> None:
    with warm(database) as session, psycopg.connect(database) as admin:
        admin.execute("select modelpack.disable('churn', 'burns')")
        assert admin.execute(
            "select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'relation'"
            " and relation in ('customer'::regclass, 'visit'::regclass)"
        ).fetchone() == (0,)
        visit(session, (1, 200))
        assert scores(session, 1)[1] == (pytest.approx(0.2), None)  # not committed yet
        admin.commit()
        visit(session, (1, 300))
        assert scores(session, 1)[1] == (pytest.approx(0.2), "disabled: burns")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="disabled: burns"):
            session.execute("select modelpack.predict('churn', '{\"x\": 1}')")
        admin.execute("select modelpack.enable('churn')")
        admin.commit()
        session.execute("call modelpack.rescore('customer', only_stale => true)")
        assert scores(session, 1)[1] == (pytest.approx(0.3), None)
        with pytest.raises(psycopg.errors.UndefinedObject, match="There are: churn"):
            session.execute("select modelpack.disable('nosuch')")
        assert unsound(session) == []


@pytest.mark.parametrize("on_error", ["stale", "null", "raise"])
def test_what_a_row_says_where_nothing_is_promoted_disabled_or_failing(
    database: str, on_error: OnError
) -> None:
    """on_error="raise" refuses events that a model fails on, and none where there is no model that could have scored."""
    look = "select churn, churn_version, churn_scored_at, churn_stale, visits from customer where customer_id = %s"

    def says(customer: int) -> tuple[object, ...]:
        return tuple(session.execute(look, [customer]).fetchall()[0])

    def kept(*score: object) -> tuple[object, ...]:
        return (None, None, None) if on_error == "null" else score

    with connect(database) as session:
        session.execute(TABLES)
        attach(database, shop(on_error))
        visit(session, (1, 100))
        nothing = "no version of the model churn has been promoted"
        assert says(1) == (None, None, None, nothing, 1)
        smuggle(session, hostile_model())
        visit(session, (1, 200), (2, 250))
        first, second = says(1), says(2)
        assert [first[0], *first[3:]] == [pytest.approx(0.2), None, 2]
        session.execute("select modelpack.disable('churn', 'burns')")
        visit(session, (1, 300), (3, 300))
        assert says(1) == (*kept(*first[:3]), "disabled: burns", 3)
        assert says(3) == (None, None, None, "disabled: burns", 1)
        assert says(2) == second
        session.execute("call modelpack.rescore('customer', everything => true)")
        assert says(2) == (*kept(*second[:3]), "disabled: burns", 1)
        visit(session, (2, FAILS))  # the model is not called
        assert says(2) == (*kept(*second[:3]), "disabled: burns", 2)
        session.execute("select modelpack.enable('churn')")
        assert says(1) == (*kept(*first[:3]), "disabled: burns", 3)
        visit(session, (1, 50))
        before = says(1)
        assert [before[0], *before[3:]] == [pytest.approx(0.05), None, 4]
        failing = [
            "insert into visit (customer_id, x) values (1, 500)",
            "insert into visit (customer_id, x) values (3, 60), (1, 500)",
            "insert into visit (customer_id, x) values (4, 500)",
        ]
        for statement in failing:
            if on_error == "raise":
                with pytest.raises(psycopg.errors.DataException, match=r"gives no score .*: the model fails"):
                    session.execute(statement)
                assert says(1) == before
                assert says(3)[4] == 1
            else:
                session.execute(statement)
        assert value(session, "select count(*) from customer where customer_id = 4") == (on_error != "raise")
        if on_error != "raise":
            assert says(1)[:3] == kept(*before[:3])
            assert says(1)[4] == 6
            assert "the model fails" in str(says(1)[3])
            assert says(4)[:3] == (None, None, None)
        assert unsound(session) == []


@pytest.mark.prepared(setup=make_shop)
def test_failures_are_sampled_and_linked_to_their_version(database: str) -> None:
    with warm(database) as session:
        for _ in range(3):
            visit(session, *((c, FAILS) for c in range(1, 21)))
        with psycopg.connect(database, autocommit=True) as other:
            visit(other, (1, FAILS), (2, NOT_A_NUMBER))
        found = session.execute(
            "select model, version, profile, kind, failures from modelpack.failures order by kind"
        )
        assert found.fetchall() == [
            ("churn", 1, "public.customer", "model", 1),
            ("churn", 1, "public.customer", "output", 1),
        ]


@pytest.mark.prepared(setup=make_shop)
@pytest.mark.parametrize("how", ["pg_cancel_backend", "pg_terminate_backend", "statement_timeout"])
def test_a_cancel_ends_a_running_model_and_reaches_the_client(database: str, how: str) -> None:
    """Whatever the time budget is: a minute here."""
    with warm(database) as session:
        session.execute("update modelpack.model set time_budget = '1 minute'")
        with psycopg.connect(database, autocommit=True) as victim:
            visit(victim, (1, 100))
            if how == "statement_timeout":
                victim.execute("set statement_timeout = '300 ms'")
            started = time.monotonic()
            victim.pgconn.send_query(b"insert into visit (customer_id, x) values (1, 900)")
            pid = victim.info.backend_pid
            wait_for(
                session, "select count(*) from pg_stat_activity where pid = %s and state = 'active'", pid
            )
            if how != "statement_timeout":
                time.sleep(0.2)
                session.execute(f"select {how}(%s)", [pid])
            wait_for(
                session, "select count(*) - 1 from pg_stat_activity where pid = %s and state = 'active'", pid
            )
            assert time.monotonic() - started < 15
            result = victim.pgconn.get_result()
            assert result is not None
            state = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
            assert state == (b"57P01" if how == "pg_terminate_backend" else b"57014")
            victim.pgconn.finish()
        assert value(session, "select count(*) from visit") == 21
        assert scores(session, 1)[1] == (pytest.approx(0.1), None)
        assert unsound(session) == []


@pytest.mark.prepared(setup=make_shop)
def test_a_cancel_while_the_model_is_read_is_not_mistaken_for_a_broken_model(database: str) -> None:
    """The first event of a session waits for a lock on the registry; the client gives up."""
    with warm(database) as session, psycopg.connect(database) as blocker:
        blocker.execute("lock table modelpack.artifact in access exclusive mode")
        with psycopg.connect(database, autocommit=True) as fresh:
            fresh.execute("set statement_timeout = '200 ms'")
            with pytest.raises(psycopg.errors.QueryCanceled):
                visit(fresh, (1, 200))
            fresh.execute("set statement_timeout = 0; set lock_timeout = '100 ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                visit(fresh, (1, 200))
            blocker.rollback()
            visit(fresh, (1, 200))
        assert scores(session, 1)[1] == (pytest.approx(0.2), None)
        assert unsound(session) == []


@pytest.mark.parametrize("on_error", ["stale", "null"])
def test_a_server_whose_plpython_is_gone_takes_every_event_and_marks_the_rows(
    database: str, on_error: OnError
) -> None:
    """As on a standby that was promoted on a machine without the package."""
    lose = "update pg_proc set probin = %s where probin = %s and proname like 'plpython3%%'"
    with open_shop(database, on_error=on_error) as session:
        session.execute(lose, ["$libdir/plpython3_gone", "$libdir/plpython3"])
        with psycopg.connect(database, autocommit=True) as fresh:
            for _ in range(2):
                visit(fresh, (1, 200), (2, 200), (77, None))
            with fresh.transaction():
                visit(fresh, (1, 250))
                visit(fresh, (1, 250))
            score, stale = scores(fresh, 1)[1]
            assert score == (pytest.approx(0.1) if on_error == "stale" else None)
            assert "the server cannot load PL/Python" in str(stale)
            assert "install postgresql-plpython3" in str(scores(fresh, 2)[2][1])
            found = fresh.execute("select found from modelpack.doctor() where status = 'fail'").fetchall()
            assert any("plpython3_gone" in what for (what,) in found)
            fresh.execute("select modelpack.disable('churn', 'no PL/Python')")
            visit(fresh, (2, 100))
            assert scores(fresh, 2)[2][1] == "disabled: no PL/Python"
            fresh.execute("select modelpack.enable('churn')")
            assert unsound(fresh) == []
        session.execute(lose, ["$libdir/plpython3", "$libdir/plpython3_gone"])
        with psycopg.connect(database, autocommit=True) as fresh:
            fresh.execute("call modelpack.rescore('customer', only_stale => true)")
            assert scores(fresh, 1, 2) == {1: (pytest.approx(0.25), None), 2: (pytest.approx(0.1), None)}
            assert value(fresh, "select count(*) from customer where churn_stale is not null") == 0
            assert unsound(fresh) == []


@pytest.mark.prepared(setup=make_shop)
def test_a_read_only_transaction_is_refused_as_such(database: str) -> None:
    with warm(database) as session:
        session.execute("set default_transaction_read_only = on")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            visit(session, (1, 200))
        assert value(session, "select modelpack.predict('churn', '{\"x\": 100}')") == pytest.approx(0.1)
