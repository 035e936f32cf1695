"""Recording: who runs what, with history, wherever the portal's listing wanders."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from models.leases import LeaseLostError, claim_app, extend_app
from models.record import record
from models.stage import Fresh
from models.walked import stored_hashes
from tests.integration.models.world import A, B, World
from uptake.facts import Status

TENURES = """SELECT version, status, valid_to IS NULL FROM tenure ORDER BY connection_id, valid_from"""


def test_first_poll_records_connections_history_and_adoption(world: World) -> None:
    """A first poll leaves one open stretch per connection and counts who runs what."""
    world.put("1", 1)
    world.put("2", 1)
    world.put("3", None)
    recorded = world.poll()
    assert (recorded.outcome, recorded.changed, recorded.released) == ("complete", 3, (1,))
    # Which of the tenants of one poll comes first is nobody's promise.
    expected = [(1, "connected", True), (1, "connected", True), (None, "not_connected", True)]
    assert sorted(world.rows(TENURES), key=str) == expected
    assert world.rows("SELECT version, tenants FROM adoption") == [(1, 2)]
    released, told = world.events()[:2], world.events()[2:]
    assert released == ["app.listed", "version.released"]
    assert sorted(told) == ["tenant.connected", "tenant.connected", "tenant.invited"]


def test_unchanged_poll_writes_only_its_own_row(world: World) -> None:
    """A poll that finds nothing new adds one poll row and touches nothing else."""
    world.put("1", 1)
    world.poll()
    before = world.snapshot()
    assert world.poll().changed == 0
    assert world.snapshot() == before
    assert world.rows("SELECT outcome, rows, changed FROM poll WHERE app_id IS NOT NULL ORDER BY id DESC LIMIT 1") == [
        ("complete", 1, 0)
    ]


def test_changed_hash_with_equal_facts_is_no_news(world: World) -> None:
    """The hash is a filter, never the truth: equal facts make no event and no stretch."""
    world.put("1", 1)
    world.poll()
    before = world.events(), world.rows(TENURES)
    world.put("1", 1, accepted_by="somebody")
    assert world.poll().changed == 0
    assert (world.events(), world.rows(TENURES)) == before
    assert world.poll().changed == 0


def test_upgrade_closes_one_stretch_and_opens_the_next(world: World) -> None:
    """An upgrade is one transition, bounded by the walks before and after it."""
    world.put("1", 1)
    world.poll()
    seen_old = world.now
    world.release(A, B)
    world.put("1", 2)
    world.poll()
    assert world.rows(TENURES) == [(1, "connected", False), (2, "connected", True)]
    assert world.rows("SELECT not_before, valid_from FROM tenure WHERE version = 2") == [(seen_old, world.now)]
    assert world.events()[-2:] == ["version.released", "tenant.upgraded"]
    assert world.rows("SELECT version, tenants FROM adoption ORDER BY version") == [(1, 0), (2, 1)]


def test_version_going_down_is_recorded_as_such(world: World) -> None:
    """A version that falls in the same epoch is an event of its own, never rewritten."""
    world.release(A, B)
    world.put("1", 2)
    world.poll()
    world.put("1", 1)
    world.poll()
    assert world.events()[-1] == "version.regressed"


def test_two_events_of_one_tenant_come_in_one_order(world: World) -> None:
    """Where a tenant's status and version changed between two polls, the feed tells the status first, of everybody."""
    for tenant in range(40):
        world.put(str(tenant), 1)
    world.poll()
    before = len(world.events())
    world.release(A, B)
    for tenant in range(40):
        world.put(str(tenant), 2, status=Status.DISABLED)
    # Listed in another order than before: sorting has something to do.
    world.listed = dict(sorted(world.listed.items(), reverse=True))
    world.poll()
    assert world.events()[before:] == ["version.released", *["tenant.disabled", "tenant.upgraded"] * 40]


