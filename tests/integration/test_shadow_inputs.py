"""Shadows that take what the champion's log does not hold: events write that down, and feel nothing of it otherwise."""

from __future__ import annotations

import hashlib
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from modelpack import Event, Profile, Score, apply, count, expression, remove, total
from modelpack.attaching import apply_online, remove_online
from modelpack.connection import make_engine
from tests.faults.hostile import ENDLESS, FAILS, hostile_model
from tests.integration import test_logged_inputs as logged
from tests.support import Session, attach, linear_score, publish, row, rows, value

OF_CHAMPION = ((0.5, 0.01), -1.0)
OF_SHADOW = ((0.03, 0.1), 0.25)
EVERYBODY = tuple(range(1, 61))


def profile(*more: str) -> Profile:
    features = {
        "complaints": count(where="complaint"),
        "spend": total("amount"),
        **dict.fromkeys(more, count()),
    }
    ratio = expression("1000 / (age - 13)")
    return Profile(
        "customer",
        key="customer_id",
        events=[Event("purchase", at="at", features=features)],
        scores=[Score("churn", model="churn", inputs={"ratio": ratio})],
    )


def make_shop(dsn: str) -> None:
    """60 customers, scored by version 1. Version 2 takes their age, too, 3 the age alone, 4 what cannot be computed at 13, 5 nothing that is there."""
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(
            """
            create table customer (customer_id bigint primary key, age integer);
            create table purchase (customer_id bigint, at timestamptz not null default clock_timestamp(), amount numeric, complaint boolean default false);
            insert into customer select g, nullif(20 + g, 40) from generate_series(1, 60) as g;
            insert into purchase (customer_id, amount, complaint) select 1 + g % 60, g % 50, g % 3 = 0 from generate_series(1, 200) as g
            """
        )
        attach(dsn, profile())
        publish(session, "churn", ["complaints", "spend"], *OF_CHAMPION, engine="onnx")
        for inputs in (["spend", "age"], ["age"], ["ratio", "spend"], ["spend", "height"]):
            weights, bias = OF_SHADOW[0][: len(inputs)], OF_SHADOW[1]
            publish(session, "churn", inputs, weights, bias, promote=False, engine="onnx")
        session.execute("call modelpack.rescore('customer')")


shop = pytest.mark.prepared(setup=make_shop)


def buy(session: Session, *keys: int) -> None:
    session.execute(
        "insert into purchase (customer_id, amount) select k, 2.5 from unnest(%s::bigint[]) as k",
        [list(keys)],
    )


def start(session: Session, version: int = 2, share: float = 1) -> int:
    return int(value(session, "select modelpack.start_shadow('churn', %s, %s)", version, share))


def facts(session: Session, *keys: int) -> dict[str, tuple[float, float | None]]:
    """Spend and age of customers, from the events and the column."""
    found = rows(
        session,
        "select c.customer_id::text, (select coalesce(sum(e.amount), 0)::float8 from purchase as e where e.customer_id = c.customer_id), c.age::float8"
        "  from customer as c where c.customer_id = any (%s)",
        list(keys),
    )
    return {key: (spend, age) for key, spend, age in found}


def inputs(session: Session) -> list[tuple[Any, ...]]:
    return rows(
        session, "select entity_key, inputs, text_inputs from modelpack.shadow_input order by input_id"
    )


def scored(session: Session) -> dict[str, float | None]:
    return dict(
        rows(
            session, "select entity_key, shadow_prediction from modelpack.shadow_score order by prediction_id"
        )
    )


def by_the_weights(known: dict[str, tuple[float, float | None]]) -> dict[str, Any]:
    return {key: pytest.approx(linear_score(*OF_SHADOW, pair), abs=1e-6) for key, pair in known.items()}


def left_behind(session: Session) -> list[tuple[Any, ...]]:
    """Triggers and functions of shadows, and what is said of them."""
    return rows(
        session,
        "select tgname from pg_trigger where tgname like 'model_shadow%'"
        r" union all select proname from pg_proc where proname ~ '^shadow_[0-9]'"
        r" union all select object from modelpack.made where object ~ '^(model_)?shadow_[0-9]'",
    )


def failures(session: Session) -> list[tuple[Any, ...]]:
    return rows(session, """select "check", found from modelpack.doctor() where status = 'fail'""")


