"""A formula as a Python function: its source is written from the formula's numbers and places alone.

Rendered into PL/Python functions: the standard library alone, and annotations of built-in types.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from modelpack.formula.arithmetic import (
    NAN,
    divide,
    exp,
    float32,
    floor,
    larger,
    log,
    logistic,
    power,
    root,
    shares,
    smaller,
    truncate,
)

ROW = 12
"""Trees that are added in one statement: each is an operand of the one before, and the compiler's stack has an end."""


def tree_source(tree: Any, names: list[str]) -> str:
    """A tree as one expression of conditions."""
    if not isinstance(tree, list):
        return repr(float(tree))
    place, comparison, threshold, missing, first, second = tree
    name, bound = names[place], repr(float(threshold))
    if comparison == "=":
        condition = f"{name} == {bound} or {name} != {name}" if missing else f"{name} == {bound}"
    elif missing:  # every comparison with NaN is false
        condition = f"not {name} {'>' if comparison == '<=' else '>='} {bound}"
    else:
        condition = f"{name} {comparison} {bound}"
    return f"({tree_source(first, names)} if {condition} else {tree_source(second, names)})"


def python_source(formula: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The text of `score(numbers, texts)` for a formula that `check` has passed, and the names that it reads.

    The numbers are float32 values already, with NaN for a missing one. Texts of the formula are in the names, never in the
    text.
    """
    forms = {
        "add": "{} + {}",
        "subtract": "{} - {}",
        "multiply": "{} * {}",
        "negate": "-{}",
        "abs": "abs({})",
        "divide": "divide({}, {})",
        "power": "power({}, {})",
        "min": "smaller({}, {})",
        "max": "larger({}, {})",
        "sqrt": "root({})",
        "exp": "exp({})",
        "log": "log({})",
        "tanh": "tanh({})",
        "erf": "erf({})",
        "floor": "floor({})",
        "truncate": "truncate({})",
        "logistic": "logistic({})",
        "float32": "float32({})",
        "less": "{} < {}",
        "less_equal": "{} <= {}",
        "equal": "{} == {}",
        "missing": "{0} != {0}",
        "not": "not {}",
        "and": "{} and {}",
        "or": "{} or {}",
        "if": "{1} if {0} else {2}",
    }
    named: dict[str, Any] = {
        "NAN": NAN,
        "divide": divide,
        "power": power,
        "smaller": smaller,
        "larger": larger,
        "root": root,
        "exp": exp,
        "log": log,
        "tanh": math.tanh,
        "erf": math.erf,
        "floor": floor,
        "truncate": truncate,
        "logistic": logistic,
        "float32": float32,
        "shares": shares,
    }
    lines = ["def score(numbers, texts):"]
    names: list[str] = []
    for place, (step, *given) in enumerate(formula["steps"]):
        name = f"v{place}"
        if step == "number":
            source = f"numbers[{int(given[0])}]"
        elif step == "text":
            source = f"texts[{int(given[0])}]"
        elif step == "literal":
            named[f"literal{place}"] = given[0]
            source = f"literal{place}"
        elif step == "constant":
            source = "NAN" if given[0] is None else repr(float(given[0]))
        elif step == "lookup":
            at, pairs, other = given
            named[f"known{place}"] = {key: NAN if value is None else float(value) for key, value in pairs}
            source = f"known{place}.get({names[at]}, {'NAN' if other is None else repr(float(other))})"
        elif step == "linear":
            places, weights, intercept = given
            terms = [f"{names[p]} * {float(w)!r}" for p, w in zip(places, weights, strict=True)]
            terms.append(repr(float(intercept)))
            while len(terms) > ROW:
                lines.append(f"    {name} = {' + '.join(terms[:ROW])}")
                terms = [name, *terms[ROW:]]
            source = " + ".join(terms)
        elif step == "softmax":
            which, places = given
            source = f"shares([{', '.join(names[p] for p in places)}])[{int(which)}]"
        elif step == "trees":
            places, trees = given
            terms = [tree_source(tree, [names[p] for p in places]) for tree in trees]
            while len(terms) > ROW:
                lines.append(f"    {name} = {' + '.join(terms[:ROW])}")
                terms = [name, *terms[ROW:]]
            source = " + ".join(terms)
        else:
            source = forms[step].format(*[names[p] for p in given])
        lines.append(f"    {name} = {source}")
        names.append(name)
    lines.append(f"    return {names[-1]}")
    return "\n".join(lines) + "\n", named


def python_function(formula: dict[str, Any]) -> Callable[[Any, Any], float]:
    """`score(numbers, texts)` of a formula that `check` has passed."""
    source, named = python_source(formula)
    exec(compile(source, "<formula>", "exec"), named)
    made: Callable[[Any, Any], float] = named["score"]
    return made
