"""Durations such as "30 days": fixed lengths only, so that every window means the same everywhere."""

from __future__ import annotations

import re
from datetime import timedelta

from modelpack.errors import DeclarationError

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_PATTERN = re.compile(r"^\s*(\d+)\s+(second|minute|hour|day|week)s?\s*$")


def duration(text: str, *, what: str) -> timedelta:
    """Read a length of time such as `"30 days"`.

    Months and years are refused: their length depends on the date, so a window would not be the same
    for two customers.
    """
    match = _PATTERN.match(text) if isinstance(text, str) else None
    if match is None or int(match[1]) == 0:
        raise DeclarationError(
            f"{what} is {text!r}, expected a positive whole number of seconds, minutes, hours, days or weeks, "
            'for example "30 days" (months and years have no fixed length)'
        )
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def interval(text: str) -> str:
    """The SQL literal of a duration that `duration` accepted."""
    return f"interval '{' '.join(text.split())}'"
