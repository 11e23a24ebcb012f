"""Least privilege: every object against every role, and the ways around that somebody would try."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from modelpack import Registry
from tests.integration.support import attach, row, rows, value, wrong
from tests.support import CUSTOMER, TABLES, packaged

Session = psycopg.Connection[Any]

ROLES = ("publisher", "approver", "reader", "monitor", "public")
PAGE = Path(__file__).parents[2] / "docs" / "security.md"

# objects of a database without declarations, by kind, with what a role may do to each
RIGHTS = """
select c.relname, r.role,
       (select string_agg(case p.word when 'USAGE' then 'use' else lower(p.word) end, ' ' order by p.place)
          from unnest(case c.relkind when 'S' then array['USAGE', 'SELECT', 'UPDATE']
                      else array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'] end)
               with ordinality as p (word, place)
         where case c.relkind when 'S' then has_sequence_privilege(r.who, c.oid, p.word)
                              else has_table_privilege(r.who, c.oid, p.word) end)
  from pg_class as c cross join (select role, case role when 'public' then 'public' else 'modelpack_' || role end as who
                                   from unnest(%(roles)s::text[]) as role) as r
 where c.relnamespace = 'modelpack'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
   and c.relname !~ '^prediction_[0-9]'
union all
select p.proname || '()', r.role, case when bool_or(has_function_privilege(r.who, p.oid, 'execute')) then 'call' end
  from pg_proc as p cross join (select role, case role when 'public' then 'public' else 'modelpack_' || role end as who
                                  from unnest(%(roles)s::text[]) as role) as r
 where p.pronamespace = 'modelpack'::regnamespace
 group by p.proname, r.role
union all
select 'the schema', r.role, nullif(concat_ws(' ', case when has_schema_privilege(r.who, 'modelpack', 'usage') then 'use' end,
                                                   case when has_schema_privilege(r.who, 'modelpack', 'create') then 'create' end), '')
  from (select role, case role when 'public' then 'public' else 'modelpack_' || role end as who
          from unnest(%(roles)s::text[]) as role) as r
"""


def documented() -> dict[tuple[str, str], str]:
    """(object, role) to rights, from the table in docs/security.md; what it does not have, nobody may."""
    lines = PAGE.read_text().splitlines()
    head = f"| object | {' | '.join(ROLES)} |"
    found: dict[tuple[str, str], str] = {}
    for line in lines[lines.index(head) + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        found |= {(name, role): cell for role, cell in zip(ROLES, cells, strict=True) if cell}
    return found


def test_every_role_has_the_documented_rights_and_no_others(psql: Session) -> None:
    found = {
        (name, role): rights
        for name, role, rights in psql.execute(RIGHTS, {"roles": list(ROLES)}).fetchall()
        if rights
    }
    assert found == documented()


def test_no_right_is_granted_on_a_column_and_none_by_default(psql: Session) -> None:
    assert (
        rows(
            psql,
            "select a.attrelid::regclass::text, a.attname from pg_attribute as a join pg_class as c on c.oid = a.attrelid"
            " where c.relnamespace = 'modelpack'::regnamespace and a.attacl is not null",
        )
        == []
    )
    assert rows(psql, "select defaclobjtype from pg_default_acl") == []


def test_what_runs_with_other_rights_is_the_owners_and_pins_its_search_path(psql: Session) -> None:
    psql.execute(TABLES)
    attach(psql.info.dsn, CUSTOMER)
    loose = rows(
        psql,
        "select p.oid::regprocedure::text, r.rolname, p.proconfig from pg_proc as p join pg_roles as r on r.oid = p.proowner"
        " where p.pronamespace = 'modelpack'::regnamespace and p.prosecdef and (r.rolname <> 'modelpack_owner'"
        " or not 'search_path=pg_catalog, pg_temp' = any (coalesce(p.proconfig, '{}')))",
    )
    # what event triggers call has to belong to a superuser; it pins its search_path all the same
    assert [name for name, owner, _ in loose if owner == "modelpack_owner"] == []
    for name, _, config in loose:
        assert name.split("(")[0] in (
            "modelpack.follow_partitions",
            "modelpack.recount_dropped",
            "modelpack.recompile_altered",
        )
        assert "search_path=pg_catalog, pg_temp" in config
    assert (
        value(
            psql, "select count(*) from pg_proc where pronamespace = 'modelpack'::regnamespace and prosecdef"
        )
        > 10
    )


def test_the_roles_cannot_log_in_and_are_no_superusers(psql: Session) -> None:
    found = rows(
        psql,
        "select rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolreplication"
        " or rolbypassrls and rolname <> 'modelpack_owner'"  # its triggers have to see every event
        " from pg_roles where rolname in ('modelpack_owner', 'modelpack_publisher', 'modelpack_approver',"
        " 'modelpack_reader', 'modelpack_monitor')",
    )
    assert found == [(False,)] * 5


# -- an application, and what it might try ---------------------------------------------------------------------


@pytest.fixture
def shop(database: str, psql: Session) -> Session:
    """Tables with a declaration and a model that scores; a superuser's session."""
    psql.execute(TABLES)
    Registry(database).publish_package(packaged(), name="churn", promote=True)
    attach(database, CUSTOMER)
    return psql


@pytest.fixture
def login(database: str, psql: Session) -> Iterator[Callable[..., Session]]:
    """A function that opens the session of a new role, with grants given as SQL after GRANT."""
    made: list[str] = []
    sessions: list[Session] = []

    def make(*grants: str) -> Session:
        name = f"mp_role_{uuid.uuid4().hex[:12]}"
        psql.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
        made.append(name)
        for grant in grants:
            psql.execute(sql.SQL("grant " + grant + " to {}").format(sql.Identifier(name)))
        sessions.append(psycopg.connect(make_conninfo(database, user=name), autocommit=True))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()
    for name in made:
        psql.execute(sql.SQL("drop owned by {}").format(sql.Identifier(name)))
        psql.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


@pytest.fixture
def app(shop: Session, login: Callable[..., Session]) -> Session:
    """The session of an application: INSERT on an event table, SELECT on the profile, nothing else."""
    assert shop
    return login("insert on complaint", "select on customer")


def counted(shop: Session, customer: int = 7) -> Any:
    return value(shop, "select complaints from customer where customer_id = %s", customer)


COMPLAIN = "insert into public.complaint (customer_id, severity) values (7, 3)"


def test_an_application_inserts_an_event_and_reads_a_score(shop: Session, app: Session) -> None:
    before = counted(shop)
    app.execute(COMPLAIN)
    complaints, churn = row(app, "select complaints, churn from customer where customer_id = 7")
    assert complaints == before + 1
    assert churn is not None


@pytest.mark.parametrize(
    "statement",
    [
        "select * from complaint",
        "update customer set complaints = 0",
        "delete from complaint",
        "select onnx from modelpack.artifact",
        "select * from modelpack.prediction",
        "select * from modelpack.history('customer', '7')",
        "select * from modelpack.versions",
        "select modelpack.score(1, '{1,2}', null)",
        "select modelpack.load(1)",
        "select modelpack.promote('churn', 1)",
        "select modelpack.server_wheels()",
        "create table modelpack.mine (a integer)",
        "create function modelpack.mine() returns integer language sql as 'select 1'",
        "alter function modelpack.customer_score() owner to current_user",
        "set role modelpack_owner",
        "set session_replication_role = replica",
        "alter table customer disable trigger all",
    ],
)
def test_an_application_may_do_nothing_else(app: Session, statement: str) -> None:
    with pytest.raises((errors.InsufficientPrivilege, errors.UndefinedFunction)):
        app.execute(statement)


def test_whoever_monitors_reads_histories_with_his_own_rights(
    shop: Session, app: Session, login: Callable[..., Session]
) -> None:
    app.execute(COMPLAIN)
    monitor = login("modelpack_monitor")
    history = "select score, version from modelpack.history('customer', '7')"
    assert rows(monitor, history)[0] == ("churn", 1)
    shop.execute("revoke select on modelpack.prediction from modelpack_monitor")
    with pytest.raises(errors.InsufficientPrivilege):
        monitor.execute(history)


def test_temporary_tables_and_functions_shadow_nothing(shop: Session, app: Session) -> None:
    names = [
        name
        for (name,) in rows(
            shop,
            "select relname from pg_class where relnamespace = 'modelpack'::regnamespace and relkind in ('r', 'p', 'v')",
        )
    ]
    for name in {
        *names,
        "customer",
        "complaint",
        "purchase",
        "pg_class",
        "pg_proc",
        "pg_roles",
        "added",
        "removed",
    }:
        app.execute(sql.SQL("create temporary table {} (customer_id integer)").format(sql.Identifier(name)))
    for name, arguments, result in (
        ("score", "integer, double precision[], text[]", "double precision"),
        ("failure", "", "text"),
        ("now", "", "timestamptz"),
        ("clock_timestamp", "", "timestamptz"),
        ("to_double", "numeric", "double precision"),
        ("pg_has_role", "name, name, text", "boolean"),
    ):
        app.execute(
            f"create function pg_temp.{name}({arguments}) returns {result} language plpgsql"
            " as $$ begin raise exception 'mine runs'; end $$"
        )
    app.execute("set search_path = pg_temp, public, pg_catalog")
    before = counted(shop)
    app.execute(COMPLAIN)
    assert counted(shop) == before + 1
    assert value(shop, "select churn_stale from customer where customer_id = 7") is None
    assert wrong(shop) == []


def test_a_schema_of_ones_own_shadows_nothing(shop: Session, app: Session) -> None:
    who = value(app, "select current_user")
    shop.execute(sql.SQL("create schema authorization {}").format(sql.Identifier(who)))
    app.execute(
        sql.SQL(
            "create function {0}.plus(integer, integer) returns integer language plpgsql as"
            " $$ begin raise exception 'mine runs'; end $$;"
            "create operator {0}.+ (leftarg = integer, rightarg = integer, function = {0}.plus);"
            "create table {0}.customer (customer_id bigint); create table {0}.version (version_id integer)"
        ).format(sql.Identifier(who))
    )
    app.execute(sql.SQL("set search_path = {}, pg_catalog, public").format(sql.Identifier(who)))
    before = counted(shop)
    app.execute(COMPLAIN)
    assert counted(shop) == before + 1


def test_no_setting_changes_what_happens(shop: Session, app: Session) -> None:
    for name in (
        "modelpack.writer",
        "modelpack.maintenance",
        "modelpack.bypass",
        "modelpack.server_wheels",
        "modelpack.version",
        "plpython3.python_path",
    ):
        app.execute("select set_config(%s, 'on', false)", [name])
    for name, setting in (
        ("timezone", "Pacific/Apia"),
        ("datestyle", "German"),
        ("intervalstyle", "iso_8601"),
        ("extra_float_digits", "-15"),
        ("check_function_bodies", "off"),
        ("row_security", "on"),
        ("standard_conforming_strings", "off"),
        ("default_transaction_isolation", "repeatable read"),
    ):
        app.execute("select set_config(%s, %s, false)", [name, setting])
    for setting in ("missing", "on", "", "loaded"):  # what a session remembers of itself scores all the same
        app.execute("select set_config('modelpack.plpython', %s, false)", [setting])
        before = counted(shop)
        app.execute(COMPLAIN)
        assert counted(shop) == before + 1
        assert value(shop, "select churn_stale from customer where customer_id = 7") is None
    assert wrong(shop) == []


def test_nobody_writes_a_counter_or_a_score_by_hand(shop: Session, login: Callable[..., Session]) -> None:
    """An application that may change the profile (a plan) may not change what events and models keep."""
    editor = login("select, insert, update on customer")
    editor.execute("select set_config('modelpack.writer', 'on', false)")
    editor.execute("update customer set plan = 'pro' where customer_id = 7")
    before = row(shop, "select complaints, churn from customer where customer_id = 7")
    by_hand = {
        "complaints": "1000",
        "churn": "0.5",
        "churn_version": "9",
        "spend": "1",
        "features_at": "now() + interval '1 day'",  # decayed features are carried on from there
        "features_read_at": "null",
    }
    for column, setting in by_hand.items():
        with pytest.raises(psycopg.Error, match=rf"public\.customer that modelpack keeps: {column}\n"):
            editor.execute(f"update customer set plan = 'free', {column} = {setting} where customer_id = 7")
    assert row(shop, "select complaints, churn from customer where customer_id = 7") == before
    with contextlib.suppress(
        psycopg.Error
    ):  # refused, or taken without what is not the application's to give
        editor.execute("insert into customer (customer_id, complaints, churn) values (777, 1000, 0.5)")
    assert (
        rows(shop, "select from customer where customer_id = 777 and (complaints = 1000 or churn = 0.5)")
        == []
    )
    assert wrong(shop) == []


def test_operators_of_ones_own_do_not_deceive_the_guard(shop: Session, login: Callable[..., Session]) -> None:
    """It runs as whoever updates, whose operators say that everything equals everything."""
    editor = login("select, update on customer")
    who = value(editor, "select current_user")
    shop.execute(sql.SQL("create schema authorization {}").format(sql.Identifier(who)))
    for number, kind in enumerate(
        ("bigint", "integer", "numeric", "double precision", "name", "text", "timestamptz")
    ):
        editor.execute(
            sql.SQL(
                "create function {0}.{2}({1}, {1}) returns boolean language sql immutable as 'select true';"
                "create operator {0}.= (leftarg = {1}, rightarg = {1}, function = {0}.{2})"
            ).format(sql.Identifier(who), sql.SQL(kind), sql.Identifier(f"same_{number}"))
        )
    editor.execute(
        sql.SQL(
            "create function {0}.pg_has_role(name, name, text) returns boolean language sql as 'select true';"
            "create function {0}.set_config(text, text, boolean) returns text language sql as 'select $2'"
        ).format(sql.Identifier(who))
    )
    editor.execute(sql.SQL("set search_path = {}, pg_catalog, public").format(sql.Identifier(who)))
    path = value(editor, "show search_path")
    before = row(shop, "select complaints, churn, churn_scored_at from customer where customer_id = 7")
    for change in (
        "complaints = 1000",
        "churn = 0.5",
        "churn = 0.5, churn_scored_at = '2030-01-01', features_at = '2030-01-01'",
    ):
        with pytest.raises(psycopg.Error, match=r"columns of public\.customer that modelpack keeps"):
            editor.execute(f"update public.customer set {change} where customer_id = 7")
    assert (
        row(shop, "select complaints, churn, churn_scored_at from customer where customer_id = 7") == before
    )
    editor.execute("update public.customer set plan = 'pro' where customer_id = 7")
    assert value(editor, "show search_path") == path  # left as it was


def test_nobody_puts_our_functions_on_a_table_of_his_own(
    shop: Session, login: Callable[..., Session]
) -> None:
    functions = [
        name
        for (name,) in rows(
            shop,
            "select p.proname from pg_proc as p where p.pronamespace = 'modelpack'::regnamespace"
            " and p.prorettype = 'trigger'::regtype",
        )
    ]
    assert len(functions) > 3
    who = "modelpack_publisher", "modelpack_monitor", "usage on schema modelpack"
    for grant in who:
        session = login(grant)
        session.execute(
            "create temporary table customer (customer_id bigint, complaints bigint, spend float8)"
        )
        for name in functions:
            with pytest.raises(errors.InsufficientPrivilege):
                session.execute(
                    sql.SQL(
                        "create trigger t before insert on customer for each row execute function modelpack.{}()"
                    ).format(sql.Identifier(name))
                )


def test_row_security_on_the_profile_keeps_working(shop: Session, app: Session) -> None:
    shop.execute(
        "update customer set plan = 'pro' where customer_id = 8;"
        "alter table customer enable row level security; alter table customer force row level security;"
        "create policy basic on customer for select using (plan = 'basic')"
    )
    before = counted(shop), counted(shop, 8)
    app.execute("insert into complaint (customer_id, severity) values (7, 3), (8, 3)")
    assert (counted(shop), counted(shop, 8)) == (before[0] + 1, before[1] + 1)
    assert rows(app, "select customer_id from customer where customer_id in (7, 8)") == [(7,)]
    app.execute(
        "insert into complaint (customer_id, severity) values (9001, 3)"
    )  # a profile row that is not there yet
    assert counted(shop, 9001) == 1
    assert wrong(shop) == []
    with pytest.raises(errors.InsufficientPrivilege):
        app.execute("set row_security = off; select * from customer")


@pytest.mark.parametrize("kind", ["permissive", "restrictive"])
def test_row_security_on_events_hides_none_from_the_triggers(shop: Session, app: Session, kind: str) -> None:
    shop.execute(
        "alter table complaint enable row level security; alter table complaint force row level security;"
        f"create policy mild on complaint as {kind} using (severity < 3) with check (true);"
        "create policy anything on complaint for insert with check (true)"
    )
    app.execute("insert into complaint (customer_id, severity) values (9001, 3)")
    app.execute("insert into complaint (customer_id, severity) values (9001, 3), (9001, 2)")
    assert counted(shop, 9001) == 3
    shop.execute(
        "delete from customer where customer_id = 9001; insert into customer (customer_id) values (9001)"
    )
    assert counted(shop, 9001) == 3
    assert wrong(shop) == []


def test_a_publisher_reads_no_bytes_and_writes_no_table(login: Callable[..., Session], shop: Session) -> None:
    publisher = login("modelpack_publisher")
    assert shop
    for statement in (
        "select onnx from modelpack.artifact",
        "select golden from modelpack.version",
        "insert into modelpack.inspection (version_id, sha256, onnxruntime, numpy, python) values (1, '', '', '', '')",
        "insert into modelpack.permission (model, role) values ('churn', 'public')",
        "insert into modelpack.approval (version_id) values (1)",
        "update modelpack.setting set value = '100 GB' where name = 'trial_memory'",
        "update modelpack.model set requires_approval = false",
        "delete from modelpack.promotion",
        "select modelpack.inspect('', '{}', '{}')",
        "select modelpack.trial('', '{}', '{}')",
        "select modelpack.prove(1)",
        "select modelpack.set_champion('churn', 1, 'promote', '')",
        "select modelpack.grant_model('churn', current_user)",
        "select modelpack.bind('customer')",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            publisher.execute(statement)


def test_the_table_names_nothing_that_is_not_there(psql: Session) -> None:
    known = {name for name, _, _ in psql.execute(RIGHTS, {"roles": list(ROLES)}).fetchall()}
    assert {name for name, _ in documented()} <= known
    assert re.search(r"^\| object \|", PAGE.read_text(), re.MULTILINE)
