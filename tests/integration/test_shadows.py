"""Shadows, replay and reproduction: another version on the inputs that the log holds."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from modelpack import Event, Profile, Score, count, total
from modelpack.cli.app import app
from modelpack.outcomes import Outcome
from tests.support import Session, attach, linear_score, publish, row, rows, value

MODELS = {1: ((0.5, 0.01), -1.0), 2: ((-0.3, 0.02), 0.5)}
GONE = "not exists (select from purchase as e where e.customer_id = p.customer_id and e.at > t.at and e.at <= t.until)"


def make_shop(dsn: str) -> None:
    """60 customers scored by version 1; 2 takes the same, 3 less, 4 something that is not logged."""
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(
            """
            create table customer (customer_id bigint primary key, age integer not null default 40);
            create table purchase (customer_id bigint, at timestamptz not null default clock_timestamp(), amount numeric, complaint boolean default false);
            insert into customer (customer_id) select generate_series(1, 60);
            insert into purchase select 1 + g % 60, now() - interval '90 days', g % 50, g % 3 = 0 from generate_series(1, 200) as g
            """
        )
        features = {"complaints": count(where="complaint"), "spend": total("amount")}
        score = Score("churn", model="churn", outcome=Outcome(GONE, horizon="10 days", every="1 day"))
        events = [Event("purchase", at="at", features=features)]
        attach(dsn, Profile("customer", key="customer_id", events=events, scores=[score]))
        for weights, bias in MODELS.values():
            publish(session, "churn", ["complaints", "spend"], weights, bias)
        publish(session, "churn", ["spend"], (0.03,), 0.1, promote=False)
        publish(session, "churn", ["spend", "age"], (0.03, 0.1), 0.1, promote=False)
        session.execute("select modelpack.promote('churn', 1)")
        session.execute("call modelpack.rescore('customer')")


pytestmark = pytest.mark.prepared(setup=make_shop)


def buy(session: Session, *keys: int) -> None:
    session.execute(
        "insert into purchase (customer_id, amount) select k, 2.5 from unnest(%s::bigint[]) as k",
        [list(keys)],
    )


def shadows(session: Session, version: int = 2) -> list[tuple[Any, ...]]:
    return rows(
        session,
        "select d.prediction_id, d.entity_key, d.version, d.prediction, d.shadow_prediction from modelpack.shadow_score as d"
        " join modelpack.shadow as s using (shadow_id) where s.version = %s order by 1",
        version,
    )


def from_the_log(session: Session, version: int, since: Any) -> list[tuple[Any, ...]]:
    """What a version says of the rows of the log since then, by its weights."""
    weights, bias = {**MODELS, 3: ((0.03,), 0.1)}[version]
    found = rows(
        session,
        "select prediction_id, entity_key, version, prediction, inputs from modelpack.prediction"
        " where scored_at > %s and version <> %s order by 1",
        since,
        version,
    )
    return [
        (number, key, by, said, pytest.approx(linear_score(weights, bias, inputs[-len(weights) :]), abs=1e-6))
        for number, key, by, said, inputs in found
    ]


def test_a_shadow_scores_what_is_logged_from_its_start_on_and_nothing_else_changes(psql: Session) -> None:
    began = value(psql, "select clock_timestamp()")
    for version in (2, 3):
        psql.execute("select modelpack.start_shadow('churn', %s)", [version])
    buy(psql, 1)
    buy(psql, *range(1, 31))
    before = rows(psql, "select * from customer order by 1")
    logged = value(psql, "select count(*) from modelpack.prediction")
    psql.execute("call modelpack.score_shadows('churn', batch => 7)")
    for version in (2, 3):
        assert shadows(psql, version) == from_the_log(psql, version, began)
    assert len(shadows(psql)) == 31
    assert rows(psql, "select * from customer order by 1") == before
    assert value(psql, "select count(*) from modelpack.prediction") == logged
    # once each, whoever asks again
    psql.execute("call modelpack.score_shadows()")
    assert len(shadows(psql)) == 31
    buy(psql, 40)
    psql.execute("call modelpack.score_shadows()")
    assert shadows(psql) == from_the_log(psql, 2, began)
    psql.execute("select modelpack.stop_shadow('churn', 2)")
    buy(psql, 41)
    psql.execute("call modelpack.score_shadows()")
    assert len(shadows(psql)) == 32
    assert len(shadows(psql, 3)) == 33


def test_rows_that_are_committed_late_are_scored_too(psql: Session, database: str) -> None:
    began = value(psql, "select clock_timestamp()")
    psql.execute("select modelpack.start_shadow('churn', 2)")
    with psycopg.connect(database) as late:
        buy(late, 1)
        buy(psql, 2)
        psql.execute("call modelpack.score_shadows()")
        assert [key for _, key, *_ in shadows(psql)] == ["2"]
        late.commit()
    psql.execute("call modelpack.score_shadows()")
    assert shadows(psql) == from_the_log(psql, 2, began)
    assert len(shadows(psql)) == 2


def test_two_jobs_at_once_score_each_row_once(psql: Session, database: str) -> None:
    psql.execute("select modelpack.start_shadow('churn', 2)")
    for key in range(1, 41):
        buy(psql, key)

    def work(_: int) -> None:
        with psycopg.connect(database, autocommit=True) as session:
            session.execute("call modelpack.score_shadows('churn', batch => 3)")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    psql.execute("call modelpack.score_shadows()")
    assert len(shadows(psql)) == 40


def test_a_share_takes_the_same_entities_every_time(psql: Session) -> None:
    psql.execute("select modelpack.start_shadow('churn', 2, 0.3)")
    buy(psql, *range(1, 61))
    psql.execute("call modelpack.score_shadows()")
    first = {key for _, key, *_ in shadows(psql)}
    assert 5 < len(first) < 35
    buy(psql, *range(1, 61))
    psql.execute("call modelpack.score_shadows()")
    assert {key for _, key, *_ in shadows(psql)} == first
    assert len(shadows(psql)) == 2 * len(first)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("start_shadow('churn', 9)", "has no version 9"),
        ("start_shadow('mood', 1)", "no model mood"),
        ("start_shadow('churn', 2, 0)", "share is 0"),
        ("stop_shadow('churn', 2)", "version 2 of churn is no shadow"),
    ],
)
def test_what_cannot_be_a_shadow_is_refused(psql: Session, call: str, message: str) -> None:
    with pytest.raises(psycopg.errors.Error, match=message):
        psql.execute(f"select modelpack.{call}")
    psql.execute("select modelpack.start_shadow('churn', 2)")
    with pytest.raises(psycopg.errors.DuplicateObject, match="is a shadow already"):
        psql.execute("select modelpack.start_shadow('churn', 2)")


def test_a_publisher_needs_the_grant_and_sees_no_key(psql: Session, new_role: Any, database: str) -> None:
    publisher = new_role("modelpack_publisher")
    with psycopg.connect(make_conninfo(database, user=publisher), autocommit=True) as theirs:
        for call in ("start_shadow('churn', 2)", "stop_shadow('churn', 2)"):
            with pytest.raises(
                psycopg.errors.InsufficientPrivilege, match="the model churn: it is granted to"
            ):
                theirs.execute(f"select modelpack.{call}")
        for call in ("shadow_rows('churn', 2)", "replay_rows('customer', 'churn', 2)"):
            with pytest.raises(
                psycopg.errors.InsufficientPrivilege, match="the model churn: it is granted to"
            ):
                theirs.execute(f"select * from modelpack.{call}")
        psql.execute("select modelpack.grant_model('churn', %s)", [publisher])
        theirs.execute("select modelpack.start_shadow('churn', 2)")
        buy(psql, 1, 2)
        theirs.execute("call modelpack.score_shadows('churn')")
        assert len(rows(theirs, "select * from modelpack.shadow_rows('churn', 2)")) == 2
        for table in ("shadow_score", "prediction"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                theirs.execute(f"select * from modelpack.{table}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            theirs.execute("select * from modelpack.reproduce(1)")


def test_a_replay_gives_a_version_what_was_logged(psql: Session) -> None:
    found = rows(
        psql,
        "select version, prediction, rival_prediction from modelpack.replay_rows('customer', 'churn', 3)",
    )
    expected = [
        (by, said, pytest.approx(linear_score((0.03,), 0.1, inputs[-1:]), abs=1e-6))
        for by, said, inputs in rows(
            psql, "select version, prediction, inputs from modelpack.prediction order by prediction_id"
        )
    ]
    assert found == expected
    assert len(found) >= 60
    # what cannot be fed is left out
    assert rows(psql, "select * from modelpack.replay_rows('customer', 'churn', 4)") == []
    late = value(psql, "select clock_timestamp()")
    buy(psql, 3)
    assert len(rows(psql, "select * from modelpack.replay_rows('customer', 'churn', 3, %s)", late)) == 1


def test_every_score_of_the_log_comes_out_again_to_the_last_bit(psql: Session) -> None:
    buy(psql, 1)  # alone
    buy(psql, *range(1, 61))  # together
    psql.execute("insert into customer (customer_id) values (99)")  # a new row
    psql.execute("select modelpack.promote('churn', 2)")
    psql.execute("call modelpack.rescore('customer')")  # set-wise, by another version
    assert value(psql, "select count(distinct version) from modelpack.prediction") == 2
    found = rows(
        psql,
        "select l.prediction_id, r.same, r.prediction = r.reproduced, r.model, r.version = l.version"
        "  from modelpack.prediction as l cross join lateral modelpack.reproduce(l.prediction_id) as r",
    )
    assert len(found) > 180
    assert {line[1:] for line in found} == {(True, True, "churn", True)}
    psql.execute(
        "update modelpack.prediction set prediction = prediction + 1e-16 where prediction_id = %s",
        [found[0][0]],
    )
    changed = row(psql, "select prediction <> reproduced, same from modelpack.reproduce(%s)", found[0][0])
    assert changed[0] is not changed[1]
    with pytest.raises(psycopg.errors.UndefinedObject, match="the log has no row 0"):
        psql.execute("select * from modelpack.reproduce(0)")


class Shell:
    """The command line."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def __call__(self, *arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, list(arguments), env={"MODELPACK_DSN": self.dsn})
        assert done.exit_code == code, done.output
        return done.output


