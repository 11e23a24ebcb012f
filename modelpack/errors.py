"""Every error that modelpack raises on purpose.

One base class: a caller that catches `ModelpackError` catches all of them. A message says what was
found, what was expected, and the command or statement that mends it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.util import CommandError
else:
    CommandError = getattr(sys.modules.get("alembic.util"), "CommandError", Exception)


class ModelpackError(Exception):
    """Something that modelpack refuses, in words."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class DeclarationError(ModelpackError, CommandError):
    """The declaration does not fit itself or the tables that it names."""

    # Alembic's command line prints a CommandError as a sentence, any other error of a migration with its traceback. Where it
    # runs a migration it is loaded before this is; `modelpack list` need not wait until it is.


class PackagingError(ModelpackError):
    """The model cannot be turned into a version that is worth storing."""


class ParityError(PackagingError):
    """The ONNX model does not give the estimator's own result."""


class RegistryError(ModelpackError):
    """The registry refuses the request."""


class ExtraError(ModelpackError):
    """Libraries are needed that `pip install modelpack` leaves out."""


class InstallError(ModelpackError):
    """The server or the installed schema is not what this package needs."""


def shown(given: object, most: int = 200) -> str:
    """What somebody gave, as an error may repeat it: as Python writes it, and no more than the beginning."""
    written = repr(given)
    return written if len(written) <= most else f"{written[:most]}... ({len(written)} characters)"
