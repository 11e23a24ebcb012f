"""Crossings: what a score that passes a declared bound leaves behind, and how it is read."""

from __future__ import annotations

import math
import re
import subprocess
import threading
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from alembic import command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from modelpack import DeclarationError, Event, Profile, Score, apply, count, remove, total
from modelpack.attaching import apply_online, remove_online
from modelpack.connection import make_engine
from modelpack.install import alembic_config
from tests.support import Session, attach, publish, row, rows, value

BOUNDS = (0.3, 0.5, 0.8)
WEIGHT, BIAS = 1.0, -3.0
PARTITIONED = "partition by hash (customer_id)"


def profile(crossing: tuple[float, ...] = BOUNDS, **more: Any) -> Profile:
    return Profile(
        "customer",
        key="customer_id",
        events=[Event("complaint", features={"level": total("amount")})],
        scores=[Score("churn", model="churn", crossing=crossing, **more)],
    )


def make_shop(dsn: str, partitioned: bool = False) -> None:
    """Customers 1 to 20, scored by the sum of their complaints: 0.047 without any, at 3 it is 0.5."""
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(
            f"""
            create table customer (customer_id bigint primary key, plan integer) {PARTITIONED if partitioned else ""};
            create table complaint (complaint_id bigint generated always as identity primary key, customer_id bigint, amount integer not null);
            create index on complaint (customer_id)
            """
        )
        if partitioned:
            for n in range(3):
                session.execute(
                    f"create table customer_{n} partition of customer for values with (modulus 3, remainder {n})"
                )
        session.execute("insert into customer (customer_id) select generate_series(1, 20)")
        attach(dsn, profile())
        publish(session, "churn", ["level"], [WEIGHT], BIAS)
        session.execute("call modelpack.rescore('customer')")


shop = pytest.mark.prepared(setup=make_shop)
partitioned_shop = pytest.mark.prepared(True, setup=make_shop)


def score_of(level: float) -> float:
    return 1 / (1 + math.exp(-(WEIGHT * level + BIAS)))


def expected_crossing(
    before: float | None, after: float, bounds: tuple[float, ...] = BOUNDS
) -> tuple[list[float], str] | None:
    """What the words of the documentation say, written without a look at the SQL."""
    if before is None:
        reached = [b for b in bounds if after >= b]
        return (reached, "up") if reached else None
    if after > before:
        crossed = [b for b in bounds if before < b <= after]
        return (crossed, "up") if crossed else None
    crossed = [b for b in reversed(bounds) if after < b <= before]
    return (crossed, "down") if crossed else None


def crossings(session: Session, columns: str = "entity_key, bounds, direction, cause") -> list[Any]:
    return rows(session, f"select {columns} from modelpack.crossing order by transaction_id, crossing_id")


def complain(session: Session, key: int, *amounts: int) -> None:
    session.execute(
        "insert into complaint (customer_id, amount) select %s, a from unnest(%s::integer[]) as a",
        [key, list(amounts)],
    )


def forget(session: Session) -> None:
    session.execute("delete from modelpack.crossing")


@shop
def test_a_score_that_crosses_leaves_one_row_and_one_that_does_not_leaves_none(psql: Session) -> None:
    assert (
        crossings(psql) == []
    )  # the rows that were there got their first score from a promotion, and it is low
    complain(psql, 7, 1)
    assert crossings(psql) == []
    complain(psql, 7, 2)
    version, transaction = row(psql, "select churn_version, xmin::text from customer where customer_id = 7")
    found = rows(psql, "select * from modelpack.crossing")
    assert len(found) == 1
    [told] = rows(
        psql,
        "select profile, score, entity_key, from_score, to_score, bounds, direction, cause, model, version, from_version, transaction_id::text, at"
        " from modelpack.crossing",
    )
    assert told == (
        "public.customer",
        "churn",
        "7",
        pytest.approx(score_of(1), abs=1e-6),
        pytest.approx(score_of(3), abs=1e-6),
        [0.3, 0.5],
        "up",
        "change",
        "churn",
        version,
        version,
        transaction,
        value(psql, "select churn_scored_at from customer where customer_id = 7"),
    )
    complain(psql, 7, -1)
    assert crossings(psql)[1:] == [("7", [0.5, 0.3], "down", "change")]
    # many events of one customer in one statement: from the first score to the last
    forget(psql)
    complain(psql, 9, *[1] * 12)
    complain(psql, 9, *[-1] * 12)
    assert crossings(psql) == [
        ("9", [0.3, 0.5, 0.8], "up", "change"),
        ("9", [0.8, 0.5, 0.3], "down", "change"),
    ]
    # a statement of many customers
    forget(psql)
    psql.execute(
        "insert into complaint (customer_id, amount) select g, g % 7 from generate_series(10, 20) as g"
    )
    assert {k for k, *_ in crossings(psql)} == {str(g) for g in range(10, 21) if score_of(g % 7) >= 0.3}


