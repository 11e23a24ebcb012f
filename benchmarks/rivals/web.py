"""The web service of the benchmarks: `python -m benchmarks.rivals.web MODEL.onnx PORT`."""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI


def make_app(path: str) -> FastAPI:
    """POST /score takes a JSON list of inputs and gives the score."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    async def score(inputs: list[float]) -> float:
        return float(session.run(["score"], {"number": np.array([inputs], dtype=np.float32)})[0].item())

    app = FastAPI()
    app.add_api_route("/score", score, methods=["POST"])
    return app


if __name__ == "__main__":
    uvicorn.run(make_app(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
