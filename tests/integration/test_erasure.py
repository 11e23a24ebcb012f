"""Erasing an entity: nothing of it is left in any table of the schema, and what has to stay stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import errors, sql
from typer.testing import CliRunner

from modelpack import Event, Profile, Score, count, distinct, last, maximum, total
from modelpack.cli.app import app
from modelpack.outcomes import Outcome
from tests.support import (
    Session,
    attach,
    linear_model,
    linear_score,
    publish,
    row,
    rows,
    value,
    wait_for,
    wrong,
)

KEY = 904817  # a number that stands nowhere else
AMOUNT = 7351.25  # what only this customer has spent
TOWN = 'Ørsted\'s "%s" end'
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
        features = {
            "complaints": count(where="complaint"),
            "spend": total("amount"),
            "dearest": maximum("amount"),
            "last_at": last("at"),
        }
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
        arms = [{"arm": "one", "version": 1, "weight": 95}, {"arm": "two", "version": 2, "weight": 5}]
        session.execute(
            "select modelpack.start_experiment('customer', 'churn', 'winter', %s)", [json.dumps(arms)]
        )
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
        "insert into purchase (customer_id, amount) select %s, %s from generate_series(1, %s)",
        [key, amount, times],
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
            sql.SQL("position({} in {}::text) > 0").format(sql.Literal(mark), column)
            for mark in marks
            for column in columns
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
        "modelpack.shadow_score": value(
            psql, "select count(*) from modelpack.shadow_score where entity_key = %s", str(KEY)
        ),
        "modelpack.shadow_input": 1,
        "modelpack.prediction": value(
            psql, "select count(*) from modelpack.prediction where entity_key = %s", str(KEY)
        ),
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
    assert {(v["version"], v["contains"]) for v in kept["versions"]} == {
        (n, "nothing that was found") for n in (1, 2, 3)
    }


@shop
def test_a_row_that_stays_is_as_a_new_one_and_counts_what_comes_later(psql: Session) -> None:
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    erase(psql)
    stays = row(
        psql, "select town, complaints, spend, dearest, last_at from customer where customer_id = %s", KEY
    )
    assert stays == (TOWN, 0, 0, None, None)
    score, stale, version = row(
        psql, "select churn, churn_stale, churn_version from customer where customer_id = %s", KEY
    )
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
def test_events_that_are_still_there_are_refused_with_their_number_and_nothing_is_erased(
    psql: Session,
) -> None:
    before = holding(psql, *MARKS)
    customer = rows(psql, "select * from customer order by 1")
    with pytest.raises(
        errors.ObjectNotInPrerequisiteState, match=r"the entity still has events: 2 in public\.purchase"
    ):
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
    assert rows(
        psql, "select distinct inputs, text_inputs from modelpack.prediction where entity_key = %s", str(KEY)
    ) == [([], None)]
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
    number = value(
        psql, "select max(prediction_id) from modelpack.prediction where entity_key = %s", str(KEY)
    )
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
    with pytest.raises(
        errors.ObjectNotInPrerequisiteState, match=f"the inputs of row {number} of the log were erased"
    ):
        psql.execute("select * from modelpack.reproduce(%s)", [number])
    psql.execute("call modelpack.score_shadows()")
    assert (
        value(
            psql,
            "select count(*) from modelpack.shadow_score where entity_key = %s and shadow_prediction is null",
            str(KEY),
        )
        == 0
    )
    psql.execute("update modelpack.cut_off set cut_off = cut_off")
    assert (
        value(
            psql,
            "select count(*) from modelpack.rival_rows('customer', 'churn', 2) where rival_prediction is null",
        )
        == 0
    )


@shop
def test_a_second_erasure_finds_nothing_and_says_so(psql: Session) -> None:
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    erase(psql, delete_row=True)
    again = erase(psql, delete_row=True)
    assert (again["erased"], again["kept"], again["profile_row"]) == ({}, {}, "absent")
    assert value(psql, "select count(*) from modelpack.erasure") == 2
    assert value(psql, "select count(*) from customer") == 40


@shop
def test_whoever_may_not_is_refused_and_the_owner_of_the_table_may_be_granted_it(
    psql: Session, people: Callable[..., Session]
) -> None:
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    before = holding(psql, *MARKS)
    for group in ("modelpack_publisher", "modelpack_approver", "modelpack_reader", "modelpack_monitor"):
        with pytest.raises(errors.InsufficientPrivilege):
            erase(people(group))
    reader, owner = people("modelpack_reader"), people()
    call = "procedure modelpack.erase(regclass, text, boolean, boolean, boolean, jsonb)"
    work = "function modelpack.erase_entity(modelpack.me, regclass, text, boolean, boolean, boolean)"
    for who in (reader, owner):
        name = who.info.user
        psql.execute(
            f"grant usage on schema modelpack to {name}; grant select on modelpack.me to {name};"
            f" grant execute on {call} to {name}; grant execute on {work} to {name}"
        )
    with pytest.raises(errors.InsufficientPrivilege, match=r"may not erase rows of public\.customer"):
        erase(reader)
    assert holding(psql, *MARKS) == before
    psql.execute(
        f"begin; select modelpack.run_as('public.customer', '{owner.info.user}'); alter table customer owner to {owner.info.user}; commit"
    )
    receipt = erase(owner, delete_row=True)
    assert (receipt["by"], receipt["login"]) == (owner.info.user, owner.info.user)
    assert holding(psql, *MARKS) == {}
    assert value(psql, "select count(*) from customer where customer_id = %s", KEY) == 0
    # nobody calls it in another's name
    psql.execute(
        f"create function call_it() returns void language plpgsql security definer as"
        f" $$declare r jsonb; begin call modelpack.erase('customer', '{KEY}', receipt => r); end$$"
    )
    with pytest.raises(errors.InsufficientPrivilege, match=r"the statement does not call modelpack\.erase"):
        psql.execute("select call_it()")


@shop
def test_code_of_the_table_runs_as_its_owner_whoever_erases(
    psql: Session, people: Callable[..., Session]
) -> None:
    owner = people().info.user
    psql.execute(
        f"begin; select modelpack.run_as('public.customer', '{owner}'); alter table customer owner to {owner}; commit;"
        " create table seen (who text); grant all on seen to public;"
        " create function note() returns trigger language plpgsql as 'begin insert into public.seen values (current_user); return coalesce(new, old); end';"
        " create trigger noted before update or delete on customer for each row execute function note()"
    )
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    psql.execute("truncate seen")
    erase(psql)
    assert row(psql, "select complaints, spend, dearest from customer where customer_id = %s", KEY) == (
        0,
        0,
        None,
    )
    erase(psql, delete_row=True)
    assert rows(psql, "select distinct who from seen") == [(owner,)]
    assert holding(psql, *MARKS) == {}


@shop
def test_no_declaration_has_rows_of_a_table_deleted_that_its_owner_did_not_declare(
    psql: Session, people: Callable[..., Session]
) -> None:
    """Members of modelpack_owner may write modelpack.profile; that makes no table a profile."""
    dba, other = people("modelpack_owner"), people()
    psql.execute(
        f"create table secret (customer_id bigint primary key); insert into secret values (1); alter table secret owner to {other.info.user}"
    )
    dba.execute("update modelpack.profile set relation = 'secret'::regclass, name = 'public.secret'")
    with pytest.raises(
        errors.ObjectNotInPrerequisiteState, match="lacks triggers or functions of its declaration"
    ):
        erase(dba, 1, "secret", delete_row=True)
    assert value(psql, "select count(*) from secret") == 1


@shop
@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_snapshot_that_does_not_see_all_is_refused(psql: Session, level: str) -> None:
    with psql.transaction():
        psql.execute(f"set transaction isolation level {level}")
        with (
            pytest.raises(errors.InvalidTransactionState, match=f"the transaction is {level}"),
            psql.transaction(),
        ):
            erase(psql)


def finished(work: Any) -> Any:
    return work.result(timeout=20)


WAITS = "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query ilike %s)"


@shop
def test_an_event_that_is_not_committed_yet_is_waited_for(psql: Session, database: str) -> None:
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    with ThreadPoolExecutor() as pool, psycopg.connect(database) as late:
        buy(late, KEY, 9)
        second = psycopg.connect(database, autocommit=True)
        work = pool.submit(erase, second)
        wait_for(psql, WAITS, "call modelpack.erase%")
        late.commit()
        with pytest.raises(errors.ObjectNotInPrerequisiteState, match=r"1 in public\.purchase"):
            finished(work)
        second.close()
    assert wrong(psql) == []


@shop
@pytest.mark.parametrize("delete_row", [False, True], ids=["row stays", "row goes"])
def test_an_event_that_comes_meanwhile_is_the_first_of_a_new_row(
    psql: Session, database: str, delete_row: bool
) -> None:
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    with (
        ThreadPoolExecutor() as pool,  # ends last: a thread may wait for what a session here holds
        psycopg.connect(database) as first,
        psycopg.connect(database, autocommit=True) as second,
    ):
        erase(first, delete_row=delete_row)
        work = pool.submit(buy, second, KEY, 9)
        wait_for(psql, WAITS, "insert into purchase%")
        first.commit()
        finished(work)
    assert value(psql, "select spend from customer where customer_id = %s", KEY) == 9
    assert value(psql, "select count(*) from modelpack.prediction where entity_key = %s", str(KEY)) == 1
    assert wrong(psql) == []


@shop
@pytest.mark.parametrize("delete_row", [False, True], ids=["row stays", "row goes"])
def test_of_two_erasures_at_once_the_second_finds_nothing(
    psql: Session, database: str, delete_row: bool
) -> None:
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    with (
        ThreadPoolExecutor() as pool,  # ends last: a thread may wait for what a session here holds
        psycopg.connect(database) as first,
        psycopg.connect(database, autocommit=True) as second,
    ):
        one = erase(first, delete_row=delete_row)
        work = pool.submit(erase, second, delete_row=delete_row)
        wait_for(psql, WAITS, "call modelpack.erase%")
        first.commit()
        two = finished(work)
    assert one["erased"]["cohort"] == 1
    # a row that stays is scored and that is logged, for a moment
    assert set(two["erased"]) <= {"prediction", "assignment", "shadow_input"}
    assert two["profile_row"] == ("absent" if delete_row else "reset")
    assert holding(psql, *MARKS) == {}


@shop
def test_a_job_that_has_read_the_entity_brings_nothing_of_it_back(psql: Session, database: str) -> None:
    """The batch of a shadow is in hand: it has read the log, and not written yet."""
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    psql.execute("select modelpack.stop_shadow('churn', 3)")
    number = value(psql, "select shadow_id from modelpack.shadow where version = 2")
    with (
        ThreadPoolExecutor() as pool,  # ends last: a thread may wait for what a session here holds
        psycopg.connect(database) as job,
        psycopg.connect(database, autocommit=True) as second,
    ):
        job.execute("select modelpack.shadow_some(%s, 1000, '1 hour')", [number])
        work = pool.submit(erase, second)
        wait_for(psql, WAITS, "call modelpack.erase%")
        job.commit()
        assert finished(work)["erased"]["shadow_score"] > 0
    assert holding(psql, *MARKS) == {}
    # and the other way round
    buy(psql, KEY, AMOUNT)
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    with (
        ThreadPoolExecutor() as pool,  # ends last: a thread may wait for what a session here holds
        psycopg.connect(database) as first,
        psycopg.connect(database, autocommit=True) as second,
    ):
        erase(first, delete_row=True)
        work = pool.submit(second.execute, f"select modelpack.shadow_some({number}, 1000, '1 hour')")
        wait_for(psql, WAITS, "select modelpack.shadow_some%")
        first.commit()
        finished(work)
    assert holding(psql, *MARKS) == {}


@shop
def test_partitions_that_are_made_or_dropped_meanwhile_hide_nothing(psql: Session, database: str) -> None:
    old = (
        "insert into modelpack.prediction (scored_at, profile, entity_key, score, model, version, prediction, inputs)"
        " select now() - %s * interval '1 day', 'public.customer', %s, 'churn', 'churn', 1, 0.5, %s"
    )
    for days in (3, 200, 400):
        psql.execute(old, [days, str(KEY), [AMOUNT, 1.5]])
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    with (
        ThreadPoolExecutor() as pool,  # ends last: a thread may wait for what a session here holds
        psycopg.connect(database) as maintenance,
        psycopg.connect(database, autocommit=True) as second,
    ):
        # rows move from the default partition into a new one, and those that are too old go
        maintenance.execute("select * from modelpack.maintain()")
        work = pool.submit(erase, second)
        wait_for(psql, WAITS, "call modelpack.erase%")
        maintenance.commit()
        finished(work)
    assert holding(psql, *MARKS) == {}
    psql.execute(old, [3, str(KEY), [AMOUNT, 1.5]])
    with psycopg.connect(database) as first:
        erase(first)
        actions = dict(rows(psql, "select partition, action from modelpack.maintain()"))
        assert not any(action.startswith("made") for action in actions.values())
        first.commit()
    psql.execute("select * from modelpack.maintain()")
    assert holding(psql, *MARKS) == {}


@shop
def test_killed_in_the_middle_nothing_is_erased(psql: Session, database: str) -> None:
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    before = holding(psql, *MARKS)
    customer = rows(psql, "select * from customer order by 1")
    with (
        ThreadPoolExecutor() as pool,  # ends last: a thread may wait for what a session here holds
        psycopg.connect(database) as blocker,
        psycopg.connect(database, autocommit=True) as second,
    ):
        # it has reset the row, and waits for what jobs write to
        blocker.execute("lock table modelpack.cohort in share mode")
        work = pool.submit(erase, second)
        wait_for(psql, WAITS, "call modelpack.erase%")
        psql.execute("select pg_terminate_backend(%s)", [second.info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            finished(work)
    assert holding(psql, *MARKS) == before
    assert rows(psql, "select * from customer order by 1") == customer
    assert (
        value(psql, "select count(*) from pg_proc where proname like 'erase\\_%%' and proname ~ '[0-9]$'")
        == 0
    )
    erase(psql)
    assert holding(psql, *MARKS) == {}


# type of the key, two texts of one key, another one
KEYS = {
    "numeric": ("numeric", "7.50", "7.5", "7.51"),
    "text": ("text", "it's \"50%s\" \\ $1 {x}", None, "it's \"50%s\" \\ $1 {y}"),
    "char": ("char(9)", "ab", "ab   ", "abc"),
    "uuid": ("uuid", "C0FFEE00-0000-4000-8000-0000000000AB", "c0ffee00-0000-4000-8000-0000000000ab", "c0ffee00-0000-4000-8000-0000000000ac"),
    "instant": ("timestamptz", "2024-03-31 02:30:00.123+01", "2024-03-31 01:30:00.123+00", "2024-03-31 02:30:00.124+01"),
    "interval": ("interval", "1 month 3 days", "33 days", "1 month 4 days"),
    "bytes": ("bytea", "\\xDEADBEEF27", "\\xdeadbeef27", "\\xdeadbeef28"),
    "enum": ("colour", "rosé\"'", None, "blue"),
    "date": ("date", "2031-05-17", None, "2031-05-18"),
}  # fmt: skip


def publish_model(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as session:
        publish(session, "churn", ["n", "spend"], WEIGHTS, BIAS)


@pytest.mark.prepared(setup=publish_model)
@pytest.mark.parametrize(
    ("kind", "one", "same", "other", "parts"),
    [(*of, 1) for of in KEYS.values()] + [(*KEYS[name], 2) for name in ("numeric", "text", "instant")],
    ids=[*KEYS, *(f"{name} and another" for name in ("numeric", "text", "instant"))],
)
def test_keys_of_every_type_however_they_are_written(
    database: str, psql: Session, kind: str, one: str, same: str | None, other: str, parts: int
) -> None:
    psql.execute("create type colour as enum ('rosé\"''', 'blue')")
    column = 'the "key" {x}'
    more = ", area integer" if parts == 2 else ""
    names = sql.SQL(', "area"' if parts == 2 else "")
    psql.execute(
        sql.SQL(
            "create table customer ({0} {1}{2}, primary key ({0}{3}));"
            "create table purchase ({0} {1}{2}, at timestamptz not null default clock_timestamp(), amount numeric, item text);"
            "grant delete on customer to modelpack_owner"
        ).format(sql.Identifier(column), sql.SQL(kind), sql.SQL(more), names)
    )
    features = {"n": count(), "spend": total("amount"), "items": distinct("item"), "item": last("item")}
    key: Any = (column, "area") if parts == 2 else column
    attach(
        database,
        Profile(
            "customer",
            key=key,
            events=[Event("purchase", at="at", features=features)],
            scores=[Score("churn")],
        ),
    )

    def come(text: str, amount: float) -> None:
        psql.execute(
            sql.SQL("insert into purchase values (%s{}, default, %s, 'odd item')").format(
                sql.SQL(", 3" if parts == 2 else "")
            ),
            [text, amount],
        )

    for text in (one, same or one):
        come(text, AMOUNT)
    come(other, 5)
    asked = json.dumps([same or one, 3]) if parts == 2 else same or one
    before = rows(psql, "select * from modelpack.prediction where inputs[2] = 5 order by 1")
    assert len(before) == 1
    assert erased(psql, asked)["modelpack.prediction"] == 2
    gone = sql.SQL("delete from purchase where {} = %s").format(sql.Identifier(column))
    psql.execute(gone, [one])
    assert set(erased(psql, asked)) == {"modelpack.prediction"}  # its features are those of no event
    receipt = erase(psql, asked, delete_row=True)
    assert (receipt["profile_row"], set(receipt["erased"])) == ("deleted", {"prediction"})
    assert holding(psql, str(AMOUNT)) == {}
    assert erased(psql, asked) == {}
    assert rows(psql, "select * from modelpack.prediction order by 1") == before
    assert value(psql, "select count(*) from customer") == 1
    # it may come again, and is counted by what came since
    come(same or one, 2)
    assert row(
        psql,
        sql.SQL("select n, spend, items from customer where {} = %s")
        .format(sql.Identifier(column))
        .as_string(psql),
        one,
    ) == (1, 2, 1)
    assert wrong(psql) == []


def test_what_outlives_its_events_goes_and_a_row_that_never_was_is_met(database: str, psql: Session) -> None:
    psql.execute(
        "create table customer (customer_id bigint primary key);"
        "create table purchase (customer_id bigint, at timestamptz not null default clock_timestamp(), amount numeric);"
        f"insert into customer values ({KEY})"
    )
    kept = Event(
        "purchase",
        at="at",
        features={"spend": total("amount"), "n": count()},
        on_delete="keep",
        missing="ignore",
    )
    attach(database, Profile("customer", key="customer_id", events=[kept], scores=[Score("churn")]))
    publish(psql, "churn", ["spend"], (0.5,))
    buy(psql, KEY, AMOUNT)
    buy(psql, KEY + 1, AMOUNT)  # ignored, but remembered by a hash
    psql.execute("delete from purchase")
    assert value(psql, "select spend from customer") == AMOUNT
    assert erased(psql) == {"modelpack.prediction": 1, "public.customer": 1}
    erase(psql)
    assert row(psql, "select spend, n from customer") == (0, 0)
    assert erased(psql) == {}
    assert erased(psql, KEY + 1) == {"modelpack.ignored": 1}
    assert erase(psql, KEY + 1)["erased"] == {"ignored": 1}
    assert value(psql, "select count(*) from modelpack.ignored") == 0


@shop
def test_every_table_with_a_key_is_registered(psql: Session) -> None:
    """A room that adds a table adds it to modelpack.personal."""
    with_key = rows(
        psql,
        "select table_name::text from information_schema.columns where table_schema = 'modelpack' and column_name ~ 'entity|_key$'"
        " and table_name in (select relname from pg_class where relkind in ('r', 'p') and not relispartition) order by 1",
    )
    registered = rows(
        psql, "select relation::text from modelpack.personal where relation not in ('personal') order by 1"
    )
    # samples of roll-ups hold hashes in arrays, for which there is a step of its own
    assert [t for t in with_key if t not in {("personal",), ("rollup",)}] == registered


SAMPLES = """
create table if not exists modelpack.reference (
  version_id integer primary key, reference jsonb not null, background jsonb, created_at timestamptz not null default now(), created_by name not null
);
grant select, update on modelpack.reference to modelpack_owner;
delete from modelpack.reference;
insert into modelpack.reference (version_id, reference, background, created_by) select version_id, '{}', %s, current_user from modelpack.version where version = %s
"""


def publish_tried(session: Session, golden: list[list[float | None]]) -> int:
    """A version of two numbers with golden rows of one's own."""
    signature = {
        "format": 1,
        "inputs": [{"name": n, "type": "number", "missing": True} for n in ("complaints", "spend")],
        "output": {"name": "score", "kind": "probability", "class": "1"},
    }
    scores = [float(np.float32(linear_score(WEIGHTS, BIAS, cells))) for cells in golden]
    return int(
        value(
            session,
            "select modelpack.publish('churn', %s, %s, %s)",
            linear_model(WEIGHTS, BIAS),
            json.dumps(signature),
            json.dumps({"rows": golden, "scores": scores}),
        )
    )


