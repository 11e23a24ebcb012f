"""Golden rows: inputs with the scores that every later runtime has to give again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from modelpack.packager.proof.oracle import float32_row
from modelpack.packager.proof.parity import Expected, Floats
from modelpack.packager.signature import Cell

LIMIT = 64
_SAMPLE_ROWS = 40


@dataclass(frozen=True)
class Golden:
    """Rows in signature order (None = missing) and the ONNX model's score for each (None = no score)."""

    rows: tuple[tuple[Cell, ...], ...]
    scores: tuple[float | None, ...]

    def to_json(self) -> dict[str, Any]:
        return {"rows": [list(r) for r in self.rows], "scores": list(self.scores)}


def choose_golden(expected: Expected, found: Floats, order: tuple[int, ...]) -> Golden:
    """Up to `LIMIT` rows: the sample from the lowest to the highest score, then probes of every kind.

    Args:
        order: position of each signature input among the estimator's columns.
    """
    count = expected.sample_rows
    usable = np.flatnonzero(expected.scored & np.isfinite(found))
    sample = usable[usable < count]
    by_score = sample[np.argsort(found[sample], kind="stable")]
    steps = np.linspace(0, len(by_score) - 1, min(_SAMPLE_ROWS, len(by_score))).round().astype(int)
    chosen = by_score[np.unique(steps)].tolist()
    kinds: dict[str, list[int]] = {}
    for n, probe in enumerate(expected.probes, start=count):
        if not expected.scored[n] or np.isfinite(found[n]) or not np.isfinite(expected.scores[n]):
            kinds.setdefault(probe.kind, []).append(n)
    while any(kinds.values()) and len(chosen) < LIMIT:
        for rows in kinds.values():
            if rows and len(chosen) < LIMIT:
                chosen.append(rows.pop(0))
    return Golden(
        tuple(tuple(float32_row(expected.rows[n])[c] for c in order) for n in chosen),
        tuple(float(found[n]) if expected.scored[n] and np.isfinite(found[n]) else None for n in chosen),
    )
