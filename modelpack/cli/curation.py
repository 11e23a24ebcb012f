"""Commands that describe and govern versions: aliases, words, approval, grants, retirement, files, comparison."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelpack.cli.models import Name, Number, Reason
from modelpack.cli.session import SafeTable, Session, command
from modelpack.errors import RegistryError

if TYPE_CHECKING:
    from modelpack.curation import Difference


def diff(
    session: Session,
    name: Name,
    first: Annotated[int, typer.Argument(help="Number of a version.", metavar="FIRST")],
    second: Annotated[int, typer.Argument(help="Number of another version.", metavar="SECOND")],
    sample: Annotated[
        Path | None,
        typer.Option(
            help="A .csv or .parquet file of rows to score with both; default: the golden rows of the first.",
            metavar="FILE",
        ),
    ] = None,
) -> None:
    """Compare two versions: inputs, metrics, libraries, lineage, and their scores of the same rows.

    With --sample it needs modelpack[publish].
    """
    rows = None
    if sample is not None:
        from modelpack.packager import read_sample

        frame = read_sample(sample)
        rows = [
            {str(k): None if v is None or v != v else v for k, v in row.items()}
            for row in frame.astype(object).to_dict("records")
        ]
    with session.working(f"{name}: scoring with both"):
        found = session.registry.curation.diff(name, first, second, rows)
    table = SafeTable("part", "name", f"version {first}", f"version {second}")
    scores = [d for d in found if d.part == "score"]
    for difference in found:
        if difference.part != "score":
            table.add_row(
                difference.part, difference.name, difference.first or "none", difference.second or "none"
            )
    said, largest = _summary(scores)
    session.say(*([table] if table.row_count else ["Inputs, metrics, libraries and lineage are the same."]))
    session.say(said)
    session.answer(
        {
            "model": name,
            "first": first,
            "second": second,
            "differences": [d.to_json() for d in found if d.part != "score"],
            "scores": [d.to_json() for d in scores],
            "largest_difference": largest,
        }
    )


def _summary(scores: list[Difference]) -> tuple[str, float]:
    largest, where, one_sided = 0.0, "", 0
    for row in scores:
        numbers = _number(row.first), _number(row.second)
        if numbers[0] is None or numbers[1] is None:
            one_sided += (numbers[0] is None) != (numbers[1] is None)
        elif abs(numbers[0] - numbers[1]) > largest:
            largest, where = abs(numbers[0] - numbers[1]), row.name
    said = (
        f"Scores of {len(scores)} rows differ by at most {largest:.6g}"
        + (f", row {where}" if where else "")
        + "."
    )
    if one_sided:
        said += f" {one_sided} rows have a score of one version only."
    return said, largest


def _number(text: str | None) -> float | None:
    try:
        found = float(text or "")
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def import_(
    session: Session,
    file: Annotated[Path, typer.Argument(help="A file that `modelpack export` wrote.", metavar="FILE")],
    name: Annotated[
        str | None, typer.Option(help="Name of the model here; default: the name it had.", metavar="NAME")
    ] = None,
    promote: Annotated[bool, typer.Option("--promote", help="Make it the version that scores.")] = False,
) -> None:
    """Publish an exported version, from this database or another; its golden rows are run on the server."""
    version = session.registry.import_file(file, name=name, promote=promote)
    session.say(
        f"{version.model} version {version.version} is published"
        + (" and scores now." if version.is_champion else ".")
    )
    session.answer(version.to_json())


def alias(
    session: Session,
    name: Name,
    alias: Annotated[str, typer.Argument(help="challenger, or any other name.", metavar="ALIAS")],
    version: Annotated[
        int | None, typer.Argument(help="Number of the version it stands for.", metavar="VERSION")
    ] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Take the alias off.")] = False,
    reason: Reason = "",
) -> None:
    """Let a name stand for a version, or take it off. `champion` is the version that scores."""
    if drop == (version is not None):
        raise RegistryError("give either the number of a version or --drop; see modelpack alias --help")
    if version is None:
        session.registry.curation.drop_alias(name, alias, reason)
        session.say(f"{alias} of {name} is gone.")
    else:
        session.registry.curation.set_alias(name, alias, version, reason)
        session.say(f"{alias} of {name} is version {version}.")
    session.answer({"model": name, "alias": alias, "version": version, "reason": reason})


def tag(
    session: Session,
    name: Name,
    version: Number,
    tags: Annotated[
        list[str] | None, typer.Argument(help="NAME or NAME=VALUE; may be repeated.", metavar="TAG")
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", help="Take this tag off; may be repeated.", metavar="NAME")
    ] = None,
    note: Annotated[str, typer.Option(help="Add a note.", metavar="TEXT")] = "",
    metric: Annotated[
        list[str] | None,
        typer.Option(help="A figure that was found later; may be repeated.", metavar="NAME=VALUE"),
    ] = None,
) -> None:
    """Describe a version after it was published: tags, notes, metrics."""
    from modelpack.cli.models import metrics_of

    registry = session.registry
    for text in tags or []:
        key, _, value = text.partition("=")
        registry.curation.set_tag(name, version, key, value)
    for key in drop or []:
        registry.curation.set_tag(name, version, key, None)
    if note:
        registry.curation.add_note(name, version, note)
    for key, figure in metrics_of(metric or []).items():
        registry.curation.set_metric(name, version, key, figure)
    found = registry.version(name, version)
    session.say(
        f"{name} version {version}: " + (", ".join(_tag(*item) for item in found.tags.items()) or "no tags")
    )
    session.answer(found.to_json())


def _tag(name: str, value: str) -> str:
    return f"{name}={value}" if value else name


def approve(
    session: Session,
    name: Name,
    version: Number,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the approval back.")] = False,
    reason: Reason = "",
) -> None:
    """Approve a version for promotion, or take that back. Its publisher cannot approve it."""
    registry = session.registry
    document = {"model": name, "version": version, "approved": not withdraw, "reason": reason}
    if withdraw:
        registry.curation.withdraw_approval(name, version, reason)
        scores = registry.version(name, version).is_champion
        session.say(
            f"The approval of {name} version {version} is withdrawn"
            + (f"; it scores on until `modelpack rollback {name}`." if scores else ".")
        )
        session.answer(document)
        return
    registry.curation.approve(name, version, reason)
    session.say(f"{name} version {version} is approved; `modelpack promote {name} {version}` makes it score.")
    session.answer(document)


def grant(
    session: Session,
    name: Name,
    role: Annotated[
        str | None,
        typer.Argument(help="A role of the database; without one the grants are listed.", metavar="ROLE"),
    ] = None,
    predict: Annotated[
        bool, typer.Option("--predict", help="Let it score ad hoc with the model, and nothing else.")
    ] = False,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take all grants of the role back.")] = False,
    require_approval: Annotated[
        bool | None,
        typer.Option(
            "--require-approval/--no-approval",
            help="Whether somebody other than the publisher has to approve a version.",
        ),
    ] = None,
) -> None:
    """Let a role promote, alias, describe and retire versions of a model and score with it, or score with it alone."""
    registry = session.registry
    if role is None and (revoke or predict):
        raise RegistryError(
            f"there is no ROLE; expected modelpack grant {name} ROLE, with --predict or --revoke"
        )
    if role is not None and revoke:
        registry.curation.revoke(name, role)
    elif role is not None:
        registry.curation.grant(name, role, "predict" if predict else "manage")
    if require_approval is not None:
        registry.curation.require_approval(name, require_approval)
    granted = registry.curation.grants(name)
    by_right = {right: [r for r, may in granted.items() if may == right] for right in ("manage", "predict")}
    session.say(
        f"{name} is managed by {', '.join(by_right['manage']) or 'nobody'} (and members of modelpack_owner)."
    )
    if by_right["predict"]:
        session.say(f"{', '.join(by_right['predict'])} may score with it.")
    session.answer({"model": name, **by_right})


def retire(session: Session, name: Name, version: Number, reason: Reason = "") -> None:
    """Take a version out of use for good. Its bytes stay until they are purged."""
    session.registry.curation.retire(name, version, reason)
    session.say(f"{name} version {version} is retired; `modelpack purge` deletes its bytes in time.")
    session.answer({"model": name, "version": version, "reason": reason})


def recheck(
    session: Session,
    name: Name,
    version: Annotated[
        int | None,
        typer.Argument(help="Number of the version; default: the champion.", metavar="[VERSION]"),
    ] = None,
) -> None:
    """Put a version through the server's gate again, as after an upgrade of the server's onnxruntime."""
    number = session.registry.version(name, version).version
    found = session.registry.curation.recheck(name, number)
    session.say(
        f"{name} version {number}: every golden row gives its score with onnxruntime {found['onnxruntime']} "
        f"({found['row_microseconds']:g} µs a row)."
    )
    session.answer({"model": name, **found, "version": number})


def purge(
    session: Session,
    retired_for: Annotated[
        str | None,
        typer.Option(
            help="How long ago versions were retired, e.g. '7 days'; default: the setting retired_kept.",
            metavar="INTERVAL",
        ),
    ] = None,
) -> None:
    """Delete the bytes of models that only retired versions name. What is known about the versions stays."""
    with session.working("looking for bytes that no version needs"):
        purged = session.registry.curation.purge(retired_for)
    for sha256, size in purged.items():
        session.say(f"{sha256}  {size:,} bytes")
    session.say(
        f"{len(purged)} model(s) with {sum(purged.values()):,} bytes are purged."
        if purged
        else "There is nothing to purge."
    )
    session.answer({"purged": purged, "bytes": sum(purged.values())})


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    command(app, "import")(import_)
    for function in (diff, alias, tag, approve, grant, recheck, retire, purge):
        command(app)(function)
