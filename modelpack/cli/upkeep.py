"""Commands that keep profiles and the prediction log in order."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelpack.cli.session import SafeTable, Session, command, hanging, in_words
from modelpack.errors import DeclarationError, ModelpackError, RegistryError

if TYPE_CHECKING:
    from sqlalchemy import Connection

Profile = Annotated[
    str, typer.Argument(help="The profile table, e.g. customer or shop.customer.", metavar="PROFILE")
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs", "-j", min=1, help="Sessions that share the work, each with chunks of its own.", metavar="N"
    ),
]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        help="Only the row with this entity key (of several columns: '[\"north\", 3]'); may be repeated.",
        metavar="KEY",
    ),
]


def rescore(
    session: Session,
    profile: Profile,
    only_stale: Annotated[
        bool, typer.Option("--only-stale", help="Only rows that are marked stale.")
    ] = False,
    everything: Annotated[bool, typer.Option("--everything", help="All rows.")] = False,
    jobs: Jobs = 1,
) -> None:
    """Score the rows that are stale or were scored by another version than the champion, in chunks."""
    _call(session, "rescore", profile, {"only_stale": only_stale, "everything": everything}, jobs)


def refresh(
    session: Session,
    profile: Profile,
    older_than: Annotated[
        str | None,
        typer.Option(
            help="Also rows that were brought up to date longer ago, e.g. '1 day'.", metavar="INTERVAL"
        ),
    ] = None,
    jobs: Jobs = 1,
) -> None:
    """Bring the rows whose windows have moved on up to the moment and score them, in chunks."""
    _call(session, "refresh", profile, {"older_than": older_than}, jobs)


def rebuild(session: Session, profile: Profile, key: Keys = None, jobs: Jobs = 1) -> None:
    """Count the features again from the events and write the rows that differ, in chunks."""
    _call(session, "rebuild", profile, {"keys": key or None}, jobs)


def backfill(session: Session, profile: Profile, jobs: Jobs = 1) -> None:
    """Count the rows that are not counted yet, after `apply --online` was stopped; in chunks."""
    _call(session, "backfill", profile, {}, jobs)


def verify(session: Session, profile: Profile, key: Keys = None) -> None:
    """Hold every stored feature against its events; exit code 1 when some differ."""
    from sqlalchemy import text

    with in_words(), session.working(f"{profile}: counting"), session.autocommit() as connection:
        _known(connection, profile)
        found = connection.execute(
            text("select * from modelpack.verify(cast(:profile as regclass), cast(:keys as text[]))"),
            {"profile": profile, "keys": key or None},
        ).all()
    table = SafeTable("key", "feature", "stored", "expected")
    for row in found:
        table.add_row(*("NULL" if value is None else str(value) for value in row))
    if found:
        session.say(
            table,
            f"{len(found)} features differ from their events; `modelpack rebuild {profile}` mends them.",
        )
    else:
        session.say(f"{profile}: every feature is what its events say.")
    session.answer({"profile": profile, "differences": [dict(row._mapping) for row in found]})
    if found:
        raise typer.Exit(1)


def maintain(session: Session) -> None:
    """Make partitions of the prediction log ahead, index those behind and drop old ones. Run it every day."""
    from sqlalchemy import text

    with in_words(), session.autocommit() as connection:
        done = connection.execute(text("select * from modelpack.maintain()")).all()
    for partition, action in done:
        session.say(f"{partition}: {action}")
    if not done:
        session.say("Nothing to do.")
    session.answer({"partitions": [dict(row._mapping) for row in done]})


def doctor(session: Session) -> None:
    """Examine the installation: what was found, what is expected, what mends it. Exit code 1 when something fails."""
    from sqlalchemy import text

    with in_words(), session.working("examining"), session.autocommit() as connection:
        found = connection.execute(text("select * from modelpack.doctor()")).all()
        checks = [dict(row._mapping) for row in found]
    with in_words(), session.transaction() as connection:  # a declaration is read with savepoints
        checks += _compiled(connection)
    for check in checks:
        session.say(hanging(check["status"], f"{check['check']}: {check['found']}", 6))
        if check["status"] != "ok":
            session.say(
                hanging("", f"expected: {check['expected']}", 6), hanging("", f"mend: {check['mend']}", 6)
            )
    session.answer({"checks": checks})
    if any(check["status"] == "fail" for check in checks):
        raise typer.Exit(1)


def _compiled(connection: Connection) -> list[dict[str, str]]:
    """What the server cannot know: whether this release compiles the same functions from the declarations.

    A row like those of `modelpack.doctor()` for each profile where it does not, or cannot read the declaration.
    """
    from sqlalchemy import text

    from modelpack import __version__
    from modelpack.attaching import outdated
    from modelpack.declaration import Profile as Declaration

    checks = []
    for name, declaration in connection.execute(
        text(
            "select p.name, p.declaration from modelpack.profile as p join pg_class as c on c.oid = p.relation order by 1"
        )
    ).all():
        try:
            read = Declaration.from_dict(declaration)
        except DeclarationError as error:
            found, _, mend = str(error).rpartition("; ")
            checks.append(
                {
                    "status": "fail",
                    "check": f"declaration of {name}",
                    "found": found,
                    "expected": f"a declaration that modelpack {__version__} reads",
                    "mend": mend,
                }
            )
            continue
        try:
            changed = outdated(connection, read)
        except DeclarationError as error:
            checks.append(
                {
                    "status": "fail",
                    "check": f"declaration of {name}",
                    "found": str(error),
                    "expected": "a declaration that fits its tables",
                    "mend": f"change the tables or the declaration, then modelpack apply DECLARATION ({name})",
                }
            )
            continue
        if changed:
            checks.append(
                {
                    "status": "warn",
                    "check": f"release of the functions of {name}",
                    "found": f"{len(changed)} are not what modelpack {__version__} compiles, such as {changed[0]}",
                    "expected": "functions that this release compiles from the declaration",
                    "mend": f"modelpack apply DECLARATION ({name})",
                }
            )
    return checks


def _known(connection: Connection, profile: str) -> None:
    """Raise RegistryError, which lists the profiles, unless this is one."""
    from sqlalchemy import text

    names = connection.execute(
        text("select p.name, p.relation = to_regclass(:profile) from modelpack.profile as p order by p.name"),
        {"profile": profile},
    ).all()
    if not any(this for _, this in names):
        listed = ", ".join(name for name, _ in names) or "none"
        raise RegistryError(
            f"{profile} is no profile of this database; the profiles are: {listed}; run `modelpack apply DECLARATION`"
        )


_TYPES = {"only_stale": "boolean", "everything": "boolean", "older_than": "interval", "keys": "text[]"}


def _call(session: Session, task: str, profile: str, options: dict[str, Any], jobs: int) -> None:
    """CALL a procedure, which commits after each chunk; what was done until an error stays done."""
    from sqlalchemy import text

    notices: list[str] = []
    drivers: list[Any] = []
    arguments = "".join(f", {name} => cast(:{name} as {_TYPES[name]})" for name in options)

    def run(share: int) -> None:
        with session.autocommit() as connection:
            driver: Any = connection.connection.driver_connection
            driver.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
            drivers.append(driver)
            connection.execute(
                text(
                    f"call modelpack.{task}(cast(:profile as regclass){arguments}, share => :share, shares => :shares)"
                ),
                {"profile": profile, **options, "share": share, "shares": jobs},
            )

    with in_words(ModelpackError), session.working(f"{profile}: {task}"), ThreadPoolExecutor(jobs) as pool:
        with session.autocommit() as connection:
            _known(connection, profile)
        try:
            for done in as_completed([pool.submit(run, share) for share in range(1, jobs + 1)]):
                done.result()
        except BaseException:  # an error of one, or the user's wish, ends them all
            for driver in drivers:
                driver.cancel()
            raise
    written = [int(n) for message in notices for n in re.findall(r": (\d+) rows written$", message)]
    if jobs == 1:
        session.say(*(f"{message}." for message in notices))
    else:
        session.say(f"{task} of {profile}: {sum(written)} rows written by {jobs} sessions.")
    session.answer({"task": task, "profile": profile, "rows": sum(written)})


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for function in (rescore, refresh, rebuild, backfill, verify, maintain, doctor):
        command(app)(function)
