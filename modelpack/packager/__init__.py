"""From a fitted estimator to a version that can be stored: ONNX bytes in normal form, signature, golden rows,
parity."""

from modelpack.packager.constant import dummy
from modelpack.packager.onnx_file import make_package, package_onnx
from modelpack.packager.packing import Package, package
from modelpack.packager.process.child import watched
from modelpack.packager.proof.golden import Golden
from modelpack.packager.proof.parity import Parity
from modelpack.packager.signature import Input, Output, Signature
from modelpack.packager.sources.files import load_model, open_model, other_versions, read_sample

__all__ = [
    "Golden",
    "Input",
    "Output",
    "Package",
    "Parity",
    "Signature",
    "dummy",
    "load_model",
    "make_package",
    "open_model",
    "other_versions",
    "package",
    "package_onnx",
    "read_sample",
    "watched",
]
