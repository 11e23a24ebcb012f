"""The training set of a declaration: features as they would have been at moments in the past.

The same SQL that the triggers and `verify` use, over the events up to the moment: no event after it is
seen, and windows, decayed features and ages are taken at the moment. What no event maintains (a static
column such as `plan`) is as it stands now; leave it out of the model where it may have changed since.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from modelpack.compile.plan import Plan
from modelpack.compile.render import render
from modelpack.compile.sql import BREAK, Sql, ident
from modelpack.compile.upkeep import Read
from modelpack.declaration.inputs import Input
from modelpack.declaration.profile import Profile
from modelpack.errors import DeclarationError
from modelpack.extras import need_publish
from modelpack.fitness import check, read_table
from modelpack.lineage import UNTIL

if TYPE_CHECKING:
    import pandas as pd

_HOLDABLE = Sql("case when {time} between date '0001-01-01' and date '9999-12-31' then {time} end")
"""A time that Python can hold."""


def training_set(
    connection: Connection,
    profile: Profile,
    *,
    at: Sequence[str | date | datetime],
    label: str | None = None,
    everybody: bool = False,
) -> pd.DataFrame:
    """Point-in-time features: one row per customer and moment, as a pandas frame.

    Columns: the key, `at` (the moment, UTC), every feature, every input that a score declares, the
    profile's other columns, and `label`. `label` is an SQL expression in which `p` is the profile row and
    `t.at` the moment, for example `not exists (select from purchase as e where e.customer_id =
    p.customer_id and e.purchased_at > t.at)`; a bare `at` would be the event's own column where it has
    one of that name. Without it, the outcome that a score declares is the label; where its horizon has not passed yet, the
    label is missing. An input that is called as a column stands in its place, since the model receives the input.

    Every value is the one that a trigger sends the model: a number or boolean is a float64 (NaN where it is NULL), a text
    is a str, of `character(n)` without the blanks that fill it up. Keys and what can be no input are as they are stored.
    Times that Python cannot hold (infinity, before year 1 or after 9999) are missing. Customers without an event up to the moment did not exist
    then and are left out, unless `everybody` is true.

    Raises DeclarationError where an event has no time, or the label is no SQL expression.
    """
    need_publish("A training set")
    import pandas as pd

    horizon = _horizon(profile) if label is None else None
    label = _declared(profile) if label is None else label
    plan = check(connection, profile, reading=True)
    table = read_table(connection, profile.table)
    static = [c for c in table.columns if c not in plan.kept]
    types = {name: table.columns[name] for name in static}
    for event in plan.events:
        its = read_table(connection, event.event.table).columns
        types |= {c.name: c.type or its[c.like or ""] for f in event.features for c in f.columns if c.visible}
    times = [name for name, kind in types.items() if kind == "date" or kind.startswith("timestamp")]
    moments = [_moment(m) for m in at]
    try:
        with connection.begin_nested():
            connection.exec_driver_sql("set local timezone = 'UTC'; set local extra_float_digits = 1")
            shown = _shown(plan, static, label, times)
            raw = training_sql(plan, static, moments, label, shown, everybody=everybody)
            packed, numbers = _packing(connection, raw, shown, keep={*plan.profile.key, "at", "label"})
            sql = training_sql(plan, static, moments, label, shown | packed, everybody=everybody)
            result = connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
            frame = pd.DataFrame(result.fetchall(), columns=list(result.keys()))
    except DBAPIError as error:
        raise DeclarationError(
            f"the training set cannot be read: {str(error.orig).splitlines()[0]}; in a label, p is the profile row "
            "and t.at the moment"
        ) from error
    for column in frame.columns:
        if column in numbers or (frame[column].dtype == object and frame[column].map(_is_decimal).any()):
            frame[column] = frame[column].astype(float)
    if label is not None:
        frame.attrs[UNTIL] = _until(connection, moments, horizon)
    return frame


def _until(connection: Connection, moments: Sequence[str], horizon: str | None) -> str:
    """When the labels end: a horizon after the last moment. A label without one may tell of anything that has happened."""
    found: datetime = connection.execute(
        text(
            "select least(now(), max(m) + cast(:horizon as interval)) from unnest(cast(:moments as timestamptz[])) as m"
        ),
        {"moments": list(moments), "horizon": horizon},
    ).scalar_one()
    return found.isoformat()


def _horizon(profile: Profile) -> str | None:
    """How far the declared labels look ahead; None where they do not say so."""
    return next((score.horizon for score in profile.scores if score.label), None)


def _declared(profile: Profile) -> str | None:
    """The label that the scores declare. Raises DeclarationError where they declare different ones."""
    found = {score.name: score.label for score in profile.scores if score.label}
    if len(set(found.values())) > 1:
        raise DeclarationError(
            f"the scores {', '.join(found)} of {profile.table} declare different outcomes, so a training set has no one label; "
            "say which with label= (--label), or pass a Profile with one of the scores"
        )
    return next(iter(found.values()), None)


def _packing(
    connection: Connection, sql: Sql, shown: Mapping[str, Sql], *, keep: Collection[str]
) -> tuple[dict[str, Sql], frozenset[str]]:
    """For the columns of a query that can be inputs: SQL that makes the input of the value (`shown`), by the function that
    the triggers ask, too; and which of them are numbers. Numbers of `keep` stay as they are.
    """
    described = connection.exec_driver_sql(
        Sql("select * from ({}) as described limit 0").format(sql),
        execution_options={"no_parameters": True},
    )
    types = {column[0]: column[1] for column in described.cursor.description}
    found = connection.execute(
        text(
            "select c.name, p.kind, p.packed "
            "from unnest(cast(:names as text[]), cast(:types as oid[]), cast(:values as text[])) as c (name, type, value), "
            "modelpack.pack(c.type, format('(%s)', c.value)) as p where p.kind is not null"
        ),
        {
            "names": list(types),
            "types": list(types.values()),
            "values": [str(shown[name]) for name in types],
        },
    )
    inputs = {
        name: (kind, Sql(packed))
        for name, kind, packed in found
        if name not in keep or (kind == "text" and name != "label")
    }
    numbers = frozenset(name for name, (kind, _) in inputs.items() if kind == "number")
    return {name: packed for name, (_, packed) in inputs.items()}, numbers


def _is_decimal(value: object) -> bool:
    from decimal import Decimal

    return isinstance(value, Decimal)


def _moment(value: str | date | datetime) -> str:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise DeclarationError(
                f"{value!r} is no moment, expected a date or time such as 1997-10-01 or 1997-10-01T12:00:00+00:00"
            ) from error
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).isoformat()


def _inputs(plan: Plan) -> dict[str, Input]:
    """Every input that a score declares, by its name. One that is called as a column stands in its place."""
    found: dict[str, Input] = {}
    for score in plan.profile.scores:
        for name, value in score.inputs.items():
            if isinstance(value, Input) and found.setdefault(name, value) != value:
                raise DeclarationError(
                    f"two scores of {plan.table} mean different things by the input {name}, so a training set has no one "
                    "column for it; rename the input of one, or pass a Profile with the other score alone"
                )
    return found


def _shown(plan: Plan, static: Sequence[str], label: str | None, times: Collection[str]) -> dict[str, Sql]:
    """The columns of a training set, over the rows `p`; `times` are those that hold a date or time."""
    features = [c.name for c in plan.columns if c.visible]
    inputs = _inputs(plan)
    for name, what in {"at": "moment", **({"label": "label"} if label else {})}.items():
        if name in (*static, *features, *inputs):
            raise DeclarationError(
                f"{name!r} is the {what} of a training set, and {plan.table} has a column or an input of that name; rename it"
            )
    shown = {name: Sql("p.{}").format(ident(name)) for name in (*static, "at", *features)}
    shown |= {name: _HOLDABLE.format(time=shown[name]) for name in times}
    shown |= {"label": Sql("p.label")} if label else {}
    return shown | {name: Sql(value.sql) for name, value in inputs.items()}


def _closed(label: str) -> Sql:
    """The label's expression; refused if what stands behind it would be part of it."""
    rest = BREAK.sub(" ", Sql(label) + Sql(";"))
    if not rest.endswith(";") or "'" in rest or '"' in rest:
        raise DeclarationError(
            f"the label {label!r} ends within quotes or a comment, expected an SQL expression"
        )
    return Sql(label)


def training_sql(
    plan: Plan,
    static: Sequence[str],
    moments: Sequence[str],
    label: str | None,
    shown: Mapping[str, Sql],
    *,
    everybody: bool = False,
) -> Sql:
    """The query behind `training_set`: what is `shown` of the features, `static` columns and the label at the moments."""
    if not moments:
        raise DeclarationError("no moment is given; pass at least one, for example --at 1997-10-01")
    reads, features = [], []
    for number, event in enumerate(plan.events):
        if event.at is None:
            raise DeclarationError(
                f"Event({event.event.table!r}) names no time (at=…), so nobody can say which of its rows were there at "
                "a moment in the past"
            )
        before = Sql("e.{} <= t.at").format(event.at)
        rows = event.aggregate(event.features, plan.keys("p"), before, moment=Sql("t.at"))
        place = Sql("r{}").format(number)
        reads.append(Read(place, rows))
        features += [
            Sql("{}.{}").format(place, ident(c.name)) for f in event.features for c in f.columns if c.visible
        ]
    return render(
        "training_set.sql",
        plan=plan,
        static=static,
        moments=moments,
        label=_closed(label) if label else None,
        shown=shown.items(),
        everybody=everybody,
        reads=reads,
        features=features,
    )
