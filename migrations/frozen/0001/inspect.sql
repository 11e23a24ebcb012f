create or replace function modelpack.inspect(onnx bytea, signature jsonb, golden jsonb) returns jsonb
language plpython3u volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple

# from plpython/inspection/operators.py
# pure functions of tensors, whose result depends on nothing but their inputs
OPERATORS = {
    "": """Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization BitShift
        BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu Clip Compress Concat Constant
        ConstantOfShape Conv Cos Cosh CumSum DepthToSpace DequantizeLinear Det Div Dropout
        DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather GatherElements
        GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GroupNormalization
        HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization
        LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization MatMul MatMulInteger Max MaxPool Mean
        MeanVarianceNormalization Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow QLinearMatMul
        QuantizeLinear RNN Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
        ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare RegexFullMatch Relu Reshape ReverseSequence
        Round ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus
        Softsign Split Sqrt Squeeze StringNormalizer Sub Sum Swish Tan Tanh TfIdfVectorizer ThresholdedRelu
        Tile TopK Transpose Trilu Unique Unsqueeze Where Xor""",
    "ai.onnx.ml": """ArrayFeatureExtractor Binarizer DictVectorizer FeatureVectorizer Imputer LabelEncoder
        LinearClassifier LinearRegressor Normalizer OneHotEncoder SVMClassifier SVMRegressor Scaler
        TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor""",
    "com.microsoft": "CDist MurmurHash3 Solve Tokenizer",
}

KNOWN = {(domain, name) for domain, names in OPERATORS.items() for name in names.split()}

CONTROL = {"If", "Loop", "Scan", "SequenceMap"}

# inputs (a bit for each) that say how large the result is: they may come from constants and shapes, never from the data
SIZING = {"ConstantOfShape": 1, "Expand": 2, "Tile": 2, "OneHot": 2, "Pad": 2, "Range": 7}

# operators whose result has as many elements as the data say: in any case, or where its sizes are data
CHOOSING = {"NonZero", "Compress", "Unique"}

CUTTING = {"Slice", "Reshape", "TopK", "Split", "Squeeze", "Unsqueeze"}

# A text has as many words as it has. Until they are counted, only these may have them: none of them makes more
# of them than there are, as an operator that pairs each with each would.
OF_WORDS = set(
    """Tokenizer StringNormalizer Flatten Reshape Squeeze Unsqueeze Identity Concat Cast Transpose RegexFullMatch
    LabelEncoder TfIdfVectorizer""".split()
)

# from plpython/inspection/refusal.py
class Refusal(Exception):
    """What was found, and what was expected."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(found)
        self.found, self.expected = found, expected

def damaged(what: str) -> Refusal:
    return Refusal(f"its bytes are no ONNX: {what}", "a whole, undamaged model in ONNX")

def shown(raw: bytes | str) -> str:
    """The first 60 characters of what was given, printable ones alone."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    text = "".join(c if c.isprintable() else "?" for c in text[:60])
    return f'"{text}"' + ("..." if len(raw) > 60 else "")

