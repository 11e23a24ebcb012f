"""Estimator to ONNX by skl2onnx, in the packaging process.

There are three *routes*, tried from the cheapest at run time; the parity check decides which one is kept:

- `float32`: everything in float32. Right for trees on raw inputs (scikit-learn's trees cast to float32
  themselves) and good enough for most linear models; wrong for trees behind a scaler, where a value that is
  off by one ulp lands on the other side of a threshold (skl2onnx's own remedy, `div_cast`, still rounds the
  offset to float32).
- `split`: the steps before a pipeline's last one in float64, then a cast to float32 for the last step, which
  is what scikit-learn's own trees do behind any preprocessing.
- `float64`: everything in float64. Wrong for trees that cast to float32, right for models that lose too much
  in float32 (large coefficients, kernels, histogram trees behind a scaler).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from modelpack.packager.columns import Column
from modelpack.packager.estimators import compares_in_float64, has_trees, parts
from modelpack.packager.normal_form import IR_VERSION, OPSETS

Route = Literal["float32", "split", "float64"]
ROUTES: tuple[Route, ...] = ("float32", "split", "float64")

WHOLE = "number"
"""Name of the single graph input where the estimator takes all its columns as one numeric matrix."""


@dataclass(frozen=True)
class Job:
    """One conversion."""

    estimator: Any
    columns: tuple[Column, ...]
    method: str
    route: Route


def convert(job: Job) -> bytes:
    """ONNX bytes as skl2onnx makes them, with one graph input a column, or one for all (`WHOLE`).

    Changes the estimator and patches skl2onnx: meant for the packaging process. Any exception may come out of it.
    """
    from modelpack.packager import boosters, fixes

    fixes.apply()
    boosters.register({kind for p in parts(job.estimator) if (kind := boosters.kind_of(p))})
    estimator = fixes.prepare(job.estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if job.route == "split":
            return _convert_split(estimator, job)
        return _convert_whole(estimator, job.columns, job.method, double=job.route == "float64")


def routes_for(estimator: Any) -> tuple[Route, ...]:
    """The routes that make sense, the likeliest first. `split` needs a pipeline of several steps."""
    if not isinstance(estimator, Pipeline) or len(estimator.steps) < 2:
        return ("float32", "float64")
    arithmetic = any(hasattr(p, a) for p in parts(estimator) for a in ("scale_", "components_", "lambdas_"))
    if has_trees(estimator) and arithmetic:
        exact = any(compares_in_float64(p) for p in parts(estimator))
        return ("float64", "split", "float32") if exact else ("split", "float64", "float32")
    return ROUTES


def _convert_whole(estimator: Any, columns: Sequence[Column], method: str, *, double: bool) -> bytes:
    from skl2onnx import to_onnx

    model = to_onnx(
        estimator,
        initial_types=_initial_types(estimator, columns, double=double),
        options=_options(estimator, method),
        target_opset=OPSETS,
    )
    _same_opsets(model)
    return bytes(model.SerializeToString())


def _convert_split(pipeline: Pipeline, job: Job) -> bytes:
    """Preprocessing in float64, a cast, the last step in float32, joined into one graph."""
    import onnx
    import onnx.compose
    from onnx import TensorProto, helper
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    head = Pipeline(pipeline.steps[:-1])
    last = pipeline.steps[-1][1]
    first = onnx.load_from_string(_convert_whole(head, job.columns, "transform", double=True))
    width = getattr(last, "n_features_in_", None)
    second = to_onnx(
        last,
        initial_types=[("features", FloatTensorType([None, width]))],
        options=_options(last, job.method),
        target_opset=OPSETS,
    )
    first = onnx.compose.add_prefix(first, "pre_", rename_inputs=False)
    made = first.graph.output[0].name
    cast = helper.make_node("Cast", [made], ["pre_float32"], to=TensorProto.FLOAT)
    first.graph.node.append(cast)
    del first.graph.output[:]
    first.graph.output.append(helper.make_tensor_value_info("pre_float32", TensorProto.FLOAT, [None, width]))
    second = onnx.compose.add_prefix(second, "last_")
    for model in (first, second):
        model.ir_version = IR_VERSION
        _same_opsets(model)
    joined = onnx.compose.merge_models(first, second, io_map=[("pre_float32", "last_features")])
    return bytes(joined.SerializeToString())


def _same_opsets(model: Any) -> None:
    """skl2onnx writes the lowest versions that its nodes need; all of them are valid for the target."""
    from onnx import helper

    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in OPSETS.items())


def _initial_types(estimator: Any, columns: Sequence[Column], *, double: bool) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    number = DoubleTensorType if double else FloatTensorType
    apart = any(c.type == "text" for c in columns) or any(
        isinstance(p, ColumnTransformer | FeatureUnion) for p in parts(estimator)
    )
    if not apart:
        return [(WHOLE, number([None, len(columns)]))]
    return [(c.name, StringTensorType([None, 1]) if c.type == "text" else number([None, 1])) for c in columns]


def _options(estimator: Any, method: str) -> dict[Any, Any]:
    """A plain tensor of probabilities instead of a sequence of maps; raw scores where they are the result."""
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from skl2onnx.common._registration import _converter_pool

    def allowed(part: Any) -> dict[str, Any]:
        name = sklearn_operator_name_map.get(type(part))
        return (_converter_pool[name].get_allowed_options() or {}) if name in _converter_pool else {}

    chosen: dict[int, dict[str, Any]] = {}
    for part in parts(estimator):
        # distances by one operator of onnxruntime's own (CDist) instead of a loop, which the server does not run
        euclidean = getattr(part, "effective_metric_", "euclidean") in ("euclidean", "sqeuclidean")
        if euclidean and "cdist" in (allowed(part).get("optim") or ()):
            chosen[id(part)] = {"optim": "cdist"}
    if method not in ("predict_proba", "decision_function"):
        return chosen
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    wanted = chosen.setdefault(id(estimator), {})
    if "zipmap" in allowed(estimator):
        wanted["zipmap"] = False
    if method == "decision_function":
        if "raw_scores" not in allowed(estimator):
            raise NotImplementedError(f"the decision function of {type(estimator).__name__} has no converter")
        wanted["raw_scores"] = True
    return {key: options for key, options in chosen.items() if options}


def in_words(error: BaseException) -> str:
    """What stopped a conversion, on one line. skl2onnx's words for a missing converter are a paragraph."""
    text = " ".join(str(error).split())[:600]
    missing = re.search(r"Unable to find a(?: shape calculator| converter)[^']*'<class '([^']+)'>'", text)
    if missing:
        return f"skl2onnx has no converter for {missing[1].rpartition('.')[2]}"
    return f"{type(error).__name__}: {text}"
