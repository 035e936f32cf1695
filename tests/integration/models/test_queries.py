"""The questions: answers that agree with what was recorded."""

from datetime import timedelta

from models.queries.alert_lists import WantedAlerts, alerts_after
from models.queries.apps import laggards, overview
from models.queries.tenants import story, timeline
from tests.integration.models.world import A, B, World

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def lived(world: World) -> World:
    """Tenant 1 lags, tenant 2 upgraded, tenant 3 never connected; the lag alert fires."""
    for tenant, version in (("1", 1), ("2", 1), ("3", None)):
        world.put(tenant, version)
    world.poll()
    world.release(A, B)
    world.put("2", 2)
    world.poll()
    world.evaluate(after=15 * DAY)
    return world


def test_overview_counts(world: World) -> None:
    """Connected tenants are counted by class; who never connected is not part of the rollout."""
    (app,) = overview(lived(world).session)
    assert (app.app, app.latest_version) == ("acme:4711", 2)
    assert (app.connected, app.current, app.blocking, app.not_connected) == (2, 1, 1, 1)
    assert app.adoption == 0.5
    assert app.open_alerts == 1
    assert app.last_poll
    assert app.last_poll.outcome == "complete"


def test_laggards_say_what_is_missing_and_since_when(world: World) -> None:
    """The one who lags, with the scopes it lacks, the clock and its alert."""
    (laggard,) = laggards(lived(world).session)
    assert (laggard.tenant, laggard.lag, list(laggard.missing)) == ("1", "blocking", [B])
    assert laggard.since == world.versions[1].released_at
    assert (laggard.alert, laggard.severity) == ("firing", "info")


def test_timeline_is_in_order(world: World) -> None:
    """Every event of one tenant, oldest first, and nobody else's."""
    entries = timeline(lived(world).session, "2")
    assert [entry.type for entry in entries] == ["tenant.connected", "tenant.upgraded"]
    assert entries[1].data["from_version"] == 1


def test_story_has_it_all(world: World) -> None:
    """Explain has one answer per environment, and none for strangers."""
    (told,) = story(lived(world).session, "acme:4711", "1", now=world.now)
    assert (told.version, told.latest_version, told.lag, told.alert_state) == (1, 2, "blocking", "firing")
    assert story(world.session, "acme:4711", "99", now=world.now) == []


def test_alerts_by_state(world: World) -> None:
    """Open alerts only, unless asked for others."""
    lived(world)
    assert [one.tenant for _, one in alerts_after(world.session, WantedAlerts(), now=world.now)] == ["1"]
    assert alerts_after(world.session, WantedAlerts(state="resolved"), now=world.now) == []
