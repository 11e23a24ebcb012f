"""The functions behind rebuild, recount, refresh, rescore and verify of one profile.

All but recount and verify work on a range of the profile table's blocks, so that a procedure can go through a table of
any size in chunks, each in a transaction of its own, whatever the type of the key. A row that another
session moves to a block already passed has been brought up to date by that session's own triggers.
"""

from __future__ import annotations

from collections.abc import Sequence

from modelpack.compile.feature_sql import V_MOMENT, FeatureSql
from modelpack.compile.places import events_in_place
from modelpack.compile.plan import EventPlan, Plan, batched, checks, held, key_text, magnitude
from modelpack.compile.sql import (
    AFRESH,
    HEADER,
    MOMENT,
    NUMBER,
    PART,
    PLACE,
    STATEMENT,
    Function,
    Sql,
    dollar,
    ident,
    listed,
    literal,
    nest,
    same,
    unequal,
)

_RANGE = "first_block bigint, last_block bigint"

# Bounds that are there in any case: a condition on last_block itself would keep a generic plan from using the
# upper one, and each chunk would read on to the end of the table.
_BOUNDS = (
    "  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;\n"
    "  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;\n"
)

# A row that is ahead of the clock was brought up to date before the clock was set back.
_OLDER = "p.features_at < older_than or (older_than is not null and p.features_at > clock_timestamp())"


def functions(plan: Plan) -> list[Function]:
    """All functions behind the tasks."""
    return [
        _recount(plan),
        _rebuild(plan),
        _refresh(plan),
        _rescore(plan),
        _verify(plan),
        _stale(plan),
        _examine(plan),
    ]


def _in_range(row: str, first: str = "v_first", beyond: str = "v_beyond") -> str:
    return f"{row}.ctid >= {first} and {row}.ctid < {beyond}"


def _version_names(plan: Plan) -> list[str]:
    """The variables that hold which versions are live, one for each score."""
    return [f"v_version_{n}" for n in range(1, len(plan.profile.scores) + 1)]


def _declared_versions(plan: Plan) -> str:
    return "".join(f"  {name} integer;\n" for name in _version_names(plan))


def _read_versions(plan: Plan) -> str:
    live = zip(_version_names(plan), plan.profile.scores, strict=True)
    return "\n".join(f"{name} := {plan.seam(score, 'version')}();" for name, score in live)


def _packed(plan: Plan, row: str, moment: str, versions: Sequence[str]) -> str:
    """The numbers of each score, as columns of a query that begins with another one."""
    live = zip(versions, plan.profile.scores, strict=True)
    return listed(
        (
            f"{plan.inputs(score, row, moment, version)[0]} as {ident(f'{score.name} inputs')}"
            for version, score in live
        ),
        7,
    )


def _expected(plan: Plan, moment: Sql, *, windows_only: bool = False) -> str:
    """FROM items beside a profile row `p`: r0, r1, … with its features by the events, as of `moment`."""
    joins: list[str] = []
    for number, event in enumerate(plan.events):
        features = event.windowed if windows_only else event.features
        if features:
            rows = event.aggregate(features, plan.keys("p"), checked=True, moment=moment)
            joins.append(f"cross join lateral (\n  {nest(rows, 2)}\n) as r{number}")
    return "\n".join(joins)


def differs(f: FeatureSql, name: str, stored: Sql, place: Sql) -> Sql:
    """Whether a column is wrong, where `place` has what the events say.

    A sum of floating-point numbers may be off by 1e-9 of its magnitude. Arithmetic gives equal numbers: a sum may be 1.0
    or 1.00. A copy is what an event has, byte for byte; among equal values SQL's own aggregate takes any.
    """
    expected = Sql(f"{place}.{ident(name)}")
    if name == f.bound:
        return Sql(f"coalesce({expected} > coalesce({stored}, '-infinity'), false)")
    if f.magnitude:
        most = f"1e-9 * {place}.{ident(magnitude(f.name))} + 1e-70"
        return Sql(f"({stored} is null or abs({stored} - {expected}) > {most})")
    if name == f.name and f.held:
        return Sql(f"({unequal(stored, expected)} or not {place}.{ident(held(name))})")
    if any(column.name == name and column.like for column in f.columns):
        return unequal(stored, expected)
    return Sql(f"{stored} is distinct from {expected}")


