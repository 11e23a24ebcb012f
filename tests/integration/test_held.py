"""What others can hold open keeps nobody waiting without an end: they are named, and the traffic goes on.

Where something waits, `lock_wait` is short here; a statement_timeout would say that it was not what ended the wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import text

import modelpack
from modelpack import Event, Profile, Score, count
from modelpack.connection import make_engine
from modelpack.errors import InstallError
from modelpack.install import installed, repair, uninstall
from tests.support import Session, attach, publish, row, rows, user, value, wrong

VISITOR = Profile(
    "visitor",
    key="id",
    events=[Event("visit", at="at", features={"n": count()})],
    scores=[Score("churn")],
)
LATER = replace(VISITOR, events=[Event("visit", at="at", features={"m": count()})])


def make_models(dsn: str) -> None:
    """Two versions of a model, and tables."""
    with psycopg.connect(dsn, autocommit=True) as session:
        for weight in (0.1, 0.2):
            publish(session, "churn", ["n"], [weight], promote=False)
        session.execute(
            "create table visitor (id bigint primary key);"
            "create table visit (id bigint, at timestamptz default now()); create index on visit (id);"
            "update modelpack.setting set value = '300 ms' where name in ('lock_wait', 'table_wait')"
        )


pytestmark = pytest.mark.prepared(setup=make_models)


@pytest.fixture
def psql(database: str) -> Iterator[Session]:
    """A superuser's session; two versions of a model, and tables that get another owner."""
    with psycopg.connect(database, autocommit=True, prepare_threshold=None) as session:
        session.execute("set statement_timeout = '60s'")
        yield session


@pytest.fixture
def owner(psql: Session, people: Callable[..., Session]) -> Session:
    """Whose tables they are."""
    session = people()
    psql.execute(f"alter table visitor owner to {user(session)}; alter table visit owner to {user(session)}")
    return session


def held(holder: Session) -> str:
    """How an error names him."""
    return rf"process {holder.info.backend_pid} \({user(holder)}, transaction open since 20"


def goes_on(owner: Session) -> None:
    """The application's traffic waits for nobody."""
    owner.execute("set lock_timeout = '2s'")
    owner.execute("insert into visit (id) values (1)")


GRANTS = (
    "grant usage on schema modelpack to {me}",
    "grant execute on function modelpack.amount(numeric) to {me}",
    "savepoint a; grant usage on schema modelpack to {me}; release a",
)


@pytest.mark.parametrize("grant", GRANTS)
def test_a_grant_that_is_left_open_ends_the_first_declaration_of_an_owner_soon_and_is_named(
    database: str, psql: Session, owner: Session, people: Callable[..., Session], grant: str
) -> None:
    reader = people("modelpack_reader")
    reader.execute(f"begin; {grant.format(me=user(reader))}")
    with pytest.raises(Exception, match=held(reader)):
        attach(database, VISITOR)
    goes_on(owner)
    # with the rights that he has now, nothing is granted again
    reader.execute("rollback")
    attach(database, VISITOR)
    reader.execute(f"begin; {grant.format(me=user(reader))}")
    attach(database, LATER)
    reader.execute("rollback")
    goes_on(owner)
    assert row(psql, "select m from visitor") == (2,)
    assert wrong(psql, "visitor") == []


def test_a_grant_on_a_table_that_is_left_open_ends_a_declaration_soon(
    database: str, owner: Session, people: Callable[..., Session]
) -> None:
    application = people()
    owner.execute(f"grant insert on visit to {user(application)}")
    application.execute(f"begin; grant insert on visit to {user(application)}")
    with pytest.raises(Exception, match=held(application)):
        attach(database, VISITOR)
    goes_on(owner)


