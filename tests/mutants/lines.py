"""Which tests come by which lines of the Python code, and how long each takes: a plugin of pytest's, with coverage.py.

`make mutants-map` runs the tests with it; `.modelpack/lines.jsonl` has an object for each test, written when it ends. Lines that
run when a module is imported are nobody's, and what a process of its own runs is not seen.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mutants.calls import LINES

ROOT = Path(__file__).resolve().parents[2]

watching: Any = importlib.import_module("coverage").Coverage(
    data_file=None, source=[str(ROOT / "modelpack"), str(ROOT / "plpython")], config_file=False
)
watching.set_option("run:disable_warnings", ["no-data-collected"])  # a test that is skipped, or comes by none


def pytest_configure() -> None:
    """Watch from the beginning, so that no module is imported unseen."""
    watching.start()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Write down where the test came by: what its fixtures did for it, too."""
    watching.get_data().erase()
    watching.switch_context(item.nodeid)
    begun = time.monotonic()
    result = yield
    seconds = round(time.monotonic() - begun, 2)
    found = watching.get_data()
    found.set_query_context(item.nodeid)
    lines = {
        Path(name).relative_to(ROOT).as_posix(): sorted(numbers)
        for name in found.measured_files()
        if (numbers := found.lines(name))
    }
    with LINES.open("a") as file:  # one write, so that workers do not mix their lines
        file.write(json.dumps({"test": item.nodeid, "seconds": seconds, "lines": lines}) + "\n")
    return result
