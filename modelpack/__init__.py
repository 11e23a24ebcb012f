"""In-database scoring for PostgreSQL: declare a profile, publish a model, and every INSERT rescores."""

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
from modelpack.errors import ModelpackError
from modelpack.operations import CreateScoring, DropScoring, apply, remove
from modelpack.registry import Registry, Version

__version__ = "0.1.0"

__all__ = [
    "CreateScoring",
    "DropScoring",
    "Event",
    "ModelpackError",
    "Profile",
    "Registry",
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
