"""Alembic: ours from the checkout's root, and users' own migrations that name a declaration."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import alembic
import pytest
from alembic import command
from alembic.autogenerate import compare, produce_migrations
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.operations.ops import MigrateOperation, UpgradeOps
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, text

from modelpack import Event, Profile, Registry, apply, count, distinct, remove
from modelpack.connection import make_engine
from modelpack.install import head, install, installed
from modelpack.wheels import server_wheels as wheels_in
from tests.example import CUSTOMER, DECLARATION, TABLES, dump, packaged, run_script

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"
"""What `alembic init` gives to a user."""

USERS_OWN = ("--schema", "public", "--exclude-table", "public.alembic_version")

ENV = """
import os
from alembic import context
from sqlalchemy import MetaData, create_engine, pool

metadata = MetaData()
exec(os.environ["USERS_MODELS"])
options = dict(target_metadata=metadata, include_schemas=True, compare_server_default=True)
if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(os.environ["USERS_URL"], poolclass=pool.NullPool).connect() as connection:
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()
"""

REVISION = """
from alembic import op
{declaration}
revision = "1"
down_revision = None

def upgrade():
    op.create_scoring(customer)

def downgrade():
    op.drop_scoring(customer)
"""

MODELS = """
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Integer, Numeric, Table, Text, text

Table("customer", metadata, Column("customer_id", BigInteger, primary_key=True),
      Column("name", Text, nullable=False, server_default=""), Column("plan", Text, server_default="basic"),
      Index("customer_name_idx", "name"), comment="who buys")
Table("complaint", metadata, Column("id", BigInteger, Identity(always=True), primary_key=True),
      Column("customer_id", BigInteger, nullable=False),
      Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
      Column("severity", Integer, nullable=False))
