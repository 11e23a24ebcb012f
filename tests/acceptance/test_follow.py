"""`modelpack follow`: whole processes beside a real server, a webhook and, where it is installed, a Redis server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from modelpack.cli.app import app
from tests.integration.test_crossings import complain, make_shop, start
from tests.support import Session, rows, wait_for

pytestmark = pytest.mark.prepared(setup=make_shop)


class Hook:
    """A web server that keeps what is posted; what it answers, and what it does before, the test says."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.answers: list[int] = []
        self.before_answer: Callable[[], None] = lambda: None
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                hook.keys.append(self.headers["Idempotency-Key"])
                hook.before_answer()
                answer = hook.answers.pop(0) if hook.answers else 204
                self.send_response(answer)
                if answer == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/crossed"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


@contextmanager
def following(dsn: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A process that follows, killed at the end if it is still there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "modelpack", "follow", "churn", "--every", "0.05", *options],
        env={**os.environ, "MODELPACK_DSN": dsn},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run(dsn: str, *options: str, code: int = 0) -> tuple[list[dict[str, Any]], str]:
    """The lines of a run with --once, and what it says."""
    done = CliRunner().invoke(app, ["follow", "churn", "--once", *options], env={"MODELPACK_DSN": dsn})
    assert done.exit_code == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_lines_are_printed_once_and_the_position_stays(psql: Session, database: str) -> None:
    assert run(database)[0] == []
    complain(psql, 3, 5)
    complain(psql, 3, -3)
    found, said = run(database)
    numbers = [n for (n,) in rows(psql, "select crossing_id from modelpack.crossing order by 1")]
    assert [f["id"] for f in found] == numbers
    assert {k: found[0][k] for k in ("profile", "score", "key", "bounds", "direction", "cause", "model")} == {
        "profile": "public.customer",
        "score": "churn",
        "key": "3",
        "bounds": [0.3, 0.5, 0.8],
        "direction": "up",
        "cause": "change",
        "model": "churn",
    }
    assert found[1]["bounds"] == [0.8, 0.5, 0.3]
    assert found[1]["from"] == found[0]["to"]
    assert found[1]["to"] == pytest.approx(0.2689, abs=1e-4)
    assert said == "2 crossings handed on as churn\n"
    assert run(database)[0] == []
    assert [f["id"] for f in run(database, "--as", "second", "--from-start")[0]] == numbers


def test_each_crossing_is_posted_with_its_number_until_it_is_taken(
    psql: Session, database: str, hook: Hook
) -> None:
    start(psql, "churn")
    psql.execute("update modelpack.follower set reader = null")
    for key in (1, 2):
        complain(psql, key, 5)
    hook.answers = [503, 302, 200]
    with following(database, "--webhook", hook.url) as process:
        wait_for(psql, "select acknowledged = 2 from modelpack.follower")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 0
    assert [p["key"] for p in hook.posted] == ["1", "1", "1", "2"]
    assert hook.keys == [str(p["id"]) for p in hook.posted]
    assert "127.0.0.1 answers 503, expected 2xx; tried again" in said
    assert "2 crossings handed on" in said


def test_killed_between_post_and_acknowledgement_it_posts_again(
    psql: Session, database: str, hook: Hook
) -> None:
    start(psql, "churn")
    psql.execute("update modelpack.follower set reader = null")
    for key in (1, 2, 3):
        complain(psql, key, 5)
    with following(database, "--webhook", hook.url) as process:
        hook.before_answer = lambda: process.kill() if len(hook.posted) == 2 else None
        process.wait(timeout=20)
        assert process.returncode == -signal.SIGKILL
    assert [p["key"] for p in hook.posted] == ["1", "2"]
    wait_for(
        psql,
        "select not exists (select from pg_stat_activity as a join modelpack.follower as f on f.reader = a.pid)",
    )
    hook.before_answer = lambda: None
    run(database, "--webhook", hook.url)
    assert [p["key"] for p in hook.posted] == ["1", "2", "2", "3"]
    assert len(set(hook.keys)) == 3


def test_once_gives_up_in_words_and_loses_nothing(
    psql: Session, database: str, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelpack.crossings.following.TRIES", 2)
    start(psql, "churn")
    psql.execute("update modelpack.follower set reader = null")
    complain(psql, 1, 5)
    hook.answers = [500, 500]
    _, said = run(database, "--webhook", hook.url, code=2)
    assert "could not be handed on in 2 tries: 127.0.0.1 answers 500" in said
    run(database, "--webhook", hook.url)
    assert [p["key"] for p in hook.posted] == ["1", "1", "1"]


def test_a_second_process_of_the_same_name_is_refused(psql: Session, database: str) -> None:
    with following(database):
        wait_for(psql, "select exists (select from modelpack.follower where reader is not null)")
        _, said = run(database, code=2)
        assert "another session reads as the follower churn" in said
        run(database, "--as", "other")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_waits_and_ends_cleanly_when_it_is_asked(psql: Session, database: str, number: int) -> None:
    with following(database) as process:
        wait_for(psql, "select exists (select from modelpack.follower where reader is not null)")
        complain(psql, 4, 5)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["key"] == "4"
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 0
        assert said == "1 crossings handed on as churn\n"
    assert run(database)[0] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--webhook", "ftp://x/y"], "takes the address of a page"),
        (["--webhook", "http://x", "--redis", "redis://x"], "expected one of them"),
        (["--stream", "s"], "without --redis"),
        (["--cause", "mood"], "--cause mood, expected one of first, change, return, version"),
        (["--profile", "shop"], "there is no score churn of shop"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_words(database: str, options: list[str], message: str) -> None:
    found, said = run(database, *options, code=2)
    assert found == []
    assert message in said


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[str]:
    """The address of a Redis server of the test's own."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed; run: apt-get install redis-server")
    redis = pytest.importorskip("redis")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            program,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(tmp_path),
        ],
        stdout=subprocess.DEVNULL,
    )
    url = f"redis://127.0.0.1:{port}/0"
    try:
        client = redis.Redis.from_url(url)
        for _ in range(200):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                threading.Event().wait(0.02)
        yield url
    finally:
        process.terminate()
        process.wait()


def test_a_redis_stream_gets_each_crossing(psql: Session, database: str, redis_server: str) -> None:
    import redis

    start(psql, "churn")
    psql.execute("update modelpack.follower set reader = null")
    for key in (1, 2, 3):
        complain(psql, key, 5)
    run(database, "--redis", redis_server)
    run(database, "--redis", redis_server)
    run(database, "--redis", redis_server, "--stream", "calls", "--as", "calls", "--from-start")
    client: Any = redis.Redis.from_url(redis_server)
    for stream in ("modelpack:churn", "calls"):
        entries = [fields for _, fields in client.xrange(stream)]
        assert [json.loads(e[b"crossing"])["key"] for e in entries] == ["1", "2", "3"]
        assert [int(e[b"id"]) for e in entries] == [
            n for (n,) in rows(psql, "select crossing_id from modelpack.crossing order by 1")
        ]


def test_without_redis_nothing_is_lost(psql: Session, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("redis")
    monkeypatch.setattr("modelpack.crossings.following.TRIES", 1)
    start(psql, "churn")
    psql.execute("update modelpack.follower set reader = null")
    complain(psql, 1, 5)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        _, said = run(database, "--redis", f"redis://127.0.0.1:{closed.getsockname()[1]}", code=2)
    assert "could not be handed on" in said
    assert [f["key"] for f in run(database)[0]] == ["1"]
