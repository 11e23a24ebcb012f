"""Experiments: who gets which arm, what scores him, what is logged and measured, and what is refused."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from modelpack import Event, Profile, Score, apply, count, remove, total
from modelpack.attaching import apply_online
from modelpack.cli.app import app
from modelpack.connection import make_engine
from modelpack.errors import RegistryError
from modelpack.experiments import Metric
from modelpack.experiments.commands import parse_arms
from modelpack.outcomes import Outcome
from tests.support import Session, attach, linear_score, publish, row, rows, value

MODELS = {1: ((0.5, 0.01), -1.0), 2: ((-0.3, 0.02), 0.5)}
SPAN = "e.customer_id = p.customer_id and e.at > t.at and e.at <= t.until"
OUTCOME = Outcome(
    f"exists (select from purchase as e where {SPAN})",
    horizon="10 days",
    metrics={
        "revenue": Metric(
            f"(select coalesce(sum(e.amount), 0) from purchase as e where {SPAN})", horizon="5 days"
        )
    },
)
ARMS = [{"arm": "champion", "weight": 75}, {"arm": "challenger", "weight": 25}]
CUSTOMERS = 200


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
        scores=[Score("churn", model="churn", outcome=OUTCOME)],
    )


def make_shop(dsn: str) -> None:
    """200 customers, scored by version 1; version 2 is called challenger."""
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(
            """
            create table customer (customer_id bigint primary key, plan text not null default 'basic');
            create table purchase (customer_id bigint, at timestamptz not null default clock_timestamp(), amount numeric, complaint boolean default false);
            create index on purchase (customer_id, at);
            insert into customer select g, case when g % 4 = 0 then 'pro' else 'basic' end from generate_series(1, 200) as g;
            insert into purchase select 1 + g % 200, now() - interval '30 days' * (g % 7) / 7, g % 50, g % 3 = 0 from generate_series(1, 600) as g
            """
        )
        attach(dsn, profile())
        for weights, bias in MODELS.values():
            publish(session, "churn", ["complaints", "spend"], weights, bias)
        session.execute("select modelpack.promote('churn', 1)")
        session.execute("select modelpack.set_alias('churn', 'challenger', 2)")
        session.execute("call modelpack.rescore('customer')")


pytestmark = pytest.mark.prepared(setup=make_shop)


def start(session: Session, name: str = "winter", arms: Any = ARMS, **more: object) -> int:
    given = ", ".join(f"{key} => %s" for key in more)
    return int(
        value(
            session,
            f"select modelpack.start_experiment('customer', 'churn', %s, %s{', ' + given if more else ''})",
            name,
            json.dumps(arms),
            *more.values(),
        )
    )


def drawn(experiment: int, name: str, key: object) -> float:
    """The number of an entity, as the documentation says it is made."""
    digest = hashlib.sha256(f"{experiment} {name} {key}".encode()).digest()
    return (int.from_bytes(digest[:7], "big") >> 4) / 2**52


def expected(experiment: int, keys: Any, name: str = "winter", share: float = 0.75) -> dict[int, str]:
    return {
        key: f"{name}/{'champion' if drawn(experiment, name, key) < share else 'challenger'}" for key in keys
    }


def arms(session: Session) -> dict[int, str]:
    """The arm of each row that has one; its score is held against the model of its arm, its version against the arm."""
    found = rows(
        session,
        "select c.customer_id, c.churn_arm, c.churn, c.churn_version, count(*) filter (where e.complaint), coalesce(sum(e.amount), 0)"
        "  from customer as c left join purchase as e using (customer_id) where c.churn_arm is not null group by c.customer_id",
    )
    for _, arm, churn, version, complaints, spend in found:
        assert version == (2 if arm.endswith("/challenger") else 1)
        assert churn == pytest.approx(linear_score(*MODELS[version], [complaints, float(spend)]), abs=1e-6)
    return {key: arm for key, arm, *_ in found}


def buy(session: Session, *keys: int) -> None:
    session.execute(
        "insert into purchase (customer_id, amount) select k, 2.5 from unnest(%s::bigint[]) as k",
        [list(keys)],
    )


def test_a_row_gets_its_arm_by_a_hash_of_its_key_when_it_is_next_scored_and_is_scored_by_its_version(
    psql: Session,
) -> None:
    experiment = start(psql)
    assert arms(psql) == {}
    buy(psql, 7)
    buy(psql, 8)
    assert arms(psql) == expected(experiment, (7, 8))
    buy(psql, *range(1, 101))
    assert arms(psql) == expected(experiment, range(1, 101))
    psql.execute("call modelpack.rescore('customer', everything => true)")
    found = arms(psql)
    assert found == expected(experiment, range(1, CUSTOMERS + 1))
    assert {"winter/champion", "winter/challenger"} == set(found.values())
    assert rows(
        psql, "select entity_key::bigint, 'winter/' || arm, weight from modelpack.assignment order by 1"
    ) == [(key, arm, 0.75 if arm.endswith("champion") else 0.25) for key, arm in sorted(found.items())]


def test_who_has_an_arm_is_looked_up_by_the_index_also_where_nobody_had_one_at_first(psql: Session) -> None:
    psql.execute("vacuum analyze modelpack.assignment")  # known to be empty, as nightly vacuuming leaves it
    start(psql)
    with psql.transaction():
        buy(psql, *range(1, CUSTOMERS + 1))
        read = value(
            psql,
            "select seq_tup_read from pg_stat_xact_user_tables where relid = 'modelpack.assignment'::regclass",
        )
    assert value(psql, "select count(*) from modelpack.assignment") == CUSTOMERS
    assert read == 0, "each look-up reads everybody who has an arm already"


def test_a_new_row_gets_its_arm_with_its_first_score(psql: Session) -> None:
    experiment = start(psql)
    psql.execute("insert into customer (customer_id) values (1001), (1002)")
    psql.execute(
        "insert into customer (customer_id, plan) values (1002, 'pro'), (1003, 'pro') on conflict (customer_id) do update set plan = excluded.plan"
    )
    buy(psql, 1004)  # whose profile is made by the event
    assert arms(psql) == expected(experiment, (1001, 1002, 1003, 1004))


def test_arms_stay_whatever_becomes_of_the_weights_and_each_row_of_the_log_names_its_own(
    psql: Session,
) -> None:
    experiment = start(psql)
    buy(psql, *range(1, 101))
    before = arms(psql)
    psql.execute("""select modelpack.set_weights('winter', '{"champion": 1, "challenger": 9}')""")
    buy(psql, *range(1, CUSTOMERS + 1))
    after = arms(psql)
    assert {key: after[key] for key in before} == before
    later = range(101, CUSTOMERS + 1)
    assert {key: after[key] for key in later} == expected(experiment, later, share=0.1)
    logged = rows(
        psql,
        "select distinct entity_key::bigint, 'winter/' || arm, weight, version from modelpack.arm_log order by 1",
    )
    shares = {
        key: {"champion": 0.75, "challenger": 0.25} if key <= 100 else {"champion": 0.1, "challenger": 0.9}
        for key in after
    }
    assert logged == [
        (key, arm, pytest.approx(shares[key][arm.partition("/")[2]]), 2 if arm.endswith("challenger") else 1)
        for key, arm in sorted(after.items())
    ]


def test_an_entity_keeps_its_arm_when_its_row_is_made_again(psql: Session) -> None:
    experiment = start(psql)
    buy(psql, *range(1, 21))
    before = arms(psql)
    psql.execute("""select modelpack.set_weights('winter', '{"champion": 0, "challenger": 1}')""")
    psql.execute("delete from customer where customer_id <= 20")
    psql.execute("insert into customer (customer_id) select generate_series(1, 20)")
    assert arms(psql) == before == expected(experiment, range(1, 21))


def test_two_experiments_draw_independently(psql: Session) -> None:
    halves = [{"arm": "champion", "weight": 1}, {"arm": "challenger", "weight": 1}]
    start(psql, "first", halves)
    buy(psql, *range(1, CUSTOMERS + 1))
    first = {key: arm.partition("/")[2] for key, arm in arms(psql).items()}
    psql.execute("select modelpack.stop_experiment('first')")
    start(psql, "second", halves)
    buy(psql, *range(1, CUSTOMERS + 1))
    second = {key: arm.partition("/")[2] for key, arm in arms(psql).items()}
    same = sum(first[key] == second[key] for key in first)
    # of 200 fair coins, 60 to 140 agree but once in ten million times
    assert 60 < same < 140


def test_what_is_written_into_the_arm_by_hand_has_no_effect(psql: Session) -> None:
    experiment = start(psql)
    psql.execute(
        "insert into customer (customer_id, churn_arm) values (1001, 'winter/challenger'), (1002, 'nonsense')"
    )
    buy(psql, *range(1, 11))
    psql.execute("update customer set churn_arm = 'winter/challenger'")
    psql.execute("update customer set churn_arm = null where customer_id < 5")
    psql.execute("call modelpack.rescore('customer')")
    assert arms(psql) == expected(experiment, [*range(1, CUSTOMERS + 1), 1001, 1002])


def test_a_row_under_another_key_has_the_arm_of_that_key(psql: Session) -> None:
    experiment = start(psql)
    buy(psql, *range(1, 11))
    psql.execute("update customer set customer_id = customer_id + 5000 where customer_id <= 10")
    assert arms(psql) == expected(experiment, range(5001, 5011))


def test_a_condition_says_who_takes_part_and_is_for_owners_alone(
    psql: Session, new_role: Any, database: str
) -> None:
    publisher = new_role("modelpack_publisher")
    psql.execute("select modelpack.grant_model('churn', %s)", [publisher])
    with (
        psycopg.connect(make_conninfo(database, user=publisher), autocommit=True) as theirs,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="by SQL which rows take part"),
    ):
        start(theirs, condition="p.plan = 'pro'")
    with pytest.raises(psycopg.errors.UndefinedColumn, match="nothing"):
        start(psql, condition="p.nothing = 1")
    hostile = "true) as x; drop table purchase; select (true"
    begin = ("start", "churn", "--name", "winter", "--arms", "champion=1,challenger=1")
    assert "the condition" in Shell(database)(*begin, "--where", hostile, code=2)
    assert value(psql, "select count(*) from purchase") == 600
    experiment = start(psql, condition="p.plan = 'pro'")
    buy(psql, *range(1, CUSTOMERS + 1))
    takes_part = [key for key in range(1, CUSTOMERS + 1) if key % 4 == 0]
    assert arms(psql) == expected(experiment, takes_part)
    assert value(psql, "select count(*) from customer where churn_arm is null and churn_version = 1") == 150


def test_a_publisher_with_the_grant_starts_changes_and_ends_one_without_rights_on_the_table(
    psql: Session, new_role: Any, database: str
) -> None:
    publisher = new_role("modelpack_publisher")
    with psycopg.connect(make_conninfo(database, user=publisher), autocommit=True) as theirs:
        with pytest.raises(
            psycopg.errors.InsufficientPrivilege, match="may not start an experiment with the model churn"
        ):
            start(theirs)
        psql.execute("select modelpack.grant_model('churn', %s)", [publisher])
        experiment = start(theirs)
        buy(psql, 1, 2, 3)
        assert arms(psql) == expected(experiment, (1, 2, 3))
        psql.execute("select modelpack.revoke_model('churn', %s)", [publisher])
        for call in (
            """modelpack.set_weights('winter', '{"champion": 1, "challenger": 1}')""",
            "modelpack.stop_experiment('winter')",
            "modelpack.conclude_experiment('winter', 'challenger')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="model churn: it is granted to"):
                theirs.execute(f"select {call}")
        psql.execute("select modelpack.grant_model('churn', %s)", [publisher])
        theirs.execute("select modelpack.conclude_experiment('winter', 'challenger', 'sold more')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            theirs.execute("select * from modelpack.assignment")
    assert row(psql, "select ended_by, ended_why, winner from modelpack.experiment") == (
        publisher,
        "sold more",
        "challenger",
    )
    assert value(psql, "select version from modelpack.alias where alias = 'champion'") == 2


def test_the_key_of_an_assignment_is_that_of_the_log_whatever_the_session_has_set(
    psql: Session,
) -> None:
    psql.execute(
        """
        create table visitor (seen timestamptz, mark bytea, primary key (seen, mark));
        create table visit (seen timestamptz, mark bytea, at timestamptz not null default clock_timestamp());
        """
    )
    visitor = Profile(
        "visitor",
        key=["seen", "mark"],
        events=[Event("visit", at="at", features={"visits": count()})],
        scores=[Score("mood", model="mood")],
    )
    attach(psql.info.dsn, visitor)
    publish(psql, "mood", ["visits"], (0.1,), 0.0)
    psql.execute(
        "select modelpack.start_experiment('visitor', 'mood', 'summer', %s)",
        [json.dumps([{"arm": "a", "version": 1, "weight": 1}, {"arm": "b", "version": 1, "weight": 1}])],
    )
    for zone, style, marks in (("Asia/Tokyo", "German", "escape"), ("UTC", "ISO", "hex")):
        psql.execute(f"set timezone = '{zone}'; set datestyle = '{style}'; set bytea_output = '{marks}'")
        # by the session itself, and as a new row each time
        psql.execute("delete from visitor")
        psql.execute(
            "insert into visitor select '2026-01-01 00:00+00'::timestamptz + g * interval '1 hour', '\\xff00' from generate_series(1, 10) as g"
        )
    assert value(psql, "select count(*) from modelpack.assignment") == 10
    assert (
        value(psql, "select count(distinct entity_key) from modelpack.prediction where score = 'mood'") == 10
    )
    assert value(psql, "select count(*) from modelpack.arm_log") == 20


def test_a_column_of_the_users_own_is_not_written_over(psql: Session) -> None:
    psql.execute("alter table customer add column churn_arm text default 'left'")
    with pytest.raises(psycopg.errors.DuplicateColumn, match="a column churn_arm of its own"):
        start(psql)
    assert rows(psql, "select distinct churn_arm from customer") == [("left",)]
    psql.execute("alter table customer rename column churn_arm to side")
    start(psql)


REFUSED = [
    ("Winter!", ARMS, "cannot name an experiment"),
    ("winter", [ARMS[0]], "arms .* cannot be used"),
    ("winter", {"champion": 90}, "arms .* cannot be used"),
    ("winter", [*ARMS, ARMS[0]], "arms .* cannot be used"),
    ("winter", [{"arm": "a b", "weight": 1}, ARMS[0]], "arms .* cannot be used"),
    ("winter", [{"arm": "champion", "weight": -1}, ARMS[1]], "champion=-1"),
    ("winter", [{"arm": "champion", "weight": 0}, {"arm": "challenger", "weight": 0}], "all weights are 0"),
    ("winter", [{"arm": "champion", "weight": "many"}, ARMS[1]], 'champion="many"'),
    (
        "winter",
        [ARMS[0], {"arm": "stranger", "weight": 1}],
        "nothing says which version the arm stranger is of",
    ),
    ("winter", [ARMS[0], {"arm": "new", "version": 99, "weight": 1}], "churn has no version 99"),
]


@pytest.mark.parametrize(("name", "given", "message"), REFUSED)
def test_what_cannot_be_an_experiment_is_refused_and_leaves_nothing(
    psql: Session, name: str, given: Any, message: str
) -> None:
    with pytest.raises(psycopg.errors.Error, match=message):
        start(psql, name, given)
    assert value(psql, "select count(*) from modelpack.experiment") == 0
    assert value(psql, "select choice from modelpack.score") is None


def test_a_score_has_one_experiment_at_a_time_and_a_name_is_used_once(psql: Session) -> None:
    start(psql)
    with pytest.raises(
        psycopg.errors.ObjectNotInPrerequisiteState, match="experiment winter runs on the score churn"
    ):
        start(psql, "other")
    psql.execute("select modelpack.stop_experiment('winter')")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="winter ended at"):
        psql.execute("select modelpack.stop_experiment('winter')")
    with pytest.raises(psycopg.errors.DuplicateObject, match="an experiment winter already"):
        start(psql)
    with pytest.raises(psycopg.errors.UndefinedObject, match="no experiment summer"):
        psql.execute("select modelpack.conclude_experiment('summer', 'champion')")


def test_a_version_that_is_retired_or_not_approved_is_no_arm(psql: Session) -> None:
    psql.execute("select modelpack.require_approval('churn')")
    with pytest.raises(
        psycopg.errors.ObjectNotInPrerequisiteState, match="version 2 is not approved, and the arm challenger"
    ):
        start(psql)
    psql.execute("select modelpack.require_approval('churn', false)")
    psql.execute("select modelpack.drop_alias('churn', 'challenger')")
    psql.execute("select modelpack.retire('churn', 2)")
    with pytest.raises(psycopg.errors.Error, match="retired"):
        start(psql, arms=[ARMS[0], {"arm": "new", "version": 2, "weight": 1}])


def test_two_arms_may_have_one_version(psql: Session) -> None:
    experiment = start(
        psql, arms=[{"arm": "a", "version": 1, "weight": 1}, {"arm": "b", "version": 1, "weight": 1}]
    )
    buy(psql, *range(1, 51))
    assert rows(
        psql,
        "select customer_id, churn_arm, churn_version from customer where churn_arm is not null order by 1",
    ) == [
        (key, f"winter/{'a' if drawn(experiment, 'winter', key) < 0.5 else 'b'}", 1) for key in range(1, 51)
    ]


def test_after_its_end_the_champion_scores_all_and_events_find_no_trigger(psql: Session) -> None:
    start(psql)
    buy(psql, *range(1, 51))
    psql.execute("select modelpack.stop_experiment('winter', 'enough')")
    assert value(psql, "select count(*) from pg_trigger where tgname like '%%model\\_arm%%'") == 0
    psql.execute("call modelpack.rescore('customer')")
    assert rows(psql, "select distinct churn_version from customer") == [(1,)]
    psql.execute("insert into customer (customer_id) values (1001)")
    assert row(psql, "select churn_arm, churn_version from customer where customer_id = 1001") == (None, 1)
    # what was found is kept
    assert value(psql, "select count(*) from modelpack.assignment") == 50


def test_another_session_sees_start_and_end_at_their_commit(psql: Session, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as other:
        buy(other, 1)
        with psql.transaction():
            experiment = start(psql)
        buy(other, 1, 2)
        assert arms(psql) == expected(experiment, (1, 2))
        psql.execute("select modelpack.stop_experiment('winter')")
        buy(other, 1, 2, 3)
        assert rows(psql, "select distinct churn_version from customer where customer_id in (1, 2, 3)") == [
            (1,)
        ]


def test_sessions_that_bring_one_entity_at_once_give_it_one_arm(psql: Session, database: str) -> None:
    experiment = start(psql)

    def work(_: int) -> None:
        with psycopg.connect(database, autocommit=True) as session:
            for key in range(2001, 2021):
                buy(session, key)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert arms(psql) == expected(experiment, range(2001, 2021))
    assert value(psql, "select count(*) from modelpack.assignment") == 20


def test_a_changed_declaration_lets_an_experiment_go_on(psql: Session, database: str) -> None:
    experiment = start(psql)
    buy(psql, *range(1, 21))
    with make_engine(database).begin() as connection:
        assert apply(connection, profile("purchases"))
    buy(psql, *range(1, 41))
    # what is counted again is scored again, and so gets its arm
    assert arms(psql) == expected(experiment, range(1, CUSTOMERS + 1))
    failures = """select "check", found from modelpack.doctor() where status = 'fail'"""
    assert rows(psql, failures) == []


FAILS = """select "check", found from modelpack.doctor() where status = 'fail'"""


def test_a_declaration_that_is_replaced_online_lets_an_experiment_go_on(psql: Session, database: str) -> None:
    start(psql)
    buy(psql, 1, 2, 3)
    before = arms(psql)
    with make_engine(database).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        apply_online(connection, profile("visits"))
    buy(psql, *range(1, 101))
    assert arms(psql).items() >= before.items()
    assert set(arms(psql)) >= set(range(1, 101))
    assert rows(psql, FAILS) == []


def test_the_table_of_somebody_else_can_be_altered_while_an_experiment_runs(
    psql: Session, new_role: Callable[..., str]
) -> None:
    owner = new_role()
    with psql.transaction():
        psql.execute(f"select modelpack.run_as('public.customer', '{owner}')")
        psql.execute(f"alter table customer owner to {owner}")
    start(psql)
    psql.execute("alter table customer add column more integer")
    buy(psql, 1)
    assert set(arms(psql)) == {1}
    assert rows(psql, FAILS) == []
    psql.execute("select modelpack.stop_experiment('winter')")


def test_nothing_is_missed_when_an_experiment_ends_after_a_declaration_was_applied(
    psql: Session, database: str
) -> None:
    start(psql)
    attach(database, profile("visits"))
    psql.execute("select modelpack.stop_experiment('winter')")
    assert rows(psql, FAILS) == []


def test_a_declaration_that_is_removed_takes_the_column_along_and_the_experiment_is_ended(
    psql: Session, database: str
) -> None:
    start(psql)
    buy(psql, 1, 2)
    with make_engine(database).begin() as connection:
        remove(connection, profile())
    assert rows(
        psql,
        "select attname from pg_attribute where attrelid = 'customer'::regclass and attnum > 0 and not attisdropped",
    ) == [
        ("customer_id",),
        ("plan",),
    ]
    assert (
        value(
            psql, "select count(*) from pg_trigger where tgrelid = 'customer'::regclass and not tgisinternal"
        )
        == 0
    )
    assert rows(psql, "select experiment, stopped from modelpack.watch_experiments()") == [("winter", True)]
    assert (
        value(psql, "select ended_why from modelpack.experiment")
        == "guardrail: public.customer has no score churn any more"
    )


def test_an_arm_whose_rows_lack_scores_ends_the_experiment(psql: Session) -> None:
    psql.execute("alter table customer add column age integer")
    publish(psql, "churn", ["complaints", "age"], (0.1, 0.1), missing=False, promote=False)
    start(psql, arms=[{"arm": "champion", "weight": 1}, {"arm": "old", "version": 3, "weight": 1}])
    buy(psql, *range(1, 41))
    assert rows(psql, "select stopped from modelpack.watch_experiments()") == [(False,)]  # too few to judge
    buy(psql, *range(41, CUSTOMERS + 1))
    stale = value(psql, "select count(*) from customer where churn_stale is not null")
    assert stale == value(psql, "select count(*) from customer where churn_arm = 'winter/old'") > 30
    assert rows(psql, "select experiment, arm, stopped from modelpack.watch_experiments()") == [
        ("winter", "old", True)
    ]
    assert "100.0% of the rows of old have no fresh score" in value(
        psql, "select ended_why from modelpack.experiment"
    )
    assert rows(psql, "select * from modelpack.watch_experiments()") == []


def test_an_arm_whose_scores_take_too_long_ends_the_experiment(psql: Session) -> None:
    start(psql, time_limit=3)
    buy(psql, *range(1, CUSTOMERS + 1))
    slow = (
        "update modelpack.prediction as l set microseconds = case when l.version = 2 then %s else 100 end"
        " from modelpack.assignment as s where s.entity_key = l.entity_key"
    )
    psql.execute(slow, [300])
    assert rows(psql, "select stopped from modelpack.watch_experiments()") == [(False,)]
    psql.execute(slow, [301])
    assert rows(psql, "select experiment, arm, stopped from modelpack.watch_experiments()") == [
        ("winter", "challenger", True)
    ]
    assert value(psql, "select ended_why from modelpack.experiment") == (
        "guardrail: a score of challenger takes 301 microseconds in the median, of champion 100; the limit is 3 times as long"
    )


def age_assignments(session: Session, by: str) -> None:
    session.execute(f"update modelpack.assignment set assigned_at = now() - interval '{by}'")


@pytest.mark.parametrize(("metric", "days"), [("revenue", 5), ("outcome", 10)])
def test_a_metric_is_measured_from_the_assignment_on_and_as_long_before(
    psql: Session, metric: str, days: int
) -> None:
    start(psql)
    buy(psql, *range(1, 101))
    age_assignments(psql, "12 days")
    buy(psql, *range(101, 121))
    measured = (
        "coalesce(sum(e.amount), 0)::float8" if metric == "revenue" else "(count(*) > 0)::integer::float8"
    )
    own = rows(
        psql,
        f"""
        select s.arm, s.weight, true,
               (select {measured} from purchase as e where e.customer_id = s.entity_key::bigint
                 and e.at > s.assigned_at and e.at <= s.assigned_at + interval '{days} days'),
               (select {measured} from purchase as e where e.customer_id = s.entity_key::bigint
                 and e.at > s.assigned_at - interval '{days} days' and e.at <= s.assigned_at)
          from modelpack.assignment as s where s.entity_key::bigint <= 100 order by 1, 2, 4, 5
        """,
    )
    found = rows(
        psql,
        "select arm, weight, ripe, value, before from modelpack.arm_values('winter', %s) where ripe order by 1, 2, 4, 5",
        metric,
    )
    assert found == own
    assert (
        value(
            psql,
            "select count(*) from modelpack.arm_values('winter', %s) where not ripe and value is null",
            metric,
        )
        == 20
    )


def test_a_cohort_knows_by_which_arm_each_score_was_given(psql: Session, database: str) -> None:
    start(psql)
    taking = list(range(1, 101))
    psql.execute(
        "insert into purchase (customer_id, amount) select k, 1 from unnest(%s::bigint[]) as k", [taking]
    )
    before = arms(psql)
    # the scores of arms, and of the customers without one, are written down as they stand
    cut_off = value(psql, "select clock_timestamp()")
    psql.execute("call modelpack.take_cohort('customer', 'churn', %s)", [cut_off])
    noted = "select entity_key::integer, segments ->> 'arm', version from modelpack.cohort where cut_off = %s order by 1"
    found = {key: (arm, version) for key, arm, version in rows(psql, noted, cut_off)}
    assert set(found) == set(range(1, CUSTOMERS + 1))
    assert {key: arm for key, (arm, _) in found.items() if arm} == before
    assert set(before) == set(taking)
    assert {version for arm, version in found.values() if arm == "winter/challenger"} == {2}
    # a score that was given before the arm was drawn is nobody's
    psql.execute("call modelpack.take_cohort('customer', 'churn', %s)", [cut_off - timedelta(hours=1)])
    assert {arm for _, arm, _ in rows(psql, noted, cut_off - timedelta(hours=1))} <= {None}
    # as if all that were a month ago
    psql.execute("set session_replication_role = replica")
    psql.execute(
        "update modelpack.cut_off set until = now() - interval '2 days', ripe_at = now() - interval '1 day',"
        " cut_off = now() - interval '12 days' where cut_off = %s",
        [cut_off],
    )
    psql.execute(
        "update modelpack.cohort set scored_at = now() - interval '13 days', cut_off = (select max(cut_off) from modelpack.cut_off where ripe_at < now()) where cut_off = %s",
        [cut_off],
    )
    psql.execute("set session_replication_role = origin")
    psql.execute(
        "insert into purchase (customer_id, at, amount) select k, now() - interval '5 days', 1 from generate_series(1, 200, 3) as k"
    )
    psql.execute("call modelpack.settle('customer')")
    truth = rows(
        psql,
        "select segments ->> 'arm', outcome, prediction from modelpack.judgement where status = 'settled'",
    )
    for arm in ("winter/champion", "winter/challenger"):
        y, x = zip(*((y, x) for of, y, x in truth if of == arm), strict=True)
        assert row(
            psql,
            "select sum(settled), sum(auc * settled) / sum(settled) from modelpack.fit_by_segment where segment = 'arm' and value = %s and settled > 0",
            arm,
        ) == (len(y), pytest.approx(roc_auc_score(y, x)))
    done = CliRunner().invoke(app, ["fit", "churn", "--json", "--dsn", database], catch_exceptions=False)
    told = {f["segment"]: f["settled"] for f in json.loads(done.stdout)["fits"] if f["segment"]}
    for arm in ("winter/champion", "winter/challenger"):
        assert told[f"arm={arm}"] == sum(of == arm for of, *_ in truth)


def test_exposures_are_noted_and_can_be_what_counts(psql: Session) -> None:
    start(psql)
    buy(psql, *range(1, 11))
    with pytest.raises(psycopg.errors.UndefinedObject, match="the entity has no arm"):
        psql.execute("select modelpack.expose('winter', '4711')")
    age_assignments(psql, "20 days")
    for when in ("now() - interval '21 days'", "now() + interval '1 day'", "null"):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="nobody can have acted at"):
            psql.execute(f"select modelpack.expose('winter', '1', 'mail', {when})")
    psql.execute("select modelpack.expose('winter', '3')")
    for key in (1, 2, 2):
        psql.execute("select modelpack.expose('winter', %s, 'mail', now() - interval '15 days')", [str(key)])
    assert value(psql, "select count(*) from modelpack.arm_values('winter', 'outcome', true) where ripe") == 2
    assert value(psql, "select count(*) from modelpack.arm_values('winter', 'outcome') where ripe") == 10


class Shell:
    """The command line."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def __call__(self, *arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["experiment", *arguments], env={"MODELPACK_DSN": self.dsn})
        assert done.exit_code == code, done.output
        return done.output


