"""Whether the rows of a batch are kept apart: the graph shows it, or they are scored one by one.

Only of operators that models are commonly made of. What is not known here counts as mixing, so this may be false of a
model that keeps them apart, and is never true of one that does not.
"""

import math
from collections.abc import Callable

from plpython.inspection.graph import Graph
from plpython.inspection.messages import Node, Shape, Tensor

# the shape of what belongs to one row, of each result; None: rows may be mixed
Parts = list[Shape] | None

# operators of one element of each input, after broadcasting
BY_ELEMENT = set(
    """Abs Add And Ceil Clip Div Equal Erf Exp Floor Greater GreaterOrEqual Identity IsInf IsNaN LeakyRelu Less
    LessOrEqual Log Max Mean Min Mod Mul Neg Not Or Pow Reciprocal Relu Round Sigmoid Sign Sqrt Sub Sum Tanh
    Where Xor""".split()
)


class Rows:
    """Values with one part for each row, which depends on that row alone."""

    def __init__(self, graph: Graph) -> None:
        self.parts: dict[str, Shape] = {name: (shape or [])[1:] for name, (_, shape) in graph.takes.items()}
        self.fixed: dict[str, Tensor] = dict(graph.constants)

    def follow(self, node: Node) -> None:
        if node.operator == "Constant" and node.writes:
            literal = node.attributes.get("value")
            self.fixed[node.writes[0]] = literal if isinstance(literal, tuple) else ([None], None)
        elif any(name in self.parts for name in node.reads):
            self.parts.update(zip(node.writes, Step(self, node).results() or [], strict=False))


class Step:
    """An operator that reads rows."""

    def __init__(self, rows: Rows, node: Node) -> None:
        self.operator, self.reads, self.attributes = node.operator, node.reads, node.attributes
        self.fixed = rows.fixed
        self.parts = [rows.parts.get(name) for name in node.reads]
        self.rank = 1 + len(next(part for part in self.parts if part is not None))
        self.first: Shape = self.parts[0] or []
        self.shape, self.values = self._constant(1)

    def _constant(self, place: int) -> tuple[Shape | None, list[int] | None]:
        """What is read there, where it is the same for all rows."""
        return self.fixed.get(self.reads[place], (None, None)) if len(self.reads) > place else (None, None)

    def axis(self, default: int) -> int:
        """The axis that is meant; 0 is that of the rows."""
        axis: int = self.attributes.get("axis", default)
        return axis + self.rank if axis < 0 else axis

    def along(self, axis: int | None, sizes: Shape) -> Parts:
        """Other sizes in place of one axis, unless it is that of the rows."""
        return [[*self.first[: axis - 1], *sizes, *self.first[axis:]]] if axis else None

    def results(self) -> Parts:
        """The shape of one row's part of each result, where the operator surely keeps rows apart."""
        if self.operator in BY_ELEMENT:
            return self._by_element()
        others = self.reads[1:] if self.operator != "Concat" else []
        if self.parts[0] is None or any(name and name not in self.fixed for name in others):
            return None
        rule = OF_ANY_RANK.get(self.operator) or (OF_MATRICES.get(self.operator) if self.rank > 1 else None)
        return rule(self) if rule else None

    def _by_element(self) -> Parts:
        """A constant must not reach over the rows."""
        shapes: list[Shape] = []
        for name, part in zip(self.reads, self.parts, strict=True):
            if part is None and name:
                shape = self.fixed[name][0] if name in self.fixed else None
                if shape is None or len(shape) > self.rank or (len(shape) == self.rank and shape[0] != 1):
                    return None
                part = shape[1:] if len(shape) == self.rank else shape
            if part is not None:
                shapes.append(part)
        if any(part is not None and len(part) + 1 != self.rank for part in self.parts):
            return None  # [N] beside [N, 1] pairs each row with each
        blanks: Shape = [1] * self.rank
        sizes = zip(*(blanks[len(shape) + 1 :] + shape for shape in shapes), strict=True)
        return [[None if None in size else max(n for n in size if n is not None) for size in sizes]]


def product(sizes: Shape) -> int | None:
    return None if None in sizes else math.prod(n for n in sizes if n is not None)


def same(step: Step) -> Parts:
    return [step.first]


