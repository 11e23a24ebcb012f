"""The page of the schema holds what a database has after all migrations."""

from __future__ import annotations

import re
from typing import Any

import psycopg

from docs.gallery import FOLDER, changes, declarations, served
from docs.sql import comments, page, routines, schema

ROLES = ["modelpack_publisher", "modelpack_approver", "modelpack_reader", "modelpack_monitor"]


def test_the_page_has_every_routine_that_a_role_may_call(psql: psycopg.Connection[Any]) -> None:
    found = psql.execute(
        "select p.proname, obj_description(p.oid, 'pg_proc'), array_agg(r.rolname::text order by r.rolname) "
        "from pg_proc as p cross join pg_roles as r where p.pronamespace = 'modelpack'::regnamespace "
        # history() writes keys by key_value, one function for each kind of type, for whoever calls it
        "and p.proname <> 'key_value' and r.rolname = any (%s) and has_function_privilege(r.oid, p.oid, 'execute') group by p.oid, 1, 2 order by 1",
        [ROLES],
    ).fetchall()
    assert sorted((r.name, r.comment, sorted(r.roles)) for r in routines()) == sorted(found)


def test_the_page_has_every_comment_of_the_schema(psql: psycopg.Connection[Any]) -> None:
    text = page()
    found = psql.execute(
        "select c.relname, a.attname, d.description from pg_description as d "
        "join pg_class as c on c.oid = d.objoid left join pg_attribute as a "
        "on a.attrelid = c.oid and a.attnum = d.objsubid and d.objsubid > 0 "
        "where c.relnamespace = 'modelpack'::regnamespace and c.relname !~ '^prediction_[0-9]'"
    ).fetchall()
    assert len(found) > 50
    for table, column, comment in found:
        if column is None:
            assert re.search(
                rf"^### (table|view) {table}\n\n{re.escape(comment[0].upper() + comment[1:])}\.",
                text,
                re.MULTILINE,
            ), table
        else:
            assert f"| `{column}` | {comment} |" in text, f"{table}.{column}"


def test_comments_are_read_with_their_quotes() -> None:
    assert len(comments(schema())) == schema().count("\ncomment on ")


def test_the_gallery_has_what_a_server_makes(database: str) -> None:
    difference = changes(served(database))
    assert not difference, f"\n{difference}\nrun: make docs, and look at what it changes"


def test_the_scripts_of_the_gallery_run_on_its_tables(psql: psycopg.Connection[Any]) -> None:
    psql.execute((FOLDER / "tables.sql").read_text())
    for name in declarations():
        psql.execute((FOLDER / f"{name}.sql").read_text())
    named = psql.execute("select name from modelpack.profile order by 1").fetchall()
    assert len(named) == len(declarations())
    for (name,) in named:
        assert psql.execute("select * from modelpack.verify(%s)", [name]).fetchall() == []
