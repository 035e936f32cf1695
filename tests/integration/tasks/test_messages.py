"""What messages say: by templates and features of uptake.toml, in the tenant's language, and never nothing."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text

from tasks.deliver import deliver_now
from tasks.evaluate import evaluate_now
from tasks.flush import flush_now
from tasks.remind import remind_now
from tasks.rules import rules
from tasks.templates import tell_broken
from tests.integration.models.world import A, B, C, World
from tests.integration.tasks.alarmed import alarmed
from tests.integration.tasks.recorded import Ours
from worker.doctor import examined

CHOSEN = """
[templates]
folder = "templates"
[[feature]]
name = "Two-way calendar"
scopes = ["tn.jpm.jobs:r", "tn.jpm.jobs:w"]
app = "4711"
why = "It shows jobs in the calendar."
[[feature]]
name = "Somebody else's"
scopes = ["tn.jpm.jobs:r"]
app = "1"
"""
ACCEPTED_AT = """
[[source]]
name = "acme"
kind = "portal"
url = "https://portal.example"
token_url = "https://portal.example/token"
organization = "1001"
accept_url = "https://go.example/#/{tenant}/access/{app}?in={environment}"
client_id = "cid.1"
client_secret = "file:key"
app_key = "file:key"
"""
Write = Callable[..., None]


@pytest.fixture
def write(chosen: Path) -> Write:
    """Put these templates into the folder, and begin as a new process does."""
    folder = chosen.parent / "templates"
    folder.mkdir()
    chosen.write_text(chosen.read_text() + CHOSEN)

    def write(**files: str) -> None:
        for name, content in files.items():
            (folder / name.replace("_", ".")).write_text(content)
        rules.cache_clear()

    return write


@pytest.fixture
def lagging(world: World) -> World:
    """A tenant in Auckland lacks two scopes; its contact may be written to now."""
    world.put("1", 1)
    world.poll()
    world.session.execute(text("UPDATE tenant SET time_zone = 'Pacific/Auckland', locale = 'de-AT'"))
    world.session.execute(text("INSERT INTO contact (tenant_id, email) SELECT id, 'a@b.example' FROM tenant"))
    world.now = datetime(2026, 3, 3, 20, tzinfo=UTC)
    world.release(A, B, C)
    world.poll()
    world.now += timedelta(days=2)
    evaluate_now(world.app_id, now=world.now)
    world.session.execute(text("UPDATE app SET walked_at = :now"), {"now": world.now})
    world.session.commit()
    return world


def reminded(world: World) -> tuple[str, str, str]:
    """The subject, the text and the page of the reminder that is queued."""
    assert remind_now(now=world.now) == 1
    ((subject, body, page),) = world.rows("SELECT subject, body, html FROM notice")
    return subject, body, page


def test_in_the_tenants_language_and_zone(lagging: World, write: Write) -> None:
    """German, the day as it was there, what is blocked and why; no other app's features."""
    write()
    subject, body, page = reminded(lagging)
    assert subject == "Dispatch Helper benötigt Ihre Freigabe für Tenant 1"
    # In UTC it was still the third.
    assert "Seit dem 4.\N{NO-BREAK SPACE}März 2026 (2 Tage) funktioniert in Dispatch Helper nicht alles." in body
    assert "  - Two-way calendar\n" in body
    assert "  - Ansehen und ändern: jobs (tn.jpm.jobs)\n" in body
    assert "It shows jobs in the calendar." in body
    assert "Somebody" not in body
    assert "acme hat Version 2 von Dispatch Helper veröffentlicht." in body
    assert '<html lang="de">' in page
    ((payload,),) = lagging.rows("SELECT payload FROM notice")
    (ask,) = payload.pop("asks")
    assert (ask["app"], ask["version"], ask["target_version"]) == ("acme:4711", 1, 2)
    assert payload == {
        "type": "reminder",
        "tenant": "1",
        "missing": [B, C],
        "step": 1,
        "opt_out_url": None,
    }


def test_button_to_the_page(lagging: World, chosen: Path) -> None:
    """Where to accept is said by the source's accept_url; a tenant's id is no more than a name in it."""
    (chosen.parent / "key").write_text("ak1.key")
    chosen.write_text(chosen.read_text() + ACCEPTED_AT)
    rules.cache_clear()
    lagging.session.execute(text("UPDATE tenant SET external_id = 'a/b&c', locale = NULL"))
    lagging.session.commit()
    _, body, page = reminded(lagging)
    url = "https://go.example/#/a%2Fb%26c/access/4711?in=production"
    assert f"Review and accept: {url}\n" in body
    assert f'href="{url}"' in page
    assert lagging.rows("SELECT payload -> 'asks' -> 0 ->> 'accept_url' FROM notice") == [(url,)]