# from plpython/inspection/schema.py
# message -> field number -> (name, kind); a kind ending in * is repeated; a text without a kind is the refusal
SCHEMA: dict[str, dict[int, tuple[str, str]]] = {
    "model": {
        1: ("ir_version", "int"),
        2: ("producer_name", "bytes"),
        3: ("producer_version", "bytes"),
        4: ("domain", "bytes"),
        5: ("model_version", "int"),
        6: ("doc_string", "bytes"),
        7: ("graph", "bytes"),
        8: ("opset_import", "bytes*"),
        14: ("metadata_props", "bytes*"),
        20: ("training information", ""),
        25: ("local functions", ""),
        26: ("a device configuration", ""),
    },
    "operator set": {1: ("domain", "bytes"), 2: ("version", "int")},
    "graph": {
        1: ("node", "bytes*"),
        2: ("name", "bytes"),
        5: ("initializer", "bytes*"),
        10: ("doc_string", "bytes"),
        11: ("input", "bytes*"),
        12: ("output", "bytes*"),
        13: ("value_info", "bytes*"),
        14: ("quantization annotations", ""),
        15: ("sparse initializers", ""),
        16: ("metadata_props", "bytes*"),
    },
    "node": {
        1: ("input", "bytes*"),
        2: ("output", "bytes*"),
        3: ("name", "bytes"),
        4: ("op_type", "bytes"),
        5: ("attribute", "bytes*"),
        6: ("doc_string", "bytes"),
        7: ("domain", "bytes"),
        8: ("an overload of a local function", ""),
        9: ("metadata_props", "bytes*"),
        10: ("a device configuration", ""),
    },
    "attribute": {
        1: ("name", "bytes"),
        2: ("f", "float"),
        3: ("i", "int"),
        4: ("s", "bytes"),
        5: ("t", "bytes"),
        6: ("a graph inside a node (control flow)", ""),
        7: ("floats", "float*"),
        8: ("ints", "int*"),
        9: ("strings", "bytes*"),
        10: ("tensors", "bytes*"),
        11: ("graphs inside a node (control flow)", ""),
        13: ("doc_string", "bytes"),
        14: ("a type as an attribute", ""),
        15: ("types as an attribute", ""),
        20: ("type", "int"),
        21: ("an attribute of a local function", ""),
        22: ("a sparse tensor", ""),
        23: ("sparse tensors", ""),
    },
    "tensor": {
        1: ("dims", "int*"),
        2: ("data_type", "int"),
        3: ("a segment of a tensor", ""),
        4: ("float_data", "float*"),
        5: ("int32_data", "int*"),
        6: ("string_data", "bytes*"),
        7: ("int64_data", "int*"),
        8: ("name", "bytes"),
        9: ("raw_data", "bytes"),
        10: ("double_data", "double*"),
        11: ("uint64_data", "int*"),
        12: ("doc_string", "bytes"),
        13: ("external_data", "bytes*"),
        14: ("data_location", "int"),
        16: ("metadata_props", "bytes*"),
    },
    "key and value": {1: ("key", "bytes"), 2: ("value", "bytes")},
    "value": {
        1: ("name", "bytes"),
        2: ("type", "bytes"),
        3: ("doc_string", "bytes"),
        4: ("metadata_props", "bytes*"),
    },
    "type": {
        1: ("tensor_type", "bytes"),
        4: ("a sequence", ""),
        5: ("a map", ""),
        6: ("denotation", "bytes"),
        7: ("an opaque value", ""),
        8: ("a sparse tensor", ""),
        9: ("an optional value", ""),
    },
    "tensor type": {1: ("elem_type", "int"), 2: ("shape", "bytes")},
    "shape": {1: ("dim", "bytes*")},
    "dimension": {1: ("dim_value", "int"), 2: ("dim_param", "bytes"), 3: ("denotation", "bytes")},
}

# from plpython/inspection/wire.py
WIRES = {"int": 0, "double": 1, "bytes": 2, "float": 5}

WIDTHS = {"double": 8, "float": 4}

# runs of one repeated field, tag and all: a forest has millions of them
PATTERNS = {"int": rb"[\x80-\xff]{0,9}[\x00-\x7f]", "double": rb".{8}", "float": rb".{4}"}

# bytes of a run of integers that are read one by one: axes, shapes, places of columns
FEW = 1000

class Field(NamedTuple):
    """What begins at a tag."""

    tag: int
    message: str
    name: str
    kind: str
    repeated: bool
    begin: int

    def __str__(self) -> str:
        return f"{self.name} of a {self.message}"

    def cut_off(self) -> Refusal:
        return damaged(f"{self} is cut off at byte {self.begin}")

    def one_by_one(self, size: int) -> bool:
        """Whether its values are needed, of so many bytes, and not their extent."""
        return self.name == "dims" or (self.kind == "int" and size <= FEW)

