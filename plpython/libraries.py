"""numpy and onnxruntime in a backend: found in the folder of the wheels, without its signals, in little memory."""

import ctypes
import gc
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType


def put_wheels_first(folder: str | None) -> None:
    """Have Python import from the folder first; OpenBLAS starts no threads, and onnxruntime tells nobody what it runs."""
    if folder and folder not in sys.path:
        sys.path.insert(0, folder)
    if "onnxruntime" not in sys.modules:
        importlib.invalidate_caches()  # a folder that was not there at the last attempt
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # else it has a thread in each backend, and files in the home of the server's user
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


@contextmanager
def no_signals() -> Iterator[None]:
    """Threads that are started within must never receive the backend's signals."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def importing() -> Iterator[None]:
    """Import numpy in three quarters of the time.

    Nothing becomes garbage meanwhile, so nobody looks for it. And two modules of numpy that do nothing but write the help of
    what is written in C, which nobody reads here, are left out; another numpy that lacks them ignores it.
    """
    for name in ("numpy._core._add_newdocs", "numpy._core._add_newdocs_scalars"):
        sys.modules.setdefault(name, ModuleType(name))
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def give_back_memory() -> None:
    """Have the C library give back what is freed: of glibc's, half of what a large model took while it was read."""
    with suppress(OSError, AttributeError):  # others have no such function
        ctypes.CDLL(None).malloc_trim(0)
