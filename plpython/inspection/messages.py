"""Tensors, values and nodes of an ONNX graph."""

from typing import Any, NamedTuple

from plpython.inspection.operators import CONTROL, KNOWN
from plpython.inspection.refusal import Refusal, damaged, shown
from plpython.inspection.wire import FEW, Wire, signed

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