def test_the_commands_of_a_shadow_say_how_far_it_is(psql: Session, database: str) -> None:
    shell = Shell(database)
    assert "has scored nothing as a shadow" in shell("shadow", "show", "churn", "2", code=2)
    assert "is a shadow" in shell("shadow", "start", "churn", "2")
    buy(psql, *range(1, 61))
    assert "60 rows, 0 without a score" in shell("shadow", "score", "churn")
    own = rows(psql, "select prediction, shadow_prediction from modelpack.shadow_score")
    (shown,) = json.loads(shell("shadow", "show", "churn", "2", "--threshold", "0.5", "--json"))[
        "differences"
    ]
    assert shown["mean"] == pytest.approx(sum(b - a for a, b in own) / 60)
    assert shown["up"] == pytest.approx(sum(b >= 0.5 > a for a, b in own) / 60)
    assert shown["rows"] == 60
    assert "version 2 beside version 1, 60 rows" in shell("shadow", "show", "churn", "2")
    assert "is no shadow any more" in shell("shadow", "stop", "churn", "2")


def test_a_replay_says_who_was_right_and_refuses_what_the_version_may_have_learned(
    psql: Session, database: str
) -> None:
    shell = Shell(database)
    assert "until when version 2 of churn was trained" in shell("replay", "churn", "--version", "2", code=2)
    # as if the scores were of a month ago; half of the customers bought since
    psql.execute("set session_replication_role = replica")
    psql.execute("update customer set churn_scored_at = now() - interval '30 days'")
    psql.execute(
        "update modelpack.prediction as l set scored_at = c.churn_scored_at from customer as c where l.entity_key = c.customer_id::text and l.version = 1"
    )
    psql.execute(
        "insert into purchase (customer_id, at, amount) select g, now() - interval '20 days', 1 from generate_series(1, 60, 2) as g"
    )
    psql.execute("set session_replication_role = origin")
    psql.execute("call modelpack.take_cohort('customer', 'churn', now() - interval '25 days')")
    psql.execute("call modelpack.settle('customer')")
    when = ["--trained-until", "40 days"]
    assert "trained on data until" in shell("replay", "churn", "--version", "2", *when, code=2)
    assert "trained on data until" in shell(
        "replay", "churn", "--version", "2", *when, "--since", "50 days", code=2
    )
    assert "--since 'soon'" in shell("replay", "churn", "--version", "2", *when, "--since", "soon", code=2)
    told = json.loads(shell("replay", "churn", "--version", "2", *when, "--since", "35 days", "--json"))
    (found,) = told["differences"]
    assert (found["version"], found["failed"]) == (1, 0)
    assert {c["figure"] for c in told["comparisons"]} >= {"AUC"}
    assert {(c["version"], c["rows"]) for c in told["comparisons"]} == {(1, 60)}
    psql.execute("select modelpack.set_tag('churn', 2, 'trained_until', '2001-01-01')")
    shell("replay", "churn", "--version", "2", "--since", "35 days")
    shell("replay", "churn", "--version", "2", "--even-trained")


