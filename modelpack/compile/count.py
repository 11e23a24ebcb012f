"""COUNT: statement-level AFTER triggers on an event table that keep the profile's features.

Each function writes each profile row that its statement touches once. First it makes the profiles that are
missing (or meets those who do), then it locks all of them, both in key order, and only then it updates. So two statements
never wait for each other in a circle: who makes profiles has locked none yet, and who locks finds only
profiles that are committed or its own. What is read from the events is read in a statement of its own after
the lock, so that it sees what concurrent sessions committed.

The functions are `templates/count_*.sql`. Here is decided which features are added and which are read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from modelpack.compile.feature_sql import (
    NUMERIC,
    FeatureSql,
    Place,
    Rows,
    amount,
    condition,
    feature_sql,
    of_row,
)
from modelpack.compile.function import AS_WRITER, HEADER, TRIGGER, Function, turned_off
from modelpack.compile.plan import EventPlan, Plan
from modelpack.compile.render import render, statement
from modelpack.compile.sql import Sql, ident, literal, variable
from modelpack.compile.together import AT_LEAST, Going, going_to_be, scored_together

# A plan is made once in a session, for whatever number of rows it first sees. Only the index path is good
# for one row and for a hundred thousand.
_SCANS = ("enable_seqscan",)
_JOINS = ("enable_hashjoin", "enable_mergejoin", "jit")
_REASON = "off, since a session keeps a plan for whatever number of rows comes: one by an index is good for a row and for many."

_VERBS = {"insert": "inserted", "update": "updated", "delete": "deleted", "truncate": "truncated"}

_TYPES = {"insert": 4, "update": 16, "delete": 8, "truncate": 32}
"""What the server has as the type of a trigger after a statement."""

_EVER = Sql("timestamptz '-infinity'")
"""What a rehearsal has in the place of a function that is not made yet."""

_C = Sql("c")
_SIGN, _CAME = Sql('c."the sign"'), Sql('c."the sign" = 1')


@dataclass(frozen=True)
class Way:
    """How contributions reach the profile.

    `sums`: aggregates of them a key; `sets`: columns and what they become; `reread`: a query of features that are read
    from the events again. `going`: the row as it is going to be, for rows that are scored together.
    """

    sums: list[tuple[str, Sql]]
    sets: list[tuple[str, Sql]]
    reread: Sql | None
    going: Going


@dataclass(frozen=True)
class Held:
    """A variable with a value of the only event of a statement."""

    name: str
    type: Sql
    value: Sql


@dataclass(frozen=True)
class One:
    """How the only event of a statement reaches the profile."""

    held: list[Held]
    sets: list[tuple[str, Sql]]


class CountSql:
    """The count functions of one event of one profile."""

    def __init__(self, plan: Plan, event: EventPlan) -> None:
        self.plan = plan
        self.event = event
        self.keep = event.on_delete == "keep"
        self.stored, self.places = _shared(event.stored)

    # --- what is made -----------------------------------------------------------------------------------

    def functions(self) -> dict[str, Function]:
        """For each verb its function."""
        return {verb: self._function(verb) for verb in _VERBS}

    def triggers(self) -> list[Sql]:
        """The statements that put the functions on the event table."""
        return [render("count_trigger.sql", plan=self.plan, event=self.event, verb=verb) for verb in _VERBS]

    def puts(self) -> list[Sql]:
        """The same, for those that are not there yet."""
        return [
            Sql("select modelpack.put_trigger({}, {}, {}, {}, {})").format(
                literal(self.event.table),
                literal(self.plan.trigger(verb)),
                literal(self._name(verb)),
                _TYPES[verb],
                literal(made),
            )
            for verb, made in zip(_VERBS, self.triggers(), strict=True)
        ]

    def moves(self) -> Function:
        """Notes a row that a statement moves to another partition."""
        body = render("move.sql", moving=self._setting("moving"), moved=self._setting("moved"))
        comment = f"Notes rows of {self.event.table} that a statement moves to another partition."
        return Function(self._name("move"), {}, TRIGGER, body, comment, AS_WRITER)

    def follow_moves(self) -> Sql:
        """The statement that has moves noted where the event table has partitions."""
        triggers = [self.plan.trigger(what, "zz_modelpack") for what in ("moves", "moved")]
        arguments = [self.event.table, *triggers, self._name("move")]
        return statement("call", function="follow_moves", arguments=list(map(literal, arguments)))

    def tried(self) -> Sql:
        """What the functions do with the values of events, for a DO block: the server says whether their types take it."""
        return render("count_rehearsal.sql", **{**self._values, "since": _EVER})

    def _function(self, verb: str) -> Function:
        template = "count_delete_keeping.sql" if self.keep and verb == "delete" else f"count_{verb}.sql"
        comment = (
            f"COUNT of {self.plan.table}: keeps {', '.join(f.name for f in self.event.features)} when rows of "
            f"{self.event.table} are {_VERBS[verb]}. Generated by modelpack from the declaration."
        )
        # every SET costs, and most INSERTs bring one event, which joins nothing
        settings = _SCANS if verb == "insert" else (*_SCANS, *_JOINS)
        header = turned_off(HEADER, *settings)
        reason = f"{', '.join(settings)}: {_REASON}"
        body = render(template, **self._values)
        return Function(self._name(verb), {}, TRIGGER, body, comment, header, reason)

    def _name(self, verb: str) -> str:
        return self.plan.count_name(self.event, verb)

    def _setting(self, what: str) -> str:
        """A setting of the transaction for rows that are moved."""
        mark = hashlib.md5(self._name("move").encode(), usedforsecurity=False).hexdigest()[:16]
        return f"modelpack.{what}_{mark}"

    # --- what the templates are made of -----------------------------------------------------------------

    @cached_property
    def _values(self) -> dict[str, object]:
        """All that the templates know (see each one's head)."""
        present = [Sql("{} is not null").format(key) for key in self.event.keys("e")]
        fixed = [f for f in self.stored if self.keep and not f.invertible]
        return {
            "plan": self.plan,
            "since": self.plan.since,
            "event": self.event,
            "counted": self.event.conditions(*present),
            "contributions": [(c.name, c.scalar) for f in self.stored for c in f.contributions],
            "image": self._image(),
            "adding": self._way(signed=False),
            "changing": self._way(signed=True),
            "one": None if self._again(signed=False) else self._one(),
            "dropping": self._dropping(),
            "joins": dict.fromkeys(_JOINS, "off"),
            "moved": self._setting("moved"),
            "fixed": [(c.name, c.scalar) for f in fixed for c in f.contributions],
            "losing": ", ".join(f.name for f in fixed),
            "lost": list(_lost(fixed)),
            "at_least": AT_LEAST,
            **scored_together(self.plan),
        }

    def _image(self) -> list[Sql]:
        """What the profile holds as it stands in the event, and what decides about features that are read again.

        A change here touches the profile row, from a value to an equal one, too.
        """
        held = [c.scalar for f in self.stored for c in f.contributions if not c.additive]
        for sql in self.event.features:
            feature = self.event.event.features[sql.name]
            if not sql.contributions:
                if feature.where:
                    held.append(condition(feature.where))
                if feature.column:
                    held.append(Sql("e.{}").format(ident(feature.column)))
                if self.event.at:
                    held.append(Sql("e.{}").format(self.event.at))
        return list(dict.fromkeys(held))

    # --- which features are added, and which are read from the events again -----------------------------

    def _again(self, *, signed: bool) -> tuple[FeatureSql, ...]:
        """Features that are read from the events again for the keys touched."""
        return tuple(
            f for f in self.stored if f.merge is None or (signed and not self.keep and not f.invertible)
        )

    def _way(self, *, signed: bool) -> Way:
        """How rows are written that came; or, with a sign, that came and went."""
        again = self._again(signed=signed)
        d, r = of_row(Sql("d")), of_row(Sql("r"))
        sums: list[tuple[str, Sql]] = []
        sets: list[tuple[str, Sql]] = []
        for f in self.stored:
            if f.merge is None or f in again:
                sets += [(name, r(name)) for name in f.recompute]
            else:
                sums += [(c.name, c.combine(_rows(f, signed=signed))) for c in f.contributions]
                sets += f.merge(self._shared(d)).items()
        reread = self.event.aggregate(again, [d(column) for column in self.event.key]) if again else None
        sets += self._dated(again)
        return Way(sums, sets, reread, going_to_be(self.plan, dict(sets), again))

    def _dropping(self) -> Way:
        """How rows are written whose windows are read again, and nothing else."""
        ageing = dict(self.plan.ageing())
        sets = [*ageing.items(), ("features_at", Sql("v_moment"))]
        return Way([], sets, None, going_to_be(self.plan, ageing))

    def _one(self) -> One:
        """The same for the only event of a statement: its values are named, not summed up."""
        held: dict[str, Held] = {}

        def hold(kind: str, column: str, type: Sql, value: Sql) -> Sql:
            name = variable(kind, column)
            held[name] = Held(name, type, value)
            return ident(name)

        def amount_once(column: str) -> Sql:
            return hold("amount", column, NUMERIC, amount(column))

        given: dict[str, Sql] = {}
        for f in self.stored:
            feature = self.event.event.features[f.name]
            once = feature_sql(f.name, feature, self.event.event.at, amount=amount_once)
            own = {c.name for c in f.contributions} if not f.one else ()
            for c in once.contributions:
                if c.name in own:
                    given[c.name] = hold("d", c.name, c.type, c.scalar) if c.type else c.scalar
        place = self._shared(given.__getitem__)
        written = [f.one or (f.merge(place) if f.merge else {}) for f in self.stored]
        sets = [pair for columns in written for pair in columns.items()]
        return One(list(held.values()), [*sets, *self._dated(())])

    def _shared(self, place: Place) -> Place:
        """Where contributions are, with those of several features in one place."""
        return lambda name: place(self.places.get(name, name))

    def _dated(self, again: tuple[FeatureSql, ...]) -> Iterator[tuple[str, Sql]]:
        """What tells the moment of the features that are written."""
        yield from self.plan.ageing(self.event)
        yield "features_at", Sql("v_moment" if self.plan.decayed else "null")  # SCORE dates them
        if any(f.half_life for f in again):
            # another trigger of this statement (MERGE, ON CONFLICT, a CTE) must not add to what was read here
            yield "features_reread_at", Sql("v_statement")


def _rows(f: FeatureSql, *, signed: bool) -> Rows:
    """The contributions to a feature: with a sign; or only what came, where nothing can be taken back."""
    if not signed:
        return Rows(_C)
    return Rows(_C, sign=_SIGN) if f.invertible else Rows(_C, only=(_CAME,))


def _lost(fixed: list[FeatureSql]) -> Iterator[Sql]:
    """Whether a row `x` has contributed to features that cannot be taken back."""
    for f in fixed:
        for c in f.contributions:
            if c.name != f.bound:
                something = Sql("{} <> 0" if c.additive else "{} is not null")
                yield something.format(of_row(Sql("x"))(c.name))


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