def compared(plan: Plan) -> str:
    """A query that holds stored features against the events: the server says whether their types take it."""
    places = _places(plan)
    wrong = [
        differs(f, name, Sql(f"p.{ident(name)}"), Sql(places[name].partition(".")[0]))
        for f in plan.features
        for name in f.recompute
    ]
    return f"select\n  from {plan.table} as p\n {nest(_expected(plan, Sql('now()')), 1)}\n where {' or '.join(wrong)}"


def _kept(plan: Plan) -> set[str]:
    """Features whose events may be gone: what is stored is all that is known."""
    return {f.name for event in plan.events if event.event.on_delete == "keep" for f in event.stored}


def _lock(plan: Plan, *conditions: str) -> str:
    where = "\n   and ".join((_in_range("p"), *conditions))
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
        f"  (select jsonb_agg(jsonb_build_object({fields}))\n     from (select distinct unnest(only_keys)) as u (key))\n) as k"
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
    plan: Plan,
    rows: str,
    joins: str,
    columns: Sequence[str],
    sets: Sequence[str],
    different: str,
    counted: str = "v_written",
) -> str:
    """Write the profile rows among `rows` (as `p`) that are `different` from their expected features `x`.

    The variable `counted` takes how many these are.
    """
    selected = listed([*plan.keys("p"), *columns], 7)
    source = f"select {selected}\n  from {nest(rows, 7)}" + (f"\n {nest(joins, 1)}" if joins else "")
    return (
        f"update {plan.table} as p\n   set {listed(sets, 7)}\n  from (\n         {nest(source, 9)}\n       ) as x\n"
        f" where {same(plan.keys('p'), plan.keys('x'))}\n   and {nest(different, 3)};\n"
        f"get diagnostics {counted} = row_count;"
    )


def _rebuild(plan: Plan) -> Function:
    rows = f"{plan.table} as p\n where {_in_range('p')}"
    body = _again(plan, _lock(plan), rows, ranged=True)
    comment = f"Counts the features of {plan.table} again from the events and writes the rows that differ."
    return Function(plan.name("rebuild"), _RANGE, "bigint", body, comment, _header(plan), _reason(plan))


def _recount(plan: Plan) -> Function:
    rows = f"{nest(_named(plan), 7)}\n  join {plan.table} as p on {same(plan.keys('p'), plan.keys('k'))}"
    lock = f"perform\n  from {rows}\n order by {', '.join(plan.keys('p'))}\n   for no key update of p;"
    comment = (
        f"Counts the features of some rows of {plan.table} again; keys as modelpack.verify() writes them."
    )
    body = _again(plan, lock, rows, ranged=False)
    return Function(plan.name("recount"), "only_keys text[]", "bigint", body, comment)


def _header(plan: Plan) -> str:
    """For what may score many rows at a time: chosen rows are found again by where they lie.

    No other plan is good for one and for all.
    """
    joins = "\nset enable_hashjoin = off\nset enable_mergejoin = off\nset jit = off"
    return HEADER + joins if batched(plan) else HEADER


def _reason(plan: Plan) -> str:
    """Why `_header` turns settings of the planner."""
    what = "enable_hashjoin, enable_mergejoin, jit: off, since rows are found again by where they lie, one after the other"
    return f"{what}; no other plan is good for a row and for many." if batched(plan) else ""


