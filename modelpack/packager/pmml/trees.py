"""<TreeModel>: nodes with predicates become comparisons with two ways to go on, as formulas and ONNX have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modelpack.formula.grammar import DEEPEST, LIMIT
from modelpack.packager.formula.steps import Steps
from modelpack.packager.pmml.document import Element
from modelpack.packager.pmml.fields import Scope
from modelpack.packager.pmml.predicates import TAGS as PREDICATES
from modelpack.packager.pmml.predicates import predicate_of
from modelpack.packager.pmml.results import Result
from modelpack.packager.pmml.values import Predicate, Test, chosen

TAGS = ("Node",)

LARGEST = float(np.finfo(np.float32).max)
"""Whatever is not larger is no missing number."""


@dataclass(frozen=True)
class Leaf:
    """A prediction; none where all is None."""

    value: float | None = None
    label: str | None = None
    shares: tuple[tuple[str, float], ...] = ()

    @property
    def nothing(self) -> bool:
        return self.value is None and not self.shares


@dataclass(frozen=True, eq=False)
class Branch:
    """A comparison, and how to go on: where it is true, or where it is not."""

    step: int
    comparison: str
    threshold: float
    missing_first: bool
    first: Tree
    second: Tree


Tree = Leaf | Branch


@dataclass(frozen=True)
class Grown:
    """A tree with all its classes; None: of a regression."""

    tree: Tree
    labels: tuple[str, ...] | None
    whose: Element


def tree_model(model: Element, scope: Scope) -> Result:
    """What one tree gives."""
    grown = grow(model, scope)
    if grown.labels is None:
        return Result(total(scope.steps, [grown], [1.0], value_of))
    shares = {label: total(scope.steps, [grown], [1.0], share_of(label)) for label in grown.labels}
    return Result(shares=shares)


def grow(model: Element, scope: Scope) -> Grown:
    """The tree of a <TreeModel>."""
    model.has(
        "modelName", "functionName", "algorithmName", "missingValueStrategy", "missingValuePenalty", "noTrueChildStrategy",
        "splitCharacteristic", "isScorable",
    )  # fmt: skip
    model.choice("splitCharacteristic", "multiSplit", "multiSplit", "binarySplit")
    classifies = model.choice("functionName", "", "regression", "classification") == "classification"
    grower = _Grower(
        scope,
        model.choice(
            "missingValueStrategy", "none", "none", "defaultChild", "lastPrediction", "nullPrediction"
        ),
        model.choice(
            "noTrueChildStrategy", "returnNullPrediction", "returnNullPrediction", "returnLastPrediction"
        )
        == "returnLastPrediction",
        classifies,
    )
    root = model.one(*TAGS)
    tree = grower.children([root], Leaf(), None)
    if grower.size(tree) > LIMIT:
        model.refuse(
            f"comes to more than {LIMIT:,} nodes where values are missing",
            "fewer",
            "Fit fewer or smaller trees.",
        )
    return Grown(tree, tuple(sorted(grower.labels)) if classifies else None, model)


class _Grower:
    def __init__(self, scope: Scope, strategy: str, returns_last: bool, classifies: bool) -> None:
        self._scope = scope
        self._strategy = strategy
        self._returns_last = returns_last
        self._classifies = classifies
        self.labels: set[str] = set()

    def _node(self, node: Element) -> Tree:
        node.has("id", "score", "recordCount", "defaultChild")
        node.holds(*PREDICATES, *TAGS, "ScoreDistribution", "Partition")
        return self.children(node.all(*TAGS), self._leaf(node), node)

    def children(self, nodes: Sequence[Element], last: Leaf, parent: Element | None) -> Tree:
        """The first child whose predicate is true, from the last to the first."""
        if not nodes:
            return last
        fall: Tree = last if self._returns_last else Leaf()
        grown = [self._node(node) for node in nodes]
        predicates = [predicate_of(node, self._scope) for node in nodes]
        default = self._default(parent, nodes, grown)
        # what follows where nothing before is true: from child n on
        rest: list[Tree] = [fall] * (len(nodes) + 1)
        for n in reversed(range(len(nodes))):
            predicate = predicates[n]
            if isinstance(predicate, bool):
                rest[n] = grown[n] if predicate else rest[n + 1]
                continue
            known = rest[n + 1]
            if n + 1 < len(nodes) and _is_opposite(predicate, predicates[n + 1]):
                known = grown[n + 1]
            unknown = {
                "none": rest[n + 1],
                "defaultChild": default,
                "lastPrediction": last,
                "nullPrediction": Leaf(),
            }[self._strategy]
            if unknown is None:
                (parent or nodes[n]).refuse("has no defaultChild", "the id of one of its children")
            if self._strategy == "none" and known is not rest[n + 1]:
                # the opposite is unknown, too
                unknown = rest[n + 2]
            rest[n] = _branch(predicate, grown[n], known, unknown)
        return rest[0]

    def _default(
        self, parent: Element | None, nodes: Sequence[Element], grown: Sequence[Tree]
    ) -> Tree | None:
        if parent is None:
            return Leaf()
        wanted = parent.get("defaultChild")
        for node, tree in zip(nodes, grown, strict=True):
            if wanted is not None and node.get("id") == wanted:
                return tree
        return None

    def _leaf(self, node: Element) -> Leaf:
        score = node.get("score")
        if not self._classifies:
            return Leaf() if score is None else Leaf(node.parsed(score, "score"))
        counts = node.all("ScoreDistribution")
        if not counts:
            if score is None:
                return Leaf()
            self.labels.add(score)
            return Leaf(label=score, shares=((score, 1.0),))
        given = all(c.get("probability") is not None for c in counts)
        numbers = [c.number("probability" if given else "recordCount") for c in counts]
        whole = 1.0 if given else sum(numbers)
        if whole <= 0:
            node.refuse("has a ScoreDistribution without records", "recordCount above 0, or probability")
        shares = tuple((c.need("value"), n / whole) for c, n in zip(counts, numbers, strict=True))
        self.labels.update(label for label, _ in shares)
        likeliest = max(shares, key=lambda pair: pair[1])[0]
        return Leaf(label=score or likeliest, shares=shares)

    def size(self, tree: Tree) -> int:
        """Nodes once every shared part is written out."""
        known: dict[int, int] = {}

        def count(part: Tree) -> int:
            if isinstance(part, Leaf):
                return 1
            if id(part) not in known:
                known[id(part)] = 1 + count(part.first) + count(part.second)
            return known[id(part)]

        return count(tree)


def _is_opposite(a: Test, b: Predicate) -> bool:
    """Whether b is true wherever a is false."""
    return b is True or (isinstance(b, Test) and replace(a, indicator=b.indicator) == b.opposite())


def _same(a: Tree, b: Tree) -> bool:
    return a is b or (isinstance(a, Leaf) and a == b)


def _branch(predicate: Test, true: Tree, false: Tree, unknown: Tree) -> Tree:
    if _same(true, false) and _same(true, unknown):
        return true
    first, second = (false, true) if predicate.turned else (true, false)

    def made(missing_first: bool) -> Branch:
        return Branch(predicate.step, predicate.comparison, predicate.threshold, missing_first, first, second)

    if _same(unknown, first):
        return made(True)
    if _same(unknown, second):
        return made(False)
    return Branch(predicate.step, "<=", LARGEST, False, made(False), unknown)


def value_of(leaf: Leaf) -> float:
    return leaf.value or 0.0


def share_of(label: str) -> Callable[[Leaf], float]:
    return lambda leaf: dict(leaf.shares).get(label, 0.0)


def vote_for(label: str) -> Callable[[Leaf], float]:
    return lambda leaf: float(leaf.label == label)


def total(
    steps: Steps, trees: Sequence[Grown], weights: Sequence[float], figure: Callable[[Leaf], float]
) -> int:
    """The weighted sum of a figure of the leaves; missing where a tree gives no prediction."""

    def weighted(weight: float) -> Callable[[Leaf], float]:
        return lambda leaf: weight * figure(leaf)

    flat = [_flat(g, weighted(w)) for g, w in zip(trees, weights, strict=True)]
    gaps = [_flat(g, lambda leaf: float(leaf.nothing)) for g in trees]
    gaps = [g for g in gaps if g != 0.0]
    made = summed(steps, flat)
    if not gaps:
        return made
    none = steps.add("equal", summed(steps, gaps), steps.constant(0.0))
    return chosen(steps, none, made, steps.constant(float("nan")))


def _flat(grown: Grown, figure: Callable[[Leaf], float]) -> Any:
    """A tree of a formula, whose comparisons still name steps."""

    def flat(tree: Tree, depth: int) -> Any:
        if isinstance(tree, Leaf):
            return figure(tree)
        if depth >= DEEPEST:
            grown.whose.refuse(f"comes to more than {DEEPEST} levels", "fewer", "Fit less deep trees.")
        first, second = flat(tree.first, depth + 1), flat(tree.second, depth + 1)
        if not isinstance(first, list) and first == second:
            return first
        return [tree.step, tree.comparison, tree.threshold, tree.missing_first, first, second]

    return flat(grown.tree, 0)


def summed(steps: Steps, trees: Sequence[Any]) -> int:
    """The sum of trees whose comparisons name steps."""
    fixed = sum(t for t in trees if not isinstance(t, list))
    grown = [t for t in trees if isinstance(t, list)]
    if not grown:
        return steps.constant(fixed)
    places: dict[int, int] = {}

    def placed(tree: Any) -> Any:
        if not isinstance(tree, list):
            return tree
        place = places.setdefault(tree[0], len(places))
        return [place, *tree[1:4], placed(tree[4]), placed(tree[5])]

    placed_trees = [placed(t) for t in grown]
    made = steps.add("trees", list(places), placed_trees)
    return made if fixed == 0.0 else steps.add("add", made, steps.constant(fixed))
