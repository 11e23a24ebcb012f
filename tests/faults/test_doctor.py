"""Every check of the doctor, by breaking what it looks at."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from modelpack import Event, count, last, total
from modelpack.cli import app
from tests.conftest import clone
from tests.faults.hostile import (
    FAILS,
    TABLES,
    Session,
    attach,
    connect,
    make_shop,
    open_shop,
    plain_model,
    publish,
    shop,
    smuggle,
    unsound,
    value,
    visit,
    warm,
)

PARTITIONED = """
create table customer (customer_id bigint primary key) partition by hash (customer_id);
create table customer_0 partition of customer for values with (modulus 2, remainder 0);
create table customer_1 partition of customer for values with (modulus 2, remainder 1);
create table visit (customer_id bigint not null, at timestamptz not null default now(), x double precision)
  partition by hash (customer_id);
create table visit_0 partition of visit for values with (modulus 1, remainder 0);
"""


def findings(session: Session) -> dict[str, tuple[str, str, str]]:
    """Status, what was found and what mends it, of all checks that are not ok."""
    found = session.execute("select * from modelpack.doctor()").fetchall()
    said = [(check, what) for status, check, what, _, _ in found if status != "ok"]
    assert sorted(set(said)) == sorted(said), "nothing is said twice"
    return {check: (status, what, mend) for status, check, what, _, mend in found if status != "ok"}


@pytest.mark.prepared(setup=make_shop)
def test_a_sound_installation_has_a_row_for_every_area_and_all_are_ok(database: str) -> None:
    with connect(database) as session:
        # the wheels of a test may lie anywhere
        assert {k: v for k, v in findings(session).items() if k != "folder of the wheels"} == {}
        areas = {check for (check,) in session.execute('select "check" from modelpack.doctor()')}
        assert {"Python of the server", "wheels", "rows of profiles", "models", "prediction log"} <= areas


@pytest.fixture(scope="module")
def sound(server: str, template: str) -> Iterator[Session]:
    """A sound shop; tests break it in a transaction that they roll back."""
    for dsn in clone(server, template):
        with open_shop(dsn) as session:
            session.autocommit = False
            yield session


SQL_FAULTS: list[tuple[str, str, str, str]] = [
    ("alter table visit disable trigger user", "trigger of public.customer", "fail", "is disabled"),
    (
        "drop trigger modelpack_customer_log on customer",
        "trigger of public.customer",
        "fail",
        "modelpack_customer_log on public.customer is missing",
    ),
    (
        "create or replace function modelpack.customer_count_visit_insert() returns trigger language plpgsql as"
        " 'begin return null; end'",
        "function of public.customer",
        "fail",
        "customer_count_visit_insert() was changed by hand",
    ),
    (
        "drop function modelpack.customer_verify(bigint, bigint, text[])",
        "function of public.customer",
        "fail",
        "customer_verify() is missing",
    ),
    (
        "drop trigger modelpack_customer_insert on visit; create trigger modelpack_customer_insert after insert on visit"
        " referencing new table as new_rows for each statement execute function modelpack.customer_count_visit_truncate()",
        "trigger of public.customer",
        "fail",
        "runs modelpack.customer_count_visit_truncate()",
    ),
    ("drop function modelpack.examine_log()", "prediction log", "fail", "the examination ends"),
    ("delete from modelpack.made", "trigger of public.customer", "fail", "nothing is recorded"),
    (
        "alter event trigger modelpack_partitions disable",
        "event trigger modelpack_partitions",
        "fail",
        "it is disabled",
    ),
    ("drop event trigger modelpack_dropped", "event trigger modelpack_dropped", "fail", "it is missing"),
    ("drop event trigger modelpack_altered", "event trigger modelpack_altered", "fail", "it is missing"),
    (
        "update modelpack.setting set value = '40 MB' where name = 'trial_memory'",
        "process that tries models",
        "fail",
        "cannot import numpy",
    ),
    (
        "create function later() returns trigger language plpgsql as 'begin return new; end';"
        "create trigger zzz before update on customer for each row execute function later()",
        "order of triggers of public.customer",
        "warn",
        "zzz runs after",
    ),
    ("drop index index of visit", "index of public.visit", "warn", "none starts with (customer_id)"),
    ("drop index index of customer", "index of stale rows of public.customer", "warn", "none"),
    ("create index on customer (visits) where visits > 1000; drop index index of customer", "index of stale rows of public.customer", "warn", "none"),
    ("revoke select on visit from modelpack_owner", "rights on public.visit", "fail", "no SELECT"),
    (
        "revoke usage on schema public from public, modelpack_owner",
        "rights on the schema public",
        "fail",
        "modelpack_owner has no USAGE",
    ),
    ("revoke update on customer from modelpack_owner", "rights on public.customer", "fail", "no UPDATE"),
    ("update customer set churn_stale = 'by hand' where false; select modelpack.disable('churn', 'why')", "model churn", "warn", "why"),
    ("delete from modelpack.alias", "champion of churn", "warn", "waits for one"),
    ("alter table customer rename to client", "profile table public.customer", "fail", "called public.client now"),
    ("alter table customer rename visits to visit_count", "column of public.customer", "fail", "visits is missing"),
    ("alter table customer rename churn_scored_at to at", "column of public.customer", "fail", "churn_scored_at is missing"),
    ("alter table visit rename to visits", "event table visit of public.customer", "fail", "called public.visits now"),
    ("alter table visit rename x to y", "column of public.visit", "fail", "x is missing"),
    ("drop table visit", "event table visit of public.customer", "fail", "it was dropped"),
    (
        "drop table visit; create table visit (visit_id bigint, customer_id bigint, at timestamptz, x double precision)",
        "event table visit of public.customer",
        "fail",
        "it was dropped, and another table has its name, whose rows are not counted",
    ),
    ("drop table customer", "profile table public.customer", "fail", "it was dropped"),
    (
        "set session_replication_role = replica; insert into visit (customer_id, x) values (1, 200); reset session_replication_role",
        "features of public.customer (a sample of visit)",
        "fail",
        "1 rows differ",
    ),
    (
        "set session_replication_role = replica; insert into visit (customer_id, x) values (999, 200); reset session_replication_role",
        "customers of public.customer (a sample of visit)",
        "fail",
        "1 have events and no profile",
    ),
    (
        "set session_replication_role = replica; update customer set features_at = now() + interval '1 day' where customer_id < 4;"
        " reset session_replication_role",
        "rows of public.customer ahead of the clock",
        "warn",
        "3",
    ),
    (
        "update modelpack.prediction set scored_at = '2001-01-01' where prediction_id = (select min(prediction_id) from modelpack.prediction)",
        "default partition of the prediction log",
        "warn",
        "it has rows",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "check", "status", "what"), SQL_FAULTS, ids=[f[0][:50] for f in SQL_FAULTS]
)
def test_the_doctor_finds(sound: Session, fault: str, check: str, status: str, what: str) -> None:
    indexes = (
        "select indexrelid::regclass::text from pg_index where not indisprimary and indrelid = %s::regclass"
    )
    try:
        for table in ("visit", "customer"):
            fault = fault.replace(f"index of {table}", value(sound, indexes, table))
        sound.execute(fault)
        found = findings(sound)
        assert check in found, found
        assert found[check][0] == status
        assert what in found[check][1]
        assert found[check][2]
    finally:
        sound.rollback()


TRIGGERS = "select c.relname, t.tgname from pg_trigger as t join pg_class as c on c.oid = t.tgrelid where t.tgname ~ 'modelpack' and not tgisinternal"


def test_a_trigger_that_fires_for_no_application_is_found_and_one_that_always_fires_is_not(
    sound: Session,
) -> None:
    """ENABLE REPLICA is as bad as DISABLE: such a trigger fires for a subscription's rows alone."""
    examined = 'select found, mend from modelpack.examine_triggers() where "check" = %s'
    ours = sound.execute(TRIGGERS).fetchall()
    assert len(ours) == 7  # guard, SCORE and LOG; COUNT of four kinds of statements
    for table, trigger in ours:
        for how, fires in (
            ("disable", False),
            ("enable replica", False),
            ("enable always", True),
            ("enable", True),
        ):
            sound.execute(f"alter table {table} {how} trigger {trigger}")
            found = sound.execute(examined, ["trigger of public.customer"]).fetchall()
            said = [
                (
                    f"{trigger} on public.{table} is disabled",
                    f"enable trigger {trigger}; call modelpack.rebuild",
                )
            ]
            assert [(what, how_to[how_to.index("enable") : how_to.index("(")]) for what, how_to in found] == (
                [] if fires else said
            ), how
    for (name,) in sound.execute(
        "select evtname from pg_event_trigger where evtname ~ '^modelpack'"
    ).fetchall():
        for how, fires in (
            ("disable", False),
            ("enable replica", False),
            ("enable always", True),
            ("enable", True),
        ):
            sound.execute(f"alter event trigger {name} {how}")
            found = sound.execute(examined, [f"event trigger {name}"]).fetchall()
            assert found == ([] if fires else [("it is disabled", f"alter event trigger {name} enable;")]), (
                how
            )
    # a trigger that would run after SCORE does so only where it fires
    sound.execute("create function later() returns trigger language plpgsql as 'begin return new; end'")
    sound.execute("create trigger zzz before update on customer for each row execute function later()")
    for how, fires in (
        ("disable", False),
        ("enable replica", False),
        ("enable always", True),
        ("enable", True),
    ):
        sound.execute(f"alter table customer {how} trigger zzz")
        found = sound.execute(examined, ["order of triggers of public.customer"]).fetchall()
        assert [what.split(" after ")[0] for what, _ in found] == (["zzz runs"] if fires else []), how
    sound.rollback()