def reshape(step: Step) -> Parts:
    """Rows stay apart where the first axis is copied, or is what is left for parts of the same size."""
    first, shape = step.first, step.values
    if step.attributes.get("allowzero") or not shape or shape[0] not in (0, -1):
        return None
    sizes: Shape = [first[n] if size == 0 and n < len(first) else size for n, size in enumerate(shape[1:])]
    have, want = product(first), product(sizes)
    if have is None or want is None:
        return [sizes] if shape[0] == 0 and -1 not in sizes else None
    if -1 not in sizes:
        return [sizes] if have == want else None
    return [[have // abs(want) if n == -1 else n for n in sizes]] if shape[0] == 0 and want else None


def matmul(step: Step) -> Parts:
    fits = step.rank == 2 and step.shape is not None and len(step.shape) in (1, 2)
    return [step.shape[1:]] if fits and step.shape is not None else None


def classes(step: Step) -> Parts:
    return [[], [None]] if step.rank == 2 else None


def targets(step: Step) -> Parts:
    given = step.attributes.get("targets") or step.attributes.get("n_targets") or 1
    return [[given]] if step.rank == 2 else None


def one_hot(step: Step) -> Parts:
    categories = step.attributes.get("cats_strings") or step.attributes.get("cats_int64s")
    return [[*step.first, len(categories) if isinstance(categories, list) else categories]]


def columns(step: Step) -> Parts:
    return None if step.shape is None else step.along(step.rank - 1, step.shape[-1:] or [None])


def gather(step: Step) -> Parts:
    return None if step.shape is None else step.along(step.axis(0), step.shape)


def concat(step: Step) -> Parts:
    parts = [part for part in step.parts if part is not None and len(part) + 1 == step.rank]
    if len(parts) != len(step.parts):
        return None
    sizes = [part[step.axis(0) - 1] for part in parts]
    return step.along(step.axis(0), [None if None in sizes else sum(n for n in sizes if n is not None)])


def split(step: Step) -> Parts:
    return (step.along(step.axis(0), [None]) or []) * 1600


def gemm(step: Step) -> Parts:
    weights, reads = step.shape, step.reads
    if step.rank != 2 or weights is None or step.attributes.get("transA"):
        return None
    added = step.fixed[reads[2]][0] if len(reads) > 2 and reads[2] else []
    fits = len(weights) == 2 and (len(added) < 2 or added[0] == 1)
    return [[weights[0 if step.attributes.get("transB") else 1]]] if fits else None


def flatten(step: Step) -> Parts:
    return [[product(step.first)]] if step.axis(1) == 1 else None


def softmax(step: Step) -> Parts:
    return [step.first] if step.axis(-1) else None


def best(step: Step) -> Parts:
    return step.along(step.axis(0), [1] if step.attributes.get("keepdims", 1) else [])


def reduce(step: Step) -> Parts:
    """Also Squeeze, which takes off axes of one element."""
    axes = step.attributes.get("axes") if len(step.reads) < 2 else step.values
    places = [n + step.rank if n < 0 else n for n in axes or [0]]
    stays = step.operator != "Squeeze" and step.attributes.get("keepdims", 1)
    kept: Shape = [
        1 if n in places else size for n, size in enumerate(step.first, start=1) if stays or n not in places
    ]
    return None if 0 in places else [kept]


Rules = dict[str, Callable[[Step], Parts]]

OF_ANY_RANK: Rules = {
    **dict.fromkeys(("Cast", "LabelEncoder", "Dropout"), same),
    "Reshape": reshape,
}
# and of those with one axis beside that of the rows, or more
OF_MATRICES: Rules = {
    **dict.fromkeys(("Scaler", "Imputer", "Binarizer", "Normalizer"), same),
    **dict.fromkeys(("TreeEnsembleClassifier", "LinearClassifier", "SVMClassifier"), classes),
    **dict.fromkeys(("TreeEnsembleRegressor", "TreeEnsemble", "LinearRegressor", "SVMRegressor"), targets),
    **dict.fromkeys(("Squeeze", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"), reduce),
    **dict.fromkeys(("ArgMax", "ArgMin"), best),
    "MatMul": matmul,
    "OneHotEncoder": one_hot,
    "ArrayFeatureExtractor": columns,
    "Gather": gather,
    "Concat": concat,
    "Split": split,
    "Gemm": gemm,
    "Flatten": flatten,
    "Softmax": softmax,
}
