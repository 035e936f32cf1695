"""E-mail as a real SMTP server receives and refuses it."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.integration.wire_server import serving
from uptake.channels import Message
from uptake.channels.email import EmailChannel
from uptake.errors import EdgeError, Fault, PermanentError, TransientError

SENDER = "Acme Apps <apps@acme.example>"
PASSWORD = "s3cr3t"
MESSAGE = Message(
    key="remind:7:1",
    to="Ana Lópes <ana@tenant.example>",
    subject="Ihre Freigabe für Dispatch Helper",
    text="Grüße\n.\nein Punkt allein\n",
    html="<p>Grüße &amp; mehr</p>",
    headers={"List-Unsubscribe": "<https://acme.example/u/1>"},
)


@dataclass
class Mailroom:
    """What the server was handed, and what it answers at each step."""

    letters: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    mail: str = "250 OK"
    rcpt: str = "250 OK"
    data: str = "250 OK"
    quit: str = "221 Bye"
    url: str = ""

    async def handle_MAIL(self, _: Any, __: Any, envelope: Any, address: str, *_options: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """The sender."""
        envelope.mail_from = address
        return self.mail

    async def handle_RCPT(self, _: Any, __: Any, envelope: Any, address: str, *_options: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """An addressee."""
        envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """The letter."""
        self.letters.append((envelope.mail_from, envelope.rcpt_tos, envelope.original_content))
        return self.data

    async def handle_QUIT(self, *_: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """The parting."""
        return self.quit

    def authenticate(self, *arguments: Any) -> AuthResult:
        """Whether the password is right."""
        given = arguments[-1]
        assert isinstance(given, LoginPassword)
        return AuthResult(success=given.password == PASSWORD.encode(), handled=False)


@pytest.fixture
def mailroom() -> Iterator[Mailroom]:
    """A server that takes letters, and logs users in without TLS, being on this machine."""
    room = Mailroom()
    controller = Controller(
        room, hostname="127.0.0.1", port=0, authenticator=room.authenticate, auth_require_tls=False, auth_required=False
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        controller.port = free.getsockname()[1]
    controller.start()
    room.url = f"smtp://127.0.0.1:{controller.port}"
    yield room
    controller.stop()


def letter_of(room: Mailroom) -> EmailMessage:
    """The last letter, read as mail programs read it."""
    read = message_from_bytes(room.letters[-1][2], policy=default)
    assert isinstance(read, EmailMessage)
    return read


def refused(room: Mailroom, message: Message = MESSAGE, **more: Any) -> EdgeError:
    """The error that sending *message* raises; it holds no secret."""
    with pytest.raises(EdgeError) as caught:
        EmailChannel(url=more.pop("url", room.url), sender=SENDER, **more).send(message)
    assert PASSWORD not in str(caught.value)
    return caught.value


def changed(**fields: Any) -> Message:
    """The message with other *fields*."""
    known = {name: getattr(MESSAGE, name) for name in ("key", "to", "subject", "text", "html", "headers")}
    return Message(**known | fields)


def test_letter(mailroom: Mailroom) -> None:
    """Text, HTML, names and extra headers arrive as given, in seven bits."""
    EmailChannel(url=mailroom.url, sender=SENDER).send(MESSAGE)
    sender, to, raw = mailroom.letters[0]
    assert (sender, to) == ("apps@acme.example", ["ana@tenant.example"])
    assert raw.isascii()
    letter = letter_of(mailroom)
    assert letter["Subject"] == MESSAGE.subject
    assert letter["To"].addresses[0].display_name == "Ana Lópes"
    assert letter["List-Unsubscribe"] == "<https://acme.example/u/1>"
    text, html = letter.get_body(("plain",)), letter.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().splitlines() == MESSAGE.text.splitlines()
    assert html.get_content().strip() == MESSAGE.html


def test_message_id_is_of_the_key(mailroom: Mailroom) -> None:
    """A repeated notice has the same Message-ID, so that it can be told from a new one."""
    channel = EmailChannel(url=mailroom.url, sender=SENDER)
    ids = []
    for key in ("a", "a", "b"):
        channel.send(changed(key=key))
        ids.append(letter_of(mailroom)["Message-ID"])
    assert ids[0] == ids[1] != ids[2]
    assert ids[0].endswith("@acme.example>")


REFUSALS = [
    ("rcpt-unknown", {"rcpt": "550 5.1.1 no such user"}, PermanentError, Fault.RECIPIENT),
    ("rcpt-disabled", {"rcpt": "550 5.2.1 mailbox disabled"}, PermanentError, Fault.RECIPIENT),
    ("rcpt-unknown-in-few-words", {"rcpt": "550 no such user"}, PermanentError, Fault.RECIPIENT),
    ("rcpt-relaying-in-few-words", {"rcpt": "550 relay not permitted"}, PermanentError, Fault.REQUEST),
    ("rcpt-not-our-host", {"rcpt": "553 not in my list of allowed rcpthosts"}, PermanentError, Fault.REQUEST),
    ("rcpt-some-reason", {"rcpt": "550 rejected"}, PermanentError, Fault.REQUEST),
    ("rcpt-mailbox-on-a-blocklist", {"rcpt": "550 mailbox unavailable: blocked"}, PermanentError, Fault.REQUEST),
    ("rcpt-relaying-denied", {"rcpt": "550 5.7.1 relaying denied"}, PermanentError, Fault.REQUEST),
    ("rcpt-full", {"rcpt": "552 5.2.2 mailbox full"}, PermanentError, Fault.REQUEST),
    ("rcpt-who-are-you", {"rcpt": "530 5.7.0 authentication required"}, PermanentError, Fault.AUTH),
    ("rcpt-greylisted", {"rcpt": "450 4.2.0 come again"}, TransientError, Fault.SERVER),
    ("sender-refused", {"mail": "553 5.7.1 not you"}, PermanentError, Fault.AUTH),
    ("sender-writes-too-much", {"mail": "552 5.3.4 too large"}, PermanentError, Fault.REQUEST),
    ("sender-busy", {"mail": "451 4.3.0 busy"}, TransientError, Fault.SERVER),
    ("data-refused", {"data": "554 5.7.1 spam"}, PermanentError, Fault.REQUEST),
    ("data-full", {"data": "452 4.3.1 disk full"}, TransientError, Fault.SERVER),
    ("data-closing", {"data": "421 4.3.2 closing"}, TransientError, Fault.SERVER),
]


@pytest.mark.parametrize(("answers", "kind", "fault"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_refusals(mailroom: Mailroom, answers: dict[str, str], kind: type[EdgeError], fault: Fault) -> None:
    """4xx is worth another try, 5xx is not, and a refused addressee is told from a refused letter."""
    for step, answer in answers.items():
        setattr(mailroom, step, answer)
    error = refused(mailroom)
    assert (type(error), error.fault) == (kind, fault)


def test_parting_does_not_count(mailroom: Mailroom) -> None:
    """A letter that was taken is taken, whatever the server says to QUIT."""
    mailroom.quit = "421 4.3.2 gone"
    assert EmailChannel(url=mailroom.url, sender=SENDER).send(MESSAGE).answer == "accepted"


def test_log_in(mailroom: Mailroom) -> None:
    """The user of the address and the password log in; a wrong password needs a human."""
    url = mailroom.url.replace("smtp://", "smtp://apps%40acme@")
    EmailChannel(url=url, sender=SENDER, password=PASSWORD).send(MESSAGE)
    error = refused(mailroom, url=url, password="wrong")
    assert (type(error), error.fault) == (PermanentError, Fault.AUTH)


@pytest.mark.parametrize(
    "to",
    [
        "",
        "nobody",
        "a@b.example, c@d.example",
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example\nRCPT TO:<c@d.example>",
        "undisclosed:;",
        "a@",
        "@b.example",
        " .@é",
        ':a [;:éa]b>-".',
        '"a\r\nDATA"@b.example',
    ],
)
def test_bad_addressees(mailroom: Mailroom, to: str) -> None:
    """A notice goes to exactly one address, or to nobody."""
    error = refused(mailroom, changed(to=to))
    assert (type(error), error.fault) == (PermanentError, Fault.RECIPIENT)
    assert mailroom.letters == []


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Name": "a\r\nBcc: c@d.example"},
        {"X-Name\r\nBcc": "c@d.example"},
        {"To": "c@d.example"},
        {"X Y": "1"},
        {"": "1"},
    ],
    ids=["value", "name", "second-to", "space", "empty"],
)
def test_bad_headers(mailroom: Mailroom, headers: dict[str, str]) -> None:
    """No header can bring another one, or another addressee."""
    assert isinstance(refused(mailroom, changed(headers=headers)), PermanentError)
    assert mailroom.letters == []


def test_subject_is_one_line(mailroom: Mailroom) -> None:
    """A line break in a tenant's name stays in the subject, as a space."""
    EmailChannel(url=mailroom.url, sender=SENDER).send(changed(subject="Evil\r\nBcc: c@d.example\0 \u2028 HVAC"))
    letter = letter_of(mailroom)
    assert letter["Subject"] == "Evil Bcc: c@d.example HVAC"
    assert letter["Bcc"] is None


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_nobody_listens(mailroom: Mailroom, scheme: str) -> None:
    """A server that is not there may be there later."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    error = refused(mailroom, url=url)
    assert (type(error), error.fault) == (TransientError, Fault.TRANSPORT)


def test_no_tls_on_smtps(mailroom: Mailroom) -> None:
    """smtps:// never falls back to the clear."""
    error = refused(mailroom, url=mailroom.url.replace("smtp:", "smtps:"))
    assert (type(error), error.fault) == (TransientError, Fault.TLS)
    assert mailroom.letters == []


@pytest.mark.parametrize("said", [b"", b"220 hi\r\n", b"421 busy\r\n", b"HTTP/1.1 400 Bad\r\n"])
def test_broken_servers(mailroom: Mailroom, said: bytes) -> None:
    """A server that hangs up, or is none, is worth another try."""
    with serving(lambda connection: connection.sendall(said)) as url:
        error = refused(mailroom, url=url.replace("http:", "smtp:"))
    assert type(error) is TransientError


def test_no_password_in_the_clear(mailroom: Mailroom, monkeypatch: pytest.MonkeyPatch) -> None:
    """To another machine the password goes through TLS, or not at all."""
    monkeypatch.setattr("uptake.channels.email._is_loopback", lambda _: False)
    error = refused(mailroom, url=mailroom.url.replace("smtp://", "smtp://apps@"), password=PASSWORD)
    assert (type(error), error.fault) == (PermanentError, Fault.TLS)
    assert mailroom.letters == []
