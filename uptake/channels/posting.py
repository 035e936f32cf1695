"""What channels share that post JSON to one address."""

from collections.abc import Mapping

import msgspec

from uptake.channels import Receipt
from uptake.http import Client


class PostingChannel:
    """Posts to *url*, which may hold a secret: only its host is ever told."""

    def __init__(self, *, url: str, client: Client | None = None) -> None:
        self._url = url
        self._client = client or Client()

    def post(self, content: object, *, headers: Mapping[str, str] | None = None) -> Receipt:
        """Post *content*, or these bytes, as JSON; any 2xx is a receipt, and redirects are refusals."""
        body = content if isinstance(content, bytes) else msgspec.json.encode(content)
        answer = self._client.post(
            self._url, body=body, headers={"Content-Type": "application/json", **(headers or {})}
        )
        if refusal := answer.refusal():
            raise refusal
        return Receipt(str(answer.status))

    def close(self) -> None:
        """Let go of sockets."""
        self._client.close()
