"""Models that nobody should load: each with the words in which the server refuses it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from onnx import AttributeProto, ModelProto, StringStringEntryProto, TensorProto, helper

FLOAT, TEXT = TensorProto.FLOAT, TensorProto.STRING

SIGNATURE: dict[str, Any] = {
    "format": 1,
    "inputs": [{"name": n, "type": "number", "missing": True} for n in ("complaints", "spend")],
    "output": {"name": "score", "kind": "value", "class": None},
}
GOLDEN: dict[str, Any] = {"rows": [[1, 2], [3, 4]], "scores": [3, 7]}


@dataclass(frozen=True)
class Hostile:
    """A model, and a pattern of the words that refuse it."""

    name: str
    onnx: bytes
    words: str
    signature: dict[str, Any] = field(default_factory=lambda: SIGNATURE)
    golden: dict[str, Any] = field(default_factory=lambda: GOLDEN)

    @property
    def arguments(self) -> tuple[bytes, str, str]:
        """What `modelpack.publish` takes after the name."""
        return self.onnx, json.dumps(self.signature), json.dumps(self.golden)


def tensor(name: str, values: Sequence[Any], kind: int = FLOAT, dims: Sequence[int] | None = None) -> Any:
    """An initializer."""
    return helper.make_tensor(name, kind, [len(values)] if dims is None else dims, values)


def info(name: str, shape: Sequence[Any], kind: int = FLOAT) -> Any:
    """An input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


def proto(
    nodes: Sequence[Any],
    initializers: Sequence[Any] = (),
    inputs: Sequence[Any] | None = None,
    outputs: Sequence[Any] | None = None,
    **options: Any,
) -> ModelProto:
    """A model of nodes; by default it takes number [N, 2] and gives score [N, 1]."""
    graph = helper.make_graph(
        nodes,
        "g",
        [info("number", ["N", 2])] if inputs is None else inputs,
        [info("score", ["N", 1])] if outputs is None else outputs,
        initializers,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3), *options.pop("opsets", ())]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, **options)


def add(*names: str, to: str = "score") -> Any:
    """A node that adds."""
    return helper.make_node("Sum", list(names), [to])


SUM = helper.make_node("ReduceSum", ["number", "axis"], ["score"], keepdims=1)
AXIS = tensor("axis", [1], TensorProto.INT64)


def honest() -> ModelProto:
    """score = complaints + spend, and nothing wrong with it."""
    return proto([SUM], [AXIS])


def _total(*then: Any, more: Sequence[Any] = (), **options: Any) -> bytes:
    """The sum of the inputs, goes on as `total`."""
    first = helper.make_node("ReduceSum", ["number", "axis"], ["total"], keepdims=1)
    made: bytes = proto([first, *then], [AXIS, *more], **options).SerializeToString()
    return made


def _loop() -> bytes:
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["again"]),
            helper.make_node("Identity", ["x"], ["y"]),
        ],
        "forever",
        [info("i", [], TensorProto.INT64), info("go", [], TensorProto.BOOL), info("x", ["N", 1])],
        [info("again", [], TensorProto.BOOL), info("y", ["N", 1])],
    )
    return _total(
        helper.make_node("Loop", ["", "true", "total"], ["score"], body=body),
        more=[tensor("true", [True], TensorProto.BOOL, [])],
    )


def _branch() -> bytes:
    branch = helper.make_graph(
        [helper.make_node("Identity", ["total"], ["b"])], "b", [], [info("b", ["N", 1])]
    )
    return _total(
        helper.make_node("If", ["true"], ["score"], then_branch=branch, else_branch=branch),
        more=[tensor("true", [True], TensorProto.BOOL, [])],
    )


def _hidden_graph() -> bytes:
    """A graph on an operator that is allowed."""
    graph = helper.make_graph([], "hidden", [], [])
    node = helper.make_node("Identity", ["total"], ["score"])
    node.attribute.append(helper.make_attribute("body", graph))
    return _total(node)


def _external(path: str, *, offset: int | None = None) -> bytes:
    outside = TensorProto(name="outside", data_type=FLOAT, dims=[1])
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.append(StringStringEntryProto(key="location", value=path))
    if offset is not None:
        outside.external_data.append(StringStringEntryProto(key="offset", value=str(offset)))
    return _total(add("total", "outside"), more=[outside])


def _external_attribute() -> bytes:
    outside = TensorProto(name="outside", data_type=FLOAT, dims=[1])
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.append(StringStringEntryProto(key="location", value="PG_VERSION"))
    return _total(helper.make_node("Constant", [], ["outside"], value=outside), add("total", "outside"))


