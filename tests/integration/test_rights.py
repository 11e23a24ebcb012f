"""Least privilege: every object against every role, and the ways around that somebody would try."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from modelpack import Event, Profile, Registry, count
from modelpack.connection import make_engine
from tests.example import CUSTOMER, TABLES, packaged
from tests.support import attach, row, rows, value, wrong

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


TRUTH_FROM_OUTSIDE = ("profile", "score", "cut_off", "entity_key", "value", "at")
"""What a publisher may insert into `modelpack.outcome`; who did so and when is the server's to say."""


def test_no_right_is_granted_on_a_column_but_to_insert_outcomes_and_none_by_default(psql: Session) -> None:
    found = rows(
        psql,
        "select a.attrelid::regclass::text, a.attname, x.grantee::regrole::text, x.privilege_type from pg_attribute as a"
        " join pg_class as c on c.oid = a.attrelid cross join aclexplode(a.attacl) as x"
        " where c.relnamespace = 'modelpack'::regnamespace",
    )
    granted = {
        ("modelpack.outcome", column, "modelpack_publisher", "INSERT") for column in TRUTH_FROM_OUTSIDE
    }
    assert set(found) == granted
    assert rows(psql, "select defaclobjtype from pg_default_acl") == []


EVENT_TRIGGERS = (
    "follow_partitions",
    "recount_dropped",
    "recompile_altered",
    "follow_triggers",
    "warn_swapped",
    "keep_owners",
    "keep_alone",
    "keep_shipped",
)


def test_every_function_is_the_owners_that_its_rights_ask_for(psql: Session) -> None:
    """SECURITY DEFINER runs as modelpack_owner; what runs as its caller, who may be a superuser, is a superuser's."""
    psql.execute(TABLES)
    attach(psql.info.dsn, CUSTOMER)
    found = psql.execute(
        "select p.oid::regprocedure::text, p.proname, p.prosecdef, r.rolsuper, r.rolname, p.proconfig,"
        " coalesce(obj_description(p.oid, 'pg_proc') like '%]', false)"
        " from pg_proc as p join pg_roles as r on r.oid = p.proowner where p.pronamespace = 'modelpack'::regnamespace"
    ).fetchall()
    assert len(found) > 80
    for name, short, definer, superuser, owner, config, generated in found:
        if definer:
            assert superuser is (
                short
                in (
                    *EVENT_TRIGGERS,
                    "arm_table",
                    "crossing_table",
                    "end_holders",
                    "erase_golden",
                    "erase_row",
                    "listen_for",
                    "lockers",
                    "shadow_table",
                )
            ), name
            assert superuser or owner == "modelpack_owner" or generated, name
            assert "search_path=pg_catalog, pg_temp" in (config or ()), name
        elif not generated:
            assert superuser, name


COMMITTING = {
    "rebuild",
    "refresh",
    "rescore",
    "backfill",
    "take_cohort",
    "settle",
    "score_shadows",
    "observe",
}
"""Procedures that commit: a function with SET cannot."""

WITHOUT_A_PATH = {
    *COMMITTING,
    # called for each row by functions that have pinned it; they name nothing
    "score", "score_many", "failure",
    # written into their caller's plan; their names were resolved when they were made
    "amount", "decay", "key_value", "summable", "text_key", "to_double",
    # asks what a text means by the path of its caller, and qualifies every name of its own
    "view_meaning",
}  # fmt: skip
IMMUTABLE_AND_SAFE = "amount beyond check_facts check_reference check_text coarse decay dollar draw in_a_line is_double key_value log_gamma qualified read_requirement server_wheels shown summable text_key to_double why withheld crossed_bounds"
STABLE_AND_SAFE = "arithmetic generated hides_rows pack runs_as tablespace"
STABLE = (
    "calls attached_tables caller check_grant check_key_columns check_keys check_not_retired check_places check_stored column_type examine_log check_follower"
    " arm_values can_replay check_weights outcome_metrics shadow_rows dependents examine_rights examine_tables examine_triggers fed feed figures_of_experiments figures_of_jobs figures_of_outcomes figures_of_scores figures_of_work fill_steps fit_rows get_outcome get_profile get_version heard history index_name index_wanted kin known_until last_logged lockers log_partitions erased event_tables key_text log_of"
    " misplaced model_of needed_rights needs_wheels patience replayable scorable sees unsettled same_rows sees_entity shown_inputs traced traces plain"
)
GENERATED_STABLE = r"_(since|seen|version|chosen|arms|metric_[0-9]+|numbers|texts|same|batched|enabled|shaped|with(_[0-9]+)?|packed)$"


