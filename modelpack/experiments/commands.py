"""The commands of the room: `modelpack experiment start`, `show`, `weights`, `stop` and `conclude`."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelpack.cli.session import SafeTable, Session, command, hanging, in_words
from modelpack.errors import RegistryError, shown

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from modelpack.experiments.report import Found

Name = Annotated[str, typer.Argument(help="Name of the experiment.", metavar="EXPERIMENT")]
Reason = Annotated[str, typer.Option(help="Why; kept with the experiment.", metavar="TEXT")]

app = typer.Typer(
    help="Several versions at once, each for a share of the entities: which one does more good.",
    short_help="Several versions at once: which one does more good",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def start(
    session: Session,
    score: Annotated[str, typer.Argument(help="Name of the score.", metavar="SCORE")],
    name: Annotated[str, typer.Option(help="Name of the experiment.", metavar="NAME")],
    arms: Annotated[
        str,
        typer.Option(
            help="Arms with their shares, the one to compare with first. An arm is an alias of the model (champion=90,challenger=10), "
            "or has a version (old:3=50,new:5=50).",
            metavar="ARM=SHARE,…",
        ),
    ],
    profile: Annotated[
        str | None, typer.Option(help="The profile, where several have such a score.", metavar="TABLE")
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            help="Which rows p take part, such as \"p.plan = 'pro'\"; for members of modelpack_owner.",
            metavar="SQL",
        ),
    ] = None,
) -> None:
    """Give each entity an arm when its row is next scored, and score it by the version of that arm."""
    from modelpack.declaration.expressions import check_expression

    wanted = parse_arms(arms)
    if where is not None:
        check_expression(where, "the condition")
    with session.transaction() as connection, in_words():
        table = get_profile(connection, score, profile)
        _call(
            connection,
            "select modelpack.start_experiment(cast(:profile as regclass), :score, :name, cast(:arms as jsonb), :where)",
            profile=table, score=score, name=name, arms=json.dumps(wanted), where=where,
        )  # fmt: skip
    session.say(
        f"The experiment {name} on {score} of {table} has begun.",
        f"Rows get their arm when something happens to them; for all at once: call modelpack.rescore('{table}', everything => true)",
        f"What it finds: modelpack experiment show {name}",
    )
    session.answer({"experiment": name, "profile": table, "score": score, "arms": wanted})


def show(
    session: Session,
    name: Name,
    metric: Annotated[
        str | None,
        typer.Option(help="A metric that the score declares; default: its outcome.", metavar="METRIC"),
    ] = None,
    exposed: Annotated[
        bool,
        typer.Option(
            "--exposed", help="Only entities on whose score was acted (modelpack.expose), from then on."
        ),
    ] = False,
    find: Annotated[
        float | None,
        typer.Option(help="A difference that is to be found: how long will it take?", metavar="NUMBER"),
    ] = None,
) -> None:
    """Hold the arms against each other: whether they were split as they should be, then what differs, with intervals."""
    from modelpack.experiments.reading import read_experiment, read_values
    from modelpack.experiments.report import found, in_words
    from modelpack.experiments.statistics import ALARM

    with session.transaction() as connection:
        running = read_experiment(connection, name)
        asked = metric or (running.metrics[0] if running.metrics else None)
        everybody = read_values(connection, name, None)
        values = None if asked is None else read_values(connection, name, asked, exposed)
    if find is not None and (find == 0 or not math.isfinite(find)):
        raise RegistryError(f"--find {find:g}: no such difference can be looked for, expected another number")
    result = found(running, everybody, values, asked, find)
    ended = f"ended: {running.ended_why}" if running.ended_at else "runs"
    session.say(f"{running.name} on {running.score} of {running.profile}, {running.days:.1f} days, {ended}")
    if not result.balanced:  # before any figure: none can be believed
        whose = "split" if result.balance < ALARM else "split of those that are measured"
        session.say(
            hanging(
                "",
                f"The {whose} is not that of the weights (p = {min(result.balance, result.measured):.2g}): something loses or adds entities of one arm. "
                "Nothing that follows can be believed until that is found.",
                0,
            ),
            "",
        )
    table = SafeTable("arm", "version", "share", "entities", "measured", "mean")
    for a in result.arms:
        mean = "-" if a.mean is None else f"{a.mean:.4g}"
        table.add_row(a.arm, str(a.version), f"{a.weight:.1%}", f"{a.entities:,}", f"{a.ripe:,}", mean)
    session.say(table)
    if asked is None:
        session.say(
            "", "The score declares no outcome and no metric, so there is nothing to measure the arms by."
        )
    else:
        for a in result.arms[1:]:
            session.say("", hanging("", in_words(running, a, asked), 0))
        for a in result.arms:
            if a.worth is not None:
                w = a.worth
                session.say(
                    f"With {a.arm} alone {asked} would have been {w.value:.4g} ({w.low:.4g} to {w.high:.4g}), by the weights that were drawn with."
                )
        if result.pending or result.lost:
            session.say(
                "",
                f"Not counted: {result.pending:,} whose horizon has not passed, {result.lost:,} whose row or value is gone.",
            )
    session.answer(document(running.name, result) | {"ended": running.ended_why, "days": running.days})


def document(name: str, result: Found) -> dict[str, Any]:
    """The result as JSON."""
    return {
        "experiment": name,
        "metric": result.metric,
        "balance": result.balance,
        "balance_of_measured": result.measured,
        "balanced": result.balanced,
        "pending": result.pending,
        "lost": result.lost,
        "arms": [
            asdict(a) | {"verdict": None if a.effect is None else a.effect.verdict} for a in result.arms
        ],
    }


def weights(
    session: Session,
    name: Name,
    arms: Annotated[
        str | None, typer.Option(help="The new shares of all arms.", metavar="ARM=SHARE,…")
    ] = None,
    thompson: Annotated[
        bool,
        typer.Option(
            "--thompson",
            help="Shares by how likely each arm is the best, by what is settled: a bandit. For a scheduler.",
        ),
    ] = False,
    metric: Annotated[
        str | None,
        typer.Option(help="What --thompson makes the most of; default: the outcome.", metavar="METRIC"),
    ] = None,
    floor: Annotated[
        float, typer.Option(help="With --thompson: the least share of an arm.", metavar="SHARE")
    ] = 0.05,
    half_life: Annotated[
        float | None,
        typer.Option(help="With --thompson: after so many days an outcome counts half.", metavar="DAYS"),
    ] = None,
    least: Annotated[
        bool, typer.Option("--least", help="With --thompson: the lower the metric, the better.")
    ] = False,
    reason: Reason = "",
) -> None:
    """Change the shares of the arms for entities that come from now on; who has an arm keeps it."""
    if thompson == (arms is not None):
        raise RegistryError("expected either --arms, with the new shares, or --thompson")
    with session.transaction() as connection, in_words():
        if arms is not None:
            wanted = parse_arms(arms)
            if any("version" in a for a in wanted):
                raise RegistryError(
                    f"--arms {shown(arms)} names a version; an arm keeps its own, expected ARM=SHARE"
                )
            shares = {a["arm"]: a["weight"] for a in wanted}
        else:
            shares = _thompson(connection, name, metric, floor, half_life, least)
            reason = reason or "thompson"
        _call(
            connection,
            "select modelpack.set_weights(:name, cast(:weights as jsonb), :reason)",
            name=name, weights=json.dumps(shares), reason=reason,
        )  # fmt: skip
    total = sum(shares.values())
    session.say(*(f"{arm:<20} {share / total:.1%}" for arm, share in shares.items()))
    session.answer({"experiment": name, "weights": {a: s / total for a, s in shares.items()}})


def _thompson(
    connection: Connection, name: str, metric: str | None, floor: float, half_life: float | None, least: bool
) -> dict[str, float]:
    import numpy as np

    from modelpack.experiments.reading import read_experiment, read_values
    from modelpack.experiments.report import could_have
    from modelpack.experiments.statistics import thompson

    running = read_experiment(connection, name)
    if metric is None and not running.metrics:
        raise RegistryError(
            f"the score {running.score} declares no outcome and no metric, so nothing says which arm is better"
        )
    asked = metric or running.metrics[0]
    values = read_values(connection, name, asked)
    # of a time in which an arm was given to nobody nothing is to be had that says which one is better
    known = values.ripe & np.isfinite(values.value) & could_have(running, values, *running.versions)
    binary = asked == "outcome" and running.kind == "binary"
    good = values.value if not least else (1 - values.value if binary else -values.value)
    try:
        return thompson(
            {arm: good[known & (values.arms == arm)] for arm in running.versions},
            floor=floor,
            kind="binary" if binary else "number",
            weights={arm: values.weights[known & (values.arms == arm)] for arm in running.versions},
            ages={arm: values.ages[known & (values.arms == arm)] for arm in running.versions},
            half_life=half_life,
            seed=len(running.weights),
        )
    except ValueError as error:
        raise RegistryError(str(error)) from None


def stop(session: Session, name: Name, reason: Reason = "") -> None:
    """End an experiment without a winner: the champion scores all rows again, as they come by."""
    with session.transaction() as connection, in_words():
        _call(connection, "select modelpack.stop_experiment(:name, :reason)", name=name, reason=reason)
    session.say(f"The experiment {name} has ended.")
    session.answer({"experiment": name, "ended": True})


def conclude(
    session: Session,
    name: Name,
    winner: Annotated[str, typer.Option(help="The arm whose version is promoted.", metavar="ARM")],
    reason: Reason = "",
) -> None:
    """End an experiment and promote the version of the arm that won, in one transaction."""
    with session.transaction() as connection, in_words():
        _call(
            connection,
            "select modelpack.conclude_experiment(:name, :winner, :reason)",
            name=name, winner=winner, reason=reason,
        )  # fmt: skip
    session.say(f"The experiment {name} has ended; the version of {winner} is the champion.")
    session.answer({"experiment": name, "winner": winner})


def parse_arms(text: str) -> list[dict[str, Any]]:
    """`champion=90,new:5=10` as arms with weights. Raises RegistryError for anything else."""
    found: list[dict[str, Any]] = []
    for part in text.split(","):
        name, equals, share = part.strip().partition("=")
        name, colon, version = name.partition(":")
        try:
            if not name or not equals or not math.isfinite(float(share)):
                raise ValueError
            found.append({"arm": name, "weight": float(share)} | ({"version": int(version)} if colon else {}))
        except ValueError:
            raise RegistryError(
                f"--arms has {shown(part.strip())}, expected ARM=SHARE or ARM:VERSION=SHARE, such as champion=90,challenger=10"
            ) from None
    if len({a["arm"] for a in found}) < len(found):
        raise RegistryError(f"--arms {shown(text)} names an arm twice, expected each once")
    return found


def get_profile(connection: Connection, score: str, profile: str | None) -> str:
    """The profile that has a score. Raises RegistryError where none has it, or several and `profile` names none of them."""
    from sqlalchemy import text

    found = connection.execute(
        text(
            "select p.name, s.score from modelpack.score as s join modelpack.profile as p using (profile_id) order by 1, 2"
        )
    ).all()
    mine = [
        f.name
        for f in found
        if f.score == score and profile in (None, f.name, f.name.removeprefix("public."))
    ]
    if len(mine) == 1:
        return str(mine[0])
    names = ", ".join(f"{f.score} of {f.name}" for f in found) or "none"
    if mine:
        raise RegistryError(
            f"several profiles have a score {score}: {', '.join(mine)}; name one with --profile"
        )
    raise RegistryError(f"there is no score {score}, expected one of: {names}")


def _call(connection: Connection, statement: str, **values: object) -> None:
    from sqlalchemy import text

    connection.execute(text(statement), values)


for _one in (start, show, weights, stop, conclude):
    command(app)(_one)


def add_to(application: typer.Typer) -> None:
    """Register the commands."""
    application.add_typer(app, name="experiment")
