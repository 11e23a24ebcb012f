"""Scores held against outcomes: plain numpy over arrays, without a server.

Rows are those of one version: a score, its outcome, and the entity that it is about. An entity that stands in several
cut-offs is one cluster: its rows say less than as many rows of different entities, and every interval here knows that.
"""

from modelpack.outcomes.statistics.calibration import Bin, Calibration, bins, calibration, isotonic
from modelpack.outcomes.statistics.comparison import Comparison, compare_losses, compare_ranking
from modelpack.outcomes.statistics.estimate import Expected, expected
from modelpack.outcomes.statistics.figures import compare
from modelpack.outcomes.statistics.losses import (
    Figure,
    brier_losses,
    log_losses,
    mean,
    root_mean_square,
)
from modelpack.outcomes.statistics.ranking import Lift, auc, average_precision, lift

__all__ = [
    "Bin",
    "Calibration",
    "Comparison",
    "Expected",
    "Figure",
    "Lift",
    "auc",
    "average_precision",
    "bins",
    "brier_losses",
    "calibration",
    "compare",
    "compare_losses",
    "compare_ranking",
    "expected",
    "isotonic",
    "lift",
    "log_losses",
    "mean",
    "root_mean_square",
]
