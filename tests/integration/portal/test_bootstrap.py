"""Running a bootstrap file, again and in part: no secret is lost, nothing made twice, nothing reset."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.integration.portal.test_cli import Run, migrated, run
from tests.integration.portal.world import Caller, World, app_body

__all__ = ["migrated", "run"]
BOOT = {"organizations": [{"name": "Acme", "homePageUrl": "https://acme.example", "faithful": True}]}
TENANT = {"id": "77", "name": "Bright HVAC", "customer": "Bright Group"}
Rows = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def rows(migrated: str) -> Rows:
    """What the database of the commands holds."""

    def read(query: str) -> list[tuple[Any, ...]]:
        engine = create_engine(migrated)
        with engine.connect() as connection:
            found = [tuple(row) for row in connection.execute(text(query))]
        engine.dispose()
        return found

    return read


@pytest.fixture
def boot(migrated: str, run: Run, tmp_path: Path) -> Callable[..., Any]:
    """Runs what is given as a bootstrap file."""
    file = tmp_path / "boot.json"

    def call(wanted: dict[str, Any], *options: str) -> Any:
        file.write_text(json.dumps(wanted))
        return run("bootstrap", str(file), *options, database=migrated)

    return call


def test_file_that_cannot_be_written(boot: Callable[..., Any], rows: Rows, tmp_path: Path) -> None:
    """Where credentials cannot be told nothing is made, and it is said in one line."""
    for place in (tmp_path / "nowhere" / "c.json", tmp_path):
        done = boot(BOOT, "--out", str(place))
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
        assert str(place) in done.stderr
    assert rows("SELECT * FROM portal.client") == []


def test_file_that_holds_secrets_is_not_written_over(boot: Callable[..., Any], rows: Rows, tmp_path: Path) -> None:
    """The same file again leaves the credentials alone; something new to tell is refused, and not made."""
    out = tmp_path / "credentials.json"
    assert boot(BOOT, "--out", str(out)).returncode == 0
    first = out.read_text()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "clientSecret" in first
    assert boot(BOOT, "--out", str(out)).returncode == 0
    assert out.read_text() == first
    done = boot(BOOT | {"tenants": [TENANT]}, "--out", str(out))
    assert done.returncode == 2
    assert "name another file" in done.stderr
    assert out.read_text() == first
    assert rows("SELECT * FROM portal.tenant") == []


def test_failure_leaves_no_file(boot: Callable[..., Any], tmp_path: Path) -> None:
    """What cannot be made leaves no file that looks like credentials."""
    out = tmp_path / "credentials.json"
    assert boot({"operators": [{"name": "o", "scopes": ["x"]}]}, "--out", str(out)).returncode == 2
    assert not out.exists()


def test_password_is_told_before_it_counts(boot: Callable[..., Any], run: Run, migrated: str, tmp_path: Path) -> None:
    """A new password that cannot be written down does not replace the old one."""
    boot(BOOT)
    run("person", "add", "ops", "--operator", database=migrated)
    engine = create_engine(migrated)
    with engine.connect() as connection:
        before = connection.scalar(text("SELECT password_hash FROM portal.person"))
        done = run("person", "password", "ops", "--out", str(tmp_path / "nowhere" / "p"), database=migrated)
        assert done.returncode == 2
        assert connection.scalar(text("SELECT password_hash FROM portal.person")) == before
    engine.dispose()


def test_organization_is_found_by_its_name(boot: Callable[..., Any], rows: Rows, run: Run, migrated: str) -> None:
    """A file without ids makes an organization once; what it leaves out stays as it was."""
    first = json.loads(boot(BOOT).stdout)["organizations"][0]
    again = json.loads(boot({"organizations": [{"name": "Acme"}]}).stdout)["organizations"][0]
    assert run("organization", "add", "Acme", database=migrated).returncode == 0
    assert (again["id"], again["faithful"], again["clients"]) == (first["id"], True, [])
    assert rows("SELECT name, home_page_url, faithful FROM portal.organization") == [
        ("Acme", "https://acme.example", True)
    ]
    boot({"organizations": [{"id": 7, "name": "Acme"}]})
    done = boot(BOOT)
    assert done.returncode == 2
    assert "several organizations are called 'Acme'" in done.stderr


def test_customer_stays(boot: Callable[..., Any], rows: Rows) -> None:
    """A second file that names no customer changes the name only."""
    boot({"tenants": [TENANT]})
    boot({"tenants": [{"id": "77", "name": "Bright"}, {"id": "78", "name": "Dim", "customer": "Dim Group"}]})
    assert rows("SELECT name, customer FROM portal.tenant ORDER BY id") == [
        ("Bright", "Bright Group"),
        ("Dim", "Dim Group"),
    ]


def test_renamed_tenant_is_told_by_feeds(world: World, developer: Caller) -> None:
    """A connection shows its tenant's name, and so has changed with it; the same name again changes nothing."""
    (tenant,) = world.tenants(1)
    developer.ok("POST", "/apps", app_body(tenantIds=[tenant]))
    (before,) = developer.listed("/connections")
    for name in ("Renamed", "Renamed"):
        world.rename(tenant, name)
    (after,) = developer.listed("/connections")
    assert after["resourceOwner"]["name"] == "Renamed"
    assert after["modifiedOn"] > before["modifiedOn"]
    assert after["revision"] == before["revision"] + 1
