"""The package's migrations, back and forward, on a database with live data and clients that go on writing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection

from modelpack.connection import make_engine
from modelpack.install import alembic_config, install, revisions
from tests.faults.hostile import attach, open_shop, plain_model, scores, shop, smuggle, unsound, value, visit
from tests.faults.traffic import Traffic

Migrate = Callable[[str], None]


@pytest.fixture
def migrate(database: str, server_wheels: Path | None) -> Iterator[Migrate]:
    """Brings the schema to a revision, `head` or `base`, in one transaction."""
    engine = make_engine(database)

    def to(revision: str) -> None:
        with engine.begin() as connection:
            if revision == "head":
                install(connection, server_wheels)
            else:
                _down(connection, revision)

    yield to
    engine.dispose()


def _down(connection: Connection, revision: str) -> None:
    command.downgrade(alembic_config(connection), revision)


@pytest.mark.parametrize("revision", [*revisions()[:-1], "base"])
def test_no_event_is_lost_while_the_schema_goes_back_and_forward_under_writers(
    database: str, migrate: Migrate, revision: str
) -> None:
    with open_shop(database) as session:
        before = value(session, "select count(*) from visit")
        with Traffic(database) as traffic:
            for _ in range(2):
                for step in (revision, "head"):
                    migrate(step)
                    traffic.goes_on()
                if value(session, "select count(*) from modelpack.profile") == 0:
                    attach(database, shop())
                    smuggle(session, plain_model())
                traffic.goes_on()
        written = before + traffic.committed
        assert value(session, "select count(*) from visit") == written
        assert value(session, "select sum(visits) from customer") == written
        session.execute("call modelpack.rescore('customer')")
        assert unsound(session) == []


def test_a_session_that_outlives_the_schema_scores_with_the_versions_of_the_new_one(
    database: str, migrate: Migrate
) -> None:
    """Numbers of versions begin again: what the session has loaded must not be taken for what has its number now."""
    with open_shop(database) as session:
        visit(session, (1, 200))
        assert scores(session, 1)[1] == (pytest.approx(0.2), None)
        migrate("base")
        migrate("head")
        attach(database, shop())
        smuggle(session, plain_model(bias=0.5))
        visit(session, (1, 250))
        assert scores(session, 1)[1] == (pytest.approx(0.75), None)
