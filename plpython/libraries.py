"""numpy and onnxruntime in a backend: found in the folder of the wheels, without its signals, in little memory."""

import ctypes
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def put_wheels_first(folder: str | None) -> None:
    """Have Python import from the folder first; OpenBLAS starts no threads."""
    if folder and folder not in sys.path:
        sys.path.insert(0, folder)
    if "onnxruntime" not in sys.modules:
        importlib.invalidate_caches()  # a folder that was not there at the last attempt
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@contextmanager
def no_signals() -> Iterator[None]:
    """Threads that are started within must never receive the backend's signals."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def give_back_memory() -> None:
    """Have the C library give back what is freed: of glibc's, half of what a large model took while it was read."""
    with suppress(OSError, AttributeError):  # others have no such function
        ctypes.CDLL(None).malloc_trim(0)
