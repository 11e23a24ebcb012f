"""What `pip install modelpack` leaves out, and the sentence for who needs it.

The light package installs, applies, promotes and looks after; turning a model into a version, training sets and the demo
take the libraries of `modelpack[publish]`. No room imports one of those when it is imported itself, but the packager, the
demo and what is imported inside of a function; each of them asks here first.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from modelpack.errors import ExtraError

PUBLISH = {
    "numpy": "numpy",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "sklearn": "scikit-learn",
    "skl2onnx": "skl2onnx",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
}
"""Modules of the extra `publish`, and the distributions that they come from."""


def need_publish(what: str) -> None:
    """Raise ExtraError, which says what to install, unless the libraries of `modelpack[publish]` are here.

    `what` needs them, for example "Publishing a model".
    """
    need(what, PUBLISH, "publish")


def need(what: str, libraries: Mapping[str, str], extra: str) -> None:
    """Raise ExtraError unless these modules, of an extra, are here. `what` needs them."""
    missing = [name for module, name in libraries.items() if find_spec(module) is None]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise ExtraError(
            f"{what} needs {', '.join(missing)}, which {are} not installed here; run: pip install 'modelpack[{extra}]'"
        )
