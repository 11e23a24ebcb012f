"""Probes sit where they say that they sit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from modelpack.packager.conversion import thresholds
from modelpack.packager.estimator.columns import model_columns
from modelpack.packager.estimator.output import choose_target
from modelpack.packager.estimator.trees import tree_groups
from modelpack.packager.proof import probes
from modelpack.packager.proof.oracle import Oracle, float32_row, rows_of

from .conftest import NUMBERS

FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def made(estimator: Any, frame: pd.DataFrame) -> tuple[Oracle, Any, list[probes.Probe]]:
    columns = model_columns(estimator, frame)
    oracle = Oracle(estimator, columns, frame, choose_target(estimator))
    rows = rows_of(frame, columns)
    return (
        oracle,
        columns,
        probes.threshold_probes(estimator, oracle, columns, rows, np.random.default_rng(1)),
    )


@pytest.mark.parametrize("scaled", [False, True])
def test_threshold_probes_are_neighbours_on_both_sides(
    scaled: bool, customers: pd.DataFrame, gone: Any
) -> None:
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    estimator = make_pipeline(StandardScaler(), tree) if scaled else tree
    estimator.fit(customers[NUMBERS], gone)
    _, _, found = made(estimator, customers)
    assert len(found) >= 8
    inner = estimator[-1].tree_ if scaled else estimator.tree_
    for below, above in zip(found[::2], found[1::2], strict=True):
        assert below.at is not None
        low, high = below.row[below.at], above.row[below.at]
        assert isinstance(low, float)
        assert isinstance(high, float)
        assert np.nextafter(np.float32(low), np.float32(np.inf)) == np.float32(high)
        both = pd.DataFrame([below.row, above.row], columns=NUMBERS, dtype=float)
        features = estimator[0].transform(both) if scaled else both.to_numpy()
        features = np.asarray(features, dtype=np.float32)
        crossed = [
            (inner.feature[n], inner.threshold[n])
            for n in range(inner.node_count)
            if inner.feature[n] >= 0
            and (features[0, inner.feature[n]] <= inner.threshold[n])
            != (features[1, inner.feature[n]] <= inner.threshold[n])
        ]
        assert crossed


@pytest.mark.parametrize(
    "estimator",
    [
        BaggingClassifier(
            DecisionTreeClassifier(max_depth=2), n_estimators=3, max_features=0.7, random_state=0
        ),
        VotingClassifier(
            [("t", DecisionTreeClassifier(max_depth=2)), ("l", LogisticRegression())], voting="soft"
        ),
        StackingClassifier(
            [("t", make_pipeline(StandardScaler(), RandomForestClassifier(3, max_depth=2)))], cv=2
        ),
    ],
    ids=["bagging", "voting", "stacking"],
)
def test_trees_are_found_inside_other_models(estimator: Any, customers: pd.DataFrame, gone: Any) -> None:
    estimator.fit(customers[NUMBERS], gone)
    oracle, _, found = made(estimator, customers)
    assert list(tree_groups(estimator, oracle.inputs))
    assert len(found) >= 6


def test_every_kind_of_probe_is_there(gaps: pd.DataFrame) -> None:
    columns = model_columns(DecisionTreeClassifier().fit(gaps[["spend"]], gaps["visits"] > 3), gaps)
    text = [*columns, *model_columns(_Named(["plan"]), gaps)]
    rows = rows_of(gaps, text)
    found = probes.plain_probes(text, rows, ["platinum"], np.random.default_rng(0))
    assert {p.kind for p in found} == {
        "missing",
        "unseen category",
        "empty string",
        "known category",
        "large integer",
        "extreme",
    }
    changed = [p.row[p.at] for p in found if p.at is not None]
    assert all(v == float(np.float32(v)) for v in changed if isinstance(v, float))
    assert any(isinstance(v, float) and v > 2**24 for v in changed)


class _Named:
    def __init__(self, names: list[str]) -> None:
        self.feature_names_in_ = names


@given(FLOAT32)
def test_float32_keys_are_in_order_and_invertible(value: float) -> None:
    key = probes._ordered(value)
    assert probes._number(key) == value
    with np.errstate(over="ignore"):  # the greatest of all is followed by infinity
        following = float(np.nextafter(np.float32(value), np.float32(np.inf)))
    if np.isfinite(following) and value != 0:
        assert probes._ordered(following) == key + 1


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_float64_keys_are_in_order_and_invertible(one: float, other: float) -> None:
    values = np.array([one, other])
    keys = thresholds._ordered(values)
    np.testing.assert_array_equal(thresholds._number(keys), values)
    assert (keys[0] < keys[1]) == (one < other)


def test_rows_are_rounded_as_the_server_does() -> None:
    assert float32_row([0.1, None, "x", 2.0**24 + 1]) == [float(np.float32(0.1)), None, "x", 2.0**24]
