"""Generated SQL from templates that look like what they make: `templates/*.sql`, in Jinja2.

A template is SQL with values in it, `{{ plan.table }}`, and lines that begin with `%` and vanish: `% if`, `% else`,
`% endif`, `% for column in columns`, `% endfor`, `% set`, `% macro`, `% from "parts.sql" import …`, and `%#` for a remark
about the template itself. A remark that helps whoever reads the function in the database is an SQL comment.

Text is never code. A value goes in only if it is `Sql`, a number, or what a macro has made; all else raises TypeError.
A name goes through the filter `ident`, a text through `literal`, a text that a comment tells of through `note` (`remark`
makes the whole comment):

    update {{ plan.table }} as p
       set {{ name | ident }} = 1
     where tg_relid = {{ plan.table | literal }}::regclass  -- {{ plan.profile.table | note }}

A value does not go inside of quotes or of a comment: `'{{ name }}'` raises. Python composes an expression by
`Sql("{} = {}").format(a, b)`, which takes nothing but SQL, too; an f-string is a text again.

Layout follows from where a value stands. A value of several lines has its further lines set in to the column where its
first one begins, within other values too; nobody counts. A line that holds nothing but empty values vanishes, so an
optional part is `{{ part }}` on a line of its own. A last line break is dropped, of a template and of a value. Lists:

    select {{ columns | lines(",") }}            one below the other, a comma after each but the last
     where {{ tests | lines(before="or ") }}     the same with a word before each but the first
     order by {{ keys | join(", ") }}            on one line
    row({{ names | of("new") | join(", ") }})    new.a, new.b
    {{ names | each(m) | join(" or ") }}         what the macro `m` makes of each; of a pair it takes both
    {{ names | each(m, row) | join(" or ") }}    the same with a further argument
    select {{ pairs | selected | join(", ") }}   1 as a, 2 as b, of names and expressions
       set {{ pairs | assigned | lines(",") }}   a = 1, b = 2

A line of more than 120 columns is broken when all is done (`breaking`), but within no text: `{{ text | lines_of_text }}` is a
literal of as many lines as it takes.

What is longer than such a list is a loop, and `{% if not loop.last %},{% endif %}` its comma. A message that names something
is `{{ "{} has no trigger" | filled(plan.table) | literal }}`; Python's `same(left, right)` is there, too.

How to convert a function of this package: put its body into `templates/NAME.sql`; what is more than an if or a for stays
in Python and reaches the template as a value with a good name; then

    Function(plan.name("guard"), {}, TRIGGER, render("guard.sql", plan=plan, kept=kept), comment)

What several functions have in common is a macro in `templates/parts.sql`; `part` is for Python that still needs one. The
gallery (docs/generated) shows whether the text has stayed what it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateSyntaxError, Undefined, pass_context
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from jinja2.runtime import Context
from markupsafe import Markup

from modelpack.compile.breaking import LONGEST, broken
from modelpack.compile.sql import (
    BREAK,
    PATH,
    STATEMENT,
    Sql,
    dollar,
    ident,
    key_hash,
    lines_of_text,
    literal,
    remark,
    same,
)

# Marks in a text that is not finished: no SQL text holds NUL (see `Sql`).
_OPEN, _CLOSE, _EMPTY, _TOLD = "\0(", "\0)", "\0-", "\0:"

_TOKEN = re.compile(rf"\0[():] | {BREAK.pattern}", BREAK.flags)
_MARK = re.compile("\0.")
_VANISHING = re.compile(rf"^[ \t]*(?:{_EMPTY}[ \t]*)+(?:\n|\Z)", re.MULTILINE)


class _Strict(Extension):
    """What a template may not say, and remarks that vanish with their line."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002
        """`%# …` as a line that vanishes and does nothing: lines keep their numbers."""
        return re.sub(r"^[ \t]*%#.*$", "% set _ = none", source, flags=re.MULTILINE)

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """Operators that join texts: Jinja2 escapes a text there as HTML, and takes it for safe from then on."""
        for token in stream:
            if token.type in ("tilde", "add", "mod"):
                raise TemplateSyntaxError(
                    "a template joins no texts by operators; write them next to each other",
                    token.lineno,
                    stream.name,
                    stream.filename,
                )
            yield token


class _Note(Markup):
    """A text on one line, for a comment."""


def _note(text: str) -> _Note:
    """A text that a comment tells of: it cannot end the comment."""
    return _Note(_TOLD + " ".join(text.replace("\0", " ").split()))


