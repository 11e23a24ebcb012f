"""Values of fields while a PMML file is read: numbers and texts as steps of a formula, in which NaN is what is missing.

PMML knows three truths. A predicate is a comparison of one number with a constant, and unknown just where that number is
missing; whatever is more than one comparison becomes a number that is 1, 0 or missing first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Protocol

import numpy as np

from modelpack.packager.formula.steps import Steps
from modelpack.packager.signature import MISSING_TOKEN

Table = Mapping[str, float | None]
"""What texts become; None: missing."""


def float32(value: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(value))


class Value(Protocol):
    """A number or a text of a row."""

    def encoded(self, steps: Steps, table: Table, other: float | None, missing: float | None) -> int:
        """A number: what the table says of the value, `other` where it says nothing, `missing` where there is none."""


@dataclass(frozen=True)
class Number:
    """A number; a truth is 1 or 0."""

    step: int
    single: bool = False
    """Whether it is a float32, and what it is compared with, too."""

    def literal(self, text: str) -> float:
        """What it is compared with. Raises ValueError where the text is no number."""
        found = {"true": 1.0, "false": 0.0}.get(text.strip().lower())
        found = float(text) if found is None else found
        if not math.isfinite(found):
            raise ValueError(text)
        return float32(found) if self.single else found

    def encoded(self, steps: Steps, table: Table, other: float | None, missing: float | None) -> int:
        pairs = {self.literal(key): value for key, value in table.items()}
        made = steps.add("lookup", self.step, [[k, v] for k, v in pairs.items()], other)
        if missing == other:
            return made
        return steps.add("if", steps.add("missing", self.step), constant(steps, missing), made)


@dataclass(frozen=True)
class Text:
    """A text of the row, with what is done about texts that are missing or not valid."""

    step: int
    nothing: frozenset[str] = frozenset()
    """Texts that stand for a missing one."""
    valid: frozenset[str] | None = None
    """Where others are replaced: those that are not."""
    instead: str | None = None
    """What others are replaced by; None: they are missing."""
    filled: str | None = None
    """What a missing one is replaced by."""

    def encoded(self, steps: Steps, table: Table, other: float | None, missing: float | None) -> int:
        def known(text: str) -> float | None:
            return table.get(text, other)

        absent = missing if self.filled is None else known(self.filled)
        strange = other if self.valid is None else absent if self.instead is None else known(self.instead)
        pairs: dict[str, float | None] = {}
        for text in sorted({*table, *(self.valid or ())}):
            pairs[text] = known(text) if self.valid is None or text in self.valid else strange
        pairs |= dict.fromkeys([*sorted(self.nothing), MISSING_TOKEN], absent)
        return steps.add("lookup", self.step, [[k, v] for k, v in pairs.items() if v != strange], strange)

    def filled_with(self, text: str) -> Text:
        return self if self.filled is not None else replace(self, filled=text)


@dataclass(frozen=True)
class Coded:
    """A text that was made of others: a number that says which."""

    step: int
    words: tuple[str, ...]
    filled: str | None = None

    def encoded(self, steps: Steps, table: Table, other: float | None, missing: float | None) -> int:
        absent = missing if self.filled is None else table.get(self.filled, other)
        pairs = [[float(n), table.get(word, other)] for n, word in enumerate(self.words)]
        made = steps.add("lookup", self.step, pairs, absent)
        return steps.add("if", steps.add("missing", self.step), constant(steps, absent), made)

    def filled_with(self, text: str) -> Coded:
        return self if self.filled is not None else replace(self, filled=text)


def constant(steps: Steps, value: float | None) -> int:
    return steps.constant(math.nan if value is None else value)


@dataclass(frozen=True)
class Test:
    """Whether a number is `<`, `<=` or `=` a constant, or turned round: whether it is not. Unknown where it is missing."""

    step: int
    comparison: str
    threshold: float
    turned: bool = False
    indicator: bool = False
    """Whether the number is nothing but 1, 0 or missing."""

    def opposite(self) -> Test:
        return replace(self, turned=not self.turned)


Predicate = Test | bool


def indicated(step: int) -> Test:
    """The predicate that a number says: 1, 0, or missing."""
    return Test(step, "=", 1.0, indicator=True)


def holds(steps: Steps, predicate: Predicate) -> int | bool:
    """Where it is true, as a truth of the formula."""
    if isinstance(predicate, bool):
        return predicate
    bound = steps.constant(predicate.threshold)
    if predicate.comparison == "=":
        same = steps.add("equal", predicate.step, bound)
        if not predicate.turned:
            return same
        return steps.add("not", steps.add("or", same, steps.add("missing", predicate.step)))
    below, above = ("less", "less_equal") if predicate.comparison == "<" else ("less_equal", "less")
    if predicate.turned:
        return steps.add(above, bound, predicate.step)
    return steps.add(below, predicate.step, bound)


def fails(steps: Steps, predicate: Predicate) -> int | bool:
    """Where it is false, and not unknown."""
    return holds(steps, not predicate if isinstance(predicate, bool) else predicate.opposite())


def both(steps: Steps, a: int | bool, b: int | bool) -> int | bool:
    if isinstance(a, bool):
        return b if a else False
    if isinstance(b, bool):
        return a if b else False
    return steps.add("and", a, b)


def either(steps: Steps, a: int | bool, b: int | bool) -> int | bool:
    if isinstance(a, bool):
        return True if a else b
    if isinstance(b, bool):
        return True if b else a
    return steps.add("or", a, b)


def chosen(steps: Steps, condition: int | bool, first: int, second: int) -> int:
    """One number or the other."""
    if isinstance(condition, bool):
        return first if condition else second
    return first if first == second else steps.add("if", condition, first, second)


def number_of(steps: Steps, predicate: Predicate) -> int:
    """1, 0, or missing where it is unknown."""
    if isinstance(predicate, bool):
        return steps.constant(float(predicate))
    if predicate.indicator and not predicate.turned:
        return predicate.step
    return _three(steps, holds(steps, predicate), fails(steps, predicate))


def _three(steps: Steps, true: int | bool, false: int | bool) -> int:
    one, zero, nothing = steps.constant(1.0), steps.constant(0.0), steps.constant(math.nan)
    return chosen(steps, true, one, chosen(steps, false, zero, nothing))


def joined(steps: Steps, how: str, predicates: Sequence[Predicate]) -> Predicate:
    """`and`, `or`, `xor` and `surrogate` of predicates."""
    return reduce(lambda a, b: _two(steps, how, a, b), predicates)


def _two(steps: Steps, how: str, a: Predicate, b: Predicate) -> Predicate:
    yes_a, no_a, yes_b, no_b = holds(steps, a), fails(steps, a), holds(steps, b), fails(steps, b)
    if how == "and":
        true, false = both(steps, yes_a, yes_b), either(steps, no_a, no_b)
    elif how == "or":
        true, false = either(steps, yes_a, yes_b), both(steps, no_a, no_b)
    elif how == "xor":
        true = either(steps, both(steps, yes_a, no_b), both(steps, no_a, yes_b))
        false = either(steps, both(steps, yes_a, yes_b), both(steps, no_a, no_b))
    else:  # the first that is known
        if isinstance(a, bool):
            return a
        unknown = steps.add("missing", a.step)
        true = either(steps, yes_a, both(steps, unknown, yes_b))
        false = either(steps, no_a, both(steps, unknown, no_b))
    if isinstance(true, bool) and isinstance(false, bool):
        return true
    return indicated(_three(steps, true, false))
