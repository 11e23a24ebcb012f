"""At which UPDATEs of a profile its triggers fire: where a score may have to be another, and nowhere else."""

from __future__ import annotations

import re

import psycopg
import pytest
from psycopg import errors

from modelpack import Event, Profile, Score, count, total
from tests.support import Session, attach, linear_score, publish, row, rows, value, wrong

TABLES = """
create table customer (
  customer_id bigint primary key, plan integer default 1, region integer default 2, note text, email text
);
create table visit (customer_id bigint, x double precision default 1);
insert into customer (customer_id) select generate_series(1, 20);
"""
CUSTOMER = Profile(
    "customer",
    key="customer_id",
    events=[Event("visit", features={"visits": count(), "x_sum": total("x")})],
    scores=[Score("churn", inputs={"twice": "plan * 2"})],
)
WEIGHTS, BIAS = (0.5, 0.25), 1.0


@pytest.fixture
def shop(database: str, psql: Session) -> Session:
    psql.prepare_threshold = None
    psql.execute(TABLES)
    attach(database, CUSTOMER)
    publish(psql, "churn", ["visits", "twice"], WEIGHTS, BIAS)
    psql.execute("call modelpack.rescore('customer')")
    return psql


def fired(session: Session, statement: str) -> set[str]:
    """Triggers of ours that a statement fires."""
    plan = session.execute(f"explain (analyze, costs off, timing off) {statement}").fetchall()
    return set(re.findall(r"Trigger (?:zz_)?modelpack_customer_(\w+)", "\n".join(line for (line,) in plan)))


def fresh(session: Session, second: str = "plan * 2") -> None:
    """Every score is the model's for the row as it stands."""
    for churn, stale, *numbers in rows(session, f"select churn, churn_stale, visits, {second} from customer"):
        assert (churn, stale) == (
            pytest.approx(linear_score(WEIGHTS, BIAS, [float(n) for n in numbers])),
            None,
        )


def logged(session: Session) -> int:
    found: int = value(session, "select count(*) from modelpack.prediction")
    return found


def test_an_update_of_another_column_fires_nothing(shop: Session) -> None:
    assert fired(shop, "update customer set note = 'x', email = 'y' where customer_id = 1") == set()
    assert fired(shop, "update customer set plan = 3 where customer_id = 1") == {"score"}
    assert fired(shop, "update customer set plan = default where customer_id = 1") == {"score"}
    assert fired(shop, "update customer set churn_stale = 'again' where customer_id = 1") == {"guard"}
    assert fired(shop, "update customer set customer_id = 100 where customer_id = 1") == {"score"}
    fresh(shop)


@pytest.mark.parametrize(
    "statement",
    [
        "insert into customer (customer_id, plan) values (1, 5) on conflict (customer_id) do update set plan = excluded.plan",
        "merge into customer as c using (values (1)) as n (id) on c.customer_id = n.id when matched then update set plan = 5",
        "update customer set plan = 5, customer_id = 300 where customer_id = 1",
        "update customer set plan = 5, churn_stale = 'by hand' where customer_id = 1",
        "update customer set note = 'x', plan = 5, visits = visits where customer_id = 1",
        "update customer set visits = visits + 1 where customer_id = 1",
        "update customer set churn_stale = 'again', note = 'y' where customer_id = 1",
    ],
)
def test_a_row_is_scored_and_logged_once_whichever_triggers_fire(shop: Session, statement: str) -> None:
    before = logged(shop)
    shop.execute(statement)
    fresh(shop)
    assert logged(shop) == before + 1


def test_a_promotion_of_a_version_that_reads_another_column_has_it_heard(
    database: str, shop: Session
) -> None:
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("update customer set region = 4 where customer_id = 2")  # a plan that is kept
        publish(shop, "churn", ["visits", "region"], WEIGHTS, BIAS)
        shop.execute("call modelpack.rescore('customer')")
        session.execute("update customer set region = 7 where customer_id = 2")
    fresh(shop, "region")
    # it stays heard, so that a rollback and a roll forward wait for nobody
    shop.execute("select modelpack.rollback('churn')")
    assert fired(shop, "update customer set region = 9 where customer_id = 2") == {"score"}


def test_a_promotion_that_has_to_wait_for_the_table_says_for_whom(database: str, shop: Session) -> None:
    publish(shop, "churn", ["visits", "region"], WEIGHTS, BIAS, promote=False)
    with psycopg.connect(database) as other:
        other.execute("update customer set note = 'open' where customer_id = 3")
        shop.execute("set lock_timeout = '200ms'")
        with pytest.raises(errors.LockNotAvailable, match=r"holds the table public\.customer") as found:
            shop.execute("select modelpack.promote('churn', 2)")
        assert str(other.info.backend_pid) in (found.value.diag.message_detail or "")
    shop.execute("select modelpack.promote('churn', 2)")


