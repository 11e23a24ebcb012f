"""Fields: what the data dictionary declares, what a mining schema does to it, and which names a model can read.

Only fields that something reads are looked at: an invalid value of a field that the score does not need has no effect.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from modelpack.packager.formula.steps import Steps
from modelpack.packager.pmml.document import Element
from modelpack.packager.pmml.values import Coded, Number, Text, Value, constant, either

_NUMBERS = ("double", "float", "integer", "boolean")

Definition = Callable[[], Value]


@dataclass
class Row:
    """The columns that a model reads, and what is invalid of them."""

    steps: Steps = field(default_factory=Steps)
    numbers: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    known: dict[str, set[str]] = field(default_factory=dict)
    """Texts that the file names, by column."""
    invalid: list[int] = field(default_factory=list)
    """Truths: where one holds, there is no score."""

    def column(self, name: str, kind: str) -> int:
        names = self.numbers if kind == "number" else self.texts
        if name not in names:
            names.append(name)
        return self.steps.add(kind, names.index(name))

    def refuses(self, condition: int | bool) -> None:
        if condition is not False and condition not in self.invalid:
            self.invalid.append(condition)


class Scope:
    """The names that a model can read; those of what it stands in, too."""

    def __init__(self, row: Row, whose: Element, parent: Scope | None = None) -> None:
        self.row = row
        self.steps = row.steps
        self._whose = whose
        self._parent = parent
        self._definitions: dict[str, Definition] = {}
        self._values: dict[str, Value] = {}
        self._open: list[str] = []

    def define(self, name: str, definition: Definition) -> None:
        self._definitions[name] = definition

    def knows(self, name: str) -> bool:
        return name in self._definitions or (self._parent is not None and self._parent.knows(name))

    def value(self, name: str, reader: Element) -> Value:
        """The value of a field.

        Args:
            reader: the element that reads it, for the message.
        """
        if name in self._values:
            return self._values[name]
        if name not in self._definitions:
            if self._parent is not None:
                return self._parent.value(name, reader)
            reader.refuse(
                f"reads the field {name[:80]!r}", "a field of the MiningSchema, or a DerivedField above"
            )
        if name in self._open:
            reader.refuse(
                f"reads the field {name[:80]!r}, which is made of itself", "fields that are made of others"
            )
        self._open.append(name)
        self._values[name] = self._definitions[name]()
        self._open.pop()
        return self._values[name]

    def number(self, name: str, reader: Element) -> Number:
        found = self.value(name, reader)
        if not isinstance(found, Number):
            reader.refuse(f"computes with the field {name[:80]!r}, which is a text", "a number")
        return found


def declare(scope: Scope, dictionary: Element) -> None:
    """The fields of the data dictionary."""
    dictionary.holds("DataField", "Taxonomy")
    for declared in dictionary.all("DataField"):
        name = declared.need("name")
        if scope.knows(name):
            declared.refuse(f"declares the field {name[:80]!r} again", "each field once")
        scope.define(name, lambda declared=declared: _raw(scope.row, declared))  # type: ignore[misc]


def _raw(row: Row, declared: Element) -> Value:
    declared.has("name", "displayName", "optype", "dataType")
    name = declared.need("name")
    if declared.get("optype") not in (None, "continuous", "categorical", "ordinal"):
        declared.choice("optype", "", "continuous", "categorical", "ordinal")
    kind = declared.choice("dataType", "", *_NUMBERS, "string")
    if kind == "string":
        nothing = frozenset(_listed(declared, "missing"))
        row.known.setdefault(name, set()).update(_listed(declared, "valid"))
        return Text(row.column(name, "text"), nothing)
    step = row.column(name, "number")
    made = Number(step)
    if kind == "float":
        made = Number(row.steps.add("float32", step), single=True)
    nothing_numbers = _listed(declared, "missing")
    if nothing_numbers:
        flag = made.encoded(row.steps, dict.fromkeys(nothing_numbers, 1.0), 0.0, 0.0)
        absent = row.steps.add("equal", flag, row.steps.constant(1.0))
        step = row.steps.add("if", absent, row.steps.constant(math.nan), made.step)
        made = replace(made, step=step)
    return made


def _listed(declared: Element, kind: str) -> list[str]:
    return [v.need("value") for v in declared.all("Value") if v.get("property", "valid") == kind]


def gate(scope: Scope, schema: Element, dictionary: Element, outer: Scope) -> None:
    """The fields of a mining schema, with what it does about values that are missing, invalid or outliers.

    Args:
        outer: where their values come from.
    """
    schema.holds("MiningField")
    declared = {d.need("name"): d for d in dictionary.all("DataField")}
    for mining in schema.all("MiningField"):
        name = mining.need("name")
        usage = mining.choice(
            "usageType", "active", "active", "target", "predicted", "supplementary", "order", "group",
            "frequencyWeight", "analysisWeight",
        )  # fmt: skip
        if usage != "active":
            continue
        scope.define(
            name,
            lambda name=name, mining=mining: _treated(  # type: ignore[misc]
                scope.row, outer.value(name, mining), mining, declared.get(name)
            ),
        )


def _treated(row: Row, value: Value, mining: Element, declared: Element | None) -> Value:
    mining.has(
        "name", "usageType", "optype", "importance", "outliers", "lowValue", "highValue", "missingValueReplacement",
        "missingValueTreatment", "invalidValueTreatment", "invalidValueReplacement",
    )  # fmt: skip
    how = mining.choice(
        "invalidValueTreatment", "returnInvalid", "returnInvalid", "asIs", "asMissing", "asValue"
    )
    if how == "asValue":
        mining.need("invalidValueReplacement")
    missing = mining.choice(
        "missingValueTreatment", "asIs", "asIs", "asMean", "asMode", "asMedian", "asValue", "returnInvalid"
    )
    outliers = mining.choice("outliers", "asIs", "asIs", "asMissingValues", "asExtremeValues")
    filled = mining.get("missingValueReplacement")
    if isinstance(value, Number):
        value = _valid_number(row, value, mining, declared, how)
        value = _within(row, value, mining, outliers)
        if missing == "returnInvalid":
            row.refuses(row.steps.add("missing", value.step))
        elif filled is not None:
            value = filled_number(row.steps, value, filled, mining)
        return value
    if outliers != "asIs":
        mining.refuse(f"has outliers={outliers!r} for a text", "asIs")
    if isinstance(value, Text):
        value = _valid_text(row, value, mining, declared, how)
    if missing == "returnInvalid":
        row.refuses(_is_one(row.steps, value.encoded(row.steps, {}, 0.0, 1.0)))
    elif filled is not None and isinstance(value, Text | Coded):
        return value.filled_with(filled)
    return value


def _is_one(steps: Steps, number: int) -> int:
    return steps.add("equal", number, steps.constant(1.0))


def filled_number(steps: Steps, value: Number, text: str, reader: Element) -> Number:
    """The number, where it is missing another."""
    bound = steps.constant(literal(value, text, reader))
    return replace(value, step=steps.add("if", steps.add("missing", value.step), bound, value.step))


def literal(value: Number, text: str, reader: Element) -> float:
    """What a number is compared with, or replaced by."""
    try:
        return value.literal(text)
    except ValueError:
        reader.refuse(f"has {text[:60]!r} for a number", "a finite number")


def _valid_text(row: Row, value: Text, mining: Element, declared: Element | None, how: str) -> Text:
    valid = frozenset([] if declared is None else _listed(declared, "valid"))
    invalid = frozenset([] if declared is None else _listed(declared, "invalid"))
    if invalid and not valid:
        mining.refuse("is about a field with a list of invalid texts alone", "a list of the valid ones")
    if not valid or how == "asIs":
        return value
    if how == "returnInvalid":
        table = dict.fromkeys(valid, 0.0)
        row.refuses(_is_one(row.steps, value.encoded(row.steps, table, 1.0, 0.0)))
        return value
    return replace(
        value, valid=valid, instead=mining.get("invalidValueReplacement") if how == "asValue" else None
    )


def _valid_number(row: Row, value: Number, mining: Element, declared: Element | None, how: str) -> Number:
    strange = False if declared is None or how == "asIs" else _invalid(row.steps, value, declared)
    if strange is False:
        return value
    if how == "returnInvalid":
        row.refuses(strange)
        return value
    instead = None if how == "asMissing" else literal(value, mining.need("invalidValueReplacement"), mining)
    return replace(value, step=row.steps.add("if", strange, constant(row.steps, instead), value.step))


def _invalid(steps: Steps, value: Number, declared: Element) -> int | bool:
    """Where a number is neither missing nor among the valid ones."""
    found: int | bool = False
    valid, invalid = _listed(declared, "valid"), _listed(declared, "invalid")
    for text in (*valid, *invalid):
        literal(value, text, declared)
    if invalid:
        found = _is_one(steps, value.encoded(steps, dict.fromkeys(invalid, 1.0), 0.0, 0.0))
    intervals = declared.all("Interval")
    if intervals:
        within: int | bool = False
        for interval in intervals:
            within = either(steps, within, inside(steps, value, interval))
        if not isinstance(within, bool):
            absent = steps.add("missing", value.step)
            found = either(steps, found, steps.add("not", steps.add("or", within, absent)))
    elif valid:
        found = either(
            steps, found, _is_one(steps, value.encoded(steps, dict.fromkeys(valid, 0.0), 1.0, 0.0))
        )
    return found


def inside(steps: Steps, value: Number, interval: Element) -> int | bool:
    """Where a number is in an <Interval>."""
    closure = interval.choice("closure", "", "openOpen", "openClosed", "closedOpen", "closedClosed")
    found: int | bool = True
    if interval.get("leftMargin") is not None:
        name = "less_equal" if closure.startswith("closed") else "less"
        low = steps.constant(literal(value, interval.need("leftMargin"), interval))
        found = steps.add(name, low, value.step)
    if interval.get("rightMargin") is not None:
        name = "less_equal" if closure.endswith("Closed") else "less"
        high = steps.constant(literal(value, interval.need("rightMargin"), interval))
        below = steps.add(name, value.step, high)
        found = below if found is True else steps.add("and", found, below)
    return found


def _within(row: Row, value: Number, mining: Element, how: str) -> Number:
    if how == "asIs":
        return value
    steps, step = row.steps, value.step
    low, high = (literal(value, mining.need(name), mining) for name in ("lowValue", "highValue"))
    if how == "asExtremeValues":
        step = steps.add("min", steps.add("max", step, steps.constant(low)), steps.constant(high))
    else:
        outside = steps.add(
            "or", steps.add("less", step, steps.constant(low)), steps.add("less", steps.constant(high), step)
        )
        step = steps.add("if", outside, steps.constant(math.nan), step)
    return replace(value, step=step)
