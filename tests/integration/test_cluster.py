"""dev/cluster.py: private servers, made and broken for each test."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dev.cluster import Cluster, main
from dev.machine import ClusterError, ServerUser, get_bindir, run_as, wait_until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """The data folder of a server that was made by initdb and is stopped: those of the tests begin as copies of it."""
    with Cluster.temporary() as cluster:
        cluster.stop()
        yield cluster.data_dir


@pytest.fixture(scope="module")
def shared(data: Path) -> Iterator[Cluster]:
    """A started server for tests that only look."""
    with Cluster.temporary(like=data) as cluster:
        yield cluster


@pytest.fixture
def cluster(data: Path) -> Iterator[Cluster]:
    """A started server for tests that stop or break it."""
    with Cluster.temporary(like=data) as cluster:
        yield cluster


@pytest.fixture
def folder() -> Iterator[Path]:
    """An open folder: pytest's own is closed to the user that root's servers run as."""
    path = Path(tempfile.mkdtemp(prefix="mp-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def ask(dsn: str, question: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return row[0]


def lives(pid: int) -> bool:
    """A process that has ended but was not collected by init yet (a zombie) does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def as_root_only(test: object) -> object:
    return pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")(test)


def test_the_dsn_works_for_whoever_started_it(shared: Cluster) -> None:
    assert ask(shared.dsn(), "select current_database()") == "modelpack"
    assert ask(shared.dsn("postgres"), "select rolsuper from pg_roles where rolname = current_user") is True


def test_plpython_runs_in_it(shared: Cluster) -> None:
    with psycopg.connect(shared.dsn()) as connection:
        connection.execute("create extension if not exists plpython3u")
        connection.execute("create function pg_temp.f() returns text language plpython3u as 'return \"py\"'")
        assert connection.execute("select pg_temp.f()").fetchone() == ("py",)


def test_text_is_utf8_and_sorted_the_same_on_every_machine(shared: Cluster) -> None:
    assert ask(shared.dsn(), "show server_encoding") == "UTF8"
    assert (
        ask(shared.dsn(), "select datcollate from pg_database where datname = current_database()")
        == "C.UTF-8"
    )


def test_it_listens_on_this_machine_alone(shared: Cluster) -> None:
    assert ask(shared.dsn(), "show listen_addresses") == "localhost"


def test_tcp_asks_for_a_password_and_the_socket_is_closed_to_others(shared: Cluster) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"host=127.0.0.1 port={shared.port()} user=postgres dbname=postgres")
    mode = shared.socket_dir.stat()
    assert (mode.st_uid, mode.st_mode & 0o777) == (shared.user.uid, 0o700)


def test_it_never_runs_as_root(shared: Cluster) -> None:
    pid = shared.pid()
    assert pid is not None
    assert Path(f"/proc/{pid}").stat().st_uid == shared.user.uid != 0


def test_a_second_start_is_a_no_op(shared: Cluster) -> None:
    pid, since = shared.pid(), ask(shared.dsn(), "select pg_postmaster_start_time()")
    assert shared.start() == shared.dsn()
    assert shared.pid() == pid
    assert ask(shared.dsn(), "select pg_postmaster_start_time()") == since


