"""Graphs of estimators that are made of whole pipelines, put together from the graphs of their members.

skl2onnx converts a calibrator, a stack or a vote whose members take one matrix of numbers, and nothing whose
members read named columns. Here each member is converted by itself, from the same columns, and what the outer
estimator does with the members' results is written out as a few nodes. So is what skl2onnx leaves out: the
exponential of a log link, and the way back from a transformed target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    HistGradientBoostingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

from modelpack.packager.estimator.anatomy import parts
from modelpack.packager.estimator.columns import Column
from modelpack.packager.graph.reading import IR_VERSION, OPSETS
from modelpack.packager.signature import InputType

Method = Literal["predict", "predict_proba", "decision_function", "transform"]
Leaf = Callable[[Any, list[tuple[str, Any]], str], Any]
"""An estimator, the types of its inputs and a method to an ONNX model of skl2onnx's."""

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)
_EPS = 1e-12
"""What scikit-learn's temperature scaling adds to a probability before its logarithm."""


def composes(estimator: Any) -> bool:
    """Whether any part of it is built here."""
    return any(_built_here(part) for part in parts(estimator))


def _built_here(part: Any) -> bool:
    if isinstance(part, TransformedTargetRegressor):
        return True
    if isinstance(part, HistGradientBoostingRegressor):
        return part.loss in ("poisson", "gamma")
    if isinstance(part, Pipeline):  # skl2onnx does not know how wide what comes to it is
        return any(isinstance(step, ColumnTransformer) for _, step in part.steps[1:])
    if isinstance(part, CalibratedClassifierCV) and part.method == "temperature":
        return True
    return type(part) in _BUILDERS and any(
        p is not part and (isinstance(p, Pipeline) or _built_here(p)) for p in parts(part)
    )


def apart(estimator: Any, columns: Sequence[Column]) -> bool:
    """Whether its columns are told apart, or are one matrix of numbers."""
    return any(c.type == "text" for c in columns) or any(
        isinstance(p, ColumnTransformer | FeatureUnion) for p in parts(estimator)
    )


@dataclass(frozen=True)
class Tensor:
    """What an estimator is fed: some columns of one type, [N, width]."""

    name: str
    type: InputType
    width: int | None
    elem_type: int


