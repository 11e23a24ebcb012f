"""Rooms that watch, with what no shop has: numbers out of reach, long texts, odd names, clocks that were wrong, callers who mean ill."""

from __future__ import annotations

import json
import random
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from typer.testing import CliRunner, Result

from modelpack.cli.app import app
from modelpack.monitoring.delivery import DeliveryError, Mail, Webhook
from tests.support import Session, row, rows, value

ODD = 'odd "%"\n:name\'; ✓ </script>'
SAMPLE = {
    "type": "number",
    "missing": 0,
    "edges": [1.0],
    "counts": [50, 50],
    "minimum": 0.0,
    "maximum": 2.0,
    "mean": 1.0,
    "deviation": 1.0,
}
SCORE = {k: v for k, v in SAMPLE.items() if k not in ("type", "missing")}


def add_version(
    session: Session, inputs: list[dict[str, Any]], reference: dict[str, Any] | None = None
) -> None:
    """The next version of the model churn, with this signature and reference."""
    session.execute("insert into modelpack.model (model) values ('churn') on conflict do nothing")
    session.execute("insert into modelpack.artifact (sha256) values ('none') on conflict do nothing")
    number = value(
        session,
        "insert into modelpack.version (model, version, sha256, signature, golden)"
        " select 'churn', 1 + coalesce(max(version), 0), 'none', %s, '{}' from modelpack.version returning version_id",
        Jsonb({"inputs": inputs}),
    )
    if reference is not None:
        session.execute(
            "insert into modelpack.reference (version_id, reference, created_by) values (%s, %s, 'x')",
            [number, Jsonb(reference)],
        )


def log(
    session: Session,
    scores: Sequence[float],
    inputs: Sequence[Sequence[float | None]] | None = None,
    texts: Sequence[Sequence[str | None]] | None = None,
    *,
    at: str = "now()",
    version: int = 1,
    score: str = "churn",
    profile: str = "shop",
) -> None:
    with session.cursor() as cursor:
        cursor.executemany(
            "insert into modelpack.prediction (scored_at, profile, entity_key, score, model, version, prediction, inputs, text_inputs)"
            f" values ({at}, %s, %s, %s, 'churn', %s, %s, %s::float8[], %s::text[])",
            [
                (
                    profile,
                    str(n),
                    score,
                    version,
                    float(x),
                    list(inputs[n]) if inputs else [],
                    list(texts[n]) if texts else None,
                )
                for n, x in enumerate(scores)
            ],
        )


def number(name: str) -> dict[str, Any]:
    return {"name": name, "type": "number", "missing": True}


def word(name: str, categories: list[str]) -> dict[str, Any]:
    return {"name": name, "type": "text", "missing": True, "missing_token": "\x1a", "categories": categories}


def observe(session: Session) -> None:
    session.execute("call modelpack.observe()")


def run(dsn: str, *words: str, **environment: str) -> Result:
    return CliRunner().invoke(app, [*words, "--dsn", dsn], env={"SMTP_HOST": "", **environment})


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("scores", [[1e200, -1e200, 0.5], [1.7e308] * 3, [1e154, -1e300, 1.0]])
def test_scores_out_of_reach_stop_no_roll_up(psql: Session, scores: list[float]) -> None:
    """Their sum, or the square of their distance, is beyond a double."""
    add_version(psql, [number("x")], {"format": 1, "rows": 100, "inputs": {"x": SAMPLE}, "score": SCORE})
    for _ in range(2):
        log(psql, scores * 20, [[1.0]] * len(scores) * 20)
        log(psql, scores * 20, [[1.0]] * len(scores) * 20, at="now() - interval '3 days'")
        observe(psql)
    assert value(psql, "select sum(predictions)::int from modelpack.response") == len(scores) * 80
    assert value(psql, "select count(*) from modelpack.drift where input is null and psi > 0") > 0


def test_a_reference_out_of_reach_stops_no_judgement_of_others(psql: Session) -> None:
    """Whoever publishes says what his sample was like."""
    far = SCORE | {
        "edges": [-1.7e308, 1.7e308],
        "counts": [30, 30, 40],
        "minimum": -1.7e308,
        "maximum": 1.7e308,
        "mean": -1.7e308,
    }
    add_version(psql, [number("x")], {"format": 1, "rows": 100, "inputs": {"x": SAMPLE}, "score": far})
    psql.execute(
        "select modelpack.check_reference(signature, reference, null) from modelpack.version join modelpack.reference using (version_id)"
    )
    log(psql, [0.1, 0.9, 1.7e308] * 20, [[0.5]] * 60)
    observe(psql)
    assert value(psql, "select count(*) from modelpack.drift") == 2


