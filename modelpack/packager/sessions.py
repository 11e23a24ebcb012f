"""How onnxruntime opens a model: the same here, in the trial and in a backend, since options move the last bits.

The function here is rendered into the PL/Python functions that run models (`modelpack.plpython_source`), so it imports nothing.
"""

from typing import Any


def open_session(onnxruntime: Any, onnx: bytes) -> Any:
    """A session of one thread that neither spins nor prints, on the CPU. Raises what onnxruntime raises."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4  # fatal alone
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    session._model_bytes = None  # kept to open it anew on another device: the size of the model once more
    return session
