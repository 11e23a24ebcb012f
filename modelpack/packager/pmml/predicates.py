"""Predicates: of nodes of trees, attributes of scorecards and segments of ensembles."""

from __future__ import annotations

import re

from modelpack.packager.pmml.document import Element
from modelpack.packager.pmml.fields import Scope, literal
from modelpack.packager.pmml.values import Number, Predicate, Test, Text, Value, indicated, joined

TAGS = ("SimplePredicate", "SimpleSetPredicate", "CompoundPredicate", "True", "False")

_COMPARISONS = {
    "equal": ("=", False),
    "notEqual": ("=", True),
    "lessThan": ("<", False),
    "lessOrEqual": ("<=", False),
    "greaterThan": ("<=", True),
    "greaterOrEqual": ("<", True),
}
"""How each operator compares, and whether it is turned round."""


def predicate_of(element: Element, scope: Scope) -> Predicate:
    """The predicate that an element holds."""
    return read(element.one(*TAGS), scope)


def read(element: Element, scope: Scope) -> Predicate:
    """The predicate that an element is."""
    if element.tag in ("True", "False"):
        return element.tag == "True"
    if element.tag == "SimplePredicate":
        return _simple(element, scope)
    if element.tag == "SimpleSetPredicate":
        element.has("field", "booleanOperator")
        values = array(element.one("Array"))
        among = element.choice("booleanOperator", "", "isIn", "isNotIn") == "isIn"
        return is_in(scope, named(scope, element.need("field"), element, values), values, among, element)
    element.has("booleanOperator")
    element.holds(*TAGS)
    how = element.choice("booleanOperator", "", "and", "or", "xor", "surrogate")
    if not element.children:
        element.refuse("is empty", "two or more predicates")
    return joined(scope.steps, how, [read(child, scope) for child in element.children])


def named(scope: Scope, name: str, reader: Element, texts: list[str]) -> Value:
    """A field; the texts that it is compared with are noted, where it is a column."""
    found = scope.value(name, reader)
    if isinstance(found, Text):
        for column, known in scope.row.known.items():
            if scope.row.column(column, "text") == found.step:
                known.update(texts)
    return found


def _simple(element: Element, scope: Scope) -> Predicate:
    element.has("field", "operator", "value")
    name = element.need("field")
    operator = element.choice("operator", "", *_COMPARISONS, "isMissing", "isNotMissing")
    if operator in ("isMissing", "isNotMissing"):
        return is_missing(scope, scope.value(name, element), operator == "isMissing")
    text = element.need("value")
    return compared(scope, named(scope, name, element, [text]), operator, text, element)


def compared(scope: Scope, value: Value, operator: str, text: str, reader: Element) -> Predicate:
    """A value compared with a constant."""
    comparison, turned = _COMPARISONS[operator]
    if isinstance(value, Number):
        return Test(value.step, comparison, literal(value, text, reader), turned)
    if comparison != "=":
        reader.refuse(f"compares texts by {operator}", "equal or notEqual for texts")
    return is_in(scope, value, [text], not turned, reader)


def is_missing(scope: Scope, value: Value, wanted: bool) -> Predicate:
    found = indicated(value.encoded(scope.steps, {}, 0.0, 1.0))
    return found if wanted else found.opposite()


def is_in(scope: Scope, value: Value, values: list[str], wanted: bool, reader: Element) -> Predicate:
    """Whether a value is one of a list."""
    if isinstance(value, Number):
        for text in values:
            literal(value, text, reader)
    found = indicated(value.encoded(scope.steps, dict.fromkeys(values, 1.0), 0.0, None))
    return found if wanted else found.opposite()


_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')


def array(element: Element) -> list[str]:
    """The values of an <Array>: words, or texts in double quotes."""
    element.choice("type", "string", "string", "int", "real")
    found = []
    for match in _WORD.finditer(element.text):
        quoted, plain = match.groups()
        found.append(plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
    count = element.get("n")
    if count is not None and count.strip() != str(len(found)):
        element.refuse(f"has n={count[:20]!r} and {len(found)} values", "as many values as n says")
    return found
