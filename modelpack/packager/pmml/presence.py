"""The steps of a formula for rows in which some numbers are never missing: what asks whether they are falls away.

A tree that says nothing about missing values gives no prediction where it meets one. Where such a row is not scored anyway,
since the signature lets no column be missing without which there is no score, nothing needs to ask for it.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from modelpack.packager.formula.steps import Steps
from modelpack.packager.pmml.trees import LARGEST, summed
from modelpack.packager.pmml.values import both, chosen, either


def where_present(formula: dict[str, Any], numbers: Collection[int]) -> dict[str, Any]:
    """The same formula for rows in which these inputs are there; the inputs keep their numbers."""
    reader = _Reader(frozenset(numbers))
    for name, *given in formula["steps"]:
        reader.made.append(reader.step(name, *given))
    score = reader.made[-1]
    return reader.steps.formula(score)


class _Reader:
    def __init__(self, numbers: frozenset[int]) -> None:
        self.steps = Steps()
        self.made: list[int | bool] = []
        self._numbers = numbers
        self._there: set[int] = set()

    def step(self, name: str, *given: Any) -> int | bool:
        """A step once more: its new number, or a truth that holds for every row."""
        steps = self.steps
        if name == "number":
            made = steps.add(name, *given)
            if given[0] in self._numbers:
                self._there.add(made)
            return made
        if name in ("text", "literal"):
            return steps.add(name, *given)
        if name == "constant":
            made = steps.constant(math.nan if given[0] is None else given[0])
            if given[0] is not None:
                self._there.add(made)
            return made
        if name == "lookup":
            return steps.add(name, self.made[given[0]], *given[1:])
        if name == "linear":
            return steps.add(name, [self.made[p] for p in given[0]], *given[1:])
        if name == "softmax":
            return steps.add(name, given[0], [self.made[p] for p in given[1]])
        if name == "trees":
            places = [self.made[p] for p in given[0]]
            return summed(steps, [self._pruned(tree, places) for tree in given[1]])
        return self._operation(name, [self.made[p] for p in given])

    def _operation(self, name: str, values: list[int | bool]) -> int | bool:
        steps = self.steps
        if name == "missing" and values[0] in self._there:
            return False
        if name == "not":
            return not values[0] if isinstance(values[0], bool) else steps.add(name, values[0])
        if name in ("and", "or"):
            return (both if name == "and" else either)(steps, *values)
        if name == "equal":
            a, b = (steps.value(v) for v in values)
            if a is not None and b is not None:
                return a == b
        if name == "if":
            made = chosen(steps, *values)
            if values[1] in self._there and values[2] in self._there:
                self._there.add(made)
            return made
        made = steps.add(name, *values)
        if name in ("float32", "min", "max") and all(v in self._there for v in values):
            self._there.add(made)
        return made

    def _pruned(self, tree: Any, places: list[Any]) -> Any:
        """A tree whose comparisons name steps, without those that ask whether a number is there."""
        if not isinstance(tree, list):
            return tree
        place, comparison, threshold, missing, first, second = tree
        if (comparison, threshold) == ("<=", LARGEST) and places[place] in self._there:
            return self._pruned(first, places)
        first, second = self._pruned(first, places), self._pruned(second, places)
        if not isinstance(first, list) and first == second:
            return first
        return [places[place], comparison, threshold, missing, first, second]
