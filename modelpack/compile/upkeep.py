"""The functions behind rebuild, recount, refresh, rescore and verify of one profile.

All but recount and verify work on a range of the profile table's blocks, so that a procedure can go through a table of
any size in chunks, each in a transaction of its own, whatever the type of the key. A row that another
session moves to a block already passed has been brought up to date by that session's own triggers.
"""

from __future__ import annotations

from collections.abc import Sequence

from modelpack.compile.feature_sql import FeatureSql
from modelpack.compile.plan import Plan, batched, checks, held, magnitude
from modelpack.compile.sql import (
    AFRESH,
    HEADER,
    MOMENT,
    NAMES,
    NUMBER,
    PART,
    PLACE,
    STATEMENT,
    dollar,
    function,
    ident,
    listed,
    literal,
    nest,
    owned,
    same,
    unequal,
)

_RESCORE = "Scores rows of {} again: those that are stale or scored by another version than the champion."
_REBUILD = "Counts the features of {} again from the events and writes the rows that differ."
_RANGE = "first_block bigint, last_block bigint"

# Bounds that are there in any case: a condition on last_block itself would keep a generic plan from using the
# upper one, and each chunk would read on to the end of the table.
_BOUNDS = (
    "  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;\n"
    "  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;\n"
)
_IN_RANGE = "p.ctid >= v_first and p.ctid < v_beyond"

# A row that is ahead of the clock was brought up to date before the clock was set back.
_OLDER = "p.features_at < older_than or (older_than is not null and p.features_at > clock_timestamp())"


def functions(plan: Plan) -> list[str]:
    """The statements that make those that need no live version."""
    return [*_recount(plan), *_refresh(plan), *_verify(plan)]


def _expected(plan: Plan, moment: str, *, windows_only: bool = False) -> str:
    """FROM items beside a profile row `p`: r0, r1, … with its features by the events, as of `moment`."""
    joins: list[str] = []
    for number, event in enumerate(plan.events):
        features = event.windowed if windows_only else event.features
        if features:
            rows = event.aggregate(features, plan.keys("p"), checked=True, moment=moment)
            joins.append(f"cross join lateral (\n  {nest(rows, 2)}\n) as r{number}")
    return "\n".join(joins)


def _differs(f: FeatureSql, name: str, stored: str, place: str) -> str:
    """Whether a column is wrong, where `place` has what the events say.

    A sum of floating-point numbers may be off by 1e-9 of its magnitude. Arithmetic gives equal numbers: a sum may be 1.0
    or 1.00. A copy is what an event has, byte for byte; among equal values SQL's own aggregate takes any.
    """
    expected = f"{place}.{ident(name)}"
    if name == f.bound:
        return f"coalesce({expected} > coalesce({stored}, '-infinity'), false)"
    if f.magnitude:
        most = f"1e-9 * {place}.{ident(magnitude(f.name))} + 1e-70"
        return f"({stored} is null or abs({stored} - {expected}) > {most})"
    if name == f.name and f.held:
        return f"({unequal(stored, expected)} or not {place}.{ident(held(name))})"
    if any(column.name == name and column.like for column in f.columns):
        return unequal(stored, expected)
    return f"{stored} is distinct from {expected}"


def compared(plan: Plan) -> str:
    """A query that holds stored features against the events: the server says whether their types take it."""
    places = _places(plan)
    differs = [
        _differs(f, name, f"p.{ident(name)}", places[name].partition(".")[0])
        for f in plan.features
        for name in f.recompute
    ]
    return f"select\n  from {plan.table} as p\n {nest(_expected(plan, 'now()'), 1)}\n where {' or '.join(differs)}"


def _kept(plan: Plan) -> set[str]:
    """Features whose events may be gone: what is stored is all that is known."""
    return {f.name for event in plan.events if event.event.on_delete == "keep" for f in event.stored}


def _lock(plan: Plan, *conditions: str) -> str:
    where = "\n   and ".join((_IN_RANGE, *conditions))
    return (
        f"perform from {plan.table} as p\n where {where}\n order by {', '.join(plan.keys('p'))}\n"
        "   for no key update;"
    )