@shop
def test_a_transaction_leaves_one_row_for_what_comes_of_it(psql: Session) -> None:
    with psql.transaction():
        complain(psql, 1, 3)
        complain(psql, 1, 3)
        complain(psql, 2, 5)
        complain(psql, 2, -5)
    assert crossings(psql) == [("1", [0.3, 0.5, 0.8], "up", "change")]
    with psql.transaction():
        complain(psql, 3, 3)
        with psql.transaction(force_rollback=True):
            complain(psql, 3, 3)
            complain(psql, 4, 9)
    assert crossings(psql)[1:] == [("3", [0.3, 0.5], "up", "change")]
    with psql.transaction(force_rollback=True):
        complain(psql, 5, 9)
    assert len(crossings(psql)) == 2


@shop
def test_a_new_row_tells_if_it_starts_above_a_bound(psql: Session) -> None:
    complain(psql, 100, 4)
    complain(psql, 101, 0)
    assert crossings(psql, "entity_key, from_score, from_version, bounds, cause") == [
        ("100", None, None, [0.3, 0.5], "first")
    ]
    with psql.cursor().copy("copy customer (customer_id, plan) from stdin") as copy:
        copy.write("200\t1\n201\t1\n")
    assert len(crossings(psql)) == 1


@shop
def test_rows_that_go_stale_cross_nothing_and_come_back_by_their_own_cause(
    psql: Session, database: str
) -> None:
    attach(database, profile())  # the same declaration: nothing changes
    engine = make_engine(database)
    with engine.begin() as connection:
        apply(connection, profile(on_error="null"))
    engine.dispose()
    complain(psql, 1, 5)
    forget(psql)
    psql.execute("select modelpack.disable('churn')")
    complain(psql, 1, 1)
    complain(psql, 2, 1)
    assert value(psql, "select churn from customer where customer_id = 1") is None
    assert crossings(psql) == []
    psql.execute("select modelpack.enable('churn')")
    psql.execute("call modelpack.rescore('customer', only_stale => true)")
    assert crossings(psql, "entity_key, from_score, cause") == [("1", None, "return")]


@shop
def test_what_another_version_gives_says_so(psql: Session) -> None:
    complain(psql, 1, 5)
    forget(psql)
    publish(psql, "churn", ["level"], [WEIGHT], BIAS + 4)
    assert crossings(psql) == []  # a promotion scores nobody
    psql.execute("call modelpack.rescore('customer')")
    told = crossings(psql, "distinct cause, from_version, version, transaction_id, crossing_id")
    assert {t[:3] for t in told} == {("version", 1, 2)}
    assert len(told) == 19  # all but the first, who was above already
    forget(psql)
    complain(psql, 2, 5)
    complain(psql, 2, -9)
    assert crossings(psql, "entity_key, cause, direction") == [("2", "change", "up"), ("2", "change", "down")]


@pytest.mark.parametrize("table", ["plain", "partitioned"])
def test_every_sequence_of_events_tells_what_the_words_say(fresh: Any, table: str) -> None:
    """Against plain Python over the rows as they were sent, one by one and many at a time."""
    dsn = fresh(make_shop, table == "partitioned")
    keys = st.integers(1, 25)
    event = st.tuples(keys, st.integers(-6, 8))
    statement = st.lists(event, min_size=1, max_size=30)
    with psycopg.connect(dsn, autocommit=True) as session:

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(st.lists(st.lists(statement, min_size=1, max_size=3), min_size=1, max_size=5))
        def walk(transactions: list[list[list[tuple[int, int]]]]) -> None:
            session.execute("delete from complaint")
            session.execute("delete from customer where customer_id > 20")
            forget(session)
            level: dict[int, float] = dict.fromkeys(range(1, 21), 0)
            expected = []
            for statements in transactions:
                with session.transaction():
                    before = dict(level)
                    seen: dict[int, list[float | None]] = {}
                    for events in statements:
                        session.execute(
                            "insert into complaint (customer_id, amount) select k, a from unnest(%s::bigint[], %s::integer[]) as e (k, a)",
                            [[k for k, _ in events], [a for _, a in events]],
                        )
                        for key in {k for k, _ in events}:
                            seen.setdefault(key, [score_of(before[key]) if key in before else None])
                        for key, amount in events:
                            level[key] = level.get(key, 0) + amount
                        for key in {k for k, _ in events}:
                            seen[key].append(score_of(level[key]))
                for key, scores in seen.items():
                    # it crosses where the first score and the last lie on two sides; scores in between may have
                    told = expected_crossing(scores[0], scores[-1])  # type: ignore[arg-type]
                    # a row that is new and stays above from the statement that made it on is told as new
                    new = scores[0] is None and all(s is not None and s >= BOUNDS[0] for s in scores[1:])
                    if told:
                        expected.append((str(key), *told, "first" if new else "change"))
            assert sorted(crossings(session)) == sorted(expected)

        walk()
        assert value(session, "select count(*) from modelpack.verify('customer')") == 0


