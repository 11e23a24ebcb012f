"""A prepared transaction goes on without a session, so nobody can be ended who keeps a model from being stopped."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo

from tests.support import publish, value

NAME = "it''s mine"
STOP = "select modelpack.disable('churn', 'stop')"


def test_who_disables_is_told_which_prepared_transaction_holds_the_model_and_how_it_ends(
    killable: str,
) -> None:
    with psycopg.connect(killable, autocommit=True) as psql:
        psql.execute(
            "create role ann login in role modelpack_publisher; create role bob login in role modelpack_approver"
        )
        publish(psql, "churn", ["n"], [0.1])
        psql.execute("select modelpack.grant_model('churn', 'ann')")
    with psycopg.connect(make_conninfo(killable, user="ann"), autocommit=True) as ann:
        ann.execute(
            f"begin; savepoint a; select modelpack.enable('churn'); release a; prepare transaction '{NAME}'"
        )
    with (
        psycopg.connect(make_conninfo(killable, user="bob"), autocommit=True) as bob,
        psycopg.connect(killable, autocommit=True) as psql,
    ):
        bob.execute("set statement_timeout = '20s'")
        with pytest.raises(errors.LockNotAvailable, match="the model churn is not stopped") as refused:
            bob.execute(STOP)
        told = refused.value.diag
        assert told.message_detail == (
            f"Prepared transactions that do so, which go on without a session: '{NAME}' (of ann)."
        )
        assert f"in this database: rollback prepared '{NAME}'; Then disable again." in str(told.message_hint)
        psql.execute(f"rollback prepared '{NAME}'")
        bob.execute(STOP)
        assert value(psql, "select disabled from modelpack.model") == "stop"
