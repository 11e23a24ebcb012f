"""verify names what is wrong, rebuild mends just that, refresh moves windows on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta

import psycopg
import pytest

from modelpack import Event, Profile, Score, count, decayed, distinct, last, maximum, mean, total
from tests.support import Session, attach, linear_score, publish, row, rows, value, wrong

TABLES = """
create table customer (customer_id bigint primary key, plan text);
create table purchase (customer_id bigint, at timestamptz default clock_timestamp(), amount numeric, sku text);
insert into purchase select n % 100, now() - n * interval '1 hour', n, 's' || n % 7 from generate_series(1, 500) as n;
"""
PROFILE = Profile(
    "customer",
    key="customer_id",
    events=[
        Event(
            "purchase",
            at="at",
            features={
                "n": count(), "n_1h": count(window="1 hour"), "spend": total("amount"), "basket": mean("amount"),
                "dearest": maximum("amount"), "last_sku": last("sku"), "skus": distinct("sku"), "heat": decayed(half_life="7 days"),
            },
        )
    ],
    scores=[Score("churn")],
)  # fmt: skip


def make_shop(dsn: str, more: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(TABLES + more)
        publish(session, "churn", ["n", "n_1h"], [0.1, 1.0])
    attach(dsn, PROFILE)


@pytest.fixture
def shop(fresh: Callable[..., str]) -> Iterator[Callable[..., Session]]:
    with ExitStack() as left:
        yield lambda more="": left.enter_context(psycopg.connect(fresh(make_shop, more), autocommit=True))


def behind_the_triggers(session: Session, *statements: str) -> None:
    """As a superuser who has switched the triggers off."""
    with session.transaction():
        session.execute("set local session_replication_role = replica")
        for statement in statements:
            session.execute(statement)


def versions(session: Session) -> dict[int, str]:
    """Which version of each row stands."""
    return dict(rows(session, "select customer_id, xmin::text || ctid::text from customer"))


CORRUPTIONS = {
    "n": "n + 1", "spend": "spend + 0.01", "basket": "basket + 1e-9", "dearest": "null", "last_sku": "'zz'", "skus": "0",
    "n_1h": "7", "heat": "heat * 1.001", "basket_n": "99", "last_sku_at": "now()",
}  # fmt: skip


@pytest.mark.parametrize("feature", CORRUPTIONS)
def test_verify_names_a_corrupted_feature_and_rebuild_mends_only_its_row(
    shop: Callable[..., Session], feature: str
) -> None:
    session = shop()
    good = row(session, "select * from customer where customer_id = 42")
    behind_the_triggers(
        session, f"update customer set {feature} = {CORRUPTIONS[feature]} where customer_id = 42"
    )
    ((key, named, stored, expected),) = wrong(session)
    assert (key, named) == ("42", feature)
    assert stored != expected
    before = versions(session)
    session.execute("call modelpack.rebuild('customer')")
    assert wrong(session) == []
    after = versions(session)
    assert {k for k in after if after[k] != before[k]} == {42}
    names = [c.name for c in session.execute("select * from customer limit 0").description or []]
    mended = row(session, "select * from customer where customer_id = 42")
    place, moment = names.index(feature), names.index("features_at")
    expected = good[place]
    if feature == "heat":  # what it was, and fading since
        expected = pytest.approx(good[place] * 0.5 ** ((mended[moment] - good[moment]) / timedelta(days=7)))
    assert mended[place] == expected


def test_events_that_came_past_the_triggers_are_found_and_counted(shop: Callable[..., Session]) -> None:
    session = shop()
    behind_the_triggers(
        session,
        "insert into purchase (customer_id, amount, sku) values (1, 1000, 'x')",
        "delete from purchase where customer_id = 2",
    )
    assert {key for key, *_ in wrong(session)} == {"1", "2"}
    session.execute("call modelpack.rebuild('customer')")
    assert wrong(session) == []
    assert rows(session, "select n, dearest from customer where customer_id in (1, 2) order by 1") == [
        (0, None),
        (6, 1000),
    ]


def test_rebuild_scores_the_rows_that_it_mends(shop: Callable[..., Session]) -> None:
    session = shop()
    behind_the_triggers(session, "update customer set n = 77, churn = 0 where customer_id = 42")
    session.execute("call modelpack.rebuild('customer')")
    n, n_1h, churn = row(session, "select n, n_1h, churn from customer where customer_id = 42")
    assert churn == pytest.approx(linear_score([0.1, 1.0], 0, [n, n_1h]), abs=1e-6)


def test_verify_and_rebuild_of_some_keys_look_at_no_others(shop: Callable[..., Session]) -> None:
    session = shop()
    behind_the_triggers(session, "update customer set n = n + 1 where customer_id in (1, 2, 3)")
    found = rows(session, "select * from modelpack.verify('customer', array['2', '4', '2', '999'])")
    assert [f[:2] for f in found] == [("2", "n")]
    session.execute("call modelpack.rebuild('customer', array['1', '4', '1', '999'])")
    assert sorted(key for key, *_ in wrong(session)) == ["2", "3"]
    session.execute("call modelpack.rebuild('customer', '{}'::text[])")
    assert sorted(key for key, *_ in wrong(session)) == ["2", "3"]


@pytest.mark.parametrize(
    "key", ["north,3", "3", '"north"', '["north"]', '["north", 3, 4]', '{"region": "north"}', ""]
)
def test_a_key_of_several_columns_is_a_list_of_their_values(database: str, psql: Session, key: str) -> None:
    psql.execute("create table branch (region text, number integer, primary key (region, number))")
    psql.execute("create table sale (region text, number integer, amount numeric)")
    psql.execute("insert into sale values ('north', 3, 7), ('south', 3, 9)")
    attach(
        database,
        Profile("branch", key=["region", "number"], events=[Event("sale", features={"n": count()})]),
    )
    behind_the_triggers(psql, "update branch set n = 5")
    for call in ("select modelpack.verify('branch', %s)", "call modelpack.rebuild('branch', %s)"):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="JSON array of 2 values") as refused:
            psql.execute(call, ([key],))
        assert refused.value.diag.message_detail == "The columns of the key are: region, number."
    assert len(wrong(psql, "branch")) == 2
    psql.execute("call modelpack.rebuild('branch', %s)", (['["north", 3]'],))
    assert [found for found, *_ in wrong(psql, "branch")] == ['["south", 3]']


def test_some_keys_are_found_by_the_index(shop: Callable[..., Session]) -> None:
    session = shop("insert into customer select generate_series(1000, 20000);")
    session.execute("analyze customer, purchase")
    with session.transaction():
        session.execute("select * from modelpack.verify('customer', array['5000', '5001'])")
        session.execute(
            "select modelpack.chunk('rebuild', 'customer', 0, null, keys => array['5000', '5001'])"
        )
        read = value(session, "select seq_tup_read from pg_stat_xact_user_tables where relname = 'customer'")
    assert read <= 10


def test_some_keys_are_counted_once_however_many_chunks_there_are(shop: Callable[..., Session]) -> None:
    session = shop("insert into customer select generate_series(1000, 3000);")
    behind_the_triggers(session, "update customer set n = n + 1 where customer_id in (1, 2)")
    notices: list[str] = []
    session.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
    for share in (2, 1):
        session.execute(
            f"call modelpack.rebuild('customer', array['1', '2'], chunk_blocks => 1, share => {share}, shares => 2)"
        )
    assert notices == ["rebuild of customer: 0 rows written", "rebuild of customer: 2 rows written"]
    assert wrong(session) == []


def test_chunks_of_one_block_cover_every_row(shop: Callable[..., Session]) -> None:
    session = shop("insert into customer select generate_series(1000, 3000);")
    behind_the_triggers(session, "update customer set n = n + 1")
    session.execute("call modelpack.rebuild('customer', chunk_blocks => 1)")
    assert wrong(session) == []


@pytest.mark.parametrize("task", ["rebuild", "rescore"])
def test_sessions_share_a_task_without_meeting(shop: Callable[..., Session], task: str) -> None:
    session = shop("insert into customer select generate_series(1000, 3000);")
    behind_the_triggers(session, "update customer set n = n + 1, churn_stale = 'by hand'")
    found, done = versions(session), set[int]()

    def take(share: int) -> None:
        nonlocal found
        session.execute(
            f"call modelpack.{task}('customer', chunk_blocks => 1, share => {share}, shares => 3)"
        )
        now = versions(session)
        changed = {key for key in now if now[key] != found[key]}
        assert changed
        assert not changed & done
        done.update(changed)
        found = now

    session.execute("set lock_timeout = '5s'")
    with psycopg.connect(session.info.dsn) as holder:
        # the first of 21 blocks falls to the first share: the others do not wait for it
        holder.execute("select from customer where ctid = '(0,1)' for update")
        take(2)
        take(3)
    take(1)
    assert done == set(found)
    assert (wrong(session) == []) == (task == "rebuild")


def test_chunks_of_many_partitions_hold_no_more_blocks_than_those_of_one_table(psql: Session) -> None:
    psql.execute("create table parts (id bigint primary key, filling text) partition by hash (id)")
    for n in range(8):
        psql.execute(f"create table part_{n} partition of parts for values with (modulus 8, remainder {n})")
    psql.execute("insert into parts select n, repeat('x', 1000) from generate_series(1, 1000) as n")
    largest = value(
        psql, "select max(pg_relation_size(relid)) / 8192 from pg_partition_tree('parts') where isleaf"
    )
    found = rows(psql, "select first_block, last_block from modelpack.chunks('parts', 16)")
    assert found[0] == (0, 1)  # of each of the eight: sixteen
    assert found[-1][1] is None
    assert [first for first, _ in found] == list(range(0, largest + 1, 2))
    shares = [rows(psql, f"select first_block from modelpack.chunks('parts', 16, {n}, 2)") for n in (1, 2)]
    assert sorted(shares[0] + shares[1]) == [(first,) for first, _ in found]


@pytest.mark.parametrize("share", ["0, shares => 2", "3, shares => 2", "1, shares => 0", "null, shares => 2"])
def test_a_share_that_is_none_is_refused(shop: Callable[..., Session], share: str) -> None:
    session = shop()
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=r"Pass a share from 1 to shares"):
        session.execute(f"call modelpack.rescore('customer', share => {share})")


def test_refresh_writes_just_the_rows_whose_windows_have_moved_on(shop: Callable[..., Session]) -> None:
    session = shop()
    session.execute("insert into purchase (customer_id, at) values (1, clock_timestamp())")  # loads the model
    session.execute(
        "insert into purchase (customer_id, at) values (2, clock_timestamp() - interval '1 hour' + interval '1 second')"
    )
    assert rows(session, "select n_1h from customer where customer_id in (1, 2)") == [(1,), (1,)]
    before = versions(session)
    session.execute("select pg_sleep(1)")
    session.execute("call modelpack.refresh('customer')")
    after = versions(session)
    assert {k for k in after if after[k] != before[k]} == {2}
    n, n_1h, churn = row(session, "select n, n_1h, churn from customer where customer_id = 2")
    assert n_1h == 0
    assert churn == pytest.approx(linear_score([0.1, 1.0], 0, [n, n_1h]), abs=1e-6)
    assert wrong(session) == []
    session.execute("call modelpack.refresh('customer')")
    assert versions(session) == after


def test_refresh_with_an_age_brings_every_older_row_up_to_date(shop: Callable[..., Session]) -> None:
    session = shop()
    heat = value(session, "select heat from customer where customer_id = 1")
    session.execute("call modelpack.refresh('customer', interval '1 day')")
    assert value(session, "select heat from customer where customer_id = 1") == heat
    session.execute("select pg_sleep(0.01)")
    session.execute("call modelpack.refresh('customer', interval '0')")
    assert value(session, "select heat from customer where customer_id = 1") < heat
    assert wrong(session) == []


def test_events_dated_ahead_count_when_their_time_has_come(shop: Callable[..., Session]) -> None:
    session = shop()
    session.execute(
        "insert into purchase (customer_id, at) values (1, clock_timestamp() + interval '250 milliseconds'), "
        "(1, '2999-01-01'), (1, 'infinity')"
    )
    n, n_1h, heat = row(session, "select n, n_1h, heat from customer where customer_id = 1")
    assert n_1h == 0
    assert wrong(session) == []
    session.execute("select pg_sleep(0.26)")
    session.execute("call modelpack.refresh('customer')")
    later = row(session, "select n, n_1h, heat from customer where customer_id = 1")
    assert later[:2] == (n, 1)
    assert later[2] == pytest.approx(heat + 1, abs=1e-3)
    assert wrong(session) == []


def test_refresh_waits_for_events_to_come_due_and_with_an_age_brings_back_rows_ahead_of_the_clock(
    shop: Callable[..., Session],
) -> None:
    session = shop()
    session.execute("insert into purchase (customer_id, at) values (1, '2999-01-01')")
    session.execute("call modelpack.refresh('customer')")
    behind_the_triggers(
        session,
        "update customer set features_at = clock_timestamp() + interval '1 hour' where customer_id = 2",
    )
    before = versions(session)
    session.execute("call modelpack.refresh('customer')")
    assert versions(session) == before
    session.execute("call modelpack.refresh('customer', interval '1 day')")
    after = versions(session)
    assert {k for k in after if after[k] != before[k]} == {2}
    assert value(session, "select features_at <= clock_timestamp() from customer where customer_id = 2")
    assert wrong(session) == []


def test_a_column_whose_type_has_no_equality_stands_in_the_way_of_no_upkeep(
    shop: Callable[..., Session],
) -> None:
    session = shop("alter table customer add column extra json default '{}';")
    session.execute("insert into purchase (customer_id) values (1)")
    assert wrong(session) == []
    assert rows(session, "select * from modelpack.verify('customer', array['1'])") == []
    for task in (
        "rebuild('customer')",
        "rebuild('customer', keys => array['1'])",
        "refresh('customer')",
        "rescore('customer')",
    ):
        session.execute(f"call modelpack.{task}")
    assert wrong(session) == []


DUE = """
insert into purchase (customer_id) values (1);
insert into purchase (customer_id, at) values (1, clock_timestamp() + interval '250 milliseconds');
"""
BUYS_AND_CHANGES = [
    "with bought as (insert into purchase (customer_id) values (1), (1) returning customer_id)\n"
    "update customer set plan = 'gold' where customer_id in (select customer_id from bought)",
    "create function upgrade() returns trigger language plpgsql as 'begin update customer set plan = plan || new.amount "
    "where customer_id = new.customer_id; return null; end';"
    "create trigger upgrade after insert on purchase for each row execute function upgrade();"
    "insert into purchase (customer_id, amount) values (1, 5), (1, 6)",
]


@pytest.mark.parametrize("statement", BUYS_AND_CHANGES)
def test_a_statement_that_adds_events_and_changes_the_profile_when_others_come_due(
    database: str, psql: Session, statement: str
) -> None:
    psql.execute(TABLES.replace("insert", "--"))
    features = {"n": count(), "heat": decayed(half_life="7 days")}
    publish(psql, "churn", ["gold"], [1.0])
    gold = Score("churn", inputs={"gold": "length(plan)"})
    attach(
        database,
        Profile(
            "customer",
            key="customer_id",
            events=[Event("purchase", at="at", features=features)],
            scores=[gold],
        ),
    )
    psql.execute("insert into customer values (1, 'basic')")
    psql.execute(DUE)
    psql.execute("select pg_sleep(0.26)")
    psql.execute(statement)
    n, heat = row(psql, "select n, heat from customer")
    assert (n, heat) == (4, pytest.approx(4, abs=1e-3))
    assert wrong(psql) == []


def test_a_profile_without_declaration_is_named(shop: Callable[..., Session]) -> None:
    session = shop()
    with pytest.raises(psycopg.errors.UndefinedObject, match="purchase has no declaration"):
        wrong(session, "purchase")
