"""A private PostgreSQL server: own data folder, own socket folder, a free port, nobody else's cluster.

As a command it keeps the server of this checkout, in `.modelpack/cluster`::

    python -m dev.cluster start | stop | dsn | status | destroy | check

`start` and `dsn` print the DSN, alone, on stdout. Tests make throw-away servers of their own::

    with Cluster.temporary(settings={"fsync": "off"}) as cluster:
        connect(cluster.dsn())

PostgreSQL refuses to run as root. Root's servers therefore run as `postgres` if the machine has that user,
else as `nobody`; anybody else's run as that person. The socket folder is open to this user alone (and
root), which is why the socket asks for no password; TCP, on localhost, does (scram-sha-256).

Only the standard library is used: it has to work before anything is installed. Exit code 2 when something
stands in the way (3 from `status` and `dsn` when the server is stopped); the message says what mends it.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from dev.machine import (
    ClusterError,
    ServerUser,
    free_port,
    get_bindir,
    port_is_free,
    require_reachable,
    run_as,
    socket_path_fits,
    temp_folder,
    wait_until,
)

CHECKOUT = Path(__file__).resolve().parent.parent

SUPERUSER = "postgres"

# Seconds for the children of a crashed postmaster to notice by themselves, and then for each signal. Only one
# that is stopped or deep in foreign code needs more than a moment.
ORPHANS_GRACE = 2.0

# For a laptop or a CI machine with few cores; everything else is PostgreSQL's default, so that a test or a
# benchmark sees what a user would see. Durability stays on for the same reason.
DEFAULT_SETTINGS: Mapping[str, str] = {
    "cluster_name": "modelpack",
    "listen_addresses": "localhost",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "maintenance_work_mem": "64MB",
    "huge_pages": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    # The log is a file that pg_ctl opens; a collector would be one more process and one more place.
    "logging_collector": "off",
}


class Cluster:
    """One private server. `folder` holds all of it: `data/`, `run/` (the socket), `server.log`.

    The folder is made by `start`. `settings` go into the server's configuration at every start, over
    DEFAULT_SETTINGS. `database` is created when missing; `dsn()` names it. `like` is the data folder of a stopped
    server: the new one begins as a copy of it, which takes a fraction of the time of initdb.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        database: str = "modelpack",
        bindir: Path | None = None,
        user: ServerUser | None = None,
        like: Path | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.settings = dict(settings or {})
        self.database = database
        self.user = user or ServerUser.default()
        self._bindir = bindir
        self._like = like

    @classmethod
    @contextlib.contextmanager
    def temporary(
        cls,
        *,
        settings: Mapping[str, str] | None = None,
        database: str = "modelpack",
        like: Path | None = None,
    ) -> Iterator[Cluster]:
        """A started throw-away server below the temp folder; gone, processes and files, at the end."""
        user = ServerUser.default()
        # Not pytest's tmp_path: that is closed to the user that root's servers run as.
        folder = Path(tempfile.mkdtemp(prefix="modelpack-", dir=temp_folder(user)))
        folder.chmod(0o755)
        cluster = cls(folder, settings=settings, database=database, user=user, like=like)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.destroy()

    # ------------------------------------------------------------ where things are

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def log_file(self) -> Path:
        return self.folder / "server.log"

    @property
    def bindir(self) -> Path:
        if self._bindir is None:
            version = self.data_dir / "PG_VERSION"
            self._bindir = get_bindir(version.read_text().strip() if version.exists() else None)
        return self._bindir

    @property
    def socket_dir(self) -> Path:
        """`run/` in the folder, or a short name in the temp folder where that path is too long."""
        inside = self.folder / "run"
        if socket_path_fits(inside):
            return inside
        lines = self._pid_file()
        if len(lines) > 4 and lines[4]:  # TMPDIR may have changed since the start
            return Path(lines[4])
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return temp_folder(self.user) / f"modelpack-{self.user.uid}-{digest}"

    # ------------------------------------------------------------ what is there

    def pid(self) -> int | None:
        """The postmaster's process id, None when it does not run.

        postmaster.pid alone proves nothing: after a crash its number may belong to any other process. Ours
        is the one that works in our data folder.
        """
        lines = self._pid_file()
        if lines and lines[0].isdecimal() and self._works_here(int(lines[0])):
            return int(lines[0])
        return None

    def is_running(self) -> bool:
        return self.pid() is not None

    def port(self) -> int | None:
        """The port of the running server, or the one that it had; None before the first start."""
        lines = self._pid_file()
        if len(lines) > 3 and lines[3].isdecimal():
            return int(lines[3])
        with contextlib.suppress(FileNotFoundError):
            found = re.search(r"^port = '(\d+)'$", self._configuration.read_text(), re.MULTILINE)
            return int(found[1]) if found else None
        return None

    def processes(self) -> list[int]:
        """Every process of this server, the postmaster's children included, also orphaned ones."""
        numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
        return sorted(number for number in numbers if self._works_here(number))

    def dsn(self, database: str | None = None) -> str:
        """A libpq URL for the superuser, over the socket."""
        port = self.port()
        if port is None:
            raise ClusterError(f"The server below {self.folder} has never been started; run: make up")
        host = quote(str(self.socket_dir), safe="/")
        name = quote(self.database if database is None else database, safe="")
        return f"postgresql://{SUPERUSER}@/{name}?host={host}&port={port}"

    # ------------------------------------------------------------ start and stop

    def start(self, *, timeout: float = 60.0) -> str:
        """Start the server, making it first where there is none, and return its DSN.

        A running server is left as it is. Raises ClusterError when the server user cannot reach the folder,
        or when the server does not come up within `timeout` seconds.
        """
        with self._locked():
            self._refuse_foreign_data()
            if not self.is_running():
                self._clear_after_crash()
                self._make_data_dir()
                self._make_socket_dir()
                self._launch(timeout)
            elif not wait_until(self._is_ready, timeout):
                raise ClusterError(
                    f"The server runs but is not ready after {timeout:g} s; read {self.log_file}"
                )
            self._make_database()
        return self.dsn()

    def stop(self, *, mode: str = "fast", timeout: float = 60.0) -> None:
        """Stop the server; a stopped one is left as it is. `mode`: smart, fast or immediate."""
        if not self.folder.exists():
            return
        with self._locked():
            self._stop(mode, timeout)

    def restart(self, *, mode: str = "fast") -> str:
        """Stop and start; port and socket stay the same, changed `settings` take effect."""
        self.stop(mode=mode)
        return self.start()

    def kill(self) -> None:
        """SIGKILL to the postmaster, as in a crash. Its children find out and end by themselves."""
        pid = self.pid()
        if pid is None:
            raise ClusterError(f"The server below {self.folder} does not run: there is nothing to kill")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self._works_here(pid), 10)

    def destroy(self) -> None:
        """Stop the server and remove the folder with all its data."""
        if not self.folder.exists():
            return
        with self._locked():
            if self.data_dir.exists():
                self._stop("immediate", 60)
                self._end_orphans()
            if self.socket_dir.parent != self.folder and self._owned_socket_dir():
                shutil.rmtree(self.socket_dir)
            try:
                shutil.rmtree(self.folder)
            except PermissionError as error:
                raise ClusterError(
                    f"cannot remove {error.filename}: it belongs to another user; remove it as root"
                ) from error

    # ------------------------------------------------------------ the steps

    def _stop(self, mode: str, timeout: float) -> None:
        pid = self.pid()
        if pid is None:
            return
        self._run([*self._pg_ctl, "stop", "-m", mode, "-w", "-t", str(int(timeout))], check=False)
        if not wait_until(lambda: not self._works_here(pid), 2):
            raise ClusterError(
                f"The server (pid {pid}) still runs after {timeout:g} s (mode {mode}); read {self.log_file}"
            )

    def _refuse_foreign_data(self) -> None:
        if not self.data_dir.exists():
            return
        owner = self.data_dir.stat().st_uid
        if owner != self.user.uid:
            raise ClusterError(
                f"The data folder {self.data_dir} belongs to user id {owner}, but the server would run as "
                f"{self.user.name} (user id {self.user.uid}); run make as the user who made it, or remove "
                f"{self.folder} as root"
            )

    def _clear_after_crash(self) -> None:
        """Remove the lock files of a postmaster that is gone, once its children are gone too.

        PostgreSQL removes them itself, unless their process id has been given to another process of the same
        user. Orphaned backends still write to shared memory: they have to end first, always.
        """
        if not self._pid_file():
            return
        if not wait_until(lambda: not self.processes(), ORPHANS_GRACE):
            self._end_orphans()
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)
        if self._owned_socket_dir():
            for leftover in self.socket_dir.glob(".s.PGSQL.*"):
                leftover.unlink(missing_ok=True)

    def _end_orphans(self) -> None:
        for number in (signal.SIGQUIT, signal.SIGKILL):
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if wait_until(lambda: not self.processes(), ORPHANS_GRACE):
                return
        raise ClusterError(f"processes of a crashed server do not end: {self.processes()}")

    def _make_data_dir(self) -> None:
        if (self.data_dir / "PG_VERSION").exists():
            return
        require_reachable(self.folder, self.user)
        # Made aside and renamed: an interrupted initdb leaves nothing that looks like a server.
        partial = self.folder / "data.partial"
        if partial.exists():
            shutil.rmtree(partial)
        self._make_private(partial)
        if self._like is None:
            self._initialise(partial)
        else:
            self._run(["cp", "-R", f"{self._like}/.", str(partial)])
        partial.rename(self.data_dir)

    def _initialise(self, folder: Path) -> None:
        self._run(
            [
                str(self.bindir / "initdb"),
                f"--pgdata={folder}",
                f"--username={SUPERUSER}",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--auth-local=trust",
                "--auth-host=scram-sha-256",
            ]
        )
        with (folder / "postgresql.conf").open("a") as configuration:
            configuration.write("\n# Written at every start, from the settings that it was started with.\n")
            configuration.write(f"include = '../{self._configuration.name}'\n")

    def _make_socket_dir(self) -> None:
        if self._owned_socket_dir():
            return
        try:
            self._make_private(self.socket_dir)
        except FileExistsError as error:
            # Whoever owns this folder could pass off another server as ours.
            raise ClusterError(
                f"{self.socket_dir} exists, but is not a folder of {self.user.name} with mode 0700, as the "
                "socket needs; remove it, or set TMPDIR to another folder"
            ) from error

    def _owned_socket_dir(self) -> bool:
        try:
            found = self.socket_dir.lstat()
        except FileNotFoundError:
            return False
        return found.st_uid == self.user.uid and found.st_mode == 0o40700

    def _launch(self, timeout: float) -> None:
        require_reachable(self.data_dir, self.user)
        port = self.port()
        # The port is kept, so that a DSN outlives a restart. Another program may take it in between.
        for _ in range(5):
            if port is None or not port_is_free(port):
                port = free_port()
            self._write_settings(port)
            with contextlib.suppress(FileNotFoundError):
                self.log_file.replace(self.log_file.with_suffix(".log.old"))
            self._make_log_file()
            started = self._run(
                [*self._pg_ctl, "start", "-s", "-w", "-t", str(int(timeout)), "-l", str(self.log_file)],
                check=False,
            )
            if started.returncode == 0:
                return
            if "Address already in use" not in self.log_file.read_text(errors="replace"):
                break
            port = None
        tail = "\n".join(self.log_file.read_text(errors="replace").splitlines()[-15:])
        raise ClusterError(
            f"PostgreSQL does not start (found: {started.stderr.strip() or 'no message'}); the end of "
            f"{self.log_file}:\n{tail}"
        )

    def _write_settings(self, port: int) -> None:
        settings = {
            **DEFAULT_SETTINGS,
            **self.settings,
            "port": str(port),
            "unix_socket_directories": str(self.socket_dir),
        }
        quoted = ((name, value.replace("'", "''")) for name, value in settings.items())
        self._configuration.write_text("".join(f"{name} = '{value}'\n" for name, value in quoted))
        self._configuration.chmod(0o644)

    def _make_database(self) -> None:
        # psql's own quoting: the name goes in as a variable, never into the text.
        script = (
            "select format('create database %I', :'name')\n"
            "where not exists (select from pg_database where datname = :'name') \\gexec\n"
        )
        connection = ["-h", str(self.socket_dir), "-p", str(self.port()), "-U", SUPERUSER, "-d", "postgres"]
        flags = ["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-v", f"name={self.database}"]
        self._run([str(self.bindir / "psql"), *flags, *connection], input=script)

    def _is_ready(self) -> bool:
        lines = self._pid_file()
        return len(lines) > 7 and lines[7].strip() == "ready"

    # ------------------------------------------------------------ small things

    @property
    def _configuration(self) -> Path:
        # Beside the data folder: whoever runs code in the server can swap any file inside it, and root writes
        # this one.
        return self.folder / "modelpack.conf"

    @property
    def _pg_ctl(self) -> list[str]:
        return [str(self.bindir / "pg_ctl"), "-D", str(self.data_dir)]

    def _pid_file(self) -> list[str]:
        try:
            return (self.data_dir / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []
        except PermissionError as error:
            raise ClusterError(
                f"cannot read {error.filename}: the server below {self.folder} belongs to another user; "
                "run make as the user who started it"
            ) from error

    def _works_here(self, pid: int) -> bool:
        # A postmaster and its children work in the data folder. Compared by inode: the checkout may have
        # been renamed since. A process that has ended, or is not ours to look at, has no such link.
        try:
            place = Path(f"/proc/{pid}/cwd").stat()
            here = self.data_dir.stat()
            program = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            return False
        return (place.st_dev, place.st_ino) == (here.st_dev, here.st_ino) and program == "postgres"

    def _make_private(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        folder.chmod(0o700)
        self._give(folder)

    def _make_log_file(self) -> None:
        self.log_file.touch(mode=0o600)
        self._give(self.log_file)

    def _give(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, self.user.uid, self.user.gid, follow_symlinks=False)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Two commands at once: the second waits, then finds the server as the first one left it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError as error:
            raise ClusterError(
                f"cannot write to {error.filename}: it belongs to another user; "
                "run make as the user who made it"
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _run(
        self, command: Sequence[str], *, input: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        done = run_as(self.user, command, input=input)
        if check and done.returncode != 0:
            raise ClusterError(f"{' '.join(command)} failed as user {self.user.name}: {done.stderr.strip()}")
        return done


def checkout_cluster(settings: Mapping[str, str] | None = None) -> Cluster:
    """The server of this checkout."""
    return Cluster(CHECKOUT / ".modelpack" / "cluster", settings=settings)


def _setting(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"expected name=value, found {text!r}")
    return name, value


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m dev.cluster", description="The private PostgreSQL server."
    )
    parser.add_argument("command", choices=["start", "stop", "dsn", "status", "destroy", "check"])
    parser.add_argument("--folder", type=Path, help="another folder than .modelpack/cluster of this checkout")
    parser.add_argument(
        "--set", type=_setting, action="append", default=[], metavar="NAME=VALUE", help="a setting for start"
    )
    options = parser.parse_args(arguments)
    try:
        cluster = checkout_cluster(dict(options.set))
        if options.folder is not None:
            cluster = Cluster(options.folder, settings=dict(options.set))
        return _obey(cluster, options.command)
    except ClusterError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 2


def _obey(cluster: Cluster, command: str) -> int:
    if command == "start":
        print(cluster.start())
    elif command == "stop":
        cluster.stop()
    elif command == "check":
        require_reachable(cluster.folder, cluster.user)
    elif command == "destroy":
        cluster.destroy()
    elif not cluster.is_running():
        print(f"cluster: the server below {cluster.folder} is stopped; run: make up", file=sys.stderr)
        return 3
    elif command == "dsn":
        print(cluster.dsn())
    else:
        print(
            f"running as {cluster.user.name}, pid {cluster.pid()}, data {cluster.data_dir}\n{cluster.dsn()}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
