"""How a package comes about, from top to bottom. What differs between an estimator and a file, its `Subject` says."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from modelpack.errors import PackagingError, ParityError
from modelpack.formula import python_function
from modelpack.packager.estimator.anatomy import libraries
from modelpack.packager.estimator.columns import Column
from modelpack.packager.formula.proven import computed, needed_formula, small_formula
from modelpack.packager.graph.normal_form import NormalForm, normalise
from modelpack.packager.graph.runtime import Runner
from modelpack.packager.process.child import stage
from modelpack.packager.proof.golden import Golden, choose_golden
from modelpack.packager.proof.parity import Expected, Floats, Parity, compare
from modelpack.packager.proof.reference import Background, Reference, make_reference
from modelpack.packager.signature import MISSING_TOKEN, Input, Output, Signature
from modelpack.packager.subject import Accepts, Candidate, Subject, Truth
from modelpack.publication import Publication

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
    metrics: dict[str, float] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    """Columns that the estimator was fitted on and the score does not depend on: no inputs."""
    meaning: str = ""
    """What the score is, in words, with its unit."""
    reference: Reference | None = None
    """Distributions of the sample's inputs and scores as JSON, without its rows; None where there is no sample."""
    formula: dict[str, Any] | None = None
    """The model as data (docs/formula.md), where that is what scores; then golden rows and parity are its own."""
    background: Background | None = None
    """Rows of the sample in signature order (None = missing), which explanations compare with."""


@dataclass(frozen=True)
class Attempt:
    """A candidate in normal form, with its scores held against the truth."""

    form: NormalForm
    scores: Floats
    parity: Parity
    formula: dict[str, Any] | None


def package(subject: Subject, publication: Publication) -> Package:
    """Find a graph that scores as its subject does, and pack it with all that proves so.

    Raises:
        ParityError: no candidate does; the message has the worst row.
        PackagingError: anything else that stands in the way.
    """
    with threadpool_limits(1):  # many small calls: threads would only wait for one another
        truth = subject.truth()
        accepts = subject.accepts(truth)
        expected = expect(subject, truth, accepts)
        proven = prove(subject, expected, accepts, publication)
    order = [subject.columns.index(column) for column in proven.form.columns]
    signature = signature_of(proven.form.columns, [accepts.missing[n] for n in order], subject.output)
    reference, background = make_reference(
        expected, proven.scores, signature, order, background=publication.background
    )
    return Package(
        onnx=proven.form.onnx,
        sha256=hashlib.sha256(proven.form.onnx).hexdigest(),
        signature=signature,
        golden=choose_golden(expected, proven.scores, tuple(order)),
        parity=proven.parity,
        libraries=libraries(subject.estimator),
        metrics={str(name): float(value) for name, value in publication.metrics.items()},
        unused=tuple(c.name for c in subject.columns if c not in proven.form.columns),
        meaning=subject.meaning,
        reference=reference,
        formula=proven.formula,
        background=background,
    )


def expect(subject: Subject, truth: Truth, accepts: Accepts) -> Expected:
    """Rows with the scores that every candidate is held against: the sample, then the probes.

    Of a probe that the server hands to no model, since an input is missing that may not be, the subject is not asked.
    """
    probes = tuple(subject.probes(truth, np.random.default_rng(SEED)))
    rows = (*truth.rows, *(p.row for p in probes))
    scored = np.array(
        [all(v is not None or fine for v, fine in zip(row, accepts.missing, strict=True)) for row in rows],
        dtype=np.bool_,
    )
    asked = [n for n in range(len(truth.rows), len(rows)) if scored[n]]
    found, said = subject.scorer.scores([rows[n] for n in asked])
    scores = np.full(len(rows), np.nan)
    scores[: len(truth.rows)], scores[asked] = truth.scores, found
    return Expected(
        columns=subject.columns,
        rows=rows,
        scores=scores,
        reasons=truth.reasons | {asked[n]: reason for n, reason in said.items()},
        probes=probes,
        scored=scored,
        truth=subject.TRUTH,
    )


def prove(subject: Subject, expected: Expected, accepts: Accepts, publication: Publication) -> Attempt:
    """The first candidate that holds; else the best one where a difference is accepted, else an error."""
    attempts: list[Attempt] = []
    errors: dict[str, PackagingError] = {}
    for candidate in subject.candidates(expected):
        try:
            attempt = _attempt(subject, candidate, expected, accepts, publication)
        except PackagingError as error:
            errors[candidate.route] = error
            continue
        if attempt.parity.passed:
            return _by_formula(attempt, subject, expected, publication) or attempt
        attempts.append(attempt)
    if not attempts:
        raise subject.no_graph(errors)
    for attempt in attempts:  # its float64 may hold where the float32 of onnxruntime does not
        if (found := _by_formula(attempt, subject, expected, publication)) is not None:
            return found
    best = min(attempts, key=lambda a: (a.parity.failures, a.parity.max_difference))
    if not publication.accept:
        raise ParityError(subject.disproven(best.parity))
    return replace(best, parity=replace(best.parity, accepted=publication.accept))


def _attempt(
    subject: Subject, candidate: Candidate, expected: Expected, accepts: Accepts, publication: Publication
) -> Attempt:
    form = normalise(
        candidate.graph(),
        subject.columns,
        output=candidate.output,
        index=candidate.index,
        sign=candidate.sign,
        closed=accepts.closed,
        by_position=candidate.by_position,
    )
    formula = needed_formula(form.onnx) if publication.engine == "python" else None
    return _compared(form, formula, candidate.route, subject, expected, publication)


def _by_formula(
    attempt: Attempt, subject: Subject, expected: Expected, publication: Publication
) -> Attempt | None:
    """The same graph, scored by its formula, where no engine is asked for and the formula is small and holds."""
    if publication.engine is not None:
        return None
    texts = sum(column.type == "text" for column in attempt.form.columns)
    formula = small_formula(attempt.form.onnx, len(attempt.form.columns) - texts, texts)
    if formula is None:
        return None
    found = _compared(attempt.form, formula, attempt.parity.route, subject, expected, publication)
    return found if found.parity.passed else None


def _compared(
    form: NormalForm,
    formula: dict[str, Any] | None,
    route: str,
    subject: Subject,
    expected: Expected,
    publication: Publication,
) -> Attempt:
    scores = _run(form, formula, expected)
    stage("comparing ONNX with what is true of it")
    probability = subject.output.kind == "probability"
    parity = compare(
        expected, scores, subject.witness, publication.tolerance, probability=probability, route=route
    )
    return Attempt(form, scores, parity, formula)


def _run(form: NormalForm, formula: dict[str, Any] | None, expected: Expected) -> Floats:
    """The scores [N] of what scores on the server: the formula, where there is one, or the model in normal form."""
    order = [expected.columns.index(column) for column in form.columns]
    signature = signature_of(form.columns, [True] * len(form.columns), Output("value"))
    rows = [[row[n] for n in order] for row in expected.rows]
    if formula is not None:
        return computed(python_function(formula), signature, rows)
    scores = Runner(form.onnx).scores(signature.pack(rows))
    if len(scores) != len(expected.rows):
        raise PackagingError(f"the converted model gives {len(scores)} scores for {len(expected.rows)} rows")
    return scores


def signature_of(columns: Sequence[Column], missing: Sequence[bool], output: Output) -> Signature:
    """The signature of a model that takes these columns, in the order of its tensors."""
    inputs = tuple(
        Input(c.name, c.type, m, MISSING_TOKEN if m and c.type == "text" else None, c.analyzer, c.categories)
        for c, m in zip(columns, missing, strict=True)
    )
    return Signature(inputs, output)
