"""A fitted estimator as the subject of a package: it is asked itself, and skl2onnx converts it by several routes."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from modelpack.errors import PackagingError
from modelpack.packager.conversion.convert import Job, convert, in_words, routes_for
from modelpack.packager.conversion.thresholds import settle
from modelpack.packager.estimator.analyzers import with_analyzers
from modelpack.packager.estimator.anatomy import anatomy
from modelpack.packager.estimator.categories import as_fitted, check_types, with_categories
from modelpack.packager.estimator.columns import Column, model_columns
from modelpack.packager.estimator.output import Target, choose_target
from modelpack.packager.estimator.plain import one_for_each_output, plain, refuse_unfitted
from modelpack.packager.estimator.trees import mark_sparse
from modelpack.packager.process.child import stage
from modelpack.packager.proof.accepted import accepted_missing, closed_categories
from modelpack.packager.proof.oracle import Oracle, rows_of
from modelpack.packager.proof.parity import ROUNDED_LIMIT, Expected, Parity
from modelpack.packager.proof.probes import Probe, plain_probes, text_probes, threshold_probes
from modelpack.packager.sources.samples import manageable
from modelpack.packager.subject import Accepts, Candidate, Truth
from modelpack.publication import Publication

Given = tuple[Any, pd.DataFrame, tuple[Column, ...], Target]


def given(estimator: Any, sample: pd.DataFrame, publication: Publication) -> Given:
    """What the packaging process is handed, looked at before it starts.

    Raises:
        PackagingError: the estimator is not fitted or of no known kind, or the sample is not its.
    """
    if publication.expected is not None or publication.inputs is not None:
        raise PackagingError(
            f"{_idle(publication)} is for .onnx and .pmml files: a {type(estimator).__name__} knows its columns and results itself."
        )
    if isinstance(sample, pd.DataFrame):
        sample = manageable(sample.rename(columns=str))
    refuse_unfitted(estimator)
    inner = plain(estimator)
    columns = with_analyzers(inner, model_columns(inner, sample))
    columns = as_fitted(inner, columns, sample)
    check_types(inner, columns, sample)
    columns = with_categories(inner, columns, sample)
    return (
        estimator,
        sample,
        columns,
        choose_target(estimator, publication.positive_class, publication.output),
    )


def _idle(publication: Publication) -> str:
    told = {"--expected": publication.expected, "--inputs": publication.inputs}
    return ", ".join(option for option, value in told.items() if value is not None)


class Fitted:
    """A fitted estimator. What is converted is what is left of it once it need not be fitted again; the truth is what it
    says itself."""

    TRUTH: ClassVar[str] = "the estimator gives"

    def __init__(
        self, estimator: Any, sample: pd.DataFrame, columns: tuple[Column, ...], target: Target
    ) -> None:
        self.estimator = estimator
        self.columns = columns
        self.output, self.meaning = target.output, target.meaning
        self.scorer = self.witness = Oracle(estimator, columns, sample, target)
        self._sample = sample
        self._target = target
        self._plain = plain(estimator, target.of)
        self._anatomy = anatomy(self._plain)
        if self._anatomy.missing_text is None:
            for column in columns:
                if column.type == "text":
                    self.scorer.set_marker(column.name, None)

    def truth(self) -> Truth:
        """What the estimator says of the sample."""
        stage("asking the estimator for its own results")
        rows = rows_of(self._sample, self.columns)
        scores, reasons = self.scorer.scores(rows)
        accepted = [row for row, score in zip(rows, scores, strict=True) if np.isfinite(score)]
        if not accepted:
            raise PackagingError(
                f"The estimator scores no row of the sample. Its reason for the first one: {reasons[0]}. "
                "Give a sample like the data that it was fitted on."
            )
        return Truth(rows, scores, reasons, accepted)

    def accepts(self, truth: Truth) -> Accepts:
        """Found by asking it."""
        known = self._anatomy
        return Accepts(
            accepted_missing(self.scorer, self.columns, truth.accepted),
            closed_categories(self.scorer, self.columns, truth.accepted, known.texts, known.numbers),
        )

    def probes(self, truth: Truth, rng: np.random.Generator) -> Sequence[Probe]:
        """Values that the sample does not have, texts that are read otherwise, both sides of thresholds."""
        known, rows = self._anatomy, truth.accepted
        probes = plain_probes(self.columns, rows, known.texts, rng)
        if known.ranks_neighbours:
            probes = [p for p in probes if p.kind != "large integer"]
        probes += text_probes(self.columns, rows, known.words, rng)
        return probes + threshold_probes(self._plain, self.scorer, self.columns, rows, rng)

    def candidates(self, expected: Expected) -> Iterator[Candidate]:
        """By every route that makes sense."""
        sample = zip(expected.rows[: expected.sample_rows], expected.scores, strict=False)
        accepted = [row for row, score in sample if np.isfinite(score)]
        settled = settle(self._plain, self.scorer.inputs, self.columns, accepted)
        mark_sparse(settled, self.scorer.inputs, accepted[:1])
        for route in routes_for(self._anatomy):
            job = Job(settled, self.columns, self._target.method, route)
            yield Candidate(route, partial(_converted, job), index=self._index(), sign=self._target.sign)

    def _index(self) -> int:
        """Which column of the converted output is the score, where there are several.

        Converted decision functions of two classes have two columns, the second being the estimator's own.
        """
        target = self._target
        if target.index is None:
            return 1 if target.method == "decision_function" else 0
        alone = target.of is not None and one_for_each_output(self.estimator)  # it alone was converted
        return 0 if alone and target.method == "predict" else target.index

    def no_graph(self, errors: Mapping[str, PackagingError]) -> PackagingError:
        """The reason, or where the routes have different ones all of them."""
        routes: dict[str, list[str]] = {}
        for route, error in errors.items():
            routes.setdefault(str(error).rstrip("."), []).append(route)
        listed = "; ".join(f"{', '.join(names)}: {text}" for text, names in routes.items())
        if len(routes) == 1:
            (listed,) = routes
        return PackagingError(
            f"{type(self.estimator).__name__} cannot be converted to ONNX: {listed}. "
            "docs/estimators.md lists the estimators that can."
        )

    def disproven(self, parity: Parity) -> str:
        """Other results, or too many rows that rounding changes."""
        if parity.failures:
            return (
                f"The ONNX model does not give the estimator's result: {parity.beyond}. Use another estimator or "
                "preprocessing (docs/estimators.md), raise the tolerance, or accept the difference with a reason (--accept)."
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


def _converted(job: Job) -> bytes:
    """The conversion of a copy: converting changes the estimator.

    Raises:
        PackagingError: whatever went wrong, in words.
    """
    stage(f"converting the estimator ({job.route})")
    try:
        return convert(copy.deepcopy(job))
    except PackagingError:
        raise
    except Exception as error:  # converters raise whatever they like
        raise PackagingError(in_words(error, job.estimator)) from error
