"""The commands of the room."""

from __future__ import annotations

import typer

from modelpack.monitoring import alert_commands, metrics_commands, page_commands


def add_to(app: typer.Typer) -> None:
    """Add the commands of this room."""
    page_commands.add_to(app)
    alert_commands.add_to(app)
    metrics_commands.add_to(app)