@shop
def test_background_and_golden_rows_that_are_its_own_go_and_those_of_others_stay(psql: Session) -> None:
    its, its_too = [0, AMOUNT], [0.0, AMOUNT + 1]
    shared, strange, missing = (
        [0, 2.5 + float(value(psql, "select spend - 2.5 from customer where customer_id = 1"))],
        [4, 44.25],
        [None, None],
    )
    version = publish_tried(psql, [shared, its, strange, its_too])
    only = publish_tried(psql, [its])
    for n, kept in ((0, shared), (KEY, shared)):  # both were given this
        psql.execute(
            "insert into modelpack.prediction (scored_at, profile, entity_key, score, model, version, prediction, inputs)"
            " values (now(), 'public.customer', %s, 'churn', 'churn', 1, 0.5, %s)",
            [str(n), [float(c) for c in kept]],
        )
    with psycopg.ClientCursor(psql) as cursor:
        cursor.execute(SAMPLES, [json.dumps([its, shared, missing, its_too, strange]), version])
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    receipt = erase(psql)
    assert receipt["background"] == {f"churn {version}": 2}
    assert receipt["golden"] == {f"churn {version}": 2, f"churn {only}": 0}
    assert value(psql, "select background from modelpack.reference") == [shared, missing, strange]
    golden = dict(
        rows(psql, "select version, golden -> 'rows' from modelpack.version where version >= %s", version)
    )
    assert golden == {version: [shared, strange], only: [its]}
    assert list(holding(psql, str(AMOUNT))) == ["version"]  # of which the receipt tells
    # it is proven by what is left
    psql.execute("select modelpack.recheck('churn', %s)", [version])
    psql.execute("update modelpack.setting set value = value")
    for change in (
        'golden = \'{"rows": [], "scores": []}\'',
        'golden = golden || \'{"rows": [[1, 2]], "scores": [0.5]}\'',
        "note = 'x'",
    ):
        with pytest.raises(errors.RestrictViolation, match="what was published does not change"):
            psql.execute(f"update modelpack.version set {change} where version = %s", [version])


