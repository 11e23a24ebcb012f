"""`.onnx` files of any origin: the forms that are taken, the proof, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper

from modelpack.errors import PackagingError, ParityError
from modelpack.packager import Package, Publication, onnx_file, package
from modelpack.packager.graph.runtime import Runner

from .test_normal_form import ML, model, value

pytestmark = pytest.mark.usefixtures("here")

WEIGHTS = np.array([[0.5, -0.25], [0.1, 0.3], [-0.2, 0.7]], np.float32)
ROWS = pd.DataFrame(
    {
        "visits": np.arange(30.0) % 7,
        "spend": np.linspace(-2.0, 3.0, 30),
        "days": np.sin(np.arange(30.0)),
    }
)


def network(last: str = "Softmax", *, width: int = 2, shape: tuple[Any, ...] = ("N", 3)) -> bytes:
    """A network of one layer: x [N, 3] to y [N, width]."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node(last, ["z"], ["y"])]
    return model(
        nodes,
        [value("x", TensorProto.FLOAT, *shape)],
        [value("y", TensorProto.FLOAT, "N", width)],
        {"w": WEIGHTS[:, :width]},
    )


def probabilities(frame: pd.DataFrame = ROWS) -> Any:
    z = frame.to_numpy() @ WEIGHTS.astype(np.float64)
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def scores(made: Package, rows: list[list[Any]]) -> Any:
    return Runner(made.onnx).scores(made.signature.pack(rows))


def test_one_tensor_of_numbers_with_two_classes_gives_the_second() -> None:
    made = package(network(), ROWS, Publication(expected=probabilities()[:, 1]))
    assert made.signature.numbers == ("visits", "spend", "days")
    assert made.signature.output.to_json() == {"name": "score", "kind": "probability", "class": "1"}
    assert made.parity.passed
    assert made.parity.rows == 30
    assert sum(made.parity.probes.values()) > 20
    np.testing.assert_allclose(scores(made, ROWS.to_numpy()[:3].tolist()), probabilities()[:3, 1], atol=1e-6)


def test_the_class_can_be_chosen_and_expected_outputs_may_be_a_column() -> None:
    frame = ROWS.assign(gone=probabilities()[:, 0])
    made = package(network(), frame, Publication(expected="gone", positive_class=0))
    assert made.signature.output.positive_class == "0"
    assert made.signature.numbers == tuple(ROWS)


def test_inputs_name_the_columns_in_their_order() -> None:
    frame = ROWS[["days", "visits", "spend"]].assign(customer_id=range(30))
    expected = probabilities()[:, 1]
    made = package(network(), frame, Publication(expected=expected, inputs=["visits", "spend", "days"]))
    assert made.signature.numbers == ("visits", "spend", "days")
    with pytest.raises(PackagingError, match=r"customer_id would be left over of .*--inputs"):
        package(network(), frame, Publication(expected=expected))
    with pytest.raises(
        ParityError, match=r"differ by more than 1e-05 \(absolute\).* worst is .*expected is.*--inputs"
    ):
        package(network(), frame, Publication(expected=expected, inputs=["days", "spend", "visits"]))


def test_a_vector_and_a_single_column_are_values() -> None:
    total = ROWS.to_numpy().sum(axis=1)
    column = helper.make_node("ReduceSum", ["x", "axis"], ["y"], keepdims=1)
    vector = helper.make_node("ReduceSum", ["x", "axis"], ["y"], keepdims=0)
    for node, shape in ((column, ("N", 1)), (vector, ("N",))):
        raw = model(
            [node],
            [value("x", TensorProto.FLOAT, "N", 3)],
            [value("y", TensorProto.FLOAT, *shape)],
            {"axis": np.array([1])},
        )
        made = package(raw, ROWS, Publication(expected=total))
        assert made.signature.output.kind == "value"
        assert scores(made, [[1.0, 2.0, 4.0], [0.0, 0.0, 1.0]]).tolist() == [7.0, 1.0]
        with pytest.raises(ParityError, match=r"1e-05 \(relative to the expected score, or to the spread"):
            package(raw, ROWS, Publication(expected=total + 1))


