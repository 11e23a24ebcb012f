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
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from modelpack.errors import PackagingError
from modelpack.packager.estimator.columns import Column
from modelpack.packager.graph.peephole import tidy
from modelpack.packager.signature import MISSING_TOKEN, Cell

IR_VERSION = 9

OPSETS = {"": 19, "ai.onnx.ml": 3, "com.microsoft": 1}
"""Old enough for any onnxruntime since 1.16, new enough to compare texts (19) and for float64 trees (3)."""

CONTROL_FLOW = {"If", "Loop", "Scan", "SequenceMap"}

_OWN = "m_"
"""Prefix of the model's own names, so that none of them meets those that are added here."""


@dataclass(frozen=True)
class NormalForm:
    """A model in normal form and the columns that it takes, in the order of its tensors."""

    onnx: bytes
    columns: tuple[Column, ...]


@dataclass
class Source:
    """A tensor made of columns of one type: what a graph input, or a concatenation of some, stands for."""

    name: str
    columns: tuple[str, ...]
    elem_type: int = field(default=TensorProto.FLOAT)


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
    model = onnx.compose.add_prefix(_newer(parse(onnx_bytes)), _OWN)
    graph = model.graph
    sources = sources_of(graph, columns, prefix=_OWN, by_position=by_position)
    chosen = _choose_output(graph, None if output is None else _OWN + output)
    score = _select(model, chosen, index, sign)
    _prune(graph, score)
    _drop_identities(graph, score)
    refuse_control_flow(graph)
    left = {value.name for value in graph.input}
    sources = _fold_concats(graph, [s for s in sources if s.name in left])
    ordered = _feed(graph, sources, columns)
    tidy(graph)
    score = _guard(model, score, ordered, closed or {})
    _finish(model, score)
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # several error types, none of them useful to tell apart
        raise PackagingError(f"The model in normal form is not valid ONNX: {error}") from error
    return NormalForm(model.SerializeToString(deterministic=True), ordered)


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


def refuse_control_flow(graph: Any) -> None:
    """Raise PackagingError where a node has a graph of its own."""
    looping = sorted({node.op_type for node in graph.node} & CONTROL_FLOW)
    if looping:
        raise PackagingError(
            f"The model needs control flow ({', '.join(looping)}), which the server does not run, since it may "
            "never end. Use an estimator that needs no loop (docs/estimators.md)."
        )


def _newer(model: Any) -> Any:
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


def _drop_identities(graph: Any, score: str) -> None:
    """Remove nodes that do nothing: each costs as much as a real one."""
    for node in [n for n in graph.node if n.op_type == "Identity" and n.output[0] != score]:
        graph.node.remove(node)
        _rename_input(graph, node.output[0], node.input[0])


def _drop_zipmap(graph: Any) -> None:
    for node in [n for n in graph.node if n.op_type == "ZipMap"]:
        for value in list(graph.output):
            if value.name == node.output[0]:
                graph.output.remove(value)
                graph.output.append(helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, None))
        graph.node.remove(node)


def _choose_output(graph: Any, name: str | None) -> Any:
    outputs = {o.name: o for o in graph.output}
    listed = ", ".join(o.removeprefix(_OWN) for o in outputs) or "none"
    if name is not None:
        if name not in outputs:
            raise PackagingError(
                f"The model has no output {name.removeprefix(_OWN)!r}. Its outputs: {listed}."
            )
        return outputs[name]
    floats = [
        o for o in graph.output if o.type.tensor_type.elem_type in (TensorProto.FLOAT, TensorProto.DOUBLE)
    ]
    if len(floats) != 1:
        raise PackagingError(f"The model has the outputs {listed}: say which one holds the score.")
    return floats[0]


def _select(model: Any, chosen: Any, index: int | None, sign: float) -> str:
    """Append the nodes that take the score out of the chosen output; return the score's present name."""
    graph = model.graph
    name = str(chosen.name)
    declared = _dims(chosen)
    dims = _type_of(model, name)[1] or declared
    width = dims[1] if dims is not None and len(dims) == 2 else None
    if index is not None and width != 1 and (dims is None or len(dims) != 1):
        graph.initializer.append(numpy_helper.from_array(np.array([index], np.int64), "score_index"))
        graph.node.append(helper.make_node("Gather", [name, "score_index"], ["score_column"], axis=1))
        name = "score_column"
    elif width is not None and width > 1:
        raise PackagingError(
            f"The output {name.removeprefix(_OWN)!r} has {width} columns: say which one is the score (index)."
        )
    if sign != 1.0:
        graph.node.append(helper.make_node("Neg", [name], ["score_turned"]))
        name = "score_turned"
    return name


