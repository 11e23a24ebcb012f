"""The command line without a database: help, documentation, and what is refused before any connection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docs.__main__ import outdated
from docs.cli import SHARED, commands
from modelpack.cli import app
from modelpack.cli.session import hanging
from tests.commands import runner

COMMANDS = commands()


def refused(*arguments: str, **settings: str) -> str:
    """The sentence on stderr."""
    done = runner().invoke(app, list(arguments), env={"MODELPACK_DSN": "", **settings})
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def test_the_documentation_is_what_the_help_says() -> None:
    assert list(outdated()) == [], "run: make docs"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name: str) -> None:
    command: Any = COMMANDS[name]
    assert command.help
    assert not [p.name for p in command.params if not getattr(p, "help", None)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_what_all_take(name: str) -> None:
    command: Any = COMMANDS[name]
    assert {p.name for p in command.params} >= SHARED
    assert next(p for p in command.params if p.name == "dsn").envvar == "MODELPACK_DSN"
    assert "MODELPACK_DSN" in runner().invoke(app, [*name.split(), "--help"]).stdout


def test_help_names_the_commands_of_the_three_people() -> None:
    text = runner().invoke(app, ["--help"]).stdout
    for (
        name
    ) in "install uninstall apply remove publish list show promote rollback export predict rescore".split():
        assert f"\n  {name} " in text


def test_the_list_of_commands_says_whole_summaries_within_eighty_columns() -> None:
    said = {}
    for group in {name.rpartition(" ")[0] for name in COMMANDS}:
        lines = runner().invoke(app, [*group.split(), "--help"]).stdout.splitlines()
        assert max(map(len, lines)) <= 80
        said[group] = " ".join(" ".join(lines).split())
    for name, command in COMMANDS.items():
        group, _, own = name.rpartition(" ")
        assert f" {own} {command.short_help} " in f"{said[group]} "
        assert " ".join(command.help.split()).startswith(command.short_help)


def test_text_is_wrapped_but_for_what_is_quoted() -> None:
    prose = (
        "the server's Python is not the client's, nor is the model's owner the table's, and so on for longer"
    )
    said = hanging("warn", f"{prose}: {prose}", 6).splitlines()
    assert len(said) == 3
    assert max(map(len, said)) <= 80
    assert all(line.startswith(" " * 6) for line in said[1:])
    literal = "'" + "a literal " * 7 + "'"
    assert literal in hanging("", f"call modelpack.refresh('shop.customer', {literal});", 6)


def test_no_database_is_said_with_the_way_to_name_one() -> None:
    assert (
        refused("list") == "modelpack: no database is named; pass --dsn postgresql://… or set MODELPACK_DSN\n"
    )


def test_the_environment_names_the_database_and_the_option_overrides_it() -> None:
    assert "mysql" in refused("list", MODELPACK_DSN="mysql://x/y")
    assert "nonsense" in refused("list", "--dsn", "nonsense", MODELPACK_DSN="mysql://x/y")


@pytest.mark.parametrize(
    "dsn", ["mysql://me:secret@host/x", "password='secret' bogus", "password=secret bogus"]
)
def test_a_password_is_never_printed(dsn: str) -> None:
    assert "secret" not in refused("list", "--dsn", dsn)


def test_debug_adds_the_traceback() -> None:
    done = runner().invoke(app, ["list", "--debug"], env={"MODELPACK_DSN": ""})
    assert done.exit_code == 2
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("modelpack: no database is named")


def test_files_that_are_not_there_or_something_else_are_refused(tmp_path: Path) -> None:
    dsn = ("--dsn", "postgresql://postgres@127.0.0.1:1/x")
    assert "there is no file" in refused("apply", str(tmp_path / "no.py"), *dsn)
    (tmp_path / "empty.py").write_text("x = 1\n")
    assert "declares no profile" in refused("apply", str(tmp_path / "empty.py"), *dsn)
    (tmp_path / "broken.py").write_text("import nothing_like_this\n")
    assert "ModuleNotFoundError" in refused("remove", str(tmp_path / "broken.py"), *dsn)
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b\n1,2\n")
    options = ("--name", "churn", "--sample", str(rows), *dsn)
    assert "no model file" in refused("publish", str(tmp_path / "no.joblib"), *options)
    (tmp_path / "text.joblib").write_text("hello\n" * 10)
    assert "text.joblib" in refused("publish", str(tmp_path / "text.joblib"), *options)


@pytest.mark.parametrize("metric", ["auc", "auc=high", "=3"])
def test_metrics_that_are_no_figures_are_refused(metric: str) -> None:
    sentence = refused("publish", "x", "--name", "churn", "--sample", "y", "--metric", metric)
    assert "expected NAME=VALUE" in sentence


@pytest.mark.parametrize("inputs", ["{", "[1]", "3"])
def test_inputs_that_are_no_object_are_refused(inputs: str) -> None:
    assert "no JSON" in refused("predict", "churn", inputs)


def test_sql_needs_no_database(tmp_path: Path) -> None:
    from tests.example import DECLARATION

    path = tmp_path / "declaration.py"
    path.write_text(DECLARATION)
    run = runner()
    assert "create or replace function modelpack.publish" in run.invoke(app, ["install", "--sql"]).stdout
    script = run.invoke(app, ["apply", str(path), "--sql"]).stdout
    head, _, statements = script.partition("\n\n")
    assert all(line.startswith("-- ") and len(line) <= 80 for line in head.splitlines())
    for part in ("customer", "declaration.py", "psql", "modelpack remove declaration.py --sql"):
        assert part in head
    assert statements.startswith("begin;\n")
    assert script.endswith("commit;\n")
    assert "create trigger" in script
    assert "modelpack.detach('public.customer')" in run.invoke(app, ["remove", str(path), "--sql"]).stdout


def test_version_needs_no_database_and_speaks_json() -> None:
    done = runner().invoke(app, ["version", "--json"], env={"MODELPACK_DSN": ""})
    assert json.loads(done.stdout)["database"] is None