def several(**encoder: Any) -> bytes:
    """y = price of the plan + spend, of two named inputs."""
    return model(
        [
            helper.make_node("LabelEncoder", ["plan"], ["price"], domain=ML, **encoder),
            helper.make_node("Add", ["price", "spend"], ["y"]),
        ],
        [value("plan", TensorProto.STRING), value("spend")],
        [value("y")],
    )


PRICES = {"keys_strings": ["basic", "pro"], "values_floats": [1.0, 5.0], "default_float": -1.0}


def test_named_inputs_of_numbers_and_texts_find_their_columns() -> None:
    frame = pd.DataFrame({"id": [1, 2, 3], "spend": [1.0, 2.0, 3.0], "plan": ["pro", "basic", "other"]})
    made = package(several(**PRICES), frame, Publication(expected=[6.0, 3.0, 2.0]))
    assert [(i.name, i.type, i.missing) for i in made.signature.inputs] == [
        ("spend", "number", False),
        ("plan", "text", False),
    ]
    assert scores(made, [[10.0, "pro"], [10.0, ""]]).tolist() == [15.0, 9.0]


def test_a_class_is_chosen_by_its_label_where_the_file_has_labels() -> None:
    raw = model(
        [
            helper.make_node(
                "LinearClassifier",
                ["x"],
                ["label", "p"],
                domain=ML,
                coefficients=[0.5, 0.1, -0.2, -0.25, 0.3, 0.7, 0.0, 0.1, 0.0],
                intercepts=[0.0, 0.1, 0.2],
                classlabels_strings=["stays", "gone", "sleeps"],
                post_transform="SOFTMAX",
            ),
            helper.make_node(
                "ZipMap", ["p"], ["maps"], domain=ML, classlabels_strings=["stays", "gone", "sleeps"]
            ),
        ],
        [value("x", TensorProto.FLOAT, "N", 3)],
        [
            helper.make_tensor_value_info("label", TensorProto.STRING, ["N"]),
            onnx.ValueInfoProto(name="maps"),
        ],
    )
    coefficients = np.array([[0.5, 0.1, -0.2], [-0.25, 0.3, 0.7], [0.0, 0.1, 0.0]])
    z = ROWS.to_numpy() @ coefficients.T + [0.0, 0.1, 0.2]
    expected = (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))[:, 1]
    made = package(raw, ROWS, Publication(expected=expected, positive_class="gone"))
    assert made.signature.output.positive_class == "gone"
    with pytest.raises(
        PackagingError, match=r"3 columns \(stays, gone, sleeps\), and no class is named.*positive-class"
    ):
        package(raw, ROWS, Publication(expected=expected))
    with pytest.raises(PackagingError, match=r"and the class is left"):
        package(raw, ROWS, Publication(expected=expected, positive_class="left"))


def test_a_number_may_be_missing_where_the_sample_shows_it() -> None:
    raw = model(
        [
            helper.make_node("IsNaN", ["a"], ["empty"]),
            helper.make_node("Where", ["empty", "nine", "a"], ["filled"]),
            helper.make_node("Add", ["filled", "b"], ["y"]),
        ],
        [value("a"), value("b")],
        [value("y")],
        {"nine": np.array([9.0], np.float32)},
    )
    frame = pd.DataFrame({"a": [1.0, np.nan, 3.0, 4.0], "b": [1.0, 1.0, 2.0, np.nan]})
    made = package(raw, frame, Publication(expected=[2.0, 10.0, 5.0, np.nan]))
    assert [(i.name, i.missing) for i in made.signature.inputs] == [("a", True), ("b", False)]
    assert 10.0 in made.golden.scores


