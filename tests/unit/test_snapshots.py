"""The frozen SQL of the migrations: complete, unchanged, and what the live sources say."""

from __future__ import annotations

import ast
import hashlib
import re
from pathlib import Path

import pytest

from modelpack.install import revisions, snapshot
from modelpack.plpython_source import functions, render
from modelpack.snapshots import MIGRATIONS, SNAPSHOTS, SUMS, newest

REVISIONS = sorted((MIGRATIONS / "versions").glob("*.py"))


@pytest.mark.parametrize("name", functions())
def test_the_newest_snapshot_is_the_live_source(name: str) -> None:
    path = newest(name)
    assert path is not None, f"plpython/{name}.py has no snapshot: python -m modelpack.snapshots"
    assert path.read_text() == render(name), (
        f"plpython/{name}.py differs from {path.name}: python -m modelpack.snapshots, and name it in a new revision"
    )


def test_the_hashes_are_those_of_the_snapshots() -> None:
    listed = dict(reversed(line.split("  ")) for line in SUMS.read_text().splitlines())
    there = {path.relative_to(SNAPSHOTS).as_posix(): path for path in SNAPSHOTS.glob("*/v*.sql")}
    assert listed.keys() == there.keys()
    for name, path in there.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == listed[name], (
            f"{name} is frozen and was changed"
        )


def test_snapshots_are_numbered_without_gaps() -> None:
    for folder in filter(Path.is_dir, SNAPSHOTS.iterdir()):
        names = sorted(path.name for path in folder.iterdir())
        assert names == [f"v{n:02d}.sql" for n in range(1, len(names) + 1)], folder.name


@pytest.mark.parametrize("path", REVISIONS, ids=lambda path: path.stem)
def test_a_revision_names_snapshots_that_exist_and_nothing_live(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imports = [
        name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
    ]
    assert not [name for name in imports if name and name.startswith("plpython")]
    named = {
        (node.args[0].value, node.args[1].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "snapshot"
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[1], ast.Constant)
    }
    assert all(snapshot(str(name), int(str(number))) for name, number in named)


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


def test_no_snapshot_pins_a_search_path_that_others_can_write_to() -> None:
    for path in SNAPSHOTS.glob("*/v*.sql"):
        for setting in re.findall(r"set search_path = ([^\n]+)", path.read_text()):
            assert setting.strip() == "pg_catalog, pg_temp", path


@pytest.mark.parametrize("path", sorted(SNAPSHOTS.glob("*/v*.sql")), ids=lambda path: path.parent.name)
def test_a_snapshot_is_plain_ascii(path: Path) -> None:
    """It goes into databases of any encoding, and its messages to clients of any."""
    assert path.read_text().isascii()


@pytest.mark.parametrize("path", sorted(SNAPSHOTS.glob("*/v*.sql")), ids=lambda path: path.parent.name)
def test_a_literal_means_the_same_whatever_the_session_says_of_backslashes(path: Path) -> None:
    body = path.read_text()
    if "language plpython3u" in body:
        body = body[body.rindex("$modelpack$") :]
    assert not [literal for literal in plain_literals(body) if "\\" in literal]


def plain_literals(text: str) -> list[str]:
    """What stands in single quotes without an E before, outside of comments and of dollar quotes within a body."""
    token = re.compile(
        r"""--[^\n]*|"[^"]*"|\b[eE]'(?:[^'\\]|''|\\.)*'|(?P<plain>'(?:[^']|'')*')"""
        r"""|\$modelpack\$|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$""",
        re.DOTALL,
    )
    return [found["plain"] for found in token.finditer(text) if found["plain"]]