def _named(plan: Plan) -> str:
    """A FROM item `k`: the keys that `only_keys` has as text, in their own types, so that an index finds them.

    Fields that the JSON leaves out come from a row that is there: a domain may forbid their being NULL.
    """
    names = [literal(name) for name in plan.profile.key]
    if len(names) == 1:
        fields = f"{names[0]}, u.key"
    else:
        fields = ", ".join(f"{name}, u.key::jsonb -> {place}" for place, name in enumerate(names))
    return (
        f"jsonb_populate_recordset(\n  (select row(q.*)::{plan.table} from {plan.table} as q limit 1),\n"
        f"  (select jsonb_agg(jsonb_build_object({fields})) from (select distinct unnest(only_keys)) as u (key))\n) as k"
    )


def _places(plan: Plan) -> dict[str, str]:
    """Where `_expected` has each feature column."""
    return {
        name: f"r{number}.{ident(name)}"
        for number, event in enumerate(plan.events)
        for f in event.features
        for name in f.recompute
    }


def _checks(f: FeatureSql, places: dict[str, str]) -> list[str]:
    """Where `_expected` has what tells whether a stored feature is right."""
    return [f"{places[f.name].partition('.')[0]}.{ident(name)}" for name in checks(f)]


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


def rebuild_function(plan: Plan) -> str:
    """The template of rebuild: `modelpack.bind` fills in what scores many rows in one call of the model."""
    rows = f"{plan.table} as p\n where {_IN_RANGE}"
    return _template(plan, "rebuild", _RANGE, _REBUILD, _again(plan, _lock(plan), rows, batch=batched(plan)))


def _recount(plan: Plan) -> list[str]:
    rows = f"{nest(_named(plan), 7)}\n  join {plan.table} as p on {same(plan.keys('p'), plan.keys('k'))}"
    lock = f"perform\n  from {rows}\n order by {', '.join(plan.keys('p'))}\n   for no key update of p;"
    comment = (
        f"Counts the features of some rows of {plan.table} again; keys as modelpack.verify() writes them."
    )
    body = _again(plan, lock, rows)
    return function(plan.name("recount"), "only_keys text[]", "bigint", body, comment=comment, stem=plan.slug)


def _again(plan: Plan, lock: str, chosen: str, *, batch: bool = False) -> str:
    """Read features again and write the rows that differ.

    A row that has never been counted, or by its key that this very statement has read from the events already, is
    brought up to the moment, with the features that outlive their events too. With `batch` the rows that differ
    are scored in one call of each model, where `bind` finds that it can be.
    """
    ranged = _IN_RANGE in chosen
    kept, places = _kept(plan), _places(plan)
    columns, sets, tests = [], [], [f"x.{AFRESH}"]
    for f in plan.features:
        for name in f.recompute:
            column = ident(name)
            columns.append(places[name])
            if f.name in kept:
                sets.append(f"{column} = case when x.{AFRESH} then x.{column} else p.{column} end")
            else:
                sets.append(f"{column} = x.{column}")
                tests.append(_differs(f, name, f"p.{column}", "x"))
        columns += _checks(f, places)
    if not columns:
        return "begin\n  return 0;\nend\n"
    # through a range a statement may come by a row twice, where it has moved it itself
    afresh = "p.features_at is null"
    if not ranged:
        afresh += f" or coalesce(p.features_read_at = {STATEMENT}, false)"
    rows = (
        f"(\nselect p.*, {afresh} as {AFRESH},\n"
        f"       case when {afresh} then clock_timestamp() else p.features_at end as {MOMENT}\n"
        f"  from {chosen}\n) as p"
    )
    different = "(" + "\n  or ".join(tests) + ")"
    columns += [f"p.{MOMENT}", f"p.{AFRESH}"]
    sets += [
        f"features_at = x.{MOMENT}",
        f"features_read_at = case when x.{AFRESH} then {STATEMENT} else p.features_read_at end",
    ]
    if "features_reread_at" in plan.times:
        sets.append(f"features_reread_at = {STATEMENT}")
    write = _update(plan, rows, _expected(plan, f"p.{MOMENT}"), columns, sets, different)
    bounds = _BOUNDS if ranged else ""
    if not batch:
        return f"declare\n{bounds}  v_written bigint := 0;\nbegin\n  {nest(lock, 2)}\n  {nest(write, 2)}\n  return v_written;\nend\n"
    write = write.replace("v_written", "v_rest")
    return (
        f"declare\n{bounds}  v_moment constant timestamptz := clock_timestamp();\n"
        f"  v_written bigint := 0;\n  v_rest bigint := 1;\nbegin\n  {nest(lock, 2)}\n"
        f"{_batch(plan, *_differing(plan, chosen, afresh, different))}"
        f"  if v_rest > 0 then\n    {nest(write, 4)}\n  end if;\n  return v_written + v_rest;\nend\n"
    )


