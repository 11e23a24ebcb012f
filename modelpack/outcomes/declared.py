"""What a declaration says of the truth: `Score("churn", outcome=Outcome("not exists (…)", horizon="90 days"))`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import sqlglot
from sqlglot import exp

from modelpack.declaration.duration import duration, interval
from modelpack.declaration.expressions import check_expression, steady
from modelpack.declaration.names import check_name
from modelpack.declaration.profile import Part
from modelpack.errors import DeclarationError, shown

Kind = Literal["binary", "number"]
_METRIC = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class Outcome:
    """What a score says in advance, and when it is known.

    `sql` is an expression over the profile row `p`, the moment of the score `t.at`, and the end of the horizon
    `t.until`, for example `not exists (select from purchase as e where e.customer_id = p.customer_id and
    e.purchased_at > t.at and e.purchased_at <= t.until)`. Of `p` it may read the key and the columns that no event
    maintains: the others show the present, not the moment. Without `sql`, the truth comes from outside alone
    (`modelpack.record_outcome`).

    `horizon` is how far the score looks ahead, `grace` how late the last event of it may arrive. `kind`: "binary" (a
    boolean, or 0 and 1) or "number", which lies between `low` and `high`. `early` is the outcome that is settled as
    soon as it is seen, since no later event can change it: by default that of `exists (…)` (1) and of `not exists (…)`
    (0). `every` is the time between cut-offs; weeks begin on Monday, at midnight UTC. `share` of the entities, chosen by
    a hash of the key, stand in every cohort. `segments` are columns of the profile by which fit is shown, too.
    `metrics` are what experiments on the score are measured by beside it (`modelpack.experiments.Metric`).
    """

    sql: str | None = None
    horizon: str = ""
    grace: str = "0 days"
    kind: Kind = "binary"
    low: float | None = None
    high: float | None = None
    early: Literal[0, 1] | Literal["never"] | None = None
    every: str = "7 days"
    share: float = 1.0
    segments: Sequence[str] = ()
    metrics: Mapping[str, Part | Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        duration(self.horizon, what="the horizon of Outcome()")
        if self.grace != "0 days":
            duration(self.grace, what="the grace of Outcome()")
        duration(self.every, what="every= of Outcome()")
        if self.kind not in ("binary", "number"):
            raise DeclarationError(f'Outcome(kind={shown(self.kind)}), expected "binary" or "number"')
        for name, bound in {"low": self.low, "high": self.high}.items():
            if bound is not None and (
                self.kind == "binary"
                or isinstance(bound, bool)
                or not isinstance(bound, (int, float))
                or not math.isfinite(bound)
            ):
                raise DeclarationError(
                    f'Outcome({name}={shown(bound)}), expected a number, with kind="number"'
                )
        if self.early not in (None, 0, 1, "never") or (
            self.early in (0, 1) and (self.kind == "number" or self.sql is None)
        ):
            raise DeclarationError(
                f'Outcome(early={shown(self.early)}), expected 0, 1 or "never"; only what is binary and has an expression can be settled early'
            )
        if not isinstance(self.share, (int, float)) or not 0.0001 <= self.share <= 1:
            raise DeclarationError(f"Outcome(share={shown(self.share)}), expected a share from 0.0001 to 1")
        if isinstance(self.segments, str) or len(set(self.segments)) != len(self.segments):
            raise DeclarationError(
                f"Outcome(segments={shown(self.segments)}), expected a list of different columns of the profile"
            )
        object.__setattr__(self, "segments", tuple(self.segments))
        for column in self.segments:
            check_name(column, "a segment of Outcome()")
        if self.sql is not None:
            check_spanned(self.sql, "the outcome")
        for name in self.metrics:
            if not _METRIC.fullmatch(name) or name == "outcome":
                raise DeclarationError(
                    f"{shown(name)} cannot name a metric; expected lower-case letters, digits and _, at most 40, and not outcome, "
                    "which is the score's own"
                )
        measured = {n: m.to_dict() if isinstance(m, Part) else m for n, m in self.metrics.items()}
        object.__setattr__(self, "metrics", measured)

    @property
    def settled_early(self) -> float | None:
        """The outcome that is settled as soon as it is seen."""
        if self.early is not None or self.sql is None or self.kind == "number":
            return float(self.early) if self.early in (0, 1) else None
        tree = _tree(self.sql)
        negated = isinstance(tree, exp.Not)
        inside = tree.this if negated else tree
        while isinstance(inside, exp.Paren):
            inside = inside.this
        if not isinstance(inside, exp.Exists) or len(list(inside.find_all(exp.Select))) > 1:
            return None
        # without an aggregate, an event that is added makes EXISTS true and never false
        if inside.find(exp.AggFunc, exp.Group, exp.Having, exp.Except, exp.Window, exp.Limit, exp.Offset):
            return None
        return 0.0 if negated else 1.0

    @property
    def label(self) -> str | None:
        """The truth for a training set, over `p` and `t.at`: NULL where it cannot be known yet."""
        if self.sql is None:
            return None
        return (
            f"(select case when t.until + {_interval(self.grace)} <= now() then ({steady(self.sql.strip())}) end "
            f"from (select t.at, t.at + {interval(self.horizon)} as until) as t)"
        )

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON, as the schema reads it."""
        return {
            "sql": None if self.sql is None else steady(self.sql.strip()),
            "label": self.label,
            "horizon": self.horizon,
            "grace": self.grace,
            "kind": self.kind,
            "low": self.low,
            "high": self.high,
            "early": self.settled_early,
            "every": self.every,
            "share": max(1, round(self.share * 10_000)),
            "segments": list(self.segments),
        } | ({"metrics": dict(self.metrics)} if self.metrics else {})


def check_spanned(sql: str, what: str) -> None:
    """Refuse what is no expression over a span of time, from `t.at` to `t.until`."""
    check_expression(sql, what)
    read = {c.name.lower() for c in _tree(sql).find_all(exp.Column) if c.table.lower() == "t"}
    added = any(
        isinstance(c.parent, exp.Add) and c.table.lower() == "t" and c.name.lower() == "at"
        for c in _tree(sql).find_all(exp.Column)
    )
    if "at" not in read:
        raise DeclarationError(
            f"{what} {shown(sql)} does not read t.at, the moment of the score, so it would be the same at every moment"
        )
    if "until" not in read and not added:
        raise DeclarationError(
            f"{what} {shown(sql)} has no end, so it would depend on when it is asked; compare the time of the event "
            "with t.until, the end of the horizon: e.purchased_at > t.at and e.purchased_at <= t.until"
        )


def _interval(grace: str) -> str:
    return "interval '0'" if grace == "0 days" else interval(grace)


def _tree(sql: str) -> exp.Expression:
    tree = sqlglot.parse_one(f"select {sql}", read="postgres").expressions[0]
    while isinstance(tree, exp.Paren):
        tree = tree.this
    found: exp.Expression = tree
    return found
