"""Alerts: they open and close once, whatever a figure does around its bound, and each receiver is told once."""

from __future__ import annotations

import json
import math
import socketserver
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from modelpack import Event, Profile, Score, count, total
from modelpack.cli.app import app
from modelpack.experiments.statistics.balance import CONCENTRATION
from modelpack.monitoring.delivery import Webhook, deliver
from modelpack.outcomes import Outcome
from tests.support import Session, attach, publish, row, rows, value, wait_for

GONE = "not exists (select from purchase as e where e.customer_id = p.customer_id and e.at > t.at and e.at <= t.until)"


def make_shop(dsn: str) -> None:
    """60 customers with scores, one version, no event of alerts."""
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(
            "create table customer (customer_id bigint primary key);"
            "create table purchase (customer_id bigint, at timestamptz not null default clock_timestamp(), amount numeric);"
            "insert into customer select generate_series(1, 60);"
            "insert into purchase select 1 + g % 60, now() - interval '90 days', g % 50 from generate_series(1, 200) as g"
        )
        publish(session, "churn", ["n", "spend"], (0.5, 0.01), -1.0)
        score = Score("churn", model="churn", outcome=Outcome(GONE, horizon="10 days", every="1 day"))
        events = [Event("purchase", at="at", features={"n": count(), "spend": total("amount")})]
        attach(dsn, Profile("customer", key="customer_id", events=events, scores=[score]))


pytestmark = pytest.mark.prepared(setup=make_shop)


def fail(session: Session, times: int) -> None:
    """So many failures are noted within the last hour."""
    session.execute("delete from modelpack.failure_log")
    session.execute(
        "insert into modelpack.failure_log (version_id, profile, kind, reason, failures)"
        " select version_id, 'public.customer', 'input', 'n is NULL', %s from modelpack.version where %s > 0",
        [times, times],
    )


def look(session: Session) -> int:
    return int(value(session, "select modelpack.raise_alerts()"))


def history(session: Session, kind: str = "failures") -> list[tuple[Any, ...]]:
    """What was opened and closed, in order."""
    return rows(
        session,
        "select e.what, a.subject from modelpack.alert_event as e join modelpack.alert as a using (alert_id) where a.kind = %s order by e.event_id",
        kind,
    )


def events(session: Session, kind: str = "failures") -> list[str]:
    return [what for what, _ in history(session, kind)]


# ---------------------------------------------------------------- opening and closing


def test_an_alert_opens_after_it_held_for_three_looks_and_closes_after_five_well_below(psql: Session) -> None:
    fail(psql, 15)
    assert [look(psql) for _ in range(4)] == [0, 0, 1, 1]
    assert events(psql) == ["opened"]
    opened = row(psql, "select model, kind, subject, value, bound, words, closed_at from modelpack.alert")
    assert opened == (
        "churn", "failures", "version 1", 15, 10, "version 1 gave no score 15 times within an hour (input): modelpack.failures says why", None,
    )  # fmt: skip
    fail(psql, 7)  # of a bound of 10
    assert [look(psql) for _ in range(5)] == [1, 1, 1, 1, 0]
    assert events(psql) == ["opened", "closed"]
    assert value(psql, "select closed_at > opened_at and closed_because like '%%7%%' from modelpack.alert")


def test_a_figure_that_swings_around_its_bound_raises_nothing_and_closes_nothing(psql: Session) -> None:
    for _ in range(12):
        fail(psql, 14)
        assert look(psql) == 0
        fail(psql, 2)
        assert look(psql) == 0
    assert events(psql) == []
    for times in [14, 14, 14, *[9, 11, 8, 14, 3, 2, 14, 5, 9, 2, 2, 2, 11] * 4]:
        fail(psql, times)
        look(psql)
    assert events(psql) == ["opened"], "never five looks in a row well below the bound"


