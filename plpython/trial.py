"""modelpack.trial: loads and runs a model for the first time, in a process of its own with limits."""

import contextlib
import ctypes
import json
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import sysconfig
import tempfile
import time
from typing import Any, NoReturn

from modelpack.packager.sessions import open_session
from modelpack.packager.texts import pack_texts
from plpython import source_of

SQL = """\
create or replace function modelpack.trial(onnx bytea, signature jsonb, golden jsonb, rows_apart boolean default false) returns jsonb
language plpython3u volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
{body}
$modelpack$;
comment on function modelpack.trial(bytea, jsonb, jsonb, boolean) is
  'Loads a model and runs its golden rows in a process of its own, with limits of memory and time (trial_memory, trial_seconds in modelpack.setting): alone, again, and among other rows. Returns the scores, the library versions and how many rows may be scored in one call (1 unless the rows_apart that modelpack.inspect found holds bit for bit); refuses a model that crashes, hangs, gives anything but one number a row, or another one the second time or among other rows.';
revoke all on function modelpack.trial(bytea, jsonb, jsonb, boolean) from public;
"""


def _child() -> None:
    """What the process runs: the job on stdin, one JSON document on stdout. Limits come before anything else."""
    job = json.loads(sys.stdin.buffer.readline())
    memory, seconds = job["memory"], job["seconds"]
    for name, soft, hard in (
        ("RLIMIT_AS", memory, memory),
        ("RLIMIT_CPU", seconds, seconds + 1),  # at the soft limit comes SIGXCPU, at the hard one SIGKILL
        ("RLIMIT_CORE", 0, 0),
        ("RLIMIT_FSIZE", 4 << 20, 4 << 20),
        ("RLIMIT_NPROC", 0, 0),
        ("RLIMIT_NOFILE", 64, 64),
    ):
        limit = getattr(resource, name, None)
        if limit is not None:
            most = resource.getrlimit(limit)[1]
            if most != resource.RLIM_INFINITY:
                soft, hard = min(soft, most), min(hard, most)
            resource.setrlimit(limit, (soft, hard))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a library that prints does not print into the answer

    def say(document: dict[str, object]) -> None:
        answer.write(json.dumps(document))
        answer.flush()
        os._exit(0)

    if list(sys.version_info[:2]) != job["python"]:
        say({"python": list(sys.version_info[:2])})
    if job["wheels"]:
        sys.path.insert(0, job["wheels"])
    try:
        import numpy
        import onnxruntime
    except BaseException as error:
        say({"missing": f"{type(error).__name__}: {str(error)[:300]}"})
    report: dict[str, object] = {"onnxruntime": onnxruntime.__version__, "numpy": numpy.__version__}
    try:
        model = sys.stdin.buffer.read()
        started = time.perf_counter()
        session = open_session(onnxruntime, model)
        report["load_milliseconds"] = round((time.perf_counter() - started) * 1000, 3)
    except BaseException as error:
        say({**report, "refused": f"onnxruntime cannot load it: {type(error).__name__}: {str(error)[:500]}"})

    def run(numbers: list[list[float | None]], texts: list[list[str]]) -> list[float]:
        feed = {}
        if numbers[0]:
            feed["number"] = numpy.array(numbers, dtype=numpy.float32)
        if texts[0]:
            feed["text"] = numpy.array(texts, dtype=object)
        (score,) = session.run(["score"], feed)
        if not isinstance(score, numpy.ndarray) or score.dtype.name not in ("float32", "float64"):
            raise TypeError(f"its score is {getattr(score, 'dtype', type(score).__name__)}, expected a float")
        if score.shape not in ((len(numbers),), (len(numbers), 1)):
            raise TypeError(
                f"its score has the shape {list(score.shape)} for {len(numbers)} rows, expected one number a row"
            )
        return [float(one) for one in score.reshape(-1)]

    def bits(score: float) -> bytes:
        return struct.pack("=d", score) if score == score else b"NaN"

    def differing(rows: list[Any], alone: list[float], order: list[int]) -> Any:
        """Of rows in one batch: [place, alone, among others] of the one that differs most from its score alone."""
        found = run([rows[n][0] for n in order], [rows[n][1] for n in order])
        apart = [
            [n, alone[n], score]
            for n, score in zip(order, found, strict=True)
            if bits(alone[n]) != bits(score)
        ]
        return max(apart, key=lambda one: abs(one[1] - one[2]), default=None)

    golden, others, probes = job["rows"], job["others"], job["probes"]
    begun = time.monotonic()
    try:
        scores = [run([numbers], [texts])[0] for numbers, texts in golden]
        slowest, started = 0.0, time.perf_counter()
        again = []
        for numbers, texts in golden:
            before = time.process_time()
            again += run([numbers], [texts])
            slowest = max(slowest, time.process_time() - before)
        report["row_microseconds"] = round((time.perf_counter() - started) / len(scores) * 1e6, 1)
        report["slowest_microseconds"] = round(slowest * 1e6, 1)  # of processor time, as the time budget is
        rows, alone = list(golden), list(scores)
        for numbers, texts in probes + others:  # whatever they give: it is one number, and it ends
            if len(rows) >= len(golden) + len(probes) and time.monotonic() - begun > seconds / 4:
                break  # the probes are run in any case
            rows.append([numbers, texts])
            alone += run([numbers], [texts])
        # memory that a model takes and does not write has other contents now (glibc alone can do so)
        with contextlib.suppress(Exception):
            ctypes.CDLL(None).mallopt(-6, 0x5A)
        for numbers, texts in golden if time.monotonic() - begun < seconds / 4 else ():
            again += run([numbers], [texts])
        with contextlib.suppress(Exception):
            ctypes.CDLL(None).mallopt(-6, 0)
        report["unsteady"] = next(
            (
                [n % len(scores), scores[n % len(scores)], score]
                for n, score in enumerate(again)
                if bits(score) != bits(scores[n % len(scores)])
            ),
            None,
        )
        chance = random.Random(7)
        places = list(range(len(rows)))
        orders = [list(range(len(golden))), places[::-1]]
        orders += [chance.sample(places, min(size, len(places))) for size in (2, 3, 5, 16, 16)]
        orders += [[n] * 3 for n in chance.sample(places, 2)]
        mixed = report["mixed"] = []
        for order in orders:
            if found := differing(rows, alone, order):
                mixed.append(found)
            if time.monotonic() - begun > seconds / 2:
                break
    except BaseException as error:
        say({**report, "refused": f"it cannot score: {type(error).__name__}: {str(error)[:500]}"})
    # how many rows a backend may score in one call: as many as were tried, bit for bit, in bounds of memory and time
    report["batch_rows"], taken = 1, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(Exception):
        for size in (16, 64, 256, 1024, 4096) if job["rows_apart"] and not report["mixed"] else ():
            started = time.monotonic()
            order = [chance.randrange(len(rows)) for _ in range(size)]
            if found := differing(rows, alone, order):
                report["mixed"] = [found]
                break
            if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - taken > memory // 8192:
                break
            report["batch_rows"] = size
            if 4 * (time.monotonic() - started) > seconds / 8:
                break
    if report["mixed"]:
        report["batch_rows"] = 1
    report["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    say({**report, "scores": scores, "golden": len(golden), "probes": len(probes)})


def trial(plpy: Any, onnx: bytes, signature: str, golden: str, rows_apart: bool) -> str:
    """JSON with `scores` (one a golden row; null where the row has none), `batch_rows`, library versions, memory, times.

    What keeps a score to its own row is that every row is scored alone, unless the graph shows that rows are kept
    apart (`rows_apart`) and a batch gives the bits of the single rows: a kernel may round a batch in another way. A
    model that the trial sees mixing rows is refused all the same, since its makers meant something else.

    The process is started by posix_spawn's kin (vfork and exec, no Python code between), so nothing of the
    backend runs in it: no fork of a process that holds locks, shared memory and a client's socket. It inherits
    no descriptor, its folder is /, its environment is made here.
    """

    def refuse(found: str, expected: str, hint: str) -> NoReturn:
        plpy.error(found, detail=f"Expected: {expected}.", hint=hint, sqlstate="22023")
        raise AssertionError  # plpy.error does not return

    setting = {
        s["name"]: s["value"]
        for s in plpy.execute(
            "select s.name, s.value from modelpack.setting as s where s.name in ('trial_seconds', 'trial_memory')"
        )
    }
    seconds = max(1, int(setting["trial_seconds"]))
    memory = plpy.execute(
        plpy.prepare("select pg_size_bytes($1) as bytes", ["text"]), [setting["trial_memory"]]
    )[0]["bytes"]
    wheels = plpy.execute("select modelpack.server_wheels() as path")[0]["path"]
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    places = (sysconfig.get_config_var("BINDIR"), f"{sys.base_exec_prefix}/bin", "/usr/bin")
    paths = [f"{p}/python{version}" for p in places if p]
    python = next((p for p in paths if os.access(p, os.X_OK)), None)
    if python is None:
        refuse(
            f"the server has no interpreter to try a model in: none of {', '.join(dict.fromkeys(paths))}",
            f"Python {version}, as PL/Python links it",
            f"On the server, on Debian and Ubuntu: apt-get install python{version}.",
        )

    # -- the rows, packed as modelpack.load packs them; None: a row that is not run --------------------------
    inputs, proof = json.loads(signature)["inputs"], json.loads(golden)
    numeric = [n for n, i in enumerate(inputs) if i["type"] == "number"]
    textual = [n for n, i in enumerate(inputs) if i["type"] == "text"]
    largest = 3.4028235677973366e38  # from here on float32 is infinite

    def packed(cells: list[Any]) -> list[list[Any]] | None:
        for n in numeric:
            cell = cells[n]
            if cell is None and not inputs[n]["missing"]:
                return None
            if isinstance(cell, (int, float)) and not -largest < cell < largest:
                return None
        words = pack_texts([cells[n] for n in textual], [inputs[n] for n in textual])
        return None if isinstance(words, str) else [[cells[n] for n in numeric], words]

    rows = [packed(cells) for cells in proof["rows"]]
    kept = [r for r in rows if r is not None]
    probes = [
        packed([number if i["type"] == "number" else word for i in inputs])
        for number in (0.0, -1.0, 1e30, None)
        for word in ("", "Z\u00fcrich", "x" * 10_000)
    ]
    chance = random.Random(5)

    def other() -> list[float | str | None]:
        """A row such as may come: cells of several golden rows, some moved, far off or missing."""
        cells: list[float | str | None] = []
        for n, entry in enumerate(inputs):
            cell = chance.choice(proof["rows"])[n]
            if entry["type"] == "number" and cell is not None:
                cell = chance.choice(
                    [cell, cell * chance.gauss(1, 0.3) + chance.gauss(0, 1), chance.gauss(0, 1)]
                )
            if chance.random() < 0.1 and (entry["missing"] or entry["type"] == "text"):
                cell = None
            cells.append(cell)
        return cells

    job = {
        "python": list(sys.version_info[:2]),
        "wheels": wheels,
        "memory": memory,
        "seconds": seconds,
        "rows": kept,
        "rows_apart": rows_apart,
        "others": [r for r in (packed(other()) for _ in range(64)) if r is not None],
        "probes": [p for p in probes if p is not None],
    }
    if not kept:
        refuse(
            "the model is refused: its signature takes none of its golden rows",
            "golden rows that can be scored",
            "Publish with a sample: modelpack publish MODEL --sample rows.csv",
        )

    with (
        tempfile.TemporaryFile() as task,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as errors,
    ):
        task.write(json.dumps(job).encode() + b"\n")
        task.write(onnx)
        task.flush()
        task.seek(0)
        process = subprocess.Popen(
            [python, "-I", "-c", source_of(_child) + "\n_child()"],
            stdin=task,
            stdout=answer,
            stderr=errors,
            close_fds=True,
            start_new_session=True,
            cwd="/",
            env={
                "PATH": "/usr/bin:/bin",
                "LC_ALL": "C.UTF-8",
                "OPENBLAS_NUM_THREADS": "1",
                "OMP_NUM_THREADS": "1",
                **(
                    {"LD_LIBRARY_PATH": os.environ["LD_LIBRARY_PATH"]}
                    if "LD_LIBRARY_PATH" in os.environ
                    else {}
                ),
            },
        )
        deadline = time.monotonic() + seconds + 1
        late = False
        try:
            while process.poll() is None:
                late = time.monotonic() > deadline
                if late:
                    break
                plpy.execute("select pg_sleep(0.01)")  # where a cancel is noticed
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        answer.seek(0)
        errors.seek(0)
        said, told = answer.read(4 << 20), errors.read(100_000).decode("utf-8", "replace")
    mend = "Publish a smaller model, or let a superuser raise {} in modelpack.setting."
    code = -process.returncode
    if late or code in (signal.SIGALRM, signal.SIGXCPU):
        refuse(
            f"the model is refused: it did not load and score its golden rows within {seconds} seconds",
            "a model that is done in time",
            mend.format("trial_seconds"),
        )
    if process.returncode != 0 or not said:
        how = f"was ended by {signal.Signals(code).name}" if code > 0 else f"ended with {process.returncode}"
        last = " ".join(told.split())[-300:]
        refuse(
            f"the model is refused: the process that tried it {how}" + (f" ({last})" if last else ""),
            f"a model that loads and scores within {setting['trial_memory']} of memory",
            mend.format("trial_memory"),
        )
    report = json.loads(said)
    if "python" in report:
        refuse(
            f"{python} is Python {'.'.join(map(str, report['python']))}",
            f"Python {version}, as PL/Python links it",
            "Mend the server's Python.",
        )
    if "missing" in report:
        refuse(
            f"the server's Python {version} cannot import numpy and onnxruntime: {report['missing']}",
            "both of them, for that Python",
            "modelpack install --server-wheels DIR",
        )
    if "refused" in report:
        refuse(
            f"the model is refused: {report['refused']}",
            f"a model that onnxruntime {report['onnxruntime']} loads and runs within {setting['trial_memory']}",
            "Publish with the package (modelpack publish), and compare the library versions.",
        )
    if report["unsteady"]:
        place, first, later = report["unsteady"]
        refuse(
            f"the model is refused: golden row {place + 1} scores {first}, and {later} when it is scored again",
            "a score that depends on its row only",
            "Publish with the package (modelpack publish), which writes models in the normal form.",
        )
    # Rows of a batch that differ in the last digits are rounded in another way; by more, they are mixed. Where the graph
    # shows that rows are kept apart, it is rounding whatever the size, such as that of a difference of large numbers.
    largest = max([1.0, *(abs(s) for s in report["scores"] if s - s == 0.0)])
    far = range(report["golden"], report["golden"] + report["probes"])
    for place, alone, among in [] if rows_apart else report["mixed"]:
        allowed = (1e-6 if place < report["golden"] else 1e-3) * largest
        if place not in far and not abs(alone - among) <= allowed:
            refuse(
                f"the model is refused: a row alone scores {alone}, the same row among others {among}",
                "a score that depends on its own row only",
                "Publish with the package (modelpack publish), which writes models in the normal form.",
            )
    for name in ("mixed", "unsteady", "golden", "probes"):
        del report[name]
    scores = iter(report["scores"])
    found = [None if r is None else next(scores) for r in rows]
    report["scores"] = [None if s is None or s - s != 0.0 else s for s in found]
    report["reasons"] = [
        "nothing: an input is NULL or out of range"
        if s is None
        else (f"the score {s}" if s - s != 0.0 else None)
        for s in found
    ]
    report["python"] = version
    return json.dumps(report)
