"""Graphs that no estimator of ours makes, read as formulas: held against onnxruntime, operator by operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from modelpack.formula import check, evaluate, python_function
from modelpack.packager.formula.graph import formula_of
from modelpack.packager.formula.proven import formula_for
from modelpack.packager.formula.steps import UnreadableError
from modelpack.packager.graph.runtime import open_session

WIDTH, NAN = 3, float("nan")
ROWS = [
    [0.0, 0.0, 0.0],
    [1.0, 1.0, 1.0],
    [1.0, 2.0, 3.0],
    [3.0, 3.0, -1.0],
    [-2.5, 0.1, 7.75],
    [0.3, -0.0, 1e-3],
    [NAN, 1.0, 2.0],
    [1.0, NAN, NAN],
    [1e6, -1e6, 12.0],
]
WORDS = ["a", "b", "it's", "", "\x1a", "other"]


def graph(nodes: list[Any], *, text: bool = False, **constants: Any) -> bytes:
    """A model of `number` [N, 3], or `text` [N, 1], whose nodes end in `score`."""
    kind = TensorProto.STRING if text else TensorProto.FLOAT
    given = helper.make_tensor_value_info("text" if text else "number", kind, ["N", 1 if text else WIDTH])
    made = helper.make_graph(
        nodes,
        "graph",
        [given],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 19), helper.make_opsetid("ai.onnx.ml", 3)]
    return bytes(helper.make_model(made, opset_imports=opsets, ir_version=9).SerializeToString())


def node(name: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    domain = "ai.onnx.ml" if name in ML else ""
    return helper.make_node(name, inputs.split(), outputs.split(), domain=domain, **attributes)


ML = set(
    """ArrayFeatureExtractor Binarizer FeatureVectorizer Imputer LabelEncoder LinearClassifier LinearRegressor Normalizer
    OneHotEncoder Scaler TreeEnsembleClassifier TreeEnsembleRegressor""".split()
)


def holds(model: bytes, *, text: bool = False, rows: list[list[float]] = ROWS) -> None:
    """Formula and onnxruntime agree, row by row, to the precision of float32."""
    formula = formula_of(model)
    check(formula, 0 if text else WIDTH, 1 if text else 0)
    function, session = python_function(formula), open_session(model, "the graph")
    for cells in WORDS if text else rows:
        if text:
            feed: dict[str, Any] = {"text": np.array([[cells]], dtype=object)}
            found, same = evaluate(formula, [], [str(cells)]), function([], [cells])
        else:
            row = np.array([cells], dtype=np.float32)
            feed = {"number": row}
            found, same = (
                evaluate(formula, [float(v) for v in row[0]]),
                function([float(v) for v in row[0]], []),
            )
        expected = float(session.run(["score"], feed)[0].reshape(-1)[0])
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-6, nan_ok=True), (cells, formula)
        assert same == found or (same != same and found != found)


def summed(name: str, **attributes: Any) -> list[Any]:
    """The operator on `number`, and the sum of what it gives, each with a weight of its own."""
    return [node(name, "number", "made", **attributes), *weighed()]


def weighed() -> list[Any]:
    return [node("MatMul", "made weights", "score")]


WEIGHTS = np.array([[1.0], [10.0], [100.0]], np.float32)


@pytest.mark.parametrize(
    "mode", ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE", "BRANCH_EQ", "BRANCH_NEQ"]
)
@pytest.mark.parametrize("missing", [None, 0, 1])
@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE"])
def test_trees_branch_as_onnxruntime_has_them(mode: str, missing: int | None, aggregate: str) -> None:
    attributes: dict[str, Any] = {
        "nodes_treeids": [0, 0, 0, 1, 1, 1],
        "nodes_nodeids": [0, 1, 2, 0, 1, 2],
        "nodes_featureids": [1, 0, 0, 2, 0, 0],
        "nodes_modes": [mode, "LEAF", "LEAF", "BRANCH_LT", "LEAF", "LEAF"],
        "nodes_values": [1.0, 0.0, 0.0, 2.0, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0, 1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0, 2, 0, 0],
        "target_treeids": [0, 0, 1, 1],
        "target_nodeids": [1, 2, 1, 2],
        "target_ids": [0, 0, 0, 0],
        "target_weights": [1.0, 2.0, 10.0, 20.0],
        "n_targets": 1,
        "aggregate_function": aggregate,
        "base_values": [0.5],
    }
    if missing is not None:
        attributes["nodes_missing_value_tracks_true"] = [missing, 0, 0, missing, 0, 0]
    holds(graph([node("TreeEnsembleRegressor", "number", "score", **attributes)]))


def classifier(leaves: list[dict[int, float]], transform: str, which: int, base: list[float]) -> bytes:
    """One tree of two leaves; each says which classes it adds how much to."""
    scored = [
        (place + 1, label, weight) for place, leaf in enumerate(leaves) for label, weight in leaf.items()
    ]
    labels = [0, 1, 2] if any(2 in leaf for leaf in leaves) else [0, 1]
    attributes: dict[str, Any] = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [1, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [1.0, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "class_treeids": [0] * len(scored),
        "class_nodeids": [place for place, _, _ in scored],
        "class_ids": [label for _, label, _ in scored],
        "class_weights": [weight for _, _, weight in scored],
        "classlabels_int64s": labels,
        "post_transform": transform,
    }
    if base:
        attributes["base_values"] = base
    nodes = [
        node("TreeEnsembleClassifier", "number", "label scores", **attributes),
        node("Gather", "scores at", "score", axis=1),
    ]
    return graph(nodes, at=np.array([which]))


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    ("leaves", "transforms", "bases"),
    [
        ([{0: 0.25}, {0: 0.75}], ("NONE", "LOGISTIC"), ([], [0.125])),
        ([{0: 0.0}, {0: 0.75}], ("NONE", "LOGISTIC"), ([], [0.125])),
        ([{0: -0.25}, {0: 0.75}], ("NONE", "LOGISTIC"), ([], [0.125])),
        ([{0: 0.25, 1: 0.75}, {0: 0.5, 1: 0.5}], ("NONE", "LOGISTIC", "SOFTMAX"), ([],)),
        ([{0: -0.25, 1: 0.75}, {0: 0.5, 1: 0.5}], ("NONE", "LOGISTIC", "SOFTMAX"), ([],)),
        ([{1: 0.25}, {2: 0.75}], ("NONE", "LOGISTIC", "SOFTMAX"), ([], [0.1, 0.2, 0.3])),
        ([{0: 0.2, 1: 0.3, 2: 0.5}, {0: 1.0}], ("NONE", "LOGISTIC", "SOFTMAX"), ([], [0.1, 0.2, 0.3])),
    ],
)
def test_classes_of_trees_are_those_of_onnxruntime(
    leaves: list[dict[int, float]], transforms: tuple[str, ...], bases: tuple[list[float], ...], which: int
) -> None:
    for transform in transforms:
        for base in bases:
            holds(classifier(leaves, transform, which, base))


@pytest.mark.parametrize(
    ("leaves", "transform", "base"),
    [
        ([{1: 0.25}, {1: 0.75}], "NONE", []),
        ([{0: 0.25}, {1: 0.75}], "NONE", []),
        ([{0: 0.25}, {0: 0.75}], "NONE", [0.1, 0.2]),
        ([{0: 0.25}, {0: 0.75}], "SOFTMAX", []),
        ([{0: 0.25, 1: 0.5}, {0: 0.75, 1: 0.5}], "NONE", [0.1, 0.2]),
        ([{0: 0.25}, {0: 0.75}], "PROBIT", []),
        ([{0: 0.25, 1: 0.5}, {0: 0.75, 1: 0.5}], "SOFTMAX_ZERO", []),
    ],
)
def test_classes_that_onnxruntime_treats_in_ways_of_its_own_have_no_formula(
    leaves: list[dict[int, float]], transform: str, base: list[float]
) -> None:
    with pytest.raises(UnreadableError):
        formula_of(classifier(leaves, transform, 1, base))


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
@pytest.mark.parametrize("classes", [1, 2, 3])
def test_linear_models_are_those_of_onnxruntime(transform: str, classes: int) -> None:
    labels = list(range(max(2, classes)))
    coefficients = [0.1 * n - 0.3 for n in range(classes * WIDTH)]
    model = graph(
        [
            node(
                "LinearClassifier", "number", "label scores", classlabels_ints=labels, coefficients=coefficients,
                intercepts=[0.2 * n - 0.1 for n in range(classes)], post_transform=transform,
            ),
            node("Gather", "scores at", "score", axis=1),
        ],
        at=np.array([1]),
    )  # fmt: skip
    try:
        formula_of(model)
    except UnreadableError:
        assert (classes, transform) == (1, "SOFTMAX")
        return
    holds(model, rows=[row for row in ROWS if max(map(abs, np.nan_to_num(row))) < 100])


@pytest.mark.parametrize("norm", ["L1", "L2", "MAX"])
def test_rows_are_normalised_as_onnxruntime_does_a_row_of_zeros_too(norm: str) -> None:
    rows = [row for row in ROWS if not np.isnan(row).any()]
    holds(graph(summed("Normalizer", norm=norm), weights=WEIGHTS), rows=rows)


CASES: dict[str, Callable[[], bytes]] = {
    **{
        f"{name} with truths that do not depend on the row": lambda name=name: graph(  # type: ignore[misc]
            [
                node("Less", "number ones", "less"),
                node(name, "less known", "left"),
                node(name, "known left", "both"),
                node("Not", "known", "unknown"),
                node("Where", "unknown number ones", "chosen"),
                node("Where", "both chosen fives", "made"),
                *weighed(),
            ],
            ones=np.ones((1, 3), np.float32),
            known=np.array([[True, False, True]]),
            fives=np.full((1, 3), 5.0, np.float32),
            weights=WEIGHTS,
        )
        for name in ("And", "Or")
    },
    "scaler": lambda: graph(summed("Scaler", offset=[1.0, 2.0, 3.0], scale=[0.5, 2.0, 0.25]), weights=WEIGHTS),
    "imputer of missing": lambda: graph(
        summed("Imputer", imputed_value_floats=[7.0, 8.0, 9.0], replaced_value_float=NAN), weights=WEIGHTS
    ),
    "imputer of a number": lambda: graph(
        summed("Imputer", imputed_value_floats=[7.0], replaced_value_float=3.0), weights=WEIGHTS
    ),
    "binarizer": lambda: graph(summed("Binarizer", threshold=1.0), weights=WEIGHTS),
    "features": lambda: graph(
        [node("FeatureVectorizer", "number number", "both", inputdimensions=[3, 3]),
         node("ArrayFeatureExtractor", "both at", "made"), node("MatMul", "made weights", "score")],
        at=np.array([[5, 0, 1]]), weights=WEIGHTS,
    ),
    "one hot of whole numbers": lambda: graph(
        [node("ArrayFeatureExtractor", "number at", "one"), node("OneHotEncoder", "one", "hot", cats_int64s=[1, 3, 0], zeros=1),
         node("Reshape", "hot shape", "made"), node("MatMul", "made weights", "score")],
        at=np.array([[0]]), shape=np.array([-1, 3]), weights=WEIGHTS,
    ),
    "labels of numbers": lambda: graph(
        summed("LabelEncoder", keys_floats=[1.0, 2.0, 0.1], values_floats=[5.0, 6.0, 7.0], default_float=-1.0), weights=WEIGHTS
    ),
    "arithmetic": lambda: graph(
        [node("Sub", "number c", "a"), node("Div", "a d", "b"), node("Pow", "b two", "p"), node("Add", "p number", "made"), *weighed()],
        c=np.float32([0.5, 0.1, 2.0]), d=np.float32([3.0]), two=np.float32(2.0), weights=WEIGHTS,
    ),
    "functions": lambda: graph(
        [node("Sigmoid", "number", "s"), node("Tanh", "s", "t"), node("Exp", "t", "e"), node("Log", "e", "l"), node("Sqrt", "l", "q"),
         node("Neg", "q", "n"), node("Abs", "n", "b"), node("Erf", "b", "f"), node("Reciprocal", "f", "r"), node("Floor", "r", "o"), node("Relu", "o", "made"), *weighed()],
        weights=WEIGHTS,
    ),
    "clip": lambda: graph([node("Clip", "number low high", "made"), *weighed()], low=np.float32(-1.0), high=np.float32(2.0), weights=WEIGHTS),
    "least and greatest": lambda: graph(
        [node("Min", "number c", "a"), node("Max", "a d", "b"), node("Sum", "a b number", "made"), *weighed()],
        c=np.float32([1.0, 2.0, 0.0]), d=np.float32([0.5]), weights=WEIGHTS,
    ),
    "comparisons of float32": lambda: graph(
        [node("Div", "number three", "third"), node("Less", "third bound", "l"), node("LessOrEqual", "third bound", "le"), node("Greater", "third bound", "g"),
         node("GreaterOrEqual", "third bound", "ge"), node("Equal", "third bound", "e"), node("And", "le ge", "both"), node("Or", "l g", "either"), node("Not", "either", "neither"),
         node("Where", "both number third", "w"), node("Cast", "e", "x", to=TensorProto.FLOAT), node("Cast", "neither", "y", to=TensorProto.FLOAT),
         node("Sum", "w x y", "made"), *weighed()],
        three=np.float32([3.0, 3.0, 10.0]), bound=np.float32([1 / 3, 2 / 3, 0.3]), weights=WEIGHTS,
    ),
    "comparisons of float64": lambda: graph(
        [node("Cast", "number", "d", to=TensorProto.DOUBLE), node("Div", "d three", "third"), node("Less", "third bound", "l"), node("Cast", "l", "made", to=TensorProto.FLOAT), *weighed()],
        three=np.float64([3.0, 3.0, 10.0]), bound=np.float64([1 / 3 + 1e-12, 2 / 3, 0.3]), weights=WEIGHTS,
    ),
    "whole numbers": lambda: graph(
        [node("Clip", "number low high", "c"), node("Cast", "c", "i", to=TensorProto.INT64), node("Cast", "i", "made", to=TensorProto.FLOAT), *weighed()],
        low=np.float32(-5.0), high=np.float32(5.0), weights=WEIGHTS,
    ),
    "pieces": lambda: graph(
        [node("Split", "number sizes", "a b", axis=1), node("Slice", "number starts ends axes steps", "c"), node("Transpose", "c", "t", perm=[1, 0]),
         node("Reshape", "t shape", "r"), node("Squeeze", "a one", "s"), node("Unsqueeze", "s one", "u"), node("Concat", "u r b", "all", axis=1),
         node("Flatten", "all", "f"), node("Gather", "f places", "made", axis=1), *weighed()],
        sizes=np.array([1, 2]), starts=np.array([2]), ends=np.array([0]), axes=np.array([1]), steps=np.array([-1]), shape=np.array([-1, 2]),
        one=np.array([1]), places=np.array([4, 1, 2]), weights=WEIGHTS,
    ),
    "the largest": lambda: graph(
        [node("ArgMax", "number", "i", axis=1, keepdims=1), node("Cast", "i", "score", to=TensorProto.FLOAT)]
    ),
    "shares": lambda: graph([node("Clip", "number low high", "c"), node("Softmax", "c", "made", axis=1), *weighed()], low=np.float32(-9.0), high=np.float32(9.0), weights=WEIGHTS),
    "expanded": lambda: graph(
        [node("ReduceMean", "number axes", "m", keepdims=1), node("Shape", "number", "shape"), node("Expand", "m shape", "made"), *weighed()],
        axes=np.array([1]), weights=WEIGHTS,
    ),
    "products": lambda: graph(
        [node("Gemm", "number w c", "score", alpha=0.5, beta=2.0, transB=1)], w=np.float32([[1.0, -2.0, 3.0]]), c=np.float32([0.25])
    ),
    "constants": lambda: graph(
        [node("Constant", "", "c", value_floats=[1.0, 2.0, 3.0]), node("ConstantOfShape", "shape", "z", value=numpy_helper.from_array(np.float32([4.0]))),
         node("Add", "number c", "a"), node("Add", "a z", "made"), *weighed()],
        shape=np.array([1, 3]), weights=WEIGHTS,
    ),
    **{
        name: (lambda name=name: graph([node(name, "number axes", "score", keepdims=1)], axes=np.array([1])))
        for name in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp")
    },
}  # fmt: skip

WITHOUT_MISSING = ("binarizer", "whole numbers", "ReduceMax", "ReduceMin")
"""What onnxruntime makes of NaN here is a number of its own; in a formula it is missing still."""


@pytest.mark.parametrize("name", CASES)
def test_an_operator_gives_what_onnxruntime_gives(name: str) -> None:
    model = CASES[name]()
    holds(model, rows=[row for row in ROWS if name not in WITHOUT_MISSING or not np.isnan(row).any()])


def test_texts_are_looked_up_compared_and_chosen_as_onnxruntime_does() -> None:
    model = graph(
        [
            node("Equal", "text token", "gone"),
            node("Where", "gone word text", "filled"),
            node("LabelEncoder", "filled", "code", keys_strings=["a", "it's", "none"], values_floats=[1.0, 2.0, 3.0], default_float=9.0),
            node("OneHotEncoder", "filled", "hot", cats_strings=["b", "none", ""], zeros=1),
            node("Reshape", "hot shape", "row"),
            node("MatMul", "row weights", "more"),
            node("Add", "code more", "score"),
        ],
        text=True,
        token=np.array(["\x1a"], dtype=object),
        word=np.array(["none"], dtype=object),
        shape=np.array([-1, 3]),
        weights=WEIGHTS,
    )  # fmt: skip
    holds(model, text=True)


def test_a_golden_row_that_has_no_score_has_none_by_the_formula_either() -> None:
    """Where an input is missing that may not be, and where one is beyond float32: whatever the arithmetic would make of it."""
    model = graph(
        [node("Clip", "number low high", "made"), *weighed()],
        low=np.float32(-1.0),
        high=np.float32(2.0),
        weights=WEIGHTS,
    )
    signature = {
        "format": 1,
        "inputs": [{"name": n, "type": "number", "missing": n == "c"} for n in "abc"],
        "output": {"name": "score", "kind": "value", "class": None},
    }
    rows = [[1.0, 1.0, 1.0], [None, 1.0, 1.0], [1.0, 1e39, 1.0], [1.0, -1e39, 1.0], [9.0, 1.0, -3.0]]
    golden = {"rows": rows, "scores": [111.0, None, None, None, -88.0]}
    assert formula_for(model, signature, golden)["golden"]["scores"] == [111.0, None, None, None, -88.0]