def test_the_commands_tell_the_story_of_an_experiment(psql: Session, database: str) -> None:
    shell = Shell(database)
    assert "ARM=SHARE" in shell("start", "churn", "--name", "winter", "--arms", "champion", code=2)
    assert "no score mood" in shell("start", "mood", "--name", "winter", "--arms", "a=1,b=1", code=2)
    assert "has begun" in shell("start", "churn", "--name", "winter", "--arms", "champion=50,challenger=50")
    buy(psql, *range(1, CUSTOMERS + 1))
    age_assignments(psql, "12 days")
    shown = json.loads(shell("show", "winter", "--metric", "revenue", "--json"))
    measured = {
        arm: [float(x) for (x,) in rows(
            psql,
            "select (select coalesce(sum(e.amount), 0) from purchase as e where e.customer_id = s.entity_key::bigint"
            "        and e.at > s.assigned_at and e.at <= s.assigned_at + interval '5 days')"
            "  from modelpack.assignment as s where s.arm = %s", arm)]
        for arm in ("champion", "challenger")
    }  # fmt: skip
    assert shown["balanced"] is True
    assert [(a["arm"], a["entities"], a["ripe"]) for a in shown["arms"]] == [
        (arm, len(found), len(found)) for arm, found in measured.items()
    ]
    for a in shown["arms"]:
        assert a["mean"] == pytest.approx(statistics.fmean(measured[a["arm"]]))
    assert "cannot be told apart by outcome" in shell("show", "winter")
    assert "expected either --arms" in shell("weights", "winter", code=2)
    said = json.loads(shell("weights", "winter", "--thompson", "--floor", "0.2", "--json"))
    assert sum(said["weights"].values()) == pytest.approx(1)
    assert min(said["weights"].values()) >= 0.2
    assert row(psql, "select reason from modelpack.weighting order by weighting_id desc limit 1") == (
        "thompson",
    )
    assert "is the champion" in shell("conclude", "winter", "--winner", "challenger")
    assert value(psql, "select version from modelpack.alias where alias = 'champion'") == 2
    assert "concluded: challenger won" in shell("show", "winter")
    assert "no experiment summer" in shell("show", "summer", code=2)