def test_other_client_id_begins_a_new_epoch(world: World) -> None:
    """A reconnect between two polls shows by its client id: a new life, not a regression."""
    world.release(A, B)
    world.put("1", 2)
    world.poll()
    world.put("1", 1, client_id="cid.other")
    world.poll()
    assert world.events()[-1] == "tenant.connected"
    assert world.rows("SELECT epoch FROM connection") == [(2,)]


def test_gone_only_after_two_complete_walks(world: World) -> None:
    """One walk without a tenant proves nothing; the second one does, and a reappearance between resets the count."""
    world.put("1", 1)
    world.put("2", 1)
    world.poll()
    gone = world.listed[("2", "production")]
    world.drop("2")
    assert world.poll().vanished == 0
    world.listed["2", "production"] = gone
    assert world.poll().vanished == 0
    world.drop("2")
    assert world.poll().vanished == 0
    assert world.poll().vanished == 1
    assert world.events()[-1] == "tenant.disconnected"
    assert world.rows("SELECT version, tenants FROM adoption") == [(1, 1)]
    world.listed["2", "production"] = gone
    world.poll()
    assert world.rows("SELECT status, epoch FROM connection ORDER BY epoch") == [("connected", 1), ("connected", 2)]


def test_partial_walk_vouches_for_nothing(world: World) -> None:
    """A change is bounded by the last walk that saw everybody, not by one that may have overlooked it."""
    world.put("1", 1)
    world.poll()
    whole = world.now
    world.poll(refused=frozenset({7}), is_partial=True)
    world.release(A, B)
    world.put("1", 2)
    world.poll()
    assert world.rows("SELECT version_not_before FROM connection") == [(whole,)]


def test_absence_counts_anew_after_a_row_that_could_not_be_trusted(world: World) -> None:
    """Between two walks without a tenant there was one that listed it, in whatever way: it is not gone."""
    world.put("1", 1)
    world.put("2", 1)
    world.poll()
    world.drop("2")
    assert world.poll().vanished == 0
    assert world.poll(refused=frozenset({7}), exempt=frozenset({"2"})).vanished == 0
    assert world.poll().vanished == 0
    assert world.poll().vanished == 1


def test_row_that_cannot_be_trusted_does_not_show_that_its_tenant_is_still_away(world: World) -> None:
    """A return is bounded by the last walk that did not list the tenant at all."""
    world.put("1", 1)
    world.put("2", 1)
    world.poll()
    gone = world.listed[("2", "production")]
    world.drop("2")
    world.poll()
    world.poll()
    away = world.now
    world.poll(refused=frozenset({7}), exempt=frozenset({"2"}))
    world.listed["2", "production"] = gone
    world.poll()
    assert world.rows("SELECT not_before FROM tenure WHERE valid_to IS NULL AND epoch = 2") == [(away,)]


def test_gone_since_a_partial_walk_that_was_the_first(world: World) -> None:
    """The first complete walk does not vouch for whom it did not see: only the partial one before it has."""
    world.put("1", 1)
    world.put("2", 1)
    world.poll(refused=frozenset({7}), is_partial=True)
    seen = world.now
    world.drop("2")
    world.poll()
    assert world.poll().vanished == 1
    assert world.rows("SELECT not_before FROM tenure WHERE status = 'disconnected'") == [(seen,)]


def test_most_gone_at_once_is_held(world: World) -> None:
    """A listing from which more than half vanish records no disappearance, until a human says it is true."""
    for number in range(10):
        world.put(str(number), 1)
    world.poll()
    world.drop(*map(str, range(6)))
    for _ in range(3):
        assert world.poll().outcome == "held"
    assert world.rows("SELECT count(*) FROM connection WHERE status = 'connected'") == [(10,)]
    assert world.poll(believe=True).vanished == 6


def test_tenant_of_a_rejected_row_is_not_gone(world: World) -> None:
    """A tenant whose row could not be trusted stays as it was, however often."""
    world.put("1", 1)
    world.put("2", 1)
    world.poll()
    world.drop("2")
    for _ in range(3):
        recorded = world.poll(exempt=frozenset({"2"}), refused=frozenset({7}))
        assert (recorded.outcome, recorded.vanished) == ("complete", 0)


