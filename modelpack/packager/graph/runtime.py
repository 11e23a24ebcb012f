"""onnxruntime exactly as the server runs it: one thread, sequential, on the CPU.

With two threads results differ by up to 2.4e-7 from run to run. With one they are the same each time; a batch may still
differ from its single rows in the last bit (see `modelpack.trial`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from modelpack.errors import PackagingError
from modelpack.packager import sessions


def in_words(error: BaseException) -> str:
    """What onnxruntime says, on one line, without its codes and the generated names of nodes."""
    text = " ".join(str(error).split())
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (.* Status Message: )?", "", text)[:300]


def open_session(onnx_bytes: bytes, what: str) -> Any:
    """A session as the server opens it. Raises PackagingError where onnxruntime cannot load `what`."""
    try:
        return sessions.open_session(onnxruntime, onnx_bytes)
    except Exception as error:  # onnxruntime's errors share no public base class
        raise PackagingError(f"onnxruntime cannot load {what}: {in_words(error)}") from error


class Runner:
    """A loaded model in normal form."""

    def __init__(self, onnx_bytes: bytes) -> None:
        self._session = open_session(onnx_bytes, "the converted model")

    def scores(self, feeds: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
        """Scores as float64 [N]."""
        try:
            (score,) = self._session.run(["score"], dict(feeds))
        except Exception as error:  # as above
            raise PackagingError(f"onnxruntime cannot run the converted model: {in_words(error)}") from error
        return np.asarray(score, dtype=np.float64).reshape(-1)
