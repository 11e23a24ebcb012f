"""What a declaration says of the good that is to come of a score: `Outcome(…, metrics={"revenue": Metric("…", horizon="30 days")})`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelpack.declaration.duration import duration
from modelpack.declaration.expressions import steady
from modelpack.outcomes.declared import check_spanned


@dataclass(frozen=True)
class Metric:
    """A number for each entity over a span of time, for experiments.

    `sql` is an expression over the profile row `p`, the beginning of the span `t.at` and its end `t.until`, for example
    `(select coalesce(sum(e.amount), 0) from purchase as e where e.customer_id = p.customer_id and e.purchased_at > t.at and
    e.purchased_at <= t.until)`. Of `p` it may read the key and the columns that no event maintains. The span is the `horizon` from
    the moment on at which the entity was given its arm, and as long before it, by which the comparison is sharpened.
    `grace`: how late the last event of it may arrive.
    """

    sql: str
    horizon: str
    grace: str = "0 days"

    def __post_init__(self) -> None:
        duration(self.horizon, what="the horizon of Metric()")
        if self.grace != "0 days":
            duration(self.grace, what="the grace of Metric()")
        check_spanned(self.sql, "the metric")

    def to_dict(self) -> dict[str, Any]:
        """The metric as JSON, as the schema reads it."""
        return {"sql": steady(self.sql.strip()), "horizon": self.horizon, "grace": self.grace}
