"""modelpack.attribute: what each input of a row adds to its score, as Shapley values against background rows."""

import json
import time
from collections.abc import Callable
from typing import Any

from plpython.libraries import importing, no_signals, put_wheels_first

SQL = """\
create or replace function modelpack.attribute(version_id integer, numbers double precision[], texts text[], signature jsonb, background jsonb, seed bigint, evaluations integer, seconds double precision) returns jsonb
language plpython3u volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
{body}
$modelpack$;
comment on function modelpack.attribute(integer, double precision[], text[], jsonb, jsonb, bigint, integer, double precision) is
  'Interventional Shapley values of a row: for each input of the signature, by how much it moves the score of a version on average, from that of the background rows to that of the row. Exact over all coalitions of up to 12 inputs in which the row differs from the background, where that takes no more evaluations of the model than given; else sampled by antithetic permutations, with a standard error.';
revoke all on function modelpack.attribute(integer, double precision[], text[], jsonb, jsonb, bigint, integer, double precision) from public;
"""

EXACT = 12  # inputs, at most
ROUNDS = 50  # of permutations, at most
NUMPY = (
    "explanations need numpy, which the server's Python cannot import ({}); name the folder that has it: "
    "modelpack install --server-wheels DIR"
)
CHUNK = 4096  # rows that the model is given at a time, at most


class NoScoreError(Exception):
    """The model gives no score for a row, or not in time."""