def test_inputs_that_are_infinite_or_beyond_integers_are_counted(psql: Session, database: str) -> None:
    add_version(psql, [number("x"), number("y")])
    values = [float("inf"), float("-inf"), float("nan"), None, 2.0**53, 2.0**53 + 2, -(2.0**60), 3.4e38]
    for ago in ("2 days", "1 day", "0 days"):
        log(
            psql, [0.5] * 80, [[v, 7.0] for v in values] * 10, at=f"now() - interval '{ago}'"
        )  # y never differs
        observe(psql)
    found = rows(
        psql,
        "select y.input, i.rows, i.missing, i.minimum, i.maximum from modelpack.rollup_input as i join modelpack.watched using (watched_id)"
        " join modelpack.yardstick as y using (version_id, position) where i.span = 'day' and i.position > 0 order by 1, i.at",
    )
    assert found == [("x", 80, 20, float("-inf"), float("inf"))] * 3 + [("y", 80, 0, 7.0, 7.0)] * 3
    drifted = rows(
        psql,
        "select input, drifted, psi from modelpack.drift where against = 'last week' and input is not null order by 1",
    )
    assert drifted == [("x", False, 0), ("x", False, 0), ("y", False, 0), ("y", False, 0)]
    for words in (["drift", "churn", "--all"], ["response", "churn"], ["features"], ["status", "churn"]):
        done = run(database, *words, "--json")
        assert done.exit_code == 0, done.output

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is no JSON")

        json.loads(done.stdout, parse_constant=refuse)


# ---------------------------------------------------------------- texts and names


def test_a_category_that_no_index_holds_is_a_category_all_the_same(psql: Session) -> None:
    chance = random.Random(1)
    long = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789éß✓", k=6000)) for _ in range(2)]
    add_version(psql, [word("note", [long[0], "short"])])
    log(psql, [0.5] * 50, texts=[[long[0]]] * 20 + [["short"]] * 10 + [[long[1]]] * 15 + [[None]] * 5)
    observe(psql)
    assert row(
        psql,
        "select rows, missing, unseen, counts from modelpack.rollup_input where span = 'day' and position = 1",
    ) == (50, 5, 15, [30])


def test_odd_names_and_texts_go_through_every_view_and_command(psql: Session, database: str) -> None:
    reference = {
        "format": 1,
        "rows": 100,
        "inputs": {
            ODD: {"type": "text", "missing": 0, "categories": {"%s": 50, "'\"": 50}, "other": 0, "unseen": 0}
        },
        "score": SCORE,
    }
    add_version(psql, [word(ODD, ["%s", "'\"", "\n"])], reference)
    psql.execute("insert into modelpack.segment (profile, input, set_by) values (%s, %s, 'x')", [ODD, ODD])
    psql.execute("insert into modelpack.alias (model, alias, version) values ('churn', 'champion', 1)")
    log(psql, [0.5] * 120, texts=[["%s"], ["'\""], ["\n"]] * 40, score=ODD, profile=ODD)
    observe(psql)
    assert value(psql, "select count(*) from modelpack.alert where position(%s in words) > 0", ODD) > 0
    segments = rows(psql, "select distinct segment from modelpack.watched order by 1")
    assert segments == [("",), *sorted((f"{ODD}={t}",) for t in ("%s", "'\"", "other"))]
    for words in (
        ["drift", "churn"],
        ["response", "churn"],
        ["features"],
        ["status", "churn"],
        ["metrics"],
        ["alerts", "churn"],
    ):
        for more in ([], ["--json"]):
            done = run(database, *words, *more)
            assert done.exit_code == (1 if words[0] == "alerts" else 0), done.output
    from prometheus_client.parser import text_string_to_metric_families

    samples = [s for f in text_string_to_metric_families(run(database, "metrics").stdout) for s in f.samples]
    assert {s.labels["profile"] for s in samples if s.name == "modelpack_predictions_total"} == {ODD}


# ---------------------------------------------------------------- clocks


