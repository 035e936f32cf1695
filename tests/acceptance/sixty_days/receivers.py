"""Who is told: a mail server and a web server of their own, which note all that arrives."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

GONE = "gone@t15.example"
_BUSY_FIRST = 7  # of so many messages one is refused the first time


@dataclass
class Arrivals:
    """All that arrived, by idempotency key: how often, and what it was."""

    letters: dict[str, EmailMessage] = field(default_factory=dict)
    posts: dict[str, dict[str, Any]] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)
    refused: int = 0
    smtp: str = ""
    http: str = ""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name and arguments
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        """One of the addresses is dead."""
        if address == GONE:
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a letter."""
        letter = message_from_bytes(envelope.original_content, policy=policy.default)
        assert isinstance(letter, EmailMessage)
        key = str(letter["Message-ID"])
        self.letters[key] = letter
        self.times[key] += 1
        return "250 OK"

    def post(self, key: str, body: bytes) -> int:
        """Take what is posted; now and then only at the second try."""
        if key not in self.seen and len(self.seen) % _BUSY_FIRST == 0:
            self.seen.add(key)
            self.refused += 1
            return 503
        self.seen.add(key)
        self.posts[key] = json.loads(body)
        self.times[key] += 1
        return 204


@contextmanager
def receivers() -> Iterator[Arrivals]:
    """Both servers, until the end of the block."""
    arrivals = Arrivals()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(arrivals.post(self.headers["webhook-id"], body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    web = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    mail = Controller(arrivals, hostname="127.0.0.1", port=port)
    mail.start()
    arrivals.smtp, arrivals.http = f"smtp://127.0.0.1:{port}", f"http://127.0.0.1:{web.server_port}"
    try:
        yield arrivals
    finally:
        mail.stop()
        web.shutdown()
        thread.join()
        web.server_close()