@shop
def test_texts_and_float32_are_met_as_the_model_was_given_them(psql: Session) -> None:
    signature = json.dumps(
        {
            "inputs": [
                {"name": n, "type": t}
                for n, t in (("plan", "text"), ("x", "number"), ("town", "text"), ("y", "number"))
            ]
        }
    )
    fed = "array[row('k', 0.5, array[0.1::real::float8, null], array['pro', null])::modelpack.scored]"
    found = {
        json.dumps(cells): value(
            psql,
            f"select modelpack.same_rows((select jsonb_populate_record(v, jsonb_build_object('signature', %s::jsonb)) from modelpack.version as v limit 1), jsonb_build_array(%s::jsonb), {fed})",
            signature,
            json.dumps(cells),
        )
        for cells in (["pro", 0.1, None, None], ["pro", 0.100000001, None, None], ["pro", 0.1001, None, None], ["pro", 0.1, "", None],
                      ["basic", 0.1, None, None], ["pro", 0.1, None, 0], ["pro", 1e300, None, None], ["pro", 1e-300, None, None])
    }  # fmt: skip
    assert list(found.values()) == [[0], [0], [], [], [], [], [], []]


def run(database: str, *arguments: str, **more: Any) -> Any:
    return CliRunner().invoke(app, [*arguments, "--dsn", database], **more)


