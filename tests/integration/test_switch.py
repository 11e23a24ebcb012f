"""A model stops at once, whatever anybody who publishes has begun and left open.

`modelpack.disable` gives up after three seconds. So where it works beside a transaction that stays open, it did not
wait for that transaction.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel, errors
from sqlalchemy.exc import OperationalError

from modelpack import Event, Profile, Score, apply, count
from modelpack.attaching import execute
from modelpack.compile.script import replace_script
from modelpack.connection import make_engine
from tests.support import Session, attach, publish, row, rows, user, value, wrong

Refused = Callable[[Session, str, str, "Session | int"], None]
DEADLINE = 60.0
STOP = "select modelpack.disable('churn', 'stop')"
START = "select modelpack.enable('churn')"
ON, OFF = None, "disabled: stop"

VISITOR = Profile(
    "visitor",
    key="id",
    events=[Event("visit", at="at", features={"n": count()})],
    scores=[Score("churn"), Score("worth"), Score("again", model="churn")],
)
MEMBER = Profile("member", key="id", scores=[Score("churn", inputs={"n": "level"})])
LATER = replace(VISITOR, scores=[Score("churn"), Score("worth"), Score("late", model="churn")])


def make_shop(dsn: str) -> None:
    """Two models, with three versions of churn, of which the second scores, and tables with a declaration."""
    with psycopg.connect(dsn, autocommit=True) as session:
        for weight in (0.1, 0.2, 0.3):
            publish(session, "churn", ["n"], [weight], promote=False)
        publish(session, "worth", ["n"], [0.4])
        session.execute("select modelpack.promote('churn', 1); select modelpack.promote('churn', 2)")
        session.execute("select modelpack.set_alias('churn', 'candidate', 3)")
        session.execute(
            "insert into modelpack.approval (version_id) select version_id from modelpack.version where version = 1"
        )
        session.execute(
            "create table visitor (id bigint primary key); create table member (id bigint primary key, level bigint);"
            "create table visit (id bigint, at timestamptz default now()); create index on visit (id)"
        )
    attach(dsn, VISITOR)


pytestmark = pytest.mark.prepared(setup=make_shop)


@pytest.fixture
def psql(database: str) -> Iterator[Session]:
    """A superuser's session."""
    with psycopg.connect(database, autocommit=True, prepare_threshold=None) as session:
        yield session


@pytest.fixture
def bob(people: Callable[..., Session]) -> Session:
    """He may stop models; whatever else holds him up for long is an error."""
    session = people("modelpack_approver")
    session.execute("set statement_timeout = '20s'")
    return session


@pytest.fixture
def ann(psql: Session, people: Callable[..., Session]) -> Session:
    """She may promote churn."""
    session = people("modelpack_publisher", "modelpack_approver")
    psql.execute("select modelpack.grant_model('churn', %s)", [user(session)])
    return session


@pytest.fixture
def aside() -> Iterator[Callable[[Session, str], Future[Any]]]:
    """A function that runs a statement beside the test, since it may wait."""
    with ThreadPoolExecutor(4) as pool:
        yield lambda session, statement: pool.submit(session.execute, statement)


def event(session: Session, key: int = 1) -> tuple[Any, ...]:
    """What an event gives: whether each score is fresh, and the number of events."""
    session.execute("insert into visit (id) values (%s)", [key])
    return row(session, f"select churn_stale, again_stale, worth_stale, n from visitor where id = {key}")


def agree(session: Session) -> None:
    """The record of every model, its switches, and what a row gets are the same."""
    switches = (
        "select count(*), count(*) filter (where f.proisstrict = (m.disabled is not null) and d.definition = md5(f.prosrc))"
        " from modelpack.model as m join modelpack.score as s using (model)"
        " left join modelpack.made as d on d.profile_id = s.profile_id and d.kind = 'switch' and d.object = s.stem || '_enabled'"
        " left join pg_proc as f on f.pronamespace = 'modelpack'::regnamespace and f.proname = d.object"
    )
    scores, right = row(session, switches)
    assert scores == right > 0
    assert rows(session, "select * from modelpack.examine_triggers() where status = 'fail'") == []
    assert rows(session, "select * from modelpack.examine_models() where status = 'fail'") == []


