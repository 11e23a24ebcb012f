"""The models of ai.onnx.ml: linear ones and ensembles of trees, with what they do to their sums in the end."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper

from modelpack.formula.grammar import DEEPEST
from modelpack.packager.formula.steps import UnreadableError
from modelpack.packager.formula.tensors import Reading, Tensor


def _row(values: Sequence[int]) -> Tensor:
    return Tensor(np.array([values], dtype=object), TensorProto.FLOAT)


def _transformed(node: Reading, values: Sequence[int]) -> list[int]:
    """Scores after the operator's `post_transform`."""
    how = node.text("post_transform", "NONE")
    if how == "NONE":
        return list(values)
    if how == "LOGISTIC":
        return [node.steps.add("logistic", v) for v in values]
    if how == "SOFTMAX":
        return [node.steps.add("softmax", n, list(values)) for n in range(len(values))]
    raise UnreadableError(f"{node.operator} ends with {how}")


def _linear(node: Reading, targets: int) -> list[int]:
    values = list(node.cells(0).reshape(-1))
    weights = np.asarray(node.attribute("coefficients"), dtype=np.float64).reshape(targets, len(values))
    intercepts = np.asarray(node.attribute("intercepts", [0.0] * targets), dtype=np.float64)
    if not np.isfinite(weights).all() or not np.isfinite(intercepts).all():
        raise UnreadableError("it has an infinite weight")
    return [
        node.steps.add("linear", values, [float(w) for w in row], float(intercept))
        for row, intercept in zip(weights, intercepts, strict=True)
    ]


def linear_regressor(node: Reading) -> list[Tensor]:
    return [_row(_transformed(node, _linear(node, int(node.attribute("targets", 1)))))]


