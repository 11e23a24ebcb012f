"""What an estimator accepts is found by asking it, in few calls: most of them raise for what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from modelpack.packager.estimator.columns import Column, Row
from modelpack.packager.proof.accepted import accepted_missing, closed_categories
from modelpack.packager.proof.oracle import ask

COLUMNS = [Column("a", "number"), Column("b", "text"), Column("c", "number")]
ROWS: list[Row] = [[1.0, "x", 5.0], [2.0, "y", 6.0], [3.0, "x", 7.0], [4.0, "z", 5.0]]


class Estimator:
    """Raises for a batch with a row that it refuses, and counts how often it is called."""

    def __init__(self, scores: Callable[[Row], bool]) -> None:
        self._scores = scores
        self.calls = 0

    def scores(self, rows: Sequence[Row]) -> tuple[npt.NDArray[np.float64], dict[int, str]]:
        return ask(rows, self._call, "the estimator")

    def _call(self, rows: Sequence[Row]) -> npt.NDArray[np.float64]:
        self.calls += 1
        if not all(map(self._scores, rows)):
            raise ValueError("refused")
        return np.ones(len(rows))


def test_a_column_may_be_missing_where_no_row_without_it_is_refused() -> None:
    assert accepted_missing(Estimator(lambda row: row[0] is not None), COLUMNS, ROWS) == (False, True, True)
    assert accepted_missing(Estimator(lambda row: None not in row), COLUMNS, ROWS) == (False,) * 3


def test_one_row_of_three_that_is_refused_says_that_the_column_may_not_be_missing() -> None:
    for key in (1.0, 2.0, 3.0):
        picky = Estimator(lambda row, key=key: row[0] != key or row[2] is not None)  # type: ignore[misc]
        assert accepted_missing(picky, COLUMNS, ROWS) == (True, True, False)


def test_a_column_is_closed_where_every_strange_value_is_refused_for_some_row() -> None:
    closed = closed_categories(
        Estimator(lambda row: row[1] in ("x", "y", "w")), COLUMNS, ROWS, ["w", "v"], []
    )
    assert closed == {"b": ("w", "x", "y")}
    strange = "Ünseen ✓"
    assert (
        closed_categories(Estimator(lambda row: row[1] in ("x", "y", strange)), COLUMNS, ROWS, [], []) == {}
    )
    for row in ROWS[:3]:
        picky = Estimator(lambda r, row=row: r[0] != row[0] or r[2] in (5, 6, 7))  # type: ignore[misc]
        assert closed_categories(picky, COLUMNS, ROWS, [], [8.0]) == {"c": (5.0, 6.0, 7.0)}


def test_an_estimator_that_scores_everything_is_asked_twice_and_one_that_refuses_not_for_every_row() -> None:
    friendly = Estimator(bool)
    assert accepted_missing(friendly, COLUMNS, ROWS) == (True,) * 3
    assert friendly.calls == 2
    friendly.calls = 0
    assert closed_categories(friendly, COLUMNS, ROWS, ["w"], [1.0]) == {}
    assert friendly.calls == 2
    strict = Estimator(lambda row: None not in row)
    accepted_missing(strict, COLUMNS, ROWS)
    assert strict.calls == 5, "each column once, and twice what they were asked with"
