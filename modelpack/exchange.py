"""Versions as files: an .onnx file that carries signature, golden rows and the rest in its metadata.

Any runtime opens such a file. The metadata are appended to the stored bytes as fields of their own
(`ModelProto.metadata_props`, field 14), so taking them off gives the stored bytes back, bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from modelpack.errors import RegistryError, shown

_PREFIX = "modelpack."
_METADATA = 14 << 3 | 2
"""Tag of `ModelProto.metadata_props` in Protocol Buffers' wire format."""


_TEXTS = frozenset(
    (
        "model",
        "note",
        "created_at",
        "created_by",
        "sha256",
        "approved_by",
        "retired_at",
        "checked_at",
        "onnxruntime",
        "engine",
    )
)
"""Facts that are text: a note "1" or "null" is one, too, and is not read as JSON."""
_OBJECTS = ("signature", "golden", "parity", "metrics", "libraries", "lineage", "reference", "formula")


@dataclass(frozen=True)
class Exported:
    """What an exported file holds: the stored bytes, and what the registry knew."""

    onnx: bytes
    facts: Mapping[str, Any]


def embed(onnx: bytes, facts: Mapping[str, Any]) -> bytes:
    """The bytes with facts appended as metadata: texts as they are, all else as JSON; a text that there is not is left out."""
    made = bytearray(onnx)
    for key, value in facts.items():
        if value is None and key in _TEXTS:
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
        entry = b"".join(
            bytes([field << 3 | 2]) + _varint(len(raw)) + raw
            for field, raw in ((1, f"{_PREFIX}{key}".encode()), (2, text.encode()))
        )
        made += _varint(_METADATA) + _varint(len(entry)) + entry
    return bytes(made)


def extract(content: bytes) -> Exported:
    """The inverse of `embed`.

    Raises:
        RegistryError: the bytes are no ONNX, carry no signature and golden rows, or are not those that were
            exported.
    """
    onnx, facts = bytearray(), {}
    try:
        for tag, begin, start, end in _fields(content):
            key, value = _pair(content[start:end]) if tag == _METADATA else ("", "")
            if key.startswith(_PREFIX):
                name = key.removeprefix(_PREFIX)
                facts[name] = value if name in _TEXTS else _value(value)
            else:
                onnx += content[begin:end]
    except (IndexError, ValueError) as error:
        raise RegistryError(f"the file is no ONNX model: {error or 'it is cut off'}") from error
    absent = [k for k in ("signature", "golden", "sha256") if k not in facts]
    if absent:
        raise RegistryError(
            f"the file was not exported by modelpack: it has no {' and no '.join(_PREFIX + k for k in absent)} in its "
            "metadata; expected a file that `modelpack export` wrote"
        )
    for name in _OBJECTS:
        if not isinstance(facts.get(name), (dict, type(None))):
            raise RegistryError(
                f"the file says in its metadata that {_PREFIX}{name} is {shown(facts[name])}, expected a JSON object; export it again"
            )
    found = hashlib.sha256(onnx).hexdigest()
    if found != facts["sha256"]:
        raise RegistryError(
            f"the file was changed after its export: the model has the SHA-256 {found}, expected {shown(facts['sha256'])[1:-1]}; "
            "export it again"
        )
    return Exported(bytes(onnx), facts)


def read(path: str | Path) -> Exported:
    """What an exported file holds. Raises RegistryError where it is not one."""
    try:
        return extract(Path(path).read_bytes())
    except (OSError, ValueError) as error:  # ValueError: no file has such a name
        raise RegistryError(
            f"{shown(str(path))[1:-1]} cannot be read: {getattr(error, 'strerror', error)}"
        ) from error


def need_folder(file: Path) -> None:
    """Raise RegistryError where there is no folder to write a file to."""
    if not file.parent.is_dir():
        raise RegistryError(
            f"there is no folder {file.parent} to write {file.name} to; mkdir -p {file.parent}"
        )


def write(file: Path, content: bytes) -> None:
    """Write a whole file or none."""
    try:
        with NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False) as handle:
            try:
                handle.write(content)
                os.fchmod(handle.fileno(), 0o644)
                handle.close()
                Path(handle.name).replace(file)
            except BaseException:
                Path(handle.name).unlink(missing_ok=True)
                raise
    except (OSError, ValueError) as error:
        raise RegistryError(
            f"{shown(str(file))[1:-1]} cannot be written: {getattr(error, 'strerror', error)}; choose another path with -o"
        ) from error


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


def _read_varint(content: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
        if shift > 63:
            raise ValueError(f"a number at byte {place} is too long")


def _fields(content: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Tag, begin, and begin and end of the payload of each field at the top level."""
    place = 0
    while place < len(content):
        begin = place
        tag, place = _read_varint(content, place)
        wire, start = tag & 7, place
        if wire == 0:
            _, place = _read_varint(content, place)
        elif wire == 2:
            length, start = _read_varint(content, place)
            place = start + length
        elif wire in (1, 5):
            place += 8 if wire == 1 else 4
        else:
            raise ValueError(f"byte {begin} begins no field")
        if place > len(content):
            raise ValueError("it is cut off")
        yield tag, begin, start, place


def _pair(entry: bytes) -> tuple[str, str]:
    found = {tag >> 3: entry[start:end] for tag, _, start, end in _fields(entry)}
    return found.get(1, b"").decode(errors="replace"), found.get(2, b"").decode(errors="replace")
