"""Every route names who may ask it, and nobody else gets an answer."""

import re
from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.orm import Session as OrmSession

from config.settings import settings
from dashboard.access import METRICS, OPEN, Admin, Operator, Viewer, policies, require_policies
from dashboard.app import application
from dashboard.guard import guard
from models import Role, Scope, db_now
from models.accounts import change_password, change_role, disable
from models.tokens import make_token, revoke_token
from tests.integration.access.callers import SAME_SITE, TEST, asked, bearer, cookie, token
from tests.integration.models.world import World

EVERYBODYS = {
    "/healthz",
    "/readyz",
    "/static/{mark}/{name:path}",
    "/opt-out/style.css",
    "/opt-out/{token}",
    "/opt-out/{token}/undo",
    "/sign-in",
    "/sign-in/oidc",
    "/sign-in/oidc/back",
    "/sign-in/once/{key}",
    "/sign-out",
}
SAFE = {"GET", "HEAD"}


def filled(path: str) -> str:
    """The *path* of a route with something in its places."""
    places = {"app": "acme:4711", "source": "acme"}
    numbers = ("alert", "silence", "notice", "reminder")
    return re.sub(
        r"\{(\w+)(?::\w+)?\}", lambda one: places.get(one[1], "1" if one[1].startswith(numbers) else "x"), path
    )


def routes() -> list[tuple[str, str, str | None]]:
    """The routes of the real application."""
    return [(route.method, route.path, route.policy) for route in policies(application("unused"))]


def test_every_route_is_somebodys() -> None:
    """None is forgotten, and those for everybody are these and no others."""
    found = routes()
    assert len(found) > 10
    assert [route for route in found if route[2] is None] == []
    assert {path for _, path, policy in found if policy == "open"} == EVERYBODYS


@pytest.mark.parametrize("included", [False, True])
def test_a_nameless_route_stops_the_start(included: bool) -> None:
    """Whoever adds a route and says nowhere who may ask it notices at once, in whatever router it stands."""
    app, inner = FastAPI(openapi_url=None, docs_url=None, redoc_url=None), FastAPI(openapi_url=None, docs_url=None)
    app.get("/ours", dependencies=[OPEN])(lambda: 1)
    require_policies(app)
    if included:
        inner.get("/secrets")(lambda: 1)
        app.include_router(inner.router, prefix="/api/v1")
    else:
        app.get("/secrets")(lambda: 1)
    with pytest.raises(RuntimeError, match=r"GET .*/secrets"):
        require_policies(app)


def test_strangers_get_nothing(session: OrmSession, database_url: str) -> None:
    """Without a credential an API answers 401 with the way to show one, a page leads to the sign-in and back."""
    app = application(database_url)
    closed = [(method, path) for method, path, policy in routes() if policy not in {"open", "metrics"}]
    assert closed
    for method, path in closed:
        answer = asked(app, method, filled(path), headers=SAME_SITE)
        if path.startswith("/api/"):
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == 401
        else:
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/sign-in?next=/")
    there = asked(app, "GET", "/apps/acme:4711?x=1").headers["location"]
    assert there == "/sign-in?next=/apps/acme%3A4711%3Fx%3D1"


