"""Rows into figures: which rows count, and which do not yet."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from modelpack.outcomes import statistics
from modelpack.outcomes.report import Row, compared, fits

FIRST, SECOND, LAST = (datetime(2026, 1, day, tzinfo=UTC) for day in (5, 12, 19))


def cohort(
    cut_off: datetime, seed: int, *, final: bool = True, version: int = 1, rows: int = 200
) -> list[Row]:
    random = np.random.default_rng(seed)
    scores = random.random(rows)
    came = (random.random(rows) < scores).astype(float)
    return [
        Row(version, cut_off, entity, float(x), float(y) if final else None, "settled" if final else "pending", final,
            {"plan": "plus" if entity % 2 else "basic"})
        for entity, (x, y) in enumerate(zip(scores, came, strict=True))
    ]  # fmt: skip


def test_final_cut_offs_are_judged_together_by_segment_and_one_by_one() -> None:
    rows = cohort(FIRST, 1) + cohort(SECOND, 2)
    found = fits(rows, "binary")
    assert [(f.cut_off, f.segment, f.rows, f.entities) for f in found] == [
        (None, "", 400, 200),
        (None, "plan=basic", 200, 100),
        (None, "plan=plus", 200, 100),
        (FIRST, "", 200, 200),
        (SECOND, "", 200, 200),
    ]
    x, y = [r.prediction for r in rows], [r.outcome for r in rows]
    assert found[0].figures["AUC"].value == pytest.approx(roc_auc_score(y, x))
    # entities of both cut-offs are clusters
    assert found[0].figures["AUC"] == statistics.auc(x, y, [r.entity for r in rows])
    assert [at.k for at in found[0].lifts] == [0.01, 0.05, 0.1, 0.2]
    assert found[0].calibration is not None
    assert sum(b.rows for b in found[0].bins) == 400


def test_what_is_settled_early_is_no_figure_yet_and_what_is_expected_is_marked_so() -> None:
    waiting = cohort(LAST, 3, final=False)
    waiting[0] = Row(1, LAST, 0, 0.9, 0.0, "settled", False, {})
    found = {f.cut_off: f for f in fits(cohort(FIRST, 1) + waiting, "binary") if not f.segment}
    assert found[LAST].figures == {}
    assert (found[LAST].settled, found[LAST].pending) == (1, 199)
    assert found[LAST].pending_share == 199 / 200
    assert found[LAST].expected is not None
    assert found[LAST].expected.calibrated
    assert found[None].rows == 200
    assert found[None].expected is None
    alone = fits(waiting, "binary")
    assert alone[0].expected is not None
    assert not alone[0].expected.calibrated


def test_lost_rows_are_counted_and_not_judged() -> None:
    rows = cohort(FIRST, 1)
    rows[0] = Row(1, FIRST, 0, 0.5, None, "lost", True, {})
    found = fits(rows, "binary")[0]
    assert (found.rows, found.settled, found.lost) == (200, 199, 1)


def test_versions_are_judged_by_themselves() -> None:
    found = fits(cohort(FIRST, 1) + cohort(FIRST, 2, version=2), "binary")
    assert [(f.version, f.rows) for f in found if f.cut_off == FIRST] == [(1, 200), (2, 200)]


def test_outcomes_that_are_all_the_same_have_no_auc_and_scores_beyond_one_no_brier_score() -> None:
    same = [Row(1, FIRST, e, e / 10, 0.0, "settled", True, {}) for e in range(10)]
    assert set(fits(same, "binary")[0].figures) == {"rate", "log loss", "Brier score"}
    beyond = [Row(1, FIRST, e, e * 3.0, float(e > 5), "settled", True, {}) for e in range(10)]
    assert set(fits(beyond, "binary")[0].figures) == {"rate", "AUC", "average precision"}


def test_numbers_have_errors_and_their_quantiles() -> None:
    rows = [Row(1, FIRST, e, float(e), e + (-1.0) ** e, "settled", True, {}) for e in range(20)]
    found = fits(rows, "number")[0]
    assert found.figures["MAE"].value == pytest.approx(1)
    assert found.figures["RMSE"].value == pytest.approx(1)
    assert found.figures["bias"].value == pytest.approx(0)
    assert found.quantiles[0.05] == pytest.approx(-1)


def test_two_versions_are_compared_figure_by_figure() -> None:
    rows = cohort(FIRST, 4)
    x, y, who = [r.prediction for r in rows], [r.outcome or 0.0 for r in rows], [r.entity for r in rows]
    found = compared(x, [0.5] * len(x), y, who, "binary")
    assert [(c.figure, c.verdict) for c in found] == [
        ("AUC", "worse"),
        ("Brier score", "worse"),
        ("log loss", "worse"),
    ]
    assert [c.figure for c in compared(x, x, y, who, "number")] == ["MAE"]
    assert compared([], [], [], [], "binary") == []
