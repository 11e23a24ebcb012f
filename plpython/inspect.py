"""modelpack.inspect: reads a model's bytes without running them, and refuses what a model has no need of."""

from typing import Any

SQL = """\
create or replace function modelpack.inspect(onnx bytea, signature jsonb, golden jsonb) returns jsonb
language plpython3u volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
{body}
$modelpack$;
comment on function modelpack.inspect(bytea, jsonb, jsonb) is
  'Reads a model in ONNX normal form byte by byte, without running it: size, known operators only, no control flow, no functions, no other files, inputs and output as the signature says. Returns what it found; refuses in words.';
revoke all on function modelpack.inspect(bytea, jsonb, jsonb) from public;
"""


def inspect(plpy: Any, onnx: bytes, signature: str, golden: str) -> str:
    """JSON with `nodes`, `operators`, `bytes` and `rows_apart`, or an SQL error that says what the model must not have.

    `rows_apart`: the graph shows that the rows of a batch are kept apart. It may be false of a model that does.

    Protocol Buffers' wire format is read by a schema of exactly the messages that a normal form is made of
    (onnx.proto of ONNX 1.16 to 1.23). What the schema does not name is refused, and so are a repeated singular
    field and a length beyond the end: two readers that disagree about such bytes are how checks are evaded. The
    schema has no cycle, so nothing recurses.
    """
    import json
    import re
    from collections.abc import Iterator
    from typing import Any, NoReturn

    Tensor = tuple[list[int | None], list[int] | None]
    limits = {
        s["name"]: int(s["value"])
        for s in plpy.execute(
            "select s.name, pg_size_bytes(s.value) as value from modelpack.setting as s where s.name in ('model_bytes')"
            " union all select s.name, s.value::bigint from modelpack.setting as s where s.name in ('model_nodes')"
        )
    }

    def refuse(found: str, expected: str) -> NoReturn:
        plpy.error(
            f"the model is refused: {found}",
            detail=f"Expected: {expected}.",
            hint="Publish with the package (modelpack publish), which writes models in the normal form.",
            sqlstate="22023",
        )
        raise AssertionError  # plpy.error does not return

    def shown(raw: bytes | str) -> str:
        text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
        text = "".join(c if c.isprintable() else "?" for c in text[:60])
        return f'"{text}"' + ("..." if len(raw) > 60 else "")

    def reads(how: object) -> bool:
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

    # -- the signature and the golden rows -------------------------------------------------------------------
    if len(signature) > 1 << 20 or len(golden) > 16 << 20:
        refuse(
            f"its signature and golden rows have {len(signature)} and {len(golden)} characters",
            "at most 2^20 and 2^24 characters",
        )
    declared, proof = json.loads(signature), json.loads(golden)
    form = "a signature of format 1: see the comment on modelpack.version.signature"
    if not isinstance(declared, dict) or declared.get("format") != 1:
        refuse("its signature has another format", form)
    inputs = declared.get("inputs")
    if not isinstance(inputs, list) or not 1 <= len(inputs) <= 1600:
        refuse("its signature lists no inputs, or more than 1600", form)
    for entry in inputs:
        fits = (
            isinstance(entry, dict)
            and isinstance(entry.get("name"), str)
            and 0 < len(entry["name"].encode()) <= 63
            and entry["name"].isprintable()
            and entry.get("type") in ("number", "text")
            and isinstance(entry.get("missing"), bool)
            and isinstance(entry.get("missing_token"), (str, type(None)))
            and (entry.get("analyzer") is None or (entry["type"] == "text" and reads(entry["analyzer"])))
            and isinstance(entry.get("categories"), (list, type(None)))
            and all(isinstance(text, str) for text in entry.get("categories") or ())
        )
        if not fits:
            refuse(f"its signature has the input {shown(json.dumps(entry))}", form)
    if len({entry["name"] for entry in inputs}) != len(inputs):
        refuse("its signature names an input twice", form)
    output = declared.get("output")
    if not isinstance(output, dict) or output.get("kind") not in ("probability", "value"):
        refuse("its signature says of its output neither probability nor value", form)
    for key in ("name", "class"):
        told = output.get(key)
        if told is not None and not (isinstance(told, str) and len(told) <= 200 and told.isprintable()):
            refuse(f"its signature has the output {shown(json.dumps(output))}", form)
    form = "golden rows with one score each: cells in the order of the signature, null where missing"
    if not isinstance(proof, dict) or not proof.get("rows"):
        refuse("it has no golden rows, so nothing shows that this server scores like the estimator", form)
    golden_rows, scores = proof["rows"], proof.get("scores")
    if not isinstance(golden_rows, list) or not isinstance(scores, list) or len(golden_rows) != len(scores):
        refuse("it has not one score for each golden row", form)
    if len(golden_rows) > 1000:
        refuse(f"it has {len(golden_rows)} golden rows", "at most 1000 golden rows")
    for cells in golden_rows:
        if not isinstance(cells, list) or len(cells) != len(inputs):
            refuse(f"its golden row {shown(json.dumps(cells))} has not {len(inputs)} cells", form)
        for cell, entry in zip(cells, inputs, strict=True):
            kinds = (int, float) if entry["type"] == "number" else (str,)
            if cell is not None and (isinstance(cell, bool) or not isinstance(cell, kinds)):
                refuse(
                    f"a golden row gives {shown(json.dumps(cell))} for {entry['name']} ({entry['type']})",
                    form,
                )
    for score in scores:
        if score is not None and (
            isinstance(score, bool) or not isinstance(score, (int, float)) or not abs(score) < 1e308
        ):
            refuse(f"a golden score is {shown(json.dumps(score))}", form)
    if all(score is None for score in scores):
        refuse("no golden row has a score, so nothing is proved by them", form)

    # -- the wire format -------------------------------------------------------------------------------------
    size = len(onnx)
    if size > limits["model_bytes"]:
        refuse(
            f"it has {size} bytes",
            f"at most {limits['model_bytes']} bytes (model_bytes in modelpack.setting)",
        )
    if size == 0:
        refuse("it has no bytes", "a model in ONNX")

    # message -> field number -> (name, kind); a kind ending in * is repeated; a text without a kind is the refusal
    schema: dict[str, dict[int, tuple[str, str]]] = {
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
    wires = {"int": 0, "double": 1, "bytes": 2, "float": 5}
    widths = {"double": 8, "float": 4}
    # runs of one repeated field, tag and all: a forest has millions of them
    patterns = {"int": rb"[\x80-\xff]{0,9}[\x00-\x7f]", "double": rb".{8}", "float": rb".{4}"}
    runs: dict[tuple[int, str], re.Pattern[bytes]] = {}
    few = 1000  # bytes of a run of integers that are read one by one: axes, shapes, places of columns

    def broken(what: str) -> NoReturn:
        refuse(f"its bytes are no ONNX: {what}", "a whole, undamaged model in ONNX")

    def varint(place: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            if place >= end:
                broken(f"a number is cut off at byte {place}")
            byte = onnx[place]
            place += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF, place
            shift += 7
            if shift > 63:
                broken(f"a number at byte {place} has more than ten bytes")

    def fields(start: int, end: int, message: str) -> Iterator[tuple[str, int, int]]:
        """Name, and begin and end of the payload; of a single int its value twice; of a run its extent.

        Dimensions, and other short runs of integers, come one by one: their value, and -1.
        """
        allowed, seen, place = schema[message], set(), start
        while place < end:
            begin = place
            tag, place = varint(place, end)
            number, wire = tag >> 3, tag & 7
            if tag >= 1 << 32 or number not in allowed:
                broken(f"a {message} has the unknown field {number} at byte {begin}")
            name, kind = allowed[number]
            if not kind:
                refuse(f"a {message} has {name}", "one graph of plain operators, complete in itself")
            kind, repeated = kind.rstrip("*"), kind.endswith("*")
            if number in seen and not repeated:
                broken(f"a {message} has {name} twice")
            seen.add(number)
            if repeated and kind != "bytes" and wire == wires[kind]:
                run = runs.get((tag, kind))
                if run is None:
                    run = re.compile(
                        b"(?:" + re.escape(onnx[begin:place]) + patterns[kind] + b"){1,4096}", re.DOTALL
                    )
                    runs[(tag, kind)] = run
                found = run.match(onnx, begin, end)
                if found is None:
                    broken(f"{name} of a {message} is cut off at byte {begin}")
                step = place - begin
                if name == "dims" or (kind == "int" and found.end() - begin <= few):
                    while begin < found.end():
                        value, begin = varint(begin + step, end)
                        yield name, value, -1
                else:
                    yield name, begin, found.end()
                place = found.end()
            elif wire == 2 and (kind == "bytes" or repeated):
                length, place = varint(place, end)
                if length > end - place:
                    broken(
                        f"{name} of a {message} claims {length} bytes at byte {begin}, {end - place} are left"
                    )
                if kind in widths and length % widths[kind]:
                    broken(f"{name} of a {message} is cut off at byte {begin}")
                if name == "dims" or (kind == "int" and length <= few):
                    upto = place + length
                    while place < upto:
                        value, place = varint(place, upto)
                        yield name, value, -1
                else:
                    yield name, place, place + length
                    place += length
            elif wire == wires[kind] == 0:
                value, place = varint(place, end)
                yield name, value, value
            elif wire == wires[kind] and kind in widths:
                if widths[kind] > end - place:
                    broken(f"{name} of a {message} is cut off at byte {begin}")
                yield name, place, place + widths[kind]
                place += widths[kind]
            else:
                broken(f"{name} of a {message} is written in another way than ONNX does, at byte {begin}")

    def text(begin: int, end: int) -> str:
        if end - begin > 10_000:
            broken(f"a name has {end - begin} bytes")
        try:
            return onnx[begin:end].decode()
        except UnicodeDecodeError:
            broken(f"the name at byte {begin} is no text")

    # element types of onnx.TensorProto: number -> bytes an element; 8 is text
    widths_of_types = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 8: 0, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8}
    type_names = {1: "float32", 8: "text", 11: "float64"}

    def signed(number: int) -> int:
        return number - (1 << 64) if number >> 63 else number

    def tensor(start: int, end: int) -> tuple[str, Tensor]:
        """Its name; its dimensions, and its values where they are few integers or truth values."""
        name, count, kind, raw, stored, strings = "", 1, 0, -1, 0, 0
        dims: list[int | None] = []
        values: list[int] = []
        for field, a, b in fields(start, end, "tensor"):
            if field == "dims":
                if a >= 1 << 63:
                    broken("a tensor has a negative dimension")
                dims.append(a)
                count *= a
                if count > 1 << 40:
                    refuse("a tensor claims more than 2^40 elements", "tensors no larger than their data")
            elif field == "data_type":
                kind = a
            elif field == "name":
                name = text(a, b)
            elif field == "raw_data":
                raw, begin = b - a, a
            elif field == "string_data":
                strings += 1
            elif field == "external_data":
                where = "an unnamed file"
                for entry_field, c, d in fields(a, b, "key and value"):
                    if entry_field == "value":
                        where = shown(onnx[c:d])
                        break
                refuse(f"a tensor takes its data from another file, {where}", "all data inside the model")
            elif field == "data_location":
                if a != 0:
                    refuse("a tensor takes its data from another file", "all data inside the model")
            elif field in ("float_data", "int32_data", "int64_data", "double_data", "uint64_data"):
                stored += 1 if b == -1 else b - a
                if b == -1:
                    values.append(signed(a))
            elif field == "metadata_props":
                pairs(a, b)
        if kind not in widths_of_types:
            refuse(f"a tensor has the element type {kind}", "numbers, truth values or text")
        if kind == 8:
            fits = raw < 0 and stored == 0 and strings == count
        elif raw >= 0:
            fits = strings == 0 and stored == 0 and raw == count * widths_of_types[kind]
        else:
            fits = strings == 0 and count <= stored
        if not fits:
            refuse(
                f"the tensor {shown(name)} claims {count} elements, which its data do not hold",
                "tensors no larger than their data",
            )
        width = {6: 4, 7: 8, 9: 1}.get(kind)
        if width is None or count > few:
            return name, (dims, None)
        if raw >= 0:
            values = [
                int.from_bytes(onnx[n : n + width], "little", signed=kind != 9)
                for n in range(begin, begin + raw, width)
            ]
        return name, (dims, values if len(values) == count else None)

    def pairs(start: int, end: int) -> None:
        for _ in fields(start, end, "key and value"):
            pass

    def value(start: int, end: int) -> tuple[str, int, list[int | None] | None]:
        """Name, element type, and shape (None: a dimension or the rank that is open)."""
        name, kind, shape = "", 0, None
        for field, a, b in fields(start, end, "value"):
            if field == "name":
                name = text(a, b)
            elif field == "metadata_props":
                pairs(a, b)
            elif field == "type":
                for type_field, c, d in fields(a, b, "type"):
                    if type_field != "tensor_type":
                        continue
                    for tensor_field, e, f in fields(c, d, "tensor type"):
                        if tensor_field == "elem_type":
                            kind = e
                            continue
                        shape = []
                        for _, g, h in fields(e, f, "shape"):
                            size: int | None = None
                            for dim_field, i, _ in fields(g, h, "dimension"):
                                if dim_field == "dim_value":
                                    size = i
                            shape.append(size)
        return name, kind, shape

    # -- what a model may be made of -------------------------------------------------------------------------
    # pure functions of tensors, whose result depends on nothing but their inputs
    operators = {
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
    known = {(domain, name) for domain, names in operators.items() for name in names.split()}
    control = {"If", "Loop", "Scan", "SequenceMap"}
    # inputs that say how large the result is: they may come from constants and shapes, never from the data
    sizing = {"ConstantOfShape": 1, "Expand": 2, "Tile": 2, "OneHot": 2, "Pad": 2, "Range": 7}

    # operators whose result has as many elements as the data say: in any case, or where its sizes are data
    choosing = {"NonZero", "Compress", "Unique"}
    cutting = {"Slice", "Reshape", "TopK", "Split", "Squeeze", "Unsqueeze"}
    # A text has as many words as it has. Until they are counted, only these may have them: none of them makes more
    # of them than there are, as an operator that pairs each with each would.
    of_words = set(
        "Tokenizer StringNormalizer Flatten Reshape Squeeze Unsqueeze Identity Concat Cast".split()
    )
    of_words |= {"Transpose", "RegexFullMatch", "LabelEncoder", "TfIdfVectorizer"}

    def node(start: int, end: int) -> tuple[str, str, list[str], list[str], dict[str, Any]]:
        """Domain, operator, inputs, outputs, attributes: integers, and of texts how many there are."""
        domain, kind = "", ""
        found: dict[str, Any] = {}
        takes: list[str] = []
        gives: list[str] = []
        rest: list[tuple[int, int]] = []
        for field, a, b in fields(start, end, "node"):
            if field == "input":
                takes.append(text(a, b))
            elif field == "output":
                gives.append(text(a, b))
            elif field == "op_type":
                kind = text(a, b)
            elif field == "domain":
                domain = text(a, b)
            elif field == "attribute":
                rest.append((a, b))
            elif field == "metadata_props":
                pairs(a, b)
        domain = "" if domain == "ai.onnx" else domain
        if domain == "" and kind in control:
            refuse(f"it has control flow, the operator {kind}", "operators that always end")
        if (domain, kind) not in known:
            called = shown(f"{domain}.{kind}" if domain else kind)
            refuse(f"it has the operator {called}", "operators of the list in modelpack.inspect alone")
        for begin, upto in rest:
            attribute = ""
            given: Any = None
            for field, a, b in fields(begin, upto, "attribute"):
                if field == "name":
                    attribute = text(a, b)
                elif field == "t":
                    given = tensor(a, b)[1]
                elif field == "tensors":
                    tensor(a, b)
                elif field == "i":
                    given = signed(a)
                elif field == "ints" and b == -1:
                    given = [*(given or []), signed(a)]
                elif field == "strings":
                    given = (given or 0) + 1
            found[attribute] = given
        return domain, kind, takes, gives, found

    # operators of one element of each input, after broadcasting
    by_element = set(
        """Abs Add And Ceil Clip Div Equal Erf Exp Floor Greater GreaterOrEqual Identity IsInf IsNaN LeakyRelu Less
        LessOrEqual Log Max Mean Min Mod Mul Neg Not Or Pow Reciprocal Relu Round Sigmoid Sign Sqrt Sub Sum Tanh
        Where Xor""".split()
    )

    def product(sizes: list[Any]) -> int:
        total: int = 1
        for one in sizes:
            total *= one
        return total

    # -- the model -------------------------------------------------------------------------------------------
    graph: tuple[int, int] | None = None
    opsets: list[str] = []
    for field, a, b in fields(0, size, "model"):
        if field == "graph":
            graph = (a, b)
        elif field == "opset_import":
            domain = ""
            for set_field, c, d in fields(a, b, "operator set"):
                if set_field == "domain":
                    domain = text(c, d)
            if domain not in ("", "ai.onnx", "ai.onnx.ml", "com.microsoft"):
                refuse(
                    f"it takes operators of the domain {shown(domain)}", "the domains ai.onnx and ai.onnx.ml"
                )
            opsets.append("" if domain == "ai.onnx" else domain)
        elif field == "metadata_props":
            pairs(a, b)
    if graph is None:
        broken("it has no graph")
    if len(set(opsets)) != len(opsets):
        broken("it names an operator set twice")
    takes: dict[str, tuple[int, list[int | None] | None]] = {}
    gives: list[tuple[str, int, list[int | None] | None]] = []
    constants: set[str] = set()
    fixed: dict[str, Tensor] = {}  # values that are the same for all rows, where that is plain
    nodes: list[tuple[int, int]] = []
    for field, a, b in fields(*graph, "graph"):
        if field == "node":
            nodes.append((a, b))
            if len(nodes) > limits["model_nodes"]:
                refuse(
                    f"it has more than {limits['model_nodes']} nodes",
                    f"at most {limits['model_nodes']} nodes (model_nodes in modelpack.setting)",
                )
        elif field == "initializer":
            name, held = tensor(a, b)
            constants.add(name)
            fixed[name] = held
        elif field == "input":
            name, kind, shape = value(a, b)
            if name in takes:
                broken(f"the input {shown(name)} comes twice")
            takes[name] = (kind, shape)
        elif field == "output":
            gives.append(value(a, b))
        elif field == "value_info":
            value(a, b)
        elif field == "metadata_props":
            pairs(a, b)

    def form_of(kind: int, shape: list[int | None] | None) -> str:
        dims = "of any shape" if shape is None else str(["N" if d is None else d for d in shape])
        return f"{type_names.get(kind, f'type {kind}')} {dims}".replace("'", "")

    wanted = {}
    for name, kind, entry_type in (("number", 1, "number"), ("text", 8, "text")):
        width = sum(entry["type"] == entry_type for entry in inputs)
        if width:
            wanted[name] = (kind, width)
    expected = ", ".join(f"{n}: {form_of(k, [None, w])}" for n, (k, w) in wanted.items())
    listed = ", ".join(f"{shown(n)[1:-1]}: {form_of(*t)}" for n, t in takes.items()) or "none"
    fits = set(takes) == set(wanted) and all(
        takes[n][0] == kind and takes[n][1] in ([None, width],) for n, (kind, width) in wanted.items()
    )
    if not fits:
        refuse(f"it has the inputs {listed}", f"the inputs that its signature names: {expected}")
    if constants & set(takes):
        refuse("it has a constant of an input's name", "inputs without a default")
    listed = ", ".join(f"{shown(n)[1:-1]}: {form_of(k, s)}" for n, k, s in gives) or "none"
    fits = (
        len(gives) == 1
        and gives[0][0] == "score"
        and gives[0][1] in (1, 11)
        and gives[0][2] in ([None], [None, 1])
    )
    if not fits:
        refuse(f"it has the outputs {listed}", "one output, score: float32 or float64 [N] or [N, 1]")
    data, made = set(takes), constants | set(takes)  # values that depend on the data; values that are there
    loose: set[str] = set()  # values whose shape depends on the data
    # values with one part for each row, which depends on that row alone; the shape of such a part
    rows: dict[str, list[int | None]] = {name: [width] for name, (_, width) in wanted.items()}

    Part = list[int | None]  # the shape of what belongs to one row

    def broadcast(reads: list[str], parts: list[Part | None], rank: int) -> list[Part] | None:
        """An operator of one element of each input: a constant must not reach over the rows."""
        shapes: list[Part] = []
        for name, part in zip(reads, parts, strict=True):
            if part is None and name:
                shape = fixed[name][0] if name in fixed else None
                if shape is None or len(shape) > rank or (len(shape) == rank and shape[0] != 1):
                    return None
                part = shape[1:] if len(shape) == rank else shape
            if part is not None:
                shapes.append(part)
        if any(part is not None and len(part) + 1 != rank for part in parts):
            return None  # [N] beside [N, 1] pairs each row with each
        blanks: Part = [1] * rank
        sizes = zip(*(blanks[len(shape) + 1 :] + shape for shape in shapes), strict=True)
        return [[None if None in size else max(n for n in size if n is not None) for size in sizes]]

    def reshaped(first: Part, shape: list[int] | None) -> list[Part] | None:
        """Rows stay apart where the first axis is copied, or is what is left for parts of the same size."""
        if not shape or shape[0] not in (0, -1):
            return None
        sizes: Part = [first[n] if size == 0 and n < len(first) else size for n, size in enumerate(shape[1:])]
        if None in sizes or None in first:
            return [sizes] if shape[0] == 0 and -1 not in sizes else None
        have, want = product(first), product(sizes)
        if -1 not in sizes:
            return [sizes] if have == want else None
        return [[have // abs(want) if n == -1 else n for n in sizes]] if shape[0] == 0 and want else None

    def along(first: Part, axis: int | None, sizes: Part) -> list[Part] | None:
        """Other sizes in place of one axis, unless it is that of the rows."""
        return [[*first[: axis - 1], *sizes, *first[axis:]]] if axis else None

    def sure(operator: str, reads: list[str], a: dict[str, Any]) -> list[Part] | None:
        """The shape of one row's part of each result, where the operator surely keeps rows apart; else None.

        Only of operators that models are commonly made of. What is not known here is scored row by row.
        """
        parts = [rows.get(name) for name in reads]
        first = parts[0]
        rank = 1 + len(next(part for part in parts if part is not None))
        if operator in by_element:
            return broadcast(reads, parts, rank)
        constant = fixed.get(reads[1], (None, None)) if len(reads) > 1 else (None, None)
        if first is None or any(name and name not in fixed for name in reads[1:] if operator != "Concat"):
            return None

        def axis_of(default: int) -> int:
            """The axis that is meant; 0 is that of the rows."""
            axis: int = a.get("axis", default)
            return axis + rank if axis < 0 else axis

        if operator in ("Cast", "LabelEncoder", "Dropout"):
            return [first]
        if operator == "Reshape":
            return None if a.get("allowzero") else reshaped(first, constant[1])
        if operator == "MatMul" and rank == 2 and constant[0] is not None and len(constant[0]) in (1, 2):
            return [constant[0][1:]]
        if rank < 2:
            return None
        if operator in ("Scaler", "Imputer", "Binarizer", "Normalizer"):
            return [first]
        if operator in ("TreeEnsembleClassifier", "LinearClassifier", "SVMClassifier") and rank == 2:
            return [[], [None]]
        if (
            operator in ("TreeEnsembleRegressor", "TreeEnsemble", "LinearRegressor", "SVMRegressor")
            and rank == 2
        ):
            return [[a.get("targets") or a.get("n_targets") or 1]]
        if operator == "OneHotEncoder":
            categories = a.get("cats_strings") or a.get("cats_int64s")
            return [[*first, len(categories) if isinstance(categories, list) else categories]]
        if operator == "ArrayFeatureExtractor" and constant[0] is not None:
            return along(first, rank - 1, constant[0][-1:] or [None])
        if operator == "Gather" and constant[0] is not None:
            return along(first, axis_of(0), constant[0])
        if operator == "Concat" and all(part is not None and len(part) + 1 == rank for part in parts):
            axis = axis_of(0)
            sizes = [part[axis - 1] for part in parts if part is not None]
            return along(first, axis, [None if None in sizes else sum(n for n in sizes if n is not None)])
        if operator == "Split":
            return (along(first, axis_of(0), [None]) or []) * 1600
        if operator == "Gemm" and rank == 2 and constant[0] is not None and not a.get("transA"):
            added = fixed[reads[2]][0] if len(reads) > 2 and reads[2] else []
            fits = len(constant[0]) == 2 and (len(added) < 2 or added[0] == 1)
            return [[constant[0][0 if a.get("transB") else 1]]] if fits else None
        if operator == "Flatten" and axis_of(1) == 1:
            return [[None if None in first else product(first)]]
        if operator == "Softmax":
            return [first] if axis_of(-1) else None
        if operator in ("ArgMax", "ArgMin"):
            return along(first, axis_of(0), [1] if a.get("keepdims", 1) else [])
        if operator == "Squeeze" or operator in (
            "ReduceMax",
            "ReduceMean",
            "ReduceMin",
            "ReduceProd",
            "ReduceSum",
        ):
            axes = a.get("axes") if len(reads) < 2 else constant[1]
            places = [n + rank if n < 0 else n for n in axes or [0]]
            stays = operator != "Squeeze" and a.get("keepdims", 1)
            kept: Part = [
                1 if n in places else d for n, d in enumerate(first, start=1) if stays or n not in places
            ]
            return None if 0 in places else [kept]
        return None

    seen: dict[str, int] = {}
    for place in nodes:
        domain, operator, came, writes, attributes = node(*place)
        if domain not in opsets:
            broken(f"it names no operator set for {operator}")
        for name in came:
            if name and name not in made:
                broken(f"the operator {operator} takes {shown(name)}, which no operator before it gives")
        for name in writes:
            if name and name in made:
                broken(f"two operators give {shown(name)}")
        sizes_are_data = domain == "" and (
            any(sizing.get(operator, 0) >> n & 1 and name in data for n, name in enumerate(came))
            or operator in choosing
            or (operator in cutting and any(name in data for name in came[1:]))
        )
        if sizes_are_data or (operator not in of_words and any(name in loose for name in came)):
            refuse(
                f"the operator {operator} makes a result whose size depends on the inputs' values",
                "sizes that depend on constants and the number of rows alone",
            )
        if operator == "Dropout" and len(came) > 2 and came[2] and fixed.get(came[2], ([], None))[1] != [0]:
            refuse("it has the operator Dropout in training mode, which scores by chance", "inference alone")
        if operator == "BatchNormalization" and (attributes.get("training_mode") or len(writes) > 1):
            refuse(
                "it has the operator BatchNormalization in training mode, which mixes the rows of a batch",
                "inference alone",
            )
        made.update(w for w in writes if w)
        tied = any(name in data for name in came)
        if operator == "Tokenizer" or (operator != "TfIdfVectorizer" and any(name in loose for name in came)):
            loose.update(w for w in writes if w)
        if operator in ("Shape", "Size"):
            tied = came[0] in loose if came else False
        if tied:
            data.update(w for w in writes if w)
        if operator == "Constant" and writes:
            literal = attributes.get("value")
            fixed[writes[0]] = literal if isinstance(literal, tuple) else ([None], None)
        elif any(name in rows for name in came):
            rows.update(zip(writes, sure(operator, came, attributes) or [], strict=False))
        called = f"{domain}.{operator}" if domain else operator
        seen[called] = seen.get(called, 0) + 1
    if "score" not in made - constants:
        refuse("no operator gives its score", "an operator that gives score")
    return json.dumps(
        {"bytes": size, "nodes": len(nodes), "operators": seen, "rows_apart": rows.get("score") is not None}
    )