@pytest.mark.prepared(setup=make_shop)
def test_the_doctor_finds_stale_rows_failures_and_rows_behind_the_champion(database: str) -> None:
    with connect(database) as session:
        visit(session, (1, FAILS))
        found = findings(session)
        assert found["stale rows of public.customer"][:2] == (
            "warn",
            found["stale rows of public.customer"][1],
        )
        assert "1, such as: the model fails" in found["stale rows of public.customer"][1]
        assert "the model fails" in found["failures of churn version 1"][1]
        smuggle(session, plain_model())
        session.execute(found["stale rows of public.customer"][2])
        found = findings(session)
        assert "stale rows of public.customer" not in found
        assert found["rows of public.customer behind the champion"][1] == "19"
        session.execute(found["rows of public.customer behind the champion"][2])
        assert "rows of public.customer behind the champion" not in findings(session)
        assert unsound(session) == []


@pytest.mark.prepared(setup=make_shop)
def test_the_doctor_names_the_failures_of_the_last_hour_and_the_newest_reason(database: str) -> None:
    with connect(database) as session:
        failed = (
            "insert into modelpack.failure_log (at, version_id, profile, kind, reason, failures)"
            " select now() - %s::interval, version_id, 'public.customer', 'model', %s, %s from modelpack.version"
        )
        session.execute(failed, ["61 minutes", "too old", 40])
        assert "failures of churn version 1" not in findings(session)
        session.execute(failed, ["59 minutes", "earlier", 2])
        session.execute(failed, ["10 minutes", "later", 3])
        session.execute(failed, ["20 minutes", "between", 4])
        assert findings(session)["failures of churn version 1"][:2] == (
            "warn",
            "9 times or more in the last hour (model): later",
        )


