"""dev/bootstrap on machines that are laid out for each test: stub programs, an own /usr in a temp folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).resolve().parents[2]

# Every stub writes its call to $MACHINE/calls. apt-cache knows nothing before `apt-get update`, as in a bare
# image; `apt-get install` puts files and package names where the real one would.
STUBS = {
    "id": '[[ $1 == -u ]] && cat "$MACHINE/uid" || echo somebody',
    "sudo": """
        echo "sudo $*" >>"$MACHINE/calls"
        [[ ! -e $MACHINE/sudo-asks ]] || exit 1
        [[ $1 != -n ]] || shift
        exec "$@" """,
    "dpkg-query": """sed 's/^/ii /' "$MACHINE/packages" """,
    "apt-cache": """
        [[ -e $MACHINE/updated ]] || exit 100
        case "$*" in
        "depends postgresql") printf 'postgresql\\n  Depends: postgresql-15\\n' ;;
        "depends postgresql-plpython3-"*) printf '%s\\n  Depends: libc6\\n  Depends: libpython3.11\\n' "$2" ;;
        "show postgresql-plpython3-"*) echo "Package: $2" ;;
        esac""",
    "apt-get": """
        words=()
        for word; do
            case $word in -o | -q | -y | --no-install-recommends | DPkg*) ;; *) words+=("$word") ;; esac
        done
        echo "apt-get ${words[*]}" >>"$MACHINE/calls"
        if [[ ${words[0]} == update ]]; then touch "$MACHINE/updated"; exit; fi
        ls "$MODELPACK_SYSROOT/etc/postgresql-common/createcluster.d" >"$MACHINE/dropin" 2>/dev/null
        for package in "${words[@]:1}"; do
            echo "$package" >>"$MACHINE/packages"
            "$MACHINE/lay-out" "$package"
        done""",
    "ldd": """
        version=$(cat "$1")
        if [[ -n $version ]]; then
            printf '\\tlibpython%s.so.1.0 => /lib/libpython%s.so.1.0 (0x0)\\n' "$version" "$version"
        fi
        printf '\\tlibc.so.6 => /lib/libc.so.6 (0x0)\\n'""",
    # The interpreter that comes first on PATH and has nothing to do with PL/Python.
    "python3": 'echo "wrong python $*" >>"$MACHINE/calls"; exit 1',
}

# An interpreter: `-m venv` makes a folder whose python is this file, `-m pip` makes its target.
INTERPRETER = """
    case "$1 ${2:-}" in
    "-V ") echo "Python $(basename "$(readlink -f "$0")" | sed s/python//).2" ;;
    "-c "*) [[ ! -e $MACHINE/unusable ]] || exit 1
        [[ $2 != *print* ]] || basename "$(readlink -f "$0")" | sed s/python// ;;
    "-m dev.cluster") [[ ! -e $MACHINE/closed ]] || { echo "cannot enter" >&2; exit 2; } ;;
    "-m venv")
        echo "venv ${*:3}" >>"$MACHINE/calls"
        mkdir -p "${@: -1}/bin" && ln -sf "$(readlink -f "$0")" "${@: -1}/bin/python"
        echo "version = 3.11.2" >"${@: -1}/pyvenv.cfg" ;;
    "-m pip")
        echo "pip ${*:3}" >>"$MACHINE/calls"
        if [[ -e $MACHINE/pip-fails ]]; then rm "$MACHINE/pip-fails"; exit 1; fi
        while (($#)); do [[ $1 != --target ]] || mkdir -p "$2/numpy"; shift; done ;;
    esac"""

LAY_OUT = """
    case $1 in
    postgresql-plpython3-*)
        mkdir -p "$MODELPACK_SYSROOT/usr/lib/postgresql/${1##*-}/lib"
        echo 3.11 >"$MODELPACK_SYSROOT/usr/lib/postgresql/${1##*-}/lib/plpython3.so" ;;
    postgresql-*)
        mkdir -p "$MODELPACK_SYSROOT/usr/lib/postgresql/${1##*-}/bin"
        install -m 755 /dev/null "$MODELPACK_SYSROOT/usr/lib/postgresql/${1##*-}/bin/postgres" ;;
    python*-venv)
        mkdir -p "$MODELPACK_SYSROOT/usr/bin"
        install -m 755 "$MACHINE/interpreter" "$MODELPACK_SYSROOT/usr/bin/${1%-venv}" ;;
    esac"""

FULL = ["postgresql-15", "postgresql-plpython3-15", "python3.11-venv"]
TESTS = ["pgbouncer", "libfaketime", "libgomp1"]


class Machine:
    """A checkout and the machine around it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sysroot = folder / "sysroot"
        self.checkout = folder / "checkout"
        (self.checkout / "dev").mkdir(parents=True)
        self.sysroot.mkdir()
        for name in (
            "dev/bootstrap",
            "dev/apt-packages.txt",
            "dev/apt-packages-tests.txt",
            "dev/server-requirements.txt",
            "dev/constraints.txt",
            "dev/constraints-oldest.txt",
            "pyproject.toml",
        ):
            shutil.copy(ROOT / name, self.checkout / name)
        (folder / "stubs").mkdir()
        for name, body in STUBS.items():
            self.script(folder / "stubs" / name, body)
        self.script(folder / "interpreter", INTERPRETER)
        self.script(folder / "lay-out", LAY_OUT)
        (folder / "uid").write_text("0\n")
        (folder / "packages").touch()
        (folder / "calls").touch()

    @staticmethod
    def script(path: Path, body: str) -> None:
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.folder / 'stubs'}:/usr/bin:/bin",
            "MACHINE": str(self.folder),
            "MODELPACK_SYSROOT": str(self.sysroot),
            "CI": "true",
        }

    @property
    def python(self) -> str:
        return str(self.sysroot / "usr/bin/python3.11")

    def has(self, *packages: str) -> None:
        for package in packages:
            with (self.folder / "packages").open("a") as known:
                known.write(f"{package}\n")
            subprocess.run([self.folder / "lay-out", package], env=self.environment, check=True)

    def mark(self, name: str) -> None:
        (self.folder / name).touch()

    def user(self, uid: int) -> None:
        (self.folder / "uid").write_text(f"{uid}\n")

    def without(self, *programs: str) -> None:
        """Hide programs, also those of the real machine: PATH becomes a folder of links."""
        for folder in ("/bin", "/usr/bin"):
            for program in Path(folder).iterdir():
                link = self.folder / "stubs" / program.name
                if not os.path.lexists(link):
                    link.symlink_to(program)
        for program_name in programs:
            (self.folder / "stubs" / program_name).unlink(missing_ok=True)

    def run(self, *arguments: str, path: str | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, **extra, **({"PATH": path} if path else {})}
        return subprocess.run(
            [self.checkout / "dev" / "bootstrap", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """What was run since the last time that this was asked."""
        lines = (self.folder / "calls").read_text().splitlines()
        (self.folder / "calls").write_text("")
        return lines


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def complete(machine: Machine) -> Machine:
    machine.has(*FULL)
    return machine


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    return done.stderr


def pins(lines: list[str]) -> dict[str, str]:
    found = (re.fullmatch(r"([\w-]+)==(\S+)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def test_the_server_runs_the_versions_that_the_packager_runs() -> None:
    server = pins((ROOT / "dev/server-requirements.txt").read_text().splitlines())
    packager = pins((ROOT / "dev/constraints.txt").read_text().splitlines())
    assert set(server) == {"numpy", "onnxruntime"}
    assert server == {name: packager[name] for name in server}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def asked(*left_out: str) -> list[Requirement]:
    """What the package asks for, itself and for its extras."""
    extras = {n: r for n, r in PROJECT["optional-dependencies"].items() if n not in ("bench", *left_out)}
    found = [Requirement(r) for r in [*PROJECT["dependencies"], *chain(*extras.values())]]
    return [r for r in found if r.name != "modelpack"]


def pinned(path: str) -> dict[str, str]:
    lines = [line for line in (ROOT / path).read_text().splitlines() if not line.startswith("#")]
    assert len(pins(lines)) == len(lines), f"{path} has more than pins"
    return pins(lines)


def test_the_package_asks_for_ranges_and_what_is_tested_is_one_version_in_each() -> None:
    newest = pinned("dev/constraints.txt")
    for requirement in asked():
        assert {s.operator for s in requirement.specifier} <= {">=", "<", "!="}, requirement
        assert requirement.specifier.contains(newest[requirement.name]), requirement
    assert set(newest) == {r.name for r in asked()}


def test_the_oldest_version_that_is_tested_is_the_lower_bound() -> None:
    oldest = pinned("dev/constraints-oldest.txt")
    tools = {Requirement(r).name for r in PROJECT["optional-dependencies"]["test"]}
    ours = {r.name for r in asked("test", "dev")} | {"xgboost-cpu", "imbalanced-learn"}
    for requirement in asked("dev"):
        (lower,) = [s.version for s in requirement.specifier if s.operator == ">="]
        if requirement.name in ours:
            assert Version(lower) == Version(oldest[requirement.name]), requirement
        else:
            assert oldest[requirement.name] == pinned("dev/constraints.txt")[requirement.name], requirement
    assert set(oldest) - {"click", "joblib", "scipy", "threadpoolctl"} == (ours | tools) - {"modelpack"}


def test_a_bare_machine_gets_packages_then_venv_then_wheels(machine: Machine) -> None:
    succeeded(machine.run())
    assert machine.calls() == [
        "apt-get update",
        f"apt-get install {' '.join(FULL)}",
        "venv --clear .venv",
        "pip install -q --no-compile --disable-pip-version-check -c dev/constraints.txt -e .[dev]",
        "pip install -q --disable-pip-version-check --no-deps --target .modelpack/server-wheels.new "
        "-r dev/server-requirements.txt",
    ]
    assert (machine.checkout / ".modelpack/server-wheels/numpy").is_dir()


def test_the_oldest_versions_go_into_an_environment_of_their_own_once(machine: Machine) -> None:
    succeeded(machine.run("--oldest"))
    assert machine.calls()[-2:] == [
        "venv --clear .modelpack/oldest",
        "pip install -q --no-compile --disable-pip-version-check -c dev/constraints-oldest.txt -e .[test]",
    ]
    succeeded(machine.run("--oldest"))
    assert machine.calls() == []
    with (machine.checkout / "dev/constraints-oldest.txt").open("a") as file:
        file.write("# changed\n")
    succeeded(machine.run("--oldest"))
    assert [call.split()[0] for call in machine.calls()] == ["venv", "pip"]


def test_the_official_postgres_image_gets_only_what_it_lacks(machine: Machine) -> None:
    machine.has("postgresql-17")  # the image brings the server, and no package lists
    succeeded(machine.run("--system"))
    assert machine.calls() == [
        "apt-get update",
        f"apt-get install postgresql-plpython3-17 {' '.join(FULL[2:])}",
    ]
    assert succeeded(machine.run("--python")).strip() == str(machine.sysroot / "usr/bin/python3.11")


def test_only_the_tests_get_what_only_they_need(complete: Machine) -> None:
    succeeded(complete.run())
    assert not [call for call in complete.calls() if call.startswith("apt-get")]
    succeeded(complete.run("--tests"))
    assert complete.calls() == ["apt-get update", f"apt-get install {' '.join(TESTS)}"]


def test_a_second_run_installs_nothing(machine: Machine) -> None:
    succeeded(machine.run())
    machine.calls()
    done = machine.run()
    assert succeeded(done) == ""
    assert done.stderr == ""
    assert machine.calls() == []


def test_a_complete_machine_needs_neither_root_nor_package_lists(complete: Machine) -> None:
    complete.user(1000)
    succeeded(complete.run())
    assert not [call for call in complete.calls() if call.startswith(("apt-get", "sudo"))]


def test_an_extra_package_goes_the_same_way(complete: Machine) -> None:
    succeeded(complete.run("--system", "make"))
    assert complete.calls() == ["apt-get update", "apt-get install make"]


def test_the_plan_names_what_is_missing_and_changes_nothing(machine: Machine) -> None:
    machine.has("postgresql-15")
    machine.mark("updated")
    plan = succeeded(machine.run("--print"))
    assert f"missing: {' '.join(FULL[1:])}" in plan
    assert f"apt-get install --no-install-recommends {' '.join(FULL[1:])}" in plan
    assert "-m venv .venv" in plan
    assert "--no-deps --target .modelpack/server-wheels" in plan
    assert machine.calls() == []
    assert sorted(path.name for path in machine.checkout.iterdir()) == ["dev", "pyproject.toml"]


def test_the_plan_is_empty_after_a_run(complete: Machine) -> None:
    succeeded(complete.run())
    plan = succeeded(complete.run("--print"))
    assert "missing: nothing" in plan
    assert "run:" not in plan


def test_the_plan_keeps_placeholders_that_a_bare_machine_cannot_resolve(machine: Machine) -> None:
    plan = succeeded(machine.run("--print"))
    assert "missing: postgresql-{major} postgresql-plpython3-{major} python{python}-venv" in plan


def test_debians_own_cluster_is_not_made_and_its_setting_is_taken_back(machine: Machine) -> None:
    succeeded(machine.run())
    assert (machine.folder / "dropin").read_text() == "modelpack-bootstrap.conf\n"
    assert list((machine.sysroot / "etc/postgresql-common/createcluster.d").iterdir()) == []


def test_a_user_with_sudo_installs_through_it(machine: Machine) -> None:
    machine.user(1000)
    succeeded(machine.run())
    calls = machine.calls()
    assert any(
        re.match(r"sudo -n env DEBIAN_FRONTEND=noninteractive apt-get .*install", call) for call in calls
    )
    assert not [
        call for call in calls if call.startswith("sudo") and "venv" in call and "apt-get" not in call
    ]


def test_a_user_without_sudo_is_told_what_to_ask_for(machine: Machine) -> None:
    machine.user(1000)
    machine.mark("updated")
    machine.without("sudo")
    message = refused(machine.run(path=str(machine.folder / "stubs")))
    assert "apt-get install --no-install-recommends postgresql-15 postgresql-plpython3-15" in message
    assert "MODELPACK_DSN" in message
    assert machine.calls() == []


def test_sudo_that_asks_for_a_password_does_not_hang_ci(machine: Machine) -> None:
    machine.user(1000)
    machine.mark("sudo-asks")
    assert "password" in refused(machine.run())
    assert not [call for call in machine.calls() if call.startswith("apt-get")]


def test_a_machine_without_apt_is_pointed_to_an_existing_server(machine: Machine) -> None:
    machine.without("dpkg-query", "apt-get", "apt-cache")
    message = refused(machine.run(path=str(machine.folder / "stubs")))
    assert "expected Debian or Ubuntu" in message
    assert "MODELPACK_DSN" in message


def test_a_server_that_has_plpython_goes_before_a_newer_one_that_lacks_it(complete: Machine) -> None:
    complete.has("postgresql-17")
    complete.mark("updated")
    succeeded(complete.run())
    assert not [call for call in complete.calls() if call.startswith("apt-get")]


def test_venv_is_built_on_the_python_that_plpython_links(complete: Machine) -> None:
    complete.has("python3.12-venv")
    complete.script(complete.sysroot / "usr/bin/python3.13", INTERPRETER)
    succeeded(complete.run())
    interpreter = complete.checkout / ".venv/bin/python"
    assert interpreter.resolve() == complete.sysroot / "usr/bin/python3.11"
    assert not [call for call in complete.calls() if call.startswith("wrong python")]


def test_a_venv_on_another_python_is_refused_and_left_alone(complete: Machine) -> None:
    complete.has("python3.12-venv")
    succeeded(complete.run())
    interpreter = complete.checkout / ".venv/bin/python"
    interpreter.unlink()
    interpreter.symlink_to(complete.sysroot / "usr/bin/python3.12")
    complete.calls()
    message = refused(complete.run())
    assert str(complete.sysroot / "usr/bin/python3.12") in message
    assert f"expected {complete.sysroot / 'usr/bin/python3.11'} (Python 3.11)" in message
    assert "make clean" in message
    assert complete.calls() == []
    assert interpreter.is_symlink()


def test_a_plpython_without_its_interpreter_is_refused(complete: Machine) -> None:
    (complete.sysroot / "usr/bin/python3.11").unlink()
    message = refused(complete.run())
    assert "links Python 3.11" in message
    assert "apt-get install python3.11-venv" in message


def test_an_interpreter_without_venv_is_refused(complete: Machine) -> None:
    complete.mark("unusable")
    assert "expected Python >= 3." in refused(complete.run())
    assert not (complete.checkout / ".venv").exists()


def test_a_plpython_whose_libpython_is_unknown_is_refused(complete: Machine) -> None:
    (complete.sysroot / "usr/lib/postgresql/15/lib/plpython3.so").write_text("")
    (complete.checkout / "dev/apt-packages.txt").write_text("postgresql-{major}\n")
    assert "ldd finds no libpython3" in refused(complete.run())


def test_a_checkout_that_the_server_cannot_reach_is_refused_before_anything_is_built(
    complete: Machine,
) -> None:
    complete.mark("closed")
    assert "cannot enter" in refused(complete.run())
    assert complete.calls() == []
    succeeded(complete.run(MODELPACK_DSN="postgresql://there", MODELPACK_PYTHON=complete.python))


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("pyproject.toml", "-c dev/constraints.txt -e .[dev]"),
        ("dev/constraints.txt", "-c dev/constraints.txt -e .[dev]"),
        ("dev/server-requirements.txt", "--target .modelpack/server-wheels.new"),
    ],
)
def test_changed_pins_are_installed_again(complete: Machine, file: str, expected: str) -> None:
    succeeded(complete.run())
    complete.calls()
    with (complete.checkout / file).open("a") as pinned:
        pinned.write("# changed\n")
    succeeded(complete.run())
    calls = [call for call in complete.calls() if call.startswith("pip")]
    assert len(calls) == 1
    assert expected in calls[0]


def test_an_interrupted_installation_is_done_again(complete: Machine) -> None:
    complete.mark("pip-fails")
    assert complete.run().returncode != 0
    complete.calls()
    succeeded(complete.run())
    assert len([call for call in complete.calls() if call.startswith("pip")]) == 2


def test_wheels_of_an_older_pin_do_not_linger(complete: Machine) -> None:
    succeeded(complete.run())
    (complete.checkout / ".modelpack/server-wheels/numpy-1.0.dist-info").mkdir()
    with (complete.checkout / "dev/server-requirements.txt").open("a") as pinned:
        pinned.write("# changed\n")
    succeeded(complete.run())
    assert not (complete.checkout / ".modelpack/server-wheels/numpy-1.0.dist-info").exists()


def test_a_moved_checkout_gets_a_new_venv(complete: Machine) -> None:
    succeeded(complete.run())
    complete.calls()
    complete.checkout = complete.checkout.rename(complete.folder / "elsewhere")
    succeeded(complete.run())
    assert "venv --clear .venv" in complete.calls()


def test_the_server_user_can_read_the_wheels_of_a_root_with_a_strict_umask(
    complete: Machine, strict_umask: Callable[[], None]
) -> None:
    strict_umask()
    succeeded(complete.run())
    for folder in (".modelpack", ".modelpack/server-wheels", ".modelpack/server-wheels/numpy"):
        assert (complete.checkout / folder).stat().st_mode & 0o005 == 0o005, folder


@pytest.fixture
def strict_umask(request: pytest.FixtureRequest) -> Callable[[], None]:
    def apply() -> None:
        before = os.umask(0o077)
        request.addfinalizer(lambda: os.umask(before))

    return apply


def test_an_existing_server_needs_no_postgresql_here(machine: Machine) -> None:
    machine.script(machine.folder / "stubs" / "python3.14", INTERPRETER)
    machine.user(1000)
    succeeded(machine.run(MODELPACK_DSN="postgresql://there", MODELPACK_PYTHON="python3.14"))
    calls = machine.calls()
    assert calls[0] == "venv --clear .venv"
    assert not [call for call in calls if call.startswith(("apt-get", "sudo"))]
    assert (machine.checkout / ".venv/bin/python").resolve() == machine.folder / "stubs/python3.14"


def test_an_existing_server_takes_the_newest_python_that_works(machine: Machine) -> None:
    machine.without()
    for minor in (12, 17):
        (machine.folder / "stubs" / f"python3.{minor}").unlink(missing_ok=True)
        machine.script(machine.folder / "stubs" / f"python3.{minor}", INTERPRETER)
    machine.script(machine.folder / "stubs" / "python3.18", "exit 127")  # a version manager's empty shim
    succeeded(machine.run(MODELPACK_DSN="postgresql://there", path=str(machine.folder / "stubs")))
    assert (machine.checkout / ".venv/bin/python").resolve().name == "python3.17"


def test_an_existing_server_keeps_the_venv_that_is_there(complete: Machine) -> None:
    succeeded(complete.run())
    complete.script(complete.folder / "stubs" / "python3.14", INTERPRETER)
    complete.calls()
    succeeded(complete.run(MODELPACK_DSN="postgresql://there"))
    assert complete.calls() == []


def test_a_python_that_is_asked_for_and_missing_is_refused(machine: Machine) -> None:
    message = refused(machine.run(MODELPACK_DSN="postgresql://there", MODELPACK_PYTHON="python3.99"))
    assert "MODELPACK_PYTHON=python3.99" in message


def test_an_unknown_argument_is_refused(machine: Machine) -> None:
    assert "--print" in refused(machine.run("--pritn"))
