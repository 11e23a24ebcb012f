"""Commands that need more than the light package say which extra to install, before they connect."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.unit.test_light import loaded

WITHOUT = """
import importlib.util, sys
gone, find = {"altair", "vl_convert", "prometheus_client"}, importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in gone else find(name, package)
from modelpack.cli import main
sys.argv = ["modelpack", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize(
    ("arguments", "library", "extra"),
    [
        (["report", "churn", "-o", "report.html"], "altair, vl-convert-python", "report"),
        (["metrics"], "prometheus-client", "metrics"),
        (["metrics", "--listen", "0"], "prometheus-client", "metrics"),
    ],
)
def test_a_command_that_lacks_its_extra_says_which(arguments: list[str], library: str, extra: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *arguments, "--dsn", "postgresql://nobody@nowhere.invalid/none"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert library in done.stderr
    assert f"pip install 'modelpack[{extra}]'" in done.stderr


def test_what_watches_loads_no_library_before_it_is_asked_to_draw() -> None:
    found = loaded(
        "import modelpack.monitoring.page.render, modelpack.monitoring.page.facts, modelpack.monitoring.metrics, modelpack.monitoring.delivery"
    )
    assert found & {"altair", "vl_convert", "prometheus_client", "numpy", "pandas"} == set()
