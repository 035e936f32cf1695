"""Which reminders worked: upgrades soon after one, by step, beside those between them."""

from datetime import datetime, timedelta
from math import exp

import pytest
from sqlalchemy import text

from models.queries.reminded import ReminderEffect, StepEffect, reminder_effect
from models.queries.taken import watched
from models.queries.week import weeks
from tests.integration.models.world import A, B, World

DAY = timedelta(days=1)
_THREAD = text("""
INSERT INTO reminder (connection_id, app_id, tenant_id, environment, target_version, opened_at, sent, last_sent_at)
SELECT c.id, c.app_id, c.tenant_id, c.environment, 2, :now, 1, :now FROM connection c
JOIN tenant t ON t.id = c.tenant_id WHERE t.external_id = :tenant RETURNING id
""")
_NOTICE = text("""
WITH sent AS (
    INSERT INTO notice (key, receiver, "to", reason, subject, body, state, created_at, due_at, settled_at)
    VALUES (:key, 'mail', :to, 'due', 's', 'b', :state, :at, :at, :at) RETURNING id
)
INSERT INTO notice_reminder (notice_id, reminder_id, number, target_version) SELECT id, :thread, :step, 2 FROM sent
""")


def effect(world: World) -> ReminderEffect:
    """What came of the reminders by now."""
    app = watched(world.session, "acme:4711")
    assert app
    return reminder_effect(world.session, app, environment="production")


def thread(world: World, tenant: str) -> int:
    """A thread to a tenant."""
    found: int = world.session.execute(_THREAD, {"tenant": tenant, "now": world.now}).scalar_one()
    return found


def write(
    world: World, thread_id: int, step: int, at: datetime, *, state: str = "sent", to: str = "ada@t.example"
) -> None:
    """One message of a thread."""
    bound = {"thread": thread_id, "step": step, "at": at, "state": state, "to": to}
    world.session.execute(_NOTICE, bound | {"key": f"{thread_id}:{step}:{state}:{to}"})


def test_who_upgraded_soon(world: World) -> None:
    """Two days after the second reminder counts for it; a week after the first counts for none."""
    for tenant in "1234":
        world.put(tenant, 1)
    world.poll()
    world.release(A, B)
    began = world.now
    first, second, third, _ = (thread(world, tenant) for tenant in "1234")
    write(world, first, 1, began)
    write(world, first, 2, began + 8 * DAY)
    write(world, first, 2, began + 9 * DAY, to="bob@t.example")  # the same turn to somebody else
    write(world, second, 1, began)
    write(world, third, 1, began, state="failed")  # nobody got it
    world.now = began + 7 * DAY - world.step
    world.put("2", 2)
    world.poll()
    world.now = began + 10 * DAY - world.step
    world.put("1", 2)
    world.poll()
    world.poll(after=DAY)
    assert effect(world).steps == [StepEffect(1, 2, 2, 0, 0.0), StepEffect(2, 1, 1, 1, 1.0)]


def test_what_is_not_known_yet(world: World) -> None:
    """Whether a reminder of yesterday worked or not, it counts when its time is over: only successes come sooner."""
    for tenant in "12":
        world.put(tenant, 1)
    world.poll()
    world.release(A, B)
    for tenant in "12":
        write(world, thread(world, tenant), 1, world.now)
    assert effect(world).steps == [StepEffect(1, 2, 0, 0, None)]
    world.put("1", 2)
    world.poll(after=DAY)
    assert effect(world).steps == [StepEffect(1, 2, 0, 0, None)]
    world.poll(after=3 * DAY)
    assert effect(world).steps == [StepEffect(1, 2, 2, 1, 0.5)]


def test_what_was_before_the_reminder(world: World) -> None:
    """Who had the version, went back and was reminded has not followed the reminder."""
    world.put("1", 1)
    world.poll()
    world.release(A, B)
    world.put("1", 2)
    world.poll(after=DAY)
    world.put("1", 1)
    world.poll(after=DAY)
    write(world, thread(world, "1"), 1, world.now)
    world.poll(after=4 * DAY)
    assert effect(world).steps == [StepEffect(1, 1, 1, 0, 0.0)]


def test_without_a_reminder(world: World) -> None:
    """The rate of the same tenants while they wait and none was sent lately, as soon as they waited long enough."""
    tenants = [str(number) for number in range(10)]
    for tenant in tenants:
        world.put(tenant, 1)
    world.poll()
    world.release(A, B)
    began = world.now
    for tenant in tenants:
        write(world, thread(world, tenant), 1, began)
    world.poll(after=8 * DAY)
    assert effect(world).without_share is None
    world.put("0", 2)
    world.now = began + 9 * DAY - world.step
    world.poll()
    found = effect(world)
    assert (found.without_seconds, found.without_upgraded) == (10 * 6 * 86400, 1)
    assert found.without_share == pytest.approx(1 - exp(-1 / 20))
    # In the three days after another one nobody waits without any.
    ((other,),) = world.rows("SELECT id FROM reminder ORDER BY id DESC LIMIT 1")
    write(world, other, 2, began + 9 * DAY)
    world.poll(after=3 * DAY)
    assert effect(world).without_seconds == (10 * 6 + 8 * 3) * 86400


def test_reminders_of_both_weeks(world: World) -> None:
    """A week's reminders are those that were sent in it, each turn once."""
    world.put("1", 1)
    world.poll()
    own = thread(world, "1")
    write(world, own, 1, world.now)
    write(world, own, 2, world.now + 8 * DAY)
    write(world, own, 2, world.now + 8 * DAY, to="bob@t.example")
    write(world, own, 3, world.now + 9 * DAY)
    world.session.execute(text("UPDATE reminder SET last_sent_at = :at"), {"at": world.now + 9 * DAY})
    world.poll(after=10 * DAY)
    app = watched(world.session, "acme:4711")
    assert app
    found = weeks(world.session, app, environment="production")
    assert found.this
    assert found.last
    assert (found.this.reminders, found.last.reminders) == (2, 1)
