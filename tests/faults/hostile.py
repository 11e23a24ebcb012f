"""A shop whose model can be driven into every failure by the value of one event, and ways to look at it."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import numpy as np
import psycopg
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from modelpack import Event, Profile, Score, count, last
from modelpack.declaration.profile import OnError
from tests.support import attach

Session = psycopg.Connection[Any]

TABLES = """
create table customer (customer_id bigint primary key) with (fillfactor = 80);
create table visit (
  visit_id bigint generated always as identity primary key,
  customer_id bigint not null, at timestamptz not null default now(), x double precision
);
"""

INFINITE, NOT_A_NUMBER, FAILS, ENDLESS = 400, 401, 500, 900
"""Values of x for which the model gives infinity or NaN, fails, or never ends. Otherwise: 0.001 x."""

SIGNATURE = {
    "format": 1,
    "inputs": [{"name": "x", "type": "number", "missing": True}],
    "output": {"name": "score", "kind": "value", "class": None},
}


def shop(on_error: OnError = "stale") -> Profile:
    """The declaration: the last x of a customer, and how many visits."""
    features = {"x": last("x"), "visits": count()}
    return Profile(
        "customer",
        key="customer_id",
        events=[Event("visit", at="at", features=features)],
        scores=[Score("churn", model="churn", on_error=on_error)],
    )


def open_shop(dsn: str, *, on_error: OnError = "stale", customers: int = 20) -> Session:
    """Tables, a declaration, the hostile model as champion, and one visit of every customer."""
    session = connect(dsn)
    session.execute(TABLES)
    attach(dsn, shop(on_error))
    smuggle(session, hostile_model())
    visit(session, *((c, 100) for c in range(1, customers + 1)))
    return session


def make_shop(dsn: str) -> None:
    """The same for a database that tests' own are clones of."""
    open_shop(dsn).close()


def connect(dsn: str) -> Session:
    """A session, once the server is up again."""
    until = time.monotonic() + 60
    while True:
        try:
            return psycopg.connect(dsn, autocommit=True)
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def warm(dsn: str) -> Session:
    """A session of a shop that is there, with the champion loaded."""
    session = connect(dsn)
    session.execute("select modelpack.warm()")
    return session


def visit(session: Session, *visits: tuple[int, float | None]) -> None:
    """Insert visits (customer_id, x) in one statement."""
    session.execute(
        "insert into visit (customer_id, x) select * from unnest(%s::bigint[], %s::double precision[])",
        [[c for c, _ in visits], [None if x is None else float(x) for _, x in visits]],
    )


def smuggle(
    session: Session,
    onnx: bytes,
    *,
    model: str = "churn",
    input: str = "x",
    libraries: dict[str, str] | None = None,
) -> int:
    """What only a superuser can do: put a version in past every check and bind it. Returns its number."""
    signature = SIGNATURE | {"inputs": [{"name": input, "type": "number", "missing": True}]}
    session.execute("insert into modelpack.model (model) values (%s) on conflict do nothing", [model])
    digest = hashlib.sha256(onnx).hexdigest()
    session.execute("insert into modelpack.artifact values (%s, %s) on conflict do nothing", [digest, onnx])
    row = session.execute(
        "insert into modelpack.version (model, version, sha256, signature, golden, libraries)"
        " select %s, 1 + count(*), %s, %s, %s, %s from modelpack.version where model = %s returning version",
        [
            model,
            digest,
            json.dumps(signature),
            json.dumps({"rows": [[0]], "scores": [0.0]}),
            json.dumps(libraries or {}),
            model,
        ],
    ).fetchone()
    assert row is not None
    session.execute(
        "insert into modelpack.inspection (version_id, sha256, onnxruntime, numpy, python)"
        " select version_id, sha256, '', '', '' from modelpack.version where model = %s and version = %s",
        [model, row[0]],
    )
    session.execute(
        "insert into modelpack.alias values (%s, 'champion', %s)"
        " on conflict (model, alias) do update set version = excluded.version",
        [model, row[0]],
    )
    session.execute("select modelpack.bind_model(%s)", [model])
    return int(row[0])


def publish(session: Session, *, bias: float = 0.0, onnx: bytes | None = None) -> int:
    """The plain model, or `onnx`, as the next version of churn, through the gate. Returns its number."""
    golden = {"rows": [[0]], "scores": [float(np.float32(bias))]}
    arguments = ["churn", onnx or plain_model(bias), json.dumps(SIGNATURE), json.dumps(golden)]
    row = session.execute("select modelpack.publish(%s, %s, %s, %s)", arguments).fetchone()
    assert row is not None
    return int(row[0])


def scores(session: Session, *customers: int) -> dict[int, tuple[float | None, str | None]]:
    """Score and stale reason of some customers, of all by default."""
    found = session.execute(
        "select customer_id, churn, churn_stale from customer where %s or customer_id = any (%s) order by 1",
        [not customers, list(customers)],
    )
    return {key: (score, stale) for key, score, stale in found}


