"""Steps of a formula as a graph of ONNX, with one input [N, 1] for each column.

A number of the server is a float32. What is compared with it is rounded to the nearest float32, too: a number of the training
data that stands right at a threshold then stays on its side. Whatever arithmetic makes of numbers is computed in float32, or in
double precision, as it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from modelpack.packager.graph.reading import IR_VERSION, OPSETS
from modelpack.packager.pmml.values import float32

_FLOAT, _DOUBLE, _BOOL, _STRING = (
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.BOOL,
    TensorProto.STRING,
)

_ML = "ai.onnx.ml"

_OPERATORS = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "power": "Pow", "min": "Min", "max": "Max",
    "negate": "Neg", "abs": "Abs", "sqrt": "Sqrt", "exp": "Exp", "log": "Log", "tanh": "Tanh", "floor": "Floor",
    "logistic": "Sigmoid", "less": "Less", "less_equal": "LessOrEqual", "equal": "Equal", "missing": "IsNaN", "not": "Not",
    "and": "And", "or": "Or",
}  # fmt: skip

_TRUTHS = {"less", "less_equal", "equal", "missing", "not", "and", "or"}

_PASSING = {"if", "min", "max"}
"""Steps that give one of the numbers that they are given."""


def compares_what_it_computes(formula: dict[str, Any]) -> bool:
    """Whether a threshold stands beside a number that is not one of the row's: rounding then moves it."""
    exact: list[bool] = []
    for name, *given in formula["steps"]:
        compared = given if name in ("less", "less_equal", "equal") else given[0] if name == "trees" else ()
        if not all(exact[place] for place in compared):
            return True
        if name == "lookup":
            values = [*(value for _, value in given[1]), given[2]]
            exact.append(all(v is None or v == float32(v) for v in values))
        else:
            exact.append(_is_narrow(name, given, exact))
    return False


def _is_narrow(name: str, given: Sequence[Any], narrow: Sequence[bool]) -> bool:
    """Whether a step gives a number of the row, or a constant that takes its place."""
    kept = given[1:] if name == "if" else given
    return name in ("number", "constant", "float32") or (name in _PASSING and all(narrow[p] for p in kept))


def onnx_of(formula: dict[str, Any], numbers: Sequence[str], texts: Sequence[str], *, wide: bool) -> bytes:
    """A model whose inputs are the columns of numbers, then those of texts, and whose output is `score`.

    Args:
        wide: computes in double precision.
    """
    return _Writer(formula, numbers, texts, wide=wide).model()


