"""LightGBM's and XGBoost's estimators: whose an estimator is, and the nodes of its trees.

The two libraries are optional (`modelpack[lightgbm]`, `modelpack[xgboost]`); nothing here imports them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

Kind = Literal["lightgbm", "xgboost"]
KINDS: tuple[Kind, ...] = ("lightgbm", "xgboost")

CLASSES: dict[Kind, tuple[str, ...]] = {
    "lightgbm": ("LGBMClassifier", "LGBMRegressor"),
    "xgboost": ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor"),
}
SPARSE = "_modelpack_sparse"
"""Attribute of an XGBoost estimator's copy: it is fed sparse matrices, in which a zero is a missing value to it."""


def kind_of(part: Any) -> Kind | None:
    """Whose estimator it is: LightGBM's, XGBoost's, or neither's."""
    for cls in type(part).__mro__:
        for kind in KINDS:
            if cls.__module__.partition(".")[0] == kind and cls.__name__ in CLASSES[kind]:
                return kind
    return None


def nodes_of(part: Any) -> tuple[tuple[int, float], ...]:
    """Feature and threshold of each deciding node, such that a value up to the threshold goes left.

    Empty where it is no fitted estimator of the two libraries.
    """
    kind = kind_of(part)
    if kind == "lightgbm":
        found = lightgbm_nodes(part.booster_.dump_model())
        return tuple(sorted({(int(n["split_feature"]), float(n["threshold"])) for n in found if ordered(n)}))
    if kind == "xgboost":
        booster = part.get_booster()
        if part.booster == "gblinear":  # no trees
            return ()
        names = booster.feature_names or [f"f{n}" for n in range(booster.num_features())]
        position = {name: n for n, name in enumerate(names)}
        table = booster.trees_to_dataframe()
        table = table[(table["Feature"] != "Leaf") & table["Split"].notna()]
        pairs = zip(table["Feature"], below(table["Split"].to_numpy(np.float32)), strict=True)
        return tuple(sorted({(position[str(feature)], float(t)) for feature, t in pairs}))
    return ()


def lightgbm_nodes(dumped: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The deciding nodes of all trees of a model that LightGBM dumped."""
    pending = [tree["tree_structure"] for tree in dumped["tree_info"]]
    while pending:
        node = pending.pop()
        if "split_feature" in node:
            yield node
            pending += [node["left_child"], node["right_child"]]


def ordered(node: dict[str, Any]) -> bool:
    """Whether the node compares with a threshold, and does not look for a category."""
    return bool(node["decision_type"] == "<=")


def below(values: Any) -> Any:
    """The largest float32 below each number: XGBoost asks `x < t`, for float32 numbers that is `x <= below(t)`."""
    return np.nextafter(values.astype(np.float32), np.float32(-np.inf))
