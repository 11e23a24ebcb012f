"""modelpack.load: the cold path. Brings a version into this session's cache, checked by its hash."""

from __future__ import annotations

import typing

SQL = """\
create or replace function modelpack.load(version_id integer) returns void
language plpython3u volatile security invoker
set search_path = pg_catalog, pg_temp
-- whoever calls may have them otherwise: a catalogue of a few rows would then look costly enough for a compiler
set enable_seqscan = on
set jit = off
as $modelpack$
{body}
$modelpack$;
comment on function modelpack.load(integer) is
  'Brings a version into the session: reads its bytes, checks their hash, makes an onnxruntime session of one thread. What fails is remembered for a second (later for longer, up to ten), so that a broken model costs little.';
revoke all on function modelpack.load(integer) from public;
"""


def load(plpy: typing.Any, SD: dict[str, typing.Any], GD: dict[str, typing.Any], version_id: int) -> None:
    """Put a callable `(numbers, texts) -> score or None` for the version into `GD["modelpack"]`.

    The cache survives ROLLBACK and is shared by all functions of the session, but not with those of a schema
    that was dropped since (SD is empty in a function that was made anew). It holds at most
    16 versions; the one loaded first goes first. Errors of the server that mean "stop" (cancel, resources,
    serialization) are not caught; everything else becomes a version that gives no score and says why.

    Every call is under the watchdog of the session (`modelpack.start_watchdog`): it ends a run that has used
    the time budget of the model. A model that keeps failing is not called for a while (circuit breaker): after
    `breaker_failures` failures in a row, where a run that had to be ended counts as a quarter of them.
    """
    import collections
    import hashlib
    import importlib
    import json
    import os
    import signal
    import struct
    import sys
    import time
    from typing import Any

    from modelpack.packager.texts import pack_texts

    limit = 16
    key = version_id  # arguments are gone after the call; what outlives it keeps a name of its own
    cache = SD.get("cache")
    if cache is None:
        cache = SD["cache"] = GD["modelpack"] = collections.OrderedDict()
    if key in cache:
        return  # modelpack.warm, or another caller, has loaded it

    def broken(reason: str) -> Any:
        """Give the reason instead of a score; try to load again after a second, then 2, 4, 8, 10, 10, ..."""
        attempts = GD.setdefault("modelpack_attempts", {})
        until = time.monotonic() + min(10.0, 2.0 ** min(attempts.get(key, 0), 4))
        attempts[key] = attempts.get(key, 0) + 1

        def run(_numbers: Any, _texts: Any) -> None:
            GD["modelpack_failure"] = reason
            if time.monotonic() > until:
                cache.pop(key, None)

        return run

    def runner(session: Any, numpy: Any, onnxruntime: Any, found: dict[str, Any]) -> Any:
        """Close over all that one call needs."""
        inputs = json.loads(found["signature"])["inputs"]
        # as many rows in one call as gave the bits of single rows when this onnxruntime tried the model
        most = found["batch_rows"] if found["onnxruntime"] == onnxruntime.__version__ else 1
        budget, limit, pause = found["budget"], found["breaker_failures"], found["breaker_pause"]
        watch = GD["modelpack_watch"]
        watch[3] = min(
            watch[3], max(0.025, budget / 2.5)
        )  # not much beyond the budget, and a cancel within 0.1 s
        run_options, nan = onnxruntime.RunOptions(), float("nan")
        armed = (run_options, budget)
        in_a_row = 0
        names = [i["name"] for i in inputs if i["type"] == "number"]
        words = [i for i in inputs if i["type"] == "text"]
        needed = [i["name"] for i in inputs if i["type"] == "number" and not i["missing"]]
        required = [place for place, name in enumerate(names) if name in needed]
        largest = 3.4028235677973366e38  # from here on float32 is infinite
        row = bytearray(4 * len(names))
        pack = struct.Struct(f"={len(names)}f").pack_into  # refuses what float32 does not hold
        numbers_in = numpy.frombuffer(row, numpy.float32).reshape(1, len(names))
        raw = session._sess  # what lies below onnxruntime's Python: saves a fifth of a call

        def bound() -> Any:
            """For numbers: the memory of row and score is the same for every call, which saves a third of it."""
            (output,) = session.get_outputs()
            score = numpy.zeros([1] * len(output.shape), "f8" if "double" in output.type else "f4")
            binding = session.io_binding()
            if names:
                binding.bind_input(
                    "number", "cpu", 0, numpy.float32, numbers_in.shape, numbers_in.ctypes.data
                )
            binding.bind_output("score", "cpu", 0, score.dtype.type, score.shape, score.ctypes.data)
            run_bound, handle, item = raw.run_with_iobinding, binding._iobinding, score.item

            def call(_texts: Any, _kept: Any = (binding, score)) -> Any:
                run_bound(handle, run_options)
                return item()

            return call

        def fed() -> Any:
            """For texts, which onnxruntime takes from objects only."""
            outputs, feed = ["score"], {"number": numbers_in} if names else {}

            def call(texts: Any) -> Any:
                feed["text"] = numpy.array((texts,), dtype=object)
                return raw.run(outputs, feed, run_options)[0].item()

            return call

        call = fed() if words else bound()

        def many(packed: bytes) -> list[float]:
            """Scores of rows of numbers; NaN for a row that has to be scored on its own to know what is wrong.

            `packed` is what array_send gives for a float8[][] without NULLs: a head of 28 bytes, then each
            number after its length. In batches of at most as many rows as were tried, each under the time budget
            of one row: they grow while they are far within it.
            """
            element = numpy.dtype([("length", ">i4"), ("value", ">f8")])
            rows = numpy.frombuffer(packed, element, offset=28)["value"].reshape(-1, len(names))
            numbers = rows.astype(numpy.float64)
            with numpy.errstate(over="ignore"):
                given = numbers.astype(numpy.float32)
            scores = numpy.full(len(rows), nan)
            size, begin = min(16, most), 0
            while begin < len(rows):
                started = time.monotonic()
                try:
                    watch[0] += 1
                    watch[1] = armed
                    found = raw.run(["score"], {"number": given[begin : begin + size]}, run_options)[0]
                    watch[1] = None
                except Exception:
                    watch[1] = None
                    watch[2], run_options.terminate = None, False
                    break
                if watch[2]:
                    watch[2], run_options.terminate = None, False
                scores[begin : begin + size] = found.reshape(-1)
                begin += size
                size = min(most, 2 * size) if time.monotonic() - started < budget / 8 else max(1, size // 2)
            bad = ~numpy.isfinite(scores) | numpy.isinf(given).any(axis=1)
            bad |= numpy.isnan(numbers[:, required]).any(axis=1)
            kept: list[float] = numpy.where(bad, nan, scores).tolist()
            return kept

        def unfit(numbers: list[float | None]) -> str | None:
            """Why the numbers cannot be scored, if they cannot. NaN is a missing value."""
            for name, value in zip(names, numbers, strict=True):
                if value is None or value != value:
                    if name in needed:
                        return f"input {name} is NULL, which the model does not take"
                elif not -largest < value < largest:
                    return f"input {name} is beyond what float32 holds"
            return None

        def fails(reason: str, weight: int = 1) -> None:
            """Count a failure; at the limit put the open breaker in the place of the model."""
            nonlocal in_a_row
            GD["modelpack_failure"] = reason
            in_a_row += weight
            if in_a_row >= limit and cache.get(key) is run:
                until = time.monotonic() + pause
                kept = f"the model keeps failing and is not called for {pause:g} s: {reason}"

                def open_breaker(numbers: Any, texts: Any) -> Any:
                    if time.monotonic() < until:
                        GD["modelpack_failure"] = kept
                        return None
                    cache[key] = run  # half-open: one success closes it, one failure opens it again
                    return run(numbers, texts)

                cache[key] = open_breaker

        def run(numbers: list[float | None], texts: list[str | None] | None) -> Any:
            nonlocal in_a_row
            try:
                if names:
                    try:
                        # no sum where one is NULL, and a sum that is not finite where one is not
                        total: float = sum(numbers)  # type: ignore[arg-type]
                        fit = total - total == 0.0
                        pack(row, 0, *numbers)
                    except (TypeError, OverflowError):
                        fit = False
                    if not fit:
                        reason = unfit(numbers)
                        if reason is not None:
                            GD["modelpack_failure"] = reason
                            return None
                        pack(row, 0, *[nan if value is None else value for value in numbers])
                if words:
                    given = pack_texts(texts or [None] * len(words), words)
                    if isinstance(given, str):
                        GD["modelpack_failure"] = given
                        return None
                    texts = given  # type: ignore[assignment]  # a list of fewer types
                watch[0] += 1  # a call of its own for the watchdog
                watch[1] = armed
                score = call(texts)
                watch[1] = None
            except Exception as error:
                watch[1] = None
                ended, watch[2], run_options.terminate = watch[2], None, False
                if ended == "cancel":
                    GD["modelpack_failure"] = "the statement was cancelled"
                elif ended == "time":
                    fails(
                        f"the model ran beyond its time budget of {budget * 1000:g} ms and was ended",
                        -(-limit // 4),
                    )
                else:
                    fails(f"the model fails: {type(error).__name__} of onnxruntime")
                return None
            if watch[2]:  # it ended by itself just as the watchdog meant to end it
                watch[2], run_options.terminate = None, False
            if score - score != 0.0:
                fails(f"the model gives {score}")
                return None
            if in_a_row:
                in_a_row = 0
            return score

        if names and not words:
            run.many = many  # type: ignore[attr-defined]
        return run

    def read() -> Any:
        found = plpy.execute(
            "select v.sha256, v.signature, a.onnx, i.batch_rows, i.onnxruntime,"
            " date_part('epoch', coalesce(m.time_budget, s.time_budget)) as budget, s.breaker_failures,"
            " date_part('epoch', s.breaker_pause) as breaker_pause"
            " from modelpack.version as v join modelpack.artifact as a using (sha256)"
            " join modelpack.model as m using (model)"
            " left join lateral (select i.batch_rows, i.onnxruntime from modelpack.inspection as i"
            " where i.version_id = v.version_id and i.sha256 = v.sha256"
            " order by i.inspection_id desc limit 1) as i on true,"
            " (select max(value) filter (where name = 'time_budget')::interval as time_budget,"
            " max(value) filter (where name = 'breaker_failures')::integer as breaker_failures,"
            " max(value) filter (where name = 'breaker_pause')::interval as breaker_pause"
            f" from modelpack.setting) as s where v.version_id = {key}"
        )
        if len(found) == 0:
            return broken(f"there is no version with the number {key}")
        onnx = found[0]["onnx"]
        if found[0]["batch_rows"] is None:
            return broken("these bytes have not passed modelpack.prove on this server")
        if onnx is None:
            return broken("the bytes of the version were purged")
        if hashlib.sha256(onnx).hexdigest() != found[0]["sha256"]:
            return broken("the bytes of the model do not have the hash under which they were published")
        wheels = plpy.execute("select modelpack.server_wheels() as path")[0]["path"]
        if wheels and wheels not in sys.path:
            sys.path.insert(0, wheels)
        if "onnxruntime" not in sys.modules:
            importlib.invalidate_caches()  # a folder that was not there at the last attempt
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        # threads that a library starts must never receive the backend's signals
        before = signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
        try:
            import numpy
            import onnxruntime

            plpy.execute("select modelpack.start_watchdog()")
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
        return runner(session, numpy, onnxruntime, found[0])

    try:
        run = read()
        GD.get("modelpack_attempts", {}).pop(key, None)
    except plpy.SPIError as error:
        # cancel and shutdown, serialization, resources, lock timeout, input/output, read-only: never swallowed
        state = error.sqlstate or ""
        if state[:2] in ("57", "40", "53", "55", "58") or state == "25006":
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
