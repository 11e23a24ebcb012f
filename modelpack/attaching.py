"""Alembic operations for a user's own migrations, and the same without Alembic.

    op.create_scoring(customer)
    op.replace_scoring(customer, changed_customer)
    op.drop_scoring(customer)

All work with `--sql` and can be reversed. Importing `modelpack` registers them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from alembic.operations import MigrateOperation, Operations
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.exc import OperationalError
from sqlalchemy.types import NullType

from modelpack.compile.plan import Meanings, make_plan
from modelpack.compile.script import (
    attach_script,
    counts_anew,
    detach_script,
    generated_functions,
    replace_script,
)
from modelpack.compile.sql import qualified
from modelpack.declaration.profile import Profile
from modelpack.errors import DeclarationError
from modelpack.fitness import check
from modelpack.install import installed, require, unnamed_holder
from modelpack.online import (
    LARGE,
    attach_online,
    detach_online,
    estimate,
    finish,
    locked_for,
    named,
    quiet,
    ready,
    replace_online,
    transaction,
)

for _type in ("xid8", "pg_snapshot"):  # which tables of the schema have, and autogenerate would warn of
    ischema_names.setdefault(_type, NullType)

_ALONE = """do $alone$
begin  -- whoever may not is told what he lacks when the declaration is held against the tables
  if pg_catalog.pg_has_role('modelpack_owner', 'usage') then
    perform modelpack.alone();
  end if;
end
$alone$"""
"""Taken before it is read what the database has; see modelpack.alone."""


@Operations.register_operation("create_scoring")
class CreateScoring(MigrateOperation):
    """Attach a declaration to its tables."""

    def __init__(self, profile: Profile, *, online: bool = False) -> None:
        self.profile = profile
        self.online = online

    @classmethod
    def create_scoring(cls, operations: Operations, profile: Profile, *, online: bool = False) -> None:
        """Put the columns, functions and triggers of a declaration on its tables and count the events there.

        `online`: beside running traffic, within `op.get_context().autocommit_block()`.
        """
        operations.invoke(cls(profile, online=online))

    def reverse(self) -> DropScoring:
        """Taking it off again."""
        return DropScoring(self.profile, online=self.online)


@Operations.register_operation("drop_scoring")
class DropScoring(MigrateOperation):
    """Take a declaration off its tables."""

    def __init__(self, profile: Profile, *, online: bool = False) -> None:
        self.profile = profile
        self.online = online

    @classmethod
    def drop_scoring(cls, operations: Operations, profile: Profile, *, online: bool = False) -> None:
        """Drop what `create_scoring` made; events and the user's own columns stay.

        `online`: beside running traffic, within `op.get_context().autocommit_block()`.
        """
        operations.invoke(cls(profile, online=online))

    def reverse(self) -> CreateScoring:
        """Attaching it again."""
        return CreateScoring(self.profile, online=self.online)


@Operations.register_operation("replace_scoring")
class ReplaceScoring(MigrateOperation):
    """Change a declaration in place."""

    def __init__(self, old: Profile, new: Profile, *, online: bool = False) -> None:
        self.old = old
        self.new = new
        self.online = online

    @classmethod
    def replace_scoring(
        cls, operations: Operations, old: Profile, new: Profile, *, online: bool = False
    ) -> None:
        """Add, drop and alter features and scores; what both declare alike keeps its values.

        Reversed by `op.replace_scoring(new, old)`. A feature that the change drops and its reverse adds is
        counted from the events that are there then. `online`: beside running traffic, within
        `op.get_context().autocommit_block()`.
        """
        operations.invoke(cls(old, new, online=online))

    def reverse(self) -> ReplaceScoring:
        """The way back."""
        return ReplaceScoring(self.new, self.old, online=self.online)


@Operations.implementation_for(ReplaceScoring)
def _replace(operations: Operations, operation: ReplaceScoring) -> None:
    if operation.online:
        replace_online(_autocommitting(operations), operation.old, operation.new)
        return
    statements = replace_script(operation.old, operation.new)  # says first what cannot be replaced at all
    if not operations.migration_context.as_sql:
        meanings = check(operations.get_bind(), operation.new).meanings
        statements = replace_script(operation.old, operation.new, meanings)
    _run(operations, statements)


@Operations.implementation_for(CreateScoring)
def _create(operations: Operations, operation: CreateScoring) -> None:
    if operation.online:
        attach_online(_autocommitting(operations), operation.profile)
        return
    meanings = None
    if not operations.migration_context.as_sql:
        meanings = check(operations.get_bind(), operation.profile).meanings
    _run(operations, attach_script(operation.profile, meanings))


@Operations.implementation_for(DropScoring)
def _drop(operations: Operations, operation: DropScoring) -> None:
    if operation.online:
        detach_online(_autocommitting(operations), operation.profile)
        return
    _run(operations, detach_script(operation.profile))


def _autocommitting(operations: Operations) -> Connection:
    if operations.migration_context.as_sql:
        raise DeclarationError(
            "online asks the server as it goes, and --sql has none; expected a connection: leave --sql or online=True away"
        )
    return operations.get_bind()


def _run(operations: Operations, statements: Sequence[str]) -> None:
    """As they are: a colon or percent sign in SQL text is never a bind parameter."""
    context = operations.migration_context
    if context.as_sql:
        for statement in statements:
            context.impl.static_output(f"{statement};\n")
    else:
        execute(operations.get_bind(), statements)


def execute(connection: Connection, statements: Sequence[str]) -> None:
    """Run SQL statements as they are, within the caller's transaction."""
    try:
        with connection.begin_nested():
            for statement in statements:
                connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    except OperationalError as error:
        if not unnamed_holder(error):
            raise
        raise named(connection, error) from error