class Wire:
    """The bytes of a model as fields of messages."""

    def __init__(self, onnx: bytes) -> None:
        self.onnx = onnx
        self._runs: dict[tuple[int, str], re.Pattern[bytes]] = {}

    def varint(self, place: int, end: int) -> tuple[int, int]:
        """A number, and where it ends."""
        onnx, value, shift = self.onnx, 0, 0
        while True:
            if place >= end:
                raise damaged(f"a number is cut off at byte {place}")
            byte = onnx[place]
            place += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF, place
            shift += 7
            if shift > 63:
                raise damaged(f"a number at byte {place} has more than ten bytes")

    def fields(self, start: int, end: int, message: str) -> Iterator[tuple[str, int, int]]:
        """Name, and begin and end of the payload; of a single int its value twice; of a run its extent.

        Dimensions, and other short runs of integers, come one by one: their value, and -1.
        """
        seen: set[int] = set()
        place = start
        while place < end:
            field, place = self._field(message, seen, place, end)
            kind, wire = field.kind, field.tag & 7
            if field.repeated and kind != "bytes" and wire == WIRES[kind]:
                place = yield from self._run(field, place, end)
            elif wire == 2 and (kind == "bytes" or field.repeated):
                place = yield from self._payload(field, place, end)
            elif wire == WIRES[kind] == 0:
                value, place = self.varint(place, end)
                yield field.name, value, value
            elif wire == WIRES[kind] and kind in WIDTHS:
                if WIDTHS[kind] > end - place:
                    raise field.cut_off()
                yield field.name, place, place + WIDTHS[kind]
                place += WIDTHS[kind]
            else:
                raise damaged(f"{field} is written in another way than ONNX does, at byte {field.begin}")

    def _field(self, message: str, seen: set[int], begin: int, end: int) -> tuple[Field, int]:
        """A field that the message may have, and where its tag ends."""
        tag, place = self.varint(begin, end)
        number, allowed = tag >> 3, SCHEMA[message]
        if tag >= 1 << 32 or number not in allowed:
            raise damaged(f"a {message} has the unknown field {number} at byte {begin}")
        name, kind = allowed[number]
        if not kind:
            raise Refusal(f"a {message} has {name}", "one graph of plain operators, complete in itself")
        repeated = kind.endswith("*")
        if number in seen and not repeated:
            raise damaged(f"a {message} has {name} twice")
        seen.add(number)
        return Field(tag, message, name, kind.rstrip("*"), repeated, begin), place

    def _run(self, field: Field, place: int, end: int) -> Generator[tuple[str, int, int], None, int]:
        """A repeated field, each with its tag; gives where it ends."""
        run = self._runs.get((field.tag, field.kind))
        if run is None:
            tag = re.escape(self.onnx[field.begin : place])
            run = re.compile(b"(?:" + tag + PATTERNS[field.kind] + b"){1,4096}", re.DOTALL)
            self._runs[(field.tag, field.kind)] = run
        found = run.match(self.onnx, field.begin, end)
        if found is None:
            raise field.cut_off()
        begin, step = field.begin, place - field.begin
        if field.one_by_one(found.end() - begin):
            while begin < found.end():
                value, begin = self.varint(begin + step, end)
                yield field.name, value, -1
        else:
            yield field.name, begin, found.end()
        return found.end()

    def _payload(self, field: Field, place: int, end: int) -> Generator[tuple[str, int, int], None, int]:
        """Bytes, or a packed run, after their length; gives where it ends."""
        length, place = self.varint(place, end)
        if length > end - place:
            raise damaged(f"{field} claims {length} bytes at byte {field.begin}, {end - place} are left")
        if field.kind in WIDTHS and length % WIDTHS[field.kind]:
            raise field.cut_off()
        upto = place + length
        if field.one_by_one(length):
            while place < upto:
                value, place = self.varint(place, upto)
                yield field.name, value, -1
        else:
            yield field.name, place, upto
        return upto

    def text(self, begin: int, end: int) -> str:
        if end - begin > 10_000:
            raise damaged(f"a name has {end - begin} bytes")
        try:
            return self.onnx[begin:end].decode()
        except UnicodeDecodeError:
            raise damaged(f"the name at byte {begin} is no text") from None

    def pairs(self, start: int, end: int) -> None:
        """A key and a value that nothing depends on."""
        for _ in self.fields(start, end, "key and value"):
            pass

def signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number

# from plpython/inspection/messages.py
Shape = list[int | None]