def test_walk_with_a_nameless_row_proves_no_absence(world: World) -> None:
    """A row that could be anybody's makes the run partial: it updates, and nobody is gone by it."""
    world.put("1", 1)
    world.put("2", 1)
    world.poll()
    world.drop("2")
    for _ in range(3):
        recorded = world.poll(refused=frozenset({7}), is_partial=True)
        assert (recorded.outcome, recorded.vanished) == ("partial", 0)


def test_row_listed_twice_with_other_facts_is_left_alone(world: World) -> None:
    """A page that shifted during the walk proves nothing about the connection it shows twice."""
    world.release(A, B)
    world.put("1", 1)
    world.poll()
    other = world.listed["1", "production"]._replace(version=2)
    walk = world.walk()
    assert world.poll(fresh=[Fresh(12345, other)], stale=walk.stale).changed == 0
    assert world.rows("SELECT version FROM connection") == [(1,)]


def test_row_listed_twice_with_new_facts_is_not_gone(world: World) -> None:
    """Two rows of one connection, neither of them as stored: nothing is known of it, and it is not missing either."""
    world.put("1", 1)
    world.put("2", 1)
    world.poll()
    stored = stored_hashes(world.session, world.app_id)
    base = world.listed["1", "production"]
    rows = [Fresh(11, base._replace(client_id="cid.old")), Fresh(12, base._replace(client_id="cid.new"))]
    for _ in range(3):
        assert world.poll(fresh=rows, stale=sorted(stored - {hash(world.listed["2", "production"])})).vanished == 0
    assert world.rows("SELECT status, epoch FROM connection ORDER BY id") == [("connected", 1), ("connected", 1)]


def test_disconnect_is_bounded_by_the_last_walk_that_saw_it(world: World) -> None:
    """The walk that first missed somebody did not see them: what happened, happened after the one before."""
    world.put("1", 1)
    world.put("2", 1)
    world.poll()
    seen = world.now
    world.drop("2")
    world.poll()
    world.poll()
    ((not_before,),) = world.rows("SELECT data ->> 'not_before' FROM event WHERE type = 'tenant.disconnected'")
    assert datetime.fromisoformat(not_before) == seen
    assert world.rows("SELECT not_before FROM tenure WHERE status = 'disconnected'") == [(seen,)]


def test_upgrade_behind_a_rejected_row_is_bounded_by_the_last_walk_that_read_it(world: World) -> None:
    """A row that could not be trusted is no observation of the version before."""
    world.release(A, B)
    world.put("1", 1)
    world.poll()
    seen = world.now
    kept = world.listed.pop(("1", "production"))
    world.poll(exempt=frozenset({"1"}), refused=frozenset({7}))
    world.listed["1", "production"] = kept
    world.put("1", 2)
    world.poll()
    assert world.rows("SELECT version_not_before, seen_at FROM connection") == [(seen, None)]


def test_version_ahead_of_the_list_is_judged_once_known(world: World) -> None:
    """A version that the list of versions does not have yet, of a portal that gives no scopes: filled in later."""
    world.put("1", 2, grants=None)
    world.poll()
    assert world.rows("SELECT scope_set_id FROM connection") == [(None,)]
    world.release(A, B)
    world.poll()
    ((of_connection, of_tenure),) = world.rows("""
        SELECT c.scope_set_id, t.scope_set_id FROM connection c
        JOIN tenure t ON t.connection_id = c.id AND t.valid_to IS NULL""")
    assert of_connection is not None
    assert of_connection == of_tenure


def test_times_of_the_future_are_cut_to_now(world: World) -> None:
    """A portal whose clock runs ahead silences neither an app nor a tenant."""
    ahead = datetime(2199, 1, 1, tzinfo=UTC)
    world.versions[0] = world.versions[0]._replace(released_at=ahead)
    world.put("1", 1, allowed_at=ahead)
    world.poll()
    assert world.rows("SELECT released_at FROM app_version") == [(world.now,)]
    assert world.rows("SELECT epoch_started_at FROM connection") == [(world.now,)]


