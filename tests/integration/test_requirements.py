"""Requirements: a version is promoted where settled outcomes show what is asked for, and refused with the figures where not."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score
from typer.testing import CliRunner

from benchmarks import figures
from modelpack import Event, Profile, Registry, Score, count, total
from modelpack.cli.app import app
from modelpack.connection import make_engine
from modelpack.outcomes import Outcome
from modelpack.training import training_set
from tests.support import Session, attach, linear_score, publish, row, rows, user, value, wait_for

CUSTOMERS = 300
GONE = "not exists (select from purchase as e where e.customer_id = p.customer_id and e.at > t.at and e.at <= t.until)"
VERSIONS = {1: ((-0.4, 0.0), 4.0), 2: ((0.0, 0.03), -1.0), 3: ((-0.4, 0.002), 4.0), 4: ((0.4, 0.0), -4.0)}
"""1 knows the truth, 2 guesses, 3 is nearly 1, 4 is its contrary."""

ARMS = [{"arm": "old", "version": 1, "weight": 0.5}, {"arm": "new", "version": 2, "weight": 0.5}]


def profile() -> Profile:
    features = {"purchases": count(), "spend": total("amount")}
    return Profile(
        "customer",
        key="customer_id",
        events=[Event("purchase", at="at", features=features)],
        scores=[Score("churn", model="churn", outcome=Outcome(GONE, horizon="30 days", every="1 day"))],
    )


def make_shop(dsn: str) -> None:
    """Customers who bought 1 to 20 times, the sooner again the more often; version 1 scored them 60 days ago."""
    drawn = random.Random(8)
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(
            "create table customer (customer_id bigint primary key);"
            "create table purchase (customer_id bigint not null, at timestamptz not null, amount numeric not null);"
        )
        session.execute(f"insert into customer select generate_series(1, {CUSTOMERS})")
        times = {key: drawn.randint(1, 20) for key in range(1, CUSTOMERS + 1)}
        before = [(key, drawn.randint(1, 9)) for key, n in times.items() for _ in range(n)]
        session.execute(
            "insert into purchase select k, now() - interval '100 days', a from unnest(%s::bigint[], %s::numeric[]) as t (k, a)",
            [[k for k, _ in before], [a for _, a in before]],
        )
        publish(session, "churn", ["purchases", "spend"], *VERSIONS[1])
        attach(dsn, profile())
        for weights, bias in list(VERSIONS.values())[1:]:
            publish(session, "churn", ["purchases", "spend"], weights, bias, promote=False)
        session.execute("set session_replication_role = replica")
        session.execute("update customer set churn_scored_at = now() - interval '60 days'")
        session.execute(
            "update modelpack.prediction set scored_at = (select min(churn_scored_at) from customer)"
        )
        session.execute("set session_replication_role = origin")
        again = [key for key, n in times.items() if drawn.random() < n / 21]
        session.execute(
            "insert into purchase select k, now() - interval '40 days', 1 from unnest(%s::bigint[]) as k",
            [again],
        )
        session.execute("call modelpack.take_cohort('customer', 'churn', now() - interval '50 days')")
        session.execute("call modelpack.settle('customer')")
        for version in (2, 3, 4):
            session.execute(
                "select modelpack.set_tag('churn', %s, 'trained_until', (now() - interval '55 days')::text)",
                [version],
            )


pytestmark = pytest.mark.prepared(setup=make_shop)


def truth(session: Session) -> tuple[np.ndarray, dict[int, list[float]]]:
    """From the events alone: who bought nothing in the thirty days, and what each version says of the time before."""
    found = rows(
        session,
        "select c.customer_id, count(*) filter (where at < now() - interval '55 days'), sum(amount) filter (where at < now() - interval '55 days'),"
        " count(*) filter (where at > now() - interval '50 days') from customer as c join purchase using (customer_id) group by 1 order by 1",
    )
    gone = np.array([later == 0 for *_, later in found], dtype=float)
    return gone, {
        v: [linear_score(weights, bias, [float(n), float(spend)]) for _, n, spend, _ in found]
        for v, (weights, bias) in VERSIONS.items()
    }


def champion(session: Session) -> int:
    return int(
        value(session, "select version from modelpack.alias where model = 'churn' and alias = 'champion'")
    )


def refused(session: Session, statement: str, *parameters: object) -> psycopg.errors.Diagnostic:
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as caught:
        session.execute(statement, parameters)
    return caught.value.diag


def test_a_version_that_shows_what_is_required_is_promoted_and_its_figures_are_kept(psql: Session) -> None:
    psql.execute(
        "select modelpack.promote('churn', 3, require => 'AUC  not below champion by 0.05 at 90%', reason => 'as good')"
    )
    assert champion(psql) == 3
    by, requirement, wide, before, (figures,) = row(
        psql,
        "select p.reason, m.requirement, m.model_wide, m.champion, m.figures from modelpack.met_requirement as m join modelpack.promotion as p using (promotion_id)",
    )
    assert (by, wide, before) == ("as good", False, 1)
    assert requirement == "AUC  not below champion by 0.05 at 90%"
    gone, says = truth(psql)
    first, second = roc_auc_score(gone, says[1]), roc_auc_score(gone, says[3])
    assert figures["first"] == pytest.approx(first, abs=1e-9)
    assert figures["second"] == pytest.approx(second, abs=1e-9)
    assert figures["difference"] == pytest.approx(second - first, abs=1e-9)
    assert figures["low"] < second - first < figures["high"]
    assert (figures["rows"], figures["entities"]) == (CUSTOMERS, CUSTOMERS)


def test_nothing_is_compiled_while_a_promotion_is_judged(psql: Session, database: str) -> None:
    # a join that is forbidden makes all look costly, which calls for a compiler of seconds
    assert value(psql, "show jit") == "on"
    with psycopg.connect(database, autocommit=True) as session:
        if not value(session, "select pg_jit_available()"):
            pytest.skip("this server has no compiler")
        found = figures.plans(
            session, "select modelpack.promote('churn', 3, require => 'auc not below champion by 0.2 at 90%')"
        )
    if found is None:
        pytest.skip("auto_explain cannot be loaded")
    assert any("modelpack.fed(" in query + plan for query, plan in found), "no row was replayed"
    assert [query for query, plan in found if "\nJIT:" in plan] == []


@pytest.mark.parametrize("version", [2, 4])
def test_a_worse_version_is_refused_with_the_figures_and_nothing_changes(psql: Session, version: int) -> None:
    found = refused(
        psql,
        "select modelpack.promote('churn', %s, require => 'auc not below champion by 0.01 at 95%%')",
        version,
    )
    assert found.message_primary == (
        f"version {version} of churn does not meet what is required: auc not below champion by 0.01 at 95%"
    )
    gone, says = truth(psql)
    for of in (1, version):
        assert f"{roc_auc_score(gone, says[of]):.4f} " in f"{found.message_detail} "
    assert f"on {CUSTOMERS} rows of {CUSTOMERS} entities" in (found.message_detail or "")
    assert champion(psql) == 1
    assert rows(psql, "select from modelpack.met_requirement") == []
    # without the requirement it may be done
    psql.execute("select modelpack.promote('churn', %s)", [version])
    assert champion(psql) == version


def test_the_brier_score_and_a_bound_of_its_own_are_held_too(psql: Session) -> None:
    gone, says = truth(psql)
    brier = {v: brier_score_loss(gone, says[v]) for v in VERSIONS}
    found = rows(
        psql,
        "select condition, met, (figures ->> 'second')::double precision, words from modelpack.try_requirement('churn', 2,"
        " 'brier score not above champion by 0.9 and brier not above champion and brier score below 0.99 and log loss below 0.01')",
    )
    assert [(condition, met) for condition, met, *_ in found] == [
        ("brier score not above champion by 0.9", True),
        ("brier not above champion", False),
        ("brier score below 0.99", True),
        ("log loss below 0.01", False),
    ]
    assert [second for _, _, second, _ in found][:3] == [pytest.approx(brier[2], abs=1e-6)] * 3
    assert brier[2] > brier[1]
    assert champion(psql) == 1


@pytest.mark.parametrize(
    ("margin", "met"), [(-0.001, True), (0.001, False)], ids=["just wide enough", "just too narrow"]
)
def test_the_whole_interval_has_to_lie_above_the_bound(psql: Session, margin: float, met: bool) -> None:
    low = value(
        psql,
        "select figures ->> 'low' from modelpack.try_requirement('churn', 2, 'auc not below champion at 95%')",
    )
    bound = round(-float(low) - margin, 6)
    assert value(
        psql, "select met from modelpack.try_requirement('churn', 2, %s)", f"auc not below champion by {bound} at 95%"
    ) is met  # fmt: skip


def test_what_a_model_requires_holds_for_every_promotion_but_a_rollback(psql: Session) -> None:
    psql.execute("select modelpack.set_requirement('churn', 'auc not below champion by 0.05')")
    for statement in (
        "select modelpack.promote('churn', 2)",
        "select modelpack.set_alias('churn', 'champion', 2)",
        "select modelpack.promote('churn', 2, 'because')",
    ):
        assert "does not meet" in (refused(psql, statement).message_primary or "")
    assert champion(psql) == 1
    psql.execute("select modelpack.promote('churn', 3)")
    assert row(psql, "select model_wide, champion from modelpack.met_requirement") == (True, 1)
    psql.execute("select modelpack.rollback('churn')")
    assert champion(psql) == 1
    psql.execute("select modelpack.set_requirement('churn', null)")
    psql.execute("select modelpack.promote('churn', 2)")
    assert champion(psql) == 2


def test_the_winner_of_an_experiment_meets_what_the_model_requires(psql: Session) -> None:
    psql.execute("select modelpack.set_requirement('churn', 'auc not below champion by 0.05')")
    psql.execute("select modelpack.start_experiment('customer', 'churn', 'winter', %s)", [json.dumps(ARMS)])
    assert "does not meet" in (
        refused(psql, "select modelpack.conclude_experiment('winter', 'new')").message_primary or ""
    )
    assert champion(psql) == 1
    assert value(psql, "select count(*) from modelpack.experiment where ended_at is null") == 1


def test_a_reason_is_no_requirement_however_the_arguments_are_sent(psql: Session) -> None:
    """psycopg sends a small number as smallint and a text without a type."""
    psql.execute("begin")
    psql.execute("select modelpack.promote(%s, %s, require => 'auc not below champion by 0.5')", ["churn", 3])
    # it is asked once: the next promotion has none
    psql.execute("select modelpack.promote(%s, %s, %s)", ["churn", 2, "auc above 0.99"])
    psql.execute("commit")
    assert row(
        psql, "select version, reason from modelpack.promotion order by promotion_id desc limit 1"
    ) == (2, "auc above 0.99")
    assert rows(psql, "select requirement from modelpack.met_requirement") == [
        ("auc not below champion by 0.5",)
    ]


def test_the_first_champion_is_held_against_nobody(psql: Session) -> None:
    publish(psql, "other", ["purchases"], [0.1], promote=False)
    psql.execute("select modelpack.set_requirement('other', 'auc above champion')")
    psql.execute("select modelpack.promote('other', 1)")
    assert row(psql, "select champion, figures from modelpack.met_requirement") == (None, [])
    publish(psql, "other", ["purchases"], [0.2], promote=False)
    assert "nothing says until when" in (
        refused(psql, "select modelpack.promote('other', 2)").message_primary or ""
    )
    psql.execute("select modelpack.set_tag('other', 2, 'trained_until', '2020-01-01')")
    assert "declares an outcome" in (
        refused(psql, "select modelpack.promote('other', 2)").message_primary or ""
    )


def test_what_a_version_was_trained_on_shows_nothing(psql: Session) -> None:
    require = "select modelpack.promote('churn', 3, require => 'auc not below champion by 0.5')"
    psql.execute("select modelpack.set_tag('churn', 3, 'trained_until', (now() - interval '49 days')::text)")
    assert "no settled score of version 1 since" in (refused(psql, require).message_detail or "")
    psql.execute("select modelpack.set_tag('churn', 3, 'trained_until', 'spring')")
    with pytest.raises(
        psycopg.errors.InvalidParameterValue, match="trained_until of version 3 of churn is 'spring'"
    ):
        psql.execute(require)
    psql.execute("select modelpack.set_tag('churn', 3, 'trained_until', (now() - interval '51 days')::text)")
    psql.execute(require)
    assert champion(psql) == 3


def test_outcomes_that_are_all_the_same_show_nothing(psql: Session) -> None:
    psql.execute("set session_replication_role = replica")
    psql.execute("update modelpack.outcome set value = 1")
    psql.execute("set session_replication_role = origin")
    found = refused(psql, "select modelpack.promote('churn', 3, require => 'auc not below champion by 0.5')")
    assert f"{CUSTOMERS} rows have no AUC" in (found.message_detail or "")
    found = refused(psql, "select modelpack.promote('churn', 3, require => 'mae below 0.5')")
    assert "its outcome is 0 or 1, which has no MAE" in (found.message_detail or "")


READ = {
    "auc not below champion by 0.01 at 95%": ("AUC", "above", False, True, -0.01, 0.95),
    "AUC above champion": ("AUC", "above", True, True, 0, 0.95),
    "auc above champion by .02 at 99.9 %": ("AUC", "above", True, True, 0.02, 0.999),
    "auc not below 0.7 at 90%": ("AUC", "above", False, False, 0.7, 0.9),
    "brier not above champion by 0.005": ("Brier score", "below", False, True, 0.005, 0.95),
    "log loss  below\nchampion by 0.1": ("log loss", "below", True, True, -0.1, 0.95),
    "mae below 12": ("MAE", "below", True, False, 12, 0.95),
}


@pytest.mark.parametrize("requirement", READ)
def test_a_requirement_is_read_as_it_is_meant(psql: Session, requirement: str) -> None:
    found = row(
        psql,
        "select figure, side, strictly, against_champion, bound, confidence from modelpack.read_requirement(%s)",
        requirement,
    )
    assert found[:4] == READ[requirement][:4]
    assert found[4:] == pytest.approx(READ[requirement][4:])


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        ("", "the requirement is empty"),
        ("auc", "cannot be read"),
        ("auc above", "cannot be read"),
        ("auc not below champion 0.01", "cannot be read"),
        ("auc above by 0.1", "cannot be read"),
        ("auc above champion at 20%", "cannot be read"),
        ("auc above champion at 100%", "cannot be read"),
        ("auc above -1", "cannot be read"),
        ("auc above champion; drop table customer", "cannot be read"),
        ("gini above champion", "cannot be read"),
        ("auc above champion and ", "cannot be read"),
        ("auc not above champion", "asks for a worse version"),
        ("brier above 0.3", "asks for a worse version"),
        ("auc above champion and mae not below 3", "asks for a worse version"),
        ("x" * 5000, "characters"),
    ],
)
def test_what_cannot_be_read_is_refused_before_anything_is_computed(
    psql: Session, requirement: str, said: str
) -> None:
    for statement in (
        "select modelpack.set_requirement('churn', %s)",
        "select modelpack.promote('churn', 3, require => %s)",
        "select * from modelpack.try_requirement('churn', 3, %s)",
    ):
        with pytest.raises(psycopg.Error, match=said):
            psql.execute(statement, [requirement])
    assert champion(psql) == 1


def test_an_approver_says_what_is_required_and_a_publisher_meets_it(
    psql: Session, people: Callable[..., Session]
) -> None:
    approver, publisher, reader = (people(f"modelpack_{r}") for r in ("approver", "publisher", "reader"))
    approver.execute("select modelpack.set_requirement('churn', 'auc not below champion by 0.05')")
    assert value(psql, "select set_by from modelpack.requirement") == approver.info.user
    for somebody in (publisher, reader):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            somebody.execute("select modelpack.set_requirement('churn', null)")
    asks = "select modelpack.promote('churn', 3, require => 'auc not below champion by 0.05')"
    for somebody in (publisher, reader, approver):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            somebody.execute(asks)
    tries = "select met from modelpack.try_requirement('churn', 3)"
    assert value(approver, tries) is True
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="may not compare versions of"):
        publisher.execute(tries)
    psql.execute("select modelpack.grant_model('churn', %s)", [publisher.info.user])
    assert value(publisher, tries) is True
    publisher.execute(asks)
    assert rows(psql, "select model_wide from modelpack.met_requirement order by 1") == [(False,), (True,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        publisher.execute("delete from modelpack.met_requirement")


def test_the_commands_say_what_is_required_and_whether_it_is_met(psql: Session, database: str) -> None:
    def shell(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, [*arguments, "--dsn", database], catch_exceptions=False)
        assert done.exit_code == code, done.output
        return re.sub(r"\s+", " ", done.output)

    assert "requires nothing" in shell("require", "churn")
    assert "not below champion by 0.05" in shell("require", "churn", "auc not below champion by 0.05")
    assert "does not meet" in shell("promote", "churn", "2", code=2)
    assert "Score churn" not in shell("judge", "churn", "3")
    (found,) = json.loads(shell("judge", "churn", "2", "--json", code=1))
    assert found["met"] is False
    assert "expected one of the two" in shell("require", "churn", "auc above 0.5", "--nothing", code=2)
    assert "does not meet" in shell("promote", "churn", "3", "--require", "auc above 0.99", code=2)
    assert champion(psql) == 1
    shell("promote", "churn", "3", "--require", "auc not below champion by 0.05")
    assert champion(psql) == 3
    assert "requires nothing" in shell("require", "churn", "--nothing")


@pytest.mark.usefixtures("here")
def test_the_training_set_says_until_when_a_version_knows(
    psql: Session, database: str, tmp_path: Path
) -> None:
    from sklearn.linear_model import LogisticRegression

    engine = make_engine(database)
    with engine.begin() as connection:
        now = value(psql, "select now() - interval '70 days'")
        frame = training_set(connection, profile(), at=[now])
        by_hand = training_set(connection, profile(), at=[now], label="p.customer_id % 2 = 0")
    ends = {"declared": now + pd.Timedelta(days=30), "by hand": pd.Timestamp.now(tz="UTC")}
    frame.to_parquet(tmp_path / "rows.parquet")
    for name, found in {"declared": pd.read_parquet(tmp_path / "rows.parquet"), "by hand": by_hand}.items():
        inputs = found[["purchases", "spend"]]
        model = LogisticRegression().fit(inputs, inputs["purchases"] > 10)
        made = Registry(engine).publish(model, name="churn", sample=inputs, training_data=found)
        until = value(psql, "select modelpack.known_until('churn', %s)", made.version)
        assert abs(until - ends[name]) < pd.Timedelta(minutes=5)
    engine.dispose()
    # the tag is somebody's word, and goes first
    psql.execute(
        "select modelpack.set_tag('churn', %s, 'trained_until', '2020-02-02 00:00+00')", [made.version]
    )
    assert value(psql, "select modelpack.known_until('churn', %s)::date::text", made.version) == "2020-02-02"


AGAINST_2 = {
    "a requirement": "select modelpack.set_requirement('churn', 'auc not below champion by 0.05')",
    "approval": "select modelpack.require_approval('churn')",
    "a withdrawal": "select modelpack.withdraw_approval('churn', 2)",
    "a retirement": "select modelpack.retire('churn', 2)",
}


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
@pytest.mark.parametrize("what", AGAINST_2)
def test_a_promotion_with_an_old_snapshot_does_not_pass_by_what_it_cannot_see(
    psql: Session, people: Callable[..., Session], level: str, what: str
) -> None:
    other, approver = people("modelpack_owner"), people("modelpack_approver")
    approver.execute("select modelpack.approve('churn', 2), modelpack.approve('churn', 3)")
    other.execute(f"begin isolation level {level}")
    assert rows(other, "select requirement from modelpack.requirement") == []
    psql.execute(AGAINST_2[what])
    with pytest.raises(psycopg.errors.SerializationFailure):
        other.execute("select modelpack.promote('churn', 2)")
    other.execute("rollback")
    assert champion(psql) == 1
    # one that began after it sees it
    if what == "a requirement":
        other.execute(f"begin isolation level {level}")
        assert "does not meet" in (
            refused(other, "select modelpack.promote('churn', 2)").message_primary or ""
        )
        other.execute("rollback")
    other.execute(f"begin isolation level {level}")
    other.execute("select modelpack.promote('churn', 3)")
    other.execute("commit")
    assert champion(psql) == 3


@pytest.mark.parametrize("what", ["promote('churn', 2)", "rollback('churn')"])
def test_whose_grant_is_taken_away_moves_no_champion_any_more(
    psql: Session, database: str, people: Callable[..., Session], what: str
) -> None:
    """Neither with a snapshot of before, nor where he waited for the one who took it away."""
    ann = people("modelpack_publisher")
    psql.execute("select modelpack.promote('churn', 3)")
    grant, revoke = "select modelpack.grant_model('churn', %s)", "select modelpack.revoke_model('churn', %s)"
    psql.execute(grant, [user(ann)])
    ann.execute("begin isolation level repeatable read")
    assert value(ann, "select version from modelpack.alias where model = 'churn'") == 3
    psql.execute(revoke, [user(ann)])
    with pytest.raises(psycopg.errors.SerializationFailure):
        ann.execute(f"select modelpack.{what}")
    ann.execute("rollback")
    psql.execute(grant, [user(ann)])
    with psycopg.connect(database) as other, ThreadPoolExecutor(1) as pool:
        other.execute(revoke, [user(ann)])
        waiting = pool.submit(ann.execute, f"select modelpack.{what}")
        wait_for(psql, "select %s = any(pg_blocking_pids(%s))", other.info.backend_pid, ann.info.backend_pid)
        other.commit()
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="may not"):
            waiting.result(20)
    assert champion(psql) == 3


def test_a_requirement_that_nobody_could_see_yet_holds_at_once(psql: Session, database: str) -> None:
    """Of a model for whose versions nobody has taken turns before."""
    psql.execute("delete from modelpack.turn")
    with psycopg.connect(database) as other:
        other.execute("set transaction isolation level repeatable read")
        other.execute("select")
        psql.execute("select modelpack.set_requirement('churn', 'auc not below champion by 0.05')")
        with pytest.raises(psycopg.errors.SerializationFailure):
            other.execute("select modelpack.promote('churn', 2)")
    assert champion(psql) == 1


def test_scores_of_another_model_of_that_time_are_not_those_of_the_champion(psql: Session) -> None:
    """The score was declared with another model then, whose versions have the same numbers."""
    psql.execute("set session_replication_role = replica")
    psql.execute("update modelpack.cut_off set model = 'former'")
    psql.execute("update modelpack.prediction set model = 'former'")
    psql.execute("set session_replication_role = origin")
    found = refused(psql, "select modelpack.promote('churn', 3, require => 'auc not below champion by 0.5')")
    assert "no settled score of version 1" in (found.message_detail or "")


def test_a_number_is_judged_by_how_far_it_is_off_and_said_whole(psql: Session) -> None:
    psql.execute("set session_replication_role = replica")
    psql.execute(
        """update modelpack.profile set declaration = jsonb_set(declaration, '{scores,0,outcome,kind}', '"number"')"""
    )
    psql.execute("update modelpack.outcome set value = value * 5000 + entity_key::integer")
    psql.execute("set session_replication_role = origin")
    gone, says = truth(psql)
    true = gone * 5000 + np.arange(1, CUSTOMERS + 1)
    errors = {v: float(np.abs(np.array(says[v]) - true).mean()) for v in (1, 2)}
    found = row(
        psql,
        "select met, words from modelpack.try_requirement('churn', 2, 'mae not above champion by 1500.5')",
    )
    assert found[0] is True
    assert f"MAE {errors[2]:.4f} of version 2 against {errors[1]:.4f} of version 1, difference {errors[2] - errors[1]:+.4f}, " in found[1]  # fmt: skip
    assert found[1].endswith("expected it to lie below +1500.50")


def without_a_score(session: Session, keys: str) -> None:
    """Version 5 is version 3, but needs the spend; of some customers the log has none."""
    publish(session, "churn", ["purchases", "spend"], *VERSIONS[3], promote=False)
    session.execute(
        "select modelpack.set_tag('churn', 5, 'trained_until', (now() - interval '55 days')::text)"
    )
    session.execute("set session_replication_role = replica")
    session.execute(
        "update modelpack.version set signature = jsonb_set(signature, '{inputs,1,missing}', 'false') where version = 5"
    )
    session.execute(
        f"update modelpack.prediction set inputs[2] = null where version = 1 and entity_key::integer in ({keys})"
    )
    session.execute("set session_replication_role = origin")


def test_a_version_that_gives_no_score_where_the_champion_gave_one_does_not_look_better_for_it(
    psql: Session, database: str
) -> None:
    gone, says = truth(psql)
    wrong = [key for key, (y, p) in enumerate(zip(gone, says[3], strict=True), 1) if abs(y - p) > 0.6]
    without_a_score(psql, ", ".join(map(str, wrong)))
    asks = "auc not below champion by 0.05"
    found = refused(psql, "select modelpack.promote('churn', 5, require => %s)", asks)
    assert f"version 5 gives no score for {len(wrong)} of {CUSTOMERS} rows" in (found.message_detail or "")
    assert champion(psql) == 1
    met, figures = row(psql, "select met, figures from modelpack.try_requirement('churn', 5, %s)", asks)
    assert (met, figures["unscored"], figures["rows"]) == (False, len(wrong), CUSTOMERS - len(wrong))
    kept = [key - 1 for key in range(1, CUSTOMERS + 1) if key not in wrong]
    assert figures["second"] == pytest.approx(roc_auc_score(gone[kept], np.array(says[3])[kept]), abs=1e-9)
    done = CliRunner().invoke(app, ["fit", "churn", "--against", "5", "--dsn", database])
    assert f"no score for {len(wrong)} of {CUSTOMERS} rows" in " ".join(done.output.split())
    # one that scores them all may be promoted, and that is kept
    psql.execute("select modelpack.promote('churn', 3, require => 'auc not below champion by 0.5')")
    assert value(psql, "select figures -> 0 ->> 'unscored' from modelpack.met_requirement") == "0"


FEW = "delete from modelpack.outcome where entity_key::integer > {}"


@pytest.mark.parametrize(
    "requirement",
    ["brier not above champion by 0.5", "log loss not above champion by 0.9", "brier below 0.99"],
)
def test_a_handful_of_rows_shows_nothing(psql: Session, requirement: str) -> None:
    """All of one kind of customer: every row loses the same, so the interval has no width."""
    psql.execute("set session_replication_role = replica")
    psql.execute("update modelpack.prediction set inputs = '{10, 50}' where version = 1")
    psql.execute("update modelpack.outcome set value = entity_key::integer % 2")
    psql.execute(FEW.format(4))
    psql.execute("set session_replication_role = origin")
    ((met, words),) = rows(
        psql, "select met, words from modelpack.try_requirement('churn', 3, %s)", requirement
    )
    assert (met, "too few rows" in words) == (False, True)


def test_a_promotion_reads_no_requirement_of_any_length(psql: Session) -> None:
    long = " and ".join(["auc above 0.1"] * 200)
    for statement in (
        "select modelpack.promote('churn', 3, require => %s)",
        "select modelpack.set_requirement('churn', %s)",
        "select * from modelpack.try_requirement('churn', 3, %s)",
    ):
        with pytest.raises(psycopg.errors.StringDataRightTruncation, match="the requirement has 3595 char"):
            psql.execute(statement, [long])
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="has a control character"):
            psql.execute(statement, ["auc\x1babove champion"])
