"""How values flow through the nodes: each is there before it is read, and no size depends on what the inputs hold."""

from plpython.inspection.graph import Graph
from plpython.inspection.messages import Node
from plpython.inspection.operators import CHOOSING, CUTTING, OF_WORDS, SIZING
from plpython.inspection.refusal import Refusal, damaged, shown


class Flow:
    """Values so far."""

    def __init__(self, graph: Graph) -> None:
        self._opsets = graph.opsets
        # values that are there; of these, values that depend on the data; of these, values whose shape does
        self.made = graph.constants.keys() | graph.takes.keys()
        self._data = set(graph.takes)
        self._loose: set[str] = set()

    def follow(self, node: Node) -> None:
        """What a node gives, after what it may take."""
        self._check_names(node)
        self._check_sizes(node)
        written = {name for name in node.writes if name}
        self.made |= written
        tied = any(name in self._data for name in node.reads)
        loose = any(name in self._loose for name in node.reads)
        if node.operator == "Tokenizer" or (node.operator != "TfIdfVectorizer" and loose):
            self._loose |= written
        if node.operator in ("Shape", "Size"):
            tied = node.reads[0] in self._loose if node.reads else False
        if tied:
            self._data |= written

    def _check_names(self, node: Node) -> None:
        if node.domain not in self._opsets:
            raise damaged(f"it names no operator set for {node.operator}")
        for name in node.reads:
            if name and name not in self.made:
                raise damaged(
                    f"the operator {node.operator} takes {shown(name)}, which no operator before it gives"
                )
        for name in node.writes:
            if name and name in self.made:
                raise damaged(f"two operators give {shown(name)}")

    def _check_sizes(self, node: Node) -> None:
        operator, reads = node.operator, node.reads
        sizes_are_data = node.domain == "" and (
            any(SIZING.get(operator, 0) >> n & 1 and name in self._data for n, name in enumerate(reads))
            or operator in CHOOSING
            or (operator in CUTTING and any(name in self._data for name in reads[1:]))
        )
        if sizes_are_data or (operator not in OF_WORDS and any(name in self._loose for name in reads)):
            raise Refusal(
                f"the operator {operator} makes a result whose size depends on the inputs' values",
                "sizes that depend on constants and the number of rows alone",
            )
