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


class FormulaError(ValueError):
    """What is wrong with a formula, and where."""


def check(formula: Any, numbers: int, texts: int) -> int:
    """How many steps and nodes of trees a formula has, which is made of nothing that is not described here.

    Args:
        formula: as JSON was read.
        numbers, texts: how many inputs of either type its version has.

    Raises:
        FormulaError: it is no formula of this format for so many inputs.
    """

    def fail(place: int | None, found: str) -> FormulaError:
        return FormulaError(
            f"the formula is not understood{'' if place is None else f', step {place}'}: {found}"
        )

    def real(value: Any) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(float(value))

    def whole(value: Any, below: int) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < below

    if (
        not isinstance(formula, dict)
        or formula.get("format") != FORMAT
        or set(formula) != {"format", "steps"}
    ):
        raise fail(None, f'expected {{"format": {FORMAT}, "steps": […]}}')
    steps = formula["steps"]
    if not isinstance(steps, list) or not steps:
        raise fail(None, "it has no steps")
    kinds: list[str] = []
    size = 0
    for place, step in enumerate(steps):
        if not isinstance(step, list) or not step or not isinstance(step[0], str):
            raise fail(place, "expected [name, argument, …]")
        name, given = step[0], step[1:]

        def values(them: Any, wanted: str, place: int = place) -> bool:
            return all(whole(v, place) and kinds[v] == kind for v, kind in zip(them, wanted, strict=True))

        if name in OPERATIONS:
            takes, gives = OPERATIONS[name]
            fits = len(given) == len(takes) and values(given, takes)
        elif name in ("number", "text"):
            fits = len(given) == 1 and whole(given[0], numbers if name == "number" else texts)
            gives = name[0]
        elif name == "constant":
            fits = len(given) == 1 and (given[0] is None or real(given[0]))
            gives = "n"
        elif name == "literal":
            fits = len(given) == 1 and isinstance(given[0], str)
            gives = "t"
        elif name == "if":
            # [truth, value, value]
            fits = len(given) == 3 and all(whole(v, place) for v in given) and kinds[given[0]] == "b"
            gives = kinds[given[1]] if fits else "n"
            fits = fits and gives in ("n", "t") and kinds[given[2]] == gives
        elif name == "lookup":
            # [value, [[key, number], …], number for all others]
            gives = "n"
            fits = (
                len(given) == 3
                and whole(given[0], place)
                and kinds[given[0]] in ("n", "t")
                and isinstance(given[1], list)
            )
            fits = fits and (given[2] is None or real(given[2]))
            for pair in given[1] if fits else ():
                size += 1
                fits = isinstance(pair, list) and len(pair) == 2 and (pair[1] is None or real(pair[1]))
                fits = fits and (real(pair[0]) if kinds[given[0]] == "n" else isinstance(pair[0], str))
                if not fits:
                    break
        elif name == "linear":
            # [[value, …], [weight, …], intercept]
            gives = "n"
            fits = len(given) == 3 and isinstance(given[0], list) and isinstance(given[1], list)
            fits = fits and len(given[0]) == len(given[1]) and values(given[0], "n" * len(given[0]))
            fits = fits and all(map(real, given[1])) and real(given[2])
            size += len(given[0]) if fits else 0
        elif name == "softmax":
            # [which, [value, …]]
            gives = "n"
            fits = len(given) == 2 and isinstance(given[1], list) and whole(given[0], len(given[1]))
            fits = fits and values(given[1], "n" * len(given[1]))
        elif name == "trees":
            # [[value, …], [tree, …]]; a tree is a number or [which, comparison, threshold, missing, tree, tree]
            gives = "n"
            fits = len(given) == 2 and isinstance(given[0], list) and values(given[0], "n" * len(given[0]))
            fits = fits and isinstance(given[1], list) and len(given[1]) > 0
            nodes = [(tree, 0) for tree in given[1]] if fits else []
            while nodes and fits:
                node, depth = nodes.pop()
                size += 1
                if isinstance(node, list):
                    fits = (
                        len(node) == 6
                        and whole(node[0], len(given[0]))
                        and node[1] in COMPARISONS
                        and real(node[2])
                    )
                    fits = fits and isinstance(node[3], bool) and depth < DEEPEST
                    nodes += [(child, depth + 1) for child in node[4:]]
                else:
                    fits = real(node)
        else:
            raise fail(place, f"there is no step {name!r}")
        if not fits:
            raise fail(place, f"{name} does not take these arguments")
        kinds.append(gives)
        size += 1
        if size > LIMIT:
            raise fail(place, f"it has more than {LIMIT} parts")
    if kinds[-1] != "n":
        raise fail(len(steps) - 1, "the score is no number")
    return size
