"""Figures for Prometheus, read from the roll-ups when they are asked for.

Units are seconds and ratios, counters end in `_total`, and labels are bounded: models, scores, profiles, versions that score,
arms, kinds; never an entity, an input or a text of somebody.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from modelpack.errors import ModelpackError, RegistryError
from modelpack.extras import need

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.registry import CollectorRegistry

MOST = 2000
"""Series of one name; what is beyond is left out, and modelpack_series_left_out says how many."""

GAUGE, COUNTER = "gauge", "counter"

TODAY = "(now() at time zone 'UTC')::date"
"""Days of roll-ups are those of UTC, whatever the session's time zone is."""

QUERIES: tuple[tuple[str, str, str, tuple[str, ...], str], ...] = (
    (
        "modelpack_predictions", COUNTER, "Scores that were given, as rolled up.", ("model", "profile", "score", "version", "arm"),
        "select w.model, w.profile, w.score, w.version, w.arm, sum(r.predictions) from modelpack.watched as w join modelpack.rollup as r using (watched_id) "
        "where r.span = 'day' and w.segment = '' group by w.model, w.profile, w.score, w.version, w.arm having max(r.at) > now() - interval '90 days'",
    ),
    (
        "modelpack_failures", COUNTER, "Times that a version gave no score, as far as they were noted.", ("model", "profile", "version", "kind"),
        "select f.model, f.profile, f.version, f.kind, sum(f.failures) from modelpack.failures_by_hour as f "
        "group by f.model, f.profile, f.version, f.kind having max(f.hour) > now() - interval '90 days'",
    ),
    (
        "modelpack_rows", GAUGE, "Rows of a profile that have a score, when they were last counted.", ("model", "profile", "score"),
        "select distinct on (s.profile, s.score) s.model, s.profile, s.score, s.rows from modelpack.staleness as s where s.rows is not null order by s.profile, s.score, s.hour desc",
    ),
    (
        "modelpack_stale_rows", GAUGE, "Rows of a profile without a fresh score, when they were last counted.", ("model", "profile", "score"),
        "select distinct on (s.profile, s.score) s.model, s.profile, s.score, s.stale from modelpack.staleness as s where s.stale is not null order by s.profile, s.score, s.hour desc",
    ),
    (
        "modelpack_scoring_seconds", GAUGE, "Within how long this share of the scores of the last hour was ready.",
        ("model", "profile", "score", "version", "share"),
        "select n.model, n.profile, n.score, n.version, q.share, q.microseconds / 1e6 from ("
        "select distinct on (l.profile, l.score, l.version) l.* from modelpack.latency as l where l.hour between now() - interval '1 day' and now() "
        "order by l.profile, l.score, l.version, l.hour desc) as n "
        "cross join lateral (values ('0.5', n.p50), ('0.95', n.p95), ('0.99', n.p99)) as q (share, microseconds) where q.microseconds is not null",
    ),
    *(
        (
            f"modelpack_{name}_ratio", GAUGE, words, ("model", "profile", "score", "version", "arm"),
            f"select distinct on (r.profile, r.score, r.version, r.arm) r.model, r.profile, r.score, r.version, coalesce(r.arm, ''), r.{column} "
            f"from modelpack.response as r where r.day between {TODAY} - 1 and {TODAY} and r.{column} is not null order by r.profile, r.score, r.version, r.arm, r.day desc",
        )
        for name, column, words in (
            ("uncertain", "uncertain_share", "Share of the scores of the newest day that lie in the uncertain band."),
            ("largest_value", "largest_share", "Share of the scores of the newest day that are one and the same value."),
        )
    ),
    *(
        (
            name, GAUGE, words, ("model", "profile", "score", "version", "against"),
            f"select d.model, d.profile, d.score, d.version, d.against, {what} from ("
            "select distinct on (d.profile, d.score, d.version, d.input, d.against) d.* from modelpack.drift as d "
            f"where d.day between {TODAY} - 1 and {TODAY} and coalesce(d.segment, '') = '' and d.psi is not null "
            "order by d.profile, d.score, d.version, d.input, d.against, d.day desc) as d group by d.model, d.profile, d.score, d.version, d.against",
        )
        for name, words, what in (
            ("modelpack_drift_psi", "The largest population stability index of the score and the inputs.", "max(d.psi)"),
            ("modelpack_drifted", "How many inputs, the score among them, differ by more than chance allows.", "count(*) filter (where d.drifted)"),
        )
    ),
    (
        "modelpack_experiment_entities", GAUGE, "Entities of an arm of an experiment that runs.", ("model", "experiment", "arm", "version"),
        "select e.model, e.experiment, e.arm, e.version, e.entities from modelpack.experiments as e where e.ended_at is null",
    ),
    (
        "modelpack_champion", GAUGE, "1 for the version that is the champion.", ("model", "version"),
        "select a.model, a.version, 1 from modelpack.alias as a where a.alias = 'champion'",
    ),
    (
        "modelpack_disabled", GAUGE, "1 for a model that is disabled.", ("model",),
        "select m.model, (m.disabled is not null)::integer from modelpack.model as m",
    ),
    (
        "modelpack_alerts_open", GAUGE, "Alerts that are open.", ("model", "kind"),
        "select b.model, b.kind, (select count(*) from modelpack.alert as a where a.model = b.model and a.kind = b.kind and a.closed_at is null) "
        "from modelpack.alert_bounds as b where b.bound is not null and (b.kind in ('interrupted', 'observe')) = (b.model = '')",
    ),
    (
        "modelpack_observe_timestamp_seconds", GAUGE, "When modelpack.observe() last came to its end; 0: never.", (),
        "select coalesce(extract(epoch from l.looked_at), 0) from modelpack.alert_look as l",
    ),
)  # fmt: skip
"""Name, type, words, labels, and the query whose last column is the value."""


