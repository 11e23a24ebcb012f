"""What a version may be worth before the truth is known.

CBPE (confidence-based performance estimation, NannyML): a calibrated probability says how likely each outcome is, so the
expected figure needs no outcome. It holds as long as the calibration does: where the world changes between the rows that
calibrated it and these, it is wrong, and does not show it. So it is an estimate, and never a settled figure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modelpack.outcomes.statistics.arrays import Given, Numbers, numbers, pair
from modelpack.outcomes.statistics.calibration import isotonic


@dataclass(frozen=True)
class Expected:
    """Figures that are expected of rows whose outcomes are not known."""

    rows: int
    rate: float
    auc: float | None
    brier: float
    log_loss: float
    calibrated: bool
    """Whether settled rows calibrated the scores; else they were taken for probabilities as they are."""


def expected(scores: Given, settled: tuple[Given, Given] | None = None) -> Expected:
    """The figures to expect of these scores, calibrated by the scores and outcomes of rows that are `settled`.

    Raises ValueError where the scores are no probabilities, or there are none.
    """
    x = numbers(scores, "the scores")
    if not len(x) or x.min() < 0 or x.max() > 1:
        raise ValueError("the scores are no probabilities, expected some between 0 and 1")
    p = x if settled is None else _calibrated(x, *settled)
    least = np.finfo(np.float64).eps
    said = np.clip(x, least, 1 - least)
    return Expected(
        rows=len(x),
        rate=float(p.mean()),
        auc=_expected_auc(x, p),
        brier=float((p * np.square(1 - x) + (1 - p) * np.square(x)).mean()),
        log_loss=float(-(p * np.log(said) + (1 - p) * np.log(1 - said)).mean()),
        calibrated=settled is not None,
    )


def _calibrated(x: Numbers, scores: Given, outcomes: Given) -> Numbers:
    """Isotonic probabilities of new scores: on the line between the scores that were settled."""
    known, y = pair(scores, outcomes)
    fitted = isotonic(known, y)
    order = np.argsort(known, kind="stable")
    places, first = np.unique(known[order], return_index=True)
    return np.interp(x, places, fitted[order][first])


def _expected_auc(x: Numbers, p: Numbers) -> float | None:
    """Pairs that are ordered rightly, of all pairs of a one and a zero, both in expectation; no row with itself."""
    order = np.argsort(x, kind="stable")
    ordered, p = x[order], p[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ones = np.add.reduceat(p, starts)
    zeros = np.add.reduceat(1 - p, starts)
    alone = float((p * (1 - p)).sum())
    pairs = float(ones.sum() * zeros.sum()) - alone
    if pairs <= 1e-12:
        return None
    right = float(ones @ (np.cumsum(zeros) - zeros / 2)) - alone / 2
    return right / pairs