def _again(plan: Plan, lock: str, chosen: str, *, ranged: bool) -> str:
    """Read features again and write the rows that differ.

    A row that has never been counted, or by its key that this very statement has read from the events already, is
    brought up to the moment, with the features that outlive their events too. Through a range the rows that differ
    are scored in one call of each model, where they can be.
    """
    kept, places = _kept(plan), _places(plan)
    columns, sets, tests = [], [], []
    for f in plan.features:
        for name in f.recompute:
            column = ident(name)
            columns.append(places[name])
            if f.name in kept:
                sets.append(f"{column} = case when x.{AFRESH} then x.{column} else p.{column} end")
            else:
                sets.append(f"{column} = x.{column}")
                tests.append(differs(f, name, Sql(f"p.{column}"), Sql("x")))
        columns += _checks(f, places)
    if not columns:
        return "begin\n  return 0;\nend\n"
    lock = f"{events_in_place(plan, [event for event in plan.events if event.features])}\n{lock}"
    # through a range a statement may come by a row twice, where it has moved it itself
    afresh = "p.features_at is null"
    if not ranged:
        afresh += f" or coalesce(p.features_read_at = {STATEMENT}, false)"
    rows = (
        f"(\n  select p.*,\n         {afresh} as {AFRESH},\n"
        f"         case when {afresh} then clock_timestamp() else p.features_at end as {MOMENT}\n"
        f"    from {nest(chosen, 2)}\n) as p"
    )
    columns += [f"p.{MOMENT}", f"p.{AFRESH}"]
    sets += [
        f"features_at = x.{MOMENT}",
        f"features_read_at = case when x.{AFRESH} then {STATEMENT} else p.features_read_at end",
    ]
    if "features_reread_at" in plan.times:
        sets.append(f"features_reread_at = {STATEMENT}")
    bounds = _BOUNDS if ranged else ""
    several = ranged and batched(plan)
    write = _update(
        plan,
        rows,
        _expected(plan, Sql(f"p.{MOMENT}")),
        columns,
        sets,
        _any(f"x.{AFRESH}", tests),
        "v_rest" if several else "v_written",
    )
    if not several:
        return f"declare\n{bounds}  v_written bigint := 0;\nbegin\n  {nest(lock, 2)}\n  {nest(write, 2)}\n  return v_written;\nend\n"
    batch = _batch_counted(plan, afresh, _any(f"p.{AFRESH}", tests))
    return (
        f"declare\n{bounds}  v_moment constant timestamptz := clock_timestamp();\n{_declared_versions(plan)}"
        f"  v_row text;\n  v_logged bigint;\n  v_written bigint := 0;\n  v_rest bigint := 1;\nbegin\n  {nest(lock, 2)}\n"
        f"  if {plan.called('batched')}() then\n    {nest(batch, 4)}\n  end if;\n"
        f"  if v_rest > 0 then\n    {nest(write, 4)}\n  end if;\n  return v_written + v_rest;\nend\n"
    )


def _any(first: str, tests: Sequence[str]) -> str:
    return "(" + "\n  or ".join([first, *tests]) + ")"


def _batch_counted(plan: Plan, afresh: str, different: str) -> str:
    """Write and score the rows of a range that differ.

    A version is fed from a whole row of the table, so the row is put together as it is going to be: its features
    by the events, the other columns as they are. Which columns there are, only the server knows, and only now.
    """
    kept, fields, sets = _kept(plan), [], []
    places, versions = _places(plan), [f"${4 + n}" for n in range(len(plan.profile.scores))]
    chosen = f"{plan.table} as p\n where {_in_range('p', '$2', '$3')}"
    for f in plan.features:
        for name in f.recompute:
            column, value = ident(name), places[name]
            if f.name in kept:
                value = f"case when p.{AFRESH} then {value} else p.{column} end"
            fields.append(f"{value} as {column}")
            sets.append(f"{column} = c.{column}")
        fields += _checks(f, places)
    sets.append(f"features_read_at = case when c.{AFRESH} then {STATEMENT} else p.features_read_at end")
    rows = (
        f"select p.*,\n       {_packed(plan, f'p.{ROW}', '$1', versions)}\n  from (\n"
        f"         select p.{PLACE}, p.{PART}, p.{AFRESH}, x.*,{_HOLE}                           as {ROW}\n"
        f"           from (\n                  select p.*, p.ctid as {PLACE}, p.tableoid as {PART}, {afresh} as {AFRESH}\n"
        f"                    from {nest(chosen, 18)}\n                ) as p\n"
        f"          {nest(_expected(plan, Sql('$1')), 10)}\n"
        f"          cross join lateral (\n            select {listed(fields, 19)}\n          ) as x\n"
        f"          where {nest(different, 10)}\n       ) as p"
    )
    statement = _batch(plan, rows, sets, "$1", versions)
    before, after = (dollar(f"\n{part}\n") for part in statement.split(_HOLE))
    counted = ", ".join(literal(name) for f in plan.features for name in f.recompute)
    passed = ", ".join(["v_moment", "v_first", "v_beyond", *_version_names(plan)])
    return (
        f"{_read_versions(plan)}\n"
        "-- a version is fed from a row of the table as it is going to be, with all columns that it has by now\n"
        f"select 'row(' || string_agg(case when a.attname = any (array[{counted}]) then format('x.%I', a.attname)\n"
        f"                                else format('p.%I', a.attname) end, ', ' order by a.attnum) || {literal(f')::{plan.table}')}\n"
        f"  into v_row\n  from pg_attribute as a\n"
        f" where a.attrelid = {literal(plan.table)}::regclass and a.attnum > 0 and not a.attisdropped;\n"
        f"execute {before} || v_row || {after}\n  into v_written, v_rest, v_logged using {passed};"
    )


