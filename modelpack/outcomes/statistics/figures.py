"""The figures by which two versions are compared, by name."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np

from modelpack.outcomes.statistics.arrays import CONFIDENCE, Clusters, Given, grouped, pair
from modelpack.outcomes.statistics.comparison import (
    ROUNDING,
    Comparison,
    compare_losses,
    compare_ranking,
    unvaried,
)
from modelpack.outcomes.statistics.losses import Figure, brier_losses, log_losses, mean
from modelpack.outcomes.statistics.ranking import auc


def absolute_errors(scores: Given, outcomes: Given) -> Any:
    """How far each score is from its outcome."""
    x, y = pair(scores, outcomes)
    return np.abs(x - y)


LOSSES = {"Brier score": brier_losses, "log loss": log_losses, "MAE": absolute_errors}
LARGEST = {"Brier score": 1.0, "log loss": -log(np.finfo(np.float64).eps)}
"""The largest loss that a row can have."""

FEWEST = 30
"""So many entities it takes to judge by a normal interval."""
FEWEST_OF_A_KIND = 10
"""And so many with either outcome."""


def compare(
    figure: str,
    first: Given,
    second: Given,
    outcomes: Given,
    clusters: Clusters = None,
    *,
    confidence: float = CONFIDENCE,
    samples: int = 1000,
) -> Comparison:
    """`AUC`, `Brier score`, `log loss` or `MAE` of two versions on the same rows; see `compare_ranking` and `compare_losses`.

    Raises ValueError where the figure does not exist for these rows: outcomes that are all the same, scores that are no
    probabilities.
    """
    if figure == "AUC":
        return compare_ranking(first, second, outcomes, clusters, confidence=confidence, samples=samples)
    losses = LOSSES[figure]
    return compare_losses(
        figure,
        losses(first, outcomes),
        losses(second, outcomes),
        clusters,
        confidence=confidence,
        samples=samples,
        largest=LARGEST.get(figure),
    )


def _too_few(figure: str, outcomes: Given, clusters: Clusters) -> str | None:
    """Of what there is too little to judge by; None where there is enough."""
    groups = grouped(clusters, len(outcomes))
    counts = {"": (len(np.unique(groups)), FEWEST)}
    if figure != "MAE":
        for kind in (0, 1):
            counts[f" with the outcome {kind}"] = (
                len(np.unique(groups[np.asarray(outcomes) == kind])),
                FEWEST_OF_A_KIND,
            )
    return next((f"{n} entities{what}, expected {m}" for what, (n, m) in counts.items() if n < m), None)


def figure_of_both(
    figure: str, first: Given, second: Given, outcomes: Given, clusters: Clusters, confidence: float
) -> dict[str, Any]:
    """The comparison, and the interval of the second version's own figure, as a requirement reads them."""
    found = compare(figure, first, second, outcomes, clusters, confidence=confidence, samples=0)
    if figure == "AUC":
        own = auc(second, outcomes, clusters, confidence=confidence)
    else:
        losses = LOSSES[figure](second, outcomes)
        own = mean(losses, clusters, confidence=confidence)
        if np.ptp(losses) <= ROUNDING * losses.max():
            low, high = unvaried(own.value, found.entities, LARGEST.get(figure), confidence)
            own = Figure(own.value, low, high)
    few = _too_few(figure, outcomes, clusters)
    return {
        "first": found.first,
        "second": found.second,
        "second_low": None if few else own.low,
        "second_high": None if few else own.high,
        "difference": found.difference,
        "low": None if few else found.low,
        "high": None if few else found.high,
        "too_few": few,
        "rows": found.rows,
        "entities": found.entities,
    }
