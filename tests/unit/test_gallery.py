"""The gallery of generated SQL is what the compiler makes of its declarations now."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.gallery import FOLDER, changes, declarations, pages, script
from modelpack.compile.plan import make_plan
from modelpack.compile.script import generated_functions
from modelpack.compile.sql import WIDTH, dollar
from modelpack.declaration import load_profiles

INPUT = "the expression of an input is a text of the declaration's, and stands where a version is fed as it was declared"
RELEASED = (
    "is written by a released function that runs as a superuser: it is not replaced for the layout of a text"
)
LONG = {
    ("crossings.sql", "  if (pg_catalog.width_bucket(new.churn, "): f"{RELEASED} (crossing_table)",
    ("crossings.sql", "    -- no score crosses nothing; a first one"): f"{RELEASED} (crossing_table)",
    ("crossings.sql", "                                 or pg_catalog."): f"{RELEASED} (crossing_table)",
    (
        "crossings.sql",
        "      perform modelpack.customer_score_churn_cross_row(",
    ): f"{RELEASED} (crossing_table)",
    ("crossings.sql", "  perform modelpack.customer_score_churn_crossed("): f"{RELEASED} (crossing_table)",
    ("crossings.sql", "                       case when is_new then"): f"{RELEASED} (crossing_table)",
    ("crossings.sql", "   where c.transaction_id = "): f"{RELEASED} (follow_crossings)",
    ("crossings.sql", "    insert into modelpack.crossing "): f"{RELEASED} (follow_crossings)",
    ("crossings.sql", "    values ('public.customer', "): f"{RELEASED} (follow_crossings)",
    (
        "crossings.sql",
        "    -- until the transaction, or the savepoint, ends:",
    ): f"{RELEASED} (follow_crossings)",
    ("promoted.sql", "  v_id constant integer := "): f"{RELEASED} (bind)",
    ("promoted.sql", "  select moment, 'public.customer', "): f"{RELEASED} (bind)",
    ("promoted.sql", "  if not exists (select from modelpack.profile "): f"{RELEASED} (bind)",
    ("promoted.sql", "      message = 'could not serialize access: "): f"{RELEASED} (bind)",
    ("promoted.sql", "         (case when isfinite(p.last_purchase_at) "): INPUT,
    ("shop.sql", '            "sql": "case when isfinite('): INPUT,
    ("shop.sql", '          "sql": "case when isfinite('): INPUT,
    ("versions_beside.sql", "  return query select p.churn_arm, "): f"{RELEASED} (arm_table)",
    ("versions_beside.sql", "AS $function$select (case p.churn_arm "): f"{RELEASED} (arrange)",
    ("versions_beside.sql", "  v_id constant integer := "): f"{RELEASED} (bind)",
    ("versions_beside.sql", "         (case when isfinite(p.last_purchase_at) "): INPUT,
}
"""Pages and how lines begin that are longer than all others may be, and why."""

EXAMPLE = Path(__file__).parents[2] / "examples" / "declaration.py"


@pytest.mark.parametrize("name", declarations())
def test_a_script_is_what_the_compiler_makes(name: str) -> None:
    page = f"generated/{name}.sql"
    difference = changes({page: pages()[page]})
    assert not difference, f"\n{difference}\nrun: make docs, and look at what it changes"


def test_the_index_names_every_file_and_no_other() -> None:
    text = (FOLDER / "README.md").read_text()
    linked = set(re.findall(r"\]\(([^)]+)\)", text))
    assert linked == {path.name for path in FOLDER.iterdir() if path.suffix in (".sql", ".py")}


def test_the_shop_is_that_of_the_readme() -> None:
    assert load_profiles(FOLDER / "shop.py") == load_profiles(EXAMPLE)


def test_lines_of_the_pages_fit_but_for_those_that_have_a_reason() -> None:
    found = {
        (page.name, line)
        for page in FOLDER.glob("*.sql")
        for line in page.read_text().split("\n")
        if len(line) > WIDTH
    }
    excused = {
        (page, begin): {(p, line) for p, line in found if p == page and line.startswith(begin)}
        for page, begin in LONG
    }
    assert found - set().union(*excused.values()) == set()
    assert [line for line, lines in excused.items() if not lines] == []  # these have become shorter


@pytest.mark.parametrize("name", declarations())
def test_a_script_tells_nothing_of_where_and_when_it_was_made(name: str) -> None:
    text = script(name)
    assert text == script(name)
    assert str(Path.cwd()) not in text
    assert text.startswith("-- ")
    assert text.endswith("commit;\n")


@pytest.mark.parametrize("name", declarations())
def test_functions_are_held_against_the_very_bodies_that_a_script_makes(name: str) -> None:
    text = script(name)
    [profile] = load_profiles(FOLDER / f"{name}.py")
    for function, body in generated_functions(profile).items():
        assert f"as {dollar(body)};" in text, function


@pytest.mark.parametrize("name", declarations())
def test_a_declaration_means_the_same_whenever_it_is_read(name: str) -> None:
    first, again = (make_plan(*load_profiles(FOLDER / f"{name}.py")) for _ in range(2))
    assert first.events == again.events
