"""At which UPDATEs of a profile its triggers fire: where a score may have to be another, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo

from modelpack import Event, Profile, Score, count, total
from tests.support import Session, attach, linear_score, publish, row, rows, value, wait_for, wrong

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


def make_shop(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as session:
        session.execute(TABLES)
        attach(dsn, CUSTOMER)
        publish(session, "churn", ["visits", "twice"], WEIGHTS, BIAS)
        session.execute("call modelpack.rescore('customer')")


BEGINS = {"shop": make_shop}


@pytest.fixture
def shop(psql: Session) -> Session:
    psql.prepare_threshold = None
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


# -- whoever alters a profile ----------------------------------------------------------------------------------------

RETYPED = "select modelpack.listen('customer', every => true); alter table customer alter plan type bigint"


@pytest.fixture
def owned(database: str, psql: Session, new_role: Callable[..., str]) -> str:
    """The shop with tables that belong to a role without any other right; its name."""
    owner = new_role()
    psql.prepare_threshold = None
    psql.execute(f"{TABLES}; alter table customer owner to {owner}; alter table visit owner to {owner}")
    attach(database, CUSTOMER)
    publish(psql, "churn", ["visits", "twice"], WEIGHTS, BIAS)
    psql.execute("call modelpack.rescore('customer')")
    return owner


def test_the_owner_of_a_profile_alters_and_drops_columns_that_triggers_name(
    database: str, psql: Session, owned: str
) -> None:
    with psycopg.connect(make_conninfo(database, user=owned), autocommit=True) as owner:
        with pytest.raises(errors.FeatureNotSupported):
            owner.execute("alter table customer alter plan type bigint")
        owner.execute(RETYPED)
        assert fired(psql, "update customer set note = 'x' where customer_id = 1") == set()
        assert fired(psql, "update customer set plan = 7 where customer_id = 1") == {"score"}
        owner.execute("insert into visit select 1 + g % 20 from generate_series(1, 60) as g")
        fresh(psql)
        # a column that a version before has read is named still
        publish(psql, "churn", ["visits", "region"], WEIGHTS, BIAS)
        publish(psql, "churn", ["visits", "twice"], WEIGHTS, BIAS)
        with pytest.raises(errors.DependentObjectsStillExist):
            owner.execute("alter table customer drop column region")
        with pytest.raises(psycopg.DatabaseError, match="plan"):  # the champion does
            owner.execute(
                "select modelpack.listen('customer', every => true); alter table customer drop column plan"
            )
        owner.execute(
            "select modelpack.listen('customer', every => true); alter table customer drop column region"
        )
        psql.execute("call modelpack.rescore('customer')")
        assert fired(psql, "update customer set note = 'y' where customer_id = 1") == set()
        fresh(psql)
        # and what keeps a trigger enabled otherwise stays as it is
        owner.execute("alter table customer enable always trigger zz_modelpack_customer_score")
        owner.execute(RETYPED.replace("bigint", "integer"))
        assert (
            value(psql, "select tgenabled::text from pg_trigger where tgname = 'zz_modelpack_customer_score'")
            == "A"
        )
    assert rows(psql, "select * from modelpack.examine_triggers() where status = 'fail'") == []


def test_nobody_else_has_the_triggers_of_a_profile_fire_otherwise(
    database: str, psql: Session, owned: str, new_role: Callable[..., str]
) -> None:
    assert owned
    other = new_role()
    psql.execute(f"create schema other; create table other.client (customer_id bigint primary key); create table other.page (customer_id bigint);"
        f"alter table other.page owner to {other}; alter table other.client owner to {other};"
                 f"grant usage on schema other to {other}")  # fmt: skip
    attach(
        database,
        Profile(
            "other.client", key="customer_id", events=[Event("other.page", features={"visits": count()})]
        ),
    )
    call = "select modelpack.listen('customer', every => true)"
    for name, sentence in (
        (other, "not for .* to change"),
        (new_role(), "permission denied"),
        (new_role("modelpack_publisher"), "permission denied"),
    ):
        with psycopg.connect(make_conninfo(database, user=name), autocommit=True) as session:
            with pytest.raises(errors.InsufficientPrivilege, match=sentence):
                session.execute(call)
            with pytest.raises(errors.InsufficientPrivilege):
                session.execute("select modelpack.listen_for('customer', true)")
    with psycopg.connect(
        make_conninfo(database, user=new_role("modelpack_owner")), autocommit=True
    ) as session:
        session.execute(call)
        assert fired(psql, "update customer set note = 'x' where customer_id = 1") >= {"score"}
        session.execute("select modelpack.listen('customer')")
        assert fired(psql, "update customer set note = 'x' where customer_id = 1") == set()
    psql.execute("select modelpack.detach('public.customer'), modelpack.detach('other.client')")
    assert not value(
        psql, "select has_function_privilege(%s, 'modelpack.listen(regclass, boolean)', 'execute')", other
    )


def test_a_table_that_is_no_profile_is_refused_in_words(shop: Session) -> None:
    with pytest.raises(errors.UndefinedObject, match="visit has no triggers that score its rows"):
        shop.execute("select modelpack.listen('visit', every => true)")


def test_no_setting_keeps_triggers_from_seeing_what_a_trigger_of_ones_own_changes(shop: Session) -> None:
    shop.execute("set modelpack.listening = 'on'")
    shop.execute(MEDDLING)
    shop.execute("update customer set note = 'other'")
    fresh(shop)
    assert rows(shop, "select * from modelpack.examine_triggers() where status = 'fail'") == []


@pytest.mark.parametrize("enabled", ["always", "replica"])
def test_triggers_that_are_enabled_otherwise_fire_at_every_update_until_the_table_is_altered(
    shop: Session, enabled: str
) -> None:
    for name in ("modelpack_customer_guard", "zz_modelpack_customer_score"):
        shop.execute(f"alter table customer enable {enabled} trigger {name}")
    told = "select count(*) from pg_trigger where tgrelid = 'customer'::regclass and tgattr = '' and tgname ~ '(guard|score)$'"
    shop.execute("select modelpack.listen('customer', every => true)")
    assert value(shop, told) == 2
    shop.execute("alter table customer alter plan type bigint")
    assert value(shop, told) == 0
    shop.execute(MEDDLING)
    assert value(shop, told) == 2
    states = "select distinct tgenabled::text from pg_trigger where tgrelid = 'customer'::regclass and tgname ~ '(guard|score)$'"
    assert rows(shop, states) == [(enabled[0].upper(),)]


# -- a trigger of one's own that comes while rows are scored together -------------------------------------------------

MANY = "insert into visit (customer_id) select 1 + g % 20 from generate_series(1, 60) as g"


def logged_right(session: Session) -> None:
    """Each row was logged once, with the inputs of which its score is the model's, and is fresh."""
    fresh(session, "plan")
    found = rows(
        session, "select entity_key, count(*) from modelpack.prediction group by 1 having count(*) <> 1"
    )
    assert found == []
    for key, visits, plan, *scored in rows(
        session,
        "select p.entity_key, c.visits, c.plan, p.inputs from modelpack.prediction as p join customer as c on c.customer_id = p.entity_key::bigint",
    ):
        assert scored == [[float(visits), float(plan)]], key