@pytest.mark.parametrize("table", list(logged.CUSTOMER))
def test_events_write_what_a_shadow_takes_on_every_path_and_it_scores_by_that(
    psql: Session, table: str
) -> None:
    """Numbers and texts, held against the plain Python model of the shop."""
    psql.execute(logged.CUSTOMER[table] + logged.TABLES)
    attach(psql.info.dsn, logged.PROFILE)
    logged.publish(psql)
    psql.execute("select modelpack.promote('churn', 2)")
    psql.execute("call modelpack.rescore('customer')")
    people = {
        1: logged.Customer("basic", "eu", 3.0, [2.25, 4.0]),
        2: logged.Customer("pro", None, 5.0, [8.5]),
        3: logged.Customer("odd", "us", None),
        4: logged.Customer(None, "eu", 0.0, [1.0]),
    }
    takes_more = (1, 3, 4)
    shadows = {version: start(psql, version) for version in takes_more}
    expected: dict[int, list[Any]] = {version: [] for version in takes_more}

    def run(statement: str, *keys: int) -> None:
        psql.execute(statement)
        for version in takes_more:
            expected[version] += [people[key].logged(key, version) for key in sorted(keys)]

    people[5] = logged.Customer("pro", "us", 8.0)
    run("insert into customer (tenure, region, plan, customer_id) values (8, 'us', 'pro', 5)", 5)
    people[2].tenure, people[2].region = 6.0, "eu"
    run("update customer set tenure = 6, region = 'eu' where customer_id = 2", 2)
    people[3].amounts.append(0.75)
    run("insert into purchase values (3, 0.75)", 3)
    people[6] = logged.Customer(None, None, None, [2.0])
    run("insert into purchase values (6, 2)", 6)
    for key in (1, 2, 3, 4):
        people[key].amounts += [0.5, 1.0]
    run(
        "insert into purchase select k, x from unnest(array[3, 1, 2, 4]) as k, unnest(array[0.5, 1]) as x",
        1,
        2,
        3,
        4,
    )
    people[1].amounts.remove(0.5)
    run("delete from purchase where customer_id = 1 and amount = 0.5", 1)
    run("call modelpack.rescore('customer', everything => true)", *people)
    if table == "partitions":
        for part in ("customer_0", "customer_1"):
            found = rows(psql, f"update {part} set tenure = 9 returning customer_id")
            for (key,) in found:
                people[key].tenure = 9.0
            run("select", *(key for (key,) in found))
    # what no version before needed changes nothing that is scored
    psql.execute("update customer set plan = 'basic' where customer_id = 5")

    for version, shadow in shadows.items():
        found = rows(
            psql,
            "select entity_key::integer, %s::integer, inputs, text_inputs from modelpack.shadow_input where shadow_id = %s"
            " order by input_id",
            version,
            shadow,
        )
        assert sorted(found, key=repr) == sorted((e[:-1] for e in expected[version]), key=repr)
    psql.execute("call modelpack.score_shadows('churn', batch => 4)")
    for version, shadow in shadows.items():
        found = rows(
            psql,
            "select entity_key::integer, shadow_prediction from modelpack.shadow_score where shadow_id = %s order by 1, 2",
            shadow,
        )
        assert found == sorted((e[0], e[-1]) for e in expected[version])
    assert inputs(psql) == []


@shop
def test_inputs_are_those_of_the_row_and_its_moment_is_that_of_the_log(psql: Session) -> None:
    start(psql)
    buy(psql, 20)
    assert inputs(psql) == [("20", list(facts(psql, 20)["20"]), None)]
    buy(psql, *EVERYBODY)
    psql.execute("insert into customer values (99, 33)")
    same = "select profile, score, entity_key, scored_at, version from modelpack.{} where scored_at >= %s order by 4, 3"
    began = value(psql, "select started_at from modelpack.shadow")
    assert rows(psql, same.format("shadow_input"), began) == rows(psql, same.format("prediction"), began)
    assert len(inputs(psql)) == 62
    known = facts(psql, *EVERYBODY, 99)
    assert {key: tuple(numbers) for key, numbers, _ in inputs(psql)[1:]} == known
    before = rows(psql, "select * from customer order by 1")
    psql.execute("call modelpack.score_shadows('churn', batch => 7)")
    assert scored(psql) == by_the_weights(known)
    assert rows(psql, "select * from customer order by 1") == before
    assert (inputs(psql), failures(psql)) == ([], [])


