"""The output that holds the score: chosen among the outputs of the model, and made the only one."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from modelpack.errors import PackagingError
from modelpack.packager.graph.values import OWN, dims_of, rename_input, type_of


def choose_output(graph: Any, name: str | None) -> Any:
    """The output of that name; without one, the only output of floats. Raises PackagingError where there is none."""
    outputs = {o.name: o for o in graph.output}
    listed = ", ".join(o.removeprefix(OWN) for o in outputs) or "none"
    if name is not None:
        if name not in outputs:
            raise PackagingError(
                f"The model has no output {name.removeprefix(OWN)!r}. Its outputs: {listed}."
            )
        return outputs[name]
    floats = [
        o for o in graph.output if o.type.tensor_type.elem_type in (TensorProto.FLOAT, TensorProto.DOUBLE)
    ]
    if len(floats) != 1:
        raise PackagingError(f"The model has the outputs {listed}: say which one holds the score.")
    return floats[0]


def select(model: Any, chosen: Any, index: int | None, sign: float) -> str:
    """Append the nodes that take the score out of the chosen output; return the score's present name."""
    graph = model.graph
    name = str(chosen.name)
    declared = dims_of(chosen)
    dims = type_of(model, name)[1] or declared
    width = dims[1] if dims is not None and len(dims) == 2 else None
    if index is not None and width != 1 and (dims is None or len(dims) != 1):
        graph.initializer.append(numpy_helper.from_array(np.array([index], np.int64), "score_index"))
        graph.node.append(helper.make_node("Gather", [name, "score_index"], ["score_column"], axis=1))
        name = "score_column"
    elif width is not None and width > 1:
        raise PackagingError(
            f"The output {name.removeprefix(OWN)!r} has {width} columns: say which one is the score (index)."
        )
    if sign != 1.0:
        graph.node.append(helper.make_node("Neg", [name], ["score_turned"]))
        name = "score_turned"
    return name


def declare(model: Any, score: str) -> None:
    """Make the score the only output, under the name `score`, as a table of one column or a vector."""
    graph = model.graph
    elem_type, dims = type_of(model, score)
    rank = len(dims) if dims is not None else _rank_by_kind(graph, score)
    if rank not in (1, 2):
        graph.initializer.append(numpy_helper.from_array(np.array([-1, 1], np.int64), "score_shape"))
        graph.node.append(helper.make_node("Reshape", [score, "score_shape"], ["score_reshaped"]))
        score, rank = "score_reshaped", 2
    for node in graph.node:
        for n, name in enumerate(node.output):
            if name == score:
                node.output[n] = "score"
    rename_input(graph, score, "score")
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("score", elem_type, ["N"] if rank == 1 else ["N", 1]))


_OF_RANK_2 = {"Gemm", "LinearRegressor", "TreeEnsembleRegressor"}


def _rank_by_kind(graph: Any, name: str) -> int:
    """2 for what always makes a matrix, though shape inference does not know it; else 0."""
    makers = {o: n for n in graph.node for o in n.output}
    node = makers.get(name)
    while node is not None and node.op_type in ("Sigmoid", "Neg"):
        node = makers.get(node.input[0])
    return 2 if node is not None and node.op_type in _OF_RANK_2 else 0
