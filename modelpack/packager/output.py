"""Which number of the estimator's output is the score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklearn.base import is_classifier, is_regressor

from modelpack.errors import PackagingError
from modelpack.packager.signature import Output


@dataclass(frozen=True)
class Target:
    """How to get the score from the estimator: the method, the column of its result, and the sign."""

    method: str
    index: int | None
    sign: float
    output: Output


def choose_target(estimator: Any, positive_class: Any = None) -> Target:
    """P(positive class) for a classifier, the value for a regressor, a decision function where there is no
    more.

    Args:
        estimator: fitted.
        positive_class: one of `classes_`, or its text. Default for two classes: the second.

    Raises:
        PackagingError: neither a classifier nor a regressor, not fitted, several outputs, an unknown class.
    """
    kind = type(estimator).__name__
    if is_regressor(estimator):
        if positive_class is not None:
            raise PackagingError(
                f"{kind} is a regressor: it has no positive class ({positive_class!r} was given)."
            )
        return Target("predict", None, 1.0, Output("value"))
    if not is_classifier(estimator):
        raise PackagingError(
            f"{kind} is neither a classifier nor a regressor: a score is a probability or a value. "
            "Give a fitted scikit-learn classifier, regressor, or a Pipeline that ends in one."
        )
    try:
        classes = list(estimator.classes_)
    except AttributeError as error:
        raise PackagingError(f"{kind} is not fitted (it has no classes_): fit it first.") from error
    if any(hasattr(c, "__len__") and not isinstance(c, str) for c in classes):
        raise PackagingError(
            f"{kind} predicts several outputs at once, one score is expected: fit one model an output."
        )
    index = _class_index(kind, classes, positive_class)
    output = Output("probability", _class_text(classes[index]))
    if hasattr(estimator, "predict_proba"):
        return Target("predict_proba", index, 1.0, output)
    if hasattr(estimator, "decision_function"):
        value = Output("value", output.positive_class)
        if len(classes) == 2:
            return Target("decision_function", None, 1.0 if index == 1 else -1.0, value)
        return Target("decision_function", index, 1.0, value)
    raise PackagingError(
        f"{kind} has neither predict_proba nor decision_function: there is no score to convert. "
        "Wrap it in sklearn.calibration.CalibratedClassifierCV, or use another estimator."
    )


def _class_index(kind: str, classes: list[Any], positive_class: Any) -> int:
    listed = ", ".join(_class_text(c) for c in classes)
    if len(classes) < 2:
        raise PackagingError(f"{kind} knows a single class ({listed}): fit it on data that has both.")
    if positive_class is None:
        if len(classes) > 2:
            raise PackagingError(
                f"{kind} knows {len(classes)} classes ({listed}): say which one's probability is the score "
                "with positive_class."
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
