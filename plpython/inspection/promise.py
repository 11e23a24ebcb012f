"""What is said of a model beside its bytes: its signature, and golden rows with their scores."""

import json
from typing import Any

from plpython.inspection.refusal import Refusal, shown

SIGNATURE_FORM = "a signature of format 1: see the comment on modelpack.version.signature"
GOLDEN_FORM = "golden rows with one score each: cells in the order of the signature, null where missing"


def promised_inputs(signature: str, golden: str) -> list[dict[str, Any]]:
    """The inputs of a signature in bounds, with golden rows that fit it."""
    if len(signature) > 1 << 20 or len(golden) > 16 << 20:
        raise Refusal(
            f"its signature and golden rows have {len(signature)} and {len(golden)} characters",
            "at most 2^20 and 2^24 characters",
        )
    declared, proof = json.loads(signature), json.loads(golden)
    if not isinstance(declared, dict) or declared.get("format") != 1:
        raise Refusal("its signature has another format", SIGNATURE_FORM)
    inputs = checked_inputs(declared.get("inputs"))
    check_output_entry(declared.get("output"))
    check_golden(proof, inputs)
    return inputs


def checked_inputs(inputs: Any) -> list[dict[str, Any]]:
    if not isinstance(inputs, list) or not 1 <= len(inputs) <= 1600:
        raise Refusal("its signature lists no inputs, or more than 1600", SIGNATURE_FORM)
    for entry in inputs:
        fits = (
            isinstance(entry, dict)
            and isinstance(entry.get("name"), str)
            and 0 < len(entry["name"].encode()) <= 63
            and entry["name"].isprintable()
            and entry.get("type") in ("number", "text")
            and isinstance(entry.get("missing"), bool)
            and isinstance(entry.get("missing_token"), (str, type(None)))
            and (
                entry.get("analyzer") is None
                or (entry["type"] == "text" and reads_in_bounds(entry["analyzer"]))
            )
            and isinstance(entry.get("categories"), (list, type(None)))
            and all(isinstance(text, str) for text in entry.get("categories") or ())
        )
        if not fits:
            raise Refusal(f"its signature has the input {shown(json.dumps(entry))}", SIGNATURE_FORM)
    if len({entry["name"] for entry in inputs}) != len(inputs):
        raise Refusal("its signature names an input twice", SIGNATURE_FORM)
    return inputs


def reads_in_bounds(how: object) -> bool:
    """Whether it says in bounds how a text becomes words: see pack_texts."""
    if not isinstance(how, dict) or how.get("kind") not in ("word", "char", "char_wb"):
        return False
    numbers = [
        how.get("length"),
        *(r if isinstance(r := how.get("ngram_range"), list) and len(r) == 2 else [0]),
    ]
    stop = how.get("stop_words")
    return (
        all(type(n) is int and 1 <= n <= 20 for n in numbers)
        and isinstance(how.get("lowercase"), bool)
        and how.get("strip_accents") in (None, "ascii", "unicode")
        and isinstance(stop, list)
        and all(isinstance(word, str) for word in stop)
    )


def check_output_entry(output: Any) -> None:
    if not isinstance(output, dict) or output.get("kind") not in ("probability", "value"):
        raise Refusal("its signature says of its output neither probability nor value", SIGNATURE_FORM)
    for key in ("name", "class"):
        told = output.get(key)
        if told is not None and not (isinstance(told, str) and len(told) <= 200 and told.isprintable()):
            raise Refusal(f"its signature has the output {shown(json.dumps(output))}", SIGNATURE_FORM)


def check_golden(proof: Any, inputs: list[dict[str, Any]]) -> None:
    if not isinstance(proof, dict) or not proof.get("rows"):
        raise Refusal(
            "it has no golden rows, so nothing shows that this server scores like the estimator", GOLDEN_FORM
        )
    rows, scores = proof["rows"], proof.get("scores")
    if not isinstance(rows, list) or not isinstance(scores, list) or len(rows) != len(scores):
        raise Refusal("it has not one score for each golden row", GOLDEN_FORM)
    if len(rows) > 1000:
        raise Refusal(f"it has {len(rows)} golden rows", "at most 1000 golden rows")
    for cells in rows:
        check_golden_row(cells, inputs)
    for score in scores:
        if score is not None and (
            isinstance(score, bool) or not isinstance(score, (int, float)) or not abs(score) < 1e308
        ):
            raise Refusal(f"a golden score is {shown(json.dumps(score))}", GOLDEN_FORM)
    if all(score is None for score in scores):
        raise Refusal("no golden row has a score, so nothing is proved by them", GOLDEN_FORM)


def check_golden_row(cells: Any, inputs: list[dict[str, Any]]) -> None:
    if not isinstance(cells, list) or len(cells) != len(inputs):
        raise Refusal(f"its golden row {shown(json.dumps(cells))} has not {len(inputs)} cells", GOLDEN_FORM)
    for cell, entry in zip(cells, inputs, strict=True):
        kinds = (int, float) if entry["type"] == "number" else (str,)
        if cell is not None and (isinstance(cell, bool) or not isinstance(cell, kinds)):
            raise Refusal(
                f"a golden row gives {shown(json.dumps(cell))} for {entry['name']} ({entry['type']})",
                GOLDEN_FORM,
            )
