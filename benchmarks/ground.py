"""Where the benchmarks run: a database of their own on the server that is given."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from modelpack.install import install
from modelpack.server import make_engine


@contextmanager
def own_database(server: str) -> Iterator[str]:
    """The DSN of a new database with modelpack installed; it is dropped at the end.

    MODELPACK_SERVER_WHEELS names the folder of the server's wheels.
    """
    engine = make_engine(server)
    wheels = os.environ.get("MODELPACK_SERVER_WHEELS")
    name = f"modelpack_bench_{uuid.uuid4().hex[:8]}"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
        admin.exec_driver_sql(f"create database {name}")
        try:
            dsn = make_url(engine.url).set(database=name).render_as_string(hide_password=False)
            own = make_engine(dsn)
            with own.begin() as connection:
                install(connection, Path(wheels) if wheels else None)
            own.dispose()
            yield dsn
        finally:
            admin.exec_driver_sql(f"drop database {name} with (force)")
            engine.dispose()
