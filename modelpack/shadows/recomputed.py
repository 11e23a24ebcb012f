"""What a version says of features as they were at the cut-offs of cohorts, computed anew from the events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import copysign, isfinite
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from modelpack.compile.plan import key_text
from modelpack.compile.sql import Sql, ident
from modelpack.declaration import Profile
from modelpack.errors import RegistryError
from modelpack.shadows.reading import Replay
from modelpack.training import training_set

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 1000
"""Rows that the server scores in one call."""


@dataclass(frozen=True)
class Recomputed:
    """A score of a cohort beside what the other version gives for the features of that moment."""

    version: int
    cut_off: datetime
    entity: str
    prediction: float
    rival_prediction: float | None
    outcome: float | None
    """None while it is not settled, or not final."""


def stored(connection: Connection, table: str) -> Profile:
    """The declaration that is attached to a profile."""
    return Profile.from_dict(
        connection.execute(
            text("select declaration from modelpack.profile where name = :name"), {"name": table}
        ).scalar_one()
    )


def recomputed(connection: Connection, asked: Replay, version: int, declared: Profile) -> list[Recomputed]:
    """Every score of the complete cohorts since then, beside that of the version. Raises RegistryError where there are none.

    Takes the rights to read cohorts (modelpack_monitor), the tables of the profile, and to score with the model.
    """
    cohorts = _cohorts(connection, asked)
    if not cohorts:
        raise RegistryError(
            f"no complete cohort of {asked.score}{'' if asked.since is None else f' since {asked.since}'}, expected at least one: its cut-offs are the "
            f"moments at which features are computed; run: call modelpack.take_cohort('{asked.profile}', '{asked.score}')"
        )
    key = key_text(Sql("p.{}").format(ident(column)) for column in declared.key)
    frame = training_set(
        connection, declared, at=sorted({at for at, _ in cohorts}), label=key, everybody=True
    )
    inputs = _inputs(connection, asked.model, version)
    lacking = [name for name, _ in inputs if name not in frame.columns]
    if lacking:
        raise RegistryError(
            f"the declaration of {declared.table} gives no {', '.join(lacking)}, which version {version} of {asked.model} takes; "
            "expected a feature, an input or a column of that name; --declaration FILE takes another declaration"
        )
    # a row that has come since, or has another key by now, stood in no cohort
    known = [key in cohorts for key in zip(frame["at"].dt.to_pydatetime(), frame["label"], strict=True)]
    frame = frame[known]
    found = []
    scores = _scores(connection, asked.model, version, frame, inputs)
    for at, entity, score in zip(frame["at"].dt.to_pydatetime(), frame["label"], scores, strict=True):
        stood = cohorts[at, entity]
        found.append(Recomputed(stood.version, at, entity, stood.prediction, score, stood.outcome))
    return found


def _cohorts(connection: Connection, asked: Replay) -> dict[tuple[datetime, str], Any]:
    return {
        (row.cut_off, row.entity_key): row
        for row in connection.execute(
            text(
                "select j.cut_off, j.entity_key, j.version, j.prediction, case when j.status = 'settled' and j.ripe_at <= now() then j.outcome end as outcome "
                "from modelpack.judgement as j join modelpack.cut_off as k using (profile, score, cut_off) "
                "where j.profile = :profile and j.score = :score and j.model = :model and k.complete and j.cut_off >= coalesce(cast(:since as timestamptz), '-infinity')"
            ),
            {
                "profile": asked.profile,
                "score": asked.score,
                "model": asked.model,
                "since": asked.since,
            },
        )
    }


def _inputs(connection: Connection, model: str, version: int) -> list[tuple[str, str]]:
    found = connection.execute(
        text(
            "select signature -> 'inputs' from modelpack.versions where model = :model and version = :version"
        ),
        {"model": model, "version": version},
    ).scalar_one_or_none()
    if found is None:
        raise RegistryError(f"{model} has no version {version}; modelpack show {model} lists what there is")
    return [(i["name"], i["type"]) for i in found]


def _scores(
    connection: Connection, model: str, version: int, frame: pd.DataFrame, inputs: Sequence[tuple[str, str]]
) -> Iterator[float | None]:
    for first in range(0, len(frame), CHUNK):
        columns = [_values(frame[name].iloc[first : first + CHUNK], kind) for name, kind in inputs]
        names = [name for name, _ in inputs]
        rows = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
        for row in connection.execute(
            text(
                "select score from modelpack.score_rows(:model, :version, cast(:rows as jsonb)) order by place"
            ),
            {"model": model, "version": version, "rows": json.dumps(rows)},
        ):
            yield row.score


def _values(column: pd.Series, kind: str) -> list[Any]:
    if kind == "text":
        return [value if isinstance(value, str) else None for value in column]
    return [None if value != value or value is None else _number(float(value)) for value in column]


def _number(value: float) -> float | int:
    """JSON has no infinity, but numbers that a double does not hold, which the server takes for it."""
    return value if isfinite(value) else int(copysign(1, value)) * 10**400
