"""Partitioned event tables: whatever way rows come in, and whatever happens to partitions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from modelpack import Event, Profile, Score, count, decayed, distinct, last, maximum, total
from modelpack.connection import make_engine
from modelpack.install import repair
from tests.support import Session, attach, linear_score, publish, row, rows, value, wrong

TABLES = """
create table customer (customer_id bigint primary key);
create table purchase (customer_id bigint, at timestamptz, amount numeric, sku text) partition by range (at);
create table purchase_2023 partition of purchase for values from ('2023-01-01') to ('2024-01-01');
create table purchase_2024 partition of purchase for values from ('2024-01-01') to ('2025-01-01');
insert into purchase values (1, '2023-05-01', 5, 'a'), (2, '2024-05-01', 6, 'b');
"""
ATTACH = "alter table purchase attach partition %s for values from ('2025-01-01') to ('2026-01-01')"
ALONE = """
create table %s (sku text, gone integer, amount numeric, at timestamptz, customer_id bigint);
alter table %s drop column gone;
insert into %s (customer_id, at, amount, sku) values (1, '2025-05-01', 7, 'c'), (3, '2025-06-01', 8, 'd');
"""
FEATURES = {
    "n": count(), "spend": total("amount"), "dearest": maximum("amount"), "last_sku": last("sku"), "skus": distinct("sku"),
    "lately": count(window="365000 days"), "heat": decayed(half_life="300 days"),
}  # fmt: skip
KEPT = {name: FEATURES[name] for name in ("n", "spend", "dearest", "last_sku", "lately")}


@pytest.fixture
def shop(database: str, psql: Session) -> Callable[..., Session]:
    def make(features: Any = FEATURES, scores: tuple[Score, ...] = (), **event: Any) -> Session:
        psql.execute(TABLES)
        purchase = Event("purchase", at="at", features=features, **event)
        attach(database, Profile("customer", key="customer_id", events=[purchase], scores=scores))
        return psql

    return make


def counted(session: Session) -> list[tuple[Any, ...]]:
    assert wrong(session) == []
    return rows(session, "select customer_id, n, spend, dearest, last_sku from customer order by 1")


def stand_alone(session: Session, name: str = "purchase_2025") -> None:
    session.execute(ALONE % (name, name, name))


def test_rows_through_the_parent_and_straight_into_a_partition(shop: Callable[..., Session]) -> None:
    session = shop()
    session.execute("insert into purchase values (1, '2024-06-01', 1, 'c'), (3, '2023-06-01', 2, 'd')")
    session.execute("insert into purchase_2024 values (1, '2024-07-01', 3, 'e'), (3, '2024-06-01', 4, 'f')")
    session.execute("insert into purchase_2023 values (3, '2023-07-01', 3, 'g')")
    with session.cursor().copy("copy purchase_2024 from stdin") as copy:
        copy.write_row((2, "2024-08-01", 9, "h"))
    assert counted(session) == [(1, 3, 9, 5, "e"), (2, 2, 15, 9, "h"), (3, 3, 9, 4, "f")]
    session.execute("update purchase_2024 set amount = amount + 1, customer_id = 2 where sku = 'e'")
    session.execute(
        "update purchase set at = at - interval '1 year' where sku = 'h'"
    )  # to the other partition
    session.execute("delete from purchase_2023 where sku = 'g'")
    assert counted(session) == [(1, 2, 6, 5, "c"), (2, 3, 19, 9, "e"), (3, 2, 6, 4, "f")]
    session.execute("truncate purchase_2023")
    assert counted(session) == [(1, 1, 1, 1, "c"), (2, 2, 10, 6, "e"), (3, 1, 4, 4, "f")]
    session.execute("truncate purchase")
    assert value(session, "select sum(n) from customer") == 0
    assert wrong(session) == []


def test_a_partition_created_later_is_covered(shop: Callable[..., Session]) -> None:
    session = shop()
    session.execute(
        "create table purchase_2025 partition of purchase for values from ('2025-01-01') to ('2026-01-01')"
    )
    session.execute("insert into purchase_2025 values (1, '2025-06-01', 1, 'z')")
    session.execute("insert into purchase values (4, '2025-06-01', 1, 'z')")
    assert counted(session) == [(1, 2, 6, 5, "z"), (2, 1, 6, 6, "b"), (4, 1, 1, 1, "z")]


def test_a_partition_that_is_attached_counts_as_an_insert_and_detached_as_a_delete(
    shop: Callable[..., Session],
) -> None:
    session = shop()
    stand_alone(session)
    before = [(1, 1, 5, 5, "a"), (2, 1, 6, 6, "b")]
    assert counted(session) == before
    session.execute(ATTACH % "purchase_2025")
    assert counted(session) == [(1, 2, 12, 7, "c"), (2, 1, 6, 6, "b"), (3, 1, 8, 8, "d")]
    session.execute("insert into purchase_2025 (customer_id, at, amount) values (2, '2025-07-01', 1)")
    assert counted(session)[1] == (2, 2, 7, 6, "b")
    session.execute("alter table purchase detach partition purchase_2025")
    assert counted(session) == [*before, (3, 0, 0, None, None)]
    session.execute(
        "insert into purchase_2025 (customer_id, at) values (1, '2025-07-01')"
    )  # nobody's business
    session.execute("drop table purchase_2025")
    assert counted(session) == [*before, (3, 0, 0, None, None)]


def test_partitions_that_come_and_go_leave_tables_without_partitions_counted_as_before(
    database: str, psql: Session
) -> None:
    psql.execute(
        TABLES
        + "create table call (customer_id bigint, at timestamptz); create table elsewhere (n integer) partition by list (n)"
    )
    features = {"calls": count(), "calls_lately": count(window="365000 days")}
    events = [Event("purchase", at="at", features={"n": count()}), Event("call", at="at", features=features)]
    attach(database, Profile("customer", key="customer_id", events=events))
    stand_alone(psql)
    changes = (
        "create table elsewhere_1 partition of elsewhere for values in (1)",
        "create table purchase_2026 partition of purchase for values from ('2026-01-01') to ('2027-01-01')",
        ATTACH % "purchase_2025",
        "alter table purchase detach partition purchase_2025",
        "drop table purchase_2026",
    )
    for calls, change in enumerate(changes, 1):
        psql.execute(change)
        psql.execute("insert into call values (1, '2024-05-01')")
        assert row(psql, "select calls, calls_lately from customer where customer_id = 1") == (
            calls,
            calls,
        ), change
    assert wrong(psql) == []


def test_a_partition_that_is_detached_concurrently(shop: Callable[..., Session]) -> None:
    session = shop()
    session.execute("alter table purchase detach partition purchase_2024 concurrently")
    assert counted(session) == [(1, 1, 5, 5, "a"), (2, 0, 0, None, None)]


def test_a_dropped_partition_takes_its_events_along(shop: Callable[..., Session]) -> None:
    session = shop()
    session.execute("drop table purchase_2024")
    assert counted(session) == [(1, 1, 5, 5, "a"), (2, 0, 0, None, None)]
    with session.transaction(force_rollback=True):
        session.execute("drop table purchase_2023")
        assert value(session, "select sum(n) from customer") == 0
    assert counted(session)[0] == (1, 1, 5, 5, "a")


@pytest.mark.parametrize("how", ["detach", "drop", "delete"])
def test_retention_with_keep_leaves_lifetime_features(shop: Callable[..., Session], how: str) -> None:
    session = shop(KEPT, on_delete="keep")
    session.execute(
        {
            "detach": "alter table purchase detach partition purchase_2023",
            "drop": "drop table purchase_2023",
            "delete": "delete from purchase_2023",
        }[how]
    )
    assert counted(session) == [(1, 1, 5, 5, "a"), (2, 1, 6, 6, "b")]
    assert rows(session, "select lately from customer order by customer_id") == [(0,), (1,)]
    stand_alone(session)
    session.execute(ATTACH % "purchase_2025")
    assert counted(session) == [(1, 2, 12, 7, "c"), (2, 1, 6, 6, "b"), (3, 1, 8, 8, "d")]


def test_partitions_of_partitions(shop: Callable[..., Session]) -> None:
    session = shop()
    session.execute(
        """
        create table deep (sku text, customer_id bigint, at timestamptz, amount numeric) partition by hash (customer_id);
        create table deep_0 partition of deep for values with (modulus 2, remainder 0);
        create table deep_1 partition of deep for values with (modulus 2, remainder 1);
        insert into deep select 's', n % 3, '2025-05-05', n from generate_series(1, 9) as n;
        """
    )
    session.execute(ATTACH % "deep")
    assert [r[:3] for r in counted(session)] == [(0, 3, 18), (1, 4, 17), (2, 4, 21)]
    for table in ("deep", "purchase"):
        session.execute(f"insert into {table} (customer_id, at, amount) values (1, '2025-05-05', 1)")
    leaf = value(session, "select tableoid::regclass::text from purchase where amount = 1 limit 1")
    session.execute(f"insert into {leaf} (customer_id, at, amount) values (1, '2025-05-05', 1)")
    assert counted(session)[1][:3] == (1, 7, 20)
    session.execute("alter table purchase detach partition deep")
    assert [r[:3] for r in counted(session)] == [(0, 0, 0), (1, 1, 5), (2, 1, 6)]


def test_attach_in_a_transaction_that_is_rolled_back(shop: Callable[..., Session]) -> None:
    session = shop()
    stand_alone(session)
    before = counted(session)
    with session.transaction(force_rollback=True):
        session.execute(ATTACH % "purchase_2025")
        session.execute("insert into purchase_2025 (customer_id, at) values (1, '2025-07-01')")
        assert value(session, "select n from customer where customer_id = 1") == 3
    assert counted(session) == before
    session.execute("insert into purchase_2025 (customer_id, at) values (1, '2025-07-01')")
    assert counted(session) == before


def test_attach_refuses_unknown_customers_where_the_event_does(shop: Callable[..., Session]) -> None:
    session = shop(missing="ignore")
    session.execute("insert into customer values (1)")
    stand_alone(session)
    session.execute(ATTACH % "purchase_2025")
    assert counted(session) == [(1, 2, 12, 7, "c")]


def test_attach_of_rows_refuses_an_old_snapshot(shop: Callable[..., Session]) -> None:
    session = shop()
    stand_alone(session)
    repeatable = "set transaction isolation level repeatable read"
    with session.transaction(force_rollback=True):
        session.execute(repeatable)
        with pytest.raises(psycopg.errors.FeatureNotSupported, match=r"joins public\.purchase"):
            session.execute(ATTACH % "purchase_2025")
    with session.transaction():
        session.execute(repeatable)
        session.execute(
            "create table later partition of purchase for values from ('2027-01-01') to ('2028-01-01')"
        )
    assert [r[0] for r in counted(session)] == [1, 2]


def test_a_role_that_knows_nothing_of_modelpack_manages_partitions(shop: Callable[..., Session]) -> None:
    session = shop()
    role = f"janitor_{session.info.dbname}"
    session.execute(f"create role {role}")
    try:
        session.execute(f"alter table purchase owner to {role}; grant create on schema public to {role}")
        session.execute(f"set role {role}")
        stand_alone(session)
        session.execute(ATTACH % "purchase_2025")
        session.execute("insert into purchase_2025 (customer_id, at, amount) values (1, '2025-07-01', 1)")
        session.execute("alter table purchase detach partition purchase_2025")
        session.execute("reset role")
        assert [r[:3] for r in counted(session)] == [(1, 1, 5), (2, 1, 6), (3, 0, 0)]
    finally:
        session.execute(
            f"reset role; reassign owned by {role} to current_user; drop owned by {role}; drop role {role}"
        )


def test_other_tables_and_partitions_are_left_alone(shop: Callable[..., Session]) -> None:
    session = shop()
    session.execute(
        """
        create table other (n integer) partition by list (n);
        create table other_1 partition of other for values in (1);
        create table other_2 (n integer);
        alter table other attach partition other_2 for values in (2);
        alter table other detach partition other_1;
        drop table other_1, other;
        create temporary table modelpack_partition (n integer);
        """
    )
    stand_alone(session)
    session.execute("alter table purchase detach partition purchase_2023")
    assert value(session, "select count(*) from pg_trigger where tgrelid = 'purchase_2025'::regclass") == 0


def test_detaching_the_declaration_takes_the_triggers_off_all_partitions(
    shop: Callable[..., Session],
) -> None:
    session = shop()
    session.execute("select modelpack.detach('public.customer')")
    query = (
        "select count(*) from pg_trigger where not tgisinternal and tgrelid::regclass::text like 'purchase%'"
    )
    assert value(session, query) == 0
    session.execute("alter table purchase detach partition purchase_2023")


def test_a_partitioned_profile_logs_each_score_also_of_rows_put_straight_into_a_partition(
    database: str,
) -> None:
    from tests.support import publish

    with psycopg.connect(database, autocommit=True) as session:
        session.execute(
            """
            create table customer (customer_id bigint primary key) partition by range (customer_id);
            create table customer_0 partition of customer for values from (0) to (10);
            create table purchase (customer_id bigint);
            """
        )
        publish(session, "risk", ["n"], [1.0])
        attach(
            database,
            Profile(
                "customer",
                key="customer_id",
                events=[Event("purchase", features={"n": count()})],
                scores=[Score("risk")],
            ),
        )
        session.execute("create table customer_1 partition of customer for values from (10) to (20)")
        session.execute("insert into customer_0 values (1)")
        session.execute("insert into customer_1 values (11)")
        session.execute("insert into customer values (2), (12)")
        assert value(session, "select count(*) from modelpack.prediction") == 4
        session.execute("insert into purchase values (1), (12), (13)")
        assert value(session, "select count(*) from modelpack.prediction") == 7
        assert wrong(session) == []


PROFILES = """
create table customer (customer_id bigint, region text default 'n', plan text, primary key (customer_id, region)) partition by list (region);
create table customer_n partition of customer for values in ('n');
create table customer_s partition of customer for values in ('s', 'e') partition by hash (customer_id);
create table customer_s0 partition of customer_s for values with (modulus 2, remainder 0);
create table customer_s1 partition of customer_s for values with (modulus 2, remainder 1);
create table purchase (customer_id bigint, region text default 'n', at timestamptz default now(), amount numeric);
"""


def test_a_profile_row_that_moves_to_another_partition_is_scored_and_logged_once(
    database: str, psql: Session
) -> None:
    psql.execute(PROFILES)
    features = {"n": count(), "spend": total("amount")}
    attach(
        database,
        Profile(
            "customer",
            key=["customer_id", "region"],
            events=[Event("purchase", at="at", features=features)],
            scores=[Score("churn")],
        ),
    )
    publish(psql, "churn", ["n"], [0.5])
    psql.execute("insert into purchase (customer_id, amount) values (1, 2), (1, 3), (2, 7)")
    psql.execute("insert into purchase (customer_id, region, amount) values (1, 's', 11)")
    psql.execute("delete from customer where region = 's'")
    keys = "select entity_key::jsonb, inputs[1] from modelpack.prediction where prediction_id > %s order by prediction_id"
    newest = "select max(prediction_id) from modelpack.prediction"
    for region, n in [("s", 1), ("e", 0), ("n", 2), ("s", 1)]:  # to another partition, within one, back
        since = value(psql, newest)
        psql.execute("update customer set region = %s, plan = 'x' where customer_id = 1", [region])
        assert rows(psql, keys, since) == [([1, region], n)]
        stored = rows(psql, "select n, region, plan, churn, churn_stale from customer where customer_id = 1")
        assert stored == [(n, region, "x", pytest.approx(linear_score([0.5], 0, [n]), abs=1e-6), None)]
        assert wrong(psql) == []
    since = value(psql, newest)
    psql.execute(
        "update customer set customer_id = customer_id + 10"
    )  # from one hash partition to the other, some of them
    assert sorted(rows(psql, keys, since)) == [([11, "s"], 0), ([12, "n"], 0)]
    since = value(psql, newest)
    psql.execute("update customer set plan = 'y'")
    assert rows(psql, keys, since) == []


@pytest.mark.parametrize("partitioned", [True, False])
def test_a_key_is_not_changed_where_features_outlive_their_events(
    database: str, psql: Session, partitioned: bool
) -> None:
    tables = (
        PROFILES
        if partitioned
        else re.sub(r"create table \w+ partition of .*|partition by list \(region\)", "", PROFILES)
    )
    psql.execute(tables)
    features = {"n": count(), "spend": total("amount")}
    attach(
        database,
        Profile(
            "customer",
            key=["customer_id", "region"],
            events=[Event("purchase", at="at", features=features, on_delete="keep")],
        ),
    )
    psql.execute("insert into purchase (customer_id, amount) values (1, 2), (1, 3)")
    psql.execute("delete from purchase where amount = 2")
    for change in ("region = 's'", "customer_id = 7", "region = 's', customer_id = 7"):
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="would lose n, spend") as refused:
            psql.execute(f"update customer set {change}")
        assert "Insert a row with the new key" in (refused.value.diag.message_hint or "")
    psql.execute("update customer set region = 'n', plan = 'x'")
    assert rows(psql, "select customer_id, region, n, spend from customer") == [(1, "n", 2, 5)]
    # what the hint says
    psql.execute("insert into customer (customer_id, region) values (7, 's')")
    psql.execute(
        "update customer as p set n = q.n, spend = q.spend from customer as q where p.customer_id = 7 and q.customer_id = 1"
    )
    psql.execute("delete from customer where customer_id = 1")
    psql.execute("insert into purchase (customer_id, region, amount) values (7, 's', 10)")
    assert rows(psql, "select customer_id, region, n, spend from customer") == [(7, "s", 3, 15)]


# --- rows that MERGE moves ---------------------------------------------------------------------------------------

PARTITIONED = {
    "list": "partition by list (s); create table ea partition of e for values in ('a'); create table eb partition of e for values in ('b')",
    "expression": "partition by list (lower(s)); create table ea partition of e for values in ('a'); create table eb partition of e for values in ('b')",
    "another order of columns": "partition by list (s); create table ea partition of e for values in ('a');"
    " create table eb (s text, amount numeric, k bigint, id bigint); alter table e attach partition eb for values in ('b')",
    "two levels": "partition by range (id); create table e1 partition of e for values from (0) to (100) partition by list (s);"
    " create table ea partition of e1 for values in ('a'); create table eb partition of e1 for values in ('b')",
}
MOVING = {
    "alone": "when matched then update set s = 'b', k = 2",
    "with an insert": "when matched then update set s = 'b', amount = 11 when not matched then insert values (v.id, v.id, 3, 'a')",
    "with a delete": "when matched and v.id = 1 then update set s = 'b' when matched then delete",
}
STAYING = {
    "amount": "when matched then update set amount = 12",
    "key": "when matched then update set k = 2, s = s",
    "all three": "when matched and v.id = 1 then update set amount = 11 when matched then delete"
    " when not matched then insert values (v.id, v.id, 3, 'b')",
}
MERGE = "merge into e using (values (1), (2), (7)) as v (id) on e.id = v.id "


@pytest.mark.parametrize("partitions", PARTITIONED)
def test_a_merge_that_moves_a_row_is_refused_and_any_other_is_followed(
    database: str, psql: Session, partitions: str
) -> None:
    if psql.info.server_version < 150000:
        pytest.skip("MERGE comes with PostgreSQL 15")
    psql.execute(
        f"create table customer (k bigint primary key); create table e (id bigint, k bigint, amount numeric, s text) {PARTITIONED[partitions]}"
    )
    attach(
        database,
        Profile("customer", key="k", events=[Event("e", features={"n": count(), "spend": total("amount")})]),
    )

    def holds() -> None:
        assert wrong(psql) == []
        truth = "select k, count(*), sum(amount) from e group by k order by k"
        assert rows(psql, "select k, n, spend from customer where n > 0 order by k") == rows(psql, truth)

    def begin() -> None:
        psql.execute("truncate e; insert into e values (1, 1, 10, 'a'), (2, 1, 20, 'a'), (3, 1, 30, 'b')")

    for how in MOVING.values():
        begin()
        with pytest.raises(
            psycopg.errors.FeatureNotSupported, match=r"MERGE has moved rows of public\.e"
        ) as refused:
            psql.execute(MERGE + how)
        assert "UPDATE" in (refused.value.diag.message_hint or "")
        holds()
    for how in STAYING.values():
        begin()
        psql.execute(MERGE + how)
        holds()
    for statement in (
        "update e set s = 'b', k = 2 where id = 1",
        "update e set s = case s when 'a' then 'b' else 'a' end, amount = amount + 1",
        "update e set s = upper(s) where false",
        "delete from e where id = 2",
        "with gone as (delete from e where id = 3 returning *) insert into e select id, 2, amount, 'a' from gone",
    ):
        begin()
        psql.execute("begin")
        psql.execute(statement)
        psql.execute(statement)
        psql.execute("commit")
        holds()
    # what was refused leaves nothing behind in its transaction
    begin()
    psql.execute("begin; savepoint a")
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        psql.execute(MERGE + MOVING["alone"])
    psql.execute("rollback to a; update e set amount = 99 where id = 1; commit")
    holds()


def test_after_a_repair_whoever_makes_a_partition_makes_its_triggers(
    database: str, psql: Session, new_role: Callable[..., str]
) -> None:
    """PUBLIC may run what notes moved rows, which the doctor knows, and nothing else."""
    owner = new_role()
    psql.execute(
        "create table customer (k bigint primary key); create table e (id bigint, k bigint, s text) partition by list (s);"
        f"create table ea partition of e for values in ('a'); alter table e owner to {owner}; alter table customer owner to {owner};"
        f"grant create on schema public to {owner}"
    )
    attach(database, Profile("customer", key="k", events=[Event("e", features={"n": count()})]))
    anybody = (
        "select array_agg(p.proname::text) from pg_proc as p where p.pronamespace = 'modelpack'::regnamespace"
        " and has_function_privilege('public', p.oid, 'execute')"
    )
    engine = make_engine(database)
    for partition in ("eb", "ec"):
        assert value(psql, anybody) == ["customer_count_e_move"]
        assert rows(psql, "select * from modelpack.doctor() where found like 'PUBLIC%'") == []
        psql.execute(
            f"set role {owner}; create table {partition} partition of e for values in ('{partition}'); reset role"
        )
        with engine.begin() as connection:
            repair(connection)
    engine.dispose()
    psql.execute("insert into eb values (1, 1, 'eb')")
    assert wrong(psql) == []