class _Writer:
    def __init__(
        self, formula: dict[str, Any], numbers: Sequence[str], texts: Sequence[str], *, wide: bool
    ) -> None:
        self._steps = formula["steps"]
        self._numbers, self._texts = len(numbers), len(texts)
        self._type = _DOUBLE if wide else _FLOAT
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._names: dict[Any, str] = {}
        self._narrow: list[bool] = []
        for name, *given in self._steps:
            self._narrow.append(_is_narrow(name, given, self._narrow))

    def model(self) -> bytes:
        for place, step in enumerate(self._steps):
            self._step(place, *step)
        score = self._as(len(self._steps) - 1, self._type)
        self._node("Identity", [score], "score")
        inputs = [helper.make_tensor_value_info(f"number{n}", _FLOAT, ["N", 1]) for n in range(self._numbers)]
        inputs += [helper.make_tensor_value_info(f"text{n}", _STRING, ["N", 1]) for n in range(self._texts)]
        output = helper.make_tensor_value_info("score", self._type, ["N", 1])
        tensors = [numpy_helper.from_array(array, name) for name, array in self._constants.items()]
        graph = helper.make_graph(self._nodes, "pmml", inputs, [output], tensors)
        opsets = [helper.make_opsetid(domain, OPSETS[domain]) for domain in ("", _ML)]
        return bytes(
            helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString()
        )

    def _node(
        self, kind: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any
    ) -> str:
        self._nodes.append(helper.make_node(kind, list(inputs), [output], domain=domain, **attributes))
        return output

    def _constant(self, values: Any, kind: int) -> str:
        with np.errstate(over="ignore"):
            array = np.asarray(values, dtype=helper.tensor_dtype_to_np_dtype(kind))
        key = (kind, array.shape, array.tobytes())
        if key not in self._names:
            self._names[key] = f"c{len(self._constants)}"
            self._constants[self._names[key]] = array
        return self._names[key]

    def _kind(self, place: int) -> int:
        return _FLOAT if self._narrow[place] else self._type

    def _as(self, place: int, kind: int) -> str:
        """A number of an earlier step in a type."""
        name, *given = self._steps[place]
        if name == "constant":
            value = np.nan if given[0] is None else given[0]
            return self._constant([[value]], kind)
        if self._kind(place) == kind:
            return f"s{place}"
        return self._cast(f"s{place}", kind)

    def _cast(self, name: str, kind: int) -> str:
        if (name, kind) not in self._names:
            self._names[name, kind] = self._node("Cast", [name], f"{name}_as{kind}", to=kind)
        return self._names[name, kind]

    def _step(self, place: int, name: str, *given: Any) -> str:
        made, kind = f"s{place}", self._kind(place)
        if name in ("number", "text"):
            return self._node("Identity", [f"{name}{given[0]}"], made)
        if name == "constant":
            return ""  # written where it is needed
        if name == "float32":
            return self._node("Identity", [self._as(given[0], _FLOAT)], made)
        if name == "lookup":
            return self._lookup(made, *given)
        if name == "linear":
            return self._linear(made, *given)
        if name == "softmax":
            return self._softmax(made, *given)
        if name == "trees":
            return self._trees(made, *given)
        if name == "erf":  # onnxruntime has it for float32 alone
            found = self._node("Erf", [self._as(given[0], _FLOAT)], f"{made}_erf")
            return self._node("Cast", [found], made, to=kind)
        if name == "if":
            values = [self._as(p, kind) for p in given[1:]]
            return self._node("Where", [f"s{given[0]}", *values], made)
        if name in ("not", "and", "or"):
            return self._node(_OPERATORS[name], [f"s{p}" for p in given], made)
        if name in _TRUTHS:
            kind = _FLOAT if all(self._narrow[p] for p in given) else self._type
            if kind == _FLOAT and name != "missing":
                return self._node(_OPERATORS[name], self._compared(name, *given), made)
        return self._node(_OPERATORS[name], [self._as(p, kind) for p in given], made)

    def _compared(self, name: str, *given: int) -> list[str]:
        """Two numbers that are compared in float32. A constant in front is asked about the other way round."""
        made = []
        for place, strict in zip(given, (name == "less", name == "less_equal"), strict=True):
            step, *value = self._steps[place]
            if step == "constant" and value[0] is not None:
                comparison = "=" if name == "equal" else "<" if strict else "<="
                made.append(self._constant([[_bound(value[0], comparison)]], _FLOAT))
            else:
                made.append(self._as(place, _FLOAT))
        return made

    def _lookup(self, made: str, place: int, pairs: list[list[Any]], other: float | None) -> str:
        def plain(value: float | None) -> float:
            return float("nan") if value is None else value

        text = self._steps[place][0] == "text"
        keys = [k if text else float32(k) for k, _ in pairs]
        values, default = [plain(v) for _, v in pairs], plain(other)
        if not keys:
            keys, values = [("" if text else 0.0)], [default]
        keyed: dict[str, Any] = {"keys_strings" if text else "keys_floats": keys}
        given = f"s{place}" if text else self._as(place, _FLOAT)
        wide = self._type == _DOUBLE
        found = self._node(
            "LabelEncoder", [given], f"{made}_float" if wide else made, _ML,
            values_floats=values, default_float=default, **keyed,
        )  # fmt: skip
        return self._node("Cast", [found], made, to=_DOUBLE) if wide else found

    def _row(self, made: str, places: Sequence[int], kind: int) -> str:
        """Numbers of steps side by side: [N, k]."""
        names = [self._as(p, kind) for p in places]
        if len(names) == 1:
            return names[0]
        if any(name in self._constants for name in names):  # has one row, whatever N is
            like = next((n for n in names if n not in self._constants), None)
            names = [self._spread(n, like) for n in names]
        key = ("row", *names)
        if key not in self._names:
            self._names[key] = self._node("Concat", names, f"{made}_row", axis=1)
        return self._names[key]

    def _spread(self, name: str, like: str | None) -> str:
        if name not in self._constants or like is None:
            return name
        key = ("spread", name, like)
        if key not in self._names:
            shape = self._names.get(("shape", like))
            if shape is None:
                shape = self._names["shape", like] = self._node("Shape", [like], f"{like}_shape")
            self._names[key] = self._node("Expand", [name, shape], f"{name}_{like}")
        return self._names[key]

    def _linear(self, made: str, places: list[int], weights: list[float], intercept: float) -> str:
        row = self._row(made, places, self._type)
        matrix = self._constant(np.reshape(weights, (-1, 1)), self._type)
        return self._node("Gemm", [row, matrix, self._constant([intercept], self._type)], made)

    def _softmax(self, made: str, which: int, places: list[int]) -> str:
        row = self._row(made, places, self._type)
        key = ("softmax", row)
        if key not in self._names:
            self._names[key] = self._node("Softmax", [row], f"{made}_shares", axis=1)
        return self._node(
            "Gather", [self._names[key], self._constant([which], TensorProto.INT64)], made, axis=1
        )

    def _trees(self, made: str, places: list[int], trees: list[Any]) -> str:
        narrow = [self._narrow[p] for p in places]
        kind = _FLOAT if all(narrow) else self._type
        row = self._row(made, places, kind)
        forest = _Forest(narrow)
        for number, tree in enumerate(trees):
            forest.add(number, tree)
        found = self._node(
            "TreeEnsembleRegressor", [row], f"{made}_float" if self._type == _DOUBLE else made, _ML,
            **forest.attributes(wide=kind == _DOUBLE),
        )  # fmt: skip
        return self._node("Cast", [found], made, to=_DOUBLE) if self._type == _DOUBLE else found


