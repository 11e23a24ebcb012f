"""The commands of the room: `modelpack observe`, `response`, `drift` and `features`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from modelpack.cli.session import SafeTable, Session, command, in_words
from modelpack.monitoring import alert_commands, metrics_commands, page_commands

Model = Annotated[str, typer.Argument(help="Name of the model.", metavar="MODEL")]
Days = Annotated[int, typer.Option(help="So many days, today included.", metavar="DAYS", min=1)]


def observe(session: Session) -> None:
    """Count what the log holds anew into the roll-ups, and compute drift. For a scheduler, every minute."""
    from sqlalchemy import text

    with session.autocommit() as connection, in_words():
        connection.execute(text("call modelpack.observe()"))
        found = connection.execute(
            text(
                "select rows, started_at, ended_at from modelpack.job where task = 'observe' order by job_id desc limit 1"
            )
        ).one()
        until = connection.execute(text("select at from modelpack.observed")).scalar()
    session.say(
        f"{found.rows:,} rows of the log were counted; all is, until {until:%Y-%m-%d %H:%M}."
        if until
        else "Another run is at it."
    )
    session.answer({"rows": found.rows, "until": until})


def response(session: Session, model: Model, days: Days = 7) -> None:
    """How the scores of a model are distributed, by version and day: does it work, or is it confused?"""
    from modelpack.monitoring.reading import read_response

    with session.transaction() as connection, in_words():
        found = read_response(connection, model, days)
    if found:
        table = SafeTable(
            "day", "score", "version", "rows", "mean", "5 %", "half", "95 %", "uncertain", "same", "different"
        )
        for f in found:
            version = f"{f.version}" if f.arm is None else f"{f.version} ({f.arm})"
            table.add_row(
                str(f.day), f.score, version, f"{f.predictions:,}", _number(f.mean), _number(f.p05), _number(f.p50), _number(f.p95),
                _share(f.uncertain_share), _share(f.largest_share), f"{f.distinct_scores:,}",
            )  # fmt: skip
        session.say(table)
        session.say(
            "",
            "uncertain: between 0.4 and 0.6; same: the most frequent score; different: how many scores there are, to 1 %.",
        )
    else:
        session.say(f"Nothing of {model} has been counted in {days} days. Run: modelpack observe")
    session.answer([dict(f._mapping) for f in found])


def drift(
    session: Session,
    model: Model,
    days: Days = 2,
    hours: Annotated[bool, typer.Option("--hours", help="By hour instead of by day.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="What has not drifted, too.")] = False,
) -> None:
    """Which inputs and scores are not what they were, and what happened then."""
    from modelpack.monitoring.reading import read_drift, read_timeline

    with session.transaction() as connection, in_words():
        found = read_drift(connection, model, days, by_hour=hours)
        causes = read_timeline(connection, model, days)
    shown = [f for f in found if everything or f.drifted]
    if not found:
        session.say(f"Nothing of {model} has been compared in {days} days. Run: modelpack observe")
    elif not shown:
        session.say(
            f"Nothing has drifted: {len(found):,} comparisons in {days} days. All of them: modelpack drift {model} --all"
        )
    else:
        table = SafeTable(
            "hour" if hours else "day",
            "version",
            "input",
            "against",
            "rows",
            "psi",
            "critical",
            "missing",
            "before",
            "",
        )
        for f in shown:
            table.add_row(
                f"{f.hour:%Y-%m-%d %H:%M}" if hours else str(f.day), str(f.version), _what(f), f.against, f"{f.rows:,}",
                _number(f.psi), _number(f.critical), _share(f.missing), _share(f.missing_before), "drifted" if f.drifted else "",
            )  # fmt: skip
        session.say(table)
        for n, cause in enumerate(causes):
            session.say(*([""] if n == 0 else []), f"{cause.at:%Y-%m-%d %H:%M}  {cause.kind}: {cause.what}")
    session.answer(
        {"drift": [dict(f._mapping) for f in found], "timeline": [dict(c._mapping) for c in causes]}
    )


def features(
    session: Session,
    profile: Annotated[
        str | None, typer.Argument(help="The profile table; default: all.", metavar="TABLE")
    ] = None,
) -> None:
    """Every feature with its meaning, its source, how fresh it is, and which versions use it."""
    from modelpack.monitoring.reading import read_features

    with session.transaction() as connection, in_words():
        found = read_features(connection, profile)
    table = SafeTable("feature", "type", "missing", "from", "to", "versions", "meaning")
    for f in found:
        table.add_row(
            f"{f.profile}.{f.feature}",
            f.type,
            _share(f.missing),
            _number(f.minimum),
            _number(f.maximum),
            ", ".join(f.versions),
            f.meaning,
        )
    session.say(
        table if found else "No declaration is applied, so there are no features. See: modelpack apply"
    )
    session.answer([dict(f._mapping) for f in found])


def _what(found: Any) -> str:
    return (found.input or f"the score {found.score}") + (
        "" if found.segment is None else f" ({found.segment})"
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def add_to(app: typer.Typer) -> None:
    """Add the commands of this room."""
    for one in (observe, response, drift, features):
        command(app)(one)
    page_commands.add_to(app)
    alert_commands.add_to(app)
    metrics_commands.add_to(app)
