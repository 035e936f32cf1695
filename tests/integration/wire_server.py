"""A server that says exactly the bytes it is told, to show what a broken or hostile one does to us."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Script = Callable[[socket.socket], None]


def reading(connection: socket.socket) -> bytes:
    """One whole request head, or what came before the other side hung up."""
    head = b""
    while b"\r\n\r\n" not in head and (more := connection.recv(65536)):
        head += more
    return head


def saying(*parts: bytes, pause: float = 0.0, reset: bool = False) -> Script:
    """Read a request, say *parts* with a *pause* after each, and hang up, with a *reset* if asked."""

    def script(connection: socket.socket) -> None:
        reading(connection)
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    return script


def answer(body: bytes = b"{}", *headers: str, status: str = "200 OK", media: str = "application/json") -> bytes:
    """A well-formed answer with *body*."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {media}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@contextmanager
def serving(*scripts: Script) -> Iterator[str]:
    """The address of a server whose n-th connection follows the n-th of *scripts*, the last one for all others."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, scripts))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, scripts: tuple[Script, ...]) -> None:
    number = 0
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(5)
            # The client may hang up on us, as some tests want it to.
            with suppress(OSError):
                scripts[min(number, len(scripts) - 1)](connection)
        number += 1
