"""The demo on a database: what it needs before the story begins."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import psycopg
from rich.console import Console

from modelpack.connection import in_words, make_engine
from modelpack.demo.cdnow import cdnow
from modelpack.demo.simulation import simulated
from modelpack.demo.stage import Stage
from modelpack.demo.story import Story
from modelpack.errors import ModelpackError
from modelpack.install import normal_dsn

__all__ = ["main"]


def main(
    dsn: str,
    events: Path | None = None,
    *,
    customers: int | None = None,
    seed: int = 1997,
    console: Console | None = None,
) -> int:
    """Tell the story on a database; returns the exit code, 0.

    `events` is the CDNOW log as CSV (customer_id, purchased_on, cds, dollars); without it customers are simulated
    from `seed`. `customers` limits how many. modelpack is installed where it is missing, with the server's wheels
    that MODELPACK_SERVER_WHEELS names. Raises ModelpackError, in words, for what stands in the way.
    """
    today = datetime.now(timezone.utc)
    if events is not None:
        scenario = cdnow(events, today, customers=customers)
    else:
        scenario = simulated(today, customers=customers or 3000, seed=seed)
    engine = make_engine(dsn)
    with in_words():
        engine.connect().close()  # the sentence for a wrong DSN
    plain = normal_dsn(dsn).replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        with in_words(), psycopg.connect(plain, autocommit=True) as application:
            Story(scenario, Stage(console), application, engine).tell()
    except psycopg.Error as error:
        raise ModelpackError(
            f"the server refuses: {str(error).splitlines()[0]}; the demo needs a superuser, or a member of modelpack_owner "
            "who may create schemas"
        ) from error
    return 0
