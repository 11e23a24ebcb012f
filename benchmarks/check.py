"""Hold a run against the ratios that were recorded: what became worse, and by how much.

Times are never compared, only ratios of cases that ran interleaved on one server. A ratio may be as bad as the worst
round of the runs that were recorded, and never has to be better than `LEEWAY` times its best. What became worse is
measured again: a busy machine is worse by chance, and not twice at the same place.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.rounds import Group

RECORDED = Path(__file__).with_name("recorded.json")
LEEWAY = 1.1
"""What two quiet runs on one machine differ by at most."""
RUNS = 3
"""Runs of which the spread is recorded."""
AGAIN = 2
"""Times that what became worse is measured again."""

Recorded = Mapping[str, Mapping[str, float]]


def record(groups: Sequence[Group]) -> dict[str, dict[str, float]]:
    """The ratio of every watched case: its best, and the worst that is allowed from now on."""
    found = {}
    for group in groups:
        for case in group.watched:
            ratio = group.ratio(case)
            found[f"{group.name}: {case}"] = {
                "best": round(ratio.best, 3),
                "allowed": round(max(ratio.most, LEEWAY * ratio.best), 3),
            }
    return found


def merge(runs: Sequence[Recorded]) -> dict[str, dict[str, float]]:
    """What several runs found: the best as a rule, and the most that any of them allows."""
    return {
        name: {
            "best": statistics.median_low([run[name]["best"] for run in runs]),
            "allowed": max(run[name]["allowed"] for run in runs),
        }
        for name in runs[0]
    }


def complaints(groups: Sequence[Group], recorded: Recorded) -> dict[str, str]:
    """A sentence for every ratio that is worse than recorded, or that is recorded and was not measured."""
    now = record(groups)
    found = {}
    for name, then in recorded.items():
        if name not in now:
            found[name] = f"{name}: recorded, but not measured; measure it, or run: make bench-record"
        elif now[name]["best"] > then["allowed"]:
            worse = now[name]["best"] / then["best"] - 1
            found[name] = (
                f"{name}: {now[name]['best']:.2f} times the floor, recorded {then['best']:.2f}, "
                f"expected {then['allowed']:.2f} at most: {worse:.0%} worse"
            )
    return found


def still(
    groups: Sequence[Group], recorded: Recorded, measure: Callable[[str], Sequence[Group]]
) -> dict[str, str]:
    """The complaints that stay when their parts are measured again, `AGAIN` times at most."""
    found = complaints(groups, recorded)
    for _ in range(AGAIN):
        part_of = {f"{group.name}: {case}": group.part for group in groups for case in group.watched}
        parts = dict.fromkeys(part_of[name] for name in found if name in part_of)
        groups = [group for part in parts for group in measure(part)]
        again = complaints(groups, {name: recorded[name] for name in found if name in part_of})
        found = {
            name: again.get(name, sentence)
            for name, sentence in found.items()
            if name in again or name not in part_of
        }
    return found


def read(path: Path = RECORDED) -> Recorded:
    """The recorded ratios; none where nothing was recorded."""
    recorded: Recorded = json.loads(path.read_text()) if path.is_file() else {}
    return recorded


def write(runs: Sequence[Sequence[Group]], path: Path = RECORDED) -> None:
    """Record the ratios of some runs."""
    found = merge([record(groups) for groups in runs])
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
