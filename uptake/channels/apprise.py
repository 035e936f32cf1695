"""Notices to every service that Apprise knows, by its URLs; an extra that is installed on request."""

import logging
from typing import Any

from uptake.channels import Message, Receipt
from uptake.errors import Fault, PermanentError, TransientError

# It prints addresses, which are secrets.
logging.getLogger("apprise").setLevel(logging.CRITICAL)


class AppriseChannel:
    """Sends by one Apprise URL, which is a secret."""

    def __init__(self, *, url: str) -> None:
        try:
            import apprise  # noqa: PLC0415 - large, and few need it
        except ImportError:
            raise PermanentError(
                "Apprise is not installed; install it beside Uptake: pip install apprise", fault=Fault.REQUEST
            ) from None
        self._ways: Any = apprise.Apprise()
        if not self._ways.add(url):
            raise PermanentError("Apprise does not know such a URL; see its list of services", fault=Fault.REQUEST)

    def send(self, message: Message) -> Receipt:
        """Hand *message* over; Apprise tells no reason of a refusal, so each is worth another try."""
        if not self._ways.notify(title=message.subject, body=message.text, body_format="text"):
            raise TransientError("Apprise could not deliver it, and does not say why", fault=Fault.SERVER)
        return Receipt("handed over")
