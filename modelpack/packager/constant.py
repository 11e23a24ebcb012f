"""A constant model with a real signature, for a team that tests the whole way before there is a model."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from modelpack.errors import PackagingError
from modelpack.formula import FORMAT
from modelpack.packager.estimator.anatomy import libraries
from modelpack.packager.graph.reading import IR_VERSION, OPSETS
from modelpack.packager.proof.golden import Golden
from modelpack.packager.proof.parity import Parity
from modelpack.packager.signature import MISSING_TOKEN, Cell, Input, InputType, Output, Signature
from modelpack.packager.story import Package


def dummy(score: float, inputs: Sequence[str]) -> Package:
    """A package that scores every row the same.

    Args:
        score: the constant, as float32 holds it.
        inputs: names, each with its type after a colon where it is not a number: `plan:text`.

    Raises:
        PackagingError: a score that is not finite, no inputs, an unknown type, or a name that comes twice.
    """
    with np.errstate(over="ignore"):
        constant = np.float32(score)
    if not math.isfinite(constant):
        raise PackagingError(f"The score is {score}: a finite number that float32 holds is expected.")
    signature = Signature(tuple(_input(text) for text in inputs), Output("value"))
    names = [i.name for i in signature.inputs]
    if not names:
        raise PackagingError("A dummy needs inputs: complaints,spend,plan:text for example.")
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise PackagingError(f"The input {twice[0]} comes twice: every input needs a name of its own.")
    onnx = _constant(float(constant), len(signature.numbers), len(signature.texts))
    row: tuple[Cell, ...] = tuple(0.0 if i.type == "number" else "" for i in signature.inputs)
    return Package(
        onnx=onnx,
        sha256=hashlib.sha256(onnx).hexdigest(),
        signature=signature,
        golden=Golden((row, tuple(None for _ in row)), (float(constant), float(constant))),
        parity=Parity(
            rows=0,
            probes={},
            tolerance=0.0,
            max_difference=0.0,
            where="a dummy: there is no estimator to compare with",
            failures=0,
            refused_rows=0,
            side_changes=0,
            rank_changes=0,
            overflow_rows=0,
            rounded_rows=0,
            rounded_probes=0,
            rounded_difference=0.0,
            route="dummy",
        ),
        libraries=libraries(),
        meaning=f"a constant, {constant:g}",
        formula={"format": FORMAT, "steps": [["constant", float(constant)]]},
    )


def _input(text: str) -> Input:
    name, _, kind = text.strip().partition(":")
    types: dict[str, InputType] = {"": "number", "number": "number", "text": "text"}
    if not name or kind not in types:
        raise PackagingError(f"The input {text!r} is not of the form NAME, NAME:number or NAME:text.")
    token = MISSING_TOKEN if types[kind] == "text" else None
    return Input(name, types[kind], missing=True, missing_token=token)


def _constant(score: float, numbers: int, texts: int) -> bytes:
    """A model in normal form whose score depends on the number of rows alone."""
    inputs = []
    if numbers:
        inputs.append(helper.make_tensor_value_info("number", TensorProto.FLOAT, ["N", numbers]))
    if texts:
        inputs.append(helper.make_tensor_value_info("text", TensorProto.STRING, ["N", texts]))
    graph = helper.make_graph(
        [
            helper.make_node("Shape", [inputs[0].name], ["rows"], start=0, end=1),
            helper.make_node(
                "ConstantOfShape",
                ["rows"],
                ["score"],
                value=numpy_helper.from_array(np.array([score], np.float32)),
            ),
        ],
        "modelpack",
        inputs,
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N"])],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSETS[""])], producer_name="modelpack"
    )
    model.ir_version = IR_VERSION
    return bytes(model.SerializeToString(deterministic=True))
