"""What the commands and views say of a shop with a declaration; who may read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import errors
from typer.testing import CliRunner

from modelpack import Event, Profile, Score, count, ratio, total
from modelpack.cli.app import app
from tests.support import Session, attach, publish, row, rows, value


def make_shop(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(
            """
            create table customer (customer_id bigint primary key, age integer default 40);
            create table purchase (customer_id bigint, at timestamptz not null default clock_timestamp(), amount numeric, complaint boolean default false);
            insert into customer (customer_id) select generate_series(1, 60);
            """
        )
        features = {
            "complaints": count(where="complaint"),
            "spend": total("amount", window="30 days"),
            "orders": count(),
        }
        score = Score("churn", model="churn", inputs={"basket": ratio("spend", "orders")})
        events = [Event("purchase", at="at", features=features)]
        attach(dsn, Profile("customer", key="customer_id", events=events, scores=[score]))
        publish(session, "churn", ["complaints", "spend", "age"], (0.5, 0.01, 0.0), -1.0)
        publish(session, "churn", ["complaints", "basket"], (0.2, 0.01), 0.0, promote=False, engine="onnx")
        session.execute(
            "insert into purchase (customer_id, amount, complaint) select 1 + g %% 60, g, g %% 3 = 0 from generate_series(1, 300) as g".replace(
                "%%", "%"
            )
        )


pytestmark = pytest.mark.prepared(setup=make_shop)


def run(dsn: str, *words: str) -> Any:
    done = CliRunner().invoke(app, [*words, "--dsn", dsn, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_commands_say_what_the_views_say(psql: Session, database: str) -> None:
    assert run(database, "observe")["rows"] == value(psql, "select count(*) from modelpack.prediction")
    (response,) = run(database, "response", "churn")
    plain = row(
        psql,
        "select count(*), avg(prediction), stddev(prediction), count(distinct entity_key) from modelpack.prediction",
    )
    assert (response["predictions"], response["entities"]) == (plain[0], plain[3])
    assert [response["mean"], response["deviation"]] == pytest.approx(list(plain[1:3]))
    drift = run(database, "drift", "churn")
    assert {d["against"] for d in drift["drift"]} <= {"reference", "last week"}
    assert [t["kind"] for t in drift["timeline"]] == ["promote", "declaration"]
    text = CliRunner().invoke(app, ["response", "churn", "--dsn", database]).stdout
    assert f"{plain[0]:,}" in text
    refused = CliRunner().invoke(app, ["drift", "nothing", "--dsn", database])
    assert refused.exit_code == 2
    assert "there is no model nothing; expected one of: churn" in refused.output


def test_the_catalogue_tells_what_features_are_and_who_uses_them(psql: Session, database: str) -> None:
    run(database, "observe")
    found = {f["feature"]: f for f in run(database, "features", "customer")}
    assert list(found) == ["complaints", "spend", "orders", "basket", "age"]
    assert found["complaints"]["meaning"] == "number of rows of purchase where complaint"
    assert found["spend"]["meaning"] == "sum of amount of purchase in the last 30 days"
    assert found["complaints"]["versions"] == ["churn 1", "churn 2"]
    assert found["orders"]["versions"] == ["churn 2"]
    assert [found[n]["type"] for n in found] == ["bigint", "numeric", "bigint", "an input", "integer"]
    least, most, missing = row(
        psql,
        "select min(inputs[2]), max(inputs[2]), avg((inputs[2] is null)::int) from modelpack.prediction where version = 1",
    )
    assert (found["spend"]["minimum"], found["spend"]["maximum"]) == (least, most)
    assert found["spend"]["missing"] == float(missing)


def test_stale_rows_are_counted_by_reason_and_failures_by_hour(psql: Session, database: str) -> None:
    psql.execute("set session_replication_role = replica")
    psql.execute(
        "update customer set churn_stale = case when customer_id <= 7 then 'one' else 'other' end where customer_id <= 10"
    )
    psql.execute(
        "insert into modelpack.failure_log (version_id, profile, kind, reason, failures) select version_id, 'public.customer', 'model', 'x', 5"
        " from modelpack.version cross join generate_series(1, 3)"
    )
    run(database, "observe")
    run(database, "observe")
    stale, reasons = row(psql, "select stale, reasons from modelpack.staleness")
    assert (stale, reasons) == (10, {"one": 7, "other": 3})
    assert rows(psql, "select model, version, kind, failures from modelpack.failures_by_hour order by 2") == [
        ("churn", 1, "model", 15),
        ("churn", 2, "model", 15),
    ]


def test_a_table_that_nobody_has_analysed_is_not_all_stale(psql: Session, database: str) -> None:
    """Statistics that know of no rows are no reason to say that the only rows are those that are stale."""
    psql.execute("update pg_class set reltuples = -1 where relname = 'customer'")  # as after a restore
    psql.execute("set session_replication_role = replica")
    psql.execute("update customer set churn_stale = 'one' where customer_id = 1")
    for _ in range(3):
        run(database, "observe")
    stale, counted = row(psql, "select stale, rows from modelpack.staleness")
    assert stale == 1
    assert counted is None or counted >= 60
    assert rows(psql, "select words from modelpack.alert where kind = 'stale'") == []


def test_the_timeline_tells_of_what_may_be_the_cause(psql: Session) -> None:
    psql.execute("select modelpack.promote('churn', 2)")
    psql.execute("select modelpack.disable('churn', 'it fails')")
    psql.execute("select modelpack.enable('churn')")
    psql.execute("select modelpack.rollback('churn')")
    psql.execute(
        "insert into modelpack.inspection (version_id, sha256, onnxruntime, numpy, python) select version_id, sha256, '99.0', i.numpy, i.python"
        " from modelpack.inspection as i where onnxruntime is not null order by inspection_id limit 1"
    )
    kinds = [kind for (kind,) in rows(psql, "select kind from modelpack.timeline order by at")]
    assert kinds == ["declaration", "promote", "promote", "disable", "enable", "rollback", "libraries"]
    assert "onnxruntime 99.0, before" in value(
        psql, "select what from modelpack.timeline where kind = 'libraries'"
    )


def test_the_timeline_names_the_role_that_took_a_declaration_off(psql: Session) -> None:
    """That of SET ROLE, not the one that logged in."""
    psql.execute("set role modelpack_owner")
    psql.execute("delete from modelpack.profile")
    psql.execute("reset role")
    told = rows(psql, "select what from modelpack.timeline where kind = 'declaration' order by at")
    assert told[-1] == ("public.customer: the declaration is taken off, by modelpack_owner",)


VIEWS = (
    "response",
    "drift",
    "drift_by_hour",
    "latency",
    "staleness",
    "failures_by_hour",
    "timeline",
    "features",
)


def test_a_monitor_sees_all_and_no_row_of_a_profile(people: Callable[..., Session]) -> None:
    monitor = people("modelpack_monitor")
    monitor.execute("call modelpack.observe()")
    for view in VIEWS:
        rows(monitor, f"select * from modelpack.{view}")
    assert value(monitor, "select sum(predictions) > 0 from modelpack.response")
    for table in ("customer", "purchase", "modelpack.yardstick_text"):
        with pytest.raises(errors.InsufficientPrivilege):
            monitor.execute(f"select * from {table}")


def test_others_read_no_more_than_the_response(people: Callable[..., Session]) -> None:
    publisher, reader = people("modelpack_publisher"), people("modelpack_reader")
    for view in VIEWS:
        for session, may in ((publisher, view in ("response", "latency", "timeline")), (reader, False)):
            if may:
                rows(session, f"select * from modelpack.{view}")
            else:
                with pytest.raises(errors.InsufficientPrivilege):
                    session.execute(f"select * from modelpack.{view}")
    publisher.execute("call modelpack.observe()")
    with pytest.raises(errors.InsufficientPrivilege):
        reader.execute("call modelpack.observe()")


def test_an_experiments_arms_are_counted_apart(psql: Session) -> None:
    psql.execute(
        'select modelpack.start_experiment(\'customer\', \'churn\', \'try\', \'[{"arm": "old", "version": 1, "weight": 1}, {"arm": "new", "version": 2, "weight": 1}]\')'
    )
    psql.execute("insert into purchase (customer_id, amount) select g, 1 from generate_series(1, 60) as g")
    psql.execute("call modelpack.observe()")
    found = rows(
        psql, "select arm, version, predictions from modelpack.response where arm is not null order by 1"
    )
    plain = rows(
        psql,
        "select experiment || '/' || arm, version, count(*) from modelpack.arm_log group by 1, 2 order by 1",
    )
    assert found == plain
    assert len(found) == 2