def test_a_day_that_is_to_come_hides_nothing_of_today(psql: Session) -> None:
    """A clock that was a year ahead for a moment."""
    add_version(psql, [number("x")])
    psql.execute("insert into modelpack.alias (model, alias, version) values ('churn', 'champion', 1)")
    chance = random.Random(2)
    log(psql, [chance.random() for _ in range(300)], [[1.0]] * 300, at="now() + interval '1 year'")
    log(psql, [0.25] * 300, [[1.0]] * 300)
    observe(psql)
    assert rows(psql, "select kind from modelpack.alert where closed_at is null and kind = 'one_value'") == [
        ("one_value",)
    ]


def test_words_and_days_are_the_same_in_every_session(psql: Session, database: str) -> None:
    add_version(psql, [number("x")])
    psql.execute("insert into modelpack.alias (model, alias, version) values ('churn', 'champion', 1)")
    log(psql, [0.25] * 300, [[1.0]] * 300)
    name = psql.info.dbname
    said = []
    for style, zone in (("ISO", "UTC"), ("SQL, DMY", "Pacific/Kiritimati"), ("German", "Pacific/Pago_Pago")):
        psql.execute(f"alter database {name} set datestyle = '{style}'")
        psql.execute(f"alter database {name} set timezone = '{zone}'")
        with psycopg.connect(database, autocommit=True) as other:
            observe(other)
            said.append(value(other, "select words from modelpack.alert where kind = 'one_value'"))
        for words in (
            ["response", "churn"],
            ["status", "churn"],
            ["report", "churn"],
            ["drift", "churn", "--hours"],
        ):
            done = run(database, *words, "--days", "1", "--json")
            assert done.exit_code == 0, done.output
        assert len(json.loads(run(database, "response", "churn", "--days", "1", "--json").stdout)) == 1
        assert (
            len(json.loads(run(database, "report", "churn", "--days", "1", "--json").stdout)["response"]) == 1
        )
    assert said == [said[0]] * 3
    assert value(psql, "select (now() at time zone 'UTC')::date::text") in said[0]


# ---------------------------------------------------------------- few rows, and scores that are alike


def test_few_rows_are_no_alert_of_drift(psql: Session) -> None:
    """With fewer than 20 rows nothing is tested, so nothing is beyond chance."""
    plan = {"type": "text", "missing": 0, "categories": {"a": 50, "b": 50}, "other": 0, "unseen": 0}
    add_version(
        psql, [word("plan", ["a", "b"])], {"format": 1, "rows": 100, "inputs": {"plan": plan}, "score": SCORE}
    )
    psql.execute("insert into modelpack.alias (model, alias, version) values ('churn', 'champion', 1)")
    log(psql, [0.5] * 19, texts=[["a"]] * 18 + [["b"]])
    for _ in range(4):
        observe(psql)
    assert value(psql, "select max(psi) from modelpack.drift where critical is null") > 0.1
    assert rows(psql, "select words from modelpack.alert where kind = 'drift'") == []


def test_scores_that_differ_by_little_of_their_size_are_not_one_value(psql: Session) -> None:
    """A model that says a temperature in Kelvin, or a year."""
    edges = [290.0, 290.5, 291.0, 291.5]
    score = SCORE | {"edges": edges, "counts": [20] * 5, "minimum": 289.5, "maximum": 292.0, "mean": 290.75}
    add_version(psql, [number("x")], {"format": 1, "rows": 100, "inputs": {"x": SAMPLE}, "score": score})
    psql.execute("insert into modelpack.alias (model, alias, version) values ('churn', 'champion', 1)")
    log(psql, [289.8 + 0.5 * (n % 5) for n in range(300)], [[0.5]] * 300)
    for _ in range(4):
        observe(psql)
    assert row(psql, "select largest_share, distinct_scores from modelpack.response") == (0.2, 5)
    assert rows(psql, "select words from modelpack.alert where kind in ('one_value', 'few_scores')") == []


# ---------------------------------------------------------------- who means ill


def test_nobody_who_may_observe_can_declare_counted_what_is_not(
    people: Callable[..., Session], psql: Session
) -> None:
    add_version(psql, [number("x")])
    log(psql, [0.5] * 10, [[1.0]] * 10)
    publisher = people("modelpack_publisher")
    job = value(publisher, "select job_id from modelpack.begin_observation()")
    publisher.execute("select modelpack.end_observation(%s, 9000000000000000000)", [job])
    observe(psql)
    assert value(psql, "select sum(predictions)::int from modelpack.response") == 10


