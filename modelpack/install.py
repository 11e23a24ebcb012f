"""Installs the schema modelpack in a database, by the migrations that come with the package."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from modelpack.errors import InstallError
from modelpack.settings import pinned
from modelpack.snapshots import MIGRATIONS, current, head, names
from modelpack.wheels import check_wheels, set_server_wheels

if TYPE_CHECKING:  # loaded by what runs a migration: whoever only reads the database does not wait for it
    from alembic.config import Config

MIN_SERVER = 140000


def create_schema() -> str:
    """The schema comes first: the version table lives in it. One of somebody else may have functions under our names."""
    return """do $schema$
begin
  if exists (select from pg_catalog.pg_namespace as n join pg_catalog.pg_roles as r on r.oid = n.nspowner
              where n.nspname = 'modelpack' and not r.rolsuper) then
    raise exception using
      errcode = 'insufficient_privilege',
      message = 'there is a schema modelpack already, and it belongs to no superuser',
      detail = 'Its owner could put functions of his own in the place of ours, which superusers run.',
      hint = 'drop schema modelpack';
  end if;
  create schema if not exists modelpack;
end
$schema$"""


def one_at_a_time() -> str:
    """Two at once: the second waits, then finds what the first one did. Held until the transaction ends.

    Only a superuser can take it, and nothing but the DDL of event triggers waits for it; anybody can hold an advisory lock.
    """
    return "lock table pg_catalog.pg_event_trigger in exclusive mode"


def normal_dsn(dsn: str | None) -> str:
    """A DSN as SQLAlchemy's URL for psycopg. Takes postgresql://… and libpq's key=value form."""
    if not dsn:
        raise InstallError("no database is named; pass --dsn postgresql://… or set MODELPACK_DSN")
    if "://" not in dsn:
        import psycopg

        try:
            parts = psycopg.conninfo.conninfo_to_dict(dsn)
        except psycopg.Error as error:
            raise InstallError(
                f"{_shown(dsn)!r} is no DSN: {str(error).strip()}; expected e.g. postgresql://user@host:5432/database"
            ) from error
        return (
            make_url("postgresql+psycopg://")
            .set(
                database=str(parts.pop("dbname", "") or "") or None,
                query={k: str(v) for k, v in parts.items()},
            )
            .render_as_string(hide_password=False)
        )
    try:
        url = make_url(re.sub(r"^(postgres|postgresql)(\+\w+)?://", "postgresql+psycopg://", dsn))
    except ArgumentError as error:
        raise InstallError(
            f"{_shown(dsn)!r} is no DSN; expected e.g. postgresql://user@host:5432/database"
        ) from error
    if url.get_backend_name() != "postgresql":
        raise InstallError(
            f"{_shown(dsn)!r} is no PostgreSQL DSN; expected e.g. postgresql://user@host:5432/database"
        )
    return url.render_as_string(hide_password=False)


def _shown(dsn: str) -> str:
    """A DSN without its password."""
    return re.sub(r"(://[^:/@]*:)[^@]*@|(password\s*=\s*)('[^']*'|\S+)", r"\1\2***", dsn)


def run_sql(sql: str) -> None:
    """Run SQL text as it is in a migration: no bind parameters, whatever colons or percent signs it has."""
    from alembic import op

    context = op.get_context()
    if context.as_sql:
        context.impl.static_output(sql.rstrip().rstrip(";") + ";")
    else:
        op.get_bind().exec_driver_sql(sql, execution_options={"no_parameters": True})


def alembic_config(connection: Connection | None = None, output: io.StringIO | None = None) -> Config:
    """Alembic's configuration for the migrations of this package; nothing in it comes from the environment."""
    from alembic.config import Config

    config = Config(output_buffer=output)
    config.attributes["server_wheels"] = None
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def installed(connection: Connection) -> str | None:
    """The schema version that the database has; None without one."""
    trusted = connection.execute(
        text(
            "select c.relkind = 'r' and pg_catalog.bool_and(r.rolsuper) from pg_catalog.pg_class as c "
            "join pg_catalog.pg_namespace as n on n.oid = c.relnamespace join pg_catalog.pg_roles as r on r.oid in (c.relowner, n.nspowner) "
            "where n.nspname = 'modelpack' and c.relname = 'alembic_version' group by c.relkind"
        )
    ).scalar()
    if trusted is None:
        return None
    if not trusted:  # what looks like a version may be a view with functions that run as whoever reads it
        raise InstallError(
            "modelpack.alembic_version is not what `modelpack install` made: a table and a schema that belong to a superuser; "
            "as a superuser: alter schema modelpack owner to …; alter table modelpack.alembic_version owner to …"
        )
    found = connection.execute(text("select version_num from modelpack.alembic_version")).scalar_one_or_none()
    return None if found is None else str(found)


