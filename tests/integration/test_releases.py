"""A released revision and the next one, on a server: upgrades install the new texts, downgrades the ones that were released."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from alembic import command
from psycopg.conninfo import make_conninfo
from sqlalchemy import Engine

from dev.schema import faults, main
from modelpack import Registry, remove
from modelpack.connection import make_engine
from modelpack.install import alembic_config, installed, rights
from modelpack.snapshots import head, released
from tests.example import CUSTOMER, TABLES, packaged, run_script
from tests.support import attach, own_migrations, verified

CHANGED = "-- as of the next release\n"
BRAND_NEW = """create or replace function modelpack.brand_new(integer) returns integer
language sql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$ select $1 $modelpack$;
comment on function modelpack.brand_new(integer) is 'What it is given.';
revoke all on function modelpack.brand_new(integer) from public;
"""


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Migrations of which all is released, and one more revision, which changes one function and adds another."""
    folder = own_migrations(tmp_path, monkeypatch, released=True)
    assert head() in released() or main(["release"]) == 0
    path = folder / "functions/log/history.sql"
    path.write_text(path.read_text().replace("$modelpack$", f"$modelpack$ {CHANGED}", 1))
    (folder / "functions/arithmetic/brand_new.sql").write_text(BRAND_NEW)
    assert main(["revision"]) == 0
    assert faults() == []
    return folder


def text_of(database: str, function: str) -> list[str]:
    """The bodies of the functions of a name."""
    with psycopg.connect(database) as session:
        found = session.execute(
            "select prosrc from pg_proc where pronamespace = 'modelpack'::regnamespace and proname = %s",
            [function],
        )
        return [text for (text,) in found]


def of_all(database: str) -> list[tuple[str, ...]]:
    """Every function, with whose it is, who may call it and its text."""
    with psycopg.connect(database) as session:
        return session.execute(
            "select oid::regprocedure::text, proowner::regrole::text, coalesce(array_to_string(proacl, ' '), ''),"
            " md5(prosrc) from pg_proc where pronamespace = 'modelpack'::regnamespace order by 1"
        ).fetchall()


def former() -> str:
    """The revision before the newest."""
    return f"{int(head()) - 1:04d}"


def move(database: str, revision: str) -> str | None:
    """Upgrade or downgrade; returns the version of the schema then."""
    engine = make_engine(database)
    try:
        with engine.begin() as connection:
            to = command.upgrade if revision == "head" else command.downgrade
            to(alembic_config(connection), revision)
        with engine.connect() as connection:
            return installed(connection)
    finally:
        engine.dispose()


@pytest.mark.parametrize("frozen", [False, True], ids=["at work", "released"])
def test_an_upgrade_brings_the_new_texts_and_a_downgrade_the_released_ones(
    database: str, next_release: Path, frozen: bool
) -> None:
    if frozen:
        assert main(["release"]) == 0
        path = next_release / "functions/log/history.sql"
        path.write_text("a live file is not read any more")
    before = of_all(database)
    assert CHANGED not in "".join(text_of(database, "history"))
    for _ in range(2):
        assert move(database, "head") == head()
        assert CHANGED in "".join(text_of(database, "history"))
        assert text_of(database, "brand_new") == [" select $1 "]
        assert "brand_new" in text_of(database, "keep_shipped")[0]
        assert "".join(rights()).count("brand_new") == 1
        assert move(database, former()) == former()
        assert of_all(database) == before


@pytest.mark.usefixtures("next_release")
def test_what_a_revision_adds_is_nobody_elses_to_call_or_to_change(
    database: str, new_role: Callable[..., str]
) -> None:
    move(database, "head")
    for group in ("modelpack_owner", "modelpack_publisher"):
        role = new_role(group)
        with psycopg.connect(database, autocommit=True) as session:
            session.execute(f'set role "{role}"')
            if group == "modelpack_publisher":
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    session.execute("select modelpack.brand_new(1)")
            else:
                assert session.execute("select modelpack.brand_new(1)").fetchall() == [(1,)]
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="not for"):
                    session.execute("alter function modelpack.brand_new(integer) volatile")


@pytest.mark.usefixtures("next_release")
def test_functions_of_a_declaration_stay_with_whom_they_run_as_and_can_be_changed_by_who_applies(
    database: str, new_role: Callable[..., str]
) -> None:
    owner = new_role("modelpack_owner")
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"grant usage, create on schema public to {owner} with grant option")
    run_script(make_conninfo(database, options=f"-c role={owner}"), TABLES)
    move(database, "head")
    attach(make_conninfo(database, options=f"-c role={owner}"), CUSTOMER)
    generated = (
        "select oid::regprocedure::text, proowner::regrole::text from pg_proc where pronamespace = 'modelpack'::regnamespace"
        " and obj_description(oid, 'pg_proc') like '%[customer]' order by 1"
    )
    with psycopg.connect(database, autocommit=True) as admin:
        before = admin.execute(generated).fetchall()
        assert {who for _, who in before} == {owner, "modelpack_owner"}
        for revision in (former(), "head"):
            move(database, revision)
            assert admin.execute(generated).fetchall() == before
    engine = make_engine(make_conninfo(database, options=f"-c role={owner}"))
    with engine.begin() as connection:
        remove(connection, CUSTOMER)
    engine.dispose()
    with psycopg.connect(database, autocommit=True) as admin:
        assert admin.execute(generated).fetchall() == []
        admin.execute(f"drop owned by {owner}")


@pytest.mark.usefixtures("next_release")
def test_a_profile_goes_on_through_the_next_revision_and_back(database: str, engine: Engine) -> None:
    run_script(database, TABLES)
    move(database, "head")
    Registry(engine).publish_package(packaged(), name="churn", promote=True)
    attach(database, CUSTOMER)
    with psycopg.connect(database, autocommit=True) as session:
        for number, revision in enumerate(("head", former(), "head"), start=3):  # two are there already
            move(database, revision)
            session.execute("insert into complaint (customer_id, severity) values (1, 3)")
            found = session.execute(
                "select complaints, churn is not null from customer where customer_id = 1"
            )
            assert found.fetchall() == [(number, True)]
            assert verified(session) == []
