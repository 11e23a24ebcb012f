"""Whoever promotes, approves, publishes, grants, retires or disables is the role that asked for it, and is in the log.

An attacker who has no grant puts the call where somebody else's statement runs it: a function, an index, a view.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.support import publish, row, rows, user, value

Session = psycopg.Connection[Any]

# what somebody with every right could do to the model churn; the last one shows that a way in leads somewhere
VERBS = {
    "promote": "modelpack.promote('churn', 2)",
    "champion": "modelpack.set_alias('churn', 'champion', 2)",
    "rollback": "modelpack.rollback('churn')",
    "set_alias": "modelpack.set_alias('churn', 'challenger', 3)",
    "drop_alias": "modelpack.drop_alias('churn', 'candidate')",
    "retire": "modelpack.retire('churn', 3)",
    "approve": "modelpack.approve('churn', 3)",
    "withdraw": "modelpack.withdraw_approval('churn', 1)",
    "disable": "modelpack.disable('churn', 'why')",
    "enable": "modelpack.enable('stopped')",
    "grant": "modelpack.grant_model('churn', 'modelpack_publisher')",
    "revoke": "modelpack.revoke_model('churn', 'modelpack_reader')",
    "require": "modelpack.require_approval('churn')",
    "set_tag": "modelpack.set_tag('churn', 1, 'tag')",
    "add_note": "modelpack.add_note('churn', 1, 'note')",
    "set_metric": "modelpack.set_metric('churn', 1, 'auc', 1)",
    "reached": "evil.reach()",
}

# (what the attacker makes, with his call in it; what somebody else then runs)
WAYS: dict[str, tuple[str, str]] = {
    "function of his": ("", "select evil.definer()"),
    "function of the caller's rights": ("", "select evil.invoker()"),
    "index, analyzed": (
        "create table evil.t (a integer); create index on evil.t (evil.definer_of(a)); insert into evil.t values (1)",
        "analyze evil.t",
    ),
    "index, made again": (
        "create table evil.t (a integer); create index on evil.t (evil.invoker_of(a)); insert into evil.t values (1)",
        "reindex table evil.t",
    ),
    "statistics": (
        "create table evil.t (a integer); insert into evil.t select 1 from generate_series(1, 9);"
        "create statistics evil.s on (evil.definer_of(a)) from evil.t",
        "analyze evil.t",
    ),
    "table that is called like a call": (
        'create table evil."modelpack.@verb@(" (a integer); create index on evil."modelpack.@verb@(" (evil.definer_of(a));'
        ' insert into evil."modelpack.@verb@(" values (1)',
        'analyze evil."modelpack.@verb@("',
    ),
    "materialized view": (
        "create materialized view evil.m as select @call@ is null as a with no data",
        "refresh materialized view evil.m",
    ),
    "materialized view of a function": (
        "create materialized view evil.m as select evil.definer() as a with no data",
        "refresh materialized view evil.m",
    ),
    "view": ("create view evil.v as select @call@ is null as a", "select * from evil.v"),
    "trigger": (
        "create table evil.t (a integer); create trigger t before insert on evil.t for each row execute function evil.invoking()",
        "insert into evil.t values (1)",
    ),
    "trigger with his rights": (
        "create table evil.t (a integer); create trigger t before insert on evil.t for each row execute function evil.defining()",
        "insert into evil.t values (1)",
    ),
    "default": (
        "create table evil.t (a integer default evil.invoker())",
        "insert into evil.t default values",
    ),
    "default without a function": (
        "create table evil.t (a boolean default (@call@ is null))",
        "insert into evil.t default values",
    ),
    "check": (
        "create table evil.t (a integer check (evil.invoker_of(a) > 0))",
        "insert into evil.t values (1)",
    ),
    "generated column": (
        "create table evil.t (a integer, b integer generated always as (evil.invoker_of(a)) stored)",
        "insert into evil.t values (1)",
    ),
    "domain": (
        "create domain evil.d as integer check (evil.invoker_of(value) > 0)",
        "select 1::evil.d",
    ),
    "rule": (
        "create table evil.t (a integer); create rule r as on insert to evil.t do also select @call@",
        "insert into evil.t values (1)",
    ),
    "operator": (
        "create operator evil.=== (leftarg = integer, rightarg = integer, function = evil.both)",
        "select 1 operator(evil.===) 2",
    ),
    "cast": (
        "create type evil.c as (a integer); create cast (evil.c as integer) with function evil.of_c(evil.c)",
        "select row(1)::evil.c::integer",
    ),
}

HELPERS = """
create function evil.definer() returns integer language plpgsql security definer
  as $$ begin perform @call@; return 1; exception when others then return 1; end $$;
