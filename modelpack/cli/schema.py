"""Commands of the DBA: the schema, and declarations on tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelpack.cli.session import Session, command, hanging, in_words
from modelpack.errors import DeclarationError, InstallError

if TYPE_CHECKING:
    from modelpack.declaration import Profile

Declaration = Annotated[
    Path,
    typer.Argument(help="A Python file that declares one or more modelpack.Profile.", metavar="DECLARATION"),
]
Sql = Annotated[
    bool, typer.Option("--sql", help="Print the SQL script instead of running it; needs no database.")
]

Online = Annotated[
    bool,
    typer.Option(
        "--online",
        help="Beside running traffic: tables are locked for moments, rows are counted in chunks. It can be stopped and run again.",
    ),
]
Jobs = Annotated[
    int,
    typer.Option("--jobs", "-j", min=1, help="With --online: sessions that count rows.", metavar="N"),
]


def install(
    session: Session,
    server_wheels: Annotated[
        Path | None,
        typer.Option(
            envvar="MODELPACK_SERVER_WHEELS",
            help="Folder on the server that its Python imports numpy and onnxruntime from.",
            metavar="DIR",
        ),
    ] = None,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Give objects back to modelpack_owner and grant anew what the schema grants, after a restore without owners and privileges.",
        ),
    ] = False,
    sql: Sql = False,
) -> None:
    """Install the schema modelpack, or bring it up to date. A second run changes nothing."""
    from modelpack import install as schema
    from modelpack.wheels import check_wheels

    if sql:
        session.plain(schema.script(server_wheels))
        return
    if repair:
        with in_words(InstallError), session.transaction() as connection:
            schema.repair(connection)
            version = schema.installed(connection)
        session.say("Owners and rights of the schema modelpack are as they were installed.")
        session.answer({"version": version, "repaired": True})
        return
    warning = None
    with in_words(InstallError), session.transaction() as connection:
        schema.check_server(connection)
        connection.exec_driver_sql(schema.one_at_a_time())
        before = schema.installed(connection)
        after = schema.install(connection, server_wheels)
        if server_wheels is None:
            try:
                check_wheels(connection)
            except InstallError as error:
                warning = str(error)
    if warning:
        session.note(f"modelpack: scores stay stale until this is mended: {warning}")
    session.say(
        f"The schema modelpack has version {after} already."
        if before == after
        else f"The schema modelpack has version {after} now"
        + (f"; it was {before}." if before else ": installed.")
    )
    session.answer({"version": after, "before": before, "changed": before != after, "warning": warning})


def server_setup(
    session: Session,
    folder: Annotated[
        Path, typer.Argument(help="The folder to make, such as /usr/local/lib/modelpack.", metavar="DIR")
    ],
) -> None:
    """On the server's machine, as root or the server's user: put numpy and onnxruntime where nobody else can write, and fix the path."""
    from sqlalchemy import text

    from modelpack import install as schema
    from modelpack.wheels import place_wheels, server_python

    with in_words(InstallError):
        with session.transaction() as connection:
            schema.check_server(connection)
            connection.exec_driver_sql("create extension if not exists plpython3u")
            python = server_python(connection)
        with session.working(f"fetching the wheels for Python {python}"):
            place_wheels(folder, python)
        with session.transaction() as connection:
            schema.install(connection, folder)
            for row in connection.execute(
                text("select found, expected, mend from modelpack.examine_server() where status <> 'ok'")
            ):
                raise InstallError(f"{row.found}, expected: {row.expected}; {row.mend}, then run this again")
    session.say(f"The server's Python {python} imports numpy and onnxruntime from {folder}.")
    session.answer({"folder": folder, "python": python})


def uninstall(
    session: Session,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needed where nobody can answer.")] = False,
) -> None:
    """Remove the schema modelpack with all versions and the prediction log; users' tables stay as they were."""
    from modelpack import install as schema

    with in_words(InstallError), session.transaction() as connection:
        before = schema.installed(connection)
        if before is not None:
            schema.check_server(connection)
    if before is not None:
        if not yes and (session.as_json or not sys.stdin.isatty()):
            raise InstallError(
                "uninstall drops all versions of models and the prediction log, and nobody is there to be asked; "
                "run: modelpack uninstall --yes"
            )
        if not yes:
            typer.confirm("All versions of models and the prediction log will be gone. Go on?", abort=True)
        with in_words(InstallError), session.transaction() as connection:
            schema.uninstall(connection)
    session.say(
        "The schema modelpack is removed." if before else "There is no schema modelpack: nothing to remove."
    )
    session.answer({"removed": before})