# -- what a publisher can hold ---------------------------------------------------------------------------------

VERBS = (
    "modelpack.promote('churn', 1)",
    "modelpack.rollback('churn')",
    "modelpack.set_alias('churn', 'challenger', 1)",
    "modelpack.drop_alias('churn', 'candidate')",
    "modelpack.retire('churn', 1)",
    "modelpack.approve('churn', 3)",
    "modelpack.withdraw_approval('churn', 1)",
    "modelpack.set_tag('churn', 1, 'tag')",
    "modelpack.add_note('churn', 1, 'note')",
    "modelpack.set_metric('churn', 1, 'auc', 1)",
    "modelpack.recheck('churn', 1)",
    "modelpack.predict('churn', '{\"n\": 1}')",
    "modelpack.warm()",
    "modelpack.unseen('churn', 1)",
)

ROW_LOCKS = ("update", "no key update", "share", "key share")
MODES = (
    "access share", "row share", "row exclusive", "share update exclusive", "share", "share row exclusive", "exclusive",
    "access exclusive",
)  # fmt: skip
HELD = (
    "modelpack.model",
    "modelpack.score",
    "modelpack.profile",
    "modelpack.made",
    "modelpack.turn",
    "modelpack.holding",
    "modelpack.versions",
    "pg_proc",
)

LOCKS = (
    *(f"select * from {name} as t for {lock}" for name in HELD for lock in ROW_LOCKS),
    *(f"lock table {name} in {mode} mode" for name in HELD for mode in MODES),
    "select pg_advisory_xact_lock(classid, objid) from generate_series(0, 100) as c (classid), generate_series(0, 100) as o (objid)",
    "update modelpack.model set description = 'mine'",
    "update modelpack.model set disabled = disabled",
    "delete from modelpack.made",
    *(
        f"{change} function modelpack.visitor_score_churn_enabled(boolean) {to}"
        for change, to in (
            ("alter", "cost 1"),
            ("drop", ""),
            ("comment on", "is 'mine'"),
            ("grant execute on", "to public"),
            ("create or replace", "returns boolean language sql as 'select true'"),
        )
    ),
    "create view pg_temp.mine as select modelpack.visitor_score_churn_enabled(null) as x",
    "create view pg_temp.mine as select modelpack.visitor_batched() as x",
    "create function pg_temp.mine() returns boolean begin atomic select modelpack.visitor_score_churn_enabled(null); end",
    "set transaction isolation level serializable; select * from modelpack.model, modelpack.score, pg_proc",
)  # fmt: skip


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_no_verb_of_a_publisher_keeps_a_model_from_being_stopped(
    psql: Session, people: Callable[..., Session], ann: Session, bob: Session, isolation: str
) -> None:
    evil = people("modelpack_publisher")
    bob.execute(f"set default_transaction_isolation = '{isolation}'")
    refused = []

    def beside(session: Session, begin: Callable[[], Any], name: str) -> None:
        session.execute("begin")
        try:
            begin()
        except (errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState):
            refused.append((session is ann, name))
            session.execute("rollback; begin")
        bob.execute(STOP)
        assert event(psql)[:3] == (OFF, OFF, ON)
        session.execute("rollback")
        bob.execute(START)
        assert event(psql)[:3] == (ON, ON, ON)

    for session in (evil, ann):
        for verb in VERBS:
            beside(session, lambda verb=verb, s=session: s.execute(f"select {verb}"), verb)  # type: ignore[misc]
        for model in ("churn", "fresh"):
            beside(session, lambda s=session, m=model: publish(s, m, ["n"], [0.7], promote=False), "publish")  # type: ignore[misc]
    # she could begin all of them
    assert [name for hers, name in refused if hers] == []


