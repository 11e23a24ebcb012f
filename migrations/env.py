"""Runs the migrations of the schema modelpack, with their own version table inside that schema."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection, create_engine, pool

from modelpack.install import create_schema, normal_dsn

SETTINGS = {
    "version_table": "alembic_version",
    "version_table_schema": "modelpack",
    "transaction_per_migration": False,
}


def offline() -> None:
    """Print the script."""
    context.configure(
        dialect_name="postgresql", literal_binds=True, dialect_opts={"paramstyle": "named"}, **SETTINGS
    )
    with context.begin_transaction():
        context.get_context().impl.static_output(f"{create_schema()};")
        context.run_migrations()


def online(connection: Connection) -> None:
    """Run in one transaction: all of it happens or nothing."""
    context.configure(connection=connection, **SETTINGS)
    with context.begin_transaction():
        connection.exec_driver_sql(create_schema())
        context.run_migrations()


def main() -> None:
    """Use the connection that the caller passes, or MODELPACK_DSN."""
    if context.is_offline_mode():
        offline()
        return
    given = context.config.attributes.get("connection")
    if isinstance(given, Connection):
        online(given)
        return
    engine = create_engine(normal_dsn(os.environ.get("MODELPACK_DSN")), poolclass=pool.NullPool)
    with engine.connect() as connection:
        online(connection)
        connection.commit()


main()
