"""Any tabular ONNX model to the normal form that the server scores.

A model in normal form has at most two inputs, `number` (float32 [N, k]) and `text` (string [N, m]), each
absent where empty, and exactly one output, `score` ([N] or [N, 1]). Columns that no path leads from to the
score are dropped.

The cost of a node on one row is 0.1 to 0.3 µs, whatever it does, beside about 3 µs for the call: so the form
with the fewest nodes wins. A `Concat` of graph inputs becomes the input itself where the order of the inputs
can be chosen so, and one `Split` is as cheap as a single `Slice`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx

from modelpack.errors import PackagingError
from modelpack.packager.estimator.columns import Column
from modelpack.packager.graph.guard import guard
from modelpack.packager.graph.inputs import feed, fold_concats, sources_of
from modelpack.packager.graph.peephole import tidy
from modelpack.packager.graph.pruning import drop_identities, prune, strip
from modelpack.packager.graph.reading import newer, parse, refuse_control_flow
from modelpack.packager.graph.score import choose_output, declare, select
from modelpack.packager.graph.values import OWN
from modelpack.packager.signature import Cell


@dataclass(frozen=True)
class NormalForm:
    """A model in normal form and the columns that it takes, in the order of its tensors."""

    onnx: bytes
    columns: tuple[Column, ...]


def normalise(
    onnx_bytes: bytes,
    columns: Sequence[Column],
    *,
    output: str | None = None,
    index: int | None = None,
    sign: float = 1.0,
    closed: Mapping[str, Sequence[Cell]] | None = None,
    by_position: bool = False,
) -> NormalForm:
    """Rewrite a model of any origin into normal form.

    Args:
        onnx_bytes: a model whose inputs are tensors of rank 2 (one a column, or several columns wide).
        columns: what its inputs mean. Inputs that bear a column's name are that column; others take the
            remaining columns of their type in order.
        output: name of the output that holds the score; default: the only one, or the only float one.
        index: which column of that output is the score, where it has several.
        sign: -1 turns the score round.
        closed: inputs in which only the given values are scored; any other gives NaN.
        by_position: where the model has one input a column, they are the columns in their order, whatever
            their names (skl2onnx calls a column "a.b c" "a_b_c").

    Raises:
        PackagingError: inputs that do not fit the columns, no usable output, or an invalid model.
    """
    model = onnx.compose.add_prefix(newer(parse(onnx_bytes)), OWN)
    graph = model.graph
    sources = sources_of(graph, columns, prefix=OWN, by_position=by_position)
    chosen = choose_output(graph, None if output is None else OWN + output)
    score = select(model, chosen, index, sign)
    prune(graph, score)
    drop_identities(graph, score)
    refuse_control_flow(graph)
    left = {value.name for value in graph.input}
    sources = fold_concats(graph, [s for s in sources if s.name in left])
    ordered = feed(graph, sources, columns)
    tidy(graph)
    score = guard(model, score, ordered, closed or {})
    declare(model, score)
    strip(model)
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # several error types, none of them useful to tell apart
        raise PackagingError(f"The model in normal form is not valid ONNX: {error}") from error
    return NormalForm(model.SerializeToString(deterministic=True), ordered)
