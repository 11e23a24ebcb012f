"""What integration tests share beside the databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from shop import EVERYTHING, SEVERE, TABLES

from modelpack import Event, Profile
from tests.support import Session, attach


@pytest.fixture
def people(database: str, new_role: Callable[..., str]) -> Iterator[Callable[..., Session]]:
    """A function that logs somebody in, with some of modelpack's roles."""
    sessions: list[Session] = []

    def make(*groups: str) -> Session:
        name = new_role(*groups)
        sessions.append(
            psycopg.connect(make_conninfo(database, user=name), autocommit=True, prepare_threshold=None)
        )
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


def make_shop(dsn: str, tables: str = TABLES, profile: Profile | None = None, **event: Any) -> None:
    """The tables, and a declaration on them."""
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(tables)
    attach(
        dsn,
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


@pytest.fixture
def shop(fresh: Callable[..., str]) -> Iterator[Callable[..., Session]]:
    """Make the tables and attach a declaration; the session that it gives commits after every statement."""
    with ExitStack() as left:

        def make(
            tables: str = TABLES, profile: Profile | None = None, before: str = "", **event: Any
        ) -> Session:
            if (tables, profile, before, event) == (TABLES, None, "", {}):
                dsn = fresh(make_shop)
            else:
                dsn = fresh()
                make_shop(dsn, tables + before, profile, **event)
            return left.enter_context(psycopg.connect(dsn, autocommit=True))

        yield make
