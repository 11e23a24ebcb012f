"""A PMML file makes a package: the file says what the score is, and rows with the outputs that are expected prove that it is
read as it was meant.

The file, computed in double precision from numbers as they are, is asked like an estimator: about values that the sample does
not have, and about both sides of its thresholds. A sample row whose score only rounding to float32 changes is a rounded one, as
of an estimator, provided that the file itself gives every output that is expected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from modelpack.errors import PackagingError
from modelpack.formula import python_function
from modelpack.packager.estimator.categories import knowing
from modelpack.packager.estimator.columns import Column, Row, column_type
from modelpack.packager.pmml.document import Pmml
from modelpack.packager.pmml.graph import compares_what_it_computes, onnx_of
from modelpack.packager.pmml.models import Model, read_pmml
from modelpack.packager.pmml.presence import where_present
from modelpack.packager.process.child import stage
from modelpack.packager.proof.file import Nobody
from modelpack.packager.proof.oracle import Scorer, ask, rows_of
from modelpack.packager.proof.parity import Expected, Floats, Parity
from modelpack.packager.proof.probes import Probe, beside, plain_probes
from modelpack.packager.signature import MISSING_TOKEN, Output
from modelpack.packager.sources.expected import table
from modelpack.packager.subject import Accepts, Candidate, Truth
from modelpack.publication import Publication

MEMORY = 8 << 30
"""Bytes of address space that the process which reads a file may use."""

_ASKED = 500
"""Rows that are asked whether a column may be missing."""

Given = tuple[Pmml, pd.DataFrame, Floats, Publication]


def given(pmml: Pmml, sample: pd.DataFrame, publication: Publication) -> Given:
    """What the packaging process is handed.

    Raises:
        PackagingError: no outputs are expected, or not one of each row of the sample; an option of other files.
    """
    if publication.inputs is not None:
        raise PackagingError(
            "--inputs is for .onnx files: a PMML file names its columns itself. Leave it out."
        )
    return pmml, *table("A PMML model", sample, publication.expected), publication


class PmmlFile:
    """A PMML file. The truth is what is expected of it; about rows that nobody expects anything of, itself."""

    TRUTH: ClassVar[str] = "expected is"

    def __init__(self, pmml: Pmml, frame: pd.DataFrame, wanted: Floats, publication: Publication) -> None:
        stage("reading the file")
        self.estimator: Any = None
        self._model = read_pmml(pmml, publication.output, publication.positive_class)
        self.columns = _columns(self._model, frame)
        self._rows, self._wanted = rows_of(frame, self.columns), wanted
        self._tolerance = publication.tolerance
        self.scorer: Scorer = _Computed(self._model)
        self.witness: Scorer = Nobody()
        self._there: list[int] = []
        self.output = Output(
            "probability" if self._model.probability else "value", self._model.positive_class
        )
        self.meaning = self._model.meaning

    def truth(self) -> Truth:
        """What is expected of the sample; the rows that the file scores, too, are accepted."""
        stage("computing the file as it is")
        scores, reasons = self.scorer.scores(self._rows)
        both = np.isfinite(scores) & np.isfinite(self._wanted)
        accepted = [row for row, fine in zip(self._rows, both, strict=True) if fine]
        if not accepted:
            raise PackagingError(
                "The model scores no row of the sample that has an expected output. "
                f"Its reason for the first row: {reasons.get(0, 'no output is expected')}."
            )
        if (np.isfinite(scores) == np.isfinite(self._wanted)).all():
            self._believe(scores[both], self._wanted[both])
        untold = np.flatnonzero(np.isnan(self._wanted)).tolist()
        return Truth(self._rows, self._wanted, dict.fromkeys(untold, "none is given"), accepted)

    def _believe(self, scores: Floats, wanted: Floats) -> None:
        """Ask the file about rounded rows where it gives all that is expected; else rounding would excuse what is wrong."""
        unit = 1.0 if self._model.probability else np.maximum(np.abs(wanted), wanted.std())
        if (np.abs(scores - wanted) <= self._tolerance * np.where(unit > 0, unit, 1.0)).all():
            self.witness = self.scorer

    def accepts(self, truth: Truth) -> Accepts:
        """A column may be missing where the file scores some row without it."""
        rows = truth.accepted[:: max(1, len(truth.accepted) // _ASKED)]
        missing = []
        for at in range(len(self.columns)):
            scores, _ = self.scorer.scores([[*row[:at], None, *row[at + 1 :]] for row in rows])
            missing.append(bool(np.isfinite(scores).any()))
        self._there = [n for n, may in enumerate(missing[: len(self._model.numbers)]) if not may]
        return Accepts(tuple(missing))

    def probes(self, truth: Truth, rng: np.random.Generator) -> Sequence[Probe]:
        """Values that the sample does not have, and both sides of thresholds."""
        texts = sorted({text for known in self._model.known.values() for text in known})
        probes = plain_probes(self.columns, truth.accepted, texts, rng)
        return probes + beside(self._thresholds(), self.columns, truth.accepted, rng)

    def _thresholds(self) -> list[tuple[int, float]]:
        """Numbers of the row with what they are compared with."""
        steps = self._model.formula["steps"]
        at = {}
        for place, (name, *rest) in enumerate(steps):
            if name == "number":
                at[place] = rest[0]
            elif name == "float32" and rest[0] in at:
                at[place] = at[rest[0]]
        found: set[tuple[int, float]] = set()
        for name, *rest in steps:
            if name in ("less", "less_equal", "equal"):
                pairs = [(rest[0], rest[1]), (rest[1], rest[0])]
                found |= {
                    (at[a], steps[b][1])
                    for a, b in pairs
                    if a in at and steps[b][0] == "constant" and steps[b][1] is not None
                }
            elif name == "trees":
                todo = [tree for tree in rest[1] if isinstance(tree, list)]
                while todo:
                    node = todo.pop()
                    if rest[0][node[0]] in at:
                        found.add((at[rest[0][node[0]]], node[2]))
                    todo += [child for child in node[4:] if isinstance(child, list)]
        return sorted(found)

    def candidates(self, expected: Expected) -> Iterator[Candidate]:
        """Computed in float32, or in double precision; that first where thresholds stand beside what is computed."""
        del expected
        model = self._model
        formula = where_present(model.formula, self._there)
        routes = [("pmml file", False), ("pmml file, float64", True)]
        for route, wide in reversed(routes) if compares_what_it_computes(formula) else routes:
            yield Candidate(route, partial(onnx_of, formula, model.numbers, model.texts, wide=wide))

    def no_graph(self, errors: Mapping[str, PackagingError]) -> PackagingError:
        """What stands in the way of the file."""
        return next(iter(errors.values()))

    def disproven(self, parity: Parity) -> str:
        """Other outputs than are expected, or too many rows that rounding changes."""
        if parity.failures:
            return (
                f"The model does not give the expected outputs: {parity.beyond}. Look at the output and the class (--output, "
                "--positive-class), raise the tolerance, or accept the difference with a reason (--accept)."
            )
        return (
            f"Rounding the inputs to float32, as the server sends them, changes the score of {parity.rounded_rows} of "
            f"{parity.rows} sample rows, at most by {parity.rounded_difference:.3g}. float32 has 7 digits, and the file tells "
            "numbers apart that are closer: round the columns before fitting, or accept it with a reason (--accept)."
        )


class _Computed:
    """The file, computed in double precision from numbers as they are."""

    def __init__(self, model: Model) -> None:
        self._score = python_function(model.formula)
        self._numbers = len(model.numbers)

    def scores(self, rows: Sequence[Row]) -> tuple[Floats, dict[int, str]]:
        return ask(rows, self._call, "the file")

    def _call(self, rows: Sequence[Row]) -> Floats:
        return np.array([self._one(row) for row in rows], dtype=np.float64)

    def _one(self, row: Row) -> float:
        numbers = [float("nan") if v is None else float(v) for v in row[: self._numbers]]
        texts = [MISSING_TOKEN if v is None else str(v) for v in row[self._numbers :]]
        return self._score(numbers, texts)


def _columns(model: Model, frame: pd.DataFrame) -> tuple[Column, ...]:
    """The columns that the model takes: numbers, then texts.

    Raises:
        PackagingError: the sample lacks some, or has texts for numbers or numbers for texts.
    """
    found = [str(name) for name in frame.columns]
    wanted = [*((n, "number") for n in model.numbers), *((n, "text") for n in model.texts)]
    lacking = [name for name, _ in wanted if name not in found]
    if lacking:
        raise PackagingError(
            f"The sample lacks the column(s) {', '.join(lacking)}. Found: {', '.join(found)}."
        )
    made = []
    for name, kind in wanted:
        given_as = column_type(frame[name])
        if given_as != kind and not frame[name].isna().all():
            raise PackagingError(
                f"The field {name!r} of the PMML file is a {kind}, the sample's column is a {given_as}. Give a sample whose "
                "columns have the types of the file's DataDictionary."
            )
        column = Column(name, "text" if kind == "text" else "number")
        made.append(knowing(column, model.known.get(name, ())))
    return tuple(made)
