"""migrations/subjects.toml names every function, table and view of the schema once, and nothing else."""

from __future__ import annotations

import re
from collections import Counter

from docs.sql import every_routine, page, relations, subjects
from modelpack.snapshots import SNAPSHOTS


def test_every_function_has_a_subject_and_no_name_is_dead() -> None:
    named = set(subjects()["functions"])
    assert named == {routine.name for routine in every_routine()}
    assert named == {path.name for path in SNAPSHOTS.iterdir() if path.is_dir() and path.name[0] != "_"}


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