def test_what_a_publisher_locks_by_himself_keeps_no_model_from_being_stopped(
    psql: Session, people: Callable[..., Session], ann: Session, bob: Session
) -> None:
    for session in (people("modelpack_publisher"), ann, people()):
        for statement in LOCKS:
            session.execute("begin")
            with contextlib.suppress(errors.InsufficientPrivilege, errors.WrongObjectType):
                session.execute(statement)
            try:
                bob.execute(STOP)
            except errors.LockNotAvailable:
                pytest.fail(f"beside {statement}")
            bob.execute(START)
            session.execute("rollback")
    assert event(psql)[:3] == (ON, ON, ON)


OPEN = {
    "promote": ("select modelpack.promote('churn', 1)",),
    "rollback": ("select modelpack.rollback('churn')",),
    "publish": (),
    "alias": ("select modelpack.set_alias('churn', 'challenger', 1)",),
    "all": ("select modelpack.promote('churn', 1)", "select modelpack.set_alias('churn', 'challenger', 1)"),
}


@pytest.mark.parametrize("begun", OPEN)
def test_whichever_commits_first_the_model_stays_disabled(
    psql: Session, ann: Session, bob: Session, begun: str
) -> None:
    assert event(psql) == (ON, ON, ON, 1)
    ann.execute("begin")
    for statement in OPEN[begun]:
        ann.execute(statement)
    if begun in ("publish", "all"):
        publish(ann, "churn", ["n"], [0.7], promote=False)
    bob.execute(f"begin; {STOP}")
    bob.execute("commit")
    assert event(psql) == (OFF, OFF, ON, 2)
    assert value(psql, "select modelpack.visitor_batched()") is False
    ann.execute("commit")
    live = 1 if begun in ("promote", "rollback", "all") else 2
    assert (
        value(psql, "select version from modelpack.alias where model = 'churn' and alias = 'champion'")
        == live
    )
    assert event(psql) == (OFF, OFF, ON, 3)
    psql.execute("call modelpack.rescore('visitor')")
    assert row(psql, "select churn_stale, churn_version, n from visitor") == (OFF, 2, 3)
    # a promotion that begins while the model is disabled, and one that ends after it is enabled again
    ann.execute("select modelpack.promote('churn', %s)", [3 - live])
    assert event(psql) == (OFF, OFF, ON, 4)
    ann.execute("begin")
    ann.execute("select modelpack.promote('churn', %s)", [live])
    bob.execute(START)
    assert event(psql) == (ON, ON, ON, 5)
    ann.execute("commit")
    assert event(psql) == (ON, ON, ON, 6)
    assert row(psql, "select churn_version, again_version from visitor") == (live, live)
    assert wrong(psql, "visitor") == []
    agree(psql)


def test_one_model_of_a_profile_stops_on_all_of_its_profiles(
    database: str, psql: Session, bob: Session
) -> None:
    attach(database, MEMBER)
    psql.execute("insert into member (id, level) values (1, 1)")
    assert event(psql) == (ON, ON, ON, 1)
    bob.execute(STOP)
    psql.execute("update member set level = 2")
    assert value(psql, "select churn_stale from member") == OFF
    assert event(psql) == (OFF, OFF, ON, 2)
    bob.execute("select modelpack.disable('worth', 'stop')")
    assert event(psql) == (OFF, OFF, OFF, 3)
    # for another reason, with nothing to replace
    made = "select array_agg(xmin order by oid) from pg_proc where proname like '%_enabled'"
    before = value(psql, made)
    bob.execute("select modelpack.disable('worth', 'why')")
    assert event(psql) == (OFF, OFF, "disabled: why", 4)
    assert value(psql, made) == before
    bob.execute(START)
    assert event(psql) == (ON, ON, "disabled: why", 5)
    psql.execute("update member set level = 3")
    assert value(psql, "select churn_stale from member") is None
    agree(psql)


# -- what it does wait for, and for how long --------------------------------------------------------------------


WAITS = (
    "update pg_proc set proconfig = array_replace(proconfig, 'lock_timeout={}', 'lock_timeout={}')"
    " where oid = 'modelpack.disable(modelpack.me, text, text)'::regprocedure"
)


