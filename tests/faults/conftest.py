"""What fault tests share."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.cluster import Cluster
from modelpack.connection import make_engine
from modelpack.install import install
from tests.faults.hostile import connect


def program(name: str) -> str:
    """Where an operating-system program of dev/apt-packages-tests.txt is; without it the test is left out, but not in CI."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        missing = f"{name} is not installed: run dev/bootstrap --tests"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    return found


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


@pytest.fixture(scope="session")
def linked_wheels(server_wheels: Path | None) -> Iterator[Path]:
    """A folder that is a link to the real wheels: to be taken away and put back."""
    if server_wheels is None:
        pytest.skip("the server's Python finds its wheels by itself: there is no folder to take away")
    above = Path(tempfile.mkdtemp(prefix="modelpack-wheels-"))
    above.chmod(0o755)
    link = above / "wheels"
    link.symlink_to(server_wheels.resolve())
    yield link
    shutil.rmtree(above)


@pytest.fixture(scope="session")
def private(linked_wheels: Path) -> Iterator[Cluster]:
    """A server of the process's own, to be killed and starved, with modelpack in a database `template`.

    Each test leaves it running, and as it was: to make one takes seconds.
    """
    settings = {
        "fsync": "off",
        "max_connections": "60",
        "restart_after_crash": "on",
        "wal_level": "logical",
        "max_prepared_transactions": "5",
        "wal_retrieve_retry_interval": "100ms",
    }
    with Cluster.temporary(settings=settings, database="template") as cluster:
        engine = make_engine(cluster.dsn())
        with engine.begin() as connection:
            install(connection, linked_wheels)
        engine.dispose()
        yield cluster


@pytest.fixture
def killable(private: Cluster) -> Iterator[str]:
    """DSN of a database of the test's own on that server."""
    name = f"mp_{uuid.uuid4().hex[:12]}"
    with connect(private.dsn("postgres")) as admin:
        admin.execute(f"create database {name} template template")
    yield private.dsn(name)
    with connect(private.dsn("postgres")) as admin:
        admin.execute(f"drop database if exists {name} with (force)")
