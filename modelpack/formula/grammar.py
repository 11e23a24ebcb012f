"""What a formula may be made of, and whether a formula is made of that alone.

A formula is JSON: `{"format": 1, "steps": [step, …]}`. A step is `[name, argument, …]` and has one value: a number, a text
or a truth. Arguments that are values are the numbers of earlier steps, from 0. The last step is the score. There are no
loops, so a formula ends after as many operations as it has steps and its trees have levels.

This module is rendered into the PL/Python functions that read formulas (`modelpack.plpython_source`), so it uses the standard
library alone, and its annotations name built-in types and Any.
"""

from __future__ import annotations

import math
from typing import Any

FORMAT = 1
"""Raise it when a reader of the old form would misread the new one."""

LIMIT = 1 << 20
"""Steps and nodes of trees together."""
DEEPEST = 64
"""Levels of a tree."""

OPERATIONS: dict[str, tuple[str, str]] = {
    "float32": ("n", "n"),
    "add": ("nn", "n"),
    "subtract": ("nn", "n"),
    "multiply": ("nn", "n"),
    "divide": ("nn", "n"),
    "power": ("nn", "n"),
    "min": ("nn", "n"),
    "max": ("nn", "n"),
    "negate": ("n", "n"),
    "abs": ("n", "n"),
    "sqrt": ("n", "n"),
    "exp": ("n", "n"),
    "log": ("n", "n"),
    "tanh": ("n", "n"),
    "erf": ("n", "n"),
    "floor": ("n", "n"),
    "truncate": ("n", "n"),
    "logistic": ("n", "n"),
    "less": ("nn", "b"),
    "less_equal": ("nn", "b"),
    "equal": ("nn", "b"),
    "missing": ("n", "b"),
    "not": ("b", "b"),
    "and": ("bb", "b"),
    "or": ("bb", "b"),
}
"""Steps all of whose arguments are values: what they take and give. n: number, b: truth. `if` takes texts, too."""

COMPARISONS = ("<", "<=", "=")


Checked = tuple[str, int]
"""What a step gives (n, b or t), and how many parts it has beside itself."""


class FormulaError(ValueError):
    """What is wrong with a formula, and where."""


def check(formula: Any, numbers: int, texts: int) -> int:
    """How many parts (steps, nodes of trees, weights, keys) a formula has, which is made of nothing that is not described here.

    Args:
        formula: as JSON was read.
        numbers, texts: how many inputs of either type its version has.

    Raises:
        FormulaError: it is no formula of this format for so many inputs.
    """
    if not isinstance(formula, dict) or set(formula) != {"format", "steps"} or formula["format"] != FORMAT:
        raise FormulaError(f'the formula is not understood: expected {{"format": {FORMAT}, "steps": [...]}}')
    steps = formula["steps"]
    if not isinstance(steps, list) or not steps:
        raise FormulaError("the formula is not understood: it has no steps")
    kinds: list[str] = []
    size = 0
    for place, step in enumerate(steps):
        name, found = None, None
        if isinstance(step, list) and step and isinstance(step[0], str):
            name, found = step[0], checked(step[0], step[1:], kinds, {"number": numbers, "text": texts})
        if found is None:
            what = (
                "expected [name, argument, ...]"
                if name is None
                else f"{name} is unknown, or does not take these arguments"
            )
            raise FormulaError(f"the formula is not understood, step {place}: {what}")
        kinds.append(found[0])
        size += 1 + found[1]
        if size > LIMIT:
            raise FormulaError(f"the formula is not understood, step {place}: it has more than {LIMIT} parts")
    if kinds[-1] != "n":
        raise FormulaError(f"the formula is not understood, step {len(steps) - 1}: the score is no number")
    return size


def checked(name: str, given: list[Any], kinds: list[str], inputs: dict[str, int]) -> Checked | None:
    """What a step gives, whose arguments may be values of these kinds; None where it is none."""
    if name in OPERATIONS:
        takes, gives = OPERATIONS[name]
        return (gives, 0) if are_values(given, takes, kinds) else None
    if name in inputs:
        return (name[0], 0) if len(given) == 1 and is_whole(given[0], inputs[name]) else None
    if name == "constant":
        return ("n", 0) if len(given) == 1 and is_number_or_missing(given[0]) else None
    if name == "literal":
        return ("t", 0) if len(given) == 1 and isinstance(given[0], str) else None
    if name == "if":
        return next(((kind, 0) for kind in "nt" if are_values(given, "b" + 2 * kind, kinds)), None)
    checks = {
        "lookup": checked_lookup,
        "linear": checked_linear,
        "softmax": checked_softmax,
        "trees": checked_trees,
    }
    return checks[name](given, kinds) if name in checks else None


def checked_lookup(given: list[Any], kinds: list[str]) -> Checked | None:
    """[value, [[key, number], ...], number for all others]"""
    if len(given) != 3 or not isinstance(given[1], list) or not is_number_or_missing(given[2]):
        return None
    if are_values(given[:1], "n", kinds):
        is_key: Any = is_number
    elif are_values(given[:1], "t", kinds):
        is_key = is_text
    else:
        return None
    for pair in given[1]:
        if not (
            isinstance(pair, list) and len(pair) == 2 and is_key(pair[0]) and is_number_or_missing(pair[1])
        ):
            return None
    return "n", len(given[1])


def checked_linear(given: list[Any], kinds: list[str]) -> Checked | None:
    """[[value, ...], [weight, ...], intercept]"""
    if len(given) != 3 or not isinstance(given[1], list) or not is_number(given[2]):
        return None
    fits = are_values(given[0], "n" * len(given[1]), kinds) and all(is_number(weight) for weight in given[1])
    return ("n", len(given[1])) if fits else None


def checked_softmax(given: list[Any], kinds: list[str]) -> Checked | None:
    """[which, [value, ...]]"""
    if len(given) != 2 or not isinstance(given[1], list) or not is_whole(given[0], len(given[1])):
        return None
    return ("n", len(given[1])) if are_values(given[1], "n" * len(given[1]), kinds) else None


def checked_trees(given: list[Any], kinds: list[str]) -> Checked | None:
    """[[value, ...], [tree, ...]]; a tree is a number or [which, comparison, threshold, missing, tree, tree]."""
    if len(given) != 2 or not isinstance(given[0], list) or not isinstance(given[1], list) or not given[1]:
        return None
    if not are_values(given[0], "n" * len(given[0]), kinds):
        return None
    size, todo = 0, [(tree, 0) for tree in given[1]]
    while todo:
        node, depth = todo.pop()
        size += 1
        if isinstance(node, list):
            if len(node) != 6 or depth >= DEEPEST or size > LIMIT:
                return None
            which, comparison, threshold, missing, first, second = node
            if not is_whole(which, len(given[0])) or comparison not in COMPARISONS:
                return None
            if not is_number(threshold) or not isinstance(missing, bool):
                return None
            todo += [(first, depth + 1), (second, depth + 1)]
        elif not is_number(node):
            return None
    return "n", size


def are_values(given: Any, wanted: str, kinds: list[str]) -> bool:
    """Whether these are numbers of earlier steps that give what is wanted."""
    if not isinstance(given, list) or len(given) != len(wanted):
        return False
    return all(is_whole(v, len(kinds)) and kinds[v] == kind for v, kind in zip(given, wanted, strict=True))


def is_whole(value: Any, below: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < below


def is_number(value: Any) -> bool:
    """One that a double holds: an integer of JSON may be larger."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def is_number_or_missing(value: Any) -> bool:
    return value is None or is_number(value)


def is_text(value: Any) -> bool:
    return isinstance(value, str)