class Composer:
    """One graph that is put together."""

    def __init__(self, leaf: Leaf, *, single: bool, double: bool) -> None:
        """
        Args:
            leaf: converts what needs no putting together.
            single: estimators compute in float32.
            double: what stands before an estimator, and between them, is float64.
        """
        self._leaf = leaf
        self._single = single
        self.elem_type = TensorProto.DOUBLE if double else TensorProto.FLOAT
        self._dtype = np.float64 if double else np.float32
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._count = 0

    def inputs(self, columns: Sequence[Column], whole: str | None) -> list[Tensor]:
        """The graph's inputs: one for each column, or one for all of them, called `whole`."""
        if whole is not None:
            tensors = [Tensor(whole, "number", len(columns), self.elem_type)]
        else:
            types = {"text": int(TensorProto.STRING), "number": self.elem_type}
            tensors = [Tensor(f"in{n}", c.type, 1, types[c.type]) for n, c in enumerate(columns)]
        self._inputs = [helper.make_tensor_value_info(t.name, t.elem_type, ["N", t.width]) for t in tensors]
        return tensors

    def finish(self, result: str) -> bytes:
        output = helper.make_tensor_value_info(result, self.elem_type, None)
        graph = helper.make_graph(self._nodes, "composed", self._inputs, [output], self._constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = IR_VERSION
        return bytes(model.SerializeToString())

    def result(self, estimator: Any, method: str, source: list[Tensor]) -> str:
        """What a method gives, as [N, k] in scikit-learn's own shape (a vector is [N, 1])."""
        builder = _BUILDERS.get(type(estimator))
        if builder is not None and _built_here(estimator):
            return builder(self, estimator, method, source)
        splits = self._single and self.elem_type == TensorProto.DOUBLE
        if isinstance(estimator, Pipeline) and (splits or composes(estimator)):
            last = estimator.steps[-1][1]
            if len(estimator.steps) > 1:
                source = self._transformed(estimator, source)
            return self.result(last, method, source)
        if composes(estimator):
            inner = next(p for p in parts(estimator) if _built_here(p))
            raise NotImplementedError(
                f"{type(estimator).__name__} around {type(inner).__name__} has no converter: put the pipeline "
                f"around {type(estimator).__name__} instead of into it"
            )
        return self.embed(estimator, method, source, single=self._single)

    def _transformed(self, pipeline: Pipeline, source: list[Tensor]) -> list[Tensor]:
        """What the last step of a pipeline is fed. Several steps at once, up to one that takes columns apart."""
        cuts = [n for n, (_, s) in enumerate(pipeline.steps) if n and isinstance(s, ColumnTransformer)]
        single = self.elem_type == TensorProto.FLOAT
        start = 0
        for stop in dict.fromkeys([*cuts, len(pipeline.steps) - 1]):
            if start < stop:
                made = self.embed(Pipeline(pipeline.steps[start:stop]), "transform", source, single=single)
                width = getattr(pipeline.steps[stop][1], "n_features_in_", None)
                source = [Tensor(made, "number", width, self.elem_type)]
            start = stop
        return source

    def embed(self, estimator: Any, method: str, source: list[Tensor], *, single: bool) -> str:
        """The nodes that skl2onnx makes of an estimator; the name of the result."""
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

        told_apart = any(t.type == "text" for t in source) or any(
            isinstance(p, ColumnTransformer | FeatureUnion) for p in parts(estimator)
        )
        if not told_apart:
            source = [self.matrix(source)]
        number = FloatTensorType if single else DoubleTensorType
        types = [
            (f"in{n}", (StringTensorType if t.type == "text" else number)([None, t.width]))
            for n, t in enumerate(source)
        ]
        model = self._leaf(estimator, types, method)
        self._count += 1
        model = onnx.compose.add_prefix(model, f"e{self._count}_")
        wanted = int(TensorProto.FLOAT if single else TensorProto.DOUBLE)
        known = {i.name for i in model.graph.initializer}
        inputs = [i for i in model.graph.input if i.name not in known]
        for value, tensor in zip(inputs, source, strict=True):
            fed = tensor.name if tensor.type == "text" else self._as(tensor.name, tensor.elem_type, wanted)
            self._nodes.append(helper.make_node("Identity", [fed], [value.name]))
        self._nodes.extend(model.graph.node)
        self._constants.extend(model.graph.initializer)
        outputs = [o for o in model.graph.output if o.type.tensor_type.elem_type in _FLOATS]
        if len(outputs) != 1:
            raise NotImplementedError(f"{type(estimator).__name__} has no converted {method} of one tensor")
        name = self._as(outputs[0].name, outputs[0].type.tensor_type.elem_type, self.elem_type)
        if method == "predict":
            return self.node("Reshape", [name, self.integers([-1, 1])])
        if method == "decision_function" and len(getattr(estimator, "classes_", ())) == 2:
            return self.columns(name, [1])  # converted ones have two columns
        return name

    def _as(self, name: str, given: int, wanted: int) -> str:
        """The tensor cast; what inference says of a graph's types is not always right, so always with a node."""
        return name if given == wanted == self.elem_type else self.node("Cast", [name], to=wanted)

    def matrix(self, source: Sequence[Tensor]) -> Tensor:
        """All columns side by side."""
        texts = [t.name for t in source if t.type == "text"]
        if texts:
            raise NotImplementedError("a text column goes into a step that takes numbers; encode it before")
        if len(source) == 1:
            return source[0]
        width = sum(t.width or 0 for t in source)
        return Tensor(self.side_by_side([t.name for t in source]), "number", width, source[0].elem_type)

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        self._count += 1
        made = f"c{self._count}"
        self._nodes.append(helper.make_node(kind, inputs, [made], **attributes))
        return made

    def constant(self, values: Any) -> str:
        """Numbers in the graph's own type."""
        return self._constant(np.asarray(values, dtype=self._dtype))

    def integers(self, values: Sequence[int]) -> str:
        return self._constant(np.asarray(values, dtype=np.int64))

    def _constant(self, array: Any) -> str:
        self._count += 1
        name = f"k{self._count}"
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def columns(self, name: str, at: Sequence[int]) -> str:
        return self.node("Gather", [name, self.integers(at)], axis=1)

    def side_by_side(self, names: list[str]) -> str:
        return names[0] if len(names) == 1 else self.node("Concat", names, axis=1)

    def scaled(self, name: str, factor: Any = None, offset: Any = None) -> str:
        if factor is not None:
            name = self.node("Mul", [name, self.constant(factor)])
        return name if offset is None else self.node("Add", [name, self.constant(offset)])

    def mean(self, names: list[str], weights: Sequence[float] | None = None) -> str:
        shares = np.ones(len(names)) if weights is None else np.asarray(weights, dtype=np.float64)
        shares = shares / shares.sum()
        terms = [self.scaled(name, share) for name, share in zip(names, shares, strict=True)]
        return terms[0] if len(terms) == 1 else self.node("Sum", terms)

    def complement(self, name: str) -> str:
        """[N, 2]: 1 - p and p."""
        return self.side_by_side([self.node("Sub", [self.constant([[1.0]]), name]), name])

    def shares(self, name: str, otherwise: float) -> str:
        """Each row divided by its sum; `otherwise` where that is 0."""
        total = self.node("ReduceSum", [name, self.integers([1])], keepdims=1)
        nothing = self.node("Equal", [total, self.constant([[0.0]])])
        divided = self.node("Div", [name, total])
        return self.node("Where", [nothing, self.constant([[otherwise]]), divided])


def _calibrated(g: Composer, estimator: Any, _: str, source: list[Tensor]) -> str:
    return g.mean([_one_calibrated(g, c, source) for c in estimator.calibrated_classifiers_])


def _one_calibrated(g: Composer, calibrated: Any, source: list[Tensor]) -> str:
    inner, classes = calibrated.estimator, list(calibrated.classes)
    same = list(inner.classes_) == classes
    if len(inner.classes_) != len(classes) or not (same or calibrated.method == "temperature"):
        raise NotImplementedError(
            "CalibratedClassifierCV has a fold in which a class is missing: use fewer folds, or StratifiedKFold"
        )
    asked = "decision_function" if hasattr(inner, "decision_function") else "predict_proba"
    raw = g.result(inner, asked, source)
    two = len(classes) == 2
    if calibrated.method == "temperature":
        beta = float(calibrated.calibrators[0].beta_)
        if asked == "predict_proba":
            logits = g.node("Log", [g.scaled(raw, offset=_EPS)])
        else:
            logits = g.side_by_side([g.node("Neg", [raw]), raw]) if two else raw
        return g.node("Softmax", [g.scaled(logits, beta)], axis=1)
    if two and asked == "predict_proba":
        raw = g.columns(raw, [1])
    made = []
    for n, calibrator in enumerate(calibrated.calibrators):
        one = raw if len(calibrated.calibrators) == 1 else g.columns(raw, [n])
        if calibrated.method == "sigmoid":
            made.append(g.node("Sigmoid", [g.scaled(one, -calibrator.a_, -calibrator.b_)]))
        else:
            made.append(_isotonic(g, calibrator, one))
    if two:
        return g.complement(made[0])
    return g.shares(g.side_by_side(made), 1.0 / len(classes))


def _isotonic(g: Composer, calibrator: Any, name: str) -> str:
    """A line from point to point, level outside: y0 and, for each piece, its slope times how far x is into it."""
    x = np.asarray(calibrator.X_thresholds_, dtype=np.float64)
    y = np.asarray(calibrator.y_thresholds_, dtype=np.float64)
    length = np.diff(x)
    if not len(length):
        return g.scaled(g.node("Mul", [name, g.constant([[0.0]])]), offset=[[float(y[0])]])
    into = g.node("Sub", [name, g.constant(x[None, :-1])])
    into = g.node("Min", [g.node("Max", [into, g.constant([[0.0]])]), g.constant(length[None, :])])
    return g.scaled(
        g.node("MatMul", [into, g.constant((np.diff(y) / length)[:, None])]), offset=[[float(y[0])]]
    )


def _stacking(g: Composer, estimator: Any, method: str, source: list[Tensor]) -> str:
    made = []
    for member, asked in zip(estimator.estimators_, estimator.stack_method_, strict=True):
        if asked == "predict" and hasattr(member, "classes_"):
            raise NotImplementedError(
                f"StackingClassifier hands on the class that {type(member).__name__} predicts: choose "
                "stack_method='predict_proba' or a member that has probabilities"
            )
        found = g.result(member, asked, source)
        if asked == "predict_proba":
            classes = len(member.classes_)
            found = g.columns(found, range(1 if classes == 2 else 0, classes))
        made.append(found)
    if estimator.passthrough:
        made.append(g.matrix(source).name)
    final = estimator.final_estimator_
    joined = Tensor(g.side_by_side(made), "number", getattr(final, "n_features_in_", None), g.elem_type)
    return g.result(final, method, [joined])


def _voting(g: Composer, estimator: Any, method: str, source: list[Tensor]) -> str:
    made = [g.result(member, method, source) for member in estimator.estimators_]
    return g.mean(made, estimator._weights_not_none)


def _one_against_rest(g: Composer, estimator: Any, method: str, source: list[Tensor]) -> str:
    made = [g.result(member, method, source) for member in estimator.estimators_]
    if method == "decision_function":
        return g.side_by_side(made)
    made = [g.columns(name, [1]) for name in made]
    if len(made) == 1:
        return g.complement(made[0])
    return g.shares(g.side_by_side(made), 0.0)


def _bagging(g: Composer, estimator: Any, method: str, source: list[Tensor]) -> str:
    whole = g.matrix(source)
    made = []
    for member, features in zip(estimator.estimators_, estimator.estimators_features_, strict=True):
        if not hasattr(member, method) or len(getattr(member, "classes_", ())) != len(
            getattr(estimator, "classes_", ())
        ):
            raise NotImplementedError(
                "BaggingClassifier has members without probabilities, or with a class less than the others"
            )
        mine = whole
        if list(features) != list(range(estimator.n_features_in_)):
            mine = Tensor(g.columns(whole.name, features), "number", len(features), whole.elem_type)
        made.append(g.result(member, method, [mine]))
    return g.mean(made)


def _log_link(g: Composer, estimator: Any, method: str, source: list[Tensor]) -> str:
    return g.node("Exp", [g.embed(estimator, method, source, single=g._single)])


def _transformed_target(g: Composer, estimator: Any, method: str, source: list[Tensor]) -> str:
    from modelpack.packager.conversion.converters import steps_of

    name = g.result(estimator.regressor_, method, source)
    back = estimator.transformer_
    if isinstance(back, FunctionTransformer):
        if back.inverse_func is None:
            return name
        for kind, operand in steps_of(back.inverse_func, back.inv_kw_args, "TransformedTargetRegressor"):
            name = g.node(kind, [name] if operand is None else [name, g.constant([[operand]])])
        return name
    if isinstance(back, MinMaxScaler):
        if back.clip:
            raise NotImplementedError(
                "TransformedTargetRegressor with MinMaxScaler(clip=True) has no converter"
            )
        return g.scaled(g.scaled(name, offset=-back.min_), 1.0 / back.scale_)
    if isinstance(back, StandardScaler | RobustScaler | MaxAbsScaler):
        offset = getattr(back, "mean_" if isinstance(back, StandardScaler) else "center_", None)
        if isinstance(back, StandardScaler) and not back.with_mean:
            offset = None
        return g.scaled(name, back.scale_, offset)
    if isinstance(back, PowerTransformer):
        return _power_back(g, back, name)
    raise NotImplementedError(
        f"TransformedTargetRegressor with {type(back).__name__} has no converter: use StandardScaler, MinMaxScaler, "
        "PowerTransformer, or func=np.log1p with inverse_func=np.expm1"
    )


def _power_back(g: Composer, back: Any, name: str) -> str:
    if back.standardize:
        name = g.scaled(name, back._scaler.scale_, back._scaler.mean_)
    power = float(back.lambdas_[0])

    def undone(value: str, by: float) -> str:
        """(value * by + 1) to the power of 1 / by."""
        if by == 0:
            return g.node("Exp", [value])
        return g.node("Pow", [g.scaled(value, by, 1.0), g.constant([[1.0 / by]])])

    if back.method == "box-cox":
        return undone(name, power)
    zero = g.constant([[0.0]])
    above = g.scaled(undone(g.node("Max", [name, zero]), power), offset=-1.0)
    below = g.node(
        "Sub", [g.constant([[1.0]]), undone(g.node("Neg", [g.node("Min", [name, zero])]), 2 - power)]
    )
    return g.node("Where", [g.node("GreaterOrEqual", [name, zero]), above, below])


_BUILDERS: dict[Any, Callable[[Composer, Any, str, list[Tensor]], str]] = {
    CalibratedClassifierCV: _calibrated,
    StackingClassifier: _stacking,
    StackingRegressor: _stacking,
    VotingClassifier: _voting,
    VotingRegressor: _voting,
    OneVsRestClassifier: _one_against_rest,
    BaggingClassifier: _bagging,
    BaggingRegressor: _bagging,
    HistGradientBoostingRegressor: _log_link,
    TransformedTargetRegressor: _transformed_target,
}
