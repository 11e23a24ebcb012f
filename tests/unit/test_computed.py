"""A version that Python scores, without a server: what it gives, refuses, and does with many rows at once."""

from __future__ import annotations

import hashlib
import json
import math
import random
import struct
from typing import Any

import pytest

from modelpack.formula import evaluate
from plpython.score_many import score_many
from plpython.try_formula import try_formula
from tests.unit.test_load import Server, packed

NUMBERS = [
    {"name": "a", "type": "number", "missing": False},
    {"name": "b", "type": "number", "missing": True},
]
PLAN = {"name": "plan", "type": "text", "missing": True, "missing_token": "none"}
RATIO = {"format": 1, "steps": [["number", 0], ["number", 1], ["divide", 0, 1]]}
"""a / b: b = 0 is no score, and neither is a missing b."""
PLANS = {
    "format": 1,
    "steps": [
        ["number", 0],
        ["number", 1],
        ["text", 0],
        ["lookup", 2, [["basic", 1.0], ["none", 4.0]], 9.0],
        ["trees", [0, 1], [[0, "<=", 0.1, False, [1, "<", 3.0, True, 1.0, 2.0], -1.5]]],
        ["linear", [0, 3, 4], [0.1, 0.2, 0.3], 0.25],
        ["logistic", 5],
    ],
}


def computing(steps: Any, inputs: list[dict[str, Any]], **row: Any) -> Server:
    text = json.dumps(steps)
    return Server(
        b"",
        **{
            "engine": "python",
            "onnx": None,
            "formula": text,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "signature": json.dumps({"inputs": inputs}),
            **row,
        },
    )


def float32(number: float) -> float:
    value: float = struct.unpack("f", struct.pack("f", number))[0]
    return value


def test_a_row_is_scored_by_the_formula_on_numbers_as_the_model_receives_them() -> None:
    server = computing(RATIO, NUMBERS)
    assert server.score([0.1, 3.0]) == float32(0.1) / 3.0, server.failure
    assert server.score([0.1, 3.0]) != 0.1 / 3.0
    assert "modelpack_watch" not in server.GD  # nothing was started beside it


def test_what_the_model_does_not_take_is_named() -> None:
    server = computing(RATIO, NUMBERS)
    assert server.score([None, 1.0]) is None
    assert server.failure == "input a is NULL, which the model does not take"
    assert server.score([1.0, 4e38]) is None
    assert server.failure == "input b is beyond what float32 holds"
    assert server.score([1.0, -math.inf]) is None
    assert server.failure == "input b is beyond what float32 holds"
    assert server.score([1.0, None]) is None
    assert server.failure == "the model gives nan"
    assert server.score([1.0, 0.0]) is None
    assert server.failure == "the model gives inf"


def test_the_breaker_stands_in_its_place_after_failures_in_a_row() -> None:
    server = computing(RATIO, NUMBERS)
    for _ in range(3):
        assert server.score([1.0, 0.0]) is None
    assert server.score([1.0, 1.0]) is None
    assert server.failure == "the model keeps failing and is not called for 60 s: the model gives inf"
    assert server.version().many is None


def test_many_rows_give_the_bits_of_single_ones_and_nan_for_what_has_none() -> None:
    server = computing(PLANS, [*NUMBERS, PLAN], breaker_failures=10**6)
    chance = random.Random(3)
    numbers = [
        [chance.choice([chance.gauss(0, 2), math.nan, 4e38, -math.inf, 0.1, 3.0]) for _ in range(2)]
        for _ in range(300)
    ]
    texts = [[chance.choice(["basic", "plus", None])] for _ in numbers]
    found = server.version().many(packed(numbers), texts)
    assert len(found) == 300
    scored = 0
    for row, words, score in zip(numbers, texts, found, strict=True):
        single = server.version().run(row, words)
        assert (single is None) == math.isnan(score)
        if single is not None:
            scored += 1
            assert score == single
            assert score == evaluate(PLANS, row, [words[0] or "none"])
    assert 50 < scored < 250
    answer = score_many(server, server.SD, server.GD, 1, packed(numbers), texts)
    assert answer == "{" + ",".join(map(float.hex, found)) + "}"


def test_a_version_of_texts_alone_scores_many_rows() -> None:
    server = computing({"format": 1, "steps": [["text", 0], ["lookup", 0, [["basic", 1.5]], None]]}, [PLAN])
    found = server.version().many(None, [["basic"], ["plus"], [None]])
    assert found[0] == 1.5
    assert all(map(math.isnan, found[1:]))


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "purged": ({"formula": None}, "the bytes of the version were purged"),
    "changed": (
        {"formula": json.dumps(PLANS)},
        "the bytes of the model do not have the hash under which they were published",
    ),
    "not proved": ({"batch_rows": None}, "these bytes have not passed modelpack.prove on this server"),
}


@pytest.mark.parametrize(("row", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_formula_that_must_not_score_says_why(row: dict[str, Any], reason: str) -> None:
    server = computing(RATIO, NUMBERS, **row)
    assert server.score([1.0, 2.0]) is None
    assert server.failure == reason


class Refused(Exception):
    """What plpy.error raises."""


class Settings:
    """As much of plpy as trying a formula uses."""

    def __init__(self, parts: int) -> None:
        self.parts = parts

    def execute(self, _query: str) -> list[dict[str, str]]:
        return [{"value": str(self.parts)}]

    def error(self, message: str, **_rest: str) -> None:
        raise Refused(message)


def tried(formula: str, rows: list[list[Any]], parts: int = 100) -> Any:
    golden = json.dumps({"rows": rows, "scores": [None] * len(rows)})
    return json.loads(try_formula(Settings(parts), formula, json.dumps({"inputs": NUMBERS}), golden))


def test_golden_rows_are_computed_as_events_are() -> None:
    report = tried(json.dumps(RATIO), [[0.1, 3], [1, None], [None, 1], [7, 2]])
    assert report["scores"] == [float32(0.1) / 3.0, None, None, 3.5]
    assert report["reasons"][1:3] == ["the model gives nan", "input a is NULL, which the model does not take"]
    assert report["parts"] == 3


NO_FORMULAS = {
    "no JSON": ("{", "not understood"),
    "an old or new format": (json.dumps({**RATIO, "format": 2}), "not understood"),
    "code": (json.dumps({"format": 1, "steps": [["__import__('os')"]]}), "step 0"),
    "an input that there is not": (json.dumps({"format": 1, "steps": [["number", 2]]}), "step 0"),
    "a text as a number": (json.dumps({"format": 1, "steps": [["constant", "1 + 1"]]}), "step 0"),
    "a number beyond all doubles": ('{"format": 1, "steps": [["constant", 1e999]]}', "step 0"),
    "a number of many digits": (f'{{"format": 1, "steps": [["constant", {"9" * 5000}]]}}', "not understood"),
    "deep nesting": ("[" * 100_000, "not understood"),
    "no score in any golden row": (json.dumps({"format": 1, "steps": [["constant", None]]}), "scores none"),
    "too many parts": (
        json.dumps({"format": 1, "steps": [["constant", 1.0]] * 101}),
        "101 parts, expected at most 100",
    ),
}


@pytest.mark.parametrize(("formula", "words"), NO_FORMULAS.values(), ids=NO_FORMULAS)
def test_what_is_no_formula_is_refused_in_words(formula: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        tried(formula, [[1, 2]])
