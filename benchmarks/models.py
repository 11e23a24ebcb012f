"""The models of the benchmarks, and the inputs that they take: eight features of events, the rest static columns."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelpack import count, decayed, last, maximum, mean, minimum, total
from modelpack.packager import Package, Publication, package

FEATURES = {
    "events_n": count(),
    "amount_sum": total("amount"),
    "amount_mean": mean("amount"),
    "amount_min": minimum("amount"),
    "amount_max": maximum("amount"),
    "big_n": count(where="amount > 50"),
    "small_n": count(where="amount < 5"),
    "last_amount": last("amount"),
}
"""What every case keeps of its events: the eight inputs of the budgets."""

WINDOWED = FEATURES | {"events_n": count(window="30 days"), "amount_sum": total("amount", window="7 days")}
"""The same names, two of them read from the events at the moment of scoring."""

RICH = WINDOWED | {"small_n": decayed(half_life="30 days")}
"""The same names: two windows and one that decays."""

WORDS = ["basic", "silver", "gold", "north", "south"]

MODELS = {
    "logistic regression": lambda: LogisticRegression(max_iter=300),
    "100 boosted trees": lambda: GradientBoostingClassifier(n_estimators=100, max_depth=3, random_state=0),
    "200 deep trees": lambda: RandomForestClassifier(n_estimators=200, max_depth=12, random_state=0),
    "small neural network": lambda: MLPClassifier((32, 16), max_iter=40, tol=1e-3, random_state=0),
    "100 histogram trees": lambda: HistGradientBoostingClassifier(max_iter=100, random_state=0),
    "100 random trees": lambda: RandomForestClassifier(n_estimators=100, max_depth=8, random_state=0),
}
SCALED = ("logistic regression", "small neural network")


@dataclass(frozen=True)
class Workload:
    """A model, what scores it, and how many inputs it takes: eight features, then static columns, `texts` of them words."""

    model: str = "100 boosted trees"
    inputs: int = 8
    texts: int = 0
    engine: str = "onnx"
    """What scores it on the server."""
    static: Mapping[str, str] = field(init=False, compare=False)
    """The static columns of the profile table and their SQL types."""

    def __post_init__(self) -> None:
        numbers = self.inputs - len(FEATURES) - self.texts
        if numbers < 0:
            raise ValueError(
                f"{self.inputs} inputs with {self.texts} texts, expected {len(FEATURES)} and one for each text at least"
            )
        columns = {f"number_{n}": "double precision" for n in range(numbers)}
        object.__setattr__(self, "static", columns | {f"word_{n}": "text" for n in range(self.texts)})

    @property
    def slug(self) -> str:
        """A name for schemas and for the model in the registry."""
        engine = "" if self.engine == "onnx" else f"_{self.engine}"
        return f"with_{self.model.replace(' ', '_')}_{self.inputs}_{self.texts}{engine}"

    @property
    def title(self) -> str:
        """The model and its inputs in words."""
        texts = f", {self.texts} of them texts" if self.texts else ""
        engine = "" if self.engine == "onnx" else f", engine {self.engine}"
        return f"{self.model}, {self.inputs} inputs{texts}{engine}"


def frame(workload: Workload, rows: int = 3000) -> pd.DataFrame:
    """A training frame: one column an input, skewed amounts and words."""
    random = np.random.default_rng(0)
    made = pd.DataFrame(random.gamma(2, 20, (rows, len(FEATURES))), columns=list(FEATURES))
    extra = {
        name: random.choice(WORDS, rows) if kind == "text" else random.uniform(0, 100, rows)
        for name, kind in workload.static.items()
    }
    return pd.concat([made, pd.DataFrame(extra)], axis=1)


@cache
def train(workload: Workload) -> tuple[Any, pd.DataFrame]:
    """The fitted estimator and its training frame. Every input matters a little, so none is left out."""
    rows = frame(workload)
    texts = [c for c, kind in workload.static.items() if kind == "text"]
    numbers = [c for c in rows if c not in texts]
    weights = np.linspace(1.0, 0.5, len(numbers))
    signal = (rows[numbers] * weights).mean(axis=1).to_numpy()
    for column in texts:
        signal = signal + 4.0 * (rows[column] == "gold").to_numpy()
    target = (signal > np.median(signal)).astype(int)
    estimator = MODELS[workload.model]()
    if texts:
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        scaler = StandardScaler() if workload.model in SCALED else "passthrough"
        estimator = make_pipeline(
            ColumnTransformer([("numbers", scaler, numbers), ("words", encoder, texts)]), estimator
        )
    elif workload.model in SCALED:
        estimator = make_pipeline(StandardScaler(), estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a network that has not converged scores as fast
        return estimator.fit(rows, target), rows


@cache
def packed(workload: Workload) -> Package:
    """The trained model, held against its estimator: what is published."""
    estimator, rows = train(workload)
    return package(estimator, rows.head(200), Publication(engine=workload.engine))