def _bound(threshold: float, comparison: str) -> float:
    """The float32 that takes a threshold's place: the nearest.

    Right between two (a tree that was fitted on float32 numbers has such), the one that no float32 is wrong with.
    """
    nearest = float32(threshold)
    toward = np.float32(np.inf if threshold > nearest else -np.inf)
    other = float(np.nextafter(np.float32(nearest), toward))
    if abs(threshold - nearest) < 0.499999 * abs(other - nearest) or comparison == "=":
        return nearest
    return min(nearest, other) if comparison == "<=" else max(nearest, other)


_MODES = {"<": "BRANCH_LT", "<=": "BRANCH_LEQ", "=": "BRANCH_EQ"}


class _Forest:
    """Trees as the attributes of a TreeEnsembleRegressor."""

    def __init__(self, narrow: Sequence[bool]) -> None:
        self._is_narrow = narrow
        self._nodes: list[tuple[int, int, int, str, float, int, int, int]] = []
        self._leaves: list[tuple[int, int, float]] = []

    def add(self, tree_id: int, tree: Any) -> None:
        todo, following = [(0, tree)], 1
        while todo:
            number, node = todo.pop()
            if not isinstance(node, list):
                self._nodes.append((tree_id, number, 0, "LEAF", 0.0, 0, 0, 0))
                self._leaves.append((tree_id, number, float(node)))
                continue
            place, comparison, threshold, missing, first, second = node
            bound = _bound(threshold, comparison) if self._is_narrow[place] else float(threshold)
            self._nodes.append(
                (tree_id, number, place, _MODES[comparison], bound, following, following + 1, int(missing))
            )
            todo += [(following + 1, second), (following, first)]
            following += 2

    def attributes(self, *, wide: bool) -> dict[str, Any]:
        ids, numbers, places, modes, values, first, second, missing = (
            list(column) for column in zip(*self._nodes, strict=True)
        )
        of, at, weights = (list(column) for column in zip(*self._leaves, strict=True))
        made = {
            "n_targets": 1, "nodes_treeids": ids, "nodes_nodeids": numbers, "nodes_featureids": places, "nodes_modes": modes,
            "nodes_truenodeids": first, "nodes_falsenodeids": second, "nodes_missing_value_tracks_true": missing,
            "target_treeids": of, "target_nodeids": at, "target_ids": [0] * len(of),
        }  # fmt: skip
        given = {"nodes_values": values, "target_weights": weights}
        for name, numbers_ in given.items():
            if wide:
                made[f"{name}_as_tensor"] = numpy_helper.from_array(np.array(numbers_, np.float64), name)
            else:
                made[name] = numbers_
        return made
