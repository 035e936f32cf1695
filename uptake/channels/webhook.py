"""Notices as signed webhooks, by the Standard Webhooks specification."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from uptake.channels import Message, Receipt
from uptake.channels.posting import PostingChannel
from uptake.errors import Fault, PermanentError
from uptake.http import Client


def _now() -> datetime:
    # The receiver holds it against its own clock, so it has to be the instant of sending.
    return datetime.now(UTC)  # noqa: TID251 - a signature's time orders nothing and decides nothing of ours


class WebhookChannel(PostingChannel):
    """Posts the payload of each notice to one place; the same key on every attempt lets it tell a repetition."""

    def __init__(
        self, *, url: str, secret: str, now: Callable[[], datetime] = _now, client: Client | None = None
    ) -> None:
        super().__init__(url=url, client=client)
        try:
            self._signer = Webhook(secret)
        except (ValueError, EmptyWebhookSecretError):
            # The message of the cause could hold a piece of it.
            raise PermanentError("a webhook's secret is whsec_ and base64", fault=Fault.REQUEST) from None
        self._now = now

    def send(self, message: Message) -> Receipt:
        """Post *message*; any 2xx is a receipt. Redirects are refusals."""
        payload = {"subject": message.subject, "text": message.text, **message.payload}
        body = msgspec.json.encode(payload, order="deterministic")
        return self.post(body, headers=self._headers(message.key, body))

    def _headers(self, key: str, body: bytes) -> dict[str, str]:
        at = self._now()
        return {
            "webhook-id": key,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._signer.sign(key, at, body.decode()),
        }