def test_every_function_pins_where_it_finds_names_and_says_how_often_it_may_be_called(psql: Session) -> None:
    """What is read as STABLE may be called once for a statement, what is IMMUTABLE once for a plan. All else is volatile."""
    psql.execute(TABLES)
    attach(psql.info.dsn, CUSTOMER)
    ours = (
        "select p.proname, p.prokind, p.provolatile, p.proparallel, p.proisstrict,"
        " coalesce('search_path=pg_catalog, pg_temp' = any (p.proconfig), false), array_to_string(p.proconfig, ', '),"
        " coalesce(obj_description(p.oid, 'pg_proc') like '%]', false), has_function_privilege('public', p.oid, 'execute')"
        " from pg_proc as p where p.pronamespace = 'modelpack'::regnamespace"
    )
    kinds = {"falls_to": ("i", "u")}
    kinds |= dict.fromkeys(IMMUTABLE_AND_SAFE.split(), ("i", "s"))
    kinds |= dict.fromkeys(STABLE_AND_SAFE.split(), ("s", "s")) | dict.fromkeys(STABLE.split(), ("s", "u"))
    shipped, unpinned = set(), set()
    for name, kind, volatile, parallel, strict, pinned, config, generated, anybody in rows(psql, ours):
        assert not anybody, f"PUBLIC may call {name}"
        assert not strict, name
        if not pinned:
            assert "search_path" not in (config or ""), f"{name} finds names in {config}"
        if generated:
            assert (volatile, parallel) == ("s" if re.search(GENERATED_STABLE, name) else "v", "u"), name
            # SQL that the planner writes into its caller, and what qualifies every name, since each event pays for it
            assert pinned or re.search(GENERATED_STABLE + "|_guard$|_cross$", name), name
            continue
        shipped.add(name)
        assert (kind == "p") is (name in {*COMMITTING, "erase"}), name
        assert (volatile, parallel) == kinds.get(name, ("v", "u")), name
        unpinned |= {name} - ({name} if pinned else set())
    assert unpinned == WITHOUT_A_PATH
    assert set(kinds) <= shipped


def test_the_schema_and_its_tables_are_a_superusers(psql: Session) -> None:
    """Whoever owns a schema can drop what is in it, and whoever owns a table can put a view or a trigger there."""
    assert value(
        psql,
        "select r.rolsuper from pg_namespace as n join pg_roles as r on r.oid = n.nspowner where nspname = 'modelpack'",
    )
    assert {
        name
        for (name,) in rows(
            psql,
            "select c.relname from pg_class as c join pg_roles as r on r.oid = c.relowner where not r.rolsuper"
            " and c.relnamespace = 'modelpack'::regnamespace and c.relkind in ('r', 'p', 'v') and c.relname !~ '^prediction_2'",
        )
    } == {"prediction", "prediction_default"}  # partitions are made and dropped by modelpack.maintain()


def test_the_roles_cannot_log_in_and_are_no_superusers(psql: Session) -> None:
    found = rows(
        psql,
        "select rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls"
        " from pg_roles where rolname in ('modelpack_owner', 'modelpack_publisher', 'modelpack_approver',"
        " 'modelpack_reader', 'modelpack_monitor')",
    )
    assert found == [(False,)] * 5


# -- an application, and what it might try ---------------------------------------------------------------------


def make_shop(dsn: str) -> None:
    """Tables with a declaration and a model that scores."""
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(TABLES)
    engine = make_engine(dsn)
    Registry(engine).publish_package(packaged(), name="churn", promote=True)
    engine.dispose()
    attach(dsn, CUSTOMER)


