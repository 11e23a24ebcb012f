"""The graph of a model: what it takes, what it gives, and its constants, as the signature says."""

from typing import Any

from plpython.inspection.messages import Messages, Shape, Tensor
from plpython.inspection.refusal import Refusal, damaged, shown

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
