"""Versions as files: whatever is written into the metadata comes back as it was, and anybody's reader finds it."""

from __future__ import annotations

import hashlib
from typing import Any

import onnx
import pytest

from modelpack.errors import RegistryError
from modelpack.exchange import embed, extract
from tests.hostile import GOLDEN, SIGNATURE, honest

ONNX = honest().SerializeToString()
FACTS: dict[str, Any] = {
    "signature": SIGNATURE,
    "golden": GOLDEN,
    "sha256": hashlib.sha256(ONNX).hexdigest(),
}


def there_and_back(**facts: Any) -> dict[str, Any]:
    """Facts as they come out of a file, which protobuf's own reader takes, too."""
    content = embed(ONNX, FACTS | facts)
    read = {
        p.key.removeprefix("modelpack."): p.value for p in onnx.ModelProto.FromString(content).metadata_props
    }
    assert read.keys() == (FACTS | facts).keys()
    found = extract(content)
    assert found.onnx == ONNX
    assert {k: found.facts[k] for k in FACTS} == FACTS
    return {k: found.facts[k] for k in facts}


# around the lengths from which a length takes another byte, of the text and of the entry that it is in
EDGES = (0, *range(100, 132), *range(16_350, 16_388), 2_097_151, 2_097_152)


def test_a_text_of_any_length_comes_back() -> None:
    for length in EDGES:
        assert there_and_back(note="x" * length) == {"note": "x" * length}, length
    for text in ("\u00fc" * 64, "\u20ac" * 5_461 + "x", "\U0001f389" * 32):  # lengths are those of the bytes
        assert there_and_back(note=text) == {"note": text}


@pytest.mark.parametrize(
    "text",
    [
        "1e3", "1000", "-0", "null", "true", "false", "NaN", "Infinity", "-Infinity", '"quoted"', "{}", '{"a": 1}', "[1, 2]",
        " 7 ", "", " ", "to take away", "{", "nul", "\n", "0x10", "9" * 64, "1e" + "7" * 62, '"', "\\u0041", '"\\u0041"',
    ],
)  # fmt: skip
def test_a_text_stays_a_text_though_it_could_be_read_as_something_else(text: str) -> None:
    found = there_and_back(note=text, model=text, created_by=text)
    assert found == {"note": text, "model": text, "created_by": text}
    assert {type(v) for v in found.values()} == {str}


def test_what_is_no_text_comes_back_as_it_was() -> None:
    facts: dict[str, Any] = {
        "version": 3,
        "metrics": {"auc": 0.75, "1e3": "1e3", "note": None},
        "lineage": {"imported": {"model": "true", "version": 1}},
        "rows": [None, True, 1.5, "null"],
        "nothing": None,
        "yes": True,
    }
    assert there_and_back(**facts) == facts


def test_a_text_that_is_not_there_is_not_the_text_null() -> None:
    written = embed(ONNX, {"note": None, "model": "churn", "metrics": None})
    read = {p.key: p.value for p in onnx.ModelProto.FromString(written).metadata_props}
    assert read == {"modelpack.model": "churn", "modelpack.metrics": "null"}


def test_a_text_is_written_without_quotes() -> None:
    """Whoever looks at a file with another tool reads the note and the name as they are."""
    written = embed(ONNX, {"note": "1e3", "model": "true", "version": 3})
    read = {p.key: p.value for p in onnx.ModelProto.FromString(written).metadata_props}
    assert read == {"modelpack.note": "1e3", "modelpack.model": "true", "modelpack.version": "3"}


def test_a_file_that_is_cut_off_in_its_metadata_is_refused_in_words() -> None:
    content = embed(ONNX, {"note": "x" * 300, **FACTS})
    for length in range(len(ONNX) + 1, len(content)):
        with pytest.raises(RegistryError, match=r"the file (is no ONNX model|was not exported)"):
            extract(content[:length])


def test_metadata_of_others_stay_in_the_model() -> None:
    model = honest()
    model.metadata_props.add(key="author", value="somebody")
    own = model.SerializeToString()
    facts = FACTS | {"sha256": hashlib.sha256(own).hexdigest()}
    assert extract(embed(own, facts)).onnx == own
