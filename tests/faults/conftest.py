"""What fault tests share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def wheel_folder() -> Iterator[Path]:
    """An empty folder that a server on this machine can read. (pytest's tmp_path is closed to it.)"""
    above = Path(tempfile.mkdtemp(prefix="modelpack-wheels-"))
    above.chmod(0o755)
    folder = above / "wheels"
    folder.mkdir()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(above)
