"""What the database tests share: attaching a declaration, verifying, and a tiny model."""

from __future__ import annotations

import json
import math
import pickle
import shutil
import struct
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from onnx import TensorProto, helper
from sqlalchemy import text

import modelpack
from dev.schema import revisions
from modelpack import snapshots
from modelpack.connection import make_engine
from tests import oracle

Session = psycopg.Connection[Any]


def attach(dsn: str, *profiles: modelpack.Profile) -> None:
    """Apply declarations in a transaction of their own."""
    engine = make_engine(dsn)
    with engine.begin() as connection:
        for profile in profiles:
            modelpack.apply(connection, profile)
    engine.dispose()


def package_here(patch: pytest.MonkeyPatch) -> None:
    """Until the patch is undone, package in this process and not in a child, whose interpreter takes seconds to start."""
    # here, since it loads what publishes, which most tests do without
    from modelpack.packager.process import child

    def run_here(timeout: float, memory: int | None, function: Any, *arguments: Any, **named: Any) -> Any:
        assert timeout > 0
        assert memory is None or memory > 0
        return function(*pickle.loads(pickle.dumps(arguments)), **named)

    patch.setattr(child, "run_in_child", run_here)


def own_migrations(folder: Path, monkeypatch: pytest.MonkeyPatch, *, released: bool = False) -> Path:
    """A copy of the migrations; until the test ends, the package reads the copy.

    Nothing is released in it, and one revision installs everything; or all of it is, as in a database of the tests.
    """
    copy = folder / "migrations"
    ignored = ["__pycache__"] if released else ["__pycache__", "frozen"]
    installs = [name for revision in revisions() for name in revision.installs]
    shutil.copytree(snapshots.MIGRATIONS, copy, ignore=shutil.ignore_patterns(*ignored))
    if not released:
        first, *later = sorted((copy / "versions").glob("*.py"))
        for path in later:
            path.unlink()
        last = ["keep_shipped", "schema/rights"]  # which name all others
        names = [*dict.fromkeys(name for name in installs if name not in last), *last]
        text = first.read_text()
        a, b = text.index("INSTALLS = ("), text.index("REVERTS_TO")
        first.write_text(
            text[:a] + "INSTALLS = (" + "".join(f"\n    {json.dumps(n)}," for n in names) + "\n)\n" + text[b:]
        )
    for name in ("functions", "schema", "frozen"):
        monkeypatch.setattr(snapshots, name.upper(), copy / name)
    for module in (snapshots, modelpack.install):
        monkeypatch.setattr(module, "MIGRATIONS", copy)
    return copy


def verified(session: Session, profile: str = "customer") -> list[tuple[Any, ...]]:
    """What `modelpack.verify` finds."""
    return session.execute("select * from modelpack.verify(%s)", [profile]).fetchall()


def wrong(session: Session, profile: str = "customer") -> list[tuple[Any, ...]]:
    """What `modelpack.verify` finds; of features that has to be what the tests' own aggregates over the events find.

    Empty when every feature equals its aggregate.
    """
    found = verified(session, profile)
    if value(session, "select rolsuper from pg_roles where rolname = current_user") and oracle.is_small(
        session, profile
    ):
        judged, features = oracle.wrong(session, profile)
        told = Counter(feature for _, feature, _, _ in found if feature in features)
        assert told == Counter(feature for _, feature in judged), (found, judged)
    return found


