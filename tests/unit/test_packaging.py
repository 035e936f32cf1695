"""The container files against the code: commands that exist, settings that are known, versions that fit."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from config.settings import _UNPREFIXED, Settings, _environment_names
from portal.cli import commands as portal_commands
from worker.cli import cli
from worker.doctor import CHECKS

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}


def tool(name: str) -> str:
    """A checker that the test tools bring."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    assert found, f"{name} is not installed"
    return found


def names(commands: typer.Typer) -> set[str]:
    """What can be typed after the program's name."""
    return {one.name or one.callback.__name__ for one in commands.registered_commands if one.callback}


def known() -> set[str]:
    """Every environment name that the settings read."""
    return {name for field in Settings.model_fields for name in _environment_names(field)}


DEPLOYING = (ROOT / "docs" / "deploy.md").read_text()
(UNIT,) = re.findall(r"^```ini\n(.*?)^```", DEPLOYING, re.MULTILINE | re.DOTALL)


def uptake_commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of ours in the files, by where it stands."""
    for name, service in OURS.items():
        if "entrypoint" not in service:
            yield f"{name}: command", [str(word) for word in service["command"]]
        test = service["healthcheck"].get("test", [])
        if test[1:2] == ["uptake"]:
            yield f"{name}: healthcheck", test[2:]
    (started,) = re.findall(r"^ExecStart=\S+/bin/uptake (.*)$", UNIT, re.MULTILINE)
    yield "deploy.md: unit", started.split()
    for words in re.findall(r"^docker compose exec worker uptake ([a-z ]*[a-z])", DEPLOYING, re.MULTILINE):
        yield "deploy.md: compose", words.split()
    (check,) = re.findall(r'HEALTHCHECK .*CMD \["uptake", (.*)\]', DOCKERFILE)
    yield "Dockerfile: healthcheck", re.findall(r'"([^"]*)"', check)


@pytest.mark.parametrize(("where", "words"), list(uptake_commands()))
def test_commands_exist(where: str, words: list[str]) -> None:
    """What a container starts is a command of ours, and what a health check examines is a check of ours."""
    program = typer.main.get_command(cli)
    assert isinstance(program, typer.core.TyperGroup)
    command = program.commands.get(words[0])
    assert command, where
    # Refuses options and values that the command does not know, without running it.
    command.make_context(words[0], list(words[1:])).close()
    if words[0] == "doctor":
        assert set(words[1:]) <= CHECKS.keys(), where


def test_portal_is_started_by_its_own_commands() -> None:
    """Its migrations are not ours."""
    service = OURS["portal-migrate"]
    assert service["entrypoint"] == ["python", "-m", "portal"]
    assert service["command"][0] in names(portal_commands)


def test_settings_are_known() -> None:
    """No name of ours is misspelled anywhere, and the databases are named by what is read."""
    files = DOCKERFILE + (ROOT / "docker-compose.yml").read_text() + DEPLOYING
    said = {name.removesuffix("_FILE") for name in re.findall(r"\bUPTAKE_[A-Z_]+", files)}
    said |= {name for service in OURS.values() for name in service["environment"]}
    assert said <= known()
    assert {spelled[0] for spelled in _UNPREFIXED.values()} <= said


def test_stop_leaves_time_to_end() -> None:
    """A container is killed only after the worker has had its time to end what it does."""
    # In a process of its own: the app wants a broker's address as soon as it is imported.
    done = subprocess.run(
        [sys.executable, "-c", "from worker.celery import app; print(app.conf.worker_soft_shutdown_timeout)"],
        cwd=ROOT,
        env=os.environ | {"REDIS_URL": "redis://localhost"},
        capture_output=True,
        text=True,
        check=True,
    )
    for service in OURS.values():
        assert int(service["stop_grace_period"].removesuffix("s")) > float(done.stdout) + 10


def test_unit_lets_the_worker_end() -> None:
    """Only the main process is told to end, there is time for it, and no comment stands beside a value."""
    assert [line for line in UNIT.splitlines() if "#" in line.lstrip()[1:]] == []
    chosen = dict(line.split("=", 1) for line in UNIT.splitlines() if re.match(r"\w+=", line))
    # Children that got the signal themselves would end in the middle of a task.
    assert chosen["KillMode"] == "mixed"
    assert f"{chosen['TimeoutStopSec']}s" == OURS["worker"]["stop_grace_period"]
    assert chosen["Restart"] == "always"


def test_versions_fit() -> None:
    """The image's Python can run us, and PostgreSQL's data stand where its image of today keeps them."""
    python = re.findall(r"^FROM python:3\.(\d+)-slim", DOCKERFILE, re.MULTILINE)
    assert len(python) == 2
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert all((3, int(minor)) >= tuple(map(int, wanted.removeprefix(">=").split("."))) for minor in python)
    postgres = COMPOSE["services"]["postgres"]
    assert postgres["image"] == "postgres:18"
    assert postgres["volumes"] == ["postgres:/var/lib/postgresql"]


def test_every_package_is_copied() -> None:
    """What setuptools is told to install is in the image, and let in by .dockerignore."""
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench", "scripts"}
    assert set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.MULTILINE)) == packages
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert packages | {"requirements-image.lock", "pyproject.toml", "README.md"} == let_in


def pinned(lock: str) -> set[tuple[str, str]]:
    """What a lock file installs, each with its version."""
    return set(re.findall(r"^([a-z\d-]+)(?:\[[a-z,]+\])?==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))


def test_image_has_what_it_needs() -> None:
    """The versions that are tested, what sends traces, and no server of the embedded mode."""
    image, asked = pinned("requirements-image.lock"), tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {
        extra: {re.split(r"[\[<>=]", one)[0] for one in asked["optional-dependencies"][extra]}
        for extra in ("embedded", "otel")
    }
    wanted = {re.split(r"[\[<>=]", one)[0] for one in asked["dependencies"]} | extras["otel"]
    assert image <= pinned("requirements-dev.lock")
    assert wanted <= {name for name, _ in image}
    assert not extras["embedded"] & {name for name, _ in image}
    assert "-r requirements-image.lock" in DOCKERFILE


def test_nobody_outside_reaches_anything() -> None:
    """Ports are open on this host only, no process is root, and no password is in the files."""
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert re.search(r"^USER \d+$", DOCKERFILE, re.MULTILINE)
    assert "POSTGRES_PASSWORD:?" in COMPOSE["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"]


def test_checkers_are_content() -> None:
    """The schema of compose files and the linter of Dockerfiles find nothing."""
    schema = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]
    for command in (schema, [tool("hadolint"), "Dockerfile"]):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
