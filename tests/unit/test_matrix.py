"""dev/matrix.py and dev/servers.py, as far as they need no server: what is left out, and what the page says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from dev import machine, matrix, servers
from dev.machine import ClusterError

REPORT = """<testsuites><testsuite>
<testcase classname="a" name="b"/><testcase classname="a" name="c"><failure message="no"/></testcase>
<testcase classname="a" name="d"><skipped message="MERGE comes with PostgreSQL 15"/></testcase>
<testcase classname="a" name="e"><skipped message="MERGE comes with PostgreSQL 15"/></testcase>
<testcase classname="a" name="f"><error message="no"/></testcase>
</testsuite></testsuites>"""


def test_a_report_of_pytest_becomes_a_row(tmp_path: Path) -> None:
    (tmp_path / "14.xml").write_text(REPORT)
    outcome = matrix.read(tmp_path / "14.xml", 14, "14.23", "3.11", "npm", "all")
    assert (outcome.passed, outcome.failed) == (1, 2)
    assert outcome.skipped == {"MERGE comes with PostgreSQL 15": 2}
    assert outcome.row == "| 14.23 | 3.11 | npm | all | 1 | 2 | 2 |"


def test_the_page_gets_the_rows_that_were_run_and_keeps_the_others() -> None:
    page = f"# A\n\n{matrix.HEADER}| 15.1 | 3.11 | Debian | all | 5 | 0 | 0 |\n| 18.1 | 3.11 | npm | short list | 5 | 0 | 0 |\n\nMore.\n"
    rows = [
        matrix.Outcome(18, "18.4", "3.11", "npm", "all", 7, {}, 0),
        matrix.Outcome(14, "14.23", "3.11", "npm", "short list", 6, {"x": 1}, 0),
    ]
    assert matrix.with_rows(page, rows) == (
        f"# A\n\n{matrix.HEADER}| 14.23 | 3.11 | npm | short list | 6 | 1 | 0 |\n| 15.1 | 3.11 | Debian | all | 5 | 0 | 0 |\n"
        "| 18.4 | 3.11 | npm | all | 7 | 0 | 0 |\n\nMore.\n"
    )


@pytest.fixture
def without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose registry offers nothing, and whose own servers are others."""

    def none(major: str | None = None, *, machine: bool) -> Path:
        assert machine
        if major is not None:
            raise ClusterError("none")
        return Path("/usr/lib/postgresql/15/bin")

    monkeypatch.setattr(servers, "get_bindir", none)
    monkeypatch.setattr(servers, "_libpython", lambda: Path("/usr/lib/libpython3.11.so.1.0"))
    monkeypatch.setattr(servers, "require_reachable", lambda *_: None)


@pytest.mark.usefixtures("without_packages")
def test_a_server_that_nobody_offers_is_left_out_with_a_line_and_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(matrix, "CHECKOUT", tmp_path)
    which: dict[str, Any] = {"npm": None}
    monkeypatch.setattr(shutil, "which", lambda name: which.get(name, f"/usr/bin/{name}"))
    assert matrix.main(["14", "18", "--quick"]) == 0
    said = capfd.readouterr().out
    assert "PostgreSQL 14 is left out: npm is not installed" in said
    assert "PostgreSQL 18 is left out: npm is not installed" in said
    assert list((tmp_path / ".modelpack" / "postgresql").iterdir()) == []


def test_a_server_may_be_named_and_is_then_the_only_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "bin" / "postgres"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 18.4'\n")
    program.chmod(0o755)
    monkeypatch.setenv("MODELPACK_POSTGRESQL", str(tmp_path))
    assert machine.get_bindir() == machine.get_bindir("18") == program.parent
    with pytest.raises(
        ClusterError, match="PostgreSQL 15, but the servers with PL/Python on this machine are: 18"
    ):
        machine.get_bindir("15")
    program.unlink()
    with pytest.raises(ClusterError, match=f"MODELPACK_POSTGRESQL={tmp_path}.*does not run"):
        machine.get_bindir()


def test_what_the_quick_run_names_is_there() -> None:
    assert [
        name for name in (*matrix.QUICK, *matrix.FACING) if not (matrix.PAGE.parents[1] / name).exists()
    ] == []
