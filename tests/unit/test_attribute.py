"""The arithmetic of explanations, on functions of NumPy instead of models: exact against the definition, sampled against exact."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from plpython import attribute
from plpython.attribute import NoScoreError, Rows

Function = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]


class Model:
    """Stands for a loaded version: `many` takes what array_send gives, `run` a row."""

    def __init__(self, function: Function, width: int, *, together: bool = True) -> None:
        self.function, self.width, self.calls = function, width, 0
        self.many = self._many if together else None

    def _many(self, packed: bytes, texts: None) -> list[float]:
        assert texts is None
        cells = np.frombuffer(packed, [("length", ">i4"), ("value", ">f8")], offset=28)
        assert set(cells["length"]) == {8}
        rows = cells["value"].reshape(-1, self.width).astype(float)
        self.calls += len(rows)
        found: list[float] = self.function(rows).tolist()
        return found

    def run(self, row: list[float | None], texts: None) -> float | None:
        assert texts is None
        self.calls += 1
        score = float(self.function(np.array([[np.nan if v is None else v for v in row]]))[0])
        return None if np.isnan(score) else score


def explained(
    function: Function, one: list[float], background: np.ndarray[Any, Any], *, evaluations: int = 409_600, seed: int = 1,
    seconds: float = 60, together: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """What the function on the server makes of it."""
    width = len(one)
    model = Model(function, width, together=together)
    rows = Rows(model, {}, lambda: None, seconds)
    rows.hold(list(one), [], background.tolist(), [[] for _ in background])
    weights = [1 / len(background)] * len(background)
    score = model.run(list(one), None)
    assert score is not None
    inputs = [{"type": "number"}] * width
    return attribute.attributed(rows, inputs, seed, evaluations, score, weights)


def shapley(function: Function, one: list[float], background: np.ndarray[Any, Any]) -> list[float]:
    """The definition, an order of the inputs at a time."""
    width = len(one)
    total = np.zeros(width)
    for order in itertools.permutations(range(width)):
        mixed = background.copy()
        before = function(mixed).mean()
        for place in order:
            mixed[:, place] = one[place]
            total[place] += function(mixed).mean() - before
            before = function(mixed).mean()
    found: list[float] = (total / math.factorial(width)).tolist()
    return found


def odd(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Products, steps and a maximum."""
    return np.asarray(
        rows[:, 0] * rows[:, 1] + np.maximum(rows[:, 2], rows[:, 0]) + (rows[:, 1] > 0.2) * rows[:, -1] ** 2
    )


def pairs(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Products of neighbours."""
    return np.asarray((rows[:, 0::2] * rows[:, 1::2]).sum(axis=1))


def of_pairs(one: np.ndarray[Any, Any], background: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """In closed form: in a product of two each is first in half of the orders; products do not hang on one another."""
    a, b, p, q = one[0::2], one[1::2], background[:, 0::2], background[:, 1::2]
    first = ((a - p) * q + (a - p) * b).mean(axis=0) / 2
    second = ((b - q) * p + (b - q) * a).mean(axis=0) / 2
    return np.stack([first, second], axis=1).reshape(-1)


def test_exact_values_are_those_of_the_definition() -> None:
    random = np.random.default_rng(3)
    for width in (3, 4, 5):
        background, one = random.normal(size=(17, width)), random.normal(size=width).tolist()
        found = explained(odd, one, background)
        assert found["method"] == "interventional Shapley values, exact"
        assert found["parts"] == pytest.approx(shapley(odd, one, background), abs=1e-12)
        assert found["errors"] == [0] * width
        assert found["base"] == pytest.approx(odd(background).mean())
        assert explained(odd, one, background, together=False) == found


def test_twelve_inputs_are_exact_and_thirteen_are_sampled() -> None:
    random = np.random.default_rng(4)
    background, one = random.normal(size=(20, 14)), random.normal(size=14)
    assert explained(pairs, one.tolist(), background)["method"].startswith(
        "interventional Shapley values, sampled: 50"
    )
    background[:, :2] = one[:2]  # two inputs are as in all of the background
    found = explained(pairs, one.tolist(), background)
    assert found["method"].endswith("exact")
    assert found["parts"] == pytest.approx(of_pairs(one, background).tolist(), abs=1e-9)
    assert found["parts"][:2] == [0, 0]


def test_sampled_values_add_up_and_are_the_same_each_time() -> None:
    random = np.random.default_rng(5)
    for seed in range(6):
        background, one = random.normal(size=(50, 20)), random.normal(size=20)

        def function(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            return pairs(rows) + (rows[:, 0] * rows[:, 2] * rows[:, 4] > 0.5) * rows[:, 6]

        found = explained(function, one.tolist(), background, seed=seed, evaluations=20_000)
        assert (
            found["method"]
            == "interventional Shapley values, sampled: 10 pairs of permutations for each background row"
        )
        assert found["base"] + sum(found["parts"]) == pytest.approx(found["score"], abs=1e-9)
        assert explained(function, one.tolist(), background, seed=seed, evaluations=20_000) == found
        # antithetic orders are exact for products of two, and these inputs take part in nothing else
        assert found["parts"][8:] == pytest.approx(of_pairs(one, background)[8:].tolist(), abs=1e-9)
        assert max(found["errors"][8:]) < 1e-9 < min(found["errors"][k] for k in (0, 2, 4, 6))


def test_standard_errors_are_as_large_as_they_say() -> None:
    random = np.random.default_rng(6)
    ratios: list[float] = []

    def triples(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.asarray((rows[:, 0::3] * rows[:, 1::3] * rows[:, 2::3]).sum(axis=1))

    for seed in range(20):
        background, one = random.normal(size=(10, 21)), random.normal(size=21)
        found = explained(triples, one.tolist(), background, seed=seed, evaluations=20_000)
        for k in range(0, 21, 3):
            # the definition for each triple alone: triples do not hang on one another
            wanted = shapley(lambda r: r.prod(axis=1), one[k : k + 3].tolist(), background[:, k : k + 3])
            ratios += [(found["parts"][k + n] - wanted[n]) / found["errors"][k + n] for n in range(3)]
    assert len(ratios) == 420
    # Student's t, about normal
    assert 0.85 < np.sqrt(np.mean(np.square(ratios))) < 1.2
    assert abs(np.mean(ratios)) < 0.2
    assert np.abs(ratios).max() < 5


def test_a_missing_value_is_a_value() -> None:
    def filled(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.asarray(np.where(np.isnan(rows[:, 0]), 5, rows[:, 0]) * rows[:, 1])

    background = np.array([[np.nan, 1.0], [2.0, 3.0]])
    found = explained(filled, [np.nan, 2.0], background)
    assert found["parts"] == pytest.approx(shapley(filled, [np.nan, 2.0], background))


def test_a_mixture_without_a_score_is_said_in_the_models_words() -> None:
    with pytest.raises(NoScoreError, match="the model gives no score"):
        explained(
            lambda r: np.where(r[:, 0] > r[:, 1], r[:, 0], np.nan),
            [3.0, 2.0],
            np.array([[1.0, 0.5], [2.0, -1.0]]),
        )


def test_it_ends_when_its_time_has_come() -> None:
    random = np.random.default_rng(7)
    with pytest.raises(NoScoreError, match="longer than 0 s"):
        explained(odd, [1.0, 2.0, 3.0], random.normal(size=(5, 3)), seconds=0)