@shop
def test_the_commands_erase_and_say_what_is_left(psql: Session, database: str) -> None:
    left = run(database, "erased", "customer", str(KEY), "--json")
    assert (left.exit_code, {f["relation"]: f["rows"] for f in json.loads(left.stdout)}) == (1, erased(psql))
    refused = run(database, "erase", "customer", str(KEY))
    assert (refused.exit_code, "expected --yes" in refused.output) == (2, True)
    refused = run(database, "erase", "customer", str(KEY), "--yes")
    assert (refused.exit_code, "the entity still has events: 2 in public.purchase" in refused.output) == (
        2,
        True,
    )
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    psql.execute(f"alter database {psql.info.dbname} set default_transaction_isolation = 'repeatable read'")
    done = run(database, "erase", "customer", str(KEY), "--yes", "--keep-scores")
    assert done.exit_code == 0, done.output
    assert "Receipt 1: erased from public.customer" in done.stdout
    assert "Kept as evidence" in done.stdout
    assert run(database, "erased", "customer", str(KEY), "--keep-scores").exit_code == 0
    done = run(database, "erase", "customer", str(KEY), "--yes", "--delete-row", "--json")
    assert json.loads(done.stdout) == value(
        psql, "select to_jsonb(e) from modelpack.erasure as e where erasure_id = 2"
    )
    left = run(database, "erased", "customer", str(KEY))
    assert (left.exit_code, left.stdout) == (0, "Nothing is left.\n")


