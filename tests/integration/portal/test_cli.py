"""`python -m portal` as it is run: real processes, exit codes, and one line when something is missing."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import structlog
from sqlalchemy import create_engine, text

from portal import migrations
from portal.cli import main

BOOT: dict[str, Any] = {
    "organizations": [{"id": 4242, "name": "Acme Apps", "clients": [{"name": "worker", "scopes": ["dp.app.apps:r"]}]}],
    "tenants": [{"id": "77", "name": "Bright HVAC", "customer": "Bright Group"}],
    "operators": [{"name": "platform"}],
}


def environment(database: str | None, **more: str) -> dict[str, str]:
    """Our own environment with this database, or none."""
    kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return kept | ({} if database is None else {"DATABASE_URL": database}) | more


class Done(NamedTuple):
    """What a command leaves behind."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs a command in this process, which saves a second each time, by way of its real entry point."""

    def call(*arguments: str, database: str | None) -> Done:
        monkeypatch.setattr(sys, "argv", ["portal", *arguments])
        monkeypatch.delenv("DATABASE_URL", raising=False)
        if database is not None:
            monkeypatch.setenv("DATABASE_URL", database)
        # Portals that are served from threads of this process must not write between the lines of the command.
        structlog.reset_defaults()
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
        with pytest.raises(SystemExit) as end:
            main()
        code = end.value.code
        assert isinstance(code, int)
        return Done(code, *capsys.readouterr())

    yield call
    # Other tests of this process read logs where they usually are.
    structlog.reset_defaults()


@pytest.fixture
def migrated(fresh_database: Callable[[], str], run: Run) -> str:
    """A database that `migrate` has seen, twice."""
    database = fresh_database()
    for _ in range(2):
        assert run("migrate", database=database) == (0, "", "")
    return database


def test_tables_and_migrations_agree(migrated: str) -> None:
    """What the migrations make is what the code expects, all of it in the schema `portal`."""
    foreign = "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('portal', 'pg_catalog', 'information_schema')"
    engine = create_engine(migrated)
    migrations.check(engine)
    with engine.connect() as connection:
        outside = connection.scalars(text(foreign)).all()
    engine.dispose()

    assert outside == []


def test_bootstrap_tells_once(migrated: str, run: Run, tmp_path: Path) -> None:
    """Credentials are written once, for their owner's eyes; the second run makes and tells only what is new."""
    file, out = tmp_path / "boot.json", tmp_path / "credentials.json"
    file.write_text(json.dumps(BOOT))

    assert run("bootstrap", str(file), "--out", str(out), database=migrated).returncode == 0
    made = json.loads(out.read_text())
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert made["organizations"][0]["id"] == "4242"
    assert made["organizations"][0]["clients"][0]["scopes"] == ["dp.app.apps:r"]
    assert made["tenants"][0]["clients"][0]["name"] == "admin"
    assert made["operators"][0]["clientSecret"].startswith("cs1.")

    file.write_text(json.dumps(BOOT | {"operators": [{"name": "platform"}, {"name": "night shift"}]}))
    again = json.loads(run("bootstrap", str(file), database=migrated).stdout)
    assert again["organizations"][0]["clients"] == again["tenants"][0]["clients"] == []
    assert [operator["name"] for operator in again["operators"]] == ["night shift"]


def test_add_by_hand(migrated: str, run: Run) -> None:
    """An organization and a tenant can be added by a command each; ids from files are not given out again."""
    first = json.loads(run("organization", "add", "Acme", "--id", "1001", database=migrated).stdout)
    second = json.loads(run("organization", "add", "Other", "--faithful", database=migrated).stdout)
    tenant = json.loads(run("tenant", "add", "77", "Bright HVAC", database=migrated).stdout)

    assert [made["organizations"][0]["id"] for made in (first, second)] == ["1001", "1002"]
    assert second["organizations"][0]["faithful"] is True
    assert tenant["tenants"][0]["clients"][0]["appKey"].startswith("ak1.")