def small_application(database_url: str) -> FastAPI:
    """One route for each policy, behind the real guard."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    guard(app)

    def viewers(caller: Viewer) -> str:
        return caller.name

    def operators(caller: Operator) -> str:
        return caller.name

    def admins(caller: Admin) -> str:
        return caller.name

    for path, function in {"view": viewers, "operate": operators, "administer": admins}.items():
        app.get(f"/api/{path}")(function)
        app.post(f"/api/{path}")(function)
        app.get(f"/{path}")(function)
    app.get("/metrics", dependencies=[METRICS])(lambda: "figures")
    return app


PATHS = ("view", "operate", "administer")
WRONG = text("UPDATE source SET last_fault = 'auth', last_error = 'it is closed'")
FOREIGN: tuple[dict[str, str], ...] = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://dashboard"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://dashboard.evil.example"},
    {"Origin": "https://dashboard"},
    {"Origin": "null"},
    {},
)
OURS = (SAME_SITE, {"Origin": "http://dashboard"})


@pytest.mark.parametrize(
    ("role", "scope", "allowed"),
    [
        (Role.VIEWER, Scope.READ, {"view"}),
        (Role.OPERATOR, Scope.OPERATE, {"view", "operate"}),
        (Role.ADMIN, Scope.ADMIN, set(PATHS)),
    ],
)
def test_who_may_what(session: OrmSession, database_url: str, role: Role, scope: Scope, allowed: set[str]) -> None:
    """The whole matrix: each role, signed in and by a token of that scope, at each policy, in a page and in the API."""
    app = small_application(database_url)
    signed_in, shown = cookie(session, role), bearer(session, scope)
    for path in PATHS:
        expected = 200 if path in allowed else 403
        for headers in (signed_in, shown):
            assert asked(app, "GET", f"/api/{path}", headers=headers).status_code == expected, path
            assert asked(app, "GET", f"/{path}", headers=headers).status_code == expected, path
            assert asked(app, "POST", f"/api/{path}", headers=headers | SAME_SITE).status_code == expected, path
    refused = asked(app, "GET", "/api/administer", headers=shown)
    if refused.status_code == 403:
        assert "takes the role admin" in refused.json()["title"]


@pytest.mark.parametrize(
    "shown", ["", "Bearer", "Bearer ", "Bearer upt_", "Basic YTpi", f"Bearer upt_{'0' * 72}", "Bearer \u00e9"]
)
def test_no_token_of_ours(session: OrmSession, database_url: str, shown: str) -> None:
    """Whatever else stands in the header is refused, also beside a session that holds: the header alone counts."""
    headers = [(b"authorization", shown.encode("latin-1")), (b"cookie", cookie(session)["Cookie"].encode())]
    assert asked(database_url, "GET", "/api/v1/apps", headers=headers).status_code == 401


def test_tokens_end(session: OrmSession, database_url: str) -> None:
    """A token that expired or was revoked opens nothing from that moment on, nor one that was cut off."""
    app, now = application(database_url), db_now(session)

    def answered(key: str) -> int:
        return asked(app, "GET", "/api/v1/apps", headers={"Authorization": f"Bearer {key}"}).status_code

    made = [
        make_token(session, name, Scope.READ, expires_at=now + left, sources=None, actor=TEST, now=now)
        for name, left in {"new": timedelta(hours=1), "old": timedelta(seconds=-1)}.items()
    ]
    session.commit()
    new, old = made
    assert new
    assert old
    assert (answered(new), answered(old), answered(new[:-1]), answered(f"{new[:-1]}!")) == (200, 401, 401, 401)
    assert revoke_token(session, "new", actor=TEST, now=now)
    session.commit()
    assert answered(new) == 401
    assert not revoke_token(session, "new", actor=TEST, now=now)


def test_roles_change_at_once(session: OrmSession, database_url: str) -> None:
    """Who is signed in has the role of now; who is disabled or gets another password is signed out."""
    app, headers = small_application(database_url), cookie(session, Role.ADMIN)
    cookie(session, Role.ADMIN, name="bob")
    how = {"actor": TEST, "now": db_now(session)}
    assert asked(app, "GET", "/administer", headers=headers).status_code == 200
    change_role(session, "ada", Role.VIEWER, sources=None, **how)  # type: ignore[arg-type]  # as named
    session.commit()
    assert asked(app, "GET", "/administer", headers=headers).status_code == 403
    disable(session, "ada", **how)  # type: ignore[arg-type]  # as named
    session.commit()
    assert asked(app, "GET", "/view", headers=headers).status_code == 303
    bobs = cookie(session, name="carl")
    change_password(session, "carl", "another horse battery", **how)  # type: ignore[arg-type]  # as named
    session.commit()
    assert asked(app, "GET", "/view", headers=bobs).status_code == 303


def test_only_their_sources(world: World, database_url: str) -> None:
    """Who is limited to other sources sees nothing of this one, in the API and on the pages, and is not told of it."""
    world.put("1", 1, tenant_name="Bright HVAC")
    world.poll()
    world.session.execute(WRONG)
    theirs, others = (bearer(world.session, name=name, sources=[name]) for name in ("acme", "other"))
    for headers, sees in ((theirs, True), (others, False)):
        listed = asked(database_url, "GET", "/api/v1/apps", headers=headers).json()["data"]
        assert [app["app"] for app in listed] == (["acme:4711"] if sees else [])
        front = asked(database_url, "GET", "/", headers=headers).text
        assert ("Dispatch Helper" in front, "it is closed" in front) == (sees, sees)
        assert asked(database_url, "GET", "/apps/acme:4711", headers=headers).status_code == (200 if sees else 404)


def test_metrics(session: OrmSession, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are open, until a setting says that they take a token."""
    app = small_application(database_url)
    assert asked(app, "GET", "/metrics").status_code == 200
    monkeypatch.setenv("UPTAKE_METRICS_NEED_TOKEN", "true")
    settings.cache_clear()
    assert asked(app, "GET", "/metrics").status_code == 401
    assert asked(app, "GET", "/metrics", headers={"Authorization": f"Bearer {token(session)}"}).status_code == 200
    monkeypatch.undo()
    settings.cache_clear()


