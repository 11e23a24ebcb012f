"""modelpack.trial: loads and runs a model for the first time, in a process of its own with limits."""

import json
import os
import random
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from typing import Any

from modelpack.packager.texts import pack_texts
from plpython import source_of
from plpython.inputs import LARGEST
from plpython.trial_child import child

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

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


class TrialError(Exception):
    """What was found, what was expected, and what to do."""

    def __init__(self, found: str, expected: str, hint: str) -> None:
        super().__init__(found)
        self.found, self.expected, self.hint = found, expected, hint


def interpreter() -> str:
    """The Python that PL/Python links, as a program."""
    places = (sysconfig.get_config_var("BINDIR"), f"{sys.base_exec_prefix}/bin", "/usr/bin")
    paths = [f"{p}/python{VERSION}" for p in places if p]
    python = next((p for p in paths if os.access(p, os.X_OK)), None)
    if python is None:
        raise TrialError(
            f"the server has no interpreter to try a model in: none of {', '.join(dict.fromkeys(paths))}",
            f"Python {VERSION}, as PL/Python links it",
            f"On the server, on Debian and Ubuntu: apt-get install python{VERSION}.",
        )
    return python


class Samples:
    """The rows that a model is tried with, packed as modelpack.load packs them; None: a row that is not run."""

    def __init__(self, inputs: list[dict[str, Any]], rows: list[list[Any]]) -> None:
        self._inputs, self._given = inputs, rows
        self._numeric = [n for n, i in enumerate(inputs) if i["type"] == "number"]
        self._textual = [n for n, i in enumerate(inputs) if i["type"] == "text"]
        self.golden = [self._packed(cells) for cells in rows]

    def _packed(self, cells: list[Any]) -> list[list[Any]] | None:
        for n in self._numeric:
            cell = cells[n]
            if cell is None and not self._inputs[n]["missing"]:
                return None
            if isinstance(cell, (int, float)) and not -LARGEST < cell < LARGEST:
                return None
        words = pack_texts([cells[n] for n in self._textual], [self._inputs[n] for n in self._textual])
        return None if isinstance(words, str) else [[cells[n] for n in self._numeric], words]

    def probes(self) -> list[Any]:
        """Rows at the borders of what may come."""
        return [
            self._packed([number if i["type"] == "number" else word for i in self._inputs])
            for number in (0.0, -1.0, 1e30, None)
            for word in ("", "Z\u00fcrich", "x" * 10_000)
        ]

    def others(self, count: int) -> list[Any]:
        """Rows such as may come: cells of several golden rows, some moved, far off or missing."""
        chance = random.Random(5)
        return [self._packed(self._other(chance)) for _ in range(count)]

    def _other(self, chance: random.Random) -> list[float | str | None]:
        cells: list[float | str | None] = []
        for n, entry in enumerate(self._inputs):
            cell = chance.choice(self._given)[n]
            if entry["type"] == "number" and cell is not None:
                cell = chance.choice(
                    [cell, cell * chance.gauss(1, 0.3) + chance.gauss(0, 1), chance.gauss(0, 1)]
                )
            if chance.random() < 0.1 and (entry["missing"] or entry["type"] == "text"):
                cell = None
            cells.append(cell)
        return cells


class Ended:
    """How a process ended, and what it wrote."""

    def __init__(self, code: int, late: bool, said: bytes, told: str) -> None:
        self.code, self.late, self.said, self.told = code, late, said, told

    def check(self, seconds: int, memory: str) -> None:
        mend = "Publish a smaller model, or let a superuser raise {} in modelpack.setting."
        if self.late or -self.code in (signal.SIGALRM, signal.SIGXCPU):
            raise TrialError(
                f"the model is refused: it did not load and score its golden rows within {seconds} seconds",
                "a model that is done in time",
                mend.format("trial_seconds"),
            )
        if self.code != 0 or not self.said:
            how = (
                f"was ended by {signal.Signals(-self.code).name}"
                if self.code < 0
                else f"ended with {self.code}"
            )
            last = " ".join(self.told.split())[-300:]
            raise TrialError(
                f"the model is refused: the process that tried it {how}" + (f" ({last})" if last else ""),
                f"a model that loads and scores within {memory} of memory",
                mend.format("trial_memory"),
            )


