"""The ONNX model's results held against the estimator's own.

Decision on rounding. The truth is the estimator's result for the values as they are (float64); the server can
only send their float32 neighbours. A row passes when ONNX, given the float32 values, agrees with the
estimator on the original ones. A row that does not is *rounded*, not failed, when rounding explains all of
the difference: the estimator itself gives ONNX's result for another row that rounds to the very same float32
values (tried: the rounded row, and rows with inputs moved by just under half a unit in the last place). Only
an estimator that tells such values apart (histogram trees, trees behind a scaler) can have rounded rows, and
no conversion can mend them. They are counted (`rounded_rows`, `rounded_probes`), and a sample with more than
`ROUNDED_LIMIT` of them is refused: its inputs need more than 24 bits (epoch seconds, identifiers) and have to
be expressed otherwise. A single row beyond the tolerance for any other reason refuses the version.

Unit of differences: probabilities are compared absolutely. Values are compared relative to the larger of the
estimator's own value and the spread (standard deviation) of its values on the sample.

A row that the estimator refuses has no score: NaN is then the right answer of the ONNX model. Numbers far
outside the sample may overflow float32 inside the model: NaN there is honest (the server stores no score) and
counted as `overflow_rows`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelpack.packager.estimator.columns import Column, Row
from modelpack.packager.proof.oracle import Scorer, float32_row
from modelpack.packager.proof.probes import Probe

ROUNDED_LIMIT = 0.01
"""Share of the sample's rows that may change through rounding of the inputs to float32."""

ABSOLUTE = "absolute"
RELATIVE = "relative to the expected score, or to the spread of the sample's scores where that is larger"

_FAR = ("extreme", "large integer")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Parity:
    """The report of one comparison. Differences have the unit that this module's docstring names."""

    rows: int
    """Sample rows compared."""
    probes: dict[str, int]
    """Probe rows compared, by kind."""
    tolerance: float
    max_difference: float
    where: str
    """The row of the largest difference, in words."""
    failures: int
    """Rows beyond the tolerance (0 for a version that passed)."""
    refused_rows: int
    """Sample rows that the estimator itself refuses."""
    side_changes: int
    """Sample rows whose probability is on the other side of 0.5."""
    rank_changes: int
    """Neighbours in the estimator's ranking of the sample that stand the other way round."""
    overflow_rows: int
    """Probes far outside the sample to which the ONNX model gives no score."""
    rounded_rows: int
    """Sample rows whose score differs beyond the tolerance because the inputs are rounded to float32."""
    rounded_probes: int
    """Likewise among the probes, most of which sit at a threshold."""
    rounded_difference: float
    """Largest difference among the rounded sample rows."""
    large: tuple[str, ...] = ()
    """Inputs of the rounded sample rows with numbers beyond 2^24, where float32 leaves out whole numbers."""
    route: str = "float32"
    """How the model was converted."""
    accepted: str | None = None
    """Why a version that failed was accepted all the same."""
    unit: str = ABSOLUTE
    """Of the differences and the tolerance, in words."""

    @property
    def allowed(self) -> str:
        """The tolerance with its unit."""
        return f"{self.tolerance:g} ({self.unit})"

    @property
    def beyond(self) -> str:
        """How many rows are beyond the tolerance, and the worst of them."""
        total = self.rows + sum(self.probes.values())
        return (
            f"{self.failures} of {total} rows differ by more than {self.allowed}, at most by {self.max_difference:.3g}. "
            f"The worst is {self.where}"
        )

    @property
    def passed(self) -> bool:
        return self.failures == 0 and self.rounded_rows <= ROUNDED_LIMIT * max(self.rows, 1)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON; an infinite difference (a score where there should be none) becomes null."""
        form = asdict(self)
        return {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in form.items()}


@dataclass(frozen=True)
class Expected:
    """Rows with the estimator's own results (or those expected of a file); what every route is held against."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    """The sample as given, then the probes."""
    scores: Floats
    reasons: dict[int, str]
    """Why the estimator refuses a row, by its number."""
    probes: tuple[Probe, ...]
    scored: npt.NDArray[np.bool_]
    """Rows that the server hands to the model: no input is missing that may not be."""
    truth: str = "the estimator gives"
    """How the message about a row begins."""

    @property
    def sample_rows(self) -> int:
        return len(self.rows) - len(self.probes)


def compare(
    expected: Expected, found: Floats, oracle: Scorer, tolerance: float, *, probability: bool, route: str
) -> Parity:
    """Hold ONNX scores [N] against the expected ones [N]; ask the estimator again about the rows that
    differ."""
    count = expected.sample_rows
    unit = _unit(expected, probability)
    kinds = ["sample"] * count + [p.kind for p in expected.probes]
    wanted = expected.scores
    difference = _difference(wanted, found, unit)
    far = np.array([k in _FAR for k in kinds], dtype=bool)
    overflow = np.isfinite(wanted) & ~np.isfinite(found) & far & expected.scored
    difference[overflow | ~expected.scored] = 0.0
    apart = np.flatnonzero((difference > tolerance) & np.isfinite(wanted) & np.isfinite(found))
    rounded = _explained(expected, found, unit, apart, oracle, tolerance)
    rounded_difference = float(difference[:count][rounded[:count]].max(initial=0.0))
    difference[rounded] = 0.0
    worst = int(np.argmax(difference))
    compared = expected.scored[:count] & np.isfinite(wanted[:count]) & np.isfinite(found[:count])
    tally = dict.fromkeys(kinds[count:], 0)
    for kind, scored in zip(kinds[count:], expected.scored[count:], strict=True):
        tally[kind] += int(scored)
    return Parity(
        rows=int(compared.sum()),
        probes=tally,
        tolerance=tolerance,
        max_difference=float(difference[worst]),
        where=_describe(expected, found, worst, kinds),
        failures=int((difference > tolerance).sum()),
        refused_rows=int((~np.isfinite(wanted[:count])).sum()),
        side_changes=_side_changes(wanted[:count][compared], found[:count][compared]) if probability else 0,
        rank_changes=_rank_changes(wanted[:count][compared], found[:count][compared]),
        overflow_rows=int(overflow.sum()),
        rounded_rows=int(rounded[:count].sum()),
        rounded_probes=int(rounded[count:].sum()),
        rounded_difference=rounded_difference,
        large=_large(expected, np.flatnonzero(rounded[:count])),
        route=route,
        unit=ABSOLUTE if probability else RELATIVE,
    )


