"""The commands of the room: `modelpack explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from modelpack.cli.session import SafeTable, Session, command, hanging, in_words
from modelpack.errors import RegistryError


def explain(
    session: Session,
    profile: Annotated[str | None, typer.Argument(help="The profile table.", metavar="[PROFILE]")] = None,
    key: Annotated[
        str | None,
        typer.Argument(help="Key of its row; a JSON array where it has several columns.", metavar="[KEY]"),
    ] = None,
    score: Annotated[
        str | None, typer.Option(help="Which score, where the profile has several.", metavar="SCORE")
    ] = None,
    prediction: Annotated[
        int | None,
        typer.Option(help="Instead of PROFILE and KEY: prediction_id of a row of the log.", metavar="ID"),
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long it may take.", metavar="SECONDS")] = 10.0,
) -> None:
    """Say what made the newest logged score of a row: what each of its inputs adds to it.

    The row is compared with rows of the sample that its version was published with: the mean of their scores and all
    contributions make the score. For members of modelpack_monitor.
    """
    from sqlalchemy import text

    if (prediction is None) == (profile is None or key is None) or (prediction is not None and score):
        raise RegistryError(
            "expected PROFILE and KEY, or --prediction ID alone: modelpack explain customer 42"
        )
    source = (
        "modelpack.explain(cast(:profile as regclass), :key, :score, :seconds)"
        if prediction is None
        else "modelpack.explain(cast(:prediction as bigint), :seconds)"
    )
    with session.transaction() as connection, in_words():
        found = connection.execute(
            text(f"select * from {source}"),
            {"profile": profile, "key": key, "score": score, "prediction": prediction, "seconds": seconds},
        ).all()
        of = found[0]
        line = connection.execute(
            text(
                "select modelpack.in_a_line(cast(:inputs as text[]), cast(:values as text[]), "
                "cast(:contributions as double precision[]), :prediction, :base)"
            ),
            {
                "inputs": [f.input for f in found],
                "values": [f.value for f in found],
                "contributions": [f.contribution for f in found],
                "prediction": of.prediction,
                "base": of.base,
            },
        ).scalar_one()
    sampled = any(f.standard_error for f in found)
    table = SafeTable("input", "value", "contribution", *(["standard error"] if sampled else []))
    for column in table.columns[2:]:
        column.justify = "right"
    for f in found:
        value = "missing" if f.value is None else f.value
        cells = [f.input, value if len(value) <= 60 else f"{value[:60]}…", f"{f.contribution:+.4g}"]
        table.add_row(*cells, *([f"{f.standard_error:.2g}"] if sampled else []))
    session.say(hanging("", line, 0), "", table, "")
    session.say(
        hanging(
            "",
            f"From {of.base:.4g}, the mean of {of.background_rows} background rows, to {of.prediction:.4g}, given by "
            f"{of.model} version {of.version} at {of.scored_at:%Y-%m-%d %H:%M:%S %Z} (prediction_id {of.prediction_id}). "
            f"By {of.method}; {of.library}.",
            0,
        )
    )
    shared = (
        "prediction_id", "scored_at", "model", "version", "prediction", "base", "method", "background_rows", "library"
    )  # fmt: skip
    parts = [{k: f._mapping[k] for k in ("input", "value", "contribution", "standard_error")} for f in found]
    session.answer({**{k: of._mapping[k] for k in shared}, "line": line, "inputs": parts})


def add_to(app: typer.Typer) -> None:
    """Add the commands of this room."""
    command(app)(explain)