def test_a_split_that_cannot_be_chance_is_said_before_any_figure(psql: Session, database: str) -> None:
    start(psql, arms=[{"arm": "champion", "weight": 1}, {"arm": "challenger", "weight": 1}])
    buy(psql, *range(1, CUSTOMERS + 1))
    age_assignments(psql, "12 days")
    shell = Shell(database)
    assert "can be believed" not in shell("show", "winter", "--metric", "revenue")
    psql.execute("delete from modelpack.assignment where arm = 'challenger' and entity_key::bigint % 3 <> 0")
    said = shell("show", "winter", "--metric", "revenue")
    assert "The split is not that of the weights" in said
    assert "Nothing that follows can be believed" in said.partition("entities  measured")[0]


def test_an_open_transaction_that_gave_an_arm_keeps_nobody_from_changing_the_experiment_and_the_other_way_round(
    psql: Session, database: str
) -> None:
    start(psql)
    psql.execute("set statement_timeout = '10s'")
    psql.execute("set lock_timeout = '1s'")
    turned = """select modelpack.set_weights('winter', '{"champion": 1, "challenger": 9}')"""
    with psycopg.connect(database) as other:
        buy(other, 1, 2)
        psql.execute(turned)
        assert rows(psql, "select stopped from modelpack.watch_experiments()") == [(False,)]
        with pytest.raises(psycopg.errors.LockNotAvailable, match="another transaction holds the table"):
            psql.execute("select modelpack.stop_experiment('winter')")
    with psycopg.connect(database) as other:
        other.execute(turned)
        buy(psql, 3, 4)
    assert set(arms(psql)) == {1, 2, 3, 4}


