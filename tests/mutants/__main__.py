"""`python -m tests.mutants --part sql|generated|python --seed 1 --limit 20`: put faults in one by one and run the tests that cover them.

Works on a copy of the checkout, so that nothing here changes. What was tried already (the same change of the same text) is not
tried again. Results are one JSON object per mutant in `.modelpack/mutants.jsonl`; survivors with their diff go to
`.modelpack/survivors.md`.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from tests.mutants.rooms import LONGEST, ROOMS, ROOT, Room, sources, tests, tests_of
from tests.mutants.rules import Change, python_changes, sql_changes

RESULTS = ROOT / ".modelpack" / "mutants.jsonl"
SURVIVORS = ROOT / ".modelpack" / "survivors.md"
NOT_INSTALLED = 9
"""tests/conftest.py ends with it where the schema cannot be installed: the mutant is no program."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    room: Room
    path: Path
    change: Change

    @property
    def text(self) -> str:
        return self.change.apply(self.path.read_text())

    @property
    def key(self) -> str:
        return hashlib.sha256(f"{self.path.relative_to(ROOT)}\0{self.text}".encode()).hexdigest()[:16]

    @property
    def diff(self) -> str:
        name = self.path.relative_to(ROOT).as_posix()
        before, after = self.path.read_text().splitlines(), self.text.splitlines()
        return "\n".join(difflib.unified_diff(before, after, name, name, lineterm="", n=2))


def changes(room: Room, path: Path) -> list[Change]:
    """Those of one file that leave it a text of its language."""
    text = path.read_text()
    if path.suffix == ".sql":
        return list(sql_changes(text))
    found = python_changes(text, sql=room.part == "generated")
    return [change for change in found if _compiles(change.apply(text))]


def _compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def mutants(part: str, seed: int) -> list[Mutant]:
    """All mutants of a part: the rooms in turn, each in an order that the seed decides, so that any limit is a fair sample."""
    order = random.Random(seed)
    rooms = []
    for room in ROOMS:
        if part in ("all", room.part):
            found = [Mutant(room, path, change) for path in sources(room) for change in changes(room, path)]
            rooms.append(order.sample(found, len(found)))
    return [mutant for turn in zip_longest(*rooms) for mutant in turn if mutant is not None]


def copy(folder: Path) -> None:
    """What git knows of the checkout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copyfile(ROOT / name, target)


def run(mutant: Mutant, folder: Path, limit: float, longest: float = LONGEST) -> dict[str, object]:
    """Put it in, run the tests of its room until one minds, take it out."""
    place = folder / mutant.path.relative_to(ROOT)
    before, begun, said = place.read_text(), time.monotonic(), ""
    place.write_text(mutant.text)
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [
                *command,
                *(tests_of(mutant.room, mutant.path, mutant.change.begin, longest) or tests(mutant.room)),
            ],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
        said = next((line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))), "")
        # 2 and 4: the tests or their fixtures cannot be imported
        outcomes = {0: "survived", 1: "killed", 2: "invalid", 4: "invalid", NOT_INSTALLED: "invalid"}
        outcome = outcomes.get(done.returncode, "unknown")
        if outcome == "unknown":
            said = (done.stdout + done.stderr)[-300:]
    except subprocess.TimeoutExpired:
        outcome = "timeout"
    finally:
        place.write_text(before)
    return {
        "key": mutant.key,
        "part": mutant.room.part,
        "room": mutant.room.name,
        "file": mutant.path.relative_to(ROOT).as_posix(),
        "rule": mutant.change.rule,
        "outcome": outcome,
        "by": said[:200],
        "seconds": round(time.monotonic() - begun, 1),
        "diff": mutant.diff,
    }


def known() -> dict[str, dict[str, str]]:
    """What was found out before, by key."""
    if not RESULTS.exists():
        return {}
    return {r["key"]: r for r in map(json.loads, RESULTS.read_text().splitlines())}


def report(found: list[dict[str, str]]) -> str:
    """The score by room: of the mutants that are programs and whose tests came to an end, how many the tests minded."""
    lines = ["| part | room | mutants | killed | score |", "| --- | --- | --- | --- | --- |"]
    for room in ROOMS:
        counts = Counter(r["outcome"] for r in found if (r["part"], r["room"]) == (room.part, room.name))
        killed = counts["killed"]
        total = killed + counts["survived"]
        if total:
            lines.append(f"| {room.part} | {room.name} | {total} | {killed} | {killed / total:.0%} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make mutants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=["all", *sorted({room.part for room in ROOMS})], default="all")
    parser.add_argument("--room", help="only rooms with this in their name", default="")
    parser.add_argument("--seed", type=int, default=1, help="which come first")
    parser.add_argument("--limit", type=int, default=20, help="how many that were not tried yet")
    parser.add_argument("--timeout", type=float, default=1200, help="seconds for the tests of one mutant")
    parser.add_argument(
        "--longest", type=float, default=LONGEST, help="seconds of tests for one mutant, by the map"
    )
    parser.add_argument(
        "--again", action="store_true", help="those that lived, with more tests: see --longest"
    )
    parser.add_argument("--trust", action="store_true", help="the tests are known to pass without a mutant")
    parser.add_argument("--list", action="store_true", help="count them by room, run none")
    options = parser.parse_args()
    found = [m for m in mutants(options.part, options.seed) if options.room in m.room.name]
    if options.list:
        for (part, room), number in sorted(Counter((m.room.part, m.room.name) for m in found).items()):
            print(f"{part:10} {room:30} {number}")
        return 0
    results = known()
    RESULTS.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="modelpack-mutants-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        copy(folder)
        sound: dict[str, str] = {}
        lived = {key for key, result in results.items() if result["outcome"] in ("survived", "timeout")}
        due = [m for m in found if (m.key in lived if options.again else m.key not in results)]
        for mutant in due[: options.limit]:
            # a test that fails anyway would seem to kill every mutant
            if mutant.room.name not in sound and not options.trust:
                nothing = Mutant(mutant.room, mutant.path, Change("nothing", 0, 0, ""))
                before = run(nothing, folder, options.timeout, options.longest)
                sound[mutant.room.name] = (
                    "" if before["outcome"] == "survived" else f"{before['outcome']} {before['by']}"
                )
                if sound[mutant.room.name]:
                    print(
                        f"left out: {mutant.room.name}, whose tests fail without a mutant: {sound[mutant.room.name]}"
                    )
            if sound.get(mutant.room.name):
                continue
            result = run(mutant, folder, options.timeout, options.longest)
            with RESULTS.open("a") as file:
                file.write(json.dumps(result) + "\n")
            print(
                f"{result['outcome']:9} {result['seconds']:6} s  {result['file']}: {result['rule']}  {result['by']}",
                flush=True,
            )
    current = {m.key for m in found}
    shown = [r for key, r in known().items() if key in current]
    alive = [
        f"## {r['file']}: {r['rule']}\n\n```diff\n{r['diff']}\n```\n"
        for r in shown
        if r["outcome"] == "survived"
    ]
    SURVIVORS.write_text("\n".join(["# Survivors\n", *alive]))
    print(report(shown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
