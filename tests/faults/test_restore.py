"""What a DBA does to a database with modelpack in it: dumps, restores, vacuums, loads past the triggers."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator

import psycopg
import pytest
from typer.testing import CliRunner

from modelpack import Event, Profile, Score, count, last
from modelpack.cli.app import app
from tests.conftest import clone
from tests.example import dump
from tests.faults.hostile import (
    FAILS,
    TABLES,
    Session,
    attach,
    connect,
    make_shop,
    plain_model,
    scores,
    shop,
    smuggle,
    unsound,
    value,
    visit,
)
from tests.faults.traffic import Traffic
from tests.integration import test_shadow_inputs as shadow_inputs


def pipe(source: str, target: str, dump: list[str], restore: list[str]) -> str:
    """pg_dump from one database into pg_restore of another; what pg_restore said."""
    dumped = subprocess.run(
        ["pg_dump", "--dbname", source, "--format=custom", *dump], capture_output=True, check=True
    )
    restored = subprocess.run(
        ["pg_restore", "--dbname", target, *restore], input=dumped.stdout, capture_output=True, check=False
    )
    return restored.stderr.decode()


@pytest.fixture
def other_database(server: str, template: str) -> Iterator[str]:
    """DSN of a second database with modelpack installed."""
    yield from clone(server, template)


def rows(session: Session) -> list[tuple[object, ...]]:
    return session.execute(
        "select customer_id, x, visits, churn, churn_version, churn_stale from customer order by 1"
    ).fetchall()


@pytest.mark.prepared(setup=make_shop)
def test_a_dump_restored_elsewhere_is_the_same_and_goes_on(database: str, empty_database: str) -> None:
    with connect(database) as session:
        visit(session, (1, FAILS), (2, 250))
        said = pipe(database, empty_database, [], [])
        assert said == ""
        with psycopg.connect(empty_database, autocommit=True) as restored:
            assert rows(restored) == rows(session)
            assert value(restored, "select count(*) from visit") == value(
                session, "select count(*) from visit"
            )
            assert unsound(restored) == []
            failing = restored.execute("select * from modelpack.doctor() where status = 'fail'").fetchall()
            assert [row for row in failing if row[1] != "folder of the wheels"] == []
            visit(restored, (1, 200), (77, 100))
            assert scores(restored, 1, 77) == {1: (pytest.approx(0.2), None), 77: (pytest.approx(0.1), None)}
            restored.execute("select modelpack.disable('churn', 'restored'), modelpack.enable('churn')")
            assert unsound(restored) == []


@pytest.mark.prepared(setup=shadow_inputs.make_shop)
def test_a_dump_keeps_what_is_required_and_shadows_that_events_feed(
    database: str, empty_database: str
) -> None:
    with connect(database) as session:
        shadow_inputs.start(session)
        shadow_inputs.buy(session, 1, 2)
        session.execute("call modelpack.score_shadows(batch => 1)")
        shadow_inputs.buy(session, 3)
        session.execute("select modelpack.set_requirement('churn', 'auc above champion')")
        assert pipe(database, empty_database, [], []) == ""
        with connect(empty_database) as restored:
            everything = [
                f"select * from modelpack.{t} order by 1, 2"
                for t in (
                    "shadow",
                    "shadow_score",
                    "shadow_input",
                    "requirement",
                    "met_requirement",
                    "promotion",
                )
            ]
            for query in everything:
                assert restored.execute(query).fetchall() == session.execute(query).fetchall()
            failing = restored.execute("select * from modelpack.doctor() where status = 'fail'").fetchall()
            assert [row for row in failing if row[1] != "folder of the wheels"] == []
            shadow_inputs.buy(restored, 3)
            restored.execute("call modelpack.score_shadows()")
            scored = shadow_inputs.scored(restored)
            assert scored == shadow_inputs.by_the_weights(shadow_inputs.facts(restored, 1, 2)) | {
                "3": shadow_inputs.by_the_weights(shadow_inputs.facts(restored, 3))["3"]
            }
            assert value(restored, "select count(*) from modelpack.shadow_score") == 4
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="nothing says until when"):
                restored.execute("select modelpack.promote('churn', 2)")
            restored.execute("select modelpack.stop_shadow('churn', 2)")
            assert shadow_inputs.left_behind(restored) == []


def test_a_dump_of_partitioned_events_restores_with_all_its_triggers(
    database: str, empty_database: str
) -> None:
    """The server writes the condition of a trigger down anew, and not everything that it writes can be read again."""
    triggers = "select pg_get_triggerdef(oid) from pg_trigger where not tgisinternal order by 1"
    with connect(database) as session:
        session.execute(
            "create table client (id text primary key);"
            "create table call (client text, at date, kind integer, length integer) partition by range (at);"
            "create table call_old partition of call for values from (minvalue) to ('2026-01-01') partition by list (kind);"
            "create table call_old_1 partition of call_old default;"
            "create table call_new partition of call default partition by hash ((length % 2));"
            "create table call_new_1 partition of call_new for values with (modulus 1, remainder 0)"
        )
        attach(
            database,
            Profile("client", key="id", events=[Event("call", key="client", features={"calls": count()})]),
        )
        session.execute("insert into call values ('a', '2025-01-01', 1, 2), ('a', '2026-01-01', 1, 2)")
        assert pipe(database, empty_database, [], []) == ""
        with connect(empty_database) as restored:
            assert restored.execute(triggers).fetchall() == session.execute(triggers).fetchall()
            restored.execute("update call set at = '2026-02-01' where at < '2026-01-01'")
            assert restored.execute("select id, calls from client").fetchall() == [("a", 2)]


@pytest.mark.prepared(setup=make_shop)
def test_a_dump_without_owners_and_rights_is_found_by_the_doctor_and_mended_by_one_command(
    database: str, empty_database: str
) -> None:
    with connect(database):
        assert pipe(database, empty_database, ["--no-owner", "--no-privileges"], ["--no-owner"]) == ""
        owners = "select * from modelpack.doctor() where status = 'fail' and \"check\" like any (array['owner%', 'rights%'])"
        with psycopg.connect(empty_database, autocommit=True) as restored:
            visit(restored, (1, 200))
            assert scores(restored, 1) == {1: (pytest.approx(0.2), None)}
            found = {row[1]: row for row in restored.execute(owners)}
            assert {
                "owner of functions",
                "rights on tables",
                "rights of everybody",
                "rights of roles",
            } <= set(found)
            assert found["owner of functions"][4] == "as a superuser: modelpack install --repair"
            done = CliRunner().invoke(app, ["install", "--repair", "--dsn", empty_database])
            assert done.exit_code == 0, done.output
            assert restored.execute(owners).fetchall() == []
            visit(restored, (77, 100))
            assert scores(restored, 77) == {77: (pytest.approx(0.1), None)}
        schema = ("--schema-only",)
        assert dump(empty_database, *schema) == dump(database, *schema)


@pytest.mark.prepared(setup=make_shop)
def test_a_server_without_the_wheels_takes_the_dump_and_the_events_and_marks_the_scores(
    database: str, empty_database: str
) -> None:
    with connect(database) as session:
        session.execute(
            "create or replace function modelpack.server_wheels() returns text language sql immutable"
            " as $$ select '/nonexistent'::text $$"
        )
        assert pipe(database, empty_database, [], []) == ""
        with psycopg.connect(empty_database, autocommit=True) as restored:
            assert rows(restored) == rows(session)
            visit(restored, (1, 200))
            score, stale = scores(restored, 1)[1]
            assert score == pytest.approx(0.1)
            assert "cannot import" in str(stale)
            assert unsound(restored) == []


@pytest.mark.prepared(setup=make_shop)
@pytest.mark.parametrize("how", ["triggers off", "triggers on"])
def test_data_alone_restored_into_tables_with_their_triggers(
    database: str, other_database: str, how: str
) -> None:
    """With triggers off the dump's own rows stand. With triggers on it works where profiles come first."""
    with connect(database) as session, psycopg.connect(other_database, autocommit=True) as target:
        visit(session, (1, 300), (2, FAILS))
        target.execute(TABLES)
        attach(other_database, shop())
        smuggle(target, plain_model())
        what = ["--data-only", "--table=customer", "--table=visit"]
        said = pipe(database, other_database, what, ["--disable-triggers"] if how == "triggers off" else [])
        assert said == ""
        assert value(target, "select count(*) from visit") == 22
        if how == "triggers off":
            assert rows(target) == rows(session)
        assert unsound(target) == []
        visit(target, (1, 200))
        assert scores(target, 1)[1] == (pytest.approx(0.2), None)


