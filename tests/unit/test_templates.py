"""Templates of generated SQL: text is never code, and layout follows from where a value stands."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from jinja2 import BaseLoader, ChoiceLoader, DictLoader, Environment, TemplateSyntaxError, UndefinedError

from docs.gallery import FOLDER, declarations, script
from modelpack.compile.count import CountSql
from modelpack.compile.plan import make_plan
from modelpack.compile.render import ENVIRONMENT, render
from modelpack.compile.sql import Sql, ident, literal
from modelpack.compile.upkeep import compared
from modelpack.declaration import load_profiles
from modelpack.errors import DeclarationError
from modelpack.training import training_sql

Make = Callable[..., str]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Render a template from its text; other templates by their names."""

    def made(text: str, /, **values: object) -> str:
        others = {name: other for name, other in values.items() if name.startswith("template_")}
        loader = DictLoader({"one": text, **others})  # type: ignore[arg-type]
        monkeypatch.setattr(ENVIRONMENT, "loader", ChoiceLoader([loader, *_loaders]))
        ENVIRONMENT.cache.clear()  # type: ignore[union-attr]
        try:
            return str(render("one", **values))
        finally:
            monkeypatch.undo()
            ENVIRONMENT.cache.clear()  # type: ignore[union-attr]

    return made


_loaders = [ENVIRONMENT.loader] if ENVIRONMENT.loader else []


@pytest.mark.parametrize("value", ["customer", None, True, 1.5, ["a"]])
def test_what_is_no_sql_is_refused_and_named(make: Make, value: object) -> None:
    with pytest.raises(TypeError, match=r"one: .* is no SQL but .*; pass it through ident, literal or note"):
        make("select {{ value }}", value=value)


def test_a_plain_text_is_refused_in_a_macro_and_in_a_list(make: Make) -> None:
    with pytest.raises(TypeError, match="'x' is no SQL"):
        make("% macro m(a)\n{{ a }}\n% endmacro\n{{ m('x') }}")
    for way in ('lines(",")', 'join(", ")'):
        with pytest.raises(TypeError, match="'x' is no SQL"):
            make("{{ a | " + way + " }}", a=[Sql("y"), "x"])


@pytest.mark.parametrize("text", ["{{ a ~ b }}", "{{ a + b }}", "{{ a % b }}"])
def test_texts_are_not_joined_by_operators(make: Make, text: str) -> None:
    with pytest.raises(TemplateSyntaxError, match="joins no texts"):
        make(text, a=Sql("a"), b="<")


@pytest.mark.parametrize("name", ["safe", "replace", "format", "escape"])
def test_filters_that_make_code_of_texts_are_not_there(make: Make, name: str) -> None:
    with pytest.raises(TemplateSyntaxError, match="No filter named"):
        make("{{ a | " + name + " }}", a="a")


def test_a_value_that_is_missing_is_named(make: Make) -> None:
    with pytest.raises(UndefinedError, match="'missing' is undefined"):
        make("{{ missing }}")


@pytest.mark.parametrize("text", ["'{{ a }}'", '"{{ a }}"', "-- {{ a }}", "$x$ {{ a }} $x$", "E'{{ a }}'"])
def test_a_value_inside_of_quotes_or_of_a_comment_is_refused(make: Make, text: str) -> None:
    with pytest.raises(TypeError, match="one: a value stands inside of quotes or of a comment"):
        make(text, a=Sql("a"))


def test_names_and_literals_are_quoted_and_nothing_is_escaped_as_html(make: Make) -> None:
    made = make("{{ a | ident }} <> {{ a | literal }} & {{ n }}", a='<a\'s & "b">', n=-1)
    assert made == '"<a\'s & ""b"">" <> \'<a\'\'s & "b">\' & -1'


def test_a_comment_tells_of_a_text_on_one_line(make: Make) -> None:
    text = "a\nb\rdrop table c\u2028d"
    assert make("-- of {{ a | note }}\nselect 1", a=text) == "-- of a b drop table c d\nselect 1"


def test_a_note_is_for_comments_alone(make: Make) -> None:
    with pytest.raises(TypeError, match="one: a note stands outside of a comment"):
        make("{{ a | note }}", a="1")
    for text in ("'{{ a | note }}'", '"{{ a | note }}"', "$$ -- {{ a | note }} $$"):
        with pytest.raises(TypeError, match="one: a value stands inside of quotes"):
            make(text, a="1")


def test_lines_are_set_in_to_where_their_value_begins(make: Make) -> None:
    inner = Sql("case\n  when b\nend")
    text = "% macro m(x)\n(\n  select {{ x }} as c,\n         d\n)\n% endmacro\nif exists {{ m(x) }} then\n   {{ x }}\n"
    assert make(text, x=inner).splitlines() == [
        "if exists (",
        "            select case",
        "                     when b",
        "                   end as c,",
        "                   d",
        "          ) then",
        "   case",
        "     when b",
        "   end",
    ]


def test_a_value_that_was_rendered_before_is_set_in_as_a_whole(make: Make) -> None:
    inner = Sql(make("a {{ x }}", x=Sql("(\n  b\n)")))
    assert make("  {{ x }}", x=inner) == "  a (\n      b\n    )"


def test_a_list_stands_one_below_the_other(make: Make) -> None:
    items = [ident("a"), Sql("f(\n  b\n)"), literal("c\nd")]
    assert make("select {{ x | lines(',') }}\n", x=items) == (
        "select a,\n       f(\n         b\n       ),\n       'c\nd'"
    )
    assert make("if {{ x | lines(before='or ') }} then", x=items[:2]) == (
        "if a\n   or f(\n        b\n      ) then"
    )
    assert make("({{ x | of('new') | join(', ') }})", x=["a", 'B"']) == '(new.a, new."B""")'


