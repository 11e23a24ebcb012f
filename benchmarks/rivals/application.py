"""An application that inserts the event, reads the profile, scores, and writes the score back in one transaction."""

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
    """The published model in the application's own process, with one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(packed(workload).onnx, options, providers=["CPUExecutionProvider"])

    def score(inputs: Sequence[float]) -> float:
        return float(session.run(["score"], {"number": np.array([inputs], dtype=np.float32)})[0].item())

    return score


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
