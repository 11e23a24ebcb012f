"""What modelpack.trial runs in a process of its own: the job on stdin, one JSON document on stdout."""

import contextlib
import ctypes
import json
import os
import random
import resource
import signal
import struct
import sys
import time
from typing import Any, NoReturn

from modelpack.packager.sessions import open_session
from plpython.libraries import importing

Packed = list[Any]  # the numbers and the texts of a row


def limit(memory: int, seconds: int) -> None:
    for name, soft, hard in (
        ("RLIMIT_AS", memory, memory),
        ("RLIMIT_CPU", seconds, seconds + 1),  # at the soft limit comes SIGXCPU, at the hard one SIGKILL
        ("RLIMIT_CORE", 0, 0),
        ("RLIMIT_FSIZE", 4 << 20, 4 << 20),
        ("RLIMIT_NPROC", 0, 0),
        ("RLIMIT_NOFILE", 64, 64),
    ):
        kind = getattr(resource, name, None)
        if kind is not None:
            most = resource.getrlimit(kind)[1]
            if most != resource.RLIM_INFINITY:
                soft, hard = min(soft, most), min(hard, most)
            resource.setrlimit(kind, (soft, hard))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


class Answer:
    """The one document; a library that prints does not print into it."""

    def __init__(self) -> None:
        self._file = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def say(self, document: dict[str, object]) -> NoReturn:
        self._file.write(json.dumps(document))
        self._file.flush()
        os._exit(0)


def bits(score: float) -> bytes:
    return struct.pack("=d", score) if score == score else b"NaN"


