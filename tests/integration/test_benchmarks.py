"""The suite of the benchmarks runs from end to end, on sizes that mean nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest

pytest.importorskip("benchmarks", reason="the benchmarks are not there (an installed wheel)")

from benchmarks import cases, check, loads, report, suite
from benchmarks import ground as ground_module
from benchmarks.__main__ import main
from benchmarks.ground import Ground, own_server
from benchmarks.growth import proportional_memory
from benchmarks.models import FEATURES, WINDOWED, Workload
from benchmarks.names import (
    BARE,
    FLOOR,
    FRAME,
    HAND,
    LOG,
    NONE,
    PICKLED,
    SCORE,
    SETWISE,
    SOCKET,
    STATIC,
    beside,
)
from benchmarks.rivals import handwritten, setwise
from dev.machine import ClusterError


@pytest.mark.long
def test_the_whole_suite_runs(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODELPACK_DSN", server)
    path = tmp_path / "result.json"
    assert main(["--tiny", "--json", str(path)]) == 0
    result = report.Result.from_json(json.loads(path.read_text()))
    groups = {group.name: group for group in result.groups}
    assert list(groups["single"].readings) == [NONE, HAND, FLOOR, SCORE, LOG, PICKLED, FRAME]
    assert {STATIC, FLOOR} < set(groups["static update"].readings)
    assert {BARE, LOG} == set(groups["other update"].readings)
    assert SETWISE in groups["statement of 100"].readings
    assert {FLOOR, LOG} == set(groups["rich statement of 100"].readings)
    assert {LOG, SOCKET} < set(groups["client, commit off"].readings)
    for group in result.groups:
        assert len({len(found) for case, found in group.readings.items() if group.floor}) <= 1, group.name
        assert all(reading > 0 for found in group.readings.values() for reading in found), group.name
    assert {name.split(",")[0] for name in groups if name.startswith("growth")} == {
        f"growth {what}" for what in ("profiles", "events", "versions", "inputs", "connections")
    }
    for what in ("profiles", "events, windows on"):
        grown = groups[f"growth {what}"]
        assert {beside(case) for case in (grown.floor, *grown.watched)} < set(grown.readings), what
    assert (result.figures.row_versions, result.figures.bulk_row_versions) == (1, result.figures.bulk_rows)
    assert check.complaints(result.groups, check.record(result.groups)) == {}
    assert {group.part for group in result.groups} == set(suite.PARTS) - {"instructions", "pgbench"}
    assert "Budgets" in capsys.readouterr().out


@pytest.mark.parametrize("windows", [False, True])
def test_hand_written_counters_are_the_same_as_ours(database: str, windows: bool) -> None:
    ground = Ground(database, customers=50)
    for schema in ("hand", "ours"):
        ground.tables(schema, events=400)
    handwritten.make(ground, "hand", windows=windows)
    ground.declare("ours", features=WINDOWED if windows else FEATURES)
    for schema in ("hand", "ours"):
        # up to 62 days ago, and none within half an hour of the end of a window
        ground.run(
            f"insert into {schema}.event select 1 + i % 50, now() - (3 * i + 0.5) * interval '1 hour', i % 97 "
            "from generate_series(1, 500) as i"
        )
        ground.run(f"insert into {schema}.event values (7, now(), 200), (7, now() - interval '2 years', -3)")
    columns = (
        "customer_id, events_n, amount_sum, amount_mean, amount_min, amount_max, big_n, small_n, last_amount"
    )
    hand, ours = (ground.rows(f"select {columns} from {s}.customer order by 1") for s in ("hand", "ours"))
    ground.close()
    assert len(hand) == 50
    assert hand == ours


def test_a_statement_scored_by_hand_gives_the_counters_and_scores_that_ours_give(database: str) -> None:
    ground = Ground(database, customers=50)
    workload = Workload("logistic regression")
    cases.logged(ground, "ours", workload)
    ground.tables("hand")
    setwise.make(ground, "hand", workload)
    for schema in ("hand", "ours"):
        for turn in range(2):
            ground.run(
                f"insert into {schema}.event select 1 + i % 40, now() - i * interval '1 hour', i % 97 "
                f"from generate_series({turn}, 500) as i"
            )
    columns = "customer_id, events_n, amount_sum, amount_mean, amount_min, amount_max, big_n, small_n, last_amount, churn"
    hand, ours = (
        ground.rows(f"select {columns} from {s}.customer where events_n > 0 order by 1")
        for s in ("hand", "ours")
    )
    ground.close()
    assert len(hand) == 40
    assert hand == ours


def test_pgbench_gives_the_time_between_events(database: str) -> None:
    if loads.find_pgbench() is None:
        pytest.skip("found no pgbench")
    ground = Ground(database, customers=50)
    ground.tables("shop")
    found = loads.pgbench(ground, "shop", clients=2, seconds=1, commit="off")()
    events = ground.value("select count(*) from shop.event")
    ground.close()
    # the first of two seconds is left out: it may have brought no event, or twice as many as the other
    assert 1e6 / events / 5 < found < 2e6 / events * 5


def test_the_memory_of_a_backend_is_read_where_it_runs_here(database: str) -> None:
    ground = Ground(database, customers=50)
    pid = ground.connection.info.backend_pid
    found = proportional_memory(pid)
    ground.close()
    if found is None:
        pytest.skip("the server's processes cannot be seen from here")
    assert 0.5 < found < 500


def test_a_run_without_a_named_server_has_one_with_memory_for_its_tables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ground_module, "SHARE_OF_MEMORY", 0.01)
    expected = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 100 >> 20
    with own_server() as dsn, psycopg.connect(dsn) as connection:
        found = connection.execute(
            "select setting::bigint * 8192 >> 20 from pg_settings where name = 'shared_buffers'"
        ).fetchone()
    assert found == (expected,)


def test_a_run_without_a_server_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none() -> NoReturn:
        raise ClusterError("found no PostgreSQL; run: make bootstrap")

    monkeypatch.delenv("MODELPACK_DSN", raising=False)
    monkeypatch.setattr("dev.cluster.get_bindir", lambda _version: none())
    assert main(["--tiny"]) == 2
    said = capsys.readouterr().err
    assert "found no PostgreSQL" in said
    assert "MODELPACK_DSN" in said
