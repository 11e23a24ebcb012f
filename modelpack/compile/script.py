"""The whole script that attaches a declaration to its tables, statement by statement.

The script needs no connection: what only the server knows (the type of a column that a feature follows,
which columns are missing) is asked there, so the same text serves `--sql` and a migration with a connection.
"""

from __future__ import annotations

from collections.abc import Iterable

from modelpack.compile.count import CountSql
from modelpack.compile.feature_sql import FeatureSql
from modelpack.compile.function import TRIGGER, Function
from modelpack.compile.plan import EventPlan, Meanings, Plan, make_plan, readings
from modelpack.compile.render import render, statement
from modelpack.compile.score import (
    guard_function,
    log_function,
    sample_function,
    score_function,
    scored_function,
    triggers,
    types_function,
)
from modelpack.compile.sql import Sql, ident, lines_of_json, literal, qualified
from modelpack.compile.together import packed_functions
from modelpack.compile.upkeep import functions as upkeep_functions
from modelpack.declaration.profile import Profile
from modelpack.errors import DeclarationError

UNCOUNTED = "not counted yet"
"""What a row says in its reasons until its features were counted from the events."""

UNSCORED = "not scored yet"
"""What a row says until it was scored by a score that came later."""

CHUNK = 500
"""Blocks of the profile that are counted at a time; as many as `modelpack.rebuild` takes unless told."""


def attach_script(profile: Profile, meanings: Meanings | None = None) -> list[Sql]:
    """The SQL statements of `op.create_scoring(profile)`, in order.

    Without `meanings` the script itself asks the server whether the triggers will read the expressions as it does.
    """
    plan = make_plan(profile, meanings)
    return [
        *_turns(plan),
        *_locks(plan),
        *_keys(plan),
        _by_names("attach", [*_record(plan), ("stem", literal(plan.slug))]),
        *_made(plan, [], *_rebuilt(plan)),
    ]


def attach_online_script(profile: Profile, meanings: Meanings) -> list[Sql]:
    """The same as one short transaction: no row is counted in it, and the tables are locked as late as can be.

    Rows are counted afterwards, by what happens to them and by `modelpack.backfill`. Indexes of event tables are there already.
    """
    plan = make_plan(profile, meanings)
    return [
        *_turns(plan),
        *_keys(plan),
        _by_names("attach", [*_record(plan), ("stem", literal(plan.slug))]),
        *_functions_first(plan),
        *_locks(plan),
        *_columns(plan, UNCOUNTED),
        *_meanings(plan),
        *_event_indexes(plan),
        *_armed_soon(plan),
        *_sealed(plan),
    ]


def replace_online_script(old: Profile, new: Profile, meanings: Meanings) -> list[Sql]:
    """The statements of `op.replace_scoring(old, new)` as one short transaction, in which no row is counted or scored."""
    before, plan = _both(old, new, meanings)
    anew = counts_anew(old, new, meanings)
    dropped, wanted = _changed_columns(before, plan)
    # a column that is dropped and added says the same of every row, and writes none
    stale = [f"{score.name}_stale" for score in before.profile.scores] if anew else []
    changes = [
        ("old_declaration", lines_of_json(old.to_dict())),
        ("dropped_columns", _array([])),
        ("online", Sql("true")),
    ]
    tables = [literal(table) for table in dict.fromkeys(event.table for event in plan.events)]
    kept = [
        f.name
        for e in plan.events
        for f in [*CountSql(plan, e).functions().values(), CountSql(plan, e).moves()]
    ]
    others = [f.name for f in _functions(plan) if f.returns == TRIGGER and f.name not in kept]
    return [
        *_turns(plan),
        *_keys(plan),
        _by_names("replace", [*_record(plan), *changes]),
        *_functions_first(plan),
        *_locks(plan, before, online=True),
        _by_names(
            "disarm_former",
            [
                ("relation", literal(plan.table)),
                ("events", Sql("array[{}]::regclass[]").format(Sql(", ").join(tables))),
                ("kept", _array([*kept, *others])),
            ],
        ),
        _call(
            "exchange_columns",
            literal(plan.table),
            _array(dict.fromkeys([*dropped, *stale])),
            _array(wanted),
        ),
        *([_call("uncount", literal(plan.table))] if anew else []),
        *_columns(plan, UNCOUNTED if anew else UNSCORED),
        *_meanings(plan),
        *_event_indexes(plan),
        *_armed_soon(plan),
        *_sealed(plan),
    ]


