"""Settings of a session that change what SQL text means, or where what it makes is put."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, text

PINNED = {
    "search_path": "pg_catalog, pg_temp",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    "check_function_bodies": "on",
    "default_tablespace": "",
    "default_table_access_method": "heap",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
}
"""How the schema is installed: every name and every literal in its scripts means one thing."""

LIMITS = ("statement_timeout", "transaction_timeout", "idle_in_transaction_session_timeout")
"""Limits that are meant for the statements of an application, not for those of a migration; the second came with PostgreSQL 17."""


def set_local(settings: Mapping[str, str]) -> str:
    """The statement that sets them until the transaction ends."""
    return "select " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())


def lift_limits() -> str:
    """The statement that lifts LIMITS until the transaction ends, those that the server has."""
    names = ", ".join(f"'{name}'" for name in LIMITS)
    return f"select set_config(s.name, '0', true) from pg_catalog.pg_settings as s where s.name in ({names})"


@contextmanager
def pinned(connection: Connection, settings: Mapping[str, str] = PINNED) -> Iterator[None]:
    """Have them set for a part of the caller's transaction. Where that fails, its end takes them back."""
    before = {
        name: connection.execute(text("select current_setting(:name)"), {"name": name}).scalar_one()
        for name in settings
    }
    connection.exec_driver_sql(set_local(settings))
    yield
    for name, value in before.items():
        connection.execute(text("select set_config(:name, :value, true)"), {"name": name, "value": value})
