"""The functions behind rebuild, recount, refresh, rescore and verify of one profile.

All but recount and verify work on a range of the profile table's blocks, so that a procedure can go through a table of
any size in chunks, each in a transaction of its own, whatever the type of the key. A row that another
session moves to a block already passed has been brought up to date by that session's own triggers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter

from modelpack.compile.feature_sql import BIGINT, TIME, V_MOMENT, FeatureSql
from modelpack.compile.function import HEADER, Function, turned_off
from modelpack.compile.plan import EventPlan, Plan, checks, held, key_text, magnitude
from modelpack.compile.render import render
from modelpack.compile.sql import STATEMENT, Sql, ident, unequal
from modelpack.compile.together import AT_LEAST, Going, going_to_be, scored_together, windows

_RANGE = {"first_block": BIGINT, "last_block": BIGINT}

_BY_PLACE = turned_off(HEADER, "enable_hashjoin", "enable_mergejoin", "jit")
_WHY_BY_PLACE = (
    "enable_hashjoin, enable_mergejoin, jit: off, since rows are found again by where they lie, one after the other; "
    "no other plan is good for a row and for many."
)

_P, _X, _BESIDE = Sql("p"), Sql("x"), Sql("r{}")
_P_MOMENT = Sql('p."the moment"')
_S_MOMENT = Sql('s."the moment"')


def functions(plan: Plan) -> list[Function]:
    """All functions behind the tasks."""
    return [
        _recount(plan),
        _rebuild(plan),
        _refresh(plan),
        _rescore(plan),
        _fill(plan),
        _verify(plan),
        _stale(plan),
        _reasons(plan),
        _examine(plan),
    ]


def differs(f: FeatureSql, name: str, stored: Sql, place: Sql) -> Sql:
    """Whether a column is wrong, where `place` has what the events say.

    A sum of floating-point numbers may be off by 1e-9 of its magnitude. Arithmetic gives equal numbers: a sum may be 1.0
    or 1.00. A copy is what an event has, byte for byte; among equal values SQL's own aggregate takes any.
    """
    expected = place + Sql(".") + ident(name)
    if name == f.bound:
        return Sql("coalesce({} > coalesce({}, '-infinity'), false)").format(expected, stored)
    if f.magnitude:
        return Sql(
            "({stored} is null or abs({stored} - {expected}) > 1e-9 * {place}.{magnitude} + 1e-70)"
        ).format(stored=stored, expected=expected, place=place, magnitude=ident(magnitude(f.name)))
    if name == f.name and f.held:
        return Sql("({} or not {}.{})").format(unequal(stored, expected), place, ident(held(name)))
    if any(column.name == name and column.like for column in f.columns):
        return unequal(stored, expected)
    return Sql("{} is distinct from {}").format(stored, expected)


@dataclass(frozen=True)
class Read:
    """A FROM item with features of an event table by its events: r0, r1, …"""

    name: Sql
    rows: Sql


@dataclass(frozen=True)
class _Column:
    """A column of `Read`: of a feature, or what tells whether one is right (see `checks`).

    `lasting`: its events may be gone, so that what is stored is all that is known.
    """

    feature: FeatureSql
    name: str
    read: Sql
    lasting: bool

    @property
    def stored(self) -> bool:
        """Whether the profile has a column of this name."""
        return self.name in self.feature.recompute

    @property
    def column(self) -> Sql:
        """Its name, quoted."""
        return ident(self.name)

    @property
    def value(self) -> Sql:
        """What it is by the events."""
        return self.read + Sql(".") + self.column

    @property
    def wrong(self) -> Sql:
        """Whether the row `p` has another value, beside what was read."""
        return self._differs(self.read)

    @property
    def changed(self) -> Sql:
        """The same where all that was read is in `x`."""
        return self._differs(_X)

    def _differs(self, place: Sql) -> Sql:
        return differs(self.feature, self.name, _P + Sql(".") + self.column, place)


@dataclass(frozen=True)
class _Found:
    """What the events say beside a row `p`: `everything` in it, and where it is read."""

    everything: list[_Column]
    reads: list[Read]

    @property
    def columns(self) -> list[_Column]:
        """Those that the profile has."""
        return [c for c in self.everything if c.stored]

    @property
    def values(self) -> list[Sql]:
        """What all are by the events."""
        return [c.value for c in self.everything]


_Features = Callable[[EventPlan], tuple[FeatureSql, ...]]
_ALL: _Features = attrgetter("features")
_WINDOWED: _Features = attrgetter("windowed")
_COMPARABLE: _Features = attrgetter("comparable")


def _found(
    plan: Plan,
    moment: Sql,
    wanted: _Features = _ALL,
    checked: _Features = _COMPARABLE,
    place: Sql = _BESIDE,
    *,
    recent: bool = False,
) -> _Found:
    """Features by the events, as of `moment`: the `wanted` ones of each event table, some of them `checked`.

    `place`: what each FROM item is called; `recent`: of events in windows alone, as of `v_moment`.
    """
    columns, reads = [], []
    for number, event in enumerate(plan.events):
        if features := wanted(event):
            name = place.format(number)
            among = event.recent() if recent else []
            rows = event.aggregate(features, plan.keys("p"), *among, checked=checked(event), moment=moment)
            reads.append(Read(name, rows))
            for f in features:
                names = (*f.recompute, *checks(f)) if f in checked(event) else tuple(f.recompute)
                columns += [_Column(f, column, name, f in event.lasting) for column in names]
    return _Found(columns, reads)


def compared(plan: Plan) -> Sql:
    """A query that holds stored features against the events: the server says whether their types take it."""
    return render("compared.sql", plan=plan, found=_found(plan, Sql("now()"), checked=_ALL))


def _recount(plan: Plan) -> Function:
    body = render("recount.sql", at_least=AT_LEAST, **_again(plan))
    comment = (
        f"Counts the features of some rows of {plan.table} again; keys as modelpack.verify() writes them."
    )
    arguments = {"only_keys": Sql("text[]")}
    return Function(plan.name("recount"), arguments, BIGINT, body, comment, *_header(plan))


def _rebuild(plan: Plan) -> Function:
    comment = f"Counts the features of {plan.table} again from the events and writes the rows that differ."
    body = render("rebuild.sql", **_again(plan))
    return Function(plan.name("rebuild"), _RANGE, BIGINT, body, comment, *_header(plan))


def _again(plan: Plan) -> dict[str, object]:
    """What the templates know that count rows again, one by one or together."""
    at_once = _found(plan, _S_MOMENT)
    # a row that is read afresh has its windows as of now already
    later = [
        (name, event.aggregate(event.windowed, plan.keys("p"), Sql('not s."read afresh"'), *event.recent()))
        for (name, _), event in zip(windows(plan), _windowed(plan), strict=True)
    ]
    return scored_together(plan) | {
        "found": _found(plan, _P_MOMENT),
        "at_once": at_once,
        "going": going_to_be(plan, _rebuilt(plan, at_once)),
        "windows": later,
    }


def _windowed(plan: Plan) -> list[EventPlan]:
    return [event for event in plan.events if event.windowed]


def _rebuilt(plan: Plan, found: _Found) -> dict[str, Sql]:
    """What the columns of a row `p` become that is counted again beside `s`, brought up to the moment."""
    now = {f.name: Sql("{}.{}").format(place, ident(f.name)) for place, f in _places(plan)}
    made: dict[str, Sql] = {}
    for c in found.columns:
        value, stored = c.value, Sql("p.{}").format(c.column)
        if c.lasting:
            value = Sql('case when s."read afresh" then {} else {} end').format(value, stored)
        elif c.name in now:
            value = Sql('case when s."read afresh" then {} else {} end').format(value, now[c.name])
        if c.feature.half_life and c.name == c.feature.name:
            elapsed = Sql("date_part('epoch', v_moment - {})").format(_S_MOMENT)
            value = Sql("modelpack.decay({}, {}, {})").format(value, elapsed, round(c.feature.half_life))
        made[c.name] = value
    made["features_read_at"] = Sql('case when s."read afresh" then {} else p.features_read_at end').format(
        STATEMENT
    )
    if "features_reread_at" in plan.times:
        made["features_reread_at"] = STATEMENT
    return made


def _places(plan: Plan) -> Iterator[tuple[Sql, FeatureSql]]:
    """Windowed features and the FROM items that they are in."""
    for (place, _), event in zip(windows(plan), _windowed(plan), strict=True):
        for f in event.windowed:
            yield place, f


def _header(plan: Plan) -> tuple[Sql, str]:
    """For what may score many rows at a time: settings of the planner, and why."""
    return (_BY_PLACE, _WHY_BY_PLACE) if plan.scores else (HEADER, "")


def _refresh(plan: Plan) -> Function:
    found = _found(plan, V_MOMENT, _WINDOWED, place=Sql("w{}"), recent=True)
    body = render(
        "refresh.sql",
        found=found,
        going=_aged(plan),
        ageing=list(plan.ageing()),
        ageing_events=[event for event in plan.events if event.windowed or event.decayed],
        **scored_together(plan),
    )
    comment = (
        f"Brings the rows of {plan.table} whose windows have moved on up to the moment, and scores them."
    )
    return Function(
        plan.name("refresh"), {**_RANGE, "older_than": TIME}, BIGINT, body, comment, *_header(plan)
    )


def _aged(plan: Plan) -> Going:
    """A row that is brought up to the moment."""
    return going_to_be(plan, dict(plan.ageing()))


def _rescore(plan: Plan) -> Function:
    body = render("rescore.sql", going=_aged(plan), **scored_together(plan))
    comment = f"Scores rows of {plan.table} again: those that are stale or scored by another version than the champion."
    arguments = {**_RANGE, "only_stale": Sql("boolean"), "older_than": TIME}
    return Function(plan.name("rescore"), arguments, BIGINT, body, comment, *_header(plan))


def _fill(plan: Plan) -> Function:
    making = [(n, event) for n, event in enumerate(plan.events, 1) if event.missing == "create"]
    body = render("fill.sql", plan=plan, making=making)
    comment = (
        f"Counts some rows of {plan.table} that were not counted yet, or makes some that its events lack."
    )
    arguments = {"step": Sql("integer"), **_RANGE, "most": Sql("integer")}
    return Function(plan.name("fill"), arguments, BIGINT, body, comment, _BY_PLACE, _WHY_BY_PLACE)


def _verify(plan: Plan) -> Function:
    body = render("verify.sql", plan=plan, found=_found(plan, _P_MOMENT, _COMPARABLE))
    comment = f"Features of {plan.table} that differ from the same aggregate over the events."
    returns = Sql("table (entity_key text, feature text, stored text, expected text)")
    return Function(plan.name("verify"), {**_RANGE, "only_keys": Sql("text[]")}, returns, body, comment)


def _stale(plan: Plan) -> Function:
    comment = f"Chunks of blocks of {plan.table} that hold stale rows."
    body = render("stale.sql", plan=plan)
    return Function(plan.name("stale"), {"chunk_blocks": BIGINT}, Sql("setof bigint"), body, comment)


def _reasons(plan: Plan) -> Function:
    body = render("reasons.sql", plan=plan)
    comment = f"How many rows of {plan.table} have no fresh score, by score and reason."
    returns = Sql("table (score text, reason text, rows bigint)")
    return Function(plan.name("reasons"), {}, returns, body, comment)


def _examine(plan: Plan) -> Function:
    body = render("examine.sql", plan=plan, key_text=key_text)
    comment = f"What is wrong with rows of {plan.table}, for modelpack.doctor(): how many, and one of them."
    returns = Sql("table (what text, subject text, rows bigint, example text)")
    return Function(plan.name("examine"), {}, returns, body, comment)
