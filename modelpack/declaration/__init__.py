"""Declarations: what a profile keeps, from which events, and which models score it.

A declaration is data. It knows nothing of a database; `modelpack.compile` turns it into SQL.
"""

from modelpack.declaration.features import (
    Decayed,
    Feature,
    count,
    decayed,
    deviation,
    distinct,
    first,
    last,
    maximum,
    mean,
    minimum,
    total,
)
from modelpack.declaration.inputs import Input, age, expression, ratio
from modelpack.declaration.profile import Event, Profile, Score, load_profiles

__all__ = [
    "Decayed",
    "Event",
    "Feature",
    "Input",
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
    "load_profiles",
    "maximum",
    "mean",
    "minimum",
    "ratio",
    "total",
]
