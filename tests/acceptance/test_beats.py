"""Beat is not the clock: two of them, or two workers that tick, poll no app twice."""

from itertools import pairwise

from tests.acceptance.daemon import Daemon
from tests.integration.small_portal import SmallPortal

# The cadence of the tests' uptake.toml, 5 % earlier at most.
SOONEST = 2 * 0.95
COMPLETE = "SELECT count(*) FROM poll WHERE app_id IS NOT NULL AND outcome = 'complete'"


def test_two_beats_poll_once(daemon: Daemon, portal: SmallPortal) -> None:
    """By our rows and by the portal's own log, each app is polled once per due time; beat leaves no file behind."""
    away = daemon.directory / "elsewhere"
    away.mkdir()
    for number in (1, 2):
        daemon.start(f"worker{number}", "worker", "-c", "2", "-n", f"w{number}@%h")
        daemon.start(f"beat{number}", "beat", cwd=away)
    daemon.until(lambda: daemon.rows(COMPLETE)[0][0] >= 9)
    assert [daemon.stop(name) for name in list(daemon.processes)] == [0, 0, 0, 0]
    assert list(away.iterdir()) == []

    polls = daemon.rows("SELECT a.external_id, p.started_at FROM poll p JOIN app a ON a.id = p.app_id ORDER BY 2")
    for app in map(str, portal.apps):
        due = [at for polled, at in polls if polled == app]
        assert min((later - sooner).total_seconds() for sooner, later in pairwise(due)) >= SOONEST
        asked = portal.times(f"/{app}/connections?1")
        assert len(asked) == len(due)
        # A little less, for a request is under way for some time.
        assert min(later - sooner for sooner, later in pairwise(asked)) > SOONEST - 1
    listed = daemon.rows("SELECT count(*) FROM poll WHERE app_id IS NULL")
    assert len(portal.times("?1")) == listed[0][0]
