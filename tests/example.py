"""A small shop, a model for it, and ways to look at a whole database."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from modelpack import Event, Profile, Score, count, last, total
from modelpack.packager import Package, Publication, package
from tests.support import package_here

TABLES = """
create table customer (customer_id bigint primary key, name text not null default '', plan text default 'basic');
comment on table customer is 'who buys';
create index customer_name_idx on customer (name);
create table complaint (
  id bigint generated always as identity primary key, customer_id bigint not null,
  created_at timestamptz not null default now(), severity integer not null
);
create table purchase (
  id bigint generated always as identity primary key, customer_id bigint not null,
  purchased_at timestamptz not null default now(), amount numeric(12, 2) not null
);
create index purchase_customer_idx on purchase (customer_id);
insert into customer select g, 'customer ' || g from generate_series(1, 50) as g;
insert into complaint (customer_id, created_at, severity)
select 1 + g % 50, timestamptz '2026-01-01' + g * interval '1 hour', g % 4 from generate_series(1, 200) as g;
insert into purchase (customer_id, purchased_at, amount)
select 1 + g % 40, timestamptz '2026-01-01' + g * interval '1 hour', g from generate_series(1, 200) as g;
"""

DECLARATION = """
from modelpack import Event, Profile, Score, count, last, total

customer = Profile(
    "customer",
    key="customer_id",
    events=[
        Event(
            "complaint",
            at="created_at",
            features={"complaints": count(), "last_complaint_at": last("created_at")},
            where="severity > 1",
        ),
        Event("purchase", at="purchased_at", features={"spend": total("amount")}),
    ],
    scores=[Score("churn", model="churn")],
)
"""

CUSTOMER = Profile(
    "customer",
    key="customer_id",
    events=[
        Event(
            "complaint",
            at="created_at",
            features={"complaints": count(), "last_complaint_at": last("created_at")},
            where="severity > 1",
        ),
        Event("purchase", at="purchased_at", features={"spend": total("amount")}),
    ],
    scores=[Score("churn", model="churn")],
)


def sample() -> pd.DataFrame:
    """Rows with the inputs of the model."""
    random = np.random.default_rng(7)
    return pd.DataFrame(
        {"complaints": random.integers(0, 6, 80).astype(float), "spend": random.gamma(2.0, 50.0, 80)}
    )


@cache
def model(sign: int = 1) -> Any:
    """A fitted estimator: complaints raise the score, or with sign=-1 lower it."""
    rows = sample()
    return LogisticRegression().fit(rows, (sign * (rows["complaints"] - 2.5) > 0).astype(int))


@cache
def packaged(sign: int = 1, engine: str | None = None) -> Package:
    """The same as a package, converted once; a small linear model, which Python scores where nothing else is asked for."""
    with pytest.MonkeyPatch.context() as patch:
        package_here(patch)
        return package(model(sign), sample(), Publication(metrics={"auc": 0.75}, engine=engine))


def dump(dsn: str, *arguments: str) -> list[str]:
    """What pg_dump says of a database, without what differs by chance: sorted lines, no comments, no restrict keys."""
    done = subprocess.run(
        ["pg_dump", "--dbname", dsn, "--no-sync", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=_environment(),
    )
    return sorted(
        line
        for line in done.stdout.splitlines()
        if line and not line.startswith(("--", "\\restrict", "\\unrestrict"))
    )


def run_script(dsn: str, script: str) -> None:
    """Run SQL text through psql, which stops at the first error."""
    done = subprocess.run(
        ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "--dbname", dsn, "-f", "-"],
        input=script,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=_environment(),
    )
    assert done.returncode == 0, done.stderr


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("PG")}
