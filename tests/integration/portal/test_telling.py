"""What is told to whom, in the transaction in which it happens; nothing is sent here."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from tests.integration.portal.world import Caller, World, code, connected, held, until_waiting

URL = "https://receiver.invalid/"


def queued(world: World, subscription: int) -> list[dict[str, Any]]:
    """The events queued for a subscription, in their order."""
    query = text("SELECT convert_from(body, 'utf8') FROM portal.delivery WHERE subscription_id = :s ORDER BY id")
    with world.engine.connect() as connection:
        return [json.loads(body) for body in connection.scalars(query, {"s": subscription})]


def test_nothing_fails_while_somebody_unsubscribes(world: World, developer: Caller, admin: Caller) -> None:
    """What a tenant does waits for an unsubscription under way, and then goes on without that listener."""
    app = connected(developer, admin)
    going, staying = (developer.ok("POST", "/event-subscriptions", {"url": URL})["id"] for _ in range(2))
    with ThreadPoolExecutor(1) as pool:
        with held(world, "DELETE FROM portal.subscription WHERE id = :s", s=going) as unsubscribing:
            disabling = pool.submit(admin, "POST", f"/app-access/{app}/disable")
            until_waiting(world)
            unsubscribing.commit()
        assert disabling.result().status_code == 200
    assert queued(world, going) == []
    assert [event["eventType"] for event in queued(world, staying)] == ["connection.disabled"]


def test_twenty_subscriptions_however_many_ask_at_once(world: World, developer: Caller) -> None:
    """Of those who subscribe at once each is counted: the twentieth is the last."""
    for _ in range(19):
        developer.ok("POST", "/event-subscriptions", {"url": URL})
    lock = "SELECT 1 FROM portal.organization WHERE id = :id FOR NO KEY UPDATE"
    with ThreadPoolExecutor(5) as pool:
        with held(world, lock, id=int(developer.credentials["id"])):
            asking = [pool.submit(developer, "POST", "/event-subscriptions", json={"url": URL}) for _ in range(5)]
            until_waiting(world, 5)
        answers = [one.result() for one in asking]
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert code(max(answers, key=lambda answer: answer.status_code)) == (409, "limit_exceeded")


@pytest.mark.parametrize("end", ["withdrawn", "deleted"])
def test_access_that_ends_with_more_is_told(world: World, developer: Caller, end: str) -> None:
    """Whose tenant id is withdrawn or whose app is deleted has lost an access: of each that was live one event."""
    live, waiting = world.admins(2, "Bright")
    app = connected(developer, live)
    live.ok("POST", f"/app-access/{app}/allow", {"environment": "integration"})
    developer.ok("PUT", f"/apps/{app}/availability/{waiting.credentials['id']}")
    subscription = developer.ok("POST", "/event-subscriptions", {"url": URL})["id"]
    connections = [row["id"] for row in developer.listed("/connections", status="connected")]
    if end == "withdrawn":
        for one in (live, waiting):
            developer.ok("DELETE", f"/apps/{app}/availability/{one.credentials['id']}")
    developer.ok("DELETE", f"/apps/{app}")
    revoked = [event for event in queued(world, subscription) if event["eventType"] == "connection.revoked"]
    assert [event["connectionId"] for event in revoked] == connections
    assert {event["tenantId"] for event in revoked} == {live.credentials["id"]}
    assert {event["environment"] for event in revoked} == {"production", "integration"}
    assert len({event["eventId"] for event in revoked}) == 2
