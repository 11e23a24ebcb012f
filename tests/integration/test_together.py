"""Statements of many events: their profiles are scored in one call of each model, and logged together."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from psycopg.types.json import Jsonb

from modelpack import (
    Event,
    Profile,
    Score,
    count,
    decayed,
    deviation,
    expression,
    last,
    maximum,
    mean,
    minimum,
    total,
)
from modelpack.compile import together as compile_together
from modelpack.declaration.features import Feature
from tests.support import Session, attach, linear_score, publish, row, rows, value, wrong

TABLES = """
create table customer (customer_id bigint primary key, plan integer default 1, note text);
create table visit (visit_id bigint generated always as identity, customer_id bigint, at timestamptz default clock_timestamp(), x integer default 1);
create table call (customer_id bigint, at timestamptz default clock_timestamp());
insert into customer (customer_id) select generate_series(1, 50);
"""
PLAIN = {
    "visits": count(),
    "x_sum": total("x"),
    "x_mean": mean("x"),
    "dearest": maximum("x"),
    "last_x": last("x"),
}
MOVING = PLAIN | {"visits_7d": count(window="7 days"), "heat": decayed(half_life="7 days")}
WEIGHTS, BIAS = (0.5, 0.25, -0.125), 1.0


def declared(**features: object) -> Profile:
    """A profile with those features of visits, and a window and a decayed feature of calls where visits have some."""
    moving = "heat" in features
    calls = {"calls": count()} | (
        {"calls_1d": count(window="1 day"), "noise": decayed(half_life="1 day")} if moving else {}
    )
    return Profile(
        "customer",
        key="customer_id",
        events=[Event("visit", at="at", features=features), Event("call", at="at", features=calls)],
        scores=[Score("churn")],
    )  # fmt: skip


def make_shop(dsn: str, kind: str) -> None:
    """Customers with features that stand still, or with some that move by themselves, too."""
    features = PLAIN if kind == "plain" else MOVING
    names = ["visits", "x_sum", "plan"] if kind == "plain" else ["visits_7d", "heat", "plan"]
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as session:
        session.execute(TABLES)
        attach(dsn, declared(**features))
        publish(session, "churn", names, WEIGHTS, BIAS)
        session.execute("call modelpack.rescore('customer')")
        session.execute("create table inputs as select %s::text[] as names", [names])


BEGINS = {"shop": make_shop}


@pytest.fixture(params=["plain", "moving"])
def shop(psql: Session) -> Session:
    psql.prepare_threshold = None
    return psql


def fresh(session: Session, most: int = 60) -> None:
    """Every score, of customers up to `most`, is the model's for the row as it stands, and the last in the log, with its inputs."""
    names = value(session, "select names from inputs")
    for key, churn, stale, scored_at, features_at, *numbers in rows(
        session,
        f"select customer_id, churn, churn_stale, churn_scored_at, features_at, {', '.join(names)} from customer"
        f" where customer_id <= {most}",
    ):
        assert (churn, stale) == (
            pytest.approx(linear_score(WEIGHTS, BIAS, [float(n) for n in numbers]), abs=1e-6),
            None,
        )
        assert scored_at == features_at
        found = row(
            session,
            "select prediction, inputs, scored_at from modelpack.history('customer', %s) limit 1",
            str(key),
        )
        assert found == (churn, [float(n) for n in numbers], scored_at)


def together(session: Session) -> int:
    """How many rows the last statement has scored together: at the most frequent moment."""
    found: int = value(
        session, "select max(n) from (select count(*) as n from customer group by churn_scored_at) as c"
    )
    return found


def test_a_statement_of_many_events_scores_their_profiles_together(shop: Session) -> None:
    before = value(shop, "select count(*) from modelpack.prediction")
    shop.execute("insert into visit (customer_id, x) select 1 + g % 30, g from generate_series(1, 90) as g")
    assert together(shop) == 30
    assert value(shop, "select count(*) from modelpack.prediction") == before + 30
    assert wrong(shop) == []
    fresh(shop)
    shop.execute("update visit set x = x + 1, customer_id = customer_id + 5 where customer_id < 20")
    assert together(shop) >= 20
    assert wrong(shop) == []
    fresh(shop)
    shop.execute("delete from visit where visit_id % 2 = 0")
    assert together(shop) >= 10
    assert wrong(shop) == []
    fresh(shop)
    shop.execute("insert into call select 1 + g % 40 from generate_series(1, 80) as g")
    assert together(shop) >= 40
    assert wrong(shop) == []
    fresh(shop)


