"""A fitted estimator and some rows make a package: all that a version in the registry consists of."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from modelpack.errors import PackagingError, ParityError
from modelpack.packager.conversion.convert import Job, Route, convert, in_words, routes_for
from modelpack.packager.conversion.thresholds import settle
from modelpack.packager.estimator.analyzers import with_analyzers, words_of
from modelpack.packager.estimator.anatomy import (
    libraries,
    missing_category,
    number_categories,
    ranks_neighbours,
    text_categories,
)
from modelpack.packager.estimator.categories import as_fitted, check_types, with_categories
from modelpack.packager.estimator.columns import Column, Row, model_columns
from modelpack.packager.estimator.output import Target, choose_target
from modelpack.packager.estimator.plain import one_for_each_output, plain, refuse_unfitted
from modelpack.packager.estimator.trees import mark_sparse
from modelpack.packager.graph.normal_form import NormalForm, normalise
from modelpack.packager.graph.runtime import Runner
from modelpack.packager.process import child
from modelpack.packager.process.child import stage
from modelpack.packager.proof.golden import Golden, choose_golden
from modelpack.packager.proof.oracle import Oracle, rows_of
from modelpack.packager.proof.parity import ROUNDED_LIMIT, Expected, Floats, Parity, compare
from modelpack.packager.proof.probes import plain_probes, text_probes, threshold_probes
from modelpack.packager.proof.trials import accepted_missing, closed_categories
from modelpack.packager.signature import MISSING_TOKEN, Input, Output, Signature

SAMPLE_LIMIT = 20_000
"""Rows of the sample that are compared; of a larger one, as many evenly spaced ones."""

TIMEOUT = 300.0
"""Seconds that converting and checking may take, unless told otherwise."""

SEED = 20240229
"""Of the choice of rows for the probes: the same model and sample make the same package."""


@dataclass(frozen=True)
class Package:
    """A version before it is stored."""

    onnx: bytes
    sha256: str
    """Hex digest of `onnx`."""
    signature: Signature
    golden: Golden
    parity: Parity
    libraries: dict[str, str]
    """What the score depends on in the packaging environment (`anatomy.libraries`), name to version."""
    metrics: dict[str, float]
    unused: tuple[str, ...] = ()
    """Columns that the estimator was fitted on and the score does not depend on: no inputs."""
    meaning: str = ""
    """What the score is, in words, with its unit."""


@dataclass(frozen=True)
class _Attempt:
    """One route's outcome."""

    form: NormalForm
    scores: Floats
    parity: Parity


def package(
    estimator: Any,
    sample: pd.DataFrame,
    *,
    positive_class: Any = None,
    output: str | None = None,
    tolerance: float = 1e-5,
    timeout: float = TIMEOUT,
    accept: str | None = None,
    metrics: Mapping[str, float] | None = None,
) -> Package:
    """Convert a fitted estimator to ONNX and prove that it gives the estimator's own results.

    All of it happens in a process of its own. Not for models without a scikit-learn estimator: see `package_onnx`.

    Args:
        estimator: a fitted scikit-learn classifier or regressor, alone or at the end of a `Pipeline`.
        sample: rows that look like those to be scored, with the model's columns; others are ignored. Of more
            than `SAMPLE_LIMIT` rows, that many are used.
        positive_class: the class whose probability is the score; default for two classes: the second.
        output: of an estimator that predicts several outputs at once, the number from 0 of the one that is the score.
        tolerance: largest difference allowed, in the unit that `modelpack.packager.proof.parity` names.
        timeout: seconds for all of it.
        accept: a reason to accept a model that misses the tolerance; it is recorded in the parity report.
        metrics: figures to keep with the version.

    Raises:
        ParityError: the ONNX model's results are not the estimator's; the message has the worst row.
        PackagingError: anything else that stands in the way.
    """
    if isinstance(sample, pd.DataFrame):
        sample = manageable(sample.rename(columns=str))
    refuse_unfitted(estimator)
    inner = plain(estimator)
    columns = with_analyzers(inner, model_columns(inner, sample))
    columns = as_fitted(inner, columns, sample)
    check_types(inner, columns, sample)
    columns = with_categories(inner, columns, sample)
    target = choose_target(estimator, positive_class, output)
    made = child.run_in_child(timeout, None, _package, estimator, sample, columns, target, tolerance, accept)
    return replace(made, metrics={str(k): float(v) for k, v in (metrics or {}).items()})


