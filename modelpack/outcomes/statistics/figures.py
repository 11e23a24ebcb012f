"""The figures by which two versions are compared, by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelpack.outcomes.statistics.arrays import CONFIDENCE, Clusters, Given, pair
from modelpack.outcomes.statistics.comparison import Comparison, compare_losses, compare_ranking
from modelpack.outcomes.statistics.losses import brier_losses, log_losses, mean
from modelpack.outcomes.statistics.ranking import auc


def absolute_errors(scores: Given, outcomes: Given) -> Any:
    """How far each score is from its outcome."""
    x, y = pair(scores, outcomes)
    return np.abs(x - y)


LOSSES = {"Brier score": brier_losses, "log loss": log_losses, "MAE": absolute_errors}


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
    )


def figure_of_both(
    figure: str, first: Given, second: Given, outcomes: Given, clusters: Clusters, confidence: float
) -> dict[str, Any]:
    """The comparison, and the interval of the second version's own figure, as a requirement reads them."""
    found = compare(figure, first, second, outcomes, clusters, confidence=confidence, samples=0)
    if figure == "AUC":
        own = auc(second, outcomes, clusters, confidence=confidence)
    else:
        own = mean(LOSSES[figure](second, outcomes), clusters, confidence=confidence)
    return {
        "first": found.first,
        "second": found.second,
        "second_low": own.low,
        "second_high": own.high,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "rows": found.rows,
        "entities": found.entities,
    }
