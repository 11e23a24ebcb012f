"""The commands for people who look: `modelpack report` and `modelpack status`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from modelpack.cli.session import Session, command, in_words
from modelpack.errors import RegistryError

Days = Annotated[
    int, typer.Option(help="So many days are shown, from 1 to 3660.", metavar="DAYS", min=1, max=3660)
]


def report(
    session: Session,
    model: Annotated[
        str | None,
        typer.Argument(help="Name of the model; default: the only one.", metavar="MODEL", show_default=False),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the page is written.", metavar="FILE")
    ] = None,
    days: Days = 30,
) -> None:
    """Write one page on a model for somebody who is no engineer: is it working, what changed, since when and why.

    The page needs nothing beside it and holds no row of a profile. Charts take pip install 'modelpack[report]';
    --json gives the same figures without them.
    """
    from modelpack.monitoring.page.facts import get_model, read_facts
    from modelpack.monitoring.page.words import verdict

    if output is None and not session.as_json:
        raise RegistryError("no file is named, expected -o report.html, or --json")
    if output is not None:
        from modelpack.monitoring.page.canvas import need_charts

        need_charts()
    with session.transaction() as connection, in_words():
        facts = read_facts(connection, get_model(connection, model), days)
    judged = verdict(facts)
    if output is not None:
        from modelpack.monitoring.page.render import render

        with session.working("drawing"):
            page = render(facts)
        try:
            output.write_text(page, encoding="utf-8")
        except OSError as error:
            raise RegistryError(
                f"{output} cannot be written: {error.strerror}; expected a file in a folder that is there"
            ) from error
        session.say(f"{facts['model']}: {judged.headline}", f"{output}: {len(page.encode()):,} bytes")
    said = {"state": judged.state, "headline": judged.headline, "sentences": judged.sentences}
    session.answer({"verdict": said, **facts})


def status(
    session: Session,
    model: Annotated[
        str | None,
        typer.Argument(
            help="Name of the model; default: all, a line each, or the only one.",
            metavar="MODEL",
            show_default=False,
        ),
    ] = None,
    days: Days = 30,
) -> None:
    """How a model is, in twenty lines."""
    from sqlalchemy import text

    from modelpack.monitoring.page.facts import get_model, read_facts
    from modelpack.monitoring.page.status import SIGNS, lines
    from modelpack.monitoring.page.words import verdict

    with session.transaction() as connection, in_words():
        known = connection.scalars(text("select model from modelpack.model order by 1")).all()
        asked = [get_model(connection, model)] if model is not None or len(known) == 1 else list(known)
        found = [read_facts(connection, name, days, deep=False) for name in asked]
    if not asked:
        session.say("There is no model; publish one: modelpack publish MODEL --name NAME")
    for facts in found:
        judged = verdict(facts)
        if len(found) > 1:
            session.say(f"{SIGNS[judged.state]} {facts['model']}: {judged.sentences[0]}")
        else:
            session.say(*lines(facts))
    session.answer(
        [
            {"model": f["model"], "state": j.state, "headline": j.headline, "sentences": j.sentences}
            for f in found
            for j in [verdict(f)]
        ]
    )


def add_to(application: typer.Typer) -> None:
    """Register the commands."""
    command(application)(report)
    command(application)(status)
