"""As whom functions run: the owner of the profile table, his code never with more rights than his, and he with no more than that."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from modelpack import DeclarationError, Event, Profile, Score, apply, count, last, remove, total
from modelpack.connection import make_engine
from tests.support import Session, attach, publish, row, rows, value, wrong

SPY = """
create schema shop authorization {owner};
set role {owner};
-- declared immutable, which it is not, so that it may stand everywhere; it notes as whom it runs
create function shop.spy() returns boolean language plpgsql immutable as $$
begin
  perform set_config('shop.seen', concat_ws(' ', nullif(current_setting('shop.seen', true), ''), current_user), false);
  return true;
end $$;
create function shop.spied(anyelement) returns anyelement language plpgsql immutable as $$ begin perform shop.spy(); return $1; end $$;
create function shop.fires() returns trigger language plpgsql as $$ begin perform shop.spy(); return new; end $$;
create domain shop.plan as text check (shop.spy());
create domain shop.euro as numeric check (shop.spy());
create table shop.customer (
  customer_id bigint primary key, plan shop.plan default 'basic', joined text default shop.spied('now'::text), weight double precision default 1
);
create table shop.purchase (
  customer_id bigint, at timestamptz default clock_timestamp(), amount numeric, tip shop.euro default 1
);
create index on shop.customer (shop.spied(plan)) where shop.spy();
create trigger a before insert or update or delete on shop.customer for each row execute function shop.fires();
create trigger zzz after insert or update on shop.customer for each row execute function shop.fires();
create trigger each after insert or update on shop.customer for each statement execute function shop.fires();
reset role;
grant usage on schema shop to {app}, {publisher};
grant insert, delete, update, select on shop.purchase to {app};
grant select, update on shop.customer to {app};
"""

CUSTOMER = Profile(
    "shop.customer",
    key="customer_id",
    events=[
        Event(
            "shop.purchase",
            at="at",
            where="shop.spy()",
            features={"n": count(), "spend": total("amount", where="shop.spied(amount) > 0"), "newest": last("tip")},
        )
    ],
    scores=[Score("churn", inputs={"load": "shop.spied(weight) * 2", "plans": "length(shop.spied(plan))"})],
)  # fmt: skip
INPUTS = ["n", "spend", "load", "plans"]
WEIGHTS = [0.1, 0.01, -0.2, 0.3]


@dataclass
class Shop:
    """A superuser's session, and those of the table's owner, an application and a publisher."""

    dsn: str
    superuser: Session
    owner: Session
    app: Session
    publisher: Session
    names: dict[str, str]

    def seen(self, session: Session) -> set[str]:
        """As whom the owner's code has run in a session since it was last asked."""
        found = value(session, "select current_setting('shop.seen', true)") or ""
        session.execute("select set_config('shop.seen', '', false)")
        assert found, "the code has not run at all"
        return set(found.split())


@pytest.fixture
def roles(psql: Session) -> Iterator[dict[str, str]]:
    """Names of roles that can log in: owner, app, publisher, migrator, other. They are dropped with all that they own."""
    found = {
        role: f"mp_{role}_{uuid.uuid4().hex[:8]}"
        for role in ("owner", "app", "publisher", "migrator", "other")
    }
    for name in found.values():
        psql.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
    psql.execute(
        f"grant modelpack_publisher to {found['publisher']}; grant modelpack_owner, {found['owner']} to {found['migrator']}"
    )
    yield found
    # a role that keeps a profile can be dropped once its declaration is off
    psql.execute("select modelpack.detach(p.name) from modelpack.profile as p")
    for name in found.values():
        psql.execute(sql.SQL("drop owned by {} cascade").format(sql.Identifier(name)))
        psql.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


@pytest.fixture
def spied(database: str, psql: Session, roles: dict[str, str]) -> Iterator[Shop]:
    """The tables, their spies, and a declaration applied by a migrator."""
    psql.execute(SPY.format(**roles))
    sessions = {
        role: psycopg.connect(make_conninfo(database, user=roles[role]), autocommit=True)
        for role in ("owner", "app", "publisher")
    }
    sessions["owner"].execute("insert into shop.purchase (customer_id, amount) values (1, 5), (2, 7)")
    attach(make_conninfo(database, user=roles["migrator"]), CUSTOMER)
    publish(sessions["publisher"], "churn", INPUTS, WEIGHTS)
    for session in (psql, *sessions.values()):
        session.execute("select set_config('shop.seen', '', false)")
    yield Shop(database, psql, sessions["owner"], sessions["app"], sessions["publisher"], roles)
    for session in sessions.values():
        session.close()


