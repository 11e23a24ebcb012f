"""Databases in other encodings than UTF8: the same characters are the same keys, names and categories."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from modelpack import Event, InstallError, Profile, Registry, Score, count, last
from modelpack.connection import make_engine
from modelpack.install import install
from modelpack.packager import package
from tests.support import attach, row, rows, wrong

TABLES = """
create table "Käufer" ("Schlüssel" text primary key, "Größe" text);
create table "Käufe" ("Schlüssel" text, am timestamptz default now(), "Größe" text);
"""
PROFILE = Profile(
    "Käufer",
    key="Schlüssel",
    events=[
        Event(
            "Käufe",
            at="am",
            where="\"Größe\" <> 'Käse'",
            features={"zahl": count(), "zuletzt": last("Größe")},
        )
    ],
    scores=[Score("churn")],
)
NAMES = ["Müller", "Jürg", "ßß", "Muller"]


@pytest.fixture
def encoded(server: str, template: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """DSN of an empty database in the encoding that the test is parametrised with."""
    assert template  # it keeps the roles alive
    name = f"mp_{uuid.uuid4().hex[:16]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(
            f"create database {name} encoding '{request.param}' lc_collate 'C' lc_ctype 'C' template template0"
        )
    yield make_conninfo(server, dbname=name)
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)")


@pytest.mark.parametrize("encoded", ["LATIN1", "WIN1252"], indirect=True)
@pytest.mark.usefixtures("here")
def test_names_keys_and_categories_are_the_characters_that_they_are(
    encoded: str, server_wheels: Path | None
) -> None:
    engine = make_engine(encoded)
    with engine.begin() as connection:
        install(connection, server_wheels)
    sample = pd.DataFrame({"Größe": NAMES * 10, "zahl": [float(n) for n in range(40)]})
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["Größe"]), remainder="passthrough"
    )
    estimator = make_pipeline(encoder, LogisticRegression(C=100, max_iter=1000))
    estimator.fit(sample, [name == "Müller" for name in sample["Größe"]])
    with psycopg.connect(encoded, autocommit=True, client_encoding="utf8") as session:
        session.execute(TABLES)
        attach(encoded, PROFILE)
        Registry(engine).publish_package(package(estimator, sample), name="churn", promote=True)
        for name in [*NAMES, "Mueller"]:
            session.execute('insert into "Käufer" values (%s, %s)', [f"é{name}", name])
            session.execute('insert into "Käufe" values (%s, now(), %s)', [f"é{name}", "Käse"])
        session.execute(
            """insert into "Käufe" select 'é' || n, now(), 'Brötchen' from unnest(%s::text[]) as n""", [NAMES]
        )
        found = rows(
            session, 'select "Größe", "zahl", "zuletzt", churn, churn_stale from "Käufer" order by 1'
        )
        assert {r[0]: r[1:3] for r in found} == dict.fromkeys(NAMES, (1, "Brötchen")) | {"Mueller": (0, None)}
        asked = pd.DataFrame([r[:2] for r in found], columns=["Größe", "zahl"])
        assert [r[3] for r in found] == pytest.approx(list(estimator.predict_proba(asked)[:, 1]), abs=1e-6)
        assert {r[4] for r in found} == {None}
        assert row(
            session, "select count(*), max(text_inputs[1]) from modelpack.history('\"Käufer\"', 'éMüller')"
        ) == (2, "Müller")
        assert wrong(session, '"Käufer"') == []
        session.execute("""call modelpack.rescore('"Käufer"', everything => true)""")
        assert (
            rows(session, 'select "Größe", "zahl", "zuletzt", churn, churn_stale from "Käufer" order by 1')
            == found
        )
        assert rows(session, "select * from modelpack.doctor() where status = 'fail'") == []


@pytest.mark.parametrize("encoded", ["SQL_ASCII"], indirect=True)
def test_a_database_whose_bytes_are_of_no_certain_character_is_refused_before_anything_is_done(
    encoded: str,
) -> None:
    with (
        pytest.raises(InstallError, match=r"SQL_ASCII.*expected UTF8"),
        make_engine(encoded).begin() as connection,
    ):
        install(connection)
    with psycopg.connect(encoded) as session:
        assert row(session, "select to_regnamespace('modelpack'), (select count(*) from pg_extension)") == (
            None,
            1,
        )
