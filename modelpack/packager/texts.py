"""How the cells of text inputs become the `text` tensor, in the packaging process and on the server alike.

The functions here are rendered into the PL/Python functions that pack rows (`modelpack.snapshots`), so they use nothing
but the standard library, and their annotations name built-in types alone.
"""

from __future__ import annotations


def pack_texts(cells: list[str | None], entries: list[dict[str, object]]) -> list[str] | str:
    """The texts that the model receives, or the reason why it receives none.

    Args:
        cells: one row's texts, None where missing.
        entries: the signature's text inputs as JSON, in their order.
    """
    packed = []
    for cell, entry in zip(cells, entries, strict=True):
        token = entry.get("missing_token")
        if cell is None:
            if not entry["missing"] or not isinstance(token, str):
                return f"input {entry['name']} is NULL, which the model does not take"
            cell = token
        elif cell == token and not cell.isprintable():  # a printable one is meant by its signature as both
            return f"input {entry['name']} is the text that stands for a missing one, {cell!r}"
        packed.append(cell)
    return packed
