"""The inputs of any model become two tensors: `number` and `text`, whose columns stand in the order that needs fewest nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from modelpack.errors import PackagingError
from modelpack.packager.estimator.columns import Column
from modelpack.packager.graph.values import graph_inputs, rename_input


@dataclass
class Source:
    """A tensor made of columns of one type: what a graph input, or a concatenation of some, stands for."""

    name: str
    columns: tuple[str, ...]
    elem_type: int = field(default=TensorProto.FLOAT)


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


def _width(value: Any) -> int | None:
    """Columns of an input: 0 where the file leaves it open, None where it is no table."""
    dims = value.type.tensor_type.shape.dim
    return int(dims[1].dim_value) if len(dims) == 2 else None


def fold_concats(graph: Any, sources: list[Source]) -> list[Source]:
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


def feed(graph: Any, sources: list[Source], columns: Sequence[Column]) -> tuple[Column, ...]:
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
    """Nodes that make the sources of the tensor `name`: none where it is one, one Split, or a Gather each."""
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
        rename_input(graph, source.name, made)
    return nodes