def rows(session: Session, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return session.execute(query, parameters or None).fetchall()


def row(session: Session, query: str, *parameters: object) -> tuple[Any, ...]:
    """The only row of a query."""
    found = rows(session, query, *parameters)
    assert len(found) == 1, found
    return found[0]


def user(session: Session) -> str:
    """The role that a session logged in as."""
    return session.info.user


def value(session: Session, query: str, *parameters: object) -> Any:
    """The only value of a query."""
    return row(session, query, *parameters)[0]


def wait_for(session: Session, query: str, *parameters: object, seconds: float = 20) -> None:
    """Until the query gives something true. Looks are counted, not seconds: a machine may stand still for longer than that."""
    pause = 0.02
    for _ in range(int(seconds / pause)):
        if value(session, query, *parameters):
            return
        time.sleep(pause)
    raise AssertionError(f"{query} stays false for {seconds} s")


def linear_model(weights: Sequence[float], bias: float) -> bytes:
    """A model in normal form: sigmoid(weights · number + bias), where a missing number counts as 0."""
    k = len(weights)
    graph = helper.make_graph(
        [
            helper.make_node("IsNaN", ["number"], ["missing"]),
            helper.make_node("Where", ["missing", "zero", "number"], ["filled"]),
            helper.make_node("MatMul", ["filled", "weights"], ["linear"]),
            helper.make_node("Add", ["linear", "bias"], ["sum"]),
            helper.make_node("Sigmoid", ["sum"], ["score"]),
        ],
        "linear",
        [helper.make_tensor_value_info("number", TensorProto.FLOAT, [None, k])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
        [
            helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
            helper.make_tensor("weights", TensorProto.FLOAT, [k, 1], list(weights)),
            helper.make_tensor("bias", TensorProto.FLOAT, [1], [bias]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx: bytes = model.SerializeToString()
    return onnx


def linear_formula(weights: Sequence[float], bias: float) -> dict[str, Any]:
    """What `linear_model` computes, as data (docs/formula.md): what the engine python scores."""
    steps: list[list[Any]] = [["constant", 0.0]]
    filled = []
    for place in range(len(weights)):
        number = len(steps)
        steps += [["number", place], ["missing", number], ["if", number + 1, 0, number]]
        filled.append(len(steps) - 1)
    steps += [["linear", filled, [float(w) for w in weights], float(bias)], ["logistic", len(steps)]]
    return {"format": 1, "steps": steps}


def linear_score(weights: Sequence[float], bias: float, numbers: Sequence[float | None]) -> float:
    """What `linear_model` gives, in double precision."""
    total = bias + sum(w * x for w, x in zip(weights, numbers, strict=True) if x is not None)
    return 1 / (1 + math.exp(-total)) if total > -700 else 0.0


def publish(
    session: Session,
    name: str,
    inputs: Sequence[str],
    weights: Sequence[float],
    bias: float = 0.0,
    *,
    promote: bool = True,
    missing: bool = True,
    engine: str = "python",
) -> int:
    """Publish a linear model as the next version and, unless told otherwise, promote it.

    `missing`: whether its signature takes NULLs. `engine`: onnx takes a process of the gate, and an import in each session.
    """
    signature = {
        "format": 1,
        "inputs": [{"name": n, "type": "number", "missing": missing} for n in inputs],
        "output": {"name": "score", "kind": "probability", "class": "1"},
    }
    golden = {"rows": [[0] * len(inputs)], "scores": [float(np.float32(1 / (1 + math.exp(-bias))))]}
    with session.transaction():  # a version is tried once by a transaction
        version = value(
            session,
            "select modelpack.publish(%s, %s, %s, %s, engine => %s, formula => %s)",
            name,
            linear_model(weights, bias),
            json.dumps(signature),
            json.dumps(golden),
            engine,
            json.dumps(linear_formula(weights, bias)) if engine == "python" else None,
        )
        if promote:
            session.execute("select modelpack.promote(%s, %s)", [name, version])
    return int(version)


def float32(number: float) -> float:
    """A number as float32 holds it."""
    return float(struct.unpack("f", struct.pack("f", number))[0])


def run_sql(dsn: str, script: str) -> None:
    """Run a script of several statements in one transaction."""
    engine = make_engine(dsn)
    with engine.begin() as connection:
        connection.execute(text(script.replace(":", r"\:")))
    engine.dispose()
