"""The functions behind rebuild, refresh, rescore and verify of one profile.

The first three work on a range of the profile table's blocks, so that a procedure can go through a table of
any size in chunks, each in a transaction of its own, whatever the type of the key. A row that another
session moves to a block already passed has been brought up to date by that session's own triggers.
"""

from __future__ import annotations

from collections.abc import Sequence

from modelpack.compile.plan import Plan
from modelpack.compile.sql import function, ident, listed, literal, nest, same

_RANGE = "first_block bigint, last_block bigint"
_IN_RANGE = (
    "p.ctid >= format('(%s,0)', greatest(first_block, 0))::tid\n"
    "   and (last_block is null or p.ctid < format('(%s,0)', last_block + 1)::tid)"
)


def functions(plan: Plan) -> list[str]:
    """The statements that make the four functions."""
    return [*_rebuild(plan), *_refresh(plan), *_rescore(plan), *_verify(plan)]


def _expected(plan: Plan, moment: str, *, windows_only: bool = False) -> str:
    """FROM items beside a profile row `p`: r0, r1, … with its features by the events, as of `moment`."""
    joins: list[str] = []
    for number, event in enumerate(plan.events):
        features = event.windowed if windows_only else event.features
        if features:
            rows = event.aggregate(features, plan.keys("p")).replace("v_moment", moment)
            joins.append(f"cross join lateral (\n  {nest(rows, 2)}\n) as r{number}")
    return "\n".join(joins)


def _differs(stored: str, expected: str, *, approximate: bool) -> str:
    """Whether a stored feature is wrong; a sum of floating-point weights may be off by 1e-9 of itself."""
    if approximate:
        return f"({stored} is null or abs({stored} - {expected}) > 1e-9 * greatest(1, abs({expected})))"
    return f"{stored} is distinct from {expected}"


def _kept(plan: Plan) -> set[str]:
    """Features whose events may be gone: what is stored is all that is known."""
    return {f.name for event in plan.events if event.event.on_delete == "keep" for f in event.stored}


def _lock(plan: Plan, *conditions: str) -> str:
    where = "\n   and ".join((_IN_RANGE, *conditions))
    return (
        f"perform from {plan.table} as p\n where {where}\n order by {', '.join(plan.keys('p'))}\n"
        "   for no key update;"
    )


def _places(plan: Plan) -> dict[str, str]:
    """Where `_expected` has each feature column."""
    return {
        name: f"r{number}.{ident(name)}"
        for number, event in enumerate(plan.events)
        for f in event.features
        for name in f.recompute
    }


def _update(
    plan: Plan, rows: str, joins: str, columns: Sequence[str], sets: Sequence[str], different: str
) -> str:
    """Write the profile rows among `rows` (as `p`) that are `different` from their expected features `x`."""
    selected = ", ".join([*plan.keys("p"), *columns])
    source = f"select {selected}\n  from {nest(rows, 7)}\n {nest(joins, 1)}"
    return (
        f"update {plan.table} as p\n   set {listed(sets, 7)}\n  from (\n         {nest(source, 9)}\n       ) as x\n"
        f" where {same(plan.keys('p'), plan.keys('x'))}\n   and {nest(different, 3)};\n"
        "get diagnostics v_written = row_count;"
    )


def _rebuild(plan: Plan) -> list[str]:
    """Rows without a `features_at` have never been counted: there, kept features are counted too."""
    chosen = f"(only_keys is null or {plan.key_text('p')} = any (only_keys))"
    kept, places = _kept(plan), _places(plan)
    columns, sets, tests = [], [], ["p.features_at is null"]
    for f in plan.features:
        for name in f.recompute:
            column = ident(name)
            columns.append(places[name])
            if f.name in kept:
                sets.append(f"{column} = case when p.features_at is null then x.{column} else p.{column} end")
            else:
                sets.append(f"{column} = x.{column}")
                tests.append(_differs(f"p.{column}", f"x.{column}", approximate=name in f.approximate))
    body = "declare\n  v_written bigint := 0;\nbegin\n"
    if columns:
        rows = (
            "(\nselect p.*, coalesce(p.features_at, clock_timestamp()) as v_moment\n"
            f"  from {plan.table} as p\n where {_IN_RANGE}\n   and {chosen}\n) as p"
        )
        different = "(" + "\n  or ".join(tests) + ")"
        columns.append("p.v_moment")
        sets.append("features_at = x.v_moment")
        write = _update(plan, rows, _expected(plan, "p.v_moment"), columns, sets, different)
        body += f"  {nest(_lock(plan, chosen), 2)}\n  {nest(write, 2)}\n"
    body += "  return v_written;\nend\n"
    comment = f"Counts the features of {plan.table} again from the events and writes the rows that differ."
    return function(
        plan.name("rebuild"), f"{_RANGE}, only_keys text[]", "bigint", body, comment=comment, stem=plan.slug
    )


