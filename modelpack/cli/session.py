"""What every command shares: --dsn, --json and --debug, the connection, the output, and errors in words.

A command imports what it needs when it runs: `--help` loads nothing of SQLAlchemy, and `list` nothing of Alembic.
"""

from __future__ import annotations

import inspect
import json
import math
import re
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from modelpack.cli.quick import Command
from modelpack.errors import ModelpackError, RegistryError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from modelpack.registry import Registry

REFUSED = 2
WIDTH = 80
"""Columns of what is printed for people, wherever it goes."""

Dsn = Annotated[
    str | None,
    typer.Option(
        "--dsn",
        envvar="MODELPACK_DSN",
        help="The database, e.g. postgresql://user@host:5432/shop.",
        metavar="DSN",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print a traceback when something is refused.")]


def hanging(label: str, text: str, indent: int) -> str:
    """The text beside its label, in lines of at most `WIDTH` columns; what is quoted stays on one line."""
    kept = re.sub(r"(?<!\w)'[^']*'", lambda quoted: quoted[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(
        kept, WIDTH - indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
    return f"{label:<{indent}}" + f"\n{'':{indent}}".join(lines or [""]).replace("\0", " ")


def printable(text: str) -> str:
    """The text with everything escaped that steers a terminal, hides or turns what stands beside it; lines stay lines.

    What is printed was stored by others: a note may hold escape sequences, or marks of right-to-left writing.
    """
    return "".join(c if c == "\n" or c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _finite(document: Any) -> Any:
    """The document with numbers that JSON does not have as texts, as PostgreSQL writes them."""
    if isinstance(document, float) and not math.isfinite(document):
        return "NaN" if math.isnan(document) else "Infinity" if document > 0 else "-Infinity"
    if isinstance(document, dict):
        return {key: _finite(value) for key, value in document.items()}
    return [_finite(value) for value in document] if isinstance(document, (list, tuple)) else document


class SafeConsole(Console):
    """A console on which no text that it prints can steer the terminal; what rich adds for a style can."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich does, with the text of each segment made printable."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


class SafeTable(Table):
    """A table of texts that are made printable before the columns are measured."""

    def __init__(self, *headings: str) -> None:
        super().__init__(*headings, box=None, pad_edge=False, header_style="bold")

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """One row; a cell is one line unless rich breaks it."""
        super().add_row(
            *(printable(" ".join(c.split())) if isinstance(c, str) else c for c in cells), **options
        )


class Session:
    """One run of one command."""

    def __init__(self, dsn: str | None, as_json: bool) -> None:
        self.dsn = dsn
        self.as_json = as_json
        wide = None if sys.stdout.isatty() else 160
        self._out = SafeConsole(
            width=wide, highlight=False, markup=False, emoji=False, soft_wrap=not sys.stdout.isatty()
        )
        self._err = SafeConsole(stderr=True, highlight=False, markup=False, emoji=False)

    @cached_property
    def engine(self) -> Engine:
        """Made when it is needed: `--sql` needs no database."""
        from modelpack.connection import make_engine

        return make_engine(self.dsn)

    @property
    def registry(self) -> Registry:
        """The registry of the database."""
        from modelpack.registry import Registry

        return Registry(self.engine)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction for the whole command, without the limits that are meant for an application's."""
        from modelpack.settings import lift_limits

        with self.engine.begin() as connection:
            connection.exec_driver_sql(lift_limits())
            yield connection

    @contextmanager
    def autocommit(self) -> Iterator[Connection]:
        """For procedures that commit by themselves. The schema fits, or InstallError is raised."""
        from modelpack.install import require

        with self.engine.connect() as connection:
            require(connection)
            connection.commit()
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def say(self, *lines: RenderableType) -> None:
        """Print for people; nothing with --json."""
        if not self.as_json:
            for line in lines:
                self._out.print(line)

    def plain(self, text: str) -> None:
        """Print text as it is: SQL."""
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")

    def answer(self, document: Any) -> None:
        """Print the JSON document of the command; nothing without --json."""
        if self.as_json:
            made = json.dumps(_finite(document), ensure_ascii=False, indent=2, default=str, allow_nan=False)
            # JSON itself escapes no more than control characters of ASCII
            made = "".join(c if c == "\n" or c.isprintable() else f"\\u{ord(c):04x}" for c in made)
            sys.stdout.write(f"{made}\n")

    def note(self, text: str) -> None:
        """A remark on stderr."""
        self._err.print(text, soft_wrap=True)

    @contextmanager
    def working(self, what: str) -> Iterator[Callable[[str], None]]:
        """Show that something takes its time, on a terminal; what is given is told how far it is."""
        if self._err.is_terminal and not self.as_json:
            with self._err.status(what) as status:
                yield lambda stage: status.update(f"{what}: {stage}")
        else:
            yield lambda _stage: None


@contextmanager
def in_words(kind: type[ModelpackError] = RegistryError) -> Iterator[None]:
    """`modelpack.connection.in_words`: the server's errors as `kind`."""
    from modelpack import connection

    with connection.in_words(kind):
        yield


@contextmanager
def _errors_in_words(debug: bool) -> Iterator[None]:
    try:
        yield
    except ModelpackError as error:
        message = str(error)
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise
    except Exception as error:
        found = _known(error)
        message = (
            found or f"unexpected {type(error).__name__}: {error}; run it again with --debug to see where"
        )
        if debug and not found:
            raise
    else:
        return
    if debug:
        typer.echo(printable(traceback.format_exc()), err=True)
    typer.echo(printable(f"modelpack: {' '.join(message.split())}"), err=True)
    raise typer.Exit(REFUSED)


def _known(error: Exception) -> str | None:
    """What an error of the server, or of a text that cannot be sent to it, means; None for what nobody foresaw."""
    from sqlalchemy.exc import DBAPIError

    from modelpack.connection import explain, unencodable

    if isinstance(error, DBAPIError):
        return explain(error)
    return unencodable(error) if isinstance(error, UnicodeEncodeError) else None


def command(
    app: typer.Typer, name: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a command. It receives a Session first; the shared options are added to its own."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(function, eval_str=True)
        _, *own = signature.parameters.values()
        shared = [
            inspect.Parameter("dsn", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Dsn),
            inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Json),
            inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Debug),
        ]
        own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]

        def run(*, dsn: str | None, as_json: bool, debug: bool, **values: Any) -> None:
            with _errors_in_words(debug):
                function(Session(dsn, as_json), **values)

        run.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]  # typer reads it
        run.__doc__ = function.__doc__
        run.__name__ = function.__name__
        run.__annotations__ = {p.name: p.annotation for p in [*own, *shared]}
        # given as it is, the summary is wrapped in the list of commands; taken from the docstring, it would be cut
        summary = " ".join((function.__doc__ or "").split()).partition(". ")[0].removesuffix(".")
        app.command(name or function.__name__, cls=Command, short_help=summary)(run)
        return function

    return register
