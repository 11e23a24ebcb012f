"""Derived fields: what is computed of other fields."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

from modelpack.packager.pmml import functions
from modelpack.packager.pmml.document import Element
from modelpack.packager.pmml.fields import Scope, filled_number, inside, literal
from modelpack.packager.pmml.predicates import is_in, named
from modelpack.packager.pmml.values import (
    Coded,
    Number,
    Text,
    Value,
    both,
    chosen,
    constant,
    holds,
    number_of,
)

TAGS = ("Constant", "FieldRef", "NormContinuous", "NormDiscrete", "Discretize", "MapValues", "Apply")

_TYPES = ("double", "float", "integer", "boolean", "string")


def derive(scope: Scope, transformations: Element | None) -> None:
    """The fields of <TransformationDictionary> or <LocalTransformations>."""
    if transformations is None:
        return
    transformations.holds("DerivedField")
    for derived in transformations.all("DerivedField"):
        scope.define(derived.need("name"), lambda derived=derived: _derived(scope, derived))  # type: ignore[misc]


def _derived(scope: Scope, derived: Element) -> Value:
    derived.has("name", "displayName", "optype", "dataType")
    derived.holds(*TAGS, "Value", "Interval")
    kind = derived.choice("dataType", "double", *_TYPES)
    found = expression(derived.one(*TAGS), scope, kind)
    if isinstance(found, Number) == (kind == "string"):
        given = "a number" if isinstance(found, Number) else "a text"
        derived.refuse(f"has dataType={kind!r} and is computed as {given}", "one of the two")
    if kind == "float" and isinstance(found, Number) and not found.single:
        return Number(scope.steps.add("float32", found.step), single=True)
    if kind in ("double", "integer") and isinstance(found, Number) and found.single:
        return replace(found, single=False)
    return found


def expression(element: Element, scope: Scope, kind: str = "double") -> Value:
    """The value of an expression.

    Args:
        kind: the type that is wanted of what may be either.
    """
    readers = {
        "Constant": lambda: _constant(element, scope),
        "FieldRef": lambda: _field(element, scope),
        "NormContinuous": lambda: _continuous(element, scope),
        "NormDiscrete": lambda: _discrete(element, scope),
        "Discretize": lambda: _bins(element, scope, element.choice("dataType", kind, *_TYPES)),
        "MapValues": lambda: _mapped(element, scope, element.choice("dataType", kind, *_TYPES)),
        "Apply": lambda: _applied(element, scope),
    }
    if element.tag not in readers:
        element.refuse("is an expression that is not read", ", ".join(TAGS))
    return readers[element.tag]()


def _constant(element: Element, scope: Scope) -> Value:
    text = element.text.strip()
    if element.get("missing") == "true":
        return Number(scope.steps.constant(math.nan))
    if element.choice("dataType", _type_of(text), *_TYPES) == "string":
        return Coded(scope.steps.constant(0.0), (text,))
    return Number(scope.steps.constant(literal(Number(0), text, element)))


def _type_of(text: str) -> str:
    try:
        Number(0).literal(text)
    except ValueError:
        return "string"
    return "double"


def _field(element: Element, scope: Scope) -> Value:
    element.has("field", "mapMissingTo")
    found = scope.value(element.need("field"), element)
    return _filled(found, element, scope)


def _filled(found: Value, element: Element, scope: Scope) -> Value:
    text = element.get("mapMissingTo")
    if text is None:
        return found
    if isinstance(found, Number):
        return filled_number(scope.steps, found, text, element)
    return found.filled_with(text) if isinstance(found, Text | Coded) else found


def _continuous(element: Element, scope: Scope) -> Value:
    """Linear from point to point."""
    element.has("field", "mapMissingTo", "outliers")
    element.holds("LinearNorm")
    steps, x = scope.steps, scope.number(element.need("field"), element).step
    how = element.choice("outliers", "asIs", "asIs", "asMissingValues", "asExtremeValues")
    points = [(p.number("orig"), p.number("norm")) for p in element.all("LinearNorm")]
    if len(points) < 2 or any(b[0] <= a[0] for a, b in pairwise(points)):
        element.refuse("has points that do not ascend", "two or more LinearNorm with ascending orig")

    def line(a: tuple[float, float], b: tuple[float, float]) -> int:
        moved = steps.add("subtract", x, steps.constant(a[0]))
        slope = steps.constant((b[1] - a[1]) / (b[0] - a[0]))
        return steps.add("add", steps.add("multiply", moved, slope), steps.constant(a[1]))

    made = line(points[-2], points[-1])
    for a, b in reversed(list(pairwise(points))[:-1]):
        made = steps.add("if", steps.add("less", x, steps.constant(b[0])), line(a, b), made)
    if how != "asIs":
        ends = [points[0][1], points[-1][1]] if how == "asExtremeValues" else [math.nan, math.nan]
        below = steps.add("less", x, steps.constant(points[0][0]))
        above = steps.add("less", steps.constant(points[-1][0]), x)
        made = steps.add("if", above, steps.constant(ends[1]), made)
        made = steps.add("if", below, steps.constant(ends[0]), made)
    return _filled(Number(made), element, scope)


def _discrete(element: Element, scope: Scope) -> Value:
    element.has("field", "value", "mapMissingTo", "method")
    element.choice("method", "indicator", "indicator")
    text = element.need("value")
    found = is_in(scope, named(scope, element.need("field"), element, [text]), [text], True, element)
    return _filled(Number(number_of(scope.steps, found)), element, scope)


def _bins(element: Element, scope: Scope, kind: str) -> Value:
    element.has("field", "mapMissingTo", "defaultValue", "dataType")
    element.holds("DiscretizeBin")
    steps, x = scope.steps, scope.number(element.need("field"), element)
    results = _Results(element, kind)
    made = results.step(scope, element.get("defaultValue"))
    for part in reversed(element.all("DiscretizeBin")):
        made = chosen(
            steps, inside(steps, x, part.one("Interval")), results.step(scope, part.need("binValue")), made
        )
    absent = results.step(scope, element.get("mapMissingTo"))
    return results.value(steps.add("if", steps.add("missing", x.step), absent, made))


def _mapped(element: Element, scope: Scope, kind: str) -> Value:
    """A table: one column of the fields each, and that of the result."""
    element.has("mapMissingTo", "defaultValue", "outputColumn", "dataType")
    element.holds("FieldColumnPair", "InlineTable")
    wanted = element.need("outputColumn")
    pairs = [(p.need("field"), p.need("column")) for p in element.all("FieldColumnPair")]
    if not pairs:
        element.refuse("maps no field", "FieldColumnPair")
    rows = []
    for row in element.one("InlineTable").all("row"):
        cells = {cell.tag: cell.text.strip() for cell in row.children}
        lacking = [c for c in (wanted, *(c for _, c in pairs)) if c not in cells]
        if lacking:
            row.refuse(f"has no cell {lacking[0][:60]!r}", "a cell for each column")
        rows.append(([cells[column] for _, column in pairs], cells[wanted]))
    results = _Results(element, kind)
    default, absent = element.get("defaultValue"), element.get("mapMissingTo")
    fields = [named(scope, name, element, [keys[n] for keys, _ in rows]) for n, (name, _) in enumerate(pairs)]
    if len(fields) == 1:
        for keys, _ in rows if isinstance(fields[0], Number) else ():
            literal(fields[0], keys[0], element)  # type: ignore[arg-type]
        first: dict[str, float | None] = {}
        for (key,), result in rows:
            first.setdefault(key, results.number(result))
        return results.value(
            fields[0].encoded(scope.steps, first, results.number(default), results.number(absent))
        )
    if len(rows) > 2000:
        element.refuse(f"maps several fields in {len(rows)} rows", "at most 2000")
    steps = scope.steps
    made = results.step(scope, default)
    for keys, result in reversed(rows):
        matches: int | bool = True
        for value, key in zip(fields, keys, strict=True):
            matches = both(steps, matches, holds(steps, is_in(scope, value, [key], True, element)))
        made = chosen(steps, matches, results.step(scope, result), made)
    for value in fields:
        nothing = value.encoded(steps, {}, 0.0, 1.0)
        made = chosen(
            steps, steps.add("equal", nothing, steps.constant(1.0)), results.step(scope, absent), made
        )
    return results.value(made)


class _Results:
    """The results of a table, which are numbers, or texts by their number."""

    def __init__(self, element: Element, kind: str) -> None:
        self._element = element
        self._texts = kind == "string"
        self._words: dict[str, int] = {}

    def number(self, text: str | None) -> float | None:
        if text is None:
            return None
        if self._texts:
            return float(self._words.setdefault(text, len(self._words)))
        return literal(Number(0), text, self._element)

    def step(self, scope: Scope, text: str | None) -> int:
        return constant(scope.steps, self.number(text))

    def value(self, step: int) -> Value:
        return Coded(step, tuple(self._words)) if self._texts else Number(step)


def _applied(element: Element, scope: Scope) -> Value:
    """A function; where an argument is missing, its result is, but of functions that ask for it."""
    element.has("function", "mapMissingTo", "defaultValue", "invalidValueTreatment")
    element.choice("invalidValueTreatment", "returnInvalid", "returnInvalid", "asIs", "asMissing")
    element.holds(*TAGS)
    texts = [c.text.strip() if c.tag == "Constant" else None for c in element.children]
    name = element.need("function")
    first = element.children[0] if element.children else None
    if first is not None and first.tag == "FieldRef":
        named(scope, first.need("field"), first, [t for t in texts[1:] if t is not None])
    values = [expression(child, scope) for child in element.children]
    made = functions.apply(scope, element, name, values, texts)
    instead = element.get("mapMissingTo")
    if instead is not None:
        gone = [v.encoded(scope.steps, {}, 0.0, 1.0) for v in values]
        for step in gone:
            bound = scope.steps.constant(literal(Number(0), instead, element))
            made = chosen(scope.steps, scope.steps.add("equal", step, scope.steps.constant(1.0)), bound, made)
    if element.get("defaultValue") is not None:
        return filled_number(scope.steps, Number(made), element.need("defaultValue"), element)
    return Number(made)
