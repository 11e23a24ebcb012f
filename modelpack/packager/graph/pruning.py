"""What the score does not need is taken out: nodes, weights, inputs, and what else a file says."""

from __future__ import annotations

from typing import Any

import onnx
from onnx import helper

from modelpack.packager.graph.reading import IR_VERSION
from modelpack.packager.graph.values import rename_input


def prune(graph: Any, score: str) -> None:
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


def drop_identities(graph: Any, score: str) -> None:
    """Remove nodes that do nothing: each costs as much as a real one."""
    for node in [n for n in graph.node if n.op_type == "Identity" and n.output[0] != score]:
        graph.node.remove(node)
        rename_input(graph, node.output[0], node.input[0])


def strip(model: Any) -> None:
    """Take off what only the way here needed: spare weights, stale shapes, names and remarks from elsewhere."""
    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    for initializer in [i for i in graph.initializer if i.name not in used]:
        graph.initializer.remove(initializer)
    del graph.value_info[:]
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