@shop
def test_a_model_that_never_ends_or_fails_costs_the_job_its_rows_and_events_nothing(psql: Session) -> None:
    start(psql, 3)
    onnx = hostile_model()
    digest = hashlib.sha256(onnx).hexdigest()
    psql.execute("insert into modelpack.artifact values (%s, %s)", [digest, onnx])
    psql.execute("set session_replication_role = replica")
    psql.execute("update modelpack.version set sha256 = %s where version = 3", [digest])
    psql.execute(
        "insert into modelpack.inspection (version_id, sha256, onnxruntime, numpy, python)"
        " select version_id, sha256, '', '', '' from modelpack.version where version = 3"
    )
    psql.execute(
        "update customer set age = case customer_id when 1 then %s when 2 then %s else age end",
        [ENDLESS, FAILS],
    )
    psql.execute("set session_replication_role = origin")
    psql.execute("set statement_timeout = '20 s'")
    for key in (1, 2, 3):
        buy(psql, key)
    buy(psql, *EVERYBODY[:5])
    found = rows(
        psql,
        "select customer_id, churn, churn_stale, complaints::float8, spend::float8 from customer where customer_id <= 5",
    )
    assert len(found) == 5
    for _, churn, stale, complaints, spend in found:
        assert (churn, stale) == (
            pytest.approx(linear_score(*OF_CHAMPION, (complaints, spend)), abs=1e-6),
            None,
        )
    psql.execute("set statement_timeout = '2 min'")
    psql.execute("call modelpack.score_shadows('churn')")
    assert scored(psql) == {
        "1": None,
        "2": None,
        **{str(key): pytest.approx((20 + key) / 1000, abs=1e-6) for key in (3, 4, 5)},
    }


@shop
def test_an_event_does_not_wait_for_a_shadow_that_scores(psql: Session, database: str) -> None:
    shadow = start(psql)
    buy(psql, 1)
    with psycopg.connect(database) as job:
        assert value(job, "select modelpack.shadow_some(%s, 10, '1 hour')", shadow) == 1
        psql.execute("set lock_timeout = '50 ms'")
        buy(psql, 1)
        buy(psql, 1, 2)
        job.commit()
    assert [key for key, _, _ in inputs(psql)] == ["1", "1", "2"]
    psql.execute("call modelpack.score_shadows()")
    assert value(psql, "select count(*) from modelpack.shadow_score where shadow_prediction is not null") == 4


