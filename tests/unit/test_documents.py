"""What a page names exists: functions, tables, settings, commands, options, targets, files, Python names, headings.

A name that is gone is the commonest fault of a document, and no reader can tell. Names of other programs are in FOREIGN.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import modelpack
from docs.cli import commands
from docs.sql import comments, every_routine, relations, schema

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md")),
    "migrations/README.md",
    "plpython/README.md",
]
ROOMS = (
    "modelpack",
    "modelpack_alembic",
    "migrations",
    "plpython",
    "examples",
    "dev",
    "docker",
    "benchmarks",
    "tests",
)

# of PostgreSQL, of other programs and of Debian; and names that only stand for others
FOREIGN = {
    *(
        "REVOKE",
        "autosummarize",
        "pg_read_all_data",
        "pg_upgrade",
        "max_slot_wal_keep_size",
        "--disable-triggers",
        "/usr/bin/python3.11",
        "log_statement",
        "log_parameter_max_length",
    ),
    *("RECONNECT", "server_lifetime", "prepareThreshold", "prepare_threshold", "statement_cache_size"),
    *("modelpack.VERB", "modelpack.shop__customer_score"),
}

pytestmark = pytest.mark.skipif(
    not (ROOT / "README.md").is_file(), reason="the README is not there (an installed wheel)"
)


@cache
def text_of(page: str) -> str:
    return (ROOT / page).read_text()


def spans(page: str) -> list[str]:
    """What stands in single backticks."""
    prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.M | re.S)
    found = re.findall(r"(?<!`)`((?:[^`\n]|\n(?!\n))+)`(?!`)", prose)
    return [" ".join(span.split()) for span in found]


def blocks(page: str) -> list[str]:
    """The lines of fenced blocks."""
    found = re.findall(r"^```\w*\n(.*?)^```", text_of(page), re.M | re.S)
    return [line for block in found for line in block.splitlines()]


@cache
def files() -> list[Path]:
    """All files of the checkout but those that tools make."""
    return [
        path
        for room in (ROOT, *(ROOT / name for name in (*ROOMS, "docs")))
        for path in (room.iterdir() if room == ROOT else room.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]


@cache
def sources() -> str:
    """The code, without this file and without the pages."""
    return "\n".join(
        path.read_text()
        for path in files()
        if path.suffix in (".py", ".sql", ".toml", ".ini", ".txt", ".mako", ".j2", ".yml", "")
        and path != Path(__file__)
        and (path.parent == ROOT or path.relative_to(ROOT).parts[0] in ROOMS)
    )


@cache
def words() -> set[str]:
    return set(re.findall(r"\w+", sources()))


@cache
def parameters() -> dict[str, set[str]]:
    """Names of the parameters of each function of the schema, all overloads together."""
    found: dict[str, set[str]] = {}
    for routine in every_routine():
        arguments = routine.call[routine.call.index("(") + 1 : -1]
        found.setdefault(routine.name, set()).update(
            re.findall(r"(?:^|, )(?:out |inout |variadic )?(\w+) ", arguments)
        )
    return found


@cache
def columns() -> dict[str, set[str]]:
    """Columns of each table and view of the schema that has comments on them."""
    found: dict[str, set[str]] = {name: set() for _, name in relations()}
    for kind, name, _ in comments(schema()):
        if kind == "column":
            _, table, column = name.split(".")
            found[table].add(column)
    return found


@cache
def generated() -> set[str]:
    """Functions that declarations and promotions make, as the gallery shows them."""
    text = "".join(path.read_text() for path in sorted(ROOT.glob("docs/generated/*.sql")))
    return set(re.findall(r"create or replace function modelpack\.(\w+)", text, re.I))


@cache
def settings() -> set[str]:
    """Settings of the session that the code reads or sets."""
    found = re.findall(
        r"\b(?:current_setting|set_config)\('modelpack\.(\w+)'|\bset (?:local )?modelpack\.(\w+)", sources()
    )
    return {name for pair in found for name in pair}


@cache
def types() -> set[str]:
    """Composite types of the schema that are no tables."""
    return set(
        re.findall(r"\bcreate type modelpack\.(\w+)", (ROOT / "migrations/schema/tables.sql").read_text())
    )


@cache
def is_python(name: str) -> bool:
    """Whether a dotted name can be reached from the package."""
    found: Any = modelpack
    path = "modelpack"
    for part in name.split(".")[1:]:
        path += f".{part}"
        if hasattr(found, part):
            found = getattr(found, part)
        else:
            try:
                found = importlib.import_module(path)
            except ImportError:
                return False
    return True


def is_in_the_schema(name: str) -> bool:
    """Whether modelpack.NAME, or modelpack.TABLE.COLUMN, is something in the database."""
    _, first, *rest = name.split(".")
    if rest:
        return rest[0] in columns().get(first, ())
    return any(first in known() for known in (parameters, columns, generated, settings, types))


def dead_objects(page: str) -> Iterator[str]:
    text = text_of(page)
    for name in re.findall(r"(?<![\w./@-])(modelpack\.[A-Za-z_]\w*(?:\.[a-z_]\w*)?)", text):
        if not is_in_the_schema(name) and not is_python(name) and name not in FOREIGN:
            yield name
    for name, arguments in re.findall(r"modelpack\.(\w+)\(([^()]*(?:\([^()]*\)[^()]*)*)\)", text):
        for argument in re.findall(r"(\w+) => ", arguments):
            if argument not in parameters().get(name, ()):
                yield f"modelpack.{name}({argument} => …)"


def options(command: Any) -> set[str]:
    return {option for p in command.params for option in (*p.opts, *p.secondary_opts)} | {"--help"}


def dead_commands(page: str) -> Iterator[str]:
    known = commands()
    everywhere = set().union(*(options(command) for command in known.values()))
    for line in (*spans(page), *blocks(page)):
        for name, rest in re.findall(r"(?<![\w./-])modelpack ([a-z-]+)([^#|;&]*)", line):
            if re.search(r"\b(schema|comment on|in|has|extension) modelpack", line):
                continue
            inner = rest.split()[0] if rest.split() else ""
            if f"{name} {inner}" in known:  # a command of a group
                name, rest = f"{name} {inner}", rest.split(inner, 1)[1]
            elif not inner and any(k.startswith(f"{name} ") for k in known):
                continue
            if name != "--help" and name not in known:
                yield f"modelpack {name}"
            elif name != "--help":
                for option in re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", rest):
                    if option not in options(known[name]):
                        yield f"modelpack {name} {option}"
    for span in spans(page):
        first, *rest = span.split() or [""]
        if first in known and rest and rest[0].startswith("--") and rest[0] not in options(known[first]):
            yield span
        option = re.match(r"--[a-z][a-z-]*", span)
        if option and option[0] not in everywhere and option[0] not in FOREIGN:
            yield span


def dead_targets(page: str) -> Iterator[str]:
    makefile = text_of("Makefile")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    for line in (*spans(page), *blocks(page)):
        if called := re.match(r"make ([a-z-]+)((?: [A-Z_]+=\S+)*)", line):
            if called[1] not in targets:
                yield f"make {called[1]}"
            for variable in re.findall(r"([A-Z_]+)=", called[2]):
                if f"$({variable})" not in makefile and f"$${{{variable}" not in makefile:
                    yield f"make {called[1]} {variable}="


def dead_files(page: str) -> Iterator[str]:
    known = {path.relative_to(ROOT).as_posix() for path in files()}
    folders = {parent.as_posix() for name in known for parent in Path(name).parents}
    for span in spans(page):
        if not re.fullmatch(r"[\w.-]*(/[\w.-]+)*/?", span) or span in FOREIGN:
            continue
        if "/" not in span and not re.search(r"\w\.(py|sql|md|toml|json|jsonl|csv|txt|yml)$", span):
            continue
        name = span.rstrip("/")
        if name.startswith((".modelpack/", ".venv/")):  # made by tools, whose code has the name
            if name.rsplit("/", 1)[1] not in sources():
                yield span
        elif not any(
            re.search(f"(^|/){re.escape(name).replace('NAME', '[^/]+')}$", path) for path in known | folders
        ):
            yield span


def dead_python(page: str) -> Iterator[str]:
    """Calls and attributes of what pages use: `Event(…)`, `count(window=…)`, `registry.publish(…)`, `op.create_scoring`."""
    from alembic.operations import Operations

    from modelpack.registry import Registry
    from modelpack.versions import Version

    owners = {"registry": Registry, "op": Operations, "version": Version}
    for span in spans(page):
        for owner, name in re.findall(r"(?<![\w.])(registry|op|version)\.([a-z_]\w*)", span):
            of = owners[owner]
            if (
                not hasattr(of, name)
                and name not in getattr(of, "__annotations__", {})
                and f"{owner}.{name}" not in FOREIGN
            ):
                yield f"{owner}.{name}"
        called = re.match(r"(?:(registry)\.)?(\w+)\((.*)\)$", span)
        found = called and getattr(Registry if called[1] else modelpack, called[2], None)
        if called and callable(found):
            known = inspect.signature(found).parameters
            outside = re.sub(r"\"[^\"]*\"|\{[^}]*\}", "", called[3])
            for argument in re.findall(r"(?<!\w)([a-z_]\w*)=", outside):
                if argument not in known:
                    yield f"{called[2]}({argument}=…)"


def dead_words(page: str) -> Iterator[str]:
    """A single word in backticks is one of the code's, or PostgreSQL's as the code uses it, or FOREIGN."""
    for span in spans(page):
        if part := re.fullmatch(r"…(_\w+)", span):
            if not any(name.endswith(part[1]) for name in generated()):
                yield span
            continue
        part = re.fullmatch(r"([A-Za-z_]\w*)(\([^()]*\))?", span)
        if part and not {part[1], part[1].lower()} & (words() | generated() | FOREIGN):
            yield span


def dead_links(page: str) -> Iterator[str]:
    for link, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text_of(page)):
        target = (ROOT / page).parent / link if link else ROOT / page
        if not target.exists():
            yield link
        elif anchor and anchor not in anchors(target):
            yield f"{link}#{anchor}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "dead", [dead_objects, dead_commands, dead_targets, dead_files, dead_python, dead_words, dead_links]
)
def test_what_a_page_names_exists(page: str, dead: Any) -> None:
    names = sorted(set(dead(page)))
    assert not names, ", ".join(names)


DEAD = """# A page