def _refresh(plan: Plan) -> list[str]:
    """Rows whose windows have moved on; with `older_than` also those that only aged."""
    tests, columns = ["p.features_at < older_than"], []
    for f in plan.features:
        if f.window:
            column = ident(f.name)
            columns.append(_places(plan)[f.name])
            tests.append(_differs(f"p.{column}", f"x.{column}", approximate=False))
    sets = [f"{ident(name)} = {sql}" for name, sql in plan.ageing()] + ["features_at = v_moment"]
    rows = f"(\nselect p.*\n  from {plan.table} as p\n where {_IN_RANGE}\n) as p"
    joins = _expected(plan, "v_moment", windows_only=True)
    write = _update(plan, rows, joins, columns, sets, "(" + "\n  or ".join(tests) + ")")
    body = (
        "declare\n  v_moment constant timestamptz := clock_timestamp();\n  v_written bigint := 0;\nbegin\n"
        f"  {nest(_lock(plan), 2)}\n  {nest(write, 2)}\n  return v_written;\nend\n"
    )
    comment = (
        f"Brings the rows of {plan.table} whose windows have moved on up to the moment, and scores them."
    )
    return function(
        plan.name("refresh"),
        f"{_RANGE}, older_than timestamptz",
        "bigint",
        body,
        comment=comment,
        stem=plan.slug,
    )


def _rescore(plan: Plan) -> list[str]:
    body = "declare\n  v_written bigint := 0;\nbegin\n"
    if plan.profile.scores:
        tests = []
        for score in plan.profile.scores:
            stale, version = ident(f"{score.name}_stale"), ident(f"{score.name}_version")
            live = (
                f"(select a.version from modelpack.alias as a where a.model = {literal(score.model)} "
                "and a.alias = 'champion')"
            )
            tests.append(f"p.{stale} is not null")
            tests.append(f"(not only_stale and p.{version} is distinct from {live})")
        # an UPDATE of …_stale makes the score trigger score the row
        touch = ", ".join(f"{ident(f'{s.name}_stale')} = 'waiting for rescore'" for s in plan.profile.scores)
        chosen = "(p.features_at < older_than\n     or " + "\n     or ".join(tests) + ")"
        write = (
            f"update {plan.table} as p\n   set {touch}\n where {_IN_RANGE}\n   and {chosen};\n"
            "get diagnostics v_written = row_count;"
        )
        body += f"  {nest(_lock(plan, chosen), 2)}\n  {nest(write, 2)}\n"
    body += "  return v_written;\nend\n"
    comment = f"Scores rows of {plan.table} again: those that are stale or scored by another version than the champion."
    arguments = f"{_RANGE}, only_stale boolean, older_than timestamptz"
    return function(plan.name("rescore"), arguments, "bigint", body, comment=comment, stem=plan.slug)


def _verify(plan: Plan) -> list[str]:
    kept = _kept(plan)
    rows = []
    for number, event in enumerate(plan.events):
        for f in event.features:
            for name in f.recompute if f.name not in kept else ():
                stored, expected = f"p.{ident(name)}", f"r{number}.{ident(name)}"
                differs = _differs(stored, expected, approximate=name in f.approximate)
                rows.append(f"({literal(name)}, {stored}::text, {expected}::text, {differs})")
    body = "begin\n"
    if rows:
        body += (
            f"  return query\n  select {plan.key_text('p')}, f.feature, f.stored, f.expected\n"
            f"    from (select q.*, coalesce(q.features_at, clock_timestamp()) as v_moment from {plan.table} as q) as p\n"
            f"   {nest(_expected(plan, 'p.v_moment'), 3)}\n"
            f"   cross join lateral (\n     values {listed(rows, 12)}\n   ) as f (feature, stored, expected, differs)\n"
            f"   where f.differs\n     and (only_keys is null or {plan.key_text('p')} = any (only_keys));\n"
        )
    body += "end\n"
    comment = f"Features of {plan.table} that differ from the same aggregate over the events."
    return function(
        plan.name("verify"),
        "only_keys text[]",
        "table (entity_key text, feature text, stored text, expected text)",
        body,
        comment=comment,
        stem=plan.slug,
    )
