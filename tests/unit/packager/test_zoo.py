"""The estimator zoo: each case passes the parity check or is refused in words; never wrong in silence."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from . import zoo
from .zoo import Case, Result

CASES = list(zoo.cases())
SHORT = random.Random(20).sample([c for c in CASES if "RadiusNeighbors" not in c.name], 20)
"""Neighbours within a radius are left out: they refuse most probes one by one, which takes a while."""
MUST_PASS = {
    f"{name}-{setting}-{kind}"
    for name, kind in {
        "LogisticRegression": "binary",
        "RandomForestClassifier": "binary",
        "ExtraTreesClassifier": "binary",
        "GradientBoostingClassifier": "binary",
        "HistGradientBoostingClassifier": "binary",
        "DecisionTreeClassifier": "binary",
        "MLPClassifier": "binary",
        "Ridge": "value",
        "RandomForestRegressor": "value",
        "GradientBoostingRegressor": "value",
        "HistGradientBoostingRegressor": "value",
        "LGBMClassifier": "binary",
        "LGBMRegressor": "value",
        "XGBClassifier": "binary",
        "XGBRegressor": "value",
    }.items()
    for setting in zoo.SETTINGS
}
"""What nearly everyone uses has to work, not merely to be refused politely."""
PAGE = Path(__file__).parents[3] / "docs" / "estimators.md"
PASSED_BEFORE = zoo.passed(PAGE.read_text())


def check(result: Result) -> None:
    assert result.outcome in ("passed", "refused", "differs", "not fitted"), result.detail
    assert len(result.detail) > 3
    if result.case.id in MUST_PASS | PASSED_BEFORE:
        assert result.outcome == "passed", result.detail


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("case", SHORT, ids=lambda case: case.id)
def test_some_of_the_zoo(case: Case) -> None:
    check(zoo.run(case, rows=150))


@pytest.mark.zoo
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_all_of_the_zoo(case: Case) -> None:
    check(zoo.run(case))


def test_what_must_pass_is_in_the_zoo() -> None:
    assert {c.id for c in CASES} >= MUST_PASS


def test_the_page_names_every_estimator() -> None:
    results = [Result(case, "passed", "float32, 1e-7") for case in CASES]
    results[0] = Result(CASES[0], "refused", "no converter for | this")
    page = zoo.table(results)
    assert all(f"| {case.name} |" in page for case in CASES)
    assert "no converter for / this" in page


def test_the_page_is_a_record_of_what_passed() -> None:
    outcomes = ("passed", "refused", "differs", "not fitted")
    results = [Result(case, outcomes[n % 4], "why") for n, case in enumerate(CASES)]
    assert zoo.passed(zoo.table(results)) == {r.case.id for r in results if r.outcome == "passed"}
    assert len(PASSED_BEFORE) > 300