# dimensions, and the values where they are few integers or truth values
Tensor = tuple[Shape, list[int] | None]

# element types of onnx.TensorProto: number -> bytes an element; 8 is text
WIDTHS_OF_TYPES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 8: 0, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8}

class Node(NamedTuple):
    """An operator. Of attributes, integers are kept, tensors, and of texts how many there are."""

    domain: str
    operator: str
    reads: list[str]
    writes: list[str]
    attributes: dict[str, Any]

    @property
    def called(self) -> str:
        return f"{self.domain}.{self.operator}" if self.domain else self.operator

class Held:
    """What the data of a tensor hold, while it is read."""

    def __init__(self) -> None:
        self.name, self.kind = "", 0
        self.dims: Shape = []
        self.count = 1
        self.raw: tuple[int, int] | None = None
        self.stored = self.strings = 0
        self.values: list[int] = []

    def dimension(self, size: int) -> None:
        if size >= 1 << 63:
            raise damaged("a tensor has a negative dimension")
        self.dims.append(size)
        self.count *= size
        if self.count > 1 << 40:
            raise Refusal("a tensor claims more than 2^40 elements", "tensors no larger than their data")

    def store(self, a: int, b: int) -> None:
        """A value, or the extent of a run of them."""
        self.stored += 1 if b == -1 else b - a
        if b == -1:
            self.values.append(signed(a))

    def check(self) -> None:
        if self.kind not in WIDTHS_OF_TYPES:
            raise Refusal(f"a tensor has the element type {self.kind}", "numbers, truth values or text")
        if self.kind == 8:
            fits = self.raw is None and self.stored == 0 and self.strings == self.count
        elif self.raw is not None:
            size = self.raw[1] - self.raw[0]
            fits = self.strings == self.stored == 0 and size == self.count * WIDTHS_OF_TYPES[self.kind]
        else:
            fits = self.strings == 0 and self.count <= self.stored
        if not fits:
            raise Refusal(
                f"the tensor {shown(self.name)} claims {self.count} elements, which its data do not hold",
                "tensors no larger than their data",
            )

    def few(self, onnx: bytes) -> list[int] | None:
        """Its values, where they are few integers or truth values."""
        width = {6: 4, 7: 8, 9: 1}.get(self.kind)
        if width is None or self.count > FEW:
            return None
        values = self.values
        if self.raw is not None:
            values = [
                int.from_bytes(onnx[n : n + width], "little", signed=self.kind != 9)
                for n in range(*self.raw, width)
            ]
        return values if len(values) == self.count else None

