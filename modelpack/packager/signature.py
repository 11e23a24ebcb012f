"""The signature of a version: its ordered, named, typed inputs and the chosen output.

A signature is what the server knows about a model besides its bytes. Numbers travel as float32 with a missing
one as NaN; texts travel as strings with a missing one as the input's `missing_token`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from modelpack.errors import PackagingError
from modelpack.packager.texts import pack_texts

FORMAT = 1
"""Version of the JSON form. Raise it when a reader of the old form would misread the new one."""

MISSING_TOKEN = "\x1a"
"""What a missing text is sent as: ASCII SUBSTITUTE, which every database encoding and `jsonb` can hold, and
which no category uses. The empty string is no such token: it is a text that an application may send."""

InputType = Literal["number", "text"]
OutputKind = Literal["probability", "value"]
Cell = float | str | None


@dataclass(frozen=True)
class Input:
    """One named input.

    `missing_token`: what the model receives for a missing text, where it takes one. `analyzer`: how a text vectoriser
    reads it, where one does (`modelpack.packager.estimator.analyzers`): the model then receives its words.
    `categories`: the texts that the model was fitted on, where it tells.

    `missing`: whether the estimator itself scores a row in which this input is missing. When it does not,
    such a row has no score.
    """

    name: str
    type: InputType
    missing: bool
    missing_token: str | None = None
    analyzer: dict[str, Any] | None = None
    categories: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        form: dict[str, Any] = {"name": self.name, "type": self.type, "missing": self.missing}
        if self.missing_token is not None:
            form["missing_token"] = self.missing_token
        if self.analyzer is not None:
            form["analyzer"] = self.analyzer
        if self.categories is not None:
            form["categories"] = list(self.categories)
        return form


@dataclass(frozen=True)
class Output:
    """What `score` means: the probability of a class, or a value (a regression, or a decision function)."""

    kind: OutputKind
    positive_class: str | None = None
    name: str = "score"

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "kind": self.kind, "class": self.positive_class}


@dataclass(frozen=True)
class Signature:
    """Ordered inputs and the output. `number` and `text` tensors hold the inputs of their type in this
    order."""

    inputs: tuple[Input, ...]
    output: Output

    @property
    def numbers(self) -> tuple[str, ...]:
        return tuple(i.name for i in self.inputs if i.type == "number")

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(i.name for i in self.inputs if i.type == "text")

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "inputs": [i.to_json() for i in self.inputs],
            "output": self.output.to_json(),
        }

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> Signature:
        """The inverse of `to_json`.

        Raises:
            PackagingError: the form is of another format version.
        """
        if form.get("format") != FORMAT:
            raise PackagingError(
                f"The signature has format {form.get('format')!r}, this package reads format {FORMAT}: "
                "use the modelpack release that wrote it."
            )
        output = form["output"]
        return cls(
            tuple(
                Input(
                    i["name"],
                    i["type"],
                    bool(i["missing"]),
                    i.get("missing_token"),
                    i.get("analyzer"),
                    None if i.get("categories") is None else tuple(i["categories"]),
                )
                for i in form["inputs"]
            ),
            Output(output["kind"], output.get("class"), output.get("name", "score")),
        )

    def pack(self, rows: Sequence[Sequence[Cell]]) -> dict[str, npt.NDArray[Any]]:
        """Feeds for the ONNX model: `number` float32 [N, k] and `text` object [N, m], each absent where
        empty.

        Args:
            rows: one sequence per row, cells in signature order, None where missing.
        """
        feeds: dict[str, npt.NDArray[Any]] = {}
        at = [n for n, i in enumerate(self.inputs) if i.type == "number"]
        if at:
            number = np.empty((len(rows), len(at)), dtype=np.float32)
            for r, row in enumerate(rows):
                for c, n in enumerate(at):
                    cell = row[n]
                    number[r, c] = math.nan if cell is None else cell
            feeds["number"] = number
        at = [n for n, i in enumerate(self.inputs) if i.type == "text"]
        if at:
            text = np.empty((len(rows), len(at)), dtype=object)
            entries = [self.inputs[n].to_json() for n in at]
            for r, row in enumerate(rows):
                packed = pack_texts([cast("str | None", row[n]) for n in at], entries)
                if isinstance(packed, str):
                    raise PackagingError(f"Row {r} is not scored: {packed}.")
                text[r] = packed
            feeds["text"] = text
        return feeds