def _package(
    estimator: Any,
    sample: pd.DataFrame,
    columns: tuple[Column, ...],
    target: Target,
    tolerance: float,
    accept: str | None,
) -> Package:
    """What the packaging process does."""
    oracle = Oracle(estimator, columns, sample, target)
    given, estimator = estimator, plain(estimator, target.of)
    if missing_category(estimator) is None:
        for column in columns:
            if column.type == "text":
                oracle.set_marker(column.name, None)
    with threadpool_limits(1):  # many small calls: threads would only wait for one another
        expected, missing, closed = _ask(estimator, oracle, columns, rows_of(sample, columns))
        attempt = _convert(estimator, given, oracle, target, expected, closed, tolerance, accept)
    form, scores, parity = attempt.form, attempt.scores, attempt.parity
    return assemble(form, columns, missing, target.output, target.meaning, expected, scores, parity, given)


def assemble(
    form: NormalForm,
    columns: Sequence[Column],
    missing: Sequence[bool],
    output: Output,
    meaning: str,
    expected: Expected,
    scores: Floats,
    parity: Parity,
    estimator: Any = None,
) -> Package:
    """The package of a model that passed.

    Args:
        columns: those that the rows of `expected` have.
        missing: for each of them, whether a row in which it is missing is scored.
        meaning: what the score is, in words.
        scores: what the model in normal form gives for these rows.
        estimator: what was converted, where there is one.
    """
    position = {c.name: n for n, c in enumerate(columns)}
    order = tuple(position[c.name] for c in form.columns)
    return Package(
        onnx=form.onnx,
        sha256=hashlib.sha256(form.onnx).hexdigest(),
        signature=_signature(form.columns, [missing[n] for n in order], output),
        golden=choose_golden(expected, scores, order),
        parity=parity,
        libraries=libraries(estimator),
        metrics={},
        unused=tuple(c.name for c in columns if c not in form.columns),
        meaning=meaning,
    )


def manageable(sample: pd.DataFrame) -> pd.DataFrame:
    """Of more than `SAMPLE_LIMIT` rows, as many evenly spaced ones."""
    if len(sample) <= SAMPLE_LIMIT:
        return sample
    return sample.iloc[np.linspace(0, len(sample) - 1, SAMPLE_LIMIT).round().astype(int)]


def _ask(
    estimator: Any, oracle: Oracle, columns: Sequence[Column], rows: Sequence[Row]
) -> tuple[Expected, tuple[bool, ...], dict[str, tuple[Any, ...]]]:
    """All that the estimator has to say: its results on sample and probes, and what it accepts."""
    rng = np.random.default_rng(SEED)
    stage("asking the estimator for its own results")
    scores, reasons = oracle.scores(rows)
    accepted = [row for row, score in zip(rows, scores, strict=True) if np.isfinite(score)]
    if not accepted:
        raise PackagingError(
            f"The estimator scores no row of the sample. Its reason for the first one: {reasons[0]}. "
            "Give a sample like the data that it was fitted on."
        )
    missing = accepted_missing(oracle, columns, accepted)
    texts = text_categories(estimator)
    closed = closed_categories(oracle, columns, accepted, texts, number_categories(estimator))
    probes = plain_probes(columns, accepted, texts, rng)
    if ranks_neighbours(estimator):
        probes = [p for p in probes if p.kind != "large integer"]
    probes += text_probes(columns, accepted, words_of(estimator), rng)
    probes += threshold_probes(estimator, oracle, columns, accepted, rng)
    more, more_reasons = oracle.scores([p.row for p in probes])
    reasons |= {n + len(rows): reason for n, reason in more_reasons.items()}
    every = (*rows, *(p.row for p in probes))
    scored = [all(v is not None or fine for v, fine in zip(row, missing, strict=True)) for row in every]
    expected = Expected(
        tuple(columns),
        every,
        np.concatenate([scores, more]),
        reasons,
        tuple(probes),
        np.array(scored, dtype=np.bool_),
    )
    return expected, missing, closed


