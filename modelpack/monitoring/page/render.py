"""The page: one file of HTML, without scripts and without anything that is fetched."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import modelpack
from modelpack.monitoring.page import words
from modelpack.monitoring.page.canvas import Chart
from modelpack.monitoring.page.charts import Drawing

Row = dict[str, Any]

FITTING = ("auc", "rmse", "mae", "brier")
"""Figures of modelpack.fit, the first that is there is drawn."""


def figure(value: Any) -> str:
    """A number as people read it, with about three digits that say something."""
    if value is None:
        return "–"
    if isinstance(value, (bool, str, list, dict, datetime)):
        return str(value)
    number = float(value)
    if not math.isfinite(number):
        return str(number)
    if number == int(number) and abs(number) < 1e15:
        return f"{int(number):,}"
    if abs(number) >= 1000:
        return f"{number:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(number))))
    return f"{number:.{min(digits, 6)}f}" if abs(number) >= 1e-4 else f"{number:.1e}"


def render(facts: Row) -> str:
    """The page of a model. Raises ExtraError where the libraries for charts are missing."""
    drawing = Drawing()
    environment = Environment(
        loader=PackageLoader("modelpack.monitoring", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    # made here alone, from numbers and labels, and cleaned: nothing else passes unescaped
    environment.filters["svg"] = Markup
    environment.filters |= {
        "figure": figure,
        "percent": words.percent,
        "moment": words.moment,
        "day": words.day,
        "ago": words.ago,
    }
    open_alerts = [a for a in facts["alerts"] if a["closed_at"] is None]
    closed = [a for a in facts["alerts"] if a["closed_at"] is not None]
    return environment.get_template("page.html").render(
        facts=facts,
        program=modelpack.__version__,
        verdict=words.verdict(facts),
        titles=words.TITLES,
        open_alerts=open_alerts,
        closed_alerts=closed,
        charts={
            "history": _history(drawing, facts),
            "importance": drawing.importance(facts["explanations"]) if facts["explanations"] else None,
        },
        scores=[_score(drawing, facts, s) for s in facts["scores"]],
        experiments=[_experiment(drawing, e) for e in facts["experiments"]],
    )


def _history(drawing: Drawing, facts: Row) -> Chart | None:
    since = facts["read_at"] - timedelta(days=facts["days"])
    alerts = [a for a in facts["alerts"] if (a["closed_at"] or facts["read_at"]) > since]
    if not (facts["reigns"] or alerts or facts["timeline"]):
        return None
    return drawing.history(facts["reigns"], alerts, facts["timeline"], since, facts["read_at"], words.TITLES)


def _score(drawing: Drawing, facts: Row, score: Row) -> Row:
    def its(rows: list[Row]) -> list[Row]:
        return [r for r in rows if (r["profile"], r["score"]) == (score["profile"], score["score"])]

    since = facts["read_at"] - timedelta(days=facts["days"])
    marks = [r for r in facts["reigns"] if r["since"] > since]
    response, fit = its(facts["response"]), its(facts["fit"])
    drift = [d for d in its(facts["drift"]) if d["psi"] is not None]
    newest_drift = max((d["day"] for d in drift), default=None)
    # the champion's, and no days that are long past
    whole = [
        d
        for d in drift
        if not d["segment"] and d["version"] == facts["champion"] and d["day"] == newest_drift
    ]
    by_day, latency, staleness = its(facts["score_drift"]), its(facts["latency"]), its(facts["staleness"])
    newest = max((r["day"] for r in response), default=None)
    key = next((k for k in FITTING if any(f[k] is not None for f in fit)), "auc")
    changed = sorted({d["input"] for d in whole if d["beyond"] and d["input"] is not None})
    inputs = {d["input"] for d in whole if d["input"] is not None}
    marked = [m for m in marks if newest is not None]
    return score | {
        "today": [r for r in response if r["day"] == newest],
        "response": drawing.response(response, marked) if _drawable(response, "p50") else None,
        "shares": drawing.shares(response, marked) if _drawable(response, "uncertain_share", "largest_share") else None,
        "predictions": drawing.predictions(response) if response else None,
        "drift_rows": sorted(drift, key=lambda d: (-(d["psi"] or 0), d["input"] or "")),
        "drift_words": _drifted(changed, len(inputs)),
        "inputs": len(inputs),
        "drift": drawing.drift(whole) if whole else None,
        "drift_by_day": drawing.drift_by_day(by_day, marked) if len({d["day"] for d in by_day if d["psi"] is not None}) > 1 else None,
        "fit_rows": sorted(fit, key=lambda f: f["cut_off"], reverse=True),
        "figure": key,
        "figure_name": key.upper() if key != "brier" else "Brier score",
        "fit": drawing.fit(fit, key) if fit else None,
        "calibrations": [
            {"row": c, "chart": drawing.calibration(c["bins"]) if len(c["bins"]) > 1 else None} for c in its(facts["calibration"])
        ],
        "latency": drawing.latency(latency, facts["time_budget_seconds"]) if _drawable(latency, "p50") else None,
        "staleness": drawing.staleness(staleness) if any(r["rows"] for r in staleness) else None,
    }  # fmt: skip


def _drawable(rows: list[Row], *keys: str) -> bool:
    return any(r[k] is not None for r in rows for k in keys)


def _drifted(changed: list[str], inputs: int) -> str:
    if not inputs:
        return "Nothing is known of its inputs."
    if not changed:
        return f"None of {inputs} inputs has changed by more than chance allows."
    named = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
    return f"{len(changed)} of {inputs} inputs {'has' if len(changed) == 1 else 'have'} changed by more than chance allows: {named}."


def _experiment(drawing: Drawing, experiment: Row) -> Row:
    measured = {e["arm"]: e for e in experiment.get("effects", ())}
    return {
        "row": {"balanced": None, "metric": None, "effects": []} | experiment,
        "chart": drawing.effects(experiment),
        "arms": [
            a | {"measured": measured.get(a["arm"], {}).get("measured"), "mean": measured.get(a["arm"], {}).get("mean")}
            for a in experiment["arms"]
        ],
    }  # fmt: skip
