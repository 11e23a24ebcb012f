"""Which number of the estimator's output is the score, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_outlier_detector, is_regressor

from modelpack.errors import PackagingError
from modelpack.packager.signature import Output


@dataclass(frozen=True)
class Target:
    """How to get the score from the estimator: the method, the column of its result, and the sign."""

    method: str
    index: int | None
    sign: float
    output: Output
    meaning: str
    """What the score is, in words, with its unit."""
    of: int | None = None
    """The number of the output, where the estimator has several."""


def choose_target(estimator: Any, positive_class: Any = None, output: str | None = None) -> Target:
    """P(positive class) for a classifier, the value for a regressor, a decision function where there is no
    more.

    Args:
        estimator: fitted.
        positive_class: one of `classes_`, or its text. Default for two classes: the second.
        output: which one, by its number from 0, of an estimator that predicts several at once.

    Raises:
        PackagingError: neither a classifier nor a regressor nor a detector of outliers, not fitted, several outputs
            and none chosen, an unknown class.
    """
    kind = type(estimator).__name__
    if is_classifier(estimator):
        return _of_class(estimator, kind, positive_class, output)
    if positive_class is not None:
        sort = "a regressor" if is_regressor(estimator) else "no classifier"
        raise PackagingError(f"{kind} is {sort}: it has no positive class ({positive_class!r} was given).")
    if is_regressor(estimator):
        of = _chosen_output(kind, _outputs(estimator), output)
        which = "" if of is None else f" of output {of}"
        return Target(
            "predict",
            of,
            1.0,
            Output("value"),
            f"what {_last(estimator)} predicts{which}, in the unit of the target that it was fitted on",
            of,
        )
    if is_outlier_detector(estimator) and hasattr(estimator, "decision_function"):
        _chosen_output(kind, 1, output)
        return Target(
            "decision_function",
            None,
            1.0,
            Output("value"),
            f"the decision function of {_last(estimator)}: below 0 is an outlier, the lower the stranger; no "
            "probability",
        )
    raise PackagingError(
        f"{kind} is neither a classifier nor a regressor nor a detector of outliers with a decision function: a "
        "score is a probability or a value. Give a fitted scikit-learn classifier or regressor, or a Pipeline that "
        "ends in one."
    )


def _of_class(estimator: Any, kind: str, positive_class: Any, output: str | None) -> Target:
    try:
        classes = list(estimator.classes_)
    except AttributeError as error:
        raise PackagingError(f"{kind} is not fitted (it has no classes_): fit it first.") from error
    several = [c for c in classes if hasattr(c, "__len__") and not isinstance(c, str)]
    of = _chosen_output(kind, len(classes) if several else 1, output)
    if of is not None:
        classes = list(classes[of])
    index = _class_index(kind, classes, positive_class)
    chosen = _class_text(classes[index])
    which = "" if of is None else f" by output {of}"
    guessed = ""
    if positive_class is None and not _says_itself(classes):
        others = ", ".join(repr(_class_text(c)) for n, c in enumerate(classes) if n != index)
        guessed = (
            "; no positive class was named, and it is the second in the order of the labels: for that of "
            f"{others} say --positive-class (positive_class)"
        )
    if hasattr(estimator, "predict_proba"):
        words = f"probability of {chosen!r}{which}, between 0 and 1{guessed}"
        return Target("predict_proba", index, 1.0, Output("probability", chosen), words, of)
    if hasattr(estimator, "decision_function") and of is None:
        value = Output("value", chosen)
        words = (
            f"the decision function of {_last(estimator)} for {chosen!r}: no probability, above 0 speaks for it"
            f"{guessed}"
        )
        if len(classes) == 2:
            return Target("decision_function", None, 1.0 if index == 1 else -1.0, value, words)
        return Target("decision_function", index, 1.0, value, words)
    if getattr(estimator, "voting", None) == "hard":
        raise PackagingError(f"{kind} only counts votes (voting='hard'): fit it with voting='soft'.")
    raise PackagingError(
        f"{kind} has neither predict_proba nor decision_function: there is no score to convert. "
        "Wrap it in sklearn.calibration.CalibratedClassifierCV, or use another estimator."
    )


def _last(estimator: Any) -> str:
    """The name of what predicts, at the end of a pipeline."""
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[-1][1]
    return type(getattr(estimator, "best_estimator_", estimator)).__name__


def _outputs(estimator: Any) -> int:
    """How many values a regressor predicts for a row."""
    while True:
        for attribute in ("n_outputs_", "n_targets_"):
            if isinstance(count := getattr(estimator, attribute, None), int | np.integer):
                return int(count)
        known: Any = getattr(estimator, "_y", None)
        if np.ndim(known) == 2:  # neighbours keep the targets
            return int(np.shape(known)[1])
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        elif type(estimator).__name__ in ("MultiOutputRegressor", "RegressorChain"):
            return len(getattr(estimator, "estimators_", [None]))
        else:
            shape = np.shape(getattr(estimator, "coef_", ()))
            is_matrix = len(shape) == 2 and not hasattr(estimator, "dual_coef_")
            return int(shape[0]) if is_matrix else 1


def _chosen_output(kind: str, count: int, output: str | None) -> int | None:
    """The number of the output; None where there is only one."""
    if count == 1:
        if output is not None:
            raise PackagingError(f"{kind} has a single output: leave out --output (it is {output!r}).")
        return None
    numbers = [str(n) for n in range(count)]
    if output is None or output.strip() not in numbers:
        given = "" if output is None else f", {output!r} was given"
        raise PackagingError(
            f"{kind} predicts several outputs at once ({count}), and one score is expected{given}: say which one with "
            f'--output {" or ".join(numbers[:2])}{" …" if count > 2 else ""} (output="0" in Python). Each can be a '
            "model of its own."
        )
    return int(output)


def _says_itself(classes: list[Any]) -> bool:
    """Whether the labels say which of the two is the one that is looked for: False/True, 0/1, -1/1."""
    return all(isinstance(c, bool | np.bool_ | int | float | np.number) for c in classes) and {
        float(c) for c in classes
    } in ({0.0, 1.0}, {-1.0, 1.0})


def _class_index(kind: str, classes: list[Any], positive_class: Any) -> int:
    listed = ", ".join(_class_text(c) for c in classes)
    if len(classes) < 2:
        raise PackagingError(f"{kind} knows a single class ({listed}): fit it on data that has both.")
    if positive_class is None:
        if len(classes) > 2:
            raise PackagingError(
                f"{kind} knows {len(classes)} classes ({listed}): say which one's probability is the score "
                f"with --positive-class {_class_text(classes[-1])} (positive_class in Python)."
            )
        return 1
    for index, known in enumerate(classes):
        if type(known) is type(positive_class) and known == positive_class:
            return index
    for index, known in enumerate(classes):
        if _class_text(known) == _class_text(positive_class):
            return index
    raise PackagingError(f"positive_class is {positive_class!r}, {kind} knows the classes {listed}.")


def _class_text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
