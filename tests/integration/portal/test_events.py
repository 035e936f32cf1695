"""Events: signed, retried on a schedule, at least once; what each action tells."""

import json
import time
from collections.abc import Iterator
from functools import partial
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import Engine, text
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError
from werkzeug import Request, Response

from portal.push import WAITS
from portal.receivers import is_public
from tests.integration.portal.world import JOBS, VIEW, Caller, World, app_body, code, connected, eventually


@pytest.fixture
def world(pushing: tuple[Engine, str]) -> Iterator[World]:
    """The people of that portal."""
    world = World(*pushing, [])
    yield world
    for caller in world.callers:
        caller.close()


@pytest.fixture
def address(httpserver: HTTPServer) -> str:
    """Where this test's events go; what earlier tests left to be retried goes elsewhere."""
    return httpserver.url_for(f"/{token_hex(8)}")


@pytest.fixture
def heard(httpserver: HTTPServer, address: str) -> list[Request]:
    """What the receiver got; it accepts everything."""
    requests: list[Request] = []

    def take(request: Request) -> Response:
        requests.append(request)
        return Response(status=204)

    httpserver.expect_request(urlsplit(address).path).respond_with_handler(take)
    return requests


def subscribed(developer: Caller, address: str, *types: str) -> Any:
    """A subscription to *types*, or to all."""
    body = {"url": address} | ({"types": list(types)} if types else {})
    return developer.ok("POST", "/event-subscriptions", body)


def test_every_action_tells(world: World, developer: Caller, address: str, heard: list[Request]) -> None:
    """Each of the ten types, once, with what it is about, signed with the secret that was shown."""
    admin = world.admin()
    tenant = admin.credentials["id"]
    made = subscribed(developer, address)
    app = world.approved(developer, tenantIds=[tenant])
    admin.ok("POST", f"/app-access/{app}/allow")
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [VIEW, JOBS]})
    admin.ok("POST", f"/app-access/{app}/upgrade", {"version": 2})
    for action in ("decline", "disable", "disable", "enable"):
        admin.ok("POST", f"/app-access/{app}/{action}")
    admin.ok("DELETE", f"/app-access/{app}")
    developer.ok("DELETE", f"/apps/{app}/availability/{tenant}")
    developer.ok("DELETE", f"/apps/{app}")
    eventually(lambda: len(heard) >= 11, "events are missing")
    time.sleep(1.5)

    told = sorted((json.loads(request.data) for request in heard), key=lambda event: event["eventType"])
    assert [event["eventType"] for event in told] == [
        "app.approved",
        "app.deleted",
        "app.version.created",
        "app.version.created",
        "availability.added",
        "availability.removed",
        "connection.allowed",
        "connection.disabled",
        "connection.enabled",
        "connection.revoked",
        "connection.upgraded",
    ]
    assert {event["appId"] for event in told} == {app}
    assert (told[-1]["from"], told[-1]["to"], told[-1]["tenantId"]) == (1, 2, tenant)
    assert sorted(event["added"] for event in told[2:4]) == [[VIEW], [JOBS]]
    assert len({event["eventId"] for event in told}) == 11
    for request in heard:
        Webhook(made["secret"]).verify(request.get_data(as_text=True), dict(request.headers))
    tampered = heard[0].get_data(as_text=True).replace(str(app), str(app + 1))
    with pytest.raises(WebhookVerificationError):
        Webhook(made["secret"]).verify(tampered, dict(heard[0].headers))


def test_secret_is_shown_once(developer: Caller, address: str) -> None:
    """The list of subscriptions has everything but the secret."""
    made = subscribed(developer, address, "app.deleted")
    (listed,) = developer.listed("/event-subscriptions")
    assert made == listed | {"secret": made["secret"]}
    assert made["secret"].startswith("whsec_")


def test_retried_on_schedule_then_given_up(
    world: World, developer: Caller, httpserver: HTTPServer, address: str
) -> None:
    """A receiver that refuses hears the same event after 10, 30, 60 and 300 s, and then no more."""
    ids: list[str] = []

    def refuse(request: Request) -> Response:
        ids.append(request.headers["webhook-id"])
        return Response(status=503)

    httpserver.expect_request(urlsplit(address).path).respond_with_handler(refuse)
    subscription = subscribed(developer, address, "app.version.created")
    developer.ok("POST", "/apps", app_body())
    path = f"/event-subscriptions/{subscription['id']}/deliveries"
    for attempt, wait in enumerate((*WAITS, None), 1):
        eventually(partial(_is_settled, developer, path, attempt), "no attempt")
        assert _waits(world, subscription["id"], wait)
        with world.engine.begin() as connection:
            connection.execute(text("UPDATE portal.delivery SET due_at = now(), answer = NULL WHERE due_at > now()"))
    assert len(ids) == 5
    assert len(set(ids)) == 1
    (delivery,) = developer.listed(path)
    assert (delivery["state"], delivery["attempts"]) == ("givenUp", 5)


