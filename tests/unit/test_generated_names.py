"""Names of generated functions and triggers: distinct for distinct tables, whatever these are called."""

from __future__ import annotations

import re
from collections import Counter

from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelpack import Event, Profile, Score, count, mean, total
from modelpack.compile.plan import make_plan
from modelpack.compile.script import attach_script, generated_functions
from modelpack.compile.sql import Sql, table_slug, unquoted, variable
from modelpack.snapshots import names as installed

FUNCTION = re.compile(r"create or replace function modelpack\.([^(]+)\(")
TRIGGER = re.compile(r'create trigger (?:"((?:[^"]|"")+)"|(\w+)) .*? on (\S+)\s')

WORDS = [
    "a",
    "b",
    "count",
    "score",
    "insert",
    "rebuild",
    "shop",
    "x" * 25,
    "Ä名",
    "A",
    "",
    "1",
    "___0123456789ab",
    "examine",
]
SCORES = ["churn", "churn_x", "churn__x", "churn_score_x", "x" * 40, "x" * 41]
"""Of every profile: names that are alike, or like what ours end with."""
NAMES = st.builds(
    str.join, st.sampled_from(["_", "__", "___"]), st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)
).filter(lambda name: 0 < len(name.encode()) <= 63)
TABLES = st.builds(lambda schema, name: f"{schema}.{name}" if schema else name, st.none() | NAMES, NAMES)


def functions(profile: Profile, script: list[Sql]) -> list[str]:
    """Names of what a declaration makes, those that a promotion replaces among them."""
    plan = make_plan(profile)
    seam = [f"{plan.score_stem(score)}_{kind}" for score in profile.scores for kind in ("version", "numbers")]
    made = [unquoted(match[1]) for statement in script if (match := FUNCTION.match(statement))]
    return [*made, *seam]


def triggers(script: list[Sql]) -> list[tuple[str, str]]:
    found = [TRIGGER.match(statement) for statement in script]
    return [(match[3], match[1] or match[2]) for match in found if match]


def declared(table: str, events: list[str]) -> Profile:
    return Profile(
        table,
        key="id",
        events=[Event(e, features={f"f{n}": count()}) for n, e in enumerate(events)],
        scores=[Score(name, model="churn") for name in SCORES],
    )


@given(tables=st.lists(TABLES, min_size=2, max_size=5, unique_by=lambda t: t.removeprefix("public.")))
@example(tables=["shop.purchase", "shop_purchase", "customer"])
@example(tables=["a_b.c", "a.b_c", "a.b__c", "a_b_c"])
@example(tables=["customer", "customer_count", "purchase", "count_purchase"])
@example(tables=["a", "a_count_b", "b", "b_count_c", "c"])
@example(tables=["Customer", "customer", '"customer"', "CUSTOMER"])
@example(tables=["ä" * 31, "ä" * 30, "ö" * 31])
@example(tables=["x" * 63, "x" * 62, "x" * 48, "x" * 49])
@example(tables=["examine", "shop"])
@settings(max_examples=3, deadline=None, derandomize=True)
def test_any_tables_give_distinct_names(tables: list[str]) -> None:
    # each table is the profile of all others
    profiles = [declared(table, [e for e in tables if e != table]) for table in tables]
    scripts = [attach_script(profile) for profile in profiles]
    names = [name for made in zip(profiles, scripts, strict=True) for name in functions(*made)]
    assert len(names) >= 11 * len(tables)
    assert [name for name, times in Counter(names).items() if times > 1] == []
    assert [name for name in names if len(name.encode()) > 63 or not re.fullmatch(r"[a-z0-9_]+", name)] == []
    assert set(names).isdisjoint(installed())
    put = [pair for script in scripts for pair in triggers(script)]
    assert [pair for pair, times in Counter(put).items() if times > 1] == []
    assert [name for _, name in put if len(name.encode()) > 63] == []


def test_usual_names_are_read_as_they_are() -> None:
    profile = declared("customer", ["purchase", "shop.complaint"])
    made = functions(profile, attach_script(profile))
    assert "customer_score" in made
    assert "customer_count_purchase_insert" in made
    assert "customer_count_shop__complaint_delete" in made
    assert "shop__customer_rebuild" in generated_functions(declared("shop.customer", ["purchase"]))


def test_no_function_of_the_schema_could_be_that_of_a_table() -> None:
    """Whoever adds a function called as a generated one would be is told here (see `_TAKEN`)."""
    words = {name.rpartition("_")[2] for name in generated_functions(declared("customer", ["purchase"]))}
    for name in installed():
        assert "_score_" not in name  # those of a score
        table, _, last = name.rpartition("_")
        if table and last in words:
            assert table_slug(table) != table, name


@given(names=st.lists(st.text(min_size=1, max_size=63), min_size=2, max_size=4, unique=True))
@example(names=["a b", "a_b", "A_B", "_a_b", "a__b"])
@settings(max_examples=50, deadline=None, derandomize=True)
def test_variables_of_distinct_columns_are_distinct(names: list[str]) -> None:
    made = [variable(kind, name) for kind in ("amount", "d") for name in names]
    assert len(set(made)) == len(made)
    assert all(len(name.encode()) <= 63 for name in made)


@given(name=st.sampled_from(["s", "n", "sum", "numeric", "spend", "c", "d"]))
@settings(deadline=None, derandomize=True)
def test_features_share_a_sum_whatever_they_are_called(name: str) -> None:
    event = Event("purchase", features={name: total("amount"), "basket": mean("amount")})
    made = generated_functions(Profile("customer", key="id", events=[event]))
    insert = made["customer_count_purchase_insert"]
    assert insert.count("coalesce(modelpack.amount(e.amount), 0)") == 1
