"""The values of a graph: what is fed, what reads them, their types and shapes."""

from __future__ import annotations

from typing import Any

import onnx
from onnx import TensorProto, helper

from modelpack.errors import PackagingError
from modelpack.packager.graph.reading import OPSETS

OWN = "m_"
"""Prefix of the model's own names, so that none of them meets those that are added here."""


def graph_inputs(graph: Any) -> list[Any]:
    """What has to be fed: old files list their weights among the inputs."""
    constants = {i.name for i in graph.initializer}
    return [i for i in graph.input if i.name not in constants]


def rename_input(graph: Any, old: str, new: str) -> None:
    """Have every node that reads `old` read `new`."""
    for node in graph.node:
        for n, name in enumerate(node.input):
            if name == old:
                node.input[n] = new


def type_of(model: Any, name: str) -> tuple[int, list[int] | None]:
    """Element type and dimensions (0: unknown) of a value by shape inference; float32 and None without.

    What the graph itself declares is left out: converters are often wrong about it.
    """
    copy = onnx.GraphProto.FromString(model.graph.SerializeToString())
    del copy.output[:]
    del copy.value_info[:]
    copy.output.append(onnx.ValueInfoProto(name=name))
    copy.name = copy.name or "graph"
    imported = {o.domain: o.version for o in model.opset_import}
    opsets = [helper.make_opsetid(domain, version) for domain, version in (OPSETS | imported).items()]
    try:
        inferred = onnx.shape_inference.infer_shapes(helper.make_model(copy, opset_imports=opsets))
    except Exception as error:  # onnx's errors share no useful base class
        raise PackagingError(f"The model's types do not fit one another: {error}") from error
    for value in [*inferred.graph.output, *inferred.graph.value_info]:
        if value.name == name and value.type.tensor_type.elem_type:
            return int(value.type.tensor_type.elem_type), dims_of(value)
    return int(TensorProto.FLOAT), None


def dims_of(value: Any) -> list[int] | None:
    """Dimensions that a value is declared with (0: unknown), or None."""
    tensor = value.type.tensor_type
    return [int(d.dim_value) for d in tensor.shape.dim] if tensor.HasField("shape") else None
