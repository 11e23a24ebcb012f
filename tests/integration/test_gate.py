"""The safety gate: no backend loads a model that was not tried first, and nothing that is tried is felt elsewhere."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import psycopg
import pytest
from onnx import helper

from modelpack.packager.graph.runtime import Runner
from tests.conftest import clone
from tests.hostile import GOLDEN, SIGNATURE, Hostile, corpus, honest, info, proto, tensor
from tests.support import publish, row, rows, value

Session = psycopg.Connection[Any]

PUBLISH = "select modelpack.publish('churn', %s, %s, %s)"


@contextmanager
def witnessing(dsn: str) -> Iterator[Session]:
    """A session that has a model of its own loaded and must never notice anything."""
    with psycopg.connect(dsn, autocommit=True) as session:
        publish(session, "other", ["a"], [1.0])
        before = seen(session)
        yield session
        assert seen(session) == before


def seen(session: Session) -> tuple[Any, ...]:
    return row(
        session,
        "select pg_backend_pid(), pg_postmaster_start_time(), modelpack.predict('other', '{\"a\": 1}')",
    )


@pytest.fixture
def witness(database: str) -> Iterator[Session]:
    """Another session."""
    with witnessing(database) as session:
        yield session


@pytest.fixture(scope="module")
def long_witness(server: str, template: str) -> Iterator[Session]:
    """One that is there while all hostile models are tried, in its database."""
    for dsn in clone(server, template):
        with witnessing(dsn) as session:
            yield session


def honest_arguments() -> tuple[bytes, str, str]:
    return honest().SerializeToString(), json.dumps(SIGNATURE), json.dumps(GOLDEN)


@pytest.mark.parametrize("hostile", corpus(), ids=lambda hostile: hostile.name)
def test_a_hostile_model_is_refused_in_words(long_witness: Session, hostile: Hostile) -> None:
    before = seen(long_witness)
    seconds = "2" if "within 2 seconds" in hostile.words else "20"
    long_witness.execute("update modelpack.setting set value = %s where name = 'trial_seconds'", [seconds])
    with psycopg.connect(long_witness.info.dsn, autocommit=True) as psql:
        backend = value(psql, "select pg_backend_pid()")
        with pytest.raises(psycopg.Error, match=f"(?s){hostile.words}") as refusal:
            psql.execute(PUBLISH, hostile.arguments)
        assert refusal.value.sqlstate == "22023"
        assert refusal.value.diag.message_hint
        assert rows(psql, "select from modelpack.version where model = 'churn'") == []
        size = len(hostile.onnx)
        assert rows(psql, "select from modelpack.artifact where octet_length(onnx) = %s", size) == []
        assert value(psql, "select pg_backend_pid()") == backend
    assert seen(long_witness) == before


def test_an_honest_model_passes_and_what_it_took_is_recorded(psql: Session) -> None:
    psql.execute(PUBLISH, honest_arguments())
    found = row(
        psql,
        "select i.sha256 = v.sha256, i.onnxruntime, i.python, i.memory between 1e7 and 1e9, i.row_microseconds > 0,"
        " i.checked_by from modelpack.inspection as i join modelpack.version as v using (version_id)",
    )
    same_hash, onnxruntime, python, sane_memory, took_time, by = found
    assert (same_hash, sane_memory, took_time, by) == (True, True, True, "postgres")
    assert onnxruntime.count(".") == 2
    assert python.startswith("3.")
    assert value(psql, "select modelpack.predict('churn', '{\"complaints\": 2, \"spend\": 5}', 1)") == 7


def test_a_version_is_tried_once_by_the_transaction_that_publishes_and_promotes_it(psql: Session) -> None:
    """And again by another: the server may have been changed in between."""
    tried = "select count(*) from modelpack.inspection"
    with psql.transaction():
        publish(psql, "churn", ["n"], [1.0], promote=False)
        psql.execute("select modelpack.promote('churn', 1)")
    assert value(psql, tried) == 1
    publish(psql, "churn", ["n"], [2.0], promote=False)
    assert value(psql, tried) == 2
    psql.execute("select modelpack.promote('churn', 2)")
    assert value(psql, tried) == 3


def _scored_both_ways(
    session: Session, onnx: bytes, rows_: int = 300
) -> tuple[int, list[float], list[float]]:
    """How many rows may be scored in one call; scores of the same rows in one call, and of each row alone."""
    inputs = [{"name": f"x{n}", "type": "number", "missing": True} for n in range(8)]
    signature = json.dumps({"format": 1, "inputs": inputs, "output": {"kind": "value"}})
    given = [[float(n * m % 97) / 7 for m in range(1, 9)] for n in range(1, 20)]
    found = Runner(onnx).scores({"number": np.array(given, np.float32)})
    golden = json.dumps({"rows": given, "scores": found.tolist()})
    session.execute(PUBLISH, [onnx, signature, golden])
    version, most = row(
        session,
        "select i.version_id, i.batch_rows from modelpack.inspection as i join modelpack.version as v using (version_id)"
        " where v.model = 'churn'",
    )
    session.execute(
        "create table row_ as select g, array(select random() * 100 from generate_series(1, 8) where g > 0) as x"
        f" from generate_series(1, {rows_}) as g"
    )
    together = value(
        session,
        f"select modelpack.score_many({version}, array_send(array_agg(x order by g)), null)::double precision[] from row_",
    )
    alone = rows(session, f"select modelpack.score({version}, x, null) from row_ order by g")
    return most, together, [one for (one,) in alone]


def _regressor(operator: str) -> bytes:
    attributes: dict[str, Any] = (
        {"coefficients": [0.1 * n + 0.037 for n in range(1, 9)], "intercepts": [0.3]}
        if operator == "LinearRegressor"
        else {
            "nodes_treeids": [0, 0, 0], "nodes_nodeids": [0, 1, 2], "nodes_featureids": [3, 0, 0],
            "nodes_values": [40.0, 0.0, 0.0], "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
            "nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [2, 0, 0],
            "target_treeids": [0, 0], "target_nodeids": [1, 2], "target_ids": [0, 0],
            "target_weights": [0.1, 0.7], "n_targets": 1,
        }
    )  # fmt: skip
    node = helper.make_node(operator, ["number"], ["score"], domain="ai.onnx.ml", **attributes)
    made: bytes = proto([node], inputs=[info("number", ["N", 8])]).SerializeToString()
    return made


def test_a_batch_gives_the_bits_of_single_rows_or_there_is_none(psql: Session) -> None:
    """onnxruntime multiplies a vector in another order than a matrix: linear models are scored row by row."""
    most, together, alone = _scored_both_ways(psql, _regressor("LinearRegressor"))
    assert most == 1
    assert together == alone
    assert len(set(alone)) > 250


def test_trees_are_scored_in_batches(psql: Session) -> None:
    most, together, alone = _scored_both_ways(psql, _regressor("TreeEnsembleRegressor"))
    assert most == 4096
    assert together == alone
    assert set(alone) == {float(np.float32(0.1)), float(np.float32(0.7))}


def test_a_batch_is_as_small_as_the_memory_that_was_tried(psql: Session) -> None:
    """Each row takes 6 MB while it is scored, kept apart by all that the graph says."""
    wide = tensor("wide", [1.0] * 8 * 750_000, dims=[8, 750_000])
    nodes = [
        helper.make_node("MatMul", ["number", "wide"], ["much"]),
        helper.make_node("Abs", ["much"], ["more"]),
        helper.make_node("ReduceMax", ["more"], ["score"], axes=[1], keepdims=1),
    ]
    onnx = proto(nodes, [wide], inputs=[info("number", ["N", 8])]).SerializeToString()
    most, together, alone = _scored_both_ways(psql, onnx, 20)
    assert most * 6_000_000 < 2**30  # the setting trial_memory
    assert together == alone


def test_a_model_that_is_too_large_is_refused(psql: Session) -> None:
    psql.execute("update modelpack.setting set value = '100 bytes' where name = 'model_bytes'")
    with pytest.raises(psycopg.Error, match=r"(?s)bytes.*at most 100 bytes") as refusal:
        psql.execute(PUBLISH, honest_arguments())
    assert refusal.value.sqlstate == "54000"


def test_a_model_of_too_many_operators_is_refused(psql: Session) -> None:
    psql.execute("update modelpack.setting set value = '0' where name = 'model_nodes'")
    with pytest.raises(psycopg.Error, match="more than 0 nodes"):
        psql.execute(PUBLISH, honest_arguments())


@pytest.mark.usefixtures("witness")
def test_bytes_that_changed_after_they_passed_are_not_loaded(database: str, psql: Session) -> None:
    psql.execute(PUBLISH, honest_arguments())
    with pytest.raises(psycopg.Error, match=r"artifact_hash_is_true|does not change"):
        psql.execute("update modelpack.artifact set onnx = '\\x00'")
    psql.execute("alter table modelpack.artifact drop constraint artifact_hash_is_true")
    psql.execute("alter table modelpack.artifact disable trigger all")
    psql.execute(
        "update modelpack.artifact set onnx = onnx || '\\x0a00' where sha256 ="
        " (select sha256 from modelpack.version where model = 'churn')"
    )
    with psycopg.connect(database) as fresh, pytest.raises(psycopg.Error) as refusal:
        fresh.execute("select modelpack.predict('churn', '{\"complaints\": 2, \"spend\": 5}', 1)")
    assert "do not have the hash" in str(refusal.value.diag.message_detail)
    with pytest.raises(psycopg.Error, match="do not have the hash"):
        psql.execute("select modelpack.promote('churn', 1)")


def test_a_version_that_was_turned_to_other_bytes_is_not_loaded(database: str, psql: Session) -> None:
    """The bytes are whole and passed, but as those of another version with another signature."""
    psql.execute(PUBLISH, honest_arguments())
    publish(psql, "other", ["a", "b"], [1.0, 1.0])
    psql.execute("alter table modelpack.version disable trigger all")
    psql.execute(
        "update modelpack.version set sha256 = (select sha256 from modelpack.version where model = 'other')"
        " where model = 'churn'"
    )
    with psycopg.connect(database) as fresh, pytest.raises(psycopg.Error) as refusal:
        fresh.execute("select modelpack.predict('churn', '{\"complaints\": 2, \"spend\": 5}', 1)")
    assert "have not passed" in str(refusal.value.diag.message_detail)


def test_a_version_without_a_record_of_passing_is_not_loaded(database: str, psql: Session) -> None:
    psql.execute(PUBLISH, honest_arguments())
    psql.execute("delete from modelpack.inspection")
    with psycopg.connect(database) as fresh, pytest.raises(psycopg.Error) as refusal:
        fresh.execute("select modelpack.predict('churn', '{\"complaints\": 2, \"spend\": 5}', 1)")
    assert "have not passed" in str(refusal.value.diag.message_detail)
    psql.execute("select modelpack.promote('churn', 1)")  # the gate again
    with psycopg.connect(database) as fresh:
        assert value(fresh, "select modelpack.predict('churn', '{\"complaints\": 2, \"spend\": 5}')") == 7


def test_the_trial_can_be_cancelled_and_leaves_no_process(psql: Session, witness: Session) -> None:
    slow = next(h for h in corpus() if h.name == "no end in time")
    psql.execute("update modelpack.setting set value = '60' where name = 'trial_seconds'")
    failure: list[BaseException] = []

    def run() -> None:
        try:
            psql.execute(PUBLISH, slow.arguments)
        except BaseException as error:
            failure.append(error)

    backend = value(psql, "select pg_backend_pid()")
    thread = Thread(target=run)
    thread.start()
    children: list[int] = []
    deadline = time.monotonic() + 20
    while not children and time.monotonic() < deadline:
        time.sleep(0.1)
        children = _children(backend)
    assert len(children) == 1
    started = time.monotonic()
    assert value(witness, "select pg_cancel_backend(%s)", backend)
    thread.join(10)
    assert time.monotonic() - started < 5
    assert isinstance(failure[0], psycopg.errors.QueryCanceled)
    assert _children(backend) == []
    assert not Path(f"/proc/{children[0]}").exists()


TRIAL_LIMITS = {
    # as /proc names them: soft, hard
    "Max address space": ("1073741824", "1073741824"),
    "Max cpu time": ("4", "5"),
    "Max core file size": ("0", "0"),
    "Max file size": ("4194304", "4194304"),
    "Max processes": ("0", "0"),
    "Max open files": ("64", "64"),
}


def test_the_trial_has_every_limit_and_inherits_nothing_from_the_backend(psql: Session) -> None:
    slow = next(h for h in corpus() if h.name == "no end in time")
    psql.execute("update modelpack.setting set value = '4' where name = 'trial_seconds'")
    backend = value(psql, "select pg_backend_pid()")
    failure: list[BaseException] = []

    def run() -> None:
        try:
            psql.execute(PUBLISH, slow.arguments)
        except BaseException as error:
            failure.append(error)

    thread = Thread(target=run)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        limits: dict[str, tuple[str, ...]] = {}
        while time.monotonic() < deadline and not TRIAL_LIMITS.items() <= limits.items():
            time.sleep(0.05)
            for child in _children(backend):
                lines = (Path("/proc") / str(child) / "limits").read_text().splitlines()
                limits = {line[:26].strip(): tuple(line[26:].split()[:2]) for line in lines}
        process = Path("/proc") / str(child)
        assert {name: limits.get(name) for name in TRIAL_LIMITS} == TRIAL_LIMITS
        assert (process / "cwd").readlink() == Path("/")
        assert b"PGDATA" not in (process / "environ").read_bytes()
        targets = []
        for entry in (process / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # a file that it has read and closed meanwhile
                targets.append(str(entry.readlink()))
        assert not [t for t in targets if "socket" in t or "/base/" in t or "pg_wal" in t or "pipe" in t], (
            targets
        )
    finally:
        thread.join(30)
    assert "within 4 seconds" in str(failure[0])


def _children(backend: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == backend:
            found.append(int(status.parent.name))
    return found