def _functions_first(plan: Plan) -> list[Sql]:
    """What takes long and locks nobody out: nobody else sees it before the commit."""
    return [
        *(s for function in _functions(plan) for s in function.statements(plan.slug)),
        _call("run_as", literal(plan.table)),
    ]


def _armed_soon(plan: Plan) -> list[Sql]:
    """`_armed`, where functions have their owner already, and triggers of event tables may be there."""
    return [
        *triggers(plan),
        _call("bind", literal(plan.table)),
        *(s for e in plan.events for s in [*CountSql(plan, e).puts(), CountSql(plan, e).follow_moves()]),
    ]


def counts_anew(old: Profile, new: Profile, meanings: Meanings | None = None) -> bool:
    """Whether rows have to be counted again: a feature is new, or means something else."""
    before, plan = make_plan(old, meanings), make_plan(new, meanings)
    known = {(event.table, f.name): (event, f) for event in before.events for f in event.features}
    for event in plan.events:
        for f in event.features:
            was = known.get((event.table, f.name))
            if was is None or not _same_meaning(*was, event, f):
                return True
            if was[0].on_delete == "keep" and event.on_delete != "keep":  # what is gone counts no more
                return True
    return False


def _both(old: Profile, new: Profile, meanings: Meanings | None) -> tuple[Plan, Plan]:
    before, plan = make_plan(old, meanings), make_plan(new, meanings)
    if (before.table, before.key) != (plan.table, plan.key):
        raise DeclarationError(
            f"{before.table} with the key ({', '.join(before.key)}) cannot become {plan.table} with the key "
            f"({', '.join(plan.key)}) in place; use op.drop_scoring(old) and op.create_scoring(new)"
        )
    return before, plan


def _changed_columns(before: Plan, plan: Plan) -> tuple[list[str], list[str]]:
    """Columns that are not wanted any more, or otherwise; and those that are wanted."""
    there, wanted = _wanted_columns(before), _wanted_columns(plan)
    return [column[0] for column in there if column not in wanted], [column[0] for column in wanted]


def replace_script(old: Profile, new: Profile, meanings: Meanings | None = None) -> list[Sql]:
    """The SQL statements of `op.replace_scoring(old, new)`, in order.

    What both declare alike stays as it is stored; features that are new or mean something else are counted
    from the events that are there. Raises DeclarationError where a feature would lose what it alone remembers.
    """
    before, plan = _both(old, new, meanings)
    dropped, wanted = _changed_columns(before, plan)
    changes = [
        ("old_declaration", lines_of_json(old.to_dict())),
        ("dropped_columns", _array(dropped)),
    ]
    counted = _rebuilt(plan)
    # a column that is dropped and made anew changes rows without their trigger: what was scored is gone
    emptied = set(dropped) & set(wanted)
    if plan.profile.scores and (emptied or plan.profile.scoring() != before.profile.scoring()):
        # what this statement has scored is not scored again where it has moved to
        counted.append(_in_chunks(plan, "rescore", Sql("false"), Sql("statement_timestamp()")))
    return [
        *_turns(plan),
        *_locks(plan, before),
        *_keys(plan),
        _by_names("replace", [*_record(plan), *changes]),
        *_made(plan, _counted_anew(before, plan), *counted),
    ]


