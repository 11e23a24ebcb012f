"""ONNX of CountVectorizer, TfidfVectorizer and TfidfTransformer, used in the packaging process.

The graph splits the words that `texts.pack_texts` found, counts those that it knows and weighs them: in float64, as
scikit-learn does. skl2onnx reads texts by other rules, and takes log(1 + count) for a sublinear weight.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx.common._registration import register_converter, register_shape_calculator
from skl2onnx.common.data_types import FloatTensorType

from modelpack.packager.conversion.converters import _Graph
from modelpack.packager.texts import SEPARATOR


def register() -> None:
    """Replace skl2onnx's converters and shape calculators, in this process."""
    for name in ("SklearnCountVectorizer", "SklearnTfidfVectorizer"):
        register_converter(name, _vectoriser, overwrite=True)
        register_shape_calculator(name, _vectoriser_shape, overwrite=True)
    register_converter("SklearnTfidfTransformer", _transformer, overwrite=True)


def _vectoriser_shape(operator: Any) -> None:
    width = len(operator.raw_operator.vocabulary_)
    operator.outputs[0].type = FloatTensorType([operator.inputs[0].get_first_dimension(), width])


def _vectoriser(scope: Any, operator: Any, container: Any) -> None:
    step = operator.raw_operator
    graph = _Graph(scope, container)
    words = sorted(step.vocabulary_, key=step.vocabulary_.get)
    flat = graph.node("Reshape", [operator.inputs[0].full_name, graph.constant([-1], np.int64)])
    split = graph.node("Tokenizer", [flat], mark=0, mincharnum=1, pad_value="\x1a", separators=[SEPARATOR])
    counts = graph.node(
        "TfIdfVectorizer",
        [split],
        mode="TF",
        min_gram_length=1,
        max_gram_length=1,
        max_skip_count=0,
        ngram_counts=[0],
        ngram_indexes=[int(step.vocabulary_[word]) for word in words],
        pool_strings=words,
    )
    counts = graph.node("Cast", [counts], to=TensorProto.DOUBLE)
    if step.binary:
        counts = graph.node("Min", [counts, graph.constant([1.0], np.float64)])
    weighed = _weighed(graph, counts, step) if hasattr(step, "idf_") or hasattr(step, "norm") else counts
    graph.node("Cast", [weighed], operator.outputs[0].full_name, to=TensorProto.FLOAT)


def _transformer(scope: Any, operator: Any, container: Any) -> None:
    graph = _Graph(scope, container)
    counts = graph.node("Cast", [operator.inputs[0].full_name], to=TensorProto.DOUBLE)
    kind = TensorProto.FLOAT if isinstance(operator.outputs[0].type, FloatTensorType) else TensorProto.DOUBLE
    graph.node(
        "Cast", [_weighed(graph, counts, operator.raw_operator)], operator.outputs[0].full_name, to=kind
    )


def _weighed(graph: _Graph, counts: str, step: Any) -> str:
    """Counts [N, words] in float64 as TfidfTransformer weighs them."""
    if step.sublinear_tf:  # 1 + log of a count, 0 where there is none
        zero, one = graph.constant([0.0], np.float64), graph.constant([1.0], np.float64)
        logarithm = graph.node("Add", [graph.node("Log", [graph.node("Max", [counts, one])]), one])
        counts = graph.node("Where", [graph.node("Greater", [counts, zero]), logarithm, zero])
    if step.use_idf:
        counts = graph.node("Mul", [counts, graph.constant(np.asarray(step.idf_).reshape(1, -1), np.float64)])
    if step.norm is None:
        return counts
    amount = graph.node("Mul", [counts, counts]) if step.norm == "l2" else graph.node("Abs", [counts])
    size = graph.node("ReduceSum", [amount, graph.constant([1], np.int64)], keepdims=1)
    if step.norm == "l2":
        size = graph.node("Sqrt", [size])
    least = graph.constant([np.finfo(np.float64).tiny], np.float64)  # of a text without words: 0 / tiny is 0
    return graph.node("Div", [counts, graph.node("Max", [size, least])])
