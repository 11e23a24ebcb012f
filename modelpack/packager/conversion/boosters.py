"""LightGBM's and XGBoost's estimators to ONNX: onnxmltools' converters, with what these get wrong put right.

- LightGBM compares float64 numbers. For float32 inputs a threshold is rounded down, which keeps every decision
  (`x <= t` holds for a float32 x just when `x <= floor32(t)`); onnxmltools lets it round to the nearest. For float64
  inputs it stays as it is.
- LightGBM with `zero_as_missing` sends 0 where a missing value goes, which ONNX cannot say: refused.
- XGBoost names features as the data frame does; onnxmltools reads any name as the number of a column.

The two libraries are optional (`modelpack[lightgbm]`, `modelpack[xgboost]`); nothing here imports them before an
estimator of theirs is met.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from modelpack.errors import PackagingError
from modelpack.packager.estimator.boosters import CLASSES, SPARSE, Kind, below, lightgbm_nodes, ordered

SETTLED = "_modelpack_settled"
"""Attribute of an XGBoost estimator's copy: for a feature and a threshold of `nodes_of`, the float64 threshold that
takes its place (see `modelpack.packager.conversion.thresholds`)."""

_LINKS: dict[str, tuple[str, Any]] = {
    "reg:logistic": ("Sigmoid", lambda p: np.log(p / (1 - p))),
    "survival:cox": ("Exp", np.log),
    "survival:aft": ("Exp", np.log),
}
"""Objectives whose result onnxmltools leaves on the scale of the trees: the operator that brings it to the scale of the
target, and its inverse for the base score."""

_FLOATS = ("nodes_values", "nodes_hitrates", "class_weights", "target_weights", "base_values")


def register(kinds: Iterable[Kind]) -> None:
    """Let skl2onnx convert the estimators of these libraries, in this process.

    Raises:
        PackagingError: onnxmltools is not installed.
    """
    for kind in kinds:
        name = {"lightgbm": "LightGbm", "xgboost": "XGBoost"}[kind]
        try:
            module = importlib.import_module(f"onnxmltools.convert.{kind}.operator_converters.{name}")
        except ImportError as error:
            raise PackagingError(
                f"Models of {kind} are converted by onnxmltools, which is not installed here ({error}): "
                f"pip install 'modelpack[{kind}]'."
            ) from error
        library = importlib.import_module(kind)
        for class_name in CLASSES[kind]:
            _register(kind, getattr(library, class_name), getattr(module, f"convert_{kind}"))


def _register(kind: Kind, cls: Any, convert: Any) -> None:
    from skl2onnx import update_registered_converter

    classifies = cls.__name__.endswith("Classifier")
    options: dict[str, list[Any]] = {"zipmap": [True, False, "columns"], "nocl": [True, False]}
    if hasattr(cls, "decision_function"):  # what a calibration asks for
        options["raw_scores"] = [True, False]
    update_registered_converter(
        cls,
        f"Modelpack{cls.__name__}",
        _classifier_shape if classifies else _regressor_shape,
        lambda scope, operator, container: _convert(kind, convert, scope, operator, container),
        options=options if classifies else None,
        overwrite=True,
    )


def _classifier_shape(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    rows = operator.inputs[0].get_first_dimension()
    classes = operator.raw_operator.classes_
    label = StringTensorType if all(isinstance(c, str) for c in classes) else Int64TensorType
    operator.outputs[0].type = label([rows])
    operator.outputs[1].type = FloatTensorType([rows, len(classes)])


def _regressor_shape(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType

    operator.outputs[0].type = FloatTensorType([operator.inputs[0].get_first_dimension(), 1])


class _Container:
    """skl2onnx's container; trees pass through `mend`."""

    def __init__(self, container: Any, mend: Any, link: str | None = None) -> None:
        self._container = container
        self._mend = mend
        self._link = link

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, op_type: str, *arguments: Any, **attributes: Any) -> Any:
        if op_type.startswith("TreeEnsemble"):
            attributes = {**self._mend(attributes), "op_version": 3}
            if self._link is not None:
                inputs, (made,), *rest = arguments
                self._container.add_node(op_type, inputs, [f"{made}_link"], *rest, **attributes)
                return self._container.add_node(self._link, [f"{made}_link"], [made], name=f"{made}_link")
        return self._container.add_node(op_type, *arguments, **attributes)


