"""How `serve` is set up: whom it believes, and what it tells browsers."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from portal.database import SetupError
from portal.serving import proxies
from tests.integration.portal.test_cli import environment
from tests.integration.portal.world import served


@contextmanager
def serving(database: str, *options: str) -> Iterator[httpx.Client]:
    """A client of a portal that is served by a process with these *options*."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "portal", "serve", "--port", str(port), *options]
    # What uvicorn itself would read; nothing but our own option counts.
    with subprocess.Popen(command, env=environment(database, FORWARDED_ALLOW_IPS="*")) as process:
        transport = httpx.HTTPTransport(retries=10)
        try:
            with httpx.Client(transport=transport, base_url=f"http://127.0.0.1:{port}") as client:
                yield client
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


@pytest.mark.parametrize(
    ("options", "forwarded", "statuses"),
    [
        ((), "192.0.2.{}", [400, 400, 429]),
        (("--trusted-proxies", "10.0.0.0/8"), "192.0.2.{}", [400, 400, 429]),
        (("--trusted-proxies", "10.0.0.0/8, 127.0.0.1"), "192.0.2.{}", [400, 400, 400]),
        (("--trusted-proxies", "127.0.0.1"), "192.0.2.{}, 198.51.100.7", [400, 400, 429]),
    ],
    ids=["nobody", "another", "the proxy", "what the proxy itself saw"],
)
def test_whose_word_on_addresses_counts(
    portal_database: str, options: tuple[str, ...], forwarded: str, statuses: list[int]
) -> None:
    """Limits go by the address of the connection, or by what a trusted proxy says of it."""
    form = {"grant_type": "client_credentials", "client_id": "cid.x", "client_secret": "x"}
    with serving(portal_database, "--token-rate", "2", *options) as client:
        answers = [
            client.post("/connect/token", data=form, headers={"X-Forwarded-For": forwarded.format(number)})
            for number in range(3)
        ]

    assert [answer.status_code for answer in answers] == statuses


@pytest.mark.parametrize("text", ["*", "localhost", "10.0.0.1/8", "10.0.0.0/8,x"])
def test_proxies_are_addresses(text: str) -> None:
    """Whatever would trust everybody, or nobody without a word, is refused."""
    with pytest.raises(SetupError, match="--trusted-proxies"):
        proxies(text)


@pytest.mark.parametrize("https_only", [True, False])
def test_https_only(portal_database: str, *, https_only: bool) -> None:
    """Then the session's cookie is secure and every answer asks for https, refusals included; otherwise neither."""
    with served(portal_database, https_only=https_only) as base:
        cookie = httpx.get(f"{base}/sign-in").headers["set-cookie"].lower()
        answers = [
            httpx.get(f"{base}/sign-in"),
            httpx.get(f"{base}/apps"),
            httpx.get(f"{base}/portal/v2/organization/1/apps"),
            httpx.post(f"{base}/connect/token", content=b"x" * (1 << 21)),
        ]

    assert ("secure" in cookie.split("; ")) is https_only
    assert [answer.status_code for answer in answers] == [200, 303, 401, 413]
    strict = "max-age=31536000" if https_only else None
    assert [answer.headers.get("strict-transport-security") for answer in answers] == [strict] * 4


def test_https_only_is_an_option(portal_database: str) -> None:
    """It reaches what is served."""
    with serving(portal_database, "--https-only") as client:
        assert "strict-transport-security" in client.get("/healthz").headers
