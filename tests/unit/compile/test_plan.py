"""What a plan says of a declaration: which features are stored, read in windows, or outlive their events."""

from __future__ import annotations

from typing import Any

import pytest

from modelpack import (
    DeclarationError,
    Event,
    Profile,
    Score,
    age,
    count,
    decayed,
    distinct,
    expression,
    first,
    maximum,
    mean,
    ratio,
    total,
)
from modelpack.compile.plan import make_plan, readings
from modelpack.declaration.features import Feature


def declared(features: dict[str, Feature], key: Any = "id", **settings: Any) -> Profile:
    return Profile("customer", key=key, events=[Event("purchase", at="at", features=features, **settings)])


def names(features: Any) -> list[str]:
    return [f.name for f in features]


def test_windows_are_read_and_all_else_is_stored() -> None:
    (event,) = make_plan(
        declared({"n": count(), "w": count(window="1 day"), "h": decayed(half_life="1 day")})
    ).events
    assert names(event.stored) == ["n", "h"]
    assert names(event.windowed) == ["w"]
    assert names(event.decayed) == ["h"]


def test_what_outlives_its_events_is_compared_with_none() -> None:
    features = {"n": count(), "w": count(window="1 day")}
    (kept,) = make_plan(declared(features, on_delete="keep")).events
    assert (names(kept.lasting), names(kept.comparable)) == (["n"], ["w"])
    (subtracted,) = make_plan(declared(features)).events
    assert (names(subtracted.lasting), names(subtracted.comparable)) == ([], ["n", "w"])


@pytest.mark.parametrize(
    ("windows", "longest"),
    [
        (["10 days", "2 weeks", "9 days"], "2 weeks"),
        (["36 hours", "1 day"], "36 hours"),
        (["90 seconds", "1 minute"], "90 seconds"),
    ],
)
def test_the_longest_window_is_so_by_its_length(windows: list[str], longest: str) -> None:
    features = {f"w{n}": count(window=window) for n, window in enumerate(windows)}
    (event,) = make_plan(declared(features)).events
    assert event.longest_window() == f"interval '{longest}'"


def test_decayed_features_that_are_read_again_have_a_time_of_it() -> None:
    heat = {"h": decayed(half_life="1 day")}
    assert "features_reread_at" in make_plan(declared(heat)).times
    assert "features_reread_at" not in make_plan(declared(heat, on_delete="keep")).times
    assert "features_reread_at" not in make_plan(declared({"n": count()})).times


def test_only_other_events_age_a_decayed_feature() -> None:
    plan = make_plan(
        Profile(
            "customer",
            key="id",
            events=[
                Event("purchase", at="at", features={"h": decayed(half_life="1 day")}),
                Event("visit", at="at", features={"n": count()}),
            ],
        )
    )
    purchase, visit = plan.events
    assert [name for name, _ in plan.ageing(purchase)] == []
    assert [name for name, _ in plan.ageing(visit)] == ["h"]
    assert [name for name, _ in plan.ageing()] == ["h"]


def test_a_key_is_one_value_or_an_array_of_all() -> None:
    features: dict[str, Feature] = {"n": count()}
    assert make_plan(declared(features)).key_text("p") == "modelpack.key_value(p.id)::text"
    assert make_plan(declared(features, key=("shop", "order"))).key_text("p") == (
        'jsonb_build_array(modelpack.key_value(p.shop), modelpack.key_value(p."order"))::text'
    )


def test_an_event_has_the_profiles_key_unless_it_names_its_own() -> None:
    features: dict[str, Feature] = {"n": count()}
    assert make_plan(declared(features)).events[0].keys("e") == ["e.id"]
    plan = make_plan(
        Profile("customer", key="id", events=[Event("purchase", key="buyer", features=features)])
    )
    assert plan.events[0].keys("e") == ["e.buyer"]
    assert plan.events[0].present("e") == "e.buyer is not null"


@pytest.mark.parametrize("feature", [distinct("kind"), distinct("kind", where="kind <> ''")])
def test_what_has_to_be_counted_again_cannot_outlive_its_events(feature: Feature) -> None:
    with pytest.raises(DeclarationError, match=r"n has to be read from the events again.*give it a window"):
        make_plan(declared({"n": feature}, on_delete="keep"))


@pytest.mark.parametrize(
    "feature", [count(), total("a"), mean("a"), maximum("a"), first("a"), distinct("a", window="1 day")]
)
def test_what_grows_with_each_event_can(feature: Feature) -> None:
    make_plan(declared({"n": feature}, on_delete="keep"))


def test_a_feature_cannot_take_the_name_of_the_events_key() -> None:
    with pytest.raises(DeclarationError, match="buyer is a key column of the event"):
        make_plan(
            Profile(
                "customer", key="id", events=[Event("purchase", key="buyer", features={"buyer": count()})]
            )
        )


def test_a_helper_column_cannot_take_the_name_of_a_feature() -> None:
    helpers = [c.name for c in make_plan(declared({"m": mean("a")})).columns if not c.visible]
    assert helpers
    with pytest.raises(
        DeclarationError, match=f"two columns would be called '{helpers[0]}'; rename a feature"
    ):
        make_plan(declared({"m": mean("a"), helpers[0]: count()}))


def asked() -> Profile:
    return Profile(
        "customer",
        key="id",
        events=[
            Event("shop.purchase", at="at", where="kind = 'x'", features={"n": count(where="amount > 1")})
        ],
        scores=[
            Score("churn", inputs={"e": expression("plan = 'pro'"), "r": ratio("n", "id"), "a": age("n")})
        ],
    )


def test_the_server_is_asked_about_what_users_have_written_and_nothing_else() -> None:
    assert [(r.table, r.sql, r.alias, r.condition) for _, r in readings(asked())] == [
        ("shop.purchase", "(e.kind = 'x')", "e", True),
        ("shop.purchase", "(e.amount > 1)", "e", True),
        ("public.customer", "(p.plan = 'pro')", "p", False),
    ]


def test_what_an_expression_means_takes_its_place_and_the_declaration_stays() -> None:
    meanings = {
        ("shop.purchase", "(e.kind = 'x')"): "(e.kind OPERATOR(public.=) 'x'::public.citext)",
        ("public.customer", "(p.plan = 'pro')"): "(p.plan OPERATOR(public.=) 'pro'::public.citext)",
    }
    plan = make_plan(asked(), meanings)
    assert plan.declared == asked()
    (event,) = plan.events
    assert event.where == "((e.kind OPERATOR(public.=) 'x'::public.citext))"
    assert event.event.features["n"].where == "amount > 1"
    assert plan.scores[0].expressions["e"] == "(p.plan OPERATOR(public.=) 'pro'::public.citext)"
    assert plan.scores[0].expressions["r"] == make_plan(asked()).scores[0].expressions["r"]
