"""Metrics as they are declared, and the page that shows how."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from modelpack import DeclarationError, Profile
from modelpack.experiments import Metric
from modelpack.outcomes import Outcome

SPAN = "e.customer_id = p.customer_id and e.at > t.at and e.at <= t.until"
REVENUE = f"(select coalesce(sum(e.amount), 0) from purchase as e where {SPAN})"
PAGE = Path(__file__).resolve().parents[3] / "docs/experiments.md"


def test_the_declaration_of_the_page_is_one() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(block, names)
    profile = names["customer"]
    assert isinstance(profile, Profile)
    outcome = profile.to_dict()["scores"][0]["outcome"]
    assert outcome["metrics"]["revenue"]["horizon"] == "30 days"


def test_metrics_are_kept_with_the_outcome_and_an_outcome_without_any_is_as_before() -> None:
    kept = Outcome(
        f"exists (select from purchase as e where {SPAN})",
        horizon="10 days",
        metrics={"revenue": Metric(REVENUE, horizon="5 days")},
    )
    assert kept.to_dict()["metrics"] == {"revenue": {"sql": REVENUE, "horizon": "5 days", "grace": "0 days"}}
    assert (
        "metrics"
        not in Outcome(f"exists (select from purchase as e where {SPAN})", horizon="10 days").to_dict()
    )


@pytest.mark.parametrize(
    ("sql", "horizon", "message"),
    [
        ("1", "5 days", "does not read t.at"),
        ("(select count(*) from purchase as e where e.at > t.at)", "5 days", "has no end"),
        (f"{REVENUE}; drop table purchase", "5 days", "the metric"),
        (REVENUE, "", "the horizon of Metric"),
        (REVENUE, "soon", "the horizon of Metric"),
    ],
)
def test_what_cannot_be_a_metric_is_refused(sql: str, horizon: str, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        Metric(sql, horizon=horizon)


@pytest.mark.parametrize("name", ["outcome", "Revenue", "a b", ""])
def test_a_metric_has_a_name_of_its_own(name: str) -> None:
    with pytest.raises(DeclarationError, match="cannot name a metric"):
        Outcome(horizon="10 days", metrics={name: Metric(REVENUE, horizon="5 days")})