def test_without_a_champion_the_doctor_says_publish_or_promote_before_rescore(database: str) -> None:
    with connect(database) as session:
        session.execute(TABLES)
        attach(database, shop())
        visit(session, (1, 100))
        found = findings(session)
        assert found["champion of churn"][2] == "modelpack publish MODEL --name churn --sample FILE --promote"
        advice, statement = found["stale rows of public.customer"][2].split(", then: ")
        assert advice == "first promote a version (see: champion of churn)"
        number = publish(session)
        mend = findings(session)["champion of churn"][2]
        assert mend == f"select modelpack.promote('churn', {number});"
        session.execute(mend)
        session.execute(statement)
        assert not [check for check in findings(session) if check.startswith(("champion", "stale"))]


@pytest.mark.prepared(setup=make_shop)
def test_the_doctor_finds_rows_that_were_loaded_past_the_score_trigger(database: str) -> None:
    with connect(database) as session:
        session.execute(
            "set session_replication_role = replica; insert into customer values (77); reset session_replication_role"
        )
        _, what, mend = findings(session)["rows of public.customer that are not counted yet"]
        assert what == "1"
        session.execute(
            "set session_replication_role = replica; insert into visit (customer_id, x) values (77, 200); reset session_replication_role"
        )
        found = findings(session)
        assert "features of public.customer (a sample of visit)" not in found, (
            "what is not counted is said once"
        )
        session.execute(mend)
        assert "rows of public.customer that are not counted yet" not in findings(session)
        assert unsound(session) == []


