"""The comparison itself: what counts as a difference, and what as rounding."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest

from modelpack.packager.estimator.columns import Column, Row
from modelpack.packager.proof.oracle import Oracle
from modelpack.packager.proof.parity import Expected, Parity, compare
from modelpack.packager.proof.probes import Probe

X = (Column("x", "number"),)


class Step:
    """An estimator that jumps from 0 to 1 above a threshold, in float64."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def scores(self, rows: Sequence[Row]) -> tuple[Any, dict[int, str]]:
        return np.array([float(cast(float, row[0]) > self.threshold) for row in rows]), {}


def held(
    sample: list[float], found: list[float], *, threshold: float = 0.5, probes: list[Probe] | None = None,
    scores: list[float] | None = None, scored: list[bool] | None = None, kind: str = "probability",
) -> Parity:  # fmt: skip
    step = Step(threshold)
    probes = probes or []
    rows: list[Row] = [[x] for x in sample] + [p.row for p in probes]
    expected = Expected(
        X,
        tuple(rows),
        np.array(scores) if scores is not None else step.scores(rows)[0],
        {},
        tuple(probes),
        np.array(scored or [True] * len(rows)),
    )
    oracle = cast(Oracle, step)
    return compare(
        expected, np.array(found), oracle, 1e-5, probability=kind == "probability", route="float32"
    )


def test_equal_scores_pass() -> None:
    parity = held([0.0, 1.0], [0.0, 1.0])
    assert parity.passed
    assert (parity.rows, parity.max_difference, parity.failures) == (2, 0.0, 0)


def test_one_row_beyond_the_tolerance_fails_and_is_named() -> None:
    parity = held([0.0, 1.0], [0.0, 0.9999])
    assert not parity.passed
    assert parity.failures == 1
    assert "sample row 1: the estimator gives 1, ONNX 0.9999, for x=1.0" in parity.where


def test_a_score_where_the_estimator_gives_none_fails() -> None:
    parity = held([0.0, 1.0], [0.0, 1.0], scores=[np.nan, 1.0])
    assert parity.failures == 1
    assert json.loads(json.dumps(parity.to_json(), allow_nan=False))["max_difference"] is None


def test_no_score_where_the_estimator_gives_one_fails() -> None:
    assert held([0.0, 1.0], [0.0, np.nan]).failures == 1


def test_no_score_for_a_number_far_outside_is_an_overflow() -> None:
    parity = held([0.0], [0.0, np.nan], probes=[Probe([1e30], "extreme", "x", 0)])
    assert parity.passed
    assert parity.overflow_rows == 1


def test_rows_that_the_server_never_scores_do_not_count() -> None:
    parity = held([0.0], [0.0, 0.7], probes=[Probe([2.0], "missing", "x", 0)], scored=[True, False])
    assert parity.passed
    assert parity.probes == {"missing": 0}


def test_a_row_that_rounding_moves_across_a_threshold_is_counted_not_failed() -> None:
    near = 0.1  # its float32 is 0.10000000149, beyond the threshold
    sample = [near] + [0.0] * 199
    parity = held(sample, [1.0] + [0.0] * 199, threshold=0.1)
    assert parity.passed
    assert (parity.rounded_rows, parity.failures) == (1, 0)
    assert parity.rounded_difference == 1.0


def test_many_rounded_rows_do_not_pass() -> None:
    assert not held([0.1] * 2 + [0.0] * 98, [1.0] * 2 + [0.0] * 98, threshold=0.1).passed


def test_a_difference_that_rounding_does_not_explain_is_a_failure() -> None:
    assert held([0.1], [1.0], threshold=0.1001).failures == 1


@pytest.mark.parametrize(("found", "failures"), [(1e6 + 5.0, 0), (1e6 + 50.0, 1)])
def test_values_are_compared_in_their_own_unit(found: float, failures: int) -> None:
    parity = held([0.0, 1.0], [0.0, found], scores=[0.0, 1e6], kind="value")
    assert parity.failures == failures


def test_small_values_get_no_free_pass() -> None:
    assert held([0.0, 1.0], [0.0, 2e-9], scores=[0.0, 1e-9], kind="value").failures == 1


def test_sides_and_ranks_are_counted() -> None:
    parity = held([1.0, 2.0, 3.0], [0.2, 0.61, 0.6], scores=[0.2, 0.4, 0.6])
    assert parity.side_changes == 1
    assert parity.rank_changes == 1


def test_equal_scores_have_no_order_to_change() -> None:
    assert held([1.0, 2.0, 3.0], [0.35, 0.25, 0.6], scores=[0.3, 0.3, 0.6]).rank_changes == 0
    assert held([1.0, 2.0, 3.0], [0.3, 0.3, 0.6], scores=[0.35, 0.25, 0.6]).rank_changes == 0