create function evil.invoker() returns integer language plpgsql security invoker
  as $$ begin perform @call@; return 1; exception when others then return 1; end $$;
create function evil.definer_of(integer) returns integer language sql immutable as 'select evil.definer()';
create function evil.invoker_of(integer) returns integer language sql immutable as 'select evil.invoker()';
create function evil.both(integer, integer) returns integer language sql as 'select evil.invoker()';
create function evil.defining() returns trigger language plpgsql as $$ begin perform evil.definer(); return new; end $$;
create function evil.invoking() returns trigger language plpgsql as $$ begin perform evil.invoker(); return new; end $$;
"""

REGISTRY = """
select md5(string_agg(t, ' ' order by t)) from (
  select m::text as t from modelpack.model as m union all select a::text from modelpack.alias as a
   union all select p::text from modelpack.promotion as p union all select p::text from modelpack.permission as p
   union all select a::text from modelpack.approval as a union all select a::text from modelpack.annotation as a
   union all select r::text from modelpack.retirement as r union all select v.version_id::text from modelpack.version as v
) as everything
"""


def make_churn(dsn: str) -> None:
    """A model with which every verb has something to do."""
    with psycopg.connect(dsn, autocommit=True) as session:
        for weight in (0.1, 0.2, 0.3):
            publish(session, "churn", ["n"], [weight], promote=False)
        for statement in (
            "select modelpack.promote('churn', 3)",
            "select modelpack.promote('churn', 1)",
            "select modelpack.set_alias('churn', 'candidate', 2)",
            "select modelpack.grant_model('churn', 'modelpack_reader', 'predict')",
            "insert into modelpack.approval (version_id) select version_id from modelpack.version where version = 1",
            "insert into modelpack.model (model, disabled) values ('stopped', 'by hand')",
        ):
            session.execute(statement)


pytestmark = pytest.mark.prepared(setup=make_churn)


@pytest.fixture
def churn(psql: Session) -> Session:
    """A superuser's session, and that model."""
    return psql


def filled(text: str, verb: str) -> str:
    call = VERBS[verb]
    return text.replace("@call@", call).replace("@verb@", call.split("(")[0].removeprefix("modelpack."))


@pytest.mark.parametrize("victim", ["superuser", "manager"])
def test_nobody_lends_his_name_to_code_of_somebody_else(
    churn: Session, people: Callable[..., Session], victim: str
) -> None:
    """Each way into a statement of somebody else, for each verb: the registry stays as it is."""
    evil = people("modelpack_publisher", "modelpack_approver")
    manager = people("modelpack_publisher", "modelpack_approver", "modelpack_owner")
    churn.execute("create table public.reached (way text)")
    churn.execute(
        f"grant insert on public.reached to public; grant create on database {churn.info.dbname} to {user(evil)}"
    )
    session = churn if victim == "superuser" else manager
    churn.prepare_threshold = None  # views of one name have other columns each time
    before = value(churn, REGISTRY)
    taken, unreached = [], []
    for way, (made, run) in WAYS.items():
        if victim == "manager" and run.startswith(("analyze", "reindex", "refresh")):
            continue  # for the owner and superusers alone
        for verb in VERBS:
            evil.execute("create schema evil; grant usage on schema evil to public")
            evil.execute(
                "create function evil.reach() returns void language sql as $$ insert into public.reached values ('here') $$"
            )
            evil.execute(filled(HELPERS, verb).replace("$$", "$evil$"))
            if way == "cast":
                made_first, made_then = made.split("; ")
                evil.execute(made_first)
                evil.execute(
                    "create function evil.of_c(evil.c) returns integer language sql as 'select evil.invoker()'"
                )
                evil.execute(made_then)
            elif made:
                evil.execute(filled(made, verb))
            evil.execute("grant all on all tables in schema evil to public")
            churn.execute("truncate public.reached")
            with contextlib.suppress(errors.InsufficientPrivilege):  # refused, where nothing swallows it
                session.execute(filled(run, verb))
            if verb == "reached" and not value(churn, "select exists (select from public.reached)"):
                unreached.append(way)
            if value(churn, REGISTRY) != before:
                taken.append((way, verb))
                before = value(churn, REGISTRY)
            churn.execute("drop schema evil cascade")
    assert taken == []
    assert unreached == []