def _functions(depth: int) -> bytes:
    own = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    functions = [
        helper.make_function(
            "own",
            f"f{n}",
            ["x"],
            ["y"],
            [
                helper.make_node("Neg", ["x"], ["y"])
                if n == depth - 1
                else helper.make_node(f"f{n + 1}", ["x"], ["y"], domain="own")
            ],
            own,
        )
        for n in range(depth)
    ]
    return _total(
        helper.make_node("f0", ["total"], ["score"], domain="own"), functions=functions, opsets=[own[1]]
    )


def _allocation() -> bytes:
    """16 GiB of float32 from sixteen bytes."""
    return _total(
        helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
        helper.make_node("ReduceMax", ["zeros"], ["zero"], keepdims=0),
        add("total", "zero"),
        more=[tensor("size", [4, 1 << 30], TensorProto.INT64)],
    )


def _doubling(times: int) -> bytes:
    nodes = [helper.make_node("Identity", ["number"], ["d0"])]
    nodes += [helper.make_node("Concat", [f"d{n}", f"d{n}"], [f"d{n + 1}"], axis=1) for n in range(times)]
    nodes += [helper.make_node("ReduceSum", [f"d{times}", "axis"], ["score"], keepdims=1)]
    made: bytes = proto(nodes, [AXIS]).SerializeToString()
    return made


