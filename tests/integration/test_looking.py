"""Where people look: the page, the twenty lines, Prometheus and Grafana, over a shop of three weeks, by who may only watch."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any

import psycopg
import pytest
from looked_at import CUSTOMERS, DAYS, make_shop
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner, Result

from modelpack.cli.app import app
from modelpack.connection import make_engine
from modelpack.monitoring.metrics import FIGURES, QUERIES
from tests.support import Session, row, rows, value

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.prepared(setup=make_shop)


@pytest.fixture
def watcher(database: str, new_role: Callable[..., str]) -> str:
    """DSN of somebody who may watch, and nothing else."""
    dsn = make_conninfo(database, user=new_role("modelpack_monitor"))
    with psycopg.connect(dsn, autocommit=True) as session:
        for table in ("customer", "purchase", "modelpack.artifact", "modelpack.version"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(f"select from {table}")
    return dsn


def run(dsn: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--dsn", dsn], env={"COLUMNS": "200"})


def done(dsn: str, *arguments: str) -> str:
    result = run(dsn, *arguments)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


# ---------------------------------------------------------------- the page


def test_the_page_has_the_numbers_of_the_views(psql: Session, watcher: str, tmp_path: Path) -> None:
    done(watcher, "report", "churn", "-o", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    text = " ".join(
        unescape(
            re.sub(r"<[^>]+>", " ", re.sub(r"<svg.*?</svg>|<style.*?</style>", "", page, flags=re.S))
        ).split()
    )
    today = value(
        psql, "select count(*) from modelpack.prediction where scored_at >= date_trunc('day', now(), 'UTC')"
    )
    assert f"all versions together gave {today:,} scores" in text
    psi, critical = row(
        psql,
        "select to_char(psi, 'FM990.00'), to_char(critical, 'FM990.000') from modelpack.drift where input = 'spend' and version = 2 and against = 'last week' order by day desc limit 1",
    )
    assert f"last week {psi} {critical} ▲ changed" in text
    auc = value(psql, "select to_char(auc, 'FM0.000') from modelpack.fit where final")
    assert f"had an AUC of {auc}" in text
    pending = row(
        psql,
        "select count(*) filter (where o.how is null), count(*) from modelpack.cohort as c left join modelpack.outcome as o using (profile, score, cut_off, entity_key)",
    )
    assert f"Of {pending[0] / pending[1]:.0%} of all judged scores the truth is not known yet" in text
    for arm, entities in rows(psql, "select arm, count(*) from modelpack.assignment group by 1"):
        assert re.search(rf"{arm} \d 50% {entities} 0", text)
    assert "The model fails" in text
    assert "Customers look different" in text


def test_json_has_the_rows_of_the_views_as_they_are(psql: Session, watcher: str) -> None:
    found = json.loads(done(watcher, "report", "churn", "--json"))
    for name, query in {
        "response": "select day::text, version, predictions, p50, uncertain_share from modelpack.response where model = 'churn' order by 1, 2, 3",
        "latency": "select version, measured, p50, p99 from modelpack.latency where model = 'churn' order by 1, 2, 3",
        "fit": "select version, rows, settled, pending, auc from modelpack.fit where model = 'churn' order by 1, 2, 3",
    }.items():
        keys = re.findall(r"\w+", query.split("select ")[1].split(" from")[0].replace("::text", ""))
        assert sorted([[r[k] for k in keys] for r in found[name]], key=str) == sorted(
            map(list, rows(psql, query)), key=str
        ), name
    assert found["verdict"]["state"] == "bad"
    assert {a["kind"] for a in found["alerts"]} == {"drift", "failures"}
    (calibrated,) = found["calibration"]
    assert sum(b["rows"] for b in calibrated["bins"]) == CUSTOMERS == calibrated["settled"]


def test_a_shift_is_an_alert_that_names_the_input(psql: Session) -> None:
    words = value(
        psql,
        "select words from modelpack.alert where kind = 'drift' and subject like '%%, inputs against last week'",
    )
    assert re.match(
        r"\d of 3 inputs of churn of public.customer version 2 differ on [\d-]+ from last week: spend \(PSI",
        words,
    )


def test_a_page_goes_to_a_file_and_no_model_is_guessed(watcher: str, tmp_path: Path) -> None:
    assert "expected -o report.html, or --json" in run(watcher, "report", "churn").stderr
    assert (
        "there is no model chrun, expected one of: churn" in run(watcher, "report", "chrun", "--json").stderr
    )
    assert "cannot be written" in run(watcher, "report", "-o", str(tmp_path / "no" / "r.html")).stderr


def test_a_model_that_nobody_has_observed_has_a_page(psql: Session, watcher: str, tmp_path: Path) -> None:
    psql.execute(
        "truncate modelpack.rollup, modelpack.rollup_input, modelpack.watched, modelpack.drift_figure, modelpack.stale_count"
    )
    psql.execute("update modelpack.alert_look set looked_at = null")
    done(watcher, "report", "-o", str(tmp_path / "report.html"))
    assert "Nobody can say" in (tmp_path / "report.html").read_text()


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def browse(page: Path, width: int, *options: str) -> subprocess.CompletedProcess[bytes]:
    assert CHROMIUM is not None
    return subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={page.parent / 'browser'}",
         f"--window-size={width},1600", *options, page.as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip


def pixels(path: Path) -> tuple[int, bytes]:
    """Width of a PNG, and its bytes unpacked (filtered as they are: two that look different differ)."""
    data = path.read_bytes()
    packed, at = b"", 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        packed += data[at + 8 : at + 8 + length] if data[at + 4 : at + 8] == b"IDAT" else b""
        at += length + 12
    return struct.unpack(">I", data[16:20])[0], zlib.decompress(packed)


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_shows_the_page_light_and_dark_wide_and_narrow_and_nothing_sticks_out(
    watcher: str, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    done(watcher, "report", "churn", "-o", str(page))
    shots = {}
    for dark in (0, 1):
        for width in (400, 1200):
            shot = tmp_path / f"{dark}-{width}.png"
            browse(
                page,
                width,
                f"--blink-settings=preferredColorScheme={0 if dark else 1}",
                f"--screenshot={shot}",
            )
            shots[dark, width] = pixels(shot)
            assert shots[dark, width][0] == width
    assert len({shot for _, shot in shots.values()}) == 4
    # the paper is the commonest colour of a row: light is bright
    assert shots[0, 1200][1][:40] != shots[1, 1200][1][:40]
    # the page itself allows no script: a copy measures what sticks out
    measured = page.read_text()
    measured = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", measured)
    script = (
        "<script>const w = document.documentElement; const bad = [...document.querySelectorAll('figure svg, p, h2, dl')]"
        ".filter(e => e.getBoundingClientRect().right > w.clientWidth + 1).length;"
        "document.title = [w.scrollWidth <= w.clientWidth, bad, [...document.querySelectorAll('figure')].length].join(' ')</script>"
    )
    (tmp_path / "measured.html").write_text(measured.replace("</body>", script + "</body>"))
    for width in (500, 1200):
        dom = browse(tmp_path / "measured.html", width, "--dump-dom").stdout.decode()
        title = re.search(r"<title>(.*?)</title>", dom)
        assert title is not None
        fits, bad, figures = title[1].split()
        assert (fits, bad) == ("true", "0")
        assert int(figures) >= 7


# ---------------------------------------------------------------- the terminal


def test_the_status_says_in_twenty_lines_what_the_views_say(psql: Session, watcher: str) -> None:
    lines = done(watcher, "status").splitlines()
    assert len(lines) <= 20
    assert lines[0] == "[WRONG] churn: Something is wrong."
    today = value(
        psql,
        "select sum(predictions) from modelpack.response where day = (select max(day) from modelpack.response)",
    )
    (scores,) = [line for line in lines if "scores a day" in line]
    assert re.fullmatch(rf"  scores a day   [▁▂▃▄▅▆▇█]{{{DAYS}}} +{today:,}", scores)
    assert any("most: spend" in line for line in lines)
    assert max(map(len, lines)) < 160
    (found,) = json.loads(done(watcher, "status", "--json"))
    assert (found["model"], found["state"]) == ("churn", "bad")


def test_of_several_models_the_status_is_a_line_each(psql: Session, watcher: str) -> None:
    psql.execute("insert into modelpack.model (model) values ('other')")
    lines = done(watcher, "status").splitlines()
    assert [line.split(":")[0] for line in lines] == ["[WRONG] churn", "[?] other"]


# ---------------------------------------------------------------- Prometheus


def samples(text: str, name: str) -> dict[str, float]:
    """Labels to values."""
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", text, flags=re.M)
    return {labels: float(number) for labels, number in found}


def test_metrics_are_those_of_the_log_and_counters_do_not_fall_with_it(psql: Session, watcher: str) -> None:
    counted = rows(psql, "select version, count(*) from modelpack.prediction group by 1 order by 1")

    def predictions() -> list[tuple[int, float]]:
        found = samples(done(watcher, "metrics"), "modelpack_predictions_total")
        by_version: dict[int, float] = {}
        for labels, number in found.items():
            version = int(re.findall(r'version="(\d+)"', labels)[0])
            by_version[version] = by_version.get(version, 0) + number
        return sorted(by_version.items())

    assert predictions() == counted
    psql.execute("delete from modelpack.prediction where scored_at < now() - interval '2 days'")
    psql.execute("call modelpack.observe()")
    assert predictions() == counted
    psql.execute("insert into purchase (customer_id, amount) values (1, 3), (2, 4)")
    psql.execute("call modelpack.observe()")
    assert sum(n for _, n in predictions()) == sum(n for _, n in counted) + 2


def test_metrics_tell_of_alerts_fit_and_experiments(psql: Session, watcher: str) -> None:
    text = done(watcher, "metrics")
    assert samples(text, "modelpack_alerts_open")['kind="failures",model="churn"'] == 1
    assert list(samples(text, "modelpack_fit_auc").values()) == [
        value(psql, "select auc from modelpack.fit where final")
    ]
    assert list(samples(text, "modelpack_outcomes_pending").values()) == [CUSTOMERS], (
        "of two cohorts one is settled"
    )
    assert sum(samples(text, "modelpack_experiment_entities").values()) == CUSTOMERS
    assert samples(text, "modelpack_failures_total") == {
        'kind="input",model="churn",profile="public.customer",version="2"': 5000
    }
    p99 = value(psql, "select p99 / 1e6 from modelpack.latency where version = 2 order by hour desc limit 1")
    assert p99 in samples(text, "modelpack_scoring_seconds").values()
    assert samples(text, "modelpack_up") == {"": 1}
    assert abs(samples(text, "modelpack_observe_timestamp_seconds")[""] - time.time()) < 3600
    listed = json.loads(done(watcher, "metrics", "--json"))
    assert {s["name"] for s in listed} >= {"modelpack_predictions_total", "modelpack_drift_psi"}


def test_no_label_of_a_metric_is_an_entity_an_input_or_a_text_of_somebody() -> None:
    labels = {label for _, _, _, labels, _ in QUERIES for label in labels}
    assert labels == {"model", "profile", "score", "version", "arm", "kind", "share", "against", "experiment"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus is not installed")
def test_names_and_units_are_as_prometheus_has_them_and_its_rules_hold(watcher: str) -> None:
    lint = subprocess.run(
        ["promtool", "check", "metrics"],
        input=done(watcher, "metrics"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (lint.returncode, lint.stdout + lint.stderr) == (0, "")
    folder = ROOT / "examples" / "prometheus"
    for arguments in (
        ["check", "rules", "modelpack.rules.yml"],
        ["test", "rules", "modelpack.rules.test.yml"],
    ):
        ran = subprocess.run(
            ["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_rules_of_prometheus_name_metrics_that_there_are(watcher: str) -> None:
    there = {s["name"] for s in json.loads(done(watcher, "metrics", "--json"))}
    there |= {f"{name}_total" if kind == "counter" else name for name, kind, *_ in QUERIES}
    named = re.findall(
        r"\bmodelpack_[a-z_]+\b", (ROOT / "examples" / "prometheus" / "modelpack.rules.yml").read_text()
    )
    assert set(named) <= there


def test_a_text_file_is_written_as_a_whole(watcher: str, tmp_path: Path) -> None:
    path = tmp_path / "modelpack.prom"
    done(watcher, "metrics", "-o", str(path))
    assert samples(path.read_text(), "modelpack_up") == {"": 1}
    assert path.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in tmp_path.iterdir()] == ["modelpack.prom"]
    assert run("postgresql://nobody@127.0.0.1:1/none", "metrics", "-o", str(path)).exit_code == 2
    assert samples(path.read_text(), "modelpack_up") == {"": 1}, "the former one stays; its age says it"


@contextmanager
def exporter(dsn: str) -> Iterator[str]:
    """`modelpack metrics --listen 0`, and where it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "modelpack", "metrics", "--listen", "0", "--dsn", dsn],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        yield process.stderr.readline().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stderr.close()


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