def test_the_owners_code_runs_as_nobody_who_may_more(spied: Shop) -> None:
    """Triggers, defaults, domains, conditions, inputs and indexes of the owner's tables, whatever makes them run."""
    owner, app = spied.names["owner"], spied.names["app"]
    for statement in (
        "insert into shop.purchase (customer_id, amount) values (1, 10)",
        "insert into shop.purchase (customer_id, amount) values (1, 10), (77, 1), (78, 2)",
        "update shop.purchase set amount = amount + 1",
        "delete from shop.purchase where customer_id = 77",
        "update shop.customer set weight = 3 where customer_id = 1",
    ):
        spied.app.execute(statement)
        # in a statement of his own an application runs what a table brings, as everywhere in PostgreSQL
        assert spied.seen(spied.app) <= {owner, app}, statement
    for statement in (
        "call modelpack.rescore('shop.customer', everything => true)",
        "call modelpack.rebuild('shop.customer')",
        "call modelpack.rebuild('shop.customer', array['1'])",
        "call modelpack.refresh('shop.customer', older_than => interval '0 s')",
        "select * from modelpack.verify('shop.customer')",
        "select * from modelpack.doctor()",
    ):
        spied.superuser.execute(
            "alter table shop.customer disable trigger user; update shop.customer set n = -1 where customer_id = 2"
        )
        spied.superuser.execute(
            "alter table shop.customer enable trigger user; select set_config('shop.seen', '', false)"
        )
        for session in (spied.superuser, spied.publisher):
            session.execute(statement)
            assert spied.seen(session) == {owner}, statement
    version = publish(spied.publisher, "churn", INPUTS, [2 * w for w in WEIGHTS], promote=False)
    for statement in (
        f"select modelpack.promote('churn', {version})",
        "select modelpack.rollback('churn')",
        "select modelpack.disable('churn')",
    ):
        spied.publisher.execute(statement)
        seen = value(spied.publisher, "select current_setting('shop.seen')")
        assert set(seen.split()) <= {owner}, statement
    # without a model every row says why, by the same functions
    spied.app.execute("insert into shop.purchase (customer_id, amount) values (1, 10)")
    assert spied.seen(spied.app) <= {owner, app}


def test_applying_changing_and_removing_a_declaration_runs_the_owners_code_as_the_owner(spied: Shop) -> None:
    """The backfill makes rows and counts them; who applies it is a superuser here."""
    spied.superuser.execute("alter table shop.purchase disable trigger user")
    spied.app.execute("insert into shop.purchase (customer_id, amount) values (91, 10), (92, 1)")
    spied.superuser.execute("alter table shop.purchase enable trigger user")
    more = Event(
        "shop.purchase",
        at="at",
        where="shop.spy()",
        features={"n": count(), "spend": total("amount"), "last_amount": last("amount")},
        on_delete="keep",
    )
    changed = Profile("shop.customer", key="customer_id", events=[more], scores=CUSTOMER.scores)
    engine = make_engine(spied.dsn)
    with engine.connect() as connection:
        for step in (
            lambda: remove(connection, CUSTOMER),
            lambda: apply(connection, CUSTOMER),
            lambda: apply(connection, changed),
        ):
            connection.exec_driver_sql("select set_config('shop.seen', '', false)")
            step()
            seen = connection.exec_driver_sql("select current_setting('shop.seen', true)").scalar() or ""
            # CREATE INDEX and the like are PostgreSQL's own: it runs them as the owner, too
            assert set(seen.split()) <= {spied.names["owner"]}
        connection.commit()
    engine.dispose()
    assert row(spied.superuser, "select n, last_amount from shop.customer where customer_id = 91") == (1, 10)