Table("purchase", metadata, Column("id", BigInteger, Identity(always=True), primary_key=True),
      Column("customer_id", BigInteger, nullable=False),
      Column("purchased_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
      Column("amount", Numeric(12, 2), nullable=False), Index("purchase_customer_idx", "customer_id"))
"""


def run_alembic(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MODELPACK_")} | settings
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_upgrade_head_from_the_root_installs_and_downgrade_base_takes_away(
    empty_database: str, server_wheels: Path | None
) -> None:
    run_script(empty_database, TABLES)
    before = dump(empty_database, "--schema", "public")
    settings = {"MODELPACK_DSN": empty_database}
    if server_wheels:
        settings["MODELPACK_SERVER_WHEELS"] = str(server_wheels)
    done = run_alembic("upgrade", "head", **settings)
    assert done.returncode == 0, done.stderr
    engine = make_engine(empty_database)
    with engine.connect() as connection:
        assert installed(connection) == head()
        assert wheels_in(connection) == server_wheels
    Registry(engine).publish_package(packaged(), name="churn", promote=True)
    done = run_alembic("downgrade", "-1", **settings)
    assert done.returncode != 0
    assert "cannot score: churn version 1" in done.stdout + done.stderr
    done = run_alembic("downgrade", "base", **settings)
    assert done.returncode == 0, done.stderr
    assert dump(empty_database, "--schema", "public") == before
    with engine.connect() as connection:
        assert installed(connection) is None
    done = run_alembic("upgrade", "head", **settings)
    assert done.returncode == 0, done.stderr


def test_the_script_from_the_root_gives_what_upgrade_gives(
    database: str, empty_database: str, server_wheels: Path | None
) -> None:
    extra = ["-x", f"server_wheels={server_wheels}"] if server_wheels else []
    done = run_alembic(*extra, "upgrade", "head", "--sql")
    assert done.returncode == 0, done.stderr
    run_script(empty_database, done.stdout)
    # the secret is each installation's own
    same = ("--schema", "modelpack", "--exclude-table-data", "modelpack.secret")
    assert dump(empty_database, *same) == dump(database, *same)


def test_what_the_server_lacks_is_one_line() -> None:
    done = run_alembic("upgrade", "head", MODELPACK_DSN="postgresql://postgres@127.0.0.1:1/x")
    assert done.returncode != 0
    assert "no PostgreSQL server can be reached" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "set MODELPACK_DSN" in run_alembic("upgrade", "head").stdout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str) -> Config:
    """A user's own migrations on the shop's tables."""
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENV)
    (folder / "script.py.mako").write_text(TEMPLATE.read_text())
    (folder / "versions" / "1_scoring.py").write_text(REVISION.format(declaration=DECLARATION))
    monkeypatch.setenv("USERS_MODELS", MODELS)
    monkeypatch.setenv("USERS_URL", make_engine(database).url.render_as_string(hide_password=False))
    config = Config()
    config.set_main_option("script_location", str(folder))
    run_script(database, TABLES)
    return config


def scripted(config: Config, direction: str, revision: str) -> str:
    """What `--sql` prints."""
    output = io.StringIO()
    config.output_buffer = output
    getattr(command, direction)(config, revision, sql=True)
    return output.getvalue()


def test_a_users_migration_attaches_and_detaches(project: Config, database: str) -> None:
    before = dump(database, *USERS_OWN)
    command.upgrade(project, "head")
    engine = make_engine(database)
    Registry(engine).publish_package(packaged(), name="churn", promote=True)
    with engine.begin() as connection:
        connection.execute(text("insert into complaint (customer_id, severity) values (1, 3)"))
        row = connection.execute(
            text("select complaints, churn, churn_stale from customer where customer_id = 1")
        ).one()
        expected = connection.execute(
            text("select count(*) from complaint where customer_id = 1 and severity > 1")
        ).scalar_one()
        assert (row.complaints, row.churn_stale) == (expected, None)
        assert 0 < row.churn < 1
        connection.execute(text("delete from complaint where id > 200"))
    command.downgrade(project, "base")
    # what stays: modelpack_owner may look into the schema, and how far the sequence has come
    stays = ("GRANT USAGE ON SCHEMA public TO modelpack_owner", "setval('public.complaint_id_seq'")
    after = dump(database, *USERS_OWN)
    assert [line for line in after if not any(s in line for s in stays)] == [
        line for line in before if not any(s in line for s in stays)
    ]


def test_a_table_that_another_declaration_names_keeps_its_rights(database: str) -> None:
    run_script(database, TABLES + "create table household (customer_id bigint primary key)")
    other = Profile("household", key="customer_id", events=[Event("complaint", features={"n": count()})])
    with make_engine(database).begin() as connection:
        apply(connection, CUSTOMER)
        apply(connection, other)
        remove(connection, CUSTOMER)
        question = text("select has_table_privilege('modelpack_owner', cast(:name as text), 'select')")
        found = {
            name: connection.execute(question, {"name": name}).scalar()
            for name in ("customer", "purchase", "complaint", "household")
        }
        assert found == {"customer": False, "purchase": False, "complaint": True, "household": True}
        connection.execute(text("insert into complaint (customer_id, severity) values (900, 1)"))
        assert connection.execute(text("select n from household where customer_id = 900")).scalar() == 1


def test_the_script_of_a_users_migration_gives_the_same(project: Config, database: str) -> None:
    def state() -> tuple[list[str], list[tuple[object, ...]]]:
        with make_engine(database).connect() as connection:
            rows = connection.execute(
                text(
                    "select customer_id, complaints, last_complaint_at, spend, churn, churn_stale from customer order by 1"
                )
            ).all()
        # a profile that is attached again has another number
        lines = [
            re.sub(r"(?<=modelpack\.no_score\()\d+|(?<=p\.profile_id = )\d+", "…", line)
            for line in dump(database, "--schema-only")
        ]
        return lines, [tuple(row) for row in rows]

    command.upgrade(project, "head")
    online = state()
    command.downgrade(project, "base")
    run_script(database, "drop table alembic_version")
    run_script(database, scripted(project, "upgrade", "head"))
    assert state() == online
    run_script(database, scripted(project, "downgrade", "1:base"))
    with make_engine(database).connect() as connection:
        assert connection.execute(text("select count(*) from modelpack.profile")).scalar() == 0


def suggested(project: Config) -> list[str]:
    """What autogenerate would write, operation by operation."""
    context = command.revision(project, message="guess", autogenerate=True)
    assert context is not None
    assert not isinstance(context, list)
    body = Path(context.path).read_text()
    Path(context.path).unlink()
    return [line.strip() for line in body.splitlines() if line.strip().startswith("op.")]


def test_the_plugin_is_known_to_alembic_by_itself() -> None:
    code = "import alembic\nfrom alembic.runtime import plugins\nprint('alembic.autogenerate.modelpack' in plugins._all_plugins)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "True", f"{done.stderr}\nmodelpack is not installed here: pip install -e ."


def test_autogenerate_leaves_alone_what_a_declaration_added(project: Config) -> None:
    command.upgrade(project, "head")
    assert suggested(project) == []


def test_without_the_plugin_autogenerate_would_drop_it(project: Config, tmp_path: Path) -> None:
    """The plugin is what does it: a test of the test above."""
    command.upgrade(project, "head")
    env = tmp_path / "migrations" / "env.py"
    names = '["alembic.autogenerate.*", "~alembic.autogenerate.modelpack"]'
    env.write_text(ENV.replace("options = dict(", f"options = dict(autogenerate_plugins={names}, "))
    without = " ".join(suggested(project))
    assert "drop_column('customer', 'complaints'" in without
    assert "schema='modelpack'" in without
    assert "_modelpack_" in without, "the index that the declaration added"


def test_autogenerate_leaves_mapped_features_alone(project: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    command.upgrade(project, "head")
    mapped = 'Column("complaints", Integer), Column("churn", Numeric), Index("customer_name_idx"'
    monkeypatch.setenv("USERS_MODELS", MODELS.replace('Index("customer_name_idx"', mapped))
    assert suggested(project) == []


OTHER_SHOP = """
Table("customer", metadata, Column("customer_id", BigInteger, primary_key=True), schema="shop")
Table("complaint", metadata, Column("customer_id", BigInteger), Column("created_at", DateTime(timezone=True)), schema="shop")
"""


def test_autogenerate_tells_tables_of_one_name_in_two_schemas_apart(
    project: Config, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    """What a declaration added to one is no reason to keep what a user took out of the other; and both may have one."""
    command.upgrade(project, "head")
    engine = make_engine(database)
    monkeypatch.setenv("USERS_MODELS", MODELS + OTHER_SHOP)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "create schema shop; create table shop.customer (customer_id bigint primary key, complaints bigint);"
            "create table shop.complaint (customer_id bigint, created_at timestamptz)"
        )
        (index,) = connection.exec_driver_sql(
            "select indexname from pg_indexes where tablename = 'complaint' and indexname like '%%_modelpack_%%'"
        ).scalars()
        connection.exec_driver_sql(f'create index "{index}" on shop.complaint (created_at)')
    found = suggested(project)
    assert len(found) == 4, found  # upgrade and downgrade
    theirs = " ".join(found)
    assert f"drop_index(op.f('{index}'), table_name='complaint', schema='shop'" in theirs
    assert "drop_column('customer', 'complaints', schema='shop'" in theirs
    features = {"complaints": count(), "days": distinct("created_at")}
    event = Event("shop.complaint", at="created_at", features=features)
    with engine.begin() as connection:
        connection.exec_driver_sql(f'drop index shop."{index}"; alter table shop.customer drop complaints')
        apply(connection, Profile("shop.customer", key="customer_id", events=[event]))
    assert suggested(project) == []
    with engine.begin() as connection:
        remove(connection, CUSTOMER)
    assert suggested(project) == []
    engine.dispose()


def test_autogenerate_still_sees_the_users_own_changes(
    project: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    command.upgrade(project, "head")
    monkeypatch.setenv(
        "USERS_MODELS",
        MODELS.replace('Column("plan", Text, server_default="basic")', 'Column("tier", Text)').replace(
            'Index("purchase_customer_idx", "customer_id")', 'Column("sku", Text)'
        ),
    )
    found = " ".join(suggested(project))
    for part in (
        "add_column('customer'",
        "'tier'",
        "drop_column('customer', 'plan'",
        "'sku'",
        "drop_index(op.f('purchase_customer_idx')",
    ):
        assert part in found


def test_autogenerate_works_in_a_database_without_modelpack(
    project: Config, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_script(
        empty_database,
        TABLES + "create table alembic_version (version_num text); insert into alembic_version values ('1')",
    )
    monkeypatch.setenv("USERS_URL", make_engine(empty_database).url.render_as_string(hide_password=False))
    assert suggested(project) == []


def test_a_declaration_that_does_not_fit_leaves_the_database_as_it_was(
    project: Config, database: str, tmp_path: Path
) -> None:
    path = tmp_path / "migrations" / "versions" / "1_scoring.py"
    path.write_text(path.read_text().replace('total("amount")', 'total("price")'))
    before = dump(database)
    with pytest.raises(Exception, match="has no column price"):
        command.upgrade(project, "head")
    assert dump(database) == before


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        (
            'total("amount")',
            'total("price")',
            "has no column price",
        ),  # found when it is held against the tables
        ('total("amount")', 'total("")', "column"),  # found when the revision is read
    ],
)
def test_alembic_s_own_command_says_a_refusal_in_a_sentence(
    project: Config, tmp_path: Path, written: str, instead: str, said: str
) -> None:
    assert project
    path = tmp_path / "migrations" / "versions" / "1_scoring.py"
    path.write_text(path.read_text().replace(written, instead))
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_ours_and_theirs_keep_their_own_version_tables(project: Config, database: str) -> None:
    command.upgrade(project, "head")
    with make_engine(database).begin() as connection:
        assert connection.execute(text("select version_num from public.alembic_version")).scalar() == "1"
        assert installed(connection) == head()
        assert install(connection) == head()


class DropEntity(MigrateOperation):
    """What `alembic_utils` proposes for a function or trigger that the models do not name."""

    def __init__(self, schema: str, signature: str, definition: str) -> None:
        self.target = SimpleNamespace(schema=schema, signature=signature, definition=definition)

    def reverse(self) -> DropEntity:
        return self


def test_functions_and_triggers_that_modelpack_made_are_not_dropped_by_what_looks_at_them(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_script(database, TABLES)
    run_script(
        database,
        "create function mine() returns trigger language plpgsql as 'begin return new; end';"
        "create trigger mine before insert on customer for each row execute function mine()",
    )
    engine = make_engine(database)
    with engine.begin() as connection:
        apply(connection, CUSTOMER)
    seen = []

    def entities(context: AutogenContext, upgrade: UpgradeOps, _schemas: object) -> None:
        assert context.connection is not None
        found = context.connection.execute(
            text(
                "select n.nspname, p.proname, pg_get_functiondef(p.oid) from pg_proc as p join pg_namespace as n"
                " on n.oid = p.pronamespace where n.nspname in ('public', 'modelpack') union all"
                " select n.nspname, t.tgname, pg_get_triggerdef(t.oid) from pg_trigger as t join pg_class as c"
                " on c.oid = t.tgrelid join pg_namespace as n on n.oid = c.relnamespace where not t.tgisinternal"
            )
        ).all()
        seen.extend(found)
        upgrade.ops.extend(DropEntity(*entity) for entity in found)

    # as packages do that know nothing of Alembic's plugins
    monkeypatch.setattr(compare, "comparators", compare.comparators.branch())
    compare.comparators.dispatch_for("schema")(entities)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        metadata = MetaData()
        metadata.reflect(connection)
        found = produce_migrations(context, metadata).upgrade_ops
    assert len(seen) > 100
    assert found is not None
    assert [op.target.signature for op in found.ops if isinstance(op, DropEntity)] == ["mine", "mine"]