@pytest.fixture
def shop(psql: Session) -> Session:
    """A superuser's session."""
    return psql


@pytest.fixture
def login(database: str, psql: Session, new_role: Callable[..., str]) -> Iterator[Callable[..., Session]]:
    """A function that opens the session of a new role, with grants given as SQL after GRANT."""
    sessions: list[Session] = []

    def make(*grants: str) -> Session:
        name = new_role()
        for grant in grants:
            psql.execute(sql.SQL("grant " + grant + " to {}").format(sql.Identifier(name)))
        sessions.append(psycopg.connect(make_conninfo(database, user=name), autocommit=True))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def app(shop: Session, login: Callable[..., Session]) -> Session:
    """The session of an application: INSERT on an event table, SELECT on the profile, nothing else."""
    assert shop
    return login("insert on complaint", "select on customer")


def counted(shop: Session, customer: int = 7) -> Any:
    return value(shop, "select complaints from customer where customer_id = %s", customer)


COMPLAIN = "insert into public.complaint (customer_id, severity) values (7, 3)"


@pytest.mark.prepared(setup=make_shop)
def test_an_application_inserts_an_event_and_reads_a_score(shop: Session, app: Session) -> None:
    before = counted(shop)
    app.execute(COMPLAIN)
    complaints, churn = row(app, "select complaints, churn from customer where customer_id = 7")
    assert complaints == before + 1
    assert churn is not None


@pytest.mark.prepared(setup=make_shop)
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


@pytest.mark.prepared(setup=make_shop)
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


@pytest.mark.prepared(setup=make_shop)
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


@pytest.mark.prepared(setup=make_shop)
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


@pytest.mark.prepared(setup=make_shop)
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


@pytest.mark.prepared(setup=make_shop)
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


@pytest.mark.prepared(setup=make_shop)
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


@pytest.mark.prepared(setup=make_shop)
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


@pytest.mark.prepared(setup=make_shop)
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
        "select modelpack.prove(1, 'me')",
        "select modelpack.set_champion('me', 'churn', 1, 'promote', '')",
        "select modelpack.grant_model('churn', current_user)",
        "select modelpack.bind('customer')",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            publisher.execute(statement)


def test_the_table_names_nothing_that_is_not_there(psql: Session) -> None:
    known = {name for name, _, _ in psql.execute(RIGHTS, {"roles": list(ROLES)}).fetchall()}
    assert {name for name, _ in documented()} <= known
    assert re.search(r"^\| object \|", PAGE.read_text(), re.MULTILINE)


# -- the owner role, and what it might try against a superuser -------------------------------------------------


@pytest.fixture
def deployer(shop: Session, login: Callable[..., Session]) -> Session:
    """The session of somebody who applies declarations to tables of his own, acting as modelpack_owner."""
    assert shop
    session = login("modelpack_owner", "create on schema public")
    who = value(session, "select session_user::text")
    session.execute(
        "create table public.hits (customer_id bigint, at timestamptz default now()) partition by range (at)"
    )
    session.execute("create table public.visitor (customer_id bigint primary key)")
    attach(
        session.info.dsn + f" user={who}",
        Profile("visitor", key="customer_id", events=[Event("hits", at="at", features={"n": count()})]),
    )
    session.execute("set role modelpack_owner")
    return session


EVIL = "begin if (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then insert into public.taken values (1); end if; return null; end"


