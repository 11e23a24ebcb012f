"""modelpack.inspect: reads a model's bytes without running them, and refuses what a model has no need of."""

import json
from collections import Counter
from typing import Any

from plpython.inspection.flow import Flow
from plpython.inspection.graph import Graph
from plpython.inspection.messages import Messages, Node, Tensor
from plpython.inspection.promise import promised_inputs
from plpython.inspection.refusal import Refusal
from plpython.inspection.rows import Rows

SQL = """\
create or replace function modelpack.inspect(onnx bytea, signature jsonb, golden jsonb) returns jsonb
language plpython3u volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
{body}
$modelpack$;
comment on function modelpack.inspect(bytea, jsonb, jsonb) is
  'Reads a model in ONNX normal form byte by byte, without running it: size, known operators only, no control flow, no functions, no other files, inputs and output as the signature says. Returns what it found; refuses in words.';
revoke all on function modelpack.inspect(bytea, jsonb, jsonb) from public;
"""


def inspected(onnx: bytes, signature: str, golden: str, limits: dict[str, int]) -> dict[str, Any]:
    """What is found in a model, or why it is refused."""
    inputs = promised_inputs(signature, golden)
    if len(onnx) > limits["model_bytes"]:
        raise Refusal(
            f"it has {len(onnx)} bytes",
            f"at most {limits['model_bytes']} bytes (model_bytes in modelpack.setting)",
        )
    if not onnx:
        raise Refusal("it has no bytes", "a model in ONNX")
    messages = Messages(onnx)
    graph = Graph(messages, limits["model_nodes"])
    graph.check_ends(inputs)
    flow, rows = Flow(graph), Rows(graph)
    operators: Counter[str] = Counter()
    for extent in graph.nodes:
        node = messages.node(*extent)
        flow.follow(node)
        check_inference(node, rows.fixed)
        rows.follow(node)
        operators[node.called] += 1
    if "score" not in flow.made - graph.constants.keys():
        raise Refusal("no operator gives its score", "an operator that gives score")
    return {
        "bytes": len(onnx),
        "nodes": len(graph.nodes),
        "operators": operators,
        "rows_apart": "score" in rows.parts,
    }


def check_inference(node: Node, fixed: dict[str, Tensor]) -> None:
    reads = node.reads
    if (
        node.operator == "Dropout"
        and len(reads) > 2
        and reads[2]
        and fixed.get(reads[2], ([], None))[1] != [0]
    ):
        raise Refusal(
            "it has the operator Dropout in training mode, which scores by chance", "inference alone"
        )
    trained = node.attributes.get("training_mode") or len(node.writes) > 1
    if node.operator == "BatchNormalization" and trained:
        raise Refusal(
            "it has the operator BatchNormalization in training mode, which mixes the rows of a batch",
            "inference alone",
        )


def inspect(plpy: Any, onnx: bytes, signature: str, golden: str) -> str:
    """JSON with `nodes`, `operators`, `bytes` and `rows_apart`, or an SQL error that says what the model must not have.

    `rows_apart`: the graph shows that the rows of a batch are kept apart. It may be false of a model that does.
    """
    limits = {
        s["name"]: int(s["value"])
        for s in plpy.execute(
            "select s.name, pg_size_bytes(s.value) as value from modelpack.setting as s where s.name in ('model_bytes')"
            " union all select s.name, s.value::bigint from modelpack.setting as s where s.name in ('model_nodes')"
        )
    }
    try:
        return json.dumps(inspected(onnx, signature, golden, limits))
    except Refusal as refusal:
        plpy.error(
            f"the model is refused: {refusal.found}",
            detail=f"Expected: {refusal.expected}.",
            hint="Publish with the package (modelpack publish), which writes models in the normal form.",
            sqlstate="22023",
        )
        raise AssertionError from None  # plpy.error does not return
