"""A declaration with its SQL looked up: what the generators of COUNT, SCORE and LOG all read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from modelpack.compile.feature_sql import V_MOMENT, Column, FeatureSql, P, aged, condition, feature_sql, span
from modelpack.compile.render import render
from modelpack.compile.sql import Sql, ident, qualified, same, score_slug, slug, table_slug
from modelpack.declaration.duration import duration
from modelpack.declaration.expressions import Resolved, over_event, steady
from modelpack.declaration.inputs import ROW, Input
from modelpack.declaration.profile import Event, Profile, Score
from modelpack.errors import DeclarationError

Meanings = Mapping[tuple[str, str], str]
"""By table and SQL: what an expression means to the session that declares it, where the triggers would read it otherwise."""


def magnitude(feature: str) -> str:
    """The name of a feature's magnitude in a query: none that a feature can have."""
    return f"magnitude of {feature}"


def held(feature: str) -> str:
    """The name in a query of whether an event has the value that a feature is a copy of."""
    return f"held {feature}"


def checks(f: FeatureSql) -> dict[str, Sql]:
    """What tells whether a stored feature is right, beside its value by the events: aggregates by their names."""
    found = {magnitude(f.name): f.magnitude, held(f.name): f.held}
    return {name: sql for name, sql in found.items() if sql}


def key_text(columns: Iterable[Sql]) -> Sql:
    """A key as text, the same for equal keys: the value itself, or a JSON array where the key has several columns."""
    keys = [Sql("modelpack.key_value({})").format(column) for column in columns]
    one = Sql("{}::text" if len(keys) == 1 else "jsonb_build_array({})::text")
    return one.format(Sql(", ").join(keys))


@dataclass(frozen=True)
class EventPlan:
    """An event of a profile, with the SQL of its features."""

    event: Event
    key: tuple[str, ...]
    features: tuple[FeatureSql, ...]

    @property
    def table(self) -> Sql:
        """The event table's name, qualified and quoted."""
        return qualified(self.event.table)

    @property
    def missing(self) -> str:
        """What an event does whose key has no profile: "create", "ignore" or "refuse"."""
        return self.event.missing

    @property
    def on_delete(self) -> str:
        """What features do when events are deleted: "subtract" or "keep"."""
        return self.event.on_delete

    @property
    def at(self) -> Sql | None:
        """The column with the event's time, quoted."""
        return ident(self.event.at) if self.event.at else None

    @property
    def stored(self) -> tuple[FeatureSql, ...]:
        """Features that COUNT maintains."""
        return tuple(f for f in self.features if not f.window)

    @property
    def windowed(self) -> tuple[FeatureSql, ...]:
        """Features that SCORE reads at the moment of scoring."""
        return tuple(f for f in self.features if f.window)

    @property
    def decayed(self) -> tuple[FeatureSql, ...]:
        """Features that lose weight as time passes."""
        return tuple(f for f in self.features if f.half_life)

    @property
    def lasting(self) -> tuple[FeatureSql, ...]:
        """Features that outlive their events: what is stored is all that is known."""
        return self.stored if self.event.on_delete == "keep" else ()

    @property
    def comparable(self) -> tuple[FeatureSql, ...]:
        """All others: the events say what they have to be."""
        return self.windowed if self.event.on_delete == "keep" else self.features

    @property
    def where(self) -> Sql | None:
        """The event's own condition over `e`."""
        return condition(self.event.where) if self.event.where else None

    def conditions(self, *more: Sql) -> Sql:
        """A WHERE list: the event's own condition and `more`."""
        own = [self.where] if self.where else []
        return Sql(" and ").join([*more, *own] or [Sql("true")])

    def keys(self, alias: str) -> list[Sql]:
        """The event's key columns, read from `alias`."""
        return [Sql("{}.{}").format(ident(alias), ident(column)) for column in self.key]

    def present(self, alias: str) -> Sql:
        """Whether no column of the key is NULL."""
        return Sql(" and ").join(Sql("{} is not null").format(key) for key in self.keys(alias))

    def longest_window(self) -> Sql:
        """The longest window of the event's features, as an SQL interval."""
        windows = [f.window for f in self.windowed if f.window]
        return span(max(windows, key=lambda w: duration(w, what="window")))

    def recent(self) -> list[Sql]:
        """Whether an event is in the longest window."""
        if self.at is None or not self.windowed:
            return []
        return [
            Sql("e.{} > v_moment - {}").format(self.at, self.longest_window()),
            Sql("e.{} <= v_moment").format(self.at),
        ]

    def aggregates(self, features: Iterable[FeatureSql]) -> dict[str, Sql]:
        """The columns of features, and each one's value by the events."""
        return {name: sql for f in features for name, sql in f.recompute.items()}

    def aggregate(
        self,
        features: tuple[FeatureSql, ...],
        key: list[Sql],
        *more: Sql,
        checked: Iterable[FeatureSql] = (),
        moment: Sql = V_MOMENT,
    ) -> Sql:
        """One row: the features of one key as aggregates over all of its events, as of `moment`.

        `checked`: those with what tells whether the profile row `p` is right.
        """
        dated = [feature_sql(f.name, self.event.features[f.name], self.event.at, moment) for f in features]
        wanted = [(name, sql) for f in dated for name, sql in f.recompute.items()]
        names = {f.name for f in checked}
        wanted += [pair for f in dated if f.name in names for pair in checks(f).items()]
        where = self.conditions(same(self.keys("e"), key), *more)
        return render("aggregate.sql", event=self, columns=wanted, where=where)