def test_each_row_is_written_once(shop: Session) -> None:
    shop.execute("create table seen (customer_id bigint); grant insert on seen to public")
    shop.execute(
        "create function see() returns trigger language plpgsql as 'begin insert into public.seen values (new.customer_id); return null; end';"
        "create trigger see after update on customer for each row execute function see()"
    )
    shop.execute("insert into visit (customer_id) select 1 + g % 20 from generate_series(1, 60) as g")
    assert rows(shop, "select customer_id, count(*) from seen group by 1 having count(*) <> 1") == []
    assert value(shop, "select count(*) from seen") == 20


def test_few_rows_new_rows_and_rows_that_cannot_be_scored_are_scored_alone(shop: Session) -> None:
    shop.execute("update customer set plan = null where customer_id in (3, 4)")
    publish(shop, "churn", value(shop, "select names from inputs"), WEIGHTS, BIAS, missing=False)
    shop.execute("insert into visit (customer_id) select 1 + g % 60 from generate_series(1, 120) as g")
    assert wrong(shop) == []
    assert value(shop, "select count(*) from customer") == 60
    assert value(shop, "select count(*) from customer where churn_stale like '%plan is NULL%'") == 2
    assert together(shop) == 48
    shop.execute("insert into visit (customer_id) select g from generate_series(20, 40) as g")
    assert (
        value(
            shop, "select count(distinct churn_scored_at) from customer where customer_id between 20 and 40"
        )
        == 1
    )
    assert wrong(shop) == []
    shop.execute("insert into visit (customer_id) select g from generate_series(10, 16) as g")
    assert (
        value(
            shop, "select count(distinct churn_scored_at) from customer where customer_id between 10 and 16"
        )
        == 7
    )