HOSTILE = [
    literal("a\nb'\nc"),
    literal("a\\\nb'\nc"),
    ident('a\n"b'),
    Sql("$a$x\ny'$a$"),
    Sql("$$x\n$a$\ny'$$"),
    Sql("-- it's\n1"),
]


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_breaks_within_names_and_texts_stay_as_they_are(make: Make, value: Sql) -> None:
    layered = Sql(make("(\n  {{ x }},\n  {{ x }}\n)", x=value))
    made = make("  f{{ y }}", y=layered)
    inside = value if not value.startswith("--") else value.replace("\n", "\n     ")
    assert made == f"  f(\n     {inside},\n     {inside}\n   )"


def test_a_value_may_end_with_a_comment_where_its_line_ends(make: Make) -> None:
    text = "% macro m(x)\na\n  {{ x }}\n% endmacro\n  {{ m(x) }}\nc"
    assert make(text, x=Sql("(\n  x\n)  -- it's")) == "  a\n    (\n      x\n    )  -- it's\nc"
    with pytest.raises(TypeError, match="inside of quotes or of a comment: -- x, b"):
        make("{{ x }}, b", x=Sql("a -- x"))


def test_what_follows_a_text_with_breaks_is_set_in_from_its_last_line(make: Make) -> None:
    assert make("{{ a }}, {{ b }}", a=literal("x" * 9 + "\ny"), b=Sql("(\n  z\n)")) == (
        f"'{'x' * 9}\ny', (\n      z\n    )"
    )


def test_a_line_with_nothing_but_empty_values_vanishes(make: Make) -> None:
    text = "% macro m(x)\n{{ x }}\n% endmacro\na\n  {{ x }}{{ m(x) }}\n  b{{ x }}\n{{ x }}\nc\n  {{ m(x) }}\n"
    assert make(text, x=Sql("")) == "a\n  b\nc"
    assert make(text, x=Sql("x")) == "a\n  xx\n  bx\nx\nc\n  x"
    around = "% macro m(x)\n{{ x }}\nb\n  {{ x }}\n% endmacro\na {{ m(x) }} c"
    assert make(around, x=Sql("")) == "a b c"


def test_lines_that_begin_with_a_percent_sign_vanish(make: Make) -> None:
    text = "%# a remark, isn't it\na\n  % if x\n  %# another\n  b\n  % endif\nc % 2\n"
    assert make(text, x=True) == "a\n  b\nc % 2"
    assert make(text, x=False) == "a\nc % 2"


def test_nul_is_refused(make: Make) -> None:
    for way in (Sql, ident, literal):
        with pytest.raises(DeclarationError, match="NUL"):
            way("a\0b")
    assert "\0" not in make("-- {{ a | note }}", a="a\0(b")


def test_sql_is_put_together_of_sql_alone() -> None:
    a = ident("a")
    assert Sql("{} = {x}").format(a, x=1) == "a = 1"
    assert type(Sql(", ").join([a, a]) + a) is Sql
    for way in (
        lambda: Sql("{}").format("a"),
        lambda: Sql(", ").join([a, "a"]),
        lambda: a + "a",
        lambda: "a" + a,
        lambda: Sql("%s") % "a",
        lambda: ident(a),
    ):
        with pytest.raises(TypeError):
            way()
    assert not isinstance(f"{a}", Sql)
    assert not isinstance(a[:1], Sql)


_CHECKED_BEFORE = {
    ("feature_sql.py", "over_event(where)"),  # found to be one expression
    ("feature_sql.py", "interval(text)"),
    ("plan.py", "v.sql"),  # likewise
    ("script.py", "kind"),  # of a score's columns
}


def test_only_constants_are_marked_as_sql_by_hand() -> None:
    found = set()
    folder = Path(render.__code__.co_filename).parent
    for path in folder.glob("*.py"):
        if path.name not in ("sql.py", "render.py", "breaking.py"):  # which make SQL
            for call in ast.walk(ast.parse(path.read_text())):
                if isinstance(call, ast.Call):
                    mark = isinstance(call.func, ast.Name) and call.func.id == "Sql"
                    for value in call.args if mark else [a for a in call.args if ast.unparse(a) == "Sql"]:
                        either = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
                        if not all(isinstance(part, ast.Constant) for part in either):
                            found.add((path.name, ast.unparse(value)))
    assert found == _CHECKED_BEFORE


class _Noting(BaseLoader):
    def __init__(self, loader: BaseLoader) -> None:
        self.loader, self.names = loader, set[str]()

    def get_source(self, environment: Environment, template: str):  # type: ignore[no-untyped-def]
        self.names.add(template)
        return self.loader.get_source(environment, template)


def test_every_template_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    noting = _Noting(_loaders[0])
    monkeypatch.setattr(ENVIRONMENT, "loader", noting)
    ENVIRONMENT.cache.clear()  # type: ignore[union-attr]
    for name in declarations():
        script(name)
        plan = make_plan(*load_profiles(FOLDER / f"{name}.py"))
        compared(plan)
        for event in plan.events:
            CountSql(plan, event).tried()
        if all(event.at for event in plan.events):
            training_sql(plan, plan.profile.key, ["2020-01-01"], None, {})
    assert noting.names == set(_loaders[0].list_templates())