def test_an_experiment_whose_declaration_was_taken_off_gives_no_arms_and_its_weights_stay(
    psql: Session, database: str
) -> None:
    start(psql)
    buy(psql, *range(1, 21))
    with make_engine(database).begin() as connection:
        remove(connection, profile())
    attach(database, profile())
    with pytest.raises(
        psycopg.errors.ObjectNotInPrerequisiteState, match="the experiment winter gives no arms any more"
    ):
        psql.execute("""select modelpack.set_weights('winter', '{"champion": 1, "challenger": 9}')""")
    buy(psql, *range(1, 41))
    assert value(psql, "select count(*) from modelpack.assignment") == 20
    assert value(psql, "select count(*) from customer where churn_version = 2") == 0
    psql.execute("select modelpack.stop_experiment('winter')")
    start(psql, "spring")
    buy(psql, *range(1, 41))
    assert set(arms(psql)) == set(range(1, 41))


def test_an_experiment_on_a_score_that_is_declared_no_more_ends_and_keeps_no_other_from_being_watched(
    psql: Session, database: str
) -> None:
    two = replace(profile(), scores=(*profile().scores, Score("risk", model="churn")))
    attach(database, two)
    halves = json.dumps([{"arm": "champion", "weight": 1}, {"arm": "challenger", "weight": 1}])
    psql.execute("select modelpack.start_experiment('customer', 'risk', 'risky', %s)", [halves])
    start(psql)
    buy(psql, *range(1, 41))
    attach(database, profile())
    assert rows(psql, "select experiment, stopped from modelpack.watch_experiments() order by 1") == [
        ("risky", True),
        ("winter", False),
    ]
    attach(database, two)
    psql.execute("select modelpack.start_experiment('customer', 'risk', 'again', %s)", [halves])
    buy(psql, *range(1, 41))
    assert (
        value(
            psql, "select count(*) from customer where risk_arm like 'again/%%' and risk_version is not null"
        )
        == 40
    )


