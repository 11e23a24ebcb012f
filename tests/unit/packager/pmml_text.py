"""PMML as text: small writers, which turn fitted estimators and figures into documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr


def element(tag: str, *inside: str, **attributes: Any) -> str:
    given = "".join(
        f" {name}={quoteattr(v if isinstance(v, str) else repr(v))}" for name, v in attributes.items()
    )
    return f"<{tag}{given}>{''.join(inside)}</{tag}>"


def document(
    fields: Mapping[str, str],
    model: str,
    *,
    declared: Mapping[str, str] | None = None,
    derived: str = "",
    version: str = "4.4",
    header: str = '<Header><Application name="writer" version="1.2"/></Header>',
) -> bytes:
    """A file.

    Args:
        fields: name to dataType.
        declared: what a DataField holds, by name.
        derived: what the TransformationDictionary holds.
    """
    made = "".join(
        element(
            "DataField",
            (declared or {}).get(name, ""),
            name=name,
            optype="categorical" if kind == "string" else "continuous",
            dataType=kind,
        )
        for name, kind in fields.items()
    )
    namespace = f"http://www.dmg.org/PMML-{version.replace('.', '_')}"
    dictionary = element("DataDictionary", made) + (
        element("TransformationDictionary", derived) if derived else ""
    )
    return f'<?xml version="1.0"?><PMML xmlns="{namespace}" version="{version}">{header}{dictionary}{model}</PMML>'.encode()


def schema(names: Iterable[str], *, target: str | None = "y", **treated: Mapping[str, str]) -> str:
    """A MiningSchema; treated: attributes of single fields."""
    fields = [element("MiningField", name=name, **treated.get(name, {})) for name in names]
    if target is not None:
        fields.append(element("MiningField", name=target, usageType="target"))
    return element("MiningSchema", *fields)


def simple(field: str, operator: str, value: Any = None) -> str:
    given = {} if value is None else {"value": value if isinstance(value, str) else repr(float(value))}
    return element("SimplePredicate", field=field, operator=operator, **given)


def table(intercept: float, weights: Mapping[str, float], target: str | None = None) -> str:
    named = {} if target is None else {"targetCategory": target}
    parts = [element("NumericPredictor", name=n, coefficient=float(w)) for n, w in weights.items()]
    return element("RegressionTable", *parts, intercept=float(intercept), **named)


def sklearn_nodes(tree: Any, names: Sequence[str], leaf: Any) -> str:
    """The nodes of a `tree_`; leaf: node to (attributes, what it holds)."""

    def node(at: int, predicate: str) -> str:
        if tree.children_left[at] < 0:
            attributes, inside = leaf(tree, at)
            return element("Node", predicate, inside, **attributes)
        name, threshold = names[tree.feature[at]], float(tree.threshold[at])
        return element(
            "Node",
            predicate,
            node(tree.children_left[at], simple(name, "lessOrEqual", threshold)),
            node(tree.children_right[at], simple(name, "greaterThan", threshold)),
        )

    return node(0, "<True/>")


def value_leaf(tree: Any, at: int) -> tuple[dict[str, Any], str]:
    return {"score": float(tree.value[at].ravel()[0])}, ""


def class_leaf(labels: Sequence[str]) -> Any:
    def leaf(tree: Any, at: int) -> tuple[dict[str, Any], str]:
        counts = tree.value[at].ravel() * tree.n_node_samples[at]
        inside = [
            element("ScoreDistribution", value=label, recordCount=float(n))
            for label, n in zip(labels, counts, strict=True)
        ]
        return {"score": labels[int(counts.argmax())]}, "".join(inside)

    return leaf


def lightgbm_nodes(structure: Mapping[str, Any], names: Sequence[str]) -> str:
    """The nodes of a tree of `dump_model`, with default children."""

    def node(part: Mapping[str, Any], predicate: str, identity: str) -> str:
        if "leaf_value" in part:
            return element("Node", predicate, id=identity, score=float(part["leaf_value"]))
        name, threshold = names[part["split_feature"]], float(part["threshold"])
        default = f"{identity}{'l' if part['default_left'] else 'r'}"
        return element(
            "Node",
            predicate,
            node(part["left_child"], simple(name, "lessOrEqual", threshold), f"{identity}l"),
            node(part["right_child"], simple(name, "greaterThan", threshold), f"{identity}r"),
            id=identity,
            defaultChild=default,
        )

    return node(structure, "<True/>", "n")


def tree_model(nodes: str, names: Iterable[str], function: str = "regression", **attributes: str) -> str:
    return element("TreeModel", schema(names), nodes, functionName=function, **attributes)


def ensemble(
    models: Sequence[str],
    names: Iterable[str],
    method: str,
    function: str = "regression",
    *,
    weights: Sequence[float] | None = None,
    after: str = "",
) -> str:
    """A MiningModel; after: what stands behind its MiningSchema."""
    segments = [
        element("Segment", "<True/>", model, id=str(n), **({} if weights is None else {"weight": weights[n]}))
        for n, model in enumerate(models)
    ]
    segmentation = element("Segmentation", *segments, multipleModelMethod=method)
    return element("MiningModel", schema(names), after, segmentation, functionName=function)


def chain(first: str, output: str, last: str, names: Iterable[str], function: str = "classification") -> str:
    """A model whose result the last one reads under the name `output`."""
    field = element("Output", element("OutputField", name=output, optype="continuous", dataType="double"))
    with_output = first.replace("</MiningSchema>", f"</MiningSchema>{field}", 1)
    return ensemble([with_output, last], names, "modelChain", function)
