"""Holds a declaration against the tables that it names, before anything changes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from modelpack.compile.count import CountSql
from modelpack.compile.plan import EventPlan, Meanings, Plan, Reading, make_plan, readings
from modelpack.compile.sql import dollar, ident, literal, qualified
from modelpack.compile.upkeep import compared
from modelpack.connection import explain, in_words
from modelpack.declaration.expressions import Expression
from modelpack.declaration.features import Decayed, Deviation, Feature, Mean, Total
from modelpack.declaration.profile import Profile
from modelpack.errors import DeclarationError
from modelpack.install import require

_KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "i": "an index",
    "S": "a sequence",
    "c": "a composite type",
}
_RESERVED = ("pg_catalog", "information_schema", "modelpack")
_NUMBERS = {"smallint", "integer", "bigint", "real", "double precision", "numeric"}


@dataclass(frozen=True)
class Table:
    """A table as the server has it: columns and their types, and which must be given."""

    name: str
    columns: dict[str, str]
    required: frozenset[str]
    unique: tuple[frozenset[str], ...]
    owner: str
    unlogged: bool
    collations: dict[str, str]
    nullable: frozenset[str]
    generated: dict[str, str]
    """Columns that the server fills in: `identity` (always, whatever an INSERT gives) or `expression`."""
    typed: str | None
    """The composite type that a typed table is of."""
    kin: str | None
    """How statements on another table would change its rows, past its own statement triggers; None where none can."""

    numbers: frozenset[str]
    """Columns of a number's type, or of a domain over one."""


def read_table(connection: Connection, table: str) -> Table:
    """Read a table from the catalog. Raises DeclarationError where there is none."""
    name = qualified(table)
    row = connection.execute(
        text(
            "select c.oid, c.relkind::text, pg_get_userbyid(c.relowner), c.relpersistence = 'u', modelpack.kin(c.oid), "
            "nullif(c.reloftype, 0)::regtype::text, c.relpersistence = 't', n.nspname::text "
            "from pg_class as c join pg_namespace as n on n.oid = c.relnamespace where c.oid = to_regclass(:name)"
        ),
        {"name": name},
    ).first()
    if row is None:
        known = connection.execute(
            text(
                "select string_agg(format('%s.%s', n.nspname, c.relname), ', ' order by n.nspname, c.relname) "
                "from pg_class as c join pg_namespace as n on n.oid = c.relnamespace where c.relkind in ('r', 'p') "
                "and not c.relispartition and n.nspname not in ('pg_catalog', 'information_schema', 'modelpack')"
            )
        ).scalar()
        raise DeclarationError(
            f"there is no table {name}; the database has {known or 'no tables'}. Create it first, or correct the name"
        )
    oid, kind, owner, unlogged, kin, typed, temporary, schema = row
    if kind not in ("r", "p") or temporary:
        raise DeclarationError(
            f"{name} is {'a temporary table' if temporary else _KINDS.get(kind, 'no table')}, whose rows statements elsewhere "
            "change or take away without a trigger; expected a table or a partitioned table: declare the table behind it"
        )
    if schema in _RESERVED or schema.startswith("pg_"):
        raise DeclarationError(
            f"{name} is a table of the server's or of modelpack's own, expected one of yours"
        )
    found = connection.execute(
        text(
            "select a.attname::text, format_type(a.atttypid, a.atttypmod), "
            "case when a.attcollation <> 0 then a.attcollation::regcollation::text end, "
            "not (a.attnotnull or d.forbids), a.atthasdef or a.attidentity <> '' or d.fills, "
            "case when a.attidentity = 'a' then 'identity' when a.attgenerated <> '' then 'expression' end, d.below "
            "from pg_attribute as a cross join lateral ("
            "with recursive below as (select t.* from pg_type as t where t.oid = a.atttypid union all "
            "select t.* from below as b join pg_type as t on t.oid = b.typbasetype where b.typtype = 'd') "
            "select bool_or(b.typnotnull) as forbids, bool_or(b.typdefault is not null) as fills, "
            "max(b.oid::regtype::text) filter (where b.typtype <> 'd') as below from below as b) as d "
            "where a.attrelid = :oid and a.attnum > 0 and not a.attisdropped order by a.attnum"
        ),
        {"oid": oid},
    ).all()
    unique = connection.execute(
        text(
            "select array_agg(a.attname::text) from pg_index as i join pg_attribute as a on a.attrelid = i.indrelid "
            "and a.attnum = any (i.indkey) where i.indrelid = :oid and i.indisunique and i.indisvalid "
            "and i.indpred is null and i.indexprs is null and i.indimmediate group by i.indexrelid"
        ),
        {"oid": oid},
    ).scalars()
    return Table(
        name,
        {column: kind for column, kind, *_ in found},
        frozenset(column for column, _, _, nullable, filled, *_ in found if not (nullable or filled)),
        tuple(frozenset(columns) for columns in unique),
        owner,
        unlogged,
        {column: collation for column, _, collation, *_ in found if collation},
        frozenset(column for column, _, _, nullable, *_ in found if nullable),
        {column: generated for column, *_, generated, _ in found if generated},
        typed,
        kin,
        frozenset(column for column, *_, below in found if below in _NUMBERS),
    )


