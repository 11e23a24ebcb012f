"""Converters of our own for the preprocessing that skl2onnx gets wrong, used in the packaging process.

- `SimpleImputer`: skl2onnx fills with float32 values whatever its input is, so that everything behind it is
  float32 too; ours keeps float64, and fills texts with two nodes instead of five a column.
- `OneHotEncoder` of numbers: skl2onnx casts to int64, so that 0.5 is 0; ours compares. Infrequent and dropped
  categories are a matrix behind the plain encoding.
- `FunctionTransformer`: skl2onnx knows no function; ours knows the usual ones of NumPy (`FUNCTIONS`).
- `Binarizer`: onnxruntime's operator gives 1 at the threshold itself, scikit-learn 0.
- `SimpleImputer(add_indicator=True)` and `MissingIndicator`, which skl2onnx does not know.
- `OrdinalEncoder`: skl2onnx forgets what a missing text is encoded as once missing texts are tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper
from scipy.special import expit
from skl2onnx import update_registered_converter
from skl2onnx.common._registration import register_converter, register_shape_calculator
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from skl2onnx.operator_converters.common import concatenate_variables
from sklearn.impute import MissingIndicator

from modelpack.packager.estimator.columns import is_missing
from modelpack.packager.signature import MISSING_TOKEN

_ML = "ai.onnx.ml"


def register() -> None:
    """Replace skl2onnx's converters and shape calculators, in this process."""
    for name in ("SklearnImputer", "SklearnSimpleImputer"):
        register_converter(name, _imputer, overwrite=True)
        register_shape_calculator(name, _imputer_shape, overwrite=True)
    update_registered_converter(
        MissingIndicator, "ModelpackMissingIndicator", _indicator_shape, _indicator, overwrite=True
    )
    register_converter("SklearnBinarizer", _binarizer, overwrite=True)
    register_converter("SklearnFunctionTransformer", _function, overwrite=True)
    register_shape_calculator("SklearnFunctionTransformer", _function_shape, overwrite=True)
    register_converter("SklearnOneHotEncoder", _one_hot, overwrite=True)
    register_shape_calculator("SklearnOneHotEncoder", _one_hot_shape, overwrite=True)
    register_converter("SklearnOrdinalEncoder", _ordinal, overwrite=True)
    register_shape_calculator("SklearnOrdinalEncoder", _ordinal_shape, overwrite=True)