ROW = '"the row"'
_HOLE = "\0"
"""Where a statement is put together when it runs: no SQL text can have this character."""


def _refresh(plan: Plan) -> Function:
    """Rows whose windows have moved on; with `older_than` also those that only aged."""
    tests, columns = [_OLDER], []
    for f in plan.features:
        if f.window:
            column = ident(f.name)
            columns += [_places(plan)[f.name], *_checks(f, _places(plan))]
            tests.append(differs(f, f.name, Sql(f"p.{column}"), Sql("x")))
    for event in plan.events:
        for f in event.decayed:
            due = event.conditions(
                same(event.keys("e"), plan.keys("p")),
                Sql(f"e.{event.at} > p.features_at"),
                Sql(f"e.{event.at} <= v_moment"),
            )
            tests.append(
                f"p.{ident(f.bound or '')} > p.features_at and exists (select from {event.table} as e where {due})"
            )
    sets = [f"{ident(name)} = {sql}" for name, sql in plan.ageing()] + ["features_at = v_moment"]
    rows = f"(\n  select p.*\n    from {plan.table} as p\n   where {_in_range('p')}\n) as p"
    joins = _expected(plan, V_MOMENT, windows_only=True)
    ageing = [event for event in plan.events if event.windowed or event.decayed]
    lock = "\n".join(filter(None, [events_in_place(plan, ageing), _lock(plan)]))
    write = _update(plan, rows, joins, columns, sets, "(" + "\n  or ".join(tests) + ")")
    body = (
        f"declare\n{_BOUNDS}  v_moment constant timestamptz := clock_timestamp();\n  v_written bigint := 0;\nbegin\n"
        f"  {nest(lock, 2)}\n  {nest(write, 2)}\n  return v_written;\nend\n"
    )
    comment = (
        f"Brings the rows of {plan.table} whose windows have moved on up to the moment, and scores them."
    )
    return Function(plan.name("refresh"), f"{_RANGE}, older_than timestamptz", "bigint", body, comment)


def _rescore(plan: Plan) -> Function:
    body = f"declare\n{_BOUNDS}"
    body += "  v_moment constant timestamptz := clock_timestamp();\n"
    body += f"{_declared_versions(plan)}  v_logged bigint;\n  v_written bigint := 0;\n  v_rest bigint := 0;\nbegin\n"
    if plan.profile.scores:
        tests = []
        for version, score in zip(_version_names(plan), plan.profile.scores, strict=True):
            tests.append(f"p.{ident(f'{score.name}_stale')} is not null")
            tests.append(
                f"(not only_stale and p.{ident(f'{score.name}_version')} is distinct from {version})"
            )
        # an UPDATE of …_stale makes the score trigger score the row
        touch = ", ".join(f"{ident(f'{s.name}_stale')} = 'waiting for rescore'" for s in plan.profile.scores)
        chosen = f"({_OLDER}\n     or " + "\n     or ".join(tests) + ")"
        where = f"{_in_range('p')}\n   and {chosen}"
        single = f"{_lock(plan, chosen)}\nget diagnostics v_rest = row_count;"
        if batched(plan):
            # what is selected is the row as it is under its lock
            rows = (
                f"select p.ctid as {PLACE},\n       p.tableoid as {PART},\n       {_packed(plan, 'p', 'v_moment', _version_names(plan))}\n"
                f"  from {plan.table} as p\n where {where}\n order by {', '.join(plan.keys('p'))}\n   for no key update"
            )
            several = _batch(plan, rows, [], "v_moment", _version_names(plan))
            several += "\n  into v_written, v_rest, v_logged;"
            single = f"if {plan.called('batched')}() then\n  {nest(several, 2)}\nelse\n  {nest(single, 2)}\nend if;"
        body += (
            f"  {nest(_read_versions(plan), 2)}\n  {nest(single, 2)}\n"
            f"  if v_rest > 0 then\n    update {plan.table} as p\n       set {touch}\n     where {nest(where, 4)};\n"
            "    get diagnostics v_rest = row_count;\n  end if;\n"
        )
    body += "  return v_written + v_rest;\nend\n"
    comment = f"Scores rows of {plan.table} again: those that are stale or scored by another version than the champion."
    arguments = f"{_RANGE}, only_stale boolean, older_than timestamptz"
    return Function(plan.name("rescore"), arguments, "bigint", body, comment, _header(plan), _reason(plan))