def _convert(
    estimator: Any,
    given: Any,
    oracle: Oracle,
    target: Target,
    expected: Expected,
    closed: Mapping[str, tuple[Any, ...]],
    tolerance: float,
    accept: str | None,
) -> _Attempt:
    """The first route that passes; else the best one where it is accepted, else an error."""
    columns = expected.columns
    probability = target.output.kind == "probability"
    attempts: list[_Attempt] = []
    errors: dict[Route, str] = {}
    accepted = [row for row, score in zip(expected.rows, expected.scores, strict=True) if np.isfinite(score)]
    apart = target.of is not None and one_for_each_output(given)
    settled = settle(estimator, oracle.inputs, columns, accepted[: expected.sample_rows])
    mark_sparse(settled, oracle.inputs, accepted[: min(expected.sample_rows, 1)])
    for route in routes_for(estimator):
        stage(f"converting the estimator ({route})")
        try:
            raw = _onnx(Job(settled, columns, target.method, route))
            form = normalise(
                raw,
                columns,
                index=_column(target, apart=apart),
                sign=target.sign,
                closed=closed,
                by_position=True,
            )
            scores = run_rows(form, columns, expected.rows)
        except PackagingError as error:
            errors[route] = str(error)
            continue
        stage("comparing ONNX with the estimator")
        parity = compare(expected, scores, oracle, tolerance, probability=probability, route=route)
        attempts.append(_Attempt(form, scores, parity))
        if parity.passed:
            return attempts[-1]
    if not attempts:
        routes: dict[str, list[str]] = {}
        for route, text in errors.items():
            routes.setdefault(text, []).append(route)
        if len(routes) == 1:
            listed = next(iter(routes)).rstrip(".")
        else:
            listed = "; ".join(f"{', '.join(names)}: {text.rstrip('.')}" for text, names in routes.items())
        raise PackagingError(
            f"{type(given).__name__} cannot be converted to ONNX: {listed}. "
            "docs/estimators.md lists the estimators that can."
        )
    best = min(attempts, key=lambda a: (a.parity.failures, a.parity.max_difference))
    if accept:
        return replace(best, parity=replace(best.parity, accepted=accept))
    raise ParityError(_parity_message(best.parity))


def _onnx(job: Job) -> bytes:
    """The conversion of a copy: converting changes the estimator.

    Raises:
        PackagingError: whatever went wrong, in words.
    """
    try:
        return convert(copy.deepcopy(job))
    except PackagingError:
        raise
    except Exception as error:  # converters raise whatever they like
        raise PackagingError(in_words(error, job.estimator)) from error


def _column(target: Target, *, apart: bool) -> int:
    """Which column of the converted output is the score, where there are several.

    `apart`: whether each output has an estimator of its own, and the chosen one alone was converted.

    Converted decision functions of two classes have two columns, the second being the estimator's own.
    """
    if target.index is not None:
        return 0 if apart and target.method == "predict" else target.index
    return 1 if target.method == "decision_function" else 0


def run_rows(form: NormalForm, columns: Sequence[Column], rows: Sequence[Row]) -> Floats:
    """The ONNX model's scores [N] for rows in the order of the estimator's columns."""
    position = {c.name: n for n, c in enumerate(columns)}
    feed_signature = _signature(form.columns, [True] * len(form.columns), Output("value"))
    order = [position[c.name] for c in form.columns]
    scores = Runner(form.onnx).scores(feed_signature.pack([[row[n] for n in order] for row in rows]))
    if len(scores) != len(rows):
        raise PackagingError(f"the converted model gives {len(scores)} scores for {len(rows)} rows")
    return scores


def _signature(columns: Sequence[Column], missing: Sequence[bool], output: Output) -> Signature:
    inputs = tuple(
        Input(c.name, c.type, m, MISSING_TOKEN if m and c.type == "text" else None, c.analyzer, c.categories)
        for c, m in zip(columns, missing, strict=True)
    )
    return Signature(inputs, output)


def _parity_message(parity: Parity) -> str:
    if parity.failures:
        total = parity.rows + sum(parity.probes.values())
        return (
            f"The ONNX model does not give the estimator's result: {parity.failures} of {total} rows differ "
            f"by more than {parity.allowed}, at most by {parity.max_difference:.3g}. "
            f"The worst is {parity.where}. Use another estimator or preprocessing (docs/estimators.md), raise the tolerance, or accept the "
            "difference with a reason (--accept)."
        )
    said = (
        f"Rounding the inputs to float32, as the server sends them, changes the score of {parity.rounded_rows} of "
        f"{parity.rows} sample rows (limit {ROUNDED_LIMIT:.0%}), at most by {parity.rounded_difference:.3g}. "
    )
    if parity.large:
        return said + (
            f"Beyond 2^24 float32 leaves out whole numbers, and {', '.join(parity.large)} has such: use ages or "
            "differences instead of epoch seconds and identifiers, or accept it with a reason (--accept)."
        )
    return said + (
        "float32 has 7 digits, and the estimator tells numbers apart that are closer (thresholds right at values of "
        "the training data): leave out a scaler before trees, round the columns before fitting, use another "
        "estimator, or accept it with a reason (--accept)."
    )
