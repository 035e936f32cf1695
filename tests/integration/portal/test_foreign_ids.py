"""Ids of others do not exist: tried on every operation of the document, so that none can be forgotten."""

from typing import Any, NamedTuple

import httpx

from tests.integration.portal.world import JOBS, VIEW, Caller, World, app_body, connected, using

URL = "https://receiver.invalid/"
# What is neither below an organization nor below a tenant; each has tests of its own.
ELSEWHERE = ("/connect/token", "/.well-known/", "/portal/v2/operator/", "/portal/v2/demo/", "/{module}/")
# A call that lacks its body would be refused for that.
BODIES: dict[str, Any] = {
    "POST /apps": app_body(),
    "PATCH /apps/{app}": {"name": "Stolen"},
    "POST /apps/{app}/versions": {"scopes": [VIEW, JOBS]},
    "PUT /apps/{app}/availability": {"tenantIds": ["1"]},
    "POST /event-subscriptions": {"url": URL},
    "POST /app-access/{app}/upgrade": {"version": 1},
}


class Ids(NamedTuple):
    """What fills the places of a path."""

    organization: str
    tenant: str
    app: int
    connection: int
    subscription: int
    secret: int

    def filled(self, path: str) -> str:
        """*path* with these ids."""
        numbers = {"connections": self.connection, "versions": 1, "event-subscriptions": self.subscription}
        for before, number in numbers.items():
            path = path.replace(f"{before}/{{number}}", f"{before}/{number}")
        return path.format(**self._asdict())


def operations(base: str) -> list[tuple[str, str]]:
    """Every operation below an organization or a tenant, as method and path."""
    paths = httpx.get(f"{base}/portal/v2/openapi.json").json()["paths"]
    found = [(method.upper(), path) for path, known in paths.items() for method in known]
    return [(method, path) for method, path in found if not path.startswith(ELSEWHERE)]


def refused(world: World, ids: Ids, developer: Caller, admin: Caller, *, inner: bool) -> int:
    """Make every call with *ids*, each of which must answer 404; those with ids further *inner* only; how many."""
    calls = 0
    for method, path in operations(world.base):
        side, owner = (developer, "{organization}") if "{organization}" in path else (admin, "{tenant}")
        rest = path.partition(owner)[2]
        if inner and "{" not in rest:
            continue
        body = BODIES.get(f"{method} {rest}")
        headers = {"If-Match": "*"} if method == "PATCH" else {}
        answer = side(method, world.base + ids.filled(path), headers=headers, **({"json": body} if body else {}))
        assert answer.status_code == 404, f"{method} {path}: {answer.text}"
        calls += 1
    return calls


def test_ids_of_others_do_not_exist(world: World, developer: Caller, admin: Caller) -> None:
    """Another organization's or tenant's ids answer 404, whether they are asked for on its path or on one's own."""
    app = connected(developer, admin)
    secret = using(world, developer, admin, app).secret["id"]
    subscription = developer.ok("POST", "/event-subscriptions", {"url": URL})["id"]
    connection = developer.listed("/connections")[0]
    theirs = (app, connection["id"], subscription, secret)
    stranger, outsider = world.developer(), world.admin()
    on_their_path = Ids(developer.credentials["id"], admin.credentials["id"], *theirs)
    on_ones_own = Ids(stranger.credentials["id"], outsider.credentials["id"], *theirs)

    assert refused(world, on_their_path, stranger, outsider, inner=False) == len(operations(world.base))
    assert refused(world, on_ones_own, stranger, outsider, inner=True) >= 30

    assert developer.listed("/connections") == [connection]
    assert connection["status"] == "connected"
    assert len(developer.listed("/event-subscriptions")) == 1
    assert developer.ok("GET", f"/apps/{app}")["name"] == "Dispatch Helper"
    assert stranger.listed("/apps") == stranger.listed("/connections") == outsider.listed("/app-access") == []