def test_a_replay_computes_anew_what_the_log_does_not_hold(
    psql: Session, database: str, tmp_path: Path
) -> None:
    """Version 4 takes the age, which version 1 was never fed: features are those of the cut-off, by the test's own query."""
    psql.execute("set session_replication_role = replica")
    psql.execute("update customer set churn_scored_at = now() - interval '30 days', age = 20 + customer_id")
    psql.execute("update modelpack.prediction set scored_at = now() - interval '30 days'")
    psql.execute("set session_replication_role = origin")
    psql.execute(
        "insert into purchase (customer_id, at, amount) select g, now() - interval '20 days', 7 from generate_series(1, 60, 2) as g"
    )
    shell = Shell(database)
    asked = ["replay", "churn", "--version", "4", "--from-events", "--even-trained"]
    assert "no complete cohort of churn" in shell(*asked, code=2)
    cut_off = value(psql, "select now() - interval '25 days'")
    psql.execute("call modelpack.take_cohort('customer', 'churn', %s)", [cut_off])
    psql.execute("call modelpack.settle('customer')")
    told = json.loads(shell(*asked, "--json"))
    features = rows(
        psql,
        "select c.customer_id, c.age, coalesce(sum(p.amount) filter (where p.at <= %s), 0), bool_or(p.at > %s) from customer as c"
        " left join purchase as p using (customer_id) group by 1, 2 order by 1",
        cut_off,
        cut_off,
    )
    by_hand = [linear_score((0.03, 0.1), 0.1, [float(spend), float(age)]) for _, age, spend, _ in features]
    gone = [0 if again else 1 for *_, again in features]
    stood = dict(rows(psql, "select entity_key::bigint, prediction from modelpack.cohort"))
    (found,) = told["differences"]
    assert (found["version"], found["rows"], found["failed"]) == (1, 60, 0)
    assert found["mean"] == pytest.approx(
        sum(new - stood[key] for (key, *_), new in zip(features, by_hand, strict=True)) / 60, abs=1e-6
    )
    auc = next(c for c in told["comparisons"] if c["figure"] == "AUC")
    assert auc["second"] == pytest.approx(roc_auc_score(gone, [round(x, 6) for x in by_hand]), abs=1e-3)
    assert auc["first"] == pytest.approx(roc_auc_score(gone, [stood[key] for key, *_ in features]))
    # a version whose inputs nobody declares, until a declaration does
    publish(psql, "churn", ["visits"], (0.3,), 0.1, promote=False)
    asked[3] = "5"
    assert "gives no visits, which version 5 of churn takes" in shell(*asked, code=2)
    more = tmp_path / "more.py"
    more.write_text(
        "from modelpack import Event, Profile, count\n"
        "customer = Profile('customer', key='customer_id', events=[Event('purchase', at='at', features={'visits': count()})])\n"
    )
    assert "expected both" in shell(*asked[:4], "--declaration", str(more), code=2)
    told = json.loads(shell(*asked, "--declaration", str(more), "--json"))
    visits = [
        n
        for (n,) in rows(
            psql,
            "select count(p.at) filter (where p.at <= %s) from customer as c left join purchase as p using (customer_id) group by c.customer_id order by c.customer_id",
            cut_off,
        )
    ]
    (found,) = told["differences"]
    assert found["mean"] == pytest.approx(
        sum(
            linear_score((0.3,), 0.1, [float(n)]) - stood[key]
            for (key, *_), n in zip(features, visits, strict=True)
        )
        / 60,
        abs=1e-6,
    )