def apply(connection: Connection, profile: Profile) -> bool:
    """Attach a declaration, or bring a changed one up to date, within the caller's transaction.

    Returns False where the database has just this declaration already, and functions as this release compiles
    them. Raises DeclarationError before
    anything changes where the declaration does not fit the tables. Of two at a time the second waits for the
    first, and then says what is true.
    """
    require(connection)
    connection.exec_driver_sql(_ALONE)
    meanings = check(connection, profile).meanings
    stored = _stored(connection, profile)
    if stored is None:
        execute(connection, attach_script(profile, meanings))
        return True
    old = Profile.from_dict(stored)
    same = old == Profile.from_dict(profile.to_dict()) and not _moved(connection, profile)
    if same and not outdated(connection, profile, meanings):
        return False
    execute(connection, replace_script(old, profile, meanings))
    return True


def apply_online(
    connection: Connection, profile: Profile, *, say: Callable[[str], None] = quiet, jobs: int = 1
) -> bool:
    """The same beside running traffic, on a connection in autocommit mode; it can be stopped and begun again.

    Returns False where the database has just this declaration already; rows that are not counted yet are counted all
    the same.
    """
    with ready(connection):
        require(connection)
        stored = _stored(connection, profile)
        if stored is None:
            attach_online(connection, profile, say=say, jobs=jobs)
            return True
        old = Profile.from_dict(stored)
        with transaction(connection):
            plan = check(connection, profile)
            same = old == Profile.from_dict(profile.to_dict()) and not _moved(connection, profile)
            same = same and not outdated(connection, profile, plan.meanings)
        if same:
            finish(connection, plan, say=say, jobs=jobs)
            return False
        replace_online(connection, old, profile, say=say, jobs=jobs)
        return True


def remove_online(connection: Connection, profile: Profile, *, say: Callable[[str], None] = quiet) -> None:
    """Take a declaration off its tables beside running traffic, on a connection in autocommit mode."""
    with ready(connection):
        require(connection)
        detach_online(connection, profile, say=say)


def what_it_locks(connection: Connection, profile: Profile) -> str:
    """What `apply` would lock for how long, where that is long; empty where it is not, or nothing is counted."""
    if installed(connection) is None:
        return ""
    plan = make_plan(profile)
    stored = _stored(connection, profile)
    if stored is not None and not counts_anew(Profile.from_dict(stored), profile):
        return ""
    profiles, events = estimate(connection, plan)
    if events < LARGE:
        return ""
    tables = ", ".join(dict.fromkeys(event.table for event in plan.events))
    return (
        f"{plan.table} will be locked, and {tables} against writing, while about {profiles} rows are counted from about {events} "
        f"events: {locked_for(events)}. Beside running traffic: modelpack apply --online"
    )


def _stored(connection: Connection, profile: Profile) -> dict[str, Any] | None:
    found = connection.execute(
        text("select declaration from modelpack.profile where relation = to_regclass(:name)"),
        {"name": qualified(profile.table)},
    ).scalar()
    return found if isinstance(found, dict) else None


def _moved(connection: Connection, profile: Profile) -> bool:
    """Whether another table has the name of an event table now, which the triggers are to be put on."""
    sql = (
        "select exists (select from modelpack.profile as p, modelpack.misplaced(p.profile_id) "
        "where p.relation = to_regclass(:name))"
    )
    return bool(connection.execute(text(sql), {"name": qualified(profile.table)}).scalar())


def outdated(connection: Connection, profile: Profile, meanings: Meanings | None = None) -> list[str]:
    """Names of the profile's functions in the database that are not what this release compiles from it.

    Another release made them, or they were changed by hand. `apply` brings them up to date.
    """
    if meanings is None:
        meanings = check(connection, profile, reading=True).meanings
    wanted = generated_functions(profile, meanings)
    there = connection.execute(
        text(
            "select f.proname::text, f.prosrc from pg_proc as f where f.pronamespace = 'modelpack'::regnamespace"
            " and f.proname::text = any (:names)"
        ),
        {"names": list(wanted)},
    )
    bodies = {row.proname: row.prosrc for row in there}
    return [name for name, body in wanted.items() if bodies.get(name) != body]


def remove(connection: Connection, profile: Profile) -> None:
    """Take a declaration off its tables, within the caller's transaction."""
    execute(connection, detach_script(profile))
