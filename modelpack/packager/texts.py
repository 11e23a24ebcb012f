"""How the cells of text inputs become the `text` tensor, in the packaging process and on the server alike.

The function here is rendered into the PL/Python functions that pack rows (`modelpack.plpython_source`), so it uses nothing but
the standard library, and its annotations name built-in types and Any alone.
"""

from __future__ import annotations

from typing import Any

SEPARATOR = "\x1f"
"""Between the words that a vectoriser's model receives: ASCII UNIT SEPARATOR, which is no part of a word."""


def pack_texts(cells: list[str | None], entries: list[dict[str, Any]]) -> list[str] | str:
    """The texts that the model receives, or the reason why it receives none.

    Args:
        cells: one row's texts, None where missing.
        entries: the signature's text inputs as JSON, in their order.
    """

    def words(text: str, how: dict[str, Any]) -> str:
        """The words or n-grams of a text, as scikit-learn's vectorisers read it, one after another."""
        import re
        import unicodedata

        if how["lowercase"]:
            text = text.lower()
        if how["strip_accents"] and not text.isascii():
            text = unicodedata.normalize("NFKD", text)
            if how["strip_accents"] == "ascii":
                text = text.encode("ascii", "ignore").decode("ascii")
            else:
                text = "".join(c for c in text if not unicodedata.combining(c))
        low, high = how["ngram_range"]
        found = []
        if how["kind"] == "word":
            tokens = re.findall(rf"\w{{{how['length']},}}", text)
            if how["stop_words"]:
                stop = set(how["stop_words"])
                tokens = [t for t in tokens if t not in stop]
            if low == high == 1:
                return "\x1f".join(tokens)
            for n in range(low, min(high, len(tokens)) + 1):
                found += [" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
            return "\x1f".join(found)
        if how["kind"] == "char":
            text = re.sub(r"\s\s+", " ", text)
            for n in range(low, min(high, len(text)) + 1):
                found += [text[i : i + n] for i in range(len(text) - n + 1)]
        else:  # char_wb: within words, a blank on either side; a word shorter than n counts once
            for token in text.split():
                word = f" {token} "
                for n in range(low, high + 1):
                    found += [word[i : i + n] for i in range(max(1, len(word) - n + 1))]
                    if n >= len(word):
                        break
        return "\x1f".join(f for f in found if "\x1f" not in f)  # no vocabulary has such a one

    packed = []
    for cell, entry in zip(cells, entries, strict=True):
        token, how = entry.get("missing_token"), entry.get("analyzer")
        if cell is None:
            if not entry["missing"] or not isinstance(token, str):
                return f"input {entry['name']} is NULL, which the model does not take"
            cell = token
        elif cell == token and not cell.isprintable():  # a printable one is meant by its signature as both
            return f"input {entry['name']} is the text that stands for a missing one, {cell!r}"
        elif how:
            if len(cell) * (how["ngram_range"][1] if how["kind"] == "word" else 4) > 1 << 20:
                return f"input {entry['name']} has more characters than can be read"
            cell = words(cell, how)
        packed.append(cell)
    return packed
