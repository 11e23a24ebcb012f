"""Rows made to find out where a converted model leaves the estimator.

A probe is a row of the sample with one input changed to a value that is exactly a float32, which is what the
server sends.

Kinds: `threshold` (the float32 values next to a tree's threshold, on both sides, through any preprocessing),
`missing`, `unseen category`, `empty string`, `large integer` (beyond 2^24), `extreme` (far outside the
sample).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelpack.packager.estimator.columns import Column, Row
from modelpack.packager.estimator.trees import Trees, links, matrix, tree_groups, value_range
from modelpack.packager.proof.oracle import Oracle
from modelpack.packager.signature import Cell

UNSEEN = ("a category never seen", "Ünseen ✓", " ")
LARGE = (2.0**24, 2.0**24 + 2, -(2.0**24) - 2, 2.0**31, 2.0**41)


@dataclass(frozen=True)
class Probe:
    """A row and why it is there."""

    row: Row
    kind: str
    about: str
    """The input that was changed, in words."""
    at: int | None = None
    """Its position among the columns, None where several were changed."""


def plain_probes(
    columns: Sequence[Column], rows: Sequence[Row], categories: Sequence[str], rng: np.random.Generator
) -> list[Probe]:
    """Missing values, texts and numbers that the sample does not have, each put into rows of the sample.

    Args:
        rows: rows of the sample that the estimator scores.
        categories: texts that the estimator's encoders know; each is tried in some row.
    """
    probes: list[Probe] = []

    def put(kind: str, at: int, cell: Cell, times: int = 2) -> None:
        if isinstance(cell, float):
            cell = float(np.float32(cell))
        for r in rng.integers(0, len(rows), times):
            row = list(rows[r])
            row[at] = cell
            probes.append(Probe(row, kind, columns[at].name, at))

    for at, column in enumerate(columns):
        put("missing", at, None, times=6)
        if column.type == "text":
            for text in UNSEEN:
                put("unseen category", at, text)
            put("empty string", at, "")
            seen = {row[at] for row in rows}
            for text in [c for c in categories if c not in seen][:20]:
                put("known category", at, text, times=1)
            continue
        for value in LARGE:
            put("large integer", at, value, times=1)
        present = [v for row in rows if isinstance(v := row[at], float)]
        low, high = (min(present), max(present)) if present else (0.0, 1.0)
        span = max(high - low, abs(high), 1.0)
        for value in (
            low - 10 * span,
            high + 10 * span,
            low - 1e4 * span,
            high + 1e4 * span,
            0.0,
            -1.0,
            0.5,
            1e-30,
        ):
            put("extreme", at, value, times=1)
    for r in rng.integers(0, len(rows), 4):
        probes.append(Probe([None] * len(columns), "missing", "every input"))
        keep = rng.random(len(columns)) < 0.5
        probes.append(
            Probe([v if k else None for v, k in zip(rows[r], keep, strict=True)], "missing", "several inputs")
        )
    return probes


def text_probes(
    columns: Sequence[Column], rows: Sequence[Row], words: Sequence[str], rng: np.random.Generator
) -> list[Probe]:
    """Texts that a vectoriser may read in another way, in the columns that one reads.

    Args:
        words: what the fitted vectorisers know.
    """
    one, two = [str(w) for w in rng.choice(words, 2)] if words else ("one", "two")
    texts = [
        f"{one} {two}", f"{one.upper()} {two.title()}", f"{one}{two}", f"{one}-{two}", f"{one}_{two}", f"{one}'s {two}’s",
        f"{one},{two};({one})!", f"{one}\n{two}\t{one}\r\n", f"  {one}   {two}  ", f"{one} never-seen-before {two}", f"{one}1 2{two} 42",
        f"{one} {one} {one}", "the and of a", "don't can’t l'été", "naïve café NAI\u0308VE CAFÉ ＣＡＦＥ ﬁn", "GRÖSSE größe STRASSE straße",
        "İstanbul ısı ΣΊΣΥΦΟΣ ǅ", "नमस्ते 你好 こんにちは สวัสดี שלום", f"{one}🎉{two} 👩‍👩‍👧 ½ ² Ⅷ ٣", f"{one}\u00a0{two}\u2028{one}\u200d{two}\x1f{one}",
        "...", "\n", "x", f"{one} {two} " * 2000,
    ]  # fmt: skip
    probes = []
    for at, column in enumerate(columns):
        for text in texts if column.analyzer else ():
            row = list(rows[int(rng.integers(0, len(rows)))])
            row[at] = text
            probes.append(Probe(row, "text", column.name, at))
    return probes


def threshold_probes(
    estimator: Any,
    oracle: Oracle,
    columns: Sequence[Column],
    rows: Sequence[Row],
    rng: np.random.Generator,
    limit: int = 300,
) -> list[Probe]:
    """The two neighbouring float32 values of an input between which a tree node decides, for `limit` nodes.

    Where trees stand behind preprocessing, the input is found by trying: the column is varied in a row of the
    sample, and the switch point of the node's feature is found by bisection over the float32 numbers.
    """
    probes: list[Probe] = []
    groups = list(tree_groups(estimator, oracle.inputs))
    for trees in groups:
        share = max(limit // len(groups), 8)
        probes += _cross(trees, share, columns, rows, rng)
    return probes


def beside(
    thresholds: Sequence[tuple[int, float]],
    columns: Sequence[Column],
    rows: Sequence[Row],
    rng: np.random.Generator,
    limit: int = 300,
) -> list[Probe]:
    """The nearest float32 of each threshold and its two neighbours.

    Args:
        thresholds: the position of a column, and what it is compared with as it is; of more than `limit`, some.
        rows: rows of the sample that the model scores.
    """
    chosen = list(thresholds)
    if len(chosen) > limit:
        chosen = [chosen[n] for n in rng.choice(len(chosen), limit, replace=False)]
    probes = []
    for at, threshold in chosen:
        if abs(threshold) >= float(np.finfo(np.float32).max):
            continue
        key = _ordered(threshold)
        for near in (key - 1, key, key + 1):
            row = list(rows[int(rng.integers(0, len(rows)))])
            row[at] = _number(near)
            probes.append(Probe(row, "threshold", columns[at].name, at))
    return probes


def _cross(
    trees: Trees,
    limit: int,
    columns: Sequence[Column],
    rows: Sequence[Row],
    rng: np.random.Generator,
) -> list[Probe]:
    """Bisect all nodes at once."""
    nodes, transform = trees.nodes, trees.transform
    if len(nodes) > limit:
        nodes = tuple(nodes[n] for n in rng.choice(len(nodes), limit, replace=False))
    bases = [list(rows[n]) for n in rng.integers(0, len(rows), len(nodes))]
    numbers = [c for c, column in enumerate(columns) if column.type == "number"]
    moved_by = links(transform, rows, numbers, rng)
    jobs = [
        (n, c, feature, threshold)
        for n, (feature, threshold) in enumerate(nodes)
        if np.isfinite(threshold)
        for c in moved_by.get(feature, ())[:2]
    ]
    if not jobs:
        return []
    ranges = {c: value_range(rows, c) for c in numbers}
    low = np.array([_ordered(ranges[c][0]) for _, c, _, _ in jobs], dtype=np.int64)
    high = np.array([_ordered(ranges[c][1]) for _, c, _, _ in jobs], dtype=np.int64)

    def side(at: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        moved = []
        for (n, c, _, _), key in zip(jobs, at, strict=True):
            row = list(bases[n])
            row[c] = _number(int(key))
            moved.append(row)
        values = matrix(transform(moved))
        picked = values[np.arange(len(jobs)), [f for _, _, f, _ in jobs]]
        if trees.casts:
            picked = picked.astype(np.float32)
        return np.asarray(picked <= np.array([t for _, _, _, t in jobs]), dtype=np.bool_)

    try:
        left, right = side(low), side(high)
        crossing = left != right
        while (gap := (high - low) > 1).any():
            middle = (low + high) // 2
            same = side(middle) == left
            low = np.where(gap & same, middle, low)
            high = np.where(gap & ~same, middle, high)
    except Exception:  # preprocessing that refuses such a row: these thresholds cannot be reached this way
        return []
    probes = []
    for (n, c, _, _), a, b, crosses in zip(jobs, low, high, crossing, strict=True):
        for key in (int(a), int(b)) if crosses else ():
            row = list(bases[n])
            row[c] = _number(key)
            probes.append(Probe(row, "threshold", columns[c].name, c))
    return probes


def _ordered(value: float) -> int:
    """Float32 numbers as integers in the same order, neighbours one apart."""
    bits = int(np.float32(value).view(np.int32))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFF)


def _number(key: int) -> float:
    bits = np.int32(key if key >= 0 else (-key) | -0x80000000)
    return float(bits.view(np.float32))
