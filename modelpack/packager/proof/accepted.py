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


def _accepts(oracle: Scorer, bases: Sequence[Row], changes: Sequence[tuple[int, Cell]]) -> list[bool]:
    """For each column and cell, whether the estimator scores every base row with that cell in that column.

    All changes are asked for together, and of the first base row before the others: a row that is refused costs a call for
    each half of what it was asked with.
    """
    fine = [True] * len(changes)
    for some in (bases[:1], bases[1:]):
        asked = [
            (n, [*base[:at], cell, *base[at + 1 :]])
            for n, (at, cell) in enumerate(changes)
            if fine[n]
            for base in some
        ]
        scores, _ = oracle.scores([row for _, row in asked])
        for (n, _), score in zip(asked, scores, strict=True):
            fine[n] &= bool(np.isfinite(score))
    return fine


def accepted_missing(oracle: Scorer, columns: Sequence[Column], accepted: Sequence[Row]) -> tuple[bool, ...]:
    """For each column, whether the estimator scores rows in which it is missing.

    Args:
        accepted: rows that the estimator scores.
    """
    return tuple(_accepts(oracle, accepted[:_BASES], [(at, None) for at in range(len(columns))]))


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
    strange: list[tuple[int, Cell]] = [
        (at, cell)
        for at, column in enumerate(columns)
        for cell in (_STRANGE_TEXTS if column.type == "text" else _STRANGE_NUMBERS)
    ]
    fine = _accepts(oracle, bases, strange)
    open_columns = {at for (at, _), scored in zip(strange, fine, strict=True) if scored}
    known: list[tuple[int, Cell]] = []
    for at, column in enumerate(columns):
        if at not in open_columns:
            seen = {row[at] for row in accepted if row[at] is not None}
            cells: list[Cell] = sorted(seen | set(texts if column.type == "text" else numbers), key=str)
            known += [(at, cell) for cell in cells]
    fine = _accepts(oracle, bases, known)
    return {
        column.name: tuple(c for (n, c), scored in zip(known, fine, strict=True) if scored and n == at)
        for at, column in enumerate(columns)
        if at not in open_columns
    }