@pytest.mark.parametrize("more", ["score", "feature"])
@pytest.mark.parametrize("first", ["experiment", "declaration"])
def test_a_declaration_cannot_have_the_column_of_an_experiment(
    psql: Session, database: str, more: str, first: str
) -> None:
    clash = (
        profile("churn_arm")
        if more == "feature"
        else replace(profile(), scores=(*profile().scores, Score("churn_arm", model="churn")))
    )
    if first == "experiment":
        start(psql)
        buy(psql, *range(1, 41))
        with pytest.raises(Exception, match="keeps something of its own in the column churn_arm"):
            attach(database, clash)
        buy(psql, *range(1, 61))
        assert set(arms(psql)) == set(range(1, 61))
    else:
        attach(database, clash)
        with pytest.raises(psycopg.errors.DuplicateColumn, match="column churn_arm"):
            start(psql)
        buy(psql, *range(1, 41))


@pytest.mark.parametrize(
    "given",
    ["[1]", "null", "3", '{"champion": 1e-400, "challenger": 1}', '{"champion": -1, "challenger": 1}'],
)
def test_weights_that_are_none_are_refused_in_a_sentence(psql: Session, given: str) -> None:
    start(psql)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="the weights of the experiment winter"):
        psql.execute("select modelpack.set_weights('winter', %s)", [given])


