"""The live sources of the PL/Python functions."""

from collections.abc import Callable
from inspect import getfile
from pathlib import Path

from modelpack.plpython_source import program


def source_of(function: Callable[..., object]) -> str:
    """A function of this folder, with what it needs, for another interpreter to run; rendering puts the text itself there."""
    return program(Path(getfile(function)), function.__name__)
