"""Erasing an entity: nothing of it is left in any table of the schema, and what has to stay stays."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from modelpack import Event, Profile, Score, count, distinct, last, maximum, total
from modelpack.cli.app import app
from modelpack.outcomes import Outcome
from tests.support import Session, attach, linear_score, publish, row, rows, value, wait_for, wrong

KEY = 904817  # a number that stands nowhere else
AMOUNT = 7351.25  # what only this customer has spent
TOWN = "Ørsted's \"%s\" end"
WEIGHTS, BIAS = (0.5, 0.001), -1.0
GONE = "not exists (select from purchase as e where e.customer_id = p.customer_id and e.at > t.at and e.at <= t.until)"


def make_shop(dsn: str) -> None:
    """40 customers and the one to be erased, in every room: cohort, outcome, experiment, shadows."""
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(
            """
            create table customer (customer_id bigint primary key, town text not null default 'Ry', age integer not null default 40);
            create table purchase (customer_id bigint, at timestamptz not null default clock_timestamp(), amount numeric, complaint boolean default false);
            create index on purchase (customer_id, at);
            grant delete on customer to modelpack_owner
            """
        )
        features = {"complaints": count(where="complaint"), "spend": total("amount"), "dearest": maximum("amount"), "last_at": last("at")}
        outcome = Outcome(GONE, horizon="10 days", every="1 day", segments=["town"])
        attach(
            dsn,
            Profile(
                "customer",
                key="customer_id",
                events=[Event("purchase", at="at", features=features)],
                scores=[Score("churn", model="churn", outcome=outcome)],
            ),
        )
        publish(session, "churn", ["complaints", "spend"], WEIGHTS, BIAS)
        publish(session, "churn", ["spend"], (0.02,), 0.1, promote=False)
        publish(session, "churn", ["spend", "age"], (0.02, 0.1), 0.1, promote=False)
        session.execute("insert into customer (customer_id) select generate_series(1, 40)")
        session.execute("insert into customer (customer_id, town) values (%s, %s)", [KEY, TOWN])
        session.execute(
            "insert into purchase select 1 + g % 40, now() - interval '30 days', g % 50, g % 3 = 0 from generate_series(1, 100) as g"
        )
        arms = [{"arm": "one", "version": 1, "weight": 50}, {"arm": "two", "version": 2, "weight": 50}]
        session.execute("select modelpack.start_experiment('customer', 'churn', 'winter', %s)", [json.dumps(arms)])
        session.execute("select modelpack.start_shadow('churn', 2)")
        session.execute("select modelpack.start_shadow('churn', 3)")
        buy(session, KEY, AMOUNT)
        buy(session, 1, 2.5)
        session.execute("call modelpack.score_shadows()")
        buy(session, KEY, 1)  # its inputs wait for the shadow
        session.execute("select modelpack.expose('winter', %s, 'called')", [str(KEY)])
        session.execute("call modelpack.take_cohort('customer', cut_off => now())")
        session.execute("select modelpack.record_outcome('customer', 'churn', %s, 1)", [str(KEY)])
        session.execute("select modelpack.record_outcome('customer', 'churn', '1', 0)")


shop = pytest.mark.prepared(setup=make_shop)


def buy(session: Session, key: Any, amount: float, times: int = 1) -> None:
    session.execute(
        "insert into purchase (customer_id, amount) select %s, %s from generate_series(1, %s)", [key, amount, times]
    )


def erase(session: Session, key: Any = KEY, profile: str = "customer", **options: bool) -> dict[str, Any]:
    given = "".join(f", {name} => {str(wanted).lower()}" for name, wanted in options.items())
    receipt = value(session, f"call modelpack.erase(%s, %s{given})", profile, str(key))
    assert isinstance(receipt, dict)
    return receipt


def erased(session: Session, key: Any = KEY, profile: str = "customer") -> dict[str, Any]:
    return dict(rows(session, "select relation, rows from modelpack.erased(%s, %s)", profile, str(key)))


def holding(session: Session, *marks: str, schemas: tuple[str, ...] = ("modelpack",)) -> dict[str, int]:
    """Tables of the schemas in any of whose columns one of the texts stands, with the number of rows: by the catalog, of all types."""
    found = {}
    tables = rows(
        session,
        "select table_schema, table_name from information_schema.tables where table_schema = any (%s) and table_type = 'BASE TABLE'",
        list(schemas),
    )
    assert len(tables) > 30
    for schema, table in tables:
        columns = [
            sql.Identifier(name)
            for (name,) in rows(
                session,
                "select column_name from information_schema.columns where table_schema = %s and table_name = %s and data_type <> 'bytea'",
                schema,
                table,
            )
        ]
        said = sql.SQL(" or ").join(
            sql.SQL("position({} in {}::text) > 0").format(sql.Literal(mark), column) for mark in marks for column in columns
        )
        if not columns:
            continue
        number = session.execute(
            sql.SQL("select count(*) from only {} where {}").format(sql.Identifier(schema, table), said)
        ).fetchone()
        assert number is not None
        if number[0]:
            found[table] = number[0]
    return found


MARKS = (str(KEY), str(AMOUNT), "Ørsted")


@shop
def test_the_search_finds_every_table_that_an_entity_is_in(psql: Session) -> None:
    """Else it would prove nothing."""
    found = {name for name in holding(psql, *MARKS) if not name.startswith("prediction")}
    assert found == {"assignment", "exposure", "cohort", "outcome", "shadow_score", "shadow_input"}
    assert erased(psql) == {
        "modelpack.exposure": 1,
        "modelpack.assignment": 1,
        "modelpack.outcome": 1,
        "modelpack.cohort": 1,
        "modelpack.shadow_score": value(psql, "select count(*) from modelpack.shadow_score where entity_key = %s", str(KEY)),
        "modelpack.shadow_input": 1,
        "modelpack.prediction": value(psql, "select count(*) from modelpack.prediction where entity_key = %s", str(KEY)),
        "public.customer": 1,
        "public.purchase": 2,
    }


@shop
@pytest.mark.parametrize("delete_row", [False, True], ids=["row stays", "row goes"])
def test_nothing_of_an_erased_entity_is_left_in_any_table(psql: Session, delete_row: bool) -> None:
    before = rows(psql, "select * from modelpack.prediction where entity_key <> %s order by 1", str(KEY))
    others = rows(psql, "select * from customer where customer_id <> %s order by 1", KEY)
    with psql.transaction():
        psql.execute("delete from purchase where customer_id = %s", [KEY])
        logged = value(psql, "select count(*) from modelpack.prediction where entity_key = %s", str(KEY))
        receipt = erase(psql, delete_row=delete_row)
    assert erased(psql) == {}
    assert holding(psql, *MARKS) == {}
    assert receipt["profile_row"] == ("deleted" if delete_row else "reset")
    assert receipt["erased"]["cohort"] == receipt["erased"]["outcome"] == receipt["erased"]["exposure"] == 1
    # a row that stays is scored once more, which goes as well
    assert receipt["erased"]["prediction"] == logged + (not delete_row)
    # what was of others stays
    assert rows(psql, "select * from modelpack.prediction order by 1") == before
    assert rows(psql, "select * from customer where customer_id <> %s order by 1", KEY) == others
    assert value(psql, "select count(*) from modelpack.outcome") == 1
    assert wrong(psql) == []


@shop
def test_the_receipt_is_kept_and_says_of_whom_it_is_not(psql: Session) -> None:
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    receipt = erase(psql)
    kept = value(psql, "select to_jsonb(e) from modelpack.erasure as e")
    assert kept == receipt
    assert not any(mark in json.dumps(kept, ensure_ascii=False) for mark in MARKS)
    assert (kept["by"], kept["login"], kept["profile"]) == (psql.info.user, psql.info.user, "public.customer")
    assert {(v["version"], v["contains"]) for v in kept["versions"]} == {(n, "nothing that was found") for n in (1, 2, 3)}


@shop
def test_a_row_that_stays_is_as_a_new_one_and_counts_what_comes_later(psql: Session) -> None:
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    erase(psql)
    stays = row(psql, "select town, complaints, spend, dearest, last_at from customer where customer_id = %s", KEY)
    assert stays == (TOWN, 0, 0, None, None)
    score, stale, version = row(psql, "select churn, churn_stale, churn_version from customer where customer_id = %s", KEY)
    models = {1: (WEIGHTS, BIAS), 2: ((0.02,), 0.1)}
    weights, bias = models[version]
    assert (score, stale) == (pytest.approx(linear_score(weights, bias, [0] * len(weights)), abs=1e-6), None)
    buy(psql, KEY, 3, 2)
    assert row(
        psql,
        "select c.complaints, c.spend, c.dearest, c.last_at = max(e.at), count(*), sum(e.amount), max(e.amount)"
        " from customer as c join purchase as e using (customer_id) where customer_id = %s group by c.customer_id",
        KEY,
    ) == (0, 6, 3, True, 2, 6, 3)
    assert wrong(psql) == []
    assert set(erased(psql)) >= {"modelpack.prediction", "public.customer", "public.purchase"}


@shop
def test_a_deleted_row_that_comes_back_is_counted_by_what_came_since(psql: Session) -> None:
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    erase(psql, delete_row=True)
    buy(psql, KEY, 3, 2)
    assert row(psql, "select spend, dearest from customer where customer_id = %s", KEY) == (6, 3)
    assert value(psql, "select count(*) from modelpack.prediction where entity_key = %s", str(KEY)) > 0
    assert wrong(psql) == []


@shop
def test_events_that_are_still_there_are_refused_with_their_number_and_nothing_is_erased(psql: Session) -> None:
    before = holding(psql, *MARKS)
    customer = rows(psql, "select * from customer order by 1")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="the entity still has events: 2 in public.purchase"):
        erase(psql)
    assert holding(psql, *MARKS) == before
    assert rows(psql, "select * from customer order by 1") == customer
    assert rows(psql, "select * from modelpack.erasure") == []


@shop
def test_events_may_stay_and_then_features_are_theirs(psql: Session) -> None:
    notices: list[str] = []
    psql.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
    receipt = erase(psql, events_stay=True)
    assert notices == ["events stay, from which features and scores come again: 2 in public.purchase"]
    assert receipt["events"] == {"public.purchase": 2}
    assert holding(psql, *MARKS) == {}
    assert erased(psql) == {"public.customer": 1, "public.purchase": 2}
    assert wrong(psql) == []


@shop
def test_scores_can_be_kept_as_evidence_without_what_they_were_made_of(psql: Session) -> None:
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    evidence = "select prediction_id, scored_at, score, model, version, prediction from modelpack.prediction where entity_key = %s order by 1"
    before = rows(psql, evidence, str(KEY))
    shadows = rows(psql, "select * from modelpack.shadow_score order by 1, 2")
    receipt = erase(psql, keep_scores=True)
    after = rows(psql, evidence, str(KEY))
    assert after[: len(before)] == before
    assert receipt["kept"]["prediction"] == receipt["erased"]["prediction"] == len(after)
    assert rows(psql, "select distinct inputs, text_inputs from modelpack.prediction where entity_key = %s", str(KEY)) == [([], None)]
    assert rows(psql, "select segments from modelpack.cohort where entity_key = %s", str(KEY)) == [({},)]
    assert value(psql, "select count(*) from modelpack.outcome where entity_key = %s", str(KEY)) == 1
    assert rows(psql, "select * from modelpack.shadow_score order by 1, 2") == shadows
    assert holding(psql, str(AMOUNT), "Ørsted") == {}
    assert rows(psql, "select * from modelpack.erased('customer', %s, keep_scores => true)", str(KEY)) == []
    assert erased(psql)["modelpack.prediction"] == len(after)
    # an erasure that keeps nothing may follow
    erase(psql)
    assert holding(psql, *MARKS) == {}


@shop
def test_what_reads_the_log_bears_rows_without_inputs(psql: Session) -> None:
    number = value(psql, "select max(prediction_id) from modelpack.prediction where entity_key = %s", str(KEY))
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    everything = "select count(*) from modelpack.replay_rows('customer', 'churn', 2)"
    before = value(psql, everything)
    erase(psql, keep_scores=True)
    gone = value(psql, "select count(*) from modelpack.prediction where inputs = '{}'")
    more = value(psql, "select count(*) from modelpack.prediction") - before
    assert gone > 2
    assert value(psql, everything) == before + more - gone
    assert value(psql, everything + " where rival_prediction is null") == 0
    assert value(psql, "select count(*) from modelpack.replay_times('customer', 'churn', 2)") > 0
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match=f"the inputs of row {number} of the log were erased"):
        psql.execute("select * from modelpack.reproduce(%s)", [number])
    psql.execute("call modelpack.score_shadows()")
    assert value(psql, "select count(*) from modelpack.shadow_score where entity_key = %s and shadow_prediction is null", str(KEY)) == 0
    psql.execute("update modelpack.cut_off set cut_off = cut_off")
    assert value(psql, "select count(*) from modelpack.rival_rows('customer', 'churn', 2) where rival_prediction is null") == 0


@shop
def test_a_second_erasure_finds_nothing_and_says_so(psql: Session) -> None:
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    erase(psql, delete_row=True)
    again = erase(psql, delete_row=True)
    assert (again["erased"], again["kept"], again["profile_row"]) == ({}, {}, "absent")
    assert value(psql, "select count(*) from modelpack.erasure") == 2
    assert value(psql, "select count(*) from customer") == 40