@dataclass(frozen=True)
class Plan:
    """A profile with the SQL of everything that it declares."""

    profile: Profile
    events: tuple[EventPlan, ...]
    declared: Profile
    """The profile as its user wrote it; `profile` is the same with its expressions resolved."""
    meanings: Meanings | None

    @property
    def table(self) -> Sql:
        """The profile table's name, qualified and quoted."""
        return qualified(self.profile.table)

    @property
    def slug(self) -> str:
        """The stem of the names of all generated objects; short enough for `stem || '_rebuild'`."""
        return table_slug(self.profile.table)

    def name(self, *parts: str) -> str:
        """The name of a generated object."""
        return slug(self.slug, *parts)

    def trigger(self, what: str, prefix: str = "modelpack") -> str:
        """The name of a trigger."""
        return slug(prefix, self.slug, what)

    @property
    def score_trigger(self) -> str:
        """The name of the last of the BEFORE triggers, so that it scores what is stored."""
        return self.trigger("score", "zz_modelpack")

    @property
    def guard_trigger(self) -> str:
        """The name of the trigger that scores what our own functions write."""
        return self.trigger("guard")

    @property
    def heeded(self) -> list[str]:
        """Columns that the application writes and a score is declared to depend on: the key and static inputs."""
        inputs = [
            column
            for score in self.profile.scores
            for value in score.inputs.values()
            if not isinstance(value, str)
            for column in value.columns
        ]
        return [column for column in dict.fromkeys([*self.profile.key, *inputs]) if column not in self.kept]

    def count_name(self, event: EventPlan, verb: str) -> str:
        """The name of the function that counts what a statement of this kind does to the event table."""
        return self.name("count", table_slug(event.event.table), verb)

    def score_stem(self, score: Score) -> str:
        """The stem of the names of the functions that a promotion replaces; short enough for `stem || '_numbers'`."""
        return score_slug(self.slug, score.name)

    def called(self, *parts: str) -> Sql:
        """How a generated function of the profile is called: its name with the schema, quoted."""
        return Sql("modelpack.{}").format(ident(self.name(*parts)))

    @property
    def since(self) -> Sql:
        """When the rows of the profile had to be counted anew: those that were last read from the events before are not counted yet."""
        return Sql("{}()").format(self.called("since"))

    @cached_property
    def scores(self) -> tuple[ScorePlan, ...]:
        """The scores with the names of their columns and functions."""
        return tuple(ScorePlan(score, self.score_stem(score)) for score in self.profile.scores)

    @property
    def key(self) -> list[Sql]:
        """The key columns, quoted."""
        return [ident(column) for column in self.profile.key]

    def keys(self, alias: str) -> list[Sql]:
        """The key columns, read from `alias`."""
        return [Sql("{}.{}").format(ident(alias), column) for column in self.key]

    def key_text(self, alias: str) -> Sql:
        """The key as text, the same for equal keys: the value itself, or a JSON array where the key has several columns."""
        return key_text(self.keys(alias))

    @cached_property
    def features(self) -> tuple[FeatureSql, ...]:
        """All features of all events."""
        return tuple(f for event in self.events for f in event.features)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """All columns that events maintain, the helper columns included."""
        return tuple(column for f in self.features for column in f.columns)

    @property
    def decayed(self) -> tuple[FeatureSql, ...]:
        """Features that lose weight as time passes."""
        return tuple(f for f in self.features if f.half_life)

    @property
    def outputs(self) -> dict[str, str]:
        """The columns that scores write, with their types."""
        return {name: kind for score in self.profile.scores for name, kind in score.columns.items()}

    @property
    def kept(self) -> set[str]:
        """Every column of the profile that modelpack writes."""
        return {c.name for c in self.columns} | set(self.outputs) | set(self.times)

    @property
    def times(self) -> dict[str, str]:
        """The columns with times of the features, and what they say."""
        times = {
            "features_at": "when windowed and decayed features were brought up to the moment",
            "features_read_at": "statement that read all features of the row from the events",
        }
        if any(event.decayed and event.on_delete == "subtract" for event in self.events):
            times["features_reread_at"] = "statement that read decayed features from the events again"
        return times

    def ageing(self, own: EventPlan | None = None, row: Sql = P) -> Iterator[tuple[str, Sql]]:
        """Decayed features of other events, carried on to `v_moment` whenever `features_at` of `row` moves."""
        mine = {f.name for f in own.features} if own else set()
        for f in self.decayed:
            if f.half_life and f.name not in mine:
                yield f.name, aged(f.name, f.half_life, row)


