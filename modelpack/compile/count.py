"""COUNT: statement-level AFTER triggers on an event table that keep the profile's features.

Each function writes each profile row that its statement touches once. First it makes the profiles that are
missing (or meets those who do), then it locks all of them, both in key order, and only then it updates. So two statements
never wait for each other in a circle: who makes profiles has locked none yet, and who locks finds only
profiles that are committed or its own. What is read from the events is read in a statement of its own after
the lock, so that it sees what concurrent sessions committed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from modelpack.compile.feature_sql import FeatureSql, Place, Rows, amount, feature_sql
from modelpack.compile.places import profile_in_place
from modelpack.compile.plan import EventPlan, Plan, assignments
from modelpack.compile.sql import (
    AS_WRITER,
    HEADER,
    IMAGE,
    NAMES,
    SIGN,
    STATEMENT,
    Function,
    Sql,
    ident,
    key_hash,
    listed,
    literal,
    nest,
    same,
    slug,
    table_slug,
    turn,
    variable,
)
from modelpack.declaration.expressions import over_event

# A plan is made once in a session, for whatever number of rows it first sees. Only the index path is good
# for one row and for a hundred thousand.
_INDEXED = "\nset enable_seqscan = off"
_JOINS = ("enable_hashjoin", "enable_mergejoin", "jit")
_REASON = "off, since a session keeps a plan for whatever number of rows comes: one by an index is good for a row and for many."
_HEADER = HEADER + _INDEXED + "".join(f"\nset {name} = off" for name in _JOINS)

_VERBS = {"insert": "inserted", "update": "updated", "delete": "deleted", "truncate": "truncated"}
_REFERENCING = {
    "insert": "\n  referencing new table as new_rows",
    "update": "\n  referencing old table as old_rows new table as new_rows",
    "delete": "\n  referencing old table as old_rows",
    "truncate": "",
}
_LOCKED = (
    "-- rows are locked in the order of their keys: two statements never wait for each other in a circle"
)
_UNKNOWN = "-- keys without a profile get one before any is locked; the score trigger reads its features from the events"
_MOMENT = "v_moment constant timestamptz := clock_timestamp();"
_SETTINGS = "\nv_settings text[];"
_KEPT = "-- what this very statement has read from the events stays from here on, too"
_READ = "v_read text[];"
_MADE = "\nv_made text[];"
_SECOND = "-- most statements bring one event: then one UPDATE of its profile is all\nperform from new_rows offset 1;"
_STATEMENT = f"v_statement constant timestamptz := {STATEMENT};"


_C, _SIGN_OF_C, _CAME = Sql("c"), Sql(f"c.{SIGN}"), Sql(f"c.{SIGN} = 1")


_SET, _RESET = turn(dict.fromkeys(_JOINS, "off"))


class CountSql:
    """The count functions of one event of one profile."""

    def __init__(self, plan: Plan, event: EventPlan) -> None:
        self.plan = plan
        self.event = event
        self.keep = event.event.on_delete == "keep"
        self.columns = [ident(column) for column in event.key]
        self.stored, self.places = _shared(event.stored)
        self.present = Sql(" and ".join(f"{key} is not null" for key in event.keys("e")))

    def functions(self) -> dict[str, Function]:
        """For each verb that needs one, its function."""
        made = {"insert": self._insert(), "update": self._update()}
        made["delete"] = self._delete_keeping() if self.keep else self._delete()
        made["truncate"] = self._truncate_keeping() if self.keep else self._truncate()
        return {verb: self._function(verb, declare, body) for verb, (declare, body) in made.items()}

    def triggers(self) -> list[str]:
        """The statements that put the functions on the event table."""
        name = table_slug(self.plan.profile.table)
        return [
            f"create trigger {ident(slug('modelpack', name, verb))} after {verb} on {self.event.table}"
            f"{_REFERENCING[verb]}\n  for each statement execute function modelpack.{ident(self._name(verb))}()"
            for verb in self.functions()
        ]

    def moves(self) -> Function:
        """Notes a row that a statement moves to another partition: deleted where it was updated a moment ago.

        Rows that UPDATE moves are in its transition tables; those that MERGE moves are in none.
        """
        moving, moved = self._moves()
        image = "md5(to_jsonb(old)::text)"
        body = (
            f"begin\n  if tg_op = 'UPDATE' then\n    perform set_config({moving}, {image}, true);\n    return new;\n  end if;\n"
            f"  if current_setting({moving}, true) <> '' then\n    if current_setting({moving}, true) = {image} then\n"
            f"      perform set_config({moved}, {image}, true);\n    end if;\n"
            f"    perform set_config({moving}, '', true);\n  end if;\n  return old;\nend\n"
        )
        comment = f"Notes rows of {self.event.table} that a statement moves to another partition."
        return Function(self._name("move"), "", "trigger", body, comment, AS_WRITER)

    def follow_moves(self) -> str:
        """The statement that has moves noted where the event table has partitions."""
        name = table_slug(self.plan.profile.table)
        triggers = [literal(slug("zz_modelpack", name, verb)) for verb in ("moves", "moved")]
        arguments = [literal(self.event.table), *triggers, literal(self._name("move"))]
        return f"select modelpack.follow_moves({', '.join(arguments)})"

    def _moves(self) -> tuple[str, str]:
        """Settings of the transaction: the row that is being updated, one that has been moved."""
        mark = hashlib.md5(self._name("move").encode(), usedforsecurity=False).hexdigest()[:16]
        return literal(f"modelpack.moving_{mark}"), literal(f"modelpack.moved_{mark}")

    def _refuse_merge(self) -> str:
        _, moved = self._moves()
        return (
            f"if current_setting({moved}, true) <> '' then\n"
            f"  if not exists (select from old_rows as o where md5(to_jsonb(o)::text) = current_setting({moved}, true)) then\n"
            "    raise exception using\n      errcode = 'feature_not_supported',\n"
            f"      message = {literal(f'MERGE has moved rows of {self.event.table} to another partition, and PostgreSQL tells no trigger which')},\n"
            f"      detail = {literal(f'The features of {self.plan.table} could not follow.')},\n"
            "      hint = 'Move them by UPDATE, or by DELETE and INSERT.';\n  end if;\n"
            f"  perform set_config({moved}, '', true);\nend if;\n"
        )

    def tried(self) -> str:
        """What the functions do with the values of events, for a DO block: the server says whether their types take it.

        `new_rows` and `old_rows` are there, with rows as the event table has them.
        """
        written = [self._write(self._sums(self._rows("new_rows"), signed=False), signed=False)]
        if not self._again(signed=False):
            written.append(self._write_one("return;"))
        written.append(self._write(self._sums(self._changes(), signed=True), signed=True))
        statements = "\n".join([self._refuse_forgetting(), *written])
        return f"{NAMES}\ndeclare\n  {_MOMENT}\n  {_STATEMENT}\nbegin\n  {nest(statements, 2)}\nend"

    def _name(self, verb: str) -> str:
        return self.plan.count_name(self.event, verb)

    def _function(self, verb: str, declare: str, body: str) -> Function:
        comment = (
            f"COUNT of {self.plan.table}: keeps {', '.join(f.name for f in self.event.features)} when rows of "
            f"{self.event.table} are {_VERBS[verb]}. Generated by modelpack from the declaration."
        )
        if "v_moment" in body:
            declare = f"{_MOMENT}\n{declare}"
        declared = f"declare\n  {nest(declare, 2)}\n" if declare else ""
        text = f"{declared}begin\n  {nest(self._place(), 2)}\n  {nest(body, 2)}\n  return null;\nend\n"
        # every SET costs, and most INSERTs bring one event, which joins nothing
        header = HEADER + _INDEXED if verb == "insert" else _HEADER
        settings = ("enable_seqscan", *(() if verb == "insert" else _JOINS))
        reason = f"{', '.join(settings)}: {_REASON}"
        return Function(self._name(verb), "", "trigger", text, comment, header, reason)

    # --- whether the tables are those that were declared -------------------------------------------------

    def _place(self) -> str:
        """Triggers stay with a table that is renamed: it is no more the event table, if another has its name now."""
        declared = f"{literal(self.event.table)}::regclass"
        return (
            f"if tg_relid <> {declared} then  -- a partition of it, or one on its way\n"
            f"  if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = {declared})\n"
            "     and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'\n  then\n"
            "    raise exception using\n      errcode = 'object_not_in_prerequisite_state',\n"
            "      message = format('%s has the triggers of the event table %s, which is another relation now',\n"
            f"                       tg_relid::regclass, {literal(self.event.table)}),\n"
            "      detail = 'Its rows would count as events of that.',\n"
            "      hint = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';\n"
            "  end if;\nend if;"
        )

    # --- what a statement brought, changed or took, row by row ------------------------------------------

    def _rows(self, source: str, *, image: bool = False) -> str:
        parts = [c for f in self.stored for c in f.contributions]
        columns = [*self.event.keys("e"), *(f"{c.scalar} as {ident(c.name)}" for c in parts)]
        if image:
            columns += self._image()
        return (
            f"select {listed(columns, 7)}\n  from {source} as e\n where {self.event.conditions(self.present)}"
        )

    def _keys(self, source: str) -> str:
        """The keys that the rows of a transition table name."""
        return (
            f"select distinct {', '.join(self.event.keys('e'))}\n  from {source} as e\n"
            f" where {self.event.conditions(self.present)}"
        )

    def _order(self, alias: str) -> str:
        """The order in which profiles are made, met and locked: that of the key's type, whatever its text."""
        return ", ".join(self._of(alias))

    def _of(self, alias: str) -> list[Sql]:
        """The event's key columns, read from a query of them."""
        return [Sql(f"{alias}.{column}") for column in self.columns]

    def _changed_keys(self) -> str:
        keys = ", ".join(f"c.{column}" for column in self.columns)
        return f"select distinct {keys}\n  from (\n         {nest(self._changes(), 9)}\n       ) as c"

    def _image(self) -> list[str]:
        """What the profile holds as it stands in the event, and what decides about features that are read again, as text.

        A change here touches the profile row, from a value to an equal one, too: EXCEPT compares by equality.
        """
        held = [c.scalar for f in self.stored for c in f.contributions if not c.additive]
        for sql in self.event.features:
            feature = self.event.event.features[sql.name]
            if not sql.contributions:
                if feature.where:
                    held.append(Sql(over_event(feature.where)))
                if feature.column:
                    held.append(Sql(f"e.{ident(feature.column)}"))
                if self.event.at:
                    held.append(Sql(f"e.{self.event.at}"))
        return [f"row({', '.join(dict.fromkeys(held))})::text as {IMAGE}"] if held else []

    def _changes(self) -> str:
        """What an UPDATE really changed: rows that differ in a column that counts, after and before."""

        def side(sign: int, rows: str, without: str) -> str:
            left, right = self._rows(rows, image=True), self._rows(without, image=True)
            return f"select {sign} as {SIGN}, x.*\n  from (\n         {nest(left, 9)}\n         except all\n         {nest(right, 9)}\n       ) as x"

        return f"{side(1, 'new_rows', 'old_rows')}\nunion all\n{side(-1, 'old_rows', 'new_rows')}"

    def _gone(self) -> str:
        return (
            f"select -1 as {SIGN}, x.*\n  from (\n         {nest(self._rows('old_rows'), 9)}\n       ) as x"
        )

    # --- summed up a key --------------------------------------------------------------------------------

    def _by_difference(self, f: FeatureSql) -> bool:
        return f.invertible

    def _again(self, *, signed: bool) -> tuple[FeatureSql, ...]:
        """Features that are read from the events again for the keys touched."""
        return tuple(
            f
            for f in self.stored
            if f.merge is None or (signed and not self.keep and not self._by_difference(f))
        )

    def _sums(self, rows: str, *, signed: bool) -> str:
        again = {f.name for f in self._again(signed=signed)}
        columns = [f"c.{column}" for column in self.columns]
        for f in self.stored:
            if f.name not in again:
                for c in f.contributions:
                    columns.append(f"{c.combine(self._added(f, signed=signed))} as {ident(c.name)}")
        return (
            f"select {listed(columns, 7)}\n  from (\n         {nest(rows, 9)}\n       ) as c\n"
            f" group by {', '.join(f'c.{column}' for column in self.columns)}"
        )

    def _added(self, f: FeatureSql, *, signed: bool) -> Rows:
        """Contributions to a feature row by row: with a sign; or only what came, where nothing can be taken back."""
        if not signed:
            return Rows(_C)
        return Rows(_C, sign=_SIGN_OF_C, only=() if self._by_difference(f) else (_CAME,))

    def _summed(self, name: str) -> Sql:
        """A contribution summed up a key: features that add the same number take it from one place."""
        return Sql(f"d.{ident(self.places.get(name, name))}")

    # --- the statements ---------------------------------------------------------------------------------

    def _set(self, *, signed: bool, one: Place | None = None) -> Iterator[tuple[str, Sql]]:
        """What an UPDATE of profiles sets. `one`: where the contributions of the only event are."""
        again = {f.name for f in self._again(signed=signed)}
        for f in self.stored:
            if f.name not in again:
                written = f.one if one else None
                yield from (written or (f.merge(one or self._summed) if f.merge else {})).items()
            else:
                yield from ((name, Sql(f"r.{ident(name)}")) for name in f.recompute)
        yield from self.plan.ageing(self.event)
        yield "features_at", Sql("v_moment" if self.plan.decayed else "null")  # SCORE dates them
        if any(f.half_life for f in self.stored if f.name in again):
            # another trigger of this statement (MERGE, ON CONFLICT, a CTE) must not add to what was read here
            yield "features_reread_at", Sql("v_statement")

    def _match(self, alias: str) -> str:
        return same(self.plan.keys(alias), self._of("d"))

    def _write(self, sums: str, *, signed: bool) -> str:
        source = f"(\n         {nest(sums, 9)}\n       ) as d"
        again = self._again(signed=signed)
        if again:
            rows = self.event.aggregate(again, self._of("d"))
            source += f"\n       cross join lateral (\n         {nest(rows, 9)}\n       ) as r"
        return (
            f"update {self.plan.table} as p\n   set {assignments(self._set(signed=signed), 7)}\n"
            f"  from {source}\n where {self._match('p')}\n   and ({self._read()}) is not true;"
        )

    def _write_one(self, leave: str = "return null;") -> str:
        """The same for the only event of a statement, with its values at hand: `e` is no row here but a variable."""
        held: dict[str, tuple[str, str]] = {}  # variable: its type, its value

        def amount_once(column: str) -> Sql:
            held[variable("amount", column)] = ("numeric", amount(column))
            return Sql(variable("amount", column))

        given: dict[str, Sql] = {}
        for f in self.stored:
            feature = self.event.event.features[f.name]
            once = feature_sql(f.name, feature, self.event.event.at, amount=amount_once)
            scalars = {c.name: c.scalar for c in once.contributions}
            for c in () if f.one else f.contributions:
                given[c.name] = scalars[c.name]
                if c.type:
                    held[variable("d", c.name)] = (c.type, scalars[c.name])
                    given[c.name] = Sql(variable("d", c.name))
        sets = self._set(signed=False, one=lambda name: given[self.places.get(name, name)])
        update = (
            f"update {self.plan.table} as p\n   set {assignments(sets, 7)}\n"
            f" where {same(self.plan.keys('p'), self.event.keys('e'))}\n   and ({self._read()}) is not true\n"
            # SCORE dates the features of every row that COUNT writes
            f"returning {'p.features_at = v_moment' if self.plan.decayed else 'p.features_at is null'} into v_unscored;"
        )
        declared = [
            "e record;",
            "v_unscored boolean;",
            *(f"{name} {kind};" for name, (kind, _) in held.items()),
        ]
        assigned = "".join(f"{name} := {value};\n" for name, (_, value) in held.items())
        counts = f"if ({self.event.where}) is not true then\n  {leave}\nend if;\n" if self.event.where else ""
        return (
            f"declare\n  {nest(chr(10).join(declared), 2)}\nbegin\n  select * into e from new_rows;\n"
            f"  {nest(f'{counts}{assigned}{update}', 2)}\n"
            f"  if found then\n    if v_unscored then\n      {nest(profile_in_place(self.plan), 6)}\n    end if;\n"
            f"    {leave}\n  end if;\nend;"
        )

    def _read(self) -> str:
        """Whether this very statement has read a profile from the events: it knows of the changes already.

        Features that outlive their events are read only together with all others.
        """
        read = "p.features_read_at = v_statement"
        if "features_reread_at" in self.plan.times and not self.keep:
            read += " or p.features_reread_at = v_statement"
        return read

    def _locked(self, keys: str, columns: str = "") -> str:
        return (
            f"{columns}\n  from (\n         {nest(keys, 9)}\n       ) as d\n"
            f"  join {self.plan.table} as p on {self._match('p')}\n"
            f" order by {', '.join(self.plan.keys('p'))}\n   for no key update of p"
        )

    def _lock(self, keys: str) -> str:
        """Lock, and no more."""
        return f"{_LOCKED}\nperform{self._locked(keys)};"

    def _lock_and_look(self, keys: str) -> str:
        """Lock; which of them are to be counted again instead of being added to."""
        columns = f" {self.plan.key_text('p')} as key,\n       {self._read()} as read"
        rows = f"select{self._locked(keys, columns)}"
        return (
            f"{_LOCKED}\nselect array_agg(x.key) filter (where x.read) into v_read\n"
            f"  from (\n         {nest(rows, 9)}\n       ) as x;"
        )

    def _recount(self, *, made: bool) -> str:
        """For rows that `_write` passes over. `made`: those that this very function made are right as they are."""
        others = (
            "\n  if v_made is not null then\n    select array_agg(x.key) into v_read\n"
            "      from (select unnest(v_read) as key except select unnest(v_made)) as x;\n  end if;"
        )
        return (
            "-- profiles that this very statement has read from the events know of its changes: counted again\n"
            f"if v_read is not null then{others if made else ''}\n"
            f"  perform modelpack.{ident(self.plan.name('recount'))}(v_read);\nend if;"
        )

    def _unknown(self, keys: str) -> str:
        """The keys without a profile."""
        columns = self._of("d")
        return (
            f"select {', '.join(columns)}\n  from (\n         {nest(keys, 9)}\n       ) as d\n"
            f" where not exists (select from {self.plan.table} as q where {same(self.plan.keys('q'), columns)})"
        )

    def _heed(self, keys: str) -> str:
        """With missing="ignore": meet whoever is making one of the unknown keys a profile just now."""
        if self.event.event.missing != "ignore":
            return ""
        unknown = (
            f"select {key_hash(self._of('u'))}\n  from (\n         {nest(self._unknown(keys), 9)}\n"
            f"       ) as u\n order by {self._order('u')}"
        )
        return (
            "-- keys without a profile: whoever makes one of them a profile waits for us, or we for them\n"
            f"{self.plan.meet(unknown)}\n"
        )

    def _refuse(self, keys: str) -> str:
        message = f"an event of {self.event.table} names a key that {self.plan.table} does not have"
        return (
            f"if exists (\n     {nest(self._unknown(keys), 5)}\n   ) then\n"
            f"  raise exception using\n    errcode = 'foreign_key_violation',\n    message = {literal(message)},\n"
            "    hint = 'Insert the profile row first, or declare the event with missing=\"create\".';\nend if;\n"
        )

    def _create(self, keys: str) -> str:
        """Profiles for unknown keys, in the order of `_heed`, which meets them; which ones these are."""
        insert = (
            f"insert into {self.plan.table} as p ({', '.join(self.plan.key)}) overriding system value\n{self._unknown(keys)}\n"
            f" order by {self._order('d')}\non conflict ({', '.join(self.plan.key)}) do nothing\n"
            f"returning {self.plan.key_text('p')} as key"
        )
        return f"{_UNKNOWN}\nwith made as (\n  {nest(insert, 2)}\n)\nselect array_agg(made.key) into v_made from made;\n"

    def _create_where_unknown(self, keys: str) -> str:
        """`_create` for when there mostly are none: an INSERT of no row fires statement triggers, too."""
        return (
            f"if exists (\n     {nest(self._unknown(keys), 5)}\n   ) then\n"
            f"  {nest(self._create(keys).rstrip(), 2)}\nend if;\n"
        )

    # --- the bodies: what each function declares, and what it does ----------------------------------------

    def _insert(self) -> tuple[str, str]:
        rows, keys = self._rows("new_rows"), self._keys("new_rows")
        if self._again(signed=False):  # what is read from the events is read after the lock
            write = (
                f"{nest(self._write(rows, signed=False), 2)}\n  if found then\n    return null;\n  end if;"
            )
            one = f"{profile_in_place(self.plan)}\n{self._lock(keys)}\nif found then\n  {write}\nend if;"
        else:
            one = self._write_one()
        missing = {"create": self._create_where_unknown(keys), "refuse": self._refuse(keys)}.get(
            self.event.event.missing, ""
        )
        body = (
            f"{self._heed(keys)}{_SECOND}\nif not found then\n  {nest(one, 2)}\n"
            "  if not exists (select from new_rows) then\n    return null;\n  end if;\nend if;\n"
            f"{profile_in_place(self.plan)}\n-- these cost what a single event need not pay; from here on any number of rows is joined, by an index\n{_SET}\n{missing}{self._lock_and_look(keys)}\n"
        )
        sums, makes = self._sums(rows, signed=False), self.event.event.missing == "create"
        body += f"{self._write(sums, signed=False)}\n{self._recount(made=makes)}\n{_RESET}"
        return f"{_STATEMENT}\n{_READ}{_MADE * makes}{_SETTINGS}", body

    def _update(self) -> tuple[str, str]:
        keys, came = self._changed_keys(), self._keys("new_rows")
        sums = self._sums(self._changes(), signed=True)
        body = f"{self._refuse_merge()}if not exists (select from new_rows) then\n  return null;\nend if;\n"
        body += f"{profile_in_place(self.plan)}\n{self._refuse_forgetting()}"
        if self.event.event.missing == "refuse":
            body += self._refuse(came)
        elif self.event.event.missing == "create":
            body += self._create(came)
        makes = self.event.event.missing == "create"
        return f"{_STATEMENT}\n{_READ}{_MADE * makes}", body + self._change(keys, sums, made=makes)

    def _refuse_forgetting(self) -> str:
        """With on_delete="keep" an extreme cannot be taken back: the events that it would need are gone."""
        fixed = [f for f in self.stored if not self._by_difference(f)]
        if not self.keep or not fixed:
            return ""
        parts = [c for f in fixed for c in f.contributions]
        columns = ", ".join(
            [*self.event.keys("e"), *(f"{c.scalar} as {ident(c.name)}" for c in parts), *self._image()]
        )
        old, new = (
            f"select {columns} from {source} as e where {self.event.conditions()}"
            for source in ("old_rows", "new_rows")
        )
        message = f"this UPDATE of {self.event.table} would take back {', '.join(f.name for f in fixed)}"
        bounds = {f.bound for f in fixed}
        lost = " or ".join(
            f"x.{ident(c.name)} {'<> 0' if c.additive else 'is not null'}"
            for c in parts
            if c.name not in bounds
        )
        return (
            f"if exists (\n     select from (\n       {old}\n       except all\n       {new}\n     ) as x where {lost}\n"
            f"   ) then\n  raise exception using\n    errcode = 'feature_not_supported',\n    message = {literal(message)},\n"
            "    detail = 'With on_delete=\"keep\" older events may be gone, so it cannot be read again.',\n"
            "    hint = 'Leave these columns unchanged, or declare the event with on_delete=\"subtract\".';\nend if;\n"
        )

    def _delete(self) -> tuple[str, str]:
        sums = self._sums(self._gone(), signed=True)
        body = f"if not exists (select from old_rows) then\n  return null;\nend if;\n{profile_in_place(self.plan)}\n"
        body += self._change(self._keys("old_rows"), sums)
        return f"{_STATEMENT}\n{_READ}", body

    def _change(self, keys: str, sums: str, *, made: bool = False) -> str:
        """Lock, add with signs, and count the rows again that were passed over."""
        return f"{self._heed(keys)}{self._lock_and_look(keys)}\n{self._write(sums, signed=True)}\n{self._recount(made=made)}"

    def _delete_keeping(self) -> tuple[str, str]:
        """on_delete="keep": lifetime features stay; windows are read again where the deleted rows were in one."""
        body = f"if not exists (select from old_rows) then\n  return null;\nend if;\n{profile_in_place(self.plan)}\n"
        if self.event.windowed:
            recent = f"e.{self.event.at} > v_moment - {self.event.longest_window()}"
            keys = f"{self._keys('old_rows')} and {recent}"
            pairs = [*self.plan.ageing(), ("features_at", "v_moment")]
            body += (
                f"{self._lock(keys)}\nupdate {self.plan.table} as p\n   set {assignments(pairs, 7)}\n"
                f"  from (\n         {nest(keys, 9)}\n       ) as d\n where {self._match('p')};\n"
            )
        body += (
            f"{_KEPT}\nupdate {self.plan.table} as p\n   set features_read_at = null\n"
            f"  from (\n         {nest(self._keys('old_rows'), 9)}\n       ) as d\n"
            f" where {self._match('p')}\n   and p.features_read_at = v_statement;"
        )
        return _STATEMENT, body

    def _truncate(self) -> tuple[str, str]:
        return "", f"perform modelpack.{ident(self.plan.name('rebuild'))}(0, null);"

    def _truncate_keeping(self) -> tuple[str, str]:
        body = (
            f"{_KEPT}\nupdate {self.plan.table} as p\n   set features_read_at = null\n"
            f" where p.features_read_at = {STATEMENT};"
        )
        if self.event.windowed:
            body += f"\nperform modelpack.{ident(self.plan.name('refresh'))}(0, null, null);"
        return "", body


def _shared(features: tuple[FeatureSql, ...]) -> tuple[tuple[FeatureSql, ...], dict[str, str]]:
    """Features that add the same number (a sum and a mean of one column) take it from one place: which is whose."""
    first: dict[tuple[Sql, Sql | None], str] = {}
    places = {
        c.name: first.setdefault((c.scalar, c.type), c.name)
        for f in features
        if f.invertible
        for c in f.contributions
    }
    own = (
        replace(f, contributions=tuple(c for c in f.contributions if places.get(c.name, c.name) == c.name))
        for f in features
    )
    return tuple(own), places
