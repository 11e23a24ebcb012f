"""The gallery of generated SQL: for each declaration of docs/generated the script that `modelpack apply` would run.

What a script leaves to the server is shown beside the scripts: the functions that a promotion replaces and the triggers
of partitions. These pages need a server (`served`), all others none.
"""

from __future__ import annotations

import ast
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import unified_diff
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from modelpack.attaching import apply
from modelpack.compile.breaking import LONGEST, broken
from modelpack.compile.script import attach_script
from modelpack.compile.sql import Sql, lines_of_text
from modelpack.connection import make_engine
from modelpack.declaration import load_profiles
from modelpack.install import install
from modelpack.registry import Registry

FOLDER = Path(__file__).parent / "generated"

PROMOTED = """-- What a promotion writes: the functions between the scripts and the champion (the seam).
-- Written by `make docs`; look at it, do not edit it.
--
-- The profile is that of shop.py. Its model has the inputs complaints, days_quiet and plan, which is a text; version 1
-- was published and promoted. Each body is shown as the server has it; other lines that are long are broken. All stand
-- in the schema modelpack, and only the role that the triggers run as may call them.
"""
COVERED = """-- What modelpack.cover_partitions() makes, the last step but one of partitions.sql: the triggers of the partitions.
-- Written by `make docs`; look at it, do not edit it.
--
-- A trigger for each statement does not fire for a statement that names a partition, so every partition has its own.
-- A trigger for each row is copied by the server.
"""
VERSIONS = """-- What an experiment and a shadow add to the shop, and what they write anew: functions and triggers.
-- Written by `make docs`; look at it, do not edit it.
--
-- The profile and version 1 of its model are those of promoted.sql. Half of the customers get the arm `champion`, which
-- is version 1, the others the arm `challenger`, which is version 2. Version 3 is a shadow: it also takes the input
-- `spend`, which the log lacks. Each body stands here as the server has it; other lines that are long are broken.
-- When both have ended, the functions of promoted.sql are back and the rest is gone.
"""

CROSSINGS = """-- What bounds add to the shop: Score("churn", crossing=[0.5, 0.8]).
-- Written by `make docs`; look at it, do not edit it.
--
-- The profile is that of shop.py. Its triggers are made at the end of the transaction that applies the declaration. A
-- row that crosses no bound costs an event the first function, which looks nothing up; the others run for one that
-- does. Each body stands here as the server has it; other lines that are long are broken.
"""

_SEAM = """
select pg_get_functiondef(f.oid), format('%s(%s)', f.oid::regproc, oidvectortypes(f.proargtypes)),
       obj_description(f.oid, 'pg_proc')
  from modelpack.made as m
  join modelpack.profile as p on p.profile_id = m.profile_id
  join pg_proc as f on f.pronamespace = 'modelpack'::regnamespace and f.proname::text = m.object
 where p.name = 'public.customer' and m.kind in ('seam', 'switch')
 order by f.proname::text collate "C"
"""
_FUNCTIONS = """
select f.oid::regprocedure::text, pg_get_functiondef(f.oid)
  from pg_proc as f
 where f.pronamespace = 'modelpack'::regnamespace and f.prokind = 'f'
 order by f.proname::text collate "C", 1
"""
_ON_PROFILE = """
select t.tgname::text, pg_get_triggerdef(t.oid)
  from pg_trigger as t
 where t.tgrelid = 'public.customer'::regclass and not t.tgisinternal
 order by t.tgname::text collate "C"
"""
_TRIGGERS = """
select pg_get_triggerdef(t.oid)
  from pg_trigger as t
  join pg_class as c on c.oid = t.tgrelid
 where c.relispartition and c.relname ~ '^(device|ping)_' and (not t.tgisinternal or t.tgparentid <> 0)
 order by c.relname collate "C", t.tgname collate "C"
"""


def declarations() -> list[str]:
    """The names of the gallery's declarations."""
    return sorted(path.stem for path in FOLDER.glob("*.py"))


def script(name: str) -> str:
    """What `modelpack apply NAME.py --sql` prints, below a head that shows the declaration."""
    source = (FOLDER / f"{name}.py").read_text()
    what = ast.get_docstring(ast.parse(source)) or ""
    shown = source.split('"""', 2)[2].strip()
    head = [
        what,
        f"Written by `make docs` from {name}.py; look at it, do not edit it.",
        f"The same comes of: modelpack apply docs/generated/{name}.py --sql",
        "",
        *(f"    {line}".rstrip() for line in shown.splitlines()),
    ]
    [profile] = load_profiles(FOLDER / f"{name}.py")
    statements = "".join(f"{statement};\n\n" for statement in attach_script(profile))
    return "\n".join(f"-- {line}".rstrip() for line in head) + f"\n\nbegin;\n\n{statements}commit;\n"