def test_a_figure_at_its_bound_is_not_beyond_it_and_at_four_fifths_of_it_not_well_below(
    psql: Session,
) -> None:
    fail(psql, 10)  # of a bound of 10
    assert [look(psql) for _ in range(4)] == [0] * 4
    fail(psql, 999)  # of 1,000, at which it would be severe
    assert [look(psql) for _ in range(2)] == [0] * 2
    assert look(psql) == 1
    fail(psql, 8)
    assert [look(psql) for _ in range(6)] == [1] * 6
    fail(psql, 0)
    assert [look(psql) for _ in range(5)][-1] == 0
    fail(psql, 1000)
    assert look(psql) == 1


def test_what_is_severe_opens_at_the_first_look(psql: Session) -> None:
    fail(psql, 1000)
    assert look(psql) == 1


def test_a_figure_that_is_gone_closes_its_alert(psql: Session) -> None:
    fail(psql, 5000)
    look(psql)
    fail(psql, 0)
    assert [look(psql) for _ in range(5)] == [1, 1, 1, 1, 0]
    assert value(psql, "select closed_because from modelpack.alert") == "there is no such figure any more"
    assert value(psql, "select count(*) from modelpack.alert_watch") == 0, "nothing piles up"


def test_bounds_are_the_models_own_then_those_of_all_then_the_default(psql: Session) -> None:
    bound = "select bound from modelpack.alert_bounds where model = 'churn' and kind = 'failures'"
    assert value(psql, bound) == 10
    psql.execute("select modelpack.set_alert(null, 'failures', 20)")
    assert value(psql, bound) == 20
    psql.execute("select modelpack.set_alert('churn', 'failures', 3)")
    assert value(psql, bound) == 3
    fail(psql, 4)
    assert [look(psql) for _ in range(3)] == [0, 0, 1]
    psql.execute("select modelpack.set_alert('churn', 'failures', off => true)")
    assert value(psql, bound) is None
    assert [look(psql) for _ in range(5)][-1] == 0
    psql.execute("select modelpack.set_alert('churn', 'failures')")
    assert value(psql, bound) == 20


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("select modelpack.set_alert('chrun', 'drift', 0.2)", "there is no model chrun"),
        ("select modelpack.set_alert('churn', 'drfit', 0.2)", "there is no kind of alert drfit"),
        ("select modelpack.set_alert('churn', 'stale', 1.2)", "expected a number from 0 to 1"),
        ("select modelpack.set_alert('churn', 'failures', 'NaN')", "expected a number of 0 or more"),
        ("select modelpack.set_alert('churn', 'failures', 3, true)", "expected one of the two"),
        ("select modelpack.set_alert('churn', 'observe', 60)", "observe is no alert of one model"),
    ],
)
def test_what_is_no_bound_is_refused(psql: Session, statement: str, says: str) -> None:
    with pytest.raises(psycopg.Error, match=says):
        psql.execute(statement)


def test_only_who_manages_a_model_sets_its_bounds(people: Callable[..., Session], psql: Session) -> None:
    publisher = people("modelpack_publisher")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        publisher.execute("select modelpack.set_alert('churn', 'drift', 0.2)")
    psql.execute("select modelpack.grant_model('churn', %s)", [publisher.info.user])
    publisher.execute("select modelpack.set_alert('churn', 'drift', 0.2)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        publisher.execute("select modelpack.set_alert(null, 'drift', 0.2)")
    by = value(psql, "select set_by from modelpack.alert_rule")
    assert by == publisher.info.user
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        people("modelpack_monitor").execute("select modelpack.set_alert('churn', 'drift', 0.2)")


def test_two_looks_at_once_open_one_alert(psql: Session, database: str) -> None:
    fail(psql, 5000)

    def other(_: int) -> int:
        with psycopg.connect(database, autocommit=True) as session:
            return look(session)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(other, range(8))) == [1] * 8
    assert events(psql) == ["opened"]


