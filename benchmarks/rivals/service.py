"""A web service (FastAPI with onnxruntime) that an application asks for the score."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.models import Workload, packed
from benchmarks.rivals.application import Scorer
from dev.machine import free_port, port_is_free, wait_until

PACKAGES = ("fastapi", "uvicorn", "httpx")


def missing() -> str | None:
    """Why the service cannot run, in a sentence; None where it can."""
    absent = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    return f"{', '.join(absent)} not installed; run: pip install -e '.[bench]'" if absent else None


@contextmanager
def running(workload: Workload) -> Iterator[Scorer]:
    """Start the service and give a scorer that asks it, over one connection that stays open."""
    import httpx

    with tempfile.TemporaryDirectory() as folder:
        path, port = Path(folder) / "model.onnx", free_port()
        path.write_bytes(packed(workload).onnx)
        service = subprocess.Popen([sys.executable, "-m", "benchmarks.rivals.web", str(path), str(port)])
        try:
            if not wait_until(lambda: service.poll() is not None or not port_is_free(port), 60):
                raise RuntimeError("the web service does not listen after 60 s")
            if service.poll() is not None:
                raise RuntimeError(f"the web service ended with exit code {service.returncode}")
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:

                def score(inputs: Sequence[float]) -> float:
                    return float(client.post("/score", json=list(inputs)).raise_for_status().json())

                yield score
        finally:
            service.terminate()
            service.wait(timeout=20)
