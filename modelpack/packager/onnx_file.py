"""An `.onnx` file of any origin makes a package: no estimator, but rows with the outputs that are expected of it.

The expected outputs are what the sample is held against. The probes (missing values, texts and numbers that the
sample does not have) are held against the file as it is, run by onnxruntime in the packaging process: they show
that the normal form is the same model. What the file itself cannot say is taken from the sample: a number may be
missing where the sample has such a row with an expected output; a text never may, since nothing says what it would
be sent as.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from onnx import TensorProto

from modelpack.errors import PackagingError
from modelpack.packager.estimator.categories import knowing
from modelpack.packager.estimator.columns import Column, column_type
from modelpack.packager.graph.inputs import sources_of
from modelpack.packager.graph.reading import parse, refuse_control_flow
from modelpack.packager.graph.values import graph_inputs
from modelpack.packager.process.child import stage
from modelpack.packager.proof.accepted import closed_categories
from modelpack.packager.proof.file import Chosen, File, Nobody
from modelpack.packager.proof.oracle import rows_of
from modelpack.packager.proof.parity import Expected, Floats, Parity
from modelpack.packager.proof.probes import Probe, plain_probes
from modelpack.packager.signature import Output
from modelpack.packager.sources.expected import table
from modelpack.packager.subject import Accepts, Candidate, Truth
from modelpack.publication import Publication

MEMORY = 8 << 30
"""Bytes of address space that the process which runs a file may use."""

_READERS = {"Tokenizer", "StringNormalizer", "TfIdfVectorizer", "StringSplit"}
"""Operators behind which nothing tells which column knows which text."""

Given = tuple[bytes, pd.DataFrame, Floats, Publication]


def given(content: bytes, sample: pd.DataFrame, publication: Publication) -> Given:
    """What the packaging process is handed, looked at before it starts; the file itself is not, which is anybody's.

    Raises:
        PackagingError: no outputs are expected, or not one of each row of the sample.
    """
    return content, *table("An ONNX model", sample, publication.expected), publication


class OnnxFile:
    """An `.onnx` file. The truth is what is expected of it; about rows that nobody expects anything of, itself."""

    TRUTH: ClassVar[str] = "expected is"

    def __init__(self, content: bytes, frame: pd.DataFrame, wanted: Floats, publication: Publication) -> None:
        stage("reading the file")
        self.estimator: Any = None
        self._model = parse(content)
        _refuse(self._model)
        self._by_position = publication.inputs is not None
        self._texts = _texts(self._model)
        self.columns = self._with_texts(_columns(self._model, frame, publication.inputs))
        self._rows, self._wanted = rows_of(frame, self.columns), wanted
        stage("running the file as it is")
        self.scorer = File(self._model, self.columns, by_position=self._by_position)
        self.witness = Nobody()
        self._chosen = self.scorer.choose(self._rows, publication.output, publication.positive_class)
        self.output = _output(self._chosen, wanted)
        self.meaning = _meaning(self._chosen, self.output, publication.positive_class)

    def _with_texts(self, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        if _READERS & {node.op_type for node in self._model.graph.node}:
            return columns
        return tuple(knowing(column, self._texts) for column in columns)

    def truth(self) -> Truth:
        """What is expected of the sample; the rows that the file scores, too, are accepted."""
        scores, reasons = self.scorer.scores(self._rows)
        scored = np.isfinite(scores) & np.isfinite(self._wanted)
        accepted = [row for row, fine in zip(self._rows, scored, strict=True) if fine]
        if not accepted:
            raise PackagingError(
                "The model scores no row of the sample that has an expected output. "
                f"Its reason for the first row: {reasons.get(0, 'no output is expected')}."
            )
        untold = np.flatnonzero(np.isnan(self._wanted)).tolist()
        return Truth(self._rows, self._wanted, dict.fromkeys(untold, "none is given"), accepted)

    def accepts(self, truth: Truth) -> Accepts:
        """A missing number where the sample has one with an expected output; values of encoders by asking the file."""
        missing = tuple(
            column.type == "number" and any(row[n] is None for row in truth.accepted)
            for n, column in enumerate(self.columns)
        )
        closed = closed_categories(self.scorer, self.columns, truth.accepted, self._texts, ())
        return Accepts(missing, closed)

    def probes(self, truth: Truth, rng: np.random.Generator) -> Sequence[Probe]:
        """Values that the sample does not have."""
        return plain_probes(self.columns, truth.accepted, self._texts, rng)

    def candidates(self, expected: Expected) -> Iterator[Candidate]:
        """The file itself."""
        del expected
        yield Candidate(
            "onnx file",
            self._model.SerializeToString,
            output=self._chosen.output,
            index=self._chosen.index,
            by_position=self._by_position,
        )

    def no_graph(self, errors: Mapping[str, PackagingError]) -> PackagingError:
        """What stands in the way of the file."""
        (error,) = errors.values()
        return error

    def disproven(self, parity: Parity) -> str:
        """Other outputs than are expected."""
        return (
            f"The model does not give the expected outputs: {parity.beyond}. Look at the order of the columns (--inputs), the "
            "output and the class (--output, --positive-class), raise the tolerance, or accept the difference with a reason "
            "(--accept)."
        )


def _output(chosen: Chosen, wanted: Floats) -> Output:
    """A probability where a class is named, and all that is expected is between 0 and 1."""
    within = bool(np.nanmin(wanted) >= 0 and np.nanmax(wanted) <= 1)
    named = chosen.positive_class is not None
    return Output("probability" if named and within else "value", chosen.positive_class)


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


def _columns(model: Any, frame: pd.DataFrame, inputs: Sequence[str] | None) -> tuple[Column, ...]:
    """The columns that the model takes.

    Raises:
        PackagingError: unknown ones, or another number than the inputs have.
    """
    found = [str(name) for name in frame.columns]
    names = [i.name for i in graph_inputs(model.graph)]
    chosen = (
        [str(name) for name in inputs] if inputs is not None else names if set(names) <= set(found) else found
    )
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
