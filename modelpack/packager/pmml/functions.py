"""Built-in functions of <Apply>. What they give is a number; a truth is 1, 0, or missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce

from modelpack.packager.formula.steps import Steps
from modelpack.packager.pmml.document import Element
from modelpack.packager.pmml.fields import Scope
from modelpack.packager.pmml.predicates import compared, is_in, is_missing
from modelpack.packager.pmml.values import (
    Number,
    Predicate,
    Value,
    chosen,
    fails,
    holds,
    indicated,
    joined,
    number_of,
)

_OF_ONE: dict[str, Callable[[Steps, int], int]] = {
    "ln": lambda s, a: s.add("log", a),
    "log": lambda s, a: s.add("log", a),
    "log10": lambda s, a: s.add("divide", s.add("log", a), s.constant(math.log(10.0))),
    "ln1p": lambda s, a: s.add("log", s.add("add", a, s.constant(1.0))),
    "exp": lambda s, a: s.add("exp", a),
    "expm1": lambda s, a: s.add("subtract", s.add("exp", a), s.constant(1.0)),
    "sqrt": lambda s, a: s.add("sqrt", a),
    "abs": lambda s, a: s.add("abs", a),
    "tanh": lambda s, a: s.add("tanh", a),
    "floor": lambda s, a: s.add("floor", a),
    "ceil": lambda s, a: s.add("negate", s.add("floor", s.add("negate", a))),
    "round": lambda s, a: s.add("floor", s.add("add", a, s.constant(0.5))),
}

_OF_TWO: dict[str, Callable[[Steps, int, int], int]] = {
    "+": lambda s, a, b: s.add("add", a, b),
    "-": lambda s, a, b: s.add("subtract", a, b),
    "*": lambda s, a, b: s.add("multiply", a, b),
    "/": lambda s, a, b: s.add("divide", a, b),
    "pow": lambda s, a, b: s.add("power", a, b),
}

_OF_MANY = {"min": "min", "max": "max", "sum": "add", "product": "multiply", "avg": "add"}

_COMPARED = ("equal", "notEqual", "lessThan", "lessOrEqual", "greaterThan", "greaterOrEqual")

NAMES = (*_OF_ONE, *_OF_TWO, *_OF_MANY, "threshold", *_COMPARED, "and", "or", "not", "isMissing", "isNotMissing", "isIn",
         "isNotIn", "if")  # fmt: skip


def apply(
    scope: Scope, element: Element, name: str, values: Sequence[Value], texts: Sequence[str | None]
) -> int:
    """The result of a function.

    Args:
        texts: of the arguments that are constants, as they are written.
    """
    steps = scope.steps
    if name in ("isMissing", "isNotMissing"):
        _count(element, values, 1)
        return number_of(steps, is_missing(scope, values[0], name == "isMissing"))
    if name in ("isIn", "isNotIn"):
        wanted = _constants(element, texts[1:])
        return number_of(steps, is_in(scope, values[0], wanted, name == "isIn", element))
    if name in _COMPARED:
        _count(element, values, 2)
        return number_of(steps, _comparison(scope, element, name, values, texts))
    numbers = [_number(element, v) for v in values]
    if name in _OF_ONE:
        _count(element, values, 1)
        return _OF_ONE[name](steps, numbers[0])
    if name in _OF_TWO:
        if name in "+-" and len(numbers) == 1:
            return numbers[0] if name == "+" else steps.add("negate", numbers[0])
        _count(element, values, 2)
        return _OF_TWO[name](steps, *numbers)
    if name in _OF_MANY:
        return _of_those_there(steps, element, name, numbers)
    if name == "threshold":
        _count(element, values, 2)
        return _of_truth(steps, steps.add("less", numbers[1], numbers[0]), numbers)
    if name in ("and", "or") and len(numbers) > 1:
        return number_of(steps, joined(steps, name, [indicated(n) for n in numbers]))
    if name == "not":
        _count(element, values, 1)
        return number_of(steps, indicated(numbers[0]).opposite())
    if name != "if" or len(numbers) not in (2, 3):
        element.refuse(f"has function={name[:60]!r} of {len(numbers)} arguments", ", ".join(NAMES))
    nothing = steps.constant(math.nan)
    other = numbers[2] if len(numbers) == 3 else nothing
    condition = indicated(numbers[0])
    otherwise = chosen(steps, fails(steps, condition), other, nothing)
    return chosen(steps, holds(steps, condition), numbers[1], otherwise)


def _count(element: Element, values: Sequence[Value], wanted: int) -> None:
    if len(values) != wanted:
        element.refuse(f"has {len(values)} arguments", str(wanted))


def _number(element: Element, value: Value) -> int:
    if not isinstance(value, Number):
        element.refuse(
            "computes with a text",
            "numbers; of texts: equal, notEqual, isIn, isNotIn, isMissing, isNotMissing",
        )
    return value.step


def _constants(element: Element, texts: Sequence[str | None]) -> list[str]:
    found = [text for text in texts if text is not None]
    if not found or len(found) != len(texts):
        element.refuse("looks among values that are computed", "constants")
    return found


def _comparison(
    scope: Scope, element: Element, name: str, values: Sequence[Value], texts: Sequence[str | None]
) -> Predicate:
    first, second = values
    if texts[1] is not None:
        return compared(scope, first, name, texts[1], element)
    turned = {"lessThan": "greaterThan", "lessOrEqual": "greaterOrEqual"}
    turned |= {b: a for a, b in turned.items()}
    if texts[0] is not None:
        return compared(scope, second, turned.get(name, name), texts[0], element)
    steps, a, b = scope.steps, _number(element, first), _number(element, second)
    if name.startswith("greater"):
        a, b, name = b, a, turned[name]
    step = {"lessThan": "less", "lessOrEqual": "less_equal"}.get(name, "equal")
    found = indicated(_of_truth(steps, steps.add(step, a, b), [a, b]))
    return found.opposite() if name == "notEqual" else found


def _of_truth(steps: Steps, truth: int, numbers: Sequence[int]) -> int:
    """1 or 0; missing where one of the numbers is."""
    made = steps.add("if", truth, steps.constant(1.0), steps.constant(0.0))
    for number in numbers:
        if steps.value(number) is None:
            made = steps.add("if", steps.add("missing", number), steps.constant(math.nan), made)
    return made


def _of_those_there(steps: Steps, element: Element, name: str, numbers: Sequence[int]) -> int:
    """Of the numbers that are not missing; missing where all are."""
    if not numbers:
        element.refuse("has no arguments", "one or more")

    def two(a: int, b: int) -> int:
        made = steps.add(_OF_MANY[name], a, b)
        if steps.value(b) is None:
            made = steps.add("if", steps.add("missing", b), a, made)
        return made if steps.value(a) is not None else steps.add("if", steps.add("missing", a), b, made)

    made = reduce(two, numbers)
    if name != "avg":
        return made
    one, zero = steps.constant(1.0), steps.constant(0.0)
    there = [
        steps.add("if", steps.add("missing", n), zero, one) if steps.value(n) is None else one
        for n in numbers
    ]
    return steps.add("divide", made, reduce(lambda a, b: steps.add("add", a, b), there))
