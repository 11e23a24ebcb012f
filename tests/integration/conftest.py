"""What integration tests share beside the databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from shop import EVERYTHING, SEVERE, TABLES
from support import Session, attach

from modelpack import Event, Profile


@pytest.fixture
def shop(database: str, psql: Session) -> Callable[..., Session]:
    """Make the tables and attach a declaration; the session that it gives commits after every statement."""

    def make(tables: str = TABLES, profile: Profile | None = None, before: str = "", **event: Any) -> Session:
        psql.execute(tables + before)
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
        return psql

    return make