def test_who_looks_while_another_does_waits_and_tells_nothing_twice(psql: Session, database: str) -> None:
    fail(psql, 5000)
    with ExitStack() as stack:
        listener, first, second = (
            stack.enter_context(psycopg.connect(database, autocommit=True)) for _ in range(3)
        )
        listener.execute("listen modelpack_alert")
        pool = stack.enter_context(ThreadPoolExecutor(1))
        with first.transaction():
            assert look(first) == 1
            waiting = pool.submit(look, second)
            wait_for(
                psql,
                "select %s = any (pg_blocking_pids(%s))",
                first.info.backend_pid,
                second.info.backend_pid,
            )
        assert waiting.result(timeout=20) == 1
        assert len(list(listener.notifies(timeout=0.5))) == 1
    assert events(psql) == ["opened"]


def test_the_job_notifies_at_its_commit_of_what_opened_and_of_nothing_else(
    psql: Session, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as listener:
        listener.execute("listen modelpack_alert")
        look(psql)
        fail(psql, 5000)
        psql.execute("insert into purchase (customer_id, amount) values (1, 3)")
        look(psql)
        look(psql)
        (told,) = listener.notifies(timeout=20, stop_after=1)
        assert json.loads(told.payload) == {
            "event": 1, "what": "opened", "alert": 1, "model": "churn", "kind": "failures",
        }  # fmt: skip
        assert list(listener.notifies(timeout=0.2)) == []


# ---------------------------------------------------------------- what is looked at


def test_the_dead_mans_switch_opens_when_nobody_observes_and_closes_when_somebody_does(psql: Session) -> None:
    assert value(psql, "select modelpack.watch_observe()") == 1
    assert value(psql, "select modelpack.watch_observe()") == 1
    assert "never run" in value(psql, "select words from modelpack.alert")
    assert look(psql) == 0
    assert events(psql, "observe") == ["opened", "closed"]
    psql.execute("update modelpack.alert_look set looked_at = now() - interval '3 hours'")
    assert value(psql, "select modelpack.watch_observe()") == 1
    assert value(psql, "select value between 10800 and 10860 from modelpack.alert where closed_at is null")
    psql.execute("select modelpack.set_alert(null, 'observe', 86400)")
    assert value(psql, "select modelpack.watch_observe()") == 0
    assert events(psql, "observe") == ["opened", "closed"] * 2


@pytest.mark.parametrize("x", [1e-3, 0.5, 1, 1.5, 7, 14.999, 15, 100, 12345.6, 1e7])
def test_the_logarithm_of_the_gamma_function_is_that_of_python(psql: Session, x: float) -> None:
    found = value(psql, "select modelpack.log_gamma(%s::double precision)", x)
    assert found == pytest.approx(math.lgamma(x), rel=1e-13, abs=1e-13)


def figures(session: Session, of: str, kind: str) -> list[tuple[Any, ...]]:
    return rows(session, f"select value, words from modelpack.figures_of_{of}() where kind = %s", kind)  # type: ignore[arg-type]


def test_failures_are_those_of_an_hour(psql: Session) -> None:
    fail(psql, 20)
    psql.execute("update modelpack.failure_log set at = now() - interval '59 minutes'")
    assert [v for v, _ in figures(psql, "work", "failures")] == [20]
    psql.execute("update modelpack.failure_log set at = now() - interval '61 minutes'")
    assert figures(psql, "work", "failures") == []


def test_stale_rows_are_those_of_the_last_hour_that_was_counted_within_a_day(psql: Session) -> None:
    counted = (
        "insert into modelpack.stale_count (profile, score, hour, model, rows, stale, reasons, counted_at)"
        " values ('public.customer', 'churn', now() - %s * interval '1 hour', 'churn', %s, %s, '{}', now())"
    )
    psql.execute(counted, [25, 60, 60])
    assert figures(psql, "work", "stale") == []
    psql.execute(counted, [23, 60, 45])
    psql.execute(counted, [2, 60, 15])
    psql.execute(counted, [1, None, None])  # nobody could count
    psql.execute(counted, [-1, 60, 60])  # of a clock that was put back
    assert [v for v, _ in figures(psql, "work", "stale")] == [0.25]
    psql.execute("delete from modelpack.stale_count")
    psql.execute(counted, [1, 0, 0])
    assert figures(psql, "work", "stale") == []
    assert look(psql) == 0


def test_latency_is_that_of_the_last_hour_with_a_hundred_measured_scores(psql: Session) -> None:
    budget = value(
        psql,
        "select extract(epoch from value::interval)::float8 from modelpack.setting where name = 'time_budget'",
    )
    watched = value(
        psql,
        "insert into modelpack.watched (profile, score, model, version, version_id) select 'public.customer', 'churn', model, version, version_id"
        " from modelpack.version returning watched_id",
    )

    def measured(hours: int, slow: int, fast: int = 0) -> None:
        """Times in bins that are 5 % wide: 265 is that of 0.4 seconds, 142 of a millisecond."""
        psql.execute(
            "insert into modelpack.rollup values (%s, 'hour', now() - %s * interval '1 hour', 100, 1, 1, 0, 1, '{}', '{}', %s, '{142,265}', %s, '{}', '{}')",
            [watched, hours, slow + fast, [fast, slow]],
        )

    def found() -> list[float]:
        return [v for v, _ in figures(psql, "work", "latency")]

    measured(1, slow=99)
    assert found() == [], "of fewer than a hundred the slowest says little"
    measured(4, slow=100)
    assert found() == [], "too long ago"
    measured(2, slow=2, fast=98)
    assert found() == [pytest.approx(0.4 / budget, rel=0.025)]
    psql.execute("update modelpack.model set time_budget = '2 seconds'")
    assert found() == [pytest.approx(0.2, rel=0.025)]


def assign(session: Session, experiment: int, **entities: int) -> None:
    session.execute("delete from modelpack.assignment")
    for arm, number in entities.items():
        session.execute(
            "insert into modelpack.assignment (experiment_id, entity_key, arm, weight, weighting_id)"
            " select %(e)s, %(a)s || g, %(a)s, 0.5, (select max(weighting_id) from modelpack.weighting) from generate_series(1, %(n)s) as g",
            {"e": experiment, "a": arm, "n": number},
        )


def test_a_split_that_is_not_as_the_weights_say_is_an_alert_at_once(psql: Session) -> None:
    publish(psql, "churn", ["n", "spend"], (0.4, 0.02), 0.5, promote=False)
    arms = [{"arm": "old", "version": 1, "weight": 0.75}, {"arm": "new", "version": 2, "weight": 0.25}]
    psql.execute("select modelpack.start_experiment('customer', 'churn', 'autumn', %s)", [Jsonb(arms)])
    experiment = value(psql, "select experiment_id from modelpack.experiment")
    assign(psql, experiment, old=1500, new=500)
    assert look(psql) == 0
    assign(psql, experiment, old=1500, new=640)
    assert look(psql) == 1
    # the marginal likelihood of a Dirichlet-multinomial by its definition, one entity after the other
    factor, seen = 0.0, {"old": 0, "new": 0}
    for arm in ["old"] * 1500 + ["new"] * 640:
        weight = {"old": 0.75, "new": 0.25}[arm]
        factor += math.log(
            (CONCENTRATION * weight + seen[arm]) / (CONCENTRATION + sum(seen.values())) / weight
        )
        seen[arm] += 1
    kind, subject, chance, words = row(psql, "select kind, subject, value, words from modelpack.alert")
    assert (kind, subject, chance) == ("split", "autumn", pytest.approx(math.exp(-factor), rel=1e-9))
    assert "old 1500, new 640" in words
    psql.execute("select modelpack.stop_experiment('autumn', 'it is odd')")
    assert figures(psql, "experiments", "split") == [], "nobody is given to its arms any more"


def test_an_experiment_that_a_guardrail_ended_is_an_alert_for_a_day(psql: Session) -> None:
    publish(psql, "churn", ["n", "spend"], (0.4, 0.02), 0.5, promote=False)
    arms = [{"arm": "old", "version": 1, "weight": 0.5}, {"arm": "new", "version": 2, "weight": 0.5}]
    psql.execute("select modelpack.start_experiment('customer', 'churn', 'autumn', %s)", [Jsonb(arms)])
    psql.execute(
        "update modelpack.experiment set ended_at = now() - interval '23 hours', ended_by = 'x', ended_why = 'guardrail: slow'"
    )
    assert look(psql) == 1
    assert "ended at" in value(psql, "select words from modelpack.alert")
    psql.execute("update modelpack.experiment set ended_at = now() - interval '25 hours'")
    assert look(psql) == 0


def test_outcomes_that_could_have_been_settled_a_day_ago_are_an_alert(psql: Session) -> None:
    psql.execute("set session_replication_role = replica")
    psql.execute("update customer set churn_scored_at = now() - interval '60 days'")
    psql.execute("set session_replication_role = origin")
    psql.execute("call modelpack.take_cohort('customer', 'churn', now() - interval '20 days')")
    assert look(psql) == 1
    kind, share, words = row(psql, "select kind, value, words from modelpack.alert")
    assert (kind, share) == ("pending", 1)
    assert "60 of 60 outcomes of churn of public.customer" in words
    psql.execute("call modelpack.settle('customer')")
    assert [look(psql) for _ in range(3)][-1] == 0


def test_pending_are_outcomes_of_the_two_newest_cohorts_that_were_ripe_a_day_ago(psql: Session) -> None:
    psql.execute("set session_replication_role = replica")
    psql.execute("update customer set churn_scored_at = now() - interval '60 days'")
    psql.execute("set session_replication_role = origin")
    take = "call modelpack.take_cohort('customer', 'churn', now() - %s * interval '1 hour')"
    psql.execute(take, [24 * 10 + 12])  # ripe since 12 hours
    assert figures(psql, "outcomes", "pending") == []
    for days in (40, 30):
        psql.execute(take, [24 * days])
    psql.execute("call modelpack.settle('customer')")
    newest = (
        "delete from modelpack.outcome as o using modelpack.cut_off as c"
        " where (c.profile, c.score, c.cut_off) = (o.profile, o.score, o.cut_off) and c.cut_off > now() - %s * interval '1 day'"
    )
    psql.execute(newest, [35])
    assert [v for v, _ in figures(psql, "outcomes", "pending")] == [0.5]
    psql.execute(take, [24 * 20])
    assert [v for v, _ in figures(psql, "outcomes", "pending")] == [1], "the oldest is not looked at any more"


def test_a_fit_is_an_alert_only_where_a_bound_is_set(psql: Session) -> None:
    psql.execute("set session_replication_role = replica")
    psql.execute("update customer set churn_scored_at = now() - interval '60 days'")
    psql.execute("set session_replication_role = origin")
    psql.execute("call modelpack.take_cohort('customer', 'churn', now() - interval '20 days')")
    psql.execute(
        "insert into purchase select g, now() - interval '15 days', 1 from generate_series(1, 20) as g"
    )
    psql.execute("call modelpack.settle('customer')")
    auc = value(psql, "select auc from modelpack.fit")
    assert look(psql) == 0
    psql.execute("select modelpack.set_alert('churn', 'auc', %s)", [auc - 0.01])
    assert look(psql) == 0
    psql.execute("select modelpack.set_alert('churn', 'auc', %s)", [auc + 0.01])
    assert look(psql) == 1
    assert row(psql, "select kind, value, bound from modelpack.alert") == (
        "auc",
        auc,
        pytest.approx(auc + 0.01),
    )


def test_a_job_whose_session_is_gone_is_an_alert(psql: Session) -> None:
    job = "insert into modelpack.job (task, profile, started_by, pid, progress_at) values ('settle', 'public.customer', 'x', %s, now() - interval '2 hours')"
    psql.execute(job, [psql.info.backend_pid])
    assert look(psql) == 0, "it runs"
    psql.execute("update modelpack.job set pid = 2147483647")
    assert look(psql) == 1
    assert value(psql, "select subject from modelpack.alert") == "settle of public.customer"
    psql.execute(
        "insert into modelpack.job (task, profile, started_by, ended_at) values ('settle', 'public.customer', 'x', now())"
    )
    assert [look(psql) for _ in range(2)] == [1, 0]


def test_what_a_shadow_has_not_scored_for_long_is_an_alert(psql: Session) -> None:
    publish(psql, "churn", ["n", "spend"], (0.4, 0.02), 0.5, promote=False)
    psql.execute("select modelpack.start_shadow('churn', 2)")
    psql.execute("insert into purchase (customer_id, amount) values (1, 3), (2, 4)")
    psql.execute("update modelpack.shadow set started_at = started_at - interval '10 days'")
    psql.execute(
        "update modelpack.prediction set scored_at = now() - interval '9 days' where entity_key in ('1', '2')"
    )
    assert look(psql) == 1
    assert row(psql, "select kind, subject from modelpack.alert") == ("backlog", "shadow version 2")
    psql.execute("update modelpack.prediction set version = 2")
    assert figures(psql, "jobs", "backlog")[0][0] == 0, "it gave them itself"
    psql.execute("update modelpack.prediction set version = 1")
    # the share that just leaves out the first customer, and the one that just takes him
    psql.execute("update modelpack.prediction set scored_at = now() where entity_key = '2'")
    psql.execute("update modelpack.shadow set share = abs(hashtextextended('1', 0) % 10000)")
    assert figures(psql, "jobs", "backlog")[0][0] == 0
    psql.execute("update modelpack.shadow set share = share + 1")
    assert figures(psql, "jobs", "backlog")[0][0] == pytest.approx(9 * 86400, abs=60)
    psql.execute("call modelpack.score_shadows('churn')")
    assert [look(psql) for _ in range(3)][-1] == 0


# ---------------------------------------------------------------- who is told


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = server.answers.pop(0) if server.answers else 204
        server.got.append((status, json.loads(body), self.headers["Idempotency-Key"]))
        self.send_response(status)
        if status in (301, 307):
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def served(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def hook() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.got, server.answers = [], []
    with served(server):
        server.url = f"http://127.0.0.1:{server.server_port}/T0/secret"
        yield server


def run(database: str, *arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(
        app, ["alerts", *arguments, "--dsn", database], env={"SMTP_HOST": "", **environment}
    )


def test_the_command_says_what_is_open_by_its_exit_code(psql: Session, database: str) -> None:
    look(psql)
    done = run(database)
    assert (done.exit_code, done.stdout) == (0, "No alert is open.\n")
    fail(psql, 5000)
    look(psql)
    done = run(database)
    assert done.exit_code == 1
    assert "version 1 gave no score 5000 times within an hour" in " ".join(done.stdout.split())
    found = json.loads(run(database, "--json").stdout)
    assert (found["open"], found["alerts"][0]["kind"], found["alerts"][0]["value"]) == (1, "failures", 5000)


def test_the_command_finds_out_by_itself_that_nobody_observes(database: str) -> None:
    done = run(database)
    assert done.exit_code == 1
    assert "has never run" in done.stdout


def test_a_webhook_is_told_of_each_opening_and_closing_once(psql: Session, database: str, hook: Any) -> None:
    look(psql)
    fail(psql, 5000)
    look(psql)
    for _ in range(3):
        assert run(database, "--webhook", hook.url).exit_code == 1
    fail(psql, 0)
    for _ in range(5):
        look(psql)
    for _ in range(2):
        assert run(database, "--webhook", hook.url).exit_code == 0
    assert [(d["what"], d["kind"], d["model"], key) for _, d, key in hook.got] == [
        ("opened", "failures", "churn", "modelpack-alert-1"),
        ("closed", "failures", "churn", "modelpack-alert-2"),
    ]
    assert hook.got[0][1]["closed_at"] is None
    assert hook.got[1][1]["closed_at"] is not None
    kept = value(psql, "select string_agg(c::text, '') from modelpack.alert_channel as c")
    assert "secret" not in kept, "an address may be a secret"


def test_a_webhook_that_begins_later_is_told_of_what_is_open_and_of_no_history(
    psql: Session, database: str, hook: Any
) -> None:
    assert value(psql, "select modelpack.watch_observe()") == 1
    fail(psql, 5000)
    look(psql)
    run(database, "--webhook", hook.url)
    assert [(d["what"], d["kind"]) for _, d, _ in hook.got] == [("opened", "failures")]


def test_a_channel_that_has_not_sent_what_was_open_sends_it_before_its_end_and_never_goes_back(
    psql: Session,
) -> None:
    channel = f"webhook:{'a' * 16}"

    def told() -> list[tuple[Any, ...]]:
        return rows(psql, "select event_id, what from modelpack.next_alert(%s)", channel)

    fail(psql, 5000)
    look(psql)
    assert told() == [(1, "opened")]  # and nobody was reached
    fail(psql, 0)
    assert [look(psql) for _ in range(5)][-1] == 0
    assert told() == [(1, "opened")]
    for event in (3, 1):  # there is no third
        psql.execute("select modelpack.sent_alert(%s, %s)", [channel, event])
    assert told() == [(2, "closed")]
    for event in (2, 1):
        psql.execute("select modelpack.sent_alert(%s, %s)", [channel, event])
    assert told() == []


def test_a_webhook_that_fails_is_told_again_until_it_answers(psql: Session, database: str, hook: Any) -> None:
    fail(psql, 5000)
    look(psql)
    hook.answers += [500, 503, 500]
    done = run(database, "--webhook", hook.url)
    assert done.exit_code == 2
    assert "status 500" in done.stderr
    assert "secret" not in done.stderr
    hook.answers += [429]
    assert run(database, "--webhook", hook.url).exit_code == 1
    assert [status for status, *_ in hook.got] == [500, 503, 500, 429, 204]
    assert {key for *_, key in hook.got} == {"modelpack-alert-1"}, "by which a receiver drops repeats"


def test_a_webhook_that_leads_elsewhere_is_not_followed(psql: Session, database: str, hook: Any) -> None:
    fail(psql, 5000)
    look(psql)
    hook.answers += [307]
    assert "status 307" in run(database, "--webhook", hook.url).stderr
    assert len(hook.got) == 1


def test_two_that_deliver_at_once_send_nothing_twice(psql: Session, engine: Engine, hook: Any) -> None:
    psql.execute("select modelpack.watch_observe()")
    for _ in range(3):
        fail(psql, 5000)
        look(psql)
        fail(psql, 0)
        for _ in range(5):
            look(psql)
    fail(psql, 5000)
    receiver = Webhook(hook.url)
    deliver(engine, receiver.name, receiver)  # from now on everything is told
    psql.execute("update modelpack.alert_channel set sent = 0, began_after = 0")
    look(psql)
    with ThreadPoolExecutor(3) as pool:
        sent = list(pool.map(lambda _: deliver(engine, receiver.name, receiver), range(3)))
    assert [key for *_, key in hook.got] == [f"modelpack-alert-{n}" for n in range(1, 10)]
    assert sum(sent) == 9


class Letterbox(socketserver.StreamRequestHandler):
    """A mail server of a few words."""

    def handle(self) -> None:
        server: Any = self.server
        self.wfile.write(b"220 here\r\n")
        letter: list[str] = []
        while line := self.rfile.readline().decode().rstrip("\r\n"):
            word = line.split()[0].upper()
            letter += [line] if word in ("MAIL", "RCPT") else []
            if word == "DATA":
                self.wfile.write(b"354 go on\r\n")
                while (text := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                    letter.append(text)
                refused = server.refuses > 0
                server.refuses -= refused
                server.got += [] if refused else ["\n".join(letter)]
                self.wfile.write(b"451 later\r\n" if refused else b"250 taken\r\n")
            elif word == "QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 yes\r\n")


@pytest.fixture
def letterbox() -> Iterator[Any]:
    server: Any = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Letterbox)
    server.got, server.refuses = [], 0
    with served(server):
        server.address = f"127.0.0.1:{server.server_address[1]}"
        yield server


def test_mail_is_sent_once_and_again_where_the_server_refused_it(
    psql: Session, database: str, letterbox: Any
) -> None:
    fail(psql, 5000)
    look(psql)
    letterbox.refuses = 1
    mail = ["--mail-to", "ops@example.org,anna@example.org", "--smtp", letterbox.address]
    done = run(database, *mail)
    assert (done.exit_code, letterbox.got) == (2, [])
    assert "451" in done.stderr
    assert [run(database, *mail).exit_code for _ in range(2)] == [1, 1]
    (letter,) = letterbox.got
    assert "rcpt TO:<ops@example.org>" in letter
    assert "rcpt TO:<anna@example.org>" in letter
    assert "Subject: [modelpack] opened: churn failures" in letter
    assert "version 1 gave no score 5000 times within an hour" in letter.replace("\n", " ")
    assert run(database, "--mail-to", "ops@example.org", SMTP_HOST=letterbox.address).exit_code == 1
    assert len(letterbox.got) == 2, "another list of addresses is another receiver"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--webhook", "ftp://example.org"], "begins with https://"),
        (["--mail-to", "ops@example.org"], "no mail server is named"),
        (["--mail-to", "nobody", "--smtp", "127.0.0.1:1"], "is no mail address"),
        (["--mail-to", "a@b", "--smtp", "127.0.0.1:x"], "is 'x', expected a number"),
        (["nothing"], "there is no model nothing"),
    ],
)
def test_what_is_no_receiver_is_refused_before_anything_is_sent(
    database: str, arguments: list[str], says: str
) -> None:
    done = run(database, *arguments)
    assert done.exit_code == 2
    assert says in done.stderr


