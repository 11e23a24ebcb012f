"""Whether tables are still those that were declared: another may have taken the name of one.

Triggers stay with a table that is renamed, so they say which table was meant, also after a dump was restored.
"""

from __future__ import annotations

from collections.abc import Iterable

from modelpack.compile.plan import EventPlan, Plan
from modelpack.compile.render import part
from modelpack.compile.sql import Sql


def events_in_place(plan: Plan, events: Iterable[EventPlan]) -> Sql:
    """Refuse to read event tables that do not have the triggers of COUNT; empty for no events."""
    return part("events_in_place", plan=plan, events=list(events))


def profile_in_place(plan: Plan) -> Sql:
    """Refuse to write a profile that has no score trigger."""
    return part("profile_in_place", plan=plan)
