"""Where histories take place: real PostgreSQL, real tasks, the real source, a portal in process or over HTTP."""

import json
import logging
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog
from pytest_httpserver import HTTPServer
from sqlalchemy import Connection, RootTransaction, select, text
from sqlalchemy.orm import Session as OrmSession
from werkzeug import Request, Response

from config.settings import settings
from models import Base, Session
from models.leases import AppLease, claim_app
from models.listing import sync_sources
from tasks.rules import rules
from tests.integration.history.owed import GRACE, SETTLE
from tests.integration.history.served import Portal
from tests.integration.history.truth import Clock
from tests.integration.tasks.recorded import SCHEDULING
from uptake.http import Answer, Client
from uptake.sources.portal import PortalSource

TOKEN = json.dumps({"access_token": "at1.t0k3n", "expires_in": 3600, "token_type": "Bearer"}).encode()
QUIET: Any = structlog.wrap_logger(None, [], structlog.make_filtering_bound_logger(logging.CRITICAL))
TABLES = [table for table in Base.metadata.sorted_tables if table.name not in SCHEDULING]


class Killed(BaseException):
    """The worker dies here."""


@dataclass
class Ground:
    """One connection to the database, inside whose transactions histories come and go."""

    connection: Connection
    portal: Portal = field(default_factory=lambda: Portal(Clock()))
    outer: RootTransaction | None = None

    def begin(self, portal: Portal) -> int:
        """Begin a history with nothing stored but its source, whose id this is."""
        self.portal = portal
        self.outer = self.connection.begin()
        Session.configure(bind=self.connection, join_transaction_mode="create_savepoint")
        with Session.begin() as session:
            sync_sources(session, [("acme", "portal")], now=portal.clock.now)
            source: int = session.scalars(text("SELECT id FROM source")).one()
            return source

    def end(self) -> None:
        """Leave nothing behind."""
        if self.outer is not None:
            self.outer.rollback()
            self.outer = None

    def execute(self, statement: str, **bound: object) -> None:
        """Do *statement*."""
        with Session.begin() as session:
            session.execute(text(statement), bound)

    def read(self, _session: object) -> datetime:
        """What Uptake is told when it asks Postgres for the time."""
        return self.portal.clock.read()

    def claim(self, session: OrmSession, app: int, *, now: datetime | None = None, **more: Any) -> AppLease | None:
        """The claim, which asks Postgres for the time by itself."""
        return claim_app(session, app, now=now or self.read(session), **more)

    def contents(self) -> dict[str, list[str]]:
        """Every row of every table that only news may change."""
        with Session() as session:
            return {table.name: sorted(map(repr, session.execute(select(table)).all())) for table in TABLES}


class _Direct(Client):
    """The model portal asked without a network."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(trust=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self._ground = ground

    def get(self, url: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str]) -> Answer:
        """The portal's own answer."""
        portal, path, query = self._ground.portal, urlsplit(url).path, params or {}
        portal.before(path, int(query.get("page", "1")))
        reply = portal.answer(path, query, headers.get("If-None-Match"))
        return Answer("portal", reply.status, "application/json", reply.body or b"", None, reply.etag)

    def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answer:  # noqa: ARG002 - as the client has it
        """A token."""
        return Answer("portal", 200, "application/json", TOKEN, None)


class _Watched(Client):
    """Real HTTP; what happens between the pages of a walk happens here."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(trust=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self._ground = ground

    def get(self, url: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str]) -> Answer:
        """The portal's answer over the wire."""
        self._ground.portal.before(urlsplit(url).path, int((params or {}).get("page", "1")))
        return super().get(url, params=params, headers=headers)


@contextmanager
def on_ground(connection: Connection, directory: Path, *, over_http: bool = False) -> Iterator[Ground]:
    """A ground to which the tasks of this process belong until the end of the block."""
    ground = Ground(connection)
    config = directory / "uptake.toml"
    grace = ", ".join(f'{kind} = "{_spelt(GRACE[f"tenant_{name}"])}"' for kind, name in _KINDS)
    config.write_text(f'[policy]\nsettle = "{_spelt(SETTLE)}"\ngrace = {{ {grace} }}\n')
    server = HTTPServer(threaded=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPTAKE_CONFIG", str(config))
        settings.cache_clear()
        rules.cache_clear()
        if over_http:
            server.expect_request(re.compile("/.*")).respond_with_handler(_handler(ground))
            server.start()
        url = server.url_for("").rstrip("/") if over_http else "http://portal"
        source = PortalSource(
            name="acme",
            url=f"{url}/portal/v2",
            token_url=f"{url}/connect/token",
            organization="1001",
            client_id="cid.worker",
            client_secret="cs1.s3cr3t",
            app_key="ak1.k3y",
            client=_Watched(ground) if over_http else _Direct(ground),
        )
        patch.setattr("tasks.poll.source_named", lambda _: source)
        patch.setattr("tasks.poll.claim_app", ground.claim)
        for module in ("tasks.poll", "tasks.feed", "tasks.evaluate"):
            patch.setattr(f"{module}.db_now", ground.read)
            patch.setattr(f"{module}.log", QUIET)
        try:
            yield ground
        finally:
            ground.end()
            source.close()
            if over_http:
                server.stop()
    settings.cache_clear()
    rules.cache_clear()


_KINDS = (("blocking", "lagging"), ("trimming", "overgranted"))


def _spelt(span: timedelta) -> str:
    return f"{int(span.total_seconds() // 3600)}h"


def _handler(ground: Ground) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        if request.path == "/connect/token":
            return Response(TOKEN, content_type="application/json")
        reply = ground.portal.answer(request.path, request.args, request.headers.get("If-None-Match"))
        headers = {"ETag": reply.etag} if reply.etag else {}
        return Response(reply.body or b"", reply.status, content_type="application/json", headers=headers)

    return answer
