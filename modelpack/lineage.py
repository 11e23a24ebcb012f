"""Where a version comes from: fingerprints of data, revision of the code."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


UNTIL = "known_until"
"""Where `training_set` notes in the attributes of a frame when its labels end."""


def fingerprint(frame: pd.DataFrame) -> dict[str, Any]:
    """`sha256` over column names, types and values in their order, with the numbers of rows and columns.

    The same rows in another order are other data. The index does not count.
    """
    import pandas as pd

    digest = hashlib.sha256()
    for name in frame.columns:
        digest.update(f"{name}\0{frame[name].dtype}\0".encode())
        digest.update(pd.util.hash_pandas_object(frame[name], index=False).to_numpy().tobytes())
    return {"sha256": digest.hexdigest(), "rows": len(frame), "columns": len(frame.columns)}


def known_until(frame: pd.DataFrame) -> str | None:
    """The last moment that a training set tells of: where its labels end, which `training_set` notes, or its last `at`.

    None for rows without a moment.
    """
    import pandas as pd

    found = frame.attrs.get(UNTIL)
    if found is None and "at" in frame.columns and isinstance(frame["at"].dtype, (pd.DatetimeTZDtype,)):
        found = None if frame["at"].isna().all() else frame["at"].max().isoformat()
    return found if isinstance(found, str) else None


def code_revision(folder: Path | None = None) -> dict[str, Any] | None:
    """Commit of the git checkout that a folder (default: the working directory) is in, and whether it was changed.

    None where there is no git, or no checkout.
    """

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=10,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    revision = git("rev-parse", "--verify", "HEAD")
    if not revision:
        return None
    return {"revision": revision, "changed": git("status", "--porcelain", "--untracked-files=no") != ""}


def lineage(sample: pd.DataFrame | None = None, training_data: pd.DataFrame | None = None) -> dict[str, Any]:
    """What is known: `sample`, `training_data` (fingerprints, and until when it tells of) and `code` (revision)."""
    found: dict[str, Any] = {}
    if training_data is not None:
        found["training_data"] = fingerprint(training_data)
        until = known_until(training_data)
        if until is not None:
            found["training_data"]["until"] = until
    if sample is not None:
        found["sample"] = fingerprint(sample)
    code = code_revision()
    if code is not None:
        found["code"] = code
    return found
