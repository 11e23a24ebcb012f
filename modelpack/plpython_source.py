"""Renders a PL/Python function: its `create function` text, from a file of plpython/ and the modules that it shares.

The server has neither this package nor plpython/. So whatever of theirs a function reads stands in its body: the
functions, classes and constants of its own file and of those that it imports from, what these read in turn, and no more.
"""

from __future__ import annotations

import ast
import functools
import symtable
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

_PACKAGE = Path(__file__).parent
OURS = ("plpython", "modelpack")


class RenderError(Exception):
    """A file of plpython/ that cannot be one body."""


def folder(name: str) -> Path:
    """Inside the package in a wheel, beside it in a checkout."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


PLPYTHON = folder("plpython")

Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


class Module:
    """What a file defines and imports at its top."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text()
        self._lines = self.text.splitlines()
        self.definitions: dict[str, Definition] = {}
        self.ours: dict[str, tuple[str, str]] = {}
        self.others: dict[str, str] = {}
        for node in ast.parse(self.text).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                self.definitions[node.name] = node
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                self.definitions |= {name.id: node for name in targets if isinstance(name, ast.Name)}
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                self._import(node)
                continue
            for inner in ast.walk(node):
                if isinstance(inner, ast.ImportFrom) and str(inner.module).split(".")[0] in OURS:
                    raise RenderError(
                        f"{path} line {inner.lineno}: from {inner.module} is imported at the top"
                    )

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            written = alias.name + (f" as {alias.asname}" if alias.asname else "")
            bound = alias.asname or alias.name
            if isinstance(node, ast.Import):
                if alias.name.split(".")[0] in OURS:
                    raise RenderError(f"{self.path} has import {written}, expected from ... import NAME")
                self.others[bound.split(".")[0]] = f"import {written}"
            elif str(node.module).split(".")[0] not in OURS:
                if node.module != "__future__":
                    self.others[bound] = f"from {node.module} import {written}"
            elif alias.asname:
                raise RenderError(f"{self.path} imports {written}: a name of ours keeps its name")
            else:
                self.ours[bound] = (str(node.module), alias.name)

    def written(self, node: Definition) -> str:
        """The text of a definition with the comment directly above it; programs stand in the place of `source_of`."""
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1
        while first and self._lines[first - 1].startswith("#"):
            first -= 1
        return self.with_programs("\n".join(self._lines[first : node.end_lineno]))

    def statements(self, function: ast.FunctionDef) -> str:
        """What a function does, without its docstring."""
        body = function.body[1:] if ast.get_docstring(function) else function.body
        lines = self._lines[body[0].lineno - 1 : body[-1].end_lineno]
        return self.with_programs(textwrap.dedent("\n".join(lines)))

    def with_programs(self, text: str) -> str:
        """`source_of(f)` is replaced by the text of f and of what it needs: a program to run elsewhere."""
        for name in (*self.definitions, *self.ours):
            call = f"source_of({name})"
            if call in text:
                path = _path(self.ours[name][0]) if name in self.ours else self.path
                # a literal a line: PL/Python indents what follows a line break, also inside a literal
                lines = program(path, name).splitlines(keepends=True)
                literals = "\n".join(f"    {line!r}" for line in lines)
                text = text.replace(call, f"(\n{literals}\n)")
        return text


@functools.cache
def _parsed(path: Path, _changed: float) -> Module:
    return Module(path)


def module(path: Path) -> Module:
    """A file, read once for as long as it stays as it is."""
    return _parsed(path, path.stat().st_mtime_ns)


def _path(name: str) -> Path:
    top, *rest = name.split(".")
    return (PLPYTHON if top == "plpython" else _PACKAGE).joinpath(*rest or ["__init__"]).with_suffix(".py")


