"""Values of options that need nobody to look at them are taken as they are given.

typer has pydantic look at every value, and to load pydantic takes a tenth of the processor time of `modelpack list` or more.
What was not given, and a text, is right as it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, get_args

from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command that loads pydantic for the first number, path or list that it is given."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its options and arguments, and --help."""
        return _quick(super().get_params(ctx), _texts(self.callback))


class Group(TyperGroup):
    """All commands together, whose own option is --help."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its options, and --help."""
        return _quick(super().get_params(ctx), set())


def _texts(function: Callable[..., Any] | None) -> set[str]:
    """The parameters of a command that are texts."""
    parameters = inspect.signature(function).parameters.values() if function else ()
    return {p.name for p in parameters if get_args(p.annotation)[:1] in ((str,), (str | None,))}


def _quick(parameters: list[Any], texts: set[str]) -> list[Any]:
    for parameter in parameters:
        if (
            parameter.nargs == 1
            and not parameter.multiple
            and not isinstance(parameter.process_value, partial)
        ):
            text = parameter.name in texts and parameter.callback is None
            parameter.process_value = partial(_taken, parameter, parameter.process_value, text)
    return parameters


def _taken(parameter: Any, process: Callable[[Any, Any], Any], text: bool, context: Any, value: Any) -> Any:
    if text and isinstance(value, str):
        return value
    if value is None and not parameter.required:
        return parameter.callback(context, parameter, value) if parameter.callback else None
    return process(context, value)
