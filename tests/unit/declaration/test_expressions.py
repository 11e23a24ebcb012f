"""SQL expressions of a declaration: which columns they read, and what cannot be one."""

from __future__ import annotations

import pytest

from modelpack import DeclarationError, age, expression, ratio
from modelpack.declaration import Input
from modelpack.declaration.expressions import (
    LONGEST,
    Expression,
    Resolved,
    check_condition,
    over_event,
    steady,
)


@pytest.mark.parametrize(
    ("written", "columns", "over"),
    [
        ("severity > 1", ["severity"], "e.severity > 1"),
        ("b > a and b < 3", ["b", "a"], "e.b > e.a and e.b < 3"),
        ("KIND = 1", ["kind"], "e.KIND = 1"),
        ('"Kind" = 1', ["Kind"], 'e."Kind" = 1'),
        ('"two words" is null', ["two words"], 'e."two words" is null'),
        ("kind = 'kind' and kind <> ''", ["kind"], "e.kind = 'kind' and e.kind <> ''"),
        ("lower(plan)::text = 'pro'", ["plan"], "lower(e.plan)::text = 'pro'"),
        ("""plan collate "C" > 'a'""", ["plan"], """e.plan collate "C" > 'a'"""),
        ("""plan collate pg_catalog."C" > 'a'""", ["plan"], """e.plan collate pg_catalog."C" > 'a'"""),
        ("plan in ('a', 'b')", ["plan"], "e.plan in ('a', 'b')"),
        (
            "case when a > 0 then b else c end > 1",
            ["a", "b", "c"],
            "case when e.a > 0 then e.b else e.c end > 1",
        ),
        ("true", [], "true"),
    ],
)
def test_every_column_is_read_from_the_row_and_nothing_else_changes(
    written: str, columns: list[str], over: str
) -> None:
    found = Expression(written, what="where=")
    assert (found.columns, found.over("e")) == (columns, over)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("a >", "no SQL expression"),
        ("a; drop table customer", "without comments or ';'"),
        ("a -- b", "without comments or ';'"),
        ("a /* b */", "without comments or ';'"),
        ("a, b", "expected one SQL expression"),
        ("a as b", "expected one SQL expression"),
        ("a from b", "expected one SQL expression"),
        ("a where b", "expected one SQL expression"),
        ("a limit 1", "expected one SQL expression"),
        ("a in (select 1)", "may read the columns of its own row only"),
        ("exists (select from b)", "may read the columns of its own row only"),
        ("sum(a) > 1", "may read the columns of its own row only"),
        ("row_number() over () = 1", "may read the columns of its own row only"),
        ("e.severity > 1", r"write severity instead of e\.severity"),
        ("at > now()", "does not depend on the row alone"),
        ("a > random()", "does not depend on the row alone"),
        ("a = $1", "no value here|no SQL expression"),
        ("U&'x' = a", "U&'…' is no text"),
        ("a = 'x\0'", "has the character NUL"),
        ("a = 'x\ud800'", "half of a surrogate pair"),
        (f"a = '{'x' * LONGEST}'", f"expected at most {LONGEST}"),
        (f'"{"n" * 64}" = 1', "has 64 bytes"),
    ],
)  # fmt: skip
def test_what_is_not_one_expression_over_the_row_is_refused(written: str, why: str) -> None:
    with pytest.raises(DeclarationError, match=rf"(?s)^(a column of )?where= .*({why})"):
        Expression(written, what="where=")


@pytest.mark.parametrize(
    ("written", "means"),
    [
        (r"a = 'x\y'", r"a = E'x\\y'"),
        (r"a = E'x\\y'", r"a = E'x\\y'"),
        (r"a = $$x\y$$", r"a = $$x\y$$"),
        (r"a = $t$x'\y$t$", r"a = $t$x'\y$t$"),
        (r'"x\y" = 1', r'"x\y" = 1'),
        (r"a = 'it''s \'", r"a = E'it''s \\'"),
        ("a = 'x'", "a = 'x'"),
    ],
)
def test_a_backslash_means_the_same_whatever_the_server_takes_it_for(written: str, means: str) -> None:
    assert steady(written) == means
    assert steady(means) == means


def test_what_the_server_has_resolved_is_taken_as_it_is() -> None:
    resolved = Resolved("(e.a OPERATOR(public.=) 1)")
    check_condition(resolved, "where=")
    assert over_event(resolved) == "((e.a OPERATOR(public.=) 1))"


def test_a_ratio_divides_by_no_zero_and_cannot_fail() -> None:
    made = ratio("spend", "purchases")
    assert made.sql == "p.spend::double precision / nullif(p.purchases::double precision, 0)"
    assert (made.columns, made.may_fail) == (("spend", "purchases"), False)


def test_an_age_reads_one_column_and_the_moment() -> None:
    made = age('"Last seen"')
    assert (made.columns, made.may_fail) == (("Last seen",), False)
    assert 'date_part(\'epoch\', "the moment" - p."Last seen"::timestamptz) / 86400' in made.sql


def test_an_expression_may_fail_and_keeps_together() -> None:
    made = expression("spend + 1")
    assert (made.sql, made.columns, made.may_fail) == ("(p.spend + 1)", ("spend",), True)


@pytest.mark.parametrize(
    "made", [lambda: age("spend + 1"), lambda: ratio("a", "b - c"), lambda: ratio("1", "b")]
)
def test_what_takes_a_column_takes_no_expression(made: object) -> None:
    with pytest.raises(DeclarationError, match=r"takes the name of a profile column, found '"):
        made()  # type: ignore[operator]


@pytest.mark.parametrize("written", ["$1", ":moment", "$modelpack$", "1 + $modelpack$"])
def test_the_sql_of_an_input_has_no_parameter_and_no_text_without_an_end(written: str) -> None:
    with pytest.raises(DeclarationError, match="parameters have no value here, and a text in dollar quotes"):
        Input(written, ())
    assert Input("$a$ b $a$ || '$1'", ()).sql == "$a$ b $a$ || '$1'"