def _batch(plan: Plan, rows: str, sets: Sequence[str], moment: str, versions: Sequence[str]) -> str:
    """A query that scores all rows in one call of each model, writes and logs them; it gives how many, and how many not.

    `rows` are locked, in the order of their keys, as COUNT locks them, and have PLACE, PART and the inputs. One that a
    model cannot score stays as it is for the UPDATE that follows, one row at a time; so does a row for whose lock this
    statement had to wait, which its snapshot does not show.
    """
    calls, scored, returned, records = [], [], [], []
    sets = list(sets)
    for version, score in zip(versions, plan.profile.scores, strict=True):
        inputs, scores = ident(f"{score.name} inputs"), ident(f"{score.name} scores")
        packed = f"(select array_send(array_replace(array_agg(c.{inputs}), null, 'NaN')) from chosen as c)"
        calls.append(f"{plan.seam(score, 'many')}(\n  {version}, {packed}\n) as {scores}")
        name, at, by, stale = (
            ident(f"{score.name}{part}") for part in ("", "_scored_at", "_version", "_stale")
        )
        found = f"a.{scores}[c.{NUMBER}]"
        sets += [f"{name} = {found}", f"{by} = {version}", f"{at} = {moment}", f"{stale} = null"]
        scored.append(f"{found} <> 'NaN'")
        returned.append(f"p.{name}, c.{inputs}")
        rows_logged = f"array_agg(row(w.entity_key, w.{name}, w.{inputs}, null)::modelpack.scored)"
        records.append(f"{plan.seam(score, 'record')}(\n  {version}, {moment}, {rows_logged}\n)")
    tests, logged = (
        "\n     and ".join(scored),
        "\n+ ".join(nest(record, 2) if n else record for n, record in enumerate(records)),
    )
    key = f"{plan.key_text('p')} as entity_key"
    return (
        "-- all rows in one call of each model; what it cannot score is left to the score trigger\n"
        "with chosen as materialized (\n"
        f"  select q.*, row_number() over () as {NUMBER}\n    from (\n           {nest(rows, 11)}\n         ) as q\n"
        f"), called as materialized (\n  select {listed(calls, 9)}\n), written as (\n"
        f"  update {plan.table} as p\n     set {listed([*sets, f'features_at = {moment}'], 9)}\n"
        "    from called as a\n   cross join chosen as c\n"
        f"   where p.ctid = c.{PLACE} and p.tableoid = c.{PART}\n     and {tests}\n"
        f"  returning {listed([key, *returned], 12)}\n"
        ")\nselect w.rows, c.rows - w.rows, w.logged\n"
        f"  from (select count(*) as rows,\n               {nest(logged, 15)} as logged\n          from written as w) as w,\n"
        "       (select count(*) as rows from chosen) as c"
    )


def _stale(plan: Plan) -> Function:
    """Where stale rows lie, by their index."""
    body = "begin\n"
    if plan.profile.scores:
        stale = " or ".join(f"p.{ident(f'{s.name}_stale')} is not null" for s in plan.profile.scores)
        body += (
            "  return query\n  select distinct (p.ctid::text::point)[0]::bigint / chunk_blocks\n"
            f"    from {plan.table} as p where {stale};\n"
        )
    body += "end\n"
    comment = f"Chunks of blocks of {plan.table} that hold stale rows."
    return Function(plan.name("stale"), "chunk_blocks bigint", "setof bigint", body, comment)


