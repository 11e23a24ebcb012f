"""What a demo tells: the application's tables, its events, and what became of its customers.

Time has four marks. Events before `learned` are history, and the model is trained on the features of that
moment. Events from `learned` to `today` arrive one INSERT at a time; what happened in them is the truth of the
training. Events from `today` to `end` reach the database only when the scores are given and written down: they are the
truth that these are held against. From `learned` to `today` and from `today` to `end` it is as long as the horizon of the
outcome that the declaration names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
from sklearn.base import BaseEstimator

DECLARATIONS = Path(__file__).parent / "declarations"


@dataclass(frozen=True)
class EventLog:
    """All events of one event table, in the order of their time.

    `rows` has the columns of the table that an INSERT names; `at` is the one with the time (UTC).
    """

    table: str
    at: str
    rows: pd.DataFrame

    @property
    def insert(self) -> str:
        """The statement of the application, with places for the values."""
        return self._insert(["%s"] * len(self.rows.columns))

    @property
    def shown(self) -> str:
        """The same as it is shown: each place has its column's name."""
        return self._insert([f":{name}" for name in self.rows.columns])

    def _insert(self, places: list[str]) -> str:
        return f"insert into {self.table} ({', '.join(self.rows.columns)}) values ({', '.join(places)})"

    def between(self, start: datetime | None, end: datetime) -> pd.DataFrame:
        """The events from `start` (None: the first) up to and without `end`."""
        at = self.rows[self.at]
        return self.rows[(at < end) & (True if start is None else at >= start)]


@dataclass(frozen=True)
class Act:
    """Something that happens to one customer before everybody's eyes."""

    title: str
    find: str
    """SQL for the customer's key."""
    show: str
    """SQL for what the application reads of the profile; %s is the key."""
    insert: str
    """The application's statement; %s is the key."""


@dataclass(frozen=True)
class Release:
    """A version: an estimator that is not fitted yet, and the columns that it takes."""

    estimator: BaseEstimator
    inputs: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class Hindsight:
    """The whole log, dated so that it ends today, and moments of it at which scores are judged once more.

    Its tables stand beside the application's; `renamed` says which takes the place of which.
    """

    tables: str
    renamed: dict[str, str]
    log: EventLog
    cut_offs: dict[str, datetime]
    """By what they are called."""


@dataclass(frozen=True)
class Scenario:
    """One story. `logs[0]` holds the purchases: who buys nothing more has left."""

    title: str
    explanation: str
    tables: str
    customers: pd.DataFrame | None
    """Rows of demo.customer that the application has; None where events create the profiles."""
    logs: tuple[EventLog, ...]
    declaration: Path
    learned: datetime
    today: datetime
    end: datetime
    act: Act
    releases: tuple[Release, Release]
    hindsight: Hindsight | None = None
    """None where nothing is known beyond `end`."""

    def left(self, customers: pd.Index, start: datetime, end: datetime) -> pd.Series:
        """For each customer: 1 who bought nothing from `start` up to and without `end`, else 0."""
        stayed = set(self.logs[0].between(start, end)["customer_id"])
        return pd.Series([0 if customer in stayed else 1 for customer in customers], index=customers)

    def arrivals(self) -> Iterator[list[tuple[str, tuple[object, ...]]]]:
        """Day by day, the INSERT statements between `learned` and `today`, in the order of the events."""
        statements: dict[int, list[tuple[datetime, str, tuple[object, ...]]]] = {}
        for log in self.logs:
            rows = log.between(self.learned, self.today)
            # Python's own numbers and times: psycopg knows no NumPy scalars
            columns = [rows[name].astype(object) for name in rows.columns]
            for at, *values in zip(rows[log.at].dt.to_pydatetime(), *columns, strict=True):
                cells = tuple(v.to_pydatetime() if isinstance(v, pd.Timestamp) else v for v in values)
                statements.setdefault((at - self.learned).days, []).append((at, log.insert, cells))
        for day in sorted(statements):
            yield [(insert, cells) for _, insert, cells in sorted(statements[day], key=lambda s: s[0])]

    def lapse(
        self, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, list[tuple[str, pd.DataFrame]]]]:
        """What happens from `today` to the end, in time-lapse between two moments, day by day.

        Each day comes with the moment at which it is over, and the rows of each event table.
        """
        pace = (end - start) / (self.end - self.today)
        for day in range((self.end - self.today).days):
            after, before = (self.today + timedelta(days=d) for d in (day, day + 1))
            yield (
                start + (before - self.today) * pace,
                [
                    (
                        log.table,
                        rows.assign(**{log.at: (start + (rows[log.at] - self.today) * pace).dt.round("us")}),
                    )
                    for log in self.logs
                    if len(rows := log.between(after, before))
                ],
            )

    @property
    def arriving(self) -> int:
        """How many events arrive."""
        return sum(len(log.between(self.learned, self.today)) for log in self.logs)
