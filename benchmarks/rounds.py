"""Interleaved rounds: every case runs once a round, so that what disturbs the machine disturbs them alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Run = Callable[[], float]
"""Runs a case once; what one unit of work took."""


@dataclass(frozen=True)
class Ratio:
    """One case against another: the ratios of their readings, round by round."""

    median: float
    least: float
    most: float
    best: float
    """The best reading of the one against the best of the other: what a busy machine disturbs least."""


@dataclass
class Group:
    """Cases that ran side by side, with all their readings."""

    name: str
    title: str
    unit: str
    floor: str
    """The case that the others are held against."""
    readings: dict[str, list[float]] = field(default_factory=dict)
    """Of each case one reading a round, in `unit`."""
    watched: list[str] = field(default_factory=list)
    """The cases whose ratio to the floor must not get worse: our own."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Cases that could not run, each with a sentence that says why."""
    part: str = ""
    """The part of the suite that it belongs to."""

    def median(self, case: str) -> float:
        """The median reading of a case."""
        return statistics.median(self.readings[case])

    def ratio(self, case: str, other: str | None = None) -> Ratio:
        """A case against another one, or against the floor."""
        ours, theirs = self.readings[case], self.readings[other or self.floor]
        rounds = [a / b for a, b in zip(ours, theirs, strict=True)]
        return Ratio(statistics.median(rounds), min(rounds), max(rounds), min(ours) / min(theirs))

    def to_json(self) -> dict[str, Any]:
        """The group with all readings."""
        return asdict(self) | {
            "readings": {case: [round(v, 3) for v in found] for case, found in self.readings.items()}
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Group:
        """The inverse of `to_json`."""
        return cls(**data)


def interleave(group: Group, runs: Mapping[str, Run], rounds: int, *, warm: bool = True) -> Group:
    """Run every case once a round, every second round in the opposite order, and keep the readings.

    With `warm` each case runs once before the first round, so that its session is warm.
    """
    if warm:
        for run in runs.values():
            run()
    for number in range(rounds):
        order = list(runs.items())
        for case, run in order if number % 2 == 0 else reversed(order):
            group.readings.setdefault(case, []).append(run())
    group.readings = {case: group.readings[case] for case in runs if case in group.readings}
    return group