def test_by_the_name_that_readers_know(ours: Ours, chosen: Path) -> None:
    """Whose app it is is said by the source's organization_name, where there is one."""
    chosen.write_text(chosen.read_text().replace('name = "acme"', 'name = "acme"\norganization_name = "Acme Apps"'))
    assert ours.said("poll").returncode == 0
    said = ours.said("preview", "acme:4711", "3")
    assert "Acme Apps has released version 3 of " in said.stdout, said


def test_by_templates(lagging: World, write: Write) -> None:
    """The nearest language wins, part by part."""
    write(reminder_de_subject="Bitte: $app", reminder_txt="english", reminder_de_html="<p>$tenant $since</p>")
    subject, body, page = reminded(lagging)
    assert (subject, page) == ("Bitte: Dispatch Helper", "<p>Tenant 1 4.\N{NO-BREAK SPACE}März 2026</p>")
    assert body.startswith("Guten Tag,")


def test_digest_by_a_template(world: World, write: Write) -> None:
    """Operators' messages can be replaced as well."""
    write(digest_txt="$title in $app: $open\n$members\n")
    alarmed(world, 2)
    assert flush_now(now=world.now + timedelta(seconds=31)) == 1
    ((subject, body),) = world.rows("SELECT subject, body FROM notice")
    assert subject.startswith("[FIRING 2] Dispatch Helper: ")
    assert body.startswith("tenants have not accepted the permissions the app needs in Dispatch Helper: 2\n  - Tenant")


def test_broken_template_keeps_nobody_silent(lagging: World, write: Write) -> None:
    """The part is built in, as if the file were not there."""
    write(reminder_de_txt="$ap", reminder_de_subject="Bitte: $app")
    subject, body, _ = reminded(lagging)
    assert subject == "Bitte: Dispatch Helper"
    assert body.startswith("Guten Tag,")


def test_operators_are_told_once_of_each_broken_content(world: World, write: Write, chosen: Path) -> None:
    """At every address of the receivers of [policy]; a later start tells only of what is new, and logs all of it."""
    box = '[[receiver]]\nname = "box"\nkind = "file"\nfolder = "out"\nfrom = "a@b.c"\nto = ["x@b.c", "y@b.c"]\n'
    chosen.write_text(chosen.read_text().replace('receivers = ["ops"]', 'receivers = ["ops", "box"]') + box)
    write(reminder_txt="$ap", reminder_de_txt="$app", README="x")
    with structlog.testing.capture_logs() as logs:
        assert tell_broken(now=world.now) == 3
    assert [(entry["event"], Path(entry["path"]).name) for entry in logs] == [
        ("template.broken", "README"),
        ("template.broken", "reminder.txt"),
    ]
    assert "reminder.txt:1: $ap is no placeholder here; did you mean $app?" in logs[1]["mistakes"][0]
    told = world.rows('SELECT receiver, "to", reason, state FROM notice ORDER BY id')
    assert told == [
        (name, to, "template_broken", "due") for name, to in (("ops", ""), ("box", "x@b.c"), ("box", "y@b.c"))
    ]
    ((subject, body),) = world.rows("SELECT DISTINCT subject, body FROM notice")
    assert subject == "[BROKEN] reminder.txt: messages have the built-in words"
    assert "reminder.txt:1: $ap is no placeholder here; did you mean $app?" in body
    before = world.snapshot()
    write()
    assert tell_broken(now=world.now + timedelta(days=1)) == 0
    assert world.snapshot() == before
    write(reminder_txt="$aq")
    assert tell_broken(now=world.now + timedelta(days=1)) == 3
    write(reminder_txt="$app", digest_txt="$aq")
    assert tell_broken(now=world.now + timedelta(days=1)) == 3
    assert deliver_now(now=world.now + timedelta(days=2)) == 9
    assert world.rows("SELECT DISTINCT state FROM notice") == [("sent",)]


def test_worker_starts_and_tells(ours: Ours, chosen: Path) -> None:
    """A broken template is no reason not to start; it is told of when one starts, and not again when another does."""
    (chosen.parent / "templates").mkdir()
    (chosen.parent / "templates" / "reminder.txt").write_text("$ap")
    chosen.write_text(chosen.read_text() + '[templates]\nfolder = "templates"\n')
    start = "from worker import lifecycle; lifecycle._main_process()"
    environment = os.environ | {"DATABASE_URL": ours.url}
    for _ in range(2):
        begun = subprocess.run(
            [sys.executable, "-c", start], env=environment, capture_output=True, text=True, check=True
        )
        assert "template.broken" in begun.stdout + begun.stderr
    assert ours.rows("SELECT reason, receiver, state FROM notice") == [("template_broken", "log", "due")]


def test_doctor_names_what_is_broken(write: Write) -> None:
    """By file and line; nothing is wrong with the rules, or the worker would not start."""
    write(reminder_txt="$app")
    (finding,) = examined("templates")
    assert (finding.ok, finding.said) == (True, "templates of our own: reminder.txt")
    write(reminder_txt="\n$ap")
    templates, file = examined("templates", "rules")
    assert "reminder.txt:2: $ap is no placeholder here" in templates.said
    assert (templates.ok, file.ok) == (False, True)