@pytest.mark.parametrize("function", ["churn_version()", "churn_numbers(anyelement, timestamptz, integer)"])
def test_an_owner_who_leaves_a_grant_open_is_named_to_who_promotes(
    database: str, psql: Session, owner: Session, function: str
) -> None:
    attach(database, VISITOR)
    owner.execute(f"begin; grant execute on function modelpack.visitor_score_{function} to {user(owner)}")
    with pytest.raises(errors.LockNotAvailable, match="holds the function modelpack") as found:
        psql.execute("select modelpack.promote('churn', 1)")
    assert held(owner).replace("\\", "") in str(found.value)
    assert value(psql, "show lock_timeout") == "0"
    # the limit of the session is the one that holds where there is one
    psql.execute(
        "update modelpack.setting set value = '1 h' where name = 'lock_wait'; set lock_timeout = '200ms'"
    )
    with pytest.raises(errors.LockNotAvailable, match="holds the function"):
        psql.execute("select modelpack.promote('churn', 1)")
    owner.execute("commit")
    psql.execute("select modelpack.promote('churn', 1)")
    goes_on(owner)
    assert row(psql, "select churn_version, churn_stale from visitor") == (1, None)


def test_who_promotes_beside_an_open_promotion_is_told_whose_it_is(
    database: str, psql: Session, owner: Session, people: Callable[..., Session]
) -> None:
    attach(database, VISITOR)
    ann = people("modelpack_publisher")
    psql.execute("select modelpack.grant_model('churn', %s)", [user(ann)])
    ann.execute("begin; select modelpack.promote('churn', 1)")
    with pytest.raises(errors.LockNotAvailable, match="publishes, promotes") as found:
        psql.execute("select modelpack.promote('churn', 2)")
    assert held(ann).replace("\\", "") in str(found.value)
    # so is who applies a declaration, and lets its tables go
    with pytest.raises(Exception, match=held(ann)):
        attach(database, LATER)
    goes_on(owner)


def test_to_declare_replace_and_take_off_locks_the_tables_of_the_declaration_alone(
    database: str, psql: Session
) -> None:
    psql.execute(
        "create table guest (id bigint primary key); create table call (id bigint, at timestamptz default now())"
    )
    attach(
        database, replace(VISITOR, table="guest", events=[Event("call", at="at", features={"n": count()})])
    )
    strong = text(
        "select relation::regclass::text from pg_locks where pid = pg_backend_pid() and locktype = 'relation'"
        " and mode in ('ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"
    )
    engine = make_engine(database)
    for change in ("first", "again", "off"):
        with engine.begin() as connection:
            if change == "off":
                connection.execute(text("select modelpack.detach('public.visitor')"))
            else:
                modelpack.apply(connection, VISITOR if change == "first" else LATER)
            locked = set(connection.execute(strong).scalars())
        assert {"visitor", "visit"} <= locked, change
        assert not locked & {"guest", "call"}, change
    engine.dispose()


def test_a_dropped_profile_is_forgotten_by_its_own_name_alone(database: str, psql: Session) -> None:
    psql.execute(
        "create table guest (id bigint primary key); create table call (id bigint, at timestamptz default now())"
    )
    attach(database, VISITOR)
    attach(
        database, replace(VISITOR, table="guest", events=[Event("call", at="at", features={"n": count()})])
    )
    psql.execute("drop table guest")
    with pytest.raises(errors.UndefinedObject, match=r"there is no declaration of public\.nobody"):
        psql.execute("select modelpack.detach_dropped('public.nobody')")
    psql.execute("select modelpack.detach_dropped('guest')")
    assert rows(psql, "select name from modelpack.profile") == [("public.visitor",)]
    goes_on(psql)
    assert row(psql, "select n from visitor") == (1,)


# -- what depends on what is dropped --------------------------------------------------------------------------

MADE = (
    "create view {where}.mine as select modelpack.visitor_score_churn_version()",
    "create view {where}.mine as select modelpack.visitor_score_churn_numbers(null::int, now(), 1)",
    "create table {where}.mine (n integer default modelpack.visitor_score_churn_version())",
    "create view {where}.mine as select n from public.visitor",
    "create function {where}.mine() returns bigint begin atomic select n from public.visitor limit 1; end",
)


