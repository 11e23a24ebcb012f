"""Whether tables are still those that were declared: another may have taken the name of one.

Triggers stay with a table that is renamed, so they say which table was meant, also after a dump was restored.
"""

from __future__ import annotations

from collections.abc import Iterable

from modelpack.compile.plan import EventPlan, Plan
from modelpack.compile.sql import ident, listed, literal, nest, slug, table_slug


def count_name(plan: Plan, event: EventPlan, verb: str) -> str:
    """The name of the function that counts what a statement of this kind does to the event table."""
    return plan.name("count", table_slug(event.event.table), verb)


def events_in_place(plan: Plan, events: Iterable[EventPlan]) -> str:
    """Refuse to read event tables that do not have the triggers of COUNT; empty for no events."""
    missing = {}
    for event in events:
        function = literal(f"modelpack.{ident(count_name(plan, event, 'insert'))}()")
        missing[event.table] = (
            f"not exists (select from pg_trigger as t\n"
            f"                where t.tgrelid = {literal(event.table)}::regclass\n"
            f"                  and t.tgfoid = {function}::regprocedure)"
        )
    if not missing:
        return ""
    found = (f"case when {nest(test, 6)}\n  then {literal(table)} end" for table, test in missing.items())
    name = literal(next(iter(missing))) if len(missing) == 1 else f"concat_ws(', ',\n  {listed(found, 2)})"
    tests = "\n   or ".join(missing.values())
    return (
        f"if {tests}\nthen\n  raise exception using\n    errcode = 'object_not_in_prerequisite_state',\n"
        "    message = format(\n"
        "      '%s is another table than the event table that the declaration of %s means: it has no count trigger',\n"
        f"      {nest(name, 6)},\n      {literal(plan.table)}),\n"
        "    detail = 'Its rows would count as events.',\n"
        "    hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';\nend if;"
    )


def profile_in_place(plan: Plan) -> str:
    """Refuse to write a profile that has no score trigger."""
    trigger = slug("zz_modelpack", table_slug(plan.profile.table), "score")
    return (
        "if not exists (select from pg_trigger as t\n"
        f"                where t.tgrelid = {literal(plan.table)}::regclass and t.tgname = {literal(trigger)})\nthen\n"
        "  raise exception using\n    errcode = 'object_not_in_prerequisite_state',\n"
        f"    message = {literal(f'{plan.table} is another table than the profile that was declared: it has no score trigger')},\n"
        "    hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';\nend if;"
    )