def _made(plan: Plan, anew: list[Sql], *counted: Sql) -> list[Sql]:
    """From the columns to the triggers, and then what is counted, with no event in between.

    The triggers of the event tables come first: rows are counted from tables that have them.
    `anew` are statements that run once, as the triggers do.
    """
    once = _once(plan, [*_new_profiles(plan), *anew])
    return [
        *_columns(plan),
        *_meanings(plan),
        *_indexes(plan),
        *(s for function in [*_functions(plan), *once] for s in function.statements(plan.slug)),
        *_armed(plan),
        *(Sql("select {}").format(function.signature) for function in once),
        *(Sql("drop function {}").format(function.signature) for function in once),
        *counted,
        *_sealed(plan),
    ]


def _armed(plan: Plan) -> list[Sql]:
    """The triggers, and the functions that name the champion."""
    return [
        *triggers(plan),
        _call("run_as", literal(plan.table)),
        _call("bind", literal(plan.table)),
        *(s for e in plan.events for s in [*CountSql(plan, e).triggers(), CountSql(plan, e).follow_moves()]),
    ]


def _sealed(plan: Plan) -> list[Sql]:
    tables = [plan.table, *(event.table for event in plan.events)]
    return [
        *(_call("cover_partitions", literal(table)) for table in tables),
        _call("seal", literal(plan.table)),
    ]


def _functions(plan: Plan) -> list[Function]:
    """What stays as it is until another declaration is applied."""
    return [
        *upkeep_functions(plan),
        guard_function(plan),
        *(made for e in plan.events for made in CountSql(plan, e).functions().values()),
        *(CountSql(plan, e).moves() for e in plan.events),
        *packed_functions(plan),
        scored_function(plan),
        score_function(plan),
        *([log_function(plan), types_function(plan), sample_function(plan)] if plan.profile.scores else []),
    ]


def detach_script(profile: Profile) -> list[Sql]:
    """The SQL statements of `op.drop_scoring(profile)`."""
    return [_call("detach", literal(qualified(profile.table)))]


def detach_online_scripts(profile: Profile) -> list[list[Sql]]:
    """The same as transactions of which the first alone keeps anybody waiting: triggers go, then functions, then the rest."""
    table = literal(qualified(profile.table))
    return [
        [statement("lock_attached", table=table), statement("disarm", table=table, functions=False)],
        [statement("disarm", table=table, functions=True)],
        detach_script(profile),
    ]


def generated_functions(profile: Profile, meanings: Meanings | None = None) -> dict[str, str]:
    """Name and body of each function that `op.create_scoring(profile)` makes, but for those that a promotion replaces."""
    return {function.name: function.source for function in _functions(make_plan(profile, meanings))}


def _turns(plan: Plan) -> list[Sql]:
    """No other declaration is changed beside this one, and no other champion is named for a model that it scores with.

    A promotion that does not see the declaration yet would leave it with the champion of before. First of all, as a promotion
    takes its turn before it waits for a profile.
    """
    models = sorted({score.model for score in plan.profile.scores})
    return [_call("alone"), *(_call("take_turn", literal(model)) for model in models)]


def _locks(plan: Plan, before: Plan | None = None, *, online: bool = False) -> list[Sql]:
    """No event slips in between the backfill and the triggers.

    To make triggers, events may still be read. Where a declaration is replaced, triggers are dropped, too, which
    takes the strongest lock; online a table keeps its own, unless only the declaration before names it, which may have
    been dropped.
    """
    mode = "access exclusive" if before and not online else "share row exclusive"
    wanted = {event.table for event in plan.events}
    former = {event.table for event in before.events} if before else set()
    tables = [
        Sql("{}::regclass" if table in wanted else "to_regclass({})").format(literal(table))
        for table in sorted(wanted | former)
    ]
    return [statement("lock_tables", plan=plan, tables=tables, mode=mode)]