class Messages(Wire):
    """The bytes of a model as tensors, values and nodes."""

    def tensor(self, start: int, end: int) -> tuple[str, Tensor]:
        """Its name, and what it holds."""
        held = Held()
        for field, a, b in self.fields(start, end, "tensor"):
            if field == "dims":
                held.dimension(a)
            elif field == "data_type":
                held.kind = a
            elif field == "name":
                held.name = self.text(a, b)
            elif field == "raw_data":
                held.raw = (a, b)
            elif field == "string_data":
                held.strings += 1
            elif field == "external_data":
                self._elsewhere(a, b)
            elif field == "data_location":
                if a != 0:
                    raise Refusal("a tensor takes its data from another file", "all data inside the model")
            elif field in ("float_data", "int32_data", "int64_data", "double_data", "uint64_data"):
                held.store(a, b)
            elif field == "metadata_props":
                self.pairs(a, b)
        held.check()
        return held.name, (held.dims, held.few(self.onnx))

    def _elsewhere(self, start: int, end: int) -> None:
        where = "an unnamed file"
        for field, a, b in self.fields(start, end, "key and value"):
            if field == "value":
                where = shown(self.onnx[a:b])
                break
        raise Refusal(f"a tensor takes its data from another file, {where}", "all data inside the model")

    def value(self, start: int, end: int) -> tuple[str, int, Shape | None]:
        """Name, element type, and shape (None: a dimension or the rank that is open)."""
        name, kind = "", 0
        shape: Shape | None = None
        for field, a, b in self.fields(start, end, "value"):
            if field == "name":
                name = self.text(a, b)
            elif field == "metadata_props":
                self.pairs(a, b)
            elif field == "type":
                for type_field, c, d in self.fields(a, b, "type"):
                    if type_field != "tensor_type":
                        continue
                    for tensor_field, e, f in self.fields(c, d, "tensor type"):
                        if tensor_field == "elem_type":
                            kind = e
                        else:
                            shape = self._shape(e, f)
        return name, kind, shape

    def _shape(self, start: int, end: int) -> Shape:
        shape: Shape = []
        for _, a, b in self.fields(start, end, "shape"):
            size: int | None = None
            for field, n, _ in self.fields(a, b, "dimension"):
                if field == "dim_value":
                    size = n
            shape.append(size)
        return shape

    def node(self, start: int, end: int) -> Node:
        """An operator that is known and always ends."""
        domain, kind = "", ""
        reads: list[str] = []
        writes: list[str] = []
        rest: list[tuple[int, int]] = []
        for field, a, b in self.fields(start, end, "node"):
            if field == "input":
                reads.append(self.text(a, b))
            elif field == "output":
                writes.append(self.text(a, b))
            elif field == "op_type":
                kind = self.text(a, b)
            elif field == "domain":
                domain = self.text(a, b)
            elif field == "attribute":
                rest.append((a, b))
            elif field == "metadata_props":
                self.pairs(a, b)
        domain = "" if domain == "ai.onnx" else domain
        if domain == "" and kind in CONTROL:
            raise Refusal(f"it has control flow, the operator {kind}", "operators that always end")
        if (domain, kind) not in KNOWN:
            called = shown(f"{domain}.{kind}" if domain else kind)
            raise Refusal(f"it has the operator {called}", "operators of the list in modelpack.inspect alone")
        return Node(domain, kind, reads, writes, dict(self._attribute(*extent) for extent in rest))

    def _attribute(self, start: int, end: int) -> tuple[str, Any]:
        name = ""
        given: Any = None
        for field, a, b in self.fields(start, end, "attribute"):
            if field == "name":
                name = self.text(a, b)
            elif field == "t":
                given = self.tensor(a, b)[1]
            elif field == "tensors":
                self.tensor(a, b)
            elif field == "i":
                given = signed(a)
            elif field == "ints" and b == -1:
                given = [*(given or []), signed(a)]
            elif field == "strings":
                given = (given or 0) + 1
        return name, given

# from plpython/inspection/graph.py
TYPE_NAMES = {1: "float32", 8: "text", 11: "float64"}

