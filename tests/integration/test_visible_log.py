"""Who is no monitor sees the log of the rows of the profile that he may read, and of the inputs those whose columns he may read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import errors

from modelpack import Event, Profile, Score, count, expression, total
from tests.support import Session, attach, publish, rows, user, value

People = Callable[..., Session]


def make_shop(dsn: str) -> None:
    """Four customers of two towns, each with three scores; an input is an expression over two columns."""
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(
            """
            create table customer (customer_id bigint primary key, town text default 'x', income integer, debts integer);
            create table purchase (customer_id bigint, at timestamptz not null default clock_timestamp(), amount numeric);
            insert into customer values (1, 'north', 10, 5), (2, 'north', 20, 4), (3, 'south', 30, 3), (4, 'south', null, null);
            """
        )
        events = [Event("purchase", at="at", features={"purchases": count(), "spend": total("amount")})]
        owed = {"owed": expression("debts::float8 / income")}
        attach(
            dsn, Profile("customer", key="customer_id", events=events, scores=[Score("churn", inputs=owed)])
        )
        publish(session, "churn", ["spend", "owed"], [0.5, 0.1])
        session.execute("call modelpack.rescore('customer')")
        session.execute("insert into purchase (customer_id, amount) select generate_series(1, 4), 2.5")
        session.execute("insert into purchase (customer_id, amount) select 1, 4")


pytestmark = pytest.mark.prepared(setup=make_shop)

NORTH = "create policy north on customer for select using (town = 'north')"
SHOWN = "select entity_key, prediction, inputs from modelpack.visible_log order by prediction_id"
LOGGED = (
    "select prediction_id, prediction, inputs from modelpack.prediction where entity_key = %s order by 1 desc"
)


def secured(session: Session, people: People, policy: str = NORTH) -> None:
    """Row security hides nothing from the owner of a table, as whom functions run: he is no superuser."""
    owner = user(people())
    session.execute(
        f"begin; select modelpack.run_as('public.customer', '{owner}'); alter table customer owner to {owner};"
        f" {policy}; alter table customer enable row level security; commit"
    )


def grant(session: Session, to: Session, columns: str = "") -> None:
    session.execute(f"grant select {columns} on customer to {user(to)}")


def logged(session: Session, key: str, *names: str) -> list[Any]:
    """The log as a superuser reads it: inputs by the names that are to be seen."""
    place = {"spend": 0, "owed": 1}
    return [
        (number, score, {name: inputs[place[name]] for name in names})
        for number, score, inputs in rows(session, LOGGED, key)
    ]


def log_of(session: Session, key: str) -> list[Any]:
    return rows(
        session, "select prediction_id, prediction, inputs from modelpack.log_of('customer', %s)", key
    )


def test_a_reader_sees_the_log_of_the_rows_that_policies_show_him(psql: Session, people: People) -> None:
    analyst = people("modelpack_reader")
    grant(psql, analyst)
    secured(psql, people)
    for key in "12":
        assert log_of(analyst, key) == logged(psql, key, "spend", "owed") != []
    for key in "3459":
        assert log_of(analyst, key) == []
    assert {key for key, *_ in rows(analyst, SHOWN)} == {"1", "2"}
    # the log itself is not his, nor what the view is made of
    with pytest.raises(errors.InsufficientPrivilege):
        analyst.execute("select * from modelpack.prediction")
    # a policy that changes is followed at once
    psql.execute("alter policy north on customer using (town = 'south')")
    assert {key for key, *_ in rows(analyst, SHOWN)} == {"3", "4"}
    psql.execute("alter table customer disable row level security")
    assert len(rows(analyst, SHOWN)) == value(psql, "select count(*) from modelpack.prediction")


def test_a_policy_by_role_is_that_of_who_asks(psql: Session, people: People) -> None:
    north, south = people("modelpack_reader"), people("modelpack_reader")
    secured(psql, people, "select")
    for town, who in (("north", north), ("south", south)):
        grant(psql, who)
        psql.execute(f"create policy {town} on customer for select to {user(who)} using (town = '{town}')")
    assert {key for key, *_ in rows(north, SHOWN)} == {"1", "2"}
    assert {key for key, *_ in rows(south, SHOWN)} == {"3", "4"}


def test_inputs_are_those_of_columns_that_he_may_read(psql: Session, people: People) -> None:
    analyst = people("modelpack_reader")
    assert log_of(analyst, "1") == []
    grant(psql, analyst, "(customer_id)")
    assert log_of(analyst, "1") == []  # not the score
    grant(psql, analyst, "(churn)")
    assert log_of(analyst, "1") == logged(psql, "1")
    grant(psql, analyst, "(spend, debts)")
    assert log_of(analyst, "1") == logged(psql, "1", "spend")  # half of what "owed" reads
    grant(psql, analyst, "(income)")
    assert log_of(analyst, "1") == logged(psql, "1", "spend", "owed")
    psql.execute(f"revoke select (customer_id) on customer from {user(analyst)}")
    assert log_of(analyst, "1") == []


def test_monitors_see_all_and_others_nothing(psql: Session, people: People) -> None:
    secured(psql, people)
    everything = value(psql, "select count(*) from modelpack.prediction")
    assert len(rows(psql, SHOWN)) == len(rows(people("modelpack_monitor"), SHOWN)) == everything
    for group in ("modelpack_publisher", "modelpack_approver", "modelpack_reader"):
        assert rows(people(group), SHOWN) == []
    outsider = people()
    grant(psql, outsider)
    with pytest.raises(errors.InsufficientPrivilege):
        outsider.execute(SHOWN)


def test_a_condition_of_his_own_learns_nothing_of_rows_that_are_hidden(psql: Session, people: People) -> None:
    """What he calls in a condition sees only what the view gives."""
    analyst = people("modelpack_reader")
    grant(psql, analyst)
    secured(psql, people)
    psql.execute(f"create schema own authorization {user(analyst)}")
    analyst.execute(
        "create function own.leak(t text) returns boolean language plpgsql cost 0.0001 as 'begin raise notice ''%'', t; return true; end'"
    )
    told: list[str] = []
    analyst.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
    analyst.execute(
        "select * from modelpack.visible_log where own.leak(entity_key) and own.leak(inputs::text)"
    )
    assert {t for t in told if not t.startswith("{")} == {"1", "2"}
    assert all(json.loads(t).keys() == {"spend", "owed"} for t in told if t.startswith("{"))


def test_one_key_is_found_by_the_index_of_the_log(psql: Session, people: People) -> None:
    psql.execute(
        "insert into modelpack.prediction (scored_at, profile, entity_key, score, model, version, prediction, inputs)"
        " select now() - interval '30 days', 'public.customer', 'k' || g, 'churn', 'churn', 1, 0.5, '{1,2}' from generate_series(1, 20000) as g"
    )
    psql.execute("select * from modelpack.maintain()")
    psql.execute("vacuum analyze modelpack.prediction")
    analyst = people("modelpack_reader")
    grant(psql, analyst)
    secured(psql, people)
    plan = "\n".join(
        line
        for (line,) in rows(
            analyst,
            "explain (analyze, costs off, timing off, summary off) select * from modelpack.visible_log"
            " where profile = 'public.customer' and entity_key = '1'",
        )
    )
    assert "_by_key" in plan, plan
    assert "Rows Removed by Filter: 20000" not in plan, plan
    assert len(log_of(analyst, "1")) == len(rows(psql, LOGGED, "1"))


def test_keys_of_several_columns_and_odd_letters(database: str, psql: Session, people: People) -> None:
    psql.execute(
        """
        create table "st%d" ("a""b" text, "c%I" numeric, town text default 'x', primary key ("a""b", "c%I"));
        create table bought ("a""b" text, "c%I" numeric, at timestamptz default now());
        """
    )
    attach(
        database,
        Profile(
            "st%d",
            key=('a"b', "c%I"),
            events=[Event("bought", at="at", features={"n": count()})],
            scores=[Score("churn", model="other")],
        ),
    )
    publish(psql, "other", ["n"], [0.5])
    for part in ("it's", 'a "b" \\ %s'):
        psql.execute("insert into bought values (%s, 1.50)", [part])
    analyst = people("modelpack_reader")
    psql.execute(f'grant select on "st%d" to {user(analyst)}')
    for part in ("it's", 'a "b" \\ %s'):
        found = rows(
            analyst,
            "select inputs from modelpack.log_of('\"st%%d\"', jsonb_build_array(%s::text, '1.500')::text)",
            part,
        )
        assert found == [({"n": 1.0},)]
    psql.execute(f'revoke select on "st%d" from {user(analyst)}')
    assert rows(analyst, "select * from modelpack.visible_log where model = 'other'") == []