def pages() -> dict[str, Callable[[], str]]:
    """The pages that need no server, by their names below docs/."""
    return {f"generated/{name}.sql": partial(script, name) for name in declarations()}


def served(dsn: str) -> dict[str, str]:
    """The pages that a server writes: `dsn` names a database of their own, with modelpack installed and nothing else."""
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute((FOLDER / "tables.sql").read_text())
        engine = make_engine(dsn)
        try:
            for name in ("shop", "partitions"):
                with engine.begin() as connection:
                    apply(connection, *load_profiles(FOLDER / f"{name}.py"))
        finally:
            engine.dispose()
        inputs = ["complaints", "days_quiet", "plan:text"]
        Registry(dsn).publish_dummy(0.25, inputs, name="churn", promote=True)
        seam = session.execute(_SEAM).fetchall()
        triggers = session.execute(_TRIGGERS).fetchall()
        before = session.execute(_FUNCTIONS).fetchall() + session.execute(_ON_PROFILE).fetchall()
        for taken in (inputs, [*inputs, "spend"]):
            Registry(dsn).publish_dummy(0.5, taken, name="churn")
        arms = [{"arm": "champion", "weight": 50}, {"arm": "challenger", "version": 2, "weight": 50}]
        session.execute(
            "select modelpack.start_experiment('public.customer', 'churn', 'winter', %s)", [Jsonb(arms)]
        )
        session.execute("select modelpack.start_shadow('churn', 3)")
        after = session.execute(_FUNCTIONS).fetchall() + session.execute(_ON_PROFILE).fetchall()
        added = [made for made in after if made not in before]
        [shop] = load_profiles(FOLDER / "shop.py")
        bounded = replace(shop, scores=[replace(score, crossing=[0.5, 0.8]) for score in shop.scores])
        engine = make_engine(dsn)
        try:
            with engine.begin() as connection:
                apply(connection, bounded)
        finally:
            engine.dispose()
        crossed = [
            made
            for name, made in session.execute(_FUNCTIONS).fetchall() + session.execute(_ON_PROFILE).fetchall()
            if name.startswith(("modelpack.customer_score_churn_cross", "model_cross_"))
        ]
    functions = (f"\n{_shown(made)}\n{_comment(name, said)}" for made, name, said in seam)
    return {
        "generated/promoted.sql": PROMOTED + "".join(functions),
        "generated/versions_beside.sql": VERSIONS + "".join(f"\n{_shown(made)}" for _, made in added),
        "generated/crossings.sql": CROSSINGS + "".join(f"\n{_shown(made)}" for made in crossed),
        "generated/partition_triggers.sql": COVERED + "\n" + "".join(_shown(made) for (made,) in triggers),
    }


def _shown(made: str) -> str:
    """What the server says of a function or a trigger, whose body stays as it is."""
    head, between, body = made.rstrip().partition("\nAS $function$")
    return f"{broken(Sql(head), LONGEST - len(';'))}{between}{body};\n"


def _comment(function: str, said: str) -> str:
    return f"{broken(Sql(f'comment on function {function} is'))}\n  {indent(lines_of_text(said), '  ').lstrip()};\n"


def served_afresh(dsn: str, server_wheels: Path | None) -> dict[str, str]:
    """The same on a server that `dsn` names, in a database that is made for it and dropped again."""
    name = f"modelpack_docs_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {} template template0").format(sql.Identifier(name)))
        try:
            there = make_conninfo(dsn, dbname=name)
            engine = make_engine(there)
            try:
                with engine.begin() as connection:
                    install(connection, server_wheels)
            finally:
                engine.dispose()
            return served(there)
        finally:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def changes(wanted: Mapping[str, Any]) -> str:
    """How pages below docs/ differ from what they have to be, as a diff; empty when they do not."""
    found: list[str] = []
    for name, text in wanted.items():
        path = FOLDER.parent / name
        there = path.read_text() if path.is_file() else ""
        made = text() if callable(text) else text
        found += unified_diff(
            there.splitlines(keepends=True),
            made.splitlines(keepends=True),
            f"docs/{name}",
            "as it is generated now",
        )
    return "".join(found)
