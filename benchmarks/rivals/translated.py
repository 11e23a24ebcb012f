"""A row trigger with the SQL that orbital translates a scikit-learn model to."""

from __future__ import annotations

import os
import pickle
import subprocess
from functools import cache
from pathlib import Path

from benchmarks.ground import Ground
from benchmarks.models import FEATURES, Workload, train

ROOT = Path(__file__).resolve().parents[2]


def _interpreter() -> Path:
    named = os.environ.get("MODELPACK_ORBITAL_PYTHON")
    return Path(named) if named else ROOT / ".modelpack" / "orbital" / "bin" / "python"


def missing() -> str | None:
    """Why orbital cannot run, in a sentence; None where it can."""
    if _interpreter().is_file():
        return None
    return (
        "orbital asks for another onnx than modelpack, so it needs an environment of its own; run: make bench-rivals, "
        "or name a Python that has it in MODELPACK_ORBITAL_PYTHON"
    )


@cache
def translate(workload: Workload) -> str:
    """orbital's SQL for the trained model: it reads `data_in` and gives `output_probability.1`."""
    estimator, _ = train(workload)
    done = subprocess.run(
        [str(_interpreter()), str(Path(__file__).with_name("orbital_sql.py"))],
        input=pickle.dumps(estimator),
        capture_output=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"orbital translates no {workload.title}: {done.stderr.decode()[-500:]}")
    return done.stdout.decode()


def make(ground: Ground, schema: str, workload: Workload) -> None:
    """Put the trigger on the profile of a schema that has its counters."""
    ground.run(f"alter table {schema}.customer add column churn double precision")
    inputs = ", ".join(f"coalesce(new.{name}::float8, 0) as {name}" for name in FEATURES)
    ground.run(
        f"create function {schema}.score() returns trigger language plpgsql as $body$\nbegin\n"
        f"with data_in as (select {inputs})\n"
        f'select o."output_probability.1" into new.churn from (\n{translate(workload)}\n) as o;\n'
        "return new;\nend\n$body$"
    )
    ground.run(
        f"create trigger zzz_translated before update on {schema}.customer for each row execute function {schema}.score()"
    )
