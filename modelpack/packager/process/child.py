"""Run one function in a process of its own, with a limit in seconds.

Some conversions never end, some crash the interpreter, and an estimator's `predict` is anybody's code; none of it
may take the caller with it. The child is a fresh interpreter (not a fork: onnxruntime and BLAS own threads; not
`multiprocessing`: a spawned worker would import the caller's main module again). It has one thread: many small
calls would only wait for one another.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from modelpack.errors import ModelpackError, PackagingError
from modelpack.packager.process.pickling import pickled

P = ParamSpec("P")
R = TypeVar("R")

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)
_stage_file: Path | None = None
_watcher: ContextVar[Callable[[str], None] | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(tell: Callable[[str], None]) -> Iterator[None]:
    """Have `tell` called with each stage of the work of children that start within."""
    token = _watcher.set(tell)
    try:
        yield
    finally:
        _watcher.reset(token)


def run_in_child(
    timeout: float, memory: int | None, function: Callable[P, R], *arguments: P.args, **named: P.kwargs
) -> R:
    """What `function(*arguments, **named)` returns, or the ModelpackError that it raises.

    Args:
        timeout: seconds, start of the interpreter included.
        memory: bytes of address space that it may use; None: no limit.
        function: of a module, not of the main script; it and all that it is given must be picklable.

    Raises:
        PackagingError: it failed otherwise, crashed, or took too long.
    """
    with tempfile.TemporaryDirectory(prefix="modelpack-") as folder:
        job_file, result_file, stage_file = (Path(folder) / name for name in ("job", "result", "stage"))
        job_file.write_bytes(pickled((function, arguments, named)))
        environment = {"ORT_DISABLE_TELEMETRY": "1", **os.environ}  # onnxruntime tells nobody what it runs
        environment |= {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        environment |= {**_ONE_THREAD, "PYTHONWARNINGS": "ignore"}
        files = [str(file) for file in (job_file, result_file, stage_file)]
        process = subprocess.Popen(
            [sys.executable, "-m", "modelpack.packager.process.child", *files, str(memory or 0)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            stderr = _outlive(process, timeout, stage_file)
        except subprocess.TimeoutExpired as error:
            busy = f" while {stage_file.read_text()}" if stage_file.exists() else ""
            raise PackagingError(
                f"The packaging did not end within {timeout:g} s and was stopped{busy}. "
                "Give more time (--timeout), fewer rows as a sample, or a smaller model."
            ) from error
        finally:
            _kill(process)
        if process.returncode == 0 and result_file.exists():
            outcome, value = pickle.loads(result_file.read_bytes())
            if outcome == "error":
                raise value
            return value  # type: ignore[no-any-return]  # what the function returned
        last = stderr.decode(errors="replace").strip().splitlines()[-3:]
        busy = f" while {stage_file.read_text()}" if stage_file.exists() else ""
        raise PackagingError(
            f"The packaging process ended with exit code {process.returncode}{busy}"
            + (f": {' '.join(last)[:500]}" if last else "")
        )


def _outlive(process: subprocess.Popen[bytes], timeout: float, stage_file: Path) -> bytes:
    """What the child says on stderr until it ends; whoever watches hears of its stages."""
    tell, told, until = _watcher.get(), "", time.monotonic() + timeout
    while True:
        rest = until - time.monotonic()
        try:
            return process.communicate(timeout=max(0.0, rest if tell is None else min(rest, 0.1)))[1]
        except subprocess.TimeoutExpired:
            if rest <= 0.1 or tell is None:
                raise
        doing = stage_file.read_text() if stage_file.exists() else ""
        if doing and doing != told:
            tell(told := doing)


def stage(doing: str) -> None:
    """Note what the child is busy with, for the caller's message should it not come back."""
    if _stage_file is not None:
        _stage_file.write_text(doing)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stderr is not None:
        process.stderr.close()


def main(arguments: Sequence[str]) -> int:
    """`python -m modelpack.packager.process.child JOB RESULT STAGE MEMORY`: run a pickled call, pickle what comes of it."""
    global _stage_file
    job_file, result_file, _stage_file = map(Path, arguments[:3])
    if memory := int(arguments[3]):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    outcome: tuple[str, Any]
    try:
        function, positional, named = pickle.loads(job_file.read_bytes())
        outcome = ("done", function(*positional, **named))
    except ModelpackError as error:
        outcome = ("error", error)
    except BaseException as error:  # a child's last words: everything is reported
        text = " ".join(str(error).split())[:600]
        outcome = ("error", PackagingError(f"{type(error).__name__}: {text}"))
    result_file.write_bytes(pickle.dumps(outcome))
    return 0


if __name__ == "__main__":
    # Under its real name, or `stage` would write to another module's file.
    from modelpack.packager.process.child import main as real_main

    sys.exit(real_main(sys.argv[1:]))
