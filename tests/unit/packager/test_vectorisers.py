"""Text vectorisers: what is published scores as the estimator does, and what reads texts otherwise is refused in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelpack.errors import PackagingError
from modelpack.packager import package
from modelpack.packager.estimator.analyzers import _analyzer
from modelpack.packager.graph.runtime import Runner
from modelpack.packager.texts import pack_texts

pytestmark = pytest.mark.usefixtures("here")

WORDS = [
    "refund",
    "late",
    "broken",
    "thanks",
    "great",
    "order",
    "café",
    "don't",
    "e-mail",
    "größe",
    "x2",
    "a",
    "naïve",
]


@pytest.fixture(scope="module")
def notes() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "note": [" ".join(rng.choice(WORDS, 6)) for _ in range(200)],
            "spend": rng.gamma(2, 30, 200).round(2),
            "plan": rng.choice(["basic", "plus"], 200),
        }
    )


@pytest.fixture(scope="module")
def gone(notes: pd.DataFrame) -> Any:
    return (notes["note"].str.contains("refund|broken") ^ (notes["spend"] > 90)).astype(int)


STEPS: dict[str, Any] = {
    "two words": TfidfVectorizer(ngram_range=(1, 2), min_df=2),
    "stop words": CountVectorizer(stop_words="english", ngram_range=(1, 3)),
    "no idf, sublinear": TfidfVectorizer(sublinear_tf=True, use_idf=False, norm="l1"),
    "binary": CountVectorizer(binary=True, lowercase=False),
    "accents": TfidfVectorizer(strip_accents="unicode"),
    "letters": TfidfVectorizer(analyzer="char", ngram_range=(1, 3), max_features=300),
    "letters in words": TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), max_features=300),
    "counts, then weights": make_pipeline(CountVectorizer(), TfidfTransformer(sublinear_tf=True)),
    "a vocabulary": CountVectorizer(vocabulary=["refund", "late", "the"], stop_words=["the"]),
}


@pytest.mark.parametrize("name", list(STEPS))
def test_a_vectoriser_is_published_and_scores_any_text_as_the_estimator(
    notes: pd.DataFrame, gone: Any, name: str
) -> None:
    encoded = make_column_transformer(
        (STEPS[name], "note"), (StandardScaler(), ["spend"]), (OneHotEncoder(), ["plan"])
    )
    model = make_pipeline(encoded, LogisticRegression(C=10)).fit(notes, gone)
    made = package(model, notes)
    assert made.parity.passed
    assert made.parity.probes["text"] > 20
    assert {i.name: i.analyzer is not None for i in made.signature.inputs} == {
        "note": True,
        "plan": False,
        "spend": False,
    }
    assert not next(i for i in made.signature.inputs if i.name == "note").missing
    fresh = notes.head(6).assign(
        note=["Refund, please! The CAFÉ's order", "GRÖSSE x2", "", "naive NAÏVE", "the a", "नमस्ते late"]
    )
    feeds = made.signature.pack(
        [[row[n] for n in (i.name for i in made.signature.inputs)] for row in fresh.to_dict("records")]
    )
    np.testing.assert_allclose(Runner(made.onnx).scores(feeds), model.predict_proba(fresh)[:, 1], atol=1e-5)


@pytest.mark.parametrize("last", [LogisticRegression(), RandomForestClassifier(20, random_state=0)])
def test_a_pipeline_that_was_fitted_on_a_series_of_texts_is_published(
    notes: pd.DataFrame, gone: Any, last: Any
) -> None:
    model = make_pipeline(TfidfVectorizer(), last).fit(notes["note"], gone)
    made = package(model, notes[["note"]])
    assert made.parity.passed
    assert made.signature.texts == ("note",)
    with pytest.raises(PackagingError, match="Give a sample with the model's columns alone"):
        package(model, notes)


@pytest.mark.parametrize("ensemble", [True, False])
def test_a_calibrator_over_a_pipeline_with_a_vectoriser_is_published(
    notes: pd.DataFrame, gone: Any, ensemble: bool
) -> None:
    encoded = make_column_transformer((TfidfVectorizer(), "note"), (StandardScaler(), ["spend"]))
    sample = notes[["note", "spend"]]
    pipeline = make_pipeline(encoded, LogisticRegression(C=10))
    model = CalibratedClassifierCV(pipeline, cv=3, ensemble=ensemble).fit(sample, gone)
    made = package(model, sample)
    assert made.parity.passed
    assert made.signature.texts == ("note",)


def test_two_vectorisers_may_read_a_column_alike(notes: pd.DataFrame, gone: Any) -> None:
    both = FeatureUnion([("counts", CountVectorizer()), ("weights", TfidfVectorizer())])
    model = make_pipeline(make_column_transformer((both, "note")), LogisticRegression()).fit(notes, gone)
    assert package(model, notes).parity.passed


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (
            CountVectorizer(tokenizer=str.split, token_pattern=None),
            "the step CountVectorizer has a tokenizer of its own",
        ),
        (TfidfVectorizer(preprocessor=str.lower), "the step TfidfVectorizer has a preprocessor of its own"),
        (TfidfVectorizer(token_pattern=r"[a-z]+"), r"token_pattern='\[a-z\]\+'"),
        (CountVectorizer(analyzer=str.split), "an analyzer of its own"),
        (HashingVectorizer(), "HashingVectorizer keeps no vocabulary"),
        (
            FeatureUnion([("words", CountVectorizer()), ("letters", CountVectorizer(analyzer="char"))]),
            "read the column note in two ways",
        ),
    ],
)
def test_what_reads_texts_otherwise_is_refused_with_the_way_out(
    notes: pd.DataFrame, gone: Any, step: Any, words: str
) -> None:
    model = make_pipeline(make_column_transformer((step, "note")), LogisticRegression()).fit(notes, gone)
    with pytest.raises(PackagingError, match=words) as refused:
        package(model, notes)
    assert "expression(" in str(refused.value) or "use CountVectorizer" in str(refused.value)


# every character class that has surprised somebody, and any other character
LETTERS = st.text(st.sampled_from(list("abAB éÉßẞİıσΣςǅ'’-_.\n\t\r\x1f\x85\u00a0\u2028½²٣नी你🎉\u0308\u200dﬁＡ09"))
                  | st.characters(exclude_categories=["Cs"]), max_size=30)  # fmt: skip


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    text=LETTERS,
    step=st.builds(
        CountVectorizer,
        analyzer=st.sampled_from(["word", "char", "char_wb"]),
        lowercase=st.booleans(),
        strip_accents=st.sampled_from([None, "ascii", "unicode"]),
        token_pattern=st.sampled_from([r"(?u)\b\w\w+\b", r"(?u)\b\w+\b", r"\w{3,}", r"\w+\b", r"\b\w\w\w+"]),
        stop_words=st.sampled_from([None, ["ab", "a", "b"]]),
        ngram_range=st.sampled_from([(1, 1), (1, 2), (2, 2), (2, 4)]),
    ),
)
def test_a_text_is_read_as_scikit_learn_reads_it(text: str, step: Any) -> None:
    expected = [word for word in step.build_analyzer()(text) if "\x1f" not in word]
    step.vocabulary_ = dict.fromkeys(["a", "ab", "b"], 0)
    entry = {"name": "note", "type": "text", "missing": False, "analyzer": _analyzer(step)}
    packed = pack_texts([text], [entry])
    assert isinstance(packed, list)
    found = packed[0].split("\x1f") if packed[0] else []
    assert sorted(found) == sorted(expected)


def test_a_text_that_would_take_too_long_to_read_has_no_score_but_a_reason() -> None:
    entry = {
        "name": "note",
        "missing": False,
        "analyzer": _analyzer(CountVectorizer(vocabulary=["a"]).fit(["a"])),
    }
    assert isinstance(pack_texts(["ab " * 300_000], [entry]), list)
    assert pack_texts(["ab " * 400_000], [entry]) == "input note has more characters than can be read"