def require(connection: Connection) -> None:
    """Raise InstallError, with the command to run, unless the schema is the one that this package needs."""
    found, needed = installed(connection), head()
    if found == needed:
        return
    if found is None:
        raise InstallError(
            f"the database has no modelpack schema, expected version {needed}; run `modelpack install`"
        )
    if found in revisions():
        raise InstallError(
            f"the schema has version {found}, this modelpack needs {needed}; run `modelpack install`"
        )
    raise InstallError(
        f"the schema has version {found}, which this modelpack (up to {needed}) does not know; "
        "upgrade the package: pip install --upgrade modelpack"
    )


def check_server(connection: Connection) -> None:
    """Raise InstallError, in words, where the server cannot carry modelpack."""
    number = int(connection.execute(text("select current_setting('server_version_num')")).scalar_one())
    if number < MIN_SERVER:
        raise InstallError(f"the server is PostgreSQL {number // 10000}, expected 14 or newer")
    available = connection.execute(
        text("select installed_version is not null from pg_available_extensions where name = 'plpython3u'")
    ).scalar()
    if available is None:
        raise InstallError(
            f"the server has no PL/Python, expected the extension plpython3u; install it on the server, "
            f"on Debian and Ubuntu: apt-get install postgresql-plpython3-{number // 10000}"
        )
    encoding = connection.execute(text("select current_setting('server_encoding')")).scalar()
    if encoding == "SQL_ASCII":
        raise InstallError(
            "the database has the encoding SQL_ASCII, in which bytes are of no certain character and a model could not "
            "tell texts apart, expected UTF8 (or another that names its characters); make a database with UTF8 "
            "and restore a dump into it with the --encoding that its texts really have"
        )
    superuser = connection.execute(
        text("select rolsuper from pg_roles where rolname = current_user")
    ).scalar()
    if not superuser:
        role = connection.execute(text("select current_user")).scalar()
        raise InstallError(
            f"the role {role} is no superuser; PL/Python functions need one to be made (not to be used): "
            "run `modelpack install` as a superuser such as postgres"
        )


def unnamed_holder(error: OperationalError) -> bool:
    """Whether the server gave up waiting for a lock and could not say whose it is; modelpack's functions can."""
    diagnostics = getattr(error.orig, "diag", None)
    return getattr(diagnostics, "sqlstate", None) == "55P03" and not getattr(
        diagnostics, "message_hint", None
    )


@contextmanager
def bounded(connection: Connection, limit: str) -> Iterator[None]:
    """Wait no longer for others, unless the session has a lock_timeout of its own; then say whose they are."""
    own = connection.execute(
        text(
            "select set_config('lock_timeout', :limit, true) from pg_catalog.pg_settings where name = 'lock_timeout' and setting = '0'"
        ),
        {"limit": limit},
    ).first()
    try:
        with connection.begin_nested():
            yield
    except OperationalError as error:
        if not unnamed_holder(error):
            raise
        holders = connection.exec_driver_sql(
            "select pg_catalog.string_agg('process ' || a.pid || ' (' || a.usename || ', transaction open since ' || "
            "pg_catalog.date_trunc('second', a.xact_start) || ')', '; ' order by a.xact_start) from pg_catalog.pg_stat_activity as a "
            "where a.pid <> pg_catalog.pg_backend_pid() and (a.datname = pg_catalog.current_database() and a.backend_xid is not null "
            "or exists (select from pg_catalog.pg_locks as l join pg_catalog.pg_class as c on c.oid = l.relation "
            "join pg_catalog.pg_namespace as n on n.oid = c.relnamespace "
            "where l.pid = a.pid and l.granted and (l.database = a.datid and a.datname = pg_catalog.current_database() and n.nspname = 'modelpack' "
            "or l.database = 0 and l.mode <> 'AccessShareLock')))"
        ).scalar()
        raise InstallError(
            f"another transaction holds what has to change ({str(error.orig).splitlines()[0]}); that may be: "
            f"{holders or 'nobody any more'}; have it end (select pg_terminate_backend(PID)), and try again; how long is waited: "
            "set lock_timeout (PGOPTIONS='-c lock_timeout=1min')"
        ) from error
    if own is not None:
        connection.exec_driver_sql("select set_config('lock_timeout', '0', true)")