def test_bounds_have_to_rise() -> None:
    for wrong in (
        [0.5, 0.5],
        [0.8, 0.5],
        [math.nan],
        [math.inf],
        ["0.5"],
        [True],
        "0.5",
        0.5,
        [10**400],
        [0.1 * n for n in range(30)],
    ):
        with pytest.raises(DeclarationError, match="rising order"):
            Score("churn", crossing=wrong)  # type: ignore[arg-type]
    kept = Profile("customer", key="id", scores=[Score("churn", crossing=[1, 2.5])])
    assert kept.to_dict()["scores"][0]["crossing"] == [1.0, 2.5]
    assert Profile.from_dict(kept.to_dict()) == kept
    assert all(a < b for a, b in pairwise(kept.scores[0].crossing))


def start(session: Session, name: str = "calls", **options: Any) -> None:
    options = {"causes": None, "from_start": False, "score": "churn", "profile": "customer", **options}
    session.execute(
        "select modelpack.start_follower(%s, %s::regclass, %s, %s::text[], %s)",
        [name, options["profile"], options["score"], options["causes"], options["from_start"]],
    )


def read(session: Session, name: str = "calls", batch: int = 100) -> list[tuple[str, str]]:
    """Keys and positions."""
    return rows(session, 'select entity_key, "position" from modelpack.read_crossings(%s, %s)', name, batch)


def keys(session: Session, name: str = "calls", batch: int = 100) -> list[str]:
    return [key for key, _ in read(session, name, batch)]


def done(session: Session, position: str, name: str = "calls") -> None:
    session.execute("select modelpack.acknowledge_crossings(%s, %s)", [name, position])


@shop
def test_a_follower_reads_from_its_start_on_and_the_same_until_it_acknowledges(psql: Session) -> None:
    complain(psql, 1, 5)
    start(psql)
    start(psql, "everything", from_start=True)
    assert keys(psql) == []
    for key in (2, 3, 4):
        complain(psql, key, 5)
    assert keys(psql, batch=2) == ["2", "3"]
    (_, first), *_ = read(psql)
    done(psql, first)
    start(psql)  # goes on where it was
    assert keys(psql) == ["3", "4"]
    done(psql, read(psql)[-1][1])
    done(psql, first)  # a position that is behind it moves nothing
    assert keys(psql) == []
    assert keys(psql, "everything") == ["1", "2", "3", "4"]


@shop
def test_late_commits_leave_no_gap_and_bring_no_repeat(psql: Session, database: str) -> None:
    """The transaction that begins first commits last: whoever reads in between waits for it."""
    start(psql)
    with psycopg.connect(database) as early, psycopg.connect(database) as late:
        complain(early, 1, 5)
        complain(late, 2, 5)
        complain(psql, 3, 5)
        late.commit()
        assert keys(psql) == []  # 2 and 3 are there, and 1 may still come
        early.commit()
    assert keys(psql) == ["1", "2", "3"]
    done(psql, read(psql)[0][1])
    assert keys(psql) == ["2", "3"]


@shop
def test_what_is_open_in_another_database_holds_nobody_up(psql: Session, server: str, fresh: Any) -> None:
    """Neither a session nor a prepared transaction; who begins as a follower then misses nothing either."""
    prepares = value(psql, "select current_setting('max_prepared_transactions')::integer") > 0
    with psycopg.connect(server) as elsewhere, psycopg.connect(fresh(), autocommit=True) as other:
        elsewhere.execute("select pg_current_xact_id()")
        if prepares:
            other.execute("begin; create table held (); prepare transaction 'modelpack_held'")
        try:
            start(psql)
            complain(psql, 1, 5)
            assert keys(psql) == ["1"]
            assert (
                value(psql, "select modelpack.ended_below() > pg_snapshot_xmin(pg_current_snapshot())")
                is True
            )
        finally:
            if prepares:
                other.execute("rollback prepared 'modelpack_held'")


@shop
def test_what_ends_in_another_database_during_a_look_holds_nobody_up(psql: Session, server: str) -> None:
    """A transaction that ends between a look at the snapshot and one at its lock is no unknown one for long."""
    start(psql)
    with psycopg.connect(server) as elsewhere:
        for n in range(1, 101):
            elsewhere.execute("select pg_current_xact_id()")
            complain(psql, 1, 9 if n % 2 else -9)
            ending = threading.Thread(target=elsewhere.commit)
            ending.start()
            while True:
                over = not ending.is_alive()
                assert len(keys(psql)) == n
                if over:
                    break


@shop
def test_writers_beside_a_reader_lose_nothing_and_repeat_nothing(psql: Session, database: str) -> None:
    start(psql)
    ended = threading.Event()
    failures: list[BaseException] = []

    def write(first: int) -> None:
        try:
            with psycopg.connect(database) as session:
                for n in range(40):
                    complain(session, first + n, 5)
                    if n % 3 == 0:
                        with session.transaction(force_rollback=n % 2 == 0):
                            complain(session, first + n, 1)
                    session.commit()
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(base,)) for base in (1000, 2000, 3000)]
    for writer in writers:
        writer.start()
    threading.Thread(target=lambda: ([w.join() for w in writers], ended.set())).start()
    seen: list[str] = []
    while True:
        over = ended.is_set()
        found = read(psql, batch=7)
        seen += [key for key, _ in found]
        if found:
            done(psql, found[-1][1])
        elif over:
            break
    assert not failures
    assert sorted(seen) == sorted(str(base + n) for base in (1000, 2000, 3000) for n in range(40))


