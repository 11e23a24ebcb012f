"""What a name or a text of a declaration has to be, whatever it is used for."""

from __future__ import annotations

from modelpack.errors import DeclarationError, shown

LONGEST_NAME = 63
"""Bytes: PostgreSQL cuts longer names off, so two could become one."""


def check_text(text: str, what: str) -> None:
    """Raise DeclarationError for what no text in PostgreSQL can hold."""
    for character in text:
        if character == "\0" or "\ud800" <= character <= "\udfff":
            said = "NUL" if character == "\0" else f"{character!r}, half of a surrogate pair"
            raise DeclarationError(
                f"{what} is {shown(text)} and has the character {said}, which no name and no text in PostgreSQL can have"
            )


def check_name(name: object, what: str) -> None:
    """Raise DeclarationError for what can be the name of no table and no column."""
    if not isinstance(name, str) or not name:
        raise DeclarationError(f"{what} is {shown(name)}, expected a name")
    check_text(name, what)
    size = len(name.encode())
    if size > LONGEST_NAME:
        raise DeclarationError(
            f"{what} is {shown(name)}, which has {size} bytes; expected a name of at most {LONGEST_NAME}, as PostgreSQL keeps them"
        )
