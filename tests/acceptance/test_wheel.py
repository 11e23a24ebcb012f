"""The wheel: everything that the installed package needs is in it, and nothing comes from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import joblib
import pytest

from modelpack import Registry
from modelpack.extras import PUBLISH
from modelpack.plpython_source import functions
from tests.example import DECLARATION, TABLES, model, packaged, run_script, sample

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str | Path, cwd: Path, seconds: float = 180, **settings: str) -> str:
    """Run a command away from the checkout; return its stdout."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("MODELPACK_", "PYTHON"))
    } | settings
    done = subprocess.run(
        [str(a) for a in arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the checkout by the backend that pyproject.toml names."""
    folder = tmp_path_factory.mktemp("wheel")
    build = "import sys, hatchling.build as b; print(b.build_wheel(sys.argv[1]))"
    name = run(sys.executable, "-c", build, folder, cwd=ROOT).splitlines()[-1]
    return folder / name


def environment(folder: Path, wheel: Path, extra: str = "") -> Path:
    """The bin folder of an empty environment into which pip has installed the wheel, with an extra, and all that it asks for."""
    run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    pip = (folder / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check")
    run(
        *pip,
        "-c",
        ROOT / "dev/constraints.txt",
        f"modelpack{extra} @ {wheel.as_uri()}",
        cwd=folder,
        seconds=1200,
    )
    return folder / "bin"


@pytest.fixture(scope="module")
def light(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`pip install modelpack`."""
    return environment(tmp_path_factory.mktemp("light"), wheel)


@pytest.fixture(scope="module")
def full(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`pip install 'modelpack[publish]'`."""
    return environment(tmp_path_factory.mktemp("full"), wheel, "[publish]")


LISTED = """
from importlib.metadata import distributions
print(*(d.metadata["Name"].lower() for d in distributions()))
"""


def command(folder: Path, cwd: Path, dsn: str, server_wheels: Path | None) -> Callable[..., str]:
    """The command `modelpack` of an environment."""
    settings = {"MODELPACK_DSN": dsn}
    if server_wheels:
        settings["MODELPACK_SERVER_WHEELS"] = str(server_wheels)
    return lambda *arguments: run(folder / "modelpack", *arguments, cwd=cwd, **settings)


def test_the_wheel_holds_what_is_needed_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry_points = archive.read(next(n for n in names if n.endswith("entry_points.txt"))).decode()
    for path in (ROOT / "migrations").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert f"modelpack/{path.relative_to(ROOT).as_posix()}" in names
    for name in functions():  # rendered, so that their sources need not be there
        assert f"modelpack/migrations/functions/plpython/{name}.sql" in names
    for path in (ROOT / "modelpack" / "compile" / "templates").iterdir():
        assert path.relative_to(ROOT).as_posix() in names
    (licence,) = [n for n in names if n.endswith(".dist-info/licenses/LICENSE")]
    assert (ROOT / "LICENSE").read_bytes() == zipfile.ZipFile(wheel).read(licence)
    assert "modelpack/server-requirements.txt" in names
    assert {"modelpack/py.typed", "modelpack/cli/app.py", "modelpack_alembic/__init__.py"} <= names
    tops = {name.split("/")[0] for name in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"modelpack", "modelpack_alembic"}
    assert "modelpack = modelpack.cli:main" in entry_points
    assert "alembic.autogenerate.modelpack = modelpack_alembic" in entry_points


def test_the_source_distribution_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    build = "import sys, hatchling.build as b; print(b.build_sdist(sys.argv[1]))"
    name = run(sys.executable, "-c", build, tmp_path, cwd=ROOT).splitlines()[-1]
    with tarfile.open(tmp_path / name) as archive:
        names = {member.partition("/")[2] for member in archive.getnames()}
    assert {"README.md", "CHANGELOG.md", "LICENSE", "CONTRIBUTING.md", "SECURITY.md", "dev/wheel.py"} <= names
    assert not [n for n in names if n.startswith((".modelpack", ".venv", "dist"))]
    run("tar", "-xzf", name, cwd=tmp_path)
    again = "import sys, hatchling.build as b; print(b.build_wheel(sys.argv[1]))"
    source = tmp_path / name.removesuffix(".tar.gz")
    rebuilt = tmp_path / run(sys.executable, "-c", again, tmp_path, cwd=source).splitlines()[-1]
    contents = []
    for path in (wheel, rebuilt):
        with zipfile.ZipFile(path) as archive_:
            contents.append({n: archive_.read(n) for n in archive_.namelist()})
    assert contents[0] == contents[1]
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, tmp_path / name, cwd=tmp_path)


@pytest.mark.long
def test_the_light_package_does_all_but_publish(
    light: Path, database: str, empty_database: str, server_wheels: Path | None, tmp_path: Path
) -> None:
    run_script(empty_database, TABLES)
    (tmp_path / "declaration.py").write_text(DECLARATION)
    elsewhere = Registry(database)
    elsewhere.publish_package(packaged(), name="churn")
    elsewhere.export("churn", 1, tmp_path / "churn.onnx")
    modelpack = command(light, tmp_path, empty_database, server_wheels)
    there = set(run(light / "python", "-c", LISTED, cwd=tmp_path).split())
    assert {"modelpack", "sqlalchemy", "psycopg", "alembic"} <= there
    assert not there & {*PUBLISH.values(), "scipy", "joblib", "threadpoolctl"}
    assert f"modelpack {version('modelpack')}" in modelpack("version")
    assert "installed" in modelpack("install")
    modelpack("apply", "declaration.py")
    modelpack("import", "churn.onnx")
    modelpack("promote", "churn", "1")
    modelpack("rescore", "customer")
    modelpack("verify", "customer")
    modelpack("maintain")
    assert "churn" in modelpack("list")
    assert json.loads(modelpack("predict", "churn", '{"complaints": 5, "spend": 1}', "--json"))["score"] > 0.5
    migration = "from alembic import op\nfrom declaration import customer\nassert op.create_scoring"
    run(light / "python", "-c", migration, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    refused = subprocess.run(
        [str(light / "modelpack"), "publish", "model.joblib", "--name", "churn", "--sample", "rows.csv"],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env={**os.environ, "MODELPACK_DSN": empty_database},
        cwd=tmp_path,
    )
    assert refused.returncode == 2
    assert "pip install 'modelpack[publish]'" in refused.stderr
    modelpack("remove", "declaration.py")
    assert "removed" in modelpack("uninstall", "--yes")


@pytest.mark.long
def test_from_the_wheel_a_database_is_installed_and_scores(
    full: Path, empty_database: str, server_wheels: Path | None, tmp_path: Path
) -> None:
    run_script(empty_database, TABLES)
    joblib.dump(model(), tmp_path / "model.joblib")
    sample().to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "declaration.py").write_text(DECLARATION)
    modelpack = command(full, tmp_path, empty_database, server_wheels)
    where = run(full / "python", "-c", "import modelpack; print(modelpack.__file__)", cwd=tmp_path)
    assert not Path(where.strip()).is_relative_to(ROOT)
    assert "installed" in modelpack("install")
    modelpack("publish", "model.joblib", "--name", "churn", "--sample", "rows.csv", "--promote")
    modelpack("apply", "declaration.py")
    run_script(empty_database, "insert into complaint (customer_id, severity) values (1, 3)")
    modelpack("verify", "customer")
    assert json.loads(modelpack("predict", "churn", '{"complaints": 5, "spend": 1}', "--json"))["score"] > 0.5
    assert "removed" in modelpack("uninstall", "--yes")
