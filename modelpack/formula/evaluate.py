"""What a formula gives for a row, in the plainest way: what all other ways of evaluating it are held against."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from modelpack.formula import arithmetic
from modelpack.formula.arithmetic import NAN, float32


def evaluate(formula: dict[str, Any], numbers: Sequence[float | None], texts: Sequence[str] = ()) -> float:
    """The score of a row; NaN: none.

    Args:
        formula: one that `modelpack.formula.check` has passed.
        numbers: the inputs that are numbers, in the order of the signature; None and NaN: missing. They are rounded to the
            nearest float32, which is what the version was proven with.
        texts: the inputs that are texts, with the signature's `missing_token` for a missing one.

    Numbers are IEEE 754 doubles, and NaN is a missing one. What arithmetic does not define is NaN or infinite, never an
    error. A comparison with a missing number is false. Sums are made from left to right.
    """
    found: list[Any] = []
    for name, *given in formula["steps"]:
        if name == "number":
            value = numbers[given[0]]
            found.append(NAN if value is None else float32(value))
        elif name == "text":
            found.append(texts[given[0]])
        elif name == "literal":
            found.append(given[0])
        elif name == "constant":
            found.append(_number(given[0]))
        elif name == "lookup":
            place, pairs, other = given
            known = dict(pairs)
            found.append(_number(known.get(found[place], other)))
        elif name == "linear":
            places, weights, intercept = given
            found.append(_sum([*(found[p] * w for p, w in zip(places, weights, strict=True)), intercept]))
        elif name == "softmax":
            which, places = given
            found.append(arithmetic.shares([found[p] for p in places])[which])
        elif name == "trees":
            places, trees = given
            found.append(_sum([_leaf(tree, [found[p] for p in places]) for tree in trees]))
        else:
            found.append(_OPERATIONS[name](*[found[p] for p in given]))
    return float(found[-1])


def _number(value: float | None) -> float:
    return NAN if value is None else float(value)


def _sum(values: Sequence[float]) -> float:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def _leaf(tree: Any, row: Sequence[float]) -> float:
    while isinstance(tree, list):
        place, comparison, threshold, missing, first, second = tree
        value = row[place]
        tree = (
            first if (missing if value != value else _COMPARISONS[comparison](value, threshold)) else second
        )
    return float(tree)


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b,
}

_OPERATIONS: dict[str, Callable[..., Any]] = {
    "float32": float32,
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": arithmetic.divide,
    "power": arithmetic.power,
    "min": arithmetic.smaller,
    "max": arithmetic.larger,
    "negate": lambda a: -a,
    "abs": abs,
    "sqrt": arithmetic.root,
    "exp": arithmetic.exp,
    "log": arithmetic.log,
    "tanh": math.tanh,
    "erf": math.erf,
    "floor": arithmetic.floor,
    "truncate": arithmetic.truncate,
    "logistic": arithmetic.logistic,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "equal": lambda a, b: a == b,
    "missing": lambda a: a != a,
    "not": lambda a: not a,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "if": lambda c, a, b: a if c else b,
}
