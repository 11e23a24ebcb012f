"""The reader of a model's bytes: takes what is whole, refuses the rest in words, never stumbles."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelpack.packager import package
from plpython.inspect import inspect
from plpython.inspection.schema import SCHEMA
from tests.example import model, packaged, sample
from tests.hostile import GOLDEN, MIXING, SIGNATURE, Hostile, corpus, honest, info, proto, tensor


class RefusedError(Exception):
    """What the server would raise."""


class Server:
    """As much of plpy as the reader uses."""

    def execute(self, _query: str) -> list[dict[str, Any]]:
        return [{"name": "model_bytes", "value": 1 << 27}, {"name": "model_nodes", "value": 10_000}]

    def error(self, message: str, **_details: Any) -> None:
        raise RefusedError(message + " " + str(_details.get("detail", "")))


def read(onnx: bytes, signature: Any = SIGNATURE, golden: Any = GOLDEN) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(inspect(Server(), onnx, json.dumps(signature), json.dumps(golden)))
    return found


def test_a_whole_model_is_taken_and_described() -> None:
    onnx = honest().SerializeToString()
    assert read(onnx) == {"bytes": len(onnx), "nodes": 1, "operators": {"ReduceSum": 1}, "rows_apart": True}


SUM_OF_ROW = helper.make_node("ReduceSum", ["sum", "axis"], ["score"], keepdims=1)
SCALED_FOREST = make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=1))


@pytest.mark.parametrize("route", ["float32", "split"])
def test_what_the_packager_makes_is_taken(route: str) -> None:
    estimator = model() if route == "float32" else SCALED_FOREST.fit(sample(), model().predict(sample()))
    made = package(estimator, sample())
    assert made.parity.route == route
    assert read(made.onnx, made.signature.to_json(), made.golden.to_json())["nodes"] > 0


@pytest.mark.parametrize(
    "hostile", [h for h in corpus() if "cannot" not in h.words], ids=lambda hostile: hostile.name
)
def test_a_hostile_model_is_refused_or_left_to_the_trial(hostile: Hostile) -> None:
    left_to_the_trial = "seconds", "golden row 1", "alone scores", "expected 3"
    if any(word in hostile.words for word in left_to_the_trial):
        found = read(hostile.onnx, hostile.signature, hostile.golden)
        if "alone scores" in hostile.words:
            assert not found["rows_apart"]
        return
    with pytest.raises(RefusedError, match="the model is refused: "):
        read(hostile.onnx, hostile.signature, hostile.golden)


APART = {
    "constant of one row": [helper.make_node("Add", ["number", "row"], ["sum"]), SUM_OF_ROW],
    "constant first": [helper.make_node("Sub", ["row", "number"], ["sum"]), SUM_OF_ROW],
    "columns": [helper.make_node("Gather", ["number", "one"], ["score"], axis=1)],
    "column of an extractor": [
        helper.make_node("ArrayFeatureExtractor", ["number", "one"], ["score"], domain="ai.onnx.ml")
    ],
    "column from the end": [helper.make_node("Gather", ["number", "one"], ["score"], axis=-1)],
    "one column": [
        helper.make_node("Gather", ["number", "zero"], ["flat"], axis=1),
        helper.make_node("Reshape", ["flat", "column"], ["score"]),
    ],
    "weights": [helper.make_node("MatMul", ["number", "weights"], ["score"])],
    "softmax of a row": [
        helper.make_node("Softmax", ["number"], ["shares"], axis=1),
        helper.make_node("Gather", ["shares", "one"], ["score"], axis=1),
    ],
    "dropout of inference": [
        helper.make_node("Dropout", ["number", "half", "false"], ["sum"]),
        SUM_OF_ROW,
    ],
}
MIXED = {
    "constant of two rows": [helper.make_node("Add", ["number", "rows"], ["sum"]), SUM_OF_ROW],
    "constant of one row more": [
        helper.make_node("Gather", ["number", "zero"], ["flat"], axis=1),
        helper.make_node("Add", ["flat", "pair"], ["two"]),
        helper.make_node("Reshape", ["two", "column"], ["score"]),
    ],
    "one axis beside two": [
        helper.make_node("Gather", ["number", "zero"], ["flat"], axis=1),
        helper.make_node("Add", ["number", "flat"], ["sum"]),
        SUM_OF_ROW,
    ],
    "axis from the end": [
        helper.make_node("Gather", ["number", "one"], ["first"], axis=-2),
        helper.make_node("ReduceSum", ["first", "axis"], ["score"], keepdims=1),
    ],
    "rows halved": [helper.make_node("Reshape", ["number", "column"], ["score"])],
    "weights before": [
        helper.make_node("MatMul", ["square", "number"], ["sum"]),
        SUM_OF_ROW,
    ],
    "turned": [
        helper.make_node("Gemm", ["number", "square"], ["sum"], transA=1),
        SUM_OF_ROW,
    ],
}


@pytest.mark.parametrize(
    ("nodes", "apart"), [(n, k in APART) for k, n in (APART | MIXED).items()], ids=[*APART, *MIXED]
)
def test_rows_are_known_to_be_apart_only_where_the_graph_shows_it(nodes: list[Any], apart: bool) -> None:
    constants = [
        tensor("axis", [1], TensorProto.INT64),
        tensor("row", [1.0, 2.0], dims=[1, 2]),
        tensor("rows", [1.0, 2.0], dims=[2, 1]),
        tensor("pair", [1.0, 2.0]),
        tensor("one", [1], TensorProto.INT64),
        tensor("zero", [0], TensorProto.INT64, []),
        tensor("column", [-1, 1], TensorProto.INT64),
        tensor("weights", [1.0, 2.0], dims=[2, 1]),
        tensor("square", [1.0, 2.0, 3.0, 4.0], dims=[2, 2]),
        tensor("half", [0.5], dims=[]),
        tensor("false", [False], TensorProto.BOOL, []),
    ]
    assert read(proto(nodes, constants).SerializeToString())["rows_apart"] is apart


SIZED: dict[str, tuple[str, str]] = {
    # what says how large the result is stands as {}
    "ConstantOfShape": ("ConstantOfShape", "{}"),
    "Expand": ("Expand", "number {}"),
    "Tile": ("Tile", "number {}"),
    "OneHot, depth": ("OneHot", "number {} values"),
    "Pad, pads": ("Pad", "number {}"),
    "Range, start": ("Range", "{} one one"),
    "Range, limit": ("Range", "one {} one"),
    "Range, delta": ("Range", "one one {}"),
    "Slice, starts": ("Slice", "number {} one"),
    "Slice, ends": ("Slice", "number one {}"),
    "Slice, axes": ("Slice", "number one one {}"),
    "Slice, steps": ("Slice", "number one one one {}"),
    "Reshape": ("Reshape", "number {}"),
    "TopK": ("TopK", "number {}"),
    "Split": ("Split", "number {}"),
    "Squeeze": ("Squeeze", "number {}"),
    "Unsqueeze": ("Unsqueeze", "number {}"),
}
FROM_SHAPES = {
    "a constant": ([], "one"),
    "the shape": ([helper.make_node("Shape", ["number"], ["size"])], "size"),
    "how many there are": ([helper.make_node("Size", ["number"], ["size"])], "size"),
    "the shape of what is made of the data": (
        [helper.make_node("Exp", ["number"], ["grown"]), helper.make_node("Shape", ["grown"], ["size"])],
        "size",
    ),
    "arithmetic of shapes": (
        [
            helper.make_node("Shape", ["number"], ["shape"]),
            helper.make_node("Mul", ["shape", "one"], ["size"]),
        ],
        "size",
    ),
}
FROM_DATA = {
    "the data": ([], "number"),
    "data as integers": ([helper.make_node("Cast", ["number"], ["size"], to=TensorProto.INT64)], "size"),
    "a place in the data": ([helper.make_node("ArgMax", ["number"], ["size"])], "size"),
    "data beside a shape": (
        [helper.make_node("Shape", ["number"], ["shape"]), helper.make_node("Max", ["shape", "number"], ["size"])],
        "size",
    ),
    "a part of a shape that the data choose": (
        [helper.make_node("Shape", ["number"], ["shape"]), helper.make_node("Gather", ["shape", "number"], ["size"])],
        "size",
    ),
}  # fmt: skip


def sized(operator: str, inputs: str, nodes: list[Any], size: str) -> bytes:
    """A model with an operator whose result is as large as `size` says."""
    made = helper.make_node(operator, inputs.format(size).split(), ["part"])
    score = helper.make_node("ReduceSum", ["part", "axis"], ["score"])
    constants = [
        tensor("axis", [1], TensorProto.INT64),
        tensor("one", [1], TensorProto.INT64),
        tensor("values", [0.0, 1.0]),
    ]
    whole: bytes = proto([*nodes, made, score], constants).SerializeToString()
    return whole


@pytest.mark.parametrize(("operator", "inputs"), SIZED.values(), ids=list(SIZED))
def test_how_large_a_result_is_may_come_from_shapes_and_never_from_data(operator: str, inputs: str) -> None:
    for what, (nodes, size) in FROM_SHAPES.items():
        assert read(sized(operator, inputs, nodes, size))["operators"][operator] >= 1, what
    for nodes, size in FROM_DATA.values():
        with pytest.raises(RefusedError, match=f"the operator {operator} makes a result whose size depends"):
            read(sized(operator, inputs, nodes, size))


@pytest.mark.parametrize("operator", ["NonZero", "Compress", "Unique"])
def test_an_operator_that_chooses_elements_is_refused_whatever_it_chooses_from(operator: str) -> None:
    for inputs in ("number", "one"):
        with pytest.raises(RefusedError, match=f"the operator {operator} makes a result whose size depends"):
            read(sized(operator, inputs, [], ""))


WORDS = {
    "format": 1,
    "inputs": [{"name": "t", "type": "text", "missing": False}],
    "output": {"name": "score", "kind": "value", "class": None},
}


@pytest.mark.parametrize(
    ("nodes", "refused"),
    [
        ("TfIdfVectorizer words counted", None),
        ("Transpose words turned; Identity turned same; TfIdfVectorizer same counted", None),
        ("TfIdfVectorizer words counted; Shape counted size; Expand counted size big", None),
        ("Shape words size; Expand one size big", "Shape"),
        ("Size words size; Expand one size big", "Size"),
        ("Transpose words turned; Shape turned size", "Shape"),
        ("Identity words same; Equal same same big", "Equal"),
        ("LabelEncoder words codes; Mul codes one big", "Mul"),
        ("Concat words words more; Gather more one big", "Gather"),
        ("Cast words numbers; MatMul numbers numbers big", "MatMul"),
    ],
)
def test_as_long_as_words_are_not_counted_nothing_is_made_as_large_as_they_are_many(
    nodes: str, refused: str | None
) -> None:
    domains = {"Tokenizer": "com.microsoft", "LabelEncoder": "ai.onnx.ml"}
    made = []
    for line in f"Tokenizer text words; {nodes}".split("; "):
        operator, *names = line.split()
        made.append(helper.make_node(operator, names[:-1], names[-1:], domain=domains.get(operator, "")))
    made.append(helper.make_node("ReduceSum", [made[-1].output[0], "one"], ["score"]))
    graph = helper.make_graph(
        made,
        "words",
        [helper.make_tensor_value_info("text", TensorProto.STRING, ["N", 1])],
        [info("score", ["N", 1])],
        [tensor("one", [1], TensorProto.INT64)],
    )
    opsets = [helper.make_opsetid(d, v) for d, v in (("", 17), ("ai.onnx.ml", 2), ("com.microsoft", 1))]
    onnx = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    golden = {"rows": [["a b"]], "scores": [1.0]}
    if refused is None:
        assert read(onnx, WORDS, golden)["nodes"] == len(made)
    else:
        with pytest.raises(RefusedError, match=f"the operator {refused} makes a result whose size depends"):
            read(onnx, WORDS, golden)


@pytest.mark.parametrize("kind", MIXING)
def test_rows_that_are_mixed_are_never_taken_for_apart(kind: str) -> None:
    (model,) = (h for h in corpus() if h.name == f"{kind} over the rows of a batch")
    assert not read(model.onnx)["rows_apart"]


@pytest.mark.parametrize("scores", [[1e400, 7.0], [3.0, -1e400]])
def test_scores_that_are_no_numbers_are_refused(scores: list[float]) -> None:
    text = json.dumps({"rows": [[1, 2], [3, 4]], "scores": scores}).replace("Infinity", "1e400")
    with pytest.raises(RefusedError, match="a golden score"):
        inspect(Server(), honest().SerializeToString(), json.dumps(SIGNATURE), text)


def test_a_model_cut_off_anywhere_is_refused() -> None:
    onnx = packaged().onnx
    form = packaged().signature.to_json(), packaged().golden.to_json()
    for length in range(len(onnx)):
        with pytest.raises(RefusedError):
            read(onnx[:length], *form)


def test_changed_bytes_are_read_or_refused_in_words() -> None:
    chance = random.Random(11)
    onnx = packaged().onnx
    form = packaged().signature.to_json(), packaged().golden.to_json()
    refused = 0
    for _ in range(3000):
        changed = bytearray(onnx)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        try:
            read(bytes(changed), *form)
        except RefusedError:
            refused += 1
    assert refused > 300


def test_a_large_forest_is_read_in_little_time_and_space() -> None:
    count = 1_000_000
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["number"],
        ["score"],
        domain="ai.onnx.ml",
        nodes_values=np.zeros(count, np.float32).tolist(),
        nodes_truenodeids=list(range(count)),
    )
    graph = helper.make_graph([node], "g", [info("number", ["N", 2])], [info("score", ["N", 1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 3)])
    started = time.monotonic()
    assert read(model.SerializeToString())["bytes"] > 8_000_000
    assert time.monotonic() - started < 5


MESSAGES = {
    "model": onnx.ModelProto, "operator set": onnx.OperatorSetIdProto, "graph": onnx.GraphProto, "node": onnx.NodeProto,
    "attribute": onnx.AttributeProto, "tensor": onnx.TensorProto, "key and value": onnx.StringStringEntryProto,
    "value": onnx.ValueInfoProto, "type": onnx.TypeProto, "tensor type": onnx.TypeProto.Tensor,
    "shape": onnx.TensorShapeProto, "dimension": onnx.TensorShapeProto.Dimension,
}  # fmt: skip
"""What the reader calls the messages of ONNX."""


@pytest.mark.parametrize("message", MESSAGES)
def test_the_fields_that_the_reader_knows_are_those_of_onnx(message: str) -> None:
    fields = {field.number: field for field in MESSAGES[message].DESCRIPTOR.fields}
    read = {number: (name, kind) for number, (name, kind) in SCHEMA[message].items() if kind}
    assert set(SCHEMA) == set(MESSAGES)
    # what is refused may be newer than this library
    assert set(read) <= set(fields) <= set(SCHEMA[message])
    kinds = {
        "float": {2},
        "double": {1},
        "int": {3, 4, 5, 13, 14},
        "bytes": {9, 11, 12},
    }  # protobuf's numbers of types
    for number, (name, kind) in read.items():
        field = fields[number]
        assert (name, kind.endswith("*")) == (field.name, _many(message, name)), number
        assert field.type in kinds[kind.rstrip("*")], name


def _many(message: str, name: str) -> bool:
    """Whether a field can be there more than once."""
    return hasattr(getattr(MESSAGES[message](), name), "extend")
