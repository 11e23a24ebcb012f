"""How each kind of feature is kept: the one place that knows the arithmetic.

A feature is kept in one of three ways.

by difference   INSERT adds what the new rows contribute, UPDATE and DELETE add what changed, with its
                sign. Only exact arithmetic is invertible: integers and numeric. Sums of floating-point
                columns are kept as numeric, so nothing drifts however often rows come and go.
recomputed      INSERT merges (minimum, last, …) where merging is exact; otherwise the aggregate is read
                again for the keys touched, after their profile rows are locked.
at the moment   A windowed feature is read from the events when the profile row is scored, under the row's
                lock. A decayed one is aged from the time that the row names to the moment of scoring, and
                read again where events that were dated ahead of their arrival may have come due.

In all SQL here `e` is an event row, `p` the profile row, `d` what a statement contributed to one key, and
`v_moment` the moment of scoring. Contributions are first taken row by row and then summed up a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from modelpack.compile.sql import Sql, ident, one_type, unquoted
from modelpack.declaration.duration import duration, interval
from modelpack.declaration.expressions import over_event
from modelpack.declaration.features import (
    Count,
    Decayed,
    Deviation,
    Distinct,
    Feature,
    First,
    Last,
    Maximum,
    Mean,
    Minimum,
    Total,
)
from modelpack.errors import DeclarationError

BIGINT, NUMERIC, DOUBLE, TIME = Sql("bigint"), Sql("numeric"), Sql("double precision"), Sql("timestamptz")
ZERO, ONE = Sql("0"), Sql("1")
P, V_MOMENT = Sql("p"), Sql("v_moment")


@dataclass(frozen=True)
class Column:
    """A profile column that a feature needs. `like` names the event column whose type it takes."""

    name: str
    type: Sql | None
    default: Sql | None = None
    like: str | None = None
    visible: bool = True


Place = Callable[[str], Sql]
"""Where a contribution is found, by its name."""


def of_row(row: Sql) -> Place:
    """Contributions that are columns of a row."""
    return lambda name: Sql("{}.{}").format(row, ident(name))


@dataclass(frozen=True)
class Rows:
    """Rows of contributions, to be summed up. `sign`: what each is multiplied by; `only`: which of them count at all."""

    row: Sql
    sign: Sql | None = None
    only: tuple[Sql, ...] = ()

    def of(self, name: str) -> Sql:
        """A contribution of each row."""
        return of_row(self.row)(name)

    def signed(self, name: str) -> Sql:
        """The same as a number that is added or taken away."""
        return Sql("{} * {}").format(self.sign, self.of(name)) if self.sign else self.of(name)


@dataclass(frozen=True)
class Contribution:
    """What one event row adds: `scalar` over `e`, summed up a key by the aggregate `combine`.

    `type`: the SQL type of the scalar; None where it costs nothing to name it again, or where its type is that of a column
    of the event table.
    """

    name: str
    scalar: Sql
    combine: Callable[[Rows], Sql] = field(compare=False)
    additive: bool = False
    type: Sql | None = None


@dataclass(frozen=True)
class FeatureSql:
    """The SQL of one feature. `recompute` maps each column to its aggregate over the events `e`.

    `merge` maps each column to its new value from `p` and the contributions, wherever they are; None where an INSERT has to
    recompute. `one` does so from `p` and the only row `e`, where that reads better than `merge` with the row's scalars.
    `invertible`: merging contributions with a sign takes them out again. `magnitude`: the aggregate of the
    absolute contributions of a sum of floating-point numbers, which says how exact it can be. `held`: the aggregate
    that says whether an event has just the value that the profile row `p` holds a copy of. `bound`: a helper column
    that may be later than its aggregate, never earlier. Two are equal where they mean the same: `recompute` says all of
    it, and `merge` and `combine` follow from that.
    """

    name: str
    columns: tuple[Column, ...]
    recompute: dict[str, Sql]
    contributions: tuple[Contribution, ...] = ()
    merge: Callable[[Place], dict[str, Sql]] | None = field(default=None, compare=False)
    one: dict[str, Sql] | None = None
    invertible: bool = False
    window: str | None = None
    half_life: float | None = None
    magnitude: Sql | None = None
    held: Sql | None = None
    bound: str | None = None


def condition(where: str) -> Sql:
    """A condition of a declaration, which has been found to be one expression, over the event row `e`."""
    return Sql(over_event(where))


def span(text: str) -> Sql:
    """A duration of a declaration, as an interval."""
    return Sql(interval(text))


def amount(column: str) -> Sql:
    """A column of the event as an exact number; NULL where it cannot be one."""
    return Sql("modelpack.amount(e.{})").format(ident(column))


@dataclass(frozen=True)
class Source:
    """Where a feature's SQL finds what it reads beside columns and conditions. SQL with a user's text in it is never edited."""

    at: Sql | None
    moment: Sql = V_MOMENT
    amount: Callable[[str], Sql] = amount


def feature_sql(
    name: str,
    feature: Feature,
    at: str | None,
    moment: Sql = V_MOMENT,
    amount: Callable[[str], Sql] = amount,
) -> FeatureSql:
    """The SQL of a feature of an event whose time stands in the column `at`, as of `moment`."""
    build = _WINDOWED if feature.window else _BUILDERS[type(feature)]
    return build(name, feature, Source(Sql("e.{}").format(ident(at)) if at else None, moment, amount))


def _conditions(feature: Feature, *more: Sql) -> list[Sql]:
    own = [condition(feature.where)] if feature.where else []
    return own + list(more)


def _when(conditions: list[Sql], value: Sql, otherwise: Sql | None = None) -> Sql:
    if not conditions:
        return value
    rest = Sql(" else {}").format(otherwise) if otherwise else Sql("")
    return Sql("case when {} then {}{} end").format(_all(conditions), value, rest)


def _filter(conditions: Iterable[Sql]) -> Sql:
    tests = _all(conditions)
    return Sql(" filter (where {})").format(tests) if tests else tests


def _all(conditions: Iterable[Sql]) -> Sql:
    return Sql(" and ").join(conditions)


def _amount(feature: Feature, source: Source, *more: Sql) -> Sql:
    """The column as an exact number; NULL where it cannot be one or the row does not count."""
    return _when(_conditions(feature, *more), source.amount(feature.column or ""))


def _sum(name: str, scalar: Sql, kind: Sql, *, plain: bool = False) -> Contribution:
    """A number that is added exactly. `plain`: it costs nothing to name the scalar again."""
    return Contribution(
        name,
        scalar,
        lambda rows: Sql("sum({}){}::{}").format(rows.signed(name), _filter(rows.only), kind),
        additive=True,
        type=None if plain else kind,
    )


def _added(column: str, contributed: Place) -> Sql:
    return Sql("p.{} + {}").format(ident(column), contributed(column))


def _count(name: str, feature: Feature, _source: Source) -> FeatureSql:
    conditions = _conditions(feature)
    return FeatureSql(
        name,
        (Column(name, BIGINT, ZERO),),
        {name: Sql("count(*){}").format(_filter(conditions))},
        (_sum(name, _when(conditions, ONE, ZERO), BIGINT, plain=not conditions),),
        lambda d: {name: _added(name, d)},
        invertible=True,
    )


def _total(name: str, feature: Feature, source: Source) -> FeatureSql:
    amount = _amount(feature, source)
    return FeatureSql(
        name,
        (Column(name, NUMERIC, ZERO),),
        {name: Sql("coalesce(sum({}), 0)").format(amount)},
        (_sum(name, Sql("coalesce({}, 0)").format(amount), NUMERIC),),
        lambda d: {name: _added(name, d)},
        invertible=True,
    )


def _mean_of(n: Sql, s: Sql) -> Sql:
    """In double precision: a numeric division would depend on the scale of amounts that are long gone."""
    return Sql("({})::double precision / nullif({}, 0)").format(s, n)


def _deviation_of(n: Sql, s: Sql, q: Sql) -> Sql:
    return Sql(
        "sqrt(({n} * {q} - {s} * {s})::double precision / nullif({n}::double precision * ({n} - 1), 0))"
    ).format(n=n, q=q, s=s)


def _moments(
    name: str, feature: Feature, source: Source, visible: Callable[..., Sql], powers: int
) -> FeatureSql:
    """Mean and standard deviation: exact sums of x^0, x^1 (and x^2), and what follows from them."""
    amount = _amount(feature, source)
    parts = [
        (
            f"{name}_n",
            Sql("(({}) is not null)::integer").format(amount),
            Sql("count({})").format(amount),
            BIGINT,
        ),
        (
            f"{name}_sum",
            Sql("coalesce({}, 0)").format(amount),
            Sql("coalesce(sum({}), 0)").format(amount),
            NUMERIC,
        ),
    ]
    if powers == 2:
        square = Sql("({amount}) * ({amount})").format(amount=amount)
        summed = Sql("coalesce(sum({}), 0)").format(square)
        parts.append((f"{name}_squares", Sql("coalesce({}, 0)").format(square), summed, NUMERIC))

    def merge(d: Place) -> dict[str, Sql]:
        added = {part: _added(part, d) for part, *_ in parts}
        return {name: visible(*(Sql("({})").format(sql) for sql in added.values()))} | added

    return FeatureSql(
        name,
        (
            Column(name, DOUBLE),
            *(Column(part, kind, ZERO, visible=False) for part, _, _, kind in parts),
        ),
        {name: visible(*(aggregate for _, _, aggregate, _ in parts))}
        | {part: aggregate for part, _, aggregate, _ in parts},
        tuple(_sum(part, scalar, kind) for part, scalar, _, kind in parts),
        merge,
        invertible=True,
    )


def _mean(name: str, feature: Feature, source: Source) -> FeatureSql:
    return _moments(name, feature, source, _mean_of, 1)


def _deviation(name: str, feature: Feature, source: Source) -> FeatureSql:
    return _moments(name, feature, source, _deviation_of, 2)


def _foremost(value: Sql, order: str) -> Sql:
    """The smallest (`asc`) or largest (`desc`) value, by the order of its own type.

    min() and max() are found by name, and those of a type outside pg_catalog by the session's search_path alone;
    ORDER BY, least and greatest go by the type's default operator class. So nothing here is compared by operators.
    """
    return Sql("percentile_disc(0) within group (order by {}{})").format(
        value, Sql(" desc" if order == "desc" else "")
    )


_FURTHER = {"asc": Sql("least"), "desc": Sql("greatest")}


def _held(name: str, value: Sql, conditions: list[Sql]) -> Sql:
    """Whether one of the events has the value that the profile row holds, byte for byte.

    Where one of the two columns got another type since, equality is all that there is; where no event is of the time that
    the row holds beside the value, that time is what is wrong.
    """
    stored = Sql("p.{}").format(ident(name))
    same = Sql(" operator(pg_catalog.*=) ").join(one_type(value, stored))
    found = Sql("bool_or({} or pg_typeof({}) <> pg_typeof({})){}").format(
        same, value, stored, _filter(conditions)
    )
    return Sql("{} is null or ({}) is not false").format(stored, found)


def _extreme(name: str, feature: Feature, column: str, order: str) -> FeatureSql:
    conditions = _conditions(feature)
    value = Sql("e.{}").format(ident(column))

    def combine(rows: Rows) -> Sql:
        return Sql("{}{}").format(_foremost(rows.of(name), order), _filter(rows.only))

    return FeatureSql(
        name,
        (Column(name, None, like=column),),
        {name: Sql("{}{}").format(_foremost(value, order), _filter(conditions))},
        (Contribution(name, _when(conditions, value), combine),),
        lambda d: {name: Sql("{}(p.{}, {})").format(_FURTHER[order], ident(name), d(name))},
        held=_held(name, value, conditions),
    )


def _minimum(name: str, feature: Feature, _source: Source) -> FeatureSql:
    return _extreme(name, feature, feature.column or "", "asc")


def _maximum(name: str, feature: Feature, _source: Source) -> FeatureSql:
    return _extreme(name, feature, feature.column or "", "desc")


def _edge(name: str, feature: Feature, at: Sql | None, *, latest: bool) -> FeatureSql:
    """First and last: the value at the earliest or latest time, kept together with that time."""
    if at is None or feature.column is None:
        raise DeclarationError(
            f"feature {name!r} depends on the time of the event; name its column with at=…"
        )
    # times are of pg_catalog
    pick = Sql("max" if latest else "min")
    order = Sql("desc" if latest else "asc")
    sign = Sql(">" if latest else "<")
    value = Sql("e.{}").format(ident(feature.column))
    if value == at:
        return _extreme(name, feature, feature.column, order)
    time = f"{name}_at"
    conditions = _conditions(feature, Sql("{} is not null").format(value), Sql("{} is not null").format(at))
    x, xt = ident(name), ident(time)
    further = _FURTHER[order]

    def newer(time: Sql, value: Sql) -> Sql:
        return Sql(
            "case when p.{xt} is null or {time} {sign} p.{xt} then {value} "
            "when {time} = p.{xt} then {further}(p.{x}, {value}) else p.{x} end"
        ).format(xt=xt, x=x, time=time, value=value, sign=sign, further=further)

    def foremost(rows: Rows) -> Sql:
        v, vt = rows.of(name), rows.of(time)
        dated = _filter([*rows.only, Sql("{} is not null").format(vt)])
        return Sql("(array_agg({v} order by {vt} {order}, {v} {order}){dated})[1]").format(
            v=v, vt=vt, order=order, dated=dated
        )

    def merge(d: Place) -> dict[str, Sql]:
        return {
            name: Sql("case when {} is null then p.{} else {} end").format(
                d(time), x, newer(d(time), d(name))
            ),
            time: Sql("{}(p.{}, {})").format(further, xt, d(time)),
        }

    return FeatureSql(
        name,
        (Column(name, None, like=feature.column), Column(time, None, like=unquoted(at[2:]), visible=False)),
        {
            name: Sql("(array_agg({value} order by {at} {order}, {value} {order}){counted})[1]").format(
                value=value, at=at, order=order, counted=_filter(conditions)
            ),
            time: Sql("{}({}){}").format(pick, at, _filter(conditions)),
        },
        (
            Contribution(name, _when(conditions, value), foremost),
            Contribution(
                time,
                _when(conditions, at),
                lambda rows: Sql("{}({}){}").format(pick, rows.of(time), _filter(rows.only)),
            ),
        ),
        merge,
        {
            name: Sql("case when {} then {} else p.{} end").format(_all(conditions), newer(at, value), x),
            time: Sql("case when {counted} then {further}(p.{xt}, {at}) else p.{xt} end").format(
                counted=_all(conditions), further=further, xt=xt, at=at
            ),
        },
        held=_held(name, value, [*conditions, Sql("{} = p.{}").format(at, xt)]),
    )


def _first(name: str, feature: Feature, source: Source) -> FeatureSql:
    return _edge(name, feature, source.at, latest=False)


def _last(name: str, feature: Feature, source: Source) -> FeatureSql:
    return _edge(name, feature, source.at, latest=True)


def _distinct(name: str, feature: Feature, _source: Source) -> FeatureSql:
    value = Sql("e.{}").format(ident(feature.column or ""))
    return FeatureSql(
        name,
        (Column(name, BIGINT, ZERO),),
        {name: Sql("count(distinct {}){}").format(value, _filter(_conditions(feature)))},
    )


def _decayed(name: str, feature: Feature, source: Source) -> FeatureSql:
    at, moment = source.at, source.moment
    if not isinstance(feature, Decayed) or at is None:
        raise DeclarationError(
            f"feature {name!r} depends on the time of the event; name its column with at=…"
        )
    half_life = duration(feature.half_life, what="half_life").total_seconds()
    number = Sql("({})").format(_amount(feature, source)) if feature.column else ONE
    value = Sql("{}::double precision").format(number)
    counted = _conditions(feature, Sql("isfinite({})").format(at))
    weighed = Sql("modelpack.decay({}, date_part('epoch', {} - {}::timestamptz), {})").format(
        value, moment, at, round(half_life)
    )
    due = _when([*counted, Sql("{} <= {}").format(at, moment)], weighed)
    scalar = Sql("coalesce({}, 0)").format(due)
    # what is dated ahead counts when its time has come: then the feature is read again (see SCORE)
    ahead = f"{name}_ahead"
    waits = _when(
        [*counted, Sql("{} > {}").format(at, moment), Sql("{} < date '200000-01-01'").format(at)],
        Sql("{}::timestamptz").format(at),
    )
    return FeatureSql(
        name,
        (Column(name, DOUBLE, ZERO), Column(ahead, TIME, visible=False)),
        {name: Sql("coalesce(sum({}), 0)").format(scalar), ahead: Sql("max({})").format(waits)},
        (
            Contribution(
                name,
                scalar,
                lambda rows: Sql("sum({}){}").format(rows.signed(name), _filter(rows.only)),
                additive=True,
                type=DOUBLE,
            ),
            Contribution(
                ahead,
                waits,
                lambda rows: Sql("max({}){}").format(rows.of(ahead), _filter(rows.only)),
                type=TIME,
            ),
        ),
        lambda d: {
            name: Sql("{} + {}").format(aged(name, half_life), d(name)),
            ahead: Sql("greatest(p.{}, {})").format(ident(ahead), d(ahead)),
        },
        half_life=half_life,
        magnitude=Sql("coalesce(sum(abs({})), 0)").format(scalar),
        bound=ahead,
    )


def aged(name: str, half_life: float, row: Sql = P) -> Sql:
    """A decayed feature of a profile row, carried from the row's `features_at` to `v_moment`."""
    elapsed = Sql("date_part('epoch', v_moment - coalesce({}.features_at, v_moment))").format(row)
    return Sql("modelpack.decay({}.{}, {}, {})").format(row, ident(name), elapsed, round(half_life))


