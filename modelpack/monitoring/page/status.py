"""The same in a terminal: about twenty lines, with sparklines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from modelpack.monitoring.page import words
from modelpack.monitoring.page.render import FITTING, figure

Row = dict[str, Any]

BARS = "▁▂▃▄▅▆▇█"
SIGNS = {"good": "[ok]", "look": "[look]", "bad": "[WRONG]", "unknown": "[?]"}
LINES = 20
POINTS = 30


def sparkline(values: Sequence[float | None], *, low: float | None = None, high: float | None = None) -> str:
    """A row of bars, one for each value; a dot where there is none. All of one height where nothing differs."""
    known = [v for v in values if v is not None and math.isfinite(v)]
    if not known:
        return "·" * len(values)
    least = min(known) if low is None else low
    most = max(known) if high is None else high
    span = most - least

    def bar(value: float | None) -> str:
        if value is None or not math.isfinite(value):
            return "·"
        share = min(max((value - least) / span, 0), 1) if span > 0 else 0.0
        return BARS[min(int(share * len(BARS)), len(BARS) - 1)]

    return "".join(bar(v) for v in values)


def lines(facts: Row) -> list[str]:
    """What is to be known of a model, most important first; no more than LINES."""
    said = list(_lines(facts))
    if len(said) > LINES:
        said = [
            *said[: LINES - 1],
            f"… {len(said) - LINES + 1} lines more: modelpack report {facts['model']} -o report.html",
        ]
    return said


def _lines(facts: Row) -> Iterator[str]:
    judged = words.verdict(facts)
    yield f"{SIGNS[judged.state]} {facts['model']}: {judged.headline}"
    yield judged.sentences[0]
    watched = "never" if facts["looked_at"] is None else words.ago(facts["looked_at"], facts["read_at"])
    yield f"Observed: {watched}."
    open_alerts = [a for a in facts["alerts"] if a["closed_at"] is None]
    for a in open_alerts[:4]:
        yield f"! {words.TITLES.get(a['kind'], a['kind'])} ({a['kind']}, since {words.moment(a['opened_at'])}): {a['subject']}"
    if len(open_alerts) > 4:
        yield f"! and {len(open_alerts) - 4} more: modelpack alerts {facts['model']}"
    for score in facts["scores"]:
        yield from _score(facts, score)
    for e in facts["experiments"]:
        if e["ended_at"] is None:
            arms = ", ".join(f"{a['arm']} {a['entities']:,}" for a in e["arms"])
            yield f"experiment {e['experiment']}: {arms}"
    for t in facts["timeline"][:3]:
        yield f"{words.moment(t['at'])}  {t['what']}"


def _score(facts: Row, score: Row) -> Iterator[str]:
    def its(name: str) -> list[Row]:
        return [r for r in facts[name] if (r["profile"], r["score"]) == (score["profile"], score["score"])]

    yield f"{score['score']} of {score['profile']}, {facts['days']} days:"
    response = its("response")
    days = sorted({r["day"] for r in response})[-POINTS:]

    def daily(key: str) -> list[float | None]:
        # of several versions that of most scores
        found = []
        for d in days:
            most = max((r for r in response if r["day"] == d), key=lambda r: r["predictions"])
            found.append(most[key])
        return found

    if days:
        counts = [float(sum(r["predictions"] for r in response if r["day"] == d)) for d in days]
        yield _line("scores a day", counts, f"{int(counts[-1]):,}", low=0)
        yield _line("score, middle", daily("p50"), figure(daily("p50")[-1]))
        yield _line(
            "undecided", daily("uncertain_share"), words.percent(daily("uncertain_share")[-1]), low=0, high=1
        )
        yield _line(
            "one value", daily("largest_share"), words.percent(daily("largest_share")[-1]), low=0, high=1
        )
    drift = [
        d
        for d in its("drift")
        if not d["segment"] and d["psi"] is not None and d["version"] == facts["champion"]
    ]
    if drift:
        worst = max(drift, key=lambda d: d["psi"] / (max(d["critical"] or 0, d["bound"] or 0) or math.inf))
        beyond = len({d["input"] for d in drift if d["beyond"]})
        yield f"  {'drift':<14} {beyond} changed; most: {worst['input'] or 'the score'}, PSI {figure(worst['psi'])} against {worst['against']}"
    fit = its("fit")
    if fit:
        key = next((k for k in FITTING if any(f[k] is not None for f in fit)), "auc")
        known = [f for f in fit if f["final"]]
        pending = sum(f["pending"] for f in fit) / max(sum(f["rows"] for f in fit), 1)
        last = figure(known[-1][key]) if known else "–"
        yield _line(key, [f[key] for f in known][-POINTS:], f"{last}; {words.percent(pending)} pending")
    latency = its("latency")
    if latency:
        shown = latency[-POINTS:]
        yield _line(
            "p99, ms",
            [r["p99"] and r["p99"] / 1000 for r in shown],
            figure((shown[-1]["p99"] or 0) / 1000),
            low=0,
        )
    stale = [r for r in its("staleness") if r["rows"]]
    if stale:
        shown = stale[-POINTS:]
        shares = [r["stale"] / r["rows"] for r in shown]
        yield _line("stale", shares, words.percent(shares[-1]), low=0, high=max(0.01, *shares))


def _line(name: str, values: Sequence[float | None], last: str, **reach: float) -> str:
    return f"  {name:<14} {sparkline(values, **reach):<{POINTS}} {last}"
