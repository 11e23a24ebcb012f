"""A version that onnxruntime scores in this session."""

import time
from collections.abc import Callable
from typing import Any

from modelpack.packager.texts import pack_texts
from plpython.breaker import Breaker
from plpython.inputs import Inputs


class Loaded:
    """An onnxruntime session of a version, with the memory that its calls share."""

    def __init__(
        self, GD: dict[str, Any], numpy: Any, onnxruntime: Any, session: Any, found: dict[str, Any]
    ) -> None:
        self._inputs = inputs = Inputs(found["signature"])
        self._GD, self._numpy, self._session = GD, numpy, session
        self.library = f"onnxruntime {onnxruntime.__version__}"
        # as many rows in one call as gave the bits of single rows when this onnxruntime tried the model
        self._most = found["batch_rows"] if found["onnxruntime"] == onnxruntime.__version__ else 1
        self._budget = found["budget"]
        self._watch = GD["modelpack_watch"]
        # not much beyond the budget, and a cancel within 0.1 s
        self._watch[3] = min(self._watch[3], max(0.025, self._budget / 2.5))
        self._options = onnxruntime.RunOptions()
        self._numbers = numpy.frombuffer(inputs.row, numpy.float32).reshape(1, len(inputs.names))
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
        if self._inputs.names:
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
        outputs, feed = ["score"], {"number": self._numbers} if self._inputs.names else {}

        def call(texts: Any) -> Any:
            feed["text"] = numpy.array((texts,), dtype=object)
            return raw.run(outputs, feed, run_options)[0].item()

        return call

    def _scorer(self) -> Callable[[Any, Any], Any]:
        """The function `(numbers, texts) -> score or None`, which each event calls.

        It is a closure, as that of the inputs: a method took 3% longer with two versions in a session.
        """
        GD, watch, breaker, ended = self._GD, self._watch, self._breaker, self._ended
        run_options, words, numeric = self._options, self._inputs.words, len(self._inputs.names)
        armed = (run_options, self._budget)
        fill = self._inputs.filler()
        call = self._fed() if words else self._bound()

        def score(numbers: list[float | None], texts: list[str | None] | None) -> Any:
            try:
                if numeric:
                    reason = fill(numbers)
                    if reason is not None:
                        GD["modelpack_failure"] = reason
                        return None
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
        if self._inputs.names:
            element = numpy.dtype([("length", ">i4"), ("value", ">f8")])
            rows = numpy.frombuffer(packed, element, offset=28)["value"].reshape(-1, len(self._inputs.names))
            numbers = rows.astype(numpy.float64)
            with numpy.errstate(over="ignore"):
                feed["number"] = numbers.astype(numpy.float32)
            required = [place for place, name in enumerate(self._inputs.names) if name in self._inputs.needed]
            unfit += [numpy.isinf(feed["number"]).any(axis=1), numpy.isnan(numbers[:, required]).any(axis=1)]
        if self._inputs.words:
            found = [pack_texts(row, self._inputs.words) for row in cells or ()]
            nothing = [""] * len(self._inputs.words)
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
