"""The verdict: what the figures say, in a few sentences for somebody who is no engineer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any, Literal

Row = dict[str, Any]
State = Literal["good", "look", "bad", "unknown"]

HEADLINES: dict[State, str] = {
    "good": "It is working.",
    "look": "It is working, but look at this.",
    "bad": "Something is wrong.",
    "unknown": "Nobody can say.",
}
SERIOUS = ("stale", "failures", "observe", "split", "one_value", "few_scores", "auc", "brier", "mae", "rmse")
"""Kinds of alerts after which the scores should not be relied on before somebody has looked."""

GUESSING = 0.55
"""Below this AUC a model hardly tells customers apart."""

TITLES = {
    "drift": "Customers look different",
    "one_value": "Most scores are the same",
    "uncertain": "The model is undecided",
    "few_scores": "Few different scores",
    "stale": "Scores are out of date",
    "failures": "The model fails",
    "latency": "Scoring is slow",
    "pending": "Outcomes are overdue",
    "auc": "Scores fit badly",
    "brier": "Scores fit badly",
    "mae": "Scores fit badly",
    "rmse": "Scores fit badly",
    "split": "Experiment is off balance",
    "guardrail": "Experiment was stopped",
    "interrupted": "A job was interrupted",
    "backlog": "A shadow lags behind",
    "observe": "Nobody is watching",
}
"""What each kind of alert is called where people read it."""


@dataclass(frozen=True)
class Verdict:
    """How it is, in words."""

    state: State
    headline: str
    sentences: tuple[str, ...]


def verdict(facts: Row) -> Verdict:
    """Judge by what is open and by what scores."""
    model, champion = facts["model"], facts["champion"]
    open_alerts = [a for a in facts["alerts"] if a["closed_at"] is None]
    said: list[str] = []
    state: State = "good"
    if champion is None:
        return Verdict(
            "unknown", "It does not score.", (f"No version of {model} has been promoted, so nothing scores.",)
        )
    since = next((r["since"] for r in reversed(facts["reigns"]) if r["version"] == champion), None)
    said.append(
        f"Version {champion} of {model} scores{'' if since is None else f' since {day(since)}'}{_often(facts)}."
    )
    if facts["disabled"] is not None:
        said.append(f"The model was disabled at {moment(facts['disabled_at'])}: {facts['disabled']}.")
        state = "bad"
    if facts["looked_at"] is None:
        said.append(
            "Nothing has been observed yet, so there are no figures: modelpack.observe() has not run."
        )
        return Verdict(
            "bad" if state == "bad" else "unknown",
            HEADLINES["bad" if state == "bad" else "unknown"],
            tuple(said),
        )
    kinds = sorted({a["kind"] for a in open_alerts}, key=lambda k: (k not in SERIOUS, k))
    if any(k in SERIOUS for k in kinds):
        state = "bad"
    elif kinds and state == "good":
        state = "look"
    said += [f"{TITLES.get(k, k)}: {_count(k, open_alerts)}." for k in kinds]
    if not kinds:
        said.append("No alert is open.")
    newest = max(
        (f for f in facts["fit"] if f["final"] and f["auc"] is not None),
        key=lambda f: f["cut_off"],
        default=None,
    )
    if state == "good" and newest is not None and newest["auc"] < GUESSING:
        state = "look"
    said += _confused(facts, kinds)
    said += _fitted(facts)
    return Verdict(state, HEADLINES[state], tuple(said))


def _count(kind: str, alerts: Sequence[Row]) -> str:
    its = [a for a in alerts if a["kind"] == kind]
    since = min(a["opened_at"] for a in its)
    more = f", and {len(its) - 1} more" if len(its) > 1 else ""
    return f"{its[0]['words']}{more} (since {moment(since)})"


def _often(facts: Row) -> str:
    days = [r["day"] for r in facts["response"]]
    if not days:
        return ""
    last = max(days)
    total = sum(r["predictions"] for r in facts["response"] if r["day"] == last)
    return f"; on {day(last)} all versions together gave {total:,} {'score' if total == 1 else 'scores'}"


def _confused(facts: Row, kinds: Sequence[str]) -> list[str]:
    """What is worth saying of the newest day where no alert says it already."""
    rows = [r for r in facts["response"] if r["version"] == facts["champion"]]
    if not rows or {"uncertain", "one_value", "few_scores"} & set(kinds):
        return []
    newest = max(rows, key=lambda r: (r["day"], r["predictions"]))
    if newest["uncertain_share"] is None:
        return []
    decided = 1 - newest["uncertain_share"]
    return [
        f"It takes a clear position on {percent(decided)} of the customers scored that day; {percent(newest['uncertain_share'])} "
        "lie in the uncertain band."
    ]


def _fitted(facts: Row) -> list[str]:
    final = [f for f in facts["fit"] if f["final"]]
    pending = sum(f["pending"] for f in facts["fit"])
    rows = sum(f["rows"] for f in facts["fit"])
    said = []
    if final:
        newest = max(final, key=lambda f: (f["cut_off"], f["settled"]))
        name, value = next(
            ((n, newest[k]) for n, k in (("AUC", "auc"), ("RMSE", "rmse")) if newest[k] is not None),
            (None, None),
        )
        if name and value is not None:
            said.append(
                f"Of the scores of {day(newest['cut_off'])} the truth is known: version {newest['version']} had an {name} of {value:.3f}"
                + (f" ({_how_good(value)})." if name == "AUC" else ".")
            )
    if rows:
        said.append(f"Of {percent(pending / rows)} of all judged scores the truth is not known yet.")
    return said


def _how_good(auc: float) -> str:
    return "hardly better than guessing, which is 0.5" if auc < GUESSING else "1 is perfect, 0.5 is guessing"


def percent(share: float | None) -> str:
    """A share as people read it."""
    if share is None:
        return "–"
    if 0 < share < 0.001:
        return "under 0.1%"
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"


def day(at: date | datetime) -> str:
    """A day in words, the same in every language setting."""
    return (
        f"{at.day} {('January February March April May June July August September October November December').split()[at.month - 1]} "
        f"{at.year}"
    )


def moment(at: datetime) -> str:
    """A moment in UTC."""
    return f"{at.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"


def ago(at: datetime, now: datetime) -> str:
    """How long ago, in one unit."""
    gone = now - at
    for unit, size in (
        ("days", timedelta(days=1)),
        ("hours", timedelta(hours=1)),
        ("minutes", timedelta(minutes=1)),
    ):
        if gone >= 2 * size:
            return f"{gone // size} {unit} ago"
    return "just now"