@shop
def test_on_a_terminal_it_asks_first(psql: Session, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    monkeypatch.setattr("modelpack.erasure.commands._is_terminal", lambda: True)
    assert run(database, "erase", "customer", str(KEY), input="n\n").exit_code == 1
    assert erased(psql) != {}
    assert run(database, "erase", "customer", str(KEY), input="y\n").exit_code == 0
    assert erased(psql) == {}


@shop
def test_who_may_not_look_is_told_that_he_may_not(psql: Session, people: Callable[..., Session]) -> None:
    monitor = people("modelpack_monitor")
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    erase(psql)
    assert erased(monitor) == {"public.customer": None, "public.purchase": None}
    psql.execute(f"grant select on customer, purchase to {monitor.info.user}")
    assert erased(monitor) == {}


@shop
def test_who_looks_runs_no_code_of_the_owner_of_a_table(psql: Session) -> None:
    """A superuser may look: what stands in the place of an event table is not read."""
    psql.execute(
        "create table ran (who text); create function run_it(n bigint) returns bigint language plpgsql"
        " as 'begin insert into public.ran values (current_user); return n; end';"
        "alter table purchase rename to bought;"
        "create view purchase as select run_it(customer_id) as customer_id, at, amount, complaint from bought"
    )
    assert erased(psql)["public.purchase"] is None
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="is another table"):
        erase(psql)
    assert rows(psql, "select * from ran") == []