def _size_from_data() -> bytes:
    return _total(
        helper.make_node("Cast", ["total"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["whole", "flat"], ["size"]),
        helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
        helper.make_node("ReduceMax", ["zeros"], ["zero"], keepdims=0),
        add("total", "zero"),
        more=[tensor("flat", [-1], TensorProto.INT64)],
    )


def _size_of_chosen() -> bytes:
    """As large as the number of inputs that are not zero, squared and so on: by way of a shape."""
    return _total(
        helper.make_node("NonZero", ["number"], ["places"]),
        helper.make_node("Shape", ["places"], ["size"]),
        helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
        helper.make_node("ReduceMax", ["zeros"], ["zero"], keepdims=0),
        add("total", "zero"),
    )


def _slow() -> bytes:
    nodes = [
        helper.make_node("ReduceMax", ["number"], ["most"], keepdims=1),
        helper.make_node("Expand", ["most", "wide"], ["m0"]),
    ]
    nodes += [helper.make_node("MatMul", [f"m{n}", f"m{n}"], [f"m{n + 1}"]) for n in range(1000)]
    nodes += [
        helper.make_node("ReduceMax", ["m1000"], ["top"], keepdims=0),
        helper.make_node("ReduceSum", ["number", "axis"], ["total"], keepdims=1),
        add("total", "top"),
    ]
    made: bytes = proto(nodes, [AXIS, tensor("wide", [1500, 1500], TensorProto.INT64)]).SerializeToString()
    return made


def _claims(number: int) -> bytes:
    """A tensor of that many elements with the data of one."""
    liar = TensorProto(name="liar", data_type=FLOAT, dims=[number], raw_data=b"\0\0\0\0")
    return _total(
        helper.make_node("ReduceMax", ["liar"], ["top"], keepdims=0), add("total", "top"), more=[liar]
    )


def _length(claimed: int) -> bytes:
    """The graph claims more bytes than there are."""
    place, varint = claimed, bytearray()
    while place > 0x7F:
        varint.append(place & 0x7F | 0x80)
        place >>= 7
    varint.append(place)
    return b"\x08\x09" + b"\x3a" + bytes(varint) + b"\x0a\x00"


def _giving(*outputs: Any, node: Any = SUM) -> bytes:
    made: bytes = proto([node], [AXIS], outputs=outputs).SerializeToString()
    return made


def _taking(*inputs: Any) -> bytes:
    made: bytes = proto([SUM], [AXIS], inputs=inputs).SerializeToString()
    return made


def _always(value: float) -> bytes:
    return _total(
        helper.make_node("Mul", ["total", "zero"], ["nothing"]),
        add("nothing", "always"),
        more=[tensor("zero", [0.0]), tensor("always", [value])],
    )


def _default() -> bytes:
    model = honest()
    model.graph.initializer.append(tensor("number", [0.0, 0.0], dims=[1, 2]))
    made: bytes = model.SerializeToString()
    return made


def _sparse() -> bytes:
    model = honest()
    model.graph.sparse_initializer.add().dims.append(1 << 40)
    made: bytes = model.SerializeToString()
    return made


def _reference() -> bytes:
    node = helper.make_node("ReduceSum", ["number", "axis"], ["score"])
    node.attribute.append(AttributeProto(name="keepdims", ref_attr_name="outer", type=AttributeProto.INT))
    made: bytes = proto([node], [AXIS]).SerializeToString()
    return made


def _random(length: int) -> bytes:
    return random.Random(length).randbytes(length)


def _operator(kind: str, domain: str = "", **attributes: Any) -> bytes:
    return _total(
        helper.make_node(kind, ["total"], ["score"], domain=domain, **attributes),
        opsets=[helper.make_opsetid(domain, 1)] if domain else [],
    )


_FIRST = tensor("first", [0], TensorProto.INT64)
_LAST = tensor("last", [-1], TensorProto.INT64)
_RISING = tensor("turned", [1, -1], TensorProto.INT64)

MIXING: dict[str, list[Any]] = {
    "reduction": [helper.make_node("ReduceMean", ["total"], ["score"], axes=[0], keepdims=1)],
    "reduction of all": [
        helper.make_node("ReduceMax", ["total"], ["most"], keepdims=1),
        helper.make_node("Sub", ["most", "total"], ["over"]),
        add("total", "over"),
    ],
    "softmax": [helper.make_node("Softmax", ["total"], ["score"], axis=0)],
    "running sum": [helper.make_node("CumSum", ["total", "axis0"], ["score"])],
    "order": [
        helper.make_node("Shape", ["total"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["count"]),
        helper.make_node("TopK", ["total", "count"], ["score", "places"], axis=0),
    ],
    "first row": [
        helper.make_node("Gather", ["total", "first"], ["one"], axis=0),
        helper.make_node("Sub", ["one", "total"], ["over"]),
        add("total", "over"),
    ],
    "last row": [
        helper.make_node("Gather", ["total", "last"], ["one"], axis=0),
        helper.make_node("Sub", ["one", "total"], ["over"]),
        add("total", "over"),
    ],
    "reshaping": [
        helper.make_node("Reshape", ["number", "turned"], ["wide"]),
        helper.make_node("CumSum", ["wide", "axis1"], ["rising"]),
        helper.make_node("ReduceMax", ["rising"], ["most"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["most", "total"], ["over"]),
        add("total", "over"),
    ],
    "pairs": [
        helper.make_node("Transpose", ["total"], ["across"]),
        helper.make_node("Sub", ["total", "across"], ["each"]),
        helper.make_node("ReduceSum", ["each", "axis"], ["over"], keepdims=1),
        add("total", "over"),
    ],
    "number of rows": [
        helper.make_node("Shape", ["total"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["count"]),
        helper.make_node("Cast", ["count"], ["rows"], to=FLOAT),
        add("total", "rows"),
    ],
}
"""Nodes that give a row another score among other rows than alone, from `total` and `number`."""

_ALONE = {"softmax": 1.0, "number of rows": 1.0}
"""What they give a row of zeros that is alone, where it is not 0."""


def _mixing(*nodes: Any) -> bytes:
    return _total(
        *nodes,
        producer_name="a test of mixing",
        more=[_FIRST, _LAST, _RISING] + [tensor(f"axis{n}", [n], TensorProto.INT64, []) for n in (0, 1)],
    )


def _power_of_rows(power: int) -> bytes:
    """As many elements as the number of rows to a power: 4 GiB for 15 rows and a power of 8."""
    shapes, nodes, last = [], [], "total"
    for n in range(power):
        shape = [-1 if n == place else 1 for place in range(power)]
        shapes.append(tensor(f"shape{n}", shape, TensorProto.INT64))
        nodes.append(helper.make_node("Reshape", ["total", f"shape{n}"], [f"r{n}"]))
        nodes.append(helper.make_node("Add" if n else "Sum", [last, f"r{n}"] if n else [f"r{n}"], [f"a{n}"]))
        last = f"a{n}"
    top = helper.make_node("ReduceMax", [last], ["top"], axes=list(range(1, power)), keepdims=0)
    flat = helper.make_node("Reshape", ["top", "column"], ["score"])
    return _total(*nodes, top, flat, more=[*shapes, tensor("column", [-1, 1], TensorProto.INT64)])


def _training(kind: str, *more: str, **attributes: Any) -> bytes:
    given = {
        "ratio": tensor("ratio", [0.5], dims=[]),
        "training": tensor("training", [True], TensorProto.BOOL, []),
        **{name: tensor(name, [1.0]) for name in ("scale", "bias", "mean", "variance")},
    }
    outputs = ["score", "m", "v"] if attributes else ["score"]
    return _total(
        helper.make_node(kind, ["total", *more], outputs, **attributes), more=[given[name] for name in more]
    )


def _chosen(kind: str) -> bytes:
    """A value of as many elements as the inputs say, which need not reach a shape to be large: squared and so on."""
    first = {
        "NonZero": [helper.make_node("NonZero", ["number"], ["chosen"])],
        "Compress": [
            helper.make_node("Reshape", ["number", "last"], ["flat"]),
            helper.make_node("Cast", ["flat"], ["some"], to=TensorProto.BOOL),
            helper.make_node("Compress", ["flat", "some"], ["chosen"]),
        ],
        "Unique": [helper.make_node("Unique", ["number"], ["chosen"])],
    }[kind]
    return _total(
        *first,
        helper.make_node("Cast", ["chosen"], ["floats"], to=FLOAT),
        helper.make_node("ReduceSum", ["floats"], ["sum"], keepdims=0),
        add("total", "sum"),
        more=[_LAST],
    )


def corpus() -> list[Hostile]:
    """All of them."""
    whole: bytes = honest().SerializeToString()

    def other_rows(rows: list[Any], scores: list[Any]) -> dict[str, Any]:
        return {"rows": rows, "scores": scores}

    refused = [
        Hostile("endless loop", _loop(), "control flow"),
        Hostile("branch", _branch(), "control flow"),
        Hostile("scan", _operator("Scan"), "control flow"),
        Hostile("graph on an allowed operator", _hidden_graph(), "control flow"),
        *(
            Hostile(f"external data: {path}", _external(path), "another file")
            for path in ("PG_VERSION", "../PG_VERSION", "/etc/passwd", "*/_ORT_MEM_ADDR_/*")
        ),
        Hostile("external data at an offset", _external("PG_VERSION", offset=1 << 40), "another file"),
        Hostile("external data in an attribute", _external_attribute(), "another file"),
        Hostile("local functions, 3000 deep", _functions(3000), "local functions|domain"),
        Hostile("one local function", _functions(1), "local functions|domain"),
        Hostile("allocation of 16 GiB", _allocation(), "cannot score|cannot load|ended by"),
        Hostile("doubling 34 times", _doubling(34), "cannot score|cannot load|ended by"),
        Hostile("size taken from the data", _size_from_data(), "size depends on the inputs' values"),
        Hostile("size taken from what is chosen", _size_of_chosen(), "size depends on the inputs' values"),
        Hostile("no end in time", _slow(), "within 2 seconds"),
        Hostile("tensor larger than its data", _claims(1 << 32), "claims 4294967296 elements"),
        Hostile("tensor of 2^62 elements", _claims(1 << 62), "more than 2"),
        Hostile("unknown domain", _operator("Neg", "evil.example"), "domain"),
        Hostile("unknown operator", _operator("Exec"), 'operator "Exec"'),
        Hostile("random operator", _operator("Bernoulli"), 'operator "Bernoulli"'),
        Hostile("unknown contrib operator", _operator("Snpe", "com.microsoft"), "com.microsoft.Snpe"),
        Hostile("no bytes", b"", "no bytes"),
        *(
            Hostile(f"cut off at {n}", whole[:n], "refused")
            for n in (1, 5, 40, len(whole) // 2, len(whole) - 1)
        ),
        *(Hostile(f"{n} random bytes", _random(n), "no ONNX") for n in (1, 100, 100_000)),
        Hostile("a gigabyte claimed", _length(1 << 30), "claims 1073741824 bytes"),
        Hostile("2^63 bytes claimed", _length(1 << 63), "claims 9223372036854775808 bytes"),
        Hostile("two graphs", whole + whole, "twice"),
        Hostile("a group", whole + b"\xa3\x06" * 50_000, "no ONNX"),
        Hostile("an endless number", whole + b"\x08" + b"\xff" * 1000, "no ONNX"),
        Hostile("a sparse tensor", _sparse(), "sparse"),
        Hostile("an attribute of a function", _reference(), "local function"),
        Hostile("a default for the input", _default(), "constant of an input's name"),
        Hostile("another width", _taking(info("number", ["N", 3])), r"number: float32 \[N, 3\].*\[N, 2\]"),
        Hostile("a fixed number of rows", _taking(info("number", [7, 2])), r"\[7, 2\]"),
        Hostile("another type", _taking(info("number", ["N", 2], TensorProto.DOUBLE)), r"float64 \[N, 2\]"),
        Hostile("no input", _taking(), "inputs none"),
        Hostile(
            "an input more",
            _taking(info("number", ["N", 2]), info("text", ["N", 1], TEXT)),
            r"text: text \[N, 1\]",
        ),
        Hostile("no output", _giving(), "outputs none"),
        Hostile("two outputs", _giving(info("score", ["N", 1]), info("axis", [1])), "outputs score.*axis"),
        Hostile("a whole number as score", _giving(info("score", ["N", 1], TensorProto.INT64)), "type 7"),
        Hostile("a wide score", _giving(info("score", ["N", 2])), r"float32 \[N, 2\]"),
        Hostile(
            "a score that is wider than it says",
            _giving(info("score", ["N", 1]), node=helper.make_node("Neg", ["number"], ["score"])),
            "cannot load|cannot score",
        ),
        Hostile(
            "one score for all rows",
            _giving(
                info("score", ["N", 1]), node=helper.make_node("ReduceMax", ["number"], ["score"], keepdims=1)
            ),
            "refused|expected 3",
        ),
        Hostile(
            "a score that depends on other rows",
            _total(
                helper.make_node("ReduceMin", ["total"], ["least"], axes=[0], keepdims=1),
                helper.make_node("Sub", ["total", "least"], ["over"]),
                helper.make_node("Sub", ["total", "over"], ["score"]),
            ),
            "alone scores",
        ),
        *(
            Hostile(f"{kind} over the rows of a batch", _mixing(*nodes), "alone scores|cannot score")
            for kind, nodes in MIXING.items()
        ),
        *(
            Hostile(
                f"{kind} over the rows, of golden rows that show nothing",
                _mixing(*nodes),
                "alone scores|cannot score",
                golden={"rows": [[0, 0]], "scores": [_ALONE.get(kind, 0.0)]},
            )
            for kind, nodes in MIXING.items()
        ),
        Hostile("memory by the power of the rows", _power_of_rows(8), "cannot score|ended by"),
        Hostile(
            "dropout in training mode", _training("Dropout", "ratio", "training"), "Dropout in training mode"
        ),
        Hostile(
            "dropout whose mode the data say",
            _total(
                helper.make_node("Greater", ["total", "half"], ["some"]),
                helper.make_node("ReduceMax", ["number"], ["most"], keepdims=0),
                helper.make_node("Greater", ["most", "half"], ["mode"]),
                helper.make_node("Dropout", ["total", "half", "mode"], ["score"]),
                more=[tensor("half", [0.5], dims=[])],
            ),
            "Dropout in training mode",
        ),
        Hostile(
            "normalisation by the batch",
            _training("BatchNormalization", "scale", "bias", "mean", "variance", training_mode=1),
            "BatchNormalization in training mode",
        ),
        *(
            Hostile(f"as many results as {kind} finds", _chosen(kind), "size depends on the inputs' values")
            for kind in ("NonZero", "Compress", "Unique")
        ),
        Hostile("NaN", _always(float("nan")), "golden row 1 gives the score nan"),
        Hostile("infinite", _always(float("inf")), "golden row 1 gives the score inf"),
        Hostile("another score", _always(0.5), "golden row 1 gives 0.5 on this server, expected 3"),
        Hostile("no golden rows", whole, "no golden rows", golden=other_rows([], [])),
        Hostile(
            "golden rows without a score", whole, "nothing is proved", golden=other_rows([[1, 2]], [None])
        ),
        Hostile("fewer scores than rows", whole, "not one score", golden=other_rows([[1, 2]], [])),
        Hostile("a row too short", whole, "has not 2 cells", golden=other_rows([[1]], [1])),
        Hostile("text for a number", whole, "complaints", golden=other_rows([["1", 2]], [3])),
        Hostile("another signature format", whole, "another format", {**SIGNATURE, "format": 2}),
        Hostile("a signature that is none", whole, "another format", {}),
        Hostile(
            "an input of an unknown type",
            whole,
            "input",
            {**SIGNATURE, "inputs": [{"name": "x", "type": "picture", "missing": True}]},
        ),
        Hostile("an input twice", whole, "twice", {**SIGNATURE, "inputs": [SIGNATURE["inputs"][0]] * 2}),
    ]
    assert len({h.name for h in refused}) == len(refused)
    return refused
