"""What a pickled file says of itself, without unpickling it."""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

_CHUNK = 1 << 20
_LIMIT = 1 << 30
"""Bytes that are looked through."""

_VERSION = re.compile(
    rb"_sklearn_version\n?(?:\x94|q.|r.{4}|p\d+\n)?(?:\x8c(?P<short>.)|X(?P<long>.{4})|V)(?P<text>\d[\w.+]{2,30})",
    re.DOTALL,
)
"""The name and the text after it, in any protocol: a text is an opcode with a length, or a line, and may be memoized."""


def sklearn_version(file: Path) -> str | None:
    """The scikit-learn that wrote a joblib or pickle file, as the file says; None where it does not."""
    kept = b""
    try:
        for chunk in _chunks(file):
            match = _VERSION.search(kept + chunk)
            if match is not None:
                length = int.from_bytes(match["short"] or match["long"] or b"\x1f", "little")
                return match["text"][:length].decode()
            kept = (kept + chunk)[-100:]
    except (OSError, EOFError, zlib.error, lzma.LZMAError):  # whatever it is compressed by is broken
        return None
    return None


def _chunks(file: Path) -> Iterator[bytes]:
    """The content, of what joblib compresses in decompressed."""
    with file.open("rb") as raw:
        unpack = _decompressor(raw.peek(6)[:6])
        for _ in range(_LIMIT // _CHUNK):
            chunk = raw.read(_CHUNK)
            if not chunk:
                return
            yield unpack(chunk)


def _decompressor(head: bytes) -> Callable[[bytes], bytes]:
    if head.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31).decompress
    if head.startswith(b"BZh"):
        return bz2.BZ2Decompressor().decompress
    if head.startswith((b"\xfd7zXZ", b"\x5d\x00")):
        return lzma.LZMADecompressor().decompress
    if head[:1] == b"\x78" and len(head) > 1 and int.from_bytes(head[:2], "big") % 31 == 0:
        return zlib.decompressobj().decompress
    return bytes


# a main script that was started by `python -m` has its package's name before its own
_OWN = re.compile(r"Can't get attribute '([^']+)' on <module '(?:[\w.]+\.)?__main__'")


def own_class(error: BaseException) -> str | None:
    """The class or function of a main script that unpickling did not find; None for any other error."""
    match = _OWN.search(str(error))
    return match[1] if match else None
