"""Telling browsers to come by https only, for a portal that is behind TLS."""

from datetime import timedelta

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Of this name alone: whether its subdomains have TLS, too, only the proxy in front can know.
TOLD = f"max-age={int(timedelta(days=365).total_seconds())}"


class StrictTransport:
    """Middleware: Strict-Transport-Security (RFC 6797) on every answer, for a year from the last one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, and its answer with the header."""

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Strict-Transport-Security"] = TOLD
            await send(message)

        await self._app(scope, receive, telling)
