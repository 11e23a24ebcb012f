"""The SQL of the migrations: complete, and what the live sources say; what is released never changes."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from modelpack.install import revisions
from modelpack.plpython_source import functions
from modelpack.snapshots import FROZEN, MIGRATIONS, live, names

REVISIONS = sorted((MIGRATIONS / "versions").glob("*.py"))
ROOT = Path(__file__).resolve().parents[2]
TEXTS = {
    **{name: live(name) for name in names()},
    **{
        path.relative_to(FROZEN).with_suffix("").as_posix(): path.read_text()
        for path in FROZEN.rglob("*.sql")
    },
}


@pytest.mark.parametrize("path", REVISIONS, ids=lambda path: path.stem)
def test_a_revision_imports_nothing_live(path: Path) -> None:
    imports = [
        name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
    ]
    assert not [name for name in imports if name and name.startswith("plpython")]


@pytest.mark.parametrize("path", REVISIONS, ids=lambda path: path.stem)
def test_a_revision_has_a_downgrade(path: Path) -> None:
    downgrade = next(
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "downgrade"
    )
    assert [node for node in downgrade.body if not isinstance(node, (ast.Pass, ast.Raise))][1:], (
        "it does nothing"
    )


def test_revisions_are_one_line_and_named_as_their_files() -> None:
    assert [path.stem.split("_")[0] for path in REVISIONS] == revisions()


def test_python_functions_are_rendered_without_any_package() -> None:
    """The wheel is built where only hatchling is installed."""
    program = (
        "import runpy, sys; sys.path.insert(0, '.'); r = runpy.run_path('modelpack/plpython_source.py');"
        "print(*(n for n in r['functions']() if r['render'](n)))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == functions(), done.stderr


def test_no_function_pins_a_search_path_that_others_can_write_to() -> None:
    for name, text in TEXTS.items():
        for setting in re.findall(r"set search_path = ([^\n]+)", text):
            assert setting.strip() == "pg_catalog, pg_temp", name


def test_sql_is_plain_ascii() -> None:
    """It goes into databases of any encoding, and its messages to clients of any."""
    assert {name for name, text in TEXTS.items() if not text.isascii()} == set()


def test_a_literal_means_the_same_whatever_the_session_says_of_backslashes() -> None:
    found = []
    for name, text in TEXTS.items():
        body = text[text.rindex("$modelpack$") :] if "language plpython3u" in text else text
        found += [(name, literal) for literal in plain_literals(body) if "\\" in literal]
    assert found == []


def plain_literals(text: str) -> list[str]:
    """What stands in single quotes without an E before, outside of comments and of dollar quotes within a body."""
    token = re.compile(
        r"""--[^\n]*|"[^"]*"|\b[eE]'(?:[^'\\]|''|\\.)*'|(?P<plain>'(?:[^']|'')*')"""
        r"""|\$modelpack\$|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$""",
        re.DOTALL,
    )
    return [found["plain"] for found in token.finditer(text) if found["plain"]]