@pytest.mark.prepared(setup=make_shop)
def test_one_table_restored_alone_is_mended_by_rebuild(database: str, other_database: str) -> None:
    with connect(database) as session, psycopg.connect(other_database, autocommit=True) as target:
        target.execute(TABLES)
        attach(other_database, shop())
        smuggle(target, plain_model())
        target.execute("insert into customer select g from generate_series(1, 20) as g")
        assert pipe(database, other_database, ["--data-only", "--table=visit"], ["--disable-triggers"]) == ""
        assert unsound(target) != []
        found = target.execute(
            "select \"check\", mend from modelpack.doctor() where status = 'fail' and mend like 'call%'"
        )
        (check, mend), *_ = found.fetchall()
        assert check == "features of public.customer (a sample of visit)"
        target.execute(mend)
        assert unsound(target) == []
        assert rows(target) == [(*row[:4], 1, None) for row in rows(session)]


@pytest.mark.prepared(setup=make_shop)
def test_a_load_with_triggers_off_is_found_and_mended_by_rebuild(database: str) -> None:
    with connect(database) as session:
        with psycopg.connect(database, autocommit=True) as loader:
            loader.execute("set session_replication_role = replica")
            visit(loader, (1, 200), (2, 200), (3, None))
        assert len({row[0] for row in unsound(session)}) == 3
        assert (
            value(
                session,
                "select count(*) from modelpack.doctor() where status = 'fail' and \"check\" like 'features of%'",
            )
            == 1
        )
        session.execute("call modelpack.rebuild('customer')")
        assert unsound(session) == []
        assert scores(session, 1)[1] == (pytest.approx(0.2), None)


