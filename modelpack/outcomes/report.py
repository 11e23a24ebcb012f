"""Rows of cohorts into figures: per version, cut-off and segment, and two versions on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby

import numpy as np

from modelpack.outcomes import statistics
from modelpack.outcomes.statistics import Bin, Calibration, Comparison, Expected, Figure, Lift
from modelpack.outcomes.statistics.arrays import Numbers

SHARES = (0.01, 0.05, 0.1, 0.2)
"""Shares of the rows with the highest scores for which lift and gain are shown."""


@dataclass(frozen=True)
class Row:
    """A score of a cohort and what came of it. `final`: horizon and grace of its cut-off have passed."""

    version: int
    cut_off: datetime
    entity: int
    prediction: float
    outcome: float | None
    status: str
    final: bool
    segments: dict[str, str | None]


@dataclass(frozen=True)
class Fit:
    """How the scores of one version fitted, at one cut-off or at all, for one segment or for all.

    Figures are of settled rows of cut-offs that are final: before that, what is settled early is not like the rest.
    """

    version: int
    cut_off: datetime | None
    segment: str
    rows: int
    settled: int
    pending: int
    lost: int
    entities: int
    figures: dict[str, Figure] = field(default_factory=dict)
    calibration: Calibration | None = None
    bins: tuple[Bin, ...] = ()
    lifts: tuple[Lift, ...] = ()
    quantiles: dict[float, float] = field(default_factory=dict)
    expected: Expected | None = None
    """An estimate for rows that are pending; never a settled figure."""

    @property
    def pending_share(self) -> float:
        """Pending rows, of all."""
        return self.pending / self.rows


def fits(rows: Sequence[Row], kind: str, *, shares: Sequence[float] = SHARES) -> list[Fit]:
    """The fit of each version: of all final cut-offs together, of each segment there, then of each cut-off."""
    found = []
    ordered = sorted(rows, key=lambda r: (r.version, r.cut_off))
    for version, group in groupby(ordered, key=lambda r: r.version):
        its = list(group)
        final = [r for r in its if r.final]
        if final:
            found.append(_fit(version, None, "", final, kind, shares))
            for name in sorted({s for r in final for s in r.segments}):
                segments: dict[str, list[Row]] = {}
                for r in final:
                    segments.setdefault(str(r.segments.get(name)), []).append(r)
                found += [
                    _fit(version, None, f"{name}={value}", some, kind, shares)
                    for value, some in sorted(segments.items())
                ]
        for cut_off, cohort in groupby(its, key=lambda r: r.cut_off):
            some = list(cohort)
            settled = [r for r in final if r.status == "settled" and r.cut_off < cut_off]
            found.append(_fit(version, cut_off, "", some, kind, shares, settled))
    return found


def _fit(
    version: int,
    cut_off: datetime | None,
    segment: str,
    rows: Sequence[Row],
    kind: str,
    shares: Sequence[float],
    known: Sequence[Row] = (),
) -> Fit:
    settled = [r for r in rows if r.status == "settled"]
    counted = Fit(
        version,
        cut_off,
        segment,
        rows=len(rows),
        settled=len(settled),
        pending=sum(r.status == "pending" for r in rows),
        lost=sum(r.status == "lost" for r in rows),
        entities=len({r.entity for r in rows}),
    )
    if not all(r.final for r in rows):
        expected = _expected(rows, known) if kind == "binary" else None
        return replace(counted, expected=expected)
    if not settled:
        return counted
    x, y, who = _arrays(settled)
    if kind == "number":
        figures = {
            "MAE": statistics.mean(np.abs(x - y), who),
            "RMSE": statistics.root_mean_square(x - y, who),
            "bias": statistics.mean(x - y, who),
        }
        at = (0.05, 0.25, 0.5, 0.75, 0.95)
        quantiles = dict(zip(at, np.quantile(x - y, at).tolist(), strict=True))
        return replace(counted, figures=figures, quantiles=quantiles)
    figures = {"rate": statistics.mean(y, who)}
    possible: dict[str, Callable[[], Figure]] = {
        "AUC": lambda: statistics.auc(x, y, who),
        "average precision": lambda: Figure(statistics.average_precision(x, y)),
        "log loss": lambda: statistics.mean(statistics.log_losses(x, y), who),
        "Brier score": lambda: statistics.mean(statistics.brier_losses(x, y), who),
    }
    for name, compute in possible.items():
        try:
            figures[name] = compute()
        except ValueError:  # outcomes that are all the same, scores that are no probabilities
            continue
    lifts = tuple(statistics.lift(x, y, k) for k in shares) if y.any() else ()
    calibrated = "Brier score" in figures
    return replace(
        counted, figures=figures, lifts=lifts,
        calibration=statistics.calibration(x, y) if calibrated else None,
        bins=tuple(statistics.bins(x, y)) if calibrated else (),
    )  # fmt: skip


def _expected(rows: Iterable[Row], known: Sequence[Row]) -> Expected | None:
    scores = [r.prediction for r in rows]
    calibrated = len({r.outcome for r in known}) > 1
    try:
        return statistics.expected(scores, _arrays(known)[:2] if calibrated else None)
    except ValueError:
        return None


def _arrays(rows: Sequence[Row]) -> tuple[Numbers, Numbers, list[int]]:
    return (
        np.array([r.prediction for r in rows]),
        np.array([r.outcome for r in rows], dtype=np.float64),
        [r.entity for r in rows],
    )


def compared(
    first: Sequence[float],
    second: Sequence[float],
    outcomes: Sequence[float],
    entities: Sequence[int],
    kind: str,
) -> list[Comparison]:
    """Two versions on the same rows, figure by figure; none where there are no rows to tell by."""
    found: list[Comparison] = []
    for figure in ("MAE",) if kind == "number" else ("AUC", "Brier score", "log loss"):
        if not len(first):
            continue
        try:
            found.append(statistics.compare(figure, first, second, outcomes, entities))
        except ValueError:  # outcomes that are all the same, scores that are no probabilities
            continue
    return found
