"""What is changed: rules over the tokens of SQL, and over the syntax tree of Python.

Each rule makes one small fault that a person could make. A mutant is the whole text with one place changed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Span = Callable[[ast.expr | ast.stmt], tuple[int, int]]
"""Where a node begins and ends in its text."""


@dataclass(frozen=True)
class Change:
    """One place of a text, and what is put there instead."""

    rule: str
    begin: int
    end: int
    instead: str

    def apply(self, text: str) -> str:
        return text[: self.begin] + self.instead + text[self.end :]


_SKIPPED = re.compile(
    r"""^%\#[^\n]*|\{\#.*?\#\}|--[^\n]*|"[^"]*"|\b[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|^comment on .*?;\n""",
    re.DOTALL | re.MULTILINE,
)
"""Comments (of SQL, of templates), names and texts: nothing that runs."""

_NAMED = "".join(f"(?<!{name} )" for name in ("message", "detail", "hint", "errcode", "schema", "table", "column", "constraint", "_path", "_messages"))  # fmt: skip
"""Before a `=` that compares nothing: in RAISE and in settings of functions."""

SQL_RULES: dict[str, list[tuple[str, str]]] = {
    "edge of a comparison": [(r"(?<![<>=!:|])<(?![=>|])", "<="), (r"(?<![=<>-])>(?![=>])", ">="), (r"<=", "<"), (r">=", ">")],
    "equal or not": [(r"<>", "="), (rf"{_NAMED}(?<= )=(?= )", "<>")],
    "null": [
        (r"\bis not distinct from\b", "is distinct from"),
        (r"\bis distinct from\b", "<>"),
        (r"\bis not null\b", "is null"),
        (r"\bis null\b", "is not null"),
        (r"\bis not true\b", "is true"),
        (r"\bis not false\b", "is true"),
    ],
    "and, or, not": [(r"\band\b", "or"), (r"\bor\b(?! replace)", "and"), (r"\bnot exists\b", "exists"), (r"\bif not\b", "if")],
    "a dropped condition": [(r"\n +and [^\n;]*(?=\n)", ""), (r" where (?![^\n]* where )[^\n;()]*(?=;)", "")],
    "order": [(r"\border by ([^\n;)]*?)(?= limit|\)|;|\n| for update)", ""), (r" desc\b", ""), (r"\bnulls last\b", "nulls first")],
    "sign": [(r"(?<= )\+(?= )", "-"), (r"(?<= )-(?= )", "+"), (r"(?<= )\*(?= )", "/")],
    "greatest and least": [(r"\bgreatest\(", "least("), (r"\bleast\(", "greatest("), (r"\bmin\(", "max("), (r"\bmax\(", "min(")],
    "a dropped lock": [(r" for update\b", ""), (r" for share\b", ""), (r"\n *lock table [^;]*;", ""), (r"access exclusive", "access share")],
    "a dropped setting": [(r"\nset [a-z_]+ = [^\n]*", ""), (r"security definer", "security invoker")],
    "a dropped right": [(r"\n +perform modelpack\.check_[^;]*;", "")],
    "a default": [(r"\bcoalesce\(([\w.]+), ", r"nullif(\1, ")],
    "all or one": [(r"\bunion all\b", "union"), (r"\bbool_or\(", "bool_and("), (r"\bdistinct (?!from|on)", "")],
}  # fmt: skip


def sql_changes(text: str, begin: int = 0) -> Iterator[Change]:
    """All changes of SQL text by the rules; `begin` is where the text stands in its file."""
    hidden = _SKIPPED.sub(lambda found: re.sub(r"[^\n]", "\0", found[0]), text)
    for rule, pairs in SQL_RULES.items():
        for pattern, instead in pairs:
            for found in re.finditer(pattern, hidden):
                yield Change(rule, begin + found.start(), begin + found.end(), found.expand(instead))


