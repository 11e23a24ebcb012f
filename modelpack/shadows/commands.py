"""The commands of the room: `modelpack shadow start`, `stop`, `score` and `show`, `modelpack replay`, `modelpack reproduce`."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelpack.cli.session import Session, command, hanging, in_words
from modelpack.errors import RegistryError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from modelpack.shadows.difference import Difference
    from modelpack.shadows.reading import Replay

Model = Annotated[str, typer.Argument(help="Name of the model.", metavar="MODEL")]
Number = Annotated[int, typer.Argument(help="Number of the version.", metavar="VERSION")]
Since = Annotated[
    str | None, typer.Option(help="Only scores since then: '30 days', or a moment.", metavar="WHEN")
]
Threshold = Annotated[float | None, typer.Option(help="How many rows cross it, each way?", metavar="SCORE")]

app = typer.Typer(
    help="Versions that score what is logged, beside those that score: what would they say?",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def start(
    session: Session,
    model: Model,
    version: Number,
    share: Annotated[
        float, typer.Option(help="Share of the entities, from 0.0001 to 1.", metavar="SHARE")
    ] = 1.0,
) -> None:
    """Have a version score what is logged from now on; no event waits for it."""
    with session.transaction() as connection, in_words():
        _call(
            connection,
            "select modelpack.start_shadow(:model, :version, :share)",
            model=model,
            version=version,
            share=share,
        )
    session.say(
        f"Version {version} of {model} is a shadow. It scores when this is called: modelpack shadow score {model}"
    )
    session.answer({"model": model, "version": version, "share": share})


def stop(session: Session, model: Model, version: Number) -> None:
    """End a shadow; what it scored stays."""
    with session.transaction() as connection, in_words():
        _call(connection, "select modelpack.stop_shadow(:model, :version)", model=model, version=version)
    session.say(f"Version {version} of {model} is no shadow any more.")
    session.answer({"model": model, "version": version, "ended": True})


def score(
    session: Session,
    model: Annotated[
        str | None, typer.Argument(help="Name of the model; default: all.", metavar="MODEL")
    ] = None,
) -> None:
    """Have shadows score what the log holds and they have not scored yet. For a scheduler."""
    from sqlalchemy import text

    with session.autocommit() as connection, in_words():
        connection.execute(text("call modelpack.score_shadows(:model)"), {"model": model})
        found = connection.execute(
            text(
                "select model, shadow, score, version, rows, failed from modelpack.shadow_difference order by 1, 2, 3, 4"
            )
        ).all()
    for f in found:
        session.say(
            f"{f.model}: version {f.shadow} beside {f.version}: {f.rows:,} rows, {f.failed:,} without a score"
        )
    session.answer([dict(f._mapping) for f in found])


def show(
    session: Session, model: Model, version: Number, since: Since = None, threshold: Threshold = None
) -> None:
    """How far a shadow is from the versions that scored."""
    from modelpack.shadows.reading import read_shadow

    with session.transaction() as connection, in_words():
        rows = read_shadow(connection, model, version, since)
    if not rows:
        raise RegistryError(
            f"version {version} of {model} has scored nothing as a shadow; run: modelpack shadow start {model} {version}, "
            f"and after some events modelpack shadow score {model}"
        )
    answers = []
    for key, group in groupby(
        sorted(rows, key=lambda r: (r.score, r.scored_by)), key=lambda r: (r.score, r.scored_by)
    ):
        its = list(group)
        answers.append(
            _differ(session, f"version {key[1]}", f"version {version}", its, "shadow_prediction", threshold)
            | {"score": key[0], "version": key[1]}
        )
    session.answer({"model": model, "shadow": version, "differences": answers})


def replay(
    session: Session,
    score: Annotated[str, typer.Argument(help="Name of the score.", metavar="SCORE")],
    version: Annotated[
        int, typer.Option(help="The version that is held against what scored.", metavar="VERSION")
    ],
    since: Since = None,
    profile: Annotated[
        str | None, typer.Option(help="The profile, where several have such a score.", metavar="TABLE")
    ] = None,
    threshold: Threshold = None,
    trained_until: Annotated[
        str | None,
        typer.Option(
            help="When its training data ended; default: the tag trained_until of the version.",
            metavar="WHEN",
        ),
    ] = None,
    even_trained: Annotated[
        bool, typer.Option("--even-trained", help="Rows that it may have been trained on, too.")
    ] = False,
    from_events: Annotated[
        bool,
        typer.Option(
            "--from-events",
            help="Compute features anew from the events, at the cut-offs of the cohorts: for a version with other inputs.",
        ),
    ] = False,
    declaration: Annotated[
        Path | None,
        typer.Option(
            help="The declaration that has its inputs; default: the one that is attached.", metavar="FILE"
        ),
    ] = None,
) -> None:
    """Give a version the inputs that the log holds: what would it have said, and would it have been right more often?"""
    from modelpack.shadows.reading import read_replay, read_rows, read_times

    if declaration is not None and not from_events:
        raise RegistryError("found --declaration without --from-events, expected both")
    with session.transaction() as connection, in_words():
        asked = read_replay(connection, score, version, profile, since, trained_until)
        if not even_trained:
            _refuse_what_it_knows(asked.trained_until, asked.since, asked.model, version)
        if from_events:
            session.answer(_from_events(session, connection, asked, version, declaration, threshold))
            return
        rows = [r for r in read_rows(connection, asked, version) if r.version != version]
        if not rows:
            raise RegistryError(
                f"the log holds no score of {score}{' since ' + since if since else ''} by another version, with the inputs that "
                f"version {version} takes; expected some, see modelpack.prediction"
            )
        answers = []
        for scorer, group in groupby(
            sorted(rows, key=lambda r: int(r.version)), key=lambda r: int(r.version)
        ):
            found = _differ(
                session, f"version {scorer}", f"version {version}", list(group), "rival_prediction", threshold
            )
            answers.append(found | {"version": scorer})
        fits = (
            []
            if asked.kind is None
            else _fit(session, connection, asked.profile, score, version, asked.since, asked.kind)
        )
        times = read_times(connection, asked, version)
    for t in times:
        session.say(
            f"Version {t.version} takes {t.median:,.0f} µs a row in the median, {t.p99:,.0f} µs at most but for one row in a hundred "
            f"({t.rows} rows, one at a time)."
        )
    session.answer(
        {
            "score": score,
            "profile": asked.profile,
            "rival": version,
            "differences": answers,
            "comparisons": fits,
            "times": [dict(t._mapping) for t in times],
        }
    )


def _from_events(
    session: Session,
    connection: Connection,
    asked: Replay,
    version: int,
    declaration: Path | None,
    threshold: float | None,
) -> dict[str, Any]:
    from modelpack.compile.sql import qualified
    from modelpack.declaration import load_profiles
    from modelpack.extras import need_publish

    need_publish("Computing features anew")
    from modelpack.shadows.recomputed import recomputed, stored

    declared = stored(connection, asked.profile)
    if declaration is not None:
        named = {str(qualified(p.table)): p for p in load_profiles(declaration)}
        if asked.profile not in named:
            raise RegistryError(f"{declaration} declares {', '.join(named)}, expected {asked.profile}")
        declared = named[asked.profile]
    with session.working("computing features from the events"):
        rows = [r for r in recomputed(connection, asked, version, declared) if r.version != version]
    differences, comparisons = [], []
    for scorer, group in groupby(sorted(rows, key=lambda r: r.version), key=lambda r: r.version):
        its = list(group)
        found = _differ(
            session, f"version {scorer}", f"version {version}", its, "rival_prediction", threshold
        )
        differences.append(found | {"version": scorer})
        settled = [r for r in its if r.outcome is not None and r.rival_prediction is not None]
        if asked.kind is not None:
            comparisons += _compare(session, scorer, version, settled, asked.kind)
    session.say("", "Columns that no event keeps were taken as they are now.")
    return {
        "score": asked.score,
        "profile": asked.profile,
        "rival": version,
        "differences": differences,
        "comparisons": comparisons,
    }


def _refuse_what_it_knows(trained: Any, since: Any, model: str, version: int) -> None:
    if trained is None:
        raise RegistryError(
            f"nothing says until when version {version} of {model} was trained, and on its training data it would look better than it is; "
            f"expected --trained-until WHEN, or the tag: modelpack tag {model} {version} trained_until=2026-01-31; --even-trained does without"
        )
    if since is None or since < trained:
        raise RegistryError(
            f"version {version} of {model} was trained on data until {trained}, and on these it would look better than it is; "
            f"expected --since with that moment or a later one; --even-trained takes all"
        )


def _fit(
    session: Session, connection: Connection, profile: str, score: str, version: int, since: Any, kind: str
) -> list[dict[str, Any]]:
    from modelpack.outcomes.reading import read_rivals, scored_by_both

    answers: list[dict[str, Any]] = []
    rows = sorted(
        read_rivals(connection, profile, score, version, None if since is None else str(since)),
        key=lambda r: int(r.version),
    )
    for scorer, group in groupby(rows, key=lambda r: int(r.version)):
        if scorer != version:
            its, unscored = scored_by_both(list(group), version)
            if unscored:
                session.say("", hanging("", unscored, 0))
            answers += _compare(session, scorer, version, its, kind)
    if not answers:
        session.say("", "No score whose outcome is settled, so nothing says which is right more often.")
    return answers


def _compare(session: Session, scorer: int, version: int, rows: list[Any], kind: str) -> list[dict[str, Any]]:
    from modelpack.outcomes.report import compared

    answers = []
    for c in compared(
        [r.prediction for r in rows],
        [r.rival_prediction for r in rows],
        [r.outcome for r in rows],
        [r.entity for r in rows],
        kind,
    ):
        words = c.in_words(f"version {scorer}", f"version {version}")
        session.say("", hanging("", words[:1].upper() + words[1:], 0))
        answers.append(asdict(c) | {"version": scorer, "verdict": c.verdict, "words": words})
    return answers


def _differ(
    session: Session, first: str, second: str, rows: list[Any], column: str, threshold: float | None
) -> dict[str, Any]:
    from modelpack.shadows.difference import difference

    try:
        found = difference([r.prediction for r in rows], [getattr(r, column) for r in rows], threshold)
    except ValueError:
        raise RegistryError(f"{second} gave no score for any of {len(rows):,} rows, expected some") from None
    session.say("", *(hanging("", line, 0) for line in _in_words(found, first, second)))
    most = max(b.rows for b in found.histogram)
    for b in found.histogram:
        session.say(f"  {b.low:+9.4f} to {b.high:+9.4f}  {b.rows:>9,}  {'#' * round(40 * b.rows / most)}")
    return asdict(found)


def _in_words(found: Difference, first: str, second: str) -> list[str]:
    failed = f", and none for {found.failed:,} more" if found.failed else ""
    order = "" if found.rank_correlation is None else f" Rank correlation {found.rank_correlation:.4f}."
    lines = [
        f"{second} beside {first}, {found.rows:,} rows{failed}: {found.mean:+.4f} on average, {found.absolute:.4f} either way, "
        f"{found.largest:.4f} at most; {found.same:.0%} are the same.{order}"
    ]
    if found.threshold is not None:
        lines.append(
            f"At {found.threshold:g}: {found.up:.2%} of the rows come to lie above it, {found.down:.2%} below."
        )
    return lines


def reproduce(
    session: Session,
    number: Annotated[int, typer.Argument(help="prediction_id of a row of the log.", metavar="ID")],
) -> None:
    """Compute a score of the log again, from its version and its logged inputs: the same to the last bit."""
    from sqlalchemy import text

    with session.transaction() as connection, in_words():
        found = connection.execute(
            text("select * from modelpack.reproduce(:number)"), {"number": number}
        ).one()
    session.say(
        f"{found.model} version {found.version} for {found.entity_key} at {found.scored_at}: {found.prediction!r} was logged, "
        + (
            f"none comes of it now: {found.failure}"
            if found.reproduced is None
            else f"{found.reproduced!r} comes of it now"
        )
    )
    session.answer(dict(found._mapping))
    if not found.same:
        raise typer.Exit(1)


def _call(connection: Connection, statement: str, **values: object) -> None:
    from sqlalchemy import text

    connection.execute(text(statement), values)


for _one in (start, stop, score, show):
    command(app)(_one)


def add_to(application: typer.Typer) -> None:
    """Register the commands."""
    application.add_typer(
        app, name="shadow", short_help="Versions that score what is logged: what would they say"
    )
    command(application)(replay)
    command(application)(reproduce)