FIGURES = {
    "auc": "AUC",
    "brier": "Brier score",
    "mae": "Mean absolute error",
    "rmse": "Root mean square error",
}

NEWEST = """
select distinct on (k.profile, k.score, v.version) k.profile, k.score, k.cut_off, v.version
  from modelpack.cut_off as k join modelpack.running_version as v on v.model = k.model
 where k.ripe_at <= now() and k.complete
   and exists (select from modelpack.cohort as c where (c.profile, c.score, c.cut_off, c.version) = (k.profile, k.score, k.cut_off, v.version))
 order by k.profile, k.score, v.version, k.cut_off desc"""

FIT = """
select f.model, f.profile, f.score, f.version, f.auc, f.brier, f.mae, f.rmse from modelpack.fit as f
 where f.profile = :profile and f.score = :score and f.version = :version and f.cut_off = :cut_off and f.final"""

PENDING = """
select k.model, k.profile, k.score, sum(k.rows - o.settled) as pending
  from modelpack.cut_off as k
 cross join lateral (select count(*) as settled from modelpack.outcome as o where (o.profile, o.score, o.cut_off) = (k.profile, k.score, k.cut_off)) as o
 where k.cut_off > now() - interval '400 days' group by k.model, k.profile, k.score"""

FIT_AGAIN = 600.0
"""Seconds for which outcomes are not read again: they change seldom, and a cohort may be large."""


def read_outcomes(connection: Connection) -> tuple[list[Any], list[Any]]:
    """What is pending, and the figures of the newest final cohort of each version that scores.

    One cohort at a time, so that the view reads no other.
    """
    newest = connection.execute(text(NEWEST)).all()
    fit = [row for n in newest for row in connection.execute(text(FIT), dict(n._mapping))]
    return list(connection.execute(text(PENDING))), fit


def need_client() -> None:
    """Raise ExtraError unless prometheus-client is here."""
    need("Writing metrics", {"prometheus_client": "prometheus-client"}, "metrics")


def read_metrics(connection: Connection, outcomes: tuple[list[Any], list[Any]]) -> Iterator[Metric]:
    """All of them, in one transaction; `outcomes` as they were last read."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    left_out = 0
    for name, kind, words, labels, query in QUERIES:
        family = (CounterMetricFamily if kind == COUNTER else GaugeMetricFamily)(name, words, labels=labels)
        found = connection.execute(text(query)).all()
        for *of, value in found[:MOST]:
            family.add_metric(["" if v is None else str(v) for v in of], float(value))
        left_out += max(0, len(found) - MOST)
        yield family
    pending, fit = outcomes
    family = GaugeMetricFamily(
        "modelpack_outcomes_pending",
        "Judged scores of the last 400 days whose truth is not known yet.",
        labels=("model", "profile", "score"),
    )
    for p in pending:
        family.add_metric([p.model, p.profile, p.score], float(p.pending))
    yield family
    for figure, words in FIGURES.items():
        family = GaugeMetricFamily(
            f"modelpack_fit_{figure}",
            f"{words} of the newest cohort that is final.",
            labels=("model", "profile", "score", "version"),
        )
        for f in fit:
            if getattr(f, figure) is not None:
                family.add_metric([f.model, f.profile, f.score, str(f.version)], float(getattr(f, figure)))
        yield family
    yield GaugeMetricFamily(
        "modelpack_series_left_out", f"Series beyond {MOST} of one name, which are left out.", value=left_out
    )


class Collector:
    """What a registry of prometheus-client asks. A database that does not answer is modelpack_up 0, not a failed scrape."""

    def __init__(self, engine: Engine, *, strict: bool = False) -> None:
        self._engine, self._strict = engine, strict
        self._one_at_a_time = threading.Lock()
        self._outcomes: tuple[float, tuple[list[Any], list[Any]]] | None = None

    def collect(self) -> Iterable[Metric]:
        """All metrics, and whether they could be read."""
        from prometheus_client.core import GaugeMetricFamily

        up = GaugeMetricFamily("modelpack_up", "1 where the database answered.", value=1)
        try:
            with self._one_at_a_time, self._engine.connect() as connection:
                from modelpack.install import require

                require(connection)
                connection.execute(text("set transaction read only"))
                if self._outcomes is None or monotonic() - self._outcomes[0] > FIT_AGAIN:
                    self._outcomes = monotonic(), read_outcomes(connection)
                return [*read_metrics(connection, self._outcomes[1]), up]
        except (DBAPIError, ModelpackError):
            if self._strict:
                raise
            return [GaugeMetricFamily("modelpack_up", "1 where the database answered.", value=0)]


def registry(engine: Engine, *, strict: bool = False) -> CollectorRegistry:
    """A registry with our metrics alone."""
    from prometheus_client import CollectorRegistry

    made = CollectorRegistry(auto_describe=False)
    # to be registered a collector is asked for its names, unless it describes none: no query before the first scrape
    collector: Any = Collector(engine, strict=strict)
    made.register(collector)
    return made


def write_textfile(engine: Engine, path: Path) -> None:
    """For the node exporter's textfile collector: the file is there as a whole or not at all."""
    from prometheus_client import generate_latest

    body = generate_latest(registry(engine, strict=True))
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(body)
            os.fchmod(file.fileno(), 0o644)  # another user reads it
        Path(file.name).replace(path)
    except OSError as error:
        raise RegistryError(
            f"{path} cannot be written: {error.strerror}; expected a file in a folder that is there"
        ) from error