class Graph:
    """What stands in a model, its nodes unread."""

    def __init__(self, messages: Messages, most_nodes: int) -> None:
        self._messages, self._most_nodes = messages, most_nodes
        self.opsets: list[str] = []
        self.takes: dict[str, tuple[int, Shape | None]] = {}
        self.gives: list[tuple[str, int, Shape | None]] = []
        # values that are the same for all rows, where that is plain
        self.constants: dict[str, Tensor] = {}
        self.nodes: list[tuple[int, int]] = []
        extent: tuple[int, int] | None = None
        for field, a, b in messages.fields(0, len(messages.onnx), "model"):
            if field == "graph":
                extent = (a, b)
            elif field == "opset_import":
                self._operator_set(a, b)
            elif field == "metadata_props":
                messages.pairs(a, b)
        if extent is None:
            raise damaged("it has no graph")
        if len(set(self.opsets)) != len(self.opsets):
            raise damaged("it names an operator set twice")
        self._read(*extent)

    def _operator_set(self, start: int, end: int) -> None:
        domain = ""
        for field, a, b in self._messages.fields(start, end, "operator set"):
            if field == "domain":
                domain = self._messages.text(a, b)
        if domain not in ("", "ai.onnx", "ai.onnx.ml", "com.microsoft"):
            raise Refusal(
                f"it takes operators of the domain {shown(domain)}", "the domains ai.onnx and ai.onnx.ml"
            )
        self.opsets.append("" if domain == "ai.onnx" else domain)

    def _read(self, start: int, end: int) -> None:
        messages = self._messages
        for field, a, b in messages.fields(start, end, "graph"):
            if field == "node":
                self.nodes.append((a, b))
                if len(self.nodes) > self._most_nodes:
                    raise Refusal(
                        f"it has more than {self._most_nodes} nodes",
                        f"at most {self._most_nodes} nodes (model_nodes in modelpack.setting)",
                    )
            elif field == "initializer":
                name, held = messages.tensor(a, b)
                self.constants[name] = held
            elif field == "input":
                name, kind, shape = messages.value(a, b)
                if name in self.takes:
                    raise damaged(f"the input {shown(name)} comes twice")
                self.takes[name] = (kind, shape)
            elif field == "output":
                self.gives.append(messages.value(a, b))
            elif field == "value_info":
                messages.value(a, b)
            elif field == "metadata_props":
                messages.pairs(a, b)

    def check_ends(self, inputs: list[dict[str, Any]]) -> None:
        """Inputs as the signature names them, and one score."""
        wanted: dict[str, tuple[int, Shape]] = {}
        for name, kind, entry_type in (("number", 1, "number"), ("text", 8, "text")):
            width = sum(entry["type"] == entry_type for entry in inputs)
            if width:
                wanted[name] = (kind, [None, width])
        if self.takes != wanted:
            expected = ", ".join(f"{n}: {form(*end)}" for n, end in wanted.items())
            found = ", ".join(f"{shown(n)[1:-1]}: {form(*end)}" for n, end in self.takes.items()) or "none"
            raise Refusal(f"it has the inputs {found}", f"the inputs that its signature names: {expected}")
        if self.constants.keys() & self.takes.keys():
            raise Refusal("it has a constant of an input's name", "inputs without a default")
        fits = (
            len(self.gives) == 1
            and self.gives[0][0] == "score"
            and self.gives[0][1] in (1, 11)
            and self.gives[0][2] in ([None], [None, 1])
        )
        if not fits:
            found = (
                ", ".join(f"{shown(n)[1:-1]}: {form(kind, shape)}" for n, kind, shape in self.gives) or "none"
            )
            raise Refusal(
                f"it has the outputs {found}", "one output, score: float32 or float64 [N] or [N, 1]"
            )

def form(kind: int, shape: Shape | None) -> str:
    """A type and a shape in words."""
    dims = "of any shape" if shape is None else str(["N" if d is None else d for d in shape])
    return f"{TYPE_NAMES.get(kind, f'type {kind}')} {dims}".replace("'", "")

# from plpython/inspection/flow.py
class Flow:
    """Values so far."""

    def __init__(self, graph: Graph) -> None:
        self._opsets = graph.opsets
        # values that are there; of these, values that depend on the data; of these, values whose shape does
        self.made = graph.constants.keys() | graph.takes.keys()
        self._data = set(graph.takes)
        self._loose: set[str] = set()

    def follow(self, node: Node) -> None:
        """What a node gives, after what it may take."""
        self._check_names(node)
        self._check_sizes(node)
        written = {name for name in node.writes if name}
        self.made |= written
        tied = any(name in self._data for name in node.reads)
        loose = any(name in self._loose for name in node.reads)
        if node.operator == "Tokenizer" or (node.operator != "TfIdfVectorizer" and loose):
            self._loose |= written
        if node.operator in ("Shape", "Size"):
            tied = node.reads[0] in self._loose if node.reads else False
        if tied:
            self._data |= written

    def _check_names(self, node: Node) -> None:
        if node.domain not in self._opsets:
            raise damaged(f"it names no operator set for {node.operator}")
        for name in node.reads:
            if name and name not in self.made:
                raise damaged(
                    f"the operator {node.operator} takes {shown(name)}, which no operator before it gives"
                )
        for name in node.writes:
            if name and name in self.made:
                raise damaged(f"two operators give {shown(name)}")

    def _check_sizes(self, node: Node) -> None:
        operator, reads = node.operator, node.reads
        sizes_are_data = node.domain == "" and (
            any(SIZING.get(operator, 0) >> n & 1 and name in self._data for n, name in enumerate(reads))
            or operator in CHOOSING
            or (operator in CUTTING and any(name in self._data for name in reads[1:]))
        )
        if sizes_are_data or (operator not in OF_WORDS and any(name in self._loose for name in reads)):
            raise Refusal(
                f"the operator {operator} makes a result whose size depends on the inputs' values",
                "sizes that depend on constants and the number of rows alone",
            )