@pytest.mark.prepared(setup=make_shop)
def test_the_doctor_finds_a_champion_that_scores_differently_here(database: str) -> None:
    with connect(database) as session:
        smuggle(session, plain_model(bias=0.5))
        assert "golden row 1 gives 0.5" in findings(session)["golden rows of churn version 2"][1]


@pytest.mark.prepared(setup=make_shop)
def test_the_doctor_finds_a_log_without_partitions_ahead(database: str) -> None:
    with connect(database) as session:
        session.execute("truncate modelpack.prediction")
        for (name,) in session.execute(
            "select inhrelid::regclass::text from pg_inherits where inhparent = 'modelpack.prediction'::regclass"
        ).fetchall():
            if not name.endswith("default"):
                session.execute(f"drop table {name}")
        found = findings(session)["partitions of the prediction log"]
        assert found[1] == "none"
        session.execute(found[2].split(";")[0])
        assert "partitions of the prediction log" not in findings(session)


@pytest.mark.prepared(setup=make_shop)
def test_the_doctor_finds_a_partition_of_the_log_that_was_left_without_its_index(database: str) -> None:
    with connect(database) as session:
        # whatever the time of day: a partition that ended between 1 and 25 hours ago, and one that ended 3 days ago or 4
        for hours in (25, 96):
            session.execute(
                "insert into modelpack.prediction (scored_at, profile, entity_key, score, model, version, prediction, inputs)"
                " values (now() - %s * interval '1 hour', 'public.customer', '1', 'churn', 'churn', 1, 0.5, '{1}')",
                [hours],
            )
        session.execute("select modelpack.maintain()")
        assert "indexes of the prediction log" not in findings(session)
        indexes = session.execute(
            "select indexrelid::regclass::text from pg_index where indexrelid::regclass::text like '%_by_key' order by 1"
        ).fetchall()
        assert len(indexes) == 2
        for (index,) in indexes:
            session.execute(f"drop index {index}")
        status, what, mend = findings(session)["indexes of the prediction log"]
        oldest = indexes[0][0].removeprefix("modelpack.").removesuffix("_by_key")
        # the other ended less than two days ago
        assert (status, what) == ("warn", f"1 without a B-tree by customer, such as {oldest}")
        session.execute(mend.split(";")[0])
        assert "indexes of the prediction log" not in findings(session)


def test_the_doctor_finds_dead_rows_that_pile_up(database: str) -> None:
    with open_shop(database) as session:
        session.execute("alter table customer set (autovacuum_enabled = off)")
        session.execute("insert into customer select g from generate_series(100, 3000) as g")
        session.execute("delete from customer where customer_id > 500")
        session.execute("select pg_stat_force_next_flush()")
        _, what, mend = findings(session)["dead rows of public.customer"]
        assert what.startswith("2500 dead")
        session.execute(mend)
        session.execute("select pg_stat_force_next_flush()")
        assert "dead rows of public.customer" not in findings(session)


@pytest.mark.prepared(setup=make_shop)
def test_the_doctor_finds_a_champion_that_was_made_with_another_onnxruntime(database: str) -> None:
    with connect(database) as session:
        number = smuggle(session, plain_model(), libraries={"onnxruntime": "1.2.3"})
        status, what, mend = findings(session)[f"onnxruntime of churn version {number}"]
        assert status == "warn"
        assert what.endswith(" here")
        assert "install 1.2.3" in mend


@pytest.mark.prepared(setup=make_shop)
def test_the_doctor_finds_rows_that_no_model_could_score(database: str) -> None:
    with connect(database) as session:
        visit(session, (1, 1e300))
        status, what, mend = findings(session)["failures of churn version 1"]
        assert (status, "(input)" in what) == ("warn", True)
        assert mend.startswith("look at the rows: ")
        assert session.execute(mend.removeprefix("look at the rows: ")).fetchall() != []


