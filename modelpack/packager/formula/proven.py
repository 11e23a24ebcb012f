"""A formula that gives what its version gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from modelpack.errors import PackagingError
from modelpack.formula import check, evaluate
from modelpack.packager.formula.graph import formula_of
from modelpack.packager.formula.steps import UnreadableError
from modelpack.packager.signature import Signature

MOST_PARTS = 5000
"""Of a formula that scores although nobody asked for it: each session compiles it anew (docs/engines.md)."""
MOST_OPERATIONS = 1000
"""Of such a formula, for a row: about what a call of onnxruntime costs. A layer of a network has a thousand in few parts."""

MOST_BYTES = 1_000_000
"""Of a graph that is read for such a formula: no part takes 200 bytes of it."""


def formula_for(
    onnx: bytes, signature: Mapping[str, Any], golden: Mapping[str, Any], tolerance: float = 1e-5
) -> dict[str, Any]:
    """A version as data: its signature, its formula, and its golden rows with what the formula gives for them.

    Args:
        onnx: a model in normal form.
        signature, golden: of its version, as JSON.
        tolerance: largest difference from a golden score: absolute for a probability, relative for a value beyond 1.

    Raises:
        PackagingError: the graph has no formula, or one that gives other scores.
    """
    known = Signature.from_json(signature)
    try:
        formula = formula_of(onnx)
    except UnreadableError as error:
        raise PackagingError(
            f"The version has no formula: {error}. Its .onnx file (modelpack export) runs wherever onnxruntime does."
        ) from error
    check(formula, len(known.numbers), len(known.texts))
    scores = []
    for place, (row, expected) in enumerate(zip(golden["rows"], golden["scores"], strict=True), start=1):
        score = _score(formula, known, row)
        if (score is None) != (expected is None) or (
            score is not None
            and expected is not None
            and abs(score - expected) > tolerance * max(1.0, abs(expected))
        ):
            raise PackagingError(
                f"The formula gives {'no score' if score is None else f'{score:.9g}'} for golden row {place}, the version "
                f"{'none' if expected is None else f'{expected:.9g}'}; expected the same within {tolerance:g}. Use its .onnx "
                "file (modelpack export)."
            )
        scores.append(score)
    return {
        "signature": dict(signature),
        "formula": formula,
        "golden": {"rows": golden["rows"], "scores": scores},
    }


def _score(formula: dict[str, Any], signature: Signature, row: list[Any]) -> float | None:
    """What the server would store: None where an input is missing that may not be, or where the score is no number."""
    for given, cell in zip(signature.inputs, row, strict=True):
        if cell is None and not given.missing:
            return None
        if isinstance(cell, (int, float)) and abs(cell) > float(np.finfo(np.float32).max):
            return None
    score = float(computed(partial(evaluate, formula), signature, [row])[0])
    return score if math.isfinite(score) else None


def needed_formula(onnx: bytes) -> dict[str, Any]:
    """The formula of a model in normal form. Raises PackagingError where the graph has none."""
    try:
        return formula_of(onnx)
    except UnreadableError as error:
        raise PackagingError(f"The model has no formula, which the engine python needs: {error}.") from error


def small_formula(onnx: bytes, numbers: int, texts: int) -> dict[str, Any] | None:
    """The formula of a model in normal form with so many inputs of either type; None where it has none, or a large one."""
    if len(onnx) > MOST_BYTES:
        return None
    try:
        formula = formula_of(onnx)
        small = check(formula, numbers, texts) <= MOST_PARTS and operations(formula) <= MOST_OPERATIONS
        return formula if small else None
    except Exception:  # nobody has asked for one: whatever a graph of anybody's is that it is read wrongly, onnxruntime scores it
        return None


def operations(formula: dict[str, Any]) -> int:
    """How many operations a row takes at most: of a tree, as many as it has levels."""
    found = 0
    for name, *given in formula["steps"]:
        found += 1
        if name in ("linear", "softmax"):
            found += len(given[0] if name == "linear" else given[1])
        elif name == "trees":
            found += sum(1 + levels(tree) for tree in given[1])
    return found


def levels(tree: Any) -> int:
    """Of a tree of a formula; a leaf alone has none."""
    return 1 + max(levels(tree[4]), levels(tree[5])) if isinstance(tree, list) else 0


def computed(
    score: Callable[[Sequence[float], Sequence[str]], float],
    signature: Signature,
    rows: Sequence[Sequence[Any]],
) -> npt.NDArray[np.float64]:
    """The scores [N] of rows in signature order, of which everything may be missing; NaN: none."""
    packed = signature.pack(rows)
    numbers = packed["number"].tolist() if "number" in packed else repeat([])
    texts = packed["text"].tolist() if "text" in packed else repeat([])
    given = zip(range(len(rows)), numbers, texts, strict=False)
    return np.array([score(n, t) for _, n, t in given], dtype=np.float64)
