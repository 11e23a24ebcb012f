"""The databases that tests are given: made anew when anything that makes them changes, gone when nobody uses them."""

from __future__ import annotations

from pathlib import Path

import psycopg

from tests.conftest import clear_away, template_name


def databases(admin: psycopg.Connection[tuple[str]]) -> set[str]:
    return {name for (name,) in admin.execute("select datname from pg_database")}


def test_other_wheels_make_another_template(tmp_path: Path) -> None:
    none = template_name(None)
    empty = template_name(tmp_path)
    (tmp_path / "numpy-1.0.dist-info").mkdir()
    assert len({none, empty, template_name(tmp_path)}) == 3
    assert template_name(tmp_path) == template_name(tmp_path)


def test_what_nobody_uses_is_taken_away_and_what_somebody_uses_stays(server: str, template: str) -> None:
    left, used = "modelpack_template_left", "modelpack_template_used"
    with (
        psycopg.connect(server, autocommit=True) as admin,
        psycopg.connect(server, autocommit=True) as somebody,
    ):
        somebody.execute("select pg_advisory_lock_shared(hashtext(%s))", [used])
        try:
            for name in (left, used):
                admin.execute(f"create database {name} template template0")
            clear_away(admin, template)
            assert {left, used, template} & databases(admin) == {used, template}
        finally:
            for name in (left, used):
                admin.execute(f"drop database if exists {name}")
