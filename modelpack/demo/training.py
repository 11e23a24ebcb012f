"""The features of a profile as they were at a moment, by the declaration's own arithmetic.

The SQL is that of rebuild and verify, with the moment in the place of the clock: ages and windows are those of
that moment, and no event of a later time counts.
"""

from __future__ import annotations

from datetime import datetime

import pandas as pd
from sqlalchemy import Connection

from modelpack.catalog import read_table
from modelpack.compile.plan import Plan, make_plan
from modelpack.compile.sql import ident, listed, literal, nest
from modelpack.declaration.inputs import MOMENT, ROW
from modelpack.declaration.profile import Profile


def training_sql(plan: Plan, static: list[str], moment: datetime) -> str:
    """One row a profile: the key, its static columns, its features and the mapped inputs of its scores."""
    at = f"timestamptz {literal(moment.isoformat())}"
    columns = [f"p.{ident(c)}" for c in static]
    joins = []
    for number, event in enumerate(plan.events):
        before = [f"e.{event.at} < {at}"] if event.at else []
        rows = event.aggregate(event.features, plan.keys("p"), *before).replace("v_moment", at)
        joins.append(f"cross join lateral (\n  {nest(rows, 2)}\n) as r{number}")
        columns += [f"r{number}.{ident(f.name)}" for f in event.features]
    inner = f"select {listed(columns, 7)}\n  from {plan.table} as p\n" + "\n".join(joins)
    outer = ["f.*"]
    for score in plan.profile.scores:
        for name, value in score.inputs.items():
            if not isinstance(value, str):
                outer.append(f"{value.sql.replace(ROW, 'f').replace(MOMENT, at)} as {ident(name)}")
    keys = ", ".join(plan.keys("f"))
    return f"select {listed(outer, 7)}\n  from (\n  {nest(inner, 2)}\n) as f\n order by {keys}"


def training_set(connection: Connection, profile: Profile, moment: datetime) -> pd.DataFrame:
    """Features and inputs at `moment`, one row a profile, indexed by the key.

    Events up to and without `moment` count. `numeric` columns become float64.
    """
    plan = make_plan(profile)
    own = {c.name for c in plan.columns} | set(plan.outputs) | {"features_at", "features_read_at"}
    static = [c for c in read_table(connection, profile.table).columns if c not in own]
    connection.exec_driver_sql("set local timezone = 'UTC'")  # as in every generated function
    result = connection.exec_driver_sql(
        training_sql(plan, static, moment), execution_options={"no_parameters": True}
    )
    frame = pd.DataFrame(result.all(), columns=list(result.keys()))
    for event in plan.events:
        for feature in event.features:
            if any(c.name == feature.name and c.type in ("numeric", "double precision") for c in feature.columns):
                frame[feature.name] = frame[feature.name].astype(float)
    return frame.set_index(list(plan.profile.key))