@pytest.mark.parametrize("chunk_bytes", [1, 1000])
def test_more_rows_than_an_array_may_hold_are_scored_in_chunks(
    database: str, psql: Session, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    monkeypatch.setattr(compile_together, "CHUNK_BYTES", chunk_bytes)
    psql.execute(TABLES)
    attach(database, declared(**PLAIN))
    publish(psql, "churn", ["visits", "x_sum", "plan"], WEIGHTS, BIAS, missing=False)
    psql.execute("create table inputs as select '{visits,x_sum,plan}'::text[] as names")
    psql.execute("call modelpack.rescore('customer')")
    psql.execute("insert into visit (customer_id, x) select 1 + g % 50, g from generate_series(1, 150) as g")
    assert together(psql) == 50
    assert wrong(psql) == []
    fresh(psql)
    for refused in (
        "customer_id in (1, 17, 18, 50)",
        "true",
    ):  # the first and the last of a chunk, and whole chunks
        psql.execute(f"update customer set plan = null where {refused}")
        psql.execute("truncate modelpack.prediction")
        psql.execute(
            "insert into visit (customer_id, x) select 1 + g % 50, g from generate_series(1, 100) as g"
        )
        assert wrong(psql) == []
        assert value(
            psql, f"select count(*) from customer where churn_stale is not null and {refused}"
        ) == value(psql, f"select count(*) from customer where {refused}")
        assert value(psql, "select count(*) from modelpack.prediction") == value(
            psql, f"select count(*) from customer where not {refused}"
        )


def test_rows_are_logged_once_after_the_owners_role_was_renamed(
    database: str, psql: Session, new_role: Callable[..., str]
) -> None:
    owner = new_role()
    psql.execute(f"{TABLES}; alter table customer owner to {owner}; alter table visit owner to {owner}")
    psql.execute(f"alter table call owner to {owner}")
    attach(database, declared(**PLAIN))
    publish(psql, "churn", ["visits", "x_sum", "plan"], WEIGHTS, BIAS)
    psql.execute("call modelpack.rescore('customer')")
    psql.execute("truncate modelpack.prediction")
    psql.execute(f"alter role {owner} rename to {owner}_new")
    try:
        psql.execute("insert into visit (customer_id) select 1 + g % 20 from generate_series(1, 60) as g")
        assert value(psql, "select count(*) from modelpack.prediction") == 20
        psql.execute("call modelpack.rescore('customer', everything => true)")
        assert value(psql, "select count(*) from modelpack.prediction") == 70
        assert wrong(psql) == []
    finally:
        psql.execute(f"alter role {owner}_new rename to {owner}")


@pytest.mark.parametrize(
    ("fires", "body"),
    [
        (
            "after update",
            "update public.customer set plan = 2 where customer_id = new.customer_id and new.visits >= 2 and plan = 1",
        ),
        (
            "after update of visits",
            "insert into public.call (customer_id) select new.customer_id where old.visits <= 2 and new.visits > 2",
        ),
    ],
    ids=["an input", "an event"],
)
@pytest.mark.parametrize("unscored", [False, True])
def test_a_trigger_that_writes_a_profile_again_adds_nothing_twice(
    shop: Session, fires: str, body: str, unscored: bool
) -> None:
    if unscored:
        publish(shop, "churn", value(shop, "select names from inputs"), WEIGHTS, BIAS, missing=False)
        shop.execute("update customer set plan = null where customer_id = 50")
    shop.execute(
        f"grant insert on call to public; create function again() returns trigger language plpgsql as $$begin {body}; return null; end$$;"
        f"create trigger again {fires} on customer for each row execute function again()"
    )
    for statement in (
        "insert into visit (customer_id, x) select 31 + g % 20, g from generate_series(0, 59) as g",
        "update visit set x = x + 1",
        "delete from visit where visit_id % 3 = 0",
    ):
        shop.execute(statement)
        assert wrong(shop) == [], statement
        assert row(
            shop,
            "select count(*) from customer as p where p.visits <> (select count(*) from visit as v where v.customer_id = p.customer_id)",
        ) == (0,)


def test_events_dated_ahead_and_a_clock_that_was_set_back(shop: Session) -> None:
    shop.execute(
        "insert into visit (customer_id, at) select g, clock_timestamp() + interval '0.3 seconds' from generate_series(1, 12) as g"
    )
    shop.execute("select pg_sleep(0.4)")
    shop.execute("insert into visit (customer_id) select 1 + g % 20 from generate_series(1, 60) as g")
    assert wrong(shop) == []
    fresh(shop)
    shop.execute("update customer set features_at = clock_timestamp() + interval '1 hour' where false")


BRING = "insert into visit (customer_id) select 1 + g % 20 from generate_series(1, 60) as g"
UPKEEP = "call modelpack.rescore('customer', everything => true)"


def of_ones_own(session: Session, body: str) -> None:
    """A BEFORE trigger of the user's own."""
    session.execute(
        f"create function own() returns trigger language plpgsql as $$begin {body} return new; end$$;"
        "create trigger own before update on customer for each row execute function own()"
    )


@pytest.mark.parametrize("statement", [BRING, UPKEEP])
def test_a_trigger_of_ones_own_that_changes_no_input_leaves_rows_together(
    shop: Session, statement: str
) -> None:
    shop.execute("alter table customer add column updated_at timestamptz")
    of_ones_own(shop, "new.updated_at := clock_timestamp();")
    shop.execute("truncate modelpack.prediction")
    shop.execute(statement)
    assert together(shop) >= 20
    assert value(shop, "select count(*) from customer where updated_at is not null") >= 20
    assert rows(shop, "select entity_key from modelpack.prediction group by 1 having count(*) > 1") == []
    shop.execute(UPKEEP)
    fresh(shop)
    assert wrong(shop) == []


@pytest.mark.parametrize("statement", [BRING, UPKEEP])
def test_rows_in_which_a_trigger_of_ones_own_changes_an_input_are_scored_alone(
    shop: Session, statement: str
) -> None:
    shop.execute(UPKEEP)
    of_ones_own(
        shop, "if new.customer_id % 2 = 0 then new.plan := new.customer_id + coalesce(new.plan, 0); end if;"
    )
    shop.execute("truncate modelpack.prediction")
    shop.execute(statement)
    written = value(shop, "select count(distinct entity_key) from modelpack.prediction")
    assert written >= 20
    assert together(shop) == (30 if statement == BRING else 25)  # 30 that nothing was done to
    assert (
        value(
            shop,
            "select count(distinct churn_scored_at) from customer where customer_id % 2 = 0 and customer_id <= 20",
        )
        == 10
    )
    assert value(shop, "select count(*) from modelpack.prediction") == written
    assert value(shop, "select count(*) from customer where customer_id % 2 = 0 and plan > 1") == written / 2
    fresh(shop, 20)


def test_rows_in_which_a_trigger_of_ones_own_changes_a_feature_are_scored_alone(shop: Session) -> None:
    feature = value(shop, "select names[1] from inputs")
    of_ones_own(shop, f"if new.customer_id % 2 = 0 then new.{feature} := 1000; end if;")
    shop.execute(BRING)
    names = value(shop, "select names from inputs")
    for key, churn, stale, *numbers in rows(
        shop,
        f"select customer_id, churn, churn_stale, {', '.join(names)} from customer where customer_id <= 20",
    ):
        if feature == "visits":  # a window is read after the trigger
            assert (numbers[0] == 1000) == (key % 2 == 0)
        assert churn == pytest.approx(linear_score(WEIGHTS, BIAS, [float(n) for n in numbers]), abs=1e-6)
        assert stale is None


def test_rows_that_a_trigger_of_ones_own_passes_over_are_neither_written_nor_logged(shop: Session) -> None:
    of_ones_own(shop, "if new.customer_id % 2 = 0 then return null; end if;")
    shop.execute("truncate modelpack.prediction")
    shop.execute(BRING)
    assert value(shop, "select count(*) from modelpack.prediction") == 10
    assert value(shop, "select sum(visits) from customer where customer_id % 2 = 0") == 0
    assert value(shop, "select sum(visits) from customer") == 30


def test_an_input_that_is_impossible_costs_its_own_row_the_score(database: str, psql: Session) -> None:
    psql.execute(TABLES)
    attach(
        database,
        Profile(
            "customer",
            key="customer_id",
            events=[Event("visit", at="at", features=PLAIN)],
            scores=[
                Score("churn", inputs={"share": expression("100 / plan"), "seen": expression("visits * 2")})
            ],
        ),
    )
    publish(psql, "churn", ["share", "seen"], (0.5, 0.25), BIAS)
    psql.execute("call modelpack.rescore('customer')")
    psql.execute("update customer set plan = 0 where customer_id in (3, 4)")
    psql.execute("update customer set plan = null where customer_id = 5")
    psql.execute("truncate modelpack.prediction")
    psql.execute("insert into visit (customer_id) select 1 + g % 20 from generate_series(1, 60) as g")
    assert wrong(psql) == []
    assert value(psql, "select count(*) from customer where visits = 3") == 20
    assert rows(
        psql, "select customer_id from customer where churn_stale like 'an input cannot be computed%'"
    ) == [(3,), (4,)]
    assert (
        value(
            psql,
            "select count(distinct churn_scored_at) from customer where customer_id <= 20 and customer_id not in (3, 4)",
        )
        == 1
    )
    for plan, visits, churn, inputs in rows(
        psql,
        "select plan, visits, churn, (select inputs from modelpack.history('customer', customer_id::text) limit 1) from customer"
        " where customer_id <= 20 and customer_id not in (3, 4)",
    ):
        assert inputs == [plan and 100 / plan, visits * 2]
        assert churn == pytest.approx(linear_score((0.5, 0.25), BIAS, inputs), abs=1e-6)
    assert value(psql, "select count(*) from modelpack.prediction") == 18
    psql.execute("update customer set plan = 1 where customer_id = 3")
    psql.execute("call modelpack.rescore('customer', everything => true)")
    assert value(psql, "select count(*) from customer where churn_stale is not null") == 1
    assert together(psql) == 49


def test_more_features_than_a_function_has_arguments(database: str, psql: Session) -> None:
    psql.execute(TABLES)
    features: dict[str, Feature] = {f"spread_{n}": deviation("x", where=f"x <> {n}") for n in range(60)}
    features |= {"visits": count(), "visits_7d": count(window="7 days")}
    attach(database, declared(**features))
    names = ["spread_1", "spread_59", "visits", "visits_7d", "plan"]
    publish(psql, "churn", names, (1.0, 0.5, 0.25, 0.125, 2.0), BIAS)
    psql.execute(
        "insert into visit (customer_id, x) select 1 + g % 50, g * g from generate_series(1, 200) as g"
    )
    assert together(psql) == 50
    assert wrong(psql) == []
    for churn, *numbers in rows(psql, f"select churn, {', '.join(names)} from customer"):
        assert churn == pytest.approx(linear_score((1.0, 0.5, 0.25, 0.125, 2.0), BIAS, numbers), rel=1e-6)
    for statement in (
        "select modelpack.listen('customer', every => true); alter table customer drop column note, add column more text",
        "select modelpack.listen('customer', every => true); alter table customer alter plan type bigint",
    ):
        psql.execute(statement)
        psql.execute(
            "insert into visit (customer_id, x) select 1 + g % 50, g * g from generate_series(1, 200) as g"
        )
        assert together(psql) == 50
        assert wrong(psql) == []


def test_events_that_are_deleted_and_kept_leave_windows_together(database: str, psql: Session) -> None:
    psql.execute(TABLES)
    features = {
        "visits": count(),
        "largest": minimum("x", window="7 days"),
        "visits_7d": count(window="7 days"),
    }
    events = [
        Event("visit", at="at", features=features | {"heat": decayed(half_life="7 days")}, on_delete="keep"),
        Event("call", at="at", features={"calls": count(), "calls_1d": count(window="1 day")}),
    ]
    attach(database, Profile("customer", key="customer_id", events=events, scores=[Score("churn")]))
    publish(psql, "churn", ["visits", "visits_7d", "plan"], WEIGHTS, BIAS, missing=False)
    psql.execute("create table inputs as select '{visits,visits_7d,plan}'::text[] as names")
    psql.execute("call modelpack.rescore('customer')")
    psql.execute("insert into visit (customer_id, x) select 1 + g % 20, g from generate_series(1, 60) as g")
    psql.execute("insert into call (customer_id) select 1 + g % 20 from generate_series(1, 60) as g")
    heat = value(psql, "select sum(heat) from customer")
    psql.execute("delete from visit where x > 20")
    assert together(psql) == 30  # those that nothing was done to
    assert value(psql, "select count(distinct churn_scored_at) from customer where customer_id <= 20") == 1
    assert row(psql, "select sum(visits), sum(visits_7d), max(largest) from customer") == (60, 20, 20)
    assert value(psql, "select sum(heat) from customer") == pytest.approx(heat, rel=1e-3)
    assert wrong(psql) == []
    fresh(psql)
    psql.execute("truncate modelpack.prediction")
    psql.execute("update customer set plan = null where customer_id = 7")
    psql.execute("delete from visit")
    assert (
        value(psql, "select churn_stale from customer where customer_id = 7")
        == "input plan is NULL, which the model does not take"
    )
    assert value(psql, "select count(*) from modelpack.prediction") == 19
    assert value(psql, "select sum(visits_7d) from customer") == 0
    assert wrong(psql) == []


@pytest.mark.parametrize(
    "task",
    [
        "refresh('customer', older_than => interval '0')",
        "rescore('customer', everything => true)",
        "rebuild('customer')",
    ],
)
def test_upkeep_scores_rows_together(shop: Session, task: str) -> None:
    shop.execute("insert into visit (customer_id, x) select 1 + g % 30, g from generate_series(1, 90) as g")
    shop.execute("insert into call select 1 + g % 40 from generate_series(1, 80) as g")
    publish(shop, "churn", value(shop, "select names from inputs"), WEIGHTS, BIAS, missing=False)
    shop.execute("update customer set plan = null where customer_id in (3, 4)")
    if "rebuild" in task:
        shop.execute("update customer set visits = 100, x_sum = 7, calls = 1000")
    shop.execute("truncate modelpack.prediction")
    shop.execute(f"call modelpack.{task}")
    assert together(shop) == 48
    assert value(shop, "select count(*) from modelpack.prediction") == 48
    assert value(shop, "select count(*) from customer where churn_stale like '%plan is NULL%'") == 2
    assert wrong(shop) == []
    shop.execute("delete from customer where customer_id in (3, 4)")
    fresh(shop)


def test_scores_of_many_rows_are_bit_for_bit_those_of_one(shop: Session) -> None:
    """Of one and the same row: what is logged says what it was."""
    names = value(shop, "select names from inputs")
    shop.execute("insert into visit (customer_id, x) select 1 + g % 30, g from generate_series(1, 90) as g")
    found = rows(shop, f"select churn, {', '.join(names)} from customer where customer_id <= 30")
    assert len(found) == 30
    for churn, *numbers in found:
        inputs = Jsonb(dict(zip(names, map(float, numbers), strict=True)))
        assert value(shop, "select modelpack.predict('churn', %s)", inputs) == churn


def test_columns_may_be_added_and_retyped(shop: Session) -> None:
    bring = "insert into visit (customer_id, x) select 1 + g % 20, g from generate_series(1, 60) as g"
    for statement in (
        "alter table customer add column more text default 'x'",
        "alter table customer drop column note",
        "alter table visit alter x type numeric(12, 2)",
        "select modelpack.listen('customer', every => true); alter table customer alter plan type bigint",
        "select modelpack.listen('customer', every => true); alter table customer alter dearest type numeric(12, 2), alter last_x type numeric(12, 2)",
    ):
        shop.execute(statement)
        shop.execute(bring)
        assert wrong(shop) == [], statement
        fresh(shop)
    assert together(shop) >= 20
    assert rows(shop, "select * from modelpack.examine_triggers() where status = 'fail'") == []


@pytest.mark.parametrize("kept", ["x_sum", "last_x"])
def test_a_column_that_keeps_fewer_digits_is_scored_as_it_is_stored(
    database: str, psql: Session, kept: str
) -> None:
    psql.prepare_threshold = None
    psql.execute(TABLES.replace("x integer", "x numeric"))
    attach(database, declared(**PLAIN))
    publish(psql, "churn", [kept, "plan"], WEIGHTS[:2], BIAS)
    psql.execute("call modelpack.rescore('customer')")
    psql.execute(
        f"select modelpack.listen('customer', every => true); alter table customer alter {kept} type numeric(10, 1)"
    )
    for statement in (
        "insert into visit (customer_id, x) select 1 + g % 20, g + 0.26 from generate_series(1, 60) as g",
        "update visit set x = x + 1.13",
        "call modelpack.rescore('customer', everything => true)",
        "call modelpack.rebuild('customer')",
    ):
        psql.execute(statement)
        assert together(psql) >= 20
        found = rows(
            psql,
            f"select c.churn, c.churn_stale, array[c.{kept}, c.plan]::float8[], h.prediction, h.inputs from customer as c"
            " cross join lateral (select * from modelpack.history('customer', c.customer_id::text) limit 1) as h where c.visits > 0",
        )
        assert len(found) == 20
        for churn, stale, stored, prediction, inputs in found:
            assert (churn, stale) == (pytest.approx(linear_score(WEIGHTS[:2], BIAS, stored), abs=1e-6), None)
            assert (prediction, inputs) == (churn, stored)


@pytest.mark.parametrize(
    ("kept", "other"),
    [("visits", "integer"), ("x_sum", "bigint"), ("x_mean", "numeric"), ("dearest", "bigint"), ("last_x", "bigint")],
)  # fmt: skip
def test_a_column_of_another_type_than_its_features_is_scored_as_it_is_stored(
    database: str, psql: Session, kept: str, other: str
) -> None:
    psql.prepare_threshold = None
    psql.execute(TABLES.replace("x integer", "x numeric"))
    attach(database, declared(**PLAIN))
    publish(psql, "churn", [kept, "plan"], WEIGHTS[:2], BIAS)
    psql.execute("call modelpack.rescore('customer')")
    psql.execute(
        f"select modelpack.listen('customer', every => true); alter table customer alter {kept} type {other}"
    )
    for statement in (
        "insert into visit (customer_id, x) select 1 + g % 20, g + 0.75 from generate_series(1, 60) as g",
        "call modelpack.rescore('customer', everything => true)",
    ):
        psql.execute(statement)
        found = rows(
            psql, f"select churn, churn_stale, array[{kept}, plan]::float8[] from customer where visits > 0"
        )
        assert len(found) == 20
        for churn, stale, stored in found:
            assert (churn, stale) == (pytest.approx(linear_score(WEIGHTS[:2], BIAS, stored), abs=1e-6), None)


def test_a_row_that_was_loaded_past_the_triggers_is_right_after_events_dated_ahead(
    database: str, psql: Session
) -> None:
    """Nobody has brought it up to any moment yet; the events that reach it lie in the future, among those of other rows."""
    psql.execute(TABLES)
    attach(database, declared(**MOVING))
    publish(psql, "churn", ["visits", "heat", "plan"], WEIGHTS, BIAS)
    psql.execute("call modelpack.rescore('customer')")
    psql.execute("insert into visit (customer_id) select 1 + g % 50 from generate_series(1, 100) as g")
    psql.execute("set session_replication_role = replica")
    psql.execute("update customer set features_at = null where customer_id <= 10")
    psql.execute("set session_replication_role = origin")
    psql.execute(
        "insert into visit (customer_id, at) select g, clock_timestamp() + interval '2 hours' from generate_series(1, 20) as g"
    )
    assert wrong(psql) == []
    # the visits to come count neither for what has cooled down by now nor for the score that is made of it
    cooled = (
        "select sum(power(2, -extract(epoch from c.features_at - v.at)::double precision / 604800)) from visit as v"
        " where v.customer_id = c.customer_id and v.at <= c.features_at"
    )
    for key, heat, expected, scored in rows(
        psql, f"select c.customer_id, c.heat, ({cooled}), c.churn from customer as c where customer_id <= 20"
    ):
        assert heat == pytest.approx(expected, rel=1e-6), key
        assert scored is not None
