"""A portal as poor as the real one: no times on connections, so ours are intervals, and all the rest works the same."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from config.settings import settings
from models import Session
from models.base import engine_for
from models.listing import sync_sources
from models.migrations import upgrade
from tasks.deliver import deliver_now
from tasks.edges import channel_named, source_named
from tasks.evaluate import evaluate_now
from tasks.flush import flush_now
from tasks.poll import list_apps, poll
from tasks.remind import remind_now
from tasks.rules import rules
from tests.acceptance.daemon import Daemon
from tests.acceptance.mailroom import Mailroom
from tests.acceptance.portal_world import A, B, PortalWorld

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RULES = """
[policy]
receivers = ["post"]
reminders = "post"

[[receiver]]
name = "post"
kind = "email"
url = "{url}"
from = "Acme Apps <apps@acme.example>"
to = ["ops@acme.example"]
"""


@pytest.fixture
def faithful(fresh_database: Callable[[], str], tmp_path: Path) -> Iterator[PortalWorld]:
    """The portal, with three tenants, in a process of its own."""
    portal = PortalWorld.started(tmp_path, fresh_database(), tenants=3, faithful=True)
    yield portal
    portal.stop()


@pytest.fixture
def ours(
    faithful: PortalWorld,
    post: Mailroom,
    fresh_database: Callable[[], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Daemon]:
    """Our schema and rules; the tasks run here, so that the clock can be stepped."""
    url = fresh_database()
    upgrade(url)
    path = faithful.uptake_toml(tmp_path / "uptake.toml", RULES.format(url=post.url))
    monkeypatch.setenv("UPTAKE_CONFIG", str(path))
    caches = (settings, rules, source_named, channel_named)
    for cache in caches:
        cache.cache_clear()
    engine = engine_for(url)
    Session.configure(bind=engine)
    yield Daemon(tmp_path, os.environ | {"DATABASE_URL": url, "UPTAKE_CONFIG": str(path)})
    engine.dispose()
    source_named("acme").close()
    for cache in caches:
        cache.cache_clear()


def test_from_release_to_upgrade_without_times(faithful: PortalWorld, ours: Daemon, post: Mailroom) -> None:
    """An upgrade is known to lie between two polls, and says so; laggards are alerted on and reminded all the same."""

    def polled(now: datetime) -> None:
        faithful.clock(f"{now:%Y-%m-%dT%H:%M:%SZ}")
        list_apps(1, now=now, forced=True)
        poll(1, now=now, forced=True)
        evaluate_now(1, now=now)

    with Session.begin() as session:
        sync_sources(session, [("acme", "portal")], now=MONDAY)
    faithful.clock("2026-03-01T00:00:00Z")
    app = faithful.make_app("Dispatch Helper", A)
    for number in (0, 1):
        faithful.tenant(number, "allow", app)
    polled(MONDAY)
    faithful.clock("2026-03-02T10:00:00Z")
    faithful.release(app, A, B)
    with Session.begin() as session:
        session.execute(text("INSERT INTO contact (tenant_id, email) SELECT id, id || '@b.example' FROM tenant"))

    polled(MONDAY + DAY)
    # Tenant 2 never connected: the real portal prints the latest version for it, which means nothing.
    assert ours.rows("SELECT status, version, count(*) FROM connection WHERE environment = 'production' "
                     "GROUP BY 1, 2 ORDER BY 1") == [("connected", 1, 2), ("not_connected", None, 1)]  # fmt: skip
    assert remind_now(now=MONDAY + DAY + HOUR) == 2

    late = MONDAY + 16 * DAY
    polled(late)
    assert flush_now(now=late + HOUR) == 1
    assert deliver_now(now=late + HOUR) == 3
    assert sorted(post.taken.values()) == [1, 1, 1]
    assert {row["tenant"] for row in ours.cli("alerts")} == {"1000", "1001"}

    faithful.tenant(0, "upgrade", app, {"version": 2})
    polled(late + 2 * HOUR)
    entries = ours.cli("timeline", "1000")
    assert [entry["type"] for entry in entries[-3:]] == ["tenant.upgraded", "alert.resolved", "reminder.stopped"]
    upgraded = entries[-3]
    assert (upgraded["data"]["not_before"], upgraded["at"]) == ("2026-03-18T09:00:00+00:00", "2026-03-18T11:00:00Z")
    assert "accepted_at" not in upgraded["data"]
    (story,) = ours.cli("explain", f"acme:{app}", "1000")
    assert (story["version_not_before"], story["version_not_after"]) == ("2026-03-18T09:00:00Z", "2026-03-18T11:00:00Z")
    assert {row["tenant"] for row in ours.cli("alerts")} == {"1001"}