@shop
def test_a_promotion_is_passed_over_unless_asked_for(psql: Session) -> None:
    start(psql)
    start(psql, "audit", causes=["version"])
    publish(psql, "churn", ["level"], [WEIGHT], BIAS + 4)
    psql.execute("call modelpack.rescore('customer')")
    assert keys(psql) == []
    assert len(keys(psql, "audit")) == 20
    # what it is not told of, it does not look at again
    position = "select transaction_id, crossing_id from modelpack.follower where follower = 'calls'"
    assert row(psql, position) == row(
        psql, "select transaction_id, crossing_id from modelpack.crossing order by 1 desc, 2 desc limit 1"
    )
    complain(psql, 1, 5)
    assert keys(psql) == ["1"]


@shop
def test_two_sessions_of_one_name_are_refused_until_the_first_has_gone(psql: Session, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as first:
        start(first)
        complain(psql, 1, 5)
        (_, position), *_ = read(first)
        with pytest.raises(psycopg.errors.ObjectInUse, match="another session reads as the follower calls"):
            read(psql)
        with pytest.raises(psycopg.errors.ObjectInUse):
            start(psql)
        # one that has not read for a minute may be behind a broken line
        psql.execute("update modelpack.follower set read_at = now() - interval '2 minutes'")
        assert keys(psql) == ["1"]
        with pytest.raises(psycopg.errors.ObjectInUse):
            done(first, position)  # it has been replaced
    assert keys(psql) == ["1"]


@shop
def test_who_may_read_key_and_score_may_follow_and_nobody_else(
    psql: Session, database: str, new_role: Any
) -> None:
    reader, other, monitor = (
        new_role("modelpack_reader"),
        new_role("modelpack_reader"),
        new_role("modelpack_monitor"),
    )
    complain(psql, 1, 5)
    with psycopg.connect(make_conninfo(database, user=reader), autocommit=True) as session:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="may not read crossings"):
            start(session, "mine")
        psql.execute(f"grant select (customer_id, churn) on customer to {reader}, {other}")
        start(session, "mine", from_start=True)
        assert keys(session, "mine") == ["1"]
        for table in ("crossing", "follower"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(f"select * from modelpack.{table}")
    with psycopg.connect(make_conninfo(database, user=other), autocommit=True) as session:
        for call in (
            "read_crossings('mine')",
            "acknowledge_crossings('mine', '0/1/1')",
            "drop_follower('mine')",
        ):
            with pytest.raises(
                psycopg.errors.InsufficientPrivilege, match=f"the follower mine is not {other}'s"
            ):
                session.execute(f"select * from modelpack.{call}")
    with psycopg.connect(make_conninfo(database, user=monitor), autocommit=True) as session:
        start(session, "watch", from_start=True)
        assert keys(session, "watch") == ["1"]
        assert value(session, "select count(*) from modelpack.crossing") == 1
    psql.execute(f"revoke select (customer_id, churn) on customer from {reader}")
    with (
        psycopg.connect(make_conninfo(database, user=reader), autocommit=True) as session,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="may not read crossings"),
    ):
        read(session, "mine")


