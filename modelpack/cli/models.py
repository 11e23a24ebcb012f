"""Commands of the data scientist: versions of models."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelpack import exchange
from modelpack.cli.session import SafeTable, Session, command, hanging
from modelpack.errors import PackagingError, RegistryError, shown

if TYPE_CHECKING:
    import pandas as pd

    from modelpack.curation import Promotion

FEW = 30
"""Rows of a sample below which a remark is made."""

Name = Annotated[str, typer.Argument(help="Name of the model.", metavar="NAME")]
Number = Annotated[int, typer.Argument(help="Number of the version.", metavar="VERSION")]
AllowUnseen = Annotated[
    bool,
    typer.Option(
        "--allow-unseen",
        help="Promote it though more rows than unseen_percent have a text that it has never seen.",
    ),
]
Reason = Annotated[str, typer.Option(help="Why; kept in the history.", metavar="TEXT")]


def publish(
    session: Session,
    model: Annotated[
        str | None,
        typer.Argument(
            help="A joblib file of a fitted estimator, an .onnx or .pmml file with --expected, or a model of MLflow's "
            "(a folder, runs:/…, models:/…). All but .onnx and .pmml files are executed.",
            metavar="MODEL",
        ),
    ] = None,
    *,
    name: Annotated[str, typer.Option(help="Name of the model in the database.", metavar="NAME")],
    sample: Annotated[
        Path | None,
        typer.Option(
            help="A .csv or .parquet file of rows like those to be scored; default: the input example of a model of "
            "MLflow's.",
            metavar="FILE",
        ),
    ] = None,
    expected: Annotated[
        str | None,
        typer.Option(
            help="For an .onnx or .pmml file, the score of each row: a column of the sample, or a .csv or .parquet file with one "
            "column.",
            metavar="COLUMN|FILE",
        ),
    ] = None,
    training_data: Annotated[
        Path | None,
        typer.Option(
            help="The rows that it was fitted on: their fingerprint is kept with the version.", metavar="FILE"
        ),
    ] = None,
    dummy: Annotated[
        float | None,
        typer.Option(help="Instead of MODEL: a model that scores every row this.", metavar="SCORE"),
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(
            help="The columns that the inputs of an .onnx file mean, in their order; default: by name, else all of the "
            "sample. Of a dummy: complaints,spend,plan:text.",
            metavar="NAMES",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            help="The output of an .onnx file that holds the score; default: the only one of floats. Of an estimator "
            "with several outputs, its number from 0.",
            metavar="NAME",
        ),
    ] = None,
    promote: Annotated[bool, typer.Option("--promote", help="Make it the version that scores.")] = False,
    allow_unseen: AllowUnseen = False,
    positive_class: Annotated[
        str | None,
        typer.Option(
            help="The class whose probability is the score; default for two classes: the second. Where an .onnx file has no "
            "labels, the number of the column from 0.",
            metavar="CLASS",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="A figure to keep with the version; may be repeated.", metavar="NAME=VALUE"),
    ] = None,
    note: Annotated[str, typer.Option(help="What to say about the version.", metavar="TEXT")] = "",
    tolerance: Annotated[
        float,
        typer.Option(
            help="Largest difference allowed between ONNX and the estimator (or what is expected): absolute for "
            "probabilities, else relative."
        ),
    ] = 1e-5,
    timeout: Annotated[
        float, typer.Option(help="Seconds that converting and comparing may take.", metavar="SECONDS")
    ] = 300.0,
    no_background: Annotated[
        bool,
        typer.Option(
            "--no-background",
            help="Keep no rows of the sample with the version. Else up to 100 are kept, which explanations compare with; "
            "they may be personal data.",
        ),
    ] = False,
    engine: Annotated[
        str | None,
        typer.Option(
            help="What scores it on the server: onnx (onnxruntime), or python, for linear models and trees: no wheels, and "
            "a quick first event. Default: python for up to some thousand nodes, else onnx.",
            metavar="ENGINE",
        ),
    ] = None,
    accept: Annotated[
        str | None,
        typer.Option(
            help="Accept a model that misses the tolerance, for this reason; kept with the version.",
            metavar="REASON",
        ),
    ] = None,
) -> None:
    """Turn a model into ONNX in normal form, prove that it scores the same, and store it as the next version.

    Needs modelpack[publish].
    """
    metrics = metrics_of(metric or [])
    if dummy is not None:
        if model is not None or sample is not None or not inputs:
            raise RegistryError(
                "--dummy takes no MODEL and no --sample, but --inputs; e.g. "
                f"modelpack publish --dummy 0.1 --name {name} --inputs complaints,spend,plan:text"
            )
        version = session.registry.publish_dummy(
            dummy, inputs.split(","), name=name, promote=promote, **({"note": note} if note else {})
        )
        session.say(f"{name} version {version.version} is published: a dummy that scores {dummy:g}.")
        session.answer(version.to_json())
        return
    if model is None:
        raise RegistryError(
            f"there is no MODEL; expected modelpack publish MODEL --name {name} --sample FILE"
        )
    from modelpack.packager import open_model, other_versions, read_sample, watched

    opened = open_model(model)
    frame = None if sample is None else read_sample(sample, opened.model)
    with session.working(f"{name}: converting and comparing") as tell, watched(tell):
        version = session.registry.publish(
            opened,
            name=name,
            sample=frame,
            expected=expected_of(expected, frame),
            inputs=None if inputs is None else [text.strip() for text in inputs.split(",")],
            output=output,
            promote=promote,
            allow_unseen=allow_unseen,
            positive_class=positive_class,
            note=note,
            metrics=metrics,
            tolerance=tolerance,
            timeout=timeout,
            accept=accept,
            background=not no_background,
            engine=engine,
            training_data=None if training_data is None else read_sample(training_data),
        )
    rows = version.parity.get("rows", 0)
    if rows < FEW:
        session.note(f"Parity is shown by only {rows} rows of the sample; give some hundreds with --sample.")
    fitted_with = version.lineage.get("fitted_with")
    if isinstance(fitted_with, dict) and (remark := other_versions(fitted_with)):
        session.note(f"{remark} It gives the same scores here; both versions are kept with this one.")
    largest = version.parity.get("max_difference")
    unseen = session.registry.unseen(name, version.version) if version.is_champion else []
    session.say(
        f"{name} version {version.version} is published"
        + (
            " and scores now."
            if version.is_champion
            else f"; `modelpack promote {name} {version.version}` makes it score."
        )
    )
    session.say(hanging("", f"Score: {version.lineage.get('score')}.", 0))
    session.say(f"Engine: {version.engine}.")
    if largest is not None:
        truth = "the estimator" if expected is None else "what is expected"
        session.say(
            hanging(
                "",
                f"Largest difference from {truth}: {largest:.3g}; allowed: {tolerance:g}, {version.parity['unit']}.",
                0,
            )
        )
    session.say(*(hanging("", str(found), 0) for found in unseen))
    session.answer(version.to_json())


def expected_of(given: str | None, sample: pd.DataFrame | None) -> Any:
    """The name of a column of the sample, or the values of a file's only column.

    Raises PackagingError where it is neither.
    """
    from modelpack.packager import read_sample

    if given is None or (sample is not None and given in sample.columns):
        return given
    if Path(given).suffix.lower() not in (".csv", ".parquet"):
        columns = "none" if sample is None else ", ".join(map(str, sample.columns))
        raise PackagingError(
            f"--expected {given} is neither a column of the sample ({columns}) nor a .csv or .parquet file."
        )
    frame = read_sample(Path(given))
    if len(frame.columns) != 1:
        raise PackagingError(
            f"{given} has the columns {', '.join(map(str, frame.columns))}: one with the expected outputs is expected."
        )
    return frame.iloc[:, 0]


def list_(
    session: Session,
    name: Annotated[str | None, typer.Argument(help="One model only.", metavar="[NAME]")] = None,
) -> None:
    """List models and their versions."""
    versions = session.registry.versions(name)
    table = SafeTable("model", "version", "stands for", "published", "by", "metrics", "note")
    table.columns[1].justify = "right"
    for v in versions:
        table.add_row(
            v.model,
            str(v.version),
            ", ".join(v.aliases),
            f"{v.created_at:%Y-%m-%d %H:%M}",
            v.created_by,
            v.figures,
            v.note,
        )
    session.say(table if versions else "There are no models yet: modelpack publish MODEL --name …")
    session.answer([v.to_json() for v in versions])


def show(
    session: Session,
    name: Name,
    number: Annotated[
        int | None,
        typer.Argument(
            help="Number of the version; default: the champion, else the newest.", metavar="[VERSION]"
        ),
    ] = None,
) -> None:
    """Show one version: inputs, metrics, parity, libraries, and the history of the model."""
    registry = session.registry
    if number is None:
        versions = registry.versions(name)
        version = next((v for v in versions if v.is_champion), versions[-1])
    else:
        version = registry.version(name, number)
    history = registry.curation.history(name)
    for label, value in version.facts().items():
        session.say(hanging(label, str(value), 13))
    session.say("history" if history else "history      never promoted")
    session.say(*(hanging("", _line(step), 2) for step in history))
    session.answer({**version.to_json(), "promotions": [step.to_json() for step in history]})


def promote(
    session: Session,
    name: Name,
    version: Number,
    reason: Reason = "",
    require: Annotated[
        str | None,
        typer.Option(
            help="Only where settled outcomes show this: 'auc not below champion by 0.01 at 95%'.",
            metavar="CONDITIONS",
        ),
    ] = None,
    allow_unseen: AllowUnseen = False,
) -> None:
    """Make a version the one that scores, after its golden rows gave the expected scores on the server.

    Says for each text input how many rows of the profile have a text that the model has never seen.
    """
    session.registry.promote(name, version, reason, require=require, allow_unseen=allow_unseen)
    unseen = session.registry.unseen(name, version)
    session.say(
        f"{name} version {version} scores now. Rows keep their scores until something happens to them or "
        "`modelpack rescore PROFILE`."
    )
    session.say(*(hanging("", str(found), 0) for found in unseen))
    session.answer(
        {"model": name, "version": version, "reason": reason, "unseen": [asdict(u) for u in unseen]}
    )


def rollback(session: Session, name: Name, reason: Reason = "") -> None:
    """Return to the champion before this one; may be repeated."""
    version = session.registry.rollback(name, reason)
    session.say(f"{name} version {version} scores again.")
    session.answer({"model": name, "version": version, "reason": reason})


def export(
    session: Session,
    name: Name,
    version: Number,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .onnx file to write.", metavar="FILE")],
) -> None:
    """Write a version as an .onnx file, with signature and golden rows in its metadata."""
    path = session.registry.export(name, version, output)
    session.say(f"{name} version {version} is in {path} ({path.stat().st_size:,} bytes).")
    session.answer({"model": name, "version": version, "path": str(path), "bytes": path.stat().st_size})


def formula(
    session: Session,
    name: Name,
    version: Number,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .json file to write.", metavar="FILE")],
) -> None:
    """Write a version as data (arithmetic, conditions, trees) that any language can evaluate; see docs/formula.md."""
    exchange.need_folder(output)
    made = session.registry.formula(name, version)
    exchange.write(output, (json.dumps(made, ensure_ascii=False) + "\n").encode())
    steps, scored = len(made["formula"]["steps"]), len(made["golden"]["rows"])
    session.say(
        f"{name} version {version} is in {output}: {steps:,} steps ({output.stat().st_size:,} bytes), which give the scores "
        f"of all {scored} golden rows."
    )
    session.answer(
        {"model": name, "version": version, "path": str(output), "steps": steps, "golden_rows": scored}
    )


def predict(
    session: Session,
    name: Name,
    inputs: Annotated[
        str,
        typer.Argument(
            help='Named inputs as a JSON object: \'{"complaints": 3, "plan": null}\'.', metavar="INPUTS"
        ),
    ],
    version: Annotated[
        int | None, typer.Option(help="Another version than the champion.", metavar="VERSION")
    ] = None,
) -> None:
    """Score named inputs ad hoc, on the server."""
    try:
        named = json.loads(inputs)
    except (ValueError, RecursionError) as error:
        raise RegistryError(
            f"the inputs {shown(inputs)} are no JSON ({error}); expected an object such as '{{\"complaints\": 3}}'"
        ) from error
    if not isinstance(named, dict):
        raise RegistryError(
            f"the inputs {shown(inputs)} are no JSON object; expected e.g. '{{\"complaints\": 3}}'"
        )
    score, number = session.registry.predicted(name, named, version)
    session.say(f"{score}")
    session.answer({"model": name, "version": number, "score": score})


def metrics_of(given: list[str]) -> dict[str, float]:
    """Figures from NAME=VALUE. Raises RegistryError where one is none."""
    found = {}
    for item in given:
        key, separator, value = item.partition("=")
        try:
            if not (separator and key.strip()):
                raise ValueError
            found[key.strip()] = float(value)
        except ValueError:
            raise RegistryError(
                f"--metric {shown(item)} is no figure; expected NAME=VALUE such as auc=0.81"
            ) from None
    return found


def _line(step: Promotion) -> str:
    moved = f"{step.previous} -> {step.version or 'nothing'}" if step.previous else str(step.version)
    what = f"{step.action} {step.alias}" if step.action in ("alias", "unalias") else step.action
    return f"{step.at:%Y-%m-%d %H:%M:%S} {what} {moved} by {step.by}" + (
        f": {step.reason}" if step.reason else ""
    )


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    command(app)(publish)
    command(app, "list")(list_)
    for function in (show, promote, rollback, export, formula, predict):
        command(app)(function)