def test_an_unknown_category_that_the_file_fails_on_has_no_score() -> None:
    raw = model(
        [
            helper.make_node(
                "OneHotEncoder", ["plan"], ["flags"], domain=ML, cats_strings=["a", "b"], zeros=0
            ),
            helper.make_node("ReduceSum", ["flags", "axis"], ["y"], keepdims=0),
        ],
        [value("plan", TensorProto.STRING)],
        [value("y", TensorProto.FLOAT, "N", 1)],
        {"axis": np.array([-1])},
    )
    made = package(raw, pd.DataFrame({"plan": ["a", "b", "a"]}), Publication(expected=[1.0, 1.0, 1.0]))
    assert scores(made, [["a"]]).tolist() == [1.0]
    assert np.isnan(scores(made, [["c"]])).all()


def test_a_difference_is_refused_with_its_row_or_accepted_with_a_reason() -> None:
    expected = probabilities()[:, 1]
    expected[4] += 0.01
    with pytest.raises(ParityError, match=r"1 of \d+ rows differ .*sample row 4: expected is 0\.\d+, ONNX"):
        package(network(), ROWS, Publication(expected=expected))
    assert package(network(), ROWS, Publication(expected=expected, tolerance=0.1)).parity.passed
    made = package(network(), ROWS, Publication(expected=expected, accept="rounded by hand"))
    assert (made.parity.accepted, made.parity.failures) == ("rounded by hand", 1)


def test_the_same_file_makes_the_same_package() -> None:
    first, second = (package(network(), ROWS, Publication(expected=probabilities()[:, 1])) for _ in range(2))
    assert (first.sha256, first.golden) == (second.sha256, second.golden)


def _external() -> bytes:
    made = onnx.load_from_string(network())
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return bytes(made.SerializeToString())


def _function() -> bytes:
    made = onnx.load_from_string(network())
    made.functions.append(
        helper.make_function("own", "f", ["a"], ["b"], [helper.make_node("Abs", ["a"], ["b"])], [])
    )
    return bytes(made.SerializeToString())


def _endless() -> bytes:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["s"], ["t"])],
        "body",
        [value("n", TensorProto.INT64), value("go", TensorProto.BOOL), value("s")],
        [value("on", TensorProto.BOOL), value("t")],
    )
    return model(
        [helper.make_node("Loop", ["", "true", "x"], ["y"], body=body)],
        [value("x", TensorProto.FLOAT, "N", 3)],
        [value("y", TensorProto.FLOAT, "N", 3)],
        {"true": np.array(True)},
    )


def _greedy() -> bytes:
    return model(
        [
            helper.make_node("ConstantOfShape", ["size"], ["many"]),
            helper.make_node("ReduceMax", ["many"], ["one"], keepdims=0),
            helper.make_node("ReduceSum", ["x", "axis"], ["sum"], keepdims=1),
            helper.make_node("Add", ["sum", "one"], ["y"]),
        ],
        [value("x", TensorProto.FLOAT, "N", 3)],
        [value("y")],
        {"size": np.array([4 << 30]), "axis": np.array([1])},
    )