@pytest.fixture
def refused(database: str) -> Iterator[Refused]:
    """A function that holds that a statement gives up and names whom it waited for, and nobody else.

    Since it is sure to wait in vain, modelpack.disable waits less than its three seconds there.
    """
    with psycopg.connect(database, autocommit=True) as admin:

        def check(session: Session, statement: str, match: str, holder: Session | int) -> None:
            admin.execute(WAITS.format("3s", "300ms"))
            with pytest.raises(errors.LockNotAvailable, match=match) as found:
                session.execute(statement)
            admin.execute(WAITS.format("300ms", "3s"))
            pid = holder if isinstance(holder, int) else holder.info.backend_pid
            assert str(found.value.diag.message_detail).startswith(f"Processes that do so: {pid} (")
            assert "," not in str(found.value.diag.message_detail)

        yield check


@pytest.mark.parametrize(
    "does",
    [
        "grant execute on function modelpack.member_score_churn_enabled(boolean) to {role}",
        "revoke execute on function modelpack.member_score_churn_enabled(boolean) from {role}",
    ],
)
def test_the_owner_of_a_table_keeps_no_model_from_being_stopped(
    database: str, psql: Session, people: Callable[..., Session], bob: Session, does: str
) -> None:
    """A GRANT writes the function's row even where it gives nothing, to whoever has any right on the function."""
    owner = people()
    psql.execute(f"alter table member owner to {user(owner)}")
    attach(database, MEMBER)
    owner.execute("begin")
    with pytest.raises(errors.InsufficientPrivilege):
        owner.execute(does.format(role=user(owner)))
    owner.execute("rollback; begin; insert into member (id, level) values (9, 1)")
    bob.execute(STOP)
    owner.execute("commit")
    owner.execute("insert into member (id, level) values (10, 1)")
    assert rows(psql, "select id, churn_stale from member where id >= 9 order by id") == [
        (9, None),
        (10, OFF),
    ]
    bob.execute(START)


@pytest.mark.parametrize("savepoint", [False, True])
@pytest.mark.parametrize("verb", ["disable('churn')", "enable('churn')", "require_approval('churn')"])
def test_who_disables_beside_somebody_who_changes_the_model_is_told_soon_who_does(
    psql: Session, people: Callable[..., Session], bob: Session, verb: str, savepoint: bool, refused: Refused
) -> None:
    carl = people("modelpack_publisher")
    carl.execute("begin")
    publish(carl, "churn", ["n"], [0.7], promote=False)  # not in the way
    holder = psql
    holder.execute("begin; savepoint a" if savepoint else "begin")
    holder.execute(f"select modelpack.{verb}")
    if savepoint:
        holder.execute("release a")
    refused(bob, STOP, "the model churn is not stopped", holder)
    bob.execute("select modelpack.disable('worth', 'stop')")
    holder.execute("commit")
    bob.execute(STOP)
    assert event(psql) == (OFF, OFF, OFF, 1)
    agree(psql)


def test_no_publisher_who_leaves_a_change_open_keeps_an_approver_from_stopping_the_model(
    psql: Session, people: Callable[..., Session], ann: Session, bob: Session
) -> None:
    carl, dora = people("modelpack_publisher"), people("modelpack_publisher")
    psql.execute("select modelpack.grant_model('churn', %s)", [user(carl)])
    ann.execute("begin")
    ann.execute(START)
    dora.execute("begin")
    publish(dora, "fresh", ["n"], [0.7], promote=False)
    with ThreadPoolExecutor(1) as pool:
        queued = pool.submit(carl.execute, START)  # and would have the row as soon as she is gone
        while ann.info.backend_pid not in value(psql, "select pg_blocking_pids(%s)", carl.info.backend_pid):
            assert not queued.done()
        bob.execute(STOP)
        with pytest.raises(errors.AdminShutdown):
            queued.result(DEADLINE)
    with pytest.raises(errors.AdminShutdown):
        ann.execute("commit")
    dora.execute("commit")  # nothing of hers was in the way
    assert event(psql) == (OFF, OFF, ON, 1)
    agree(psql)


