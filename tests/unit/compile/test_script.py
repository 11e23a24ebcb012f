"""Scripts that attach and replace a declaration: their order, and what a change counts anew."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from modelpack import DeclarationError, Event, Profile, Score, count, decayed, mean, total
from modelpack.compile.script import attach_script, detach_script, generated_functions, replace_script
from modelpack.compile.sql import Sql
from modelpack.declaration.features import Feature


def declared(features: dict[str, Feature], *scores: Score, **settings: Any) -> Profile:
    return Profile(
        "customer",
        key="id",
        events=[Event("purchase", at="at", features=features, **settings)],
        scores=scores,
    )


SHOP = declared({"n": count(), "spend": total("amount")}, Score("churn"))


def place(statements: list[Sql], pattern: str) -> int:
    """Where the only statement is that matches."""
    (found,) = (n for n, statement in enumerate(statements) if re.search(pattern, statement))
    return found


def locking(statements: list[Sql]) -> Sql:
    """The statement that locks the tables."""
    return statements[place(statements, r"lock_tables\(")]


def test_no_event_slips_in_between_the_triggers_and_the_count() -> None:
    script = attach_script(SHOP)
    lock, record = place(script, r"lock_tables\("), place(script, r"^select modelpack\.attach\(")
    columns = place(script, r"add column if not exists spend ")
    function = place(script, r"^create or replace function modelpack\.customer_count_purchase_insert\(")
    trigger = place(script, r"^create or replace trigger \S+ after insert on public\.purchase")
    counted = place(script, r"customer_rebuild\(c\.first_block")
    sealed = place(script, r"modelpack\.seal\(")
    alone, turn = place(script, r"^select modelpack\.alone\("), place(script, r"take_turn\('churn'\)")
    assert (
        0 == alone < turn < lock < record < columns < function < trigger < counted < sealed == len(script) - 1
    )


def test_events_may_be_read_while_triggers_are_made_and_not_while_they_are_dropped() -> None:
    assert "'share row exclusive'" in locking(attach_script(SHOP))
    assert "'access exclusive'" in locking(replace_script(SHOP, SHOP))


def test_an_event_table_of_before_may_be_gone() -> None:
    (event,) = SHOP.events
    other = replace(SHOP, events=[replace(event, table="order")])
    lock = locking(replace_script(SHOP, other))
    assert "'public.\"order\"'::regclass" in lock
    assert "to_regclass('public.purchase')" in lock


def test_nobody_may_call_a_function_unless_he_is_granted_it() -> None:
    script = attach_script(SHOP)
    made = [m[1] for s in script if (m := re.match(r"create or replace function (modelpack\.\w+)\(", s))]
    revoked = [
        m[1]
        for s in script
        if (m := re.match(r"(?s)revoke all on function (modelpack\.\w+)\(.*from public", s))
    ]
    assert made
    assert made == revoked
    assert set(generated_functions(SHOP)) == {name.removeprefix("modelpack.") for name in made} - {
        "customer_once"
    }


def test_without_a_connection_the_script_asks_what_expressions_mean() -> None:
    profile = declared({"n": count(where="kind = 'x'")})
    asked = [s for s in attach_script(profile) if "modelpack.check_meaning(" in s]
    assert asked == ["select modelpack.check_meaning('public.purchase', '(e.kind = ''x'')', 'e', true)"]
    assert not [s for s in attach_script(profile, {}) if "modelpack.check_meaning(" in s]


def changes(old: Profile, new: Profile) -> dict[str, str]:
    """Named arguments of the statement that replaces."""
    script = replace_script(old, new)
    statement = script[place(script, r"^select modelpack\.replace\(")]
    return dict(re.findall(r"^  (\w+) => (.*?),?\)?$", statement, re.MULTILINE))


def test_a_feature_that_is_left_out_loses_its_column_and_its_helpers() -> None:
    before = declared({"n": count(), "m": mean("amount")})
    assert changes(before, before)["dropped_columns"] == "array[]::text[]"
    assert (
        changes(before, declared({"n": count()}))["dropped_columns"] == "array['m', 'm_n', 'm_sum']::text[]"
    )


def test_a_feature_of_another_type_is_dropped_and_made_anew() -> None:
    dropped = changes(declared({"n": count(), "a": count()}), declared({"n": count(), "a": total("amount")}))
    assert dropped["dropped_columns"] == "array['a']::text[]"


def rescored(old: Profile, new: Profile) -> bool:
    return any("customer_rescore(c.first_block" in s for s in replace_script(old, new))


def test_rows_are_scored_again_only_where_their_scores_may_be_others() -> None:
    (event,) = SHOP.events
    assert not rescored(SHOP, SHOP)
    assert not rescored(
        SHOP, replace(SHOP, events=[replace(event, features={**event.features, "m": count()})])
    )
    assert not rescored(SHOP, replace(SHOP, scores=[]))
    assert rescored(SHOP, replace(SHOP, scores=[Score("churn", model="other")]))
    assert rescored(SHOP, replace(SHOP, scores=[Score("churn", inputs={"x": "spend / 12"})]))
    assert rescored(
        SHOP, replace(SHOP, events=[replace(event, features={**event.features, "n": total("amount")})])
    )


@pytest.mark.parametrize("other", [replace(SHOP, table="client"), replace(SHOP, key="customer_id")])
def test_another_table_or_key_is_no_change_in_place(other: Profile) -> None:
    with pytest.raises(DeclarationError, match=r"cannot become .* in place; use op\.drop_scoring\(old\)"):
        replace_script(SHOP, other)


def once(script: list[Sql]) -> str:
    """What runs once, as the triggers do."""
    return next(
        (s for s in script if s.startswith("create or replace function modelpack.customer_once(")), ""
    )


def test_what_outlives_its_events_is_counted_when_it_is_new_and_never_again() -> None:
    before = declared({"n": count()}, on_delete="keep", missing="ignore")
    more = declared({"n": count(), "fresh": total("amount")}, on_delete="keep", missing="ignore")
    assert "fresh" in once(replace_script(before, more))
    assert once(replace_script(more, more)) == ""
    counted = once(replace_script(before, more))
    assert not re.search(r"\bn\b\s*=|\(n[,)]|set n\b", counted)


@pytest.mark.parametrize("changed", [count(where="amount > 1"), total("amount"), decayed(half_life="1 day")])
def test_what_outlives_its_events_keeps_its_meaning(changed: Feature) -> None:
    before = declared({"n": count()}, on_delete="keep")
    with pytest.raises(DeclarationError, match=r"n of purchase outlives its events .*under another name"):
        replace_script(before, declared({"n": changed}, on_delete="keep"))


def test_what_is_kept_from_now_on_may_still_change_its_meaning() -> None:
    before = declared({"n": count()}, missing="ignore")
    script = replace_script(before, declared({"n": total("amount")}, on_delete="keep", missing="ignore"))
    assert "amount" in once(script)


def test_detaching_names_the_table_alone() -> None:
    assert detach_script(Profile("Shop.o'brien", key="id", scores=[Score("s")])) == [
        "select modelpack.detach('\"Shop\".\"o''brien\"')"
    ]