@shop
def test_the_owner_of_the_profile_needs_nothing_more(psql: Session, database: str, new_role: Any) -> None:
    owner, application = new_role(), new_role()
    psql.execute("select modelpack.detach('public.customer')")
    for table in ("customer", "complaint"):
        psql.execute(f"alter table {table} owner to {owner}")
    attach(database, profile())
    psql.execute("call modelpack.rescore('customer')")
    psql.execute(f"grant insert on complaint to {application}; grant select on customer to {application}")
    writes = value(
        psql,
        "select oid::regproc::text from pg_proc where pronamespace = 'modelpack'::regnamespace and proname ~ 'churn_crossed$'",
    )
    with psycopg.connect(make_conninfo(database, user=application), autocommit=True) as session:
        complain(session, 1, 5)
        for forged in (
            "insert into modelpack.crossing (entity_key) values ('1')",
            f"select {writes}('1', null, 1, 1, 1, now(), 'first')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(forged)
    assert crossings(psql)[-1][:1] == ("1",)
    assert value(psql, "select count(*) from modelpack.doctor() where status = 'fail'") == 0


@shop
def test_bounds_follow_the_declaration_and_go_with_it(psql: Session, database: str) -> None:
    triggers = "select tgname from pg_trigger where tgname like 'model\\_cross%' order by 1"
    functions = "select proname from pg_proc where pronamespace = 'modelpack'::regnamespace and proname ~ 'churn_cross'"
    assert len(rows(psql, triggers)) == 1
    for online in (False, True):
        engine = make_engine(database)

        def put(bounds: tuple[float, ...], online: bool = online, engine: Any = engine) -> None:
            if online:
                with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    apply_online(connection, profile(bounds))
            else:
                with engine.begin() as connection:
                    apply(connection, profile(bounds))

        put((0.9,))
        complain(psql, 1, 5)  # 0.88
        assert crossings(psql) == []
        complain(psql, 1, 5)
        assert crossings(psql) == [("1", [0.9], "up", "change")]
        put(())
        assert rows(psql, triggers) == rows(psql, functions) == []
        complain(psql, 1, -10)
        assert len(crossings(psql)) == 1
        put(BOUNDS)
        assert len(crossings(psql)) == 1
        complain(psql, 1, 3)
        assert crossings(psql)[1:] == [("1", [0.3, 0.5], "up", "change")]
        complain(psql, 1, -3)
        forget(psql)
        assert value(psql, "select count(*) from modelpack.doctor() where status = 'fail'") == 0
        engine.dispose()
    engine = make_engine(database)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        remove_online(connection, profile())
    assert rows(psql, triggers) == rows(psql, functions) == []
    with engine.begin() as connection:
        apply(connection, profile())
        remove(connection, profile())
    engine.dispose()
    assert rows(psql, triggers) == rows(psql, functions) == []


@shop
def test_the_doctor_tells_of_triggers_and_of_followers_that_do_not_read(psql: Session) -> None:
    def found(status: str) -> str:
        return str(rows(psql, 'select "check", found from modelpack.doctor() where status = %s', status))

    assert "cross" not in found("fail") + found("warn")
    for trigger in ("model_cross_churn",):
        psql.execute(f"alter table customer disable trigger {trigger}")
        assert f"{trigger} on public.customer is disabled" in found("fail")
        psql.execute(f"alter table customer enable trigger {trigger}")
    start(psql)
    complain(psql, 1, 5)
    assert "follower" not in found("warn")
    psql.execute("update modelpack.crossing set at = at - interval '2 days'")
    assert "follower calls" in found("warn")
    # read rows go after a week, unread ones after a month, and then the follower is told
    psql.execute("update modelpack.crossing set at = at - interval '8 days'")
    psql.execute("select * from modelpack.maintain()")
    assert keys(psql) == ["1"]
    psql.execute("update modelpack.crossing set at = at - interval '30 days'")
    assert rows(psql, "select * from modelpack.maintain() where partition = 'crossing'") == [
        ("crossing", "1 rows deleted")
    ]
    assert keys(psql) == []
    assert "1 crossings were deleted before he had read them" in found("fail")
    psql.execute("select modelpack.drop_follower('calls')")
    assert "follower" not in found("fail")
    complain(psql, 2, 5)
    psql.execute("update modelpack.crossing set at = at - interval '8 days'")
    psql.execute("select * from modelpack.maintain()")
    assert crossings(psql) == []
    psql.execute("drop trigger model_cross_churn on customer")
    assert "model_cross_churn on public.customer is missing" in found("fail")


def test_keys_of_several_columns_and_odd_names_are_told_as_the_log_tells_them(
    psql: Session, database: str
) -> None:
    psql.execute(
        """
        create schema "od'd";
        create table "od'd"."cu$tom""er" ("k'1" text, "k""2" timestamptz, primary key ("k'1", "k""2"));
        create table "od'd"."e'v" ("k'1" text, "k""2" timestamptz, amount integer);
        create index on "od'd"."e'v" ("k'1", "k""2")
        """
    )
    odd = Profile(
        "od'd.cu$tom\"er",
        key=["k'1", 'k"2'],
        events=[Event("od'd.e'v", features={"level": total("amount")})],
        scores=[Score("churn", crossing=[0.5, 1e-300, 0.9][:1])],
    )
    attach(database, odd)
    publish(psql, "churn", ["level"], [WEIGHT], BIAS)
    psql.execute("set timezone = 'Asia/Tokyo'")
    for key in ("it's", 'a"b', "$modelpack$", "%I \\", "ü\U0001f600"):
        psql.execute("insert into \"od'd\".\"e'v\" values (%s, '2024-01-01 00:00+00', 5)", [key])
    told = rows(psql, "select profile, entity_key from modelpack.crossing order by crossing_id")
    assert told == rows(
        psql,
        "select profile, entity_key from modelpack.prediction where prediction > 0.5 order by prediction_id",
    )
    assert len(told) == 5
    name = "hook \"' %s $$"
    start(psql, name, profile='"od\'d"."cu$tom""er"', from_start=True)
    assert len(keys(psql, name)) == 5
    with pytest.raises(psycopg.errors.CheckViolation):
        start(psql, "new\nline", profile='"od\'d"."cu$tom""er"')


def test_what_has_no_bounds_has_no_followers(psql: Session, database: str) -> None:
    make_shop(database)
    engine = make_engine(database)
    with engine.begin() as connection:
        apply(connection, profile(()))
    engine.dispose()
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="has no bounds"):
        start(psql)
    with pytest.raises(psycopg.errors.UndefinedObject, match="has no score mood"):
        start(psql, score="mood")
    with pytest.raises(psycopg.errors.UndefinedObject, match="there is no follower calls"):
        read(psql)


