"""The packaging process: its result, its errors, its end."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from modelpack.errors import PackagingError
from modelpack.packager import Publication, package
from modelpack.packager.process import child
from modelpack.packager.process.child import run_in_child, watched

from .conftest import NUMBERS


class Shell:
    """Unpickled in the child, it runs a command there."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


class NeverAnswers(LogisticRegression):
    """Its predictions take for ever."""

    def predict_proba(self, X: Any) -> Any:  # as scikit-learn calls it
        while len(X):
            time.sleep(1.0)


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_model_is_packaged_through_the_child(customers: pd.DataFrame, gone: Any) -> None:
    made = package(LogisticRegression(max_iter=1000).fit(customers[NUMBERS], gone), customers)
    assert onnx.load_from_string(made.onnx).graph.output[0].name == "score"
    assert made.parity.passed


def test_what_does_not_end_is_killed_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, interpreter = tmp_path / "pids", tmp_path / "python"
    interpreter.write_text(f"#!/bin/sh\necho $$ > {note}\nsleep 60 &\necho $! >> {note}\nwait\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    start = time.monotonic()
    with pytest.raises(PackagingError, match=r"did not end within 2 s and was stopped.*timeout"):
        run_in_child(2.0, None, max, 1, 2)
    assert time.monotonic() - start < 30
    pids = [int(line) for line in note.read_text().split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 5
    while not all(ended(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(ended(pid) for pid in pids)


def test_an_estimator_that_never_answers_is_stopped_and_the_message_says_where(
    customers: pd.DataFrame, gone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator = NeverAnswers(max_iter=1000).fit(customers[NUMBERS], gone)
    asking = "asking the estimator for its own results"
    told: list[str] = []
    # however long the interpreter takes to start: the time is over once the child has come so far
    late = SimpleNamespace(monotonic=lambda: time.monotonic() + (1000 if asking in told else 0))
    monkeypatch.setattr(child, "time", late)
    with (
        watched(told.append),
        pytest.raises(PackagingError, match=f"within 500 s and was stopped while {asking}"),
    ):
        package(estimator, customers, Publication(timeout=500.0))
    assert told[-1] == asking


def test_what_crashes_is_reported() -> None:
    with pytest.raises(PackagingError, match="ended with exit code -9"):
        run_in_child(60.0, None, max, Shell("kill -9 $PPID"), 1)


def test_memory_beyond_the_limit_is_reported() -> None:
    with pytest.raises(PackagingError, match="MemoryError"):
        run_in_child(60.0, 2 << 30, bytes, 4 << 30)


def test_an_error_comes_back_as_it_was_raised() -> None:
    with pytest.raises(PackagingError, match=r"ValueError: .*'x'"):
        run_in_child(60.0, None, int, "x")


def test_an_estimator_that_cannot_be_pickled_is_reported() -> None:
    with pytest.raises(PackagingError, match="which no other process can load"):
        run_in_child(60.0, None, max, lambda: None, 1)