def test_the_callers_environment_does_not_reach_the_server(
    monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    with Cluster.temporary(like=data) as cluster:
        pid = cluster.pid()
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"PYTHONPATH" not in environment
    assert b"/nowhere" not in environment


def test_stop_leaves_no_process(cluster: Cluster) -> None:
    pids = cluster.processes()
    assert len(pids) > 1, "a postmaster and its children"
    cluster.stop()
    assert cluster.pid() is None
    assert wait_until(lambda: not any(map(lives, pids)), 5)


def test_stopping_twice_is_a_no_op(cluster: Cluster) -> None:
    cluster.stop()
    cluster.stop()
    assert not cluster.is_running()


def test_data_and_dsn_outlive_a_restart(cluster: Cluster) -> None:
    dsn = cluster.dsn()
    with psycopg.connect(dsn) as connection:
        connection.execute("create table kept as select 1 as n")
    assert cluster.restart() == dsn
    assert ask(dsn, "select n from kept") == 1


def test_settings_take_effect_at_the_next_start(cluster: Cluster) -> None:
    cluster.settings["application_name"] = "it's quoted"
    cluster.settings["max_connections"] = "17"
    dsn = cluster.restart()
    assert ask(dsn, "show max_connections") == "17"
    assert (
        ask(
            dsn,
            "select boot_val = '' and reset_val = 'it''s quoted' from pg_settings "
            "where name = 'application_name'",
        )
        is True
    )


def test_a_setting_that_postgres_refuses_is_reported_with_its_log(cluster: Cluster) -> None:
    cluster.stop()
    cluster.settings["shared_buffers"] = "many"
    with pytest.raises(ClusterError, match="invalid value for parameter"):
        cluster.start()
    assert not cluster.is_running()


def test_a_crashed_server_starts_again_with_its_data(cluster: Cluster) -> None:
    dsn = cluster.dsn()
    with psycopg.connect(dsn) as connection:
        connection.execute("create table kept as select 1 as n")
    cluster.kill()
    assert (cluster.data_dir / "postmaster.pid").exists(), "the crash left its lock file"
    assert not cluster.is_running()
    assert cluster.start() == dsn
    assert ask(dsn, "select n from kept") == 1


def test_a_backend_that_outlives_the_crash_is_ended_before_the_next_start(cluster: Cluster) -> None:
    with psycopg.connect(cluster.dsn(), autocommit=True) as busy:
        orphan = busy.info.backend_pid
        # A stopped backend cannot notice that its postmaster is gone.
        os.kill(orphan, signal.SIGSTOP)
        cluster.kill()
        assert orphan in cluster.processes()
        cluster.start()
        assert orphan not in cluster.processes()
    assert ask(cluster.dsn(), "select 1") == 1


def test_a_pid_that_now_belongs_to_somebody_else_is_neither_trusted_nor_ended(cluster: Cluster) -> None:
    cluster.kill()
    bystander = subprocess.Popen(["/bin/sleep", "600"], cwd="/")
    try:
        pid_file = cluster.data_dir / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
        assert cluster.pid() is None
        cluster.stop()
        cluster.start()
        assert cluster.is_running()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_port_that_was_taken_meanwhile_is_given_up(cluster: Cluster) -> None:
    cluster.stop()
    port = cluster.port()
    assert port is not None
    with socket.socket() as taker:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taker.bind(("127.0.0.1", port))
        taker.listen()
        dsn = cluster.start()
    assert cluster.port() != port
    assert ask(dsn, "select 1") == 1


def test_two_starts_at_once_make_one_server(folder: Path) -> None:
    command = [sys.executable, "-m", "dev.cluster", "--folder", str(folder / "cluster"), "start"]
    cluster = Cluster(folder / "cluster")
    try:
        both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        printed = [process.communicate()[0] for process in both]
        assert [process.returncode for process in both] == [0, 0]
        assert printed[0] == printed[1] == cluster.dsn() + "\n"
    finally:
        cluster.destroy()


def test_an_interrupted_initdb_is_made_anew(folder: Path) -> None:
    partial = folder / "cluster" / "data.partial"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("15\n")
    cluster = Cluster(folder / "cluster")
    try:
        assert ask(cluster.start(), "select 1") == 1
    finally:
        cluster.destroy()


def test_a_deep_checkout_gets_its_socket_in_the_temp_folder(folder: Path, data: Path) -> None:
    deep = folder / ("d" * 60) / ("e" * 60)
    cluster = Cluster(deep, like=data)
    try:
        dsn = cluster.start()
        assert not cluster.socket_dir.is_relative_to(deep)
        found = cluster.socket_dir.stat()
        assert (found.st_uid, found.st_mode & 0o777) == (cluster.user.uid, 0o700)
        assert ask(dsn, "select 1") == 1
    finally:
        cluster.destroy()
    assert not cluster.socket_dir.exists()


def test_a_socket_folder_that_somebody_else_laid_out_is_refused(folder: Path, data: Path) -> None:
    cluster = Cluster(folder / ("d" * 60) / ("e" * 60), like=data)
    cluster.socket_dir.mkdir(mode=0o755)
    try:
        with pytest.raises(ClusterError, match="mode 0700"):
            cluster.start()
    finally:
        cluster.socket_dir.rmdir()
        cluster.destroy()


def test_odd_characters_in_the_path_survive_in_the_dsn(folder: Path, data: Path) -> None:
    cluster = Cluster(folder / "it's 50% & more?", database='odd "name"\'s', like=data)
    try:
        assert ask(cluster.start(), "select current_database()") == 'odd "name"\'s'
    finally:
        cluster.destroy()


def test_destroy_leaves_nothing(folder: Path, data: Path) -> None:
    cluster = Cluster(folder / "cluster", like=data)
    cluster.start()
    cluster.destroy()
    assert cluster.processes() == []
    assert list(folder.iterdir()) == []
    cluster.destroy()


@as_root_only
def test_a_closed_folder_above_the_checkout_is_reported_in_words(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    cluster = Cluster(closed / "checkout" / "cluster")
    with pytest.raises(ClusterError) as refusal:
        cluster.start()
    message = str(refusal.value)
    assert f"cannot enter {closed} (mode 0700)" in message
    assert f"user {cluster.user.name}" in message
    assert f"chmod o+x {closed}" in message
    assert main(["--folder", str(cluster.folder), "check"]) == 2
    assert not cluster.data_dir.exists()


@as_root_only
def test_data_of_another_user_are_refused(folder: Path) -> None:
    cluster = Cluster(folder / "cluster", user=ServerUser.named("nobody"))
    try:
        dsn = cluster.start()
        assert ask(dsn, "select 1") == 1
        other = Cluster(folder / "cluster", user=ServerUser.named("daemon"))
        with pytest.raises(ClusterError, match="belongs to user id"):
            other.start()
        cluster.stop()
        with pytest.raises(ClusterError, match="belongs to user id"):
            other.start()
    finally:
        cluster.destroy()


@as_root_only
def test_a_server_of_root_is_closed_to_ordinary_users(shared: Cluster) -> None:
    psql = [str(get_bindir() / "psql"), "-Xwc", "select 1", shared.dsn()]
    assert run_as(shared.user, psql).returncode == 0
    done = run_as(ServerUser.named("daemon"), psql)
    assert done.returncode != 0
    assert "Permission denied" in done.stderr


def test_data_of_a_missing_major_are_refused(folder: Path) -> None:
    data = folder / "cluster" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    user = ServerUser.default()
    with contextlib.suppress(PermissionError):
        os.chown(data, user.uid, user.gid)
    with pytest.raises(ClusterError, match=r"made by PostgreSQL 9.*make clean"):
        Cluster(folder / "cluster").start()


def test_the_command_starts_reports_and_stops(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--folder", str(folder / "cluster")]
    cluster = Cluster(folder / "cluster")
    assert main([*where, "status"]) == 3
    assert main([*where, "dsn"]) == 3
    capsys.readouterr()
    try:
        assert main([*where, "--set", "max_connections=19", "start"]) == 0
        dsn = capsys.readouterr().out.strip()
        assert dsn == cluster.dsn()
        assert ask(dsn, "show max_connections") == "19"
        assert main([*where, "dsn"]) == 0
        assert capsys.readouterr().out.strip() == dsn
        assert main([*where, "status"]) == 0
        assert f"pid {cluster.pid()}" in capsys.readouterr().out
        assert main([*where, "stop"]) == 0
        assert not cluster.is_running()
    finally:
        assert main([*where, "destroy"]) == 0
    assert not cluster.folder.exists()


def test_the_command_says_in_words_what_stands_in_the_way(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "cluster").mkdir()
    assert main(["--folder", str(folder / "cluster"), "--set", "shared_buffers=many", "start"]) == 2
    assert "invalid value for parameter" in capsys.readouterr().err
