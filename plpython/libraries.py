"""numpy and onnxruntime in a backend: found in the folder of the wheels, and no thread of theirs gets its signals."""

import importlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def find_wheels(folder: str | None) -> None:
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