_COMPARED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "in": "not in", "not in": "in", "is": "is not", "is not": "is"}  # fmt: skip
_COUNTED = {"+": "-", "-": "+", "*": "/", "/": "*", "//": "/", "%": "//", "|": "&", "&": "|"}
_CALLED = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "sorted": "list",
    "floor": "ceil",
    "ceil": "floor",
}


def python_changes(text: str, *, sql: bool = False) -> Iterator[Change]:
    """All changes of Python text; with `sql`, those of the SQL in its texts alone."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode()))
    raw = text.encode()

    def at(line: int, column: int) -> int:
        return len(raw[: starts[line - 1] + column].decode())

    def span(node: ast.expr | ast.stmt) -> tuple[int, int]:
        return at(node.lineno, node.col_offset), at(node.end_lineno or 0, node.end_col_offset or 0)

    tree = ast.parse(text)
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    # types of values, which nothing reads when it runs
    typed = {
        id(inner)
        for node in ast.walk(tree)
        for name in ("annotation", "returns")
        if isinstance(getattr(node, name, None), ast.expr)
        for inner in ast.walk(getattr(node, name))
    }
    raised = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Raise) for inner in ast.walk(node)}
    written = {
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Sql"
        for argument in node.args
    }
    for node in ast.walk(tree):
        if id(node) in documented or id(node) in raised or id(node) in typed:
            continue
        if sql:
            # other texts are comments, names and messages
            if id(node) in written and isinstance(node, ast.Constant) and isinstance(node.value, str):
                begin, end = span(node)
                yield from _in_text(text[begin:end], begin)
        else:
            yield from _of_node(node, text, span)


def _in_text(source: str, begin: int) -> Iterator[Change]:
    """The SQL of one literal: what is between its quotes."""
    quoted = re.match(r"""[rfb]*("{3}|'{3}|"|')""", source, re.IGNORECASE)
    if quoted and " " in source:
        inside = source[quoted.end() : -len(quoted[1])]
        # an edit must not touch what Python puts in
        for change in sql_changes(inside, begin + quoted.end()):
            touched = inside[change.begin - begin - quoted.end() : change.end - begin - quoted.end()]
            if "{" not in touched and "}" not in touched and "\\" not in touched:
                yield change


def _of_node(node: ast.AST, text: str, where: Span) -> Iterator[Change]:

    def between(left: ast.expr, right: ast.expr, table: dict[str, str], rule: str) -> Iterator[Change]:
        begin, end = where(left)[1], where(right)[0]
        found = re.fullmatch(r"([\s)]*)(\S+(?: not| in)?)([\s(]*)", text[begin:end])
        if found and found[2] in table:
            yield Change(rule, begin + found.start(2), begin + found.end(2), table[found[2]])

    if isinstance(node, ast.Compare):
        for left, right in zip([node.left, *node.comparators], node.comparators, strict=False):
            yield from between(left, right, _COMPARED, "comparison")
    elif isinstance(node, ast.BinOp):
        yield from between(node.left, node.right, _COUNTED, "arithmetic")
    elif isinstance(node, ast.BoolOp):
        other = {"and": "or", "or": "and"}
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield from between(left, right, other, "and, or")
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield Change("a dropped not", where(node)[0], where(node.operand)[0], "")
    elif isinstance(node, (ast.If, ast.IfExp, ast.While)):
        begin, end = where(node.test)
        yield Change("a condition turned", begin, end, f"(not ({text[begin:end]}))")
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        begin, end = where(node)
        yield Change("a number", begin, end, f"({text[begin:end]} + 1)")
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield Change("true or false", *where(node), str(not node.value))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLED:
        yield Change("another function", *where(node.func), _CALLED[node.func.id])
    elif isinstance(node, (ast.Break, ast.Continue)):
        yield Change("a dropped break", *where(node), "pass")
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield Change("a dropped call", *where(node), "pass")
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        begin, end = where(node.value)
        yield Change("nothing returned", begin, end, "None")
