"""Every block of the README and of docs/ runs, in order, as a reader would run it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

import modelpack
from tests.support import Session, attach, linear_score, publish, value

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("shop_app", "scientist")
PAGES = ("README.md", "docs/operations.md", "docs/python.md", "docs/security.md")

# How a block of each language is run; blocks of other languages are not commands.
RUNNERS = {
    "sh": "{text}",
    "sql": "psql -X -q -v ON_ERROR_STOP=1 \"$MODELPACK_DSN\" <<'END_OF_BLOCK'\n{text}\nEND_OF_BLOCK",
    "python": "python - <<'END_OF_BLOCK'\n{text}\nEND_OF_BLOCK",
}

pytestmark = pytest.mark.skipif(
    not (ROOT / "README.md").is_file(), reason="the README is not there (an installed wheel)"
)


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: str
    line: int
    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    source = (ROOT / page).read_text()
    return [
        Block(page, source[: found.start()].count("\n") + 1, found[1], found[2])
        for found in re.finditer(r"^```(\w*)\n(.*?)\n```$", source, re.MULTILINE | re.DOTALL)
    ]


def is_make(block: Block) -> bool:
    """Whether a block only names targets of make, which run this test."""
    return block.language == "sh" and all(line.startswith("make ") for line in block.text.splitlines())


@pytest.fixture
def roles(server: str) -> Iterator[None]:
    """The documents make roles, which belong to the whole server; they go again afterwards."""
    _drop_roles(server)
    yield
    _drop_roles(server)


def _drop_roles(server: str) -> None:
    with psycopg.connect(server, autocommit=True) as admin:
        for role in ROLES:
            if admin.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone():
                databases = admin.execute(
                    "select distinct datname from pg_shdepend as d join pg_database as b on b.oid = d.dbid "
                    "join pg_roles as r on r.oid = d.refobjid where r.rolname = %s",
                    [role],
                ).fetchall()
                for (database,) in databases:
                    with psycopg.connect(server, dbname=database, autocommit=True) as there:
                        there.execute(f"drop owned by {role}")
                admin.execute(f"drop role {role}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder like the checkout, with `python` and `modelpack` of these tests first on the PATH."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, arguments in (("python", ""), ("modelpack", " -m modelpack")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
        program.chmod(0o755)
    return tmp_path


@pytest.mark.usefixtures("roles")
def test_every_block_runs_in_order(database: str, folder: Path) -> None:
    script = ["set -euo pipefail"]
    for page in PAGES:
        if (ROOT / page).is_file():
            script.append("unset PGOPTIONS")  # each page starts as the DBA
        for block in blocks(page) if (ROOT / page).is_file() else ():
            if block.language in RUNNERS and not is_make(block):
                script.append(f"echo '=== {block.page} line {block.line}'")
                script.append(RUNNERS[block.language].replace("{text}", block.text))
    environment = os.environ | {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(modelpack.__file__).parents[1]),
        "MODELPACK_DSN": database,
        "OMP_NUM_THREADS": "1",  # with several tests at once OpenMP's threads wait for each other
    }
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    with psycopg.connect(database) as connection:
        the_story_of_the_readme_is_true(connection)


def test_every_block_about_outcomes_runs_once_scores_are_old_enough(
    database: str, psql: Session, folder: Path
) -> None:
    psql.execute(
        "create table customer (customer_id bigint primary key, plan text);"
        "create table purchase (customer_id bigint, purchased_at timestamptz);"
        "insert into customer select g, 'basic' from generate_series(1, 50) as g;"
        "insert into purchase select g, now() - interval '30 days' from generate_series(1, 50) as g"
    )
    for _ in range(5):  # the page compares with version 5
        publish(psql, "churn", ["purchases"], [0.1])
    declaration, *others = blocks("docs/outcomes.md")
    names: dict[str, Any] = {}
    exec(declaration.text, names)
    attach(database, names["customer"])
    psql.execute("set session_replication_role = replica")
    psql.execute("update customer set churn_scored_at = now() - interval '20 days'")
    assert [block.language for block in others] == ["sql", "sql", "sh"]
    script = ["set -euo pipefail", *(RUNNERS[b.language].replace("{text}", b.text) for b in others)]
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=folder,
        env=os.environ
        | {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(Path(modelpack.__file__).parents[1]),
            "MODELPACK_DSN": database,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    told = value(psql, "select how from modelpack.outcome where entity_key = '42'")
    assert told == "recorded"
    assert value(psql, "select bool_and(looked_at = total) from modelpack.job where task = 'settle'") is True


def the_story_of_the_readme_is_true(connection: psycopg.Connection[Any]) -> None:
    logged = connection.execute(
        "select version, prediction from modelpack.prediction where entity_key = '3' order by prediction_id"
    ).fetchall()
    assert [version for version, _ in logged][:2] == [1, 1]  # rescored after the promotion, then by the event
    assert logged[1][1] > logged[0][1]  # a complaint raises the risk
    stale = connection.execute("select count(*) from customer where churn_stale is not null").fetchone()
    assert stale == (0,)
    assert connection.execute("select count(*) from modelpack.verify('customer')").fetchone() == (0,)


def test_the_front_page_shows_what_the_server_answers(database: str, psql: Session) -> None:
    declaration, told = blocks("README.md")[:2]
    assert [declaration.language, told.language] == ["python", "console"]
    psql.execute(
        "create table customer (customer_id bigint primary key);"
        "create table purchase (customer_id bigint, purchased_at timestamptz default now(), amount numeric(10, 2));"
        "insert into purchase (customer_id, amount) values (3, 15), (3, 9.90), (3, 30)"
    )
    publish(psql, "churn", ["purchases", "spend"], [-0.8, 0.02], bias=0.5)
    names: dict[str, Any] = {}
    exec(declaration.text, names)
    attach(database, names["customer"])
    for command, shown in re.findall(
        r"^shop=> ([^\n]+)\n(.*?)(?=^shop=> |\Z)", told.text + "\n", re.MULTILINE | re.DOTALL
    ):
        done = subprocess.run(
            ["psql", "-X", "-d", database, "-c", command], capture_output=True, text=True, check=True
        )
        assert [line.rstrip() for line in done.stdout.rstrip().splitlines()] == shown.splitlines(), command
    stored = value(psql, "select churn from customer")
    assert stored == pytest.approx(linear_score([-0.8, 0.02], 0.5, [4, 74.80]), abs=1e-6)


def test_two_commands_of_make_come_first_of_all_commands() -> None:
    first = next(block for block in blocks("README.md") if block.language == "sh")
    assert [line.split("#")[0].strip() for line in first.text.splitlines()] == ["make demo", "make test"]