def test_the_doctor_finds_partitions_that_lost_their_triggers(database: str) -> None:
    with connect(database) as session:
        session.execute(PARTITIONED)
        attach(database, shop())
        smuggle(session, plain_model())
        visit(session, *((c, 100) for c in range(1, 11)))
        assert not [check for check in findings(session) if check.startswith("partitions of public")]
        names = session.execute(
            "select tgname from pg_trigger where tgrelid = 'visit_0'::regclass and tgparentid = 0 and not tgisinternal"
        ).fetchall()
        session.execute("".join(f"drop trigger {name} on visit_0;" for (name,) in names))
        status, what, mend = findings(session)["partitions of public.visit"]
        assert (status, what) == ("fail", "public.visit_0 lacks triggers")
        for statement in mend.split("; "):
            session.execute(statement)
        assert "partitions of public.visit" not in findings(session)
        session.execute("insert into visit_0 (customer_id, x) values (1, 200)")
        assert unsound(session) == []


@pytest.mark.prepared(setup=make_shop)
def test_the_doctor_finds_libraries_that_a_session_took_from_elsewhere(
    database: str, wheel_folder: Path
) -> None:
    with warm(database) as session:
        session.execute(
            "create or replace function modelpack.server_wheels() returns text language sql immutable"
            f" as $$ select '{wheel_folder}'::text $$"
        )
        status, _, mend = findings(session)["wheels"]
        assert status == "warn"
        assert f"server-setup {wheel_folder}" in mend


def test_the_doctor_finds_updates_that_are_not_heap_only(database: str) -> None:
    with open_shop(database) as session:
        session.execute("alter table customer set (fillfactor = 100, autovacuum_enabled = off)")
        session.execute("create index on customer (visits)")
        for _ in range(60):
            visit(session, *((c, 100) for c in range(1, 21)))
        session.execute("select pg_stat_force_next_flush()")
        found = findings(session)
        assert "fillfactor 100" in found["heap-only updates of public.customer"][1]
        mend = found["heap-only updates of public.customer"][2]
        assert mend.startswith("alter table public.customer set (fillfactor = ")
        assert "vacuum full public.customer; whose ACCESS EXCLUSIVE lock" in mend
        session.execute(mend.split(";")[0])


def test_updates_of_all_rows_at_once_are_no_sign_of_updates_that_are_not_heap_only(database: str) -> None:
    with open_shop(database) as session:
        session.execute("alter table customer set (fillfactor = 100, autovacuum_enabled = off)")
        for _ in range(2):
            visit(session, *((c, 100) for c in range(1, 1201)))
        session.execute("select pg_stat_force_next_flush()")
        updated, heap_only = session.execute(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'customer'"
        ).fetchall()[0]
        assert updated >= 1000
        assert heap_only < 0.8 * updated
        assert "heap-only updates of public.customer" not in findings(session)


def test_updates_of_fresh_rows_are_heap_only_in_spite_of_the_index_of_stale_rows(database: str) -> None:
    with open_shop(database) as session:
        session.execute("select pg_stat_force_next_flush()")
        session.execute("select pg_stat_reset()")
        for n in range(100):
            visit(session, (1 + n % 20, 100))
        session.execute("select pg_stat_force_next_flush()")
        updated, heap_only = session.execute(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'customer'"
        ).fetchall()[0]
        assert updated >= 100
        assert heap_only >= 0.7 * updated  # none, if the index stood in the way; a full first page costs some


