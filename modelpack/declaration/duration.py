"""Durations such as "30 days": fixed lengths only, so that every window means the same everywhere."""

from __future__ import annotations

import re
from datetime import timedelta

from modelpack.errors import DeclarationError, shown

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_PATTERN = re.compile(r" *([0-9]{1,9}) +(second|minute|hour|day|week)s? *")
_LONGEST = timedelta(days=365_000)
"""Longer ones may reach back before the first time that PostgreSQL has, and an error there would refuse every event."""


def duration(text: str, *, what: str) -> timedelta:
    """Read a length of time such as `"30 days"`.

    Months and years are refused: their length depends on the date, so a window would not be the same
    for two customers.
    """
    match = _PATTERN.fullmatch(text) if isinstance(text, str) else None
    length = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < length <= _LONGEST.total_seconds():
        raise DeclarationError(
            f"{what} is {shown(text)}, expected a positive whole number of seconds, minutes, hours, days or weeks, "
            'for example "30 days" (months and years have no fixed length), at most a thousand years'
        )
    return timedelta(seconds=length)


def interval(text: str) -> str:
    """The SQL literal of a duration that `duration` accepted."""
    return f"interval '{' '.join(text.split())}'"
