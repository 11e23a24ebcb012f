"""The estimator as it predicts: without what matters only while it is fitted.

A search over parameters predicts by the estimator that it found; a sampler of imbalanced-learn's does nothing at
prediction; a threshold decides about classes and leaves the probabilities alone; of several outputs one is the
score. What is left is what gets converted. The truth that it is held against stays the estimator as it was given.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.feature_selection import RFE, SelectFromModel, SequentialFeatureSelector, VarianceThreshold
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import Pipeline

from modelpack.errors import PackagingError

_SELECTORS = (RFE, SelectFromModel, SequentialFeatureSelector)
"""They hold an estimator that chose the columns, and nothing else of it matters."""


def plain(estimator: Any, output: int | None = None) -> Any:
    """A copy in which every part that only wraps another one is replaced by that one.

    Args:
        output: the number of the output that is the score, of an estimator with several.

    Raises:
        PackagingError: a search that has not fitted its best estimator.
    """
    found = _plain(_predicting(copy.deepcopy(estimator)), {})
    if output is None or not one_for_each_output(found):
        return found
    if not isinstance(found, Pipeline):
        return found.estimators_[output]
    name, last = found.steps[-1]
    return _flat(Pipeline([*found.steps[:-1], (name, last.estimators_[output])]))


def _predicting(estimator: Any) -> Any:
    """With a selection of columns that also predicts (RFE) as a pipeline."""
    if isinstance(estimator, RFE) and hasattr(estimator, "estimator_"):
        return Pipeline([("columns", estimator), ("estimator", estimator.estimator_)])
    return estimator


def one_for_each_output(estimator: Any) -> bool:
    """Whether several outputs are predicted by an estimator each."""
    while isinstance(estimator, Pipeline) or unwrapped(estimator) is not estimator:
        estimator = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else unwrapped(estimator)
    return isinstance(estimator, MultiOutputClassifier | MultiOutputRegressor)


def _plain(thing: Any, seen: dict[int, Any]) -> Any:
    """The same for whatever an attribute holds; `seen` maps the id of a thing to (thing, result)."""
    if id(thing) in seen:
        return seen[id(thing)][1]
    if not isinstance(thing, BaseEstimator | list | tuple | dict | np.ndarray) and not _of_sklearn(thing):
        return thing
    inner = unwrapped(thing)
    if inner is not thing:
        result = _plain(inner, seen)
        seen[id(thing)] = (thing, result)
        return result
    seen[id(thing)] = (thing, thing)
    if isinstance(thing, Pipeline):
        thing = _flat(thing)
    if isinstance(thing, list):
        thing[:] = [_plain(v, seen) for v in thing]
    elif type(thing) is tuple:
        return tuple(_plain(v, seen) for v in thing)
    elif isinstance(thing, dict):
        for key, value in list(thing.items()):
            thing[key] = _plain(value, seen)
    elif isinstance(thing, np.ndarray):
        if thing.dtype == object:
            for at, value in np.ndenumerate(thing):
                if isinstance(value, BaseEstimator):
                    thing[at] = _plain(value, seen)
    else:
        for name, value in list(vars(thing).items()):
            vars(thing)[name] = _plain(value, seen)
    return thing


def _of_sklearn(thing: Any) -> bool:
    return type(thing).__module__.partition(".")[0] == "sklearn" and hasattr(thing, "__dict__")


def unwrapped(estimator: Any) -> Any:
    """What a wrapper predicts by; anything else as it is."""
    if _is(estimator, "FrozenEstimator"):
        return estimator.estimator
    if _is(estimator, "TunedThresholdClassifierCV", "FixedThresholdClassifier"):
        return getattr(estimator, "estimator_", estimator)
    if isinstance(estimator, _SELECTORS) and hasattr(estimator, "n_features_in_"):
        chosen = VarianceThreshold()
        chosen.variances_ = estimator.get_support().astype(float)
        chosen.n_features_in_ = estimator.n_features_in_
        if hasattr(estimator, "feature_names_in_"):
            chosen.feature_names_in_ = estimator.feature_names_in_
        return chosen
    if is_search(estimator):
        return getattr(estimator, "best_estimator_", estimator)
    if isinstance(estimator, Pipeline) and type(estimator) is not Pipeline:
        # imbalanced-learn's; found by what its steps can do, so that the library need not be here
        steps = [(name, step) for name, step in estimator.steps if not hasattr(step, "fit_resample")]
        return Pipeline(steps)
    return estimator


def is_search(estimator: Any) -> bool:
    """Whether it looks for parameters, as GridSearchCV does."""
    return _is(estimator, "BaseSearchCV", "BaseSuccessiveHalving")


def _is(estimator: Any, *names: str) -> bool:
    """Whether it is of one of these classes, which not every version of scikit-learn has."""
    return isinstance(estimator, BaseEstimator) and any(
        cls.__name__ in names for cls in type(estimator).__mro__
    )


def refuse_unfitted(estimator: Any) -> None:
    """Raise PackagingError for a search that was told not to fit what it found."""
    if (
        is_search(estimator)
        and hasattr(estimator, "cv_results_")
        and not hasattr(estimator, "best_estimator_")
    ):
        raise PackagingError(
            f"{type(estimator).__name__} was told not to fit the best estimator (refit=False): set refit=True and "
            "fit it again, or fit an estimator with its best_params_ and publish that."
        )


def _flat(pipeline: Pipeline) -> Pipeline:
    """Steps of a pipeline that is a step of a pipeline become steps; steps that do nothing go."""
    steps: list[tuple[str, Any]] = []
    for name, step in pipeline.steps:
        inner = unwrapped(step)
        if isinstance(inner, Pipeline):
            steps += [(f"{name}__{n}", s) for n, s in _flat(inner).steps]
        elif step is not None and not (isinstance(step, str) and step == "passthrough"):
            steps.append((name, step))
    pipeline.steps = steps or pipeline.steps[-1:]
    return pipeline