def test_a_superusers_table_is_kept_by_the_owner_role(database: str, psql: Session) -> None:
    psql.execute("create table customer (id bigint primary key); create table visit (id bigint)")
    psql.execute(
        "create function noted() returns trigger language plpgsql as $$ begin"
        " perform set_config('shop.seen', current_user, false); return new; end $$;"
        "create trigger a before insert on customer for each row execute function noted()"
    )
    attach(database, Profile("customer", key="id", events=[Event("visit", features={"n": count()})]))
    psql.execute("insert into visit values (1)")
    assert value(psql, "select current_setting('shop.seen')") == "modelpack_owner"
    assert (
        value(psql, "select rolsuper or rolbypassrls from pg_roles where rolname = 'modelpack_owner'")
        is False
    )


@pytest.mark.parametrize(
    "granted_by",
    ["a superuser", "modelpack_owner", None],
    ids=["a role that may create", "a role that an owner let create", "one that may not"],
)
@pytest.mark.parametrize("by", ["a superuser", "the migrator"])
def test_who_gets_the_functions_of_a_profile_may_create_in_the_schema_as_before(
    database: str, psql: Session, roles: dict[str, str], by: str, granted_by: str | None
) -> None:
    """A new owner of functions needs CREATE on their schema: for that moment, unless he has it anyway."""
    owner, other = roles["owner"], roles["other"]
    psql.execute(
        f"create table customer (id bigint primary key); alter table customer owner to {owner};"
        f"create table visit (id bigint); alter table visit owner to {owner}; grant create on schema public to {owner}, {other};"
        f"grant {other} to {roles['migrator']}; grant select on visit to {other}"
    )
    had = granted_by is not None
    if granted_by == "modelpack_owner":
        psql.execute(
            f"set role modelpack_owner; grant create on schema modelpack to {owner}, {other}; reset role"
        )
    elif had:
        psql.execute(f"grant create on schema modelpack to {owner}, {other}")
    dsn = database if by == "a superuser" else make_conninfo(database, user=roles["migrator"])
    attach(dsn, Profile("customer", key="id", events=[Event("visit", features={"n": count()})]))
    may = "select has_schema_privilege(%s, 'modelpack', 'create')"
    assert value(psql, may, owner) is had
    with psycopg.connect(dsn) as session:
        session.execute("select modelpack.run_as('public.customer', %s::regrole)", [other])
        session.execute(f"alter table customer owner to {other}")
    assert value(psql, may, other) is had
    psql.execute("insert into visit values (1)")
    assert value(psql, "select n from customer") == 1
    if granted_by == "modelpack_owner":  # DROP OWNED takes away what the schema's owner gave, no more
        psql.execute(
            f"set role modelpack_owner; revoke create on schema modelpack from {owner}, {other}; reset role"
        )