@pytest.mark.parametrize("made", MADE)
def test_what_is_temporary_and_depends_on_a_declaration_goes_with_it(
    database: str, psql: Session, people: Callable[..., Session], made: str
) -> None:
    attach(database, VISITOR)
    reader = people("modelpack_reader")
    reader.execute(made.format(where="pg_temp"))
    attach(database, LATER)
    assert (
        value(
            reader, "select count(*) from pg_class where relnamespace = pg_my_temp_schema() and relkind = 'v'"
        )
        == 0
    )
    reader.execute(made.format(where="pg_temp").replace("mine", "again").replace("select n", "select m"))
    psql.execute("select modelpack.detach('public.visitor')")
    assert rows(
        psql,
        "select attname from pg_attribute where attrelid = 'visitor'::regclass and attnum > 0 and not attisdropped",
    ) == [("id",)]


@pytest.mark.parametrize("made", MADE)
def test_what_lasts_and_depends_on_a_declaration_is_named_with_the_statement_that_drops_it(
    database: str, psql: Session, owner: Session, people: Callable[..., Session], made: str
) -> None:
    attach(database, VISITOR)
    reader = people("modelpack_reader")
    psql.execute(f"create schema hers authorization {user(reader)}")
    reader.execute(made.format(where="hers"))
    with pytest.raises(Exception, match=f"hers.mine.*, of {user(reader)}"):
        attach(database, LATER)
    goes_on(owner)
    with pytest.raises(errors.DependentObjectsStillExist, match=f"mine.*, of {user(reader)}") as found:
        psql.execute("select modelpack.detach('public.visitor')")
    psql.execute(str(found.value.diag.message_hint).split("try again: ")[1])
    psql.execute("select modelpack.detach('public.visitor')")


def test_a_view_of_a_transaction_that_is_open_is_waited_for_no_longer_than_is_said(
    database: str, psql: Session, owner: Session, people: Callable[..., Session]
) -> None:
    attach(database, VISITOR)
    reader = people("modelpack_reader")
    reader.execute("create view pg_temp.mine as select modelpack.visitor_score_churn_version()")
    reader.execute("begin; lock table pg_temp.mine in access share mode")
    with pytest.raises(Exception, match=held(reader)):
        attach(database, LATER)
    goes_on(owner)
    reader.execute("rollback; begin; create view pg_temp.other as select modelpack.visitor_batched()")
    psql.execute("update modelpack.setting set value = '20 s' where name = 'lock_wait'")
    reader.execute("commit")
    attach(database, LATER)


def test_uninstalling_takes_along_what_is_temporary_and_names_what_lasts(
    database: str, psql: Session, people: Callable[..., Session]
) -> None:
    attach(database, VISITOR)
    reader = people("modelpack_reader")
    psql.execute(f"create schema hers authorization {user(reader)}")
    reader.execute("create view pg_temp.mine as select * from modelpack.versions")
    reader.execute(
        "create function pg_temp.mine(modelpack.scored) returns integer language sql as 'select 1'"
    )
    reader.execute("create view hers.lasting as select * from modelpack.versions")
    psql.execute("create table kept (a integer); alter table kept owner to modelpack_owner")
    engine = make_engine(database)

    def gone() -> None:
        with engine.begin() as connection:
            uninstall(connection)

    with pytest.raises(Exception, match=f"view hers.lasting, of {user(reader)}"):
        gone()
    assert value(psql, "select to_regclass('modelpack.versions') is not null")
    psql.execute("drop view hers.lasting")
    with pytest.raises(Exception, match=r"table public\.kept, of modelpack_owner"):
        gone()
    psql.execute("alter table kept owner to current_user; create table modelpack.theirs (a integer)")
    with pytest.raises(Exception, match=r"table modelpack\.theirs"):
        gone()
    psql.execute("drop table modelpack.theirs")
    reader.execute("begin; select from modelpack.versions")
    with engine.begin() as connection:
        connection.exec_driver_sql("set lock_timeout = '300ms'")
        with pytest.raises(InstallError, match=rf"process {reader.info.backend_pid} \({user(reader)}"):
            uninstall(connection)
    reader.execute("rollback")
    gone()
    with engine.begin() as connection:
        assert installed(connection) is None
    engine.dispose()


