"""Slack, Teams, PagerDuty, Apprise and files, as the other side gets them; a name in a notice is text and no more."""

import json
from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from uptake.channels import Channel, Message
from uptake.channels.apprise import AppriseChannel
from uptake.channels.file import FileChannel
from uptake.channels.pagerduty import PagerDutyChannel
from uptake.channels.slack import SlackChannel
from uptake.channels.teams import TeamsChannel
from uptake.errors import EdgeError, PermanentError, TransientError

NASTY = "=cmd|' /C calc'!A0<script><!channel> [x](http://evil.example) *b*"
MESSAGE = Message(
    key="ops:1:1:",
    to="",
    subject=f"[FIRING 2] {NASTY}",
    text=f"Two tenants lag.\n\n- {NASTY}\n- Bright HVAC\n",
    payload={
        "type": "alerts.first",
        "app": "acme:4711",
        "kind": "tenant_lagging",
        "group": "acme:4711:tenant_lagging",
        "severity": "critical",
        "firing": 2,
    },
)
Make = Callable[[str], Channel]
POSTING: dict[str, Make] = {
    "slack": lambda url: SlackChannel(url=url),
    "teams": lambda url: TeamsChannel(url=url),
    "pagerduty": lambda url: PagerDutyChannel(url=url, routing_key="r0ut1ng"),
}


def heard(server: HTTPServer, make: Make, message: Message, *, status: int = 202) -> Any:
    """What the other side gets."""
    bodies: list[bytes] = []

    def hook(request: Request) -> Response:
        assert request.content_type == "application/json"
        bodies.append(request.get_data())
        return Response(status=status)

    server.expect_oneshot_request("/hook/s3cr3t", method="POST").respond_with_handler(hook)
    assert make(server.url_for("/hook/s3cr3t")).send(message).answer == str(status)
    return json.loads(bodies[0])


def test_slack(httpserver: HTTPServer) -> None:
    """The subject is a heading and the text a section, both without markup; the fallback can mention nobody."""
    body = heard(httpserver, POSTING["slack"], MESSAGE, status=200)
    header, section = body["blocks"]
    assert header == {"type": "header", "text": {"type": "plain_text", "text": MESSAGE.subject, "emoji": False}}
    assert section["text"] == {"type": "plain_text", "text": MESSAGE.text.strip(), "emoji": False}
    assert "<" not in body["text"]
    assert "&lt;!channel&gt;" in body["text"]


def test_long_text_in_slack(httpserver: HTTPServer) -> None:
    """A text is cut between lines into sections of what Slack takes, and no more of them than it takes."""
    lines = [f"- tenant {number} lags" for number in range(400)]
    body = heard(httpserver, POSTING["slack"], replace(MESSAGE, text="\n".join(lines)))
    sections = [block["text"]["text"] for block in body["blocks"][1:]]
    assert "".join(sections).splitlines() == lines
    assert all(0 < len(section) <= 3000 for section in sections)
    body = heard(httpserver, POSTING["slack"], replace(MESSAGE, subject="x" * 999, text="y" * 100_000))
    assert len(body["blocks"]) == 11
    assert len(body["blocks"][0]["text"]["text"]) == 150