@pytest.mark.usefixtures("churn")
def test_a_proof_is_nobody_elses_to_make_or_to_use(people: Callable[..., Session]) -> None:
    evil = people("modelpack_publisher", "modelpack_owner")
    evil.execute("set role modelpack_publisher")
    evil.execute("begin")
    mine = value(evil, "select proof from modelpack.me")
    evil.execute("savepoint s")
    for me in (
        "row('postgres', '')",
        "null",
        "row('postgres', null)",
        f"row('postgres', '{mine}')",
        "row(null, null)",
    ):
        for call in (
            f"modelpack.promote({me}::modelpack.me, 'churn', 2, '')",
            f"modelpack.predict({me}::modelpack.me, 'churn', '{{\"n\": 1}}', 1)",
        ):
            with pytest.raises(errors.InsufficientPrivilege, match="nothing proves who calls"):
                evil.execute(f"select {call}")
            evil.execute("rollback to s")
    evil.execute("commit")
    with pytest.raises(errors.InsufficientPrivilege, match="nothing proves"):  # of an earlier transaction
        evil.execute(
            "select modelpack.promote(row(current_user, %s)::modelpack.me, 'churn', 2, '')",  # type: ignore[arg-type]
            [mine],
        )
    with pytest.raises(errors.InsufficientPrivilege, match="secret"):
        evil.execute("select * from modelpack.secret")


def test_the_role_that_was_set_is_asked_for_its_grant_and_is_in_the_log(
    churn: Session, people: Callable[..., Session]
) -> None:
    ann = people("modelpack_publisher")
    churn.execute("create role mp_role_team")
    try:
        churn.execute(f"grant modelpack_publisher to mp_role_team; grant mp_role_team to {user(ann)}")
        churn.execute("select modelpack.grant_model('churn', 'mp_role_team')")
        ann.execute("set role mp_role_team")
        ann.execute("select modelpack.promote('churn', 2)")
        ann.execute("do $do$ begin perform modelpack.promote('churn', 1); end $do$")
        ann.execute("select * from MODELPACK . \"promote\" ('churn', 2)")
        ann.execute("reset role")
        ann.execute("select modelpack.promote('churn', 3)")  # as a member of it
        found = rows(
            churn,
            "select by::text, login::text, version from modelpack.promotion order by promotion_id desc limit 4",
        )
        assert found == [
            (user(ann), user(ann), 3),
            ("mp_role_team", user(ann), 2),
            ("mp_role_team", user(ann), 1),
            ("mp_role_team", user(ann), 2),
        ]
        churn.execute(f"set session authorization {user(ann)}; set role mp_role_team")
        churn.execute("select modelpack.disable('churn', 'why')")
        churn.execute("reset session authorization")
        assert (
            value(churn, "select disabled_by::text from modelpack.model where model = 'churn'")
            == "mp_role_team"
        )
    finally:
        churn.execute("drop owned by mp_role_team; drop role mp_role_team")


