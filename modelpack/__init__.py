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

__version__ = "0.1.0"

__all__ = [
    "Event",
    "ModelpackError",
    "Profile",
    "Score",
    "age",
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
    "total",
]