@shop
def test_a_dump_takes_crossings_and_followers_along(
    database: str, empty_database: str, psql: Session
) -> None:
    start(psql)
    for key in (1, 2, 3):
        complain(psql, key, 5)
    done(psql, read(psql)[0][1])
    dumped = subprocess.run(
        ["pg_dump", "--dbname", database, "--format=custom"], capture_output=True, check=True
    )
    subprocess.run(
        ["pg_restore", "--dbname", empty_database], input=dumped.stdout, capture_output=True, check=True
    )
    with psycopg.connect(empty_database, autocommit=True) as restored:
        assert keys(restored) == ["2", "3"]
        complain(restored, 4, 5)
        assert keys(restored) == ["2", "3", "4"]
        numbers = [n for (n,) in rows(restored, "select crossing_id from modelpack.crossing order by 1")]
        assert len(set(numbers)) == 4
        assert (
            value(
                restored,
                "select count(*) from modelpack.doctor() where status = 'fail' and \"check\" ~ 'cross|follow|trigger'",
            )
            == 0
        )


@shop
def test_on_another_server_whose_transactions_have_other_numbers_followers_go_on(psql: Session) -> None:
    """As a dump from a server leaves it that has counted a billion transactions more, and from one that has counted fewer."""
    start(psql, "slow", from_start=True)
    start(psql, "quick", from_start=True)
    for further in (10**9, -(10**9)):
        for key in range(1, 6):
            complain(psql, key, 9)
        for name, upto in (("slow", 2), ("quick", 4)):
            done(psql, read(psql, name)[upto - 1][1], name)
        for table in ("crossing", "follower"):
            psql.execute(
                f"update modelpack.{table} set transaction_id = greatest(transaction_id::text::numeric + %s, 3)::text::xid8 where era = 0",
                [further],
            )
        psql.execute("update modelpack.crossing_origin set system_identifier = 1")
        complain(psql, 6, 9)
        assert keys(psql, "slow") == ["3", "4", "5", "6"]
        assert keys(psql, "quick") == ["5", "6"]
        complain(psql, 7, 9)
        for name in ("slow", "quick"):
            done(psql, read(psql, name)[-2][1], name)
            assert keys(psql, name) == ["7"]
            done(psql, read(psql, name)[-1][1], name)
        for key in range(1, 8):
            complain(psql, key, -9)
        for name in ("slow", "quick"):
            assert keys(psql, name) == [str(key) for key in range(1, 8)]
            done(psql, read(psql, name)[-1][1], name)


@shop
def test_a_downgrade_takes_bounds_away_and_an_upgrade_lets_them_be_declared_again(
    psql: Session, database: str
) -> None:
    start(psql)
    publish(psql, "churn", ["level"], [WEIGHT], BIAS, engine="onnx")  # the former release knows no other
    psql.execute("select modelpack.retire('churn', 1, 'its engine')")
    engine = make_engine(database)
    for _ in range(2):
        with engine.begin() as connection:
            command.downgrade(alembic_config(connection), "0004")
        assert rows(psql, "select tgname from pg_trigger where tgname like 'model\\_cross%'") == []
        complain(psql, 1, 5)
        assert value(psql, "select count(*) from modelpack.doctor() where status = 'fail'") == 0
        with engine.begin() as connection:
            command.upgrade(alembic_config(connection), "head")
        complain(psql, 1, -5)
        assert crossings(psql) == []
        with engine.begin() as connection:
            apply(connection, profile())
        complain(psql, 1, 5)
        assert crossings(psql) == [("1", [0.3, 0.5, 0.8], "up", "change")]
        assert value(psql, "select count(*) from modelpack.doctor() where status = 'fail'") == 0
        complain(psql, 1, -5)
    engine.dispose()


@partitioned_shop
def test_a_partition_that_comes_later_and_one_that_is_updated_by_name_tell_too(psql: Session) -> None:
    psql.execute("update customer_0 set plan = 1")
    assert crossings(psql) == []
    psql.execute("create table other (like customer_0 including all)")
    key = value(psql, "select customer_id from customer_1 order by 1 limit 1")
    complain(psql, key, 5)
    psql.execute("alter table customer detach partition customer_1")
    psql.execute("alter table customer attach partition customer_1 for values with (modulus 3, remainder 1)")
    complain(psql, key, -5)
    assert [(k, d) for k, _, d, _ in crossings(psql)] == [(str(key), "up"), (str(key), "down")]


def test_rows_that_are_written_by_hand_and_loaded_by_copy_tell(psql: Session, database: str) -> None:
    psql.execute("create table customer (customer_id integer primary key, plan integer)")
    attach(database, Profile("customer", key="customer_id", scores=[Score("churn", crossing=[0.5])]))
    publish(psql, "churn", ["plan"], [WEIGHT], BIAS)
    psql.execute("insert into customer values (1, 2), (2, 3)")
    with psql.cursor().copy("copy customer (customer_id, plan) from stdin") as copy:
        copy.write("3\t2\n4\t4\n")
    assert crossings(psql) == [(k, [0.5], "up", "first") for k in ("2", "4")]
    forget(psql)
    psql.execute("update customer set plan = plan + 1")
    assert crossings(psql) == [(k, [0.5], "up", "change") for k in ("1", "3")]
    psql.execute(
        "insert into customer values (4, -9), (5, 9) on conflict (customer_id) do update set plan = excluded.plan"
    )
    assert sorted(crossings(psql)[2:]) == [("4", [0.5], "down", "change"), ("5", [0.5], "up", "first")]
    forget(psql)
    # another key is another name of the same row; one that goes tells nothing, and one that comes again is new
    psql.execute("update customer set customer_id = 50 where customer_id = 5")
    psql.execute("delete from customer where customer_id = 50")
    assert crossings(psql) == []
    psql.execute("insert into customer values (50, 9)")
    assert crossings(psql) == [("50", [0.5], "up", "first")]


