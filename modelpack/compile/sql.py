"""Quoting, names and layout of generated SQL."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from textwrap import wrap
from typing import NoReturn

from modelpack.declaration.names import check_text


class Sql(str):
    """A text that is SQL of ours: names and texts of users went through `ident` and `literal`.

    What Python makes of it is a plain str again (an f-string, a slice), which no template takes. `format`, `join` and
    `+` give Sql and take nothing else.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Sql:
        """Mark a text as SQL: a constant, or one that is composed of Sql alone."""
        if "\0" in text:
            require_text(text)
        return super().__new__(cls, text)

    def __html__(self) -> Sql:
        return self

    def __add__(self, other: Sql) -> Sql:  # type: ignore[override]
        return Sql(str.__add__(self, _sql(other)))

    def __radd__(self, other: Sql) -> Sql:
        return _sql(other) + self

    def __mod__(self, _: object) -> NoReturn:
        raise TypeError("SQL is put together by format()")

    def join(self, items: Iterable[Sql]) -> Sql:  # type: ignore[override]
        """The items with this text between them."""
        return Sql(str.join(self, [_sql(item) for item in items]))

    def format(self, *values: Sql | int, **named: Sql | int) -> Sql:  # type: ignore[override]
        """This text with values in the places of `{}`."""
        return Sql(
            str.format(self, *map(_sql, values), **{name: _sql(value) for name, value in named.items()})
        )


def _sql(value: object) -> Sql:
    if type(value) is int:
        return Sql(str(value))
    if not isinstance(value, Sql):
        raise TypeError(f"{value!r} is no SQL but {type(value).__name__}; pass it through ident or literal")
    return value


_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_WORDS = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
_LONGEST = 48
_TAKEN = {"examine", "no"}
"""Tables whose generated functions would be called as functions of the schema (`examine_log`, `no_score`)."""

# Key words that PostgreSQL does not take as a bare column name (reserved, or reserved outside of
# functions and types; appendix "SQL Key Words" of its manual).
_RESERVED = set(
    """all analyse analyze and any array as asc asymmetric authorization between binary both case cast check
    collate collation column concurrently constraint create cross current_catalog current_date current_role
    current_schema current_time current_timestamp current_user default deferrable desc distinct do else end
    except false fetch for foreign freeze from full grant group having ilike in initially inner intersect into
    is isnull join lateral leading left like limit localtime localtimestamp natural not notnull null offset on
    only or order outer overlaps placing primary references returning right select session_user similar some
    symmetric system_user table tablesample then to trailing true union unique user using variadic verbose
    when where window with""".split()
)

# And those that PL/pgSQL takes for the beginning of something else, also behind `new.` (pl_reserved_kwlist.h).
_RESERVED |= set("begin by declare execute foreach if loop strict while".split())

WIDTH = 120
"""Columns of a line, where what stands in it can be broken."""

PATH = Sql("pg_catalog, pg_temp")
"""The search_path of generated functions."""

STATEMENT = Sql("greatest(now(), statement_timestamp())")
"""Names the client's statement (within its transaction) that is running: the same in all of its triggers."""


def ident(name: str) -> Sql:
    """An identifier, quoted where PostgreSQL needs it."""
    if isinstance(name, Sql):
        raise TypeError(f"{name!r} is SQL already, expected a name")
    require_text(name)
    if _PLAIN.fullmatch(name) and name not in _RESERVED:
        return Sql(name)
    return Sql('"' + name.replace('"', '""') + '"')


def require_text(value: str) -> None:
    """Raise DeclarationError for what no SQL text can hold."""
    check_text(value, "a text")


def unquoted(name: str) -> str:
    """The name that `ident` has written."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def literal(value: str) -> Sql:
    """A string literal that reads the same whatever standard_conforming_strings says."""
    require_text(value)
    quoted = "'" + value.replace("'", "''") + "'"
    return Sql(("E" + quoted.replace("\\", "\\\\")) if "\\" in value else quoted)


def lines_of_text(text: str) -> Sql:
    """A literal in lines that fit below one another, set in by two: SQL puts them together."""
    lines: list[str] = []
    for word in re.split("(?<= )", literal(text)):
        if (
            lines and len(lines[-1]) + len(word) <= WIDTH - 6
        ):  # what sets it in, its quotes and what ends the statement
            lines[-1] += word
        else:
            lines.append(word)
    return Sql("'\n'".join(lines))


def lines_of_json(value: object) -> Sql:
    """A jsonb in lines that fit: an array or an object that is longer has its items below one another."""
    return Sql("{}::jsonb").format(literal(_spread(value, "  ", " " * len("declaration => ::jsonb"))))


def _spread(value: object, margin: str, before: str = "") -> str:
    """`before` stands before the value on its line; what is a margin of it is left out."""
    line = before + json.dumps(value, sort_keys=True)
    if not isinstance(value, (dict, list)) or len(margin) + len(literal(line)) <= WIDTH:
        return line.lstrip()
    inner = margin + "  "
    if isinstance(value, dict):
        items = [_spread(value[key], inner, f"{json.dumps(key)}: ") for key in sorted(value)]
    else:
        items = [_spread(item, inner) for item in value]
    first, last = "{}" if isinstance(value, dict) else "[]"
    return f"{before.lstrip()}{first}\n{inner}" + f",\n{inner}".join(items) + f"\n{margin}{last}"


def split_table(table: str) -> tuple[str, str]:
    """`("public", "customer")` for `"customer"`."""
    schema, _, name = table.rpartition(".")
    return schema or "public", name


def qualified(table: str) -> Sql:
    """A table's name with its schema, quoted."""
    return Sql(".").join(ident(part) for part in split_table(table))


