"""`python -m benchmarks`: interleaved rounds, medians, ratios against the floor. Needs MODELPACK_DSN."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys

from rich.console import Console
from rich.table import Table

from benchmarks.cases import Bench
from benchmarks.ground import own_database


def main() -> int:
    """Run, print a table, or JSON with --json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer events and rounds")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    singles, rows, rounds = (300, 10_000, 3) if options.quick else (3000, 50_000, 7)
    with own_database(os.environ["MODELPACK_DSN"]) as dsn:
        return _run(dsn, options, singles, rows, rounds)


def _run(dsn: str, options: argparse.Namespace, singles: int, rows: int, rounds: int) -> int:
    bench = Bench(dsn)
    cases = bench.cases()
    own = bench.client("bench_log")
    measured: dict[tuple[str, str], list[float]] = {}
    for case in cases:  # every session warm before the first round
        case.single(20)
    own(20)
    for _ in range(rounds):
        for case in cases:
            n = min(singles, 300) if case.bulk is None else singles
            measured.setdefault((case.name, "single"), []).append(case.single(n) / n * 1e6)
            if case.bulk is not None:
                measured.setdefault((case.name, "bulk"), []).append(case.bulk(rows) / rows * 1e6)
        measured.setdefault(("count + score + log, by a client", "single"), []).append(own(300) / 300 * 1e6)
    result = {
        f"{name} ({kind})": {"median_us": statistics.median(v), "min_us": min(v), "max_us": max(v)}
        for (name, kind), v in measured.items()
    }
    if options.json:
        print(json.dumps({"machine": platform.processor() or platform.machine(), "events": result}, indent=1))
        return 0
    table = Table("case", "µs an event", "spread", "against the floor", title="Cost of one event")
    for kind in ("single", "bulk"):
        floor = result[f"counters only (the floor) ({kind})"]["median_us"]
        for name, figures in result.items():
            if name.endswith(f"({kind})"):
                spread = f"{figures['min_us']:.1f} to {figures['max_us']:.1f}"
                table.add_row(
                    name, f"{figures['median_us']:.1f}", spread, f"{figures['median_us'] / floor:.2f}"
                )
    Console(width=110).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