@dataclass(frozen=True)
class ScorePlan:
    """A score with the names of its columns and functions."""

    score: Score
    stem: str

    @property
    def name(self) -> str:
        """The score's name, as it was declared."""
        return self.score.name

    @property
    def on_error(self) -> str:
        """What happens when there is no score."""
        return self.score.on_error

    @property
    def value(self) -> Sql:
        """The column with the score, quoted."""
        return ident(self.name)

    @property
    def version(self) -> Sql:
        """The column with the version that scored, quoted."""
        return ident(f"{self.name}_version")

    @property
    def scored_at(self) -> Sql:
        """The column with the time of the score, quoted."""
        return ident(f"{self.name}_scored_at")

    @property
    def stale(self) -> Sql:
        """The column that says why there is no fresh score, quoted."""
        return ident(f"{self.name}_stale")

    @property
    def may_fail(self) -> bool:
        """Whether a row may make an input impossible."""
        return any(not isinstance(value, str) and value.may_fail for value in self.score.inputs.values())

    @property
    def expressions(self) -> dict[str, Sql]:
        """The inputs that are declared as SQL over the profile row `p`."""
        return {n: Sql(v.sql) for n, v in self.score.inputs.items() if not isinstance(v, str)}

    def called(self, kind: str) -> Sql:
        """How a function that a promotion replaces is called, such as `version` or `numbers`."""
        return Sql("modelpack.{}").format(ident(f"{self.stem}_{kind}"))


@dataclass(frozen=True)
class Reading:
    """An expression of a declaration as SQL over the row `alias` of `table`; a `condition` is a boolean."""

    table: str
    sql: str
    alias: str
    condition: bool


def readings(profile: Profile) -> Iterator[tuple[str, Reading]]:
    """Every expression of a declaration, and what it is there."""
    for event in profile.events:
        for where in (event.where, *(f.where for f in event.features.values())):
            if where is not None:
                yield f"where={where!r}", Reading(qualified(event.table), over_event(where), "e", True)
    for score in profile.scores:
        for name, value in score.inputs.items():
            if isinstance(value, Input) and value.may_fail:
                yield (
                    f"the input {name}",
                    Reading(qualified(profile.table), value.sql, ROW, False),
                )


def _resolved(profile: Profile, meanings: Meanings) -> Profile:
    """The profile with what its expressions mean in the place of what its user wrote."""

    def meant(table: str, where: str | None) -> str | None:
        sql = meanings.get((qualified(table), over_event(where))) if where else None
        return Resolved(sql) if sql else where

    def fed(value: Input | str) -> Input | str:
        if not isinstance(value, Input):
            return value
        sql = meanings.get((qualified(profile.table), value.sql))
        return replace(value, sql=Resolved(steady(sql))) if sql else value

    events = [
        replace(
            event,
            where=meant(event.table, event.where),
            features={n: replace(f, where=meant(event.table, f.where)) for n, f in event.features.items()},
        )
        for event in profile.events
    ]
    scores = [replace(score, inputs={n: fed(v) for n, v in score.inputs.items()}) for score in profile.scores]
    return replace(profile, events=events, scores=scores)


def make_plan(declared: Profile, meanings: Meanings | None = None) -> Plan:
    """Look up the SQL of a profile's features. Raises DeclarationError for what cannot be exact.

    `meanings`: what a server says of the expressions (see `modelpack.fitness.check`); None where nobody has asked.
    """
    profile = _resolved(declared, meanings) if meanings else declared
    events = []
    for event in profile.events:
        features = tuple(feature_sql(name, f, event.at) for name, f in event.features.items())
        if event.on_delete == "keep":
            for f in features:
                if f.merge is None and not f.window:
                    raise DeclarationError(
                        f"Event({event.table!r}): {f.name} has to be read from the events again, so it cannot be exact "
                        'with on_delete="keep", where old events are gone; give it a window, or use on_delete="subtract"'
                    )
        events.append(EventPlan(event, profile.key_of(event), features))
    plan = Plan(profile, tuple(events), declared, meanings)
    for planned in plan.events:
        for column in (c.name for f in planned.features for c in f.columns):
            if column in planned.key:
                raise DeclarationError(
                    f"Event({planned.event.table!r}): {column} is a key column of the event, and a feature would be kept in "
                    "a column of that name; rename the feature"
                )
    names = [c.name for c in plan.columns] + list(plan.outputs) + [*plan.times, *profile.key]
    for name in names:
        if names.count(name) > 1:
            raise DeclarationError(
                f"Profile({profile.table!r}): two columns would be called {name!r}; rename a feature"
            )
    return plan
