"""Renders the PL/Python functions and keeps the frozen snapshots of what migrations install.

`python -m modelpack.snapshots` writes a new snapshot for every live file that differs from its newest one,
and the hashes of all. Run it, and name the new snapshots in a new revision.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import textwrap
from pathlib import Path
from types import ModuleType

_PACKAGE = Path(__file__).parent


def _folder(name: str) -> Path:
    """Inside the package in a wheel, beside it in a checkout."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


PLPYTHON = _folder("plpython")
MIGRATIONS = _folder("migrations")
SNAPSHOTS = MIGRATIONS / "sql"
SUMS = SNAPSHOTS / "SHA256SUMS"


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


def newest(name: str) -> Path | None:
    """The newest snapshot of a function, if it has one."""
    found = sorted((SNAPSHOTS / name).glob("v*.sql"))
    return found[-1] if found else None


def sums() -> str:
    """The hashes of all snapshots, in the form that `sha256sum --check` reads."""
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(SNAPSHOTS).as_posix()}\n"
        for path in sorted(SNAPSHOTS.glob("*/v*.sql"))
    )


def main() -> int:
    """Write what is missing; print what was written."""
    for name in functions():
        text, last = render(name), newest(name)
        if last is None or last.read_text() != text:
            number = 1 if last is None else int(last.stem[1:]) + 1
            path = SNAPSHOTS / name / f"v{number:02d}.sql"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            print(f"wrote {path.relative_to(MIGRATIONS.parent)}")
    SUMS.write_text(sums())
    return 0


if __name__ == "__main__":
    sys.exit(main())