def test_a_repair_beside_a_grant_that_is_left_open_names_who_left_it(
    database: str, people: Callable[..., Session]
) -> None:
    reader = people("modelpack_reader")
    reader.execute(f"begin; grant usage on schema modelpack to {user(reader)}")
    engine = make_engine(database)
    with engine.begin() as connection:
        connection.exec_driver_sql("set lock_timeout = '300ms'")
        with pytest.raises(InstallError, match=rf"process {reader.info.backend_pid} \({user(reader)}"):
            repair(connection)
    engine.dispose()


def test_a_view_of_a_partition_of_the_log_keeps_it_from_being_dropped_only_where_it_lasts(
    psql: Session, people: Callable[..., Session]
) -> None:
    monitor = people("modelpack_monitor")
    psql.execute("update modelpack.setting set value = '0 days' where name = 'log_retention'")
    psql.execute(f"create schema hers authorization {user(monitor)}")
    oldest = "select min(partition) from modelpack.log_partitions()"
    psql.execute(
        "create table modelpack.prediction_20200101 partition of modelpack.prediction for values from ('2020-01-01') to ('2020-01-02');"
        "alter table modelpack.prediction_20200101 owner to modelpack_owner"
    )
    monitor.execute("create view pg_temp.mine as select * from modelpack.prediction_20200101")
    monitor.execute("create view hers.lasting as select * from modelpack.prediction_20200101")
    said = dict(rows(monitor, "select * from modelpack.maintain()"))["prediction_20200101"]
    assert f"view hers.lasting, of {user(monitor)}" in said
    assert value(psql, oldest) == "prediction_20200101"
    monitor.execute("drop view hers.lasting")
    assert dict(rows(monitor, "select * from modelpack.maintain()"))["prediction_20200101"] == "dropped"


# -- DDL of an application's owner ----------------------------------------------------------------------------


def test_a_column_gets_another_type_beside_an_open_promotion(
    database: str, psql: Session, owner: Session, people: Callable[..., Session]
) -> None:
    attach(database, VISITOR)
    goes_on(owner)
    ann = people("modelpack_publisher")
    psql.execute("select modelpack.grant_model('churn', %s)", [user(ann)])
    ann.execute("begin; select modelpack.promote('churn', 1)")
    owner.execute("alter table visit alter column at type timestamp, add column more text")
    owner.execute("alter table visitor add column more text")
    goes_on(owner)
    ann.execute("commit")
    goes_on(owner)
    assert row(psql, "select n, churn_version from visitor") == (3, 1)


def test_a_function_that_is_held_ends_a_change_of_a_table_soon(
    database: str, psql: Session, owner: Session, people: Callable[..., Session]
) -> None:
    attach(database, VISITOR)
    holder = people()
    psql.execute(f"grant {user(owner)} to {user(holder)}")
    function = value(
        psql,
        "select f.oid::regprocedure from pg_proc as f join pg_trigger as t on t.tgfoid = f.oid"
        " where t.tgrelid = 'visit'::regclass order by f.oid limit 1",
    )
    holder.execute(f"begin; grant execute on function {function} to {user(owner)}")
    with pytest.raises(errors.LockNotAvailable, match="holds the function") as found:
        owner.execute("alter table visit add column more text")
    assert held(holder).replace("\\", "") in str(found.value)
    goes_on(owner)


