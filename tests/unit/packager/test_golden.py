"""Which rows become golden: of a large sample a few from the lowest to the highest score, and probes of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelpack.packager.estimator.columns import Column
from modelpack.packager.proof.golden import LIMIT, choose_golden
from modelpack.packager.proof.parity import Expected
from modelpack.packager.proof.probes import Probe

KINDS = ("missing", "extreme", "large integer")
IN_SAMPLE = 40


def expected(scores: list[float], probes: dict[str, int], **changed: Any) -> tuple[Expected, Any]:
    """A sample whose rows are [number of the row, its double], then probes; and what the model found for all."""
    rows: list[Any] = [[float(n), 2.0 * n] for n in range(len(scores))]
    made = [
        Probe([1e6 * (k + 1) + n, -1.0], kind, "a")
        for k, kind in enumerate(probes)
        for n in range(probes[kind])
    ]
    whole = np.array([*scores, *(100.0 + n for n in range(len(made)))])
    given: dict[str, Any] = {
        "columns": (Column("a", "number"), Column("b", "number")),
        "rows": (*rows, *(p.row for p in made)),
        "scores": whole,
        "reasons": {},
        "probes": tuple(made),
        "scored": np.ones(len(whole), bool),
    }
    return Expected(**(given | changed)), whole


def ranked(count: int) -> list[float]:
    """Scores in no order: each of 0, 1, 2, … once."""
    return np.random.default_rng(5).permutation(count).astype(float).tolist()


@pytest.mark.parametrize("count", [1, 2, 39, 40, 41, 1000, 4999])
def test_of_a_sample_the_lowest_and_the_highest_score_are_kept_and_ranks_evenly_between(count: int) -> None:
    given, found = expected(ranked(count), {})
    golden = choose_golden(given, found, (0, 1))
    size = min(count, IN_SAMPLE)
    assert list(golden.scores) == sorted(
        {float(round(n * (count - 1) / max(size - 1, 1))) for n in range(size)}
    )
    assert (golden.scores[0], golden.scores[-1]) == (0.0, count - 1)
    for row, score in zip(golden.rows, golden.scores, strict=True):
        assert found[int(row[0] or 0)] == score
    assert choose_golden(*expected(ranked(count), {}), (0, 1)) == golden


def test_equal_scores_keep_the_order_of_the_sample() -> None:
    given, found = expected([float(n % 7) for n in range(4000)], {})
    places = [int(row[0] or 0) for row in choose_golden(given, found, (0, 1)).rows]
    assert len(places) == IN_SAMPLE
    assert places == sorted(places, key=lambda n: (n % 7, n))
    by_score = sorted(range(4000), key=lambda n: (n % 7, n))
    assert (places[0], places[-1]) == (by_score[0], by_score[-1])


def test_probes_of_every_kind_take_turns_until_there_are_enough() -> None:
    given, found = expected(ranked(1000), {"missing": 30, "extreme": 1, "large integer": 30})
    golden = choose_golden(given, found, (0, 1))
    assert len(golden.rows) == LIMIT == 64
    probes = [divmod(int(row[0] or 0), 10**6) for row in golden.rows[IN_SAMPLE:]]
    assert probes[:6] == [(1, 0), (2, 0), (3, 0), (1, 1), (3, 1), (1, 2)]
    assert [sum(kind == k for kind, _ in probes) for k in (1, 2, 3)] == [12, 1, 11]
    assert all(score is not None and score >= 100 for score in golden.scores[IN_SAMPLE:])


def test_rows_without_a_score_are_none_of_the_sample_s_and_probes_say_that_they_have_none() -> None:
    count = 100
    scored = np.ones(count + 2, bool)
    scored[[7, count]] = False
    given, found = expected(ranked(count), {"missing": 2}, scored=scored)
    found[3] = np.nan
    found[4] = np.inf
    golden = choose_golden(given, found, (0, 1))
    assert not {3.0, 4.0, 7.0} & {row[0] for row in golden.rows}
    assert golden.scores[-2:] == (None, 101.0)


def test_a_probe_that_overflows_where_the_estimator_does_not_is_left_out() -> None:
    given, found = expected(ranked(10), {"extreme": 3})
    found = found.copy()
    found[-2] = np.nan  # the estimator's own is a number
    golden = choose_golden(given, found, (0, 1))
    assert [row[0] for row in golden.rows[10:]] == [1e6, 1e6 + 2]


def test_rows_are_in_the_order_of_the_signature_and_as_float32_holds_them() -> None:
    given, found = expected([1.0, 2.0], {}, rows=([0.1, 7.0], [None, 2.0**24 + 1]))
    golden = choose_golden(given, found, (1, 0))
    assert golden.rows == ((7.0, float(np.float32(0.1))), (2.0**24, None))
