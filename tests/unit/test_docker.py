"""docker/Dockerfile and docker-compose.yml against the lists and steps of make. Needs no Docker engine.

That the image's OS packages are those of dev/apt-packages.txt is held in test_bootstrap.py, by running the
bootstrap as the image does.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


class Instruction(NamedTuple):
    name: str
    text: str


def parse(dockerfile: str) -> dict[str, tuple[str, list[Instruction]]]:
    """Stage -> (its base, its instructions)."""
    without_comments = re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE)
    stages: dict[str, tuple[str, list[Instruction]]] = {}
    current: list[Instruction] = []
    for line in without_comments.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        name, text = line.split(maxsplit=1)
        if name == "FROM":
            base, _, stage = text.partition(" AS ")
            current = []
            stages[stage] = (base, current)
        else:
            current.append(Instruction(name, text))
    return stages


STAGES = parse((ROOT / "docker/Dockerfile").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
BOOTSTRAP = (ROOT / "dev/bootstrap").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def instructions(name: str) -> list[str]:
    return [step.text for _, steps in STAGES.values() for step in steps if step.name == name]


def listed(path: str) -> list[str]:
    lines = (line.split("#")[0].strip() for line in (ROOT / path).read_text().splitlines())
    return [line for line in lines if line]


def wheel_steps(text: str) -> list[str]:
    """The requirement files that pip installs from into a folder, without dependencies."""
    return re.findall(r"pip install [^&;]*?--no-deps --target \S+ -r ([\w./-]+)", text.replace("\\\n", " "))


def test_the_image_is_the_official_one_on_debian_12() -> None:
    assert STAGES["prepared"][0] == "postgres:${POSTGRES}-bookworm"
    assert re.search(r"^ARG POSTGRES=15\n(?=FROM)", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE)
    bases = [base for stage, (base, _) in STAGES.items() if stage != "prepared"]
    assert set(bases) <= set(STAGES), "every other stage stands on one of ours"


def test_os_packages_come_from_the_script_that_make_uses() -> None:
    runs = instructions("RUN")
    assert any(run.startswith("dev/bootstrap --system") for run in runs)
    assert not [run for run in runs if re.search(r"\b(apt|apt-get|apk|dpkg)\s", run)]
    assert re.search(r"^\s+@dev/bootstrap$", MAKEFILE, re.MULTILINE)


def test_the_bootstrap_finds_its_lists_in_the_image() -> None:
    copied = {source for text in instructions("COPY") for source in text.split()[:-1]}
    read = set(re.findall(r"\b(?:dev/[\w-]+\.txt|pyproject\.toml)", BOOTSTRAP))
    assert {"dev/apt-packages.txt", "dev/server-requirements.txt", "pyproject.toml"} <= read
    assert read - {"dev/apt-packages-tests.txt", "dev/constraints-oldest.txt"} <= copied


def test_server_wheels_come_from_the_pins_that_make_uses() -> None:
    assert wheel_steps(" ".join(instructions("RUN"))) == ["dev/server-requirements.txt"]
    assert wheel_steps(BOOTSTRAP)
    assert set(wheel_steps(BOOTSTRAP)) == {"dev/server-requirements.txt"}


@pytest.mark.parametrize("file", ["docker/Dockerfile", "docker-compose.yml", "Makefile", "dev/bootstrap"])
def test_no_wheel_is_named_outside_the_list(file: str) -> None:
    for requirement in listed("dev/server-requirements.txt"):
        name = requirement.partition("==")[0]
        assert not re.search(rf"\b{name}\b", (ROOT / file).read_text()), name


def test_the_servers_own_user_cannot_change_the_wheels() -> None:
    assert instructions("USER") == []
    assert not [text for text in instructions("COPY") if "--chown" in text or "--chmod" in text]
    assert not [text for text in instructions("RUN") if "chown" in text or "chmod" in text]


def test_the_interpreter_is_the_one_that_plpython_links() -> None:
    assert '"$(dev/bootstrap --python)" -m venv /usr/local/lib/modelpack/venv' in instructions("RUN")


def test_everything_that_is_copied_exists() -> None:
    for text in instructions("COPY"):
        words = shlex.split(text)
        if words[0].startswith("--from="):
            assert words[0].removeprefix("--from=") in STAGES
            continue
        for source in words[:-1]:
            assert (ROOT / source).exists(), source


def test_compose_builds_stages_of_this_dockerfile() -> None:
    builds = {name: service["build"] for name, service in COMPOSE["services"].items()}
    assert set(builds) == {"db", "install"}
    for build in builds.values():
        assert (ROOT / build["context"] / build["dockerfile"]).samefile(ROOT / "docker/Dockerfile")
        assert build["target"] in STAGES


def test_compose_passes_the_major_on_and_keeps_the_data_of_each_apart() -> None:
    major = "${MODELPACK_POSTGRES:-15}"
    assert [s["build"]["args"] for s in COMPOSE["services"].values()] == [{"POSTGRES": major}] * 2
    assert COMPOSE["volumes"]["data"]["name"].endswith(major)


def test_the_client_can_publish() -> None:
    assert any(run.endswith("-c dev/constraints.txt '.[publish]'") for run in instructions("RUN"))


def test_compose_installs_as_make_up_does() -> None:
    called = re.search(r"modelpack (install .*?);", MAKEFILE)
    assert called is not None
    options = [word for word in called[1].split() if word == "install" or word.startswith("--")]
    command = COMPOSE["services"]["install"]["command"]
    assert [word for word in command if word == "install" or word.startswith("--")] == options


def test_compose_names_the_wheels_where_the_image_has_them() -> None:
    command = COMPOSE["services"]["install"]["command"]
    folder = command[command.index("--server-wheels") + 1]
    for target in ("db", "install"):
        stage = COMPOSE["services"][target]["build"]["target"]
        copied = []
        while stage in STAGES:
            base, steps = STAGES[stage]
            copied += [step.text.split()[-1] for step in steps if step.name == "COPY"]
            stage = base
        assert folder in copied, target


def test_compose_installs_once_the_server_answers() -> None:
    services = COMPOSE["services"]
    assert services["install"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    check = services["db"]["healthcheck"]["test"]
    assert check[1] == "pg_isready"
    assert "-h" in check, "the socket answers while the image still initialises"


def test_the_port_is_open_to_this_machine_alone() -> None:
    ports = COMPOSE["services"]["db"]["ports"]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_docker_and_make_give_databases_of_the_same_locale() -> None:
    arguments = COMPOSE["services"]["db"]["environment"]["POSTGRES_INITDB_ARGS"].split()
    cluster = (ROOT / "dev/cluster.py").read_text()
    assert arguments
    for argument in arguments:
        assert f'"{argument}"' in cluster