def unsound(session: Session) -> list[tuple[Any, ...]]:
    """What must be empty after every fault: wrong features, and scores that are neither fresh nor marked."""
    wrong = session.execute("select * from modelpack.verify('customer')").fetchall()
    unmarked = session.execute(
        "select 'unmarked', customer_id, x, churn from customer where churn_stale is null"
        " and (churn is null or churn_version is null or abs(churn - 0.001 * coalesce(x, 0)) > 1e-6)"
    ).fetchall()
    return wrong + unmarked


def value(session: Session, query: str, *parameters: object) -> Any:
    """The only value of a query."""
    row = session.execute(query, parameters or None).fetchone()
    assert row is not None
    return row[0]


def hostile_model() -> bytes:
    """0.001 x, but for the values of x above. A missing x counts as 0."""
    nodes = [
        *_node("IsNaN", "number -> missing"),
        *_node("Where", "missing zero number -> filled"),
        *_node("Reshape", "filled flat -> x"),
        *_node("Mul", "x thousandth -> scaled"),
        # fails: a row of the table that is not there
        *_node("GreaterOrEqual", "x fails_from -> beyond"),
        *_node("Less", "x fails_to -> below"),
        *_node("And", "beyond below -> failing"),
        *_node("Where", "failing outside inside -> place"),
        *_node("Gather", "table place -> nothing"),
        # infinite: 1 / 0, and not a number: the root of -1
        *_node("Sub", "x infinite -> distance"),
        *_node("Div", "one distance -> reciprocal"),
        *_node("Equal", "x infinite -> is_infinite"),
        *_node("Where", "is_infinite reciprocal zero -> infinity"),
        *_node("Equal", "x not_a_number -> is_nan"),
        *_node("Where", "is_nan minus_one zero -> negative"),
        *_node("Sqrt", "negative -> root"),
        # endless: a loop whose condition stays true
        *_node("Greater", "x endless -> endless_row"),
        *_node("Squeeze", "endless_row -> again"),
        helper.make_node("Loop", ["", "again", "zero"], ["turned"], body=_endless_body()),
        *_node("Sum", "scaled nothing infinity root turned -> score"),
    ]
    constants = {
        "zero": np.zeros(1, np.float32),
        "one": np.ones(1, np.float32),
        "minus_one": -np.ones(1, np.float32),
        "thousandth": np.array([0.001], np.float32),
        "flat": np.array([-1]),
        "table": np.zeros(3, np.float32),
        "inside": np.array([0]),
        "outside": np.array([99]),
        "fails_from": np.array([FAILS], np.float32),
        "fails_to": np.array([FAILS + 100], np.float32),
        "infinite": np.array([INFINITE], np.float32),
        "not_a_number": np.array([NOT_A_NUMBER], np.float32),
        "endless": np.array([ENDLESS - 0.5], np.float32),
    }
    return _model(nodes, constants).SerializeToString()


def slow_model(size: int = 400, steps: int = 2000) -> bytes:
    """A model of plain operators, no loop, that works for a minute or so, and gives all rows of a batch the same score."""
    nodes = [
        *_node("IsNaN", "number -> missing"),
        helper.make_node("Cast", ["missing"], ["counted"], to=TensorProto.FLOAT),
        *_node("Mul", "counted nothing -> zeros"),
        helper.make_node("ReduceMean", ["zeros"], ["zero"], keepdims=0),
        *_node("Add", "weights zero -> m0"),
    ]
    for n in range(steps):
        nodes += _node("MatMul", f"m{n} weights -> m{n + 1}")
    nodes.append(helper.make_node("ReduceMean", [f"m{steps}"], ["mean"], keepdims=0))
    nodes += [*_node("Add", "zeros mean -> sum"), *_node("Reshape", "sum flat -> score")]
    constants = {
        "nothing": np.zeros(1, np.float32),
        "weights": np.full((size, size), 0.001, np.float32),
        "flat": np.array([-1]),
    }
    return _model(nodes, constants).SerializeToString()


def plain_model(bias: float = 0.0) -> bytes:
    """0.001 x + bias for every x."""
    nodes = [*_node("Mul", "number thousandth -> scaled"), *_node("Add", "scaled bias -> sum")]
    nodes += _node("Reshape", "sum flat -> score")
    constants = {
        "thousandth": np.array([0.001], np.float32),
        "bias": np.array([bias], np.float32),
        "flat": np.array([-1]),
    }
    return _model(nodes, constants).SerializeToString()


def _node(kind: str, wiring: str) -> list[NodeProto]:
    inputs, outputs = wiring.split(" -> ")
    return [helper.make_node(kind, inputs.split(), outputs.split())]


def _endless_body() -> Any:
    return helper.make_graph(
        [*_node("Identity", "condition -> more"), *_node("Add", "carried carried -> carried_out")],
        "endless",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("condition", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("more", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried_out", TensorProto.FLOAT, [1]),
        ],
    )


def _model(nodes: list[NodeProto], constants: dict[str, Any]) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info("number", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
