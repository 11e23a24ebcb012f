"""The converting process: its result, its errors, its end."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import onnx
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from modelpack.errors import PackagingError
from modelpack.packager import package
from modelpack.packager.child import convert_in_child
from modelpack.packager.columns import Column
from modelpack.packager.convert import Job

from .conftest import NUMBERS

COLUMNS = tuple(Column(n, "number") for n in NUMBERS)


class Shell:
    """Unpickled in the child, it runs a command there."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_model_is_packaged_through_the_child(customers: pd.DataFrame, gone: Any) -> None:
    made = package(LogisticRegression(max_iter=1000).fit(customers[NUMBERS], gone), customers)
    assert onnx.load_from_string(made.onnx).graph.output[0].name == "score"
    assert made.parity.passed


def test_a_conversion_that_does_not_end_is_killed_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, interpreter = tmp_path / "pids", tmp_path / "python"
    interpreter.write_text(f"#!/bin/sh\necho $$ > {note}\nsleep 60 &\necho $! >> {note}\nwait\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    job = Job(LogisticRegression(), COLUMNS, "predict", "float32")
    start = time.monotonic()
    with pytest.raises(PackagingError, match=r"did not end within 2 s and was stopped.*timeout"):
        convert_in_child(job, 2.0)
    assert time.monotonic() - start < 30
    pids = [int(line) for line in note.read_text().split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 5
    while not all(ended(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(ended(pid) for pid in pids)


def test_a_conversion_that_crashes_is_reported() -> None:
    job = Job(Shell("kill -9 $PPID"), COLUMNS, "predict", "float32")
    with pytest.raises(PackagingError, match="ended with exit code -9"):
        convert_in_child(job, 60.0)


def test_the_error_of_a_conversion_is_reported() -> None:
    with pytest.raises(PackagingError, match=r"RuntimeError: .*number of classes.*LogisticRegression"):
        convert_in_child(Job(LogisticRegression(), COLUMNS, "predict_proba", "float32"), 60.0)


def test_an_estimator_that_cannot_be_pickled_is_reported() -> None:
    with pytest.raises(PackagingError, match="must be picklable"):
        convert_in_child(Job(lambda: None, COLUMNS, "predict", "float32"), 60.0)