class _Needed:
    """Collects what a text reads, transitively."""

    def __init__(self) -> None:
        self.imports: dict[str, str] = {}
        self.found: dict[Path, dict[str, Definition]] = {}
        self._names: dict[str, Path] = {}

    def add(self, home: Module, names: set[str]) -> None:
        """Names that a text of that file reads; what it does not define is Python's, or PL/Python's."""
        for name in sorted(names):
            if name in home.ours:
                where, original = home.ours[name]
                if (where, original) == ("plpython", "source_of"):
                    raise RenderError(
                        f"{home.path} reads source_of, expected source_of(NAME) of a function of ours"
                    )
                other = module(_path(where))
                if original not in other.definitions:
                    raise RenderError(f"{home.path} imports {original}, which {other.path} does not define")
                self.add(other, {original})
            elif name in home.others:
                if self.imports.setdefault(name, home.others[name]) != home.others[name]:
                    raise RenderError(f"{name} means two things: {self.imports[name]}, {home.others[name]}")
            elif name in home.definitions and name not in self.found.get(home.path, ()):
                if self._names.setdefault(name, home.path) != home.path:
                    raise RenderError(f"{name} is defined in {self._names[name]} and in {home.path}")
                node = home.definitions[name]
                self.found.setdefault(home.path, {})[name] = node
                self.add(home, _read(_scopes(home.written(node))))
        for name in self.imports.keys() & self._names.keys():
            raise RenderError(f"{name} is imported, and defined in {self._names[name]}")

    def names(self) -> set[str]:
        return set(self.imports) | set(self._names)

    def written(self, last: Path) -> str:
        """Imports, then the definitions: files that others import from come first, each in its own order."""
        blocks = ["\n".join(_together(self.imports.values()))] if self.imports else []
        for path in _in_order(last):
            nodes = {node.lineno: node for node in self.found.get(path, {}).values()}
            texts = [module(path).written(nodes[line]) for line in sorted(nodes)]
            if texts and path != last:
                top = PLPYTHON if path.is_relative_to(PLPYTHON) else _PACKAGE
                texts[0] = f"# from {path.relative_to(top.parent).as_posix()}\n{texts[0]}"
            blocks += texts
        return "\n\n".join(blocks)


def _in_order(path: Path, seen: set[Path] | None = None) -> Iterator[Path]:
    seen = set() if seen is None else seen
    seen.add(path)
    for where in dict.fromkeys(where for where, _ in module(path).ours.values()):
        if _path(where) not in seen:
            yield from _in_order(_path(where), seen)
    yield path


def _together(imports: Iterable[str]) -> list[str]:
    """Whole modules first, then one line for each module of which a few names are taken."""
    taken: dict[str, list[str]] = {}
    for line in sorted(imports, key=lambda line: (line.startswith("from "), line)):
        start, _, name = line.rpartition("import ")
        taken.setdefault(f"{start}import " if start else line, []).append(name if start else "")
    return [start + ", ".join(names) for start, names in taken.items()]


class _Unannotated(ast.NodeTransformer):
    """Takes off the types of variables of functions, which Python does not evaluate."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        for each in ast.walk(node):
            if isinstance(each, ast.AnnAssign):
                each.annotation = ast.Constant(None)
        return node


def _scopes(text: str) -> symtable.SymbolTable:
    return symtable.symtable(ast.unparse(_Unannotated().visit(ast.parse(text))), "", "exec")


def _read(table: symtable.SymbolTable) -> set[str]:
    """Names that a text and what is nested in it look for at the top of its file."""
    names = {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
    return names.union(*(_read(child) for child in table.get_children()))


def program(path: Path, name: str) -> str:
    """A function of a file as a program of its own: after what it needs; it does not call it."""
    needed = _Needed()
    needed.add(module(path), {name})
    return needed.written(path)


def functions() -> list[str]:
    """Names of the PL/Python functions that have a live source: a file with an `SQL`."""
    return sorted(p.stem for p in PLPYTHON.glob("*.py") if "SQL" in module(p).definitions)


def body(name: str) -> str:
    """The body of a live function as PL/Python runs it: what it needs, then its statements."""
    home = module(PLPYTHON / f"{name}.py")
    function = home.definitions[name]
    if not isinstance(function, ast.FunctionDef):
        raise RenderError(f"{home.path} defines no function {name}")
    statements = home.statements(function)
    header = f"def {name}({', '.join(argument.arg for argument in function.args.args)}):\n"
    (table,) = _scopes(header + textwrap.indent(statements, " ")).get_children()
    needed = _Needed()
    needed.add(home, _read(table))
    for symbol in table.get_symbols():
        # in the body all of them are in one place: a variable would take the name from those who read it
        if symbol.is_local() and symbol.get_name() in needed.names():
            raise RenderError(f"{name} has a variable {symbol.get_name()}, which is also what its body needs")
        # arguments are globals in PL/Python, so a variable of the same name would have no value yet
        if symbol.is_parameter() and symbol.is_assigned():
            raise RenderError(f"{name} assigns its argument {symbol.get_name()}")
    above = needed.written(home.path)
    return f"{above}\n\n{statements}" if above else statements


def render(name: str) -> str:
    """The `create or replace function` text of a live function."""
    sql = module(PLPYTHON / f"{name}.py").definitions["SQL"]
    assert isinstance(sql, ast.Assign)
    text: str = ast.literal_eval(sql.value)
    return text.replace("{body}", body(name))
