"""modelpack.examine_server: the server's Python, its wheels, and who may write the folder that it imports from."""

import os
import stat
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from plpython.libraries import importing, no_signals, put_wheels_first

SQL = """\
create or replace function modelpack.examine_server() returns table (status text, "check" text, found text, expected text, mend text)
language plpython3u volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
{body}
$modelpack$;
comment on function modelpack.examine_server() is
  'The Python that PL/Python links, its wheels and who may write their folder. One row a check.';
revoke all on function modelpack.examine_server() from public;
"""


Check = tuple[str, str, str, str, str]  # status, check, found, expected, mend


def writers(place: Path) -> Iterator[tuple[Path, str, str]]:
    """The folder and those above it that others may write: where, why, and what mends it."""
    for part in (place.resolve(), *place.resolve().parents):
        if not part.exists():
            continue
        mode = part.stat()
        if mode.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode.st_mode & stat.S_ISVTX:
            yield part, "others may write it", f"chmod go-w {part}"
        if mode.st_uid not in (0, os.geteuid()):
            yield part, f"it belongs to user id {mode.st_uid}", f"chown root {part}"


def folder_checks(folder: str, install: str) -> Iterator[Check]:
    """Whether the folder is there, and only the server's own may write it."""
    place = Path(folder)
    check = "folder of the wheels"
    protected = "only root or the user of the server may write it and the folders above"
    if not place.is_dir():
        yield "fail", check, f"the server sees no folder {folder}", "a folder", install
    loose = list(writers(place))
    for where, what, mend in loose:
        found = f"{where}: {what}, who could run code as the server"
        yield "fail", check, found, protected, f"as root: {mend}"
    if not loose and place.is_dir():
        yield "ok", check, folder, protected, ""


def foreign_wheels(folder: str, install: str) -> Iterator[Check]:
    """Wheels in the folder that were made for another Python."""
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    for path in sorted(Path(folder).glob("*.dist-info/WHEEL")):
        lines = [line for line in path.read_text().splitlines() if line.startswith("Tag:")]
        tags = {line.split(":")[1].strip() for line in lines}
        if not any(t.startswith((tag + "-", "py3-")) or "-abi3-" in t for t in tags):
            name = path.parent.name.removesuffix(".dist-info")
            yield "fail", f"wheel {name}", ", ".join(sorted(tags)), f"{tag}-...", install


def imported() -> tuple[Any, Any]:
    """numpy and onnxruntime, as a session that scores imports them."""
    with no_signals(), importing():
        import numpy
        import onnxruntime
    return numpy, onnxruntime


def origin(numpy: Any, onnxruntime: Any, folder: str | None, install: str) -> Check:
    """Which numpy and onnxruntime the session has, and whether both are those of the folder."""
    homes = [Path(m.__path__[0]) for m in (numpy, onnxruntime)]
    found = f"numpy {numpy.__version__}, onnxruntime {onnxruntime.__version__} from {homes[1].parent}"
    expected = f"both from {folder or 'the packages of the server'}"
    if folder and any(Path(folder).resolve() not in home.resolve().parents for home in homes):
        return "warn", "wheels", found, expected, install
    return "ok", "wheels", found, expected, ""


def other_makers(plpy: Any, here: str) -> Iterator[Check]:
    """Champions that were made with another onnxruntime than is here."""
    champions = plpy.execute(
        "select distinct v.model, v.version, v.libraries ->> 'onnxruntime' as made from modelpack.version as v"
        " join modelpack.alias as a using (model, version) where a.alias = 'champion' order by 1"
    )
    for row in champions:
        made = row["made"]
        if made and made.split(".")[:2] != here.split(".")[:2]:
            yield (
                "warn",
                f"onnxruntime of {row['model']} version {row['version']}",
                f"{here} here",
                f"{made}, with which it was made (its golden rows say whether that matters)",
                f"publish it again with onnxruntime {here}, or install {made}",
            )


def examine_server(plpy: Any) -> list[tuple[str, str, str, str, str]]:
    """Look at the folder and its wheels, then import them in this session."""
    version = ".".join(map(str, sys.version_info[:3]))
    found = f"{version} ({sysconfig.get_config_var('SOABI')})"
    rows: list[Check] = [("ok", "Python of the server", found, "any from 3.10", "")]
    folder = plpy.execute("select modelpack.server_wheels() as path")[0]["path"]
    install = f"on the server, as root or its own user: modelpack server-setup {folder or '/usr/local/lib/modelpack'}"
    if folder:
        rows += folder_checks(folder, install)
        rows += foreign_wheels(folder, install)
    put_wheels_first(folder)
    try:
        numpy, onnxruntime = imported()
        rows.append(origin(numpy, onnxruntime, folder, install))
        rows += other_makers(plpy, onnxruntime.__version__)
    except Exception as error:
        found = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        needed = plpy.execute("select modelpack.needs_wheels() as needed")[0]["needed"]
        expected = "numpy and onnxruntime import, which versions of the engine onnx need"
        rows.append(("fail" if needed else "warn", "wheels", found, expected, install))
    return rows
