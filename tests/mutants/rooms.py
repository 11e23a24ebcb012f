"""What is mutated, room by room, and which tests should mind."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from dev.schema import revisions
from modelpack.plpython_source import functions
from modelpack.snapshots import current, files, frozen, names, newest, released
from tests.mutants.calls import CALLS, LINES

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Room:
    """Files that are mutated alike, and the tests that cover them, those first that are quick to mind."""

    part: str
    name: str
    files: tuple[str, ...]
    tests: tuple[str, ...]


_I, _F, _U = "tests/integration/test_", "tests/faults/test_", "tests/unit/"
_T = "modelpack/compile/templates/"

ROOMS = (
    # part sql: functions by name
    Room("sql", "rights and registry", ("caller", "check_*", "get_version", "grant_model", "require_approval",
         "promote", "rollback", "approve", "withdraw_approval", "set_*", "drop_alias", "annotate", "add_note", "retire", "purge", "take_turn",
         "keep_*", "run_as", "runs_as", "needed_rights", "revoke_*", "sees", "hides_rows", "disable", "enable", "switch", "hold", "holders", "blame", "end_holders", "hold_models", "lockers", "patience", "do_soon", "hold_profile", "alone", "listen*", "coarse", "unseen", "look_unseen", "check_unseen", "publish", "prove", "recheck", "schema/*", "immutable", "calls", "shown", "why", "withheld", "server_wheels"),
         (f"{_I}switch.py", f"{_I}held.py", f"{_I}rights.py", f"{_I}run_as.py", f"{_I}callers.py", f"{_I}registry.py", f"{_I}curation.py", f"{_I}gate.py", f"{_I}install.py")),
    Room("sql", "scoring and log", ("feed", "bind", "bind_model", "score*", "predict", "diff", "to_double", "pack", "warm", "history",
         "log_partitions", "maintain", "try_lock", "no_score", "put_function", "key_value", "scorable", "shape"),
         (f"{_I}score.py", f"{_I}log.py", f"{_I}rescore.py", f"{_I}registry.py", f"{_I}inputs.py", f"{_I}logged_inputs.py")),
    Room("sql", "declarations", ("attach", "replace", "detach", "disarm", "detach_dropped", "seal", "generated", "ensure_*", "add_column_like",
         "grant_access", "dependents", "drop_object", "lock_tables", "resolve", "view_meaning", "index_name", "tablespace", "attached_tables", "qualified", "column_type", "dollar", "get_profile"),
         (f"{_I}attaching.py", f"{_I}held.py", f"{_I}names.py", f"{_I}keys.py", f"{_I}settings.py")),
    Room("sql", "partitions and altered tables", ("cover_partitions", "count_partition", "follow_partitions", "recount_dropped", "recompile_altered", "follow_triggers", "heard", "warn_swapped", "kin", "misplaced", "as_owner", "follow_moves"),
         (f"{_I}partitions.py", f"{_I}altered.py", f"{_I}held.py", f"{_I}swapped.py")),
    Room("sql", "upkeep", ("chunk", "chunks", "falls_to", "stale_chunks", "rescore", "refresh", "rebuild", "verify", "amount", "decay", "arithmetic"),
         (f"{_I}upkeep.py", f"{_I}rescore.py", f"{_I}count.py")),
    Room("sql", "doctor", ("doctor", "examine_*"), (f"{_F}doctor.py",)),
    # part generated: the SQL in the texts of the compiler
    Room("generated", "counting", (f"{_T}count_*.sql", f"{_T}move.sql", f"{_T}aggregate.sql", f"{_T}together_parts.sql", "modelpack/compile/count.py", "modelpack/compile/together.py", "modelpack/compile/feature_sql.py", "modelpack/compile/plan.py"),
         (f"{_I}count.py", f"{_I}count_kept.py", f"{_I}count_types.py", f"{_I}together.py", f"{_I}upkeep.py", f"{_I}once.py", f"{_I}window_edges.py", f"{_I}partitions.py", f"{_I}isolation.py", f"{_I}stateful.py")),
    Room("generated", "scoring", (*(f"{_T}{name}.sql" for name in ("score", "scored", "score_parts", "log", "guard", "sample", "types", "parts", "compared")), "modelpack/compile/score.py"),
         (f"{_I}score.py", f"{_I}log.py", f"{_I}logged_inputs.py", f"{_I}count_kept.py", f"{_I}partitions.py", f"{_I}swapped.py", f"{_I}rights.py", f"{_I}once.py")),
    Room("generated", "upkeep", (*(f"{_T}{name}.sql" for name in ("recount", "rebuild*", "refresh", "rescore", "verify", "stale", "examine", "upkeep_parts", "script", "training_set")), "modelpack/compile/upkeep.py", "modelpack/compile/script.py", "modelpack/compile/sql.py", "modelpack/training.py"),
         (f"{_I}upkeep.py", f"{_I}rescore.py", f"{_I}attaching.py", f"{_I}training.py")),
    # part python
    Room("python", "declaration", ("modelpack/declaration/*.py",), (f"{_U}declaration", f"{_U}test_generated_names.py", f"{_I}names.py", f"{_I}attaching.py", f"{_I}training.py")),
    Room("python", "compile", ("modelpack/compile/*.py", "modelpack/attaching.py", "modelpack/fitness.py"),
         (f"{_U}compile", f"{_U}test_generated_names.py", f"{_I}attaching.py", f"{_I}count.py", f"{_I}names.py", f"{_I}score.py")),
    Room("python", "functions in PL/Python", ("plpython/**/*.py",),
         (f"{_U}test_inspect.py", f"{_I}score.py", f"{_I}gate.py", f"{_I}inputs.py", f"{_I}log.py", f"{_F}doctor.py", f"{_F}policy.py")),
    Room("python", "proof", ("modelpack/packager/proof/*.py", *(f"modelpack/packager/{m}.py" for m in ("conversion/thresholds", "graph/*", "signature", "story", "fitted", "onnx_file", "pmml_file", "pmml/*"))),
         (f"{_U}packager",)),
    Room("python", "registry and exchange", ("modelpack/registry.py", "modelpack/store.py", "modelpack/versions.py", "modelpack/exchange.py", "modelpack/curation.py", "modelpack/lineage.py"),
         (f"{_U}test_exchange.py", f"{_I}registry.py", f"{_I}curation.py", "tests/acceptance/test_publish.py")),
)  # fmt: skip


def sources(room: Room) -> list[Path]:
    """The files of a room as they are now."""
    if room.part == "sql":
        found = {name: path for name, path in files().items() if any(fnmatch(name, p) for p in room.files)}
        # what a database gets: of a revision that is not released the live files, of all others what was frozen
        renewed = {name for one in revisions() if one.name not in released() for name in one.installs}
        return [path if name in renewed else frozen(name, str(newest(name))) for name, path in found.items()]
    return sorted(
        {path for pattern in room.files for path in ROOT.glob(pattern) if path.name != "__init__.py"}
    )


def tests(room: Room) -> list[str]:
    """Those of its tests that are there."""
    return [name for name in room.tests if (ROOT / name).exists()]


_CATALOG = ("every_role_has_the_documented_rights_and_no_others", "no_right_is_granted_on_a_column_but_to_insert_outcomes_and_none_by_default",
            "every_function_is_the_owners_that_its_rights_ask_for", "every_function_pins_where_it_finds_names_and_says_how_often_it_may_be_called",
            "the_schema_and_its_tables_are_a_superusers", "no_function_reaches_one_that_a_role_with_fewer_rights_may_change")  # fmt: skip
LOOKING = tuple(f"{_I}rights.py::test_{name}" for name in _CATALOG)
"""They look at every function that is installed and call none."""

LONGEST = 150.0
"""Seconds: how long the tests of one mutant may take, those that call the function in question."""


@cache
def calls() -> dict[str, list[tuple[float, str]]]:
    """By function: the tests that call it, with their seconds. Functions of a declaration by what they are: `count_insert`."""
    found: dict[str, list[tuple[float, str]]] = {}
    for line in CALLS.read_text().splitlines() if CALLS.exists() else ():
        test = json.loads(line)
        for name in {kind_of(name) for name in test["calls"]}:
            found.setdefault(name, []).append((test["seconds"], test["test"]))
    return {name: sorted(tests) for name, tests in found.items()}


def kind_of(function: str) -> str:
    """What a generated function is, as its template is called; another function by its name."""
    counts = re.search(r"_count_.*_(insert|update|delete|truncate|move)$", function)
    if counts:
        return "move" if counts[1] == "move" else f"count_{counts[1]}"
    kinds = (
        "score log guard recount rebuild refresh rescore verify stale examine types sample same batched meet"
    )
    own = re.search(rf"[a-z0-9]_({kinds.replace(' ', '|')})$", function)
    return own[1] if own and function not in names() else function


@cache
def passes() -> dict[str, dict[int, list[tuple[float, str]]]]:
    """By Python file and line: the tests that come by it, with their seconds."""
    found: dict[str, dict[int, list[tuple[float, str]]]] = {}
    for line in LINES.read_text().splitlines() if LINES.exists() else ():
        test = json.loads(line)
        for path, numbers in test["lines"].items():
            for number in numbers:
                found.setdefault(path, {}).setdefault(number, []).append((test["seconds"], test["test"]))
    return found


def tests_of(room: Room, path: Path, begin: int, longest: float) -> list[str]:
    """The tests that come by a place of a file, as many as end in that time: call its function, or run its statement."""
    name = path.stem if room.part == "sql" else path.stem.removesuffix("_keeping").removesuffix("_batch")
    own = tuple(tests(room))
    if room.part == "python":
        known = by_statement(path, begin)
    else:
        # the compiler's own texts are in functions of many names
        known = calls().get(name) or (
            [test for of in calls().values() for test in of if test[1].startswith(own)]
            if room.part == "generated"
            else []
        )
    chosen = chosen_of(known, own, name, longest)
    return (
        [*LOOKING, *(test for test in chosen if test not in LOOKING)]
        if chosen and room.part == "sql"
        else chosen
    )


def by_statement(path: Path, begin: int) -> list[tuple[float, str]]:
    """Tests that run the statement at a place of a Python file; of a module's own statement, those that run anything of it."""
    text = path.read_text()
    row = text.count("\n", 0, begin) + 1
    here = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.stmt) and node.lineno <= row <= (node.end_lineno or 0)
    ]
    inner = max(here, key=lambda node: node.lineno)
    body = getattr(inner, "body", None)
    last = max(body[0].lineno - 1, inner.lineno) if body and row < body[0].lineno else inner.end_lineno or row
    lines = passes().get(path.relative_to(ROOT).as_posix(), {})
    found = [test for number in range(inner.lineno, last + 1) for test in lines.get(number, ())]
    if not found:
        found = [test for of in lines.values() for test in of]
    # the server runs it where no tool sees it
    line = text.splitlines()[row - 1].strip()
    served = [name for name in functions() if line in (current(name) or "")]
    return [*found, *(test for name in served for test in calls().get(name, ()))]


def chosen_of(known: list[tuple[float, str]], own: tuple[str, ...], name: str, longest: float) -> list[str]:
    """Tests that end in that time: those of the room, those with a word of the name, and of each file the quick ones first."""
    words = [word for word in name.split("_") if len(word) > 3]
    number: Counter[str] = Counter()
    order = []
    for test, seconds in sorted({test: seconds for seconds, test in known}.items(), key=lambda each: each[1]):
        file = test.partition("::")[0]
        number[file] += 1
        order.append(
            (not test.startswith(own), not any(word in test for word in words), number[file], seconds, test)
        )
    chosen, spent = [], 0.0
    for *_, seconds, test in sorted(order):
        if spent + seconds < longest:
            chosen.append(test)
            spent += seconds
    return chosen
