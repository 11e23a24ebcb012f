"""Long lines of generated SQL are broken where SQL takes any space: outside of names, texts and comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from modelpack.compile.sql import BREAK, Sql

LONGEST = 120
"""Columns of a line."""

_PART = re.compile(rf"(?P<whole>{BREAK.pattern}) | (?P<word>\w+) | (?P<sign>.)", BREAK.flags)
_BEFORE = {
    "and",
    "or",
    "when",
    "then",
    "else",
    "end",
    "from",
    "where",
    "filter",
    "order",
    "group",
    "join",
    "cross",
}
_SIGNS = set("*/+-<>=|")


class _Place(NamedTuple):
    """Where a line may be broken."""

    rank: float
    """The lowest is broken first: within how many brackets it is; a `case` is one."""
    at: int
    indent: int
    """How many brackets the further line is set in by."""


@dataclass
class _Line:
    text: str = ""
    places: list[_Place] = field(default_factory=list)
    whole: bool = False
    """It has a comment, or a text of several lines."""


def broken(text: Sql) -> Sql:
    """The same SQL in lines of `LONGEST` columns; a name, a text or a comment that is longer stays whole.

    A line is broken within as few brackets as can be, and there as far to the right as can be.
    """
    return Sql("\n".join(part for line in _lines(text) for part in _parts(line)))


def _lines(text: str) -> list[_Line]:
    lines, depth, cases = [_Line()], 0, 0
    for found in _PART.finditer(text):
        part, line, at = found[0], lines[-1], len(lines[-1].text)
        if part == "\n":
            lines.append(_Line())
            depth = cases = 0
            continue
        word = part.lower() if found["word"] else ""
        spaced = line.text.endswith(" ")
        within = depth + cases
        if word in _BEFORE and spaced and not text.startswith(" replace", found.end()):
            line.places.append(_Place(within + (word == "end") / 4, at - 1, within - (word == "end")))
        elif part in _SIGNS and spaced and text.startswith(" ", found.end()):
            line.places.append(_Place(within + 0.5, at - 1, within))
        elif part == "," and text.startswith(" ", found.end()):
            line.places.append(_Place(within, at + 1, within))
        elif part == "(" and not text.startswith(")", found.end()):
            line.places.append(_Place(within + 1.5, at + 1, within + 1))
        depth += (part in ("(", "[")) - (part in (")", "]"))
        cases = max(0, cases + (word == "case") - (word == "end"))
        line.whole = (
            line.whole or "\n" in part or part.startswith("--") or text.startswith("/*", found.start())
        )
        line.text += part
    return lines


def _parts(line: _Line) -> Iterator[str]:
    """The lines that a line becomes."""
    text, begin = line.text, 0
    first = len(text) - len(text.lstrip(" "))
    least = min((place.indent for place in line.places), default=0)
    margin = 0
    while not line.whole and margin + len(text) - begin > LONGEST:
        left = [place for place in line.places if place.at > begin + (first if begin == 0 else 0)]
        if not left:
            break
        fitting = [place for place in left if place.at - begin + margin <= LONGEST]
        place = min(fitting or left[:1], key=lambda one: (one.rank, -one.at))
        yield " " * margin + text[begin : place.at]
        margin = first + 2 * (1 + place.indent - least)
        begin = place.at + text.startswith(" ", place.at)
    yield " " * margin + text[begin:]
