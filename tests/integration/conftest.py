"""What integration tests share beside the databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from shop import EVERYTHING, SEVERE, TABLES
from support import Session, attach

from modelpack import Event, Profile


@pytest.fixture
def shop(database: str) -> Iterator[Callable[..., Session]]:
    """Make the tables, attach a declaration, and open a session that commits after every statement."""
    sessions: list[Session] = []

    def make(tables: str = TABLES, profile: Profile | None = None, before: str = "", **event: Any) -> Session:
        session = psycopg.connect(database, autocommit=True)
        sessions.append(session)
        session.execute(tables + before)
        attach(
            database,
            profile
            or Profile(
                "customer",
                key="customer_id",
                events=[
                    Event("purchase", at="at", features=EVERYTHING, **event),
                    Event("complaint", at="at", features=SEVERE, where="severity > 1"),
                ],
            ),
        )
        return session

    yield make
    for session in sessions:
        session.close()