ODD = """
from modelpack import Event, Profile, Score, count, total
from modelpack.outcomes import Outcome

events = [Event("Odd 'shop.The Käufe%", key="Kunde :x", at="at", features={"visits": count(), "spend": total("amount")})]
score = Score("churn", model="odd", outcome=Outcome("t.at > t.until", horizon="1 day", every="1 day"))
customer = Profile("Odd 'shop.Die Kunden", key="Kunde :x", events=events, scores=[score])
"""


def test_a_declaration_of_an_oddly_called_table_is_found_by_its_name(
    psql: Session, database: str, tmp_path: Path
) -> None:
    psql.execute(
        """
        create schema "Odd 'shop";
        create table "Odd 'shop"."Die Kunden" ("Kunde :x" text primary key, height double precision);
        create table "Odd 'shop"."The Käufe%" ("Kunde :x" text, at timestamptz, amount numeric);
        insert into "Odd 'shop"."Die Kunden" values ('O''Hara', 1.5), ('Infinity', 'Infinity');
        insert into "Odd 'shop"."The Käufe%" values ('O''Hara', now() - interval '50 days', 3), ('O''Hara', now() - interval '40 days', 4)
        """
    )
    more = tmp_path / "odd.py"
    more.write_text(ODD)
    shell = Shell(database)
    publish(psql, "odd", ["visits", "spend"], (0.5, 0.1))
    shell("apply", str(more))
    publish(psql, "odd", ["visits", "height"], (0.3, 0.2), promote=False)
    psql.execute("set session_replication_role = replica")
    psql.execute("""update "Odd 'shop"."Die Kunden" set churn_scored_at = now() - interval '30 days'""")
    psql.execute("update modelpack.prediction set scored_at = now() - interval '30 days'")
    psql.execute("set session_replication_role = origin")
    name = value(psql, "select name from modelpack.profile where name like '%Odd%'")
    psql.execute("call modelpack.take_cohort(%s, 'churn', now() - interval '25 days')", [name])
    asked = ["replay", "churn", "--version", "2", "--from-events", "--even-trained", "--profile", name]
    for chosen in ([], ["--declaration", str(more)]):
        told = json.loads(shell(*asked, *chosen, "--json"))
        (found,) = told["differences"]
        assert (told["profile"], found["rows"], found["failed"]) == (name, 1, 1)
        assert found["mean"] == pytest.approx(
            linear_score((0.3, 0.2), 0, [2, 1.5]) - linear_score((0.5, 0.1), 0, [2, 7]), abs=1e-6
        )
    more.write_text(ODD.replace("Die Kunden", "Die"))
    assert f"expected {name}" in shell(*asked, "--declaration", str(more), code=2)


