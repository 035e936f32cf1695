"""Every route by every role and source: nobody reads or changes what they may not, whatever route is added."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from config.settings import settings
from dashboard.access import Named, policies
from dashboard.app import application
from models import Role, Scope
from models.outbox import Settlement, claim_notices, settle
from models.quiet import Matchers, silence
from tasks.evaluate import evaluate_now
from tasks.flush import flush_now
from tasks.remind import remind_now
from tests.integration.access.callers import SAME_SITE, TEST, asked, bearer, cookie
from tests.integration.access.deeds import DEEDS, UNTRIED
from tests.integration.models.world import A, B, World
from tests.integration.tasks.conftest import chosen as chosen  # noqa: PLC0414 - a fixture of that folder, for this too
from uptake.errors import Fault

# What nobody may learn who does not see the source.
SECRETS = ("Dispatch Helper", "4711", "Bright HVAC", "someone@bright.example", "tn.crm", "acme")
ROLES = {Role.VIEWER: Scope.READ, Role.OPERATOR: Scope.OPERATE, Role.ADMIN: Scope.ADMIN}
SAFE = {"GET", "HEAD"}
# The one ends with the connection and not with an answer, the other tells nothing of anybody; both have their tests.
OTHERS = {"/api/v1/events/stream", "/api/v1/openapi.json"}


# What a page cannot do without.
ASKS = dict.fromkeys(("/messages/next", "/messages/next/letter"), "?app=acme:4711&tenant=1")
# What a role that may ask is not told all the same: how a reminder looks is for operators.
NOT_TOLD = {(Role.VIEWER, "/messages/{notice_id}/letter"): 404}


class Ground(NamedTuple):
    """An application over a world in which there is something of everything."""

    app: FastAPI
    world: World
    places: dict[str, str]

    def routes(self) -> Iterator[Named]:
        """Those that ask who somebody is."""
        for route in policies(self.app):
            if route.policy not in {"open", "metrics"} and route.path not in OTHERS:
                yield route

    def path(self, route: Named) -> str:
        """The route's path about what there is."""
        return re.sub(r"\{(\w+)(?::\w+)?\}", lambda it: self.places[it[1]], route.path)

    def unsaid(self, route: Named, text: str) -> str:
        """The *text* without what somebody typed into the address, which may be said back to them."""
        for place in re.findall(r"\{(\w+)", route.path):
            for typed in (self.places[place], quote(self.places[place]), quote(self.places[place], safe="")):
                text = text.replace(typed, "") if len(typed) > 3 else text
        return text

    def contents(self) -> dict[str, list[Any]]:
        """What a refused call must leave as it is; tokens and sessions note that they were used."""
        tables = (
            "alert",
            "silence",
            "notice",
            "reminder",
            "contact",
            "account",
            "saved_view",
            "audit",
            "app",
            "source",
        )
        return {name: self.world.rows(f"SELECT t::text FROM {name} t ORDER BY 1") for name in tables}  # noqa: S608 - ours