@shop
def test_many_rows_of_one_transaction_are_read_in_portions_each_once(psql: Session) -> None:
    start(psql)
    psql.execute("insert into customer (customer_id) select generate_series(1001, 3000)")
    psql.execute(
        "insert into complaint (customer_id, amount) select g, 5 from generate_series(1001, 3000) as g"
    )
    seen: list[str] = []
    while found := read(psql, batch=333):
        seen += [key for key, _ in found]
        done(psql, found[-1][1])
    assert sorted(seen, key=int) == [str(k) for k in range(1001, 3001)]
    # and many of one transaction that cross back are taken away one by one, by the index
    with psql.transaction():
        psql.execute(
            "insert into complaint (customer_id, amount) select g, -5 from generate_series(1001, 3000) as g"
        )
        psql.execute(
            "insert into complaint (customer_id, amount) select g, 5 from generate_series(1001, 2999) as g"
        )
    assert keys(psql) == ["3000"]


def fired(session: Session, statement: str, *values: Any) -> set[str]:
    """Triggers of crossings that a statement fires."""
    plan = session.execute(f"explain (analyze, costs off, timing off) {statement}", values).fetchall()
    return set(re.findall(r"Trigger (model_cross_\w+)", "\n".join(line for (line,) in plan)))


@pytest.mark.parametrize("table", ["plain", "partitioned"])
def test_an_update_of_a_column_that_no_score_depends_on_fires_nothing(fresh: Any, table: str) -> None:
    dsn = fresh(make_shop, table == "partitioned")
    with psycopg.connect(dsn, autocommit=True) as session:
        session.prepare_threshold = None
        quiet = "update customer set plan = 2"
        assert fired(session, quiet) == set()
        assert fired(session, "update customer_0 set plan = 3" if table == "partitioned" else quiet) == set()
        assert fired(session, "update customer set churn_stale = 'again' where customer_id = 1") == {
            "model_cross_churn"
        }
        # a version that reads the column has it heard, and what the guard or SCORE makes of the row is seen
        publish(session, "churn", ["level", "plan"], [WEIGHT, 1.0], BIAS)
        session.execute("call modelpack.rescore('customer')")
        forget(session)
        session.execute("update customer set plan = 9 where customer_id = 4")
        session.execute("update customer set plan = null where customer_id = 4")
        session.execute("update customer set plan = -9 where customer_id = 4")
        assert [(k, d) for k, _, d, _ in crossings(session)] == [("4", "up"), ("4", "down")]
        assert value(session, "select count(*) from modelpack.doctor() where status = 'fail'") == 0
        # a declaration that is applied again, with a feature more, has the column heard no less
        engine = make_engine(dsn)
        with engine.begin() as connection:
            apply(
                connection,
                Profile(
                    "customer",
                    key="customer_id",
                    events=[Event("complaint", features={"level": total("amount"), "n": count()})],
                    scores=[Score("churn", model="churn", crossing=BOUNDS)],
                ),
            )
        engine.dispose()
        forget(session)
        complain(session, 4, 30)
        assert [(k, d) for k, _, d, _ in crossings(session)] == [("4", "up")]
        session.execute("alter table customer add column note text")
        assert fired(session, "update customer set note = 'x'") == set()
        assert value(session, "select count(*) from modelpack.doctor() where status = 'fail'") == 0


@shop
def test_what_a_trigger_of_the_user_changes_without_naming_it_is_seen_to_cross(psql: Session) -> None:
    publish(psql, "churn", ["level", "plan"], [WEIGHT, 1.0], BIAS)
    psql.execute("update customer set plan = 0")
    psql.execute("alter table customer add column note text")
    forget(psql)
    psql.execute(
        """
        create function meddle() returns trigger language plpgsql as $$ begin new.plan := length(new.note); return new; end $$;
        create trigger a_meddle before update on customer for each row execute function meddle()
        """
    )
    psql.execute("update customer set note = 'eight...' where customer_id = 1")
    assert [(k, d) for k, _, d, _ in crossings(psql)] == [("1", "up")]
    psql.execute("alter table customer disable trigger model_cross_churn")
    psql.execute("select modelpack.listen('customer', every => true)")
    assert (
        value(psql, "select tgenabled::text from pg_trigger where tgname = 'model_cross_churn'") == "D"
    )  # as it was
    psql.execute("alter table customer enable trigger model_cross_churn")
    psql.execute("drop trigger a_meddle on customer; select modelpack.listen('customer')")
    assert fired(psql, "update customer set note = 'x' where customer_id = 2") == set()
    assert value(psql, "select count(*) from modelpack.doctor() where status = 'fail'") == 0


