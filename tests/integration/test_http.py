"""What becomes of every way in which an HTTP server can misbehave, against a real socket."""

import logging
import socket
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.integration.wire_server import Script, answer, reading, saying, serving
from uptake.errors import EdgeError, Fault, PermanentError, TransientError
from uptake.headers import retry_after
from uptake.http import Answer, Client, Limits

SECRET = "s3cr3t-t0k3n"
HEADERS = {"Authorization": f"Bearer {SECRET}"}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def client() -> Iterator[Client]:
    """A client in a hurry."""
    made = Client(Limits(connect=0.3, read=0.4, deadline=0.8, body=1000))
    yield made
    made.close()


def told(client: Client, url: str, path: str = f"/{SECRET}") -> EdgeError:
    """The error that reading *path* raises; it never tells the path or a header."""
    with pytest.raises(EdgeError) as caught:
        client.get(url + path, headers=HEADERS).json()
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


BROKEN: list[tuple[str, Script, type[EdgeError], Fault]] = [
    ("hangs-up-at-once", lambda _: None, TransientError, Fault.TRANSPORT),
    ("hangs-up-after-the-request", saying(), TransientError, Fault.TRANSPORT),
    (
        "resets-in-the-body",
        saying(HEAD + b"Content-Length: 9\r\n\r\n{", pause=0.05, reset=True),
        TransientError,
        Fault.TRANSPORT,
    ),
    ("body-shorter-than-said", saying(HEAD + b"Content-Length: 9\r\n\r\n{}"), TransientError, Fault.PROTOCOL),
    ("no-last-chunk", saying(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"), TransientError, Fault.PROTOCOL),
    ("no-http-at-all", saying(b"SSH-2.0-OpenSSH_9.6\r\n"), TransientError, Fault.PROTOCOL),
    ("header-of-200-kB", saying(HEAD + b"X: " + b"x" * 200_000 + b"\r\n\r\n"), TransientError, Fault.PROTOCOL),
    ("20000-headers", saying(HEAD + b"X-Some: value\r\n" * 20_000 + b"\r\n"), TransientError, Fault.PROTOCOL),
    ("never-answers", saying(b"", pause=0.6), TransientError, Fault.TRANSPORT),
    ("header-byte-by-byte", saying(*[b"%c" % n for n in HEAD], pause=0.02), TransientError, Fault.DEADLINE),
    (
        "body-byte-by-byte",
        saying(HEAD + b"Content-Length: 60\r\n\r\n", *[b"1"] * 60, pause=0.02),
        TransientError,
        Fault.DEADLINE,
    ),
    ("gzip-unasked", saying(answer(b"\x1f\x8b", "Content-Encoding: gzip")), TransientError, Fault.PROTOCOL),
    ("body-over-the-cap", saying(answer(b"1" * 1001)), PermanentError, Fault.TOO_LARGE),
    (
        "endless-chunks",
        saying(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[b"c8\r\n" + b"1" * 200 + b"\r\n"] * 6),
        PermanentError,
        Fault.TOO_LARGE,
    ),
    ("html", saying(answer(b"<html>", media="text/html; charset=utf-8")), TransientError, Fault.PROTOCOL),
    ("no-content-type", saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), TransientError, Fault.PROTOCOL),
    ("switching-protocols", saying(b"HTTP/1.1 101 Switching\r\n\r\n"), TransientError, Fault.PROTOCOL),
]


@pytest.mark.parametrize(("script", "kind", "fault"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_broken_answers(client: Client, script: Script, kind: type[EdgeError], fault: Fault) -> None:
    """Whatever is broken is told as what it is, without a secret, and never taken for an answer."""
    with serving(script) as url:
        error = told(client, url)
    assert (type(error), error.fault) == (kind, fault)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(client: Client, status: int) -> None:
    """A redirect is refused; of its target the message tells the host only."""
    location = f"Location: http://user:{SECRET}@169.254.169.254/{SECRET}"
    with serving(saying(answer(b"", location, status=f"{status} Moved"))) as url:
        error = told(client, url)
    assert (type(error), error.fault) == (PermanentError, Fault.REDIRECT)
    assert "169.254.169.254" in str(error)


def test_refused_connection(client: Client) -> None:
    """A port nobody listens on is a fault of the transport, with the system's reason."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    error = told(client, url)
    assert (type(error), error.fault) == (TransientError, Fault.TRANSPORT)
    assert "Connection refused" in str(error)


@pytest.mark.parametrize(
    "script",
    [lambda c: c.sendall(b"220 ready\r\n"), lambda _: None, lambda _: time.sleep(0.5)],
    ids=["speaks-first", "hangs-up", "stalls"],
)
def test_no_tls(client: Client, script: Script) -> None:
    """A server that speaks no TLS is never asked in the clear."""
    with serving(script) as url:
        error = told(client, url.replace("http:", "https:"))
    assert (type(error), error.fault) == (TransientError, Fault.TLS)


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        (f"ftp://127.0.0.1/{SECRET}", HEADERS),
        (f"http://[{SECRET}", HEADERS),
        (f"http://127.0.0.1:99999/{SECRET}", HEADERS),
        ("", {"Authorization": f"Bearer {SECRET}\r\nHost: evil"}),
        ("", {"Authorization": f"Bearer {SECRET}é"}),
    ],
    ids=["scheme", "brackets", "port", "line-break-in-header", "umlaut-in-header"],
)
def test_unsendable_requests(client: Client, url: str, headers: dict[str, str]) -> None:
    """What HTTP cannot carry is refused before anything is sent, without repeating it."""
    with serving(saying(answer())) as here, pytest.raises(EdgeError) as caught:
        client.get(url or here, headers=headers)
    assert SECRET not in str(caught.value)
    assert (type(caught.value), caught.value.fault) == (PermanentError, Fault.REQUEST)


def _kept_then_closed(connection: socket.socket) -> None:
    """Answer once, keep the connection, and hang up on the next request."""
    reading(connection)
    connection.sendall(answer(b'"first"'))
    reading(connection)


def test_kept_connection_closed_is_retried_for_get(client: Client) -> None:
    """A GET on a kept connection that the server closes is asked again, once, on a new one."""
    with serving(_kept_then_closed, saying(answer(b'"second"'))) as url:
        bodies = [client.get(url, headers={}).body for _ in range(2)]
    assert bodies == [b'"first"', b'"second"']


def test_kept_connection_closed_is_not_retried_for_post(client: Client) -> None:
    """A POST is never sent twice: the first may have been heeded."""
    with serving(_kept_then_closed, saying(answer())) as url:
        client.post(url, body=b"1", headers={})
        with pytest.raises(TransientError) as caught:
            client.post(url, body=b"1", headers={})
    assert caught.value.fault is Fault.TRANSPORT


def test_what_is_sent(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compression is not offered, and the environment's proxy is not used."""
    heard: list[bytes] = []
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    def script(connection: socket.socket) -> None:
        heard.append(reading(connection))
        connection.sendall(answer())

    with serving(script) as url:
        made = Client()
        made.get(url, headers={})
        made.close()
    assert b"accept-encoding: identity\r\n" in heard[0].lower()


def test_nothing_is_logged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """The libraries below us print no address, even when the log is wide open."""
    with caplog.at_level(logging.DEBUG), serving(saying(answer())) as url:
        client.get(f"{url}/{SECRET}", headers=HEADERS)
    assert SECRET not in caplog.text


def test_large_error_pages_keep_their_status(client: Client) -> None:
    """An error is told by its status, however long its page is."""
    with serving(saying(answer(b"x" * 500_000, "Retry-After: 7", status="503 Busy"))) as url:
        refusal = client.get(url, headers={}).refusal()
    assert refusal is not None
    assert (type(refusal), refusal.fault, refusal.retry_after) == (TransientError, Fault.SERVER, timedelta(seconds=7))


@pytest.mark.parametrize(
    ("status", "kind", "fault"),
    [
        (200, None, None),
        (204, None, None),
        (101, TransientError, Fault.PROTOCOL),
        (400, PermanentError, Fault.REQUEST),
        (401, PermanentError, Fault.AUTH),
        (403, PermanentError, Fault.AUTH),
        (404, PermanentError, Fault.GONE),
        (408, TransientError, Fault.REQUEST),
        (409, PermanentError, Fault.REQUEST),
        (410, PermanentError, Fault.GONE),
        (422, PermanentError, Fault.REQUEST),
        (423, TransientError, Fault.REQUEST),
        (425, TransientError, Fault.REQUEST),
        (429, TransientError, Fault.RATE_LIMITED),
        (500, TransientError, Fault.SERVER),
        (599, TransientError, Fault.SERVER),
    ],
)
def test_statuses(status: int, kind: type[EdgeError] | None, fault: Fault | None) -> None:
    """Each status is worth another try or not, by itself or by what the caller knows (here: 423)."""
    refusal = Answer("host", status, "application/json", b"", None).refusal(retried={423})
    if kind is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert (type(refusal), refusal.fault) == (kind, fault)


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        (["120"], 120),
        (["0"], 1),
        (["3601"], 3600),
        (["99999999999999999999"], 3600),
        (["Wed, 25 Nov 2026 10:02:00 GMT"], 120),
        (["Wed, 25 Nov 2026 10:02:00 -0000"], 120),
        (["Wed, 25 Nov 2026 09:00:00 GMT"], 1),
        (["Wed, 25 Nov 2099 09:00:00 GMT"], 3600),
        (["-5"], None),
        (["3.5"], None),
        (["soon"], None),
        (["١٢"], None),
        ([""], None),
        (["Wed, 99 Nov 2026 10:02:00 GMT"], None),
        (["1", "2"], None),
        ([], None),
    ],
)
def test_retry_after(values: list[str], seconds: int | None) -> None:
    """Seconds or a date, counted from the answer's own date, within 1 s and 1 h; garbage asks for nothing."""
    wait = retry_after(values, "Wed, 25 Nov 2026 10:00:00 GMT")
    assert wait == (None if seconds is None else timedelta(seconds=seconds))


def test_retry_after_date_without_a_date() -> None:
    """A date says nothing without the clock it was read from."""
    assert retry_after(["Wed, 25 Nov 2026 10:02:00 GMT"], None) is None


def test_deadline_cuts_a_wait_short() -> None:
    """A server that is silent for less than one wait may take, but longer than all may, is given up in time."""
    hasty = Client(Limits(read=30.0, deadline=0.2))
    with serving(saying(HEAD, pause=0.6)) as url:
        error = told(hasty, url)
    hasty.close()
    assert error.fault is Fault.DEADLINE
