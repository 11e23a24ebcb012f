"""Tensors of one row while a graph is read as a formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from modelpack.packager.formula.steps import Steps, UnreadableError

Cells = npt.NDArray[Any]

WHOLE = (TensorProto.INT64, TensorProto.INT32, TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16)


@dataclass(frozen=True)
class Tensor:
    """Numbers of steps, or what is the same for every row. The first dimension of what depends on the row is 1."""

    array: Cells
    type: int
    """A type of elements by its number in ONNX."""
    fixed: bool = False
    """Whether `array` has the values themselves."""

    def cells(self, steps: Steps) -> Cells:
        """The numbers of steps: constants are written down."""
        if not self.fixed:
            return self.array
        made = np.empty(self.array.shape, dtype=object)
        for place, value in np.ndenumerate(self.array):
            if self.type == TensorProto.STRING:
                made[place] = steps.add("literal", word(value))
            elif self.type == TensorProto.BOOL:
                made[place] = steps.truth(bool(value))
            else:
                made[place] = steps.constant(float(value))
        return made


def word(given: Any) -> str:
    """A text of a graph."""
    return given.decode() if isinstance(given, bytes) else str(given)


@dataclass(frozen=True)
class Reading:
    """One node with what it is given."""

    steps: Steps
    operator: str
    attributes: Mapping[str, Any]
    inputs: Sequence[Tensor | None]
    outputs: int

    def __getitem__(self, place: int) -> Tensor:
        found = self.inputs[place] if place < len(self.inputs) else None
        if found is None:
            raise UnreadableError(f"its graph has {self.operator} without an input that is needed here")
        return found

    def cells(self, place: int) -> Cells:
        return self[place].cells(self.steps)

    def exact(self, place: int) -> Cells:
        """The cells as whatever compares them has them: of a tensor of float32, rounded to it."""
        cells = self.cells(place)
        if self[place].type != TensorProto.FLOAT:
            return cells
        return each(self.steps.rounded, cells)

    def fixed(self, place: int) -> Cells:
        """The values of an input that is the same for every row."""
        if not self[place].fixed:
            raise UnreadableError(f"its graph has {self.operator} with an argument that depends on the row")
        return self[place].array

    def attribute(self, name: str, otherwise: Any = None) -> Any:
        return self.attributes.get(name, otherwise)

    def text(self, name: str, otherwise: str) -> str:
        given = self.attributes.get(name, otherwise)
        return given.decode() if isinstance(given, bytes) else str(given)


def each(function: Any, *cells: Cells) -> Cells:
    """A function of numbers of steps, for each element of arrays that are broadcast together."""
    given = np.broadcast_arrays(*cells)
    made = np.empty(given[0].shape, dtype=object)
    for place in np.ndindex(made.shape):
        made[place] = function(*(g[place] for g in given))
    return made
