"""In-database scoring for PostgreSQL: declare a profile, publish a model, and every INSERT rescores.

The names below are loaded when the first of them is asked for, all at once, so that `modelpack --help` waits for none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelpack.attaching import CreateScoring, DropScoring, ReplaceScoring, apply, remove
    from modelpack.declaration import (
        Event,
        Profile,
        Score,
        age,
        count,
        decayed,
        deviation,
        distinct,
        expression,
        first,
        last,
        maximum,
        mean,
        minimum,
        ratio,
        total,
    )
    from modelpack.errors import (
        DeclarationError,
        ExtraError,
        InstallError,
        ModelpackError,
        PackagingError,
        ParityError,
        RegistryError,
    )
    from modelpack.registry import Registry
    from modelpack.versions import Version

__version__ = "0.3.0"

__all__ = [
    "CreateScoring",
    "DeclarationError",
    "DropScoring",
    "Event",
    "ExtraError",
    "InstallError",
    "ModelpackError",
    "PackagingError",
    "ParityError",
    "Profile",
    "Registry",
    "RegistryError",
    "ReplaceScoring",
    "Score",
    "Version",
    "age",
    "apply",
    "count",
    "decayed",
    "deviation",
    "distinct",
    "expression",
    "first",
    "last",
    "maximum",
    "mean",
    "minimum",
    "ratio",
    "remove",
    "total",
]

# `attaching` is the first: it registers `op.create_scoring`, and has Alembic loaded before our errors are made.
_ROOMS = ("attaching", "declaration", "errors", "registry", "versions")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for room in _ROOMS:
        found = vars(import_module(f"{__name__}.{room}"))
        globals().update((public, found[public]) for public in __all__ if public in found)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
