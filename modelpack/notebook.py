"""What a notebook shows: versions as tables, and how far a publication is. Elsewhere nothing of it is used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from importlib import import_module

STAGES = ("asking", "reading", "running", "converting", "comparing", "storing")
"""The first words of the stages of a publication, in their order."""


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """HTML of a table. Every text is escaped: notes and names were stored by others."""
    head = "".join(f'<th style="text-align:left">{escape(h)}</th>' for h in headings)
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table>{f'<tr>{head}</tr>' if headings else ''}{body}</table>"


def here() -> bool:
    """Whether this is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


@contextmanager
def progress(what: str) -> Iterator[Callable[[str], None]]:
    """A bar below the cell of a notebook; what is given is told each stage. It stays, and says how it ended."""
    if not here():
        yield lambda _stage: None
        return
    display = import_module("IPython.display")
    shown = display.display(display.HTML(_bar(what, 0, "starting")), display_id=True)
    reached = 0

    def tell(stage: str) -> None:
        nonlocal reached
        word = stage.partition(" ")[0]
        if word in STAGES:
            reached = max(reached, STAGES.index(word))  # another candidate is converted: no step back
        shown.update(display.HTML(_bar(what, reached, stage)))

    try:
        yield tell
    except BaseException:
        shown.update(display.HTML(_bar(what, reached, "refused")))
        raise
    shown.update(display.HTML(_bar(what, len(STAGES), "done")))


def _bar(what: str, reached: int, stage: str) -> str:
    return f'<progress value="{reached}" max="{len(STAGES)}"></progress> {escape(what)}: {escape(stage)}'
