"""A small portal over real HTTP, in the test's own process: it keeps a log, and answers badly where a test says so."""

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.integration.portal_double import APP, SECRETS, VERSION, page, said
from tests.unit.portal_examples import row

ROOT = "/portal/v2/organization/1001/apps"
Fault = Callable[[Request], Response | None]


@dataclass
class SmallPortal:
    """Apps with versions 1 to *latest*, and tenants at the version that `tenants` gives, two to a page."""

    url: str
    apps: tuple[int, ...] = (4711,)
    latest: int = 1
    tenants: dict[int, int] = field(default_factory=dict)
    asked: list[tuple[str, float]] = field(default_factory=list)  # path and page, by the monotonic clock
    fault: Fault = lambda _request: None
    tags: bool = False  # entity tags, and 304 for who shows one that still holds
    unchanged: int = 0  # how often it answered so
    told: list[dict[str, Any]] | None = None  # what its feed of changes tells, in order; None: it has none

    def answer(self, request: Request) -> Response:
        """What is asked for, or what the test wants to be said instead."""
        number = int(request.args.get("page", "1"))
        self.asked.append((f"{request.path.removeprefix(ROOT)}?{number}", time.monotonic()))
        if (bad := self.fault(request)) is not None:
            return bad
        if request.path == "/connect/token":
            return said({"access_token": "at1.t0k3n", "expires_in": 900, "token_type": "Bearer"})
        return self.truth(request)

    def truth(self, request: Request) -> Response:
        """The page that is asked for."""
        if request.path.endswith("/export/connections"):
            return self._feed(request.args["from"])
        number = int(request.args.get("page", "1"))
        rows = self._rows(request.path.removeprefix(ROOT))
        part = rows[2 * number - 2 : 2 * number]
        answer = page(number, *part, more=len(rows) > 2 * number, totalCount=len(rows))
        if self.tags:
            answer.add_etag(weak=True)
            answer.make_conditional(request)
            self.unchanged += answer.status_code == 304
        return answer

    def times(self, path: str) -> list[float]:
        """When *path* (with its page) was asked for."""
        return [at for asked, at in self.asked if asked == path]

    def toml(self, path: Path, extra: str = "", *, secret: str = SECRETS["client_secret"]) -> Path:
        """An uptake.toml that reads this portal; its secrets stand in files beside it."""
        (path.parent / "secret").write_text(secret)
        (path.parent / "app_key").write_text(SECRETS["app_key"])
        path.write_text(f"""
[[source]]
name = "acme"
kind = "portal"
url = "{self.url}/portal/v2"
token_url = "{self.url}/connect/token"
organization = "1001"
client_id = "cid.worker"
client_secret = "file:secret"
app_key = "file:app_key"
{extra}""")
        return path

    def tell(self, app: int, tenant: int, to: int = 1, **other: Any) -> None:
        """Let the feed tell of a connection as it is now, or that it is gone."""
        assert self.told is not None, "there is no feed"
        self.told.append(self._row(app, tenant, to) | {"deleted": False} | other)

    def _feed(self, begin: str) -> Response:
        """Two changes a page, from where a token says or, for a date, from the end."""
        if self.told is None:
            return said({"title": "not found"}, 404)
        start = int(begin.removeprefix("after-")) if begin.startswith("after-") else len(self.told)
        part = self.told[start : start + 2]
        more = len(self.told) > start + 2
        return said({"hasMore": more, "continueFrom": f"after-{start + len(part)}", "data": part})

    def _rows(self, path: str) -> list[dict[str, Any]]:
        if not path:
            return [APP | {"id": app, "latestVersion": self.latest} for app in self.apps]
        app = int(path.split("/")[1])
        if path.endswith("/versions"):
            return [self._version(app, number) for number in range(1, self.latest + 1)]
        return [self._row(app, tenant, version) for tenant, version in self.tenants.items()]

    def _row(self, app: int, tenant: int, version: int) -> dict[str, Any]:
        return row(
            appId=app,
            id=tenant,
            resourceOwner={"kind": "tenant", "id": str(tenant), "name": f"Tenant {tenant}"},
            version=version,
            scopes=...,
            clientId=f"cid.{app}.{tenant}",
        )

    def _version(self, app: int, number: int) -> dict[str, Any]:
        # Each version wants one scope more than the one before, all long ago.
        scopes = [
            *VERSION["scopes"],
            *({"name": f"tn.x.s{n}", "view": True, "modify": False} for n in range(1, number)),
        ]
        return VERSION | {
            "appId": app,
            "version": number,
            "scopes": scopes,
            "createdOn": f"2026-0{number}-01T00:00:00Z",
        }


@contextmanager
def small_portal(**facts: Any) -> Iterator[SmallPortal]:
    """A portal that serves until the end of the block."""
    server = HTTPServer(threaded=True)
    portal = SmallPortal("", **facts)
    server.expect_request(re.compile("/.*")).respond_with_handler(portal.answer)
    server.start()
    portal.url = server.url_for("").rstrip("/")
    try:
        yield portal
    finally:
        # Whoever is still being answered slowly is not waited for.
        portal.fault = hang_up
        server.stop()


def hang_up(request: Request) -> Response:
    """End the connection without a word, as a process does that dies."""
    wire: socket.socket = request.environ["werkzeug.socket"]
    with suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)
    return Response(status=500)
