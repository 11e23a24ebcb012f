"""Values that the estimator refuses to score give NaN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from modelpack.packager.estimator.columns import Column
from modelpack.packager.graph.values import type_of
from modelpack.packager.signature import MISSING_TOKEN, Cell


def guard(model: Any, score: str, columns: Sequence[Column], closed: Mapping[str, Sequence[Cell]]) -> str:
    """Add NaN to the score of a row that holds a value which the estimator refuses to score.

    Without this, an encoder with `handle_unknown="error"` gives such a row some other category's score
    (LabelEncoder), or fails the whole batch (OneHotEncoder with `zeros=0`).

    Returns:
        The name under which the score is found now.
    """
    graph = model.graph
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "OneHotEncoder" and attribute.name == "zeros":
                attribute.i = 1
    guarded = [c for c in columns if c.name in closed]
    if not guarded:
        return score
    terms = []
    for n, column in enumerate(guarded):
        at = [c.name for c in columns if c.type == column.type].index(column.name)
        terms.append(_term(graph, n, column, at, closed[column.name]))
    terms.append(_as_floats(model, score))
    graph.node.append(helper.make_node("Sum", terms, ["guarded_score"]))
    return "guarded_score"


def _term(graph: Any, n: int, column: Column, at: int, known: Sequence[Cell]) -> str:
    """0 for each row whose value is known, or missing, else NaN: [N, 1]."""
    graph.initializer.append(numpy_helper.from_array(np.array([at], np.int64), f"guard_at{n}"))
    graph.node.append(helper.make_node("Gather", [column.type, f"guard_at{n}"], [f"guard_in{n}"], axis=1))
    keys: dict[str, Any] = (
        {"keys_strings": [*known, MISSING_TOKEN]}
        if column.type == "text"
        else {"keys_floats": [float(np.float32(v)) for v in known if isinstance(v, float)]}
    )
    graph.node.append(
        helper.make_node(
            "LabelEncoder",
            [f"guard_in{n}"],
            [f"guard_out{n}"],
            domain="ai.onnx.ml",
            values_floats=[0.0] * len(next(iter(keys.values()))),
            default_float=float("nan"),
            **keys,
        )
    )
    if column.type == "text":
        return f"guard_out{n}"
    # LabelEncoder finds no NaN among its keys, and a missing number is no unknown one
    graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), f"guard_zero{n}"))
    graph.node.append(helper.make_node("IsNaN", [f"guard_in{n}"], [f"guard_missing{n}"]))
    inputs = [f"guard_missing{n}", f"guard_zero{n}", f"guard_out{n}"]
    graph.node.append(helper.make_node("Where", inputs, [f"guard_term{n}"]))
    return f"guard_term{n}"


def _as_floats(model: Any, score: str) -> str:
    """The score as float32 [N, 1], which the terms are."""
    graph = model.graph
    elem_type, _ = type_of(model, score)
    graph.initializer.append(numpy_helper.from_array(np.array([-1, 1], np.int64), "guard_shape"))
    graph.node.append(helper.make_node("Reshape", [score, "guard_shape"], ["guard_score"]))
    if elem_type != TensorProto.DOUBLE:
        return "guard_score"
    graph.node.append(helper.make_node("Cast", ["guard_score"], ["guard_float"], to=TensorProto.FLOAT))
    return "guard_float"
