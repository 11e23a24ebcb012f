"""COUNT: at every commit each event-maintained feature equals the same aggregate over the event table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from shop import KEEPING, buy

from modelpack import Event, Profile, count, decayed, distinct, maximum, total
from tests.support import Session, attach, row, rows, value, wrong

# --- INSERT ------------------------------------------------------------------------------------------------


def test_one_inserted_event_creates_the_profile_of_an_unknown_customer(shop: Callable[..., Session]) -> None:
    session = shop()
    buy(session, (7, 1, 12, "a"))
    assert rows(session, "select customer_id, n, big, spend, last_sku from customer") == [(7, 1, 1, 12, "a")]
    assert wrong(session) == []


def test_one_inserted_event_adds_to_a_known_customer(shop: Callable[..., Session]) -> None:
    session = shop(before="insert into customer values (7)")
    buy(session, (7, 1, 12, "a"))
    buy(session, (7, 40, 2, "b"))
    assert rows(session, "select n, n_30d, spend, basket, first_sku, last_sku from customer") == [
        (2, 1, 14, 7, "b", "a")
    ]
    assert wrong(session) == []


def test_many_events_in_one_statement_for_known_and_unknown_customers(shop: Callable[..., Session]) -> None:
    session = shop(before="insert into customer select generate_series(1, 5)")
    buy(session, *((n % 9, n, n, f"s{n % 4}") for n in range(60)))
    assert rows(session, "select count(*), sum(n), sum(spend) from customer") == [(9, 60, sum(range(60)))]
    assert wrong(session) == []


def test_the_same_customer_many_times_in_one_statement(shop: Callable[..., Session]) -> None:
    session = shop()
    buy(session, *((1, n, n, "a") for n in range(50)))
    buy(session, *((1, n, n, "b") for n in range(50)))
    assert row(session, "select n, spend, skus from customer") == (100, 2450, 2)
    assert wrong(session) == []


def test_a_statement_of_one_row_and_of_many_in_either_order_in_one_session(
    shop: Callable[..., Session],
) -> None:
    session = shop()
    for size in (1, 200, 1, 3, 200, 1):
        buy(session, *((n % 20, n, n, "a") for n in range(size)))
        assert wrong(session) == []


def test_events_count_alone_as_they_do_together_where_the_condition_holds_fails_and_is_null(
    shop: Callable[..., Session],
) -> None:
    session = shop(before="insert into customer select generate_series(1, 8)")  # severity > 1 is what counts
    severities = [5, 1, None, 3, 0]
    alone = [(1, severity) for severity in severities] + [(3, 5), (4, 1), (5, None)]
    together = [(2, severity) for severity in severities] + [(6, 5), (7, 1), (8, None)]
    insert = "insert into complaint (complaint_id, customer_id, severity, at) values "
    made = [f"({n}, %s, %s, timestamptz '2026-01-01' + {n % 10} * interval '1 hour')" for n in range(20)]
    for place, event in zip(made, alone, strict=False):
        session.execute(insert + place, event)
    session.execute(
        insert + ", ".join(made[10 : 10 + len(together)]), [v for event in together for v in event]
    )
    stored = rows(session, "select customer_id, severe, worst, last_severity from customer order by 1")
    assert stored == rows(
        session,
        "select customer_id, count(*) filter (where severity > 1), max(severity) filter (where severity > 1), "
        "(array_agg(severity order by at desc) filter (where severity > 1))[1] from complaint group by 1 order by 1",
    )
    assert [features for _, *features in (stored[0], *stored[2:5])] == [
        features for _, *features in (stored[1], *stored[5:])
    ]
    assert wrong(session) == []


def test_copy(shop: Callable[..., Session]) -> None:
    session = shop(before="insert into customer select generate_series(1, 3)")
    with session.cursor().copy("copy purchase (customer_id, at, amount, sku) from stdin") as copy:
        for n in range(30):
            copy.write_row((n % 6, f"2024-01-{n + 1:02d} 12:00+00", n, f"s{n % 3}"))
    assert value(session, "select sum(n) from customer") == 30
    assert wrong(session) == []


def test_events_out_of_time_order(shop: Callable[..., Session]) -> None:
    session = shop()
    for days in (5, 1, 9, 3, 40, 2):
        buy(session, (1, days, days, f"s{days}"))
        assert wrong(session) == []
    assert row(session, "select first_sku, last_sku from customer") == ("s40", "s1")


def test_events_of_the_same_time_have_one_answer_in_whatever_order_they_come(
    shop: Callable[..., Session],
) -> None:
    session = shop()
    for skus in (("a", "c", "b"), ("c", "b", "a")):
        session.execute("truncate purchase")
        for sku in skus:
            session.execute(
                "insert into purchase (customer_id, at, amount, sku) values (1, '2024-01-01', 1, %s)", [sku]
            )
        assert row(session, "select first_sku, last_sku from customer") == ("a", "c")
        assert wrong(session) == []


def test_null_keys_and_values_and_times_count_as_in_sql(shop: Callable[..., Session]) -> None:
    session = shop()
    buy(session, (None, 1, 5, "a"))
    buy(session, (1, 1, None, None), (None, 2, 3, "b"), (1, None, 4, "c"))
    assert row(session, "select n, spend, basket, last_sku, skus from customer") == (2, 4, 4, None, 1)
    session.execute("update purchase set customer_id = 2 where customer_id is null")
    session.execute("update purchase set customer_id = null where customer_id = 1")
    assert rows(session, "select customer_id, n, spend from customer order by 1") == [(1, 0, 0), (2, 2, 8)]
    session.execute("delete from purchase where customer_id is null")
    assert wrong(session) == []


def test_insert_on_conflict_do_nothing_counts_what_went_in(shop: Callable[..., Session]) -> None:
    session = shop()
    for _ in range(2):
        session.execute(
            "insert into complaint values (1, 1, now(), 5), (2, 1, now(), 5), (3, 2, now(), 1) on conflict do nothing"
        )
    assert rows(session, "select customer_id, severe from customer order by 1") == [(1, 2)]
    assert wrong(session) == []


def test_insert_on_conflict_do_update_moves_and_changes_events(shop: Callable[..., Session]) -> None:
    session = shop()
    session.execute("insert into complaint values (1, 1, now(), 5), (2, 1, now(), 4)")
    session.execute(
        "insert into complaint values (1, 2, now(), 1), (2, 3, now(), 9), (3, 3, now(), 7) on conflict (complaint_id) "
        "do update set customer_id = excluded.customer_id, severity = excluded.severity"
    )
    assert rows(session, "select customer_id, severe, worst from customer order by 1") == [
        (1, 0, None),
        (3, 2, 9),
    ]
    assert wrong(session) == []


def test_merge_inserts_updates_and_deletes_in_one_statement(shop: Callable[..., Session]) -> None:
    session = shop()
    if session.info.server_version < 150000:
        pytest.skip("MERGE came with PostgreSQL 15")
    session.execute("insert into complaint select n, n % 3, now(), n from generate_series(1, 9) as n")
    session.execute(
        "merge into complaint as c using (select n from generate_series(1, 15) as n) as s on c.complaint_id = s.n "
        "when matched and s.n % 4 = 0 then delete "
        "when matched and s.n % 2 = 0 then update set customer_id = 7, severity = s.n + 100 "
        "when matched then do nothing "
        "when not matched then insert values (s.n, case when s.n = 10 then 7 else 8 end, now(), s.n)"
    )
    assert rows(session, "select customer_id, severe from customer where customer_id > 6 order by 1") == [
        (7, 3),
        (8, 5),
    ]
    assert wrong(session) == []


# --- UPDATE ------------------------------------------------------------------------------------------------


def test_update_of_value_time_key_and_where_column(shop: Callable[..., Session]) -> None:
    session = shop()
    buy(session, (1, 1, 5, "a"), (1, 3, 20, "b"), (2, 2, 7, "c"))
    for change in (
        "amount = amount + 6",
        "amount = null where purchase_id = 2",
        "sku = sku || 'x'",
        "sku = 'x' where purchase_id = 1",
        "at = at - interval '35 days' where purchase_id = 1",
        "at = now() where purchase_id = 2",
        "at = null where purchase_id = 3",
        "customer_id = 3 where purchase_id = 1",
        "customer_id = 3 - customer_id where customer_id < 3",
        "customer_id = 9",
    ):
        session.execute(f"update purchase set {change}")
        assert wrong(session) == [], change
    session.execute("insert into complaint values (1, 1, now(), 0), (2, 1, now(), 3)")
    session.execute("update complaint set severity = 3 - severity")
    assert row(session, "select severe, worst from customer where customer_id = 1") == (1, 3)
    assert wrong(session) == []


def test_update_that_changes_nothing_that_counts_writes_no_profile(shop: Callable[..., Session]) -> None:
    session = shop(before="alter table purchase add note text")
    buy(session, (1, 1, 5, "a"))
    before = row(session, "select xmin::text, ctid::text from customer")
    session.execute("update purchase set note = 'seen'")
    session.execute("update purchase set amount = amount, customer_id = customer_id")
    session.execute("update purchase set amount = 9 where false")
    assert row(session, "select xmin::text, ctid::text from customer") == before
    assert wrong(session) == []


def test_two_events_that_swap_customers(shop: Callable[..., Session]) -> None:
    session = shop()
    buy(session, (1, 1, 5, "a"), (2, 2, 7, "b"))
    session.execute("update purchase set customer_id = 3 - customer_id")
    assert rows(session, "select customer_id, spend, last_sku from customer order by 1") == [
        (1, 7, "b"),
        (2, 5, "a"),
    ]
    assert wrong(session) == []


@pytest.mark.parametrize("on_delete", ["subtract", "keep"])
def test_an_update_of_one_column_of_a_composite_key_moves_the_event(
    database: str, psql: Session, on_delete: Any
) -> None:
    """Either column, both, one to NULL and back: of a key whose columns have another order and other names in each table."""
    psql.execute(
        "create table customer (no bigint, region text, primary key (region, no));"
        "create table purchase (id bigint primary key, customer_no bigint, at timestamptz default now(), area text, amount numeric);"
    )
    features = {"n": count(), "spend": total("amount"), "n_1d": count(window="1 day")}
    if on_delete == "subtract":
        features |= {
            "kinds": distinct("amount"),
            "dearest": maximum("amount"),
            "heat": decayed(half_life="7 days"),
        }
    event = Event("purchase", key=["area", "customer_no"], at="at", features=features, on_delete=on_delete)
    attach(database, Profile("customer", key=["region", "no"], events=[event]))
    psql.execute(
        "insert into purchase values (1, 1, now(), 'eu', 1), (2, 1, now(), 'us', 2), (3, 2, now(), 'eu', 4)"
    )
    places: dict[int, tuple[str | None, int | None]] = {1: ("eu", 1), 2: ("us", 1), 3: ("eu", 2)}
    seen: set[tuple[str | None, int | None]] = set(places.values())
    for changed, column, new in (
        ([1], "area", "us"),
        ([1], "customer_no", 2),
        ([3], "customer_no", 7),
        ([1, 2, 3], "area", "asia"),
        ([2, 3], "customer_no", 2),
        ([2], "area", None),
        ([3], "customer_no", None),
        ([2, 3], "area", "eu"),
        ([3], "customer_no", 1),
        ([1, 2], "customer_no, area", (9, "eu")),
    ):
        both = isinstance(new, tuple)
        values = list(new) if isinstance(new, tuple) else [new]
        target = f"({column}) = (%s, %s)" if both else f"{column} = %s"
        psql.execute(f"update purchase set {target} where id = any (%s)", [*values, changed])
        for number in changed:
            area, no = places[number]
            places[number] = (
                ("eu", 9) if both else (new, no) if column == "area" else (area, new)  # type: ignore[assignment]
            )
        seen |= {place for place in places.values() if None not in place}
        counted = {key: [1 << (n - 1) for n, place in places.items() if place == key] for key in seen}
        found = {
            (r, n): numbers
            for r, n, *numbers in rows(psql, f"select region, no, {', '.join(features)} from customer")
        }
        assert {key: numbers[:3] for key, numbers in found.items()} == {
            key: [len(a), sum(a), len(a)] for key, a in counted.items()
        }, (changed, column, new)
        if on_delete == "subtract":
            assert {key: numbers[3:5] for key, numbers in found.items()} == {
                key: [len(a), max(a, default=None)] for key, a in counted.items()
            }
        assert wrong(psql) == []


# --- DELETE and TRUNCATE -----------------------------------------------------------------------------------


def test_delete_takes_events_out_also_the_last_one(shop: Callable[..., Session]) -> None:
    session = shop()
    buy(session, *((n % 3, n, n, f"s{n}") for n in range(12)))
    session.execute("delete from purchase where amount in (0, 11, 4)")
    assert wrong(session) == []
    session.execute("delete from purchase where customer_id = 1")
    assert row(
        session, "select n, spend, basket, spread, cheapest, last_sku, last_at, skus, heat from customer "
        "where customer_id = 1"
    ) == (0, 0, None, None, None, None, None, 0, 0)  # fmt: skip
    assert wrong(session) == []
    session.execute("delete from purchase")
    assert wrong(session) == []


def test_truncate_alone_and_of_two_event_tables_at_once(shop: Callable[..., Session]) -> None:
    session = shop()
    for statement in ("truncate purchase", "truncate purchase, complaint"):
        buy(session, (1, 1, 5, "a"), (2, 2, 7, "b"))
        session.execute("insert into complaint values (1, 1, now(), 5) on conflict do nothing")
        session.execute(statement)
        assert value(session, "select sum(n) from customer") == 0
        assert wrong(session) == []
    assert value(session, "select sum(severe) from customer") == 0


def test_truncate_that_is_rolled_back(shop: Callable[..., Session]) -> None:
    session = shop()
    buy(session, (1, 1, 5, "a"))
    with session.transaction(force_rollback=True):
        session.execute("truncate purchase")
        assert value(session, "select n from customer") == 0
    assert value(session, "select n from customer") == 1
    assert wrong(session) == []


# --- foreign keys ------------------------------------------------------------------------------------------

CASCADES = """
create table account (account_id bigint primary key);
create table customer (customer_id bigint primary key);
create table purchase (
  purchase_id bigint generated always as identity primary key,
  customer_id bigint references account on delete cascade on update cascade,
  at timestamptz default now(), amount numeric, sku text
);
create table complaint (
  complaint_id bigint primary key,
  customer_id bigint references account on delete cascade on update cascade,
  at timestamptz default now(), severity integer
);
insert into account values (1), (2);
"""


def test_cascades_from_a_parent_delete_and_move_the_events_of_two_tables(
    shop: Callable[..., Session],
) -> None:
    session = shop(CASCADES)
    buy(session, (1, 1, 5, "a"), (1, 2, 6, "b"), (2, 3, 7, "c"))
    session.execute("insert into complaint values (1, 1, now(), 5), (2, 2, now(), 6)")
    session.execute("update account set account_id = 11 where account_id = 1")
    assert rows(session, "select customer_id, n, spend, severe from customer order by 1") == [
        (1, 0, 0, 0),
        (2, 1, 7, 1),
        (11, 2, 11, 1),
    ]
    assert wrong(session) == []
    session.execute("delete from account where account_id = 11")
    assert rows(session, "select n, severe from customer where customer_id = 11") == [(0, 0)]
    assert wrong(session) == []


def test_cascades_from_the_profile_itself(shop: Callable[..., Session]) -> None:
    tables = CASCADES.replace("references account", "references customer")
    session = shop(tables + "insert into customer values (1), (2);")
    buy(session, (1, 1, 5, "a"), (1, 2, 6, "b"), (2, 3, 7, "c"))
    session.execute("insert into complaint values (1, 1, now(), 5)")
    session.execute("update customer set customer_id = 11 where customer_id = 1")
    assert rows(session, "select customer_id, n, spend, severe from customer order by 1") == [
        (2, 1, 7, 0),
        (11, 2, 11, 1),
    ]
    assert wrong(session) == []
    session.execute("delete from customer where customer_id = 11")
    assert rows(session, "select customer_id from purchase") == [(2,)]
    assert wrong(session) == []


def test_on_delete_set_null_takes_the_events_away(shop: Callable[..., Session]) -> None:
    session = shop(CASCADES.replace("on delete cascade", "on delete set null"))
    buy(session, (1, 1, 5, "a"), (2, 3, 7, "c"))
    session.execute("delete from account where account_id = 1")
    assert rows(session, "select customer_id, n from customer order by 1") == [(1, 0), (2, 1)]
    assert wrong(session) == []


# --- several changes in one statement ----------------------------------------------------------------------


def test_writable_ctes_that_touch_one_event_table_in_several_ways(shop: Callable[..., Session]) -> None:
    session = shop()
    buy(session, (1, 1, 5, "a"), (1, 2, 6, "b"), (2, 3, 7, "c"))
    session.execute(
        "with gone as (delete from purchase where amount = 5), "
        "moved as (update purchase set customer_id = 3 where amount = 6), "
        "came as (insert into purchase (customer_id, amount) values (3, 1), (4, 2)) "
        "insert into purchase (customer_id, amount) values (3, 10), (5, 2)"
    )
    assert rows(session, "select customer_id, n, spend from customer order by 1") == [
        (1, 0, 0),
        (2, 1, 7),
        (3, 3, 17),
        (4, 1, 2),
        (5, 1, 2),
    ]
    assert wrong(session) == []


def test_one_statement_with_events_of_two_tables_for_a_new_customer(shop: Callable[..., Session]) -> None:
    session = shop()
    session.execute(
        "with c as (insert into complaint values (1, 7, now(), 5), (2, 8, now(), 5)) "
        "insert into purchase (customer_id, amount) values (7, 1), (7, 2), (9, 3)"
    )
    assert rows(session, "select customer_id, n, severe from customer order by 1") == [
        (7, 2, 1),
        (8, 0, 1),
        (9, 1, 0),
    ]
    assert wrong(session) == []


@pytest.mark.parametrize("purchases", ["(7, 1)", "(7, 1), (7, 2)"])
@pytest.mark.parametrize("profile_first", [True, False])
@pytest.mark.parametrize("on_delete", ["subtract", "keep"])
def test_one_statement_that_inserts_a_profile_and_its_events(
    shop: Callable[..., Session], purchases: str, profile_first: bool, on_delete: str
) -> None:
    session = shop(**KEEPING if on_delete == "keep" else {})
    one = "insert into customer (customer_id) values (7)"
    two = f"insert into purchase (customer_id, amount) values {purchases}"
    first, then = (one, two) if profile_first else (two, one)
    session.execute(f"with x as ({first} returning 1) {then}")
    assert value(session, "select n from customer") == purchases.count("(")
    session.execute("insert into purchase (customer_id, amount) values (7, 3)")
    assert value(session, "select n from customer") == purchases.count("(") + 1
    assert wrong(session) == []


def test_a_profile_inserted_while_its_events_are_deleted_in_one_statement(
    shop: Callable[..., Session],
) -> None:
    session = shop(missing="ignore")
    buy(session, (7, 1, 5, "a"), (7, 2, 6, "b"))
    session.execute(
        "with x as (insert into customer (customer_id) values (7)) delete from purchase where amount = 5"
    )
    assert rows(session, "select n, spend from customer") == [(1, 6)]
    assert wrong(session) == []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_own_trigger_that_inserts_the_profile_of_an_event(
    shop: Callable[..., Session], moment: str
) -> None:
    session = shop()
    session.execute(
        f"""
        create function introduce() returns trigger language plpgsql as $$
        begin
          insert into customer (customer_id) values (new.customer_id) on conflict do nothing;
          return new;
        end $$;
        create trigger introduce {moment} insert on purchase for each row execute function introduce();
        """
    )
    buy(session, (7, 1, 5, "a"), (7, 2, 6, "b"), (8, 3, 7, "c"))
    buy(session, (9, 1, 5, "a"))
    assert rows(session, "select customer_id, n from customer order by 1") == [(7, 2), (8, 1), (9, 1)]
    assert wrong(session) == []


def test_a_block_of_statements_in_one_message(shop: Callable[..., Session]) -> None:
    session = shop()
    session.execute(
        """
        do $$
        begin
          insert into customer (customer_id) values (1);
          insert into purchase (customer_id, amount) values (1, 1);
          insert into purchase (customer_id, amount) values (1, 2), (2, 2);
          update purchase set amount = amount + 1 where amount = 2;
          delete from purchase where amount = 1;
          begin
            insert into purchase (customer_id, amount) values (3, 3);
            raise exception 'undone';
          exception when raise_exception then null;
          end;
          insert into purchase (customer_id, amount) values (3, 3);
        end $$
        """
    )
    assert rows(session, "select customer_id, n, spend from customer order by 1") == [
        (1, 1, 3),
        (2, 1, 3),
        (3, 1, 3),
    ]
    assert wrong(session) == []


def test_decayed_features_that_one_statement_reads_again_and_adds_to(shop: Callable[..., Session]) -> None:
    session = shop()
    buy(session, (1, 1, 5, "a"), (1, 2, 6, "b"))
    session.execute(
        "with moved as (update purchase set at = at - interval '1 day'), gone as (delete from purchase where amount = 99) "
        "insert into purchase (customer_id, amount) values (1, 1), (2, 2)"
    )
    assert wrong(session) == []
    session.execute("insert into complaint values (1, 1, now(), 5)")
    session.execute(
        "insert into complaint values (1, 1, now(), 6), (2, 1, now(), 7) on conflict (complaint_id) do update set severity = 8"
    )
    assert wrong(session) == []


# --- transactions ------------------------------------------------------------------------------------------


def test_savepoints_and_rollback_leave_the_features_of_what_is_left(shop: Callable[..., Session]) -> None:
    session = shop()
    buy(session, (1, 1, 5, "a"))
    with session.transaction():
        buy(session, (1, 2, 6, "b"), (2, 1, 1, "c"))
        with session.transaction(force_rollback=True):
            buy(session, (1, 3, 7, "d"), (3, 3, 7, "d"))
            session.execute("delete from purchase where sku = 'a'")
        buy(session, (3, 3, 8, "e"))
    with session.transaction(force_rollback=True):
        session.execute("update purchase set customer_id = 4")
        buy(session, (5, 3, 8, "e"))
    assert rows(session, "select customer_id, n, spend from customer order by 1") == [
        (1, 2, 11),
        (2, 1, 1),
        (3, 1, 8),
    ]
    assert wrong(session) == []


def test_a_failed_statement_leaves_no_trace(shop: Callable[..., Session]) -> None:
    session = shop(before="alter table purchase add check (amount >= 0)")
    buy(session, (1, 1, 5, "a"))
    with pytest.raises(psycopg.errors.CheckViolation):
        buy(session, (1, 2, 6, "b"), (2, 1, -1, "c"))
    assert rows(session, "select customer_id, n from customer") == [(1, 1)]
    assert wrong(session) == []


# --- customers without a profile ---------------------------------------------------------------------------


def test_an_event_whose_profile_another_constraint_forbids_is_refused_and_not_forgotten(
    shop: Callable[..., Session],
) -> None:
    s = shop(before="alter table customer add email text unique default ''")
    s.execute("insert into purchase (customer_id) values (1)")
    for rows_ in ("(2)", "(2), (3)"):
        with pytest.raises(psycopg.errors.UniqueViolation, match="customer_email_key"):
            s.execute(f"insert into purchase (customer_id) values {rows_}")
    assert rows(s, "select customer_id, n from customer") == [(1, 1)]
    assert value(s, "select count(*) from purchase") == 1


def test_ignored_events_count_as_soon_as_the_profile_is_there(shop: Callable[..., Session]) -> None:
    session = shop(missing="ignore")
    buy(session, (1, 1, 5, "a"))
    buy(session, (1, 2, 6, "b"), (2, 3, 7, "c"))
    session.execute("update purchase set amount = amount + 1, customer_id = 3 where customer_id = 2")
    assert rows(session, "select * from customer") == []
    session.execute("insert into customer (customer_id) values (1), (3)")
    assert rows(session, "select customer_id, n, spend, last_sku from customer order by 1") == [
        (1, 2, 11, "a"),
        (3, 1, 8, "c"),
    ]
    buy(session, (1, 0, 1, "d"), (4, 0, 1, "d"))
    assert rows(session, "select customer_id, n from customer order by 1") == [(1, 3), (3, 1)]
    assert wrong(session) == []


def test_refused_events_fail_with_a_sentence_and_leave_nothing(shop: Callable[..., Session]) -> None:
    session = shop(missing="refuse", before="insert into customer values (1)")
    buy(session, (1, 1, 5, "a"))
    for statement in (
        "insert into purchase (customer_id, amount) values (2, 1)",
        "insert into purchase (customer_id, amount) values (1, 1), (2, 1)",
        "update purchase set customer_id = 2",
    ):
        with pytest.raises(psycopg.errors.ForeignKeyViolation, match="names a key that"):
            session.execute(statement)
    assert rows(session, "select customer_id, n from customer") == [(1, 1)]
    assert wrong(session) == []


def test_events_that_the_declaration_filters_out_create_no_profile(shop: Callable[..., Session]) -> None:
    session = shop()
    session.execute("insert into complaint values (1, 1, now(), 1)")
    session.execute("insert into complaint values (2, 1, now(), 1), (3, 2, now(), null)")
    assert rows(session, "select * from customer") == []


def test_a_profile_that_is_deleted_and_comes_back_has_its_events(shop: Callable[..., Session]) -> None:
    session = shop()
    buy(session, (1, 1, 5, "a"), (1, 2, 6, "b"))
    session.execute("delete from customer")
    buy(session, (1, 3, 7, "c"))
    assert rows(session, "select n, spend from customer") == [(3, 18)]
    session.execute("delete from customer")
    session.execute("insert into customer (customer_id, n, spend) values (1, 99, 99)")
    assert rows(session, "select n, spend from customer") == [(3, 18)]
    assert wrong(session) == []


def test_a_profile_whose_key_changes_takes_the_events_of_the_new_key(shop: Callable[..., Session]) -> None:
    session = shop(missing="ignore", before="insert into customer values (1)")
    buy(session, (1, 1, 5, "a"), (2, 2, 6, "b"), (2, 2, 6, "b"))
    session.execute("update customer set customer_id = 2")
    assert rows(session, "select customer_id, n, last_sku from customer") == [(2, 2, "b")]
    assert wrong(session) == []
