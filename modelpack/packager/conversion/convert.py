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

from sklearn.base import is_outlier_detector
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from modelpack.packager.conversion.compose import Composer, apart, composes
from modelpack.packager.estimator.anatomy import Anatomy, compares_in_float64, parts
from modelpack.packager.estimator.boosters import kind_of
from modelpack.packager.estimator.columns import Column
from modelpack.packager.graph.reading import OPSETS

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
    """ONNX bytes with one graph input a column, or one for all (`WHOLE`).

    Changes the estimator and patches skl2onnx: meant for the packaging process. Any exception may come out of it.
    """
    from modelpack.packager.conversion import boosters, fixes

    fixes.apply()
    boosters.register({kind for p in parts(job.estimator) if (kind := kind_of(p))})
    estimator = fixes.prepare(job.estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if job.route == "split" or composes(estimator):
            return _convert_composed(estimator, job)
        types = _initial_types(estimator, job.columns, double=job.route == "float64")
        return bytes(_leaf(estimator, types, job.method).SerializeToString())


def routes_for(anatomy: Anatomy) -> tuple[Route, ...]:
    """The routes that make sense, the likeliest first. `split` needs a pipeline of several steps."""
    if not any(isinstance(p, Pipeline) and len(p.steps) > 1 for p in anatomy.parts):
        return ("float32", "float64")
    arithmetic = any(hasattr(p, a) for p in anatomy.parts for a in ("scale_", "components_", "lambdas_"))
    if anatomy.has_trees and arithmetic:
        exact = any(compares_in_float64(p) for p in anatomy.parts)
        return ("float64", "split", "float32") if exact else ("split", "float64", "float32")
    return ROUTES


def _leaf(estimator: Any, types: list[tuple[str, Any]], method: str) -> Any:
    """What skl2onnx makes of an estimator."""
    from skl2onnx import to_onnx

    model = to_onnx(
        estimator,
        initial_types=types,
        options=_options(estimator, method),
        target_opset=OPSETS,
    )
    _same_opsets(model)
    return model


def _convert_composed(estimator: Any, job: Job) -> bytes:
    """Put together from parts; on the route `split`, preprocessing is in float64 and each last step in float32."""
    graph = Composer(_leaf, single=job.route != "float64", double=job.route != "float32")
    whole = None if apart(estimator, job.columns) else WHOLE
    result = graph.result(estimator, job.method, graph.inputs(job.columns, whole))
    if job.method == "decision_function" and len(getattr(estimator, "classes_", ())) == 2:
        result = graph.side_by_side([graph.node("Neg", [result]), result])  # as converted ones are
    return graph.finish(result)


def _same_opsets(model: Any) -> None:
    """skl2onnx writes the lowest versions that its nodes need; all of them are valid for the target."""
    from onnx import helper

    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in OPSETS.items())


def _initial_types(estimator: Any, columns: Sequence[Column], *, double: bool) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    number = DoubleTensorType if double else FloatTensorType
    if not apart(estimator, columns):
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
        if is_outlier_detector(estimator):  # its scores are its decision function
            return {key: options for key, options in chosen.items() if options}
        if "raw_scores" not in allowed(estimator):
            raise NotImplementedError(f"the decision function of {type(estimator).__name__} has no converter")
        wanted["raw_scores"] = True
    return {key: options for key, options in chosen.items() if options}


_NO_CONVERTER = re.compile(r"Unable to find a(?: shape calculator| converter)[^']*'<class '([^']+)'>'")


def in_words(error: BaseException, estimator: Any) -> str:
    """What stopped a conversion, on one line, with the step that it is about.

    skl2onnx's words for a missing converter are a paragraph.
    """
    text = " ".join(str(error).split())[:1200]
    if missing := _NO_CONVERTER.search(text):
        module, _, name = missing[1].rpartition(".")
        where = place_of(estimator, name)
        known = module.partition(".")[0] == "sklearn"
        whose = "" if known else ", a class of your own or of a library that is not known here,"
        return (
            f"{where} ({name}){whose} has no converter"
            if where
            else f"skl2onnx has no converter for {name}{whose}"
        ) + (
            ": replace it by one that has; or, where it only prepares columns, let the declaration compute them (inputs "
            'such as ratio(…) or expression("…")) and fit on those'
        )
    return text[:600] if isinstance(error, NotImplementedError) else f"{type(error).__name__}: {text[:600]}"


def place_of(estimator: Any, name: str) -> str | None:
    """Where in an estimator a part of this class is, in words; None where it is the estimator itself."""
    steps: list[tuple[str, Any]] = []
    if isinstance(estimator, Pipeline):
        steps = estimator.steps
    elif isinstance(estimator, ColumnTransformer):
        steps = [(label, step) for label, step, _ in estimator.transformers_]
    elif isinstance(estimator, FeatureUnion):
        steps = estimator.transformer_list
    for label, step in steps:
        if type(step).__name__ == name:
            return f"the step {label!r}"
        if (inner := place_of(step, name)) is not None:
            return f"{inner} of {label!r}"
    return None
