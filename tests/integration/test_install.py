"""The schema: installed, installed again, refused in words, taken away without a trace."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Connection, text

from modelpack import InstallError, Registry, apply, remove
from modelpack import install as schema
from modelpack.connection import make_engine
from modelpack.install import install, installed, require, script, uninstall
from modelpack.plpython_source import body, functions
from modelpack.wheels import check_wheels, server_wheels
from tests.conftest import clone
from tests.example import CUSTOMER, TABLES, dump, packaged, run_script


@pytest.fixture
def role(new_role: Callable[..., str]) -> str:
    """A role without any right."""
    return new_role()


def test_a_second_install_changes_nothing(database: str, server_wheels: Path | None) -> None:
    engine = make_engine(database)
    question = text(
        "select array_agg(xmin::text order by oid) from pg_proc where pronamespace = 'modelpack'::regnamespace"
    )
    with engine.begin() as connection:
        before = connection.execute(question).scalar()
        assert install(connection, server_wheels) == schema.head()
    with engine.connect() as connection:
        assert connection.execute(question).scalar() == before


def test_every_function_in_the_database_is_the_live_source(psql: psycopg.Connection[tuple[str, str]]) -> None:
    found = dict(
        psql.execute(
            "select proname, prosrc from pg_proc where pronamespace = 'modelpack'::regnamespace"
        ).fetchall()
    )
    for name in functions():
        assert found[name].strip("\n") == body(name).strip("\n"), name


def test_every_object_has_a_comment(psql: psycopg.Connection[tuple[str]]) -> None:
    bare = psql.execute(
        """
        select c.relname || coalesce('.' || a.attname, '')
          from pg_class as c
          left join lateral (select attname, attnum from pg_attribute where attrelid = c.oid and attnum > 0
                             and not attisdropped and c.relkind in ('r', 'p') union all select null, 0) as a on true
         where c.relnamespace = 'modelpack'::regnamespace and c.relkind in ('r', 'p', 'v') and not c.relispartition
           and c.relname <> 'alembic_version' and col_description(c.oid, a.attnum) is null
           and (a.attnum <> 0 or obj_description(c.oid, 'pg_class') is null)
        union all
        select p.oid::regprocedure::text from pg_proc as p
         where p.pronamespace = 'modelpack'::regnamespace and obj_description(p.oid, 'pg_proc') is null
        """
    ).fetchall()
    assert bare == []


def test_nothing_can_be_executed_by_public(psql: psycopg.Connection[tuple[str]]) -> None:
    assert (
        psql.execute(
            "select p.oid::regprocedure::text from pg_proc as p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a "
            "where p.pronamespace = 'modelpack'::regnamespace and a.grantee = 0"
        ).fetchall()
        == []
    )


def test_the_script_gives_what_install_gives(
    database: str, empty_database: str, server_wheels: Path | None
) -> None:
    run_script(empty_database, script(server_wheels))
    same = ("--schema", "modelpack", "--exclude-table-data", "modelpack.secret")
    assert dump(empty_database, *same) == dump(database, *same)


def test_uninstall_leaves_the_users_tables_as_they_were(
    empty_database: str, server_wheels: Path | None
) -> None:
    run_script(empty_database, TABLES)
    before = dump(empty_database)
    engine = make_engine(empty_database)
    with engine.begin() as connection:
        install(connection, server_wheels)
        Registry(connection).publish_package(packaged(), name="churn", promote=True)
        apply(connection, CUSTOMER)
        connection.execute(text("insert into complaint (customer_id, severity) values (1, 3)"))
        connection.execute(text("delete from complaint where id > 200"))
    assert dump(empty_database) != before
    with engine.begin() as connection:
        uninstall(connection)
    # what stays: the extension, which others may use too, and how far the sequence has come
    stays = ("plpython3u", "setval('public.complaint_id_seq'")
    after = dump(empty_database)
    assert [line for line in after if not any(s in line for s in stays)] == [
        line for line in before if not any(s in line for s in stays)
    ]


def shipped(connection: Connection) -> list[tuple[object, ...]]:
    """What a revision installs: functions, tables and views with owners, rights and texts; not what declarations generate."""
    found = connection.execute(
        text(
            # keep_shipped lists all others in the order in which they were made, and one that was replaced is the last
            "select p.oid::regprocedure::text, p.proowner::regrole::text, p.proacl::text, md5(case when p.proname = 'keep_shipped'"
            "       then (select string_agg(part, ',' order by part) from regexp_split_to_table(pg_get_functiondef(p.oid), '[,{}]') as part)"
            "       else pg_get_functiondef(p.oid) end)"
            "  from pg_proc as p where p.pronamespace = 'modelpack'::regnamespace and p.prokind in ('f', 'p')"
            "   and coalesce(obj_description(p.oid, 'pg_proc'), '') !~ '\\[[^]]*\\]$'"
            " union all "
            "select c.relname, c.relowner::regrole::text, c.relacl::text, md5(concat(pg_get_viewdef(c.oid), (select string_agg(concat_ws(' ',"
            "       a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull), ', ' order by a.attnum)"
            "       from pg_attribute as a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),"
            "       (select string_agg(pg_get_triggerdef(t.oid), ', ' order by t.tgname) from pg_trigger as t where t.tgrelid = c.oid and not t.tgisinternal),"
            "       (select string_agg(pg_get_constraintdef(t.oid), ', ' order by t.conname) from pg_constraint as t where t.conrelid = c.oid)))"
            "  from pg_class as c where c.relnamespace = 'modelpack'::regnamespace and c.relkind in ('r', 'p', 'v') and not c.relispartition"
            " order by 1"
        )
    )
    return [tuple(row) for row in found]


def test_every_revision_goes_down_and_up_again_with_data_in_place(
    empty_database: str, server_wheels: Path | None
) -> None:
    from alembic import command

    run_script(empty_database, TABLES)
    engine = make_engine(empty_database)
    states = {}
    for revision in schema.revisions():
        with engine.begin() as connection:
            install(connection, server_wheels, revision)
            states[revision] = shipped(connection)
    assert len({len(state) for state in states.values()}) == len(states)
    with engine.begin() as connection:
        Registry(connection).publish_package(packaged(engine="onnx"), name="churn", promote=True)
        apply(connection, CUSTOMER)
    for revision in [*schema.revisions()[-2::-1], "base"]:
        with engine.begin() as connection:
            command.downgrade(schema.alembic_config(connection), revision)
            if revision != "base":
                connection.execute(text("insert into complaint (customer_id, severity) values (1, 3)"))
                assert (
                    connection.execute(
                        text("select churn_stale from customer where customer_id = 1")
                    ).scalar()
                    is None
                )
                assert shipped(connection) == states[revision]
    with engine.begin() as connection:
        assert connection.execute(text("select count(*) from customer")).scalar() == 50
        assert install(connection, server_wheels) == schema.head()
        assert shipped(connection) == states[schema.head()]


def test_two_installs_at_once_both_end_well(empty_database: str, server_wheels: Path | None) -> None:
    from concurrent.futures import ThreadPoolExecutor

    command = [sys.executable, "-m", "modelpack", "install", "--json", "--dsn", empty_database]
    if server_wheels:
        command += ["--server-wheels", str(server_wheels)]

    def attempt(_: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(attempt, range(2)))
    assert [d.returncode for d in done] == [0, 0], [d.stderr for d in done]
    assert sorted(json.loads(d.stdout)["changed"] for d in done) == [False, True]


def test_a_role_of_modelpack_owner_applies_to_its_own_tables(database: str, role: str) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"grant modelpack_owner to {role}")
        admin.execute(f"grant usage, create on schema public to {role} with grant option")
    run_script(make_conninfo(database, options=f"-c role={role}"), TABLES)
    engine = make_engine(make_conninfo(database, options=f"-c role={role}"))
    with engine.begin() as connection:
        assert apply(connection, CUSTOMER)
    with engine.begin() as connection:
        connection.execute(text("insert into complaint (customer_id, severity) values (1, 3)"))
        stale = connection.execute(text("select churn_stale from customer where customer_id = 1")).scalar()
        assert stale is not None
        remove(connection, CUSTOMER)
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"drop owned by {role}")


def test_a_database_without_the_schema_is_told_so(empty_database: str) -> None:
    with make_engine(empty_database).connect() as connection:
        assert installed(connection) is None
        with pytest.raises(InstallError, match=r"has no modelpack schema.*run `modelpack install`"):
            require(connection)


def test_an_older_schema_is_named_with_the_command(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = schema.head()
    monkeypatch.setattr(schema, "head", lambda: "9000")
    with (
        make_engine(database).connect() as connection,
        pytest.raises(
            InstallError, match=f"version {found}, this modelpack needs 9000; run `modelpack install`"
        ),
    ):
        require(connection)


def test_a_newer_schema_is_named_with_the_command(database: str) -> None:
    engine = make_engine(database)
    with engine.begin() as connection:
        connection.execute(text("update modelpack.alembic_version set version_num = '9999'"))
    with engine.begin() as connection:
        for refused in (require, install, uninstall):
            with pytest.raises(
                InstallError, match=r"9999, which this modelpack .* does not know; upgrade the package"
            ):
                refused(connection)


def test_a_server_without_plpython_is_refused_before_anything_changes(empty_database: str) -> None:
    with make_engine(empty_database).connect() as connection:
        connection.execute(
            text(
                "create temporary view pg_available_extensions as select 'none'::name as name, null::text as installed_version"
            )
        )
        with pytest.raises(InstallError, match=r"no PL/Python.*apt-get install postgresql-plpython3-\d+"):
            install(connection)
        assert connection.execute(text("select to_regnamespace('modelpack')")).scalar() is None


def test_a_role_that_is_no_superuser_is_refused(empty_database: str, role: str) -> None:
    engine = make_engine(make_conninfo(empty_database, options=f"-c role={role}"))
    with (
        engine.connect() as connection,
        pytest.raises(InstallError, match=f"{role} is no superuser.*as a superuser"),
    ):
        install(connection)


def test_a_server_that_is_too_old_is_refused(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIN_SERVER", 990000)
    with (
        make_engine(empty_database).connect() as connection,
        pytest.raises(InstallError, match=r"the server is PostgreSQL \d+, expected 14 or newer"),
    ):
        install(connection)


def test_wheels_that_the_server_cannot_see_are_refused_and_nothing_is_installed(empty_database: str) -> None:
    engine = make_engine(empty_database)
    with (
        pytest.raises(InstallError, match=r"sees no folder /nowhere/at/all.*modelpack server-setup"),
        engine.begin() as connection,
    ):
        install(connection, Path("/nowhere/at/all"))
    with engine.connect() as connection:
        assert connection.execute(text("select to_regnamespace('modelpack')")).scalar() is None


def test_wheels_for_another_python_are_refused(database: str) -> None:
    engine = make_engine(database)
    with engine.begin() as connection:  # the server writes the folder: its user can read it
        folder = Path(
            connection.execute(
                text("select current_setting('data_directory') || '/mp_' || md5(random()::text)")
            ).scalar_one()
        )
        connection.exec_driver_sql(
            "do language plpython3u $$\nimport os\n"
            f"for name, content in (('onnxruntime-1.dist-info/WHEEL', 'Tag: cp27-cp27m-any\\n'), "
            "('numpy/__init__.py', 'raise ImportError(\"built for another Python\")\\n')):\n"
            f"    path = os.path.join({str(folder)!r}, name)\n"
            "    os.makedirs(os.path.dirname(path))\n    open(path, 'w').write(content)\n$$",
            execution_options={"no_parameters": True},
        )
        before = server_wheels(connection)
    try:
        with (
            pytest.raises(
                InstallError,
                match=r"wheels for cp27, expected cp3.*built for another Python.*modelpack server-setup",
            ),
            engine.begin() as connection,
        ):
            install(connection, folder)
        with engine.begin() as connection:
            assert server_wheels(connection) == before
            check_wheels(connection)
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(
                f"do language plpython3u $$import shutil; shutil.rmtree({str(folder)!r})$$"
            )


def test_a_relative_folder_of_wheels_is_refused(database: str) -> None:
    with make_engine(database).begin() as connection, pytest.raises(InstallError, match="is relative"):
        install(connection, Path("wheels"))


def test_two_databases_can_be_installed_at_once(server: str, empty_database: str) -> None:
    """Roles and their comments are the whole server's."""

    def second(dsn: str) -> str:
        with make_engine(dsn).begin() as connection:
            return install(connection)

    for other in clone(server, "template0"):
        with make_engine(empty_database).connect() as holder, ThreadPoolExecutor(1) as pool:
            with holder.begin() as transaction, psycopg.connect(server, autocommit=True) as watcher:
                assert install(holder) == schema.head()
                done = pool.submit(second, other)
                waits = "select exists (select from pg_stat_activity where datname = %s and wait_event_type = 'Lock')"
                name = conninfo_to_dict(other)["dbname"]
                while watcher.execute(waits, [name]).fetchone() != (True,):
                    assert not done.done(), done.exception()
                transaction.commit()
            assert done.result(60) == schema.head()
