"""Why a model is refused, in words."""


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
