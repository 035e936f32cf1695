"""Every import contract holds, and each one is seen to break when it is violated."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
VERDICT = re.compile(r"^(.+) (KEPT|BROKEN)$", re.MULTILINE)

DIRECTION = "One direction"
ALONE = "The portal is on its own"
PORTAL_OUT = "The portal imports nothing of ours"
PORTAL_IN = "Nothing of ours imports the portal"
INSIDE = "Inside uptake: adapters above the core"
PURE = "The core is pure"
MEMORY = "What we remember does not know the outside world"
HTTPX = "httpx is imported in one module"

VIOLATIONS = [
    pytest.param("uptake/sources/__init__.py", "import models", {DIRECTION}, id="sources_import_models"),
    pytest.param("config/__init__.py", "import uptake", {DIRECTION}, id="config_imports_uptake"),
    pytest.param("models/base.py", "import tasks", {DIRECTION}, id="models_import_tasks"),
    pytest.param("tasks/__init__.py", "import worker", {DIRECTION}, id="tasks_import_worker"),
    pytest.param("worker/__init__.py", "import dashboard", {DIRECTION}, id="worker_imports_dashboard"),
    pytest.param("portal/__init__.py", "import uptake", {ALONE, PORTAL_OUT}, id="portal_imports_uptake"),
    pytest.param("uptake/facts.py", "import portal", {ALONE, PORTAL_IN}, id="uptake_imports_portal"),
    pytest.param("portal/__init__.py", "import config", {PORTAL_OUT}, id="portal_imports_config"),
    pytest.param("dashboard/__init__.py", "import portal", {PORTAL_IN}, id="dashboard_imports_portal"),
    pytest.param("uptake/lag.py", "import uptake.policy", {INSIDE}, id="lag_imports_policy"),
    pytest.param("uptake/cadence.py", "import uptake.policy", {INSIDE}, id="cadence_imports_policy"),
    pytest.param("uptake/wording.py", "import uptake.cadence", {INSIDE}, id="wording_imports_cadence"),
    pytest.param("uptake/policy.py", "import uptake.channels", {INSIDE}, id="core_imports_an_adapter"),
    pytest.param("uptake/sources/__init__.py", "import uptake.channels", {INSIDE}, id="sources_import_channels"),
    pytest.param("uptake/cadence.py", "import time", {PURE}, id="core_reads_the_clock"),
    pytest.param("uptake/policy.py", "import structlog", {PURE}, id="core_logs"),
    pytest.param("uptake/versions.py", "import sqlalchemy", {PURE}, id="core_knows_the_database"),
    pytest.param("models/base.py", "import uptake.channels", {MEMORY}, id="models_import_channels"),
    pytest.param("models/base.py", "import celery", {MEMORY}, id="models_import_celery"),
    pytest.param("tasks/__init__.py", "import httpx", {HTTPX}, id="tasks_import_httpx"),
    pytest.param("uptake/sources/__init__.py", "import httpx", {HTTPX}, id="sources_import_httpx"),
]


def contracts() -> dict[str, Any]:
    """The import-linter section of the project file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    section: dict[str, Any] = project["tool"]["importlinter"]
    return section


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of our packages and their contracts, to be spoilt."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in contracts()["root_packages"]:
        for module in (ROOT / package).rglob("*.py"):
            copy = tmp_path / module.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(module, copy)
    return tmp_path


def broken(house: Path) -> set[str]:
    """The contracts that import-linter finds broken in *house*; every contract has to get a verdict."""
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=house,
        env={"COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = dict(VERDICT.findall(run.stdout))
    assert verdicts.keys() == {contract["name"] for contract in contracts()["contracts"]}, run.stdout + run.stderr
    return {name for name, verdict in verdicts.items() if verdict == "BROKEN"}


def test_all_contracts_hold(house: Path) -> None:
    """The tree keeps every contract as it stands."""
    assert broken(house) == set()


@pytest.mark.parametrize(("module", "offence", "expected"), VIOLATIONS)
def test_a_violation_breaks_its_contract(house: Path, module: str, offence: str, expected: set[str]) -> None:
    """One offending import breaks the contract that forbids it, and no other."""
    with (house / module).open("a") as spoilt:
        spoilt.write(f"\n{offence}\n")
    assert broken(house) == expected


def test_every_contract_is_shown_to_break() -> None:
    """A contract without a violation in the table above could be worth nothing."""
    shown: set[str] = set().union(*(row.values[2] for row in VIOLATIONS))  # type: ignore[arg-type]  # pytest types them as object
    assert shown == {contract["name"] for contract in contracts()["contracts"]}
