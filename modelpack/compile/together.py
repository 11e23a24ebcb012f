"""Many rows of a profile scored in one call of each model: what COUNT and upkeep have in common (`templates/together_parts.sql`)."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from modelpack.compile.feature_sql import FeatureSql, of_row
from modelpack.compile.function import Function
from modelpack.compile.plan import Plan, ScorePlan
from modelpack.compile.render import render
from modelpack.compile.sql import Sql, ident

_VERSION = Sql("v_version_{}")

CHUNK_BYTES = 32_000_000
"""Bytes of rows that go into one call of a model and into one INSERT of the log: an array holds a gigabyte, and all of one
is in memory, some of it several times."""

AT_LEAST = 8
"""Profiles of a statement that are scored together: for fewer, the one statement that does it costs more than it saves."""

MOST_ARGUMENTS = 90
"""Features that one function puts into a row: a function takes a hundred arguments."""


@dataclass(frozen=True)
class Promoted(ScorePlan):
    """A score by the version that is promoted: a variable or parameter."""

    by: Sql

    @property
    def inputs(self) -> Sql:
        """What a query calls the numbers that a row is scored by."""
        return ident(f"{self.name} inputs")

    @property
    def texts(self) -> Sql:
        """What a query calls the texts that a row is scored by."""
        return ident(f"{self.name} texts")

    @property
    def results(self) -> Sql:
        """What a query calls the scores of all rows."""
        return ident(f"{self.name} scores")

    @property
    def given(self) -> Sql:
        """What a query calls the score of a row, before it is written."""
        return ident(f"{self.name} given")


@dataclass(frozen=True)
class Going:
    """A row as it is going to be, as a query makes it.

    `rows`: all features; `changed`: the names of those that may change; `stamps`: other columns; `due`: whether events that
    were dated ahead may have come due.
    """

    rows: list[tuple[str, Sql]]
    changed: list[str]
    stamps: list[tuple[str, Sql]]
    due: Sql | None


def promoted(plan: Plan) -> list[Promoted]:
    """The scores of a profile, each by its promoted version."""
    return [Promoted(s.score, s.stem, _VERSION.format(number)) for number, s in enumerate(plan.scores, 1)]


def windows(plan: Plan) -> list[tuple[Sql, Sql]]:
    """FROM items beside a row `p` with its windows, by their names."""
    return [
        (_window(number), event.aggregate(event.windowed, plan.keys("p"), *event.recent()))
        for number, event in enumerate(plan.events)
        if event.windowed
    ]


def _window(event: int) -> Sql:
    return Sql("w{}").format(event)


def going_to_be(plan: Plan, sets: Mapping[str, Sql], again: Container[FeatureSql] = ()) -> Going:
    """A row `p` where `sets` are written, the features `again` among them read from the events, and windows are beside."""
    read = {
        f.name: Sql("{}.{}").format(_window(number), ident(f.name))
        for number, event in enumerate(plan.events)
        for f in event.windowed
    }
    stored = of_row(Sql("p"))
    rows = [(c.name, sets.get(c.name) or read.get(c.name) or stored(c.name)) for c in plan.columns]
    changed = [name for name, _ in rows if name in sets or name in read]
    stamps = [(name, sql) for name, sql in sets.items() if name in ("features_read_at", "features_reread_at")]
    ahead = [sets.get(f.bound) or stored(f.bound) for f in plan.decayed if f.bound and f not in again]
    due = (
        Sql("greatest({}) > coalesce(p.features_at, v_moment)").format(Sql(", ").join(ahead))
        if ahead
        else None
    )
    return Going(rows, changed, stamps, due)


def scored_together(plan: Plan) -> dict[str, object]:
    """What `together_parts.sql` knows, beside a `Going`."""
    return {
        "plan": plan,
        "scores": promoted(plan),
        "windows": windows(plan),
        "windowed": [event for event in plan.events if event.windowed],
        "chunk_bytes": CHUNK_BYTES,
        "with_functions": with_functions(plan),
    }


def with_functions(plan: Plan) -> list[tuple[Sql, list[str]]]:
    """The functions that put features into a row of the profile, and which features each of them does (`modelpack.shape`)."""
    names = [column.name for column in plan.columns]
    starts = range(0, len(names), MOST_ARGUMENTS)
    return [
        (plan.called("with" if start == 0 else f"with_{number}"), names[start : start + MOST_ARGUMENTS])
        for number, start in enumerate(starts, 1)
    ]


def packed_functions(plan: Plan) -> list[Function]:
    """For scores with inputs that may be impossible: what packs a row, or gives nothing."""
    return [_packed(plan, score) for score in plan.scores if score.may_fail]


def _packed(plan: Plan, score: ScorePlan) -> Function:
    arguments = {"p": Sql("anyelement"), "moment": Sql("timestamptz"), "version": Sql("integer")}
    comment = f"What a version is fed for the score {score.name} from a row of {plan.table}; nothing where an input is impossible."
    # as who calls: our own functions alone do, many times in a statement
    header = Sql("language plpgsql stable security invoker")
    body = render("packed.sql", score=score)
    return Function(f"{score.stem}_packed", arguments, Sql("modelpack.scored"), body, comment, header)
