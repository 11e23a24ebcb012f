"""What goes to the packaging process is pickled, and what cannot be is refused in words."""

from __future__ import annotations

import io
import pickle
import types
from typing import Any

from modelpack.errors import PackagingError

_MAIN = ("__main__", "__mp_main__")


class _Pickler(pickle.Pickler):
    """Refuses what another process could not find again: classes and functions of the main script."""

    def persistent_id(self, thing: Any) -> None:
        if isinstance(thing, type | types.FunctionType):
            nameless = "<locals>" in thing.__qualname__ or "<lambda>" in thing.__qualname__
            if thing.__module__ in _MAIN or nameless:
                raise PackagingError(_own(thing))


def _own(thing: Any) -> str:
    sort = "class" if isinstance(thing, type) else "function"
    name = "a lambda" if thing.__name__ == "<lambda>" else f"the {sort} {thing.__qualname__}"
    main = thing.__module__ in _MAIN
    where = "this notebook or script" if main else f"{thing.__module__}, inside another function"
    return (
        f"The estimator uses {name}, defined in {where}, which no other process can load, and which has no conversion to ONNX: a {sort} of your own is code, and a version is none. Where it "
        'only prepares columns, let the declaration compute them (inputs such as ratio(…) or expression("…")) and fit '
        "on those; for a function of one number use FunctionTransformer of NumPy's, such as np.log1p."
    )


def pickled(thing: Any) -> bytes:
    """The pickle of what goes to the packaging process.

    Raises:
        PackagingError: it holds a class or function of the main script, or cannot be pickled.
    """
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(thing)
    except PackagingError:
        raise
    except Exception as error:  # pickle raises whatever the object raises
        raise PackagingError(
            f"The estimator cannot be sent to the packaging process: {error}. "
            "It must be picklable: define its functions and classes in a module, not in the main script."
        ) from error
    return buffer.getvalue()
