"""The worker's own source client over the real portal: both sides of the contract at once."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.portal.world import JOBS, VIEW, Caller, World, app_body, connected
from uptake.errors import Fault, PermanentError
from uptake.facts import SeenConnection, Status
from uptake.sources.portal import PortalSource


@contextmanager
def source(developer: Caller, *, app_key: str | None = None) -> Iterator[PortalSource]:
    """The worker's view of the developer's organization."""
    credentials = developer.credentials
    origin = PortalSource(
        name="acme",
        url=f"{developer.base}/portal/v2",
        token_url=f"{developer.base}/connect/token",
        organization=credentials["id"],
        client_id=credentials["clientId"],
        client_secret=credentials["clientSecret"],
        app_key=app_key or credentials["appKey"],
        page_size=2,
    )
    yield origin
    origin.close()


def walked(origin: PortalSource, app: int) -> dict[str, SeenConnection]:
    """What the worker makes of an app's connections, by tenant."""
    seen = [origin.decode(str(app), item) for page in origin.pages(str(app)) for item in page.items or ()]
    return {connection.tenant: connection for connection in seen}


def test_apps_and_versions(developer: Caller) -> None:
    """The worker reads apps, deleted ones too, and the whole history of each, page by page."""
    apps = [developer.ok("POST", "/apps", app_body(name=f"App {n}"))["id"] for n in range(3)]
    developer.ok("DELETE", f"/apps/{apps[0]}")
    for scopes in ([JOBS], [VIEW, JOBS]):
        developer.ok("POST", f"/apps/{apps[2]}/versions", {"scopes": scopes})

    with source(developer) as origin:
        seen = origin.apps()
        versions = origin.versions(str(apps[2]))

    assert [(app.external_id, app.deleted, app.latest) for app in seen] == [
        (str(apps[0]), True, 1),
        (str(apps[1]), False, 1),
        (str(apps[2]), False, 3),
    ]
    assert [version.grants for version in versions] == [{VIEW}, {JOBS}, {VIEW, JOBS}]
    assert {version.released_by for version in versions} == {"j.doe"}


@pytest.mark.parametrize("faithful", [False, True], ids=["whole", "faithful"])
def test_connections(world: World, faithful: bool) -> None:
    """In both modes the worker sees who runs what; a tenant that never connected runs nothing."""
    developer, admins = world.developer(faithful=faithful), world.admins(3, "Bright")
    tenants = [admin.credentials["id"] for admin in admins]
    app = developer.ok("POST", "/apps", app_body(tenantIds=tenants))["id"]
    for admin in admins[:2]:
        admin.ok("POST", f"/app-access/{app}/allow")
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [VIEW, JOBS]})
    admins[1].ok("POST", f"/app-access/{app}/upgrade", {"version": 2})

    with source(developer) as origin:
        seen = walked(origin, app)

    lagging, current, never = (seen[tenant] for tenant in tenants)
    assert (lagging.status, lagging.version, lagging.grants) == (Status.CONNECTED, 1, frozenset({VIEW}))
    assert (current.status, current.version, current.grants) == (Status.CONNECTED, 2, frozenset({VIEW, JOBS}))
    assert (never.status, never.version, never.client_id) == (Status.NOT_CONNECTED, None, None)
    assert (current.accepted_by, current.accepted_at is None) == (None if faithful else "admin", faithful)


def test_a_deleted_apps_key(developer: Caller, admin: Caller) -> None:
    """A worker that was given the key of an app is refused for good once that app is deleted."""
    app = connected(developer, admin)
    key = developer.ok("GET", f"/apps/{app}")["appKey"]
    with source(developer, app_key=key) as origin:
        assert len(origin.apps()) == 1

        developer.ok("DELETE", f"/apps/{app}")

        with pytest.raises(PermanentError) as refused:
            origin.apps()
    assert refused.value.fault is Fault.AUTH
