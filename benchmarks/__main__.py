"""`python -m benchmarks`: what scoring in place costs, and what people would do instead.

Runs on the server that MODELPACK_DSN names, as a superuser, or on a private one with memory for tables of this size.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from rich.console import Console

from benchmarks import check, figures, report, suite
from benchmarks.ground import Ground, own_database, own_server
from benchmarks.rounds import Group
from benchmarks.sizes import FULL, QUICK, TINY
from dev.machine import ClusterError

SIZES = {size.name: size for size in (FULL, QUICK, TINY)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print the tables. Exit code 1 when --check finds a ratio that became worse, 2 where no server can be had."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="size", action="store_const", const="quick", help="a few minutes")
    size.add_argument(
        "--tiny", dest="size", action="store_const", const="tiny", help="seconds; figures mean nothing"
    )
    parser.add_argument("--large", action="store_true", help="ten million profiles, too")
    parser.add_argument("--only", metavar="PART", help=f"one part of the suite: {', '.join(suite.PARTS)}")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all readings to a file")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and its plots")
    parser.add_argument("--check", action="store_true", help="fail when a ratio is worse than recorded")
    parser.add_argument("--record", action="store_true", help="record the ratios for --check")
    options = parser.parse_args(arguments)
    if options.only and (options.write or options.record or options.check):
        parser.error("--only measures a part; --write, --record and --check need the whole")
    if options.only and options.only not in suite.PARTS:
        parser.error(f"found --only {options.only}, expected one of: {', '.join(suite.PARTS)}")
    sizes = SIZES[options.size or "full"]
    if options.large:
        sizes = sizes.with_ten_million_profiles()
    console, started = Console(stderr=True), time.perf_counter()
    with ExitStack() as stack:
        try:
            server = os.environ.get("MODELPACK_DSN") or stack.enter_context(own_server())
        except ClusterError as reason:
            print(f"{reason}\nor set MODELPACK_DSN to a superuser's DSN", file=sys.stderr)
            return 2

        def run(only: str | None) -> report.Result:
            with own_database(server) as dsn, closing(Ground(dsn, sizes.customers)) as ground:
                groups = suite.run(
                    ground,
                    sizes,
                    lambda text: console.print(
                        f"[dim]{time.perf_counter() - started:4.0f} s  {text} …[/dim]"
                    ),
                    only=only,
                )
                return report.Result(report.facts(ground, sizes), groups, figures.measure(ground, "b_log"))

        result = run(options.only)
        report.show(result, Console(width=120))
        if options.json:
            options.json.write_text(json.dumps(result.to_json(), indent=1, ensure_ascii=False) + "\n")
        if options.write:
            report.write(result)
        if options.record:
            check.write([result.groups, *(run(None).groups for _ in range(1, check.RUNS))])
        return _check(result.groups, lambda part: run(part).groups) if options.check else 0


def _check(groups: Sequence[Group], measure: Callable[[str], Sequence[Group]]) -> int:
    recorded = check.read()
    if not recorded:
        print(f"found no recorded ratios, expected {check.RECORDED}; run: make bench-record", file=sys.stderr)
        return 1
    found = check.still(groups, recorded, measure)
    for sentence in found.values():
        print(sentence, file=sys.stderr)
    if not found:
        print(f"no ratio of {len(recorded)} is worse than recorded")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