def test_alerts_quote_no_reason_that_tells_of_a_row(people: Callable[..., Session], psql: Session) -> None:
    """A publisher may have chosen the text at which his model fails."""
    add_version(psql, [number("x")])
    psql.execute(
        "insert into modelpack.failure_log (version_id, profile, kind, reason, failures)"
        " select version_id, 'shop', 'input', 'found the text secret', 5000 from modelpack.version"
    )
    observe(psql)
    publisher = people("modelpack_publisher")
    assert rows(publisher, "select kind from modelpack.alert where words ~ 'input'") == [("failures",)]
    assert value(publisher, "select count(*) from modelpack.alert where words ~ 'secret'") == 0


# ---------------------------------------------------------------- receivers


@contextmanager
def answering(say: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """A server that does with each connection what it likes; its port."""
    ended = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                taken, _ = server.accept()
            except OSError:
                return
            if ended.is_set():
                taken.close()
                return

            def talk(taken: socket.socket = taken) -> None:
                with taken, suppress(OSError):
                    say(taken, ended)

            threading.Thread(target=talk, daemon=True).start()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        ended.set()
        socket.create_connection(server.getsockname()).close()
        thread.join()
        server.close()


def garbage(taken: socket.socket, _: threading.Event) -> None:
    taken.recv(65536)
    taken.sendall(b"\x00\xff nothing of HTTP\r\n\r\n")


def drip(taken: socket.socket, ended: threading.Event) -> None:
    """One byte after the other: each comes in time, the answer never."""
    taken.recv(65536)
    taken.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while not ended.wait(0.05):
        taken.sendall(b"x")


def endless(taken: socket.socket, ended: threading.Event) -> None:
    taken.recv(65536)
    taken.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not ended.is_set():
        taken.sendall(b"x" * 65536)


def many(taken: socket.socket, _: threading.Event) -> None:
    taken.recv(65536)
    taken.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n")


EVENT: dict[str, Any] = {
    "event_id": 1,
    "what": "opened",
    "alert_id": 1,
    "model": "churn",
    "kind": "drift",
    "subject": "x",
    "opened_at": datetime(2024, 1, 1, tzinfo=timezone.utc),
    "closed_at": None,
    "value": 1.0,
    "bound": 1.0,
    "words": "w",
}


@pytest.mark.parametrize("say", [garbage, drip, many])
def test_a_webhook_that_talks_nonsense_or_for_ever_is_a_failed_delivery(say: Any) -> None:
    with answering(say) as port:
        receiver = Webhook(f"http://127.0.0.1:{port}/secret", timeout=0.5, tries=2, pause=lambda _: None)
        with pytest.raises(DeliveryError) as refused:
            receiver(EVENT)
    assert "secret" not in str(refused.value)


def test_an_answer_without_end_is_not_read() -> None:
    with answering(endless) as port:
        Webhook(f"http://127.0.0.1:{port}/", timeout=5, tries=1)(EVENT)


@pytest.mark.parametrize(
    "url",
    [
        "http://[bad/",
        "http://host:99999/",
        "http://host:x/",
        "https://host/a b secret",
        "http://host/\nsecret",
    ],
)
def test_what_is_no_address_of_a_webhook_is_refused_in_words(database: str, url: str) -> None:
    done = run(database, "alerts", "--webhook", url)
    assert done.exit_code == 2
    assert "expected an address" in " ".join(done.stderr.split()), done.stderr
    assert "unexpected" not in done.stderr
    assert "secret" not in done.stderr


def test_a_wish_for_encryption_that_is_not_understood_sends_no_password(database: str) -> None:
    done = run(
        database,
        "alerts",
        "--mail-to",
        "ops@example.org",
        "--smtp",
        "localhost:1",
        SMTP_USER="u",
        SMTP_PASSWORD="p",
        SMTP_TLS="true",
    )
    assert done.exit_code == 2
    assert "SMTP_TLS is 'true'" in " ".join(done.stderr.split()), done.stderr


def test_a_mail_server_that_never_ends_its_greeting_is_a_failed_delivery() -> None:
    def greet(taken: socket.socket, ended: threading.Event) -> None:
        while not ended.wait(0.05):
            taken.sendall(b"220-hello\r\n")

    with answering(greet) as port:
        receiver = Mail("ops@example.org", f"127.0.0.1:{port}", environment={}, timeout=0.5)
        with pytest.raises(DeliveryError):
            receiver(EVENT)