HOLDS = {
    "plain": "begin; {}",
    "released savepoint": "begin; savepoint a; {}; release a",
    "among others": "begin; savepoint a; {}; savepoint b; select pg_current_xact_id()",
}


@pytest.mark.parametrize("holds", HOLDS)
def test_an_approver_ends_nobody_who_changes_another_model_or_has_taken_it_back(
    psql: Session, people: Callable[..., Session], ann: Session, bob: Session, holds: str
) -> None:
    carl, dora = people("modelpack_publisher"), people("modelpack_publisher")
    psql.execute("select modelpack.grant_model('worth', %s)", [user(carl)])
    psql.execute("select modelpack.grant_model('churn', %s)", [user(dora)])
    carl.execute("begin; select modelpack.disable('worth', 'mine')")
    dora.execute(f"begin; savepoint a; {START}; rollback to a; select modelpack.set_tag('churn', 1, 'kept')")
    ann.execute(HOLDS[holds].format(START))
    found = rows(psql, "select pid from modelpack.holders(array['churn'])")
    assert found == [(ann.info.backend_pid,)]
    bob.execute(STOP)
    for session in (carl, dora):
        session.execute("commit")
    with pytest.raises(errors.AdminShutdown):
        ann.execute("commit")
    assert event(psql) == (OFF, OFF, "disabled: mine", 1)
    assert value(psql, "select tags from modelpack.versions where model = 'churn' and version = 1")
    assert rows(psql, "select from modelpack.holding") == []
    agree(psql)


def test_who_came_to_hold_a_model_after_the_approver_began_to_wait_is_ended_the_second_time_alone(
    psql: Session, ann: Session
) -> None:
    ann.execute(f"begin; {START}")
    assert value(psql, "select modelpack.end_holders('worth', null)") == 0
    assert value(psql, "select modelpack.end_holders('churn', array['1'])") == 1
    ann.execute("select 1")
    assert value(psql, "select modelpack.end_holders('churn', null)") == 1
    with pytest.raises(errors.AdminShutdown):
        ann.execute("commit")


def test_a_member_of_the_owner_who_acts_as_a_publisher_is_named_and_not_ended(
    people: Callable[..., Session], ann: Session, bob: Session, refused: Refused
) -> None:
    deployer = people("modelpack_owner", user(ann))
    deployer.execute(f"set role {user(ann)}; begin; {START}")
    refused(bob, STOP, "the model churn is not stopped", deployer)
    deployer.execute("commit")


def test_a_model_stops_while_a_declaration_is_applied_and_when_that_is_done(
    database: str, psql: Session, bob: Session, refused: Refused
) -> None:
    assert event(psql) == (ON, ON, ON, 1)
    *most, last = replace_script(VISITOR, LATER)
    assert "modelpack.seal" in last
    engine = make_engine(database)
    with engine.connect() as connection:
        execute(connection, most[:-1] if "seal" in most[-1] else most)
        pid = connection.exec_driver_sql("select pg_backend_pid()").scalar_one()
        # a score that goes: its switch does with it
        refused(bob, STOP, "the model churn is not stopped", pid)
        connection.rollback()
        # scores that stay, and one that comes
        kept = replace(VISITOR, scores=[*VISITOR.scores, Score("late", model="churn")])
        *most, last = replace_script(VISITOR, kept)
        execute(connection, most)
        bob.execute(STOP)
        execute(connection, [last])
        refused(bob, START.replace("enable", "disable"), "the model churn is not stopped", pid)
        connection.commit()
    assert event(psql) == (OFF, OFF, ON, 2)
    assert value(psql, "select late_stale from visitor") == OFF
    bob.execute(START)
    assert event(psql) == (ON, ON, ON, 3)
    assert value(psql, "select late_stale from visitor") is None
    # and one that goes, at last
    attach(database, VISITOR)
    assert rows(psql, "select from pg_proc where proname = 'visitor_score_late_enabled'") == []
    bob.execute(STOP)
    assert event(psql) == (OFF, OFF, ON, 4)
    agree(psql)
    engine.dispose()


