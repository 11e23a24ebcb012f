"""What the demo makes in a database, and how the next run takes it away."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from modelpack.errors import ModelpackError

SCHEMA, MODEL, PROFILE = "demo", "demo_churn", "demo.customer"
MARK = "modelpack's demo: each run drops this schema and makes it anew"
"""The comment by which it knows its own schema."""


def clear(connection: psycopg.Connection[Any]) -> None:
    """Remove what an earlier run of the demo left, and nothing else.

    Raises ModelpackError where the schema `demo` is not the demo's own.
    """
    with connection.transaction():
        row = connection.execute(
            "select obj_description(to_regnamespace(%s), 'pg_namespace') from pg_namespace where nspname = %s",
            [SCHEMA, SCHEMA],
        ).fetchone()
        if row is not None and row[0] != MARK:
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
        ours = "(select e.experiment_id from modelpack.experiment as e where e.model = %s)"
        for table in ("exposure", "assignment", "weighting", "arm", "experiment"):
            connection.execute(
                sql.SQL("delete from modelpack.{} where experiment_id in " + ours).format(
                    sql.Identifier(table)
                ),
                [MODEL],
            )
        # cohorts and outcomes go with their cut-offs, what shadows scored with them
        for table in ("cut_off", "shadow"):
            connection.execute(
                sql.SQL("delete from modelpack.{} where model = %s").format(sql.Identifier(table)), [MODEL]
            )
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
