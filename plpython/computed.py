"""A version that Python scores in this session, from its formula: without a library, a thread or a time that is waited for."""

import json
import struct
import sys
from collections.abc import Callable
from itertools import repeat
from typing import Any

from modelpack.formula.python_source import python_function
from modelpack.packager.texts import pack_texts
from plpython.breaker import Breaker
from plpython.inputs import Inputs


class Computed:
    """The function of a formula. There is nothing in it that could run for long, so no watchdog looks at it."""

    def __init__(self, GD: dict[str, Any], found: dict[str, Any]) -> None:
        self._GD, self._inputs = GD, Inputs(found["signature"])
        self.library = f"Python {sys.version_info.major}.{sys.version_info.minor}"
        self._call = python_function(json.loads(found["formula"]))
        self._breaker = Breaker(GD, self, found["breaker_failures"], found["breaker_pause"])
        # what computes the score, where the breaker does not stand in its place
        self.whole = (self._scorer(), self._many)
        self.many: Callable[..., list[float]] | None
        self.run, self.many = self.whole

    def _scorer(self) -> Callable[[Any, Any], Any]:
        """The function `(numbers, texts) -> score or None`, which each event calls; a closure, as that of the inputs."""
        GD, breaker, call, words = self._GD, self._breaker, self._call, self._inputs.words
        fill, row = self._inputs.filler(), self._inputs.row
        numeric = len(self._inputs.names)
        unpack = struct.Struct(f"={numeric}f").unpack_from

        def score(numbers: list[float | None], texts: list[str | None] | None) -> Any:
            try:
                if numeric:
                    reason = fill(numbers)
                    if reason is not None:
                        GD["modelpack_failure"] = reason
                        return None
                if words:
                    given = pack_texts(texts or [None] * len(words), words)
                    if isinstance(given, str):
                        GD["modelpack_failure"] = given
                        return None
                    texts = given  # type: ignore[assignment]  # a list of fewer types
                found = call(unpack(row), texts)
            except Exception as error:
                breaker.fails(f"the formula fails: {type(error).__name__}")
                return None
            if found - found != 0.0:
                breaker.fails(f"the model gives {found}")
                return None
            if breaker.in_a_row:
                breaker.in_a_row = 0
            return found

        return score

    def _many(self, packed: bytes | None, cells: list[list[str | None]] | None) -> list[float]:
        """Scores of rows; NaN for a row that has to be scored on its own to know what is wrong.

        `packed` is what array_send gives for a float8[][] without NULLs: a head of 28 bytes, then each number after its
        length; None without numbers. `cells`: the texts of each row; None without texts.
        """
        words, numeric, call, nan = self._inputs.words, len(self._inputs.names), self._call, float("nan")
        single = struct.Struct(f"={numeric}f")
        narrow, widen, unfit = single.pack, single.unpack, self._inputs.unfit
        numbers = struct.Struct(">" + "4xd" * numeric).iter_unpack(packed[28:]) if packed else repeat(())
        scores = []
        for row, texts in zip(numbers, cells if words and cells else repeat(None), strict=False):
            score, given = nan, pack_texts(texts, words) if texts else []
            total = sum(row)
            if not isinstance(given, str) and (total - total == 0.0 or unfit(list(row)) is None):
                try:
                    score = call(widen(narrow(*row)), given)
                except Exception:  # one that float32 does not hold, or worse: scored on its own it says which
                    score = nan
            scores.append(score if score - score == 0.0 else nan)
        return scores


def compute(GD: dict[str, Any], found: dict[str, Any]) -> Computed:
    """The version of a row of the catalog."""
    return Computed(GD, found)
