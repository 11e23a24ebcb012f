"""The budgets: what a ratio must be, what it is meant to be, and what a run found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.figures import Figures
from benchmarks.growth import MEMORY, SPENT, by_python
from benchmarks.names import FRAME, HAND, LOG, PICKLED, PYTHON, RESCORE, SOCKET, beside, committed
from benchmarks.rounds import Group
from benchmarks.startup import HELP, LIST

Verdict = tuple[str, str, str, str, str]
"""Budget, must, aim, found, met or not."""


def verdicts(groups: Sequence[Group], figures: Figures) -> list[Verdict]:
    """Each budget with what was found, and whether it is met."""
    named = {group.name: group for group in groups}
    return (
        list(_costs(named))
        + list(_absolute(named))
        + list(_rivals(named))
        + list(_growth(groups))
        + [_once(figures)]
    )


def _at_most(what: str, must: float, aim: float, found: float | None) -> Verdict:
    judged = (
        "not measured"
        if found is None
        else "aim met"
        if found <= aim
        else "met"
        if found <= must
        else "missed"
    )
    return what, f"≤ {must:g}×", f"≤ {aim:g}×", "" if found is None else f"{found:.2f}×", judged


def _at_least(what: str, must: float, aim: float, found: float | None) -> Verdict:
    judged = (
        "not measured"
        if found is None
        else "aim met"
        if found >= aim
        else "met"
        if found >= must
        else "missed"
    )
    return what, f"≥ {must:g}×", f"≥ {aim:g}×", "" if found is None else f"{found:.1f}×", judged


def _median(named: dict[str, Group], group: str, case: str, other: str | None = None) -> float | None:
    found = named.get(group)
    if found is None or case not in found.readings or (other or found.floor) not in found.readings:
        return None
    return found.ratio(case, other).median


def _costs(named: dict[str, Group]) -> Iterator[Verdict]:
    yield _at_most(
        "one event, count + score + log, against the same counters without a model", 2.0, 1.5,
        _median(named, "single", LOG),
    )  # fmt: skip
    yield _at_most(
        "the same, against counters by a hand-written row trigger (INSERT only, no missing customers)", 2.0, 1.5,
        _median(named, "single", LOG, HAND),
    )  # fmt: skip
    for kind, of, budgets in (
        ("", "", ((100, 1.6, 1.3), (10_000, 1.3, 1.1), (50_000, 1.2, 1.0))),
        (
            " with windows, decay and a text input",
            "rich ",
            ((100, 2.0, 1.5), (10_000, 1.7, 1.3), (50_000, 1.5, 1.2)),
        ),
    ):
        for rows, must, aim in budgets:
            what = f"{rows:,} events in one statement{kind}, against the same counters without a model"
            yield _at_most(what, must, aim, _median(named, f"{of}statement of {rows}", LOG))
    yield _at_most(
        "an application's UPDATE of a column that no model reads, against no trigger", 1.6, 1.3,
        _median(named, "other update", LOG),
    )  # fmt: skip
    yield _at_most(
        "profiles scored again, against an UPDATE that writes the same columns", 5.2, 4.0,
        _median(named, "rescore", RESCORE),
    )  # fmt: skip


def _absolute(named: dict[str, Group]) -> Iterator[Verdict]:
    """What one session costs: instructions do not depend on how busy the machine is, processor time does a little."""
    counted = named.get("instructions")
    for case, must, aim in (
        (LOG, 355, 325),
        (committed(LOG), 450, 420),
        (PYTHON, 300, 300),
        (committed(PYTHON), 390, 390),
    ):
        found = counted.median(case) / 1000 if counted and case in counted.readings else None
        yield _amount(f"instructions of one event, {case}, thousands", must, aim, found)
    sessions = named.get("growth connections")
    for what, must, aim in (
        (f"20 open: {SPENT}", 150, 110),
        (f"20 open: {MEMORY}", 32, 28),
        (by_python(f"20 open: {SPENT}"), 30, 20),
    ):
        found = sessions.median(what) if sessions and what in sessions.readings else None
        yield _amount(what, must, aim, found)
    if started := named.get("startup"):
        for case in (HELP, LIST):
            yield _amount(f"{case}, processor time in ms", 500, 350, started.median(case))


def _amount(what: str, must: float, aim: float, found: float | None) -> Verdict:
    *_, judged = _at_most(what, must, aim, found)
    return what, f"≤ {must:g}", f"≤ {aim:g}", "" if found is None else f"{found:.4g}", judged


def _rivals(named: dict[str, Group]) -> Iterator[Verdict]:
    for case, row in ((PICKLED, "given a numpy row"), (FRAME, "given a pandas row")):
        what = f"faster than a trigger that caches an unpickled scikit-learn model, {row}"
        yield _at_least(what, 12, 20, _median(named, "single", case, LOG))
    for mode in ("on", "off"):
        if f"client, commit {mode}" in named:
            what = (
                f"more events a second than an application over a local socket, synchronous_commit = {mode}"
            )
            yield _at_least(what, 2, 4, _median(named, f"client, commit {mode}", SOCKET, LOG))


def _growth(groups: Sequence[Group]) -> Iterator[Verdict]:
    """The budget speaks of profiles, events and versions; inputs may cost what they cost."""
    for group in groups:
        what = group.name.removeprefix("growth ")
        if group.name.startswith("growth ") and what.split(",")[0] in ("profiles", "events", "versions"):
            most = group.watched[-1] if group.watched else None
            title = f"one event, {most} against {group.floor}" if most else f"one event, more {what}"
            verdict = _at_most(title, 1.3, 1.1, group.ratio(most).median if most else None)
            yield (*verdict[:-1], verdict[-1] + _rival_growth(group, most))


def _rival_growth(group: Group, most: str | None) -> str:
    """What the hand-written trigger grew by beside ours, on tables of the same sizes; nothing where it did not run."""
    few, many = beside(group.floor), beside(most or "")
    if few not in group.readings or many not in group.readings:
        return ""
    return f"; counters by hand grow by {group.ratio(many, few).median:.2f}×"


def _once(figures: Figures) -> Verdict:
    met = figures.row_versions == 1 and figures.bulk_row_versions == figures.bulk_rows
    found = f"{figures.row_versions}; in bulk {figures.bulk_row_versions / figures.bulk_rows:g}"
    return (
        "profile row versions of a touched row and statement",
        "1",
        "1",
        found,
        "aim met" if met else "missed",
    )