def test_a_score_that_gets_another_model_gets_its_switch(database: str, psql: Session, bob: Session) -> None:
    bob.execute(STOP)
    attach(
        database,
        replace(
            VISITOR, scores=[Score("churn", model="worth"), Score("worth", model="churn"), Score("again")]
        ),
    )
    assert event(psql)[:3] == (ON, "no version of the model again has been promoted", OFF)
    bob.execute("select modelpack.disable('worth', 'stop')")
    bob.execute(START)
    assert event(psql)[::2] == (OFF, ON)
    agree(psql)


def test_a_profile_that_is_attached_or_detached_is_waited_for(
    database: str, psql: Session, bob: Session, aside: Callable[[Session, str], Future[Any]], refused: Refused
) -> None:
    engine = make_engine(database)
    with engine.connect() as connection:
        apply(connection, MEMBER)
        pid = connection.exec_driver_sql("select pg_backend_pid()").scalar_one()
        refused(bob, STOP, "the model churn is not stopped", pid)
        waiting = aside(bob, STOP)
        while pid not in value(psql, "select pg_blocking_pids(%s)", bob.info.backend_pid):
            assert not waiting.done()
        connection.commit()
        waiting.result(DEADLINE)
        # the profile that came meanwhile is stopped, too
        psql.execute("insert into member (id, level) values (1, 1)")
        assert value(psql, "select churn_stale from member") == OFF
        bob.execute(START)
        connection.exec_driver_sql("select modelpack.detach('public.member')")
        refused(bob, STOP, "the model churn is not stopped", pid)
        waiting = aside(bob, STOP)
        while pid not in value(psql, "select pg_blocking_pids(%s)", bob.info.backend_pid):
            assert not waiting.done()
        connection.commit()
        waiting.result(DEADLINE)
    engine.dispose()
    assert event(psql) == (OFF, OFF, ON, 1)
    agree(psql)


def test_a_declaration_that_comes_beside_a_promotion_gets_the_champion_of_whoever_commits_last(
    database: str, psql: Session, ann: Session, aside: Callable[[Session, str], Future[Any]]
) -> None:
    scored_by = "select version from modelpack.prediction where profile = 'public.member' order by scored_at desc limit 1"
    kept = replace(MEMBER, scores=[*MEMBER.scores, Score("again", model="churn", inputs={"n": "level"})])
    engine = make_engine(database)
    psql.execute("insert into member (id, level) values (1, 0)")
    for version, apply_it in ((3, partial(apply, profile=MEMBER)), (1, partial(apply, profile=kept))):
        with engine.connect() as connection:
            pid = connection.exec_driver_sql("select pg_backend_pid()").scalar_one()
            apply_it(connection)
            waiting = aside(ann, f"select modelpack.promote('churn', {version})")
            while pid not in value(psql, "select pg_blocking_pids(%s)", ann.info.backend_pid):
                assert not waiting.done()
            connection.commit()
            waiting.result(DEADLINE)
        psql.execute("update member set level = level + 1")
        assert value(psql, scored_by) == version
        agree(psql)
    psql.execute("select modelpack.detach('public.member')")
    # the other way round
    ann.execute("begin; select modelpack.promote('churn', 2)")
    with engine.connect() as connection, ThreadPoolExecutor(1) as pool:
        pid = connection.exec_driver_sql("select pg_backend_pid()").scalar_one()
        applying = pool.submit(apply, connection, MEMBER)
        while ann.info.backend_pid not in value(psql, "select pg_blocking_pids(%s)", pid):
            assert not applying.done()
        ann.execute("commit")
        applying.result(DEADLINE)
        connection.commit()
    engine.dispose()
    psql.execute("update member set level = level + 1")
    assert value(psql, scored_by) == 2
    agree(psql)