# from plpython/inspection/promise.py
SIGNATURE_FORM = "a signature of format 1: see the comment on modelpack.version.signature"

GOLDEN_FORM = "golden rows with one score each: cells in the order of the signature, null where missing"

def promised_inputs(signature: str, golden: str) -> list[dict[str, Any]]:
    """The inputs of a signature in bounds, with golden rows that fit it."""
    if len(signature) > 1 << 20 or len(golden) > 16 << 20:
        raise Refusal(
            f"its signature and golden rows have {len(signature)} and {len(golden)} characters",
            "at most 2^20 and 2^24 characters",
        )
    declared, proof = json.loads(signature), json.loads(golden)
    if not isinstance(declared, dict) or declared.get("format") != 1:
        raise Refusal("its signature has another format", SIGNATURE_FORM)
    inputs = checked_inputs(declared.get("inputs"))
    check_output_entry(declared.get("output"))
    check_golden(proof, inputs)
    return inputs

def checked_inputs(inputs: Any) -> list[dict[str, Any]]:
    if not isinstance(inputs, list) or not 1 <= len(inputs) <= 1600:
        raise Refusal("its signature lists no inputs, or more than 1600", SIGNATURE_FORM)
    for entry in inputs:
        fits = (
            isinstance(entry, dict)
            and isinstance(entry.get("name"), str)
            and 0 < len(entry["name"].encode()) <= 63
            and entry["name"].isprintable()
            and entry.get("type") in ("number", "text")
            and isinstance(entry.get("missing"), bool)
            and isinstance(entry.get("missing_token"), (str, type(None)))
            and (
                entry.get("analyzer") is None
                or (entry["type"] == "text" and reads_in_bounds(entry["analyzer"]))
            )
            and isinstance(entry.get("categories"), (list, type(None)))
            and all(isinstance(text, str) for text in entry.get("categories") or ())
        )
        if not fits:
            raise Refusal(f"its signature has the input {shown(json.dumps(entry))}", SIGNATURE_FORM)
    if len({entry["name"] for entry in inputs}) != len(inputs):
        raise Refusal("its signature names an input twice", SIGNATURE_FORM)
    return inputs

def reads_in_bounds(how: object) -> bool:
    """Whether it says in bounds how a text becomes words: see pack_texts."""
    if not isinstance(how, dict) or how.get("kind") not in ("word", "char", "char_wb"):
        return False
    numbers = [
        how.get("length"),
        *(r if isinstance(r := how.get("ngram_range"), list) and len(r) == 2 else [0]),
    ]
    stop = how.get("stop_words")
    return (
        all(type(n) is int and 1 <= n <= 20 for n in numbers)
        and isinstance(how.get("lowercase"), bool)
        and how.get("strip_accents") in (None, "ascii", "unicode")
        and isinstance(stop, list)
        and all(isinstance(word, str) for word in stop)
    )

def check_output_entry(output: Any) -> None:
    if not isinstance(output, dict) or output.get("kind") not in ("probability", "value"):
        raise Refusal("its signature says of its output neither probability nor value", SIGNATURE_FORM)
    for key in ("name", "class"):
        told = output.get(key)
        if told is not None and not (isinstance(told, str) and len(told) <= 200 and told.isprintable()):
            raise Refusal(f"its signature has the output {shown(json.dumps(output))}", SIGNATURE_FORM)

def check_golden(proof: Any, inputs: list[dict[str, Any]]) -> None:
    if not isinstance(proof, dict) or not proof.get("rows"):
        raise Refusal(
            "it has no golden rows, so nothing shows that this server scores like the estimator", GOLDEN_FORM
        )
    rows, scores = proof["rows"], proof.get("scores")
    if not isinstance(rows, list) or not isinstance(scores, list) or len(rows) != len(scores):
        raise Refusal("it has not one score for each golden row", GOLDEN_FORM)
    if len(rows) > 1000:
        raise Refusal(f"it has {len(rows)} golden rows", "at most 1000 golden rows")
    for cells in rows:
        check_golden_row(cells, inputs)
    for score in scores:
        if score is not None and (
            isinstance(score, bool) or not isinstance(score, (int, float)) or not abs(score) < 1e308
        ):
            raise Refusal(f"a golden score is {shown(json.dumps(score))}", GOLDEN_FORM)
    if all(score is None for score in scores):
        raise Refusal("no golden row has a score, so nothing is proved by them", GOLDEN_FORM)