def slug(*parts: str) -> str:
    """A name for a generated object, at most 63 bytes: a table's slug and the words that say what it is.

    Distinct for distinct parts. In a name of ours runs of underscores mean one thing each: one joins words, two
    join a schema and its table, three precede the hash of what could not be written as it is. So a name says
    which parts it was made of: its last word is our own, and a table's slug has no word "count" or "score".
    """
    name = "_".join(parts)
    return name if len(name) <= 63 else _hashed(name, parts, 63)


def table_slug(table: str) -> str:
    """The part of a generated name that stands for a table, at most 48 bytes; the schema public goes without saying."""
    schema, name = split_table(table)
    words = (schema, name) if schema != "public" else (name,)
    plain = "__".join(words)
    if plain in _TAKEN or len(plain) > _LONGEST or not all(_is_plain(word) for word in words):
        return _hashed(_cleaned("_".join(words)), (schema, name), _LONGEST)
    return plain


def score_slug(stem: str, score: str) -> str:
    """The first part of the names of a score's own functions, at most 54 bytes."""
    part = score if _WORDS.fullmatch(score) else _hashed(_cleaned(score), (score,), 45)
    name = f"{stem}_score_{part}"
    return name if len(name) <= 54 else _hashed(name, (stem, score), 54)


def variable(kind: str, name: str) -> str:
    """The name of a variable that holds something of a column: distinct for distinct names."""
    return f"{kind}_{name}" if _WORDS.fullmatch(name) and len(name) < 40 else _hashed(kind, (name,), 63)


def _is_plain(word: str) -> bool:
    """Whether a name can stand in generated names as it is: between our own words nobody could misread it."""
    return bool(_WORDS.fullmatch(word)) and not {"count", "score"} & set(word.split("_"))


def _hashed(readable: str, parts: Iterable[str], longest: int) -> str:
    """As much of a name as fits, and a hash of all of it."""
    mark = "___" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    return readable[: longest - len(mark)].rstrip("_") + mark


def _cleaned(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


BREAK = re.compile(
    r"""
      "[^"]*"
    | (?<![\w$])(?<![^\x00-\x7f]) [eE]'(?:\\.|''|[^'\\])*'
    | '[^']*'
    | (?<![\w$])(?<![^\x00-\x7f]) (?P<tag>\$(?:(?:[A-Za-z_]|[^\x00-\x7f])(?:[A-Za-z0-9_]|[^\x00-\x7f])*)?\$).*?(?P=tag)
    | --[^\n]*
    | \n
    """,
    re.DOTALL | re.VERBOSE,
)
"""What may hold a line break that is no layout, or a quote that is none; else a line break."""


def same(left: Iterable[Sql], right: Iterable[Sql]) -> Sql:
    """Equality of two keys, column by column."""
    return Sql(" and ").join(Sql("{} = {}").format(a, b) for a, b in zip(left, right, strict=True))


def unequal(left: Sql, right: Sql) -> Sql:
    """Whether two values differ by the equality of their type, which an operator's name may miss; NULL equals NULL."""
    return Sql(" operator(pg_catalog.<>) ").join(one_type(left, right))


def key_hash(columns: Iterable[Sql]) -> Sql:
    """A text that is the same for keys that are equal, whatever their own texts: numeric 1 and 1.0, -0 and 0."""
    return Sql("hash_record_extended(row({}), 0)::text").format(Sql(", ").join(columns))


def record(columns: Iterable[Sql]) -> Sql:
    """A row as a record: it is compared by the types' own order and equality, whatever the search_path."""
    return Sql("row({})::pg_catalog.record").format(Sql(", ").join(columns))


def one_type(left: Sql, right: Sql) -> tuple[Sql, Sql]:
    """Two values as records of the one type that both can be: a domain's value and its base type's, varchar and text."""
    either = Sql("case when true then {} else {} end")
    return record([either.format(left, right)]), record([either.format(right, left)])


def dollar(body: str) -> Sql:
    """A function body in dollar quotes that it cannot close."""
    tag, number = "$modelpack$", 1
    while tag[:-1] in body:
        number += 1
        tag = f"$modelpack_{number}$"
    return Sql(f"{tag}{body}{tag}")


def remark(text: str) -> Sql:
    """A comment, whatever names it tells of: in lines that fit a terminal, but for names that do not."""
    words = wrap(" ".join(text.split()), WIDTH - 3, break_long_words=False, break_on_hyphens=False)
    return Sql("\n".join(f"-- {line}" for line in words))
