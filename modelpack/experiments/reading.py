"""What the database knows of an experiment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, text

from modelpack.errors import RegistryError


@dataclass(frozen=True)
class Running:
    """An experiment as it stands."""

    name: str
    profile: str
    score: str
    model: str
    kind: str
    started_at: datetime
    ended_at: datetime | None
    ended_why: str | None
    days: float
    versions: dict[str, int]
    """Versions by arm, the first arm first."""
    weights: list[dict[str, float]]
    """Each set of weights, the oldest first."""
    weightings: list[int]
    metrics: list[str]
    now: datetime

    @property
    def control(self) -> str:
        """The arm that the others are compared with."""
        return next(iter(self.versions))


@dataclass(frozen=True)
class Values:
    """Entities in the order of their assignment; `value` and `before` of those whose horizon has passed."""

    arms: npt.NDArray[np.str_]
    weights: npt.NDArray[np.float64]
    weightings: npt.NDArray[np.int64]
    ages: npt.NDArray[np.float64]
    """Days since the assignment."""
    ripe: npt.NDArray[np.bool_]
    value: npt.NDArray[np.float64]
    before: npt.NDArray[np.float64]


def read_experiment(connection: Connection, name: str) -> Running:
    """An experiment by its name. Raises RegistryError where there is none."""
    found = connection.execute(
        text(
            "select e.*, now() as now, extract(epoch from coalesce(e.ended_at, now()) - e.started_at)::double precision / 86400 as days, "
            "(select s.value -> 'outcome' from modelpack.profile as p cross join jsonb_array_elements(p.declaration -> 'scores') as s "
            "where p.name = e.profile and s.value ->> 'name' = e.score) as outcome "
            "from modelpack.experiment as e where e.experiment = :name"
        ),
        {"name": name},
    ).one_or_none()
    if found is None:
        known = connection.scalars(
            text("select experiment from modelpack.experiment order by experiment_id")
        ).all()
        raise RegistryError(
            f"there is no experiment {name}, expected one of: {', '.join(known) or 'none has been started'}; "
            "run: modelpack experiment start SCORE --name NAME --arms champion=90,ALIAS=10"
        )
    key = {"id": found.experiment_id}
    arms = connection.execute(
        text("select arm, version from modelpack.arm where experiment_id = :id order by position"), key
    ).all()
    weights = connection.execute(
        text(
            "select weighting_id, weights from modelpack.weighting where experiment_id = :id order by weighting_id"
        ),
        key,
    ).all()
    outcome = found.outcome or {}
    metrics = (["outcome"] if outcome.get("sql") else []) + sorted(outcome.get("metrics", {}))
    return Running(
        found.experiment, found.profile, found.score, found.model, outcome.get("kind", "binary"), found.started_at,
        found.ended_at, found.ended_why, float(found.days), {a.arm: a.version for a in arms},
        [dict(w.weights) for w in weights], [w.weighting_id for w in weights], metrics, found.now,
    )  # fmt: skip


def read_values(connection: Connection, experiment: str, metric: str | None, exposed: bool = False) -> Values:
    """The entities of an experiment, measured; without a metric only who has which arm."""
    rows = connection.execute(
        text(
            "select arm, weight, weighting, extract(epoch from now() - assigned_at)::double precision / 86400 as age, ripe, value, before "
            "from modelpack.arm_values(:experiment, :metric, :exposed)"
        ),
        {"experiment": experiment, "metric": metric, "exposed": exposed},
    ).all()

    def column(place: int, kind: Any) -> Any:
        return np.array([np.nan if r[place] is None else r[place] for r in rows], dtype=kind)

    return Values(
        np.array([r[0] for r in rows], dtype=np.str_),
        column(1, np.float64),
        column(2, np.int64),
        column(3, np.float64),
        column(4, np.bool_),
        column(5, np.float64),
        column(6, np.float64),
    )
