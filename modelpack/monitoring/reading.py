"""What the database knows of how the models do: the views of the room."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from modelpack.errors import RegistryError


def read_features(connection: Connection, profile: str | None) -> list[Any]:
    """Features and inputs, of one profile or all."""
    found = _all(
        connection,
        "select * from modelpack.features as f where cast(:profile as text) is null or f.profile in (:profile, 'public.' || :profile)",
        profile=profile,
    )
    if not found and profile is not None:
        raise RegistryError(
            f"{profile} has no features; expected a profile with a declaration: modelpack apply"
        )
    return found


def read_response(connection: Connection, model: str, days: int) -> list[Any]:
    """The scores of a model by version and day, newest first."""
    _known(connection, model)
    return _all(
        connection,
        "select * from modelpack.response as r where r.model = :model and r.day > (now() at time zone 'UTC')::date - :days"
        " order by r.day desc, r.score, r.version, r.arm",
        model=model,
        days=days,
    )


def read_drift(connection: Connection, model: str, days: int, *, by_hour: bool = False) -> list[Any]:
    """The figures of drift of a model by version and day or hour, newest first; the worst first in each."""
    _known(connection, model)
    view, at, day = (
        ("drift_by_hour", "hour", "(d.hour at time zone 'UTC')::date")
        if by_hour
        else ("drift", "day", "d.day")
    )
    return _all(
        connection,
        f"select * from modelpack.{view} as d where d.model = :model and {day} > (now() at time zone 'UTC')::date - :days"
        f" order by d.{at} desc, d.score, d.version, d.drifted desc, d.psi desc nulls last, d.against, d.segment nulls first, d.input nulls first",
        model=model,
        days=days,
    )


def read_timeline(connection: Connection, model: str, days: int) -> list[Any]:
    """What may be the cause of a change, newest first."""
    return _all(
        connection,
        "select * from modelpack.timeline as t where (t.model = :model or t.model is null) and t.at > now() - :days * interval '1 day' order by t.at desc",
        model=model,
        days=days,
    )


def _known(connection: Connection, model: str) -> None:
    names = [name for (name,) in connection.execute(text("select model from modelpack.model order by 1"))]
    if model not in names:
        raise RegistryError(
            f"there is no model {model}; expected one of: {', '.join(names) or 'none is published'}"
        )


def _all(connection: Connection, query: str, **values: object) -> list[Any]:
    return list(connection.execute(text(query), values))
