"""The live sources of the PL/Python functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable


def source_of(function: Callable[..., object]) -> str:
    """The text of a function of this folder, for another interpreter to run; rendering puts the text itself there."""
    return inspect.getsource(function)
