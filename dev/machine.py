"""What the private server needs from the machine: a user, PostgreSQL's programs, folders, a port.

Standard library only, like `dev.cluster`.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# sockaddr_un.sun_path has 108 bytes on Linux, one of them for the closing NUL.
SOCKET_PATH_LIMIT = 107


class ClusterError(RuntimeError):
    """The private server cannot do what was asked; the message says why and what mends it."""


@dataclass(frozen=True)
class ServerUser:
    """The operating-system user that the server runs as."""

    name: str
    uid: int
    gid: int

    @classmethod
    def named(cls, name: str) -> ServerUser:
        entry = pwd.getpwnam(name)
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)

    @classmethod
    def default(cls) -> ServerUser:
        """The invoking user; for root `postgres`, else `nobody`."""
        uid = os.geteuid()
        if uid != 0:
            try:
                name = pwd.getpwuid(uid).pw_name
            except KeyError:  # containers run under numbers without a name
                name = str(uid)
            return cls(name, uid, os.getegid())
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                return cls.named(name)
        raise ClusterError(
            "PostgreSQL refuses to run as root, and this machine has neither a user `postgres` nor `nobody`; "
            "run: useradd --system postgres"
        )


def get_bindir(major: str | None = None, *, machine: bool = False) -> Path:
    """The folder of `postgres` and `initdb`: of that major, else the newest that has PL/Python.

    MODELPACK_POSTGRESQL names the folder of another server (`bin`, `lib`), which is then the only one; `machine` does not
    look at it. Raises ClusterError when there is none.
    """
    found = _installed() if machine else _chosen() or _installed()
    if major is not None:
        if int(major) in found:
            return found[int(major)]
        raise ClusterError(
            f"The data folder was made by PostgreSQL {major}, but the servers with PL/Python on this machine "
            f"are: {', '.join(map(str, sorted(found))) or 'none'}; run: make clean (the data are lost)"
        )
    if found:
        return found[max(found)]
    raise ClusterError(
        "found no PostgreSQL with PL/Python below /usr/lib/postgresql (expected lib/plpython3.so); "
        "run: dev/bootstrap, or set MODELPACK_DSN to an existing server"
    )


def _installed() -> dict[int, Path]:
    """The programs of Debian's servers that have PL/Python, by major."""
    homes = (library.parent.parent for library in Path("/usr/lib/postgresql").glob("*/lib/plpython3.so"))
    return {
        int(home.name): home / "bin"
        for home in homes
        if home.name.isdecimal() and (home / "bin" / "initdb").exists()
    }


def _chosen() -> dict[int, Path]:
    """The programs of the server that MODELPACK_POSTGRESQL names, by its major."""
    home = os.environ.get("MODELPACK_POSTGRESQL")
    if not home:
        return {}
    server = Path(home) / "bin" / "postgres"
    try:
        said = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise ClusterError(f"MODELPACK_POSTGRESQL={home}: {server} does not run ({error})") from error
    return {int(re.findall(r"\d+", said)[0]): server.parent}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll every 20 ms; False when the condition does not hold within that many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def run_as(
    user: ServerUser, command: Sequence[str], *, input: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program as that user, with nothing of the caller's environment.

    PGPORT and its like would misdirect PostgreSQL's programs; PYTHONPATH would reach PL/Python's interpreter.
    """
    other = os.geteuid() == 0 and user.uid != 0
    return subprocess.run(
        command,
        input=input or "",
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": "/"},
        cwd="/",  # the caller's folder may be closed to that user
        user=user.uid if other else None,
        group=user.gid if other else None,
        extra_groups=os.getgrouplist(user.name, user.gid) if other else None,
        umask=0o077,
    )


def socket_path_fits(folder: Path) -> bool:
    return len(os.fsencode(folder / ".s.PGSQL.65535")) <= SOCKET_PATH_LIMIT


def _first_closed(folder: Path, user: ServerUser) -> Path | None:
    """The first folder on the way to `folder`, from the root, that the user cannot enter."""
    on_the_way = [step for step in (*reversed(folder.parents), folder) if step.exists()]
    if os.geteuid() != 0:
        return next((step for step in on_the_way if not os.access(step, os.X_OK)), None)
    # Asked as that user: permission bits alone leave out ACLs and file systems with rules of their own.
    script = 'for step; do [ -x "$step" ] || { printf %s "$step"; exit; }; done'
    found = run_as(user, ["/bin/sh", "-c", script, "sh", *map(str, on_the_way)]).stdout
    return Path(found) if found else None


def require_reachable(folder: Path, user: ServerUser) -> None:
    """Raise ClusterError, in words, when the server user cannot enter `folder` or one above it."""
    closed = _first_closed(folder, user)
    if closed is None:
        return
    mode = closed.stat().st_mode & 0o7777
    raise ClusterError(
        f"The server runs as user {user.name} (PostgreSQL refuses to run as root), and {user.name} cannot "
        f"enter {closed} (mode {mode:04o}), so it cannot reach {folder}. Clone the project into a folder "
        f"that everybody can enter, such as one below /srv or /opt; or run: chmod o+x {closed}; or run make "
        f"as an ordinary user; or set MODELPACK_DSN to an existing server"
    )


def temp_folder(user: ServerUser) -> Path:
    """A temp folder that the server user can enter and whose name is short enough for a socket."""
    candidates = dict.fromkeys((Path(tempfile.gettempdir()).absolute(), Path("/tmp"), Path("/var/tmp")))
    for candidate in candidates:
        fits = socket_path_fits(candidate / f"modelpack-{user.uid}-{'0' * 12}")
        if fits and candidate.is_dir() and _first_closed(candidate, user) is None:
            return candidate
    raise ClusterError(
        f"found no temp folder that user {user.name} can enter (tried: {', '.join(map(str, candidates))}); "
        "set TMPDIR to one"
    )