def scored_together(session: Session) -> None:
    """A version whose rows are scored together, and an empty log."""
    publish(session, "churn", ["visits", "plan"], WEIGHTS, BIAS)
    session.execute("call modelpack.rescore('customer')")
    session.execute("update customer set note = 'four'")
    session.execute(MANY)
    assert value(session, "select count(distinct churn_scored_at) from customer") == 1
    session.execute("truncate modelpack.prediction")


def test_a_trigger_made_while_events_are_counted_has_each_row_scored_as_it_is_stored(
    database: str, shop: Session
) -> None:
    scored_together(shop)
    with (
        psycopg.connect(database) as maker,
        psycopg.connect(database, autocommit=True) as counter,
        ThreadPoolExecutor(1) as thread,
    ):
        maker.execute(MEDDLING)
        counting = thread.submit(counter.execute, MANY)
        wait_for(
            shop,
            "select exists (select from pg_locks where pid = %s and not granted)",
            counter.info.backend_pid,
        )
        maker.commit()
        counting.result(timeout=30)
    logged_right(shop)
    assert wrong(shop) == []


def test_a_trigger_made_since_the_snapshot_has_each_row_scored_as_it_is_stored(
    database: str, shop: Session
) -> None:
    scored_together(shop)
    with psycopg.connect(database) as counter:
        counter.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        counter.execute("select from visit")
        shop.execute(MEDDLING)
        counter.execute(MANY)
    logged_right(shop)
    assert wrong(shop) == []
