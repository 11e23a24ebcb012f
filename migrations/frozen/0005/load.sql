create or replace function modelpack.load(version_id integer) returns void
language plpython3u volatile security invoker
set search_path = pg_catalog, pg_temp
-- whoever calls may have them otherwise: a catalogue of a few rows would then look costly enough for a compiler
set enable_seqscan = on
set jit = off
as $modelpack$
import collections
import ctypes
import gc
import hashlib
import importlib
import json
import os
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

# from modelpack/packager/sessions.py
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

# from plpython/libraries.py
def put_wheels_first(folder: str | None) -> None:
    """Have Python import from the folder first; OpenBLAS starts no threads, and onnxruntime tells nobody what it runs."""
    if folder and folder not in sys.path:
        sys.path.insert(0, folder)
    if "onnxruntime" not in sys.modules:
        importlib.invalidate_caches()  # a folder that was not there at the last attempt
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # else it has a thread in each backend, and files in the home of the server's user
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

@contextmanager
def no_signals() -> Iterator[None]:
    """Threads that are started within must never receive the backend's signals."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

@contextmanager
def importing() -> Iterator[None]:
    """Import numpy in three quarters of the time.

    Nothing becomes garbage meanwhile, so nobody looks for it. And two modules of numpy that do nothing but write the help of
    what is written in C, which nobody reads here, are left out; another numpy that lacks them ignores it.
    """
    for name in ("numpy._core._add_newdocs", "numpy._core._add_newdocs_scalars"):
        sys.modules.setdefault(name, ModuleType(name))
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()

def give_back_memory() -> None:
    """Have the C library give back what is freed: of glibc's, half of what a large model took while it was read."""
    with suppress(OSError, AttributeError):  # others have no such function
        ctypes.CDLL(None).malloc_trim(0)

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

class Broken:
    """Gives the reason instead of a score, until it is time to load the version again."""

    many = None

    def __init__(self, GD: dict[str, Any], version_id: int, reason: str, pause: float) -> None:
        self._reason, self._until = reason, time.monotonic() + pause
        self._version_id, self._GD, self._cache = version_id, GD, GD["modelpack"]

    def run(self, _numbers: Any, _texts: Any) -> None:
        self._GD["modelpack_failure"] = self._reason
        if time.monotonic() > self._until:
            self._cache.pop(self._version_id, None)