def test_a_partition_comes_without_waiting_long_for_who_counts_a_profile_again(
    database: str, psql: Session, people: Callable[..., Session]
) -> None:
    psql.execute(
        "create table ping (id bigint, at date) partition by range (at); create index on ping (id);"
        "create table ping_1 partition of ping for values from ('2024-01-01') to ('2024-02-01');"
        "create table ping_2 (like ping); insert into ping_2 values (1, '2024-02-02')"
    )
    attach(database, replace(VISITOR, events=[Event("ping", at="at", features={"n": count()})], scores=[]))
    psql.execute("insert into ping values (1, '2024-01-02')")
    publisher = people("modelpack_publisher")
    publisher.execute("begin; select modelpack.chunk('rebuild', 'visitor', 0, null)")
    psql.execute("set lock_timeout = 0")
    attach_it = "alter table ping attach partition ping_2 for values from ('2024-02-01') to ('2024-03-01')"
    with pytest.raises(errors.LockNotAvailable, match="is counted with its partitions") as found:
        psql.execute(attach_it)
    assert held(publisher).replace("\\", "") in str(found.value)
    publisher.execute("rollback")
    psql.execute(f"{attach_it}; drop table ping_1")
    assert row(psql, "select n from visitor") == (1,)


# -- tables that stand alone ----------------------------------------------------------------------------------

KIN = (
    ("create table child () inherits (visit)", "visit", "has public.child, which inherits from it"),
    ("create table child (x text) inherits (visitor)", "visitor", "has public.child, which inherits from it"),
    ("alter table old_visit inherit visit", "visit", "has public.old_visit, which inherits from it"),
    ("alter table visit inherit old_visit", "visit", "inherits from public.old_visit"),
    ("alter table web attach partition visit default", "visit", "is a partition of public.web"),
    (
        "create schema there create table child () inherits (public.visit)",
        "visit",
        "has there.child, which inherits from it",
    ),
)


@pytest.mark.parametrize(("statement", "table", "kin"), KIN)
def test_no_table_gets_kin_whose_rows_would_not_be_counted(
    database: str, psql: Session, owner: Session, statement: str, table: str, kin: str
) -> None:
    psql.execute(
        f"grant create on schema public to {user(owner)}; grant create on database {psql.info.dbname} to {user(owner)}"
    )
    attach(database, VISITOR)
    owner.execute("create table old_visit (like visit); create table web (like visit) partition by list (id)")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match=f"public.{table}, an? .*, now {kin}"):
        owner.execute(statement)
    # what does not touch them goes on
    owner.execute("create table heir () inherits (old_visit)")
    # one that came while the event trigger was off is found, and what is said to be run mends it
    psql.execute("alter event trigger modelpack_alone disable")
    owner.execute(statement)
    psql.execute("alter event trigger modelpack_alone enable")
    found = rows(
        psql, "select found from modelpack.doctor() where status = 'fail' and \"check\" like 'kin of %'"
    )
    assert found == [(f"public.{table} {kin}",)]
    owner.execute("alter table visit set (fillfactor = 90)")


def test_a_foreign_table_becomes_no_partition_of_an_event_table(database: str, psql: Session) -> None:
    psql.execute(
        "create foreign data wrapper none; create server afar foreign data wrapper none;"
        "create table ping (id bigint, at date) partition by range (at); create index on ping (id)"
    )
    attach(database, replace(VISITOR, events=[Event("ping", at="at", features={"n": count()})], scores=[]))
    with pytest.raises(
        errors.ObjectNotInPrerequisiteState, match=r"has the partition public\.ping_1, a foreign table"
    ):
        psql.execute(
            "create foreign table ping_1 partition of ping for values from ('2024-01-01') to ('2024-02-01') server afar"
        )


def test_a_partition_that_comes_with_a_schema_is_counted(database: str, psql: Session) -> None:
    psql.execute("create table ping (id bigint, at date) partition by range (at); create index on ping (id)")
    attach(database, replace(VISITOR, events=[Event("ping", at="at", features={"n": count()})], scores=[]))
    psql.execute(
        "create schema there create table ping_1 partition of public.ping for values from ('2024-01-01') to ('2024-02-01')"
    )
    psql.execute("insert into there.ping_1 values (1, '2024-01-02')")
    assert row(psql, "select n from visitor") == (1,)
