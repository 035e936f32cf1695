"""The way to receivers of events: which addresses may be named, and which may be connected to."""

import functools
import ipaddress
import socket
from collections.abc import Iterable

import anyio.to_thread
import httpcore
from pydantic import HttpUrl, TypeAdapter

_web_address = TypeAdapter(HttpUrl)


class RefusedAddressError(Exception):
    """The receiver's address is none that the portal may reach."""


def checked_receiver(text: str) -> str:
    """*text*, if it is a web address to whoever will connect to it, too; ValueError otherwise."""
    _web_address.validate_python(text)
    if not httpcore.URL(text).host:
        raise ValueError("name a host, as in https://acme.example/events")
    return text


class Network(httpcore.AnyIOBackend):
    """Connections to receivers: to public addresses only, unless *private* ones are allowed too.

    What is checked is the address that is connected to, so that a name cannot mean one thing when it is looked at
    and another when it is used. Names are looked up in threads of their own, at most *lookups* that anybody waits for:
    a name server that does not answer must hold up nothing else.
    """

    def __init__(self, *, private: bool, lookups: int) -> None:
        super().__init__()
        self._private = private
        self._lookups = anyio.CapacityLimiter(lookups)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address of *host*; raises RefusedAddressError where that is not allowed."""
        look_up = functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await anyio.to_thread.run_sync(look_up, abandon_on_cancel=True, limiter=self._lookups)
        addresses = [str(info[4][0]) for info in found]
        if not (self._private or all(is_public(one) for one in addresses)):
            raise RefusedAddressError
        return await super().connect_tcp(addresses[0], port, timeout, local_address, socket_options)


def is_public(address: str) -> bool:
    """Whether *address* is one of the world's, and no other written in its form."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo or (None, None))[1]
        if inner is not None or parsed in ipaddress.ip_network("64:ff9b::/96"):
            return False
    return parsed.is_global and not parsed.is_multicast