def _prune(graph: Any, score: str) -> None:
    """Drop nodes, initializers and inputs that the score does not depend on; sort what is left."""
    makers = {o: n for n in graph.node for o in n.output if o}
    keep: list[Any] = []
    done: set[int] = set()
    needed: set[str] = set()

    def visit(name: str) -> None:
        stack: list[tuple[str, bool]] = [(name, False)]
        while stack:
            value, finished = stack.pop()
            node = makers.get(value)
            if finished:
                if node is not None and id(node) not in done:
                    done.add(id(node))
                    keep.append(node)
                continue
            if value in needed:
                continue
            needed.add(value)
            if node is None or id(node) in done:
                continue
            stack.append((value, True))
            stack.extend((i, False) for i in reversed(node.input) if i)

    visit(score)
    kept = [onnx.NodeProto.FromString(n.SerializeToString()) for n in keep]
    del graph.node[:]
    graph.node.extend(kept)
    initializers = [i for i in graph.initializer if i.name in needed]
    kept_initializers = [onnx.TensorProto.FromString(i.SerializeToString()) for i in initializers]
    del graph.initializer[:]
    graph.initializer.extend(kept_initializers)
    names = {i.name for i in kept_initializers}
    for value in list(graph.input):
        if value.name not in needed or value.name in names:
            graph.input.remove(value)


def graph_inputs(graph: Any) -> list[Any]:
    """What has to be fed: old files list their weights among the inputs."""
    constants = {i.name for i in graph.initializer}
    return [i for i in graph.input if i.name not in constants]


def _width(value: Any) -> int | None:
    """Columns of an input: 0 where the file leaves it open, None where it is no table."""
    dims = value.type.tensor_type.shape.dim
    return int(dims[1].dim_value) if len(dims) == 2 else None


def sources_of(
    graph: Any, columns: Sequence[Column], *, prefix: str = "", by_position: bool = False
) -> list[Source]:
    """What each input of the graph stands for.

    Args:
        prefix: what the graph's own names begin with, for the messages.
        by_position: see `normalise`.

    Raises:
        PackagingError: the inputs do not fit the columns.
    """
    inputs = graph_inputs(graph)
    if by_position and len(inputs) == len(columns):
        by_name = {i.name: c for i, c in zip(inputs, columns, strict=True)}
    else:
        by_name = {prefix + c.name: c for c in columns}
    # one of several columns may be called as one of them is
    narrow = [i for i in inputs if i.name in by_name and _width(i) in (0, 1)]
    named = {by_name[i.name].name for i in narrow}
    free = [c for c in columns if c.name not in named]
    sources = []
    for value in inputs:
        tensor = value.type.tensor_type
        kind = "text" if tensor.elem_type == TensorProto.STRING else "number"
        dims = tensor.shape.dim
        if len(dims) != 2:
            raise PackagingError(
                f"Input {value.name.removeprefix(prefix)!r} has rank {len(dims)}, "
                "a [rows, columns] tensor is expected."
            )
        if value in narrow:
            names: tuple[str, ...] = (by_name[value.name].name,)
            if by_name[value.name].type != kind:
                raise PackagingError(
                    f"Input {names[0]!r} of the model is {kind}, "
                    f"the sample's column is {by_name[value.name].type}."
                )
        else:
            width = dims[1].dim_value or len([c for c in free if c.type == kind])
            names = tuple(c.name for c in free if c.type == kind)[:width]
            if len(names) != width:
                raise PackagingError(
                    f"Input {value.name.removeprefix(prefix)!r} of the model takes {width} {kind} column(s), "
                    f"{len(names)} are left: {', '.join(names) or 'none'}."
                )
            free = [c for c in free if c.name not in names]
        sources.append(Source(value.name, names, tensor.elem_type))
    return sources


def _fold_concats(graph: Any, sources: list[Source]) -> list[Source]:
    """A Concat of inputs that are used for nothing else is one input of several columns."""
    by_name = {s.name: s for s in sources}
    uses: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            uses[name] = uses.get(name, 0) + 1
    for node in list(graph.node):
        if node.op_type != "Concat" or not all(i in by_name for i in node.input):
            continue
        parts_ = [by_name[i] for i in node.input]
        if len({p.elem_type for p in parts_}) != 1:
            continue
        made = Source(node.output[0], tuple(c for p in parts_ for c in p.columns), parts_[0].elem_type)
        graph.node.remove(node)
        for part in {p.name: p for p in parts_}.values():
            uses[part.name] -= list(node.input).count(part.name)
            if uses[part.name] == 0:
                del by_name[part.name]
        by_name[made.name] = made
    return list(by_name.values())


