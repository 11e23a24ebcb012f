"""modelpack.attribute: what each input of a row adds to its score, as Shapley values against background rows.

The standard library alone: a version that Python computes is explained where there are no wheels.
"""

import json
import math
import sys
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, product
from random import Random
from typing import Any

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
CHUNK = 4096  # rows that the model is given at a time, at most


class NoScoreError(Exception):
    """The model gives no score for a row, or not in time."""


class Rows:
    """Mixtures of a row and background rows, and what the model gives for them. Numbers stand before texts."""

    def __init__(self, version: Any, GD: dict[str, Any], look: Callable[[], Any], seconds: float) -> None:
        self._version, self._GD, self._look = version, GD, look
        self._seconds, self._until = seconds, time.monotonic() + seconds
        self._size = 64

    def left(self) -> float:
        """Seconds."""
        return self._until - time.monotonic()

    def hold(
        self, row: list[Any], texts: list[Any], others: list[list[Any]], other_texts: list[list[Any]]
    ) -> None:
        """What is mixed: numbers [k] and texts [m] of the row, and of each background row."""
        self._width = len(row)
        self.row = [math.nan if v is None else float(v) for v in row] + texts
        self.others = [
            [math.nan if v is None else float(v) for v in numbers] + words
            for numbers, words in zip(others, other_texts, strict=True)
        ]

    def differing(self) -> list[int]:
        """The inputs in which the row differs from some background row."""
        return [
            n
            for n, mine in enumerate(self.row)
            if any(mine != other[n] and not (mine != mine and other[n] != other[n]) for other in self.others)
        ]

    def scores(self, mixed: Iterable[Sequence[Any]]) -> list[float]:
        """The scores of rows [k + m]."""
        waiting, found = iter(mixed), list[float]()
        while rows := list(islice(waiting, self._size)):
            self._look()  # whoever cancels is heard
            if self.left() < 0:
                raise NoScoreError(f"it takes longer than {self._seconds:g} s")
            started = time.monotonic()
            found += self._given(rows)
            far = time.monotonic() - started < 0.1
            self._size = min(CHUNK, 2 * self._size) if far else max(1, self._size // 2)
        return found

    def _given(self, rows: list[Sequence[Any]]) -> list[float]:
        """Scores of rows; one at a time where the model does not take them together."""
        width, texts = self._width, len(self.row) > self._width
        scores = [math.nan] * len(rows)
        if self._version.many:
            numbers = (row[:width] for row in rows) if texts else rows
            packed = as_sent(array("d", chain.from_iterable(numbers))) if width else None
            scores = self._version.many(packed, [list(row[width:]) for row in rows] if texts else None)
        return [
            self._alone(row) if score != score else float(score)
            for row, score in zip(rows, scores, strict=True)
        ]

    def _alone(self, row: Sequence[Any]) -> float:
        if self.left() < 0:
            raise NoScoreError(f"it takes longer than {self._seconds:g} s")
        numbers, texts = [None if v != v else v for v in row[: self._width]], list(row[self._width :])
        score = self._version.run(numbers, texts or None)
        if score is None:
            raise NoScoreError(self._GD.get("modelpack_failure") or "the model gives no score")
        return float(score)


def as_sent(numbers: "array[float]") -> bytes:
    """What array_send gives for them: a head, then each number, the first byte first, after its length."""
    if sys.byteorder == "little":
        numbers.byteswap()
    raw, cells = numbers.tobytes(), bytearray(b"\0\0\0\x08" + bytes(8)) * len(numbers)
    for byte in range(8):
        cells[4 + byte :: 12] = raw[byte::8]
    return bytes(28) + bytes(cells)


def exactly(rows: Rows, weights: list[float], players: list[int]) -> list[float]:
    """Shapley values [players], by all coalitions (Shapley 1953)."""
    count = len(players)
    sizes = [0]  # of the coalitions, in the order of `product`: the last player changes first
    for _ in players:
        sizes += [size + 1 for size in sizes]
    worth = [0.0] * len(sizes)
    for other, weight in zip(rows.others, weights, strict=True):
        cells = [
            (theirs, mine) if n in players else (theirs,)
            for n, (theirs, mine) in enumerate(zip(other, rows.row, strict=True))
        ]
        scores = rows.scores(product(*cells))
        worth = [before + weight * score for before, score in zip(worth, scores, strict=True)]
    # of a coalition of s others: s! (n - s - 1)! / n!
    share = [1.0 / count]
    for size in range(1, count):
        share.append(share[-1] * size / (count - size))
    return [
        math.fsum(
            share[sizes[others]] * (worth[others | bit] - worth[others])
            for others in range(len(worth))
            if not others & bit
        )
        for bit in (1 << n for n in reversed(range(count)))
    ]


def one_round(
    rows: Rows, weights: list[float], players: list[int], ends: list[float], score: float, rng: Random
) -> list[float]:
    """An estimate of Shapley values [players]: for each background row a permutation of its own and its reverse.

    Castro, Gomez, Tejada 2009; in pairs, Mitchell, Cooper, Frank, Holmes 2022. It adds up as the values do.
    """
    orders: list[tuple[int, list[int]]] = []
    for place in range(len(weights)):
        order = rng.sample(range(len(players)), len(players))
        orders += [(place, order), (place, order[::-1])]

    def mixed() -> Iterator[list[Any]]:
        for place, order in orders:
            row = rows.others[place].copy()
            for player in order[:-1]:
                row[players[player]] = rows.row[players[player]]
                yield row.copy()

    scores = iter(rows.scores(mixed()))
    found = [0.0] * len(players)
    for place, order in orders:
        before = ends[place]
        for player in order[:-1]:
            after = next(scores)
            found[player] += (after - before) * weights[place] / 2
            before = after
        found[order[-1]] += (score - before) * weights[place] / 2
    return found


def sampled(
    rows: Rows,
    weights: list[float],
    players: list[int],
    ends: list[float],
    score: float,
    seed: int,
    evaluations: int,
) -> tuple[list[float], list[float], int]:
    """Estimates [players], their standard errors [players], and of how many rounds they are the mean."""
    rng = Random(seed)
    wanted = evaluations // max(1, 2 * len(weights) * (len(players) - 1))
    found: list[list[float]] = []
    for _ in range(min(ROUNDS, max(2, wanted))):
        try:
            found.append(one_round(rows, weights, players, ends, score, rng))
        except NoScoreError:
            if rows.left() > 0 or len(found) < 2:
                raise
            break
    number = len(found)
    means = [math.fsum(one) / number for one in zip(*found, strict=True)]
    errors = [
        math.sqrt(math.fsum((value - mean) ** 2 for value in one) / (number - 1) / number)
        for one, mean in zip(zip(*found, strict=True), means, strict=True)
    ]
    return means, errors, number


def attributed(
    rows: Rows,
    inputs: list[dict[str, Any]],
    seed: int,
    evaluations: int,
    score: float,
    weights: list[float],
) -> dict[str, Any]:
    """The parts of a score, in the order of the signature."""
    before = time.monotonic()
    ends = rows.scores(rows.others)
    took = (time.monotonic() - before) / len(ends)
    players = rows.differing()
    values, deviations = [0.0] * len(players), [0.0] * len(players)
    needed = len(weights) << len(players)
    method = "interventional Shapley values, exact"
    quick = needed <= evaluations and took * needed / 4 < rows.left()
    if players and len(players) <= EXACT and quick:
        values = exactly(rows, weights, players)
    elif players:
        values, deviations, rounds = sampled(rows, weights, players, ends, score, seed, evaluations)
        method = (
            f"interventional Shapley values, sampled: {rounds} pairs of permutations for each background row"
        )
    # numbers stand before texts; the signature has them in its own order
    places = [n for kind in ("number", "text") for n, i in enumerate(inputs) if i["type"] == kind]
    parts, errors = [0.0] * len(inputs), [0.0] * len(inputs)
    for player, part, error in zip(players, values, deviations, strict=True):
        parts[places[player]], errors[places[player]] = part, error
    return {
        "score": score,
        "base": math.fsum(weight * end for weight, end in zip(weights, ends, strict=True)),
        "parts": parts,
        "errors": errors,
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
    # equal rows count together
    counts: dict[str, int] = {}
    for row in json.loads(background):
        key = json.dumps(row)
        counts[key] = counts.get(key, 0) + 1
    others = [json.loads(key) for key in counts]
    total = sum(counts.values())
    weights = [count / total for count in counts.values()]
    number = [n for n, i in enumerate(inputs) if i["type"] == "number"]
    text = [n for n, i in enumerate(inputs) if i["type"] == "text"]
    rows = Rows(version, GD, lambda: plpy.execute("select"), seconds)
    rows.hold(
        numbers, texts or [], [[r[n] for n in number] for r in others], [[r[n] for n in text] for r in others]
    )
    try:
        found = attributed(rows, inputs, seed, evaluations, score, weights)
    except NoScoreError as error:
        return json.dumps({"failure": str(error)})
    return json.dumps(found | {"library": version.library})
