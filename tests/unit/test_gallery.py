"""The gallery of generated SQL is what the compiler makes of its declarations now."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.gallery import FOLDER, changes, declarations, pages, script
from modelpack.compile.plan import make_plan
from modelpack.compile.script import generated_functions
from modelpack.compile.sql import dollar
from modelpack.declaration import load_profiles

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