def check_golden_row(cells: Any, inputs: list[dict[str, Any]]) -> None:
    if not isinstance(cells, list) or len(cells) != len(inputs):
        raise Refusal(f"its golden row {shown(json.dumps(cells))} has not {len(inputs)} cells", GOLDEN_FORM)
    for cell, entry in zip(cells, inputs, strict=True):
        kinds = (int, float) if entry["type"] == "number" else (str,)
        if cell is not None and (isinstance(cell, bool) or not isinstance(cell, kinds)):
            raise Refusal(
                f"a golden row gives {shown(json.dumps(cell))} for {entry['name']} ({entry['type']})",
                GOLDEN_FORM,
            )

# from plpython/inspection/rows.py
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

def inspected(onnx: bytes, signature: str, golden: str, limits: dict[str, int]) -> dict[str, Any]:
    """What is found in a model, or why it is refused."""
    inputs = promised_inputs(signature, golden)
    if len(onnx) > limits["model_bytes"]:
        raise Refusal(
            f"it has {len(onnx)} bytes",
            f"at most {limits['model_bytes']} bytes (model_bytes in modelpack.setting)",
        )
    if not onnx:
        raise Refusal("it has no bytes", "a model in ONNX")
    messages = Messages(onnx)
    graph = Graph(messages, limits["model_nodes"])
    graph.check_ends(inputs)
    flow, rows = Flow(graph), Rows(graph)
    operators: Counter[str] = Counter()
    for extent in graph.nodes:
        node = messages.node(*extent)
        flow.follow(node)
        check_inference(node, rows.fixed)
        rows.follow(node)
        operators[node.called] += 1
    if "score" not in flow.made - graph.constants.keys():
        raise Refusal("no operator gives its score", "an operator that gives score")
    return {
        "bytes": len(onnx),
        "nodes": len(graph.nodes),
        "operators": operators,
        "rows_apart": "score" in rows.parts,
    }

def check_inference(node: Node, fixed: dict[str, Tensor]) -> None:
    reads = node.reads
    if (
        node.operator == "Dropout"
        and len(reads) > 2
        and reads[2]
        and fixed.get(reads[2], ([], None))[1] != [0]
    ):
        raise Refusal(
            "it has the operator Dropout in training mode, which scores by chance", "inference alone"
        )
    trained = node.attributes.get("training_mode") or len(node.writes) > 1
    if node.operator == "BatchNormalization" and trained:
        raise Refusal(
            "it has the operator BatchNormalization in training mode, which mixes the rows of a batch",
            "inference alone",
        )

limits = {
    s["name"]: int(s["value"])
    for s in plpy.execute(
        "select s.name, pg_size_bytes(s.value) as value from modelpack.setting as s where s.name in ('model_bytes')"
        " union all select s.name, s.value::bigint from modelpack.setting as s where s.name in ('model_nodes')"
    )
}
try:
    return json.dumps(inspected(onnx, signature, golden, limits))
except Refusal as refusal:
    plpy.error(
        f"the model is refused: {refusal.found}",
        detail=f"Expected: {refusal.expected}.",
        hint="Publish with the package (modelpack publish), which writes models in the normal form.",
        sqlstate="22023",
    )
    raise AssertionError from None  # plpy.error does not return
$modelpack$;
comment on function modelpack.inspect(bytea, jsonb, jsonb) is
  'Reads a model in ONNX normal form byte by byte, without running it: size, known operators only, no control flow, no functions, no other files, inputs and output as the signature says. Returns what it found; refuses in words.';
revoke all on function modelpack.inspect(bytea, jsonb, jsonb) from public;