@shop
def test_a_column_that_the_trigger_of_crossings_names_goes_as_any_other(psql: Session) -> None:
    publish(psql, "churn", ["level", "plan"], [WEIGHT, 1.0], BIAS)
    publish(psql, "churn", ["level"], [WEIGHT], BIAS)
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        psql.execute("alter table customer drop column plan")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        psql.execute("alter table customer drop column plan cascade")
    with psql.transaction():
        psql.execute("select modelpack.listen('customer', every => true)")
        psql.execute("alter table customer drop column plan")
    complain(psql, 3, 5)
    assert crossings(psql)[-1][0] == "3"
    assert value(psql, "select count(*) from modelpack.doctor() where status = 'fail'") == 0


@shop
def test_a_row_that_had_no_score_for_a_while_in_a_transaction_is_told_by_where_it_ends(
    psql: Session, database: str
) -> None:
    engine = make_engine(database)
    with engine.begin() as connection:
        apply(connection, profile(on_error="null"))
    engine.dispose()
    forget(psql)
    for key, last in ((1, -9), (2, -1)):
        with psql.transaction():
            complain(psql, key, 5)
            psql.execute("select modelpack.disable('churn')")
            complain(psql, key, last)
            assert value(psql, "select churn from customer where customer_id = %s", key) is None
            psql.execute("select modelpack.enable('churn')")
            psql.execute("update customer set churn_stale = 'again' where customer_id = %s", [key])
    assert crossings(psql) == [("2", [0.3, 0.5], "up", "change")]


@shop
def test_a_reader_with_an_old_snapshot_reads_what_it_sees_and_later_the_rest(
    psql: Session, database: str
) -> None:
    start(psql)
    psql.execute("select modelpack.drop_follower('calls')")  # its session reads no more
    start(psql)
    with psycopg.connect(database) as reader, psycopg.connect(database) as late:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("select from customer limit 1")
        complain(late, 2, 5)
        complain(psql, 3, 5)
        late.commit()
        assert keys(reader) == []
        reader.commit()
        assert keys(reader) == ["2", "3"]


def test_two_scores_with_the_longest_names_cross_each_by_itself(psql: Session, database: str) -> None:
    psql.execute("create table customer (customer_id uuid primary key, plan integer)")
    names = ["s" * 44 + end for end in "ab"]
    attach(
        database,
        Profile(
            "customer",
            key="customer_id",
            scores=[
                Score(name, model="churn", crossing=[bound])
                for name, bound in zip(names, (0.5, 0.9), strict=True)
            ],
        ),
    )
    publish(psql, "churn", ["plan"], [WEIGHT], BIAS)
    key = "00000000-0000-4000-8000-00000000000a"
    psql.execute("insert into customer values (%s, 0)", [key])
    psql.execute("update customer set plan = 4")
    assert crossings(psql, "score, entity_key, bounds") == [(names[0], key, [0.5])]
    psql.execute("update customer set plan = 9")
    assert crossings(psql, "score, entity_key, bounds")[1:] == [(names[1], key, [0.9])]
    assert value(psql, "select count(*) from modelpack.doctor() where status = 'fail'") == 0


@shop
def test_a_transaction_keeps_the_cause_that_it_began_with(psql: Session) -> None:
    """A new yardstick and an event in one transaction: nobody can say which of them it was, whichever came first."""
    publish(psql, "churn", ["level"], [WEIGHT], BIAS + 3)
    with psql.transaction():
        psql.execute("update customer set churn_stale = 'again' where customer_id = 1")
        complain(psql, 1, 5)
    with psql.transaction():
        complain(psql, 100, 4)
        complain(psql, 100, 4)
    assert crossings(psql, "entity_key, cause") == [("1", "version"), ("100", "first")]


@shop
def test_a_follower_reads_neither_what_its_own_transaction_writes_nor_past_who_was_open_when_it_began(
    psql: Session, database: str, server: str
) -> None:
    with psycopg.connect(database) as early:
        complain(early, 1, 5)
        complain(psql, 3, 5)  # has a higher number
        start(psql)
        early.commit()
    assert keys(psql) == ["1", "3"]
    with psql.transaction():
        complain(psql, 2, 5)
        assert keys(psql) == ["1", "3"]
        with psycopg.connect(server) as elsewhere:  # ends with a number beyond that of the transaction here
            elsewhere.execute("select pg_current_xact_id()")
        assert keys(psql) == ["1", "3"]
    assert keys(psql) == ["1", "3", "2"]


@shop
def test_a_follower_loses_nothing_that_it_is_not_told_of(psql: Session) -> None:
    start(psql)
    publish(psql, "churn", ["level"], [WEIGHT], BIAS + 4)
    psql.execute("call modelpack.rescore('customer')")
    psql.execute("update modelpack.crossing set at = at - interval '40 days'")
    psql.execute("select * from modelpack.maintain()")
    assert crossings(psql) == []
    assert row(psql, "select lost, lost_at from modelpack.follower") == (0, None)
