"""How text vectorisers read a text.

What scikit-learn does to a text before it looks words up (lower case, accents, tokens, n-grams) no operator of ONNX does
likewise: its lower case needs a locale of the server, and its expressions know other letters than Python's. So the signature
says how a text is read (`analyzer`), whoever packs a row reads it so (`texts.pack_texts`), and the model gets the words
joined by U+001F.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

from modelpack.errors import PackagingError
from modelpack.packager.estimator.anatomy import parts
from modelpack.packager.estimator.categories import steps_of
from modelpack.packager.estimator.columns import Column
from modelpack.packager.texts import SEPARATOR

_TOKENS = re.compile(r"(?:\(\?u\))?(?:\\b)?(?P<one>(?:\\w)*)\\w(?:\+|\{(?P<more>\d+),\})(?:\\b)?")
"""Patterns of tokens that are runs of word characters, of a least length."""

_WAY_OUT = (
    "Use the default token_pattern, lowercase, strip_accents, stop_words and ngram_range, and do the rest in SQL, for the "
    "training set and the score alike: Score(…, inputs={\"note\": expression(\"lower(replace(note, '-', ' '))\")})"
)


def with_analyzers(estimator: Any, columns: Sequence[Column]) -> tuple[Column, ...]:
    """The columns, those that a vectoriser reads with the way in which it does.

    Raises:
        PackagingError: a vectoriser that reads a text in a way of its own, or two that read one column differently.
    """
    found: dict[str, tuple[dict[str, Any], Any]] = {}
    reached: set[int] = set()
    others: dict[str, Any] = {}
    for step, names in steps_of(estimator, [c.name for c in columns]):
        if not isinstance(step, CountVectorizer):
            if hasattr(step, "categories_"):
                others.update(dict.fromkeys(names, step))
            continue
        if not hasattr(step, "vocabulary_"):  # what a search or a calibrator was given, and fitted copies of
            continue
        reached.add(id(step))
        analyzer = _analyzer(step)
        before = found.setdefault(names[0], (analyzer, step))
        if before[0] != analyzer:
            raise _two_readers(names[0], before[1], step)
    for part in parts(estimator):
        if isinstance(part, HashingVectorizer):
            raise PackagingError(
                "HashingVectorizer keeps no vocabulary, and ONNX has no such hash: use CountVectorizer or TfidfVectorizer, "
                "with max_features for a smaller model."
            )
        if isinstance(part, CountVectorizer) and hasattr(part, "vocabulary_") and id(part) not in reached:
            raise PackagingError(
                f"{_words(part)} stands behind another step, so nobody can tell which column it reads: give it its column "
                "in a ColumnTransformer, or make it the first step of the pipeline."
            )
    for name in found.keys() & others.keys():
        raise _two_readers(name, found[name][1], others[name])
    return tuple(replace(c, analyzer=found[c.name][0]) if c.name in found else c for c in columns)


def _two_readers(name: str, one: Any, other: Any) -> PackagingError:
    return PackagingError(
        f"{_words(one)} and {_words(other)} read the column {name} in two ways, and an input is read in one. Give the second a "
        f'column of its own in the training data, and declare it: Score(…, inputs={{"{name}_too": expression("{name}")}}).'
    )


def _words(step: Any) -> str:
    return f"the step {type(step).__name__}"


def _analyzer(step: Any) -> dict[str, Any]:
    """How a vectoriser reads a text, as JSON of the signature."""

    def refuse(what: str) -> PackagingError:
        return PackagingError(f"{_words(step)} has {what}, which the server does not run. {_WAY_OUT}.")

    for name in ("preprocessor", "tokenizer"):
        if getattr(step, name) is not None:
            raise refuse(f"a {name} of its own")
    if callable(step.strip_accents) or callable(step.analyzer):
        raise refuse(f"{'a strip_accents' if callable(step.strip_accents) else 'an analyzer'} of its own")
    if step.input != "content":
        raise refuse(f"input={step.input!r}")
    vocabulary = step.vocabulary_
    if any(SEPARATOR in token for token in vocabulary):
        raise refuse("a vocabulary with the character U+001F")
    length, stop = 1, set()
    if step.analyzer == "word":
        tokens = _TOKENS.fullmatch(step.token_pattern)
        if tokens is None:
            raise refuse(f"token_pattern={step.token_pattern!r}")
        length = len(tokens["one"]) // 2 + int(tokens["more"] or 1)
        stop = set(step.get_stop_words() or ())
        if step.ngram_range[1] == 1:  # no word: nothing looks for it
            stop &= set(vocabulary)
    return {
        "kind": step.analyzer,
        "lowercase": bool(step.lowercase),
        "strip_accents": step.strip_accents,
        "length": length,
        "stop_words": sorted(stop),
        "ngram_range": [int(n) for n in step.ngram_range],
    }
