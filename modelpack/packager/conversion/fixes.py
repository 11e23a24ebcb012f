"""What skl2onnx gets wrong or refuses, put right in the packaging process.

- Trees: skl2onnx never says which way a missing value goes; scikit-learn's trees all know it
  (`missing_go_to_left`). Trees fitted with missing values have thresholds at infinity, on which its
  `sklearn_threshold` loops for ever.
- Histogram trees: categorical splits are dropped; refused instead. Their float64 thresholds become the
  *nearest* float32, as skl2onnx does: a threshold often is a value of the training data, and `x <= t` implies
  `float32(x) <= float32(t)` only so.
- Text imputers know only texts as missing: they get the missing token. Encoders that know None or NaN as a
  category get the token in its place.
- Trees in float64: skl2onnx rounds their thresholds to float32; they are written as float64 tensors.
- A voting classifier is refused for `flatten_transform`, which does not touch its probabilities.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np
from onnx import numpy_helper
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import KBinsDiscretizer

from modelpack.packager.estimator.anatomy import parts
from modelpack.packager.estimator.columns import is_missing
from modelpack.packager.signature import MISSING_TOKEN

_applied = False

_CATEGORICAL = (
    "this histogram gradient boosting model has categorical splits, which the converter would drop; encode "
    "categories with an OrdinalEncoder or OneHotEncoder and fit without categorical_features"
)


def apply() -> None:
    """Patch skl2onnx, once a process."""
    global _applied
    if _applied:
        return
    import skl2onnx  # registers the converters
    from skl2onnx.common import _container, _registration, tree_ensemble

    from modelpack.packager.conversion import converters, vectorisers

    assert skl2onnx
    converters.register()
    vectorisers.register()
    _replace(tree_ensemble.add_tree_to_attribute_pairs, _add_tree)
    _replace(tree_ensemble.add_tree_to_attribute_pairs_hist_gradient_boosting, _add_histogram_tree)
    _replace(tree_ensemble.sklearn_threshold, _threshold)
    _replace(_container.make_node, _make_node)
    for name in ("SklearnHistGradientBoostingClassifier",):
        registered = _registration._converter_pool[name]
        registered._fct = functools.partial(registered._fct, op_version=3)
    _applied = True


def _replace(original: Any, wrapper: Any) -> None:
    """Put `wrapper(original, …)` wherever a module of skl2onnx imported `original`."""
    name = original.__name__

    def patched(*args: Any, **kwargs: Any) -> Any:
        return wrapper(original, *args, **kwargs)

    for module_name, module in list(sys.modules.items()):
        if module_name.startswith("skl2onnx") and getattr(module, name, None) is original:
            setattr(module, name, patched)


def _make_node(original: Any, kind: str, *args: Any, **attributes: Any) -> Any:
    """A tree node with float64 attributes gets them as tensors: lists are float32."""
    if kind.startswith("TreeEnsemble"):
        for key in ("nodes_values", "nodes_hitrates", "class_weights", "target_weights", "base_values"):
            values = attributes.get(key)
            if isinstance(values, np.ndarray) and values.dtype == np.float64:
                attributes[f"{key}_as_tensor"] = numpy_helper.from_array(attributes.pop(key))
    return original(kind, *args, **attributes)


def _threshold(original: Any, value: float, dtype: Any, mode: str) -> Any:
    return original(value, dtype, mode) if np.isfinite(value) else value


def missing_goes_left(tree: Any) -> list[int]:
    """For each node of a scikit-learn tree, 1 where a missing value goes left."""
    return [int(left) for left in tree.missing_go_to_left]


def _add_tree(
    original: Any, attributes: dict[str, Any], is_classifier: bool, tree: Any, *args: Any, **kwargs: Any
) -> None:
    missing = attributes["nodes_missing_value_tracks_true"]
    start = len(missing)
    original(attributes, is_classifier, tree, *args, **kwargs)
    missing[start:] = missing_goes_left(tree)


def _add_histogram_tree(
    original: Any, attributes: dict[str, Any], is_classifier: bool, tree: Any, *args: Any, **kwargs: Any
) -> None:
    if any(node["is_categorical"] for node in tree.nodes):
        raise NotImplementedError(_CATEGORICAL)
    missing = attributes["nodes_missing_value_tracks_true"]
    start = len(missing)
    original(attributes, is_classifier, tree, *args, **kwargs)
    missing[start:] = [int(left) for left in missing[start:]]


def prepare(estimator: Any) -> Any:
    """The estimator as skl2onnx can read it, with missing texts as tokens; changed in place: it is a copy."""
    for part in parts(estimator):
        if isinstance(part, ColumnTransformer) and hasattr(part, "_transformer_to_input_indices"):
            # by position: names are known to the first step alone, and converted ones are called otherwise
            at = part._transformer_to_input_indices
            part.transformers_ = [(name, step, list(at[name])) for name, step, _ in part.transformers_]
        if isinstance(part, KBinsDiscretizer) and part.encode == "onehot":
            part.encode = "onehot-dense"  # there are no sparse tensors; the numbers are the same
        if np.any(getattr(part, "is_categorical_", False)):
            raise NotImplementedError(_CATEGORICAL)
        statistics = getattr(part, "statistics_", None)
        if (
            isinstance(statistics, np.ndarray)
            and statistics.dtype.kind in "OUS"
            and is_missing(part.missing_values)
        ):
            part.missing_values = MISSING_TOKEN
        if hasattr(part, "flatten_transform"):
            part.flatten_transform = False
        categories = getattr(part, "categories_", None)
        if isinstance(categories, list):
            part.categories_ = [_with_token(c) for c in categories]
    return estimator


def _with_token(categories: Any) -> Any:
    values = np.asarray(categories)
    if values.dtype != object or not any(isinstance(c, str) for c in values):
        return categories
    result = values.copy()
    for n in range(len(values)):
        if is_missing(values[n]):
            result[n] = MISSING_TOKEN
    return result
