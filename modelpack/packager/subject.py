"""What is packaged, as the story asks it: a fitted estimator, or an `.onnx` file and the outputs that are expected of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from modelpack.errors import PackagingError
from modelpack.packager.estimator.columns import Column, Row
from modelpack.packager.proof.oracle import Scorer
from modelpack.packager.proof.parity import Expected, Floats, Parity
from modelpack.packager.proof.probes import Probe
from modelpack.packager.signature import Cell, Output


@dataclass(frozen=True)
class Truth:
    """The sample and what is true of it."""

    rows: Sequence[Row]
    scores: Floats
    """Of each row; NaN where there is none."""
    reasons: dict[int, str]
    """Why a row has none, by its number."""
    accepted: Sequence[Row]
    """The rows that the subject scores; never empty."""


@dataclass(frozen=True)
class Accepts:
    """What the subject scores."""

    missing: tuple[bool, ...]
    """For each column, whether a row in which it is missing is scored."""
    closed: Mapping[str, Sequence[Cell]] = field(default_factory=dict)
    """The columns in which only the given values are scored."""


@dataclass(frozen=True)
class Candidate:
    """A graph that may be the subject, and which of its numbers is the score: see `normalise`."""

    route: str
    graph: Callable[[], bytes]
    """Makes it; raises PackagingError where that does not go."""
    output: str | None = None
    index: int | None = None
    sign: float = 1.0
    by_position: bool = True


class Subject(Protocol):
    """What is packaged, in the process that packages it."""

    TRUTH: ClassVar[str]
    """How a message begins that says what is true of a row."""

    estimator: Any
    """Whose libraries the score depends on; None without an estimator."""
    columns: tuple[Column, ...]
    output: Output
    meaning: str
    """What the score is, in words, with its unit."""

    @property
    def scorer(self) -> Scorer:
        """Says the score of any row."""

    @property
    def witness(self) -> Scorer:
        """Asked again about rows that differ: whether rounding explains it."""

    def truth(self) -> Truth:
        """The sample with its scores. Raises PackagingError where it has none."""

    def accepts(self, truth: Truth) -> Accepts:
        """What it scores."""

    def probes(self, truth: Truth, rng: np.random.Generator) -> Sequence[Probe]:
        """Rows that a graph may score otherwise than it."""

    def candidates(self, expected: Expected) -> Iterator[Candidate]:
        """Graphs, the likeliest first."""

    def no_graph(self, errors: Mapping[str, PackagingError]) -> PackagingError:
        """Why no candidate came to a score, from the error of each route."""

    def disproven(self, parity: Parity) -> str:
        """Why the best candidate is not the subject, in words."""