@shop
def test_an_expression_that_fails_leaves_the_row_out_and_the_event_as_it_is(psql: Session) -> None:
    start(psql, 4)
    psql.execute("update customer set age = 13 where customer_id = 5")
    buy(psql, 5)
    buy(psql, *EVERYBODY[:8])
    assert [key for key, _, _ in inputs(psql)] == ["1", "2", "3", "4", "6", "7", "8"]
    complaints, spend, churn, stale = row(
        psql,
        "select complaints::float8, spend::float8, churn, churn_stale from customer where customer_id = 5",
    )
    assert spend == facts(psql, 5)["5"][0]
    assert (churn, stale) == (pytest.approx(linear_score(*OF_CHAMPION, (complaints, spend)), abs=1e-6), None)
    psql.execute("call modelpack.score_shadows()")
    known = facts(psql, *EVERYBODY[:8])
    expected = {
        key: pytest.approx(linear_score(*OF_SHADOW, (1000 // (age - 13), spend)), abs=1e-6)
        for key, (spend, age) in known.items()
        if age is not None and key != "5"
    }
    assert scored(psql) == {**expected, "5": None}
    assert row(psql, "select rows, failed from modelpack.shadow_difference") == (9, 2)
    # nor does a column that is gone
    psql.execute("create table other as select 1")
    psql.execute("select modelpack.stop_shadow('churn', 4)")
    start(psql, 3)
    psql.execute(
        "set session_replication_role = replica; alter table customer rename age to years; set session_replication_role = origin"
    )
    buy(psql, 6)
    assert (inputs(psql), value(psql, "select churn_stale from customer where customer_id = 6")) == ([], None)


@shop
@pytest.mark.parametrize(("code", "caught"), [("22012", True), ("P0001", True), ("54001", True), ("XX000", True), ("40001", False), ("53200", False), ("57014", False), ("25006", False)])  # fmt: skip
def test_what_a_statement_has_to_be_ended_for_is_not_caught(psql: Session, code: str, caught: bool) -> None:
    start(psql)
    psql.execute(
        "create function fails(code text) returns double precision language plpgsql as $$ begin raise exception using errcode = code; end $$"
    )
    (function,) = row(psql, "select proname from pg_proc where proname ~ '^shadow_[0-9].*numbers$'")
    psql.execute(
        f'create or replace function modelpack.{function}(p anyelement, "the moment" timestamptz) returns double precision[]'
        f" language sql stable as $$ select array[public.fails('{code}')] $$"
    )
    if caught:
        buy(psql, 1)
        assert inputs(psql) == []
    else:
        with pytest.raises(psycopg.Error) as raised:
            buy(psql, 1)
        assert raised.value.sqlstate == code


@shop
def test_entities_beyond_the_share_write_nothing(psql: Session) -> None:
    start(psql, share=0.3)
    buy(psql, *EVERYBODY)
    buy(psql, *EVERYBODY)
    written = [key for key, _, _ in inputs(psql)]
    assert 5 < len(set(written)) < 35
    assert len(written) == 2 * len(set(written))
    psql.execute("call modelpack.score_shadows()")
    assert set(scored(psql)) == set(written)
    assert None not in scored(psql).values()


@shop
def test_no_more_than_there_is_room_for_waits_for_the_job_and_it_makes_room_again(psql: Session) -> None:
    start(psql)
    psql.execute("update modelpack.shadow set input_room = 5")
    psql.execute("call modelpack.score_shadows()")
    for keys in ((1,), (2, 3), range(4, 21), (21,)):
        buy(psql, *keys)
        assert len(inputs(psql)) <= 5
    assert [key for key, _, _ in inputs(psql)][:3] == ["1", "2", "3"]
    assert len(inputs(psql)) == 5
    assert value(psql, "select count(*) from customer where churn_stale is not null") == 0
    psql.execute("call modelpack.score_shadows()")
    assert row(psql, "select rows, failed from modelpack.shadow_difference") == (21, 16)
    buy(psql, 30)
    psql.execute("call modelpack.score_shadows()")
    assert row(psql, "select rows, failed from modelpack.shadow_difference") == (22, 16)


@shop
def test_what_has_no_row_in_the_log_is_kept_for_a_day(psql: Session) -> None:
    shadow = start(psql)
    psql.execute(
        "insert into modelpack.shadow_input (shadow_id, profile, score, entity_key, scored_at, version, inputs)"
        " select %s, 'public.customer', 'churn', h::text, now() - h * interval '1 hour', 1, '{}' from unnest(array[1, 23, 25, 48]) as h",
        [shadow],
    )
    psql.execute("call modelpack.score_shadows()")
    assert [key for key, _, _ in inputs(psql)] == ["1", "23"]
    # what comes in the end is scored, and then nothing is left
    buy(psql, 7)
    psql.execute("select modelpack.stop_shadow('churn', 2)")
    psql.execute("call modelpack.score_shadows()")
    assert scored(psql) == by_the_weights(facts(psql, 7))
    assert [key for key, _, _ in inputs(psql)] == ["1", "23"]
    psql.execute("update modelpack.shadow set ended_at = ended_at - interval '25 hours'")
    psql.execute("call modelpack.score_shadows()")
    assert (inputs(psql), value(psql, "select input_limit from modelpack.shadow")) == ([], None)


@shop
def test_after_its_end_nothing_of_it_is_left_on_the_profile(psql: Session) -> None:
    start(psql)
    start(psql, 3)
    psql.execute("select modelpack.seal('public.customer')")  # as the doctor may advise
    psql.execute("select modelpack.stop_shadow('churn', 2)")
    assert {name.split("_")[-1] for (name,) in left_behind(psql)} == {"1", "new", "numbers", "texts", "keep"}
    buy(psql, 1)
    assert [numbers for _, numbers, _ in inputs(psql)] == [[21.0]]
    psql.execute("select modelpack.stop_shadow('churn', 3)")
    assert (left_behind(psql), failures(psql)) == ([], [])
    buy(psql, 1)
    assert len(inputs(psql)) == 1
    start(psql)
    buy(psql, 1)
    assert len(inputs(psql)) == 2


@shop
@pytest.mark.parametrize("change", [apply, apply_online])
def test_a_changed_declaration_lets_a_shadow_go_on(psql: Session, database: str, change: Any) -> None:
    start(psql)
    buy(psql, 1)
    if change is apply:
        with make_engine(database).begin() as connection:
            assert apply(connection, profile("purchases"))
    else:
        with make_engine(database).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            assert apply_online(connection, profile("purchases"))
    psql.execute("delete from modelpack.shadow_input")
    buy(psql, 2)
    buy(psql, 3, 4)
    assert {key: tuple(numbers) for key, numbers, _ in inputs(psql)} == facts(psql, 2, 3, 4)
    assert failures(psql) == []
    psql.execute("select modelpack.stop_shadow('churn', 2)")
    assert (left_behind(psql), failures(psql)) == ([], [])


@shop
def test_a_declaration_that_cannot_feed_a_shadow_any_more_ends_it(psql: Session, database: str) -> None:
    start(psql, 4)
    changed = profile()
    changed = Profile(
        "customer", key="customer_id", events=changed.events, scores=[Score("churn", model="churn")]
    )
    with make_engine(database).begin() as connection:
        assert apply(connection, changed)
    assert row(psql, "select ended_at is not null, ended_by from modelpack.shadow") == (True, "postgres")
    assert (left_behind(psql), failures(psql)) == ([], [])
    buy(psql, 1)
    assert inputs(psql) == []


@shop
@pytest.mark.parametrize("take_off", [remove, remove_online])
def test_a_declaration_that_is_removed_takes_it_along_and_one_that_comes_back_brings_it(
    psql: Session, database: str, take_off: Any
) -> None:
    start(psql)
    level: Any = "AUTOCOMMIT" if take_off is remove_online else "READ COMMITTED"
    with make_engine(database).connect().execution_options(isolation_level=level) as connection:
        take_off(connection, profile())
        connection.commit()
    assert left_behind(psql) == []
    psql.execute("insert into purchase (customer_id, amount) values (1, 1)")
    assert inputs(psql) == []
    attach(database, profile())
    psql.execute("delete from modelpack.shadow_input")
    buy(psql, 1)
    assert inputs(psql) == [("1", list(facts(psql, 1)["1"]), None)]
    assert failures(psql) == []


@shop
def test_a_version_that_is_a_shadow_is_not_retired(psql: Session) -> None:
    start(psql)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="churn version 2 is a shadow"):
        psql.execute("select modelpack.retire('churn', 2)")
    psql.execute("select modelpack.stop_shadow('churn', 2)")
    psql.execute("select modelpack.retire('churn', 2)")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="is retired"):
        start(psql)


@shop
def test_what_the_profile_cannot_feed_is_no_shadow_and_leaves_nothing(psql: Session) -> None:
    with pytest.raises(
        psycopg.errors.DatatypeMismatch, match="cannot feed version 5 of the model churn"
    ) as refused:
        start(psql, 5)
    assert "height (number): no such column" in str(refused.value.diag.message_detail)
    publish(psql, "mood", ["x"], (1.0,))
    publish(psql, "mood", ["y"], (1.0,), promote=False)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="does not hold: y") as refused:
        psql.execute("select modelpack.start_shadow('mood', 2)")
    assert (
        refused.value.diag.message_detail
        == "No profile has a score of the model, so there is no row to read it from."
    )
    psql.execute("select modelpack.require_approval('churn', true)")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="churn version 2 is not approved"):
        start(psql)
    assert (left_behind(psql), rows(psql, "select * from modelpack.shadow")) == ([], [])


