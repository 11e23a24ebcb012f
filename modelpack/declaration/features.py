"""Features: profile columns that events maintain.

A feature says *what* is kept. How it is kept (by difference, recomputed, read at the moment of scoring)
follows from its kind and is written down in `modelpack.compile.feature_sql`.

NULL values never count, as in SQL's own aggregates; NaN and infinite amounts count as NULL in sums and
means, because nothing could take them out again. The sum and the count of no events are 0, everything else is NULL.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from modelpack.declaration.duration import duration
from modelpack.declaration.expressions import check_condition
from modelpack.declaration.names import check_name
from modelpack.errors import DeclarationError, shown


@dataclass(frozen=True)
class Feature:
    """What all kinds of feature have: the events that count (`where`), over which time (`window`)."""

    kind: ClassVar[str] = ""
    needs_column: ClassVar[bool] = True
    column: str | None = None
    where: str | None = None
    window: str | None = None

    def __post_init__(self) -> None:
        if self.needs_column and not (isinstance(self.column, str) and self.column):
            raise DeclarationError(
                f'{self.kind}() needs the name of an event column, for example {self.kind}("amount")'
            )
        if self.column is not None:
            check_name(self.column, f"the column of {self.kind}()")
        if self.window is not None:
            duration(self.window, what=f"the window of {self.kind}()")
        if self.where is not None:
            check_condition(self.where, f"where= of {self.kind}()")

    def to_dict(self) -> dict[str, Any]:
        """The feature as JSON: its kind and the settings that were given."""
        return {"kind": self.kind} | {k: v for k, v in asdict(self).items() if v is not None}


@dataclass(frozen=True)
class Count(Feature):
    """Number of events (bigint)."""

    kind: ClassVar[str] = "count"
    needs_column: ClassVar[bool] = False


@dataclass(frozen=True)
class Total(Feature):
    """Sum of a column (numeric: exact, so that differences never drift)."""

    kind: ClassVar[str] = "total"


@dataclass(frozen=True)
class Mean(Feature):
    """Arithmetic mean of a column (double precision), kept as an exact sum and a count."""

    kind: ClassVar[str] = "mean"


@dataclass(frozen=True)
class Deviation(Feature):
    """Sample standard deviation of a column (double precision), kept as exact sums of x and x²."""

    kind: ClassVar[str] = "deviation"


@dataclass(frozen=True)
class Minimum(Feature):
    """Smallest value of a column, in the column's own type."""

    kind: ClassVar[str] = "minimum"


@dataclass(frozen=True)
class Maximum(Feature):
    """Largest value of a column, in the column's own type."""

    kind: ClassVar[str] = "maximum"


@dataclass(frozen=True)
class First(Feature):
    """Value of a column at the earliest event; among events of the same time the smallest value."""

    kind: ClassVar[str] = "first"


@dataclass(frozen=True)
class Last(Feature):
    """Value of a column at the latest event; among events of the same time the largest value."""

    kind: ClassVar[str] = "last"


@dataclass(frozen=True)
class Distinct(Feature):
    """Number of different values of a column (bigint), counted again for the keys touched."""

    kind: ClassVar[str] = "distinct"


@dataclass(frozen=True)
class Decayed(Feature):
    """Number of events (or sum of a column), each weighing 2^(-age / half_life) (double precision)."""

    kind: ClassVar[str] = "decayed"
    needs_column: ClassVar[bool] = False
    half_life: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        duration(self.half_life, what="the half_life of decayed()")


KINDS: dict[str, type[Feature]] = {
    cls.kind: cls for cls in (Count, Total, Mean, Deviation, Minimum, Maximum, First, Last, Distinct, Decayed)
}


def feature_from_dict(data: dict[str, Any]) -> Feature:
    """The inverse of `Feature.to_dict`; the name that a declaration keeps beside it is passed over."""
    settings = {k: v for k, v in data.items() if k != "name"}
    kind = settings.pop("kind", None)
    if kind not in KINDS:
        raise DeclarationError(
            f"unknown kind of feature {shown(kind)}, expected one of {', '.join(sorted(KINDS))}"
        )
    return KINDS[kind](**settings)


def count(*, where: str | None = None, window: str | None = None) -> Feature:
    """Number of events; with `window="30 days"` of those in the 30 days up to the moment of scoring."""
    return Count(where=where, window=window)


def total(column: str, *, where: str | None = None, window: str | None = None) -> Feature:
    """Sum of an event column (numeric); 0 without events."""
    return Total(column=column, where=where, window=window)


def mean(column: str, *, where: str | None = None, window: str | None = None) -> Feature:
    """Arithmetic mean of an event column (double precision); NULL without events."""
    return Mean(column=column, where=where, window=window)


def deviation(column: str, *, where: str | None = None, window: str | None = None) -> Feature:
    """Sample standard deviation of an event column (double precision); NULL below two events."""
    return Deviation(column=column, where=where, window=window)


def minimum(column: str, *, where: str | None = None, window: str | None = None) -> Feature:
    """Smallest value of an event column, in the column's own type; NULL without events."""
    return Minimum(column=column, where=where, window=window)


def maximum(column: str, *, where: str | None = None, window: str | None = None) -> Feature:
    """Largest value of an event column, in the column's own type; NULL without events."""
    return Maximum(column=column, where=where, window=window)


def first(column: str, *, where: str | None = None) -> Feature:
    """Value of an event column at the customer's earliest event, in the column's own type."""
    return First(column=column, where=where)


def last(column: str, *, where: str | None = None) -> Feature:
    """Value of an event column at the customer's latest event, in the column's own type."""
    return Last(column=column, where=where)


def distinct(column: str, *, where: str | None = None, window: str | None = None) -> Feature:
    """Number of different non-NULL values of an event column (bigint)."""
    return Distinct(column=column, where=where, window=window)


def decayed(column: str | None = None, *, half_life: str, where: str | None = None) -> Feature:
    """Events (or a column's values) that lose half their weight every `half_life`.

    Right at the moment of scoring; a weight below 2^-200 counts as nothing.
    """
    return Decayed(column=column, where=where, half_life=half_life)
