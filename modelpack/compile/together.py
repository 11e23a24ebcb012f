"""Many rows of a profile scored in one call of each model: what COUNT and upkeep have in common (`templates/together_parts.sql`)."""

from __future__ import annotations

from dataclasses import dataclass

from modelpack.compile.plan import Plan, ScorePlan
from modelpack.compile.sql import Sql, ident

_VERSION = Sql("v_version_{}")

MOST_FEATURES = 90
"""Columns of features with which rows can be scored together: a function takes a hundred arguments."""


@dataclass(frozen=True)
class Live(ScorePlan):
    """A score by the version that is live: a variable or parameter."""

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


def live(plan: Plan, by: Sql = _VERSION, first: int = 1) -> list[Live]:
    """The scores of a profile, each by its live version."""
    return [Live(s.score, s.stem, by.format(number)) for number, s in enumerate(plan.scores, first)]


def together(plan: Plan) -> bool:
    """Whether rows can be scored together that COUNT writes."""
    return bool(plan.scores) and len(plan.columns) <= MOST_FEATURES
