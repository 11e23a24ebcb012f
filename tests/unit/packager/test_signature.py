"""The signature: JSON and the tensors of a row."""

from __future__ import annotations

import json

import numpy as np
import pytest

from modelpack.errors import PackagingError
from modelpack.packager import Input, Output, Signature

SIGNATURE = Signature(
    (
        Input("complaints", "number", True),
        Input("plan", "text", True, "\x1a"),
        Input("spend", "number", False),
    ),
    Output("probability", "1"),
)


def test_its_json_is_the_contract_with_the_server() -> None:
    assert SIGNATURE.to_json() == {
        "format": 1,
        "inputs": [
            {"name": "complaints", "type": "number", "missing": True},
            {"name": "plan", "type": "text", "missing": True, "missing_token": "\x1a"},
            {"name": "spend", "type": "number", "missing": False},
        ],
        "output": {"name": "score", "kind": "probability", "class": "1"},
    }


def test_it_comes_back_from_json() -> None:
    assert Signature.from_json(json.loads(json.dumps(SIGNATURE.to_json()))) == SIGNATURE


def test_another_format_is_refused() -> None:
    with pytest.raises(PackagingError, match="has format 2, this package reads format 1"):
        Signature.from_json({**SIGNATURE.to_json(), "format": 2})


def test_rows_become_tensors_in_order() -> None:
    feeds = SIGNATURE.pack([[1.0, "plus", 0.1], [None, None, 2.0]])
    np.testing.assert_array_equal(feeds["number"], np.array([[1.0, 0.1], [np.nan, 2.0]], np.float32))
    assert feeds["text"].tolist() == [["plus"], ["\x1a"]]


def test_a_tensor_without_inputs_is_absent() -> None:
    assert set(Signature((Input("a", "number", True),), Output("value")).pack([[1.0]])) == {"number"}