def _is_settled(developer: Caller, path: str, attempt: int) -> bool:
    (delivery,) = developer.listed(path)
    return (delivery["attempts"], delivery["answer"]) == (attempt, "503")


def _waits(world: World, subscription: int, wait: int | None) -> bool:
    with world.engine.connect() as connection:
        query = "SELECT extract(epoch FROM due_at - now()) FROM portal.delivery WHERE subscription_id = :s"
        left = connection.execute(text(query), {"s": subscription}).scalar_one()
    return left is None if wait is None else left is not None and wait - 5 < left <= wait


def test_killed_while_sending_is_sent_again(
    world: World, developer: Caller, address: str, heard: list[Request]
) -> None:
    """An attempt without an end, as a killed process leaves it, is made again after its lease."""
    subscription = subscribed(developer, address, "app.version.created")
    with world.engine.begin() as connection:
        connection.execute(
            text("""INSERT INTO portal.delivery (subscription_id, event_id, body, attempts, due_at)
                    VALUES (:s, 'e-1', '{"eventType": "x", "occurredOn": ""}', 1, now() + interval '1 second')"""),
            {"s": subscription["id"]},
        )
    eventually(lambda: heard, "not sent again")
    (delivery,) = eventually(
        lambda: [
            row
            for row in developer.listed(f"/event-subscriptions/{subscription['id']}/deliveries")
            if row["state"] == "accepted"
        ],
        "not accepted",
    )
    assert delivery["attempts"] == 2


def test_refused_action_tells_nothing(world: World, developer: Caller, address: str) -> None:
    """What is undone is not told: the event is queued in the same transaction."""
    subscription = subscribed(developer, address, "app.version.created")
    app = developer.ok("POST", "/apps", app_body())["id"]
    assert code(developer("POST", f"/apps/{app}/versions", json={"scopes": [VIEW]})) == (409, "scopes_unchanged")
    assert len(developer.listed(f"/event-subscriptions/{subscription['id']}/deliveries")) == 1


def test_subscription_ends(developer: Caller, address: str, heard: list[Request]) -> None:
    """After the end nothing comes any more, and it is not there."""
    subscription = subscribed(developer, address)
    developer.ok("DELETE", f"/event-subscriptions/{subscription['id']}")
    developer.ok("POST", "/apps", app_body())
    time.sleep(1.5)
    assert heard == []
    assert code(developer("DELETE", f"/event-subscriptions/{subscription['id']}")) == (404, "not_found")


def test_events_are_the_organizations_own(world: World, developer: Caller, address: str, heard: list[Request]) -> None:
    """Nobody hears of another organization's apps, or sees its subscriptions."""
    subscription = subscribed(developer, address)
    stranger = world.developer()
    connected(stranger, world.admin())
    time.sleep(1.5)
    assert heard == []
    assert stranger.listed("/event-subscriptions") == []
    path = f"/event-subscriptions/{subscription['id']}"
    assert code(stranger("DELETE", path)) == (404, "not_found")
    assert code(stranger("GET", f"{path}/deliveries")) == (404, "not_found")
    assert code(stranger("GET", f"{developer.home}/event-subscriptions")) == (404, "not_found")


def test_private_receivers_are_refused(
    portal_engine: Engine, portal_url: str, httpserver: HTTPServer, address: str
) -> None:
    """By default events go by https and to public addresses only, whatever the name says."""
    developer = World(portal_engine, portal_url, []).developer()
    refused = developer("POST", "/event-subscriptions", json={"url": address})
    assert code(refused) == (409, "insecure_receiver")
    private = address.replace("http:", "https:")
    subscription = developer.ok("POST", "/event-subscriptions", {"url": private})
    developer.ok("POST", "/apps", app_body())
    path = f"/event-subscriptions/{subscription['id']}/deliveries"
    eventually(lambda: developer.listed(path)[0]["answer"], "never tried")
    assert developer.listed(path)[0]["answer"].startswith("refused")
    assert not [sent for sent, _ in httpserver.log if sent.url == address]
    developer.close()


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    """What is the world's, and what only looks like it."""
    assert is_public(address) is public


# Of these, one reader sees another host than the next, or none.
TWO_HOSTS = ["https://a.example\\[", "https://user:[@a.example/", "https://a.example\\@b.example/", "https://[::1/"]
WRONG = [{"url": "x"}, {"url": "ftp://a.example/"}, {"types": []}, {"types": ["app.made"]}]


@pytest.mark.parametrize("wrong", [*WRONG, *({"url": url} for url in TWO_HOSTS)])
def test_subscription_refused(developer: Caller, wrong: dict[str, Any]) -> None:
    """Addresses and types are checked."""
    answer = developer("POST", "/event-subscriptions", json={"url": "https://a.example/"} | wrong)
    assert code(answer) == (400, "invalid_request")