def test_a_function_of_a_role_that_may_is_told_why_it_may_not(
    churn: Session, people: Callable[..., Session]
) -> None:
    """Four eyes need a person: what a function does as its owner, anybody may have asked for."""
    ann, bob = people("modelpack_publisher"), people()
    churn.execute("select modelpack.grant_model('churn', %s)", [user(ann)])
    churn.execute(
        f"create schema ops; grant create, usage on schema ops to {user(ann)}; grant usage on schema ops to {user(bob)}"
    )
    ann.execute(
        "create function ops.release() returns void language sql security definer"
        " as $$ select modelpack.promote('churn', 2) $$"
    )
    with pytest.raises(
        errors.InsufficientPrivilege, match=f"is called as {user(ann)} in a session of {user(bob)}"
    ):
        bob.execute("select ops.release() /* modelpack.promote() */")
    with pytest.raises(errors.InsufficientPrivilege, match=r"the statement does not call modelpack\.promote"):
        ann.execute("select ops.release()")
    assert value(churn, "select version from modelpack.alias where alias = 'champion'") == 1


def test_every_verb_leaves_the_name_of_who_called_it(churn: Session, people: Callable[..., Session]) -> None:
    """The functions run as modelpack_owner, whose name stands nowhere."""
    ann, bob = people("modelpack_owner", "modelpack_publisher"), people("modelpack_approver")
    ann.execute("select modelpack.require_approval('fresh')")
    number = publish(ann, "fresh", ["n"], [0.5], promote=False)
    bob.execute("select modelpack.approve('fresh', %s)", [number])
    bob.execute(
        "select modelpack.withdraw_approval('fresh', %s), modelpack.approve('fresh', %s)", [number, number]
    )
    for call in (
        "promote('fresh', 1)",
        "set_alias('fresh', 'challenger', 1)",
        "drop_alias('fresh', 'challenger')",
        "set_alias('fresh', 'candidate', 1)",
        "set_tag('fresh', 1, 'tag')",
        "add_note('fresh', 1, 'note')",
        "set_metric('fresh', 1, 'auc', 1)",
        "grant_model('fresh', 'modelpack_reader', 'predict')",
        "disable('fresh')",
        "recheck('fresh', 1)",
    ):
        ann.execute(f"select modelpack.{call}")
    publish(ann, "fresh", ["n"], [0.6], promote=False)
    ann.execute("select modelpack.retire('fresh', 2)")
    written = rows(
        churn,
        "select distinct t.what, t.by::text from ("
        " select 'model', created_by from modelpack.model where model = 'fresh'"
        " union all select 'disabled', disabled_by from modelpack.model where model = 'fresh'"
        " union all select 'version', created_by from modelpack.version where model = 'fresh'"
        " union all select 'login', created_login from modelpack.version where model = 'fresh'"
        " union all select 'permission', granted_by from modelpack.permission where model = 'fresh'"
        " union all select 'alias', set_by from modelpack.alias where model = 'fresh'"
        " union all select action, by from modelpack.promotion where model = 'fresh'"
        " union all select 'approval', p.by from modelpack.approval as p join modelpack.version as v using (version_id) where model = 'fresh'"
        " union all select 'retirement', r.by from modelpack.retirement as r join modelpack.version as v using (version_id) where model = 'fresh'"
        " union all select 'annotation', a.by from modelpack.annotation as a join modelpack.version as v using (version_id) where model = 'fresh'"
        " union all select 'inspection', i.checked_by from modelpack.inspection as i join modelpack.version as v using (version_id) where model = 'fresh'"
        ") as t (what, by)",
    )
    by_bob = {"approve", "withdraw", "approval"}
    assert {what for what, _ in written} == by_bob | {
        "model", "disabled", "version", "login", "permission", "alias", "promote", "unalias", "retire",
        "retirement", "annotation", "inspection",
    }  # fmt: skip
    assert [(what, by) for what, by in written if by != user(bob if what in by_bob else ann)] == []


def test_a_reader_predicts_with_nobody_elses_grant(churn: Session, people: Callable[..., Session]) -> None:
    evil = people("modelpack_reader")
    churn.execute("select modelpack.revoke_model('churn', 'modelpack_reader')")
    churn.execute(
        f"create schema evil authorization {user(evil)}; create table public.score (score float8); grant insert on public.score to public"
    )
    evil.execute(
        "create function evil.g() returns integer language plpgsql security definer as $$ begin"
        " insert into public.score select modelpack.predict('churn', '{\"n\": 1}');"
        " insert into public.score select score from modelpack.score_rows('churn', 1, '[{\"n\": 1}]');"
        " return 1; exception when insufficient_privilege then insert into public.score values (-1); return 1; end $$;create function evil.f(integer) returns integer language sql immutable as 'select evil.g()';"
        "create table evil.t (a integer); create index on evil.t (evil.f(a)); insert into evil.t values (1)"
    )
    churn.execute("analyze evil.t; reindex table evil.t; select evil.f(1)")
    assert set(rows(churn, "select score from public.score")) == {(-1.0,)}
    assert value(churn, "select modelpack.predict('churn', '{\"n\": 0}')") == 0.5
    with pytest.raises(errors.InsufficientPrivilege):
        evil.execute("select modelpack.predict('churn', '{\"n\": 1}')")


