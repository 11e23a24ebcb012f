"""An `.onnx` file of any origin makes a package: no estimator, but rows with the outputs that are expected of it.

The expected outputs are what the sample is held against. The probes (missing values, texts and numbers that the
sample does not have) are held against the file as it is, run by onnxruntime in the packaging process: they show
that the normal form is the same model. What the file itself cannot say is taken from the sample: a number may be
missing where the sample has such a row with an expected output; a text never may, since nothing says what it would
be sent as.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from onnx import TensorProto

from modelpack.errors import PackagingError, ParityError
from modelpack.packager.estimator.categories import knowing
from modelpack.packager.estimator.columns import Column, column_type, is_missing
from modelpack.packager.graph.normal_form import (
    graph_inputs,
    normalise,
    parse,
    refuse_control_flow,
    sources_of,
)
from modelpack.packager.packing import SEED, TIMEOUT, Package, assemble, manageable, package, run_rows
from modelpack.packager.process import child
from modelpack.packager.process.child import stage
from modelpack.packager.proof.file import Chosen, File, Nobody
from modelpack.packager.proof.oracle import rows_of
from modelpack.packager.proof.parity import Expected, Floats, Parity, compare
from modelpack.packager.proof.probes import plain_probes
from modelpack.packager.proof.trials import closed_categories
from modelpack.packager.signature import Output

MEMORY = 8 << 30
"""Bytes of address space that the process which runs a file may use."""

_EXPECTED = "expected output"


def make_package(
    model: Any,
    sample: pd.DataFrame | None,
    *,
    expected: str | Sequence[float] | pd.Series[Any] | None = None,
    inputs: Sequence[str] | None = None,
    output: str | None = None,
    **shared: Any,
) -> Package:
    """`package` for an estimator, `package_onnx` for the bytes of a model, whichever fits.

    Args:
        shared: what both take.

    Raises:
        PackagingError: a sample or the expected outputs are missing, or an estimator comes with what only a file
            needs; else as the two do.
    """
    if sample is None:
        raise PackagingError("There is no sample: give some rows like those to be scored (--sample).")
    if isinstance(model, bytes):
        if expected is None:
            raise PackagingError(
                "An ONNX model comes without an estimator to compare with: give the outputs that are expected for "
                "the rows of the sample (--expected)."
            )
        return package_onnx(model, sample, expected, inputs=inputs, output=output, **shared)
    given = {"expected": expected, "inputs": inputs}
    idle = [f"--{name}" for name, value in given.items() if value is not None]
    if idle:
        raise PackagingError(
            f"{', '.join(idle)} is for .onnx files: a {type(model).__name__} knows its columns and results itself."
        )
    return package(model, sample, output=output, **shared)


def package_onnx(
    onnx_bytes: bytes,
    sample: pd.DataFrame,
    expected: str | Sequence[float] | pd.Series[Any],
    *,
    inputs: Sequence[str] | None = None,
    output: str | None = None,
    positive_class: Any = None,
    tolerance: float = 1e-5,
    timeout: float = TIMEOUT,
    accept: str | None = None,
) -> Package:
    """Bring a model to normal form and prove that it gives the outputs that are expected of it.

    Args:
        onnx_bytes: a model whose inputs are one tensor [rows, k], or several; numbers or texts.
        sample: rows with the model's columns.
        expected: the score of each row of the sample, float [rows] (NaN: no score), or the name of the column of
            the sample that holds it.
        inputs: the columns that the model's inputs mean, in their order. Default: the columns that bear the names
            of the inputs, else all columns of the sample.
        output: name of the output that holds the score; default: the only one that holds floats.
        positive_class: which column of that output, by the label of its class or by its number from 0. Default for
            two columns: the second.
        tolerance: largest difference allowed, in the unit that `modelpack.packager.proof.parity` names.
        timeout: seconds for all of it.
        accept: a reason to accept a model that misses the tolerance; it is recorded in the parity report.

    Raises:
        ParityError: the outputs are not the expected ones; the message has the worst row.
        PackagingError: anything else that stands in the way.
    """
    frame, wanted = _table(sample, expected)
    given = None if inputs is None else [str(name) for name in inputs]
    arguments = (onnx_bytes, frame, wanted, given, output, positive_class, tolerance, accept)
    return child.run_in_child(timeout, MEMORY, _package, *arguments)


def _table(
    sample: pd.DataFrame, expected: str | Sequence[float] | pd.Series[Any]
) -> tuple[pd.DataFrame, Floats]:
    """The columns that may be inputs, and the expected outputs [rows]."""
    if not isinstance(sample, pd.DataFrame) or len(sample) == 0:
        raise PackagingError("The sample is empty or no pandas.DataFrame: give some rows to be scored.")
    frame = sample.rename(columns=str).reset_index(drop=True)
    twice = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
    if twice:
        raise PackagingError(f"The sample has the same column name twice: {', '.join(twice)}.")
    if isinstance(expected, str):
        if expected not in frame.columns:
            raise PackagingError(
                f"The sample has no column {expected!r} with the expected outputs. "
                f"Found: {', '.join(map(str, frame.columns))}."
            )
        values, frame = frame[expected], frame.drop(columns=expected)
    else:
        values = pd.Series(np.ravel(np.asarray(expected, dtype=object)))
    if len(values) != len(frame):
        raise PackagingError(
            f"There are {len(values)} expected outputs for {len(frame)} rows: one number a row is expected."
        )
    try:
        wanted = np.array([np.nan if is_missing(v) else float(v) for v in values.tolist()], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PackagingError(f"An expected output is no number: {error}.") from error
    if not np.isfinite(wanted).any():
        raise PackagingError("No row has an expected output: nothing would be proven.")
    kept = manageable(frame.assign(**{_EXPECTED: wanted}))
    return kept.drop(columns=_EXPECTED), kept[_EXPECTED].to_numpy()


def _package(
    onnx_bytes: bytes,
    frame: pd.DataFrame,
    wanted: Floats,
    inputs: list[str] | None,
    output: str | None,
    positive_class: Any,
    tolerance: float,
    accept: str | None,
) -> Package:
    """What the packaging process does."""
    stage("reading the file")
    model = parse(onnx_bytes)
    _refuse(model)
    columns = _columns(model, frame, inputs)
    stage("running the file as it is")
    oracle = File(model, columns, by_position=inputs is not None)
    rows = rows_of(frame, columns)
    chosen = oracle.choose(rows, output, positive_class)
    scores, reasons = oracle.scores(rows)
    scored = np.isfinite(scores) & np.isfinite(wanted)
    accepted = [row for row, fine in zip(rows, scored, strict=True) if fine]
    if not accepted:
        raise PackagingError(
            "The model scores no row of the sample that has an expected output. "
            f"Its reason for the first row: {reasons.get(0, 'no output is expected')}."
        )
    closed = closed_categories(oracle, columns, accepted, _texts(model), ())
    stage("bringing it to normal form")
    readers = {"Tokenizer", "StringNormalizer", "TfIdfVectorizer", "StringSplit"}
    if not readers & {node.op_type for node in model.graph.node}:  # which column knows which text is not told
        columns = tuple(knowing(c, _texts(model)) for c in columns)
    form = normalise(
        model.SerializeToString(),
        columns,
        output=chosen.output,
        index=chosen.index,
        closed=closed,
        by_position=inputs is not None,
    )
    missing = tuple(
        c.type == "number" and any(row[n] is None for row in accepted) for n, c in enumerate(columns)
    )
    probes = tuple(plain_probes(columns, accepted, _texts(model), np.random.default_rng(SEED)))
    more, more_reasons = oracle.scores([p.row for p in probes])
    every = (*rows, *(p.row for p in probes))
    known = Expected(
        columns,
        every,
        np.concatenate([wanted, more]),
        dict.fromkeys(np.flatnonzero(np.isnan(wanted)).tolist(), "none is given")
        | {n + len(rows): reason for n, reason in more_reasons.items()},
        probes,
        np.array([all(v is not None or m for v, m in zip(row, missing, strict=True)) for row in every]),
        truth="expected is",
    )
    stage("comparing with the expected outputs")
    found = run_rows(form, columns, every)
    probability = chosen.positive_class is not None and bool(
        np.nanmin(wanted) >= 0 and np.nanmax(wanted) <= 1
    )
    parity = compare(known, found, Nobody(), tolerance, probability=probability, route="onnx file")
    if not parity.passed:
        if not accept:
            raise ParityError(_message(parity))
        parity = replace(parity, accepted=accept)
    kind = Output("probability" if probability else "value", chosen.positive_class)
    return assemble(
        form, columns, missing, kind, _meaning(chosen, kind, positive_class), known, found, parity
    )


def _meaning(chosen: Chosen, output: Output, positive_class: Any) -> str:
    """What the score is, in words."""
    if output.positive_class is None:
        return f"the output {chosen.output!r} of the file, in its own unit"
    guessed = "; no class was named, and it is the second" if positive_class is None else ""
    if output.kind == "probability":
        return f"probability of {output.positive_class!r}, between 0 and 1{guessed}"
    return f"the output {chosen.output!r} of the file for {output.positive_class!r}, no probability{guessed}"


def _refuse(model: Any) -> None:
    """What might never end, would make onnxruntime read other files, or belongs to another command."""
    refuse_control_flow(model.graph)
    if any(p.key == "modelpack.signature" for p in model.metadata_props):
        raise PackagingError(
            "The file was exported by modelpack, with signature and proof: modelpack import FILE."
        )
    for node in model.graph.node:
        changes = [a.s for a in node.attribute if a.name == "case_change_action"]
        if node.op_type == "StringNormalizer" and changes not in ([], [b"NONE"]):
            raise PackagingError(
                "The file changes the case of texts (StringNormalizer), which needs a locale of the server and is not what "
                "Python does. Publish the fitted estimator itself, or export the file without it and lower the case in SQL: "
                'Score(…, inputs={"note": expression("lower(note)")}).'
            )
    tensors = [*model.graph.initializer]
    tensors += [a.t for node in model.graph.node for a in node.attribute if a.HasField("t")]
    if any(t.external_data or t.data_location == TensorProto.EXTERNAL for t in tensors):
        raise PackagingError(
            "The file keeps its weights in another file, and a version is one file. Save it whole: "
            "onnx.save(onnx.load(path), path), or torch.onnx.export(…, external_data=False)."
        )


def _columns(model: Any, frame: pd.DataFrame, inputs: list[str] | None) -> tuple[Column, ...]:
    """The columns that the model takes.

    Raises:
        PackagingError: unknown ones, or another number than the inputs have.
    """
    found = [str(name) for name in frame.columns]
    names = [i.name for i in graph_inputs(model.graph)]
    chosen = inputs if inputs is not None else names if set(names) <= set(found) else found
    unknown = [name for name in chosen if name not in found]
    if unknown:
        raise PackagingError(
            f"The sample lacks the column(s) {', '.join(unknown)}. Found: {', '.join(found)}."
        )
    columns = tuple(Column(name, column_type(frame[name])) for name in chosen)
    sources = sources_of(model.graph, columns, by_position=inputs is not None)
    left = [name for name in chosen if not any(name in s.columns for s in sources)]
    if left:
        takes = ", ".join(f"{s.name} ({len(s.columns)} column(s))" for s in sources)
        raise PackagingError(
            f"The model takes {takes}, and {', '.join(left)} would be left over of {', '.join(chosen)}. "
            "Name the model's columns in their order (--inputs)."
        )
    for value in graph_inputs(model.graph):
        rows = value.type.tensor_type.shape.dim[0].dim_value
        if rows:
            raise PackagingError(
                f"The input {value.name!r} takes exactly {rows} row(s), any number is expected: export the model "
                f"with a dynamic first dimension (torch: dynamic_axes={{{value.name!r}: {{0: 'rows'}}}})."
            )
    return columns


def _texts(model: Any) -> list[str]:
    """Every text that an encoder of the model knows, sorted."""
    known: set[str] = set()
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name in ("cats_strings", "keys_strings"):
                known.update(text.decode(errors="replace") for text in attribute.strings)
    return sorted(known)


def _message(parity: Parity) -> str:
    total = parity.rows + sum(parity.probes.values())
    return (
        f"The model does not give the expected outputs: {parity.failures} of {total} rows differ by more than "
        f"{parity.allowed}, at most by {parity.max_difference:.3g}. The worst is {parity.where}. "
        "Look at the order of the columns (--inputs), the output and the class (--output, --positive-class), raise the tolerance, or accept "
        "the difference with a reason (--accept)."
    )