def _meanings(plan: Plan) -> list[Sql]:
    """Record what the expressions were found to mean; without a connection the server is asked whether they are as written."""
    if plan.meanings is not None:
        found = [[table, sql, meant] for (table, sql), meant in plan.meanings.items()]
        return [statement("record_meanings", plan=plan, meanings=lines_of_json(found))]
    asked = dict.fromkeys(reading for _, reading in readings(plan.declared))
    return [
        _call(
            "check_meaning",
            *(literal(text) for text in (reading.table, reading.sql, reading.alias)),
            Sql("true" if reading.condition else "false"),
        )
        for reading in asked
    ]


def _keys(plan: Plan) -> list[Sql]:
    """What only the server knows of the keys' types is asked there."""
    mine = [literal(plan.table), _array(plan.profile.key)]
    others = [[literal(event.table), _array(event.key)] for event in plan.events] or [[]]
    return [_call("check_key_columns", *mine, *other) for other in others]


def _wanted_columns(plan: Plan) -> list[tuple[str, Sql | None, Sql | None, str, str]]:
    """name, type, default, and the event table and column whose type it takes."""
    found: list[tuple[str, Sql | None, Sql | None, str, str]] = [
        (name, Sql("timestamptz"), None, "", "") for name in plan.times
    ]
    for event in plan.events:
        found += [
            (c.name, c.type, c.default, event.table, c.like or "") for f in event.features for c in f.columns
        ]
    return found + [(name, Sql(kind), None, "", "") for name, kind in plan.outputs.items()]


def _record(plan: Plan) -> list[tuple[str, Sql]]:
    """What `modelpack.profile` and `modelpack.score` keep of a declaration, as named arguments."""
    scores = [
        {
            "name": score.name,
            "stem": plan.score_stem(score),
            "model": score.model,
            "on_error": score.on_error,
            "inputs": {n: i.to_dict() for n, i in score.inputs.items() if not isinstance(i, str)},
        }
        for score in plan.profile.scores
    ]
    return [
        ("relation", literal(plan.table)),
        ("declaration", lines_of_json(plan.declared.to_dict())),
        ("maintained", _array(c.name for c in plan.columns)),
        ("wanted_columns", _array(name for name, *_ in _wanted_columns(plan))),
        ("scores", lines_of_json(scores)),
    ]


def _call(function: str, *arguments: Sql) -> Sql:
    return statement("call", function=function, arguments=arguments)


def _by_names(function: str, arguments: list[tuple[str, Sql]]) -> Sql:
    return statement("call_by_names", function=function, arguments=arguments)


def _array(values: Iterable[str]) -> Sql:
    return Sql("array[{}]::text[]").format(Sql(", ").join(literal(value) for value in values))


def _columns(plan: Plan, why_stale: str = "") -> list[Sql]:
    """`why_stale`: what the rows that are there already say in columns that are added for the reasons of scores."""
    statements = []
    if why_stale:
        statements = _columns_at_once(plan, why_stale)
    for name, kind, default, event, like in _wanted_columns(plan):
        if kind and why_stale:
            pass
        elif kind:
            statements.append(statement("add_column", plan=plan, name=name, type=kind, default=default))
        else:
            told = [literal(text) for text in (plan.table, name, event, like)]
            statements.append(_call("add_column_like", *told))
    comments = {
        c.name: f"helper of the feature {f.name}" for f in plan.features for c in f.columns if not c.visible
    }
    comments |= {f.name: _explain(plan, f.name) for f in plan.features}
    comments |= plan.times
    for score in plan.profile.scores:
        comments |= {
            score.name: f"score of the model {score.model}",
            f"{score.name}_version": "version that gave the score",
            f"{score.name}_scored_at": "when the score was given",
            f"{score.name}_stale": "NULL when the score is fresh, else why it is not",
        }
    return statements + [
        statement("comment_on_column", plan=plan, name=name, text=text) for name, text in comments.items()
    ]


