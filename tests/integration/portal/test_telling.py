"""What is told to whom, in the transaction in which it happens; nothing is sent here."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

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