def test_times_beyond_tomorrow_are_none(world: World) -> None:
    """What is a day ahead may be another clock's; what is further ahead was never meant."""
    for number, hours in enumerate((24, 25)):
        at = world.now + world.step + timedelta(hours=hours)
        world.put(str(number), 1, allowed_at=at, accepted_at=at)
    world.poll()
    query = """SELECT c.allowed_at - :now, c.accepted_at - :now FROM connection c
               JOIN tenant t ON t.id = c.tenant_id ORDER BY t.external_id"""
    assert world.rows(query, now=world.now) == [(timedelta(days=1),) * 2, (None, None)]


def test_app_deleted_in_the_instant_of_a_poll(world: World) -> None:
    """A deletion that was read before a poll and recorded after it, by a clock that stood still or went back."""
    world.put("1", 1)
    world.poll()
    world.now -= timedelta(seconds=1)
    world.list_apps(deleted=True)
    spans = world.rows("SELECT status, valid_from, valid_to FROM tenure ORDER BY id")
    assert [status for status, _, _ in spans] == ["connected", "disconnected"]
    assert spans[0][2] == spans[1][1]


def test_late_run_is_thrown_away(world: World) -> None:
    """A run whose lease another one took over records nothing."""
    world.put("1", 1)
    late = claim_app(world.session, world.app_id, now=world.now, every=world.step, forced=True)
    assert late
    world.session.execute(text("UPDATE app SET lease_until = clock_timestamp() - interval '1 s'"))
    world.poll()
    before = world.snapshot()
    world.put("1", 1, status=Status.DISABLED)
    with pytest.raises(LeaseLostError):
        record(world.session, late, world.walk(), world.versions, now=world.now + timedelta(hours=1))
    assert world.snapshot() == before


def test_scopes_follow_the_version_where_the_portal_does_not_say(world: World) -> None:
    """In faithful mode the scopes in play are those of the version."""
    world.put("1", 1, grants=None)
    world.poll()
    assert world.rows("SELECT s.grants FROM connection c JOIN scope_set s ON s.id = c.scope_set_id") == [([A],)]


def test_deleted_apps_are_counted_and_not_their_tenants(world: World) -> None:
    """What a listing changed is how many apps came or went, however many tenants they have."""
    for tenant in "123":
        world.put(tenant, 1)
    world.poll()
    world.list_apps(deleted=True)
    world.list_apps(deleted=True)
    assert world.rows("SELECT changed FROM poll WHERE app_id IS NULL ORDER BY id") == [(1,), (1,), (0,)]


def test_deleted_app_ends_everything(world: World) -> None:
    """A deleted app ends its connections' stretches, once, and is never claimed again."""
    world.put("1", 1)
    world.poll()
    for _ in range(2):
        world.now += world.step
        world.list_apps(deleted=True)
    assert world.rows(TENURES) == [(1, "connected", False), (None, "disconnected", True)]
    assert world.events()[-1] == "app.deleted"
    assert world.rows("SELECT tenants FROM adoption") == [(0,)]
    assert claim_app(world.session, world.app_id, now=world.now, every=world.step, forced=True) is None


def test_lease_is_extended_by_its_holder_only(world: World) -> None:
    """A walk that takes long keeps the app to itself; one that lost it hears so at once."""
    late = claim_app(world.session, world.app_id, now=world.now, every=world.step, forced=True)
    assert late
    world.session.execute(text("UPDATE app SET lease_until = clock_timestamp() + interval '1 s'"))
    extend_app(world.session, late)
    assert world.rows("SELECT lease_until > clock_timestamp() + interval '30 s' FROM app") == [(True,)]
    world.session.execute(text("UPDATE app SET lease_until = clock_timestamp() - interval '1 s'"))
    world.poll()
    with pytest.raises(LeaseLostError):
        extend_app(world.session, late)
