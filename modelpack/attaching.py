"""Alembic operations for a user's own migrations, and the same without Alembic.

    op.create_scoring(customer)
    op.replace_scoring(customer, changed_customer)
    op.drop_scoring(customer)

All work with `--sql` and can be reversed. Importing `modelpack` registers them.
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic.operations import MigrateOperation, Operations
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from modelpack.compile.plan import Meanings
from modelpack.compile.script import (
    attach_script,
    detach_script,
    generated_functions,
    replace_script,
)
from modelpack.compile.sql import qualified
from modelpack.declaration.profile import Profile
from modelpack.errors import DeclarationError
from modelpack.fitness import check
from modelpack.install import require, unnamed_holder

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

    def __init__(self, profile: Profile) -> None:
        self.profile = profile

    @classmethod
    def create_scoring(cls, operations: Operations, profile: Profile) -> None:
        """Put the columns, functions and triggers of a declaration on its tables and count the events there."""
        operations.invoke(cls(profile))

    def reverse(self) -> DropScoring:
        """Taking it off again."""
        return DropScoring(self.profile)


@Operations.register_operation("drop_scoring")
class DropScoring(MigrateOperation):
    """Take a declaration off its tables."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile

    @classmethod
    def drop_scoring(cls, operations: Operations, profile: Profile) -> None:
        """Drop what `create_scoring` made; events and the user's own columns stay."""
        operations.invoke(cls(profile))

    def reverse(self) -> CreateScoring:
        """Attaching it again."""
        return CreateScoring(self.profile)


@Operations.register_operation("replace_scoring")
class ReplaceScoring(MigrateOperation):
    """Change a declaration in place."""

    def __init__(self, old: Profile, new: Profile) -> None:
        self.old = old
        self.new = new

    @classmethod
    def replace_scoring(cls, operations: Operations, old: Profile, new: Profile) -> None:
        """Add, drop and alter features and scores; what both declare alike keeps its values.

        Reversed by `op.replace_scoring(new, old)`. A feature that the change drops and its reverse adds is
        counted from the events that are there then.
        """
        operations.invoke(cls(old, new))

    def reverse(self) -> ReplaceScoring:
        """The way back."""
        return ReplaceScoring(self.new, self.old)


@Operations.implementation_for(ReplaceScoring)
def _replace(operations: Operations, operation: ReplaceScoring) -> None:
    statements = replace_script(operation.old, operation.new)  # says first what cannot be replaced at all
    if not operations.migration_context.as_sql:
        meanings = check(operations.get_bind(), operation.new).meanings
        statements = replace_script(operation.old, operation.new, meanings)
    _run(operations, statements)


@Operations.implementation_for(CreateScoring)
def _create(operations: Operations, operation: CreateScoring) -> None:
    meanings = None
    if not operations.migration_context.as_sql:
        meanings = check(operations.get_bind(), operation.profile).meanings
    _run(operations, attach_script(operation.profile, meanings))


@Operations.implementation_for(DropScoring)
def _drop(operations: Operations, operation: DropScoring) -> None:
    _run(operations, detach_script(operation.profile))


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
        holders = connection.exec_driver_sql("select modelpack.lockers()").scalar()
        raise DeclarationError(
            f"another transaction holds what has to change ({str(error.orig).splitlines()[0]}); that may be: {holders}; have it "
            "end (as a superuser: select pg_terminate_backend(PID)), and try again; how long is waited: set lock_timeout, or "
            "lock_wait of modelpack.setting"
        ) from error


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
    stored = connection.execute(
        text("select declaration from modelpack.profile where relation = to_regclass(:name)"),
        {"name": qualified(profile.table)},
    ).scalar()
    if stored is None:
        execute(connection, attach_script(profile, meanings))
        return True
    old = Profile.from_dict(stored)
    same = old == Profile.from_dict(profile.to_dict()) and not _moved(connection, profile)
    if same and not outdated(connection, profile, meanings):
        return False
    execute(connection, replace_script(old, profile, meanings))
    return True


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