def test_weights_are_what_was_said_however_a_session_writes_numbers(psql: Session) -> None:
    psql.execute("set extra_float_digits = -15")
    experiment = start(psql)
    buy(psql, *range(1, CUSTOMERS + 1))
    psql.execute("set extra_float_digits = 1")
    assert arms(psql) == expected(experiment, range(1, CUSTOMERS + 1))
    assert value(psql, "select weights from modelpack.weighting") == {"champion": 0.75, "challenger": 0.25}


def test_an_event_survives_a_condition_that_fails_and_its_row_takes_no_part(psql: Session) -> None:
    experiment = start(psql, condition="100 / (p.customer_id - 5) > 0")
    buy(psql, 5)
    buy(psql, 4, 5, 6, 7)
    assert arms(psql) == expected(experiment, (6, 7))
    assert value(psql, "select churn_version from customer where customer_id = 5") == 1


def test_a_horizon_is_as_long_in_every_time_zone(psql: Session) -> None:
    start(psql)
    buy(psql, *range(1, 21))
    # five days over the night of 25 October, when clocks in Berlin go back, end an hour earlier than there
    psql.execute("update modelpack.assignment set assigned_at = '2026-10-20 12:00+00'")
    psql.execute(
        "insert into purchase (customer_id, at, amount) values (1, '2026-10-25 11:59+00', 1), (1, '2026-10-25 12:01+00', 10)"
    )
    for zone in ("UTC", "Europe/Berlin"):
        psql.execute(f"set timezone = '{zone}'")
        assert value(psql, "select sum(value) from modelpack.arm_values('winter', 'revenue')") == 1