def test_metrics_are_served_and_a_database_that_is_gone_is_said(psql: Session, watcher: str) -> None:
    with exporter(watcher) as url:
        assert samples(fetched(url), "modelpack_up") == {"": 1}
        role = make_conninfo(watcher).split("user=")[1].split()[0]
        psql.execute(f"alter role {role} nologin")
        text = fetched(url)
        assert samples(text, "modelpack_up") == {"": 0}
        assert samples(text, "modelpack_predictions_total") == {}
        psql.execute(f"alter role {role} login")
        assert samples(fetched(url), "modelpack_up") == {"": 1}


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed")
def test_a_prometheus_scrapes_and_raises_what_is_open(psql: Session, watcher: str, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with exporter(watcher) as url:
        host = url.removeprefix("http://").removesuffix("/metrics")
        (tmp_path / "prometheus.yml").write_text(
            "global: {scrape_interval: 8s, evaluation_interval: 1s, scrape_timeout: 8s}\n"
            f"rule_files: [{ROOT / 'examples/prometheus/modelpack.rules.yml'}]\n"
            f"scrape_configs: [{{job_name: modelpack, static_configs: [{{targets: ['{host}']}}]}}]\n"
        )
        prometheus = subprocess.Popen(
            ["prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{port}"],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            base = f"http://127.0.0.1:{port}/api/v1"

            def asked(path: str) -> Any:
                try:
                    return json.loads(fetched(base + path))["data"]
                except (urllib.error.URLError, ConnectionError):
                    return None

            raised: list[Any] = []
            until = time.monotonic() + 120
            while len(raised) < 2 and time.monotonic() < until:
                raised = [a for a in (asked("/alerts") or {"alerts": []})["alerts"] if a["state"] == "firing"]
                time.sleep(0.2)
            assert {(a["labels"]["alertname"], a["labels"]["kind"]) for a in raised if a["labels"]["alertname"] == "ModelpackAlertOpen"} == {
                ("ModelpackAlertOpen", "drift"), ("ModelpackAlertOpen", "failures"),
            }  # fmt: skip
            (total,) = asked("/query?query=sum(modelpack_predictions_total)")["result"]
            assert float(total["value"][1]) == value(psql, "select count(*) from modelpack.prediction")
        finally:
            prometheus.terminate()
            prometheus.wait(30)


# ---------------------------------------------------------------- Grafana

DASHBOARD = json.loads((ROOT / "examples" / "grafana" / "modelpack.json").read_text())
PANELS = {p["title"]: p for p in DASHBOARD["panels"]}
ASKED = {
    **{
        f"panel {title}": (p["targets"][0]["rawSql"], p["targets"][0]["format"])
        for title, p in PANELS.items()
    },
    **{f"annotation {a['name']}": (a["rawQuery"], "table") for a in DASHBOARD["annotations"]["list"]},
    **{
        f"variable {v['name']}": (v["query"], "table")
        for v in DASHBOARD["templating"]["list"]
        if v["type"] == "query"
    },
}


def as_grafana_asks(query: str, models: list[str]) -> str:
    """What Grafana's data source for PostgreSQL makes of macros and variables."""
    query = re.sub(
        r"\$__timeFilter\((.*?\)?)\)(?= and)", r"\1 BETWEEN now() - interval '30 days' AND now()", query
    )
    query = re.sub(
        r"\$__timeGroupAlias\((\w+), \$__interval\)",
        r'floor(extract(epoch from \1)/3600)*3600 AS "time"',
        query,
    )
    return query.replace("$model", ", ".join(f"'{m}'" for m in models))


def test_every_query_of_the_dashboard_runs_for_who_may_watch(watcher: str) -> None:
    with psycopg.connect(watcher, autocommit=True) as session:
        for name, (query, kind) in ASKED.items():
            asked = as_grafana_asks(query, ["churn", "other"])
            assert "$" not in asked, name
            cursor = session.execute(asked)
            columns = [c.name for c in cursor.description or ()]
            found = cursor.fetchall()
            if kind == "time_series":
                assert columns == ["time", "metric", "value"], name
                assert [r[0] for r in found] == sorted(r[0] for r in found), name
            assert found, f"{name}: there is something to see in a shop of three weeks"


def test_the_dashboard_has_no_panel_on_another_and_no_id_twice() -> None:
    taken: set[tuple[int, int]] = set()
    for p in PANELS.values():
        at = p["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells, p["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({p["id"] for p in DASHBOARD["panels"]}) == len(DASHBOARD["panels"]) == len(PANELS)


# ---------------------------------------------------------------- rights


def test_who_only_watches_runs_every_command_and_observes(watcher: str, tmp_path: Path) -> None:
    with psycopg.connect(watcher, autocommit=True) as session:
        session.execute("call modelpack.observe()")
    assert run(watcher, "alerts").exit_code == 1
    for arguments in (
        ["alert", "list", "churn"],
        ["status"],
        ["metrics"],
        ["report", "--json"],
        ["report", "-o", str(tmp_path / "r.html")],
    ):
        done(watcher, *arguments)
    assert run(watcher, "alert", "add", "churn", "drift", "--bound", "0.3").exit_code == 2


def test_who_may_not_watch_is_told_which_role_may(database: str, new_role: Callable[..., str]) -> None:
    result = run(make_conninfo(database, user=new_role("modelpack_reader")), "status")
    assert result.exit_code == 2
    assert "modelpack_monitor" in result.stderr


def test_an_engine_that_is_given_a_transaction_reads_only(watcher: str) -> None:
    from modelpack.monitoring.metrics import Collector

    engine = make_engine(watcher)
    assert len(list(Collector(engine).collect())) == len(QUERIES) + len(FIGURES) + 3
    engine.dispose()
