"""One deadline over a whole HTTP exchange: name look-up apart, no wait on a socket outlasts it."""

import ssl
import time
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass

import httpcore


@dataclass(slots=True)
class Wire:
    """What happened on the wire during one try; the deadline is the request's, over both tries."""

    deadline: float
    is_new: bool = False
    is_answered: bool = False
    is_last: bool = False  # the wait under way is cut short by the deadline
    step: str = "connect"

    def left(self, timeout: float | None, late: type[httpcore.TimeoutException]) -> float:
        """The seconds that may be waited now; raises *late* when there are none."""
        left = self.deadline - time.monotonic()
        self.is_last = timeout is None or left <= timeout
        if left <= 0:
            raise late
        return left if timeout is None else min(left, timeout)

    @property
    def is_stale(self) -> bool:
        """Whether it was a kept connection on which no answer had begun."""
        return not (self.is_new or self.is_answered)


WIRE: ContextVar[Wire] = ContextVar("wire")


class TimedStream(httpcore.NetworkStream):
    """A connection on which no wait outlasts the request's deadline: httpx only bounds each wait by itself."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Wait for bytes, and note that some came."""
        wire = WIRE.get()
        wire.step = "read"
        data = self._inner.read(max_bytes, wire.left(timeout, httpcore.ReadTimeout))
        wire.is_answered = wire.is_answered or bool(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of *buffer*."""
        wire = WIRE.get()
        wire.step = "write"
        self._inner.write(buffer, wire.left(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same connection, encrypted."""
        wire = WIRE.get()
        wire.step = "tls"
        left = wire.left(timeout, httpcore.ConnectTimeout)
        return TimedStream(self._inner.start_tls(ssl_context, server_hostname, left))

    def close(self) -> None:
        """Let go of the socket."""
        self._inner.close()

    def get_extra_info(self, info: str) -> object:
        """What the connection knows of itself."""
        return self._inner.get_extra_info(info)


class TimedBackend(httpcore.SyncBackend):
    """Opens connections that keep the deadline."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection within the deadline."""
        wire = WIRE.get()
        wire.is_new = True
        left = wire.left(timeout, httpcore.ConnectTimeout)
        return TimedStream(super().connect_tcp(host, port, left, local_address, socket_options))