def _differing(plan: Plan, chosen: str, afresh: str, different: str) -> tuple[str, list[str]]:
    """The rows that differ, with their inputs, and what an UPDATE sets from them; for `_batch`."""
    kept, fields, sets = _kept(plan), [], []
    places = _places(plan)
    for f in plan.features:
        for name in f.recompute:
            column, value = ident(name), places[name]
            if f.name in kept:
                value = f"case when p.{AFRESH} then {value} else p.{column} end"
            fields.append(f"{value} as {column}")
            sets.append(f"{column} = c.{column}")
        fields += _checks(f, places)
    rows = (
        f"select p.*, @inputs@\n  from (\n"
        f"         select p.{PLACE}, p.{PART}, p.{AFRESH}, x.*@statics@\n"
        f"           from (\n                  select p.*, p.ctid as {PLACE}, p.tableoid as {PART}, {afresh} as {AFRESH}\n"
        f"                    from {nest(chosen, 19)}\n                ) as p\n"
        f"          {nest(_expected(plan, 'v_moment'), 10)}\n"
        f"          cross join lateral (\n            select {listed(fields, 19)}\n          ) as x\n"
        f"          where {nest(different.replace(f'x.{AFRESH}', f'p.{AFRESH}'), 10)}\n       ) as p"
    )
    sets.append(f"features_read_at = case when c.{AFRESH} then {STATEMENT} else p.features_read_at end")
    return rows, sets