@pytest.mark.parametrize(
    ("breaks", "check", "what"),
    [
        (lambda folder: folder.chmod(0o777), "folder of the wheels", "others may write it"),
        pytest.param(
            lambda folder: os.chown(folder, 4711, -1),
            "folder of the wheels",
            "it belongs to user id 4711",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder away"),
        ),
        (
            lambda folder: folder.rename(folder.with_name("elsewhere")),
            "folder of the wheels",
            "sees no folder",
        ),
        (lambda folder: _wheel(folder, "cp39-cp39-linux_x86_64"), "wheel numpy-9.9", "cp39-cp39"),
        (
            lambda folder: (folder / "numpy.py").write_text("raise ImportError('broken')"),
            "wheels",
            "ImportError: broken",
        ),
    ],
    ids=["loose", "owner", "gone", "abi", "import"],
)
def test_the_doctor_finds_what_is_wrong_with_the_wheels(
    database: str, wheel_folder: Path, breaks: Callable[[Path], Any], check: str, what: str
) -> None:
    with psycopg.connect(database, autocommit=True) as session:
        session.execute(
            "create or replace function modelpack.server_wheels() returns text language sql immutable"
            f" as $$ select '{wheel_folder}'::text $$"
        )
        breaks(wheel_folder)
        rows = session.execute("select * from modelpack.doctor()").fetchall()
        assert any(row[0] == "fail" and row[1] == check and what in row[2] and row[4] for row in rows), rows


def _wheel(folder: Path, tag: str) -> None:
    info = folder / "numpy-9.9.dist-info"
    info.mkdir(mode=0o755)
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nTag: {tag}\n")


@pytest.mark.prepared(setup=make_shop)
def test_a_declaration_whose_tables_are_gone_can_be_forgotten(database: str) -> None:
    with connect(database) as session:
        session.execute("drop table customer")
        with pytest.raises(psycopg.errors.UndefinedTable, match=r"public\.customer"):
            visit(session, (1, 100))
        session.execute(findings(session)["profile table public.customer"][2])
        visit(session, (1, 100))
        assert value(session, "select count(*) from modelpack.profile") == 0
        assert "profile table public.customer" not in findings(session)


@pytest.mark.prepared(setup=make_shop)
def test_the_command_prints_findings_with_what_mends_them_and_fails_when_something_fails(
    database: str,
) -> None:
    with connect(database) as session:
        session.execute("alter table visit disable trigger user")
    done = CliRunner().invoke(app, ["doctor", "--dsn", database, "--json"])
    assert done.exit_code == 1, done.output
    checks = json.loads(done.stdout)["checks"]
    mends = [row["mend"] for row in checks if row["check"] == "trigger of public.customer"]
    printed = CliRunner().invoke(app, ["doctor", "--dsn", database])
    assert max(map(len, printed.stdout.splitlines())) <= 80
    assert all(mend in " ".join(printed.stdout.split()) for mend in mends)
    with psycopg.connect(database, autocommit=True) as session:
        for mend in mends:
            session.execute(mend.split(";")[0])
        found = findings(session)
    assert {status for check, (status, *_) in found.items() if check != "folder of the wheels"} <= {"warn"}


def other_release(dsn: str) -> list[str]:
    """What the command finds of functions that this release compiles differently."""
    done = CliRunner().invoke(app, ["doctor", "--dsn", dsn, "--json"])
    checks = json.loads(done.stdout)["checks"]
    return [row["found"] for row in checks if row["check"] == "release of the functions of public.customer"]


@pytest.mark.prepared(setup=make_shop)
def test_features_in_whatever_order_are_no_other_release(database: str) -> None:
    features = {"visits": count(), "all_x": total("x"), "x": last("x")}
    for names in (list(features), sorted(features)):
        event = Event("visit", at="at", features={name: features[name] for name in names})
        attach(database, replace(shop(), events=[event]))
        assert other_release(database) == []


@pytest.mark.prepared(setup=make_shop)
def test_the_command_finds_functions_of_another_release_and_apply_brings_them_up_to_date(
    database: str,
) -> None:
    with connect(database) as session:
        assert other_release(database) == []
        # as another release would have made it: its text and its record differ from what this one compiles
        for name in ("refresh", "log"):
            session.execute(
                f"do $do$ begin execute replace(pg_get_functiondef('modelpack.customer_{name}'::regproc), 'begin', 'begin -- older'); end $do$"
            )
        session.execute("select modelpack.seal('public.customer')")
        assert "function of public.customer" not in findings(session)
        [found] = other_release(database)
        assert found.startswith("2 are not what modelpack")
        attach(database, shop())
        assert other_release(database) == []
        visit(session, (1, 200))
        assert unsound(session) == []
