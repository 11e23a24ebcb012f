"""A version in a session, without a server: what it scores, what stops it, when it is tried again."""

from __future__ import annotations

import ctypes
import hashlib
import json
import math
import re
import struct
import time
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from modelpack.packager.sessions import open_session
from plpython import load as module
from plpython.breaker import Broken
from plpython.load import load
from plpython.loaded import Loaded
from plpython.score_many import score_many
from tests.hostile import honest

SUM = honest().SerializeToString()

INPUTS = [
    {"name": "a", "type": "number", "missing": False},
    {"name": "b", "type": "number", "missing": True},
]


class SPIError(Exception):
    sqlstate = "XX000"


class Server:
    """As much of plpy as loading uses."""

    SPIError = SPIError

    def __init__(self, model: bytes, **row: Any) -> None:
        self.GD: dict[str, Any] = {}
        self.SD: dict[str, Any] = {}
        self.asked = 0
        self.rows: list[dict[str, Any]] = [
            {
                "sha256": hashlib.sha256(model).hexdigest(),
                "signature": json.dumps({"inputs": INPUTS}),
                "onnx": model,
                "engine": None,
                "formula": None,
                "batch_rows": 4,
                "onnxruntime": onnxruntime.__version__,
                "budget": 0.25,
                "breaker_failures": 3,
                "breaker_pause": 60.0,
                **row,
            }
        ]
        self.error: Exception | None = None

    def execute(self, query: str) -> list[dict[str, Any]]:
        if "start_watchdog" in query:
            self.GD["modelpack_watch"] = [0, None, None, 0.1]
            return []
        if "server_wheels" in query:
            return [{"path": None}]
        self.asked += 1
        if self.error:
            raise self.error
        return self.rows

    def version(self, version_id: int = 1) -> Any:
        load(self, self.SD, self.GD, version_id)
        return self.SD["cache"][version_id]

    def score(self, numbers: list[float | None] | None, version_id: int = 1) -> Any:
        self.GD["modelpack_failure"] = None
        return self.version(version_id).run(numbers, None)

    @property
    def failure(self) -> Any:
        return self.GD["modelpack_failure"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def server() -> Server:
    return Server(SUM)


def packed(rows: list[list[float]]) -> bytes:
    return b"\0" * 28 + b"".join(struct.pack(">id", 8, cell) for row in rows for cell in row)


def test_a_version_scores_as_onnxruntime_does(server: Server) -> None:
    assert server.score([1.0, 3.0]) == 4.0
    assert server.score([1.0, None]) is None
    assert server.failure == "the model gives nan"
    assert isinstance(server.version(), Loaded)
    assert server.asked == 1


def test_what_the_model_does_not_take_is_named_and_not_called(server: Server) -> None:
    assert server.score([None, 1.0]) is None
    assert server.failure == "input a is NULL, which the model does not take"
    assert server.score([1.0, 4e38]) is None
    assert server.failure == "input b is beyond what float32 holds"
    assert server.score([1.0, math.inf]) is None
    assert server.failure == "input b is beyond what float32 holds"


def test_more_rows_than_there_is_memory_for_are_left_to_be_scored_one_by_one(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = packed([[1.0, 2.0]] * 3)
    server.version()
    assert (
        score_many(server, server.SD, server.GD, 1, numbers, None) == "{" + ",".join([(3.0).hex()] * 3) + "}"
    )

    def too_many(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(server.version(), "many", too_many)
    assert score_many(server, server.SD, server.GD, 1, numbers, None) == "{}"
    assert server.score([1.0, 2.0]) == 3.0


def test_many_rows_are_scored_as_one_by_one_and_what_cannot_be_is_left_out(server: Server) -> None:
    rows = [[1.0, 3.0], [0.5, -1.0], [math.nan, 1.0], [1.0, 4e38]] * 5
    found = server.version().many(packed(rows), None)
    for row, score in zip(rows, found, strict=True):
        if math.isnan(score):
            assert row in rows[2:4]
        else:
            assert score == server.score(list(row))


def test_the_breaker_opens_after_failures_in_a_row_and_one_success_closes_it(clock: list[float]) -> None:
    server = Server(SUM)
    for _ in range(2):
        assert server.score([3e38, 3e38]) is None
        assert server.failure == "the model gives inf"
    assert server.score([1.0, 1.0]) is not None
    for _ in range(3):
        assert server.score([3e38, 3e38]) is None
    kept = "the model keeps failing and is not called for 60 s: the model gives inf"
    assert server.score([1.0, 1.0]) is None
    assert server.failure == kept
    assert server.version().many is None
    clock[0] += 61
    assert server.score([3e38, 3e38]) is None  # half-open: one failure opens it again
    assert server.score([1.0, 1.0]) is None
    assert server.failure == kept
    clock[0] += 61
    assert server.score([1.0, 1.0]) is not None
    assert server.version().many(packed([[1.0, 1.0]]), None) == [2.0]
    assert server.score([3e38, 3e38]) is None
    assert server.failure == "the model gives inf"
    assert server.score([1.0, 1.0]) is not None


def test_a_model_that_is_ended_four_times_is_not_called() -> None:
    server = Server(SUM, breaker_failures=1000)
    version = server.version()
    watch = server.GD["modelpack_watch"]

    version._ended(RuntimeError("as others"))
    assert server.failure == "the model fails: RuntimeError of onnxruntime"
    for _ in range(4):
        watch[2] = "time"
        version._ended(RuntimeError("terminated"))
        assert watch[2] is None
    assert server.failure == "the model ran beyond its time budget of 250 ms and was ended"
    assert server.score([1.0, 1.0]) is None
    assert server.failure.startswith(
        "the model keeps failing and is not called for 60 s: the model ran beyond"
    )
    watch[2] = "cancel"
    version._ended(RuntimeError("terminated"))
    assert server.failure == "the statement was cancelled"


FACTS: dict[str, tuple[dict[str, Any], str]] = {
    "not proved": ({"batch_rows": None}, "these bytes have not passed modelpack.prove on this server"),
    "purged": ({"onnx": None}, "the bytes of the version were purged"),
    "other bytes": (
        {"sha256": "0"},
        "the bytes of the model do not have the hash under which they were published",
    ),
}


@pytest.mark.parametrize(("facts", "words"), FACTS.values(), ids=FACTS)
def test_what_must_not_be_loaded_says_why_and_is_looked_at_again_after_a_second(
    facts: dict[str, Any], words: str, clock: list[float]
) -> None:
    server = Server(SUM, **facts)
    for _ in range(3):
        assert server.score([1.0, 1.0]) is None
        assert server.failure == words
    assert server.asked == 1
    clock[0] += 1.01
    server.score([1.0, 1.0])
    server.score([1.0, 1.0])
    assert server.asked == 2


def test_what_cannot_be_loaded_is_tried_again_ever_later(clock: list[float]) -> None:
    server = Server(b"no onnx")
    for pause in (1.0, 2.0, 4.0, 8.0, 10.0, 10.0):
        assert server.score([1.0, 1.0]) is None
        assert server.failure.startswith("the model cannot be loaded: ")
        asked = server.asked
        clock[0] += pause - 0.01
        server.score([1.0, 1.0])
        server.score([1.0, 1.0])
        assert server.asked == asked
        clock[0] += 0.02
        server.score([1.0, 1.0])


@pytest.mark.parametrize("state", ["57014", "40001", "53200", "55P03", "58030", "25006"])
def test_what_says_stop_is_not_swallowed(server: Server, state: str) -> None:
    server.error = SPIError("stop")
    server.error.sqlstate = state  # type: ignore[attr-defined]
    with pytest.raises(SPIError):
        server.version()
    server.error = None
    assert isinstance(server.version(), Loaded)


def test_an_error_of_the_server_is_a_reason(server: Server) -> None:
    server.error = SPIError("permission denied")
    assert isinstance(server.version(), Broken)
    assert server.score([1.0, 1.0]) is None
    assert server.failure == "the model cannot be read: permission denied"


def test_another_onnxruntime_than_that_of_the_trial_batches_nothing() -> None:
    server = Server(SUM, onnxruntime="0.1")
    assert server.version()._most == 1
    assert server.version().many(packed([[1.0, 2.0]] * 3), None) == [3.0] * 3


def anonymous() -> int:
    """kB of this process that no file backs."""
    found = re.search(r"^RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="its C library gives nothing back")
def test_what_loading_took_and_freed_is_given_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []

    def opened(*given: Any) -> Any:
        """As a large model does: many small pieces are freed, below one that stays."""
        pieces = [bytearray(1000) for _ in range(100_000)]
        kept.append([bytearray(1000) for _ in range(10)])
        del pieces
        return open_session(*given)

    monkeypatch.setattr(module, "open_session", opened)
    before = anonymous()
    assert isinstance(server.version(), Loaded)
    assert anonymous() - before < 50_000


def test_a_c_library_that_gives_nothing_back_is_no_failure(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert isinstance(server.version(), Loaded)


def test_the_bytes_of_a_model_are_not_kept(server: Server) -> None:
    assert server.version()._session._model_bytes is None


def test_a_session_holds_so_many_versions_and_the_oldest_goes_first(server: Server) -> None:
    for version_id in range(module.LIMIT + 2):
        server.version(version_id)
    assert list(server.SD["cache"]) == list(range(2, module.LIMIT + 2))
