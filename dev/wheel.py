"""The build of the wheel: renders the PL/Python functions, so that an installed package has all of its SQL as files.

hatchling alone is there when a wheel is built, so nothing here needs the package's requirements.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def renderer(root: Path) -> ModuleType:
    """`modelpack.plpython_source` without the rest of the package."""
    spec = importlib.util.spec_from_file_location(
        "plpython_source", root / "modelpack" / "plpython_source.py"
    )
    if spec is None or spec.loader is None:
        raise FileNotFoundError(root / "modelpack" / "plpython_source.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["plpython_source"] = module
    spec.loader.exec_module(module)
    return module


class RenderedFunctions(BuildHookInterface):  # type: ignore[type-arg]
    """Puts migrations/functions/plpython/NAME.sql into the wheel."""

    folder: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":  # the checkout itself is what runs
            return
        rendered = renderer(Path(self.root))
        folder = self.folder = Path(tempfile.mkdtemp(prefix="modelpack-wheel-"))
        for name in rendered.functions():
            path = folder / f"{name}.sql"
            path.write_text(rendered.render(name))
            build_data["force_include"][str(path)] = f"modelpack/migrations/functions/plpython/{name}.sql"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        if self.folder is not None:
            shutil.rmtree(self.folder)
