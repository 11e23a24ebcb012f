"""More than one version of a model at once: which one scores a row may depend on the row."""

from __future__ import annotations

import psycopg
import pytest

from modelpack import Event, Profile, Score, apply, count, total
from modelpack.connection import make_engine
from tests.support import Session, attach, linear_score, publish, row, rows, value

INPUTS = ["complaints", "spend"]
MODELS = {1: ((0.5, 0.01), -1.0), 2: ((-0.3, 0.02), 0.5), 3: ((0.1, -0.04), 0.25)}


def profile(*more: str) -> Profile:
    features = {
        "complaints": count(where="complaint"),
        "spend": total("amount"),
        **dict.fromkeys(more, count()),
    }
    return Profile(
        "customer",
        key="customer_id",
        events=[Event("purchase", at="at", features=features)],
        scores=[Score("churn", model="churn")],
    )


def make_shop(dsn: str) -> None:
    """40 customers; version 2 scores those with an even key, the champion, version 1, the others; version 3 is published."""
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(
            """
            create table customer (customer_id bigint primary key);
            create table purchase (customer_id bigint, at timestamptz default clock_timestamp(), amount numeric, complaint boolean);
            insert into customer select g from generate_series(1, 40) as g;
            insert into purchase (customer_id, amount, complaint)
            select 1 + g % 40, g, g % 3 = 0 from generate_series(1, 100) as g
            """
        )
        attach(dsn, profile())
        for weights, bias in MODELS.values():
            publish(session, "churn", INPUTS, weights, bias)
        session.execute("select modelpack.promote('churn', 1)")
        choose(session, "case when p.customer_id % 2 = 0 then 2 end", 2)
        session.execute("call modelpack.rescore('customer')")


def choose(session: Session, choice: str | None, *versions: int) -> None:
    session.execute("update modelpack.score set choice = %s, versions = %s", (choice, list(versions)))
    session.execute("select modelpack.bind_model('churn')")


def by_version(session: Session) -> dict[int, int]:
    """The version of each customer; its score is held against the model of that version."""
    found = rows(
        session,
        "select c.customer_id, c.churn, c.churn_version, count(*) filter (where e.complaint), coalesce(sum(e.amount), 0)"
        "  from customer as c left join purchase as e using (customer_id) where c.churn_stale is null group by c.customer_id",
    )
    for _, churn, version, complaints, spend in found:
        assert churn == pytest.approx(linear_score(*MODELS[version], [complaints, float(spend)]), abs=1e-6)
    return {key: version for key, _, version, *_ in found}


def expected(champion: int, chosen: int = 2) -> dict[int, int]:
    return {key: champion if key % 2 else chosen for key in range(1, 41)}


pytestmark = pytest.mark.prepared(setup=make_shop)


def test_rescore_gives_each_row_the_version_that_is_chosen_for_it(psql: Session) -> None:
    assert by_version(psql) == expected(1)
    before = value(psql, "select count(*) from modelpack.prediction")
    psql.execute("call modelpack.rescore('customer')")
    # all have theirs
    assert value(psql, "select count(*) from modelpack.prediction") == before


@pytest.mark.parametrize("statement", ["one", "many"])
def test_an_event_is_scored_by_the_version_of_its_row_and_the_log_names_it(
    psql: Session, statement: str
) -> None:
    last = value(psql, "select clock_timestamp()")
    keys = [7, 8] if statement == "one" else list(range(1, 41))
    for some in [[key] for key in keys] if statement == "one" else [keys]:
        psql.execute(
            "insert into purchase (customer_id, amount, complaint) select k, 3.5, true from unnest(%s::bigint[]) as k",
            (some,),
        )
    assert by_version(psql) == expected(1)
    logged = rows(
        psql,
        "select entity_key::bigint, version, prediction from modelpack.prediction where scored_at > %s order by 1",
        last,
    )
    assert logged == rows(
        psql,
        "select customer_id, churn_version, churn from customer where customer_id = any (%s) order by 1",
        keys,
    )


def test_a_new_row_is_scored_by_the_version_of_its_key(psql: Session) -> None:
    psql.execute("insert into customer values (41), (42)")
    assert by_version(psql) == expected(1) | {41: 1, 42: 2}


def test_a_promotion_changes_the_version_of_the_others_alone(psql: Session) -> None:
    psql.execute("select modelpack.promote('churn', 3)")
    psql.execute("call modelpack.rescore('customer')")
    assert by_version(psql) == expected(3)


def test_the_doctor_misses_nothing_of_rows_that_have_the_version_chosen_for_them(psql: Session) -> None:
    behind = "select count(*) from modelpack.doctor() where \"check\" like 'rows of %% behind the champion'"
    assert value(psql, behind) == 0
    choose(psql, "case when p.customer_id % 2 = 0 then 3 end", 2, 3)
    assert value(psql, behind) == 1


def test_a_changed_declaration_keeps_what_is_chosen(database: str, psql: Session) -> None:
    with make_engine(database).begin() as connection:
        assert apply(connection, profile("purchases"))
    assert row(psql, "select choice, versions from modelpack.score") == (
        "case when p.customer_id % 2 = 0 then 2 end",
        [2],
    )
    psql.execute("insert into purchase (customer_id, amount, complaint) values (7, 1, true), (8, 1, true)")
    assert by_version(psql) == expected(1)


def test_what_is_chosen_is_not_retired(psql: Session) -> None:
    with pytest.raises(
        psycopg.errors.ObjectNotInPrerequisiteState, match=r"churn version 2 scores rows of public\.customer"
    ):
        psql.execute("select modelpack.retire('churn', 2)")
    psql.execute("select modelpack.retire('churn', 3)")
    choose(psql, None)
    psql.execute("select modelpack.retire('churn', 2)")


def test_a_version_that_the_profile_cannot_feed_is_not_chosen(psql: Session) -> None:
    publish(psql, "churn", ["complaints", "age"], (1.0, 1.0), promote=False)
    with pytest.raises(psycopg.errors.DatatypeMismatch, match="cannot feed version 4 of the model churn"):
        choose(psql, "4", 4)


def test_what_a_chosen_version_reads_is_listened_to(psql: Session) -> None:
    psql.execute("alter table customer add column age integer not null default 30")
    publish(psql, "churn", ["complaints", "age"], (1.0, 1.0), promote=False)
    choose(psql, "case when p.customer_id = 5 then 4 end", 4)
    psql.execute("update customer set age = 50 where customer_id in (4, 5)")
    assert row(psql, "select churn_version, churn from customer where customer_id = 5") == (
        4,
        pytest.approx(
            linear_score(
                (1.0, 1.0), 0.0, [value(psql, "select complaints from customer where customer_id = 5"), 50]
            )
        ),
    )
