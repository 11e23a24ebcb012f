"""Steps of a formula while it is written: each once, constants computed, and in the end only those that the score needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from modelpack.formula.evaluate import evaluate
from modelpack.formula.grammar import FORMAT, OPERATIONS

Step = list[Any]


class Steps:
    """A formula under way. A value is known by the number of its step."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._places: dict[str, int] = {}
        self._exact: set[int] = set()

    def add(self, name: str, *given: Any) -> int:
        """The number of a step, a new one where there is none like it."""
        if name in OPERATIONS and all(self._steps[place][0] == "constant" for place in given):
            known = self._constant_of(name, given)
            if known is not None:
                return self.constant(known)
        if name in ("and", "or", "not", "if"):
            decided = self._decided(name, given)
            if decided is not None:
                return decided
        step = [name, *given]
        key = repr(step)
        if key not in self._places:
            self._places[key] = len(self._steps)
            self._steps.append(step)
        return self._places[key]

    def constant(self, value: float) -> int:
        """A number, or a missing one. Infinite ones are no part of JSON: they are divided by zero."""
        if math.isinf(value):
            return self.add("divide", self.constant(math.copysign(1.0, value)), self.constant(0.0))
        return self.add("constant", None if math.isnan(value) else float(value))

    def truth(self, value: bool) -> int:
        """What always holds, or never: JSON of a formula has no truths."""
        zero = self.constant(0.0)
        return self.add("equal" if value else "less", zero, zero)

    def _decided(self, name: str, given: Sequence[int]) -> int | None:
        """What a step gives whose truths are partly known; None where that depends on the row."""
        true, false = self.truth(True), self.truth(False)
        if name == "not":
            return {true: false, false: true}.get(given[0])
        if name == "if":
            return {true: given[1], false: given[2]}.get(given[0])
        neutral, absorbing = (true, false) if name == "and" else (false, true)
        if absorbing in given:
            return absorbing
        first, second = given
        return {neutral: second}.get(first, {neutral: first}.get(second))

    def value(self, place: int) -> float | None:
        """The number that a step always has, NaN for a missing one; None where it depends on the row."""
        name, *given = self._steps[place]
        if name != "constant":
            return None
        return math.nan if given[0] is None else float(given[0])

    def _constant_of(self, name: str, given: Sequence[int]) -> float | None:
        if OPERATIONS[name][1] != "n":
            return None
        steps = [*(self._steps[place] for place in given), [name, *range(len(given))]]
        found = evaluate({"format": FORMAT, "steps": steps}, ())
        return None if math.isinf(found) else found

    def is_float32(self, place: int) -> bool:
        """Whether rounding to float32 leaves a value as it is."""
        name, *given = self._steps[place]
        if name in ("number", "float32"):
            return True
        if name == "constant":
            return (
                given[0] is None
                or evaluate({"format": FORMAT, "steps": [[name, *given], ["float32", 0]]}, ()) == given[0]
            )
        return name == "if" and all(self.is_float32(branch) for branch in given[1:])

    def rounded(self, place: int) -> int:
        return place if self.is_float32(place) else self.add("float32", place)

    def formula(self, score: int) -> dict[str, Any]:
        """The steps that lead to the score, numbered anew."""
        needed, todo = set(), [score]
        while todo:
            place = todo.pop()
            if place not in needed:
                needed.add(place)
                todo += _read(self._steps[place])
        kept = sorted(needed)
        numbers = {place: n for n, place in enumerate(kept)}
        return {"format": FORMAT, "steps": [_renumbered(self._steps[place], numbers) for place in kept]}


class UnreadableError(Exception):
    """Why a graph has no formula."""


def _read(step: Step) -> list[int]:
    """The steps whose values a step takes."""
    name, *given = step
    if name in OPERATIONS or name == "if":
        return list(given)
    if name in ("linear", "trees"):
        return list(given[0])
    if name == "softmax":
        return list(given[1])
    return given[:1] if name == "lookup" else []


def _renumbered(step: Step, numbers: dict[int, int]) -> Step:
    name, *given = step
    if name in OPERATIONS or name == "if":
        return [name, *(numbers[p] for p in given)]
    if name in ("linear", "trees"):
        return [name, [numbers[p] for p in given[0]], *given[1:]]
    if name == "lookup":
        return [name, numbers[given[0]], *given[1:]]
    if name == "softmax":
        return [name, given[0], [numbers[p] for p in given[1]]]
    return step