@pytest.mark.prepared(setup=make_shop)
def test_vacuum_full_cluster_and_new_columns_change_nothing(database: str) -> None:
    with connect(database) as session:
        session.execute("vacuum full customer")
        session.execute("vacuum full visit")
        session.execute("cluster customer using customer_pkey")
        session.execute("alter table customer add column note text default 'x'")
        session.execute("alter table visit add column channel text default 'web'")
        session.execute("reindex table customer")
        visit(session, (1, 200), (55, 100))
        assert scores(session, 1, 55) == {1: (pytest.approx(0.2), None), 55: (pytest.approx(0.1), None)}
        assert unsound(session) == []


@pytest.mark.prepared(setup=make_shop)
def test_columns_and_indexes_come_and_go_under_writers(database: str) -> None:
    with connect(database) as session, Traffic(database) as traffic:
        for statement in (
            "alter table customer add column note text default 'x'",
            "alter table visit add column channel text not null default 'web'",
            "create index concurrently visit_channel_idx on visit (channel)",
            "alter table visit alter column channel type varchar(10)",
            "alter table customer drop column note",
            "alter table visit drop column channel",
            "vacuum full customer",
            "vacuum full visit",
        ):
            session.execute(statement)
            traffic.goes_on()
        assert unsound(session) == []
    with connect(database) as session:
        assert value(session, "select sum(visits) from customer") == 20 + traffic.committed
        assert unsound(session) == []


@pytest.fixture
def owner(new_role: Callable[..., str]) -> str:
    """A role of the test's own, to own tables."""
    return new_role()


@pytest.mark.prepared(setup=make_shop)
def test_drop_owned_by_the_owner_of_the_tables_leaves_what_the_doctor_names_and_forgets(
    database: str, owner: str
) -> None:
    with connect(database) as session:
        with session.transaction():
            session.execute("select modelpack.run_as('public.customer', %s::regrole)", [owner])
            session.execute(f"alter table customer owner to {owner}; alter table visit owner to {owner}")
        session.execute(f"drop owned by {owner}")
        ((mend,),) = session.execute(
            "select mend from modelpack.doctor() where \"check\" = 'profile table public.customer'"
        ).fetchall()
        session.execute("select modelpack.disable('churn'), modelpack.enable('churn')")
        session.execute(mend)
        assert (
            value(
                session,
                "select count(*) from modelpack.doctor() where status = 'fail' and \"check\" <> 'folder of the wheels'",
            )
            == 0
        )
        assert value(session, "select count(*) from pg_proc where proname like 'customer%%'") == 0
        session.execute(TABLES)
        attach(database, shop())
        visit(session, (1, 200))
        assert scores(session, 1)[1] == (pytest.approx(0.2), None)


