"""What was said long ago is forgotten, and nothing that somebody may still ask of."""

from datetime import timedelta

from sqlalchemy import text

from models.forgetting import forget_messages, forget_told
from tests.integration.models.world import World

DAY = timedelta(days=1)


def test_messages(world: World) -> None:
    """Settled ones with their tries and threads; what waits, or has turns to give back, stays."""
    for key, state, days, gives_back in (
        ("old", "sent", 9, False),
        ("young", "sent", 1, False),
        ("waits", "due", None, False),
        ("owes", "cancelled", 9, True),
    ):
        world.session.execute(
            text("""INSERT INTO notice (key, receiver, "to", reason, subject, body, state, created_at, due_at,
                        settled_at, gives_back)
                    VALUES (:key, 'ops', '', 'first', 's', 'b', :state, :old, :old, :settled, :gives)"""),
            {
                "key": key,
                "state": state,
                "old": world.now - 99 * DAY,
                "settled": None if days is None else world.now - days * DAY,
                "gives": gives_back,
            },
        )
    world.session.execute(text("INSERT INTO attempt (notice_id, number, started_at) SELECT id, 1, now() FROM notice"))
    world.session.execute(text("INSERT INTO notice_reminder SELECT id, id, 1 FROM notice"))
    assert forget_messages(world.session, before=world.now - 5 * DAY) == 1
    assert forget_messages(world.session, before=world.now - 5 * DAY) == 0
    left = [("owes",), ("waits",), ("young",)]
    assert world.rows("SELECT key FROM notice ORDER BY key") == left
    assert world.rows("SELECT n.key FROM attempt JOIN notice n ON n.id = notice_id ORDER BY 1") == left
    assert world.rows("SELECT n.key FROM notice_reminder JOIN notice n ON n.id = notice_id ORDER BY 1") == left
    assert world.rows("SELECT (SELECT count(*) FROM attempt), (SELECT count(*) FROM notice_reminder)") == [(3, 3)]


def test_told(world: World) -> None:
    """Who heard that an alert is over; who heard of one that fires, or not yet of its end, is remembered."""
    for number, state, days in ((1, "resolved", 40), (2, "resolved", 1), (3, "firing", None), (4, "resolved", 40)):
        world.session.execute(
            text("""INSERT INTO alert (source_id, kind, state, severity, since, opened_at, reason, resolved_at, data)
                    VALUES (:source, 'poll_failing', :state, 'info', :now, :now, :number, :over, '{}')"""),
            {
                "source": world.source_id,
                "state": state,
                "now": world.now - 50 * DAY,
                "number": str(number),
                "over": None if days is None else world.now - days * DAY,
            },
        )
    told = """INSERT INTO told (receiver, alert_id, state, told_at)
              SELECT 'ops', id, CASE WHEN reason IN ('3', '4') THEN 'firing' ELSE 'resolved' END, :now FROM alert"""
    world.session.execute(text(told), {"now": world.now})
    assert forget_told(world.session, before=world.now - 30 * DAY) == 1
    left = world.rows("SELECT a.reason FROM told t JOIN alert a ON a.id = t.alert_id ORDER BY 1")
    assert left == [("2",), ("3",), ("4",)]