def install(connection: Connection, server_wheels: Path | None = None, revision: str = "head") -> str:
    """Bring the schema to a revision (`head` by default), within the caller's transaction.

    `server_wheels` fixes the folder that the server's Python imports numpy and onnxruntime from, after a check
    that it can. Returns the schema version. Raises InstallError where the server is not fit.
    """
    from alembic import command

    check_server(connection)
    connection.exec_driver_sql(one_at_a_time())
    found = installed(connection)
    if found is not None and found not in revisions():
        require(connection)
    with bounded(connection, "1min"):  # of two databases at once the second waits for the roles
        command.upgrade(alembic_config(connection), revision)
    if server_wheels is not None:
        with pinned(connection):
            set_server_wheels(connection, server_wheels)
            check_wheels(connection)
    return installed(connection) or ""


def revisions() -> list[str]:
    """The schema versions that this package knows, oldest first."""
    from alembic.script import ScriptDirectory

    return [r.revision for r in ScriptDirectory.from_config(alembic_config()).walk_revisions()][::-1]


_BODY = re.compile(r"\bas (\$\w*\$).*?\1;", re.DOTALL)
_RIGHT = re.compile(
    r"^(?:(?:grant|revoke)\b[^;]*;|alter (?:function|procedure|schema|table|view)\b[^;]* owner to [^;]*;|do (\$\w*\$).*?\1;)",
    re.DOTALL | re.MULTILINE,
)


def rights() -> list[str]:
    """The statements of the migrations that make roles, and that say whose everything is and who may use it."""
    first = sorted(set(names()) - {"schema/drop", "schema/rights"})
    texts = [text for name in [*first, "schema/rights"] if (text := current(name)) is not None]
    return [found[0].rstrip(";") for text in texts for found in _RIGHT.finditer(_BODY.sub("", text))]


_NOBODYS = """
do $repair$
declare
  v_function regprocedure;
begin
  for v_function in
    select f.oid from pg_catalog.pg_proc as f
     where f.pronamespace = 'modelpack'::regnamespace and pg_catalog.has_function_privilege('public', f.oid, 'execute')
  loop
    execute pg_catalog.format('revoke all on routine %s from public', v_function);
  end loop;
end
$repair$
"""
"""Functions of declarations are everybody's after a restore, until the roles that they run as have them again."""


def repair(connection: Connection) -> None:
    """Give everything back to whom it belongs, and grant anew what the schema grants, within the caller's transaction.

    After a restore without owners and privileges (`pg_dump -O -x`). What else a DBA has granted stays.
    """
    check_server(connection)
    connection.exec_driver_sql(one_at_a_time())
    require(connection)
    with bounded(connection, "5s"), pinned(connection):
        for statement in rights():
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
        connection.exec_driver_sql(_NOBODYS, execution_options={"no_parameters": True})
        connection.exec_driver_sql(
            "select modelpack.run_as(p.relation::text) from modelpack.profile as p join pg_class as c on c.oid = p.relation"
        )


def uninstall(connection: Connection) -> None:
    """Downgrade to nothing: users' own tables and their data stay as they were."""
    from alembic import command

    require(connection)
    with bounded(connection, "5s"):
        command.downgrade(alembic_config(connection), "base")
        connection.exec_driver_sql("drop table if exists modelpack.alembic_version cascade")
        connection.exec_driver_sql("drop schema if exists modelpack")


def script(server_wheels: Path | None = None, revision: str = "head") -> str:
    """The SQL script that `install` would run on a database without modelpack."""
    from alembic import command

    output = io.StringIO()
    config = alembic_config(output=output)
    config.attributes["server_wheels"] = server_wheels
    command.upgrade(config, revision, sql=True)
    return output.getvalue()
