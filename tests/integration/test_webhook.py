"""Webhooks as a receiver sees them, checked with the library that receivers use."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from pytest_httpserver import HTTPServer
from standardwebhooks import Webhook, WebhookVerificationError
from werkzeug import Request, Response

from tests.integration.wire_server import saying, serving
from uptake.channels import Message
from uptake.channels.webhook import WebhookChannel
from uptake.errors import EdgeError, Fault, PermanentError, TransientError

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ...").decode()
MESSAGE = Message(
    key="ops:1:1:", to="", subject="3 tenants lag", text="Grüße", payload={"type": "alerts.raised", "n": 3}
)


@pytest.fixture
def channel(httpserver: HTTPServer) -> Iterator[WebhookChannel]:
    """A channel to the server of this test."""
    made = WebhookChannel(url=httpserver.url_for("/hook/s3cr3t"), secret=SECRET)
    yield made
    made.close()


def test_receiver_can_verify(httpserver: HTTPServer, channel: WebhookChannel) -> None:
    """The signature holds for the body as sent and for no other, and the key is the id of every attempt."""
    heard: list[Request] = []

    def hook(request: Request) -> Response:
        request.get_data()
        heard.append(request)
        return Response(status=202)

    httpserver.expect_request("/hook/s3cr3t", method="POST").respond_with_handler(hook)
    assert [channel.send(MESSAGE).answer for _ in range(2)] == ["202", "202"]
    for request in heard:
        headers = dict(request.headers)
        assert headers["Webhook-Id"] == MESSAGE.key
        body = Webhook(SECRET).verify(request.get_data(), headers)
        assert body == {"type": "alerts.raised", "n": 3, "subject": "3 tenants lag", "text": "Grüße"}
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(json.dumps(body | {"n": 4}), headers)
    assert heard[0].get_data() == heard[1].get_data()


@pytest.mark.parametrize(
    ("status", "kind", "fault"),
    [
        (301, PermanentError, Fault.REDIRECT),
        (308, PermanentError, Fault.REDIRECT),
        (400, PermanentError, Fault.REQUEST),
        (401, PermanentError, Fault.AUTH),
        (404, PermanentError, Fault.GONE),
        (408, TransientError, Fault.REQUEST),
        (409, PermanentError, Fault.REQUEST),
        (410, PermanentError, Fault.GONE),
        (425, TransientError, Fault.REQUEST),
        (429, TransientError, Fault.RATE_LIMITED),
        (500, TransientError, Fault.SERVER),
        (503, TransientError, Fault.SERVER),
    ],
)
def test_refusals(
    httpserver: HTTPServer, channel: WebhookChannel, status: int, kind: type[EdgeError], fault: Fault
) -> None:
    """Each status is worth another try or is not; the wait asked for is kept, and the address not told."""
    headers = {"Retry-After": "90", "Location": "http://127.0.0.1:1/"}
    httpserver.expect_request("/hook/s3cr3t").respond_with_data("no", status, headers)
    with pytest.raises(EdgeError) as caught:
        channel.send(MESSAGE)
    assert (type(caught.value), caught.value.fault) == (kind, fault)
    assert caught.value.retry_after == (timedelta(seconds=90) if kind is TransientError else None)
    assert "s3cr3t" not in str(caught.value)


def test_no_answer() -> None:
    """A receiver that takes the notice and hangs up may not have it: another try is due."""
    with serving(saying()) as url:
        channel = WebhookChannel(url=url, secret=SECRET)
        with pytest.raises(TransientError) as caught:
            channel.send(MESSAGE)
        channel.close()
    assert caught.value.fault is Fault.TRANSPORT


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_a"], ids=["empty", "prefix-only", "no-base64"])
def test_bad_secrets(secret: str) -> None:
    """A secret that cannot sign is refused at once, and not told."""
    with pytest.raises(PermanentError) as caught:
        WebhookChannel(url="http://127.0.0.1:1/", secret=secret)
    assert caught.value.__suppress_context__