def test_an_application_of_a_declaration_does_not_hold_its_tables_for_who_disables(
    database: str, psql: Session, bob: Session
) -> None:
    engine = make_engine(database)
    bob.execute(f"begin; {STOP}")
    for limit in ("0", "100ms"):
        with engine.connect() as connection:
            connection.exec_driver_sql(f"set lock_timeout = '{limit}'")
            with pytest.raises(OperationalError, match="the model churn is being disabled") as found:
                apply(connection, MEMBER)
        assert f"Processes that do so: {bob.info.backend_pid} ({user(bob)})." in str(found.value)
    bob.execute("commit")
    with engine.begin() as connection:
        connection.exec_driver_sql("set lock_timeout = '7s'")
        apply(connection, MEMBER)
        assert connection.exec_driver_sql("show lock_timeout").scalar_one() == "7s"
    engine.dispose()
    psql.execute("insert into member (id, level) values (1, 1)")
    assert value(psql, "select churn_stale from member") == OFF
    agree(psql)


def test_an_application_that_waits_for_a_promotion_holds_no_model(
    database: str, psql: Session, ann: Session, bob: Session
) -> None:
    ann.execute("begin; select modelpack.promote('churn', 1)")
    engine = make_engine(database)
    for work in (
        lambda c: apply(c, LATER),
        lambda c: c.exec_driver_sql("select modelpack.detach('public.visitor')"),
    ):
        with engine.connect() as connection, ThreadPoolExecutor(1) as pool:
            pid = connection.exec_driver_sql("select pg_backend_pid()").scalar_one()
            waiting = pool.submit(work, connection)
            while ann.info.backend_pid not in value(psql, "select pg_blocking_pids(%s)", pid):
                assert not waiting.done()
            bob.execute(STOP)
            bob.execute(START)
            psql.execute("select pg_cancel_backend(%s)", [pid])
            with pytest.raises(OperationalError, match="canceling statement due to user request"):
                waiting.result(DEADLINE)
    engine.dispose()
    ann.execute("commit")
    agree(psql)


def test_a_snapshot_from_before_a_profile_came_stops_no_model_by_halves(database: str, psql: Session) -> None:
    with psycopg.connect(database) as old:
        old.isolation_level = IsolationLevel.REPEATABLE_READ
        old.execute("select 1 from modelpack.model")
        attach(database, MEMBER)
        with pytest.raises(errors.SerializationFailure):
            old.execute(STOP)
        old.rollback()
        old.execute(STOP)
    psql.execute("insert into member (id, level) values (1, 1)")
    assert value(psql, "select churn_stale from member") == OFF
    agree(psql)


def test_a_table_changes_its_owner_beside_who_disables(
    psql: Session, people: Callable[..., Session], bob: Session, refused: Refused
) -> None:
    other = user(people())
    psql.execute(f"alter table visit owner to {other}; grant usage, create on schema public to {other}")
    bob.execute(f"begin; {STOP}")
    psql.execute("begin")
    change = f"select modelpack.run_as('public.visitor', '{other}')"
    refused(psql, change, "the model churn or worth is being disabled", bob)
    psql.execute("rollback")
    bob.execute("commit")
    psql.execute(f"begin; {change}; alter table visitor owner to {other}")
    refused(bob, START.replace("enable", "disable"), "the model churn is not stopped", psql)
    psql.execute("commit")
    assert event(psql) == (OFF, OFF, ON, 1)
    bob.execute(START)
    assert event(psql) == (ON, ON, ON, 2)
    agree(psql)


def test_a_profile_whose_table_is_gone_keeps_no_model_from_being_stopped(
    database: str, psql: Session, bob: Session
) -> None:
    psql.execute("drop table visitor")
    bob.execute(STOP)
    psql.execute("select modelpack.detach_dropped('public.visitor')")
    psql.execute("create table visitor (id bigint primary key)")
    attach(database, VISITOR)
    assert event(psql) == (OFF, OFF, ON, 1)
    # the same without a word
    psql.execute("drop table visitor cascade; create table visitor (id bigint primary key)")
    bob.execute(START)
    psql.execute("drop trigger if exists modelpack_visitor_visit on visit")
    psql.execute("select modelpack.detach_dropped('public.visitor')")
    attach(database, VISITOR)
    assert event(psql, 2) == (ON, ON, ON, 1)
    agree(psql)


