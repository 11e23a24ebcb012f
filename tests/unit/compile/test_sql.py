"""Quoting: names and texts of users stand in SQL as what they are."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelpack import DeclarationError
from modelpack.compile.sql import (
    WIDTH,
    Sql,
    dollar,
    ident,
    lines_of_json,
    lines_of_text,
    literal,
    one_type,
    qualified,
    remark,
    same,
    unquoted,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
BODIES = st.lists(
    st.sampled_from(["$modelpack$", "$modelpack", "$modelpack_2$", "$modelpack_2", "$", "x"])
).map("".join)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("customer", "customer"),
        ("_a1", "_a1"),
        ("Customer", '"Customer"'),
        ("order", '"order"'),
        ("loop", '"loop"'),
        ("1st", '"1st"'),
        ("two words", '"two words"'),
        ('a"b', '"a""b"'),
        ("größe", '"größe"'),
        ("", '""'),
    ],
)
def test_a_name_is_quoted_where_it_would_be_read_as_another(name: str, written: str) -> None:
    assert ident(name) == written


@given(TEXTS)
def test_a_quoted_name_is_the_name(name: str) -> None:
    assert unquoted(ident(name)) == name
    assert '"' not in ident(name)[1:-1].replace('""', "")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("x", "'x'"),
        ("it's", "'it''s'"),
        ("a\\b", "E'a\\\\b'"),
        ("\\'", "E'\\\\'''"),
        ("", "''"),
        ("$1", "'$1'"),
    ],
)
def test_a_text_is_quoted_alike_for_every_setting(text: str, written: str) -> None:
    assert literal(text) == written


@given(TEXTS)
def test_a_literal_ends_where_its_text_does(text: str) -> None:
    inside = literal(text).removeprefix("E")[1:-1]
    assert "'" not in inside.replace("''", "")
    assert inside.replace("''", "'").replace("\\\\", "\\") == text


def test_a_long_text_stands_in_several_lines_that_are_broken_behind_words() -> None:
    words = "it's one of many words "
    lines = lines_of_text(words * 12 + "\\").split("\n")
    assert [len(line) for line in lines] == [112, 115, 70]
    assert lines[0].startswith("E'it''s one")
    assert lines[1].startswith("'many words it''s")
    assert "".join(line.removeprefix("E")[1:-1] for line in lines) == words.replace("'", "''") * 12 + "\\\\"
    assert lines_of_text("short") == "'short'"


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXTS, st.just("p.amount is not null")),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(TEXTS, inner)),
    max_leaves=30,
)


@given(VALUES)
def test_json_in_lines_is_the_same_json(value: object) -> None:
    written = lines_of_json(value)
    assert written.endswith("'::jsonb")
    inside = written.removeprefix("E").removesuffix("::jsonb")[1:-1]
    assert json.loads(inside.replace("''", "'").replace("\\\\", "\\")) == value


@given(st.recursive(st.just("forty letters of a text at the very most"), st.lists, max_leaves=60))
def test_lines_of_json_fit_where_an_array_has_several(value: object) -> None:
    depth = max(len(line) - len(line.lstrip()) for line in lines_of_json(value).split("\n"))
    assert depth > 60 or all(len(line) <= WIDTH for line in lines_of_json(value).split("\n"))


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_what_no_text_can_hold_is_refused(text: str) -> None:
    for quote in (ident, literal):
        with pytest.raises(DeclarationError, match="which no name and no text in PostgreSQL can have"):
            quote(text)


def test_nothing_is_quoted_twice() -> None:
    with pytest.raises(TypeError, match="is SQL already"):
        ident(ident("order"))


@pytest.mark.parametrize(
    ("table", "written"),
    [("customer", "public.customer"), ("shop.customer", "shop.customer"), ("Shop.order", '"Shop"."order"')],
)
def test_a_table_is_written_with_its_schema(table: str, written: str) -> None:
    assert qualified(table) == written


@given(BODIES)
def test_a_body_never_closes_its_dollar_quotes(body: str) -> None:
    quoted = dollar(body)
    tag = quoted[: quoted.index("$", 1) + 1]
    assert quoted == f"{tag}{body}{tag}"
    assert quoted.index(tag, len(tag)) == len(tag) + len(body)


@given(TEXTS)
def test_a_remark_stays_a_comment(text: str) -> None:
    assert all(line.startswith("-- ") for line in remark(text).split("\n") if line)


def test_keys_are_compared_column_by_column() -> None:
    left, right = [ident("a"), ident("b")], [ident("c"), ident("d")]
    assert same(left, right) == "a = c and b = d"
    with pytest.raises(ValueError, match="shorter"):
        same(left, right[:1])


def test_two_values_become_records_of_one_type() -> None:
    left, right = one_type(Sql("a"), Sql("b"))
    assert "case when true then a else b end" in left
    assert "case when true then b else a end" in right
