"""The commands of the room: `modelpack require` and `modelpack judge`."""

from __future__ import annotations

from typing import Annotated

import typer

from modelpack.cli.session import SafeTable, Session, command, hanging, in_words
from modelpack.errors import RegistryError

Model = Annotated[str, typer.Argument(help="Name of the model.", metavar="MODEL")]


def require(
    session: Session,
    model: Model,
    conditions: Annotated[
        str | None,
        typer.Argument(
            help="'auc not below champion by 0.01 at 95%'; without it the command shows what is required.",
            metavar="CONDITIONS",
        ),
    ] = None,
    nothing: Annotated[bool, typer.Option("--nothing", help="Require nothing from now on.")] = False,
) -> None:
    """Say what every version of a model has to show before it is promoted. For members of modelpack_approver."""
    from sqlalchemy import text

    if conditions is not None and nothing:
        raise RegistryError(f"found {conditions!r} and --nothing, expected one of the two")
    with session.transaction() as connection, in_words():
        if conditions is not None or nothing:
            connection.execute(
                text("select modelpack.set_requirement(:model, :conditions)"),
                {"model": model, "conditions": conditions},
            )
        found = connection.execute(
            text("select requirement, set_at, set_by from modelpack.requirement where model = :model"),
            {"model": model},
        ).one_or_none()
    if found is None:
        session.say(f"The model {model} requires nothing of its versions.")
    else:
        session.say(
            hanging(
                "",
                f"Every version of {model} has to meet this before it is promoted: {found.requirement} (set by {found.set_by}).",
                0,
            )
        )
    session.answer({"model": model, "requirement": None if found is None else found.requirement})


def judge(
    session: Session,
    model: Model,
    version: Annotated[int, typer.Argument(help="Number of the version.", metavar="VERSION")],
    require: Annotated[
        str | None,
        typer.Option(help="The requirement; default: that of the model.", metavar="CONDITIONS"),
    ] = None,
) -> None:
    """Whether a version meets a requirement, and by which figures; promotes nothing. Exit code 1 where it does not."""
    from sqlalchemy import text

    with session.transaction() as connection, in_words():
        found = connection.execute(
            text("select * from modelpack.try_requirement(:model, cast(:version as integer), :require)"),
            {"model": model, "version": version, "require": require},
        ).all()
    table = SafeTable("condition", "met")
    for f in found:
        table.add_row(f.condition, "yes" if f.met else "no")
    session.say(table, *(hanging("", f"{f.words[:1].upper()}{f.words[1:]}.", 0) for f in found))
    session.answer([dict(f._mapping) for f in found])
    if not all(f.met for f in found):
        raise typer.Exit(1)


def add_to(application: typer.Typer) -> None:
    """Register the commands."""
    command(application)(require)
    command(application)(judge)
