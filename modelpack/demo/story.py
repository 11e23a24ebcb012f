"""The story, step by step. Whatever the application does is plain SQL, printed as it is run."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from math import ceil
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
from modelpack.demo.clearing import MARK, MODEL, PROFILE, SCHEMA, clear
from modelpack.demo.hindsight import hindsight_frame
from modelpack.demo.scenario import Hindsight, Release, Scenario
from modelpack.demo.stage import Stage
from modelpack.errors import ModelpackError
from modelpack.experiments.reading import read_experiment, read_values
from modelpack.experiments.report import found, in_words
from modelpack.install import install, installed, require
from modelpack.outcomes import Outcome, statistics
from modelpack.outcomes.statistics import Figure
from modelpack.registry import Registry
from modelpack.training import training_set
from modelpack.versions import Version

EXPERIMENT = "demo_both_versions"
LAPSE = 6
"""Seconds in which the days after today pass."""

_SAMPLE = 1000
"""Rows that a version has to prove parity on."""

_TAKE_PART = 3000
"""About how many customers are given an arm of the experiment at once: row by row, as events give it."""

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
    cut_off: datetime = field(init=False)
    """The moment of which the scores are judged."""
    figure: Figure = field(init=False)
    """The AUC of these scores, on what came after."""

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
        self._experiment()
        self._outcomes()
        if self.scenario.hindsight is not None:
            self._hindsight(self.scenario.hindsight)
        self._end()

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
            sql.SQL("comment on schema {} is {}").format(sql.Identifier(SCHEMA), sql.Literal(MARK))
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
            f"(no event after that moment counts); the truth is the outcome that it names: who bought nothing in the {ago} days "
            "since. (The demo knows already what is about to arrive. The days after today it keeps to itself until the end.)"
        )
        with self.stage.wait("training"), self.engine.begin() as connection:
            frame = self._training_set(connection)
        frame["label"] = self.scenario.left(frame.index, self.scenario.learned, self.scenario.today)
        version = self._publish(frame, self.scenario.releases[0])
        self._promote(version, "first version")

    def _training_set(self, connection: Connection) -> pd.DataFrame:
        frame = training_set(connection, self.profile, at=[self.scenario.learned], everybody=True)
        return frame.set_index("customer_id")

    def _publish(self, frame: pd.DataFrame, release: Release) -> Version:
        inputs = frame[list(release.inputs)]
        left = frame["label"].astype(int)
        # one thread: these models are small, and where others use the machine OpenMP's threads wait for each other
        with self.stage.wait("training, converting to ONNX, proving parity"), threadpool_limits(1):
            estimator = clone(release.estimator)
            folds = StratifiedKFold(3, shuffle=True, random_state=1)
            auc = float(cross_val_score(estimator, inputs, left, cv=folds, scoring="roc_auc").mean())
            estimator.fit(inputs, left)
            sample = inputs.sample(min(_SAMPLE, len(inputs)), random_state=1)
            version = self.registry.publish(
                estimator,
                name=MODEL,
                sample=sample,
                note=release.note,
                metrics={"auc": auc},
                training_data=frame,
            )
        self.versions.append(version)
        self.stage.say(
            f"Version {version.version} ({release.note}; inputs: {', '.join(version.inputs)}): {version.bytes:,} bytes of "
            f"ONNX, scored by the engine {version.engine}; on {version.parity['rows']:,} customers and "
            f"{sum(version.parity['probes'].values()):,} probes it gives the estimator's own result, to "
            f"{version.parity['max_difference']:.0e}. Cross-validated area under the ROC "
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
            self.stage.sql(log.shown)
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
        self.stage.say(
            "It takes more inputs. The profile has them already, so nobody migrates anything. The truth has arrived by now: "
            "the label is the outcome of the declaration, over the events in the database."
        )
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

    def _experiment(self) -> None:
        self.stage.step("An experiment: two versions at once")
        first, second = self.versions
        customers = self._value(f"select count(*) from {PROFILE}")
        shares = max(1, round(customers / _TAKE_PART))
        self.stage.say(
            "Does the one do more good than the other? Each scores half of those who take part. Who is in which arm follows from a "
            "hash of the key, and never changes. A customer gets his arm when he is next scored"
            + (": all do now." if shares == 1 else f"; here, one of {shares} do now.")
        )
        self.cut_off = self._value("select clock_timestamp()")
        self._run(
            f"select modelpack.start_experiment('{PROFILE}', 'churn', '{EXPERIMENT}',\n"
            f"""         '[{{"arm": "old", "version": {first.version}, "weight": 50}},\n"""
            f"""           {{"arm": "new", "version": {second.version}, "weight": 50}}]')"""
        )
        part = "" if shares == 1 else f", chunk_blocks => 10, share => 1, shares => {shares}"
        with self.stage.wait("giving customers an arm, and its score"):
            self._run(f"call modelpack.rescore('{PROFILE}', everything => true{part})")
        self._query(
            "select arm, version, weight, entities\n  from modelpack.experiments\n"
            f" where experiment = '{EXPERIMENT}'"
        )

    def _outcomes(self) -> None:
        days = (self.scenario.end - self.scenario.today).days
        start: datetime = self._value("select clock_timestamp()")
        seconds = ceil((start - self.cut_off).total_seconds()) + LAPSE
        self.stage.step(f"{days} days pass in {seconds} seconds: was it right?")
        self.stage.say(
            f"The outcome of a score is known {days} days later. Nobody waits for that here, so they pass in time-lapse: from now "
            f'on the declaration says horizon="{seconds} seconds". Nothing else is made up. First, the scores that stood '
            "before the experiment, which are in the log, are written down:"
        )
        self._shorten(f"{seconds} seconds")
        self._run(
            f"call modelpack.take_cohort('{PROFILE}',\n       cut_off => '{self.cut_off.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S.%f}+00')"
        )
        self.stage.say(
            f"Then what the customers do in the {days} days after today, which the database has never seen, each event at its place "
            f"in the {seconds} seconds:"
        )
        self._lapse(start, self.cut_off + timedelta(seconds=seconds))
        self._wait_until(start + timedelta(seconds=seconds))
        self._run(f"call modelpack.settle('{PROFILE}')")
        self._query(
            "select version, rows, settled, pending, round(mean_outcome::numeric, 3) as left,\n"
            "       round(auc::numeric, 3) as auc, final\n"
            f"  from modelpack.fit\n where profile = '{PROFILE}'"
        )
        self._fit()
        self._conclude()

    def _shorten(self, horizon: str) -> None:
        """Apply the declaration with another horizon of its outcome."""
        [score] = self.profile.scores
        assert isinstance(score.outcome, Mapping)
        outcome = Outcome(score.outcome["sql"], horizon=horizon)
        with self.engine.begin() as connection:
            apply(connection, replace(self.profile, scores=[replace(score, outcome=outcome)]))

    def _lapse(self, start: datetime, end: datetime) -> None:
        events = 0
        with self.stage.progress("days", (self.scenario.end - self.scenario.today).days) as bar:
            for over, parts in self.scenario.lapse(start, end):
                self._wait_until(over)
                for table, rows in parts:
                    self._copy(table, rows)
                    events += len(rows)
                bar.advance(bar.task_ids[0])
        self.stage.say(f"{events:,} events, which were counted and scored as any others.")

    def _fit(self) -> None:
        first, second = self.versions
        self.stage.say(
            f"Version {second.version} stood for a moment, too, so the log has what it said of the same customers:"
        )
        query = (
            "select j.prediction, l.prediction as other, j.outcome\n"
            "  from modelpack.judgement as j\n"
            "  join (select distinct on (entity_key) entity_key, prediction\n          from modelpack.prediction\n"
            f"         where model = '{MODEL}' and version = {second.version}\n"
            "         order by entity_key, prediction_id) as l using (entity_key)\n"
            f" where j.profile = '{PROFILE}' and j.status = 'settled'"
        )
        self.stage.sql(query)
        one, other, outcomes = zip(*self.application.execute(query).fetchall(), strict=True)
        self.figure = statistics.auc(one, outcomes)
        figures = self.figure, statistics.auc(other, outcomes)
        self.stage.rows(
            ("AUC then", "AUC now", "95% interval", "stood"),
            [
                (
                    f"version {version.version}",
                    f"{version.metrics['auc']:.3f}",
                    f"{figure.value:.3f}",
                    between(figure),
                    stood,
                )
                for version, figure, stood in zip((first, second), figures, ("yes", "no"), strict=True)
            ],
            label="model",
        )
        self.stage.say(
            "AUC is the chance that of two customers, one who leaves and one who stays, the one who leaves has the higher "
            "score. Then: cross-validated when published. Now: on what happened after today."
        )
        compared = statistics.compare("AUC", one, other, outcomes, samples=200)
        words = compared.in_words(f"version {first.version}", f"version {second.version}")
        self.stage.say(words[:1].upper() + words[1:])

    def _conclude(self) -> None:
        self.stage.say("And the experiment: how many customers left, by arm?")
        self.stage.code(f"modelpack experiment show {EXPERIMENT}", "console")
        with self.engine.begin() as connection:
            running = read_experiment(connection, EXPERIMENT)
            everybody = read_values(connection, EXPERIMENT, None)
            values = read_values(connection, EXPERIMENT, "outcome")
        result = found(running, everybody, values, "outcome")
        self.stage.rows(
            ("version", "share", "entities", "measured", "mean"),
            [
                (a.arm, a.version, f"{a.weight:.0%}", f"{a.entities:,}", f"{a.ripe:,}", f"{a.mean:.3f}")
                for a in result.arms
            ],
            label="arm",
        )
        new = result.arms[1]
        said = in_words(running, new, "outcome")
        self.stage.say(said[:1].upper() + said[1:])
        if result.pending:
            self.stage.say(
                f"Not counted: {result.pending:,} whose horizon has not passed. Who got his arm by an event on the way is measured "
                "from then on, over fewer days: in both arms alike."
            )
        nothing = new.effect is None or new.effect.verdict == "open"
        self.stage.say(
            "Nobody acted on the scores, so there is nothing to find"
            + (". The old version stays:" if nothing else ": this is chance. The old version stays:")
        )
        self._run(
            f"select modelpack.conclude_experiment('{EXPERIMENT}', 'old', 'no more good is done by the new one')"
        )
        self._rescore()

    def _hindsight(self, past: Hindsight) -> None:
        version = self.versions[0]
        self.stage.step("In hindsight: the same at several moments")
        self.stage.say(
            f"The whole log, dated so that it ends today. Version {version.version} knows nothing after {next(iter(past.cut_offs))}. "
            "Its inputs are computed as they were at each moment, from the events up to it; the outcome from those after it. "
            "These are no scores that anybody was given, so they are in no log and no cohort."
        )
        self._run(past.tables)
        self._copy(past.log.table, past.log.rows)
        self._run("insert into demo.past_customer select distinct customer_id from demo.past_purchase")
        for table in past.renamed.values():
            self.application.execute(f"analyze {table}")  # as autovacuum would soon
        self.stage.sql(f"select place, score from modelpack.score_rows('{MODEL}', {version.version}, :rows)")
        with self.stage.wait("scoring every customer at each moment"):
            frame = hindsight_frame(self.engine, self.profile, past, MODEL, version)
        groups = [(name, frame[frame["at"] == moment]) for name, moment in past.cut_offs.items()]
        self.stage.rows(
            ("customers", "left", "AUC", "95% interval", "scikit-learn"),
            [
                (
                    name,
                    f"{len(rows):,}",
                    f"{rows['label'].mean():.3f}",
                    f"{figure.value:.4f}",
                    between(figure, 4),
                    f"{roc_auc_score(rows['label'], rows['score']):.4f}",
                )
                for name, rows in [*groups, ("all", frame)]
                for figure in [statistics.auc(rows["score"], rows["label"], rows["customer_id"])]
            ],
            label="from",
        )
        self.stage.say(
            "A customer of several moments is one cluster, and the interval of all knows it. Later it is easier to tell who "
            "has left, since most have been quiet for long."
        )

    def _end(self) -> None:
        logged = self._value(f"select count(*) from modelpack.prediction where model = '{MODEL}'")
        self.stage.console.print()
        self.stage.say(f"Predictions logged: {logged:,}.")
        self.stage.say(f"Events scored: {self.rate:,.0f} a second.")
        self.stage.say(
            f"AUC of the scores in the profiles: {self.figure.value:.3f} ({between(self.figure)})."
        )

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

    def _wait_until(self, moment: datetime) -> None:
        """Until the server's clock says so."""
        self.application.execute(
            "select pg_sleep(greatest(0, extract(epoch from %s - clock_timestamp())))", [moment]
        )

    def _copy(self, table: str, rows: pd.DataFrame) -> None:
        columns = sql.SQL(", ").join(map(sql.Identifier, rows.columns))
        target = sql.SQL(".").join(map(sql.Identifier, table.split(".")))
        copy = sql.SQL("copy {} ({}) from stdin (format csv)").format(target, columns)
        with self.application.cursor().copy(copy) as stream:
            stream.write(rows.to_csv(index=False, header=False))


def between(figure: Figure, digits: int = 3) -> str:
    """The interval of a figure."""
    if figure.low is None or figure.high is None:
        return "too few"
    return f"{figure.low:.{digits}f} to {figure.high:.{digits}f}"
