"""How far two versions are from each other: held against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from modelpack.shadows.difference import difference, ranks


def test_the_rank_correlation_is_that_of_scipy_ties_included() -> None:
    random = np.random.default_rng(1)
    first = np.round(random.random(500), 1)
    second = np.round(first + random.normal(0, 0.3, 500), 1)
    found = difference(first, second)
    assert found.rank_correlation == pytest.approx(stats.spearmanr(first, second).statistic)
    assert list(ranks(first)) == list(stats.rankdata(first))


def test_the_figures_are_those_of_the_rows() -> None:
    found = difference([0.1, 0.4, 0.6, 0.9, 0.5], [0.1, 0.6, 0.5, 0.2, None], threshold=0.5)
    assert (found.rows, found.failed) == (4, 1)
    assert found.mean == pytest.approx((0 + 0.2 - 0.1 - 0.7) / 4)
    assert found.absolute == pytest.approx(1.0 / 4)
    assert found.largest == pytest.approx(0.7)
    assert found.same == 0.25
    # 0.4 comes to lie above 0.5, 0.9 below; 0.6 stays at or above it
    assert (found.up, found.down) == (0.25, 0.25)
    assert sum(b.rows for b in found.histogram) == 4
    assert (found.histogram[0].low, found.histogram[-1].high) == pytest.approx((-0.7, 0.7))


def test_versions_that_say_the_same_have_no_difference() -> None:
    found = difference([0.3, 0.3], [0.3, 0.3])
    assert (found.largest, found.same, found.rank_correlation) == (0.0, 1.0, None)
    assert sum(b.rows for b in found.histogram) == 2


def test_rows_without_any_score_of_the_second_are_refused() -> None:
    with pytest.raises(ValueError, match="no row has a score of both"):
        difference([0.3], [None])
    with pytest.raises(ValueError, match="expected as many"):
        difference([0.3], [0.1, 0.2])