def _columns_at_once(plan: Plan, why_stale: str) -> list[Sql]:
    """Those whose type is known here, by one ALTER TABLE: each would run the event triggers of the database."""
    reasons = [f"{score.name}_stale" for score in plan.profile.scores]
    added = [
        (name, kind, literal(why_stale) if name in reasons else default, name not in reasons)
        for name, kind, default, _, _ in _wanted_columns(plan)
        if kind
    ]
    made = [statement("add_columns", plan=plan, columns=added)]
    return [*made, statement("drop_defaults", plan=plan, names=reasons)] if reasons else made


def _explain(plan: Plan, name: str) -> str:
    for event in plan.declared.events:
        if name in event.features:
            settings = event.features[name].to_dict()
            kind = settings.pop("kind")
            inside = ", ".join(f"{k}={v!r}" for k, v in settings.items())
            where = f" where {event.where}" if event.where else ""
            return f"{kind}({inside}) of {event.table}{where}"
    return name


def _indexes(plan: Plan) -> list[Sql]:
    """Features are read again by key (and time): without an index each event would read the whole table.

    Stale rows have an index of their own.
    """
    return [*stale_index(plan), *_event_indexes(plan)]


def stale_index(plan: Plan) -> list[Sql]:
    """The statement that makes the index of stale rows, and notes it as the declaration's; none without scores."""
    stale = [f"{score.name}_stale" for score in plan.profile.scores]
    made = [_call("ensure_stale_index", literal(plan.table), _array(plan.profile.key), _array(stale))]
    return made if stale else []


def index_columns(event: EventPlan) -> tuple[Sql, Sql, Sql]:
    """The event table, its key and the time that its events are read by, as arguments of modelpack.index_wanted."""
    at = event.event.at if event.windowed else None
    return literal(event.table), _array(event.key), literal(at) if at else Sql("null")


def _event_indexes(plan: Plan) -> list[Sql]:
    return [_call("ensure_index", literal(plan.table), *index_columns(event)) for event in plan.events]


def _new_profiles(plan: Plan) -> list[Sql]:
    """Profiles for the keys of the events that are there already."""
    return [
        statement("new_profiles", plan=plan, event=event)
        for event in plan.events
        if event.missing == "create"
    ]


def _rebuilt(plan: Plan) -> list[Sql]:
    return [_in_chunks(plan, "rebuild")]


def _in_chunks(plan: Plan, task: str, *more: Sql) -> Sql:
    return statement("in_chunks", plan=plan, task=task, chunk=CHUNK, more=more)


def _counted_anew(before: Plan, plan: Plan) -> list[Sql]:
    """Features that outlive their events are not rebuilt: new ones are counted once, those that stay are left alone."""
    statements = []
    for event in plan.events:
        if event.on_delete != "keep":
            continue
        old = next((e for e in before.events if e.table == event.table), None)
        known = {f.name: f for f in old.stored} if old else {}
        fresh = []
        for f in event.stored:
            if f.name not in known:
                fresh.append(f)
            elif old and not _same_meaning(old, known[f.name], event, f):
                if old.on_delete == "keep":
                    raise DeclarationError(
                        f'{f.name} of {event.event.table} outlives its events (on_delete="keep"), so with another '
                        "meaning it could not be counted again; declare what is new under another name"
                    )
                fresh.append(f)
        if fresh:
            columns = [ident(name) for f in fresh for name in f.recompute]
            rows = event.aggregate(tuple(fresh), plan.keys("p"), moment=Sql("p.features_at"))
            statements.append(statement("count_anew", plan=plan, columns=columns, rows=rows))
    return statements


def _once(plan: Plan, statements: list[Sql]) -> list[Function]:
    """A function for statements that run once, as the triggers do: with their role, time zone and precision."""
    if not statements:
        return []
    body = render("once.sql", statements=statements)
    comment = f"Makes missing rows of {plan.table} and counts new features, once."
    return [Function(plan.name("once"), {}, Sql("void"), body, comment)]


def _same_meaning(old: EventPlan, was: FeatureSql, new: EventPlan, now: FeatureSql) -> bool:
    return (old.key, old.where, was) == (new.key, new.where, now)