`modelpack.promot` and modelpack.prediction.scores, `modelpack.packager.pack_it`; `call modelpack.rescore('customer', stale => true)`.
`modelpack promot`, `modelpack rescore customer --stale`, `rescore --stale`, `--stale-only`.
`make tests`, `make bench-checks`, `make demo EVENT=x.csv`.
`modelpack/compiler`, `declare.py`, `.modelpack/none.jsonl`.
`op.create_score(customer)`, `registry.promoted("churn")`, `registry.publish(model, names="churn")`, `Event("purchase", when="at")`.
`lock_waits`, `no_such_function()`, `…_nothing`.
[a page](none.md), [a heading](#none), [another](README.md#none).

```sh
modelpack publish model.joblib --sampel sample.csv
```
"""


@pytest.mark.parametrize(
    ("dead", "names"),
    [
        (dead_objects, ["modelpack.packager.pack_it", "modelpack.prediction.scores", "modelpack.promot", "modelpack.rescore(stale => …)"]),
        (dead_commands, ["--stale-only", "modelpack promot", "modelpack publish --sampel", "modelpack rescore --stale", "rescore --stale"]),
        (dead_targets, ["make bench-checks", "make demo EVENT=", "make tests"]),
        (dead_files, [".modelpack/none.jsonl", "declare.py", "modelpack/compiler"]),
        (dead_python, ["Event(when=…)", "op.create_score", "publish(names=…)", "registry.promoted"]),
        (dead_words, ["lock_waits", "no_such_function()", "…_nothing"]),
        (dead_links, ["#none", "README.md#none", "none.md"]),
    ],
)  # fmt: skip
def test_names_that_are_gone_are_found(dead: Any, names: list[str], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(DEAD)
    (tmp_path / "README.md").write_text("# A heading\n")
    assert sorted(set(dead(str(page)))) == names


@pytest.mark.parametrize("container", ["modelpack", "modelpack.packager"])
def test_the_map_of_rooms_is_that_of_the_contract(container: str) -> None:
    """Each line of the contract is one of the map, in the same order and with the same rooms."""
    contract = re.search(
        rf'containers = \["{re.escape(container)}"\].*?layers = \[\n(.*?)\n\]',
        text_of("pyproject.toml"),
        re.S,
    )
    assert contract
    layers = [re.findall(r"\w+", line) for line in contract[1].splitlines() if "__main__" not in line]
    maps = re.findall(
        r"^```text\n(.*?)^```", text_of("docs/decisions.md").split("## The rooms")[1], re.M | re.S
    )
    lines = [line for line in maps[container.count(".")].splitlines() if not line.startswith(" ")]
    assert [line.split()[: len(layer)] for line, layer in zip(lines, layers, strict=True)] == layers
