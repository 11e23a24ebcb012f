"""How a backend imports numpy and onnxruntime: quickly, and without onnxruntime telling anybody."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest

from modelpack.packager.process.child import run_in_child
from plpython.libraries import importing, put_wheels_first

TELLS_NOBODY = "ORT_DISABLE_TELEMETRY"


def test_onnxruntime_tells_nobody_what_a_backend_runs_unless_whoever_starts_the_server_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(TELLS_NOBODY)
    put_wheels_first(None)
    assert os.environ[TELLS_NOBODY] == "1"
    monkeypatch.setenv(TELLS_NOBODY, "0")
    put_wheels_first(None)
    assert os.environ[TELLS_NOBODY] == "0"


def test_onnxruntime_tells_nobody_what_is_packaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TELLS_NOBODY)
    assert run_in_child(60, None, os.getenv, TELLS_NOBODY) == "1"


def test_garbage_is_looked_for_again_after_an_import_that_failed() -> None:
    during = []

    def attempt() -> None:
        with importing():
            during.append(gc.isenabled())
            raise ImportError

    with pytest.raises(ImportError):
        attempt()
    assert (during, gc.isenabled()) == ([False], True)


def test_whoever_looks_for_no_garbage_is_left_alone() -> None:
    gc.disable()
    try:
        with importing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_numpy_without_its_help_computes_and_runs_models() -> None:
    program = """
import importlib.util, sys
from plpython.libraries import importing
with importing():
    import numpy
    import onnxruntime
solved = numpy.linalg.solve(numpy.array([[2.0, 1.0], [1.0, 3.0]]), numpy.array([3.0, 5.0]))
assert abs(solved - [0.8, 1.4]).max() < 1e-15, solved
row = numpy.frombuffer(bytearray(8), numpy.float32).reshape(1, 2)
assert row.sum() == 0
assert str(numpy.float64(0.1)) == "0.1" and repr(numpy.array([1, 2])) == "array([1, 2])"
assert onnxruntime.SessionOptions().intra_op_num_threads == 0
if "numpy._core._add_newdocs" in sys.modules and hasattr(numpy, "_core"):
    assert numpy.ndarray.sum.__doc__ is None, "it was written all the same"
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
