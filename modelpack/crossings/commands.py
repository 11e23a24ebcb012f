"""The commands of the room: `modelpack follow`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from modelpack.cli.session import Session, command
from modelpack.errors import RegistryError

CAUSES = ("first", "change", "return", "version")


def follow(
    session: Session,
    score: Annotated[str, typer.Argument(help="Name of the score.", metavar="SCORE")],
    name: Annotated[
        str | None,
        typer.Option(
            "--as", help="Name under which the position is kept; default: that of the score.", metavar="NAME"
        ),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="The profile, where several have such a score.", metavar="TABLE")
    ] = None,
    webhook: Annotated[
        str | None, typer.Option(help="Post each crossing to this address.", metavar="URL")
    ] = None,
    redis: Annotated[
        str | None, typer.Option(help="Append each crossing to a Redis stream of this server.", metavar="URL")
    ] = None,
    stream: Annotated[
        str | None, typer.Option(help="Name of the stream; default: modelpack:SCORE.", metavar="NAME")
    ] = None,
    cause: Annotated[
        list[str] | None,
        typer.Option(
            help="Only crossings of this cause; may be repeated. Default of a new follower: all but version, which a promotion brings.",
            metavar="first|change|return|version",
        ),
    ] = None,
    from_start: Annotated[
        bool,
        typer.Option(
            "--from-start", help="A new follower begins with all that is kept, not with what comes."
        ),
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is left to read.")] = False,
    every: Annotated[
        float, typer.Option(help="Seconds between two looks, where nothing was found.", min=0.01)
    ] = 1.0,
    batch: Annotated[int, typer.Option(help="Crossings that are read at a time.", min=1)] = 100,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.", min=0.1)] = 10.0,
) -> None:
    """Hand on which rows' scores cross declared bounds, at least once each. Prints JSON lines, posts them, or appends them to a Redis stream.

    Ends at SIGTERM and SIGINT; what is not acknowledged by then, the next run begins with.
    """
    from modelpack.crossings.following import Follower
    from modelpack.crossings.following import follow as run
    from modelpack.crossings.sinks import Lines, RedisStream, Webhook

    if webhook is not None and redis is not None:
        raise RegistryError(
            "found --webhook and --redis, expected one of them; two followers of other names serve both"
        )
    if stream is not None and redis is None:
        raise RegistryError("found --stream without --redis, expected both")
    wrong = [c for c in cause or [] if c not in CAUSES]
    if wrong:
        raise RegistryError(f"--cause {wrong[0]}, expected one of {', '.join(CAUSES)}")
    sink: Any = Lines()
    if webhook is not None:
        sink = Webhook(webhook, timeout)
    elif redis is not None:
        sink = RedisStream(redis, stream or f"modelpack:{score}", timeout)
    with _stopped() as stop, session.autocommit() as connection:
        table = _profile(connection, score, profile)
        follower = Follower(connection, name or score)
        follower.start(table, score, cause or None, from_start)
        done = run(follower, sink, stop, session.note, every=every, batch=batch, once=once)
    session.note(f"{done} crossings handed on as {follower.name}")


def _profile(connection: Any, score: str, profile: str | None) -> str:
    from sqlalchemy import text

    found = [
        str(name)
        for (name,) in connection.execute(
            text(
                "select p.name from modelpack.score as s join modelpack.profile as p using (profile_id) where s.score = :score order by 1"
            ),
            {"score": score},
        )
    ]
    mine = [f for f in found if profile in (None, f, f.removeprefix("public."))]
    if len(mine) == 1:
        return mine[0]
    if mine:
        raise RegistryError(
            f"several profiles have a score {score}: {', '.join(mine)}; name one with --profile"
        )
    raise RegistryError(f"there is no score {score}{'' if profile is None else ' of ' + profile}")


@contextmanager
def _stopped() -> Iterator[threading.Event]:
    """Set by the signals that ask a program to end; a second one ends it at once."""
    stop = threading.Event()
    before: dict[int, Any] = {}

    def asked(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, before[number] or signal.SIG_DFL)

    for wanted in (signal.SIGTERM, signal.SIGINT):
        before[wanted] = signal.signal(wanted, asked)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this room."""
    command(app)(follow)
