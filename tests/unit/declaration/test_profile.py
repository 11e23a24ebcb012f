"""A declaration by itself: what it refuses, and that it stays the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
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
    deviation,
    distinct,
    expression,
    first,
    last,
    maximum,
    mean,
    minimum,
    ratio,
    total,
)
from modelpack.declaration import load_profiles
from modelpack.declaration.features import KINDS

PURCHASE = Event(
    "shop.purchase",
    at="at",
    key=("shop", "customer"),
    where="amount > 0",
    missing="ignore",
    features={
        "z": count(window="30 days"),
        "a": total("amount", where="kind = 'x'"),
        "m": mean("amount"),
        "d": deviation("amount"),
        "low": minimum("amount"),
        "high": maximum("amount"),
        "f": first("amount"),
        "l": last("amount"),
        "u": distinct("kind"),
        "heat": decayed(half_life="14 days"),
    },
)
CUSTOMER = Profile(
    "shop.customer",
    key=("shop", "id"),
    events=[PURCHASE],
    scores=[
        Score("churn", on_error="raise"),
        Score("worth", model="other", inputs={"r": ratio("a", "z"), "q": age("f"), "e": "a / 12"}),
    ],
)


def stored(profile: Profile) -> Any:
    """The declaration as jsonb gives it back: the keys of an object are in no order of ours."""
    return json.loads(json.dumps(profile.to_dict(), sort_keys=True))


def test_a_declaration_comes_back_from_the_database() -> None:
    back = Profile.from_dict(stored(CUSTOMER))
    assert back == CUSTOMER
    assert list(back.events[0].features) == list(PURCHASE.features)
    assert {f.kind for f in back.events[0].features.values()} == set(KINDS)
    assert back.fingerprint() == CUSTOMER.fingerprint()


@pytest.mark.parametrize(
    "other",
    [
        replace(CUSTOMER, table="customer"),
        replace(CUSTOMER, key=("id", "shop")),
        replace(CUSTOMER, scores=CUSTOMER.scores[:1]),
        replace(CUSTOMER, scores=[*CUSTOMER.scores[:1], replace(CUSTOMER.scores[1], on_error="null")]),
        replace(CUSTOMER, events=[replace(PURCHASE, at="day")]),
        replace(CUSTOMER, events=[replace(PURCHASE, missing="refuse")]),
        replace(CUSTOMER, events=[replace(PURCHASE, where="amount > 1")]),
        replace(CUSTOMER, events=[replace(PURCHASE, features=dict(reversed(PURCHASE.features.items())))]),
    ],
)
def test_another_declaration_has_another_fingerprint(other: Profile) -> None:
    assert other.fingerprint() != CUSTOMER.fingerprint()


def test_a_format_of_a_later_release_is_not_guessed_at() -> None:
    with pytest.raises(DeclarationError, match="has format 99, this modelpack reads 1; upgrade"):
        Profile.from_dict({**stored(CUSTOMER), "format": 99})


@pytest.mark.parametrize("part", ["key", "events", "scores"])
def test_a_layout_that_cannot_be_read_is_refused_with_a_way_out(part: str) -> None:
    with pytest.raises(
        DeclarationError, match=r"declaration of shop\.customer has a layout .*modelpack remove"
    ):
        Profile.from_dict({k: v for k, v in stored(CUSTOMER).items() if k != part})


def test_a_score_is_called_as_its_model_unless_told_and_writes_four_columns() -> None:
    score = Score("churn", inputs={"x": "spend / 12"})
    assert (score.model, score.inputs["x"]) == ("churn", expression("spend / 12"))
    assert list(score.columns) == ["churn", "churn_version", "churn_scored_at", "churn_stale"]


def declared(*events: Event, **settings: Any) -> Profile:
    return Profile("customer", **({"key": "id"} | settings), events=events)


def counted(name: str, table: str = "purchase", **settings: Any) -> Event:
    return Event(table, features={name: count()}, **settings)


@pytest.mark.parametrize(
    ("declare", "why"),
    [
        (lambda: Profile("customer", key="id"), "neither events nor scores"),
        (lambda: declared(counted("n"), key=""), "has the key ''"),
        (lambda: declared(counted("n"), key=("id", "id")), "several different ones"),
        (lambda: declared(counted("n", key="x"), key=("shop", "id")), "expected one column for each"),
        (lambda: Profile("a.b.c", key="id", scores=[Score("s")]), "cannot name a table"),
        (lambda: Profile("a.", key="id", scores=[Score("s")]), "cannot name a table"),
        (lambda: declared(counted("n", "public.customer")), "cannot be its own event table"),
        (lambda: declared(counted("n"), counted("m", "public.purchase")), "is declared twice"),
        (lambda: declared(counted("n"), counted("n", "visit")), "'n' is a feature of visit and a feature of purchase"),
        (lambda: declared(counted("id")), "has the name of a key column"),
        (lambda: declared(counted("features_at")), "keeps a time of the features in"),
        (lambda: declared(counted("churn_stale"), scores=[Score("churn")]), "'churn_stale' is a column of the score churn"),
        (lambda: declared(counted("n"), scores=[Score("a"), Score("a")]), "'a' is a column of the score a"),
        (lambda: declared(counted("ctid")), "'ctid' cannot name a feature"),
        (lambda: declared(counted("N")), "'N' cannot name a feature"),
        (lambda: declared(counted("n" * 52)), "cannot name a feature"),
        (lambda: Event("purchase"), "has no features"),
        (lambda: Event("purchase", features={"n": 1}), "feature 'n' is 1, expected e.g. count"),
        (lambda: Event("purchase", features={"n": count(window="1 day")}), "depends on the time of the event"),
        (lambda: Event("purchase", features={"n": last("amount")}), "depends on the time of the event"),
        (lambda: Event("purchase", features={"n": decayed(half_life="1 day")}), "depends on the time of the event"),
        (lambda: counted("n", missing="make"), 'expected "create", "ignore" or "refuse"'),
        (lambda: counted("n", on_delete="drop"), 'expected "subtract" or "keep"'),
        (lambda: Score("Churn"), "'Churn' cannot name a score"),
        (lambda: Score("n" * 46), "cannot name a score"),
        (lambda: Score("churn", model="9"), "'9' cannot name a model"),
        (lambda: Score("churn", on_error="ignore"), 'expected "stale", "null" or "raise"'),
        (lambda: Score("churn", inputs={"x": 1}), "input 'x' is 1, expected age"),
        (lambda: total(""), "needs the name of an event column"),
        (lambda: mean(None), "needs the name of an event column"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(declare: Callable[[], object], why: str) -> None:
    with pytest.raises(DeclarationError, match=why):
        declare()


def test_the_profiles_of_a_file_come_once_in_their_order(tmp_path: Path) -> None:
    file = tmp_path / "declaration.py"
    file.write_text(
        "from modelpack import Profile, Score\n"
        "second = Profile('b', key='id', scores=[Score('s')])\n"
        "first = Profile('a', key='id', scores=[Score('s')])\n"
        "again = second\n"
    )
    assert [profile.table for profile in load_profiles(file)] == ["b", "a"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is no file"),
        ("x = 1", "declares no profile"),
        ("1 / 0", "fails when it is read: ZeroDivisionError"),
        ("import modelpack; modelpack.Score('S')", "^'S' cannot name a score"),
    ],
)
def test_a_file_without_a_declaration_is_refused(tmp_path: Path, content: str | None, why: str) -> None:
    file = tmp_path / "declaration.py"
    if content is not None:
        file.write_text(content)
    with pytest.raises(DeclarationError, match=why):
        load_profiles(file)
