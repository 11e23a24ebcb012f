"""modelpack.load: the cold path. Brings a version into this session's cache, checked by its hash."""

from __future__ import annotations

import typing

SQL = """\
create or replace function modelpack.load(version_id integer) returns void
language plpython3u volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
{body}
$modelpack$;
comment on function modelpack.load(integer) is
  'Brings a version into the session: reads its bytes, checks their hash, makes an onnxruntime session of one thread. What fails is remembered for a second, so that a broken model costs little.';
alter function modelpack.load(integer) owner to modelpack_owner;
revoke all on function modelpack.load(integer) from public;
"""


def load(plpy: typing.Any, GD: dict[str, typing.Any], version_id: int) -> None:
    """Put a callable `(numbers, texts) -> score or None` for the version into `GD["modelpack"]`.

    The cache survives ROLLBACK and is shared by all functions of the session. It holds at most
    16 versions; the one loaded first goes first. Errors of the server that mean "stop" (cancel, resources,
    serialization) are not caught; everything else becomes a version that gives no score and says why.
    """
    import collections
    import hashlib
    import json
    import os
    import signal
    import sys
    import time
    from typing import Any

    limit = 16
    key = version_id  # arguments are gone after the call; what outlives it keeps a name of its own
    cache = GD.setdefault("modelpack", collections.OrderedDict())

    def broken(reason: str) -> Any:
        """Give the reason instead of a score; try to load again after a second."""
        until = time.monotonic() + 1.0

        def run(_numbers: Any, _texts: Any) -> None:
            GD["modelpack_failure"] = reason
            if time.monotonic() > until:
                cache.pop(key, None)

        return run

    def runner(session: Any, numpy: Any, inputs: list[dict[str, Any]]) -> Any:
        """Close over all that one call needs."""
        names = [i["name"] for i in inputs if i["type"] == "number"]
        words = [i["name"] for i in inputs if i["type"] == "text"]
        needed = [i["name"] for i in inputs if i["type"] == "number" and not i["missing"]]
        raw = session._sess  # the binding below onnxruntime's Python: saves 0.6 of 3.3 microseconds
        width, outputs = len(names), ["score"]
        largest = 3.4028235677973366e38  # from here on float32 is infinite
        float32, array = numpy.float32, numpy.array

        def unfit(numbers: list[float | None]) -> str | None:
            """Why the numbers cannot be scored, if they cannot. NaN is a missing value."""
            for name, value in zip(names, numbers, strict=True):
                if value is None or value != value:
                    if name in needed:
                        return f"input {name} is NULL, which the model does not take"
                elif not -largest < value < largest:
                    return f"input {name} is {value}, beyond what float32 holds"
            return None

        def run(numbers: list[float | None], texts: list[str | None] | None) -> float | None:
            try:
                feed = {}
                if width:
                    for value in numbers:
                        if value is None or not -largest < value < largest:
                            reason = unfit(numbers)
                            if reason is not None:
                                GD["modelpack_failure"] = reason
                                return None
                            break
                    feed["number"] = array((numbers,), dtype=float32)
                if words:
                    if texts is None or None in texts:
                        absent = [
                            w for w, t in zip(words, texts or [None] * len(words), strict=True) if t is None
                        ]
                        GD["modelpack_failure"] = f"input {absent[0]} is NULL, which the model does not take"
                        return None
                    feed["text"] = array((texts,), dtype=object)
                score = float(raw.run(outputs, feed, None)[0].item())
            except Exception as error:
                GD["modelpack_failure"] = f"the model fails: {type(error).__name__}: {str(error)[:500]}"
                return None
            if score - score != 0.0:
                GD["modelpack_failure"] = f"the model gives {score}"
                return None
            return score

        return run

    def read() -> Any:
        found = plpy.execute(
            "select v.sha256, v.signature, a.onnx, exists (select from modelpack.inspection as i"
            " where i.version_id = v.version_id and i.sha256 = v.sha256) as passed from modelpack.version as v"
            f" join modelpack.artifact as a using (sha256) where v.version_id = {key}"
        )
        if len(found) == 0:
            return broken(f"there is no version with the number {key}")
        onnx = found[0]["onnx"]
        if not found[0]["passed"]:
            return broken("these bytes have not passed modelpack.prove on this server")
        if onnx is None:
            return broken("the bytes of the version were purged")
        if hashlib.sha256(onnx).hexdigest() != found[0]["sha256"]:
            return broken("the bytes of the model do not have the hash under which they were published")
        wheels = plpy.execute("select modelpack.server_wheels() as path")[0]["path"]
        if wheels and wheels not in sys.path:
            sys.path.insert(0, wheels)
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        # threads that a library starts must never receive the backend's signals
        before = signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
        try:
            import numpy
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.inter_op_num_threads = 1
            options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
            options.enable_cpu_mem_arena = False
            options.log_severity_level = 4
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return runner(session, numpy, json.loads(found[0]["signature"])["inputs"])

    try:
        run = read()
    except plpy.SPIError as error:
        if (error.sqlstate or "")[:2] in ("57", "40", "53") or error.sqlstate == "25006":
            raise
        run = broken(f"the model cannot be read: {error}")
    except ImportError as error:
        version = ".".join(map(str, sys.version_info[:2]))
        run = broken(
            f"the server's Python {version} cannot import {error.name or 'onnxruntime'}: {str(error)[:300]}; "
            "install numpy and onnxruntime for that Python and name their folder: modelpack install --server-wheels DIR"
        )
    except Exception as error:
        run = broken(f"the model cannot be loaded: {type(error).__name__}: {str(error)[:500]}")
    cache.pop(key, None)
    while len(cache) >= limit:
        cache.popitem(last=False)
    cache[key] = run