def linear_classifier(node: Reading) -> list[Tensor]:
    """Labels, which nobody reads, and scores."""
    width = node.cells(0).size
    values = _linear(node, len(node.attribute("coefficients")) // width)
    return [
        _no_label(),
        _row(_transformed(node, values) if len(values) > 1 else _of_two(node, values[0], True)),
    ]


def _of_two(node: Reading, second: int, is_share: bool) -> list[int]:
    """The scores of two classes where the model has that of the second alone; is_share: both add up to 1."""
    steps = node.steps
    how = node.text("post_transform", "NONE")
    if how == "LOGISTIC":
        return [steps.add("logistic", steps.add("negate", second)), steps.add("logistic", second)]
    if how != "NONE":
        raise UnreadableError(f"{node.operator} of one class ends with {how}")
    return [
        steps.add("subtract", steps.constant(1.0), second) if is_share else steps.add("negate", second),
        second,
    ]


def _no_label() -> Tensor:
    return Tensor(np.empty((0,), dtype=object), TensorProto.INT64)


def tree_regressor(node: Reading) -> list[Tensor]:
    targets = int(node.attribute("n_targets", 1))
    sums = _sums(node, "target", targets, set(node.attribute("target_ids")))
    return [_row(_transformed(node, [sums[n] for n in range(targets)]))]


def tree_classifier(node: Reading) -> list[Tensor]:
    """Of two classes onnxruntime does things of its own where leaves leave one out; what no converter writes is not read."""
    labels = node.attribute("classlabels_int64s") or node.attribute("classlabels_strings")
    ids = [int(n) for n in node.attribute("class_ids")]
    leaves = list(zip(node.attribute("class_treeids"), node.attribute("class_nodeids"), strict=True))
    if len(labels) == 2 and set(ids) == {0} and len(_base(node)) < 2:
        sums = _sums(node, "class", 1, {0})
        return [
            _no_label(),
            _row(_of_two(node, sums[0], bool(np.min(_numbers(node, "class_weights", [])) >= 0))),
        ]
    if len(labels) == 2 and (
        len(set(ids)) != 2 or len(set(zip(leaves, ids, strict=True))) != 2 * len(set(leaves)) or _base(node)
    ):
        raise UnreadableError("the leaves of its trees leave classes out")
    sums = _sums(node, "class", len(labels), set(ids))
    return [_no_label(), _row(_transformed(node, [sums[n] for n in range(len(labels))]))]


def _base(node: Reading) -> list[float]:
    return [float(v) for v in _numbers(node, "base_values", [])]


def _numbers(node: Reading, name: str, otherwise: Any) -> Any:
    """An attribute of floats, which may be given as a tensor of doubles."""
    tensor = node.attribute(f"{name}_as_tensor")
    return numpy_helper.to_array(tensor) if tensor is not None else node.attribute(name, otherwise)


def _sums(node: Reading, kind: str, targets: int, scored: set[int]) -> dict[int, int]:
    """For each target the sum of what its trees give."""
    base = dict(enumerate(_base(node)))
    cells = list(node.exact(0).reshape(-1))
    how = node.text("aggregate_function", "SUM")
    if how not in ("SUM", "AVERAGE"):
        raise UnreadableError(f"its trees are joined by {how}")
    forest = _Forest(node, kind)
    divisor = float(len(forest.roots)) if how == "AVERAGE" else 1.0
    sums = {}
    for target in range(targets):
        if target not in scored:
            sums[target] = node.steps.constant(base.get(target, 0.0))
            continue
        trees = [tree for root in forest.roots if (tree := forest.tree(root, target)) != 0.0] or [0.0]
        used = sorted({place for tree in trees for place in _places(tree)})
        numbers = {place: n for n, place in enumerate(used)}
        found = node.steps.add(
            "trees", [cells[p] for p in used], [_renumbered(tree, numbers) for tree in trees]
        )
        if divisor != 1.0:
            found = node.steps.add("divide", found, node.steps.constant(divisor))
        if base.get(target, 0.0) != 0.0:
            found = node.steps.add("add", found, node.steps.constant(base[target]))
        sums[target] = found
    return sums


_MODES = {
    "BRANCH_LEQ": ("<=", False),
    "BRANCH_LT": ("<", False),
    "BRANCH_GT": ("<=", True),
    "BRANCH_GTE": ("<", True),
    "BRANCH_EQ": ("=", False),
    "BRANCH_NEQ": ("=", True),
}
"""How a node compares, and whether its branches change places then."""


class _Forest:
    """The nodes of an ensemble by tree and number."""

    def __init__(self, node: Reading, kind: str) -> None:
        names = ("treeids", "nodeids", "featureids", "modes", "truenodeids", "falsenodeids")
        columns = [node.attribute(f"nodes_{name}") for name in names]
        values = _numbers(node, "nodes_values", [])
        missing = node.attribute("nodes_missing_value_tracks_true") or [0] * len(values)
        self._nodes = {
            (int(tree), int(number)): (
                int(place),
                mode.decode(),
                int(first),
                int(second),
                float(value),
                bool(to_first),
            )
            for tree, number, place, mode, first, second, value, to_first in zip(
                *columns, values, missing, strict=True
            )
        }
        self._leaves: dict[tuple[int, int], dict[int, float]] = defaultdict(lambda: defaultdict(float))
        ids = [node.attribute(f"{kind}_{name}") for name in ("treeids", "nodeids", "ids")]
        for tree, number, target, weight in zip(*ids, _numbers(node, f"{kind}_weights", []), strict=True):
            self._leaves[int(tree), int(number)][int(target)] += float(weight)
        children = {
            (tree, child) for (tree, _), n in self._nodes.items() for child in n[2:4] if n[1] != "LEAF"
        }
        self.roots = [key for key in self._nodes if key not in children]

    def tree(self, key: tuple[int, int], target: int, depth: int = 0) -> Any:
        """A tree of the formula, for one target."""
        place, mode, first, second, value, to_first = self._nodes[key]
        if mode == "LEAF":
            weight = self._leaves[key][target] if key in self._leaves else 0.0
            if not math.isfinite(weight):
                raise UnreadableError("a leaf is infinite")
            return weight
        if depth >= DEEPEST:
            raise UnreadableError(f"a tree has more than {DEEPEST} levels")
        if mode not in _MODES:
            raise UnreadableError(f"its trees branch by {mode}")
        if not math.isfinite(value):
            raise UnreadableError("a threshold is infinite")
        yes, no = (self.tree((key[0], child), target, depth + 1) for child in (first, second))
        if yes == no:
            return yes
        comparison, turned = _MODES[mode]
        if mode == "BRANCH_NEQ":
            to_first = True  # whatever is missing differs
        # a missing number goes to the second branch, unless it is told to go to the first
        return (
            [place, comparison, value, not to_first, no, yes]
            if turned
            else [place, comparison, value, to_first, yes, no]
        )


def _places(tree: Any) -> set[int]:
    return {tree[0]} | _places(tree[4]) | _places(tree[5]) if isinstance(tree, list) else set()


def _renumbered(tree: Any, numbers: dict[int, int]) -> Any:
    if not isinstance(tree, list):
        return tree
    return [numbers[tree[0]], *tree[1:4], *(_renumbered(child, numbers) for child in tree[4:])]
