"""Protocol Buffers' wire format, read by a schema.

What the schema does not name is refused, and so are a repeated singular field and a length beyond the end: two readers
that disagree about such bytes are how checks are evaded.
"""

import re
from collections.abc import Generator, Iterator
from typing import NamedTuple

from plpython.inspection.refusal import Refusal, damaged
from plpython.inspection.schema import SCHEMA

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