def _convert(kind: Kind, convert: Any, scope: Any, operator: Any, container: Any) -> None:
    from skl2onnx.common.data_types import DoubleTensorType

    booster = operator.raw_operator
    _refuse(kind, booster, operator)
    double = isinstance(operator.inputs[0].type, DoubleTensorType)
    settled = getattr(booster, SETTLED, {})
    raw = (container.get_options(booster, {}, fail=False) or {}).get("raw_scores", False)
    if kind == "xgboost":
        # onnxmltools wants f0, f1, …; it is a copy
        booster.get_booster().feature_names = None
        operator = _marked_missing(scope, operator, container, double=double)
    link, base = _LINKS.get(str(getattr(booster, "objective", "")), (None, None))

    def mend(attributes: dict[str, Any]) -> dict[str, Any]:
        values = np.array(attributes["nodes_values"], dtype=np.float64)
        modes = np.array([m.decode() if isinstance(m, bytes) else m for m in attributes["nodes_modes"]])
        if settled and double:
            keys = zip(attributes["nodes_featureids"], below(values), strict=True)
            moved = [settled.get((int(f), float(t))) for f, t in keys]
            values = np.array([v if m is None else m for v, m in zip(values, moved, strict=True)])
        if kind == "lightgbm" and not double:
            values = np.where(modes == "BRANCH_LEQ", _down(values), values)
        attributes["nodes_values"] = values
        if raw:
            attributes["post_transform"] = "NONE"
        if base is not None:
            attributes["base_values"] = [float(base(v)) for v in attributes["base_values"]]
        for name in _FLOATS:
            if name in attributes:
                numbers = np.array(attributes[name], dtype=np.float64)
                attributes[name] = numbers if double else numbers.astype(np.float32).tolist()
        return attributes

    convert(scope, operator, _Container(container, mend, link))


class _Fed:
    """skl2onnx's operator with another tensor as its input."""

    def __init__(self, operator: Any, name: str) -> None:
        self._operator = operator
        self.input_full_names = [name]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._operator, name)


def _marked_missing(scope: Any, operator: Any, container: Any, *, double: bool) -> Any:
    """The operator behind nodes that make NaN of what XGBoost takes for missing: zeros of a sparse matrix, and the
    number that the estimator was told (`missing=-999`)."""
    from onnx import TensorProto

    booster = operator.raw_operator
    told = getattr(booster, "missing", None)
    values = {0.0} if getattr(booster, SPARSE, False) else set()
    if isinstance(told, int | float) and not np.isnan(told):
        values.add(float(told))
        booster.missing = np.nan  # onnxmltools refuses any other
    name = operator.input_full_names[0]
    kind = TensorProto.DOUBLE if double else TensorProto.FLOAT

    def constant(value: float) -> str:
        made = str(scope.get_unique_variable_name("missing"))
        container.add_initializer(made, kind, [1, 1], [value])
        return made

    for value in sorted(values):
        equal, marked = (str(scope.get_unique_variable_name(n)) for n in ("equal", "marked"))
        container.add_node("Equal", [name, constant(value)], [equal], op_version=13, name=equal)
        container.add_node("Where", [equal, constant(np.nan), name], [marked], op_version=9, name=marked)
        name = marked
    return _Fed(operator, name) if values else operator


def _refuse(kind: Kind, model: Any, operator: Any) -> None:
    """What ONNX cannot say, or its converter does not know."""
    from skl2onnx.common.data_types import StringTensorType

    encode = "encode them with a OneHotEncoder or OrdinalEncoder in a Pipeline"
    if any(isinstance(v.type, StringTensorType) for v in operator.inputs):
        raise NotImplementedError(f"{kind}'s own handling of text categories has no converter; {encode}")
    if kind == "xgboost":
        if model.booster in ("dart", "gblinear"):
            raise NotImplementedError(f"XGBoost's booster {model.booster!r} has no converter; use gbtree")
        return
    for node in lightgbm_nodes(model.booster_.dump_model()):
        if node["missing_type"] == "Zero":
            raise NotImplementedError(
                "this LightGBM model takes 0 for a missing value (zero_as_missing), which ONNX cannot say; fit it "
                "with NaN for what is missing"
            )
        if not ordered(node):
            raise NotImplementedError(
                f"this LightGBM model splits by categories (categorical_feature), which has no converter; {encode}"
            )


def _down(values: Any) -> Any:
    """The largest float32 up to each float64, as float64."""
    nearest = values.astype(np.float32)
    lower = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest.astype(np.float64) > values, lower, nearest).astype(np.float64)
