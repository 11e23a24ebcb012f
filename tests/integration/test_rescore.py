"""modelpack.rescore over many rows: one call of the model for all, and the odd row on its own."""

from __future__ import annotations

import pytest
from psycopg import sql
from support import Session, attach, linear_score, publish, row, rows, value, wrong

from modelpack import Event, Profile, Score, age, count, last, total

OLD, NEW = ((0.5, 0.01, 0.2), -1.0), ((-0.3, 0.02, 0.1), 0.5)
INPUTS = ["complaints", "spend", "tenure"]
BATCHED = "microseconds is null"
"""Only a row that is scored on its own has its time measured."""

TABLES = """
create table customer (customer_id bigint primary key, tenure integer);
create table purchase (customer_id bigint, at timestamptz default clock_timestamp(), amount numeric, complaint boolean);
insert into customer select g, g % 7 from generate_series(1, 200) as g;
insert into purchase (customer_id, amount, complaint) select 1 + g % 200, g, g % 3 = 0 from generate_series(1, 600) as g;
"""


def shop(dsn: str, session: Session, *scores: Score, missing: bool = False) -> None:
    """200 customers, attached and scored by version 1; version 2 is published."""
    session.execute(TABLES)
    features = {"complaints": count(where="complaint"), "spend": total("amount"), "seen": last("at")}
    events = [Event("purchase", at="at", features=features)]
    attach(dsn, Profile("customer", key="customer_id", events=events, scores=list(scores)))
    for weights, bias in (OLD, NEW):
        publish(session, "churn", INPUTS, weights, bias, missing=missing)
    session.execute("select modelpack.promote('churn', 1)")
    session.execute("call modelpack.rescore('customer')")


def held(session: Session, score: str = "churn") -> dict[int, int]:
    """Every fresh score held against the model of its version; the versions."""
    query = sql.SQL(
        "select customer_id, {0}, {1}, complaints, spend, tenure from customer where {2} is null"
    ).format(*(sql.Identifier(score + x) for x in ("", "_version", "_stale")))
    found = session.execute(query).fetchall()
    for _, churn, version, *numbers in found:
        weights, bias = (OLD, NEW)[version - 1]
        assert churn == pytest.approx(linear_score(weights, bias, [float(n) for n in numbers]), abs=1e-6)
    return {key: version for key, _, version, *_ in found}


def test_rescore_brings_all_rows_to_the_champion_and_logs_each(database: str, psql: Session) -> None:
    shop(database, psql, Score("churn", model="churn"))
    assert set(held(psql).values()) == {1}
    psql.execute("select modelpack.promote('churn', 2)")
    psql.execute("call modelpack.rescore('customer', chunk_blocks => 1)")
    assert held(psql) == dict.fromkeys(range(1, 201), 2)
    assert wrong(psql) == []
    logged = rows(
        psql,
        "select p.entity_key::bigint, p.prediction, p.inputs[1], p.inputs[2], p.inputs[3], p.model, p.score, p.profile"
        f" from modelpack.prediction as p where version = 2 and {BATCHED} order by 1",
    )
    assert logged == rows(
        psql,
        "select customer_id, churn, complaints::float8, spend::float8, tenure::float8, 'churn', 'churn', 'public.customer'"
        " from customer order by 1",
    )
    assert value(psql, "select count(*) from modelpack.prediction where version = 2") == 200


def test_a_row_that_cannot_be_scored_says_why_and_costs_only_itself(database: str, psql: Session) -> None:
    shop(database, psql, Score("churn", model="churn"))
    psql.execute("update customer set tenure = null where customer_id = 17")
    psql.execute("select modelpack.promote('churn', 2)")
    psql.execute("call modelpack.rescore('customer')")
    versions = held(psql)
    assert 17 not in versions
    assert set(versions.values()) == {2}
    assert len(versions) == 199
    assert row(psql, "select churn_version, churn_stale from customer where customer_id = 17") == (
        1,
        "input tenure is NULL, which the model does not take",
    )
    assert value(psql, f"select count(*) from modelpack.prediction where version = 2 and {BATCHED}") == 199


def test_missing_numbers_reach_a_model_that_takes_them(database: str, psql: Session) -> None:
    shop(database, psql, Score("churn", model="churn"), missing=True)
    psql.execute("update customer set tenure = null where customer_id = 17")
    psql.execute("select modelpack.promote('churn', 2)")
    psql.execute("call modelpack.rescore('customer')")
    complaints, spend, churn = row(
        psql, "select complaints, spend, churn from customer where customer_id = 17"
    )
    assert churn == pytest.approx(linear_score(*NEW, [complaints, float(spend), 0.0]), abs=1e-6)
    assert value(psql, f"select count(*) from modelpack.prediction where version = 2 and {BATCHED}") == 200


def test_two_scores_of_a_profile_are_rescored_together(database: str, psql: Session) -> None:
    shop(database, psql, Score("churn", model="churn"), Score("fraud", model="churn"))
    psql.execute("select modelpack.promote('churn', 2)")
    psql.execute("call modelpack.rescore('customer')")
    assert held(psql) == held(psql, "fraud") == dict.fromkeys(range(1, 201), 2)
    assert rows(
        psql,
        f"select score, count(*) from modelpack.prediction where version = 2 and {BATCHED} group by 1 order by 1",
    ) == [("churn", 200), ("fraud", 200)]


def test_ages_are_those_of_the_moment_of_rescoring(database: str, psql: Session) -> None:
    psql.execute(TABLES)
    events = [Event("purchase", at="at", features={"complaints": count(), "seen": last("at")})]
    scores = [Score("churn", model="recent", inputs={"days": age("seen")})]
    attach(database, Profile("customer", key="customer_id", events=events, scores=scores))
    publish(psql, "recent", ["days"], (1.0,), 0.0)
    psql.execute("select modelpack.promote('recent', 1)")
    psql.execute("call modelpack.rescore('customer')")
    assert rows(
        psql,
        "select count(*) from customer as c join modelpack.prediction as p on p.entity_key = c.customer_id::text"
        f" where abs(p.inputs[1] - date_part('epoch', c.churn_scored_at - c.seen) / 86400) < 1e-9 and {BATCHED}",
    ) == [(200,)]


def test_a_disabled_model_marks_the_rows_and_logs_nothing(database: str, psql: Session) -> None:
    shop(database, psql, Score("churn", model="churn"))
    psql.execute("select modelpack.promote('churn', 2)")
    psql.execute("select modelpack.disable('churn', 'a fault')")
    psql.execute("call modelpack.rescore('customer')")
    assert rows(psql, "select distinct churn_stale, churn_version from customer") == [
        ("disabled: a fault", 1)
    ]
    assert value(psql, "select count(*) from modelpack.prediction where version = 2") == 0


def test_events_after_a_rescore_count_and_score_as_before(database: str, psql: Session) -> None:
    shop(database, psql, Score("churn", model="churn"))
    psql.execute("select modelpack.promote('churn', 2)")
    psql.execute("call modelpack.rescore('customer')")
    before = value(psql, "select complaints from customer where customer_id = 5")
    psql.execute("insert into purchase (customer_id, amount, complaint) values (5, 3, true)")
    assert value(psql, "select complaints from customer where customer_id = 5") == before + 1
    assert held(psql)[5] == 2
    assert wrong(psql) == []
