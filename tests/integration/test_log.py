"""The prediction log: its partitions, the indexes that nobody who writes pays for, and a customer's history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from modelpack import Event, Profile, Score, count, total
from tests.support import Session, attach, publish, row, rows, value

LOG = """
insert into modelpack.prediction (scored_at, profile, entity_key, score, model, version, prediction, inputs)
select now() + %s::interval, 'public.customer', i %% %s, 'churn', 'churn', 1, 0.5, '{1,2,3,4,5,6,7,8}'
  from generate_series(1, %s) as i
"""
PARTITIONS = "select count(*) from pg_inherits where inhparent = 'modelpack.prediction'::regclass"
BTREES = "select tablename from pg_indexes where schemaname = 'modelpack' and indexdef like '%USING btree (entity_key, prediction_id)' order by 1"
"""Partitions that have a B-tree by customer."""


def log(session: Session, when: str, n: int = 1, customers: int = 1000) -> None:
    """`n` rows of the log that are older or younger than this moment by an interval."""
    session.execute(LOG, [when, customers, n])


def maintain(session: Session) -> dict[str, str]:
    return dict(rows(session, "select partition, action from modelpack.maintain()"))


def partition(days: int) -> str:
    """The partition of a day, so many days from today."""
    return f"prediction_{datetime.now(UTC) + timedelta(days=days):%Y%m%d}"


def test_maintain_makes_partitions_ahead_moves_stray_rows_and_drops_old_ones(psql: Session) -> None:
    log(psql, "0 days")
    made = value(psql, PARTITIONS)
    assert made == 16  # this day, fourteen ahead, and the default
    log(psql, "60 days")
    log(psql, "-40 days")
    assert value(psql, "select count(*) from modelpack.prediction_default") == 2
    assert maintain(psql) == {
        partition(-40): "made, 1 rows moved in, indexed",
        partition(60): "made, 1 rows moved in",
    }
    assert value(psql, "select count(*) from modelpack.prediction_default") == 0
    assert value(psql, PARTITIONS) == made + 2
    psql.execute("update modelpack.setting set value = '20 days' where name = 'log_retention'")
    assert maintain(psql) == {partition(-40): "dropped"}
    assert value(psql, "select count(*) from modelpack.prediction") == 2


def test_what_is_as_old_as_the_retention_says_is_kept_and_no_microsecond_more(psql: Session) -> None:
    psql.execute("set timezone = 'UTC'")  # a day has 24 hours
    log(psql, "-3 days")
    maintain(psql)
    since, upto = row(
        psql, "select since, upto from modelpack.log_partitions() where partition = %s", partition(-3)
    )
    oldest = "update modelpack.setting set value = (now() - (%s + %s))::text where name = 'log_retention'"
    for edge, microseconds, dropped in (
        (since, 0, False),
        (upto, -1, False),  # the last rows that it may have are from the microsecond before its end
        (upto, 0, True),
        (upto, 1, True),
    ):
        with psql.transaction(force_rollback=True):
            psql.execute(oldest, [edge, timedelta(microseconds=microseconds)])
            assert (maintain(psql).get(partition(-3)) == "dropped") is dropped
    # rows of the default partition: a day that has one to keep becomes a partition, what is older goes
    with psql.transaction(force_rollback=True):
        midnight = upto - timedelta(days=37)
        psql.execute(oldest, [midnight, timedelta()])
        for microseconds in (-1, 0):
            log(
                psql,
                value(psql, "select (%s - now())::text", midnight + timedelta(microseconds=microseconds)),
            )
        maintain(psql)
        kept = "select scored_at - %s from modelpack.prediction where scored_at < now() - interval '10 days' order by 1"
        assert rows(psql, kept, midnight) == [(timedelta(),)]
        assert value(psql, "select count(*) from modelpack.prediction_default") == 0


def test_failures_are_kept_for_as_long_as_failure_retention_says(psql: Session) -> None:
    publish(psql, "churn", ["visits"], [0.1])
    assert value(psql, "select value from modelpack.setting where name = 'failure_retention'") == "30 days"
    left = "select (now() - at)::text from modelpack.failure_log order by at"
    ages = ["30 days 00:00:00.000001", "30 days", "02:00:00.000001", "02:00:00"]
    with psql.transaction(force_rollback=True):
        psql.execute("set local timezone = 'UTC'")
        for age in ages:
            psql.execute(
                "insert into modelpack.failure_log (version_id, profile, kind, reason, failures, at)"
                " select version_id, 'public.customer', 'model', 'the model fails', 1, now() - %s::interval"
                " from modelpack.version",
                [age],
            )
        psql.execute("update modelpack.setting set value = '1 year' where name = 'log_retention'")
        maintain(psql)
        assert rows(psql, left) == [(age,) for age in ages[1:]]
        psql.execute("update modelpack.setting set value = '2 hours' where name = 'failure_retention'")
        maintain(psql)
        assert rows(psql, left) == [("02:00:00",)]


def test_a_changed_length_of_partitions_holds_for_those_that_do_not_exist_yet(psql: Session) -> None:
    for days in (7, 1, 3):
        psql.execute("update modelpack.setting set value = %s where name = 'log_partition_days'", [days])
        assert set(maintain(psql).values()) <= {"made"}
    until = value(psql, "select max(upto) - now() from modelpack.log_partitions()")
    for day in range(until.days):
        log(psql, f"{day} days")
    assert value(psql, "select count(*) from modelpack.prediction_default") == 0
    assert until.days >= 14 * 7


def test_a_partition_gets_its_b_tree_when_nobody_writes_there_any_more(psql: Session) -> None:
    log(psql, "-3 days")
    log(psql, "0 days")
    maintain(psql)
    assert rows(psql, BTREES) == [(partition(-3),)]
    assert maintain(psql) == {}
    psql.execute(f"drop index modelpack.{partition(-3)}_by_key")
    assert maintain(psql) == {partition(-3): "indexed"}
    assert rows(psql, BTREES) == [(partition(-3),)]


def test_a_b_tree_of_ones_own_serves_as_well(psql: Session) -> None:
    psql.execute("create index on modelpack.prediction (entity_key, prediction_id)")
    log(psql, "-3 days")
    assert maintain(psql) == {partition(-3): "made, 1 rows moved in"}
    assert value(psql, "select count(*) from pg_indexes where tablename = %s", partition(-3)) == 3
    psql.execute("drop index modelpack.prediction_entity_idx")
    log(psql, "-4 days")
    assert maintain(psql) == {partition(-4): "made, 1 rows moved in"}


@pytest.fixture
def writer(psql: Session, database: str) -> Iterator[Session]:
    """A transaction that has written into a partition of three days ago, which has no B-tree, and is still open."""
    log(psql, "-3 days")
    maintain(psql)
    psql.execute(f"drop index modelpack.{partition(-3)}_by_key")
    with psycopg.connect(database) as writer:
        log(writer, "-3 days")
        yield writer


def test_a_partition_that_somebody_still_writes_is_left_to_the_next_run(
    psql: Session, writer: Session
) -> None:
    assert maintain(psql) == {
        partition(-3): "not indexed: a transaction that wrote into it is still open; the next run will do it"
    }
    writer.commit()
    assert maintain(psql) == {partition(-3): "indexed"}


def test_an_old_partition_is_not_dropped_while_somebody_uses_the_log(psql: Session, writer: Session) -> None:
    psql.execute("update modelpack.setting set value = '1 day' where name = 'log_retention'")
    assert maintain(psql) == {
        partition(-3): "not dropped: transactions that use the log are still open; the next run will do it"
    }
    writer.rollback()
    assert maintain(psql) == {partition(-3): "dropped"}


def test_events_do_not_wait_for_those_who_read_an_old_partition(psql: Session, database: str) -> None:
    for days in (-5, -4, -3):
        log(psql, f"{days} days")
    maintain(psql)
    psql.execute("update modelpack.setting set value = '1 day' where name = 'log_retention'")
    with psycopg.connect(database) as reader:
        reader.execute(f"select from modelpack.{partition(-5)}, modelpack.{partition(-4)}")
        psql.execute("set statement_timeout = '1900 ms'")  # while the log is locked nothing may be waited for
        kept = "not dropped: transactions that use the log are still open; the next run will do it"
        assert maintain(psql) == {partition(-5): kept, partition(-4): kept, partition(-3): "dropped"}
    assert maintain(psql) == {partition(-5): "dropped", partition(-4): "dropped"}


def test_a_partition_on_which_something_depends_is_kept_and_keeps_nothing_else_up(psql: Session) -> None:
    for days in (-5, -4):
        log(psql, f"{days} days")
    maintain(psql)
    psql.execute(f"create view june as select * from modelpack.{partition(-5)}")
    psql.execute("update modelpack.setting set value = '1 day' where name = 'log_retention'")
    psql.execute(f"drop table modelpack.{partition(14)}")
    done = maintain(psql)
    assert "view public.june, of postgres" in done.pop(partition(-5))
    assert done == {partition(-4): "dropped", partition(14): "made"}


def test_the_first_rows_of_a_partition_write_no_filter(psql: Session) -> None:
    log(psql, "0 days")
    log(psql, "60 days")
    for name in (partition(0), "prediction_default"):
        # 1: nothing had summarised the pages of these rows; the index itself would have, when it was made
        assert value(psql, f"select brin_summarize_range('modelpack.{name}_entity_key_idx', 0)") == 1


def test_filters_are_made_for_full_pages_and_not_for_those_in_hand(psql: Session) -> None:
    log(psql, "0 days", 10_000)
    pages = value(psql, "select pg_relation_size(%s) / 8192", f"modelpack.{partition(0)}")
    assert pages > 64
    assert maintain(psql) == {partition(0): f"{pages // 32} ranges of 32 pages summarised"}
    assert maintain(psql) == {}
    last = f"select brin_summarize_range('modelpack.{partition(0)}_entity_key_idx', %s)"
    assert value(psql, last, pages // 32 * 32) == 1


def test_vacuum_makes_filters_steadily_in_every_partition(psql: Session) -> None:
    log(psql, "60 days")
    maintain(psql)
    steady = {"autovacuum_vacuum_insert_scale_factor=0", "autovacuum_vacuum_insert_threshold=50000"}
    found = rows(
        psql, "select relname, reloptions from pg_class where relname ~ '^prediction_(default|[0-9]+)$'"
    )
    assert len(found) == 17
    assert [name for name, options in found if set(options) != steady] == []


SHOP = """
create schema "Shop";
create table "Shop"."Kunde" (region text, no bigint, primary key (region, no));
create table "Shop".order (region text not null, no bigint not null, at timestamptz not null default now(), amount numeric);
"""


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("timestamptz", "2026-02-01 03:04:05.123456+00"),
        ("date", "2026-02-01"),
        ("interval", "1 day 02:00:00"),
        ("bytea", r"\x00ff41"),
        ("double precision", "0.1234567890123456"),
    ],
)
def test_the_log_calls_a_customer_the_same_whoever_wrote(
    database: str, psql: Session, kind: str, key: str
) -> None:
    psql.execute(
        f"create table customer (id {kind} primary key, plan integer);"
        f"create table visit (id {kind}, at timestamptz default now());"
    )
    publish(psql, "churn", ["visits", "plan"], [0.1, 0.1])
    event = Event("visit", at="at", features={"visits": count()})
    attach(database, Profile("customer", key="id", events=[event], scores=[Score("churn")]))
    for settings in (
        "set datestyle = 'German'; set intervalstyle = 'iso_8601'; set bytea_output = 'escape'",
        "set datestyle = 'SQL, DMY'; set timezone = 'Asia/Tokyo'; set extra_float_digits = -3",
        "set intervalstyle = 'sql_standard'",
        "reset all",
    ):
        with psycopg.connect(database, autocommit=True) as writer:
            writer.execute(settings)
            for statement in (
                "delete from customer",
                f"insert into customer values ('{key}', 1)",
                f"insert into visit values ('{key}')",
                "update customer set plan = plan + 1",
                "call modelpack.rescore('customer', everything => true)",
            ):
                writer.execute(statement)
    assert rows(psql, "select entity_key, count(*) from modelpack.prediction group by 1") == [(key, 16)]


def test_the_history_of_a_customer_has_all_scores_and_no_other_customer_newest_first(
    database: str, psql: Session
) -> None:
    psql.execute(SHOP)
    publish(psql, "churn", ["orders"], [0.1])
    publish(psql, "worth", ["spend"], [0.01])
    event = Event(
        "Shop.order", key=["region", "no"], at="at", features={"orders": count(), "spend": total("amount")}
    )
    attach(
        database,
        Profile("Shop.Kunde", key=["region", "no"], events=[event], scores=[Score("churn"), Score("worth")]),
    )
    for amount in (10, 20, 30):
        for region, no in (("eu", 7), ("us", 7), ('"', 8)):
            psql.execute('insert into "Shop".order values (%s, %s, now(), %s)', [region, no, amount])
    history = 'select score, inputs[1] from modelpack.history(\'"Shop"."Kunde"\', jsonb_build_array(%s::text, %s)::text)'
    newest_first = [
        [("churn", 3.0), ("worth", 60.0)],
        [("churn", 2.0), ("worth", 30.0)],
        [("churn", 1.0), ("worth", 10.0)],
    ]
    for region, no in (("eu", 7), ('"', 8)):
        found = rows(psql, history, region, no)
        assert [sorted(found[n : n + 2]) for n in (0, 2, 4)] == newest_first
    assert rows(psql, history, "eu", 8) == []
    numbers = rows(
        psql,
        'select prediction_id from modelpack.history(\'"Shop"."Kunde"\', \'["eu", 7]\')',
    )
    assert len(numbers) == 6
    assert numbers == sorted(numbers, reverse=True)
    spaced = rows(psql, 'select prediction_id from modelpack.history(\'"Shop"."Kunde"\', \'[ "eu",7]\')')
    assert spaced == numbers
    with pytest.raises(psycopg.errors.InvalidTextRepresentation, match="json"):
        rows(psql, "select from modelpack.history('\"Shop\".\"Kunde\"', 'eu,7')")
    with pytest.raises(psycopg.errors.UndefinedObject, match=r'"Shop"\."order" has no declaration'):
        rows(psql, "select * from modelpack.history('\"Shop\".order', '1')")


@pytest.fixture
def customers(database: str, psql: Session) -> Session:
    """A profile without an event: its log is written by the tests."""
    psql.execute(
        "create table customer (customer_id bigint primary key); create table visit (customer_id bigint)"
    )
    attach(database, Profile("customer", key="customer_id", events=[Event("visit", features={"n": count()})]))
    return psql


def test_a_history_may_begin_and_end(customers: Session) -> None:
    for days in (1, 2, 3):
        log(customers, f"-{days} days", 3, customers=3)
    maintain(customers)
    log(customers, "0 days", 3, customers=3)
    found = "select round(extract(epoch from now() - scored_at) / 86400) from modelpack.history('customer', '1'{})"
    for more, ages in (
        ("", [0, 1, 2, 3]),
        (", now() - interval '36 hours'", [0, 1]),
        (", until => now() - interval '36 hours'", [2, 3]),
        (", now() - interval '60 hours', now() - interval '12 hours'", [1, 2]),
    ):
        in_order = [int(age) for (age,) in rows(customers, found.format(more))]
        assert in_order == sorted(ages, key=lambda age: (age != 0, -age)), (
            more
        )  # as they were written: 3 days ago last


def test_a_history_is_read_by_indexes_and_looks_at_few_pages(customers: Session) -> None:
    for when in ("-3 days", "-2 days", "0 days"):
        log(customers, when, 20_000, customers=5000)
    maintain(customers)
    customers.execute("vacuum modelpack.prediction_default")  # of the rows that were moved
    history = "select * from modelpack.history('customer', '4711')"
    plans: list[str] = []
    customers.add_notice_handler(lambda said: plans.append(said.message_primary or ""))
    customers.execute(
        "load 'auto_explain'; set auto_explain.log_min_duration = 0; set auto_explain.log_nested_statements = on;"
        " set auto_explain.log_level = notice"
    )
    for _ in range(7):  # the plan of a session is another one from the sixth time on
        assert len(rows(customers, history)) == 12
        plan = next(p for p in reversed(plans) if "from modelpack.prediction" in p)
        assert "Seq Scan" not in plan
        assert f"{partition(-3)}_by_key" in plan
        assert f"{partition(-2)}_by_key" in plan
        assert f"Bitmap Index Scan on {partition(0)}_entity_key_idx" in plan
    customers.execute("set auto_explain.log_min_duration = -1")
    seen = value(customers, f"explain (analyze, buffers, format json) {history}")[0]["Plan"]
    pages = value(
        customers, "select sum(pg_relation_size(relid)) / 8192 from pg_partition_tree('modelpack.prediction')"
    )
    # of today's partition the range of 32 pages that holds the rows, beside it the pages that are not full
    assert seen["Shared Hit Blocks"] + seen["Shared Read Blocks"] < pages / 4
