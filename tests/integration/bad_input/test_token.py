"""Bad inputs 33 and 34: without a token that is ours and can be sent, nothing is asked."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from werkzeug import Request, Response

from tests.integration.bad_input.polled import connected, polled, recovered, spoiled
from tests.integration.portal_double import said
from tests.integration.tasks.recorded import Ours
from tests.integration.wire_server import answer, saying, serving
from uptake.errors import Fault, PermanentError
from uptake.http import Client
from uptake.sources.portal_token import Token

TOKEN: dict[str, Any] = {"access_token": "at1.t0k3n", "token_type": "Bearer", "expires_in": 900}


def jwt(**claims: Any) -> str:
    """A token that says *claims*, unsigned."""
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "c2ln"])


def granting(ours: Ours, grant: dict[str, Any], status: int = 200) -> None:
    """Let the token endpoint answer *grant*."""

    def fault(request: Request) -> Response | None:
        return said(grant, status) if request.path == "/connect/token" else None

    ours.portal.fault = fault


@pytest.mark.parametrize(
    ("grant", "status", "fault"),
    [
        ({"error": "invalid_client"}, 400, "auth"),
        ({"error": "invalid_client"}, 401, "auth"),
        (TOKEN | {"access_token": "at1.t0k3n\r\nHost: evil"}, 200, "schema"),
        (TOKEN | {"access_token": "at1.t0k3n\n"}, 200, "schema"),
    ],
    ids=["case_33_invalid_client", "case_33_invalid_client_401", "case_33_header_injected", "case_33_line_break"],
)
def test_bad_tokens(ours: Ours, grant: dict[str, Any], status: int, fault: str) -> None:
    """A refused credential needs a human, a token that cannot be sent is none; no page is asked for, no token told."""
    granting(ours, grant, status)
    run = spoiled(ours)
    assert run.fault == fault
    assert "t0k3n" not in run.reason
    assert [asked for asked, _ in ours.portal.asked if "connections" in asked] == []
    recovered(ours)


def test_case_33_slow(ours: Ours) -> None:
    """A token that comes byte by byte is given up at the deadline, as any answer."""
    whole = answer(json.dumps(TOKEN).encode())
    with serving(saying(*[b"%c" % byte for byte in whole], pause=0.03)) as slow, connected(ours, token=slow):
        assert spoiled(ours).fault == "deadline"
    recovered(ours)


@pytest.mark.parametrize(
    ("said_life", "seconds"),
    [
        ({}, 30),
        ({"expires_in": 0}, 30),
        ({"expires_in": -1}, 30),
        ({"expires_in": 10**12}, 3600),
        ({"expires_in": "900"}, 900),
    ],
    ids=["case_33_no_life", "case_33_life_0", "case_33_life_-1", "case_33_life_10^12", "case_33_life_text"],
)
def test_life_of_a_token(ours: Ours, said_life: dict[str, Any], seconds: int) -> None:
    """Whatever it says, a token counts for half a minute at least and an hour at most, less a fifth."""
    granting(ours, {"access_token": "at1.t0k3n"} | said_life)
    now = 1000.0
    with connected(ours, clock=lambda: now) as source:
        for passed, tokens in ((0.0, 1), (seconds * 0.8 - 1, 1), (seconds * 0.8 + 1, 2)):
            now = 1000.0 + passed
            source.apps()
            assert len(ours.portal.times("/connect/token?1")) == tokens


@pytest.fixture
def client() -> Iterator[Client]:
    """A client of its own."""
    made = Client()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("claims", "is_ours"),
    [
        ({"organization": 1001}, True),
        ({"organization": "1001"}, True),
        ({"scope": "dp.app.apps:r"}, True),
        ({"organization": "1002"}, False),
        ({"tenant": "1561207975"}, False),
    ],
    ids=["case_34_ours", "case_34_ours_as_text", "case_34_mute", "case_34_other_organization", "case_34_a_tenants"],
)
def test_whose_token(ours: Ours, client: Client, claims: dict[str, Any], is_ours: bool) -> None:
    """A token that says that it is somebody else's is refused; one that says nothing of it is taken."""
    granting(ours, TOKEN | {"access_token": jwt(**claims)})
    url = f"{ours.portal.url}/connect/token"
    token = Token(client, url, client_id="c", client_secret="s", clock=lambda: 0.0, organization="1001")
    if is_ours:
        assert token.value()
        return
    with pytest.raises(PermanentError) as caught:
        token.value()
    assert caught.value.fault is Fault.AUTH
    assert "eyJ" not in str(caught.value)


def test_case_34_token_of_somebody_else(ours: Ours) -> None:
    """Nothing is read with a token of another tenant or organization, and whoever runs the daemon hears of it."""
    granting(ours, TOKEN | {"access_token": jwt(tenant="1561207975")})
    with structlog.testing.capture_logs() as logs:
        assert spoiled(ours).fault == "auth"
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["poll.failed"]
    assert [asked for asked, _ in ours.portal.asked if "connections" in asked] == []


def test_case_34_control(ours: Ours) -> None:
    """A token of our own organization is used."""
    granting(ours, TOKEN | {"access_token": jwt(organization="1001")})
    assert polled(ours).changed == 3
