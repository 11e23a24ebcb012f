create or replace function modelpack.trial(onnx bytea, signature jsonb, golden jsonb, rows_apart boolean default false) returns jsonb
language plpython3u volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
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

# from modelpack/packager/texts.py
def pack_texts(cells: list[str | None], entries: list[dict[str, Any]]) -> list[str] | str:
    """The texts that the model receives, or the reason why it receives none.

    Args:
        cells: one row's texts, None where missing.
        entries: the signature's text inputs as JSON, in their order.
    """

    def words(text: str, how: dict[str, Any]) -> str:
        """The words or n-grams of a text, as scikit-learn's vectorisers read it, one after another."""
        import re
        import unicodedata

        if how["lowercase"]:
            text = text.lower()
        if how["strip_accents"] and not text.isascii():
            text = unicodedata.normalize("NFKD", text)
            if how["strip_accents"] == "ascii":
                text = text.encode("ascii", "ignore").decode("ascii")
            else:
                text = "".join(c for c in text if not unicodedata.combining(c))
        low, high = how["ngram_range"]
        found = []
        if how["kind"] == "word":
            tokens = re.findall(rf"\w{{{how['length']},}}", text)
            if how["stop_words"]:
                stop = set(how["stop_words"])
                tokens = [t for t in tokens if t not in stop]
            if low == high == 1:
                return "\x1f".join(tokens)
            for n in range(low, min(high, len(tokens)) + 1):
                found += [" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
            return "\x1f".join(found)
        if how["kind"] == "char":
            text = re.sub(r"\s\s+", " ", text)
            for n in range(low, min(high, len(text)) + 1):
                found += [text[i : i + n] for i in range(len(text) - n + 1)]
        else:  # char_wb: within words, a blank on either side; a word shorter than n counts once
            for token in text.split():
                word = f" {token} "
                for n in range(low, high + 1):
                    found += [word[i : i + n] for i in range(max(1, len(word) - n + 1))]
                    if n >= len(word):
                        break
        return "\x1f".join(f for f in found if "\x1f" not in f)  # no vocabulary has such a one

    packed = []
    for cell, entry in zip(cells, entries, strict=True):
        token, how = entry.get("missing_token"), entry.get("analyzer")
        if cell is None:
            if not entry["missing"] or not isinstance(token, str):
                return f"input {entry['name']} is NULL, which the model does not take"
            cell = token
        elif cell == token and not cell.isprintable():  # a printable one is meant by its signature as both
            return f"input {entry['name']} is the text that stands for a missing one, {cell!r}"
        elif how:
            if len(cell) * (how["ngram_range"][1] if how["kind"] == "word" else 4) > 1 << 20:
                return f"input {entry['name']} has more characters than can be read"
            cell = words(cell, how)
        packed.append(cell)
    return packed

# from plpython/loaded.py
LARGEST = 3.4028235677973366e38  # from here on float32 is infinite

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
            [python, "-I", "-c", (
    'import contextlib\n'
    'import ctypes\n'
    'import gc\n'
    'import json\n'
    'import os\n'
    'import random\n'
    'import resource\n'
    'import signal\n'
    'import struct\n'
    'import sys\n'
    'import time\n'
    'from collections.abc import Iterator\n'
    'from contextlib import contextmanager\n'
    'from types import ModuleType\n'
    'from typing import Any, NoReturn\n'
    '\n'
    '# from modelpack/packager/sessions.py\n'
    'def open_session(onnxruntime: Any, onnx: bytes) -> Any:\n'
    '    """A session of one thread that neither spins nor prints, on the CPU. Raises what onnxruntime raises."""\n'
    '    options = onnxruntime.SessionOptions()\n'
    '    options.intra_op_num_threads = 1\n'
    '    options.inter_op_num_threads = 1\n'
    '    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL\n'
    '    options.enable_cpu_mem_arena = False\n'
    '    options.log_severity_level = 4  # fatal alone\n'
    '    options.add_session_config_entry("session.intra_op.allow_spinning", "0")\n'
    '    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])\n'
    '    session._model_bytes = None  # kept to open it anew on another device: the size of the model once more\n'
    '    return session\n'
    '\n'
    '# from plpython/libraries.py\n'
    '@contextmanager\n'
    'def importing() -> Iterator[None]:\n'
    '    """Import numpy in three quarters of the time.\n'
    '\n'
    '    Nothing becomes garbage meanwhile, so nobody looks for it. And two modules of numpy that do nothing but write the help of\n'
    '    what is written in C, which nobody reads here, are left out; another numpy that lacks them ignores it.\n'
    '    """\n'
    '    for name in ("numpy._core._add_newdocs", "numpy._core._add_newdocs_scalars"):\n'
    '        sys.modules.setdefault(name, ModuleType(name))\n'
    '    collects = gc.isenabled()\n'
    '    gc.disable()\n'
    '    try:\n'
    '        yield\n'
    '    finally:\n'
    '        if collects:\n'
    '            gc.enable()\n'
    '\n'
    'Packed = list[Any]  # the numbers and the texts of a row\n'
    '\n'
    'def limit(memory: int, seconds: int) -> None:\n'
    '    for name, soft, hard in (\n'
    '        ("RLIMIT_AS", memory, memory),\n'
    '        ("RLIMIT_CPU", seconds, seconds + 1),  # at the soft limit comes SIGXCPU, at the hard one SIGKILL\n'
    '        ("RLIMIT_CORE", 0, 0),\n'
    '        ("RLIMIT_FSIZE", 4 << 20, 4 << 20),\n'
    '        ("RLIMIT_NPROC", 0, 0),\n'
    '        ("RLIMIT_NOFILE", 64, 64),\n'
    '    ):\n'
    '        kind = getattr(resource, name, None)\n'
    '        if kind is not None:\n'
    '            most = resource.getrlimit(kind)[1]\n'
    '            if most != resource.RLIM_INFINITY:\n'
    '                soft, hard = min(soft, most), min(hard, most)\n'
    '            resource.setrlimit(kind, (soft, hard))\n'
    '    signal.signal(signal.SIGALRM, signal.SIG_DFL)\n'
    '    signal.setitimer(signal.ITIMER_REAL, seconds)\n'
    '\n'
    'class Answer:\n'
    '    """The one document; a library that prints does not print into it."""\n'
    '\n'
    '    def __init__(self) -> None:\n'
    '        self._file = os.fdopen(os.dup(1), "w")\n'
    '        os.dup2(2, 1)\n'
    '\n'
    '    def say(self, document: dict[str, object]) -> NoReturn:\n'
    '        self._file.write(json.dumps(document))\n'
    '        self._file.flush()\n'
    '        os._exit(0)\n'
    '\n'
    'def bits(score: float) -> bytes:\n'
    '    return struct.pack("=d", score) if score == score else b"NaN"\n'
    '\n'
    'def peak() -> int:\n'
    '    """The most memory that the process has had, in kB."""\n'
    '    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n'
    '\n'
    'class Tried:\n'
    '    """A model, and the scores that its rows have alone."""\n'
    '\n'
    '    def __init__(self, numpy: Any, session: Any, job: dict[str, Any]) -> None:\n'
    '        self._numpy, self._session, self._job = numpy, session, job\n'
    '        self._begun, self._seconds = time.monotonic(), job["seconds"]\n'
    '        self._rows: list[Packed] = list(job["rows"])\n'
    '        self._alone: list[float] = []\n'
    '        self._chance = random.Random(7)\n'
    '\n'
    '    def _late(self, share: float) -> bool:\n'
    '        """Whether so much of the time is used."""\n'
    '        return bool(time.monotonic() - self._begun > self._seconds * share)\n'
    '\n'
    '    def _run(self, rows: list[Packed]) -> list[float]:\n'
    '        numpy, feed = self._numpy, {}\n'
    '        numbers, texts = [row[0] for row in rows], [row[1] for row in rows]\n'
    '        if numbers[0]:\n'
    '            feed["number"] = numpy.array(numbers, dtype=numpy.float32)\n'
    '        if texts[0]:\n'
    '            feed["text"] = numpy.array(texts, dtype=object)\n'
    '        (score,) = self._session.run(["score"], feed)\n'
    '        if not isinstance(score, numpy.ndarray) or score.dtype.name not in ("float32", "float64"):\n'
    '            raise TypeError(f"its score is {getattr(score, \'dtype\', type(score).__name__)}, expected a float")\n'
    '        if score.shape not in ((len(rows),), (len(rows), 1)):\n'
    '            raise TypeError(\n'
    '                f"its score has the shape {list(score.shape)} for {len(rows)} rows, expected one number a row"\n'
    '            )\n'
    '        return [float(one) for one in score.reshape(-1)]\n'
    '\n'
    '    def alone(self) -> dict[str, object]:\n'
    '        """Each row by itself: golden ones twice and a third time, probes in any case, others while there is time."""\n'
    '        golden, probes = self._job["rows"], self._job["probes"]\n'
    '        scores = [self._run([row])[0] for row in golden]\n'
    '        self._alone = list(scores)\n'
    '        slowest, started = 0.0, time.perf_counter()\n'
    '        again = []\n'
    '        for row in golden:\n'
    '            before = time.process_time()\n'
    '            again += self._run([row])\n'
    '            slowest = max(slowest, time.process_time() - before)\n'
    '        taken = time.perf_counter() - started\n'
    '        for row in probes + self._job["others"]:  # whatever they give: it is one number, and it ends\n'
    '            if len(self._rows) >= len(golden) + len(probes) and self._late(1 / 4):\n'
    '                break\n'
    '            self._rows.append(row)\n'
    '            self._alone += self._run([row])\n'
    '        again += self._in_other_memory()\n'
    '        return {\n'
    '            "scores": scores,\n'
    '            "row_microseconds": round(taken / len(scores) * 1e6, 1),\n'
    '            "slowest_microseconds": round(slowest * 1e6, 1),  # of processor time, as the time budget is\n'
    '            "unsteady": next(\n'
    '                (\n'
    '                    [n % len(scores), scores[n % len(scores)], score]\n'
    '                    for n, score in enumerate(again)\n'
    '                    if bits(score) != bits(scores[n % len(scores)])\n'
    '                ),\n'
    '                None,\n'
    '            ),\n'
    '        }\n'
    '\n'
    '    def _in_other_memory(self) -> list[float]:\n'
    '        """Golden rows once more: memory that a model takes and does not write has other contents (with glibc)."""\n'
    '        with contextlib.suppress(Exception):\n'
    '            ctypes.CDLL(None).mallopt(-6, 0x5A)\n'
    '        again: list[float] = []\n'
    '        for row in [] if self._late(1 / 4) else self._job["rows"]:\n'
    '            again += self._run([row])\n'
    '        with contextlib.suppress(Exception):\n'
    '            ctypes.CDLL(None).mallopt(-6, 0)\n'
    '        return again\n'
    '\n'
    '    def _differing(self, order: list[int]) -> Any:\n'
    '        """Of rows in one batch: [place, alone, among others] of the one that differs most from its score alone."""\n'
    '        found = self._run([self._rows[n] for n in order])\n'
    '        apart = [\n'
    '            [n, self._alone[n], score]\n'
    '            for n, score in zip(order, found, strict=True)\n'
    '            if bits(self._alone[n]) != bits(score)\n'
    '        ]\n'
    '        return max(apart, key=lambda one: abs(one[1] - one[2]), default=None)\n'
    '\n'
    '    def mixed(self) -> list[Any]:\n'
    '        """What differs among other rows, in orders and sizes of all kinds."""\n'
    '        places = list(range(len(self._rows)))\n'
    '        orders = [list(range(len(self._job["rows"]))), places[::-1]]\n'
    '        orders += [self._chance.sample(places, min(size, len(places))) for size in (2, 3, 5, 16, 16)]\n'
    '        orders += [[n] * 3 for n in self._chance.sample(places, 2)]\n'
    '        mixed = []\n'
    '        for order in orders:\n'
    '            if found := self._differing(order):\n'
    '                mixed.append(found)\n'
    '            if self._late(1 / 2):\n'
    '                break\n'
    '        return mixed\n'
    '\n'
    '    def batched(self) -> tuple[int, list[Any]]:\n'
    '        """How many rows a backend may score in one call: as many as were tried, bit for bit, in bounds of memory and\n'
    '        time. And what differed."""\n'
    '        most, taken = 1, peak()\n'
    '        with contextlib.suppress(Exception):\n'
    '            for size in (16, 64, 256, 1024, 4096):\n'
    '                started = time.monotonic()\n'
    '                if found := self._differing([self._chance.randrange(len(self._rows)) for _ in range(size)]):\n'
    '                    return 1, [found]\n'
    '                if peak() - taken > self._job["memory"] // 8192:\n'
    '                    break\n'
    '                most = size\n'
    '                if 4 * (time.monotonic() - started) > self._seconds / 8:\n'
    '                    break\n'
    '        return most, []\n'
    '\n'
    'def child() -> None:\n'
    '    """Limits come before anything else."""\n'
    '    job = json.loads(sys.stdin.buffer.readline())\n'
    '    limit(job["memory"], job["seconds"])\n'
    '    answer = Answer()\n'
    '    if list(sys.version_info[:2]) != job["python"]:\n'
    '        answer.say({"python": list(sys.version_info[:2])})\n'
    '    if job["wheels"]:\n'
    '        sys.path.insert(0, job["wheels"])\n'
    '    try:\n'
    '        with importing():\n'
    '            import numpy\n'
    '            import onnxruntime\n'
    '    except BaseException as error:\n'
    '        answer.say({"missing": f"{type(error).__name__}: {str(error)[:300]}"})\n'
    '    report: dict[str, Any] = {"onnxruntime": onnxruntime.__version__, "numpy": numpy.__version__}\n'
    '    try:\n'
    '        model = sys.stdin.buffer.read()\n'
    '        started = time.perf_counter()\n'
    '        session = open_session(onnxruntime, model)\n'
    '        report["load_milliseconds"] = round((time.perf_counter() - started) * 1000, 3)\n'
    '    except BaseException as error:\n'
    '        told = f"{type(error).__name__}: {str(error)[:500]}"\n'
    '        answer.say({**report, "refused": f"onnxruntime cannot load it: {told}"})\n'
    '    tried = Tried(numpy, session, job)\n'
    '    try:\n'
    '        report |= tried.alone()\n'
    '        report["mixed"] = tried.mixed()\n'
    '    except BaseException as error:\n'
    '        told = f"{type(error).__name__}: {str(error)[:500]}"\n'
    '        answer.say({**report, "refused": f"it cannot score: {told}"})\n'
    '    report["batch_rows"] = 1\n'
    '    if job["rows_apart"] and not report["mixed"]:\n'
    '        report["batch_rows"], report["mixed"] = tried.batched()\n'
    '    report["memory"] = peak() * 1024\n'
    '    answer.say({**report, "golden": len(job["rows"]), "probes": len(job["probes"])})'
) + "\nchild()"],
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

try:
    return json.dumps(tried(plpy, onnx, json.loads(signature), json.loads(golden), rows_apart))
except TrialError as refused:
    plpy.error(
        refused.found, detail=f"Expected: {refused.expected}.", hint=refused.hint, sqlstate="22023"
    )
    raise AssertionError from None  # plpy.error does not return
$modelpack$;
comment on function modelpack.trial(bytea, jsonb, jsonb, boolean) is
  'Loads a model and runs its golden rows in a process of its own, with limits of memory and time (trial_memory, trial_seconds in modelpack.setting): alone, again, and among other rows. Returns the scores, the library versions and how many rows may be scored in one call (1 unless the rows_apart that modelpack.inspect found holds bit for bit); refuses a model that crashes, hangs, gives anything but one number a row, or another one the second time or among other rows.';
revoke all on function modelpack.trial(bytea, jsonb, jsonb, boolean) from public;