MEDDLING = """
create function meddle() returns trigger language plpgsql as 'begin new.plan := length(new.note); return new; end';
create trigger meddle before update on customer for each row execute function meddle();
"""


def test_scores_stay_fresh_where_a_trigger_of_ones_own_changes_an_input(shop: Session) -> None:
    shop.execute(MEDDLING)
    assert fired(shop, "update customer set note = 'four' where customer_id = 1") >= {"guard", "score"}
    shop.execute("update customer set note = 'other'")
    fresh(shop)
    shop.execute("insert into visit select g % 20 + 1 from generate_series(1, 40) as g")
    fresh(shop)
    assert wrong(shop) == []
    assert rows(shop, "select * from modelpack.examine_triggers() where status = 'fail'") == []
    # when it is gone, the next ALTER TABLE finds that they need not see everything
    shop.execute("drop trigger meddle on customer; alter table customer add column more text")
    assert fired(shop, "update customer set note = 'x' where customer_id = 1") == set()


def test_the_doctor_finds_triggers_that_do_not_see_what_they_have_to(shop: Session) -> None:
    examined = (
        "select found, mend from modelpack.examine_triggers() where \"check\" = 'trigger of public.customer'"
    )
    shop.execute("alter event trigger modelpack_triggers disable")
    shop.execute(MEDDLING)
    found = rows(shop, examined)
    assert len(found) == 2
    assert "not told every column" in found[1][0]
    shop.execute(found[0][1])
    assert rows(shop, examined) == []
    shop.execute("drop trigger meddle on customer")
    assert len(rows(shop, examined)) == 2
    shop.execute(rows(shop, examined)[0][1])
    shop.execute(
        "create or replace trigger zz_modelpack_customer_score before insert or update of customer_id on customer"
        " for each row execute function modelpack.customer_score()"
    )
    (what, mend) = row(shop, examined)
    assert "does not fire at UPDATEs of plan" in what
    shop.execute(mend)
    assert rows(shop, examined) == []


def test_triggers_do_not_go_with_a_column(shop: Session) -> None:
    with pytest.raises(errors.DependentObjectsStillExist):
        shop.execute("alter table customer drop column plan")
    with pytest.raises(errors.DependentObjectsStillExist, match="would be gone with it") as found:
        shop.execute("alter table customer drop column plan cascade")
    assert "every => true" in (found.value.diag.message_hint or "")
    with pytest.raises(errors.FeatureNotSupported):
        shop.execute("alter table customer alter plan type bigint")
    publish(shop, "churn", ["visits", "region"], WEIGHTS, BIAS)
    shop.execute(
        "select modelpack.listen('customer', every => true); alter table customer alter plan type bigint"
    )
    shop.execute(
        "select modelpack.listen('customer', every => true); alter table customer alter region type bigint"
    )
    assert fired(shop, "update customer set note = 'x' where customer_id = 1") == set()
    shop.execute("update customer set region = 8 where customer_id = 1")
    shop.execute("call modelpack.rescore('customer')")
    fresh(shop, "region")


def test_triggers_that_always_fire_do_so_after_a_promotion(shop: Session) -> None:
    shop.execute("alter table customer enable always trigger zz_modelpack_customer_score")
    publish(shop, "churn", ["visits", "region"], WEIGHTS, BIAS)
    enabled = "select tgenabled::text from pg_trigger where tgname = 'zz_modelpack_customer_score'"
    assert value(shop, enabled) == "A"


def test_partitions_of_a_profile_hear_what_it_hears(database: str, psql: Session) -> None:
    psql.prepare_threshold = None
    psql.execute(
        TABLES.replace("plan integer default 1, ", "").replace(
            "note text, email text\n)", "note text, email text, plan integer default 1\n) partition by range (customer_id)"
        ).replace(
            "insert into",
            "create table customer_a (gone text, plan integer default 1, note text, email text, region integer default 2, customer_id bigint not null);"
            "alter table customer_a drop column gone;"
            "alter table customer attach partition customer_a for values from (0) to (50); insert into",
        )
    )  # fmt: skip
    attach(database, CUSTOMER)
    publish(psql, "churn", ["visits", "twice"], WEIGHTS, BIAS)
    publish(psql, "churn", ["visits", "region"], WEIGHTS, BIAS)
    psql.execute("create table customer_b partition of customer for values from (50) to (500)")
    psql.execute("call modelpack.rescore('customer')")
    for table in ("customer", "customer_a"):
        assert fired(psql, f"update {table} set note = 'x' where customer_id = 1") == set()
        assert fired(psql, f"update {table} set region = region + 1 where customer_id = 1") == {"score"}
    psql.execute("insert into visit values (1), (1), (2), (60)")
    psql.execute("update customer set customer_id = 70 where customer_id = 2")  # to the other partition
    psql.execute("update customer set region = 11 where customer_id = 70")
    fresh(psql, "region")
    assert wrong(psql) == []
