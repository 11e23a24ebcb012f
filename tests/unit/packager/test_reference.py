"""References: what is kept of a sample, held against counts that NumPy makes of it in other ways."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from modelpack.packager import Input, Output, Publication, Signature, package
from modelpack.packager.proof.reference import choose_background, reference_of
from tests.example import model, packaged, sample

pytestmark = pytest.mark.usefixtures("here")

NUMBER = Signature((Input("x", "number", True),), Output("value"))


def of_number(values: list[float | None]) -> dict[str, Any]:
    """The distribution of one number."""
    found: dict[str, Any] = reference_of(NUMBER, [[v] for v in values], [0.5] * len(values))["inputs"]["x"]
    return found


def binned(values: list[float], edges: list[float]) -> list[int]:
    """Rows of each bin, one comparison at a time."""
    bounds = [-np.inf, *edges, np.inf]
    return [sum(low < v <= high for v in values) for low, high in itertools.pairwise(bounds)]


def test_a_number_of_many_values_has_edges_at_quantiles_that_are_float32() -> None:
    values = [float(np.float32(v)) for v in np.random.default_rng(1).gamma(2, 50, 997)]
    found = of_number([*values, None, None, None])
    assert found["type"] == "number"
    assert found["missing"] == 3
    assert len(found["edges"]) == 19
    assert found["edges"] == [float(np.float32(e)) for e in found["edges"]]
    assert found["counts"] == binned(values, found["edges"])
    assert all(abs(count - 997 / 20) <= 1 for count in found["counts"])
    assert (found["minimum"], found["maximum"]) == (min(values), max(values))
    assert found["mean"] == pytest.approx(sum(values) / 997)
    assert found["deviation"] == pytest.approx(
        (sum((v - sum(values) / 997) ** 2 for v in values) / 997) ** 0.5
    )


def test_a_number_of_few_values_has_each_of_them_as_an_edge() -> None:
    found = of_number([0.0, 3.0, 3.0, -0.0, 7.0, None])
    assert found["edges"] == [0.0, 3.0, 7.0]
    assert str(found["edges"][0]) == "0.0"
    assert found["counts"] == [2, 2, 1, 0]


def test_a_number_that_is_mostly_zero_has_distinct_edges() -> None:
    values = [0.0] * 900 + [float(n) for n in range(1, 101)]
    found = of_number(list(values))
    assert found["edges"][0] == 0.0
    assert sorted(set(found["edges"])) == found["edges"]
    assert found["counts"] == binned(values, found["edges"])


def test_what_is_always_missing_has_no_edges() -> None:
    assert of_number([None, None]) == {
        "type": "number", "missing": 2, "edges": [], "counts": [0],
        "minimum": None, "maximum": None, "mean": None, "deviation": None,
    }  # fmt: skip


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=60))
@settings(max_examples=200, deadline=None)
def test_whatever_the_numbers_are_each_is_in_its_bin_and_json_holds_it(values: list[float | None]) -> None:
    found = json.loads(json.dumps(of_number(values), allow_nan=False))
    there = [0.0 if abs(v) < 1e-300 else v for v in values if v is not None]
    assert found["counts"] == binned(there, found["edges"])
    assert found["missing"] + sum(found["counts"]) == len(values)
    if there:
        slack = 1e-9 * max(map(abs, there)) + 1e-290
        assert min(there) - slack <= found["mean"] <= max(there) + slack
        assert found["deviation"] <= (max(there) / 2 - min(there) / 2) * 2.0001


def test_texts_are_counted_by_category_the_rare_ones_together() -> None:
    entry = Input("plan", "text", True, categories=("basic", "pro"))
    texts = ["basic"] * 9 + ["pro"] + ["gold"] * 6 + ["Ann Smith", "a\nb", "x" * 201] + [None]
    found = reference_of(Signature((entry,), Output("value")), [[t] for t in texts], [0.0] * 20)
    assert found["inputs"]["plan"] == {
        "type": "text", "missing": 1, "categories": {"basic": 9, "gold": 6, "pro": 1}, "other": 3, "unseen": 9,
    }  # fmt: skip


def test_at_most_fifty_categories_are_kept_the_most_frequent() -> None:
    entry = Input("city", "text", False)
    texts = [f"city {n}" for n in range(80) for _ in range(5 + n)]
    found = reference_of(Signature((entry,), Output("value")), [[t] for t in texts], [0.0] * len(texts))
    kept = found["inputs"]["city"]["categories"]
    assert kept == {f"city {n}": 5 + n for n in range(30, 80)}
    assert found["inputs"]["city"]["other"] == sum(5 + n for n in range(30))
    assert found["inputs"]["city"]["unseen"] == 0


def test_background_rows_are_spread_over_the_scores() -> None:
    scores = np.random.default_rng(3).permutation(1000).astype(float)
    chosen = choose_background([(s,) for s in scores], scores.tolist())
    assert chosen is not None
    assert [row[0] for row in chosen] == [float(10 * n + 5) for n in range(100)]
    assert choose_background([(1.0,), (2.0,)], [0.2, 0.1]) == ((2.0,), (1.0,))
    assert choose_background([], []) is None


def test_long_texts_leave_fewer_background_rows_and_no_reference_is_refused_for_them() -> None:
    rows = [(f"{n} " + "x" * 100_000,) for n in range(200)]
    chosen = choose_background(rows, [float(n) for n in range(200)])
    assert chosen is not None
    assert 12 <= len(chosen) <= 41


def test_a_package_has_the_reference_of_its_sample_as_the_model_is_given_it() -> None:
    made = package(model(), sample(), Publication())
    assert made.reference is not None
    assert made.background is not None
    assert made.reference["rows"] == 80
    assert list(made.reference["inputs"]) == ["complaints", "spend"]
    spend = sample()["spend"].astype(np.float32).astype(float)
    assert made.reference["inputs"]["spend"]["mean"] == pytest.approx(spend.mean())
    assert set(made.reference["inputs"]["spend"]["edges"]) <= set(spend)
    scores = model().predict_proba(sample())[:, 1]
    assert made.reference["score"]["mean"] == pytest.approx(scores.mean(), abs=1e-5)
    assert len(made.background) == 80
    assert {row[1] for row in made.background} == set(spend)
    assert package(model(), sample(), Publication()).background == made.background
    assert package(model(), sample(), Publication(background=False)).background is None
    assert packaged().reference == made.reference


def test_rows_that_the_version_does_not_score_are_not_counted() -> None:
    frame = sample()
    frame.loc[:9, "spend"] = np.nan
    made = package(model(), frame, Publication())
    assert made.reference is not None
    assert made.reference["rows"] == 70
    assert made.reference["inputs"]["spend"]["missing"] == 0


def test_a_free_text_leaves_nothing_but_counts_in_the_reference() -> None:
    random = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "plan": random.choice(["basic", "pro"], 60),
            "said": random.choice(["very good indeed", "quite bad", "good"], 60),
        }
    )
    reader = make_column_transformer((OneHotEncoder(), ["plan"]), (CountVectorizer(), "said"))
    estimator = make_pipeline(reader, LogisticRegression())
    estimator.fit(frame, frame["said"].str.contains("good"))
    made = package(estimator, frame, Publication())
    assert made.reference is not None
    assert made.reference["inputs"]["said"] == {"type": "text", "free": True, "missing": 0, "unseen": 0}
    assert made.reference["inputs"]["plan"]["categories"] == frame["plan"].value_counts().to_dict()
