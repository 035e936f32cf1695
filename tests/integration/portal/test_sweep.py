"""What nobody can use any more is removed while the portal is served, and nothing else."""

import asyncio

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from portal.sweep import BATCH, sweep
from tests.integration.portal.world import Caller, World, app_body, connected, eventually, served, using

DELIVERY = """INSERT INTO portal.delivery (subscription_id, event_id, body, due_at, queued_at)
    SELECT :s, 'e-' || n || :kind, '{"eventType": "x", "occurredOn": "2026-01-01T00:00:00Z"}',
        CASE WHEN :waits THEN now() + interval '1 hour' END, now() - cast(:age AS interval)
    FROM generate_series(1, :many) n"""


def swept(database: str) -> dict[str, int]:
    """What one sweep removes."""

    async def run() -> dict[str, int]:
        engine = create_async_engine(make_url(database).set(drivername="postgresql+psycopg"))
        try:
            return await sweep(engine)
        finally:
            await engine.dispose()

    return asyncio.run(run())


def test_what_is_over_goes_and_the_rest_stays(
    world: World, portal_database: str, developer: Caller, admin: Caller
) -> None:
    """Settled deliveries after a week, secrets with their access, tokens that expired, keys after a day."""
    app, ended = connected(developer, admin), connected(developer, admin)
    for number in (app, ended):
        using(world, developer, admin, number)
    admin.ok("DELETE", f"/app-access/{ended}")
    subscription = developer.ok("POST", "/event-subscriptions", {"url": "https://receiver.invalid/"})["id"]
    kinds = [("old", False, "8 days", BATCH + 1), ("waiting", True, "8 days", 3), ("young", False, "6 days", 4)]
    developer.ok("POST", "/apps", app_body(), headers={"Idempotency-Key": "k"})
    with world.engine.begin() as connection:
        connection.execute(text("DELETE FROM portal.delivery"))
        for kind, waits, age, many in kinds:
            named = {"s": subscription, "kind": kind, "waits": waits, "age": age, "many": many}
            connection.execute(text(DELIVERY), named)
        connection.execute(
            text("UPDATE portal.token SET expires_at = now() - interval '1 s' WHERE access_id IS NOT NULL")
        )
        connection.execute(text("UPDATE portal.idempotency SET created_at = now() - interval '25 hours'"))
    gone = swept(portal_database)
    assert gone["delivery"] == BATCH + 1
    assert gone["client_secret"] >= 1
    assert gone["token"] >= 2
    assert gone["idempotency"] >= 1
    assert swept(portal_database) == dict.fromkeys(gone, 0)
    page = developer.ok("GET", f"/event-subscriptions/{subscription}/deliveries", params={"includeTotal": True})
    assert page["totalCount"] == 7
    assert len(admin.ok("GET", f"/app-access/{app}/client-secrets")["data"]) == 1
    assert developer.ok("GET", "/apps")["data"]


def test_serving_sweeps(world: World, portal_database: str, developer: Caller) -> None:
    """A portal that is served sweeps by itself."""
    developer.ok("POST", "/apps", app_body(), headers={"Idempotency-Key": "mine"})
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE portal.idempotency SET created_at = now() - interval '25 hours'"))

    def none_left() -> bool:
        with world.engine.connect() as connection:
            return not connection.scalar(text("SELECT count(*) FROM portal.idempotency"))

    assert not none_left()
    with served(portal_database):
        eventually(none_left, "nothing is swept")


def test_deliveries_are_read_by_an_index(world: World) -> None:
    """The list of what was sent needs no sort, however much was sent."""
    query = "EXPLAIN SELECT * FROM portal.delivery WHERE subscription_id = 1 ORDER BY id DESC LIMIT 51"
    with world.engine.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        connection.execute(text("SET LOCAL enable_sort = off"))
        plan = "\n".join(connection.scalars(text(query)))
    assert "delivery_subscription_ix" in plan
