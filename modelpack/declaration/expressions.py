"""SQL expressions that a declaration carries: `where="severity > 1"`, `expression("spend / 12")`.

An expression reads the columns of one row and nothing else. Its text is kept as the user wrote it;
the only change is that each column gets the name of its row in front. Where the triggers, whose search_path is
pg_catalog alone, would take an operator or a function of it for another one, they get the text that
`modelpack.resolve` writes, in which all are qualified.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelpack.declaration.names import check_name, check_text
from modelpack.errors import DeclarationError, shown

if TYPE_CHECKING:  # loaded with the first expression: most declarations have none
    from sqlglot import exp

# Functions whose result depends on more than their arguments. The server checks the rest when the
# declaration is applied; these are caught before, also for a script made without a connection.
_UNSTEADY = {
    "now", "random", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "timeofday",
    "nextval", "gen_random_uuid", "current_setting", "currentdate", "currenttimestamp", "currenttime",
    "currentuser", "sessionuser", "rand", "uuid", "getdate", "localtime", "localtimestamp",
}  # fmt: skip

_TOKEN = re.compile(
    r"""(?P<other>"(?:[^"]|"")*"|(?<![\w$])(?<![^\x00-\x7f])[eE]'(?:\\.|''|[^'\\])*'|(?<![\w$])(?<![^\x00-\x7f])\$(?P<tag>(?:[A-Za-z_]|[^\x00-\x7f])?(?:[A-Za-z0-9_]|[^\x00-\x7f])*)\$.*?\$(?P=tag)\$)|(?P<plain>'(?:[^']|'')*')""",
    re.DOTALL,
)
"""Quoted names and literals as PostgreSQL reads them; a letter of a name is every character beyond ASCII, too (told by what it is not: a class of them all takes 10 ms to compile)."""

LONGEST = 100_000
"""Characters of an expression."""


class Resolved(str):
    """A condition over the event row `e` as the server has resolved it: no search_path decides about it any more."""

    __slots__ = ()


def over_event(where: str) -> str:
    """A condition of a declaration as SQL over the event row `e`."""
    return f"({steady(where) if isinstance(where, Resolved) else Expression(where, what='where=').over('e')})"


def check_condition(where: str, what: str) -> None:
    """Raise DeclarationError for what cannot be a condition over one row."""
    if not isinstance(where, Resolved):
        Expression(where, what=what)


def _parsed(text: str, what: str) -> tuple[str, exp.Expression]:
    """The text, read alike whatever standard_conforming_strings says, and its syntax tree. Refuses all but one expression."""
    if not isinstance(text, str) or not text.strip():
        raise DeclarationError(f'{what} is empty, expected an SQL expression such as "severity > 1"')
    if len(text) > LONGEST:
        raise DeclarationError(
            f"{what} has {len(text)} characters, expected at most {LONGEST}; a list as long belongs in a table or a column"
        )
    check_text(text, what)
    if ";" in text or "--" in text or "/*" in text:
        raise DeclarationError(
            f"{what} is {shown(text)}, expected one SQL expression without comments or ';'"
        )
    if re.search(r"(?<![\w$])[uU]&['\"]", text):
        raise DeclarationError(
            f"{what} is {shown(text)}: U&'…' is no text where standard_conforming_strings is off; write the character itself"
        )
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    text = steady(text.strip())
    try:
        tree = sqlglot.parse_one(f"select {text}", read="postgres")
    except SqlglotError as error:
        raise DeclarationError(
            f"{what} is {shown(text)}, which is no SQL expression: {str(error).splitlines()[0][:300]}"
        ) from error
    except RecursionError:
        raise DeclarationError(f"{what} is {shown(text)}, which is nested too deeply") from None
    clauses = ("from", "from_", "where", "group", "order", "limit", "joins")
    if (
        not isinstance(tree, exp.Select)
        or len(tree.expressions) != 1
        or isinstance(tree.expressions[0], exp.Alias)
        or any(tree.args.get(clause) for clause in clauses)
    ):
        raise DeclarationError(
            f"{what} is {shown(text)}, expected one SQL expression over the columns of a row"
        )
    # sqlglot takes `$tag$` without its end for one, too
    if any(isinstance(node, (exp.Placeholder, exp.Parameter)) for node in tree.walk()):
        raise DeclarationError(
            f"{what} is {shown(text)}: parameters have no value here, and a text in dollar quotes needs its end"
        )
    return text, tree.expressions[0]


def check_expression(sql: str, what: str) -> None:
    """Raise DeclarationError for what is not one SQL expression, whatever it reads."""
    if not isinstance(sql, Resolved):
        _parsed(sql, what)


class Expression:
    """One SQL expression over the columns of a single row.

    `text` is what the user wrote, `columns` the names that it reads, in order of appearance.
    """

    def __init__(self, text: str, *, what: str) -> None:
        self._spots: dict[int, str] = {}
        self.text, tree = _parsed(text, what)
        self._read(tree, what)
        self.columns = list(dict.fromkeys(name for _, name in sorted(self._spots.items())))

    def _read(self, tree: exp.Expression, what: str) -> None:
        from sqlglot import exp

        for node in tree.walk():
            if isinstance(node, (exp.Subquery, exp.Select, exp.Exists, exp.Window, exp.AggFunc, exp.Star)):
                raise DeclarationError(
                    f"{what} is {shown(self.text)}: it may read the columns of its own row only, so that the database "
                    "can tell when it changes; subqueries, aggregates and window functions are refused"
                )
            name = node.name if isinstance(node, exp.Anonymous) else type(node).__name__
            if isinstance(node, exp.Func) and name.lower() in _UNSTEADY:
                raise DeclarationError(
                    f"{what} is {shown(self.text)}: {name.lower()}() does not depend on the row alone, so a stored "
                    "feature could not stay exact; use a window or age() for what moves with time"
                )
            if isinstance(node, exp.Column) and not _is_collation(node):
                self._column(node, what)

    def _column(self, node: exp.Column, what: str) -> None:
        if node.table:
            raise DeclarationError(
                f"{what} is {shown(self.text)}: write {node.name} instead of {node.sql(dialect='postgres')}; "
                "the row is known"
            )
        identifier = node.this
        start = identifier.meta.get("start")
        if start is None:
            raise DeclarationError(
                f"{what} is {shown(self.text)}: cannot tell where {node.name} stands in it"
            )
        name = identifier.name if identifier.args.get("quoted") else identifier.name.lower()
        check_name(name, f"a column of {what}")
        self._spots[int(start) - len("select ")] = name

    def over(self, row: str) -> str:
        """The expression with every column read from `row` (an alias, or a marker replaced later)."""
        text = self.text
        for spot in sorted(self._spots, reverse=True):
            text = f"{text[:spot]}{row}.{text[spot:]}"
        return steady(text)


def _is_collation(node: exp.Column) -> bool:
    """Whether a name is what stands behind COLLATE; what stands before it may be a column."""
    from sqlglot import exp

    return isinstance(node.parent, exp.Collate) and node.arg_key == "expression"


def steady(sql: str) -> str:
    """SQL that means the same whatever standard_conforming_strings says."""
    return _TOKEN.sub(_escaped, sql)


def _escaped(token: re.Match[str]) -> str:
    plain = token["plain"]
    return "E" + plain.replace("\\", "\\\\") if plain and "\\" in plain else token[0]
