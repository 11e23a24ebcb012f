"""Generated columns: stored ones of events are counted; what a trigger cannot see is refused, never counted as NULL."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from modelpack import Event, Profile, count, total
from modelpack.compile.script import attach_script
from modelpack.errors import DeclarationError
from tests.support import Session, attach, row, rows, run_sql, wrong

TABLES = """
create table customer (id bigint primary key, level integer default 1);
create table visit (customer bigint, at timestamptz default now(), pieces integer, price integer,
                    amount integer generated always as (pieces * price) stored);
"""


def profile(**event: object) -> Profile:
    features = {"visits": count(), "spent": total("amount")}
    visit = Event("visit", **{"key": "customer", "at": "at", "features": features, **event})  # type: ignore[arg-type]
    return Profile("customer", key="id", events=[visit])


def virtual(session: Session) -> None:
    """Make the table's generated column one that is computed when it is read: the default from PostgreSQL 18 on."""
    if session.info.server_version < 180000:
        pytest.skip("virtual generated columns come with PostgreSQL 18")
    session.execute("alter table visit drop column amount")
    session.execute("alter table visit add column amount integer generated always as (pieces * price)")


def test_a_stored_generated_column_of_an_event_is_counted_and_may_stand_in_a_condition(
    database: str, psql: Session
) -> None:
    psql.execute(TABLES)
    attach(database, profile(where="amount > 5"))
    psql.execute("insert into visit (customer, pieces, price) values (1, 2, 5), (1, 1, 5), (1, 3, 4)")
    assert row(psql, "select visits, spent from customer") == (2, 22)
    psql.execute("update visit set price = 6 where pieces = 1")
    assert row(psql, "select visits, spent from customer") == (3, 28)
    assert wrong(psql) == []


READING = {
    "a feature": profile(),
    "a condition": profile(features={"visits": count()}, where="amount > 5"),
    "a condition of a feature": profile(features={"visits": count(where="amount > 5")}),
    "the key": profile(features={"visits": count()}, key="amount"),
}


@pytest.mark.parametrize("declared", READING.values(), ids=list(READING))
def test_a_virtual_column_of_an_event_that_triggers_would_see_as_null_is_refused(
    database: str, psql: Session, declared: Profile
) -> None:
    psql.execute(TABLES + "alter table customer alter column id type integer")
    virtual(psql)
    with pytest.raises(DeclarationError, match=r"amount.* virtual.*triggers see .*as NULL.*stored"):
        attach(database, declared)
    script = ";\n".join(attach_script(declared))
    with pytest.raises(DBAPIError, match=r"virtual.* triggers see"):
        run_sql(database, script)
    assert rows(psql, "select from modelpack.profile") == []


def test_the_virtual_time_of_an_event_is_refused(database: str, psql: Session) -> None:
    psql.execute(TABLES)
    virtual(psql)
    psql.execute("alter table visit add column day date generated always as (date '2026-01-01' + pieces)")
    with pytest.raises(DeclarationError, match=r"public\.visit\.day is a virtual generated column"):
        attach(database, profile(features={"visits": count()}, at="day"))


def test_a_virtual_column_that_no_declaration_reads_is_no_matter(database: str, psql: Session) -> None:
    psql.execute(TABLES)
    virtual(psql)
    psql.execute("alter table customer add column double integer generated always as (level * 2)")
    attach(database, profile(features={"visits": count(), "spent": total("price")}))
    psql.execute("insert into visit (customer, pieces, price) values (1, 2, 5), (1, 1, 5)")
    psql.execute("update visit set price = 7 where pieces = 1")
    psql.execute("delete from visit where pieces = 2")
    assert row(psql, "select visits, spent, double from customer") == (1, 7, 2)
    assert wrong(psql) == []


def test_the_doctor_finds_a_column_that_was_made_virtual_after_the_declaration(
    database: str, psql: Session
) -> None:
    psql.execute(TABLES)
    attach(database, profile())
    virtual(psql)
    found = rows(
        psql, "select found, mend from modelpack.doctor() where status = 'fail' and found like '%virtual%'"
    )
    assert len(found) == 1
    assert found[0][0] == "amount is a virtual generated column, which triggers see as NULL"
    psql.execute("insert into visit (customer, pieces, price) values (1, 2, 5)")
    psql.execute("alter table visit drop column amount")
    psql.execute("alter table visit add column amount integer generated always as (pieces * price) stored")
    psql.execute(found[0][1].partition("then ")[2])
    assert row(psql, "select visits, spent from customer") == (1, 10)
    assert rows(psql, "select from modelpack.doctor() where status = 'fail' and found like '%virtual%'") == []
