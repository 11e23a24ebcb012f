"""An outcome by itself: what it refuses, when it may be settled early, and that it stays the same as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from modelpack import DeclarationError, Profile, Score
from modelpack.compile.script import attach_script, replace_script
from modelpack.outcomes import Outcome

WITHIN = "e.customer_id = p.customer_id and e.at > t.at and e.at <= t.until"
GONE = f"not exists (select from purchase as e where {WITHIN})"


def outcome(**given: Any) -> Outcome:
    return Outcome(**{"sql": GONE, "horizon": "90 days", "grace": "1 day"} | given)


def profile(score: Score) -> Profile:
    return Profile("customer", key="customer_id", scores=[score])


def test_a_declaration_keeps_an_outcome_as_it_was_given() -> None:
    declared = profile(Score("churn", outcome=outcome(segments=["plan"], share=0.25)))
    stored = json.loads(json.dumps(declared.to_dict()))
    assert stored["scores"][0]["outcome"]["horizon"] == "90 days"
    assert stored["scores"][0]["outcome"]["share"] == 2500
    assert Profile.from_dict(stored) == declared


def test_a_score_without_an_outcome_is_stored_as_before() -> None:
    assert set(Score("churn").to_dict()) == {"name", "model", "inputs", "on_error"}


def test_an_outcome_changes_nothing_of_what_scores() -> None:
    """The generated SQL is the same but for the declaration; and replacing it scores nothing again."""
    plain, judged = profile(Score("churn")), profile(Score("churn", outcome=outcome()))
    differing = [a for a, b in zip(attach_script(plain), attach_script(judged), strict=True) if a != b]
    assert len(differing) == 1
    assert "modelpack.attach(" in differing[0]
    assert not any("customer_rescore(c.first" in s for s in replace_script(plain, judged))
    other = profile(Score("churn", model="other"))
    assert any("customer_rescore(c.first" in s for s in replace_script(plain, other))


@pytest.mark.parametrize(
    ("sql", "early"),
    [
        (GONE, 0.0),
        (f"exists (select from purchase as e where {WITHIN})", 1.0),
        (f"(not (exists (select from purchase as e where {WITHIN})))", 0.0),
        # a later event may take these back
        (
            f"exists (select from purchase as e where {WITHIN} and not exists (select from refund as r where r.id = e.id))",
            None,
        ),
        (f"exists (select from purchase as e where {WITHIN} having count(*) < 3)", None),
        (f"(select count(*) from purchase as e where {WITHIN}) > 3", None),
    ],
)
def test_only_what_no_later_event_can_change_is_settled_early(sql: str, early: float | None) -> None:
    assert outcome(sql=sql).settled_early == early
    assert outcome(sql=sql, early="never").settled_early is None
    assert outcome(sql=sql, early=1).settled_early == 1.0


def test_the_label_is_the_outcome_where_it_can_be_known() -> None:
    assert outcome().label == (
        f"(select case when t.until + interval '1 day' <= now() then ({GONE}) end "
        "from (select t.at, t.at + interval '90 days' as until) as t)"
    )
    assert Outcome(horizon="3 days").label is None
    assert Score("churn", outcome=outcome()).label == outcome().label


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sql": "p.plan = 'x'"}, "does not read t.at"),
        ({"sql": "exists (select from purchase as e where e.at > t.at)"}, "has no end"),
        ({"sql": "1; drop table customer"}, "one SQL expression"),
        ({"sql": "t.at > t.until) or (true"}, "no SQL expression"),
        ({"horizon": "3 months"}, "no fixed length"),
        ({"horizon": ""}, "the horizon of Outcome"),
        ({"grace": "soon"}, "the grace of Outcome"),
        ({"every": "1 month"}, "every= of Outcome"),
        ({"kind": "text"}, 'expected "binary" or "number"'),
        ({"low": 0}, 'with kind="number"'),
        ({"kind": "number", "high": float("inf")}, "expected a number"),
        ({"kind": "number", "early": 1}, "can be settled early"),
        ({"share": 0}, "expected a share"),
        ({"segments": "plan"}, "expected a list"),
        ({"segments": ["plan", "plan"]}, "different columns"),
    ],
)
def test_what_cannot_be_judged_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        outcome(**given)


def test_an_outcome_may_end_by_a_time_of_its_own() -> None:
    ends = "exists (select from purchase as e where e.at > t.at and e.at <= t.at + interval '3 days')"
    assert outcome(sql=ends).settled_early == 1.0


def test_what_is_no_outcome_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"expected modelpack\.outcomes\.Outcome"):
        Score("churn", outcome="90 days")  # type: ignore[arg-type]
    assert replace(outcome(), horizon="3 days").horizon == "3 days"
