"""Long upkeep says how far it is; a small table is done without a word on the way."""

from __future__ import annotations

import re

import pytest

from modelpack import Event, Profile, count
from tests.support import Session, attach, rows, value


@pytest.fixture
def session(database: str, psql: Session) -> Session:
    psql.execute(
        "create table customer (customer_id bigint primary key, padding text default repeat('x', 1500))"
    )
    psql.execute("create table purchase (customer_id bigint)")
    psql.execute("insert into customer (customer_id) select generate_series(1, 400)")
    psql.execute("insert into purchase select generate_series(1, 400)")
    attach(
        database, Profile("customer", key="customer_id", events=[Event("purchase", features={"n": count()})])
    )
    return psql


def test_rebuild_reports_each_chunk_and_mends_all_of_them(session: Session) -> None:
    said: list[str] = []
    session.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    session.execute("alter table customer disable trigger all")
    session.execute("update customer set n = 9 where customer_id in (3, 399)")
    session.execute("alter table customer enable trigger all")
    wrong = rows(session, "select entity_key, stored, expected from modelpack.verify('customer') order by 1")
    assert wrong == [("3", "9", "1"), ("399", "9", "1")]
    session.execute("call modelpack.rebuild('customer', chunk_blocks => 10)")
    assert rows(session, "select * from modelpack.verify('customer')") == []
    blocks = [int(found[1]) for s in said if (found := re.search(r"done up to block (\d+)", s))]
    assert blocks == sorted(blocks)
    assert len(blocks) > 3
    assert said[-1] == "rebuild of customer: 2 rows written"


def test_verify_goes_over_a_large_table_in_parts(session: Session) -> None:
    session.execute("insert into customer (customer_id) select generate_series(1000, 30000)")
    blocks = value(session, "select pg_relation_size('customer') / current_setting('block_size')::int")
    assert blocks > 4000
    session.execute("alter table customer disable trigger all")
    session.execute("update customer set n = 9 where customer_id in (3, 29999)")
    session.execute("alter table customer enable trigger all")
    said: list[str] = []
    session.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    found = rows(session, "select entity_key from modelpack.verify('customer') order by 1")
    assert found == [("29999",), ("3",)]
    assert said[:2] == [
        "verify of public.customer: held against its events up to block 1999",
        "verify of public.customer: held against its events up to block 3999",
    ]
    assert rows(session, "select entity_key from modelpack.verify('customer', array['3', '4'])") == [("3",)]
