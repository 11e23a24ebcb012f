"""What the estimator accepts, found by asking it.

Whether a missing value, or a category never seen, is scored or refused depends on every step of a pipeline;
no rule about classes would be right for all of them, one call is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from modelpack.packager.estimator.columns import Column, Row
from modelpack.packager.proof.oracle import Scorer
from modelpack.packager.signature import Cell

_BASES = 3
_STRANGE_TEXTS = ("a category never seen", "Ünseen ✓", "?!")
_STRANGE_NUMBERS = (0.123456, -7.25, 98765.4)


def _accepts(oracle: Scorer, bases: Sequence[Row], at: int, cells: Sequence[Cell]) -> list[bool]:
    """For each cell, whether the estimator scores every base row with that cell in it."""
    rows = [[*base[:at], cell, *base[at + 1 :]] for cell in cells for base in bases]
    scores, _ = oracle.scores(rows)
    fine = np.isfinite(scores)
    return [bool(fine[n : n + len(bases)].all()) for n in range(0, len(rows), len(bases))]


def accepted_missing(oracle: Scorer, columns: Sequence[Column], accepted: Sequence[Row]) -> tuple[bool, ...]:
    """For each column, whether the estimator scores rows in which it is missing.

    Args:
        accepted: rows that the estimator scores.
    """
    bases = accepted[:_BASES]
    return tuple(_accepts(oracle, bases, at, [None])[0] for at in range(len(columns)))


def closed_categories(
    oracle: Scorer,
    columns: Sequence[Column],
    accepted: Sequence[Row],
    texts: Sequence[str],
    numbers: Sequence[float],
) -> dict[str, tuple[Cell, ...]]:
    """The columns in which the estimator refuses values that it does not know, with those that it does.

    Args:
        accepted: rows that the estimator scores.
        texts: what its encoders know.
        numbers: likewise.
    """
    bases = accepted[:_BASES]
    closed: dict[str, tuple[Cell, ...]] = {}
    for at, column in enumerate(columns):
        strange: Sequence[Cell] = _STRANGE_TEXTS if column.type == "text" else _STRANGE_NUMBERS
        if any(_accepts(oracle, bases, at, strange)):
            continue
        seen = {row[at] for row in accepted if row[at] is not None}
        candidates: list[Cell] = sorted(seen | set(texts if column.type == "text" else numbers), key=str)
        known = _accepts(oracle, bases, at, candidates)
        closed[column.name] = tuple(c for c, fine in zip(candidates, known, strict=True) if fine)
    return closed
