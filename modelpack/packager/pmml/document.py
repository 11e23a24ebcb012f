"""The elements of a PMML file. XML is anybody's: no DTD, no entities of its own, and bounds for size, depth and number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn
from xml.parsers import expat

from modelpack.errors import PackagingError

MOST_BYTES = 128 << 20
MOST_ELEMENTS = 2_000_000
DEEPEST = 120

VERSIONS = ("4.1", "4.2", "4.3", "4.4")

_IGNORED = frozenset(
    {"Extension", "ModelStats", "ModelExplanation", "ModelVerification", "Annotation", "Timestamp"}
)
"""What says nothing about the score."""


@dataclass(frozen=True)
class Pmml:
    """A PMML file as it is: what `open_model` finds, and the packager is given."""

    content: bytes


@dataclass(eq=False)
class Element:
    """One element, without its namespace."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def all(self, *tags: str) -> list[Element]:
        return [child for child in self.children if child.tag in tags]

    def maybe(self, *tags: str) -> Element | None:
        return next((child for child in self.children if child.tag in tags), None)

    def one(self, *tags: str) -> Element:
        found = self.all(*tags)
        if len(found) != 1:
            self.refuse(f"holds {len(found)} of {_listed(tags)}", "one of them")
        return found[0]

    def get(self, name: str, otherwise: str | None = None) -> str | None:
        return self.attributes.get(name, otherwise)

    def need(self, name: str) -> str:
        if name not in self.attributes:
            self.refuse(f"has no attribute {name}", f"{name}=…")
        return self.attributes[name]

    def number(self, name: str, otherwise: float | None = None) -> float:
        """A finite number of an attribute."""
        if name not in self.attributes and otherwise is not None:
            return otherwise
        return self.parsed(self.need(name), name)

    def parsed(self, text: str, what: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            self.refuse(f"has {what}={text[:60]!r}", "a finite number")
        return found

    def choice(self, name: str, otherwise: str, *known: str) -> str:
        """The value of an attribute, which must be one of those that are read."""
        found = self.attributes.get(name, otherwise)
        if found not in known:
            self.refuse(f"has {name}={found[:60]!r}", _listed(known))
        return found

    def holds(self, *tags: str) -> None:
        """Refuse any other child."""
        for child in self.children:
            if child.tag not in tags:
                child.refuse(
                    f"is inside of <{self.tag}>", f"{_listed(tags)} there" if tags else "nothing there"
                )

    def has(self, *names: str) -> None:
        """Refuse any other attribute: it may change the score."""
        for name in self.attributes:
            if name not in names and name != "x-mathContext":
                self.refuse(f"has the attribute {name}", _listed(names))

    def refuse(self, found: str, expected: str, advice: str = "") -> NoReturn:
        """Raise PackagingError that names this element."""
        raise PackagingError(
            f"<{self.tag}> in line {self.line} of the PMML file {found}; expected: {expected}. {advice or ADVICE}"
        )

    def walk(self) -> Iterator[Element]:
        todo = [self]
        while todo:
            element = todo.pop()
            yield element
            todo += reversed(element.children)


ADVICE = "docs/pmml.md lists what is read. Export the model without it, or publish the fitted estimator itself, or an .onnx file of it."


def _listed(names: Any) -> str:
    return ", ".join(names)


class _Enough(Exception):
    """The part that was asked for has been read."""


class _Reader:
    def __init__(self, until: str | None) -> None:
        self._until = until
        self._open: list[Element] = []
        self._texts: list[
            list[str]
        ] = []  # of the open elements, in pieces: a text may come in millions of them
        self._skipped = 0
        self._count = 0
        self.root: Element | None = None
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self.parser.StartDoctypeDeclHandler = self._no_doctype
        self.parser.EntityDeclHandler = self._no_doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _no_doctype(self, *_: Any) -> None:
        raise PackagingError(
            f"The PMML file has a document type or an entity (DOCTYPE, line {self.parser.CurrentLineNumber}), which may read "
            "other files or grow without end; expected: elements alone. Remove it."
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition(" ")[2]
        self._count += 1
        line = self.parser.CurrentLineNumber
        if self._count > MOST_ELEMENTS:
            raise PackagingError(
                f"The PMML file has more than {MOST_ELEMENTS:,} elements; expected: a smaller model. Fit fewer or smaller trees."
            )
        if len(self._open) + self._skipped >= DEEPEST:
            raise PackagingError(
                f"The PMML file has elements in more than {DEEPEST} levels (line {line}); expected: fewer. Fit less deep trees."
            )
        if self._skipped or tag in _IGNORED:
            self._skipped += 1
            return
        given = {key.rpartition(" ")[2]: value for key, value in attributes.items() if " " not in key}
        element = Element(tag, given, line)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def _end(self, _: str) -> None:
        if self._skipped:
            self._skipped -= 1
            return
        element = self._open.pop()
        element.text = "".join(self._texts.pop())
        if element.tag == self._until:
            raise _Enough

    def _text(self, data: str) -> None:
        if not self._skipped and self._open:
            self._texts[-1].append(data)


def parse(content: bytes, *, until: str | None = None) -> Element:
    """The element <PMML>.

    Args:
        until: nothing behind the first element of this name is read.

    Raises:
        PackagingError: no XML, no PMML of a version that is read, a DTD, or too much of it.
    """
    if len(content) > MOST_BYTES:
        raise PackagingError(
            f"The PMML file has {len(content):,} bytes; expected: at most {MOST_BYTES:,}. Fit fewer or smaller trees."
        )
    reader = _Reader(until)
    try:
        reader.parser.Parse(content, True)
    except _Enough:
        pass
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise PackagingError(
            f"The file is no PMML: it cannot be read as XML ({error}); expected: a file that begins with <PMML version=…>."
        ) from error
    root = reader.root
    if root is None or root.tag != "PMML":
        found = "nothing" if root is None else f"<{root.tag}>"
        raise PackagingError(f"The file is no PMML: it holds {found[:80]}; expected: <PMML version=…>.")
    version = root.get("version") or "none"
    if ".".join(version.split(".")[:2]) not in VERSIONS:
        root.refuse(f"has version={version[:20]!r}", _listed(VERSIONS), "Export the model as PMML 4.4.")
    return root


def origin_of(pmml: Pmml) -> dict[str, str]:
    """What the header says about who wrote the file: application and versions."""
    root = parse(pmml.content, until="DataDictionary")
    header = root.maybe("Header")
    application = None if header is None else header.maybe("Application")
    found = {"pmml_version": root.get("version")}
    if application is not None:
        found |= {"application": application.get("name"), "application_version": application.get("version")}
    return {name: value[:200] for name, value in found.items() if value}


def text_fields(pmml: Pmml) -> list[str]:
    """The data fields that are texts."""
    dictionary = parse(pmml.content, until="DataDictionary").maybe("DataDictionary")
    fields = [] if dictionary is None else dictionary.all("DataField")
    return [f.need("name") for f in fields if f.get("dataType") == "string"]
