"""The packager's front door: a model of any kind goes in, a package comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from modelpack.errors import PackagingError
from modelpack.packager import fitted, onnx_file, pmml_file, story
from modelpack.packager.fitted import Fitted
from modelpack.packager.onnx_file import OnnxFile
from modelpack.packager.pmml.document import Pmml
from modelpack.packager.pmml_file import PmmlFile
from modelpack.packager.process import child
from modelpack.packager.story import Package
from modelpack.packager.subject import Subject
from modelpack.publication import Publication

_AS_IT_IS = Publication()


def package(model: Any, sample: pd.DataFrame | None, publication: Publication = _AS_IT_IS) -> Package:
    """Convert a model to ONNX in normal form, and prove that it gives the results that are true of it.

    All of it happens in a process of its own. The truth is what the estimator says; of an ONNX or PMML
    model, what is expected.

    Args:
        model: a fitted scikit-learn classifier, regressor or detector of outliers, alone or at the end of a `Pipeline`;
            the bytes of an ONNX model, whose inputs are one tensor [rows, k], or several, of numbers or texts; or a `Pmml`.
        sample: rows that look like those to be scored, with the model's columns. An estimator ignores others. Of many
            rows, some thousands are compared (`sources.samples`).
        publication: the options; of an ONNX or PMML model at least `expected`.

    Raises:
        ParityError: the results are others; the message has the worst row.
        PackagingError: anything else that stands in the way.
    """
    if sample is None:
        raise PackagingError("There is no sample: give some rows like those to be scored (--sample).")
    if isinstance(model, bytes):
        return _made(OnnxFile, onnx_file.given(model, sample, publication), onnx_file.MEMORY, publication)
    if isinstance(model, Pmml):
        return _made(PmmlFile, pmml_file.given(model, sample, publication), pmml_file.MEMORY, publication)
    return _made(Fitted, fitted.given(model, sample, publication), None, publication)


def _made(
    kind: Callable[..., Subject], given: tuple[Any, ...], memory: int | None, publication: Publication
) -> Package:
    return child.run_in_child(publication.timeout, memory, _package, kind, given, publication)


def _package(kind: Callable[..., Subject], given: tuple[Any, ...], publication: Publication) -> Package:
    """What the packaging process does."""
    return story.package(kind(*given), publication)
