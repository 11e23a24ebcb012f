"""`python -m docs` writes the generated pages of this folder; `python -m docs --check` says which are not current."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.report import current as benchmarks_page
from docs.cli import page as cli_page
from docs.sql import page as sql_page

FOLDER = Path(__file__).parent
PAGES = {"cli.md": cli_page, "sql.md": sql_page, "benchmarks.md": benchmarks_page}


def outdated() -> list[str]:
    """Names of the pages that differ from what they are generated from."""
    return [
        name
        for name, page in PAGES.items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text() != page()
    ]


def main(arguments: list[str]) -> int:
    """Write what is not current, or with --check only name it."""
    names = outdated()
    for name in names:
        if "--check" in arguments:
            print(f"docs/{name} is not current; run: make docs", file=sys.stderr)
        else:
            (FOLDER / name).write_text(PAGES[name]())
            print(f"wrote docs/{name}")
    return int(bool(names) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