@pass_context
def _accept(context: Context, value: object) -> Markup:
    """What goes in for `{{ value }}`, with marks where it begins and ends."""
    if isinstance(value, Undefined):
        str(value)  # raises, and says what is missing
    if isinstance(value, _Note):
        return value
    if type(value) is int:
        return Markup(str(value))
    if not isinstance(value, (Sql, Markup)):  # macros give Markup
        raise TypeError(
            f"{context.name}: {value!r} is no SQL but {type(value).__name__}; pass it through ident, literal or note"
        )
    text = _VANISHING.sub("", str(value)).removesuffix("\n")
    return Markup(f"{_OPEN}{text}{_CLOSE}" if _MARK.sub("", text).strip() else _EMPTY)


@pass_context
def _lines(context: Context, items: Iterable[object], after: str = "", before: str = "") -> Markup:
    """Items one below the other."""
    return Markup(f"{after}\n{before}".join(_accept(context, item) for item in items))


@pass_context
def _join(context: Context, items: Iterable[object], between: str) -> Markup:
    """Items on one line."""
    return Markup(between.join(_accept(context, item) for item in items))


def _each(items: Iterable[object], macro: Callable[..., Markup], *more: object) -> list[Markup]:
    """What a macro makes of each item and of `more`; a tuple is several arguments."""
    return [macro(*item, *more) if isinstance(item, tuple) else macro(item, *more) for item in items]


def _filled(text: str, *values: str) -> str:
    """A text with others in the places of `{}`: a text still, for `literal`."""
    return str(text).format(*values)


def _quoted(name: str) -> Sql:
    return name if isinstance(name, Sql) else ident(name)


def _of(columns: Iterable[str], row: str) -> list[Sql]:
    """Columns of a row. Names that are `Sql` are quoted already, here and below."""
    return [Sql("{}.{}").format(_quoted(row), _quoted(column)) for column in columns]


def _selected(columns: Iterable[tuple[str, Sql]]) -> list[Sql]:
    """`expression as name`."""
    return [Sql("{} as {}").format(sql, _quoted(name)) for name, sql in columns]


def _assigned(columns: Iterable[tuple[str, Sql]]) -> list[Sql]:
    """`name = expression`."""
    return [Sql("{} = {}").format(_quoted(name), sql) for name, sql in columns]


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("modelpack.compile", "templates"),
        undefined=StrictUndefined,
        autoescape=True,  # macros give Markup then, which tells what they made from texts
        finalize=_accept,
        line_statement_prefix="%",
        auto_reload=False,
        extensions=[_Strict],
    )
    # none of Jinja2's own: `safe` and `replace` make code of texts
    made.filters = {
        "ident": ident,
        "literal": literal,
        "lines_of_text": lines_of_text,
        "dollar": dollar,
        "note": _note,
        "remark": remark,
        "lines": _lines,
        "join": _join,
        "of": _of,
        "each": _each,
        "filled": _filled,
        "length": len,
        "selected": _selected,
        "assigned": _assigned,
    }
    made.globals = {"path": literal(PATH), "statement": STATEMENT, "same": same, "key_hash": key_hash}
    return made


ENVIRONMENT = _environment()


def render(template: str, /, **values: object) -> Sql:
    """The SQL of `templates/TEMPLATE` with `values` in it."""
    return _laid_out(ENVIRONMENT.get_template(template).render(**values), template)


def part(macro: str, /, **values: object) -> Sql:
    """The SQL of a macro of `templates/parts.sql`."""
    return _made("parts.sql", macro, values)


def statement(macro: str, /, **values: object) -> Sql:
    """The SQL of a macro of `templates/script.sql`."""
    return broken(_made("script.sql", macro, values), LONGEST - len(";"))


def _made(template: str, macro: str, values: dict[str, object]) -> Sql:
    made = getattr(ENVIRONMENT.get_template(template).module, macro)(**values)
    return _laid_out(made, f"{macro} of {template}")


def _laid_out(text: str, template: str) -> Sql:
    """The finished text: lines set in to where their value begins, but for breaks within names, texts and comments."""
    text = _VANISHING.sub("", text).removesuffix("\n").replace(_EMPTY, "")
    made: list[str] = []
    margins, column, done = [0], 0, 0
    for found in _TOKEN.finditer(text):
        token, before = found[0], text[done : found.start()]
        made.append(before)
        column += len(before)
        done = found.end()
        if token == _OPEN:
            margins.append(column)
        elif token == _CLOSE:
            margins.pop()
        elif token == "\n":
            column = margins[-1]
            made.append("\n" + " " * column)
        elif token == _TOLD:
            raise TypeError(f"{template}: a note stands outside of a comment")
        else:
            if token.startswith("--"):
                token = token.replace(_TOLD, "")
                while token.endswith(_CLOSE):  # of a value that ends with this comment
                    token = token.removesuffix(_CLOSE)
                    margins.pop()
            if "\0" in token:
                raise TypeError(
                    f"{template}: a value stands inside of quotes or of a comment: {_MARK.sub('', token)}"
                )
            column = len(token) - token.rfind("\n") - 1 if "\n" in token else column + len(token)
            made.append(token)
    return Sql("".join([*made, text[done:]]))
