"""The command line in the process of the test."""

from __future__ import annotations

import inspect
from typing import Any

from typer.testing import CliRunner


def runner(**settings: Any) -> CliRunner:
    """Runs commands and keeps stdout and stderr apart, which click asks to be told before 8.2.

    Args:
        settings: what CliRunner itself takes.
    """
    if "mix_stderr" in inspect.signature(CliRunner.__init__).parameters:
        settings["mix_stderr"] = False
    return CliRunner(**settings)