def peak() -> int:
    """The most memory that the process has had, in kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Tried:
    """A model, and the scores that its rows have alone."""

    def __init__(self, numpy: Any, session: Any, job: dict[str, Any]) -> None:
        self._numpy, self._session, self._job = numpy, session, job
        self._begun, self._seconds = time.monotonic(), job["seconds"]
        self._rows: list[Packed] = list(job["rows"])
        self._alone: list[float] = []
        self._chance = random.Random(7)

    def _late(self, share: float) -> bool:
        """Whether so much of the time is used."""
        return bool(time.monotonic() - self._begun > self._seconds * share)

    def _run(self, rows: list[Packed]) -> list[float]:
        numpy, feed = self._numpy, {}
        numbers, texts = [row[0] for row in rows], [row[1] for row in rows]
        if numbers[0]:
            feed["number"] = numpy.array(numbers, dtype=numpy.float32)
        if texts[0]:
            feed["text"] = numpy.array(texts, dtype=object)
        (score,) = self._session.run(["score"], feed)
        if not isinstance(score, numpy.ndarray) or score.dtype.name not in ("float32", "float64"):
            raise TypeError(f"its score is {getattr(score, 'dtype', type(score).__name__)}, expected a float")
        if score.shape not in ((len(rows),), (len(rows), 1)):
            raise TypeError(
                f"its score has the shape {list(score.shape)} for {len(rows)} rows, expected one number a row"
            )
        return [float(one) for one in score.reshape(-1)]

    def alone(self) -> dict[str, object]:
        """Each row by itself: golden ones twice and a third time, probes in any case, others while there is time."""
        golden, probes = self._job["rows"], self._job["probes"]
        scores = [self._run([row])[0] for row in golden]
        self._alone = list(scores)
        slowest, started = 0.0, time.perf_counter()
        again = []
        for row in golden:
            before = time.process_time()
            again += self._run([row])
            slowest = max(slowest, time.process_time() - before)
        taken = time.perf_counter() - started
        for row in probes + self._job["others"]:  # whatever they give: it is one number, and it ends
            if len(self._rows) >= len(golden) + len(probes) and self._late(1 / 4):
                break
            self._rows.append(row)
            self._alone += self._run([row])
        again += self._in_other_memory()
        return {
            "scores": scores,
            "row_microseconds": round(taken / len(scores) * 1e6, 1),
            "slowest_microseconds": round(slowest * 1e6, 1),  # of processor time, as the time budget is
            "unsteady": next(
                (
                    [n % len(scores), scores[n % len(scores)], score]
                    for n, score in enumerate(again)
                    if bits(score) != bits(scores[n % len(scores)])
                ),
                None,
            ),
        }

    def _in_other_memory(self) -> list[float]:
        """Golden rows once more: memory that a model takes and does not write has other contents (with glibc)."""
        with contextlib.suppress(Exception):
            ctypes.CDLL(None).mallopt(-6, 0x5A)
        again: list[float] = []
        for row in [] if self._late(1 / 4) else self._job["rows"]:
            again += self._run([row])
        with contextlib.suppress(Exception):
            ctypes.CDLL(None).mallopt(-6, 0)
        return again

    def _differing(self, order: list[int]) -> Any:
        """Of rows in one batch: [place, alone, among others] of the one that differs most from its score alone."""
        found = self._run([self._rows[n] for n in order])
        apart = [
            [n, self._alone[n], score]
            for n, score in zip(order, found, strict=True)
            if bits(self._alone[n]) != bits(score)
        ]
        return max(apart, key=lambda one: abs(one[1] - one[2]), default=None)

    def mixed(self) -> list[Any]:
        """What differs among other rows, in orders and sizes of all kinds."""
        places = list(range(len(self._rows)))
        orders = [list(range(len(self._job["rows"]))), places[::-1]]
        orders += [self._chance.sample(places, min(size, len(places))) for size in (2, 3, 5, 16, 16)]
        orders += [[n] * 3 for n in self._chance.sample(places, 2)]
        mixed = []
        for order in orders:
            if found := self._differing(order):
                mixed.append(found)
            if self._late(1 / 2):
                break
        return mixed

    def batched(self) -> tuple[int, list[Any]]:
        """How many rows a backend may score in one call: as many as were tried, bit for bit, in bounds of memory and
        time. And what differed."""
        most, taken = 1, peak()
        with contextlib.suppress(Exception):
            for size in (16, 64, 256, 1024, 4096):
                started = time.monotonic()
                if found := self._differing([self._chance.randrange(len(self._rows)) for _ in range(size)]):
                    return 1, [found]
                if peak() - taken > self._job["memory"] // 8192:
                    break
                most = size
                if 4 * (time.monotonic() - started) > self._seconds / 8:
                    break
        return most, []


def child() -> None:
    """Limits come before anything else."""
    job = json.loads(sys.stdin.buffer.readline())
    limit(job["memory"], job["seconds"])
    answer = Answer()
    if list(sys.version_info[:2]) != job["python"]:
        answer.say({"python": list(sys.version_info[:2])})
    if job["wheels"]:
        sys.path.insert(0, job["wheels"])
    try:
        with importing():
            import numpy
            import onnxruntime
    except BaseException as error:
        answer.say({"missing": f"{type(error).__name__}: {str(error)[:300]}"})
    report: dict[str, Any] = {"onnxruntime": onnxruntime.__version__, "numpy": numpy.__version__}
    try:
        model = sys.stdin.buffer.read()
        started = time.perf_counter()
        session = open_session(onnxruntime, model)
        report["load_milliseconds"] = round((time.perf_counter() - started) * 1000, 3)
    except BaseException as error:
        told = f"{type(error).__name__}: {str(error)[:500]}"
        answer.say({**report, "refused": f"onnxruntime cannot load it: {told}"})
    tried = Tried(numpy, session, job)
    try:
        report |= tried.alone()
        report["mixed"] = tried.mixed()
    except BaseException as error:
        told = f"{type(error).__name__}: {str(error)[:500]}"
        answer.say({**report, "refused": f"it cannot score: {told}"})
    report["batch_rows"] = 1
    if job["rows_apart"] and not report["mixed"]:
        report["batch_rows"], report["mixed"] = tried.batched()
    report["memory"] = peak() * 1024
    answer.say({**report, "golden": len(job["rows"]), "probes": len(job["probes"])})