def test_teams(httpserver: HTTPServer) -> None:
    """A card whose lines are runs of text, which Teams does not read as Markdown."""
    body = heard(httpserver, POSTING["teams"], MESSAGE)
    (attachment,) = body["attachments"]
    assert (body["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    blocks = attachment["content"]["body"]
    assert {block["type"] for block in blocks} == {"RichTextBlock"}
    texts = [run["text"] for block in blocks for run in block["inlines"]]
    assert texts == [MESSAGE.subject, "Two tenants lag.", f"- {NASTY}", "- Bright HVAC"]


@pytest.mark.parametrize("line", ["é" * 30, "x", "y" * 9_999], ids=["wide", "short", "long"])
def test_long_text_in_teams(httpserver: HTTPServer, line: str) -> None:
    """Whatever a text is made of, the card stays below the 28 KB that are taken, and says that it is cut."""
    body = heard(httpserver, POSTING["teams"], replace(MESSAGE, text=f"{line}\n" * 5_000))
    assert len(json.dumps(body, ensure_ascii=False).encode()) < 28_000
    assert body["attachments"][0]["content"]["body"][-1]["inlines"][0]["text"] == "..."


def test_incident(httpserver: HTTPServer) -> None:
    """While any alert of a group is open, its incident is triggered by one key; then the same key resolves it."""
    body = heard(httpserver, POSTING["pagerduty"], MESSAGE)
    assert (body["routing_key"], body["event_action"]) == ("r0ut1ng", "trigger")
    assert body["dedup_key"] == "uptake:acme:4711:tenant_lagging"
    assert (body["payload"]["severity"], body["payload"]["source"]) == ("critical", "acme:4711")
    assert body["payload"]["summary"] == MESSAGE.subject
    seen_to = replace(MESSAGE, payload={**MESSAGE.payload, "firing": 0, "quiet": 2, "reason": "acknowledged"})
    assert heard(httpserver, POSTING["pagerduty"], seen_to)["event_action"] == "acknowledge"
    quiet = replace(MESSAGE, payload={**MESSAGE.payload, "firing": 0, "quiet": 2})
    assert heard(httpserver, POSTING["pagerduty"], quiet)["event_action"] == "trigger", "it fires still"
    over = replace(MESSAGE, key="ops:1:2:", payload={**MESSAGE.payload, "firing": 0, "severity": None})
    assert heard(httpserver, POSTING["pagerduty"], over) == {
        "routing_key": "r0ut1ng",
        "event_action": "resolve",
        "dedup_key": "uptake:acme:4711:tenant_lagging",
    }


def test_incident_about_uptake_itself(httpserver: HTTPServer) -> None:
    """Somebody hears that a receiver cannot be used: one incident for each, that no group of alerts resolves."""
    stopped = replace(MESSAGE, key="stopped:chat:1:", payload={"type": "receiver.stopped", "receiver": "chat"})
    body = heard(httpserver, POSTING["pagerduty"], stopped)
    assert (body["event_action"], body["dedup_key"]) == ("trigger", "uptake:receiver.stopped:chat")


@pytest.mark.parametrize("kind", POSTING)
@pytest.mark.parametrize(
    ("status", "error"), [(400, PermanentError), (410, PermanentError), (429, TransientError), (500, TransientError)]
)
def test_refusals(httpserver: HTTPServer, kind: str, status: int, error: type[EdgeError]) -> None:
    """What is worth another try is told from what is not, and no secret is told at all."""
    httpserver.expect_request("/hook/s3cr3t").respond_with_data("no", status)
    with pytest.raises(error) as caught:
        POSTING[kind](httpserver.url_for("/hook/s3cr3t")).send(MESSAGE)
    assert "s3cr3t" not in str(caught.value)
    assert "r0ut1ng" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own, on old Pythons
def test_apprise(httpserver: HTTPServer, caplog: pytest.LogCaptureFixture) -> None:
    """One of its services gets the notice; a refusal is worth another try; its own log stays silent."""
    httpserver.expect_oneshot_request("/hook/s3cr3t", method="POST").respond_with_data("", 200)
    channel = AppriseChannel(url=f"json://127.0.0.1:{httpserver.port}/hook/s3cr3t")
    assert channel.send(MESSAGE).answer == "handed over"
    (request, _), *_ = httpserver.log
    assert request.get_json()["title"] == MESSAGE.subject
    assert "Bright HVAC" in request.get_json()["message"]
    with pytest.raises(TransientError):
        channel.send(MESSAGE)
    with pytest.raises(PermanentError, match="does not know such a URL"):
        AppriseChannel(url="nonsense://s3cr3t")
    ours = [record.getMessage() for record in caplog.records if record.name != "werkzeug"]
    assert "s3cr3t" not in "\n".join(ours)


def test_files(tmp_path: Path) -> None:
    """Each notice is a letter that a mail program opens; a repetition replaces it; nothing half-written is left."""
    folder = tmp_path / "out" / "box"
    channel = FileChannel(directory=folder, sender="Uptake <uptake@acme.example>")
    message = replace(MESSAGE, to="ops@acme.example", html="<p>Two tenants lag.</p>")
    assert channel.send(message) == channel.send(message)
    channel.send(replace(message, key="ops:1:2:"))
    first, _ = sorted(folder.iterdir())
    assert {file.suffix for file in folder.iterdir()} == {".eml"}
    letter = message_from_bytes(first.read_bytes(), policy=default)
    # Where a long subject is folded, the space that begins its second line stays.
    assert (letter["To"], letter["Subject"].strip()) == ("ops@acme.example", MESSAGE.subject)
    (tmp_path / "file").touch()
    with pytest.raises(TransientError, match="cannot be written"):
        FileChannel(directory=tmp_path / "file", sender="u@acme.example").send(message)
