"""A file of any origin as a graph that can be rewritten: parsed, in operator versions that are known, without loops."""

from __future__ import annotations

from typing import Any

import onnx
from onnx import TensorProto, helper

from modelpack.errors import PackagingError

IR_VERSION = 9

OPSETS = {"": 19, "ai.onnx.ml": 3, "com.microsoft": 1}
"""Old enough for any onnxruntime since 1.16, new enough to compare texts (19) and for float64 trees (3)."""

CONTROL_FLOW = {"If", "Loop", "Scan", "SequenceMap"}


def parse(onnx_bytes: bytes) -> Any:
    """The model, without the maps that ZipMap makes of scores.

    Raises:
        PackagingError: the bytes are no ONNX model, or one with local functions.
    """
    try:
        model = onnx.load_from_string(onnx_bytes)
    except Exception as error:  # protobuf's errors share no public base class
        raise PackagingError(f"The file is no ONNX model: {error}") from error
    if not model.graph.output:
        raise PackagingError("The file is no ONNX model: it has no outputs.")
    if model.functions:
        raise PackagingError(
            "The model has local functions, which the server does not run: write them out with "
            "onnx.inliner.inline_local_functions(model), or export it without them."
        )
    _drop_zipmap(model.graph)
    return model


def _drop_zipmap(graph: Any) -> None:
    """A map of scores is left as the table that it was made of."""
    for node in [n for n in graph.node if n.op_type == "ZipMap"]:
        for value in list(graph.output):
            if value.name == node.output[0]:
                graph.output.remove(value)
                graph.output.append(helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, None))
        graph.node.remove(node)


def newer(model: Any) -> Any:
    """The model in operator versions that the nodes added here need.

    `Split` with sizes needs 13, `LabelEncoder` with a float default 2 of ai.onnx.ml.
    """
    versions = {o.domain: o.version for o in model.opset_import}
    if versions.get("", OPSETS[""]) < 13:
        try:
            model = onnx.version_converter.convert_version(model, OPSETS[""])
        except Exception as error:  # onnx raises RuntimeError and others of its own
            raise PackagingError(
                f"The model uses operator set {versions['']}, and onnx cannot bring it to {OPSETS['']}: "
                f"{error}. Export it again with opset 13 or newer."
            ) from error
    if "" not in versions:  # CatBoost's files use operators of ai.onnx.ml alone
        model.opset_import.append(helper.make_opsetid("", OPSETS[""]))
    if versions.get("ai.onnx.ml", 0) < 2:
        kept = [o for o in model.opset_import if o.domain != "ai.onnx.ml"]
        del model.opset_import[:]
        model.opset_import.extend([*kept, helper.make_opsetid("ai.onnx.ml", OPSETS["ai.onnx.ml"])])
    return model


def refuse_control_flow(graph: Any) -> None:
    """Raise PackagingError where a node has a graph of its own."""
    looping = sorted({node.op_type for node in graph.node} & CONTROL_FLOW)
    if looping:
        raise PackagingError(
            f"The model needs control flow ({', '.join(looping)}), which the server does not run, since it may "
            "never end. Use an estimator that needs no loop (docs/estimators.md)."
        )
