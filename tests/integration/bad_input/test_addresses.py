"""Bad inputs 1 to 3: a name that leads nowhere, a door that stays shut, and somebody else behind it."""

import socket
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import pytest

from tasks.evaluate import evaluate_now
from tests.integration.bad_input.certificates import Authority
from tests.integration.bad_input.polled import (
    HASTY,
    LATER,
    connected,
    due_in,
    fronted,
    polled,
    recovered,
    running,
    spoiled,
)
from tests.integration.tasks.recorded import Ours
from tests.integration.wire_server import answer, reading, saying, serving
from uptake.http import Client, Limits


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the system's resolver says of a name: addresses, an error, or nothing before the test is over."""
    names: dict[str, Any] = {}
    real, over = socket.getaddrinfo, threading.Event()

    def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
        said = names.get(host)
        if said is None:
            return real(host, *rest, **more)
        if said is Ellipsis:
            over.wait(10)
        if isinstance(said, list):
            return [entry for address in said for entry in real(address, *rest, **more)]
        raise said if isinstance(said, OSError) else socket.gaierror(socket.EAI_AGAIN, "timed out")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield names
    over.set()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "Temporary failure"),
        (..., "was silent for too long (name look-up)"),
    ],
    ids=["case_01_nxdomain", "case_01_servfail", "case_01_timeout"],
)
def test_no_address(ours: Ours, resolver: dict[str, Any], said: Any, reason: str) -> None:
    """A name that leads nowhere is a fault of the transport, told in time, and tried again after a growing wait."""
    resolver["portal.example"] = said
    waits = []
    with connected(ours, base="http://portal.example"):
        for hour in (7, 8):
            started = time.monotonic()
            run = spoiled(ours, after=timedelta(hours=hour))
            assert time.monotonic() - started < 3.0
            waits.append(due_in(ours, after=timedelta(hours=hour)))
            assert (run.fault, reason in run.reason) == ("transport", True)
    assert timedelta() < waits[0] < waits[1]
    recovered(ours)


def test_case_01_silence_is_alarming(ours: Ours, resolver: dict[str, Any]) -> None:
    """After three polls without data a human hears of it; the tenants stay as they were."""
    resolver["portal.example"] = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    open_alerts = "SELECT kind, state, reason FROM alert WHERE kind = 'poll_failing' AND resolved_at IS NULL"
    told = []
    with connected(ours, base="http://portal.example"):
        for hour in (7, 8, 9):
            spoiled(ours, after=timedelta(hours=hour))
            evaluate_now(ours.app, now=ours.now + timedelta(hours=hour))
            told.append(ours.rows(open_alerts))
    assert told == [[], [], [("poll_failing", "firing", "transport")]]
    assert running(ours) == dict.fromkeys("12345", 1)
    recovered(ours)
    evaluate_now(ours.app, now=ours.now + 2 * LATER)
    assert ours.rows(open_alerts) == []


def test_case_02_connection_refused(ours: Ours) -> None:
    """A port where nobody listens is told with the system's reason."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with connected(ours, base=base):
        run = spoiled(ours)
    assert (run.fault, "Connection refused" in run.reason) == ("transport", True)
    recovered(ours)


@contextmanager
def deaf(*hosts: str) -> Iterator[int]:
    """A port at which connections to *hosts* are neither taken nor refused."""
    with ExitStack() as kept:
        port = 0
        for host in hosts:
            listener = kept.enter_context(socket.create_server((host, port), backlog=0))
            port = listener.getsockname()[1]
            for _ in range(3):
                waiting = kept.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex((host, port))
        yield port


@pytest.mark.parametrize(
    "hosts",
    [("127.0.0.1",), ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")],
    ids=["case_02_connect_hangs", "case_02_connect_hangs_at_each_address"],
)
def test_connect_hangs(ours: Ours, resolver: dict[str, Any], hosts: tuple[str, ...]) -> None:
    """Nobody is waited for longer than a connection may take, however many addresses the name has."""
    assert Limits().connect == 5.0
    resolver["portal.example"] = list(hosts)
    with deaf(*hosts) as port, connected(ours, base=f"http://portal.example:{port}"):
        started = time.monotonic()
        run = spoiled(ours)
        assert time.monotonic() - started < 1.5
    assert (run.fault, "silent for too long (connect)" in run.reason) == ("transport", True)
    recovered(ours)


def test_case_02_next_address_is_tried(ours: Ours, resolver: dict[str, Any]) -> None:
    """An address that swallows connections leaves time for the others of that name."""
    with deaf("127.0.0.2") as port, socket.create_server(("127.0.0.1", port)) as listener:
        resolver["portal.example"] = ["127.0.0.2", "127.0.0.1"]

        def answered() -> None:
            with listener.accept()[0] as connection:
                saying(answer())(connection)

        client, thread = Client(Limits(connect=1.2)), threading.Thread(target=answered)
        thread.start()
        started = time.monotonic()
        assert client.get(f"http://portal.example:{port}/", headers={}).body == b"{}"
        assert time.monotonic() - started < 1.1
        thread.join()
        client.close()


def test_case_03_good_certificate(ours: Ours, authority: Authority) -> None:
    """The control of the next test: the same portal by TLS, with a certificate that is in order."""
    client = Client(HASTY, trust=authority.trust)
    with (
        fronted(ours.portal, reading_nothing, path=b"/nowhere", tls=authority.server()) as base,
        connected(ours, base=base, client=client),
    ):
        assert polled(ours).changed == 3


def reading_nothing(_connection: socket.socket) -> None:
    """Hang up."""


def old_tls(authority: Authority) -> ssl.SSLContext:
    """A server that has learnt nothing since 1999."""
    context = authority.server()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


BAD_TLS = [
    ("expired", "is refused: certificate has expired"),
    ("wrong host", "is refused: Hostname mismatch"),
    ("self-signed", "is refused: self-signed certificate"),
    ("unknown issuer", "is refused: unable to get local issuer certificate"),
    ("TLS 1.0", "no TLS connection with localhost"),
    ("stall", "did not finish the TLS handshake in time"),
    ("no TLS", ": wrong version number"),
]


@pytest.mark.parametrize(("kind", "reason"), BAD_TLS, ids=[f"case_03_{row[0].replace(' ', '_')}" for row in BAD_TLS])
def test_bad_tls(ours: Ours, authority: Authority, kind: str, reason: str) -> None:
    """Whoever cannot prove to be the portal is told nothing, least of all in the clear; each way has its own reason."""
    context = {
        "expired": lambda: authority.server(past=True),
        "wrong host": lambda: authority.server("other.example"),
        "self-signed": lambda: authority.server(own=True),
        "TLS 1.0": lambda: old_tls(authority),
    }.get(kind, authority.server)()
    heard: list[bytes] = []

    def script(connection: socket.socket) -> None:
        if kind in {"stall", "no TLS"}:
            heard.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" if kind == "no TLS" else b"")
            time.sleep(0.8 if kind == "stall" else 0)
            return
        with context.wrap_socket(connection, server_side=True) as inner:
            heard.append(reading(inner))

    client = Client(HASTY, trust=None if kind == "unknown issuer" else authority.trust)
    with serving(script) as url:
        base = url.replace("http://127.0.0.1", "https://localhost")
        with connected(ours, base=base, client=client):
            run = spoiled(ours)
    assert run.fault == "tls"
    assert reason in run.reason
    assert b"GET" not in b"".join(heard)
    recovered(ours)
