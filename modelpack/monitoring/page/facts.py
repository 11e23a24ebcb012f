"""What the database knows of a model: rows of the views as they are, under the names that the views give them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from modelpack.errors import RegistryError

Row = dict[str, Any]

RESPONSE = """
select r.* from modelpack.response as r where r.model = :model and r.day > (now() at time zone 'UTC')::date - cast(:days as integer)
 order by r.profile, r.score, r.day, r.version, r.arm"""

DRIFT = """
select distinct on (d.profile, d.score, d.version, coalesce(d.segment, ''), d.input, d.against) d.*, b.bound,
       coalesce(d.critical is not null and d.psi > greatest(b.bound, d.critical), false) as beyond
  from modelpack.drift as d
  left join modelpack.alert_bounds as b on b.model = d.model and b.kind = 'drift'
 where d.model = :model and d.day > (now() at time zone 'UTC')::date - cast(:days as integer)
   and exists (select from modelpack.running_version as v where v.model = d.model and v.version = d.version)
 order by d.profile, d.score, d.version, coalesce(d.segment, ''), d.input, d.against, d.day desc"""

SCORE_DRIFT = """
select d.profile, d.score, d.version, d.day, d.against, d.rows, d.psi, d.critical, d.drifted from modelpack.drift as d
 where d.model = :model and d.day > (now() at time zone 'UTC')::date - cast(:days as integer) and d.input is null and coalesce(d.segment, '') = ''
 order by d.profile, d.score, d.against, d.day, d.version"""

LATENCY = """
select l.* from modelpack.latency as l where l.model = :model and l.hour > now() - cast(:days as integer) * interval '1 day'
 order by l.profile, l.score, l.hour, l.version"""

STALENESS = """
select s.* from modelpack.staleness as s where s.model = :model and s.stale is not null and s.hour > now() - cast(:days as integer) * interval '1 day'
 order by s.profile, s.score, s.hour"""

FIT = """
select f.* from modelpack.fit as f where f.model = :model and f.cut_off > now() - interval '400 days' order by f.profile, f.score, f.cut_off, f.version"""

EXPERIMENTS = """
select e.experiment, e.profile, e.score, e.started_at, e.ended_at, e.ended_why, e.winner
  from modelpack.experiment as e where e.model = :model and (e.ended_at is null or e.ended_at > now() - cast(:days as integer) * interval '1 day')
 order by e.ended_at is not null, e.started_at desc limit 5"""

ARMS = """
select e.arm, e.version, e.weight, e.entities from modelpack.experiments as e where e.experiment = :experiment"""

TIMELINE = """
select t.at, t.kind, t.model, t.what from modelpack.timeline as t
 where (t.model = :model or t.model is null) and t.at > now() - cast(:days as integer) * interval '1 day' order by t.at desc limit 100"""

ALERTS = """
select a.alert_id, a.model, a.kind, a.subject, a.opened_at, a.closed_at, a.value, a.bound, a.words, a.closed_because, k.unit, k.meaning
  from modelpack.alert as a join modelpack.alert_kind as k using (kind)
 where a.model in (:model, '') and (a.closed_at is null or a.closed_at > now() - cast(:days as integer) * interval '1 day')
 order by a.closed_at is not null, a.opened_at desc, a.alert_id desc limit 200"""

REIGNS = """
select p.version, p.at as since, lead(p.at) over (order by p.promotion_id) as until, p.reason, p.action
  from modelpack.promotion as p
 where p.model = :model and p.alias = 'champion' and p.action in ('promote', 'rollback') order by p.promotion_id"""

SCORES = """
select p.name as profile, s.score, s.on_error,
       (select d.value -> 'outcome' ->> 'kind' from jsonb_array_elements(p.declaration -> 'scores') as d
         where d.value ->> 'name' = s.score) as kind,
       exists (select from jsonb_array_elements(p.declaration -> 'scores') as d where d.value ->> 'name' = s.score and d.value ? 'outcome') as has_outcome
  from modelpack.score as s join modelpack.profile as p using (profile_id)
 where s.model = :model and to_regclass(p.name) is not null order by 1, 2"""

FEATURES = """
select f.* from modelpack.features as f
 where exists (select from modelpack.score as s join modelpack.profile as p using (profile_id) where p.name = f.profile and s.model = :model)
 order by f.profile, f.feature"""


def get_model(connection: Connection, model: str | None) -> str:
    """The model of that name, or the only one there is. Raises RegistryError where there is none, or several and no name."""
    known = connection.scalars(text("select model from modelpack.model order by 1")).all()
    names = ", ".join(map(str, known)) or "none; publish one: modelpack publish MODEL --name NAME"
    if model is None:
        if len(known) == 1:
            return str(known[0])
        raise RegistryError(f"no model is named, expected one of: {names}")
    if model not in known:
        raise RegistryError(f"there is no model {model}, expected one of: {names}")
    return model


def read_facts(connection: Connection, model: str, days: int = 30, *, deep: bool = True) -> Row:
    """Everything that a page says of a model. `deep`: also what reads whole cohorts and experiments (calibration, effects)."""

    def rows(statement: str, **more: object) -> list[Row]:
        found = connection.execute(text(statement), {"model": model, "days": days} | more)
        return [dict(r._mapping) for r in found]

    (about,) = rows(
        "select m.description, m.disabled, m.disabled_at, now() as read_at, current_database() as database, "
        "(select v.version from modelpack.alias as v where v.model = m.model and v.alias = 'champion') as champion, "
        "(select l.looked_at from modelpack.alert_look as l) as looked_at, "
        "extract(epoch from coalesce(m.time_budget, (select s.value::interval from modelpack.setting as s where s.name = 'time_budget')))::double precision "
        "as time_budget_seconds from modelpack.model as m where m.model = :model"
    )
    facts: Row = {"model": model, "days": days, **about}
    facts["versions"] = rows(
        "select v.version, v.aliases, v.created_at, v.created_by, v.note, v.metrics from modelpack.versions as v where v.model = :model order by v.version desc limit 20"
    )
    facts["reigns"] = rows(REIGNS)
    facts["scores"] = rows(SCORES)
    facts["alerts"] = rows(ALERTS)
    facts["response"] = rows(RESPONSE)
    facts["drift"] = rows(DRIFT)
    facts["score_drift"] = rows(SCORE_DRIFT)
    facts["latency"] = rows(LATENCY)
    facts["staleness"] = rows(STALENESS)
    facts["timeline"] = rows(TIMELINE)
    facts["fit"] = rows(FIT)
    facts["experiments"] = [e | {"arms": rows(ARMS, experiment=e["experiment"])} for e in rows(EXPERIMENTS)]
    facts["calibration"], facts["features"] = [], []
    facts["explanations"] = []
    if deep:
        facts["features"] = rows(FEATURES)
        facts["calibration"] = [c for s in facts["scores"] for c in _calibration(connection, s)]
        for experiment in facts["experiments"]:
            experiment.update(_effects(connection, experiment["experiment"]))
        facts["explanations"] = _explanations(connection, model, facts["champion"])
    return facts


def _calibration(connection: Connection, score: Row) -> list[Row]:
    """Of each version with settled cohorts: what it said, what came, in bins, and its figures with intervals."""
    if not score["has_outcome"]:
        return []
    from modelpack.outcomes.reading import read_rows
    from modelpack.outcomes.report import fits

    found = []
    for fit in fits(read_rows(connection, score["profile"], score["score"], None), score["kind"] or "binary"):
        if fit.cut_off is None and not fit.segment and fit.figures:
            found.append(
                {
                    "profile": score["profile"],
                    "score": score["score"],
                    "version": fit.version,
                    "rows": fit.rows,
                    "settled": fit.settled,
                    "figures": {
                        name: {"value": f.value, "low": f.low, "high": f.high}
                        for name, f in fit.figures.items()
                    },
                    "bins": [
                        {
                            "rows": b.rows,
                            "said": b.said,
                            "came": b.came,
                            "low": b.came_low,
                            "high": b.came_high,
                        }
                        for b in fit.bins
                    ],
                }
            )
    return found


def _effects(connection: Connection, name: str) -> Row:
    """How the arms of an experiment differ from the first, by its first metric, and whether they were split as they should be."""
    from modelpack.experiments.reading import read_experiment, read_values
    from modelpack.experiments.report import found, in_words

    running = read_experiment(connection, name)
    metric = running.metrics[0] if running.metrics else None
    gone = not connection.execute(
        text("select to_regclass(:profile) is not null"), {"profile": running.profile}
    ).scalar()
    if gone:
        return {"metric": None, "balanced": None, "effects": [], "pending": 0}
    values = None if metric is None else read_values(connection, name, metric)
    result = found(running, read_values(connection, name, None), values, metric)
    return {
        "metric": metric,
        "balanced": result.balanced,
        "pending": result.pending,
        "effects": [
            {
                "arm": a.arm,
                "measured": a.ripe,
                "mean": a.mean,
                "difference": a.effect.difference if a.effect else None,
                "low": a.effect.always_low if a.effect else None,
                "high": a.effect.always_high if a.effect else None,
                "words": in_words(running, a, metric) if metric and a.arm != running.control else None,
            }
            for a in result.arms
        ],
    }


def _explanations(connection: Connection, model: str, version: int | None) -> list[Row]:
    """How much each input moves the champion's scores, where the room of the explanations is there and the reader may ask it."""
    may = connection.execute(
        text(
            "select has_function_privilege(p.oid, 'execute') from pg_catalog.pg_proc as p "
            "where p.oid = to_regprocedure('modelpack.importance(text, integer, integer, double precision)')"
        )
    ).scalar()
    if not may or version is None:
        return []
    try:
        with (
            connection.begin_nested()
        ):  # a version without background rows has no explanation, and still a page
            found = connection.execute(
                text(
                    "select i.* from modelpack.importance(:model, :version, 100, 10) as i order by i.importance desc"
                ),
                {"model": model, "version": version},
            ).all()
    except DBAPIError:
        return []
    return [dict(r._mapping) for r in found]
