"""`modelpack server-setup` against a server: wheels from a folder of made-up ones, so that nothing is fetched."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from modelpack.cli import app
from tests.faults.hostile import connect, value

Setup = Callable[[Path], Result]


def wheel(folder: Path, name: str, tag: str) -> None:
    """A wheel of the release that is pinned, with nothing in it but its version."""
    number = version(name)
    info = f"{name}-{number}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{number}-{tag}.whl", "w") as file:
        file.writestr(f"{name}/__init__.py", f"__version__ = {number!r}\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
        file.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        file.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip takes wheels from, instead of an index."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    for name in ("numpy", "onnxruntime"):
        wheel(tmp_path, name, "py3-none-any")
    return tmp_path


@pytest.fixture
def setup(empty_database: str) -> Setup:
    def run(folder: Path) -> Result:
        return CliRunner().invoke(app, ["server-setup", str(folder), "--dsn", empty_database, "--json"])

    return run


def fixed(dsn: str) -> Any:
    """The path that is fixed in the database; None without the schema too."""
    with connect(dsn) as session:
        if value(session, "select to_regprocedure('modelpack.server_wheels()')") is None:
            return None
        return value(session, "select modelpack.server_wheels()")


def test_it_puts_the_pinned_wheels_in_a_folder_that_nobody_else_can_write_and_fixes_the_path(
    index: Path, setup: Setup, empty_database: str, wheel_folder: Path
) -> None:
    assert index.is_dir()
    before = os.umask(0)
    try:
        done = setup(wheel_folder / "made")
        again = setup(wheel_folder / "made")
    finally:
        os.umask(before)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["folder"] == str(wheel_folder / "made")
    assert again.exit_code == 0, again.output
    assert [path.name for path in wheel_folder.iterdir()] == ["made"]
    loose = [path for path in (wheel_folder / "made").rglob("*") if path.stat().st_mode & 0o022]
    assert loose == []
    assert {path.stat().st_uid for path in (wheel_folder / "made").rglob("*")} == {os.geteuid()}
    assert fixed(empty_database) == str(wheel_folder / "made")
    with connect(empty_database) as session:
        found = value(session, "select found from modelpack.examine_server() where \"check\" = 'wheels'")
        assert f"onnxruntime {version('onnxruntime')} from {wheel_folder / 'made'}" in found
        session.execute("set role modelpack_owner")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(
                "create or replace function modelpack.server_wheels() returns text language sql as $$ select '/tmp' $$"
            )


def test_a_folder_that_others_could_write_is_refused_and_not_fixed(
    index: Path, setup: Setup, empty_database: str, wheel_folder: Path
) -> None:
    assert index.is_dir()
    wheel_folder.chmod(0o777)
    done = setup(wheel_folder / "made")
    assert done.exit_code == 2
    assert f"{wheel_folder}: others may write it" in done.stderr
    assert f"chmod go-w {wheel_folder}" in done.stderr
    assert fixed(empty_database) is None


def test_wheels_of_another_python_alone_are_refused_and_leave_what_was_there(
    index: Path, setup: Setup, empty_database: str, wheel_folder: Path
) -> None:
    assert setup(wheel_folder / "made").exit_code == 0
    for path in index.iterdir():
        path.unlink()
    for name in ("numpy", "onnxruntime"):
        wheel(index, name, "cp27-cp27m-manylinux1_x86_64")
    done = setup(wheel_folder / "made")
    assert done.exit_code == 2
    assert f"numpy=={version('numpy')}" in done.stderr
    assert (wheel_folder / "made" / "onnxruntime" / "__init__.py").exists()
    assert [path.name for path in wheel_folder.iterdir()] == ["made"]
    assert fixed(empty_database) == str(wheel_folder / "made")


def test_a_folder_with_other_files_is_left_alone(
    index: Path, setup: Setup, empty_database: str, wheel_folder: Path
) -> None:
    assert index.is_dir()
    (wheel_folder / "precious").write_text("data")
    done = setup(wheel_folder)
    assert done.exit_code == 2
    assert "has other files" in done.stderr
    assert (wheel_folder / "precious").read_text() == "data"
    assert fixed(empty_database) is None