def test_bounds_are_set_shown_and_taken_off_by_commands(psql: Session, database: str) -> None:
    def alert(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["alert", *arguments, "--dsn", database])

    assert "above 10 (count)" in alert("list", "churn").stdout
    assert alert("add", "churn", "failures", "--bound", "3").exit_code == 0
    assert "above 3 (count)" in alert("list", "churn").stdout
    assert alert("remove", "-", "drift").exit_code == 0
    found = {k["kind"]: k["bound"] for k in json.loads(alert("list", "churn", "--json").stdout)}
    assert (found["failures"], found["drift"], found["auc"]) == (3, None, None)
    assert "expected --bound NUMBER" in alert("add", "churn", "auc").stderr
    assert alert("add", "churn", "auc", "--bound", "0.7").exit_code == 0
    assert value(psql, "select bound from modelpack.alert_rule where kind = 'auc'") == 0.7


def test_the_monitor_role_raises_alerts_and_is_told_and_reads_no_profile(
    psql: Session, database: str, new_role: Callable[..., str], hook: Any
) -> None:
    dsn = make_conninfo(database, user=new_role("modelpack_monitor"))
    fail(psql, 5000)
    with psycopg.connect(dsn, autocommit=True) as monitor:
        assert look(monitor) == 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            monitor.execute("select from customer")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            monitor.execute("update modelpack.alert set closed_at = now()")
    assert run(dsn, "--webhook", hook.url).exit_code == 1
    assert len(hook.got) == 1
    listed = CliRunner().invoke(app, ["alert", "list", "churn", "--dsn", dsn])
    assert listed.exit_code == 0, listed.output
