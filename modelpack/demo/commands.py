"""The command of the room: `modelpack demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from modelpack.cli.session import Session, command


def demo(
    session: Session,
    events: Annotated[
        Path | None,
        typer.Option(
            help="The CDNOW log as CSV, to replay; without it customers are simulated.", metavar="FILE"
        ),
    ] = None,
) -> None:
    """Tell the story on a database: events by plain SQL, scores in place, a new version, a rollback.

    Needs modelpack[publish].
    """
    from rich.console import Console

    from modelpack.extras import need_publish
    from modelpack.install import normal_dsn

    need_publish("The demo, which trains models,")
    normal_dsn(session.dsn)  # refused here, before the story begins
    from modelpack.demo.telling import main as tell

    tell(session.dsn or "", events, console=Console(stderr=True) if session.as_json else None)
    session.answer({"told": True, "events": events})


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    command(app)(demo)