def _feed(graph: Any, sources: list[Source], columns: Sequence[Column]) -> tuple[Column, ...]:
    """Replace the graph's inputs by `number` and `text`, and make every source from them."""
    del graph.input[:]
    ordered: list[Column] = []
    front: list[Any] = []
    types = {c.name: c.type for c in columns}
    for name, kind, elem_type in (
        ("number", "number", TensorProto.FLOAT),
        ("text", "text", TensorProto.STRING),
    ):
        mine = [s for s in sources if types[s.columns[0]] == kind]
        if not mine:
            continue
        order = _order(mine, [c.name for c in columns if c.type == kind])
        ordered += [c for n in order for c in columns if c.name == n]
        graph.input.append(helper.make_tensor_value_info(name, elem_type, ["N", len(order)]))
        front += _pieces(graph, name, elem_type, mine, order)
    nodes = [*front, *(onnx.NodeProto.FromString(n.SerializeToString()) for n in graph.node)]
    del graph.node[:]
    graph.node.extend(nodes)
    return tuple(ordered)


def _order(sources: list[Source], natural: list[str]) -> list[str]:
    """An order of the columns in which the largest sources are contiguous."""
    order: list[str] = []
    for source in sorted(sources, key=lambda s: -len(s.columns)):
        if len(set(source.columns)) == len(source.columns) and not set(source.columns) & set(order):
            order += source.columns
    used = {c for s in sources for c in s.columns}
    return order + [n for n in natural if n in used and n not in order]


def _pieces(graph: Any, name: str, elem_type: int, sources: list[Source], order: list[str]) -> list[Any]:
    position = {n: p for p, n in enumerate(order)}
    wanted = [(s, [position[c] for c in s.columns]) for s in sources]
    nodes: list[Any] = []
    raw: dict[str, str] = {}
    whole = [s for s, at in wanted if at == list(range(len(order)))]
    apart = [(s, at) for s, at in wanted if s not in whole]
    for source in whole:
        raw[source.name] = name
    blocks = sorted((at[0], s.name, at) for s, at in apart if at == list(range(at[0], at[0] + len(at))))
    covers = [p for _, _, at in blocks for p in at] == list(range(len(order)))
    if covers and len(blocks) > 1:
        sizes = f"{name}_sizes"
        graph.initializer.append(
            numpy_helper.from_array(np.array([len(at) for _, _, at in blocks], np.int64), sizes)
        )
        outputs = [f"{name}_part{n}" for n in range(len(blocks))]
        nodes.append(helper.make_node("Split", [name, sizes], outputs, axis=1))
        raw.update({source: made for (_, source, _), made in zip(blocks, outputs, strict=True)})
    for n, (source, at) in enumerate(apart):
        if source.name in raw:
            continue
        columns = f"{name}_columns{n}"
        graph.initializer.append(numpy_helper.from_array(np.array(at, np.int64), columns))
        raw[source.name] = f"{name}_gathered{n}"
        nodes.append(helper.make_node("Gather", [name, columns], [raw[source.name]], axis=1))
    for source in sources:
        made = raw[source.name]
        if source.elem_type != elem_type:
            cast = f"{made}_as{source.elem_type}"
            if not any(cast in node.output for node in nodes):
                nodes.append(helper.make_node("Cast", [made], [cast], to=source.elem_type))
            made = cast
        _rename_input(graph, source.name, made)
    return nodes


def _rename_input(graph: Any, old: str, new: str) -> None:
    for node in graph.node:
        for n, name in enumerate(node.input):
            if name == old:
                node.input[n] = new