def test_two_run_maintain_and_nobody_else_can_hold_it_up(
    churn: Session, people: Callable[..., Session]
) -> None:
    nobody, monitor = people(), people("modelpack_monitor")
    for lock in ("hashtext('modelpack.maintain')", "hashtext('modelpack.install')"):
        nobody.execute(f"select pg_advisory_lock({lock})")
    for session in (nobody, monitor):
        session.execute("begin")
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute("lock table modelpack.turn in access share mode")
        session.execute("rollback")
    monitor.execute("set statement_timeout = '20s'")
    monitor.execute("select modelpack.maintain()")
    churn.execute("begin; select modelpack.maintain()")
    assert "in another session" in row(monitor, "select * from modelpack.maintain()")[1]
    churn.execute("rollback")


# -- the tables of docs/security.md ----------------------------------------------------------------------------

PAGE = Path(__file__).parents[2] / "docs" / "security.md"


def documented(head: str) -> dict[tuple[str, str], bool]:
    """(row, column) to whether it says yes, of the table whose first column has that head."""
    lines = PAGE.read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {head} |"))
    columns = [cell.strip().strip("`") for cell in lines[start].strip("|").split("|")[1:]]
    found: dict[tuple[str, str], bool] = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        found |= {(name, column): cell == "yes" for column, cell in zip(columns, cells, strict=True)}
    return found


def allowed(session: Session, call: Callable[[], Any]) -> bool:
    """Whether it may; what it does is taken back."""
    session.execute("begin")
    try:
        call()
    except errors.InsufficientPrivilege:
        return False
    finally:
        session.execute("rollback")
    return True


def test_each_role_may_do_to_a_model_what_the_table_says(
    churn: Session, people: Callable[..., Session]
) -> None:
    who = {
        "publisher, granted": people("modelpack_publisher"),
        "publisher": people("modelpack_publisher"),
        "approver": people("modelpack_approver"),
        "reader, granted": people("modelpack_reader"),
        "reader": people("modelpack_reader"),
        "monitor": people("modelpack_monitor"),
    }
    churn.execute("select modelpack.revoke_model('churn', 'modelpack_reader')")
    churn.execute("select modelpack.grant_model('churn', %s)", [user(who["publisher, granted"])])
    churn.execute("select modelpack.grant_model('churn', %s, 'predict')", [user(who["reader, granted"])])
    calls = {
        call.split("(")[0].removeprefix("modelpack."): call
        for call in VERBS.values()
        if call.startswith("modelpack.")
    }
    calls |= {
        "set_alias": VERBS["set_alias"],
        "enable": "modelpack.enable('churn')",
        "predict": "modelpack.predict('churn', '{\"n\": 1}')",
        "score_rows": "modelpack.score_rows('churn', 1, '[{\"n\": 1}]')",
        "diff": "modelpack.diff('churn', 1, 2)",
        "recheck": "modelpack.recheck('churn', 1)",
        "purge": "modelpack.purge()",
        "maintain": "modelpack.maintain()",
    }
    found = {
        (name, role): allowed(session, lambda s=session, c=call: s.execute(f"select {c}"))  # type: ignore[misc]
        for name, call in calls.items()
        for role, session in who.items()
    } | {
        ("publish", role): allowed(
            session, lambda s=session: publish(s, "churn", ["n"], [0.4], promote=False)
        )  # type: ignore[misc]
        for role, session in who.items()
    }
    assert found == documented("call")


