"""Long lines of generated SQL are broken between words, and nothing else is changed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelpack.compile.breaking import LONGEST, broken
from modelpack.compile.sql import Sql

WHOLE = [
    "'two words, and (one'",
    "'it''s'",
    "E'a\\' and b'",
    '"a column, and (more"',
    "$$ a and ( b $$",
    "$x$ $$ and , $x$",
]
"""What SQL takes as one thing, spaces and all."""

LEAVES = st.sampled_from([*WHOLE, "p.amount", "n", "12", "interval '90 days'"])
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or", "+", "*", "||", "<>"]), inner).map(" ".join),
        st.lists(inner, min_size=1, max_size=4).map(lambda items: f"sum({', '.join(items)})"),
        st.tuples(inner, inner).map(lambda pair: f"case when {pair[0]} then {pair[1]} else 0 end"),
        inner.map(lambda item: f"({item})"),
    ),
    max_leaves=40,
)


def squeezed(text: str) -> list[str]:
    """What a text of `WHOLE`, words and signs consists of, without the spaces between."""
    whole = "|".join(map(re.escape, sorted(WHOLE, key=len, reverse=True)))
    return re.findall(rf"{whole}|'[^']*'|[\w.]+|[^\s\w]", text)


@given(EXPRESSIONS, st.integers(0, 40))
def test_whatever_is_broken_stays_the_same_sql(expression: str, margin: int) -> None:
    line = " " * margin + f"select {expression} as x"
    made = broken(Sql(line))
    assert squeezed(made) == squeezed(line)
    assert all(part == part.rstrip() for part in made.split("\n"))


@given(EXPRESSIONS)
def test_no_line_is_longer_than_it_may_be_unless_it_is_one_word(expression: str) -> None:
    depth, deepest = 0, 0
    for part in squeezed(expression):
        depth += (part in ("(", "case")) - (part in (")", "end"))
        deepest = max(deepest, depth)
    # so deep that what is set in leaves no room for a word
    if 2 * deepest + max(map(len, WHOLE)) + 20 < LONGEST:
        assert all(len(part) <= LONGEST for part in broken(Sql(f"select {expression} as x")).split("\n"))


@pytest.mark.parametrize(
    "line",
    [
        f"-- {'and ' * 40}",
        f"select 1  -- {'and ' * 40}",
        f"select '{'and ' * 40}'",
        f"select '{'and ' * 40}\nand {'and ' * 40}', 2",
        f"select /* {'and ' * 40} */ 1",
        "select 'short', 2",
    ],
    ids=["a comment", "a comment behind", "a text", "a text of two lines", "a comment within", "short"],
)
def test_what_cannot_be_broken_stays_whole(line: str) -> None:
    assert broken(Sql(line)).replace("\n ", "") == line.replace("\n ", "")
    assert line.split("select ")[-1].rstrip(", 2") in broken(Sql(line)).replace("\n  ", "")


def test_brackets_that_are_further_out_are_broken_first() -> None:
    first = "coalesce(sum(e.amount) filter (where e.at > p.moment - interval '90 days'), 0)"
    second = "coalesce(sum(e.amount) filter (where e.at > p.moment - interval '30 days'), 0)"
    assert broken(Sql(f"  {first} / {second} as ratio,")) == f"  {first}\n    / {second} as ratio,"


def test_what_the_server_says_of_a_function_and_of_a_trigger_is_broken_as_ours() -> None:
    head = (
        f"CREATE OR REPLACE FUNCTION modelpack.of_many({', '.join(f'argument_{n} text' for n in range(7))})"
    )
    assert broken(Sql(head)).startswith("CREATE OR REPLACE FUNCTION modelpack.of_many(argument_0 text, ")
    event = "CREATE TRIGGER counted_by_modelpack_itself AFTER UPDATE ON shop.purchase"
    rows, runs = (
        "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
        "FOR EACH STATEMENT EXECUTE FUNCTION f()",
    )
    assert broken(Sql(f"{event} {rows} {runs}")) == f"{event}\n  {rows} {runs}"