def _windowed(name: str, feature: Feature, source: Source) -> FeatureSql:
    """A windowed feature: the aggregate of the same kind over (moment - window, moment]."""
    at, moment = source.at, source.moment
    if at is None or feature.window is None:
        raise DeclarationError(
            f"feature {name!r} depends on the time of the event; name its column with at=…"
        )
    inside = [
        Sql("{} > {} - {}").format(at, moment, span(feature.window)),
        Sql("{} <= {}").format(at, moment),
    ]
    amount = _amount(feature, source, *inside)
    rows = _filter(_conditions(feature, *inside))
    value = Sql("e.{}").format(ident(feature.column or ""))
    column, held = Column(name, DOUBLE), None
    if isinstance(feature, Count):
        column, sql = Column(name, BIGINT, ZERO), Sql("count(*){}").format(rows)
    elif isinstance(feature, Distinct):
        column, sql = Column(name, BIGINT, ZERO), Sql("count(distinct {}){}").format(value, rows)
    elif isinstance(feature, Total):
        column, sql = Column(name, NUMERIC, ZERO), Sql("coalesce(sum({}), 0)").format(amount)
    elif isinstance(feature, Mean):
        sql = _mean_of(Sql("count({})").format(amount), Sql("sum({})").format(amount))
    elif isinstance(feature, Deviation):
        square = Sql("({amount}) * ({amount})").format(amount=amount)
        sql = _deviation_of(
            Sql("count({})").format(amount), Sql("sum({})").format(amount), Sql("sum({})").format(square)
        )
    elif isinstance(feature, (Minimum, Maximum)):
        column = Column(name, None, like=feature.column)
        sql = Sql("{}{}").format(_foremost(value, "asc" if isinstance(feature, Minimum) else "desc"), rows)
        held = _held(name, value, _conditions(feature, *inside))
    else:
        raise DeclarationError(f"feature {name!r}: {feature.kind}() takes no window")
    return FeatureSql(name, (column,), {name: sql}, window=feature.window, held=held)


_Builder = Callable[[str, Feature, Source], FeatureSql]
_WINDOWED: _Builder = _windowed
_BUILDERS: dict[type[Feature], _Builder] = {
    Count: _count,
    Total: _total,
    Mean: _mean,
    Deviation: _deviation,
    Minimum: _minimum,
    Maximum: _maximum,
    First: _first,
    Last: _last,
    Distinct: _distinct,
    Decayed: _decayed,
}