def _refresh(plan: Plan) -> list[str]:
    """Rows whose windows have moved on; with `older_than` also those that only aged."""
    tests, columns = [_OLDER], []
    for f in plan.features:
        if f.window:
            column = ident(f.name)
            columns += [_places(plan)[f.name], *_checks(f, _places(plan))]
            tests.append(_differs(f, f.name, f"p.{column}", "x"))
    for event in plan.events:
        for f in event.decayed:
            due = event.conditions(
                same(event.keys("e"), plan.keys("p")),
                f"e.{event.at} > p.features_at",
                f"e.{event.at} <= v_moment",
            )
            tests.append(
                f"p.{ident(f.bound or '')} > p.features_at and exists (select from {event.table} as e where {due})"
            )
    sets = [f"{ident(name)} = {sql}" for name, sql in plan.ageing()] + ["features_at = v_moment"]
    rows = f"(\nselect p.*\n  from {plan.table} as p\n where {_IN_RANGE}\n) as p"
    joins = _expected(plan, "v_moment", windows_only=True)
    write = _update(plan, rows, joins, columns, sets, "(" + "\n  or ".join(tests) + ")")
    body = (
        f"declare\n{_BOUNDS}  v_moment constant timestamptz := clock_timestamp();\n  v_written bigint := 0;\nbegin\n"
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


def rescore_function(plan: Plan) -> str:
    """The template of rescore: `modelpack.bind` fills in what scores many rows in one call of the model."""
    body = f"declare\n{_BOUNDS}"
    body += "  v_moment constant timestamptz := clock_timestamp();\n"
    body += "  v_written bigint := 0;\n  v_rest bigint := 0;\nbegin\n"
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
        chosen = f"({_OLDER}\n     or " + "\n     or ".join(tests) + ")"
        where = f"{_IN_RANGE}\n   and {chosen}"
        # what is selected is the row as it is under its lock
        rows = (
            f"select p.ctid as {PLACE}, p.tableoid as {PART}, @inputs@\n  from {plan.table} as p\n where {where}\n"
            f" order by {', '.join(plan.keys('p'))}\n   for no key update"
        )
        body += (
            f"{_batch(plan, rows, []) if batched(plan) else ''}"
            f"  @single@{nest(_lock(plan, chosen), 2)}\n  get diagnostics v_rest = row_count;@end@\n"
            f"  if v_rest > 0 then\n    update {plan.table} as p\n       set {touch}\n     where {nest(where, 4)};\n"
            "    get diagnostics v_rest = row_count;\n  end if;\n"
        )
    body += "  return v_written + v_rest;\nend\n"
    return _template(plan, "rescore", f"{_RANGE}, only_stale boolean, older_than timestamptz", _RESCORE, body)


def _template(plan: Plan, task: str, arguments: str, comment: str, body: str) -> str:
    """A function for `modelpack.bind` to fill in and to make; `owned_templates` are the rest of it."""
    header = HEADER
    if batched(plan):
        # chosen rows are found again by where they lie: no other plan is good for one and for all
        header += "\nset enable_hashjoin = off\nset enable_mergejoin = off\nset jit = off"
    text = dollar(f"\n-- {comment.format(plan.table)}\n{NAMES}\n{body}")
    return f"create or replace function modelpack.{ident(plan.name(task))}({arguments}) returns bigint\n{header}\nas {text}"


def owned_templates(plan: Plan) -> list[str]:
    """The statements that make the bound functions the owner's."""
    made = {"rescore(bigint, bigint, boolean, timestamptz)": _RESCORE, "rebuild(bigint, bigint)": _REBUILD}
    return [
        statement
        for signature, comment in made.items()
        for statement in owned(
            f"modelpack.{ident(plan.name(signature.partition('(')[0]))}({signature.partition('(')[2]}",
            comment=comment.format(plan.table),
            stem=plan.slug,
        )
    ]


def _batch(plan: Plan, rows: str, sets: Sequence[str]) -> str:
    """The statement between `@batch@` and `@end@`, in which `bind` fills the scores in; without, rows go singly.

    `rows` are locked, in the order of their keys, as COUNT locks them, and have PLACE, PART and the inputs. One that a
    model cannot score stays as it is for the UPDATE that follows, one row at a time; so does a row for whose lock this
    statement had to wait, which its snapshot does not show.
    """
    return (
        "  @batch@-- all rows in one call of each model; what it cannot score is left to the score trigger\n"
        "  with chosen as materialized (\n"
        f"    select q.*, row_number() over () as {NUMBER}\n      from (\n             {nest(rows, 13)}\n           ) as q\n"
        "  ), called as materialized (\n    select @calls@\n  ), written as (\n"
        f"    update {plan.table} as p\n       set {listed([*sets, '@sets@', 'features_at = v_moment'], 11)}\n"
        "      from called as a\n     cross join chosen as c\n"
        f"     where p.ctid = c.{PLACE} and p.tableoid = c.{PART} and @scored@\n"
        f"    returning {plan.key_text('p')} as entity_key, @returned@\n"
        "  )@logs@\n"
        "  select w.rows, c.rows - w.rows\n    into v_written, v_rest\n"
        "    from (select count(*) as rows from written) as w, (select count(*) as rows from chosen) as c;@end@\n"
    )


def _verify(plan: Plan) -> list[str]:
    kept = _kept(plan)
    rows = []
    for number, event in enumerate(plan.events):
        for f in event.features:
            for name in f.recompute if f.name not in kept else ():
                stored, expected = f"p.{ident(name)}", f"r{number}.{ident(name)}"
                differs = _differs(f, name, stored, f"r{number}")
                rows.append(f"({literal(name)}, {stored}::text, {expected}::text, {differs})")
    body = f"declare\n{_BOUNDS}begin\n"
    if rows:

        def differing(chosen: str) -> str:
            return (
                f"return query\nselect {plan.key_text('p')}, f.feature, f.stored, f.expected\n"
                f"  from (\n         select q.*, coalesce(q.features_at, clock_timestamp()) as {MOMENT}\n"
                f"           from {nest(chosen, 9)}\n       ) as p\n"
                f" {nest(_expected(plan, f'p.{MOMENT}'), 1)}\n"
                f" cross join lateral (\n   values {listed(rows, 10)}\n ) as f (feature, stored, expected, differs)\n"
                f" where f.differs;"
            )

        named = f"{_named(plan)}\n  join {plan.table} as q on {same(plan.keys('q'), plan.keys('k'))}"
        everybody = f"{plan.table} as q\n where {_IN_RANGE.replace('p.ctid', 'q.ctid')}"
        body += (
            f"  if only_keys is null then\n    {nest(differing(everybody), 4)}\n"
            f"  else\n    {nest(differing(named), 4)}\n  end if;\n"
        )
    body += "end\n"
    comment = f"Features of {plan.table} that differ from the same aggregate over the events."
    return function(
        plan.name("verify"),
        f"{_RANGE}, only_keys text[]",
        "table (entity_key text, feature text, stored text, expected text)",
        body,
        comment=comment,
        stem=plan.slug,
    )
