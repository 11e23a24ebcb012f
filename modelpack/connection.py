"""Connections to a server, and what a server's errors mean in words."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, pool
from sqlalchemy.exc import DataError, DBAPIError

from modelpack.errors import ModelpackError, RegistryError, shown
from modelpack.install import normal_dsn, require

_LONGEST = 2000
"""Characters of the message that is repeated of an error: the server's own messages quote all of what it was given."""

_RETRIED = ("40", "53", "57")
"""Classes of SQLSTATE that callers retry on or have caused themselves: serialization, resources, cancel."""


def make_engine(dsn: str | None = None) -> Engine:
    """An engine without a pool for a DSN, or for MODELPACK_DSN. Raises InstallError where it is no DSN.

    Its texts are Unicode whatever the database's encoding, and its transactions see what was committed before each
    statement, whatever the default of the role: the server converts the one and refuses what it cannot hold.
    """
    engine = create_engine(
        normal_dsn(dsn or os.environ.get("MODELPACK_DSN")),
        poolclass=pool.NullPool,
        isolation_level="READ COMMITTED",
        connect_args={"client_encoding": "utf8"},
    )
    event.listen(engine, "connect", _iso_dates)
    return engine


def _iso_dates(connection: Any, _record: object) -> None:
    """The driver reads no dates but those of ISO; a database or role may have another DateStyle."""
    if not connection.info.parameter_status("DateStyle").startswith("ISO"):
        with connection.cursor() as cursor:
            cursor.execute("set datestyle = 'ISO'")
        connection.commit()


@contextmanager
def in_words(kind: type[ModelpackError] = RegistryError) -> Iterator[None]:
    """Turn the server's errors into `kind`, with message, DETAIL and HINT.

    What a caller retries on (serialization failures, deadlocks) or has asked for (cancel) passes as it is.
    """
    try:
        yield
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or ""
        if state[:2] in _RETRIED and state != "57P03":
            raise
        raise kind(explain(error)) from error
    except UnicodeEncodeError as error:
        raise kind(unencodable(error)) from error


class Database:
    """A database in which modelpack is installed.

    Takes an engine, a DSN (default: MODELPACK_DSN), or a connection; with a connection, what happens takes part in its
    transaction, and the caller commits.
    """

    def __init__(self, given: Engine | Connection | str | None = None) -> None:
        self._given = given if isinstance(given, (Engine, Connection)) else make_engine(given)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All of it happens, or nothing; the server's errors come as RegistryError."""
        with in_words():
            if isinstance(self._given, Engine):
                with self._given.begin() as connection:
                    require(connection)
                    yield connection
            else:
                with self._given.begin_nested():  # a refusal leaves the caller's transaction usable
                    require(self._given)
                    yield self._given


def unencodable(error: UnicodeEncodeError) -> str:
    """What Python says of a text that is no Unicode, in one sentence: half of a surrogate pair has no bytes."""
    return (
        f"{shown(error.object)} has the character {error.object[error.start]!r}, which no name and no text in PostgreSQL can have; "
        "expected whole characters: an argument of a command has such a one where its bytes are not of the terminal's encoding"
    )


def explain(error: DBAPIError) -> str:
    """What the server said, in one sentence: what was found, what was expected, what to run."""
    state = getattr(error.orig, "sqlstate", None)
    diagnostics = getattr(error.orig, "diag", None)
    message = getattr(diagnostics, "message_primary", None)
    if not state and isinstance(error, DataError):  # psycopg refuses it before the server sees it
        return f"{error.orig}; expected a text or number that PostgreSQL can hold"
    if not state or not message:
        return _connection_failure(str(error.orig))
    hint = getattr(diagnostics, "message_hint", None)
    if state == "42501" and not hint:  # the server's own; modelpack's say what to run
        return _rights(message)
    if state == "22P05":
        return (
            f"{message}: the database's encoding does not have this character, so no row of it can; expected names, notes and "
            "categories that it has"
        )
    if state in ("3F000", "42P01", "42883") and re.search(
        r"(schema \"|relation \"|function )modelpack[.\"]", message
    ):
        return f"{message}: the database has no modelpack schema, or another version; run `modelpack install`"
    detail = getattr(diagnostics, "message_detail", None)
    message = message.removeprefix("plpy.Error: ")
    if len(message) > _LONGEST:
        message = f"{message[:_LONGEST]}... ({len(message)} characters)"
    parts: list[str] = [part.strip() for part in (message, detail, hint) if part and part.strip()]
    said = parts[0]
    for part in parts[1:]:  # a sentence of its own follows a full stop, a command or a list a semicolon
        said = said.rstrip(".") + (". " if part[0].isupper() else "; ") + part
    return said


def _rights(message: str) -> str:
    if re.search(r"for (table|relation) (artifact|version|formula)\b", message):
        return (
            f"{message}: an exported file is the model itself, and only modelpack_owner reads the bytes of models; as a "
            "superuser: grant select on modelpack.artifact, modelpack.version, modelpack.formula to ROLE, which may then take out every model"
        )
    if "modelpack" in message or re.search(r"for (function|procedure|routine|table|relation|view) ", message):
        return (
            f"{message}: the role lacks a right; as a superuser: grant modelpack_publisher to ROLE (publish, promote, "
            "rescore), modelpack_reader (predict, list), modelpack_monitor (verify, maintain) or modelpack_owner (apply)"
        )
    return f"{message}: the role lacks a right; run this as the owner or a superuser"


def _connection_failure(text: str) -> str:
    found = re.sub(r" (Is the server running|Connection to the client).*$", "", " ".join(text.split()))
    # libpq tries each address; what the last one said is enough
    found = found.removeprefix("connection failed: ")
    last = re.split(r"(?:FATAL|fatal):\s+", found)[-1] if re.search(r"fatal:", found, re.I) else found
    if "invalid connection option" in found:
        return f"{found}; correct --dsn / MODELPACK_DSN"
    if re.search(r'database "[^"]*" does not exist', last):
        name = re.search(r'database "([^"]*)"', last)
        return f"the server answers, but {last}; run `createdb {name[1] if name else 'NAME'}`, or correct --dsn / MODELPACK_DSN"
    if re.search(r'role "[^"]*" does not exist|authentication failed|no password supplied|pg_hba', found):
        return f"the server refuses the log-in: {last}; correct user and password in --dsn / MODELPACK_DSN, or in ~/.pgpass"
    if re.search(r"starting up|shutting down|too many", last):
        return f"the server takes no connection now: {last}; try again"
    return (
        f"no PostgreSQL server can be reached: {found}; expected a running server at --dsn / "
        "MODELPACK_DSN; correct it, or start the server"
    )