@shop
def test_hashes_of_keys_in_roll_ups_go_and_their_counts_stay(psql: Session) -> None:
    psql.execute("call modelpack.observe()")
    sample = "select watched_id, span, at, predictions, cardinality(entity_hashes), entity_rows from modelpack.rollup order by 1, 2, 3"
    hashed = "select count(*) from modelpack.rollup where hashtextextended(%s, 0) = any (entity_hashes)"
    in_order = "select count(*) from modelpack.rollup where entity_hashes <> array(select distinct h from unnest(entity_hashes) as h order by 1)"
    before, held, others = rows(psql, sample), value(psql, hashed, str(KEY)), value(psql, hashed, "1")
    assert erased(psql)["modelpack.rollup"] == held > 0
    psql.execute("delete from purchase where customer_id = %s", [KEY])
    assert erase(psql)["erased"]["rollup"] == held
    assert (value(psql, hashed, str(KEY)), value(psql, hashed, "1"), value(psql, in_order)) == (0, others, 0)
    assert rows(psql, sample) == before
    assert erased(psql) == {}


def test_rows_of_shadows_are_found_by_an_index(psql: Session) -> None:
    """By the statement that erases them, with a setting that it runs with."""
    psql.execute("set enable_seqscan = off")
    [condition] = row(
        psql,
        "select t.condition from modelpack.personal as p cross join modelpack.traced(p) as t where p.relation = 'shadow_score'",
    )
    plan = rows(
        psql,
        "explain delete from modelpack.shadow_score as t where "
        + condition.replace("$1", "'public.customer'").replace("$2", "'42'"),
    )
    assert any("shadow_score_entity_idx" in line for (line,) in plan)
