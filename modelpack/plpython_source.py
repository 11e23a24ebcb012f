"""Renders the live sources of the PL/Python functions as the SQL that installs them."""

from __future__ import annotations

import ast
import importlib.util
import textwrap
from pathlib import Path
from types import ModuleType

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """Inside the package in a wheel, beside it in a checkout."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


PLPYTHON = folder("plpython")


def functions() -> list[str]:
    """Names of the PL/Python functions that have a live source."""
    return sorted(path.stem for path in PLPYTHON.glob("*.py") if path.stem != "__init__")


def _module(name: str) -> ModuleType:
    path = PLPYTHON / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"plpython.{name}", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def body(name: str) -> str:
    """The body of a live function as PL/Python runs it: without the line that defines it and its docstring.

    A function of the package that it imports stands there with its own text: the server does not have the package.
    """
    source = (PLPYTHON / f"{name}.py").read_text()
    function = next(
        node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == name
    )
    statements = function.body[1:] if ast.get_docstring(function) else function.body
    lines = source.splitlines()
    for node in sorted(ast.walk(function), key=lambda n: -getattr(n, "lineno", 0)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("modelpack."):
            lines[node.lineno - 1 : node.end_lineno] = [
                textwrap.indent(_definition(str(node.module), alias.name), " " * node.col_offset)
                for alias in node.names
            ]
    added = len(lines) - len(source.splitlines())
    text = "\n".join(lines[statements[0].lineno - 1 : (statements[-1].end_lineno or 0) + added])
    return _with_sources(textwrap.dedent(text), source)


def _definition(module: str, name: str) -> str:
    """The text of a function of the package."""
    source = _PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py").read_text()
    node = next(n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name == name)
    return ast.get_source_segment(source, node) or ""


def _with_sources(text: str, source: str) -> str:
    """`source_of(f)`, with f another function of the live file, is replaced by f's own text: a program to run elsewhere."""
    for node in ast.parse(source).body:
        call = f"source_of({node.name})" if isinstance(node, ast.FunctionDef) else ""
        if call and call in text:
            program = ast.get_source_segment(source, node) or ""
            # a literal a line: PL/Python indents what follows a line break, also inside a literal
            literals = "\n".join(f"    {line!r}" for line in program.splitlines(keepends=True))
            text = text.replace(call, f"(\n{literals}\n)")
    return text


def render(name: str) -> str:
    """The `create or replace function` text of a live function."""
    sql: str = _module(name).SQL
    return sql.replace("{body}", body(name))
