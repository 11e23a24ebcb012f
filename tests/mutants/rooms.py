"""What is mutated, room by room, and which tests should mind."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from modelpack.snapshots import newest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Room:
    """Files that are mutated alike, and the tests that cover them, those first that are quick to mind."""

    part: str
    name: str
    files: tuple[str, ...]
    tests: tuple[str, ...]


_I, _F, _U = "tests/integration/test_", "tests/faults/test_", "tests/unit/"

ROOMS = (
    # part sql: functions by name
    Room("sql", "rights and registry", ("caller", "check_*", "find_version", "grant_model", "require_approval",
         "promote", "rollback", "approve", "withdraw_approval", "set_*", "drop_alias", "annotate", "add_note", "retire", "purge", "take_turn",
         "keep_*", "run_as", "runs_as", "needed_rights", "revoke_*", "sees", "hides_rows", "disable", "enable", "switch", "hold", "holders", "blame", "end_holders", "hold_models", "lockers", "patience", "do_soon", "hold_profile", "alone", "coarse", "unseen", "look_unseen", "check_unseen", "publish", "prove", "verify_version", "_rights", "_schema", "immutable"),
         (f"{_I}switch.py", f"{_I}held.py", f"{_I}rights.py", f"{_I}run_as.py", f"{_I}callers.py", f"{_I}registry.py", f"{_I}curation.py", f"{_I}gate.py", f"{_I}install.py")),
    Room("sql", "scoring and log", ("feed", "bind", "bind_model", "fill", "score*", "predict", "diff", "to_double", "pack", "warm", "history",
         "log_partitions", "maintain", "try_lock", "no_score", "put_function"),
         (f"{_I}score.py", f"{_I}log.py", f"{_I}rescore.py", f"{_I}registry.py", f"{_I}inputs.py", f"{_I}logged_inputs.py")),
    Room("sql", "declarations", ("attach", "replace", "detach", "disarm", "forget", "seal", "generated", "ensure_*", "add_column_like",
         "grant_access", "dependents", "drop_object", "lock_tables", "resolve", "view_meaning", "index_name", "tablespace", "attached_tables", "qualified", "column_type"),
         (f"{_I}operations.py", f"{_I}held.py", f"{_I}names.py", f"{_I}keys.py", f"{_I}settings.py")),
    Room("sql", "partitions and altered tables", ("cover_partitions", "count_partition", "follow_partitions", "recount_dropped", "recompile_altered", "warn_swapped", "kin", "misplaced", "as_owner"),
         (f"{_I}partitions.py", f"{_I}altered.py", f"{_I}held.py", f"{_I}swapped.py")),
    Room("sql", "upkeep", ("chunk", "chunks", "falls_to", "stale_chunks", "rescore", "refresh", "rebuild", "verify", "amount", "decay"),
         (f"{_I}upkeep.py", f"{_I}rescore.py", f"{_I}count.py")),
    Room("sql", "doctor", ("doctor", "examine_*"), (f"{_F}doctor.py",)),
    # part generated: the SQL in the texts of the compiler
    Room("generated", "counting", ("modelpack/compile/count.py", "modelpack/compile/feature_sql.py", "modelpack/compile/plan.py"),
         (f"{_I}count.py", f"{_I}count_kept.py", f"{_I}count_types.py", f"{_I}upkeep.py", f"{_I}once.py", f"{_I}window_edges.py", f"{_I}isolation.py", f"{_I}stateful.py")),
    Room("generated", "scoring", ("modelpack/compile/score.py",), (f"{_I}score.py", f"{_I}log.py", f"{_I}logged_inputs.py", f"{_I}count_kept.py", f"{_I}partitions.py", f"{_I}swapped.py", f"{_I}rights.py", f"{_I}once.py")),
    Room("generated", "upkeep", ("modelpack/compile/upkeep.py", "modelpack/compile/script.py", "modelpack/compile/sql.py", "modelpack/training.py"),
         (f"{_I}upkeep.py", f"{_I}rescore.py", f"{_I}operations.py", f"{_I}training.py")),
    # part python
    Room("python", "declaration", ("modelpack/declaration/*.py",), (f"{_U}test_generated_names.py", f"{_I}names.py", f"{_I}operations.py", f"{_I}training.py")),
    Room("python", "compile", ("modelpack/compile/*.py", "modelpack/operations.py", "modelpack/catalog.py"),
         (f"{_U}test_generated_names.py", f"{_I}operations.py", f"{_I}count.py", f"{_I}names.py", f"{_I}score.py")),
    Room("python", "proof", tuple(f"modelpack/packager/{m}.py" for m in ("parity", "probes", "golden", "oracle", "thresholds", "signature", "trials", "onnx_file")),
         (f"{_U}packager",)),
    Room("python", "registry and exchange", ("modelpack/registry.py", "modelpack/exchange.py", "modelpack/curation.py", "modelpack/lineage.py"),
         (f"{_U}test_exchange.py", f"{_I}registry.py", f"{_I}curation.py", "tests/acceptance/test_publish.py")),
)  # fmt: skip


def sources(room: Room) -> list[Path]:
    """The files of a room as they are now; of an installed function its newest snapshot."""
    if room.part == "sql":
        folders = sorted(p.name for p in (ROOT / "migrations" / "sql").iterdir() if p.is_dir())
        named = [f for f in folders if any(fnmatch(f, pattern) for pattern in room.files)]
        return [path for path in map(newest, named) if path is not None]
    return sorted(
        {path for pattern in room.files for path in ROOT.glob(pattern) if path.name != "__init__.py"}
    )


def tests(room: Room) -> list[str]:
    """Those of its tests that are there."""
    return [name for name in room.tests if (ROOT / name).exists()]


@cache
def functions(file: str) -> dict[str, str]:
    """The tests of a file, and the text of each."""
    text = (ROOT / file).read_text()
    lines = text.splitlines()
    return {
        f"{file}::{node.name}": "\n".join(
            [node.name.replace("_", " "), *lines[node.lineno : node.end_lineno]]
        )
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def tests_of(room: Room, path: Path) -> list[str]:
    """Those that name the function of an SQL file: the first to be asked. The others are asked when none of them minds."""
    word = re.compile(rf"\b{re.escape(path.parent.name)}\b")
    files = [name for name in tests(room) if name.endswith(".py")] if room.part == "sql" else []
    return [name for file in files for name, text in functions(file).items() if word.search(text)]