def check(connection: Connection, profile: Profile, *, reading: bool = False) -> Plan:
    """Raise DeclarationError, in one sentence, for whatever would not work; change nothing.

    `reading`: the caller will only read the tables, so nobody asks whether they could make triggers.
    """
    require(connection)
    plan = make_plan(profile)
    table = read_table(connection, profile.table)
    if not reading:
        _check_place(connection, table)
    _columns_exist(table, profile.key, "the key")
    _check_keys(connection, plan)
    if frozenset(profile.key) not in table.unique:
        raise DeclarationError(
            f"{table.name} has no primary key or unique constraint on ({', '.join(profile.key)}), expected one, so that "
            f"a customer has one profile, and not deferrable, so that none has two for a moment; alter table {table.name} "
            f"add primary key ({', '.join(plan.key)})"
        )
    _check_profile(table, profile)
    events = {event.event.table: read_table(connection, event.event.table) for event in plan.events}
    if not reading:
        with in_words(DeclarationError), connection.begin_nested():
            connection.execute(
                text("select modelpack.check_stored(cast(:declared as jsonb))"),
                {"declared": json.dumps(plan.declared.to_dict())},
            )
    for event in plan.events:
        _check_event(connection, plan, event, table, events[event.event.table])
    _check_clashes(plan, table, events, _added(connection, table))
    for score in profile.scores:
        for name, value in score.inputs.items():
            if not isinstance(value, str):
                known = {*table.columns, *(c.name for c in plan.columns)}
                for column in value.columns:
                    if column not in known:
                        raise DeclarationError(
                            f"the input {name} of the score {score.name} reads {column}, which {table.name} does not "
                            f"have; it has {', '.join(sorted(known))}"
                        )
                    if table.generated.get(column) == "expression":
                        raise DeclarationError(
                            f"the input {name} of the score {score.name} reads {table.name}.{column}, a generated column, "
                            "which has no value yet when the row is scored; expected columns that are stored as they are "
                            "given: declare the input by those that it is generated from"
                        )
    if not reading:
        for each in (table, *events.values()):
            _check_statements(each, table)
        _check_rights(connection, [table, *events.values()])
        _check_row_security(connection, table, [table, *events.values()])
    meanings = _recorded(connection, plan) if reading else None
    if meanings is None:
        meanings = _meanings(connection, plan, table, events)
    plan = make_plan(profile, meanings)
    if not reading:
        for event in plan.events:
            _check_types(connection, plan, event, events[event.event.table])
    return plan


def _check_place(connection: Connection, table: Table) -> None:
    """The name may be that of a declared profile, which was renamed since."""
    now = connection.execute(
        text(
            "select m.relation::text from modelpack.profile as p, modelpack.misplaced(p.profile_id) as m "
            "where p.name = :name and m.declared = p.name and exists (select from pg_class as c where c.oid = m.relation)"
        ),
        {"name": table.name},
    ).scalar()
    if now is not None:
        raise DeclarationError(
            f"{table.name} is another table than the profile that was declared, which is called {now} now; rename both back, "
            f"or take the declaration off that one: select modelpack.detach({literal(now)})"
        )


def _check_profile(table: Table, profile: Profile) -> None:
    """What a profile table must be like for a row of it to be made, scored and logged."""
    if table.typed is not None:
        raise DeclarationError(
            f"{table.name} is a table of the type {table.typed}, to which no column can be added; alter table {table.name} not of"
        )
    for column in profile.key:
        if column in table.nullable:
            raise DeclarationError(
                f"the key {table.name}.{column} may be NULL, and a row without a key has no events; "
                f"alter table {table.name} alter column {ident(column)} set not null"
            )
        if table.generated.get(column) == "expression":
            raise DeclarationError(
                f"the key {table.name}.{column} is a generated column, which has no value yet when the row is scored; expected "
                f"a column that is stored as it is given; alter table {table.name} alter column {ident(column)} drop expression"
            )