def apply(
    session: Session, declaration: Declaration, sql: Sql = False, online: Online = False, jobs: Jobs = 1
) -> None:
    """Put the triggers, columns and counters of a declaration on its tables, or bring them up to date."""
    from modelpack.attaching import apply as apply_profile
    from modelpack.attaching import apply_online, what_it_locks
    from modelpack.declaration import load_profiles

    profiles = load_profiles(declaration)
    _one_of(sql, online)
    if sql:
        session.plain(_script(profiles, declaration, attach=True))
        return
    changed: dict[str, bool] = {}
    if online:
        for profile in profiles:
            with in_words(DeclarationError), session.autocommit() as connection:
                changed[profile.table] = apply_online(connection, profile, say=session.note, jobs=jobs)
        _applied(session, changed)
        return
    with in_words(DeclarationError), session.transaction() as connection:
        for profile in profiles:
            if warning := what_it_locks(connection, profile):
                session.note(warning)
    with in_words(DeclarationError), session.transaction() as connection:
        for profile in profiles:
            with session.working(f"{profile.table}: counting the events that are there"):
                changed[profile.table] = apply_profile(connection, profile)
    _applied(session, changed)


def _one_of(sql: bool, online: bool) -> None:
    if sql and online:
        raise DeclarationError(
            "--online asks the server as it goes, and --sql asks none; expected one of them: leave the other away"
        )


def _applied(session: Session, changed: dict[str, bool]) -> None:
    for table, new in changed.items():
        session.say(
            f"{table}: applied." if new else f"{table}: the database has just this declaration already."
        )
    session.answer({"profiles": [{"profile": table, "changed": new} for table, new in changed.items()]})


def remove(session: Session, declaration: Declaration, sql: Sql = False, online: Online = False) -> None:
    """Take a declaration off its tables: triggers, functions and the columns that it added."""
    from modelpack.attaching import remove as remove_profile
    from modelpack.attaching import remove_online
    from modelpack.declaration import load_profiles
    from modelpack.install import require

    profiles = load_profiles(declaration)
    _one_of(sql, online)
    if sql:
        session.plain(_script(profiles, declaration, attach=False))
        return
    if online:
        for profile in reversed(profiles):
            with in_words(DeclarationError), session.autocommit() as connection:
                remove_online(connection, profile)
    else:
        with in_words(DeclarationError), session.transaction() as connection:
            require(connection)
            for profile in reversed(profiles):
                remove_profile(connection, profile)
    for profile in profiles:
        session.say(f"{profile.table}: removed; events and your own columns stay.")
    session.answer({"profiles": [{"profile": profile.table, "removed": True} for profile in profiles]})


def version(session: Session) -> None:
    """Print the version of this package, and of the schema in the database when one is named."""
    from modelpack import __version__, snapshots

    found, head = None, snapshots.head()
    if session.dsn:
        with in_words(InstallError), session.transaction() as connection:
            from modelpack.install import installed

            found = installed(connection)
    session.say(f"modelpack {__version__}, schema version {head}")
    if session.dsn:
        session.say(f"the database has {f'schema version {found}' if found else 'no modelpack schema'}")
    session.answer({"modelpack": __version__, "schema": head, "database": found})


def _script(profiles: list[Profile], declaration: Path, *, attach: bool) -> str:
    """One transaction, below a comment that says what it is, where it comes from, how to run it and how to undo it."""
    from modelpack import __version__
    from modelpack.compile.script import attach_script, detach_script

    tables = ", ".join(profile.table for profile in profiles)
    if attach:
        does = f"Puts scoring on {tables}: columns, functions, triggers; counts the events that are there."
        undo = f"modelpack remove {declaration.name} --sql, which also drops the columns that this adds."
    else:
        does = f"Takes scoring off {tables}: triggers, functions and the columns that were added."
        undo = f"modelpack apply {declaration.name} --sql, which counts the features again from the events."
    head = (
        hanging("--", does, 3),
        hanging(
            "--",
            f"Made by modelpack {__version__} from {declaration.name}; change that file, not this one.",
            3,
        ),
        hanging(
            "--",
            "Run it with: psql -v ON_ERROR_STOP=1 -f FILE, as owner of the tables and member of modelpack_owner.",
            3,
        ),
        hanging("--", f"Undone by: {undo}", 3),
    )
    statements = [
        statement
        for profile in (profiles if attach else reversed(profiles))
        for statement in (attach_script(profile) if attach else detach_script(profile))
    ]
    return (
        "\n".join(head).replace("\n   ", "\n-- ")
        + "\n\nbegin;\n\n"
        + "".join(f"{statement};\n\n" for statement in statements)
        + "commit;\n"
    )


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for function in (install, server_setup, uninstall, apply, remove, version):
        command(app, function.__name__.replace("_", "-"))(function)