class Breaker:
    """After `limit` failures in a row a model is not called for `pause` seconds."""

    def __init__(self, GD: dict[str, Any], loaded: "Loaded", limit: int, pause: float) -> None:
        self.in_a_row = 0
        self._limit, self._pause = limit, pause
        self._GD, self._loaded = GD, loaded

    def fails(self, reason: str, weight: int = 1) -> None:
        """Count a failure; at the limit stand in the place of the model."""
        self._GD["modelpack_failure"] = reason
        self.in_a_row += weight
        if self.in_a_row >= self._limit and self._loaded.run is self._loaded.whole[0]:
            self._until = time.monotonic() + self._pause
            self._reason = f"the model keeps failing and is not called for {self._pause:g} s: {reason}"
            self._loaded.run, self._loaded.many = self.refuse, None

    def runs_too_long(self, budget: float) -> None:
        """Four calls that had to be ended open it."""
        self.fails(
            f"the model ran beyond its time budget of {budget * 1000:g} ms and was ended",
            weight=-(-self._limit // 4),
        )

    def refuse(self, numbers: Any, texts: Any) -> Any:
        """What is called instead of the model."""
        if time.monotonic() < self._until:
            self._GD["modelpack_failure"] = self._reason
            return None
        # half-open: one success closes it, one failure opens it again
        self._loaded.run, self._loaded.many = self._loaded.whole
        return self._loaded.run(numbers, texts)

class Loaded:
    """An onnxruntime session of a version, with the memory that its calls share."""

    def __init__(
        self, GD: dict[str, Any], numpy: Any, onnxruntime: Any, session: Any, found: dict[str, Any]
    ) -> None:
        inputs = json.loads(found["signature"])["inputs"]
        self._GD, self._numpy, self._session = GD, numpy, session
        self._names = [i["name"] for i in inputs if i["type"] == "number"]
        self._words = [i for i in inputs if i["type"] == "text"]
        self._needed = [i["name"] for i in inputs if i["type"] == "number" and not i["missing"]]
        # as many rows in one call as gave the bits of single rows when this onnxruntime tried the model
        self._most = found["batch_rows"] if found["onnxruntime"] == onnxruntime.__version__ else 1
        self._budget = found["budget"]
        self._watch = GD["modelpack_watch"]
        # not much beyond the budget, and a cancel within 0.1 s
        self._watch[3] = min(self._watch[3], max(0.025, self._budget / 2.5))
        self._options = onnxruntime.RunOptions()
        self._row = bytearray(4 * len(self._names))
        self._numbers = numpy.frombuffer(self._row, numpy.float32).reshape(1, len(self._names))
        self._raw = session._sess  # what lies below onnxruntime's Python: saves a fifth of a call
        self._breaker = Breaker(GD, self, found["breaker_failures"], found["breaker_pause"])
        # what runs the model, where the breaker does not stand in its place
        self.whole = (self._scorer(), self._many)
        self.many: Callable[..., list[float]] | None
        self.run, self.many = self.whole

    def _bound(self) -> Callable[[Any], Any]:
        """For numbers: the memory of row and score is the same for every call, which saves a third of it."""
        numpy, run_options = self._numpy, self._options
        (output,) = self._session.get_outputs()
        score = numpy.zeros([1] * len(output.shape), "f8" if "double" in output.type else "f4")
        binding = self._session.io_binding()
        if self._names:
            given = self._numbers
            binding.bind_input("number", "cpu", 0, numpy.float32, given.shape, given.ctypes.data)
        binding.bind_output("score", "cpu", 0, score.dtype.type, score.shape, score.ctypes.data)
        run_bound, handle, item = self._raw.run_with_iobinding, binding._iobinding, score.item

        def call(_texts: Any, _kept: Any = (binding, score)) -> Any:
            run_bound(handle, run_options)
            return item()

        return call

    def _fed(self) -> Callable[[Any], Any]:
        """For texts, which onnxruntime takes from objects only."""
        numpy, raw, run_options = self._numpy, self._raw, self._options
        outputs, feed = ["score"], {"number": self._numbers} if self._names else {}

        def call(texts: Any) -> Any:
            feed["text"] = numpy.array((texts,), dtype=object)
            return raw.run(outputs, feed, run_options)[0].item()

        return call

    def _scorer(self) -> Callable[[Any, Any], Any]:
        """The function `(numbers, texts) -> score or None`, which each event calls.

        It is a closure: these classes are made anew for each version, so where a session has several, Python does not
        learn where the attributes of `self` lie. A method took 3% longer with two.
        """
        GD, watch, breaker, unfit, ended = self._GD, self._watch, self._breaker, self._unfit, self._ended
        run_options, row, nan, words = self._options, self._row, float("nan"), self._words
        armed = (run_options, self._budget)
        numeric = len(self._names)
        pack = struct.Struct(f"={numeric}f").pack_into  # refuses what float32 does not hold
        call = self._fed() if words else self._bound()

        def score(numbers: list[float | None], texts: list[str | None] | None) -> Any:
            try:
                if numeric:
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
                found = call(texts)
                watch[1] = None
            except Exception as error:
                watch[1] = None
                ended(error)
                return None
            if watch[2]:  # it ended by itself just as the watchdog meant to end it
                watch[2], run_options.terminate = None, False
            if found - found != 0.0:
                breaker.fails(f"the model gives {found}")
                return None
            if breaker.in_a_row:
                breaker.in_a_row = 0
            return found

        return score

    def _unfit(self, numbers: list[float | None]) -> str | None:
        """Why the numbers cannot be scored, if they cannot. NaN is a missing value."""
        for name, value in zip(self._names, numbers, strict=True):
            if value is None or value != value:
                if name in self._needed:
                    return f"input {name} is NULL, which the model does not take"
            elif not -LARGEST < value < LARGEST:
                return f"input {name} is beyond what float32 holds"
        return None

    def _ended(self, error: Exception) -> None:
        """Say why a call gave no score: the watchdog ended it, or the model failed."""
        ended, self._watch[2], self._options.terminate = self._watch[2], None, False
        if ended == "cancel":
            self._GD["modelpack_failure"] = "the statement was cancelled"
        elif ended == "time":
            self._breaker.runs_too_long(self._budget)
        else:
            self._breaker.fails(f"the model fails: {type(error).__name__} of onnxruntime")

    def _many(self, packed: bytes | None, cells: list[list[str | None]] | None) -> list[float]:
        """Scores of rows; NaN for a row that has to be scored on its own to know what is wrong.

        `packed` is what array_send gives for a float8[][] without NULLs: a head of 28 bytes, then each number after its
        length; None without numbers. `cells`: the texts of each row; None without texts. In batches of at most as many
        rows as were tried, each under the time budget of one row: they grow while they are far within it.
        """
        numpy, watch, run_options = self._numpy, self._watch, self._options
        feed, unfit = {}, []
        if self._names:
            element = numpy.dtype([("length", ">i4"), ("value", ">f8")])
            rows = numpy.frombuffer(packed, element, offset=28)["value"].reshape(-1, len(self._names))
            numbers = rows.astype(numpy.float64)
            with numpy.errstate(over="ignore"):
                feed["number"] = numbers.astype(numpy.float32)
            required = [place for place, name in enumerate(self._names) if name in self._needed]
            unfit += [numpy.isinf(feed["number"]).any(axis=1), numpy.isnan(numbers[:, required]).any(axis=1)]
        if self._words:
            found = [pack_texts(row, self._words) for row in cells or ()]
            nothing = [""] * len(self._words)
            feed["text"] = numpy.array([nothing if isinstance(f, str) else f for f in found], dtype=object)
            unfit.append(numpy.array([isinstance(f, str) for f in found]))
        count = len(next(iter(feed.values())))
        scores = numpy.full(count, numpy.nan)
        size, begin = min(16, self._most), 0
        while begin < count:
            started = time.monotonic()
            batch = {name: given[begin : begin + size] for name, given in feed.items()}
            try:
                watch[0] += 1
                watch[1] = (run_options, self._budget)
                given_scores = self._raw.run(["score"], batch, run_options)[0]
                watch[1] = None
            except Exception:
                watch[1] = None
                watch[2], run_options.terminate = None, False
                break
            if watch[2]:
                watch[2], run_options.terminate = None, False
            scores[begin : begin + size] = given_scores.reshape(-1)
            begin += size
            far = time.monotonic() - started < self._budget / 8
            size = min(self._most, 2 * size) if far else max(1, size // 2)
        bad = numpy.logical_or.reduce([~numpy.isfinite(scores), *unfit])
        kept: list[float] = numpy.where(bad, numpy.nan, scores).tolist()
        return kept

LIMIT = 16  # versions in a session

class UnfitError(Exception):
    """What the catalog says of a version that must not be loaded."""

def read(plpy: Any, version_id: int) -> Any:
    """The row of a version and all that bounds its runs; its bytes have passed the gate and have their hash."""
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
        f" from modelpack.setting) as s where v.version_id = {version_id}"
    )
    if len(found) == 0:
        raise UnfitError(f"there is no version with the number {version_id}")
    if found[0]["batch_rows"] is None:
        raise UnfitError("these bytes have not passed modelpack.prove on this server")
    if found[0]["onnx"] is None:
        raise UnfitError("the bytes of the version were purged")
    if hashlib.sha256(found[0]["onnx"]).hexdigest() != found[0]["sha256"]:
        raise UnfitError("the bytes of the model do not have the hash under which they were published")
    return found[0]

def bring_in(plpy: Any, GD: dict[str, Any], version_id: int) -> Loaded:
    """A version, ready to score."""
    found = read(plpy, version_id)
    put_wheels_first(plpy.execute("select modelpack.server_wheels() as path")[0]["path"])
    with no_signals():
        with importing():
            import numpy
            import onnxruntime

        plpy.execute("select modelpack.start_watchdog()")
        session = open_session(onnxruntime, found["onnx"])
    return Loaded(GD, numpy, onnxruntime, session, found)

def pause(GD: dict[str, Any], version_id: int) -> float:
    """Seconds until what could not be loaded is tried again: more with each attempt."""
    attempts = GD.setdefault("modelpack_attempts", {})
    attempts[version_id] = attempts.get(version_id, 0) + 1
    return (1.0, 2.0, 4.0, 8.0, 10.0)[min(attempts[version_id], 5) - 1]

cache = SD.get("cache")
if cache is None:
    cache = SD["cache"] = GD["modelpack"] = collections.OrderedDict()
if version_id in cache:
    return  # modelpack.warm, or another caller, has loaded it
version: Any
try:
    version = bring_in(plpy, GD, version_id)
    give_back_memory()
    GD.get("modelpack_attempts", {}).pop(version_id, None)
except UnfitError as error:
    GD.get("modelpack_attempts", {}).pop(version_id, None)
    version = Broken(GD, version_id, str(error), 1.0)
except plpy.SPIError as error:
    # cancel and shutdown, serialization, resources, lock timeout, input/output, read-only: never swallowed
    state = error.sqlstate or ""
    if state[:2] in ("57", "40", "53", "55", "58") or state == "25006":
        raise
    version = Broken(GD, version_id, f"the model cannot be read: {error}", pause(GD, version_id))
except ImportError as error:
    python = ".".join(map(str, sys.version_info[:2]))
    reason = (
        f"the server's Python {python} cannot import {error.name or 'onnxruntime'}: {str(error)[:300]}; "
        "install numpy and onnxruntime for that Python and name their folder: modelpack install --server-wheels DIR"
    )
    version = Broken(GD, version_id, reason, pause(GD, version_id))
except Exception as error:
    reason = f"the model cannot be loaded: {type(error).__name__}: {str(error)[:500]}"
    version = Broken(GD, version_id, reason, pause(GD, version_id))
cache.pop(version_id, None)
while len(cache) >= LIMIT:
    cache.popitem(last=False)
cache[version_id] = version
$modelpack$;
comment on function modelpack.load(integer) is
  'Brings a version into the session: reads its bytes, checks their hash, makes an onnxruntime session of one thread. What fails is remembered for a second (later for longer, up to ten), so that a broken model costs little.';
revoke all on function modelpack.load(integer) from public;