def test_a_replay_says_how_long_each_version_takes(database: str) -> None:
    told = json.loads(Shell(database)("replay", "churn", "--version", "2", "--even-trained", "--json"))
    assert [(t["version"], t["rows"]) for t in told["times"]] == [(1, 60), (2, 60)]
    for t in told["times"]:
        assert 0 < t["median"] <= t["p99"] < 1e6


def test_a_score_is_reproduced_by_its_number(psql: Session, database: str) -> None:
    number = value(psql, "select max(prediction_id) from modelpack.prediction")
    assert "comes of it now" in Shell(database)("reproduce", str(number))
    psql.execute("update modelpack.prediction set prediction = 0.125 where prediction_id = %s", [number])
    assert json.loads(Shell(database)("reproduce", str(number), "--json", code=1))["same"] is False
    assert "the log has no row" in Shell(database)("reproduce", "0", code=2)


def test_what_a_job_is_called_with_is_refused_where_it_means_nothing(psql: Session) -> None:
    shadow = value(psql, "select modelpack.start_shadow('churn', 2)")
    buy(psql, 1)
    for batch, slack in ((0, "1 hour"), (-1, "1 hour"), (None, "1 hour"), (100001, "1 hour"), (10, "-1 second"), (10, None)):  # fmt: skip
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="expected 1 to 100000 rows"):
            psql.execute("select modelpack.shadow_some(%s, %s, %s)", [shadow, batch, slack])
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="expected 1 to 100000 rows"):
            psql.execute("call modelpack.score_shadows(batch => %s, slack => %s)", [batch, slack])
    assert shadows(psql) == []
    psql.execute("call modelpack.score_shadows(batch => 1, slack => '0')")
    assert len(shadows(psql)) == 1


