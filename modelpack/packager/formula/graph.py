"""An ONNX graph in normal form, read as a formula of one row.

The graph is run on one row whose elements are steps instead of numbers: what only moves elements (Reshape, Concat, Gather)
numpy does on them as it does on any others. A graph with an operator that is not here has no formula; that is no error, the
version is then scored by onnxruntime.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from modelpack.packager.formula import operators
from modelpack.packager.formula.steps import Steps, UnreadableError
from modelpack.packager.formula.tensors import Reading, Tensor


def formula_of(onnx_bytes: bytes) -> dict[str, Any]:
    """The formula of a model in normal form.

    Raises:
        UnreadableError: it has none; the message says why.
    """
    graph = onnx.load_from_string(onnx_bytes).graph
    steps = Steps()
    tensors: dict[str, Tensor] = {}
    for value in graph.input:
        name, width = value.name, value.type.tensor_type.shape.dim[1].dim_value
        cells = [steps.add(name, place) for place in range(width)]
        tensors[name] = Tensor(np.array([cells], dtype=object), value.type.tensor_type.elem_type)
    for initializer in graph.initializer:
        tensors[initializer.name] = Tensor(
            numpy_helper.to_array(initializer), initializer.data_type, fixed=True
        )
    for node in graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        read = operators.known(node.domain, node.op_type)
        given = [tensors[name] if name else None for name in node.input]
        if node.op_type == "Constant":
            made: Sequence[Tensor] = [_constant(attributes)]
        elif read is None:
            raise UnreadableError(f"its graph has the operator {node.op_type}")
        else:
            made = read(Reading(steps, node.op_type, attributes, given, len(node.output)))
        tensors |= dict(zip(node.output, made, strict=False))
    (score,) = tensors[graph.output[0].name].cells(steps).reshape(-1)
    return steps.formula(score)


def _constant(attributes: dict[str, Any]) -> Tensor:
    (given,) = attributes.values()
    if isinstance(given, TensorProto):
        return Tensor(numpy_helper.to_array(given), given.data_type, fixed=True)
    array = np.asarray(
        given, dtype=np.int64 if isinstance(np.asarray(given).flat[0], np.integer) else np.float32
    )
    return Tensor(array, helper.np_dtype_to_tensor_dtype(array.dtype), fixed=True)
