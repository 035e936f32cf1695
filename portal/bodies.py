"""A limit on what is read of a call: no caller fills the portal's memory."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Many times the largest call: 2,000 tenant ids are 40 KB.
LIMIT = 1 << 20


class BodyLimit:
    """Middleware: 413 for a body of more than *limit* bytes, announced or not, as soon as that is known."""

    def __init__(self, app: ASGIApp, limit: int = LIMIT) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, counting what it sends."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        read = 0
        too_long = announced.isdecimal() and int(announced) > self._limit

        async def counted() -> Message:
            nonlocal read
            message = {} if too_long else await receive()
            read += len(message.get("body", b""))
            if too_long or read > self._limit:
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)
