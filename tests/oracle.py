"""What the features of a profile must be: the aggregates over its events, written here by hand.

It shares nothing with the SQL that modelpack generates, and looks at names and types by the caller's own path, as a user's
query does. `wrong` is the judge of what triggers have stored, and of `modelpack.verify` itself.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

Session = psycopg.Connection[Any]
Found = set[tuple[str, str]]

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
NUMBER = """(case when {0}::text in ('NaN', 'Infinity', '-Infinity') then null
     when abs({0}::text::numeric) > 1e100 then null when abs({0}::text::numeric) < 1e-100 then 0
     else {0}::text::numeric end)"""  # a real as it is written, which its cast to numeric rounds


def seconds(length: str) -> int:
    """The seconds of "30 days"."""
    number, unit = length.split()
    return int(number) * UNITS[unit.removesuffix("s")]


def aggregate(
    feature: dict[str, Any], at: str | None, moment: sql.Composable, stored: sql.SQL
) -> sql.Composable:
    """The value of a feature over the events `e`, as the type that it is stored as; the second is what its rounding may
    be measured by."""
    kind, time = feature["kind"], sql.Identifier("e", at) if at else sql.SQL("null::timestamptz")
    column = sql.Identifier("e", feature["column"]) if feature.get("column") else None
    events = sql.SQL(" from e")
    if feature.get("window"):
        events += sql.SQL(" where {0} <= {1} and {0} > {1} - {2} * interval '1 second'").format(
            time, moment, sql.Literal(seconds(feature["window"]))
        )
    else:
        events += sql.SQL(" where true")
    if kind == "count":
        return sql.SQL("select count(*)::text, null::float8") + events
    if kind == "distinct":
        return sql.SQL("select count(distinct {})::text, null::float8").format(column) + events
    if kind in ("minimum", "maximum", "first", "last"):
        # of values that are equal, and not the same, any that an event has is right
        order = sql.SQL("asc" if kind in ("minimum", "first") else "desc")
        moments = kind in ("first", "last")
        return sql.SQL(
            "select (select array_agg({column}::{type}::text){events} and row({column})::record operator(pg_catalog.=) row(best.value)::record{also}), null from (select) as one left join ("
            "select {column} as value, {moment} as moment{events} and {column} is not null{known} order by {by} limit 1) as best on true"
        ).format(
            column=column,
            type=stored,
            events=events,
            moment=time if moments else sql.SQL("null"),
            also=sql.SQL(" and {} = best.moment").format(time) if moments else sql.SQL(""),
            known=sql.SQL(" and {} is not null").format(time) if moments else sql.SQL(""),
            by=sql.SQL(", ").join(
                sql.SQL("{} {}").format(c, order) for c in ([time, column] if moments else [column])
            ),
        )
    amount = sql.SQL(NUMBER).format(column) if column else sql.SQL("1::numeric")
    if kind == "total":
        return sql.SQL("select coalesce(sum({}), 0)::{}::text, null").format(amount, stored) + events
    if kind == "mean":
        return sql.SQL("select (sum({0}) / count({0}))::float8::text, null").format(amount) + events
    if kind == "deviation":
        spread = sql.SQL(
            "select case when count({0}) > 1 then sqrt((count({0}) * sum({0} * {0}) - sum({0}) * sum({0})) "
            "/ (count({0}) * (count({0}) - 1)))::float8::text end, null"
        )
        return spread.format(amount) + events
    assert kind == "decayed", kind
    weight = sql.SQL(
        "case when isfinite({1}) and extract(epoch from {0} - {1}) / {2} < 600 then power(2::float8, (-extract(epoch from {0} - {1}) / {2})::float8) else 0 end"
    ).format(moment, time, sql.Literal(seconds(feature["half_life"])))
    return sql.SQL(
        "select coalesce(sum({0}::float8 * {1}), 0)::text, coalesce(sum(abs({0}::float8) * {1}), 0){2} and {3} <= {4}"
    ).format(amount, weight, events, time, moment)


def is_small(session: Session, profile: str) -> bool:
    """Whether `wrong`, which reads all events for each row, is done soon."""
    found = session.execute(
        "select pg_relation_size(relation) / 8192.0 * (select sum(pg_relation_size(modelpack.qualified(e ->> 'table')::regclass)) / 8192.0"
        " from jsonb_array_elements(declaration -> 'events') as e) < 1000 from modelpack.profile where relation = %s::regclass",
        [profile],
    ).fetchone()
    return found is not None and found[0] is not False


def wrong(session: Session, profile: str) -> tuple[Found, set[str]]:
    """Pairs of a key, as text, and a feature whose stored value is not the aggregate over its events; the features that
    were looked at."""
    (declared, relation) = session.execute(
        "select declaration, relation::text from modelpack.profile where relation = %s::regclass", [profile]
    ).fetchone() or (None, None)
    assert declared is not None, f"{profile} is no profile"
    found: Found = set()
    features: set[str] = set()
    with session.transaction(force_rollback=True):
        # a time without a zone is one of UTC, and numbers are shown in full, whatever the session says
        session.execute("set local timezone = 'UTC'; set local extra_float_digits = 1")
        for event in declared["events"]:
            for feature in event["features"]:
                if event["on_delete"] == "keep" and not feature.get("window"):
                    continue  # its events may be gone
                features.add(feature["name"])
                found |= _wrong(session, declared, relation, event, feature)
    return found, features


def _wrong(
    session: Session, declared: dict[str, Any], relation: str, event: dict[str, Any], feature: dict[str, Any]
) -> Found:
    keys = declared["key"]
    moment = sql.SQL("coalesce(p.features_at, clock_timestamp())")
    table = session.execute(
        "select object_name from (select modelpack.qualified(%s) as object_name) as q", [event["table"]]
    ).fetchone()
    assert table is not None
    events = sql.SQL("select * from {}").format(sql.SQL(table[0]))
    for condition in (event["where"], feature.get("where")):
        if condition:  # the words of the user, over the table as the user names it
            events += sql.SQL(" where " if b" where " not in events.as_bytes() else " and ") + sql.SQL(
                "({})"
            ).format(sql.SQL(condition))
    kind = _type(session, relation, feature["name"])
    same = sql.SQL(" and ").join(
        sql.SQL("q.{} = p.{}").format(sql.Identifier(e), sql.Identifier(p))
        for e, p in zip(event["key"] or keys, keys, strict=True)
    )
    query = sql.SQL(
        "with events as materialized ({events}) select array[{keys}], p.{name}::text, x.value, x.size "
        "from {relation} as p cross join lateral (with e as (select * from events as q where {same}) {aggregate}) as x (value, size)"
    ).format(
        events=events,
        keys=sql.SQL(", ").join(sql.SQL("p.{}::text").format(sql.Identifier(k)) for k in keys),
        name=sql.Identifier(feature["name"]),
        relation=sql.SQL(relation),
        same=same,
        aggregate=aggregate(feature, event["at"], moment, kind),
    )
    found: Found = set()
    for key, stored, expected, size in session.execute(query).fetchall():
        if not _agree(feature, stored, expected, size):
            found.add((str(key), feature["name"]))
    return found


def _agree(feature: dict[str, Any], stored: str | None, expected: Any, size: float | None) -> bool:
    if isinstance(expected, list):
        return stored in expected
    if stored is None or expected is None:
        return stored is expected
    if feature["kind"] in ("mean", "deviation", "decayed"):
        smallest = 1e-9 * (size or 0) + 1e-70 if feature["kind"] == "decayed" else 0
        return math.isclose(float(stored), float(expected), rel_tol=1e-12, abs_tol=smallest)
    return Decimal(stored) == Decimal(expected)


def _type(session: Session, relation: str, column: str) -> sql.SQL:
    found = session.execute(
        "select format_type(atttypid, atttypmod) from pg_attribute where attrelid = %s::regclass and attname = %s",
        [relation, column],
    ).fetchone()
    assert found is not None, f"{relation} has no column {column}"
    return sql.SQL(found[0])
