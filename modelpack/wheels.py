"""The server-side wheels: where the server's Python imports numpy and onnxruntime from, and whether it can."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from modelpack.compile.sql import literal
from modelpack.errors import InstallError

# Runs in the server, in one session; what it raises is the answer. Signals stay with the backend.
_PROBE = """do language plpython3u $modelpack$
import glob, os, signal, sys
folder = {folder}
found = "%d.%d" % sys.version_info[:2]
if folder and not os.path.isdir(folder):
    plpy.error("missing", detail=found)
if folder and folder not in sys.path:
    sys.path.insert(0, folder)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
before = signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
try:
    import numpy, onnxruntime
except BaseException as error:
    tags = set()
    for path in glob.glob(os.path.join(folder or "", "*.dist-info", "WHEEL")) if folder else []:
        with open(path) as lines:
            tags |= {{line.split(":")[1].strip() for line in lines if line.startswith("Tag:")}}
    plpy.error("imports", detail=found, hint="%s|%s" % (", ".join(sorted(t.split("-")[0] for t in tags)), " ".join(str(error).split())[:200]))
finally:
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
$modelpack$"""

_VERSION = """do language plpython3u $modelpack$
import sys
plpy.error("version", detail="%d.%d" % sys.version_info[:2])
$modelpack$"""


def server_wheels_sql(folder: Path) -> str:
    """The statement that fixes the folder in the body of `modelpack.server_wheels()`; nothing without the schema."""
    if not folder.is_absolute():
        raise InstallError(f"{folder} is relative; the server needs the absolute path of its wheels")
    statement = (
        "create or replace function modelpack.server_wheels() returns text\n"
        "language sql immutable security invoker parallel safe\nset search_path = pg_catalog, pg_temp\n"
        f"as {literal(f' select {literal(str(folder))}::text ')}"
    )
    return (
        "do $wheels$\nbegin\n  if to_regprocedure('modelpack.server_wheels()') is not null then\n"
        f"    execute {literal(statement)};\n  end if;\nend\n$wheels$"
    )


def server_wheels(connection: Connection) -> Path | None:
    """The folder that is fixed in the database; None where the server's Python finds the wheels by itself."""
    found = connection.execute(text("select modelpack.server_wheels()")).scalar()
    return Path(found) if found else None


def set_server_wheels(connection: Connection, folder: Path) -> bool:
    """Fix the folder of the server-side wheels. False where it is this one already."""
    if server_wheels(connection) == folder:
        return False
    connection.exec_driver_sql(server_wheels_sql(folder), execution_options={"no_parameters": True})
    return True


def check_wheels(connection: Connection) -> None:
    """Raise InstallError, in words, where the server's Python cannot import numpy and onnxruntime.

    Needs a superuser and PL/Python. Imports them in this session of the server.
    """
    folder = server_wheels(connection)
    place = str(folder) if folder else None
    nested = connection.begin_nested()
    try:
        connection.exec_driver_sql(
            _PROBE.format(folder=repr(place)), execution_options={"no_parameters": True}
        )
        nested.commit()
    except DBAPIError as error:
        nested.rollback()
        diagnostics = getattr(error.orig, "diag", None)
        message = (getattr(diagnostics, "message_primary", None) or "").removeprefix("plpy.Error: ")
        if message not in ("missing", "imports"):
            raise
        python = diagnostics.message_detail if diagnostics else "3"
        target = place or "/usr/local/lib/modelpack"
        mend = f"on the server, as root or its own user: modelpack server-setup {target}"
        if message == "missing":
            raise InstallError(
                f"the server sees no folder {place} (its own disk, readable by its user), expected one with numpy and "
                f"onnxruntime for Python {python}; {mend}"
            ) from error
        tags, _, reason = (diagnostics.message_hint if diagnostics else "|").partition("|")
        expected = f"cp{python.replace('.', '')}"
        has = f" (wheels for {tags}, expected {expected})" if tags and expected not in tags else ""
        raise InstallError(
            f"the server's Python {python} cannot import numpy and onnxruntime from "
            f"{place or 'its own packages'}{has}: {reason}; {mend}"
        ) from error


def server_python(connection: Connection) -> str:
    """The version of the Python that PL/Python links, such as `3.11`. Needs a superuser and PL/Python."""
    nested = connection.begin_nested()
    try:
        connection.exec_driver_sql(_VERSION, execution_options={"no_parameters": True})
    except DBAPIError as error:
        detail = getattr(getattr(error.orig, "diag", None), "message_detail", None)
        if not detail:
            raise
        return str(detail)
    finally:
        nested.rollback()
    raise AssertionError("unreachable: the block always raises")


def place_wheels(folder: Path, python: str) -> None:
    """Put the two wheels, as this release pins them, for that version of Python into a folder of this machine.

    Whole or not at all: an older folder stays until the new one is complete. Nobody but the caller may write
    it. Raises InstallError where pip cannot, or where the folder has something else.
    """
    if not folder.is_absolute():
        raise InstallError(f"{folder} is relative; the server needs the absolute path of its wheels")
    if folder.exists() and any(folder.iterdir()) and not (folder / "onnxruntime").is_dir():
        raise InstallError(
            f"{folder} has other files and no onnxruntime, expected no such folder, an empty one, or one of server-setup's;"
            " name another folder"
        )
    folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        done = subprocess.run(
            [
                *(
                    sys.executable,
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--no-deps",
                ),
                *("--only-binary", ":all:", "--python-version", python, "--target", str(fresh / "wheels")),
                *pins(),
            ],
            capture_output=True,
            text=True,
            check=False,
            umask=0o022,
        )
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or [done.stderr]
            raise InstallError(
                f"pip cannot get the wheels for Python {python}: {' '.join(said[-1].split())[:500]}; expected numpy and"
                " onnxruntime from pip's index, or from the folder that PIP_FIND_LINKS names"
            )
        if folder.exists():
            folder.rename(fresh / "before")
        (fresh / "wheels").rename(folder)
    finally:
        shutil.rmtree(fresh)


def pins() -> list[str]:
    """What the server's Python gets, as pip takes it: exact, whatever is installed where models are published."""
    package = Path(__file__).resolve().parent
    inside = package / "server-requirements.txt"  # in a wheel; in a checkout it is beside the package
    file = inside if inside.is_file() else package.parent / "dev" / "server-requirements.txt"
    return [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
