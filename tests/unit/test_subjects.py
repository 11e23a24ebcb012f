"""Every function, table and view of the schema has one subject: its folder, or a line of migrations/subjects.toml."""

from __future__ import annotations

import re
from collections import Counter

from docs.sql import every_routine, page, relations, subjects
from modelpack.plpython_source import functions
from modelpack.snapshots import FUNCTIONS, files


def test_every_function_has_a_subject_and_no_name_is_dead() -> None:
    assert set(subjects()["functions"]) == {routine.name for routine in every_routine()}


def test_a_name_says_which_file_it_is() -> None:
    live = [path.stem for path in FUNCTIONS.glob("*/*.sql")] + functions()
    assert [name for name, times in Counter(live).items() if times > 1] == []
    for name, path in files().items():
        if path.is_relative_to(FUNCTIONS):
            made = re.findall(
                r"^create or replace (?:function|procedure) modelpack\.(\w+)\(",
                path.read_text(),
                re.MULTILINE,
            )
            assert set(made) == {name}, path


def test_a_room_is_seen_at_a_glance() -> None:
    rooms = Counter(path.parent.name for path in FUNCTIONS.glob("*/*.sql"))
    assert {room: number for room, number in rooms.items() if not 5 <= number <= 20} == {}
    assert {
        room for room, number in Counter(subjects()["functions"].values()).items() if number > 20
    } == set()


def test_every_table_and_view_has_a_subject_and_no_name_is_dead() -> None:
    assert set(subjects()["tables"]) == {name for _, name in relations()}


def test_every_subject_has_a_title_and_is_of_use() -> None:
    known = subjects()
    assert set(known["subjects"]) == {*known["functions"].values(), *known["tables"].values()}


def test_the_page_has_one_entry_for_a_name_and_its_links_lead_somewhere() -> None:
    text = page()
    headings = [line.lower().replace(" ", "-") for line in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    assert [heading for heading, times in Counter(headings).items() if times > 1] == []
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= set(headings)
    for routine in every_routine():
        assert routine.call in text, routine.call
