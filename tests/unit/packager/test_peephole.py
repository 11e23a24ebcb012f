"""Rewrites change the nodes and no result."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelpack.packager import package
from modelpack.packager.graph import normal_form

from .conftest import NUMBERS, TEXTS
from .test_package import score

pytestmark = pytest.mark.usefixtures("here")


def kinds(onnx_bytes: bytes) -> list[str]:
    return [n.op_type for n in onnx.load_from_string(onnx_bytes).graph.node]


@pytest.mark.parametrize("filled", [False, True])
def test_a_pipeline_with_texts_needs_few_nodes(
    filled: bool, monkeypatch: pytest.MonkeyPatch, gaps: pd.DataFrame, gone: Any
) -> None:
    encoder = OneHotEncoder(handle_unknown="ignore")
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), encoder) if filled else encoder
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer([("n", numbers, NUMBERS), ("t", texts, TEXTS)])
    estimator = make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(gaps, gone)

    quick = package(estimator, gaps)
    monkeypatch.setattr(normal_form, "tidy", lambda _: None)
    plain = package(estimator, gaps)

    np.testing.assert_allclose(score(quick, gaps), score(plain, gaps), atol=1e-6)
    fill = ["Equal", "Where"] if filled else []
    assert sorted(kinds(quick.onnx)) == sorted(
        ["IsNaN", "Where", "Scaler", *fill, *["Gather", "OneHotEncoder"] * 2, "Concat", "Gemm", "Sigmoid"]
    )
    assert len(kinds(plain.onnx)) >= len(kinds(quick.onnx)) + 2


def test_no_constant_is_left_over(customers: pd.DataFrame, gone: Any) -> None:
    columns = ColumnTransformer([("t", OneHotEncoder(handle_unknown="ignore"), TEXTS)])
    made = package(make_pipeline(columns, LogisticRegression()).fit(customers, gone), customers)
    graph = onnx.load_from_string(made.onnx).graph
    assert {i.name for i in graph.initializer} <= {name for node in graph.node for name in node.input}
