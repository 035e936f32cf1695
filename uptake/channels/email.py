"""Notices by e-mail, over SMTP, one connection for each."""

import re
import smtplib
import socket
import ssl
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit

from uptake.channels import Message, Receipt
from uptake.channels.mime import composed, one_line
from uptake.errors import EdgeError, Fault, PermanentError, TransientError

_TIMEOUT = 10.0  # seconds, for each answer of the server
_TOO_LARGE = 552
_MAILBOX = re.compile(r"\b(user|mailbox|recipient|address|account|person)\b", re.IGNORECASE)
_US = re.compile(r"relay|rcpthosts|polic|spam|block|denied|permi|authenti|reputation", re.IGNORECASE)
_PORTS = {"smtp": 25, "smtps": 465}


class EmailChannel:
    """Sends from *sender* through the server at *url*; smtp:// turns to TLS where the server offers it."""

    def __init__(
        self, *, url: str, sender: str, password: str | None = None, trust: ssl.SSLContext | None = None
    ) -> None:
        self._server = urlsplit(url)
        self._sender = sender
        self._password = password
        self._trust = trust or ssl.create_default_context()

    def send(self, message: Message) -> Receipt:
        """Hand *message* to the server; a repetition has the same Message-ID."""
        letter, sender, recipient = composed(message, self._sender)
        host = self._server.hostname or ""
        try:
            server = self._connected(host)
            try:
                server.send_message(letter, sender, [recipient])
                # It is theirs now: whatever goes wrong in parting must not send it again.
                with suppress(OSError):
                    server.quit()
            finally:
                server.close()
        except (OSError, ValueError) as error:
            raise _translated(error, host) from None
        return Receipt("accepted")

    def _connected(self, host: str) -> smtplib.SMTP:
        port = self._server.port or _PORTS[self._server.scheme]
        # The default asks the resolver for our full name, which can take long.
        name = socket.gethostname()
        if self._server.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, name, timeout=_TIMEOUT, context=self._trust)
        else:
            server = smtplib.SMTP(host, port, name, timeout=_TIMEOUT)
        try:
            self._introduced(server, host)
        except BaseException:
            server.close()
            raise
        return server

    def _introduced(self, server: smtplib.SMTP, host: str) -> None:
        server.ehlo_or_helo_if_needed()
        is_private = self._server.scheme == "smtps" or _is_loopback(host)
        if self._server.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=self._trust)
            server.ehlo()
            is_private = True
        if self._server.username and self._password:
            if not is_private:
                raise PermanentError(f"{host} offers no TLS: the password is not sent in the clear", fault=Fault.TLS)
            server.login(_user(self._server), self._password)


def _user(server: SplitResult) -> str:
    return unquote(server.username or "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _translated(error: OSError | ValueError, host: str) -> EdgeError:
    """Our words for *error*. smtplib's own errors are OSErrors too, so they are asked for first."""
    if isinstance(error, smtplib.SMTPException):
        return _refused(error, host)
    if isinstance(error, ssl.SSLCertVerificationError):
        return PermanentError(f"the certificate of {host} is refused: {error.verify_message}", fault=Fault.TLS)
    if isinstance(error, ssl.SSLError):
        return TransientError(f"no TLS connection with {host}", fault=Fault.TLS)
    if isinstance(error, OSError):
        reason = error.strerror or "connection closed"
        return TransientError(f"no answer from {host}: {reason}", fault=Fault.TRANSPORT)
    return PermanentError("an address of this notice cannot be sent", fault=Fault.RECIPIENT)


def _refused(error: smtplib.SMTPException, host: str) -> EdgeError:
    match error:
        case smtplib.SMTPRecipientsRefused(recipients=refused):
            code, said = next(iter(refused.values()))
            return _by_code(code, said, host, _fault_of_recipient(code, said))
        case smtplib.SMTPAuthenticationError(smtp_code=code):
            # What it says could hold what we sent.
            return _by_code(code, b"user or password refused", host, Fault.AUTH)
        case smtplib.SMTPSenderRefused(smtp_code=code, smtp_error=said):
            # Nothing of ours is taken from this sender, but where it is the size that is said with it.
            return _by_code(code, said, host, Fault.REQUEST if code == _TOO_LARGE else Fault.AUTH)
        case smtplib.SMTPResponseException(smtp_code=code, smtp_error=said):
            return _by_code(code, said, host, Fault.REQUEST)
        case smtplib.SMTPNotSupportedError():
            fault = Fault.AUTH if "AUTH" in str(error) else Fault.REQUEST
            return PermanentError(f"{host} cannot log us in, or not take such an address", fault=fault)
        case _:
            return TransientError(f"no answer from {host}: connection closed", fault=Fault.TRANSPORT)


def _fault_of_recipient(code: int, said: bytes | str) -> Fault:
    """Whose fault a refused recipient is: there is no such address (RFC 3463: X.1.X, X.2.1), or they refuse us."""
    text = said.decode("ascii", "replace") if isinstance(said, bytes) else said
    enhanced = re.match(r"[245]\.(\d{1,3})\.(\d{1,3})\b", text)
    if code in {530, 535}:
        return Fault.AUTH
    if enhanced:
        is_gone = enhanced[1] == "1" or enhanced.groups() == ("2", "1")
        return Fault.RECIPIENT if is_gone else Fault.REQUEST
    # Without a class it is the words that tell whether they mean the mailbox, or us.
    is_gone = code in {550, 551, 553} and _MAILBOX.search(text) and not _US.search(text)
    return Fault.RECIPIENT if is_gone else Fault.REQUEST


def _by_code(code: int, said: bytes | str, host: str, fault: Fault) -> EdgeError:
    text = said.decode("ascii", "replace") if isinstance(said, bytes) else said
    shown = f"{host} answered {code} {one_line(text)[:150]}"
    if 500 <= code < 600:
        return PermanentError(shown, fault=fault)
    return TransientError(shown, fault=Fault.SERVER)