@pytest.mark.parametrize("score", ["chrun", "x'); drop table customer; --", "x" * 100, None])
def test_a_replay_of_a_score_that_is_not_there_says_which_there_are(psql: Session, score: str | None) -> None:
    for call in ("replay_rows", "replay_times"):
        with pytest.raises(psycopg.errors.UndefinedObject, match=r"public\.customer has no score") as refused:
            psql.execute(f"select * from modelpack.{call}('customer', %s, 2)", [score])
        assert refused.value.diag.message_detail == "It has: churn."


def test_the_end_of_a_shadow_waits_for_a_batch_no_longer_than_is_said(psql: Session, database: str) -> None:
    shadow = value(psql, "select modelpack.start_shadow('churn', 2)")
    buy(psql, 1)
    with psycopg.connect(database) as job:
        assert value(job, "select modelpack.shadow_some(%s, 10, '1 hour')", shadow) == 1
        psql.execute("update modelpack.setting set value = '50 ms' where name = 'lock_wait'")
        psql.execute("set statement_timeout = '20 s'")
        with pytest.raises(
            psycopg.errors.LockNotAvailable, match="version 2 of churn scores a batch as a shadow"
        ) as refused:
            psql.execute("select modelpack.stop_shadow('churn', 2)")
        assert f"process {job.info.backend_pid}" in str(refused.value.diag.message_detail)
        assert value(psql, "show lock_timeout") == "0"
        job.commit()
    psql.execute("select modelpack.stop_shadow('churn', 2)")
    assert value(psql, "select ended_at is not null from modelpack.shadow")


HARD = [0.0, -0.0, float("nan"), float("inf"), -float("inf"), 1e-310, 1.7e308, 0.1, 2.0**53 + 2, None]


def test_a_replay_gives_a_version_the_very_doubles_of_the_log(psql: Session) -> None:
    """Version 1 replayed is what it is when its inputs are handed to it, with no JSON in between."""
    psql.execute("set session_replication_role = replica")
    psql.execute(
        "insert into modelpack.prediction (scored_at, profile, entity_key, score, model, version, prediction, inputs)"
        " select now() - interval '1 second', 'public.customer', '1', 'churn', 'churn', 2, 0.515625, array[a, b]"
        "   from unnest(%s::float8[], %s::float8[]) as t (a, b)",
        [HARD, HARD[::-1]],
    )
    psql.execute("set session_replication_role = origin")
    found = value(
        psql,
        """
        select array_agg((f.inputs::text, array_send(f.inputs) = array_send(l.inputs))::text order by f.ordinality)
          from (select array_agg(l order by l.prediction_id) as rows from modelpack.prediction as l where l.prediction = 0.515625) as a
         cross join unnest(modelpack.fed((select v from modelpack.version as v where v.model = 'churn' and v.version = 1), a.rows)) with ordinality as f
          join (select inputs, row_number() over (order by prediction_id) as ordinality from modelpack.prediction where prediction = 0.515625) as l using (ordinality)
        """,
    )
    assert [text.endswith(",t)") for text in found] == [True] * len(HARD)
    # and they are scored as one by one
    version = value(psql, "select version_id from modelpack.version where model = 'churn' and version = 1")
    alone = [
        value(psql, "select modelpack.score(%s, %s::float8[], null)", version, [a, b])
        for a, b in zip(HARD, HARD[::-1], strict=True)
    ]
    replayed = rows(
        psql,
        "select rival_prediction from modelpack.replay_rows('customer', 'churn', 1) where prediction = 0.515625",
    )
    assert sorted([r for (r,) in replayed], key=str) == sorted(alone, key=str)
    assert alone.count(None) < len(HARD)
