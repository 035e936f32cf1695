"""A real SMTP server in the test's own process that counts what it was handed, and is slow where a test says so."""

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Mailroom:
    """Letters taken, by their Message-ID, which every repetition of a notice shares."""

    taken: Counter[str] = field(default_factory=Counter)
    offered: int = 0
    seconds: float = 0.0  # before each letter is taken; one that is slow for ever takes none
    url: str = ""

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a letter, in time."""
        self.offered += 1
        await asyncio.sleep(self.seconds)
        self.taken[message_from_bytes(envelope.original_content)["Message-ID"]] += 1
        return "250 OK"


@contextmanager
def mailroom() -> Iterator[Mailroom]:
    """A server that takes letters until the end of the block."""
    room = Mailroom()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(room, hostname="127.0.0.1", port=port)
    controller.start()
    room.url = f"smtp://127.0.0.1:{port}"
    try:
        yield room
    finally:
        controller.stop()
