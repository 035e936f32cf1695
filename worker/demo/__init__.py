"""The demo: a portal with 12 apps and 300 tenants, 90 days of past made by the real code path, and a life after it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from config.settings import settings
from worker.demo.history import SOURCE, reachable
from worker.demo.people import NAME, ORGANIZATION, keep, visitors, wanted
from worker.demo.story import story
from worker.embedded import SetupError
from worker.embedded.process import leashed

Say = Callable[[str], None]
TENANTS = 300
RULES = """\
# The demo's rules; docs/uptake.example.toml explains every key. Written anew at each start.

[[source]]
name = "{source}"
kind = "portal"
url = "{portal}/portal/v2"
token_url = "{portal}/connect/token"
organization = "{organization}"
organization_name = "{name}"
accept_url = "{portal}/access/{{app}}"
client_id = "{client_id}"
client_secret = "file:client_secret"
app_key = "file:app_key"
rate = 0                                        # it runs on this machine for nobody else

[polling]
poll_every = "8s"                           # so that you see at once what happens; a real portal is asked less often
min = "8s"
max = "8s"

[policy]
settle = "1m"
grace = {{ blocking = "10d", trimming = "30d" }}
receivers = ["log"]                         # nothing leaves this machine
reminders = "log"
"""


@dataclass(frozen=True, slots=True)
class Demo:
    """Where its rules are, a tenant that lags behind an app of it, and who signs in to its portal's pages."""

    config: Path
    app: str
    tenant: str
    # User name and password of a developer, of that tenant's admin and of the platform's operator.
    people: tuple[tuple[str, str], ...]


def prepare(data_dir: Path, database_url: str, *, say: Say, tenants: int = TENANTS) -> Demo:
    """Have the demo's past made, once, in the migrated database; SetupError when that holds anything else.

    A past that was broken off is begun again. Later calls only say where everything is.
    """
    directory = data_dir.absolute() / "demo"
    engine = create_engine(database_url)
    try:
        known = _sources(engine)
        if known - {SOURCE} or (not directory.exists() and _portal_is_used(engine)):
            raise SetupError(
                "This database holds something else than the demo: "
                "set UPTAKE_DATA_DIR (or DATABASE_URL) to another place for the demo, or leave out --demo."
            )
        if not (known and (directory / "demo.json").exists()):
            _forget(engine)
            _make(directory, database_url, say=say, tenants=tenants)
    finally:
        engine.dispose()
    _write_rules(directory)
    _run(database_url, directory, "portal", "migrate")
    state = json.loads((directory / "demo.json").read_text())
    people = _people(directory, database_url, state["tenant"])
    return Demo(directory / "uptake.toml", state["app"], state["tenant"], people)


def _people(directory: Path, database_url: str, tenant: str) -> tuple[tuple[str, str], ...]:
    """Let somebody of each kind sign in, once; their names and passwords."""
    out = directory / "people.json"
    if not out.exists():
        asked = visitors(json.loads((directory / "bootstrap.json").read_text()), tenant)
        keep(directory / "visitors.json", json.dumps(asked))
        _run(database_url, directory, "portal", "bootstrap", str(directory / "visitors.json"), "--out", str(out))
    made = json.loads(out.read_text())
    (organization,), (one,), operators = made["organizations"], made["tenants"], made["operators"]
    found = [*organization["clients"], *one["clients"], *operators]
    return tuple((person["username"], person["password"]) for person in found)


def _sources(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(text("SELECT name FROM source")))


def _portal_is_used(engine: Engine) -> bool:
    with engine.connect() as connection:
        if connection.execute(text("SELECT to_regclass('portal.organization')")).scalar_one() is None:
            return False
        return connection.execute(text("SELECT EXISTS (SELECT FROM portal.organization)")).scalar_one() is True


def _forget(engine: Engine) -> None:
    """Leave nothing of a past that was broken off."""
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE source, tenant, scope_set, fire CASCADE"))
        connection.execute(text("DROP SCHEMA IF EXISTS portal CASCADE"))


def _make(directory: Path, database_url: str, *, say: Say, tenants: int) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in ("demo.json", "credentials.json", "people.json"):
        (directory / left).unlink(missing_ok=True)
    say(f"Making the demo: a developer portal with 12 apps and {tenants} tenants ...")
    keep(directory / "bootstrap.json", json.dumps(wanted(story(tenants=tenants).tenants)))
    _run(database_url, directory, "portal", "migrate")
    out = directory / "credentials.json"
    _run(database_url, directory, "portal", "bootstrap", str(directory / "bootstrap.json"), "--out", str(out))
    _write_rules(directory)
    say("They live through 90 days now, and Uptake watches (about 30 s) ...")
    _run(database_url, directory, "worker.demo", "history", str(directory), str(tenants), shown=True)


def _write_rules(directory: Path) -> None:
    chosen = settings()
    client = json.loads((directory / "credentials.json").read_text())["organizations"][0]["clients"][0]
    keep(directory / "client_secret", client["clientSecret"])
    keep(directory / "app_key", client["appKey"])
    host = reachable(chosen.portal_host)
    portal = f"http://{f'[{host}]' if ':' in host else host}:{chosen.portal_port}"
    named = {"organization": ORGANIZATION, "name": NAME, "client_id": client["clientId"]}
    rules = RULES.format(source=SOURCE, portal=portal, **named)
    keep(directory / "uptake.toml", rules)


def _run(database_url: str, directory: Path, module: str, *arguments: str, shown: bool = False) -> None:
    """Run a program of ours to its end; it dies with us."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "UPTAKE_CONFIG": str(directory / "uptake.toml"),
        "UPTAKE_LOG_LEVEL": "warning",
    }
    done = subprocess.run(  # noqa: S603 - our own program
        leashed([sys.executable, "-m", module, *arguments]),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=None if shown else subprocess.DEVNULL,
        stderr=None if shown else subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or "").strip().rpartition("\n")[2]
        why = said or f"{module} ended with exit code {done.returncode}"
        raise SetupError(f"The demo could not be made: {why}. `uptake up --demo` begins it again.")