def test_the_owner_reads_no_model_and_calls_nothing_but_his_own_score(spied: Shop) -> None:
    for statement in (
        "select onnx from modelpack.artifact",
        "select * from modelpack.version",
        "select * from modelpack.prediction",
        "insert into modelpack.prediction (scored_at, profile, entity_key, score, model, version, prediction, inputs)"
        " values (now(), 'x', 'x', 'x', 'x', 1, 1, '{}')",
        "select modelpack.score(1, array[1, 2, 3, 4], null)",
        "select modelpack.load(1)",
        "select modelpack.predict('churn', '{}')",
        "select modelpack.no_score(1, 'churn', 1, 'x')",
        "select modelpack.record_failure(1, 'x', 'x')",
        "select modelpack.bind('shop.customer')",
        "select modelpack.promote('churn', 1)",
        "create function modelpack.mine() returns int language sql as 'select 1'",
        "create table modelpack.mine (x int)",
        "insert into modelpack.ignored values ('x', 'y')",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            spied.owner.execute(statement)
    may = "select p.proname from pg_proc as p where p.pronamespace = 'modelpack'::regnamespace and not p.proowner = %s::regrole and has_function_privilege(%s, p.oid, 'execute')"
    called = {name for (name,) in rows(spied.superuser, may, spied.names["owner"], spied.names["owner"])}
    stem = "shop__customer_score_churn"
    assert called == {
        "amount", "decay", "to_double", "key_value", "why", "listen", "heard", "shop__customer_same", "shop__customer_batched",
        "shop__customer_shaped", "shop__customer_with", "shop__customer_since", "shop__customer_seen", "shop__customer_meet",
        *(f"{stem}_{kind}" for kind in ("version", "chosen", "numbers", "texts", "predict", "many", "record", "reason")),
    }  # fmt: skip
    predict = f"select modelpack.{stem}_predict(%s, array[1, 1, 2, 5]::float8[], null, 'x', now(), false)"
    assert value(spied.owner, predict, 1) is not None
    assert value(spied.owner, predict, 2) is None  # no version but his champion
    with pytest.raises(errors.InsufficientPrivilege):
        spied.app.execute(f"select modelpack.{stem}_predict(1, null, null, 'x', now(), false)")


ALTERATIONS = (
    "alter function {f} security invoker",
    "alter function {f} set search_path = shop",
    "alter function {f} reset all",
    "alter function {f} rename to shop__customer_other",
    "alter function {f} cost 1",
    "alter routine {f} security invoker",
    "alter function {f} depends on extension plpgsql",
    "create or replace function {f} returns trigger language plpgsql as 'begin return null; end'",
)


def test_the_owner_cannot_change_functions_that_others_call(spied: Shop) -> None:
    """They belong to him and so run as him; changed, they would run as a publisher, as modelpack_owner or a superuser."""
    signatures = rows(
        spied.superuser,
        "select oid::regprocedure::text from pg_proc where proowner = %s::regrole and pronamespace = 'modelpack'::regnamespace",
        spied.names["owner"],
    )
    assert len(signatures) > 10
    for (signature,) in signatures:
        for alteration in ALTERATIONS:
            with pytest.raises(
                (errors.InsufficientPrivilege, errors.InvalidFunctionDefinition, errors.SyntaxError)
            ):
                spied.owner.execute(alteration.format(f=signature))
    assert wrong(spied.superuser, "shop.customer") == []


# -- the guard -------------------------------------------------------------------------------------------------------


def test_an_orm_that_connects_as_the_owner_writes_no_feature_and_no_score(spied: Shop) -> None:
    columns = [
        name
        for (name,) in rows(
            spied.superuser,
            "select attname from pg_attribute where attrelid = 'shop.customer'::regclass and attnum > 0",
        )
    ]
    read = row(spied.owner, "select * from shop.customer where customer_id = 1")
    whole = (
        "update shop.customer set "
        + ", ".join(f'"{name}" = %s' for name in columns)
        + " where customer_id = 1"
    )
    spied.owner.execute(whole, read)  # nothing came in between
    spied.app.execute("insert into shop.purchase (customer_id, amount) values (1, 10)")
    for stale in (
        (whole, read),
        ("update shop.customer set n = 9", ()),
        ("update shop.customer set features_at = now(), n = 9", ()),
        ("update shop.customer set features_at = null, n = 9", ()),
        ("update shop.customer set churn = 0, churn_scored_at = features_at", ()),
    ):
        with pytest.raises(
            errors.InsufficientPrivilege, match=r"columns of shop\.customer that modelpack keeps"
        ):
            spied.owner.execute(*stale)
    assert wrong(spied.superuser, "shop.customer") == []
    spied.owner.execute("update shop.customer set plan = 'gold', weight = 2 where customer_id = 1")
    assert value(spied.owner, "select churn_stale from shop.customer where customer_id = 1") is None


def test_an_event_survives_that_the_owners_role_was_renamed(spied: Shop) -> None:
    """The guard knows our functions by the role's name at the least cost, and else by the catalog."""
    old, new = spied.names["owner"], f"mp_owner_{uuid.uuid4().hex[:8]}"
    spied.superuser.execute(f"alter role {old} rename to {new}")
    spied.names["owner"] = new
    spied.app.execute("insert into shop.purchase (customer_id, amount) values (1, 10)")
    assert wrong(spied.superuser, "shop.customer") == []
    with pytest.raises(errors.InsufficientPrivilege):
        spied.owner.execute("update shop.customer set n = 9")


def test_who_takes_the_name_that_the_owner_had_writes_no_feature_and_no_score(spied: Shop) -> None:
    """Nor with the search_path that our functions have."""
    old, new = spied.names["owner"], f"mp_owner_{uuid.uuid4().hex[:8]}"
    spied.superuser.execute(f"alter role {old} rename to {new}")
    spied.names["owner"] = new
    spied.superuser.execute(f"alter role {spied.names['app']} rename to {old}")
    spied.names["app"] = old
    by_hand = "update shop.customer set n = 9 where customer_id = 1"
    with psycopg.connect(make_conninfo(spied.dsn, user=old), autocommit=True) as taker:
        taker.execute("set search_path = pg_catalog, pg_temp")
        with pytest.raises(errors.InsufficientPrivilege):
            taker.execute(by_hand)
        spied.superuser.execute(f"grant usage on schema modelpack to {old}")
        with pytest.raises(
            errors.InsufficientPrivilege, match=r"columns of shop\.customer that modelpack keeps"
        ):
            taker.execute(by_hand)
        taker.execute("insert into shop.purchase (customer_id, amount) values (1, 10), (1, 11)")
    # the doctor says what has it known at the least cost again
    (mend,) = {
        mend
        for (mend,) in rows(
            spied.superuser, "select mend from modelpack.examine_triggers() where status = 'fail'"
        )
    }
    spied.superuser.execute(mend)
    assert rows(spied.superuser, "select * from modelpack.examine_triggers() where status = 'fail'") == []
    spied.app.execute("insert into shop.purchase (customer_id, amount) values (1, 10)")
    assert wrong(spied.superuser, "shop.customer") == []
    # what was lent to the owner is taken back by his name
    spied.superuser.execute(f"alter role {old} rename to {old}_app; alter role {new} rename to {old}")
    spied.names |= {"owner": old, "app": f"{old}_app"}


def test_the_owner_of_a_superusers_profile_is_not_taken_for_its_functions(
    database: str, psql: Session
) -> None:
    """They run as modelpack_owner: what the superuser writes by hand, whatever his search_path, is scored by what runs as that role."""
    psql.execute("create table customer (id bigint primary key); create table visit (id bigint)")
    event = Event("visit", features={"n": count()})
    attach(database, Profile("customer", key="id", events=[event], scores=[Score("churn")]))
    psql.execute("insert into visit values (1)")
    publish(psql, "churn", ["n"], [0.5])
    psql.execute("call modelpack.rescore('customer')")
    definition = value(psql, "select pg_get_functiondef('modelpack.customer_scored'::regproc)")
    noting = definition.replace(
        "\nbegin\n", "\nbegin\n  perform set_config('shop.seen', current_user, false);\n", 1
    )
    assert noting != definition
    psql.execute(noting)
    psql.execute("set search_path = pg_catalog, pg_temp; update public.customer set n = 7")
    assert value(psql, "select current_setting('shop.seen', true)") == "modelpack_owner"


# -- row security, and other owners ----------------------------------------------------------------------------------


@pytest.fixture
def plain(database: str, psql: Session, roles: dict[str, str]) -> Callable[[], None]:
    """Two tables of the owner without a declaration; the function that it gives applies one, as the migrator."""
    psql.execute(
        f"create schema shop authorization {roles['owner']}; set role {roles['owner']};"
        "create table shop.customer (id bigint primary key, plan text default 'basic');"
        "create table shop.visit (id bigint, at timestamptz default now(), page text); reset role"
    )
    profile = Profile(
        "shop.customer",
        key="id",
        events=[Event("shop.visit", at="at", features={"n": count(), "page": last("page")})],
    )
    return lambda: attach(make_conninfo(database, user=roles["migrator"]), profile)


HIDING = "alter table {t} enable row level security; create policy few on {t} as {kind} using (false) with check (true)"


@pytest.mark.parametrize("kind", ["permissive", "restrictive"])
def test_row_security_hides_no_event_and_no_row_from_the_owners_functions(
    plain: Callable[[], None], psql: Session, roles: dict[str, str], database: str, kind: str
) -> None:
    for table in ("shop.customer", "shop.visit"):
        psql.execute(HIDING.format(t=table, kind=kind))
    psql.execute(
        f"create policy anything on shop.visit for insert with check (true); grant usage on schema shop to {roles['app']}"
    )
    psql.execute(
        f"grant insert on shop.visit to {roles['app']}; grant select on shop.customer to {roles['app']}"
    )
    plain()
    with psycopg.connect(make_conninfo(database, user=roles["app"]), autocommit=True) as app:
        app.execute("insert into shop.visit (id) values (1), (1), (2)")
        app.execute("insert into shop.visit (id) values (1)")
        assert rows(app, "select * from shop.customer") == []
        with pytest.raises(errors.InsufficientPrivilege):
            app.execute("set row_security = off; select * from shop.customer")
    assert rows(psql, "select id, n from shop.customer order by id") == [(1, 3), (2, 1)]
    assert wrong(psql, "shop.customer") == []


@pytest.mark.parametrize(
    ("before", "match"),
    [
        ("alter table shop.customer enable row level security, force row level security", "shop.customer has row security.*no force row level"),
        ("alter table shop.visit enable row level security, force row level security", "shop.visit has row security.*no force row level"),
        ("alter table shop.visit owner to postgres; alter table shop.visit enable row level security", "shop.visit has row security.*own both tables"),
        ("alter table shop.customer owner to postgres; alter table shop.customer enable row level security", "run as modelpack_owner.*bypassrls"),
    ],
)  # fmt: skip
def test_row_security_that_would_hide_rows_is_refused(
    database: str, plain: Callable[[], None], psql: Session, before: str, match: str
) -> None:
    assert plain
    psql.execute(before)
    profile = Profile(
        "shop.customer", key="id", events=[Event("shop.visit", at="at", features={"n": count()})]
    )
    with pytest.raises(DeclarationError, match=match):
        attach(database, profile)


@pytest.mark.parametrize(
    "statement",
    [
        "alter table shop.customer enable row level security, force row level security",
        "alter table shop.visit force row level security; alter table shop.visit enable row level security",
        "alter table shop.customer owner to {other}",
        "alter table shop.customer owner to postgres",
        "alter table shop.visit owner to {other}",  # and with that nobody's right to read it
    ],
)
def test_what_would_make_features_wrong_later_is_refused(
    plain: Callable[[], None], psql: Session, roles: dict[str, str], statement: str
) -> None:
    plain()
    with pytest.raises(errors.ObjectNotInPrerequisiteState) as refused:
        psql.execute(statement.format(**roles))
    assert refused.value.diag.message_hint
    psql.execute("insert into shop.visit (id) values (1)")
    assert value(psql, "select n from shop.customer where id = 1") == 1


def test_a_table_changes_its_owner_together_with_its_functions(
    plain: Callable[[], None], psql: Session, roles: dict[str, str]
) -> None:
    plain()
    other = roles["other"]
    psql.execute(f"grant usage on schema shop to {other}")
    with psql.transaction():
        psql.execute("select modelpack.run_as('shop.customer', %s::regrole)", [other])
        psql.execute(f"alter table shop.customer owner to {other}")
    psql.execute("insert into shop.visit (id) values (1)")
    psql.execute("call modelpack.rebuild('shop.customer')")
    assert wrong(psql, "shop.customer") == []
    assert rows(psql, "select * from modelpack.doctor() where status = 'fail'") == []


def test_detaching_takes_back_what_was_granted_and_nothing_else(
    database: str, plain: Callable[[], None], psql: Session, roles: dict[str, str]
) -> None:
    assert plain
    psql.execute(
        f"create schema other; create table other.order_of (id bigint, at timestamptz); grant usage on schema other to {roles['owner']}"
    )
    profile = Profile(
        "shop.customer",
        key="id",
        events=[Event("shop.visit", at="at", features={"n": count()}), Event("other.order_of", at="at", features={"m": count()})],
    )  # fmt: skip
    rights = """
      select o.name, array(select x::text from unnest(o.acl) as x order by 1)
        from (select n.nspname::text, coalesce(n.nspacl, acldefault('n', n.nspowner)) from pg_namespace as n
              union all
              select c.oid::regclass::text, coalesce(c.relacl, acldefault('r', c.relowner)) from pg_class as c where c.relkind = 'r'
              union all
              select p.oid::regprocedure::text, coalesce(p.proacl, acldefault('f', p.proowner)) from pg_proc as p
               where p.pronamespace = 'modelpack'::regnamespace) as o (name, acl)
       where o.name not like 'pg\\_%' order by 1
    """
    before = rows(psql, rights)
    attach(database, profile)
    psql.execute("insert into other.order_of values (1, now())")
    assert wrong(psql, "shop.customer") == []
    assert rows(psql, rights) != before
    psql.execute("select modelpack.detach('shop.customer')")
    assert rows(psql, rights) == before
