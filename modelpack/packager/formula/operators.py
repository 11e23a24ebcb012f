"""Operators of ONNX as steps: how each makes its outputs. A dozen families; what is in none has no formula."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from modelpack.packager.formula import ensembles
from modelpack.packager.formula.steps import UnreadableError
from modelpack.packager.formula.tensors import WHOLE, Cells, Reading, Tensor, each, word

Operator = Callable[[Reading], Sequence[Tensor]]


def known(domain: str, name: str) -> Operator | None:
    """The reader of an operator."""
    return (_ML if domain == "ai.onnx.ml" else _PLAIN if domain == "" else {}).get(name)


# numbers, element by element


def _arithmetic(step: str) -> Operator:
    def read(node: Reading) -> list[Tensor]:
        cells = [node.cells(place) for place in range(len(node.inputs))]
        made = reduce(lambda a, b: each(partial(node.steps.add, step), a, b), cells)
        return [Tensor(made if len(cells) > 1 else each(partial(node.steps.add, step), made), node[0].type)]

    return read


def _variadic(step: str) -> Operator:
    def read(node: Reading) -> list[Tensor]:
        cells = [node.cells(place) for place in range(len(node.inputs))]
        return [Tensor(reduce(lambda a, b: each(partial(node.steps.add, step), a, b), cells), node[0].type)]

    return read


def _comparison(step: str, *, turned: bool = False) -> Operator:
    def read(node: Reading) -> list[Tensor]:
        if step == "equal" and TensorProto.STRING in (node[0].type, node[1].type):
            return [_same_text(node)]
        a, b = (node.exact(1), node.exact(0)) if turned else (node.exact(0), node.exact(1))
        return [Tensor(each(partial(node.steps.add, step), a, b), TensorProto.BOOL)]

    return read


def _same_text(node: Reading) -> Tensor:
    texts, literal = (node[0], node[1]) if node[1].fixed else (node[1], node[0])
    words = node.fixed(1) if literal is node[1] else node.fixed(0)
    steps = node.steps
    cells, words = np.broadcast_arrays(texts.array, words)
    made = np.empty(cells.shape, dtype=object)
    for place in np.ndindex(made.shape):
        found = steps.add("lookup", cells[place], [[word(words[place]), 1.0]], 0.0)
        made[place] = steps.add("equal", found, steps.constant(1.0))
    return Tensor(made, TensorProto.BOOL)


def _truth(step: str) -> Operator:
    def read(node: Reading) -> list[Tensor]:
        cells = [node.cells(place) for place in range(len(node.inputs))]
        return [Tensor(each(partial(node.steps.add, step), *cells), TensorProto.BOOL)]

    return read


def _reciprocal(node: Reading) -> list[Tensor]:
    one = node.steps.constant(1.0)
    return [Tensor(each(lambda a: node.steps.add("divide", one, a), node.cells(0)), node[0].type)]


def _relu(node: Reading) -> list[Tensor]:
    zero = node.steps.constant(0.0)
    return [Tensor(each(lambda a: node.steps.add("max", a, zero), node.cells(0)), node[0].type)]


def _clip(node: Reading) -> list[Tensor]:
    cells = node.cells(0)
    for place, step, name in ((1, "max", "min"), (2, "min", "max")):
        if place < len(node.inputs) and node.inputs[place] is not None:
            bound = node.cells(place)
        elif name in node.attributes:
            bound = np.array(node.steps.constant(node.attribute(name)), dtype=object)
        else:
            continue
        cells = each(partial(node.steps.add, step), cells, bound)
    return [Tensor(cells, node[0].type)]


def _where(node: Reading) -> list[Tensor]:
    made = each(partial(node.steps.add, "if"), node.cells(0), node.cells(1), node.cells(2))
    return [Tensor(made, node[1].type)]


def _cast(node: Reading) -> list[Tensor]:
    kind, given, steps = int(node.attribute("to")), node[0], node.steps
    if kind == given.type:
        return [given]
    if TensorProto.STRING in (kind, given.type):
        raise UnreadableError("it turns texts into numbers, or numbers into texts")
    if given.fixed:
        return [Tensor(given.array.astype(helper.tensor_dtype_to_np_dtype(kind)), kind, fixed=True)]
    cells = given.array
    if kind == TensorProto.BOOL:
        zero = steps.constant(0.0)
        cells = each(lambda a: steps.add("not", steps.add("equal", a, zero)), cells)
    elif given.type == TensorProto.BOOL:
        one, zero = steps.constant(1.0), steps.constant(0.0)
        cells = each(lambda a: steps.add("if", a, one, zero), cells)
    elif kind in WHOLE and given.type not in WHOLE:
        cells = each(lambda a: steps.add("truncate", a), node.exact(0))
    elif kind == TensorProto.FLOAT:
        cells = each(steps.rounded, cells)
    return [Tensor(cells, kind)]


# what only moves elements


def _moved(node: Reading, move: Callable[[Cells], Cells]) -> list[Tensor]:
    given = node[0]
    return [Tensor(move(given.array), given.type, given.fixed)]


def _reshape(node: Reading) -> list[Tensor]:
    wanted = [int(n) for n in node.fixed(1)]
    given = node[0].array
    shape = [given.shape[n] if size == 0 else size for n, size in enumerate(wanted)]
    return _moved(node, lambda a: a.reshape(shape))


def _flatten(node: Reading) -> list[Tensor]:
    axis = int(node.attribute("axis", 1))
    return _moved(node, lambda a: a.reshape(math.prod(a.shape[:axis]), -1))


def _axes(node: Reading, place: int = 1) -> tuple[int, ...] | None:
    if place < len(node.inputs) and node.inputs[place] is not None:
        return tuple(int(n) for n in node.fixed(place).reshape(-1))
    given = node.attribute("axes")
    return None if given is None else tuple(int(n) for n in given)


def _squeeze(node: Reading) -> list[Tensor]:
    return _moved(node, lambda a: np.squeeze(a, axis=_axes(node)))


def _unsqueeze(node: Reading) -> list[Tensor]:
    return _moved(node, lambda a: np.expand_dims(a, axis=_axes(node) or ()))


def _concat(node: Reading) -> list[Tensor]:
    axis = int(node.attribute("axis"))
    parts = [node[place] for place in range(len(node.inputs))]
    if all(part.fixed for part in parts):
        return [Tensor(np.concatenate([p.array for p in parts], axis), parts[0].type, fixed=True)]
    return [Tensor(np.concatenate([p.cells(node.steps) for p in parts], axis), parts[0].type)]


def _gather(node: Reading) -> list[Tensor]:
    axis, places = int(node.attribute("axis", 0)), node.fixed(1)
    return _moved(node, lambda a: np.take(a, places, axis=axis))


def _extract(node: Reading) -> list[Tensor]:
    places = node.fixed(1).reshape(-1)
    return _moved(node, lambda a: np.take(a, places, axis=-1))


def _slice(node: Reading) -> list[Tensor]:
    starts, ends = node.fixed(1), node.fixed(2)
    axes = _axes(node, 3) or tuple(range(len(starts)))
    steps = node.fixed(4) if len(node.inputs) > 4 else np.ones(len(starts), dtype=np.int64)
    cut = [slice(None)] * node[0].array.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cut[axis] = slice(int(start), int(end), int(step))
    return _moved(node, lambda a: a[tuple(cut)])


def _split(node: Reading) -> list[Tensor]:
    axis, given = int(node.attribute("axis", 0)), node[0]
    sizes = [int(n) for n in node.fixed(1)] if len(node.inputs) > 1 else None
    if sizes is None:
        parts = np.array_split(given.array, node.outputs, axis)
    else:
        parts = np.split(given.array, np.cumsum(sizes)[:-1], axis)
    return [Tensor(part, given.type, given.fixed) for part in parts]


def _transpose(node: Reading) -> list[Tensor]:
    return _moved(node, lambda a: np.transpose(a, node.attribute("perm")))


def _expand(node: Reading) -> list[Tensor]:
    shape = tuple(int(n) for n in node.fixed(1))
    return _moved(node, lambda a: np.broadcast_to(a, np.broadcast_shapes(a.shape, shape)))


def _shape(node: Reading) -> list[Tensor]:
    return [Tensor(np.array(node[0].array.shape, dtype=np.int64), TensorProto.INT64, fixed=True)]


def _features(node: Reading) -> list[Tensor]:
    parts = [node.cells(place) for place in range(len(node.inputs))]
    return [Tensor(np.concatenate([p.reshape(1, -1) for p in parts], 1), TensorProto.FLOAT)]


# sums


def _reduced(fold: Callable[[Reading, list[int]], int]) -> Operator:
    def read(node: Reading) -> list[Tensor]:
        cells = node.cells(0)
        axes = _axes(node)
        axes = tuple(range(cells.ndim)) if not axes else tuple(a % cells.ndim for a in axes)
        kept = [a for a in range(cells.ndim) if a not in axes]
        flat = np.transpose(cells, [*kept, *axes]).reshape(*[cells.shape[a] for a in kept], -1)
        made = np.empty(flat.shape[:-1], dtype=object)
        for place in np.ndindex(made.shape):
            made[place] = fold(node, list(flat[place]))
        if int(node.attribute("keepdims", 1)):
            made = made.reshape([1 if a in axes else size for a, size in enumerate(cells.shape)])
        return [Tensor(made, node[0].type)]

    return read


def _constant_of_shape(node: Reading) -> list[Tensor]:
    given = node.attribute("value")
    value = np.zeros(1, np.float32) if given is None else numpy_helper.to_array(given)
    kind = TensorProto.FLOAT if given is None else given.data_type
    return [Tensor(np.full([int(n) for n in node.fixed(0)], value.reshape(-1)[0]), kind, fixed=True)]


def _arg_max(node: Reading) -> list[Tensor]:
    """The number of the first of the largest."""
    steps, cells = node.steps, node.exact(0)
    axis = int(node.attribute("axis", 0)) % cells.ndim
    if int(node.attribute("select_last_index", 0)):
        raise UnreadableError("it looks for the last of the largest")
    moved = np.moveaxis(cells, axis, -1)
    made = np.empty(moved.shape[:-1], dtype=object)
    for place in np.ndindex(made.shape):
        best, number = moved[place][0], steps.constant(0.0)
        for n, value in enumerate(moved[place][1:], start=1):
            larger = steps.add("less", best, value)
            best = steps.add("if", larger, value, best)
            number = steps.add("if", larger, steps.constant(float(n)), number)
        made[place] = number
    kept = int(node.attribute("keepdims", 1))
    return [Tensor(np.expand_dims(made, axis) if kept else made, TensorProto.INT64)]


def _total(node: Reading, values: list[int]) -> int:
    return node.steps.add("linear", values, [1.0] * len(values), 0.0)


def _mean(node: Reading, values: list[int]) -> int:
    return node.steps.add("divide", _total(node, values), node.steps.constant(float(len(values))))


def _folded(step: str) -> Callable[[Reading, list[int]], int]:
    return lambda node, values: reduce(partial(node.steps.add, step), values)


def _squares(node: Reading, values: list[int]) -> int:
    return _total(node, [node.steps.add("multiply", v, v) for v in values])


def _sizes(node: Reading, values: list[int]) -> int:
    return _total(node, [node.steps.add("abs", v) for v in values])


def _log_of_powers(node: Reading, values: list[int]) -> int:
    steps, top = node.steps, _folded("max")(node, values)
    powers = [steps.add("exp", steps.add("subtract", v, top)) for v in values]
    return steps.add("add", steps.add("log", _total(node, powers)), top)


def _softmax(node: Reading) -> list[Tensor]:
    cells = node.cells(0)
    axis = int(node.attribute("axis", -1)) % cells.ndim
    moved = np.moveaxis(cells, axis, -1)
    made = np.empty(moved.shape, dtype=object)
    for place in np.ndindex(moved.shape[:-1]):
        values = list(moved[place])
        made[place] = [node.steps.add("softmax", n, values) for n in range(len(values))]
    return [Tensor(np.moveaxis(made, -1, axis), node[0].type)]


def _product(node: Reading, a: Cells, weights: Tensor, intercepts: Sequence[Any] | None = None) -> Cells:
    """Rows [1, k] times a matrix [k, m] of constants, or of steps: [1, m]."""
    steps = node.steps
    made = np.empty((a.shape[0], weights.array.shape[1]), dtype=object)
    for row, column in np.ndindex(made.shape):
        values = list(a[row])
        if weights.fixed:
            intercept = 0.0 if intercepts is None else float(intercepts[column])
            given = [float(w) for w in weights.array[:, column]]
            if not all(map(math.isfinite, [*given, intercept])):
                raise UnreadableError("it has an infinite weight")
            made[row, column] = steps.add("linear", values, given, intercept)
        else:
            terms = [
                steps.add("multiply", v, w) for v, w in zip(values, weights.array[:, column], strict=True)
            ]
            made[row, column] = _total(node, terms)
    return made


def _matmul(node: Reading) -> list[Tensor]:
    a, b = node.cells(0), node[1]
    if a.ndim != 2 or b.array.ndim not in (1, 2):
        raise UnreadableError("it multiplies tensors of more than two dimensions")
    flat = b.array.ndim == 1
    matrix = Tensor(b.array.reshape(-1, 1), b.type, b.fixed) if flat else b
    made = _product(node, a, matrix)
    return [Tensor(made.reshape(-1) if flat else made, node[0].type)]


def _gemm(node: Reading) -> list[Tensor]:
    a, b = node.cells(0), node[1]
    if int(node.attribute("transA", 0)) or not b.fixed:
        raise UnreadableError("it multiplies what depends on the row by what depends on it")
    weights = b.array.astype(np.float64) * float(node.attribute("alpha", 1.0))
    matrix = Tensor(weights.T if int(node.attribute("transB", 0)) else weights, b.type, fixed=True)
    intercepts = None
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        given = node.fixed(2).astype(np.float64) * float(node.attribute("beta", 1.0))
        intercepts = np.broadcast_to(given, (1, matrix.array.shape[1]))[0]
    return [Tensor(_product(node, a, matrix, intercepts), node[0].type)]


# ai.onnx.ml


def _scaler(node: Reading) -> list[Tensor]:
    steps, cells = node.steps, node.cells(0)
    width = cells.shape[-1]
    offsets, scales = (np.broadcast_to(np.asarray(node.attribute(n)), width) for n in ("offset", "scale"))
    made = np.empty(cells.shape, dtype=object)
    for place in np.ndindex(cells.shape):
        offset, scale = (steps.constant(float(of[place[-1]])) for of in (offsets, scales))
        made[place] = steps.add("multiply", steps.add("subtract", cells[place], offset), scale)
    return [Tensor(made, TensorProto.FLOAT)]


def _imputer(node: Reading) -> list[Tensor]:
    steps, cells = node.steps, node.exact(0)
    floats = node.attribute("imputed_value_floats")
    values = np.asarray(floats if floats is not None else node.attribute("imputed_value_int64s"))
    replaced = node.attribute("replaced_value_float", node.attribute("replaced_value_int64", 0.0))
    values = np.broadcast_to(values, cells.shape[-1])
    made = np.empty(cells.shape, dtype=object)
    for place in np.ndindex(cells.shape):
        cell = cells[place]
        if math.isnan(replaced):
            condition = steps.add("missing", cell)
        else:
            condition = steps.add("equal", cell, steps.constant(replaced))
        made[place] = steps.add("if", condition, steps.constant(float(values[place[-1]])), cell)
    return [Tensor(made, node[0].type)]


def _lookup(node: Reading, cell: int, pairs: list[list[Any]], other: float) -> int:
    def plain(value: float) -> float | None:
        if math.isinf(value):
            raise UnreadableError("it has an infinite constant")
        return None if math.isnan(value) else float(value)

    missing = [value for key, value in pairs if key != key]
    given = [[key, plain(value)] for key, value in reversed(pairs) if key == key]
    unique = dict(given)
    made = node.steps.add("lookup", cell, [[k, v] for k, v in unique.items()], plain(other))
    if missing:
        steps = node.steps
        made = steps.add("if", steps.add("missing", cell), steps.constant(missing[0]), made)
    return made


def _keyed(node: Reading, texts: Any, whole: Any, floats: Any = None) -> tuple[list[Any], Cells]:
    """The keys that an operator knows, and the cells to look up among them."""
    if texts is not None:
        if node[0].type != TensorProto.STRING:
            raise UnreadableError("it turns numbers into texts")
        return [word(t) for t in texts], node[0].array
    if floats is not None:
        return [
            float(np.float32(f)) if node[0].type == TensorProto.FLOAT else float(f) for f in floats
        ], node.exact(0)
    if whole is None:
        raise UnreadableError(f"{node.operator} has no keys")
    cells = node.exact(0)
    if node[0].type not in WHOLE:
        cells = each(lambda a: node.steps.add("truncate", a), cells)
    return [float(n) for n in whole], cells


def _one_hot(node: Reading) -> list[Tensor]:
    keys, cells = _keyed(node, node.attribute("cats_strings") or None, node.attribute("cats_int64s"))
    made = np.empty((*cells.shape, len(keys)), dtype=object)
    for place in np.ndindex(cells.shape):
        for n, key in enumerate(keys):
            made[(*place, n)] = _lookup(node, int(cells[place]), [[key, 1.0]], 0.0)
    return [Tensor(made, TensorProto.FLOAT)]


def _label_encoder(node: Reading) -> list[Tensor]:
    def table(name: str) -> Any:
        given = node.attribute(f"{name}_tensor")
        return None if given is None else numpy_helper.to_array(given).reshape(-1)

    tensor = table("keys")
    if tensor is not None and tensor.dtype.kind in "fiu":
        keys, cells = _keyed(
            node,
            None,
            tensor if tensor.dtype.kind in "iu" else None,
            tensor if tensor.dtype.kind == "f" else None,
        )
    else:
        keys, cells = _keyed(
            node,
            tensor if tensor is not None else node.attribute("keys_strings"),
            node.attribute("keys_int64s"),
            node.attribute("keys_floats"),
        )
    values, otherwise, kind = table("values"), table("default"), TensorProto.FLOAT
    if values is None:
        values = node.attribute("values_floats")
        other: Any = node.attribute("default_float", 0.0)
        if values is None:
            values, other, kind = (
                node.attribute("values_int64s"),
                node.attribute("default_int64", -1),
                TensorProto.INT64,
            )
    else:
        if values.dtype.kind not in "fiu":
            values = None
        else:
            other = otherwise[0] if otherwise is not None else (0.0 if values.dtype.kind == "f" else -1)
            kind = TensorProto.INT64 if values.dtype.kind in "iu" else TensorProto.FLOAT
    if values is None:
        raise UnreadableError("it makes texts")
    pairs = [[key, float(value)] for key, value in zip(keys, values, strict=True)]
    return [Tensor(each(lambda a: _lookup(node, a, pairs, float(other)), cells), kind)]


def _normalizer(node: Reading) -> list[Tensor]:
    steps, cells = node.steps, node.cells(0).reshape(1, -1)
    values = list(cells[0])
    how = node.text("norm", "MAX")
    if how == "L2":
        size = steps.add("sqrt", _squares(node, values))
    elif how == "L1":
        size = _sizes(node, values)
    else:
        size = _folded("max")(node, [steps.add("abs", v) for v in values])
    nothing = steps.add("equal", size, steps.constant(0.0))
    made = [steps.add("if", nothing, v, steps.add("divide", v, size)) for v in values]
    return [Tensor(np.array([made], dtype=object), TensorProto.FLOAT)]


def _binarizer(node: Reading) -> list[Tensor]:
    steps = node.steps
    threshold, one, zero = (steps.constant(v) for v in (float(node.attribute("threshold", 0.0)), 1.0, 0.0))
    made = each(lambda a: steps.add("if", steps.add("less", threshold, a), one, zero), node.exact(0))
    return [Tensor(made, TensorProto.FLOAT)]


_PLAIN: dict[str, Operator] = {
    **{
        name: _arithmetic(step)
        for name, step in (("Add", "add"), ("Sub", "subtract"), ("Mul", "multiply"), ("Div", "divide"))
    },
    **{name: _arithmetic(name.lower()) for name in ("Abs", "Sqrt", "Exp", "Log", "Tanh", "Erf", "Floor")},
    "Pow": _arithmetic("power"),
    "Neg": _arithmetic("negate"),
    "Sigmoid": _arithmetic("logistic"),
    "Min": _variadic("min"),
    "Max": _variadic("max"),
    "Sum": _variadic("add"),
    "Reciprocal": _reciprocal,
    "Relu": _relu,
    "Clip": _clip,
    "Less": _comparison("less"),
    "LessOrEqual": _comparison("less_equal"),
    "Greater": _comparison("less", turned=True),
    "GreaterOrEqual": _comparison("less_equal", turned=True),
    "Equal": _comparison("equal"),
    "IsNaN": _truth("missing"),
    "Not": _truth("not"),
    "And": _truth("and"),
    "Or": _truth("or"),
    "Where": _where,
    "Cast": _cast,
    "Identity": lambda node: [node[0]],
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Gather": _gather,
    "Slice": _slice,
    "Split": _split,
    "Transpose": _transpose,
    "Expand": _expand,
    "Shape": _shape,
    "ConstantOfShape": _constant_of_shape,
    "ArgMax": _arg_max,
    "ReduceSum": _reduced(_total),
    "ReduceMean": _reduced(_mean),
    "ReduceProd": _reduced(_folded("multiply")),
    "ReduceMax": _reduced(_folded("max")),
    "ReduceMin": _reduced(_folded("min")),
    "ReduceSumSquare": _reduced(_squares),
    "ReduceL1": _reduced(_sizes),
    "ReduceL2": _reduced(lambda node, values: node.steps.add("sqrt", _squares(node, values))),
    "ReduceLogSumExp": _reduced(_log_of_powers),
    "Softmax": _softmax,
    "MatMul": _matmul,
    "Gemm": _gemm,
}

_ML: dict[str, Operator] = {
    "Scaler": _scaler,
    "Imputer": _imputer,
    "OneHotEncoder": _one_hot,
    "LabelEncoder": _label_encoder,
    "Normalizer": _normalizer,
    "Binarizer": _binarizer,
    "ArrayFeatureExtractor": _extract,
    "FeatureVectorizer": _features,
    "LinearRegressor": ensembles.linear_regressor,
    "LinearClassifier": ensembles.linear_classifier,
    "TreeEnsembleRegressor": ensembles.tree_regressor,
    "TreeEnsembleClassifier": ensembles.tree_classifier,
}
