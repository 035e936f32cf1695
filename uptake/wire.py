"""One deadline over a whole HTTP exchange: no wait on the resolver or on a socket outlasts it."""

import socket
import ssl
import time
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread

import httpcore

_LEAST_WAIT = 0.001  # seconds: none at all would mean not to wait for anything


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


# A page is a few hundred kilobytes: read in the pieces that httpcore asks for, it costs half as much again.
_AT_ONCE = 1 << 18
WIRE: ContextVar[Wire] = ContextVar("wire")


class TimedStream(httpcore.NetworkStream):
    """A connection on which no wait outlasts the request's deadline: httpx only bounds each wait by itself."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Wait for bytes, and note that some came."""
        wire = WIRE.get()
        wire.step = "read"
        data = self._inner.read(max(max_bytes, _AT_ONCE), wire.left(timeout, httpcore.ReadTimeout))
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
        """A connection within *timeout* and the deadline, to whichever address of *host* takes it."""
        wire = WIRE.get()
        wire.is_new, wire.step = True, "name look-up"
        until = time.monotonic() + wire.left(timeout, httpcore.ConnectTimeout)
        addresses = _addresses(host, port, until - time.monotonic())
        wire.step = "connect"
        while True:
            # One that is silent leaves as much time to each of the others.
            left = max((until - time.monotonic()) / len(addresses), _LEAST_WAIT)
            address = addresses.pop(0)
            try:
                return TimedStream(super().connect_tcp(address, port, left, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not addresses:
                    raise


def _addresses(host: str, port: int, seconds: float) -> list[str]:
    """Where *host* is to be found, within *seconds*.

    The system's resolver knows no time-out of ours, and no signal interrupts it: it is waited for in a thread, which
    is left behind when it takes too long.
    """
    answers: SimpleQueue[list[str] | OSError] = SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
        except UnicodeError:
            answers.put(socket.gaierror(socket.EAI_NONAME, "not a host name"))
        except OSError as error:
            answers.put(error)

    Thread(target=look_up, name="name look-up", daemon=True).start()
    try:
        answer = answers.get(timeout=max(seconds, _LEAST_WAIT))
        if isinstance(answer, OSError):
            raise answer
    except Empty:
        raise httpcore.ConnectTimeout from None
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error
    return answer