@pytest.mark.prepared(setup=make_shop)
def test_what_came_with_the_schema_is_changed_by_superusers_alone(shop: Session, deployer: Session) -> None:
    """By whatever statement: each function, each table."""
    functions = rows(
        shop,
        "select p.oid::regprocedure::text, p.proname, p.prokind::text, pg_get_functiondef(p.oid) from pg_proc as p"
        " where p.pronamespace = 'modelpack'::regnamespace"
        " and obj_description(p.oid, 'pg_proc') not like '%]'",
    )
    assert len(functions) > 80
    passed = []

    def refused(statement: str) -> None:
        try:
            deployer.execute(statement)
        except (errors.InsufficientPrivilege, errors.DependentObjectsStillExist):
            return
        except psycopg.Error as error:
            passed.append((statement, type(error).__name__))
            return
        passed.append((statement, "passed"))

    for name, short, kind, definition in functions:
        what = "procedure" if kind == "p" else "function"
        refused(definition)
        refused(f"alter {what} {name} security invoker")
        refused(f"alter {what} {name} set search_path = public, pg_catalog")
        refused(f"alter routine {name} rename to other")
        refused(f"alter {what} {name} owner to modelpack_owner")
        refused(f"drop {what} {name}")
        refused(f"comment on {what} {name} is 'what a declaration generated [customer]'")
        refused(f"create aggregate modelpack.{short}(point) (sfunc = point_add, stype = point)")
        refused(
            f"create function modelpack.{short}(a public.visitor) returns integer language sql as 'select 1'"
        )
    for (table,) in rows(
        shop,
        "select oid::regclass::text from pg_class where relnamespace = 'modelpack'::regnamespace and relkind in ('r', 'p')",
    ):
        refused(
            f"create trigger t before insert on {table} for each row execute function modelpack.immutable()"
        )
        refused(f"create rule r as on insert to {table} do also select 1")
        if "prediction" in table:
            refused(f"create index on {table} ((prediction + 1))")
            refused(f"alter table {table} add check (prediction > -1)")
            refused(f"alter table {table} alter column profile set default 'x'")
            refused(f"alter table {table} enable row level security")
            continue
        refused(f"drop table {table} cascade")
        refused(f"alter table {table} rename to other")
    for view in ("me", "versions", "failures"):
        refused(f"drop view modelpack.{view}")
        refused(f"create or replace view modelpack.{view} as select 1")
    refused("drop schema modelpack cascade")
    refused("alter schema modelpack rename to other")
    refused("drop event trigger modelpack_shipped")
    refused("alter event trigger modelpack_shipped disable")
    refused("drop owned by modelpack_owner cascade")
    assert passed == []


@pytest.mark.prepared(setup=make_shop)
def test_what_is_ones_own_is_made_and_dropped_whatever_it_is_called(deployer: Session) -> None:
    deployer.execute("reset role")
    for name in ("verify", "score", "publish"):
        deployer.execute(f"create function public.{name}() returns integer language sql as 'select 1'")
        deployer.execute(f"alter function public.{name}() stable; drop function public.{name}()")
        deployer.execute(
            f"create table public.{name} (n integer primary key check (n > 0)); create index on public.{name} ((n + 1))"
        )
        deployer.execute(
            f"create view public.{name}s as select n from public.{name}; drop view public.{name}s"
        )
        deployer.execute(f"drop table public.{name}")
    deployer.execute("select modelpack.detach('public.visitor')")
    assert (
        rows(
            deployer, "select tgname from pg_trigger where tgrelid in ('hits'::regclass, 'visitor'::regclass)"
        )
        == []
    )


