"""Applications that score with onnxruntime and write back: event by event in one transaction each, or all in a nightly job."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnxruntime
import psycopg

from benchmarks.ground import STRIDE, Ground
from benchmarks.models import FEATURES, Workload, packed

Scorer = Callable[[Sequence[float]], float]


def make(ground: Ground, schema: str) -> None:
    """A column for the score, on the profile of a schema that has its counters."""
    ground.run(f"alter table {schema}.customer add column churn double precision")


def onnx_scorer(workload: Workload) -> Scorer:
    """The published model in the application's own process."""
    session = _session(workload)

    def score(inputs: Sequence[float]) -> float:
        return float(session.run(["score"], {"number": np.array([inputs], dtype=np.float32)})[0].item())

    return score


def _session(workload: Workload) -> onnxruntime.InferenceSession:
    """With one thread, as on the server."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(packed(workload).onnx, options, providers=["CPUExecutionProvider"])


def nightly(ground: Ground, schema: str, workload: Workload) -> Callable[[], float]:
    """Seconds of a job that reads every profile, scores them in one call, and writes by COPY and one UPDATE; it logs nothing."""
    session = _session(workload)
    columns = ", ".join(f"{name}::float8" for name in FEATURES)

    def run() -> float:
        start = time.perf_counter()
        with ground.connection.transaction(), ground.connection.cursor(binary=True) as cursor:
            rows = cursor.execute(f"select customer_id, {columns} from {schema}.customer").fetchall()
            inputs = np.array([row[1:] for row in rows], dtype=np.float32)
            scores = session.run(["score"], {"number": inputs})[0].ravel().tolist()
            cursor.execute(
                "create temporary table scored (customer_id bigint, churn double precision) on commit drop"
            )
            with cursor.copy("copy scored from stdin (format binary)") as copy:
                copy.set_types(["int8", "float8"])
                for row, score in zip(rows, scores, strict=True):
                    copy.write_row((row[0], score))
            cursor.execute("analyze scored")
            cursor.execute(
                f"update {schema}.customer as p set churn = s.churn, churn_version = 1, churn_scored_at = now(), "
                "churn_stale = null, features_at = now() from scored as s where s.customer_id = p.customer_id"
            )
        return time.perf_counter() - start

    return run


def drive(
    connection: psycopg.Connection[Any], schema: str, customers: int, scorer: Scorer
) -> Callable[[int], float]:
    """Seconds of n events, each in its own transaction."""
    columns = ", ".join(f"{name}::float8" for name in FEATURES)

    def events(n: int) -> float:
        start = time.perf_counter()
        for i in range(n):
            key = 1 + (i * STRIDE) % customers
            with connection.transaction():
                connection.execute(
                    f"insert into {schema}.event (customer_id, amount) values (%s, %s)", (key, i % 100)
                )
                inputs = connection.execute(
                    f"select {columns} from {schema}.customer where customer_id = %s for update", (key,)
                ).fetchone()
                if inputs is None:
                    raise RuntimeError(f"{schema}.customer has no customer {key}; expected 1 to {customers}")
                connection.execute(
                    f"update {schema}.customer set churn = %s where customer_id = %s", (scorer(inputs), key)
                )
        return time.perf_counter() - start

    return events


def plain(connection: psycopg.Connection[Any], schema: str, customers: int) -> Callable[[int], float]:
    """Seconds of n events that the database counts and scores itself: an INSERT each, and nothing else."""

    def events(n: int) -> float:
        start = time.perf_counter()
        for i in range(n):
            connection.execute(
                f"insert into {schema}.event (customer_id, amount) values (%s, %s)",
                (1 + (i * STRIDE) % customers, i % 100),
            )
        return time.perf_counter() - start

    return events
