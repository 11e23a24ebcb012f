"""The story, step by step. Whatever the application does is plain SQL, printed as it is run."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
from psycopg import sql
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sqlalchemy import Connection, Engine
from threadpoolctl import threadpool_limits

from modelpack.attaching import apply
from modelpack.declaration.profile import Profile, load_profiles
from modelpack.demo.scenario import EventLog, Release, Scenario
from modelpack.demo.stage import Stage
from modelpack.errors import ModelpackError
from modelpack.install import install, installed, require
from modelpack.registry import Registry
from modelpack.training import training_set
from modelpack.versions import Version

SCHEMA, MODEL, PROFILE = "demo", "demo_churn", "demo.customer"

_MARK = "modelpack's demo: each run drops this schema and makes it anew"
_SAMPLE = 1000
"""Rows that a version has to prove parity on."""

Rows = list[tuple[Any, ...]]


@dataclass
class Story:
    """One telling. `application` is the application's own connection, `engine` modelpack's."""

    scenario: Scenario
    stage: Stage
    application: psycopg.Connection[Any]
    engine: Engine
    profile: Profile = field(init=False)
    registry: Registry = field(init=False)
    versions: list[Version] = field(default_factory=list)
    rate: float = 0.0
    """Events a second in the replay."""

    def __post_init__(self) -> None:
        self.registry = Registry(self.engine)
        [self.profile] = load_profiles(self.scenario.declaration)

    def tell(self) -> None:
        """All steps, in order."""
        self.stage.say(self.scenario.title + ".")
        self.stage.say(self.scenario.explanation)
        self._prepare()
        self._tables()
        self._declare()
        self._first_version()
        self._replay()
        self._act()
        self._second_version()
        self._result()

    # ------------------------------------------------------------ steps

    def _prepare(self) -> None:
        self.stage.step("A database with modelpack")
        with self.stage.wait("installing"), self.engine.begin() as connection:
            found = installed(connection)
            if found is None:
                wheels = os.environ.get("MODELPACK_SERVER_WHEELS")
                install(connection, Path(wheels) if wheels else None)
            require(connection)
        server = self._value("select current_setting('server_version')")
        self.stage.say(
            f"PostgreSQL {server}; the schema modelpack "
            + ("is installed now." if found is None else "is there already.")
        )
        clear(self.application)
        self.stage.say("Everything below happens in a schema of the demo's own.")
        self._run(f"create schema {SCHEMA}")
        self.application.execute(
            sql.SQL("comment on schema {} is {}").format(sql.Identifier(SCHEMA), sql.Literal(_MARK))
        )

    def _tables(self) -> None:
        self.stage.step("The application has tables, and a past")
        self._run(self.scenario.tables)
        if self.scenario.customers is not None:
            self._copy(PROFILE, self.scenario.customers)
        for log in self.scenario.logs:
            self._copy(log.table, log.between(None, self.scenario.learned))
        for table in self._tables_named():
            self.application.execute(f"analyze {table}")  # as autovacuum would soon
        counts = ", ".join(
            f"{self._value(f'select count(*) from {table}'):,} rows in {table}"
            for table in self._tables_named()
        )
        self.stage.say(f"History, copied in: {counts}.")

    def _declare(self) -> None:
        self.stage.step("The DBA applies a declaration")
        self.stage.code(self.scenario.declaration.read_text(), "python")
        start = time.perf_counter()
        with self.stage.wait("counting the events that are there already"), self.engine.begin() as connection:
            apply(connection, self.profile)
        triggers = self._value(
            "select count(*) from pg_trigger as t join pg_class as c on c.oid = t.tgrelid "
            f"where c.relnamespace = '{SCHEMA}'::regnamespace and not t.tgisinternal"
        )
        self.stage.say(
            f"Columns for the features, {triggers} triggers in plain PL/pgSQL, and every event of the past counted, in "
            f"{time.perf_counter() - start:.1f} s. (A DBA reads one with \\sf modelpack.demo__customer_score in psql.) "
            "No model is there yet, and the profile says so:"
        )
        self._query("select churn_stale, count(*) from demo.customer group by churn_stale")

    def _first_version(self) -> None:
        self.stage.step("The data scientist trains a model and publishes it")
        ago = (self.scenario.today - self.scenario.learned).days
        self.stage.say(
            f"The training set: every customer as of {ago} days ago, computed from the events by the same declaration "
            f"(no event after that moment counts); the truth is who bought nothing in the {ago} days since. (The demo knows "
            "already what is about to arrive. The days after today it keeps to itself until the end.)"
        )
        with self.stage.wait("training"), self.engine.begin() as connection:
            frame = self._training_set(connection)
        version = self._publish(frame, self.scenario.releases[0])
        self._promote(version, "first version")

    def _training_set(self, connection: Connection) -> pd.DataFrame:
        frame = training_set(connection, self.profile, at=[self.scenario.learned], everybody=True)
        return frame.set_index("customer_id")

    def _publish(self, frame: pd.DataFrame, release: Release) -> Version:
        inputs = frame[list(release.inputs)]
        left = self.scenario.left(frame.index, self.scenario.learned, self.scenario.today)
        # one thread: these models are small, and where others use the machine OpenMP's threads wait for each other
        with self.stage.wait("training, converting to ONNX, proving parity"), threadpool_limits(1):
            estimator = clone(release.estimator)
            folds = StratifiedKFold(3, shuffle=True, random_state=1)
            auc = float(cross_val_score(estimator, inputs, left, cv=folds, scoring="roc_auc").mean())
            estimator.fit(inputs, left)
            sample = inputs.sample(min(_SAMPLE, len(inputs)), random_state=1)
            version = self.registry.publish(
                estimator, name=MODEL, sample=sample, note=release.note, metrics={"auc": auc}
            )
        self.versions.append(version)
        self.stage.say(
            f"Version {version.version} ({release.note}; inputs: {', '.join(version.inputs)}): {version.bytes:,} bytes of "
            f"ONNX; on {version.parity['rows']:,} customers and {sum(version.parity['probes'].values()):,} probes it gives "
            f"the estimator's own result, to {version.parity['max_difference']:.0e}. Cross-validated area under the ROC "
            f"curve (AUC): {auc:.3f}."
        )
        return version

    def _promote(self, version: Version, reason: str) -> None:
        self._run(f"select modelpack.promote('{MODEL}', {version.version}, '{reason}')")
        self._rescore()

    def _rescore(self) -> None:
        with self.stage.wait("scoring every customer"):
            start = time.perf_counter()
            self._run(f"call modelpack.rescore('{PROFILE}')")
            seconds = time.perf_counter() - start
        rows = self._value(f"select count(*) from {PROFILE} where churn_stale is null")
        self.stage.say(f"{rows:,} customers scored in {seconds:.1f} s.")

    def _replay(self) -> None:
        days = (self.scenario.today - self.scenario.learned).days
        self.stage.step(f"The last {days} days arrive, one INSERT an event")
        for log in self.scenario.logs:
            self.stage.sql(_with_names(log))
        self.stage.say(
            "Each INSERT returns with the customer's counters and score right, in its transaction."
        )
        # An event is scored when it arrives, which is now: windows on the way are those of a late arrival. Only
        # the scores that stand at the end are held against the truth.
        seconds = 0.0
        with self.stage.progress("events", self.scenario.arriving) as bar:
            for day in self.scenario.arrivals():
                start = time.perf_counter()
                with self.application.transaction(), self.application.pipeline():
                    for insert, values in day:
                        self.application.execute(insert, values, prepare=True)
                seconds += time.perf_counter() - start
                bar.advance(bar.task_ids[0], len(day))
        self.rate = self.scenario.arriving / seconds if seconds else 0.0
        self.stage.say(
            f"{self.scenario.arriving:,} events in {seconds:.1f} s: {self.rate:,.0f} events a second, each counted, scored "
            "and logged, from one connection, on this machine."
        )
        self.stage.say("The log has every score with the inputs that the model received, for example:")
        self._query(
            "select entity_key as customer, version, round(prediction::numeric, 3) as score,\n"
            "       microseconds as us, inputs::numeric(10, 1)[]::text as inputs\n  from modelpack.prediction\n"
            f" where model = '{MODEL}' order by prediction_id desc limit 1"
        )
        self.stage.say("Windows and ages move on while a customer is quiet; a job keeps up with the clock:")
        # everybody's ages and windows as of now: the moment at which the scores are held against the truth
        self._run(f"call modelpack.refresh('{PROFILE}', older_than => interval '0')")
        self.stage.say("And every stored feature is held against the events themselves:")
        wrong = self._query(f"select count(*) as wrong from modelpack.verify('{PROFILE}')")[0][0]
        if wrong:
            raise ModelpackError(
                f"{wrong} features differ from the events; select * from modelpack.verify('{PROFILE}') lists them"
            )

    def _act(self) -> None:
        act = self.scenario.act
        self.stage.step(act.title)
        self.stage.sql(act.find)
        key = self._value(act.find)
        if key is None:
            self.stage.say("No such customer among these.")
            return
        names, before = self._row(act.show, key)
        self.stage.sql(act.show % key)
        with self.application.transaction(force_rollback=True):
            self.stage.sql(f"begin;\n{act.insert % key}")
            self.application.execute(act.insert % key)
            _, after = self._row(act.show, key)
        self.stage.sql("rollback")
        _, again = self._row(act.show, key)
        self.stage.rows(
            names,
            [("before", *before), ("after", *after), ("rolled back", *again)],
            label=f"customer {key}",
        )
        self.stage.say(
            "No service was asked: the INSERT itself counted and scored. Event, counters, score and log are one "
            "transaction, so the rollback took all of it back; it is made here to keep the events as they came."
        )

    def _second_version(self) -> None:
        self.stage.step("A second version: published, promoted, rolled back")
        self.stage.say("It takes more inputs. The profile has them already, so nobody migrates anything.")
        with self.engine.begin() as connection:
            frame = self._training_set(connection)
        version = self._publish(frame, self.scenario.releases[1])
        self._promote(version, "more inputs")
        self._standing()
        self.stage.say("One statement goes back; no file is copied, no service restarted.")
        self._run(f"select modelpack.rollback('{MODEL}', 'to show that one can')")
        self._rescore()
        self._standing()
        self._query(
            "select action, version, previous, reason\n  from modelpack.promotion\n"
            f" where model = '{MODEL}' order by promotion_id"
        )

    def _standing(self) -> None:
        self._query(
            "select churn_version, count(*), round(avg(churn)::numeric, 3) as mean_churn\n"
            "  from demo.customer group by churn_version"
        )

    def _result(self) -> None:
        self.stage.step("Did the scores tell who left?")
        horizon = (self.scenario.end - self.scenario.today).days
        standing = self._scores("select customer_id, churn from demo.customer where churn_stale is null")
        truth = self.scenario.left(standing.index, self.scenario.today, self.scenario.end)
        self.stage.say(
            f"The database has never seen the {horizon} days after today. {truth.sum():,} of {len(truth):,} customers buy "
            "nothing in them."
        )
        self.stage.say(
            "Every score is in the prediction log, with its version and its inputs; so version "
            f"{self.versions[1].version} can be judged too:"
        )
        query = (
            "select distinct on (entity_key) entity_key::bigint, prediction\n  from modelpack.prediction\n"
            f" where model = '{MODEL}' and version = {self.versions[1].version}\n order by entity_key, prediction_id desc"
        )
        self.stage.sql(query)
        rolled_back = self._scores(query)
        champion, challenger = (
            roc_auc_score(self.scenario.left(scores.index, self.scenario.today, self.scenario.end), scores)
            for scores in (standing, rolled_back)
        )
        first, second = self.versions
        self.stage.rows(
            ("AUC then", "AUC now", "stands in the profiles"),
            [
                (f"version {first.version}", f"{first.metrics['auc']:.3f}", f"{champion:.3f}", "yes"),
                (f"version {second.version}", f"{second.metrics['auc']:.3f}", f"{challenger:.3f}", "no"),
            ],
            label="model",
        )
        self.stage.say(
            "AUC is the chance that of two customers, one who leaves and one who stays, the one who leaves has the higher "
            "score. Then: cross-validated when published. Now: on what happened after today."
        )
        logged = self._value(f"select count(*) from modelpack.prediction where model = '{MODEL}'")
        self.stage.console.print()
        self.stage.say(f"Predictions logged: {logged:,}.")
        self.stage.say(f"Events scored: {self.rate:,.0f} a second.")
        self.stage.say(f"AUC of the scores in the profiles: {champion:.3f}.")

    # ------------------------------------------------------------ small things

    def _tables_named(self) -> list[str]:
        return [PROFILE, *(log.table for log in self.scenario.logs)]

    def _run(self, statement: str) -> None:
        """Show a statement and run it."""
        self.stage.sql(statement)
        self.application.execute(statement)

    def _query(self, query: str) -> Rows:
        """Show a query, run it, show its rows."""
        self.stage.sql(query)
        cursor = self.application.execute(query)
        rows = cursor.fetchall()
        self.stage.rows([column.name for column in cursor.description or ()], rows)
        return rows

    def _value(self, query: str) -> Any:
        row = self.application.execute(query).fetchone()
        return row[0] if row else None

    def _row(self, query: str, key: Any) -> tuple[list[str], tuple[Any, ...]]:
        cursor = self.application.execute(query % key)
        [row] = cursor.fetchall()
        return [column.name for column in cursor.description or ()], row

    def _scores(self, query: str) -> pd.Series:
        rows = self.application.execute(query).fetchall()
        return pd.Series([score for _, score in rows], index=[key for key, _ in rows], dtype=float)

    def _copy(self, table: str, rows: pd.DataFrame) -> None:
        columns = sql.SQL(", ").join(map(sql.Identifier, rows.columns))
        target = sql.SQL(".").join(map(sql.Identifier, table.split(".")))
        copy = sql.SQL("copy {} ({}) from stdin (format csv)").format(target, columns)
        with self.application.cursor().copy(copy) as stream:
            stream.write(rows.to_csv(index=False, header=False))


def _with_names(log: EventLog) -> str:
    statement = log.insert
    for name in log.rows.columns:
        statement = statement.replace("%s", f":{name}", 1)
    return statement


def clear(connection: psycopg.Connection[Any]) -> None:
    """Remove what an earlier run of the demo left, and nothing else.

    Raises ModelpackError where the schema `demo` is not the demo's own.
    """
    with connection.transaction():
        row = connection.execute(
            "select obj_description(to_regnamespace(%s), 'pg_namespace') from pg_namespace where nspname = %s",
            [SCHEMA, SCHEMA],
        ).fetchone()
        if row is not None and row[0] != _MARK:
            raise ModelpackError(
                f"the database has a schema {SCHEMA} that the demo did not make, expected none; name another database in "
                "MODELPACK_DSN, or: alter schema demo rename to …"
            )
        if connection.execute("select 1 from modelpack.profile where name = %s", [PROFILE]).fetchone():
            if connection.execute("select to_regclass(%s)", [PROFILE]).fetchone() != (None,):
                connection.execute("select modelpack.detach(%s)", [PROFILE])
            connection.execute("delete from modelpack.profile where name = %s", [PROFILE])
        if row is not None:
            connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(SCHEMA)))
        hashes = connection.execute(
            "select sha256 from modelpack.version where model = %s", [MODEL]
        ).fetchall()
        for table in ("inspection", "annotation", "approval", "retirement", "failure_log"):
            connection.execute(
                sql.SQL(
                    "delete from modelpack.{} where version_id in "
                    "(select v.version_id from modelpack.version as v where v.model = %s)"
                ).format(sql.Identifier(table)),
                [MODEL],
            )
        for table in ("prediction", "promotion", "permission", "alias", "version", "model"):
            connection.execute(
                sql.SQL("delete from modelpack.{} where model = %s").format(sql.Identifier(table)), [MODEL]
            )
        connection.execute(
            "delete from modelpack.artifact as a where a.sha256 = any (%s) "
            "and not exists (select from modelpack.version as v where v.sha256 = a.sha256)",
            [[row[0] for row in hashes]],
        )