def test_too_many_calls(session: OrmSession, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each caller has a rate of their own, strangers one by address, whatever they claim it to be."""
    monkeypatch.setenv("UPTAKE_API_RATE", "3")
    settings.cache_clear()
    app = application(database_url)
    mine, other = bearer(session, name="mine"), bearer(session, name="other")
    statuses = [asked(app, "GET", "/api/v1/apps", headers=mine).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    answer = asked(app, "GET", "/api/v1/apps", headers=mine)
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["content-type"] == "application/problem+json"
    assert asked(app, "GET", "/api/v1/apps", headers=other).status_code == 200
    guesses = [asked(app, "GET", "/api/v1/apps", headers={"X-Forwarded-For": f"1.1.1.{n}"}) for n in range(4)]
    assert [guess.status_code for guess in guesses] == [401, 401, 401, 429]
    # Strangers use up nothing of who is known, though they may share an address.
    assert asked(app, "GET", "/api/v1/apps", headers=other).status_code == 200
    monkeypatch.undo()
    settings.cache_clear()


def test_other_sites_change_nothing(session: OrmSession, database_url: str) -> None:
    """Every route that changes something refuses what another site sends, with the cookie of whoever looks at it."""
    app, small = application(database_url), small_application(database_url)
    unsafe = [(app, m, p) for m, p, _ in routes() if m not in SAFE and not p.startswith("/opt-out/")]
    assert unsafe
    unsafe += [(small, "POST", f"/api/{path}") for path in PATHS]
    signed_in = cookie(session, Role.ADMIN)
    for served, method, path in unsafe:
        for headers in FOREIGN:
            answer = asked(served, method, filled(path), headers=signed_in | headers)
            assert (answer.status_code, "another site" in answer.text) == (403, True), (path, headers)
    # Last of all, for one of them signs out.
    for served, method, path in unsafe:
        for headers in OURS:
            answer = asked(served, method, filled(path), headers=signed_in | headers)
            assert "another site" not in answer.text, (path, headers)


def test_mail_programs_may_press_the_button(session: OrmSession, database_url: str) -> None:
    """The opt-out page is the one exception: its link is the proof, wherever the button is pressed."""
    answer = asked(database_url, "POST", "/opt-out/x", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 404
    assert "leads nowhere" in answer.text


def test_browsers_are_told_to_be_strict(session: OrmSession, database_url: str) -> None:
    """Whatever the answer is: no script or frame of others, nothing kept, no address told to other sites."""
    for path in ("/", "/sign-in", "/api/v1/apps", "/nothing"):
        headers = asked(database_url, "GET", path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "form-action 'self'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin"
        assert "strict-transport-security" not in headers
    secure = asked(database_url, "GET", "/sign-in", base="https://dashboard").headers
    assert secure["strict-transport-security"].startswith("max-age=")
