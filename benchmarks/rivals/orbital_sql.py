"""Read a pickled estimator on stdin, write orbital's SQL for it on stdout.

Runs in an environment of its own, since orbital asks for another onnx than modelpack: nothing of the project is imported.
"""

from __future__ import annotations

import pickle
import sys

import orbital
import orbital.types
from sklearn.pipeline import Pipeline


def main() -> None:
    """The table that the SQL reads is named data_in."""
    estimator = pickle.load(sys.stdin.buffer)
    features = {str(name): orbital.types.DoubleColumnType() for name in estimator.feature_names_in_}
    if not isinstance(estimator, Pipeline):
        estimator = Pipeline([("model", estimator)])
    parsed = orbital.parse_pipeline(estimator, features=features)
    print(orbital.export_sql("data_in", parsed, dialect="postgres"))


if __name__ == "__main__":
    main()
