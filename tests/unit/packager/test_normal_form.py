"""Models of any origin in normal form."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from modelpack.errors import PackagingError
from modelpack.packager.estimator.columns import Column
from modelpack.packager.graph.normal_form import NormalForm, normalise
from modelpack.packager.graph.runtime import Runner

A, B, C, T, U = (
    Column(n, k)  # type: ignore[arg-type]  # letters, not literals
    for n, k in [("a", "number"), ("b", "number"), ("c", "number"), ("t", "text"), ("u", "text")]
)
ML = "ai.onnx.ml"


def model(
    nodes: list[Any],
    inputs: list[Any],
    outputs: list[Any],
    constants: dict[str, Any] | None = None,
    opset: int = 18,
) -> bytes:
    initializers = [numpy_helper.from_array(np.asarray(v), n) for n, v in (constants or {}).items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(ML, 3)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def value(name: str, kind: int = TensorProto.FLOAT, *shape: Any) -> Any:
    return helper.make_tensor_value_info(name, kind, list(shape) or ["N", 1])


def run(form: NormalForm, **feeds: Any) -> Any:
    kinds = {"number": np.float32, "text": object}
    return Runner(form.onnx).scores({n: np.array(v, dtype=kinds[n]) for n, v in feeds.items()})


def kinds(form: NormalForm) -> list[str]:
    return [n.op_type for n in onnx.load_from_string(form.onnx).graph.node]


def test_a_matrix_goes_straight_in() -> None:
    raw = model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [value("x", TensorProto.FLOAT, "N", 3)],
        [value("y")],
        {"w": np.array([[1], [10], [100]], np.float32)},
    )
    form = normalise(raw, [A, B, C])
    assert kinds(form) == ["MatMul"]
    assert run(form, number=[[1, 2, 3], [0, 0, 1]]).tolist() == [321, 100]


def test_columns_that_are_concatenated_are_one_input() -> None:
    raw = model(
        [
            helper.make_node("Concat", ["c", "a", "b"], ["x"], axis=1),
            helper.make_node("MatMul", ["x", "w"], ["y"]),
        ],
        [value("a"), value("b"), value("c")],
        [value("y")],
        {"w": np.array([[1], [10], [100]], np.float32)},
    )
    form = normalise(raw, [A, B, C])
    assert form.columns == (C, A, B)
    assert kinds(form) == ["MatMul"]
    assert run(form, number=[[1, 2, 3]]).tolist() == [321]


def test_single_columns_come_from_one_split() -> None:
    raw = model(
        [helper.make_node("Sub", ["a", "b"], ["d"]), helper.make_node("Mul", ["d", "c"], ["y"])],
        [value("c"), value("a"), value("b")],
        [value("y")],
    )
    form = normalise(raw, [A, B, C])
    assert sorted(kinds(form)) == ["Mul", "Split", "Sub"]
    values = dict(zip((c.name for c in form.columns), [7.0, 5.0, 3.0], strict=True))
    assert run(form, number=[list(values.values())]).tolist() == [(values["a"] - values["b"]) * values["c"]]


def test_a_column_used_twice_is_gathered() -> None:
    raw = model(
        [
            helper.make_node("Concat", ["a", "b"], ["x"], axis=1),
            helper.make_node("ReduceSum", ["x", "axis"], ["s"], keepdims=1),
            helper.make_node("Mul", ["s", "b"], ["y"]),
        ],
        [value("a"), value("b")],
        [value("y")],
        {"axis": np.array([1])},
    )
    form = normalise(raw, [A, B])
    assert run(form, number=[[2, 3]]).tolist() == [15]


def test_texts_and_numbers_apart() -> None:
    encode = {"keys_strings": ["x", "y"], "values_floats": [1.0, 2.0], "default_float": 0.0, "domain": ML}
    raw = model(
        [
            helper.make_node("LabelEncoder", ["t"], ["p"], **encode),
            helper.make_node("LabelEncoder", ["u"], ["q"], **encode),
            helper.make_node("Sum", ["p", "q", "a"], ["y"]),
        ],
        [value("t", TensorProto.STRING), value("a"), value("u", TensorProto.STRING)],
        [value("y")],
    )
    form = normalise(raw, [T, A, U])
    assert [i.name for i in onnx.load_from_string(form.onnx).graph.input] == ["number", "text"]
    assert run(form, number=[[10], [20]], text=[["x", "y"], ["z", "x"]]).tolist() == [13, 21]


@pytest.mark.parametrize("kind", [TensorProto.DOUBLE, TensorProto.INT64])
def test_inputs_of_other_types_are_cast(kind: int) -> None:
    raw = model(
        [helper.make_node("ReduceSum", ["x", "axis"], ["y"], keepdims=1)],
        [value("x", kind, "N", 2)],
        [value("y", kind)],
        {"axis": np.array([1])},
    )
    form = normalise(raw, [A, B], output="y")
    assert run(form, number=[[1, 2]]).tolist() == [3]


def test_the_score_is_a_column_of_the_probabilities() -> None:
    raw = model(
        [
            helper.make_node(
                "LinearClassifier",
                ["x"],
                ["label", "p"],
                domain=ML,
                coefficients=[1.0, 0.0, 0.0, 1.0, 1.0, 1.0],
                intercepts=[0.0, 0.0, 0.0],
                classlabels_ints=[0, 1, 2],
                post_transform="NONE",
            ),
            helper.make_node("ZipMap", ["p"], ["z"], domain=ML, classlabels_int64s=[0, 1, 2]),
        ],
        [value("x", TensorProto.FLOAT, "N", 2)],
        [
            value("label", TensorProto.INT64, "N"),
            helper.make_tensor_sequence_value_info("z", TensorProto.FLOAT, None),
        ],
    )
    form = normalise(raw, [A, B], index=2)
    assert kinds(form) == ["Gemm"]
    assert run(form, number=[[3, 4]]).tolist() == [7]
    assert run(normalise(raw, [A, B], index=2, sign=-1.0), number=[[3, 4]]).tolist() == [-7]


def test_names_inside_the_model_do_not_matter() -> None:
    raw = model(
        [
            helper.make_node("Neg", ["text"], ["score"]),
            helper.make_node("Add", ["score", "number"], ["out"]),
        ],
        [value("number"), value("text")],
        [value("out")],
    )
    columns = [Column("text", "number"), Column("number", "number")]
    form = normalise(raw, columns)
    at = {c.name: n for n, c in enumerate(form.columns)}
    row = [0.0, 0.0]
    row[at["text"]], row[at["number"]] = 2.0, 10.0
    assert run(form, number=[row]).tolist() == [8]


def test_columns_without_influence_disappear() -> None:
    raw = model(
        [helper.make_node("Neg", ["a"], ["y"]), helper.make_node("Neg", ["b"], ["unused"])],
        [value("a"), value("b")],
        [value("y"), value("unused")],
    )
    form = normalise(raw, [A, B], output="y")
    assert form.columns == (A,)
    assert kinds(form) == ["Neg"]


def test_values_that_are_not_known_have_no_score() -> None:
    encode = {"keys_strings": ["x"], "values_floats": [1.0], "default_float": 0.0, "domain": ML}
    raw = model(
        [
            helper.make_node("Neg", ["a"], ["y"]),
            helper.make_node("LabelEncoder", ["t"], ["e"], **encode),
            helper.make_node("Add", ["y", "e"], ["z"]),
        ],
        [value("a"), value("t", TensorProto.STRING)],
        [value("z")],
    )
    form = normalise(raw, [A, T], closed={"t": ["x", "y"], "a": [1.0, 2.0]})
    found = run(form, number=[[1], [2], [3], [1], [np.nan]], text=[["x"], ["y"], ["x"], ["w"], ["x"]])
    np.testing.assert_array_equal(found, [0, -2, np.nan, np.nan, np.nan])


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ([A], {"index": 0}, "takes 2 number column"),
        ([A, B], {"output": "nothing"}, "no output 'nothing'. Its outputs: y"),
        ([A, T], {"index": 0}, "takes 2 number column"),
    ],
)
def test_what_does_not_fit_is_said(columns: list[Column], options: dict[str, Any], message: str) -> None:
    raw = model(
        [helper.make_node("Neg", ["x"], ["y"])],
        [value("x", TensorProto.FLOAT, "N", 2)],
        [value("y", TensorProto.FLOAT, "N", 2)],
    )
    with pytest.raises(PackagingError, match=message):
        normalise(raw, columns, **options)


def test_several_columns_need_an_index() -> None:
    raw = model(
        [helper.make_node("Neg", ["x"], ["y"])],
        [value("x", TensorProto.FLOAT, "N", 2)],
        [value("y", TensorProto.FLOAT, "N", 2)],
    )
    with pytest.raises(PackagingError, match="'y' has 2 columns"):
        normalise(raw, [A, B])


def test_several_outputs_need_a_name() -> None:
    raw = model(
        [helper.make_node("Neg", ["a"], ["y"]), helper.make_node("Abs", ["a"], ["z"])],
        [value("a")],
        [value("y"), value("z")],
    )
    with pytest.raises(PackagingError, match="outputs y, z: say which"):
        normalise(raw, [A])


@pytest.mark.parametrize("content", [b"", b"not onnx", b"\x08\x07garbage"])
def test_bytes_that_are_no_model(content: bytes) -> None:
    with pytest.raises(PackagingError):
        normalise(content, [A])


def test_an_old_operator_set_is_brought_up() -> None:
    raw = model(
        [helper.make_node("Neg", ["a"], ["n"]), helper.make_node("Add", ["n", "b"], ["y"])],
        [value("a"), value("b")],
        [value("y")],
        opset=9,
    )
    assert run(normalise(raw, [A, B]), number=[[1, 5]]).tolist() == [4]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_arrangement_of_columns_keeps_its_meaning(data: st.DataObject) -> None:
    """Random concatenations of random columns, each weighted: the sum is the same however they are fed."""
    names = ["a", "b", "c", "d", "e"]
    groups = data.draw(
        st.lists(st.lists(st.sampled_from(names), min_size=1, max_size=4), min_size=1, max_size=4)
    )
    nodes, constants, parts = [], {}, []
    expected = 0.0
    row = {n: float(10**k) for k, n in enumerate(names)}
    for g, group in enumerate(groups):
        joined = group[0]
        if len(group) > 1:
            joined = f"x{g}"
            nodes.append(helper.make_node("Concat", group, [joined], axis=1))
        constants[f"w{g}"] = np.arange(1, len(group) + 1, dtype=np.float32).reshape(-1, 1) * (g + 1)
        nodes.append(helper.make_node("MatMul", [joined, f"w{g}"], [f"p{g}"]))
        parts.append(f"p{g}")
        expected += sum(row[n] * (k + 1) * (g + 1) for k, n in enumerate(group))
    nodes.append(helper.make_node("Sum", parts, ["y"]))
    used = sorted({n for group in groups for n in group})
    raw = model(nodes, [value(n) for n in names], [value("y")], constants)
    form = normalise(raw, [Column(n, "number") for n in names])
    assert sorted(c.name for c in form.columns) == used
    found = run(form, number=[[row[c.name] for c in form.columns]])
    assert found.tolist() == [expected]
