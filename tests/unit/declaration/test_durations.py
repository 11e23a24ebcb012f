"""Lengths of time in a declaration: fixed ones only, and within what PostgreSQL can count back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from modelpack import DeclarationError
from modelpack.declaration.duration import duration, interval


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("1 second", timedelta(seconds=1)),
        ("90 minutes", timedelta(hours=1.5)),
        ("36 hours", timedelta(days=1.5)),
        ("30 days", timedelta(days=30)),
        ("2 weeks", timedelta(days=14)),
        ("  2   hour ", timedelta(hours=2)),
        ("365000 days", timedelta(days=365_000)),
    ],
)
def test_a_whole_number_of_a_fixed_unit_is_a_length(text: str, length: timedelta) -> None:
    assert duration(text, what="window") == length


@pytest.mark.parametrize(
    "text",
    ["1 month", "1 year", "0 days", "-1 day", "1.5 days", "1e3 days", "30days", "days", "", "٣ days",
     "30 days; select 1", "30 days\n", "365001 days", "999999999 weeks", 30, None, timedelta(days=1)],
)  # fmt: skip
def test_what_has_no_fixed_length_or_is_none_is_refused(text: object) -> None:
    with pytest.raises(
        DeclarationError, match=r'^the window is .*expected a positive whole number .*"30 days"'
    ):
        duration(text, what="the window")  # type: ignore[arg-type]  # what a user may write


def test_the_literal_has_single_blanks() -> None:
    assert interval("  2   hours ") == "interval '2 hours'"
