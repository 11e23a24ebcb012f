"""Run one conversion in a process of its own, with a limit in seconds.

Some conversions never end and some crash the interpreter; neither may take the caller with it. The child is a
fresh interpreter (not a fork: onnxruntime and BLAS own threads; not `multiprocessing`: a spawned worker would
import the caller's main module again).
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from modelpack.errors import PackagingError

if TYPE_CHECKING:
    from modelpack.packager.convert import Job


def convert_in_child(job: Job, timeout: float) -> bytes:
    """The converted model as ONNX bytes (not yet in normal form).

    Args:
        timeout: seconds, start of the interpreter included.

    Raises:
        PackagingError: the conversion failed, crashed, or took too long.
    """
    with tempfile.TemporaryDirectory(prefix="modelpack-") as folder:
        job_file, onnx_file, error_file = (
            Path(folder) / name for name in ("job.pickle", "model.onnx", "error.json")
        )
        try:
            job_file.write_bytes(pickle.dumps(job))
        except Exception as error:  # pickle raises whatever the object raises
            raise PackagingError(
                f"The estimator cannot be sent to the converting process: {error}. "
                "It must be picklable: define its functions and classes in a module, not in the main script."
            ) from error
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "modelpack.packager.convert",
                str(job_file),
                str(onnx_file),
                str(error_file),
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise PackagingError(
                f"The conversion did not end within {timeout:g} s and was stopped. "
                "Give more time with timeout, or a smaller model."
            ) from error
        finally:
            _kill(process)
        if onnx_file.exists() and process.returncode == 0:
            return onnx_file.read_bytes()
        if error_file.exists():
            raise PackagingError(str(json.loads(error_file.read_text())["error"]))
        tail = " ".join(stderr.decode(errors="replace").strip().splitlines()[-3:])[:500]
        raise PackagingError(f"The converting process ended with exit code {process.returncode}: {tail}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stderr is not None:
        process.stderr.close()
