"""What the log says that a model was given, and what it gave, on every path: held against a plain Python model of the shop.

Here nothing is read from the database but the log and the scores. What the features are, in which order a version takes
them and what it makes of them is this file's own arithmetic, which is exact: whole weights, and amounts in quarters.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from onnx import TensorProto, helper

from modelpack import Event, Profile, Score, count, total
from modelpack.compile import together as compile_together
from tests.support import Session, attach, rows, value

TOKEN = "\x1a"
CODES = {"basic": 1.0, "pro": 2.0, "eu": 3.0, "us": 4.0, TOKEN: 5.0}
NUMBER_WEIGHTS, TEXT_WEIGHTS, MISSING = (1.0, 3.0, 7.0), (11.0, 13.0), 9.0

TABLES = """
create table purchase (customer_id bigint, amount numeric);
insert into purchase values (1, 2.25), (1, 4), (2, 8.5), (4, 1);
insert into customer values (1, 'basic', 'eu', 3), (2, 'pro', null, 5), (3, 'odd', 'us', null), (4, null, 'eu', 0);
"""
CUSTOMER = {
    "one table": "create table customer (customer_id bigint primary key, plan text, region text, tenure integer);",
    "partitions": "create table customer (customer_id bigint primary key, plan text, region text, tenure integer)"
    " partition by hash (customer_id);"
    "create table customer_0 partition of customer for values with (modulus 2, remainder 0);"
    "create table customer_1 (region text, tenure integer, customer_id bigint primary key, plan text);"
    "alter table customer attach partition customer_1 for values with (modulus 2, remainder 1);",
}

VERSIONS = {
    1: ["plan", "orders", "spend", "region", "tenure"],
    2: ["tenure", "region", "orders"],  # another order, fewer texts
    3: ["spend", "tenure", "orders"],  # no text: many rows in one call
    4: ["region", "plan"],  # no number
    5: ["tenure", "orders", "spend"],
}
TEXTS = ("plan", "region")
Logged = tuple[int, int, list[float | None], list[str | None] | None, float]


@dataclass
class Customer:
    """One customer as the shop knows him."""

    plan: str | None
    region: str | None
    tenure: float | None
    amounts: list[float] = field(default_factory=list)

    def logged(self, key: int, version: int) -> Logged:
        """The row that the log should have for him."""
        cells: dict[str, Any] = {
            "plan": self.plan,
            "region": self.region,
            "tenure": self.tenure,
            "orders": float(len(self.amounts)),
            "spend": sum(self.amounts),
        }
        numbers = [cells[name] for name in VERSIONS[version] if name not in TEXTS]
        texts = [cells[name] for name in VERSIONS[version] if name in TEXTS]
        return key, version, numbers, texts or None, score(numbers, texts)


def score(numbers: Iterable[float | None], texts: Iterable[str | None]) -> float:
    """What every version makes of its inputs."""
    given = [MISSING if n is None else n for n in numbers]
    codes = [CODES.get(TOKEN if t is None else t, 0.0) for t in texts]
    weighed = [w * n for w, n in zip(NUMBER_WEIGHTS, given, strict=False)]
    return sum(weighed) + sum(w * c for w, c in zip(TEXT_WEIGHTS, codes, strict=False))


def onnx_of(numbers: int, texts: int) -> bytes:
    """The same as a model in normal form."""
    nodes, inputs, constants = [], [], []
    if numbers:
        inputs.append(helper.make_tensor_value_info("number", TensorProto.FLOAT, [None, numbers]))
        constants += [
            helper.make_tensor("missing", TensorProto.FLOAT, [1], [MISSING]),
            helper.make_tensor("number_weights", TensorProto.FLOAT, [numbers, 1], NUMBER_WEIGHTS[:numbers]),
        ]
        nodes += [
            helper.make_node("IsNaN", ["number"], ["absent"]),
            helper.make_node("Where", ["absent", "missing", "number"], ["filled"]),
            helper.make_node("MatMul", ["filled", "number_weights"], ["of_numbers"]),
        ]
    if texts:
        inputs.append(helper.make_tensor_value_info("text", TensorProto.STRING, [None, texts]))
        constants.append(
            helper.make_tensor("text_weights", TensorProto.FLOAT, [texts, 1], TEXT_WEIGHTS[:texts])
        )
        nodes += [
            helper.make_node(
                "LabelEncoder",
                ["text"],
                ["code"],
                domain="ai.onnx.ml",
                keys_strings=list(CODES),
                values_floats=list(CODES.values()),
                default_float=0.0,
            ),
            helper.make_node("MatMul", ["code", "text_weights"], ["of_texts"]),
        ]
    parts = [name for name, there in (("of_numbers", numbers), ("of_texts", texts)) if there]
    nodes.append(helper.make_node("Sum", parts, ["score"]))
    output = helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])
    graph = helper.make_graph(nodes, "sum", inputs, [output], constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    onnx: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    return onnx


def publish(session: Session) -> None:
    """All versions."""
    for names in VERSIONS.values():
        texts = sum(name in TEXTS for name in names)
        inputs = [
            {"name": n, "type": "text", "missing": True, "missing_token": TOKEN, "categories": None}
            if n in TEXTS
            else {"name": n, "type": "number", "missing": True}
            for n in names
        ]
        signature = {"format": 1, "inputs": inputs, "output": {"name": "score", "kind": "value"}}
        cells: list[Any] = ["pro" if n in TEXTS else 1.0 for n in names]
        golden = {"rows": [cells], "scores": [score([1.0] * (len(names) - texts), ["pro"] * texts)]}
        session.execute(
            "select modelpack.publish('churn', %s, %s, %s)",
            [onnx_of(len(names) - texts, texts), json.dumps(signature), json.dumps(golden)],
        )


PROFILE = Profile(
    "customer",
    key="customer_id",
    events=[Event("purchase", features={"orders": count(), "spend": total("amount")})],
    scores=[Score("churn")],
)


@pytest.mark.parametrize(("length", "least"), [(4000, 5), (4, 1)], ids=["long texts", "short texts"])
def test_texts_count_for_how_many_rows_go_into_one_call(
    database: str, psql: Session, monkeypatch: pytest.MonkeyPatch, length: int, least: int
) -> None:
    monkeypatch.setattr(compile_together, "CHUNK_BYTES", 20_000)
    psql.execute(CUSTOMER["one table"] + "create table purchase (customer_id bigint, amount numeric);")
    # of random digits: a column of one letter would be stored in a few bytes
    psql.execute(
        "insert into customer select g, (select left(string_agg(md5(random()::text), ''), %s) from generate_series(1, 125) where g > 0), 'eu', 1"
        " from generate_series(1, 20) as g",
        [length],
    )
    attach(database, PROFILE)
    publish(psql)
    psql.execute("select modelpack.promote('churn', 1)")
    calls = "select coalesce(sum(calls), 0) from pg_stat_get_function_calls('modelpack.score_many'::regproc) as c (calls)"
    psql.execute("set track_functions = 'all'")
    psql.execute("select pg_stat_force_next_flush()")
    before = value(psql, calls)
    psql.execute("insert into purchase select g, 1 from generate_series(1, 20) as g")
    psql.execute("select pg_stat_force_next_flush()")
    made = value(psql, calls) - before
    # 20 rows of 4,000 bytes and more are over 80,000, and a call has up to 20,000 of them
    assert made >= least
    assert (made == 1) is (least == 1)
    assert (
        value(
            psql,
            "select count(*) from modelpack.prediction where scored_at = (select max(scored_at) from modelpack.prediction)",
        )
        == 20
    )


@pytest.mark.parametrize("table", list(CUSTOMER))
def test_the_log_has_what_the_model_was_given_and_gave_on_every_path(
    database: str, psql: Session, table: str
) -> None:
    psql.execute(CUSTOMER[table] + TABLES)
    shop = {
        1: Customer("basic", "eu", 3.0, [2.25, 4.0]),
        2: Customer("pro", None, 5.0, [8.5]),
        3: Customer("odd", "us", None),
        4: Customer(None, "eu", 0.0, [1.0]),
    }
    seen = 0

    def look(path: str, version: int, *keys: int) -> None:
        """These customers were scored since the last look, each once, and nobody else."""
        nonlocal seen
        found = rows(
            psql,
            "select entity_key::integer, version, inputs, text_inputs, prediction, prediction_id"
            f" from modelpack.prediction where prediction_id > {seen} order by 1, prediction_id",
        )
        seen = max([seen, *(entry[-1] for entry in found)])
        expected = [shop[key].logged(key, version) for key in sorted(keys)]
        assert [entry[:-1] for entry in found] == expected, path
        held = "select customer_id, churn, churn_version, churn_stale from customer where customer_id = any (%s) order by 1"
        assert rows(psql, held, list(keys)) == [
            (key, score, version, None) for key, version, _, _, score in expected
        ], path

    def run(path: str, version: int, statement: str, *keys: int, by: Session = psql) -> None:
        by.execute(statement)
        look(path, version, *keys)

    def day(version: int) -> None:
        """What happens to a shop, by every kind of statement."""
        everybody = (1, 2, 3, 4)
        shop[5] = Customer("pro", "us", 8.0)
        run(
            "a new profile",
            version,
            "insert into customer (tenure, region, plan, customer_id) values (8, 'us', 'pro', 5)",
            5,
        )
        shop[2].tenure, shop[2].plan, shop[2].region = 6.0, "basic", "eu"
        run(
            "a static input",
            version,
            "update customer set tenure = 6, plan = 'basic', region = 'eu' where customer_id = 2",
            2,
        )
        shop[3].amounts.append(0.75)
        # a feature that the version does not take is kept all the same, so the row is scored, too
        run("one event", version, "insert into purchase values (3, 0.75)", 3)
        shop[6] = Customer(None, None, None, [2.0])
        run("one event of somebody new", version, "insert into purchase values (6, 2)", 6)
        for key in everybody:
            shop[key].amounts += [key / 4, 1.0]
        shop[7] = Customer(None, None, None, [1.75, 1.0])
        run(
            "many events", version,
            "insert into purchase select k, x from unnest(array[7, 3, 1, 2, 4]) as k, lateral (values (k / 4.0), (1)) as v (x)",
            *everybody, 7,
        )  # fmt: skip
        shop[1].amounts[0] = 16.0
        run(
            "an event that is changed",
            version,
            f"update purchase set amount = 16 where customer_id = 1 and amount = {first}",
            1,
        )
        shop[2].amounts.remove(0.5)
        run(
            "an event that is taken back",
            version,
            "delete from purchase where customer_id = 2 and amount = 0.5",
            2,
        )
        run("rescore", version, "call modelpack.rescore('customer', everything => true)", *shop)
        run("refresh", version, "call modelpack.refresh('customer', older_than => interval '0')", *shop)
        psql.execute("set session_replication_role = replica")
        psql.execute("update customer set spend = -1, orders = 77 where customer_id in (1, 3, 6)")
        psql.execute("set session_replication_role = origin")
        run("rebuild of all", version, "call modelpack.rebuild('customer')", 1, 3, 6)
        psql.execute("set session_replication_role = replica")
        psql.execute("update customer set spend = -1 where customer_id = 4")
        psql.execute("set session_replication_role = origin")
        run("rebuild of one", version, "call modelpack.rebuild('customer', array['4'])", 4)
        moved = shop.pop(5)
        shop[8] = Customer(moved.plan, moved.region, moved.tenure)
        run("another key", version, "update customer set customer_id = 8 where customer_id = 5", 8)
        gone = [6, 7, 8]
        for key in gone:
            del shop[key]
        run(
            "gone",
            version,
            "delete from customer where customer_id > 4; delete from purchase where customer_id > 4",
        )
        # as in the morning
        shop[1].amounts[0] = first
        run("back", version, f"update purchase set amount = {first} where customer_id = 1 and amount = 16", 1)
        shop[2].tenure, shop[2].plan, shop[2].region = 5.0, "pro", None
        run(
            "a static input",
            version,
            "update customer set tenure = 5, plan = 'pro', region = null where customer_id = 2",
            2,
        )

    first = 2.25
    publish(psql)
    psql.execute("select modelpack.promote('churn', 1)")
    attach(database, PROFILE)
    look("the first count", 1, *shop)
    day(1)
    with psycopg.connect(database, autocommit=True) as open_before:
        open_before.execute("insert into purchase values (4, 0.25)")
        shop[4].amounts.append(0.25)
        look("another session", 1, 4)
        for version in (2, 3, 4, 5):
            psql.execute("select modelpack.promote('churn', %s)", [version])
            for writer in (psql, open_before):  # the open session has plans for the version before
                shop[4].amounts.append(0.5)
                event = "insert into purchase values (4, 0.5)"
                run("an event after a promotion", version, event, 4, by=writer)
            run("rescore after a promotion", version, "call modelpack.rescore('customer')", 1, 2, 3)
            day(version)
    psql.execute("select modelpack.rollback('churn')")
    run("rescore after a rollback", 4, "call modelpack.rescore('customer')", *shop)