class _Graph:
    """The few calls that a converter needs, on skl2onnx's scope and container."""

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope = scope
        self._container = container

    def constant(self, values: Any, dtype: Any) -> str:
        array = np.asarray(values, dtype=dtype)
        name = str(self._scope.get_unique_variable_name("constant"))
        kind = numpy_helper.from_array(array).data_type
        self._container.add_initializer(name, kind, array.shape, array.ravel().tolist())
        return name

    def texts(self, values: list[str]) -> str:
        name = str(self._scope.get_unique_variable_name("texts"))
        self._container.add_initializer(name, TensorProto.STRING, [len(values)], [v.encode() for v in values])
        return name

    def node(self, kind: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        made = output or str(self._scope.get_unique_variable_name(kind.lower()))
        domain = _DOMAINS.get(kind, "")
        name = self._scope.get_unique_operator_name(kind)
        self._container.add_node(
            kind, inputs, [made], op_domain=domain, op_version=_VERSIONS.get(kind), name=name, **attributes
        )
        return made

    def columns(self, operator: Any) -> Iterator[tuple[str, Any]]:
        """Each column of the operator's inputs as a [N, 1] tensor, with its type."""
        for value in operator.inputs:
            width = value.type.shape[1]
            for n in range(width):
                name = value.full_name
                if width > 1:
                    name = self.node("Gather", [name, self.constant([n], np.int64)], axis=1)
                yield name, value.type


_DOMAINS = {"LabelEncoder": _ML, "OneHotEncoder": _ML, "Tokenizer": "com.microsoft"}
_VERSIONS = {"LabelEncoder": 2, "OneHotEncoder": 1, "Tokenizer": 1}


def _width(operator: Any) -> int:
    return sum(int(v.type.shape[1]) for v in operator.inputs)


def _dtype(kind: Any) -> Any:
    return np.float64 if isinstance(kind, DoubleTensorType) else np.float32


def _imputer_shape(operator: Any) -> None:
    first = operator.inputs[0].type
    made = type(first) if isinstance(first, StringTensorType | DoubleTensorType) else FloatTensorType
    indicator = operator.raw_operator.indicator_ if operator.raw_operator.add_indicator else None
    width = _width(operator) + (0 if indicator is None else len(indicator.features_))
    operator.outputs[0].type = made([operator.inputs[0].get_first_dimension(), width])


def _imputer(scope: Any, operator: Any, container: Any) -> None:
    imputer = operator.raw_operator
    if len(imputer.statistics_) != _width(operator) or any(is_missing(s) for s in imputer.statistics_):
        raise NotImplementedError(
            "SimpleImputer has a column without any value in its training data: drop that column"
        )
    graph = _Graph(scope, container)
    output = operator.outputs[0].full_name
    if isinstance(operator.inputs[0].type, StringTensorType):
        if imputer.add_indicator:
            raise NotImplementedError(
                "SimpleImputer(add_indicator=True) of texts makes a mixture of texts and numbers, which has no "
                "converter: fill texts without an indicator"
            )
        name = concatenate_variables(scope, operator.inputs, container)
        empty = graph.node("Equal", [name, graph.texts([str(imputer.missing_values)])])
        filled = graph.texts([str(s) for s in imputer.statistics_])
        graph.node("Where", [empty, filled, name], output)
        return
    dtype = _dtype(operator.outputs[0].type)
    name = concatenate_variables(scope, operator.inputs, container, type(operator.outputs[0].type))
    empty = _missing(graph, name, imputer.missing_values, dtype)
    filled = graph.constant(imputer.statistics_.astype(np.float64), dtype)
    if not imputer.add_indicator:
        graph.node("Where", [empty, filled, name], output)
        return
    flags = _flags(graph, empty, imputer.indicator_.features_, dtype)
    graph.node("Concat", [graph.node("Where", [empty, filled, name]), flags], output, axis=1)


def _missing(graph: _Graph, name: str, marker: Any, dtype: Any) -> str:
    """Booleans: which numbers are missing."""
    return (
        graph.node("IsNaN", [name])
        if is_missing(marker)
        else graph.node("Equal", [name, graph.constant([marker], dtype)])
    )


def _flags(graph: _Graph, empty: str, features: Any, dtype: Any) -> str:
    """0 and 1 for the columns that an indicator tells about."""
    chosen = graph.node("Gather", [empty, graph.constant(features, np.int64)], axis=1)
    return graph.node("Cast", [chosen], to=TensorProto.DOUBLE if dtype is np.float64 else TensorProto.FLOAT)


def _indicator_shape(operator: Any) -> None:
    first = operator.inputs[0].type
    made = DoubleTensorType if isinstance(first, DoubleTensorType) else FloatTensorType
    width = len(operator.raw_operator.features_)
    operator.outputs[0].type = made([operator.inputs[0].get_first_dimension(), width])


def _indicator(scope: Any, operator: Any, container: Any) -> None:
    indicator = operator.raw_operator
    graph = _Graph(scope, container)
    dtype = _dtype(operator.outputs[0].type)
    if isinstance(operator.inputs[0].type, StringTensorType):
        name = concatenate_variables(scope, operator.inputs, container)
        empty = graph.node("Equal", [name, graph.texts([MISSING_TOKEN])])
    else:
        name = concatenate_variables(scope, operator.inputs, container, type(operator.outputs[0].type))
        empty = _missing(graph, name, indicator.missing_values, dtype)
    graph.node("Identity", [_flags(graph, empty, indicator.features_, dtype)], operator.outputs[0].full_name)


def _binarizer(scope: Any, operator: Any, container: Any) -> None:
    graph = _Graph(scope, container)
    kind = operator.inputs[0].type
    name = concatenate_variables(scope, operator.inputs, container)
    if isinstance(kind, Int64TensorType):
        name = graph.node("Cast", [name], to=TensorProto.FLOAT)
    above = graph.node("Greater", [name, graph.constant([operator.raw_operator.threshold], _dtype(kind))])
    double = isinstance(operator.outputs[0].type, DoubleTensorType)
    to = TensorProto.DOUBLE if double else TensorProto.FLOAT
    graph.node("Cast", [above], operator.outputs[0].full_name, to=to)


_Steps = tuple[tuple[str, float | None], ...]

FUNCTIONS: dict[Any, _Steps] = {
    np.log1p: (("Add", 1.0), ("Log", None)),
    np.log: (("Log", None),),
    np.log10: (("Log", None), ("Div", math.log(10.0))),
    np.log2: (("Log", None), ("Div", math.log(2.0))),
    np.exp: (("Exp", None),),
    np.exp2: (("Mul", math.log(2.0)), ("Exp", None)),
    np.expm1: (("Exp", None), ("Sub", 1.0)),
    np.sqrt: (("Sqrt", None),),
    np.square: (("Pow", 2.0),),
    np.abs: (("Abs", None),),
    np.fabs: (("Abs", None),),
    np.negative: (("Neg", None),),
    np.positive: (),
    np.reciprocal: (("Reciprocal", None),),
    np.sign: (("Sign", None),),
    np.sin: (("Sin", None),),
    np.cos: (("Cos", None),),
    np.tanh: (("Tanh", None),),
    np.floor: (("Floor", None),),
    np.ceil: (("Ceil", None),),
    np.rint: (("Round", None),),
    np.round: (("Round", None),),
    np.deg2rad: (("Mul", math.pi / 180.0),),
    np.radians: (("Mul", math.pi / 180.0),),
    np.rad2deg: (("Mul", 180.0 / math.pi),),
    np.asarray: (),
    np.array: (),
    expit: (("Sigmoid", None),),
}
"""Functions of one number, as ONNX operators that are applied in turn, each with its second operand."""

_MAY_OVERFLOW = {np.log1p, np.log, np.log10, np.log2, np.exp, np.exp2, np.expm1, np.square, np.reciprocal}
"""Those that may give an infinity, which estimators refuse."""


def steps_of(function: Any, arguments: Any, whose: str) -> _Steps:
    """The operators of a function of one number.

    Raises NotImplementedError where it is none of the known ones, or is called with other arguments.
    """
    given = dict(arguments or {})
    if function is np.clip and given and set(given) <= {"a_min", "a_max", "min", "max"}:
        low, high = (given.get(f"a_{end}", given.get(end)) for end in ("min", "max"))
        bounds = (("Max", low), ("Min", high))
        if all(b is None or isinstance(b, int | float) for _, b in bounds):
            return tuple((kind, float(b)) for kind, b in bounds if b is not None)
    if (
        function in (np.round, np.around)
        and set(given) == {"decimals"}
        and isinstance(given["decimals"], int)
    ):
        factor = 10.0 ** given["decimals"]
        return (("Mul", factor), ("Round", None), ("Div", factor))
    if given or not _known(function):
        name = getattr(function, "__name__", str(function))
        called = f"({', '.join(f'{k}={v!r}' for k, v in given.items())})" if given else ""
        known = ", ".join(sorted({f"np.{f.__name__}" for f in FUNCTIONS if f is not expit}))
        raise NotImplementedError(
            f"{whose} of {name}{called} has no converter; those of {known}, np.clip(a_min=…, a_max=…), scipy.special.expit "
            "and None have. Anything else is better an input of the score in the declaration, such as "
            'expression("…"), and a column of the training data'
        )
    return FUNCTIONS[function]


def _known(function: Any) -> bool:
    try:
        return function in FUNCTIONS
    except TypeError:  # no hash
        return False


def _function_shape(operator: Any) -> None:
    first = operator.inputs[0].type
    if len(operator.inputs) == 1:
        operator.outputs[0].type = type(first)([first.shape[0], first.shape[1]])
        return
    operator.outputs[0].type = type(first)([operator.inputs[0].get_first_dimension(), _width(operator)])


def _function(scope: Any, operator: Any, container: Any) -> None:
    transformer = operator.raw_operator
    function = transformer.func
    steps = () if function is None else steps_of(function, transformer.kw_args, "FunctionTransformer")
    graph = _Graph(scope, container)
    kind = operator.inputs[0].type
    if isinstance(kind, StringTensorType) and steps:
        raise NotImplementedError(f"FunctionTransformer of {function.__name__} takes numbers, not texts")
    name = concatenate_variables(scope, operator.inputs, container)
    if isinstance(kind, Int64TensorType) and steps:
        name = graph.node("Cast", [name], to=TensorProto.FLOAT)
    dtype = _dtype(kind)
    jumps = any(op_type in ("Round", "Floor", "Ceil") for op_type, _ in steps)
    wide = jumps and len(steps) > 1 and dtype is np.float32  # the last bit decides where it jumps to
    if wide:
        name, dtype = graph.node("Cast", [name], to=TensorProto.DOUBLE), np.float64
    for op_type, operand in steps:
        second = [] if operand is None else [graph.constant([operand], dtype)]
        name = graph.node(op_type, [name, *second])
    if wide:
        name = graph.node("Cast", [name], to=TensorProto.FLOAT)
    if function in _MAY_OVERFLOW:
        # estimators refuse the infinity of log(0): y + (y - y) makes it NaN, which gives no score either
        name = graph.node("Add", [name, graph.node("Sub", [name, name])])
    graph.node("Identity", [name], operator.outputs[0].full_name)


def _one_hot_shape(operator: Any) -> None:
    encoder = operator.raw_operator
    width = sum(_mapping(encoder, n).shape[1] for n in range(len(encoder.categories_)))
    operator.outputs[0].type = FloatTensorType([operator.inputs[0].get_first_dimension(), width])


def _mapping(encoder: Any, n: int) -> Any:
    """Matrix [categories + 1, outputs]: what each category, or (last row) an unknown value, becomes."""
    count = len(encoder.categories_[n])
    groups = None
    if getattr(encoder, "_infrequent_enabled", False):
        groups = encoder._default_to_infrequent_mappings[n]
    groups = np.arange(count) if groups is None else np.asarray(groups)
    width = int(groups.max()) + 1 if count else 0
    matrix = np.zeros((count + 1, width), dtype=np.float32)
    matrix[np.arange(count), groups] = 1.0
    infrequent = len(np.unique(groups)) < count
    if encoder.handle_unknown in ("infrequent_if_exist", "warn") and infrequent:
        matrix[count, width - 1] = 1.0
    dropped = None if encoder.drop_idx_ is None else encoder.drop_idx_[n]
    if dropped is not None:
        matrix = np.delete(matrix, int(dropped), axis=1)
    return matrix


def _one_hot(scope: Any, operator: Any, container: Any) -> None:
    encoder = operator.raw_operator
    graph = _Graph(scope, container)
    made = []
    for n, (name, kind) in enumerate(graph.columns(operator)):
        categories = encoder.categories_[n]
        if isinstance(kind, StringTensorType):
            texts = [str(c) for c in categories]
            flags = graph.node("OneHotEncoder", [name], cats_strings=texts, zeros=1)
            flags = graph.node("Reshape", [flags, graph.constant([-1, len(texts)], np.int64)])
        else:
            flags = _number_flags(graph, name, kind, categories)
        matrix = _mapping(encoder, n)
        count = len(categories)
        if matrix[:count].shape != (count, count) or not np.array_equal(matrix[:count], np.eye(count)):
            flags = graph.node("MatMul", [flags, graph.constant(matrix[:count] - matrix[count], np.float32)])
            if matrix[count].any():
                flags = graph.node("Add", [flags, graph.constant(matrix[count], np.float32)])
        made.append(flags)
    if len(made) == 1:
        graph.node("Identity", made, operator.outputs[0].full_name)
    else:
        graph.node("Concat", made, operator.outputs[0].full_name, axis=1)


def _number_flags(graph: _Graph, name: str, kind: Any, categories: Any) -> str:
    """[N, categories] of 0 and 1: which category the number is; NaN is a category like any other."""
    dtype = np.int64 if isinstance(kind, Int64TensorType) else _dtype(kind)
    values = np.array([math.nan if is_missing(c) else float(c) for c in categories])
    known = np.nan_to_num(values)
    equal = graph.node("Equal", [name, graph.constant(known.reshape(1, -1), dtype)])
    if np.isnan(values).any():
        equal = graph.node("And", [equal, graph.constant(~np.isnan(values).reshape(1, -1), np.bool_)])
        missing = graph.node("IsNaN", [name])
        missing = graph.node("And", [missing, graph.constant(np.isnan(values).reshape(1, -1), np.bool_)])
        equal = graph.node("Or", [equal, missing])
    return graph.node("Cast", [equal], to=TensorProto.FLOAT)


def _ordinal_shape(operator: Any) -> None:
    operator.outputs[0].type = FloatTensorType([operator.inputs[0].get_first_dimension(), _width(operator)])


def _ordinal(scope: Any, operator: Any, container: Any) -> None:
    encoder = operator.raw_operator
    graph = _Graph(scope, container)
    made = []
    for n, (name, kind) in enumerate(graph.columns(operator)):
        categories = encoder.categories_[n]
        text = isinstance(kind, StringTensorType)
        codes = np.arange(len(categories), dtype=np.float64)
        if getattr(encoder, "_infrequent_enabled", False):
            groups = encoder._default_to_infrequent_mappings[n]
            if groups is not None:
                codes[: len(groups)] = groups
        # NaN among the categories; None is one like any other to it
        missing = encoder._missing_indices.get(n)
        keys: list[Any] = []
        values: list[float] = []
        for at, (category, number) in enumerate(zip(categories, codes, strict=True)):
            empty = is_missing(category)
            keys.append(str(category) if text else (math.nan if empty else float(category)))
            values.append(float(encoder.encoded_missing_value if at == missing else number))
        unknown = math.nan if encoder.unknown_value is None else float(encoder.unknown_value)
        if not text and not isinstance(kind, FloatTensorType):
            name = graph.node("Cast", [name], to=TensorProto.FLOAT)
        keyed: dict[str, Any] = {"keys_strings" if text else "keys_floats": keys, "values_floats": values}
        encoded = graph.node("LabelEncoder", [name], default_float=unknown, **keyed)
        if not text and any(math.isnan(key) for key in keys):  # it finds no NaN among its keys
            code = graph.constant(
                [next(v for k, v in zip(keys, values, strict=True) if math.isnan(k))], np.float32
            )
            encoded = graph.node("Where", [graph.node("IsNaN", [name]), code, encoded])
        made.append(encoded)
    if len(made) == 1:
        graph.node("Identity", made, operator.outputs[0].full_name)
    else:
        graph.node("Concat", made, operator.outputs[0].full_name, axis=1)
