"""Notices as letters, for those channels that carry mail."""

import hashlib
import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from uptake.channels import Message
from uptake.errors import Fault, PermanentError

_LONGEST_SUBJECT = 250
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
# Everything beyond ASCII is encoded, so that no server on the way has to be able to do more.
_POLICY = SMTP.clone(cte_type="7bit")


def composed(message: Message, sender: str) -> tuple[EmailMessage, str, str]:
    """The letter, and the bare addresses it goes from and to; no value can add a header or an addressee.

    Composed twice, it has the same Message-ID. Raises PermanentError for what no letter can hold.
    """
    letter = EmailMessage(_POLICY)
    try:
        letter["From"], letter["To"] = sender, message.to
        letter["Subject"] = one_line(message.subject)
        writer, reader = _only(letter["From"].addresses), _only(letter["To"].addresses)
        letter["Message-ID"] = f"<{hashlib.sha256(message.key.encode()).hexdigest()[:40]}@{writer.domain}>"
        letter["Date"] = formatdate()
        letter["Auto-Submitted"] = "auto-generated"
        for name, value in message.headers.items():
            letter[_header(name)] = value
    except (ValueError, IndexError, AttributeError, TypeError):
        # The standard parser stumbles in each of these ways over addresses that it did not expect.
        raise PermanentError("an address or a header of this notice cannot be sent", fault=Fault.RECIPIENT) from None
    letter.set_content(message.text)
    if message.html is not None:
        letter.add_alternative(message.html, subtype="html")
    return letter, writer.addr_spec, reader.addr_spec


def _only(addresses: tuple[Address, ...]) -> Address:
    if len(addresses) != 1 or not addresses[0].username or not addresses[0].domain:
        raise ValueError
    return addresses[0]


def _header(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError
    return name


def one_line(text: str) -> str:
    """*text* as a subject can hold it: printable, on one line, at most 250 characters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:_LONGEST_SUBJECT]
