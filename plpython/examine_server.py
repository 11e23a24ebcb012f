"""modelpack.examine_server: the server's Python, its wheels, and who may write the folder that it imports from."""

import os
import stat
import sys
import sysconfig
from pathlib import Path
from typing import Any

from plpython.libraries import find_wheels, no_signals

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


def examine_server(plpy: Any) -> list[tuple[str, str, str, str, str]]:
    """Look at the folder and its wheels, then import them in this session."""
    version = ".".join(map(str, sys.version_info[:3]))
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    rows = [
        (
            "ok",
            "Python of the server",
            f"{version} ({sysconfig.get_config_var('SOABI')})",
            "any from 3.10",
            "",
        )
    ]
    folder = plpy.execute("select modelpack.server_wheels() as path")[0]["path"]
    install = f"on the server, as root or its own user: modelpack server-setup {folder or '/usr/local/lib/modelpack'}"
    if folder:
        place, loose = Path(folder), []
        if not place.is_dir():
            rows.append(
                ("fail", "folder of the wheels", f"the server sees no folder {folder}", "a folder", install)
            )
        for part in (place.resolve(), *place.resolve().parents):
            if not part.exists():
                continue
            mode = part.stat()
            if mode.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode.st_mode & stat.S_ISVTX:
                loose.append((part, "others may write it", f"chmod go-w {part}"))
            if mode.st_uid not in (0, os.geteuid()):
                loose.append((part, f"it belongs to user id {mode.st_uid}", f"chown root {part}"))
        protected = "only root or the user of the server may write it and the folders above"
        for where, what, mend in loose:
            rows.append(
                (
                    "fail",
                    "folder of the wheels",
                    f"{where}: {what}, who could run code as the server",
                    protected,
                    f"as root: {mend}",
                )
            )
        if not loose and place.is_dir():
            rows.append(("ok", "folder of the wheels", folder, protected, ""))
        for path in sorted(place.glob("*.dist-info/WHEEL")):
            tags = {
                line.split(":")[1].strip()
                for line in path.read_text().splitlines()
                if line.startswith("Tag:")
            }
            if not any(t.startswith((tag + "-", "py3-")) or "-abi3-" in t for t in tags):
                name = path.parent.name.removesuffix(".dist-info")
                rows.append(("fail", f"wheel {name}", ", ".join(sorted(tags)), f"{tag}-...", install))
    find_wheels(folder)
    try:
        with no_signals():
            import numpy
            import onnxruntime

        found = f"numpy {numpy.__version__}, onnxruntime {onnxruntime.__version__} from {Path(onnxruntime.__path__[0]).parent}"
        misplaced = folder and any(
            Path(folder).resolve() not in Path(m.__path__[0]).resolve().parents for m in (numpy, onnxruntime)
        )
        rows.append(
            (
                "warn" if misplaced else "ok",
                "wheels",
                found,
                f"both from {folder or 'the packages of the server'}",
                install if misplaced else "",
            )
        )
        made = plpy.execute(
            "select distinct v.model, v.version, v.libraries ->> 'onnxruntime' as made from modelpack.version as v"
            " join modelpack.alias as a using (model, version) where a.alias = 'champion' order by 1"
        )
        for row in made:
            if row["made"] and row["made"].split(".")[:2] != onnxruntime.__version__.split(".")[:2]:
                rows.append(
                    (
                        "warn",
                        f"onnxruntime of {row['model']} version {row['version']}",
                        f"{onnxruntime.__version__} here",
                        f"{row['made']}, with which it was made (its golden rows say whether that matters)",
                        f"publish it again with onnxruntime {onnxruntime.__version__}, or install {row['made']}",
                    )
                )
    except Exception as error:
        rows.append(
            (
                "fail",
                "wheels",
                f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
                "numpy and onnxruntime import",
                install,
            )
        )
    return rows
