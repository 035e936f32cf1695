"""`uptake acknowledge`, `snooze` and `silence`, as somebody types them."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug import Request, Response

from dashboard.app import application
from models import Scope, Session
from tasks.deliver import deliver_now
from tasks.evaluate import evaluate_now
from tasks.flush import flush_now
from tasks.poll import list_apps, poll
from tests.integration.access.callers import bearer
from tests.integration.tasks.recorded import Ours
from tests.integration.test_api import got

REMINDED = """
WITH thread AS (
    SELECT r.* FROM reminder r JOIN tenant t ON t.id = r.tenant_id WHERE t.external_id = '1' AND r.app_id = 1
), n AS (
    INSERT INTO notice (key, receiver, "to", reason, reminder_id, tenant_id, subject, body, state, created_at, due_at)
    SELECT 'first', 'tenants', 'a@b.example', 'first', id, tenant_id, 'Please', '', 'sent', now(), now() FROM thread
    RETURNING id, reminder_id
)
INSERT INTO notice_reminder (notice_id, reminder_id, app_id, tenant_id, number)
SELECT n.id, reminder_id, app_id, tenant_id, 1 FROM n JOIN thread ON thread.id = reminder_id
"""


def down(_request: Request) -> Response:
    """The portal answers nothing but this."""
    return Response(b"oops", 500)


@pytest.fixture
def alert(ours: Ours) -> str:
    """The id of an alert that fires: a source cannot be read."""
    ours.portal.fault = down
    for _ in range(3):
        assert list_apps(ours.source, now=ours.now + timedelta(hours=7), forced=True) is None
    ((found,),) = ours.rows("SELECT id FROM alert WHERE state = 'firing'")
    return str(found)


def test_acknowledged_and_taken_back(ours: Ours, alert: str) -> None:
    """`uptake alerts` shows by whom and until when nobody is told of it."""
    done = ours.said("acknowledge", alert, "--by", "ann", "--for", "8h", "--comment", "on it")
    assert (done.returncode, done.stdout) == (0, f"Acknowledged: {alert}.\n"), done
    assert "acknowledged by ann until 20" in ours.said("alerts").stdout
    assert ours.said("acknowledge", alert, "--by", "ann", "--undo").stdout == f"Taken back: {alert}.\n"
    assert "acknowledged" not in ours.said("alerts").stdout
    assert (
        "snoozed by bob" in ours.said("snooze", alert, "--by", "bob", "--for", "3d").stdout + ours.said("alerts").stdout
    )


def test_what_does_not_fire(ours: Ours, alert: str) -> None:
    """What is not there is said; what is there is taken all the same."""
    done = ours.said("snooze", alert, "4711", "--by", "bob", "--for", "3d")
    assert done.returncode == 2
    assert done.stdout == f"Snoozed: {alert}.\n"
    assert "No alert with id 4711 fires" in done.stderr
    done = ours.said("snooze", alert, "--for", "soon")
    assert done.returncode == 2
    assert "is not a duration" in done.stderr


def test_silences(ours: Ours, alert: str) -> None:
    """One is made, listed, shown at what it matches, and ended; a second end is refused."""
    done = ours.said("silence", "add", "--source", "ac*", "--for", "2d", "--by", "ann", "--comment", "they move")
    assert "source ac*, until 20" in done.stdout, done
    assert "silenced until 20" in ours.said("alerts").stdout
    listed = ours.said("silence", "list").stdout
    assert "they move" in listed
    ((made,),) = ours.rows("SELECT id FROM silence")
    assert ours.said("silence", "end", str(made)).stdout == f"Silence {made} is over.\n"
    assert "silenced" not in ours.said("alerts").stdout
    assert "Nothing is silenced." in ours.said("silence", "list").stdout
    assert "There is no silence" in ours.said("silence", "end", str(made)).stderr
    labelled = ours.said("silence", "add", "--label", "tier=gold", "--for", "2d", "--by", "ann", "--comment", "x")
    assert "label tier=gold, until 20" in labelled.stdout, labelled
    wrong = ours.said("silence", "add", "--label", "gold", "--for", "2d", "--comment", "x")
    assert (wrong.returncode, "gold is no label: write name=value" in wrong.stderr) == (2, True), wrong
    everybody = ("silence", "add", "--for", "2d", "--comment", "x")
    assert "--all" in ours.said(*everybody).stderr
    assert "all alerts, until 20" in ours.said(*everybody, "--all").stdout
    assert "kind tenant_lagging, until 20" in ours.said(*everybody, "--kind", "tenant lagging").stdout
    strange = ours.said(*everybody, "--kind", "lag*")
    assert (strange.returncode, "No alert is of kind lag*" in strange.stderr) == (2, True), strange
    none = ours.said("silence", "add", "--app", "acme:1", "--for", "0s", "--comment", "x")
    assert (none.returncode, "too short" in none.stderr) == (2, True), none
    late = ours.said("silence", "add", "--tenant", "1", "--from", "2020-01-01", "--for", "2d", "--comment", "x")
    assert late.returncode == 2
    assert "would be over already" in late.stderr


def test_what_was_sent_and_once_more(ours: Ours, alert: str) -> None:
    """`uptake notices` has its id, `uptake replay` takes it; a message that is not there is said."""
    flush_now(now=ours.now + timedelta(hours=7))
    assert flush_now(now=ours.now + timedelta(hours=8)) == 1
    ((notice,),) = ours.rows("SELECT id FROM notice")
    assert f" {notice} " in ours.said("notices").stdout
    assert "Nothing was sent." in ours.said("notices", "--state", "failed").stdout
    early = ours.said("replay", str(notice), "--anyway")
    assert early.returncode == 2
    assert f"Message {notice} has not gone out yet, and does so by itself" in early.stderr
    assert deliver_now(now=ours.now + timedelta(hours=8)) == 1
    done = ours.said("replay", str(notice), "--by", "ann")
    assert (done.returncode, f"is message {notice} once more" in done.stdout) == (0, True), done
    assert ours.rows("SELECT who, what, about FROM audit") == [("ann", "notice.replayed", f"message {notice}")]
    assert "There is no message 4711" in ours.said("replay", "4711").stderr


def test_programs_are_told_the_same_by_command_and_api(ours: Ours) -> None:
    """`--json` prints the rows that the API answers an operator, field by field: of alerts, messages and silences."""
    for app in (ours.app, ours.app + 1):
        assert poll(app, now=ours.now + timedelta(hours=1))
        evaluate_now(app, now=ours.now + timedelta(days=20))
    ((first,),) = ours.rows("SELECT min(id) FROM alert WHERE state = 'firing'")
    ours.said("snooze", str(first), "--by", "bob", "--for", "3d")
    ours.said("silence", "add", "--app", "acme:4712", "--for", "2d", "--by", "ann", "--comment", "they move")
    ours.execute(REMINDED)
    assert flush_now(now=ours.now + timedelta(days=21)) > 0
    assert deliver_now(now=ours.now + timedelta(days=21)) > 0
    with Session() as session:
        ops = bearer(session, Scope.OPERATE)
    for command, path, rows in (
        ("alerts", "alerts", 10),
        ("alerts acme:4711", "alerts?app=acme:4711", 5),
        ("notices", "notices", 3),
        ("notices acme:4711 --state sent --tenant 1", "notices?app=acme:4711&state=sent&tenant=1", 1),
        ("notices acme:4711 --most 1", "notices?app=acme:4711&limit=1", 1),
        ("silence list", "silences", 1),
    ):
        printed = json.loads(ours.said(*command.split(), "--json").stdout)["data"]
        answered = got(application(ours.url), path, ops)["data"]
        assert printed == answered
        assert len(printed) == rows, command


def test_messages_to_a_tenant(ours: Ours) -> None:
    """By its id or with its source, as a table and for programs; a name that nobody has is refused, as of an app."""
    assert poll(ours.app, now=ours.now + timedelta(hours=1))
    evaluate_now(ours.app, now=ours.now + timedelta(days=20))
    ours.execute(REMINDED)
    assert "Nothing was sent." in ours.said("notices", "--tenant", "2").stdout
    for name in ("1", "acme:1"):
        listed = ours.said("notices", "--tenant", name)
        assert (listed.returncode, "Nothing was sent." in listed.stdout) == (0, False), listed
        assert len(json.loads(ours.said("notices", "--tenant", name, "--json").stdout)["data"]) == 1
    for form in ((), ("--json",)):
        stranger = ours.said("notices", "--tenant", "acme:nobody", *form)
        assert (stranger.returncode, stranger.stdout) == (2, "")
        assert "No tenant is called acme:nobody" in stranger.stderr


def test_until_when_and_why_is_written_down(ours: Ours, alert: str) -> None:
    """The audit trail has of the commands what it has of pages and the API: which alerts, until when, and why."""
    ours.said("acknowledge", alert, "--for", "8h", "--comment", "on it")
    ours.said("acknowledge", alert)
    ours.said("snooze", alert, "--for", "3d", "--comment", "a move")
    ours.said("acknowledge", alert, "--undo", "--for", "8h", "--comment", "no longer")
    found = ours.rows("SELECT data, cast(data ->> 'until' AS timestamptz) - at FROM audit ORDER BY id")
    assert [(data["alerts"], data["comment"], span) for data, span in found] == [
        ([int(alert)], "on it", timedelta(hours=8)),
        ([int(alert)], None, None),
        ([int(alert)], "a move", timedelta(days=3)),
        ([int(alert)], None, None),
    ]


def test_who_said_so_is_written_down(ours: Ours, alert: str, tmp_path: Path) -> None:
    """Each of these commands, and a contact book, stands in the audit trail, with who and about what."""
    ours.said("acknowledge", alert, "--by", "ann")
    ours.said("acknowledge", alert, "--by", "bob", "--undo")
    ours.said("snooze", alert, "--for", "3d", "--by", "ann")
    ours.said("silence", "add", "--source", "ac*", "--for", "2d", "--by", "ann", "--comment", "they move")
    ((made,),) = ours.rows("SELECT id FROM silence")
    ours.said("silence", "end", str(made), "--by", "bob")
    book = tmp_path / "book.csv"
    book.write_text("tenant,email\n1,ada@bright.example\n")
    assert ours.said("contacts", "import", str(book), "--dry-run").returncode == 0
    assert ours.said("contacts", "import", str(book), "--by", "ann").returncode == 0
    found = ours.rows("SELECT who, what, about FROM audit ORDER BY id")
    assert found == [
        ("ann", "alert.acknowledged", f"alert {alert}"),
        ("bob", "alert.taken_back", f"alert {alert}"),
        ("ann", "alert.snoozed", f"alert {alert}"),
        ("ann", "silence.added", f"silence {made}"),
        ("bob", "silence.ended", f"silence {made}"),
        ("ann", "contacts.imported", "book.csv"),
    ]
