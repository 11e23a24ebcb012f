"""The tests on every PostgreSQL that modelpack supports, one private server after the other.

    python -m dev.matrix --write               all that faces the server, on all of them; writes docs/compatibility.md
    python -m dev.matrix 14 18 --quick         the files of QUICK, on these
    python -m dev.matrix 18 -- tests/… -k …    pytest's own arguments instead of the files

A server that neither this machine nor the registries offer is left out, and said so. Exit code 1 when a test failed.
Standard library only, like `dev.cluster`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.cluster import CHECKOUT, Cluster
from dev.machine import ClusterError
from dev.servers import PACKAGES, NotOffered, home

PAGE = CHECKOUT / "docs" / "compatibility.md"
BELOW = CHECKOUT / ".modelpack" / "matrix"

FACING = ("tests/integration", "tests/faults", "tests/acceptance")
"""What talks to a server."""

QUICK = (
    "tests/integration/test_install.py",
    "tests/integration/test_count.py",
    "tests/integration/test_score.py",
    "tests/integration/test_log.py",
    "tests/integration/test_registry.py",
    "tests/integration/test_gate.py",
    "tests/integration/test_upkeep.py",
)
"""Installing, counting, scoring, logging, publishing, the gate and the jobs: a few minutes on one server."""

# What a test server need not do: its data do not outlive a machine that loses its power.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "4GB"}

HEADER = (
    "| PostgreSQL | Python | from | tests | passed | left out | failed |\n"
    "| --- | --- | --- | --- | --- | --- | --- |\n"
)
ROW = re.compile(r"^\| (\d+)\.\d+ \|.*$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """How a run of the tests on one server ended."""

    major: int
    version: str
    python: str
    origin: str
    tests: str
    """`all`, `short list`, or what pytest was given."""
    passed: int
    skipped: Mapping[str, int]
    """How many, by the reason that they gave."""
    failed: int

    @property
    def row(self) -> str:
        """A line of the page's table."""
        return (
            f"| {self.version} | {self.python} | {self.origin} | {self.tests} | {self.passed} | {sum(self.skipped.values())} "
            f"| {self.failed} |"
        )


def run(major: int, tests: str, arguments: Sequence[str], processes: int) -> Outcome:
    """Run pytest on a private server of that major. Raises NotOffered."""
    server = home(major, CHECKOUT / ".modelpack" / "postgresql")
    cluster = Cluster(BELOW / str(major), settings=SETTINGS, bindir=server / "bin")
    report = BELOW / f"{major}.xml"
    dsn = cluster.start()
    try:
        environment = {
            **os.environ,
            "MODELPACK_POSTGRESQL": str(server),
            "MODELPACK_TEST_DSN": dsn,
            "PATH": f"{server / 'bin'}:{os.environ.get('PATH', '')}",
        }
        environment.setdefault("MODELPACK_SERVER_WHEELS", str(CHECKOUT / ".modelpack" / "server-wheels"))
        pytest = [
            sys.executable,
            "-m",
            "pytest",
            "-n",
            str(processes),
            "--dist",
            "worksteal",
            "-p",
            "no:cacheprovider",
            f"--junit-xml={report}",
        ]
        done = subprocess.run([*pytest, *arguments], env=environment, cwd=CHECKOUT, check=False)
        if done.returncode not in (0, 1):
            raise ClusterError(
                f"pytest ended with {done.returncode} on PostgreSQL {major}: nothing was tested"
            )
        version, python = _versions(server, dsn)
    finally:
        cluster.stop()
    return read(report, major, version, python, "Debian" if server.is_relative_to("/usr") else "npm", tests)


def read(report: Path, major: int, version: str, python: str, origin: str, tests: str) -> Outcome:
    """What a report of pytest's says, each test counted once."""
    passed, failed, skipped = 0, 0, Counter[str]()
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif (left_out := case.find("skipped")) is not None:
            skipped[left_out.get("message", "")] += 1
        else:
            passed += 1
    return Outcome(major, version, python, origin, tests, passed, dict(skipped), failed)


def _versions(server: Path, dsn: str) -> tuple[str, str]:
    script = (
        "set client_min_messages = error; create extension if not exists plpython3u;"
        "do language plpython3u $$ import sys; plpy.execute("
        "\"select set_config('modelpack.python', '%d.%d', false)\" % sys.version_info[:2]) $$;"
        "select split_part(current_setting('server_version'), ' ', 1) || ' ' || current_setting('modelpack.python')"
    )
    psql = [str(server / "bin" / "psql"), "-XqtA", "-v", "ON_ERROR_STOP=1", "-c", script, dsn]
    said = subprocess.run(psql, capture_output=True, text=True, check=True).stdout.split()
    return said[-2], said[-1]


def with_rows(page: str, outcomes: Sequence[Outcome]) -> str:
    """The page with these rows in its table; rows of other majors stay as they are."""
    if HEADER not in page:
        raise ValueError(f"{PAGE.name} has no table that begins with: {HEADER.splitlines()[0]}")
    before, after = page.split(HEADER, 1)
    rows = {int(found[1]): found[0] for found in ROW.finditer(after.split("\n\n", 1)[0] + "\n")}
    rows |= {outcome.major: outcome.row for outcome in outcomes}
    rest = after.split("\n\n", 1)[1] if "\n\n" in after else ""
    return before + HEADER + "".join(f"{rows[major]}\n" for major in sorted(rows)) + "\n" + rest


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    own: list[str] = []
    if "--" in given:
        cut = given.index("--")
        given, own = given[:cut], given[cut + 1 :]
    parser = argparse.ArgumentParser(prog="python -m dev.matrix", description=__doc__)
    parser.add_argument("majors", nargs="*", type=int, choices=sorted(PACKAGES), default=sorted(PACKAGES))
    parser.add_argument("--quick", action="store_true", help="the short list of files")
    parser.add_argument("--write", action="store_true", help="write the rows of these servers into the page")
    parser.add_argument("-n", type=int, default=2, metavar="PROCESSES", help="of pytest (2)")
    options = parser.parse_args(given)
    if own and options.write:
        parser.error("--write is for all tests or the short list, not for what pytest is given")
    tests, files = (
        (" ".join(own), own) if own else ("short list", QUICK) if options.quick else ("all", FACING)
    )
    outcomes: list[Outcome] = []
    for major in options.majors:
        print(f"matrix: PostgreSQL {major}", flush=True)
        try:
            outcomes.append(run(major, tests, files, options.n))
        except NotOffered as missing:
            print(f"matrix: PostgreSQL {major} is left out: {missing}", flush=True)
        except ClusterError as error:
            print(f"matrix: {error}", file=sys.stderr)
            return 2
    for outcome in outcomes:
        print(
            f"matrix: PostgreSQL {outcome.version}, Python {outcome.python} ({outcome.origin}): {outcome.passed} passed, "
            f"{outcome.failed} failed, {sum(outcome.skipped.values())} left out"
        )
        for reason, number in sorted(outcome.skipped.items()):
            print(f"matrix:   {number} left out: {reason}")
    if options.write:
        PAGE.write_text(with_rows(PAGE.read_text(), outcomes))
    return int(any(outcome.failed for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
