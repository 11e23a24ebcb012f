"""The commands of the room: `modelpack fit`."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelpack.cli.session import SafeTable, Session, command, hanging
from modelpack.errors import RegistryError

if TYPE_CHECKING:
    from modelpack.outcomes.report import Fit
    from modelpack.outcomes.statistics import Figure


def fit(
    session: Session,
    score: Annotated[str, typer.Argument(help="Name of the score.", metavar="SCORE")],
    profile: Annotated[
        str | None, typer.Option(help="The profile, where several have such a score.", metavar="TABLE")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only cut-offs from this moment on.", metavar="MOMENT")
    ] = None,
    against: Annotated[
        int | None,
        typer.Option(
            help="Compare with this version on the same rows: it is given the inputs that the log holds.",
            metavar="VERSION",
        ),
    ] = None,
) -> None:
    """Hold scores against what came of them: per version, cut-off and segment, with intervals."""
    from modelpack.outcomes.reading import get_score, read_rows
    from modelpack.outcomes.report import fits

    with session.transaction() as connection:
        table, outcome = get_score(connection, score, profile)
        rows = read_rows(connection, table, score, since)
        if not rows:
            raise RegistryError(
                f"no score of {score} was written down{' since ' + since if since else ''}; "
                f"run: call modelpack.take_cohort('{table}'), then, when the horizon of {outcome['horizon']} has passed, "
                f"call modelpack.settle('{table}')"
            )
        found = fits(rows, outcome["kind"])
        _show(session, found, outcome["kind"])
        comparisons = (
            [] if against is None else _compare(session, connection, table, score, outcome, against, since)
        )
    session.answer(
        {
            "score": score,
            "profile": table,
            "kind": outcome["kind"],
            "fits": [asdict(f) | {"pending_share": f.pending_share} for f in found],
            "comparisons": comparisons,
        }
    )


def _show(session: Session, found: list[Fit], kind: str) -> None:
    headings = ("AUC", "Brier score", "rate") if kind == "binary" else ("MAE", "RMSE", "bias")
    table = SafeTable("version", "cut-off", "rows", "pending", *headings)
    for f in found:
        where = f.segment or ("all final" if f.cut_off is None else f"{f.cut_off:%Y-%m-%d}")
        table.add_row(
            str(f.version),
            where,
            f"{f.rows:,}",
            f"{f.pending_share:.0%}",
            *(_figure(f.figures.get(h)) for h in headings),
        )
    session.say(table)
    for f in found:
        if f.cut_off is None and not f.segment:
            _details(session, f)
        if f.expected is not None and f.cut_off is not None:
            e = f.expected
            auc = "" if e.auc is None else f"AUC {e.auc:.3f}, "
            how = "calibrated by settled cut-offs" if e.calibrated else "taking scores for probabilities"
            session.say(
                hanging(
                    "",
                    f"Estimate, not settled: version {f.version} at {f.cut_off:%Y-%m-%d}: {auc}Brier score {e.brier:.3f}, "
                    f"rate {e.rate:.3f} ({how}; {f.pending_share:.0%} pending).",
                    0,
                )
            )


def _details(session: Session, f: Fit) -> None:
    session.say(
        "", f"Version {f.version}, {f.settled:,} settled rows of {f.entities:,} entities, {f.lost:,} lost:"
    )
    for name in ("average precision", "log loss"):
        if name in f.figures:
            session.say(f"  {name} {_figure(f.figures[name])}")
    if f.calibration is not None:
        c = f.calibration
        session.say(
            f"  Brier score {c.brier:.4f} = miscalibration {c.miscalibration:.4f}",
            f"    - discrimination {c.discrimination:.4f} + uncertainty {c.uncertainty:.4f}",
        )
    for b in f.bins:
        session.say(
            f"  said {b.said:.3f}, came {b.came:.3f} ({b.came_low:.3f} to {b.came_high:.3f}), {b.rows:,} rows"
        )
    for at in f.lifts:
        session.say(f"  highest {at.k:.0%}: lift {at.lift:.2f}, gain {at.gain:.0%}")
    if f.quantiles:
        session.say(
            "  error quantiles: " + ", ".join(f"{q:.0%} {value:.4g}" for q, value in f.quantiles.items())
        )


def _figure(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _compare(
    session: Session,
    connection: Any,
    table: str,
    score: str,
    outcome: dict[str, Any],
    against: int,
    since: str | None,
) -> list[dict[str, Any]]:
    from modelpack.outcomes.reading import published_after, read_rivals, scored_by_both
    from modelpack.outcomes.report import compared

    rows = sorted(read_rivals(connection, table, score, against, since), key=lambda r: r.version)
    answers: list[dict[str, Any]] = []
    for version, group in groupby(rows, key=lambda r: r.version):
        if version == against:
            continue
        its, unscored = scored_by_both(list(group), against)
        if unscored:
            session.say("", hanging("", unscored, 0))
        if not its:
            continue
        seen = published_after(connection, outcome["model"], against, min(r.cut_off for r in its))
        remark = (
            f"Version {against} was published after the first of these cut-offs: it may have been trained on what followed."
            if seen
            else ""
        )
        for c in compared(
            [r.prediction for r in its],
            [r.rival_prediction for r in its],
            [r.outcome for r in its],
            [r.entity for r in its],
            outcome["kind"],
        ):
            words = c.in_words(f"version {version}", f"version {against}")
            session.say("", hanging("", words[:1].upper() + words[1:], 0))
            answers.append(
                asdict(c)
                | {
                    "first_version": version,
                    "second_version": against,
                    "verdict": c.verdict,
                    "words": words,
                    "remark": " ".join(filter(None, (remark, unscored))),
                }
            )
        if remark:
            session.say(hanging("", remark, 0))
    if not answers:
        session.say(
            "", f"Nothing to compare with version {against}: no settled row whose inputs the log still holds."
        )
    return answers


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    command(app)(fit)
