"""The command line on a real server: the way of a DBA and a data scientist, and what bad input gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from modelpack import Registry
from modelpack.cli import app
from modelpack.connection import make_engine
from modelpack.formula import evaluate
from tests.commands import runner
from tests.example import DECLARATION, TABLES, model, packaged, run_script, sample


class Shell:
    """Runs commands against one database."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def run(self, *arguments: str, code: int = 0, **settings: str) -> str:
        done = runner().invoke(app, list(arguments), env={"MODELPACK_DSN": self.dsn, **settings})
        assert done.exit_code == code, f"{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        if code == 2:
            assert done.stdout == ""
            assert done.stderr.count("\n") == 1, "one sentence"
            return done.stderr
        return done.stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code))

    def refused(self, *arguments: str, **settings: str) -> str:
        return self.run(*arguments, code=2, **settings)


@pytest.fixture
def shell(database: str) -> Shell:
    run_script(database, TABLES)
    return Shell(database)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with declaration.py, model.joblib and rows.csv."""
    (tmp_path / "declaration.py").write_text(DECLARATION)
    joblib.dump(model(), tmp_path / "model.joblib")
    sample().to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path


def published(shell: Shell, *signs: int) -> None:
    engine = make_engine(shell.dsn)
    with engine.connect() as connection:
        for sign in signs:
            with connection.begin():
                Registry(connection).publish_package(packaged(sign), name="churn")
    engine.dispose()


def test_from_an_empty_database_to_a_score_and_back(
    empty_database: str, files: Path, server_wheels: Path | None
) -> None:
    run_script(empty_database, TABLES)
    shell = Shell(empty_database)
    settings = {"MODELPACK_SERVER_WHEELS": str(server_wheels)} if server_wheels else {}
    assert "installed" in shell.run("install", **settings)
    assert "already" in shell.run("install", **settings)
    said = shell.run(
        *("publish", str(files / "model.joblib"), "--name", "churn", "--sample", str(files / "rows.csv")),
        *("--promote", "--metric", "auc=0.81", "--metric", "lift=2", "--note", "the first"),
    )
    assert "churn version 1 is published and scores now" in said
    assert "customer: applied." in shell.run("apply", str(files / "declaration.py"))
    assert "just this declaration already" in shell.run("apply", str(files / "declaration.py"))
    with psycopg.connect(empty_database, autocommit=True) as application:
        application.execute("insert into complaint (customer_id, severity) values (1, 3)")
        row = application.execute(
            "select churn, churn_version, churn_stale from customer where customer_id = 1"
        )
        assert row.fetchone()[1:] == (1, None)  # type: ignore[index]
    assert "every feature is what its events say" in shell.run("verify", "customer")
    shown = shell.run("show", "churn")
    for part in (
        "complaints (number",
        "spend (number",
        "auc=0.81",
        "champion",
        "the first",
        "promote 1 by postgres",
    ):
        assert part in shown
    assert "removed" in shell.run("remove", str(files / "declaration.py"))
    assert "run: modelpack uninstall --yes" in shell.refused("uninstall")
    assert "is removed" in shell.run("uninstall", "--yes")
    assert "nothing to remove" in shell.run("uninstall")


def test_a_second_version_is_promoted_rescored_and_rolled_back(shell: Shell, files: Path) -> None:
    published(shell, 1, -1)
    shell.run("promote", "churn", "1")
    shell.run("apply", str(files / "declaration.py"))
    assert shell.json("rescore", "customer")["rows"] == 0
    shell.run("promote", "churn", "2", "--reason", "better on recent data")
    assert shell.json("rescore", "customer") == {"task": "rescore", "profile": "customer", "rows": 50}
    with psycopg.connect(shell.dsn) as connection:
        assert connection.execute("select distinct churn_version from customer").fetchall() == [(2,)]
    assert "version 1 scores again" in shell.run("rollback", "churn", "--reason", "worse")
    history = shell.json("show", "churn")["promotions"]
    assert [(h["action"], h["version"], h["reason"]) for h in history] == [
        ("promote", 1, ""),
        ("promote", 2, "better on recent data"),
        ("rollback", 1, "worse"),
    ]
    assert "rows written" in shell.run("rescore", "customer", "--everything")
    assert "rows written" in shell.run("refresh", "customer", "--older-than", "1 day")


def test_verify_finds_what_rebuild_mends(shell: Shell, files: Path) -> None:
    shell.run("apply", str(files / "declaration.py"))
    with psycopg.connect(shell.dsn, autocommit=True) as dba:
        dba.execute("update customer set complaints = complaints + 1 where customer_id = 7")
    found = shell.json("verify", "customer", code=1)["differences"]
    assert [(d["entity_key"], d["feature"]) for d in found] == [("7", "complaints")]
    assert "modelpack rebuild customer" in shell.run("verify", "customer", "--key", "7", code=1)
    shell.run("verify", "customer", "--key", "8")
    assert shell.json("rebuild", "customer", "--key", "7")["rows"] == 1
    shell.run("verify", "customer")


@pytest.mark.usefixtures("here")
def test_every_command_prints_one_document_with_json(shell: Shell, files: Path, tmp_path: Path) -> None:
    declaration = str(files / "declaration.py")
    made = shell.json(
        *("publish", str(files / "model.joblib"), "--name", "churn", "--sample", str(files / "rows.csv"))
    )
    assert (made["model"], made["version"], made["aliases"]) == ("churn", 1, [])
    assert shell.json("promote", "churn", "1")["version"] == 1
    assert shell.json("show", "churn", "1")["aliases"] == ["champion"]
    assert [v["version"] for v in shell.json("list")] == [1]
    assert [v["version"] for v in shell.json("list", "churn")] == [1]
    row = '{"complaints": 5, "spend": 10}'
    assert shell.json("predict", "churn", row)["score"] > 0.5
    assert shell.json("predict", "churn", row)["version"] == 1, "the champion's number"
    assert shell.json("predict", "churn", row, "--version", "1")["version"] == 1
    assert shell.json("export", "churn", "1", "-o", str(tmp_path / "churn.onnx"))["bytes"] > 500
    written = tmp_path / "churn.json"
    assert shell.json("formula", "churn", "1", "-o", str(written))["golden_rows"] > 10
    assert "steps" in shell.run("formula", "churn", "1", "-o", str(written))
    document = json.loads(written.read_text())
    inputs = [json.loads(row)[i["name"]] for i in document["signature"]["inputs"]]
    assert evaluate(document["formula"], inputs) == pytest.approx(
        shell.json("predict", "churn", row)["score"], abs=1e-6
    )
    assert "there is no folder" in shell.refused("formula", "churn", "1", "-o", "/nowhere/churn.json")
    assert shell.json("apply", declaration) == {"profiles": [{"profile": "customer", "changed": True}]}
    assert shell.json("apply", declaration) == {"profiles": [{"profile": "customer", "changed": False}]}
    for task in ("rescore", "refresh", "rebuild"):
        assert shell.json(task, "customer")["task"] == task
        assert shell.json(task, "customer", "--jobs", "3")["task"] == task
    assert shell.json("verify", "customer")["differences"] == []
    assert shell.json("maintain") == {"partitions": []}
    assert shell.json("remove", declaration)["profiles"][0]["removed"] is True
    assert shell.json("install")["changed"] is False
    assert shell.json("version")["database"] == shell.json("uninstall", "--yes")["removed"]


def test_the_script_of_apply_gives_what_apply_gives(shell: Shell, files: Path) -> None:
    script = shell.run("apply", str(files / "declaration.py"), "--sql")
    run_script(shell.dsn, script)
    assert shell.json("apply", str(files / "declaration.py"))["profiles"][0]["changed"] is False
    shell.run("verify", "customer")
    run_script(shell.dsn, shell.run("remove", str(files / "declaration.py"), "--sql"))
    assert "no profile" in shell.refused("verify", "customer")


def test_show_says_each_fact_within_eighty_columns(shell: Shell) -> None:
    published(shell, 1)
    for number in range(3):
        shell.run(
            "promote", "churn", "1", "--reason", f"{number}: a reason of many words " + "and more " * 12
        )
    shown = shell.run("show", "churn").splitlines()
    assert max(map(len, shown)) <= 80
    facts = {line[:13].strip(): line[13:] for line in shown if line[:1].strip()}
    assert {"rows 80", "failures 0"} <= set(facts["parity"].split(", "))
    assert "scikit-learn" in " ".join(shown)


def test_a_column_that_parquet_has_no_form_for_is_named_with_its_type_and_the_ways_out(
    shell: Shell, files: Path
) -> None:
    run_script(
        shell.dsn,
        "alter table customer add column seen_from inet; update customer set seen_from = '10.0.0.1'",
    )
    declaration = files / "declaration.py"
    rows = ("training-set", str(declaration), "--at", "2026-03-01", "-o")
    said = shell.refused(*rows, str(files / "rows.parquet"))
    assert "the column seen_from is of the type inet, expected one that a parquet file can hold" in said
    assert "rows.csv" in said
    assert not (files / "rows.parquet").exists()
    assert shell.json(*rows, str(files / "training.csv"))["rows"] == 50
    as_text = 'Score("churn", model="churn", inputs={"seen_from": "seen_from::text"})'
    assert as_text.partition("inputs=")[2] in said
    declaration.write_text(declaration.read_text().replace('Score("churn", model="churn")', as_text))
    assert shell.json(*rows, str(files / "rows.parquet"))["rows"] == 50


def test_a_declaration_that_an_earlier_release_stored_is_a_finding_and_no_traceback(
    shell: Shell, files: Path, psql: psycopg.Connection[Any]
) -> None:
    declaration = str(files / "declaration.py")
    shell.run("apply", declaration)
    psql.execute(
        'update modelpack.profile set declaration = jsonb_set(declaration, \'{events,0,features}\', \'{"complaints": {"kind": "count"}}\')'
    )
    psql.commit()
    checks = {check["check"]: check for check in shell.json("doctor", code=1)["checks"]}
    found = checks["declaration of public.customer"]
    assert "a layout that this modelpack cannot read (TypeError" in found["found"]
    assert found["mend"].startswith("run modelpack remove DECLARATION, then modelpack apply DECLARATION")
    assert found["mend"] in shell.refused("apply", declaration)
    shell.run("remove", declaration)
    shell.run("apply", declaration)
    assert "just this declaration already" in shell.run("apply", declaration)


def test_several_profiles_of_a_file_are_applied_together_or_not_at_all(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "two.py"
    path.write_text(
        DECLARATION + 'other = Profile("nowhere", key="id", scores=[Score("x", model="churn")])\n'
    )
    assert "there is no table public.nowhere" in shell.refused("apply", str(path))
    with psycopg.connect(shell.dsn) as connection:
        assert connection.execute("select from modelpack.profile").fetchall() == []
        columns = connection.execute(
            "select count(*) from information_schema.columns where table_name = 'customer'"
        ).fetchone()
    assert columns == (3,)


def test_the_installed_command_refuses_with_exit_code_two(database: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "modelpack", "show", "churn"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "MODELPACK_DSN": database},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == "modelpack: there is no model churn; there are: none; publish a version first: modelpack publish MODEL --name …\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("install",),
        ("uninstall",),
        ("apply", "{files}/declaration.py"),
        ("publish", "{files}/model.joblib", "--name", "churn", "--sample", "{files}/rows.csv"),
        ("rescore", "customer"),
        ("maintain",),
        ("verify", "customer"),
        ("version",),
        ("demo",),
    ],
)
def test_a_server_that_is_not_there_is_one_sentence(files: Path, arguments: tuple[str, ...]) -> None:
    shell = Shell("postgresql://postgres@127.0.0.1:1/x")
    said = shell.refused(*(a.format(files=files) for a in arguments))
    assert "no PostgreSQL server can be reached" in said
    assert "correct it, or start the server" in said


def test_a_database_without_the_schema_is_told_the_command(empty_database: str, files: Path) -> None:
    run_script(empty_database, TABLES)
    shell = Shell(empty_database)
    for arguments in (
        ("list",),
        ("promote", "churn", "1"),
        ("apply", str(files / "declaration.py")),
        ("remove", str(files / "declaration.py")),
        ("rescore", "customer"),
        ("verify", "customer"),
        ("maintain",),
        ("publish", str(files / "model.joblib"), "--name", "churn", "--sample", str(files / "rows.csv")),
    ):
        assert "run `modelpack install`" in shell.refused(*arguments)


def test_a_server_without_plpython_is_told_the_package_to_install(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as dba:
        dba.execute("create schema bare")
        dba.execute(
            "create view bare.pg_available_extensions as select ''::name as name, ''::text as installed_version"
        )
        name = dba.info.dbname
        dba.execute(f"alter database {name} set search_path = bare, pg_catalog, public")
    shell = Shell(empty_database)
    assert "apt-get install postgresql-plpython3-" in shell.refused("install")
    assert shell.json("version")["database"] is None


def test_wheels_that_the_server_cannot_see_are_refused(empty_database: str) -> None:
    shell = Shell(empty_database)
    assert "sees no folder /nowhere" in shell.refused("install", "--server-wheels", "/nowhere")
    assert shell.json("version")["database"] is None


def test_text_with_brackets_is_printed_as_it_is(shell: Shell) -> None:
    Registry(shell.dsn).publish_package(packaged(), name="churn", note="[bold]not[/bold] markup :smile:")
    for arguments in (("list",), ("show", "churn")):
        assert "[bold]not[/bold] markup :smile:" in shell.run(*arguments)


HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\u202eforged\u2066\r\nchurn 1"


@pytest.mark.parametrize(
    "command",
    [
        ("list",), ("list", "churn"), ("show", "churn"), ("show", "churn", "1"), ("show", "other"), ("doctor",), ("maintain",),
        ("diff", "churn", "1", "2"), ("grant", "churn"), ("tag", "churn", "1"), ("verify", "public.customer"),
        ("promote", "churn", "9"), ("show", "nothing"), ("predict", "churn", '{"complaints": 1, "spend": 2}'),
    ],
    ids=" ".join,
)  # fmt: skip
def test_nothing_that_others_stored_steers_the_terminal(
    shell: Shell, files: Path, psql: psycopg.Connection[Any], command: tuple[str, ...]
) -> None:
    """Also where it came past the door, as by a member of modelpack_owner, or in the name of a role."""
    shell.run("apply", str(files / "declaration.py"))
    registry = Registry(shell.dsn)
    for name in ("churn", "churn", "other"):
        registry.publish_package(packaged(), name=name, promote=True)
    psql.execute(
        "alter table modelpack.version disable trigger all; alter table modelpack.promotion disable trigger all"
    )
    psql.execute("update modelpack.version set note = %s, created_by = left(%s, 30)", [HOSTILE, HOSTILE])
    facts = json.dumps({HOSTILE: HOSTILE})
    psql.execute(
        "update modelpack.version set libraries = %s, lineage = %s, parity = %s", [facts, facts, facts]
    )
    psql.execute("update modelpack.promotion set reason = %s, by = left(%s, 30)", [HOSTILE, HOSTILE])
    psql.execute("update modelpack.permission set role = left(%s, 30)", [HOSTILE])
    psql.execute("update modelpack.model set description = %s", [HOSTILE])
    psql.execute(
        "update modelpack.model set disabled = %s, disabled_by = left(%s, 30) where model = 'churn'",
        [HOSTILE, HOSTILE],
    )
    psql.execute(
        "insert into modelpack.annotation (version_id, kind, name, value)"
        " select version_id, 'tag', left(%s, 40), to_jsonb(%s::text) from modelpack.version", [HOSTILE, HOSTILE],
    )  # fmt: skip
    for form in ((), ("--json",)):
        done = runner().invoke(app, [*command, *form], env={"MODELPACK_DSN": shell.dsn})
        assert done.exit_code in (0, 1, 2)
        assert "unexpected" not in done.stderr
        shown = done.stdout + done.stderr
        assert [c for c in shown if c != "\n" and not c.isprintable()] == []
        assert not [line for line in shown.split("\n") if line.startswith("churn 1 by")]
        if command[0] in ("list", "show") and not done.stderr:
            assert "forged" in shown


@pytest.mark.usefixtures("here")
def test_a_sample_without_the_models_columns_is_refused(shell: Shell, files: Path) -> None:
    (files / "other.csv").write_text("a,b\n1,2\n")
    said = shell.refused(
        *("publish", str(files / "model.joblib"), "--name", "churn", "--sample", str(files / "other.csv"))
    )
    assert "complaints, spend" in said
    assert "a, b" in said
    assert shell.json("list") == []


@pytest.mark.usefixtures("here")
def test_a_broken_server_refuses_a_version_and_keeps_nothing(shell: Shell, files: Path) -> None:
    with psycopg.connect(shell.dsn, autocommit=True) as dba:
        dba.execute(
            "create or replace function modelpack.server_wheels() returns text language sql immutable "
            "as $$ select '/nowhere' $$"
        )
    given = (str(files / "model.joblib"), "--name", "churn", "--sample", str(files / "rows.csv"))
    said = shell.refused("publish", *given, "--engine", "onnx")
    assert "cannot import" in said
    assert shell.json("list") == []


@pytest.fixture
def stranger(shell: Shell, new_role: Callable[..., str]) -> Shell:
    """The same database, for a role that may log in and nothing else."""
    return Shell(make_conninfo(shell.dsn, options=f"-c role={new_role()}"))


def test_a_role_without_rights_is_told_what_to_ask_for(stranger: Shell, files: Path) -> None:
    for arguments in (
        ("list",),
        ("promote", "churn", "1"),
        ("maintain",),
        ("rescore", "customer"),
        ("apply", str(files / "declaration.py")),
        ("publish", str(files / "model.joblib"), "--name", "churn", "--sample", str(files / "rows.csv")),
    ):
        assert "as a superuser: grant" in stranger.refused(*arguments)
    for arguments in (("install",), ("uninstall",)):
        assert "superuser" in stranger.refused(*arguments)


def test_unknown_profiles_are_answered_with_those_that_exist(shell: Shell, files: Path) -> None:
    shell.run("apply", str(files / "declaration.py"))
    for task in ("rescore", "refresh", "rebuild", "verify"):
        assert "the profiles are: public.customer" in shell.refused(task, "custommer")


def test_a_taken_name_or_unknown_type_is_refused_by_the_server_in_words(shell: Shell, files: Path) -> None:
    shell.run("apply", str(files / "declaration.py"))
    assert "interval" in shell.refused("refresh", "customer", "--older-than", "a while")


@pytest.mark.usefixtures("here")
def test_a_team_tests_the_whole_way_with_a_dummy_first(shell: Shell, tmp_path: Path) -> None:
    shell.run(
        "publish", "--dummy", "0.1", "--name", "churn", "--inputs", "complaints,spend,plan:text", "--promote"
    )
    assert shell.json("predict", "churn", '{"complaints": 1, "spend": null, "plan": "pro"}')[
        "score"
    ] == pytest.approx(0.1)
    assert "0.3" in shell.run("publish", "--dummy", "0.3", "--name", "churn", "--inputs", "complaints,spend")
    assert shell.json("alias", "churn", "challenger", "2")["version"] == 2
    assert "team=crm, reviewed" in shell.run(
        "tag", "churn", "2", "team=crm", "reviewed", "--metric", "auc=0.6"
    )
    found = shell.json("diff", "churn", "1", "2")
    assert {d["name"] for d in found["differences"]} == {"auc", "plan", "score"}
    assert found["largest_difference"] == pytest.approx(0.2)
    assert "differ by at most 0.2" in shell.run("diff", "churn", "1", "2")
    assert "churn version 2: every golden row" in shell.run("recheck", "churn", "2")
    assert shell.json("recheck", "churn")["version"] == 1
    shell.run("export", "churn", "2", "-o", str(tmp_path / "churn.onnx"))
    assert (
        shell.json("import", str(tmp_path / "churn.onnx"), "--name", "copy")["lineage"]["imported"]["version"]
        == 2
    )
    assert "stands for challenger" in shell.refused("retire", "churn", "2")
    assert "is gone" in shell.run("alias", "churn", "challenger", "--drop")
    shell.run("retire", "churn", "2", "--reason", "enough")
    assert "is retired" in shell.refused("promote", "churn", "2")
    assert "managed by" in shell.run("grant", "churn", "modelpack_publisher", "--require-approval")
    assert "modelpack_reader may score" in shell.run("grant", "churn", "modelpack_reader", "--predict")
    assert shell.json("grant", "churn")["predict"] == ["modelpack_reader"]
    assert "there is no ROLE" in shell.refused("grant", "churn", "--revoke")
    assert (
        "modelpack_publisher" not in shell.json("grant", "churn", "modelpack_publisher", "--revoke")["manage"]
    )
    assert "Somebody else has to approve" in shell.refused("approve", "churn", "1")
    for wrong in (
        ("publish", "--name", "churn"),
        ("publish", "model.joblib", "--dummy", "0.1", "--name", "churn"),
        ("alias", "churn", "challenger"),
    ):
        assert (
            "expected" in shell.refused(*wrong)
            or "--dummy takes" in shell.refused(*wrong)
            or "--drop" in shell.refused(*wrong)
        )
    assert "retire 2" in shell.run("show", "churn", "1")


def test_bytes_of_retired_versions_are_purged(shell: Shell) -> None:
    published(shell, 1, -1)
    assert shell.json("purge") == {"purged": {}, "bytes": 0}
    shell.run("promote", "churn", "2")
    shell.run("retire", "churn", "1")
    assert "There is nothing to purge." in shell.run("purge"), "kept for a while"
    assert "interval" in shell.refused("purge", "--retired-for", "soon")
    first = packaged(1)
    assert shell.json("purge", "--retired-for", "0 days") == {
        "purged": {first.sha256: len(first.onnx)},
        "bytes": len(first.onnx),
    }
    assert "purged" in shell.run("show", "churn", "1")


def test_an_approval_is_taken_back(shell: Shell, psql: psycopg.Connection[Any]) -> None:
    published(shell, 1)
    psql.execute("alter table modelpack.version disable trigger version_is_immutable")
    psql.execute("update modelpack.version set created_by = 'somebody_else', created_login = 'somebody_else'")
    assert "is approved" in shell.run("approve", "churn", "1")
    assert "is withdrawn." in shell.run("approve", "churn", "1", "--withdraw", "--reason", "too late")
    assert "is not approved" in shell.refused("approve", "churn", "1", "--withdraw")
    shell.run("approve", "churn", "1")
    shell.run("promote", "churn", "1")
    assert "scores on until `modelpack rollback churn`" in shell.run("approve", "churn", "1", "--withdraw")
    assert shell.json("show", "churn", "1")["approved_by"] is None
