"""Keeps the frozen snapshots of what migrations install.

`python -m modelpack.snapshots` writes a new snapshot for every live file that differs from its newest one,
and the hashes of all. Run it, and name the new snapshots in a new revision.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from modelpack.plpython_source import folder, functions, render

MIGRATIONS = folder("migrations")
SNAPSHOTS = MIGRATIONS / "sql"
SUMS = SNAPSHOTS / "SHA256SUMS"


def newest(name: str) -> Path | None:
    """The newest snapshot of a function, if it has one."""
    found = sorted((SNAPSHOTS / name).glob("v*.sql"))
    return found[-1] if found else None


def sums() -> str:
    """The hashes of all snapshots, in the form that `sha256sum --check` reads."""
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(SNAPSHOTS).as_posix()}\n"
        for path in sorted(SNAPSHOTS.glob("*/v*.sql"))
    )


def main() -> int:
    """Write what is missing; print what was written."""
    for name in functions():
        text, last = render(name), newest(name)
        if last is None or last.read_text() != text:
            number = 1 if last is None else int(last.stem[1:]) + 1
            path = SNAPSHOTS / name / f"v{number:02d}.sql"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            print(f"wrote {path.relative_to(MIGRATIONS.parent)}")
    SUMS.write_text(sums())
    return 0


if __name__ == "__main__":
    sys.exit(main())
