"""Facts of a model as `read_facts` gives them, made up: many inputs, two versions, a shift, an alert, an experiment."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from typing import Any

NOW = datetime(2026, 11, 27, 14, 30, tzinfo=timezone.utc)
Row = dict[str, Any]


def made(inputs: int = 50, days: int = 30, hostile: str = "") -> Row:
    """A month of a shop. `hostile` stands in every text that somebody else may have written."""
    drawn = random.Random(4)
    names = [f"{hostile}input_{i:02}" for i in range(inputs)]
    where = {"profile": f"public.customer{hostile}", "score": f"churn{hostile}", "model": "churn"}
    changed = NOW - timedelta(days=12)

    def version(day: int) -> int:
        return 3 if day <= 12 else 2

    response = [
        where
        | {
            "version": version(d), "arm": "", "day": (NOW - timedelta(days=d)).date(), "predictions": 9000 + drawn.randint(-2500, 2500), "entities": 4000,
            "mean": 0.31 + 0.004 * (30 - d) * (d < 6), "deviation": 0.2, "p05": 0.03, "p25": 0.11 + 0.02 * drawn.random(), "p50": 0.24 + 0.05 * drawn.random() + (0.1 if d < 6 else 0),
            "p75": 0.52 + 0.04 * drawn.random(), "p95": 0.86, "uncertain_share": 0.18 + 0.03 * drawn.random() + (0.25 if d < 6 else 0), "entropy": 3.1,
            "largest_share": 0.04 + 0.01 * drawn.random(), "distinct_scores": 1800,
        }
        for d in range(days - 1, -1, -1)
    ]  # fmt: skip
    drift = [
        where
        | {
            "version": 3, "day": NOW.date(), "segment": None, "input": name, "against": against, "rows": 9000, "rows_before": 60000, "effective_rows": 7800.0,
            "psi": psi, "jensen_shannon": psi / 8, "wasserstein": 0.1, "missing": 0.01, "missing_before": 0.012, "unseen": 0.0, "unseen_before": 0.0,
            "critical": 0.012, "drifted": psi > 0.1, "bound": 0.1, "beyond": psi > 0.1,
        }
        for against in ("reference", "last week")
        for name, psi in [(None, 0.14 if against == "reference" else 0.03), *((n, 0.42 if i == 7 else 0.21 if i == 11 and against == "reference" else 0.05 * drawn.random()) for i, n in enumerate(names))]
    ]  # fmt: skip
    return {
        "model": "churn", "description": f"Will the customer stay? {hostile}", "disabled": None, "disabled_at": None, "read_at": NOW, "database": "shop",
        "champion": 3, "looked_at": NOW - timedelta(minutes=4), "time_budget_seconds": 0.25, "days": days,
        "versions": [
            {"version": v, "aliases": ["champion"] if v == 3 else None, "created_at": NOW - timedelta(days=40 - 9 * v), "created_by": "anna",
             "note": f"Retrained with complaints of the year. {hostile}", "metrics": {}}
            for v in (3, 2, 1)
        ],
        "reigns": [
            {"version": 2, "since": NOW - timedelta(days=50), "until": changed, "reason": hostile, "action": "promote"},
            {"version": 3, "since": changed, "until": None, "reason": hostile, "action": "promote"},
        ],
        "scores": [{"profile": where["profile"], "score": where["score"], "on_error": "stale", "kind": "binary", "has_outcome": True}],
        "alerts": [
            {"alert_id": 2, "model": "churn", "kind": "drift", "subject": f"churn version 3{hostile}", "opened_at": NOW - timedelta(days=5, hours=3), "closed_at": None,
             "value": 0.42, "bound": 0.1, "words": f"2 of 50 of churn of public.customer version 3, inputs against reference differ on 2026-11-27: {names[min(7, inputs - 1)]} (PSI 0.420, bound 0.100), {names[11 % inputs]} (PSI 0.210, bound 0.100)",
             "closed_because": None, "unit": "PSI", "meaning": "an input or the score is distributed otherwise than in the reference or the last good week, by more than chance"},
            {"alert_id": 1, "model": "churn", "kind": "stale", "subject": "churn of public.customer", "opened_at": NOW - timedelta(days=15), "closed_at": NOW - timedelta(days=14, hours=20),
             "value": 0.09, "bound": 0.05, "words": "412 of 4700 rows of public.customer have no fresh churn: features (412)", "closed_because": "it was 0.01 at the last look",
             "unit": "share", "meaning": "so large a share of the rows of a profile has no fresh score"},
        ],
        "response": response,
        "drift": drift,
        "score_drift": [
            where | {"version": version(d), "day": (NOW - timedelta(days=d)).date(), "against": against, "rows": 9000, "psi": 0.01 * drawn.random() + (0.1 if d < 6 else 0), "critical": 0.012, "drifted": d < 6}
            for against in ("last week", "reference")
            for d in range(days - 1, -1, -1)
        ],
        "latency": [
            where | {"version": version(h // 24), "hour": NOW.replace(minute=0) - timedelta(hours=h), "measured": 400, "p50": 90 + 30 * drawn.random(), "p95": 160 + 60 * drawn.random(), "p99": 300 + 600 * drawn.random() ** 4}
            for h in range(days * 24 - 1, -1, -1)
        ],
        "staleness": [
            where | {"hour": NOW.replace(minute=0) - timedelta(hours=h), "rows": 4700, "stale": 420 if 14 * 24 + 20 <= h < 15 * 24 else drawn.randint(0, 12), "reasons": {"features": 3}}
            for h in range(days * 24 - 1, -1, -1)
        ],
        "timeline": [
            {"at": changed, "kind": "promote", "model": "churn", "what": f"version 3 promoted by anna: better on complaints {hostile}"},
            {"at": NOW - timedelta(days=15, hours=1), "kind": "load", "model": None, "what": "12,000 rows of public.purchase came past the triggers"},
            {"at": NOW - timedelta(days=6), "kind": "declaration", "model": None, "what": f"declaration of public.customer applied by dba {hostile}"},
        ],
        "fit": [
            where | {"version": 2, "cut_off": NOW - timedelta(days=7 * w), "rows": 4700, "settled": 4700 if w > 4 else 900, "pending": 0 if w > 4 else 3800, "lost": 0, "pending_share": 0.0 if w > 4 else 0.81,
                     "final": w > 4, "mean_score": 0.3, "mean_outcome": 0.28, "auc": 0.79 + 0.03 * drawn.random(), "brier": 0.15, "mae": None, "rmse": None}
            for w in range(14, 0, -1)
        ],
        "calibration": [
            {"profile": where["profile"], "score": where["score"], "version": 2, "rows": 47000, "settled": 47000,
             "figures": {"AUC": {"value": 0.801, "low": 0.79, "high": 0.812}, "Brier score": {"value": 0.15, "low": None, "high": None}},
             "bins": [{"rows": 4700, "said": 0.05 + 0.09 * i, "came": 0.04 + 0.085 * i, "low": max(0, 0.02 + 0.085 * i), "high": 0.06 + 0.085 * i} for i in range(10)]},
        ],
        "experiments": [
            {"experiment": f"autumn{hostile}", "profile": where["profile"], "score": where["score"], "started_at": NOW - timedelta(days=9), "ended_at": None, "ended_why": None, "winner": None,
             "arms": [{"arm": "old", "version": 2, "weight": 0.5, "entities": 2311}, {"arm": f"new{hostile}", "version": 3, "weight": 0.5, "entities": 2362}],
             "metric": "outcome", "balanced": True, "pending": 120,
             "effects": [{"arm": "old", "measured": 2200, "mean": 0.41, "difference": None, "low": None, "high": None, "words": None},
                         {"arm": f"new{hostile}", "measured": 2240, "mean": 0.44, "difference": 0.03, "low": -0.01, "high": 0.07, "words": f"new{hostile} and old cannot be told apart by outcome: +0.03, -0.01 to +0.07 however often one looks."}]},
        ],
        "features": [
            {"profile": where["profile"], "feature": n, "meaning": f"how often {hostile}", "source": "purchase", "type": "bigint", "fresh": "at once", "missing": 0.01, "minimum": 0.0, "maximum": 9.0, "versions": ["churn 3"]}
            for n in names
        ],
        "explanations": [{"input": n, "importance": 0.2 / (i + 1), "mean_contribution": 0.01 * (-1) ** i, "explained": 100} for i, n in enumerate(names)],
    }  # fmt: skip