@pytest.fixture
def ground(world: World, database_url: str, chosen: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """One tenant that lags, with alert, reminder, message, silence, events and polls, all at the source acme."""
    monkeypatch.setenv("UPTAKE_API_RATE", "100000")
    settings.cache_clear()
    world.put("1", 1, tenant_name="Bright HVAC")
    world.poll()
    world.session.execute(
        text("INSERT INTO contact (tenant_id, email) SELECT id, 'someone@bright.example' FROM tenant")
    )
    world.session.execute(text("UPDATE tenant SET time_zone = 'Europe/Berlin'"))
    world.release(A, B)
    world.poll()
    # A Monday again, in working hours.
    world.poll(after=timedelta(days=21))
    world.now += timedelta(hours=3)
    evaluate_now(world.app_id, now=world.now)
    world.session.commit()
    flush_now(now=world.now)
    world.now += timedelta(minutes=5)
    assert flush_now(now=world.now)
    assert remind_now(now=world.now)
    refuse_everything(world)
    silence(
        world.session,
        Matchers(app="acme:4711"),
        starts_at=world.now,
        ends_at=world.now + timedelta(days=1),
        author=TEST.who,
        comment="Bright HVAC knows",
        now=world.now,
    )
    world.session.commit()
    (row,) = world.rows(
        "SELECT (SELECT max(id) FROM alert), (SELECT max(id) FROM silence), (SELECT max(id) FROM notice)"
    )
    alert, silenced, notice = map(str, row)
    places = {
        "app": "acme:4711",
        "source": "acme",
        "tenant": "acme:1",
        "number": "2",
        "version": "2",
        "view": "1",
        "alert_id": alert,
        "silence_id": silenced,
        "notice_id": notice,
        "id": alert,
    }
    yield Ground(application(database_url), world, places)
    settings.cache_clear()


def refuse_everything(world: World) -> None:
    """Every message is refused by a server that names whom, as mail servers do."""
    world.session.execute(text("""UPDATE notice SET "to" = 'someone@bright.example' WHERE reminder_id IS NULL"""))
    claimed = claim_notices(world.session, now=world.now, most=100)
    for notice in claimed:
        answer = f"550 5.7.1 <{notice.to}>: relaying denied"
        assert settle(world.session, notice, Settlement("permanent", answer, Fault.REQUEST))
    assert {bool(notice.reminded) for notice in claimed} == {True, False}
    world.session.commit()


def test_roles(ground: Ground) -> None:
    """Each route answers who has its role, and nobody below it; what is refused leaves everything as it is."""
    callers = {
        role: (cookie(ground.world.session, role, name=role), bearer(ground.world.session, scope, name=role))
        for role, scope in ROLES.items()
    }
    before = ground.contents()
    refused = 0
    for route in ground.routes():
        for role, (signed_in, shown) in callers.items():
            if role.includes(Role(str(route.policy))):
                continue
            for headers in (signed_in | SAME_SITE, shown):
                answer = asked(ground.app, route.method, ground.path(route), headers=headers)
                assert answer.status_code == 403, (route, role, answer.text[:200])
                refused += 1
    assert refused > 50
    assert ground.contents() == before
    others = {}
    for route in ground.routes():
        for role, (signed_in, _) in callers.items():
            if route.method in SAFE and role.includes(Role(str(route.policy))):
                path = ground.path(route) + ASKS.get(route.path, "")
                answer = asked(ground.app, route.method, path, headers=signed_in)
                if answer.status_code != 200:
                    others[role, route.path] = answer.status_code
    assert others == NOT_TOLD


@pytest.mark.parametrize("role", ROLES)
def test_sources(ground: Ground, role: Role) -> None:
    """Who is limited to other sources learns nothing of this one from any route, and changes nothing of it."""
    (other_in, mine_in), (other, mine) = (
        [cookie(ground.world.session, role, name=name, sources=[name]) | SAME_SITE for name in ("other", "acme")],
        [bearer(ground.world.session, ROLES[role], name=name, sources=[name]) for name in ("other", "acme")],
    )
    before = ground.contents()
    for route in ground.routes():
        for headers in (other_in, other):
            answer = asked(ground.app, route.method, ground.path(route), headers=headers, **_body(route))
            told = ground.unsaid(route, answer.text)
            assert not [secret for secret in SECRETS if secret in told], (route, answer.status_code)
            assert answer.status_code < 500, (route, answer.text[:300])
    after = ground.contents()
    assert {name: rows for name, rows in after.items() if name not in {"saved_view", "audit"}} == {
        name: rows for name, rows in before.items() if name not in {"saved_view", "audit"}
    }
    shown = 0
    for route in ground.routes():
        if route.method in SAFE:
            for headers in (mine_in, mine):
                answer = asked(ground.app, route.method, ground.path(route), headers=headers)
                shown += any(secret in answer.text for secret in SECRETS)
    assert shown > 40, "the world shows too little for this test to mean something"


def test_deeds(ground: Ground) -> None:
    """Each route that changes something does it for the least who may, and what it did is in the trail."""
    callers = {
        role: (cookie(ground.world.session, role, name=role), bearer(ground.world.session, scope, name=role))
        for role, scope in ROLES.items()
    }
    routes = {_key(route): route for route in ground.routes() if route.method not in SAFE}
    assert set(routes) == {deed.what for deed in DEEDS} | set(UNTRIED), "a new route belongs to DEEDS"
    trail: list[str] = []
    for deed in DEEDS:
        route = routes[deed.what]
        for place, table in (("view", "saved_view"), ("silence_id", "silence")):
            ground.places[place] = str(ground.world.rows(f"SELECT max(id) FROM {table}")[0][0])  # noqa: S608 - ours
        path = ground.path(route)
        signed_in, shown = callers[Role(str(route.policy))]
        how: dict[str, Any] = {"json": deed.body} if "/api/" in path and deed.body else {"data": deed.body}
        answer = asked(
            ground.app, route.method, path, headers=shown if "/api/" in path else signed_in | SAME_SITE, **how
        )
        assert answer.status_code == deed.status, (deed.what, answer.text[:300])
        known = len(trail)
        trail = [what for (what,) in ground.world.rows("SELECT what FROM audit WHERE by_way_of <> 'cli' ORDER BY id")]
        assert trail[known:] == list(deed.trail), deed.what


def _key(route: Named) -> tuple[str, str]:
    return route.method, re.sub(r":\w+}", "}", route.path)


def test_addresses(ground: Ground) -> None:
    """Who only looks learns nobody's address, whatever page or path they ask; who acts sees whom they act on."""
    address = "someone@bright.example"
    callers = [
        (cookie(ground.world.session, role, name=role), bearer(ground.world.session, ROLES[role], name=role))
        for role in (Role.VIEWER, Role.OPERATOR)
    ]
    viewer, operator = (
        {
            route.path
            for route in ground.routes()
            if route.method == "GET"
            and any(address in asked(ground.app, "GET", ground.path(route), headers=it).text for it in pair)
        }
        for pair in callers
    )
    assert viewer == set()
    assert operator >= {
        "/api/v1/alerts/{alert_id}",
        "/api/v1/notices",
        "/api/v1/notices.csv",
        "/api/v1/notices/{notice_id}",
        "/alerts/{alert_id}",
        "/apps/{app:path}",
        "/health",
        "/messages",
        "/messages/{notice_id}",
        "/tenants/{tenant:path}",
    }


def _body(route: Named) -> dict[str, Any]:
    """Something that most routes take for a proper request."""
    if route.method in SAFE | {"DELETE"}:
        return {}
    if route.path.startswith("/api/"):
        until = "2030-01-01T00:00:00Z"
        return {"json": {"until": until, "ends_at": until, "comment": "x", "app": "acme:4711", "anyway": True}}
    return {"data": {"until": "2030-01-01T00:00", "comment": "x", "app": "acme:4711", "source": "acme", "name": "x"}}
