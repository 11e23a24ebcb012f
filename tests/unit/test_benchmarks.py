"""The benchmarks without a database: ratios, what is worse than recorded, and where the page comes from."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("benchmarks", reason="the benchmarks are not there (an installed wheel)")

from benchmarks import check, report
from benchmarks.budgets import verdicts
from benchmarks.figures import Figures
from benchmarks.instructions import instructions
from benchmarks.names import FLOOR, LOG, beside
from benchmarks.rounds import Group, interleave
from benchmarks.sizes import TINY

FIGURES = Figures(1, 1, 100, 100, None, 500, 110, None)


def group(floor: list[float], ours: list[float], name: str = "single") -> Group:
    return Group(name, "One event", "µs an event", "floor", {"floor": floor, "ours": ours}, ["ours"])


def test_a_ratio_is_taken_within_a_round() -> None:
    ratio = group([10, 20, 10], [15, 40, 11]).ratio("ours")
    assert (ratio.least, ratio.median, ratio.most, ratio.best) == (1.1, 1.5, 2.0, 1.1)


def test_rounds_are_interleaved_and_every_second_one_goes_the_other_way() -> None:
    order: list[str] = []

    def run(case: str) -> float:
        order.append(case)
        return float(len(order))

    found = interleave(group([], []), {c: lambda c=c: run(c) for c in ("floor", "ours")}, 2)  # type: ignore[misc]
    assert order == ["floor", "ours", "floor", "ours", "ours", "floor"]  # the first two warm the sessions
    assert found.readings == {"floor": [3, 6], "ours": [4, 5]}


def test_a_ratio_within_the_recorded_spread_passes() -> None:
    recorded = check.record([group([10, 10, 10], [14, 15, 17])])
    assert recorded == {"single: ours": {"best": 1.4, "allowed": 1.7}}
    assert check.complaints([group([100, 100], [168, 900])], recorded) == {}


def test_a_worse_ratio_is_named_with_how_much_worse() -> None:
    recorded = check.record([group([10, 10, 10], [14, 15, 17])])
    (sentence,) = check.complaints([group([10, 10], [21, 22])], recorded).values()
    assert sentence == ("single: ours: 2.10 times the floor, recorded 1.40, expected 1.70 at most: 50% worse")


def test_a_quiet_recording_leaves_room_for_what_two_quiet_runs_differ_by() -> None:
    recorded = check.record([group([10, 10], [20, 20])])
    assert check.complaints([group([10, 10], [21.9, 21.9])], recorded) == {}
    assert len(check.complaints([group([10, 10], [22.1, 22.1])], recorded)) == 1


def test_what_is_recorded_must_be_measured() -> None:
    recorded = check.record([group([10], [20]), group([10], [20], "copy")])
    (sentence,) = check.complaints([group([10], [20])], recorded).values()
    assert sentence.startswith("copy: ours: recorded, but not measured")


def test_recorded_ratios_are_read_back(tmp_path: Path) -> None:
    runs = [[group([10, 10], ours)] for ours in ([14, 15], [13, 20], [16, 17])]
    check.write(runs, tmp_path / "recorded.json")
    assert check.read(tmp_path / "recorded.json") == {"single: ours": {"best": 1.4, "allowed": 2.0}}


def measured(part: str, ours: float) -> list[Group]:
    return [replace(group([10], [ours], part), part=part)]


def test_what_is_worse_once_is_measured_again_and_complained_of_when_it_stays() -> None:
    recorded = check.record([group([10], [20], name) for name in ("single", "copies", "clients")])
    first = [
        g for name, ours in {"single": 30, "copies": 30, "clients": 20}.items() for g in measured(name, ours)
    ]
    asked: list[str] = []

    def again(part: str) -> list[Group]:
        asked.append(part)
        return measured(part, 31 if part == "copies" else 20)

    found = check.still(first, recorded, again)
    assert asked == ["single", "copies", "copies"]
    assert list(found) == ["copies: ours"]
    assert "3.10 times the floor" in found["copies: ours"]


def test_what_was_not_measured_is_complained_of_without_another_run() -> None:
    recorded = check.record([group([10], [20]), group([10], [20], "copies")])
    found = check.still(measured("single", 20), recorded, lambda part: pytest.fail(f"measured {part} again"))
    assert list(found) == ["copies: ours"]


def test_a_budget_is_met_missed_or_not_measured() -> None:
    def judged(ours: float) -> str:
        single = Group("single", "", "", FLOOR, {FLOOR: [10.0], LOG: [ours]})
        return verdicts([single], FIGURES)[0][-1]

    assert [judged(ours) for ours in (14, 19, 21)] == ["aim met", "met", "missed"]
    assert verdicts([], FIGURES)[0][-1] == "not measured"
    twice = Figures(2, 1, 100, 100, None, None, None, None)
    assert verdicts([], twice)[-1][-1] == "missed"


def test_a_growth_stands_beside_that_of_the_hand_written_trigger_where_it_ran() -> None:
    def judged(**rival: list[float]) -> str:
        cases = {"10 events": [10.0, 20.0], "1,000 events": [20.0, 40.0]}
        cases |= {beside(name.replace("_", " ")): found for name, found in rival.items()}
        return verdicts([Group("growth events", "", "", "10 events", cases, ["1,000 events"])], FIGURES)[-2][
            -1
        ]

    assert judged() == "missed"
    assert judged(**{"10_events": [3.0, 4.0]}) == "missed"
    found = judged(**{"10_events": [3.0, 4.0], "1,000_events": [4.5, 6.0]})
    assert found == "missed; counters by hand grow by 1.50×"


def test_instructions_are_not_counted_without_valgrind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert instructions(None, TINY).skipped == {
        LOG: "valgrind is not installed; run: apt-get install valgrind"
    }


def test_the_page_is_made_from_the_recorded_result() -> None:
    assert report.current() == report.PAGE.read_text(), "run: make docs"


def test_writing_the_page_changes_nothing_outside_its_markers() -> None:
    text = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    made = report.page(report.Result({"suite": "tiny"}, [group([10], [15])], FIGURES), text)
    assert made.startswith(f"before\n{report.BEGIN}\n")
    assert made.endswith(f"{report.END}\nafter\n")
    assert "old" not in made
    assert "| ours | 15.0 | 15.0 to 15.0 | 1.50 (1.50 to 1.50) |" in made


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="lost its markers"):
        report.page(report.Result({"suite": "tiny"}, [], FIGURES), "by hand")


def test_every_plot_of_the_page_is_there() -> None:
    plots = re.findall(r"\]\((benchmarks/[^)]+)\)", report.PAGE.read_text())
    assert plots
    assert [p for p in plots if not (report.PAGE.parent / p).is_file()] == []


def test_plots_are_drawn_where_matplotlib_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is in the extra `bench`")
    (path,) = report.plot([group([10, 12], [15, 16]), group([1], [2], "not plotted")], tmp_path)
    assert path.name == "single.svg"
    assert "<svg" in path.read_text()
