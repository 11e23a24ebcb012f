"""How the demo prints: numbered steps, sentences, SQL as it is run, rows as tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table

_THEME = "ansi_dark"


class Stage:
    """The console with the few shapes that the story needs."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._steps = 0

    def step(self, title: str) -> None:
        """The next step of the story."""
        self._steps += 1
        self.console.print()
        self.console.print(Rule(f"[bold]{self._steps}. {title}", align="left", style="cyan"))

    def say(self, text: str) -> None:
        """A sentence to the reader."""
        self.console.print(" ".join(text.split()), markup=False)

    def code(self, text: str, language: str) -> None:
        """Source text, set in."""
        lines = Syntax(
            text.strip("\n"),
            language,
            theme=_THEME,
            background_color="default",
            word_wrap=True,
            padding=(0, 0, 0, 4),
        )
        self.console.print(lines)

    def sql(self, text: str) -> None:
        """An SQL statement as it is run."""
        self.code(text if text.rstrip().endswith(";") else f"{text.rstrip()};", "postgresql")

    def rows(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, label: str = "") -> None:
        """Rows as a table; `label` heads its first column, which names the rows."""
        table = Table(box=None, padding=(0, 2), header_style="dim")
        for column in [label, *columns] if label else columns:
            table.add_column(column, justify="left" if column == label else "right", no_wrap=True)
        for row in rows:
            table.add_row(*("" if value is None else f"{value}" for value in row))
        self.console.print(table)

    @contextmanager
    def wait(self, text: str) -> Iterator[None]:
        """Something that takes a moment, of unknown length."""
        with self.console.status(text):
            yield

    @contextmanager
    def progress(self, text: str, total: int) -> Iterator[Progress]:
        """A bar over `total` parts; call `advance(progress.task_ids[0], n)`."""
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
        )
        with bar:
            bar.add_task(text, total=total)
            yield bar
