"""The page of the command line, from what `--help` says."""

from __future__ import annotations

from typing import Any

import typer

from modelpack.cli import app

HEAD = """# The command line

This page is generated from `modelpack --help` (`make docs`).

{help}

Every command takes `--dsn` (or the environment variable `MODELPACK_DSN`), `--json` for one JSON document on stdout, and
`--debug` for a traceback where something is refused.
"""
SHARED = {"dsn", "as_json", "debug"}


def commands() -> dict[str, Any]:
    """The commands by name, in the order of `--help`; those of a group have its name before theirs."""
    group: Any = typer.main.get_command(app)
    return {
        " ".join(words): command
        for name, one in group.commands.items()
        for words, command in (
            [((name, inner), c) for inner, c in one.commands.items()]
            if hasattr(one, "commands")
            else [((name,), one)]
        )
    }


def own_parameters(command: Any) -> list[Any]:
    """The parameters of a command without those that all have."""
    return [p for p in command.params if p.name not in {*SHARED, "help"}]


def page() -> str:
    """The page as Markdown."""
    group: Any = typer.main.get_command(app)
    parts = [HEAD.format(help=_text(group.help).replace("\n", "\n\n"))]
    for name, command in commands().items():
        parts.append(f"\n## modelpack {name}\n\n{_text(command.help)}\n\n```\n{_usage(name, command)}\n```\n")
        rows = [f"| `{_spelling(p)}` | {_explanation(p)} |" for p in own_parameters(command)]
        if rows:
            parts.append("\n| | |\n| --- | --- |\n" + "\n".join(rows) + "\n")
    return "".join(parts)


def _text(text: str | None) -> str:
    return "\n".join(" ".join(line.split()) for line in (text or "").split("\n\n"))


def _usage(name: str, command: Any) -> str:
    words = ["modelpack", name]
    for parameter in own_parameters(command):
        if parameter.param_type_name == "argument":
            words.append(_label(parameter))
        elif parameter.required:
            words.append(_spelling(parameter))
    return " ".join([*words, "[OPTIONS]"])


def _label(argument: Any) -> str:
    label: str = argument.metavar or argument.name.upper()
    return label if argument.required or label.startswith("[") else f"[{label}]"


def _spelling(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _label(parameter)
    names = ", ".join(parameter.opts)
    return names if parameter.is_flag else f"{names} {parameter.metavar or 'VALUE'}"


def _explanation(parameter: Any) -> str:
    text = " ".join((parameter.help or "").split()).replace("|", "\\|")
    remarks = []
    if parameter.required and parameter.param_type_name == "option":
        remarks.append("required")
    if parameter.envvar:
        remarks.append(f"environment variable `{parameter.envvar}`")
    if isinstance(parameter.default, (int, float)) and not isinstance(parameter.default, bool):
        remarks.append(f"default `{parameter.default}`")
    return text + (f" ({', '.join(remarks)})" if remarks else "")
