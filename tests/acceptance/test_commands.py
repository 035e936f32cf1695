"""The command `uptake` as a user types it: one clear sentence and exit code 2 for whatever is in the way."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.migrations import upgrade
from tests.acceptance.embedded import ROOT
from tests.acceptance.portal_world import A, PortalWorld

Typed = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    """Run `uptake ARGUMENTS` in an empty directory, with these changes to an environment that names nothing."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        ours = ("UPTAKE_", "DATABASE_URL", "REDIS_URL", "CELERY_")
        plain = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return subprocess.run(
            [sys.executable, "-m", "worker.cli", *arguments],
            env={**plain, "PYTHONPATH": str(ROOT), **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """The command ended with 2 and said *words* in a line of its own, and nothing like a traceback."""
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert done.stderr.startswith("uptake: ")


NO_DATABASE = {"DATABASE_URL": "postgresql://somebody:hush@127.0.0.1:9/uptake"}
NO_BROKER = {"REDIS_URL": "redis://:hush@127.0.0.1:9/0"}


@pytest.mark.parametrize("command", ["status", "laggards", "alerts", "migrate", "poll", "worker"])
def test_unreachable_database(typed: Typed, command: str) -> None:
    """The sentence names the setting, and not the password."""
    done = typed(command, **NO_DATABASE, **NO_BROKER)
    refused(done, "database cannot be reached", "DATABASE_URL")
    assert "hush" not in done.stderr


@pytest.mark.parametrize("command", ["status", "worker", "beat", "dashboard", "portal"])
def test_nothing_is_named(typed: Typed, command: str) -> None:
    """With no address and nothing running here, the sentence says how to get one."""
    refused(typed(command), "uptake up")


def test_unreachable_broker(typed: Typed, fresh_database: Callable[[], str]) -> None:
    """A worker without a broker says so at once, and not the password."""
    url = fresh_database()
    refused(typed("worker", DATABASE_URL=url, **NO_BROKER), "uptake migrate")
    upgrade(url)
    done = typed("worker", DATABASE_URL=url, **NO_BROKER)
    refused(done, "broker cannot be reached", "REDIS_URL")
    assert "hush" not in done.stderr


@pytest.mark.parametrize("command", ["check", "up", "worker"])
def test_wrong_rules(typed: Typed, tmp_path: Path, command: str) -> None:
    """File, line, key and the mend, from whichever command meets the mistake first."""
    (tmp_path / "uptake.toml").write_text('[policy]\nsettel = "60m"\n')
    refused(typed(command, **NO_DATABASE, **NO_BROKER), "uptake.toml:2", "policy.settel", '"settle"')


def test_unknown_setting(typed: Typed) -> None:
    """A name under our prefix that means nothing is a mistake."""
    refused(typed("status", UPTAKE_DASHBORD_PORT="1"), "UPTAKE_DASHBOARD_PORT")


def test_missing_schema(typed: Typed, fresh_database: Callable[[], str]) -> None:
    """An empty database gets the command that mends it, which then does."""
    url = fresh_database()
    refused(typed("status", DATABASE_URL=url), "uptake migrate")
    assert '"migrated": true' in typed("migrate", "--json", DATABASE_URL=url).stdout
    assert '"migrated": false' in typed("migrate", "--json", DATABASE_URL=url).stdout
    assert typed("status", DATABASE_URL=url).returncode == 0


@pytest.mark.parametrize(
    ("command", "setting"), [("up", "DASHBOARD"), ("dashboard", "DASHBOARD"), ("portal", "PORTAL")]
)
def test_taken_port(typed: Typed, command: str, setting: str) -> None:
    """Before anything is started, the sentence names the port and the setting that moves it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = typed(command, **{f"UPTAKE_{setting}_PORT": port}, **NO_DATABASE, **NO_BROKER)
    refused(done, port, f"UPTAKE_{setting}_PORT")


@pytest.fixture
def portal(fresh_database: Callable[[], str], tmp_path: Path) -> Iterator[PortalWorld]:
    """A portal with two tenants."""
    portal = PortalWorld.started(tmp_path, fresh_database(), tenants=2)
    yield portal
    portal.stop()


def test_wrong_credential(typed: Typed, portal: PortalWorld, fresh_database: Callable[[], str], tmp_path: Path) -> None:
    """A refused credential is said by `poll`, stands in `doctor`, and is over when it is mended."""
    url = fresh_database()
    upgrade(url)
    portal.make_app("Dispatch Helper", A)
    portal.uptake_toml(tmp_path / "uptake.toml")
    secret = (tmp_path / "secret").read_text()
    (tmp_path / "secret").write_text("not-the-secret")
    done = typed("poll", DATABASE_URL=url)
    assert done.returncode == 2
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("uptake: ")]
    assert "acme" in sentence
    assert "not-the-secret" not in done.stderr
    examined = typed("doctor", "sources", DATABASE_URL=url)
    assert examined.returncode == 1
    assert "acme" in examined.stdout
    for command in ("status", "laggards"):
        asked = typed(command, DATABASE_URL=url)
        assert asked.returncode == 1
        assert "Source acme cannot be read" in asked.stderr
        assert "Nobody lags" not in asked.stdout

    (tmp_path / "secret").write_text(secret)
    assert typed("poll", DATABASE_URL=url).returncode == 0
    assert typed("doctor", "sources", DATABASE_URL=url).returncode == 0


def test_contact_book(typed: Typed, portal: PortalWorld, fresh_database: Callable[[], str], tmp_path: Path) -> None:
    """A book is imported whole or not at all; a dry run says the same and does nothing; strangers end it with 1."""
    url = fresh_database()
    upgrade(url)
    portal.tenant(0, "allow", portal.make_app("Dispatch Helper", A))
    portal.uptake_toml(tmp_path / "uptake.toml")
    typed("poll", DATABASE_URL=url)
    book = tmp_path / "book.csv"
    book.write_text("tenant,email\n1000,ada\n")
    refused(typed("contacts", "import", "book.csv", DATABASE_URL=url), "book.csv:2: email:", "Nothing was imported.")
    refused(typed("contacts", "import", "none.csv", DATABASE_URL=url), "none.csv", "cannot be read")

    book.write_text("tenant;email;role\n1000;ada@bright.example;owner\n")
    told = "1 contact: 1 new, 0 changed, 0 as they were."
    for options, said in (("--dry-run", "Would import"), ("", "Imported")):
        done = typed("contacts", "import", "book.csv", *options.split(), DATABASE_URL=url)
        assert (done.returncode, done.stdout.strip()) == (0, f"{said} {told}")
    refused(typed("contacts", "import", "book.csv", "--source", "acne", DATABASE_URL=url), "no source acne", "acme")

    book.write_text("tenant;email\n1000;ada@bright.example\n4;bob@clear.example\n")
    done = typed("contacts", "import", "book.csv", DATABASE_URL=url)
    assert done.returncode == 1
    assert "no portal has listed such a tenant: acme:4." in done.stdout


def test_unknown_app_is_said(typed: Typed, fresh_database: Callable[[], str]) -> None:
    """Asking for what is not there is not an empty answer."""
    url = fresh_database()
    upgrade(url)
    refused(typed("explain", "acme:1", "1000", DATABASE_URL=url), "acme:1", "uptake status")
    for command in ("poll", "laggards", "alerts"):
        refused(typed(command, "acme:1", DATABASE_URL=url), "acme:1", "uptake status")
    refused(typed("timeline", "1000", DATABASE_URL=url), "1000", "uptake laggards")


def test_message_to_try_a_receiver(typed: Typed, tmp_path: Path) -> None:
    """`check --test` sends one message and tells the answer; a refusal ends it with 1, and no secret is told."""
    (tmp_path / "uptake.toml").write_text("""
[[receiver]]
name = "box"
kind = "file"
folder = "outbox"
from = "uptake@acme.example"
to = ["ops@acme.example"]
[[receiver]]
name = "chat"
kind = "slack"
url = "env:CHAT_URL"
""")
    chat = {"CHAT_URL": "http://127.0.0.1:9/s3cr3t"}
    done = typed("check", "--test", "box", **chat)
    assert (done.returncode, "sent" in done.stdout) == (0, True), done
    (letter,) = (tmp_path / "outbox").iterdir()
    assert "This is a test message" in letter.read_text()
    done = typed("check", "--test", "chat", **chat)
    assert (done.returncode, "REFUSED" in done.stdout) == (1, True), done
    assert "s3cr3t" not in done.stdout + done.stderr
    refused(typed("check", "--test", "chta", **chat), "there is no receiver chta", "box, chat, log")


def test_rules_that_are_not_there_are_said(typed: Typed) -> None:
    """Without a file nothing is polled, and that is not "in order"."""
    done = typed("check")
    assert done.returncode == 1
    assert "There is no uptake.toml" in done.stdout
    assert "in order" not in done.stdout


def test_what_is_hardly_meant_is_said(typed: Typed, tmp_path: Path) -> None:
    """A warning keeps nobody from using the file: the exit code is 0, and programs read it as JSON."""
    (tmp_path / "uptake.toml").write_text("[policy]\nreceivers = []\n")
    done = typed("check")
    assert (done.returncode, "is in order" in done.stdout) == (0, True), done
    said = "uptake.toml:2: policy.receivers: nobody is told of any alert"
    assert done.stderr.startswith(f"warning: {said}")
    (warning,) = json.loads(typed("check", "--json").stdout)["data"]["warnings"]
    assert warning.startswith(said)


def test_what_is_no_text_is_refused(typed: Typed, fresh_database: Callable[[], str]) -> None:
    """Bytes that are no UTF-8 are a mistake of the caller's."""
    url = fresh_database()
    upgrade(url)
    refused(typed("timeline", os.fsdecode(b"\xff"), DATABASE_URL=url), "UTF-8")


def test_named_rules_must_be_there(typed: Typed, tmp_path: Path) -> None:
    """A file that UPTAKE_CONFIG names is there, or no source would be watched and nobody would know why."""
    refused(typed("check", UPTAKE_CONFIG=str(tmp_path / "nowhere.toml")), "nowhere.toml", "UPTAKE_CONFIG")
    refused(typed("check", "nowhere.toml"), "nowhere.toml")
    (tmp_path / "other.toml").write_text("[polling]\nmin = 5\n")
    refused(typed("check", "other.toml"), "other.toml:2: polling.min")
    (tmp_path / "uptake.toml").write_text("")
    assert typed("check").returncode == 0
