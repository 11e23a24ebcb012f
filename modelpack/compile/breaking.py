"""Long lines of generated SQL are broken where SQL takes any space: outside of names, texts and comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from modelpack.compile.sql import BREAK, Sql

LONGEST = 120
"""Columns of a line."""

_PART = re.compile(rf"(?P<whole>{BREAK.pattern}) | (?P<word>\w+) | (?P<sign>[^\w\s])", BREAK.flags)
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
    "for",
    "referencing",
}
_SIGNS = set("*/+-<>=|")


class _Place(NamedTuple):
    """Where a line may be broken."""

    rank: float
    """The lowest is broken first: within how many brackets it is; a `case` is one."""
    at: int
    indent: int
    """How many brackets the further line is set in by."""


def broken(text: Sql, longest: int = LONGEST) -> Sql:
    """The same SQL in lines of `longest` columns; a name, a text or a comment that is longer stays whole.

    A line is broken within as few brackets as can be, and there as far to the right as can be.
    """
    if all(len(line) <= longest for line in text.split("\n")):
        return text
    lines: list[str] = []
    begin, whole = 0, False
    for found in BREAK.finditer(text):
        if found[0] == "\n":
            lines += _parts(text[begin : found.start()], whole, longest)
            begin, whole = found.end(), False
        else:  # a comment, or a text of several lines
            whole = whole or "\n" in found[0] or found[0].startswith("--")
    return Sql("\n".join([*lines, *_parts(text[begin:], whole, longest)]))


def _places(line: str) -> list[_Place]:
    found, depth, cases = [], 0, 0
    for part in _PART.finditer(line):
        word = part[0].lower() if part["word"] else ""
        before, after = line[part.start() - 1 : part.start()], line[part.end() : part.end() + 1]
        within = depth + cases
        if word in _BEFORE and before == " " and not line.startswith((" replace", " REPLACE"), part.end()):
            found.append(_Place(within + (word == "end") / 4, part.start() - 1, within - (word == "end")))
        elif part[0] in _SIGNS and before == after == " ":
            found.append(_Place(within + 0.5, part.start() - 1, within))
        elif part[0] == "," and after == " ":
            found.append(_Place(within, part.end(), within))
        elif part[0] == "(" and after != ")":
            found.append(_Place(within + 1.5, part.end(), within + 1))
        depth += (part[0] in ("(", "[")) - (part[0] in (")", "]"))
        cases = max(0, cases + (word == "case") - (word == "end"))
    return found


def _parts(line: str, whole: bool, longest: int) -> Iterator[str]:
    """The lines that a line becomes."""
    if whole or len(line) <= longest or "/*" in line:
        yield line
        return
    begin, margin, first = 0, 0, len(line) - len(line.lstrip(" "))
    places = [place for place in _places(line) if place.at > first]
    least = min((place.indent for place in places), default=0)
    while margin + len(line) - begin > longest and (left := [p for p in places if p.at > begin]):
        fitting = [place for place in left if place.at - begin + margin <= longest]
        place = min(fitting or left[:1], key=lambda one: (one.rank, -one.at))
        yield " " * margin + line[begin : place.at]
        margin = first + 2 * (1 + place.indent - least)
        begin = place.at + line.startswith(" ", place.at)
    yield " " * margin + line[begin:]
