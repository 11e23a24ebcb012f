"""The application: all commands together."""

from __future__ import annotations

import gc
from importlib import import_module
from importlib.util import find_spec

import typer

from modelpack.cli import curation, models, schema, training, upkeep
from modelpack.cli.quick import Group

app = typer.Typer(
    name="modelpack",
    cls=Group,
    help="Scores inside PostgreSQL: an INSERT of an event keeps the features of a profile and rescores it.\n\n"
    "Exit codes: 0 done, 1 `verify` found rows that differ or `doctor` a failure, 2 refused (one sentence on stderr says what was found, "
    "what was expected and what to run).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
schema.add_to(app)
training.add_to(app)
models.add_to(app)
curation.add_to(app)
upkeep.add_to(app)
# rooms around the core, each of which may be missing
ROOMS = (
    "outcomes", "experiments", "shadows", "requirements", "monitoring", "explanations", "crossings", "erasure", "demo",
)  # fmt: skip
for room in ROOMS:
    if find_spec(f"modelpack.{room}") is not None:
        import_module(f"modelpack.{room}.commands").add_to(app)


def main() -> None:
    """Entry point of the command `modelpack`."""
    # what is imported makes objects by the hundred thousand, and none of them is garbage
    gc.set_threshold(50_000, 20, 20)
    app()