@shop
def test_a_publisher_starts_one_where_he_may_read_what_it_is_fed(
    psql: Session, new_role: Any, database: str
) -> None:
    publisher, application = new_role("modelpack_publisher"), new_role()
    psql.execute("select modelpack.grant_model('churn', %s)", [publisher])
    psql.execute(f"grant insert on purchase to {application}")
    with psycopg.connect(make_conninfo(database, user=publisher), autocommit=True) as theirs:
        psql.execute(f"grant select (customer_id, spend) on customer to {publisher}")
        with pytest.raises(
            psycopg.errors.InsufficientPrivilege, match="may not read what version 2 of churn is fed"
        ) as refused:
            start(theirs)
        assert "does not hold: age" in str(refused.value.diag.message_detail)
        psql.execute(f"grant select (age) on customer to {publisher}")
        start(theirs)
        with psycopg.connect(make_conninfo(database, user=application), autocommit=True) as own:
            buy(own, 1, 2)
        for query in (
            "select * from modelpack.shadow_input",
            "select modelpack.shadow_table(1, 1)",
            "select modelpack.feed_shadow(1)",
            "select modelpack.shadow_1_1_1_numbers(null::customer, now())",
            "select modelpack.shadow_1_1_1_keep(1, now(), '1', '{}', '{}')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                theirs.execute(query)
        theirs.execute("call modelpack.score_shadows('churn')")
        theirs.execute("select modelpack.stop_shadow('churn', 2)")
    assert scored(psql) == by_the_weights(facts(psql, 1, 2))
    assert left_behind(psql) == []


@shop
def test_expressions_run_as_the_owner_of_the_table_and_follow_him(psql: Session, new_role: Any) -> None:
    first, second = new_role(), new_role()

    def give(owner: str) -> None:
        with psql.transaction():
            psql.execute(f"select modelpack.run_as('public.customer', '{owner}')")
            psql.execute(f"alter table customer owner to {owner}")

    give(first)
    start(psql)
    for owner in (first, second):
        give(owner)
        buy(psql, 1)
        owners = dict(
            rows(
                psql, r"select proname, proowner::regrole::text from pg_proc where proname ~ '^shadow_[0-9]'"
            )
        )
        assert owners.pop("shadow_1_1_1") == owner
        assert set(owners.values()) == {"modelpack_owner"}
    assert len(inputs(psql)) == 2
    assert failures(psql) == []
    psql.execute("call modelpack.score_shadows()")
    assert scored(psql) == by_the_weights(facts(psql, 1))


@shop
def test_a_table_gets_triggers_only_where_its_owner_has_a_declaration_run_on_it(
    psql: Session, new_role: Any, database: str
) -> None:
    """Who writes the registry has nobody else's table run what he writes."""
    owner, theirs = new_role("modelpack_owner"), new_role()
    psql.execute("create table diary (customer_id bigint primary key)")
    psql.execute(f"alter table diary owner to {theirs}")
    start(psql)
    with psycopg.connect(make_conninfo(database, user=owner), autocommit=True) as session:
        session.execute(
            "insert into modelpack.profile (relation, name, stem, declaration, maintained, added_columns)"
            " select 'diary', 'public.diary', 'customer', declaration, '{}', '{}' from modelpack.profile on conflict do nothing"
        )
        session.execute("update modelpack.profile set relation = 'diary'::regclass")
        with pytest.raises(
            psycopg.errors.ObjectNotInPrerequisiteState, match="diary has no trigger customer_log"
        ):
            session.execute("select modelpack.shadow_table(1, 1)")
    assert value(psql, "select count(*) from pg_trigger where tgrelid = 'diary'::regclass") == 0


def test_a_key_is_that_of_the_log_whatever_the_session_has_set(psql: Session) -> None:
    psql.execute(
        """
        create table visitor (seen timestamptz, mark bytea, age integer, primary key (seen, mark));
        create table visit (seen timestamptz, mark bytea, at timestamptz not null default clock_timestamp());
        """
    )
    visits = Event("visit", at="at", features={"visits": count()})
    attach(
        psql.info.dsn,
        Profile("visitor", key=["seen", "mark"], events=[visits], scores=[Score("churn", model="churn")]),
    )
    publish(psql, "churn", ["visits"], (0.1,))
    publish(psql, "churn", ["age", "visits"], *OF_SHADOW, promote=False)
    start(psql)
    for zone, style, marks in (("Asia/Tokyo", "German", "escape"), ("UTC", "ISO", "hex")):
        psql.execute(f"set timezone = '{zone}'; set datestyle = '{style}'; set bytea_output = '{marks}'")
        psql.execute(
            "insert into visitor select '2026-01-01 00:00+00'::timestamptz, '\\xff00', 7 on conflict do nothing"
        )
        psql.execute("insert into visit values ('2026-01-01 00:00+00', '\\xff00')")
    assert len(inputs(psql)) == 3
    psql.execute("call modelpack.score_shadows()")
    assert value(psql, "select count(*) from modelpack.shadow_score where shadow_prediction is null") == 0
    assert inputs(psql) == []


@shop
def test_a_downgrade_leaves_no_trigger(psql: Session, database: str) -> None:
    from alembic import command

    from modelpack.install import alembic_config

    start(psql)
    with make_engine(database).begin() as connection:
        command.downgrade(alembic_config(connection), "0003")
    buy(psql, 1)
    assert value(psql, "select spend::float8 from customer where customer_id = 1") == facts(psql, 1)["1"][0]
    assert rows(psql, "select tgname from pg_trigger where tgname like 'model_shadow%'") == []


@shop
def test_what_an_event_writes_is_planned_without_a_scan_that_its_functions_have_turned_off(
    psql: Session,
) -> None:
    """Such a scan costs ten thousand millions, so that every event would be compiled."""
    start(psql)
    buy(psql, 1)
    plans: list[str] = []
    psql.add_notice_handler(lambda notice: plans.append(notice.message_primary or ""))
    psql.execute(
        "load 'auto_explain'; set auto_explain.log_min_duration = 0; set auto_explain.log_nested_statements = on;"
        " set client_min_messages = log"
    )
    buy(psql, 1)
    psql.execute("set client_min_messages = notice")
    written = [plan for plan in plans if "insert into modelpack.shadow_input" in plan]
    assert len(written) == 1
    assert "Seq Scan" not in written[0]
    assert "cost=10000" not in written[0]


@shop
@pytest.mark.parametrize("written", [1, 2])
def test_two_scores_of_one_entity_at_one_moment_get_no_score_that_may_be_the_other_s(
    psql: Session, written: int
) -> None:
    """A clock that stands still. Nothing says which inputs belong to which row of the log."""
    start(psql)
    buy(psql, 7)
    buy(psql, 8)
    psql.execute("set session_replication_role = replica")
    psql.execute(
        "insert into modelpack.prediction (scored_at, profile, entity_key, score, model, version, prediction, inputs)"
        " select scored_at, profile, entity_key, score, model, version, prediction + 1, inputs from modelpack.prediction"
        " where entity_key = '7' order by prediction_id desc limit 1"
    )
    if written == 2:
        psql.execute(
            "insert into modelpack.shadow_input (shadow_id, profile, score, entity_key, scored_at, version, inputs)"
            " select shadow_id, profile, score, entity_key, scored_at, version, '{1, 2}' from modelpack.shadow_input where entity_key = '7'"
        )
    psql.execute("set session_replication_role = origin")
    psql.execute("call modelpack.score_shadows('churn')")
    found = rows(
        psql, "select entity_key, shadow_prediction from modelpack.shadow_score order by prediction_id"
    )
    assert found == [("7", None), ("8", by_the_weights(facts(psql, 8))["8"]), ("7", None)]


@shop
def test_a_row_for_which_there_was_no_room_gets_no_score_even_where_the_model_takes_missing_values(
    psql: Session,
) -> None:
    assert value(
        psql, "select signature #>> '{inputs,1,missing}' from modelpack.version where version = 2"
    ) == "true"  # fmt: skip
    start(psql)
    psql.execute("update modelpack.shadow set input_limit = 0")
    buy(psql, 1)
    psql.execute("call modelpack.score_shadows()")
    assert scored(psql) == {"1": None}
    # a value that is not known is another matter
    buy(psql, 20)
    psql.execute("call modelpack.score_shadows()")
    assert facts(psql, 20)["20"][1] is None
    assert scored(psql)["20"] == value(
        psql, "select modelpack.score(version_id, array[%s, null]::float8[], null) from modelpack.version where version = 2",
        facts(psql, 20)["20"][0],
    )  # fmt: skip


@shop
def test_what_is_scored_while_a_start_is_not_committed_is_no_row_without_a_score(
    psql: Session, database: str
) -> None:
    with psycopg.connect(database) as other:
        other.execute("select now()")
        buy(psql, 1)
        start(other)
        other.commit()
    buy(psql, 2)
    psql.execute("call modelpack.score_shadows()")
    assert scored(psql) == by_the_weights(facts(psql, 2))