def test_what_a_version_may_become_is_what_the_table_says(
    churn: Session, people: Callable[..., Session]
) -> None:
    ann, bob = people("modelpack_publisher"), people("modelpack_approver")
    states = ("new", "approved", "withdrawn", "retired", "the champion", "under another name")
    for _ in states:
        publish(ann, "fresh", ["n"], [0.5], promote=False)
    churn.execute("select modelpack.require_approval('fresh')")
    for number in (2, 3, 5):
        bob.execute("select modelpack.approve('fresh', %s)", [number])
    bob.execute("select modelpack.withdraw_approval('fresh', 3)")
    ann.execute("select modelpack.retire('fresh', 4)")
    ann.execute("select modelpack.promote('fresh', 5)")
    ann.execute("select modelpack.set_alias('fresh', 'challenger', 6)")
    calls = {
        "promote": (ann, "promote('fresh', %s)"),
        "set_alias": (ann, "set_alias('fresh', 'candidate', %s)"),
        "retire": (ann, "retire('fresh', %s)"),
        "approve": (bob, "approve('fresh', %s)"),
        "withdraw_approval": (bob, "withdraw_approval('fresh', %s)"),
    }
    found = {}
    for number, state in enumerate(states, start=1):
        for name, (session, call) in calls.items():
            session.execute("begin")
            try:
                session.execute("select modelpack." + call, [number])
                found[state, name] = True
            except errors.ObjectNotInPrerequisiteState:
                found[state, name] = False
            session.execute("rollback")
    assert found == documented("version")


CALLS = (
    "select modelpack.promote('churn', 2)",
    "begin; select MODELPACK.Promote('churn', 2)",
    'select "modelpack"."promote"(\'churn\', 2)',
    'select m."model", modelpack.promote(m."model", 2) from modelpack."model" as m',
    "do $$ begin perform modelpack.promote('churn', 2); end $$",
    "DO LANGUAGE plpgsql $a$ begin perform modelpack . promote ('churn', 2); end $a$",
    "/* why */ select modelpack.promote('it''s', 2) -- for ann",
    "select modelpack.promote($1, $2)",
    "select modelpack.promote('churn', 2, $$a reason$$)",
    "select E'a\\'b', modelpack.promote('churn', 2)",
    "select 'a\\', modelpack.promote('churn', 2), 'b'",
    "copy (select modelpack.promote('churn', 2)) to stdout",
)
NO_CALLS = (
    'select "id", " modelpack.promote(", "x" from "evil"."v"',
    'insert into "evil"."user" ("id", " modelpack.promote(") values (1, 2)',
    'select * from evil."modelpack.promote("',
    'select "a""b modelpack.promote("',
    'select U&"modelpack.promote("',
    'select "Modelpack".promote(1)',
    "select mymodelpack.promote(1)",
    "select modelpack.approve('churn', 2)",
    "insert into evil.note values ('text of a stranger: modelpack.promote(')",
    "select 'a''modelpack.promote('",
    "select E'\\' modelpack.promote( '",
    "select 'do $$ modelpack.promote( '",
    "select $$ modelpack.promote( $$",
    "select $a$ $$ modelpack.promote( $a$",
    "insert into evil.note values ('x') -- modelpack.promote(",
    "select /* modelpack.promote( */ 1",
    "select /* /* */ modelpack.promote( */ 1",
    "select 'x\x01', '\x02modelpack.promote('",
)


def test_what_a_statement_calls_is_told_by_its_code_alone(psql: Session) -> None:
    """Neither literals, comments nor quoted names are code; a quoted name that needs no quotes is the name."""
    called = "select modelpack.calls(%s, array['promote', 'rollback'])"
    assert [s for s in CALLS if value(psql, called, s) is not True] == []
    assert [s for s in NO_CALLS if value(psql, called, s) is not False] == []
    assert value(psql, "select modelpack.calls(null, array['promote'])") is None
    # a backslash may hide what ends a literal
    text = "select 'a\\' modelpack.promote( '"
    psql.execute("set standard_conforming_strings = off; set escape_string_warning = off")
    assert value(psql, "select modelpack.calls($1, array['promote'])".replace("$1", "%s"), text) is False
