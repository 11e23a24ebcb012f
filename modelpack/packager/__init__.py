"""From a model to a version that can be stored: ONNX bytes in normal form, signature, golden rows, parity."""

# ruff: noqa: E402
from modelpack.extras import need_publish

need_publish("Turning a model into a version")

from modelpack.packager.constant import dummy
from modelpack.packager.door import package
from modelpack.packager.formula.proven import formula_for
from modelpack.packager.process.child import watched
from modelpack.packager.proof.golden import Golden
from modelpack.packager.proof.parity import Parity
from modelpack.packager.signature import Input, Output, Signature
from modelpack.packager.sources.files import load_model, open_model, other_versions, read_sample
from modelpack.packager.story import Package
from modelpack.publication import Publication

__all__ = [
    "Golden",
    "Input",
    "Output",
    "Package",
    "Parity",
    "Publication",
    "Signature",
    "dummy",
    "formula_for",
    "load_model",
    "open_model",
    "other_versions",
    "package",
    "read_sample",
    "watched",
]