def test_drop_owned_by_the_owner_of_a_partition_takes_its_events_out_of_the_counters(
    database: str, owner: str
) -> None:
    with connect(database) as session:
        session.execute(
            "create table customer (customer_id bigint primary key);"
            "create table visit (customer_id bigint not null, at timestamptz not null default now(), x double precision)"
            "  partition by range (x);"
            "create table low partition of visit for values from (0) to (100);"
            "create table high partition of visit for values from (100) to (1000)"
        )
        attach(database, shop())
        smuggle(session, plain_model())
        visit(session, (1, 50), (1, 200), (2, 250))
        session.execute(f"alter table high owner to {owner}")
        session.execute(f"drop owned by {owner}")
        assert session.execute("select customer_id, visits, x from customer order by 1").fetchall() == [
            (1, 1, 50),
            (2, 0, None),
        ]
        assert unsound(session) == []


@pytest.mark.prepared(setup=make_shop)
def test_a_dropped_event_table_leaves_profiles_usable_and_is_taken_out_by_applying_another_declaration(
    database: str,
) -> None:
    with connect(database) as session:
        session.execute(
            "create table call (customer_id bigint, at timestamptz default now(), x double precision)"
        )
        session.execute("drop table visit")
        session.execute("update customer set customer_id = customer_id where customer_id = 1")
        session.execute("call modelpack.rescore('customer', everything => true)")
        assert scores(session, 1)[1] == (pytest.approx(0.1), None)
        features = {"x": last("x"), "visits": count()}
        event = Event("call", at="at", features=features)
        attach(database, Profile("customer", key="customer_id", events=[event], scores=[Score("churn")]))
        session.execute("insert into call (customer_id, x) values (1, 200), (30, 250)")
        assert scores(session, 1, 30) == {1: (pytest.approx(0.2), None), 30: (pytest.approx(0.25), None)}
        assert (
            value(
                session,
                "select count(*) from modelpack.doctor() where status = 'fail' and \"check\" <> 'folder of the wheels'",
            )
            == 0
        )
        assert unsound(session) == []


@pytest.mark.prepared(setup=make_shop)
@pytest.mark.parametrize(
    ("change", "back", "error"),
    [
        ("alter table customer rename to client", "alter table client rename to customer", "public.customer"),
        (
            "alter table customer rename churn_stale to s",
            "alter table customer rename s to churn_stale",
            "churn_stale",
        ),
        ("alter table visit rename x to y", "alter table visit rename y to x", "x"),
    ],
)
def test_a_renamed_table_or_column_refuses_events_in_words_until_it_is_renamed_back(
    database: str, change: str, back: str, error: str
) -> None:
    """No event is taken that could not be counted; the error names what is missing, and so does the doctor."""
    with connect(database) as session:
        session.execute(change)
        columns = [
            row[0]
            for row in session.execute(
                "select attname from pg_attribute where attrelid = 'visit'::regclass and attnum > 0"
            )
        ]
        with pytest.raises(
            (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn), match=re.escape(error)
        ):
            session.execute(
                f"insert into visit (customer_id, {'y' if 'y' in columns else 'x'}) values (1, 200)"
            )
        found = session.execute("select found, mend from modelpack.doctor() where status = 'fail'").fetchall()
        assert any(error.split(".")[-1] in what or "client" in what for what, _ in found), found
        session.execute(back)
        visit(session, (1, 200))
        assert scores(session, 1)[1] == (pytest.approx(0.2), None)
        assert unsound(session) == []


@pytest.mark.prepared(setup=make_shop)
def test_warm_loads_the_champions_for_a_role_that_may_only_read(database: str) -> None:
    with connect(database) as session:
        assert value(session, "select modelpack.warm()") == 1
        session.execute("set role modelpack_reader")
        assert value(session, "select modelpack.warm()") == 1
        session.execute("reset role")
        session.execute("select modelpack.disable('churn')")
        assert value(session, "select modelpack.warm()") == 0
