"""The SQL that migrations install: live files until a revision is released, frozen copies from then on.

    migrations/functions/SUBJECT/NAME.sql    a function or procedure
    plpython/NAME.py                         one in PL/Python, rendered; in a wheel a file of SQL like the others
    migrations/schema/NAME.sql               roles, tables and rights; they are called schema/NAME
    migrations/frozen/REVISION/NAME.sql      what a revision installs, as it was released; SHA256SUMS beside it

`make release-schema` writes the frozen copies. migrations/README.md says how revisions are made.
"""

from __future__ import annotations

from pathlib import Path

from modelpack.errors import InstallError
from modelpack.plpython_source import folder, functions, render

MIGRATIONS = folder("migrations")
FUNCTIONS = MIGRATIONS / "functions"
SCHEMA = MIGRATIONS / "schema"
FROZEN = MIGRATIONS / "frozen"


def files() -> dict[str, Path]:
    """The live files of SQL, by name: `attach`, `schema/rights`."""
    return {
        **{f"schema/{path.stem}": path for path in sorted(SCHEMA.glob("*.sql"))},
        **{path.stem: path for path in sorted(FUNCTIONS.glob("*/*.sql"))},
    }


def names() -> list[str]:
    """All that has a live source, PL/Python too."""
    return sorted({*files(), *functions()})


def live(name: str) -> str:
    """The text of a live source, as the next release installs it."""
    if name.startswith("schema/"):
        return (MIGRATIONS / f"{name}.sql").read_text()
    path = next(FUNCTIONS.glob(f"*/{name}.sql"), None)
    return render(name) if path is None else path.read_text()


def head() -> str:
    """The newest revision."""
    return max(path.stem.split("_")[0] for path in (MIGRATIONS / "versions").glob("*.py"))


def released() -> list[str]:
    """The revisions that are frozen, oldest first."""
    return sorted(path.name for path in FROZEN.glob("[0-9]*") if path.is_dir())


def frozen(name: str, revision: str) -> Path:
    """Where the copy of a released revision lies."""
    return FROZEN / revision / f"{name}.sql"


def newest(name: str) -> str | None:
    """The last released revision that installs it; None where none does."""
    return next((r for r in reversed(released()) if frozen(name, r).is_file()), None)


def snapshot(name: str, revision: str) -> str:
    """The text that a revision installs or goes back to: as it was released, or the live one of one that is not."""
    if revision in released():
        path = frozen(name, revision)
        if not path.is_file():
            raise InstallError(
                f"revision {revision} has no {name}, expected {path}; install the package again, or in a checkout: git restore migrations/frozen"
            )
        return path.read_text()
    if revision != head():
        raise InstallError(
            f"revision {revision} has no frozen copies and is not the newest, {head()}; a revision is released before the next one is made"
        )
    return live(name)


def current(name: str) -> str | None:
    """The text in a database at the newest revision; None where a live source is of a revision that is not made yet."""
    if head() not in released():
        return live(name)
    revision = newest(name)
    return None if revision is None else snapshot(name, revision)
