"""What is asked of a publication, in one value that is handed on from the public door to the process that packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


ENGINES = ("onnx", "python")


@dataclass(frozen=True, eq=False, kw_only=True)
class Publication:
    """How a model is packaged and stored. Model and sample go beside it: they are what is published."""

    name: str = ""
    """Of the model in the registry; a package alone needs none."""
    note: str = ""
    """What to say about the version."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Figures to keep with the version."""
    background: bool = True
    """Whether up to 100 rows of the sample are kept with the version, which explanations compare with. They may be
    personal data."""
    promote: bool = False
    """Whether it becomes the version that scores."""
    allow_unseen: bool = False
    """Whether it may although more rows than `unseen_percent` have a text that it has never seen."""

    expected: str | Sequence[float] | pd.Series[Any] | None = None
    """Of an ONNX or PMML model, the score of each row of the sample, float [rows] (NaN: no score), or the name of the column
    of the sample that holds it."""
    inputs: Sequence[str] | None = None
    """The columns that the inputs of an ONNX model mean, in their order. Default: the columns that bear the names of the
    inputs, else all columns of the sample."""
    output: str | None = None
    """Name of the output of an ONNX model that holds the score; default: the only one that holds floats. Of an
    estimator that predicts several at once, the number of one, from 0."""
    positive_class: Any = None
    """The class whose probability is the score; default for two classes: the second. Of an ONNX model by the label of
    the class or the number of its column, from 0."""

    tolerance: float = 1e-5
    """Largest difference from the truth, in the unit that the report of parity names."""
    accept: str | None = None
    """A reason to accept a model that misses the tolerance; it is recorded in the report."""
    engine: str | None = None
    """What scores the version on the server: `onnx` (onnxruntime), or `python` (a function of Python, from the version's
    formula: no wheels, and no import in a session's first event). Default: `python` for linear models and trees of up to
    some thousand nodes, `onnx` for the rest."""
    timeout: float = 300.0
    """Seconds that converting and comparing may take."""