def ran(plpy: Any, python: str, given: list[bytes], seconds: int) -> Ended:
    """Run the child. It inherits no descriptor, its folder is /, its environment is made here.

    The process is started by posix_spawn's kin (vfork and exec, no Python code between), so nothing of the
    backend runs in it: no fork of a process that holds locks, shared memory and a client's socket.
    """
    environment = {
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "ORT_DISABLE_TELEMETRY": "1",
    }
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    with (
        tempfile.TemporaryFile() as task,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as errors,
    ):
        task.writelines(given)
        task.flush()
        task.seek(0)
        process = subprocess.Popen(
            [python, "-I", "-c", source_of(child) + "\nchild()"],
            stdin=task,
            stdout=answer,
            stderr=errors,
            close_fds=True,
            start_new_session=True,
            cwd="/",
            env=environment,
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
        told = errors.read(100_000).decode("utf-8", "replace")
        return Ended(process.returncode, late, answer.read(4 << 20), told)


def check_started(report: dict[str, Any], python: str, memory: str) -> None:
    """Whether the process had its libraries and scored."""
    if "python" in report:
        raise TrialError(
            f"{python} is Python {'.'.join(map(str, report['python']))}",
            f"Python {VERSION}, as PL/Python links it",
            "Mend the server's Python.",
        )
    if "missing" in report:
        raise TrialError(
            f"the server's Python {VERSION} cannot import numpy and onnxruntime: {report['missing']}",
            "both of them, for that Python",
            "modelpack install --server-wheels DIR",
        )
    if "refused" in report:
        raise TrialError(
            f"the model is refused: {report['refused']}",
            f"a model that onnxruntime {report['onnxruntime']} loads and runs within {memory}",
            "Publish with the package (modelpack publish), and compare the library versions.",
        )


def check_scores(report: dict[str, Any], rows_apart: bool) -> None:
    """Whether a score depended on anything but its row.

    Rows of a batch that differ in the last digits are rounded in another way; by more, they are mixed. Where the graph
    shows that rows are kept apart, it is rounding whatever the size, such as that of a difference of large numbers.
    """
    hint = "Publish with the package (modelpack publish), which writes models in the normal form."
    if report["unsteady"]:
        place, first, later = report["unsteady"]
        raise TrialError(
            f"the model is refused: golden row {place + 1} scores {first}, and {later} when it is scored again",
            "a score that depends on its row only",
            hint,
        )
    largest = max([1.0, *(abs(s) for s in report["scores"] if s - s == 0.0)])
    far = range(report["golden"], report["golden"] + report["probes"])
    for place, alone, among in [] if rows_apart else report["mixed"]:
        allowed = (1e-6 if place < report["golden"] else 1e-3) * largest
        if place not in far and not abs(alone - among) <= allowed:
            raise TrialError(
                f"the model is refused: a row alone scores {alone}, the same row among others {among}",
                "a score that depends on its own row only",
                hint,
            )


def tried(
    plpy: Any, onnx: bytes, signature: dict[str, Any], golden: dict[str, Any], rows_apart: bool
) -> dict[str, Any]:
    """What the process found, or why the model is refused."""
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
    python = interpreter()
    samples = Samples(signature["inputs"], golden["rows"])
    job = {
        "python": list(sys.version_info[:2]),
        "wheels": wheels,
        "memory": memory,
        "seconds": seconds,
        "rows": [r for r in samples.golden if r is not None],
        "rows_apart": rows_apart,
        "others": [r for r in samples.others(64) if r is not None],
        "probes": [p for p in samples.probes() if p is not None],
    }
    if not job["rows"]:
        raise TrialError(
            "the model is refused: its signature takes none of its golden rows",
            "golden rows that can be scored",
            "Publish with a sample: modelpack publish MODEL --sample rows.csv",
        )
    ended = ran(plpy, python, [json.dumps(job).encode(), b"\n", onnx], seconds)
    ended.check(seconds, setting["trial_memory"])
    report: dict[str, Any] = json.loads(ended.said)
    check_started(report, python, setting["trial_memory"])
    check_scores(report, rows_apart)
    scores = iter(report["scores"])
    return described(report, [None if r is None else next(scores) for r in samples.golden])


def described(report: dict[str, Any], found: list[float | None]) -> dict[str, Any]:
    """The report with one score for each golden row, and why a row has none."""
    for name in ("mixed", "unsteady", "golden", "probes"):
        del report[name]
    report["scores"] = [None if s is None or s - s != 0.0 else s for s in found]
    report["reasons"] = [
        "nothing: an input is NULL or out of range"
        if s is None
        else (f"the score {s}" if s - s != 0.0 else None)
        for s in found
    ]
    report["python"] = VERSION
    return report


def trial(plpy: Any, onnx: bytes, signature: str, golden: str, rows_apart: bool) -> str:
    """JSON with `scores` (one a golden row; null where the row has none), `batch_rows`, library versions, memory, times.

    What keeps a score to its own row is that every row is scored alone, unless the graph shows that rows are kept
    apart (`rows_apart`) and a batch gives the bits of the single rows: a kernel may round a batch in another way. A
    model that the trial sees mixing rows is refused all the same, since its makers meant something else.
    """
    try:
        return json.dumps(tried(plpy, onnx, json.loads(signature), json.loads(golden), rows_apart))
    except TrialError as refused:
        plpy.error(
            refused.found, detail=f"Expected: {refused.expected}.", hint=refused.hint, sqlstate="22023"
        )
        raise AssertionError from None  # plpy.error does not return
