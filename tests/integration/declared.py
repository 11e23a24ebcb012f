"""Random declarations, and what each of their features is, in plain Python (Fraction, fsum)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

import modelpack as mp
from modelpack.declaration.features import Feature
from tests.oracle import seconds

Row = dict[str, Any]

Condition = Callable[[Row], bool]
CONDITIONS: dict[str | None, Condition] = {
    None: lambda _: True,
    "c = 'a'": lambda r: r["c"] == "a",
    "x > 0": lambda r: r["x"] is not None and (math.isnan(r["x"]) or r["x"] > 0),
    "flag is not null": lambda r: r["flag"] is not None,
    "flag > 1 or c is null": lambda r: (r["flag"] is not None and r["flag"] > 1) or r["c"] is None,
}
LENGTHS = {"1 hour": 3600, "7 days": 604800, "400 days": 34560000}

NUMBERS: dict[str, list[str | None]] = {
    "numeric": [None, "0", "1", "-1", "0.1", "-7.25", "12345678901234567890.123", "1e-40", "NaN", "1e100", "1e101"],
    "double precision": [None, "0.1", "-0", "NaN", "Infinity", "-Infinity", "1e308", "5e-324", "9007199254740991",
                         "0.333333333333333315", "-2.5", "1e-30"],
    "real": [None, "0.1", "16777216", "NaN", "-Infinity", "-3", "1e-40"],
    "bigint": [None, "0", "1", "-1", "9223372036854775807", "-9223372036854775808", "7"],
}  # fmt: skip


def number(text: str | None, kind: str) -> Any:
    """The value that a column of this type holds."""
    if text is None:
        return None
    if kind == "bigint":
        return int(text)
    if kind == "numeric":
        return Decimal(text)
    return float(text)


def amount(x: Any, kind: str) -> Fraction | None:
    """What sums add up: every digit of the number as it is written; NULL for what is no number."""
    if x is None:
        return None
    if kind == "real" and math.isfinite(x):
        import numpy as np

        x = Decimal(str(np.float32(x)))
    elif isinstance(x, float):
        x = Decimal(repr(x))
    if isinstance(x, Decimal) and not x.is_finite():
        return None
    exact = Fraction(x)
    if abs(exact) > 10**100:
        return None
    return Fraction(0) if abs(exact) < Fraction(1, 10**100) else exact


def order(x: Any) -> tuple[int, Any]:
    """Orders values as PostgreSQL does: NaN after every other number."""
    if isinstance(x, (float, Decimal)) and math.isnan(x):
        return (1, 0)
    return (0, x)


class Model:
    """What one feature is, over rows, at a moment."""

    def __init__(
        self, feature: Feature, kind: str, conditions: Mapping[str | None, Condition] | None = None
    ) -> None:
        self.feature = feature
        self.kind = kind
        self.where = (conditions or CONDITIONS)[feature.where]

    def over(self, rows: list[Row], moment: datetime) -> Any:
        f = self.feature
        rows = [r for r in rows if self.where(r)]
        if f.window:
            since = moment - timedelta(seconds=seconds(f.window))
            rows = [r for r in rows if r["at"] is not None and since < r["at"] <= moment]
        values = [r[f.column] for r in rows] if f.column else []
        present = [v for v in values if v is not None]
        if f.kind == "count":
            return len(rows)
        if f.kind == "distinct":
            return len({order(v) for v in present})
        if f.kind in ("minimum", "maximum"):
            return (min if f.kind == "minimum" else max)(present, key=order, default=None)
        if f.kind in ("first", "last"):
            timed = [(r["at"], order(r[f.column]), r[f.column]) for r in rows
                     if r["at"] is not None and r[f.column] is not None]  # fmt: skip
            return (min if f.kind == "first" else max)(timed, key=lambda t: t[:2], default=(None,))[-1]
        if f.kind == "decayed":
            return self._decayed(rows, moment)
        amounts = [a for a in (amount(v, self.kind) for v in values) if a is not None]
        if f.kind == "total":
            return sum(amounts, Fraction(0))
        if f.kind == "mean":
            return float(sum(amounts)) / len(amounts) if amounts else None
        n, s, q = len(amounts), sum(amounts), sum(a * a for a in amounts)
        return math.sqrt(float(n * q - s * s) / (n * (n - 1))) if n > 1 else None

    def _decayed(self, rows: list[Row], moment: datetime) -> tuple[float, float]:
        """The value and its magnitude."""
        half_life = seconds(self.feature.half_life)  # type: ignore[attr-defined]
        weighed = []
        for r in rows:
            a = amount(r[self.feature.column], self.kind) if self.feature.column else Fraction(1)
            if a is not None and r["at"] is not None and r["at"] <= moment:
                age = (moment - r["at"]).total_seconds()
                weighed.append(float(a) * 2.0 ** (-age / half_life) if age / half_life < 600 else 0.0)
        return math.fsum(weighed), math.fsum(map(abs, weighed))

    def same(self, stored: Any, expected: Any) -> bool:
        if expected is None or stored is None:
            return stored is expected
        if self.feature.kind == "decayed":
            target, magnitude = expected
            return abs(stored - target) <= 1e-9 * magnitude + 1e-70
        if self.feature.kind == "total":
            return Fraction(stored) == expected
        if self.feature.kind == "mean":
            return math.isclose(stored, expected, rel_tol=4e-16)
        if self.feature.kind == "deviation":
            return math.isclose(stored, expected, rel_tol=1e-12)
        return order(stored) == order(expected)


class Declared:
    """One event table of the random declaration."""

    def __init__(self, table: str, kind: str, partitioned: bool, event: mp.Event) -> None:
        self.table = table
        self.kind = kind
        self.partitioned = partitioned
        self.event = event
        self.models = {name: Model(feature, kind) for name, feature in event.features.items()}

    def __repr__(self) -> str:
        return f"{self.table}: {self.kind}, {self.event.to_dict()}"

    @property
    def keep(self) -> bool:
        return self.event.on_delete == "keep"

    def counts(self, r: Row) -> bool:
        return all(k is not None for k in r["key"]) and CONDITIONS[self.event.where](r)


def features(keep: bool) -> st.SearchStrategy[list[Feature]]:
    """Random features; with `keep` only those that an UPDATE can be followed with."""
    where = st.sampled_from(list(CONDITIONS))
    window = st.sampled_from([None, *LENGTHS])
    lasting = [
        st.builds(mp.count, where=where, window=window),
        st.builds(mp.total, st.just("x"), where=where, window=window),
        st.builds(mp.mean, st.just("x"), where=where, window=window),
        st.builds(mp.deviation, st.just("x"), where=where, window=window),
    ]
    reread = [
        st.builds(
            mp.decayed, st.sampled_from([None, "x"]), half_life=st.sampled_from(list(LENGTHS)), where=where
        ),
        st.builds(mp.minimum, st.sampled_from(["x", "c", "at"]), where=where, window=window),
        st.builds(mp.maximum, st.sampled_from(["x", "c", "at"]), where=where, window=window),
        st.builds(mp.first, st.sampled_from(["x", "c", "at"]), where=where),
        st.builds(mp.last, st.sampled_from(["x", "c", "at"]), where=where),
        st.builds(mp.distinct, st.sampled_from(["x", "c"]), where=where, window=window),
    ]
    return st.lists(st.one_of(*lasting, *([] if keep else reread)), min_size=1, max_size=6)


@st.composite
def declarations(draw: st.DrawFn, key: str) -> list[Declared]:
    """One or two event tables, for keys of a type."""
    tables = []
    for name in ("a", "b")[: draw(st.integers(1, 2))]:
        keep = draw(st.sampled_from([False, False, True]))
        kind = draw(st.sampled_from(list(NUMBERS)))
        chosen = {f"{name}{n}": f for n, f in enumerate(draw(features(keep)))}
        chosen |= {f"{name}_n": mp.count(), f"{name}_sum": mp.total("x")}
        event = mp.Event(
            f"{{schema}}.{name}",
            at="at",
            features=chosen,
            key=["k1", "k2"][: 2 if "," in key else 1],
            where=draw(st.sampled_from(list(CONDITIONS))),
            missing=draw(st.sampled_from(["create", "create", "ignore"])),
            on_delete="keep" if keep else "subtract",
        )
        tables.append(Declared(name, kind, draw(st.booleans()), event))
    return tables


KEYS: dict[str, list[tuple[Any, ...]]] = {
    "bigint": [(n,) for n in (1, 2, -3, 2**62)],
    "text": [(t,) for t in ("", "a", 'it\'s ["1"]', "Ä\\")],
    "uuid": [(f"00000000-0000-0000-0000-00000000000{n}",) for n in range(4)],
    # equal, and not the same text
    "numeric": [(Decimal(t),) for t in ("1", "1.00", "-7", "-7.0")],
    "double precision": [(x,) for x in (0.0, -0.0, 1e300, 0.1)],
    "integer, text": [(1, "a"), (1, "b"), (2, "a"), (2, "")],
}

WHEN = st.sampled_from(
    [None, 0, -1, -3599, -3600, -3601, -86400, -604800, -604801, -34560000, -4e7, -3e9, 1e-6, 1, 86400, 3e10]
)  # seconds from now