def _check_statements(table: Table, profile: Table) -> None:
    """Every change of a row has to come by a statement on the table itself, or on a partition of it."""
    if table.kin is not None:
        raise DeclarationError(
            f"{table.name} {table.kin}: statements on the one change rows of the other without its triggers; expected a "
            "table that stands alone, or a partitioned table itself"
        )
    if table.unlogged != profile.unlogged:
        lost, kept = (table, profile) if table.unlogged else (profile, table)
        raise DeclarationError(
            f"{lost.name} is unlogged and {kept.name} is not: a crash of the server would empty only the one; "
            f"alter table {lost.name} set logged"
        )


def _check_keys(connection: Connection, plan: Plan, event: EventPlan | None = None) -> None:
    """Have the server hold the columns of the key, and those of an event, against each other."""
    args: list[str | list[str]] = [plan.table, list(plan.profile.key)]
    args += [event.table, list(event.key)] if event else []
    call = f"select modelpack.check_key_columns({', '.join(f':a{n}' for n in range(len(args)))})"
    with in_words(DeclarationError), connection.begin_nested():
        connection.execute(text(call), {f"a{n}": value for n, value in enumerate(args)})


def _columns_exist(table: Table, columns: Sequence[str], what: str) -> None:
    for column in columns:
        if column not in table.columns:
            raise DeclarationError(
                f"{table.name} has no column {column}, which is {what}; it has {', '.join(table.columns)}"
            )


def _check_event(connection: Connection, plan: Plan, event: EventPlan, profile: Table, table: Table) -> None:
    _columns_exist(table, event.key, f"the key of the event (key={event.key!r})")
    _check_keys(connection, plan, event)
    if event.event.at is not None:
        _columns_exist(table, [event.event.at], "the time of the event (at=)")
        kind = table.columns[event.event.at]
        if kind != "date" and not kind.startswith("timestamp"):
            raise DeclarationError(
                f"{table.name}.{event.event.at} is {kind}, expected timestamptz, timestamp or "
                "date as the time of an event"
            )
    wheres = [event.event.where, *(f.where for f in event.event.features.values())]
    for name, feature in event.event.features.items():
        if feature.column is not None:
            _columns_exist(table, [feature.column], f"what the feature {name} reads")
            if isinstance(feature, (Total, Mean, Deviation, Decayed)) and feature.column not in table.numbers:
                raise DeclarationError(
                    f"the feature {name} adds up {table.name}.{feature.column}, which is "
                    f"{table.columns[feature.column]}, expected a number"
                )
    for where in filter(None, wheres):
        parsed = Expression(where, what="where=")
        _columns_exist(table, parsed.columns, f"read by where={where!r}")
    if event.event.missing == "create":
        needed = profile.required - set(plan.profile.key) - {c.name for c in plan.columns}
        always = [key for key in plan.profile.key if profile.generated.get(key) == "identity"]
        if (needed or always) and _references(connection, plan, event):
            return
        if always:
            raise DeclarationError(
                f"{profile.name}.{always[0]} is generated always as identity, so an event of an unknown customer cannot create a "
                'profile of its key; declare Event(…, missing="refuse") or missing="ignore", or add a foreign key'
            )
        if needed:
            raise DeclarationError(
                f"{profile.name} needs {', '.join(sorted(needed))} in every row, so an event of an unknown customer "
                'cannot create a profile; declare Event(…, missing="refuse") or missing="ignore", or add a foreign key'
            )


def _recorded(connection: Connection, plan: Plan) -> Meanings | None:
    """What the expressions meant when the declaration was applied; None where it is not in force."""
    found = connection.execute(
        text(
            "select meanings from modelpack.profile where relation = to_regclass(:name) "
            "and declaration = cast(:declaration as jsonb)"
        ),
        {"name": plan.table, "declaration": json.dumps(plan.declared.to_dict())},
    ).scalar()
    return None if found is None else {(table, sql): meant for table, sql, meant in found}


def _meanings(connection: Connection, plan: Plan, table: Table, events: dict[str, Table]) -> Meanings:
    """What the expressions mean to this session, where the triggers would read them otherwise.

    The server itself says it, and whether an expression depends on its row alone: a generated column must.
    """
    missing = {n: t for n, t in _wanted(plan, events).items() if n not in table.columns}
    more = "".join(f", {ident(n)} {kind}" for n, kind in missing.items())
    found = {}
    for what, reading in readings(plan.declared):
        try:
            with connection.begin_nested():
                sql = connection.execute(
                    text("select modelpack.resolve(:table, :sql, :alias, :condition, :more)"),
                    {
                        "table": reading.table, "sql": reading.sql, "alias": reading.alias, "condition": reading.condition,
                        "more": "" if reading.condition else more,
                    },
                ).scalar()  # fmt: skip
        except DBAPIError as error:
            raise DeclarationError(_unfit(what, reading, str(error.orig).splitlines()[0], error)) from error
        if sql is not None:
            found[reading.table, reading.sql] = sql
    return found