def _guard(model: Any, score: str, columns: Sequence[Column], closed: Mapping[str, Sequence[Cell]]) -> str:
    """Add NaN to the score of a row that holds a value which the estimator refuses to score.

    Without this, an encoder with `handle_unknown="error"` gives such a row some other category's score
    (LabelEncoder), or fails the whole batch (OneHotEncoder with `zeros=0`).
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
        graph.initializer.append(numpy_helper.from_array(np.array([at], np.int64), f"guard_at{n}"))
        graph.node.append(helper.make_node("Gather", [column.type, f"guard_at{n}"], [f"guard_in{n}"], axis=1))
        known = list(closed[column.name])
        keys: dict[str, Any] = (
            {"keys_strings": [*known, MISSING_TOKEN]}
            if column.type == "text"
            else {"keys_floats": [float(np.float32(v)) for v in known if isinstance(v, float)]}
        )
        values = [0.0] * len(next(iter(keys.values())))
        term = f"guard_out{n}"
        graph.node.append(
            helper.make_node(
                "LabelEncoder",
                [f"guard_in{n}"],
                [f"guard_out{n}"],
                domain="ai.onnx.ml",
                values_floats=values,
                default_float=float("nan"),
                **keys,
            )
        )
        if (
            column.type == "number"
        ):  # LabelEncoder finds no NaN among its keys, and a missing number is no unknown one
            graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), f"guard_zero{n}"))
            graph.node.append(helper.make_node("IsNaN", [f"guard_in{n}"], [f"guard_missing{n}"]))
            inputs = [f"guard_missing{n}", f"guard_zero{n}", term]
            term = f"guard_term{n}"
            graph.node.append(helper.make_node("Where", inputs, [term]))
        terms.append(term)
    elem_type, _ = _type_of(model, score)
    graph.initializer.append(numpy_helper.from_array(np.array([-1, 1], np.int64), "guard_shape"))
    graph.node.append(helper.make_node("Reshape", [score, "guard_shape"], ["guard_score"]))
    if elem_type == TensorProto.DOUBLE:
        graph.node.append(helper.make_node("Cast", ["guard_score"], ["guard_float"], to=TensorProto.FLOAT))
        terms.append("guard_float")
    else:
        terms.append("guard_score")
    graph.node.append(helper.make_node("Sum", terms, ["guarded_score"]))
    return "guarded_score"


def _finish(model: Any, score: str) -> None:
    """One output called score, no stale shapes, no names from elsewhere."""
    graph = model.graph
    elem_type, dims = _type_of(model, score)
    rank = len(dims) if dims is not None else _rank_by_kind(graph, score)
    if rank not in (1, 2):
        graph.initializer.append(numpy_helper.from_array(np.array([-1, 1], np.int64), "score_shape"))
        graph.node.append(helper.make_node("Reshape", [score, "score_shape"], ["score_reshaped"]))
        score, rank = "score_reshaped", 2
    for node in graph.node:
        for n, name in enumerate(node.output):
            if name == score:
                node.output[n] = "score"
    _rename_input(graph, score, "score")
    used = {name for node in graph.node for name in node.input}
    for initializer in [i for i in graph.initializer if i.name not in used]:
        graph.initializer.remove(initializer)
    del graph.output[:]
    del graph.value_info[:]
    graph.output.append(helper.make_tensor_value_info("score", elem_type, ["N"] if rank == 1 else ["N", 1]))
    graph.name = "modelpack"
    for n, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{n}"
        node.doc_string = ""
    domains = {node.domain for node in graph.node} | {""}
    # onnx.compose.merge_models lists the operator sets of both its models; the server takes each once
    opsets = dict.fromkeys((o.domain, o.version) for o in model.opset_import if o.domain in domains)
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in opsets)
    model.ir_version = IR_VERSION  # before 4, every constant had to be an input, too
    model.producer_name, model.producer_version, model.doc_string, graph.doc_string = "modelpack", "", "", ""
    del model.metadata_props[:]


_OF_RANK_2 = {"Gemm", "LinearRegressor", "TreeEnsembleRegressor"}


def _rank_by_kind(graph: Any, name: str) -> int:
    """2 for what always makes a matrix, though shape inference does not know it; else 0."""
    makers = {o: n for n in graph.node for o in n.output}
    node = makers.get(name)
    while node is not None and node.op_type in ("Sigmoid", "Neg"):
        node = makers.get(node.input[0])
    return 2 if node is not None and node.op_type in _OF_RANK_2 else 0


def _type_of(model: Any, name: str) -> tuple[int, list[int] | None]:
    """Element type and dimensions (0: unknown) of a value by shape inference; float32 and None without.

    What the graph itself declares is left out: converters are often wrong about it.
    """
    copy = onnx.GraphProto.FromString(model.graph.SerializeToString())
    del copy.output[:]
    del copy.value_info[:]
    copy.output.append(onnx.ValueInfoProto(name=name))
    copy.name = copy.name or "graph"
    imported = {o.domain: o.version for o in model.opset_import}
    opsets = [helper.make_opsetid(domain, version) for domain, version in (OPSETS | imported).items()]
    try:
        inferred = onnx.shape_inference.infer_shapes(helper.make_model(copy, opset_imports=opsets))
    except Exception as error:  # onnx's errors share no useful base class
        raise PackagingError(f"The model's types do not fit one another: {error}") from error
    for value in [*inferred.graph.output, *inferred.graph.value_info]:
        if value.name == name and value.type.tensor_type.elem_type:
            return int(value.type.tensor_type.elem_type), _dims(value)
    return int(TensorProto.FLOAT), None


def _dims(value: Any) -> list[int] | None:
    tensor = value.type.tensor_type
    return [int(d.dim_value) for d in tensor.shape.dim] if tensor.HasField("shape") else None