def _verify(plan: Plan) -> Function:
    kept = _kept(plan)
    rows = []
    for number, event in enumerate(plan.events):
        for f in event.features:
            for name in f.recompute if f.name not in kept else ():
                stored, expected = Sql(f"p.{ident(name)}"), f"r{number}.{ident(name)}"
                wrong = differs(f, name, stored, Sql(f"r{number}"))
                rows.append(f"({literal(name)}, {stored}::text, {expected}::text, {wrong})")
    body = f"declare\n{_BOUNDS}begin\n"
    if rows:

        def differing(chosen: str) -> str:
            return (
                f"return query\nselect {plan.key_text('p')}, f.feature, f.stored, f.expected\n"
                f"  from (\n         select q.*, coalesce(q.features_at, clock_timestamp()) as {MOMENT}\n"
                f"           from {nest(chosen, 9)}\n       ) as p\n"
                f" {nest(_expected(plan, Sql(f'p.{MOMENT}')), 1)}\n"
                f" cross join lateral (\n   values {listed(rows, 10)}\n ) as f (feature, stored, expected, differs)\n"
                f" where f.differs;"
            )

        named = f"{nest(_named(plan), 7)}\n  join {plan.table} as q on {same(plan.keys('q'), plan.keys('k'))}"
        everybody = f"{plan.table} as q\n where {_in_range('q')}"
        body += (
            f"  if only_keys is null then\n    {nest(differing(everybody), 4)}\n"
            f"  else\n    {nest(differing(named), 4)}\n  end if;\n"
        )
    body += "end\n"
    comment = f"Features of {plan.table} that differ from the same aggregate over the events."
    returns = "table (entity_key text, feature text, stored text, expected text)"
    return Function(plan.name("verify"), f"{_RANGE}, only_keys text[]", returns, body, comment)


_ENOUGH = 10000
"""Rows that are counted for the doctor."""


def _examine(plan: Plan) -> Function:
    """What `modelpack.doctor` says of the rows: read by a role that may read them, and no more."""
    found = []
    for score in plan.profile.scores:
        stale, version = ident(f"{score.name}_stale"), ident(f"{score.name}_version")
        live = f"{plan.seam(score, 'version')}()"
        found += [
            _finding(
                "stale",
                score.name,
                f"select p.{stale} as reason from {plan.table} as p where p.{stale} is not null limit {_ENOUGH}",
                example="min(x.reason)",
            ),
            _finding(
                "behind",
                score.name,
                f"select from {plan.table} as p\n where p.{stale} is null and {live} is not null\n"
                f"   and p.{version} is distinct from {live} limit {_ENOUGH}",
            ),
        ]
    ahead = "p.features_at > clock_timestamp() + interval '1 minute'"
    found.append(_finding("ahead", "", f"select from {plan.table} as p where {ahead} limit {_ENOUGH}"))
    for event in plan.events:
        found += _sampled(plan, event)
    body = "declare\n  v_share real;\n  v_keys text[];\nbegin\n  " + nest("\n".join(found), 2) + "\nend\n"
    comment = f"What is wrong with rows of {plan.table}, for modelpack.doctor(): how many, and one of them."
    return Function(
        plan.name("examine"), "", "table (what text, subject text, rows bigint, example text)", body, comment
    )


def _finding(what: str, subject: str, rows: str, *, example: str = "null", number: str = "count(*)") -> str:
    """One row of what `_examine` finds, where there is something to find."""
    return (
        f"return query\nselect * from (\n  select {literal(what)}, {literal(subject)}, {number} as rows, {example}\n"
        f"    from (\n           {nest(rows, 11)}\n         ) as x\n) as f where f.rows > 0;"
    )


def _sampled(plan: Plan, event: EventPlan) -> list[str]:
    """A sample of events, read as they lie: a load with triggers switched off shows here."""
    keys = event.keys("e")
    key = key_text(keys)
    present = Sql(" and ".join(f"{k} is not null" for k in keys))
    size = f"pg_relation_size({literal(event.table)}::regclass)"
    sample = f"{event.table} as e tablesample system (v_share)"
    found = [
        f"v_share := case when {size} < 1000000 then 100 else greatest(0.01, 100.0 * 1000000 / {size}) end;",
        f"select array_agg(distinct x.key) into v_keys\n"
        f"  from (select {key} as key from {sample} where {present} limit 200) as x;",
        _finding(
            "differ",
            event.event.table,
            f"select * from {plan.called('verify')}(0, null, coalesce(v_keys, '{{}}'))",
            example="string_agg(distinct x.feature, ', ')",  # whoever reads it need not see the rows
            number="count(distinct x.entity_key)",
        ),
    ]
    if event.event.missing == "create":
        columns = [Sql(f"x.{ident(column)}") for column in event.key]
        found.append(
            _finding(
                "missing",
                event.event.table,
                f"select distinct {', '.join(columns)}\n"
                f"  from (select e.* from {sample} where {event.conditions(present)} limit 200) as x\n"
                f" where not exists (select from {plan.table} as q where {same(plan.keys('q'), columns)})",
            )
        )
    return found
