"""Hold a run against the ratios that were recorded: what became worse, and by how much.

Times are never compared, only ratios of cases that ran interleaved on one server. A ratio may be as bad as the worst
round of the run that was recorded, and never has to be better than `LEEWAY` times its best.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.rounds import Group

RECORDED = Path(__file__).with_name("recorded.json")
LEEWAY = 1.1
"""What two quiet runs on one machine differ by at most."""

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


def complaints(groups: Sequence[Group], recorded: Recorded) -> list[str]:
    """A sentence for every ratio that is worse than recorded, or that is recorded and was not measured."""
    now = record(groups)
    found = []
    for name, then in recorded.items():
        if name not in now:
            found.append(f"{name}: recorded, but not measured; measure it, or run: make bench-record")
        elif now[name]["best"] > then["allowed"]:
            worse = now[name]["best"] / then["best"] - 1
            found.append(
                f"{name}: {now[name]['best']:.2f} times the floor, recorded {then['best']:.2f}, "
                f"expected {then['allowed']:.2f} at most: {worse:.0%} worse"
            )
    return found


def read(path: Path = RECORDED) -> Recorded:
    """The recorded ratios; none where nothing was recorded."""
    recorded: Recorded = json.loads(path.read_text()) if path.is_file() else {}
    return recorded


def write(groups: Sequence[Group], path: Path = RECORDED) -> None:
    """Record the ratios of a run."""
    path.write_text(json.dumps(record(groups), indent=1, ensure_ascii=False) + "\n")