def _unfit(what: str, reading: Reading, found: str, error: DBAPIError) -> str:
    if getattr(error.orig, "sqlstate", None) == "0A000":
        return f"{what} does not work on {reading.table}: {explain(error)}"
    hint = ""
    if "immutable" in found:
        hint = (
            " (compare a timestamptz column in a fixed time zone: created_at at time zone 'UTC')"
            if reading.condition
            else " (an enum column is named as it is, without ::text; of a time the model is given its age(column))"
        )
    return (
        f"{what} does not work on {reading.table}: {found}; expected {'a condition' if reading.condition else 'an expression'} "
        f"that depends on the row alone{hint}, with functions and operators that the session's search_path finds"
    )


def _references(connection: Connection, plan: Plan, event: EventPlan) -> bool:
    """Whether no event can come before its customer: a foreign key on the key, of every row and at once."""
    return bool(
        connection.execute(
            text(
                "select exists (select from pg_constraint as c where c.contype = 'f' and c.conrelid = to_regclass(:event) "
                "and c.confrelid = to_regclass(:profile) and c.convalidated and not c.condeferrable and "
                "(select array_agg(format('%s %s', e.attname, p.attname) order by e.attname) "
                "from unnest(c.conkey, c.confkey) as k (e, p) join pg_attribute as e on e.attrelid = c.conrelid and e.attnum = k.e "
                "join pg_attribute as p on p.attrelid = c.confrelid and p.attnum = k.p) = "
                "(select array_agg(format('%s %s', k.e, k.p) order by k.e) from unnest(cast(:its as text[]), cast(:mine as text[])) as k (e, p)))"
            ),
            {
                "event": event.table,
                "profile": plan.table,
                "its": list(event.key),
                "mine": list(plan.profile.key),
            },
        ).scalar()
    )


def _check_types(connection: Connection, plan: Plan, event: EventPlan, table: Table) -> None:
    """Have the server try what the functions do with the values of the event's columns: types differ in what they can."""
    if _tried(connection, plan, event, table, event.event.features) is None:
        return
    for name, feature in event.event.features.items():
        found = _tried(connection, plan, event, table, {name: feature})
        if found is not None:
            raise DeclarationError(
                f"the feature {name} cannot be {feature.kind}() of {table.name}.{feature.column}, which is "
                f"{table.columns.get(feature.column or '')}: {found}; expected a column of a type whose values can be compared "
                "and missing, such as a number, a text or a time: add one, for example a generated column, and name it"
            )


def _tried(
    connection: Connection, plan: Plan, event: EventPlan, table: Table, features: Mapping[str, Feature]
) -> str | None:
    """What the server says against these features of an event, on empty tables like those that are declared."""
    mine = replace(event.event, table="pg_temp.modelpack_event", features=features, missing="ignore")
    profile = replace(plan.profile, table="pg_temp.modelpack_profile", events=(mine,), scores=())
    rehearsal = make_plan(profile)
    types = dict.fromkeys(rehearsal.times, "timestamptz")
    types |= {c.name: c.type or table.columns[c.like or ""] for c in rehearsal.columns}
    like = {c.name: table.collations.get(c.like or "") for c in rehearsal.columns}
    wanted = {n: f"{kind} collate {like[n]}" if like.get(n) else kind for n, kind in types.items()}
    keys = ", ".join(f"a.{ident(key)}" for key in plan.profile.key)
    columns = "".join(f", add column {ident(name)} {kind}" for name, kind in wanted.items())
    nested = connection.begin_nested()
    try:
        for sql in (
            *_as_owner(connection, plan, event),
            "drop table if exists pg_temp.modelpack_event, pg_temp.modelpack_profile, pg_temp.new_rows, pg_temp.old_rows",
            f"create temporary table modelpack_profile as select {keys} from {plan.table} as a where false",
            f"alter table pg_temp.modelpack_profile {columns[2:]}",
            *(
                f"create temporary table {name} (like {table.name})"
                for name in ("modelpack_event", "new_rows", "old_rows")
            ),
            *(f"select null::{kind}" for kind in dict.fromkeys(types.values())),
            "set local search_path = pg_catalog, pg_temp",
            f"do {dollar(CountSql(rehearsal, rehearsal.events[0]).tried())}",
            compared(rehearsal),
        ):
            connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == "55P03":  # the feature has nothing to do with it
            raise
        return str(error.orig).splitlines()[0]
    finally:
        nested.rollback()
    return None


