"""An .onnx file as it is, asked row by row like an estimator: what its normal form is held against on the probes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from modelpack.errors import PackagingError
from modelpack.packager.estimator.columns import Column, Row
from modelpack.packager.graph.inputs import sources_of
from modelpack.packager.graph.runtime import in_words, open_session
from modelpack.packager.proof.oracle import ask
from modelpack.packager.proof.parity import Floats

_ALONE = 20
"""Rows that are also scored one by one: their scores must not depend on the rows beside them."""


@dataclass(frozen=True)
class Chosen:
    """The output that holds the score."""

    output: str
    index: int | None
    """Which of its columns; None where it has one number per row."""
    positive_class: str | None


class Nobody:
    """Asked about rows that nobody has an expected output for."""

    def scores(self, rows: Sequence[Row]) -> tuple[Floats, dict[int, str]]:
        return np.full(len(rows), np.nan), {}


class File:
    """The file as it is, asked row by row like an estimator."""

    def __init__(self, model: Any, columns: Sequence[Column], *, by_position: bool) -> None:
        self._model = model
        self._session = open_session(model.SerializeToString(), "the file")
        self._sources = sources_of(model.graph, columns, by_position=by_position)
        self._position = {c.name: n for n, c in enumerate(columns)}
        self._text = {c.name for c in columns if c.type == "text"}
        self._chosen = Chosen("", None, None)

    def choose(self, rows: Sequence[Row], output: str | None, positive_class: Any) -> Chosen:
        """Find out by running it which output is the score."""
        known = [o.name for o in self._model.graph.output]
        listed = ", ".join(known) or "none"
        if output is not None and output not in known:
            raise PackagingError(f"The model has no output {output!r}. Its outputs: {listed}.")
        complete = [row for row in rows if all(v is not None for v in row)] or list(rows)
        some = complete[:2] * 2
        made = dict(zip(known, self._run(known, some), strict=True))
        floats = [
            n for n, v in made.items() if isinstance(v, np.ndarray) and v.dtype in (np.float32, np.float64)
        ]
        if not floats:
            kinds = ", ".join(f"{name} ({getattr(v, 'dtype', type(v).__name__)})" for name, v in made.items())
            raise PackagingError(f"The model has the outputs {kinds}: a score is a float32 or float64.")
        if output is None and len(floats) != 1:
            raise PackagingError(
                f"The model has the outputs {listed}: say which one holds the score (--output)."
            )
        name = output or floats[0]
        values = made[name]
        shape = list(getattr(values, "shape", ()))
        if name not in floats:
            kind = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
            raise PackagingError(f"The output {name!r} holds {kind}: a score is a float32 or float64.")
        if shape[:1] != [len(some)] or len(shape) > 2:
            raise PackagingError(
                f"The output {name!r} has the shape {shape} for {len(some)} rows: expected one number per row, or "
                "one a row and class."
            )
        self._chosen = self._class(name, shape[1] if len(shape) == 2 else 1, positive_class)
        return self._chosen

    def _class(self, name: str, width: int, wanted: Any) -> Chosen:
        if width == 1:
            return Chosen(name, None, None if wanted is None else str(wanted))
        labels = _labels(self._model)
        if len(labels) != width:
            labels = [str(number) for number in range(width)]
        if wanted is None and width == 2:
            wanted = labels[1]
        if str(wanted) not in labels:
            found = "no class is named" if wanted is None else f"the class is {wanted}"
            raise PackagingError(
                f"The output {name!r} has {width} columns ({', '.join(labels)}), and {found}: "
                "say which one is the score (--positive-class)."
            )
        return Chosen(name, labels.index(str(wanted)), str(wanted))

    def scores(self, rows: Sequence[Row]) -> tuple[Floats, dict[int, str]]:
        """Scores as float64 [N], NaN where the file fails or gives none, with a reason each."""
        result, reasons = ask(rows, self._scores, "the file")
        self._alone([rows[int(n)] for n in np.flatnonzero(np.isfinite(result))[:_ALONE]])
        return result, reasons

    def _scores(self, rows: Sequence[Row]) -> Floats:
        if any(row[self._position[name]] is None for row in rows for name in self._text):
            raise PackagingError("a text is missing")
        (values,) = self._run([self._chosen.output], rows)
        if len(values) != len(rows):
            raise PackagingError(f"The file gives {len(values)} outputs for {len(rows)} rows.")
        matrix = np.asarray(values, dtype=np.float64).reshape(len(rows), -1)
        return np.asarray(matrix[:, self._chosen.index or 0])

    def _alone(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        together = self._scores(rows)
        apart = np.concatenate([self._scores([row]) for row in rows])
        differ = np.flatnonzero(~np.isclose(together, apart, rtol=1e-4, atol=1e-6, equal_nan=True))
        if len(differ):
            n = int(differ[0])
            raise PackagingError(
                f"A row's score depends on the rows beside it: {together[n]:.9g} among {len(rows)}, {apart[n]:.9g} "
                "alone. Export the model for inference (torch: model.eval()), and normalise by constants."
            )

    def _run(self, outputs: list[str], rows: Sequence[Row]) -> list[Any]:
        feeds = {}
        for source in self._sources:
            cells = [[row[self._position[name]] for name in source.columns] for row in rows]
            if source.columns[0] in self._text:
                feeds[source.name] = np.array(
                    [["" if v is None else v for v in row] for row in cells], object
                )
            else:
                numbers = np.array([[np.nan if v is None else v for v in row] for row in cells], np.float32)
                with np.errstate(invalid="ignore"):
                    feeds[source.name] = numbers.astype(
                        onnx.helper.tensor_dtype_to_np_dtype(source.elem_type)
                    )
        try:
            return list(self._session.run(outputs, feeds))
        except Exception as error:  # onnxruntime's errors share no public base class
            raise PackagingError(f"onnxruntime cannot run it: {in_words(error)}") from error


def _labels(model: Any) -> list[str]:
    """The labels of the classes, where the file says them."""
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name.startswith("classlabels"):
                labels = [text.decode(errors="replace") for text in attribute.strings]
                if labels or attribute.ints:
                    return labels or [str(number) for number in attribute.ints]
    return []
