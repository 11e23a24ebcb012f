"""What a version's sample was like: the distributions of its inputs and scores, and rows that explanations compare with.

Later rows are held against it, so it counts what the prediction log would hold: the rows of the sample that the version
scores, their inputs in the form that the model is given (numbers in float32), and the scores that the version gives.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from modelpack.packager.proof.oracle import float32_row
from modelpack.packager.proof.parity import Expected, Floats
from modelpack.packager.signature import Cell, Input, Signature

FORMAT = 1
"""Version of the JSON form. Raise it when a reader of the old form would misread the new one."""

EDGES = 20
"""Edges of a number, at most; there is one bin more."""

CATEGORIES = 50
"""Texts of an input that are counted by themselves, at most."""

CATEGORY_LENGTH = 200
"""Characters of such a text, at most."""

FEW = 5
"""A text of fewer rows that the model does not name itself is not kept: it may be somebody's."""

BACKGROUND = 100
"""Rows that explanations compare with, at most."""

TINY = 1e-300
"""What is closer to 0 counts as 0: JSON has digits for it that a double has not."""

LARGEST = 4 << 20
"""Bytes of reference and of background as JSON, at most: half of what the server takes."""

Reference = dict[str, Any]
Background = tuple[tuple[Cell, ...], ...]


def make_reference(
    expected: Expected, found: Floats, signature: Signature, order: Sequence[int], *, background: bool
) -> tuple[Reference | None, Background | None]:
    """The distributions of the sample, and up to `BACKGROUND` of its rows where they are wanted.

    None for what would be too large to keep.

    Args:
        found: scores [N] of the version, of the sample and then the probes.
        order: position of each signature input among the estimator's columns.
    """
    count = expected.sample_rows
    rows: list[tuple[Cell, ...]] = []
    scores: list[float] = []
    for n in np.flatnonzero(expected.scored[:count] & np.isfinite(found[:count])):
        row = float32_row(expected.rows[n])
        cells = tuple(row[c] for c in order)
        if not any(isinstance(cell, float) and not np.isfinite(cell) for cell in cells):
            rows.append(cells)
            scores.append(float(found[n]))
    return _fitting(reference_of(signature, rows, scores)), (
        choose_background(rows, scores) if background else None
    )


def reference_of(signature: Signature, rows: Sequence[Sequence[Cell]], scores: Sequence[float]) -> Reference:
    """The distributions of rows in signature order (None = missing) and of their scores, as JSON."""
    return {
        "format": FORMAT,
        "rows": len(rows),
        "inputs": {
            i.name: (_numbers if i.type == "number" else _texts)(i, [row[n] for row in rows])
            for n, i in enumerate(signature.inputs)
        },
        "score": _distribution(np.array(scores, dtype=np.float64)),
    }


def choose_background(rows: Sequence[tuple[Cell, ...]], scores: Sequence[float]) -> Background | None:
    """Of the rows from the lowest to the highest score, the middle one of each of `BACKGROUND` equal parts.

    So the mean of their scores is close to that of all rows. Fewer of them where texts are long; None where there is none.
    """
    by_score = np.argsort(np.array(scores), kind="stable")
    wanted = min(BACKGROUND, len(rows))
    while wanted:
        places = ((np.arange(wanted) + 0.5) * len(rows) / wanted).astype(int)
        chosen = tuple(rows[n] for n in by_score[places])
        if _fitting([list(row) for row in chosen]) is not None:
            return chosen
        wanted //= 2
    return None


def _fitting(form: Any) -> Any:
    """What is not too large as JSON, else None."""
    return form if len(json.dumps(form).encode()) <= LARGEST else None


def _numbers(_: Input, cells: Sequence[Cell]) -> dict[str, Any]:
    values = np.array([v for v in cells if v is not None], dtype=np.float64)
    return {"type": "number", "missing": len(cells) - len(values), **_distribution(values)}


def _texts(entry: Input, cells: Sequence[Cell]) -> dict[str, Any]:
    texts = [str(v) for v in cells if v is not None]
    form: dict[str, Any] = {"type": "text", "missing": len(cells) - len(texts)}
    known = None if entry.categories is None else set(entry.categories)
    unseen = 0 if known is None else sum(text not in known for text in texts)
    if entry.analyzer is not None:
        return {**form, "free": True, "unseen": unseen}
    counts = Counter(t for t in texts if len(t) <= CATEGORY_LENGTH and t.isprintable())
    kept = sorted((-c, t) for t, c in counts.items() if c >= FEW or t in (known or ()))[:CATEGORIES]
    categories = {text: -negative for negative, text in kept}
    return {
        **form,
        "categories": categories,
        "other": len(texts) - sum(categories.values()),
        "unseen": unseen,
    }


def _distribution(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Edges, counts and moments of numbers [N]; bin i holds edges[i-1] < x <= edges[i]."""
    if len(values) == 0:
        return {"edges": [], "counts": [0], **dict.fromkeys(("minimum", "maximum", "mean", "deviation"))}
    values = np.sort(np.where(np.abs(values) < TINY, 0.0, values))
    edges = np.unique(values)
    if len(edges) > EDGES:
        # values of the sample themselves: they are float32 as those of the log
        edges = np.unique(np.quantile(values, np.arange(1, EDGES) / EDGES, method="inverted_cdf"))
    below = np.searchsorted(values, edges, side="right")
    scale = float(np.abs(values).max()) or 1.0  # squares and sums of large numbers would be infinite
    return {
        "edges": edges.tolist(),
        "counts": np.diff(below, prepend=0, append=len(values)).tolist(),
        "minimum": float(values[0]),
        "maximum": float(values[-1]),
        "mean": _plain(float((values / scale).mean() * scale)),
        "deviation": _plain(float((values / scale).std() * scale)),
    }


def _plain(number: float) -> float:
    return number if abs(number) >= TINY else 0.0