class Rows:
    """Mixtures of a row and background rows, and what the model gives for them."""

    def __init__(
        self, numpy: Any, version: Any, GD: dict[str, Any], look: Callable[[], Any], seconds: float
    ) -> None:
        self.numpy, self._version, self._GD, self._look = numpy, version, GD, look
        self._seconds, self._until = seconds, time.monotonic() + seconds
        self._size = 64

    def left(self) -> float:
        """Seconds."""
        return self._until - time.monotonic()

    def hold(
        self, row: list[Any], texts: list[Any], others: list[list[Any]], other_texts: list[list[Any]]
    ) -> None:
        """What is mixed: numbers [k] and texts [m] of the row, and of each background row."""
        numpy = self.numpy
        self._row = numpy.array([numpy.nan if v is None else v for v in row], dtype=float)
        nan = [[numpy.nan if v is None else v for v in r] for r in others]
        self._others = numpy.array(nan, dtype=float).reshape(len(nan), len(row))
        self._texts = numpy.array([None, *texts], dtype=object)[1:]
        given = numpy.empty((len(other_texts), len(texts)), dtype=object)
        for place, cells in enumerate(other_texts):
            given[place, :] = cells
        self._other_texts = given

    def differing(self) -> Any:
        """Whether the row differs from each background row, in each input: bool [rows, k + m]."""
        numpy = self.numpy
        both = numpy.isnan(self._others) & numpy.isnan(self._row)
        apart = [(self._others != self._row) & ~both, self._other_texts != self._texts]
        return numpy.concatenate([part.astype(bool) for part in apart], axis=1)

    def scores(self, taken: Any, which: Any) -> Any:
        """Scores [n] of background rows `which` [n] with the inputs `taken` [n, k + m] from the row."""
        numpy = self.numpy
        found, begin, width = numpy.empty(len(which)), 0, len(self._row)
        while begin < len(which):
            self._look()  # whoever cancels is heard
            if self.left() < 0:
                raise NoScoreError(f"it takes longer than {self._seconds:g} s")
            started, end = time.monotonic(), begin + self._size
            taken_, which_ = taken[begin:end], which[begin:end]
            numbers = numpy.where(taken_[:, :width], self._row, self._others[which_])
            texts = numpy.where(taken_[:, width:], self._texts, self._other_texts[which_]).tolist()
            found[begin:end] = self._given(numbers, texts)
            begin = end
            far = time.monotonic() - started < 0.1
            self._size = min(CHUNK, 2 * self._size) if far else max(1, self._size // 2)
        return found

    def _given(self, numbers: Any, texts: Any) -> Any:
        """Scores [n] of rows; one at a time where the model does not take them together."""
        numpy = self.numpy
        many, scores = self._version.many, numpy.full(len(numbers), numpy.nan)
        if many:
            cells = numpy.empty(numbers.size, dtype=[("length", ">i4"), ("value", ">f8")])
            cells["length"], cells["value"] = 8, numbers.reshape(-1)
            packed = bytes(28) + cells.tobytes() if numbers.size else None
            scores = numpy.array(many(packed, texts if len(self._texts) else None))
        for place in numpy.flatnonzero(numpy.isnan(scores)):
            if self.left() < 0:
                raise NoScoreError(f"it takes longer than {self._seconds:g} s")
            row = [None if v != v else v for v in numbers[place].tolist()]
            score = self._version.run(row, texts[place] if len(self._texts) else None)
            if score is None:
                raise NoScoreError(self._GD.get("modelpack_failure") or "the model gives no score")
            scores[place] = score
        return scores


def exactly(rows: Rows, weights: Any, players: Any, width: int) -> Any:
    """Shapley values [players], by all coalitions (Shapley 1953)."""
    numpy, count = rows.numpy, len(players)
    masks = numpy.arange(1 << count)
    bits = (masks[:, None] >> numpy.arange(count) & 1).astype(bool)
    taken = numpy.zeros((len(masks), width), dtype=bool)
    taken[:, players] = bits
    worth = numpy.zeros(len(masks))
    for place, weight in enumerate(weights):
        worth += weight * rows.scores(taken, numpy.full(len(masks), place))
    # of a coalition of s others: s! (n - s - 1)! / n!
    share = numpy.ones(count)
    for size in range(1, count):
        share[size] = share[size - 1] * size / (count - size)
    share /= count
    found = numpy.zeros(count)
    for player in range(count):
        without = masks[~bits[:, player]]
        sizes = bits[without].sum(axis=1)
        found[player] = (share[sizes] * (worth[without | 1 << player] - worth[without])).sum()
    return found


def one_round(rows: Rows, weights: Any, players: Any, width: int, ends: Any, score: float, rng: Any) -> Any:
    """An estimate of Shapley values [players]: for each background row a permutation of its own and its reverse.

    Castro, Gomez, Tejada 2009; in pairs, Mitchell, Cooper, Frank, Holmes 2022. It adds up as the values do.
    """
    numpy, count = rows.numpy, len(players)
    found, group = numpy.zeros(count), max(1, 2_000_000 // (2 * count * width))
    steps = numpy.arange(1, count)
    for begin in range(0, len(weights), group):
        places = numpy.arange(begin, min(begin + group, len(weights)))
        orders = numpy.array([rng.permutation(count) for _ in places])
        orders = numpy.concatenate([orders, orders[:, ::-1]])
        which = numpy.concatenate([places, places])
        ranks = numpy.argsort(orders, axis=1)
        taken = numpy.zeros((len(orders), len(steps), width), dtype=bool)
        taken[:, :, players] = ranks[:, None, :] < steps[None, :, None]
        path = numpy.empty((len(orders), count + 1))
        path[:, 0], path[:, -1] = ends[which], score
        if len(steps):
            path[:, 1:-1] = rows.scores(taken.reshape(-1, width), numpy.repeat(which, len(steps))).reshape(
                len(orders), -1
            )
        rises = numpy.take_along_axis(numpy.diff(path, axis=1), ranks, axis=1)
        found += (rises * weights[which, None] / 2).sum(axis=0)
    return found


def sampled(
    rows: Rows, weights: Any, players: Any, width: int, ends: Any, score: float, seed: int, evaluations: int
) -> tuple[Any, Any, int]:
    """Estimates [players], their standard errors [players], and of how many rounds they are the mean."""
    numpy, rng = rows.numpy, rows.numpy.random.default_rng(seed)
    wanted = evaluations // max(1, 2 * len(weights) * (len(players) - 1))
    found: list[Any] = []
    for _ in range(min(ROUNDS, max(2, wanted))):
        try:
            found.append(one_round(rows, weights, players, width, ends, score, rng))
        except NoScoreError:
            if rows.left() > 0 or len(found) < 2:
                raise
            break
    error = numpy.std(found, axis=0, ddof=1) / len(found) ** 0.5
    return numpy.mean(found, axis=0), error, len(found)


def attributed(
    rows: Rows, inputs: list[dict[str, Any]], seed: int, evaluations: int, score: float, weights: Any
) -> dict[str, Any]:
    """The parts of a score, in the order of the signature."""
    numpy, width = rows.numpy, len(inputs)
    nobody, everyone = numpy.zeros((len(weights), width), dtype=bool), numpy.arange(len(weights))
    before = time.monotonic()
    ends = rows.scores(nobody, everyone)
    took = (time.monotonic() - before) / len(ends)
    players = numpy.flatnonzero(rows.differing().any(axis=0))
    parts, errors = numpy.zeros(width), numpy.zeros(width)
    needed = len(weights) << len(players)
    method = "interventional Shapley values, exact"
    if len(players) <= EXACT and needed <= evaluations and took * needed / 4 < rows.left():
        if len(players):
            parts[players] = exactly(rows, weights, players, width)
    else:
        parts[players], errors[players], rounds = sampled(
            rows, weights, players, width, ends, score, seed, evaluations
        )
        method = (
            f"interventional Shapley values, sampled: {rounds} pairs of permutations for each background row"
        )
    # numbers and texts stand apart; the signature has them in its own order
    order = numpy.argsort(
        [n for kind in ("number", "text") for n, i in enumerate(inputs) if i["type"] == kind]
    )
    return {
        "score": score,
        "base": float((weights * ends).sum()),
        "parts": parts[order].tolist(),
        "errors": errors[order].tolist(),
        "method": method,
    }


def attribute(
    plpy: Any,
    SD: dict[str, Any],
    GD: dict[str, Any],
    version_id: int,
    numbers: list[float | None],
    texts: list[str | None] | None,
    signature: str,
    background: str,
    seed: int,
    evaluations: int,
    seconds: float,
) -> str:
    """JSON with `base` (the mean score of the background), `score`, and `parts` and `errors` in the order of the signature; or
    with `failure`: why there are none."""
    if version_id not in SD.get("cache", {}):
        plpy.execute(f"select modelpack.load({version_id})")
        SD["cache"] = GD["modelpack"]
    version, inputs = SD["cache"][version_id], json.loads(signature)["inputs"]
    score = version.run(numbers, texts)
    if score is None:
        return json.dumps({"failure": GD.get("modelpack_failure") or "the model gives no score"})
    try:  # a version that Python computes has not loaded it
        put_wheels_first(plpy.execute("select modelpack.server_wheels() as path")[0]["path"])
        with no_signals(), importing():
            import numpy
    except ImportError as error:
        return json.dumps({"failure": NUMPY.format(str(error)[:300])})
    # equal rows count together
    counts: dict[str, int] = {}
    for row in json.loads(background):
        key = json.dumps(row)
        counts[key] = counts.get(key, 0) + 1
    others = [json.loads(key) for key in counts]
    weights = numpy.array(list(counts.values())) / sum(counts.values())
    number = [n for n, i in enumerate(inputs) if i["type"] == "number"]
    text = [n for n, i in enumerate(inputs) if i["type"] == "text"]
    rows = Rows(numpy, version, GD, lambda: plpy.execute("select"), seconds)
    rows.hold(
        numbers, texts or [], [[r[n] for n in number] for r in others], [[r[n] for n in text] for r in others]
    )
    try:
        found = attributed(rows, inputs, seed, evaluations, score, weights)
    except NoScoreError as error:
        return json.dumps({"failure": str(error)})
    return json.dumps(found | {"library": version.library})