def _among_others() -> bytes:
    return model(
        [
            helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
            helper.make_node("ReduceSum", ["x", "axis"], ["sum"], keepdims=1),
            helper.make_node("Sub", ["sum", "mean"], ["y"]),
        ],
        [value("x", TensorProto.FLOAT, "N", 3)],
        [value("y")],
        {"axis": np.array([1])},
        opset=17,
    )


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"a,b\n1,2\n", "no ONNX model"),
        (b"", "no ONNX model: it has no outputs"),
        (network()[:40], "no ONNX model"),
        (_external(), r"weights in another file.*onnx\.save"),
        (_function(), r"local functions.*inline_local_functions"),
        (network(shape=(1, 3)), r"'x' takes exactly 1 row\(s\).*dynamic_axes"),
        (network(shape=("N", 3, 1)), r"'x' has rank 3"),
        (network(shape=("N", 4)), r"'x' of the model takes 4 number column\(s\), 3 are left"),
        (_endless(), r"needs control flow \(Loop\)"),
        (_among_others(), r"score depends on the rows beside it.*model\.eval"),
        (
            model(
                [helper.make_node("ArgMax", ["x"], ["y"], axis=1)],
                [value("x", TensorProto.FLOAT, "N", 3)],
                [value("y", TensorProto.INT64)],
            ),
            r"outputs y \(int64\): a score is a float32 or float64",
        ),
        (
            model(
                [helper.make_node("Unsqueeze", ["x", "at"], ["y"])],
                [value("x", TensorProto.FLOAT, "N", 3)],
                [value("y", TensorProto.FLOAT, "N", 1, 3)],
                {"at": np.array([1])},
            ),
            r"'y' has the shape \[4, 1, 3\] for 4 rows: expected one number per row",
        ),
    ],
    ids=lambda case: None if isinstance(case, bytes) else case[:20],
)
def test_what_is_no_tabular_model_is_refused_in_words(raw: bytes, said: str) -> None:
    with pytest.raises(PackagingError, match=said):
        package(raw, ROWS, Publication(expected=ROWS["spend"]))


def test_output_that_does_not_exist_or_holds_labels_is_refused() -> None:
    raw = model(
        [
            helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0),
            helper.make_node("ReduceSum", ["x", "axis"], ["sum"], keepdims=1),
        ],
        [value("x", TensorProto.FLOAT, "N", 3)],
        [helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]), value("sum")],
        {"axis": np.array([1])},
    )
    expected = ROWS.to_numpy().sum(axis=1)
    assert package(raw, ROWS, Publication(expected=expected)).parity.passed
    two = onnx.load_from_string(raw)
    two.graph.node.append(helper.make_node("Neg", ["sum"], ["loss"]))
    two.graph.output.append(value("loss"))
    with pytest.raises(PackagingError, match=r"outputs label, sum, loss: say which one .*--output"):
        package(two.SerializeToString(), ROWS, Publication(expected=expected))
    assert package(
        two.SerializeToString(), ROWS, Publication(expected=-expected, output="loss")
    ).parity.passed
    with pytest.raises(PackagingError, match=r"no output 'score'\. Its outputs: label, sum"):
        package(raw, ROWS, Publication(expected=expected, output="score"))
    with pytest.raises(PackagingError, match=r"'label' holds int64: a score is a float32"):
        package(raw, ROWS, Publication(expected=expected, output="label"))


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ("score", r"no column 'score' with the expected outputs\. Found: visits"),
        ([1.0, 2.0], "2 expected outputs for 30 rows"),
        (["x"] * 30, "expected output is no number"),
        ([None] * 30, "nothing would be proven"),
    ],
)
def test_expected_outputs_that_are_none_are_refused(expected: Any, said: str) -> None:
    with pytest.raises(PackagingError, match=said):
        package(network(), ROWS, Publication(expected=expected))


def test_inputs_that_the_sample_lacks_are_refused() -> None:
    with pytest.raises(PackagingError, match=r"lacks the column\(s\) age\. Found: visits, spend, days"):
        package(
            network(), ROWS, Publication(expected=probabilities()[:, 1], inputs=["visits", "spend", "age"])
        )


def test_a_text_column_for_a_number_is_refused() -> None:
    frame = pd.DataFrame({"plan": [1.0, 2.0], "spend": [1.0, 2.0]})
    with pytest.raises(
        PackagingError, match="Input 'plan' of the model is text, the sample's column is number"
    ):
        package(several(**PRICES), frame, Publication(expected=[1.0, 2.0]))


def test_memory_without_bounds_is_refused(here: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch) -> None:
    here.undo()  # really in a process of its own, which has limits
    monkeypatch.setattr(onnx_file, "MEMORY", 2 << 30)
    with pytest.raises(PackagingError, match=r"onnxruntime cannot (load|run)"):
        package(_greedy(), ROWS, Publication(expected=ROWS["spend"]))
