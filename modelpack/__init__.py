"""In-database scoring for PostgreSQL: declare a profile, publish a model, and every INSERT rescores."""

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
    InstallError,
    ModelpackError,
    PackagingError,
    ParityError,
    RegistryError,
)
from modelpack.registry import Registry
from modelpack.versions import Version

__version__ = "0.1.0"

__all__ = [
    "CreateScoring",
    "DeclarationError",
    "DropScoring",
    "Event",
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
