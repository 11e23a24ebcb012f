"""An SVG as part of a page: what draws, and nothing else of it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

_TAGS = {"svg", "g", "path", "rect", "text", "line", "circle", "clipPath", "defs", "tspan", "title"}
_SVG = "{http://www.w3.org/2000/svg}"


def cleaned(svg: str, prefix: str) -> str:
    """An SVG as part of a page: only elements that draw, no addresses, no scripts, its ids its own."""
    root = ElementTree.fromstring(svg)
    _clean(root, prefix)
    width, height = root.get("width", "0"), root.get("height", "0")
    root.attrib.clear()
    root.attrib |= {
        "viewBox": root.get("viewBox", f"0 0 {width} {height}"),
        "width": width,
        "height": height,
        "aria-hidden": "true",
    }
    ElementTree.register_namespace("", _SVG[1:-1])
    made = ElementTree.tostring(root, encoding="unicode")
    # as HTML has it, an SVG needs no name space
    return made.replace(f' xmlns="{_SVG[1:-1]}"', "", 1)


def _clean(element: ElementTree.Element, prefix: str) -> None:
    for child in list(element):
        if not isinstance(child.tag, str) or child.tag.removeprefix(_SVG) not in _TAGS:
            element.remove(child)
            continue
        _clean(child, prefix)
    for name in list(element.attrib):
        value = element.attrib[name]
        if name == "id":
            element.set("id", prefix + value)
        elif "{" in name or name.startswith(("on", "aria-", "role")) or name in ("href", "class", "style"):
            style = _kept(value) if name == "style" else ""
            del element.attrib[name]
            if style:
                element.set("style", style)
        elif "url(" in value:
            found = re.fullmatch(r"url\(['\"]?#([\w-]+)['\"]?\)", value)
            if found:
                element.set(name, f"url(#{prefix}{found[1]})")
            else:
                del element.attrib[name]
        elif value == "" or name == "pointer-events":
            del element.attrib[name]
        elif name in ("d", "transform", "x", "y", "x2", "y2", "width", "height"):
            element.set(name, re.sub(r"(\d+\.\d{2})\d+", r"\1", value))  # hundredths of a pixel


def _kept(style: str) -> str:
    return style if re.fullmatch(r"[\w\s:;.,#%-]*", style) and "url" not in style else ""
