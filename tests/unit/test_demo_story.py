"""The demo's story: plausible, the same each time, and only what a portal allows."""

import itertools
from zoneinfo import available_timezones

from portal.catalogue import GRANTS
from worker.demo.live import EXTRA
from worker.demo.story import DAYS, PLOTS, grown, story


def test_it_is_the_same_each_time() -> None:
    """Whoever speaks of the demo speaks of the same one."""
    assert story() == story()


def test_it_has_the_promised_size() -> None:
    """Twelve apps, and 300 tenants with names of their own, real time zones and somebody to write to."""
    told = story()
    assert len(told.audience) == len({plot.name for plot in PLOTS}) == 12
    zones = available_timezones()
    assert len({tenant.name for tenant in told.tenants}) == len({tenant.id for tenant in told.tenants}) == 300
    assert all(tenant.zone in zones and tenant.people for tenant in told.tenants)
    assert all(person.email.endswith(".example") for tenant in told.tenants for person in tenant.people)


def test_scopes_are_in_the_catalogue() -> None:
    """The portal refuses others; and each release changes something."""
    for plot in PLOTS:
        releases = [scopes for _, scopes in grown(plot)]
        assert all(scopes and set(scopes) <= GRANTS for scopes in releases)
        assert all(one != other for one, other in itertools.pairwise(releases))
    assert set(EXTRA) <= GRANTS


def test_nobody_acts_before_they_can() -> None:
    """An app exists before a tenant allows it, who upgrades only while connected, after a release; nothing is late."""
    exists: set[int] = set()
    connected: set[tuple[int, int]] = set()
    versions: dict[int, int] = {}
    for act in story().acts:
        assert act.after.days <= DAYS + 200
        if act.tenant is None:
            exists.add(act.app)
            versions[act.app] = versions.get(act.app, 0) + 1
            continue
        key = act.app, act.tenant
        assert act.app in exists
        if act.verb == "allow":
            assert key not in connected
            connected.add(key)
        else:
            assert key in connected
            assert act.verb != "upgrade" or versions[act.app] > 1
            connected -= {key} if act.verb != "upgrade" else set()
