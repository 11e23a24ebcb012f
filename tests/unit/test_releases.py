"""Revisions and their frozen copies: what a release writes, and what is refused before and after it."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from dev.schema import faults, main
from modelpack.errors import InstallError
from modelpack.snapshots import current, head, live, names, released, snapshot
from tests.support import own_migrations


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With nothing released."""
    return own_migrations(tmp_path, monkeypatch)


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What a command says."""
    capsys.readouterr()
    assert main([*arguments]) == code
    return capsys.readouterr().out


def change(path: Path, text: str = "-- changed\n") -> None:
    path.write_text(path.read_text() + text)


def made(name: str, arguments: str = "") -> str:
    """A function of SQL, as the others are."""
    signature = f"modelpack.{name}({arguments})"
    return (
        f"create or replace function {signature} returns integer\nlanguage sql\nset search_path = pg_catalog, pg_temp\n"
        f"as $modelpack$ select 1 $modelpack$;\ncomment on function {signature} is 'One.';\n"
        f"revoke all on function {signature} from public;\n"
    )


def test_the_revisions_of_this_checkout_name_what_they_install_and_nothing_frozen_was_changed() -> None:
    assert faults() == []


def test_a_revision_that_is_not_released_installs_the_live_files(migrations: Path) -> None:
    change(migrations / "functions/attaching/attach.sql")
    assert snapshot("attach", "0001") == current("attach") == live("attach")
    assert snapshot("attach", "0001").endswith("-- changed\n")
    with pytest.raises(InstallError, match="0007"):
        snapshot("attach", "0007")


def test_a_release_freezes_all_with_hashes_and_once(
    migrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "froze" in run(capsys, "release")
    folder = migrations / "frozen/0001"
    there = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.sql")}
    assert there == set(names())
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        value, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == value
    assert [path.name for path in (migrations / "frozen").iterdir()] == ["0001"]
    assert "nothing to freeze" in run(capsys, "release", code=1)
    assert faults() == []


def test_a_live_file_that_changes_after_a_release_needs_a_revision(
    migrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "release")
    before = live("attach")
    change(migrations / "functions/attaching/attach.sql")
    assert snapshot("attach", "0001") == current("attach") == before
    assert [fault for fault in faults() if "attach " in fault and "make revision" in fault] == faults()
    assert "make revision" in run(capsys, "release", code=1)
    assert released() == ["0001"]


def test_the_next_release_freezes_what_its_revision_names_and_that_alone(
    migrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "release")
    before = live("attach")
    change(migrations / "functions/attaching/attach.sql")
    run(capsys, "revision", "--words", "attach anew")
    assert head() == "0002"
    assert (migrations / "versions/0002_attach_anew.py").exists()
    assert faults() == []
    change(migrations / "functions/attaching/attach.sql", "-- again\n")
    assert snapshot("attach", "0002") == live("attach")
    run(capsys, "release")
    assert [p.name for p in (migrations / "frozen/0002").iterdir() if p.suffix == ".sql"] == ["attach.sql"]
    assert snapshot("attach", "0001") == before
    assert snapshot("attach", "0002") == live("attach") == current("attach")
    assert current("detach") == snapshot("detach", "0001")
    assert faults() == []


def test_a_revision_at_work_is_told_what_else_it_has_to_name(
    migrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "release")
    change(migrations / "functions/attaching/attach.sql")
    run(capsys, "revision")
    assert "nothing to write" in run(capsys, "revision")
    change(migrations / "functions/attaching/detach.sql")
    for command in ("revision", "release"):
        said = run(capsys, command, code=1)
        assert (
            said
            == "revision 0002 does not install detach, which differs from that of revision 0001; expected it in INSTALLS\n"
        )
    assert released() == ["0001"]
    path = migrations / "versions/0002_changes.py"
    path.write_text(path.read_text().replace('    "attach",\n', '    "attach",\n    "detach",\n'))
    assert run(capsys, "check", code=1) == (
        'revision 0002 goes back to detach of no revision, expected "detach": "0001" in REVERTS_TO\n'
    )


def test_functions_that_come_and_go_are_named_with_their_arguments(
    migrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = migrations / "functions/arithmetic/one.sql"
    other = migrations / "functions/arithmetic/other.sql"
    first = migrations / "versions/0001_first.py"
    first.write_text(
        first.read_text().replace('    "schema/rights",\n', '    "one", "other", "schema/rights",\n')
    )
    old.write_text(made("one", "a integer"))
    other.write_text(made("other", "a integer"))
    run(capsys, "release")
    old.unlink()
    other.write_text(made("other", "a bigint"))
    (migrations / "functions/arithmetic/fresh.sql").write_text(made("fresh"))
    assert "one has no live source any more and is released; run: make revision" in faults()
    run(capsys, "revision")
    text = (migrations / "versions/0002_changes.py").read_text()
    up, down = text[: text.index("def downgrade")], text[text.index("def downgrade") :]
    for drop in ("one(a integer)", "other(a integer)"):
        assert f'run_sql("drop function modelpack.{drop}")' in up
    for drop in ("fresh()", "other(a bigint)"):
        assert f'run_sql("drop function modelpack.{drop}")' in down
    # the names of all functions are written anew
    assert '"fresh",\n    "keep_shipped",\n    "other",\n    "schema/rights",\n)' in text
    assert '"one": "0001"' in text
    assert faults() == []
    run(capsys, "release")
    assert faults() == []


def test_a_script_that_runs_once_is_not_changed_after_its_release(
    migrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "release")
    (migrations / "schema/0002_more.sql").write_text("create table modelpack.more ();\n")
    run(capsys, "revision")
    assert faults() == []
    change(migrations / "schema/tables.sql")
    assert [fault for fault in faults() if "schema/tables.sql was changed, runs once" in fault] == faults()
    assert faults()


@pytest.mark.parametrize("what", ["changed", "removed", "added"])
def test_a_frozen_file_is_held_by_its_hash(
    migrations: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    run(capsys, "release")
    change(migrations / "functions/attaching/attach.sql")
    run(capsys, "revision")
    path = migrations / "frozen/0001/schema/rights.sql"
    if what == "changed":
        change(path)
    elif what == "removed":
        path.unlink()
    else:
        path = path.with_name("more.sql")
        path.write_text("select 1;\n")
    said = run(capsys, "release", code=1)
    assert f"migrations/frozen/0001/schema/{path.name} was {what}" in said
    assert "git restore migrations/frozen" in said
    assert released() == ["0001"]


def test_a_released_revision_keeps_what_it_names(
    migrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "release")
    first = migrations / "versions/0001_first.py"
    first.write_text(first.read_text().replace(' "doctor",', ""))
    assert (
        "revision 0001 does not name doctor, and was released with it; run: git restore migrations/versions"
        in faults()
    )


def test_two_revisions_are_not_worked_on_at_once(
    migrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(migrations / "versions/0001_first.py", migrations / "versions/0002_second.py")
    assert "revision 0001 was not released before 0002 was made" in run(capsys, "check", code=1)
    assert "revision 0001 was not released" in run(capsys, "release", code=1)
    assert released() == []