def test_an_experiment_whose_table_is_gone_says_so(psql: Session) -> None:
    start(psql)
    psql.execute("drop table customer cascade")
    with pytest.raises(
        psycopg.errors.UndefinedTable, match="whose rows the experiment winter was about, is gone"
    ):
        psql.execute("select * from modelpack.arm_values('winter', 'revenue')")
    assert rows(psql, "select stopped from modelpack.watch_experiments()") == [(True,)]


def test_a_few_stale_rows_more_end_no_experiment_by_chance(psql: Session) -> None:
    start(psql, arms=[{"arm": "champion", "weight": 1}, {"arm": "challenger", "weight": 1}])
    buy(psql, *range(1, 121))
    of = {
        name: [k for k, arm in arms(psql).items() if arm.endswith(name)]
        for name in ("champion", "challenger")
    }
    assert min(map(len, of.values())) >= 40

    def watched(champion: float, challenger: float) -> list[tuple[Any, ...]]:
        psql.execute("set session_replication_role = replica")
        psql.execute("update customer set churn_stale = null")
        for name, share in (("champion", champion), ("challenger", challenger)):
            keys = of[name][: round(len(of[name]) * share)]
            psql.execute(
                "update customer set churn_stale = 'out of date' where customer_id = any(%s)", [keys]
            )
        psql.execute("set session_replication_role = origin")
        return rows(psql, "select stopped from modelpack.watch_experiments()")

    # of 50 rows that lack a score one time in four, 25 % and 37 % are no rare thing
    assert watched(0.25, 0.37) == [(False,)]
    assert watched(0.25, 0.9) == [(True,)]


@pytest.mark.parametrize(
    "arms", ["champion=nan,b=1", "champion=inf,b=1", "champion=,b=1", "champion", "", "a=1,a=2", "a:x=1,b=1"]
)
def test_shares_that_are_none_are_refused(arms: str) -> None:
    with pytest.raises(RegistryError, match="--arms"):
        parse_arms(arms)
