"""The commands of the room: `modelpack erase` and `modelpack erased`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelpack.cli.session import SafeTable, Session, command, hanging, in_words
from modelpack.errors import RegistryError

if TYPE_CHECKING:
    from sqlalchemy import Connection

Profile = Annotated[str, typer.Argument(help="The profile table.", metavar="PROFILE")]
Key = Annotated[
    str,
    typer.Argument(
        help="Key of the entity; a JSON array where the profile's key has several columns.", metavar="KEY"
    ),
]


def erase(
    session: Session,
    profile: Profile,
    key: Key,
    keep_scores: Annotated[
        bool,
        typer.Option(
            "--keep-scores", help="Leave scores and outcomes as evidence; erase what they were made of."
        ),
    ] = False,
    delete_row: Annotated[
        bool,
        typer.Option("--delete-row", help="Delete the row of the profile; otherwise it is as a new one."),
    ] = False,
    events_stay: Annotated[
        bool,
        typer.Option("--events-stay", help="Erase though there are events, which will be counted again."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase all that is kept of an entity, and print the receipt. Its events have to be deleted first."""
    from sqlalchemy import text

    if not yes:
        _ask(session, profile, key)
    with session.transaction() as connection, in_words():
        connection.exec_driver_sql("set transaction isolation level read committed")
        receipt = connection.execute(
            text(
                "call modelpack.erase(cast(:profile as regclass), :key, keep_scores => :keep_scores, "
                "delete_row => :delete_row, events_stay => :events_stay)"
            ),
            {
                "profile": profile,
                "key": key,
                "keep_scores": keep_scores,
                "delete_row": delete_row,
                "events_stay": events_stay,
            },
        ).scalar_one()
    session.say(*(hanging("", line, 0) for line in in_sentences(receipt)))
    session.answer(receipt)


def _ask(session: Session, profile: str, key: str) -> None:
    if not _is_terminal() or session.as_json:
        raise RegistryError(
            "nobody can be asked here whether to erase for good, expected --yes, or a terminal and no --json"
        )
    with session.transaction() as connection, in_words():
        left = _left(connection, profile, key, keep_scores=False)
    session.say(_table(left) if left else "Nothing is kept of this entity.")
    typer.confirm("Erase this for good?", abort=True, err=True)


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def in_sentences(receipt: dict[str, Any]) -> list[str]:
    """A receipt for people."""
    row = {
        "reset": "The row of the profile is as a new one.",
        "deleted": "The row of the profile is deleted.",
        "absent": "There was no row of the profile.",
    }[receipt["profile_row"]]
    lines = [
        f"Receipt {receipt['erasure_id']}: erased from {receipt['profile']} at {receipt['at']} by {receipt['by']}. {row}",
        _counted("Erased", receipt["erased"], "No row of it was kept anywhere."),
    ]
    if receipt["keep_scores"]:
        lines.append(
            _counted("Kept as evidence, without inputs", receipt["kept"], "Nothing is kept as evidence.")
        )
    if receipt["events"]:
        lines.append(_counted("Events that stay and will be counted again", receipt["events"], ""))
    for what in ("background", "golden"):
        if receipt[what]:
            lines.append(_counted(f"Rows taken from the {what} rows of versions", receipt[what], ""))
    lines += [
        f"Version {v['version']} of {v['model']} may have been fitted on it, on data until {v['data_until']}: that stays in the model until it is retired and purged."
        for v in receipt["versions"]
        if v["contains"] == "perhaps"
    ]
    lines.append("Its bytes are in the files of the tables until VACUUM, and in backups: docs/erasure.md.")
    return lines


def _counted(what: str, counts: dict[str, int], nothing: str) -> str:
    if not counts:
        return nothing
    return f"{what}: {', '.join(f'{name} {count:,}' for name, count in sorted(counts.items()))}."


def erased(
    session: Session,
    profile: Profile,
    key: Key,
    keep_scores: Annotated[
        bool,
        typer.Option("--keep-scores", help="Leave out what `modelpack erase --keep-scores` keeps."),
    ] = False,
) -> None:
    """What is left of an entity, by table. Exit code 1 when there is something, or it cannot be looked at."""
    with session.transaction() as connection, in_words():
        left = _left(connection, profile, key, keep_scores=keep_scores)
    session.say(_table(left) if left else "Nothing is left.")
    session.answer([{"relation": relation, "rows": rows} for relation, rows in left])
    if left:
        raise typer.Exit(1)


def _left(
    connection: Connection, profile: str, key: str, *, keep_scores: bool
) -> list[tuple[str, int | None]]:
    from sqlalchemy import text

    found = connection.execute(
        text("select relation, rows from modelpack.erased(cast(:profile as regclass), :key, :keep_scores)"),
        {"profile": profile, "key": key, "keep_scores": keep_scores},
    ).all()
    return [(f.relation, f.rows) for f in found]


def _table(left: list[tuple[str, int | None]]) -> SafeTable:
    table = SafeTable("table", "rows")
    for relation, rows in left:
        table.add_row(relation, "not to be seen: that takes SELECT" if rows is None else f"{rows:,}")
    return table


def add_to(app: typer.Typer) -> None:
    """Add the commands of this room."""
    command(app)(erase)
    command(app)(erased)
