"""The cases of ours and the one without anything: each makes its tables in a schema of its own."""

from __future__ import annotations

import json
import re

import psycopg

from benchmarks.ground import Ground
from benchmarks.models import Workload, packed
from modelpack.registry import Registry

_CTE = re.compile(r"(as \(\s*)insert into modelpack\.prediction\s.*?(?=\n\s*\))", re.DOTALL)
_STATEMENT = re.compile(r"insert into modelpack\.prediction\s.*?;", re.DOTALL)
_UNCUT = "the log cannot be cut out of the score's functions as they are generated now"


class Skipped(Exception):
    """A case cannot run here; the message is the sentence that says why and what to run."""


def publish(ground: Ground, workload: Workload) -> str:
    """Publish a workload's model, once a database; the name that it has there."""
    if not ground.value("select count(*) from modelpack.versions where model = %s", (workload.slug,)):
        ground.publish(workload.slug, packed(workload))
    return workload.slug


def none(ground: Ground, schema: str) -> None:
    """Tables without any trigger."""
    ground.tables(schema)
    ground.run(f"vacuum analyze {schema}.customer")


def floor(ground: Ground, schema: str, workload: Workload | None = None) -> None:
    """Our counters without a score: what a model is held against."""
    ground.tables(schema, workload=workload)
    ground.declare(schema)


def logged(ground: Ground, schema: str, workload: Workload) -> None:
    """All of it: counters, score, log."""
    model = publish(ground, workload)
    ground.tables(schema, workload=workload)
    ground.declare(schema, model=model)


def scored(ground: Ground, schema: str, workload: Workload) -> None:
    """Counters and the score. There is no such mode: the log is cut out of the functions, to see what it costs."""
    logged(ground, schema, workload)
    functions = ground.rows(
        "select p.proname, pg_get_functiondef(p.oid) from pg_proc as p "
        "where p.pronamespace = 'modelpack'::regnamespace and p.proname like %s",
        (f"{schema}\\_customer\\_%",),
    )
    for _, text in functions:
        without = _CTE.sub(r"\1select", text)
        without = _STATEMENT.sub("null;", without)
        if without != text:
            try:
                ground.run(without)
            except psycopg.errors.SyntaxError as error:
                raise Skipped(f"{_UNCUT}: {error}") from error
    before = ground.value("select count(*) from modelpack.prediction")
    for rows in (1, 100):
        ground.run(
            f"insert into {schema}.event (customer_id, amount) select i, 1 from generate_series(1, {rows}) as i"
        )
    if ground.value("select count(*) from modelpack.prediction") != before:
        raise Skipped(_UNCUT)


def static(ground: Ground, schema: str, workload: Workload) -> None:
    """All of it, where an UPDATE of the application's own column `visits` scores too."""
    model = publish(ground, workload)
    ground.tables(schema, workload=workload, events=ground.customers)
    ground.declare(schema, model=model, inputs={"last_amount": "visits"})
    ground.require_scored(schema)


def experimented(ground: Ground, schema: str, workload: Workload) -> None:
    """All of it, where every customer has one of two arms: the champion in both, so that the models cost the same."""
    logged(ground, schema, workload)
    ground.run(
        "select modelpack.start_experiment(%s, 'churn', %s, %s::jsonb)",
        (
            f"{schema}.customer",
            schema,
            json.dumps([{"arm": arm, "version": 1, "weight": 50} for arm in ("a", "b")]),
        ),
    )
    ground.run(f"call modelpack.rescore('{schema}.customer', everything => true)")


def shadowed(ground: Ground, schema: str, workload: Workload, shadow: Workload) -> None:
    """All of it, where a second version is to score beside; a model of its own, since a shadow is one of a model."""
    ground.publish(schema, packed(workload))
    Registry(ground.engine).publish_package(packed(shadow), name=schema)
    ground.tables(schema, workload=shadow)
    ground.declare(schema, model=schema)
    ground.run("select modelpack.start_shadow(%s, 2)", (schema,))
