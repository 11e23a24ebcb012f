"""The reader of a model's bytes: takes what is whole, refuses the rest in words, never stumbles."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import numpy as np
import pytest
from onnx import helper
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelpack.packager import package
from plpython.inspect import inspect
from tests.hostile import GOLDEN, SIGNATURE, Hostile, corpus, honest, info
from tests.support import model, packaged, sample


class RefusedError(Exception):
    """What the server would raise."""


class Server:
    """As much of plpy as the reader uses."""

    def execute(self, _query: str) -> list[dict[str, Any]]:
        return [{"name": "model_bytes", "value": 1 << 27}, {"name": "model_nodes", "value": 10_000}]

    def error(self, message: str, **_details: Any) -> None:
        raise RefusedError(message + " " + str(_details.get("detail", "")))


def read(onnx: bytes, signature: Any = SIGNATURE, golden: Any = GOLDEN) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(inspect(Server(), onnx, json.dumps(signature), json.dumps(golden)))
    return found


def test_a_whole_model_is_taken_and_described() -> None:
    onnx = honest().SerializeToString()
    assert read(onnx) == {"bytes": len(onnx), "nodes": 1, "operators": {"ReduceSum": 1}}


SCALED_FOREST = make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=1))


@pytest.mark.parametrize("route", ["float32", "split"])
def test_what_the_packager_makes_is_taken(route: str) -> None:
    estimator = model() if route == "float32" else SCALED_FOREST.fit(sample(), model().predict(sample()))
    made = package(estimator, sample())
    assert made.parity.route == route
    assert read(made.onnx, made.signature.to_json(), made.golden.to_json())["nodes"] > 0


@pytest.mark.parametrize(
    "hostile", [h for h in corpus() if "cannot" not in h.words], ids=lambda hostile: hostile.name
)
def test_a_hostile_model_is_refused_or_left_to_the_trial(hostile: Hostile) -> None:
    left_to_the_trial = "seconds", "golden row 1", "alone scores", "expected 3"
    if any(word in hostile.words for word in left_to_the_trial):
        read(hostile.onnx, hostile.signature, hostile.golden)
        return
    with pytest.raises(RefusedError, match="the model is refused: "):
        read(hostile.onnx, hostile.signature, hostile.golden)


def test_a_model_cut_off_anywhere_is_refused() -> None:
    onnx = packaged().onnx
    form = packaged().signature.to_json(), packaged().golden.to_json()
    for length in range(len(onnx)):
        with pytest.raises(RefusedError):
            read(onnx[:length], *form)


def test_changed_bytes_are_read_or_refused_in_words() -> None:
    chance = random.Random(11)
    onnx = packaged().onnx
    form = packaged().signature.to_json(), packaged().golden.to_json()
    refused = 0
    for _ in range(3000):
        changed = bytearray(onnx)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        try:
            read(bytes(changed), *form)
        except RefusedError:
            refused += 1
    assert refused > 300


def test_a_large_forest_is_read_in_little_time_and_space() -> None:
    count = 1_000_000
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["number"],
        ["score"],
        domain="ai.onnx.ml",
        nodes_values=np.zeros(count, np.float32).tolist(),
        nodes_truenodeids=list(range(count)),
    )
    graph = helper.make_graph([node], "g", [info("number", ["N", 2])], [info("score", ["N", 1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 3)])
    started = time.monotonic()
    assert read(model.SerializeToString())["bytes"] > 8_000_000
    assert time.monotonic() - started < 5
