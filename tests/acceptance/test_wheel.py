"""The wheel: everything that the installed package needs is in it, and nothing comes from the checkout."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import joblib
import pytest

from modelpack.plpython_source import functions
from tests.example import DECLARATION, TABLES, model, run_script, sample

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str | Path, cwd: Path, **settings: str) -> str:
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
        timeout=180,
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


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment with the wheel alone; its libraries are those of this environment.

    A .pth file adds them after the wheel's own folder. The checkout itself, if it is installed here in editable
    form, is left out: .pth files of a folder that is added so are not read.
    """
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    packages = Path(
        run(
            folder / "bin" / "python",
            "-c",
            "import sysconfig; print(sysconfig.get_path('purelib'))",
            cwd=folder,
        ).strip()
    )
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    libraries = [
        p for p in {sysconfig.get_path("purelib"), *site.getsitepackages(), *sys.path} if "site-packages" in p
    ]
    (packages / "libraries.pth").write_text("".join(f"{p}\n" for p in libraries))
    command = folder / "bin" / "modelpack"
    command.write_text(f"#!{folder}/bin/python\nfrom modelpack.cli import main\nmain()\n")
    command.chmod(0o755)
    return folder / "bin"


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
    assert {"modelpack/py.typed", "modelpack/cli/app.py", "modelpack_alembic/__init__.py"} <= names
    tops = {name.split("/")[0] for name in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"modelpack", "modelpack_alembic"}
    assert "modelpack = modelpack.cli:main" in entry_points
    assert "alembic.autogenerate.modelpack = modelpack_alembic" in entry_points


def test_from_the_wheel_a_database_is_installed_and_scores(
    installed: Path, empty_database: str, server_wheels: Path | None, tmp_path: Path
) -> None:
    run_script(empty_database, TABLES)
    joblib.dump(model(), tmp_path / "model.joblib")
    sample().to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "declaration.py").write_text(DECLARATION)
    settings = {"MODELPACK_DSN": empty_database}
    if server_wheels:
        settings["MODELPACK_SERVER_WHEELS"] = str(server_wheels)

    def modelpack(*arguments: str) -> str:
        return run(installed / "modelpack", *arguments, cwd=tmp_path, **settings)

    where = run(installed / "python", "-c", "import modelpack; print(modelpack.__file__)", cwd=tmp_path)
    assert not Path(where.strip()).is_relative_to(ROOT)
    assert "installed" in modelpack("install")
    modelpack("publish", "model.joblib", "--name", "churn", "--sample", "rows.csv", "--promote")
    modelpack("apply", "declaration.py")
    run_script(empty_database, "insert into complaint (customer_id, severity) values (1, 3)")
    modelpack("verify", "customer")
    assert json.loads(modelpack("predict", "churn", '{"complaints": 5, "spend": 1}', "--json"))["score"] > 0.5
    assert "removed" in modelpack("uninstall", "--yes")
