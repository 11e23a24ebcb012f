"""Runs the migrations of the schema modelpack, with their own version table inside that schema."""

from __future__ import annotations

import os
from pathlib import Path

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection

from modelpack.connection import in_words, make_engine
from modelpack.errors import InstallError, ModelpackError
from modelpack.install import check_server, create_schema, installed, one_at_a_time
from modelpack.settings import PINNED, pinned, set_local
from modelpack.wheels import check_wheels, server_wheels_sql

SETTINGS = {
    "version_table": "alembic_version",
    "version_table_schema": "modelpack",
    "transaction_per_migration": False,
}


def server_wheels() -> Path | None:
    """From whoever calls, `-x server_wheels=…`, or MODELPACK_SERVER_WHEELS."""
    if "server_wheels" in context.config.attributes:
        given = context.config.attributes["server_wheels"]
        return Path(given) if given else None
    arguments = context.get_x_argument(as_dictionary=True)
    folder = arguments.get("server_wheels") or os.environ.get("MODELPACK_SERVER_WHEELS")
    return Path(folder) if folder else None


def offline() -> None:
    """Print the script."""
    context.configure(
        dialect_name="postgresql", literal_binds=True, dialect_opts={"paramstyle": "named"}, **SETTINGS
    )
    wheels = server_wheels()
    with context.begin_transaction():
        context.get_context().impl.static_output(f"{set_local(PINNED)};")
        context.get_context().impl.static_output(f"{create_schema()};")
        context.run_migrations()
        if wheels is not None:
            context.get_context().impl.static_output(f"{server_wheels_sql(wheels)};")


def online(connection: Connection) -> None:
    """Run in one transaction: all of it happens or nothing."""
    context.configure(connection=connection, **SETTINGS)
    wheels = server_wheels()
    with context.begin_transaction(), pinned(connection):
        connection.exec_driver_sql(one_at_a_time())
        connection.exec_driver_sql(create_schema())
        context.run_migrations()
        if wheels is not None:
            connection.exec_driver_sql(server_wheels_sql(wheels), execution_options={"no_parameters": True})


def main() -> None:
    """Use the connection that the caller passes, or MODELPACK_DSN."""
    if context.is_offline_mode():
        offline()
        return
    given = context.config.attributes.get("connection")
    if isinstance(given, Connection):
        online(given)
        return
    try:
        with in_words(InstallError), make_engine().begin() as connection:
            check_server(connection)
            online(connection)
            if server_wheels() is not None and installed(connection) is not None:
                check_wheels(connection)
    except ModelpackError as error:  # the command alembic prints it in one line
        raise CommandError(str(error)) from error


main()
