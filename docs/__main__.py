"""`python -m docs` writes the generated pages of this folder; `python -m docs --check` says which are not current.

Some pages show what a server makes. They are written where MODELPACK_DSN names one (`make docs` starts it).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.report import current as benchmarks_page
from docs.cli import page as cli_page
from docs.gallery import pages as gallery
from docs.gallery import served_afresh
from docs.sql import page as sql_page

FOLDER = Path(__file__).parent
PAGES = {"cli.md": cli_page, "sql.md": sql_page, "benchmarks.md": benchmarks_page, **gallery()}


def outdated(served: Mapping[str, str] | None = None) -> dict[str, str]:
    """Pages that differ from what they are generated from, by name, as they have to be."""
    wanted = {name: page() for name, page in PAGES.items()} | dict(served or {})
    return {
        name: text
        for name, text in wanted.items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text() != text
    }


def main(arguments: list[str]) -> int:
    """Write what is not current, or with --check only name it."""
    served = None
    if dsn := os.environ.get("MODELPACK_DSN"):
        wheels = os.environ.get("MODELPACK_SERVER_WHEELS")
        served = served_afresh(dsn, Path(wheels) if wheels else None)
    else:
        print(
            "left out, as MODELPACK_DSN names no server: what only a server makes (make docs)",
            file=sys.stderr,
        )
    pages = outdated(served)
    for name, text in pages.items():
        if "--check" in arguments:
            print(f"docs/{name} is not current; run: make docs", file=sys.stderr)
        else:
            (FOLDER / name).write_text(text)
            print(f"wrote docs/{name}")
    return int(bool(pages) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
