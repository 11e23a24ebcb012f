"""The light package: what is loaded when, and what is said where the extra is not installed.

Each program is a process of its own; the extra is missing because its modules cannot be found there.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement

from docs.cli import commands
from modelpack.extras import PUBLISH

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
HEAVY = {*PUBLISH, "scipy", "joblib", "threadpoolctl"}

_LOADED = """
import json, sys
{code}
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""

_WITHOUT = f"""
import importlib.util, sys
find = importlib.util.find_spec
class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(HEAVY)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Nowhere())
importlib.util.find_spec = lambda name, package=None: None if name in {sorted(HEAVY)!r} else find(name, package)
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def loaded(code: str) -> set[str]:
    """The packages that a process has imported after it has run the code."""
    done = python(_LOADED.format(code=code))
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def command(*arguments: str) -> str:
    """The code that runs a command of ours to its end, and prints nothing."""
    return (
        "import contextlib, io\nfrom modelpack.cli import app\n"
        f"with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):\n"
        f"    app({list(arguments)!r}, standalone_mode=False)\n"
    )


def test_help_loads_no_library_but_those_of_the_command_line() -> None:
    found = loaded(command("--help"))
    assert "typer" in found
    assert (
        found & {*HEAVY, "sqlalchemy", "psycopg", "alembic", "sqlglot", "jinja2", "modelpack_alembic"}
        == set()
    )


def test_a_list_of_versions_loads_no_more_than_it_takes_to_ask_the_server() -> None:
    """Most of its processor time is SQLAlchemy and the driver; pydantic, which typer would load, is as much as all of ours."""
    found = loaded(command("list", "churn", "--dsn", "postgresql:///none?host=/nowhere", "--json"))
    assert {"typer", "sqlalchemy", "psycopg"} <= found
    assert found & {*HEAVY, "pydantic", "alembic", "sqlglot", "jinja2", "modelpack_alembic"} == set()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["promote", "churn", "one"], "Invalid value for 'VERSION'"),
        (["promote", "churn"], "VERSION"),
        (["list", "--dsn"], "--dsn"),
    ],
)
def test_what_is_no_text_is_looked_at_all_the_same(arguments: list[str], said: str) -> None:
    done = python("from modelpack.cli import main\nmain()", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert said in done.stderr


def test_to_import_the_package_loads_none_of_its_rooms() -> None:
    assert "modelpack" in loaded("import modelpack")
    assert loaded("import modelpack") & {"sqlalchemy", "alembic", "psycopg"} == set()


def test_a_declaration_in_a_migration_loads_nothing_that_publishes() -> None:
    found = loaded(
        "from alembic.operations import Operations\n"
        "from modelpack import Event, Profile, Score, count, expression, total\n"
        "from modelpack.compile.script import attach_script\n"
        "customer = Profile('customer', key='customer_id', scores=[Score('churn', inputs={'half': expression('spend / 2')})], events=[Event('purchase', at='at', "
        "features={'n': count(where='amount > 1'), 'spend': total('amount')})])\n"
        "assert attach_script(customer)\n"
        "assert Operations.create_scoring"
    )
    assert {"sqlglot", "jinja2", "alembic"} <= found, "all of the declaration was made"
    assert found & HEAVY == set()


def test_the_registry_loads_nothing_that_publishes_and_no_migrations() -> None:
    found = loaded("from modelpack.registry import Registry\nRegistry('postgresql://nobody@nowhere/none')")
    assert "psycopg" in found
    assert found & {*HEAVY, "alembic", "sqlglot", "jinja2"} == set()


@pytest.mark.parametrize(
    "first", ["import modelpack", "import alembic.config", "from modelpack import Registry"]
)
def test_errors_of_a_declaration_are_of_the_kind_that_alembic_shows_as_a_sentence(first: str) -> None:
    done = python(
        f"{first}\nfrom modelpack import DeclarationError\nfrom alembic.util import CommandError\n"
        "assert issubclass(DeclarationError, CommandError)"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["publish", "model.joblib", "--name", "churn", "--sample", "rows.csv"],
        ["publish", "--dummy", "0.1", "--name", "churn", "--inputs", "spend"],
        ["training-set", "declaration.py", "--at", "2024-01-01", "-o", "rows.csv"],
        ["diff", "churn", "1", "2", "--sample", "rows.csv"],
        ["demo"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_command_that_lacks_the_extra_says_which_to_install(arguments: list[str]) -> None:
    run = f"{_WITHOUT}\nfrom modelpack.cli import main\nsys.argv = ['modelpack', *sys.argv[1:]]\nmain()"
    done = python(run, *arguments, "--dsn", "postgresql://nobody@nowhere.invalid/none")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "scikit-learn" in done.stderr
    assert "pip install 'modelpack[publish]'" in done.stderr


def test_the_help_of_those_commands_names_the_extra() -> None:
    named = {name for name, command in commands().items() if "modelpack[publish]" in command.help}
    assert named == {"publish", "training-set", "diff", "demo"}


@pytest.mark.parametrize("arguments", [["--help"], ["publish", "--help"], ["version"]], ids=" ".join)
def test_without_the_extra_the_rest_works(arguments: list[str]) -> None:
    run = f"{_WITHOUT}\nfrom modelpack.cli import main\nsys.argv = ['modelpack', *sys.argv[1:]]\nmain()"
    done = python(run, *arguments)
    assert done.returncode == 0, done.stderr


def test_every_library_of_the_extra_is_asked_for_by_its_name() -> None:
    asked = {Requirement(r).name for r in PROJECT["project"]["optional-dependencies"]["publish"]}
    assert set(PUBLISH.values()) == asked
    for module, name in PUBLISH.items():
        assert name in {d.lower() for d in packages_distributions()[module]}


def test_what_the_contract_of_the_light_package_ignores_is_imported_late() -> None:
    (contract,) = [c for c in PROJECT["tool"]["importlinter"]["contracts"] if "extra publish" in c["name"]]
    for line in contract["ignore_imports"]:
        importer, imported = line.split(" -> ")
        path = ROOT.joinpath(*importer.split("."))
        file = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        early = [
            name
            for name in at_import(ast.parse(file.read_text()).body)
            if f"{name}.".startswith(f"{imported}.")
        ]
        assert early == [], line


def at_import(statements: list[ast.stmt]) -> list[str]:
    """The modules that these statements import when they are run as a module: not in functions, not for types alone."""
    found: list[str] = []
    for statement in statements:
        if isinstance(statement, ast.Import):
            found += [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            found.append(statement.module or "")
        elif isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            found += at_import(statement.orelse)
        elif isinstance(statement, (ast.If, ast.Try, ast.With, ast.ClassDef)):
            found += at_import(statement.body)
    return found