def test_people(migrated: str, run: Run) -> None:
    """Who signs in is added, gets another password and goes; an API client of that name is theirs."""
    developer = json.loads(run("organization", "add", "Acme", "--client", "j.doe", database=migrated).stdout)
    number = developer["organizations"][0]["id"]
    added = run("person", "add", "jdoe", "--organization", number, "--name", "j.doe", database=migrated)
    other = run("person", "password", "jdoe", database=migrated)
    told = [json.loads(done.stdout) for done in (added, other)]

    # The client was there, and its credentials are not told again.
    assert set(told[0]) == {"name", "organization", "username", "password"}
    assert told[0]["password"] != told[1]["password"]
    assert (
        "signs in already"
        in run("person", "add", "jdoe", "--organization", number, "--name", "j.doe", database=migrated).stderr
    )
    fresh = json.loads(run("person", "add", "ops", "--operator", database=migrated).stdout)
    assert fresh["clientSecret"].startswith("cs1.")
    assert run("person", "remove", "jdoe", database=migrated) == (0, "", "")
    assert "nobody signs in as 'jdoe'" in run("person", "remove", "jdoe", database=migrated).stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("jdoe",), "say one of --organization, --tenant and --operator"),
        (("jdoe", "--operator", "--tenant", "7"), "say one of"),
        (("jdoe", "--tenant", "7"), "no tenant 7: `portal tenant add` makes one"),
        (("jdoe", "--organization", "7"), "no organization 7"),
        (("J Doe", "--operator"), "username"),
    ],
)
def test_person_who_cannot_be_added(migrated: str, run: Run, words: tuple[str, ...], told: str) -> None:
    """What is missing or wrong is said in one line."""
    done = run("person", "add", *words, database=migrated)

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"organizations": [{"name": ""}]}', "organizations.0.name"),
        ('{"surprise": 1}', "surprise"),
        ("{", "JSON"),
        ('{"tenants": [{"id": "x", "name": "y"}]}', "tenants.0.id"),
        ('{"operators": [{"name": "o", "scopes": ["dp.app.apps:r"]}]}', "dp.app.apps:r"),
    ],
)
def test_wrong_bootstrap_file(migrated: str, run: Run, tmp_path: Path, content: str, told: str) -> None:
    """A wrong file is refused with the place of the fault, exit code 2 and no traceback."""
    file = tmp_path / "boot.json"
    file.write_text(content)

    done = run("bootstrap", str(file), database=migrated)

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("database", "told"),
    [
        (None, "DATABASE_URL is not set"),
        ("nonsense", "cannot be read"),
        ("sqlite://", "PostgreSQL"),
        ("postgresql://u:s3cret@127.0.0.1:1/db", "does not answer at 127.0.0.1"),
    ],
)
def test_no_database(run: Run, database: str | None, told: str) -> None:
    """Without a database each command says what to do in one line, exit code 2, and no password."""
    for command in (["serve"], ["migrate"], ["approve", "1"]):
        done = run(*command, database=database)

        assert done.returncode == 2
        assert told in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert "s3cret" not in done.stderr


def test_missing_tables(fresh_database: Callable[[], str], run: Run) -> None:
    """A database that was never migrated is refused with the command that mends it."""
    database = fresh_database()

    for command in (["serve"], ["organization", "add", "Acme"]):
        done = run(*command, database=database)
        assert (done.returncode, "portal migrate" in done.stderr) == (2, True)


def test_approve_what_is_not_there(migrated: str, run: Run) -> None:
    """An unknown app is said to be unknown, exit code 2."""
    done = run("approve", "1", database=migrated)

    assert (done.returncode, done.stderr) == (2, "portal: No such app.\n")


def test_taken_port(migrated: str) -> None:
    """A port that is in use is named, with the option that chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "portal", "serve", "--port", str(port)]
        done = subprocess.run(command, env=environment(migrated), capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr
    assert "--port" in done.stderr


def test_serve_and_stop(migrated: str) -> None:
    """The process serves on the address of the environment and ends on SIGTERM."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = environment(migrated, UPTAKE_PORTAL_PORT=str(port), UPTAKE_PORTAL_HOST="127.0.0.1")
    with subprocess.Popen([sys.executable, "-m", "portal", "serve"], env=told) as process:
        transport = httpx.HTTPTransport(retries=10)
        with httpx.Client(transport=transport, base_url=f"http://127.0.0.1:{port}") as client:
            alive = client.get("/healthz")
            document = client.get("/portal/v2/openapi.json").json()
        process.send_signal(signal.SIGTERM)
        code = process.wait(20)

    assert alive.json() == {"status": "ok"}
    assert "/portal/v2/organization/{organization}/connections" in document["paths"]
    assert code in {0, -signal.SIGTERM}


@pytest.mark.parametrize("by", ["option", "environment"])
def test_short_secret_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """What signs sessions cannot be guessed; the one line says how to make such a key, and does not repeat this one."""
    if by == "environment":
        monkeypatch.setenv("UPTAKE_SECRET_KEY", "s3cret" * 5)
    options = ["--secret", "s3cret" * 5] if by == "option" else []
    done = run("serve", *options, database=None)

    assert (done.returncode, done.stdout) == (2, "")
    assert "secrets.token_urlsafe(32)" in done.stderr
    assert "s3cret" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_long_secret_is_taken(run: Run) -> None:
    """One of 32 characters is enough; what is missed next is the database."""
    assert "DATABASE_URL" in run("serve", "--secret", "s" * 32, database=None).stderr
