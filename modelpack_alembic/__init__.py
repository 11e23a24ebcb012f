"""Alembic plugin: autogenerate leaves alone what modelpack keeps.

The entry point `alembic.plugins` loads this by itself in an environment where modelpack is installed. Without it,
`alembic revision --autogenerate` would suggest to drop the columns and indexes that a declaration added, and (with
`include_schemas`) the tables of the schema modelpack, because a user's models do not name them. The name of the plugin,
`alembic.autogenerate.modelpack`, is covered by Alembic's default `autogenerate_plugins=["alembic.autogenerate.*"]`;
whoever lists plugins by name adds it.

So are functions and triggers left alone that `alembic_utils` finds in the database and would drop, too.

Where columns that modelpack keeps are mapped in a user's models, to read them, their type, default and comment are not
compared either: they are the declaration's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps
    from alembic.runtime.plugins import Plugin

SCHEMA = "modelpack"

_TRIGGER = re.compile(r"\bexecute\s+(function|procedure)\s+\"?modelpack\"?\.", re.IGNORECASE)
"""What the definition of a trigger says that runs one of modelpack's functions."""


def setup(plugin: Plugin) -> None:
    """Called by Alembic."""
    from alembic.util import DispatchPriority

    # after the comparison of tables, as a group of its own, so that nothing skips it
    plugin.add_autogenerate_comparator(
        _leave_alone, "schema", "modelpack", qualifier="postgresql", priority=DispatchPriority.LAST
    )


def _leave_alone(context: AutogenContext, upgrade: UpgradeOps, _schemas: Any) -> Any:
    from alembic.util import PriorityDispatchResult

    if context.connection is not None:
        prune(upgrade, *_kept(context.connection))
    return PriorityDispatchResult.CONTINUE


def _kept(connection: Connection) -> tuple[set[tuple[str | None, str, str]], set[tuple[str | None, str]]]:
    """(schema, table, column) of all columns, and (schema, name) of all indexes, that declarations added."""
    readable = connection.execute(
        text(
            "select case when to_regnamespace('modelpack') is null then false "
            "when not has_schema_privilege('modelpack', 'usage') then false "
            "when to_regclass('modelpack.profile') is null then false "
            "else has_table_privilege('modelpack.profile', 'select') end"
        )
    ).scalar()
    if not readable:
        return set(), set()
    columns = connection.execute(
        text(
            "select n.nspname::text, c.relname::text, k.name from modelpack.profile as p "
            "join pg_class as c on c.oid = p.relation join pg_namespace as n on n.oid = c.relnamespace, "
            "unnest(p.added_columns) as k (name)"
        )
    ).all()
    default = connection.dialect.default_schema_name
    kept = {(schema, table, name) for schema, table, name in columns}
    kept |= {(None, table, name) for schema, table, name in columns if schema == default}
    indexes = connection.execute(
        text(
            "select distinct i.name[1], i.name[2] from modelpack.profile as p, unnest(p.added_indexes) as k (name), "
            "parse_ident(k.name) as i (name)"
        )
    ).all()
    found: set[tuple[str | None, str]] = {(schema, name) for schema, name in indexes}
    return kept, found | {(None, name) for schema, name in indexes if schema == default}


def prune(
    upgrade: UpgradeOps, columns: set[tuple[str | None, str, str]], indexes: set[tuple[str | None, str]]
) -> None:
    """Take the operations on what modelpack keeps out of those that autogenerate has found, in place."""
    from alembic.operations import ops

    def ours(operation: Any) -> bool:
        entity = getattr(operation, "target", None)  # alembic_utils: a function, trigger, view
        if SCHEMA in (getattr(operation, "schema", None), getattr(entity, "schema", None)):
            return True
        if _TRIGGER.search(str(getattr(entity, "definition", ""))):
            return True
        if isinstance(operation, (ops.DropColumnOp, ops.AlterColumnOp)):
            return (operation.schema, operation.table_name, operation.column_name) in columns
        return isinstance(operation, ops.DropIndexOp) and (operation.schema, operation.index_name) in indexes

    _keep_if(upgrade, lambda operation: not ours(operation))


def _keep_if(container: Any, wanted: Callable[[Any], bool]) -> None:
    kept = []
    for operation in container.ops:
        if hasattr(operation, "ops"):
            _keep_if(operation, wanted)
            if not operation.ops:
                continue
        if wanted(operation):
            kept.append(operation)
    container.ops[:] = kept