def test_the_doctor_finds_a_model_whose_record_was_changed_past_the_switch(
    psql: Session, bob: Session
) -> None:
    found = "select \"check\", found, mend from modelpack.doctor() where status = 'fail'"
    assert rows(psql, found) == []
    psql.execute("update modelpack.model set disabled = 'stop' where model = 'churn'")
    says = "modelpack.visitor_score_{}_enabled(boolean) says {}, and the model is {}"
    mend = "select modelpack.disable('churn', 'stop');"
    assert rows(psql, found) == [
        ("switch of churn", says.format(name, "enabled", "disabled"), mend) for name in ("again", "churn")
    ]
    bob.execute(mend)
    assert rows(psql, found) == []
    psql.execute("update modelpack.model set disabled = null")
    assert {mended for _, _, mended in rows(psql, found)} == {"select modelpack.enable('churn');"}
    bob.execute("select modelpack.enable('churn');")
    assert rows(psql, found) == []
    agree(psql)


# -- all at once ------------------------------------------------------------------------------------------------


def test_whoever_works_on_a_model_at_once_loses_no_event_and_leaves_one_state(
    database: str, psql: Session, people: Callable[..., Session], ann: Session
) -> None:
    psql.execute("select modelpack.grant_model('worth', %s)", [user(ann)])
    over = threading.Event()
    counted = [0, 0]

    def events(key: int) -> None:
        with psycopg.connect(database, autocommit=True) as session:
            while not over.is_set():
                event(session, key + 1)
                counted[key] += 1

    def switching(session: Session, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(40):
            verb = chance.choice(["disable", "enable"])
            models = chance.choice([["churn"], ["worth"], ["churn", "worth"]])
            with session.transaction():
                for model in models:  # in the order of their names
                    reason = ", 'stop'" if verb == "disable" else ""
                    session.execute(f"select modelpack.{verb}('{model}'{reason})")

    def publishing(session: Session, model: str) -> None:
        for n in range(12):
            with session.transaction():
                session.execute(
                    f"select modelpack.promote('{model}', {1 if model == 'worth' else n % 3 + 1})"
                )
                session.execute(f"select modelpack.set_tag('{model}', 1, 'tag{n}')")
            if model == "churn" and n % 3 == 2:
                session.execute("select modelpack.rollback('churn')")

    def applying() -> None:
        for _ in range(3):
            attach(database, MEMBER)
            with psycopg.connect(database) as session:
                session.execute("select modelpack.detach('public.member')")
        attach(database, MEMBER)

    others = people("modelpack_publisher")
    psql.execute("select modelpack.grant_model('worth', %s)", [user(others)])
    work: list[tuple[Callable[..., None], tuple[Any, ...]]] = [
        (switching, (people("modelpack_approver"), 1)),
        (switching, (people("modelpack_approver"), 2)),
        (publishing, (ann, "churn")),
        (publishing, (others, "worth")),
        (applying, ()),
    ]
    with ThreadPoolExecutor(len(work) + 2) as pool:
        traffic = [pool.submit(events, key) for key in (0, 1)]
        try:
            for done in [pool.submit(function, *given) for function, given in work]:
                done.result(2 * DEADLINE)
        finally:
            over.set()
        for done in traffic:
            done.result(DEADLINE)
    assert min(counted) > 0
    assert rows(psql, "select n from visitor order by id") == [(n,) for n in counted]
    assert wrong(psql, "visitor") == []
    agree(psql)
    states = dict(rows(psql, "select model, 'disabled: ' || disabled from modelpack.model"))
    assert event(psql)[:3] == (states["churn"], states["churn"], states["worth"])
    psql.execute("insert into member (id, level) values (1, 1)")
    assert value(psql, "select churn_stale from member") == states["churn"]