@pytest.mark.prepared(setup=make_shop)
def test_a_superuser_who_uses_tables_and_functions_runs_nothing_of_the_owners(
    shop: Session, deployer: Session
) -> None:
    """The owner forges the rows of declarations and the functions of its own; a superuser does what a DBA does."""
    shop.execute("create table public.taken (a integer); grant insert on public.taken to public")
    for statement in (
        # in the place of the counters of another's table, and of the deployer's own
        *(
            f"create or replace function {name} returns trigger language plpgsql security {how} as $evil$ {EVIL} $evil$"
            for (name,) in rows(
                shop,
                "select p.oid::regprocedure::text from pg_proc as p where p.pronamespace = 'modelpack'::regnamespace"
                " and p.prorettype = 'trigger'::regtype and obj_description(p.oid, 'pg_proc') like '%]'",
            )
            for how in ("definer", "invoker")
        ),
        f"create function modelpack.evil() returns trigger language plpgsql as $evil$ {EVIL} $evil$",
        "create function modelpack.evil_of(a integer) returns integer language sql immutable as 'select 1'",
        "update modelpack.profile set added_indexes = array['x; insert into public.taken values (1)'], stem = 'evil'",
        "update modelpack.profile set relation = 'public.customer' where name = 'public.visitor'",
        "update modelpack.profile set declaration = jsonb_set(declaration, '{events,0,table}', '\"public.hits; select 1\"')",
        "update modelpack.made set object = 'modelpack.evil()', definition = 'x; insert into public.taken values (1)'",
        "update modelpack.setting set explanation = '$modelpack$; insert into public.taken values (1); --'",
    ):
        with contextlib.suppress(psycopg.Error):
            deployer.execute(statement)
    with contextlib.suppress(psycopg.Error):
        deployer.execute(
            "reset role; create trigger e after insert on public.hits for each statement execute function modelpack.evil()"
        )
    for statement in (
        "create table public.hits_now partition of public.hits default",
        "alter table public.hits detach partition public.hits_now",
        "insert into public.hits_now values (1)",
        "insert into public.hits_now values (2)",
        "alter table public.hits attach partition public.hits_now default",
        "alter table public.visitor add column plan text",
        "alter table public.visitor alter column plan type varchar(10)",
        "insert into complaint (customer_id, severity) values (7, 3)",
        "update customer set plan = 'pro' where customer_id = 7",
        "drop table public.hits_now",
        "select * from modelpack.doctor()",
        "select * from modelpack.maintain()",
        "select * from modelpack.versions",
        "select modelpack.disable('churn'), modelpack.enable('churn')",
        "select modelpack.warm()",
        "select * from modelpack.verify('customer')",
        "call modelpack.rescore('customer')",
        "select modelpack.detach_dropped('public.visitor')",
        "select modelpack.detach('customer')",
        "analyze",
        "select modelpack.server_wheels()",
    ):
        with contextlib.suppress(psycopg.Error):
            shop.execute(statement)
    # a trigger that its owner put on a table of his own is his affair with whoever writes there
    assert value(shop, "select count(*) from public.taken") == 0


MAY_ALTER = re.compile(r"\bmodelpack\.%I")


def test_no_function_reaches_one_that_a_role_with_fewer_rights_may_change(psql: Session) -> None:
    """The graph of calls, from the functions' texts: whoever runs one, runs all that it names."""
    found = psql.execute(
        "select p.proname, p.oid::regprocedure::text, p.prosrc, p.prosecdef, r.rolsuper, r.rolname, p.proname = any ("
        " (select regexp_match(k.prosrc, $$any \\('(\\{[^']*\\})'::name\\[\\]\\)$$) from pg_proc as k where k.proname = 'keep_shipped')[1]::name[])"
        " from pg_proc as p join pg_roles as r on r.oid = p.proowner where p.pronamespace = 'modelpack'::regnamespace"
    ).fetchall()
    named: dict[str, list[Any]] = {}
    for function in found:
        named.setdefault(function[0], []).append(function)
    calls = {
        short: {n for f in functions for n in re.findall(r"\bmodelpack\.(\w+)\(", f[2]) if n in named}
        for short, functions in named.items()
    }
    assert sum(map(len, calls.values())) > 100
    assert "count_partition" in calls["follow_partitions"]
    for start, functions in named.items():
        reached, todo = {start}, [start]
        while todo:
            new = calls[todo.pop()] - reached
            reached |= new
            todo += new
        for name in reached:
            for _, signature, _, definer, superuser, owner, shipped in named[name]:
                # a superuser's, or one that its owner cannot change either, and that runs as its owner
                assert superuser or (definer and owner == "modelpack_owner" and shipped), (start, signature)
        # what is made of names runs after rights are dropped, or makes and drops things
        for _, signature, source, definer, *_ in functions:
            for place in MAY_ALTER.finditer(source):
                before = source[max(0, place.start() - 60) : place.start()]
                assert definer or not re.search(r"\b(select|perform|call)\s*$", before), (signature, before)