def _as_owner(connection: Connection, plan: Plan, event: EventPlan) -> list[str]:
    """Statements after which what is tried runs as the owner of the profile, as whom it will: for a savepoint to take back.

    Domains and functions of the tables are code of their owners'.
    """
    owner = connection.execute(
        text(
            "select r.rolname::text from pg_class as p join pg_roles as r on r.oid = p.relowner "
            "where p.oid = to_regclass(:profile) and not r.rolsuper"
        ),
        {"profile": plan.table},
    ).scalar()
    if owner is None:
        return []
    lacking = connection.execute(
        text(
            "select 'usage', 'schema ' || n.oid::regnamespace::text, 'pg_namespace', n.oid from pg_namespace as n where n.oid in ("
            "'modelpack'::regnamespace, (select c.relnamespace from pg_class as c where c.oid = to_regclass(:event))) "
            "and not has_schema_privilege(:owner, n.oid, 'usage') union all "
            "select 'execute', 'function ' || f::text, 'pg_proc', f from modelpack.arithmetic() as f "
            "where not has_function_privilege(:owner, f, 'execute') union all "
            "select 'select', 'table ' || c.oid::regclass::text, 'pg_class', c.oid from pg_class as c "
            "where c.oid = to_regclass(:event) and not has_table_privilege(:owner, c.oid, 'select')"
        ),
        {"owner": owner, "event": event.table},
    ).all()
    return [
        *(
            f"select modelpack.do_soon({literal(f'grant {right} on {thing} to {ident(owner)}')}, "
            f"{literal(f'the {thing}')}, {literal(catalog)}, {oid})"
            for right, thing, catalog, oid in lacking
        ),
        f"set local role {ident(owner)}",
    ]


def _wanted(plan: Plan, events: dict[str, Table]) -> dict[str, str]:
    """The columns that modelpack keeps on the profile, with their types."""
    wanted: dict[str, str] = {
        **dict.fromkeys(plan.times, "timestamptz"),
        **plan.outputs,
    }
    for event in plan.events:
        for feature in event.features:
            for c in feature.columns:
                wanted[c.name] = c.type or events[event.event.table].columns[c.like or ""]
    return wanted


def _added(connection: Connection, profile: Table) -> frozenset[str]:
    """Columns that a declaration in force has added: a changed one may drop them and add others of the same name."""
    found = connection.execute(
        text("select unnest(added_columns) from modelpack.profile where relation = to_regclass(:name)"),
        {"name": profile.name},
    ).scalars()
    return frozenset(found)


def _check_clashes(plan: Plan, table: Table, events: dict[str, Table], added: frozenset[str]) -> None:
    names = {"timestamptz": "timestamp with time zone"}
    for column, wished in _wanted(plan, events).items():
        kind = names.get(wished, wished)
        there = table.columns.get(column)
        if there is not None and there != kind and column not in added:
            raise DeclarationError(
                f"{table.name} has a column {column} of type {there} already, and modelpack would keep {kind} in it; "
                "rename the feature or the column"
            )


def _check_rights(connection: Connection, tables: list[Table]) -> None:
    for table in tables:
        if not connection.execute(
            text("select pg_has_role(current_user, :owner, 'usage')"), {"owner": table.owner}
        ).scalar():
            raise DeclarationError(
                f"{table.name} belongs to {table.owner}, and triggers are made by the owner; run this as {table.owner}"
            )
    if not connection.execute(text("select pg_has_role(current_user, 'modelpack_owner', 'usage')")).scalar():
        user = connection.execute(text("select current_user")).scalar()
        raise DeclarationError(
            f"the role {user} may not make modelpack's functions; as a superuser: grant modelpack_owner to {user}"
        )


def _check_row_security(connection: Connection, profile: Table, tables: list[Table]) -> None:
    """Features are exact only over all rows, so none may be hidden from the role that the functions run as."""
    for table in tables:
        runner = connection.execute(
            text(
                "select runs_as from modelpack.runs_as(to_regclass(:profile))"
                " where modelpack.hides_rows(to_regclass(:table), runs_as)"
            ),
            {"profile": profile.name, "table": table.name},
        ).scalar()
        if runner is not None:
            forced = table.owner == profile.owner and runner == table.owner
            mend = (
                f"alter table {table.name} no force row level security"
                if forced
                else f"let {profile.owner} own both tables, or as a superuser: alter role {ident(runner)} bypassrls"
            )
            raise DeclarationError(
                f"{table.name} has row security, and the functions of {profile.name} run as {runner}, from whom it may hide "
                f"rows: features would not be exact; {mend}"
            )