def _difference(wanted: Floats, found: Floats, unit: Floats) -> Floats:
    """Infinite where one of the two has no score and the other has; 0 where both have none."""
    both = np.isfinite(wanted) & np.isfinite(found)
    with np.errstate(invalid="ignore"):
        difference = np.where(both, np.abs(found - wanted) / unit, 0.0)
    difference[np.isfinite(wanted) != np.isfinite(found)] = np.inf
    return np.asarray(difference, dtype=np.float64)


def _explained(
    expected: Expected, found: Floats, unit: Floats, differing: Any, oracle: Scorer, tolerance: float
) -> npt.NDArray[np.bool_]:
    """Which of the differing rows are rounded rows (see the module's docstring)."""
    explained = np.zeros(len(expected.rows), dtype=np.bool_)
    near = [(int(n), row) for n in differing for row in _neighbours(expected, int(n))]
    scores, _ = oracle.scores([row for _, row in near])
    for (n, _), score in zip(near, scores, strict=True):
        explained[n] |= np.isfinite(score) and abs(found[n] - score) / unit[n] <= tolerance
    return explained


def _neighbours(expected: Expected, n: int) -> list[Row]:
    """Rows that nobody can tell from row n once they have been rounded to float32.

    Only what rounding changes is moved: a number that is a float32 already arrives as it is. A probe's own number is
    moved although it is one: it stands for those of the training data beside a threshold.
    """
    row = expected.rows[n]
    rounded = float32_row(row)
    at = expected.probes[n - expected.sample_rows].at if n >= expected.sample_rows else None
    moving = {c for c, (v, r) in enumerate(zip(row, rounded, strict=True)) if v != r} | {at}
    low, high = _edge(rounded, -np.inf, moving), _edge(rounded, np.inf, moving)
    near = [rounded, low, high]
    if at is not None:
        near += [[*base[:at], edge[at], *base[at + 1 :]] for base in (row, rounded) for edge in (low, high)]
    return near


def _edge(rounded: Row, direction: float, moving: Collection[int | None]) -> Row:
    """The row with numbers all but half way to the next float32: the last one that rounds back."""
    moved: Row = []
    for c, value in enumerate(rounded):
        if isinstance(value, float) and c in moving:
            following = float(np.nextafter(np.float32(value), np.float32(direction)))
            moved.append(value + (0.5 - 1e-8) * (following - value) if np.isfinite(following) else value)
        else:
            moved.append(value)
    return moved


def _large(expected: Expected, rows: Any) -> tuple[str, ...]:
    """Columns with a number beyond 2^24 in one of the rows."""
    return tuple(
        column.name
        for c, column in enumerate(expected.columns)
        if any(isinstance(v := expected.rows[n][c], float) and abs(v) > 2.0**24 for n in rows)
    )


def _unit(expected: Expected, probability: bool) -> Floats:
    if probability:
        return np.ones(len(expected.rows))
    known = expected.scores[: expected.sample_rows]
    known = known[np.isfinite(known)]
    spread = float(known.std()) if len(known) else 0.0
    unit = np.maximum(np.nan_to_num(np.abs(expected.scores)), spread)
    return np.where(unit > 0, unit, 1.0)


def _side_changes(wanted: Floats, found: Floats) -> int:
    return int(((wanted >= 0.5) != (found >= 0.5)).sum())


def _rank_changes(wanted: Floats, found: Floats) -> int:
    order = np.argsort(wanted, kind="stable")
    rises = np.diff(wanted[order]) > 0
    falls = np.diff(found[order]) < 0
    return int((rises & falls).sum())


def _short(cell: object) -> str:
    shown = repr(cell)
    return shown if len(shown) <= 200 else f"{shown[:200]}…"


def _describe(expected: Expected, found: Floats, n: int, kinds: Sequence[str]) -> str:
    cells = ", ".join(
        f"{c.name}={_short(v)}" for c, v in zip(expected.columns, expected.rows[n], strict=True)
    )
    if n < expected.sample_rows:
        place = f"sample row {n}"
    else:
        place = f"probe ({kinds[n]} in {expected.probes[n - expected.sample_rows].about})"
    wanted = (
        f"{expected.scores[n]:.9g}"
        if np.isfinite(expected.scores[n])
        else f"no score ({expected.reasons.get(n, 'refused')})"
    )
    return f"{place}: {expected.truth} {wanted}, ONNX {found[n]:.9g}, for {cells}"
